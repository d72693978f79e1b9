use super::*;

fn directory() -> (tempfile::TempDir, Directory) {
    let folder = tempfile::tempdir().unwrap();
    let directory = Directory::writer(&folder.path().join("a/log"), |_| false).unwrap();
    (folder, directory)
}

#[test]
fn blobs_are_written_replaced_listed_and_removed() {
    let (_folder, directory) = directory();
    assert_eq!(directory.read("tiles/x").unwrap(), None);
    assert_eq!(directory.list("tiles").unwrap(), Vec::<String>::new());
    directory.write("tiles/x", b"one").unwrap();
    directory.write("tiles/x", b"two").unwrap();
    directory.write("tiles/y/z", b"").unwrap();
    assert_eq!(directory.read("tiles/x").unwrap().unwrap(), b"two");
    assert_eq!(directory.read("tiles/y/z").unwrap().unwrap(), b"");
    assert_eq!(directory.list("tiles").unwrap(), ["tiles/x"]);
    directory.remove("tiles/x").unwrap();
    directory.remove("tiles/x").unwrap();
    assert_eq!(directory.read("tiles/x").unwrap(), None);
    assert!(matches!(directory.read("tiles/y"), Err(Error::Io { action: Action::Read, .. })));
}

#[test]
fn b10_what_is_no_file_is_neither_waited_for_nor_read() {
    let (_folder, directory) = directory();
    directory.write("tiles/x", b"x").unwrap();
    let planted = directory.root.join("tiles/planted");
    let mode = rustix::fs::Mode::from_raw_mode(0o600);
    rustix::fs::mknodat(rustix::fs::CWD, &planted, rustix::fs::FileType::Fifo, mode, 0).unwrap();
    let endless = directory.root.join("tiles/endless");
    std::os::unix::fs::symlink("/dev/zero", &endless).unwrap();
    for name in ["tiles/planted", "tiles/endless"] {
        assert!(matches!(directory.read(name), Err(Error::Io { action: Action::Read, .. })), "{name}");
        // Written over, never through.
        directory.write(name, b"y").unwrap();
        assert_eq!(directory.read(name).unwrap().unwrap(), b"y");
    }
}

#[test]
fn the_folder_of_partial_tiles_goes_with_the_last_of_them_and_comes_back() {
    let (_folder, directory) = directory();
    for _ in 0..2 {
        directory.write("tiles/000.p/1", b"x").unwrap();
        directory.write("tiles/000.p/2", b"x").unwrap();
        directory.remove("tiles/000.p/1").unwrap();
        assert!(directory.root.join("tiles/000.p").exists());
        directory.remove("tiles/000.p/2").unwrap();
        assert!(!directory.root.join("tiles/000.p").exists());
    }
}

#[test]
fn s01_a_leftover_of_a_crash_is_neither_listed_nor_in_the_way() {
    let (_folder, directory) = directory();
    directory.write("staging/a", b"a").unwrap();
    std::fs::write(directory.root.join("staging/.tmp"), vec![0; 10_000]).unwrap();
    assert_eq!(directory.list("staging").unwrap(), ["staging/a"]);
    directory.write("staging/b", b"b").unwrap();
    assert_eq!(directory.read("staging/b").unwrap().unwrap(), b"b");
    assert!(!directory.root.join("staging/.tmp").exists());
}

#[test]
fn p03_a_planted_link_is_replaced_and_not_written_through() {
    let (folder, directory) = directory();
    let victim = folder.path().join("victim");
    std::fs::write(&victim, b"untouched").unwrap();
    directory.write("tiles/x", b"x").unwrap();
    std::os::unix::fs::symlink(&victim, directory.root.join("tiles/.tmp")).unwrap();
    std::os::unix::fs::symlink(&victim, directory.root.join("tiles/y")).unwrap();
    directory.write("tiles/y", b"new").unwrap();
    assert_eq!(std::fs::read(&victim).unwrap(), b"untouched");
    assert_eq!(directory.read("tiles/y").unwrap().unwrap(), b"new");
}

#[test]
fn a_failed_write_says_what_and_where_and_leaves_no_temporary_file() {
    let (_folder, directory) = directory();
    directory.write("tiles/x", b"a file").unwrap();
    let refused = directory.write("tiles/x/below", b"y");
    assert!(matches!(&refused, Err(Error::Io { path, .. }) if path.ends_with("tiles/x")), "{refused:?}");
    std::fs::create_dir(directory.root.join("tiles/taken")).unwrap();
    let refused = directory.write("tiles/taken", b"y");
    assert!(matches!(&refused, Err(Error::Io { action: Action::Rename, .. })), "{refused:?}");
    assert_eq!(directory.read("tiles/x").unwrap().unwrap(), b"a file");
    assert!(!directory.root.join("tiles/.tmp").exists());
}

#[test]
fn s09_the_lock_goes_with_its_holder() {
    let (folder, directory) = directory();
    let path = folder.path().join("a/log");
    assert!(matches!(Directory::writer(&path, |_| false), Err(Error::Busy { .. })));
    // Opening and closing the file elsewhere does not release it.
    drop(File::open(path.join("lock")).unwrap());
    assert!(matches!(Directory::writer(&path, |_| false), Err(Error::Busy { .. })));
    drop(directory);
    Directory::writer(&path, |_| false).unwrap();
    assert!(path.join("lock").exists(), "a stale lock file is no lock");
}

//! What must not be in a model, and what may look odd but is fine.

use std::{
    ffi::OsStr,
    fs,
    io::ErrorKind,
    os::unix::{
        ffi::OsStrExt,
        fs::{PermissionsExt, symlink},
        net::UnixListener,
    },
    sync::{
        atomic::{AtomicU64, Ordering},
        mpsc,
    },
    thread,
    time::Duration,
};

use rustix::fs::{CWD, FileType, Mode, mkdirat, mknodat, openat};
use sealwax_model::{Error, HashOptions, Hashed, Method, PathError, Progress, Serialization, hash_model};

use crate::support::{Model, following, ignoring, names};

/// Hashes in a thread of its own and gives up after some seconds: a refusal must not wait for anything.
fn at_once(model: &Model, options: HashOptions) -> Result<Hashed, Error> {
    let (sender, receiver) = mpsc::channel();
    let root = model.root();
    thread::spawn(move || drop(sender.send(hash_model(&root, &options, &()))));
    receiver.recv_timeout(Duration::from_secs(10)).expect("hashing blocks")
}

#[test]
fn f01_names_that_no_manifest_may_hold_are_refused() {
    for name in ["a\\b", "a:b", "C:", "nul", "aux.txt", "trailing ", "trailing.", "a?"] {
        let model = Model::new(&[("good", b"1"), (name, b"2")]);
        assert!(matches!(model.plain(), Err(Error::BadName { path, .. }) if path == name), "{name}");
    }
    let model = Model::new(&[("sub/bad:dir/file", b"1")]);
    assert!(matches!(
        model.plain(),
        Err(Error::BadName { path, reason: PathError::NotPortable(':') }) if path == "sub/bad:dir"
    ));
}

#[test]
fn f03_symlinks_are_refused_unless_allowed() {
    let model = Model::new(&[("sub/file", b"1")]);
    symlink("file", model.path("sub/link")).unwrap();
    assert!(matches!(model.plain(), Err(Error::Symlink { path }) if path == "sub/link"));

    let hashed = model.hash(&following()).unwrap();
    assert_eq!(names(&hashed), ["sub/file", "sub/link"]);
    assert_eq!(hashed.manifest.resources()[0].digest, hashed.manifest.resources()[1].digest);
    assert!(hashed.manifest.serialization().allow_symlinks);
}

#[test]
fn f03_symlinked_directories_are_followed_where_allowed() {
    let model = Model::new(&[("data/deep/file", b"1"), ("other/x", b"2")]);
    symlink("../data/deep", model.path("other/link")).unwrap();
    assert!(matches!(model.plain(), Err(Error::Symlink { path }) if path == "other/link"));
    assert_eq!(names(&model.hash(&following()).unwrap()), ["data/deep/file", "other/link/file", "other/x"]);
}

#[test]
fn f03_dangling_symlink_is_refused() {
    let model = Model::new(&[("file", b"1")]);
    symlink("nothing", model.path("link")).unwrap();
    assert!(matches!(model.plain(), Err(Error::Symlink { path }) if path == "link"));
    assert!(matches!(model.hash(&following()), Err(Error::SymlinkDangles { path }) if path == "link"));
}

#[test]
fn f03_looping_symlinks_are_refused() {
    let model = Model::new(&[("file", b"1")]);
    symlink("self", model.path("self")).unwrap();
    assert!(matches!(model.hash(&following()), Err(Error::SymlinkLoop { path }) if path == "self"));

    for target in [".", "..", "../..", "../../a"] {
        let model = Model::new(&[("a/b/file", b"1")]);
        symlink(target, model.path("a/b/up")).unwrap();
        let refused = at_once(&model, following());
        assert!(
            matches!(&refused, Err(Error::SymlinkLoop { path }) if path == "a/b/up"),
            "{target}: {refused:?}"
        );
    }

    // Neither link leads to a directory above itself by its own path.
    let model = Model::new(&[("p/d/file", b"1"), ("q/file", b"1")]);
    symlink("../../q", model.path("p/d/to-q")).unwrap();
    symlink("../p/d", model.path("q/to-d")).unwrap();
    assert!(matches!(at_once(&model, following()), Err(Error::SymlinkLoop { .. })));

    let model = Model::new(&[("p/d/file", b"1")]);
    symlink("p/d", model.path("a")).unwrap();
    symlink("..", model.path("p/d/up")).unwrap();
    assert!(matches!(at_once(&model, following()), Err(Error::SymlinkLoop { .. })));
}

#[test]
fn f03_symlinks_out_of_the_model_are_refused() {
    for target in ["../secret", "sub/../../secret", "../model/file", "/etc/hostname", "/proc/self/exe"] {
        let model = Model::new(&[("file", b"1"), ("sub/x", b"2")]);
        fs::write(model.outside().join("secret"), b"s").unwrap();
        symlink(target, model.path("link")).unwrap();
        let refused = model.hash(&following());
        assert!(
            matches!(&refused, Err(Error::SymlinkEscapes { path }) if path == "link"),
            "{target}: {refused:?}"
        );
    }
    let model = Model::new(&[("file", b"1")]);
    fs::create_dir(model.outside().join("elsewhere")).unwrap();
    symlink("../elsewhere", model.path("link")).unwrap();
    assert!(matches!(model.hash(&following()), Err(Error::SymlinkEscapes { path }) if path == "link"));
    symlink(model.path("file"), model.path("absolute")).unwrap();
    assert!(matches!(model.hash(&following()), Err(Error::SymlinkEscapes { path }) if path == "absolute"));
}

#[test]
fn f03_root_may_be_reached_through_a_symlink_but_a_single_file_not() {
    let model = Model::new(&[("file", b"1")]);
    let to_directory = model.outside().join("to-directory");
    symlink("model", &to_directory).unwrap();
    assert_eq!(names(&hash_model(&to_directory, &HashOptions::default(), &()).unwrap()), ["file"]);

    let to_file = model.outside().join("to-file");
    symlink("model/file", &to_file).unwrap();
    assert!(matches!(hash_model(&to_file, &HashOptions::default(), &()), Err(Error::Symlink { .. })));
    let followed = hash_model(&to_file, &following(), &()).unwrap();
    assert_eq!(names(&followed), ["."]);
    assert_eq!(
        followed.manifest.root_digest(),
        hash_model(&model.path("file"), &following(), &()).unwrap().manifest.root_digest()
    );
}

#[test]
fn f08_fifo_is_refused_at_once() {
    let model = Model::new(&[("file", b"1")]);
    mknodat(CWD, model.path("pipe"), FileType::Fifo, Mode::RUSR, 0).unwrap();
    let refused = at_once(&model, HashOptions::default());
    assert!(matches!(refused, Err(Error::SpecialFile { path, kind: "FIFO" }) if path == "pipe"));
    assert!(at_once(&model, ignoring(&["pipe"])).is_ok());

    let alone = hash_model(&model.path("pipe"), &HashOptions::default(), &());
    assert!(matches!(alone, Err(Error::SpecialFile { kind: "FIFO", .. })));

    symlink("pipe", model.path("link")).unwrap();
    let linked =
        at_once(&model, HashOptions { serialization: following().serialization, ..ignoring(&["pipe"]) });
    assert!(
        matches!(linked, Err(Error::SpecialFile { path, kind: "FIFO" }) if path == "link" || path == "pipe")
    );
}

#[test]
fn f08_socket_is_refused_at_once() {
    let model = Model::new(&[("file", b"1")]);
    let _listener = UnixListener::bind(model.path("socket")).unwrap();
    let refused = at_once(&model, HashOptions::default());
    assert!(matches!(refused, Err(Error::SpecialFile { path, kind: "socket" }) if path == "socket"));
}

#[test]
fn f08_device_is_refused_at_once() {
    let refused = hash_model("/dev/zero".as_ref(), &HashOptions::default(), &());
    assert!(matches!(refused, Err(Error::SpecialFile { kind: "character device", .. })));

    let model = Model::new(&[("file", b"1")]);
    let zero = rustix::fs::makedev(1, 5);
    if mknodat(CWD, model.path("zero"), FileType::CharacterDevice, Mode::RUSR, zero).is_err() {
        println!("skipped: a device inside a model (only root may make one)");
        return;
    }
    let refused = at_once(&model, HashOptions::default());
    assert!(matches!(refused, Err(Error::SpecialFile { path, kind: "character device" }) if path == "zero"));
}

#[test]
fn f09_hard_link_to_a_file_outside_is_accepted_by_its_content() {
    let model = Model::new(&[("file", b"same")]);
    fs::write(model.outside().join("other"), b"same").unwrap();
    fs::hard_link(model.outside().join("other"), model.path("linked")).unwrap();
    let hashed = model.plain().unwrap();
    assert_eq!(names(&hashed), ["file", "linked"]);
    assert_eq!(hashed.manifest.resources()[0].digest, hashed.manifest.resources()[1].digest);
}

#[test]
fn f09_unreadable_file_and_directory_are_named() {
    if rustix::process::geteuid().is_root() {
        println!("skipped: unreadable files (root reads everything)");
        return;
    }
    let model = Model::new(&[("file", b"1"), ("sub/locked", b"2"), ("closed/x", b"3")]);
    fs::set_permissions(model.path("sub/locked"), fs::Permissions::from_mode(0o000)).unwrap();
    let refused = model.plain().unwrap_err();
    assert!(!refused.is_refusal());
    assert!(matches!(
        refused,
        Error::Unreadable { path, source } if path == "sub/locked" && source.kind() == ErrorKind::PermissionDenied
    ));

    fs::set_permissions(model.path("closed"), fs::Permissions::from_mode(0o000)).unwrap();
    let refused = model.plain();
    fs::set_permissions(model.path("closed"), fs::Permissions::from_mode(0o700)).unwrap();
    assert!(matches!(
        refused,
        Err(Error::Unreadable { path, source }) if path == "closed" && source.kind() == ErrorKind::PermissionDenied
    ));
}

#[test]
fn f09_single_file_needs_no_right_to_list_its_directory() {
    if rustix::process::geteuid().is_root() {
        println!("skipped: directories that cannot be listed (root lists everything)");
        return;
    }
    let model = Model::new(&[("file", b"1")]);
    fs::set_permissions(model.root(), fs::Permissions::from_mode(0o100)).unwrap();
    let hashed = hash_model(&model.path("file"), &HashOptions::default(), &());
    let refused = model.plain();
    fs::set_permissions(model.root(), fs::Permissions::from_mode(0o700)).unwrap();
    assert_eq!(names(&hashed.unwrap()), ["."]);
    assert!(matches!(refused, Err(Error::Unreadable { .. })));
}

/// Makes directories by their handles, for paths that are longer than a system call takes.
fn nest(model: &Model, components: &[String], file: &str) {
    let flags = rustix::fs::OFlags::DIRECTORY;
    let mut directory = openat(CWD, model.root(), flags, Mode::empty()).unwrap();
    for component in components {
        mkdirat(&directory, component.as_str(), Mode::RWXU).unwrap();
        directory = openat(&directory, component.as_str(), flags, Mode::empty()).unwrap();
    }
    let create = rustix::fs::OFlags::CREATE | rustix::fs::OFlags::WRONLY;
    let file = openat(&directory, file, create, Mode::RUSR).unwrap();
    rustix::io::write(&file, b"deep").unwrap();
}

#[test]
fn f09_depth_is_bounded() {
    let model = Model::new(&[]);
    nest(&model, &vec!["d".to_owned(); 127], "file");
    assert_eq!(names(&model.plain().unwrap()), [format!("{}file", "d/".repeat(127))]);

    let model = Model::new(&[]);
    nest(&model, &vec!["d".to_owned(); 1000], "file");
    let refused = at_once(&model, HashOptions::default());
    assert!(matches!(refused, Err(Error::BadName { reason: PathError::TooDeep, .. })));
}

#[test]
fn f09_path_of_4096_bytes_is_hashed_and_a_longer_one_refused() {
    let model = Model::new(&[]);
    nest(&model, &vec!["d".repeat(240); 16], &"f".repeat(240));
    let hashed = model.plain().unwrap();
    assert_eq!(names(&hashed)[0].len(), 4096);
    assert_eq!(hashed.bytes, 4);

    let model = Model::new(&[]);
    nest(&model, &vec!["d".repeat(240); 16], &"f".repeat(241));
    assert!(matches!(model.plain(), Err(Error::BadName { reason: PathError::TooLong, .. })));
}

/// Stops after the first bytes.
#[derive(Default)]
struct StopEarly {
    files: AtomicU64,
    total: AtomicU64,
    done: AtomicU64,
}

impl Progress for StopEarly {
    fn total(&self, files: u64, bytes: u64) {
        self.files.store(files, Ordering::Relaxed);
        self.total.store(bytes, Ordering::Relaxed);
    }

    fn advance(&self, bytes: u64) {
        self.done.fetch_add(bytes, Ordering::Relaxed);
    }

    fn cancelled(&self) -> bool {
        self.done.load(Ordering::Relaxed) > 0
    }
}

#[test]
fn f09_sparse_tebibyte_can_be_cancelled() {
    let model = Model::new(&[("small", b"1")]);
    let tebibyte = 1 << 40;
    fs::File::create(model.path("sparse")).unwrap().set_len(tebibyte).unwrap();
    let progress = StopEarly::default();
    let outcome = hash_model(&model.root(), &HashOptions::default(), &progress);
    assert!(matches!(outcome, Err(Error::Cancelled)));
    assert_eq!(progress.files.load(Ordering::Relaxed), 2);
    assert_eq!(progress.total.load(Ordering::Relaxed), tebibyte + 1);
    assert!(progress.done.load(Ordering::Relaxed) < 1 << 30);
}

#[test]
fn d16_tiny_shards_of_a_huge_file_are_refused() {
    let model = Model::new(&[]);
    fs::File::create(model.path("sparse")).unwrap().set_len(1 << 40).unwrap();
    let method = Method::Shards { size: 1.try_into().unwrap() };
    let options = HashOptions {
        serialization: Serialization { method, ..Serialization::default() },
        ..HashOptions::default()
    };
    assert!(matches!(at_once(&model, options), Err(Error::TooMany { .. })));
}

#[test]
fn f10_names_that_are_not_text_are_refused() {
    let model = Model::new(&[("file", b"1")]);
    fs::write(model.root().join(OsStr::from_bytes(b"caf\xe9")), b"2").unwrap();
    assert!(matches!(
        model.plain(),
        Err(Error::BadName { path, reason: PathError::NotUtf8 }) if path == "caf\u{fffd}"
    ));
}

#[test]
fn f10_control_characters_in_names_are_refused() {
    for name in ["new\nline", "\u{1b}[2Jclear", "safe\u{202e}gnp.exe", "zero\u{200b}width"] {
        let model = Model::new(&[(name, b"1")]);
        assert!(matches!(model.plain(), Err(Error::BadName { path, .. }) if path == name), "{name:?}");
    }
}

#[test]
fn f10_case_twins_and_normalisation_twins_are_refused() {
    for (first, second) in [("Model.bin", "model.bin"), ("cafe\u{301}", "caf\u{e9}"), ("A/x", "a/y")] {
        let model = Model::new(&[(first, b"1"), (second, b"2")]);
        let progress = StopEarly::default();
        let refused = hash_model(&model.root(), &HashOptions::default(), &progress);
        assert_eq!(progress.files.load(Ordering::Relaxed), 0, "hashed before the names were compared");
        assert!(
            matches!(&refused, Err(Error::Twins { first: a, second: b }) if a == first && b == second),
            "{refused:?}"
        );
    }
}

#[test]
fn d04_model_without_files_is_refused() {
    let model = Model::new(&[]);
    assert!(matches!(model.plain(), Err(Error::Empty)));
    fs::create_dir_all(model.path("only/directories")).unwrap();
    assert!(matches!(model.plain(), Err(Error::Empty)));
    model.write("file", b"1");
    assert!(matches!(model.hash(&ignoring(&["file"])), Err(Error::Empty)));
}

#[test]
fn missing_model_is_not_found() {
    let model = Model::new(&[]);
    let missing = hash_model(&model.path("nothing"), &HashOptions::default(), &());
    assert!(matches!(missing, Err(Error::NotFound { .. })));
}

#[test]
fn f14_empty_directories_and_modes_are_not_covered() {
    let model = Model::new(&[("file", b"1")]);
    let before = model.plain().unwrap();
    fs::create_dir(model.path("empty")).unwrap();
    fs::set_permissions(model.path("file"), fs::Permissions::from_mode(0o755)).unwrap();
    assert!(before.manifest.compare(&model.plain().unwrap().manifest).is_empty());
}

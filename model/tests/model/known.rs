//! Digests of an earlier run: what is unchanged is not read, and whatever may have changed is.

use std::{
    fs::{self, FileTimes},
    num::NonZeroU64,
    os::unix::fs::{FileExt, PermissionsExt},
    path::Path,
    sync::atomic::{AtomicU64, Ordering},
    thread,
    time::Duration,
};

use sealwax_model::{
    Error, Hash, HashOptions, Hashed, Known, Method, Progress, Reused, Serialization, hash_model,
};

use crate::support::Model;

const KEY: [u8; 32] = [7; 32];

/// Counts what is read.
#[derive(Default)]
struct Read(AtomicU64);

impl Progress for Read {
    fn total(&self, _files: u64, _bytes: u64) {}

    fn advance(&self, bytes: u64) {
        self.0.fetch_add(bytes, Ordering::Relaxed);
    }
}

/// Hashes with what is known, and gives the number of bytes that were read as well.
fn hash(root: &Path, serialization: &Serialization, known: Known) -> (Hashed, u64) {
    let options =
        HashOptions { serialization: serialization.clone(), known: Some(known), ..HashOptions::default() };
    let read = Read::default();
    let hashed = hash_model(root, &options, &read).unwrap();
    let plain = HashOptions { known: None, ..options };
    let afresh = hash_model(root, &plain, &()).unwrap();
    assert_eq!(hashed.manifest.resources(), afresh.manifest.resources());
    assert_eq!((hashed.files, hashed.bytes), (afresh.files, afresh.bytes));
    assert_eq!((afresh.reused, afresh.known.is_none()), (Reused::default(), true));
    assert_eq!(hashed.bytes, hashed.reused.bytes + read.0.load(Ordering::Relaxed));
    (hashed, read.0.into_inner())
}

/// Hashes a model that is old enough to be remembered, and gives what is known of it, as it comes back from where it was kept.
fn remembered(model: &Model, serialization: &Serialization) -> Known {
    thread::sleep(Duration::from_secs(4));
    let (hashed, read) = hash(&model.root(), serialization, Known::default());
    assert_eq!((hashed.reused, hashed.bytes), (Reused::default(), read));
    let scope = Known::scope(&model.root(), serialization);
    Known::open(&hashed.known.unwrap().seal(&KEY, &scope), &KEY, &scope).unwrap()
}

fn sample() -> Model {
    Model::new(&[("a/one", b"1111"), ("a/two", b"2222"), ("b/large", &[3; 300_000]), ("empty", b"")])
}

fn reread(model: &Model, known: Known) -> u64 {
    let (hashed, read) = hash(&model.root(), &Serialization::default(), known);
    assert_eq!(hashed.files, 4);
    read
}

#[test]
fn unchanged_files_are_not_read() {
    let model = Model::new(&[("a/one", b"1111"), ("a/two", b"2222"), ("b/large", &[3; 5_000_000])]);
    thread::sleep(Duration::from_secs(4));
    let shards = Method::Shards { size: NonZeroU64::new(1000).unwrap() };
    for method in [Method::Files, shards] {
        for hash_of in [Hash::Sha256, Hash::Blake2b, Hash::Blake3] {
            let serialization = Serialization { method, hash: hash_of, ..Serialization::default() };
            let (first, read) = hash(&model.root(), &serialization, Known::default());
            assert_eq!(read, 5_000_008);
            let (second, read) = hash(&model.root(), &serialization, first.known.unwrap());
            assert_eq!((second.reused, read), (Reused { files: 3, bytes: 5_000_008 }, 0));
            // And so on: what was reused stays known.
            let (_, read) = hash(&model.root(), &serialization, second.known.unwrap());
            assert_eq!(read, 0);
        }
    }
}

#[test]
fn a_model_that_is_a_single_file() {
    let model = Model::new(&[("file", b"1234")]);
    thread::sleep(Duration::from_secs(4));
    let (first, read) = hash(&model.path("file"), &Serialization::default(), Known::default());
    assert_eq!(read, 4);
    let known = first.known.unwrap();
    assert_eq!(hash(&model.path("file"), &Serialization::default(), known.clone()).1, 0);
    model.write("file", b"1235");
    assert_eq!(hash(&model.path("file"), &Serialization::default(), known).1, 4);
}

#[test]
fn f06_whatever_touches_a_file_makes_it_read_again() {
    let (model, serialization) = (sample(), Serialization::default());
    let known = remembered(&model, &serialization);
    assert_eq!(reread(&model, known.clone()), 0);

    let file = || fs::OpenOptions::new().write(true).open(model.path("a/one")).unwrap();
    let times = fs::metadata(model.path("a/one")).unwrap();
    let times =
        FileTimes::new().set_modified(times.modified().unwrap()).set_accessed(times.accessed().unwrap());
    // Each leaves size and modification time as they were; only the first two change what is in the file.
    let touch: [(&str, &dyn Fn()); 5] = [
        ("written in place, times set back", &|| {
            file().write_all_at(b"1112", 0).unwrap();
            file().set_times(times).unwrap();
        }),
        ("replaced", &|| {
            let staged = model.outside().join("staged");
            fs::write(&staged, b"1113").unwrap();
            fs::File::open(&staged).unwrap().set_times(times).unwrap();
            fs::rename(&staged, model.path("a/one")).unwrap();
        }),
        ("linked", &|| fs::hard_link(model.path("a/one"), model.outside().join("link")).unwrap()),
        ("another mode", &|| {
            fs::set_permissions(model.path("a/one"), fs::Permissions::from_mode(0o640)).unwrap();
        }),
        ("moved away and back", &|| {
            fs::rename(model.path("a/one"), model.path("a/other")).unwrap();
            fs::rename(model.path("a/other"), model.path("a/one")).unwrap();
        }),
    ];
    for (what, touch) in touch {
        let before = sys_stamp(&model.path("a/one"));
        touch();
        assert_ne!(before, sys_stamp(&model.path("a/one")), "{what}");
        assert_eq!(reread(&model, known.clone()), 4, "{what}");
    }
}

/// Inode and change time.
fn sys_stamp(path: &Path) -> (u64, i64, i64) {
    use std::os::unix::fs::MetadataExt;
    let metadata = fs::metadata(path).unwrap();
    (metadata.ino(), metadata.ctime(), metadata.ctime_nsec())
}

#[test]
fn f06_files_that_exchange_their_names_are_read_again() {
    let model = sample();
    let known = remembered(&model, &Serialization::default());
    fs::rename(model.path("a/one"), model.outside().join("aside")).unwrap();
    fs::rename(model.path("a/two"), model.path("a/one")).unwrap();
    fs::rename(model.outside().join("aside"), model.path("a/two")).unwrap();
    assert_eq!(reread(&model, known), 8);
}

#[test]
fn a_file_that_changed_a_moment_ago_is_read_again_the_next_time() {
    let model = sample();
    let (first, _) = hash(&model.root(), &Serialization::default(), Known::default());
    assert_eq!(reread(&model, first.known.unwrap()), 300_008);
}

#[test]
fn f06_a_known_file_that_changes_meanwhile_is_noticed() {
    /// Changes the model between the walk and the first read.
    struct Meddle<F: Fn() + Sync>(F);
    impl<F: Fn() + Sync> Progress for Meddle<F> {
        fn total(&self, _files: u64, _bytes: u64) {
            (self.0)();
        }

        fn advance(&self, _bytes: u64) {}
    }
    let change: [&(dyn Fn(&Model) + Sync); 3] = [
        &|model| model.write("a/one", b"1112"),
        &|model| fs::remove_file(model.path("a/one")).unwrap(),
        &|model| {
            fs::write(model.outside().join("staged"), b"1111").unwrap();
            fs::rename(model.outside().join("staged"), model.path("a/one")).unwrap();
        },
    ];
    thread::scope(|scope| {
        for change in change {
            scope.spawn(move || {
                let model = sample();
                let known = Some(remembered(&model, &Serialization::default()));
                let options = HashOptions { known, ..HashOptions::default() };
                let outcome = hash_model(&model.root(), &options, &Meddle(|| change(&model)));
                let error = outcome.unwrap_err();
                assert!(
                    matches!(&error, Error::ChangedWhileHashing { path } if path == "a/one"),
                    "{error:?}"
                );
            });
        }
    });
}

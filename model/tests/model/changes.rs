//! Models that change while they are hashed: the answer is an error or a manifest of one of the states, never a mixture.

use std::{
    fs,
    num::NonZeroUsize,
    os::unix::fs::{FileExt, symlink},
    path::Path,
    sync::{
        atomic::{AtomicBool, AtomicU64, Ordering},
        mpsc,
    },
    thread,
    time::Duration,
};

use rustix::fs::{CWD, FileType, Mode, RenameFlags, mknodat, renameat_with};
use sealwax_model::{Error, HashOptions, Hashed, Manifest, Progress, hash_model};

use crate::support::{Model, following};

/// Hashes again and again while `flip` changes the model in another thread.
///
/// Every manifest must be equal to one of `states`.
fn race(model: &Model, options: &HashOptions, states: &[Manifest], flip: impl Fn(u64) + Sync) {
    let stop = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            let mut round = 0;
            while !stop.load(Ordering::Relaxed) {
                flip(round);
                round += 1;
                // From much shorter to somewhat longer than a tick of the file system's clock, so that changes fall
                // into every phase of a run.
                thread::sleep(Duration::from_micros(
                    [50, 1500, 300, 6000, 900, 200, 2500][round as usize % 7],
                ));
            }
        });
        for _ in 0..200 {
            match model.hash(options) {
                Ok(hashed) => {
                    let known = states.iter().any(|state| state.compare(&hashed.manifest).is_empty());
                    if !known {
                        stop.store(true, Ordering::Relaxed);
                        panic!("a manifest of no state: {:?}", hashed.manifest.resources());
                    }
                }
                Err(
                    Error::ChangedWhileHashing { .. }
                    | Error::Symlink { .. }
                    | Error::SymlinkDangles { .. }
                    | Error::Empty,
                ) => {}
                Err(error) => {
                    stop.store(true, Ordering::Relaxed);
                    panic!("{error:?}");
                }
            }
        }
        stop.store(true, Ordering::Relaxed);
    });
}

fn states(models: &[&[(&str, &[u8])]]) -> Vec<Manifest> {
    models.iter().map(|files| Model::new(files).plain().unwrap().manifest).collect()
}

#[test]
fn f06_replaced_file_is_one_or_the_other() {
    let (a, b) = (vec![b'a'; 700_000], vec![b'b'; 700_000]);
    let model = Model::new(&[("file", &a), ("other", b"o")]);
    let states = states(&[&[("file", &a), ("other", b"o")], &[("file", &b), ("other", b"o")]]);
    let staged = model.outside().join("staged");
    race(&model, &HashOptions::default(), &states, |round| {
        fs::write(&staged, if round % 2 == 0 { &b } else { &a }).unwrap();
        fs::rename(&staged, model.path("file")).unwrap();
    });
}

#[test]
fn f06_file_written_in_place_is_one_or_the_other() {
    // One page: the system writes that in one go.
    let (a, b) = (vec![b'a'; 4096], vec![b'b'; 4096]);
    let padding = vec![0; 600_000];
    let model = Model::new(&[("file", &a), ("padding", &padding)]);
    let states = states(&[&[("file", &a), ("padding", &padding)], &[("file", &b), ("padding", &padding)]]);
    let file = fs::OpenOptions::new().write(true).open(model.path("file")).unwrap();
    race(&model, &HashOptions::default(), &states, |round| {
        file.write_all_at(if round % 2 == 0 { &b } else { &a }, 0).unwrap();
    });
}

#[test]
fn f06_pages_written_in_order_are_never_seen_out_of_order() {
    // The writer goes from the last page to the first, the reader the other way round: new pages before old ones were
    // never in the file together.
    // Larger pieces could be seen half written: the system lets others read between two pages of one write.
    const PAGES: usize = 100;
    let page = |byte: u8| vec![byte; 4096];
    let content = |new: usize| {
        let mut content = Vec::new();
        for index in 0..PAGES {
            content.extend(page(if index >= PAGES - new { b'n' } else { b'o' }));
        }
        content
    };
    let model = Model::new(&[("file", &content(0))]);
    let states: Vec<Manifest> =
        (0..=PAGES).map(|new| Model::new(&[("file", &content(new))]).plain().unwrap().manifest).collect();
    let file = fs::OpenOptions::new().write(true).open(model.path("file")).unwrap();
    race(&model, &HashOptions::default(), &states, |round| {
        // Up and down, so that every state in between is a known one.
        let byte = if round % 2 == 0 { b'n' } else { b'o' };
        for step in 0..PAGES {
            let index = if round % 2 == 0 { PAGES - 1 - step } else { step };
            file.write_all_at(&page(byte), index as u64 * 4096).unwrap();
        }
    });
}

#[test]
fn f06_truncated_and_grown_file_is_one_of_its_lengths() {
    let content = vec![b'x'; 600_000];
    let model = Model::new(&[("file", &content)]);
    let short = vec![b'x'; 300_000];
    let mut long = content.clone();
    long.resize(900_000, 0);
    let mut cut_and_grown = short.clone();
    cut_and_grown.resize(900_000, 0);
    let states = states(&[
        &[("file", &content)],
        &[("file", &short)],
        &[("file", &long)],
        &[("file", &cut_and_grown)],
    ]);
    let file = fs::OpenOptions::new().write(true).open(model.path("file")).unwrap();
    race(&model, &HashOptions::default(), &states, |round| {
        file.set_len(if round % 2 == 0 { 300_000 } else { 900_000 }).unwrap();
    });
}

#[test]
fn f06_exchanged_directories_are_one_or_the_other() {
    let (a, b) = (vec![b'a'; 200_000], vec![b'b'; 200_000]);
    let model = Model::new(&[("d/x", &a), ("d/y", &a), ("top", b"t")]);
    let other = Model::new(&[("x", &b), ("y", &b)]);
    let beside = model.outside().join("beside");
    fs::rename(other.root(), &beside).unwrap();
    let states =
        states(&[&[("d/x", &a), ("d/y", &a), ("top", b"t")], &[("d/x", &b), ("d/y", &b), ("top", b"t")]]);
    race(&model, &HashOptions::default(), &states, |_| exchange(&model.path("d"), &beside));
}

#[test]
fn f04_file_exchanged_for_a_symlink_with_the_same_bytes_is_refused() {
    let model = Model::new(&[("file", b"same"), ("other", b"o")]);
    fs::write(model.outside().join("elsewhere"), b"same").unwrap();
    let link = model.outside().join("link");
    symlink("../elsewhere", &link).unwrap();
    let before = model.plain().unwrap().manifest;

    exchange(&model.path("file"), &link);
    assert!(matches!(model.plain(), Err(Error::Symlink { path }) if path == "file"));
    assert!(matches!(model.hash(&following()), Err(Error::SymlinkEscapes { path }) if path == "file"));
    exchange(&model.path("file"), &link);

    race(&model, &HashOptions::default(), &[before], |_| exchange(&model.path("file"), &link));
}

#[test]
fn f04_directory_exchanged_for_a_symlink_with_the_same_bytes_is_refused() {
    let model = Model::new(&[("d/file", b"same")]);
    fs::create_dir(model.outside().join("elsewhere")).unwrap();
    fs::write(model.outside().join("elsewhere/file"), b"same").unwrap();
    let link = model.outside().join("link");
    symlink("../elsewhere", &link).unwrap();
    let before = model.plain().unwrap().manifest;

    exchange(&model.path("d"), &link);
    assert!(matches!(model.plain(), Err(Error::Symlink { path }) if path == "d"));
    exchange(&model.path("d"), &link);

    race(&model, &HashOptions::default(), &[before], |_| exchange(&model.path("d"), &link));
}

/// Changes the model once, between the walk and the first read.
struct Meddle<F: Fn() + Sync>(F, AtomicU64);

impl<F: Fn() + Sync> Progress for Meddle<F> {
    fn total(&self, _files: u64, _bytes: u64) {
        (self.0)();
        self.1.fetch_add(1, Ordering::Relaxed);
    }

    fn advance(&self, _bytes: u64) {}
}

/// Changes it once, after the first bytes were read.
struct MeddleLater<F: Fn() + Sync>(F, AtomicU64);

impl<F: Fn() + Sync> Progress for MeddleLater<F> {
    fn total(&self, _files: u64, _bytes: u64) {}

    fn advance(&self, _bytes: u64) {
        if self.1.fetch_add(1, Ordering::Relaxed) == 0 {
            (self.0)();
        }
    }
}

fn meddled(model: &Model, change: impl Fn() + Sync) -> Result<Hashed, Error> {
    hash_model(&model.root(), &HashOptions::default(), &Meddle(change, AtomicU64::new(0)))
}

fn meddled_later(model: &Model, change: impl Fn() + Sync) -> Result<Hashed, Error> {
    hash_model(&model.root(), &HashOptions::default(), &MeddleLater(change, AtomicU64::new(0)))
}

fn assert_changed(outcome: Result<Hashed, Error>, name: &str) {
    let error = outcome.expect_err(name);
    assert!(!error.is_refusal());
    assert!(matches!(&error, Error::ChangedWhileHashing { path } if path == name), "{error:?}");
}

#[test]
fn f06_every_change_after_the_walk_is_noticed() {
    let fresh = || Model::new(&[("d/file", b"content"), ("d/other", b"x")]);

    let model = fresh();
    assert_changed(meddled(&model, || model.write("d/file", b"CONTENT")), "d/file");
    let model = fresh();
    assert_changed(meddled(&model, || model.write("d/file", b"longer content")), "d/file");
    let model = fresh();
    assert_changed(meddled(&model, || fs::remove_file(model.path("d/file")).unwrap()), "d/file");
    let model = fresh();
    assert_changed(meddled(&model, || fs::rename(model.path("d"), model.path("e")).unwrap()), "d");
    let model = fresh();
    assert_changed(meddled(&model, || model.write("d/planted", b"p")), "d");
    let model = fresh();
    assert_changed(meddled(&model, || model.write("planted", b"p")), ".");
    let model = fresh();
    assert_changed(
        meddled(&model, || {
            fs::rename(model.root(), model.outside().join("away")).unwrap();
            fs::create_dir(model.root()).unwrap();
        }),
        ".",
    );
}

#[test]
fn f06_model_whose_parent_directory_is_exchanged_is_noticed() {
    let temporary = tempfile::tempdir().unwrap();
    let (here, away) = (temporary.path().join("here"), temporary.path().join("away"));
    for parent in [&here, &away] {
        fs::create_dir_all(parent.join("model")).unwrap();
        fs::write(parent.join("model/file"), b"content").unwrap();
    }
    let meddle = Meddle(|| exchange(&here, &away), AtomicU64::new(0));
    assert_changed(hash_model(&here.join("model"), &HashOptions::default(), &meddle), ".");
}

/// The other thread is at a tebibyte that would take it ten minutes.
#[test]
fn f06_first_failure_stops_all_threads() {
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || {
        let model = Model::new(&[("file", b"content")]);
        fs::File::create(model.path("sparse")).unwrap().set_len(1 << 40).unwrap();
        let options = HashOptions { threads: NonZeroUsize::new(2), ..HashOptions::default() };
        let meddle = Meddle(|| model.write("file", b"CONTENT"), AtomicU64::new(0));
        sender.send(hash_model(&model.root(), &options, &meddle)).unwrap();
    });
    assert_changed(receiver.recv_timeout(Duration::from_secs(10)).expect("hashing goes on"), "file");
}

#[test]
fn f08_file_exchanged_for_a_fifo_is_refused_at_once() {
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || {
        let model = Model::new(&[("file", b"content")]);
        let to_fifo = || {
            fs::remove_file(model.path("file")).unwrap();
            mknodat(CWD, model.path("file"), FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
        };
        sender.send(meddled(&model, to_fifo)).unwrap();
    });
    assert_changed(receiver.recv_timeout(Duration::from_secs(10)).expect("hashing blocks"), "file");
}

#[test]
fn f06_every_change_during_the_reading_is_noticed() {
    let large = vec![b'l'; 3_000_000];
    let fresh = || Model::new(&[("d/file", &large)]);

    let model = fresh();
    assert_changed(
        meddled_later(&model, || {
            let file = fs::OpenOptions::new().write(true).open(model.path("d/file")).unwrap();
            file.write_all_at(b"x", 0).unwrap();
        }),
        "d/file",
    );
    let model = fresh();
    assert_changed(
        meddled_later(&model, || {
            let file = fs::OpenOptions::new().write(true).open(model.path("d/file")).unwrap();
            file.set_len(10).unwrap();
        }),
        "d/file",
    );
    let model = fresh();
    assert_changed(
        meddled_later(&model, || {
            let file = fs::OpenOptions::new().append(true).open(model.path("d/file")).unwrap();
            file.write_all_at(b"more", 0).unwrap();
        }),
        "d/file",
    );
    let model = fresh();
    assert_changed(
        meddled_later(&model, || {
            fs::write(model.outside().join("new"), &large).unwrap();
            fs::rename(model.outside().join("new"), model.path("d/file")).unwrap();
        }),
        "d/file",
    );
    let model = fresh();
    assert_changed(meddled_later(&model, || fs::remove_file(model.path("d/file")).unwrap()), "d/file");
}

/// All that can happen to a file between two reads of it, ten thousand times: no manifest is made of bytes that were never
/// there together. By sixteen at a time, because most of the time is waiting for the clock to move on.
#[test]
fn f06_ten_thousand_changes_between_two_reads_are_noticed() {
    let content = vec![b'o'; 300_000];
    let (first, last) = (vec![b'n'; 4096], vec![b'N'; 4096]);
    thread::scope(|scope| {
        for _ in 0..16 {
            scope.spawn(|| {
                let model = Model::new(&[("a", b"a"), ("file", &content)]);
                let (path, staged) = (model.path("file"), model.outside().join("staged"));
                let file = || fs::OpenOptions::new().write(true).open(&path).unwrap();
                for round in 0..625 {
                    fs::write(&path, &content).unwrap();
                    let outcome = meddled_later(&model, || match round % 5 {
                        // What was read already, and what was not.
                        0 => {
                            file().write_all_at(&first, 0).unwrap();
                            file().write_all_at(&last, 295_000).unwrap();
                        }
                        1 => file().set_len(280_000).unwrap(),
                        2 => file().set_len(400_000).unwrap(),
                        3 => {
                            fs::write(&staged, &content).unwrap();
                            fs::rename(&staged, &path).unwrap();
                        }
                        _ => fs::remove_file(&path).unwrap(),
                    });
                    assert_changed(outcome, "file");
                }
            });
        }
    });
}

#[test]
fn f06_change_beyond_a_followed_symlink_is_noticed() {
    let model = Model::new(&[("one", b"1"), ("two", b"2")]);
    symlink("one", model.path("link")).unwrap();
    let outcome = hash_model(
        &model.root(),
        &following(),
        &Meddle(
            || {
                fs::remove_file(model.path("link")).unwrap();
                symlink("two", model.path("link")).unwrap();
            },
            AtomicU64::new(0),
        ),
    );
    assert_changed(outcome, "link");
}

fn exchange(one: &Path, other: &Path) {
    renameat_with(CWD, one, CWD, other, RenameFlags::EXCHANGE).unwrap();
}

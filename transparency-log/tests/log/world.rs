//! A log in a directory of its own, with the key to reopen it, and the checks that every test ends with.

use std::ops::Range;
use std::path::{Path, PathBuf};

use sealwax_keys::{KeyFile, KeyKind, SecretKey};
use sealwax_tlog::{Checkpoint, Hash, VerifierKey, proof};
use sealwax_transparency_log::{
    Anchor, Error, Guards, Log, LogKey, LogView, NewEntry, Outpost, Receipt, Recovery, Storage,
};

pub(crate) const ORIGIN: &str = "log.example";

pub(crate) struct World {
    directory: tempfile::TempDir,
    key_text: String,
    pub(crate) verifier: VerifierKey,
}

impl World {
    pub(crate) fn new() -> World {
        let secret = SecretKey::generate(KeyKind::Ed25519).unwrap();
        let verifier = VerifierKey::from_ed25519(ORIGIN, secret.public_key()).unwrap();
        let key_text = secret.to_pkcs8_pem(None).unwrap().to_string();
        World { directory: directory(), key_text, verifier }
    }

    /// A world with a log of `size` entries, appended in one batch, and closed.
    pub(crate) fn with_entries(size: u64) -> World {
        let world = World::new();
        let mut log = world.create();
        append(&mut log, 0..size);
        drop(log);
        world
    }

    pub(crate) fn path(&self) -> PathBuf {
        self.directory.path().join("log")
    }

    /// A place that is not the log's and remembers what it signed.
    pub(crate) fn outside(&self) -> PathBuf {
        self.directory.path().join("outside")
    }

    /// Opens the log with its outpost.
    pub(crate) fn open_guarded(&self, hold: bool) -> Result<(Log, Recovery), Error> {
        let guards = Guards { outposts: vec![Outpost::directory(&self.outside())], hold };
        Log::open_guarded(&self.path(), self.key(), guards, briefly)
    }

    pub(crate) fn key(&self) -> LogKey {
        let Ok(KeyFile::Plain(secret)) = KeyFile::parse(self.key_text.as_bytes()) else { panic!("test key") };
        LogKey::new(ORIGIN, secret).unwrap()
    }

    pub(crate) fn sign(&self, checkpoint: &Checkpoint) -> Vec<u8> {
        let Ok(KeyFile::Plain(secret)) = KeyFile::parse(self.key_text.as_bytes()) else { panic!("test key") };
        checkpoint.sign(&secret).unwrap().to_bytes()
    }

    pub(crate) fn create(&self) -> Log {
        Log::create(&self.path(), self.key(), briefly).unwrap()
    }

    pub(crate) fn open(&self) -> Result<(Log, Recovery), Error> {
        Log::open(&self.path(), self.key(), briefly)
    }

    pub(crate) fn view(&self) -> Result<LogView, Error> {
        LogView::open(&self.path(), &self.verifier)
    }

    /// A second world with the same key and a copy of the files as they are now.
    pub(crate) fn copy(&self) -> World {
        let directory = directory();
        copy_tree(self.directory.path(), directory.path());
        World { directory, key_text: self.key_text.clone(), verifier: self.verifier.clone() }
    }

    /// Checks that the stored log is whole, and that the earlier signed notes all lead to it.
    pub(crate) fn assert_sound(&self, earlier: &[Vec<u8>]) {
        let (log, _) = self.open().unwrap();
        assert_clean(&log);
        self.assert_extends(&log, earlier);
    }

    /// The number of staged batches, not counting one that was cut short while it was written.
    pub(crate) fn staged(&self) -> usize {
        let staged = files(&self.path().join("staging"));
        staged.iter().filter(|file| *file != Path::new(".tmp")).count()
    }

    /// The newest signed note.
    pub(crate) fn note(&self) -> Vec<u8> {
        self.view().unwrap().note().to_vec()
    }

    /// Every earlier signed note must be consistent with the newest one, which is what the log has published.
    pub(crate) fn assert_extends<S: Storage, A: Anchor>(&self, log: &Log<S, A>, earlier: &[Vec<u8>]) {
        let view = self.view().unwrap();
        let newest = view.checkpoint();
        assert_eq!(newest, log.checkpoint().unwrap());
        for note in earlier {
            let old = Checkpoint::open(note, &self.verifier).unwrap();
            let path = view.prove_consistency(old.size).unwrap();
            proof::verify_consistency(old.size, newest.size, &path, &old.root, &newest.root).unwrap();
        }
    }
}

/// A temporary directory in memory where there is such a place: flushing thousands of copies to disk proves nothing more.
pub(crate) fn directory() -> tempfile::TempDir {
    tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap()
}

pub(crate) fn body(index: u64) -> Vec<u8> {
    format!("entry {index}").into_bytes()
}

pub(crate) fn append<S: Storage, A: Anchor>(log: &mut Log<S, A>, range: Range<u64>) -> Vec<Receipt> {
    try_append(log, range).unwrap()
}

/// Appends one entry per number, each with an envelope that is its own body.
pub(crate) fn try_append<S: Storage, A: Anchor>(
    log: &mut Log<S, A>,
    range: Range<u64>,
) -> Result<Vec<Receipt>, Error> {
    let bodies: Vec<Vec<u8>> = range.map(body).collect();
    let digests: Vec<[u8; 32]> = bodies.iter().map(|body| digest(body)).collect();
    // One envelope per batch keeps the directories of large logs small.
    let entries: Vec<NewEntry<'_>> = bodies
        .iter()
        .zip(&digests)
        .enumerate()
        .map(|(i, (body, digest))| NewEntry {
            body,
            envelope: (i == 0).then_some((digest.as_slice(), body.as_slice())),
        })
        .collect();
    log.append(&entries)
}

/// Any function of the bytes will do as the digest of an envelope; the log does not compute it.
pub(crate) fn digest(bytes: &[u8]) -> [u8; 32] {
    *Hash::leaf(bytes).as_bytes()
}

pub(crate) fn envelope_fits(stored: &[u8], bytes: &[u8]) -> bool {
    digest(bytes) == stored
}

pub(crate) fn assert_receipt(receipt: &Receipt, body: &[u8], verifier: &VerifierKey) {
    let checkpoint = Checkpoint::open(&receipt.checkpoint, verifier).unwrap();
    assert_eq!((receipt.leaf, receipt.size), (Hash::leaf(body), checkpoint.size));
    proof::verify_inclusion(&receipt.leaf, receipt.index, receipt.size, &receipt.proof, &checkpoint.root)
        .unwrap();
}

pub(crate) fn assert_clean<S: Storage, A: Anchor>(log: &Log<S, A>) {
    let report = log.check(&envelope_fits).unwrap();
    assert!(report.is_clean(), "{report:?}");
}

/// Lists all files below a directory, relative to it and sorted.
pub(crate) fn files(root: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![root.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path)
            } else {
                found.push(path.strip_prefix(root).unwrap().to_owned())
            }
        }
    }
    found.sort();
    found
}

pub(crate) fn copy_tree(from: &Path, to: &Path) {
    for file in files(from) {
        let target = to.join(&file);
        std::fs::create_dir_all(target.parent().unwrap()).unwrap();
        std::fs::copy(from.join(&file), target).unwrap();
    }
}

/// Waits for a lock a little. Tests run side by side in one process, and some start programs: between its fork and its
/// start a child shares all open files, so a lock that was just released may look held for a moment.
pub(crate) fn briefly(tries: u32) -> bool {
    std::thread::sleep(std::time::Duration::from_millis(2));
    tries < 500
}

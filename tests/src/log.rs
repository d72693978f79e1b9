//! A log for the tests that start `log_child` and end it, and what must hold whenever they have.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use sealwax_keys::{KeyFile, KeyKind, SecretKey};
use sealwax_tlog::{Checkpoint, VerifierKey, proof};
use sealwax_transparency_log::{Log, LogKey, LogView, NewEntry, Recovery};

/// A log's directory, its key, and everything that was promised about it.
#[derive(Clone)]
pub struct TestLog {
    directory: PathBuf,
    key_file: PathBuf,
    verifier: VerifierKey,
    /// Signed notes that somebody has seen, and that the next one must extend.
    notes: Vec<Vec<u8>>,
    /// The entries that were acknowledged, by position.
    acknowledged: BTreeMap<u64, Vec<u8>>,
    /// How many processes wrote to it. No two of them write the same, so that two histories never look like one.
    writers: u64,
}

impl TestLog {
    /// Makes an empty log in a directory that is not there yet, and its key as a file in another.
    pub fn create(directory: &Path, key_folder: &Path) -> Self {
        let key_file = key_folder.join("log.key");
        let secret = SecretKey::generate(KeyKind::Ed25519).expect("a key");
        let text = secret.to_pkcs8_pem(None).expect("a key's text");
        std::fs::write(&key_file, text.as_bytes()).expect("a key file");
        let key = key(text.as_bytes());
        let verifier = key.verifier().clone();
        Log::create(directory, key, |_| false).expect("a new log");
        let (directory, notes, acknowledged) = (directory.to_owned(), Vec::new(), BTreeMap::new());
        Self { directory, key_file, verifier, notes, acknowledged, writers: 0 }
    }

    /// Gives the same log, and the same promises, over a copy of its directory.
    pub fn copy(&self, directory: &Path) -> Self {
        crate::copy_tree(&self.directory, directory);
        Self { directory: directory.to_owned(), ..self.clone() }
    }

    /// Gives the log's directory.
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// Gives the size that the acknowledged entries make.
    pub fn size(&self) -> u64 {
        self.acknowledged.last_key_value().map_or(0, |(index, _)| index + 1)
    }

    /// Gives the arguments with which `log_child` opens the log and appends. What it then says is for [`TestLog::hear`].
    pub fn child<'a>(&mut self, command: &'a mut Command, batches: u64, entries: u64) -> &'a mut Command {
        self.writers += 1;
        let numbers = [self.writers, batches, entries].map(|number| number.to_string());
        command.arg(&self.directory).arg(&self.key_file).args(numbers)
    }

    /// Takes note of one line that the last child printed.
    pub fn hear(&mut self, line: &str) {
        let mut words = line.split(' ');
        if words.next() != Some("acknowledged") {
            return;
        }
        let mut number = || words.next().and_then(|word| word.parse::<u64>().ok()).expect("a number");
        let (first, entries) = (number(), number());
        for index in first..first + entries {
            let earlier = self.acknowledged.insert(index, body(index, self.writers));
            assert!(earlier.is_none(), "index {index} was given twice");
        }
        self.notes.push(words.next().and_then(|word| hex::decode(word).ok()).expect("a checkpoint"));
    }

    /// Takes note of the checkpoint that is published now: the world may have seen it, acknowledged or not.
    pub fn see(&mut self) {
        let view = LogView::open(&self.directory, &self.verifier).expect("a published log");
        self.notes.push(view.note().to_vec());
    }

    /// Opens the log, as its next process would.
    pub fn open(&self) -> sealwax_transparency_log::Result<(Log, Recovery)> {
        let text = std::fs::read(&self.key_file).expect("the key file");
        Log::open(&self.directory, key(&text), |_| false)
    }

    /// Opens the log, and demands that everything that was ever promised holds: each acknowledged entry from `from` on is
    /// where it was acknowledged, every signed note that was seen leads to the newest one, all of it is clean, and it takes
    /// another entry.
    pub fn assert_holds(&mut self, from: u64, context: &str) {
        self.see();
        let (mut log, _) = self.open().unwrap_or_else(|error| panic!("{context}: {error}"));
        let report = log.check(&|_, _| true).expect("a check");
        assert!(report.is_clean(), "{context}: {report:?}");
        let size = log.checkpoint().expect("an open log").size;
        assert!(size >= self.size(), "{context}: {size} of {}", self.size());

        self.writers += 1;
        let next = body(size, self.writers);
        let receipts = log.append(&[NewEntry { body: &next, envelope: None }]);
        let receipts = receipts.unwrap_or_else(|error| panic!("{context}: {error}"));
        assert_eq!(receipts.first().map(|receipt| receipt.index), Some(size), "{context}");
        self.acknowledged.insert(size, next);

        let view = LogView::open(&self.directory, &self.verifier).expect("a published log");
        for (index, body) in self.acknowledged.range(from..) {
            assert_eq!(view.entry(*index).expect("an entry"), *body, "{context}: entry {index}");
        }
        let newest = view.checkpoint();
        for note in self.notes.drain(..) {
            let old = Checkpoint::open(&note, &self.verifier).expect("a signed checkpoint");
            let path = view.prove_consistency(old.size).expect("a consistency proof");
            proof::verify_consistency(old.size, newest.size, &path, &old.root, &newest.root)
                .unwrap_or_else(|error| panic!("{context}: {} to {}: {error}", old.size, newest.size));
        }
        // What leads to the newest one now leads to all that it leads to later.
        self.notes.push(view.note().to_vec());
    }
}

/// The entry that a writer appends at a position.
pub fn body(index: u64, writer: u64) -> Vec<u8> {
    format!("entry {index} of writer {writer}").into_bytes()
}

/// Reads a log's key.
pub fn key(text: &[u8]) -> LogKey {
    let Ok(KeyFile::Plain(secret)) = KeyFile::parse(text) else { panic!("not a plain key") };
    LogKey::new("log.example", secret).expect("a log key")
}

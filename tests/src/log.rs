//! A log for the tests that start `log_child` and end it, and what must hold whenever they have.

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
    /// The signed notes that were given out.
    notes: Vec<Vec<u8>>,
    /// The entries 0 up to this one were acknowledged.
    acknowledged: u64,
}

impl TestLog {
    /// Makes an empty log in a directory that is not there yet, and its key as a file in another.
    pub fn create(directory: &Path, key_folder: &Path) -> Self {
        let key_file = key_folder.join("log.key");
        let secret = SecretKey::generate(KeyKind::Ed25519).expect("a key");
        std::fs::write(&key_file, secret.to_pkcs8_pem(None).expect("a key file").as_bytes())
            .expect("a key file");
        let key = key(secret.to_pkcs8_pem(None).expect("a key file").as_bytes());
        let verifier = key.verifier().clone();
        Log::create(directory, key, |_| false).expect("a new log");
        Self { directory: directory.to_owned(), key_file, verifier, notes: Vec::new(), acknowledged: 0 }
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

    /// Gives the number of acknowledged entries.
    pub fn acknowledged(&self) -> u64 {
        self.acknowledged
    }

    /// Gives the arguments with which `log_child` opens the log and appends.
    pub fn child<'a>(&self, command: &'a mut Command, batches: u64, entries: u64) -> &'a mut Command {
        command
            .arg(&self.directory)
            .arg(&self.key_file)
            .args([batches, entries].map(|number| number.to_string()))
    }

    /// Takes note of one line that the child printed: what it acknowledged must follow what was acknowledged before.
    pub fn hear(&mut self, line: &str) {
        let mut words = line.split(' ');
        if words.next() != Some("acknowledged") {
            return;
        }
        let mut number = || words.next().and_then(|word| word.parse::<u64>().ok()).expect("a number");
        let (first, entries) = (number(), number());
        assert!(first >= self.acknowledged, "{line}: an index was given twice");
        self.acknowledged = first + entries;
        self.notes.push(words.next().and_then(|word| hex::decode(word).ok()).expect("a checkpoint"));
    }

    /// Opens the log, as its next process would.
    pub fn open(&self) -> sealwax_transparency_log::Result<(Log, Recovery)> {
        let text = std::fs::read(&self.key_file).expect("the key file");
        Log::open(&self.directory, key(&text), |_| false)
    }

    /// Opens the log, and demands that everything that was ever promised holds: each acknowledged entry from `from` on is
    /// where it was acknowledged, every signed note leads to the newest one, all of it is clean, and it takes another entry.
    ///
    /// Entries that were stored and never acknowledged are then taken for acknowledged. Gives what opening did.
    pub fn assert_holds(&mut self, from: u64, context: &str) -> Recovery {
        let (mut log, recovery) = self.open().unwrap_or_else(|error| panic!("{context}: {error}"));
        let report = log.check(&|_, _| true).expect("a check");
        assert!(report.is_clean(), "{context}: {report:?}");
        let view = LogView::open(&self.directory, &self.verifier).expect("a published log");
        let newest = view.checkpoint();
        assert_eq!(newest, log.checkpoint().expect("an open log"), "{context}");
        assert!(newest.size >= self.acknowledged, "{context}: {} of {}", newest.size, self.acknowledged);
        for index in from..newest.size {
            assert_eq!(view.entry(index).expect("an entry"), body(index), "{context}: entry {index}");
        }
        for note in &self.notes {
            let old = Checkpoint::open(note, &self.verifier).expect("a signed checkpoint");
            let path = view.prove_consistency(old.size).expect("a consistency proof");
            proof::verify_consistency(old.size, newest.size, &path, &old.root, &newest.root)
                .unwrap_or_else(|error| panic!("{context}: {} to {}: {error}", old.size, newest.size));
        }
        let next = body(newest.size);
        let receipts = log.append(&[NewEntry { body: &next, envelope: None }]);
        let receipts = receipts.unwrap_or_else(|error| panic!("{context}: {error}"));
        self.notes.extend(receipts.into_iter().map(|receipt| receipt.checkpoint));
        self.acknowledged = newest.size + 1;
        recovery
    }
}

/// The entry that the child appends at a position.
pub fn body(index: u64) -> Vec<u8> {
    format!("entry {index}").into_bytes()
}

/// Reads a log's key.
pub fn key(text: &[u8]) -> LogKey {
    let Ok(KeyFile::Plain(secret)) = KeyFile::parse(text) else { panic!("not a plain key") };
    LogKey::new("log.example", secret).expect("a log key")
}

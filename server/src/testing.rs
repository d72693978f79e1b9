//! What the tests of several modules need.

use std::path::Path;
use std::thread;
use std::time::Duration;

use sealwax_keys::{KeyKind, SecretKey};
use sealwax_tlog::VerifierKey;
use sealwax_witness::{Error, Witness};

/// Makes and opens a witness of one log. Other tests here start programs: between its fork and its start such a child shares
/// all open files, so that a lock which was just released may look held for a moment.
pub(crate) fn witness(directory: &Path, name: &str, log: &VerifierKey) -> Witness {
    Witness::create(directory).unwrap();
    for _ in 0..500 {
        let secret = SecretKey::generate(KeyKind::Ed25519).unwrap();
        match Witness::open(directory, name, secret, std::slice::from_ref(log)) {
            Err(Error::Busy { .. }) => thread::sleep(Duration::from_millis(2)),
            opened => return opened.unwrap(),
        }
    }
    panic!("the witness is held");
}

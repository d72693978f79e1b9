//! The log's key.

use sealwax_keys::SecretKey;
use sealwax_tlog::{Checkpoint, NoteSignature, SignedNote, VerifierKey};

use crate::error::{Error, Result};
use crate::tree::CHECKPOINT;

/// The log's signing key under the log's name.
#[derive(Debug)]
pub struct LogKey {
    secret: SecretKey,
    verifier: VerifierKey,
}

impl LogKey {
    /// Names an Ed25519 key by the log's origin, a bare host name, for example `log.example.com`.
    ///
    /// # Errors
    ///
    /// [`Error::Tlog`] where the key is not Ed25519, or the origin is empty or has a space, plus or control character.
    pub fn new(origin: &str, secret: SecretKey) -> Result<LogKey> {
        let verifier = VerifierKey::from_ed25519(origin, secret.public_key())?;
        Ok(LogKey { secret, verifier })
    }

    /// Returns the public half.
    pub fn verifier(&self) -> &VerifierKey {
        &self.verifier
    }
}

impl LogKey {
    /// Signs a checkpoint and opens the result, so that nothing is stored which a verifier would refuse.
    pub(crate) fn sign(&self, checkpoint: &Checkpoint) -> Result<Vec<u8>> {
        let note = checkpoint.sign(&self.secret)?.to_bytes();
        if Checkpoint::open(&note, &self.verifier)? != *checkpoint {
            return Err(Error::damaged(CHECKPOINT, "a checkpoint that changed while it was signed"));
        }
        Ok(note)
    }

    /// Tells whether a note is the one that was signed, byte for byte, with at most others' signatures below the log's one.
    pub(crate) fn is_signed_note(&self, note: &[u8], signed: &[u8]) -> bool {
        let own = |line: &&NoteSignature| {
            line.name() == self.verifier.name() && line.key_id() == self.verifier.key_id()
        };
        note.starts_with(signed)
            && SignedNote::parse(note).is_ok_and(|note| note.signatures().iter().filter(own).count() == 1)
    }
}

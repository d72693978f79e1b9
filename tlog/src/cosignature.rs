//! The Ed25519 witness cosignature, `cosignature/v1` (C2SP tlog-cosignature).
//!
//! ```text
//! cosignature/v1
//! time 1679315147
//! example.com/behind-the-sofa
//! 20852163
//! CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=
//! ```
//!
//! That is the signed message: two header lines, then the whole checkpoint text. In the signature line the eight
//! big-endian bytes of the time precede the 64 bytes of the signature. The time is in seconds since 1970.

use sealwax_keys::{Scheme, SecretKey};

use crate::{Checkpoint, Error, SignedNote, VerifierKey};

impl SignedNote {
    /// Adds a witness's cosignature made at `timestamp` (seconds since 1970, at most 2^63 - 1).
    ///
    /// The note must be a checkpoint. Whether it is consistent with what the witness signed before is for the caller to
    /// know: a cosignature says exactly that.
    ///
    /// # Errors
    ///
    /// Those of [`Checkpoint::parse`]; [`Error::Note`] for a later time or a note with 100 signatures,
    /// [`Error::VerifierKey`] where the name cannot stand in a signature line or the key is not Ed25519, and
    /// [`Error::Key`] where signing fails.
    pub fn cosign(&mut self, name: &str, key: &SecretKey, timestamp: u64) -> Result<(), Error> {
        Checkpoint::parse(self.text())?;
        if timestamp > LATEST {
            return Err(Error::Note { reason: "a cosignature's time does not exceed 2^63 - 1" });
        }
        let verifier = VerifierKey::from_cosigner(name, key.public_key())?;
        let mut signature = timestamp.to_be_bytes().to_vec();
        signature.extend(key.sign_with(Scheme::Ed25519, message(self.text(), timestamp).as_bytes())?);
        self.push(&verifier, &signature)
    }
}

/// Builds the message that a cosignature signs.
pub(crate) fn message(text: &str, timestamp: u64) -> String {
    format!("cosignature/v1\ntime {timestamp}\n{text}")
}

/// Splits a cosignature into its time and the Ed25519 signature; `None` when it is malformed.
pub(crate) fn split(signature: &[u8]) -> Option<(u64, &[u8])> {
    let (timestamp, signature) = signature.split_first_chunk::<8>()?;
    let timestamp = u64::from_be_bytes(*timestamp);
    (timestamp <= LATEST && signature.len() == 64).then_some((timestamp, signature))
}

/// The latest time that a cosignature may carry, 2^63 - 1.
const LATEST: u64 = u64::MAX >> 1;

#[cfg(test)]
mod tests;

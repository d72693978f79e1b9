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

    /// Adds the cosignature by `witness` from the signature lines that it answered with, and returns its time in seconds
    /// since 1970.
    ///
    /// Lines by other keys are ignored. Of several by the witness the latest is taken, and it replaces what the note had by
    /// the witness before.
    ///
    /// # Errors
    ///
    /// [`Error::Note`] and [`Error::Base64`] where the answer is no signature lines, or the note has 100 signatures
    /// already; [`Error::BadSignature`] where a line claims the witness's key and does not verify;
    /// [`Error::NoKnownSignature`] where no line is a cosignature by the witness.
    pub fn add_cosignature(&mut self, lines: &[u8], witness: &VerifierKey) -> Result<u64, Error> {
        // The lines become a note's over the same text, so that every rule of notes holds for them.
        let answered = SignedNote::parse(&[self.text().as_bytes(), b"\n", lines].concat())?;
        if answered.text() != self.text() {
            return Err(Error::Note { reason: "a blank line between signature lines" });
        }
        let verified = answered.verify(std::slice::from_ref(witness))?;
        let timestamp =
            verified.first().and_then(|signer| signer.timestamp).ok_or(Error::NoKnownSignature)?;
        // The big-endian time comes first, so the greatest of the verified lines is the latest.
        let own = answered.signatures().iter().filter(|line| line.is_by(witness));
        let latest = own.max_by_key(|line| line.bytes()).ok_or(Error::NoKnownSignature)?;
        self.retain(|line| !line.is_by(witness));
        self.push(witness, latest.bytes())?;
        Ok(timestamp)
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

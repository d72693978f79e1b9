//! Signed notes: text, a blank line, signature lines (C2SP signed-note).
//!
//! ```text
//! example.com/log/testdata
//! 15
//! rKbDipCvhuX1GZ7g5BBe8sA6BbJ7ja/1nk427v383cs=
//!
//! — example.com/log/testdata M9e0luh4jTG+UMBqOUo9/q+yAEvx1ilBEniMvjf1zfcBOhg+CKubMt53MvIt/uEWP6zdkdIQzd/fmwlM/dlPWF74ewI=
//! ```
//!
//! The text is not to be used before a signature by a known key has verified; what the text means is decided elsewhere
//! ([`Checkpoint`](crate::Checkpoint)). A note has exactly one byte representation: what is parsed writes back unchanged.

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use sealwax_keys::{Scheme, SecretKey};

use crate::vkey::is_key_name;
use crate::{Error, VerifierKey};

/// A parsed note, none of whose signatures has been verified by parsing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignedNote {
    text: String,
    signatures: Vec<NoteSignature>,
}

/// One signature line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NoteSignature {
    name: String,
    key_id: [u8; 4],
    bytes: Vec<u8>,
}

/// A known key whose signature on the note verified.
#[derive(Clone, Debug)]
pub struct Verified<'k> {
    /// The key, one of those passed to [`SignedNote::verify`].
    pub key: &'k VerifierKey,
    /// The time in a cosignature, seconds since 1970; `None` for other signatures. Of several, the latest.
    pub timestamp: Option<u64>,
}

impl SignedNote {
    /// Parses a note of at most 1,000,000 bytes and 100 signature lines.
    ///
    /// # Errors
    ///
    /// [`Error::Note`] with the rule that is broken, [`Error::Base64`] for a signature.
    pub fn parse(bytes: &[u8]) -> Result<SignedNote, Error> {
        let malformed = |reason| Error::Note { reason };
        if bytes.len() > MAX_NOTE {
            return Err(malformed("larger than 1,000,000 bytes"));
        }
        let note = std::str::from_utf8(bytes).map_err(|_| malformed("not UTF-8"))?;
        if note.bytes().any(is_forbidden) {
            return Err(malformed("a control character other than a line end"));
        }
        let split = note.rfind("\n\n").ok_or(malformed("no blank line before the signatures"))?;
        let (text, signatures) = note.split_at(split.saturating_add(1));
        let lines = signatures
            .strip_prefix('\n')
            .and_then(|lines| lines.strip_suffix('\n'))
            .ok_or(malformed("no signature line, or no line end after the last one"))?;
        // Counted before any of them is decoded.
        if lines.split('\n').count() > MAX_SIGNATURES {
            return Err(malformed("more than 100 signatures"));
        }
        let signatures = lines.split('\n').map(NoteSignature::parse).collect::<Result<_, _>>()?;
        Ok(SignedNote { text: text.to_owned(), signatures })
    }

    /// Signs `text` as `name` with an Ed25519 key; the text must end with a line end.
    ///
    /// # Errors
    ///
    /// [`Error::Note`] where the text does not end with a line end or has another control character,
    /// [`Error::VerifierKey`] where the name cannot stand in a signature line or the key is not Ed25519, [`Error::Key`]
    /// where signing fails.
    pub fn sign(text: &str, name: &str, key: &SecretKey) -> Result<SignedNote, Error> {
        if !text.ends_with('\n') || text.bytes().any(is_forbidden) {
            return Err(Error::Note {
                reason: "text to sign ends with a line end and has no other control character",
            });
        }
        let verifier = VerifierKey::from_ed25519(name, key.public_key())?;
        let mut note = SignedNote { text: text.to_owned(), signatures: Vec::new() };
        note.push(&verifier, &key.sign_with(Scheme::Ed25519, text.as_bytes())?)?;
        Ok(note)
    }

    /// Verifies every signature line that is by one of `keys` and ignores all others.
    ///
    /// A line that names a known key and does not verify spoils the whole note, also next to a good line of the same key.
    /// Each key is returned once, however many lines it signed. No line by a known key is an error, and so are two known
    /// keys that one line could mean.
    ///
    /// # Errors
    ///
    /// [`Error::AmbiguousKey`], [`Error::BadSignature`] for the first line that spoils the note,
    /// [`Error::NoKnownSignature`].
    pub fn verify<'k>(&self, keys: &'k [VerifierKey]) -> Result<Vec<Verified<'k>>, Error> {
        for (position, key) in keys.iter().enumerate() {
            let same = |other: &VerifierKey| other.name() == key.name() && other.key_id() == key.key_id();
            if keys.iter().skip(position.saturating_add(1)).any(same) {
                return Err(Error::AmbiguousKey { name: key.name().to_owned() });
            }
        }
        let mut verified: Vec<Option<Verified<'k>>> = keys.iter().map(|_| None).collect();
        for line in &self.signatures {
            for (key, slot) in keys.iter().zip(&mut verified) {
                if line.is_by(key) {
                    let timestamp = key.verify(&self.text, &line.bytes)?;
                    let earlier = slot.as_ref().and_then(|earlier| earlier.timestamp);
                    *slot = Some(Verified { key, timestamp: timestamp.max(earlier) });
                }
            }
        }
        let verified: Vec<Verified<'k>> = verified.into_iter().flatten().collect();
        if verified.is_empty() { Err(Error::NoKnownSignature) } else { Ok(verified) }
    }

    /// Returns the text with its final line end. Nothing vouches for it before [`SignedNote::verify`] did.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Returns the signature lines in the note's order.
    pub fn signatures(&self) -> &[NoteSignature] {
        &self.signatures
    }

    /// Keeps the first signature line that claims each of `keys` and drops all others, so that what a stranger added, or
    /// anybody repeated, is not passed on.
    pub fn keep_only(&mut self, keys: &[VerifierKey]) {
        let mut missing: Vec<&VerifierKey> = keys.iter().collect();
        self.retain(|line| {
            let before = missing.len();
            missing.retain(|key| !line.is_by(key));
            missing.len() < before
        });
    }

    /// Writes the note; the inverse of [`SignedNote::parse`].
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut note = format!("{}\n", self.text);
        for line in &self.signatures {
            note.push_str(&format!("{line}\n"));
        }
        note.into_bytes()
    }

    pub(crate) fn retain(&mut self, keep: impl FnMut(&NoteSignature) -> bool) {
        self.signatures.retain(keep);
    }

    /// Adds a signature line after verifying it, so that no note is written that its own key refuses.
    pub(crate) fn push(&mut self, key: &VerifierKey, signature: &[u8]) -> Result<(), Error> {
        key.verify(&self.text, signature)?;
        if self.signatures.len() >= MAX_SIGNATURES {
            return Err(Error::Note { reason: "more than 100 signatures" });
        }
        let (name, key_id, bytes) = (key.name().to_owned(), key.key_id(), signature.to_vec());
        self.signatures.push(NoteSignature { name, key_id, bytes });
        Ok(())
    }
}

impl NoteSignature {
    /// Returns the name of the key that the line claims.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns the identifier of the key that the line claims.
    pub fn key_id(&self) -> [u8; 4] {
        self.key_id
    }

    /// Tells whether the line claims to be by `key`; only verifying tells whether it is.
    pub fn is_by(&self, key: &VerifierKey) -> bool {
        self.name == key.name() && self.key_id == key.key_id()
    }

    /// Returns what follows the key identifier.
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    fn parse(line: &str) -> Result<NoteSignature, Error> {
        let malformed = |reason| Error::Note { reason };
        let rest = line
            .strip_prefix(PREFIX)
            .ok_or(malformed("a signature line starts with an em dash and a space"))?;
        let (name, encoded) =
            rest.split_once(' ').ok_or(malformed("a signature line has a name and a signature"))?;
        if !is_key_name(name) {
            return Err(malformed("a name is not empty and has no space, plus or control character"));
        }
        let blob = STANDARD.decode(encoded).map_err(|_| Error::Base64 { what: "note signature" })?;
        match blob.split_first_chunk::<4>() {
            Some((key_id, bytes)) if !bytes.is_empty() => {
                Ok(NoteSignature { name: name.to_owned(), key_id: *key_id, bytes: bytes.to_vec() })
            }
            _ => Err(malformed("a signature has more than the four bytes of the key identifier")),
        }
    }
}

/// The line as it stands in the note, without its line end.
impl fmt::Display for NoteSignature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let blob = [self.key_id.as_slice(), &self.bytes].concat();
        write!(f, "{PREFIX}{} {}", self.name, STANDARD.encode(blob))
    }
}

/// ASCII control characters other than the line end have no place in a note; this also refuses CRLF.
fn is_forbidden(byte: u8) -> bool {
    byte < 0x20 && byte != b'\n'
}

/// Em dash and space.
const PREFIX: &str = "\u{2014} ";
/// Far above a checkpoint with 100 post-quantum cosignatures.
const MAX_NOTE: usize = 1_000_000;
/// C2SP asks for at least 16.
const MAX_SIGNATURES: usize = 100;

#[cfg(test)]
mod tests;

//! Checkpoints: what a log signs about itself (C2SP tlog-checkpoint).
//!
//! ```text
//! example.com/log/testdata
//! 15
//! rKbDipCvhuX1GZ7g5BBe8sA6BbJ7ja/1nk427v383cs=
//! ```
//!
//! Origin, number of leaves, root, then extension lines, which are kept and never interpreted.

use sealwax_keys::SecretKey;

use crate::{EMPTY_ROOT, Error, Hash, SignedNote, VerifierKey};

/// The size and root of a log, as its origin claims them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checkpoint {
    /// The log's unique name, not empty, one line.
    pub origin: String,
    /// The number of leaves.
    pub size: u64,
    /// The root of the first `size` leaves; [`EMPTY_ROOT`] for size 0.
    pub root: Hash,
    /// Further lines, none empty. Sealwax writes none.
    pub extensions: Vec<String>,
}

impl Checkpoint {
    /// Parses a checkpoint's text. It proves nothing: use [`Checkpoint::open`] where the log's key is known.
    ///
    /// # Errors
    ///
    /// [`Error::Checkpoint`] with the rule that is broken, [`Error::Base64`] or [`Error::HashLength`] for the root, and
    /// [`Error::EmptyTreeRoot`] for a root that the empty tree does not have.
    pub fn parse(text: &str) -> Result<Checkpoint, Error> {
        let malformed = |reason| Error::Checkpoint { reason };
        let body = text.strip_suffix('\n').ok_or(malformed("no line end after the last line"))?;
        let mut lines = body.split('\n');
        let (Some(origin), Some(size), Some(root)) = (lines.next(), lines.next(), lines.next()) else {
            return Err(malformed("fewer than the three lines origin, size and root"));
        };
        let checkpoint = Checkpoint {
            origin: origin.to_owned(),
            size: decimal(size).ok_or(malformed("the size is not a decimal number without leading zeros"))?,
            root: Hash::from_base64(root)?,
            extensions: lines.map(str::to_owned).collect(),
        };
        checkpoint.check()?;
        Ok(checkpoint)
    }

    /// Writes the text that is signed; the inverse of [`Checkpoint::parse`].
    ///
    /// # Errors
    ///
    /// [`Error::Checkpoint`] where a line is empty or has a control character, [`Error::EmptyTreeRoot`] where size 0 has
    /// another root than the empty tree's.
    pub fn to_text(&self) -> Result<String, Error> {
        self.check()?;
        let mut text = format!("{}\n{}\n{}\n", self.origin, self.size, self.root.to_base64());
        for line in &self.extensions {
            text.push_str(line);
            text.push('\n');
        }
        Ok(text)
    }

    /// Signs with the log's Ed25519 key, under the origin as key name.
    ///
    /// # Errors
    ///
    /// Those of [`Checkpoint::to_text`] and of [`SignedNote::sign`].
    pub fn sign(&self, key: &SecretKey) -> Result<SignedNote, Error> {
        SignedNote::sign(&self.to_text()?, &self.origin, key)
    }

    /// Opens a note that must be signed by `key`, and whose origin must be the key's name.
    ///
    /// # Errors
    ///
    /// Those of [`SignedNote::parse`], [`SignedNote::verify`] and [`Checkpoint::parse`], and [`Error::Origin`] where the
    /// signed text names another log.
    pub fn open(note: &[u8], key: &VerifierKey) -> Result<Checkpoint, Error> {
        let note = SignedNote::parse(note)?;
        note.verify(std::slice::from_ref(key))?;
        let checkpoint = Checkpoint::parse(note.text())?;
        if checkpoint.origin != key.name() {
            return Err(Error::Origin { expected: key.name().to_owned(), found: checkpoint.origin });
        }
        Ok(checkpoint)
    }

    /// Opens a checkpoint of a Rekor v1 log. Its origin has the number of a tree behind the name that signs, and that name
    /// may have a port: `rekor.sigstore.dev - 1193050959916656506`.
    ///
    /// # Errors
    ///
    /// As [`Checkpoint::open`]; [`Error::Origin`] where the origin is not the key's name with a number.
    pub fn open_rekor_v1(note: &[u8], key: &VerifierKey) -> Result<Checkpoint, Error> {
        let parsed = SignedNote::parse(note)?;
        let checkpoint = Checkpoint::parse(parsed.text())?;
        let origin = || Error::Origin { expected: key.name().to_owned(), found: checkpoint.origin.clone() };
        let (name, tree) = checkpoint.origin.split_once(" - ").ok_or_else(origin)?;
        let (host, port) = name.split_once(':').map_or((name, None), |(host, port)| (host, Some(port)));
        if host != key.name() || decimal(tree).is_none() || port.is_some_and(|port| decimal(port).is_none()) {
            return Err(origin());
        }
        // The identifier of such a key does not depend on the name.
        parsed.verify(&[VerifierKey::from_ecdsa(name, key.public_key())?])?;
        Ok(checkpoint)
    }

    fn check(&self) -> Result<(), Error> {
        let malformed = |reason| Err(Error::Checkpoint { reason });
        let lines = || std::iter::once(&self.origin).chain(&self.extensions);
        if lines().any(String::is_empty) {
            return malformed("an empty line");
        }
        if lines().any(|line| line.bytes().any(|byte| byte < 0x20)) {
            return malformed("a control character");
        }
        if self.size == 0 && self.root != EMPTY_ROOT {
            return Err(Error::EmptyTreeRoot { found: self.root });
        }
        Ok(())
    }
}

/// Parses ASCII digits without sign, space or leading zero.
pub(crate) fn decimal(text: &str) -> Option<u64> {
    text.parse().ok().filter(|size: &u64| size.to_string() == text)
}

#[cfg(test)]
mod tests;

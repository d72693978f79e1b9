//! Verifier keys: the public half of a note signer, as one line of text (C2SP signed-note, "Verifier keys").
//!
//! ```text
//! example.com/log/testdata+33d7b496+AeHTu4Q3hEIMHNqc6fASMsq3rKNx280NI+oO5xCFkkSx
//! name                     id       base64(type byte ‖ public key)
//! ```
//!
//! Three of the assigned types are understood: Ed25519, ECDSA on P-256 and the Ed25519 witness cosignature. A key of any
//! other type is refused here rather than silently never matching.

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use sealwax_keys::{KeyKind, PublicKey, Scheme};
use sha2::{Digest, Sha256};

use crate::{Error, cosignature};

/// A named public key that verifies signature lines of one type.
#[derive(Clone)]
pub struct VerifierKey {
    name: String,
    signature_type: SignatureType,
    key: PublicKey,
    /// SHA-256 whose first four bytes are the key identifier.
    fingerprint: [u8; 32],
}

/// What a key signs, and how (the assigned signature type bytes of C2SP signed-note).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum SignatureType {
    /// `0x01`: Ed25519 over the note text.
    Ed25519,
    /// `0x02`: ECDSA on P-256 with SHA-256 over the note text, as Rekor v1 signs.
    Ecdsa,
    /// `0x04`: a witness's timestamped Ed25519 cosignature of a checkpoint.
    CosignatureV1,
}

impl VerifierKey {
    /// Makes the verifier of Ed25519 note signatures by `name`; a key of another kind is refused.
    ///
    /// # Errors
    ///
    /// [`Error::VerifierKey`] for a key of another kind, and for a name that is empty or has a space, plus or control
    /// character.
    pub fn from_ed25519(name: &str, key: &PublicKey) -> Result<VerifierKey, Error> {
        VerifierKey::new(name, SignatureType::Ed25519, key.clone())
    }

    /// Makes the verifier of ECDSA P-256 note signatures by `name`; a key of another kind is refused.
    ///
    /// # Errors
    ///
    /// [`Error::VerifierKey`] for a key of another kind, and for a name that is empty or has a space, plus or control
    /// character.
    pub fn from_ecdsa(name: &str, key: &PublicKey) -> Result<VerifierKey, Error> {
        VerifierKey::new(name, SignatureType::Ecdsa, key.clone())
    }

    /// Makes the verifier of Ed25519 witness cosignatures by `name`; a key of another kind is refused.
    ///
    /// # Errors
    ///
    /// [`Error::VerifierKey`] for a key of another kind, and for a name that is empty or has a space, plus or control
    /// character.
    pub fn from_cosigner(name: &str, key: &PublicKey) -> Result<VerifierKey, Error> {
        VerifierKey::new(name, SignatureType::CosignatureV1, key.clone())
    }

    /// Parses the one-line text form; the identifier in the text must be the one computed from name and key.
    ///
    /// # Errors
    ///
    /// [`Error::VerifierKey`] with the rule that is broken, [`Error::Base64`] and [`Error::Key`] for the key itself.
    pub fn parse(text: &str) -> Result<VerifierKey, Error> {
        let malformed = |reason| Error::VerifierKey { reason };
        let mut parts = text.splitn(3, '+');
        let (Some(name), Some(id), Some(encoded)) = (parts.next(), parts.next(), parts.next()) else {
            return Err(malformed("not name+identifier+key"));
        };
        let bytes = STANDARD.decode(encoded).map_err(|_| Error::Base64 { what: "verifier key" })?;
        let (type_byte, key) = bytes.split_first().ok_or(malformed("the key is empty"))?;
        let signature_type = SignatureType::from_byte(*type_byte)
            .ok_or(malformed("a signature type that is not understood"))?;
        let key = match signature_type {
            SignatureType::Ecdsa => PublicKey::from_spki_der(key)?,
            SignatureType::Ed25519 | SignatureType::CosignatureV1 => PublicKey::from_ed25519(
                key.try_into().map_err(|_| malformed("an Ed25519 key has 32 bytes"))?,
            )?,
        };
        let verifier = VerifierKey::new(name, signature_type, key)?;
        if hex::encode(verifier.key_id()) != id {
            return Err(malformed("the identifier is not that of name and key"));
        }
        Ok(verifier)
    }

    /// Returns the name in signature lines; for a log it is the origin of its checkpoints.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns the type of the signatures that this key verifies.
    pub fn signature_type(&self) -> SignatureType {
        self.signature_type
    }

    /// Returns the key itself, without name and type.
    pub fn public_key(&self) -> &PublicKey {
        &self.key
    }

    /// Returns the four bytes that start every signature by this key.
    pub fn key_id(&self) -> [u8; 4] {
        let [a, b, c, d, ..] = self.fingerprint;
        [a, b, c, d]
    }

    /// Returns the whole 32-byte hash that the key identifier is cut from: Sigstore's log identifier.
    ///
    /// It is `SHA-256(name ‖ 0x0A ‖ type ‖ key)`, and for ECDSA `SHA-256(SubjectPublicKeyInfo DER)`.
    pub fn log_id(&self) -> [u8; 32] {
        self.fingerprint
    }

    /// Verifies the bytes behind the key identifier of a signature line; returns a cosignature's time.
    pub(crate) fn verify(&self, text: &str, signature: &[u8]) -> Result<Option<u64>, Error> {
        let bad = || Error::BadSignature { name: self.name.clone() };
        match self.signature_type {
            SignatureType::Ed25519 => {
                self.key.verify(Scheme::Ed25519, text.as_bytes(), signature).map_err(|_| bad())?;
                Ok(None)
            }
            SignatureType::Ecdsa => {
                self.key.verify(Scheme::EcdsaP256Sha256, text.as_bytes(), signature).map_err(|_| bad())?;
                Ok(None)
            }
            SignatureType::CosignatureV1 => {
                let (timestamp, signature) = cosignature::split(signature).ok_or_else(bad)?;
                let message = cosignature::message(text, timestamp);
                self.key.verify(Scheme::Ed25519, message.as_bytes(), signature).map_err(|_| bad())?;
                Ok(Some(timestamp))
            }
        }
    }

    fn new(name: &str, signature_type: SignatureType, key: PublicKey) -> Result<VerifierKey, Error> {
        if !is_key_name(name) {
            return Err(Error::VerifierKey {
                reason: "a name is not empty and has no space, plus or control character",
            });
        }
        let wanted = match signature_type {
            SignatureType::Ecdsa => KeyKind::P256,
            SignatureType::Ed25519 | SignatureType::CosignatureV1 => KeyKind::Ed25519,
        };
        if key.kind() != wanted {
            return Err(Error::VerifierKey { reason: "the key is not of the signature type's kind" });
        }
        let fingerprint = match signature_type {
            SignatureType::Ecdsa => Sha256::digest(key.spki_der()).into(),
            SignatureType::Ed25519 | SignatureType::CosignatureV1 => Sha256::new()
                .chain_update(name)
                .chain_update([b'\n', signature_type.byte()])
                .chain_update(key.ed25519_bytes().unwrap_or_default())
                .finalize()
                .into(),
        };
        Ok(VerifierKey { name: name.to_owned(), signature_type, key, fingerprint })
    }
}

impl SignatureType {
    fn byte(self) -> u8 {
        match self {
            SignatureType::Ed25519 => 0x01,
            SignatureType::Ecdsa => 0x02,
            SignatureType::CosignatureV1 => 0x04,
        }
    }

    fn from_byte(byte: u8) -> Option<SignatureType> {
        [SignatureType::Ed25519, SignatureType::Ecdsa, SignatureType::CosignatureV1]
            .into_iter()
            .find(|known| known.byte() == byte)
    }
}

impl fmt::Display for VerifierKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut bytes = vec![self.signature_type.byte()];
        match self.key.ed25519_bytes() {
            Some(raw) => bytes.extend_from_slice(&raw),
            None => bytes.extend_from_slice(self.key.spki_der()),
        }
        write!(f, "{}+{}+{}", self.name, hex::encode(self.key_id()), STANDARD.encode(bytes))
    }
}

impl fmt::Debug for VerifierKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "VerifierKey({self})")
    }
}

/// Tells whether `name` can stand in a signature line: not empty, no Unicode space, no plus, no control character.
pub(crate) fn is_key_name(name: &str) -> bool {
    !name.is_empty() && !name.chars().any(|c| c.is_whitespace() || c == '+' || c.is_control())
}

#[cfg(test)]
mod tests;

//! The 32-byte SHA-256 hash of a leaf, a node or a root, with RFC 6962's domain separation.
//!
//! ```text
//! leaf = SHA-256(0x00 ‖ entry)      node = SHA-256(0x01 ‖ left ‖ right)      root of the empty tree = SHA-256("")
//! ```
//!
//! The prefix byte is what keeps an entry that is shaped like a pair of hashes from passing for an inner node.

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest, Sha256};

use crate::Error;

/// A SHA-256 value at some place in the Merkle tree (RFC 6962 section 2.1).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Hash([u8; 32]);

impl Hash {
    /// Hashes one entry as a leaf: `SHA-256(0x00 ‖ entry)`.
    pub fn leaf(entry: &[u8]) -> Hash {
        Hash(Sha256::new().chain_update([0x00]).chain_update(entry).finalize().into())
    }

    /// Hashes two neighbouring subtrees into their parent: `SHA-256(0x01 ‖ left ‖ right)`.
    pub fn node(left: &Hash, right: &Hash) -> Hash {
        Hash(Sha256::new().chain_update([0x01]).chain_update(left.0).chain_update(right.0).finalize().into())
    }

    /// Takes 32 bytes as a hash.
    pub const fn from_bytes(bytes: [u8; 32]) -> Hash {
        Hash(bytes)
    }

    /// Takes a slice of exactly 32 bytes as a hash; any other length is refused.
    ///
    /// # Errors
    ///
    /// [`Error::HashLength`] with the length that was found.
    pub fn from_slice(bytes: &[u8]) -> Result<Hash, Error> {
        bytes.try_into().map(Hash).map_err(|_| Error::HashLength { found: bytes.len() })
    }

    /// Decodes canonical, padded standard base64 of exactly 32 bytes.
    ///
    /// # Errors
    ///
    /// [`Error::Base64`] for any other spelling, [`Error::HashLength`] for another number of bytes.
    pub fn from_base64(text: &str) -> Result<Hash, Error> {
        let bytes = STANDARD.decode(text).map_err(|_| Error::Base64 { what: "hash" })?;
        Hash::from_slice(&bytes)
    }

    /// Encodes as padded standard base64, 44 characters.
    pub fn to_base64(&self) -> String {
        STANDARD.encode(self.0)
    }

    /// Returns the 32 bytes.
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Debug for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

impl fmt::Display for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

/// The root of the tree without leaves: SHA-256 of the empty string.
pub const EMPTY_ROOT: Hash = Hash([
    0xe3, 0xb0, 0xc4, 0x42, 0x98, 0xfc, 0x1c, 0x14, 0x9a, 0xfb, 0xf4, 0xc8, 0x99, 0x6f, 0xb9, 0x24, 0x27,
    0xae, 0x41, 0xe4, 0x64, 0x9b, 0x93, 0x4c, 0xa4, 0x95, 0x99, 0x1b, 0x78, 0x52, 0xb8, 0x55,
]);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_empty_root_is_the_hash_of_nothing() {
        assert_eq!(EMPTY_ROOT.0, <[u8; 32]>::from(Sha256::digest([])));
    }

    #[test]
    fn t15_an_entry_shaped_like_a_node_is_not_that_node() {
        let (left, right) = (Hash::leaf(b"left"), Hash::leaf(b"right"));
        let mut pair = left.as_bytes().to_vec();
        pair.extend_from_slice(right.as_bytes());
        let node = Hash::node(&left, &right);
        assert_ne!(Hash::leaf(&pair), node);
        pair.insert(0, 0x01);
        assert_ne!(Hash::leaf(&pair), node);
    }

    #[test]
    fn only_canonical_base64_of_32_bytes_is_a_hash() {
        let text = EMPTY_ROOT.to_base64();
        assert_eq!(Hash::from_base64(&text).unwrap(), EMPTY_ROOT);
        let looser_bits = text.replace("U=", "V=");
        for bad in ["", "AAAA", &text[..43], &format!("{text}="), &format!("{text}\n"), &looser_bits] {
            assert!(Hash::from_base64(bad).is_err(), "{bad:?}");
        }
        assert!(matches!(Hash::from_slice(&[0; 31]), Err(Error::HashLength { found: 31 })));
    }
}

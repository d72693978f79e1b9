//! How a model becomes a list of digests: by whole files or by byte ranges, with which hash, leaving out what.
//!
//! These are the parameters that OMS 1.0, section 5.2.2, records next to the digests, so that a verifier can repeat
//! the walk. The JSON of them is not made here.

use std::num::NonZeroU64;

use crate::path::ModelPath;

/// The hash function of the resources; the root digest is SHA-256 always.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Hash {
    /// SHA-256, 32 bytes.
    #[default]
    Sha256,
    /// BLAKE2b with its full 64 bytes.
    Blake2b,
    /// BLAKE3, 32 bytes.
    Blake3,
}

impl Hash {
    /// Reads a `hash_type`: `sha256`, `blake2b` or `blake3`.
    ///
    /// `blake2` is read as `blake2b`, because the Python client writes one and reads the other.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        match name {
            "sha256" => Some(Self::Sha256),
            "blake2b" | "blake2" => Some(Self::Blake2b),
            "blake3" => Some(Self::Blake3),
            _ => None,
        }
    }

    /// Gives the `hash_type` as OMS writes it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Sha256 => "sha256",
            Self::Blake2b => "blake2b",
            Self::Blake3 => "blake3",
        }
    }

    /// Gives the length of a digest in bytes.
    #[must_use]
    pub fn digest_len(self) -> usize {
        match self {
            Self::Sha256 | Self::Blake3 => 32,
            Self::Blake2b => 64,
        }
    }
}

/// What one line of a manifest covers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Method {
    /// A whole file (OMS 1.0, section 6.3.1).
    #[default]
    Files,
    /// A byte range of a file (OMS 1.0, section 6.3.2).
    Shards {
        /// The length of each range in bytes; only the last of a file may be shorter.
        size: NonZeroU64,
    },
}

impl Method {
    /// Gives the `method` as OMS writes it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Files => "files",
            Self::Shards { .. } => "shards",
        }
    }
}

/// A path that was left out of a manifest, a directory with all that is in it.
///
/// It is a [`ModelPath`], so no entry can mean the model itself: «ignore everything» cannot be written.
pub type IgnorePath = ModelPath;

/// The parameters of a walk, as they are signed with the digests.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Serialization {
    /// What one line covers.
    pub method: Method,
    /// The hash function of the lines.
    pub hash: Hash,
    /// Whether symbolic links are followed; otherwise a model with one is refused.
    pub allow_symlinks: bool,
    /// What is left out: exact paths from the root, no patterns.
    pub ignore_paths: Vec<IgnorePath>,
}

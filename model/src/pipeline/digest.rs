//! From the bytes of several streams to their digests, on one thread.

use blake2::Blake2b512;
use sealwax_sha256_lanes::{Kernel, LANES, Lane};
use sha2::Digest;

use crate::serialization::Hash;

/// A hash function, and the processor's best way to compute it.
#[derive(Clone, Copy)]
pub(super) struct Engine {
    hash: Hash,
    kernel: Kernel,
}

/// One stream's running hash.
pub(super) enum Hasher {
    Sha256(Lane),
    Blake2b(Box<Blake2b512>),
    Blake3(Box<blake3::Hasher>),
}

impl Engine {
    pub(super) fn new(hash: Hash) -> Self {
        Self { hash, kernel: Kernel::detect() }
    }

    /// Gives the most streams that are hashed faster together than one after the other.
    pub(super) fn width(self) -> usize {
        match self.hash {
            Hash::Sha256 => LANES,
            // These use the processor's vectors for a single stream.
            Hash::Blake2b | Hash::Blake3 => 1,
        }
    }

    pub(super) fn start(self) -> Hasher {
        match self.hash {
            Hash::Sha256 => Hasher::Sha256(Lane::default()),
            Hash::Blake2b => Hasher::Blake2b(Box::new(Blake2b512::new())),
            Hash::Blake3 => Hasher::Blake3(Box::new(blake3::Hasher::new())),
        }
    }

    /// Hashes the next bytes of each stream.
    pub(super) fn update<'a>(self, streams: impl Iterator<Item = (&'a mut Hasher, &'a [u8])>) {
        let mut lanes = Vec::with_capacity(self.width());
        for (hasher, bytes) in streams {
            match hasher {
                Hasher::Sha256(lane) => lanes.push((lane, bytes)),
                Hasher::Blake2b(hasher) => hasher.update(bytes),
                Hasher::Blake3(hasher) => {
                    hasher.update(bytes);
                }
            }
        }
        self.kernel.update(&mut lanes);
    }

    /// Ends streams and gives their digests, in the same order.
    pub(super) fn finish<'a>(self, streams: impl Iterator<Item = &'a mut Hasher>) -> Vec<Vec<u8>> {
        let mut lanes = Vec::with_capacity(self.width());
        let mut digests = Vec::with_capacity(self.width());
        for hasher in streams {
            match hasher {
                Hasher::Sha256(lane) => lanes.push(lane),
                Hasher::Blake2b(hasher) => digests.push(hasher.finalize_reset().to_vec()),
                Hasher::Blake3(hasher) => digests.push(hasher.finalize().as_bytes().to_vec()),
            }
        }
        digests.extend(self.kernel.finish(&mut lanes).iter().map(|digest| digest.to_vec()));
        digests
    }
}

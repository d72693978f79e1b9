//! From the bytes of several streams to their digests, on one thread.

use blake2::Blake2b512;
use blake3::hazmat::{ChainingValue, HasherExt, Mode, merge_subtrees_non_root, merge_subtrees_root};
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
    /// Of a part of a file, which ends as a node of the file's tree.
    Blake3Subtree(Box<blake3::Hasher>),
}

impl Hasher {
    /// Begins a subtree of a BLAKE3 tree at its place in the file, a multiple of the subtrees' length.
    pub(super) fn subtree(offset: u64) -> Self {
        let mut hasher = Box::new(blake3::Hasher::new());
        hasher.set_input_offset(offset);
        Self::Blake3Subtree(hasher)
    }
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
                Hasher::Blake3(hasher) | Hasher::Blake3Subtree(hasher) => {
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
                Hasher::Blake3Subtree(hasher) => digests.push(hasher.finalize_non_root().to_vec()),
            }
        }
        digests.extend(self.kernel.finish(&mut lanes).iter().map(|digest| digest.to_vec()));
        digests
    }
}

/// Joins the subtrees of a file, two or more, all but the last of one length, into its BLAKE3 digest.
pub(super) fn join(subtrees: &[&[u8]]) -> Vec<u8> {
    let nodes: Vec<ChainingValue> = subtrees.iter().filter_map(|&node| node.try_into().ok()).collect();
    let (left, right) = halves(&nodes);
    merge_subtrees_root(&node(left), &node(right), Mode::Hash).as_bytes().to_vec()
}

fn node(nodes: &[ChainingValue]) -> ChainingValue {
    let [_, _, ..] = nodes else { return nodes.first().copied().unwrap_or_default() };
    let (left, right) = halves(nodes);
    merge_subtrees_non_root(&node(left), &node(right), Mode::Hash)
}

/// Cuts where BLAKE3 does: to the left, the largest power of two that leaves something to the right.
fn halves(nodes: &[ChainingValue]) -> (&[ChainingValue], &[ChainingValue]) {
    nodes.split_at(nodes.len().next_power_of_two() / 2)
}

#[cfg(test)]
#[allow(clippy::as_conversions)]
mod tests {
    use super::*;

    /// Cut into `length`-byte subtrees, each hashed in pieces of `piece` bytes.
    fn by_subtrees(bytes: &[u8], length: usize, piece: usize) -> Vec<u8> {
        let engine = Engine::new(Hash::Blake3);
        let nodes = bytes.chunks(length).enumerate().map(|(number, subtree)| {
            let mut hasher = Hasher::subtree((number * length) as u64);
            subtree.chunks(piece).for_each(|piece| engine.update([(&mut hasher, piece)].into_iter()));
            engine.finish([&mut hasher].into_iter()).remove(0)
        });
        let nodes: Vec<Vec<u8>> = nodes.collect();
        join(&nodes.iter().map(Vec::as_slice).collect::<Vec<_>>())
    }

    #[test]
    fn joined_subtrees_are_blake3_of_the_whole() {
        let bytes: Vec<u8> = (0..=250).cycle().take(70 * 1024).collect();
        for chunks in [1, 2, 4, 8] {
            let subtree = chunks * 1024;
            let least = subtree + 1;
            // Around every border of a chunk, and with it of every subtree.
            let lengths = (least..bytes.len()).filter(|length| (length + 2) % 1024 < 5);
            for length in lengths.chain([bytes.len()]) {
                let message = &bytes[..length];
                let expected = blake3::hash(message);
                for piece in [subtree, 1000, 64 << 10] {
                    let joined = by_subtrees(message, subtree, piece);
                    assert_eq!(joined, expected.as_bytes(), "{length} bytes by {subtree}, pieces of {piece}");
                }
            }
        }
    }
}

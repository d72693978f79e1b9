//! `tlog` against an independent implementation: `rs_merkle` with RFC 6962's hashes.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::as_conversions,
    clippy::panic,
    clippy::print_stderr
)]

use proptest::collection::vec;
use proptest::prelude::*;
use rs_merkle::{Hasher, MerkleTree};
use sealwax_tlog::proof::{Node, prove_inclusion, root, verify_inclusion};
use sealwax_tlog::{EMPTY_ROOT, Hash, HashReader, RightEdge};
use sha2::{Digest as _, Sha256};

/// RFC 6962 section 2.1: a leaf is H(0x00 ‖ entry), a node H(0x01 ‖ left ‖ right).
#[derive(Clone)]
struct Rfc6962;

impl Hasher for Rfc6962 {
    type Hash = [u8; 32];

    fn hash(data: &[u8]) -> [u8; 32] {
        prefixed(0, &[data])
    }

    fn concat_and_hash(left: &[u8; 32], right: Option<&[u8; 32]>) -> [u8; 32] {
        // A lone left node moves up unchanged, which gives RFC 6962's shape.
        right.map_or(*left, |right| prefixed(1, &[left, right]))
    }
}

fn prefixed(prefix: u8, parts: &[&[u8]]) -> [u8; 32] {
    let mut hasher = Sha256::new();
    hasher.update([prefix]);
    for part in parts {
        hasher.update(part);
    }
    hasher.finalize().into()
}

/// Every complete subtree of a list of leaves, computed from scratch.
struct Leaves<'a>(&'a [Hash]);

impl HashReader for Leaves<'_> {
    type Error = sealwax_tlog::Error;

    fn read(&self, wanted: &[Node]) -> Result<Vec<Hash>, Self::Error> {
        Ok(wanted.iter().map(|node| self.subtree(node.level, node.index)).collect())
    }
}

impl Leaves<'_> {
    fn subtree(&self, level: u8, index: u64) -> Hash {
        match level.checked_sub(1) {
            None => self.0[usize::try_from(index).unwrap()],
            Some(below) => Hash::node(&self.subtree(below, index * 2), &self.subtree(below, index * 2 + 1)),
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn roots_and_inclusion_proofs_agree_with_rs_merkle(entries in vec(vec(any::<u8>(), 0..40), 1..300), pick in any::<u64>()) {
        let leaves: Vec<Hash> = entries.iter().map(|entry| Hash::leaf(entry)).collect();
        let theirs: MerkleTree<Rfc6962> =
            MerkleTree::from_leaves(&entries.iter().map(|entry| Rfc6962::hash(entry)).collect::<Vec<_>>());
        let size = u64::try_from(leaves.len()).unwrap();

        let ours = root(&Leaves(&leaves), size).unwrap();
        prop_assert_eq!(Some(*ours.as_bytes()), theirs.root());
        let mut edge = RightEdge::empty();
        for leaf in &leaves {
            edge.append(*leaf).unwrap();
        }
        prop_assert_eq!(edge.root(), ours);

        let index = pick % size;
        let proof = prove_inclusion(&Leaves(&leaves), index, size).unwrap();
        let their_proof = theirs.proof(&[usize::try_from(index).unwrap()]);
        prop_assert_eq!(proof.iter().map(|hash| *hash.as_bytes()).collect::<Vec<_>>(), their_proof.proof_hashes());
        let leaf = leaves[usize::try_from(index).unwrap()];
        verify_inclusion(&leaf, index, size, &proof, &ours).unwrap();
    }
}

#[test]
fn the_empty_tree_is_the_hash_of_nothing() {
    assert_eq!(*EMPTY_ROOT.as_bytes(), <[u8; 32]>::from(Sha256::digest([])));
}

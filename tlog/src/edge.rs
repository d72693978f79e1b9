//! The right edge of a growing tree: the roots of the complete subtrees that make up its leaves.
//!
//! A tree of 13 leaves is 8 + 4 + 1, so its edge is three hashes. They are all that is needed to append and to know the
//! root; with the hash of every node that an append completes they are all a sequencer keeps in memory.

use crate::proof::{Node, edge_nodes, fold};
use crate::{EMPTY_ROOT, Error, Hash};

/// The state needed to append to a tree, at most 64 hashes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RightEdge {
    size: u64,
    /// Largest subtree first.
    hashes: Vec<Hash>,
}

impl RightEdge {
    /// Starts with the empty tree.
    pub fn empty() -> RightEdge {
        RightEdge { size: 0, hashes: Vec::new() }
    }

    /// Restores the edge of a tree of `size` leaves from the hashes of [`RightEdge::nodes`], in that order.
    ///
    /// The caller compares [`RightEdge::root`] with a signed root before believing them.
    ///
    /// # Errors
    ///
    /// [`Error::EdgeLength`] where there are not as many hashes as the size has one bits.
    pub fn from_hashes(size: u64, hashes: Vec<Hash>) -> Result<RightEdge, Error> {
        if u32::try_from(hashes.len()).ok() != Some(size.count_ones()) {
            return Err(Error::EdgeLength { size, found: hashes.len() });
        }
        Ok(RightEdge { size, hashes })
    }

    /// Lists the subtrees whose hashes make up the edge of a tree of `size` leaves, the largest first.
    pub fn nodes(size: u64) -> Vec<Node> {
        edge_nodes(size)
    }

    /// Appends one leaf hash and returns every node that it completes: the leaf itself, then upwards.
    ///
    /// # Errors
    ///
    /// [`Error::TreeFull`] at 2^64 - 1 leaves; the edge is unchanged.
    pub fn append(&mut self, leaf: Hash) -> Result<Vec<(Node, Hash)>, Error> {
        let next = self.size.checked_add(1).ok_or(Error::TreeFull)?;
        let mut node = Node { level: 0, index: self.size };
        let mut hash = leaf;
        let mut completed = vec![(node, hash)];
        while node.index & 1 == 1 {
            let Some(left) = self.hashes.pop() else { break };
            hash = Hash::node(&left, &hash);
            node = Node { level: node.level.saturating_add(1), index: node.index >> 1 };
            completed.push((node, hash));
        }
        self.hashes.push(hash);
        self.size = next;
        Ok(completed)
    }

    /// Returns the root of the tree as it stands.
    pub fn root(&self) -> Hash {
        fold(&self.hashes).unwrap_or(EMPTY_ROOT)
    }

    /// Returns the number of leaves.
    pub fn size(&self) -> u64 {
        self.size
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn t12_a_full_tree_takes_no_leaf() {
        let mut edge = RightEdge::from_hashes(u64::MAX, vec![EMPTY_ROOT; 64]).unwrap();
        let before = edge.clone();
        assert!(matches!(edge.append(EMPTY_ROOT), Err(Error::TreeFull)));
        assert_eq!(edge, before);
    }

    #[test]
    fn the_number_of_hashes_must_fit_the_size() {
        for (size, hashes) in [(0, 1), (1, 0), (13, 2), (13, 4), (u64::MAX, 63)] {
            let hashes = vec![EMPTY_ROOT; hashes];
            assert!(matches!(RightEdge::from_hashes(size, hashes), Err(Error::EdgeLength { .. })), "{size}");
        }
    }

    #[test]
    fn restoring_and_appending_is_the_same_as_appending() {
        let leaves: Vec<Hash> = (0u16..600).map(|i| Hash::leaf(&i.to_be_bytes())).collect();
        let mut edge = RightEdge::empty();
        for leaf in leaves {
            let nodes = RightEdge::nodes(edge.size());
            assert_eq!(nodes.len(), edge.hashes.len());
            let mut restored = RightEdge::from_hashes(edge.size(), edge.hashes.clone()).unwrap();
            edge.append(leaf).unwrap();
            restored.append(leaf).unwrap();
            assert_eq!(edge, restored);
        }
    }
}

//! Inclusion and consistency: verifying them, and making them from the hashes of complete subtrees.
//!
//! A proof is a list of hashes, ordered from the leaf towards the root. Verification is the algorithm of RFC 9162
//! sections 2.1.3.2 and 2.1.4.2; making follows the definitions of 2.1.3.1 and 2.1.4.1. All sizes are `u64` and nothing
//! overflows, up to and including `u64::MAX`.
//!
//! Two cases that the RFC leaves open are decided here, as C2SP tlog-witness decides them:
//! * from size 0 to any size, the old root must be [`EMPTY_ROOT`] and the proof must be empty;
//! * between equal sizes, the roots must be equal and the proof must be empty.

use crate::{EMPTY_ROOT, Error, Hash};

/// One complete subtree: the `index`-th of those with `2^level` leaves, counted from the left.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Node {
    /// Height above the leaves, 0 to 63.
    pub level: u8,
    /// Position among the subtrees of that height.
    pub index: u64,
}

/// A source of complete-subtree hashes, for example tiles.
pub trait HashReader {
    /// What a read can fail with; this room's own refusals must fit in it.
    type Error: From<Error>;

    /// Returns the hashes of `wanted`, in that order and as many.
    ///
    /// # Errors
    ///
    /// Whatever the source fails with; a node that it does not have is [`Error::NoSuchTile`].
    fn read(&self, wanted: &[Node]) -> Result<Vec<Hash>, Self::Error>;
}

/// Verifies that `leaf` is the `index`-th leaf of the tree of `size` leaves with this `root`.
///
/// # Errors
///
/// [`Error::IndexBeyondTree`], [`Error::ProofLength`], and [`Error::RootMismatch`] where the proof is of something else.
pub fn verify_inclusion(
    leaf: &Hash,
    index: u64,
    size: u64,
    proof: &[Hash],
    root: &Hash,
) -> Result<(), Error> {
    expect_root(inclusion_root(leaf, index, size, proof)?, root)
}

/// Computes the root that an inclusion proof leads to (RFC 9162 section 2.1.3.2).
///
/// The result proves nothing until it is compared with a signed root.
fn inclusion_root(leaf: &Hash, index: u64, size: u64, proof: &[Hash]) -> Result<Hash, Error> {
    if index >= size {
        return Err(Error::IndexBeyondTree { index, size });
    }
    let mut position = index;
    let mut last = size.saturating_sub(1);
    let mut hash = *leaf;
    for sibling in proof {
        if last == 0 {
            return Err(Error::ProofLength { found: proof.len() });
        }
        if position & 1 == 1 || position == last {
            hash = Hash::node(sibling, &hash);
            skip_missing_siblings(&mut position, &mut last);
        } else {
            hash = Hash::node(&hash, sibling);
        }
        position >>= 1;
        last >>= 1;
    }
    if last != 0 {
        return Err(Error::ProofLength { found: proof.len() });
    }
    Ok(hash)
}

/// Verifies that the tree of `new_size` leaves extends the tree of `old_size` leaves (RFC 9162 section 2.1.4.2).
///
/// # Errors
///
/// [`Error::TreeShrank`], [`Error::ProofLength`], and [`Error::RootMismatch`] for the first root that the proof does not
/// lead to.
pub fn verify_consistency(
    old_size: u64,
    new_size: u64,
    proof: &[Hash],
    old_root: &Hash,
    new_root: &Hash,
) -> Result<(), Error> {
    if old_size > new_size {
        return Err(Error::TreeShrank { old: old_size, new: new_size });
    }
    if old_size == 0 || old_size == new_size {
        if !proof.is_empty() {
            return Err(Error::ProofLength { found: proof.len() });
        }
        if old_size == 0 {
            expect_root(EMPTY_ROOT, old_root)?;
        }
        return if old_size == new_size { expect_root(*old_root, new_root) } else { Ok(()) };
    }
    let wrong_length = || Error::ProofLength { found: proof.len() };

    let mut position = old_size.saturating_sub(1);
    let mut last = new_size.saturating_sub(1);
    while position & 1 == 1 {
        position >>= 1;
        last >>= 1;
    }
    // An old tree of 2^k leaves is a complete subtree of the new one: its root is known and left out of the proof.
    let (seed, path) = if old_size.is_power_of_two() {
        (old_root, proof)
    } else {
        proof.split_first().ok_or_else(wrong_length)?
    };
    let (mut old, mut new) = (*seed, *seed);
    for hash in path {
        if last == 0 {
            return Err(wrong_length());
        }
        if position & 1 == 1 || position == last {
            old = Hash::node(hash, &old);
            new = Hash::node(hash, &new);
            skip_missing_siblings(&mut position, &mut last);
        } else {
            new = Hash::node(&new, hash);
        }
        position >>= 1;
        last >>= 1;
    }
    if last != 0 {
        return Err(wrong_length());
    }
    expect_root(old, old_root)?;
    expect_root(new, new_root)
}

/// Computes the root of the first `size` leaves.
///
/// # Errors
///
/// Those of the reader; [`Error::NoSuchTile`] where it returns too few hashes.
pub fn root<R: HashReader>(reader: &R, size: u64) -> Result<Hash, R::Error> {
    if size == 0 {
        return Ok(EMPTY_ROOT);
    }
    let hashes = hash_ranges(reader, &[Range { start: 0, end: size }])?;
    hashes.first().copied().ok_or_else(|| Error::NoSuchTile.into())
}

/// Makes the inclusion proof of leaf `index` in the tree of `size` leaves.
///
/// # Errors
///
/// [`Error::IndexBeyondTree`], and those of the reader; [`Error::NoSuchTile`] where it returns too few hashes.
pub fn prove_inclusion<R: HashReader>(reader: &R, index: u64, size: u64) -> Result<Vec<Hash>, R::Error> {
    if index >= size {
        return Err(Error::IndexBeyondTree { index, size }.into());
    }
    let mut tree = Range { start: 0, end: size };
    let mut siblings = Vec::new();
    while tree.len() > 1 {
        let (left, right) = tree.split();
        let (kept, sibling) = if index < left.end { (left, right) } else { (right, left) };
        siblings.push(sibling);
        tree = kept;
    }
    siblings.reverse();
    hash_ranges(reader, &siblings)
}

/// Makes the consistency proof from the tree of `old_size` leaves to the tree of `new_size` leaves.
///
/// It is empty when `old_size` is 0 or equal to `new_size`.
///
/// # Errors
///
/// [`Error::TreeShrank`], and those of the reader; [`Error::NoSuchTile`] where it returns too few hashes.
pub fn prove_consistency<R: HashReader>(
    reader: &R,
    old_size: u64,
    new_size: u64,
) -> Result<Vec<Hash>, R::Error> {
    if old_size > new_size {
        return Err(Error::TreeShrank { old: old_size, new: new_size }.into());
    }
    if old_size == 0 {
        return Ok(Vec::new());
    }
    let mut tree = Range { start: 0, end: new_size };
    let mut path = Vec::new();
    while tree.end != old_size {
        let (left, right) = tree.split();
        let (kept, sibling) = if old_size <= left.end { (left, right) } else { (right, left) };
        path.push(sibling);
        tree = kept;
    }
    // When the walk never turned right, what is left is the whole old tree, whose root the verifier already has.
    if tree.start != 0 {
        path.push(tree);
    }
    path.reverse();
    hash_ranges(reader, &path)
}

/// Lists the complete subtrees that make up the first `size` leaves, from the largest (leftmost) to the smallest.
pub(crate) fn edge_nodes(size: u64) -> Vec<Node> {
    Range { start: 0, end: size }.complete_subtrees()
}

/// Moves two positions up over the levels at which the rightmost subtree has no sibling and is promoted unchanged.
fn skip_missing_siblings(position: &mut u64, last: &mut u64) {
    while *position & 1 == 0 && *position != 0 {
        *position >>= 1;
        *last >>= 1;
    }
}

fn expect_root(computed: Hash, expected: &Hash) -> Result<(), Error> {
    if computed == *expected { Ok(()) } else { Err(Error::RootMismatch { computed, expected: *expected }) }
}

/// Leaves `start..end` that the tree's shape makes one subtree, complete or at the right edge.
#[derive(Clone, Copy)]
struct Range {
    start: u64,
    end: u64,
}

impl Range {
    fn len(self) -> u64 {
        self.end.saturating_sub(self.start)
    }

    /// Splits at the largest power of two below the length (RFC 6962 section 2.1); the length must be 2 or more.
    fn split(self) -> (Range, Range) {
        let middle = self.start.saturating_add(1 << log2(self.len().saturating_sub(1)));
        (Range { start: self.start, end: middle }, Range { start: middle, end: self.end })
    }

    fn complete_subtrees(mut self) -> Vec<Node> {
        let mut nodes = Vec::new();
        while self.len() > 0 {
            let level = log2(self.len());
            nodes.push(Node { level, index: self.start >> level });
            self.start = self.start.saturating_add(1 << level);
        }
        nodes
    }
}

/// Hashes several ranges with a single read of all subtrees that they need.
fn hash_ranges<R: HashReader>(reader: &R, ranges: &[Range]) -> Result<Vec<Hash>, R::Error> {
    let parts: Vec<Vec<Node>> = ranges.iter().map(|range| range.complete_subtrees()).collect();
    let mut hashes = reader.read(&parts.concat())?.into_iter();
    parts
        .iter()
        .map(|part| {
            let subtrees: Vec<Hash> = hashes.by_ref().take(part.len()).collect();
            if subtrees.len() != part.len() {
                return Err(Error::NoSuchTile.into());
            }
            fold(&subtrees).ok_or_else(|| Error::NoSuchTile.into())
        })
        .collect()
}

/// Hashes subtrees of falling size, left to right, into their common root; `None` for none.
pub(crate) fn fold(subtrees: &[Hash]) -> Option<Hash> {
    subtrees.iter().rev().copied().reduce(|right, left| Hash::node(&left, &right))
}

/// The largest `l` with `2^l <= n`, for `n` of 1 or more.
fn log2(n: u64) -> u8 {
    u8::try_from(n.checked_ilog2().unwrap_or(0)).unwrap_or(0)
}

#[cfg(test)]
mod tests;

//! The growing edge of the published tree: the partial tile of every level and the partial entry bundle.
//!
//! It is all that the sequencer keeps in memory. [`Frontier::load`] reads it from tiles and believes it only when it
//! hashes to a signed root; every hash in it takes part in that root.

use sealwax_tlog::{Hash, RightEdge, TILE_WIDTH, Tile, entries, proof::Node};

use crate::error::{Error, Result};
use crate::storage::Storage;
use crate::tree;

/// The partial tiles and the partial entry bundle of a tree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Frontier {
    size: u64,
    /// `rows[l]` holds the hashes of the partial tile of level `l`, fewer than 256.
    rows: Vec<Vec<Hash>>,
    /// The entries of the partial bundle, as many as `rows[0]` has hashes.
    entries: Vec<Vec<u8>>,
}

/// A tile or bundle with its bytes.
pub(crate) type Blob = (Tile, Vec<u8>);

impl Frontier {
    pub(crate) fn empty() -> Frontier {
        Frontier { size: 0, rows: vec![Vec::new(); LEVELS], entries: Vec::new() }
    }

    /// Loads the frontier of a published tree and checks it against the signed root.
    pub(crate) fn load<S: Storage>(storage: &S, size: u64, root: &Hash) -> Result<Frontier> {
        let mut frontier = Frontier { size, ..Frontier::empty() };
        for tile in Tile::partials(size) {
            match tile.level() {
                None => frontier.entries = tree::read_entries(storage, &tile)?,
                Some(level) => {
                    if let Some(row) = frontier.rows.get_mut(usize::from(level)) {
                        *row = tree::read_hashes(storage, &tile)?;
                    }
                }
            }
        }
        if frontier.root()? != *root {
            return Err(Error::damaged(
                "tiles/tile",
                "the tiles of the right edge do not hash to the signed root",
            ));
        }
        let leaves = frontier.entries.iter().map(|entry| Hash::leaf(entry));
        if !leaves.eq(frontier.rows.first().into_iter().flatten().copied()) {
            return Err(Error::damaged(
                "tiles/tile/entries",
                "the last entry bundle does not hash to its leaf tile",
            ));
        }
        Ok(frontier)
    }

    pub(crate) fn size(&self) -> u64 {
        self.size
    }

    /// Returns the compact right edge, from which roots are computed.
    pub(crate) fn edge(&self) -> Result<RightEdge> {
        let hash = |node: Node| {
            let tile = Tile::for_node(node, self.size)?;
            let row = tile.level().and_then(|level| self.rows.get(usize::from(level))).map(Vec::as_slice);
            tile.node_hash(row.unwrap_or_default(), node)
        };
        let hashes =
            RightEdge::nodes(self.size).into_iter().map(hash).collect::<Result<_, sealwax_tlog::Error>>()?;
        Ok(RightEdge::from_hashes(self.size, hashes)?)
    }

    pub(crate) fn root(&self) -> Result<Hash> {
        Ok(self.edge()?.root())
    }

    /// Appends one entry and adds every tile and bundle that it fills to `full`. Returns the leaf hash.
    pub(crate) fn push(&mut self, entry: &[u8], full: &mut Vec<Blob>) -> Result<Hash> {
        let leaf = Hash::leaf(entry);
        let mut index = self.size >> 8;
        self.size = self.size.checked_add(1).ok_or(sealwax_tlog::Error::TreeFull)?;
        self.entries.push(entry.to_vec());
        if self.entries.len() == usize::from(TILE_WIDTH) {
            full.push((Tile::entries(index, TILE_WIDTH)?, entries::encode(&self.entries)?));
            self.entries.clear();
        }
        let mut hash = leaf;
        for (level, row) in (0u8..).zip(&mut self.rows) {
            row.push(hash);
            if row.len() < usize::from(TILE_WIDTH) {
                break;
            }
            hash = tree::subtree_root(row)?;
            full.push((Tile::hashes(level, index, TILE_WIDTH)?, Tile::encode(row)));
            row.clear();
            index >>= 8;
        }
        Ok(leaf)
    }

    /// Adds the partial tiles and the partial bundle that a tree grown from `old` leaves has newly.
    pub(crate) fn partials(&self, old: u64, blobs: &mut Vec<Blob>) -> Result<()> {
        for tile in Tile::new_hashes(old, self.size).filter(|tile| !tile.is_full()) {
            let row = tile.level().and_then(|level| self.rows.get(usize::from(level)));
            blobs.push((tile, Tile::encode(row.map(Vec::as_slice).unwrap_or_default())));
        }
        for bundle in Tile::new_entries(old, self.size).filter(|bundle| !bundle.is_full()) {
            blobs.push((bundle, entries::encode(&self.entries)?));
        }
        Ok(())
    }
}

/// Tile levels of a tree of at most 2^64 - 1 leaves.
const LEVELS: usize = 8;

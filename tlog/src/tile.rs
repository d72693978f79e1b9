//! Tiles: the tree cut into pieces of up to 256 hashes, and their paths (C2SP tlog-tiles).
//!
//! ```text
//! tile/0/x001/x234/067        a full tile of leaf hashes: 256 hashes, 8192 bytes
//! tile/1/000.p/17             a partial tile one level up: 17 hashes, each the root of a full level-0 tile
//! tile/entries/x001/234.p/5   a partial entry bundle: 5 entries
//! ```
//!
//! A full tile never changes. A partial one is superseded as the tree grows; a partial tile never feeds the level above.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::sync::Arc;

use crate::proof::{HashReader, Node, fold};
use crate::{Error, Hash};

/// The name of one tile of hashes or one bundle of entries, full or partial.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Tile {
    /// `None` for an entry bundle.
    level: Option<u8>,
    index: u64,
    width: u16,
}

impl Tile {
    /// Names a tile of hashes: `level` 0 to 63, `width` 1 to 256.
    ///
    /// # Errors
    ///
    /// [`Error::NoSuchTile`] outside these ranges.
    pub fn hashes(level: u8, index: u64, width: u16) -> Result<Tile, Error> {
        if level > 63 || !(1..=TILE_WIDTH).contains(&width) {
            return Err(Error::NoSuchTile);
        }
        Ok(Tile { level: Some(level), index, width })
    }

    /// Names a bundle of `width` entries, 1 to 256.
    ///
    /// # Errors
    ///
    /// [`Error::NoSuchTile`] outside this range.
    pub fn entries(index: u64, width: u16) -> Result<Tile, Error> {
        if !(1..=TILE_WIDTH).contains(&width) {
            return Err(Error::NoSuchTile);
        }
        Ok(Tile { level: None, index, width })
    }

    /// Names the entry bundle that holds the entry at `index` in a tree of `size` leaves.
    ///
    /// # Errors
    ///
    /// [`Error::IndexBeyondTree`] where the tree has no such entry.
    pub fn for_entry(index: u64, size: u64) -> Result<Tile, Error> {
        if index >= size {
            return Err(Error::IndexBeyondTree { index, size });
        }
        at(None, index >> 8, size)
    }

    /// Names the tile that holds what `node` is computed from, in a tree of `size` leaves.
    ///
    /// # Errors
    ///
    /// [`Error::NoSuchTile`] where the tree has no such tile.
    pub fn for_node(node: Node, size: u64) -> Result<Tile, Error> {
        let (level, index, _) = place(node)?;
        at(Some(level), index, size)
    }

    /// Lists every entry bundle of a tree of `size` leaves, full and partial.
    pub fn all_entries(size: u64) -> impl Iterator<Item = Tile> {
        Tile::new_entries(0, size)
    }

    /// Lists the hash tiles that a tree of `new` leaves has and its predecessor of `old` leaves had not, level by level.
    pub fn new_hashes(old: u64, new: u64) -> impl Iterator<Item = Tile> {
        (0..LEVELS).flat_map(move |level| grown(Some(level), old >> (8 * level), new >> (8 * level)))
    }

    /// Lists the entry bundles that a tree of `new` leaves has and its predecessor of `old` leaves had not.
    pub fn new_entries(old: u64, new: u64) -> impl Iterator<Item = Tile> {
        grown(None, old, new)
    }

    /// Lists the partial tiles of a tree of `size` leaves, level by level, and last its partial entry bundle.
    pub fn partials(size: u64) -> impl Iterator<Item = Tile> {
        let row = move |level: u8| Tile {
            level: Some(level),
            index: size >> (8 * level) >> 8,
            width: partial_width(size >> (8 * level)),
        };
        let bundle = Tile { level: None, index: size >> 8, width: partial_width(size) };
        (0..LEVELS).map(row).chain([bundle]).filter(|tile| tile.width > 0)
    }

    /// Parses a path; only the one canonical spelling of a tile is accepted.
    ///
    /// # Errors
    ///
    /// [`Error::TilePath`] for everything else.
    pub fn parse(path: &str) -> Result<Tile, Error> {
        let rest = path.strip_prefix("tile/").ok_or(Error::TilePath)?;
        let (level, rest) = rest.split_once('/').ok_or(Error::TilePath)?;
        let level = match level {
            "entries" => None,
            digits => Some(digits.parse().map_err(|_| Error::TilePath)?),
        };
        let (index, width) = match rest.split_once(".p/") {
            Some((index, width)) => (index, width.parse().map_err(|_| Error::TilePath)?),
            None => (rest, TILE_WIDTH),
        };
        let index: String = index.split('/').map(|group| group.strip_prefix('x').unwrap_or(group)).collect();
        let tile = Tile { level, index: index.parse().map_err(|_| Error::TilePath)?, width };
        let exists = tile.width > 0 && tile.width <= TILE_WIDTH && level.is_none_or(|level| level <= 63);
        // Writing it again and comparing refuses every other spelling: signs, missing or extra zeros, `.p/256`, `..`.
        if exists && tile.path() == path { Ok(tile) } else { Err(Error::TilePath) }
    }

    /// Returns the path below the log's prefix, for example `tile/0/x001/234.p/5`.
    pub fn path(&self) -> String {
        let mut index = format!("{:03}", self.index % 1000);
        let mut rest = self.index / 1000;
        while rest > 0 {
            index = format!("x{:03}/{index}", rest % 1000);
            rest /= 1000;
        }
        let level = self.level.map_or_else(|| "entries".to_owned(), |level| level.to_string());
        if self.is_full() {
            format!("tile/{level}/{index}")
        } else {
            format!("tile/{level}/{index}.p/{}", self.width)
        }
    }

    /// Returns the height of a hash tile in units of 8 tree levels, or `None` for an entry bundle.
    pub fn level(&self) -> Option<u8> {
        self.level
    }

    /// Returns the position among the tiles of its level, counted from 0.
    pub fn index(&self) -> u64 {
        self.index
    }

    /// Returns the number of hashes or entries, 1 to 256.
    pub fn width(&self) -> u16 {
        self.width
    }

    /// Tells whether all 256 places are taken.
    pub fn is_full(&self) -> bool {
        self.width == TILE_WIDTH
    }

    /// Returns this tile at the width that it has in a tree of `size` leaves; `None` where that tree has no such tile.
    pub fn widest(&self, size: u64) -> Option<Tile> {
        at(self.level, self.index, size).ok()
    }

    /// Returns the same tile at another width.
    ///
    /// # Errors
    ///
    /// [`Error::NoSuchTile`] where the width is not 1 to 256.
    pub fn with_width(&self, width: u16) -> Result<Tile, Error> {
        if !(1..=TILE_WIDTH).contains(&width) {
            return Err(Error::NoSuchTile);
        }
        Ok(Tile { width, ..*self })
    }

    /// Splits a hash tile's bytes into its hashes; the length must fit the width.
    ///
    /// # Errors
    ///
    /// [`Error::TileLength`] for any other length, and for every entry bundle.
    pub fn decode(&self, bytes: &[u8]) -> Result<Vec<Hash>, Error> {
        let wrong = || Error::TileLength { width: self.width, found: bytes.len() };
        if self.level.is_none() || bytes.len() != usize::from(self.width).saturating_mul(32) {
            return Err(wrong());
        }
        bytes.chunks_exact(32).map(Hash::from_slice).collect()
    }

    /// Encodes a row of hashes as a tile's bytes.
    pub fn encode(hashes: &[Hash]) -> Vec<u8> {
        hashes.iter().flat_map(|hash| *hash.as_bytes()).collect()
    }

    /// Computes the hash of `node` from the hashes of the tile that holds it.
    ///
    /// # Errors
    ///
    /// [`Error::NoSuchTile`] where the node is another tile's or lies beyond the hashes.
    pub fn node_hash(&self, hashes: &[Hash], node: Node) -> Result<Hash, Error> {
        let (level, index, places) = place(node)?;
        if self.level != Some(level) || self.index != index {
            return Err(Error::NoSuchTile);
        }
        let mut row = hashes.get(places).ok_or(Error::NoSuchTile)?.to_vec();
        while row.len() > 1 {
            row = row.chunks(2).filter_map(fold).collect();
        }
        row.first().copied().ok_or(Error::NoSuchTile)
    }
}

/// A tile's hashes and the roots of all complete subtrees above them, so that every node in the tile is at hand.
#[derive(Clone, Debug)]
pub struct TileRows {
    /// The tile's own row, then the rows of its subtrees of 2, 4, … 128 hashes.
    rows: Vec<Vec<Hash>>,
}

impl TileRows {
    /// Decodes a tile's bytes and hashes its subtrees.
    ///
    /// # Errors
    ///
    /// Those of [`Tile::decode`].
    pub fn decode(tile: &Tile, bytes: &[u8]) -> Result<TileRows, Error> {
        let rows = std::iter::successors(Some(tile.decode(bytes)?), |row| {
            let pairs = row.chunks_exact(2).filter_map(fold).collect::<Vec<_>>();
            (!pairs.is_empty()).then_some(pairs)
        });
        Ok(TileRows { rows: rows.take(8).collect() })
    }

    /// Finds a node of this tile, by its height in the tile and its position in that row.
    fn node(&self, node: Node) -> Option<Hash> {
        let height = node.level % 8;
        let position = usize::try_from(node.index & (0xff >> height)).ok()?;
        self.rows.get(usize::from(height))?.get(position).copied()
    }
}

/// Reads nodes out of tiles that a closure fetches; each tile is asked for once and kept as long as the value lives.
///
/// The hashes are as trustworthy as the tiles: whatever is computed from them is compared with a signed root.
pub struct TileHashes<F> {
    size: u64,
    fetch: F,
    tiles: RefCell<BTreeMap<Tile, Arc<TileRows>>>,
}

impl<F> TileHashes<F> {
    /// Wraps a closure that returns a tile of the tree of `size` leaves.
    pub fn new(size: u64, fetch: F) -> TileHashes<F> {
        TileHashes { size, fetch, tiles: RefCell::default() }
    }
}

impl<F, E> HashReader for TileHashes<F>
where
    F: Fn(&Tile) -> Result<Arc<TileRows>, E>,
    E: From<Error>,
{
    type Error = E;

    fn read(&self, wanted: &[Node]) -> Result<Vec<Hash>, E> {
        let mut tiles = self.tiles.borrow_mut();
        let mut found = Vec::with_capacity(wanted.len());
        for node in wanted {
            let tile = Tile::for_node(*node, self.size)?;
            let rows = match tiles.entry(tile) {
                Entry::Occupied(known) => known.into_mut(),
                Entry::Vacant(new) => new.insert((self.fetch)(&tile)?),
            };
            found.push(rows.node(*node).ok_or(Error::NoSuchTile)?);
        }
        Ok(found)
    }
}

/// Names the tile at `index` of a level as it is in a tree of `size` leaves.
fn at(level: Option<u8>, index: u64, size: u64) -> Result<Tile, Error> {
    let shift = level.unwrap_or(0).checked_mul(8).ok_or(Error::NoSuchTile)?;
    let row = size.checked_shr(u32::from(shift)).unwrap_or(0);
    let width = match index.cmp(&(row >> 8)) {
        std::cmp::Ordering::Less => TILE_WIDTH,
        std::cmp::Ordering::Equal => partial_width(row),
        std::cmp::Ordering::Greater => 0,
    };
    if width == 0 { Err(Error::NoSuchTile) } else { Ok(Tile { level, index, width }) }
}

/// Says where a node's row lies: tile level, tile index, and the places in that tile.
fn place(node: Node) -> Result<(u8, u64, std::ops::Range<usize>), Error> {
    let height = node.level % 8;
    let first = node.index.checked_mul(1 << height).ok_or(Error::NoSuchTile)?;
    let start = usize::from(partial_width(first));
    Ok((node.level / 8, first >> 8, start..start.saturating_add(1 << height)))
}

/// Lists the tiles of one level that appear as its row grows from `old` to `new` hashes.
fn grown(level: Option<u8>, old: u64, new: u64) -> impl Iterator<Item = Tile> {
    let full = (old >> 8)..(new >> 8);
    let partial = (old < new && partial_width(new) > 0).then(|| Tile {
        level,
        index: new >> 8,
        width: partial_width(new),
    });
    full.map(move |index| Tile { level, index, width: TILE_WIDTH }).chain(partial)
}

/// What is left over in a row of `count` hashes after its full tiles, 0 to 255.
fn partial_width(count: u64) -> u16 {
    u16::try_from(count & 0xff).unwrap_or(0)
}

/// Hashes or entries in a full tile.
pub const TILE_WIDTH: u16 = 256;

/// Tile levels that a tree of at most 2^64 - 1 leaves can have.
const LEVELS: u8 = 8;

#[cfg(test)]
mod tests;

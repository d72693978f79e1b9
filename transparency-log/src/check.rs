//! Checking a whole log: every entry to its leaf, every tile to the one above, and all of it to the signed root.

use sealwax_tlog::{Checkpoint, Hash, RightEdge, Tile, proof::Node};

use crate::anchor::{ANCHOR, Anchor};
use crate::error::{Error, Result};
use crate::storage::Storage;
use crate::tree;
use crate::view::ENVELOPES;

/// What a check found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// The number of entries under the checkpoint.
    pub size: u64,
    /// Tiles, bundles and envelopes that were read.
    pub files: u64,
    /// Everything that is not what it should be, in the order in which it was found.
    pub damage: Vec<Damage>,
}

/// One thing that is not what it should be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Damage {
    /// The blob, relative to the log's directory.
    pub path: String,
    /// What is wrong with it.
    pub what: &'static str,
}

impl Report {
    /// Tells whether nothing was found.
    pub fn is_clean(&self) -> bool {
        self.damage.is_empty()
    }
}

/// Checks tiles, entries and envelopes against a verified checkpoint.
///
/// The signed root vouches for the tiles of the right edge, those for the full tiles below them, down to the entries: so
/// each damaged file is told from the intact ones around it. Where a tile is damaged its content is derived from what is
/// below, if that leads to the hash above.
pub(crate) fn run<S: Storage>(
    storage: &S,
    checkpoint: &Checkpoint,
    envelope_fits: &dyn Fn(&[u8], &[u8]) -> bool,
) -> Result<Report> {
    let mut checker = Checker {
        storage,
        size: checkpoint.size,
        report: Report { size: checkpoint.size, ..Report::default() },
    };
    checker.tree(&checkpoint.root)?;
    checker.envelopes(envelope_fits)?;
    Ok(checker.report)
}

/// Compares the leaf index with the tree, which [`run`] has gone through and whose damage it has named.
pub(crate) fn index<S: Storage, A: Anchor>(
    storage: &S,
    anchor: &A,
    checkpoint: &Checkpoint,
    report: &mut Report,
) -> Result<()> {
    let compare = || {
        anchor.check()?;
        let mut agree = true;
        let is_tree = each_leaf_tile(storage, checkpoint, |first, row| {
            let indexed = anchor.leaves(first, row.len())?;
            agree &= indexed.into_iter().eq((first..).zip(row.iter().copied()));
            Ok(())
        })?;
        agree &= anchor.leaves(checkpoint.size, 1)?.is_empty();
        Ok(agree || !is_tree)
    };
    match compare() {
        Ok(true) => {}
        Ok(false) => report
            .damage
            .push(Damage { path: ANCHOR.into(), what: "an index of leaves that is not the tree's" }),
        Err(Error::Damaged { path, what }) => report.damage.push(Damage { path, what }),
        Err(other) => return Err(other),
    }
    Ok(())
}

/// Re-hashes every entry and compares with every tile and the root; returns all leaf hashes only if everything fits.
pub(crate) fn leaves<S: Storage>(storage: &S, checkpoint: &Checkpoint) -> Result<Vec<Hash>> {
    let report = run(storage, checkpoint, &|_, _| true)?;
    if let Some(Damage { path, what }) = report.damage.into_iter().next() {
        return Err(Error::Damaged { what, path });
    }
    let mut leaves = Vec::new();
    let is_tree = each_leaf_tile(storage, checkpoint, |_, row| {
        leaves.extend_from_slice(row);
        Ok(())
    })?;
    // Read twice, so hashed twice.
    if is_tree {
        Ok(leaves)
    } else {
        Err(Error::damaged("tiles/tile/0", "tiles that changed while they were read"))
    }
}

/// Hands on the leaf hashes tile by tile, with the position of the first, and tells whether all of them led to the root;
/// a tile that is missing or has the wrong length ends it.
fn each_leaf_tile<S: Storage>(
    storage: &S,
    checkpoint: &Checkpoint,
    mut each: impl FnMut(u64, &[Hash]) -> Result<()>,
) -> Result<bool> {
    let mut edge = RightEdge::empty();
    for bundle in Tile::all_entries(checkpoint.size) {
        let tile = Tile::hashes(0, bundle.index(), bundle.width())?;
        let row = match tree::read_hashes(storage, &tile) {
            Err(Error::Damaged { .. }) => return Ok(false),
            other => other?,
        };
        for leaf in &row {
            edge.append(*leaf)?;
        }
        each(edge.size().saturating_sub(u64::from(tile.width())), &row)?;
    }
    Ok(edge.root() == checkpoint.root)
}

struct Checker<'a, S> {
    storage: &'a S,
    size: u64,
    report: Report,
}

impl<S: Storage> Checker<'_, S> {
    fn tree(&mut self, root: &Hash) -> Result<()> {
        let edge: Vec<Tile> = Tile::partials(self.size).filter(|tile| tile.level().is_some()).collect();
        let mut rows = Vec::new();
        for tile in &edge {
            rows.push(Row { stored: self.stored(tile)?, derived: self.derived(tile)? });
        }
        let truth =
            choose(&rows, |chosen| edge_root(self.size, &edge, chosen).is_some_and(|found| found == *root));
        for (position, (tile, Row { stored, .. })) in edge.iter().zip(&rows).enumerate() {
            let row = truth.as_ref().and_then(|truth| truth.get(position));
            match row {
                None => self.found(tile, "the right edge does not hash to the signed root"),
                Some(row) if stored.as_ref() != Some(row) => self.found(tile, DAMAGED),
                Some(row) => self.narrower(tile, row)?,
            }
            self.below(tile, row.map(Vec::as_slice))?;
        }
        Ok(())
    }

    /// Checks the partial versions of a tile that earlier, smaller checkpoints had.
    fn narrower(&mut self, tile: &Tile, row: &[Hash]) -> Result<()> {
        let bundle = Tile::entries(tile.index(), tile.width())?;
        for older in self.older(tile)? {
            if self.stored(&older)?.is_none_or(|hashes| !row.starts_with(&hashes)) {
                self.found(&older, DAMAGED);
            }
        }
        for older in if tile.level() == Some(0) { self.older(&bundle)? } else { Vec::new() } {
            self.report.files = self.report.files.saturating_add(1);
            if self.leaves(&older)?.is_none_or(|leaves| !row.starts_with(&leaves)) {
                self.found(&older, "entries that do not hash to their leaves");
            }
        }
        Ok(())
    }

    /// Lists the stored versions of a partial tile that are narrower than it.
    fn older(&self, tile: &Tile) -> Result<Vec<Tile>> {
        let name = tree::name(tile);
        let folder = name.rsplit_once('/').map_or(name.as_str(), |(folder, _)| folder);
        let widths =
            self.storage.list(folder)?.into_iter().filter_map(|name| name.rsplit('/').next()?.parse().ok());
        Ok(widths
            .filter(|width| *width < tile.width())
            .filter_map(|width| tile.with_width(width).ok())
            .collect())
    }

    /// Checks what is below a tile against the tile's true hashes; `None` when those are not known.
    fn below(&mut self, tile: &Tile, row: Option<&[Hash]>) -> Result<()> {
        let first = tile.index().saturating_mul(256);
        match tile.level().and_then(|level| level.checked_sub(1)) {
            None => self.bundle(&Tile::entries(tile.index(), tile.width())?, row),
            Some(level) => {
                for (place, index) in (first..).take(usize::from(tile.width())).enumerate() {
                    let expected = row.and_then(|row| row.get(place));
                    self.full(&Tile::hashes(level, index, 256)?, expected)?;
                }
                Ok(())
            }
        }
    }

    /// Checks a full tile against the hash above it.
    fn full(&mut self, tile: &Tile, expected: Option<&Hash>) -> Result<()> {
        let stored = self.stored(tile)?;
        let fits = |row: &[Hash]| tree::subtree_root(row).is_ok_and(|root| Some(&root) == expected);
        if let Some(row) = stored.as_deref().filter(|row| fits(row)) {
            return self.below(tile, Some(row));
        }
        if expected.is_some() || stored.is_none() {
            self.found(tile, DAMAGED);
        }
        let derived = self.derived(tile)?;
        self.below(
            tile,
            derived.as_deref().filter(|row| fits(row)).or(stored.as_deref().filter(|_| expected.is_none())),
        )
    }

    fn bundle(&mut self, bundle: &Tile, row: Option<&[Hash]>) -> Result<()> {
        self.report.files = self.report.files.saturating_add(1);
        match (self.leaves(bundle)?, row) {
            (Some(leaves), Some(row)) if leaves == row => {}
            (Some(_), None) => {
                self.found(bundle, "entries that cannot be checked, the tiles above them being damaged")
            }
            _ => self.found(bundle, "entries that do not hash to their leaves"),
        }
        Ok(())
    }

    /// Reads a tile as it is stored; `None` when it is missing or has the wrong length.
    fn stored(&mut self, tile: &Tile) -> Result<Option<Vec<Hash>>> {
        self.report.files = self.report.files.saturating_add(1);
        Ok(self.storage.read(&tree::name(tile))?.and_then(|bytes| tile.decode(&bytes).ok()))
    }

    /// Computes a tile from what is stored directly below it.
    fn derived(&self, tile: &Tile) -> Result<Option<Vec<Hash>>> {
        let Some(level) = tile.level().and_then(|level| level.checked_sub(1)) else {
            return self.leaves(&Tile::entries(tile.index(), tile.width())?);
        };
        let first = tile.index().saturating_mul(256);
        let mut row = Vec::new();
        for index in (first..).take(usize::from(tile.width())) {
            let child = Tile::hashes(level, index, 256)?;
            match self.storage.read(&tree::name(&child))?.and_then(|bytes| child.decode(&bytes).ok()) {
                Some(hashes) => row.push(tree::subtree_root(&hashes)?),
                None => return Ok(None),
            }
        }
        Ok(Some(row))
    }

    fn leaves(&self, bundle: &Tile) -> Result<Option<Vec<Hash>>> {
        let bytes = self.storage.read(&tree::name(bundle))?;
        let hash = |bytes: &[u8]| {
            let entries = sealwax_tlog::entries::decode(bytes, bundle.width()).ok()?;
            Some(entries.into_iter().map(Hash::leaf).collect())
        };
        Ok(bytes.as_deref().and_then(hash))
    }

    fn envelopes(&mut self, fits: &dyn Fn(&[u8], &[u8]) -> bool) -> Result<()> {
        for folder in 0..=255u8 {
            for name in self.storage.list(&format!("{ENVELOPES}/{}", hex::encode([folder])))? {
                self.report.files = self.report.files.saturating_add(1);
                let digest = name.rsplit('/').next().and_then(|digits| hex::decode(digits).ok());
                let bytes = self.storage.read(&name)?;
                let (Some(digest), Some(bytes)) = (digest, bytes) else {
                    self.report.damage.push(Damage { path: name, what: "not the name of an envelope" });
                    continue;
                };
                if !fits(&digest, &bytes) {
                    self.report
                        .damage
                        .push(Damage { path: name, what: "an envelope that does not fit its digest" });
                }
            }
        }
        Ok(())
    }

    fn found(&mut self, tile: &Tile, what: &'static str) {
        self.report.damage.push(Damage { path: tree::name(tile), what });
    }
}

/// The two candidates for the hashes of a tile: as it is stored, and as what is below it says.
struct Row {
    stored: Option<Vec<Hash>>,
    derived: Option<Vec<Hash>>,
}

/// Picks, for every tile of the right edge, the stored or the derived row, such that all of them lead to the root.
fn choose(rows: &[Row], leads_to_root: impl Fn(&[Vec<Hash>]) -> bool) -> Option<Vec<Vec<Hash>>> {
    // At most eight levels have a partial tile; all stored is tried first.
    (0u32..1 << rows.len().min(8)).find_map(|mask| {
        let pick = |(level, row): (u32, &Row)| {
            if mask >> level & 1 == 0 { row.stored.clone() } else { row.derived.clone() }
        };
        (0u32..).zip(rows).map(pick).collect::<Option<Vec<_>>>().filter(|chosen| leads_to_root(chosen))
    })
}

/// Computes the root from the partial tiles of all levels.
fn edge_root(size: u64, edge: &[Tile], rows: &[Vec<Hash>]) -> Option<Hash> {
    let hash = |node: Node| {
        let tile = Tile::for_node(node, size).ok()?;
        let position = edge.iter().position(|known| *known == tile)?;
        tile.node_hash(rows.get(position)?, node).ok()
    };
    let hashes = RightEdge::nodes(size).into_iter().map(hash).collect::<Option<Vec<_>>>()?;
    Some(RightEdge::from_hashes(size, hashes).ok()?.root())
}

const DAMAGED: &str = "hashes that are not those of the tree";

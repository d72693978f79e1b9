//! Reading the published tree: tiles, entries and proofs, none of them believed before it led to the signed root.

use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex, PoisonError};

use lru::LruCache;
use sealwax_tlog::{Checkpoint, Hash, RightEdge, TILE_WIDTH, Tile, TileHashes, TileRows, entries, proof};

use crate::error::{Error, Result};
use crate::storage::Storage;

/// Reads the hashes of a tile.
pub(crate) fn read_hashes<S: Storage>(storage: &S, tile: &Tile) -> Result<Vec<Hash>> {
    Ok(tile.decode(&read_tile(storage, tile)?)?)
}

/// Reads the entries of a bundle.
pub(crate) fn read_entries<S: Storage>(storage: &S, bundle: &Tile) -> Result<Vec<Vec<u8>>> {
    let (found, bytes) = read_widest(storage, bundle)?;
    let malformed = |_| Error::damaged(name(&found), "not the entries that its name says");
    let entries = entries::decode(&bytes, found.width()).map_err(malformed)?;
    Ok(entries.into_iter().take(usize::from(bundle.width())).map(<[u8]>::to_vec).collect())
}

/// Reads one entry and proves it to be the one under the checkpoint.
pub(crate) fn read_entry<S: Storage>(storage: &S, checkpoint: &Checkpoint, index: u64) -> Result<Vec<u8>> {
    let bundle = Tile::for_entry(index, checkpoint.size)?;
    let entries = read_entries(storage, &bundle)?;
    let place = usize::try_from(index & 0xff).unwrap_or(usize::MAX);
    let entry =
        entries.into_iter().nth(place).ok_or_else(|| Error::damaged(name(&bundle), "too few entries"))?;
    Prover::new(storage, checkpoint, None).prove(index, &Hash::leaf(&entry))?;
    Ok(entry)
}

/// Makes inclusion proofs under one checkpoint, reading every tile once.
pub(crate) struct Prover<'a> {
    checkpoint: &'a Checkpoint,
    hashes: TileHashes<Fetch<'a>>,
}

impl<'a> Prover<'a> {
    pub(crate) fn new<S: Storage>(
        storage: &'a S,
        checkpoint: &'a Checkpoint,
        cache: Option<&'a TileCache>,
    ) -> Prover<'a> {
        let read = |tile: &Tile| Ok(Arc::new(TileRows::decode(tile, &read_tile(storage, tile)?)?));
        let fetch: Fetch<'a> = Box::new(move |tile| match cache {
            Some(cache) => cache.get_or_read(tile, read),
            None => read(tile),
        });
        Prover { checkpoint, hashes: TileHashes::new(checkpoint.size, fetch) }
    }

    /// Makes the proof of a leaf and verifies it: a wrong index, a damaged tile or an absent leaf gives no proof.
    pub(crate) fn prove(&self, index: u64, leaf: &Hash) -> Result<Vec<Hash>> {
        let Checkpoint { size, root, .. } = self.checkpoint;
        self.verified(index, leaf, *size, root)
    }

    /// Makes the proof of a leaf in an earlier tree, and gives that tree's root. The current tree has every hash that an
    /// earlier one had at its complete subtrees, and the earlier root is computed from those.
    pub(crate) fn prove_at(&self, index: u64, leaf: &Hash, size: u64) -> Result<(Vec<Hash>, Hash)> {
        let root = self.root_at(size)?;
        Ok((self.verified(index, leaf, size, &root)?, root))
    }

    fn verified(&self, index: u64, leaf: &Hash, size: u64, root: &Hash) -> Result<Vec<Hash>> {
        let path = proof::prove_inclusion(&self.hashes, index, size)?;
        let what = "a leaf that does not lead to the signed root: a tile, or the index of leaves, is wrong";
        proof::verify_inclusion(leaf, index, size, &path, root)
            .map_err(|_| Error::damaged("tiles/tile", what))?;
        Ok(path)
    }

    /// Makes the consistency proof from an earlier size, unverified: the caller has the earlier root.
    pub(crate) fn prove_consistency(&self, old: u64) -> Result<Vec<Hash>> {
        self.prove_between(old, self.checkpoint.size)
    }

    /// Makes the consistency proof between two sizes of the tree's past.
    pub(crate) fn prove_between(&self, old: u64, new: u64) -> Result<Vec<Hash>> {
        if new > self.checkpoint.size {
            return Err(sealwax_tlog::Error::TreeShrank { old: new, new: self.checkpoint.size }.into());
        }
        proof::prove_consistency(&self.hashes, old, new)
    }

    /// Computes the root of the first `size` leaves.
    pub(crate) fn root_at(&self, size: u64) -> Result<Hash> {
        if size > self.checkpoint.size {
            return Err(sealwax_tlog::Error::TreeShrank { old: size, new: self.checkpoint.size }.into());
        }
        proof::root(&self.hashes, size)
    }
}

type Fetch<'a> = Box<dyn Fn(&Tile) -> Result<Arc<TileRows>> + 'a>;

/// The tiles that proofs used last, at most 1,024, shared by all views of one log.
///
/// A tile of a given width never changes, so nothing in here grows old. A damaged one gives no proof, cached or not.
#[derive(Debug)]
pub struct TileCache(Mutex<LruCache<Tile, Arc<TileRows>>>);

impl Default for TileCache {
    fn default() -> Self {
        Self(Mutex::new(LruCache::new(CACHED_TILES)))
    }
}

impl TileCache {
    fn get_or_read(
        &self,
        tile: &Tile,
        read: impl Fn(&Tile) -> Result<Arc<TileRows>>,
    ) -> Result<Arc<TileRows>> {
        let cached = || self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(rows) = cached().get(tile) {
            return Ok(Arc::clone(rows));
        }
        // Read outside the lock: two readers may both read a tile, none waits for another's disk.
        let rows = read(tile)?;
        cached().put(*tile, Arc::clone(&rows));
        Ok(rows)
    }
}

/// About 16 KiB each: 16 MiB.
const CACHED_TILES: NonZeroUsize = NonZeroUsize::MIN.saturating_add(1_023);

/// Checks the last bundle and the tiles above it when all of them are full, and so not part of the frontier.
pub(crate) fn check_last_full_tile<S: Storage>(storage: &S, checkpoint: &Checkpoint) -> Result<()> {
    let Some(last) = checkpoint.size.checked_sub(1).filter(|_| checkpoint.size.is_multiple_of(256)) else {
        return Ok(());
    };
    let bundle = Tile::for_entry(last, checkpoint.size)?;
    let leaves: Vec<Hash> = read_entries(storage, &bundle)?.iter().map(|entry| Hash::leaf(entry)).collect();
    let tile = Tile::hashes(0, bundle.index(), bundle.width())?;
    if read_hashes(storage, &tile)? != leaves {
        return Err(Error::damaged(name(&bundle), "the last entries do not hash to their leaf tile"));
    }
    let leaf = leaves.last().ok_or_else(|| Error::damaged(name(&bundle), "too few entries"))?;
    Prover::new(storage, checkpoint, None).prove(last, leaf).map(|_| ())
}

/// Hashes a row of neighbouring subtrees of equal size into their common root.
pub(crate) fn subtree_root(row: &[Hash]) -> Result<Hash> {
    let mut edge = RightEdge::empty();
    for hash in row {
        edge.append(*hash)?;
    }
    Ok(edge.root())
}

/// Removes the partial tiles and bundles of a tree of `old` leaves that are full ones in the tree of `new` leaves, which
/// C2SP tlog-tiles lets a log drop once the full ones are there.
pub(crate) fn remove_superseded<S: Storage>(storage: &S, old: u64, new: u64) -> Result<()> {
    for tile in Tile::partials(old).filter(|tile| tile.widest(new).is_some_and(|widest| widest.is_full())) {
        let path = name(&tile);
        let folder = path.rsplit_once('/').map_or(path.as_str(), |(folder, _)| folder);
        for partial in storage.list(folder)? {
            storage.remove(&partial)?;
        }
    }
    Ok(())
}

/// Returns the name under which a tile is stored.
pub(crate) fn name(tile: &Tile) -> String {
    format!("{TILES}/{}", tile.path())
}

/// Reads a hash tile's bytes at the width asked for.
fn read_tile<S: Storage>(storage: &S, tile: &Tile) -> Result<Vec<u8>> {
    let (found, mut bytes) = read_widest(storage, tile)?;
    if bytes.len() != usize::from(found.width()).saturating_mul(32) {
        return Err(Error::damaged(name(&found), "a tile of the wrong length"));
    }
    bytes.truncate(usize::from(tile.width()).saturating_mul(32));
    Ok(bytes)
}

/// Reads a tile or bundle at its width, cut out of a wider version where its own is gone.
pub(crate) fn read_narrowed<S: Storage>(storage: &S, tile: &Tile, widest: &Tile) -> Result<Vec<u8>> {
    if let Some(bytes) = storage.read(&name(tile))? {
        return Ok(bytes);
    }
    match tile.level() {
        Some(_) => {
            let mut bytes = read_tile(storage, widest)?;
            bytes.truncate(usize::from(tile.width()).saturating_mul(32));
            Ok(bytes)
        }
        None => {
            let mut entries = read_entries(storage, widest)?;
            entries.truncate(usize::from(tile.width()));
            Ok(entries::encode(&entries)?)
        }
    }
}

/// Reads a tile, or the full one that superseded it while a reader still held an older checkpoint.
fn read_widest<S: Storage>(storage: &S, tile: &Tile) -> Result<(Tile, Vec<u8>)> {
    for candidate in [*tile, tile.with_width(TILE_WIDTH)?] {
        if let Some(bytes) = storage.read(&name(&candidate))? {
            return Ok((candidate, bytes));
        }
    }
    Err(Error::damaged(name(tile), "missing"))
}

/// The folder that is served to the world.
pub(crate) const TILES: &str = "tiles";
/// The published checkpoint.
pub(crate) const CHECKPOINT: &str = "tiles/checkpoint";

//! A log that is served somewhere, as whoever copies or follows it reads it: C2SP tlog-tiles, decoded and not believed.

use std::path::Path;
use std::sync::Arc;

use sealwax_tlog::{Hash, TILE_WIDTH, Tile, TileHashes, TileRows, entries};

use crate::error::{Error, Result};
use crate::storage::{Directory, Storage as _};
use crate::tree::TILES;

/// Reads what a log serves, by its name below the log's prefix: `checkpoint`, `tile/…`. `None` for what is not there; an
/// error is the reason why nobody can tell. Nothing that it returns is believed, but it bounds the length.
pub type Fetch<'a> = &'a dyn Fn(&str) -> std::result::Result<Option<Vec<u8>>, String>;

/// Reads a log on this machine as the world reads it over the network.
pub fn from_directory(log: &Path) -> impl Fn(&str) -> std::result::Result<Option<Vec<u8>>, String> + use<> {
    let reader = Directory::reader(log);
    move |name| reader.read(&format!("{TILES}/{name}")).map_err(|error| error.to_string())
}

/// What a log serves, decoded and not believed.
pub(crate) struct Source<'a>(pub(crate) Fetch<'a>);

impl Source<'_> {
    pub(crate) fn read(&self, name: &str) -> Result<Vec<u8>> {
        self.find(name)?.ok_or_else(|| source_error(name, "it is not there".to_owned()))
    }

    fn find(&self, name: &str) -> Result<Option<Vec<u8>>> {
        (self.0)(name).map_err(|reason| source_error(name, reason))
    }

    /// Reads a tile or bundle, or the full one, for which a log may have given up the partial one.
    fn tile(&self, tile: &Tile) -> Result<(Tile, Vec<u8>)> {
        if let Some(bytes) = self.find(&tile.path())? {
            return Ok((*tile, bytes));
        }
        let full = tile.with_width(TILE_WIDTH)?;
        if full == *tile {
            return Err(source_error(&tile.path(), "it is not there".to_owned()));
        }
        Ok((full, self.read(&full.path())?))
    }

    pub(crate) fn entries(&self, bundle: &Tile) -> Result<Vec<Vec<u8>>> {
        let (found, bytes) = self.tile(bundle)?;
        decode(&bytes, &found, bundle)
            .ok_or_else(|| Error::damaged(found.path(), "not the entries that its name says"))
    }

    pub(crate) fn leaves(&self, bundle: &Tile) -> Result<Vec<Hash>> {
        Ok(self.entries(bundle)?.iter().map(|entry| Hash::leaf(entry)).collect())
    }

    /// Reads the hashes of a bundle's entries as the log's leaf tile has them.
    pub(crate) fn leaf_tile(&self, bundle: &Tile) -> Result<Vec<Hash>> {
        let tile = Tile::hashes(0, bundle.index(), bundle.width())?;
        Ok(tile.decode(&self.hashes(&tile)?)?)
    }

    /// Makes proofs in a tree of `size` leaves out of the log's tiles.
    pub(crate) fn proofs(&self, size: u64) -> TileHashes<impl Fn(&Tile) -> Result<Arc<TileRows>>> {
        TileHashes::new(size, |tile: &Tile| Ok(Arc::new(TileRows::decode(tile, &self.hashes(tile)?)?)))
    }

    /// Reads a hash tile's bytes at the width asked for.
    fn hashes(&self, tile: &Tile) -> Result<Vec<u8>> {
        let (found, mut bytes) = self.tile(tile)?;
        if bytes.len() != usize::from(found.width()).saturating_mul(HASH_LENGTH) {
            return Err(Error::damaged(found.path(), "a tile of the wrong length"));
        }
        bytes.truncate(usize::from(tile.width()).saturating_mul(HASH_LENGTH));
        Ok(bytes)
    }
}

/// Takes a bundle's entries out of that one or a wider version of it.
pub(crate) fn decode(bytes: &[u8], found: &Tile, bundle: &Tile) -> Option<Vec<Vec<u8>>> {
    let entries = entries::decode(bytes, found.width()).ok()?;
    Some(entries.into_iter().take(usize::from(bundle.width())).map(<[u8]>::to_vec).collect())
}

fn source_error(name: &str, reason: String) -> Error {
    Error::Source { name: name.to_owned(), reason }
}

/// The name of the checkpoint.
pub(crate) const NOTE: &str = "checkpoint";
const HASH_LENGTH: usize = 32;

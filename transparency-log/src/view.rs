//! A log as a reader sees it: one signed checkpoint and everything under it.

use std::path::Path;
use std::sync::Arc;

use sealwax_tlog::{Checkpoint, Hash, Tile, VerifierKey};

use crate::check::{self, Report};
use crate::error::{Error, Result};
use crate::storage::{Directory, Storage};
use crate::tree::{self, CHECKPOINT, Prover, TileCache};

/// A published log, read without lock and without the anchor; also while another process appends to it.
///
/// It stays at the checkpoint that was newest when it was opened. What it returns has been led to the signed root.
#[derive(Debug)]
pub struct LogView<S = Directory> {
    storage: S,
    note: Vec<u8>,
    checkpoint: Checkpoint,
    cache: Option<Arc<TileCache>>,
}

impl LogView {
    /// Opens the log at a directory, whose checkpoint must be signed by `key`.
    ///
    /// # Errors
    ///
    /// [`Error::NotFound`], [`Error::WrongKey`], [`Error::Damaged`] where the checkpoint is malformed, [`Error::Io`].
    pub fn open(directory: &Path, key: &VerifierKey) -> Result<LogView> {
        LogView::with_storage(Directory::reader(directory), key).map_err(|error| match error {
            Error::NotFound { .. } => Error::NotFound { path: directory.to_owned() },
            other => other,
        })
    }
}

impl<S: Storage> LogView<S> {
    /// Opens the log in a storage, whose checkpoint must be signed by `key`.
    ///
    /// # Errors
    ///
    /// [`Error::NotFound`], [`Error::WrongKey`], [`Error::Damaged`] where the checkpoint is malformed, and those of the
    /// storage.
    pub fn with_storage(storage: S, key: &VerifierKey) -> Result<LogView<S>> {
        let note = storage.read(CHECKPOINT)?.ok_or_else(|| Error::NotFound { path: CHECKPOINT.into() })?;
        LogView::of_note(storage, note, key)
    }

    /// Views the log in a storage under another signed checkpoint than the published one, which must be signed by `key`.
    ///
    /// # Errors
    ///
    /// [`Error::WrongKey`], [`Error::Damaged`] where the checkpoint is malformed.
    pub fn of_note(storage: S, note: Vec<u8>, key: &VerifierKey) -> Result<LogView<S>> {
        let checkpoint = open_checkpoint(&note, key, CHECKPOINT)?;
        Ok(LogView { storage, note, checkpoint, cache: None })
    }

    /// Keeps the tiles that proofs need in memory, for this view and every other one that shares the cache.
    #[must_use]
    pub fn with_cache(self, cache: Arc<TileCache>) -> LogView<S> {
        LogView { cache: Some(cache), ..self }
    }

    /// Returns the signed note.
    pub fn note(&self) -> &[u8] {
        &self.note
    }

    /// Returns size and root.
    pub fn checkpoint(&self) -> &Checkpoint {
        &self.checkpoint
    }

    /// Reads the bytes of a hash tile or entry bundle as they are served: `None` for one that this tree has not, at this
    /// width or a larger one. Nothing vouches for them before they are led to the signed root.
    ///
    /// # Errors
    ///
    /// [`Error::Damaged`] where the tile should be there and is not, or has another length; and those of the storage.
    pub fn tile(&self, tile: &Tile) -> Result<Option<Vec<u8>>> {
        // The tree has a tile where the last of its nodes, or its last entry, exists.
        match tile.widest(self.checkpoint.size) {
            Some(widest) if tile.width() <= widest.width() => {
                tree::read_narrowed(&self.storage, tile, &widest).map(Some)
            }
            _ => Ok(None),
        }
    }

    /// Reads one entry.
    ///
    /// # Errors
    ///
    /// [`Error::Tlog`] where the tree has no such entry, [`Error::Damaged`] where what is stored does not lead to the
    /// signed root, and those of the storage.
    pub fn entry(&self, index: u64) -> Result<Vec<u8>> {
        tree::read_entry(&self.storage, &self.checkpoint, index)
    }

    /// Makes the inclusion proof of the leaf at `index`.
    ///
    /// # Errors
    ///
    /// [`Error::Tlog`] where the tree has no such entry, [`Error::Damaged`] where `leaf` does not lead to the signed
    /// root, and those of the storage.
    pub fn prove_inclusion(&self, index: u64, leaf: &Hash) -> Result<Vec<Hash>> {
        self.prover().prove(index, leaf)
    }

    /// Makes the inclusion proof of the leaf at `index` in the tree as it was at an earlier size, and gives that tree's root.
    ///
    /// # Errors
    ///
    /// Those of [`LogView::prove_inclusion`].
    pub fn prove_inclusion_at(&self, index: u64, leaf: &Hash, size: u64) -> Result<(Vec<Hash>, Hash)> {
        self.prover().prove_at(index, leaf, size)
    }

    /// Makes the consistency proof from one earlier size to another.
    ///
    /// # Errors
    ///
    /// Those of [`LogView::prove_consistency`].
    pub fn prove_consistency_between(&self, old: u64, new: u64) -> Result<Vec<Hash>> {
        self.prover().prove_between(old, new)
    }

    /// Makes the consistency proof from an earlier size; the receiver verifies it with the root of that size.
    ///
    /// # Errors
    ///
    /// [`Error::Tlog`] where the tree is smaller than `old_size`, [`Error::Damaged`] where a tile is missing or has the
    /// wrong length, and those of the storage.
    pub fn prove_consistency(&self, old_size: u64) -> Result<Vec<Hash>> {
        self.prover().prove_consistency(old_size)
    }

    /// Computes the root that the log had at an earlier size.
    ///
    /// # Errors
    ///
    /// Those of [`LogView::prove_consistency`].
    pub fn root_at(&self, size: u64) -> Result<Hash> {
        self.prover().root_at(size)
    }

    fn prover(&self) -> Prover<'_> {
        Prover::new(&self.storage, &self.checkpoint, self.cache.as_deref())
    }

    /// Reads the envelope stored for a digest, as it is: the caller compares it with the digest.
    ///
    /// # Errors
    ///
    /// Those of the storage.
    pub fn envelope(&self, digest: &[u8]) -> Result<Option<Vec<u8>>> {
        self.storage.read(&envelope_name(digest))
    }

    /// Re-hashes the whole log; see [`Report`]. `envelope_fits` judges each stored envelope against its digest.
    ///
    /// # Errors
    ///
    /// Those of the storage. Damage is no error here: it is what the report is about.
    pub fn check(&self, envelope_fits: &dyn Fn(&[u8], &[u8]) -> bool) -> Result<Report> {
        check::run(&self.storage, &self.checkpoint, envelope_fits)
    }
}

/// Opens a signed checkpoint, telling another log's from a damaged one.
pub(crate) fn open_checkpoint(note: &[u8], key: &VerifierKey, name: &str) -> Result<Checkpoint> {
    Checkpoint::open(note, key).map_err(|error| match error {
        sealwax_tlog::Error::NoKnownSignature => Error::WrongKey { key: key.to_string() },
        _ => Error::damaged(name, "a checkpoint that does not verify"),
    })
}

/// Returns the name under which the envelope of a digest is stored: two hex digits, then all of them.
pub(crate) fn envelope_name(digest: &[u8]) -> String {
    let digest = hex::encode(digest);
    let folder = digest.get(..2).unwrap_or_default();
    format!("{ENVELOPES}/{folder}/{digest}")
}

/// The folder of envelopes.
pub(crate) const ENVELOPES: &str = "envelopes";

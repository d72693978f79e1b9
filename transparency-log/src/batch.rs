//! One batch on its way into the log: every tile and entry bundle that it adds, in one self-describing file.
//!
//! ```text
//! "sealwax batch 1\n"
//! base size u64 ‖ base root 32 ‖ size u64 ‖ root 32 ‖ number of blobs u32
//! for each blob: length of name u16 ‖ name ("tile/0/000.p/5") ‖ length u32 ‖ bytes
//! SHA-256 of everything before, 32
//! ```
//!
//! All numbers are big-endian. The file is named by size and hash, and that name is what the anchor commits to: from the
//! commit on, the bytes of the batch are fixed, wherever they are when a crash comes.

use sealwax_tlog::{Checkpoint, Hash, Tile, entries};
use sha2::{Digest, Sha256};

use crate::error::{Error, Result};
use crate::frontier::{Blob, Frontier};
use crate::storage::Storage;
use crate::tree::{self, CHECKPOINT};

/// A step from one tree to a larger one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Batch {
    pub(crate) base_size: u64,
    pub(crate) base_root: Hash,
    pub(crate) size: u64,
    pub(crate) root: Hash,
    /// Sorted by tile.
    pub(crate) blobs: Vec<Blob>,
}

impl Batch {
    /// Builds the tiles that appending `entries` to a tree adds, and the root that follows from `leaves`.
    ///
    /// Tiles come from the entries and the root from the leaf hashes that the caller computed earlier, over another
    /// representation of the edge; [`Batch::replay`] later finds them to agree or refuses.
    pub(crate) fn build(base: &Frontier, entries: &[&[u8]], leaves: &[Hash]) -> Result<Batch> {
        let mut edge = base.edge()?;
        let base_root = edge.root();
        for leaf in leaves {
            edge.append(*leaf)?;
        }
        let mut next = base.clone();
        let mut blobs = Vec::new();
        for entry in entries {
            next.push(entry, &mut blobs)?;
        }
        next.partials(base.size(), &mut blobs)?;
        blobs.sort();
        Ok(Batch { base_size: base.size(), base_root, size: next.size(), root: edge.root(), blobs })
    }

    /// Encodes the file, and names it.
    pub(crate) fn encode(&self) -> Result<(String, Vec<u8>)> {
        let mut bytes = MAGIC.to_vec();
        bytes.extend_from_slice(&self.base_size.to_be_bytes());
        bytes.extend_from_slice(self.base_root.as_bytes());
        bytes.extend_from_slice(&self.size.to_be_bytes());
        bytes.extend_from_slice(self.root.as_bytes());
        bytes.extend_from_slice(&u32::try_from(self.blobs.len()).map_err(|_| too_large())?.to_be_bytes());
        for (tile, blob) in &self.blobs {
            let path = tile.path();
            bytes.extend_from_slice(&u16::try_from(path.len()).map_err(|_| too_large())?.to_be_bytes());
            bytes.extend_from_slice(path.as_bytes());
            bytes.extend_from_slice(&u32::try_from(blob.len()).map_err(|_| too_large())?.to_be_bytes());
            bytes.extend_from_slice(blob);
        }
        let digest: [u8; 32] = Sha256::digest(&bytes).into();
        bytes.extend_from_slice(&digest);
        Ok((format!("{STAGING}/{}-{}", self.size, hex::encode(digest)), bytes))
    }

    /// Decodes a staged file, whose own hash must be intact and must be the one in its name.
    pub(crate) fn decode(name: &str, bytes: &[u8]) -> Result<Batch> {
        let damaged = || Error::damaged(name, "a staged batch that is not what was staged");
        let (content, digest) = bytes.split_last_chunk::<32>().ok_or_else(damaged)?;
        if <[u8; 32]>::from(Sha256::digest(content)) != *digest {
            return Err(damaged());
        }
        let mut reader = Reader(content);
        let batch = reader.batch().filter(|_| reader.0.is_empty()).ok_or_else(damaged)?;
        if format!("{STAGING}/{}-{}", batch.size, hex::encode(digest)) != name {
            return Err(damaged());
        }
        Ok(batch)
    }

    /// Recomputes everything from the entries in the batch, over the verified state before it.
    ///
    /// Returns the state after it and its new leaf hashes, or refuses: old entries must be unchanged, the tiles must be
    /// exactly those that the entries make, and the root must be the declared one.
    pub(crate) fn replay(&self, base: &Frontier, name: &str) -> Result<(Frontier, Vec<Hash>)> {
        let damaged = |what| Error::damaged(name, what);
        if base.size() != self.base_size || base.root()? != self.base_root {
            return Err(damaged("a staged batch for another tree"));
        }
        let mut next = base.clone();
        let mut blobs = Vec::new();
        let mut leaves = Vec::new();
        for (bundle, bytes) in self.blobs.iter().filter(|(tile, _)| tile.level().is_none()) {
            let entries = entries::decode(bytes, bundle.width())?;
            let first = bundle.index().checked_mul(256).ok_or_else(|| damaged("an entry beyond the tree"))?;
            for (index, entry) in (first..).zip(entries) {
                // Old entries, gaps and strange bundles are caught below, where the rebuilt blobs must be the staged ones.
                if index >= self.base_size {
                    leaves.push(next.push(entry, &mut blobs)?);
                }
            }
        }
        next.partials(self.base_size, &mut blobs)?;
        blobs.sort();
        if blobs != self.blobs || next.size() != self.size {
            return Err(damaged("staged tiles that do not follow from the staged entries"));
        }
        if next.root()? != self.root {
            return Err(damaged("staged entries that do not lead to the staged root"));
        }
        Ok((next, leaves))
    }

    /// Puts a committed batch's tiles and bundles in their places, where no published checkpoint implies them yet.
    ///
    /// Append and recovery both come here, and it can be repeated from any point at which a crash left it. Nothing that is
    /// already there is trusted: a file whose flush failed reads well until the power fails.
    pub(crate) fn place<S: Storage>(&self, storage: &S) -> Result<()> {
        self.blobs.iter().try_for_each(|(tile, bytes)| storage.write(&tree::name(tile), bytes))
    }

    /// Publishes the checkpoint over a batch that is in place, then removes what the batch supersedes and its staged file.
    pub(crate) fn publish<S: Storage>(&self, storage: &S, name: &str, note: &[u8]) -> Result<()> {
        storage.write(CHECKPOINT, note)?;
        tree::remove_superseded(storage, self.base_size, self.size)?;
        storage.remove(name)
    }

    /// Tells whether a published checkpoint is the one before or the one after this batch.
    pub(crate) fn touches(&self, published: &Checkpoint) -> bool {
        [(self.base_size, self.base_root), (self.size, self.root)].contains(&(published.size, published.root))
    }
}

/// Takes a batch apart; `None` wherever bytes are missing or wrong.
struct Reader<'a>(&'a [u8]);

impl Reader<'_> {
    fn batch(&mut self) -> Option<Batch> {
        if self.take(MAGIC.len())? != MAGIC {
            return None;
        }
        let (base_size, base_root) = (self.u64()?, self.hash()?);
        let (size, root) = (self.u64()?, self.hash()?);
        let count = self.u32()?;
        let mut blobs = Vec::new();
        for _ in 0..count {
            let length = usize::from(u16::from_be_bytes(self.take(2)?.try_into().ok()?));
            let path = std::str::from_utf8(self.take(length)?).ok()?;
            let tile = Tile::parse(path).ok()?;
            let length = usize::try_from(self.u32()?).ok()?;
            blobs.push((tile, self.take(length)?.to_vec()));
        }
        Some(Batch { base_size, base_root, size, root, blobs })
    }

    fn take(&mut self, length: usize) -> Option<&[u8]> {
        let (taken, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(taken)
    }

    fn u32(&mut self) -> Option<u32> {
        Some(u32::from_be_bytes(self.take(4)?.try_into().ok()?))
    }

    fn u64(&mut self) -> Option<u64> {
        Some(u64::from_be_bytes(self.take(8)?.try_into().ok()?))
    }

    fn hash(&mut self) -> Option<Hash> {
        Hash::from_slice(self.take(32)?).ok()
    }
}

/// A batch of 4 GiB or more; entries are small, so only a caller that never sends its batches gets here.
fn too_large() -> Error {
    Error::damaged(STAGING, "a batch larger than its format can say")
}

/// The folder of staged batches.
pub(crate) const STAGING: &str = "staging";
const MAGIC: &[u8] = b"sealwax batch 1\n";

#[cfg(test)]
mod tests;

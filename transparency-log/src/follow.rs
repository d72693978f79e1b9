//! Following a log: what is appended is handed on once it is proven.
//!
//! Each new checkpoint must provably extend the one before it. Entries are hashed onto the right edge of those that were
//! handed on, bundle by bundle, and each bundle is proven to be a part of what the log signed before its entries are
//! handed on; so memory is bounded, however much there is to catch up with.

use std::ops::ControlFlow;

use sealwax_tlog::{Checkpoint, Hash, HashReader as _, RightEdge, Tile, VerifierKey, proof};

use crate::error::{Error, Result};
use crate::source::{Fetch, NOTE, Source};
use crate::view::open_checkpoint;

/// Somebody who has seen a log's past and looks at what comes.
#[derive(Debug)]
pub struct Follower {
    key: VerifierKey,
    /// The newest checkpoint, proven to extend all those before it.
    newest: Checkpoint,
    /// The edge of the entries that were handed on.
    edge: RightEdge,
}

impl Follower {
    /// Starts to follow a log whose checkpoints `key` signs, at an entry that it has, or else at its end.
    ///
    /// # Errors
    ///
    /// [`Error::Source`], [`Error::WrongKey`], [`Error::Damaged`] where what is served does not lead to what is signed, and
    /// [`Error::Tlog`] for a position beyond the log's end.
    pub fn start(fetch: Fetch<'_>, key: VerifierKey, from: Option<u64>) -> Result<Follower> {
        let source = Source(fetch);
        let newest = open_checkpoint(&source.read(NOTE)?, &key, NOTE)?;
        let from = from.unwrap_or(newest.size);
        if from > newest.size {
            return Err(sealwax_tlog::Error::TreeShrank { old: from, new: newest.size }.into());
        }
        let hashes = source.proofs(newest.size).read(&RightEdge::nodes(from))?;
        let edge = RightEdge::from_hashes(from, hashes)?;
        extends(&source, from, &edge.root(), &newest)?;
        Ok(Follower { key, newest, edge })
    }

    /// The number of entries that were handed on or passed over.
    pub fn position(&self) -> u64 {
        self.edge.size()
    }

    /// Looks at the log once, and hands on each new entry with its position until it is told to stop.
    ///
    /// After an error nothing is lost: entries that were not handed on are the next time.
    ///
    /// # Errors
    ///
    /// [`Error::Source`]; [`Error::WrongKey`]; [`Error::Behind`] where the log has shrunk; [`Error::Contradicted`] where it has
    /// another past than before; [`Error::Damaged`] where what is served does not lead to what is signed; and what `each`
    /// says.
    pub fn poll<E: From<Error>>(
        &mut self,
        fetch: Fetch<'_>,
        mut each: impl FnMut(u64, &[u8]) -> Result<ControlFlow<()>, E>,
    ) -> Result<(), E> {
        let source = Source(fetch);
        let newest = open_checkpoint(&source.read(NOTE)?, &self.key, NOTE)?;
        self.accept(&source, newest)?;
        for bundle in Tile::new_entries(self.edge.size(), self.newest.size) {
            let entries = source.entries(&bundle)?;
            let known = usize::try_from(self.edge.size() & 0xff).unwrap_or(usize::MAX);
            let mut edge = self.edge.clone();
            for entry in entries.iter().skip(known) {
                edge.append(Hash::leaf(entry)).map_err(Error::from)?;
            }
            extends(&source, edge.size(), &edge.root(), &self.newest).map_err(|error| match error {
                Error::Damaged { .. } => {
                    Error::damaged(bundle.path(), "entries that do not lead to the signed root")
                }
                other => other,
            })?;
            for entry in entries.iter().skip(known) {
                let position = self.edge.size();
                self.edge.append(Hash::leaf(entry)).map_err(Error::from)?;
                if each(position, entry)?.is_break() {
                    return Ok(());
                }
            }
        }
        Ok(())
    }

    /// Takes over a checkpoint that extends the one before it.
    fn accept(&mut self, source: &Source<'_>, newest: Checkpoint) -> Result<()> {
        let (old, place) = (&self.newest, "what was seen here before".to_owned());
        let size = old.size.min(newest.size);
        if newest.size < old.size {
            return Err(Error::Behind { place, known: old.size, found: newest.size });
        }
        // The hashes that the log serves must lead to what it signs, before what they say of its past is held against it.
        let past = match size == newest.size {
            true => newest.root,
            false => proof::root(&source.proofs(newest.size), size)?,
        };
        extends(source, size, &past, &newest)?;
        if past != old.root {
            return Err(Error::Contradicted { place, size });
        }
        self.newest = newest;
        Ok(())
    }
}

/// Proves that the first `size` entries under a checkpoint have a root.
fn extends(source: &Source<'_>, size: u64, root: &Hash, newest: &Checkpoint) -> Result<()> {
    let path = proof::prove_consistency(&source.proofs(newest.size), size, newest.size)?;
    proof::verify_consistency(size, newest.size, &path, root, &newest.root)
        .map_err(|_| Error::damaged("tile", "hashes that do not lead to the signed root"))
}

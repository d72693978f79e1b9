//! Opening: everything is read from disk and anchor, compared with what is remembered elsewhere, and finished where a crash
//! left it unfinished.

use sealwax_tlog::Checkpoint;

use super::{Log, Pending, Published, Ready};
use crate::anchor::{ANCHOR, Anchor, Anchored, Mode};
use crate::batch::{Batch, STAGING};
use crate::check;
use crate::error::{Error, Part, Result};
use crate::frontier::Frontier;
use crate::storage::Storage;
use crate::tree::{self, CHECKPOINT, Prover};
use crate::view::open_checkpoint;

/// What opening or reloading had to do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Recovery {
    /// A committed batch was not, or not known to be, published, and now is.
    pub published_batch: bool,
    /// The leaf index did not fit the tree and was rebuilt from the verified tiles.
    pub rebuilt_index: bool,
    /// The log comes from a backup, and an outpost confirmed that it is the newest state.
    pub reconciled: bool,
}

impl<S: Storage, A: Anchor> Log<S, A> {
    /// Reads everything from storage and anchor, finishes a committed batch, and refuses whatever does not fit together.
    pub(super) fn recover(&mut self) -> Result<(Ready, Recovery)> {
        let mut recovery = Recovery::default();
        let Some(anchored) = self.anchor.load()? else {
            let published = self.storage.read(CHECKPOINT)?.is_some();
            let path = ANCHOR.into();
            return Err(if published { Error::AnchorMissing { path } } else { Error::NotFound { path } });
        };
        let mode = self.anchor.mode()?;
        let checkpoint = open_checkpoint(&anchored.checkpoint, self.key.verifier(), ANCHOR)?;
        if checkpoint.size != anchored.size {
            return Err(Error::damaged(ANCHOR, "a size that is not the checkpoint's"));
        }
        let mut pending = self.staged(&anchored, &checkpoint)?;
        let published = match self.published()? {
            Some(published) if self.key.is_signed_note(&published.note, &anchored.checkpoint) => {
                if let Some(Pending { name, batch }) = pending.take() {
                    batch.publish(&self.storage, &name, &published.note)?;
                    recovery.published_batch = true;
                }
                published
            }
            None if checkpoint.size == 0 => {
                self.storage.write(CHECKPOINT, &anchored.checkpoint)?;
                Published { note: anchored.checkpoint.clone(), checkpoint: checkpoint.clone() }
            }
            Some(published) if pending.is_some() => published,
            other => return Err(disagreement(&checkpoint, other.map(|published| published.checkpoint))),
        };
        let frontier = Frontier::load(&self.storage, checkpoint.size, &checkpoint.root)?;
        tree::check_last_full_tile(&self.storage, &checkpoint)?;
        if !self.anchor.is_indexed(checkpoint.size)? {
            let leaves = check::leaves(&self.storage, &checkpoint)?;
            self.anchor.rebuild(&leaves)?;
            recovery.rebuilt_index = true;
        }
        let note = anchored.checkpoint;
        let mut ready = Ready { checkpoint, note, frontier, mode, published, pending };
        recovery.reconciled = self.ask_outposts(&mut ready)?;
        if let Some(Pending { name, batch }) = ready.pending.take_if(|_| !self.guards.hold) {
            batch.publish(&self.storage, &name, &ready.note)?;
            ready.published = Published { note: ready.note.clone(), checkpoint: ready.checkpoint.clone() };
            recovery.published_batch = true;
        }
        // What else is staged belongs to appends that never committed.
        let waiting = ready.pending.as_ref().map(|pending| pending.name.as_str());
        for name in self.storage.list(STAGING)?.iter().filter(|name| Some(name.as_str()) != waiting) {
            self.storage.remove(name)?;
        }
        Ok((ready, recovery))
    }

    /// Puts the batch of the last commit in place again, if it is still staged.
    fn staged(&self, anchored: &Anchored, checkpoint: &Checkpoint) -> Result<Option<Pending>> {
        let Some(name) = &anchored.staged else { return Ok(None) };
        let Some(bytes) = self.storage.read(name)? else { return Ok(None) };
        let batch = Batch::decode(name, &bytes)?;
        if (batch.size, batch.root) != (checkpoint.size, checkpoint.root) {
            return Err(Error::damaged(name, "a staged batch for another checkpoint"));
        }
        let published = self.published()?.map(|published| published.checkpoint);
        if !published.as_ref().is_some_and(|published| batch.touches(published)) {
            return Err(disagreement(checkpoint, published));
        }
        batch.place(&self.storage)?;
        Ok(Some(Pending { name: name.clone(), batch }))
    }

    /// Compares the log with what the outposts remember, and brings them up to date. Says whether that reconciled a
    /// restored log.
    fn ask_outposts(&mut self, ready: &mut Ready) -> Result<bool> {
        let mut confirmed = false;
        for outpost in &self.guards.outposts {
            let Some(known) = outpost.load(self.key.verifier())? else { continue };
            let (place, found) = (outpost.place().to_owned(), ready.checkpoint.size);
            if known.size > found {
                return Err(Error::Behind { place, known: known.size, found });
            }
            if Prover::new(&self.storage, &ready.checkpoint, None).root_at(known.size)? != known.root {
                return Err(Error::Contradicted { place, size: known.size });
            }
            // Outposts are written before anything is published, so one that knows less was not asked when this was
            // signed, and has nothing to say of what came after it.
            confirmed |= known.size == found;
        }
        match ready.mode {
            Mode::Restored if confirmed => self.reconcile(ready).map(|()| true),
            // An outpost that knows less must not learn from a copy that nobody has confirmed.
            Mode::Restored => Ok(false),
            Mode::Live | Mode::Frozen => self.tell_outposts(ready).map(|()| false),
        }
    }

    pub(super) fn reconcile(&mut self, ready: &mut Ready) -> Result<()> {
        self.tell_outposts(ready)?;
        self.anchor.set_mode(Mode::Live)?;
        ready.mode = Mode::Live;
        Ok(())
    }

    fn tell_outposts(&self, ready: &Ready) -> Result<()> {
        self.guards
            .outposts
            .iter()
            .try_for_each(|outpost| outpost.store(&ready.checkpoint.origin, &ready.note))
    }

    /// Reads the published checkpoint. The anchor's is by the right key already, so here any other signer is damage.
    fn published(&self) -> Result<Option<Published>> {
        let Some(note) = self.storage.read(CHECKPOINT)? else { return Ok(None) };
        let damaged = |_| Error::damaged(CHECKPOINT, "a checkpoint that does not verify");
        let checkpoint = Checkpoint::open(&note, self.key.verifier()).map_err(damaged)?;
        Ok(Some(Published { note, checkpoint }))
    }
}

/// Says how the published checkpoint and the anchor's disagree.
fn disagreement(anchored: &Checkpoint, published: Option<Checkpoint>) -> Error {
    let rolled_back = |older, found_size| Error::RolledBack { older, anchor_size: anchored.size, found_size };
    match published {
        None => rolled_back(Part::Tiles, None),
        Some(published) if published.size < anchored.size => rolled_back(Part::Tiles, Some(published.size)),
        Some(published) if published.size > anchored.size => rolled_back(Part::Anchor, Some(published.size)),
        Some(published) if published.root != anchored.root => {
            Error::Fork { size: anchored.size, anchored: anchored.root, published: published.root }
        }
        Some(_) => {
            Error::damaged(CHECKPOINT, "a checkpoint that is not, byte for byte, the one that was signed")
        }
    }
}

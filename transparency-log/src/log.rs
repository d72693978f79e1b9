//! The sequencer: creating, committing, publishing.
//!
//! This is one file because the order of its steps is the argument for its correctness; how a log is opened is in
//! [`recovery`].

mod recovery;

use std::collections::BTreeMap;
use std::path::Path;

use sealwax_tlog::{Checkpoint, EMPTY_ROOT, Hash, VerifierKey, entries::MAX_ENTRY};

use crate::anchor::{ANCHOR, Anchor, Anchored, Mode, SqliteAnchor};
use crate::batch::Batch;
use crate::check::{self, Report};
use crate::error::{Error, Result};
use crate::frontier::Frontier;
use crate::key::LogKey;
use crate::outpost::Outpost;
use crate::receipt::{NewEntry, Placed, Receipt};
use crate::storage::{Directory, Storage};
use crate::tree::{self, CHECKPOINT, Prover};
use crate::view::envelope_name;

pub use recovery::Recovery;

/// A log opened for appending, by its one writer.
#[derive(Debug)]
pub struct Log<S = Directory, A = SqliteAnchor> {
    storage: S,
    anchor: A,
    key: LogKey,
    guards: Guards,
    state: State,
}

/// What else stands between a log and its next signature, beside what lies in its directory.
#[derive(Debug, Default)]
pub struct Guards {
    /// Places outside the directory that remember the last signed checkpoint. Opening refuses a log that is behind one of
    /// them or contradicts it, and each commit is written to all of them before it is published.
    pub outposts: Vec<Outpost>,
    /// Whether opening leaves a checkpoint that was committed and not published to [`Log::publish`], because it needs
    /// cosignatures; else opening publishes it as it is.
    pub hold: bool,
}

impl Log {
    /// Creates a log in a directory that holds none, signs and publishes the checkpoint of size 0, and opens it.
    ///
    /// `wait` is as in [`Directory::writer`].
    ///
    /// # Errors
    ///
    /// [`Error::Exists`] where there is a log or part of one, [`Error::Busy`] when `wait` gives up, and those of
    /// [`SqliteAnchor::create`] and of the storage.
    pub fn create(directory: &Path, key: LogKey, wait: impl FnMut(u32) -> bool) -> Result<Log> {
        let storage = Directory::writer(directory, wait)?;
        let anchor = SqliteAnchor::create(&directory.join(ANCHOR))?;
        Log::create_with(storage, anchor, key).map_err(|error| match error {
            Error::Exists { .. } => Error::Exists { path: directory.to_owned() },
            other => other,
        })
    }

    /// Opens an existing log: takes the writer's lock, finishes what a crash left unfinished, and checks it.
    ///
    /// `wait` is as in [`Directory::writer`]; `|_| false` does not wait.
    ///
    /// # Errors
    ///
    /// [`Error::NotFound`]; [`Error::Busy`] when `wait` gives up; [`Error::WrongKey`]; [`Error::AnchorMissing`],
    /// [`Error::RolledBack`] and [`Error::Fork`] where anchor and published tree disagree; [`Error::Damaged`]; and those
    /// of [`SqliteAnchor::open`] and of the storage.
    pub fn open(directory: &Path, key: LogKey, wait: impl FnMut(u32) -> bool) -> Result<(Log, Recovery)> {
        Log::open_guarded(directory, key, Guards::default(), wait)
    }

    /// Opens an existing log under further guards; see [`Log::open`].
    ///
    /// # Errors
    ///
    /// [`Error::Behind`] and [`Error::Contradicted`] where an outpost remembers another past, and those of [`Log::open`].
    pub fn open_guarded(
        directory: &Path,
        key: LogKey,
        guards: Guards,
        wait: impl FnMut(u32) -> bool,
    ) -> Result<(Log, Recovery)> {
        let path = directory.join(ANCHOR);
        if !path.exists() {
            let published = Directory::reader(directory).read(CHECKPOINT)?.is_some();
            return Err(if published {
                Error::AnchorMissing { path }
            } else {
                Error::NotFound { path: directory.to_owned() }
            });
        }
        let storage = Directory::writer(directory, wait)?;
        let anchor = SqliteAnchor::open(&path)?;
        Log::open_guarded_with(storage, anchor, key, guards).map_err(|error| match error {
            Error::AnchorMissing { .. } => Error::AnchorMissing { path },
            Error::NotFound { .. } => Error::NotFound { path: directory.to_owned() },
            other => other,
        })
    }
}

impl<S: Storage, A: Anchor> Log<S, A> {
    /// Creates a log in a storage and an anchor that hold none; see [`Log::create`].
    ///
    /// # Errors
    ///
    /// [`Error::Exists`] where there is a log or part of one, and those of storage and anchor.
    pub fn create_with(storage: S, mut anchor: A, key: LogKey) -> Result<Log<S, A>> {
        // Entries without checkpoint and anchor are what is left of a log, and nothing to start another one over.
        let bundles = ["tiles/tile/entries", "tiles/tile/entries/000.p"];
        let any_entries =
            bundles.iter().map(|folder| storage.list(folder)).collect::<Result<Vec<_>>>()?.concat();
        if storage.read(CHECKPOINT)?.is_some() || !any_entries.is_empty() {
            return Err(Error::Exists { path: tree::TILES.into() });
        }
        let origin = key.verifier().name().to_owned();
        let empty = Checkpoint { origin, size: 0, root: EMPTY_ROOT, extensions: Vec::new() };
        let first = Anchored { size: 0, checkpoint: key.sign(&empty)?, staged: None };
        // Opening publishes the first checkpoint, as it does when a crash comes right here.
        anchor.initialise(&first, Mode::Live)?;
        Ok(Log::open_with(storage, anchor, key)?.0)
    }

    /// Opens a log in a storage and an anchor; see [`Log::open`].
    ///
    /// # Errors
    ///
    /// [`Error::NotFound`], [`Error::WrongKey`], [`Error::AnchorMissing`], [`Error::RolledBack`], [`Error::Fork`],
    /// [`Error::Damaged`], and those of storage and anchor.
    pub fn open_with(storage: S, anchor: A, key: LogKey) -> Result<(Log<S, A>, Recovery)> {
        Log::open_guarded_with(storage, anchor, key, Guards::default())
    }

    /// Opens a log in a storage and an anchor under further guards; see [`Log::open_guarded`].
    ///
    /// # Errors
    ///
    /// Those of [`Log::open_guarded`].
    pub fn open_guarded_with(
        storage: S,
        anchor: A,
        key: LogKey,
        guards: Guards,
    ) -> Result<(Log<S, A>, Recovery)> {
        let mut log = Log { storage, anchor, key, guards, state: State::Stopped { fatal: false } };
        let recovery = log.reload()?;
        Ok((log, recovery))
    }

    /// Appends entries, all of them or none, publishes them, and returns a receipt for each in the same order.
    ///
    /// This is [`Log::commit`], [`Log::publish`] without cosignatures, and [`Log::receipts`] in one. After an error other
    /// than [`Error::EntryTooLarge`] or a refusal of the log's state it is stopped: whether the entries are in is answered
    /// by [`Log::reload`] and by appending them again, which finds them if they are.
    ///
    /// # Errors
    ///
    /// Those of [`Log::commit`], [`Log::publish`] and [`Log::receipts`].
    pub fn append(&mut self, entries: &[NewEntry<'_>]) -> Result<Vec<Receipt>> {
        let placed = self.commit(entries)?;
        if let Some(note) = self.unpublished()?.map(<[u8]>::to_vec) {
            self.publish(&note)?;
        }
        self.receipts(&placed)
    }

    /// Makes entries part of the log, all of them or none, and says where each is, in the same order.
    ///
    /// From here on they are in the log and survive everything, and the checkpoint that says so is signed; but nobody can
    /// see it before [`Log::publish`]. Entries that are in the log already change nothing.
    ///
    /// # Errors
    ///
    /// [`Error::EntryTooLarge`], [`Error::NotLive`] and [`Error::Unpublished`] before anything was written;
    /// [`Error::Poisoned`] where an earlier failure stopped the log; [`Error::Overtaken`] where another writer signed in
    /// between; [`Error::Damaged`] where what is stored, or the index, does not lead to the signed root; and those of
    /// storage, anchor and outposts. All but the first three stop the log.
    pub fn commit(&mut self, entries: &[NewEntry<'_>]) -> Result<Vec<Placed>> {
        for (position, entry) in entries.iter().enumerate() {
            if entry.body.len() > MAX_ENTRY {
                return Err(Error::EntryTooLarge { position, length: entry.body.len() });
            }
        }
        let ready = self.ready()?;
        match ready.mode {
            Mode::Live if ready.pending.is_some() => return Err(Error::Unpublished),
            Mode::Live => {}
            mode @ (Mode::Restored | Mode::Frozen) => return Err(Error::NotLive { mode }),
        }
        self.change(|log, ready| log.sequence(ready, entries))
    }

    /// Returns the signed note that waits to be published, if there is one.
    ///
    /// # Errors
    ///
    /// [`Error::Poisoned`] where an earlier failure stopped the log.
    pub fn unpublished(&self) -> Result<Option<&[u8]>> {
        let ready = self.ready()?;
        Ok(ready.pending.as_ref().map(|_| ready.note.as_slice()))
    }

    /// Returns the published note, with its cosignatures.
    ///
    /// # Errors
    ///
    /// [`Error::Poisoned`] where an earlier failure stopped the log.
    pub fn published_note(&self) -> Result<&[u8]> {
        Ok(&self.ready()?.published.note)
    }

    /// Publishes the checkpoint that was signed last: `note` is its signed note, with cosignatures added below the log's
    /// own signature, or with none.
    ///
    /// It may be called again with more cosignatures. Whether they verify, and are enough, is for the caller to know.
    ///
    /// # Errors
    ///
    /// [`Error::Damaged`] for another note, which changes nothing; [`Error::Poisoned`]; and those of the storage, which
    /// stop the log.
    pub fn publish(&mut self, note: &[u8]) -> Result<()> {
        let ready = self.ready()?;
        let checkpoint = Checkpoint::open(note, self.key.verifier())?;
        if !self.key.is_signed_note(note, &ready.note) {
            return Err(Error::damaged(CHECKPOINT, "a note to publish that is not the one that was signed"));
        }
        self.change(|log, ready| {
            match ready.pending.take() {
                Some(Pending { name, batch }) => batch.publish(&log.storage, &name, note)?,
                None => log.storage.write(CHECKPOINT, note)?,
            }
            ready.published = Published { note: note.to_vec(), checkpoint };
            Ok(())
        })
    }

    /// Builds the proofs of entries under the published checkpoint, out of what is stored.
    ///
    /// # Errors
    ///
    /// [`Error::Unpublished`] for an entry that the published checkpoint does not cover yet; [`Error::Poisoned`];
    /// [`Error::Damaged`] where what is stored, or the index that found an entry, does not lead to the signed root, which
    /// stops the log, and so do those of the storage.
    pub fn receipts(&mut self, placed: &[Placed]) -> Result<Vec<Receipt>> {
        let ready = self.ready()?;
        let (published, signed) = (ready.published.checkpoint.size, ready.checkpoint.size);
        if placed.iter().any(|placed| (published..signed).contains(&placed.index)) {
            return Err(Error::Unpublished);
        }
        self.change(|log, ready| {
            let prover = Prover::new(&log.storage, &ready.published.checkpoint, None);
            placed.iter().map(|placed| ready.published.receipt(&prover, *placed)).collect()
        })
    }

    /// Returns the bytes that are free where the log is stored; `None` where that cannot be known.
    ///
    /// # Errors
    ///
    /// Those of the storage.
    pub fn free_space(&self) -> Result<Option<u64>> {
        self.storage.free_space()
    }

    /// Says whether the log takes entries.
    ///
    /// # Errors
    ///
    /// [`Error::Poisoned`] where an earlier failure stopped the log.
    pub fn mode(&self) -> Result<Mode> {
        Ok(self.ready()?.mode)
    }

    /// Lets a restored log sign again: a witness has confirmed that it is the newest state.
    ///
    /// # Errors
    ///
    /// [`Error::Poisoned`], [`Error::NotLive`] for a frozen one, and those of anchor and outposts, which stop the log.
    pub fn reconciled(&mut self) -> Result<()> {
        match self.ready()?.mode {
            Mode::Live => Ok(()),
            Mode::Restored => self.change(|log, ready| log.reconcile(ready)),
            mode @ Mode::Frozen => Err(Error::NotLive { mode }),
        }
    }

    /// Closes the log for ever: it can be read and verified, and takes no entry any more.
    ///
    /// # Errors
    ///
    /// [`Error::Unpublished`] while a checkpoint waits; [`Error::Poisoned`]; and those of the anchor, which stop the log.
    pub fn freeze(&mut self) -> Result<()> {
        if self.ready()?.pending.is_some() {
            return Err(Error::Unpublished);
        }
        self.change(|log, ready| {
            log.anchor.set_mode(Mode::Frozen)?;
            ready.mode = Mode::Frozen;
            Ok(())
        })
    }

    /// Replaces the index of leaves by what the verified tiles say.
    ///
    /// # Errors
    ///
    /// [`Error::Damaged`] where the tiles are not sound, [`Error::Poisoned`], and those of storage and anchor.
    pub fn rebuild_index(&mut self) -> Result<()> {
        self.ready()?;
        self.change(|log, ready| log.anchor.rebuild(&check::leaves(&log.storage, &ready.checkpoint)?))
    }

    /// Drops everything in memory and opens the log again from what is stored.
    ///
    /// Refused after a failed flush to disk: that process must end, because the system may show it what is not stored.
    ///
    /// # Errors
    ///
    /// [`Error::Poisoned`] after a failed flush, else those of [`Log::open_with`].
    pub fn reload(&mut self) -> Result<Recovery> {
        if matches!(self.state, State::Stopped { fatal: true }) {
            return Err(self.poisoned());
        }
        self.state = State::Stopped { fatal: false };
        match self.recover() {
            Ok((ready, recovery)) => {
                self.state = State::Ready(Box::new(ready));
                Ok(recovery)
            }
            Err(error) => {
                self.stop(&error);
                Err(error)
            }
        }
    }

    /// Returns size and root.
    ///
    /// # Errors
    ///
    /// [`Error::Poisoned`] where an earlier failure stopped the log.
    pub fn checkpoint(&self) -> Result<&Checkpoint> {
        Ok(&self.ready()?.checkpoint)
    }

    /// Returns the key that verifies this log's checkpoints.
    pub fn verifier_key(&self) -> &VerifierKey {
        self.key.verifier()
    }

    /// Re-hashes the whole log and compares the leaf index with it; see [`LogView::check`](crate::LogView::check).
    ///
    /// # Errors
    ///
    /// [`Error::Poisoned`] where an earlier failure stopped the log, and those of storage and anchor. Damage is no error
    /// here: it is what the report is about.
    pub fn check(&self, envelope_fits: &dyn Fn(&[u8], &[u8]) -> bool) -> Result<Report> {
        let ready = self.ready()?;
        let mut report = check::run(&self.storage, &ready.checkpoint, envelope_fits)?;
        check::index(&self.storage, &self.anchor, &ready.checkpoint, &mut report)?;
        Ok(report)
    }

    fn sequence(&mut self, ready: &mut Ready, entries: &[NewEntry<'_>]) -> Result<Vec<Placed>> {
        let leaves: Vec<Hash> = entries.iter().map(|entry| Hash::leaf(entry.body)).collect();
        let known = self.anchor.find(&leaves)?;
        let mut places: BTreeMap<Hash, u64> = BTreeMap::new();
        let (mut new_bodies, mut new_leaves) = (Vec::new(), Vec::new());
        let mut placed = Vec::with_capacity(entries.len());
        let mut next = ready.checkpoint.size;
        for ((entry, leaf), known) in entries.iter().zip(&leaves).zip(known) {
            let earlier = known.or_else(|| places.get(leaf).copied());
            if earlier.is_none() {
                places.insert(*leaf, next);
                new_bodies.push(entry.body);
                new_leaves.push(*leaf);
            }
            placed.push(Placed { index: earlier.unwrap_or(next), leaf: *leaf, existing: earlier.is_some() });
            if earlier.is_none() {
                next = next.checked_add(1).ok_or(sealwax_tlog::Error::TreeFull)?;
            }
            self.keep_envelope(entry, earlier.is_none())?;
        }
        if placed.iter().any(|placed| placed.index >= next) {
            return Err(Error::damaged(ANCHOR, "an index of leaves that is not the tree's"));
        }
        if !new_bodies.is_empty() {
            self.extend(ready, &new_bodies, &new_leaves)?;
        }
        Ok(placed)
    }

    /// Stores an envelope before its entry is staged. For an entry that is in the log it is only put back if it is gone.
    fn keep_envelope(&self, entry: &NewEntry<'_>, is_new: bool) -> Result<()> {
        let Some((digest, bytes)) = entry.envelope else { return Ok(()) };
        let name = envelope_name(digest);
        if is_new || self.storage.read(&name)?.is_none() {
            self.storage.write(&name, bytes)?;
        }
        Ok(())
    }

    fn extend(&mut self, ready: &mut Ready, bodies: &[&[u8]], leaves: &[Hash]) -> Result<()> {
        let (name, bytes) = Batch::build(&ready.frontier, bodies, leaves)?.encode()?;
        self.storage.write(&name, &bytes)?;

        // From here on only what came back from storage counts.
        let stored =
            self.storage.read(&name)?.ok_or_else(|| Error::damaged(&name, "missing right after staging"))?;
        let batch = Batch::decode(&name, &stored)?;
        let (frontier, leaves) = batch.replay(&ready.frontier, &name)?;

        let checkpoint = Checkpoint { size: batch.size, root: batch.root, ..ready.checkpoint.clone() };
        let note = self.key.sign(&checkpoint)?;
        let next = Anchored { size: batch.size, checkpoint: note, staged: Some(name.clone()) };
        self.anchor.swap(&ready.note, &next, &leaves)?;
        // The commit point is behind us: the batch is in the log, whatever happens now.
        for outpost in &self.guards.outposts {
            outpost.store(&checkpoint.origin, &next.checkpoint)?;
        }
        batch.place(&self.storage)?;
        let (mode, published) = (ready.mode, ready.published.clone());
        let pending = Some(Pending { name, batch });
        *ready = Ready { checkpoint, note: next.checkpoint, frontier, mode, published, pending };
        Ok(())
    }

    /// Takes the state out and puts it back only after success, so that every way of failing leaves the log stopped.
    fn change<T>(&mut self, work: impl FnOnce(&mut Self, &mut Ready) -> Result<T>) -> Result<T> {
        let mut ready = match std::mem::replace(&mut self.state, State::Stopped { fatal: false }) {
            State::Ready(ready) => ready,
            stopped @ State::Stopped { .. } => {
                self.state = stopped;
                return Err(self.poisoned());
            }
        };
        let done = work(self, &mut ready);
        match &done {
            Ok(_) => self.state = State::Ready(ready),
            Err(error) => self.stop(error),
        }
        done
    }

    fn ready(&self) -> Result<&Ready> {
        match &self.state {
            State::Ready(ready) => Ok(ready),
            State::Stopped { .. } => Err(self.poisoned()),
        }
    }

    fn poisoned(&self) -> Error {
        Error::Poisoned { fatal: matches!(self.state, State::Stopped { fatal: true }) }
    }

    fn stop(&mut self, error: &Error) {
        self.state = State::Stopped { fatal: error.is_sync_failure() };
    }
}

/// What a log is in memory.
#[derive(Debug)]
enum State {
    Ready(Box<Ready>),
    /// After a failure; `fatal` after a failed flush.
    Stopped {
        fatal: bool,
    },
}

#[derive(Debug)]
struct Ready {
    /// What was signed last, and its note without cosignatures.
    checkpoint: Checkpoint,
    note: Vec<u8>,
    frontier: Frontier,
    mode: Mode,
    published: Published,
    /// The batch between what is published and what was signed last.
    pending: Option<Pending>,
}

/// What the world can see.
#[derive(Clone, Debug)]
struct Published {
    note: Vec<u8>,
    checkpoint: Checkpoint,
}

/// A committed batch whose tiles are in place and whose checkpoint is not.
#[derive(Debug)]
struct Pending {
    name: String,
    batch: Batch,
}

impl Published {
    fn receipt(&self, prover: &Prover<'_>, placed: Placed) -> Result<Receipt> {
        let Placed { index, leaf, existing } = placed;
        let proof = prover.prove(index, &leaf)?;
        let Checkpoint { size, root, .. } = self.checkpoint;
        Ok(Receipt { index, size, root, leaf, proof, checkpoint: self.note.clone(), existing })
    }
}

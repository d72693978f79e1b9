//! The sequencer: opening with recovery, and appending.
//!
//! This file is long because the order of its steps is the argument for its correctness.

use std::collections::BTreeMap;
use std::path::Path;

use sealwax_keys::SecretKey;
use sealwax_tlog::{Checkpoint, EMPTY_ROOT, Hash, VerifierKey, entries::MAX_ENTRY};

use crate::anchor::{ANCHOR, Anchor, Anchored, SqliteAnchor};
use crate::batch::{Batch, STAGING};
use crate::check::{self, Report};
use crate::error::{Error, Part, Result};
use crate::frontier::Frontier;
use crate::storage::{Directory, Storage};
use crate::tree::{self, CHECKPOINT, Prover};
use crate::view::{envelope_name, open_checkpoint};

/// A log opened for appending, by its one writer.
#[derive(Debug)]
pub struct Log<S = Directory, A = SqliteAnchor> {
    storage: S,
    anchor: A,
    key: LogKey,
    state: State,
}

/// The log's signing key under the log's name.
#[derive(Debug)]
pub struct LogKey {
    secret: SecretKey,
    verifier: VerifierKey,
}

/// One entry to append; the caller has checked what it says.
#[derive(Clone, Copy, Debug)]
pub struct NewEntry<'a> {
    /// The canonical bytes that become the leaf, at most 65,535.
    pub body: &'a [u8],
    /// The digest that the entry names, of whichever hash, and the bytes to keep under it.
    ///
    /// Whether they belong together is for the caller to know. Of several envelopes for one digest the last is kept.
    pub envelope: Option<(&'a [u8], &'a [u8])>,
}

/// The proof that an entry is in the log, complete for a verifier that knows the log's key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Receipt {
    /// The entry's position, counted from 0.
    pub index: u64,
    /// The number of entries under the checkpoint.
    pub size: u64,
    /// The entry's leaf hash.
    pub leaf: Hash,
    /// The inclusion proof, from the leaf upwards.
    pub proof: Vec<Hash>,
    /// The signed note.
    pub checkpoint: Vec<u8>,
    /// Whether the entry was in the log already, or earlier in the same batch.
    pub existing: bool,
}

/// What opening or reloading had to do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Recovery {
    /// A committed batch was not, or not known to be, published, and now is.
    pub published_batch: bool,
    /// The leaf index did not fit the tree and was rebuilt from the verified tiles.
    pub rebuilt_index: bool,
}

impl LogKey {
    /// Names an Ed25519 key by the log's origin, a bare host name, for example `log.example.com`.
    ///
    /// # Errors
    ///
    /// [`Error::Tlog`] where the key is not Ed25519, or the origin is empty or has a space, plus or control character.
    pub fn new(origin: &str, secret: SecretKey) -> Result<LogKey> {
        let verifier = VerifierKey::from_ed25519(origin, secret.public_key())?;
        Ok(LogKey { secret, verifier })
    }

    /// Returns the public half.
    pub fn verifier(&self) -> &VerifierKey {
        &self.verifier
    }
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
        Log::open_with(storage, anchor, key).map_err(|error| match error {
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
        let origin = key.verifier.name().to_owned();
        let empty = Checkpoint { origin, size: 0, root: EMPTY_ROOT, extensions: Vec::new() };
        let first = Anchored { size: 0, checkpoint: key.sign(&empty)?, staged: None };
        // Opening publishes the first checkpoint, as it does when a crash comes right here.
        anchor.initialise(&first)?;
        Ok(Log::open_with(storage, anchor, key)?.0)
    }

    /// Opens a log in a storage and an anchor; see [`Log::open`].
    ///
    /// # Errors
    ///
    /// [`Error::NotFound`], [`Error::WrongKey`], [`Error::AnchorMissing`], [`Error::RolledBack`], [`Error::Fork`],
    /// [`Error::Damaged`], and those of storage and anchor.
    pub fn open_with(storage: S, anchor: A, key: LogKey) -> Result<(Log<S, A>, Recovery)> {
        let mut log = Log { storage, anchor, key, state: State::Stopped { fatal: false } };
        let recovery = log.reload()?;
        Ok((log, recovery))
    }

    /// Appends entries, all of them or none, and returns a receipt for each in the same order.
    ///
    /// After an error other than [`Error::EntryTooLarge`] the log is stopped: whether the entries are in is answered by
    /// [`Log::reload`] and by appending them again, which finds them if they are.
    ///
    /// # Errors
    ///
    /// [`Error::EntryTooLarge`] before anything was written; [`Error::Poisoned`] where an earlier failure stopped the
    /// log; [`Error::Overtaken`] where another writer signed in between; [`Error::Damaged`] where what is stored, or the
    /// index, does not lead to the signed root; and those of storage and anchor.
    pub fn append(&mut self, entries: &[NewEntry<'_>]) -> Result<Vec<Receipt>> {
        for (position, entry) in entries.iter().enumerate() {
            if entry.body.len() > MAX_ENTRY {
                return Err(Error::EntryTooLarge { position, length: entry.body.len() });
            }
        }
        // The state is taken out, so that every way of leaving early leaves the log stopped.
        let mut ready = match std::mem::replace(&mut self.state, State::Stopped { fatal: false }) {
            State::Ready(ready) => ready,
            stopped @ State::Stopped { .. } => {
                self.state = stopped;
                return Err(self.poisoned());
            }
        };
        match self.sequence(&mut ready, entries) {
            Ok(receipts) => {
                self.state = State::Ready(ready);
                Ok(receipts)
            }
            Err(error) => {
                self.stop(&error);
                Err(error)
            }
        }
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
        &self.key.verifier
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

    fn sequence(&mut self, ready: &mut Ready, entries: &[NewEntry<'_>]) -> Result<Vec<Receipt>> {
        let leaves: Vec<Hash> = entries.iter().map(|entry| Hash::leaf(entry.body)).collect();
        let known = self.anchor.find(&leaves)?;
        let mut places: BTreeMap<Hash, u64> = BTreeMap::new();
        let (mut new_bodies, mut new_leaves) = (Vec::new(), Vec::new());
        let mut wanted = Vec::with_capacity(entries.len());
        let mut next = ready.checkpoint.size;
        for ((entry, leaf), known) in entries.iter().zip(&leaves).zip(known) {
            let earlier = known.or_else(|| places.get(leaf).copied());
            if earlier.is_none() {
                places.insert(*leaf, next);
                next = next.checked_add(1).ok_or(sealwax_tlog::Error::TreeFull)?;
                new_bodies.push(entry.body);
                new_leaves.push(*leaf);
            }
            let index = earlier.or_else(|| places.get(leaf).copied()).unwrap_or(u64::MAX);
            wanted.push((index, *leaf, earlier.is_some()));
            self.keep_envelope(entry, earlier.is_none())?;
        }
        if !new_bodies.is_empty() {
            self.commit(ready, &new_bodies, &new_leaves)?;
        }
        let prover = Prover::new(&self.storage, &ready.checkpoint);
        wanted
            .into_iter()
            .map(|(index, leaf, existing)| ready.receipt(&prover, index, leaf, existing))
            .collect()
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

    fn commit(&mut self, ready: &mut Ready, bodies: &[&[u8]], leaves: &[Hash]) -> Result<()> {
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
        batch.apply(&self.storage, &name, &next.checkpoint)?;
        *ready = Ready { checkpoint, note: next.checkpoint, frontier };
        Ok(())
    }

    /// Reads everything from storage and anchor, finishes a committed batch, and refuses whatever does not fit together.
    fn recover(&mut self) -> Result<(Ready, Recovery)> {
        let mut recovery = Recovery::default();
        let Some(anchored) = self.anchor.load()? else {
            let published = self.storage.read(CHECKPOINT)?.is_some();
            let path = ANCHOR.into();
            return Err(if published { Error::AnchorMissing { path } } else { Error::NotFound { path } });
        };
        let checkpoint = open_checkpoint(&anchored.checkpoint, &self.key.verifier, ANCHOR)?;
        if checkpoint.size != anchored.size {
            return Err(Error::damaged(ANCHOR, "a size that is not the checkpoint's"));
        }
        if let Some(name) = &anchored.staged
            && let Some(bytes) = self.storage.read(name)?
        {
            let batch = Batch::decode(name, &bytes)?;
            if (batch.size, batch.root) != (checkpoint.size, checkpoint.root) {
                return Err(Error::damaged(name, "a staged batch for another checkpoint"));
            }
            let published = self.published()?;
            if !published.as_ref().is_some_and(|(_, published)| batch.touches(published)) {
                return Err(disagreement(&checkpoint, published.map(|(_, published)| published)));
            }
            batch.apply(&self.storage, name, &anchored.checkpoint)?;
            recovery.published_batch = true;
        }
        match self.published()? {
            Some((note, _)) if note == anchored.checkpoint => {}
            None if checkpoint.size == 0 => self.storage.write(CHECKPOINT, &anchored.checkpoint)?,
            other => return Err(disagreement(&checkpoint, other.map(|(_, published)| published))),
        }
        let frontier = Frontier::load(&self.storage, checkpoint.size, &checkpoint.root)?;
        tree::check_last_full_tile(&self.storage, &checkpoint)?;
        if !self.anchor.is_indexed(checkpoint.size)? {
            let leaves = check::leaves(&self.storage, &checkpoint)?;
            self.anchor.rebuild(&leaves)?;
            recovery.rebuilt_index = true;
        }
        // What is still staged belongs to appends that never committed.
        for name in self.storage.list(STAGING)? {
            self.storage.remove(&name)?;
        }
        Ok((Ready { checkpoint, note: anchored.checkpoint, frontier }, recovery))
    }

    /// Reads the published checkpoint. The anchor's is by the right key already, so here any other signer is damage.
    fn published(&self) -> Result<Option<(Vec<u8>, Checkpoint)>> {
        let Some(note) = self.storage.read(CHECKPOINT)? else { return Ok(None) };
        let damaged = |_| Error::damaged(CHECKPOINT, "a checkpoint that does not verify");
        let checkpoint = Checkpoint::open(&note, &self.key.verifier).map_err(damaged)?;
        Ok(Some((note, checkpoint)))
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

impl LogKey {
    /// Signs a checkpoint and opens the result, so that nothing is stored which a verifier would refuse.
    fn sign(&self, checkpoint: &Checkpoint) -> Result<Vec<u8>> {
        let note = checkpoint.sign(&self.secret)?.to_bytes();
        if Checkpoint::open(&note, &self.verifier)? != *checkpoint {
            return Err(Error::damaged(CHECKPOINT, "a checkpoint that changed while it was signed"));
        }
        Ok(note)
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
    checkpoint: Checkpoint,
    note: Vec<u8>,
    frontier: Frontier,
}

impl Ready {
    fn receipt(&self, prover: &Prover<'_>, index: u64, leaf: Hash, existing: bool) -> Result<Receipt> {
        if index >= self.checkpoint.size {
            return Err(Error::damaged(ANCHOR, "an index of leaves that is not the tree's"));
        }
        let proof = prover.prove(index, &leaf)?;
        Ok(Receipt {
            index,
            size: self.checkpoint.size,
            leaf,
            proof,
            checkpoint: self.note.clone(),
            existing,
        })
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

//! A verified copy of a log, made and brought up to date from what any C2SP tlog-tiles log serves.
//!
//! The copy has a log's layout, without anchor and index. Only the checkpoint and the entries are taken from the log: the
//! copy's own right edge and the new entries make every tile, and the root that comes out must be the one that the log
//! signed. That proves at once that each new entry is included and that the old copy is the beginning of the new one. Full
//! tiles are written on the way; what the copy's checkpoint implies stays whole whatever happens.
//!
//! ```text
//! tiles/                      as of a log
//! envelopes/                  as of a log, where they were copied too
//! evidence/9-1f3a8c02.note    what the log signed that contradicts what it signed before: size, hash of the note
//! ```

use std::path::Path;

use sealwax_tlog::{Checkpoint, EMPTY_ROOT, Hash, RightEdge, SignedNote, Tile, VerifierKey, proof};
use sha2::{Digest as _, Sha256};

use crate::anchor::{ANCHOR, Anchor as _, Anchored, Mode, SqliteAnchor};
use crate::batch::STAGING;
use crate::check::{self, Damage, Report};
use crate::error::{Error, Result};
use crate::frontier::Frontier;
use crate::source::{Fetch, NOTE, Source, decode, from_directory};
use crate::storage::{Directory, Storage};
use crate::tree::{self, CHECKPOINT, Prover};
use crate::view::{ENVELOPES, envelope_name, open_checkpoint};

/// What mirroring did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mirrored {
    /// The number of entries that the copy had.
    pub from: u64,
    /// The number of entries that it has now.
    pub size: u64,
    /// The root of these.
    pub root: Hash,
}

/// Makes a verified copy of a log whose checkpoints `key` signs, or brings an earlier one up to date.
///
/// `target` is the copy, held by one writer. `progress` is told how many entries are read, and of how many. Memory is bounded by a
/// few bundles.
///
/// # Errors
///
/// In all of these the copy stays what it was: [`Error::Source`] for what could not be fetched; [`Error::WrongKey`];
/// [`Error::Behind`] where the log is smaller than its copy; [`Error::Contradicted`] where it has another past, of which both
/// signed notes are kept; [`Error::Damaged`] where what it serves does not lead to what it signed, or the copy is damaged;
/// and those of the storage.
pub fn mirror<S: Storage>(
    target: &S,
    fetch: Fetch<'_>,
    key: &VerifierKey,
    progress: &dyn Fn(u64, u64),
) -> Result<Mirrored> {
    let source = Source(fetch);
    let new_note = source.read(NOTE)?;
    let new = open_checkpoint(&new_note, key, NOTE)?;
    let old_note = target.read(CHECKPOINT)?;
    let old = match &old_note {
        Some(note) => open_checkpoint(note, key, CHECKPOINT)?,
        None => Checkpoint { size: 0, root: EMPTY_ROOT, ..new.clone() },
    };
    let step = Step { target, source, old, new, old_note, new_note };
    step.take(progress)?;
    Ok(Mirrored { from: step.old.size, size: step.new.size, root: step.new.root })
}

/// Copies the envelopes that a log has and its copy has not, each only if it `fits` its digest. Returns how many were copied,
/// and which were not because they do not fit.
///
/// # Errors
///
/// Those of the storages.
pub fn copy_envelopes<S: Storage, T: Storage>(
    from: &S,
    to: &T,
    fits: &dyn Fn(&[u8], &[u8]) -> bool,
) -> Result<(u64, Vec<Damage>)> {
    let (mut copied, mut damage) = (0u64, Vec::new());
    for folder in 0..=255u8 {
        let folder = format!("{ENVELOPES}/{}", hex::encode([folder]));
        let kept = to.list(&folder)?;
        for path in from.list(&folder)?.into_iter().filter(|name| kept.binary_search(name).is_err()) {
            let digest = path.rsplit('/').next().and_then(|digits| hex::decode(digits).ok());
            // One that is gone was pruned meanwhile.
            let Some(bytes) = from.read(&path)? else { continue };
            match digest.filter(|digest| envelope_name(digest) == path && fits(digest, &bytes)) {
                Some(_) => {
                    to.write(&path, &bytes)?;
                    copied = copied.saturating_add(1);
                }
                None => damage.push(Damage { path, what: "an envelope that does not fit its digest" }),
            }
        }
    }
    Ok((copied, damage))
}

/// Makes a log at `directory`, where none is, out of a copy of it. Returns what of the copy could not be used.
///
/// The copy may be older than what the log signed, so the log takes no entry before somebody outside has confirmed its size;
/// `frozen` says that it never will.
///
/// What a crash leaves is to be removed before it is tried again.
///
/// # Errors
///
/// Those of [`mirror`], of the storage and of the anchor.
pub fn restore(
    directory: &Path,
    copy: &Path,
    key: &VerifierKey,
    frozen: bool,
    fits: &dyn Fn(&[u8], &[u8]) -> bool,
    progress: &dyn Fn(u64, u64),
) -> Result<(Mirrored, Vec<Damage>)> {
    let storage = Directory::writer(directory, |_| false)?;
    let mirrored = mirror(&storage, &from_directory(copy), key, progress)?;
    let (_, unusable) = copy_envelopes(&Directory::reader(copy), &storage, fits)?;

    // From here on only what came back from storage counts.
    let note = storage.read(CHECKPOINT)?.ok_or_else(|| Error::damaged(CHECKPOINT, "missing"))?;
    let checkpoint = open_checkpoint(&note, key, CHECKPOINT)?;
    let Report { damage, .. } = check::run(&storage, &checkpoint, fits)?;
    if let Some(Damage { path, what }) = damage.into_iter().next() {
        return Err(Error::Damaged { what, path });
    }
    let mut own = SignedNote::parse(&note)?;
    own.keep_only(std::slice::from_ref(key));
    let own = own.to_bytes();
    if !note.starts_with(&own) {
        return Err(Error::damaged(CHECKPOINT, "a checkpoint that the log did not sign first"));
    }
    // A log of some entries came from a batch; this one's is behind it and gone.
    let staged = (checkpoint.size > 0).then(|| format!("{STAGING}/{}-restored", checkpoint.size));
    let first = Anchored { size: checkpoint.size, checkpoint: own, staged };
    let mode = if frozen { Mode::Frozen } else { Mode::Restored };
    let mut anchor = SqliteAnchor::create(&directory.join(ANCHOR))?;
    anchor.rebuild(&check::leaves(&storage, &checkpoint)?)?;
    anchor.initialise(&first, mode)?;
    Ok((mirrored, unusable))
}

/// One step of a copy from an older checkpoint to a newer one.
struct Step<'a, S> {
    target: &'a S,
    source: Source<'a>,
    old: Checkpoint,
    new: Checkpoint,
    old_note: Option<Vec<u8>>,
    new_note: Vec<u8>,
}

impl<S: Storage> Step<'_, S> {
    fn take(&self, progress: &dyn Fn(u64, u64)) -> Result<()> {
        let Step { target, old, new, .. } = self;
        if new.size < old.size {
            return Err(self.shrunk()?);
        }
        if new.size == old.size && self.old_note.is_some() {
            if new.root != old.root {
                return Err(self.contradicted()?);
            }
        } else {
            let base = Frontier::load(*target, old.size, &old.root)?;
            let mut grown = self.grow(&base, true, progress)?;
            if grown.root()? != new.root {
                // What an earlier attempt left may be to blame, so this one takes nothing from it.
                grown = self.grow(&base, false, progress)?;
            }
            if grown.root()? != new.root {
                return Err(self.explain()?);
            }
            let mut partials = Vec::new();
            grown.partials(old.size, &mut partials)?;
            partials.iter().try_for_each(|(tile, bytes)| target.write(&tree::name(tile), bytes))?;
        }
        if self.old_note.as_ref() != Some(&self.new_note) {
            target.write(CHECKPOINT, &self.new_note)?;
        }
        tree::remove_superseded(*target, old.size, new.size)
    }

    /// Appends the new entries to the copy's right edge, and stores the tiles and bundles that they fill.
    ///
    /// With `resume` a full bundle that an attempt before this one stored is not fetched again. The root judges it too.
    fn grow(&self, base: &Frontier, resume: bool, progress: &dyn Fn(u64, u64)) -> Result<Frontier> {
        let mut next = base.clone();
        let mut full = Vec::new();
        for bundle in Tile::new_entries(self.old.size, self.new.size) {
            let stored = if resume && bundle.is_full() { self.stored(&bundle)? } else { None };
            let entries = stored.map_or_else(|| self.source.entries(&bundle), Ok)?;
            let known = usize::try_from(next.size() & 0xff).unwrap_or(usize::MAX);
            for entry in entries.iter().skip(known) {
                next.push(entry, &mut full)?;
            }
            for (tile, bytes) in full.drain(..) {
                self.target.write(&tree::name(&tile), &bytes)?;
            }
            progress(next.size(), self.new.size);
        }
        Ok(next)
    }

    fn stored(&self, bundle: &Tile) -> Result<Option<Vec<Vec<u8>>>> {
        let bytes = self.target.read(&tree::name(bundle))?;
        Ok(bytes.and_then(|bytes| decode(&bytes, bundle, bundle)))
    }

    /// The log is smaller than its copy: an older state of it, or another past.
    fn shrunk(&self) -> Result<Error> {
        let Step { target, old, new, .. } = self;
        let path = Prover::new(*target, old, None).prove_consistency(new.size)?;
        if proof::verify_consistency(new.size, old.size, &path, &new.root, &old.root).is_ok() {
            let place = COPY.to_owned();
            return Ok(Error::Behind { place, known: old.size, found: new.size });
        }
        // Before the log is accused the copy must be beyond doubt.
        match check::run(*target, old, &|_, _| true)?.damage.into_iter().next() {
            Some(Damage { path, what }) => Ok(Error::Damaged { what, path }),
            None => self.contradicted(),
        }
    }

    /// Says what it means that the new entries do not lead to the signed root.
    fn explain(&self) -> Result<Error> {
        // Whichever of the log's leaf tiles and its entries lead to the signed root say what the past is under it.
        let pasts = [
            self.past(&|bundle| self.source.leaf_tile(bundle)),
            self.past(&|bundle| self.source.leaves(bundle)),
        ];
        if pasts.into_iter().flatten().any(|past| past != self.old.root) {
            return self.contradicted();
        }
        for bundle in Tile::all_entries(self.new.size) {
            if self.source.leaves(&bundle)? != self.source.leaf_tile(&bundle)? {
                return Ok(Error::damaged(bundle.path(), "entries that do not hash to their leaves"));
            }
        }
        Ok(Error::damaged(NOTE, "a root to which neither the entries nor their hashes lead"))
    }

    /// Computes the root that the log's first entries had at the copy's size, if its leaves lead to the signed root.
    fn past(&self, leaves: &dyn Fn(&Tile) -> Result<Vec<Hash>>) -> Option<Hash> {
        let mut edge = RightEdge::empty();
        let mut past = edge.root();
        for bundle in Tile::all_entries(self.new.size) {
            for leaf in leaves(&bundle).ok()? {
                edge.append(leaf).ok()?;
                if edge.size() == self.old.size {
                    past = edge.root();
                }
            }
        }
        (edge.root() == self.new.root).then_some(past)
    }

    /// Keeps both notes, which prove to anybody with the log's key what the log did.
    fn contradicted(&self) -> Result<Error> {
        let notes = [(self.old.size, self.old_note.as_ref()), (self.new.size, Some(&self.new_note))];
        for (size, note) in notes.into_iter().filter_map(|(size, note)| Some((size, note?))) {
            let hash = hex::encode(Sha256::digest(note));
            let name = format!("{EVIDENCE}/{size}-{}.note", hash.get(..8).unwrap_or(&hash));
            self.target.write(&name, note)?;
        }
        Ok(Error::Contradicted { place: COPY.to_owned(), size: self.old.size.min(self.new.size) })
    }
}

/// What errors call the copy.
const COPY: &str = "the copy here";
const EVIDENCE: &str = "evidence";

//! When the witness cosigns: the checks of C2SP tlog-witness, in its order, over what is recorded.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};

use sealwax_keys::SecretKey;
use sealwax_tlog::{AddCheckpoint, Checkpoint, EMPTY_ROOT, Error as Refusal, SignedNote, VerifierKey, proof};
use sha2::{Digest, Sha256};

use crate::error::{Error, Result};
use crate::state::{Cosigned, State};

/// A witness that holds its state, ready to be asked from several threads.
#[derive(Debug)]
pub struct Witness {
    secret: SecretKey,
    key: VerifierKey,
    /// The keys of the known logs, by origin.
    logs: BTreeMap<String, Vec<VerifierKey>>,
    /// `None` after a failed flush: the process must end.
    state: Mutex<Option<State>>,
}

/// What the witness says to an `add-checkpoint` request; all but the first leave its record as it was.
#[derive(Debug)]
pub enum Answer {
    /// Cosigned and recorded: the cosignature's line, with its line end (status 200).
    Cosigned(String),
    /// The request is malformed (status 400).
    Malformed(Refusal),
    /// The old size is greater than the checkpoint's (status 400).
    Shrinks,
    /// No trusted key of the log signed, or a line that claims one does not verify (status 403).
    NotTrusted(Refusal),
    /// The checkpoint is of a log that the witness does not know (status 404).
    UnknownLog,
    /// The old size is not the one that the witness cosigned last (status 409).
    OtherSize {
        /// The size that it cosigned last; 0 for none.
        recorded: u64,
    },
    /// The proof does not lead from what is recorded to the checkpoint (status 422).
    Inconsistent(Refusal),
}

impl Witness {
    /// Creates the empty state of a new witness in a directory, which is made if needed.
    ///
    /// # Errors
    ///
    /// [`Error::Exists`] where there is a state, else [`Error::Busy`], [`Error::Database`] and [`Error::Io`].
    pub fn create(directory: &Path) -> Result<()> {
        State::create(directory)
    }

    /// Opens the state in `directory` for a witness of this name and Ed25519 key, which knows `logs`.
    ///
    /// The name of each of `logs` is its log's origin; one log may have several keys. One process at a time can have a
    /// witness open.
    ///
    /// # Errors
    ///
    /// [`Error::NotFound`]; [`Error::Busy`]; [`Error::OwnKey`] and [`Error::NotALogKey`] for a key in `logs`, and
    /// [`Error::Tlog`] for two that no signature line could tell apart; [`Error::Damaged`] where the state was changed or
    /// is another key's; [`Error::NewerSchema`], [`Error::Database`] and [`Error::Io`].
    pub fn open(directory: &Path, name: &str, secret: SecretKey, logs: &[VerifierKey]) -> Result<Witness> {
        let key = VerifierKey::from_cosigner(name, secret.public_key())?;
        let mut by_origin: BTreeMap<String, Vec<VerifierKey>> = BTreeMap::new();
        for log in logs {
            let origin = log.name().to_owned();
            // A log that vouches for itself has no witness (attack K09).
            if log.public_key() == key.public_key() {
                return Err(Error::OwnKey { origin });
            }
            if log.signature_type() == key.signature_type() {
                return Err(Error::NotALogKey { origin });
            }
            let keys = by_origin.entry(origin).or_default();
            if keys.iter().any(|other| other.key_id() == log.key_id()) {
                return Err(Error::Tlog(Refusal::AmbiguousKey { name: log.name().to_owned() }));
            }
            keys.push(log.clone());
        }
        let state = State::open(directory, key.clone())?;
        Ok(Witness { secret, key, logs: by_origin, state: Mutex::new(Some(state)) })
    }

    /// Reads what the witness with this key has cosigned, by origin, also while another process has it open.
    ///
    /// # Errors
    ///
    /// [`Error::NotFound`], [`Error::Damaged`], [`Error::NewerSchema`], [`Error::Database`] and [`Error::Busy`].
    pub fn recorded(directory: &Path, key: &VerifierKey) -> Result<Vec<Cosigned>> {
        State::reader(directory, key.clone())?.all()
    }

    /// Returns the key that verifies this witness's cosignatures.
    pub fn verifier_key(&self) -> &VerifierKey {
        &self.key
    }

    /// Answers the body of an `add-checkpoint` request at the time `now`, in seconds since 1970.
    ///
    /// Checks and record are one transaction, and the cosignature leaves only when the record is on disk: of two requests
    /// at once, the second is checked against what the first recorded.
    ///
    /// The time in a log's cosignatures never goes back. Where the clock did, the recorded time is repeated: it claims no
    /// more than the cosignature before, and refusing would silence the witness for as long as the clock was wrong.
    ///
    /// # Errors
    ///
    /// Nothing was cosigned, whether or not it was recorded: [`Error::NoClock`]; [`Error::Damaged`] where the record is not
    /// what was stored; [`Error::Busy`]; [`Error::Database`], which with [`Error::is_fatal`] is followed by
    /// [`Error::Stopped`] for ever; [`Error::Tlog`] where signing fails.
    pub fn add_checkpoint(&self, body: &[u8], now: u64) -> Result<Answer> {
        if now == 0 {
            return Err(Error::NoClock);
        }
        let request = match Request::open(body, &self.logs) {
            Ok(request) => request,
            Err(answer) => return Ok(answer),
        };
        let mut held = self.lock();
        let state = held.as_ref().ok_or(Error::Stopped)?;
        let origin = request.checkpoint.origin.clone();
        let answer = state.advance(&origin, |recorded| match request.follows(recorded) {
            Some(answer) => Ok((answer, None)),
            None => {
                let time = now.max(recorded.map_or(0, |recorded| recorded.time));
                let (line, new) = self.cosign(request, time)?;
                Ok((Answer::Cosigned(line), Some(new)))
            }
        });
        if answer.as_ref().is_err_and(Error::is_fatal) {
            *held = None;
        }
        answer
    }

    /// Returns the newest note of a log that this witness cosigned, by the lower-case hexadecimal SHA-256 of the origin;
    /// `None` for a log that is unknown or never was cosigned.
    ///
    /// # Errors
    ///
    /// [`Error::Stopped`], [`Error::Damaged`], [`Error::Busy`] and [`Error::Database`].
    pub fn checkpoint(&self, origin_hash: &str) -> Result<Option<Vec<u8>>> {
        let hashed = |origin: &&String| hex::encode(Sha256::digest(origin)) == origin_hash;
        let Some(origin) = self.logs.keys().find(hashed) else { return Ok(None) };
        let held = self.lock();
        let newest = held.as_ref().ok_or(Error::Stopped)?.newest(origin)?;
        Ok(newest.map(|cosigned| cosigned.note))
    }

    /// Makes the cosignature's line, and the record of it.
    fn cosign(&self, request: Request, time: u64) -> Result<(String, Cosigned)> {
        let Request { checkpoint, mut note, .. } = request;
        note.cosign(self.key.name(), &self.secret, time)?;
        let line = note.signatures().last().map(|line| format!("{line}\n")).unwrap_or_default();
        let Checkpoint { origin, size, root, .. } = checkpoint;
        Ok((line, Cosigned { origin, size, root, note: note.to_bytes(), time }))
    }

    fn lock(&self) -> MutexGuard<'_, Option<State>> {
        // A panic while the state was held rolled its transaction back.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A request whose checkpoint a trusted key of its log signed.
struct Request {
    old_size: u64,
    proof: Vec<sealwax_tlog::Hash>,
    checkpoint: Checkpoint,
    /// The checkpoint's note with the signatures of trusted keys alone.
    note: SignedNote,
}

impl Request {
    /// Makes every check that needs no record.
    fn open(body: &[u8], logs: &BTreeMap<String, Vec<VerifierKey>>) -> Result<Request, Answer> {
        let AddCheckpoint { old_size, proof, note } =
            AddCheckpoint::parse(body).map_err(Answer::Malformed)?;
        let mut note = SignedNote::parse(&note).map_err(Answer::Malformed)?;
        let origin = note.text().split('\n').next().unwrap_or_default();
        let keys = logs.get(origin).ok_or(Answer::UnknownLog)?;
        note.verify(keys).map_err(Answer::NotTrusted)?;
        // What strangers added is not kept, nor a line that claims to be this witness's.
        note.keep_only(keys);
        let checkpoint = Checkpoint::parse(note.text()).map_err(|error| match error {
            Refusal::EmptyTreeRoot { .. } => Answer::Inconsistent(error),
            _ => Answer::Malformed(error),
        })?;
        if old_size > checkpoint.size {
            return Err(Answer::Shrinks);
        }
        if i64::try_from(checkpoint.size).is_err() {
            return Err(Answer::Inconsistent(Refusal::TreeFull));
        }
        Ok(Request { old_size, proof, checkpoint, note })
    }

    /// Checks the request against what is recorded; `None` when it may be cosigned.
    fn follows(&self, recorded: Option<&Cosigned>) -> Option<Answer> {
        let (size, root) = recorded.map_or((0, EMPTY_ROOT), |recorded| (recorded.size, recorded.root));
        if self.old_size != size {
            return Some(Answer::OtherSize { recorded: size });
        }
        proof::verify_consistency(size, self.checkpoint.size, &self.proof, &root, &self.checkpoint.root)
            .err()
            .map(Answer::Inconsistent)
    }
}

#[cfg(test)]
mod tests;

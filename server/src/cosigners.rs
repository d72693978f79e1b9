//! The witnesses that a log asks for cosignatures: the log's side of C2SP tlog-witness, by a C2SP tlog-policy.
//!
//! Besides collecting what the policy's quorum needs, this is how a log learns that it has forgotten something. A log that
//! was put back to an older state is told so by any witness that saw the newer one, provided that it asks *before* it signs
//! anything: [`Cosigners::collect`] over the current checkpoint, at start, is that question. What a witness says against the
//! log is its word alone, which is enough to stop and look.
//!
//! Nothing here connects to anything; requests are made by the [`Post`] that is handed in.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use sealwax_tlog::{AddCheckpoint, Checkpoint, Hash, PolicyWitness, SignedNote, VerifierKey, WitnessPolicy};

/// Makes one HTTP request, without following redirections, and gives up after a time of its own.
pub trait Post: Send + Sync {
    /// Posts `body` to `url`.
    ///
    /// # Errors
    ///
    /// What kept the answer from coming, in words for people.
    fn post(&self, url: &str, body: &[u8]) -> Result<Answered, String>;
}

/// An HTTP answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answered {
    /// The status code.
    pub status: u16,
    /// The body, which whoever read it has capped.
    pub body: Vec<u8>,
}

/// The witnesses of a policy, and how far each one is.
pub struct Cosigners {
    policy: WitnessPolicy,
    log: VerifierKey,
    post: Arc<dyn Post>,
    /// The size that each witness cosigned last, by its name, as far as it is known.
    sizes: Mutex<BTreeMap<String, u64>>,
    /// The witnesses that could not be reached when they were last asked, and when that was.
    away: Mutex<BTreeMap<String, Instant>>,
}

/// What has come so far.
struct Tally {
    note: SignedNote,
    /// The log, and the witnesses that have answered now.
    answered: Vec<VerifierKey>,
    failures: Vec<(String, Failure)>,
}

/// A witness and its URL.
type Asked<'a> = (&'a PolicyWitness, &'a str);

/// A policy that this log can never satisfy honestly.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BadPolicy {
    /// A witness has the log's own key: the log would vouch for itself.
    #[error("the witness {name:?} has the log's own key")]
    OwnKey {
        /// The witness's name in the policy.
        name: String,
    },
    /// The policy names logs, and this one is not among them.
    #[error("the policy is for other logs than {origin:?}")]
    OtherLog {
        /// This log's origin.
        origin: String,
    },
}

/// What the witnesses answered about one checkpoint.
#[derive(Debug)]
pub struct Collected {
    /// The note with every cosignature that came, and those that it had already.
    pub note: Vec<u8>,
    /// Whether those that came now are enough for the policy. What the note had says nothing of what was seen since.
    pub quorum: Result<(), sealwax_tlog::Error>,
    /// The witnesses that were asked and did not cosign, by their names in the policy, and why.
    pub failures: Vec<(String, Failure)>,
}

/// Why a witness did not cosign.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Failure {
    /// It could not be asked, or its answer did not come.
    #[error("{0}")]
    Unreachable(String),
    /// The consistency proof that it needs could not be made.
    #[error("no proof could be made for it: {0}")]
    NoProof(String),
    /// It refused in a way that says nothing about the log's past.
    #[error("it refused with the status {status}")]
    Refused {
        /// The HTTP status code.
        status: u16,
    },
    /// Its answer is not what the protocol asks for, or does not verify.
    #[error("its answer cannot be used: {0}")]
    BadAnswer(sealwax_tlog::Error),
    /// It cosigned a larger tree of this log than the log has: the log was put back to an older state.
    #[error("it has cosigned a tree of {size} entries, more than this log has")]
    Ahead {
        /// The size that it says it cosigned.
        size: u64,
    },
    /// It cosigned, for a size that this log has, another root than the log's.
    #[error("it has cosigned another tree of {size} entries than this log's")]
    Contradicts {
        /// The size of the tree that it cosigned.
        size: u64,
    },
}

impl Failure {
    /// Tells whether the witness knows another past of this log than the log does, so that the log must not sign.
    pub fn forbids_signing(&self) -> bool {
        matches!(self, Failure::Ahead { .. } | Failure::Contradicts { .. })
    }
}

impl Cosigners {
    /// Takes a policy for the log whose checkpoints `log` verifies.
    ///
    /// # Errors
    ///
    /// [`BadPolicy`].
    pub fn new(
        policy: WitnessPolicy,
        log: &VerifierKey,
        post: Arc<dyn Post>,
    ) -> Result<Cosigners, BadPolicy> {
        // A log that vouches for itself has no witness (attack K09).
        if let Some(own) = policy.witnesses().find(|witness| witness.key.public_key() == log.public_key()) {
            return Err(BadPolicy::OwnKey { name: own.name.clone() });
        }
        let same = |known: &VerifierKey| known.name() == log.name() && known.key_id() == log.key_id();
        if !policy.logs().is_empty() && !policy.logs().iter().any(same) {
            return Err(BadPolicy::OtherLog { origin: log.name().to_owned() });
        }
        Ok(Cosigners { policy, log: log.clone(), post, sizes: Mutex::default(), away: Mutex::default() })
    }

    /// Asks every witness that has a URL, all at once, to cosign a checkpoint, and waits for the last answer.
    ///
    /// One that could not be reached a moment ago is asked only where the others do not make the quorum: a witness that is
    /// away is not to hold up every commit. `prove` makes the consistency proof from an older size to the checkpoint's. A
    /// witness that turns out to be at another size than believed is asked once more from there.
    ///
    /// # Errors
    ///
    /// Where `note` is not a signed checkpoint; nobody has been asked then.
    pub fn collect<E: fmt::Display>(
        &self,
        note: &[u8],
        prove: &(dyn Fn(u64) -> Result<Vec<Hash>, E> + Sync),
    ) -> Result<Collected, sealwax_tlog::Error> {
        let note = SignedNote::parse(note)?;
        let size = Checkpoint::parse(note.text())?.size;
        let asked = self.policy.witnesses().filter_map(|witness| Some((witness, witness.url.as_deref()?)));
        let (resting, ready): (Vec<Asked<'_>>, Vec<Asked<'_>>) =
            asked.partition(|(witness, _)| self.is_resting(&witness.name));
        let mut tally = Tally { note, answered: vec![self.log.clone()], failures: Vec::new() };
        self.ask_all(&ready, size, prove, &mut tally);
        if self.quorum(&tally).is_err() {
            self.ask_all(&resting, size, prove, &mut tally);
        }
        let quorum = self.quorum(&tally);
        Ok(Collected { note: tally.note.to_bytes(), quorum, failures: tally.failures })
    }

    fn quorum(&self, tally: &Tally) -> Result<(), sealwax_tlog::Error> {
        let mut now = tally.note.clone();
        now.keep_only(&tally.answered);
        self.policy.quorum_met(&now).map(|_| ())
    }

    /// Asks witnesses at the same time and adds what they answer to the tally.
    fn ask_all<E: fmt::Display>(
        &self,
        asked: &[Asked<'_>],
        size: u64,
        prove: &(dyn Fn(u64) -> Result<Vec<Hash>, E> + Sync),
        tally: &mut Tally,
    ) {
        let bytes = tally.note.to_bytes();
        let answers: Vec<Result<Vec<u8>, Failure>> = thread::scope(|scope| {
            let threads: Vec<_> = asked
                .iter()
                .map(|(witness, url)| {
                    let ask = || self.ask(witness, url, &bytes, size, prove);
                    thread::Builder::new().spawn_scoped(scope, ask)
                })
                .collect();
            let answer = |thread: std::io::Result<thread::ScopedJoinHandle<'_, _>>| match thread {
                Ok(thread) => thread
                    .join()
                    .unwrap_or_else(|_| Err(Failure::Unreachable("asking it ended in a panic".to_owned()))),
                Err(error) => Err(Failure::Unreachable(error.to_string())),
            };
            threads.into_iter().map(answer).collect()
        });
        for ((witness, _), answer) in asked.iter().zip(answers) {
            self.rest(&witness.name, matches!(answer, Err(Failure::Unreachable(_))));
            let added = answer.and_then(|lines| {
                tally.note.add_cosignature(&lines, &witness.key).map_err(Failure::BadAnswer)
            });
            match added {
                Ok(_) => {
                    self.remember(&witness.name, size);
                    tally.answered.push(witness.key.clone());
                }
                Err(failure) => tally.failures.push((witness.name.clone(), failure)),
            }
        }
    }

    /// Asks one witness, twice where it is at another size than believed, and returns the body of its assent.
    fn ask<E: fmt::Display>(
        &self,
        witness: &PolicyWitness,
        url: &str,
        note: &[u8],
        size: u64,
        prove: &(dyn Fn(u64) -> Result<Vec<Hash>, E> + Sync),
    ) -> Result<Vec<u8>, Failure> {
        let url = format!("{}/add-checkpoint", url.trim_end_matches('/'));
        let mut old_size = self.remembered(&witness.name);
        let mut last_try = false;
        loop {
            if old_size > size {
                return Err(Failure::Ahead { size: old_size });
            }
            let proof = prove(old_size).map_err(|error| Failure::NoProof(error.to_string()))?;
            let request = AddCheckpoint { old_size, proof, note: note.to_vec() };
            let Answered { status, body } =
                self.post.post(&url, &request.to_bytes()).map_err(Failure::Unreachable)?;
            match status {
                200 => return Ok(body),
                409 => {
                    let recorded = AddCheckpoint::parse_conflict(&body).map_err(Failure::BadAnswer)?;
                    // Earlier versions of the protocol answer so where 422 is right: our size, and another root.
                    if recorded == old_size && recorded == size {
                        return Err(Failure::Contradicts { size });
                    }
                    if recorded <= size && last_try {
                        return Err(Failure::Refused { status });
                    }
                    self.remember(&witness.name, recorded);
                    old_size = recorded;
                    last_try = true;
                }
                // The proof is right for our tree, so it is the witness's that is another.
                422 => return Err(Failure::Contradicts { size: old_size }),
                _ => return Err(Failure::Refused { status }),
            }
        }
    }

    /// Returns the size that a witness cosigned last; 0, which makes it tell, where that is not known.
    fn remembered(&self, name: &str) -> u64 {
        let sizes = self.sizes.lock().unwrap_or_else(PoisonError::into_inner);
        sizes.get(name).copied().unwrap_or(0)
    }

    /// Whether a witness could not be reached a moment ago.
    fn is_resting(&self, name: &str) -> bool {
        let away = self.away.lock().unwrap_or_else(PoisonError::into_inner);
        away.get(name).is_some_and(|since| since.elapsed() < REST)
    }

    fn rest(&self, name: &str, is_away: bool) {
        let mut away = self.away.lock().unwrap_or_else(PoisonError::into_inner);
        match is_away {
            true => away.insert(name.to_owned(), Instant::now()),
            false => away.remove(name),
        };
    }

    fn remember(&self, name: &str, size: u64) {
        self.sizes.lock().unwrap_or_else(PoisonError::into_inner).insert(name.to_owned(), size);
    }
}

/// How long a witness that could not be reached is left alone where it is not needed.
const REST: Duration = Duration::from_secs(30);

#[cfg(test)]
mod tests;

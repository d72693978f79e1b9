//! The one thread that owns the log: whatever waits is committed together, cosigned, published and answered.
//!
//! A lone entry is sequenced at once; while a commit is under way others gather, and share the next one. What has been
//! answered is durable and published. After a failed write everything in memory is dropped and read anew from disk before
//! the next commit; after a failed flush the process must end.

use std::path::PathBuf;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, SyncSender, TrySendError, channel, sync_channel};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::thread::{Builder, JoinHandle};
use std::time::{Duration, Instant};

use sealwax_tlog::{Checkpoint, VerifierKey};
use sealwax_transparency_log::{
    Directory, Error as LogError, Log, LogView, Mode, NewEntry, Published, Receipt, SearchIndex, TileCache,
};
use tokio::sync::oneshot;

use crate::Fatal;
use crate::clock;
use crate::cosigners::{Collected, Cosigners, Failure};
use crate::error::Error;
use crate::metrics::Metrics;

/// An entry on its way into the log.
pub(crate) struct Submission {
    body: Vec<u8>,
    answer: oneshot::Sender<Result<Receipt, Unavailable>>,
}

/// Why an entry is not in the log now; a client may try again, except with a frozen one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unavailable {
    /// More wait already than may.
    PoolFull,
    /// The log's disk is nearly full.
    DiskFull,
    /// The log failed, and is read anew.
    Recovering,
    /// The entry is in the log, and too few witnesses have cosigned the checkpoint that says so.
    AwaitingWitnesses,
    /// The log was restored and not yet confirmed.
    Unconfirmed,
    /// The log takes no entries any more.
    Frozen,
}

/// What the HTTP side holds: a way to submit, and the newest published state.
#[derive(Clone)]
pub(crate) struct Handle {
    queue: SyncSender<Submission>,
    published: Arc<RwLock<Arc<LogView>>>,
    metrics: Arc<Metrics>,
}

impl Handle {
    /// Submits an entry whose signature was checked, and waits for its receipt.
    pub(crate) async fn submit(&self, body: Vec<u8>) -> Result<Receipt, Unavailable> {
        let (answer, receipt) = oneshot::channel();
        self.queue.try_send(Submission { body, answer }).map_err(|error| match error {
            TrySendError::Full(_) => Unavailable::PoolFull,
            TrySendError::Disconnected(_) => Unavailable::Recovering,
        })?;
        let _waiting = self.metrics.waiting();
        receipt.await.unwrap_or(Err(Unavailable::Recovering))
    }

    /// The log as it is published now.
    pub(crate) fn view(&self) -> Arc<LogView> {
        Arc::clone(&self.published.read().unwrap_or_else(PoisonError::into_inner))
    }
}

/// What the thread works with.
pub(crate) struct Sequencer {
    pub(crate) log: Log,
    pub(crate) directory: PathBuf,
    pub(crate) index: Arc<Mutex<SearchIndex>>,
    pub(crate) cosigners: Option<Cosigners>,
    /// Whether a checkpoint without the witnesses' quorum stays unpublished.
    pub(crate) require_quorum: bool,
    pub(crate) batch: usize,
    pub(crate) min_free: u64,
    pub(crate) history: usize,
    pub(crate) metrics: Arc<Metrics>,
}

impl Sequencer {
    /// Starts the thread. It ends when every [`Handle`] is gone, or by itself, and then the server does too.
    pub(crate) fn start(
        self,
        pool: usize,
        fatal: &Fatal,
    ) -> Result<(Handle, JoinHandle<Result<(), Error>>), Error> {
        let key = self.log.verifier_key().clone();
        let cache = Arc::new(TileCache::default());
        let view = open_view(&self.directory, &key, &cache)?;
        self.metrics.size(view.checkpoint().size);
        let published = Arc::new(RwLock::new(Arc::new(view)));
        let (queue, submissions) = sync_channel(pool);
        let handle = Handle { queue, published: Arc::clone(&published), metrics: Arc::clone(&self.metrics) };
        let indexer = Indexer {
            index: Arc::clone(&self.index),
            storage: Directory::reader(&self.directory),
            history: self.history,
            fatal: fatal.clone(),
        };
        let to_index = indexer.start()?;
        let mut worker = Worker { sequencer: self, key, cache, published, submissions, to_index };
        worker.announce()?;
        let ending = Ending(fatal.clone());
        let thread = Builder::new().name("sequencer".to_owned()).spawn(move || {
            let _ending = ending;
            worker.run()
        });
        Ok((handle, thread.map_err(Error::Runtime)?))
    }

    /// Publishes the checkpoint that waits, if one does, with the cosignatures that can be had.
    ///
    /// `Ok(false)` where the quorum is required and not met.
    fn publish(&mut self) -> Result<bool, LogError> {
        let Some(note) = self.log.unpublished()?.map(<[u8]>::to_vec) else { return Ok(true) };
        let note = match &self.cosigners {
            None => note,
            Some(cosigners) => {
                let collected = self.ask(cosigners, note)?;
                if let Err(error) = collected.quorum {
                    tracing::warn!(%error, "the checkpoint has too few cosignatures");
                    if self.require_quorum {
                        return Ok(false);
                    }
                }
                collected.note
            }
        };
        self.log.publish(&note)?;
        Ok(true)
    }

    /// Asks the witnesses, before anything new is signed, whether they know of more than this log does, and lets a restored
    /// log sign again once enough of them have confirmed it.
    pub(crate) fn confirm(&mut self) -> Result<(), Error> {
        let Some(cosigners) = &self.cosigners else { return Ok(()) };
        let note = match self.log.unpublished()? {
            Some(note) => note.to_vec(),
            None => self.log.published_note()?.to_vec(),
        };
        let collected = self.ask(cosigners, note)?;
        match collected.quorum {
            Ok(()) if self.log.mode()? == Mode::Restored => {
                tracing::info!("the witnesses confirm that the restored log is its newest state");
                self.log.reconciled()?;
            }
            Ok(()) => {}
            Err(error) if self.require_quorum => {
                return Err(Error::Unconfirmed { reason: error.to_string() });
            }
            Err(error) => tracing::warn!(%error, "too few witnesses answered to confirm the log's state"),
        }
        self.log.publish(&collected.note)?;
        Ok(())
    }

    fn ask(&self, cosigners: &Cosigners, note: Vec<u8>) -> Result<Collected, LogError> {
        let found = Checkpoint::open(&note, self.log.verifier_key())?.size;
        let view =
            LogView::of_note(Directory::reader(&self.directory), note.clone(), self.log.verifier_key())?;
        let collected = cosigners.collect(&note, &|old| view.prove_consistency(old))?;
        for (name, failure) in &collected.failures {
            self.metrics.witness_failed(name);
            tracing::warn!(witness = name, %failure, "a witness did not cosign");
            let place = format!("the witness {name}");
            match *failure {
                Failure::Ahead { size } => return Err(LogError::Behind { place, known: size, found }),
                Failure::Contradicts { size } => return Err(LogError::Contradicted { place, size }),
                _ => {}
            }
        }
        Ok(collected)
    }
}

/// Tells whoever waits for the server to stop, however the sequencer's thread ends: also by a panic.
struct Ending(Fatal);

impl Drop for Ending {
    fn drop(&mut self) {
        self.0.stop();
    }
}

struct Worker {
    sequencer: Sequencer,
    key: VerifierKey,
    cache: Arc<TileCache>,
    published: Arc<RwLock<Arc<LogView>>>,
    submissions: Receiver<Submission>,
    to_index: Sender<Published>,
}

impl Worker {
    fn run(&mut self) -> Result<(), Error> {
        loop {
            let first = match self.submissions.recv_timeout(IDLE) {
                Ok(first) => first,
                Err(RecvTimeoutError::Disconnected) => return Ok(()),
                Err(RecvTimeoutError::Timeout) => {
                    // What waits for witnesses is tried again, whether or not anybody submits.
                    let retried = self.settle(Instant::now());
                    self.after(retried.map(|_| ()))?;
                    continue;
                }
            };
            let mut batch = vec![first];
            batch.extend(self.submissions.try_iter().take(self.sequencer.batch.saturating_sub(1)));
            let started = Instant::now();
            let done = self.take_in(&batch, started);
            let failure = match done {
                Ok(Ok(receipts)) => {
                    for (submission, receipt) in batch.into_iter().zip(receipts) {
                        // A client that has gone away finds its entry when it comes back.
                        let _ = submission.answer.send(Ok(receipt));
                    }
                    Ok(())
                }
                Ok(Err(unavailable)) => {
                    refuse(batch, unavailable);
                    Ok(())
                }
                Err(error) => {
                    refuse(batch, Unavailable::Recovering);
                    Err(error)
                }
            };
            self.after(failure)?;
        }
    }

    /// Commits and publishes a batch. The outer error is the log's failure, the inner one an answer.
    fn take_in(
        &mut self,
        batch: &[Submission],
        started: Instant,
    ) -> Result<Result<Vec<Receipt>, Unavailable>, LogError> {
        if !self.settle(started)? {
            return Ok(Err(Unavailable::AwaitingWitnesses));
        }
        match self.sequencer.log.mode()? {
            Mode::Live => {}
            Mode::Restored => return Ok(Err(Unavailable::Unconfirmed)),
            Mode::Frozen => return Ok(Err(Unavailable::Frozen)),
        }
        let free = self.sequencer.log.free_space()?;
        if free.is_some_and(|free| free < self.sequencer.min_free) {
            tracing::error!(free, "the log's disk is nearly full: no entry is taken");
            return Ok(Err(Unavailable::DiskFull));
        }
        let entries: Vec<NewEntry<'_>> =
            batch.iter().map(|submission| NewEntry { body: &submission.body, envelope: None }).collect();
        let placed = self.sequencer.log.commit(&entries)?;
        if !self.settle(started)? {
            return Ok(Err(Unavailable::AwaitingWitnesses));
        }
        let receipts = self.sequencer.log.receipts(&placed)?;
        self.sequencer.metrics.committed(&placed, started.elapsed());
        Ok(Ok(receipts))
    }

    /// Publishes what waits, and lets the HTTP side and the index see it. `Ok(false)` where witnesses are missing.
    fn settle(&mut self, started: Instant) -> Result<bool, LogError> {
        if self.sequencer.log.unpublished()?.is_none() {
            return Ok(true);
        }
        if !self.sequencer.publish()? {
            return Ok(false);
        }
        self.announce()?;
        tracing::debug!(elapsed = ?started.elapsed(), "published");
        Ok(true)
    }

    /// Lets the HTTP side and the indexer see what is published now.
    fn announce(&self) -> Result<(), LogError> {
        let view = open_view(&self.sequencer.directory, &self.key, &self.cache)?;
        let size = view.checkpoint().size;
        self.sequencer.metrics.size(size);
        let published = Published { size, published_at: clock::now(), note: view.note().to_vec() };
        *self.published.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(view);
        // An indexer that has ended has said why; entries are taken all the same.
        let _ = self.to_index.send(published);
        Ok(())
    }

    /// After a failure: reads the log anew, again and again until that works; ends after a failed flush.
    fn after(&mut self, mut outcome: Result<(), LogError>) -> Result<(), Error> {
        let mut pause = FIRST_PAUSE;
        while let Err(error) = outcome {
            tracing::error!(%error, "the log stopped; what was acknowledged is safe");
            if error.is_sync_failure() || must_end(&error) {
                return Err(error.into());
            }
            std::thread::sleep(pause);
            pause = (pause * 2).min(LONGEST_PAUSE);
            outcome = self.sequencer.log.reload().and_then(|_| self.announce());
            if outcome.is_ok() {
                tracing::info!("the log was read anew from disk");
            }
            // Those who submit meanwhile are not kept waiting.
            refuse(self.submissions.try_iter().collect(), Unavailable::Recovering);
        }
        Ok(())
    }
}

/// The thread that keeps the search index: behind the answers, because SQLite now and then takes long to write.
///
/// The index is a convenience that can be made anew: failing is told, and no reason to stop, unless it was a flush that failed.
struct Indexer {
    index: Arc<Mutex<SearchIndex>>,
    storage: Directory,
    history: usize,
    fatal: Fatal,
}

impl Indexer {
    /// Starts the thread, which ends when the sender that is returned is gone.
    fn start(self) -> Result<Sender<Published>, Error> {
        let (sender, published) = channel::<Published>();
        let run = move || {
            while let Ok(first) = published.recv() {
                let waiting: Vec<Published> = std::iter::once(first).chain(published.try_iter()).collect();
                if let Err(error) = self.add(&waiting) {
                    tracing::error!(%error, "the search index is behind; `sealwax log rebuild-index` makes it anew");
                    if error.is_sync_failure() {
                        return self.fatal.end(error);
                    }
                }
            }
        };
        Builder::new().name("indexer".to_owned()).spawn(run).map_err(Error::Runtime)?;
        Ok(sender)
    }

    fn add(&self, published: &[Published]) -> Result<(), LogError> {
        let mut index = self.index.lock().unwrap_or_else(PoisonError::into_inner);
        let size = published.iter().map(|published| published.size).max().unwrap_or(0);
        index.catch_up(&self.storage, size)?;
        published.iter().try_for_each(|published| index.publish(published, self.history))
    }
}

/// Failures that no reading anew can mend.
fn must_end(error: &LogError) -> bool {
    error.is_misbehaviour() || matches!(error, LogError::Poisoned { fatal: true })
}

fn refuse(batch: Vec<Submission>, unavailable: Unavailable) {
    for submission in batch {
        let _ = submission.answer.send(Err(unavailable));
    }
}

fn open_view(
    directory: &std::path::Path,
    key: &VerifierKey,
    cache: &Arc<TileCache>,
) -> Result<LogView, LogError> {
    Ok(LogView::open(directory, key)?.with_cache(Arc::clone(cache)))
}

/// How often what waits for witnesses is tried again.
const IDLE: Duration = Duration::from_secs(1);
const FIRST_PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

#[cfg(test)]
mod tests {
    use sealwax_tlog::EMPTY_ROOT;
    use sealwax_transparency_log::Part;

    use super::*;

    #[test]
    fn s10_a_contradiction_ends_the_process_and_what_may_pass_does_not() {
        let (place, path) = (|| "elsewhere".to_owned(), PathBuf::new);
        for error in [
            LogError::Damaged { what: "", path: place() },
            LogError::RolledBack { older: Part::Tiles, anchor_size: 2, found_size: Some(1) },
            LogError::AnchorMissing { path: path() },
            LogError::Fork { size: 1, anchored: EMPTY_ROOT, published: EMPTY_ROOT },
            LogError::Overtaken,
            LogError::Behind { place: place(), known: 2, found: 1 },
            LogError::Contradicted { place: place(), size: 1 },
            LogError::WrongKey { key: place() },
            LogError::Poisoned { fatal: true },
        ] {
            assert!(must_end(&error), "{error}");
        }
        for error in
            [LogError::Poisoned { fatal: false }, LogError::Busy { path: path() }, LogError::Unpublished]
        {
            assert!(!must_end(&error), "{error}");
        }
    }
}

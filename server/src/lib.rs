//! The HTTP faces of a log and of a witness.
//!
//! A log's face speaks Rekor v2 for writing, C2SP tlog-tiles for reading, and beside them proofs, search and the statements
//! behind entries; an authority's speaks Fulcio and RFC 3161. One thread, the sequencer, owns the log; requests hand it entries whose signatures have been verified and
//! wait until these are durable and published. What is not here: files (settings, keys and certificates come in as values,
//! the log through its own room) and requests to others, which are made by the
//! [`Post`] and the [`Get`] that are handed in.

mod admission;
mod api;
mod authority;
mod clock;
pub mod config;
mod cosigners;
mod error;
mod http;
mod issuers;
mod ledger;
mod metrics;
mod sequencer;
#[cfg(test)]
mod testing;
pub mod witness;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use sealwax_tlog::{VerifierKey, WitnessPolicy};
use sealwax_transparency_log::{Log, LogView, SearchIndex};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

pub use authority::Authority;
pub use config::Config;
pub use cosigners::{Answered, BadPolicy, Collected, Cosigners, Failure, Post};
pub use error::Error;
pub use http::Listen;
pub use issuers::Get;
pub use ledger::Ledger;

use sequencer::Sequencer;

/// What a log's server is made of.
pub struct Parts {
    /// The log, opened with [`Guards::hold`](sealwax_transparency_log::Guards) where witnesses are required.
    pub log: Log,
    /// Its directory, for reading.
    pub directory: PathBuf,
    /// Earlier logs of the instance, which are frozen: their directories, and their keys, whose names are their origins.
    pub shards: Vec<(PathBuf, VerifierKey)>,
    /// The search index, for writing.
    pub index: SearchIndex,
    /// The search index opened once more, for reading.
    pub lookup: SearchIndex,
    /// The witnesses' policy, and what reaches them.
    pub witnesses: Option<(WitnessPolicy, Arc<dyn Post>)>,
    /// The instance's authority, if its faces are to be served.
    pub authority: Option<Authority>,
    /// What reads the instance's repository (TUF), if it is to be served.
    pub repository: Option<Read>,
    /// Where to listen.
    pub listen: Listen,
}

/// Reads a file of a repository by its name; `None` for what is not there, an error for why nobody can tell.
pub type Read = Arc<dyn Fn(&str) -> Result<Option<Vec<u8>>, String> + Send + Sync>;

/// Serves a log until the process is told to stop (SIGTERM, SIGINT), which ends well, or the log cannot go on, which does not.
///
/// `started` is called with the address once clients can connect.
///
/// # Errors
///
/// [`Error`]; [`Error::Log`] with a failed flush means that the process must end, because the system may show it what is not
/// stored.
pub fn serve(parts: Parts, config: &Config, started: impl FnOnce(SocketAddr)) -> Result<(), Error> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().map_err(Error::Runtime)?;
    runtime.block_on(run(parts, config, started))
}

async fn run(parts: Parts, config: &Config, started: impl FnOnce(SocketAddr)) -> Result<(), Error> {
    let Parts { log, directory, shards, index, lookup, witnesses, authority, repository, listen } = parts;
    let face = http::Face::open(listen).await?;
    let metrics_face = match config.metrics.listen {
        Some(address) => Some(http::Face::open(Listen::new(address, None, &config.limits)?).await?),
        None => None,
    };
    let address = face.address()?;

    let key = log.verifier_key().clone();
    let shards = shards
        .into_iter()
        .map(|(directory, key)| Ok((key.name().to_owned(), LogView::open(&directory, &key)?)))
        .collect::<Result<_, Error>>()?;
    let metrics = Arc::new(metrics::Metrics::default());
    let cosigners = witnesses
        .map(|(policy, post)| {
            Cosigners::new(policy, &key, post).map_err(|bad| Error::Config(bad.to_string()))
        })
        .transpose()?;
    let require_quorum = config.witnesses.as_ref().is_some_and(|witnesses| witnesses.require);
    let index = Arc::new(Mutex::new(index));
    let mut sequencer = Sequencer {
        log,
        directory: directory.clone(),
        index: Arc::clone(&index),
        cosigners,
        require_quorum,
        batch: config.log.batch,
        min_free: config.log.min_free,
        history: config.log.checkpoint_history,
        metrics: Arc::clone(&metrics),
    };
    let (stop, stopped) = watch::channel(false);
    let fatal = Fatal { stop: stop.clone(), failure: Arc::default() };
    let ending = fatal.clone();
    let pool = config.log.pool;
    // Asking witnesses and opening the index block; nobody is served yet.
    let (handle, thread) = tokio::task::spawn_blocking(move || {
        sequencer.confirm()?;
        sequencer.start(pool, &ending)
    })
    .await
    .map_err(|_| Error::Runtime(std::io::Error::other("the sequencer panicked")))??;

    let authority = authority
        .map(|authority| authority::Registrar::new(authority, config, fatal.clone()).map(Arc::new))
        .transpose()?;
    let site = api::Site {
        sequencer: handle,
        key,
        directory,
        index,
        lookup: Arc::new(Mutex::new(lookup)),
        shards: Arc::new(shards),
        authority,
        repository,
        metrics: Arc::clone(&metrics),
        duplicates: config.log.duplicates,
        envelopes: config.envelopes.clone(),
        submission_bytes: config.limits.submission_bytes,
        room: api::Room::new(config.largest_body()),
        fatal: fatal.clone(),
    };
    let router = api::router(site, config);
    tokio::spawn(stop_on_signal(stop)?);
    started(address);
    // A supervisor that waits for it learns that clients can connect; without one this does nothing.
    let _ = sd_notify::notify(&[sd_notify::NotifyState::Ready]);
    let serving = face.serve(router, stopped.clone());
    match metrics_face {
        None => serving.await,
        Some(own) => {
            let router = api::metrics_router(metrics);
            tokio::join!(serving, own.serve(router, stopped));
        }
    }
    let _ = sd_notify::notify(&[sd_notify::NotifyState::Stopping]);
    // Every handle is gone with the routers: the sequencer finishes what it has and ends.
    let ended = tokio::task::spawn_blocking(move || thread.join()).await;
    match ended {
        Ok(Ok(ended)) => ended.and_then(|()| fatal.outcome()),
        _ => Err(Error::Runtime(std::io::Error::other("the sequencer panicked"))),
    }
}

/// Ends the server before it is told to, and says why.
#[derive(Clone)]
pub(crate) struct Fatal {
    stop: watch::Sender<bool>,
    failure: Arc<Mutex<Option<sealwax_transparency_log::Error>>>,
}

impl Fatal {
    pub(crate) fn end(&self, error: sealwax_transparency_log::Error) {
        *self.failure.lock().unwrap_or_else(PoisonError::into_inner) = Some(error);
        self.stop();
    }

    fn stop(&self) {
        let _ = self.stop.send(true);
    }

    fn outcome(&self) -> Result<(), Error> {
        let failure = self.failure.lock().unwrap_or_else(PoisonError::into_inner).take();
        failure.map_or(Ok(()), |error| Err(Error::Log(error)))
    }
}

/// Waits for the signals that end a service, and then tells it.
fn stop_on_signal(stop: watch::Sender<bool>) -> Result<impl Future<Output = ()>, Error> {
    let mut terminate = signal(SignalKind::terminate()).map_err(Error::Runtime)?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(Error::Runtime)?;
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        tracing::info!("stopping: requests under way are finished first");
        let _ = stop.send(true);
    })
}

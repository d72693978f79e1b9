//! The keys of the issuers that the operator named: fetched from where each says, kept for a while, each issuer by itself.
//!
//! The only addresses that are asked are the configured issuer's own and the one that its discovery document names for its
//! keys. Nothing of a token is ever fetched (attack H01), and nobody is followed elsewhere (attack H02).

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use sealwax_authority::{Issuer, Issuers, Jwks};
use tokio::sync::Mutex;

use crate::cosigners::Answered;

/// Makes one HTTP request, without following redirections, and gives up after a time of its own.
pub trait Get: Send + Sync {
    /// Gets `url`, of whose answer at most `limit` bytes are read; a longer one is a failure.
    ///
    /// # Errors
    ///
    /// What kept the answer from coming, in words for people.
    fn get(&self, url: &str, limit: u64) -> Result<Answered, String>;
}

/// The keys of all configured issuers.
pub(crate) struct KeyRing {
    get: Arc<dyn Get>,
    issuers: BTreeMap<String, (Issuer, Mutex<Known>)>,
}

/// What is known of one issuer.
#[derive(Default)]
struct Known {
    keys: Option<(Arc<Jwks>, Instant)>,
    /// When it was asked last, however that ended.
    asked: Option<Instant>,
}

/// How fresh keys have to be.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Wanted {
    /// Those that are kept will do.
    Kept,
    /// A token is signed by a key that is not among them: the issuer may have a new one.
    Newer,
}

impl KeyRing {
    pub(crate) fn new(get: Arc<dyn Get>, issuers: &Issuers) -> Self {
        let known = |issuer: &Issuer| (issuer.url().to_owned(), (issuer.clone(), Mutex::default()));
        Self { get, issuers: issuers.iter().map(known).collect() }
    }

    /// Gives an issuer's keys. Who asks while they are fetched waits for them; an issuer that does not answer is asked again
    /// after a pause, and until then the keys that it had are believed for a day.
    ///
    /// # Errors
    ///
    /// Why there are none, for the operator.
    pub(crate) async fn keys(&self, issuer: &str, wanted: Wanted, now: Instant) -> Result<Arc<Jwks>, String> {
        let (issuer, known) = self.issuers.get(issuer).ok_or("no such issuer is configured")?;
        let mut known = known.lock().await;
        let fresh = match wanted {
            Wanted::Kept => KEPT,
            Wanted::Newer => PAUSE,
        };
        let since = |then: Instant| now.saturating_duration_since(then);
        if let Some((keys, fetched)) = &known.keys
            && since(*fetched) < fresh
        {
            return Ok(Arc::clone(keys));
        }
        let failed = if known.asked.is_some_and(|asked| since(asked) < RETRY) {
            "it was asked a moment ago".to_owned()
        } else {
            known.asked = Some(now);
            match self.fetch(issuer).await {
                Ok(keys) => {
                    let keys = Arc::new(keys);
                    known.keys = Some((Arc::clone(&keys), now));
                    return Ok(keys);
                }
                Err(reason) => {
                    tracing::warn!(
                        issuer = issuer.url(),
                        reason,
                        "the keys of an issuer could not be fetched"
                    );
                    reason
                }
            }
        };
        match &known.keys {
            Some((keys, fetched)) if since(*fetched) < BELIEVED => Ok(Arc::clone(keys)),
            _ => Err(failed),
        }
    }

    async fn fetch(&self, issuer: &Issuer) -> Result<Jwks, String> {
        let (get, issuer) = (Arc::clone(&self.get), issuer.clone());
        let fetch = move || {
            let url = issuer.discovery_url();
            let document = whole(get.get(&url, MAX_DOCUMENT)?, &url)?;
            let url = issuer.keys_url(&document).map_err(|error| format!("{url}: {error}"))?;
            let keys = whole(get.get(&url, MAX_DOCUMENT)?, &url)?;
            Jwks::from_json(&keys).map_err(|error| format!("{url}: {error}"))
        };
        tokio::task::spawn_blocking(fetch).await.unwrap_or_else(|error| Err(error.to_string()))
    }
}

/// Takes an answer for what was asked only if it says so: a redirection is none (attack H02), nor is a page of regrets.
fn whole(answered: Answered, url: &str) -> Result<Vec<u8>, String> {
    if answered.status == 200 { Ok(answered.body) } else { Err(format!("{url}: {}", answered.status)) }
}

/// How long keys are kept without asking again.
const KEPT: Duration = Duration::from_secs(3_600);
/// How long they are believed while the issuer does not answer.
const BELIEVED: Duration = Duration::from_secs(24 * 3_600);
/// How long after an issuer gave its keys it is not asked for newer ones: anybody can name a key that nobody has.
const PAUSE: Duration = Duration::from_secs(60);
/// How long after asking in vain an issuer is asked again.
const RETRY: Duration = Duration::from_secs(5);
/// The largest discovery document or key set, in bytes.
const MAX_DOCUMENT: u64 = 512 * 1024;

#[cfg(test)]
mod tests;

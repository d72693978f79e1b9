//! A log that is served elsewhere, as somebody who reads it sees it: C2SP tlog-tiles below a URL.

use std::time::Duration;

use sealwax_server::Answered;

use crate::error::Error;
use crate::http::Http;
use crate::world::World;

/// Where a log's checkpoint and tiles are.
pub(crate) struct RemoteLog<'a> {
    http: Http,
    /// Without a slash at its end.
    url: String,
    world: &'a World,
}

impl<'a> RemoteLog<'a> {
    /// Prepares to read the log below a URL; asks nothing yet.
    ///
    /// # Errors
    /// [`Error::Usage`] for what is no URL of a log, [`Error::Network`] where this machine cannot ask at all.
    pub(crate) fn new(url: &str, world: &'a World) -> Result<Self, Error> {
        if !is_url(url) {
            return Err(Error::Usage(format!("{url:?} is not the URL of a log: https://… or http://…")));
        }
        let http = Http::new(PATIENCE).map_err(Error::Network)?;
        Ok(Self { http, url: url.trim_end_matches('/').to_owned(), world })
    }

    /// Reads what the log serves under a name, such as `checkpoint`; `None` for what is not there.
    ///
    /// A log that is busy, or cannot be reached, is asked again a few times.
    ///
    /// # Errors
    /// The reason, for people.
    pub(crate) fn fetch(&self, name: &str) -> Result<Option<Vec<u8>>, String> {
        let url = format!("{}/{name}", self.url);
        let limit = if name == CHECKPOINT { MAX_CHECKPOINT } else { MAX_BUNDLE };
        let mut pause = FIRST_PAUSE;
        let mut tries = 0u32;
        loop {
            tries = tries.saturating_add(1);
            let reason = match self.http.get(&url, limit) {
                Ok(Answered { status: 200, body }) => return Ok(Some(body)),
                Ok(Answered { status: 404 | 410, .. }) => return Ok(None),
                Ok(Answered { status, .. }) if status == 429 || status >= 500 => format!("{url}: {status}"),
                Ok(Answered { status, .. }) => return Err(format!("{url}: {status}")),
                Err(reason) => reason,
            };
            if tries >= TRIES {
                return Err(reason);
            }
            self.world.wait(pause);
            pause = pause.saturating_mul(2);
        }
    }
}

/// Tells a URL from a directory.
pub(crate) fn is_url(text: &str) -> bool {
    text.starts_with("https://") || text.starts_with("http://")
}

const CHECKPOINT: &str = "checkpoint";
const MAX_CHECKPOINT: u64 = 1 << 20;
/// 256 entries, each of at most 65,535 bytes behind its length of two.
const MAX_BUNDLE: u64 = 256 * (65_535 + 2);
const PATIENCE: Duration = Duration::from_secs(30);
const TRIES: u32 = 5;
/// Doubled each time: four seconds in all.
const FIRST_PAUSE: Duration = Duration::from_millis(250);

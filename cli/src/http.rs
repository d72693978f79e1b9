//! The one place that talks to the network: requests to logs and witnesses that the person named.

// This is the module that the bans of clippy.toml point to.
#![allow(clippy::disallowed_methods)]

use std::io::Read as _;
use std::time::Duration;

use reqwest::blocking::{Client, Response};
use reqwest::redirect::Policy;
use sealwax_server::{Answered, Get, Post};

/// A client that follows no redirection: whoever is asked answers, and nobody is sent elsewhere (attack H02).
pub(crate) struct Http(Client);

impl Http {
    /// Makes a client that waits at most `patience` for a whole answer.
    pub(crate) fn new(patience: Duration) -> Result<Http, String> {
        let client = Client::builder()
            .redirect(Policy::none())
            .timeout(patience)
            .user_agent(concat!("sealwax/", env!("CARGO_PKG_VERSION")))
            .build();
        client.map(Http).map_err(|error| describe(&error))
    }

    /// Asks for `url` and reads at most `limit` bytes of the answer.
    pub(crate) fn get(&self, url: &str, limit: u64) -> Result<Answered, String> {
        read(self.0.get(url).send(), limit)
    }

    /// Sends JSON to `url` and reads at most `limit` bytes of the answer.
    pub(crate) fn post_json(&self, url: &str, body: Vec<u8>, limit: u64) -> Result<Answered, String> {
        read(self.0.post(url).header("content-type", "application/json").body(body).send(), limit)
    }
}

impl Post for Http {
    fn post(&self, url: &str, body: &[u8]) -> Result<Answered, String> {
        read(self.0.post(url).body(body.to_vec()).send(), MAX_COSIGNATURES)
    }
}

impl Get for Http {
    fn get(&self, url: &str, limit: u64) -> Result<Answered, String> {
        self.get(url, limit)
    }
}

/// Reads an answer whose length nobody promised: one that is longer than it may be is no answer (attack B04).
fn read(answer: reqwest::Result<Response>, limit: u64) -> Result<Answered, String> {
    let answer = answer.map_err(|error| describe(&error))?;
    let (status, url) = (answer.status().as_u16(), answer.url().clone());
    let mut body = Vec::new();
    let read = answer.take(limit.saturating_add(1)).read_to_end(&mut body);
    let length = u64::try_from(read.map_err(|error| format!("{url}: {}", innermost(&error)))?);
    if length.is_ok_and(|length| length <= limit) {
        return Ok(Answered { status, body });
    }
    Err(format!("{url}: the answer is longer than {limit} bytes"))
}

fn describe(error: &reqwest::Error) -> String {
    let reason = innermost(error);
    match error.url() {
        Some(url) => format!("{url}: {reason}"),
        None => reason,
    }
}

/// The innermost reason is the one that helps.
fn innermost(error: &(dyn std::error::Error + 'static)) -> String {
    let mut reason = error;
    while let Some(source) = reason.source() {
        reason = source;
    }
    reason.to_string()
}

/// A witness answers with a few signature lines.
const MAX_COSIGNATURES: u64 = 64 * 1024;

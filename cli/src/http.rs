//! The one place that talks to the network: requests to services that the person named, and the loopback address that a
//! browser comes back to.

// This is the module that the bans of clippy.toml point to.
#![allow(clippy::disallowed_methods)]

pub(crate) mod loopback;

use std::io::Read as _;
use std::time::{Duration, Instant};

use reqwest::Url;
use reqwest::blocking::{Client, RequestBuilder};
use reqwest::header::HeaderMap;
use reqwest::redirect::Policy;
use sealwax_server::{Answered, Get, Post};
use zeroize::Zeroizing;

/// A client that follows no redirection: whoever is asked answers, and nobody is sent elsewhere (attack H02).
pub(crate) struct Http {
    client: Client,
    patience: Duration,
}

/// What is sent with a POST.
#[derive(Debug)]
pub(crate) struct Body<'a> {
    /// Its media type.
    pub(crate) media_type: &'static str,
    /// The bytes.
    pub(crate) bytes: &'a [u8],
}

/// A whole answer.
#[derive(Debug)]
pub(crate) struct Answer {
    /// The status code.
    pub(crate) status: u16,
    /// The body.
    pub(crate) body: Vec<u8>,
    headers: HeaderMap,
}

impl Answer {
    /// Gives a header's value, where it is there and text.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }
}

impl Http {
    /// Makes a client that waits at most `patience` for a whole answer.
    pub(crate) fn new(patience: Duration) -> Result<Http, String> {
        let client = Client::builder()
            .redirect(Policy::none())
            .timeout(patience)
            .user_agent(concat!("sealwax/", env!("CARGO_PKG_VERSION")))
            .build();
        client.map(|client| Http { client, patience }).map_err(|error| describe(&error))
    }

    /// Asks for `url` and reads at most `limit` bytes of the answer.
    pub(crate) fn get(&self, url: &str, limit: u64) -> Result<Answered, String> {
        self.ask(url, None, None, limit).map(Answered::from)
    }

    /// Asks for `url`, sending a body where there is one and a secret in the `Authorization` header where there is one, and
    /// reads at most `limit` bytes of the answer.
    pub(crate) fn ask(
        &self,
        url: &str,
        body: Option<&Body<'_>>,
        bearer: Option<&str>,
        limit: u64,
    ) -> Result<Answer, String> {
        let request = match body {
            None => self.client.get(url),
            Some(body) => {
                self.client.post(url).header("content-type", body.media_type).body(body.bytes.to_vec())
            }
        };
        let authorized = |request: RequestBuilder| match bearer {
            Some(secret) => request.bearer_auth(secret),
            None => request,
        };
        self.send(authorized(request), limit)
    }

    /// Sends a request and reads the answer, whose length nobody promised: one that is longer than it may be is no answer, nor
    /// is one that takes longer, a byte at a time (attacks B04, H04). The client's own time-out begins anew with each read.
    fn send(&self, request: RequestBuilder, limit: u64) -> Result<Answer, String> {
        let started = Instant::now();
        let mut answer = request.send().map_err(|error| describe(&error))?;
        let (status, url) = (answer.status().as_u16(), shown(answer.url()));
        let headers = answer.headers().clone();
        let (mut body, mut chunk) = (Vec::new(), [0; CHUNK]);
        loop {
            let read = match answer.read(&mut chunk) {
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => continue,
                read => read.map_err(|error| format!("{url}: {}", innermost(&error)))?,
            };
            body.extend_from_slice(chunk.get(..read).unwrap_or_default());
            match read {
                0 => return Ok(Answer { status, body, headers }),
                _ if u64::try_from(body.len()).map_or(true, |length| length > limit) => {
                    return Err(format!("{url}: the answer is longer than {limit} bytes"));
                }
                _ if started.elapsed() > self.patience => {
                    return Err(format!("{url}: the answer takes longer than {} s", self.patience.as_secs()));
                }
                _ => {}
            }
        }
    }
}

impl Post for Http {
    fn post(&self, url: &str, body: &[u8]) -> Result<Answered, String> {
        self.send(self.client.post(url).body(body.to_vec()), MAX_COSIGNATURES).map(Answered::from)
    }
}

impl Get for Http {
    fn get(&self, url: &str, limit: u64) -> Result<Answered, String> {
        self.get(url, limit)
    }
}

impl From<Answer> for Answered {
    fn from(Answer { status, body, .. }: Answer) -> Self {
        Answered { status, body }
    }
}

/// Whether what is sent to a URL stays between this machine and that host: by TLS, or because the host is this machine.
pub(crate) fn is_private(url: &str) -> bool {
    let Ok(url) = Url::parse(url) else { return false };
    match (url.scheme(), url.host_str()) {
        ("https", Some(_)) => true,
        // Spelt out: a name could lead anywhere, but for the one that RFC 6761 reserves.
        ("http", Some(host)) => matches!(host, "127.0.0.1" | "[::1]" | "localhost"),
        _ => false,
    }
}

/// Adds parameters to the query of a URL.
///
/// # Errors
/// A sentence, for what is no URL.
pub(crate) fn with_query(url: &str, parameters: &[(&str, &str)]) -> Result<String, String> {
    let url = Url::parse(url).map(|mut url| {
        url.query_pairs_mut().extend_pairs(parameters);
        url.into()
    });
    url.map_err(|error| format!("not a URL: {error}"))
}

/// Writes parameters as `application/x-www-form-urlencoded`.
pub(crate) fn form(parameters: &[(&str, &str)]) -> Zeroizing<String> {
    let url = Url::parse_with_params("http://localhost/", parameters);
    Zeroizing::new(url.ok().and_then(|url| url.query().map(str::to_owned)).unwrap_or_default())
}

fn describe(error: &reqwest::Error) -> String {
    let reason = innermost(error);
    match error.url() {
        Some(url) => format!("{}: {reason}", shown(url)),
        None => reason,
    }
}

/// A URL as it may be printed: its query may hold a secret (attack K08).
fn shown(url: &Url) -> String {
    let mut url = url.clone();
    url.set_query(None);
    url.into()
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
/// How much is read at once, in bytes.
const CHUNK: usize = 16 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn h02_secrets_go_to_https_and_to_this_machine_only() {
        for good in
            ["https://id.example", "https://127.0.0.1:8443/x", "http://127.0.0.1:80", "http://[::1]:3000/a"]
        {
            assert!(is_private(good), "{good}");
        }
        for bad in [
            "http://id.example",
            "http://127.0.0.1.evil.example",
            "http://127.0.0.1@evil.example/",
            "http://localhost.evil.example",
            "http://169.254.169.254/",
            "http://[::ffff:127.0.0.1]/",
            "file:///etc/passwd",
            "ftp://127.0.0.1/",
            "127.0.0.1",
            "",
        ] {
            assert!(!is_private(bad), "{bad}");
        }
        // A decimal spelling of an address is that address, whoever reads the URL.
        assert!(is_private("http://2130706433/"));
        assert!(!is_private("http://2852039166/"));
    }

    #[test]
    fn k08_queries_are_not_printed() {
        let url = Url::parse("https://id.example/token?secret=1#x").unwrap();
        assert_eq!(shown(&url), "https://id.example/token#x");
        let asked = Http::new(Duration::from_millis(1)).unwrap().get("http://127.0.0.1:1/a?secret=1", 1);
        assert!(asked.is_err_and(|reason| !reason.contains("secret")));
    }

    #[test]
    fn parameters_are_escaped() {
        let pairs = [("a b", "c&d=e"), ("f", "é+%")];
        let encoded = "a+b=c%26d%3De&f=%C3%A9%2B%25";
        assert_eq!(*form(&pairs), encoded);
        assert_eq!(with_query("https://h/p?q=1", &pairs).unwrap(), format!("https://h/p?q=1&{encoded}"));
        assert!(with_query("nothing", &pairs).is_err());
    }
}

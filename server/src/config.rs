//! The server's settings: a TOML file, each key optional, unknown keys refused.
//!
//! ```toml
//! listen = "127.0.0.1:3000"
//!
//! [log]
//! anchor = "/mnt/elsewhere"
//!
//! [witnesses]
//! policy = "witnesses.policy"
//! ```
//!
//! `docs/spec/server.md` describes every key; a test there compares the two lists. Flags of the command line go over the
//! file. Nothing here opens a file: paths are handed back to the caller.

mod identities;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use serde::Deserialize;

use crate::error::Error;
use crate::http::Listen;

pub use identities::{Authority, Issuer, IssuerKind, Timestamps};

/// All settings of `sealwax serve`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Where to listen.
    pub listen: SocketAddr,
    /// How others reach the server, written into signing configs; else made from `listen`.
    pub url: Option<String>,
    /// Serve plain HTTP on an address that is not this machine's own, because something in front terminates TLS.
    pub plain_http: bool,
    /// TLS, if the server terminates it.
    pub tls: Option<Tls>,
    /// The log.
    pub log: LogSettings,
    /// The statements behind entries.
    pub envelopes: Envelopes,
    /// Witnesses of the log, if there are any.
    pub witnesses: Option<Witnesses>,
    /// Certificates for identities.
    pub authority: Authority,
    /// Time stamps.
    pub timestamps: Timestamps,
    /// Caps on what clients may use.
    pub limits: Limits,
    /// Where metrics are served, if not beside everything else.
    pub metrics: Metrics,
    /// The server's own messages.
    pub messages: Messages,
}

/// A certificate chain and its key, PEM files.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tls {
    /// The chain, leaf first.
    pub certificate: PathBuf,
    /// The leaf's private key.
    pub key: PathBuf,
}

/// How the log takes entries.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LogSettings {
    /// What an entry that is in the log already is answered with.
    pub duplicates: Duplicates,
    /// Submissions that may wait; more are answered 503.
    pub pool: usize,
    /// Entries of one commit at most.
    pub batch: usize,
    /// Bytes that must be free on the log's disk for an entry to be taken.
    pub min_free: u64,
    /// A directory outside the instance, on another disk, that remembers the last signed checkpoint.
    pub anchor: Option<PathBuf>,
    /// Published checkpoints that are kept, newest first.
    pub checkpoint_history: usize,
}

/// What a submission of an existing entry is answered with.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub enum Duplicates {
    /// 201 with the proof of the entry that is there.
    Proof,
    /// 409, as Rekor v2 answers.
    Conflict,
}

/// What is kept of the statements that entries are about.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Envelopes {
    /// Whether any are taken.
    pub keep: bool,
    /// The largest one, in bytes.
    pub max_bytes: u64,
    /// All of them together, in bytes; more are refused.
    pub max_total: u64,
}

/// The witnesses that cosign the log's checkpoints.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Witnesses {
    /// A C2SP tlog-policy file with the witnesses' URLs.
    pub policy: PathBuf,
    /// Whether a checkpoint without the policy's quorum stays unpublished.
    #[serde(default = "yes")]
    pub require: bool,
    /// How long one witness may take, in seconds.
    #[serde(default = "ten")]
    pub timeout_seconds: u64,
}

/// Caps on what clients may use.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Limits {
    /// Connections at a time; more wait to be accepted.
    pub connections: usize,
    /// How long a request's head may take, and a connection be idle, in seconds.
    pub header_seconds: u64,
    /// How long a request may take in all, in seconds.
    pub request_seconds: u64,
    /// The largest submission, in bytes.
    pub submission_bytes: usize,
}

/// Where metrics are served.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Metrics {
    /// An address of their own; else `/metrics` on the main one.
    pub listen: Option<SocketAddr>,
}

/// The server's own messages, on standard error.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Messages {
    /// One JSON object a line, or text for people.
    pub json: bool,
    /// How much is said.
    pub level: Level,
}

/// How much is said; each level includes those before it.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// What must be looked at.
    Error,
    /// What may become an error.
    Warn,
    /// Start, stop, commits that took long.
    #[default]
    Info,
    /// Every request.
    Debug,
}

impl Config {
    /// Reads a settings file.
    ///
    /// # Errors
    ///
    /// [`Error::Config`] with the line for what is not TOML, an unknown key, or a value outside its range.
    pub fn parse(text: &str) -> Result<Config, Error> {
        let config: Config = toml::from_str(text).map_err(|error| {
            let before = error.span().and_then(|span| text.get(..span.start)).unwrap_or_default();
            let line = before.matches('\n').count();
            let shown = text.lines().nth(line).unwrap_or_default().trim();
            Error::Config(format!("line {}, `{shown}`: {}", line.saturating_add(1), error.message()))
        })?;
        config.check()?;
        Ok(config)
    }

    /// Refuses settings that contradict each other; to be called again after flags went over the file.
    ///
    /// # Errors
    ///
    /// [`Error::Config`] with the key.
    pub fn check(&self) -> Result<(), Error> {
        let wrong = |what: &str| Err(Error::Config(what.to_owned()));
        for (key, value) in [
            ("log.pool", self.log.pool),
            ("log.batch", self.log.batch),
            ("limits.connections", self.limits.connections),
            ("limits.submission_bytes", self.limits.submission_bytes),
        ] {
            if value == 0 {
                return wrong(&format!("{key} is 0"));
            }
        }
        if self.limits.header_seconds == 0 || self.limits.request_seconds == 0 {
            return wrong("limits.header_seconds and limits.request_seconds are at least 1");
        }
        self.authority.issuers()?;
        // Metrics have no TLS of their own.
        self.metrics.listen.map_or(Ok(()), |own| Listen::check_plain(own, false, self.plain_http))?;
        Listen::check_plain(self.listen, self.tls.is_some(), self.plain_http)
    }

    /// The largest request that is read, in bytes.
    pub(crate) fn largest_body(&self) -> usize {
        let envelope = if self.envelopes.keep { self.envelopes.max_bytes } else { 0 };
        self.limits.submission_bytes.max(usize::try_from(envelope).unwrap_or(usize::MAX))
    }

    /// The URL under which others reach the server.
    pub fn public_url(&self) -> String {
        let scheme = if self.tls.is_some() { "https" } else { "http" };
        self.url.clone().unwrap_or_else(|| format!("{scheme}://{}", self.listen))
    }
}

impl Limits {
    pub(crate) fn header(&self) -> Duration {
        Duration::from_secs(self.header_seconds)
    }

    pub(crate) fn request(&self) -> Duration {
        Duration::from_secs(self.request_seconds)
    }
}

impl Default for Config {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 3000)),
            url: None,
            plain_http: false,
            tls: None,
            log: LogSettings::default(),
            envelopes: Envelopes::default(),
            witnesses: None,
            authority: Authority::default(),
            timestamps: Timestamps::default(),
            limits: Limits::default(),
            metrics: Metrics::default(),
            messages: Messages::default(),
        }
    }
}

impl Default for LogSettings {
    fn default() -> Self {
        Self {
            duplicates: Duplicates::Proof,
            pool: 4_096,
            batch: 1_024,
            min_free: 256 << 20,
            anchor: None,
            checkpoint_history: 10_000,
        }
    }
}

impl Default for Envelopes {
    fn default() -> Self {
        Self { keep: true, max_bytes: 4 << 20, max_total: 4 << 30 }
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self { connections: 1_024, header_seconds: 15, request_seconds: 60, submission_bytes: 4 << 20 }
    }
}

fn yes() -> bool {
    true
}

fn ten() -> u64 {
    10
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_file_is_all_defaults() {
        let config = Config::parse("").unwrap();
        assert_eq!(config.public_url(), "http://127.0.0.1:3000");
        assert_eq!(config.log.duplicates, Duplicates::Proof);
    }

    #[test]
    fn i02_what_is_not_a_setting_is_refused_with_its_line() {
        for (text, part) in [
            ("[authority]\nissuer = []", "issuer"),
            ("[[authority.issuers]]\nurl = 'https://x'", "type"),
            ("[[authority.issuers]]\nurl = 'https://x'\ntype = 'dns'", "dns"),
            ("[[authority.issuers]]\nurl = 'https://x'\ntype = 'email'\nregex = true", "regex"),
            ("[[authority.issuers]]\nurl = 'http://x'\ntype = 'email'", "http://x"),
            ("[[authority.issuers]]\nurl = 'https://x'\ntype = 'uri'", "prefix"),
            ("[[authority.issuers]]\nurl = 'https://x'\ntype = 'username'", "domain"),
            ("[timestamps]\nenable = true", "enable"),
            ("lisen = '127.0.0.1:1'", "lisen"),
            ("[log]\nduplicate = 'proof'", "line 2, `duplicate"),
            ("[log]\nduplicates = 'no'", "duplicates"),
            ("[witnesses]\nrequire = false", "policy"),
            ("[log]\npool = 0", "log.pool"),
            ("[limits]\nrequest_seconds = 0", "request_seconds"),
            ("listen = 'nowhere'", "listen"),
            ("[tls]\ncertificate = 'x'", "key"),
            ("[tls]\ncertificate = 'x'\nkey = 'y'\nkeys = 'z'", "keys"),
            ("[envelopes]\nkept = true", "kept"),
            ("[witnesses]\npolicy = 'x'\nrequired = false", "required"),
            ("[limits]\nconnection = 1", "connection"),
            ("[metrics]\nlisten_on = '127.0.0.1:1'", "listen_on"),
            ("[messages]\njsonl = true", "jsonl"),
            ("[log]\nbatch = 0", "log.batch"),
            ("[limits]\nconnections = 0", "limits.connections"),
            ("[limits]\nsubmission_bytes = 0", "limits.submission_bytes"),
            ("[limits]\nheader_seconds = 0", "header_seconds"),
        ] {
            let Err(Error::Config(message)) = Config::parse(text) else { panic!("{text}") };
            assert!(message.contains(part) && !message.contains('\n'), "{text}: {message}");
        }
    }

    #[test]
    fn h11_plain_http_leaves_this_machine_only_when_told() {
        assert!(Config::parse("listen = '0.0.0.0:80'").is_err());
        assert!(Config::parse("listen = '0.0.0.0:80'\nplain_http = true").is_ok());
        let tls = "listen = '0.0.0.0:443'\n[tls]\ncertificate = 'c'\nkey = 'k'";
        assert_eq!(Config::parse(tls).unwrap().public_url(), "https://0.0.0.0:443");
        // Metrics are plain HTTP always.
        let metrics = "[metrics]\nlisten = '0.0.0.0:9100'";
        assert!(Config::parse(metrics).is_err());
        assert!(Config::parse(&format!("{tls}\n{metrics}")).is_err());
        assert!(Config::parse(&format!("plain_http = true\n{metrics}")).is_ok());
        assert!(Config::parse("[metrics]\nlisten = '127.0.0.1:9100'").is_ok());
    }

    #[test]
    fn the_largest_body_is_the_larger_of_what_may_come() {
        let largest = |text| Config::parse(text).unwrap().largest_body();
        assert_eq!(largest("limits.submission_bytes = 5\nenvelopes.max_bytes = 7"), 7);
        assert_eq!(largest("limits.submission_bytes = 8\nenvelopes.max_bytes = 7"), 8);
        assert_eq!(largest("limits.submission_bytes = 5\nenvelopes = { keep = false, max_bytes = 7 }"), 5);
    }
}

//! The signing configuration: where a Sigstore client sends what it signs.
//!
//! ```json
//! {"mediaType":"application/vnd.dev.sigstore.signingconfig.v0.2+json",
//!  "rekorTlogUrls":[{"url":"https://log.example","majorApiVersion":2,
//!    "validFor":{"start":"2026-01-01T00:00:00Z"},"operator":"log.example"}],
//!  "rekorTlogConfig":{"selector":"ANY"},
//!  "caUrls":[],"oidcUrls":[],"tsaUrls":[]}
//! ```
//!
//! Source: `SigningConfig` in `sigstore_trustroot.proto` of the Sigstore protobuf specifications. There is no `tsaConfig`
//! beside an empty list of time-stamping authorities: sigstore-python refuses one without a selector. Read is what is
//! written here and no more: a configuration with authorities is for another tool.

use jiff::Timestamp;
use serde_json::json;

use crate::Error;
use crate::json::{Json, Limits, parse};
use crate::trusted_root::{window, window_json};

/// The logs that a client may submit to; it takes any one of them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SigningConfig {
    /// Every log, whatever its time of validity.
    pub logs: Vec<LogService>,
}

/// One log's address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogService {
    /// The base URL of its Rekor v2 interface, without `/api/v2`.
    pub url: String,
    /// Since when clients may submit.
    pub valid_from: Timestamp,
    /// Until when (inclusive), if the log is frozen.
    pub valid_until: Option<Timestamp>,
    /// Who runs it; clients take one log an operator.
    pub operator: String,
}

impl SigningConfig {
    /// Writes the configuration, indented for people.
    pub fn to_json(&self) -> String {
        let log = |log: &LogService| {
            json!({
                "url": log.url,
                "majorApiVersion": API_VERSION,
                "validFor": window_json(log.valid_from, log.valid_until),
                "operator": log.operator,
            })
        };
        let config = json!({
            "mediaType": MEDIA_TYPE,
            "rekorTlogUrls": self.logs.iter().map(log).collect::<Vec<_>>(),
            "rekorTlogConfig": {"selector": SELECTOR},
            "caUrls": [],
            "oidcUrls": [],
            "tsaUrls": [],
        });
        format!("{config:#}\n")
    }

    /// Reads a configuration.
    ///
    /// # Errors
    /// [`Error::Unsupported`] for another media type, version of the interface or selector, [`Error::TooMany`] where it
    /// names an authority, and shape errors, unknown fields included.
    pub fn from_json(text: &[u8]) -> Result<Self, Error> {
        let mut config = parse(text, LIMITS)?.object()?;
        config.take("mediaType", |value| expect("media type", value, MEDIA_TYPE))?;
        let logs = config.take("rekorTlogUrls", |list| list.list(MAX_LOGS, log_service))?;
        config.take("rekorTlogConfig", |value| {
            let mut value = value.object()?;
            value.take("selector", |selector| expect("selector", selector, SELECTOR))?;
            value.finish()
        })?;
        for authorities in ["caUrls", "oidcUrls", "tsaUrls"] {
            config.take_optional(authorities, |list| list.list(0, |_| Ok(())))?;
        }
        config.finish().map(|()| Self { logs })
    }
}

fn log_service(json: Json<'_>) -> Result<LogService, Error> {
    let mut object = json.object()?;
    let url = object.take("url", |url| {
        let url = url.name()?.into_owned();
        let expected = "a URL such as https://log.example";
        let known = url.starts_with("https://") || url.starts_with("http://");
        if known { Ok(url) } else { Err(Error::Shape { path: String::new(), expected }) }
    })?;
    object.take("majorApiVersion", |version| match version {
        Json::Unsigned(API_VERSION) => Ok(()),
        _ => Err(Error::Shape { path: String::new(), expected: "the number 2" }),
    })?;
    let (valid_from, valid_until) = object.take("validFor", window)?;
    let operator = object.take("operator", Json::name)?.into_owned();
    object.finish().map(|()| LogService { url, valid_from, valid_until, operator })
}

fn expect(what: &'static str, json: Json<'_>, expected: &str) -> Result<(), Error> {
    let found = json.name()?;
    if found == expected {
        return Ok(());
    }
    Err(Error::Unsupported { path: String::new(), what, found: found.into_owned() })
}

const MEDIA_TYPE: &str = "application/vnd.dev.sigstore.signingconfig.v0.2+json";
/// Rekor v2.
const API_VERSION: u64 = 2;
const SELECTOR: &str = "ANY";
const MAX_LOGS: usize = 1_024;
const LIMITS: Limits = Limits { bytes: 1 << 20, depth: 6, values: 16_384 };

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;
    use crate::mutations::mutations;

    fn config() -> SigningConfig {
        let log = |url: &str, end: Option<&str>| LogService {
            url: url.to_owned(),
            valid_from: "2026-01-01T00:00:00Z".parse().unwrap(),
            valid_until: end.map(|end| end.parse().unwrap()),
            operator: "log.example".to_owned(),
        };
        let frozen = log("https://old.example", Some("2026-06-30T23:59:59Z"));
        SigningConfig { logs: vec![frozen, log("http://127.0.0.1:3000", None)] }
    }

    fn changed(pointer: &str, value: Value) -> Result<SigningConfig, Error> {
        let mut json: Value = serde_json::from_str(&config().to_json()).unwrap();
        *json.pointer_mut(pointer).unwrap() = value;
        SigningConfig::from_json(json.to_string().as_bytes())
    }

    #[test]
    fn configurations_are_read_as_they_are_written() {
        for config in [config(), SigningConfig::default()] {
            assert_eq!(SigningConfig::from_json(config.to_json().as_bytes()).unwrap(), config);
        }
    }

    #[test]
    fn clients_find_what_they_need_in_what_is_written() {
        let json: Value = serde_json::from_str(&config().to_json()).unwrap();
        assert_eq!(json["mediaType"], MEDIA_TYPE);
        assert_eq!(json["rekorTlogConfig"], json!({"selector": "ANY"}));
        assert_eq!(
            json["rekorTlogUrls"][1],
            json!({"url": "http://127.0.0.1:3000", "majorApiVersion": 2,
                "validFor": {"start": "2026-01-01T00:00:00Z"}, "operator": "log.example"})
        );
        assert!(json.get("tsaConfig").is_none());
    }

    #[test]
    fn configurations_of_other_tools_are_refused() {
        let other = "application/vnd.dev.sigstore.signingconfig.v0.1+json";
        assert!(matches!(changed("/mediaType", json!(other)), Err(Error::Unsupported { .. })));
        for selector in ["ALL", "EXACT", "any"] {
            let found = changed("/rekorTlogConfig/selector", json!(selector));
            assert!(matches!(found, Err(Error::Unsupported { .. })), "{selector}");
        }
        for version in [json!(1), json!(3), json!("2"), json!(2.0)] {
            let found = changed("/rekorTlogUrls/0/majorApiVersion", version);
            assert!(matches!(found, Err(Error::Shape { .. })));
        }
        for url in ["", "log.example", "ftp://log.example", "file:///etc/passwd"] {
            assert!(matches!(changed("/rekorTlogUrls/0/url", json!(url)), Err(Error::Shape { .. })), "{url}");
        }
        for authorities in ["/caUrls", "/oidcUrls", "/tsaUrls"] {
            let found = changed(authorities, json!([{"url": "https://ca.example"}]));
            assert!(matches!(found, Err(Error::TooMany { limit: 0, .. })), "{authorities}");
        }
        assert!(matches!(changed("/rekorTlogUrls/0/validFor", json!({})), Err(Error::Missing { .. })));
    }

    #[test]
    fn b08_a_configuration_changed_anywhere_is_refused_or_means_something_else() {
        let document: Value = serde_json::from_str(&config().to_json()).unwrap();
        // What may be absent, null or empty without a change of meaning: the lists that are always empty, and an end.
        let optional = ["/caUrls", "/oidcUrls", "/tsaUrls"];
        for mutation in mutations(&document) {
            let read = SigningConfig::from_json(mutation.text.as_bytes());
            if optional.iter().any(|place| mutation.what.starts_with(place)) {
                continue;
            }
            assert!(read.is_err() || read.unwrap() != config(), "{}", mutation.what);
        }
    }
}

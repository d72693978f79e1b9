//! The signing configuration: which services a Sigstore client asks when it signs, and how many of each kind.
//!
//! ```json
//! {"mediaType":"application/vnd.dev.sigstore.signingconfig.v0.2+json",
//!  "caUrls":[{"url":"https://ca.example","majorApiVersion":1,
//!    "validFor":{"start":"2026-01-01T00:00:00Z"},"operator":"example"}],
//!  "oidcUrls":[…],
//!  "rekorTlogUrls":[…],"rekorTlogConfig":{"selector":"ANY"},
//!  "tsaUrls":[…],"tsaConfig":{"selector":"EXACT","count":2}}
//! ```
//!
//! Source: `SigningConfig` in `sigstore_trustroot.proto` of the Sigstore protobuf specifications. Every URL is a base URL,
//! but for a time-stamping authority, which is asked at exactly what stands there. Clients choose by one rule ([`choose_logs`]
//! and its sisters): of the services that are valid now and speak a version that we know, the highest version first, then the
//! one that started last, and never two of one operator. There is no `tsaConfig` beside an empty list of time-stamping
//! authorities, because sigstore-python refuses one without a selector.
//!
//! [`choose_logs`]: SigningConfig::choose_logs

use std::cmp::Reverse;
use std::num::NonZeroU32;

use jiff::Timestamp;
use serde_json::{Map, Value, json};

use crate::Error;
use crate::json::{Json, Limits, parse};
use crate::trusted_root::{window, window_json};

/// The services that signing may ask, whatever their times of validity.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SigningConfig {
    /// Who certifies an identity: the base URLs of Fulcio interfaces.
    pub certificate_authorities: Vec<Service>,
    /// Where a person logs in: OpenID Connect issuers.
    pub identity_providers: Vec<Service>,
    /// The transparency logs: the base URLs of Rekor interfaces.
    pub logs: Vec<Service>,
    /// How many of the logs an entry must go into.
    pub log_selector: Selector,
    /// Who says when: the full URLs that RFC 3161 requests go to.
    pub timestamp_authorities: Vec<Service>,
    /// How many of the time-stamping authorities are asked.
    pub timestamp_selector: Selector,
}

/// One address of a service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Service {
    /// Where it is asked, an `https` or `http` URL.
    pub url: String,
    /// The major version of its interface. A version that is not known is read, and never chosen.
    pub api_version: u32,
    /// Since when clients may ask it.
    pub valid_from: Timestamp,
    /// Until when (inclusive), if it was retired.
    pub valid_until: Option<Timestamp>,
    /// Who runs it; empty where it is not said. All that do not say count as one operator.
    pub operator: String,
}

/// How many services of a kind are asked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Selector {
    /// Any one.
    #[default]
    Any,
    /// Every one.
    All,
    /// So many.
    Exact(NonZeroU32),
}

/// The services of one kind to ask, one an operator.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chosen<'a> {
    /// In the order to ask them.
    pub services: Vec<&'a Service>,
    /// So many of them must answer; those that follow stand in for one that does not. Never more than there are services.
    pub needed: usize,
}

impl SigningConfig {
    /// Chooses the certificate authority to ask.
    ///
    /// # Errors
    /// [`Error::TooFewServices`] where none is valid at `now` and speaks a version that is known (1).
    pub fn choose_certificate_authority(&self, now: Timestamp) -> Result<&Service, Error> {
        one("certificate authority", &self.certificate_authorities, now)
    }

    /// Chooses the issuer to log in at.
    ///
    /// # Errors
    /// [`Error::TooFewServices`] where none is valid at `now` and speaks a version that is known (1).
    pub fn choose_identity_provider(&self, now: Timestamp) -> Result<&Service, Error> {
        one("identity provider", &self.identity_providers, now)
    }

    /// Chooses the logs to submit to, at least one. Known versions of their interface: 1 and 2.
    ///
    /// # Errors
    /// [`Error::TooFewServices`] where fewer are valid at `now`, of a version that is known and of different operators, than
    /// the selector asks for.
    pub fn choose_logs(&self, now: Timestamp) -> Result<Chosen<'_>, Error> {
        choose("log", &self.logs, &[1, 2], self.log_selector, now)
    }

    /// Chooses the time-stamping authorities to ask: none where the configuration lists none.
    ///
    /// # Errors
    /// As [`SigningConfig::choose_logs`], for version 1.
    pub fn choose_timestamp_authorities(&self, now: Timestamp) -> Result<Chosen<'_>, Error> {
        if self.timestamp_authorities.is_empty() {
            return Ok(Chosen { services: Vec::new(), needed: 0 });
        }
        let authorities = &self.timestamp_authorities;
        choose("time-stamping authority", authorities, &[1], self.timestamp_selector, now)
    }

    /// Writes the configuration, indented for people.
    pub fn to_json(&self) -> String {
        format!("{:#}\n", self.to_value())
    }

    pub(crate) fn to_value(&self) -> Value {
        let mut config = json!({
            "mediaType": MEDIA_TYPE,
            "caUrls": services_json(&self.certificate_authorities),
            "oidcUrls": services_json(&self.identity_providers),
            "rekorTlogUrls": services_json(&self.logs),
            "rekorTlogConfig": selector_json(self.log_selector),
            "tsaUrls": services_json(&self.timestamp_authorities),
        });
        if let (false, Some(object)) = (self.timestamp_authorities.is_empty(), config.as_object_mut()) {
            object.insert("tsaConfig".to_owned(), selector_json(self.timestamp_selector));
        }
        config
    }

    /// Reads a configuration.
    ///
    /// # Errors
    /// [`Error::Unsupported`] for another media type or selector, [`Error::Missing`] for services without a selector or a
    /// start of their validity, and shape errors, unknown fields included.
    pub fn from_json(text: &[u8]) -> Result<Self, Error> {
        Self::read(parse(text, LIMITS)?)
    }

    pub(crate) fn read(json: Json<'_>) -> Result<Self, Error> {
        let mut config = json.object()?;
        config.take("mediaType", |value| match value.name()? {
            name if name == MEDIA_TYPE => Ok(()),
            other => Err(unsupported("media type", &other)),
        })?;
        let mut services = |name| {
            config.take_optional(name, |list| list.list(MAX_SERVICES, service)).map(Option::unwrap_or_default)
        };
        let certificate_authorities = services("caUrls")?;
        let identity_providers = services("oidcUrls")?;
        let logs = services("rekorTlogUrls")?;
        let timestamp_authorities = services("tsaUrls")?;
        // What a configuration lists, it must also say how many of: a guess would be one too few.
        let mut choice = |name, services: &[Service]| match config.take_optional(name, selector)?.flatten() {
            None if !services.is_empty() => Err(Error::Missing { path: name.to_owned() }),
            found => Ok(found.unwrap_or_default()),
        };
        let log_selector = choice("rekorTlogConfig", &logs)?;
        let timestamp_selector = choice("tsaConfig", &timestamp_authorities)?;
        config.finish()?;
        Ok(Self {
            certificate_authorities,
            identity_providers,
            logs,
            log_selector,
            timestamp_authorities,
            timestamp_selector,
        })
    }
}

fn one<'a>(what: &'static str, services: &'a [Service], now: Timestamp) -> Result<&'a Service, Error> {
    let chosen = choose(what, services, &[1], Selector::Any, now)?;
    chosen.services.first().copied().ok_or(Error::TooFewServices { what, needed: 1, found: 0 })
}

fn choose<'a>(
    what: &'static str,
    services: &'a [Service],
    known_versions: &[u32],
    selector: Selector,
    now: Timestamp,
) -> Result<Chosen<'a>, Error> {
    let usable = |service: &&Service| {
        known_versions.contains(&service.api_version)
            && service.valid_from <= now
            && service.valid_until.is_none_or(|end| now <= end)
    };
    let mut sorted: Vec<&Service> = services.iter().filter(usable).collect();
    sorted.sort_by_key(|service| Reverse((service.api_version, service.valid_from)));
    let mut chosen: Vec<&Service> = Vec::new();
    for service in sorted {
        if chosen.iter().all(|other| other.operator != service.operator) {
            chosen.push(service);
        }
    }
    let found = chosen.len();
    let needed = match selector {
        Selector::Any => 1,
        Selector::All => found.max(1),
        Selector::Exact(count) => usize::try_from(count.get()).unwrap_or(usize::MAX),
    };
    if found < needed {
        return Err(Error::TooFewServices { what, needed, found });
    }
    Ok(Chosen { services: chosen, needed })
}

fn services_json(services: &[Service]) -> Vec<Value> {
    let one = |service: &Service| {
        json!({
            "url": service.url,
            "majorApiVersion": service.api_version,
            "validFor": window_json(service.valid_from, service.valid_until),
            "operator": service.operator,
        })
    };
    services.iter().map(one).collect()
}

fn service(json: Json<'_>) -> Result<Service, Error> {
    let mut object = json.object()?;
    let url = object.take("url", |url| {
        let url = url.name()?.into_owned();
        let known = url.starts_with("https://") || url.starts_with("http://");
        if known { Ok(url) } else { Err(shape("a URL such as https://log.example")) }
    })?;
    let api_version = object.take("majorApiVersion", |version| small(&version))?;
    let (valid_from, valid_until) = object.take("validFor", window)?;
    let operator = object.take_optional("operator", Json::name)?.unwrap_or_default().into_owned();
    object.finish().map(|()| Service { url, api_version, valid_from, valid_until, operator })
}

fn selector_json(selector: Selector) -> Value {
    let (name, count) = match selector {
        Selector::Any => (ANY, None),
        Selector::All => (ALL, None),
        Selector::Exact(count) => (EXACT, Some(count.get())),
    };
    let mut object = Map::from_iter([("selector".to_owned(), name.into())]);
    object.extend(count.map(|count| ("count".to_owned(), count.into())));
    object.into()
}

/// Reads a selector; cosign writes an empty object where there is nothing to select from.
fn selector(json: Json<'_>) -> Result<Option<Selector>, Error> {
    let mut object = json.object()?;
    let Some(name) = object.take_optional("selector", Json::name)? else {
        return object.finish().map(|()| None);
    };
    let count = object.take_optional("count", |count| small(&count))?.and_then(NonZeroU32::new);
    object.finish()?;
    match (name.as_ref(), count) {
        (ANY, None) => Ok(Some(Selector::Any)),
        (ALL, None) => Ok(Some(Selector::All)),
        (EXACT, Some(count)) => Ok(Some(Selector::Exact(count))),
        (EXACT, None) => Err(Error::Missing { path: "count".to_owned() }),
        (ANY | ALL, Some(_)) => Err(Error::UnknownField { path: "count".to_owned() }),
        _ => Err(unsupported("selector", &name).within("selector")),
    }
}

/// Reads a `uint32`, a JSON number.
fn small(json: &Json<'_>) -> Result<u32, Error> {
    match *json {
        Json::Unsigned(number) => u32::try_from(number).map_err(|_| shape("a 32-bit number")),
        _ => Err(shape("a number")),
    }
}

fn shape(expected: &'static str) -> Error {
    Error::Shape { path: String::new(), expected }
}

fn unsupported(what: &'static str, found: &str) -> Error {
    Error::Unsupported { path: String::new(), what, found: found.to_owned() }
}

const MEDIA_TYPE: &str = "application/vnd.dev.sigstore.signingconfig.v0.2+json";
const ANY: &str = "ANY";
const ALL: &str = "ALL";
const EXACT: &str = "EXACT";
const MAX_SERVICES: usize = 1_024;
const LIMITS: Limits = Limits { bytes: 1 << 20, depth: 6, values: 65_536 };

#[cfg(test)]
mod tests;

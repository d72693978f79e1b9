//! The trusted root: which logs (and, for identities, which authorities) a verifier believes.
//!
//! ```json
//! {"mediaType":"application/vnd.dev.sigstore.trustedroot+json;version=0.1",
//!  "tlogs":[{"baseUrl":"https://log.example","hashAlgorithm":"SHA2_256",
//!    "publicKey":{"rawBytes":"<SPKI>","keyDetails":"PKIX_ED25519","validFor":{"start":"2026-01-01T00:00:00Z"}},
//!    "logId":{"keyId":"<SHA-256>"}}],
//!  "certificateAuthorities":[],"ctlogs":[],"timestampAuthorities":[]}
//! ```
//!
//! Source: `sigstore_trustroot.proto` of the Sigstore protobuf specifications. All four arrays are always written, because
//! sigstore-python refuses a root without them; cosign leaves the empty ones out, so only `tlogs` must be there to be read.
//! The log's origin is the host of its base URL, which is how sigstore-go names the key of a checkpoint. Of authorities only
//! the form is read: their certificates and keys stay the bytes that came, for whoever verifies with them.

use std::collections::BTreeSet;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use serde_json::{Value, json};

use sealwax_keys::{KeyKind, PublicKey, Scheme};
use sealwax_tlog::VerifierKey;

use crate::Error;
use crate::json::{Json, Limits, parse};

/// The logs and authorities that a verifier trusts.
#[derive(Clone, Debug, Default)]
pub struct TrustedRoot {
    /// Every log whose checkpoints can be verified here, frozen and coming ones included.
    pub logs: Vec<LogInstance>,
    /// Who certifies identities.
    pub certificate_authorities: Vec<AuthorityInstance>,
    /// The logs of certificates, whose timestamps a certificate carries.
    pub ct_logs: Vec<CtLogInstance>,
    /// Who says when something was signed (RFC 3161).
    pub timestamp_authorities: Vec<AuthorityInstance>,
}

/// A certificate authority or a time-stamping authority.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuthorityInstance {
    /// The organization in its subject; empty where none is stated.
    pub organization: String,
    /// The common name in its subject; empty where none is stated.
    pub common_name: String,
    /// Where it is asked; empty where it is not said. Never fetched by a verifier.
    pub uri: String,
    /// Its certificates, DER, the anchor last: for a certificate authority from the one that signs leaves, for a
    /// time-stamping authority from the one that signs tokens.
    pub chain: Vec<Vec<u8>>,
    /// Since when what it signs is believed.
    pub valid_from: Timestamp,
    /// Until when (inclusive), if it was retired.
    pub valid_until: Option<Timestamp>,
    /// Who runs it, where it is said.
    pub operator: Option<String>,
}

impl AuthorityInstance {
    /// Gives what people know it by: its common name, else its organization, else where it is asked.
    pub fn name(&self) -> &str {
        [&self.common_name, &self.organization].into_iter().find(|name| !name.is_empty()).unwrap_or(&self.uri)
    }

    /// Whether what it signed at `time` is believed; both ends are inclusive.
    pub fn is_valid_at(&self, time: Timestamp) -> bool {
        within(time, self.valid_from, self.valid_until)
    }
}

/// A certificate-transparency log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CtLogInstance {
    /// Where it is served. Never fetched by a verifier.
    pub base_url: String,
    /// Its public key, as SubjectPublicKeyInfo DER.
    pub key: Vec<u8>,
    /// The Sigstore name of the key's scheme, such as `PKIX_ECDSA_P256_SHA_256`.
    pub key_details: String,
    /// The id that a certificate's timestamp names it by: SHA-256 of the key (RFC 6962 section 3.2).
    pub log_id: Vec<u8>,
    /// Since when its timestamps are believed.
    pub valid_from: Timestamp,
    /// Until when (inclusive), if it was retired.
    pub valid_until: Option<Timestamp>,
    /// Who runs it, where it is said.
    pub operator: Option<String>,
}

impl CtLogInstance {
    /// Whether what it signed at `time` is believed; both ends are inclusive.
    pub fn is_valid_at(&self, time: Timestamp) -> bool {
        within(time, self.valid_from, self.valid_until)
    }
}

/// One transparency log.
#[derive(Clone, Debug)]
pub struct LogInstance {
    /// The origin line of the log's checkpoints, a host name.
    pub origin: String,
    /// The log's public key.
    pub key: PublicKey,
    /// The key id that a bundle names the log by: SHA-256 of origin, newline, 0x01 and the key for Ed25519, of the
    /// SubjectPublicKeyInfo for ECDSA (C2SP signed-note; Rekor v2).
    pub log_id: Vec<u8>,
    /// Since when the key is valid.
    pub valid_from: Timestamp,
    /// Until when (inclusive), if the log is frozen or its key was retired.
    pub valid_until: Option<Timestamp>,
}

impl LogInstance {
    /// Describes a log from its origin and Ed25519 or ECDSA P-256 key.
    ///
    /// # Errors
    /// [`Error::Unsupported`] for another kind of key, [`Error::Shape`] for an origin that cannot name a key.
    pub fn new(origin: String, key: PublicKey, valid_from: Timestamp) -> Result<Self, Error> {
        let log_id = verifier_key(&origin, &key)?.log_id().to_vec();
        Ok(Self { origin, key, log_id, valid_from, valid_until: None })
    }

    /// Whether what it signed at `time` is believed; both ends are inclusive.
    pub fn is_valid_at(&self, time: Timestamp) -> bool {
        within(time, self.valid_from, self.valid_until)
    }

    /// Gives the key that verifies the log's checkpoints.
    ///
    /// # Errors
    /// As [`LogInstance::new`].
    pub fn verifier_key(&self) -> Result<VerifierKey, Error> {
        verifier_key(&self.origin, &self.key)
    }
}

impl TrustedRoot {
    /// Writes the root, indented for people.
    pub fn to_json(&self) -> String {
        format!("{:#}\n", self.to_value())
    }

    pub(crate) fn to_value(&self) -> Value {
        let log = |log: &LogInstance| {
            json!({
                "baseUrl": format!("https://{}", log.origin),
                "hashAlgorithm": HASH_ALGORITHM,
                "publicKey": {
                    "rawBytes": STANDARD.encode(log.key.spki_der()),
                    "keyDetails": note_scheme(&log.key).map_or("", Scheme::key_details),
                    "validFor": window_json(log.valid_from, log.valid_until),
                },
                "logId": {"keyId": STANDARD.encode(&log.log_id)},
            })
        };
        json!({
            "mediaType": MEDIA_TYPE,
            "tlogs": self.logs.iter().map(log).collect::<Vec<_>>(),
            "certificateAuthorities": authorities_json(&self.certificate_authorities),
            "ctlogs": self.ct_logs.iter().map(ct_log_json).collect::<Vec<_>>(),
            "timestampAuthorities": authorities_json(&self.timestamp_authorities),
        })
    }

    /// Reads a root.
    ///
    /// # Errors
    /// [`Error::Unsupported`] for another media type, or a log key that is not what its details say; [`Error::Key`] for one
    /// that cannot be read; [`Error::Shape`] where a log's id is not that of its key, a log is listed twice, or a
    /// validity ends before it starts; [`Error::Missing`] without `tlogs`, the start of a validity, or a certificate of an
    /// authority; shape errors otherwise, unknown fields included. A log that signs with a kind of key
    /// that is not read is left out without an error.
    pub fn from_json(text: &[u8]) -> Result<Self, Error> {
        Self::read(parse(text, LIMITS)?)
    }

    pub(crate) fn read(json: Json<'_>) -> Result<Self, Error> {
        let mut root = json.object()?;
        let media_type = root.take("mediaType", Json::name)?;
        if !READ_MEDIA_TYPES.contains(&media_type.as_ref()) {
            let (path, found) = ("mediaType".to_owned(), media_type.into_owned());
            return Err(Error::Unsupported { path, what: "media type", found });
        }
        let logs = root.take("tlogs", |list| list.list(MAX_INSTANCES, log_instance))?;
        let mut authorities = |name| {
            root.take_optional(name, |list| list.list(MAX_INSTANCES, authority))
                .map(Option::unwrap_or_default)
        };
        let certificate_authorities = authorities("certificateAuthorities")?;
        let timestamp_authorities = authorities("timestampAuthorities")?;
        let ct_logs = root.take_optional("ctlogs", |list| list.list(MAX_INSTANCES, ct_log))?;
        root.finish()?;
        let logs: Vec<LogInstance> = logs.into_iter().flatten().collect();
        let ct_logs = ct_logs.unwrap_or_default();
        once("tlogs", logs.iter().map(|log| &log.log_id))?;
        once("ctlogs", ct_logs.iter().map(|log| &log.log_id))?;
        Ok(Self { logs, certificate_authorities, ct_logs, timestamp_authorities })
    }
}

/// Reads one log, or nothing where it hashes or signs as none of ours does.
///
/// Such a log is left out and not refused, because public roots list logs of several kinds and of times to come, and the
/// rest of the root must stay usable. It cannot widen what is trusted: an entry of a log that was left out is one of an
/// unknown log. What is malformed is refused whatever its kind.
fn log_instance(json: Json<'_>) -> Result<Option<LogInstance>, Error> {
    let mut object = json.object()?;
    let origin = object.take("baseUrl", |url| host(&url.string()?))?;
    let known_hash = object.take("hashAlgorithm", |value| Ok(value.string()? == HASH_ALGORITHM))?;
    let (key, valid_from, valid_until) = object.take("publicKey", log_key)?;
    let log_id = object.take("logId", key_id)?;
    // The first four bytes of the note's key id, for logs whose log id is something else; ours is derived from the key.
    object.take_optional("checkpointKeyId", key_id)?;
    object.take_optional("operator", Json::name)?;
    object.finish()?;
    let (Some(key), true) = (key, known_hash) else { return Ok(None) };
    let expected = verifier_key(&origin, &key)?.log_id().to_vec();
    if log_id != expected {
        return Err(Error::Shape { path: "logId".to_owned(), expected: "the id of the log's key" });
    }
    Ok(Some(LogInstance { origin, key, log_id, valid_from, valid_until }))
}

fn authorities_json(authorities: &[AuthorityInstance]) -> Vec<Value> {
    let one = |authority: &AuthorityInstance| {
        let certificates: Vec<Value> =
            authority.chain.iter().map(|der| json!({"rawBytes": STANDARD.encode(der)})).collect();
        let mut value = json!({
            "subject": {"organization": authority.organization, "commonName": authority.common_name},
            "uri": authority.uri,
            "certChain": {"certificates": certificates},
            "validFor": window_json(authority.valid_from, authority.valid_until),
        });
        add_operator(&mut value, authority.operator.as_deref());
        value
    };
    authorities.iter().map(one).collect()
}

fn ct_log_json(log: &CtLogInstance) -> Value {
    let mut value = json!({
        "baseUrl": log.base_url,
        "hashAlgorithm": HASH_ALGORITHM,
        "publicKey": {
            "rawBytes": STANDARD.encode(&log.key),
            "keyDetails": log.key_details,
            "validFor": window_json(log.valid_from, log.valid_until),
        },
        "logId": {"keyId": STANDARD.encode(&log.log_id)},
    });
    add_operator(&mut value, log.operator.as_deref());
    value
}

fn add_operator(value: &mut Value, operator: Option<&str>) {
    if let (Some(operator), Some(object)) = (operator, value.as_object_mut()) {
        object.insert("operator".to_owned(), operator.into());
    }
}

fn authority(json: Json<'_>) -> Result<AuthorityInstance, Error> {
    let mut object = json.object()?;
    let text = |value: Json<'_>| value.name().map(std::borrow::Cow::into_owned);
    let (organization, common_name) = object
        .take_optional("subject", |value| {
            let mut value = value.object()?;
            let organization = value.take_optional("organization", text)?.unwrap_or_default();
            let common_name = value.take_optional("commonName", text)?.unwrap_or_default();
            value.finish().map(|()| (organization, common_name))
        })?
        .unwrap_or_default();
    let uri = object.take_optional("uri", text)?.unwrap_or_default();
    let chain = object.take("certChain", |value| {
        let mut value = value.object()?;
        let certificates = value.take("certificates", |list| list.list(MAX_CHAIN, raw_bytes))?;
        value.finish().map(|()| certificates)
    })?;
    if chain.is_empty() {
        return Err(Error::Missing { path: "certChain".to_owned() });
    }
    let (valid_from, valid_until) = object.take("validFor", window)?;
    let operator = object.take_optional("operator", text)?;
    object.finish()?;
    Ok(AuthorityInstance { organization, common_name, uri, chain, valid_from, valid_until, operator })
}

fn ct_log(json: Json<'_>) -> Result<CtLogInstance, Error> {
    let mut object = json.object()?;
    let text = |value: Json<'_>| value.name().map(std::borrow::Cow::into_owned);
    let base_url = object.take_optional("baseUrl", text)?.unwrap_or_default();
    object.take("hashAlgorithm", |value| match value.name()? {
        name if name == HASH_ALGORITHM => Ok(()),
        other => {
            let (path, found) = (String::new(), other.into_owned());
            Err(Error::Unsupported { path, what: "hash of a log of certificates", found })
        }
    })?;
    let (key, key_details, valid_from, valid_until) = object.take("publicKey", |value| {
        let mut value = value.object()?;
        let key = value.take("rawBytes", Json::base64)?;
        let details = value.take("keyDetails", text)?;
        let (start, end) = value.take("validFor", window)?;
        value.finish().map(|()| (key, details, start, end))
    })?;
    let log_id = object.take("logId", key_id)?;
    object.take_optional("checkpointKeyId", key_id)?;
    let operator = object.take_optional("operator", text)?;
    object.finish()?;
    Ok(CtLogInstance { base_url, key, key_details, log_id, valid_from, valid_until, operator })
}

fn raw_bytes(json: Json<'_>) -> Result<Vec<u8>, Error> {
    let mut object = json.object()?;
    let bytes = object.take("rawBytes", Json::base64)?;
    object.finish().map(|()| bytes)
}

fn within(time: Timestamp, start: Timestamp, end: Option<Timestamp>) -> bool {
    time >= start && end.is_none_or(|end| time <= end)
}

/// Refuses a log that is listed twice: with two times of validity it would be unclear which one holds.
fn once<'a>(list: &str, ids: impl Iterator<Item = &'a Vec<u8>>) -> Result<(), Error> {
    let mut seen = BTreeSet::new();
    match ids.into_iter().all(|id| seen.insert(id)) {
        true => Ok(()),
        false => Err(Error::Shape { path: list.to_owned(), expected: "each log once" }),
    }
}

/// Reads a log's key, none where it is of a kind that signs no checkpoint here, and its validity.
fn log_key(json: Json<'_>) -> Result<(Option<PublicKey>, Timestamp, Option<Timestamp>), Error> {
    let mut object = json.object()?;
    let der = object.take("rawBytes", Json::base64)?;
    let details = object.take("keyDetails", Json::name)?;
    let (start, end) = object.take("validFor", window)?;
    object.finish()?;
    let scheme = Scheme::from_key_details(&details).filter(|scheme| NOTE_SCHEMES.contains(scheme));
    let Some(scheme) = scheme else { return Ok((None, start, end)) };
    let key = PublicKey::from_spki_der(&der)
        .map_err(|source| Error::Key { path: "rawBytes".to_owned(), source })?;
    if note_scheme(&key) != Some(scheme) {
        let found = details.into_owned();
        return Err(Error::Unsupported { path: "keyDetails".to_owned(), what: "kind of log key", found });
    }
    Ok((Some(key), start, end))
}

fn key_id(json: Json<'_>) -> Result<Vec<u8>, Error> {
    let mut object = json.object()?;
    let key_id = object.take("keyId", Json::base64)?;
    object.finish().map(|()| key_id)
}

/// Writes a time of validity, both ends inclusive.
pub(crate) fn window_json(start: Timestamp, end: Option<Timestamp>) -> Value {
    match end {
        None => json!({"start": start.to_string()}),
        Some(end) => json!({"start": start.to_string(), "end": end.to_string()}),
    }
}

/// Reads a time of validity. Without a start it would be unbounded: refused, never guessed (attack M08).
pub(crate) fn window(json: Json<'_>) -> Result<(Timestamp, Option<Timestamp>), Error> {
    let mut window = json.object()?;
    let start = window.take("start", timestamp)?;
    let end = window.take_optional("end", timestamp)?;
    window.finish()?;
    if end.is_some_and(|end| end < start) {
        return Err(Error::Shape { path: "end".to_owned(), expected: "an end that is not before the start" });
    }
    Ok((start, end))
}

fn timestamp(json: Json<'_>) -> Result<Timestamp, Error> {
    let expected = "a time such as 2026-01-01T00:00:00Z";
    json.string()?.parse().map_err(|_| Error::Shape { path: String::new(), expected })
}

/// The host of a base URL, the origin of the log's checkpoints.
fn host(url: &str) -> Result<String, Error> {
    let expected = "a URL such as https://log.example";
    let rest = url.strip_prefix("https://").or_else(|| url.strip_prefix("http://"));
    let host = rest.map(|rest| rest.split(['/', '?', '#', ':']).next().unwrap_or_default());
    match host {
        Some(host) if !host.is_empty() && !host.contains('@') => Ok(host.to_owned()),
        _ => Err(Error::Shape { path: String::new(), expected }),
    }
}

fn note_scheme(key: &PublicKey) -> Option<Scheme> {
    match key.kind() {
        KeyKind::Ed25519 => Some(Scheme::Ed25519),
        KeyKind::P256 => Some(Scheme::EcdsaP256Sha256),
        _ => None,
    }
}

fn verifier_key(origin: &str, key: &PublicKey) -> Result<VerifierKey, Error> {
    let made = match key.kind() {
        KeyKind::Ed25519 => VerifierKey::from_ed25519(origin, key),
        KeyKind::P256 => VerifierKey::from_ecdsa(origin, key),
        other => {
            let found = other.to_string();
            return Err(Error::Unsupported { path: String::new(), what: "kind of log key", found });
        }
    };
    made.map_err(|_| Error::Shape { path: "baseUrl".to_owned(), expected: "a host that can name a key" })
}

const MEDIA_TYPE: &str = "application/vnd.dev.sigstore.trustedroot+json;version=0.1";
const READ_MEDIA_TYPES: [&str; 2] = [MEDIA_TYPE, "application/vnd.dev.sigstore.trustedroot.v0.2+json"];

/// The schemes of checkpoint signatures that are verified here.
const NOTE_SCHEMES: [Scheme; 2] = [Scheme::Ed25519, Scheme::EcdsaP256Sha256];
const HASH_ALGORITHM: &str = "SHA2_256";
const MAX_INSTANCES: usize = 1_024;
const MAX_CHAIN: usize = 32;
const LIMITS: Limits = Limits { bytes: 4 << 20, depth: 12, values: 65_536 };

#[cfg(test)]
mod tests;

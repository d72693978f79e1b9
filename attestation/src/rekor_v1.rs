//! Entries of a Rekor v1 log, read for comparison: such a log is no longer written to, and its bodies cannot be rebuilt.
//!
//! ```json
//! {"apiVersion":"0.0.1","kind":"dsse","spec":{"envelopeHash":{"algorithm":"sha256","value":"<hex>"},
//!  "payloadHash":{"algorithm":"sha256","value":"<hex>"},"signatures":[{"signature":"…","verifier":"<base64 of PEM>"}]}}
//! ```
//!
//! What is compared is what binds a signature: the hash, the signature itself, and who verifies it. `envelopeHash` (and
//! `hash` of an `intoto` entry) is over the envelope's text as it was once submitted, which no bundle keeps: it is read and
//! left alone. Source: the JSON schemas of Rekor v1 (`hashedrekord` 0.0.1, `dsse` 0.0.1, `intoto` 0.0.2).

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sealwax_keys::{Certificate, HashAlgorithm, PublicKey};

use crate::Error;
use crate::entry::{EntryFormat, Verifier};
use crate::json::{Json, Limits, parse};

/// What a Rekor v1 log records about one signature.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RekorV1 {
    /// The hash of the signed file, or of an envelope's payload.
    pub digest: (HashAlgorithm, Vec<u8>),
    /// The payload's type, which only `intoto` entries record.
    pub payload_type: Option<String>,
    /// The signature.
    pub signature: Vec<u8>,
    /// What verifies it.
    pub verifier: Verifier,
}

impl RekorV1 {
    /// Reads the body of an entry that is of one of the three Rekor v1 formats.
    ///
    /// # Errors
    /// [`Error::EntryKind`] where the body says to be of another kind or version than the entry, [`Error::SignatureCount`]
    /// for an envelope without exactly one signature, [`Error::Key`] for a verifier that is neither certificate nor key, and
    /// shape errors, unknown fields included.
    pub fn from_body(format: EntryFormat, body: &[u8]) -> Result<Self, Error> {
        let mut object = parse(body, LIMITS)?.object()?;
        let kind = object.take("kind", Json::name)?;
        let version = object.take("apiVersion", Json::name)?;
        if !format.is_rekor_v1() || format.kind_version() != (&kind, &version) {
            return Err(Error::EntryKind { kind: kind.into_owned(), version: version.into_owned() });
        }
        let entry = object.take(
            "spec",
            match format {
                EntryFormat::Dsse001 => dsse,
                EntryFormat::Intoto002 => intoto,
                _ => hashed_rekord,
            },
        )?;
        object.finish().map(|()| entry)
    }
}

fn hashed_rekord(json: Json<'_>) -> Result<RekorV1, Error> {
    let mut spec = json.object()?;
    let digest = spec.take("data", |value| {
        let mut value = value.object()?;
        let digest = value.take("hash", digest)?;
        value.finish().map(|()| digest)
    })?;
    let (signature, verifier) = spec.take("signature", |value| {
        let mut value = value.object()?;
        let signature = value.take("content", Json::base64)?;
        let verifier = value.take("publicKey", |key| {
            let mut key = key.object()?;
            let verifier = key.take("content", pem)?;
            key.finish().map(|()| verifier)
        })?;
        value.finish().map(|()| (signature, verifier))
    })?;
    spec.finish()?;
    Ok(RekorV1 { digest, payload_type: None, signature, verifier })
}

fn dsse(json: Json<'_>) -> Result<RekorV1, Error> {
    let mut spec = json.object()?;
    spec.take("envelopeHash", digest)?;
    let digest = spec.take("payloadHash", digest)?;
    let (signature, verifier) = spec.take("signatures", |list| {
        only(list.list(MAX_SIGNATURES, |value| {
            let mut value = value.object()?;
            let signature = value.take("signature", Json::base64)?;
            let verifier = value.take("verifier", pem)?;
            value.finish().map(|()| (signature, verifier))
        })?)
    })?;
    spec.finish()?;
    Ok(RekorV1 { digest, payload_type: None, signature, verifier })
}

fn intoto(json: Json<'_>) -> Result<RekorV1, Error> {
    let mut spec = json.object()?;
    let entry = spec.take("content", |value| {
        let mut content = value.object()?;
        let (payload_type, (signature, verifier)) = content.take("envelope", intoto_envelope)?;
        content.take("hash", digest)?;
        let digest = content.take("payloadHash", digest)?;
        content.finish()?;
        Ok(RekorV1 { digest, payload_type: Some(payload_type), signature, verifier })
    })?;
    spec.finish().map(|()| entry)
}

fn intoto_envelope(json: Json<'_>) -> Result<(String, (Vec<u8>, Verifier)), Error> {
    let mut envelope = json.object()?;
    // The payload may stand there too; its hash is what is compared.
    envelope.take_optional("payload", |value| value.string().map(drop))?;
    let payload_type = envelope.take("payloadType", Json::name)?.into_owned();
    let signed = envelope.take("signatures", |list| {
        only(list.list(MAX_SIGNATURES, |value| {
            let mut value = value.object()?;
            value.take_optional("keyid", |id| id.name().map(drop))?;
            let verifier = value.take("publicKey", pem)?;
            // Such a log encodes the signature twice; what was encoded once is no less that signature.
            let once = value.take("sig", Json::base64)?;
            let signature = STANDARD.decode(&once).unwrap_or(once);
            value.finish().map(|()| (signature, verifier))
        })?)
    })?;
    envelope.finish().map(|()| (payload_type, signed))
}

fn only<T>(list: Vec<T>) -> Result<T, Error> {
    let count = list.len();
    <[T; 1]>::try_from(list).map(|[only]| only).map_err(|_| Error::SignatureCount(count))
}

fn digest(json: Json<'_>) -> Result<(HashAlgorithm, Vec<u8>), Error> {
    let mut object = json.object()?;
    let hash = object.take("algorithm", |value| match value.name()?.as_ref() {
        "sha256" => Ok(HashAlgorithm::Sha256),
        "sha384" => Ok(HashAlgorithm::Sha384),
        "sha512" => Ok(HashAlgorithm::Sha512),
        other => {
            let (path, found) = (String::new(), other.to_owned());
            Err(Error::Unsupported { path, what: "hash of a log entry", found })
        }
    })?;
    let digest = object.take("value", Json::hex)?;
    object.finish()?;
    if digest.len() == hash.len() {
        return Ok((hash, digest));
    }
    Err(Error::Shape { path: "value".to_owned(), expected: "a digest as long as its hash" })
}

/// Reads base64 of the PEM text of one certificate or public key.
fn pem(json: Json<'_>) -> Result<Verifier, Error> {
    let text = json.base64()?;
    let key = |source| Error::Key { path: String::new(), source };
    match Certificate::from_pem_chain(&text).map(<[Certificate; 1]>::try_from) {
        Ok(Ok([certificate])) => Ok(Verifier::Certificate(certificate.der().to_vec())),
        Ok(Err(_)) => Err(Error::Shape { path: String::new(), expected: "one certificate" }),
        Err(sealwax_keys::Error::PublicKeyGiven) => {
            PublicKey::from_pem(&text).map(|key| Verifier::from(&key)).map_err(key)
        }
        Err(source) => Err(key(source)),
    }
}

/// Enough to count and refuse them.
const MAX_SIGNATURES: usize = 32;

/// An `intoto` entry may hold its payload, a provenance statement of some hundred kilobytes.
const LIMITS: Limits = Limits { bytes: 8 << 20, depth: 8, values: 256 };

#[cfg(test)]
mod tests;

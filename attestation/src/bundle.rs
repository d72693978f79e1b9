//! The Sigstore bundle: an envelope and everything needed to verify it offline, in one line of JSON.
//!
//! ```json
//! {"mediaType":"application/vnd.dev.sigstore.bundle.v0.3+json",
//!  "verificationMaterial":{"publicKey":{"hint":"<hex>"},"tlogEntries":[{…}]},
//!  "dsseEnvelope":{"payload":"…","payloadType":"application/vnd.in-toto+json","signatures":[{"sig":"…","keyid":""}]}}
//! ```
//!
//! Source: `sigstore_bundle.proto` of the Sigstore protobuf specifications, with the OpenSSF Model Signing v1.0 profile for
//! keys and certificates. Unknown fields are refused at every level, as model_signing does.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use sealwax_keys::PublicKey;

use crate::Error;
use crate::entry::{TransparencyLogEntry, scheme};
use crate::envelope::Envelope;
use crate::json::{Json, Limits, parse};

/// A bundle as parsed or as built: nothing about it is verified.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bundle {
    /// What names the signer.
    pub material: VerificationMaterial,
    /// The log entries, at most 32.
    pub log_entries: Vec<TransparencyLogEntry>,
    /// RFC 3161 time-stamp responses, DER, at most 32; carried, and trusted for nothing.
    pub timestamps: Vec<Vec<u8>>,
    /// The signed statement.
    pub envelope: Envelope,
}

/// What a bundle offers to verify its signature with. Never a reason to trust it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(clippy::large_enum_variant, reason = "one a bundle, never in a list")]
pub enum VerificationMaterial {
    /// A key that the verifier must already have.
    PublicKey {
        /// The SHA-256 of the key's PEM text in lower-case hexadecimal (OMS v1.0); empty in older bundles.
        hint: String,
        /// The key itself, as model_signing wrote it before 1.1.
        key: Option<PublicKey>,
    },
    /// A leaf certificate and others, DER, leaf first, from a private certificate authority.
    CertificateChain(Vec<Vec<u8>>),
    /// A short-lived certificate of a Sigstore certificate authority, DER.
    Certificate(Vec<u8>),
}

impl Bundle {
    /// The largest bundle that is read, in bytes: about a million files.
    pub const MAX_BYTES: usize = 256 << 20;

    /// Writes the bundle as one line of JSON.
    pub fn to_json(&self) -> String {
        let entries: Vec<Value> = self.log_entries.iter().map(TransparencyLogEntry::to_json).collect();
        let raw = |der: &Vec<u8>| json!({"rawBytes": STANDARD.encode(der)});
        let (name, material) = match &self.material {
            VerificationMaterial::PublicKey { hint, .. } => ("publicKey", json!({"hint": hint})),
            VerificationMaterial::CertificateChain(chain) => {
                let certificates: Vec<Value> = chain.iter().map(raw).collect();
                ("x509CertificateChain", json!({"certificates": certificates}))
            }
            VerificationMaterial::Certificate(leaf) => ("certificate", raw(leaf)),
        };
        let mut verification_material = json!({name: material, "tlogEntries": entries});
        if let (false, Some(object)) = (self.timestamps.is_empty(), verification_material.as_object_mut()) {
            let signed = |der: &Vec<u8>| json!({"signedTimestamp": STANDARD.encode(der)});
            let timestamps: Vec<Value> = self.timestamps.iter().map(signed).collect();
            object.insert("timestampVerificationData".to_owned(), json!({"rfc3161Timestamps": timestamps}));
        }
        // The envelope is written beside, not through, a JSON value: it is nearly all of the bundle.
        let envelope = self.envelope.to_json();
        format!(
            r#"{{"mediaType":"{MEDIA_TYPE}","verificationMaterial":{verification_material},"dsseEnvelope":{envelope}}}"#
        )
    }

    /// Reads a bundle.
    ///
    /// # Errors
    /// [`Error::TooLarge`] beyond [`Bundle::MAX_BYTES`], [`Error::MediaType`] for anything but bundle version 0.3 in its
    /// two spellings, [`Error::EntryKind`] for a log entry of a kind that is not read, [`Error::Missing`] for an identity
    /// certificate without a log entry, and shape errors, unknown fields included.
    pub fn from_json(text: &[u8]) -> Result<Self, Error> {
        let mut bundle = parse(text, LIMITS)?.object()?;
        let media_type = bundle.take("mediaType", Json::name)?;
        if !READ_MEDIA_TYPES.contains(&media_type.as_ref()) {
            return Err(Error::MediaType(media_type.into_owned()));
        }
        if bundle.has("messageSignature") {
            let found = "messageSignature".to_owned();
            return Err(Error::NotAModelStatement { what: "bundle content", found });
        }
        let (material, log_entries, timestamps) =
            bundle.take("verificationMaterial", verification_material)?;
        let envelope = bundle.take("dsseEnvelope", Envelope::from_json)?;
        bundle.finish()?;
        Ok(Self { material, log_entries, timestamps, envelope })
    }
}

type Material = (VerificationMaterial, Vec<TransparencyLogEntry>, Vec<Vec<u8>>);

fn verification_material(json: Json<'_>) -> Result<Material, Error> {
    let mut object = json.object()?;
    let key = object.take_optional("publicKey", public_key)?;
    let chain = object.take_optional("x509CertificateChain", |value| {
        let mut value = value.object()?;
        let certificates = value.take("certificates", |list| list.list(MAX_LIST, raw_bytes))?;
        value.finish().map(|()| certificates)
    })?;
    let leaf = object.take_optional("certificate", raw_bytes)?;
    let read_entries = |list: Json<'_>| list.list(MAX_LIST, TransparencyLogEntry::from_json);
    let log_entries = object.take_optional("tlogEntries", read_entries)?.unwrap_or_default();
    let timestamps = object.take_optional("timestampVerificationData", timestamps)?.unwrap_or_default();
    object.finish()?;
    let material = match (key, chain, leaf) {
        (Some(key), None, None) => key,
        (None, Some(chain), None) if !chain.is_empty() => VerificationMaterial::CertificateChain(chain),
        // Without a log nothing shows that a certificate of ten minutes was used within them.
        (None, None, Some(_)) if log_entries.is_empty() => {
            return Err(Error::Missing { path: "tlogEntries".to_owned() });
        }
        (None, None, Some(leaf)) => VerificationMaterial::Certificate(leaf),
        _ => {
            let expected = "exactly one of publicKey, x509CertificateChain and certificate";
            return Err(Error::Shape { path: String::new(), expected });
        }
    };
    Ok((material, log_entries, timestamps))
}

fn public_key(json: Json<'_>) -> Result<VerificationMaterial, Error> {
    let mut object = json.object()?;
    let hint = object.take_optional("hint", Json::name)?.unwrap_or_default().into_owned();
    // Before 1.1, model_signing put the key there: base64 of its PEM text.
    let key = object.take_optional("rawBytes", |value| {
        let pem = value.base64()?;
        PublicKey::from_pem(&pem).map_err(|source| Error::Key { path: String::new(), source })
    })?;
    object.take_optional("keyDetails", scheme)?;
    object.finish()?;
    Ok(VerificationMaterial::PublicKey { hint, key })
}

fn timestamps(json: Json<'_>) -> Result<Vec<Vec<u8>>, Error> {
    let mut object = json.object()?;
    let one = |value: Json<'_>| {
        let mut value = value.object()?;
        let token = value.take("signedTimestamp", Json::base64)?;
        value.finish().map(|()| token)
    };
    let list = object.take_optional("rfc3161Timestamps", |list| list.list(MAX_LIST, one))?;
    object.finish()?;
    Ok(list.unwrap_or_default())
}

fn raw_bytes(json: Json<'_>) -> Result<Vec<u8>, Error> {
    let mut object = json.object()?;
    let bytes = object.take("rawBytes", Json::base64)?;
    object.finish().map(|()| bytes)
}

const MEDIA_TYPE: &str = "application/vnd.dev.sigstore.bundle.v0.3+json";
const READ_MEDIA_TYPES: [&str; 2] = [MEDIA_TYPE, "application/vnd.dev.sigstore.bundle+json;version=0.3"];

/// Entries, certificates and time stamps of one bundle.
const MAX_LIST: usize = 32;

/// The largest honest bundle outside its payload string: 32 entries of 64 hashes each.
const LIMITS: Limits = Limits { bytes: Bundle::MAX_BYTES, depth: 12, values: 8_192 };

#[cfg(test)]
mod tests;

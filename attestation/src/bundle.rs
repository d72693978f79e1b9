//! The Sigstore bundle: a signature and everything needed to verify it offline, in one line of JSON.
//!
//! ```json
//! {"mediaType":"application/vnd.dev.sigstore.bundle.v0.3+json",
//!  "verificationMaterial":{"publicKey":{"hint":"<hex>"},"tlogEntries":[{…}]},
//!  "dsseEnvelope":{"payload":"…","payloadType":"application/vnd.in-toto+json","signatures":[{"sig":"…","keyid":""}]}}
//! ```
//!
//! or, over the bytes of any one file, with `"messageSignature":{"messageDigest":{"algorithm":"SHA2_256","digest":"…"},
//! "signature":"…"}` in place of the envelope.
//!
//! Source: `sigstore_bundle.proto` of the Sigstore protobuf specifications, with the OpenSSF Model Signing v1.0 profile for
//! keys and certificates. Unknown fields are refused at every level, as model_signing does. Version 0.3 is written; 0.1 and
//! 0.2, in which a certificate comes as a chain, are read too.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use sealwax_keys::{HashAlgorithm, PublicKey};

use crate::Error;
use crate::entry::{TransparencyLogEntry, scheme};
use crate::envelope::Envelope;
use crate::json::{Json, Limits, parse};

/// A bundle as parsed or as built: nothing about it is verified.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bundle {
    /// The version of the format.
    pub version: BundleVersion,
    /// What names the signer.
    pub material: VerificationMaterial,
    /// The log entries, at most 32.
    pub log_entries: Vec<TransparencyLogEntry>,
    /// RFC 3161 time-stamp responses, DER, at most 32.
    pub timestamps: Vec<Vec<u8>>,
    /// What is signed, and the signature.
    pub content: Content,
}

/// The version of a bundle's format.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum BundleVersion {
    /// 0.1: a certificate comes as a chain.
    V0_1,
    /// 0.2: the same.
    V0_2,
    /// 0.3, in both spellings of its media type: a Sigstore certificate comes alone.
    #[default]
    V0_3,
}

/// What a bundle's signature is over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Content {
    /// A statement in an envelope.
    Envelope(Envelope),
    /// The bytes of a file that the bundle does not hold.
    Message(MessageSignature),
}

/// A signature over the bytes of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MessageSignature {
    /// The file's hash, as the bundle claims it: a hint, only ever compared.
    pub digest: Option<(HashAlgorithm, Vec<u8>)>,
    /// The signature; ASN.1 DER for ECDSA.
    pub signature: Vec<u8>,
}

impl Content {
    /// Gives the signature's bytes, which are also what a time stamp is over.
    pub fn signature(&self) -> &[u8] {
        match self {
            Self::Envelope(envelope) => &envelope.signature,
            Self::Message(message) => &message.signature,
        }
    }
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

    /// Makes a bundle of version 0.3 that is in no log and has no time stamp yet.
    pub fn new(material: VerificationMaterial, content: Content) -> Self {
        let version = BundleVersion::V0_3;
        Self { version, material, log_entries: Vec::new(), timestamps: Vec::new(), content }
    }

    /// Gives the envelope of a signed statement.
    ///
    /// # Errors
    /// [`Error::NotAModelStatement`] where the signature is over the bytes of a file.
    pub fn envelope(&self) -> Result<&Envelope, Error> {
        match &self.content {
            Content::Envelope(envelope) => Ok(envelope),
            Content::Message(_) => {
                let found = "messageSignature".to_owned();
                Err(Error::NotAModelStatement { what: "bundle content", found })
            }
        }
    }

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
        let (name, content) = match &self.content {
            Content::Envelope(envelope) => ("dsseEnvelope", envelope.to_json()),
            Content::Message(message) => ("messageSignature", message.to_json().to_string()),
        };
        let media_type = self.version.media_type();
        format!(
            r#"{{"mediaType":"{media_type}","verificationMaterial":{verification_material},"{name}":{content}}}"#
        )
    }

    /// Reads a bundle.
    ///
    /// # Errors
    /// [`Error::TooLarge`] beyond [`Bundle::MAX_BYTES`], [`Error::MediaType`] for anything but bundle versions 0.1 to 0.3 in
    /// their four spellings, [`Error::EntryKind`] for a log entry of a kind that is not read, [`Error::Missing`] for an
    /// identity certificate without a log entry, and shape errors, unknown fields included.
    pub fn from_json(text: &[u8]) -> Result<Self, Error> {
        let mut bundle = parse(text, LIMITS)?.object()?;
        let media_type = bundle.take("mediaType", Json::name)?;
        let version = BundleVersion::from_media_type(&media_type)
            .ok_or_else(|| Error::MediaType(media_type.into_owned()))?;
        let (material, log_entries, timestamps) =
            bundle.take("verificationMaterial", verification_material)?;
        let message = bundle.take_optional("messageSignature", MessageSignature::from_json)?;
        let content = match message {
            Some(message) => Content::Message(message),
            None => Content::Envelope(bundle.take("dsseEnvelope", Envelope::from_json)?),
        };
        bundle.finish()?;
        Ok(Self { version, material, log_entries, timestamps, content })
    }
}

impl BundleVersion {
    /// Gives the media type that a bundle of this version is written with.
    fn media_type(self) -> &'static str {
        match self {
            Self::V0_1 => "application/vnd.dev.sigstore.bundle+json;version=0.1",
            Self::V0_2 => "application/vnd.dev.sigstore.bundle+json;version=0.2",
            Self::V0_3 => "application/vnd.dev.sigstore.bundle.v0.3+json",
        }
    }

    fn from_media_type(name: &str) -> Option<Self> {
        let known = [Self::V0_1, Self::V0_2, Self::V0_3].into_iter().find(|known| known.media_type() == name);
        known.or((name == "application/vnd.dev.sigstore.bundle+json;version=0.3").then_some(Self::V0_3))
    }
}

impl MessageSignature {
    fn to_json(&self) -> Value {
        let mut value = json!({"signature": STANDARD.encode(&self.signature)});
        if let (Some((hash, digest)), Some(object)) = (&self.digest, value.as_object_mut()) {
            let digest = json!({"algorithm": hash.protobuf_name(), "digest": STANDARD.encode(digest)});
            object.insert("messageDigest".to_owned(), digest);
        }
        value
    }

    fn from_json(json: Json<'_>) -> Result<Self, Error> {
        let mut object = json.object()?;
        let digest = object.take_optional("messageDigest", |value| {
            let mut value = value.object()?;
            let hash = value.take("algorithm", hash_algorithm)?;
            let digest = value.take("digest", Json::base64)?;
            value.finish()?;
            if digest.len() == hash.len() {
                return Ok((hash, digest));
            }
            Err(Error::Shape { path: "digest".to_owned(), expected: "a digest as long as its hash" })
        })?;
        let signature = object.take("signature", Json::base64)?;
        object.finish().map(|()| Self { digest, signature })
    }
}

fn hash_algorithm(json: Json<'_>) -> Result<HashAlgorithm, Error> {
    let name = json.name()?;
    let known = [HashAlgorithm::Sha256, HashAlgorithm::Sha384, HashAlgorithm::Sha512];
    known.into_iter().find(|hash| hash.protobuf_name() == name).ok_or_else(|| Error::Unsupported {
        path: String::new(),
        what: "hash algorithm",
        found: name.into_owned(),
    })
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

/// Entries, certificates and time stamps of one bundle.
const MAX_LIST: usize = 32;

/// The largest honest bundle outside its payload string: 32 entries of 64 hashes each.
const LIMITS: Limits = Limits { bytes: Bundle::MAX_BYTES, depth: 12, values: 8_192 };

#[cfg(test)]
mod tests;

//! The entry of a transparency log about one signature: Rekor v2 `hashedrekord` 0.0.2, and the proof that a log took it.
//!
//! The entry holds a digest of what was signed (for an envelope: of its pre-authentication encoding, by the hash of the
//! signature scheme), the signature, and the key or certificate. Its canonical body (RFC 8785) is the leaf of the log:
//!
//! ```json
//! {"apiVersion":"0.0.2","kind":"hashedrekord","spec":{"hashedRekordV002":{"data":{"algorithm":"SHA2_256",
//! "digest":"…"},"signature":{"content":"…","verifier":{"keyDetails":"PKIX_ECDSA_P256_SHA_256",
//! "publicKey":{"rawBytes":"…"}}}}}}
//! ```
//!
//! Sources: Rekor v2 client specification (section 6.1.4 for envelopes), `rekor/v2` protobuf definitions.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use sealwax_keys::{PublicKey, Scheme};

use crate::Error;
use crate::envelope::Envelope;
use crate::json::{Json, Limits, Object, parse};

/// What a log records about one signature.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HashedRekord {
    /// The scheme of the signature, which also fixes the hash.
    pub scheme: Scheme,
    /// The hash of the signed bytes.
    pub digest: Vec<u8>,
    /// The signature; ASN.1 DER for ECDSA.
    pub signature: Vec<u8>,
    /// What verifies it.
    pub verifier: Verifier,
}

/// The kinds of entry that a log takes, both in version 0.0.2.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EntryKind {
    /// A signature over a digest: [`HashedRekord`].
    HashedRekord,
    /// The signatures of an envelope over the hash of its payload: [`DsseEntry`](crate::DsseEntry).
    Dsse,
}

impl EntryKind {
    /// Gives the name in `kind` and `kindVersion`.
    pub fn name(self) -> &'static str {
        match self {
            Self::HashedRekord => "hashedrekord",
            Self::Dsse => "dsse",
        }
    }

    const ALL: [Self; 2] = [Self::HashedRekord, Self::Dsse];
}

/// What an entry in a bundle is: its kind and version.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum EntryFormat {
    /// `hashedrekord` 0.0.2 of a Rekor v2 log: [`HashedRekord`].
    #[default]
    HashedRekord002,
    /// `dsse` 0.0.2 of a Rekor v2 log, which older clients submit: [`DsseEntry`](crate::DsseEntry).
    Dsse002,
    /// `hashedrekord` 0.0.1 of a Rekor v1 log, as all below: [`RekorV1`](crate::RekorV1).
    HashedRekord001,
    /// `dsse` 0.0.1.
    Dsse001,
    /// `intoto` 0.0.2.
    Intoto002,
}

impl EntryFormat {
    /// Gives kind and version as they are written.
    pub fn kind_version(self) -> (&'static str, &'static str) {
        match self {
            Self::HashedRekord002 => ("hashedrekord", "0.0.2"),
            Self::Dsse002 => ("dsse", "0.0.2"),
            Self::HashedRekord001 => ("hashedrekord", "0.0.1"),
            Self::Dsse001 => ("dsse", "0.0.1"),
            Self::Intoto002 => ("intoto", "0.0.2"),
        }
    }

    /// Whether such entries are those of a Rekor v1 log, which promises inclusion and says when.
    pub fn is_rekor_v1(self) -> bool {
        !matches!(self, Self::HashedRekord002 | Self::Dsse002)
    }

    const ALL: [Self; 5] =
        [Self::HashedRekord002, Self::Dsse002, Self::HashedRekord001, Self::Dsse001, Self::Intoto002];
}

/// The key or certificate that a log entry names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verifier {
    /// A public key, as SubjectPublicKeyInfo DER.
    PublicKey(Vec<u8>),
    /// A leaf certificate, DER.
    Certificate(Vec<u8>),
}

impl HashedRekord {
    /// Makes the entry for an envelope signed under `scheme`.
    pub fn for_envelope(envelope: &Envelope, scheme: Scheme, verifier: Verifier) -> Self {
        let digest = scheme.hash().digest(&envelope.pae());
        Self { scheme, digest, signature: envelope.signature.clone(), verifier }
    }

    /// Writes the canonical body, the leaf of the log.
    ///
    /// # Errors
    /// [`Error::Json`] only if the canonical form could not be written, which no value of this type causes.
    pub fn to_body(&self) -> Result<Vec<u8>, Error> {
        let spec = json!({"hashedRekordV002": {
            "data": {
                "algorithm": self.scheme.hash().protobuf_name(),
                "digest": STANDARD.encode(&self.digest),
            },
            "signature": signature_json(self.scheme, &self.signature, &self.verifier),
        }});
        write_body(EntryKind::HashedRekord, &spec)
    }

    /// Reads a body.
    ///
    /// # Errors
    /// [`Error::EntryKind`] for another kind or version, [`Error::Unsupported`] for a scheme or hash that does not fit,
    /// and shape errors, unknown fields included.
    pub fn from_body(body: &[u8]) -> Result<Self, Error> {
        match read_body(body)? {
            (EntryKind::HashedRekord, spec) => Self::from_spec(spec),
            (kind, _) => Err(unknown_kind(kind.name(), VERSION)),
        }
    }

    /// Reads what [`read_body`] gives for this kind.
    pub(crate) fn from_spec(spec: Json<'_>) -> Result<Self, Error> {
        let mut spec = spec.object()?;
        let entry = spec.take("hashedRekordV002", hashed_rekord)?;
        spec.finish().map(|()| entry)
    }
}

/// Writes the body of any kind.
pub(crate) fn write_body(kind: EntryKind, spec: &Value) -> Result<Vec<u8>, Error> {
    let body = json!({"apiVersion": VERSION, "kind": kind.name(), "spec": spec});
    serde_json_canonicalizer::to_vec(&body).map_err(|error| Error::Json(error.to_string()))
}

/// Reads the body of any kind, as far as they are alike.
pub(crate) fn read_body(body: &[u8]) -> Result<(EntryKind, Json<'_>), Error> {
    let mut object = parse(body, BODY_LIMITS)?.object()?;
    let kind = object.take("kind", Json::name)?;
    let version = object.take("apiVersion", Json::name)?;
    let known = EntryKind::ALL.into_iter().find(|known| (known.name(), VERSION) == (&kind, &version));
    let kind = known.ok_or_else(|| unknown_kind(&kind, &version))?;
    let spec = object.take("spec", Ok)?;
    object.finish().map(|()| (kind, spec))
}

fn hashed_rekord(json: Json<'_>) -> Result<HashedRekord, Error> {
    let mut object = json.object()?;
    let (hash, digest) = object.take("data", |data| {
        let mut data = data.object()?;
        let hash = data.take("algorithm", Json::name)?;
        let digest = data.take("digest", Json::base64)?;
        data.finish().map(|()| (hash, digest))
    })?;
    let (scheme, signature, verifier) = object.take("signature", signature)?;
    object.finish()?;
    let entry = HashedRekord { scheme, digest, signature, verifier };
    if entry.scheme.hash().protobuf_name() != hash || entry.scheme.hash().len() != entry.digest.len() {
        let found = hash.into_owned();
        return Err(Error::Unsupported { path: "data".to_owned(), what: "hash for the scheme", found });
    }
    Ok(entry)
}

/// Writes a signature with what verifies it, the same in entries of every kind.
pub(crate) fn signature_json(scheme: Scheme, signature: &[u8], verifier: &Verifier) -> Value {
    let (name, der) = match verifier {
        Verifier::PublicKey(der) => ("publicKey", der),
        Verifier::Certificate(der) => ("x509Certificate", der),
    };
    json!({
        "content": STANDARD.encode(signature),
        "verifier": {"keyDetails": scheme.key_details(), name: {"rawBytes": STANDARD.encode(der)}},
    })
}

/// Reads a signature with what verifies it.
pub(crate) fn signature(json: Json<'_>) -> Result<(Scheme, Vec<u8>, Verifier), Error> {
    let mut object = json.object()?;
    let content = object.take("content", Json::base64)?;
    let (scheme, verifier) = object.take("verifier", verifier)?;
    object.finish().map(|()| (scheme, content, verifier))
}

fn verifier(json: Json<'_>) -> Result<(Scheme, Verifier), Error> {
    let mut object = json.object()?;
    let scheme = object.take("keyDetails", scheme)?;
    let raw_bytes = |value: Json<'_>| {
        let mut value = value.object()?;
        let bytes = value.take("rawBytes", Json::base64)?;
        value.finish().map(|()| bytes)
    };
    let verifier = match object.take_optional("publicKey", raw_bytes)? {
        Some(der) => Verifier::PublicKey(der),
        None => Verifier::Certificate(object.take("x509Certificate", raw_bytes)?),
    };
    object.finish().map(|()| (scheme, verifier))
}

pub(crate) fn scheme(json: Json<'_>) -> Result<Scheme, Error> {
    let name = json.name()?;
    let unsupported =
        || Error::Unsupported { path: String::new(), what: "key details", found: name.clone().into_owned() };
    Scheme::from_key_details(&name).ok_or_else(unsupported)
}

/// A log's answer for one entry, as a bundle carries it: `TransparencyLogEntry` of the Sigstore formats.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TransparencyLogEntry {
    /// What the entry is.
    pub format: EntryFormat,
    /// The entry's position in the log, from 0.
    pub log_index: u64,
    /// The log's key id; 32 bytes for a Rekor log.
    pub log_id: Vec<u8>,
    /// What a Rekor v1 log promised; always `None` for a Rekor v2 log.
    pub promise: Option<InclusionPromise>,
    /// The inclusion proof and the checkpoint it leads to.
    pub inclusion_proof: InclusionProof,
    /// The bytes that were logged, as the log gave them: only ever compared with what is rebuilt, or, from a Rekor v1 log,
    /// field by field.
    pub canonicalized_body: Vec<u8>,
}

/// A Rekor v1 log's promise to include an entry, and its word for when it took it ("signed entry timestamp").
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InclusionPromise {
    /// When the log took the entry, in seconds since 1970 UTC.
    pub integrated_time: u64,
    /// The log's signature over entry, index, log and time.
    pub signature: Vec<u8>,
}

/// An inclusion proof (RFC 6962 section 2.1.1) and the checkpoint that signs its root.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InclusionProof {
    /// The entry's position in the tree, from 0.
    pub log_index: u64,
    /// The tree's root hash.
    pub root_hash: [u8; 32],
    /// The tree's size, in entries.
    pub tree_size: u64,
    /// Sibling hashes from the leaf up.
    pub hashes: Vec<[u8; 32]>,
    /// The signed checkpoint, a C2SP note. Empty only where a Rekor v1 log gave none, which no verifier takes.
    pub checkpoint: String,
}

impl TransparencyLogEntry {
    /// Gives the entry as the JSON value of a bundle.
    pub fn to_json(&self) -> Value {
        let mut value = self.to_json_as(self.format.kind_version());
        if let (Some(promise), Some(object)) = (&self.promise, value.as_object_mut()) {
            object.insert("integratedTime".to_owned(), promise.integrated_time.to_string().into());
            let signed = json!({"signedEntryTimestamp": STANDARD.encode(&promise.signature)});
            object.insert("inclusionPromise".to_owned(), signed);
        }
        value
    }

    /// Gives the entry as a Rekor v2 server answers a submission: with its kind, and with the two fields that say nothing.
    pub fn to_answer(&self, kind: EntryKind) -> Value {
        let mut answer = self.to_json_as((kind.name(), VERSION));
        if let Some(object) = answer.as_object_mut() {
            object.insert("integratedTime".to_owned(), Value::from("0"));
            object.insert("inclusionPromise".to_owned(), Value::Null);
        }
        answer
    }

    fn to_json_as(&self, (kind, version): (&str, &str)) -> Value {
        let proof = &self.inclusion_proof;
        let hashes: Vec<String> = proof.hashes.iter().map(|hash| STANDARD.encode(hash)).collect();
        json!({
            "logIndex": self.log_index.to_string(),
            "logId": {"keyId": STANDARD.encode(&self.log_id)},
            "kindVersion": {"kind": kind, "version": version},
            "inclusionProof": {
                "logIndex": proof.log_index.to_string(),
                "rootHash": STANDARD.encode(proof.root_hash),
                "treeSize": proof.tree_size.to_string(),
                "hashes": hashes,
                "checkpoint": {"envelope": proof.checkpoint},
            },
            "canonicalizedBody": STANDARD.encode(&self.canonicalized_body),
        })
    }

    /// Reads an entry of a bundle.
    ///
    /// # Errors
    /// [`Error::EntryKind`] for anything but an [`EntryFormat`]; [`Error::UnprovenTime`] for a time without the promise that
    /// signs it; [`Error::Unsupported`] where an entry of a Rekor v2 log carries a promise, which such an entry never has;
    /// shape errors otherwise.
    pub fn from_json(json: Json<'_>) -> Result<Self, Error> {
        let mut object = json.object()?;
        let format = object.take("kindVersion", |value| {
            let mut value = value.object()?;
            let kind = value.take("kind", Json::name)?;
            let version = value.take("version", Json::name)?;
            value.finish()?;
            let known = EntryFormat::ALL.into_iter().find(|known| known.kind_version() == (&kind, &version));
            known.ok_or_else(|| unknown_kind(&kind, &version))
        })?;
        let log_index = object.take_optional("logIndex", Json::int64)?.unwrap_or(0);
        let log_id = object.take("logId", |value| {
            let mut value = value.object()?;
            let key_id = value.take("keyId", Json::base64)?;
            value.finish().map(|()| key_id)
        })?;
        let promise = inclusion_promise(&mut object, format)?;
        let inclusion_proof = object.take("inclusionProof", |value| inclusion_proof(value, format))?;
        let canonicalized_body = object.take("canonicalizedBody", Json::base64)?;
        object.finish()?;
        Ok(Self { format, log_index, log_id, promise, inclusion_proof, canonicalized_body })
    }
}

/// Rekor v2 writes time zero and no promise; any other value would be a claim that nothing signs (attack M01).
fn inclusion_promise(
    object: &mut Object<'_>,
    format: EntryFormat,
) -> Result<Option<InclusionPromise>, Error> {
    let integrated_time = object.take_optional("integratedTime", Json::int64)?.unwrap_or(0);
    let signature = object.take_optional("inclusionPromise", |promise| {
        let mut promise = promise.object()?;
        let signature = promise.take("signedEntryTimestamp", Json::base64)?;
        promise.finish().map(|()| signature)
    })?;
    match signature {
        None if integrated_time == 0 => Ok(None),
        None => Err(Error::UnprovenTime(integrated_time)),
        Some(_) if !format.is_rekor_v1() => {
            let (path, found) = ("inclusionPromise".to_owned(), format.kind_version().1.to_owned());
            Err(Error::Unsupported { path, what: "inclusion promise for a version", found })
        }
        Some(signature) => Ok(Some(InclusionPromise { integrated_time, signature })),
    }
}

fn inclusion_proof(json: Json<'_>, format: EntryFormat) -> Result<InclusionProof, Error> {
    let mut object = json.object()?;
    let log_index = object.take_optional("logIndex", Json::int64)?.unwrap_or(0);
    let root_hash = object.take("rootHash", hash)?;
    let tree_size = object.take("treeSize", Json::int64)?;
    let hashes =
        object.take_optional("hashes", |list| list.list(MAX_PROOF_HASHES, hash))?.unwrap_or_default();
    let checkpoint = object.take_optional("checkpoint", |value| {
        let mut value = value.object()?;
        let envelope = value.take("envelope", Json::string)?.into_owned();
        value.finish().map(|()| envelope)
    })?;
    object.finish()?;
    let checkpoint = match checkpoint {
        None if format.is_rekor_v1() => String::new(),
        None => return Err(Error::Missing { path: "checkpoint".to_owned() }),
        Some(checkpoint) => checkpoint,
    };
    Ok(InclusionProof { log_index, root_hash, tree_size, hashes, checkpoint })
}

fn hash(json: Json<'_>) -> Result<[u8; 32], Error> {
    let expected = "a SHA-256 hash of 32 bytes in base64";
    <[u8; 32]>::try_from(json.base64()?).map_err(|_| Error::Shape { path: String::new(), expected })
}

fn unknown_kind(kind: &str, version: &str) -> Error {
    Error::EntryKind { kind: kind.to_owned(), version: version.to_owned() }
}

/// Gives the verifier that an entry names for a public key.
impl From<&PublicKey> for Verifier {
    fn from(key: &PublicKey) -> Self {
        Self::PublicKey(key.spki_der().to_vec())
    }
}

/// The version of the entries that a log takes here.
const VERSION: &str = "0.0.2";

/// A path in a tree of at most 2^63 leaves.
const MAX_PROOF_HASHES: usize = 64;

/// An entry of a log is at most 65,535 bytes (C2SP tlog-tiles, entry bundles).
const BODY_LIMITS: Limits = Limits { bytes: 65_535, depth: 8, values: 256 };

#[cfg(test)]
mod tests;

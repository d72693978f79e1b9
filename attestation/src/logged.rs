//! What a log may hold: the body of an entry of either kind, `hashedrekord` ([`HashedRekord`]) or `dsse` 0.0.2.
//!
//! Older clients submit envelopes whole. Their entry holds the SHA-256 of the payload, whatever the hash of the signature
//! schemes, and every signature with the key or certificate that verified it, in ascending order of the signatures' bytes:
//!
//! ```json
//! {"apiVersion":"0.0.2","kind":"dsse","spec":{"dsseV002":{"payloadHash":{"algorithm":"SHA2_256","digest":"…"},
//! "signatures":[{"content":"…","verifier":{"keyDetails":"PKIX_ECDSA_P256_SHA_256","publicKey":{"rawBytes":"…"}}}]}}}
//! ```
//!
//! The payload's type is signed and not in the entry: only the envelope has it. Sources: `rekor/v2` protobuf definitions,
//! the behaviour of rekor-tiles 2.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use sealwax_keys::{HashAlgorithm, Scheme};

use crate::Error;
use crate::entry::{EntryKind, HashedRekord, Verifier, read_body, signature, signature_json, write_body};
use crate::envelope::Envelope;
use crate::json::Json;

/// An entry of a log, of the kinds that one takes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LoggedEntry {
    /// One signature over a digest.
    HashedRekord(HashedRekord),
    /// The signatures of an envelope.
    Dsse(DsseEntry),
}

impl LoggedEntry {
    /// Reads the body of an entry.
    ///
    /// # Errors
    /// [`Error::EntryKind`] for other kinds and versions, [`Error::Unsupported`] for a scheme or hash that does not fit, and
    /// shape errors, unknown fields included.
    pub fn from_body(body: &[u8]) -> Result<Self, Error> {
        match read_body(body)? {
            (EntryKind::HashedRekord, spec) => HashedRekord::from_spec(spec).map(Self::HashedRekord),
            (EntryKind::Dsse, spec) => DsseEntry::from_spec(spec).map(Self::Dsse),
        }
    }

    /// Writes the canonical body, the leaf of the log.
    ///
    /// # Errors
    /// As [`HashedRekord::to_body`].
    pub fn to_body(&self) -> Result<Vec<u8>, Error> {
        match self {
            Self::HashedRekord(entry) => entry.to_body(),
            Self::Dsse(entry) => entry.to_body(),
        }
    }

    /// Tells the kind of entry.
    pub fn kind(&self) -> EntryKind {
        match self {
            Self::HashedRekord(_) => EntryKind::HashedRekord,
            Self::Dsse(_) => EntryKind::Dsse,
        }
    }

    /// Gives the digest that the entry names: of the signed bytes, or of the envelope's payload.
    pub fn digest(&self) -> &[u8] {
        match self {
            Self::HashedRekord(entry) => &entry.digest,
            Self::Dsse(entry) => &entry.payload_hash,
        }
    }

    /// Lists the keys and certificates that the entry names.
    pub fn verifiers(&self) -> impl Iterator<Item = &Verifier> {
        let (one, many) = match self {
            Self::HashedRekord(entry) => (Some(&entry.verifier), [].as_slice()),
            Self::Dsse(entry) => (None, entry.signatures.as_slice()),
        };
        one.into_iter().chain(many.iter().map(|signature| &signature.verifier))
    }

    /// Tells whether the digest that the entry names is that of this envelope.
    ///
    /// Nothing is said about the envelope's signature, which need not be one of the entry: see [`LoggedEntry::records`].
    pub fn is_about(&self, envelope: &Envelope) -> bool {
        match self {
            Self::HashedRekord(entry) => entry.digest == entry.scheme.hash().digest(&envelope.pae()),
            Self::Dsse(entry) => HashAlgorithm::Sha256.digest(&envelope.payload) == entry.payload_hash,
        }
    }

    /// Tells whether this very envelope is what the entry records: its digest, and its signature among the entry's.
    ///
    /// The log has verified that signature with what the entry names, so it need not be verified again; except that an entry
    /// of the kind `dsse` does not say the payload's type.
    pub fn records(&self, envelope: &Envelope) -> bool {
        let signed = match self {
            Self::HashedRekord(entry) => entry.signature == envelope.signature,
            Self::Dsse(entry) => entry.signatures.iter().any(|one| one.signature == envelope.signature),
        };
        signed && self.is_about(envelope)
    }
}

/// What a log records about an envelope that was submitted whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DsseEntry {
    /// SHA-256 of the payload.
    payload_hash: [u8; 32],
    /// At least one, in ascending order of the signatures' bytes and none twice.
    signatures: Vec<DsseSignature>,
}

/// One signature of an envelope and what verifies it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DsseSignature {
    /// The scheme of the signature.
    pub scheme: Scheme,
    /// The signature over the pre-authentication encoding; ASN.1 DER for ECDSA.
    pub signature: Vec<u8>,
    /// What verifies it.
    pub verifier: Verifier,
}

impl DsseEntry {
    /// Makes the entry for a payload, with the signatures in their order; of two with the same bytes the first stays.
    pub fn new(payload: &[u8], mut signatures: Vec<DsseSignature>) -> Self {
        signatures.sort_by(|one, other| one.signature.cmp(&other.signature));
        signatures.dedup_by(|later, earlier| later.signature == earlier.signature);
        let mut payload_hash = [0; 32];
        payload_hash.copy_from_slice(&HashAlgorithm::Sha256.digest(payload));
        Self { payload_hash, signatures }
    }

    /// Gives the SHA-256 of the payload.
    pub fn payload_hash(&self) -> &[u8; 32] {
        &self.payload_hash
    }

    /// Gives the signatures, in ascending order of their bytes.
    pub fn signatures(&self) -> &[DsseSignature] {
        &self.signatures
    }

    /// Writes the canonical body, the leaf of the log.
    ///
    /// # Errors
    /// As [`HashedRekord::to_body`].
    pub fn to_body(&self) -> Result<Vec<u8>, Error> {
        let signatures: Vec<Value> = self
            .signatures
            .iter()
            .map(|one| signature_json(one.scheme, &one.signature, &one.verifier))
            .collect();
        let spec = json!({"dsseV002": {
            "payloadHash": {"algorithm": PAYLOAD_HASH, "digest": STANDARD.encode(self.payload_hash)},
            "signatures": signatures,
        }});
        write_body(EntryKind::Dsse, &spec)
    }

    fn from_spec(spec: Json<'_>) -> Result<Self, Error> {
        let mut spec = spec.object()?;
        let entry = spec.take("dsseV002", dsse)?;
        spec.finish().map(|()| entry)
    }
}

fn dsse(json: Json<'_>) -> Result<DsseEntry, Error> {
    let mut object = json.object()?;
    let payload_hash = object.take("payloadHash", |hash| {
        let mut hash = hash.object()?;
        hash.take("algorithm", |name| match name.name()?.as_ref() {
            PAYLOAD_HASH => Ok(()),
            other => {
                let found = other.to_owned();
                Err(Error::Unsupported { path: String::new(), what: "hash of a payload", found })
            }
        })?;
        let digest = hash.take("digest", |digest| {
            let expected = "a SHA-256 hash of 32 bytes in base64";
            <[u8; 32]>::try_from(digest.base64()?).map_err(|_| Error::Shape { path: String::new(), expected })
        })?;
        hash.finish().map(|()| digest)
    })?;
    let signatures = object.take("signatures", |list| {
        let signatures = list.list(DsseEntry::MAX_SIGNATURES, |one| {
            let (scheme, signature, verifier) = signature(one)?;
            Ok(DsseSignature { scheme, signature, verifier })
        })?;
        // Another order would be a second entry about the same envelope.
        let ascending = signatures.is_sorted_by(|one, next| one.signature < next.signature);
        if signatures.is_empty() || !ascending {
            let expected = "signatures in ascending order, none twice";
            return Err(Error::Shape { path: String::new(), expected });
        }
        Ok(signatures)
    })?;
    object.finish().map(|()| DsseEntry { payload_hash, signatures })
}

impl DsseEntry {
    /// Most signatures of one envelope, as in Rekor.
    pub(crate) const MAX_SIGNATURES: usize = 10;
}

const PAYLOAD_HASH: &str = "SHA2_256";

#[cfg(test)]
mod tests;

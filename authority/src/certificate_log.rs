//! The timestamps of a log of certificates (RFC 6962 version 1), as a certificate carries them.
//!
//! ```text
//! entry     ::= 00 (v1) 00 (leaf, or timestamp) | milliseconds u64 | 0001 (precertificate)
//!               | SHA-256 of the issuer's SubjectPublicKeyInfo | length u24 | TBSCertificate | 0000 (no extensions)
//! timestamp ::= 00 (v1) | SHA-256 of the log's SubjectPublicKeyInfo | milliseconds u64 | 0000
//!               | 04 (SHA-256) 03 (ECDSA) | length u16 | signature
//! extension ::= OCTET STRING { length u16 | length u16 | timestamp }
//! ```
//!
//! `MerkleTreeLeaf` (section 3.4) and what a timestamp signs (section 3.2) are the same bytes, so one function makes both.

use der::Encode;
use der::asn1::{ObjectIdentifier, OctetString};
use jiff::Timestamp;
use x509_cert::ext::Extension;

use sealwax_attestation::CtLogInstance;
use sealwax_keys::{KeyKind, PublicKey, Scheme, SecretKey};

use crate::certificate::extension;
use crate::error::{Error, Result};

/// Writes the entry for a certificate that is to be issued: what the log records, and what its timestamp signs.
///
/// `tbs` is the part of the certificate that is signed, as it is before the timestamp stands in it.
pub(crate) fn entry(issuer: &PublicKey, tbs: &[u8], time: Timestamp) -> Result<Vec<u8>> {
    let length = u32::try_from(tbs.len()).map_err(|_| ENCODE)?.to_be_bytes();
    let [0, length @ ..] = length else { return Err(ENCODE) };
    let mut entry = vec![0, 0];
    entry.extend(milliseconds(time)?);
    entry.extend([0, 1]);
    entry.extend(issuer.fingerprint());
    entry.extend(length);
    entry.extend(tbs);
    entry.extend([0, 0]);
    Ok(entry)
}

/// Signs an entry, and writes the extension with this one timestamp.
pub(crate) fn timestamp(log: &SecretKey, entry: &[u8], time: Timestamp) -> Result<Extension> {
    let signature = log.sign_with(Scheme::EcdsaP256Sha256, entry)?;
    log.public_key().verify(Scheme::EcdsaP256Sha256, entry, &signature)?;
    let mut timestamp = vec![0];
    timestamp.extend(log.public_key().fingerprint());
    timestamp.extend(milliseconds(time)?);
    timestamp.extend([0, 0, 4, 3]);
    timestamp.extend(prefixed(&signature)?);
    let list = OctetString::new(prefixed(&prefixed(&timestamp)?)?).map_err(|_| ENCODE)?;
    extension(TIMESTAMP_LIST, false, list.to_der().map_err(|_| ENCODE)?)
}

/// Describes the log for a trusted root.
pub(crate) fn instance(
    log: &PublicKey,
    base_url: &str,
    operator: Option<&str>,
    since: Timestamp,
) -> CtLogInstance {
    CtLogInstance {
        base_url: base_url.to_owned(),
        key: log.spki_der().to_vec(),
        key_details: log.scheme().key_details().to_owned(),
        log_id: log.fingerprint().to_vec(),
        valid_from: since,
        valid_until: None,
        operator: operator.map(str::to_owned),
    }
}

/// Refuses a key that signs no timestamps: RFC 6962 knows P-256 and RSA.
pub(crate) fn accept_key(log: &PublicKey) -> Result<()> {
    match log.kind() {
        KeyKind::P256 => Ok(()),
        _ => Err(Error::KeyKind { what: "a log of certificates", wanted: "P-256" }),
    }
}

fn milliseconds(time: Timestamp) -> Result<[u8; 8]> {
    u64::try_from(time.as_millisecond()).map(u64::to_be_bytes).map_err(|_| ENCODE)
}

fn prefixed(bytes: &[u8]) -> Result<Vec<u8>> {
    let length = u16::try_from(bytes.len()).map_err(|_| ENCODE)?;
    Ok([&length.to_be_bytes(), bytes].concat())
}

const ENCODE: Error = Error::Encode { what: "certificate timestamp" };
/// The list of timestamps in a certificate, RFC 6962 section 3.3.
const TIMESTAMP_LIST: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.4.1.11129.2.4.2");

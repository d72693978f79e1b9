//! The other side: what somebody who wants a certificate or a time sends, and whether the answer is one to it.
//!
//! ```text
//! CertificationRequest ::= SEQUENCE { SEQUENCE { INTEGER 0, SEQUENCE {}, subjectPKInfo, [0] {} }, algorithm, BIT STRING }
//! TimeStampReq         ::= SEQUENCE { INTEGER 1, SEQUENCE { algorithm, OCTET STRING }, INTEGER nonce, BOOLEAN TRUE }
//! ```
//!
//! Sources: RFC 2986; RFC 3161 section 2.4; Fulcio's HTTP API version 2. An answer that is accepted here fits its request and
//! no more: certificates, signatures and times are believed by a verifier alone.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use der::asn1::{AnyRef, BitString, ObjectIdentifier};
use der::{Decode, Encode, Reader, SliceReader, Tag, Tagged};
use sealwax_attestation::json::{Json, Limits, parse};
use sealwax_keys::{Certificate, HashAlgorithm, SecretKey};
use serde_json::json;
use spki::SubjectPublicKeyInfoOwned;
use x509_cert::name::Name;
use x509_cert::request::{CertReq, CertReqInfo, Version};

use crate::certificate::signature_algorithm;
use crate::error::{Error, Result};

/// Writes the body of `POST /api/v2/signingCert` for a key: a request that the key itself has signed, which proves that
/// whoever asks has it. The identity token travels beside it, in the `Authorization` header.
///
/// # Errors
///
/// [`Error::KeyKind`] for anything but P-256 and P-384, and those of signing.
pub fn certificate_request(key: &SecretKey) -> Result<String> {
    let broken = |_| Error::Encode { what: "a certificate request" };
    let (scheme, algorithm) = signature_algorithm(key.public_key())?;
    let public_key = SubjectPublicKeyInfoOwned::from_der(key.public_key().spki_der()).map_err(broken)?;
    let subject = Name::default();
    let info = CertReqInfo { version: Version::V1, subject, public_key, attributes: Default::default() };
    let signature = key.sign_with(scheme, &info.to_der().map_err(broken)?)?;
    let signature = BitString::from_bytes(&signature).map_err(broken)?;
    let request = CertReq { info, algorithm, signature }.to_der().map_err(broken)?;
    let base64 = STANDARD.encode(request);
    let mut pem = String::from("-----BEGIN CERTIFICATE REQUEST-----\n");
    let mut rest = base64.as_str();
    while let Some((line, after)) = rest.split_at_checked(64) {
        pem.extend([line, "\n"]);
        rest = after;
    }
    pem.extend([rest, "\n-----END CERTIFICATE REQUEST-----\n"]);
    Ok(json!({"certificateSigningRequest": STANDARD.encode(pem)}).to_string())
}

/// Reads the answer to [`certificate_request`]: the certificate for the key, and those above it, root last.
///
/// # Errors
///
/// [`Error::Answer`] for what is no such answer, one whose certificate is for another key, or one whose certificate carries
/// no timestamp of a log of certificates.
pub fn certificate_answer(answer: &[u8], key: &SecretKey) -> Result<Vec<Certificate>> {
    let malformed = |error: sealwax_attestation::Error| Error::Answer { what: error.to_string() };
    let pems = parse(answer, LIMITS).and_then(|json| {
        let mut object = json.object()?;
        let found = object.take("signedCertificateEmbeddedSct", |json| {
            let mut certified = json.object()?;
            let pems = certified.take("chain", |json| {
                let mut chain = json.object()?;
                let text = |json: Json<'_>| json.string().map(std::borrow::Cow::into_owned);
                let pems = chain.take("certificates", |json| json.list(MAX_CHAIN, text))?;
                chain.finish().map(|()| pems)
            })?;
            certified.finish().map(|()| pems)
        })?;
        object.finish().map(|()| found)
    });
    let mut chain = Vec::new();
    for pem in pems.map_err(malformed)? {
        chain.extend(Certificate::from_pem_chain(pem.as_bytes())?);
    }
    let Some(leaf) = chain.first() else {
        return Err(Error::Answer { what: "no certificate".to_owned() });
    };
    if leaf.public_key() != key.public_key() {
        return Err(Error::Answer { what: "the certificate is for another key".to_owned() });
    }
    if leaf.extension(CERTIFICATE_TIMESTAMPS).is_none() {
        return Err(Error::Answer { what: "the certificate is in no log of certificates".to_owned() });
    }
    Ok(chain)
}

/// A request for a token of time over some bytes, remembered to know its answer.
#[derive(Debug)]
pub struct TimestampRequest {
    digest: Vec<u8>,
    nonce: [u8; 8],
}

impl TimestampRequest {
    /// Asks for the time of some bytes, with a nonce that nobody can foresee.
    ///
    /// # Errors
    ///
    /// [`Error::Random`].
    pub fn new(bytes: &[u8]) -> Result<Self> {
        let mut nonce = [0; 8];
        getrandom::fill(&mut nonce).map_err(|_| Error::Random)?;
        // Positive and of full length, so that DER has one way to write it, and always eight bytes.
        if let Some(first) = nonce.first_mut() {
            *first = (*first & 0x3f) | 0x40;
        }
        Ok(Self { digest: HashAlgorithm::Sha256.digest(bytes), nonce })
    }

    /// Gives the DER `TimeStampReq`, of the media type `application/timestamp-query`; the signer's certificate is asked for.
    pub fn to_der(&self) -> Vec<u8> {
        [REQUEST_BEFORE_DIGEST, &self.digest, &[2, 8], &self.nonce, &[1, 1, 0xff]].concat()
    }

    /// Checks that a DER `TimeStampResp` was granted to this request: the same hash, the same nonce.
    ///
    /// # Errors
    ///
    /// [`Error::Answer`].
    pub fn check(&self, answer: &[u8]) -> Result<()> {
        let response = AnyRef::from_der(answer).map_err(unreadable)?;
        let status = descend(response, &[0, 0])?;
        if !matches!(status.value(), [GRANTED | GRANTED_WITH_MODIFICATIONS]) {
            return Err(Error::Answer { what: format!("no time was granted: status {:?}", status.value()) });
        }
        // Response, content info, signed data, encapsulated content: what is signed is in an OCTET STRING.
        let content = descend(response, &[1, 1, 0, 2, 1, 0])?;
        let info = AnyRef::from_der(content.value()).map_err(unreadable)?;
        let algorithm = descend(info, &[2, 0, 0])?.decode_as::<ObjectIdentifier>().map_err(unreadable)?;
        if algorithm != SHA256 || descend(info, &[2, 1])?.value() != self.digest {
            return Err(Error::Answer { what: "the time is for other bytes".to_owned() });
        }
        // Behind version, policy, imprint, serial number and time, the only INTEGER is the nonce.
        let nonce = elements(info)?.into_iter().skip(5).find(|element| element.tag() == Tag::Integer);
        if nonce.is_none_or(|nonce| nonce.value() != self.nonce) {
            return Err(Error::Answer { what: "the time was granted to another request".to_owned() });
        }
        Ok(())
    }
}

/// Goes down a tree of constructed values, each step the place of a child.
fn descend<'a>(from: AnyRef<'a>, steps: &[usize]) -> Result<AnyRef<'a>> {
    steps.iter().try_fold(from, |value, &step| {
        let missing = || Error::Answer { what: "a part of the token of time is missing".to_owned() };
        elements(value)?.into_iter().nth(step).ok_or_else(missing)
    })
}

/// Reads what a constructed value consists of.
fn elements(value: AnyRef<'_>) -> Result<Vec<AnyRef<'_>>> {
    let mut reader = SliceReader::new(value.value()).map_err(unreadable)?;
    let mut elements = Vec::new();
    while !reader.is_finished() {
        elements.push(reader.decode().map_err(unreadable)?);
    }
    Ok(elements)
}

fn unreadable(error: der::Error) -> Error {
    Error::Answer { what: format!("not a token of time: {error}") }
}

/// Version, and the algorithm SHA-256 with the head of its digest; behind it follow digest, nonce and a TRUE.
const REQUEST_BEFORE_DIGEST: &[u8] = &[
    0x30, 0x43, 2, 1, 1, 0x30, 0x31, 0x30, 0x0d, 6, 9, 0x60, 0x86, 0x48, 1, 0x65, 3, 4, 2, 1, 5, 0, 4, 0x20,
];
const SHA256: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.16.840.1.101.3.4.2.1");
const CERTIFICATE_TIMESTAMPS: &str = "1.3.6.1.4.1.11129.2.4.2";
const GRANTED: u8 = 0;
const GRANTED_WITH_MODIFICATIONS: u8 = 1;
const MAX_CHAIN: usize = 8;
const LIMITS: Limits = Limits { bytes: 256 * 1024, depth: 6, values: 64 };

#[cfg(test)]
mod tests;

//! Reading a request for a token of time.
//!
//! ```text
//! TimeStampReq ::= SEQUENCE { version 1, MessageImprint { hashAlgorithm, hashedMessage OCTET STRING },
//!                             reqPolicy OID OPTIONAL, nonce INTEGER OPTIONAL, certReq BOOLEAN DEFAULT FALSE,
//!                             [0] extensions OPTIONAL }
//! ```

use der::asn1::{Int, Null, ObjectIdentifier, OctetString};
use der::{Decode, Encode, Sequence};
use spki::AlgorithmIdentifierOwned;
use x509_cert::ext::Extensions;

use sealwax_attestation::json::{Json, Limits, parse};
use sealwax_keys::HashAlgorithm;

use super::{TimestampAuthority, TimestampRefusal};

/// A request that can be granted.
pub(super) struct Request {
    /// The hash of what is dated, with its algorithm, as it came.
    pub(super) imprint: MessageImprint,
    /// What the token must repeat.
    pub(super) nonce: Option<Int>,
    /// Whether the token is to carry certificates.
    pub(super) certificates: bool,
}

/// A hash, and how it was made.
#[derive(Clone, Debug, Eq, PartialEq, Sequence)]
pub(super) struct MessageImprint {
    algorithm: AlgorithmIdentifierOwned,
    hash: OctetString,
}

#[derive(Sequence)]
struct TimeStampReq {
    version: Int,
    imprint: MessageImprint,
    #[asn1(optional = "true")]
    policy: Option<ObjectIdentifier>,
    #[asn1(optional = "true")]
    nonce: Option<Int>,
    #[asn1(default = "bool::default")]
    certificates: bool,
    #[asn1(context_specific = "0", tag_mode = "IMPLICIT", optional = "true")]
    extensions: Option<Extensions>,
}

impl Request {
    /// Reads DER of at most 1 KiB; what reads back differently was not DER.
    pub(super) fn from_der(der: &[u8]) -> Result<Self, TimestampRefusal> {
        let unread = TimestampRefusal::BadDataFormat;
        if der.len() > MAX_REQUEST {
            return Err(unread);
        }
        let request = TimeStampReq::from_der(der).map_err(|_| unread)?;
        if request.to_der().map_err(|_| unread)? != der {
            return Err(unread);
        }
        if request.version.as_bytes() != [1] {
            return Err(TimestampRefusal::BadRequest);
        }
        if request.extensions.is_some() {
            return Err(TimestampRefusal::UnacceptedExtension);
        }
        Self::accept(request)
    }

    /// Reads JSON of at most 1 KiB.
    pub(super) fn from_json(text: &[u8]) -> Result<Self, TimestampRefusal> {
        let request = read_json(text).map_err(|_| TimestampRefusal::BadDataFormat)?;
        let oid = match request.algorithm.as_str() {
            "sha256" => SHA256,
            "sha384" => SHA384,
            "sha512" => SHA512,
            _ => return Err(TimestampRefusal::BadAlgorithm),
        };
        let policy = match request.policy {
            None => None,
            Some(text) => Some(text.parse().map_err(|_| TimestampRefusal::UnacceptedPolicy)?),
        };
        let hash = OctetString::new(request.hash).map_err(|_| TimestampRefusal::BadDataFormat)?;
        let algorithm = AlgorithmIdentifierOwned { oid, parameters: None };
        Self::accept(TimeStampReq {
            version: integer(1)?,
            imprint: MessageImprint { algorithm, hash },
            policy,
            nonce: request.nonce.map(integer).transpose()?,
            certificates: request.certificates,
            extensions: None,
        })
    }

    fn accept(request: TimeStampReq) -> Result<Self, TimestampRefusal> {
        let TimeStampReq { imprint, policy, nonce, certificates, .. } = request;
        let algorithm = match imprint.algorithm.oid {
            SHA256 => HashAlgorithm::Sha256,
            SHA384 => HashAlgorithm::Sha384,
            SHA512 => HashAlgorithm::Sha512,
            _ => return Err(TimestampRefusal::BadAlgorithm),
        };
        // RFC 5754: absent, and NULL is to be taken too.
        let parameters = imprint.algorithm.parameters.as_ref();
        if parameters.is_some_and(|parameters| parameters.decode_as::<Null>().is_err()) {
            return Err(TimestampRefusal::BadAlgorithm);
        }
        if imprint.hash.as_bytes().len() != algorithm.len() {
            return Err(TimestampRefusal::BadDataFormat);
        }
        if policy.is_some_and(|policy| policy.to_string() != TimestampAuthority::POLICY) {
            return Err(TimestampRefusal::UnacceptedPolicy);
        }
        Ok(Self { imprint, nonce, certificates })
    }
}

/// The fields of the JSON form.
struct JsonRequest {
    hash: Vec<u8>,
    algorithm: String,
    nonce: Option<u64>,
    certificates: bool,
    policy: Option<String>,
}

fn read_json(text: &[u8]) -> Result<JsonRequest, sealwax_attestation::Error> {
    let mut object = parse(text, LIMITS)?.object()?;
    let name = |value: Json<'_>| value.name().map(std::borrow::Cow::into_owned);
    let request = JsonRequest {
        hash: object.take("artifactHash", Json::base64)?,
        algorithm: object.take("hashAlgorithm", name)?.to_ascii_lowercase(),
        nonce: object.take_optional("nonce", |value| match value {
            Json::Unsigned(nonce) => Ok(nonce),
            _ => {
                let expected = "a whole number";
                Err(sealwax_attestation::Error::Shape { path: String::new(), expected })
            }
        })?,
        certificates: object.take_optional("certificates", Json::bool)?.unwrap_or(false),
        policy: object.take_optional("tsaPolicyOID", name)?.filter(|policy| !policy.is_empty()),
    };
    object.finish()?;
    Ok(request)
}

fn integer(value: u64) -> Result<Int, TimestampRefusal> {
    let bytes = value.to_be_bytes();
    // One zero before the number keeps it positive whatever its first bit is; more than one is not DER.
    let zeros = bytes.iter().take_while(|byte| **byte == 0).count();
    let significant: Vec<u8> = std::iter::once(0).chain(bytes.into_iter().skip(zeros)).collect();
    let minimal = match significant.as_slice() {
        [0, rest @ ..] if rest.first().is_some_and(|first| *first < 0x80) => rest,
        all => all,
    };
    Int::new(minimal).map_err(|_| TimestampRefusal::BadDataFormat)
}

/// Longest request in bytes; an honest one has about 100.
const MAX_REQUEST: usize = 1_024;
const LIMITS: Limits = Limits { bytes: MAX_REQUEST, depth: 2, values: 16 };
/// RFC 5754 section 2.
pub(super) const SHA256: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.16.840.1.101.3.4.2.1");
pub(super) const SHA384: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.16.840.1.101.3.4.2.2");
pub(super) const SHA512: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.16.840.1.101.3.4.2.3");

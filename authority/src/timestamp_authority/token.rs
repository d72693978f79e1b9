//! Writing the answer: a CMS message around what is said about the time (RFC 3161 section 2.4.2, RFC 5652, RFC 5816).
//!
//! ```text
//! TimeStampResp ::= SEQUENCE { PKIStatusInfo, ContentInfo { signedData, [0] SignedData } OPTIONAL }
//! SignedData    ::= SEQUENCE { 3, SET { digestAlgorithm }, { id-ct-TSTInfo, [0] OCTET STRING TSTInfo },
//!                              [0] certificates OPTIONAL, SET { SignerInfo } }
//! SignerInfo    ::= SEQUENCE { 1, { issuer, serialNumber }, digestAlgorithm,
//!                              [0] { content type, message digest, signing certificate V2 },
//!                              signatureAlgorithm, OCTET STRING signature }
//! TSTInfo       ::= SEQUENCE { 1, policy, messageImprint, serialNumber, genTime, accuracy, nonce OPTIONAL }
//! ```

use std::time::Duration;

use der::asn1::{Any, BitString, GeneralizedTime, Int, ObjectIdentifier, OctetString, SetOfVec};
use der::{DateTime, Decode, Encode, Sequence, ValueOrd};
use jiff::Timestamp;
use spki::AlgorithmIdentifierOwned;
use x509_cert::attr::Attribute;
use x509_cert::serial_number::SerialNumber;

use sealwax_keys::{Certificate, HashAlgorithm};

use super::request::{MessageImprint, Request, SHA256, SHA384, SHA512};
use super::{TimestampAuthority, TimestampRefusal};
use crate::certificate::{random_serial, signature_algorithm};
use crate::certified_key::CertifiedKey;
use crate::error::{Error, Result};

/// Writes the reply with a token.
pub(super) fn granted(signer: &CertifiedKey, request: Request, now: Timestamp) -> Result<Vec<u8>> {
    let certificates = request.certificates;
    let content = content(request, &random_serial()?, now).map_err(|_| ENCODE)?;
    let (scheme, algorithm) = signature_algorithm(signer.key().public_key())?;
    let attributes = attributes(signer.own()?, scheme.hash(), &content).map_err(|_| ENCODE)?;
    // What is signed is the set with its own tag, not with the one that it has inside the message (RFC 5652 section 5.4).
    let signed = attributes.to_der().map_err(|_| ENCODE)?;
    let signature = signer.key().sign_with(scheme, &signed)?;
    signer.key().public_key().verify(scheme, &signed, &signature)?;
    let digest = digest_algorithm(scheme.hash());
    message(signer, certificates, &content, attributes, digest, algorithm, &signature).map_err(|_| ENCODE)
}

/// Writes the reply without a token.
pub(super) fn refused(refusal: TimestampRefusal) -> Result<Vec<u8>> {
    let bit = match refusal {
        TimestampRefusal::BadAlgorithm => 0_u8,
        TimestampRefusal::BadRequest => 2,
        TimestampRefusal::BadDataFormat => 5,
        TimestampRefusal::TimeNotAvailable => 14,
        TimestampRefusal::UnacceptedPolicy => 15,
        TimestampRefusal::UnacceptedExtension => 16,
    };
    // A list of named bits ends with its last one, in DER.
    let mut bytes = vec![0; usize::from(bit / 8)];
    bytes.push(0x80_u8 >> (bit % 8));
    let failure = BitString::new(7_u8.saturating_sub(bit % 8), bytes).map_err(|_| ENCODE)?;
    TimeStampResp { status: StatusInfo { status: REJECTION, failure: Some(failure) }, token: None }
        .to_der()
        .map_err(|_| ENCODE)
}

/// Writes what is said: this hash existed at this time.
fn content(request: Request, serial: &[u8], now: Timestamp) -> der::Result<Vec<u8>> {
    let seconds = u64::try_from(now.as_second()).map_err(|_| der::ErrorKind::DateTime)?;
    let time = DateTime::from_unix_duration(Duration::from_secs(seconds))?;
    TstInfo {
        version: 1,
        policy: ObjectIdentifier::new(TimestampAuthority::POLICY).map_err(der::Error::from)?,
        imprint: request.imprint,
        serial_number: SerialNumber::new(serial)?,
        time: GeneralizedTime::from_date_time(time),
        accuracy: Accuracy { seconds: 1 },
        nonce: request.nonce,
    }
    .to_der()
}

/// Writes what the signature is over: the content's digest, and which certificate is the signer's, so that no other
/// certificate of the same key can be put in its place.
fn attributes(signer: &Certificate, hash: HashAlgorithm, content: &[u8]) -> der::Result<SetOfVec<Attribute>> {
    let attribute = |oid, value| Ok::<_, der::Error>(Attribute { oid, values: set(value)? });
    let digest = OctetString::new(hash.digest(content))?;
    // SEQUENCE { SEQUENCE OF ESSCertIDv2 { certHash } }, the hash being SHA-256 where it is not said.
    let certificate = vec![vec![vec![OctetString::new(signer.fingerprint())?]]];
    let mut attributes = SetOfVec::new();
    attributes.insert(attribute(CONTENT_TYPE, Any::encode_from(&TST_INFO)?)?)?;
    attributes.insert(attribute(MESSAGE_DIGEST, Any::encode_from(&digest)?)?)?;
    attributes.insert(attribute(SIGNING_CERTIFICATE_V2, Any::encode_from(&certificate)?)?)?;
    Ok(attributes)
}

/// Puts the reply together.
fn message(
    signer: &CertifiedKey,
    certificates: bool,
    content: &[u8],
    attributes: SetOfVec<Attribute>,
    digest: AlgorithmIdentifierOwned,
    algorithm: AlgorithmIdentifierOwned,
    signature: &[u8],
) -> der::Result<Vec<u8>> {
    let own = signer.chain().first().ok_or(der::ErrorKind::Failed)?;
    let certificates = if certificates { Some(below_root(signer)?) } else { None };
    let signer_info = SignerInfo {
        version: 1,
        signer: IssuerAndSerialNumber {
            issuer: Any::from_der(own.issuer_der())?,
            serial_number: SerialNumber::new(own.serial_number())?,
        },
        digest: digest.clone(),
        attributes,
        algorithm,
        signature: OctetString::new(signature)?,
    };
    let signed = SignedData {
        version: 3,
        digests: set(digest)?,
        content: EncapsulatedContent { kind: TST_INFO, content: OctetString::new(content)? },
        certificates,
        signers: set(signer_info)?,
    };
    let token = ContentInfo { kind: SIGNED_DATA, content: signed };
    TimeStampResp { status: StatusInfo { status: GRANTED, failure: None }, token: Some(token) }.to_der()
}

/// Gives the certificates that a token carries: all but the root, which nobody believes because it came along.
fn below_root(signer: &CertifiedKey) -> der::Result<SetOfVec<Any>> {
    let below = signer.chain().split_last().map_or(&[][..], |(_, below)| below);
    let mut certificates = SetOfVec::new();
    for certificate in below {
        certificates.insert(Any::from_der(certificate.der())?)?;
    }
    Ok(certificates)
}

fn set<T: der::DerOrd>(element: T) -> der::Result<SetOfVec<T>> {
    let mut set = SetOfVec::new();
    set.insert(element)?;
    Ok(set)
}

fn digest_algorithm(hash: HashAlgorithm) -> AlgorithmIdentifierOwned {
    let oid = match hash {
        HashAlgorithm::Sha256 => SHA256,
        HashAlgorithm::Sha384 => SHA384,
        HashAlgorithm::Sha512 => SHA512,
    };
    AlgorithmIdentifierOwned { oid, parameters: None }
}

#[derive(Sequence)]
struct TimeStampResp {
    status: StatusInfo,
    #[asn1(optional = "true")]
    token: Option<ContentInfo>,
}

#[derive(Sequence)]
struct StatusInfo {
    status: u8,
    #[asn1(optional = "true")]
    failure: Option<BitString>,
}

#[derive(Sequence)]
struct ContentInfo {
    kind: ObjectIdentifier,
    #[asn1(context_specific = "0", tag_mode = "EXPLICIT")]
    content: SignedData,
}

#[derive(Sequence)]
struct SignedData {
    version: u8,
    digests: SetOfVec<AlgorithmIdentifierOwned>,
    content: EncapsulatedContent,
    #[asn1(context_specific = "0", tag_mode = "IMPLICIT", optional = "true")]
    certificates: Option<SetOfVec<Any>>,
    signers: SetOfVec<SignerInfo>,
}

#[derive(Sequence)]
struct EncapsulatedContent {
    kind: ObjectIdentifier,
    #[asn1(context_specific = "0", tag_mode = "EXPLICIT")]
    content: OctetString,
}

#[derive(Sequence, ValueOrd)]
struct SignerInfo {
    version: u8,
    signer: IssuerAndSerialNumber,
    digest: AlgorithmIdentifierOwned,
    #[asn1(context_specific = "0", tag_mode = "IMPLICIT")]
    attributes: SetOfVec<Attribute>,
    algorithm: AlgorithmIdentifierOwned,
    signature: OctetString,
}

#[derive(Sequence, ValueOrd)]
struct IssuerAndSerialNumber {
    issuer: Any,
    serial_number: SerialNumber,
}

#[derive(Sequence)]
struct TstInfo {
    version: u8,
    policy: ObjectIdentifier,
    imprint: MessageImprint,
    serial_number: SerialNumber,
    time: GeneralizedTime,
    accuracy: Accuracy,
    #[asn1(optional = "true")]
    nonce: Option<Int>,
}

#[derive(Sequence)]
struct Accuracy {
    seconds: u8,
}

/// PKIStatus, RFC 3161 section 2.4.2.
const GRANTED: u8 = 0;
const REJECTION: u8 = 2;
const ENCODE: Error = Error::Encode { what: "token of time" };
/// id-signedData, RFC 5652 section 5.1.
const SIGNED_DATA: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.7.2");
/// id-ct-TSTInfo, RFC 3161 section 2.4.2.
const TST_INFO: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.9.16.1.4");
/// id-contentType and id-messageDigest, RFC 5652 section 11.
const CONTENT_TYPE: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.9.3");
const MESSAGE_DIGEST: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.9.4");
/// id-aa-signingCertificateV2, RFC 5035 section 3.
const SIGNING_CERTIFICATE_V2: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.9.16.2.47");

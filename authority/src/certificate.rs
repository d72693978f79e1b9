//! Writing one X.509 version 3 certificate (RFC 5280 section 4.1).
//!
//! ```text
//! Certificate    ::= SEQUENCE { tbsCertificate, signatureAlgorithm, signature BIT STRING }
//! TBSCertificate ::= SEQUENCE { [0] 2, serialNumber, signature, issuer, validity, subject, publicKey, [3] extensions }
//! ```
//!
//! The part that is signed can be encoded before the certificate is signed and with an extension more later, because a
//! certificate's own timestamp is made over everything else in it.

use std::time::Duration;

use der::asn1::{Any, BitString, ObjectIdentifier, OctetString, SetOfVec, Utf8StringRef};
use der::{DateTime, Decode, Encode, Sequence};
use jiff::Timestamp;
use spki::AlgorithmIdentifierOwned;
use x509_cert::attr::AttributeTypeAndValue;
use x509_cert::ext::Extension;
use x509_cert::serial_number::SerialNumber;
use x509_cert::time::Time;

use sealwax_keys::{Certificate, KeyKind, PublicKey, Scheme, SecretKey};

use crate::error::{Error, Result};

/// The name of an authority; both parts are needed, of 1 to 64 characters each (RFC 5280 appendix A.1).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Name<'a> {
    /// The organization.
    pub organization: &'a str,
    /// The common name.
    pub common_name: &'a str,
}

impl Name<'_> {
    /// Writes `RDNSequence { O, CN }`, both as UTF8String.
    pub(crate) fn to_der(self) -> Result<Vec<u8>> {
        let unfit =
            |text: &str| !(1..=64).contains(&text.chars().count()) || text.chars().any(char::is_control);
        if unfit(self.organization) || unfit(self.common_name) {
            return Err(Error::UnfitName { what: "the name of an authority" });
        }
        let relative = |oid, text| {
            let value = Utf8StringRef::new(text).and_then(|text| Any::encode_from(&text))?;
            let mut set = SetOfVec::new();
            set.insert(AttributeTypeAndValue { oid, value })?;
            Ok::<_, der::Error>(set)
        };
        relative(ORGANIZATION, self.organization)
            .and_then(|organization| vec![organization, relative(COMMON_NAME, self.common_name)?].to_der())
            .map_err(|_| ENCODE)
    }
}

/// A time of validity in whole seconds; both ends are inclusive, fractions are cut off.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Validity {
    /// The first second.
    pub not_before: Timestamp,
    /// The last second.
    pub not_after: Timestamp,
}

/// A certificate that is being written.
pub(crate) struct Draft {
    tbs: Tbs,
    scheme: Scheme,
}

impl Draft {
    /// Starts a certificate: a fresh serial number, and all that is signed but the issuer's signature.
    pub(crate) fn new(
        issuer: &PublicKey,
        issuer_name: &[u8],
        subject_name: &[u8],
        key: &PublicKey,
        validity: Validity,
        extensions: Vec<Extension>,
    ) -> Result<Self> {
        let (scheme, signature) = signature_algorithm(issuer)?;
        let any = |der: &[u8]| Any::from_der(der).map_err(|_| ENCODE);
        let tbs = Tbs {
            version: 2,
            serial_number: SerialNumber::new(&random_serial()?).map_err(|_| ENCODE)?,
            signature,
            issuer: any(issuer_name)?,
            validity: x509_cert::time::Validity::new(time(validity.not_before)?, time(validity.not_after)?),
            subject: any(subject_name)?,
            public_key: any(key.spki_der())?,
            extensions,
        };
        Ok(Self { tbs, scheme })
    }

    /// Gives the part that is signed, as it stands now.
    pub(crate) fn tbs_der(&self) -> Result<Vec<u8>> {
        self.tbs.to_der().map_err(|_| ENCODE)
    }

    /// Adds an extension at the end.
    pub(crate) fn push(&mut self, extension: Extension) {
        self.tbs.extensions.push(extension);
    }

    /// Signs the certificate, with the key that it was started for, and reads it back as everybody will.
    pub(crate) fn sign(self, issuer: &SecretKey) -> Result<Certificate> {
        let tbs = self.tbs_der()?;
        let signature = issuer.sign_with(self.scheme, &tbs)?;
        let signed = Signed {
            tbs: Any::from_der(&tbs).map_err(|_| ENCODE)?,
            algorithm: self.tbs.signature,
            signature: BitString::from_bytes(&signature).map_err(|_| ENCODE)?,
        };
        let certificate = Certificate::from_der(&signed.to_der().map_err(|_| ENCODE)?)?;
        certificate.is_signed_by(issuer.public_key())?;
        Ok(certificate)
    }
}

#[derive(Sequence)]
struct Tbs {
    #[asn1(context_specific = "0", tag_mode = "EXPLICIT")]
    version: u8,
    serial_number: SerialNumber,
    signature: AlgorithmIdentifierOwned,
    issuer: Any,
    validity: x509_cert::time::Validity,
    subject: Any,
    public_key: Any,
    #[asn1(context_specific = "3", tag_mode = "EXPLICIT")]
    extensions: Vec<Extension>,
}

#[derive(Sequence)]
pub(crate) struct Signed {
    pub(crate) tbs: Any,
    pub(crate) algorithm: AlgorithmIdentifierOwned,
    pub(crate) signature: BitString,
}

/// Writes an extension.
pub(crate) fn extension(oid: ObjectIdentifier, critical: bool, value: Vec<u8>) -> Result<Extension> {
    let extn_value = OctetString::new(value).map_err(|_| ENCODE)?;
    Ok(Extension { extn_id: oid, critical, extn_value })
}

/// Gives the scheme with which a key signs certificates and tokens of time, and the scheme's name in them (RFC 5758).
pub(crate) fn signature_algorithm(key: &PublicKey) -> Result<(Scheme, AlgorithmIdentifierOwned)> {
    let oid = match key.kind() {
        KeyKind::P256 => ECDSA_SHA256,
        KeyKind::P384 => ECDSA_SHA384,
        _ => return Err(Error::KeyKind { what: "an authority", wanted: "P-256 or P-384" }),
    };
    Ok((key.scheme(), AlgorithmIdentifierOwned { oid, parameters: None }))
}

/// Makes a serial number that nobody can guess: positive, 20 bytes, the most that RFC 5280 allows, 158 of its bits random.
///
/// The second highest bit is set, so that the number has its full length always and DER never a zero before it.
pub(crate) fn random_serial() -> Result<[u8; 20]> {
    let mut serial = [0; 20];
    getrandom::fill(&mut serial).map_err(|_| Error::Random)?;
    if let Some(first) = serial.first_mut() {
        *first = (*first & 0x3f) | 0x40;
    }
    Ok(serial)
}

/// Gives a key's identifier: the first 20 bytes of the SHA-256 of its SubjectPublicKeyInfo (RFC 7093, methods 1 and 4).
pub(crate) fn key_identifier(key: &PublicKey) -> Vec<u8> {
    key.fingerprint().into_iter().take(20).collect()
}

/// UTCTime up to 2049 and GeneralizedTime from 2050, as RFC 5280 section 4.1.2.5 demands.
fn time(time: Timestamp) -> Result<Time> {
    u64::try_from(time.as_second())
        .ok()
        .and_then(|seconds| DateTime::from_unix_duration(Duration::from_secs(seconds)).ok())
        .map(Time::from)
        .ok_or(ENCODE)
}

const ENCODE: Error = Error::Encode { what: "certificate" };
/// id-at-organizationName and id-at-commonName, RFC 5280 appendix A.1.
const ORGANIZATION: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.4.10");
const COMMON_NAME: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.4.3");
/// ecdsa-with-SHA256 and ecdsa-with-SHA384, RFC 5758 section 3.2.
const ECDSA_SHA256: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.4.3.2");
const ECDSA_SHA384: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.4.3.3");

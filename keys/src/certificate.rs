//! An X.509 version 3 certificate, read strictly, and the check of one signature over it (RFC 5280).
//!
//! ```text
//! Certificate ::= SEQUENCE { tbsCertificate, signatureAlgorithm, signature }
//! ```
//!
//! What it is not: a path builder. Validity at a time, issuers' right to sign, key usages and names are only read here; who
//! trusts what is decided elsewhere. Strict means: the bytes must be exactly the DER that the parsed certificate encodes to,
//! and what this type reads inside extensions must be DER too. Refused at once are versions 1 and 2, duplicate extensions,
//! serial numbers that are not positive or longer than 20 bytes, two different signature algorithm identifiers, and public
//! keys that [`PublicKey::from_spki_der`] refuses.

mod extensions;
mod precertificate;

use std::fmt;

use der::{Decode, Encode};
use sha2::{Digest, Sha256};
use x509_cert::certificate::Version;
use x509_cert::time::Time;

use crate::error::{Error, Result};
use crate::pem;
use crate::public_key::PublicKey;
use crate::signature_algorithm::SignatureAlgorithm;
use extensions::Extensions;

pub use extensions::{BasicConstraints, Extension, KeyUsage, SubjectName};
pub use precertificate::Precertificate;

/// A certificate.
#[derive(Clone)]
pub struct Certificate {
    der: Vec<u8>,
    /// The part that is signed.
    tbs: Vec<u8>,
    algorithm: SignatureAlgorithm,
    signature: Vec<u8>,
    subject: DistinguishedName,
    issuer: DistinguishedName,
    serial: Vec<u8>,
    not_before: i64,
    not_after: i64,
    public_key: PublicKey,
    extensions: Extensions,
}

impl Certificate {
    /// Reads one DER certificate of at most 64 KiB.
    ///
    /// # Errors
    ///
    /// [`Error::Malformed`] for anything but strict DER (trailing bytes included), [`Error::CertificateVersion`],
    /// [`Error::DuplicateExtension`], [`Error::SignatureAlgorithmsDiffer`], [`Error::TooLong`], and those of
    /// [`PublicKey::from_spki_der`].
    pub fn from_der(der: &[u8]) -> Result<Self> {
        if der.len() > MAX_CERTIFICATE {
            return Err(Error::TooLong { what: "certificate", limit: MAX_CERTIFICATE });
        }
        let parsed = x509_cert::Certificate::from_der(der).map_err(|_| MALFORMED)?;
        let fields = parsed.tbs_certificate();
        match fields.version() {
            Version::V1 => return Err(Error::CertificateVersion { version: 1 }),
            Version::V2 => return Err(Error::CertificateVersion { version: 2 }),
            Version::V3 => {}
        }
        // What reads back differently was not DER. This is also why the signed part may be encoded anew.
        if parsed.to_der().map_err(|_| MALFORMED)? != der {
            return Err(MALFORMED);
        }
        // A signer could be shown one algorithm, a verifier use another.
        if fields.signature() != parsed.signature_algorithm() {
            return Err(Error::SignatureAlgorithmsDiffer);
        }
        let serial = fields.serial_number().as_bytes();
        let positive =
            serial.iter().any(|byte| *byte != 0) && serial.first().is_some_and(|byte| *byte < 0x80);
        if !positive || serial.len() > MAX_SERIAL {
            return Err(Error::Malformed { what: "certificate serial number" });
        }
        let key = fields.subject_public_key_info().to_der().map_err(|_| MALFORMED)?;
        Ok(Self {
            der: der.to_vec(),
            tbs: fields.to_der().map_err(|_| MALFORMED)?,
            algorithm: SignatureAlgorithm::read(parsed.signature_algorithm()),
            signature: parsed.signature().as_bytes().ok_or(MALFORMED)?.to_vec(),
            subject: DistinguishedName::read(fields.subject())?,
            issuer: DistinguishedName::read(fields.issuer())?,
            // DER puts a zero before a number whose first bit is set.
            serial: serial.strip_prefix(&[0]).unwrap_or(serial).to_vec(),
            not_before: unix_seconds(fields.validity().not_before)?,
            not_after: unix_seconds(fields.validity().not_after)?,
            public_key: PublicKey::from_spki_der(&key)?,
            extensions: Extensions::read(fields.extensions().map_or(&[], Vec::as_slice))?,
        })
    }

    /// Reads PEM text with one to 32 `CERTIFICATE` blocks, in the order in which they stand.
    ///
    /// # Errors
    ///
    /// The PEM errors, [`Error::PrivateKeyGiven`] and [`Error::PublicKeyGiven`] where a block is one of these,
    /// [`Error::TooManyCertificates`], and those of [`Certificate::from_der`].
    pub fn from_pem_chain(text: &[u8]) -> Result<Vec<Self>> {
        let blocks = pem::parse(text)?;
        if blocks.len() > MAX_CHAIN {
            return Err(Error::TooManyCertificates { limit: MAX_CHAIN });
        }
        blocks
            .iter()
            .map(|block| {
                block.expect_label(PEM_LABEL)?;
                Self::from_der(&block.der)
            })
            .collect()
    }

    /// Writes the certificate as PEM: 64 columns, LF, trailing newline, exactly what OpenSSL prints.
    pub fn to_pem(&self) -> String {
        pem::encode(PEM_LABEL, &self.der).to_string()
    }

    /// Gives the DER bytes as they were read.
    pub fn der(&self) -> &[u8] {
        &self.der
    }

    /// Gives the subject's public key.
    pub fn public_key(&self) -> &PublicKey {
        &self.public_key
    }

    /// Gives the subject's name as RFC 4514 text, for people; never compare it.
    pub fn subject(&self) -> String {
        self.subject.text.clone()
    }

    /// Gives the issuer's name as RFC 4514 text, for people; never compare it.
    pub fn issuer(&self) -> String {
        self.issuer.text.clone()
    }

    /// Gives the subject's name as DER, for exact comparison.
    pub fn subject_der(&self) -> &[u8] {
        &self.subject.der
    }

    /// Gives the issuer's name as DER, for exact comparison.
    pub fn issuer_der(&self) -> &[u8] {
        &self.issuer.der
    }

    /// Gives the serial number: positive, big-endian, without leading zeros, 1 to 20 bytes.
    pub fn serial_number(&self) -> &[u8] {
        &self.serial
    }

    /// Gives the first second of validity, in seconds since 1970 UTC.
    pub fn not_before(&self) -> i64 {
        self.not_before
    }

    /// Gives the last second of validity, in seconds since 1970 UTC.
    pub fn not_after(&self) -> i64 {
        self.not_after
    }

    /// Gives the SHA-256 of the DER bytes.
    pub fn fingerprint(&self) -> [u8; 32] {
        Sha256::digest(&self.der).into()
    }

    /// Gives the subject alternative names in the order in which they stand; empty where there is no such extension.
    ///
    /// Verifying identity certificates needs this: the signer of a keyless signature is named here and nowhere else.
    pub fn subject_alternative_names(&self) -> Vec<SubjectName> {
        self.extensions.subject_alternative_names.clone()
    }

    /// Gives the basic constraints, `None` where there is no such extension.
    pub fn basic_constraints(&self) -> Option<BasicConstraints> {
        self.extensions.basic_constraints
    }

    /// Gives the key usage, `None` where there is no such extension.
    pub fn key_usage(&self) -> Option<KeyUsage> {
        self.extensions.key_usage
    }

    /// Gives the extended key usages as dotted object identifiers, `None` where there is no such extension.
    pub fn extended_key_usage(&self) -> Option<Vec<String>> {
        self.extensions.extended_key_usage.clone()
    }

    /// Gives the extension of a dotted object identifier as it stands, `None` where there is none.
    pub fn extension(&self, oid: &str) -> Option<Extension<'_>> {
        self.extensions.get(oid)
    }

    /// Gives the critical extensions, as dotted object identifiers, that none of the other methods reads.
    ///
    /// A verifier must refuse a certificate for which this is not empty (RFC 5280 section 4.2).
    pub fn unknown_critical_extensions(&self) -> Vec<String> {
        self.extensions.unknown_critical.clone()
    }

    /// Gives the text of an extension whose value is a DER UTF8String; `None` where there is no such extension.
    ///
    /// # Errors
    ///
    /// [`Error::Malformed`] for any other value.
    pub fn text_extension(&self, oid: &str) -> Result<Option<String>> {
        self.extension(oid).map(|found| extensions::utf8(found.value, "certificate extension")).transpose()
    }

    /// Gives the certificate as logs of certificates saw it, with what they answered; `None` where it holds no answer.
    ///
    /// # Errors
    ///
    /// [`Error::Malformed`] where the extension that holds the answers is not an octet string.
    pub fn precertificate(&self) -> Result<Option<Precertificate>> {
        let answers = self.extension(precertificate::ANSWERS);
        answers.map(|found| Precertificate::of(&self.tbs, found.value)).transpose()
    }

    /// Checks that the certificate is signed by a key.
    ///
    /// Accepted are RSA PKCS#1 v1.5 and ECDSA with SHA-256, SHA-384 or SHA-512, and Ed25519. This says nothing about
    /// whether the key's holder may issue certificates.
    ///
    /// # Errors
    ///
    /// [`Error::UnsupportedSignatureAlgorithm`] for other algorithms, [`Error::IssuerKeyMismatch`] where the algorithm is
    /// not one for the key, else [`Error::BadSignature`].
    pub fn is_signed_by(&self, issuer_key: &PublicKey) -> Result<()> {
        self.algorithm.verify(issuer_key, &self.tbs, &self.signature)
    }
}

impl PartialEq for Certificate {
    fn eq(&self, other: &Self) -> bool {
        self.der == other.der
    }
}

impl Eq for Certificate {}

impl fmt::Debug for Certificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Certificate")
            .field("subject", &self.subject.text)
            .field("fingerprint", &hex::encode(self.fingerprint()))
            .finish_non_exhaustive()
    }
}

/// A name in both its forms.
#[derive(Clone)]
struct DistinguishedName {
    text: String,
    der: Vec<u8>,
}

impl DistinguishedName {
    fn read(name: &x509_cert::name::Name) -> Result<Self> {
        Ok(Self { text: name.to_string(), der: name.to_der().map_err(|_| MALFORMED)? })
    }
}

fn unix_seconds(time: Time) -> Result<i64> {
    i64::try_from(time.to_unix_duration().as_secs()).map_err(|_| MALFORMED)
}

const PEM_LABEL: &str = "CERTIFICATE";
/// Longest certificate read; those of Sigstore take about one kilobyte.
const MAX_CERTIFICATE: usize = 64 * 1024;
/// Most certificates read from one text.
const MAX_CHAIN: usize = 32;
/// Longest serial number in bytes, RFC 5280 section 4.1.2.2.
const MAX_SERIAL: usize = 20;
const MALFORMED: Error = Error::Malformed { what: "certificate" };

#[cfg(test)]
mod tests;

//! The authority that certifies identities: ten minutes for a key, recorded before it is signed.
//!
//! | field | in a certificate that is issued |
//! | --- | --- |
//! | serial number | 20 random bytes |
//! | subject | empty |
//! | validity | from now, ten minutes, never longer than a certificate of the chain |
//! | key usage | digitalSignature, critical |
//! | extended key usage | codeSigning |
//! | key identifiers | the key's and the issuer's |
//! | subject alternative name | exactly one, critical |
//! | Fulcio's extensions | issuer (`.1`, `.8`) and claims |
//! | certificate timestamp | one, by the authority's own log |
//!
//! The log records an entry, durably, before the timestamp over it is signed, and the certificate is signed last: a
//! certificate of this authority that is in nobody's record means that its key was used behind its back.

use der::flagset::FlagSet;
use jiff::{SignedDuration, Timestamp};
use x509_cert::ext::pkix::KeyUsages;

use sealwax_attestation::CtLogInstance;
use sealwax_keys::{Certificate, PublicKey, SecretKey};

use crate::certificate::Validity;
use crate::certificate_log;
use crate::certified_key::{CODE_SIGNING, CertifiedKey, is_authority, purpose, subject_key, usages};
use crate::error::{Error, Result};
use crate::identity::Identity;

/// Certifies identities, and timestamps what it certifies.
#[derive(Debug)]
pub struct CertificateAuthority {
    issuer: CertifiedKey,
    /// The key of the log of certificates.
    log: SecretKey,
}

/// A certificate that was issued, with its chain.
#[derive(Clone, Debug)]
pub struct Issued {
    certificate: Certificate,
    issuers: Vec<Certificate>,
}

impl CertificateAuthority {
    /// Puts an authority together: the key that signs certificates, and the key of the log that timestamps them.
    ///
    /// # Errors
    ///
    /// [`Error::WrongRole`] where the first certificate's key may not sign certificates for code signing,
    /// [`Error::KeyKind`] where the log's key is none on P-256, or is the authority's.
    pub fn new(issuer: CertifiedKey, log: SecretKey) -> Result<Self> {
        let own = issuer.own()?;
        let purposes = own.extended_key_usage();
        let fits = purposes.is_none_or(|purposes| purposes.contains(&CODE_SIGNING.to_string()));
        if !fits || !is_authority(own) {
            return Err(Error::WrongRole { what: "certify identities" });
        }
        certificate_log::accept_key(log.public_key())?;
        // One key in two roles: a signature in one could be passed off as one in the other.
        if log.public_key() == issuer.key().public_key() {
            return Err(Error::KeyKind { what: "a log of certificates", wanted: "P-256 of its own" });
        }
        Ok(Self { issuer, log })
    }

    /// Issues a certificate for a key whose holder was proven to be the identity.
    ///
    /// `record` must write the log's entry so that it outlasts a power cut, and is called exactly once, before anything is
    /// signed. The entry is an RFC 6962 `MerkleTreeLeaf`: its hash in the log's tree is SHA-256 of 0x00 and these bytes.
    ///
    /// # Errors
    ///
    /// [`Error::OutsideValidity`] where a certificate of the chain is not valid now, [`Error::NotRecorded`] with what
    /// `record` said; those of signing.
    pub fn issue<E>(
        &self,
        identity: &Identity,
        key: &PublicKey,
        now: Timestamp,
        record: impl FnOnce(&[u8]) -> std::result::Result<(), E>,
    ) -> Result<Issued>
    where
        E: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        if !self.issuer.contains(now.as_second()) {
            return Err(Error::OutsideValidity);
        }
        let end = now.as_second().saturating_add(LIFETIME.as_secs()).min(self.issuer.last_second());
        let not_after = Timestamp::from_second(end).map_err(|_| Error::OutsideValidity)?;
        let mut extensions = vec![
            usages(FlagSet::from(KeyUsages::DigitalSignature))?,
            purpose(CODE_SIGNING, false)?,
            subject_key(key)?,
            self.issuer.authority_key()?,
        ];
        extensions.extend(identity.extensions()?);
        let validity = Validity { not_before: now, not_after };
        let mut draft = self.issuer.draft(EMPTY_NAME, key, validity, extensions)?;
        let entry = certificate_log::entry(self.issuer.key().public_key(), &draft.tbs_der()?, now)?;
        record(&entry).map_err(|source| Error::NotRecorded { source: source.into() })?;
        draft.push(certificate_log::timestamp(&self.log, &entry, now)?);
        let certificate = draft.sign(self.issuer.key())?;
        Ok(Issued { certificate, issuers: self.issuer.chain().to_vec() })
    }

    /// Gives the key that signs certificates, with its chain.
    pub fn issuer(&self) -> &CertifiedKey {
        &self.issuer
    }

    /// Describes the log of certificates for a trusted root.
    pub fn log_instance(&self, base_url: &str, operator: Option<&str>, since: Timestamp) -> CtLogInstance {
        certificate_log::instance(self.log.public_key(), base_url, operator, since)
    }
}

impl Issued {
    /// Gives the certificate.
    pub fn certificate(&self) -> &Certificate {
        &self.certificate
    }

    /// Gives the certificate and those above it, the root last.
    pub fn chain(&self) -> impl Iterator<Item = &Certificate> {
        std::iter::once(&self.certificate).chain(&self.issuers)
    }
}

/// How long a certificate of an identity is valid.
const LIFETIME: SignedDuration = SignedDuration::from_mins(10);
/// A name without any part.
const EMPTY_NAME: &[u8] = &[0x30, 0];

#[cfg(test)]
mod tests;

//! A key with the certificates that vouch for it, and the ceremony in which such keys are made.
//!
//! | role | subject | key usage | extended key usage | basic constraints |
//! | --- | --- | --- | --- | --- |
//! | root | O and CN | keyCertSign, cRLSign | – | CA |
//! | identities | O and CN | keyCertSign, cRLSign | codeSigning | CA, no other authority below |
//! | timestamps | O and CN | digitalSignature | timeStamping, critical | – |
//!
//! Once it has certified the two others, a root's key is needed for nothing until one of them is replaced, and can be kept
//! offline. A new root replaces an old one in trusted roots only: both are listed there, each with its time.

use der::asn1::{ObjectIdentifier, OctetString};
use der::flagset::FlagSet;
use der::{Decode, Encode};
use x509_cert::ext::Extension;
use x509_cert::ext::pkix::{AuthorityKeyIdentifier, BasicConstraints, ExtendedKeyUsage, KeyUsage, KeyUsages};

use sealwax_attestation::AuthorityInstance;
use sealwax_keys::{Certificate, PublicKey, SecretKey};

use crate::certificate::{Draft, Name, Validity, extension, key_identifier, signature_algorithm};
use crate::error::{Error, Result};

/// A private key and the chain that certifies it: its own certificate first, a self-signed root last.
#[derive(Debug)]
pub struct CertifiedKey {
    chain: Vec<Certificate>,
    key: SecretKey,
}

/// What a key below a root is for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Role {
    /// It signs the certificates of identities.
    Identities,
    /// It signs tokens of time.
    Timestamps,
}

impl CertifiedKey {
    /// Makes a root: the key certifies itself.
    ///
    /// # Errors
    ///
    /// [`Error::KeyKind`] for other keys than P-256 and P-384, [`Error::UnfitName`], [`Error::OutsideValidity`] for a
    /// validity that ends before it begins, [`Error::Random`].
    pub fn new_root(key: SecretKey, name: Name<'_>, validity: Validity) -> Result<Self> {
        let public = key.public_key();
        let name = name.to_der()?;
        let extensions = vec![
            usages(KeyUsages::KeyCertSign | KeyUsages::CRLSign)?,
            constraints(None)?,
            subject_key(public)?,
        ];
        if validity.not_after < validity.not_before {
            return Err(Error::OutsideValidity);
        }
        let root = Draft::new(public, &name, &name, public, validity, extensions)?.sign(&key)?;
        Ok(Self { chain: vec![root], key })
    }

    /// Puts a key and its chain together.
    ///
    /// # Errors
    ///
    /// [`Error::NotItsKey`] where the first certificate is for another key, [`Error::BrokenChain`] where a certificate is
    /// not signed by the next one, or does not name it, or the last not by itself, or an issuer is no certificate
    /// authority.
    pub fn new(chain: Vec<Certificate>, key: SecretKey) -> Result<Self> {
        let first = chain.first().ok_or(Error::BrokenChain)?;
        if first.public_key() != key.public_key() {
            return Err(Error::NotItsKey);
        }
        signature_algorithm(key.public_key())?;
        let issuers = chain.iter().skip(1).chain(chain.last());
        for (certificate, issuer) in chain.iter().zip(issuers) {
            let named = certificate.issuer_der() == issuer.subject_der();
            if !named || !is_authority(issuer) || certificate.is_signed_by(issuer.public_key()).is_err() {
                return Err(Error::BrokenChain);
            }
        }
        Ok(Self { chain, key })
    }

    /// Certifies a key for a role. Gives its chain: the new certificate first, then this key's own.
    ///
    /// # Errors
    ///
    /// [`Error::WrongRole`] where this key may certify no other authority, [`Error::OutsideValidity`] where the new
    /// certificate would begin before or end after one of this chain, and those of [`CertifiedKey::new_root`].
    pub fn certify(
        &self,
        role: Role,
        key: &PublicKey,
        name: Name<'_>,
        validity: Validity,
    ) -> Result<Vec<Certificate>> {
        let [root] = self.chain.as_slice() else {
            return Err(Error::WrongRole { what: "certify another authority" });
        };
        signature_algorithm(key)?;
        let within =
            self.contains(validity.not_before.as_second()) && self.contains(validity.not_after.as_second());
        if !within || validity.not_after < validity.not_before {
            return Err(Error::OutsideValidity);
        }
        let mut extensions = match role {
            Role::Identities => vec![
                usages(KeyUsages::KeyCertSign | KeyUsages::CRLSign)?,
                purpose(CODE_SIGNING, false)?,
                constraints(Some(0))?,
            ],
            Role::Timestamps => {
                vec![usages(KeyUsages::DigitalSignature.into())?, purpose(TIME_STAMPING, true)?]
            }
        };
        extensions.push(subject_key(key)?);
        extensions.push(self.authority_key()?);
        let draft = self.draft(&name.to_der()?, key, validity, extensions)?;
        Ok(vec![draft.sign(&self.key)?, root.clone()])
    }

    /// Gives the certificates, this key's own first and the root last.
    pub fn chain(&self) -> &[Certificate] {
        &self.chain
    }

    /// Writes the certificates as PEM, in the order of the chain.
    pub fn chain_pem(&self) -> String {
        self.chain.iter().map(Certificate::to_pem).collect()
    }

    /// Gives the private key.
    pub fn key(&self) -> &SecretKey {
        &self.key
    }

    /// Describes this authority for a trusted root, from the first second of its own certificate on and without an end.
    ///
    /// The uri is where it is asked, the operator who runs it.
    ///
    /// # Errors
    ///
    /// [`Error::Encode`] where the certificate's first second is no time that can be written.
    pub fn authority_instance(&self, uri: &str, operator: Option<&str>) -> Result<AuthorityInstance> {
        let own = self.own()?;
        let (organization, common_name) = organization_and_common_name(own);
        Ok(AuthorityInstance {
            organization,
            common_name,
            uri: uri.to_owned(),
            chain: self.chain.iter().map(|certificate| certificate.der().to_vec()).collect(),
            valid_from: jiff::Timestamp::from_second(own.not_before())
                .map_err(|_| Error::Encode { what: "time of validity" })?,
            valid_until: None,
            operator: operator.map(str::to_owned),
        })
    }

    /// Gives this key's own certificate.
    pub(crate) fn own(&self) -> Result<&Certificate> {
        self.chain.first().ok_or(Error::BrokenChain)
    }

    /// Tells whether every certificate of the chain is valid at a time, in seconds since 1970.
    pub(crate) fn contains(&self, second: i64) -> bool {
        self.chain.iter().all(|one| (one.not_before()..=one.not_after()).contains(&second))
    }

    /// Gives the last second at which every certificate of the chain is valid.
    pub(crate) fn last_second(&self) -> i64 {
        self.chain.iter().map(Certificate::not_after).min().unwrap_or(i64::MIN)
    }

    /// Starts a certificate that this key will sign.
    pub(crate) fn draft(
        &self,
        subject_name: &[u8],
        key: &PublicKey,
        validity: Validity,
        extensions: Vec<Extension>,
    ) -> Result<Draft> {
        let own = self.own()?;
        Draft::new(self.key.public_key(), own.subject_der(), subject_name, key, validity, extensions)
    }

    /// Writes the extension that names this key as the issuer's: the identifier that its own certificate states.
    pub(crate) fn authority_key(&self) -> Result<Extension> {
        let own = self.own()?;
        let key_identifier = match own.extension(SUBJECT_KEY_TEXT) {
            Some(stated) => OctetString::from_der(stated.value).map_err(|_| ENCODE)?,
            None => OctetString::new(key_identifier(own.public_key())).map_err(|_| ENCODE)?,
        };
        let value = AuthorityKeyIdentifier { key_identifier: Some(key_identifier), ..Default::default() };
        extension(AUTHORITY_KEY, false, value.to_der().map_err(|_| ENCODE)?)
    }
}

/// Tells whether a certificate lets its key sign others.
pub(crate) fn is_authority(certificate: &Certificate) -> bool {
    certificate.basic_constraints().is_some_and(|constraints| constraints.ca)
        && certificate.key_usage().is_some_and(|usage| usage.key_cert_sign)
}

/// Writes the key usage, which is always critical.
pub(crate) fn usages(usages: FlagSet<KeyUsages>) -> Result<Extension> {
    extension(KEY_USAGE, true, KeyUsage(usages).to_der().map_err(|_| ENCODE)?)
}

/// Writes an extended key usage with one purpose.
pub(crate) fn purpose(purpose: ObjectIdentifier, critical: bool) -> Result<Extension> {
    let value = ExtendedKeyUsage(vec![purpose]).to_der().map_err(|_| ENCODE)?;
    extension(EXTENDED_KEY_USAGE, critical, value)
}

/// Writes the identifier of the certified key.
pub(crate) fn subject_key(key: &PublicKey) -> Result<Extension> {
    let identifier = OctetString::new(key_identifier(key)).map_err(|_| ENCODE)?;
    extension(SUBJECT_KEY, false, identifier.to_der().map_err(|_| ENCODE)?)
}

/// Writes the basic constraints of an authority.
pub(crate) fn constraints(path_len_constraint: Option<u8>) -> Result<Extension> {
    let value = BasicConstraints { ca: true, path_len_constraint };
    extension(BASIC_CONSTRAINTS, true, value.to_der().map_err(|_| ENCODE)?)
}

/// Reads both parts of a certificate's subject, empty where there is none; for people.
fn organization_and_common_name(certificate: &Certificate) -> (String, String) {
    let name = x509_cert::name::Name::from_der(certificate.subject_der()).unwrap_or_default();
    let text = |found: der::Result<Option<x509_cert::ext::pkix::name::DirectoryString>>| {
        found.ok().flatten().map(String::from).unwrap_or_default()
    };
    (text(name.organization()), text(name.common_name()))
}

const ENCODE: Error = Error::Encode { what: "certificate extension" };
/// Extensions of RFC 5280 section 4.2.1.
const SUBJECT_KEY_TEXT: &str = "2.5.29.14";
const SUBJECT_KEY: ObjectIdentifier = ObjectIdentifier::new_unwrap(SUBJECT_KEY_TEXT);
const KEY_USAGE: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.15");
const BASIC_CONSTRAINTS: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.19");
const AUTHORITY_KEY: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.35");
const EXTENDED_KEY_USAGE: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.37");
/// id-kp-codeSigning and id-kp-timeStamping, RFC 5280 section 4.2.1.12.
pub(crate) const CODE_SIGNING: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.5.5.7.3.3");
pub(crate) const TIME_STAMPING: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.5.5.7.3.8");

#[cfg(test)]
mod tests;

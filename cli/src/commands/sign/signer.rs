//! Who signs, and how the bundle and the log name them.

use std::path::Path;

use sealwax_attestation::{VerificationMaterial, Verifier};
use sealwax_keys::{Certificate, PublicKey, SecretKey};
use sealwax_verify::{IdentityRule, NameRule, Signers, TrustedKey};

use crate::error::Error;
use crate::instance::{INSTANCE_KEY_NAME, Instance};
use crate::key_files;
use crate::services::Certified;
use crate::world::World;

use super::Options;

/// A key that signs, and what speaks for it.
pub(super) struct Signer {
    key: SecretKey,
    /// Where the key is, for messages.
    whence: String,
    credential: Credential,
}

/// What speaks for a key.
enum Credential {
    /// Nothing: verifiers know the key, by this name.
    Known(String),
    /// Certificates of a private authority, leaf first.
    Chain(Vec<Certificate>),
    /// A certificate for one signature, and whom it must name.
    Identity(Box<Certificate>, Vec<IdentityRule>),
}

impl Signer {
    /// The holder of the instance's signing key.
    pub(super) fn of_instance(instance: &Instance, options: &Options, world: &World) -> Result<Self, Error> {
        let path = instance.signing_key();
        let key = key_files::read_own_secret(&path, &options.passphrase, world)?;
        Self::new(key, key_files::name_of(&path), INSTANCE_KEY_NAME.to_owned(), options)
    }

    /// The holder of a key that the person names, and of the certificates where the options name some.
    pub(super) fn load(path: &Path, options: &Options, world: &World) -> Result<Self, Error> {
        let key = key_files::read_secret(path, &options.passphrase, world)?;
        Self::new(key, key_files::name_of(path), key_files::name_of(path), options)
    }

    fn new(key: SecretKey, whence: String, name: String, options: &Options) -> Result<Self, Error> {
        let mut certificates = Vec::new();
        for file in options.certificate.iter().chain(&options.certificate_chain) {
            certificates.extend(key_files::read_certificates(file)?);
        }
        if certificates.first().is_some_and(|leaf| leaf.public_key() != key.public_key()) {
            return Err(Error::Usage("the certificate is for another key than --key".to_owned()));
        }
        let credential =
            if certificates.is_empty() { Credential::Known(name) } else { Credential::Chain(certificates) };
        Ok(Self { key, whence, credential })
    }

    /// Somebody whose identity was certified for this signature.
    ///
    /// The certificate must name who was expected, where somebody was; else it may name whomever it names, but for an e-mail
    /// address, which must be the token's. Its issuer must be the token's, or the one whose word that issuer passed on.
    ///
    /// # Errors
    /// [`Error::Usage`] for an expected name that is none, [`Error::Service`] for a certificate without exactly one name.
    pub(super) fn certified(certified: Certified, expected: Option<&str>) -> Result<Self, Error> {
        let Certified { key, certificate, issuers, email, authority } = certified;
        let exactly = |name| NameRule::exactly(name).map_err(|error| Error::Usage(error.to_string()));
        let name = match (expected.or(email.as_deref()), certificate.subject_alternative_names().as_slice()) {
            (Some(expected), _) => exactly(expected)?,
            (None, [name]) => NameRule::Exactly(name.clone()),
            (None, names) => {
                let reason = format!("the certificate has {} names, and not one", names.len());
                return Err(Error::Service { url: authority, reason });
            }
        };
        let rule = |issuer| IdentityRule { issuer, name: name.clone(), claims: Vec::new() };
        let credential = Credential::Identity(Box::new(certificate), issuers.into_iter().map(rule).collect());
        Ok(Self { key, whence: "the key of this signature".to_owned(), credential })
    }

    /// The public half of the key.
    pub(super) fn public_key(&self) -> &PublicKey {
        self.key.public_key()
    }

    /// Whether what speaks for the key holds for a time only, so that it must be known when it signed.
    pub(super) fn is_certified(&self) -> bool {
        !matches!(self.credential, Credential::Known(_))
    }

    /// The certificate for one signature, where the signer is known by an identity.
    pub(super) fn identity_certificate(&self) -> Option<&Certificate> {
        match &self.credential {
            Credential::Identity(certificate, _) => Some(certificate),
            _ => None,
        }
    }

    pub(super) fn sign(&self, message: &[u8]) -> Result<Vec<u8>, Error> {
        let failed = |source| Error::Key { path: self.whence.clone().into(), source };
        self.key.sign(message).map_err(failed)
    }

    pub(super) fn material(&self) -> VerificationMaterial {
        match &self.credential {
            Credential::Known(_) => {
                VerificationMaterial::PublicKey { hint: self.public_key().oms_hint(), key: None }
            }
            Credential::Chain(certificates) => {
                let der = |certificate: &Certificate| certificate.der().to_vec();
                VerificationMaterial::CertificateChain(certificates.iter().map(der).collect())
            }
            Credential::Identity(leaf, _) => VerificationMaterial::Certificate(leaf.der().to_vec()),
        }
    }

    pub(super) fn verifier(&self) -> Verifier {
        match &self.credential {
            Credential::Identity(leaf, _) => Verifier::Certificate(leaf.der().to_vec()),
            Credential::Chain(certificates) => match certificates.first() {
                Some(leaf) => Verifier::Certificate(leaf.der().to_vec()),
                None => Verifier::from(self.public_key()),
            },
            Credential::Known(_) => Verifier::from(self.public_key()),
        }
    }

    /// What a verifier of our own output must trust.
    pub(super) fn trusted(&self) -> Signers {
        match &self.credential {
            Credential::Known(name) => {
                Signers::Keys(vec![TrustedKey { name: name.clone(), key: self.public_key().clone() }])
            }
            Credential::Chain(certificates) => {
                let anchors = certificates.get(1..).unwrap_or_default().to_vec();
                Signers::CertificateChain { anchors, signed_at: None }
            }
            Credential::Identity(_, rules) => Signers::Identities(rules.clone()),
        }
    }
}

//! Which key must have signed, decided from the caller's policy; the bundle only says which of several to try.

use jiff::Timestamp;

use sealwax_attestation::{Bundle, VerificationMaterial, Verifier};
use sealwax_keys::PublicKey;

use crate::certificate::{self, TimeSource};
use crate::{Rejection, Signers, TrustedKey};

/// Who signed, as far as it was proven.
#[derive(Clone, Debug)]
pub enum Signer {
    /// The holder of a key that the policy trusts.
    Key {
        /// The policy's name for it.
        name: String,
        /// The key.
        key: PublicKey,
    },
    /// The holder of a certificate under an anchor that the policy trusts.
    Certificate {
        /// The leaf's subject, as in the certificate.
        subject: String,
        /// The anchor's subject.
        anchor: String,
        /// The certified key.
        key: PublicKey,
        /// SHA-256 of the leaf's DER.
        fingerprint: [u8; 32],
        /// The time at which the chain is valid.
        valid_at: Timestamp,
        /// What that time rests on.
        time_source: TimeSource,
    },
}

impl Signer {
    /// Gives the public key that verified the signature.
    pub fn key(&self) -> &PublicKey {
        match self {
            Self::Key { key, .. } | Self::Certificate { key, .. } => key,
        }
    }
}

/// Proof that the policy allows this signer; made only by [`allow`].
#[derive(Debug)]
pub(crate) struct Allowed {
    signer: Signer,
    verifier: Verifier,
    _made_here: (),
}

impl Allowed {
    pub(crate) fn signer(&self) -> &Signer {
        &self.signer
    }

    /// What the log entry of this signer must name.
    pub(crate) fn verifier(&self) -> &Verifier {
        &self.verifier
    }
}

/// Finds the signer that the bundle names among those that the policy allows.
pub(crate) fn allow(bundle: &Bundle, signers: &Signers, now: Timestamp) -> Result<Allowed, Rejection> {
    match (signers, &bundle.material) {
        (Signers::Keys(keys), VerificationMaterial::PublicKey { hint, key }) => {
            let trusted = trusted_key(keys, hint, key.as_ref())?;
            // The envelope may name the key a second time; two names for one key are a contradiction.
            let key_id = &bundle.envelope.key_id;
            if !key_id.is_empty() && !hint.is_empty() && key_id != hint {
                return Err(Rejection::KeyNotTrusted { hint: key_id.clone() });
            }
            let (name, key) = (trusted.name.clone(), trusted.key.clone());
            let verifier = Verifier::from(&key);
            Ok(Allowed { signer: Signer::Key { name, key }, verifier, _made_here: () })
        }
        (
            Signers::CertificateChain { anchors, signed_at },
            VerificationMaterial::CertificateChain(certificates),
        ) => {
            let chain = certificate::check(certificates, anchors, *signed_at, now)?;
            let verifier = Verifier::Certificate(chain.leaf().der().to_vec());
            Ok(Allowed { signer: chain.into_signer(), verifier, _made_here: () })
        }
        (signers, material) => {
            Err(Rejection::OtherMode { expected: mode(signers), found: material_name(material) })
        }
    }
}

/// The hint decides among several keys; without one there must be only one. A hint, or a key in the bundle, that is not
/// the trusted key's is refused even though nobody signed it: it can only tighten (attacks K07, X05).
fn trusted_key<'a>(
    keys: &'a [TrustedKey],
    hint: &str,
    offered: Option<&PublicKey>,
) -> Result<&'a TrustedKey, Rejection> {
    let not_trusted = || Rejection::KeyNotTrusted { hint: hint.to_owned() };
    let fits = |trusted: &&TrustedKey| {
        (hint.is_empty() || trusted.key.oms_hint() == hint) && offered.is_none_or(|key| *key == trusted.key)
    };
    let mut fitting = keys.iter().filter(fits);
    match (fitting.next(), fitting.next()) {
        (Some(only), None) => Ok(only),
        _ => Err(not_trusted()),
    }
}

fn mode(signers: &Signers) -> &'static str {
    match signers {
        Signers::Keys(_) => "a key",
        Signers::CertificateChain { .. } => "a certificate chain",
    }
}

fn material_name(material: &VerificationMaterial) -> &'static str {
    match material {
        VerificationMaterial::PublicKey { .. } => "a key",
        VerificationMaterial::CertificateChain(_) => "a certificate chain",
        VerificationMaterial::Certificate(_) => "a Sigstore identity certificate",
    }
}

//! Which key must have signed, decided from the caller's policy; the bundle only says which of several to try.
//!
//! It takes two steps. [`choose`] reads which key to verify with; what speaks for that key is asked afterwards, by [`allow`],
//! because the validity of a certificate is judged at a time, and times are proven only for a signature that verified.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;

use sealwax_attestation::{Bundle, BundleVersion, TrustedRoot, VerificationMaterial, Verifier};
use sealwax_keys::{Certificate, PublicKey};

use crate::certificate::{self, TimeSource};
use crate::identity::{self, Identity};
use crate::sct;
use crate::times::Times;
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
    /// Somebody whose identity an authority of the trusted root certified, and whom the policy allows.
    Identity {
        /// The identity.
        identity: Identity,
        /// The authority's name in the trusted root.
        authority: String,
        /// The certified key.
        key: PublicKey,
        /// SHA-256 of the certificate's DER.
        fingerprint: [u8; 32],
        /// How many logs of certificates answered in the certificate.
        log_timestamps: usize,
    },
}

impl Signer {
    /// Gives the public key that verified the signature.
    pub fn key(&self) -> &PublicKey {
        match self {
            Self::Key { key, .. } | Self::Certificate { key, .. } | Self::Identity { key, .. } => key,
        }
    }
}

/// The key that the bundle's signature is to be verified with, and what the policy then asks of it; made only by [`choose`].
#[derive(Debug)]
pub(crate) struct Candidate<'a> {
    key: PublicKey,
    verifier: Verifier,
    demand: Demand<'a>,
    _made_here: (),
}

/// What speaks for a candidate's key.
#[derive(Debug)]
enum Demand<'a> {
    /// The policy lists the key itself, under this name.
    Listed(&'a str),
    /// A chain from this leaf to one of the policy's anchors.
    Chain(Certificate, &'a [Vec<u8>]),
    /// The same to an authority of the trusted root, and an identity.
    Identity(Certificate, &'a [Vec<u8>]),
}

impl Candidate<'_> {
    pub(crate) fn key(&self) -> &PublicKey {
        &self.key
    }

    /// What the log entry of this signer must name.
    pub(crate) fn verifier(&self) -> &Verifier {
        &self.verifier
    }

    /// Whether the policy accepts a signer by a chain to its own anchors.
    pub(crate) fn has_chain(&self) -> bool {
        matches!(self.demand, Demand::Chain(..))
    }
}

/// Finds the signer that the bundle names among those that the policy may allow.
pub(crate) fn choose<'a>(bundle: &'a Bundle, signers: &'a Signers) -> Result<Candidate<'a>, Rejection> {
    let certified = |(leaf, rest): (Certificate, &'a [Vec<u8>]), demand: fn(_, _) -> Demand<'a>| Candidate {
        key: leaf.public_key().clone(),
        verifier: Verifier::Certificate(leaf.der().to_vec()),
        demand: demand(leaf, rest),
        _made_here: (),
    };
    match (signers, &bundle.material) {
        (Signers::Keys(keys), VerificationMaterial::PublicKey { hint, key }) => {
            let trusted = trusted_key(keys, hint, key.as_ref())?;
            // The envelope may name the key a second time; two names for one key are a contradiction.
            let key_id = bundle.envelope().map(|envelope| envelope.key_id.as_str()).unwrap_or_default();
            if !key_id.is_empty() && !hint.is_empty() && key_id != hint {
                return Err(Rejection::KeyNotTrusted { hint: key_id.to_owned() });
            }
            let (key, demand) = (trusted.key.clone(), Demand::Listed(&trusted.name));
            Ok(Candidate { verifier: Verifier::from(&key), key, demand, _made_here: () })
        }
        (Signers::CertificateChain { .. }, VerificationMaterial::CertificateChain(certificates)) => {
            Ok(certified(certificate::leaf(certificates)?, Demand::Chain))
        }
        (Signers::Identities(_), VerificationMaterial::Certificate(leaf)) => {
            Ok(certified(certificate::leaf(std::slice::from_ref(leaf))?, Demand::Identity))
        }
        // Before version 0.3 such a certificate, too, came as a chain.
        (Signers::Identities(_), VerificationMaterial::CertificateChain(certificates))
            if bundle.version < BundleVersion::V0_3 =>
        {
            Ok(certified(certificate::identity_leaf(certificates)?, Demand::Identity))
        }
        (signers, material) => {
            Err(Rejection::OtherMode { expected: mode(signers), found: material_name(material) })
        }
    }
}

/// Proof that the policy allows this signer; made only by [`allow`].
#[derive(Debug)]
pub(crate) struct Allowed {
    signer: Signer,
    _made_here: (),
}

impl Allowed {
    pub(crate) fn signer(&self) -> &Signer {
        &self.signer
    }
}

/// Asks what the policy asks of the key that verified the signature.
pub(crate) fn allow(
    candidate: Candidate<'_>,
    signers: &Signers,
    root: &TrustedRoot,
    times: &Times,
    now: Timestamp,
) -> Result<Allowed, Rejection> {
    let signer = match (candidate.demand, signers) {
        (Demand::Listed(name), _) => Signer::Key { name: name.to_owned(), key: candidate.key },
        (Demand::Chain(leaf, others), Signers::CertificateChain { anchors, signed_at }) => {
            certificate::check(leaf, others, anchors, *signed_at, times, now)?.into_signer()
        }
        (Demand::Identity(leaf, others), Signers::Identities(rules)) => {
            let chain = certificate::check_identity(leaf, others, &root.certificate_authorities, times)?;
            let published = sct::check(&chain, &root.ct_logs, now)?;
            let identity = identity::read(&chain)?;
            identity::allow(&identity, rules)?;
            Signer::Identity {
                identity,
                authority: chain.authority().to_owned(),
                key: candidate.key,
                fingerprint: chain.leaf().fingerprint(),
                log_timestamps: published.answers(),
            }
        }
        (Demand::Chain(..) | Demand::Identity(..), signers) => {
            let found = "a certificate";
            return Err(Rejection::OtherMode { expected: mode(signers), found });
        }
    };
    Ok(Allowed { signer, _made_here: () })
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
        let named = hint.is_empty() || trusted.key.oms_hint() == hint || sigstore_hint(&trusted.key) == hint;
        named && offered.is_none_or(|key| *key == trusted.key)
    };
    let mut fitting = keys.iter().filter(fits);
    match (fitting.next(), fitting.next()) {
        (Some(only), None) => Ok(only),
        _ => Err(not_trusted()),
    }
}

/// How Sigstore's own clients name a key: SHA-256 of its SubjectPublicKeyInfo in base64.
fn sigstore_hint(key: &PublicKey) -> String {
    STANDARD.encode(key.fingerprint())
}

fn mode(signers: &Signers) -> &'static str {
    match signers {
        Signers::Keys(_) => "a key",
        Signers::CertificateChain { .. } => "a certificate chain",
        Signers::Identities(_) => "a Sigstore identity certificate",
    }
}

fn material_name(material: &VerificationMaterial) -> &'static str {
    match material {
        VerificationMaterial::PublicKey { .. } => "a key",
        VerificationMaterial::CertificateChain(_) => "a certificate chain",
        VerificationMaterial::Certificate(_) => "a Sigstore identity certificate",
    }
}

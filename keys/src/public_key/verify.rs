//! The signature checks themselves: ECDSA and RSA by aws-lc-rs, Ed25519 by ed25519-dalek in its strict form.

use aws_lc_rs::digest as aws_digest;
use aws_lc_rs::signature as aws;
use ed25519_dalek::VerifyingKey;
use sha2::digest::consts::U64;
use sha2::digest::{FixedOutput, HashMarker, Output, OutputSizeUser, Update};

use super::spki::{Curve, Material};
use crate::error::{Error, Result};
use crate::scheme::{HashAlgorithm, Scheme};

impl Material {
    /// Checks a signature over a message; that the scheme fits the key has been checked before.
    pub(super) fn verify(&self, scheme: Scheme, message: &[u8], signature: &[u8]) -> Result<()> {
        match scheme {
            Scheme::Ed25519 => self.verify_hashed(None, message, signature),
            Scheme::Ed25519Ph => self.verify_digest(scheme, &scheme.hash().digest(message), signature),
            _ => self.verify_hashed(Some(scheme.hash()), message, signature),
        }
    }

    /// Checks a signature over a digest, whose length has been checked before.
    pub(super) fn verify_digest(&self, scheme: Scheme, digest: &[u8], signature: &[u8]) -> Result<()> {
        if let Self::Ed25519(key) = self {
            let digest = <[u8; 64]>::try_from(digest).map_err(|_| Error::BadSignature)?;
            return key
                .verify_prehashed_strict(ReadyDigest(digest), None, &ed25519_signature(signature)?)
                .map_err(|_| Error::BadSignature);
        }
        let (algorithm, key) = self.aws(scheme.hash()).ok_or(Error::BadSignature)?;
        let imported = match scheme.hash() {
            HashAlgorithm::Sha256 => &aws_digest::SHA256,
            HashAlgorithm::Sha384 => &aws_digest::SHA384,
            HashAlgorithm::Sha512 => &aws_digest::SHA512,
        };
        let digest =
            aws_digest::Digest::import_less_safe(digest, imported).map_err(|_| Error::BadSignature)?;
        aws::UnparsedPublicKey::new(algorithm, key)
            .verify_digest(&digest, signature)
            .map_err(|_| Error::BadSignature)
    }

    /// Checks a signature over a message with a hash that need not be the registry's for this key.
    ///
    /// `None` is pure Ed25519, which signs the message itself.
    pub(super) fn verify_hashed(
        &self,
        hash: Option<HashAlgorithm>,
        message: &[u8],
        signature: &[u8],
    ) -> Result<()> {
        if let (Self::Ed25519(key), None) = (self, hash) {
            return verify_pure(key, message, signature);
        }
        let (algorithm, key) = hash.and_then(|hash| self.aws(hash)).ok_or(Error::BadSignature)?;
        aws::UnparsedPublicKey::new(algorithm, key)
            .verify(message, signature)
            .map_err(|_| Error::BadSignature)
    }

    /// Finds the algorithm for a hash; `None` for Ed25519, whose checks are not aws-lc-rs's.
    fn aws(&self, hash: HashAlgorithm) -> Option<(&'static dyn aws::VerificationAlgorithm, &[u8])> {
        use HashAlgorithm::{Sha256, Sha384, Sha512};
        match self {
            Self::Ecdsa { curve, point } => {
                let algorithm = match (curve, hash) {
                    (Curve::P256, Sha256) => &aws::ECDSA_P256_SHA256_ASN1,
                    (Curve::P256, Sha384) => &aws::ECDSA_P256_SHA384_ASN1,
                    (Curve::P256, Sha512) => &aws::ECDSA_P256_SHA512_ASN1,
                    (Curve::P384, Sha256) => &aws::ECDSA_P384_SHA256_ASN1,
                    (Curve::P384, Sha384) => &aws::ECDSA_P384_SHA384_ASN1,
                    (Curve::P384, Sha512) => &aws::ECDSA_P384_SHA512_ASN1,
                    (Curve::P521, Sha256) => &aws::ECDSA_P521_SHA256_ASN1,
                    (Curve::P521, Sha384) => &aws::ECDSA_P521_SHA384_ASN1,
                    (Curve::P521, Sha512) => &aws::ECDSA_P521_SHA512_ASN1,
                };
                Some((algorithm, point))
            }
            Self::Rsa { key, .. } => {
                let algorithm = match hash {
                    Sha256 => &aws::RSA_PKCS1_2048_8192_SHA256,
                    Sha384 => &aws::RSA_PKCS1_2048_8192_SHA384,
                    Sha512 => &aws::RSA_PKCS1_2048_8192_SHA512,
                };
                Some((algorithm, key))
            }
            Self::Ed25519(_) => None,
        }
    }
}

fn verify_pure(key: &VerifyingKey, message: &[u8], signature: &[u8]) -> Result<()> {
    key.verify_strict(message, &ed25519_signature(signature)?).map_err(|_| Error::BadSignature)
}

fn ed25519_signature(bytes: &[u8]) -> Result<ed25519_dalek::Signature> {
    ed25519_dalek::Signature::from_slice(bytes).map_err(|_| Error::BadSignature)
}

/// A SHA-512 that has been computed elsewhere, in the shape that the Ed25519ph check asks for.
struct ReadyDigest([u8; 64]);

impl Default for ReadyDigest {
    /// Required by the trait; the check never starts a digest of its own with this type.
    fn default() -> Self {
        Self([0; 64])
    }
}

impl HashMarker for ReadyDigest {}

impl OutputSizeUser for ReadyDigest {
    type OutputSize = U64;
}

impl Update for ReadyDigest {
    /// The digest is finished: there is nothing to add to it.
    fn update(&mut self, _data: &[u8]) {}
}

impl FixedOutput for ReadyDigest {
    fn finalize_into(self, out: &mut Output<Self>) {
        out.copy_from_slice(&self.0);
    }
}

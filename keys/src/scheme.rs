//! Kinds of key, signature schemes and hash algorithms, under the names that Sigstore's files give them.
//!
//! A scheme fixes curve or modulus, hash and encoding at once, as the Sigstore algorithm registry does, so that a
//! signature can never be checked under a pair that nobody meant. Names are those of the `PublicKeyDetails` and
//! `HashAlgorithm` enums in Sigstore's protobuf specifications, in their JSON spelling:
//!
//! ```json
//! {"keyDetails": "PKIX_ECDSA_P256_SHA_256", "hashAlgorithm": "SHA2_256"}
//! ```

use std::fmt;

use sha2::{Digest, Sha256, Sha384, Sha512};

/// A kind of key.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[non_exhaustive]
pub enum KeyKind {
    /// ECDSA on the curve P-256 (secp256r1).
    P256,
    /// ECDSA on the curve P-384 (secp384r1).
    P384,
    /// ECDSA on the curve P-521 (secp521r1); Sealwax makes no such key.
    P521,
    /// Ed25519 (RFC 8032), both pure and prehashed.
    Ed25519,
    /// RSA with a modulus of 2048 to 4096 bits; Sealwax makes no such key.
    Rsa,
}

impl fmt::Display for KeyKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::P256 => "ECDSA P-256",
            Self::P384 => "ECDSA P-384",
            Self::P521 => "ECDSA P-521",
            Self::Ed25519 => "Ed25519",
            Self::Rsa => "RSA",
        })
    }
}

/// A signature scheme of the Sigstore algorithm registry.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Scheme {
    /// ECDSA on P-256 over SHA-256, signature in DER.
    EcdsaP256Sha256,
    /// ECDSA on P-384 over SHA-384, signature in DER.
    EcdsaP384Sha384,
    /// ECDSA on P-521 over SHA-512, signature in DER.
    EcdsaP521Sha512,
    /// Pure Ed25519 over the whole message.
    Ed25519,
    /// Ed25519ph with an empty context: over the message's SHA-512.
    Ed25519Ph,
    /// RSA PKCS#1 v1.5 with exactly 2048 bits over SHA-256.
    RsaPkcs1v15_2048Sha256,
    /// RSA PKCS#1 v1.5 with exactly 3072 bits over SHA-256.
    RsaPkcs1v15_3072Sha256,
    /// RSA PKCS#1 v1.5 with exactly 4096 bits over SHA-256.
    RsaPkcs1v15_4096Sha256,
}

impl Scheme {
    /// Gives the scheme's `keyDetails` name, for example `PKIX_ED25519_PH`.
    pub fn key_details(self) -> &'static str {
        match self {
            Self::EcdsaP256Sha256 => "PKIX_ECDSA_P256_SHA_256",
            Self::EcdsaP384Sha384 => "PKIX_ECDSA_P384_SHA_384",
            Self::EcdsaP521Sha512 => "PKIX_ECDSA_P521_SHA_512",
            Self::Ed25519 => "PKIX_ED25519",
            Self::Ed25519Ph => "PKIX_ED25519_PH",
            Self::RsaPkcs1v15_2048Sha256 => "PKIX_RSA_PKCS1V15_2048_SHA256",
            Self::RsaPkcs1v15_3072Sha256 => "PKIX_RSA_PKCS1V15_3072_SHA256",
            Self::RsaPkcs1v15_4096Sha256 => "PKIX_RSA_PKCS1V15_4096_SHA256",
        }
    }

    /// Finds the scheme of a `keyDetails` name, compared exactly; `None` for every other name, deprecated ones included.
    pub fn from_key_details(name: &str) -> Option<Self> {
        SCHEMES.into_iter().find(|scheme| scheme.key_details() == name)
    }

    /// Gives the hash that the scheme applies to the message, SHA-512 for both kinds of Ed25519.
    pub fn hash(self) -> HashAlgorithm {
        match self {
            Self::EcdsaP256Sha256
            | Self::RsaPkcs1v15_2048Sha256
            | Self::RsaPkcs1v15_3072Sha256
            | Self::RsaPkcs1v15_4096Sha256 => HashAlgorithm::Sha256,
            Self::EcdsaP384Sha384 => HashAlgorithm::Sha384,
            Self::EcdsaP521Sha512 | Self::Ed25519 | Self::Ed25519Ph => HashAlgorithm::Sha512,
        }
    }
}

impl fmt::Display for Scheme {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.key_details())
    }
}

/// A hash algorithm of the SHA-2 family.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum HashAlgorithm {
    /// SHA-256, 32 bytes.
    Sha256,
    /// SHA-384, 48 bytes.
    Sha384,
    /// SHA-512, 64 bytes.
    Sha512,
}

impl HashAlgorithm {
    /// Hashes bytes.
    pub fn digest(self, bytes: &[u8]) -> Vec<u8> {
        match self {
            Self::Sha256 => Sha256::digest(bytes).to_vec(),
            Self::Sha384 => Sha384::digest(bytes).to_vec(),
            Self::Sha512 => Sha512::digest(bytes).to_vec(),
        }
    }

    /// Gives the length of a digest in bytes.
    #[allow(
        clippy::len_without_is_empty,
        reason = "the length of an algorithm's digest, which is never empty"
    )]
    pub fn len(self) -> usize {
        match self {
            Self::Sha256 => 32,
            Self::Sha384 => 48,
            Self::Sha512 => 64,
        }
    }

    /// Gives the name in Sigstore's protobuf enum, for example `SHA2_256`.
    pub fn protobuf_name(self) -> &'static str {
        match self {
            Self::Sha256 => "SHA2_256",
            Self::Sha384 => "SHA2_384",
            Self::Sha512 => "SHA2_512",
        }
    }
}

const SCHEMES: [Scheme; 8] = [
    Scheme::EcdsaP256Sha256,
    Scheme::EcdsaP384Sha384,
    Scheme::EcdsaP521Sha512,
    Scheme::Ed25519,
    Scheme::Ed25519Ph,
    Scheme::RsaPkcs1v15_2048Sha256,
    Scheme::RsaPkcs1v15_3072Sha256,
    Scheme::RsaPkcs1v15_4096Sha256,
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_lead_back_to_their_scheme() {
        for scheme in SCHEMES {
            assert_eq!(Scheme::from_key_details(scheme.key_details()), Some(scheme));
        }
    }

    #[test]
    fn unknown_and_deprecated_names_are_refused() {
        for name in [
            "",
            "pkix_ed25519",
            "PKIX_ED25519 ",
            "PKIX_ECDSA_P256_HMAC_SHA_256",
            "PKCS1_RSA_PKCS1V5",
            "PKIX_RSA_PSS_2048_SHA256",
            "LMS_SHA256",
        ] {
            assert_eq!(Scheme::from_key_details(name), None, "{name}");
        }
    }

    #[test]
    fn digests_have_the_stated_length() {
        for algorithm in [HashAlgorithm::Sha256, HashAlgorithm::Sha384, HashAlgorithm::Sha512] {
            assert_eq!(algorithm.digest(b"abc").len(), algorithm.len());
        }
    }
}

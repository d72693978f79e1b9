//! The algorithm that a signed DER structure names beside its signature: in certificates and in requests for them.

use der::asn1::ObjectIdentifier;

use crate::error::{Error, Result};
use crate::public_key::PublicKey;
use crate::scheme::{HashAlgorithm, KeyKind};

/// The algorithm of a signature; `signer` is `None` for those that are not accepted.
#[derive(Clone, Copy)]
pub(crate) struct SignatureAlgorithm {
    oid: ObjectIdentifier,
    /// With the hash, which pure Ed25519 has none of.
    signer: Option<(Family, Option<HashAlgorithm>)>,
}

#[derive(Clone, Copy)]
enum Family {
    Ecdsa,
    Rsa,
    Ed25519,
}

impl SignatureAlgorithm {
    pub(crate) fn read(identifier: &spki::AlgorithmIdentifierOwned) -> Self {
        let absent = identifier.parameters.is_none();
        // RFC 4055 wants NULL for RSA and asks readers to take an absent field as well.
        let null = identifier.parameters.as_ref().is_none_or(der::Any::is_null);
        let signer = match identifier.oid.to_string().as_str() {
            "1.2.840.10045.4.3.2" if absent => Some((Family::Ecdsa, Some(HashAlgorithm::Sha256))),
            "1.2.840.10045.4.3.3" if absent => Some((Family::Ecdsa, Some(HashAlgorithm::Sha384))),
            "1.2.840.10045.4.3.4" if absent => Some((Family::Ecdsa, Some(HashAlgorithm::Sha512))),
            "1.2.840.113549.1.1.11" if null => Some((Family::Rsa, Some(HashAlgorithm::Sha256))),
            "1.2.840.113549.1.1.12" if null => Some((Family::Rsa, Some(HashAlgorithm::Sha384))),
            "1.2.840.113549.1.1.13" if null => Some((Family::Rsa, Some(HashAlgorithm::Sha512))),
            "1.3.101.112" if absent => Some((Family::Ed25519, None)),
            _ => None,
        };
        Self { oid: identifier.oid, signer }
    }

    /// Checks a signature by a key, which must be one for the algorithm.
    pub(crate) fn verify(self, key: &PublicKey, message: &[u8], signature: &[u8]) -> Result<()> {
        let Self { oid, signer } = self;
        let (family, hash) =
            signer.ok_or_else(|| Error::UnsupportedSignatureAlgorithm { oid: oid.to_string() })?;
        let kind = key.kind();
        let fits = match family {
            Family::Ecdsa => matches!(kind, KeyKind::P256 | KeyKind::P384 | KeyKind::P521),
            Family::Rsa => kind == KeyKind::Rsa,
            Family::Ed25519 => kind == KeyKind::Ed25519,
        };
        if !fits {
            return Err(Error::IssuerKeyMismatch { oid: oid.to_string(), kind });
        }
        key.verify_certificate(hash, message, signature)
    }
}

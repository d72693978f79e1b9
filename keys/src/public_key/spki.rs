//! Reading and writing SubjectPublicKeyInfo (RFC 5280, RFC 5480, RFC 8410, RFC 3279).
//!
//! ```text
//! SEQUENCE {
//!   SEQUENCE { OBJECT IDENTIFIER id-ecPublicKey, OBJECT IDENTIFIER prime256v1 }
//!   BIT STRING 04 ‖ x ‖ y
//! }
//! ```

use aws_lc_rs::signature as aws;
use der::asn1::{AnyRef, BitStringRef, ObjectIdentifier, UintRef};
use der::{Decode, Encode, Reader, SliceReader, Tag, Tagged};
use ed25519_dalek::VerifyingKey;
use spki::{AlgorithmIdentifierRef, SubjectPublicKeyInfoRef};

use crate::error::{Error, Result};
use crate::scheme::KeyKind;

/// What a public key consists of, checked.
#[derive(Clone)]
pub(super) enum Material {
    /// An uncompressed point on a curve.
    Ecdsa { curve: Curve, point: Vec<u8> },
    /// A point of large order in canonical form.
    Ed25519(VerifyingKey),
    /// A DER RSAPublicKey and the size of its modulus.
    Rsa { bits: usize, key: Vec<u8> },
}

/// A curve that ECDSA keys may lie on.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Curve {
    P256,
    P384,
    P521,
}

impl Curve {
    pub(super) fn kind(self) -> KeyKind {
        match self {
            Self::P256 => KeyKind::P256,
            Self::P384 => KeyKind::P384,
            Self::P521 => KeyKind::P521,
        }
    }

    pub(super) fn bits(self) -> usize {
        match self {
            Self::P256 => 256,
            Self::P384 => 384,
            Self::P521 => 521,
        }
    }
}

/// Reads and checks a key.
pub(super) fn read(der: &[u8]) -> Result<Material> {
    if der.len() > MAX_SPKI {
        return Err(Error::TooLong { what: "public key", limit: MAX_SPKI });
    }
    let info = SubjectPublicKeyInfoRef::from_der(der).map_err(|_| MALFORMED)?;
    let key = info.subject_public_key.as_bytes().ok_or(MALFORMED)?;
    match info.algorithm.oid {
        EC_PUBLIC_KEY_OID => read_point(info.algorithm.parameters, key),
        ED25519_OID if info.algorithm.parameters.is_none() => read_ed25519(key),
        RSA_OID if info.algorithm.parameters.is_some_and(|any| any.is_null()) => read_rsa(key),
        ED25519_OID | RSA_OID => Err(MALFORMED),
        other => Err(Error::UnsupportedKey { what: describe_algorithm(other) }),
    }
}

/// Writes an Ed25519 key.
pub(super) fn write_ed25519(bytes: &[u8; 32]) -> Result<Vec<u8>> {
    write(AlgorithmIdentifierRef { oid: ED25519_OID, parameters: None }, bytes)
}

/// Writes an ECDSA key.
pub(super) fn write_point(curve: ObjectIdentifier, point: &[u8]) -> Result<Vec<u8>> {
    write(AlgorithmIdentifierRef { oid: EC_PUBLIC_KEY_OID, parameters: Some((&curve).into()) }, point)
}

fn write(algorithm: AlgorithmIdentifierRef<'_>, key: &[u8]) -> Result<Vec<u8>> {
    let subject_public_key = BitStringRef::from_bytes(key).map_err(|_| MALFORMED)?;
    SubjectPublicKeyInfoRef { algorithm, subject_public_key }.to_der().map_err(|_| MALFORMED)
}

/// Names an algorithm for an error message.
pub(crate) fn describe_algorithm(oid: ObjectIdentifier) -> String {
    match oid.to_string().as_str() {
        "1.2.840.113549.1.1.1" => "RSA".into(),
        "1.2.840.113549.1.1.10" => "RSASSA-PSS".into(),
        "1.2.840.10040.4.1" => "DSA".into(),
        "1.2.840.113549.1.3.1" => "Diffie-Hellman".into(),
        "1.3.101.110" => "X25519".into(),
        "1.3.101.111" => "X448".into(),
        "1.3.101.113" => "Ed448".into(),
        other => format!("algorithm {other}"),
    }
}

/// Names a curve for an error message.
pub(crate) fn describe_curve(oid: ObjectIdentifier) -> String {
    match oid.to_string().as_str() {
        "1.3.132.0.10" => "ECDSA secp256k1".into(),
        "1.3.132.0.33" => "ECDSA P-224".into(),
        "1.3.132.0.35" => "ECDSA P-521".into(),
        other => format!("ECDSA curve {other}"),
    }
}

fn read_point(parameters: Option<AnyRef<'_>>, point: &[u8]) -> Result<Material> {
    let parameters = parameters.ok_or(MALFORMED)?;
    if parameters.tag() != Tag::ObjectIdentifier {
        // Explicit parameters let a forger choose the generator, and with it a private key for a known point.
        return Err(Error::UnsupportedKey { what: "ECDSA with explicit curve parameters".into() });
    }
    let oid = parameters.decode_as::<ObjectIdentifier>().map_err(|_| MALFORMED)?;
    let (curve, length, algorithm) = match oid {
        P256_OID => (Curve::P256, 65, &aws::ECDSA_P256_SHA256_ASN1),
        P384_OID => (Curve::P384, 97, &aws::ECDSA_P384_SHA384_ASN1),
        P521_OID => (Curve::P521, 133, &aws::ECDSA_P521_SHA512_ASN1),
        other => return Err(Error::UnsupportedKey { what: describe_curve(other) }),
    };
    if point == [0] {
        return Err(Error::WeakKey { what: "the point is at infinity" });
    }
    // 04 and the full length: a compressed or hybrid form would be a second encoding of one key.
    if point.len() != length || point.first() != Some(&4) {
        return Err(Error::Malformed { what: "uncompressed curve point" });
    }
    aws::UnparsedPublicKey::new(algorithm, point)
        .parse()
        .map_err(|_| Error::WeakKey { what: "the point is not on its curve" })?;
    Ok(Material::Ecdsa { curve, point: point.to_vec() })
}

fn read_ed25519(key: &[u8]) -> Result<Material> {
    let bytes = <&[u8; 32]>::try_from(key).map_err(|_| MALFORMED)?;
    let key = VerifyingKey::from_bytes(bytes)
        .map_err(|_| Error::WeakKey { what: "the bytes are no Ed25519 point" })?;
    // One point, one encoding; the library takes a y coordinate at or above the field's prime as well.
    if key.to_edwards().compress().as_bytes() != bytes {
        return Err(Error::WeakKey { what: "the Ed25519 point is not in canonical form" });
    }
    // Under a point of small order one signature fits almost every message.
    if key.is_weak() {
        return Err(Error::WeakKey { what: "the Ed25519 point is of small order" });
    }
    Ok(Material::Ed25519(key))
}

fn read_rsa(key: &[u8]) -> Result<Material> {
    let malformed = || Error::Malformed { what: "RSA public key" };
    let mut reader = SliceReader::new(key).map_err(|_| malformed())?;
    let (modulus, exponent) = reader
        .sequence(|reader| Ok::<_, der::Error>((UintRef::decode(reader)?, UintRef::decode(reader)?)))
        .map_err(|_| malformed())?;
    reader.finish().map_err(|_| malformed())?;
    let bits = bit_length(modulus.as_bytes());
    if !(2048..=4096).contains(&bits) {
        return Err(Error::WeakKey { what: "the RSA modulus is not of 2048 to 4096 bits" });
    }
    if !is_odd(modulus) {
        return Err(Error::WeakKey { what: "the RSA modulus is even" });
    }
    if !is_odd(exponent) || exponent.as_bytes() == [1] {
        return Err(Error::WeakKey { what: "the RSA exponent is even or below 3" });
    }
    aws::UnparsedPublicKey::new(&aws::RSA_PKCS1_2048_8192_SHA256, key)
        .parse()
        .map_err(|_| Error::WeakKey { what: "the RSA key is not usable" })?;
    Ok(Material::Rsa { bits, key: key.to_vec() })
}

fn bit_length(bytes: &[u8]) -> usize {
    let significant =
        bytes.iter().position(|byte| *byte != 0).map_or(0, |zeros| bytes.len().saturating_sub(zeros));
    let top = bytes.iter().find(|byte| **byte != 0).map_or(0, |byte| byte.leading_zeros());
    usize::try_from(top).map_or(0, |top| significant.saturating_mul(8).saturating_sub(top))
}

fn is_odd(number: UintRef<'_>) -> bool {
    number.as_bytes().last().is_some_and(|byte| byte & 1 == 1)
}

/// id-ecPublicKey, RFC 5480.
pub(crate) const EC_PUBLIC_KEY_OID: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.2.1");
/// secp256r1, RFC 5480.
pub(crate) const P256_OID: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.3.1.7");
/// secp384r1, RFC 5480.
pub(crate) const P384_OID: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.132.0.34");
/// secp521r1, RFC 5480.
const P521_OID: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.132.0.35");
/// id-Ed25519, RFC 8410.
pub(crate) const ED25519_OID: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.101.112");
/// rsaEncryption, RFC 3279.
const RSA_OID: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.1");
/// Longest SubjectPublicKeyInfo read; that of RSA with 4096 bits takes about 550 bytes.
const MAX_SPKI: usize = 1024;
const MALFORMED: Error = Error::Malformed { what: "public key" };

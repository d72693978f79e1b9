//! Public keys and signatures between the forms of PKCS#11 and those of X.509.

use cryptoki::object::{Attribute, AttributeType, KeyType, ObjectHandle};
use cryptoki::session::Session;
use der::asn1::{AnyRef, BitStringRef, ObjectIdentifier, OctetStringRef, UintRef};
use der::{Decode, Encode};
use sealwax_keys::{KeyKind, PublicKey};
use spki::{AlgorithmIdentifierRef, SubjectPublicKeyInfoRef};

use crate::error::{Error, Result};

/// Reads a public key of the token.
pub(crate) fn read_public(session: &Session, key: ObjectHandle) -> Result<PublicKey> {
    let wanted = [
        AttributeType::KeyType,
        AttributeType::EcParams,
        AttributeType::EcPoint,
        AttributeType::Modulus,
        AttributeType::PublicExponent,
    ];
    let (mut kind, mut parameters, mut point, mut modulus, mut exponent) = (None, None, None, None, None);
    for attribute in session.get_attributes(key, &wanted)? {
        match attribute {
            Attribute::KeyType(value) => kind = Some(value),
            Attribute::EcParams(value) => parameters = Some(value),
            Attribute::EcPoint(value) => point = Some(value),
            Attribute::Modulus(value) => modulus = Some(value),
            Attribute::PublicExponent(value) => exponent = Some(value),
            _ => {}
        }
    }
    match (kind, parameters, point, modulus, exponent) {
        (Some(KeyType::EC), Some(parameters), Some(point), ..) => {
            let parameters = AnyRef::from_der(&parameters).map_err(|_| MALFORMED)?;
            spki_key(EC_PUBLIC_KEY_OID, Some(parameters), unwrapped(&point))
        }
        (Some(KeyType::EC_EDWARDS), _, Some(point), ..) => {
            let bytes = <&[u8; 32]>::try_from(unwrapped(&point)).map_err(|_| MALFORMED)?;
            PublicKey::from_ed25519(bytes).map_err(Error::Key)
        }
        (Some(KeyType::RSA), _, _, Some(modulus), Some(exponent)) => {
            let key = pair(&modulus, &exponent).map_err(|_| MALFORMED)?;
            spki_key(RSA_OID, Some(AnyRef::NULL), &key)
        }
        _ => Err(Error::Key(sealwax_keys::Error::UnsupportedKey {
            what: "neither ECDSA, Ed25519 nor RSA".into(),
        })),
    }
}

/// Writes an ECDSA signature in DER: a token gives r and s, each as long as the curve's order.
pub(crate) fn ecdsa_signature(raw: &[u8]) -> Result<Vec<u8>> {
    let odd = || Error::Token { reason: "an ECDSA signature of odd length".to_owned() };
    let half = raw.len() / 2;
    let (r, s) = raw.split_at_checked(half).filter(|(r, s)| r.len() == s.len()).ok_or_else(odd)?;
    pair(r, s).map_err(|_| odd())
}

/// The parameters that make a token generate a key of this kind.
pub(crate) fn curve_parameters(kind: KeyKind) -> Result<Vec<u8>> {
    let oid = match kind {
        KeyKind::P256 => P256_OID,
        KeyKind::P384 => P384_OID,
        KeyKind::Ed25519 => ED25519_OID,
        kind => return Err(Error::Key(sealwax_keys::Error::CannotGenerate { kind })),
    };
    oid.to_der().map_err(|_| MALFORMED)
}

fn spki_key(oid: ObjectIdentifier, parameters: Option<AnyRef<'_>>, key: &[u8]) -> Result<PublicKey> {
    let subject_public_key = BitStringRef::from_bytes(key).map_err(|_| MALFORMED)?;
    let algorithm = AlgorithmIdentifierRef { oid, parameters };
    let spki = SubjectPublicKeyInfoRef { algorithm, subject_public_key }.to_der().map_err(|_| MALFORMED)?;
    PublicKey::from_spki_der(&spki).map_err(Error::Key)
}

/// A point is an OCTET STRING that holds it; some tokens give the bare point, which starts with the same byte.
fn unwrapped(point: &[u8]) -> &[u8] {
    <&OctetStringRef>::from_der(point).map_or(point, OctetStringRef::as_bytes)
}

/// SEQUENCE of two non-negative INTEGERs, from big-endian bytes of any length.
fn pair(first: &[u8], second: &[u8]) -> der::Result<Vec<u8>> {
    let numbers = [UintRef::new(first)?, UintRef::new(second)?];
    numbers.to_vec().to_der()
}

const MALFORMED: Error = Error::Key(sealwax_keys::Error::Malformed { what: "public key in the token" });
/// id-ecPublicKey, RFC 5480.
const EC_PUBLIC_KEY_OID: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.2.1");
/// secp256r1, RFC 5480.
const P256_OID: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.3.1.7");
/// secp384r1, RFC 5480.
const P384_OID: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.132.0.34");
/// id-Ed25519, RFC 8410.
const ED25519_OID: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.101.112");
/// rsaEncryption, RFC 3279.
const RSA_OID: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.1");

//! The keys that an issuer publishes (RFC 7517), and the signatures that they make (RFC 7515, RFC 7518).
//!
//! ```json
//! {"keys": [{"kty": "EC", "crv": "P-256", "kid": "1", "alg": "ES256", "use": "sig", "x": "…", "y": "…"}]}
//! ```
//!
//! Taken are RS256, ES256, ES384, ES512 and EdDSA. Keys become [`PublicKey`]s, which the one parser of the keys room has
//! checked; keys of other kinds or of other sizes are left out, so that an issuer can publish any it likes.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use der::Encode;
use der::asn1::{Any, BitString, ObjectIdentifier, UintRef};
use spki::{AlgorithmIdentifierOwned, SubjectPublicKeyInfoOwned};

use sealwax_attestation::json::{Json, Limits, Object, parse};
use sealwax_keys::{PublicKey, Scheme};

use crate::refusal::Refusal;

/// The keys of one issuer.
#[derive(Clone, Debug)]
pub struct Jwks {
    keys: Vec<Jwk>,
}

#[derive(Clone, Debug)]
struct Jwk {
    id: Option<String>,
    algorithm: Algorithm,
    /// Where the key says what it is for; it must be this then.
    stated_algorithm: Option<String>,
    key: PublicKey,
}

impl Jwks {
    /// Reads a key set of at most 256 KiB and 64 keys.
    ///
    /// # Errors
    ///
    /// [`Refusal::IssuerDocument`] for anything else than a key set, duplicate fields included.
    pub fn from_json(text: &[u8]) -> Result<Self, Refusal> {
        let read = || {
            let mut object = parse(text, LIMITS)?.object()?;
            object.take("keys", |list| list.list(MAX_KEYS, jwk))
        };
        let keys = read().map_err(|_| Refusal::IssuerDocument { what: "key set" })?;
        Ok(Self { keys: keys.into_iter().flatten().collect() })
    }

    /// Checks a signature by the key of this identifier; without one, by the only key that there is for the algorithm.
    pub(crate) fn verify(
        &self,
        id: Option<&str>,
        algorithm: Algorithm,
        message: &[u8],
        signature: &[u8],
    ) -> Result<(), Refusal> {
        let fits = |key: &&Jwk| {
            key.algorithm == algorithm
                && key.stated_algorithm.as_deref().is_none_or(|stated| stated == algorithm.name())
                && (id.is_none() || key.id.as_deref() == id)
        };
        let mut candidates = self.keys.iter().filter(fits);
        let (Some(found), None) = (candidates.next(), candidates.next()) else {
            return Err(Refusal::UnknownKey);
        };
        let signature = algorithm.signature(signature)?;
        found
            .key
            .verify(algorithm.scheme(&found.key), message, &signature)
            .map_err(|_| Refusal::TokenSignature)
    }
}

/// How a token can be signed.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Algorithm {
    Rs256,
    Es256,
    Es384,
    Es512,
    EdDsa,
}

impl Algorithm {
    /// Finds an algorithm by its name, compared exactly: `none`, `None` and `HS256` are none of these.
    pub(crate) fn from_name(name: &str) -> Option<Self> {
        [Self::Rs256, Self::Es256, Self::Es384, Self::Es512, Self::EdDsa]
            .into_iter()
            .find(|algorithm| algorithm.name() == name)
    }

    fn name(self) -> &'static str {
        match self {
            Self::Rs256 => "RS256",
            Self::Es256 => "ES256",
            Self::Es384 => "ES384",
            Self::Es512 => "ES512",
            Self::EdDsa => "EdDSA",
        }
    }

    fn scheme(self, key: &PublicKey) -> Scheme {
        match self {
            Self::EdDsa => Scheme::Ed25519,
            Self::Rs256 | Self::Es256 | Self::Es384 | Self::Es512 => key.scheme(),
        }
    }

    /// Turns the two numbers of an ECDSA signature, of the field's length each, into DER; others are as they are.
    fn signature(self, signature: &[u8]) -> Result<Vec<u8>, Refusal> {
        let length = match self {
            Self::Rs256 | Self::EdDsa => return Ok(signature.to_vec()),
            Self::Es256 => 32_usize,
            Self::Es384 => 48,
            Self::Es512 => 66,
        };
        let numbers = signature.split_at_checked(length).filter(|(_, s)| s.len() == length);
        let (r, s) = numbers.ok_or(Refusal::TokenSignature)?;
        let der = || vec![UintRef::new(r)?, UintRef::new(s)?].to_der();
        der().map_err(|_| Refusal::TokenSignature)
    }
}

/// Reads one key, or nothing where it is of no use here.
fn jwk(json: Json<'_>) -> Result<Option<Jwk>, sealwax_attestation::Error> {
    let mut object = json.object()?;
    let text = |value: Json<'_>| value.name().map(std::borrow::Cow::into_owned);
    let kind = object.take("kty", Json::name)?;
    let curve = object.take_optional("crv", Json::name)?.unwrap_or_default();
    let id = object.take_optional("kid", text)?;
    let stated_algorithm = object.take_optional("alg", text)?;
    let for_signing = object.take_optional("use", Json::name)?.is_none_or(|usage| usage == "sig");
    let (algorithm, spki) = match (kind.as_ref(), curve.as_ref()) {
        ("RSA", _) => (Algorithm::Rs256, rsa(number(&mut object, "n")?, number(&mut object, "e")?)),
        ("EC", "P-256") => (Algorithm::Es256, point(P256, 32, &mut object)?),
        ("EC", "P-384") => (Algorithm::Es384, point(P384, 48, &mut object)?),
        ("EC", "P-521") => (Algorithm::Es512, point(P521, 66, &mut object)?),
        ("OKP", "Ed25519") => (Algorithm::EdDsa, write(ED25519, None, &number(&mut object, "x")?)),
        _ => return Ok(None),
    };
    let key = spki.and_then(|spki| PublicKey::from_spki_der(&spki).ok()).filter(|_| for_signing);
    Ok(key.map(|key| Jwk { id, algorithm, stated_algorithm, key }))
}

fn number(object: &mut Object<'_>, name: &str) -> Result<Vec<u8>, sealwax_attestation::Error> {
    object.take(name, |value| {
        let expected = "base64url without padding";
        let shape = |_| sealwax_attestation::Error::Shape { path: String::new(), expected };
        URL_SAFE_NO_PAD.decode(value.string()?.as_bytes()).map_err(shape)
    })
}

fn point(
    curve: ObjectIdentifier,
    length: usize,
    object: &mut Object<'_>,
) -> Result<Option<Vec<u8>>, sealwax_attestation::Error> {
    let (x, y) = (number(object, "x")?, number(object, "y")?);
    // Each has the full length of the field (RFC 7518 section 6.2.1.2); together they could be right with both wrong.
    if x.len() != length || y.len() != length {
        return Ok(None);
    }
    let parameters = Any::encode_from(&curve).ok();
    Ok(write(EC_PUBLIC_KEY, parameters, &[vec![4], x, y].concat()))
}

fn rsa(modulus: Vec<u8>, exponent: Vec<u8>) -> Option<Vec<u8>> {
    let key = vec![UintRef::new(&modulus).ok()?, UintRef::new(&exponent).ok()?].to_der().ok()?;
    write(RSA, Some(Any::null()), &key)
}

fn write(oid: ObjectIdentifier, parameters: Option<Any>, key: &[u8]) -> Option<Vec<u8>> {
    let algorithm = AlgorithmIdentifierOwned { oid, parameters };
    let subject_public_key = BitString::from_bytes(key).ok()?;
    SubjectPublicKeyInfoOwned { algorithm, subject_public_key }.to_der().ok()
}

const MAX_KEYS: usize = 64;
/// Google's set takes 1 KB, with certificates some take 30.
const LIMITS: Limits = Limits { bytes: 256 * 1_024, depth: 8, values: 4_096 };
/// RFC 5480, RFC 8410 and RFC 3279.
const EC_PUBLIC_KEY: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.2.1");
const P256: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.3.1.7");
const P384: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.132.0.34");
const P521: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.132.0.35");
const ED25519: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.101.112");
const RSA: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.1");

#[cfg(test)]
mod tests;

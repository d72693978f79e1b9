//! What a client asks a log to take: the body of Rekor v2's `POST /api/v2/log/entries`, of either kind.
//!
//! ```json
//! {"hashedRekordRequestV002":{"digest":"…","signature":{"content":"…",
//!   "verifier":{"publicKey":{"rawBytes":"…"},"keyDetails":"PKIX_ECDSA_P256_SHA_256"}}}}
//! {"dsseRequestV002":{"envelope":{"payload":"…","payloadType":"…","signatures":[{"sig":"…","keyid":""}]},
//!   "verifiers":[{"x509Certificate":{"rawBytes":"…"},"keyDetails":"PKIX_ECDSA_P256_SHA_256"}]}}
//! ```
//!
//! Unlike everything else in this room it is read as the proto3 JSON mapping says, because clients in five languages write
//! it: field names in camel case or as in the protobuf files, enums by name or number, base64 of both alphabets with or
//! without padding, null as absent. Nothing of the spelling survives: what is logged is written anew. What the mapping
//! refuses is refused here: unknown fields, a field given twice, two members of a `oneof`.

use base64::Engine as _;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};

use sealwax_keys::Scheme;

use crate::Error;
use crate::entry::{HashedRekord, Verifier, scheme as scheme_by_name};
use crate::json::{Json, Limits, Object, parse};
use crate::logged::DsseEntry;

/// A submission as it came: nothing about it is checked but its form.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Submission {
    /// A signature over a digest. The digest's length may not fit the scheme.
    HashedRekord(HashedRekord),
    /// An envelope, as older clients send it.
    Dsse(DsseSubmission),
}

/// An envelope with the keys and certificates for its signatures, in no order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DsseSubmission {
    /// The media type of the payload.
    pub payload_type: String,
    /// The signed bytes.
    pub payload: Vec<u8>,
    /// One to ten signatures, each with its unauthenticated hint.
    pub signatures: Vec<(Vec<u8>, String)>,
    /// One to ten keys or certificates, each with the scheme that it is said to be used with.
    pub verifiers: Vec<(Scheme, Verifier)>,
}

impl Submission {
    /// The largest submission in bytes of text: an envelope of 8 MiB and what verifies it.
    pub const MAX_BYTES: usize = (8 << 20) + MAX_HASHED_REKORD;

    /// Reads a submission.
    ///
    /// # Errors
    /// [`Error::TooLarge`] beyond [`Submission::MAX_BYTES`], 64 KiB for a `hashedRekordRequestV002`; [`Error::Shape`] with an
    /// empty path where there is not exactly one request; [`Error::Unsupported`] for key details that are not read; and
    /// shape errors, unknown fields included.
    pub fn from_json(text: &[u8]) -> Result<Self, Error> {
        let limits = Limits { bytes: Self::MAX_BYTES, depth: 8, values: 512 };
        let mut object = parse(text, limits)?.object()?;
        let rekord = take(&mut object, HASHED_REKORD, hashed_rekord)?;
        let envelope = take(&mut object, DSSE, dsse)?;
        object.finish()?;
        match (rekord, envelope) {
            (Some(_), None) if text.len() > MAX_HASHED_REKORD => {
                Err(Error::TooLarge { size: text.len(), limit: MAX_HASHED_REKORD })
            }
            (Some(rekord), None) => Ok(Self::HashedRekord(rekord)),
            (None, Some(envelope)) => Ok(Self::Dsse(envelope)),
            _ => {
                let expected = "exactly one of hashedRekordRequestV002 and dsseRequestV002";
                Err(Error::Shape { path: String::new(), expected })
            }
        }
    }
}

fn hashed_rekord(json: Json<'_>) -> Result<HashedRekord, Error> {
    let mut object = json.object()?;
    let digest = object.take("digest", bytes)?;
    let entry = object.take("signature", |signature| {
        let mut signature = signature.object()?;
        let content = signature.take("content", bytes)?;
        let (scheme, verifier) = signature.take("verifier", verifier)?;
        signature.finish()?;
        Ok(HashedRekord { scheme, digest, signature: content, verifier })
    })?;
    object.finish().map(|()| entry)
}

fn dsse(json: Json<'_>) -> Result<DsseSubmission, Error> {
    let mut object = json.object()?;
    let (payload_type, payload, signatures) = object.take("envelope", |envelope| {
        let mut envelope = envelope.object()?;
        // Both may be empty, which proto3 may leave out.
        let payload = envelope.take_optional("payload", bytes)?.unwrap_or_default();
        let payload_type = take(&mut envelope, PAYLOAD_TYPE, Json::name)?.unwrap_or_default().into_owned();
        let signatures = envelope.take("signatures", |list| one_to_ten(list, signature))?;
        envelope.finish().map(|()| (payload_type, payload, signatures))
    })?;
    let verifiers = object.take("verifiers", |list| one_to_ten(list, verifier))?;
    object.finish().map(|()| DsseSubmission { payload_type, payload, signatures, verifiers })
}

fn signature(json: Json<'_>) -> Result<(Vec<u8>, String), Error> {
    let mut object = json.object()?;
    let signature = object.take("sig", bytes)?;
    let key_id = object.take_optional("keyid", Json::name)?.unwrap_or_default().into_owned();
    object.finish().map(|()| (signature, key_id))
}

fn verifier(json: Json<'_>) -> Result<(Scheme, Verifier), Error> {
    let mut object = json.object()?;
    let raw_bytes = |value: Json<'_>| {
        let mut value = value.object()?;
        let der = take(&mut value, RAW_BYTES, bytes)?;
        value.finish()?;
        der.ok_or_else(|| Error::Missing { path: RAW_BYTES.camel.to_owned() })
    };
    let key = take(&mut object, PUBLIC_KEY, raw_bytes)?;
    let certificate = take(&mut object, CERTIFICATE, raw_bytes)?;
    let scheme = take(&mut object, KEY_DETAILS, scheme)?;
    object.finish()?;
    let scheme = scheme.ok_or_else(|| Error::Missing { path: KEY_DETAILS.camel.to_owned() })?;
    match (key, certificate) {
        (Some(der), None) => Ok((scheme, Verifier::PublicKey(der))),
        (None, Some(der)) => Ok((scheme, Verifier::Certificate(der))),
        _ => {
            let expected = "exactly one of publicKey and x509Certificate";
            Err(Error::Shape { path: String::new(), expected })
        }
    }
}

/// Reads a value of the `PublicKeyDetails` enum, by name or by number.
fn scheme(json: Json<'_>) -> Result<Scheme, Error> {
    let Json::Unsigned(number) = json else { return scheme_by_name(json) };
    let known = SCHEME_NUMBERS.into_iter().find(|(known, _)| *known == number);
    known.map(|(_, scheme)| scheme).ok_or_else(|| {
        let found = number.to_string();
        Error::Unsupported { path: String::new(), what: "key details", found }
    })
}

fn one_to_ten<'a, T>(
    list: Json<'a>,
    read: impl FnMut(Json<'a>) -> Result<T, Error>,
) -> Result<Vec<T>, Error> {
    let list = list.list(DsseEntry::MAX_SIGNATURES, read)?;
    if list.is_empty() {
        return Err(Error::Shape { path: String::new(), expected: "at least one element" });
    }
    Ok(list)
}

/// Reads base64 of either alphabet, padded or not; stray bits after the last byte are dropped, as Go's reader does.
fn bytes(json: Json<'_>) -> Result<Vec<u8>, Error> {
    let text = json.string()?;
    let alphabet = if text.contains(['-', '_']) { &alphabet::URL_SAFE } else { &alphabet::STANDARD };
    let config = GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true);
    GeneralPurpose::new(alphabet, config)
        .decode(text.as_bytes())
        .map_err(|_| Error::Shape { path: String::new(), expected: "base64" })
}

/// The two spellings of a field.
#[derive(Clone, Copy)]
struct Name {
    camel: &'static str,
    snake: &'static str,
}

/// Takes a field in either spelling. Errors name the first, so that who reads them need not know both.
fn take<'a, T>(
    object: &mut Object<'a>,
    name: Name,
    read: impl FnOnce(Json<'a>) -> Result<T, Error>,
) -> Result<Option<T>, Error> {
    let Name { camel, snake } = name;
    if !object.has(snake) {
        return object.take_optional(camel, read);
    }
    if object.has(camel) {
        // Which of the two a reader takes differs between readers.
        return Err(Error::DuplicateKey(camel.to_owned()));
    }
    let value = object.take_optional(snake, Ok)?;
    value.map(|value| read(value).map_err(|error| error.within(camel))).transpose()
}

const HASHED_REKORD: Name = Name { camel: "hashedRekordRequestV002", snake: "hashed_rekord_request_v002" };
const DSSE: Name = Name { camel: "dsseRequestV002", snake: "dsse_request_v002" };
const PAYLOAD_TYPE: Name = Name { camel: "payloadType", snake: "payload_type" };
const PUBLIC_KEY: Name = Name { camel: "publicKey", snake: "public_key" };
const CERTIFICATE: Name = Name { camel: "x509Certificate", snake: "x509_certificate" };
const KEY_DETAILS: Name = Name { camel: "keyDetails", snake: "key_details" };
const RAW_BYTES: Name = Name { camel: "rawBytes", snake: "raw_bytes" };

/// The numbers of `PublicKeyDetails` in `sigstore_common.proto`.
const SCHEME_NUMBERS: [(u64, Scheme); 8] = [
    (5, Scheme::EcdsaP256Sha256),
    (7, Scheme::Ed25519),
    (8, Scheme::Ed25519Ph),
    (9, Scheme::RsaPkcs1v15_2048Sha256),
    (10, Scheme::RsaPkcs1v15_3072Sha256),
    (11, Scheme::RsaPkcs1v15_4096Sha256),
    (12, Scheme::EcdsaP384Sha384),
    (13, Scheme::EcdsaP521Sha512),
];

/// An entry fits 65,535 bytes; a request for one that is longer could only be refused later.
const MAX_HASHED_REKORD: usize = 64 << 10;

#[cfg(test)]
mod tests;

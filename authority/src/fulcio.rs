//! The JSON of Fulcio's HTTP API, version 2, without the HTTP.
//!
//! ```text
//! POST /api/v2/signingCert    SigningRequest::from_json    → signing_answer
//! GET  /api/v2/trustBundle                                 → trust_bundle
//! GET  /api/v2/configuration                               → configuration
//! ```
//!
//! ```json
//! {"credentials": {"oidcIdentityToken": "<token>"},
//!  "publicKeyRequest": {"publicKey": {"algorithm": "ECDSA", "content": "<PEM>"}, "proofOfPossession": "<base64>"}}
//! ```
//!
//! or `"certificateSigningRequest": "<base64 of PEM>"` in place of the second, and the token in `Authorization` in place of
//! the first. Fields may be written in snake case, as proto3 JSON allows; unknown ones are ignored, as the original does.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use sealwax_attestation::json::{Json, Limits, Object, parse};
use sealwax_keys::{Certificate, PublicKey};

use crate::certificate_authority::Issued;
use crate::error::Error;
use crate::issuers::{IssuerKind, Issuers};
use crate::possession::KeyRequest;
use crate::refusal::Refusal;
use crate::token::IdentityToken;

/// A request for a certificate, read and not believed.
#[derive(Debug)]
pub struct SigningRequest {
    /// Who asks.
    pub token: IdentityToken,
    /// For which key.
    pub key: KeyRequest,
}

/// What is answered when there is no certificate.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Failure {
    /// The HTTP status.
    pub status: u16,
    /// The JSON body: `{"code":3,"message":"…","details":[]}`, with a code of gRPC.
    pub body: String,
}

impl SigningRequest {
    /// Reads a body of at most 64 KiB, and the value of the `Authorization` header where there is one.
    ///
    /// # Errors
    ///
    /// [`Refusal::TokenCount`] unless there is exactly one token; [`Refusal::Malformed`], [`Refusal::TooLong`]; those of
    /// [`IdentityToken::parse`], [`KeyRequest::from_csr`] and [`PublicKey::from_spki_der`].
    pub fn from_json(body: &[u8], authorization: Option<&str>) -> Result<Self, Refusal> {
        if body.len() > LIMITS.bytes {
            return Err(Refusal::TooLong { what: "request for a certificate", limit: LIMITS.bytes });
        }
        let read = read(body).map_err(|_| MALFORMED)?;
        let bearer = match authorization.map(|value| value.split_at_checked(7)) {
            None => None,
            Some(Some((scheme, token))) if scheme.eq_ignore_ascii_case("bearer ") => Some(token.trim()),
            Some(_) => return Err(Refusal::TokenCount),
        };
        let token = match (bearer, read.token.as_deref()) {
            (Some(token), None) | (None, Some(token)) => IdentityToken::parse(token)?,
            _ => return Err(Refusal::TokenCount),
        };
        let key = match (read.key, read.csr) {
            (Some((content, proof)), None) => KeyRequest::with_signature(public_key(&content)?, proof),
            (None, Some(csr)) => KeyRequest::from_csr(&csr)?,
            _ => return Err(MALFORMED),
        };
        Ok(Self { token, key })
    }
}

/// Writes the answer with a certificate.
pub fn signing_answer(issued: &Issued) -> String {
    json!({"signedCertificateEmbeddedSct": {"chain": chain(issued.chain())}}).to_string()
}

/// Writes the chains of all authorities that certificates may come from, for clients that trust the connection.
pub fn trust_bundle<'a>(chains: impl IntoIterator<Item = &'a [Certificate]>) -> String {
    json!({"chains": chains.into_iter().map(chain).collect::<Vec<_>>()}).to_string()
}

/// Writes whose tokens are taken.
pub fn configuration(issuers: &Issuers) -> String {
    let issuer = |issuer: &crate::issuers::Issuer| {
        let (kind, challenge) = match issuer.kind() {
            IssuerKind::Email => ("email", "email"),
            IssuerKind::Uri { .. } => ("uri", "sub"),
            IssuerKind::User { .. } => ("username", "sub"),
            IssuerKind::Build(_) => ("ci-provider", "sub"),
        };
        json!({
            "issuerUrl": issuer.url(),
            "audience": issuer.audience(),
            "challengeClaim": challenge,
            "issuerType": kind,
        })
    };
    json!({"issuers": issuers.iter().map(issuer).collect::<Vec<_>>()}).to_string()
}

impl Failure {
    fn new(status: u16, code: u8, message: &str) -> Self {
        Self { status, body: json!({"code": code, "message": message, "details": []}).to_string() }
    }
}

impl From<&Refusal> for Failure {
    fn from(refusal: &Refusal) -> Self {
        let (status, code) = match refusal {
            Refusal::TokenCount
            | Refusal::TokenAlgorithm { .. }
            | Refusal::UnknownKey
            | Refusal::TokenSignature
            | Refusal::Audience { .. }
            | Refusal::Expired
            | Refusal::NotYetValid
            | Refusal::LivesTooLong { .. }
            | Refusal::AlreadyUsed => (401, UNAUTHENTICATED),
            Refusal::UnknownIssuer { .. }
            | Refusal::EmailNotVerified
            | Refusal::Claim { .. }
            | Refusal::Subject { .. }
            | Refusal::NoInvitation => (403, PERMISSION_DENIED),
            Refusal::IssuerDocument { .. } => (503, UNAVAILABLE),
            Refusal::Malformed { .. } | Refusal::TooLong { .. } | Refusal::Proof | Refusal::Key(_) => {
                (400, INVALID_ARGUMENT)
            }
        };
        Self::new(status, code, &refusal.to_string())
    }
}

impl From<&Error> for Failure {
    /// What went wrong inside is for the operator's log, not for whoever asks.
    fn from(error: &Error) -> Self {
        match error {
            Error::NotRecorded { .. } | Error::OutsideValidity => {
                Self::new(503, UNAVAILABLE, "no certificate can be issued now")
            }
            _ => Self::new(500, INTERNAL, "no certificate could be issued"),
        }
    }
}

fn chain<'a>(certificates: impl IntoIterator<Item = &'a Certificate>) -> Value {
    json!({"certificates": certificates.into_iter().map(Certificate::to_pem).collect::<Vec<_>>()})
}

struct Body {
    token: Option<String>,
    key: Option<(String, Vec<u8>)>,
    csr: Option<Vec<u8>>,
}

fn read(body: &[u8]) -> Result<Body, sealwax_attestation::Error> {
    let mut object = parse(body, LIMITS)?.object()?;
    let text = |value: Json<'_>| value.string().map(std::borrow::Cow::into_owned);
    let token = take(&mut object, ["credentials"; 2], |value| {
        take(&mut value.object()?, ["oidcIdentityToken", "oidc_identity_token"], text)
    })?;
    let key = take(&mut object, ["publicKeyRequest", "public_key_request"], |value| {
        let mut request = value.object()?;
        let content = take(&mut request, ["publicKey", "public_key"], |value| {
            // `algorithm` is a hint; the key says itself what it is.
            take(&mut value.object()?, ["content"; 2], text)
        })?;
        let proof = take(&mut request, ["proofOfPossession", "proof_of_possession"], Json::base64)?;
        Ok((content.flatten().unwrap_or_default(), proof.unwrap_or_default()))
    })?;
    let names = ["certificateSigningRequest", "certificate_signing_request"];
    let csr = take(&mut object, names, Json::base64)?;
    Ok(Body {
        token: token.flatten().filter(|token| !token.is_empty()),
        key,
        csr: csr.filter(|csr| !csr.is_empty()),
    })
}

/// Takes a field under either of its two names, or nothing.
fn take<'a, T>(
    object: &mut Object<'a>,
    [camel, snake]: [&str; 2],
    read: impl FnOnce(Json<'a>) -> Result<T, sealwax_attestation::Error>,
) -> Result<Option<T>, sealwax_attestation::Error> {
    let name = if object.has(camel) { camel } else { snake };
    object.take_optional(name, read)
}

/// Reads a key in PEM, or in base64 of DER.
fn public_key(content: &str) -> Result<PublicKey, Refusal> {
    if content.trim_start().starts_with("-----") {
        return Ok(PublicKey::from_pem(content.as_bytes())?);
    }
    let der = STANDARD.decode(content).map_err(|_| Refusal::Malformed { what: "public key" })?;
    Ok(PublicKey::from_spki_der(&der)?)
}

const MALFORMED: Refusal = Refusal::Malformed { what: "request for a certificate" };
/// A token and a certification request at their longest, in base64.
const LIMITS: Limits = Limits { bytes: 64 * 1_024, depth: 8, values: 64 };
/// Codes of gRPC.
const INVALID_ARGUMENT: u8 = 3;
const PERMISSION_DENIED: u8 = 7;
const INTERNAL: u8 = 13;
const UNAVAILABLE: u8 = 14;
const UNAUTHENTICATED: u8 = 16;

#[cfg(test)]
mod tests;

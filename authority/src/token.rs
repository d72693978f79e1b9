//! An identity token (OpenID Connect Core 1.0 section 2, RFC 7519), read without believing it, then verified.
//!
//! ```text
//! base64url({"alg":"ES256","kid":"1"}) . base64url({"iss":…,"sub":…,"aud":…,"exp":…,"iat":…}) . base64url(signature)
//! ```
//!
//! Who the token is about exists as a value only after [`IdentityToken::verify`]. What a token says about where its keys are
//! (`jku`, `jwk`, `x5u`, `x5c`) is not even read.

use std::collections::BTreeMap;
use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::Timestamp;
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use sealwax_attestation::json::{Json, Limits, parse};

use crate::identity::Identity;
use crate::issuers::Issuer;
use crate::jwks::{Algorithm, Jwks};
use crate::refusal::Refusal;

/// A token that is well formed and not believed yet.
pub struct IdentityToken {
    /// Header and claims as they were signed: what a thief would need, but for the signature.
    signed: Zeroizing<String>,
    signature: Zeroizing<Vec<u8>>,
    algorithm: Algorithm,
    key_id: Option<String>,
    issuer: String,
    claims: Claims,
}

/// What a verified token says.
#[derive(Clone, Debug)]
pub struct VerifiedToken {
    identity: Identity,
    /// What a proof of possession signs: any of these.
    challenges: Vec<String>,
    id: [u8; 32],
    expires: i64,
    reusable: bool,
}

impl IdentityToken {
    /// Reads a token of at most 16 KiB.
    ///
    /// # Errors
    ///
    /// [`Refusal::TooLong`]; [`Refusal::Malformed`] for anything but three parts of canonical base64url, the first two of
    /// them JSON objects without duplicate fields, and for critical extensions, of which none is known;
    /// [`Refusal::TokenAlgorithm`] for signatures that are never taken.
    pub fn parse(text: &str) -> Result<Self, Refusal> {
        if text.len() > MAX_TOKEN {
            return Err(Refusal::TooLong { what: "identity token", limit: MAX_TOKEN });
        }
        let (signed, signature) = text.rsplit_once('.').ok_or(MALFORMED)?;
        let (header, claims) = signed.split_once('.').ok_or(MALFORMED)?;
        let decode = |part: &str| URL_SAFE_NO_PAD.decode(part).map(Zeroizing::new).map_err(|_| MALFORMED);
        let (header, claims, signature) = (decode(header)?, decode(claims)?, decode(signature)?);
        let (algorithm, key_id) = read_header(&header).map_err(|_| MALFORMED)?;
        let algorithm =
            Algorithm::from_name(&algorithm).ok_or(Refusal::TokenAlgorithm { found: algorithm })?;
        let claims = Claims::read(&claims).map_err(|_| MALFORMED)?;
        let issuer = claims.text("iss")?.to_owned();
        let signed = Zeroizing::new(signed.to_owned());
        Ok(Self { signed, signature, algorithm, key_id, issuer, claims })
    }

    /// Gives the issuer that the token names, at most 1,024 bytes; nothing proves it yet.
    pub fn issuer(&self) -> &str {
        &self.issuer
    }

    /// Verifies the token: issuer, signature, audience, time, and the claims that the issuer's kind needs.
    ///
    /// Clocks may differ by a minute. Where the error is [`Refusal::UnknownKey`], the issuer may have changed its keys since
    /// they were fetched.
    ///
    /// # Errors
    ///
    /// [`Refusal::UnknownIssuer`] where the token's issuer is another; [`Refusal::UnknownKey`],
    /// [`Refusal::TokenSignature`], [`Refusal::Audience`], [`Refusal::Expired`], [`Refusal::NotYetValid`],
    /// [`Refusal::LivesTooLong`] for more than a day, [`Refusal::EmailNotVerified`], [`Refusal::Claim`],
    /// [`Refusal::Subject`].
    pub fn verify(&self, issuer: &Issuer, keys: &Jwks, now: Timestamp) -> Result<VerifiedToken, Refusal> {
        if self.issuer != issuer.url() {
            return Err(Refusal::UnknownIssuer { found: self.issuer.clone() });
        }
        let message = self.signed.as_bytes();
        keys.verify(self.key_id.as_deref(), self.algorithm, message, &self.signature)?;
        if !self.claims.is_for(issuer.audience()) {
            return Err(Refusal::Audience { wanted: issuer.audience().to_owned() });
        }
        let expires = self.claims.check_time(now.as_second())?;
        let email = self.claims.text("email").ok();
        Ok(VerifiedToken {
            identity: issuer.identity(&self.claims)?,
            challenges: std::iter::once(self.claims.text("sub")?).chain(email).map(str::to_owned).collect(),
            // Not over the signature: some have more than one form for one token.
            id: Sha256::digest(message).into(),
            expires,
            reusable: issuer.reusable(),
        })
    }
}

impl fmt::Debug for IdentityToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("IdentityToken").field("issuer", &self.issuer).finish_non_exhaustive()
    }
}

impl VerifiedToken {
    /// Gives who the token is about.
    pub fn identity(&self) -> &Identity {
        &self.identity
    }

    /// Names the token: SHA-256 of what its issuer signed. Whoever takes tokens once each remembers this, before anything
    /// is issued, until [`VerifiedToken::ends`].
    pub fn id(&self) -> &[u8; 32] {
        &self.id
    }

    /// Gives the second, since 1970, from which on the token is refused for its age, whatever is remembered of it.
    pub fn ends(&self) -> i64 {
        self.expires.saturating_add(LEEWAY)
    }

    /// Tells whether the token may be used more than once, as its issuer is described.
    pub fn reusable(&self) -> bool {
        self.reusable
    }

    /// Gives what a proof of possession may sign: the subject, and the e-mail address where the token has one.
    ///
    /// Clients differ in which of the two they take, and both are this token's.
    pub(crate) fn challenges(&self) -> &[String] {
        &self.challenges
    }
}

/// The claims of a token, as far as their kind is one that can be of use.
#[derive(Clone)]
pub(crate) struct Claims(BTreeMap<String, Value>);

#[derive(Clone)]
enum Value {
    Text(String),
    Whole(u64),
    True,
    List(Vec<String>),
    Other,
}

impl Claims {
    fn read(text: &[u8]) -> Result<Self, sealwax_attestation::Error> {
        let members = parse(text, LIMITS)?.object()?.rest();
        let value = |json: Json<'_>| match json {
            Json::String(text) => Value::Text(text.into_owned()),
            Json::Unsigned(number) => Value::Whole(number),
            Json::Bool(true) => Value::True,
            Json::Array(elements) => {
                let texts = elements.into_iter().map(|element| element.string().map(Into::into));
                texts.collect::<Result<_, _>>().map_or(Value::Other, Value::List)
            }
            _ => Value::Other,
        };
        let mut claims: BTreeMap<String, Value> =
            members.into_iter().map(|(name, json)| (name.into_owned(), value(json))).collect();
        // GitLab before 16.0 says a ref and of which kind it is.
        if let (None, Some(Value::Text(name)), Some(Value::Text(kind))) =
            (claims.get("ref_path"), claims.get("ref"), claims.get("ref_type"))
        {
            let folder = match kind.as_str() {
                "branch" => Some("heads"),
                "tag" => Some("tags"),
                _ => None,
            };
            if let Some(folder) = folder {
                claims.insert("ref_path".to_owned(), Value::Text(format!("refs/{folder}/{name}")));
            }
        }
        Ok(Self(claims))
    }

    /// Gives a claim that is a text of 1 to 1,024 bytes.
    pub(crate) fn text(&self, name: &str) -> Result<&str, Refusal> {
        match self.0.get(name) {
            Some(Value::Text(text)) if (1..=1_024).contains(&text.len()) => Ok(text),
            _ => Err(Refusal::Claim { name: name.to_owned() }),
        }
    }

    /// Tells whether a claim is true; the text "true" is not.
    pub(crate) fn is_true(&self, name: &str) -> bool {
        matches!(self.0.get(name), Some(Value::True))
    }

    /// Tells whether the token is for this audience and no other, who could otherwise use it here.
    fn is_for(&self, audience: &str) -> bool {
        match self.0.get("aud") {
            Some(Value::Text(only)) => only == audience,
            Some(Value::List(all)) => all == &[audience],
            _ => false,
        }
    }

    /// Checks that it is the token's time, in seconds since 1970. Gives the second in which that ends.
    fn check_time(&self, now: i64) -> Result<i64, Refusal> {
        let time = |name: &str| match self.0.get(name) {
            None => Ok(None),
            Some(Value::Whole(seconds)) if *seconds <= MAX_TIME => {
                i64::try_from(*seconds).map(Some).map_err(|_| Refusal::Claim { name: name.to_owned() })
            }
            Some(_) => Err(Refusal::Claim { name: name.to_owned() }),
        };
        let needed = |name: &str| time(name)?.ok_or(Refusal::Claim { name: name.to_owned() });
        let (issued, expires) = (needed("iat")?, needed("exp")?);
        let begins = time("nbf")?.map_or(issued, |begins| begins.max(issued));
        if now >= expires.saturating_add(LEEWAY) {
            return Err(Refusal::Expired);
        }
        if now < begins.saturating_sub(LEEWAY) {
            return Err(Refusal::NotYetValid);
        }
        if expires.saturating_sub(issued) > i64::from(MAX_LIFE_HOURS).saturating_mul(3_600) {
            return Err(Refusal::LivesTooLong { limit: MAX_LIFE_HOURS });
        }
        Ok(expires)
    }
}

/// Reads the algorithm and the key's name; a critical extension is one that must not be ignored.
fn read_header(text: &[u8]) -> Result<(String, Option<String>), sealwax_attestation::Error> {
    let mut header = parse(text, LIMITS)?.object()?;
    let name = |value: Json<'_>| value.name().map(std::borrow::Cow::into_owned);
    let algorithm = header.take("alg", name)?;
    let key_id = header.take_optional("kid", name)?;
    if header.has("crit") {
        return Err(sealwax_attestation::Error::UnknownField { path: "crit".to_owned() });
    }
    Ok((algorithm, key_id))
}

/// How far the clocks of an issuer and of the authority may differ, in seconds.
const LEEWAY: i64 = 60;
/// The longest life of a token, which is how long its use has to be remembered.
const MAX_LIFE_HOURS: u32 = 24;
/// The last second of the year 9999.
const MAX_TIME: u64 = 253_402_300_799;
/// Longest token in bytes; GitHub's have about 2,000.
const MAX_TOKEN: usize = 16 * 1_024;
const LIMITS: Limits = Limits { bytes: MAX_TOKEN, depth: 8, values: 1_024 };
const MALFORMED: Refusal = Refusal::Malformed { what: "identity token" };

#[cfg(test)]
mod tests;

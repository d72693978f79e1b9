//! The identity token: a JSON Web Token, of which this program reads what it must and proves nothing.
//!
//! Whether it is genuine is for the certificate authority to find out, which knows the issuer's keys. What is read here decides
//! only whether to ask, and what to expect of the certificate.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::Timestamp;
use sealwax_attestation::json::{Json, Limits, parse};
use zeroize::Zeroizing;

/// A token, wiped when dropped, and never shown.
pub(crate) struct IdentityToken {
    text: Zeroizing<String>,
    claims: Claims,
}

/// What a token says, as far as it concerns whoever holds it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Claims {
    /// The issuer, a URL.
    pub(crate) issuer: String,
    /// Where the issuer itself only passes a login on: whose word it passes on.
    pub(crate) federated_issuer: Option<String>,
    /// The e-mail address that it vouches for.
    pub(crate) email: Option<String>,
    /// What the login asked to have repeated.
    pub(crate) nonce: Option<String>,
    audiences: Vec<String>,
    expires: u64,
}

impl IdentityToken {
    /// Takes a token, whose form must be right.
    ///
    /// # Errors
    /// A sentence.
    pub(crate) fn new(text: Zeroizing<String>) -> Result<Self, String> {
        let claims = read(&text)?;
        Ok(Self { text, claims })
    }

    /// Gives the token itself, to be sent and nothing else.
    pub(crate) fn secret(&self) -> &str {
        &self.text
    }

    /// Gives what it says.
    pub(crate) fn claims(&self) -> &Claims {
        &self.claims
    }
}

impl fmt::Debug for IdentityToken {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("IdentityToken").field("claims", &self.claims).finish_non_exhaustive()
    }
}

impl Claims {
    /// Says no to a token that no authority would take: one for somebody else's use, or one that has expired.
    ///
    /// # Errors
    /// A sentence.
    pub(crate) fn check(&self, audience: &str, now: Timestamp) -> Result<(), String> {
        if !self.audiences.iter().any(|named| named == audience) {
            let named = self.audiences.join(", ");
            return Err(format!("it is for the audience {named}, and not for {audience}"));
        }
        if u64::try_from(now.as_second()).is_ok_and(|now| now >= self.expires) {
            return Err("it has expired".to_owned());
        }
        Ok(())
    }
}

fn read(text: &str) -> Result<Claims, String> {
    let mut parts = text.split('.');
    let (Some(_), Some(claims), Some(signature), None) =
        (parts.next(), parts.next(), parts.next(), parts.next())
    else {
        return Err("not a JSON Web Token".to_owned());
    };
    if signature.is_empty() {
        return Err("nobody has signed it".to_owned());
    }
    let claims = URL_SAFE_NO_PAD.decode(claims).map(Zeroizing::new);
    let claims = claims.map_err(|_| "its claims are not base64".to_owned())?;
    claims_of(&claims).map_err(|error| format!("its claims: {error}"))
}

fn claims_of(text: &[u8]) -> Result<Claims, sealwax_attestation::Error> {
    let mut object = parse(text, LIMITS)?.object()?;
    let owned = |json: Json<'_>| json.name().map(std::borrow::Cow::into_owned);
    let issuer = object.take("iss", owned)?;
    let audiences = object.take("aud", |json| match json {
        Json::Array(_) => json.list(MAX_AUDIENCES, owned),
        one => owned(one).map(|one| vec![one]),
    })?;
    let expires = object.take("exp", |json| match json {
        Json::Unsigned(seconds) => Ok(seconds),
        _ => Err(sealwax_attestation::Error::Shape { path: String::new(), expected: "a time in seconds" }),
    })?;
    // Dex, which the public instance logs people in with, says so here where it is not the one who knows them.
    let federated_issuer = object
        .take_optional("federated_claims", |json| json.object()?.take_optional("connector_id", owned))?;
    Ok(Claims {
        issuer,
        federated_issuer: federated_issuer.flatten(),
        email: object.take_optional("email", owned)?,
        nonce: object.take_optional("nonce", owned)?,
        audiences,
        expires,
    })
}

/// The largest token that is read, in bytes.
pub(crate) const MAX_TOKEN: u64 = 32 * 1024;
const MAX_AUDIENCES: usize = 64;
const LIMITS: Limits = Limits { bytes: 32 * 1024, depth: 16, values: 4_096 };

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn token(claims: &Value) -> Result<IdentityToken, String> {
        let part = |text: &str| URL_SAFE_NO_PAD.encode(text);
        let text =
            format!("{}.{}.{}", part(r#"{"alg":"ES256"}"#), part(&claims.to_string()), part("signature"));
        IdentityToken::new(Zeroizing::new(text))
    }

    fn claims() -> Value {
        json!({"iss": "https://id.example", "aud": "sigstore", "exp": 2_000_000_000, "email": "a@example.com"})
    }

    #[test]
    fn k10_a_token_for_another_audience_or_of_yesterday_is_not_sent() {
        let now: Timestamp = "2026-11-24T00:00:00Z".parse().unwrap();
        let check = |name: &str, value: Value| {
            let mut claims = claims();
            claims[name] = value;
            token(&claims).and_then(|token| token.claims().check("sigstore", now))
        };
        for good in [json!("sigstore"), json!(["other", "sigstore"])] {
            assert_eq!(check("aud", good), Ok(()));
        }
        for bad in [
            json!("other"),
            json!([]),
            json!(["Sigstore"]),
            json!("sigstore "),
            json!(""),
            json!(1),
            json!(null),
        ] {
            assert!(check("aud", bad.clone()).is_err(), "{bad}");
        }
        assert_eq!(check("exp", json!(now.as_second() + 1)), Ok(()));
        for bad in [json!(now.as_second()), json!(0), json!("2000000000"), json!(2e9), json!(-1), json!(null)]
        {
            assert!(check("exp", bad.clone()).is_err(), "{bad}");
        }
    }

    #[test]
    fn what_is_not_a_token_is_refused() {
        let part = |text: &str| URL_SAFE_NO_PAD.encode(text);
        let twice = part(r#"{"iss":"a","iss":"b","aud":"sigstore","exp":1}"#);
        for bad in [
            "",
            "a.b",
            "a.b.c.d",
            "...",
            "a.!.c",
            &format!("a.{}.", part(&claims().to_string())),
            &format!("a.{twice}.c"),
        ] {
            assert!(IdentityToken::new(Zeroizing::new(bad.to_owned())).is_err(), "{bad}");
        }
        for name in ["iss", "aud", "exp"] {
            let mut claims = claims();
            claims.as_object_mut().unwrap().remove(name).unwrap();
            assert!(token(&claims).is_err(), "{name}");
        }
    }

    #[test]
    fn k08_a_token_is_not_printed() {
        let token = token(&claims()).unwrap();
        assert!(!format!("{token:?}").contains(token.secret()));
        assert!(format!("{token:?}").contains("a@example.com"));
    }
}

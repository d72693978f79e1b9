//! Invitations, and the issuer that an instance is itself: for teams without an identity provider.
//!
//! The operator invites an address and hands out a secret. Of the secret only the hash is kept, with the address and an end.
//! Whoever brings the secret gets, once, a token of the instance's own issuer, which is an issuer like any other: its keys
//! and its discovery document are published, and its tokens are verified as all tokens are.
//!
//! ```text
//! sealwax-invitation-<43 characters of base64url>
//! {"iss":"https://sigstore.example.com","aud":"sigstore","sub":"alice@example.com","email":"alice@example.com",
//!  "email_verified":true,"iat":…,"exp":…,"jti":"…"}
//! ```

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use der::Decode;
use der::asn1::UintRef;
use jiff::{SignedDuration, Timestamp};
use serde_json::json;
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use sealwax_keys::{KeyKind, SecretKey};

use crate::error::{Error, Result};
use crate::identity::{Identity, IdentityName};
use crate::issuers::{Issuer, IssuerKind};
use crate::refusal::Refusal;

/// What an instance keeps of an invitation: nothing that could be redeemed.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Invitation {
    /// The SHA-256 of the secret, by which the invitation is found.
    pub secret_hash: [u8; 32],
    /// The e-mail address that is invited.
    pub email: String,
    /// When it ends.
    pub expires: Timestamp,
}

/// The secret that is handed out, wiped on drop.
pub struct InvitationSecret(Zeroizing<String>);

/// An invitation that was redeemed: what entitles to a token. Made only by [`Invitation::redeem`].
#[derive(Debug)]
pub struct Redeemed {
    email: String,
}

impl Invitation {
    /// Invites an e-mail address for a while. The secret is shown once, to be handed to the person.
    ///
    /// # Errors
    ///
    /// [`Error::UnfitName`] where the address cannot stand in a certificate, [`Error::Random`], and
    /// [`Error::OutsideValidity`] where the end is no time.
    pub fn new(email: &str, now: Timestamp, lifetime: SignedDuration) -> Result<(InvitationSecret, Self)> {
        Identity::new("https://invited", IdentityName::Email(email.to_owned()))?;
        let mut random = Zeroizing::new([0; 32]);
        getrandom::fill(random.as_mut()).map_err(|_| Error::Random)?;
        let mut text = Zeroizing::new(String::with_capacity(SECRET_LENGTH));
        text.push_str(SECRET_PREFIX);
        URL_SAFE_NO_PAD.encode_string(random.as_slice(), &mut text);
        let secret = InvitationSecret(text);
        let expires = now.checked_add(lifetime).map_err(|_| Error::OutsideValidity)?;
        let invitation = Self { secret_hash: secret.hash(), email: email.to_owned(), expires };
        Ok((secret, invitation))
    }

    /// Redeems the invitation, which must have been removed from wherever it is kept before, durably: what is answered after
    /// that can be lost, what is answered before can be asked for twice.
    ///
    /// # Errors
    ///
    /// [`Refusal::NoInvitation`] for another secret, and where the invitation has ended: the two look alike from outside.
    pub fn redeem(self, secret: &InvitationSecret, now: Timestamp) -> std::result::Result<Redeemed, Refusal> {
        if self.secret_hash != secret.hash() || now >= self.expires {
            return Err(Refusal::NoInvitation);
        }
        Ok(Redeemed { email: self.email })
    }
}

impl InvitationSecret {
    /// Reads a secret as it was handed out.
    ///
    /// # Errors
    ///
    /// [`Refusal::NoInvitation`] for a text of another form.
    pub fn parse(text: &str) -> std::result::Result<Self, Refusal> {
        let form = text.len() == SECRET_LENGTH && text.starts_with(SECRET_PREFIX) && text.is_ascii();
        if form { Ok(Self(Zeroizing::new(text.to_owned()))) } else { Err(Refusal::NoInvitation) }
    }

    /// Gives the text to hand out.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Gives the SHA-256 by which the invitation is found.
    pub fn hash(&self) -> [u8; 32] {
        Sha256::digest(self.0.as_bytes()).into()
    }
}

impl fmt::Debug for InvitationSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("InvitationSecret").finish_non_exhaustive()
    }
}

/// The issuer that an instance is itself.
#[derive(Debug)]
pub struct OwnIssuer {
    issuer: Issuer,
    key: SecretKey,
}

impl OwnIssuer {
    /// Makes an issuer under a URL, with a key on P-256 that signs its tokens.
    ///
    /// # Errors
    ///
    /// [`Error::UnfitIssuer`] for a URL that [`Issuer::new`] refuses, [`Error::KeyKind`] for another kind of key.
    pub fn new(url: &str, key: SecretKey) -> Result<Self> {
        if key.public_key().kind() != KeyKind::P256 {
            return Err(Error::KeyKind { what: "an issuer of tokens", wanted: "P-256" });
        }
        Ok(Self { issuer: Issuer::new(url, AUDIENCE, IssuerKind::Email)?, key })
    }

    /// Gives this issuer as one to believe.
    pub fn issuer(&self) -> &Issuer {
        &self.issuer
    }

    /// Makes the token for an invitation, valid for ten minutes.
    ///
    /// # Errors
    ///
    /// [`Error::Random`], and those of signing.
    pub fn token(&self, invited: &Redeemed, now: Timestamp) -> Result<Zeroizing<String>> {
        let mut id = [0; 16];
        getrandom::fill(&mut id).map_err(|_| Error::Random)?;
        let header = json!({"alg": "ES256", "typ": "JWT", "kid": self.key_id()});
        let claims = json!({
            "iss": self.issuer.url(),
            "aud": AUDIENCE,
            "sub": invited.email,
            "email": invited.email,
            "email_verified": true,
            "iat": now.as_second(),
            "exp": now.as_second().saturating_add(TOKEN_LIFETIME.as_secs()),
            "jti": hex::encode(id),
        });
        let encode = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
        let signed =
            format!("{}.{}", encode(header.to_string().as_bytes()), encode(claims.to_string().as_bytes()));
        let signature = two_numbers(&self.key.sign(signed.as_bytes())?)?;
        Ok(Zeroizing::new(format!("{signed}.{}", encode(&signature))))
    }

    /// Writes the key set to publish (RFC 7517).
    pub fn keys_json(&self) -> String {
        // The last 64 bytes of a P-256 SubjectPublicKeyInfo are the point's coordinates.
        let spki = self.key.public_key().spki_der();
        let (x, y) = spki.split_at(spki.len().saturating_sub(32));
        let x = x.split_at(x.len().saturating_sub(32)).1;
        let encode = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
        let key = json!({
            "kty": "EC", "crv": "P-256", "use": "sig", "alg": "ES256",
            "kid": self.key_id(), "x": encode(x), "y": encode(y),
        });
        json!({"keys": [key]}).to_string()
    }

    /// Writes the discovery document to publish (OpenID Connect Discovery 1.0 section 3), for keys at this URL.
    pub fn discovery_json(&self, keys_url: &str) -> String {
        json!({
            "issuer": self.issuer.url(),
            "jwks_uri": keys_url,
            "response_types_supported": ["id_token"],
            "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": ["ES256"],
            "claims_supported": ["iss", "aud", "sub", "email", "email_verified", "iat", "exp", "jti"],
        })
        .to_string()
    }

    fn key_id(&self) -> String {
        hex::encode(self.key.public_key().fingerprint())
    }
}

/// Turns a DER signature into the two numbers of 32 bytes each that a token carries (RFC 7518 section 3.4).
fn two_numbers(der: &[u8]) -> Result<Vec<u8>> {
    const ENCODE: Error = Error::Encode { what: "token signature" };
    let numbers = Vec::<UintRef<'_>>::from_der(der).map_err(|_| ENCODE)?;
    let mut signature = Vec::with_capacity(64);
    for number in numbers {
        let bytes = number.as_bytes();
        signature.extend(std::iter::repeat_n(0, 32_usize.saturating_sub(bytes.len())));
        signature.extend(bytes);
    }
    if signature.len() == 64 { Ok(signature) } else { Err(ENCODE) }
}

const SECRET_PREFIX: &str = "sealwax-invitation-";
/// With 43 characters for 32 bytes.
const SECRET_LENGTH: usize = SECRET_PREFIX.len() + 43;
/// Whom Sigstore's tokens are for.
const AUDIENCE: &str = "sigstore";
const TOKEN_LIFETIME: SignedDuration = SignedDuration::from_mins(10);

#[cfg(test)]
mod tests;

//! Logging in at an OpenID Connect issuer: with a browser on this machine, or with a code on another device.
//!
//! Browser: authorization code with PKCE, `state` and `nonce`, back to a port of this machine (RFC 6749 section 4.1, RFC 7636,
//! RFC 8252, OpenID Connect Core section 3.1). Device: RFC 8628, with PKCE, which Dex wants there too. The endpoints come from
//! the issuer's discovery document, which must name the issuer as it was named here, byte for byte.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::SignedDuration;
use sealwax_attestation::json::{Json, Object, parse};
use sealwax_keys::HashAlgorithm;
use zeroize::Zeroizing;

use crate::error::Error;
use crate::http::loopback::Loopback;
use crate::http::{self, Answer, Body, Http};
use crate::terminal::Tone;
use crate::world::World;

use super::{IdentityToken, LIMITS, MAX_ANSWER, client, object};

/// Logs in, and gives the token. A browser is used where there is one, and a code where there is none or `device` says so.
///
/// # Errors
/// [`Error::Login`].
pub(crate) fn log_in(
    issuer: &str,
    client_id: &str,
    device: bool,
    world: &World,
) -> Result<Zeroizing<String>, Error> {
    let provider = Provider::discover(issuer, client_id, client()?);
    let token = provider.and_then(|provider| match &provider.device_endpoint {
        Some(endpoint) if device || !world.has_browser() => provider.by_device(endpoint, world),
        None if device => Err("it offers no login with a device code".to_owned()),
        _ => provider.by_browser(world),
    });
    token.map_err(|reason| Error::Login { issuer: issuer.to_owned(), reason })
}

/// An issuer that was asked how it wants to be asked.
struct Provider {
    http: Http,
    issuer: String,
    client_id: String,
    authorization_endpoint: String,
    token_endpoint: String,
    device_endpoint: Option<String>,
}

impl Provider {
    fn discover(issuer: &str, client_id: &str, http: Http) -> Result<Self, String> {
        if !http::is_private(issuer) {
            return Err("an issuer is an https URL, or on this machine".to_owned());
        }
        let url = format!("{}/.well-known/openid-configuration", issuer.trim_end_matches('/'));
        let answer = http.ask(&url, None, None, MAX_ANSWER)?;
        let mut document = object(&url, &answer)?;
        let named = text(&mut document, "issuer", &url)?;
        if named != issuer {
            return Err(format!("{url}: is about another issuer, {named}"));
        }
        // A code or a token that went over an open line would be anybody's.
        let endpoint = |endpoint: String| match http::is_private(&endpoint) {
            true => Ok(endpoint),
            false => Err(format!("{url}: names an endpoint that is neither https nor on this machine")),
        };
        let authorization_endpoint = endpoint(text(&mut document, "authorization_endpoint", &url)?)?;
        let token_endpoint = endpoint(text(&mut document, "token_endpoint", &url)?)?;
        let device = document.take_optional("device_authorization_endpoint", Json::name);
        let device = device.map_err(|error| format!("{url}: {error}"))?;
        let device_endpoint = device.map(|device| endpoint(device.into_owned())).transpose()?;
        let (issuer, client_id) = (issuer.to_owned(), client_id.to_owned());
        Ok(Self { http, issuer, client_id, authorization_endpoint, token_endpoint, device_endpoint })
    }

    fn by_browser(&self, world: &World) -> Result<Zeroizing<String>, String> {
        let (state, nonce, proof) = (random()?, random()?, Proof::new()?);
        let loopback = Loopback::listen()?;
        let redirect = loopback.url().to_owned();
        let url = http::with_query(
            &self.authorization_endpoint,
            &[
                ("response_type", "code"),
                ("client_id", &self.client_id),
                ("scope", SCOPE),
                ("redirect_uri", &redirect),
                ("state", &state),
                ("nonce", &nonce),
                ("code_challenge", &proof.challenge),
                ("code_challenge_method", "S256"),
            ],
        )?;
        world.terminal.say(Tone::Plain, "log in at", &url);
        world.open_browser(&url);
        let mut come = loopback.wait(LOGIN_PATIENCE).ok_or("nobody logged in within five minutes")?;
        let mut take = |name: &str| {
            let place = come.iter().position(|(found, _)| found == name)?;
            Some(come.swap_remove(place).1)
        };
        // First of all: whoever does not know the state did not come from this login (attack K10).
        if take("state").is_none_or(|come| *come != *state) {
            return Err("the browser came back with another state than it was sent with".to_owned());
        }
        if let Some(error) = take("error") {
            return Err(format!("the login was refused: {}", error.as_str()));
        }
        let code = take("code").ok_or("the browser came back without a code")?;
        let answer = self.ask(
            &self.token_endpoint,
            &[
                ("grant_type", "authorization_code"),
                ("client_id", &self.client_id),
                ("code", &code),
                ("redirect_uri", &redirect),
                ("code_verifier", &proof.verifier),
            ],
        )?;
        self.token(&answer, Some(&nonce))
    }

    fn by_device(&self, endpoint: &str, world: &World) -> Result<Zeroizing<String>, String> {
        let proof = Proof::new()?;
        let answer = self.ask(
            endpoint,
            &[
                ("client_id", &self.client_id),
                ("scope", SCOPE),
                ("code_challenge", &proof.challenge),
                ("code_challenge_method", "S256"),
            ],
        )?;
        let mut answered = object(endpoint, &answer)?;
        let device_code = Zeroizing::new(text(&mut answered, "device_code", endpoint)?);
        let user_code = text(&mut answered, "user_code", endpoint)?;
        // Some issuers spell it as Google did before the standard.
        let url = text(&mut answered, "verification_uri", endpoint)
            .or_else(|_| text(&mut answered, "verification_url", endpoint))?;
        let seconds =
            |answered: &mut Object<'_>, name: &str, default: i64| match answered.take_optional(name, Ok) {
                Ok(Some(Json::Unsigned(seconds))) => i64::try_from(seconds).unwrap_or(default).clamp(1, 900),
                _ => default,
            };
        let ends = world.now() + SignedDuration::from_secs(seconds(&mut answered, "expires_in", 300));
        let mut pause = seconds(&mut answered, "interval", 5);
        world.terminal.say(Tone::Plain, "log in at", &format!("{url} with the code {user_code}"));
        while world.now() < ends {
            world.wait(Duration::from_secs(pause.unsigned_abs()));
            let answer = self.ask(
                &self.token_endpoint,
                &[
                    ("grant_type", "urn:ietf:params:oauth:grant-type:device_code"),
                    ("client_id", &self.client_id),
                    ("device_code", &device_code),
                    ("code_verifier", &proof.verifier),
                ],
            )?;
            match refusal(&answer).as_deref() {
                Some("authorization_pending") => {}
                Some("slow_down") => pause = pause.saturating_add(5),
                // A device shows no nonce: the code is bound to this program by its proof alone.
                _ => return self.token(&answer, None),
            }
        }
        Err("nobody logged in before the code expired".to_owned())
    }

    fn ask(&self, url: &str, parameters: &[(&str, &str)]) -> Result<Wiped, String> {
        let form = http::form(parameters);
        let body = Body { media_type: "application/x-www-form-urlencoded", bytes: form.as_bytes() };
        self.http.ask(url, Some(&body), None, MAX_ANSWER).map(Wiped)
    }

    /// Takes the identity token out of an answer, which must repeat the nonce and name the issuer.
    fn token(&self, answer: &Wiped, nonce: Option<&str>) -> Result<Zeroizing<String>, String> {
        let url = &self.token_endpoint;
        if let Some(error) = refusal(answer) {
            return Err(format!("the login was refused: {error}"));
        }
        let token = Zeroizing::new(text_of(&mut object(url, answer)?, "id_token", url, Json::string)?);
        let known =
            IdentityToken::new(token.clone()).map_err(|reason| format!("{url}: its token: {reason}"))?;
        let claims = known.claims();
        if claims.issuer != self.issuer {
            return Err(format!("{url}: its token is of another issuer, {}", claims.issuer));
        }
        if nonce.is_some() && claims.nonce.as_deref() != nonce {
            return Err(format!("{url}: its token is not of this login, for it has another nonce"));
        }
        Ok(token)
    }
}

/// An answer with a secret in it.
struct Wiped(Answer);

impl std::ops::Deref for Wiped {
    type Target = Answer;

    fn deref(&self) -> &Answer {
        &self.0
    }
}

impl Drop for Wiped {
    fn drop(&mut self) {
        drop(Zeroizing::new(std::mem::take(&mut self.0.body)));
    }
}

/// Proof that who exchanges the code is who asked for it (RFC 7636).
struct Proof {
    verifier: Zeroizing<String>,
    challenge: String,
}

impl Proof {
    fn new() -> Result<Self, String> {
        let verifier = random()?;
        let challenge = URL_SAFE_NO_PAD.encode(HashAlgorithm::Sha256.digest(verifier.as_bytes()));
        Ok(Self { verifier, challenge })
    }
}

/// 256 random bits, as text.
fn random() -> Result<Zeroizing<String>, String> {
    let mut bytes = Zeroizing::new([0u8; 32]);
    getrandom::fill(bytes.as_mut()).map_err(|error| format!("no random bytes: {error}"))?;
    Ok(Zeroizing::new(URL_SAFE_NO_PAD.encode(bytes.as_slice())))
}

/// What an issuer says where it gives no token (RFC 6749 section 5.2).
fn refusal(answer: &Answer) -> Option<String> {
    let mut said = parse(&answer.body, LIMITS).ok()?.object().ok()?;
    said.take_optional("error", Json::name).ok()?.map(std::borrow::Cow::into_owned)
}

fn text(object: &mut Object<'_>, name: &str, url: &str) -> Result<String, String> {
    text_of(object, name, url, Json::name)
}

fn text_of<'a>(
    object: &mut Object<'a>,
    name: &str,
    url: &str,
    read: fn(Json<'a>) -> Result<std::borrow::Cow<'a, str>, sealwax_attestation::Error>,
) -> Result<String, String> {
    object.take(name, read).map(std::borrow::Cow::into_owned).map_err(|error| format!("{url}: {error}"))
}

const SCOPE: &str = "openid email";
const LOGIN_PATIENCE: Duration = Duration::from_secs(300);

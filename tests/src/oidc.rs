//! An OpenID Connect issuer for tests, on loopback: discovery, keys, authorization code with PKCE, device code, and what a CI
//! job asks for its token. It mints what it is told to and misbehaves where a test wants that.
//!
//! ```text
//! let issuer = Issuer::start();
//! let token = issuer.email("alice@example.com");
//! let stale = issuer.mint(json!({"email": "alice@example.com", "exp": 1}));
//! issuer.log_in_as(json!({"sub": "1", "email": "bob@example.com", "email_verified": true}));
//! issuer.misbehave(Some(Fault::WrongState));
//! ```

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock};
use std::time::{SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use sealwax_keys::{KeyKind, SecretKey};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use crate::http::{self, Answer};
use crate::loopback::{self, Reply, Request};

/// A running issuer; it ends with the test's process.
pub struct Issuer {
    address: SocketAddr,
    shared: Arc<Shared>,
}

/// What an issuer can do wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Every request is answered with a redirection to this URL.
    Redirect(String),
    /// Every request is answered with 200 and a page for people.
    Html,
    /// Every request is answered with 200 and bytes without end.
    Endless,
    /// Every request is answered with this status and an empty object.
    Status(u16),
    /// The discovery document and the tokens name another issuer.
    OtherIssuer(String),
    /// The discovery document sends clients to this URL for everything.
    OtherEndpoints(String),
    /// The browser comes back with another state.
    WrongState,
    /// The browser comes back with an error.
    Denied,
    /// Tokens of the login carry another nonce.
    WrongNonce,
    /// Tokens of the login and of the CI are for another audience.
    OtherAudience,
    /// The code cannot be exchanged.
    NoToken,
}

struct Shared {
    url: OnceLock<String>,
    key: SigningKey,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    fault: Option<Fault>,
    subject: Value,
    pending: u32,
    codes: HashMap<String, Grant>,
    minted: u64,
    requests: Vec<String>,
}

/// What a code was given for.
struct Grant {
    challenge: String,
    nonce: Option<String>,
    redirect_uri: String,
    client: String,
}

struct SigningKey {
    encoding: EncodingKey,
    jwk: Value,
}

impl SigningKey {
    fn generate(id: &str) -> Self {
        let key = SecretKey::generate(KeyKind::P256).expect("a key");
        let pem = key.to_pkcs8_pem(None).expect("PEM");
        let base64: String = pem.lines().filter(|line| !line.starts_with('-')).collect();
        let der = STANDARD.decode(base64).expect("base64");
        let spki = key.public_key().spki_der();
        let point = &spki[spki.len() - 64..];
        let jwk = json!({
            "kty": "EC", "crv": "P-256", "use": "sig", "alg": "ES256", "kid": id,
            "x": URL_SAFE_NO_PAD.encode(&point[..32]), "y": URL_SAFE_NO_PAD.encode(&point[32..]),
        });
        Self { encoding: EncodingKey::from_ec_der(&der), jwk }
    }
}

impl Issuer {
    /// Starts an issuer with a key of its own.
    pub fn start() -> Self {
        let subject = json!({"sub": "alice", "email": "alice@example.com", "email_verified": true});
        let state = Mutex::new(State { subject, ..State::default() });
        let shared = Arc::new(Shared { url: OnceLock::new(), key: SigningKey::generate("1"), state });
        let served = Arc::clone(&shared);
        let address = loopback::serve(move |request| served.answer(request));
        shared.url.set(format!("http://{address}")).expect("an address once");
        Self { address, shared }
    }

    /// Gives where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Gives the issuer's URL, which is also the `iss` of its tokens.
    pub fn url(&self) -> String {
        self.shared.url().to_owned()
    }

    /// Mints a token for the audience `sigstore` that is valid for ten minutes; a claim of `claims` replaces one of these,
    /// and null removes it.
    pub fn mint(&self, claims: Value) -> String {
        self.shared.mint(&self.shared.key, claims)
    }

    /// Mints a token under a key that the issuer does not publish.
    pub fn forge(&self, claims: Value) -> String {
        self.shared.mint(&SigningKey::generate("1"), claims)
    }

    /// Mints a token for a verified e-mail address.
    pub fn email(&self, address: &str) -> String {
        self.mint(json!({"sub": address, "email": address, "email_verified": true}))
    }

    /// Mints a token as GitHub Actions does for a workflow `release.yml` of a repository such as `acme/model`.
    pub fn github(&self, repository: &str, reference: &str) -> String {
        self.mint(github_claims(repository, reference))
    }

    /// Says who logs in from now on, in a browser, on a device and in a CI job.
    pub fn log_in_as(&self, claims: Value) {
        self.shared.state().subject = claims;
    }

    /// Says how often a device is told to wait before its token is there.
    pub fn keep_devices_waiting(&self, polls: u32) {
        self.shared.state().pending = polls;
    }

    /// Misbehaves from now on, or behaves again.
    pub fn misbehave(&self, fault: Option<Fault>) {
        self.shared.state().fault = fault;
    }

    /// Gives the requests so far, each as `METHOD path`, without their queries.
    pub fn requests(&self) -> Vec<String> {
        self.shared.state().requests.clone()
    }

    /// Opens a URL as a browser does, up to the page at the end of the redirections, which are followed on loopback only.
    pub fn browse(url: &str) -> Answer {
        let mut url = url.to_owned();
        for _ in 0..5 {
            let rest = url.strip_prefix("http://").expect("an http URL");
            let (host, path) = rest.split_once('/').unwrap_or((rest, ""));
            let answer = http::get(host.parse().expect("a loopback address"), &format!("/{path}"));
            match answer.status {
                301..=303 | 307 => url = answer.header("location").to_owned(),
                _ => return answer,
            }
        }
        panic!("{url}: too many redirections");
    }
}

/// Gives the claims of a GitHub Actions token for a workflow `release.yml`.
pub fn github_claims(repository: &str, reference: &str) -> Value {
    let (owner, _) = repository.split_once('/').expect("owner/name");
    let workflow = format!("{repository}/.github/workflows/release.yml@{reference}");
    let commit = "5ba1e1c0ffee5ba1e1c0ffee5ba1e1c0ffee5ba1";
    json!({
        "sub": format!("repo:{repository}:ref:{reference}"),
        "repository": repository, "repository_id": "1001", "repository_owner": owner,
        "repository_owner_id": "2002", "repository_visibility": "public", "ref": reference, "sha": commit,
        "workflow": "Release", "workflow_ref": workflow, "workflow_sha": commit, "job_workflow_ref": workflow,
        "job_workflow_sha": commit, "event_name": "push", "runner_environment": "github-hosted",
        "run_id": "3003", "run_attempt": "1", "server_url": "https://github.com",
    })
}

impl Shared {
    fn url(&self) -> &str {
        self.url.get().expect("an address before the first request")
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("no test failed while it held the state")
    }

    fn mint(&self, key: &SigningKey, claims: Value) -> String {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("a clock after 1970").as_secs();
        let mut state = self.state();
        state.minted += 1;
        let issuer = match &state.fault {
            Some(Fault::OtherIssuer(other)) => other.as_str(),
            _ => self.url(),
        };
        let mut token = json!({
            "iss": issuer, "aud": "sigstore", "iat": now, "nbf": now, "exp": now + 600,
            "jti": format!("{}-{}", state.minted, now),
        });
        for (name, value) in claims.as_object().expect("an object of claims") {
            token[name] = value.clone();
        }
        token.as_object_mut().expect("an object").retain(|_, value| !value.is_null());
        let header = Header { kid: Some("1".to_owned()), ..Header::new(Algorithm::ES256) };
        jsonwebtoken::encode(&header, &token, &key.encoding).expect("a token")
    }

    /// Mints a token for who logs in, with what the flow adds.
    fn mint_login(&self, audience: &str, nonce: Option<&str>) -> String {
        let (mut claims, fault) = {
            let state = self.state();
            (state.subject.clone(), state.fault.clone())
        };
        claims["aud"] = audience.into();
        claims["nonce"] = nonce.into();
        match fault {
            Some(Fault::OtherAudience) => claims["aud"] = "another".into(),
            Some(Fault::WrongNonce) => claims["nonce"] = "another".into(),
            _ => {}
        }
        self.mint(&self.key, claims)
    }

    fn answer(&self, request: &Request) -> Reply {
        let (method, path) = (request.method.as_str(), request.path.as_str());
        let fault = {
            let mut state = self.state();
            state.requests.push(format!("{method} {path}"));
            state.fault.clone()
        };
        let nothing = json!({});
        match (fault, method, path) {
            (Some(Fault::Redirect(to)), ..) => Reply::redirect(&to),
            (Some(Fault::Status(status)), ..) => Reply::json(status, &nothing),
            (Some(Fault::Html), ..) => Reply::page(),
            (Some(Fault::Endless), ..) => Reply::Endless,
            (fault, "GET", "/.well-known/openid-configuration") => {
                Reply::json(200, &self.discovery(fault.as_ref()))
            }
            (_, "GET", "/keys") => Reply::json(200, &json!({"keys": [self.key.jwk]})),
            (fault, "GET", "/authorize") => Reply::redirect(&self.authorize(&request.query, fault.as_ref())),
            (Some(Fault::NoToken), "POST", "/token") => Reply::json(400, &json!({"error": "invalid_grant"})),
            (_, "POST", "/token") => match self.token(&request.form()) {
                Ok(token) => Reply::json(200, &token),
                Err(error) => Reply::json(400, &json!({"error": error})),
            },
            (_, "POST", "/device/code") => Reply::json(200, &self.device(&request.form())),
            // What a job in GitHub Actions asks, with the secret that it was given.
            (_, "GET", "/ci") if request.header("authorization") == "Bearer ci-secret" => {
                let audience = request.query.get("audience").map_or("", String::as_str);
                Reply::json(200, &json!({"value": self.mint_login(audience, None)}))
            }
            (_, "GET", "/ci") => Reply::json(401, &nothing),
            _ => Reply::json(404, &nothing),
        }
    }

    fn discovery(&self, fault: Option<&Fault>) -> Value {
        let issuer = match fault {
            Some(Fault::OtherIssuer(other)) => other.as_str(),
            _ => self.url(),
        };
        let base = match fault {
            Some(Fault::OtherEndpoints(base)) => base.as_str(),
            _ => self.url(),
        };
        json!({
            "issuer": issuer,
            "authorization_endpoint": format!("{base}/authorize"),
            "token_endpoint": format!("{base}/token"),
            "device_authorization_endpoint": format!("{base}/device/code"),
            "jwks_uri": format!("{base}/keys"),
            "response_types_supported": ["code"],
            "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": ["ES256"],
            "code_challenge_methods_supported": ["S256"],
        })
    }

    /// Logs somebody in without asking, and sends the browser back with a code.
    fn authorize(&self, query: &HashMap<String, String>, fault: Option<&Fault>) -> String {
        let text = |name: &str| query.get(name).cloned().unwrap_or_default();
        let redirect_uri = text("redirect_uri");
        assert_eq!(text("response_type"), "code");
        assert!(text("scope").split(' ').any(|scope| scope == "openid"), "{query:?}");
        assert_eq!(text("code_challenge_method"), "S256");
        let state = if fault == Some(&Fault::WrongState) { "another".to_owned() } else { text("state") };
        if fault == Some(&Fault::Denied) {
            return format!("{redirect_uri}?error=access_denied&state={state}");
        }
        let grant = Grant {
            challenge: text("code_challenge"),
            nonce: query.get("nonce").cloned(),
            redirect_uri: redirect_uri.clone(),
            client: text("client_id"),
        };
        let mut shared = self.state();
        let code = format!("code-{}", shared.codes.len());
        shared.codes.insert(code.clone(), grant);
        format!("{redirect_uri}?code={code}&state={state}")
    }

    fn device(&self, form: &HashMap<String, String>) -> Value {
        let grant = Grant {
            challenge: form.get("code_challenge").cloned().unwrap_or_default(),
            nonce: form.get("nonce").cloned(),
            redirect_uri: String::new(),
            client: form.get("client_id").cloned().unwrap_or_default(),
        };
        self.state().codes.insert("device".to_owned(), grant);
        json!({
            "device_code": "device", "user_code": "WAX-SEAL", "verification_uri": format!("{}/activate", self.url()),
            "verification_uri_complete": format!("{}/activate?user_code=WAX-SEAL", self.url()),
            "expires_in": 300, "interval": 1,
        })
    }

    /// Exchanges a code, once, against the verifier of its challenge.
    fn token(&self, form: &HashMap<String, String>) -> Result<Value, &'static str> {
        let text = |name: &str| form.get(name).map_or("", String::as_str);
        let device = text("grant_type") == "urn:ietf:params:oauth:grant-type:device_code";
        let code = if device { text("device_code") } else { text("code") };
        let grant = {
            let mut state = self.state();
            if device && state.pending > 0 {
                state.pending -= 1;
                return Err("authorization_pending");
            }
            state.codes.remove(code)
        };
        let Some(grant) = grant else { return Err("invalid_grant") };
        let proven = URL_SAFE_NO_PAD.encode(Sha256::digest(text("code_verifier")));
        // Not every client sends a challenge for a device; where there is one, it holds.
        if proven != grant.challenge && !(device && grant.challenge.is_empty()) {
            return Err("invalid_grant");
        }
        if !device
            && (text("redirect_uri") != grant.redirect_uri || text("grant_type") != "authorization_code")
        {
            return Err("invalid_request");
        }
        let token = self.mint_login(&grant.client, grant.nonce.as_deref());
        Ok(json!({"access_token": "opaque", "token_type": "Bearer", "expires_in": 600, "id_token": token}))
    }
}

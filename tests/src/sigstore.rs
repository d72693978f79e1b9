//! A small private Sigstore for the tests of its clients, on loopback: a certificate authority, a time-stamping authority and a
//! log. Its answers are right until a test wants one that is not.
//!
//! Who asks is whoever the token says, unproven: what a real authority checks is tested with the real one.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use jiff::{SignedDuration, Timestamp};
use sealwax_attestation::{
    ClientTrustConfig, EntryKind, HashedRekord, LogInstance, Selector, Service, SigningConfig, Submission,
    TransparencyLogEntry, TrustedRoot, Verifier,
};
use sealwax_authority::{
    CertificateAuthority, CertifiedKey, Identity, IdentityName, Name, Role, TimestampAuthority, Validity,
};
use sealwax_keys::{Certificate, HashAlgorithm, KeyKind, PublicKey, SecretKey};
use sealwax_transparency_log::{Log, LogKey, NewEntry};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::Sandbox;
use crate::loopback::{self, Reply, Request};

/// A running deployment.
pub struct Sigstore {
    address: SocketAddr,
    shared: Arc<Shared>,
    _log: TempDir,
}

/// What a deployment can do wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Lie {
    /// A certificate for a key of somebody else.
    OtherKey,
    /// A certificate that names another person.
    OtherIdentity,
    /// A certificate that names another issuer.
    OtherIssuer,
    /// A certificate of an authority that the trusted root does not list.
    OtherAuthority,
    /// A certificate whose log of certificates the trusted root does not list.
    OtherCertificateLog,
    /// A token of time for another request over the same bytes.
    OtherNonce,
    /// A token of time over other bytes.
    OtherBytes,
    /// A token of time of an authority that the trusted root does not list.
    OtherTime,
    /// A time so many seconds from now.
    Ahead(i64),
    /// The entry of somebody else, rightly proven.
    OtherEntry,
    /// The entry that was asked for, under a checkpoint of another log.
    OtherLog,
}

/// What happens to requests whose path holds some text.
#[derive(Clone, Debug)]
pub struct Trouble {
    /// The text.
    pub path: &'static str,
    /// What is answered.
    pub reply: Reply,
    /// How often; then all is well.
    pub times: u32,
}

struct Shared {
    authority: CertificateAuthority,
    stranger: CertificateAuthority,
    timestamps: TimestampAuthority,
    other_timestamps: TimestampAuthority,
    /// The key of the log as a Rekor v1 log.
    v1_key: SecretKey,
    log: Mutex<Log>,
    other_log: Mutex<Log>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    lie: Option<Lie>,
    trouble: Vec<Trouble>,
    requests: Vec<Request>,
}

impl Sigstore {
    /// Starts a deployment with keys of its own.
    pub fn start() -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        let secret = || SecretKey::generate(KeyKind::Ed25519).expect("a key");
        let key = LogKey::new("log.example", secret()).expect("a key of a log");
        let log = Log::create(&directory.path().join("log"), key, |_| false);
        let other = LogKey::new("log.example", secret()).expect("a key of a log");
        let other_log = Log::create(&directory.path().join("other"), other, |_| false);
        let shared = Arc::new(Shared {
            authority: authority(),
            stranger: authority(),
            timestamps: timestamps(),
            other_timestamps: timestamps(),
            v1_key: SecretKey::generate(KeyKind::P256).expect("a key"),
            log: Mutex::new(log.expect("a log")),
            other_log: Mutex::new(other_log.expect("a log")),
            state: Mutex::default(),
        });
        let served = Arc::clone(&shared);
        let address = loopback::serve(move |request| served.answer(request));
        Self { address, shared, _log: directory }
    }

    /// Gives the base URL of everything.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Gives what a verifier believes.
    pub fn root(&self) -> TrustedRoot {
        let since = start();
        let shared = &self.shared;
        let key = shared.log.lock().expect("the log").verifier_key().public_key().clone();
        let log = |origin: &str, key| LogInstance::new(origin.to_owned(), key, since).expect("a log");
        let authority = |signer: &CertifiedKey| signer.authority_instance("", None).expect("an authority");
        TrustedRoot {
            logs: vec![log("log.example", key), log(V1_ORIGIN, shared.v1_key.public_key().clone())],
            certificate_authorities: vec![authority(shared.authority.issuer())],
            ct_logs: vec![shared.authority.log_instance("https://ct.example", None, since)],
            timestamp_authorities: vec![authority(shared.timestamps.signer())],
        }
    }

    /// Gives whom to ask; people log in at an issuer.
    pub fn config(&self, issuer: &str) -> SigningConfig {
        SigningConfig {
            certificate_authorities: vec![self.service("", 1, "one")],
            identity_providers: vec![Service { url: issuer.to_owned(), ..self.service("", 1, "one") }],
            logs: vec![self.service("", 2, "one")],
            log_selector: Selector::Any,
            timestamp_authorities: vec![self.service("/api/v1/timestamp", 1, "one")],
            timestamp_selector: Selector::Any,
        }
    }

    /// Gives one of the services, by its path.
    pub fn service(&self, path: &str, api_version: u32, operator: &str) -> Service {
        Service {
            url: format!("{}{path}", self.url()),
            api_version,
            valid_from: start(),
            valid_until: None,
            operator: operator.to_owned(),
        }
    }

    /// Writes `trust.json`, a client trust configuration, `root.json` and `config.json`.
    pub fn hand_out(&self, sandbox: &Sandbox, config: SigningConfig) {
        sandbox.write("root.json", self.root().to_json());
        sandbox.write("config.json", config.to_json());
        let config = ClientTrustConfig { trusted_root: self.root(), signing_config: config };
        sandbox.write("trust.json", config.to_json());
    }

    /// Lies from now on, or tells the truth again.
    pub fn lie(&self, lie: Option<Lie>) {
        self.shared.state.lock().expect("the state").lie = lie;
    }

    /// Makes trouble for the next requests.
    pub fn trouble(&self, path: &'static str, times: u32, reply: Reply) {
        self.shared.state.lock().expect("the state").trouble.push(Trouble { path, reply, times });
    }

    /// Gives the requests so far.
    pub fn requests(&self) -> Vec<Request> {
        self.shared.state.lock().expect("the state").requests.clone()
    }

    /// Gives the number of entries in the log.
    pub fn size(&self) -> u64 {
        self.shared.log.lock().expect("the log").checkpoint().expect("a checkpoint").size
    }
}

impl Shared {
    fn answer(&self, request: &Request) -> Reply {
        let lie = {
            let mut state = self.state.lock().expect("the state");
            state.requests.push(request.clone());
            let hit = |trouble: &&mut Trouble| trouble.times > 0 && request.path.contains(trouble.path);
            if let Some(trouble) = state.trouble.iter_mut().find(hit) {
                trouble.times -= 1;
                return trouble.reply.clone();
            }
            state.lie.clone()
        };
        match request.path.as_str() {
            "/api/v2/signingCert" => self.certify(request, lie.as_ref()),
            "/api/v1/timestamp" => self.timestamp(request, lie.as_ref()),
            "/api/v2/log/entries" => self.record(request, lie.as_ref()),
            "/api/v1/log/entries" => self.record_v1(request, lie.as_ref()),
            path => match path.strip_prefix("/api/v1/log/entries/") {
                Some(id) => self.fetch_v1(id),
                None => Reply::json(404, &json!({"code": 5, "message": "not found"})),
            },
        }
    }

    fn certify(&self, request: &Request, lie: Option<&Lie>) -> Reply {
        let claims = request.header("authorization").split('.').nth(1).unwrap_or_default();
        let claims: Value =
            serde_json::from_slice(&URL_SAFE_NO_PAD.decode(claims).expect("base64")).expect("claims");
        let text = |name: &str| claims[name].as_str().map(str::to_owned);
        let (mut issuer, mut name) = (text("iss").expect("an issuer"), text("email"));
        if lie == Some(&Lie::OtherIdentity) {
            name = Some("mallory@example.com".to_owned());
        }
        if lie == Some(&Lie::OtherIssuer) {
            issuer = "https://id.evil.example".to_owned();
        }
        let name = match name {
            Some(email) => IdentityName::Email(email),
            None => {
                let workflow = text("job_workflow_ref").expect("a workflow");
                IdentityName::Uri(format!("https://github.com/{workflow}"))
            }
        };
        let identity = Identity::new(&issuer, name).expect("an identity");
        let asked = requested_key(&request.body);
        let other = SecretKey::generate(KeyKind::P256).expect("a key");
        let key = if lie == Some(&Lie::OtherKey) { other.public_key() } else { &asked };
        let authority = if lie == Some(&Lie::OtherAuthority) { &self.stranger } else { &self.authority };
        let recorded = |_: &[u8]| Ok::<_, std::io::Error>(());
        let issued = if lie == Some(&Lie::OtherCertificateLog) {
            // The same authority, with a log of certificates that nobody lists.
            let pem = self.authority.issuer().key().to_pkcs8_pem(None).expect("PEM");
            let Ok(sealwax_keys::KeyFile::Plain(issuer)) = sealwax_keys::KeyFile::parse(pem.as_bytes())
            else {
                panic!("not a plain key")
            };
            let issuer =
                CertifiedKey::new(self.authority.issuer().chain().to_vec(), issuer).expect("a chain");
            CertificateAuthority::new(issuer, SecretKey::generate(KeyKind::P256).expect("a key"))
                .expect("an authority")
                .issue(&identity, key, now(), recorded)
        } else {
            authority.issue(&identity, key, now(), recorded)
        };
        let issued = issued.expect("a certificate");
        let pems: Vec<String> = issued.chain().map(Certificate::to_pem).collect();
        Reply::json(200, &json!({"signedCertificateEmbeddedSct": {"chain": {"certificates": pems}}}))
    }

    fn timestamp(&self, request: &Request, lie: Option<&Lie>) -> Reply {
        let mut query = request.body.clone();
        match lie {
            // The last byte of the nonce, before the three that ask for certificates.
            Some(Lie::OtherNonce) => flip(&mut query, 4),
            // The last byte of the hash, before the nonce with its head.
            Some(Lie::OtherBytes) => flip(&mut query, 14),
            _ => {}
        }
        let authority = if lie == Some(&Lie::OtherTime) { &self.other_timestamps } else { &self.timestamps };
        let ahead = match lie {
            Some(Lie::Ahead(seconds)) => SignedDuration::from_secs(*seconds),
            _ => SignedDuration::ZERO,
        };
        let reply = authority.answer(&query, now() + ahead).expect("an answer");
        Reply::Whole(201, "application/timestamp-reply", reply.der)
    }

    fn record(&self, request: &Request, lie: Option<&Lie>) -> Reply {
        let Ok(Submission::HashedRekord(mut entry)) = Submission::from_json(&request.body) else {
            return Reply::json(400, &json!({"code": 3, "message": "invalid type, must be hashedrekord"}));
        };
        if lie == Some(&Lie::OtherEntry) {
            entry = other_entry();
        }
        let body = entry.to_body().expect("a body");
        let log = if lie == Some(&Lie::OtherLog) { &self.other_log } else { &self.log };
        Reply::json(201, &append(log, body).to_answer(EntryKind::HashedRekord))
    }

    /// Takes an envelope as a Rekor v1 log does.
    fn record_v1(&self, request: &Request, lie: Option<&Lie>) -> Reply {
        let request: Value = serde_json::from_slice(&request.body).expect("JSON");
        assert_eq!((request["kind"].as_str(), request["apiVersion"].as_str()), (Some("dsse"), Some("0.0.1")));
        let content = &request["spec"]["proposedContent"];
        let text = content["envelope"].as_str().expect("an envelope");
        let envelope: Value = serde_json::from_str(text).expect("JSON");
        let payload = STANDARD.decode(envelope["payload"].as_str().expect("a payload")).expect("base64");
        let hash = |bytes: &[u8]| json!({"algorithm": "sha256", "value": hex::encode(HashAlgorithm::Sha256.digest(bytes))});
        let payload = if lie == Some(&Lie::OtherEntry) { b"other".to_vec() } else { payload };
        let signed =
            json!({"signature": envelope["signatures"][0]["sig"], "verifier": content["verifiers"][0]});
        let body = json!({"apiVersion": "0.0.1", "kind": "dsse", "spec": {
            "envelopeHash": hash(text.as_bytes()), "payloadHash": hash(&payload), "signatures": [signed],
        }});
        let entry = append(&self.log, body.to_string().into_bytes());
        Reply::json(201, &self.written_v1(&entry))
    }

    /// Gives the entry that a Rekor v1 log has at an id: here the newest, whatever the id.
    fn fetch_v1(&self, _id: &str) -> Reply {
        let requests = self.state.lock().expect("the state").requests.clone();
        let posted = requests.iter().rev().find(|request| request.method == "POST").expect("a submission");
        match self.record_v1(posted, None) {
            Reply::Whole(_, media_type, body) => Reply::Whole(200, media_type, body),
            other => other,
        }
    }

    /// Writes an entry as a Rekor v1 log does, with a promise and a checkpoint of its own.
    fn written_v1(&self, entry: &TransparencyLogEntry) -> Value {
        let key = self.v1_key.public_key();
        let (time, log_id) = (now().as_second(), hex::encode(key.fingerprint()));
        let body = STANDARD.encode(&entry.canonicalized_body);
        // Canonical JSON: the keys in order, no spaces.
        let promised = format!(
            r#"{{"body":"{body}","integratedTime":{time},"logID":"{log_id}","logIndex":{}}}"#,
            entry.log_index
        );
        let promise = self.v1_key.sign(promised.as_bytes());
        let proof = &entry.inclusion_proof;
        let text = format!("{V1_ORIGIN} - 42\n{}\n{}\n", proof.tree_size, STANDARD.encode(proof.root_hash));
        let signature = self.v1_key.sign(text.as_bytes()).expect("a signature");
        let line = STANDARD.encode([&key.fingerprint()[..4], &signature].concat());
        let checkpoint = format!("{text}\n— {V1_ORIGIN} {line}\n");
        json!({"24296fb24b8ad77a".repeat(5): {
            "body": body, "integratedTime": time, "logID": log_id, "logIndex": entry.log_index,
            "verification": {
                "signedEntryTimestamp": STANDARD.encode(promise.expect("a promise")),
                "inclusionProof": {
                    "checkpoint": checkpoint, "hashes": proof.hashes.iter().map(hex::encode).collect::<Vec<_>>(),
                    "logIndex": proof.log_index, "rootHash": hex::encode(proof.root_hash), "treeSize": proof.tree_size,
                },
            },
        }})
    }
}

fn append(log: &Mutex<Log>, body: Vec<u8>) -> TransparencyLogEntry {
    let mut log = log.lock().expect("the log");
    let receipts = log.append(&[NewEntry { body: &body, envelope: None }]).expect("receipts");
    receipts[0].to_entry(log.verifier_key(), body).expect("an entry")
}

/// An entry of somebody else.
fn other_entry() -> HashedRekord {
    let key = SecretKey::generate(KeyKind::P256).expect("a key");
    let signature = key.sign(b"other").expect("a signature");
    HashedRekord {
        scheme: key.public_key().scheme(),
        digest: HashAlgorithm::Sha256.digest(b"other"),
        signature,
        verifier: Verifier::from(key.public_key()),
    }
}

/// Finds the key in a certificate request, which is P-256.
fn requested_key(body: &[u8]) -> PublicKey {
    let request: Value = serde_json::from_slice(body).expect("JSON");
    let pem =
        STANDARD.decode(request["certificateSigningRequest"].as_str().expect("a request")).expect("base64");
    let pem = String::from_utf8(pem).expect("PEM");
    let base64: String = pem.lines().filter(|line| !line.starts_with('-')).collect();
    let der = STANDARD.decode(base64).expect("base64");
    let head = hex::decode("3059301306072a8648ce3d020106082a8648ce3d030107034200").expect("hexadecimal");
    let place = der.windows(head.len()).position(|window| window == head).expect("a P-256 key");
    PublicKey::from_spki_der(&der[place..place + 91]).expect("a key")
}

/// Changes the byte that is so many from the end.
fn flip(bytes: &mut [u8], from_end: usize) {
    let place = bytes.len() - from_end;
    bytes[place] ^= 1;
}

fn authority() -> CertificateAuthority {
    let log = SecretKey::generate(KeyKind::P256).expect("a key");
    CertificateAuthority::new(certified(Role::Identities), log).expect("an authority")
}

fn timestamps() -> TimestampAuthority {
    TimestampAuthority::new(certified(Role::Timestamps)).expect("an authority")
}

/// A key below a root of its own.
fn certified(role: Role) -> CertifiedKey {
    let key = || SecretKey::generate(KeyKind::P256).expect("a key");
    let validity = Validity { not_before: start(), not_after: now() + SignedDuration::from_hours(24 * 365) };
    let name = |common_name| Name { organization: "Example", common_name };
    let root = CertifiedKey::new_root(key(), name("Root"), validity).expect("a root");
    let own = key();
    let chain = root.certify(role, own.public_key(), name("Below"), validity).expect("a chain");
    CertifiedKey::new(chain, own).expect("a certified key")
}

fn now() -> Timestamp {
    Timestamp::now()
}

/// Since when everything is valid.
fn start() -> Timestamp {
    "2026-01-01T00:00:00Z".parse().expect("a time")
}

/// What the log is called where it is asked as a Rekor v1 log.
const V1_ORIGIN: &str = "log1.example";

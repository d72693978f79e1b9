//! Certificates for identities over HTTP: who gets one, who does not, and what is recorded of it.

use std::fs;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use sealwax_authority::{Recorded, TimestampRequest, certificate_answer, certificate_request};
use sealwax_keys::{Certificate, KeyKind, SecretKey, SubjectName};
use sealwax_tests::http::{self, Answer};
use sealwax_tests::oidc::{Fault, Issuer, github_claims};
use sealwax_tests::server::{Server, instance, refused_start};
use sealwax_tests::{Sandbox, peer};
use serde_json::{Value, json};

const SIGNING_CERT: &str = "/api/v2/signingCert";

/// Settings that believe an issuer.
fn believing(issuer: &Issuer, kind: &str, more: &str) -> String {
    format!("[[authority.issuers]]\nurl = '{}'\ntype = '{kind}'\n{more}\n", issuer.url())
}

fn served(issuer: &Issuer) -> (Sandbox, Server) {
    let sandbox = instance(&believing(issuer, "email", ""));
    let server = Server::serve(&sandbox);
    (sandbox, server)
}

fn new_key() -> SecretKey {
    SecretKey::generate(KeyKind::P256).unwrap()
}

/// What sigstore-rust sends: token and key in the body, and a signature over the token's challenge.
fn request(token: &str, key: &SecretKey, proof: &[u8]) -> Value {
    json!({
        "credentials": {"oidcIdentityToken": token},
        "publicKeyRequest": {
            "publicKey": {"algorithm": "ECDSA", "content": key.public_key().to_pem()},
            "proofOfPossession": STANDARD.encode(proof),
        },
    })
}

fn ask(server: &Server, token: &str, challenge: &str) -> Answer {
    let key = new_key();
    let proof = key.sign(challenge.as_bytes()).unwrap();
    post(server, &request(token, &key, &proof))
}

fn post(server: &Server, body: &Value) -> Answer {
    http::post(server.address, SIGNING_CERT, body.to_string().as_bytes()).unwrap()
}

/// Demands a refusal that says why, and that nothing was recorded.
fn refused(server: &Server, answer: &Answer, status: u16, why: &str) {
    assert_eq!(answer.status, status, "{why}: {answer:?}");
    let message = answer.json()["message"].as_str().unwrap().to_owned();
    assert!(message.contains(why), "{why}: {message}");
    assert_eq!(
        http::get(server.address, "/ct/checkpoint").body.split(|byte| *byte == b'\n').nth(1).unwrap(),
        b"0"
    );
}

#[test]
fn a_token_and_a_key_make_a_certificate_that_was_recorded() {
    let issuer = Issuer::start();
    let (sandbox, server) = served(&issuer);
    // sigstore-python's form: a request signed by the key, the token in the header.
    let key = new_key();
    let body = certificate_request(&key).unwrap();
    let token = issuer.email("alice@example.com");
    let head = format!("Content-Type: application/json\r\nAuthorization: Bearer {token}\r\n");
    let answer = http::request(server.address, "POST", SIGNING_CERT, &head, body.as_bytes()).unwrap();
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_eq!(answer.header("cache-control"), "no-store");
    let chain = certificate_answer(&answer.body, &key).unwrap();
    let names = chain[0].subject_alternative_names();
    assert_eq!(names, [SubjectName::Email("alice@example.com".to_owned())]);
    chain[0].is_signed_by(chain[1].public_key()).unwrap();
    assert_eq!(chain[0].not_after() - chain[0].not_before(), 600);
    // sigstore-rust's form.
    let answer = ask(&server, &issuer.email("bob@example.com"), "bob@example.com");
    assert_eq!(answer.status, 200, "{answer:?}");

    let bundle = http::get(server.address, "/api/v2/trustBundle").json();
    let pems = bundle["chains"][0]["certificates"].as_array().unwrap();
    let pems: String = pems.iter().map(|pem| pem.as_str().unwrap()).collect();
    assert_eq!(pems.into_bytes(), fs::read(sandbox.instance().join("authority/ca.pem")).unwrap());
    let configuration = http::get(server.address, "/api/v2/configuration").json();
    let urls: Vec<&str> = configuration["issuers"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| one["issuerUrl"].as_str().unwrap())
        .collect();
    assert!(urls.contains(&issuer.url().as_str()) && urls.contains(&"https://log.example"), "{urls:?}");

    // The record is a log like any other, and has what was issued.
    let note = String::from_utf8(http::get(server.address, "/ct/checkpoint").body).unwrap();
    assert!(note.starts_with("ct.log.example\n2\n"), "{note}");
    let bundle = http::get(server.address, "/ct/tile/entries/000.p/2").body;
    let length = usize::from(u16::from_be_bytes([bundle[0], bundle[1]]));
    let recorded = Recorded::parse(&bundle[2..2 + length]).unwrap();
    assert_eq!(recorded.certificate().serial_number(), chain[0].serial_number());
    assert_eq!(http::get(server.address, "/ct/tile/entries/000.p/3").status, 404);
    let listed = sandbox.json(0, ["authority", "certificates"]);
    assert_eq!(listed["certificates"][1]["names"][0], "alice@example.com");
    assert_eq!(listed["certificates"][1]["serial"], hex::encode(chain[0].serial_number()));
    assert_eq!(listed["certificates"][0]["issuer"], issuer.url());

    let metrics = String::from_utf8(http::get(server.address, "/metrics").body).unwrap();
    assert!(
        metrics.contains("authority_requests_total{what=\"Certificate\",outcome=\"Granted\"} 2"),
        "{metrics}"
    );
    // Neither token is in what the server said.
    assert!(!server.said().contains("eyJ"), "{}", server.said());
}

#[test]
fn a_workflow_is_certified_with_its_claims() {
    let issuer = Issuer::start();
    let sandbox = instance(&believing(&issuer, "github", ""));
    let server = Server::serve(&sandbox);
    let reference = "refs/tags/v1";
    let claims = github_claims("acme/model", reference);
    let answer = ask(&server, &issuer.github("acme/model", reference), claims["sub"].as_str().unwrap());
    assert_eq!(answer.status, 200, "{answer:?}");
    let pem = answer.json()["signedCertificateEmbeddedSct"]["chain"]["certificates"][0].clone();
    let certificate = &Certificate::from_pem_chain(pem.as_str().unwrap().as_bytes()).unwrap()[0];
    let uri = "https://github.com/acme/model/.github/workflows/release.yml@refs/tags/v1".to_owned();
    assert_eq!(certificate.subject_alternative_names(), [SubjectName::Uri(uri)]);
    let value = certificate.extension("1.3.6.1.4.1.57264.1.14").unwrap().value;
    assert_eq!(value, [&[0x0c, 12][..], reference.as_bytes()].concat());
}

#[test]
fn k10_a_token_for_somebody_else_or_out_of_its_time_is_refused() {
    let issuer = Issuer::start();
    let other = Issuer::start();
    let (_sandbox, server) = served(&issuer);
    let email = |more: Value| {
        let mut claims = json!({"sub": "a", "email": "alice@example.com", "email_verified": true});
        for (name, value) in more.as_object().unwrap() {
            claims[name] = value.clone();
        }
        claims
    };
    let mint = |more: Value| issuer.mint(email(more));
    for (token, why) in [
        (mint(json!({"aud": "another"})), "audience"),
        (mint(json!({"aud": ["sigstore", "another"]})), "audience"),
        (mint(json!({"exp": 1_700_000_000})), "expired"),
        (mint(json!({"nbf": 32_503_680_000_u64, "exp": 32_503_680_600_u64})), ""),
        (mint(json!({"iss": "https://accounts.example"})), "issuer"),
        (mint(json!({"iss": format!("{}/", issuer.url())})), "issuer"),
        (other.email("alice@example.com"), "issuer"),
        (issuer.forge(email(json!({}))), "signature"),
        (mint(json!({"email_verified": false})), "verified"),
        (mint(json!({"email_verified": null})), "verified"),
        (mint(json!({"email": "alice@example.com\n"})), "email"),
        (mint(json!({"email": null})), "email"),
        ("a.b.c".to_owned(), ""),
        (String::new(), ""),
    ] {
        let answer = ask(&server, &token, "alice@example.com");
        assert!((400..500).contains(&answer.status));
        refused(&server, &answer, answer.status, why);
        assert!(token.is_empty() || !String::from_utf8_lossy(&answer.body).contains(&token));
    }
    // The same without any fault.
    assert_eq!(ask(&server, &mint(json!({})), "alice@example.com").status, 200);
}

#[test]
fn k10_a_token_is_exchanged_once_unless_the_operator_says_otherwise() {
    let issuer = Issuer::start();
    let (sandbox, mut server) = served(&issuer);
    let token = issuer.email("alice@example.com");
    // A bad proof spends nothing.
    assert_eq!(ask(&server, &token, "somebody@example.com").status, 400);
    assert_eq!(ask(&server, &token, "alice@example.com").status, 200);
    let again = ask(&server, &token, "alice@example.com");
    assert_eq!(again.status, 401, "{again:?}");
    assert!(again.json()["message"].as_str().unwrap().contains("used"), "{again:?}");
    // Nor after the server was away.
    server.kill();
    let server = Server::serve(&sandbox);
    assert_eq!(ask(&server, &token, "alice@example.com").status, 401);
    drop(server);
    let other = instance(&believing(&issuer, "email", "single_use = false"));
    let server = Server::serve(&other);
    let token = issuer.email("alice@example.com");
    for _ in 0..2 {
        assert_eq!(ask(&server, &token, "alice@example.com").status, 200);
    }
}

#[test]
fn k10_of_many_who_use_one_token_at_once_one_is_certified() {
    let issuer = Issuer::start();
    let (_sandbox, server) = served(&issuer);
    let token = issuer.email("alice@example.com");
    let certified = std::thread::scope(|scope| {
        let threads: Vec<_> =
            (0..8).map(|_| scope.spawn(|| ask(&server, &token, "alice@example.com").status)).collect();
        threads.into_iter().filter_map(|thread| (thread.join().unwrap() == 200).then_some(())).count()
    });
    assert_eq!(certified, 1);
}

#[test]
fn k04_who_does_not_have_the_key_or_has_a_weak_one_is_refused() {
    let issuer = Issuer::start();
    let (_sandbox, server) = served(&issuer);
    let (key, other) = (new_key(), new_key());
    let token = || issuer.email("alice@example.com");
    let proof = |key: &SecretKey, over: &str| key.sign(over.as_bytes()).unwrap();
    for (body, why) in [
        (request(&token(), &key, &proof(&other, "alice@example.com")), "proof"),
        (request(&token(), &key, &proof(&key, "bob@example.com")), "proof"),
        (request(&token(), &key, b""), "proof"),
    ] {
        refused(&server, &post(&server, &body), 400, why);
    }
    // A request that another key has signed.
    let csr: Value = serde_json::from_str(&certificate_request(&key).unwrap()).unwrap();
    let pem = String::from_utf8(STANDARD.decode(csr["certificateSigningRequest"].as_str().unwrap()).unwrap())
        .unwrap();
    let der: String = pem.lines().filter(|line| !line.starts_with('-')).collect();
    let mut der = STANDARD.decode(der).unwrap();
    let last = der.len() - 1;
    der[last] ^= 1;
    let pem = format!(
        "-----BEGIN CERTIFICATE REQUEST-----\n{}\n-----END CERTIFICATE REQUEST-----\n",
        STANDARD.encode(der)
    );
    let body = json!({
        "credentials": {"oidcIdentityToken": token()},
        "certificateSigningRequest": STANDARD.encode(pem),
    });
    refused(&server, &post(&server, &body), 400, "");
    // RSA of 1024 bits, by openssl.
    let weak = "-----BEGIN PUBLIC KEY-----\nMIGfMA0GCSqGSIb3DQEBAQUAA4GNADCBiQKBgQDHGz2yLGq0GgxjEqLcQXLB7pL1\nU5lz9kO9dqL8x9jkJ0Jm9L3e8bqg1n1g7bq0m1QmL7q8x6m5s4u3t2r1q0p9o8n7\nm6l5k4j3h2g1f0e9d8c7b6a5Z4Y3X2W1V0U9T8S7R6Q5P4O3N2M1L0K9J8I7H6G5\nF4E3D2C1B0A9z8y7xwIDAQAB\n-----END PUBLIC KEY-----\n";
    let mut body = request(&token(), &key, b"x");
    body["publicKeyRequest"]["publicKey"]["content"] = weak.into();
    refused(&server, &post(&server, &body), 400, "");
}

#[test]
fn b05_giant_and_malformed_requests_are_refused() {
    let issuer = Issuer::start();
    let (_sandbox, server) = served(&issuer);
    let key = new_key();
    let giant = format!("{}.{}", issuer.email("alice@example.com"), "A".repeat(100_000));
    let answer = post(&server, &request(&giant, &key, b"x"));
    assert!((400..500).contains(&answer.status), "{answer:?}");
    let answer = http::post(server.address, SIGNING_CERT, &vec![b'['; 10 << 20]).unwrap();
    assert_eq!(answer.status, 413, "{answer:?}");
    for body in ["", "{", "[]", "{}", "null", "{\"credentials\":{},\"credentials\":{}}", "<html>"] {
        let answer = http::post(server.address, SIGNING_CERT, body.as_bytes()).unwrap();
        assert!((400..500).contains(&answer.status), "{body}: {answer:?}");
    }
    let head = "Origin: https://evil.example\r\nContent-Type: application/json\r\n";
    for path in [SIGNING_CERT, "/api/v1/timestamp", "/api/sealwax/v1/invitations/redeem"] {
        let answer = http::request(server.address, "POST", path, head, b"{}").unwrap();
        assert_eq!(answer.status, 403, "h12: {path}: {answer:?}");
    }
}

#[test]
fn k10_a_token_without_a_signature_or_with_the_wrong_kind_is_refused() {
    let issuer = Issuer::start();
    let (_sandbox, server) = served(&issuer);
    let token = issuer.email("alice@example.com");
    let parts: Vec<&str> = token.split('.').collect();
    let head = |value: Value| URL_SAFE_NO_PAD.encode(value.to_string());
    for header in [
        json!({"alg": "none"}),
        json!({"alg": "None", "kid": "1"}),
        json!({"alg": "HS256", "kid": "1"}),
        json!({"alg": "ES256", "kid": "2"}),
        json!({"alg": "ES256", "kid": "../1"}),
        json!({"alg": "ES256", "kid": "1", "jku": "http://127.0.0.1:1/keys"}),
        json!({"alg": "ES256", "kid": "1", "crit": ["exp"]}),
        json!({"alg": "ES384", "kid": "1"}),
        json!({"alg": "RS256", "kid": "1"}),
    ] {
        for signature in [parts[2], ""] {
            let forged = format!("{}.{}.{signature}", head(header.clone()), parts[1]);
            let answer = ask(&server, &forged, "alice@example.com");
            assert!((400..500).contains(&answer.status), "{header}: {answer:?}");
            refused(&server, &answer, answer.status, "");
        }
    }
    // HS256 with the public key, as bytes and as text, as the secret.
    let keys = http::get(issuer.address(), "/keys").json();
    for secret in [keys["keys"][0].to_string().into_bytes(), keys.to_string().into_bytes()] {
        let mut header = jsonwebtoken::Header::new(jsonwebtoken::Algorithm::HS256);
        header.kid = Some("1".to_owned());
        let claims: Value = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(parts[1]).unwrap()).unwrap();
        let secret = jsonwebtoken::EncodingKey::from_secret(&secret);
        let forged = jsonwebtoken::encode(&header, &claims, &secret).unwrap();
        refused(&server, &ask(&server, &forged, "alice@example.com"), 401, "HS256");
    }
    // Nobody was asked for anything but what is configured.
    assert!(
        issuer
            .requests()
            .iter()
            .all(|path| { path == "GET /.well-known/openid-configuration" || path == "GET /keys" })
    );
}

#[test]
fn h02_an_issuer_that_redirects_lies_or_is_down_gives_nobody_a_name() {
    let elsewhere = Issuer::start();
    for fault in [
        Fault::Redirect(format!("{}/.well-known/openid-configuration", elsewhere.url())),
        Fault::OtherIssuer("https://accounts.example".to_owned()),
        Fault::OtherEndpoints("http://192.0.2.1".to_owned()),
        Fault::Html,
        Fault::Endless,
        Fault::Status(500),
    ] {
        let (issuer, sound) = (Issuer::start(), Issuer::start());
        let settings = believing(&issuer, "email", "") + &believing(&sound, "email", "");
        let sandbox = instance(&settings);
        let server = Server::serve(&sandbox);
        let token = issuer.email("alice@example.com");
        issuer.misbehave(Some(fault.clone()));
        let answer = ask(&server, &token, "alice@example.com");
        refused(&server, &answer, 503, "issuer");
        assert!(!answer.header("retry-after").is_empty(), "{fault:?}");
        // The other one is none the worse.
        assert_eq!(ask(&server, &sound.email("bob@example.com"), "bob@example.com").status, 200);
    }
    assert_eq!(elsewhere.requests(), [""; 0], "nobody was sent there");
}

/// Invites somebody, and gives where the invitation says to redeem it, and its secret.
fn invited(operator: &Sandbox, server: &Server, email: &str) -> String {
    let made = operator.json(0, ["instance", "invite", email, "--url", &server.url()]);
    let (url, secret) = made["invitation"].as_str().unwrap().split_once('#').unwrap();
    assert_eq!(url, server.url());
    secret.to_owned()
}

fn redeem(server: &Server, secret: &str) -> Answer {
    let body = json!({"invitation": secret}).to_string();
    http::post(server.address, "/api/sealwax/v1/invitations/redeem", body.as_bytes()).unwrap()
}

#[test]
fn k10_an_invitation_is_redeemed_once_for_a_name_that_the_instance_vouches_for() {
    let operator = instance("");
    let server = Server::serve(&operator);
    operator.run(["instance", "invite", "alice"]).fails(2, "alice");
    operator.run(["instance", "invite", "alice@example.com", "--expires", "0d"]).fails(2, "7d");
    let secret = invited(&operator, &server, "alice@example.com");
    for wrong in ["", "x", &secret[1..], &secret.replace("sealwax", "sealwux"), &"x".repeat(10_000)] {
        assert!((400..500).contains(&redeem(&server, wrong).status), "{wrong}");
    }
    let winners = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..8).map(|_| scope.spawn(|| redeem(&server, &secret))).collect();
        let answers = threads.into_iter().map(|thread| thread.join().unwrap());
        answers.filter(|answer| answer.status == 200).collect::<Vec<_>>()
    });
    assert_eq!(winners.len(), 1, "{winners:?}");
    let token = winners[0].json()["token"].as_str().unwrap().to_owned();
    let answer = ask(&server, &token, "alice@example.com");
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_eq!(ask(&server, &token, "alice@example.com").status, 401);
    let listed = operator.json(0, ["authority", "certificates"]);
    assert_eq!(listed["certificates"][0]["issuer"], "https://log.example");
    // The token is one of an issuer like any other.
    let discovery = http::get(server.address, "/.well-known/openid-configuration").json();
    assert_eq!(discovery["issuer"], "https://log.example");
    assert_eq!(discovery["jwks_uri"], "https://log.example/.well-known/jwks.json");
    assert_eq!(http::get(server.address, "/.well-known/jwks.json").json()["keys"][0]["alg"], "ES256");

    // One that is withdrawn is worth nothing.
    let secret = invited(&operator, &server, "bob@example.com");
    let list = operator.json(0, ["instance", "invitations"]);
    let rows = list["invitations"].as_array().unwrap();
    assert!(rows.iter().any(|row| row["email"] == "alice@example.com" && row["redeemed"].is_string()));
    let bob = rows.iter().find(|row| row["email"] == "bob@example.com").unwrap();
    assert!(bob["redeemed"].is_null() && !list.to_string().contains(&secret));
    let id = bob["id"].as_str().unwrap();
    operator.ok(["instance", "invitations", "--revoke", id]);
    operator.run(["instance", "invitations", "--revoke", id]).fails(2, "no invitation");
    assert_eq!(redeem(&server, &secret).status, 403);
    // No secret is kept anywhere, nor said.
    let ledger = fs::read(operator.instance().join("authority/ledger.db")).unwrap();
    assert!(!String::from_utf8_lossy(&ledger).contains("sealwax-invitation"));
    assert!(!server.said().contains("sealwax-invitation") && !server.said().contains("eyJ"));
}

#[test]
fn s01_a_record_that_was_restored_signs_no_more_until_it_is_confirmed_or_begun_anew() {
    let operator = instance("");
    let dir = operator.instance();
    let server = Server::serve(&operator);
    let certified = |server: &Server| {
        let token = redeem(server, &invited(&operator, server, "alice@example.com")).json();
        ask(server, token["token"].as_str().unwrap(), "alice@example.com")
    };
    assert_eq!(certified(&server).status, 200);
    operator.ok(["log", "backup", "backup"]);
    assert_eq!(certified(&server).status, 200);
    drop(server);
    fs::remove_dir_all(dir.join("ct")).unwrap();
    fs::remove_file(dir.join("authority/ledger.db")).unwrap();
    let restored = operator.ok(["log", "restore", "backup", "--replace"]);
    assert!(
        restored.stderr.contains("invite again") && restored.stderr.contains("rotate ct"),
        "{restored:?}"
    );
    let server = Server::serve(&operator);
    let answer = certified(&server);
    assert_eq!(answer.status, 503, "{answer:?}");
    assert!(!answer.header("retry-after").is_empty());
    drop(server);
    operator.ok(["authority", "rotate", "ct"]);
    assert!(dir.join("ct.replaced-1/ct.vkey").exists());
    let server = Server::serve(&operator);
    assert_eq!(certified(&server).status, 200);
    let note = String::from_utf8(http::get(server.address, "/ct/checkpoint").body).unwrap();
    assert!(note.starts_with("ct-") && note.lines().nth(1) == Some("1"), "{note}");
}

#[test]
fn m06_time_is_stamped_for_what_is_asked_and_for_nothing_else() {
    let operator = instance("");
    let server = Server::serve(&operator);
    let stamp = |media: &str, body: &[u8]| {
        let head = format!("Content-Type: {media}\r\n");
        http::request(server.address, "POST", "/api/v1/timestamp", &head, body).unwrap()
    };
    let request = TimestampRequest::new(b"signature").unwrap();
    let answer = stamp("application/timestamp-query", &request.to_der());
    assert_eq!((answer.status, answer.header("content-type")), (201, "application/timestamp-reply"));
    request.check(&answer.body).unwrap();
    assert!(TimestampRequest::new(b"signature").unwrap().check(&answer.body).is_err());
    // Sigstore's JSON.
    let digest = STANDARD.encode(sealwax_keys::HashAlgorithm::Sha256.digest(b"signature"));
    let json = json!({"artifactHash": digest, "hashAlgorithm": "sha256", "nonce": 1, "certificates": true});
    assert_eq!(stamp("application/json", json.to_string().as_bytes()).status, 201);
    for (media, body, status) in [
        ("application/timestamp-query", &b"nothing"[..], 400),
        ("application/json", b"{}", 400),
        ("text/plain", b"x", 415),
        ("application/timestamp-query", &[0x30; 20_000], 413),
    ] {
        let answer = stamp(media, body);
        assert_eq!(answer.status, status, "{answer:?}");
        assert!(request.check(&answer.body).is_err());
    }
    let chain = http::get(server.address, "/api/v1/timestamp/certchain");
    assert_eq!(chain.body, fs::read(operator.instance().join("authority/tsa.pem")).unwrap());
    // By another's judgement.
    let Some(openssl) = peer("openssl") else { return };
    let client = Sandbox::new();
    client.write("data", "signature");
    client.write("reply", &answer.body);
    let chain = Certificate::from_pem_chain(&chain.body).unwrap();
    client.write("tsa.pem", chain[0].to_pem());
    client.write("root.pem", chain[1].to_pem());
    let verify = |data: &str| {
        let arguments = ["ts", "-verify", "-in", "reply", "-CAfile", "root.pem", "-untrusted", "tsa.pem"];
        let mut command = std::process::Command::new(&openssl);
        command.args(arguments).args(["-data", data]).current_dir(client.path()).output().unwrap()
    };
    assert!(verify("data").status.success(), "{:?}", verify("data"));
    client.write("other", "another");
    assert!(!verify("other").status.success());
}

#[test]
fn i02_settings_that_name_no_issuer_that_can_be_believed_stop_the_start() {
    let sandbox = instance("[[authority.issuers]]\nurl = 'http://accounts.example'\ntype = 'email'\n");
    let (code, said) = refused_start(&sandbox, &["serve"]);
    assert_eq!(code, Some(2), "{said}");
    assert!(said.contains("accounts.example"), "{said}");
}

#[test]
fn what_is_switched_off_is_not_served() {
    let sandbox = instance("[authority]\nenabled = false\n[timestamps]\nenabled = false\n");
    let server = Server::serve(&sandbox);
    for path in ["/api/v2/trustBundle", "/api/v1/timestamp/certchain", "/.well-known/openid-configuration"] {
        assert_eq!(http::get(server.address, path).status, 404, "{path}");
    }
    assert_eq!(ask(&server, "x", "x").status, 404);
}

use std::io;

use base64::Engine as _;
use serde_json::json;

use sealwax_keys::{KeyKind, SecretKey};

use super::*;
use crate::certificate_authority::CertificateAuthority;
use crate::certified_key::{CertifiedKey, Role};
use crate::client::{certificate_answer, certificate_request};
use crate::issuers::{BuildClaims, Issuer};
use crate::test_keys::{chain as certify, flips, now, root};
use crate::test_tokens::{Key, URL, people};

fn authority() -> CertificateAuthority {
    let key = SecretKey::generate(KeyKind::P384).unwrap();
    let chain = certify(&root(), Role::Identities, &key);
    let log = SecretKey::generate(KeyKind::P256).unwrap();
    CertificateAuthority::new(CertifiedKey::new(chain, key).unwrap(), log).unwrap()
}

/// The body of clients that send a key and a proof.
fn with_key(token: Option<&str>, key: &SecretKey) -> Value {
    let proof = STANDARD.encode(key.sign(b"alice@example.com").unwrap());
    let mut body = json!({
        "publicKeyRequest": {
            "publicKey": {"algorithm": "ECDSA", "content": key.public_key().to_pem()},
            "proofOfPossession": proof,
        },
    });
    if let Some(token) = token {
        body["credentials"] = json!({"oidcIdentityToken": token});
    }
    body
}

fn read(body: &Value, authorization: Option<&str>) -> Result<SigningRequest, Refusal> {
    SigningRequest::from_json(body.to_string().as_bytes(), authorization)
}

/// The whole walk, as a server goes it.
#[test]
fn issues_for_every_form_of_request() {
    let provider = Key::new("RS256");
    let token = provider.mint(json!({}));
    let key = SecretKey::generate(KeyKind::P256).unwrap();
    let csr: Value = serde_json::from_str(&certificate_request(&key).unwrap()).unwrap();
    let mut csr_with_token = csr.clone();
    csr_with_token["credentials"] = json!({"oidcIdentityToken": token});
    let bearer = format!("Bearer {token}");
    let mut with_der = with_key(None, &key);
    with_der["publicKeyRequest"]["publicKey"]["content"] =
        json!(STANDARD.encode(key.public_key().spki_der()));
    let proof = STANDARD.encode(key.sign(b"alice").unwrap());
    let snake = json!({
        "credentials": {"oidc_identity_token": token},
        "public_key_request": {
            "public_key": {"content": key.public_key().to_pem()},
            "proof_of_possession": proof,
        },
        "certificate_signing_request": "",
    });
    for (body, authorization) in [
        (with_key(Some(&token), &key), None),
        (with_key(None, &key), Some(bearer.as_str())),
        (with_key(None, &key), Some(&bearer.replace("Bearer", "bearer"))),
        (with_der, Some(&bearer)),
        (csr, Some(&bearer)),
        (csr_with_token, None),
        (snake, None),
    ] {
        let issuers = Issuers::new(vec![people()]).unwrap();
        let request = read(&body, authorization).unwrap();
        let issuer = issuers.of(&request.token).unwrap();
        let token = request.token.verify(issuer, &provider.jwks(), now()).unwrap();
        let proven = request.key.prove(&token).unwrap();
        let issued = authority().issue(token.identity(), proven, now(), |_| Ok::<_, io::Error>(())).unwrap();
        let chain = certificate_answer(signing_answer(&issued).as_bytes(), &key).unwrap();
        assert_eq!(chain, issued.chain().cloned().collect::<Vec<_>>());
    }
}

#[test]
fn k10_takes_exactly_one_token() {
    let token = Key::new("ES256").mint(json!({}));
    let key = SecretKey::generate(KeyKind::P256).unwrap();
    let bearer = format!("Bearer {token}");
    let refused = |body: Value, authorization: Option<&str>| {
        assert_eq!(read(&body, authorization).map(|_| ()), Err(Refusal::TokenCount));
    };
    refused(with_key(None, &key), None);
    refused(with_key(Some(""), &key), None);
    refused(with_key(Some(&token), &key), Some(&bearer));
    refused(with_key(None, &key), Some("Basic YTpi"));
    refused(with_key(None, &key), Some(&token));
    refused(with_key(None, &key), Some(""));
    refused(with_key(None, &key), Some("Bärer x"));
}

#[test]
fn b_refuses_bodies_that_are_no_requests() {
    let token = Key::new("ES256").mint(json!({}));
    let key = SecretKey::generate(KeyKind::P256).unwrap();
    let good = with_key(Some(&token), &key);
    let with = |pointer: &str, value: Value| {
        let mut body = good.clone();
        *body.pointer_mut(pointer).unwrap() = value;
        read(&body, None).map(|_| ())
    };
    assert_eq!(with("/publicKeyRequest/publicKey/algorithm", json!("anything")), Ok(()));
    assert_eq!(with("/publicKeyRequest/proofOfPossession", json!("")), Ok(()));
    assert_eq!(with("/publicKeyRequest/proofOfPossession", json!("a")), Err(MALFORMED));
    assert_eq!(with("/publicKeyRequest", json!(null)), Err(MALFORMED));
    assert_eq!(with("/publicKeyRequest", json!([])), Err(MALFORMED));
    assert_eq!(with("/credentials", json!("x")), Err(MALFORMED));
    let content = "/publicKeyRequest/publicKey/content";
    let other = Refusal::Malformed { what: "public key" };
    assert_eq!(with(content, json!("?")), Err(other));
    assert!(matches!(with(content, json!("")), Err(Refusal::Key(_))));
    let private = key.to_pkcs8_pem(None).unwrap();
    assert_eq!(
        with(content, json!(private.as_str())),
        Err(Refusal::Key(sealwax_keys::Error::PrivateKeyGiven))
    );
    let mut both = good.clone();
    let csr: Value = serde_json::from_str(&certificate_request(&key).unwrap()).unwrap();
    both["certificateSigningRequest"] = csr["certificateSigningRequest"].clone();
    assert_eq!(read(&both, None).map(|_| ()), Err(MALFORMED));
    for text in ["", "[]", "null", "{\"credentials\":{},\"credentials\":{}}"] {
        let refused = SigningRequest::from_json(text.as_bytes(), None).map(|_| ());
        assert_eq!(refused, Err(MALFORMED), "{text}");
    }
    let long = " ".repeat(64 * 1_024 + 1);
    assert!(matches!(SigningRequest::from_json(long.as_bytes(), None), Err(Refusal::TooLong { .. })));
}

#[test]
fn g05_refuses_weak_keys() {
    let token = Key::new("ES256").mint(json!({}));
    let key = SecretKey::generate(KeyKind::P256).unwrap();
    let mut spki = key.public_key().spki_der().to_vec();
    *spki.last_mut().unwrap() ^= 1;
    let mut body = with_key(Some(&token), &key);
    body["publicKeyRequest"]["publicKey"]["content"] = json!(STANDARD.encode(spki));
    assert!(matches!(read(&body, None), Err(Refusal::Key(sealwax_keys::Error::WeakKey { .. }))));
}

#[test]
fn b01_changed_requests_never_panic_and_never_prove_another_key() {
    let provider = Key::new("ES256");
    let key = SecretKey::generate(KeyKind::P256).unwrap();
    let body = with_key(Some(&provider.mint(json!({}))), &key).to_string();
    let (jwks, people) = (provider.jwks(), people());
    let mut tried = 0;
    for changed in flips(body.as_bytes()) {
        tried += 1;
        let proven = SigningRequest::from_json(&changed, None).and_then(|request| {
            let token = request.token.verify(&people, &jwks, now())?;
            request.key.prove(&token).cloned()
        });
        if let Ok(proven) = proven {
            assert_eq!(&proven, key.public_key());
        }
    }
    assert!(tried > 5_000, "{tried}");
}

#[test]
fn writes_trust_bundle_and_configuration() {
    let authority = authority();
    let chain = authority.issuer().chain();
    let bundle: Value = serde_json::from_str(&trust_bundle([chain, chain])).unwrap();
    assert_eq!(bundle["chains"].as_array().unwrap().len(), 2);
    assert_eq!(bundle["chains"][0]["certificates"][1], chain[1].to_pem());
    let build = IssuerKind::Build(BuildClaims::github("https://github.com").unwrap());
    let issuers = Issuers::new(vec![
        people(),
        Issuer::new("https://token.actions.example", "sigstore", build).unwrap(),
    ]);
    let written: Value = serde_json::from_str(&configuration(&issuers.unwrap())).unwrap();
    assert_eq!(
        written,
        json!({"issuers": [
            {"issuerUrl": URL, "audience": "sigstore", "challengeClaim": "email", "issuerType": "email"},
            {"issuerUrl": "https://token.actions.example", "audience": "sigstore", "challengeClaim": "sub",
             "issuerType": "ci-provider"},
        ]})
    );
}

#[test]
fn k08_a_failure_tells_whose_fault_it_is_and_nothing_secret() {
    for (refusal, status, code) in [
        (Refusal::Expired, 401, 16),
        (Refusal::AlreadyUsed, 401, 16),
        (Refusal::TokenSignature, 401, 16),
        (Refusal::UnknownIssuer { found: "x\n".into() }, 403, 7),
        (Refusal::EmailNotVerified, 403, 7),
        (Refusal::Proof, 400, 3),
        (Refusal::Key(sealwax_keys::Error::PrivateKeyGiven), 400, 3),
        (Refusal::IssuerDocument { what: "key set" }, 503, 14),
    ] {
        let failure = Failure::from(&refusal);
        let body: Value = serde_json::from_str(&failure.body).unwrap();
        assert_eq!((failure.status, &body["code"]), (status, &json!(code)));
        assert_eq!(body["message"], refusal.to_string());
        assert_eq!(body["details"], json!([]));
    }
    let source = "/var/lib/secret is full".into();
    let failure = Failure::from(&Error::NotRecorded { source });
    assert!(failure.status == 503 && !failure.body.contains("secret"));
    assert_eq!(Failure::from(&Error::Random).status, 500);
}

use serde_json::json;

use sealwax_keys::SecretKey;

use super::*;
use crate::client::certificate_request;
use crate::test_keys::{flips, now};
use crate::test_tokens::{Key, people};
use crate::token::IdentityToken;

fn token() -> VerifiedToken {
    let key = Key::new("ES256");
    IdentityToken::parse(&key.mint(json!({}))).unwrap().verify(&people(), &key.jwks(), now()).unwrap()
}

fn csr(key: &SecretKey) -> Vec<u8> {
    use base64::Engine as _;
    let body: serde_json::Value = serde_json::from_str(&certificate_request(key).unwrap()).unwrap();
    let text = body["certificateSigningRequest"].as_str().unwrap();
    base64::engine::general_purpose::STANDARD.decode(text).unwrap()
}

fn der(pem: &[u8]) -> Vec<u8> {
    CertReq::from_pem(pem).unwrap().to_der().unwrap()
}

#[test]
fn proves_by_a_signature_over_the_subject_or_the_address() {
    for kind in [KeyKind::P256, KeyKind::P384, KeyKind::Ed25519] {
        let key = SecretKey::generate(kind).unwrap();
        for challenge in ["alice", "alice@example.com"] {
            let request =
                KeyRequest::with_signature(key.public_key().clone(), key.sign(challenge.as_bytes()).unwrap());
            assert_eq!(request.prove(&token()), Ok(key.public_key()));
        }
    }
    let key = SecretKey::generate(KeyKind::Ed25519).unwrap();
    let pure = key.sign_with(Scheme::Ed25519, b"alice").unwrap();
    KeyRequest::with_signature(key.public_key().clone(), pure).prove(&token()).unwrap();
}

#[test]
fn c12_refuses_a_key_that_is_not_the_askers() {
    let key = SecretKey::generate(KeyKind::P256).unwrap();
    let other = SecretKey::generate(KeyKind::P256).unwrap();
    let sign = |key: &SecretKey, text: &str| key.sign(text.as_bytes()).unwrap();
    for signature in [
        sign(&other, "alice"),
        sign(&key, "bob"),
        sign(&key, ""),
        sign(&key, "alice@example.com "),
        sign(&key, "https://accounts.example"),
        vec![],
    ] {
        let request = KeyRequest::with_signature(key.public_key().clone(), signature);
        assert_eq!(request.prove(&token()), Err(Refusal::Proof));
    }
}

#[test]
fn proves_by_a_certification_request() {
    for kind in [KeyKind::P256, KeyKind::P384] {
        let key = SecretKey::generate(kind).unwrap();
        let pem = csr(&key);
        for request in [pem.clone(), der(&pem)] {
            let request = KeyRequest::from_csr(&request).unwrap();
            assert_eq!(request.prove(&token()), Ok(key.public_key()));
        }
    }
}

#[test]
fn c16_refuses_certification_requests_that_are_changed_or_none() {
    let key = SecretKey::generate(KeyKind::P256).unwrap();
    let request = der(&csr(&key));
    let (mut malformed, mut unproven, mut bad_keys) = (0, 0, 0);
    for changed in flips(&request) {
        match KeyRequest::from_csr(&changed) {
            Ok(_) => assert_eq!(changed, request, "a changed request was taken"),
            Err(Refusal::Malformed { .. }) => malformed += 1,
            Err(Refusal::Proof) => unproven += 1,
            Err(Refusal::Key(_)) => bad_keys += 1,
            Err(other) => panic!("{other}"),
        }
    }
    assert!(malformed > 400 && unproven > 400 && bad_keys > 100, "{malformed} {unproven} {bad_keys}");
    let trailing = [request.clone(), vec![0]].concat();
    assert!(matches!(KeyRequest::from_csr(&trailing), Err(Refusal::Malformed { .. })));
    for text in ["", "x", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"] {
        assert!(matches!(KeyRequest::from_csr(text.as_bytes()), Err(Refusal::Malformed { .. })), "{text}");
    }
    let long = vec![0x30; MAX_CSR + 1];
    assert!(matches!(KeyRequest::from_csr(&long), Err(Refusal::TooLong { .. })));
}

#[test]
fn k08_prints_no_proof() {
    let key = SecretKey::generate(KeyKind::P256).unwrap();
    let request = KeyRequest::with_signature(key.public_key().clone(), vec![77; 70]);
    assert!(!format!("{request:?}").contains("77, 77"));
}

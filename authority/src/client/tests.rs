use std::io;

use sealwax_keys::KeyKind;
use serde_json::{Value, json};

use super::*;
use crate::certified_key::{CertifiedKey, Role};
use crate::test_keys::{chain, flips, now, root};
use crate::{CertificateAuthority, Identity, IdentityName, TimestampAuthority};

fn new_key() -> SecretKey {
    SecretKey::generate(KeyKind::P256).unwrap()
}

fn timestamps() -> TimestampAuthority {
    let key = new_key();
    let chain = chain(&root(), Role::Timestamps, &key);
    TimestampAuthority::new(CertifiedKey::new(chain, key).unwrap()).unwrap()
}

/// What an authority answers for a key.
fn certified(key: &SecretKey) -> Value {
    let issuer = SecretKey::generate(KeyKind::P384).unwrap();
    let chain = chain(&root(), Role::Identities, &issuer);
    let authority = CertificateAuthority::new(CertifiedKey::new(chain, issuer).unwrap(), new_key()).unwrap();
    let email = IdentityName::Email("alice@example.com".to_owned());
    let identity = Identity::new("https://id.example", email).unwrap();
    let issued = authority.issue(&identity, key.public_key(), now(), |_| Ok::<_, io::Error>(())).unwrap();
    let pems: Vec<String> = issued.chain().map(Certificate::to_pem).collect();
    json!({"signedCertificateEmbeddedSct": {"chain": {"certificates": pems}}})
}

#[test]
fn a_request_for_a_certificate_is_signed_by_its_own_key() {
    for kind in [KeyKind::P256, KeyKind::P384] {
        let key = SecretKey::generate(kind).unwrap();
        let body: Value = serde_json::from_str(&certificate_request(&key).unwrap()).unwrap();
        let pem = STANDARD.decode(body["certificateSigningRequest"].as_str().unwrap()).unwrap();
        let pem = String::from_utf8(pem).unwrap();
        assert!(pem.lines().all(|line| line.len() <= 64), "{pem}");
        let base64: String = pem.lines().filter(|line| !line.starts_with('-')).collect();
        let request = CertReq::from_der(&STANDARD.decode(base64).unwrap()).unwrap();
        assert_eq!(request.info.public_key.to_der().unwrap(), key.public_key().spki_der());
        let (signed, signature) = (request.info.to_der().unwrap(), request.signature.raw_bytes());
        key.public_key().verify(key.public_key().scheme(), &signed, signature).unwrap();
    }
    assert!(certificate_request(&SecretKey::generate(KeyKind::Ed25519).unwrap()).is_err());
}

#[test]
fn c12_a_certificate_for_another_key_is_no_answer() {
    let (key, other) = (new_key(), new_key());
    let answer = certified(&key);
    let read = |answer: &Value, key: &SecretKey| certificate_answer(answer.to_string().as_bytes(), key);
    let chain = read(&answer, &key).unwrap();
    assert_eq!((chain.len(), chain[0].public_key()), (3, key.public_key()));
    assert!(matches!(read(&answer, &other), Err(Error::Answer { what }) if what.contains("another key")));
    // A chain in another order names another certificate first.
    let mut reversed = answer.clone();
    reversed["signedCertificateEmbeddedSct"]["chain"]["certificates"].as_array_mut().unwrap().reverse();
    assert!(read(&reversed, &key).is_err());
    let certificates =
        |list: Value| json!({"signedCertificateEmbeddedSct": {"chain": {"certificates": list}}});
    // A root that was never in a log of certificates, for its own key.
    let root = CertifiedKey::new_root(new_key(), crate::test_keys::name("Root"), crate::test_keys::years(1))
        .unwrap();
    let unlogged = read(&certificates(json!([root.chain_pem()])), root.key());
    assert!(matches!(unlogged, Err(Error::Answer { what }) if what.contains("log of certificates")));
    let detached = json!({"signedCertificateDetachedSct": answer["signedCertificateEmbeddedSct"]});
    let many = json!(vec![root.chain_pem(); 9]);
    for bad in [
        json!({}),
        json!([]),
        detached,
        certificates(json!([])),
        certificates(json!(["~"])),
        certificates(many),
    ] {
        assert!(read(&bad, &key).is_err(), "{bad}");
    }
    for bad in [
        "",
        "<html></html>",
        "{}{}",
        r#"{"signedCertificateEmbeddedSct":{},"signedCertificateEmbeddedSct":{}}"#,
    ] {
        assert!(certificate_answer(bad.as_bytes(), &key).is_err(), "{bad}");
    }
}

#[test]
fn m09_a_time_is_taken_only_for_the_bytes_and_the_nonce_of_the_request() {
    let authority = timestamps();
    let grant = |request: &TimestampRequest| authority.answer(&request.to_der(), now()).unwrap();
    let request = TimestampRequest::new(b"signature").unwrap();
    let granted = grant(&request);
    assert_eq!(granted.refusal, None);
    request.check(&granted.der).unwrap();
    let refused = |answer: &[u8], why: &str| match request.check(answer) {
        Err(Error::Answer { what }) => assert!(what.contains(why), "{what}"),
        other => panic!("{other:?}"),
    };
    let again = TimestampRequest::new(b"signature").unwrap();
    assert_ne!(again.nonce, request.nonce);
    refused(&grant(&again).der, "another request");
    let other = TimestampRequest { nonce: request.nonce, ..TimestampRequest::new(b"other").unwrap() };
    refused(&grant(&other).der, "other bytes");
    // Without a nonce anybody could have asked.
    let der = request.to_der();
    let mut bare = [&der[..56], &[1, 1, 0xff]].concat();
    bare[1] = u8::try_from(bare.len() - 2).unwrap();
    let bare = authority.answer(&bare, now()).unwrap();
    assert_eq!(bare.refusal, None);
    refused(&bare.der, "another request");
    let rejected = authority.answer(b"nothing", now()).unwrap();
    assert!(rejected.refusal.is_some());
    refused(&rejected.der, "no time was granted");
    for garbage in [&b""[..], b"<html>", &[0x30, 0x80], &[0x30, 0]] {
        assert!(request.check(garbage).is_err());
    }
    // However it is damaged, it is refused or still about these bytes and this nonce.
    for damaged in flips(&granted.der).take(3_000) {
        if request.check(&damaged).is_ok() {
            let holds = |part: &[u8]| damaged.windows(part.len()).any(|window| window == part);
            assert!(holds(&request.digest) && holds(&request.nonce));
        }
    }
}

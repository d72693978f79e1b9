use sealwax_keys::SecretKey;
use serde::Deserialize;

use super::*;
use crate::{SignedNote, vectors};

#[derive(Deserialize)]
struct KeyVectors {
    verifier_keys: Vec<KeyVector>,
}

#[derive(Deserialize)]
struct KeyVector {
    vkey: String,
    valid: bool,
}

#[test]
fn t09_every_part_and_every_changed_byte_of_a_verifier_key_is_refused() {
    let Some(folder) = vectors::folder("signed-note") else { return };
    let vectors: KeyVectors = vectors::json(folder.join("signed-note.json"));
    for KeyVector { vkey, valid } in vectors.verifier_keys {
        assert!(valid);
        refuses_mutations(&vkey);
    }
}

#[test]
fn t09_the_same_holds_for_keys_of_every_type() {
    let ed25519 = SecretKey::generate(KeyKind::Ed25519).unwrap();
    let p256 = SecretKey::generate(KeyKind::P256).unwrap();
    for key in [
        VerifierKey::from_ed25519("example.com/log", ed25519.public_key()).unwrap(),
        VerifierKey::from_cosigner("w.example", ed25519.public_key()).unwrap(),
    ] {
        refuses_mutations(&key.to_string());
    }
    // An ECDSA key's identifier does not cover its name (C2SP signed-note), so changing the name gives another valid key.
    let ecdsa = VerifierKey::from_ecdsa("rekor.example", p256.public_key()).unwrap();
    let text = ecdsa.to_string();
    assert_eq!(VerifierKey::parse(&text).unwrap().to_string(), text);
    for i in "rekor.example+".len()..text.len() {
        let mut bytes = text.clone().into_bytes();
        bytes[i] += 1;
        assert!(VerifierKey::parse(&String::from_utf8(bytes).unwrap()).is_err(), "byte {i}");
    }
}

fn refuses_mutations(text: &str) {
    assert_eq!(VerifierKey::parse(text).unwrap().to_string(), text);
    for start in 0..text.len() {
        for end in start..=text.len() {
            if (start, end) != (0, text.len()) {
                assert!(VerifierKey::parse(&text[start..end]).is_err(), "{start}..{end}");
            }
        }
    }
    for i in 0..text.len() {
        let mut bytes = text.to_owned().into_bytes();
        bytes[i] += 1;
        assert!(VerifierKey::parse(&String::from_utf8(bytes).unwrap()).is_err(), "byte {i}");
    }
    assert!(VerifierKey::parse(&format!("{text}\n")).is_err());
    assert!(VerifierKey::parse(&format!(" {text}")).is_err());
    let (name, rest) = text.split_once('+').unwrap();
    let (id, key) = rest.split_once('+').unwrap();
    if id.to_uppercase() != id {
        assert!(VerifierKey::parse(&format!("{name}+{}+{key}", id.to_uppercase())).is_err());
    }
}

#[test]
fn names_that_a_signature_line_could_not_carry_are_refused() {
    let key = SecretKey::generate(KeyKind::Ed25519).unwrap();
    for name in ["", "a b", "a+b", "a\tb", "a\nb", "a\u{a0}b", "a\u{2003}b", "a\u{7f}b", "\u{3000}"] {
        assert!(VerifierKey::from_ed25519(name, key.public_key()).is_err(), "{name:?}");
    }
    for name in ["a", "example.com/log42", "日本.example", "log-2026.example"] {
        VerifierKey::from_ed25519(name, key.public_key()).unwrap();
    }
}

#[test]
fn a_type_and_a_key_of_another_kind_do_not_mix() {
    let ed25519 = SecretKey::generate(KeyKind::Ed25519).unwrap();
    let p256 = SecretKey::generate(KeyKind::P256).unwrap();
    let p384 = SecretKey::generate(KeyKind::P384).unwrap();
    assert!(VerifierKey::from_ed25519("a", p256.public_key()).is_err());
    assert!(VerifierKey::from_cosigner("a", p256.public_key()).is_err());
    assert!(VerifierKey::from_ecdsa("a", ed25519.public_key()).is_err());
    assert!(VerifierKey::from_ecdsa("a", p384.public_key()).is_err());
    for type_byte in [0x00, 0x03, 0x05, 0x06, 0xff] {
        let mut bytes = vec![type_byte];
        bytes.extend(ed25519.public_key().ed25519_bytes().unwrap());
        let digest = Sha256::new().chain_update("a\n").chain_update(&bytes).finalize();
        let text = format!("a+{}+{}", hex::encode(&digest[..4]), STANDARD.encode(&bytes));
        assert!(matches!(VerifierKey::parse(&text), Err(Error::VerifierKey { .. })), "{type_byte}");
    }
}

#[test]
fn t07_the_log_id_is_the_hash_that_the_key_id_is_cut_from() {
    let key = SecretKey::generate(KeyKind::Ed25519).unwrap();
    let log = VerifierKey::from_ed25519("example.com/log", key.public_key()).unwrap();
    let raw = key.public_key().ed25519_bytes().unwrap();
    let expected = Sha256::digest([b"example.com/log\n\x01".as_slice(), &raw].concat());
    assert_eq!(log.log_id(), <[u8; 32]>::from(expected));
    assert_eq!(log.key_id(), log.log_id()[..4]);
    let renamed = VerifierKey::from_ed25519("example.com/log2", key.public_key()).unwrap();
    let cosigner = VerifierKey::from_cosigner("example.com/log", key.public_key()).unwrap();
    assert_ne!(log.key_id(), renamed.key_id());
    assert_ne!(log.key_id(), cosigner.key_id());

    let p256 = SecretKey::generate(KeyKind::P256).unwrap();
    let ecdsa = VerifierKey::from_ecdsa("rekor.example", p256.public_key()).unwrap();
    assert_eq!(ecdsa.log_id(), <[u8; 32]>::from(Sha256::digest(p256.public_key().spki_der())));
}

#[test]
fn an_ecdsa_signature_line_verifies_as_rekor_v1_writes_it() {
    let key = SecretKey::generate(KeyKind::P256).unwrap();
    let verifier = VerifierKey::from_ecdsa("rekor.example", key.public_key()).unwrap();
    let mut blob = verifier.key_id().to_vec();
    blob.extend(key.sign_with(Scheme::EcdsaP256Sha256, b"rekor.example - 42\n").unwrap());
    let note = |text: &str| format!("{text}\n\u{2014} rekor.example {}\n", STANDARD.encode(&blob));
    let good = SignedNote::parse(note("rekor.example - 42\n").as_bytes()).unwrap();
    assert_eq!(good.verify(std::slice::from_ref(&verifier)).unwrap().len(), 1);
    let bad = SignedNote::parse(note("rekor.example - 43\n").as_bytes()).unwrap();
    assert!(matches!(bad.verify(&[verifier]), Err(Error::BadSignature { .. })));
}

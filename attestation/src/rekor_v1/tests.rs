use sealwax_keys::{KeyKind, SecretKey};
use serde_json::{Value, json};

use super::*;
use crate::mutations::mutations;

fn key() -> PublicKey {
    SecretKey::generate(KeyKind::P256).unwrap().public_key().clone()
}

/// A body of each format, all about one signature.
fn bodies(key: &PublicKey) -> [(EntryFormat, Value); 3] {
    let pem = STANDARD.encode(key.to_pem());
    let hash = |byte: &str| json!({"algorithm": "sha256", "value": byte.repeat(32)});
    let twice = STANDARD.encode(STANDARD.encode([1, 2, 3]));
    [
        (
            EntryFormat::HashedRekord001,
            json!({"apiVersion": "0.0.1", "kind": "hashedrekord", "spec": {
                "data": {"hash": hash("0a")},
                "signature": {"content": "AQID", "publicKey": {"content": pem}},
            }}),
        ),
        (
            EntryFormat::Dsse001,
            json!({"apiVersion": "0.0.1", "kind": "dsse", "spec": {
                "envelopeHash": hash("0b"), "payloadHash": hash("0a"),
                "signatures": [{"signature": "AQID", "verifier": pem}],
            }}),
        ),
        (
            EntryFormat::Intoto002,
            json!({"apiVersion": "0.0.2", "kind": "intoto", "spec": {"content": {
                "envelope": {"payload": "e30=", "payloadType": "a/b", "signatures": [{"publicKey": pem, "sig": twice}]},
                "hash": hash("0b"), "payloadHash": hash("0a"),
            }}}),
        ),
    ]
}

fn read(format: EntryFormat, body: &Value) -> Result<RekorV1, Error> {
    RekorV1::from_body(format, body.to_string().as_bytes())
}

#[test]
fn all_three_formats_say_the_same_of_one_signature() {
    let key = key();
    for (format, body) in bodies(&key) {
        let payload_type = (format == EntryFormat::Intoto002).then(|| "a/b".to_owned());
        let expected = RekorV1 {
            digest: (HashAlgorithm::Sha256, vec![0x0a; 32]),
            payload_type,
            signature: vec![1, 2, 3],
            verifier: Verifier::from(&key),
        };
        assert_eq!(read(format, &body).unwrap(), expected, "{format:?}");
    }
}

#[test]
fn t04_a_body_of_another_kind_than_its_entry_is_refused() {
    let all = bodies(&key());
    for (format, _) in &all {
        for (other, body) in &all {
            assert_eq!(read(*format, body).is_ok(), format == other, "{format:?} {other:?}");
        }
        assert!(matches!(read(EntryFormat::HashedRekord002, &all[0].1), Err(Error::EntryKind { .. })));
    }
}

#[test]
fn d05_an_entry_of_several_signatures_is_refused() {
    for (format, pointer) in [
        (EntryFormat::Dsse001, "/spec/signatures"),
        (EntryFormat::Intoto002, "/spec/content/envelope/signatures"),
    ] {
        let (_, mut body) = bodies(&key()).into_iter().find(|(known, _)| *known == format).unwrap();
        let list = body.pointer_mut(pointer).unwrap().as_array_mut().unwrap();
        list.push(list[0].clone());
        assert!(matches!(read(format, &body), Err(Error::SignatureCount(2))));
    }
}

#[test]
fn b08_every_place_absent_null_or_of_another_type() {
    let mut cases = 0;
    for (format, body) in bodies(&key()) {
        for mutation in mutations(&body) {
            let found = RekorV1::from_body(format, mutation.text.as_bytes());
            let (pointer, change) = mutation.what.split_once(' ').unwrap();
            let payload = pointer.ends_with("/envelope/payload")
                && ["absent", "null", "string", "empty string"].contains(&change);
            let free = pointer.ends_with("/payloadType") && ["string", "empty string"].contains(&change);
            let bytes =
                ["/spec/signature/content", "/spec/signatures/0/signature", "/envelope/signatures/0/sig"];
            let empty = change == "empty string" && bytes.iter().any(|end| pointer.ends_with(end));
            assert_eq!(found.is_ok(), payload || free || empty, "{format:?} {}: {found:?}", mutation.what);
            cases += 1;
        }
    }
    assert!(cases > 300, "{cases}");
}

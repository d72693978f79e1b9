use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD};
use serde_json::{Value, json};

use super::*;
use crate::mutations::mutations;

/// Bytes whose base64 differs between the alphabets and needs padding.
const ODD: [u8; 4] = [0xfb, 0xff, 0xbf, 0x01];

fn rekord() -> Value {
    json!({"hashedRekordRequestV002": {
        "digest": STANDARD.encode(ODD),
        "signature": {
            "content": STANDARD.encode([1, 2, 3]),
            "verifier": {
                "publicKey": {"rawBytes": STANDARD.encode([4, 5])},
                "keyDetails": "PKIX_ECDSA_P256_SHA_256",
            },
        },
    }})
}

fn envelope() -> Value {
    json!({"dsseRequestV002": {
        "envelope": {
            "payload": STANDARD.encode(b"{}"),
            "payloadType": "application/vnd.in-toto+json",
            "signatures": [{"sig": STANDARD.encode([1]), "keyid": "k"}, {"sig": STANDARD.encode([2])}],
        },
        "verifiers": [
            {"publicKey": {"rawBytes": STANDARD.encode([4])}, "keyDetails": "PKIX_ED25519_PH"},
            {"x509Certificate": {"rawBytes": STANDARD.encode([5])}, "keyDetails": "PKIX_ECDSA_P384_SHA_384"},
        ],
    }})
}

fn read(json: &Value) -> Result<Submission, Error> {
    Submission::from_json(json.to_string().as_bytes())
}

fn changed(mut json: Value, pointer: &str, value: Value) -> Result<Submission, Error> {
    *json.pointer_mut(pointer).unwrap() = value;
    read(&json)
}

fn good() -> Submission {
    Submission::HashedRekord(HashedRekord {
        scheme: Scheme::EcdsaP256Sha256,
        digest: ODD.to_vec(),
        signature: vec![1, 2, 3],
        verifier: Verifier::PublicKey(vec![4, 5]),
    })
}

#[test]
fn both_requests_are_read() {
    assert_eq!(read(&rekord()).unwrap(), good());
    let expected = DsseSubmission {
        payload_type: "application/vnd.in-toto+json".to_owned(),
        payload: b"{}".to_vec(),
        signatures: vec![(vec![1], "k".to_owned()), (vec![2], String::new())],
        verifiers: vec![
            (Scheme::Ed25519Ph, Verifier::PublicKey(vec![4])),
            (Scheme::EcdsaP384Sha384, Verifier::Certificate(vec![5])),
        ],
    };
    assert_eq!(read(&envelope()).unwrap(), Submission::Dsse(expected));
}

#[test]
fn names_are_read_in_both_spellings_and_never_in_both_at_once() {
    let spellings = [HASHED_REKORD, DSSE, PAYLOAD_TYPE, PUBLIC_KEY, CERTIFICATE, KEY_DETAILS, RAW_BYTES];
    for json in [rekord(), envelope()] {
        let (text, expected) = (json.to_string(), read(&json).unwrap());
        let all = spellings.iter().fold(text.clone(), |text, name| text.replace(name.camel, name.snake));
        assert_eq!(Submission::from_json(all.as_bytes()).unwrap(), expected);
        for Name { camel, snake } in spellings {
            let Some(place) = text.find(&format!("\"{camel}\"")) else { continue };
            let one = text.replace(camel, snake);
            assert_eq!(Submission::from_json(one.as_bytes()).unwrap(), expected, "{snake}");
            let mut both = text.clone();
            both.insert_str(place, &format!("\"{snake}\":{{}},"));
            let found = Submission::from_json(both.as_bytes());
            assert!(matches!(&found, Err(Error::DuplicateKey(key)) if key == camel), "{camel}: {found:?}");
        }
    }
}

#[test]
fn errors_name_the_usual_spelling() {
    let text = rekord().to_string().replace("hashedRekordRequestV002", "hashed_rekord_request_v002");
    let text = text.replace("rawBytes", "raw");
    let found = Submission::from_json(text.as_bytes()).unwrap_err();
    let path = "hashedRekordRequestV002.signature.verifier.publicKey.raw";
    assert!(matches!(&found, Error::UnknownField { path: found } if found == path), "{found}");
}

#[test]
fn key_details_are_read_by_name_or_number() {
    let place = "/hashedRekordRequestV002/signature/verifier/keyDetails";
    for (number, scheme) in SCHEME_NUMBERS {
        for value in [json!(number), json!(scheme.key_details())] {
            let Submission::HashedRekord(read) = changed(rekord(), place, value).unwrap() else { panic!() };
            assert_eq!(read.scheme, scheme);
        }
    }
    // Unspecified, the deprecated ones, RSA-PSS, ML-DSA, and what is no enum value at all.
    for number in [0, 1, 2, 3, 4, 6, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 1_000] {
        let found = changed(rekord(), place, json!(number));
        assert!(matches!(found, Err(Error::Unsupported { .. })), "{number}");
    }
    for name in ["", "5", "PKIX_ECDSA_P384_SHA_256", "pkix_ed25519_ph", "PKIX_RSA_PSS_2048_SHA256"] {
        let found = changed(rekord(), place, json!(name));
        assert!(matches!(found, Err(Error::Unsupported { .. })), "{name}");
    }
    for value in [json!(5.0), json!(-5), json!(true), json!(["PKIX_ED25519"])] {
        assert!(matches!(changed(rekord(), place, value.clone()), Err(Error::Shape { .. })), "{value}");
    }
}

#[test]
fn b03_base64_is_read_in_both_alphabets_with_or_without_padding() {
    let place = "/hashedRekordRequestV002/digest";
    for engine in [STANDARD, STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD] {
        assert_eq!(changed(rekord(), place, json!(engine.encode(ODD))).unwrap(), good());
    }
    for refused in ["+/-_", "A", "AAA==", "AA AA", "AAAA\n", "A=AA", "é"] {
        let found = changed(rekord(), place, json!(refused));
        assert!(matches!(found, Err(Error::Shape { .. })), "{refused}: {found:?}");
    }
}

#[test]
fn null_is_absent() {
    let mut json = rekord();
    json["dsseRequestV002"] = Value::Null;
    json["hashedRekordRequestV002"]["signature"]["verifier"]["x509Certificate"] = Value::Null;
    assert_eq!(read(&json).unwrap(), good());
    let found = changed(rekord(), "/hashedRekordRequestV002/signature/content", Value::Null);
    assert!(matches!(found, Err(Error::Missing { .. })), "{found:?}");
    let mut empty = envelope();
    empty["dsseRequestV002"]["envelope"].as_object_mut().unwrap().remove("payload");
    empty["dsseRequestV002"]["envelope"].as_object_mut().unwrap().remove("payloadType");
    let Submission::Dsse(read) = read(&empty).unwrap() else { panic!() };
    assert_eq!((read.payload.as_slice(), read.payload_type.as_str()), (b"".as_slice(), ""));
}

#[test]
fn exactly_one_request_and_one_verifier_are_taken() {
    let mut both = rekord();
    both["dsseRequestV002"] = envelope()["dsseRequestV002"].clone();
    for json in [both, json!({}), json!({"dsseRequestV002": null})] {
        let found = read(&json);
        assert!(matches!(&found, Err(Error::Shape { path, .. }) if path.is_empty()), "{found:?}");
    }
    let verifier = "/hashedRekordRequestV002/signature/verifier";
    for verifiers in
        [json!({}), json!({"publicKey": {"rawBytes": "AA=="}, "x509Certificate": {"rawBytes": "AA=="}})]
    {
        let mut verifiers = verifiers;
        verifiers["keyDetails"] = json!("PKIX_ED25519_PH");
        assert!(matches!(changed(rekord(), verifier, verifiers), Err(Error::Shape { .. })));
    }
}

#[test]
fn signatures_and_verifiers_are_counted() {
    for (list, element) in [
        ("/dsseRequestV002/envelope/signatures", json!({"sig": "AQ=="})),
        ("/dsseRequestV002/verifiers", envelope()["dsseRequestV002"]["verifiers"][0].clone()),
    ] {
        let with = |count: usize| changed(envelope(), list, json!(vec![element.clone(); count]));
        assert!(matches!(with(0), Err(Error::Shape { .. })), "{list}");
        assert!(with(1).is_ok() && with(10).is_ok(), "{list}");
        assert!(matches!(with(11), Err(Error::TooMany { limit: 10, .. })), "{list}");
    }
}

#[test]
fn unknown_and_repeated_fields_are_refused_everywhere() {
    for json in [rekord(), envelope()] {
        let text = json.to_string();
        for place in text.match_indices('{').map(|(place, _)| place) {
            let more = format!("{}\"extra\":1,{}", &text[..=place], &text[place + 1..]);
            let found = Submission::from_json(more.as_bytes());
            assert!(matches!(found, Err(Error::UnknownField { .. })), "{more}: {found:?}");
        }
        let twice = text.replace("\"keyDetails\":", "\"keyDetails\":null,\"keyDetails\":");
        assert!(matches!(Submission::from_json(twice.as_bytes()), Err(Error::DuplicateKey(_))));
    }
}

#[test]
fn b01_submissions_are_capped() {
    let long = |bytes: usize| STANDARD.encode(vec![7; bytes]);
    let rekord = |bytes| changed(rekord(), "/hashedRekordRequestV002/signature/content", json!(long(bytes)));
    assert!(rekord(48_000).is_ok());
    assert!(matches!(rekord(50_000), Err(Error::TooLarge { limit: 65_536, .. })));
    let envelope = |bytes| changed(envelope(), "/dsseRequestV002/envelope/payload", json!(long(bytes)));
    assert!(envelope(6 << 20).is_ok());
    assert!(matches!(envelope(7 << 20), Err(Error::TooLarge { limit: Submission::MAX_BYTES, .. })));
    assert!(matches!(Submission::from_json(&[b'['; 1_000]), Err(Error::TooDeep { .. })));
    let many = format!("{{\"a\":[{}0]}}", "0,".repeat(1_000));
    assert!(matches!(Submission::from_json(many.as_bytes()), Err(Error::TooManyValues { .. })));
}

#[test]
fn b08_a_submission_changed_anywhere_is_refused_or_means_something_else() {
    for document in [rekord(), envelope()] {
        let expected = read(&document).unwrap();
        for mutation in mutations(&document) {
            let found = Submission::from_json(mutation.text.as_bytes());
            assert!(found.is_err() || found.unwrap() != expected, "{}", mutation.what);
        }
    }
}

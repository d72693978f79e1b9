use sealwax_keys::{KeyKind, SecretKey};
use serde_json::{Map, json};

use super::*;

/// The generator of P-256, a public key that needs no randomness.
const KEY: &str = "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEaxfR8uEsQkf4vOblY6RA8ncDfYEt6zOg9KE5RdiYwpZP40Li/hp/m47n60p8D54WK84zV2sxXs7LtkBoN79R9Q==";

/// The body of [`rekord`], by hand.
const BODY: &str = concat!(
    r#"{"apiVersion":"0.0.2","kind":"hashedrekord","spec":{"hashedRekordV002":{"data":{"algorithm":"SHA2_256","#,
    r#""digest":"ERERERERERERERERERERERERERERERERERERERERERE="},"signature":{"content":"AQID/w==","verifier":"#,
    r#"{"keyDetails":"PKIX_ECDSA_P256_SHA_256","publicKey":{"rawBytes":"#,
    r#""MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEaxfR8uEsQkf4vOblY6RA8ncDfYEt6zOg9KE5RdiYwpZP40Li/hp/m47n60p8D54WK84zV2sxXs7LtkBoN79R9Q==""#,
    "}}}}}}",
);

fn key() -> PublicKey {
    PublicKey::from_spki_der(&STANDARD.decode(KEY).unwrap()).unwrap()
}

fn rekord() -> HashedRekord {
    HashedRekord {
        scheme: Scheme::EcdsaP256Sha256,
        digest: vec![0x11; 32],
        signature: vec![1, 2, 3, 0xff],
        verifier: Verifier::from(&key()),
    }
}

#[test]
fn t03_the_canonical_body_is_exact() {
    assert_eq!(String::from_utf8(rekord().to_body().unwrap()).unwrap(), BODY);
    let certified = HashedRekord { verifier: Verifier::Certificate(vec![0x30, 0]), ..rekord() };
    let expected = BODY.replace("publicKey", "x509Certificate").replace(KEY, "MAA=");
    assert_eq!(String::from_utf8(certified.to_body().unwrap()).unwrap(), expected);
}

#[test]
fn bodies_of_every_scheme_are_read_back() {
    for (scheme, name, length) in [
        (Scheme::EcdsaP256Sha256, "SHA2_256", 32),
        (Scheme::EcdsaP384Sha384, "SHA2_384", 48),
        (Scheme::EcdsaP521Sha512, "SHA2_512", 64),
        (Scheme::Ed25519Ph, "SHA2_512", 64),
        (Scheme::RsaPkcs1v15_4096Sha256, "SHA2_256", 32),
    ] {
        for verifier in [Verifier::PublicKey(vec![1; 91]), Verifier::Certificate(vec![2; 700])] {
            let entry = HashedRekord { scheme, digest: vec![7; length], signature: vec![9; 71], verifier };
            let body = entry.to_body().unwrap();
            let text = std::str::from_utf8(&body).unwrap();
            assert!(text.contains(scheme.key_details()) && text.contains(name), "{text}");
            assert_eq!(HashedRekord::from_body(&body).unwrap(), entry);
        }
    }
}

#[test]
fn an_envelopes_entry_hashes_its_pre_authentication_encoding() {
    for (kind, length) in [(KeyKind::P256, 32), (KeyKind::P384, 48), (KeyKind::Ed25519, 64)] {
        let key = SecretKey::generate(kind).unwrap();
        let unsigned = Envelope::in_toto(b"{}".to_vec(), Vec::new());
        let envelope = Envelope::in_toto(b"{}".to_vec(), key.sign(&unsigned.pae()).unwrap());
        let (public, scheme) = (key.public_key(), key.public_key().scheme());
        let entry = HashedRekord::for_envelope(&envelope, scheme, public.into());
        assert_eq!(entry.digest.len(), length);
        // What a log does with an entry: check the signature with the digest alone.
        public.verify_digest(scheme, &entry.digest, &entry.signature).unwrap();
        assert_eq!(entry.verifier, Verifier::PublicKey(public.spki_der().to_vec()));
    }
}

#[test]
fn t03_bodies_with_more_or_less_are_refused() {
    let good: Value = serde_json::from_str(BODY).unwrap();
    let paths: [&[&str]; 6] = [
        &[],
        &["spec"],
        &["spec", "hashedRekordV002"],
        &["spec", "hashedRekordV002", "data"],
        &["spec", "hashedRekordV002", "signature"],
        &["spec", "hashedRekordV002", "signature", "verifier"],
    ];
    for path in paths {
        let mut more = good.clone();
        object(&mut more, path).insert("extra".to_owned(), json!("x"));
        let found = HashedRekord::from_body(more.to_string().as_bytes());
        assert!(matches!(found, Err(Error::UnknownField { .. })), "{path:?}: {found:?}");
        for field in object(&mut good.clone(), path).keys() {
            let mut less = good.clone();
            object(&mut less, path).remove(field);
            let found = HashedRekord::from_body(less.to_string().as_bytes());
            assert!(matches!(found, Err(Error::Missing { .. })), "{path:?} {field}: {found:?}");
        }
    }
    let both = BODY.replace(r#""publicKey""#, r#""x509Certificate":{"rawBytes":"MAA="},"publicKey""#);
    assert!(matches!(HashedRekord::from_body(both.as_bytes()), Err(Error::UnknownField { .. })));
    let twice = BODY.replacen('{', r#"{"kind":"hashedrekord","#, 1);
    assert!(matches!(HashedRekord::from_body(twice.as_bytes()), Err(Error::DuplicateKey(_))));
}

fn object<'v>(value: &'v mut Value, path: &[&str]) -> &'v mut Map<String, Value> {
    path.iter().fold(value, |value, step| &mut value[*step]).as_object_mut().unwrap()
}

#[test]
fn t03_other_spellings_are_read_as_the_same_entry_and_never_written() {
    // Reading is for people and indexes. What is logged is what is written, so another spelling is another leaf.
    let spaced = BODY.replace(':', ": ");
    let escaped = BODY.replace("hashedrekord\"", "hashedrekor\\u0064\"");
    for other in [spaced, escaped] {
        assert_ne!(other, BODY);
        let entry = HashedRekord::from_body(other.as_bytes()).unwrap();
        assert_eq!(entry.to_body().unwrap(), BODY.as_bytes());
    }
}

#[test]
fn t03_hash_scheme_and_digest_must_fit() {
    for (from, to) in [
        ("SHA2_256", "SHA2_512"),
        ("SHA2_256", "sha2_256"),
        ("SHA2_256", ""),
        ("PKIX_ECDSA_P256_SHA_256", "PKIX_ECDSA_P384_SHA_384"),
        ("PKIX_ECDSA_P256_SHA_256", "PKIX_ED25519_PH"),
        ("PKIX_ECDSA_P256_SHA_256", "PKIX_ECDSA_P256_SHA_256 "),
        ("PKIX_ECDSA_P256_SHA_256", "PKCS1_RSA_PKCS1V5"),
        ("ERERERERERERERERERERERERERERERERERERERERERE=", "ERER"),
        ("ERERERERERERERERERERERERERERERERERERERERERE=", ""),
    ] {
        let found = HashedRekord::from_body(BODY.replace(from, to).as_bytes());
        assert!(matches!(found, Err(Error::Unsupported { .. })), "{from} as {to}: {found:?}");
    }
}

#[test]
fn t04_other_kinds_and_versions_are_refused() {
    for (from, to) in [
        (r#""hashedrekord""#, r#""dsse""#),
        (r#""hashedrekord""#, r#""HashedRekord""#),
        (r#""hashedrekord""#, r#""hashedrekord ""#),
        (r#""hashedrekord""#, r#""""#),
        (r#""0.0.2""#, r#""0.0.3""#),
        (r#""0.0.2""#, r#""0.0.02""#),
        (r#""0.0.2""#, r#""""#),
    ] {
        let body = BODY.replacen(from, to, 1);
        assert_ne!(body, BODY);
        let found = HashedRekord::from_body(body.as_bytes());
        assert!(matches!(found, Err(Error::EntryKind { .. })), "{to}: {found:?}");

        let text = answer().to_string().replacen(from, to, 1);
        let found = entry(&text);
        // The other kind of a Rekor v2 log is read; what its body holds is for who rebuilds it.
        let known =
            to == r#""dsse""# && found.as_ref().is_ok_and(|entry| entry.format == EntryFormat::Dsse002);
        assert!(known || matches!(found, Err(Error::EntryKind { .. })), "{to}: {found:?}");
    }
    let other_spec = BODY.replace("hashedRekordV002", "hashedRekordV003");
    assert!(matches!(HashedRekord::from_body(other_spec.as_bytes()), Err(Error::Missing { .. })));
}

#[test]
fn b01_bodies_are_capped() {
    let long = BODY.replace("AQID/w==", &"AAAA".repeat(17_000));
    assert!(matches!(HashedRekord::from_body(long.as_bytes()), Err(Error::TooLarge { limit: 65_535, .. })));
    assert!(matches!(HashedRekord::from_body("[".repeat(60_000).as_bytes()), Err(Error::TooDeep { .. })));
    let many = BODY.replace(r#""AQID/w==""#, &format!("[{}0]", "0,".repeat(10_000)));
    assert!(matches!(HashedRekord::from_body(many.as_bytes()), Err(Error::TooManyValues { .. })));
}

/// An entry exactly as Rekor v2 answers a submission.
fn answer() -> Value {
    let checkpoint =
        "log.example\n4\nIiIiIiIiIiIiIiIiIiIiIiIiIiIiIiIiIiIiIiIiIiI=\n\n\u{2014} log.example AAAAAAAA\n";
    json!({
        "logIndex": "3",
        "logId": {"keyId": STANDARD.encode([0x33; 32])},
        "kindVersion": {"kind": "hashedrekord", "version": "0.0.2"},
        "integratedTime": "0",
        "inclusionPromise": null,
        "inclusionProof": {
            "logIndex": "3",
            "rootHash": STANDARD.encode([0x22; 32]),
            "treeSize": "4",
            "hashes": [STANDARD.encode([0x44; 32]), STANDARD.encode([0x55; 32])],
            "checkpoint": {"envelope": checkpoint},
        },
        "canonicalizedBody": STANDARD.encode(BODY),
    })
}

fn entry(text: &str) -> Result<TransparencyLogEntry, Error> {
    parse(text.as_bytes(), Limits { bytes: 1 << 20, depth: 12, values: 4_096 })
        .and_then(TransparencyLogEntry::from_json)
}

fn changed(path: &str, value: Value) -> Result<TransparencyLogEntry, Error> {
    let mut json = answer();
    *json.pointer_mut(path).unwrap() = value;
    entry(&json.to_string())
}

#[test]
fn an_answer_of_rekor_v2_is_read() {
    let read = entry(&answer().to_string()).unwrap();
    assert_eq!((read.log_index, read.inclusion_proof.log_index, read.inclusion_proof.tree_size), (3, 3, 4));
    assert_eq!(read.log_id, [0x33; 32]);
    assert_eq!(read.inclusion_proof.root_hash, [0x22; 32]);
    assert_eq!(read.inclusion_proof.hashes, [[0x44; 32], [0x55; 32]]);
    assert!(read.inclusion_proof.checkpoint.starts_with("log.example\n4\n"));
    assert_eq!(read.canonicalized_body, BODY.as_bytes());
}

#[test]
fn entries_are_written_as_they_are_read() {
    let read = entry(&answer().to_string()).unwrap();
    assert_eq!(entry(&read.to_json().to_string()).unwrap(), read);
    // Of the answer only the two fields that say nothing are gone.
    let mut expected = answer();
    expected.as_object_mut().unwrap().remove("integratedTime");
    expected.as_object_mut().unwrap().remove("inclusionPromise");
    assert_eq!(read.to_json(), expected);
}

#[test]
fn a_log_answers_with_the_kind_and_a_bundle_takes_both() {
    let read = entry(&answer().to_string()).unwrap();
    assert_eq!(read.to_answer(EntryKind::HashedRekord), answer());
    let dsse = read.to_answer(EntryKind::Dsse);
    assert_eq!(dsse["kindVersion"], json!({"kind": "dsse", "version": "0.0.2"}));
    assert_eq!(entry(&dsse.to_string()).unwrap().format, EntryFormat::Dsse002);
}

#[test]
fn b08_the_first_entry_of_a_log_may_leave_out_its_zeros() {
    let mut json = answer();
    for path in ["", "/inclusionProof"] {
        json.pointer_mut(path).unwrap().as_object_mut().unwrap().remove("logIndex");
    }
    json["inclusionProof"].as_object_mut().unwrap().remove("hashes");
    let read = entry(&json.to_string()).unwrap();
    assert_eq!((read.log_index, read.inclusion_proof.log_index), (0, 0));
    assert!(read.inclusion_proof.hashes.is_empty());
}

#[test]
fn m01_times_that_nothing_proves_are_refused() {
    for time in ["1", "1700000000", "9223372036854775807"] {
        assert!(matches!(changed("/integratedTime", json!(time)), Err(Error::UnprovenTime(_))), "{time}");
        let mut rekor_v1 = answer();
        rekor_v1["kindVersion"]["version"] = json!("0.0.1");
        rekor_v1["integratedTime"] = json!(time);
        assert!(matches!(entry(&rekor_v1.to_string()), Err(Error::UnprovenTime(_))), "{time}");
    }
    for time in [json!("-1"), json!(0), json!("00"), json!("")] {
        assert!(matches!(changed("/integratedTime", time.clone()), Err(Error::Shape { .. })), "{time}");
    }
}

#[test]
fn t14_promises_of_a_log_that_makes_none_are_refused() {
    let promise = json!({"signedEntryTimestamp": "AQID"});
    assert!(matches!(changed("/inclusionPromise", promise), Err(Error::Unsupported { .. })));
    assert!(matches!(changed("/inclusionPromise", json!({})), Err(Error::Missing { .. })));
    for promise in [json!("AQID"), json!([]), json!(false)] {
        assert!(matches!(changed("/inclusionPromise", promise), Err(Error::Shape { .. })));
    }
}

#[test]
fn t12_indexes_and_sizes_have_one_spelling() {
    for path in ["/logIndex", "/inclusionProof/logIndex", "/inclusionProof/treeSize"] {
        for value in [
            json!(3),
            json!(3.0),
            json!("03"),
            json!("+3"),
            json!("-3"),
            json!(" 3"),
            json!("3 "),
            json!("3.0"),
            json!("9223372036854775808"),
            json!("18446744073709551615"),
        ] {
            assert!(matches!(changed(path, value.clone()), Err(Error::Shape { .. })), "{path} {value}");
        }
        assert!(changed(path, json!("9223372036854775807")).is_ok(), "{path}");
    }
}

#[test]
fn t11_hashes_have_32_bytes_and_paths_an_end() {
    for path in ["/inclusionProof/rootHash", "/inclusionProof/hashes/0"] {
        for length in [0, 31, 33, 64] {
            let value = json!(STANDARD.encode(vec![0; length]));
            assert!(matches!(changed(path, value), Err(Error::Shape { .. })), "{path} {length}");
        }
    }
    let hashes = |count| changed("/inclusionProof/hashes", json!(vec![STANDARD.encode([0; 32]); count]));
    assert_eq!(hashes(64).unwrap().inclusion_proof.hashes.len(), 64);
    assert!(matches!(hashes(65), Err(Error::TooMany { limit: 64, .. })));
}

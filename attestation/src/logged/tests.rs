use sealwax_keys::{KeyKind, SecretKey};

use super::*;

const SIGNATURE: &str = r#"{"content":"AgI=","verifier":{"keyDetails":"PKIX_ECDSA_P256_SHA_256","publicKey":{"rawBytes":"AQE="}}}"#;

/// The body of [`entry`], by hand; the payload hash is that of `abc` in FIPS 180.
const BODY: &str = concat!(
    r#"{"apiVersion":"0.0.2","kind":"dsse","spec":{"dsseV002":{"payloadHash":{"algorithm":"SHA2_256","#,
    r#""digest":"ungWv48Bz+pBQUDeXa4iI7ADYaOWF3qctBD/YfIAFa0="},"signatures":["#,
    r#"{"content":"AgI=","verifier":{"keyDetails":"PKIX_ECDSA_P256_SHA_256","publicKey":{"rawBytes":"AQE="}}},"#,
    r#"{"content":"gAA=","verifier":{"keyDetails":"PKIX_ECDSA_P384_SHA_384","x509Certificate":{"rawBytes":"MAA="}}}"#,
    "]}}}",
);

fn signatures() -> Vec<DsseSignature> {
    vec![
        DsseSignature {
            scheme: Scheme::EcdsaP384Sha384,
            signature: vec![0x80, 0],
            verifier: Verifier::Certificate(vec![0x30, 0]),
        },
        DsseSignature {
            scheme: Scheme::EcdsaP256Sha256,
            signature: vec![2, 2],
            verifier: Verifier::PublicKey(vec![1, 1]),
        },
    ]
}

fn entry() -> DsseEntry {
    DsseEntry::new(b"abc", signatures())
}

fn read(body: &str) -> Result<LoggedEntry, Error> {
    LoggedEntry::from_body(body.as_bytes())
}

#[test]
fn t03_the_canonical_body_is_exact_and_read_back() {
    assert_eq!(String::from_utf8(entry().to_body().unwrap()).unwrap(), BODY);
    assert_eq!(read(BODY).unwrap(), LoggedEntry::Dsse(entry()));
    assert_eq!(read(BODY).unwrap().to_body().unwrap(), BODY.as_bytes());
    assert_eq!(read(BODY).unwrap().kind(), EntryKind::Dsse);
}

#[test]
fn t03_signatures_stand_in_the_order_of_their_bytes_however_they_came() {
    let mut turned = signatures();
    turned.reverse();
    assert_eq!(DsseEntry::new(b"abc", turned.clone()), entry());
    // Bytes compare unsigned, so 0x80 comes last; its base64 would come last too, that of 0xfc not.
    let mut three = signatures();
    three.push(DsseSignature { signature: vec![0xfc], ..three[0].clone() });
    let order: Vec<u8> =
        DsseEntry::new(b"abc", three).signatures().iter().map(|one| one.signature[0]).collect();
    assert_eq!(order, [2, 0x80, 0xfc]);
    // One signature that two keys verify is one signature, by the key that came first.
    turned.push(DsseSignature { verifier: Verifier::PublicKey(vec![9]), ..turned[0].clone() });
    assert_eq!(DsseEntry::new(b"abc", turned), entry());
}

#[test]
fn t03_bodies_with_more_or_less_are_refused() {
    let good: Value = serde_json::from_str(BODY).unwrap();
    for place in ["", "/spec", "/spec/dsseV002", "/spec/dsseV002/payloadHash", "/spec/dsseV002/signatures/0"]
    {
        let object = |value: &mut Value| value.pointer_mut(place).unwrap().as_object_mut().unwrap().clone();
        let mut more = good.clone();
        more.pointer_mut(place).unwrap().as_object_mut().unwrap().insert("extra".to_owned(), json!("x"));
        assert!(matches!(read(&more.to_string()), Err(Error::UnknownField { .. })), "{place}");
        for field in object(&mut good.clone()).keys() {
            let mut less = good.clone();
            less.pointer_mut(place).unwrap().as_object_mut().unwrap().remove(field);
            assert!(matches!(read(&less.to_string()), Err(Error::Missing { .. })), "{place} {field}");
        }
    }
}

#[test]
fn t03_signatures_in_another_order_twice_or_none_are_refused() {
    let list = |signatures: &[&str]| {
        let (head, _) = BODY.split_once('[').unwrap();
        read(&format!("{head}[{}]}}}}}}", signatures.join(",")))
    };
    let other = SIGNATURE.replace("AgI=", "AwM=");
    assert!(list(&[SIGNATURE, &other]).is_ok());
    for refused in [list(&[&other, SIGNATURE]), list(&[SIGNATURE, SIGNATURE]), list(&[])] {
        assert!(matches!(refused, Err(Error::Shape { .. })), "{refused:?}");
    }
    let many: Vec<String> =
        (0..11u8).map(|byte| SIGNATURE.replace("AgI=", &STANDARD.encode([byte]))).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    assert!(list(&many[..10]).is_ok());
    assert!(matches!(list(&many), Err(Error::TooMany { limit: 10, .. })));
}

#[test]
fn t03_the_payload_hash_is_sha_256() {
    for (from, to) in [("SHA2_256", "SHA2_512"), ("SHA2_256", "sha256")] {
        let found = read(&BODY.replacen(from, to, 1));
        assert!(matches!(found, Err(Error::Unsupported { .. })), "{found:?}");
    }
    let short = BODY.replace("ungWv48Bz+pBQUDeXa4iI7ADYaOWF3qctBD/YfIAFa0=", "ungW");
    assert!(matches!(read(&short), Err(Error::Shape { .. })));
}

#[test]
fn t04_a_body_is_read_as_the_kind_that_it_says() {
    for (from, to) in [(r#""dsse""#, r#""intoto""#), (r#""0.0.2""#, r#""0.0.1""#), (r#""dsse""#, r#""""#)] {
        assert!(matches!(read(&BODY.replacen(from, to, 1)), Err(Error::EntryKind { .. })), "{to}");
    }
    let lied = BODY.replacen(r#""dsse""#, r#""hashedrekord""#, 1);
    assert!(matches!(read(&lied), Err(Error::Missing { .. })));
    // A bundle's reader knows the one kind only.
    assert!(matches!(HashedRekord::from_body(BODY.as_bytes()), Err(Error::EntryKind { .. })));
}

#[test]
fn an_entry_is_about_the_envelope_whose_digest_it_names() {
    let key = SecretKey::generate(KeyKind::P256).unwrap();
    let envelope = Envelope::in_toto(b"abc".to_vec(), vec![1]);
    let other = Envelope::in_toto(b"abd".to_vec(), vec![1]);
    let retyped = Envelope { payload_type: "text/plain".to_owned(), ..envelope.clone() };
    let rekord = HashedRekord::for_envelope(&envelope, Scheme::EcdsaP256Sha256, key.public_key().into());
    let rekord = LoggedEntry::HashedRekord(rekord);
    assert!(rekord.is_about(&envelope) && !rekord.is_about(&other) && !rekord.is_about(&retyped));
    let dsse = LoggedEntry::Dsse(entry());
    assert!(dsse.is_about(&envelope) && !dsse.is_about(&other));
    // With its own signature it is the envelope that was logged, with another's it only says the same.
    let dsse_own = Envelope { signature: vec![2, 2], ..envelope.clone() };
    assert!(rekord.records(&envelope) && !rekord.records(&dsse_own) && !rekord.records(&retyped));
    assert!(dsse.records(&dsse_own) && !dsse.records(&envelope));
    assert!(!dsse.records(&Envelope { signature: vec![2, 2], ..other.clone() }));
    assert_eq!(dsse.digest(), HashAlgorithm::Sha256.digest(b"abc"));
    assert_eq!(dsse.verifiers().count(), 2);
    assert_eq!(rekord.verifiers().collect::<Vec<_>>(), [&Verifier::from(key.public_key())]);
}

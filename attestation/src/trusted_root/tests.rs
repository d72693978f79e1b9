use sealwax_keys::SecretKey;

use super::*;
use crate::mutations::mutations;

fn key(kind: KeyKind) -> PublicKey {
    SecretKey::generate(kind).unwrap().public_key().clone()
}

fn time(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn log(origin: &str, kind: KeyKind) -> LogInstance {
    LogInstance::new(origin.to_owned(), key(kind), time("2026-01-01T00:00:00Z")).unwrap()
}

fn root() -> TrustedRoot {
    let frozen = LogInstance {
        valid_until: Some(time("2026-06-30T23:59:59.999Z")),
        ..log("old.example", KeyKind::P256)
    };
    let retired = AuthorityInstance {
        organization: "example".to_owned(),
        common_name: "old".to_owned(),
        uri: "https://ca.example".to_owned(),
        chain: vec![vec![1, 2], vec![3]],
        valid_from: time("2026-01-01T00:00:00Z"),
        valid_until: Some(time("2026-06-30T23:59:59Z")),
        operator: Some("example".to_owned()),
    };
    let current =
        AuthorityInstance { valid_until: None, operator: None, chain: vec![vec![4]], ..retired.clone() };
    let ct_log = CtLogInstance {
        base_url: "https://ct.example".to_owned(),
        key: vec![5],
        key_details: "PKIX_ECDSA_P256_SHA_256".to_owned(),
        log_id: vec![6],
        valid_from: time("2026-01-01T00:00:00Z"),
        valid_until: None,
        operator: None,
    };
    TrustedRoot {
        logs: vec![frozen, log("log.example", KeyKind::Ed25519)],
        certificate_authorities: vec![retired, current.clone()],
        ct_logs: vec![ct_log],
        timestamp_authorities: vec![current],
    }
}

fn json_of(root: &TrustedRoot) -> Value {
    serde_json::from_str(&root.to_json()).unwrap()
}

fn read(json: &Value) -> Result<TrustedRoot, Error> {
    TrustedRoot::from_json(json.to_string().as_bytes())
}

/// Reads a root with another value at one place.
fn changed(pointer: &str, value: Value) -> Result<TrustedRoot, Error> {
    let mut json = json_of(&root());
    *json.pointer_mut(pointer).unwrap() = value;
    read(&json)
}

/// Reads a root without what is at one place.
fn without(parent: &str, field: &str) -> Result<TrustedRoot, Error> {
    let mut json = json_of(&root());
    json.pointer_mut(parent).unwrap().as_object_mut().unwrap().remove(field).unwrap();
    read(&json)
}

fn assert_same(one: &TrustedRoot, other: &TrustedRoot) {
    let fields = |root: &TrustedRoot| {
        let fields = |log: &LogInstance| {
            (log.origin.clone(), log.key.clone(), log.log_id.clone(), log.valid_from, log.valid_until)
        };
        root.logs.iter().map(fields).collect::<Vec<_>>()
    };
    assert_eq!(fields(one), fields(other));
    assert_eq!(one.certificate_authorities, other.certificate_authorities);
    assert_eq!(one.ct_logs, other.ct_logs);
    assert_eq!(one.timestamp_authorities, other.timestamp_authorities);
}

#[test]
fn roots_are_read_as_they_are_written() {
    for root in [root(), TrustedRoot::default()] {
        let read = TrustedRoot::from_json(root.to_json().as_bytes()).unwrap();
        assert_same(&read, &root);
        assert_eq!(read.to_json(), root.to_json());
    }
}

#[test]
fn other_verifiers_find_what_they_need_in_what_is_written() {
    let root = root();
    let json = json_of(&root);
    // sigstore-python wants all four arrays, cosign this media type.
    for array in ["tlogs", "certificateAuthorities", "ctlogs", "timestampAuthorities"] {
        assert!(json[array].is_array(), "{array}");
    }
    assert_eq!(json["mediaType"], "application/vnd.dev.sigstore.trustedroot+json;version=0.1");
    let log = &json["tlogs"][1];
    assert_eq!(log["baseUrl"], "https://log.example");
    assert_eq!(log["hashAlgorithm"], "SHA2_256");
    assert_eq!(log["publicKey"]["keyDetails"], "PKIX_ED25519");
    assert_eq!(log["publicKey"]["validFor"], json!({"start": "2026-01-01T00:00:00Z"}));
    assert_eq!(log["logId"]["keyId"], STANDARD.encode(&root.logs[1].log_id));
    assert_eq!(json["tlogs"][0]["publicKey"]["keyDetails"], "PKIX_ECDSA_P256_SHA_256");
}

#[test]
fn log_ids_are_those_of_their_key_kinds() {
    let root = root();
    assert_eq!(root.logs[0].log_id, root.logs[0].key.fingerprint());
    let ed25519 = &root.logs[1];
    let mut preimage = b"log.example\n\x01".to_vec();
    preimage.extend(ed25519.key.ed25519_bytes().unwrap());
    assert_eq!(ed25519.log_id, sealwax_keys::HashAlgorithm::Sha256.digest(&preimage));
    for log in &root.logs {
        let key = log.verifier_key().unwrap();
        assert_eq!((key.name(), key.log_id().as_slice()), (log.origin.as_str(), log.log_id.as_slice()));
    }
    let other = LogInstance::new("log.example".to_owned(), key(KeyKind::P384), Timestamp::MIN);
    assert!(matches!(other, Err(Error::Unsupported { .. })));
    let nameless = LogInstance::new("two words".to_owned(), key(KeyKind::Ed25519), Timestamp::MIN);
    assert!(matches!(nameless, Err(Error::Shape { .. })));
}

#[test]
fn b11_other_media_types_are_refused() {
    for good in [
        "application/vnd.dev.sigstore.trustedroot+json;version=0.1",
        "application/vnd.dev.sigstore.trustedroot.v0.2+json",
    ] {
        assert_eq!(changed("/mediaType", json!(good)).unwrap().logs.len(), 2, "{good}");
    }
    for bad in [
        "",
        "application/json",
        "application/vnd.dev.sigstore.trustedroot+json;version=0.2",
        "application/vnd.dev.sigstore.trustedroot.v0.1+json",
        "application/vnd.dev.sigstore.trustedroot.v0.3+json",
        "APPLICATION/VND.DEV.SIGSTORE.TRUSTEDROOT.V0.2+JSON",
        "application/vnd.dev.sigstore.trustedroot.v0.2+json ",
        "application/vnd.dev.sigstore.bundle.v0.3+json",
        "application/vnd.dev.sigstore.clienttrustconfig.v0.1+json",
    ] {
        assert!(
            matches!(changed("/mediaType", json!(bad)), Err(Error::Unsupported { found, .. }) if found == bad)
        );
    }
    assert!(matches!(without("", "mediaType"), Err(Error::Missing { .. })));
}

#[test]
fn a_root_without_logs_must_say_so() {
    assert!(matches!(without("", "tlogs"), Err(Error::Missing { path }) if path == "tlogs"));
    assert!(matches!(changed("/tlogs", Value::Null), Err(Error::Missing { .. })));
    assert!(changed("/tlogs", json!([])).unwrap().logs.is_empty());
    // cosign leaves out what is empty.
    for array in ["certificateAuthorities", "ctlogs", "timestampAuthorities"] {
        let found = without("", array).unwrap();
        let authorities = found.certificate_authorities.len() + found.timestamp_authorities.len();
        assert_eq!(
            (found.logs.len(), authorities + found.ct_logs.len()),
            (2, if array == "certificateAuthorities" { 2 } else { 3 }),
            "{array}"
        );
        let not_an_authority = changed(&format!("/{array}"), json!([{"any": "thing"}]));
        assert!(matches!(not_an_authority, Err(Error::Missing { .. })), "{array}");
        let not_a_list = changed(&format!("/{array}"), json!({}));
        assert!(matches!(not_a_list, Err(Error::Shape { path, .. }) if path == array));
    }
}

#[test]
fn m08_a_validity_without_start_is_refused() {
    for (parent, field, path) in [
        ("/tlogs/0/publicKey/validFor", "start", "tlogs[0].publicKey.validFor.start"),
        ("/tlogs/0/publicKey", "validFor", "tlogs[0].publicKey.validFor"),
        ("/ctlogs/0/publicKey/validFor", "start", "ctlogs[0].publicKey.validFor.start"),
        ("/ctlogs/0/publicKey", "validFor", "ctlogs[0].publicKey.validFor"),
        ("/certificateAuthorities/1/validFor", "start", "certificateAuthorities[1].validFor.start"),
        ("/certificateAuthorities/1", "validFor", "certificateAuthorities[1].validFor"),
        ("/timestampAuthorities/0/validFor", "start", "timestampAuthorities[0].validFor.start"),
        ("/timestampAuthorities/0", "validFor", "timestampAuthorities[0].validFor"),
    ] {
        assert!(matches!(without(parent, field), Err(Error::Missing { path: found }) if found == path));
    }
    assert!(changed("/tlogs/0/publicKey/validFor/start", Value::Null).is_err());
    for place in [
        "/tlogs/0/publicKey/validFor/start",
        "/tlogs/0/publicKey/validFor/end",
        "/ctlogs/0/publicKey/validFor/start",
        "/certificateAuthorities/0/validFor/start",
        "/certificateAuthorities/0/validFor/end",
        "/timestampAuthorities/0/validFor/start",
    ] {
        for bad in [
            json!(""),
            json!("2026"),
            json!("2026-01-01"),
            json!("2026-01-01T00:00:00"),
            json!("now"),
            json!("2026-02-30T00:00:00Z"),
            json!("2026-01-01T25:00:00Z"),
            json!(1_767_225_600),
            json!({"seconds": "1"}),
        ] {
            assert!(matches!(changed(place, bad.clone()), Err(Error::Shape { .. })), "{place} {bad}");
        }
    }
    // No end, and an end of null, are the two spellings of a log that still runs.
    for open in [
        changed("/tlogs/0/publicKey/validFor/end", Value::Null).unwrap(),
        without("/tlogs/0/publicKey/validFor", "end").unwrap(),
    ] {
        assert_eq!(open.logs[0].valid_until, None);
    }
}

#[test]
fn m08_a_validity_that_ends_before_it_starts_is_refused() {
    for place in [
        "/tlogs/0/publicKey/validFor",
        "/certificateAuthorities/0/validFor",
        "/timestampAuthorities/0/validFor",
    ] {
        let start = "2026-01-01T00:00:00Z";
        let backwards = json!({"start": start, "end": "2025-12-31T23:59:59.999Z"});
        let found = changed(place, backwards);
        assert!(matches!(found, Err(Error::Shape { .. })), "{place}: {found:?}");
        changed(place, json!({"start": start, "end": start})).unwrap();
    }
}

#[test]
fn c02_an_authority_without_a_certificate_is_refused() {
    for list in ["certificateAuthorities", "timestampAuthorities"] {
        let found = changed(&format!("/{list}/0/certChain/certificates"), json!([]));
        let expected = format!("{list}[0].certChain");
        assert!(matches!(found, Err(Error::Missing { path }) if path == expected));
        let found = changed(
            &format!("/{list}/0/certChain/certificates"),
            json!(vec![json!({"rawBytes": "AAAA"}); 33]),
        );
        assert!(matches!(found, Err(Error::TooMany { limit: 32, .. })));
    }
    assert!(matches!(changed("/ctlogs/0/hashAlgorithm", json!("SHA2_512")), Err(Error::Unsupported { .. })));
}

#[test]
fn t10_one_log_listed_twice_is_refused() {
    for list in ["tlogs", "ctlogs"] {
        let mut json = json_of(&root());
        let again = json[list][0].clone();
        json[list].as_array_mut().unwrap().push(again);
        assert!(matches!(read(&json), Err(Error::Shape { path, .. }) if path == list));
    }
}

#[test]
fn t07_a_log_id_that_is_not_its_keys_is_refused() {
    let root = root();
    let ids: Vec<_> = root.logs.iter().map(|log| log.log_id.as_slice()).collect();
    for (index, id) in ids.iter().enumerate() {
        for bad in [ids[1 - index], &id[..4], &id[1..], &[], &[0; 32]] {
            let mut json = json_of(&root);
            json["tlogs"][index]["logId"]["keyId"] = json!(STANDARD.encode(bad));
            let found = read(&json);
            assert!(
                matches!(&found, Err(Error::Shape { path, .. }) if *path == format!("tlogs[{index}].logId")),
                "{found:?}"
            );
        }
    }
    // The id of an Ed25519 log covers its origin: another host with the same key is another log.
    assert!(matches!(changed("/tlogs/1/baseUrl", json!("https://other.example")), Err(Error::Shape { .. })));
}

#[test]
fn origins_are_the_hosts_of_base_urls() {
    for (url, origin) in [
        ("https://log.example", "log.example"),
        ("https://log.example/", "log.example"),
        ("http://log.example:3000/prefix?query#fragment", "log.example"),
        ("https://127.0.0.1:8080", "127.0.0.1"),
        ("https://localhost", "localhost"),
    ] {
        assert_eq!(changed("/tlogs/0/baseUrl", json!(url)).unwrap().logs[0].origin, origin);
    }
    for bad in [
        "",
        "log.example",
        "ftp://log.example",
        "HTTPS://log.example",
        "https://",
        "https:///path",
        "https://:80",
        "https://user@log.example",
        "https://log.example@evil.example",
        "https://log example",
        "https://log+example",
        " https://log.example",
        "https://log.example\n",
    ] {
        let found = changed("/tlogs/0/baseUrl", json!(bad));
        assert!(matches!(found, Err(Error::Shape { .. })), "{bad}: {found:?}");
    }
}

#[test]
fn logs_of_other_kinds_are_left_out_and_the_rest_stays() {
    let kept = root().logs[1].origin.clone();
    let keep = |found: Result<TrustedRoot, Error>, what: &str| {
        let logs = found.unwrap_or_else(|error| panic!("{what}: {error}")).logs;
        assert_eq!(logs.iter().map(|log| log.origin.as_str()).collect::<Vec<_>>(), [kept.as_str()], "{what}");
    };
    // Kinds that exist and sign no checkpoint here, that are deprecated, and that are yet to come. Their keys are not read.
    for details in [
        "PKIX_ECDSA_P384_SHA_384",
        "PKIX_ED25519_PH",
        "PKIX_RSA_PKCS1V15_4096_SHA256",
        "PKCS1_RSA_PKCS1V5",
        "ML_DSA_65",
    ] {
        let mut json = json_of(&root());
        json["tlogs"][0]["publicKey"]["keyDetails"] = json!(details);
        json["tlogs"][0]["publicKey"]["rawBytes"] = json!("AAAA");
        json["tlogs"][0]["logId"]["keyId"] = json!("AAAA");
        keep(read(&json), details);
    }
    keep(changed("/tlogs/0/hashAlgorithm", json!("SHA2_512")), "SHA2_512");
    // What has no form is refused all the same.
    for (pointer, bad) in [
        ("/tlogs/0/publicKey/rawBytes", json!("~")),
        ("/tlogs/0/publicKey/validFor", json!({})),
        ("/tlogs/0/logId", json!({})),
        ("/tlogs/0/baseUrl", json!("~")),
    ] {
        let mut json = json_of(&root());
        json["tlogs"][0]["publicKey"]["keyDetails"] = json!("ML_DSA_65");
        *json.pointer_mut(pointer).unwrap() = bad;
        assert!(read(&json).is_err(), "{pointer}");
    }
}

#[test]
fn g05_keys_that_are_not_what_they_say_are_refused() {
    let key = |kind| json!(STANDARD.encode(key(kind).spki_der()));
    let mismatched = changed("/tlogs/0/publicKey/rawBytes", key(KeyKind::Ed25519));
    assert!(
        matches!(mismatched, Err(Error::Unsupported { path, .. }) if path == "tlogs[0].publicKey.keyDetails")
    );
    let mismatched = changed("/tlogs/1/publicKey/rawBytes", key(KeyKind::P384));
    assert!(matches!(mismatched, Err(Error::Unsupported { .. })));
    for bad in ["", "AAAA", "MCowBQYDK2VwAyEA"] {
        let found = changed("/tlogs/1/publicKey/rawBytes", json!(bad));
        assert!(
            matches!(found, Err(Error::Key { path, .. }) if path == "tlogs[1].publicKey.rawBytes"),
            "{bad}"
        );
    }
}

/// Where a root may say less, and whether it then holds a log or an authority less.
fn may_be_read(pointer: &str, change: &str) -> bool {
    let list = ["/certificateAuthorities", "/ctlogs", "/timestampAuthorities"].contains(&pointer);
    let end = pointer.ends_with("/validFor/end");
    let text = ["/operator", "/uri", "/organization", "/commonName"].iter().any(|end| pointer.ends_with(end))
        || pointer == "/ctlogs/0/baseUrl";
    let element = pointer.rsplit('/').next().is_some_and(|last| last.parse::<u32>().is_ok());
    // A chain may be shorter by an element, not empty.
    let only = pointer.ends_with("/certificates/0") && !pointer.starts_with("/certificateAuthorities/0");
    let bytes =
        !pointer.starts_with("/tlogs") && (pointer.ends_with("/rawBytes") || pointer.ends_with("/keyId"));
    let kind = pointer.starts_with("/tlogs")
        && (pointer.ends_with("/keyDetails") || pointer.ends_with("/hashAlgorithm"))
        || pointer == "/ctlogs/0/publicKey/keyDetails";
    match change {
        "absent" => list || end || text || pointer.ends_with("/subject") || element && !only,
        "null" => list || end || text || pointer.ends_with("/subject"),
        "array" => list || pointer == "/tlogs",
        "string" => kind || text,
        // No bytes are still bytes: what they are is for whoever verifies with them.
        "empty string" => kind || text || bytes,
        "object" => pointer.ends_with("/subject"),
        _ => false,
    }
}

#[test]
fn b08_every_place_absent_null_or_of_another_type() {
    let good = root();
    let mut cases = 0;
    for mutation in mutations(&json_of(&good)) {
        let (pointer, change) = mutation.what.split_once(' ').unwrap();
        let found = TrustedRoot::from_json(mutation.text.as_bytes());
        assert_eq!(found.is_ok(), may_be_read(pointer, change), "{}: {found:?}", mutation.what);
        if let Ok(found) = found {
            // Nothing that is taken away or made another type adds a log, or gives one another key or an earlier start.
            for log in &found.logs {
                let same = |known: &&LogInstance| known.log_id == log.log_id && known.key == log.key;
                let known = good.logs.iter().find(same).unwrap();
                assert_eq!(
                    (known.valid_from, &known.origin),
                    (log.valid_from, &log.origin),
                    "{}",
                    mutation.what
                );
            }
        }
        cases += 1;
    }
    assert!(cases > 200, "{cases}");
}

#[test]
fn b08_unknown_fields_are_refused_at_every_level_that_is_read() {
    for pointer in [
        "",
        "/tlogs/0",
        "/tlogs/0/publicKey",
        "/tlogs/0/publicKey/validFor",
        "/tlogs/0/logId",
        "/ctlogs/0",
        "/ctlogs/0/publicKey",
        "/ctlogs/0/logId",
        "/certificateAuthorities/0",
        "/certificateAuthorities/0/subject",
        "/certificateAuthorities/0/certChain",
        "/certificateAuthorities/0/certChain/certificates/1",
        "/certificateAuthorities/0/validFor",
        "/timestampAuthorities/0",
    ] {
        let mut json = json_of(&root());
        json.pointer_mut(pointer).unwrap()["extra"] = Value::Null;
        assert!(
            matches!(read(&json), Err(Error::UnknownField { path }) if path.ends_with("extra")),
            "{pointer}"
        );
    }
    let mut json = json_of(&root());
    json["tlogs"][0]["operator"] = json!("operator.example");
    json["tlogs"][0]["checkpointKeyId"] = json!({"keyId": "AAAAAA=="});
    assert_eq!(read(&json).unwrap().logs.len(), 2);
}

#[test]
fn d12_duplicate_keys_are_refused() {
    let text = root().to_json();
    let doubled = text.replace(r#""ctlogs": ["#, r#""ctlogs": [{"a": 1, "\u0061": 2}, "#);
    assert_ne!(doubled, text);
    assert!(
        matches!(TrustedRoot::from_json(doubled.as_bytes()), Err(Error::DuplicateKey(key)) if key == "a")
    );
}

#[test]
fn b06_lists_and_depth_are_capped() {
    assert!(matches!(changed("/ctlogs", json!(vec![0; 1_025])), Err(Error::TooMany { limit: 1_024, .. })));
    assert!(matches!(changed("/ctlogs", json!(vec![0; 100_000])), Err(Error::TooManyValues { .. })));
    let deep = root().to_json().replace(r#""ctlogs": ["#, &format!(r#""ctlogs": {}"#, "[".repeat(100_000)));
    assert!(matches!(TrustedRoot::from_json(deep.as_bytes()), Err(Error::TooDeep { .. })));
    let large = vec![b' '; (4 << 20) + 1];
    assert!(matches!(TrustedRoot::from_json(&large), Err(Error::TooLarge { .. })));
}

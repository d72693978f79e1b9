use sealwax_keys::{KeyKind, SecretKey};

use super::*;
use crate::entry::{EntryFormat, InclusionPromise, InclusionProof};
use crate::mutations::mutations;

fn entry(index: u64) -> TransparencyLogEntry {
    let inclusion_proof = InclusionProof {
        log_index: index,
        root_hash: [2; 32],
        tree_size: 9,
        hashes: vec![[3; 32], [4; 32]],
        checkpoint: "log.example\n9\nAgIC…\n\n\u{2014} log.example AAAA\n".to_owned(),
    };
    let (log_id, canonicalized_body) = (vec![5; 32], b"{\"kind\":\"hashedrekord\"}".to_vec());
    TransparencyLogEntry {
        format: EntryFormat::HashedRekord002,
        log_index: index,
        log_id,
        promise: None,
        inclusion_proof,
        canonicalized_body,
    }
}

fn with(material: VerificationMaterial) -> Bundle {
    let envelope =
        Envelope { key_id: "key".to_owned(), ..Envelope::in_toto(b"{\"a\":1}".to_vec(), vec![1, 2, 3]) };
    let timestamps = vec![vec![6, 6], vec![7]];
    Bundle { log_entries: vec![entry(7)], timestamps, ..Bundle::new(material, Content::Envelope(envelope)) }
}

fn key_bundle() -> Bundle {
    with(VerificationMaterial::PublicKey { hint: "00ff".to_owned(), key: None })
}

fn chain_bundle() -> Bundle {
    with(VerificationMaterial::CertificateChain(vec![vec![0x30, 1], vec![0x30, 2]]))
}

fn identity_bundle() -> Bundle {
    with(VerificationMaterial::Certificate(vec![0x30, 3]))
}

/// A file's signature as version 0.1 carried it, with what a Rekor v1 log promised.
fn message_bundle() -> Bundle {
    let digest = Some((HashAlgorithm::Sha256, vec![8; 32]));
    let promise = Some(InclusionPromise { integrated_time: 1_700_000_000, signature: vec![9] });
    Bundle {
        version: BundleVersion::V0_1,
        log_entries: vec![TransparencyLogEntry { format: EntryFormat::HashedRekord001, promise, ..entry(7) }],
        content: Content::Message(MessageSignature { digest, signature: vec![1, 2, 3] }),
        ..chain_bundle()
    }
}

fn all() -> [Bundle; 4] {
    [key_bundle(), chain_bundle(), identity_bundle(), message_bundle()]
}

fn json_of(bundle: &Bundle) -> Value {
    serde_json::from_str(&bundle.to_json()).unwrap()
}

fn read(json: &Value) -> Result<Bundle, Error> {
    Bundle::from_json(json.to_string().as_bytes())
}

#[test]
fn bundles_are_read_as_they_are_written() {
    for bundle in all() {
        for log_entries in [vec![], vec![entry(0)], vec![entry(1), entry(2)]] {
            for timestamps in [vec![], vec![vec![1]]] {
                let bundle = Bundle { log_entries: log_entries.clone(), timestamps, ..bundle.clone() };
                if matches!(bundle.material, VerificationMaterial::Certificate(_)) && log_entries.is_empty() {
                    continue;
                }
                let text = bundle.to_json();
                assert_eq!(Bundle::from_json(text.as_bytes()).unwrap(), bundle);
                assert!(!text.contains('\n'), "one line");
            }
        }
    }
}

#[test]
fn a_key_bundle_is_written_as_the_profile_demands() {
    let bundle = Bundle {
        log_entries: vec![],
        timestamps: vec![],
        content: Content::Envelope(Envelope::in_toto(b"{}".to_vec(), vec![1, 2, 3])),
        ..key_bundle()
    };
    let expected = concat!(
        r#"{"mediaType":"application/vnd.dev.sigstore.bundle.v0.3+json","#,
        r#""verificationMaterial":{"publicKey":{"hint":"00ff"},"tlogEntries":[]},"#,
        r#""dsseEnvelope":{"payload":"e30=","payloadType":"application/vnd.in-toto+json","#,
        r#""signatures":[{"sig":"AQID","keyid":""}]}}"#,
    );
    assert_eq!(bundle.to_json(), expected);
}

/// What a bundle may leave out, and what it may hold empty. Each makes it claim less, and none makes it claim more: no
/// hint, no log entry, no time stamp, position 0, no path. What then is missing is for the verifier's policy to judge.
const ABSENCES: [&str; 12] = [
    "/dsseEnvelope/signatures/0/keyid",
    "/messageSignature/messageDigest",
    "/verificationMaterial/publicKey/hint",
    "/verificationMaterial/tlogEntries",
    "/verificationMaterial/tlogEntries/0",
    "/verificationMaterial/tlogEntries/0/inclusionProof/hashes",
    "/verificationMaterial/tlogEntries/0/inclusionProof/hashes/0",
    "/verificationMaterial/tlogEntries/0/inclusionProof/hashes/1",
    "/verificationMaterial/tlogEntries/0/inclusionProof/logIndex",
    "/verificationMaterial/tlogEntries/0/logIndex",
    "/verificationMaterial/timestampVerificationData",
    "/verificationMaterial/timestampVerificationData/rfc3161Timestamps",
];

/// Texts that are free in form; what they say is compared by the verifier.
const TEXTS: [&str; 4] = [
    "/dsseEnvelope/payloadType",
    "/dsseEnvelope/signatures/0/keyid",
    "/verificationMaterial/publicKey/hint",
    "/verificationMaterial/tlogEntries/0/inclusionProof/checkpoint/envelope",
];

/// Bytes whose length is not known here; empty, they are no signature, certificate, key id or entry to any verifier.
const BYTES: [&str; 10] = [
    "/dsseEnvelope/payload",
    "/dsseEnvelope/signatures/0/sig",
    "/messageSignature/signature",
    "/verificationMaterial/tlogEntries/0/inclusionPromise/signedEntryTimestamp",
    "/verificationMaterial/certificate/rawBytes",
    "/verificationMaterial/timestampVerificationData/rfc3161Timestamps/0/signedTimestamp",
    "/verificationMaterial/timestampVerificationData/rfc3161Timestamps/1/signedTimestamp",
    "/verificationMaterial/tlogEntries/0/canonicalizedBody",
    "/verificationMaterial/tlogEntries/0/logId/keyId",
    "/verificationMaterial/x509CertificateChain/certificates/0/rawBytes",
];

fn may_be_read(pointer: &str, change: &str) -> bool {
    let element = |list: &str| {
        pointer
            .rsplit_once('/')
            .is_some_and(|(parent, step)| parent.ends_with(list) && step.parse::<u8>().is_ok())
    };
    match change {
        "absent" => ABSENCES.contains(&pointer) || element("rfc3161Timestamps") || element("certificates"),
        // A null in a list is an element, and never an absent one.
        "null" => ABSENCES.contains(&pointer) && !pointer.ends_with(|last: char| last.is_ascii_digit()),
        "string" => TEXTS.contains(&pointer),
        "empty string" => {
            TEXTS.contains(&pointer)
                || BYTES.contains(&pointer)
                || pointer.ends_with("certificates/1/rawBytes")
        }
        "array" => ["tlogEntries", "hashes", "rfc3161Timestamps"].iter().any(|list| pointer.ends_with(list)),
        "object" => pointer.ends_with("/publicKey") || pointer.ends_with("/timestampVerificationData"),
        _ => false,
    }
}

#[test]
fn b08_d13_every_place_absent_null_or_of_another_type() {
    let mut cases = 0;
    for bundle in all() {
        for mutation in mutations(&json_of(&bundle)) {
            let (pointer, change) = mutation.what.split_once(' ').unwrap();
            let identity_needs_a_log = matches!(bundle.material, VerificationMaterial::Certificate(_))
                && (pointer.ends_with("/tlogEntries") || pointer.ends_with("/tlogEntries/0"));
            // A Rekor v1 log may have given no checkpoint, and with its promise it may give the time 0.
            let rekor_v1 = matches!(bundle.content, Content::Message(_))
                && matches!(change, "absent" | "null")
                && (pointer.ends_with("/checkpoint") || pointer.ends_with("/integratedTime"));
            let expected = (may_be_read(pointer, change) || rekor_v1) && !identity_needs_a_log;
            let found = Bundle::from_json(mutation.text.as_bytes());
            assert_eq!(found.is_ok(), expected, "{}: {found:?}", mutation.what);
            if let Ok(read) = found {
                // The change is seen: nothing is read past and nothing guessed back.
                assert!(read != bundle, "{}", mutation.what);
            }
            cases += 1;
        }
    }
    assert!(cases > 1_000, "{cases}");
}

#[test]
fn b08_unknown_fields_are_refused_at_every_level() {
    for bundle in all() {
        let good = json_of(&bundle);
        let mut levels = 0;
        for pointer in objects(&good) {
            let mut more = good.clone();
            more.pointer_mut(&pointer)
                .unwrap()
                .as_object_mut()
                .unwrap()
                .insert("extra".to_owned(), json!(null));
            let found = read(&more);
            assert!(
                matches!(&found, Err(Error::UnknownField { path }) if path.ends_with("extra")),
                "{pointer}: {found:?}"
            );
            levels += 1;
        }
        assert!(levels >= 12, "{levels}");
    }
}

fn objects(value: &Value) -> Vec<String> {
    let children: Vec<(String, &Value)> = match value {
        Value::Object(members) => members.iter().map(|(key, value)| (key.clone(), value)).collect(),
        Value::Array(elements) => {
            elements.iter().enumerate().map(|(i, value)| (i.to_string(), value)).collect()
        }
        _ => return Vec::new(),
    };
    let below = children
        .into_iter()
        .flat_map(|(step, child)| objects(child).into_iter().map(move |rest| format!("/{step}{rest}")));
    value.is_object().then(String::new).into_iter().chain(below).collect()
}

#[test]
fn d12_duplicate_keys_are_refused_at_every_level() {
    for bundle in all() {
        let text = bundle.to_json();
        let openings: Vec<usize> = text.match_indices('{').map(|(at, _)| at + 1).collect();
        for at in openings {
            let doubled = format!("{}\"twice\":0,\"tw\\u0069ce\":0,{}", &text[..at], &text[at..]);
            let found = Bundle::from_json(doubled.as_bytes());
            assert!(matches!(&found, Err(Error::DuplicateKey(key)) if key == "twice"), "{at}: {found:?}");
        }
    }
}

#[test]
fn b10_too_large_is_refused_before_it_is_read() {
    let text = vec![b'x'; Bundle::MAX_BYTES + 1];
    assert!(matches!(
        Bundle::from_json(&text),
        Err(Error::TooLarge { size, limit: Bundle::MAX_BYTES }) if size == text.len()
    ));
    assert!(matches!(Bundle::from_json(b""), Err(Error::Json(_))));
}

#[test]
fn b06_lists_are_capped() {
    let read = |pointer: &str, count: usize| {
        let mut json = json_of(&chain_bundle());
        let list = json.pointer_mut(pointer).unwrap().as_array_mut().unwrap();
        let element = list[0].clone();
        list.resize(count, element);
        read(&json)
    };
    for pointer in [
        "/verificationMaterial/tlogEntries",
        "/verificationMaterial/timestampVerificationData/rfc3161Timestamps",
        "/verificationMaterial/x509CertificateChain/certificates",
    ] {
        assert!(read(pointer, 32).is_ok(), "{pointer}");
        assert!(matches!(read(pointer, 33), Err(Error::TooMany { limit: 32, .. })), "{pointer}");
        assert!(matches!(read(pointer, 100_000), Err(Error::TooManyValues { .. })), "{pointer}");
    }
    assert!(matches!(read("/dsseEnvelope/signatures", 2), Err(Error::SignatureCount(2))));
    assert!(matches!(read("/dsseEnvelope/signatures", 33), Err(Error::TooMany { .. })));
    assert!(matches!(read("/dsseEnvelope/signatures", 100_000), Err(Error::TooManyValues { .. })));
}

#[test]
fn b06_the_largest_honest_bundle_is_read() {
    let mut entry = entry(7);
    entry.inclusion_proof.hashes = vec![[3; 32]; 64];
    let chain = VerificationMaterial::CertificateChain(vec![vec![0x30; 4_000]; 32]);
    let bundle = Bundle {
        material: chain,
        log_entries: vec![entry; 32],
        timestamps: vec![vec![1; 4_000]; 32],
        ..key_bundle()
    };
    assert_eq!(Bundle::from_json(bundle.to_json().as_bytes()).unwrap(), bundle);
}

#[test]
fn b11_only_versions_0_1_to_0_3_in_their_four_spellings_are_read() {
    let read = |media_type: Value| {
        let mut json = json_of(&key_bundle());
        json["mediaType"] = media_type;
        read(&json)
    };
    for good in [
        "application/vnd.dev.sigstore.bundle.v0.3+json",
        "application/vnd.dev.sigstore.bundle+json;version=0.3",
    ] {
        assert_eq!(read(json!(good)).unwrap(), key_bundle());
    }
    for (good, version) in [
        ("application/vnd.dev.sigstore.bundle+json;version=0.1", BundleVersion::V0_1),
        ("application/vnd.dev.sigstore.bundle+json;version=0.2", BundleVersion::V0_2),
    ] {
        assert_eq!(read(json!(good)).unwrap(), Bundle { version, ..key_bundle() });
    }
    for bad in [
        "",
        "application/json",
        "application/vnd.dev.sigstore.bundle.v0.1+json",
        "application/vnd.dev.sigstore.bundle.v0.2+json",
        "application/vnd.dev.sigstore.bundle.v0.4+json",
        "application/vnd.dev.sigstore.bundle.v0.30+json",
        "application/vnd.dev.sigstore.bundle.v0.3.1+json",
        "application/vnd.dev.sigstore.bundle.V0.3+json",
        "APPLICATION/VND.DEV.SIGSTORE.BUNDLE.V0.3+JSON",
        "Application/vnd.dev.sigstore.bundle.v0.3+json",
        " application/vnd.dev.sigstore.bundle.v0.3+json",
        "application/vnd.dev.sigstore.bundle.v0.3+json ",
        "application/vnd.dev.sigstore.bundle.v0.3+json;charset=utf-8",
        "application/vnd.dev.sigstore.bundle+json; version=0.3",
        "application/vnd.dev.sigstore.bundle+json;version=\"0.3\"",
        "application/vnd.dev.sigstore.bundle+json;version=0.3 ",
    ] {
        assert!(matches!(read(json!(bad)), Err(Error::MediaType(found)) if found == bad), "{bad}");
    }
    assert!(matches!(read(Value::Null), Err(Error::Missing { .. })));
}

#[test]
fn c14_exactly_one_kind_of_material_is_read() {
    let material = |bundle: &Bundle| json_of(bundle)["verificationMaterial"].as_object().unwrap().clone();
    for one in all() {
        for other in all() {
            if std::mem::discriminant(&one.material) == std::mem::discriminant(&other.material) {
                continue;
            }
            let mut json = json_of(&one);
            for (name, value) in material(&other) {
                json["verificationMaterial"][name] = value;
            }
            let found = read(&json);
            assert!(matches!(found, Err(Error::Shape { .. })), "{json}: {found:?}");
        }
    }
    let mut none = json_of(&key_bundle());
    none["verificationMaterial"].as_object_mut().unwrap().remove("publicKey");
    assert!(matches!(read(&none), Err(Error::Shape { path, .. }) if path == "verificationMaterial"));
    let mut empty = json_of(&chain_bundle());
    empty["verificationMaterial"]["x509CertificateChain"]["certificates"] = json!([]);
    assert!(matches!(read(&empty), Err(Error::Shape { .. })));
    // A null beside the one that is there is the proto3 spelling of absence.
    let mut null = json_of(&key_bundle());
    null["verificationMaterial"]["certificate"] = Value::Null;
    assert_eq!(read(&null).unwrap(), key_bundle());
}

#[test]
fn t05_an_identity_without_a_log_entry_is_refused() {
    let mut bundle = identity_bundle();
    bundle.log_entries.clear();
    let found = Bundle::from_json(bundle.to_json().as_bytes());
    let expected = "verificationMaterial.tlogEntries";
    assert!(matches!(found, Err(Error::Missing { path }) if path == expected));
}

#[test]
fn d08_a_bundle_about_a_message_is_no_model_signature() {
    let message = message_bundle();
    let found = message.envelope();
    assert!(matches!(found, Err(Error::NotAModelStatement { what: "bundle content", .. })));
    assert_eq!(message.content.signature(), [1, 2, 3]);
    // Both at once: two things would be signed.
    let mut both = json_of(&key_bundle());
    both["messageSignature"] = json_of(&message)["messageSignature"].clone();
    assert!(matches!(read(&both), Err(Error::UnknownField { path }) if path == "dsseEnvelope"));
}

#[test]
fn d13_a_message_digest_is_one_of_a_known_hash() {
    let changed = |digest: Value| {
        let mut json = json_of(&message_bundle());
        json["messageSignature"]["messageDigest"] = digest;
        read(&json)
    };
    let unknown = changed(json!({"algorithm": "SHA3_256", "digest": STANDARD.encode([8; 32])}));
    assert!(matches!(unknown, Err(Error::Unsupported { .. })));
    let short = changed(json!({"algorithm": "SHA2_256", "digest": STANDARD.encode([8; 31])}));
    assert!(matches!(short, Err(Error::Shape { .. })));
}

#[test]
fn keys_of_older_releases_are_read_and_only_whole_ones() {
    let key = SecretKey::generate(KeyKind::P384).unwrap().public_key().clone();
    let read = |value: Value| {
        let mut json = json_of(&key_bundle());
        json["verificationMaterial"]["publicKey"] = value;
        read(&json).map(|bundle| bundle.material)
    };
    let pem = STANDARD.encode(key.to_pem());
    let expected = VerificationMaterial::PublicKey { hint: String::new(), key: Some(key.clone()) };
    assert_eq!(read(json!({"rawBytes": pem, "keyDetails": "PKIX_ECDSA_P384_SHA_384"})).unwrap(), expected);
    assert_eq!(read(json!({"rawBytes": pem})).unwrap(), expected);
    for (raw, details) in [
        (STANDARD.encode(key.spki_der()), "PKIX_ECDSA_P384_SHA_384"),
        (key.to_pem(), "PKIX_ECDSA_P384_SHA_384"),
        (String::new(), "PKIX_ECDSA_P384_SHA_384"),
        (pem.clone(), "PKIX_ECDSA_P384"),
    ] {
        assert!(read(json!({"rawBytes": raw, "keyDetails": details})).is_err(), "{raw} {details}");
    }
}

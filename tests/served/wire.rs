//! Submitting, as clients of Rekor v2 do it.

use std::collections::BTreeSet;
use std::net::TcpListener;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sealwax_attestation::{HashedRekord, pae};
use sealwax_tests::http::{self, Answer};
use sealwax_tests::server::{ENTRIES, Server, Signer, instance, log_key, open_log, set};
use sealwax_tlog::{Checkpoint, Hash, proof};
use serde_json::{Value, json};

/// Checks an answer's proof up to the signed checkpoint, and gives the entry's index and body.
pub(crate) fn proven(answer: &Answer, key: &sealwax_tlog::VerifierKey) -> (u64, Vec<u8>) {
    assert_eq!(answer.status, 201, "{answer:?}");
    let entry = answer.json();
    let decode = |value: &Value| STANDARD.decode(value.as_str().unwrap()).unwrap();
    let number = |value: &Value| value.as_str().unwrap().parse::<u64>().unwrap();
    let found = &entry["inclusionProof"];
    let body = decode(&entry["canonicalizedBody"]);
    let note = found["checkpoint"]["envelope"].as_str().unwrap();
    let checkpoint = Checkpoint::open(note.as_bytes(), key).unwrap();
    assert_eq!(checkpoint.size, number(&found["treeSize"]));
    assert_eq!(checkpoint.root.as_bytes().to_vec(), decode(&found["rootHash"]));
    let hashes: Vec<Hash> = found["hashes"]
        .as_array()
        .unwrap()
        .iter()
        .map(|hash| Hash::from_slice(&decode(hash)).unwrap())
        .collect();
    let index = number(&entry["logIndex"]);
    assert_eq!(index, number(&found["logIndex"]));
    let leaf = Hash::leaf(&body);
    proof::verify_inclusion(&leaf, index, checkpoint.size, &hashes, &checkpoint.root).unwrap();
    (index, body)
}

fn keys(value: &Value) -> BTreeSet<&str> {
    value.as_object().unwrap().keys().map(String::as_str).collect()
}

/// Demands a refusal in Rekor's shape.
fn refused(answer: &Answer, status: u16, code: u64, message: &str) {
    assert_eq!(answer.status, status, "{answer:?}");
    assert_eq!(answer.header("content-type"), "application/json", "{answer:?}");
    assert_eq!(answer.header("cache-control"), "no-store", "{answer:?}");
    let body = answer.json();
    assert_eq!(keys(&body), BTreeSet::from(["code", "details", "message"]));
    assert_eq!((&body["code"], &body["details"]), (&json!(code), &json!([])), "{body}");
    assert!(body["message"].as_str().unwrap().starts_with(message), "{body}");
}

#[test]
fn an_entry_is_answered_as_rekor_answers_it() {
    let sandbox = instance("");
    let server = Server::serve(&sandbox);
    let signer = Signer::new();
    let key = log_key(&sandbox);
    for index in 0..3 {
        let request = signer.rekord(format!("artifact {index}").as_bytes());
        let answer = server.submit(&request);
        let (found, body) = proven(&answer, &key);
        assert_eq!(found, index);
        assert_eq!(answer.header("content-type"), "application/json");
        let entry = answer.json();
        let expected = [
            "canonicalizedBody",
            "inclusionPromise",
            "inclusionProof",
            "integratedTime",
            "kindVersion",
            "logId",
            "logIndex",
        ];
        assert_eq!(keys(&entry), BTreeSet::from(expected));
        assert_eq!(entry["integratedTime"], "0");
        assert_eq!(entry["inclusionPromise"], Value::Null);
        assert_eq!(entry["kindVersion"], json!({"kind": "hashedrekord", "version": "0.0.2"}));
        assert_eq!(entry["logId"], json!({"keyId": STANDARD.encode(key.log_id())}));
        let expected = BTreeSet::from(["checkpoint", "hashes", "logIndex", "rootHash", "treeSize"]);
        assert_eq!(keys(&entry["inclusionProof"]), expected);
        let sent = &request["hashedRekordRequestV002"];
        let (digest, content) = (&sent["digest"], &sent["signature"]["content"]);
        let raw = &sent["signature"]["verifier"]["publicKey"]["rawBytes"];
        let canonical = format!(
            r#"{{"apiVersion":"0.0.2","kind":"hashedrekord","spec":{{"hashedRekordV002":{{"data":{{"algorithm":"SHA2_256","digest":{digest}}},"signature":{{"content":{content},"verifier":{{"keyDetails":"PKIX_ECDSA_P256_SHA_256","publicKey":{{"rawBytes":{raw}}}}}}}}}}}}}"#
        );
        assert_eq!(String::from_utf8(body).unwrap(), canonical);
    }
}

#[test]
fn every_spelling_of_a_request_is_the_same_entry() {
    let sandbox = instance("");
    let server = Server::serve(&sandbox);
    let signer = Signer::new();
    let camel = signer.rekord(b"artifact").to_string();
    let snake = camel
        .replace("hashedRekordRequestV002", "hashed_rekord_request_v002")
        .replace("publicKey", "public_key")
        .replace("rawBytes", "raw_bytes")
        .replace("keyDetails", "key_details")
        .replace("\"PKIX_ECDSA_P256_SHA_256\"", "5");
    let spaced = camel.replace(':', " :\n\t");
    let other: Value = serde_json::from_str(&signer.rekord(b"another").to_string()).unwrap();
    assert_eq!(server.submit(&other).json()["logIndex"], "0");
    let answers = [&camel, &snake, &spaced]
        .map(|text| http::post(server.address, ENTRIES, text.as_bytes()).unwrap())
        .map(|answer| proven(&answer, &log_key(&sandbox)));
    assert!(answers.iter().all(|answer| *answer == answers[0] && answer.0 == 1), "{answers:?}");
}

#[test]
fn envelopes_of_older_clients_become_dsse_entries() {
    let sandbox = instance("");
    let server = Server::serve(&sandbox);
    let signer = Signer::new();
    let payload = br#"{"_type":"https://in-toto.io/Statement/v1"}"#;
    let kind = "application/vnd.in-toto+json";
    let signature = STANDARD.encode(signer.key.sign(&pae(kind, payload)).unwrap());
    let request = json!({"dsseRequestV002": {
        "envelope": {"payload": STANDARD.encode(payload), "payloadType": kind, "signatures": [{"sig": signature}]},
        "verifiers": [signer.verifier()],
    }});
    let answer = server.submit(&request);
    let (_, body) = proven(&answer, &log_key(&sandbox));
    assert_eq!(answer.json()["kindVersion"], json!({"kind": "dsse", "version": "0.0.2"}));
    let body: Value = serde_json::from_slice(&body).unwrap();
    let hash = STANDARD.encode(sealwax_keys::HashAlgorithm::Sha256.digest(payload));
    let entry = &body["spec"]["dsseV002"];
    assert_eq!(entry["payloadHash"], json!({"algorithm": "SHA2_256", "digest": hash}));
    assert_eq!(entry["signatures"][0]["content"], signature);
    // And the same signature as the newer clients log it is another entry.
    let digest = sealwax_keys::HashAlgorithm::Sha256.digest(&pae(kind, payload));
    let rekord = json!({"hashedRekordRequestV002": {
        "digest": STANDARD.encode(digest),
        "signature": {"content": signature, "verifier": signer.verifier()},
    }});
    assert_eq!(server.submit(&rekord).json()["kindVersion"]["kind"], "hashedrekord");

    let mut other = request;
    other["dsseRequestV002"]["envelope"]["payload"] = json!(STANDARD.encode("changed"));
    refused(&server.submit(&other), 400, 3, "invalid dsse request");
}

#[test]
fn what_is_no_entry_is_refused_in_rekors_words() {
    let sandbox = instance("");
    let server = Server::serve(&sandbox);
    let good = Signer::new().rekord(b"artifact");
    let changed = |pointer: &str, value: Value| {
        let mut request = good.clone();
        *request.pointer_mut(&format!("/hashedRekordRequestV002{pointer}")).unwrap() = value;
        request.to_string()
    };
    let rekord = "invalid hashedrekord request";
    let cases: [(String, &str); 11] = [
        (String::new(), "invalid request"),
        ("[]".to_owned(), "invalid"),
        ("{}".to_owned(), "invalid type, must be either hashedrekord or dsse"),
        (r#"{"x":1}"#.to_owned(), "invalid request"),
        (format!("{good}{good}"), "invalid request"),
        (changed("/digest", json!(STANDARD.encode([1; 32]))), rekord),
        (changed("/digest", json!(STANDARD.encode([1; 31]))), rekord),
        (changed("/signature/content", json!("")), rekord),
        (changed("/signature/verifier/keyDetails", json!("PKIX_ED25519")), rekord),
        (changed("/signature/verifier/publicKey/rawBytes", json!("AAAA")), rekord),
        (changed("/signature/verifier", json!({"surplus": 1})), rekord),
    ];
    for (request, message) in cases {
        let answer = http::post(server.address, ENTRIES, request.as_bytes()).unwrap();
        refused(&answer, 400, 3, message);
    }
    // Nothing of this was logged.
    let (index, _) = proven(&server.submit(&good), &log_key(&sandbox));
    assert_eq!(index, 0);
}

#[test]
fn a_duplicate_is_answered_with_its_entry_or_with_a_conflict() {
    let sandbox = instance("");
    let server = Server::serve(&sandbox);
    let key = log_key(&sandbox);
    let signer = Signer::new();
    let requests: Vec<Value> = (0..3).map(|number| signer.rekord(&[number])).collect();
    let first: Vec<_> = requests.iter().map(|request| proven(&server.submit(request), &key)).collect();
    let again: Vec<_> = requests.iter().map(|request| proven(&server.submit(request), &key)).collect();
    assert_eq!(first, again);
    // Many at the same time, too, and before the index has seen the first of them.
    let new = signer.rekord(b"new");
    let indices: BTreeSet<u64> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..16).map(|_| scope.spawn(|| proven(&server.submit(&new), &key).0)).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    assert_eq!(indices, BTreeSet::from([3]));
    drop(server);

    set(&sandbox, "[log]\nduplicates = 'conflict'\n");
    let server = Server::serve(&sandbox);
    let answer = server.submit(&requests[1]);
    let message = "an equivalent entry already exists in the transparency log with index 1";
    refused(&answer, 409, 6, message);
    assert_eq!(answer.header("x-log-index"), "1");
    assert_eq!(proven(&server.submit(&signer.rekord(b"newer")), &key).0, 4);
}

#[test]
fn a_frozen_log_is_read_and_takes_nothing() {
    let sandbox = instance("");
    let server = Server::serve(&sandbox);
    let signer = Signer::new();
    proven(&server.submit(&signer.rekord(b"before")), &log_key(&sandbox));
    drop(server);
    open_log(&sandbox).freeze().unwrap();
    let server = Server::serve(&sandbox);
    refused(&server.submit(&signer.rekord(b"after")), 405, 12, "the log is frozen");
    assert_eq!(server.ask(200, "entries/0")["logIndex"], "0");
    server.ask(404, "entries/1");
}

/// The sequencer waits for a witness that never answers, the pool holds one more, and the rest is told to come back.
#[test]
fn s13_more_than_may_wait_is_told_to_come_back() {
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let witness = sealwax_keys::SecretKey::generate(sealwax_keys::KeyKind::Ed25519).unwrap();
    let witness = sealwax_tlog::VerifierKey::from_cosigner("w.example", witness.public_key()).unwrap();
    let settings =
        "[log]\npool = 1\nbatch = 1\n[witnesses]\npolicy = 'policy'\nrequire = false\ntimeout_seconds = 2";
    let sandbox = instance(settings);
    let policy = format!("witness w {witness} http://{}\nquorum w\n", silent.local_addr().unwrap());
    std::fs::write(sandbox.instance().join("policy"), policy).unwrap();
    let server = Server::serve(&sandbox);
    let key = log_key(&sandbox);
    let signer = Signer::new();
    let requests: Vec<Value> = (0..12).map(|number| signer.rekord(&[number])).collect();
    let answers: Vec<Answer> = std::thread::scope(|scope| {
        let server = &server;
        let submit = |request| scope.spawn(move || server.submit(request));
        let threads: Vec<_> = requests.iter().map(submit).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    let mut taken = 0;
    for answer in &answers {
        if answer.status == 201 {
            proven(answer, &key);
            taken += 1;
        } else {
            refused(answer, 503, 14, "reached max pushback; retry");
            assert_eq!(answer.header("retry-after"), "1");
        }
    }
    assert!((1..=3).contains(&taken), "{taken} taken");
    // Every promise was kept, and nothing beyond was taken.
    assert_eq!(server.size(), taken);
}

#[test]
fn what_is_not_there_is_refused_in_the_same_shape() {
    let sandbox = instance("[limits]\nsubmission_bytes = 10000\n");
    let server = Server::serve(&sandbox);
    for path in [
        "/",
        "/api",
        "/api/v2/log",
        "/api/v2/log/entries/0",
        "/api/v1/log/entries",
        "/tile",
        "/x",
        "/shards/%FF/checkpoint",
        "/shards/%FF/tile/0/000",
    ] {
        refused(&http::get(server.address, path), 404, 5, "");
    }
    for (method, path) in [
        ("GET", ENTRIES),
        ("PUT", ENTRIES),
        ("DELETE", "/checkpoint"),
        ("POST", "/tile/0/000.p/1"),
        ("POST", "/healthz"),
        ("POST", "/api/sealwax/v1/search"),
    ] {
        let answer = http::request(server.address, method, path, "", b"").unwrap();
        refused(&answer, 405, 12, "");
    }
    let large = vec![b' '; 10_001];
    refused(&http::post(server.address, ENTRIES, &large).unwrap(), 413, 11, "");
    let healthy = http::get(server.address, "/healthz");
    assert_eq!((healthy.status, healthy.json()), (200, json!({"status": "SERVING"})));
}

/// The signer's key as the entry holds it is what verifies.
#[test]
fn every_entry_is_what_was_submitted() {
    let sandbox = instance("");
    let server = Server::serve(&sandbox);
    let signer = Signer::new();
    let answer = server.submit(&signer.rekord(b"artifact"));
    let (_, body) = proven(&answer, &log_key(&sandbox));
    let entry = HashedRekord::from_body(&body).unwrap();
    assert_eq!(entry.verifier, signer.public());
    signer.key.public_key().verify(entry.scheme, b"artifact", &entry.signature).unwrap();
}

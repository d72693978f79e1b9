//! What Rekor v2 has not: proofs, history, entries, search, and the statements behind entries.

use std::fs;
use std::process::Command;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sealwax_attestation::{Envelope, pae};
use sealwax_keys::{HashAlgorithm, KeyFile};
use sealwax_tests::http::{self, Answer, get};
use sealwax_tests::server::{Server, Signer, instance, log_key, set, wait_for};
use sealwax_tests::{Run, Sandbox, peer};
use sealwax_tlog::{Checkpoint, Hash, proof};
use serde_json::{Value, json};

use crate::reads::{body, grown};
use crate::wire::proven;

fn hash(value: &Value) -> Hash {
    Hash::from_base64(value.as_str().unwrap()).unwrap()
}

fn hashes(value: &Value) -> Vec<Hash> {
    value.as_array().unwrap().iter().map(hash).collect()
}

fn indices(found: &Value) -> Vec<u64> {
    let rows = found["entries"].as_array().unwrap();
    rows.iter().map(|row| row["logIndex"].as_str().unwrap().parse().unwrap()).collect()
}

#[test]
fn inclusion_is_proven_by_index_and_by_hash_at_any_size() {
    let sandbox = grown(&[260, 300]);
    let server = Server::serve(&sandbox);
    for (index, size) in [(0, 1), (0, 300), (5, 6), (255, 256), (255, 257), (256, 257), (17, 260), (299, 300)]
    {
        let answer = server.ask(200, &format!("proof/inclusion?index={index}&size={size}"));
        let leaf = Hash::leaf(&body(index));
        assert_eq!(hash(&answer["leafHash"]), leaf);
        let root = hash(&answer["rootHash"]);
        proof::verify_inclusion(&leaf, index, size, &hashes(&answer["hashes"]), &root).unwrap();
        let by_hash =
            server.ask(200, &format!("proof/inclusion?leaf={}&size={size}", hex::encode(leaf.as_bytes())));
        assert_eq!(by_hash, answer);
        // The signed note stands beside a proof of the published size only.
        let note = answer["checkpoint"]["envelope"].as_str();
        assert_eq!(note.is_some(), size == 300);
        if let Some(note) = note {
            assert_eq!(Checkpoint::open(note.as_bytes(), &log_key(&sandbox)).unwrap().root, root);
        }
    }
    let newest = server.ask(200, "proof/inclusion?index=3");
    assert_eq!(newest["treeSize"], "300");
    for (status, question) in [
        (404, "index=300"),
        (404, "index=5&size=5"),
        (404, "index=5&size=301"),
        (404, "index=18446744073709551615"),
        (400, "index=18446744073709551616"),
        (400, "index=-1"),
        (400, "index=1&leaf=00"),
        (400, "index=1&sise=5"),
        (400, ""),
        (400, "leaf=00"),
        (400, "leaf=zz"),
        (404, &format!("leaf={}", "0".repeat(64))),
    ] {
        server.ask(status, &format!("proof/inclusion?{question}"));
    }
}

#[test]
fn consistency_is_proven_between_any_two_sizes() {
    let sandbox = grown(&[7, 300]);
    let server = Server::serve(&sandbox);
    let sizes = [0, 1, 2, 3, 7, 8, 100, 255, 256, 257, 299, 300];
    for from in sizes {
        for to in sizes.into_iter().filter(|to| *to >= from) {
            let answer = server.ask(200, &format!("proof/consistency?from={from}&to={to}"));
            let (old, new) = (hash(&answer["fromRootHash"]), hash(&answer["toRootHash"]));
            proof::verify_consistency(from, to, &hashes(&answer["hashes"]), &old, &new)
                .unwrap_or_else(|error| panic!("{from} {to}: {error}"));
        }
    }
    let newest = server.ask(200, "proof/consistency?from=7");
    let note = newest["checkpoint"]["envelope"].as_str().unwrap();
    assert_eq!(
        Checkpoint::open(note.as_bytes(), &log_key(&sandbox)).unwrap().root,
        hash(&newest["toRootHash"])
    );
    for (status, question) in [
        (404, "from=8&to=7"),
        (404, "from=1&to=301"),
        (404, "from=301"),
        (400, "to=5"),
        (400, "from=x"),
        (400, ""),
    ] {
        server.ask(status, &format!("proof/consistency?{question}"));
    }
}

#[test]
fn every_published_checkpoint_is_remembered_page_by_page() {
    let sandbox = instance("");
    let server = Server::serve(&sandbox);
    let (key, signer) = (log_key(&sandbox), Signer::new());
    for index in 0..7 {
        proven(&server.submit(&signer.rekord(&[index])), &key);
    }
    // The history follows a moment behind the answers.
    wait_for("the history", || {
        (server.ask(200, "checkpoints?limit=1")["checkpoints"][0]["treeSize"] == "7").then_some(())
    });
    let mut sizes = Vec::new();
    let mut before = String::new();
    loop {
        let page = server.ask(200, &format!("checkpoints?limit=3{before}"));
        for row in page["checkpoints"].as_array().unwrap() {
            let signed = Checkpoint::open(row["envelope"].as_str().unwrap().as_bytes(), &key).unwrap();
            assert_eq!(row["treeSize"], signed.size.to_string());
            assert!(row["publishedAt"].as_str().unwrap().parse::<u64>().unwrap() > 1_700_000_000);
            sizes.push(signed.size);
        }
        let Some(next) = page["next"].as_str() else { break };
        before = format!("&before={next}");
    }
    assert_eq!(sizes, [7, 6, 5, 4, 3, 2, 1, 0]);
    server.ask(400, "checkpoints?limit=0");
    server.ask(400, "checkpoints?limit=101");
}

/// A sandbox with a served log, and another one whose model `m` was signed into it.
fn signed_into(server: &Server, operator: &Sandbox, extra: &[&str]) -> (Sandbox, Run) {
    let client = Sandbox::new();
    client.model("m");
    client.ok(["key", "generate", "k.pem"]);
    fs::copy(operator.instance().join("trusted_root.json"), client.at("root.json")).unwrap();
    let url = server.url();
    let sign = ["sign", "m", "--key", "k.pem", "--instance", &url, "--trusted-root", "root.json"];
    let run = client.run(sign.iter().chain(extra));
    assert_eq!(run.code, Some(0), "{run:?}");
    (client, run)
}

#[test]
fn a_model_is_found_by_all_that_its_statement_says() {
    let operator = instance("");
    let server = Server::serve(&operator);
    let (client, _) = signed_into(&server, &operator, &[]);
    let shown = client.json(0, ["key", "show", "k.pem"]);
    let verified = {
        let public = shown["public_key"].as_str().unwrap();
        client.write("k.pub", public);
        client.json(0, ["verify", "m", "--key", "k.pub", "--trusted-root", "root.json"])
    };
    let file = hex::encode(HashAlgorithm::Sha256.digest(br#"{"layers":2}"#));
    let bundle: Value = serde_json::from_slice(&fs::read(client.at("m/model.sig")).unwrap()).unwrap();
    let payload = STANDARD.decode(bundle["dsseEnvelope"]["payload"].as_str().unwrap()).unwrap();
    let digest = hex::encode(HashAlgorithm::Sha256.digest(&pae("application/vnd.in-toto+json", &payload)));
    let der = bundle_key(&shown);
    let questions = [
        "name=m".to_owned(),
        format!("digest={digest}"),
        format!("digest=sha256:{digest}"),
        format!("digest={}", verified["root_digest"].as_str().unwrap()),
        format!("digest={file}"),
        format!("key={}", hex::encode(HashAlgorithm::Sha256.digest(&der))),
    ];
    for question in &questions {
        let found = server.ask(200, &format!("search?{question}"));
        assert_eq!(indices(&found), [0], "{question}: {found}");
        assert_eq!(found["entries"][0]["model"]["name"], "m", "{question}: {found}");
        assert_eq!(found["entries"][0]["model"]["files"], 4);
    }
    let kept = get(server.address, &format!("/api/sealwax/v1/envelopes/{digest}"));
    assert_eq!(Envelope::from_text(&kept.body).unwrap().payload, payload);
    let entry = server.ask(200, "entries/0");
    let mut answered = entry["transparencyLogEntry"].clone();
    let fields = answered.as_object_mut().unwrap();
    fields.retain(|name, _| name != "integratedTime" && name != "inclusionPromise");
    assert_eq!(answered, bundle["verificationMaterial"]["tlogEntries"][0], "the entry as it was answered");
    for (status, question) in [
        (200, "name=n"),
        (200, "name=M"),
        (400, "name=m&key=00"),
        (400, "digest=00"),
        (400, "key=00"),
        (400, "limit=1"),
    ] {
        let found = server.ask(status, &format!("search?{question}"));
        assert!(status == 400 || indices(&found).is_empty(), "{question}: {found}");
    }

    // Unlisted: the key still finds it, nothing else does, and nothing is kept.
    let (client, _) = signed_into(&server, &operator, &["--unlisted", "--name", "secret"]);
    assert_eq!(indices(&server.ask(200, "search?name=secret")), [0_u64; 0]);
    let der = bundle_key(&client.json(0, ["key", "show", "k.pem"]));
    let by_key = server.ask(200, &format!("search?key={}", hex::encode(HashAlgorithm::Sha256.digest(&der))));
    assert_eq!(indices(&by_key), [1]);
    assert!(by_key["entries"][0].get("model").is_none(), "{by_key}");
    server.ask(404, &format!("envelopes/{}", by_key["entries"][0]["digest"].as_str().unwrap()));
}

/// The SubjectPublicKeyInfo of what `key show` printed.
fn bundle_key(shown: &Value) -> Vec<u8> {
    let pem = shown["public_key"].as_str().unwrap();
    let lines = pem.lines().filter(|line| !line.starts_with("-----"));
    STANDARD.decode(lines.collect::<String>()).unwrap()
}

#[test]
fn many_entries_of_one_key_come_page_by_page() {
    let sandbox = instance("");
    let server = Server::serve(&sandbox);
    let (key, signer) = (log_key(&sandbox), Signer::new());
    for index in 0..25 {
        proven(&server.submit(&signer.rekord(&[index])), &key);
        proven(&server.submit(&Signer::new().rekord(&[index])), &key);
    }
    let fingerprint = hex::encode(signer.key.public_key().fingerprint());
    let (mut found, mut before) = (Vec::new(), String::new());
    loop {
        let page = server.ask(200, &format!("search?key={fingerprint}&limit=10{before}"));
        found.extend(indices(&page));
        let Some(next) = page["next"].as_str() else { break };
        before = format!("&before={next}");
    }
    assert_eq!(found, (0..25).rev().map(|index| index * 2).collect::<Vec<u64>>());
}

#[test]
fn w09_an_entry_is_found_by_the_identity_in_its_certificate() {
    let Some(openssl) = peer("openssl") else { return };
    let sandbox = instance("");
    let server = Server::serve(&sandbox);
    let made = Command::new(openssl)
        .args([
            "req",
            "-x509",
            "-newkey",
            "ec",
            "-pkeyopt",
            "ec_paramgen_curve:P-256",
            "-nodes",
            "-days",
            "1",
        ])
        .args(["-keyout", "c.key", "-out", "c.pem", "-subj", "/CN=x"])
        .args(["-addext", "subjectAltName=URI:https://ci.example/job,email:a@b.example"])
        .current_dir(sandbox.path())
        .output()
        .unwrap();
    assert!(made.status.success(), "{made:?}");
    let Ok(KeyFile::Plain(secret)) = KeyFile::parse(&fs::read(sandbox.at("c.key")).unwrap()) else {
        panic!()
    };
    let chain = sealwax_keys::Certificate::from_pem_chain(&fs::read(sandbox.at("c.pem")).unwrap()).unwrap();
    let signer = Signer { key: secret };
    let mut request = signer.rekord(b"artifact");
    request["hashedRekordRequestV002"]["signature"]["verifier"] = json!({
        "x509Certificate": {"rawBytes": STANDARD.encode(chain[0].der())},
        "keyDetails": "PKIX_ECDSA_P256_SHA_256",
    });
    proven(&server.submit(&request), &log_key(&sandbox));
    for (identity, expected) in [
        ("https://ci.example/job", 1),
        ("a@b.example", 1),
        ("https://ci.example", 0),
        ("A@b.example", 0),
        ("x", 0),
    ] {
        let found = server.ask(200, &format!("search?identity={identity}"));
        assert_eq!(indices(&found).len(), expected, "{identity}: {found}");
    }
}

/// An envelope, and the request that logs the signature behind it.
pub(crate) fn envelope(signer: &Signer, payload: &[u8]) -> (Envelope, Value) {
    let envelope = Envelope::in_toto(
        payload.to_vec(),
        signer.key.sign(&pae("application/vnd.in-toto+json", payload)).unwrap(),
    );
    let request = json!({"hashedRekordRequestV002": {
        "digest": STANDARD.encode(HashAlgorithm::Sha256.digest(&envelope.pae())),
        "signature": {"content": STANDARD.encode(&envelope.signature), "verifier": signer.verifier()},
    }});
    (envelope, request)
}

/// Sends an envelope to be kept.
pub(crate) fn leave(server: &Server, text: &str) -> Answer {
    http::post(server.address, "/api/sealwax/v1/envelopes", text.as_bytes()).unwrap()
}

#[test]
fn only_the_statement_behind_an_entry_is_kept() {
    let sandbox = instance("[envelopes]\nmax_bytes = 4000\nmax_total = 3000\n");
    let server = Server::serve(&sandbox);
    let (key, signer) = (log_key(&sandbox), Signer::new());
    let payload = br#"{"_type":"https://in-toto.io/Statement/v1"}"#;
    let (logged, request) = envelope(&signer, payload);
    assert_eq!(leave(&server, &logged.to_json()).status, 404, "nothing is logged yet");
    proven(&server.submit(&request), &key);

    let (again, _) = envelope(&Signer::new(), payload);
    let other = Envelope { payload: b"{}".to_vec(), ..logged.clone() };
    let kind = Envelope { payload_type: "text/plain".to_owned(), ..logged.clone() };
    for (what, envelope) in
        [("another signature", &again), ("another payload", &other), ("another type", &kind)]
    {
        assert_eq!(leave(&server, &envelope.to_json()).status, 404, "{what}");
    }
    for text in ["", "{}", "[]", "{\"payload\":1}"] {
        assert_eq!(leave(&server, text).status, 400, "{text}");
    }
    let digest = hex::encode(HashAlgorithm::Sha256.digest(&logged.pae()));
    server.ask(404, &format!("envelopes/{digest}"));
    let kept = leave(&server, &logged.to_json());
    assert_eq!((kept.status, kept.json()), (201, json!({"logIndex": "0", "digest": digest})));
    // Twice is once, and surplus fields are not kept.
    assert_eq!(leave(&server, &logged.to_json()).status, 201);
    let stored = get(server.address, &format!("/api/sealwax/v1/envelopes/{digest}"));
    assert_eq!(Envelope::from_text(&stored.body).unwrap(), logged);

    let (large, request) = envelope(&signer, format!("{{\"x\":\"{}\"}}", "y".repeat(4000)).as_bytes());
    proven(&server.submit(&request), &key);
    assert_eq!(leave(&server, &large.to_json()).status, 413);
    let mut statuses = Vec::new();
    for number in 0..4 {
        let text = format!("{{\"x\":\"{}{number}\"}}", "y".repeat(600));
        let (envelope, request) = envelope(&signer, text.as_bytes());
        proven(&server.submit(&request), &key);
        statuses.push(leave(&server, &envelope.to_json()).status);
    }
    assert_eq!(statuses[0], 201, "{statuses:?}");
    assert_eq!(statuses[3], 507, "{statuses:?}");
    drop(server);

    set(&sandbox, "[envelopes]\nkeep = false\n");
    let server = Server::serve(&sandbox);
    assert_eq!(leave(&server, &logged.to_json()).status, 404);
}

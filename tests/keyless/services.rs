//! Which services are asked, in which order, and what happens when some do not answer.

use std::process::Command;

use sealwax_attestation::{Selector, Service, SigningConfig};
use sealwax_tests::Run;
use sealwax_tests::loopback::Reply;
use sealwax_tests::sigstore::Sigstore;
use serde_json::{Value, json};

use crate::Deployment;

fn bundle(deployment: &Deployment) -> Value {
    let text = std::fs::read(deployment.client.at("m/model.sig")).unwrap();
    std::fs::remove_file(deployment.client.at("m/model.sig")).unwrap();
    serde_json::from_slice(&text).unwrap()
}

fn signs(mut command: Command) -> Run {
    let run = Run::from(command.output().unwrap());
    assert_eq!(run.code, Some(0), "{run:?}");
    run
}

fn timestamps(bundle: &Value) -> usize {
    let data = &bundle["verificationMaterial"]["timestampVerificationData"]["rfc3161Timestamps"];
    data.as_array().map_or(0, Vec::len)
}

/// An address that nobody answers at.
fn nobody(service: Service) -> Service {
    Service { url: "http://127.0.0.1:1/x".to_owned(), ..service }
}

#[test]
fn the_bundle_is_what_other_clients_write() {
    let deployment = Deployment::start();
    signs(deployment.sign());
    let bundle = bundle(&deployment);
    assert_eq!(bundle["mediaType"], "application/vnd.dev.sigstore.bundle.v0.3+json");
    let material = &bundle["verificationMaterial"];
    assert!(material["certificate"]["rawBytes"].is_string(), "{material}");
    assert!(material.get("x509CertificateChain").is_none() && material.get("publicKey").is_none());
    assert_eq!(
        material["tlogEntries"][0]["kindVersion"],
        json!({"kind": "hashedrekord", "version": "0.0.2"})
    );
    assert_eq!(timestamps(&bundle), 1);
    let asked = deployment.sigstore.requests();
    let posts: Vec<_> = asked.iter().map(|request| request.path.as_str()).collect();
    assert_eq!(posts, ["/api/v2/signingCert", "/api/v1/timestamp", "/api/v2/log/entries"]);
    // The token is for the authority alone.
    let bearers = asked.iter().filter(|request| !request.header("authorization").is_empty()).count();
    assert_eq!(bearers, 1);
}

#[test]
fn settings_come_as_one_file_or_as_two() {
    let deployment = Deployment::start();
    deployment.client.write("token", deployment.issuer.email("alice@example.com"));
    let token = ["--identity-token", "token"];
    let parts = ["sign", "m", "--signing-config", "config.json", "--trusted-root", "root.json"];
    signs(deployment.client.command([&parts[..], &token].concat()));
    bundle(&deployment);
    let url = deployment.sigstore.url();
    let instance = ["sign", "m", "--instance", &url, "--trusted-root", "root.json"];
    signs(deployment.client.command([&instance[..], &token].concat()));
    assert_eq!(timestamps(&bundle(&deployment)), 1);
    for (arguments, why) in [
        (&["sign", "m", "--signing-config", "config.json"][..], "--trusted-root"),
        (
            &["sign", "m", "--trust-config", "config.json", "--identity-token", "token"],
            "client trust configuration",
        ),
        (
            &["sign", "m", "--signing-config", "root.json", "--trusted-root", "root.json"],
            "signing configuration",
        ),
        (&["sign", "m", "--identity-token", "token"], "--trust-config"),
        (
            &["sign", "m", "--trust-config", "trust.json", "--trusted-root", "root.json"],
            "cannot be used with",
        ),
        (
            &["sign", "m", "--trust-config", "trust.json", "--key", "k.pem", "--identity-token", "token"],
            "cannot be used",
        ),
        (&instance, "--identity-token"),
    ] {
        deployment.client.run(arguments).fails(2, why);
    }
    assert!(!deployment.client.instance().exists());
}

#[test]
fn a_key_signs_with_the_services_too() {
    let deployment = Deployment::start();
    deployment.client.ok(["key", "generate", "k.pem"]);
    signs(deployment.client.command(["sign", "m", "--trust-config", "trust.json", "--key", "k.pem"]));
    let shown = deployment.client.json(0, ["key", "show", "k.pem"]);
    deployment.client.write("k.pub", shown["public_key"].as_str().unwrap());
    deployment.client.ok(["verify", "m", "--key", "k.pub", "--trusted-root", "root.json"]);
    assert_eq!(timestamps(&bundle(&deployment)), 0);
}

#[test]
fn a_busy_service_is_asked_again() {
    let deployment = Deployment::start();
    for path in ["signingCert", "timestamp", "entries"] {
        let busy = Reply::Headers(503, "Retry-After: 1\r\n".to_owned());
        deployment.sigstore.trouble(path, 2, busy);
        signs(deployment.sign());
        bundle(&deployment);
    }
    let always = Reply::Headers(503, "Retry-After: 0\r\n".to_owned());
    deployment.sigstore.trouble("entries", 1_000, always);
    deployment.refuses(deployment.sign(), 3, "503");
}

#[test]
fn so_many_time_stamps_as_the_configuration_says() {
    let deployment = Deployment::start();
    let config = deployment.sigstore.config(&deployment.issuer.url());
    let good = |operator| deployment.sigstore.service("/api/v1/timestamp", 1, operator);
    let with = |selector, authorities: Vec<Service>| {
        let config = SigningConfig {
            timestamp_authorities: authorities,
            timestamp_selector: selector,
            ..config.clone()
        };
        deployment.sigstore.hand_out(&deployment.client, config);
        deployment.sign()
    };
    let two = Selector::Exact(2.try_into().unwrap());
    // Any one: the first that answers.
    signs(with(Selector::Any, vec![nobody(good("a")), good("b"), good("c")]));
    assert_eq!(timestamps(&bundle(&deployment)), 1);
    signs(with(Selector::All, vec![good("a"), good("b"), good("c")]));
    assert_eq!(timestamps(&bundle(&deployment)), 3);
    signs(with(two, vec![good("a"), nobody(good("b")), good("c")]));
    assert_eq!(timestamps(&bundle(&deployment)), 2);
    for (selector, authorities, why) in [
        (Selector::All, vec![good("a"), nobody(good("b"))], "127.0.0.1:1"),
        (two, vec![good("a"), nobody(good("b"))], "127.0.0.1:1"),
        (Selector::Any, vec![nobody(good("a")), nobody(good("b"))], "these did not answer"),
    ] {
        deployment.refuses(with(selector, authorities), 3, why);
    }
    // Two of one operator are one.
    let mut command = with(two, vec![good("a"), good("a")]);
    Run::from(command.output().unwrap()).fails(2, "2 of the kind time-stamping authority needed");
    assert_eq!(deployment.sigstore.size(), 3);
}

#[test]
fn m02_without_anybody_who_says_when_nothing_is_signed() {
    let deployment = Deployment::start();
    let config = deployment.sigstore.config(&deployment.issuer.url());
    let undated = SigningConfig { timestamp_authorities: Vec::new(), ..config.clone() };
    deployment.sigstore.hand_out(&deployment.client, undated.clone());
    deployment.refuses(deployment.sign(), 3, "nothing proves when");
    // A Rekor v1 log says when it took the entry.
    let logs = vec![deployment.sigstore.service("", 1, "one")];
    deployment.sigstore.hand_out(&deployment.client, SigningConfig { logs, ..undated });
    signs(deployment.sign());
    deployment.verifies("alice@example.com");
}

#[test]
fn a_rekor_v1_log_takes_the_envelope() {
    let deployment = Deployment::start();
    let config = deployment.sigstore.config(&deployment.issuer.url());
    let logs = vec![deployment.sigstore.service("", 1, "one")];
    deployment.sigstore.hand_out(&deployment.client, SigningConfig { logs, ..config });
    signs(deployment.sign());
    deployment.verifies("alice@example.com");
    let entry = bundle(&deployment)["verificationMaterial"]["tlogEntries"][0].clone();
    assert_eq!(entry["kindVersion"], json!({"kind": "dsse", "version": "0.0.1"}));
    assert!(entry["inclusionPromise"]["signedEntryTimestamp"].is_string(), "{entry}");
    // An entry that is there already is fetched from where the log says, in the same log and nowhere else.
    let id = "24296fb24b8ad77a".repeat(5);
    let elsewhere = format!("Location: https://evil.example/api/v1/log/entries/{id}\r\n");
    deployment.sigstore.trouble("entries", 1, Reply::Headers(409, elsewhere));
    signs(deployment.sign());
    let fetched = deployment.sigstore.requests().last().unwrap().path.clone();
    assert_eq!(fetched, format!("/api/v1/log/entries/{id}"));
    bundle(&deployment);
    deployment.sigstore.lie(Some(sealwax_tests::sigstore::Lie::OtherEntry));
    deployment.refuses(deployment.sign(), 4, "does not prove");
}

#[test]
fn the_next_log_stands_in_for_one_that_is_down() {
    let deployment = Deployment::start();
    let config = deployment.sigstore.config(&deployment.issuer.url());
    let log = |operator| deployment.sigstore.service("", 2, operator);
    let logs = vec![nobody(log("a")), log("b")];
    deployment.sigstore.hand_out(&deployment.client, SigningConfig { logs, ..config.clone() });
    signs(deployment.sign());
    deployment.verifies("alice@example.com");
    bundle(&deployment);
    // Of a version that nobody speaks, or of yesterday.
    let mut retired = log("b");
    retired.valid_until = Some("2026-01-02T00:00:00Z".parse().unwrap());
    for logs in [vec![Service { api_version: 3, ..log("a") }], vec![retired], Vec::new()] {
        deployment.sigstore.hand_out(&deployment.client, SigningConfig { logs, ..config.clone() });
        Run::from(deployment.sign().output().unwrap()).fails(2, "1 of the kind log needed");
        deployment.signed_nothing();
    }
    // A bundle has one entry, so nothing is begun that would need two.
    let logs = vec![log("a"), log("b")];
    let both = SigningConfig { logs, log_selector: Selector::All, ..config };
    deployment.sigstore.hand_out(&deployment.client, both);
    let asked = deployment.sigstore.requests().len();
    Run::from(deployment.sign().output().unwrap()).fails(2, "2 logs");
    assert_eq!(deployment.sigstore.requests().len(), asked);
}

#[test]
fn k10_a_token_is_not_sent_over_an_open_line() {
    let deployment = Deployment::start();
    let config = deployment.sigstore.config(&deployment.issuer.url());
    let authority =
        Service { url: "http://ca.example".to_owned(), ..deployment.sigstore.service("", 1, "one") };
    let config = SigningConfig { certificate_authorities: vec![authority], ..config };
    deployment.sigstore.hand_out(&deployment.client, config);
    let run = Run::from(deployment.sign().output().unwrap());
    run.fails(2, "https only");
    deployment.signed_nothing();
}

#[test]
fn k11_what_one_deployment_answers_is_nothing_to_who_trusts_another() {
    let deployment = Deployment::start();
    let other = Sigstore::start();
    deployment.client.write("root.json", other.root().to_json());
    deployment.client.write("token", deployment.issuer.email("alice@example.com"));
    let parts = ["sign", "m", "--signing-config", "config.json", "--trusted-root", "root.json"];
    let command = deployment.client.command([&parts[..], &["--identity-token", "token"]].concat());
    deployment.refuses(command, 3, "does not verify");
    assert_eq!(deployment.sigstore.size(), 0);
}

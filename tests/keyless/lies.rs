//! Services that answer something else than the truth: nothing is written, and nothing goes into a log before the certificate
//! and the signature verify.

use sealwax_tests::loopback::Reply;
use sealwax_tests::sigstore::Lie;
use serde_json::json;

use crate::Deployment;

#[test]
fn c12_what_the_authorities_answer_must_be_for_this_key_this_person_and_this_signature() {
    let deployment = Deployment::start();
    for (lie, why) in [
        (Lie::OtherKey, "another key"),
        (Lie::OtherIdentity, "not an allowed identity"),
        (Lie::OtherIssuer, "no allowed identity has that issuer"),
        (Lie::OtherAuthority, "does not verify"),
        (Lie::OtherCertificateLog, "not publicly known"),
        (Lie::OtherNonce, "another request"),
        (Lie::OtherBytes, "other bytes"),
        (Lie::OtherTime, "nothing proves when"),
        (Lie::Ahead(120), "lies in the future"),
        (Lie::Ahead(-3_600), "does not verify"),
    ] {
        deployment.sigstore.lie(Some(lie.clone()));
        let run = deployment.refuses(deployment.sign(), 3, why);
        assert!(!run.stderr.contains("bug"), "{lie:?}: {run:?}");
        assert_eq!(deployment.sigstore.size(), 0, "{lie:?}: logged before it was verified");
    }
}

#[test]
fn m03_a_clock_that_is_a_little_ahead_is_waited_for() {
    let deployment = Deployment::start();
    deployment.sigstore.lie(Some(Lie::Ahead(3)));
    assert!(deployment.sign().status().unwrap().success());
    deployment.verifies("alice@example.com");
}

#[test]
fn t03_a_log_that_answers_with_another_entry_has_misbehaved() {
    let deployment = Deployment::start();
    deployment.sigstore.lie(Some(Lie::OtherEntry));
    deployment.refuses(deployment.sign(), 4, "does not prove that the entry is in the log");
    // Of a log that nobody has vouched for, nothing is known.
    deployment.sigstore.lie(Some(Lie::OtherLog));
    deployment.refuses(deployment.sign(), 1, "T07-log-unknown");
}

#[test]
fn i03_an_expected_identity_must_be_the_one_that_is_certified() {
    let deployment = Deployment::start();
    let sign = |identity: &str| {
        let mut command = deployment.sign();
        command.args(["--identity", identity]);
        command
    };
    for other in ["Alice@example.com", "alice@example.com ", "bob@example.com", "https://alice@example.com"] {
        deployment.refuses(sign(other), 3, "not an allowed identity");
    }
    assert_eq!(deployment.sigstore.size(), 0);
    assert!(sign("alice@example.com").status().unwrap().success());
}

#[test]
fn h06_answers_that_are_none_are_refused() {
    let deployment = Deployment::start();
    for path in ["signingCert", "timestamp", "entries"] {
        for (reply, why) in [
            (Reply::page(), ""),
            (Reply::json(200, &json!({})), ""),
            (Reply::Headers(204, String::new()), "204"),
            (Reply::json(404, &json!({"message": "nothing here"})), "nothing here"),
            (Reply::json(500, &json!({"message": "busy\u{1b}[31m"})), "500"),
            (Reply::redirect("https://evil.example/"), "302"),
            (Reply::redirect("http://127.0.0.1:1/"), "302"),
            (Reply::Endless, "longer than"),
        ] {
            deployment.sigstore.trouble(path, 1, reply);
            let run = deployment.refuses(deployment.sign(), 3, why);
            assert!(!run.stderr.contains('\u{1b}'), "{run:?}");
        }
    }
    assert!(deployment.sign().status().unwrap().success());
}

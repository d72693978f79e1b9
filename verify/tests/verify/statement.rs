//! The signed statement against itself: rightly signed and logged, and still not to be believed.

use serde_json::{Value, json};

use sealwax_keys::HashAlgorithm;
use sealwax_verify::{Fault, Rejection};

use crate::world::{FILES, World, envelope_mut, hashed, manifest};

/// The verdict on a statement that its signer changed before signing and logging it.
fn verdict(change: impl FnOnce(&mut Value)) -> Result<(), Rejection> {
    let mut world = World::new();
    let bundle = world.bundle(world.sign_changed(change));
    world.verdict(&bundle)?.confirm(&hashed(&FILES)).map(drop)
}

/// The digest of a list's digests under another hash than the root's.
fn root(hash: HashAlgorithm) -> String {
    let digests: Vec<u8> = manifest(&FILES).resources().iter().flat_map(|line| line.digest.clone()).collect();
    hex::encode(hash.digest(&digests))
}

#[test]
fn d10_a_root_that_is_not_the_lists_is_refused() {
    for wrong in ["00".repeat(32), root(HashAlgorithm::Sha256).replacen(['0', '1', '2', '3'], "4", 1)] {
        let found = verdict(|json| json["subject"][0]["digest"]["sha256"] = json!(wrong));
        assert_refused!(found, "D14-root-digest", Rejection::RootDigest { algorithm } if algorithm == "sha256");
    }
    let rejection = Rejection::RootDigest { algorithm: "sha256".to_owned() };
    assert_eq!(rejection.fault(), Fault::Changed);
}

#[test]
fn d10_a_list_that_is_not_the_roots_is_refused() {
    let swapped = |json: &mut Value| {
        let digest = json["predicate"]["resources"][1]["digest"].take();
        json["predicate"]["resources"][1]["digest"] = json["predicate"]["resources"][2]["digest"].take();
        json["predicate"]["resources"][2]["digest"] = digest;
    };
    assert_refused!(verdict(swapped), "D14-root-digest", Rejection::RootDigest { .. });
    let shorter = |json: &mut Value| drop(json["predicate"]["resources"].as_array_mut().unwrap().pop());
    assert_refused!(verdict(shorter), "D14-root-digest", Rejection::RootDigest { .. });
}

#[test]
fn d14_every_known_digest_of_the_subject_must_hold() {
    let with = |algorithm: &'static str, value: String| {
        verdict(move |json| json["subject"][0]["digest"][algorithm] = json!(value))
    };
    for (name, hash) in [("sha384", HashAlgorithm::Sha384), ("sha512", HashAlgorithm::Sha512)] {
        with(name, root(hash)).unwrap();
        for wrong in
            ["00".repeat(hash.len()), root(hash).to_uppercase(), root(HashAlgorithm::Sha256), String::new()]
        {
            assert_refused!(with(name, wrong), "D14-root-digest", Rejection::RootDigest { algorithm } if algorithm == name);
        }
    }
    // What is not known says nothing, right or wrong.
    with("dirHash1", "h1:anything".to_owned()).unwrap();
    with("SHA512", "anything".to_owned()).unwrap();
}

#[test]
fn d14_a_subject_with_weak_digests_only_is_refused() {
    let found = verdict(|json| json["subject"][0]["digest"] = json!({"md5": "00", "sha1": "00"}));
    assert_refused!(found, "B08-missing-field", Rejection::Malformed(_));
}

#[test]
fn d18_the_order_of_the_list_is_the_signers() {
    // Reordered after the root was made: the root is over the listed order.
    let reordered = |json: &mut Value| json["predicate"]["resources"].as_array_mut().unwrap().reverse();
    assert_refused!(verdict(reordered), "D14-root-digest", Rejection::RootDigest { .. });
    // In another order from the start: the same files, by another root.
    let reversed: Vec<_> = FILES.iter().rev().copied().collect();
    let root = hex::encode(manifest(&reversed).root_digest());
    let other_order = |json: &mut Value| {
        reordered(json);
        json["subject"][0]["digest"]["sha256"] = json!(root);
    };
    verdict(other_order).unwrap();
}

#[test]
fn d08_a_rightly_signed_statement_about_something_else_is_refused() {
    type Change = fn(&mut Value);
    let changes: [(&str, Change); 9] = [
        ("D08-not-a-model-statement", |json| json["predicateType"] = json!("https://slsa.dev/provenance/v1")),
        ("D08-not-a-model-statement", |json| json["_type"] = json!("https://in-toto.io/Statement/v2")),
        ("D08-not-a-model-statement", |json| {
            let subject = json["subject"][0].clone();
            json["subject"] = json!([subject.clone(), subject]);
        }),
        ("D08-not-a-model-statement", |json| json["subject"] = json!([])),
        ("F01-manifest", |json| json["predicate"]["resources"] = json!([])),
        ("F01-manifest", |json| json["predicate"]["resources"][0]["name"] = json!("../config.json")),
        ("D13-shape", |json| json["predicate"]["resources"][0]["digest"] = json!("AB")),
        ("D16-unsupported", |json| json["predicate"]["serialization"]["method"] = json!("chunks")),
        ("B08-missing-field", |json| drop(json.as_object_mut().unwrap().remove("predicate"))),
    ];
    for (code, change) in changes {
        let rejection = verdict(change).unwrap_err();
        assert_eq!(rejection.code(), code, "{rejection}");
        assert_eq!(rejection.fault(), Fault::Malformed);
    }
}

#[test]
fn d08_the_statement_is_read_only_after_its_signature_held() {
    let mut world = World::new();
    let mut bundle = world.good();
    envelope_mut(&mut bundle).payload = b"not even json".to_vec();
    assert_refused!(world.verdict(&bundle), "D01-signature-invalid", Rejection::SignatureInvalid);
    let bundle = world.bundle(world.sign(b"not even json"));
    assert_refused!(world.verdict(&bundle), "B09-not-json", Rejection::Malformed(_));
}

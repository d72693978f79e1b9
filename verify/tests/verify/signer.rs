//! Whose key must have signed, and what a bundle may say about it.

use sealwax_attestation::{Bundle, VerificationMaterial};
use sealwax_keys::{KeyKind, SecretKey};
use sealwax_verify::{Fault, LogRequirement, Policy, Rejection, Signer, Signers, TrustedKey};

use crate::world::{FILES, World, envelope_mut, hashed};

pub(crate) fn hint(hint: &str) -> VerificationMaterial {
    VerificationMaterial::PublicKey { hint: hint.to_owned(), key: None }
}

/// A policy of a world whose keys are the world's and that of another.
fn two_keys(world: &World) -> (Policy, SecretKey) {
    let other = SecretKey::generate(KeyKind::P256).unwrap();
    let Signers::Keys(mut keys) = world.policy.signers.clone() else { panic!() };
    keys.push(TrustedKey { name: "second key".to_owned(), key: other.public_key().clone() });
    (Policy { signers: Signers::Keys(keys), ..world.policy.clone() }, other)
}

#[test]
fn k07_a_hint_must_be_the_trusted_keys() {
    let mut world = World::new();
    let good = world.good();
    let right = world.key.public_key().oms_hint();
    let other = SecretKey::generate(KeyKind::P256).unwrap().public_key().oms_hint();
    let fingerprint = world.key.public_key().fingerprint().map(|byte| format!("{byte:02x}")).concat();
    for wrong in [
        other,
        right.to_uppercase(),
        right[..63].to_owned(),
        format!("{right} "),
        fingerprint,
        "x".to_owned(),
    ] {
        let bundle = Bundle { material: hint(&wrong), ..good.clone() };
        assert_refused!(
            world.verdict(&bundle),
            "K07-key-not-trusted",
            Rejection::KeyNotTrusted { hint } if *hint == wrong
        );
    }
    assert_eq!(Rejection::KeyNotTrusted { hint: right }.fault(), Fault::Policy);
}

#[test]
fn k07_a_missing_hint_is_for_one_trusted_key() {
    let mut world = World::new();
    let bundle = Bundle { material: hint(""), ..world.good() };
    assert!(world.verdict(&bundle).is_ok());
    let (policy, _) = two_keys(&world);
    assert_refused!(
        world.verdict_with(&bundle, &policy),
        "K07-key-not-trusted",
        Rejection::KeyNotTrusted { .. }
    );
}

#[test]
fn k07_a_hint_chooses_among_several_keys() {
    let mut world = World::new();
    let bundle = world.good();
    let (policy, other) = two_keys(&world);
    let verified = world.verdict_with(&bundle, &policy).unwrap().confirm(&hashed(&FILES)).unwrap();
    assert!(matches!(verified.signer(), Signer::Key { name, .. } if name == "release key"));
    // Chosen by its hint, the other trusted key must then also have signed.
    let bundle = Bundle { material: hint(&other.public_key().oms_hint()), ..bundle };
    assert_refused!(
        world.verdict_with(&bundle, &policy),
        "D01-signature-invalid",
        Rejection::SignatureInvalid
    );
}

#[test]
fn k07_a_key_in_the_bundle_is_never_a_reason_to_trust_it() {
    let mut world = World::new();
    let good = world.good();
    let offering = |key: &SecretKey, hint: &str| Bundle {
        material: VerificationMaterial::PublicKey {
            hint: hint.to_owned(),
            key: Some(key.public_key().clone()),
        },
        ..good.clone()
    };
    let right = world.key.public_key().oms_hint();
    assert!(world.verdict(&offering(&world.key, "")).is_ok());
    assert!(world.verdict(&offering(&world.key, &right)).is_ok());
    let other = SecretKey::generate(KeyKind::P256).unwrap();
    for hint in ["", &right, &other.public_key().oms_hint()] {
        let bundle = offering(&other, hint);
        assert_refused!(world.verdict(&bundle), "K07-key-not-trusted", Rejection::KeyNotTrusted { .. });
    }
    // Signed with the offered key and logged, all is in order but that nobody trusts it.
    let mut stranger = World::new();
    let mut bundle = stranger.good();
    bundle.material =
        VerificationMaterial::PublicKey { hint: String::new(), key: Some(stranger.key.public_key().clone()) };
    assert!(stranger.verdict(&bundle).is_ok());
    stranger.policy = world.policy.clone();
    assert_refused!(stranger.verdict(&bundle), "K07-key-not-trusted", Rejection::KeyNotTrusted { .. });
}

#[test]
fn k07_without_a_hint_the_trusted_key_must_have_signed() {
    let world = World::new();
    let mut stranger = World::new();
    let bundle = Bundle { material: hint(""), ..stranger.good() };
    stranger.policy = world.policy;
    assert_refused!(stranger.verdict(&bundle), "D01-signature-invalid", Rejection::SignatureInvalid);
}

#[test]
fn k07_the_envelope_may_not_name_another_key_than_the_hint() {
    let mut world = World::new();
    let good = world.good();
    let right = world.key.public_key().oms_hint();
    let naming = |key_id: &str, hinted: &str| {
        let mut bundle = Bundle { material: hint(hinted), ..good.clone() };
        envelope_mut(&mut bundle).key_id = key_id.to_owned();
        bundle
    };
    assert!(world.verdict(&naming(&right, &right)).is_ok());
    assert!(world.verdict(&naming("a name of the signer's own", "")).is_ok());
    for wrong in ["x", &right.to_uppercase()] {
        assert_refused!(
            world.verdict(&naming(wrong, &right)),
            "K07-key-not-trusted",
            Rejection::KeyNotTrusted { hint } if hint == wrong
        );
    }
}

#[test]
fn x04_an_empty_list_of_keys_trusts_nobody() {
    let mut world = World::new();
    let good = world.good();
    let policy = Policy { signers: Signers::Keys(vec![]), ..world.policy.clone() };
    for bundle in [good.clone(), Bundle { material: hint(""), ..good }] {
        assert_refused!(
            world.verdict_with(&bundle, &policy),
            "K07-key-not-trusted",
            Rejection::KeyNotTrusted { .. }
        );
    }
}

#[test]
fn c14_the_mode_is_the_callers() {
    let mut world = World::new();
    let good = world.good();
    let chain =
        Bundle { material: VerificationMaterial::CertificateChain(vec![vec![0x30, 0]]), ..good.clone() };
    let identity = Bundle { material: VerificationMaterial::Certificate(vec![0x30, 0]), ..good.clone() };
    let by_key = world.policy.clone();
    let by_chain = Policy {
        signers: Signers::CertificateChain { anchors: vec![], signed_at: None },
        log: LogRequirement::Waived,
        ignored: vec![],
    };
    for (policy, bundle, wanted, offered) in [
        (&by_key, &chain, "a key", "a certificate chain"),
        (&by_key, &identity, "a key", "a Sigstore identity certificate"),
        (&by_chain, &good, "a certificate chain", "a key"),
        (&by_chain, &identity, "a certificate chain", "a Sigstore identity certificate"),
    ] {
        assert_refused!(
            world.verdict_with(bundle, policy),
            "C14-other-mode",
            Rejection::OtherMode { expected, found } if *expected == wanted && *found == offered
        );
    }
}

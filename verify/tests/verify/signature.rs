//! What was signed, and with which scheme.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use p384::ecdsa::signature::hazmat::PrehashSigner as _;
use p384::pkcs8::EncodePublicKey as _;

use sealwax_attestation::{Bundle, Content, Envelope, pae};
use sealwax_keys::{HashAlgorithm, KeyKind, PublicKey, Scheme};
use sealwax_verify::{Fault, Form, Rejection, Signer, Signers, TrustedKey};

use crate::world::{FILES, World, envelope, envelope_mut, hashed};

const IN_TOTO: &str = "application/vnd.in-toto+json";

/// A bundle whose signature is over `message`, logged with that signature.
fn signed_over(world: &mut World, message: &[u8]) -> Bundle {
    let envelope = Envelope::in_toto(world.payload(), world.key.sign(message).unwrap());
    world.bundle(envelope)
}

#[test]
fn good_bundles_are_accepted_with_every_kind_of_key() {
    for (kind, scheme) in [
        (KeyKind::P256, Scheme::EcdsaP256Sha256),
        (KeyKind::P384, Scheme::EcdsaP384Sha384),
        (KeyKind::Ed25519, Scheme::Ed25519Ph),
    ] {
        let mut world = World::with_key(kind);
        let bundle = world.good();
        // Also after a walk through the file's form.
        let bundle = Bundle::from_json(bundle.to_json().as_bytes()).unwrap();
        let verified = world.verdict(&bundle).unwrap().confirm(&hashed(&FILES)).unwrap();
        assert_eq!(verified.form(), Form::Dsse(scheme));
        assert!(matches!(verified.signer(), Signer::Key { name, key }
            if name == "release key" && key == world.key.public_key()));
        let included = verified.included().unwrap();
        assert_eq!((included.origin(), included.index(), included.tree_size()), ("log.example", 3, 5));
        assert_eq!(included.log_id(), world.root.logs[0].log_id);
        assert!(included.witnesses().is_empty());
        assert_eq!((verified.files(), verified.bytes(), verified.unchecked().len()), (3, 21, 0));
        assert_eq!(verified.statement().name.as_deref(), Some("my-model"));
    }
}

#[test]
fn d01_a_signature_over_anything_but_the_encoding_is_refused() {
    let mut world = World::new();
    let payload = world.payload();
    let base64 = STANDARD.encode(&payload);
    let upper = [b"DSSEV1".as_slice(), &pae(IN_TOTO, &payload)[6..]].concat();
    for (what, message) in [
        ("the bare payload", payload.clone()),
        ("the payload's base64", base64.clone().into_bytes()),
        ("the encoding of the base64", pae(IN_TOTO, base64.as_bytes())),
        ("the encoding under another type", pae("application/json", &payload)),
        ("the encoding under a type with a space", pae("application/vnd.in-toto+json ", &payload)),
        ("the encoding of another payload", pae(IN_TOTO, b"{}")),
        ("the encoding with another version", upper),
        ("the encoding's hash", HashAlgorithm::Sha256.digest(&pae(IN_TOTO, &payload))),
        ("nothing", Vec::new()),
    ] {
        let bundle = signed_over(&mut world, &message);
        let found = world.verdict(&bundle);
        assert!(found.is_err(), "{what}");
        assert_refused!(found, "D01-signature-invalid", Rejection::SignatureInvalid);
    }
    assert_eq!(Rejection::SignatureInvalid.fault(), Fault::Changed);
}

#[test]
fn d01_a_changed_payload_or_signature_is_refused() {
    let mut world = World::new();
    let good = world.good();
    let bytes = [(&envelope(&good).payload, false), (&envelope(&good).signature, true)];
    for (original, is_signature) in bytes {
        for at in 0..original.len() {
            let mut changed = original.clone();
            changed[at] ^= 1;
            let envelope = match is_signature {
                true => Envelope { signature: changed, ..envelope(&good).clone() },
                false => Envelope { payload: changed, ..envelope(&good).clone() },
            };
            let bundle = Bundle { content: Content::Envelope(envelope), ..good.clone() };
            assert_refused!(world.verdict(&bundle), "D01-signature-invalid", Rejection::SignatureInvalid);
        }
    }
    for signature in [
        vec![],
        vec![0],
        envelope(&good).signature[1..].to_vec(),
        [&envelope(&good).signature[..], &[0]].concat(),
    ] {
        let envelope = Envelope { signature, ..envelope(&good).clone() };
        let bundle = Bundle { content: Content::Envelope(envelope), ..good.clone() };
        assert_refused!(world.verdict(&bundle), "D01-signature-invalid", Rejection::SignatureInvalid);
    }
}

#[test]
fn d03_another_payload_type_is_refused_signed_or_not() {
    let mut world = World::new();
    let good = world.good();
    for payload_type in [
        "",
        "application/json",
        "Application/vnd.in-toto+json",
        "application/vnd.in-toto+JSON",
        "application/vnd.in-toto+json ",
        " application/vnd.in-toto+json",
        "application/vnd.in-toto+json; charset=utf-8",
        "application/vnd.in-toto+json\n",
        "application/vnd.in-toto.v1+json",
    ] {
        let renamed = Envelope { payload_type: payload_type.to_owned(), ..envelope(&good).clone() };
        let unsigned = Bundle { content: Content::Envelope(renamed.clone()), ..good.clone() };
        assert_refused!(world.verdict(&unsigned), "D03-payload-type", Rejection::PayloadType(found) if found == payload_type);
        // Rightly signed and logged under that type, it is still no statement.
        let signature = world.key.sign(&renamed.pae()).unwrap();
        let signed = world.bundle(Envelope { signature, ..renamed });
        assert_refused!(world.verdict(&signed), "D03-payload-type", Rejection::PayloadType(_));
    }
}

#[test]
fn d05_an_envelope_has_exactly_one_signature() {
    let mut world = World::new();
    let text = world.good().to_json();
    let (head, rest) = text.split_once(r#""signatures":["#).unwrap();
    let (good, tail) = rest.split_once(']').unwrap();
    let other = good.replace("\"sig\":\"M", "\"sig\":\"N");
    assert_ne!(good, other);
    for signatures in
        [String::new(), format!("{good},{good}"), format!("{good},{other}"), format!("{other},{good}")]
    {
        let text = format!(r#"{head}"signatures":[{signatures}]{tail}"#);
        let found = Bundle::from_json(text.as_bytes()).map_err(Rejection::from);
        assert_refused!(found, "D05-signature-count", Rejection::Malformed(_));
    }
}

#[test]
fn d11_the_signature_is_over_the_bytes_as_they_came() {
    let mut world = World::new();
    // The same statement in other bytes: spaces, another order of fields, an escaped letter.
    let text = String::from_utf8(world.payload()).unwrap();
    let value: serde_json::Value = serde_json::from_str(&text).unwrap();
    for other in
        [text.replace("\":", "\" : "), format!("{value:#}"), text.replace("my-model", "\\u006dy-model")]
    {
        assert_ne!(other, text);
        let bundle = world.bundle(world.sign(other.as_bytes()));
        let authentic = world.verdict(&bundle).unwrap();
        assert_eq!(authentic.statement().name.as_deref(), Some("my-model"));
        // Signed in one spelling, sent in the other.
        let envelope = Envelope { payload: text.clone().into_bytes(), ..envelope(&bundle).clone() };
        let respelt = Bundle { content: Content::Envelope(envelope), ..bundle };
        assert_refused!(world.verdict(&respelt), "D01-signature-invalid", Rejection::SignatureInvalid);
    }
}

#[test]
fn d12_a_signed_payload_with_a_key_twice_is_refused() {
    let mut world = World::new();
    let text = String::from_utf8(world.payload()).unwrap();
    let doubled = text.replacen(r#""subject":"#, r#""subject":[],"subject":"#, 1);
    let bundle = world.bundle(world.sign(doubled.as_bytes()));
    assert_refused!(world.verdict(&bundle), "D12-duplicate-key", Rejection::Malformed(_));
}

#[test]
fn g06_p384_with_sha256_is_no_pair() {
    let mut world = World::with_key(KeyKind::P384);
    let key = p384::ecdsa::SigningKey::from_slice(&[7; 48]).unwrap();
    let public =
        PublicKey::from_spki_der(key.verifying_key().to_public_key_der().unwrap().as_bytes()).unwrap();
    world.policy.signers = Signers::Keys(vec![TrustedKey { name: "p384".to_owned(), key: public.clone() }]);
    let sign = |hash: HashAlgorithm, message: &[u8]| -> Vec<u8> {
        let signature: p384::ecdsa::DerSignature = key.sign_prehash(&hash.digest(message)).unwrap();
        signature.as_bytes().to_vec()
    };
    let unsigned = Envelope::in_toto(world.payload(), Vec::new());
    let world = world.waived();
    for (hash, good) in
        [(HashAlgorithm::Sha256, false), (HashAlgorithm::Sha384, true), (HashAlgorithm::Sha512, false)]
    {
        let envelope = Envelope { signature: sign(hash, &unsigned.pae()), ..unsigned.clone() };
        let mut bundle = world.unlogged(envelope);
        bundle.material = crate::signer::hint(&public.oms_hint());
        assert_eq!(world.verdict(&bundle).is_ok(), good, "{hash:?}");
    }
    // Nor is what model_signing 0.2 signed accepted from a key.
    let payload = crate::legacy::payload();
    let signature = sign(HashAlgorithm::Sha256, crate::legacy::message(&payload).as_bytes());
    let mut bundle = world.unlogged(Envelope::in_toto(payload.into_bytes(), signature));
    bundle.material = crate::signer::hint(&public.oms_hint());
    assert_refused!(world.verdict(&bundle), "D01-signature-invalid", Rejection::SignatureInvalid);
}

#[test]
fn g06_pure_ed25519_is_for_bundles_without_log() {
    let mut world = World::with_key(KeyKind::Ed25519);
    let unsigned = Envelope::in_toto(world.payload(), Vec::new());
    let signature = world.key.sign_with(Scheme::Ed25519, &unsigned.pae()).unwrap();
    let pure = Envelope { signature, ..unsigned };
    // A log has only the hash and can check no pure signature, so an entry about one is never honest.
    let logged = world.bundle(pure.clone());
    assert_refused!(world.verdict(&logged), "D01-signature-invalid", Rejection::SignatureInvalid);
    let unlogged = world.unlogged(pure);
    assert_refused!(world.verdict(&unlogged), "T05-log-entry-missing", Rejection::LogEntryMissing);
    let good = world.good();
    let world = world.waived();
    let verified = world.verdict(&unlogged).unwrap().confirm(&hashed(&FILES)).unwrap();
    assert_eq!(verified.form(), Form::Dsse(Scheme::Ed25519));
    assert!(verified.included().is_none());
    assert_refused!(world.verdict(&logged), "D01-signature-invalid", Rejection::SignatureInvalid);
    // The pre-hashed form is accepted both with and without a log.
    let prehashed = Bundle { log_entries: vec![], ..good.clone() };
    for bundle in [good, prehashed] {
        let verified = world.verdict(&bundle).unwrap().confirm(&hashed(&FILES)).unwrap();
        assert_eq!(verified.form(), Form::Dsse(Scheme::Ed25519Ph));
    }
}

#[test]
fn x08_the_same_input_gives_the_same_verdict_and_text() {
    let mut world = World::new();
    let good = world.good();
    let mut bad = vec![good.clone(); 3];
    envelope_mut(&mut bad[0]).payload[10] ^= 1;
    bad[1].log_entries.push(good.log_entries[0].clone());
    bad[2].log_entries[0].inclusion_proof.tree_size += 1;
    for _ in 0..100 {
        let verified = world.verdict(&good).unwrap().confirm(&hashed(&FILES)).unwrap();
        assert_eq!(verified.included().unwrap().index(), 3);
        for bundle in &bad {
            let said = |world: &World| {
                let rejection = world.verdict(bundle).map(drop).unwrap_err();
                (rejection.code(), rejection.fault(), rejection.to_string())
            };
            assert_eq!(said(&world), said(&world));
        }
        let differs = world.verdict(&good).unwrap().confirm(&hashed(&FILES[1..])).map(drop).unwrap_err();
        assert_eq!(differs.to_string(), "the model differs from what was signed");
    }
}

#[test]
fn x09_verdicts_in_many_threads_do_not_mix() {
    let mut worlds: Vec<World> = (0..16).map(|_| World::new()).collect();
    let bundles: Vec<Bundle> = worlds.iter_mut().map(World::good).collect();
    std::thread::scope(|scope| {
        for (own, world) in worlds.iter().enumerate() {
            let bundles = &bundles;
            scope.spawn(move || {
                for (other, bundle) in bundles.iter().enumerate().cycle().take(64) {
                    assert_eq!(world.verdict(bundle).is_ok(), own == other);
                }
            });
        }
    });
}

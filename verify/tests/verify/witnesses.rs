//! The quorum of witnesses.

use sealwax_attestation::Bundle;
use sealwax_keys::{KeyKind, SecretKey};
use sealwax_tlog::{Error, SignedNote, VerifierKey, WitnessPolicy};
use sealwax_verify::{Authentic, Fault, LogRequirement, Policy, Rejection};

use crate::world::{FILES, World, hashed};

const COSIGNED_AT: u64 = 1_790_000_000;

/// A witness with its key.
struct Witness {
    name: &'static str,
    key: SecretKey,
}

impl Witness {
    fn new(name: &'static str) -> Self {
        Self { name, key: SecretKey::generate(KeyKind::Ed25519).unwrap() }
    }

    /// The line of a policy that knows this witness by the same name.
    fn line(&self) -> String {
        format!(
            "witness {} {}\n",
            self.name,
            VerifierKey::from_cosigner(self.name, self.key.public_key()).unwrap()
        )
    }

    fn cosign(&self, note: &mut SignedNote) {
        note.cosign(self.name, &self.key, COSIGNED_AT).unwrap();
    }
}

/// A good bundle and two witnesses, W1 and W2.
struct Scene {
    world: World,
    bundle: Bundle,
    one: Witness,
    two: Witness,
}

impl Scene {
    fn new() -> Self {
        let mut world = World::new();
        let bundle = world.good();
        Self { world, bundle, one: Witness::new("W1"), two: Witness::new("W2") }
    }

    /// The verdict where these witnesses have cosigned and the policy ends with these lines.
    fn verdict(&self, cosigners: &[&Witness], quorum: &str) -> Result<Authentic, Rejection> {
        let mut note = self.world.log.signed();
        cosigners.iter().for_each(|witness| witness.cosign(&mut note));
        self.verdict_on(&String::from_utf8(note.to_bytes()).unwrap(), quorum)
    }

    fn verdict_on(&self, checkpoint: &str, quorum: &str) -> Result<Authentic, Rejection> {
        let text = format!("{}{}{quorum}", self.one.line(), self.two.line());
        let mut bundle = self.bundle.clone();
        bundle.log_entries[0].inclusion_proof.checkpoint = checkpoint.to_owned();
        let witnesses = Some(WitnessPolicy::parse(&text).unwrap());
        let policy = Policy { log: LogRequirement::Required { witnesses }, ..self.world.policy.clone() };
        self.world.verdict_with(&bundle, &policy)
    }

    fn witnesses(&self, cosigners: &[&Witness], quorum: &str) -> Vec<String> {
        let verified = self.verdict(cosigners, quorum).unwrap().confirm(&hashed(&FILES)).unwrap();
        verified.included().unwrap().witnesses().to_vec()
    }
}

const ANY: &str = "group g any W1 W2\nquorum g\n";
const BOTH: &str = "group g all W1 W2\nquorum g\n";

#[test]
fn t10_one_of_two_witnesses_is_enough_where_the_policy_says_so() {
    let scene = Scene::new();
    assert_eq!(scene.witnesses(&[&scene.one], ANY), ["W1"]);
    assert_eq!(scene.witnesses(&[&scene.two], ANY), ["W2"]);
    assert_eq!(scene.witnesses(&[&scene.two, &scene.one], ANY), ["W1", "W2"]);
    assert_eq!(scene.witnesses(&[&scene.two, &scene.one], BOTH), ["W1", "W2"]);
}

#[test]
fn t10_too_few_witnesses_are_refused() {
    let scene = Scene::new();
    for (cosigners, quorum) in [
        (&[][..], ANY),
        (&[], BOTH),
        (&[&scene.one][..], BOTH),
        (&[&scene.two], BOTH),
        (&[&scene.two], "quorum W1\n"),
        (&[&Witness::new("W1")], "quorum W1\n"),
        (&[&Witness::new("W3")], ANY),
    ] {
        assert_refused!(
            scene.verdict(cosigners, quorum),
            "T10-witness-quorum",
            Rejection::WitnessQuorum(Error::QuorumNotMet { .. })
        );
    }
    let rejection = scene.verdict(&[], ANY).map(drop).unwrap_err();
    assert_eq!(rejection.fault(), Fault::Policy);
}

#[test]
fn t10_one_witness_twice_counts_once() {
    let scene = Scene::new();
    assert_refused!(
        scene.verdict(&[&scene.one, &scene.one], BOTH),
        "T10-witness-quorum",
        Rejection::WitnessQuorum(Error::QuorumNotMet { cosigned, .. }) if *cosigned == ["W1"]
    );
    // At two times, and so with two signatures.
    let mut note = scene.world.log.signed();
    scene.one.cosign(&mut note);
    note.cosign("W1", &scene.one.key, COSIGNED_AT + 1).unwrap();
    assert_refused!(
        scene.verdict_on(&String::from_utf8(note.to_bytes()).unwrap(), BOTH),
        "T10-witness-quorum",
        Rejection::WitnessQuorum(Error::QuorumNotMet { .. })
    );
}

#[test]
fn t10_a_cosignature_of_another_checkpoint_spoils_the_note() {
    let mut scene = Scene::new();
    let good = scene.world.log.signed();
    scene.world.log.append(b"one more".to_vec());
    let mut later = scene.world.log.signed();
    scene.two.cosign(&mut later);
    let later = String::from_utf8(later.to_bytes()).unwrap();
    let line = later.lines().find(|line| line.contains(" W2 ")).unwrap();
    let mut note = good;
    scene.one.cosign(&mut note);
    let mixed = format!("{}{line}\n", String::from_utf8(note.to_bytes()).unwrap());
    for quorum in [ANY, BOTH] {
        assert_refused!(
            scene.verdict_on(&mixed, quorum),
            "T10-witness-quorum",
            Rejection::WitnessQuorum(Error::BadSignature { name }) if name == "W2"
        );
    }
}

#[test]
fn t10_witnesses_do_not_stand_in_for_the_log() {
    let scene = Scene::new();
    let mut note = scene.world.log.signed();
    scene.one.cosign(&mut note);
    let text = String::from_utf8(note.to_bytes()).unwrap();
    let (body, lines) = text.split_once("\n\n").unwrap();
    let without_log = format!("{body}\n\n{}\n", lines.lines().nth(1).unwrap());
    assert_refused!(scene.verdict_on(&without_log, ANY), "T08-checkpoint", Rejection::Checkpoint { .. });
}

#[test]
fn t10_a_policy_that_names_logs_wants_one_of_them() {
    let scene = Scene::new();
    let log = |log: &sealwax_attestation::LogInstance| format!("log {}\n", log.verifier_key().unwrap());
    let own = log(&scene.world.root.logs[0]);
    let other = log(&crate::world::Log::new("other.example").instance());
    assert!(scene.verdict(&[&scene.one], &format!("{own}{ANY}")).is_ok());
    assert!(scene.verdict(&[&scene.one], &format!("{other}{own}{ANY}")).is_ok());
    assert_refused!(
        scene.verdict(&[&scene.one], &format!("{other}{ANY}")),
        "T10-witness-quorum",
        Rejection::WitnessQuorum(Error::NoKnownSignature)
    );
}

#[test]
fn t10_without_a_witness_policy_no_witness_is_named() {
    let mut world = World::new();
    let mut bundle = world.good();
    let mut note = world.log.signed();
    Witness::new("W1").cosign(&mut note);
    bundle.log_entries[0].inclusion_proof.checkpoint = String::from_utf8(note.to_bytes()).unwrap();
    let verified = world.verdict(&bundle).unwrap().confirm(&hashed(&FILES)).unwrap();
    assert!(verified.included().unwrap().witnesses().is_empty());
}

#[test]
fn k09_the_logs_own_key_is_no_witness() {
    let scene = Scene::new();
    let log = &scene.world.log;
    let own = VerifierKey::from_cosigner(&log.origin, log.key.public_key()).unwrap();
    let mut note = log.signed();
    note.cosign(&log.origin, &log.key, COSIGNED_AT).unwrap();
    let checkpoint = String::from_utf8(note.to_bytes()).unwrap();
    let verdict = scene.verdict_on(&checkpoint, &format!("witness self {own}\nquorum self\n"));
    assert!(matches!(verdict, Err(Rejection::LogKeyAsWitness { .. })), "{verdict:?}");
}

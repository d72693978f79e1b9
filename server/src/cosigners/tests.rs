use sealwax_keys::{KeyKind, SecretKey};
use sealwax_tlog::{Error, HashReader, Node, proof};
use sealwax_witness::{Answer, Witness};

use super::*;

/// The leaves of one history of a log.
struct Leaves {
    history: u64,
}

impl HashReader for Leaves {
    type Error = Error;

    fn read(&self, wanted: &[Node]) -> Result<Vec<Hash>, Error> {
        Ok(wanted.iter().map(|node| self.hash(node.level, node.index)).collect())
    }
}

impl Leaves {
    fn hash(&self, level: u8, index: u64) -> Hash {
        if level == 0 {
            return Hash::leaf(&[index.to_be_bytes(), self.history.to_be_bytes()].concat());
        }
        Hash::node(&self.hash(level - 1, 2 * index), &self.hash(level - 1, 2 * index + 1))
    }
}

/// Witnesses of one log, reachable through [`Post`], and ways to make them fail.
struct Network {
    witnesses: BTreeMap<String, (Witness, tempfile::TempDir)>,
    /// What a URL answers instead of its witness.
    canned: Mutex<BTreeMap<String, Result<Answered, String>>>,
    /// The old sizes that were asked from, by URL.
    asked: Mutex<Vec<(String, u64)>>,
}

impl Post for Network {
    fn post(&self, url: &str, body: &[u8]) -> Result<Answered, String> {
        let name = url.strip_prefix("https://").unwrap().strip_suffix(".example/add-checkpoint").unwrap();
        let old_size = AddCheckpoint::parse(body).unwrap().old_size;
        self.asked.lock().unwrap().push((name.to_owned(), old_size));
        if let Some(canned) = self.canned.lock().unwrap().get(name) {
            return canned.clone();
        }
        let answered = |status, body: String| Ok(Answered { status, body: body.into_bytes() });
        match self.witnesses[name].0.add_checkpoint(body, 1_700_000_000).unwrap() {
            Answer::Cosigned(line) => answered(200, line),
            Answer::OtherSize { recorded } => answered(409, format!("{recorded}\n")),
            Answer::Inconsistent(_) => answered(422, String::new()),
            other => panic!("{other:?}"),
        }
    }
}

struct World {
    secret: SecretKey,
    network: Arc<Network>,
    cosigners: Cosigners,
}

impl World {
    /// A log with the witnesses A, B and C, of which two must cosign.
    fn new() -> World {
        let secret = SecretKey::generate(KeyKind::Ed25519).unwrap();
        let key = VerifierKey::from_ed25519("log.example", secret.public_key()).unwrap();
        let mut witnesses = BTreeMap::new();
        let mut policy = format!("log {key}\n");
        for name in ["A", "B", "C"] {
            let directory = tempfile::tempdir().unwrap();
            let witness = crate::testing::witness(directory.path(), name, &key);
            policy.push_str(&format!("witness {name} {} https://{name}.example/\n", witness.verifier_key()));
            witnesses.insert(name.to_owned(), (witness, directory));
        }
        policy.push_str("group G 2 A B C\nquorum G\n");
        let network = Arc::new(Network { witnesses, canned: Mutex::default(), asked: Mutex::default() });
        let policy = WitnessPolicy::parse(&policy).unwrap();
        let cosigners = Cosigners::new(policy, &key, network.clone()).unwrap();
        World { secret, network, cosigners }
    }

    fn note(&self, size: u64, history: u64) -> Vec<u8> {
        let root = proof::root(&Leaves { history }, size).unwrap();
        let checkpoint = Checkpoint { origin: "log.example".to_owned(), size, root, extensions: Vec::new() };
        checkpoint.sign(&self.secret).unwrap().to_bytes()
    }

    fn collect(&self, size: u64, history: u64) -> Collected {
        let prove = |old| proof::prove_consistency(&Leaves { history }, old, size);
        self.cosigners.collect(&self.note(size, history), &prove).unwrap()
    }

    /// Forgets what is remembered, as a new start does.
    fn restart(&self) {
        self.cosigners.sizes.lock().unwrap().clear();
        self.rested();
    }

    /// Lets a while pass, after which everyone is asked.
    fn rested(&self) {
        self.cosigners.away.lock().unwrap().clear();
    }

    fn answer(&self, name: &str, canned: Result<Answered, String>) {
        self.network.canned.lock().unwrap().insert(name.to_owned(), canned);
    }

    fn asked(&self) -> Vec<(String, u64)> {
        let mut asked = std::mem::take(&mut *self.network.asked.lock().unwrap());
        asked.sort();
        asked
    }
}

fn everyone(old_sizes: &[u64]) -> Vec<(String, u64)> {
    let each = |name: &str| old_sizes.iter().map(|size| (name.to_owned(), *size)).collect::<Vec<_>>();
    ["A", "B", "C"].into_iter().flat_map(each).collect()
}

fn failure<'c>(collected: &'c Collected, name: &str) -> &'c Failure {
    &collected.failures.iter().find(|(witness, _)| witness == name).unwrap().1
}

#[test]
fn a_growing_log_gets_every_cosignature_and_remembers_who_is_where() {
    let world = World::new();
    let mut old = 0;
    for size in [0, 1, 5, 300] {
        let collected = world.collect(size, 0);
        collected.quorum.unwrap();
        assert!(collected.failures.is_empty());
        assert_eq!(SignedNote::parse(&collected.note).unwrap().signatures().len(), 4);
        assert_eq!(world.asked(), everyone(&[old]));
        old = size;
    }
    // At a new start nobody is remembered: each is asked, says where it is, and is asked again.
    world.restart();
    world.collect(300, 0).quorum.unwrap();
    assert_eq!(world.asked(), everyone(&[0, 300]));
    world.restart();
    world.collect(301, 0).quorum.unwrap();
    assert_eq!(world.asked(), everyone(&[0, 300]));
}

#[test]
fn one_witness_of_three_may_fail_in_any_way() {
    let world = World::new();
    let status = |status, body: &str| Ok(Answered { status, body: body.as_bytes().to_vec() });
    let other = World::new().collect(1, 0).note;
    let other = String::from_utf8(other).unwrap();
    let foreign: String = other.lines().skip(5).map(|line| format!("{line}\n")).collect();
    let canned = [
        (Err("no route".to_owned()), "no route"),
        (status(200, ""), "answer"),
        (status(200, &foreign), "answer"),
        (status(403, ""), "403"),
        (status(404, ""), "404"),
        (status(500, ""), "500"),
        (status(302, ""), "302"),
        (status(409, ""), "answer"),
        (status(409, "01\n"), "answer"),
        (status(409, "0\n"), "409"),
    ];
    for (size, (answer, text)) in (1..).zip(canned) {
        world.answer("B", answer);
        world.rested();
        let collected = world.collect(size, 0);
        collected.quorum.as_ref().unwrap();
        assert_eq!(collected.failures.len(), 1);
        let failure = failure(&collected, "B");
        assert!(failure.to_string().contains(text) && !failure.forbids_signing(), "{size}: {failure}");
        assert_eq!(SignedNote::parse(&collected.note).unwrap().signatures().len(), 3);
    }
    world.answer("A", Err("no route".to_owned()));
    let collected = world.collect(20, 0);
    assert!(matches!(collected.quorum, Err(Error::QuorumNotMet { cosigned, .. }) if cosigned == ["C"]));
    // And they catch up.
    world.network.canned.lock().unwrap().clear();
    world.rested();
    assert!(world.collect(21, 0).failures.is_empty());
}

#[test]
fn w06_an_answer_that_claims_the_witness_s_key_and_does_not_verify_is_left_out() {
    let world = World::new();
    let elsewhere = world.collect(1, 0).note;
    let elsewhere = String::from_utf8(elsewhere).unwrap();
    let line = elsewhere.lines().find(|line| line.starts_with("\u{2014} B ")).unwrap();
    world.answer("B", Ok(Answered { status: 200, body: format!("{line}\n").into_bytes() }));
    let collected = world.collect(2, 0);
    assert!(matches!(failure(&collected, "B"), Failure::BadAnswer(Error::BadSignature { .. })));
    collected.quorum.unwrap();
}

#[test]
fn w07_a_log_put_back_to_an_older_state_is_told_so() {
    let world = World::new();
    world.collect(9, 0).quorum.unwrap();
    world.answer("B", Err("no route".to_owned()));
    world.collect(12, 0).quorum.unwrap();
    world.network.canned.lock().unwrap().clear();
    for restarted in [false, true] {
        if restarted {
            world.restart();
        }
        let collected = world.collect(9, 0);
        for name in ["A", "C"] {
            let failure = failure(&collected, name);
            assert!(matches!(failure, Failure::Ahead { size: 12 }) && failure.forbids_signing());
        }
        assert_eq!(collected.failures.len(), 2);
        assert!(collected.quorum.is_err());
    }
}

#[test]
fn w02_a_log_that_forked_is_told_so() {
    let world = World::new();
    world.collect(9, 0).quorum.unwrap();
    for restarted in [false, true] {
        for size in [9, 12] {
            if restarted {
                world.restart();
            }
            let collected = world.collect(size, 1);
            assert_eq!(collected.failures.len(), 3);
            for (_, failure) in &collected.failures {
                assert!(matches!(failure, Failure::Contradicts { size: 9 }) && failure.forbids_signing());
            }
        }
    }
    // A witness of an earlier version says it otherwise.
    world.answer("A", Ok(Answered { status: 409, body: b"9\n".to_vec() }));
    assert!(matches!(failure(&world.collect(9, 1), "A"), Failure::Contradicts { size: 9 }));
}

#[test]
fn a_proof_that_cannot_be_made_stops_nobody_else() {
    let world = World::new();
    world.collect(3, 0).quorum.unwrap();
    world.answer("B", Err("no route".to_owned()));
    world.collect(4, 0).quorum.unwrap();
    world.network.canned.lock().unwrap().clear();
    world.rested();
    let prove = |old| {
        if old == 3 {
            Err("no tile")
        } else {
            Ok(proof::prove_consistency(&Leaves { history: 0 }, old, 8).unwrap())
        }
    };
    let collected = world.cosigners.collect(&world.note(8, 0), &prove).unwrap();
    collected.quorum.as_ref().unwrap();
    assert!(matches!(failure(&collected, "B"), Failure::NoProof(reason) if reason == "no tile"));
    assert!(world.cosigners.collect(b"no note", &prove).is_err());
}

#[test]
fn k09_a_policy_with_the_log_s_own_key_or_for_other_logs_is_refused() {
    let world = World::new();
    let key = VerifierKey::from_ed25519("log.example", world.secret.public_key()).unwrap();
    let own = VerifierKey::from_cosigner("w.example", world.secret.public_key()).unwrap();
    let stranger = SecretKey::generate(KeyKind::Ed25519).unwrap();
    let witness = VerifierKey::from_cosigner("w.example", stranger.public_key()).unwrap();
    let new = |policy: String| {
        let policy = WitnessPolicy::parse(&policy).unwrap();
        Cosigners::new(policy, &key, world.network.clone()).map(|_| ())
    };
    new(format!("witness W {witness}\nquorum W\n")).unwrap();
    assert_eq!(
        new(format!("witness W {own}\nquorum none\n")),
        Err(BadPolicy::OwnKey { name: "W".to_owned() })
    );
    let other = VerifierKey::from_ed25519("log.example", stranger.public_key()).unwrap();
    assert_eq!(
        new(format!("log {other}\nquorum none\n")),
        Err(BadPolicy::OtherLog { origin: "log.example".to_owned() })
    );
    new(format!("log {other}\nlog {key}\nquorum none\n")).unwrap();
}

#[test]
fn a_witness_that_is_away_holds_up_one_commit_and_is_asked_again_where_it_is_needed() {
    let world = World::new();
    world.answer("A", Err("timed out".to_owned()));
    let collected = world.collect(3, 0);
    assert!(collected.quorum.is_ok() && matches!(failure(&collected, "A"), Failure::Unreachable(_)));
    world.asked();

    // The other two make the quorum.
    let collected = world.collect(4, 0);
    assert!(collected.quorum.is_ok() && collected.failures.is_empty());
    assert_eq!(world.asked(), [("B".to_owned(), 3), ("C".to_owned(), 3)]);

    // Without one of them, the one that rests is needed.
    world.answer("B", Ok(Answered { status: 500, body: Vec::new() }));
    let collected = world.collect(5, 0);
    assert!(matches!(collected.quorum, Err(Error::QuorumNotMet { .. })));
    assert_eq!(world.asked().iter().filter(|(name, _)| name == "A").count(), 1);
    world.network.canned.lock().unwrap().remove("A");
    assert!(world.collect(5, 0).quorum.is_ok());
    assert!(world.asked().iter().any(|(name, _)| name == "A"), "it came back where it was needed");
    world.network.canned.lock().unwrap().remove("B");
    world.asked();
    assert!(world.collect(6, 0).quorum.is_ok());
    assert!(world.asked().iter().any(|(name, _)| name == "A"), "and rests no more, although nobody needs it");
}

#[test]
fn s08_cosignatures_of_before_confirm_nothing_now() {
    let world = World::new();
    let note = world.collect(3, 0).note;
    for away in ["A", "B"] {
        world.answer(away, Err("timed out".to_owned()));
    }
    let prove = |old| proof::prove_consistency(&Leaves { history: 0 }, old, 3);
    let again = world.cosigners.collect(&note, &prove).unwrap();
    assert!(matches!(again.quorum, Err(Error::QuorumNotMet { .. })), "{:?}", again.quorum);
    assert_eq!(SignedNote::parse(&again.note).unwrap().signatures().len(), 4, "and none of them is lost");
}

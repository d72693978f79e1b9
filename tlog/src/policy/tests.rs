use sealwax_keys::{KeyKind, SecretKey};

use super::*;
use crate::Hash;

struct Party {
    secret: SecretKey,
    name: &'static str,
}

impl Party {
    fn new(name: &'static str) -> Party {
        Party { secret: SecretKey::generate(KeyKind::Ed25519).unwrap(), name }
    }

    fn log_key(&self) -> VerifierKey {
        VerifierKey::from_ed25519(self.name, self.secret.public_key()).unwrap()
    }

    fn witness_key(&self) -> VerifierKey {
        VerifierKey::from_cosigner(self.name, self.secret.public_key()).unwrap()
    }
}

/// A log, six witnesses, and the specification's example policy over them.
struct World {
    log: Party,
    witnesses: Vec<Party>,
}

impl World {
    fn new() -> World {
        let names = ["x1.example", "x2.example", "x3.example", "y1.example", "y2.example", "y3.example"];
        World { log: Party::new("example.com/log"), witnesses: names.into_iter().map(Party::new).collect() }
    }

    fn definitions(&self) -> String {
        let mut text = format!("log {}\n", self.log.log_key());
        for (name, witness) in ["X1", "X2", "X3", "Y1", "Y2", "Y3"].iter().zip(&self.witnesses) {
            text.push_str(&format!("witness {name} {}\n", witness.witness_key()));
        }
        text
    }

    fn policy(&self, rest: &str) -> Result<WitnessPolicy, Error> {
        WitnessPolicy::parse(&format!("{}{rest}", self.definitions()))
    }

    fn checkpoint(&self) -> Checkpoint {
        let root = Hash::leaf(b"root");
        Checkpoint { origin: self.log.name.into(), size: 7, root, extensions: Vec::new() }
    }

    fn note(&self, cosigners: &[usize]) -> SignedNote {
        let mut note = self.checkpoint().sign(&self.log.secret).unwrap();
        for i in cosigners {
            let witness = &self.witnesses[*i];
            note.cosign(witness.name, &witness.secret, 1000 + u64::try_from(*i).unwrap()).unwrap();
        }
        note
    }
}

const TWO_LEVELS: &str = "group X-witnesses 2 X1 X2 X3\n\
                          group Y-witnesses any Y1 Y2 Y3\n\
                          group X-and-Y all X-witnesses Y-witnesses\n\
                          quorum X-and-Y\n";

#[test]
fn the_specification_s_example_counts_as_written() {
    let world = World::new();
    let policy = world.policy(TWO_LEVELS).unwrap();
    assert_eq!(policy.logs().len(), 1);
    for enough in [vec![0, 1, 3], vec![1, 2, 5], vec![0, 1, 2, 3, 4, 5], vec![5, 4, 2, 0]] {
        let cosigned = policy.quorum_met(&world.note(&enough)).unwrap();
        assert!(cosigned.by_known_log);
        assert_eq!(cosigned.witnesses.len(), enough.len());
        assert_eq!(cosigned.checkpoint, world.checkpoint());
    }
    for too_few in [vec![], vec![0], vec![0, 1], vec![0, 3], vec![3, 4, 5], vec![0, 1, 2]] {
        let result = policy.quorum_met(&world.note(&too_few));
        assert!(
            matches!(result, Err(Error::QuorumNotMet { cosigned, .. }) if cosigned.len() == too_few.len())
        );
    }
    let cosigned = policy.quorum_met(&world.note(&[0, 1, 3])).unwrap();
    assert_eq!(cosigned.witnesses, [("X1".into(), 1000), ("X2".into(), 1001), ("Y1".into(), 1003)]);
}

#[test]
fn t10_one_key_counts_once() {
    let world = World::new();
    let policy = world.policy("group two 2 X1 X2 X3\nquorum two\n").unwrap();
    let result = policy.quorum_met(&world.note(&[0, 0, 0]));
    assert!(matches!(result, Err(Error::QuorumNotMet { cosigned, .. }) if cosigned == ["X1"]));
    // Neither under a second name in the policy nor under a second key name.
    let renamed =
        VerifierKey::from_cosigner("again.example", world.witnesses[0].secret.public_key()).unwrap();
    for line in
        [format!("witness X4 {}\n", world.witnesses[0].witness_key()), format!("witness X4 {renamed}\n")]
    {
        let result = world.policy(&format!("{line}group two 2 X1 X4\nquorum two\n"));
        assert!(matches!(result, Err(Error::Policy { line: 8, .. })), "{result:?}");
    }
    // A name is a member once, over all groups.
    assert!(world.policy("group two 2 X1 X1\nquorum two\n").is_err());
    assert!(world.policy("group a any X1 X2\ngroup b any X1 X3\ngroup c all a b\nquorum c\n").is_err());
    assert!(world.policy("group a any X1\ngroup b 2 a a\nquorum b\n").is_err());
}

#[test]
fn t07_a_key_is_a_log_s_or_a_witness_s_and_never_both() {
    let world = World::new();
    let both = VerifierKey::from_cosigner("w.example", world.log.secret.public_key()).unwrap();
    assert!(world.policy(&format!("witness W {both}\nquorum W\n")).is_err());
    assert!(world.policy(&format!("log {}\nquorum none\n", world.log.log_key())).is_err());
    assert!(
        WitnessPolicy::parse(&format!("log {}\nquorum none\n", world.witnesses[0].witness_key())).is_err()
    );
    assert!(WitnessPolicy::parse(&format!("witness W {}\nquorum W\n", world.log.log_key())).is_err());
}

#[test]
fn t07_the_log_s_signature_is_needed_and_must_be_for_its_own_origin() {
    let world = World::new();
    let policy = world.policy("quorum X1\n").unwrap();
    let stranger = Party::new("example.com/log");
    let mut unsigned = world.checkpoint().sign(&stranger.secret).unwrap();
    unsigned.cosign(world.witnesses[0].name, &world.witnesses[0].secret, 5).unwrap();
    assert!(matches!(policy.quorum_met(&unsigned), Err(Error::NoKnownSignature)));

    // A known log that signs another log's checkpoint.
    let other = Checkpoint { origin: "example.com/other".into(), ..world.checkpoint() };
    let mut foreign = SignedNote::sign(&other.to_text().unwrap(), world.log.name, &world.log.secret).unwrap();
    foreign.cosign(world.witnesses[0].name, &world.witnesses[0].secret, 5).unwrap();
    assert!(matches!(policy.quorum_met(&foreign), Err(Error::NoKnownSignature)));

    // Without log lines the caller answers for the log, and is told so.
    let any_log = format!("witness X1 {}\nquorum X1\n", world.witnesses[0].witness_key());
    let cosigned = WitnessPolicy::parse(&any_log).unwrap().quorum_met(&unsigned).unwrap();
    assert!(!cosigned.by_known_log);
}

#[test]
fn a_bad_signature_by_any_key_of_the_policy_spoils_the_note() {
    let world = World::new();
    let policy = world.policy("quorum X1\n").unwrap();
    let note = String::from_utf8(world.note(&[0, 1]).to_bytes()).unwrap();
    policy.quorum_met(&SignedNote::parse(note.as_bytes()).unwrap()).unwrap();
    let at = note.len() - 20;
    let flipped = if note.as_bytes()[at] == b'A' { "B" } else { "A" };
    let spoiled = format!("{}{flipped}{}", &note[..at], &note[at + 1..]);
    let result = policy.quorum_met(&SignedNote::parse(spoiled.as_bytes()).unwrap());
    assert!(matches!(result, Err(Error::BadSignature { name }) if name == "x2.example"));
}

#[test]
fn quorum_none_asks_for_the_log_alone() {
    let world = World::new();
    let policy = world.policy("quorum none\n").unwrap();
    assert_eq!(policy.quorum_met(&world.note(&[])).unwrap().witnesses, []);
    assert_eq!(policy.quorum_met(&world.note(&[4])).unwrap().witnesses, [("Y2".into(), 1004)]);
}

#[test]
fn malformed_policies_name_the_line() {
    let world = World::new();
    for (rest, line) in [
        ("", 8),
        ("\n# only a comment\n", 10),
        ("quorum\n", 8),
        ("quorum X1 X2\n", 8),
        ("quorum unknown\n", 8),
        ("quorum X1\nquorum X1\n", 9),
        ("quorum later\ngroup later any X1\n", 8),
        ("Quorum X1\n", 8),
        ("witness\n", 8),
        ("witness W\n", 8),
        ("log\n", 8),
        ("group g any\nquorum g\n", 8),
        ("group g all\nquorum g\n", 8),
        ("group g\nquorum g\n", 8),
        ("group g 0 X1\nquorum g\n", 8),
        ("group g 2 X1\nquorum g\n", 8),
        ("group g 01 X1\nquorum g\n", 8),
        ("group g +1 X1\nquorum g\n", 8),
        ("group g -1 X1\nquorum g\n", 8),
        ("group g 18446744073709551617 X1\nquorum g\n", 8),
        ("group g some X1\nquorum g\n", 8),
        ("group g any unknown\nquorum g\n", 8),
        ("group g any g\nquorum g\n", 8),
        ("group g any none\nquorum g\n", 8),
        ("group none any X1\nquorum none\n", 8),
        ("group X1 any X2\nquorum X1\n", 8),
        ("group g any X1\ngroup g any X2\nquorum g\n", 9),
        ("quorum X1\r\n", 8),
        ("quorum X1\u{0}\n", 8),
        ("quorum X1\u{7f}\n", 8),
        ("quorum\u{a0}X1\n", 8),
        ("something else\n", 8),
    ] {
        let result = world.policy(rest);
        assert!(matches!(result, Err(Error::Policy { line: at, .. }) if at == line), "{rest:?}: {result:?}");
    }
    assert!(WitnessPolicy::parse("").is_err());
    let padded = |length: usize| format!("quorum none\n#{}", "x".repeat(length - 13));
    WitnessPolicy::parse(&padded(MAX_POLICY)).unwrap();
    assert!(WitnessPolicy::parse(&padded(MAX_POLICY + 1)).is_err());
    assert!(world.policy("witness W nonsense\nquorum W\n").is_err());
}

#[test]
fn spaces_tabs_comments_urls_and_a_missing_last_line_end_are_read_over() {
    let world = World::new();
    let key = Party::new("z.example").witness_key();
    let text = format!(
        "  # comment\n\t \nlog\t{}  https://log.example/ \n witness  Zoë\t{key} https://w.example/\nquorum\tZoë",
        world.log.log_key()
    );
    let policy = WitnessPolicy::parse(&text).unwrap();
    assert!(
        matches!(policy.quorum_met(&world.note(&[])), Err(Error::QuorumNotMet { quorum, .. }) if quorum == "Zoë")
    );
    let extra = format!("log {} https://log.example/ more\nquorum none\n", world.log.log_key());
    assert!(WitnessPolicy::parse(&extra).is_err());
}

#[test]
fn a_witness_is_handed_out_with_name_key_and_url() {
    let (first, second) = (Party::new("y.example"), Party::new("z.example"));
    let text = format!(
        "witness Y {}\nwitness Z {} https://z.example/w\ngroup G 1 Y Z\nquorum G\n",
        first.witness_key(),
        second.witness_key()
    );
    let policy = WitnessPolicy::parse(&text).unwrap();
    let found: Vec<_> = policy
        .witnesses()
        .map(|witness| (witness.name.as_str(), witness.key.to_string(), witness.url.as_deref()))
        .collect();
    let expected = [
        ("Y", first.witness_key().to_string(), None),
        ("Z", second.witness_key().to_string(), Some("https://z.example/w")),
    ];
    assert_eq!(found, expected);
}

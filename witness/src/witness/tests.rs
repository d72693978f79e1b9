use std::os::unix::fs::PermissionsExt;
use std::sync::Barrier;

use sealwax_keys::KeyKind;
use sealwax_tlog::{Hash, HashReader, Node};

use super::*;

const NOW: u64 = 1_700_000_000;

/// A log whose leaves are numbers, of which there can be several histories.
struct TestLog {
    secret: SecretKey,
    origin: &'static str,
}

/// The leaves of one history.
struct Leaves {
    count: u64,
    history: u64,
}

impl HashReader for Leaves {
    type Error = Refusal;

    fn read(&self, wanted: &[Node]) -> Result<Vec<Hash>, Refusal> {
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

    fn root(&self) -> Hash {
        proof::root(self, self.count).unwrap()
    }
}

impl TestLog {
    fn new(origin: &'static str) -> TestLog {
        TestLog { secret: SecretKey::generate(KeyKind::Ed25519).unwrap(), origin }
    }

    fn key(&self) -> VerifierKey {
        VerifierKey::from_ed25519(self.origin, self.secret.public_key()).unwrap()
    }

    fn checkpoint(&self, size: u64, history: u64) -> Checkpoint {
        let root = Leaves { count: size, history }.root();
        Checkpoint { origin: self.origin.to_owned(), size, root, extensions: Vec::new() }
    }

    fn note(&self, size: u64, history: u64) -> SignedNote {
        self.checkpoint(size, history).sign(&self.secret).unwrap()
    }

    fn request(&self, old: u64, new: u64, history: u64) -> AddCheckpoint {
        let proof = proof::prove_consistency(&Leaves { count: new, history }, old, new).unwrap();
        AddCheckpoint { old_size: old, proof, note: self.note(new, history).to_bytes() }
    }

    fn body(&self, old: u64, new: u64) -> Vec<u8> {
        self.request(old, new, 0).to_bytes()
    }
}

/// A directory with a witness's state, its key and a log that it knows.
struct World {
    directory: tempfile::TempDir,
    pem: String,
    log: TestLog,
}

impl World {
    fn new() -> World {
        let directory = tempfile::tempdir().unwrap();
        Witness::create(directory.path()).unwrap();
        let pem = SecretKey::generate(KeyKind::Ed25519).unwrap().to_pkcs8_pem(None).unwrap().to_string();
        World { directory, pem, log: TestLog::new("example.com/log") }
    }

    fn secret(&self) -> SecretKey {
        match sealwax_keys::KeyFile::parse(self.pem.as_bytes()).unwrap() {
            sealwax_keys::KeyFile::Plain(key) => key,
            _ => panic!("not encrypted"),
        }
    }

    fn open(&self) -> Witness {
        Witness::open(self.directory.path(), "w.example", self.secret(), &[self.log.key()]).unwrap()
    }

    fn database(&self) -> std::path::PathBuf {
        self.directory.path().join("state.db")
    }
}

fn status(answer: &Answer) -> u16 {
    match answer {
        Answer::Cosigned(_) => 200,
        Answer::Malformed(_) | Answer::Shrinks => 400,
        Answer::NotTrusted(_) => 403,
        Answer::UnknownLog => 404,
        Answer::OtherSize { .. } => 409,
        Answer::Inconsistent(_) => 422,
    }
}

fn ask(witness: &Witness, request: &[u8]) -> u16 {
    status(&witness.add_checkpoint(request, NOW).unwrap())
}

fn recorded(witness: &Witness) -> Option<(u64, Hash)> {
    let held = witness.lock();
    held.as_ref().unwrap().newest("example.com/log").unwrap().map(|row| (row.size, row.root))
}

#[test]
fn a_growing_log_is_cosigned_and_its_newest_note_served() {
    let world = World::new();
    let witness = world.open();
    let hash = hex::encode(Sha256::digest("example.com/log"));
    assert_eq!(witness.checkpoint(&hash).unwrap(), None);
    let mut old = 0;
    for (step, new) in [0, 1, 1, 2, 7, 8, 300, 300].into_iter().enumerate() {
        let time = NOW + u64::try_from(step).unwrap();
        let answer = witness.add_checkpoint(&world.log.body(old, new), time).unwrap();
        let Answer::Cosigned(line) = answer else { panic!("{old} to {new}: {answer:?}") };
        let mut note = world.log.note(new, 0);
        assert_eq!(note.add_cosignature(line.as_bytes(), witness.verifier_key()).unwrap(), time);
        assert_eq!(witness.checkpoint(&hash).unwrap().unwrap(), note.to_bytes());
        old = new;
    }
    for other in [&hash.to_uppercase(), "", &hash[1..], &hex::encode(Sha256::digest("example.com/other"))] {
        assert_eq!(witness.checkpoint(other).unwrap(), None);
    }
}

#[test]
fn w01_another_old_size_than_the_recorded_one_is_a_conflict_that_names_it() {
    let world = World::new();
    let witness = world.open();
    let conflict = |old, new, size| {
        let answer = witness.add_checkpoint(&world.log.body(old, new), NOW).unwrap();
        assert!(matches!(answer, Answer::OtherSize { recorded } if recorded == size), "{answer:?}");
    };
    conflict(3, 5, 0);
    assert_eq!(ask(&witness, &world.log.body(0, 5)), 200);
    for (old, new) in [(0, 5), (0, 9), (4, 9), (6, 9), (4, 4)] {
        conflict(old, new, 5);
    }
    assert_eq!(recorded(&witness).unwrap().0, 5);
    // An old size beyond the new one is malformed, whatever is recorded.
    let mut request = world.log.request(5, 9, 0);
    request.note = world.log.note(4, 0).to_bytes();
    assert_eq!(ask(&witness, &request.to_bytes()), 400);
}

#[test]
fn w02_one_size_never_gets_two_roots() {
    let world = World::new();
    let witness = world.open();
    assert_eq!(ask(&witness, &world.log.body(0, 5)), 200);
    assert_eq!(ask(&witness, &world.log.request(5, 5, 1).to_bytes()), 422);
    // Nor a later size of the other history, with the best proof that it has, a proof of ours, or none.
    let mut fork = world.log.request(5, 9, 1);
    assert_eq!(ask(&witness, &fork.to_bytes()), 422);
    fork.proof = world.log.request(5, 9, 0).proof;
    assert_eq!(ask(&witness, &fork.to_bytes()), 422);
    fork.proof.clear();
    assert_eq!(ask(&witness, &fork.to_bytes()), 422);
    let mut padded = world.log.request(5, 9, 0);
    padded.proof.push(EMPTY_ROOT);
    assert_eq!(ask(&witness, &padded.to_bytes()), 422);
    let mut same = world.log.request(5, 5, 0);
    same.proof.push(EMPTY_ROOT);
    assert_eq!(ask(&witness, &same.to_bytes()), 422);
    assert_eq!(recorded(&witness), Some((5, Leaves { count: 5, history: 0 }.root())));
}

#[test]
fn w03_extension_lines_are_signed_over_and_never_interpreted() {
    let world = World::new();
    let witness = world.open();
    let mut checkpoint = world.log.checkpoint(3, 0);
    checkpoint.extensions = vec!["size 99".to_owned(), "9".to_owned()];
    let note = checkpoint.sign(&world.log.secret).unwrap();
    let request = AddCheckpoint { old_size: 0, proof: Vec::new(), note: note.to_bytes() };
    let answer = witness.add_checkpoint(&request.to_bytes(), NOW).unwrap();
    let Answer::Cosigned(line) = answer else { panic!("{answer:?}") };
    let mut with = note.clone();
    with.add_cosignature(line.as_bytes(), witness.verifier_key()).unwrap();
    // The cosignature is of the text with these lines, and of no other.
    let mut without = world.log.note(3, 0);
    assert!(without.add_cosignature(line.as_bytes(), witness.verifier_key()).is_err());
    assert_eq!(recorded(&witness).unwrap().0, 3);
    assert_eq!(ask(&witness, &world.log.body(3, 9)), 200);
}

#[test]
fn w04_size_0_has_one_root_and_no_proof() {
    let world = World::new();
    let witness = world.open();
    let text = format!("example.com/log\n0\n{}\n", Hash::leaf(b"x").to_base64());
    let note = SignedNote::sign(&text, "example.com/log", &world.log.secret).unwrap();
    let mut request = AddCheckpoint { old_size: 0, proof: Vec::new(), note: note.to_bytes() };
    assert_eq!(ask(&witness, &request.to_bytes()), 422);
    request = world.log.request(0, 4, 0);
    request.proof.push(EMPTY_ROOT);
    assert_eq!(ask(&witness, &request.to_bytes()), 422);
    assert_eq!(recorded(&witness), None);
    assert_eq!(ask(&witness, &world.log.body(0, 0)), 200);
    assert_eq!(recorded(&witness), Some((0, EMPTY_ROOT)));
}

#[test]
fn w05_only_known_keys_count_and_only_their_lines_are_kept() {
    let world = World::new();
    let witness = world.open();
    let stranger = TestLog::new("example.com/log");
    assert_eq!(ask(&witness, &stranger.body(0, 4)), 403);
    assert_eq!(ask(&witness, &TestLog::new("example.com/other").body(0, 4)), 404);
    // The log's key under another origin in the text.
    let text = world.log.checkpoint(4, 0).to_text().unwrap().replace("/log", "/other");
    let renamed = SignedNote::sign(&text, "example.com/log", &world.log.secret).unwrap();
    let request = AddCheckpoint { old_size: 0, proof: Vec::new(), note: renamed.to_bytes() };
    assert_eq!(ask(&witness, &request.to_bytes()), 404);

    // Next to the log's line, strangers' lines change nothing, even as many as a note can have.
    let mut note = world.log.note(4, 0);
    for number in 0..99 {
        note.cosign(&format!("w{number}.example"), &stranger.secret, 1).unwrap();
    }
    let request = AddCheckpoint { old_size: 0, proof: Vec::new(), note: note.to_bytes() };
    assert_eq!(ask(&witness, &request.to_bytes()), 200);
    let kept = || {
        let kept = Witness::recorded(world.directory.path(), witness.verifier_key()).unwrap();
        SignedNote::parse(&kept[0].note).unwrap().signatures().len()
    };
    assert_eq!(kept(), 2);
    // Nor does the log's own line, repeated as often as a note can have it.
    let note = world.log.note(4, 0);
    let line = format!("{}\n", note.signatures()[0]);
    let repeated = [note.to_bytes(), line.repeat(99).into_bytes()].concat();
    let request = AddCheckpoint { old_size: 4, proof: Vec::new(), note: repeated };
    assert_eq!(ask(&witness, &request.to_bytes()), 200);
    assert_eq!(kept(), 2);
}

#[test]
fn w06_a_line_that_claims_a_key_and_does_not_verify_is_never_passed_on() {
    let world = World::new();
    let witness = world.open();
    // A line by the log's name and key over another text, next to the good one.
    let forged = world.log.note(4, 1).signatures()[0].to_string();
    let mut bytes = world.log.note(4, 0).to_bytes();
    bytes.extend_from_slice(format!("{forged}\n").as_bytes());
    let request = AddCheckpoint { old_size: 0, proof: Vec::new(), note: bytes };
    assert_eq!(ask(&witness, &request.to_bytes()), 403);
    // A line that claims to be this witness's own is ignored, and not recorded.
    let mut elsewhere = world.log.note(4, 1);
    elsewhere.cosign("w.example", &world.secret(), NOW).unwrap();
    let mut bytes = world.log.note(4, 0).to_bytes();
    bytes.extend_from_slice(format!("{}\n", elsewhere.signatures()[1]).as_bytes());
    let request = AddCheckpoint { old_size: 0, proof: Vec::new(), note: bytes };
    assert_eq!(ask(&witness, &request.to_bytes()), 200);
    drop(witness);
    assert_eq!(ask(&world.open(), &world.log.body(4, 5)), 200);
}

#[test]
fn malformed_requests_are_told_apart_from_refused_ones() {
    let world = World::new();
    let witness = world.open();
    assert_eq!(ask(&witness, b""), 400);
    assert_eq!(ask(&witness, b"old 0\n\n"), 400);
    assert_eq!(ask(&witness, b"old 0\n\nexample.com/log\n"), 400);
    let note = SignedNote::sign("example.com/log\n00\nx\n", "example.com/log", &world.log.secret).unwrap();
    let request = AddCheckpoint { old_size: 0, proof: Vec::new(), note: note.to_bytes() };
    assert_eq!(ask(&witness, &request.to_bytes()), 400);
    // A size that the record cannot hold is refused before anything is signed.
    let huge = format!("example.com/log\n{}\n{}\n", u64::MAX, EMPTY_ROOT.to_base64());
    let note = SignedNote::sign(&huge, "example.com/log", &world.log.secret).unwrap();
    let request = AddCheckpoint { old_size: 0, proof: Vec::new(), note: note.to_bytes() };
    assert_eq!(ask(&witness, &request.to_bytes()), 422);
    assert!(matches!(witness.add_checkpoint(&world.log.body(0, 1), 0), Err(Error::NoClock)));
    assert_eq!(recorded(&witness), None);
}

#[test]
fn w07_what_was_cosigned_is_remembered_and_never_taken_back() {
    let world = World::new();
    let witness = world.open();
    assert_eq!(ask(&witness, &world.log.body(0, 6)), 200);
    drop(witness);
    let witness = world.open();
    assert_eq!(ask(&witness, &world.log.body(0, 4)), 409);
    assert_eq!(ask(&witness, &world.log.body(6, 9)), 200);
    drop(witness);

    // No program that writes the database can take it back by accident.
    let sqlite = rusqlite::Connection::open(world.database()).unwrap();
    for change in [
        "UPDATE cosigned SET size = 5",
        "UPDATE cosigned SET root = zeroblob(32)",
        "UPDATE cosigned SET cosigned_at = cosigned_at - 1",
        "UPDATE cosigned SET origin = 'x'",
        "DELETE FROM cosigned",
    ] {
        assert!(sqlite.execute(change, []).is_err(), "{change}");
    }
    // One that means to is noticed: the row is not what the witness cosigned.
    sqlite.execute_batch("DROP TRIGGER cosigned_grows").unwrap();
    let open = || Witness::open(world.directory.path(), "w.example", world.secret(), &[world.log.key()]);
    for (change, back) in [
        ("UPDATE cosigned SET size = 5", "UPDATE cosigned SET size = 9"),
        ("UPDATE cosigned SET cosigned_at = 5", "UPDATE cosigned SET cosigned_at = 1700000000"),
        ("UPDATE cosigned SET origin = 'x'", "UPDATE cosigned SET origin = 'example.com/log'"),
        ("UPDATE cosigned SET root = zeroblob(32)", ""),
    ] {
        sqlite.execute_batch(change).unwrap();
        assert!(matches!(open(), Err(Error::Damaged { .. })), "{change}");
        sqlite.execute_batch(back).unwrap();
        assert_eq!(open().is_ok(), !back.is_empty(), "{back}");
    }
}

#[test]
fn w07_a_lost_or_foreign_state_is_not_begun_anew() {
    let world = World::new();
    let witness = world.open();
    assert_eq!(ask(&witness, &world.log.body(0, 6)), 200);
    drop(witness);
    assert!(matches!(Witness::create(world.directory.path()), Err(Error::Exists { .. })));
    let another = SecretKey::generate(KeyKind::Ed25519).unwrap();
    let opened = Witness::open(world.directory.path(), "w.example", another, &[world.log.key()]);
    assert!(matches!(opened, Err(Error::Damaged { .. })));

    let sqlite = rusqlite::Connection::open(world.database()).unwrap();
    sqlite.execute_batch("PRAGMA user_version = 2").unwrap();
    let open = || Witness::open(world.directory.path(), "w.example", world.secret(), &[world.log.key()]);
    assert!(matches!(open(), Err(Error::NewerSchema { found: 2, known: 1, .. })));
    sqlite.execute_batch("PRAGMA user_version = 0").unwrap();
    assert!(matches!(open(), Err(Error::Damaged { .. })));
    drop(sqlite);
    std::fs::write(world.database(), b"not a database, and long enough to be read as the header of one")
        .unwrap();
    let _ = std::fs::remove_file(world.directory.path().join("state.db-wal"));
    assert!(matches!(open(), Err(Error::Damaged { .. })));
    std::fs::remove_file(world.database()).unwrap();
    assert!(matches!(open(), Err(Error::NotFound { .. })));
}

#[test]
fn w08_a_failed_commit_gives_no_cosignature() {
    let world = World::new();
    let witness = world.open();
    assert_eq!(ask(&witness, &world.log.body(0, 3)), 200);
    // A promise that is due at the commit and never kept: every transaction fails at its very end.
    let sqlite = rusqlite::Connection::open(world.database()).unwrap();
    sqlite
        .execute_batch(
            "CREATE TABLE never (id INTEGER PRIMARY KEY);
             CREATE TABLE promise (id INTEGER REFERENCES never (id) DEFERRABLE INITIALLY DEFERRED);
             CREATE TRIGGER fail AFTER UPDATE ON cosigned BEGIN INSERT INTO promise VALUES (1); END;",
        )
        .unwrap();
    for _ in 0..2 {
        assert!(matches!(
            witness.add_checkpoint(&world.log.body(3, 8), NOW),
            Err(Error::Database { action: "commit to", .. })
        ));
        assert_eq!(recorded(&witness).unwrap().0, 3);
    }
    // Nothing was recorded, and nothing is in the way of asking again.
    sqlite.execute_batch("DROP TRIGGER fail").unwrap();
    assert_eq!(ask(&witness, &world.log.body(3, 8)), 200);
}

#[test]
fn w08_after_a_failed_flush_nothing_is_cosigned_any_more() {
    let failed = |code| Error::Database {
        action: "commit to",
        path: "state.db".into(),
        source: rusqlite::Error::SqliteFailure(rusqlite::ffi::Error::new(code), None),
    };
    assert!(failed(rusqlite::ffi::SQLITE_IOERR_FSYNC).is_fatal());
    assert!(failed(rusqlite::ffi::SQLITE_IOERR_DIR_FSYNC).is_fatal());
    assert!(!failed(rusqlite::ffi::SQLITE_FULL).is_fatal());
    assert!(Error::Stopped.is_fatal());
    let world = World::new();
    let witness = world.open();
    *witness.lock() = None;
    assert!(matches!(witness.add_checkpoint(&world.log.body(0, 1), NOW), Err(Error::Stopped)));
    assert!(matches!(
        witness.checkpoint(&hex::encode(Sha256::digest("example.com/log"))),
        Err(Error::Stopped)
    ));
}

#[test]
fn w08_of_requests_at_once_each_is_checked_against_the_one_before() {
    const THREADS: u64 = 8;
    let world = World::new();
    let witness = world.open();
    let start = Barrier::new(usize::try_from(THREADS).unwrap());
    // Half of the threads ask for one history and half for another, each from what the witness says it has.
    let cosigned: Vec<(u64, u64)> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..THREADS)
            .map(|thread| {
                let (witness, log, start) = (&witness, &world.log, &start);
                scope.spawn(move || {
                    let (mut old, mut cosigned) = (0, Vec::new());
                    start.wait();
                    for step in 1..=20 {
                        let new = old + step % 3 + thread % 2;
                        let request = log.request(old, new, thread % 2).to_bytes();
                        match witness.add_checkpoint(&request, NOW).unwrap() {
                            Answer::Cosigned(_) => {
                                cosigned.push((new, thread % 2));
                                old = new;
                            }
                            Answer::OtherSize { recorded } => old = recorded,
                            Answer::Inconsistent(_) => {}
                            other => panic!("{other:?}"),
                        }
                    }
                    cosigned
                })
            })
            .collect();
        threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect()
    });
    let grown: Vec<_> = cosigned.iter().filter(|(size, _)| *size > 0).collect();
    assert!(grown.len() > 1, "{cosigned:?}");
    assert!(grown.iter().all(|(_, history)| *history == grown[0].1), "{cosigned:?}");
    let largest = grown.iter().map(|(size, _)| *size).max().unwrap();
    assert_eq!(recorded(&witness), Some((largest, Leaves { count: largest, history: grown[0].1 }.root())));
}

#[test]
fn a_clock_that_was_set_back_repeats_the_recorded_time() {
    let world = World::new();
    let witness = world.open();
    for (now, expected) in [(NOW, NOW), (NOW - 1000, NOW), (1, NOW), (NOW + 5, NOW + 5), (NOW + 4, NOW + 5)] {
        let old = recorded(&witness).map_or(0, |(size, _)| size);
        let answer = witness.add_checkpoint(&world.log.body(old, old + 1), now).unwrap();
        let Answer::Cosigned(line) = answer else { panic!("{answer:?}") };
        let mut note = world.log.note(old + 1, 0);
        assert_eq!(note.add_cosignature(line.as_bytes(), witness.verifier_key()).unwrap(), expected);
    }
}

#[test]
fn k09_a_log_with_the_witness_s_own_key_is_refused() {
    let world = World::new();
    let open =
        |logs: &[VerifierKey]| Witness::open(world.directory.path(), "w.example", world.secret(), logs);
    let own = VerifierKey::from_ed25519("example.com/own", world.secret().public_key()).unwrap();
    assert!(
        matches!(open(&[world.log.key(), own]), Err(Error::OwnKey { origin }) if origin == "example.com/own")
    );
    let cosigner = VerifierKey::from_cosigner("other.example", world.log.secret.public_key()).unwrap();
    assert!(matches!(open(&[cosigner]), Err(Error::NotALogKey { .. })));
    let twice = [world.log.key(), world.log.key()];
    assert!(matches!(open(&twice), Err(Error::Tlog(Refusal::AmbiguousKey { .. }))));
    open(&[world.log.key(), TestLog::new("example.com/log").key()]).unwrap();
}

#[test]
fn one_process_at_a_time_has_the_state_and_only_its_owner_reads_it() {
    let world = World::new();
    let witness = world.open();
    let again = Witness::open(world.directory.path(), "w.example", world.secret(), &[world.log.key()]);
    assert!(matches!(again, Err(Error::Busy { .. })));
    assert_eq!(ask(&witness, &world.log.body(0, 3)), 200);
    let seen = Witness::recorded(world.directory.path(), witness.verifier_key()).unwrap();
    assert_eq!((seen.len(), seen[0].size, seen[0].time), (1, 3, NOW));
    for name in ["state.db", "state.db-wal", "lock"] {
        let mode = world.directory.path().join(name).metadata().unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{name}");
    }
    drop(witness);
    world.open();
}

//! A server that ends or runs out of something while it is used: what was answered stays true.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::Write as _;
use std::net::{TcpListener, TcpStream};
use std::process::Command;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sealwax_keys::{KeyKind, SecretKey};
use sealwax_tests::crash::{Disk, rounds};
use sealwax_tests::http::{self, get};
use sealwax_tests::server::{ENTRIES, Server, Signer, instance, log_key, open_log, set, wait_for};
use sealwax_tests::{Sandbox, peer};
use sealwax_tlog::{Checkpoint, VerifierKey, proof};
use sealwax_transparency_log::LogView;
use serde_json::Value;

use crate::own::{envelope, leave};
use crate::wire::proven;

/// What the server has promised so far.
#[derive(Default)]
struct Promises {
    /// The bodies of the acknowledged entries, by their index.
    entries: Mutex<BTreeMap<u64, Vec<u8>>>,
    notes: Mutex<Vec<Vec<u8>>>,
}

impl Promises {
    /// Takes an answer for what it says.
    fn hear(&self, answer: &http::Answer, key: &VerifierKey) {
        let (index, body) = proven(answer, key);
        let note = answer.json()["inclusionProof"]["checkpoint"]["envelope"].as_str().unwrap().to_owned();
        self.notes.lock().unwrap().push(note.into_bytes());
        let before = self.entries.lock().unwrap().insert(index, body.clone());
        assert!(before.is_none_or(|before| before == body), "two entries for index {index}");
    }

    /// Demands that the stored log keeps every promise, and that all of it is sound.
    fn assert_kept(&self, sandbox: &Sandbox, key: &VerifierKey) -> u64 {
        // Opening the log publishes what a kill left committed.
        let sound = sandbox.json(0, ["log", "fsck"]);
        let view = LogView::open(&sandbox.instance().join("log"), key).unwrap();
        let newest = view.checkpoint();
        assert_eq!(sound["entries"], newest.size);
        for (index, body) in &*self.entries.lock().unwrap() {
            assert_eq!(view.entry(*index).unwrap(), *body, "entry {index}");
        }
        for note in &*self.notes.lock().unwrap() {
            let old = Checkpoint::open(note, key).unwrap();
            let path = view.prove_consistency(old.size).unwrap();
            proof::verify_consistency(old.size, newest.size, &path, &old.root, &newest.root).unwrap();
        }
        newest.size
    }

    fn count(&self) -> usize {
        self.entries.lock().unwrap().len()
    }
}

/// Submits from many clients until the server is gone, and takes down every answer.
fn load(server: &Server, round: u64, promises: &Promises, key: &VerifierKey, then: impl FnOnce()) {
    std::thread::scope(|scope| {
        for client in 0..CLIENTS {
            scope.spawn(move || {
                let signer = Signer::new();
                for number in 0_u64.. {
                    let message = [round.to_be_bytes(), client.to_be_bytes(), number.to_be_bytes()].concat();
                    let request = signer.rekord(&message).to_string();
                    let Ok(answer) = http::post(server.address, ENTRIES, request.as_bytes()) else { return };
                    match answer.status {
                        201 => promises.hear(&answer, key),
                        503 => {}
                        other => panic!("{other}: {answer:?}"),
                    }
                }
            });
        }
        then();
    });
}

#[test]
fn s01_killed_under_load_again_and_again() {
    let sandbox = instance("");
    let (key, promises) = (log_key(&sandbox), Promises::default());
    let (kills, started) = (rounds(30), Instant::now());
    let mut server = Server::serve(&sandbox);
    for kill in 1..=kills {
        let killed = server.id();
        load(&server, kill, &promises, &key, || {
            // Multiples of the golden ratio, which fall nowhere twice.
            std::thread::sleep(Duration::from_micros(50_000 + kill * 61_803 % 150_000));
            assert!(Command::new("kill").args(["-9", &killed.to_string()]).status().unwrap().success());
        });
        server.kill();
        if kill % 10 == 0 || kill == kills {
            promises.assert_kept(&sandbox, &key);
        }
        server = Server::serve(&sandbox);
    }
    server.kill();
    let size = promises.assert_kept(&sandbox, &key);
    let seconds = started.elapsed().as_secs_f64();
    eprintln!(
        "{kills} kills in {seconds:.0} s, {} entries acknowledged, {size} stored, none lost",
        promises.count()
    );
    assert!(promises.count() > 100, "the server was killed before it did anything");
}

#[test]
fn x06_told_to_stop_under_load_it_ends_well() {
    let sandbox = instance("");
    let (key, promises) = (log_key(&sandbox), Promises::default());
    for round in 0..3 {
        let mut server = Server::serve(&sandbox);
        load(&server, round, &promises, &key, || {
            std::thread::sleep(Duration::from_millis(300));
            server.terminate();
        });
        assert_eq!(server.ended(), Some(0), "{}", server.said());
    }
    assert!(promises.count() > 20);
    promises.assert_kept(&sandbox, &key);
}

/// A witness that never answers makes each commit last; whoever waits then is still answered.
#[test]
fn x06_whoever_waits_when_it_is_told_to_stop_is_answered() {
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let witness = SecretKey::generate(KeyKind::Ed25519).unwrap();
    let witness = VerifierKey::from_cosigner("w.example", witness.public_key()).unwrap();
    let sandbox = instance("[witnesses]\npolicy = 'policy'\nrequire = false\ntimeout_seconds = 2");
    let policy = format!("witness w {witness} http://{}\nquorum w\n", silent.local_addr().unwrap());
    fs::write(sandbox.instance().join("policy"), policy).unwrap();
    let mut server = Server::serve(&sandbox);
    let (key, signer) = (log_key(&sandbox), Signer::new());
    let requests: Vec<Value> = (0..8).map(|number| signer.rekord(&[number])).collect();
    std::thread::scope(|scope| {
        let server = &server;
        let threads: Vec<_> =
            requests.iter().map(|request| scope.spawn(move || server.submit(request))).collect();
        wait_for("the waiting", || {
            get(server.address, "/metrics").text().contains("sealwax_log_waiting 8\n").then_some(())
        });
        server.terminate();
        for thread in threads {
            proven(&thread.join().unwrap(), &key);
        }
    });
    assert_eq!(server.ended(), Some(0));
    assert_eq!(open_log(&sandbox).checkpoint().unwrap().size, 8);
}

/// Fills a disk to its last byte.
fn fill(path: &std::path::Path) {
    let mut file = File::create(path).unwrap();
    for size in [1 << 20, 4096, 512, 1] {
        let block = vec![0; size];
        while file.write_all(&block).is_ok() {}
    }
    let _ = file.sync_all();
}

#[test]
fn s04_a_full_disk_stops_the_writing_and_nothing_else() {
    let sandbox = Sandbox::new();
    let Some(disk) = Disk::new(sandbox.path()) else { return };
    let place = disk.path().join("i").display().to_string();
    sandbox.ok(["instance", "init", "--origin", "log.example", "--instance", &place]);
    let root = fs::read(disk.path().join("i/trusted_root.json")).unwrap();
    let key = sealwax_attestation::TrustedRoot::from_json(&root).unwrap().logs[0].verifier_key().unwrap();
    let filler = disk.path().join("filler");
    let signer = Signer::new();
    // With the reserve that stops in time, and without it, so that writes themselves fail.
    for (reserve, word) in [("8388608", "nearly full"), ("0", "")] {
        fs::write(disk.path().join("i/serve.toml"), format!("[log]\nmin_free = {reserve}\n")).unwrap();
        let server = Server::start(Command::new("env"), &sandbox, &["serve", "--instance", &place]);
        let (before, _) = proven(&server.submit(&signer.rekord(reserve.as_bytes())), &key);
        fill(&filler);
        for attempt in 0..3_u8 {
            let answer = server.submit(&signer.rekord(&[reserve.as_bytes(), &[attempt]].concat()));
            assert_eq!(answer.status, 503, "{answer:?}");
            assert!(answer.text().contains(word) && !answer.header("retry-after").is_empty(), "{answer:?}");
        }
        assert_eq!(get(server.address, "/checkpoint").status, 200);
        server.ask(200, &format!("entries/{before}"));
        server.ask(200, &format!("proof/inclusion?index={before}"));
        fs::remove_file(&filler).unwrap();
        let request = signer.rekord(&[reserve.as_bytes(), &[0]].concat());
        let taken =
            wait_for("the entry", || Some(server.submit(&request)).filter(|answer| answer.status == 201));
        let (after, _) = proven(&taken, &key);
        assert!(after > before);
        drop(server);
        sandbox.ok(["log", "fsck", "--instance", &place]);
    }
}

/// Runs a server of which one flush fails, and gives it; `None` where strace cannot.
fn with_failing_flush(sandbox: &Sandbox, file: &str, when: &str) -> Option<Server> {
    let strace = peer("strace")?;
    let works = Command::new(&strace).args(["-qq", "-o", "/dev/null", "true"]).status();
    if !works.is_ok_and(|status| status.success()) {
        eprintln!("skipped: failed flushes (strace may not trace here)");
        return None;
    }
    let path = sandbox.path().canonicalize().unwrap();
    let path =
        sandbox.instance().strip_prefix(sandbox.path()).map(|inside| path.join(inside).join(file)).unwrap();
    let mut failing = Command::new(strace);
    failing.args(["-f", "-qq", "-o", "/dev/null", "-P", path.to_str().unwrap()]);
    failing.args(["-e", "trace=fsync,fdatasync"]);
    failing.args(["-e", &format!("inject=fsync,fdatasync:error=EIO:when={when}")]);
    Some(Server::start(failing, sandbox, &["serve"]))
}

#[test]
fn s05_a_flush_that_fails_once_ends_the_process() {
    let sandbox = instance("");
    let (key, promises) = (log_key(&sandbox), Promises::default());
    let Some(mut server) = with_failing_flush(&sandbox, "log/anchor.db-wal", "3") else { return };
    let signer = Signer::new();
    let mut refused = None;
    for number in 0..20_u8 {
        match http::post(server.address, ENTRIES, signer.rekord(&[number]).to_string().as_bytes()) {
            Ok(answer) if answer.status == 201 => promises.hear(&answer, &key),
            answer => {
                refused = Some((number, answer));
                break;
            }
        }
    }
    let (number, answer) = refused.expect("no flush failed");
    assert!(answer.is_ok_and(|answer| answer.status == 503));
    assert_eq!(server.ended(), Some(3), "{}", server.said());
    let said = server.said();
    assert!(said.contains("error:") && said.contains("anchor.db") && said.contains("hint:"), "{said}");
    assert!(promises.count() > 0);
    drop(server);
    let server = Server::serve(&sandbox);
    promises.hear(&server.submit(&signer.rekord(&[number])), &key);
    drop(server);
    promises.assert_kept(&sandbox, &key);
}

/// The envelopes lie beside the log; what was said to be kept there is kept all the same.
#[test]
fn s05_a_flush_of_an_envelope_that_fails_ends_the_process_too() {
    let sandbox = instance("");
    let Some(mut server) = with_failing_flush(&sandbox, "log/envelopes", "1") else { return };
    let (envelope, request) = envelope(&Signer::new(), b"{}");
    proven(&server.submit(&request), &log_key(&sandbox));
    assert_eq!(leave(&server, &envelope.to_json()).status, 500);
    assert_eq!(server.ended(), Some(3), "{}", server.said());
    assert!(server.said().contains("envelopes"), "{}", server.said());
    drop(server);
    let server = Server::serve(&sandbox);
    assert_eq!(leave(&server, &envelope.to_json()).status, 201);
}

/// A client that sends a byte now and then does not decide when the server ends.
#[test]
fn h04_a_slow_client_does_not_keep_a_server_from_ending() {
    let sandbox = instance("");
    let mut server = Server::serve(&sandbox);
    let mut slow = TcpStream::connect(server.address).unwrap();
    slow.write_all(format!("POST {ENTRIES} HTTP/1.1\r\nHost: x\r\nContent-Length: 900\r\n\r\n").as_bytes())
        .unwrap();
    std::thread::sleep(Duration::from_millis(200));
    server.terminate();
    std::thread::scope(|scope| {
        scope.spawn(move || {
            while slow.write_all(b" ").is_ok() {
                std::thread::sleep(Duration::from_millis(500));
            }
        });
        // At most 20 seconds for what is under way.
        assert_eq!(server.ended(), Some(0), "{}", server.said());
    });
}

/// Restarted at once, ever again, by a supervisor that knows no pause.
#[test]
fn s15_every_start_finds_what_the_last_one_left() {
    let sandbox = instance("");
    set(&sandbox, "[log]\nbatch = 3\n");
    let (key, signer) = (log_key(&sandbox), Signer::new());
    for round in 0..10_u64 {
        let mut server = Server::serve(&sandbox);
        assert_eq!(server.started["size"], round);
        let answer = server.submit(&signer.rekord(&round.to_be_bytes()));
        assert_eq!(proven(&answer, &key).0, round);
        let body = STANDARD.decode(answer.json()["canonicalizedBody"].as_str().unwrap()).unwrap();
        server.kill();
        let view = LogView::open(&sandbox.instance().join("log"), &key).unwrap();
        assert_eq!(view.entry(round).unwrap(), body);
    }
}

const CLIENTS: u64 = 16;

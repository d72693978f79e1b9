//! Witnessing with real processes: `sealwax witness serve` asked over HTTP, killed and asked again, and the log's side
//! against litewitness, where that is installed.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::as_conversions,
    clippy::panic,
    clippy::print_stderr
)]

mod litewitness;
mod world;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::process::Command;
use std::sync::Mutex;
use std::time::Duration;

use sealwax_server::Answered;
use sealwax_tests::peer;
use sealwax_tests::server::Server;
use sealwax_tlog::{AddCheckpoint, SignedNote, VerifierKey};
use sha2::{Digest as _, Sha256};

use world::{ORIGIN, SERVE, TOUR, body, http, log_key, note, post, serve, tour, verifier_key, witness};

#[test]
fn a_witness_is_made_shown_and_asked_by_a_log() {
    let (sandbox, key) = witness();
    let log = log_key();
    let vkey = verifier_key(&log).to_string();
    for (name, mode) in [("w", 0o700), ("w/witness.pem", 0o600), ("w/state.db", 0o600)] {
        let found = fs::metadata(sandbox.at(name)).unwrap().permissions().mode();
        assert_eq!(found & 0o777, mode, "{name}");
    }
    sandbox.run(["witness", "init", "w", "--name", "x"]).fails(2, "exists already");
    sandbox.run(["witness", "init", "v", "--name", "not one"]).fails(2, "cannot be a witness's name");
    sandbox.run(["witness", "show", "v"]).fails(2, "there is no witness");
    sandbox.run(["witness", "add-log", "w", ORIGIN]).fails(2, "verifier key");
    sandbox.ok(["witness", "add-log", "w", &vkey]);
    sandbox.run(["witness", "add-log", "w", &vkey]).fails(2, ORIGIN);

    let server = serve(&sandbox);
    let (answered, kind) =
        http(server.address, "POST", "/add-checkpoint", &body(&log, ORIGIN, 0, 5, 0)).unwrap();
    assert_eq!((answered.status, kind.as_str()), (200, "text/plain; charset=utf-8"));
    let mut cosigned = SignedNote::parse(&note(&log, ORIGIN, 5, 0)).unwrap();
    cosigned.add_cosignature(&answered.body, &key).unwrap();
    let (answered, kind) =
        http(server.address, "POST", "/add-checkpoint", &body(&log, ORIGIN, 0, 5, 0)).unwrap();
    assert_eq!(
        (answered.status, kind.as_str(), answered.body.as_slice()),
        (409, "text/x.tlog.size", &b"5\n"[..])
    );
    let path = format!("/{}/checkpoint", hex::encode(Sha256::digest(ORIGIN)));
    assert_eq!(http(server.address, "GET", &path, b"").unwrap().0.body, cosigned.to_bytes());

    // A running witness can be looked at, and not changed or started twice.
    let shown = sandbox.json(0, ["witness", "show", "w"]);
    assert_eq!((&shown["cosigned"][0]["size"], &shown["logs"][0]), (&5.into(), &vkey.clone().into()));
    sandbox.run(["witness", "add-log", "w", &vkey]).fails(2, ORIGIN);
    sandbox.run(["witness", "serve", "w", "--listen", "127.0.0.1:0"]).fails(3, "another process holds");
    // It ends when it is told to, with success.
    let mut server = server;
    server.terminate();
    assert_eq!(server.ended(), Some(0));
}

#[test]
fn k09_a_witness_does_not_take_its_own_key_for_a_log_s() {
    let (sandbox, key) = witness();
    let own = VerifierKey::from_ed25519(ORIGIN, key.public_key()).unwrap().to_string();
    sandbox.run(["witness", "add-log", "w", &own]).fails(2, "own key");
    sandbox.write("w/logs", format!("{own}\n"));
    sandbox.run(["witness", "serve", "w", "--listen", "127.0.0.1:0"]).fails(2, "own key");
}

#[test]
fn w07_a_witness_that_has_lost_its_state_does_not_start() {
    let (sandbox, _) = witness();
    fs::remove_file(sandbox.at("w/state.db")).unwrap();
    let run = sandbox.run(["witness", "serve", "w", "--listen", "127.0.0.1:0"]);
    run.fails(3, "no witness's state");
    assert!(run.stderr.contains("retire this witness"), "{run:?}");
    assert!(!sandbox.at("w/state.db").exists());
}

/// Two histories of many logs are sent at the same time; whichever comes first is the only one that is ever cosigned, no
/// matter when the witness is killed.
#[test]
fn w08_killed_at_any_moment_a_witness_never_cosigns_two_histories() {
    const KILLS: u64 = 30;
    let (sandbox, key) = witness();
    let log = log_key();
    let origins: Vec<String> = (0..2000).map(|number| format!("log{number}.example")).collect();
    let vkeys = origins.iter().map(|origin| VerifierKey::from_ed25519(origin, log.public_key()).unwrap());
    sandbox.write("w/logs", vkeys.map(|vkey| format!("{vkey}\n")).collect::<String>());
    // What was answered: of each origin the histories, and the largest size.
    let answered: Mutex<BTreeMap<usize, (BTreeSet<u64>, u64)>> = Mutex::default();
    let reached = Mutex::new(0);
    let ask = |address, origin: usize, old: u64, size: u64, history: u64| -> Option<Answered> {
        let answer = post(address, &body(&log, &origins[origin], old, size, history)).ok()?;
        if answer.status == 200 {
            let mut cosigned = SignedNote::parse(&note(&log, &origins[origin], size, history)).unwrap();
            cosigned.add_cosignature(&answer.body, &key).unwrap();
            let mut answered = answered.lock().unwrap();
            let (histories, largest) = answered.entry(origin).or_default();
            histories.insert(history);
            *largest = size.max(*largest);
        }
        Some(answer)
    };
    for kill in 0..KILLS {
        let mut server = serve(&sandbox);
        let address = server.address;
        let first = *reached.lock().unwrap();
        // What was answered before the kill is still known.
        for origin in (0..first).rev().take(4) {
            let known = answered.lock().unwrap().get(&origin).map(|(_, largest)| *largest);
            let answer = ask(address, origin, 1, 1, 0).unwrap();
            if let Some(largest) = known {
                assert_eq!(answer.status, 409);
                assert!(
                    AddCheckpoint::parse_conflict(&answer.body).unwrap() >= largest,
                    "{origin} forgot {largest}"
                );
            }
        }
        std::thread::scope(|scope| {
            for history in [0, 1] {
                let (ask, reached) = (&ask, &reached);
                scope.spawn(move || {
                    // The logs of the last moments again, then new ones, until nobody answers.
                    for origin in first.saturating_sub(4)..origins_end(first) {
                        for (old, size) in [(0, 5), (5, 9)] {
                            if ask(address, origin, old, size, history).is_none() {
                                return;
                            }
                        }
                        let mut reached = reached.lock().unwrap();
                        *reached = (origin + 1).max(*reached);
                    }
                });
            }
            // Multiples of the golden ratio never repeat a phase.
            std::thread::sleep(Duration::from_micros(10_000 + (kill * 618_034) % 80_000));
            server.kill();
        });
    }
    let answered = answered.into_inner().unwrap();
    eprintln!("{KILLS} kills, {} logs cosigned", answered.len());
    assert!(answered.len() > 10, "the witness was killed before it did anything");
    for (origin, (histories, _)) in &answered {
        assert_eq!(histories.len(), 1, "two histories of {} were cosigned", origins[*origin]);
    }
    let shown = sandbox.json(0, ["witness", "show", "w"]);
    assert!(shown["cosigned"].as_array().unwrap().len() >= answered.len());
}

/// How far one round can come.
fn origins_end(first: usize) -> usize {
    (first + 60).min(2000)
}

#[test]
fn a_log_collects_cosignatures_from_our_witness() {
    let (sandbox, key) = witness();
    let log = log_key();
    let vkey = verifier_key(&log).to_string();
    sandbox.ok(["witness", "add-log", "w", &vkey]);
    let server = serve(&sandbox);
    let statuses = tour(&key, server.address, &log);
    assert_eq!(statuses, TOUR);
}

/// A failed flush leaves it open what is stored, and the next one succeeds without having stored anything: nothing may be
/// cosigned any more by this process.
#[test]
fn w08_a_failed_flush_gives_no_cosignature_and_ends_the_process() {
    let Some(strace) = peer("strace") else { return };
    let works = Command::new(&strace).args(["-qq", "-o", "/dev/null", "true"]).status();
    if !works.is_ok_and(|status| status.success()) {
        eprintln!("skipped: failed flushes (strace may not trace here)");
        return;
    }
    let (sandbox, _) = witness();
    let log = log_key();
    sandbox.ok(["witness", "add-log", "w", &verifier_key(&log).to_string()]);
    let journal = sandbox.path().canonicalize().unwrap().join("w/state.db-wal");
    let mut failing = Command::new(strace);
    failing.args(["-f", "-qq", "-o", "/dev/null", "-P", journal.to_str().unwrap()]);
    // The fourth flush of every thread fails, slowly: another request is waiting for the state by then, on a thread of its
    // own whose flush would succeed.
    let inject = "inject=fsync,fdatasync:error=EIO:delay_enter=300000:when=4";
    failing.args(["-e", "trace=fsync,fdatasync", "-e", inject]);
    let mut server = Server::start(failing, &sandbox, SERVE);
    let address = server.address;
    // Once the process ends, a connection may be refused as well.
    let ask = |old, new| post(address, &body(&log, ORIGIN, old, new, 0)).map_or(0, |answer| answer.status);
    let mut size = 0;
    let failed = (0..100).any(|_| {
        let statuses = std::thread::scope(|scope| {
            let first = scope.spawn(|| ask(size, size + 3));
            std::thread::sleep(Duration::from_millis(100));
            let second = ask(size, size + 1);
            [first.join().unwrap(), second]
        });
        if statuses.contains(&500) {
            assert!(!statuses.contains(&200), "cosigned after a failed flush: {statuses:?}");
            return true;
        }
        size += if statuses[0] == 200 { 3 } else { 1 };
        false
    });
    assert!(failed, "no flush failed");
    assert_eq!(server.ended(), Some(3));
    drop(server);
    // Whatever is stored, the next process goes on from it.
    let server = serve(&sandbox);
    let conflict = post(server.address, &body(&log, ORIGIN, size + 9, size + 9, 0)).unwrap();
    let old = AddCheckpoint::parse_conflict(&conflict.body).unwrap();
    assert!([size, size + 1, size + 3].contains(&old), "{old} after {size}");
    assert_eq!(post(server.address, &body(&log, ORIGIN, old, size + 9, 0)).unwrap().status, 200);
}

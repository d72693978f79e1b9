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

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use sealwax_keys::{KeyKind, SecretKey};
use sealwax_server::{Answered, Cosigners, Failure, Post};
use sealwax_tests::{Sandbox, peer};
use sealwax_tlog::{
    AddCheckpoint, Checkpoint, Error, Hash, HashReader, Node, SignedNote, VerifierKey, WitnessPolicy, proof,
};
use sha2::{Digest as _, Sha256};

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

fn log_key() -> SecretKey {
    SecretKey::generate(KeyKind::Ed25519).unwrap()
}

fn note(key: &SecretKey, origin: &str, size: u64, history: u64) -> Vec<u8> {
    let root = proof::root(&Leaves { history }, size).unwrap();
    let checkpoint = Checkpoint { origin: origin.to_owned(), size, root, extensions: Vec::new() };
    checkpoint.sign(key).unwrap().to_bytes()
}

fn body(key: &SecretKey, origin: &str, old_size: u64, size: u64, history: u64) -> Vec<u8> {
    let proof = proof::prove_consistency(&Leaves { history }, old_size, size).unwrap();
    AddCheckpoint { old_size, proof, note: note(key, origin, size, history) }.to_bytes()
}

/// One HTTP request over a connection of its own.
fn http(address: SocketAddr, method: &str, path: &str, body: &[u8]) -> std::io::Result<(Answered, String)> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(Duration::from_secs(20)))?;
    let head = format!(
        "{method} {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    stream.write_all(&[head.as_bytes(), body].concat())?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer)?;
    let cut = || std::io::Error::other("the answer was cut off");
    let end = answer.windows(4).position(|window| window == b"\r\n\r\n").ok_or_else(cut)?;
    let head = String::from_utf8_lossy(&answer[..end]).to_lowercase();
    let body = answer[end + 4..].to_vec();
    let header = |name: &str| {
        let lines = head.lines().filter_map(|line| line.split_once(": "));
        lines
            .filter(|(found, _)| *found == name)
            .map(|(_, value)| value.to_owned())
            .next()
            .unwrap_or_default()
    };
    if header("content-length").parse().ok() != Some(body.len()) {
        return Err(cut());
    }
    Ok((Answered { status: head[9..12].parse().unwrap(), body }, header("content-type")))
}

fn post(address: SocketAddr, body: &[u8]) -> std::io::Result<Answered> {
    http(address, "POST", "/add-checkpoint", body).map(|(answered, _)| answered)
}

/// A running `sealwax witness serve`, killed when dropped.
struct Server {
    child: Child,
    address: SocketAddr,
}

impl Server {
    fn start(sandbox: &Sandbox) -> Server {
        let mut command = sandbox.command(["witness", "serve", "w", "--listen", "127.0.0.1:0", "--json"]);
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let said = lines.map(Result::unwrap).find(|line| line.contains("listening")).expect("it starts");
        let address = said.split('"').nth(3).unwrap().parse().unwrap();
        Server { child, address }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A sandbox with the witness `w`, and its verifier key.
fn witness() -> (Sandbox, VerifierKey) {
    let sandbox = Sandbox::new();
    let made = sandbox.json(0, ["witness", "init", "w", "--name", "w.example/1"]);
    let key = VerifierKey::parse(made["verifier_key"].as_str().unwrap()).unwrap();
    (sandbox, key)
}

#[test]
fn a_witness_is_made_shown_and_asked_by_a_log() {
    let (sandbox, key) = witness();
    let log = log_key();
    let vkey = VerifierKey::from_ed25519("log.example", log.public_key()).unwrap().to_string();
    for (name, mode) in [("w", 0o700), ("w/witness.pem", 0o600), ("w/state.db", 0o600)] {
        let found = fs::metadata(sandbox.at(name)).unwrap().permissions().mode();
        assert_eq!(found & 0o777, mode, "{name}");
    }
    sandbox.run(["witness", "init", "w", "--name", "x"]).fails(2, "exists already");
    sandbox.run(["witness", "init", "v", "--name", "not one"]).fails(2, "cannot be a witness's name");
    sandbox.run(["witness", "show", "v"]).fails(2, "there is no witness");
    sandbox.run(["witness", "add-log", "w", "log.example"]).fails(2, "verifier key");
    sandbox.ok(["witness", "add-log", "w", &vkey]);
    sandbox.run(["witness", "add-log", "w", &vkey]).fails(2, "log.example");

    let server = Server::start(&sandbox);
    let (answered, kind) =
        http(server.address, "POST", "/add-checkpoint", &body(&log, "log.example", 0, 5, 0)).unwrap();
    assert_eq!((answered.status, kind.as_str()), (200, "text/plain; charset=utf-8"));
    let mut cosigned = SignedNote::parse(&note(&log, "log.example", 5, 0)).unwrap();
    cosigned.add_cosignature(&answered.body, &key).unwrap();
    let (answered, kind) =
        http(server.address, "POST", "/add-checkpoint", &body(&log, "log.example", 0, 5, 0)).unwrap();
    assert_eq!(
        (answered.status, kind.as_str(), answered.body.as_slice()),
        (409, "text/x.tlog.size", &b"5\n"[..])
    );
    let path = format!("/{}/checkpoint", hex::encode(Sha256::digest("log.example")));
    assert_eq!(http(server.address, "GET", &path, b"").unwrap().0.body, cosigned.to_bytes());

    // A running witness can be looked at, and not changed or started twice.
    let shown = sandbox.json(0, ["witness", "show", "w"]);
    assert_eq!((&shown["cosigned"][0]["size"], &shown["logs"][0]), (&5.into(), &vkey.clone().into()));
    sandbox.run(["witness", "add-log", "w", &vkey]).fails(2, "log.example");
    sandbox.run(["witness", "serve", "w", "--listen", "127.0.0.1:0"]).fails(3, "another process holds");
    // It ends when it is told to, with success.
    let mut server = server;
    assert!(Command::new("kill").arg(server.child.id().to_string()).status().unwrap().success());
    assert_eq!(server.child.wait().unwrap().code(), Some(0));
}

#[test]
fn k09_a_witness_does_not_take_its_own_key_for_a_log_s() {
    let (sandbox, key) = witness();
    let own = VerifierKey::from_ed25519("log.example", key.public_key()).unwrap().to_string();
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
        let mut server = Server::start(&sandbox);
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
            server.child.kill().unwrap();
            server.child.wait().unwrap();
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

/// Posts to a witness on this machine, and keeps the statuses.
struct Direct {
    statuses: Mutex<Vec<u16>>,
}

impl Post for Direct {
    fn post(&self, url: &str, body: &[u8]) -> Result<Answered, String> {
        let rest = url.strip_prefix("http://").unwrap();
        let (address, path) = rest.split_once('/').unwrap();
        let (answered, _) = http(address.parse().unwrap(), "POST", &format!("/{path}"), body)
            .map_err(|error| error.to_string())?;
        self.statuses.lock().unwrap().push(answered.status);
        Ok(answered)
    }
}

/// The log's side, run against one witness: grows, forgets, falls back, forks.
fn tour(witness: &VerifierKey, address: SocketAddr, log: &SecretKey) -> Vec<u16> {
    let policy = format!("witness W {witness} http://{address}\nquorum W\n");
    let vkey = VerifierKey::from_ed25519("log.example", log.public_key()).unwrap();
    let direct = Arc::new(Direct { statuses: Mutex::default() });
    let start = || Cosigners::new(WitnessPolicy::parse(&policy).unwrap(), &vkey, direct.clone()).unwrap();
    let collect = |cosigners: &Cosigners, size, history| {
        let prove = |old| proof::prove_consistency(&Leaves { history }, old, size);
        cosigners.collect(&note(log, "log.example", size, history), &prove).unwrap()
    };
    let cosigners = start();
    for size in [1, 2, 7, 300, 300] {
        let collected = collect(&cosigners, size, 0);
        collected.quorum.as_ref().unwrap_or_else(|error| panic!("{size}: {error}: {:?}", collected.failures));
    }
    let restarted = start();
    collect(&restarted, 301, 0).quorum.unwrap();
    let failed = |size, history| collect(&start(), size, history).failures.remove(0).1;
    let behind = failed(300, 0);
    assert!(matches!(behind, Failure::Ahead { size: 301 }), "{behind}");
    let forked = failed(301, 1);
    assert!(matches!(forked, Failure::Contradicts { size: 301 }), "{forked}");
    let forked = failed(400, 1);
    assert!(matches!(forked, Failure::Contradicts { size: 301 }), "{forked}");
    drop(cosigners);
    drop(restarted);
    Arc::into_inner(direct).unwrap().statuses.into_inner().unwrap()
}

#[test]
fn a_log_collects_cosignatures_from_our_witness() {
    let (sandbox, key) = witness();
    let log = log_key();
    let vkey = VerifierKey::from_ed25519("log.example", log.public_key()).unwrap().to_string();
    sandbox.ok(["witness", "add-log", "w", &vkey]);
    let server = Server::start(&sandbox);
    let statuses = tour(&key, server.address, &log);
    assert_eq!(statuses, [200, 200, 200, 200, 200, 409, 200, 409, 409, 422, 409, 422]);
}

#[test]
fn a_log_collects_cosignatures_from_litewitness() {
    let (Some(litewitness), Some(witnessctl)) = (peer("litewitness"), peer("witnessctl")) else { return };
    let (Some(ssh_agent), Some(ssh_add), Some(ssh_keygen)) =
        (peer("ssh-agent"), peer("ssh-add"), peer("ssh-keygen"))
    else {
        return;
    };
    let sandbox = Sandbox::new();
    let log = log_key();
    let vkey = VerifierKey::from_ed25519("log.example", log.public_key()).unwrap().to_string();
    let run = |program: &Path, arguments: &[&str]| {
        let output = Command::new(program)
            .args(arguments)
            .current_dir(sandbox.path())
            .env("SSH_AUTH_SOCK", sandbox.at("agent"))
            .output()
            .unwrap();
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).unwrap()
    };
    run(&ssh_keygen, &["-q", "-t", "ed25519", "-N", "", "-f", "key"]);
    let fingerprint = run(&ssh_keygen, &["-l", "-f", "key.pub"]);
    let fingerprint = fingerprint.split(' ').nth(1).unwrap();
    let spawn = |program: &Path, arguments: &[&str]| {
        let mut command = Command::new(program);
        // Its words go to a file: a pipe that nobody reads any more would end it.
        let said = fs::File::create(sandbox.at("said")).unwrap();
        command.args(arguments).current_dir(sandbox.path()).stdout(Stdio::null()).stderr(said);
        Running(command.spawn().unwrap())
    };
    let _agent = spawn(&ssh_agent, &["-D", "-a", "agent"]);
    wait_for(|| sandbox.at("agent").exists().then_some(()));
    run(&ssh_add, &["-q", "key"]);
    run(&witnessctl, &["add-log", "-db", "w.db", "-origin", "log.example"]);
    run(&witnessctl, &["add-key", "-db", "w.db", "-origin", "log.example", "-key", &vkey]);
    let address = free_address();
    let listen = address.to_string();
    let arguments =
        ["-db", "w.db", "-key", fingerprint, "-name", "w.example", "-listen", &listen, "-ssh-agent", "agent"];
    let _witness = spawn(&litewitness, &arguments);
    let key = wait_for(|| {
        let said = fs::read_to_string(sandbox.at("said")).unwrap();
        let key = said.split("vkey=").nth(1)?.split_once('\n')?.0.to_owned();
        VerifierKey::parse(&key).ok()
    });
    wait_for(|| TcpStream::connect(address).ok());
    let statuses = tour(&key, address, &log);
    eprintln!("litewitness: {statuses:?}");
}

/// A process that ends with its test.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn wait_for<T>(mut ready: impl FnMut() -> Option<T>) -> T {
    let started = Instant::now();
    loop {
        if let Some(value) = ready() {
            return value;
        }
        assert!(started.elapsed() < Duration::from_secs(20), "it does not come");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// An address that nobody listens at, a moment ago.
fn free_address() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}

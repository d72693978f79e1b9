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

const ORIGIN: &str = "log.example";

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

fn verifier_key(log: &SecretKey) -> VerifierKey {
    VerifierKey::from_ed25519(ORIGIN, log.public_key()).unwrap()
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

    let server = Server::start(&sandbox);
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
    assert!(Command::new("kill").arg(server.child.id().to_string()).status().unwrap().success());
    assert_eq!(server.child.wait().unwrap().code(), Some(0));
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

/// The statuses that a witness answers on the tour.
const TOUR: [u16; 12] = [200, 200, 200, 200, 200, 409, 200, 409, 409, 422, 409, 422];

/// The log's side, run against one witness: grows, forgets, falls back, forks.
fn tour(witness: &VerifierKey, address: SocketAddr, log: &SecretKey) -> Vec<u16> {
    let policy = format!("witness W {witness} http://{address}\nquorum W\n");
    let vkey = verifier_key(log);
    let direct = Arc::new(Direct { statuses: Mutex::default() });
    let start = || Cosigners::new(WitnessPolicy::parse(&policy).unwrap(), &vkey, direct.clone()).unwrap();
    let collect = |cosigners: &Cosigners, size, history| {
        let prove = |old| proof::prove_consistency(&Leaves { history }, old, size);
        cosigners.collect(&note(log, ORIGIN, size, history), &prove).unwrap()
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
    let vkey = verifier_key(&log).to_string();
    sandbox.ok(["witness", "add-log", "w", &vkey]);
    let server = Server::start(&sandbox);
    let statuses = tour(&key, server.address, &log);
    assert_eq!(statuses, TOUR);
}

#[test]
fn a_log_collects_cosignatures_from_litewitness() {
    let log = log_key();
    let Some(litewitness) = Litewitness::start(&log) else { return };
    let statuses = tour(&litewitness.key, litewitness.address, &log);
    assert_eq!(statuses, TOUR);
}

/// What our witness says to odd requests is what litewitness says, but for two that litewitness cosigns against the
/// specification: with a proof from size 0, and with a root of size 0 that is not the empty tree's.
#[test]
fn our_witness_and_litewitness_answer_alike() {
    let (log, stranger) = (log_key(), log_key());
    let Some(litewitness) = Litewitness::start(&log) else { return };
    let (sandbox, key) = witness();
    sandbox.ok(["witness", "add-log", "w", &verifier_key(&log).to_string()]);
    let server = Server::start(&sandbox);
    let with_note = |old_size, proof: &[Hash], note: &[u8]| {
        AddCheckpoint { old_size, proof: proof.to_vec(), note: note.to_vec() }.to_bytes()
    };
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    let lines =
        |note: &[u8]| text(note.to_vec()).lines().skip(4).map(|line| format!("{line}\n")).collect::<String>();
    let hash = Hash::leaf(b"x");
    let sign = |text: &str, key: &SecretKey| SignedNote::sign(text, ORIGIN, key).unwrap().to_bytes();
    let five = note(&log, ORIGIN, 5, 0);
    let forged = [
        text(note(&log, ORIGIN, 5, 0)).split_once("\n\n").unwrap().0,
        "\n\n",
        &lines(&note(&log, ORIGIN, 5, 1)),
        &lines(&five),
    ]
    .concat();
    let mut strangers = five.clone();
    strangers.extend_from_slice(lines(&note(&stranger, ORIGIN, 5, 0)).as_bytes());
    let extended = format!(
        "{ORIGIN}\n5\n{}\nan extension\n",
        proof::root(&Leaves { history: 0 }, 5).unwrap().to_base64()
    );
    let consistent = |old, new| proof::prove_consistency(&Leaves { history: 0 }, old, new).unwrap();
    let steps: [(&str, Vec<u8>, u16); 24] = [
        ("nothing", Vec::new(), 400),
        ("no note", b"old 0\n\n".to_vec(), 400),
        ("a leading zero", text(with_note(3, &[], &five)).replacen("old 3", "old 03", 1).into_bytes(), 400),
        ("a sign", text(with_note(3, &[], &five)).replacen("old 3", "old +3", 1).into_bytes(), 400),
        ("CRLF", text(with_note(3, &[], &five)).replacen("old 3\n", "old 3\r\n", 1).into_bytes(), 400),
        ("a short hash", text(with_note(0, &[], &five)).replacen("\n", "\nAAAA\n", 1).into_bytes(), 400),
        ("64 hashes", with_note(0, &[hash; 64], &five), 400),
        ("another old size", with_note(3, &consistent(3, 5), &five), 409),
        ("an unknown log", with_note(0, &[], &note(&log, "other.example", 5, 0)), 404),
        ("an unknown key", with_note(0, &[], &note(&stranger, ORIGIN, 5, 0)), 403),
        ("a forged line", with_note(0, &[], forged.as_bytes()), 403),
        (
            "a size with a leading zero",
            with_note(0, &[], &sign(&format!("{ORIGIN}\n05\n{}\n", hash.to_base64()), &log)),
            400,
        ),
        ("no root", with_note(0, &[], &sign(&format!("{ORIGIN}\n5\n"), &log)), 400),
        ("strangers' lines", with_note(0, &[], &strangers), 200),
        ("the same again", with_note(5, &[], &five), 200),
        ("the same from nothing", with_note(0, &[], &five), 409),
        ("an extension line", with_note(5, &[], &sign(&extended, &log)), 200),
        ("another root", with_note(5, &[], &note(&log, ORIGIN, 5, 1)), 422),
        ("a proof of the same", with_note(5, &[hash], &five), 422),
        ("an old size beyond", with_note(5, &[], &note(&log, ORIGIN, 4, 0)), 400),
        ("no proof", with_note(5, &[], &note(&log, ORIGIN, 9, 0)), 422),
        ("another history", with_note(5, &consistent(5, 9), &note(&log, ORIGIN, 9, 1)), 422),
        (
            "a longer proof",
            with_note(5, &[consistent(5, 9), vec![hash]].concat(), &note(&log, ORIGIN, 9, 0)),
            422,
        ),
        ("more leaves", with_note(5, &consistent(5, 9), &note(&log, ORIGIN, 9, 0)), 200),
    ];
    for (what, body, expected) in steps {
        let ours = post(server.address, &body).unwrap();
        let theirs = post(litewitness.address, &body).unwrap();
        assert_eq!(ours.status, expected, "{what}");
        match expected {
            // Litewitness refuses what is malformed with other statuses, and reads numbers more loosely.
            400 => assert_ne!(theirs.status, 200, "{what}"),
            409 => assert_eq!(ours, theirs, "{what}"),
            _ => assert_eq!(theirs.status, expected, "{what}"),
        }
    }
    let path = format!("/{}/checkpoint", hex::encode(Sha256::digest(ORIGIN)));
    let served = SignedNote::parse(&http(server.address, "GET", &path, b"").unwrap().0.body).unwrap();
    served.verify(std::slice::from_ref(&key)).unwrap();
    assert_eq!(Checkpoint::parse(served.text()).unwrap().size, 9);
}

/// A running litewitness that knows the log, with the ssh-agent that holds its key.
struct Litewitness {
    address: SocketAddr,
    key: VerifierKey,
    _processes: [Running; 2],
    _sandbox: Sandbox,
}

impl Litewitness {
    fn start(log: &SecretKey) -> Option<Litewitness> {
        let programs = ["litewitness", "witnessctl", "ssh-agent", "ssh-add", "ssh-keygen"].map(peer);
        let [Some(litewitness), Some(witnessctl), Some(ssh_agent), Some(ssh_add), Some(ssh_keygen)] =
            programs
        else {
            return None;
        };
        let sandbox = Sandbox::new();
        let run = |program: &Path, arguments: &[&str]| {
            let mut command = Command::new(program);
            command.args(arguments).current_dir(sandbox.path()).env("SSH_AUTH_SOCK", sandbox.at("agent"));
            let output = command.output().unwrap();
            assert!(output.status.success(), "{output:?}");
            String::from_utf8(output.stdout).unwrap()
        };
        let spawn = |program: &Path, arguments: &[&str], said: &str| {
            // Its words go to a file: a pipe that nobody reads any more would end it.
            let said = fs::File::create(sandbox.at(said)).unwrap();
            let mut command = Command::new(program);
            command.args(arguments).current_dir(sandbox.path()).stdout(Stdio::null()).stderr(said);
            Running(command.spawn().unwrap())
        };
        run(&ssh_keygen, &["-q", "-t", "ed25519", "-N", "", "-f", "key"]);
        let fingerprint = run(&ssh_keygen, &["-l", "-f", "key.pub"]);
        let fingerprint = fingerprint.split(' ').nth(1).unwrap();
        let agent = spawn(&ssh_agent, &["-D", "-a", "agent"], "agent.log");
        wait_for(|| sandbox.at("agent").exists().then_some(()));
        run(&ssh_add, &["-q", "key"]);
        let vkey = verifier_key(log).to_string();
        run(&witnessctl, &["add-log", "-db", "w.db", "-origin", ORIGIN]);
        run(&witnessctl, &["add-key", "-db", "w.db", "-origin", ORIGIN, "-key", &vkey]);
        let address = free_address();
        let listen = address.to_string();
        let key = ["-key", fingerprint, "-name", "w.example", "-ssh-agent", "agent"];
        let arguments = [&["-db", "w.db", "-listen", &listen][..], &key].concat();
        let witness = spawn(&litewitness, &arguments, "witness.log");
        let key = wait_for(|| {
            let said = fs::read_to_string(sandbox.at("witness.log")).unwrap();
            VerifierKey::parse(said.split("vkey=").nth(1)?.split_once('\n')?.0).ok()
        });
        wait_for(|| TcpStream::connect(address).ok());
        Some(Litewitness { address, key, _processes: [witness, agent], _sandbox: sandbox })
    }
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

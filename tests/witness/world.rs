//! A log with several histories, a running witness, HTTP, and what a log does to a witness.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use sealwax_keys::{KeyKind, SecretKey};
use sealwax_server::{Answered, Cosigners, Failure, Post};
use sealwax_tests::Sandbox;
use sealwax_tlog::{
    AddCheckpoint, Checkpoint, Error, Hash, HashReader, Node, VerifierKey, WitnessPolicy, proof,
};

pub(crate) const ORIGIN: &str = "log.example";

/// The leaves of one history of a log.
pub(crate) struct Leaves {
    pub(crate) history: u64,
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

pub(crate) fn log_key() -> SecretKey {
    SecretKey::generate(KeyKind::Ed25519).unwrap()
}

pub(crate) fn verifier_key(log: &SecretKey) -> VerifierKey {
    VerifierKey::from_ed25519(ORIGIN, log.public_key()).unwrap()
}

pub(crate) fn note(key: &SecretKey, origin: &str, size: u64, history: u64) -> Vec<u8> {
    let root = proof::root(&Leaves { history }, size).unwrap();
    let checkpoint = Checkpoint { origin: origin.to_owned(), size, root, extensions: Vec::new() };
    checkpoint.sign(key).unwrap().to_bytes()
}

pub(crate) fn body(key: &SecretKey, origin: &str, old_size: u64, size: u64, history: u64) -> Vec<u8> {
    let proof = proof::prove_consistency(&Leaves { history }, old_size, size).unwrap();
    AddCheckpoint { old_size, proof, note: note(key, origin, size, history) }.to_bytes()
}

/// One HTTP request over a connection of its own.
pub(crate) fn http(
    address: SocketAddr,
    method: &str,
    path: &str,
    body: &[u8],
) -> std::io::Result<(Answered, String)> {
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

pub(crate) fn post(address: SocketAddr, body: &[u8]) -> std::io::Result<Answered> {
    http(address, "POST", "/add-checkpoint", body).map(|(answered, _)| answered)
}

/// A running `sealwax witness serve`, killed when dropped.
pub(crate) struct Server {
    pub(crate) child: Child,
    pub(crate) address: SocketAddr,
}

impl Server {
    pub(crate) fn start(sandbox: &Sandbox) -> Server {
        Server::start_under(Command::new("env"), sandbox)
    }

    /// Starts it through another program, whose arguments end with a command.
    pub(crate) fn start_under(mut command: Command, sandbox: &Sandbox) -> Server {
        let serve = sandbox.command(["witness", "serve", "w", "--listen", "127.0.0.1:0", "--json"]);
        command.arg(serve.get_program()).args(serve.get_args());
        command
            .current_dir(sandbox.path())
            .env("HOME", sandbox.at("home"))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null());
        let mut child = command.spawn().unwrap();
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
pub(crate) fn witness() -> (Sandbox, VerifierKey) {
    let sandbox = Sandbox::new();
    let made = sandbox.json(0, ["witness", "init", "w", "--name", "w.example/1"]);
    let key = VerifierKey::parse(made["verifier_key"].as_str().unwrap()).unwrap();
    (sandbox, key)
}

/// Posts to a witness on this machine, and keeps the statuses.
pub(crate) struct Direct {
    pub(crate) statuses: Mutex<Vec<u16>>,
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
pub(crate) const TOUR: [u16; 12] = [200, 200, 200, 200, 200, 409, 200, 409, 409, 422, 409, 422];

/// The log's side, run against one witness: grows, forgets, falls back, forks.
pub(crate) fn tour(witness: &VerifierKey, address: SocketAddr, log: &SecretKey) -> Vec<u16> {
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

/// Looks until it is there, for at most 20 seconds.
pub(crate) fn wait_for<T>(mut ready: impl FnMut() -> Option<T>) -> T {
    let started = Instant::now();
    loop {
        if let Some(value) = ready() {
            return value;
        }
        assert!(started.elapsed() < Duration::from_secs(20), "it does not come");
        std::thread::sleep(Duration::from_millis(20));
    }
}

//! A log with several histories, a running witness, HTTP, and what a log does to a witness.

use std::net::SocketAddr;
use std::process::Command;
use std::sync::{Arc, Mutex};

use sealwax_keys::{KeyKind, SecretKey};
use sealwax_server::{Answered, Cosigners, Failure, Post};
use sealwax_tests::Sandbox;
use sealwax_tests::http::request;
use sealwax_tests::server::Server;
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

/// Asks a witness, and gives its answer and the answer's media type.
pub(crate) fn http(
    address: SocketAddr,
    method: &str,
    path: &str,
    body: &[u8],
) -> std::io::Result<(Answered, String)> {
    let answer = request(address, method, path, "", body)?;
    let media = answer.header("content-type").to_owned();
    Ok((Answered { status: answer.status, body: answer.body }, media))
}

pub(crate) fn post(address: SocketAddr, body: &[u8]) -> std::io::Result<Answered> {
    http(address, "POST", "/add-checkpoint", body).map(|(answered, _)| answered)
}

/// Serves the witness `w`.
pub(crate) fn serve(sandbox: &Sandbox) -> Server {
    Server::start(Command::new("env"), sandbox, SERVE)
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

/// How the witness `w` is served.
pub(crate) const SERVE: &[&str] = &["witness", "serve", "w"];

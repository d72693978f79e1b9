//! Running `sealwax serve` and `sealwax witness serve`, and what is submitted to a served log.

use std::fs::{self, File};
use std::net::SocketAddr;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sealwax_attestation::{TrustedRoot, Verifier};
use sealwax_keys::{KeyFile, KeyKind, SecretKey};
use sealwax_tlog::{Checkpoint, SignedNote, VerifierKey};
use sealwax_transparency_log::{Log, LogKey};
use serde_json::{Value, json};
use tempfile::NamedTempFile;

use crate::Sandbox;
use crate::http::{self, Answer};

/// A running server of one sandbox, killed when dropped.
pub struct Server {
    child: Child,
    /// Where it listens.
    pub address: SocketAddr,
    /// What it printed once clients could connect.
    pub started: Value,
    said: NamedTempFile,
    _stdout: ChildStdout,
}

impl Server {
    /// Serves the sandbox's instance, made if it is not there.
    pub fn serve(sandbox: &Sandbox) -> Self {
        Self::start(Command::new("env"), sandbox, &["serve"])
    }

    /// Starts a server through another program whose arguments end with a command.
    pub fn start(under: Command, sandbox: &Sandbox, arguments: &[&str]) -> Self {
        let said = NamedTempFile::new().expect("a file");
        let mut child = spawn(under, sandbox, arguments, &said);
        let mut stdout = child.stdout.take().expect("a pipe");
        let first = serde_json::Deserializer::from_reader(&mut stdout).into_iter::<Value>().next();
        let Some(Ok(started)) = first else {
            let ended = child.wait().expect("an exit");
            panic!("{ended}: {}", fs::read_to_string(said.path()).unwrap_or_default());
        };
        let address = started["address"].as_str().or(started["listening"].as_str());
        let address = address.and_then(|text| text.parse().ok()).expect("an address");
        Self { child, address, started, said, _stdout: stdout }
    }

    /// Gives the base URL.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Gives the number of the process.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Gives what the server has said on standard error.
    pub fn said(&self) -> String {
        fs::read_to_string(self.said.path()).expect("what it said")
    }

    /// Kills the server at once, and waits until it is gone.
    pub fn kill(&mut self) {
        self.child.kill().expect("a kill");
        self.child.wait().expect("an exit");
    }

    /// Sends SIGTERM.
    pub fn terminate(&self) {
        let sent = Command::new("kill").arg(self.child.id().to_string()).status().expect("kill runs");
        assert!(sent.success());
    }

    /// Waits for the server to end by itself, at most 30 seconds, and gives its exit code.
    pub fn ended(&mut self) -> Option<i32> {
        wait_for("the server's end", || self.child.try_wait().expect("a status")).code()
    }

    /// Gives the kilobytes of memory that the process holds, on Linux.
    pub fn resident(&self) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap_or_default();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        line.and_then(|line| line.trim().trim_end_matches(" kB").parse().ok()).unwrap_or(0)
    }

    /// Submits a request, and demands the answer.
    pub fn submit(&self, request: &Value) -> Answer {
        http::post(self.address, ENTRIES, request.to_string().as_bytes()).expect("an answer")
    }

    /// Gives the size of the published tree.
    pub fn size(&self) -> u64 {
        let note = SignedNote::parse(&http::get(self.address, "/checkpoint").body).expect("a signed note");
        Checkpoint::parse(note.text()).expect("a checkpoint").size
    }

    /// Gets a path below Sealwax's own part, and demands a status.
    pub fn ask(&self, status: u16, path: &str) -> Value {
        let answer = http::get(self.address, &format!("/api/sealwax/v1/{path}"));
        assert_eq!(answer.status, status, "{path}: {answer:?}");
        answer.json()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Runs a server that must not start, and gives its exit code and what it said.
pub fn refused_start(sandbox: &Sandbox, arguments: &[&str]) -> (Option<i32>, String) {
    let said = NamedTempFile::new().expect("a file");
    let mut child = spawn(Command::new("env"), sandbox, arguments, &said);
    let ended = wait_for("the refusal", || child.try_wait().expect("a status"));
    (ended.code(), fs::read_to_string(said.path()).expect("what it said"))
}

fn spawn(mut under: Command, sandbox: &Sandbox, arguments: &[&str], said: &NamedTempFile) -> Child {
    let anywhere: &[&str] = if arguments.contains(&"--listen") { &[] } else { &["--listen", "127.0.0.1:0"] };
    let serve = sandbox.command(arguments.iter().chain(anywhere).chain(&["--json"]));
    under.arg(serve.get_program()).args(serve.get_args());
    under
        .current_dir(sandbox.path())
        .env("HOME", sandbox.at("home"))
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        // A pipe that nobody reads would hold the server up.
        .stderr(File::create(said.path()).expect("a file"));
    under.spawn().expect("it starts")
}

/// Makes a sandbox with an instance whose log has the origin `log.example`, and settings for its server.
pub fn instance(settings: &str) -> Sandbox {
    let sandbox = Sandbox::new();
    sandbox.ok(["instance", "init", "--origin", "log.example"]);
    set(&sandbox, settings);
    sandbox
}

/// Replaces the settings of an instance's server.
pub fn set(sandbox: &Sandbox, settings: &str) {
    fs::write(sandbox.instance().join("serve.toml"), settings).expect("settings");
}

/// Gives the verifier key of the sandbox's log.
pub fn log_key(sandbox: &Sandbox) -> VerifierKey {
    let text = fs::read(sandbox.instance().join("trusted_root.json")).expect("a trusted root");
    let root = TrustedRoot::from_json(&text).expect("a trusted root");
    root.logs[0].verifier_key().expect("a log's key")
}

/// Opens the sandbox's log in process, for writing.
pub fn open_log(sandbox: &Sandbox) -> Log {
    let pem = fs::read(sandbox.instance().join("keys/log.pem")).expect("the log's key");
    let Ok(KeyFile::Plain(secret)) = KeyFile::parse(&pem) else { panic!("not a plain key") };
    let key = LogKey::new("log.example", secret).expect("a log's key");
    Log::open(&sandbox.instance().join("log"), key, |_| false).expect("an open log").0
}

/// A key of somebody who submits.
pub struct Signer {
    /// The key.
    pub key: SecretKey,
}

impl Signer {
    /// Makes a P-256 key.
    pub fn new() -> Self {
        Self { key: SecretKey::generate(KeyKind::P256).expect("a key") }
    }

    /// Makes a request for a signature over the digest of a message; the same message is the same entry.
    pub fn rekord(&self, message: &[u8]) -> Value {
        let scheme = self.key.public_key().scheme();
        let signature = self.key.sign(message).expect("a signature");
        json!({"hashedRekordRequestV002": {
            "digest": STANDARD.encode(scheme.hash().digest(message)),
            "signature": {"content": STANDARD.encode(signature), "verifier": self.verifier()},
        }})
    }

    /// Gives the key as a request names it.
    pub fn verifier(&self) -> Value {
        let key = self.key.public_key();
        json!({
            "publicKey": {"rawBytes": STANDARD.encode(key.spki_der())},
            "keyDetails": key.scheme().key_details(),
        })
    }

    /// Gives the key as an entry holds it.
    pub fn public(&self) -> Verifier {
        Verifier::from(self.key.public_key())
    }
}

impl Default for Signer {
    fn default() -> Self {
        Self::new()
    }
}

/// Looks until it is there, for at most 30 seconds.
pub fn wait_for<T>(what: &str, mut ready: impl FnMut() -> Option<T>) -> T {
    let started = Instant::now();
    loop {
        if let Some(value) = ready() {
            return value;
        }
        assert!(started.elapsed() < Duration::from_secs(30), "{what} does not come");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Where entries are submitted.
pub const ENTRIES: &str = "/api/v2/log/entries";

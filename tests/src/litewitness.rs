//! A running litewitness, where it and ssh-agent are installed.

use std::fs;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use sealwax_tlog::VerifierKey;

use crate::server::wait_for;
use crate::{Sandbox, peer};

/// A running litewitness that knows the log, with the ssh-agent that holds its key.
pub struct Litewitness {
    /// Where it listens.
    pub address: SocketAddr,
    /// Its verifier key.
    pub key: VerifierKey,
    _processes: [Running; 2],
    _sandbox: Sandbox,
}

impl Litewitness {
    /// Starts one that knows a log, or says that what needs it is skipped.
    pub fn start(log: &VerifierKey) -> Option<Litewitness> {
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
            let output = command.output().expect(EXPECTED);
            assert!(output.status.success(), "{output:?}");
            String::from_utf8(output.stdout).expect(EXPECTED)
        };
        let spawn = |program: &Path, arguments: &[&str], said: &str| {
            // Its words go to a file: a pipe that nobody reads any more would end it.
            let said = fs::File::create(sandbox.at(said)).expect(EXPECTED);
            let mut command = Command::new(program);
            command.args(arguments).current_dir(sandbox.path()).stdout(Stdio::null()).stderr(said);
            Running(command.spawn().expect(EXPECTED))
        };
        run(&ssh_keygen, &["-q", "-t", "ed25519", "-N", "", "-f", "key"]);
        let fingerprint = run(&ssh_keygen, &["-l", "-f", "key.pub"]);
        let fingerprint = fingerprint.split(' ').nth(1).expect(EXPECTED);
        let agent = spawn(&ssh_agent, &["-D", "-a", "agent"], "agent.log");
        wait_for("litewitness", || sandbox.at("agent").exists().then_some(()));
        run(&ssh_add, &["-q", "key"]);
        let (origin, vkey) = (log.name(), log.to_string());
        run(&witnessctl, &["add-log", "-db", "w.db", "-origin", origin]);
        run(&witnessctl, &["add-key", "-db", "w.db", "-origin", origin, "-key", &vkey]);
        let address = free_address();
        let listen = address.to_string();
        let key = ["-key", fingerprint, "-name", "w.example", "-ssh-agent", "agent"];
        let arguments = [&["-db", "w.db", "-listen", &listen][..], &key].concat();
        let witness = spawn(&litewitness, &arguments, "witness.log");
        let key = wait_for("litewitness", || {
            let said = fs::read_to_string(sandbox.at("witness.log")).expect(EXPECTED);
            VerifierKey::parse(said.split("vkey=").nth(1)?.split_once('\n')?.0).ok()
        });
        wait_for("litewitness", || TcpStream::connect(address).ok());
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

/// An address that nobody listens at, a moment ago.
fn free_address() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").expect(EXPECTED).local_addr().expect(EXPECTED)
}

const EXPECTED: &str = "litewitness and its tools work here";

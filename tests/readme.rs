//! The README's commands, run in an empty home directory, print what the README says.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::as_conversions,
    clippy::panic,
    clippy::print_stderr
)]

use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command};
use std::time::{Duration, Instant};
use std::{fs, thread};

use sealwax_tests::{Sandbox, copy_tree, workspace};

/// One command of a console block, and what is printed below it.
struct Step {
    command: String,
    expected: Vec<String>,
}

#[test]
fn the_readme_shows_what_its_commands_print() {
    let sandbox = Sandbox::new();
    copy_tree(&workspace().join("examples/model"), &sandbox.at("examples/model"));
    let _ = fs::remove_file(sandbox.at("examples/model/model.sig"));
    let steps = steps(&fs::read_to_string(workspace().join("README.md")).unwrap());
    let mut ran = 0;
    for step in steps.iter().filter(|step| !step.command.starts_with("cargo test")) {
        // The binary that is being tested, in place of another build of it.
        let binary = format!("'{}'", sealwax_tests::sealwax().display());
        let command = step.command.replace("cargo run --release --", &binary);
        let output = Command::new("sh")
            .args(["-c", &format!("{{ {command}; }} 2>&1")])
            .current_dir(sandbox.path())
            .env_clear()
            .env("HOME", sandbox.at("home"))
            .env("PATH", "/usr/bin:/bin")
            .output()
            .unwrap();
        let instance = sandbox.instance().display().to_string();
        let printed = String::from_utf8(output.stdout).unwrap().replace(&instance, "~/.local/share/sealwax");
        let printed: Vec<String> = printed.lines().map(comparable).collect();
        let expected: Vec<String> = step.expected.iter().map(|line| comparable(line)).collect();
        assert_eq!(printed, expected, "{}", step.command);
        assert_eq!(
            output.status.code(),
            Some(i32::from(printed[0].starts_with("error"))),
            "{}",
            step.command
        );
        ran += 1;
    }
    assert_eq!(ran, 3);
}

#[test]
fn the_commands_of_the_readmes_tasks_work() {
    let sandbox = Sandbox::new();
    sandbox.model("my-model");
    sandbox.write("my-model/checkpoints/1.bin", "1");
    sandbox.write("weights.safetensors", vec![1; 5_000]);
    sandbox.write("passphrase", "a passphrase\n");
    let readme = fs::read_to_string(workspace().join("README.md")).unwrap();
    let commands = readme.lines().filter_map(|line| line.strip_prefix("    sealwax "));
    let mut ran = 0;
    let mut served = Vec::new();
    // Somebody else may have the addresses that the README shows.
    let (log, witness) = (free_address(), free_address());
    for command in commands {
        // A certificate authority is made, and the line run, in peers.rs.
        if command.contains("their-ca.pem") {
            continue;
        }
        if command.contains("their.pub") {
            let shown = sandbox.json(0, ["key", "show", "release.pem", "--passphrase-file", "passphrase"]);
            sandbox.write("their.pub", shown["public_key"].as_str().unwrap());
        }
        let command = command.replace("release.pem", "release.pem --passphrase-file passphrase");
        let command = command.replace("127.0.0.1:3000", &log);
        let command = match command.contains(ISSUER) {
            true => {
                let origin = sandbox.json(0, ["instance", "show"])["log"]["origin"].clone();
                command.replace(ISSUER, &format!("https://{}", origin.as_str().unwrap()))
            }
            false => command,
        };
        let address = match command.as_str() {
            "serve" => Some(&log),
            "witness serve witness" => Some(&witness),
            _ => None,
        };
        let listen = address.map(|address| format!("--listen {address}")).unwrap_or_default();
        let line = format!("exec '{}' {command} {listen}", sealwax_tests::sealwax().display());
        let mut shell = Command::new("sh");
        shell.args(["-c", &line]).current_dir(sandbox.path());
        shell.env_clear().env("HOME", sandbox.at("home"));
        ran += 1;
        // What serves goes on while the commands below it run.
        if let Some(address) = address {
            served.push(Served::start(shell, address));
            continue;
        }
        let output = shell.output().unwrap();
        assert!(output.status.success(), "{command}: {output:?}");
    }
    assert_eq!(ran, 31);
}

/// The README's instance, which vouches for its guests; the one here has a name made from its key.
const ISSUER: &str = "https://sigstore.example.com";

fn free_address() -> String {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string()
}

/// A command that serves, ended with the value.
struct Served(Child);

impl Served {
    fn start(mut command: Command, address: &str) -> Self {
        let served = Self(command.spawn().unwrap());
        let patience = Instant::now();
        while TcpStream::connect(address).is_err() {
            assert!(patience.elapsed().as_secs() < 20, "nobody answers at {address}");
            thread::sleep(Duration::from_millis(20));
        }
        served
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn the_readme_names_the_test_command() {
    let steps = steps(&fs::read_to_string(workspace().join("README.md")).unwrap());
    assert!(steps.iter().any(|step| step.command == "cargo test --workspace"));
}

#[test]
fn every_setting_of_the_server_is_described_with_its_default() {
    let page = fs::read_to_string(workspace().join("docs/spec/server.md")).unwrap();
    let block = page.split("```toml\n").nth(1).unwrap().split("```").next().unwrap();
    // As it stands, it says what holds without it.
    let described = sealwax_server::Config::parse(block).unwrap();
    assert_eq!(format!("{described:?}"), format!("{:?}", sealwax_server::Config::default()));
    // With the examples it has every setting that there is.
    let lines = block.lines().map(|line| line.strip_prefix("# ").unwrap_or(line));
    let all: String = lines.map(|line| format!("{line}\n")).collect();
    sealwax_server::Config::parse(&all).unwrap();
    let sources = ["server/src/config.rs", "server/src/config/identities.rs"];
    let source = sources.map(|path| fs::read_to_string(workspace().join(path)).unwrap()).concat();
    let source = source.replace("#[serde(rename = \"type\")]\n    pub kind", "    pub type");
    let fields = source.lines().filter_map(|line| line.strip_prefix("    pub ")?.split_once(": "));
    let fields: Vec<&str> = fields.map(|(name, _)| name).filter(|name| !name.contains('(')).collect();
    assert!(fields.len() > 25, "{fields:?}");
    for field in fields {
        let is_there = |line: &str| {
            let table = |head: &str| line.trim() == head || line.starts_with(&format!("{head} "));
            line.starts_with(&format!("{field} = "))
                || table(&format!("[{field}]"))
                || table(&format!("[[authority.{field}]]"))
        };
        assert!(all.lines().any(is_there), "docs/spec/server.md does not describe {field}");
    }
}

#[test]
fn every_rejection_code_is_explained() {
    let source = fs::read_to_string(workspace().join("verify/src/rejection.rs")).unwrap();
    let page = fs::read_to_string(workspace().join("docs/rejections.md")).unwrap();
    let is_code = |text: &&str| {
        let mut bytes = text.bytes();
        let id = [bytes.next(), bytes.next(), bytes.next(), bytes.next()];
        matches!(id, [Some(b'A'..=b'Z'), Some(b'0'..=b'9'), Some(b'0'..=b'9'), Some(b'-')])
    };
    let mut codes: Vec<&str> = source.split('"').filter(is_code).collect();
    codes.sort_unstable();
    codes.dedup();
    assert!(codes.len() > 30, "{codes:?}");
    let explained: Vec<&str> = page.lines().filter_map(|line| line.strip_prefix("### ")).collect();
    for code in &codes {
        assert!(explained.contains(code), "{code} is not explained in docs/rejections.md");
    }
    for code in explained {
        assert!(codes.contains(&code), "{code} is explained and does not exist");
    }
}

fn steps(readme: &str) -> Vec<Step> {
    let mut steps: Vec<Step> = Vec::new();
    let mut inside = false;
    for line in readme.lines() {
        match line {
            "```console" => inside = true,
            "```" => inside = false,
            line if inside => match (line.strip_prefix("$ "), steps.last_mut()) {
                (Some(command), _) => steps.push(Step { command: command.to_owned(), expected: Vec::new() }),
                (None, Some(step)) => step.expected.push(line.to_owned()),
                (None, None) => panic!("output before any command: {line}"),
            },
            _ => {}
        }
    }
    for step in &mut steps {
        while step.expected.last().is_some_and(String::is_empty) {
            step.expected.pop();
        }
    }
    steps
}

/// A line without what differs from instance to instance: fingerprints and the log's name.
fn comparable(line: &str) -> String {
    let word = |word: &str| match word.trim_matches(['(', ')', ',']) {
        bare if bare.starts_with("SHA256:") => word.replace(bare, "SHA256:…"),
        bare if bare.starts_with("log-") && bare.ends_with(".sealwax.internal") => {
            word.replace(bare, "log-…")
        }
        _ => word.to_owned(),
    };
    line.split(' ').map(word).collect::<Vec<_>>().join(" ")
}

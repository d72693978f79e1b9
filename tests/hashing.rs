//! Reading that fails or does not end: the error names the file, all threads stop at once, and nothing is written.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::as_conversions,
    clippy::panic,
    clippy::print_stderr
)]

use std::fs::{self, File};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use sealwax_tests::{Sandbox, peer};

/// A sandbox with an instance, and a model with a file that would take ten minutes to read.
fn with_a_tebibyte() -> Sandbox {
    let sandbox = Sandbox::new();
    sandbox.ok(["instance", "init"]);
    sandbox.model("m");
    File::create(sandbox.at("m/endless.bin")).unwrap().set_len(1 << 40).unwrap();
    sandbox
}

/// Neither a bundle nor an entry, nor a temporary file.
fn nothing_was_written(sandbox: &Sandbox) {
    assert_eq!(sandbox.json(0, ["instance", "show"])["log"]["size"], 0);
    let mut names: Vec<String> = fs::read_dir(sandbox.at("m"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    assert_eq!(names, ["config.json", "endless.bin", "tokenizer", "weights.bin"]);
}

/// Waits for a process, and ends it where it does not end.
fn within(limit: Duration, mut child: Child) -> std::process::Output {
    let start = Instant::now();
    while child.try_wait().unwrap().is_none() {
        if start.elapsed() > limit {
            child.kill().unwrap();
            panic!("still going after {limit:?}");
        }
        thread::sleep(Duration::from_millis(20));
    }
    child.wait_with_output().unwrap()
}

/// The disk gives nothing back for one piece of one file, while another thread is at a file without end.
#[test]
fn f09_a_read_error_in_the_middle_names_the_file_and_stops_everything() {
    if peer("strace").is_none() {
        return;
    }
    let sandbox = with_a_tebibyte();
    sandbox.write("m/weights.bin", vec![7; 6 << 20]);
    let sealwax = sandbox.command(["sign", "m"]);
    let mut strace = Command::new("strace");
    strace.args(["--follow-forks", "--output=/dev/null", "--trace=pread64"]);
    strace.args(["--inject=pread64:error=EIO:when=3+", "--trace-path"]).arg(sandbox.at("m/weights.bin"));
    strace.arg(sealwax.get_program()).args(sealwax.get_args());
    strace.current_dir(sandbox.path()).env("HOME", sandbox.at("home"));
    let child = strace.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let output = within(Duration::from_secs(60), child);
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(3), "{said}");
    assert!(said.contains("weights.bin: cannot be read") && !said.contains("endless"), "{said}");
    nothing_was_written(&sandbox);
}

#[test]
fn f09_a_tebibyte_ends_when_its_time_is_over() {
    let sandbox = with_a_tebibyte();
    let mut command = sandbox.command(["sign", "m"]);
    let mut child = command.stderr(Stdio::piped()).spawn().unwrap();
    thread::sleep(Duration::from_secs(2));
    assert!(child.try_wait().unwrap().is_none());
    assert!(Command::new("kill").arg(child.id().to_string()).status().unwrap().success());
    let output = within(Duration::from_secs(10), child);
    assert!(!output.status.success(), "{output:?}");
    nothing_was_written(&sandbox);
}

#[test]
fn f09_twenty_thousand_files() {
    many_files(20_000);
}

/// `cargo test --release -p sealwax-tests --test hashing -- --ignored --nocapture`: two gigabytes of memory, several minutes.
#[test]
#[ignore = "the same with a million, which takes minutes"]
fn f09_a_million_files() {
    many_files(1_000_000);
}

/// Signs and verifies many files, says what that took, and finds one that changed.
fn many_files(number: u64) {
    let sandbox = Sandbox::new();
    for file in 0..number {
        sandbox.write(format!("m/{}/{file}.bin", file / 1_000), file.to_string());
    }
    for command in ["sign", "verify"] {
        let start = Instant::now();
        let mut child = sandbox.command([command, "m", "--json"]);
        let mut child = child.stdout(Stdio::piped()).spawn().unwrap();
        let mut peak = 0;
        while child.try_wait().unwrap().is_none() {
            let status = fs::read_to_string(format!("/proc/{}/status", child.id())).unwrap_or_default();
            let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
            let kib = line.and_then(|line| line.split_whitespace().next()?.parse().ok());
            peak = peak.max(kib.unwrap_or(0_u64));
            thread::sleep(Duration::from_millis(2));
        }
        let output = child.wait_with_output().unwrap();
        let verdict: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!(verdict["files"], number, "{verdict}");
        eprintln!("{command}: {number} files in {:.1?}, at most {} MiB", start.elapsed(), peak >> 10);
        // What is held of each file, and what is not.
        assert!(peak < (20 << 10) + number * 2, "{peak} KiB");
    }
    let last = number - 1;
    sandbox.write(format!("m/{}/{last}.bin", last / 1_000), "changed");
    assert_eq!(
        sandbox.json(1, ["verify", "m"])["changed"],
        serde_json::json!([format!("{}/{last}.bin", last / 1_000)])
    );
}

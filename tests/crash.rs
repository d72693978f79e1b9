//! Crashes for real: killed processes, cut power, exhausted limits. What was acknowledged is never lost.
//!
//! The counts are small samples for every change; `SEALWAX_CRASH_ROUNDS` multiplies them for long runs.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::as_conversions,
    clippy::panic,
    clippy::print_stderr
)]

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use sealwax_tests::crash::{Disk, rounds};
use sealwax_tests::{Run, Sandbox};

/// What a sign acknowledged: the model's number and its place in the log.
type Acknowledged = Vec<(u64, u64)>;

/// Every acknowledged entry is where it was, and its bundle still verifies against the instance as it is now.
fn check(sandbox: &Sandbox, instance: &Path, acknowledged: &Acknowledged) {
    let instance = instance.to_str().unwrap();
    for (number, index) in acknowledged {
        let model = format!("m{number}");
        sandbox.ok(["verify", &model, "--instance", instance]);
        let again = sandbox.json(0, ["sign", &model, "--instance", instance]);
        assert_eq!(again["log"]["index"], *index, "model {number} moved in the log");
    }
}

#[test]
fn s01_s15_killed_at_any_moment_nothing_acknowledged_is_lost() {
    let sandbox = Sandbox::new();
    sandbox.ok(["instance", "init"]);
    // How long one sign takes here, so that the kills fall everywhere in it.
    let started = std::time::Instant::now();
    sandbox.write("m0/f", "0");
    sandbox.ok(["sign", "m0"]);
    let whole = started.elapsed();
    let mut acknowledged: Acknowledged = vec![(0, 0)];
    let mut killed = 0;
    for number in 1..=rounds(60) {
        sandbox.write(format!("m{number}/f"), format!("{number}"));
        let mut command = sandbox.command(["sign", &format!("m{number}"), "--json"]);
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        // A sequence that never repeats a phase: multiples of the golden ratio of one whole run.
        let phase = (number * 618_034) % 1_000_000;
        std::thread::sleep(whole.mul_f64(phase as f64 / 700_000.0) + Duration::from_micros(phase % 700));
        let _ = child.kill();
        let output = child.wait_with_output().unwrap();
        match output.status.code() {
            Some(0) => {
                let said: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
                acknowledged.push((number, said["log"]["index"].as_u64().unwrap()));
            }
            Some(code) => panic!("exit code {code} after an earlier kill: {output:?}"),
            None => killed += 1,
        }
    }
    assert!(killed > 0, "no kill hit");
    let run = sandbox.ok(["instance", "show"]);
    eprintln!(
        "{killed} kills, {} acknowledged: {}",
        acknowledged.len(),
        run.stdout.lines().nth(2).unwrap_or_default()
    );
    check(&sandbox, &sandbox.instance(), &acknowledged);
    let indices: std::collections::BTreeSet<u64> = acknowledged.iter().map(|(_, index)| *index).collect();
    assert_eq!(indices.len(), acknowledged.len(), "an index was given twice");
}

#[test]
fn s03_what_was_acknowledged_survives_a_power_cut() {
    let sandbox = Sandbox::new();
    let Some(disk) = Disk::new(sandbox.path()) else { return };
    let instance = disk.path().join("instance");
    let at = instance.to_str().unwrap().to_owned();
    sandbox.ok(["instance", "init", "--instance", &at]);
    disk.cut_power();
    disk.restore_power();
    let mut acknowledged = Acknowledged::new();
    for number in 0..rounds(4) {
        // Models and bundles live on another disk: only the log is cut.
        sandbox.write(format!("m{number}/f"), format!("{number}"));
        let said = sandbox.json(0, ["sign", &format!("m{number}"), "--instance", &at]);
        acknowledged.push((number, said["log"]["index"].as_u64().unwrap()));
        disk.cut_power();
        disk.restore_power();
        let shown = sandbox.json(0, ["instance", "show", "--instance", &at]);
        assert!(shown["log"]["size"].as_u64().unwrap() > number, "{shown}");
    }
    check(&sandbox, &instance, &acknowledged);
}

#[test]
fn s17_limits_and_read_only_directories_give_an_error_and_no_damage() {
    let sandbox = Sandbox::new();
    sandbox.write("m/f", "1");
    sandbox.ok(["sign", "m"]);
    let limited = |limit: &str| {
        let script = format!("ulimit {limit}; exec '{}' sign m", sealwax_tests::sealwax().display());
        let mut command = Command::new("sh");
        command.args(["-c", &script]).current_dir(sandbox.path()).env_clear().env("HOME", sandbox.at("home"));
        Run::from(command.env("PATH", "/usr/bin:/bin").output().unwrap())
    };
    for files in 4..16 {
        sandbox.write("m/f", format!("files {files}"));
        let run = limited(&format!("-n {files}"));
        // Below what the system's loader needs, the program does not start at all.
        let started = !run.stderr.contains("shared libraries");
        assert!(!started || matches!(run.code, Some(0 | 3)), "{files} files: {run:?}");
        sandbox.ok(["sign", "m"]);
        sandbox.ok(["verify", "m"]);
    }
    // Address space in KiB: too little ends the process one way or another, and never with a false success.
    for memory in [20_000, 60_000, 120_000] {
        sandbox.write("m/f", format!("memory {memory}"));
        let run = limited(&format!("-v {memory}"));
        if run.code == Some(0) {
            sandbox.ok(["verify", "m"]);
        }
        sandbox.ok(["sign", "m"]);
        sandbox.ok(["verify", "m"]);
    }
}

//! What hashing and manifests cost in instructions, which unlike time are the same on a busy machine.
//!
//! `cost.baseline` holds what was counted last; more than 15 % above it fails. The figures are those of the compiler that it names,
//! and of the profile that tests are built with. Where they are meant to change, this writes them anew:
//!
//! ```text
//! $ SEALWAX_WRITE_BASELINE=1 cargo test -p sealwax-tests --test cost
//! ```

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stderr)]

use std::path::Path;
use std::process::Command;
use std::{env, fs};

#[test]
fn no_work_costs_15_percent_more_instructions_than_before() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("cost.baseline");
    let Some(compiler) = first_line(Command::new("rustc").arg("--version")) else {
        return eprintln!("skipped: instructions (no rustc to ask for its version)");
    };
    if first_line(Command::new("valgrind").arg("--version")).is_none() {
        return eprintln!("skipped: instructions (no valgrind)");
    }
    if cfg!(not(target_arch = "x86_64")) {
        return eprintln!("skipped: instructions (the baseline is for x86-64)");
    }
    let counts = ["lanes", "manifest"].map(|work| (work, instructions(work)));
    if env::var_os("SEALWAX_WRITE_BASELINE").is_some() {
        let lines: Vec<String> = counts.iter().map(|(work, count)| format!("{work} {count}\n")).collect();
        fs::write(&file, format!("{compiler}\n{}", lines.concat())).unwrap();
    }
    let baseline = fs::read_to_string(&file).unwrap();
    if baseline.lines().next() != Some(&compiler) {
        return eprintln!("skipped: instructions (the baseline is of another compiler than {compiler})");
    }
    for (work, count) in counts {
        let before = baseline.lines().find_map(|line| line.strip_prefix(work)?.trim().parse::<u64>().ok());
        let before = before.unwrap_or_else(|| panic!("no baseline of {work}"));
        eprintln!("{work}: {count} instructions, {before} before");
        assert!(count <= before + before * 15 / 100, "{work}: {count} instructions, {before} before");
    }
}

/// Counts the instructions of a run of `cost`.
fn instructions(work: &str) -> u64 {
    let output = Command::new("valgrind")
        .args(["--tool=callgrind", "--callgrind-out-file=/dev/null", env!("CARGO_BIN_EXE_cost"), work])
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    let count = said.lines().find_map(|line| line.split_once("Collected :")?.1.trim().parse().ok());
    count.unwrap_or_else(|| panic!("no count: {said}"))
}

fn first_line(command: &mut Command) -> Option<String> {
    let output = command.output().ok().filter(|output| output.status.success())?;
    Some(String::from_utf8_lossy(&output.stdout).lines().next()?.to_owned())
}

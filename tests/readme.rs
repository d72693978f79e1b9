//! The README's commands, run in an empty home directory, print what the README says.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::as_conversions,
    clippy::panic,
    clippy::print_stderr
)]

use std::fs;
use std::process::Command;

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
        let line = format!("'{}' {command}", sealwax_tests::sealwax().display());
        let mut shell = Command::new("sh");
        shell.args(["-c", &line]).current_dir(sandbox.path()).env_clear().env("HOME", sandbox.at("home"));
        let output = shell.output().unwrap();
        assert!(output.status.success(), "{command}: {output:?}");
        ran += 1;
    }
    assert_eq!(ran, 15);
}

#[test]
fn the_readme_names_the_test_command() {
    let steps = steps(&fs::read_to_string(workspace().join("README.md")).unwrap());
    assert!(steps.iter().any(|step| step.command == "cargo test --workspace"));
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

//! The main job end to end, as a newcomer in an empty home directory.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::as_conversions,
    clippy::panic,
    clippy::print_stderr
)]

use std::fs;
use std::path::Path;

use sealwax_tests::{Sandbox, files_below};

#[test]
fn the_first_sign_makes_an_instance_and_says_so_in_two_lines() {
    let sandbox = Sandbox::new();
    sandbox.model("m");
    let run = sandbox.ok(["sign", "m"]);
    let lines: Vec<&str> = run.stderr.lines().collect();
    assert_eq!(lines.len(), 5, "{run:?}");
    assert!(
        lines[0].contains("made") && lines[0].contains(&sandbox.instance().display().to_string()),
        "{run:?}"
    );
    assert!(lines[4].starts_with("signed") && lines[4].contains("m/model.sig"), "{run:?}");
    assert_eq!(run.stdout, "");
    for file in ["keys/signing.pem", "keys/log.pem", "trusted_root.json", "policy.json", "log/anchor.db"] {
        assert!(sandbox.instance().join(file).is_file(), "{file}");
    }
    let second = sandbox.ok(["sign", "m"]);
    assert_eq!(second.stderr.lines().count(), 3, "{second:?}");
}

#[test]
fn verify_accepts_what_was_signed_and_says_so_last() {
    let sandbox = Sandbox::new();
    sandbox.model("m");
    sandbox.ok(["sign", "m"]);
    let run = sandbox.ok(["verify", "m"]);
    assert!(run.stdout.lines().last().unwrap().starts_with("verified m (4 files"), "{run:?}");
    assert_eq!(run.stdout.matches("verified").count(), 1);
    let verdict = sandbox.json(0, ["verify", "m"]);
    assert_eq!(verdict["verdict"], "accepted");
    assert_eq!(verdict["files"], 4);
    assert_eq!(verdict["log"]["index"], 0);
    assert_eq!(verdict["signer"]["mode"], "key");
}

#[test]
fn every_change_of_a_signed_model_is_named() {
    type Change = fn(&Path);
    let changes: [(&str, Change, &str, &str); 8] = [
        // Longer than anybody would wait for, and not read.
        (
            "sparse",
            |m| fs::File::create(m.join("huge.bin")).unwrap().set_len(15 << 40).unwrap(),
            "extra",
            "huge.bin",
        ),
        ("one bit", |m| flip(&m.join("weights.bin"), 50_000), "changed", "weights.bin"),
        ("longer", |m| append(&m.join("config.json")), "changed", "config.json"),
        ("emptied", |m| fs::write(m.join("config.json"), "").unwrap(), "changed", "config.json"),
        (
            "removed",
            |m| fs::remove_file(m.join("tokenizer/vocab.json")).unwrap(),
            "missing",
            "tokenizer/vocab.json",
        ),
        (
            "added",
            |m| fs::write(m.join("tokenizer/code.py"), "import os").unwrap(),
            "extra",
            "tokenizer/code.py",
        ),
        (
            "renamed",
            |m| fs::rename(m.join("config.json"), m.join("Config.json")).unwrap(),
            "extra",
            "Config.json",
        ),
        (
            "moved",
            |m| fs::rename(m.join("config.json"), m.join("tokenizer/config.json")).unwrap(),
            "missing",
            "config.json",
        ),
    ];
    for (what, change, kind, name) in changes {
        let sandbox = Sandbox::new();
        let model = sandbox.model("m");
        sandbox.ok(["sign", "m"]);
        change(&model);
        let verdict = sandbox.json(1, ["verify", "m"]);
        assert_eq!(verdict["code"], "D10-model-differs", "{what}: {verdict}");
        assert!(verdict[kind].as_array().unwrap().iter().any(|listed| listed == name), "{what}: {verdict}");
        let run = sandbox.run(["verify", "m"]);
        assert_eq!(run.code, Some(1), "{what}");
        assert!(run.stderr.contains(name) && !run.stdout.contains("verified"), "{what}: {run:?}");
    }
}

#[test]
fn every_byte_of_a_small_model_counts() {
    let sandbox = Sandbox::new();
    let file = sandbox.write("m/tiny.bin", b"sixteen bytes!!!");
    sandbox.ok(["sign", "m"]);
    for offset in 0..16 {
        flip(&file, offset);
        assert_eq!(sandbox.rejected(["verify", "m"]), "D10-model-differs", "byte {offset}");
        flip(&file, offset);
    }
    sandbox.ok(["verify", "m"]);
}

#[test]
fn a_consumer_elsewhere_verifies_with_what_the_maintainer_hands_out() {
    let maintainer = Sandbox::new();
    maintainer.model("m");
    maintainer.ok(["sign", "m"]);
    maintainer.ok(["instance", "export", "handout"]);

    let consumer = Sandbox::new();
    sealwax_tests::copy_tree(&maintainer.at("m"), &consumer.at("m"));
    sealwax_tests::copy_tree(&maintainer.at("handout"), &consumer.at("trust"));
    let by_policy =
        ["verify", "m", "--policy", "trust/policy.json", "--trusted-root", "trust/trusted_root.json"];
    consumer.ok(by_policy);
    consumer.ok(["verify", "m", "--key", "trust/signing.pub", "--trusted-root", "trust/trusted_root.json"]);
    consumer.ok(["verify", "m", "--key", "trust/signing.pub", "--no-log"]);
    // Without being told whom to trust there is no verdict, and verifying makes nothing.
    assert_eq!(consumer.run(["verify", "m"]).code, Some(2));
    assert_eq!(consumer.run(["verify", "m", "--key", "trust/signing.pub"]).code, Some(2));
    assert!(files_below(&consumer.at("home")).is_empty());

    let stranger = Sandbox::new();
    sealwax_tests::copy_tree(&maintainer.at("m"), &stranger.at("m"));
    stranger.model("other");
    stranger.ok(["sign", "other"]);
    assert_eq!(stranger.rejected(["verify", "m"]), "K07-key-not-trusted");
    let key = maintainer.at("handout/signing.pub");
    let log_unknown = ["verify", "m", "--key", key.to_str().unwrap()];
    assert_eq!(stranger.rejected(log_unknown), "T07-log-unknown");
}

#[test]
fn a_repeated_sign_finds_its_entry_again() {
    let sandbox = Sandbox::new();
    sandbox.model("m");
    let first = sandbox.json(0, ["sign", "m"]);
    let bundle = fs::read(sandbox.at("m/model.sig")).unwrap();
    let second = sandbox.json(0, ["sign", "m"]);
    assert_eq!((&first["log"]["index"], &second["log"]["index"]), (&0.into(), &0.into()));
    assert_eq!((&second["log"]["tree_size"], &second["log"]["existing"]), (&1.into(), &true.into()));
    assert!(sandbox.ok(["sign", "m"]).stderr.contains("was there already"));
    assert_eq!(fs::read(sandbox.at("m/model.sig")).unwrap(), bundle);
    sandbox.write("m/new.txt", "x");
    let third = sandbox.json(0, ["sign", "m"]);
    assert_eq!(third["log"]["index"], 1);
    sandbox.ok(["verify", "m"]);
}

#[test]
fn a_single_file_and_a_signature_elsewhere() {
    let sandbox = Sandbox::new();
    sandbox.write("weights.gguf", vec![1_u8; 3_000_000]);
    sandbox.ok(["sign", "weights.gguf"]);
    assert!(sandbox.at("weights.gguf.sig").is_file());
    sandbox.ok(["verify", "weights.gguf"]);
    sandbox.model("m");
    sandbox.ok(["sign", "m", "--signature", "elsewhere.sig"]);
    assert!(!sandbox.at("m/model.sig").exists());
    sandbox.ok(["verify", "m", "--signature", "elsewhere.sig"]);
    let other = sandbox.run(["verify", "weights.gguf", "--signature", "elsewhere.sig"]);
    assert_eq!(other.code, Some(1), "{other:?}");
}

#[test]
fn other_keys_hashes_and_shards() {
    let sandbox = Sandbox::new();
    sandbox.model("m");
    for kind in ["p256", "p384", "ed25519"] {
        let key = format!("{kind}.pem");
        sandbox.ok(["key", "generate", &key, "--kind", kind]);
        let shown = sandbox.json(0, ["key", "show", &key]);
        sandbox.write(format!("{kind}.pub"), shown["public_key"].as_str().unwrap());
        sandbox.ok(["sign", "m", "--key", &key]);
        sandbox.ok(["verify", "m", "--key", &format!("{kind}.pub")]);
        assert_eq!(sandbox.rejected(["verify", "m"]), "K07-key-not-trusted");
    }
    for options in [
        &["--hash", "blake3"][..],
        &["--hash", "blake2b"],
        &["--shard-size", "30kB", "--ignore-path", "tokenizer"],
    ] {
        sandbox.ok(["sign", "m"].iter().chain(options));
        let consent =
            if options.contains(&"--ignore-path") { &["--ignore-path", "tokenizer"][..] } else { &[] };
        sandbox.ok(["verify", "m"].iter().chain(consent));
        flip(&sandbox.at("m/weights.bin"), 70_000);
        assert_eq!(
            sandbox.rejected(["verify", "m"].iter().chain(consent)),
            "D10-model-differs",
            "{options:?}"
        );
        flip(&sandbox.at("m/weights.bin"), 70_000);
    }
}

#[test]
fn inspect_shows_and_believes_nothing() {
    let sandbox = Sandbox::new();
    sandbox.model("m");
    sandbox.ok(["sign", "m", "--name", "my model"]);
    let run = sandbox.ok(["inspect", "m/model.sig"]);
    assert!(run.stdout.contains("my model") && run.stdout.contains("nothing of this is verified"), "{run:?}");
    let shown = sandbox.json(0, ["inspect", "m", "--files"]);
    assert_eq!((&shown["verified"], &shown["name"]), (&false.into(), &"my model".into()));
    assert_eq!(shown["resources"].as_array().unwrap().len(), 4);
    assert_eq!(shown["log_entries"][0]["index"], 0);
}

#[test]
fn instances_are_made_shown_and_never_overwritten() {
    let sandbox = Sandbox::new();
    sandbox.ok(["instance", "init", "--instance", "team", "--origin", "log.example.com"]);
    let shown = sandbox.json(0, ["instance", "show", "--instance", "team"]);
    assert_eq!((&shown["log"]["origin"], &shown["log"]["size"]), (&"log.example.com".into(), &0.into()));
    assert_eq!(sandbox.run(["instance", "init", "--instance", "team"]).code, Some(2));
    assert_eq!(sandbox.run(["instance", "show"]).code, Some(2));
    sandbox.model("m");
    sandbox.ok(["sign", "m", "--instance", "team"]);
    sandbox.ok(["verify", "m", "--instance", "team"]);
    assert!(!sandbox.instance().exists());
    let elsewhere = |arguments: &[&str]| {
        let output = sandbox.command(arguments).env("SEALWAX_HOME", sandbox.at("chosen")).output().unwrap();
        assert!(output.status.success(), "{output:?}");
    };
    elsewhere(&["sign", "m"]);
    elsewhere(&["verify", "m"]);
    assert!(sandbox.at("chosen/instance.json").is_file() && !sandbox.instance().exists());
    for origin in ["Log.example", "a b", "", "-x.example", "x/y", "a..b"] {
        let run = sandbox.run(["instance", "init", "--instance", "other", "--origin", origin]);
        assert_eq!(run.code, Some(2), "{origin:?}: {run:?}");
        assert!(!sandbox.at("other").exists());
    }
}

#[test]
fn what_a_killed_first_sign_left_is_removed_by_the_next() {
    let sandbox = Sandbox::new();
    sandbox.model("m");
    let beside = sandbox.instance().parent().unwrap().to_owned();
    for (name, age) in
        [(".sealwax-new-old", "2 hours ago"), (".sealwax-new-young", "now"), ("sealwax-other", "2 hours ago")]
    {
        fs::create_dir_all(beside.join(name).join("keys")).unwrap();
        let touched = std::process::Command::new("touch").args(["-d", age]).arg(beside.join(name)).status();
        assert!(touched.unwrap().success());
    }
    sandbox.ok(["sign", "m"]);
    assert!(!beside.join(".sealwax-new-old").exists());
    assert!(beside.join(".sealwax-new-young").exists() && beside.join("sealwax-other").exists());
}

#[test]
fn f11_a_second_signature_among_the_files_is_a_file() {
    let sandbox = Sandbox::new();
    sandbox.model("m");
    sandbox.ok(["sign", "m", "--signature", "m/weights.sig"]);
    sandbox.ok(["sign", "m"]);
    let verdict = sandbox.json(0, ["verify", "m"]);
    assert_eq!(verdict["files"], 5);
    fs::remove_file(sandbox.at("m/weights.sig")).unwrap();
    assert_eq!(sandbox.rejected(["verify", "m"]), "D10-model-differs");
}

fn flip(path: &Path, offset: usize) {
    let mut bytes = fs::read(path).unwrap();
    bytes[offset] ^= 1;
    fs::write(path, bytes).unwrap();
}

fn append(path: &Path) {
    let mut bytes = fs::read(path).unwrap();
    bytes.push(b' ');
    fs::write(path, bytes).unwrap();
}

#[test]
fn the_version_says_how_this_processor_hashes_where_asked() {
    let sandbox = Sandbox::new();
    for arguments in [["--version", "--verbose"], ["--verbose", "--version"]] {
        let run = sandbox.ok(arguments);
        assert!(run.stdout.starts_with("sealwax "), "{run:?}");
        assert!(run.stdout.trim_end().ends_with("one stream at a time"), "{run:?}");
    }
    assert_eq!(sandbox.ok(["--version"]).stdout.lines().count(), 1);
}

//! The end of a log and the start of the next one, also where it is killed in between.

use std::fs;
use std::process::Command;
use std::time::Duration;

use sealwax_tests::server::Server;
use sealwax_tests::{Run, Sandbox, copy_tree, files_below};
use serde_json::Value;

use crate::world::{settings, sign, signed, size};

fn origin(sandbox: &Sandbox) -> String {
    sandbox.json(0, ["instance", "show"])["log"]["origin"].as_str().unwrap().to_owned()
}

fn trusted_root(sandbox: &Sandbox) -> Value {
    serde_json::from_slice(&fs::read(sandbox.instance().join("trusted_root.json")).unwrap()).unwrap()
}

/// Two entries, with the second one's model and bundle in `old`.
fn two_entries() -> Sandbox {
    let sandbox = signed(2);
    copy_tree(&sandbox.at("m"), &sandbox.at("old"));
    sandbox
}

#[test]
fn a_frozen_log_is_read_and_takes_nothing_more() {
    let sandbox = two_entries();
    assert_eq!(sandbox.json(0, ["log", "freeze"])["verdict"], "frozen");
    let root = trusted_root(&sandbox);
    let end = root["tlogs"][0]["publicKey"]["validFor"]["end"].clone();
    assert!(end.is_string(), "{root}");
    sandbox.write("m/f", "100");
    let refused = sandbox.run(["sign", "m"]);
    refused.fails(3, "the log is frozen");
    assert!(refused.stderr.contains("sealwax log freeze --next"), "{refused:?}");
    sandbox.ok(["verify", "old"]);
    sandbox.ok(["log", "fsck"]);
    let shown = sandbox.ok(["instance", "show"]);
    assert!(shown.stdout.contains(" until "), "{shown:?}");
    // Again, in another second, it changes nothing.
    std::thread::sleep(Duration::from_millis(1_100));
    sandbox.ok(["log", "freeze"]);
    assert_eq!(trusted_root(&sandbox), root);

    // A backup of it is no way around, whatever an anchor confirms.
    fs::create_dir(sandbox.at("elsewhere")).unwrap();
    settings(&sandbox, &format!("[log]\nanchor = '{}'\n", sandbox.at("elsewhere").display()));
    sandbox.run(["sign", "m"]).fails(3, "the log is frozen");
    assert_eq!(files_below(&sandbox.at("elsewhere")).len(), 1);
    sandbox.ok(["log", "backup", "b"]);
    sandbox.ok(["log", "restore", "b", "--replace"]);
    sandbox.run(["sign", "m"]).fails(3, "the log is frozen");
}

#[test]
fn the_next_log_signs_and_both_are_trusted_served_and_backed_up() {
    let sandbox = two_entries();
    sandbox.ok(["log", "backup", "b"]);
    let old = origin(&sandbox);
    let started = sandbox.json(0, ["log", "freeze", "--next", "--origin", "second.example"]);
    assert_eq!((&started["origin"], &started["frozen"]), (&"second.example".into(), &[&*old].into()));
    assert_eq!((origin(&sandbox), size(&sandbox)), ("second.example".to_owned(), 0));
    sandbox.run(["log", "freeze", "--next"]).fails(2, "no entries");

    sign(&sandbox, 100);
    assert_eq!(sandbox.json(0, ["verify", "m"])["log"]["origin"], "second.example");
    assert_eq!(sandbox.json(0, ["verify", "old"])["log"]["origin"], *old);
    // The old log's root, handed out before, knows nothing of the new one.
    let root = trusted_root(&sandbox);
    let windows = root["tlogs"].as_array().unwrap().iter().map(|log| &log["publicKey"]["validFor"]);
    assert_eq!(windows.map(|window| window["end"].is_string()).collect::<Vec<_>>(), [true, false]);
    // What is refused is refused before anything is frozen.
    sandbox.run(["log", "freeze", "--next", "--origin", &old]).fails(2, "already");
    sandbox.run(["log", "freeze", "--next", "--origin", "No Host"]).fails(2, "origin");
    assert_eq!(trusted_root(&sandbox), root);

    let server = Server::serve(&sandbox);
    let url = server.url();
    sandbox.ok(["instance", "export", "public", "--url", &url]);
    let config: Value =
        serde_json::from_slice(&fs::read(sandbox.at("public/signing_config.json")).unwrap()).unwrap();
    let urls: Vec<_> = config["rekorTlogUrls"].as_array().unwrap().iter().collect();
    assert_eq!(urls[0]["url"], format!("{}/shards/{old}", url));
    assert!(urls[0]["validFor"]["end"].is_string() && urls[1]["validFor"]["end"].is_null(), "{config}");
    assert_eq!(urls[1]["url"], *url);
    for (number, (url, entries)) in
        [(format!("{}/shards/{old}", url), 2), (format!("{}/shards/{old}/api/v2", url), 2), (url.clone(), 1)]
            .into_iter()
            .enumerate()
    {
        let copy = format!("copy{number}");
        let arguments = ["log", "mirror", &url, &copy, "--trusted-root", "public/trusted_root.json"];
        assert_eq!(sandbox.json(0, arguments)["entries"], entries);
    }
    let nowhere = format!("{}/shards/third.example", url);
    let arguments = ["log", "mirror", &nowhere, "copy9", "--trusted-root", "public/trusted_root.json"];
    sandbox.run(arguments).fails(3, "no checkpoint");
    drop(server);

    // The old backup is of the old log, and goes on as such.
    let backup = sandbox.json(0, ["log", "backup", "b"]);
    let rows: Vec<_> = backup["logs"].as_array().unwrap().iter().collect();
    assert_eq!((&rows[0]["origin"], &rows[0]["new_entries"]), (&(*old).into(), &0.into()));
    assert_eq!((&rows[1]["origin"], &rows[1]["new_entries"]), (&"second.example".into(), &1.into()));
    for log in ["b/log".to_owned(), format!("b/shards/{old}/log")] {
        sandbox.ok(["log", "fsck", &log, "--trusted-root", "b/trusted_root.json"]);
    }
    assert!(files_below(&sandbox.at("b")).iter().all(|file| !file.ends_with("log.pem")));
}

#[test]
fn a_log_that_came_back_from_a_backup_can_be_left_behind() {
    let sandbox = two_entries();
    fs::create_dir(sandbox.at("elsewhere")).unwrap();
    settings(&sandbox, &format!("[log]\nanchor = '{}'\n", sandbox.at("elsewhere").display()));
    sandbox.ok(["log", "backup", "b"]);
    sign(&sandbox, 100);
    fs::remove_dir_all(sandbox.instance().join("log")).unwrap();
    sandbox.run(["log", "restore", "b"]).fails(4, "older copy");
    sandbox.ok(["log", "freeze", "--next"]);
    sign(&sandbox, 101);
    sandbox.ok(["verify", "m"]);
    sandbox.ok(["verify", "old"]);
}

#[test]
fn s15_a_move_that_is_killed_at_any_step_is_finished_by_the_same_command() {
    let strace = Command::new("strace").args(["-o", "/dev/null", "true"]).output();
    if !strace.is_ok_and(|output| output.status.success()) {
        eprintln!("skipped: killing between two steps (strace is not installed, or may not trace)");
        return;
    }
    let base = two_entries();
    let old = origin(&base);
    let mut killed = 0;
    for (calls, after) in
        [("rename,renameat,renameat2", true), ("rename,renameat,renameat2", false), ("rmdir,unlinkat", false)]
    {
        for at in 1..40 {
            let sandbox = Sandbox::new();
            copy_tree(&base.at("old"), &sandbox.at("old"));
            // With permissions: a key that others can read is refused.
            let copied =
                Command::new("cp").arg("-a").arg(base.at("home")).arg(sandbox.path()).status().unwrap();
            assert!(copied.success());
            let command = sandbox.command(["log", "freeze", "--next", "--origin", "second.example"]);
            let mut traced = Command::new("strace");
            let what = if after { "signal=SIGKILL" } else { "error=EIO:signal=SIGKILL" };
            traced.args(["-f", "-o", "/dev/null", "-e", &format!("trace={calls}")]);
            traced.args(["-e", &format!("inject={calls}:{what}:when={at}")]);
            traced.arg(command.get_program()).args(command.get_args()).current_dir(sandbox.path());
            traced.env_clear().env("HOME", sandbox.at("home"));
            let run = Run::from(traced.output().unwrap());
            if run.code == Some(0) {
                break;
            }
            killed += 1;
            let context = format!("{calls} {at} {after}: {run:?}");
            // Whatever is there verifies what was signed, and nothing is signed into half of an instance.
            let moving = sandbox.instance().join("next").exists();
            sandbox.write("new/f", "x");
            let signed = sandbox.run(["sign", "new"]);
            assert_eq!(
                signed.code == Some(0),
                !moving && origin(&sandbox) == "second.example",
                "{context} {signed:?}"
            );
            if moving {
                assert!(signed.stderr.contains("sealwax log freeze --next"), "{context} {signed:?}");
                if sandbox.instance().join("next/instance.json").exists() {
                    sandbox
                        .run(["log", "freeze", "--next", "--origin", "third.example"])
                        .fails(2, "under way");
                }
            } else if origin(&sandbox) == "second.example" {
                continue;
            }
            let root = sandbox.instance().join("trusted_root.json");
            let policy = sandbox.instance().join("policy.json");
            let verify = [
                "verify",
                "old",
                "--trusted-root",
                root.to_str().unwrap(),
                "--policy",
                policy.to_str().unwrap(),
            ];
            sandbox.ok(verify);

            sandbox.ok(["log", "freeze", "--next"].iter().chain(if moving {
                &[][..]
            } else {
                &["--origin", "second.example"]
            }));
            assert_eq!(origin(&sandbox), "second.example", "{context}");
            assert!(!sandbox.instance().join("next").exists(), "{context}");
            sandbox.ok(["sign", "new"]);
            sandbox.ok(["verify", "new"]);
            sandbox.ok(["verify", "old"]);
            sandbox.ok(["log", "fsck"]);
            let shard = sandbox.instance().join("shards").join(&old);
            let key = fs::read(base.instance().join("keys/log.pem")).unwrap();
            assert_eq!(fs::read(shard.join("log.pem")).unwrap(), key, "{context}");
            let log = shard.join("log").display().to_string();
            assert_eq!(
                sandbox.json(0, ["log", "fsck", &log, "--trusted-root", root.to_str().unwrap()])["entries"],
                2
            );
        }
    }
    assert!(killed >= 12, "{killed}");
}

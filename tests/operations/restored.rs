//! A log that comes back from a backup: it signs nothing before somebody outside has confirmed that it is the newest state.

use std::fs;
use std::path::PathBuf;

use sealwax_tests::server::{Server, instance, open_log};
use sealwax_tests::{Sandbox, copy_tree};
use sealwax_transparency_log::NewEntry;

use crate::world::{settings, sign, signed, size};

fn log(sandbox: &Sandbox) -> PathBuf {
    sandbox.instance().join("log")
}

/// Three entries, an outpost, a backup of two of them.
fn with_anchor() -> Sandbox {
    let sandbox = signed(1);
    fs::create_dir(sandbox.at("elsewhere")).unwrap();
    settings(&sandbox, &format!("[log]\nanchor = '{}'\n", sandbox.at("elsewhere").display()));
    sign(&sandbox, 10);
    sandbox.ok(["log", "backup", "b"]);
    sign(&sandbox, 11);
    sandbox
}

#[test]
fn s08_a_restored_log_that_nobody_vouches_for_does_not_sign() {
    let sandbox = signed(2);
    sandbox.ok(["log", "backup", "b"]);
    sign(&sandbox, 100);

    sandbox.run(["log", "restore", "b"]).fails(2, "a log is there");
    fs::remove_dir_all(log(&sandbox)).unwrap();
    let run = sandbox.ok(["log", "restore", "b"]);
    assert!(run.stdout.contains("2 entries") && run.stderr.contains("log.anchor"), "{run:?}");
    assert_eq!(size(&sandbox), 2);
    sandbox.ok(["log", "fsck"]);
    let refused = sandbox.run(["sign", "m", "--signature", "fourth.sig"]);
    refused.fails(3, "the log is restored");
    assert!(refused.stderr.contains("hint:") && refused.stderr.contains("log.anchor"), "{refused:?}");
    assert!(!sandbox.at("fourth.sig").exists());
    // What was handed out verifies as it did.
    sandbox.ok(["verify", "m"]);

    // Served, it is read and takes nothing either.
    let server = Server::serve(&sandbox);
    let url = server.url();
    sandbox.ok(["key", "generate", "key.pem"]);
    let root = sandbox.instance().join("trusted_root.json");
    let arguments = ["sign", "m", "--signature", "fourth.sig", "--key", "key.pem", "--instance", &url];
    let arguments = arguments.iter().map(AsRef::as_ref).chain(["--trusted-root".as_ref(), root.as_os_str()]);
    let refused = sandbox.run(arguments);
    assert!(refused.code == Some(3) && !sandbox.at("fourth.sig").exists(), "{refused:?}");
}

#[test]
fn s08_an_old_backup_is_refused_where_an_anchor_knows_more() {
    let sandbox = with_anchor();
    fs::rename(log(&sandbox), sandbox.at("lost")).unwrap();
    let refused = sandbox.run(["log", "restore", "b"]);
    refused.fails(4, "older copy");
    assert!(refused.stdout.is_empty() && refused.stderr.contains("in its place"), "{refused:?}");
    assert!(refused.stderr.contains("knows 3 entries, the log has 2"), "{refused:?}");
    assert!(refused.stderr.contains("newest copy"), "{refused:?}");
    sandbox.run(["sign", "m"]).fails(4, "older copy");

    // The newest copy turns up: it takes the old one's place, which is kept.
    fs::create_dir(sandbox.at("newest")).unwrap();
    fs::rename(sandbox.at("lost"), sandbox.at("newest/log")).unwrap();
    let restored = sandbox.json(0, ["log", "restore", "newest", "--replace"]);
    assert_eq!((&restored["entries"], &restored["mode"]), (&3.into(), &"live".into()));
    assert!(sandbox.instance().join("log.replaced-1/tiles/checkpoint").exists());
    sign(&sandbox, 12);
    sandbox.ok(["verify", "m"]);
    assert_eq!(size(&sandbox), 4);
}

#[test]
fn s10_a_backup_that_the_anchor_confirms_signs_on_and_extends_what_was_handed_out() {
    let sandbox = with_anchor();
    sandbox.ok(["instance", "export", "public"]);
    let mirror = |code| {
        let server = Server::serve(&sandbox);
        let url = server.url();
        sandbox.json(code, ["log", "mirror", &url, "copy", "--trusted-root", "public/trusted_root.json"])
    };
    mirror(0);
    sandbox.ok(["log", "backup", "b"]);
    fs::remove_dir_all(log(&sandbox)).unwrap();
    let run = sandbox.ok(["log", "restore", "b"]);
    assert!(run.stderr.contains("the anchor confirms"), "{run:?}");
    sign(&sandbox, 12);
    sandbox.ok(["verify", "m"]);
    // Whoever watched sees one history.
    assert_eq!(mirror(0)["entries"], 4);
}

#[test]
fn s08_a_local_signature_is_written_to_the_anchor_too() {
    let sandbox = with_anchor();
    let elsewhere = fs::read_dir(sandbox.at("elsewhere")).unwrap().next().unwrap().unwrap().path();
    assert_eq!(fs::read_to_string(&elsewhere).unwrap().lines().nth(1), Some("3"));
    // A whole older copy of the directory, anchor database and all, is noticed.
    let old = sandbox.at("old");
    copy_tree(&log(&sandbox), &old);
    sign(&sandbox, 12);
    fs::remove_dir_all(log(&sandbox)).unwrap();
    copy_tree(&old, &log(&sandbox));
    sandbox.write("m/f", "13");
    sandbox.run(["sign", "m"]).fails(4, "older copy");
    // An anchor that is not mounted stops signing before a model is hashed.
    fs::rename(sandbox.at("elsewhere"), sandbox.at("unmounted")).unwrap();
    sandbox.run(["sign", "m"]).fails(2, "log.anchor");
}

#[test]
fn s10_what_a_crash_left_unpublished_is_published_once_the_anchor_knows_it() {
    let sandbox = instance("");
    fs::create_dir(sandbox.at("elsewhere")).unwrap();
    settings(&sandbox, &format!("[log]\nanchor = '{}'\n", sandbox.at("elsewhere").display()));
    (0..3).for_each(|number| sign(&sandbox, number));
    let known = fs::read_dir(sandbox.at("elsewhere")).unwrap().next().unwrap().unwrap().path();
    let known = || fs::read_to_string(&known).unwrap().lines().nth(1).unwrap().parse::<u64>().unwrap();
    // A crash between the commit and the anchor.
    let mut log = open_log(&sandbox);
    log.commit(&[NewEntry { body: b"x", envelope: None }]).unwrap();
    drop(log);
    // Work that asks no anchor publishes nothing either.
    for work in ["fsck", "rebuild-index"] {
        sandbox.ok(["log", work]);
        assert_eq!((size(&sandbox), known()), (3, 3), "{work}");
    }
    sandbox.run(["log", "freeze"]).fails(3, "not yet published");
    sign(&sandbox, 12);
    assert_eq!((size(&sandbox), known()), (5, 5));
    sandbox.ok(["log", "freeze"]);
}

#[test]
fn s10_settings_that_lead_nowhere_are_not_the_defaults() {
    let sandbox = with_anchor();
    let settings = sandbox.instance().join("serve.toml");
    fs::rename(&settings, sandbox.at("mounted.toml")).unwrap();
    std::os::unix::fs::symlink(sandbox.at("mounted.toml"), &settings).unwrap();
    sign(&sandbox, 12);
    fs::rename(sandbox.at("mounted.toml"), sandbox.at("unmounted.toml")).unwrap();
    sandbox.write("m/f", "13");
    sandbox.run(["sign", "m"]).fails(3, "serve.toml");
    sandbox.run(["log", "fsck"]).fails(3, "serve.toml");
}

#[test]
fn where_witnesses_are_required_only_the_server_signs() {
    let sandbox = signed(1);
    settings(&sandbox, "url = 'https://log.example'\n[witnesses]\npolicy = 'w.policy'\n");
    let refused = sandbox.run(["sign", "m"]);
    refused.fails(2, "witnesses");
    assert!(refused.stderr.contains("--instance https://log.example"), "{refused:?}");
    settings(&sandbox, "[witnesses]\npolicy = 'w.policy'\nrequire = false\n");
    sign(&sandbox, 1);
}

#[test]
fn s07_a_damaged_backup_changes_nothing() {
    let sandbox = signed(3);
    sandbox.ok(["log", "backup", "b"]);
    let entries = sandbox.at("b/log/tiles/tile/entries/000.p/3");
    let mut bytes = fs::read(&entries).unwrap();
    bytes[9] ^= 1;
    fs::write(&entries, bytes).unwrap();
    sandbox.run(["log", "restore", "b", "--replace"]).fails(4, "tile/entries/000.p/3");
    sandbox.run(["log", "restore", "nowhere", "--replace"]).fails(3, "checkpoint");
    let names = |name: &str| name.starts_with("log.");
    let left = fs::read_dir(sandbox.instance()).unwrap().flatten();
    let left: Vec<_> =
        left.map(|entry| entry.file_name().into_string().unwrap()).filter(|name| names(name)).collect();
    assert!(left.is_empty(), "{left:?}");
    sign(&sandbox, 100);
}

#[test]
fn a_log_is_restored_only_beside_its_keys_and_while_nobody_holds_it() {
    let sandbox = signed(2);
    sandbox.ok(["log", "backup", "b"]);
    let server = Server::serve(&sandbox);
    sandbox.run(["log", "restore", "b", "--replace"]).fails(3, "another process");
    drop(server);
    // The backup of one instance is not the log of another.
    let other = signed(1);
    let backup = sandbox.at("b").display().to_string();
    other.run(["log", "restore", &backup, "--replace"]).fails(4, "not signed by");

    // What the backup has and what it has not: the keys come from somewhere else.
    copy_tree(&sandbox.at("b"), &sandbox.at("new"));
    fs::remove_dir_all(sandbox.at("new/log")).unwrap();
    sandbox.run(["log", "restore", "b", "--instance", "new"]).fails(3, "keys/log.pem");
    fs::copy(sandbox.instance().join("keys/log.pem"), sandbox.at("new/keys/log.pem")).unwrap();
    sandbox.ok(["log", "restore", "b", "--instance", "new"]);
    sandbox.ok(["log", "fsck", "--instance", "new"]);
}

#[test]
fn s15_what_an_interrupted_restore_left_is_no_obstacle() {
    let sandbox = signed(2);
    sandbox.ok(["log", "backup", "b"]);
    fs::remove_dir_all(log(&sandbox)).unwrap();
    copy_tree(&sandbox.at("b/log/envelopes"), &sandbox.instance().join("log.restoring/envelopes"));
    sandbox.write(sandbox.instance().join("log.restoring/tiles/checkpoint"), "half");
    sandbox.ok(["log", "restore", "b"]);
    sandbox.ok(["log", "fsck"]);
    assert!(!sandbox.instance().join("log.restoring").exists());
}

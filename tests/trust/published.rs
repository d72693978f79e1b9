//! An instance that publishes what it vouches for: served, followed by us and by others through a rotation of every role, and
//! with keys that are elsewhere.

use std::fs;
use std::process::Command;

use sealwax_tests::http::get;
use sealwax_tests::server::Server;
use sealwax_tests::{Sandbox, peer};

const ROLES: [&str; 4] = ["timestamp", "snapshot", "targets", "root"];

/// A maintainer with a signed model `m` whose served instance has a repository.
fn published() -> (Sandbox, Server, String) {
    let sandbox = Sandbox::signed();
    let server = Server::serve(&sandbox);
    let url = server.url();
    let listen = server.address.to_string();
    drop(server);
    sandbox.ok(["trust", "publish", "init", "--url", &url]);
    let server = Server::start(Command::new("env"), &sandbox, &["serve", "--listen", &listen, "--url", &url]);
    let fingerprint =
        sandbox.json(0, ["trust", "publish", "status"])["fingerprint"].as_str().unwrap().to_owned();
    (sandbox, server, fingerprint)
}

#[test]
fn s18_a_backup_has_the_repository_and_those_who_follow_it_go_on() {
    let (maintainer, server, fingerprint) = published();
    let url = format!("{}/tuf", server.url());
    let follower = Sandbox::new();
    follower.ok(["trust", "add", &url, "--name", "team", "--fingerprint", &fingerprint]);
    maintainer.ok(["log", "backup", "backup"]);
    let (own, copy) = (maintainer.instance().join("repository"), maintainer.at("backup/repository"));
    assert!(!maintainer.at("backup/keys/repository").exists());
    fs::rename(&own, maintainer.at("lost")).unwrap();
    sealwax_tests::copy_tree(&copy, &own);
    maintainer.ok(["trust", "publish", "rotate", "timestamp"]);
    assert_eq!(follower.json(0, ["trust", "refresh", "team"])["refreshed"][0]["versions"]["root"], 2);
}

#[test]
fn a_served_instance_is_followed_through_a_rotation_of_every_role() {
    let (maintainer, server, fingerprint) = published();
    let url = format!("{}/tuf", server.url());
    let follower = Sandbox::new();
    follower.ok(["trust", "add", &url, "--name", "team", "--fingerprint", &fingerprint]);
    let shown = follower.json(0, ["trust", "show", "team"]);
    assert_eq!(shown["signing_config"]["rekorTlogUrls"][0]["url"], server.url().as_str());

    let root = follower.write("1.root.json", get(server.address, "/tuf/1.root.json").body);
    let home = follower.at("home");
    let run = |program: &str, arguments: &[&str]| {
        let Some(program) = peer(program) else { return };
        let output = Command::new(program).args(arguments).env("HOME", &home).output().unwrap();
        assert!(output.status.success(), "{output:?}");
    };
    let (root, cache) = (root.display().to_string(), follower.at("js").display().to_string());
    let others = || {
        run("cosign", &["initialize", "--mirror", &url, "--root", &root]);
        run("sigstore", &["--instance", &url, "trust-instance", &root]);
        run(
            "sigstore-js",
            &["initialize", "--mirror", &url, "--root", &root, "--cache-path", &cache, "--force"],
        );
    };
    others();
    for role in ROLES {
        maintainer.ok(["trust", "publish", "rotate", role]);
    }
    others();
    let refreshed = follower.json(0, ["trust", "refresh", "team"]);
    assert_eq!(refreshed["refreshed"][0]["versions"]["root"], 5);
    // The old keys have done their duty, and the new ones are nobody else's to read.
    let keys: Vec<_> =
        fs::read_dir(maintainer.instance().join("keys/repository")).unwrap().flatten().collect();
    assert_eq!(keys.len(), 4);
    assert_eq!(get(server.address, "/tuf/timestamp.json").header("cache-control"), "no-store");
    assert!(get(server.address, "/tuf/5.root.json").header("cache-control").contains("immutable"));
    for path in
        ["/tuf/6.root.json", "/tuf/repository.json", "/tuf/..%2frepository.json", "/tuf/staged/root.json"]
    {
        assert_eq!(get(server.address, path).status, 404, "{path}");
    }
}

#[test]
fn root_and_targets_can_be_signed_elsewhere() {
    let sandbox = Sandbox::signed();
    let safe = Sandbox::new();
    for key in ["a", "b", "targets"] {
        let shown = safe.json(0, ["key", "generate", &format!("{key}.pem")]);
        let public = shown["public_key"].as_str().map_or_else(
            || {
                safe.json(0, ["key", "show", &format!("{key}.pem")])["public_key"]
                    .as_str()
                    .unwrap()
                    .to_owned()
            },
            str::to_owned,
        );
        sandbox.write(format!("{key}.pub"), public);
    }
    let init =
        ["trust", "publish", "init", "--url", "https://sign.example", "--root-key", "a.pub", "--root-key"];
    let init = init.into_iter().chain(["b.pub", "--root-threshold", "2", "--targets-key", "targets.pub"]);
    let begun = sandbox.json(0, init);
    assert_eq!(begun["waiting"].as_array().unwrap().len(), 2, "{begun}");
    let staged = sandbox.instance().join("repository/staged");
    let public = sandbox.instance().join("repository/public");
    let sign = |file: &str, key: &str| {
        fs::copy(staged.join(file), safe.at(file)).unwrap();
        safe.ok(["trust", "publish", "sign", file, "--key", key]);
        fs::copy(safe.at(file), staged.join(file)).unwrap();
    };
    sign("root.json", "a.pem");
    sign("targets.json", "targets.pem");
    sandbox.ok(["trust", "publish", "update"]);
    assert!(!public.join("1.root.json").exists(), "one of two is not enough");
    sign("root.json", "b.pem");
    let done = sandbox.json(0, ["trust", "publish", "update"]);
    assert_eq!((done["waiting"].as_array().unwrap().len(), done["roles"].as_array().unwrap().len()), (0, 4));
    assert!(public.join("timestamp.json").exists() && !staged.join("root.json").exists());
    sandbox.run(["trust", "publish", "rotate", "timestamp", "--key", "a.pub"]).fails(2, "kept here");
    sandbox.run(["trust", "publish", "init", "--url", "https://x.example"]).fails(2, "exists already");
}

#[test]
fn k03_encrypted_keys_sign_with_their_passphrase_and_not_without() {
    let sandbox = Sandbox::signed();
    sandbox.write("pass", "correct horse\n");
    let init = [
        "trust",
        "publish",
        "init",
        "--url",
        "https://sign.example",
        "--encrypt",
        "--passphrase-file",
        "pass",
    ];
    assert_eq!(sandbox.json(0, init)["waiting"].as_array().unwrap().len(), 0);
    let renewed = sandbox.json(0, ["trust", "publish", "update", "--renew", "targets"]);
    assert_eq!(renewed["waiting"][0]["role"], "targets", "{renewed}");
    sandbox.write("wrong", "battery staple\n");
    sandbox.run(["trust", "publish", "update", "--passphrase-file", "wrong"]).fails(2, "passphrase");
    let renewed = sandbox.json(0, ["trust", "publish", "update", "--passphrase-file", "pass"]);
    assert_eq!(renewed["waiting"].as_array().unwrap().len(), 0, "{renewed}");
}

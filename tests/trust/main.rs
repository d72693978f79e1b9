//! Trusting somebody by name: files, repositories that are followed, and mirrors that lie.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::as_conversions,
    clippy::panic,
    clippy::print_stderr,
    unreachable_pub,
    missing_docs
)]

mod mirror;
mod published;

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::time::{Duration, Instant};

use jiff::SignedDuration;
use sealwax_attestation::TrustedRoot;
use sealwax_tests::Sandbox;
use sealwax_trust::Role;
use serde_json::Value;

use mirror::{Lie, Mirror, now};

/// A maintainer with a signed model `m`, and a repository that hands out what their instance vouches for.
fn served() -> (Sandbox, Mirror) {
    let sandbox = Sandbox::signed();
    let root = fs::read_to_string(sandbox.instance().join("trusted_root.json")).unwrap();
    let shown = sandbox.json(0, ["key", "show"]);
    sandbox.write("signer.pub", shown["public_key"].as_str().unwrap());
    (sandbox, Mirror::start(&root))
}

/// Somebody who follows it under the name `team`, with the model and the maintainer's key.
fn follower(maintainer: &Sandbox, mirror: &Mirror) -> Sandbox {
    let sandbox = Sandbox::new();
    sealwax_tests::copy_tree(&maintainer.at("m"), &sandbox.at("m"));
    fs::copy(maintainer.at("signer.pub"), sandbox.at("signer.pub")).unwrap();
    sandbox.ok(["trust", "add", &mirror.url(), "--name", "team", "--fingerprint", &mirror.fingerprint()]);
    sandbox
}

const VERIFY: [&str; 6] = ["verify", "m", "--key", "signer.pub", "--trust", "team"];
const REFRESH: [&str; 3] = ["trust", "refresh", "team"];

fn versions(sandbox: &Sandbox) -> (u64, u64, u64) {
    let versions = &sandbox.json(0, ["trust", "show", "team"])["versions"];
    let version = |name: &str| versions[name].as_u64().unwrap();
    (version("root"), version("targets"), version("timestamp"))
}

#[test]
fn a_repository_is_followed_through_changes_and_rotations() {
    let (maintainer, mut mirror) = served();
    let follower = follower(&maintainer, &mirror);
    follower.ok(VERIFY);
    assert_eq!(versions(&follower), (1, 1, 1));
    assert_eq!(follower.json(0, REFRESH)["refreshed"][0]["changed"], false);

    // The instance's log is taken out of the trusted root: what it vouches for is not believed any more.
    let own: TrustedRoot = TrustedRoot::from_json(&mirror.targets["trusted_root.json"]).unwrap();
    mirror.hand_out(&TrustedRoot::default());
    follower.ok(VERIFY);
    assert_eq!(follower.json(0, REFRESH)["refreshed"][0]["changed"], true);
    assert_eq!(follower.rejected(VERIFY), "T07-log-unknown");
    mirror.hand_out(&own);
    for role in Role::ALL {
        mirror.rotate(role);
    }
    follower.ok(REFRESH);
    follower.ok(VERIFY);
    let (root, targets, _) = versions(&follower);
    assert_eq!((root, targets), (5, 4));
}

#[test]
fn k11_what_is_trusted_comes_from_who_verifies_alone() {
    let (maintainer, mirror) = served();
    let follower = follower(&maintainer, &mirror);
    // A store beside the model, or in the current directory, is none.
    let stranger = Sandbox::new();
    sealwax_tests::copy_tree(&maintainer.at("m"), &stranger.at("m"));
    fs::copy(maintainer.at("signer.pub"), stranger.at("signer.pub")).unwrap();
    let store = follower.at("home/.config/sealwax/trust");
    for place in ["trust", "sealwax/trust", ".config/sealwax/trust", "m/trust", "m/.config/sealwax/trust"] {
        sealwax_tests::copy_tree(&store, &stranger.at(place));
    }
    stranger.run(VERIFY).fails(2, "nothing is trusted under the name team");
    let mut relative = stranger.command(VERIFY);
    let relative = sealwax_tests::Run::from(relative.env("XDG_CONFIG_HOME", ".config").output().unwrap());
    assert_eq!(relative.code, Some(2), "{relative:?}");
    // And adding takes the operator's word from the person, not from the server.
    let run = stranger.run(["trust", "add", &mirror.url(), "--name", "team"]);
    run.fails(2, &mirror.fingerprint());
    stranger.run(VERIFY).fails(2, "nothing is trusted");
}

#[test]
fn k11_another_fingerprint_adds_nothing() {
    let (_, mirror) = served();
    let sandbox = Sandbox::new();
    let other = "00".repeat(32);
    sandbox.run(["trust", "add", &mirror.url(), "--fingerprint", &other]).fails(1, &mirror.fingerprint());
    sandbox.write("root.json", &mirror.files["public/1.root.json"]);
    let file = ["trust", "add", "root.json", "--url", &mirror.url(), "--fingerprint", &other];
    sandbox.run(file).fails(1, &mirror.fingerprint());
    // Whoever serves the public-good instance must have its root.
    sandbox.run(["trust", "add", "sigstore", "--url", &mirror.url()]).fails(3, "no repository is there");
    let listed = sandbox.json(0, ["trust", "list"]);
    assert_eq!(listed["trusted"].as_array().unwrap().len(), 1, "{listed}");
    assert_eq!(listed["trusted"][0]["kind"], "built-in");
}

#[test]
fn any_version_of_the_root_can_be_pinned() {
    let (maintainer, mut mirror) = served();
    mirror.rotate(Role::Root);
    mirror.rotate(Role::Root);
    for version in [1, 2, 3] {
        let root = &mirror.files[&format!("public/{version}.root.json")];
        let sandbox = Sandbox::new();
        let fingerprint = sealwax_trust::fingerprint(root);
        sandbox.ok(["trust", "add", &mirror.url(), "--name", "team", "--fingerprint", &fingerprint]);
        assert_eq!(versions(&sandbox).0, 3);
        let sandbox = Sandbox::new();
        sandbox.write("root.json", root);
        sandbox.ok(["trust", "add", "root.json", "--url", &mirror.url(), "--name", "team"]);
        assert_eq!(versions(&sandbox).0, 3);
    }
    drop(maintainer);
}

/// Demands that a refresh fails and that verifying goes on as before; then, that the honest repository can be followed again.
fn refuses(follower: &Sandbox, mirror: &Mirror, lie: Lie, code: i32, text: &str) {
    let before = versions(follower);
    mirror.lie(lie);
    follower.run(REFRESH).fails(code, text);
    assert_eq!(versions(follower).1, before.1);
    follower.ok(VERIFY);
    mirror.be_honest();
    follower.ok(REFRESH);
}

#[test]
fn r01_a_mirror_that_goes_back_is_refused() {
    let (maintainer, mut mirror) = served();
    let old = mirror.files.clone();
    let follower = follower(&maintainer, &mirror);
    mirror.renew(&[Role::Targets]);
    follower.ok(REFRESH);
    refuses(&follower, &mirror, Lie::Old(old.clone()), 1, "older than version 2");
    // So is one that shows the new timestamp, and nothing new behind it.
    mirror.renew(&[Role::Targets]);
    let mut mixed = old;
    mixed.insert("public/timestamp.json".to_owned(), mirror.files["public/timestamp.json"].clone());
    refuses(&follower, &mirror, Lie::Old(mixed), 3, "3.snapshot.json");
}

#[test]
fn r03_a_mirror_that_stands_still_is_refused_once_its_time_is_up() {
    let (maintainer, mirror) = served();
    // A repository that nobody looked after for a week but a few seconds.
    let week = SignedDuration::from_hours(7 * 24) - SignedDuration::from_secs(8);
    let root = String::from_utf8(mirror.targets["trusted_root.json"].clone()).unwrap();
    let mut mirror = Mirror::start_at(now() - week, &root);
    let follower = follower(&maintainer, &mirror);
    let fresh = follower.ok(VERIFY);
    assert!(!fresh.stderr.contains("trust refresh"), "{fresh:?}");
    while now() < mirror.now + week + SignedDuration::from_secs(9) {
        std::thread::sleep(Duration::from_millis(100));
    }
    follower.run(REFRESH).fails(1, "timestamp expired at");
    // Verifying goes on, and says since when it does not know.
    let stale = follower.ok(VERIFY);
    assert!(stale.stderr.contains("trust refresh team"), "{stale:?}");
    mirror.now = now();
    mirror.renew(&[]);
    follower.ok(REFRESH);
    let fresh = follower.ok(VERIFY);
    assert!(!fresh.stderr.contains("trust refresh"), "{fresh:?}");
}

#[test]
fn r07_r10_forged_metadata_change_nothing() {
    let (maintainer, mut mirror) = served();
    let follower = follower(&maintainer, &mirror);
    mirror.renew(&[Role::Targets]);
    // Another repository's, each properly signed by its own keys.
    let (_, mut other) = served();
    other.renew(&[Role::Targets]);
    other.rotate(Role::Root);
    for (name, text) in [
        ("2.root.json", "signed by 0 of the 1"),
        ("timestamp.json", "signed by 0 of the 1"),
        ("2.snapshot.json", "snapshot.json: "),
        ("2.targets.json", "signed by 0 of the 1"),
    ] {
        // Without spaces, so that it is shorter than what is expected and gets as far as its content.
        let forged: Value = serde_json::from_slice(&other.files[&format!("public/{name}")]).unwrap();
        let forged = forged.to_string().into_bytes();
        refuses_then_stays(&follower, &mirror, Lie::Instead(name, forged), 1, text);
    }
    for garbage in ["", "null", "{", "{}", "<html>", "{\"signed\":null,\"signatures\":null}"] {
        let lie = Lie::Instead("timestamp.json", garbage.as_bytes().to_vec());
        refuses_then_stays(&follower, &mirror, lie, 1, "timestamp.json: malformed");
    }
    refuses_then_stays(&follower, &mirror, Lie::Status(500), 3, "answered with 500");
    refuses_then_stays(
        &follower,
        &mirror,
        Lie::Status(404),
        3,
        "timestamp.json: the repository does not have it",
    );
    // Nobody is sent elsewhere.
    refuses_then_stays(&follower, &mirror, Lie::Redirect(other.url()), 3, "answered with 302");
    follower.ok(REFRESH);
    assert_eq!(versions(&follower).1, 2);
}

/// As [`refuses`], without following the honest repository afterwards.
fn refuses_then_stays(follower: &Sandbox, mirror: &Mirror, lie: Lie, code: i32, text: &str) {
    let before = versions(follower);
    mirror.lie(lie);
    follower.run(REFRESH).fails(code, text);
    mirror.be_honest();
    assert_eq!(versions(follower), before);
    follower.ok(VERIFY);
}

#[test]
fn a_wrong_target_changes_nothing() {
    let (maintainer, mut mirror) = served();
    let follower = follower(&maintainer, &mirror);
    mirror.hand_out(&TrustedRoot::default());
    let mut wrong = mirror.targets["trusted_root.json"].clone();
    wrong[20] ^= 1;
    refuses_then_stays(&follower, &mirror, Lie::Instead("targets/", wrong), 1, "not the file that is listed");
    refuses_then_stays(&follower, &mirror, Lie::Instead("targets/", b"{}".to_vec()), 1, "2 bytes instead of");
}

#[test]
fn b04_endless_answers_end() {
    let (maintainer, mut mirror) = served();
    let follower = follower(&maintainer, &mirror);
    mirror.renew(&[Role::Targets]);
    for name in ["2.root.json", "timestamp.json", "2.snapshot.json", "2.targets.json"] {
        refuses_then_stays(&follower, &mirror, Lie::Endless(name), 3, "is longer than");
    }
}

#[test]
fn a_mirror_that_is_slow_holds_nobody_up() {
    let (maintainer, mirror) = served();
    let follower = follower(&maintainer, &mirror);
    let started = Instant::now();
    refuses_then_stays(&follower, &mirror, Lie::Slow("timestamp.json"), 3, "timestamp.json");
    assert!(started.elapsed().as_secs() < 60, "{:?}", started.elapsed());
}

#[test]
fn r11_what_is_held_is_checked_each_time() {
    let (maintainer, mirror) = served();
    let follower = follower(&maintainer, &mirror);
    let held = follower.at("home/.config/sealwax/trust/team/held.json");
    let text = fs::read_to_string(&held).unwrap();
    // Whose signature it is that breaks is for the room's own tests; here it is that verifying looks.
    for spoilt in [
        text.replacen("log-", "log+", 1),
        text.replacen("\"sig\\\": \\\"30", "\"sig\\\": \\\"31", 1),
        text.replace("timestamp.json", "timestamp"),
        "{}".to_owned(),
    ] {
        if spoilt == text {
            continue;
        }
        fs::write(&held, &spoilt).unwrap();
        let run = follower.run(VERIFY);
        assert_ne!(run.code, Some(0), "{run:?}");
    }
    fs::write(&held, &text).unwrap();
    follower.ok(VERIFY);
    // Nor may anybody else be able to change it.
    fs::set_permissions(&held, Permissions::from_mode(0o666)).unwrap();
    follower.run(VERIFY).fails(2, "can be changed by others");
}

#[test]
fn files_are_trusted_by_name() {
    let maintainer = Sandbox::signed();
    let shown = maintainer.json(0, ["key", "show"]);
    maintainer.ok(["instance", "export", "handout", "--url", "https://log.example"]);
    let sandbox = Sandbox::new();
    sealwax_tests::copy_tree(&maintainer.at("m"), &sandbox.at("m"));
    sealwax_tests::copy_tree(&maintainer.at("handout"), &sandbox.at("handout"));
    sandbox.write("signer.pub", shown["public_key"].as_str().unwrap());
    sandbox.ok(["trust", "add", "handout", "--name", "team"]);
    sandbox.ok(VERIFY);
    let shown = sandbox.json(0, ["trust", "show", "team"]);
    assert_eq!(shown["signing_config"]["rekorTlogUrls"][0]["url"], "https://log.example");
    let root = fs::read(sandbox.at("handout/trusted_root.json")).unwrap();
    let fingerprint = sealwax_trust::fingerprint(&root);
    let file = ["trust", "add", "handout/trusted_root.json", "--fingerprint", &fingerprint];
    assert_eq!(sandbox.json(0, file)["name"], "trusted_root");
    // A name is taken once.
    sandbox.run(["trust", "add", "handout", "--name", "team"]).fails(2, "exists already");
    sandbox.run(["trust", "refresh", "team"]).fails(2, "from a file");
    sandbox.ok(["trust", "remove", "team"]);
    sandbox.run(VERIFY).fails(2, "nothing is trusted under the name team");
    sandbox.run(["trust", "remove", "team"]).fails(2, "nothing is trusted");
    sandbox.run(["trust", "remove", "sigstore"]).fails(2, "built in");
    sandbox.write("x.json", "{\"mediaType\":\"x\"}");
    sandbox.run(["trust", "add", "x.json"]).fails(2, "x.json");
}

#[test]
fn r08_a_name_is_never_a_path() {
    let sandbox = Sandbox::signed();
    sandbox.ok(["instance", "export", "handout"]);
    for name in ["..", "../x", "a/b", "", ".hidden", "-x", "A", "sigstore", "ä", &"x".repeat(65)] {
        let run = sandbox.run(["trust", "add", "handout", &format!("--name={name}")]);
        assert_eq!(run.code, Some(2), "{name:?}: {run:?}");
        if name != "sigstore" {
            let run = sandbox.run(["trust", "show", "--", name]);
            assert_eq!(run.code, Some(2), "{name:?}: {run:?}");
        }
    }
    assert!(!sandbox.at("home/.config/sealwax/trust").exists());
}

#[test]
fn the_public_good_instance_is_built_in() {
    let sandbox = Sandbox::new();
    let shown = sandbox.json(0, ["trust", "show", "sigstore"]);
    assert_eq!((shown["kind"].as_str(), shown["versions"].is_null()), (Some("built-in"), true));
    assert!(!shown["trusted_root"]["certificateAuthorities"].as_array().unwrap().is_empty());
    assert!(shown["signing_config"]["caUrls"][0]["url"].as_str().unwrap().starts_with("https://"));
    // Looking changes nothing.
    assert!(!sandbox.at("home/.config").exists());
}

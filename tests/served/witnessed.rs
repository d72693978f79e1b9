//! A served log and its witnesses: what is published without them, what they remember for it, and an anchor in their place.

use std::fs;
use std::net::SocketAddr;
use std::process::Command;
use std::time::{Duration, Instant};

use sealwax_tests::http::get;
use sealwax_tests::litewitness::Litewitness;
use sealwax_tests::server::{Server, Signer, instance, log_key, open_log, refused_start, set, wait_for};
use sealwax_tests::{Sandbox, copy_tree};
use sealwax_tlog::{Checkpoint, SignedNote, VerifierKey, WitnessPolicy};
use serde_json::{Value, json};

use crate::wire::proven;

/// A log with two witnesses, all of the same sandbox.
struct Scene {
    sandbox: Sandbox,
    witnesses: [Option<Server>; 2],
    addresses: [SocketAddr; 2],
    keys: [VerifierKey; 2],
}

impl Scene {
    /// Starts the witnesses, and writes settings with a policy that needs this many of them.
    fn new(quorum: &str, require: bool) -> Self {
        let sandbox = instance("");
        let log = log_key(&sandbox).to_string();
        let keys = ["w0", "w1"].map(|name| {
            let made = sandbox.json(0, ["witness", "init", name, "--name", &format!("{name}.example")]);
            sandbox.ok(["witness", "add-log", name, &log]);
            VerifierKey::parse(made["verifier_key"].as_str().unwrap()).unwrap()
        });
        let witnesses = ["w0", "w1"].map(|name| serve(&sandbox, name, "127.0.0.1:0"));
        let addresses = [witnesses[0].address, witnesses[1].address];
        let scene = Self { sandbox, witnesses: witnesses.map(Some), addresses, keys };
        fs::write(scene.sandbox.instance().join("witnesses.policy"), scene.policy(quorum)).unwrap();
        let settings = "[witnesses]\npolicy = 'witnesses.policy'\ntimeout_seconds = 2\n";
        set(&scene.sandbox, &format!("{settings}require = {require}\n"));
        scene
    }

    fn policy(&self, quorum: &str) -> String {
        let [one, two] = &self.keys;
        let [first, second] = self.addresses;
        format!(
            "log {}\nwitness W0 {one} http://{first}\nwitness W1 {two} http://{second}\ngroup both {quorum} W0 W1\nquorum both\n",
            log_key(&self.sandbox)
        )
    }

    fn stop(&mut self, which: usize) {
        self.witnesses[which] = None;
    }

    /// Starts a witness again where it was.
    fn resume(&mut self, which: usize) {
        let listen = self.addresses[which].to_string();
        self.witnesses[which] = Some(serve(&self.sandbox, &format!("w{which}"), &listen));
    }

    /// How many of the witnesses have cosigned the published checkpoint.
    fn cosigned(&self, server: &Server) -> (u64, usize) {
        let note = get(server.address, "/checkpoint").body;
        let note = SignedNote::parse(&note).unwrap();
        let size = Checkpoint::parse(note.text()).unwrap().size;
        (size, note.verify(&self.keys).map_or(0, |cosigned| cosigned.len()))
    }
}

fn serve(sandbox: &Sandbox, name: &str, listen: &str) -> Server {
    Server::start(Command::new("env"), sandbox, &["witness", "serve", name, "--listen", listen])
}

#[test]
fn w08_without_its_quorum_nothing_is_published_and_afterwards_everything() {
    let mut scene = Scene::new("all", true);
    let server = Server::serve(&scene.sandbox);
    let (key, signer) = (log_key(&scene.sandbox), Signer::new());
    proven(&server.submit(&signer.rekord(b"first")), &key);
    assert_eq!(scene.cosigned(&server), (1, 2));

    scene.stop(1);
    let request = signer.rekord(b"second");
    let started = Instant::now();
    let answer = server.submit(&request);
    assert_eq!((answer.status, answer.json()["code"].clone()), (503, json!(14)), "{answer:?}");
    assert_eq!(answer.header("retry-after"), "5");
    assert!(started.elapsed() < Duration::from_secs(8), "{:?}", started.elapsed());
    assert_eq!(scene.cosigned(&server), (1, 2), "published without the quorum");
    server.ask(404, "entries/1");
    assert!(
        get(server.address, "/metrics").text().contains("sealwax_witness_failures_total{witness=\"W1\"}")
    );

    scene.resume(1);
    let answer =
        wait_for("the entry", || Some(server.submit(&request)).filter(|answer| answer.status == 201));
    assert_eq!(proven(&answer, &key).0, 1);
    assert_eq!(scene.cosigned(&server), (2, 2));

    // What was held back is published by itself, and an entry that nobody asked for again is there.
    scene.stop(0);
    assert_eq!(server.submit(&signer.rekord(b"third")).status, 503);
    scene.resume(0);
    wait_for("the publication", || (scene.cosigned(&server) == (3, 2)).then_some(()));
    assert_eq!(
        get(server.address, "/metrics").text().lines().find(|line| line.starts_with("sealwax_log_waiting ")),
        Some("sealwax_log_waiting 0")
    );
}

#[test]
fn w08_without_a_quorum_a_log_that_needs_none_goes_on() {
    let mut scene = Scene::new("all", false);
    scene.stop(0);
    let server = Server::serve(&scene.sandbox);
    let (key, signer) = (log_key(&scene.sandbox), Signer::new());
    assert_eq!(proven(&server.submit(&signer.rekord(b"first")), &key).0, 0);
    assert_eq!(scene.cosigned(&server), (1, 1));
    scene.resume(0);
    assert_eq!(proven(&server.submit(&signer.rekord(b"second")), &key).0, 1);
    assert_eq!(scene.cosigned(&server), (2, 2));
}

#[test]
fn t10_a_cosigned_bundle_fulfils_the_quorum_of_a_policy() {
    let mut scene = Scene::new("all", false);
    let server = Server::serve(&scene.sandbox);
    let client = Sandbox::new();
    client.model("m");
    client.ok(["key", "generate", "k.pem"]);
    fs::copy(scene.sandbox.instance().join("trusted_root.json"), client.at("root.json")).unwrap();
    let public = client.json(0, ["key", "show", "k.pem"])["public_key"].as_str().unwrap().to_owned();
    let policy = |quorum: &str| -> Value {
        json!({
            "version": 1,
            "signers": [{"name": "k", "publicKey": public}],
            "log": "required",
            "witnesses": scene.policy(quorum),
        })
    };
    for quorum in ["all", "1"] {
        client.write(format!("{quorum}.json"), policy(quorum).to_string());
    }
    let url = server.url();
    let sign = ["sign", "m", "--key", "k.pem", "--instance", &url, "--trusted-root", "root.json"];
    let verify = |quorum| ["verify", "m", "--policy", quorum, "--trusted-root", "root.json"];
    client.ok(sign);
    client.ok(verify("all.json"));
    scene.stop(1);
    client.write("m/config.json", "changed");
    client.ok(sign);
    client.ok(verify("1.json"));
    assert_eq!(client.rejected(verify("all.json")), "T10-witness-quorum");
}

#[test]
fn litewitness_and_our_witness_cosign_one_log() {
    let sandbox = instance("");
    let key = log_key(&sandbox);
    let Some(litewitness) = Litewitness::start(&key) else { return };
    let made = sandbox.json(0, ["witness", "init", "w", "--name", "w.example"]);
    sandbox.ok(["witness", "add-log", "w", &key.to_string()]);
    let ours = serve(&sandbox, "w", "127.0.0.1:0");
    let policy = format!(
        "witness L {} http://{}\nwitness O {} http://{}\ngroup both all L O\nquorum both\n",
        litewitness.key,
        litewitness.address,
        made["verifier_key"].as_str().unwrap(),
        ours.address
    );
    fs::write(sandbox.instance().join("witnesses.policy"), &policy).unwrap();
    set(&sandbox, "[witnesses]\npolicy = 'witnesses.policy'\n");
    let signer = Signer::new();
    // The second time the server has to be told by each of them how far it is.
    for round in 0..2 {
        let server = Server::serve(&sandbox);
        for number in 0..3_u8 {
            let answer = server.submit(&signer.rekord(&[round, number]));
            proven(&answer, &key);
            let note = answer.json()["inclusionProof"]["checkpoint"]["envelope"].as_str().unwrap().to_owned();
            let note = SignedNote::parse(note.as_bytes()).unwrap();
            WitnessPolicy::parse(&policy).unwrap().quorum_met(&note).unwrap();
        }
    }
}

/// A copy of the instance as it is now, to be put back later.
fn keep(sandbox: &Sandbox) {
    copy_tree(&sandbox.instance(), &sandbox.at("old"));
}

fn put_back(sandbox: &Sandbox) {
    fs::remove_dir_all(sandbox.instance()).unwrap();
    copy_tree(&sandbox.at("old"), &sandbox.instance());
    for key in ["keys/log.pem", "keys/signing.pem"] {
        let mode = std::os::unix::fs::PermissionsExt::from_mode(0o600);
        fs::set_permissions(sandbox.instance().join(key), mode).unwrap();
    }
}

#[test]
fn s08_s10_a_witness_remembers_what_a_restored_log_forgot() {
    for require in [true, false] {
        let scene = Scene::new("1", require);
        let (key, signer) = (log_key(&scene.sandbox), Signer::new());
        let server = Server::serve(&scene.sandbox);
        proven(&server.submit(&signer.rekord(b"first")), &key);
        drop(server);
        keep(&scene.sandbox);
        let server = Server::serve(&scene.sandbox);
        proven(&server.submit(&signer.rekord(b"second")), &key);
        let newest = get(server.address, "/checkpoint").body;
        drop(server);
        put_back(&scene.sandbox);
        for _ in 0..2 {
            let (code, said) = refused_start(&scene.sandbox, &["serve"]);
            assert_eq!(code, Some(4), "{said}");
            assert!(
                said.contains("error:") && said.contains("the witness W") && said.contains("hint:"),
                "{said}"
            );
        }
        // Nothing was signed meanwhile: the only tree of two entries is the one that the witnesses saw.
        assert_eq!(open_log(&scene.sandbox).checkpoint().unwrap().size, 1);
        assert_eq!(Checkpoint::open(&newest, &key).unwrap().size, 2);
    }
}

#[test]
fn s08_a_restored_log_signs_again_once_enough_witnesses_confirm_it() {
    for require in [true, false] {
        let mut scene = Scene::new("all", require);
        let (key, signer) = (log_key(&scene.sandbox), Signer::new());
        let server = Server::serve(&scene.sandbox);
        proven(&server.submit(&signer.rekord(b"first")), &key);
        drop(server);
        scene.sandbox.ok(["log", "backup", "b"]);
        fs::remove_dir_all(scene.sandbox.instance().join("log")).unwrap();
        scene.sandbox.ok(["log", "restore", "b"]);
        scene.stop(0);
        if require {
            assert_eq!(refused_start(&scene.sandbox, &["serve"]).0, Some(3));
        } else {
            let server = Server::serve(&scene.sandbox);
            assert_eq!(server.submit(&signer.rekord(b"second")).status, 503, "one of two is too few");
        }
        scene.resume(0);
        let server = Server::serve(&scene.sandbox);
        proven(&server.submit(&signer.rekord(b"second")), &key);
        assert_eq!(scene.cosigned(&server), (2, 2));
    }
}

#[test]
fn w02_s10_a_log_does_not_go_on_with_another_history_than_its_witnesses_saw() {
    let mut scene = Scene::new("1", false);
    let (key, signer) = (log_key(&scene.sandbox), Signer::new());
    keep(&scene.sandbox);
    let server = Server::serve(&scene.sandbox);
    proven(&server.submit(&signer.rekord(b"first")), &key);
    drop(server);
    put_back(&scene.sandbox);
    // While nobody can tell, another history begins.
    scene.stop(0);
    scene.stop(1);
    let mut server = Server::serve(&scene.sandbox);
    proven(&server.submit(&signer.rekord(b"another")), &key);
    // As soon as one can, it ends, and does not start again.
    scene.resume(0);
    assert_eq!(server.submit(&signer.rekord(b"more")).status, 503);
    assert_eq!(server.ended(), Some(4), "{}", server.said());
    let (code, said) = refused_start(&scene.sandbox, &["serve"]);
    assert_eq!(code, Some(4), "{said}");
    assert!(said.contains("the witness W0") && said.contains("keep it as evidence"), "{said}");
}

#[test]
fn s10_a_log_that_may_not_sign_alone_does_not_start_alone() {
    let mut scene = Scene::new("all", true);
    scene.stop(0);
    let (code, said) = refused_start(&scene.sandbox, &["serve"]);
    assert_eq!(code, Some(3), "{said}");
    assert!(said.contains("too few witnesses") && said.contains("start the witnesses"), "{said}");
    scene.resume(0);
    drop(Server::serve(&scene.sandbox));
}

#[test]
fn s08_s10_an_anchor_elsewhere_remembers_what_a_restored_log_forgot() {
    let sandbox = instance("");
    fs::create_dir(sandbox.at("elsewhere")).unwrap();
    let anchor = sandbox.at("elsewhere");
    set(&sandbox, &format!("[log]\nanchor = '{}'\n", anchor.display()));
    let (key, signer) = (log_key(&sandbox), Signer::new());
    let server = Server::serve(&sandbox);
    proven(&server.submit(&signer.rekord(b"first")), &key);
    drop(server);
    keep(&sandbox);
    let server = Server::serve(&sandbox);
    proven(&server.submit(&signer.rekord(b"second")), &key);
    drop(server);
    put_back(&sandbox);
    let (code, said) = refused_start(&sandbox, &["serve"]);
    assert_eq!(code, Some(4), "{said}");
    assert!(said.contains("elsewhere") && said.contains("hint:"), "{said}");
    // A disk that is not mounted is not an empty anchor.
    fs::rename(sandbox.at("elsewhere"), sandbox.at("unmounted")).unwrap();
    let (code, said) = refused_start(&sandbox, &["serve"]);
    assert_eq!(code, Some(2), "{said}");
    assert!(said.contains("not a directory"), "{said}");
}

#[test]
fn k09_a_log_is_not_its_own_witness() {
    let scene = Scene::new("all", true);
    let log = log_key(&scene.sandbox);
    let own = VerifierKey::from_cosigner("own.example", log.public_key()).unwrap();
    let policy = format!("witness own {own} http://127.0.0.1:9\nquorum own\n");
    fs::write(scene.sandbox.instance().join("witnesses.policy"), policy).unwrap();
    let (code, said) = refused_start(&scene.sandbox, &["serve"]);
    assert_eq!(code, Some(2), "{said}");
    assert!(said.contains("the log's own key"), "{said}");
}

#[test]
fn s09_one_server_at_a_time_on_one_log() {
    let sandbox = instance("");
    let server = Server::serve(&sandbox);
    let mut second = sandbox.command(["serve", "--listen", "127.0.0.1:0"]);
    let child = second.stderr(std::process::Stdio::piped()).spawn().unwrap();
    // The first one goes on while the other waits for the lock.
    proven(&server.submit(&Signer::new().rekord(b"first")), &log_key(&sandbox));
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(3), "{output:?}");
    assert!(String::from_utf8_lossy(&output.stderr).contains("another process holds the log"), "{output:?}");
}

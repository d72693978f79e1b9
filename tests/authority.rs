//! An instance's authority: made with it, added to an older one, its keys replaced, and every step of that interrupted.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use sealwax_attestation::TrustedRoot;
use sealwax_keys::{Certificate, KeyFile};
use sealwax_tests::server::{Server, instance};
use sealwax_tests::{Sandbox, workspace};

fn trusted_root(sandbox: &Sandbox) -> TrustedRoot {
    TrustedRoot::from_json(&fs::read(sandbox.instance().join("trusted_root.json")).unwrap()).unwrap()
}

fn write_trusted_root(path: &Path, root: &TrustedRoot) {
    fs::write(path, root.to_json()).unwrap();
}

/// Makes of an instance what earlier versions made.
fn without_authority(sandbox: &Sandbox) {
    let dir = sandbox.instance();
    fs::remove_dir_all(dir.join("authority")).unwrap();
    fs::remove_dir_all(dir.join("ct")).unwrap();
    for name in ["ca-root", "ca", "tsa", "ct", "ct-log", "issuer"] {
        fs::remove_file(dir.join(format!("keys/{name}.pem"))).unwrap();
    }
    let root = TrustedRoot { logs: trusted_root(sandbox).logs, ..TrustedRoot::default() };
    write_trusted_root(&dir.join("trusted_root.json"), &root);
}

#[test]
fn an_instance_is_made_with_an_authority_whose_parts_fit() {
    let sandbox = instance("");
    let dir = sandbox.instance();
    let root = trusted_root(&sandbox);
    let (ca, tsa) = (&root.certificate_authorities[0], &root.timestamp_authorities[0]);
    for (authority, file, purpose) in [(ca, "ca", "1.3.6.1.5.5.7.3.3"), (tsa, "tsa", "1.3.6.1.5.5.7.3.8")] {
        let pem = fs::read(dir.join(format!("authority/{file}.pem"))).unwrap();
        let chain = Certificate::from_pem_chain(&pem).unwrap();
        assert_eq!(chain.iter().map(|one| one.der().to_vec()).collect::<Vec<_>>(), authority.chain);
        assert_eq!(chain[0].extended_key_usage().unwrap(), [purpose]);
        chain[0].is_signed_by(chain[1].public_key()).unwrap();
        let key = fs::read(dir.join(format!("keys/{file}.pem"))).unwrap();
        let Ok(KeyFile::Plain(key)) = KeyFile::parse(&key) else { panic!("not a plain key") };
        assert_eq!(key.public_key(), chain[0].public_key());
        assert_eq!(authority.operator.as_deref(), Some("log.example"));
        assert_eq!(authority.organization, "log.example");
    }
    assert_eq!(ca.chain[1], tsa.chain[1], "one root");
    let ct = sealwax_keys::PublicKey::from_pem(&fs::read(dir.join("authority/ct.pub")).unwrap()).unwrap();
    assert_eq!(root.ct_logs[0].key, ct.spki_der());
    assert_eq!(root.ct_logs[0].log_id, ct.fingerprint());

    let shown = sandbox.json(0, ["authority", "show"]);
    assert_eq!(shown["certificate_log"]["size"], 0);
    assert!(shown["certificate_log"]["verifier_key"].as_str().unwrap().starts_with("ct.log.example+"));
    assert_eq!(shown["issuer"]["url"], "https://log.example");
    assert_eq!(sandbox.json(0, ["authority", "certificates"])["certificates"].as_array().unwrap().len(), 0);
    sandbox.run(["authority", "create"]).fails(2, "exists already");
    for file in fs::read_dir(dir.join("keys")).unwrap() {
        let file = file.unwrap();
        let wanted = if file.file_name() == "signing.pub" { 0o644 } else { 0o600 };
        assert_eq!(file.metadata().unwrap().permissions().mode() & 0o777, wanted, "{file:?}");
    }
}

#[test]
fn a_passphrase_encrypts_the_authoritys_keys_and_replacing_one_keeps_it() {
    let sandbox = Sandbox::new();
    sandbox.write("passphrase", "correct horse\n");
    let with = ["--passphrase-file", "passphrase"];
    sandbox.ok([&["instance", "init", "--origin", "log.example", "--encrypt"][..], &with].concat());
    let is_encrypted = |name: &str| {
        let text = fs::read_to_string(sandbox.instance().join(format!("keys/{name}.pem"))).unwrap();
        text.contains("ENCRYPTED")
    };
    let authority = ["ca-root", "ca", "tsa", "ct", "issuer"];
    assert!(authority.into_iter().all(is_encrypted));
    sandbox.run(["authority", "rotate", "tsa"]).fails(3, "passphrase");
    sandbox.write("wrong", "wrong\n");
    sandbox.run(["authority", "rotate", "tsa", "--passphrase-file", "wrong"]).fails(2, "passphrase");
    sandbox.ok([&["authority", "rotate", "tsa"][..], &with].concat());
    assert!(authority.into_iter().all(is_encrypted));
    assert_eq!(trusted_root(&sandbox).timestamp_authorities.len(), 2);
}

#[test]
fn an_older_instance_is_given_an_authority_wherever_that_is_interrupted() {
    let sandbox = instance("");
    let (dir, whole) = (sandbox.instance(), trusted_root(&sandbox));
    without_authority(&sandbox);
    sandbox.run(["authority", "show"]).fails(2, "no authority");
    sandbox.ok(["authority", "create"]);
    let root = trusted_root(&sandbox);
    assert_eq!(root.logs.len(), 1);
    assert_eq!(root.certificate_authorities.len(), 1);
    assert_ne!(root.certificate_authorities[0].chain, whole.certificate_authorities[0].chain);

    // Each file that was moved is moved back, and each time the same command goes on.
    let staged = dir.join("new-authority");
    let parts = [
        vec![],
        vec!["authority/authority.json"],
        vec!["authority/authority.json", "authority/ledger.db", "keys/issuer.pem", "keys/ca.pem"],
        vec!["authority", "keys/ca-root.pem", "keys/ca.pem", "keys/tsa.pem", "keys/ct.pem", "ct"],
    ];
    for moved in parts {
        for folder in ["authority", "keys"] {
            if !moved.contains(&folder) {
                fs::create_dir_all(staged.join(folder)).unwrap();
            }
        }
        fs::create_dir_all(&staged).unwrap();
        for part in &moved {
            fs::rename(dir.join(part), staged.join(part)).unwrap();
        }
        let part = TrustedRoot { logs: Vec::new(), ..root.clone() };
        write_trusted_root(&staged.join("trusted_root.json"), &part);
        let before = TrustedRoot { logs: root.logs.clone(), ..TrustedRoot::default() };
        write_trusted_root(&dir.join("trusted_root.json"), &before);
        sandbox.model("m");
        sandbox.run(["sign", "m"]).fails(3, "interrupted");
        sandbox.ok(["authority", "create"]);
        assert!(!staged.exists());
        assert_eq!(trusted_root(&sandbox).certificate_authorities, root.certificate_authorities);
        assert_eq!(trusted_root(&sandbox).timestamp_authorities, root.timestamp_authorities);
        assert_eq!(trusted_root(&sandbox).ct_logs, root.ct_logs);
        sandbox.ok(["authority", "show"]);
    }
    // The last step of all.
    fs::create_dir(&staged).unwrap();
    sandbox.run(["authority", "show"]).fails(3, "interrupted");
    sandbox.ok(["authority", "create"]);
    sandbox.ok(["sign", "m"]);
}

#[test]
fn c04_a_replaced_key_stays_in_the_trusted_root_until_its_end() {
    let sandbox = instance("");
    let dir = sandbox.instance();
    let key = |name: &str| fs::read(dir.join(format!("keys/{name}.pem"))).unwrap();
    let before = trusted_root(&sandbox);
    let keys = ["ca-root", "ca", "tsa", "ct", "issuer"].map(key);
    sandbox.run(["authority", "rotate", "tsa", "--root"]).fails(2, "rotate ca");
    // A server would go on with the old key after its time.
    let server = Server::serve(&sandbox);
    sandbox.run(["authority", "rotate", "ca"]).fails(3, "another process");
    drop(server);
    assert_eq!(trusted_root(&sandbox).certificate_authorities.len(), 1);
    for what in ["ca", "tsa", "ct", "issuer"] {
        sandbox.ok(["authority", "rotate", what]);
    }
    let root = trusted_root(&sandbox);
    for (old, new) in [
        (&before.certificate_authorities, &root.certificate_authorities),
        (&before.timestamp_authorities, &root.timestamp_authorities),
    ] {
        assert_eq!((old.len(), new.len()), (1, 2));
        assert_eq!(new[0].chain, old[0].chain);
        assert!(new[0].valid_until.is_some() && new[1].valid_until.is_none());
        assert_ne!(new[1].chain[0], old[0].chain[0]);
        assert_eq!(new[1].chain[1], old[0].chain[1], "the root stays");
    }
    assert_eq!(root.ct_logs.len(), 2);
    assert!(root.ct_logs[0].valid_until.is_some() && root.ct_logs[1].valid_until.is_none());
    // A certificate of the old key's last moment is signed with for ten minutes.
    let end = |until: Option<jiff::Timestamp>| until.unwrap().as_second();
    let ends =
        (end(root.certificate_authorities[0].valid_until), end(root.timestamp_authorities[0].valid_until));
    assert!((590..=610).contains(&(ends.0 - ends.1)), "{ends:?}");
    let after = ["ca-root", "ca", "tsa", "ct", "issuer"].map(key);
    assert_eq!(keys[0], after[0]);
    assert!((1..5).all(|index| keys[index] != after[index]));

    // A root that is kept elsewhere has to be named, and has to be the one.
    let elsewhere = sandbox.at("root.pem");
    fs::rename(dir.join("keys/ca-root.pem"), &elsewhere).unwrap();
    sandbox.run(["authority", "rotate", "ca"]).fails(3, "ca-root.pem");
    sandbox.ok(["key", "generate", "other.pem", "--kind", "p384"]);
    sandbox.run(["authority", "rotate", "ca", "--root-key", "other.pem"]).fails(2, "does not belong");
    assert!(!dir.join("new-authority").exists());
    sandbox.ok(["authority", "rotate", "ca", "--root-key", "root.pem"]);
    assert!(!dir.join("keys/ca-root.pem").exists());
    sandbox.ok(["authority", "rotate", "ca", "--root"]);
    let root = trusted_root(&sandbox);
    assert_eq!(root.certificate_authorities.len(), 4);
    assert_ne!(root.certificate_authorities[3].chain[1], root.certificate_authorities[2].chain[1]);
    assert_eq!(root.certificate_authorities.iter().filter(|one| one.valid_until.is_none()).count(), 1);
    sandbox.ok(["authority", "rotate", "tsa"]);
    sandbox.ok(["authority", "show"]);
}

#[test]
fn the_page_about_a_private_sigstore_shows_what_works() {
    let page = fs::read_to_string(workspace().join("docs/private-sigstore.md")).unwrap();
    let sandbox = Sandbox::new();
    sandbox.model("my-model");
    let mut served = None;
    let mut ran = 0;
    for command in page.lines().filter_map(|line| line.strip_prefix("    sealwax ")) {
        ran += 1;
        if command == "serve" {
            served = Some(Server::serve(&sandbox));
            continue;
        }
        let url = served.as_ref().map(Server::url).unwrap_or_default();
        let command = command.replace("http://127.0.0.1:3000", &url);
        if command.starts_with("instance invite") {
            let made = sandbox.json(0, command.split(' '));
            sandbox.write("invitation", made["invitation"].as_str().unwrap());
            continue;
        }
        sandbox.ok(command.split(' '));
    }
    assert_eq!(ran, 8);
    for file in ["trusted_root.json", "signing_config.json", "client_trust_config.json"] {
        assert!(sandbox.at("trust").join(file).exists(), "{file}");
    }
    let settings = page.split("```toml\n").nth(1).unwrap().split("```").next().unwrap();
    let config = sealwax_server::Config::parse(settings).unwrap();
    assert_eq!(config.authority.issuers.len(), 4);
}

//! Identities by the command line: real Sigstore signatures, and the adapter for Sigstore's conformance suite.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, clippy::print_stderr)]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use sealwax_tests::{Sandbox, shared};
use sha2::{Digest, Sha256};

fn folders() -> Option<Vec<PathBuf>> {
    let suite = shared("the conformance suite", "vectors/sigstore-conformance/assets/bundle-verify")?;
    let entries = fs::read_dir(suite).unwrap().map(|entry| entry.unwrap().path());
    let mut folders: Vec<PathBuf> = entries.filter(|path| path.is_dir()).collect();
    folders.sort();
    Some(folders)
}

/// The suite's own default, and each folder's exception from it.
fn text(folder: &Path, name: &str, default: &str) -> String {
    fs::read_to_string(folder.join(name))
        .map_or_else(|_| default.to_owned(), |text| text.trim_end().to_owned())
}

fn identity(folder: &Path) -> [String; 2] {
    [text(folder, "identity", BEACON), text(folder, "issuer", GITHUB)]
}

fn artifact(folder: &Path) -> PathBuf {
    let own = folder.join("artifact");
    if own.exists() { own } else { folder.parent().unwrap().join("a.txt") }
}

#[test]
fn the_conformance_suite_is_answered_by_path_and_by_digest() {
    let Some(folders) = folders() else { return };
    let (mut accepted, mut refused) = (0, 0);
    for folder in folders {
        let name = folder.file_name().unwrap().to_str().unwrap().to_owned();
        let digest = format!("sha256:{}", hex::encode(Sha256::digest(fs::read(artifact(&folder)).unwrap())));
        for subject in [artifact(&folder).display().to_string(), digest] {
            let mut command = Command::new(env!("CARGO_BIN_EXE_sealwax-conformance"));
            command.arg("verify-bundle").arg("--bundle").arg(folder.join("bundle.sigstore.json"));
            if folder.join("key.pub").exists() {
                command.arg("--key").arg(folder.join("key.pub"));
            } else {
                let [identity, issuer] = identity(&folder);
                command.args(["--certificate-identity", &identity, "--certificate-oidc-issuer", &issuer]);
            }
            if folder.join("trusted_root.json").exists() {
                command.arg("--trusted-root").arg(folder.join("trusted_root.json"));
            }
            let output = command.arg(&subject).output().unwrap();
            let code = output.status.code();
            assert_eq!(code, Some(i32::from(name.ends_with("_fail"))), "{name} {subject}: {output:?}");
            if code == Some(0) {
                accepted += 1;
            } else {
                refused += 1;
                // A code, and never a crash that only looks like a refusal.
                assert!(String::from_utf8_lossy(&output.stderr).contains(": "), "{name}: {output:?}");
            }
        }
    }
    eprintln!("conformance: {accepted} of 42 accepted, {refused} of 98 refused");
    assert_eq!((accepted, refused), (42, 98));
}

#[test]
fn verify_blob_says_who_signed_and_refuses_everybody_else() {
    let Some(suite) = shared("the conformance suite", "vectors/sigstore-conformance/assets/bundle-verify")
    else {
        return;
    };
    let Some(root) = shared("the public root", "vectors/root-signing/targets/trusted_root.json") else {
        return;
    };
    let sandbox = Sandbox::new();
    let folder = suite.join("happy-path-v0.1");
    let (file, bundle) = (suite.join("a.txt"), folder.join("bundle.sigstore.json"));
    let base = |file: &Path| {
        let mut arguments = vec!["verify-blob".to_owned(), file.display().to_string()];
        arguments.extend(["--bundle".to_owned(), bundle.display().to_string()]);
        arguments.extend(["--trusted-root".to_owned(), root.display().to_string()]);
        arguments
    };
    let with = |more: &[&str]| {
        base(&file).into_iter().chain(more.iter().map(|text| (*text).to_owned())).collect::<Vec<String>>()
    };
    let json = sandbox.json(0, with(&["--identity", BEACON, "--issuer", GITHUB]));
    assert_eq!(json["verdict"], "accepted");
    assert_eq!(json["signer"]["mode"], "identity");
    assert_eq!(json["signer"]["kind"], "URI");
    assert_eq!(json["signer"]["identity"], BEACON);
    assert_eq!(json["signer"]["claims"]["build-trigger"], "workflow_dispatch");
    assert_eq!(json["times"][0]["time"], "2023-07-12T15:56:36Z");
    let digest = format!("sha256:{}", hex::encode(Sha256::digest(fs::read(&file).unwrap())));
    let by_digest: Vec<String> = base(Path::new(&digest))
        .into_iter()
        .chain(["--identity", BEACON, "--issuer", GITHUB].map(str::to_owned))
        .collect();
    assert_eq!(sandbox.json(0, by_digest)["verdict"], "accepted");
    let pattern = "https://github.com/sigstore-conformance/.*@refs/heads/main";
    let claim = "build-trigger=workflow_dispatch";
    sandbox.ok(with(&["--identity-regex", pattern, "--issuer", GITHUB, "--claim", claim]));
    sandbox.ok(with(&["--identity", "a@b", "--identity", BEACON, "--issuer", GITHUB]));
    for (more, code) in [
        (&["--identity", "a@b", "--issuer", GITHUB][..], "I03-identity-not-allowed"),
        (&["--identity", BEACON, "--issuer", "https://github.com"], "I02-issuer-not-allowed"),
        (&["--identity-regex", "https://github.com/", "--issuer", GITHUB], "I03-identity-not-allowed"),
        (
            &["--identity", BEACON, "--issuer", GITHUB, "--claim", "build-trigger=push"],
            "I07-claim-not-allowed",
        ),
    ] {
        let json = sandbox.json(1, with(more));
        assert_eq!((json["verdict"].as_str(), json["code"].as_str()), (Some("rejected"), Some(code)));
        // The identity that was found is shown.
        assert!(json["message"].as_str().unwrap().contains(BEACON), "{json}");
    }
    for usage in [
        &["--identity", BEACON][..],
        &["--issuer", GITHUB],
        &["--identity", "", "--issuer", GITHUB],
        &["--identity", BEACON, "--issuer", ""],
        &["--identity", BEACON, "--issuer", GITHUB, "--issuer", GITHUB],
        &["--identity-regex", "(", "--issuer", GITHUB],
        &["--identity", BEACON, "--issuer", GITHUB, "--claim", "trigger=push"],
        &["--identity", BEACON, "--issuer", GITHUB, "--claim", "build-trigger"],
        &["--identity", BEACON, "--issuer", GITHUB, "--no-log"],
    ] {
        assert_eq!(sandbox.run(with(usage)).code, Some(2), "{usage:?}");
    }
}

#[test]
fn models_signed_with_an_identity_verify_with_the_public_root() {
    let Some(models) = shared("signatures of model_signing", "vectors/model-signing") else { return };
    let Some(root) = shared("the public root", "vectors/root-signing/targets/trusted_root.json") else {
        return;
    };
    let sandbox = Sandbox::new();
    let mut verified = 0;
    for release in ["v0.3.1", "v1.0.0", "v1.0.1", "v1.1.0"] {
        let model = models.join(format!("{release}-sigstore"));
        let run = |identity: &str| {
            let mut arguments = vec!["verify".to_owned(), model.display().to_string()];
            arguments.extend(["--trusted-root".to_owned(), root.display().to_string()]);
            arguments.extend(["--identity", identity, "--issuer", IBM].map(str::to_owned));
            arguments.extend(["--ignore-path", "ignore-me"].map(str::to_owned));
            arguments
        };
        let json = sandbox.json(0, run("stefanb@us.ibm.com"));
        assert_eq!(json["signer"]["kind"], "e-mail", "{release}");
        assert_eq!(
            json["times"].as_array().unwrap().len(),
            if release == "v1.1.0" { 2 } else { 1 },
            "{json}"
        );
        let shown = sandbox.ok(["inspect", &model.join("model.sig").display().to_string()]).stdout;
        assert!(shown.contains("certificate of stefanb@us.ibm.com, issued by"), "{shown}");
        assert!(!shown.contains("malformed"), "{shown}");
        let other = sandbox.json(1, run("Stefanb@us.ibm.com"));
        assert_eq!(other["code"], "I03-identity-not-allowed");
        verified += 1;
    }
    assert_eq!(verified, 4);
}

const BEACON: &str = "https://github.com/sigstore-conformance/extremely-dangerous-public-oidc-beacon/.github/workflows/extremely-dangerous-oidc-beacon.yml@refs/heads/main";
const GITHUB: &str = "https://token.actions.githubusercontent.com";
const IBM: &str = "https://sigstore.verify.ibm.com/oauth2";

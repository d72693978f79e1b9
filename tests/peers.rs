//! Outside clients accept what Sealwax makes, and Sealwax verifies what they make.
//!
//! The clients are found through `SEALWAX_PEERS` or the search path; a test whose client is absent says that it was skipped.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::as_conversions,
    clippy::panic,
    clippy::print_stderr
)]

use std::ffi::OsStr;
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Command, Output};

use sealwax_tests::{Sandbox, copy_tree, peer, shared};

/// A sandbox with a nested model `m` and keys `<kind>.pem` and `<kind>.pub`.
fn sandbox() -> Sandbox {
    let sandbox = Sandbox::new();
    sandbox.model("m");
    sandbox.write("m/a/b/c/deep.bin", vec![3; 70_000]);
    sandbox.write("m/a-b", "sorts differently by component and by code point");
    for kind in ["p256", "p384", "ed25519"] {
        let key = format!("{kind}.pem");
        sandbox.ok(["key", "generate", &key, "--kind", kind]);
        let shown = sandbox.json(0, ["key", "show", &key]);
        sandbox.write(format!("{kind}.pub"), shown["public_key"].as_str().unwrap());
    }
    sandbox
}

fn run<S: AsRef<OsStr>>(program: &Path, sandbox: &Sandbox, arguments: impl IntoIterator<Item = S>) -> Output {
    Command::new(program)
        .args(arguments)
        .current_dir(sandbox.path())
        .env("HOME", sandbox.at("home"))
        .output()
        .unwrap()
}

fn accepts<S: AsRef<OsStr>>(program: &Path, sandbox: &Sandbox, arguments: impl IntoIterator<Item = S>) {
    let output = run(program, sandbox, arguments);
    assert!(output.status.success(), "{output:?}");
}

fn refuses<S: AsRef<OsStr>>(program: &Path, sandbox: &Sandbox, arguments: impl IntoIterator<Item = S>) {
    let output = run(program, sandbox, arguments);
    assert!(!output.status.success(), "{output:?}");
}

#[test]
fn model_signing_accepts_our_key_signatures() {
    let Some(model_signing) = peer("model_signing") else { return };
    let sandbox = sandbox();
    for kind in ["p256", "p384"] {
        let public = format!("{kind}.pub");
        let verify = ["verify", "key", "m", "--signature", "m/model.sig", "--public_key", &public];
        sandbox.ok(["sign", "m", "--key", &format!("{kind}.pem")]);
        accepts(&model_signing, &sandbox, verify);
        // And it is our manifest that it checks.
        sandbox.write("m/a/b/c/deep.bin", vec![4; 70_000]);
        refuses(&model_signing, &sandbox, verify);
        sandbox.write("m/a/b/c/deep.bin", vec![3; 70_000]);
    }
}

#[test]
fn model_signing_accepts_our_ignored_paths_and_single_files() {
    let Some(model_signing) = peer("model_signing") else { return };
    let sandbox = sandbox();
    sandbox.write("m/.gitattributes", "*.bin lfs");
    sandbox.write("m/tokenizer/.gitignore", "x");
    sandbox.write("m/.git/config", "x");
    sandbox.ok(["sign", "m", "--key", "p256.pem", "--ignore-path", "a"]);
    let verify = [
        "verify",
        "key",
        "m",
        "--signature",
        "m/model.sig",
        "--public_key",
        "p256.pub",
        "--ignore-paths",
        "m/a",
    ];
    accepts(&model_signing, &sandbox, verify);
    sandbox.ok(["sign", "m/weights.bin", "--key", "p384.pem", "--signature", "w.sig"]);
    accepts(
        &model_signing,
        &sandbox,
        ["verify", "key", "m/weights.bin", "--signature", "w.sig", "--public_key", "p384.pub"],
    );
}

#[test]
fn we_accept_key_signatures_by_model_signing() {
    let Some(model_signing) = peer("model_signing") else { return };
    let sandbox = sandbox();
    sandbox.write("m/.gitattributes", "*.bin lfs");
    for kind in ["p256", "p384"] {
        let (private, public) = (format!("{kind}.pem"), format!("{kind}.pub"));
        accepts(
            &model_signing,
            &sandbox,
            ["sign", "key", "m", "--signature", "m/model.sig", "--private_key", &private],
        );
        let verify = ["verify", "m", "--key", &public, "--no-log"];
        sandbox.ok(verify);
        let logged = sandbox.run(["verify", "m", "--key", &public]);
        assert_eq!(logged.code, Some(2), "without a log to trust there is no verdict: {logged:?}");
        sandbox.write("m/config.json", "changed");
        assert_eq!(sandbox.rejected(verify), "D10-model-differs");
        sandbox.write("m/config.json", br#"{"layers":2}"#);
    }
    let sign = [
        "sign",
        "key",
        "m",
        "--signature",
        "m/model.sig",
        "--private_key",
        "p256.pem",
        "--ignore-paths",
        "m/a",
    ];
    accepts(&model_signing, &sandbox, sign);
    assert_eq!(sandbox.rejected(["verify", "m", "--key", "p256.pub", "--no-log"]), "F05-ignored-present");
    sandbox.ok(["verify", "m", "--key", "p256.pub", "--no-log", "--ignore-path", "a"]);
    accepts(
        &model_signing,
        &sandbox,
        ["sign", "key", "m/weights.bin", "--signature", "w.sig", "--private_key", "p256.pem"],
    );
    sandbox.ok(["verify", "m/weights.bin", "--signature", "w.sig", "--key", "p256.pub", "--no-log"]);
    // No log entry, and a log is demanded.
    sandbox.ok(["instance", "init"]);
    assert_eq!(
        sandbox.rejected(["verify", "m", "--key", "p256.pub", "--ignore-path", "a"]),
        "T05-log-entry-missing"
    );
}

#[test]
fn certificates_both_ways() {
    let Some(model_signing) = peer("model_signing") else { return };
    let sandbox = sandbox();
    if !make_certificates(&sandbox) {
        eprintln!("skipped: certificates by openssl (it is not here)");
        return;
    }
    let chain = ["--certificate-chain", "intermediate.pem", "--certificate-chain", "root.pem"];
    sandbox.ok(["sign", "m", "--key", "leaf.key", "--certificate", "leaf.pem"].iter().chain(&chain));
    accepts(
        &model_signing,
        &sandbox,
        ["verify", "certificate", "m", "--signature", "m/model.sig", "--certificate_chain", "root.pem"],
    );
    sandbox.ok(["verify", "m", "--certificate-chain", "root.pem"]);
    assert_eq!(sandbox.rejected(["verify", "m", "--certificate-chain", "other.pem"]), "C02-no-chain");
    assert_eq!(sandbox.rejected(["verify", "m", "--key", "p256.pub"]), "C14-other-mode");
    accepts(
        &model_signing,
        &sandbox,
        [
            "sign",
            "certificate",
            "m",
            "--signature",
            "m/model.sig",
            "--private_key",
            "leaf.key",
            "--signing_certificate",
            "leaf.pem",
            "--certificate_chain",
            "intermediate.pem",
        ],
    );
    let verify = ["verify", "m", "--certificate-chain", "root.pem", "--no-log"];
    sandbox.ok(verify);
    for (time, code) in [("2000-01-01T00:00:00Z", Some(1)), ("2100-01-01T00:00:00Z", Some(1))] {
        let run = sandbox.run(verify.iter().chain(&["--signed-at", time]));
        assert_eq!(run.code, code, "{run:?}");
        assert!(run.stderr.contains("C01-certificate-time"), "{run:?}");
    }
}

#[test]
fn cosign_accepts_our_bundles_with_log_entry_and_checkpoint() {
    let Some(cosign) = peer("cosign") else { return };
    let sandbox = sandbox();
    sandbox.ok(["instance", "init", "--origin", "log.example.com"]);
    let root = sandbox.instance().join("trusted_root.json");
    // P-256 only: cosign 3.1 hashes with SHA-256 whatever the key (docs/spec/other-tools.md).
    sandbox.ok(["sign", "m", "--key", "p256.pem"]);
    let digest = sandbox.json(0, ["verify", "m", "--key", "p256.pub"]);
    let digest = digest["root_digest"].as_str().unwrap().to_owned();
    let verify = |digest: &str, root: &Path| {
        let root = root.display().to_string();
        let arguments = [
            "verify-blob-attestation",
            "--key",
            "p256.pub",
            "--bundle",
            "m/model.sig",
            "--trusted-root",
            &root,
        ];
        let predicate =
            ["--type", "https://model_signing/signature/v1.0", "--digest", digest, "--digestAlg", "sha256"];
        run(&cosign, &sandbox, arguments.iter().chain(&predicate))
    };
    let output = verify(&digest, &root);
    assert!(output.status.success(), "{output:?}");
    assert!(!verify(&"0".repeat(64), &root).status.success());
    // And it looks at the log: another log's trusted root is refused.
    let other = Sandbox::new();
    other.ok(["instance", "init", "--origin", "log.example.com"]);
    assert!(!verify(&digest, &other.instance().join("trusted_root.json")).status.success());
}

#[test]
fn every_historic_key_and_certificate_bundle_verifies() {
    let Some(vectors) = shared("historic bundles", "vectors/model-signing") else { return };
    let keys = vectors.join("keys/certificate");
    let (public, ca) = (keys.join("signing-key-pub.pem"), keys.join("ca-cert.pem"));
    let mut seen = 0;
    for entry in fs::read_dir(&vectors).unwrap() {
        let folder = entry.unwrap().path();
        let name = folder.file_name().unwrap().to_string_lossy().into_owned();
        let trust = match name.rsplit_once('-') {
            Some((_, "key")) => ["--key", public.to_str().unwrap()],
            Some((version, "certificate")) if version.starts_with('v') => {
                ["--certificate-chain", ca.to_str().unwrap()]
            }
            _ => continue,
        };
        let sandbox = Sandbox::new();
        copy_tree(&folder, &sandbox.at("m"));
        let single = ["v0.3.1-elliptic-key", "v1.0.0-elliptic-key"].contains(&name.as_str());
        let model = if single { "m/signme-1" } else { "m" };
        let verify =
            ["verify", model, "--signature", "m/model.sig", "--no-log", "--ignore-path", "ignore-me"];
        let verdict = sandbox.json(0, verify.iter().chain(&trust));
        assert_eq!(verdict["files"], if single { 1 } else { 2 }, "{name}: {verdict}");
        sandbox.write("m/signme-1", "other bytes");
        assert_eq!(sandbox.rejected(verify.iter().chain(&trust)), "D10-model-differs", "{name}");
        seen += 1;
    }
    assert_eq!(seen, 9);
}

#[test]
fn every_invalid_bundle_of_the_specification_is_refused() {
    let Some(vectors) = shared("specification bundles", "vectors/model-signing-spec/test-vectors/v1.0")
    else {
        return;
    };
    let Some(keys) = shared("historic keys", "vectors/model-signing/keys/certificate") else { return };
    let public = keys.join("signing-key-pub.pem");
    let sandbox = Sandbox::new();
    sandbox.write("model/signme-1", "signme-1\n");
    sandbox.write("model/signme-2", "signme-2\n");
    let mut seen = 0;
    for folder in ["invalid", "invalid-payload"] {
        for entry in fs::read_dir(vectors.join(folder)).unwrap() {
            let bundle = entry.unwrap().path();
            let path = bundle.to_str().unwrap();
            sandbox.rejected([
                "verify",
                "model",
                "--signature",
                path,
                "--key",
                public.to_str().unwrap(),
                "--no-log",
            ]);
            seen += 1;
        }
    }
    assert_eq!(seen, 5);
    // An identity bundle is well formed, and not what a key or certificate policy asks for.
    let identity = vectors.join("valid/sigstore.bundle.json");
    sandbox.ok([OsStr::new("inspect"), identity.as_os_str()]);
    let (identity, public) = (identity.to_str().unwrap(), public.to_str().unwrap());
    let verify = ["verify", "model", "--signature", identity, "--key", public, "--no-log"];
    assert_eq!(sandbox.rejected(verify), "C14-other-mode");
}

/// Makes root, intermediate and leaf, and an unrelated root, with the system's openssl.
fn make_certificates(sandbox: &Sandbox) -> bool {
    let script = "
        set -e
        ca='-addext basicConstraints=critical,CA:TRUE -addext keyUsage=critical,keyCertSign'
        for name in root other; do
            openssl req -x509 -newkey rsa:2048 -nodes -keyout $name.key -out $name.pem -subj /CN=$name -days 30 $ca
        done
        openssl req -new -newkey rsa:2048 -nodes -keyout intermediate.key -out intermediate.csr -subj /CN=intermediate
        printf 'basicConstraints=critical,CA:TRUE,pathlen:0\\nkeyUsage=critical,keyCertSign\\n' >intermediate.ext
        openssl x509 -req -in intermediate.csr -CA root.pem -CAkey root.key -CAcreateserial -days 20 \
            -extfile intermediate.ext -out intermediate.pem
        openssl ecparam -name prime256v1 -genkey -noout -out leaf.key
        openssl req -new -key leaf.key -subj /CN=release -out leaf.csr
        printf 'keyUsage=critical,digitalSignature\\nextendedKeyUsage=codeSigning\\n' >leaf.ext
        openssl x509 -req -in leaf.csr -CA intermediate.pem -CAkey intermediate.key -CAcreateserial -days 10 \
            -extfile leaf.ext -out leaf.pem
    ";
    let made = Command::new("sh").args(["-c", script]).current_dir(sandbox.path()).output().unwrap();
    if made.status.success() {
        fs::set_permissions(sandbox.at("leaf.key"), Permissions::from_mode(0o600)).unwrap();
    }
    made.status.success()
}

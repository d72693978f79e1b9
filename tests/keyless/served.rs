//! Signing with an identity at a served Sealwax, with an invitation, and in the instance on this machine; and other tools
//! that verify it.

use std::path::Path;
use std::process::{Command, Output};

use sealwax_attestation::Bundle;
use sealwax_tests::oidc::Issuer;
use sealwax_tests::server::{Server, instance};
use sealwax_tests::{Run, Sandbox, peer, sigstore_js};
use serde_json::Value;

const ALICE: &str = "alice@example.com";

/// A served instance that believes an issuer, and somebody with a model `m` who was handed its files in `trust`.
struct Served {
    issuer: Issuer,
    server: Server,
    client: Sandbox,
    operator: Sandbox,
}

impl Served {
    fn start() -> Self {
        let issuer = Issuer::start();
        let believed = format!("[[authority.issuers]]\nurl = '{}'\ntype = 'email'\n", issuer.url());
        let operator = instance(&believed);
        let server = Server::serve(&operator);
        let client = Sandbox::new();
        client.model("m");
        let public = client.at("trust");
        operator.ok(["instance", "export", public.to_str().unwrap(), "--url", &server.url()]);
        Self { issuer, server, client, operator }
    }

    fn sign(&self) {
        self.client.write("token", self.issuer.email(ALICE));
        let trust = ["--trust-config", "trust/client_trust_config.json"];
        self.client.ok([&["sign", "m", "--identity-token", "token"][..], &trust].concat());
    }

    fn verify<'a>(&self, identity: &'a str, issuer: &'a str) -> [&'a str; 8] {
        [
            "verify",
            "m",
            "--identity",
            identity,
            "--issuer",
            issuer,
            "--trusted-root",
            "trust/trusted_root.json",
        ]
    }

    /// Demands that another tool accepts the right identity and issuer, and refuses each of them wrong.
    fn verified_by(&self, program: &Path, arguments: impl Fn(&str, &str) -> Vec<String>) {
        let run = |identity: &str, issuer: &str| -> Output {
            Command::new(program)
                .args(arguments(identity, issuer))
                .current_dir(self.client.path())
                .env("HOME", self.client.at("home"))
                .output()
                .unwrap()
        };
        let issuer = self.issuer.url();
        let output = run(ALICE, &issuer);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        for (identity, issuer) in [
            ("bob@example.com", issuer.as_str()),
            ("alice@example.co", &issuer),
            (ALICE, "https://id.example"),
        ] {
            let output = run(identity, issuer);
            assert!(!output.status.success(), "{identity} {issuer}: {output:?}");
        }
    }

    /// Writes a file whose SHA-256 is the digest of the statement's one subject: the digests of the model's files, one after
    /// the other. Tools that know nothing of models see a statement about that file.
    fn subject(&self) {
        let text = std::fs::read(self.client.at("m/model.sig")).unwrap();
        let bundle = Bundle::from_json(&text).unwrap();
        let statement: Value = serde_json::from_slice(&bundle.envelope().unwrap().payload).unwrap();
        let resources = statement["predicate"]["resources"].as_array().unwrap();
        let digest = |resource: &Value| hex::decode(resource["digest"].as_str().unwrap()).unwrap();
        self.client.write("subject", resources.iter().flat_map(digest).collect::<Vec<u8>>());
    }
}

fn texts(list: &[&str]) -> Vec<String> {
    list.iter().map(|text| (*text).to_owned()).collect()
}

#[test]
fn signed_with_an_identity_at_a_served_instance_and_verified_without_it() {
    let served = Served::start();
    served.sign();
    let issuer = served.issuer.url();
    // The same token again is refused by the instance, which has seen it.
    let trust = ["--trust-config", "trust/client_trust_config.json"];
    let again = served.client.run([&["sign", "m", "--identity-token", "token"][..], &trust].concat());
    again.fails(3, "used");
    // Of somebody whom the instance does not believe, nothing is certified.
    let stranger = Issuer::start();
    served.client.write("token", stranger.email(ALICE));
    served.client.run([&["sign", "m", "--identity-token", "token"][..], &trust].concat()).fails(3, "issuer");
    served.client.write(
        "token",
        served.issuer.forge(serde_json::json!({"sub": ALICE, "email": ALICE, "email_verified": true})),
    );
    served
        .client
        .run([&["sign", "m", "--identity-token", "token"][..], &trust].concat())
        .fails(3, "signingCert");
    assert_eq!(served.server.size(), 1);
    drop(served.server.said());
    let shown = served.client.json(0, served.verify(ALICE, &issuer));
    assert_eq!(shown["signer"]["mode"], "identity");
    assert_eq!(shown["times"][0]["from"], "authority");
    assert_eq!(served.client.rejected(served.verify("bob@example.com", &issuer)), "I03-identity-not-allowed");
    served.client.write("m/config.json", "changed");
    assert_eq!(served.client.rejected(served.verify(ALICE, &issuer)), "D10-model-differs");
}

#[test]
fn an_invitation_signs_once() {
    let served = Served::start();
    let url = served.server.url();
    let invited = served.operator.json(0, ["instance", "invite", "guest@example.com", "--url", &url]);
    let line = invited["invitation"].as_str().unwrap();
    served.client.write("invitation", format!("{line}\n"));
    let trust = ["--trust-config", "trust/client_trust_config.json"];
    let arguments = [&["sign", "m", "--invitation", "invitation"][..], &trust].concat();
    let run = served.client.ok([&arguments[..], &["--json"]].concat());
    let signed: Value = serde_json::from_str(&run.stdout).unwrap();
    assert_eq!(signed["signer"]["identity"], "guest@example.com");
    served.client.ok(served.verify("guest@example.com", signed["signer"]["issuer"].as_str().unwrap()));
    let secret = line.rsplit_once('#').unwrap().1;
    assert!(!run.stderr.contains(secret), "{run:?}");
    let bundle = std::fs::read(served.client.at("m/model.sig")).unwrap();
    // Once.
    let again = served.client.run(&arguments);
    again.fails(3, "invitation");
    assert!(!again.stderr.contains(secret), "{again:?}");
    assert_eq!(std::fs::read(served.client.at("m/model.sig")).unwrap(), bundle);
    for (bad, code) in [
        ("nothing".to_owned(), 2),
        (format!("http://log.example#{secret}"), 2),
        (format!("{url}#{}", "A".repeat(secret.len())), 3),
        (format!("{url}#"), 3),
    ] {
        served.client.write("invitation", &bad);
        let run = served.client.run(&arguments);
        assert_eq!(run.code, Some(code), "{bad}: {run:?}");
    }
}

#[test]
fn the_instance_on_this_machine_certifies_in_process() {
    let sandbox = Sandbox::new();
    sandbox.model("m");
    let signed = sandbox.json(0, ["sign", "m", "--identity", ALICE]);
    assert_eq!(signed["signer"]["identity"], ALICE);
    let issuer = signed["signer"]["issuer"].as_str().unwrap().to_owned();
    let verify = |identity| ["verify", "m", "--identity", identity, "--issuer", &issuer];
    let shown = sandbox.json(0, verify(ALICE));
    assert_eq!(shown["times"][0]["from"], "authority");
    assert_eq!(sandbox.rejected(verify("bob@example.com")), "I03-identity-not-allowed");
    // What was certified is on record.
    let listed = Run::from(sandbox.command(["authority", "certificates"]).output().unwrap());
    assert!(listed.stdout.contains(ALICE), "{listed:?}");
    for (identity, other) in
        [("https://ci.example/build", "https://ci.example/build/"), ("alice!example.com", "alice")]
    {
        sandbox.ok(["sign", "m", "--identity", identity]);
        sandbox.ok(verify(identity));
        assert_eq!(sandbox.rejected(verify(other)), "I03-identity-not-allowed");
    }
    for bad in ["", "two words@example.com", "alice@example.com\n"] {
        let run = sandbox.run(["sign", "m", "--identity", bad]);
        assert_eq!(run.code, Some(2), "{bad:?}: {run:?}");
    }
    // A login is for services elsewhere.
    sandbox.run(["sign", "m", "--device"]).fails(2, "--trust-config");
}

#[test]
fn model_signing_verifies_what_sealwax_signed() {
    let Some(model_signing) = peer("model_signing") else { return };
    let served = Served::start();
    served.sign();
    let start = ["verify", "sigstore", "--trust_config", "trust/client_trust_config.json"];
    let what = ["--signature", "m/model.sig", "--ignore-paths", "m/model.sig"];
    served.verified_by(&model_signing, |identity, issuer| {
        let who = ["--identity", identity, "--identity_provider", issuer, "m"];
        texts(&[&start[..], &what, &who].concat())
    });
    served.client.write("m/config.json", "changed");
    let output = Command::new(model_signing)
        .args(
            [&start[..], &what, &["--identity", ALICE, "--identity_provider", &served.issuer.url(), "m"]]
                .concat(),
        )
        .current_dir(served.client.path())
        .env("HOME", served.client.at("home"))
        .output()
        .unwrap();
    assert!(!output.status.success(), "{output:?}");
}

#[test]
fn sigstore_python_verifies_what_sealwax_signed() {
    let Some(sigstore) = peer("sigstore") else { return };
    let served = Served::start();
    served.sign();
    served.subject();
    served.verified_by(&sigstore, |identity, issuer| {
        let start = ["--trust-config", "trust/client_trust_config.json", "verify", "identity"];
        let who = ["--cert-identity", identity, "--cert-oidc-issuer", issuer];
        texts(&[&start[..], &who, &["--bundle", "m/model.sig", "subject"]].concat())
    });
}

#[test]
fn cosign_verifies_what_sealwax_signed() {
    let Some(cosign) = peer("cosign") else { return };
    let served = Served::start();
    served.sign();
    served.subject();
    served.verified_by(&cosign, |identity, issuer| {
        let start = [
            "verify-blob-attestation",
            "--bundle",
            "m/model.sig",
            "--trusted-root",
            "trust/trusted_root.json",
        ];
        let who = ["--certificate-identity", identity, "--certificate-oidc-issuer", issuer];
        let kind = ["--type", "https://model_signing/signature/v1.0", "subject"];
        texts(&[&start[..], &who, &kind].concat())
    });
}

#[test]
fn sigstore_js_verifies_what_sealwax_signed() {
    let Some(node) = peer("node") else { return };
    let Some(modules) = sigstore_js() else { return };
    let served = Served::start();
    served.sign();
    std::os::unix::fs::symlink(modules, served.client.at("node_modules")).unwrap();
    served.client.write("verify.js", VERIFY);
    served.verified_by(&node, |identity, issuer| {
        // It takes a name for a pattern, which may match a part.
        let whole = format!("^{}$", identity.replace('.', r"\."));
        texts(&["verify.js", &whole, issuer])
    });
}

// Version 4.1.1 compares the entry of an envelope with the hash of its payload, where Rekor v2 has that of what was signed (its own
// envelopes it submits whole): it is shown certificate, record and time.
const VERIFY: &str = r#"
const fs = require('fs');
const { bundleFromJSON } = require('@sigstore/bundle');
const { TrustedRoot } = require('@sigstore/protobuf-specs');
const { toSignedEntity, toTrustMaterial, Verifier } = require('@sigstore/verify');
const [identity, issuer] = process.argv.slice(2);
const root = TrustedRoot.fromJSON(JSON.parse(fs.readFileSync('trust/trusted_root.json')));
const bundle = bundleFromJSON(JSON.parse(fs.readFileSync('m/model.sig')));
bundle.verificationMaterial.tlogEntries = [];
const verifier = new Verifier(toTrustMaterial(root), { tlogThreshold: 0, ctlogThreshold: 1, tsaThreshold: 1 });
verifier.verify(toSignedEntity(bundle), { subjectAlternativeName: identity, extensions: { issuer } });
"#;

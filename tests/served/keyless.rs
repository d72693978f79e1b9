//! Unmodified clients of Sigstore sign with an identity at a served instance, and verify what they signed there.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use sealwax_tests::oidc::Issuer;
use sealwax_tests::server::{Server, instance};
use sealwax_tests::{Sandbox, peer, sigstore_js};

const ALICE: &str = "alice@example.com";

/// A served instance that believes an issuer, and a client to whom its operator handed out the configuration.
struct Deployment {
    issuer: Issuer,
    server: Server,
    client: Sandbox,
    _operator: Sandbox,
}

impl Deployment {
    fn new() -> Self {
        let issuer = Issuer::start();
        let believed = format!("[[authority.issuers]]\nurl = '{}'\ntype = 'email'\n", issuer.url());
        let operator = instance(&believed);
        let server = Server::serve(&operator);
        let client = Sandbox::new();
        operator.ok(["instance", "export", client.at("trust").to_str().unwrap(), "--url", &server.url()]);
        // Somebody else's, to be refused.
        instance("").ok(["instance", "export", client.at("other").to_str().unwrap(), "--url", &server.url()]);
        client.write("artifact", "the artifact");
        client.model("m");
        Self { issuer, server, client, _operator: operator }
    }

    fn run(&self, program: &Path, arguments: &[&str]) -> Output {
        Command::new(program)
            .args(arguments)
            .current_dir(self.client.path())
            .env("HOME", self.client.at("home"))
            .output()
            .unwrap()
    }

    fn accepts(&self, program: &Path, arguments: &[&str]) {
        let output = self.run(program, arguments);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "{arguments:?}: {said}\n{}", self.server.said());
    }

    fn refuses(&self, program: &Path, arguments: &[&str]) {
        let output = self.run(program, arguments);
        assert!(!output.status.success(), "{arguments:?}: {output:?}");
    }

    /// Demands that a client accepts the right identity, issuer and trust, and refuses each of them wrong.
    fn verified(&self, program: &Path, arguments: impl Fn(&str, &str, &str) -> Vec<String>) {
        let issuer = self.issuer.url();
        let run = |identity: &str, issuer: &str, trust: &str| {
            self.run(
                program,
                &arguments(identity, issuer, trust).iter().map(String::as_str).collect::<Vec<_>>(),
            )
        };
        let output = run(ALICE, &issuer, "trust");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        for (identity, issuer, trust) in [
            ("bob@example.com", issuer.as_str(), "trust"),
            ("alice@example.co", &issuer, "trust"),
            (ALICE, "https://accounts.example", "trust"),
            (ALICE, &issuer, "other"),
        ] {
            let output = run(identity, issuer, trust);
            assert!(!output.status.success(), "{identity} {issuer} {trust}: {output:?}");
        }
    }
}

impl Deployment {
    /// Demands the same of Sealwax.
    fn verified_by_sealwax(&self, what: &[&str]) {
        let issuer = self.issuer.url();
        let run = |identity: &str, issuer: &str, trust: &str| {
            let root = format!("{trust}/trusted_root.json");
            let who = ["--identity", identity, "--issuer", issuer, "--trusted-root", &root];
            self.client.run([what, &who].concat())
        };
        let accepted = run(ALICE, &issuer, "trust");
        assert_eq!(accepted.code, Some(0), "{accepted:?}");
        for (identity, issuer, trust) in [
            ("bob@example.com", issuer.as_str(), "trust"),
            ("alice@example.co", &issuer, "trust"),
            (ALICE, "https://accounts.example", "trust"),
            (ALICE, &issuer, "other"),
        ] {
            let refused = run(identity, issuer, trust);
            assert_eq!(refused.code, Some(1), "{identity} {issuer} {trust}: {refused:?}");
        }
    }
}

fn texts(list: &[&str]) -> Vec<String> {
    list.iter().map(|text| (*text).to_owned()).collect()
}

#[test]
fn sigstore_python_signs_here_and_verifies() {
    let Some(sigstore) = peer("sigstore") else { return };
    let here = Deployment::new();
    let token = here.issuer.email(ALICE);
    let trust = ["--trust-config", "trust/client_trust_config.json"];
    let sign = ["sign", "--identity-token", &token, "--bundle", "b.json", "artifact"];
    here.accepts(&sigstore, &[&trust[..], &sign].concat());
    here.refuses(
        &sigstore,
        &[&trust[..], &["sign", "--identity-token", &token, "--bundle", "c.json", "artifact"]].concat(),
    );
    assert_eq!(here.server.size(), 1);
    let verify = |identity: &str, issuer: &str, trust: &str| {
        let config = format!("{trust}/client_trust_config.json");
        let start = ["--trust-config", &config, "verify", "identity", "--cert-identity", identity];
        texts(&[&start[..], &["--cert-oidc-issuer", issuer, "--bundle", "b.json", "artifact"]].concat())
    };
    here.verified(&sigstore, verify);
    here.verified_by_sealwax(&["verify-blob", "artifact", "--bundle", "b.json"]);
    here.client.write("artifact", "another");
    let arguments = verify(ALICE, &here.issuer.url(), "trust");
    here.refuses(&sigstore, &arguments.iter().map(String::as_str).collect::<Vec<_>>());
}

#[test]
fn cosign_signs_here_without_a_key_and_verifies() {
    let Some(cosign) = peer("cosign") else { return };
    let here = Deployment::new();
    let token = here.issuer.email(ALICE);
    let config =
        ["--signing-config", "trust/signing_config.json", "--trusted-root", "trust/trusted_root.json"];
    // Tokens of other kinds than RSA it takes for the name of a file.
    here.client.write("token", token);
    let sign = ["sign-blob", "--yes", "--identity-token", "token", "--bundle", "b.json", "artifact"];
    here.accepts(&cosign, &[&sign[..], &config].concat());
    here.verified_by_sealwax(&["verify-blob", "artifact", "--bundle", "b.json"]);
    here.verified(&cosign, |identity, issuer, trust| {
        let root = format!("{trust}/trusted_root.json");
        let who = ["--certificate-identity", identity, "--certificate-oidc-issuer", issuer];
        let what = ["verify-blob", "--bundle", "b.json", "--trusted-root", &root, "artifact"];
        texts(&[&what[..], &who].concat())
    });
}

#[test]
fn model_signing_signs_here_with_an_identity_and_verifies() {
    let Some(model_signing) = peer("model_signing") else { return };
    let here = Deployment::new();
    let token = here.issuer.email(ALICE);
    let sign = ["sign", "sigstore", "--trust_config", "trust/client_trust_config.json"];
    let what = ["--identity_token", &token, "--signature", "m.sig", "m"];
    here.accepts(&model_signing, &[&sign[..], &what].concat());
    here.verified_by_sealwax(&["verify", "m", "--signature", "m.sig"]);
    here.verified(&model_signing, |identity, issuer, trust| {
        let config = format!("{trust}/client_trust_config.json");
        let start = ["verify", "sigstore", "--trust_config", &config, "--signature", "m.sig"];
        texts(&[&start[..], &["--identity", identity, "--identity_provider", issuer, "m"]].concat())
    });
}

const SIGN: &str = r#"
const fs = require('fs');
const { DSSEBundleBuilder, FulcioSigner, MessageSignatureBundleBuilder, RekorWitness, TSAWitness } =
    require('@sigstore/sign');
const { bundleToJSON } = require('@sigstore/bundle');
const [url, token, kind] = process.argv.slice(2);
const signer = new FulcioSigner({ fulcioBaseURL: url, identityProvider: { getToken: async () => token } });
const witnesses = [new RekorWitness({ rekorBaseURL: url, majorApiVersion: 2 }), new TSAWitness({ tsaBaseURL: url })];
const builder = kind === 'dsse'
    ? new DSSEBundleBuilder({ signer, witnesses }) : new MessageSignatureBundleBuilder({ signer, witnesses });
const artifact = fs.readFileSync('artifact');
const sha256 = require('crypto').createHash('sha256').update(artifact).digest('hex');
const statement = { _type: 'https://in-toto.io/Statement/v1', subject: [{ name: 'artifact', digest: { sha256 } }],
    predicateType: 'https://slsa.dev/provenance/v1', predicate: {} };
const data = kind === 'dsse' ? Buffer.from(JSON.stringify(statement)) : artifact;
builder.create({ data, type: 'application/vnd.in-toto+json' })
    .then((bundle) => fs.writeFileSync('js.json', JSON.stringify(bundleToJSON(bundle))))
    .catch((error) => { console.error(error, error.cause); process.exit(1); });
"#;

const VERIFY: &str = r#"
const fs = require('fs');
const { bundleFromJSON } = require('@sigstore/bundle');
const { TrustedRoot } = require('@sigstore/protobuf-specs');
const { toSignedEntity, toTrustMaterial, Verifier } = require('@sigstore/verify');
const [identity, issuer, trust] = process.argv.slice(2);
const root = TrustedRoot.fromJSON(JSON.parse(fs.readFileSync(`${trust}/trusted_root.json`)));
const bundle = bundleFromJSON(JSON.parse(fs.readFileSync('js.json')));
const entity = toSignedEntity(bundle, bundle.content.$case === 'messageSignature' ? fs.readFileSync('artifact') : undefined);
const verifier = new Verifier(toTrustMaterial(root), { tlogThreshold: 1, ctlogThreshold: 1, tsaThreshold: 1 });
const policy = { subjectAlternativeName: identity, extensions: { issuer } };
verifier.verify(entity, policy);
"#;

#[test]
fn sigstore_js_signs_here_and_verifies() {
    let (Some(modules), Some(node)) = (sigstore_js(), peer("node")) else { return };
    let here = Deployment::new();
    here.client.write("sign.js", SIGN);
    here.client.write("verify.js", VERIFY);
    let link = here.client.at("node_modules");
    std::os::unix::fs::symlink(modules, link).unwrap();
    for kind in ["message", "dsse"] {
        let token = here.issuer.email(ALICE);
        here.accepts(&node, &["sign.js", &here.server.url(), &token, kind]);
        // It takes the identity for a pattern, and finds it anywhere.
        let exactly = |identity: &str| format!("^{}$", identity.replace('.', "\\."));
        here.verified(&node, |who, issuer, trust| texts(&["verify.js", &exactly(who), issuer, trust]));
        here.verified_by_sealwax(&["verify-blob", "artifact", "--bundle", "js.json"]);
    }
    let text = fs::read_to_string(here.client.at("js.json")).unwrap();
    fs::write(here.client.at("js.json"), text.replacen("\"payload\":\"", "\"payload\":\"AAAA", 1)).unwrap();
    here.refuses(&node, &["verify.js", "^alice@example\\.com$", &here.issuer.url(), "trust"]);
}

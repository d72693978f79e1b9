//! Unmodified clients of Rekor v2 submit to the served log, and believe what it answers.
//!
//! rekor-cli is not among them: it speaks version 1 only, which this log does not.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use sealwax_tests::server::{Server, instance};
use sealwax_tests::{Sandbox, peer};
use serde_json::Value;

/// Runs a client in a sandbox of its own.
fn run(program: &Path, sandbox: &Sandbox, arguments: &[&str]) -> Output {
    Command::new(program)
        .args(arguments)
        .current_dir(sandbox.path())
        .env("HOME", sandbox.at("home"))
        .env("COSIGN_PASSWORD", "")
        .output()
        .unwrap()
}

/// What the operator of a served log hands out, in a sandbox of a client.
fn client(operator: &Sandbox, server: &Server) -> Sandbox {
    let client = Sandbox::new();
    let directory = client.at("log").display().to_string();
    operator.ok(["instance", "export", &directory, "--url", &server.url()]);
    client.write("artifact", "the artifact");
    client
}

#[test]
fn cosign_signs_into_the_log_and_verifies_from_it() {
    let Some(cosign) = peer("cosign") else { return };
    let operator = instance("");
    let server = Server::serve(&operator);
    let client = client(&operator, &server);
    let accepts = |arguments: &[&str]| {
        let output = run(&cosign, &client, arguments);
        assert!(output.status.success(), "{arguments:?}: {output:?}");
    };
    let refuses = |arguments: &[&str]| {
        let output = run(&cosign, &client, arguments);
        assert!(!output.status.success(), "{arguments:?}: {output:?}");
    };
    accepts(&["generate-key-pair"]);
    let trust = ["--trusted-root", "log/trusted_root.json"];
    let service = ["--signing-config", "log/signing_config.json"];
    let sign = |command, bundle, more: &[&'static str]| {
        let start = [command, "--yes", "--key", "cosign.key", "--bundle", bundle];
        [&start[..], &service, &trust, more, &["artifact"]].concat()
    };
    let verify = |command, bundle, more: &[&'static str]| {
        [&[command, "--key", "cosign.pub", "--bundle", bundle][..], &trust, more, &["artifact"]].concat()
    };
    let kind = ["--type", "https://example.com/predicate"];
    client.write("predicate.json", "{\"x\":1}");
    let attest = [&["--predicate", "predicate.json"][..], &kind].concat();
    accepts(&sign("sign-blob", "blob.json", &[]));
    accepts(&sign("attest-blob", "attestation.json", &attest));
    accepts(&verify("verify-blob", "blob.json", &[]));
    accepts(&verify("verify-blob-attestation", "attestation.json", &kind));
    assert_eq!(server.size(), 2);
    for (index, bundle) in ["blob.json", "attestation.json"].iter().enumerate() {
        let bundle: Value = serde_json::from_slice(&fs::read(client.at(bundle)).unwrap()).unwrap();
        let entry = &bundle["verificationMaterial"]["tlogEntries"][0];
        assert_eq!(entry["kindVersion"]["kind"], "hashedrekord");
        // Protobuf's JSON leaves zero out.
        assert_eq!(entry["logIndex"].as_str().unwrap_or("0"), index.to_string());
    }

    // It looks at the artifact, and at the log.
    client.write("artifact", "another");
    refuses(&verify("verify-blob", "blob.json", &[]));
    refuses(&verify("verify-blob-attestation", "attestation.json", &kind));
    client.write("artifact", "the artifact");
    let other = instance("");
    fs::copy(other.instance().join("trusted_root.json"), client.at("log/trusted_root.json")).unwrap();
    refuses(&verify("verify-blob", "blob.json", &[]));
    refuses(&verify("verify-blob-attestation", "attestation.json", &kind));
}

#[test]
fn cosign_signs_over_tls_and_http_2() {
    let Some(cosign) = peer("cosign") else { return };
    let operator = instance("");
    let Some(certificate) = crate::client::with_tls(&operator, "[messages]\nlevel = 'debug'\n") else {
        return;
    };
    let server = Server::serve(&operator);
    let client = Sandbox::new();
    let url = format!("https://{}", server.address);
    operator.ok(["instance", "export", client.at("log").to_str().unwrap(), "--url", &url]);
    client.write("artifact", "the artifact");
    assert!(run(&cosign, &client, &["generate-key-pair"]).status.success());
    let sign = ["sign-blob", "--yes", "--key", "cosign.key", "--bundle", "blob.json", "artifact"];
    let trust = ["--trusted-root", "log/trusted_root.json", "--signing-config", "log/signing_config.json"];
    let signing = |certificate: &Path| {
        let mut command = Command::new(&cosign);
        command.args(sign).args(trust).current_dir(client.path()).env("HOME", client.at("home"));
        command.env("COSIGN_PASSWORD", "").env("SSL_CERT_FILE", certificate).output().unwrap()
    };
    let output = signing(&client.at("log/none.pem"));
    assert!(!output.status.success(), "{output:?}");
    let output = signing(&certificate);
    assert!(output.status.success(), "{output:?}");
    assert!(server.said().contains("version=HTTP/2.0"), "{}", server.said());
    let start = ["verify-blob", "--key", "cosign.pub", "--bundle", "blob.json", "artifact"];
    let output = run(&cosign, &client, &[&start[..], &trust[..2]].concat());
    assert!(output.status.success(), "{output:?}");
}

/// The Python interpreter that has sigstore-python.
fn sigstore_python() -> Option<PathBuf> {
    let sigstore = peer("sigstore")?.canonicalize().ok()?;
    let python = sigstore.with_file_name("python");
    let found = python.exists();
    if !found {
        eprintln!("skipped: sigstore-python (its interpreter is not beside it)");
    }
    found.then_some(python)
}

const SUBMIT: &str = r#"
import base64, hashlib, sys
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, utils
from sigstore._internal.rekor import EntryRequestBody
from sigstore._internal.rekor.client_v2 import RekorV2Client
from sigstore._internal.trust import KeyringPurpose
from sigstore.dsse import Envelope
from sigstore.hashes import Hashed
from sigstore.models import TrustedRoot
from sigstore_models.common.v1 import HashAlgorithm

url, root = sys.argv[1:]
keyring = TrustedRoot.from_file(root).rekor_keyring(KeyringPurpose.VERIFY)
certificate = x509.load_pem_x509_certificate(open("c.pem", "rb").read())
key = serialization.load_pem_private_key(open("c.key", "rb").read(), None)
client = RekorV2Client(url)
sign = lambda digest: key.sign(digest, ec.ECDSA(utils.Prehashed(hashes.SHA256())))
b64 = lambda data: base64.b64encode(data).decode()

digest = hashlib.sha256(b"artifact").digest()
hashed = Hashed(algorithm=HashAlgorithm.SHA2_256, digest=digest)
request = client._build_hashed_rekord_request(hashed, sign(digest), certificate)
client.create_entry(request)._verify(keyring)
# The same again is the same entry.
again = client.create_entry(request)
again._verify(keyring)
assert again._inner.log_index == 0, again._inner

pae = lambda kind, payload: b"DSSEv1 %d %s %d %s" % (len(kind), kind, len(payload), payload)
kind, payload = b"application/vnd.in-toto+json", b'{"_type":"https://in-toto.io/Statement/v1"}'
signature = sign(hashlib.sha256(pae(kind, payload)).digest())
text = '{"payload":"%s","payloadType":"%s","signatures":[{"sig":"%s"}]}' % (b64(payload), kind.decode(), b64(signature))
entry = client.create_entry(client._build_dsse_request(Envelope._from_json(text), certificate))
entry._verify(keyring)
assert entry._inner.kind_version.kind == "hashedrekord", entry._inner

der = certificate.public_bytes(serialization.Encoding.DER)
old = {"dsseRequestV002": {
    "envelope": {"payload": b64(payload), "payloadType": kind.decode(), "signatures": [{"sig": b64(signature)}]},
    "verifiers": [{"x509Certificate": {"rawBytes": b64(der)}, "keyDetails": "PKIX_ECDSA_P256_SHA_256"}],
}}
entry = client.create_entry(EntryRequestBody(old))
entry._verify(keyring)
assert (entry._inner.kind_version.kind, entry._inner.log_index) == ("dsse", 2), entry._inner

# And it would notice.
entry._inner.canonicalized_body = b"{}"
try:
    entry._verify(keyring)
except Exception as refused:
    print("verified and refused:", refused)
"#;

const VERIFY: &str = r#"
import json, sys
from sigstore._internal.trust import KeyringPurpose
from sigstore.models import TransparencyLogEntry, TrustedRoot
from sigstore_models.rekor.v1 import TransparencyLogEntry as Inner

bundle, root = sys.argv[1:]
keyring = TrustedRoot.from_file(root).rekor_keyring(KeyringPurpose.VERIFY)
entry = json.load(open(bundle))["verificationMaterial"]["tlogEntries"][0]
TransparencyLogEntry(Inner.from_dict(entry))._verify(keyring)
print("verified")
"#;

#[test]
fn sigstore_python_submits_both_kinds_and_verifies_the_answers() {
    let (Some(python), Some(openssl)) = (sigstore_python(), peer("openssl")) else { return };
    let operator = instance("");
    let server = Server::serve(&operator);
    let client = client(&operator, &server);
    let key =
        ["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "1"];
    let files = ["-keyout", "c.key", "-out", "c.pem", "-subj", "/CN=x"];
    let made = run(&openssl, &client, &[&key[..], &files].concat());
    assert!(made.status.success(), "{made:?}");
    client.write("submit.py", SUBMIT);
    client.write("verify.py", VERIFY);
    let output = run(&python, &client, &["submit.py", &server.url(), "log/trusted_root.json"]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(String::from_utf8_lossy(&output.stdout).contains("verified and refused"), "{output:?}");
    assert_eq!(server.size(), 3);

    client.model("m");
    client.ok(["key", "generate", "k.pem"]);
    let url = server.url();
    client.ok(["sign", "m", "--key", "k.pem", "--instance", &url, "--trusted-root", "log/trusted_root.json"]);
    let verify = |root: &str| run(&python, &client, &["verify.py", "m/model.sig", root]);
    let output = verify("log/trusted_root.json");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let other = instance("");
    let output = verify(other.instance().join("trusted_root.json").to_str().unwrap());
    assert!(!output.status.success(), "{output:?}");
}

//! The bundles of Sigstore's own conformance suite, each refused for the reason that its README names.

use std::path::{Path, PathBuf};

use sealwax_attestation::{Bundle, EntryFormat, Error as Malformed, TrustedRoot};
use sealwax_keys::{HashAlgorithm, PublicKey};
use sealwax_verify::{
    Artifact, IdentityRule, LogRequirement, NameRule, Policy, Rejection, Signers, TrustedKey, VerifiedBlob,
    verify_blob,
};

use crate::world::time;

/// The verifier's clock.
const NOW: &str = "2026-11-24T00:00:00Z";

pub(crate) fn shared(path: &str) -> Option<PathBuf> {
    let shared = std::env::var_os("SEALWAX_SHARED")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared"), PathBuf::from);
    let found = shared.join("vectors").join(path);
    if !found.exists() {
        println!("skipped: no {path}");
        return None;
    }
    Some(found)
}

/// The root of the public instance.
pub(crate) fn public_root() -> Option<TrustedRoot> {
    let path = shared("root-signing/targets/trusted_root.json")?;
    Some(TrustedRoot::from_json(&std::fs::read(path).unwrap()).unwrap())
}

fn read(path: PathBuf) -> Option<String> {
    std::fs::read_to_string(path).ok()
}

fn digests(bytes: &[u8]) -> Artifact {
    let digest = |hash: HashAlgorithm| hash.digest(bytes);
    Artifact::from_digests(
        digest(HashAlgorithm::Sha256).try_into().unwrap(),
        digest(HashAlgorithm::Sha384).try_into().unwrap(),
        digest(HashAlgorithm::Sha512).try_into().unwrap(),
    )
}

/// Verifies one folder as the suite asks to, with the whole file or with its SHA-256 alone.
fn verdict(folder: &Path, by_digest: bool) -> Result<VerifiedBlob, Rejection> {
    let root = match std::fs::read(folder.join("trusted_root.json")) {
        Ok(text) => TrustedRoot::from_json(&text)?,
        Err(_) => public_root().unwrap(),
    };
    let bundle = Bundle::from_json(&std::fs::read(folder.join("bundle.sigstore.json")).unwrap())?;
    let artifact = std::fs::read(folder.join("artifact"))
        .unwrap_or_else(|_| std::fs::read(folder.join("../a.txt")).unwrap());
    let artifact = match by_digest {
        true => Artifact::from_sha256(HashAlgorithm::Sha256.digest(&artifact).try_into().unwrap()),
        false => digests(&artifact),
    };
    let signers = match std::fs::read(folder.join("key.pub")) {
        Ok(pem) => {
            let unreadable = |source| Malformed::Key { path: "key.pub".to_owned(), source };
            let key = PublicKey::from_pem(&pem).map_err(unreadable)?;
            Signers::Keys(vec![TrustedKey { name: "key.pub".to_owned(), key }])
        }
        Err(_) => {
            let name = read(folder.join("identity")).unwrap_or_else(|| IDENTITY.to_owned());
            let issuer = read(folder.join("issuer")).unwrap_or_else(|| ISSUER.to_owned());
            identity(name.trim_end(), issuer.trim_end())
        }
    };
    verify_blob(&bundle, &root, &policy(signers), &artifact, time(NOW))
}

fn policy(signers: Signers) -> Policy {
    Policy { signers, log: LogRequirement::Required { witnesses: None }, ignored: Vec::new() }
}

pub(crate) fn identity(name: &str, issuer: &str) -> Signers {
    let (name, issuer) = (NameRule::exactly(name).unwrap(), issuer.to_owned());
    Signers::Identities(vec![IdentityRule { issuer, name, claims: Vec::new() }])
}

/// The identity of most of the suite's bundles.
fn beacon() -> Signers {
    identity(IDENTITY, ISSUER)
}

#[test]
fn every_folder_by_path_and_by_digest() {
    let Some(folders) = shared("sigstore-conformance/assets/bundle-verify") else { return };
    let mut folders: Vec<PathBuf> = std::fs::read_dir(folders)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.is_dir())
        .collect();
    folders.sort();
    let (mut accepted, mut refused, mut wrong) = (0, 0, Vec::new());
    for folder in &folders {
        let name = folder.file_name().unwrap().to_str().unwrap();
        let expected = REASONS.iter().find(|(known, _)| *known == name).map(|(_, codes)| *codes);
        assert_eq!(expected.is_some(), name.ends_with("_fail"), "{name}");
        for by_digest in [false, true] {
            match (verdict(folder, by_digest), expected) {
                (Ok(_), None) => accepted += 1,
                (Err(found), Some(code)) if code == found.code() => refused += 1,
                (Err(found), Some(_)) => {
                    refused += 1;
                    wrong.push(format!("{name} {by_digest}: {} ({found})", found.code()));
                }
                (Ok(_), Some(_)) => wrong.push(format!("{name} {by_digest}: accepted")),
                (Err(found), None) => wrong.push(format!("{name} {by_digest}: {} ({found})", found.code())),
            }
        }
    }
    assert!(wrong.is_empty(), "{accepted} accepted, {refused} refused\n{}", wrong.join("\n"));
    assert_eq!((accepted, refused), (42, 98));
}

#[test]
fn c01_a_time_stamp_after_the_certificates_end_is_refused() {
    let Some(folders) = shared("sigstore-conformance/assets/bundle-verify") else { return };
    let folder = folders.join("rekor2-timestamp-with-incorrect-time_fail");
    let mut json: serde_json::Value =
        serde_json::from_str(&read(folder.join("bundle.sigstore.json")).unwrap()).unwrap();
    let place = "/verificationMaterial/timestampVerificationData/rfc3161Timestamps/0/signedTimestamp";
    let token = json.pointer_mut(place).unwrap();
    *token = token.as_str().unwrap().replace('\n', "").into();
    let bundle = Bundle::from_json(json.to_string().as_bytes()).unwrap();
    let root = TrustedRoot::from_json(&std::fs::read(folder.join("trusted_root.json")).unwrap()).unwrap();
    let artifact = digests(&std::fs::read(folders.join("a.txt")).unwrap());
    let found = verify_blob(&bundle, &root, &policy(beacon()), &artifact, time(NOW));
    assert_refused!(found, "C01-certificate-time", Rejection::Certificate { .. });
}

/// Bundles that an older crate of the same family was seen to accept, because it checks no promise and no checkpoint.
#[test]
fn t06_t08_what_another_crate_accepts_is_refused() {
    let Some(folders) = shared("sigstore-conformance/assets/bundle-verify") else { return };
    for (name, code) in [
        ("set-invalid-signature_fail", "T06-inclusion-promise"),
        ("checkpoint-bad-keyhint_fail", "T08-checkpoint"),
        ("checkpoint-wrong-roothash_fail", "T05-checkpoint-mismatch"),
        ("invalid-checkpoint-signature_fail", "T08-checkpoint"),
    ] {
        assert_eq!(verdict(&folders.join(name), false).unwrap_err().code(), code, "{name}");
    }
}

/// Changes the body of a real entry, and what the entry says to be.
fn with_body(
    folder: &str,
    change: impl FnOnce(&mut serde_json::Value, &mut EntryFormat),
) -> Option<Result<VerifiedBlob, Rejection>> {
    let folder = shared("sigstore-conformance/assets/bundle-verify")?.join(folder);
    let mut bundle = Bundle::from_json(&std::fs::read(folder.join("bundle.sigstore.json")).unwrap()).unwrap();
    let entry = &mut bundle.log_entries[0];
    let mut body = serde_json::from_slice(&entry.canonicalized_body).unwrap();
    change(&mut body, &mut entry.format);
    entry.canonicalized_body = body.to_string().into_bytes();
    let root = match std::fs::read(folder.join("trusted_root.json")) {
        Ok(text) => TrustedRoot::from_json(&text).unwrap(),
        Err(_) => public_root()?,
    };
    let artifact = std::fs::read(folder.join("artifact"))
        .unwrap_or_else(|_| std::fs::read(folder.join("../a.txt")).unwrap());
    Some(verify_blob(&bundle, &root, &policy(beacon()), &digests(&artifact), time(NOW)))
}

#[test]
fn t01_every_field_of_a_rekor_v1_entry_is_compared() {
    let hashed = "happy-path-v0.1";
    let (dsse, intoto) = ("happy-path-intoto-in-dsse-v3", "intoto-with-custom-trust-root");
    let hash = serde_json::Value::from("00".repeat(32));
    let other_signature = serde_json::Value::from("AAAA");
    let own_key = serde_json::Value::from(KEY);
    for (folder, field, value) in [
        (hashed, "/spec/data/hash/value", &hash),
        (hashed, "/spec/signature/content", &other_signature),
        (hashed, "/spec/signature/publicKey/content", &own_key),
        (dsse, "/spec/payloadHash/value", &hash),
        (dsse, "/spec/signatures/0/signature", &other_signature),
        (dsse, "/spec/signatures/0/verifier", &own_key),
        (intoto, "/spec/content/payloadHash/value", &hash),
        (intoto, "/spec/content/envelope/payloadType", &other_signature),
        (intoto, "/spec/content/envelope/signatures/0/sig", &other_signature),
        (intoto, "/spec/content/envelope/signatures/0/publicKey", &own_key),
    ] {
        let changed = |body: &mut serde_json::Value, _: &mut EntryFormat| {
            *body.pointer_mut(field).unwrap() = value.clone();
        };
        let Some(found) = with_body(folder, changed) else { return };
        assert_eq!(found.unwrap_err().code(), "T01-log-entry-mismatch", "{folder} {field}");
    }
    // What is left alone by us is still signed by the log.
    let envelope_hash = |body: &mut serde_json::Value, _: &mut EntryFormat| {
        *body.pointer_mut("/spec/envelopeHash/value").unwrap() = hash.clone();
    };
    let found = with_body(dsse, envelope_hash).unwrap();
    assert_eq!(found.unwrap_err().code(), "T06-inclusion-promise");
    // An entry about a file in a bundle about a statement.
    let crossed = |body: &mut serde_json::Value, format: &mut EntryFormat| {
        let signature = body["spec"]["signatures"][0].clone();
        *format = EntryFormat::HashedRekord001;
        *body = serde_json::json!({"apiVersion": "0.0.1", "kind": "hashedrekord", "spec": {
            "data": {"hash": body["spec"]["payloadHash"]},
            "signature": {"content": signature["signature"], "publicKey": {"content": signature["verifier"]}},
        }});
    };
    let found = with_body(dsse, crossed).unwrap();
    assert_eq!(found.unwrap_err().code(), "T01-log-entry-mismatch");
}

/// Base64 of the PEM text of a public key that signed none of these.
const KEY: &str = "LS0tLS1CRUdJTiBQVUJMSUMgS0VZLS0tLS0KTUNvd0JRWURLMlZ3QXlFQTExcVlBWUt4Q3JmVlMvN1R5V1FIT2c3aGN2UGFwaU1scndJYWFQY0hVUm89Ci0tLS0tRU5EIFBVQkxJQyBLRVktLS0tLQo=";

/// What each README says must be noticed.
const REASONS: [(&str, &str); 49] = [
    ("bundle-empty-certificate-chain_fail", "D13-shape"),
    // Staging's log is none of the public root's.
    ("bundle-from-wrong-instance_fail", "T07-log-unknown"),
    ("bundle-invalid-base64-signature_fail", "D13-shape"),
    ("bundle-malformed-json_fail", "B09-not-json"),
    ("bundle-negative-log-index_fail", "D13-shape"),
    ("bundle-unknown-version_fail", "B11-media-type"),
    ("bundle-with-root-cert_fail", "C02-root-in-bundle"),
    ("checkpoint-bad-keyhint_fail", "T08-checkpoint"),
    ("checkpoint-wrong-roothash_fail", "T05-checkpoint-mismatch"),
    ("dsse-invalid-sig_fail", "D01-signature-invalid"),
    ("dsse-mismatch-envelope_fail", "T01-log-entry-mismatch"),
    ("dsse-mismatch-sig_fail", "T01-log-entry-mismatch"),
    ("inclusion-proof-corrupted-hash_fail", "T11-inclusion-proof"),
    ("incorrect-public-key_fail", "T01-log-entry-mismatch"),
    ("integrated-time-in-future_fail", "C01-certificate-time"),
    // The certificate is one of 2030, the log's time one of 2023.
    ("intoto-expired-certificate_fail", "C01-certificate-time"),
    ("intoto-log-entry-mismatch_fail", "T01-log-entry-mismatch"),
    ("intoto-missing-inclusion-proof_fail", "B08-missing-field"),
    ("intoto-set-outside-signing-cert-validity_fail", "C01-certificate-time"),
    ("intoto-tsa-timestamp-outside-cert-validity_fail", "C01-certificate-time"),
    ("invalid-checkpoint-signature_fail", "T08-checkpoint"),
    ("invalid-ct-key_fail", "C11-certificate-log"),
    ("invalid-inclusion-proof_fail", "T11-inclusion-proof"),
    ("managed-key-no-key_fail", "C14-other-mode"),
    // The wrong key is not even one: its base64 is not canonical.
    ("managed-key-wrong-key_fail", "G05-key"),
    ("message-digest-mismatch_fail", "D10-artifact-differs"),
    ("rekor2-checkpoint-missing-log-signature_fail", "T08-checkpoint"),
    ("rekor2-checkpoint-missing-origin_fail", "T08-checkpoint"),
    ("rekor2-checkpoint-missing-root-hash_fail", "T08-checkpoint"),
    ("rekor2-checkpoint-missing-size_fail", "T08-checkpoint"),
    ("rekor2-checkpoint-no-matching-signature_fail", "T08-checkpoint"),
    ("rekor2-dsse-invalid-sig_fail", "D01-signature-invalid"),
    ("rekor2-dsse-mismatch-envelope_fail", "T01-log-entry-mismatch"),
    ("rekor2-dsse-mismatch-sig_fail", "T01-log-entry-mismatch"),
    ("rekor2-no-inclusion-proof_fail", "B08-missing-field"),
    ("rekor2-no-timestamp_fail", "M02-no-proven-time"),
    ("rekor2-timestamp-outside-trust-root-tsa-validity_fail", "M07-timestamp-outside-authority"),
    ("rekor2-timestamp-outside-tsa-cert-validity_fail", "M07-timestamp-outside-authority"),
    ("rekor2-timestamp-payload-mismatch_fail", "M11-timestamp-other-bytes"),
    // Only a stranger's word is there: no time is proven.
    ("rekor2-timestamp-untrusted-tsa-with-embedded-cert_fail", "M02-no-proven-time"),
    ("rekor2-timestamp-untrusted-tsa-without-embedded-cert_fail", "M02-no-proven-time"),
    // There are line ends in its base64, which already that is refused for; the time itself is tested below.
    ("rekor2-timestamp-with-incorrect-time_fail", "D13-shape"),
    ("set-invalid-signature_fail", "T06-inclusion-promise"),
    ("signature-mismatch_fail", "D01-signature-invalid"),
    // The trusted root itself is refused.
    ("trust-root-tlog-missing-validity-start_fail", "B08-missing-field"),
    ("wrong-hashedrekord-artifact_fail", "T01-log-entry-mismatch"),
    ("wrong-hashedrekord-cert-and-sig_fail", "T01-log-entry-mismatch"),
    ("wrong-hashedrekord-entry_fail", "T01-log-entry-mismatch"),
    ("wrong-material_fail", "D10-artifact-differs"),
];

const IDENTITY: &str = "https://github.com/sigstore-conformance/extremely-dangerous-public-oidc-beacon/.github/workflows/extremely-dangerous-oidc-beacon.yml@refs/heads/main";
const ISSUER: &str = "https://token.actions.githubusercontent.com";

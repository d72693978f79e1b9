//! Real bundles of model_signing 0.2.0 to 1.1.0, and the bundles of the OpenSSF Model Signing specification.

use std::path::Path;

use sealwax_attestation::{
    Bundle, EntryFormat, Error, PredicateVersion, RekorV1, Statement, VerificationMaterial, Verifier,
};

use crate::{find, list, name, read};

fn bundle(path: &Path) -> Result<Bundle, Error> {
    Bundle::from_json(&read(path))
}

#[test]
fn bundles_of_every_release_are_read() {
    let Some(folder) = find("model-signing") else { return };
    let mut checked = 0;
    for folder in list(&folder) {
        let Some((version, method)) = name(&folder).strip_prefix('v').and_then(|name| name.split_once('-'))
        else {
            continue;
        };
        let found = bundle(&folder.join("model.sig"));
        match method {
            "certificate" => {
                let bundle = found.unwrap();
                let VerificationMaterial::CertificateChain(chain) = &bundle.material else {
                    panic!("{version}")
                };
                assert!(chain.len() > 1, "{version}");
                check_statement(&bundle, version);
            }
            "elliptic-key" => {
                let bundle = found.unwrap();
                let VerificationMaterial::PublicKey { hint, key } = &bundle.material else {
                    panic!("{version}")
                };
                // Release 1.1 replaced the key by its hint.
                assert_eq!((hint.is_empty(), key.is_some()), (version != "1.1.0", version != "1.1.0"));
                check_statement(&bundle, version);
            }
            // Identities were logged by Rekor v1.
            "sigstore" => {
                let bundle = found.unwrap();
                let [entry] = bundle.log_entries.as_slice() else { panic!("{version}") };
                assert_eq!(entry.format, EntryFormat::Dsse001);
                let body = RekorV1::from_body(entry.format, &entry.canonicalized_body).unwrap();
                assert_eq!(body.signature, bundle.content.signature());
                let VerificationMaterial::Certificate(leaf) = &bundle.material else { panic!("{version}") };
                assert_eq!(body.verifier, Verifier::Certificate(leaf.clone()));
                assert_eq!(bundle.timestamps.is_empty(), version != "1.1.0");
                check_statement(&bundle, version);
            }
            other => panic!("{other}"),
        }
        checked += 1;
    }
    assert_eq!(checked, 13);
}

fn check_statement(bundle: &Bundle, version: &str) {
    let statement = Statement::from_payload(&bundle.envelope().unwrap().payload).unwrap();
    if version == "0.2.0" {
        assert_eq!(statement.predicate, PredicateVersion::DigestsV0);
        assert_eq!((statement.name, statement.root_digest), (None, None));
        assert_eq!(statement.manifest.resources().len(), 2);
    } else {
        assert_eq!(statement.predicate, PredicateVersion::SignatureV1 { minor: 0 });
        assert_eq!(statement.root_digest, Some(statement.manifest.root_digest()), "{version}");
        assert!(statement.name.is_some());
    }
}

#[test]
fn the_specifications_valid_bundles_are_read() {
    let Some(folder) = find("model-signing-spec/test-vectors/v1.0") else { return };
    for method in ["key", "certificate"] {
        let bundle = bundle(&folder.join(format!("valid/{method}.bundle.json"))).unwrap();
        let statement = Statement::from_payload(&bundle.envelope().unwrap().payload).unwrap();
        assert_eq!(statement.root_digest, Some(statement.manifest.root_digest()), "{method}");
    }
    let identity = bundle(&folder.join("valid/sigstore.bundle.json"));
    identity.unwrap();
}

#[test]
fn the_specifications_invalid_bundles_are_refused() {
    let Some(folder) = find("model-signing-spec/test-vectors/v1.0") else { return };
    let refusal = |name: &str| bundle(&folder.join("invalid").join(name)).unwrap_err().to_string();
    assert!(refusal("empty.bundle.json").starts_with("not valid JSON"));
    assert_eq!(refusal("missing-envelope.bundle.json"), "dsseEnvelope: missing");
    assert_eq!(refusal("missing-verification-material.bundle.json"), "verificationMaterial: missing");
    assert_eq!(refusal("missing-tlog-entries.bundle.json"), "verificationMaterial.tlogEntries: missing");
    assert_eq!(list(&folder.join("invalid")).len(), 4);
}

#[test]
fn d08_the_specifications_wrong_predicate_is_refused_at_the_statement() {
    let Some(path) = find("model-signing-spec/test-vectors/v1.0/invalid-payload/wrong-predicate.bundle.json")
    else {
        return;
    };
    let bundle = bundle(&path).unwrap();
    let found = Statement::from_payload(&bundle.envelope().unwrap().payload);
    assert!(matches!(found, Err(Error::NotAModelStatement { what: "predicate type", .. })));
}

#[test]
fn golden_statements_are_read() {
    let Some(folder) = find("model-signing/testpayload/_signing/testdata/signing/TestPayload") else {
        return;
    };
    let mut checked = 0;
    for path in list(&folder) {
        match Statement::from_payload(&read(&path)) {
            Ok(statement) => {
                assert_eq!(statement.root_digest, Some(statement.manifest.root_digest()), "{}", name(&path));
                checked += 1;
            }
            // model_signing signs models without files; the specification does not (attack D04).
            Err(Error::Manifest { .. }) if name(&path).contains("empty") => {}
            Err(error) => panic!("{}: {error}", name(&path)),
        }
    }
    assert!(checked >= 12, "{checked}");
}

//! The public-good instance's trusted root, and those of Sigstore's conformance suite.

use sealwax_attestation::{Error, TrustedRoot};
use sealwax_keys::KeyKind;

use crate::{find, list, name, read};

#[test]
fn the_public_good_root_is_read() {
    let Some(path) = find("root-signing/targets/trusted_root.json") else { return };
    let root = TrustedRoot::from_json(&read(&path)).unwrap();
    let logs: Vec<_> = root.logs.iter().map(|log| (log.origin.as_str(), log.key.kind())).collect();
    assert_eq!(
        logs,
        [("rekor.sigstore.dev", KeyKind::P256), ("log2025-1.rekor.sigstore.dev", KeyKind::Ed25519)]
    );
    for log in &root.logs {
        assert_eq!(log.verifier_key().unwrap().log_id(), log.log_id[..]);
        assert!(log.valid_until.is_none());
    }
}

#[test]
fn roots_of_the_conformance_suite_are_read() {
    let Some(folder) = find("sigstore-conformance/assets/bundle-verify") else { return };
    let mut read_roots = 0;
    for folder in list(&folder) {
        let path = folder.join("trusted_root.json");
        if !path.exists() {
            continue;
        }
        match TrustedRoot::from_json(&read(&path)) {
            Ok(root) => {
                assert!(!root.logs.is_empty(), "{}", name(&folder));
                read_roots += 1;
            }
            // A window without start is refused, never taken for unbounded (attack M08).
            Err(Error::Missing { path })
                if name(&folder) == "trust-root-tlog-missing-validity-start_fail" =>
            {
                assert!(path.ends_with("validFor.start"), "{path}");
            }
            Err(error) => panic!("{}: {error}", name(&folder)),
        }
    }
    assert_eq!(read_roots, 37);
}

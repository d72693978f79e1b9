//! Entries that a Rekor v2 server made: read as it answers them, rebuilt byte for byte, and in its tree.

use serde_json::Value;

use sealwax_attestation::json::{Limits, parse};
use sealwax_attestation::{
    Bundle, Error, HashedRekord, LoggedEntry, TransparencyLogEntry, TrustedRoot, VerificationMaterial,
    Verifier,
};
use sealwax_keys::Scheme;
use sealwax_tlog::proof::verify_inclusion;
use sealwax_tlog::{Checkpoint, Hash};

use crate::{find, list, name, read};

const LIMITS: Limits = Limits { bytes: 1 << 20, depth: 12, values: 4_096 };

/// The log entries of a bundle that are of the kind that is read, each as its JSON.
fn hashed_rekords(text: &[u8]) -> Vec<Value> {
    // One bundle of the suite is not JSON.
    let Ok(bundle) = serde_json::from_slice::<Value>(text) else { return Vec::new() };
    let entries = bundle["verificationMaterial"]["tlogEntries"].as_array().cloned().unwrap_or_default();
    let ours = |entry: &Value| {
        entry["kindVersion"]["kind"] == "hashedrekord" && entry["kindVersion"]["version"] == "0.0.2"
    };
    entries.into_iter().filter(ours).collect()
}

#[test]
fn t03_bodies_of_a_real_log_are_written_as_they_were_read() {
    let Some(folder) = find("sigstore-conformance/assets/bundle-verify") else { return };
    let mut checked = 0;
    for folder in list(&folder).iter().filter(|folder| folder.join("bundle.sigstore.json").exists()) {
        for json in hashed_rekords(&read(&folder.join("bundle.sigstore.json"))) {
            let text = json.to_string();
            let entry = parse(text.as_bytes(), LIMITS).and_then(TransparencyLogEntry::from_json);
            if json.get("inclusionProof").is_none() {
                let refused = matches!(entry, Err(Error::Missing { path }) if path == "inclusionProof");
                assert!(refused, "{}", name(folder));
                continue;
            }
            let entry = entry.unwrap_or_else(|error| panic!("{}: {error}", name(folder)));
            let rebuilt = HashedRekord::from_body(&entry.canonicalized_body).unwrap();
            assert_eq!(rebuilt.to_body().unwrap(), entry.canonicalized_body, "{}", name(folder));
            let logged = LoggedEntry::from_body(&entry.canonicalized_body).unwrap();
            assert_eq!(logged, LoggedEntry::HashedRekord(rebuilt), "{}", name(folder));
            assert_eq!(entry.to_json(), json, "{}", name(folder));
            checked += 1;
        }
    }
    assert!(checked >= 25, "{checked}");
}

#[test]
fn t03_the_entry_of_an_envelope_is_rebuilt_and_in_the_real_log() {
    let Some(folder) = find("sigstore-conformance/assets/bundle-verify/rekor2-dsse-happy-path") else {
        return;
    };
    let bundle = Bundle::from_json(&read(&folder.join("bundle.sigstore.json"))).unwrap();
    let root = TrustedRoot::from_json(&read(&folder.join("trusted_root.json"))).unwrap();
    let VerificationMaterial::Certificate(leaf) = &bundle.material else { panic!() };
    let [entry] = bundle.log_entries.as_slice() else { panic!() };

    let verifier = Verifier::Certificate(leaf.clone());
    let rebuilt = HashedRekord::for_envelope(bundle.envelope().unwrap(), Scheme::EcdsaP256Sha256, verifier);
    let body = rebuilt.to_body().unwrap();
    assert_eq!(body, entry.canonicalized_body);

    let log = root.logs.iter().find(|log| log.log_id == entry.log_id).unwrap();
    let proof = &entry.inclusion_proof;
    let checkpoint = Checkpoint::open(proof.checkpoint.as_bytes(), &log.verifier_key().unwrap()).unwrap();
    let hashes: Vec<_> = proof.hashes.iter().copied().map(Hash::from_bytes).collect();
    verify_inclusion(&Hash::leaf(&body), proof.log_index, checkpoint.size, &hashes, &checkpoint.root)
        .unwrap();
}

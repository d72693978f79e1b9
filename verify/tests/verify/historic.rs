//! Every key and certificate signature that model_signing ever made, from the file to the verdict on the model.

use std::path::{Path, PathBuf};

use sealwax_attestation::{Bundle, TrustedRoot};
use sealwax_keys::{Certificate, PublicKey};
use sealwax_model::{HashOptions, Hashed, Method, ModelPath, hash_model};
use sealwax_verify::{
    Authentic, Form, LogRequirement, Policy, Rejection, Signer, Signers, TrustedKey, authenticate,
};

use crate::world::{envelope, envelope_mut, time};

fn vectors() -> Option<PathBuf> {
    let shared = std::env::var_os("SEALWAX_SHARED")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared"), PathBuf::from);
    let vectors = shared.join("vectors/model-signing");
    if !vectors.is_dir() {
        println!("skipped: signatures of model_signing (no vectors)");
        return None;
    }
    Some(vectors)
}

/// One signed model.
struct Sample {
    name: String,
    folder: PathBuf,
    policy: Policy,
}

/// All of them; the key and the anchor of their policies are those of the release's own tests.
fn samples(vectors: &Path) -> Vec<Sample> {
    let keys = vectors.join("keys/certificate");
    let anchors = Certificate::from_pem_chain(&std::fs::read(keys.join("ca-cert.pem")).unwrap()).unwrap();
    let key = PublicKey::from_pem(&std::fs::read(keys.join("signing-key-pub.pem")).unwrap()).unwrap();
    let mut samples = Vec::new();
    for entry in std::fs::read_dir(vectors).unwrap() {
        let folder = entry.unwrap().path();
        let name = folder.file_name().unwrap().to_str().unwrap().to_owned();
        let signers = match name.split_once('-') {
            Some((_, "certificate")) => {
                Signers::CertificateChain { anchors: anchors.clone(), signed_at: None }
            }
            Some((_, "elliptic-key")) => {
                Signers::Keys(vec![TrustedKey { name: "signing-key".to_owned(), key: key.clone() }])
            }
            _ => continue,
        };
        let ignored = ["model.sig", "ignore-me"].map(|path| ModelPath::parse(path).unwrap()).to_vec();
        let policy = Policy { signers, log: LogRequirement::Waived, ignored };
        samples.push(Sample { name, folder, policy });
    }
    samples.sort_by(|one, other| one.name.cmp(&other.name));
    assert_eq!(samples.len(), 9);
    samples
}

impl Sample {
    fn bundle(&self) -> Bundle {
        Bundle::from_json(&std::fs::read(self.folder.join("model.sig")).unwrap()).unwrap()
    }

    fn authenticate(&self, bundle: &Bundle) -> Result<Authentic, Rejection> {
        authenticate(bundle, &TrustedRoot::default(), self.policy.clone(), time("2026-11-01T00:00:00Z"))
    }

    /// Hashes the model as the authentic statement says; two releases signed a single file of the folder.
    fn hash(&self, authentic: &Authentic) -> Hashed {
        let signed = &authentic.statement().manifest;
        let single = signed.resources()[0].name.path().is_none();
        let folder = self.folder.canonicalize().unwrap();
        let options = HashOptions {
            serialization: signed.serialization().clone(),
            ignore_absolute: vec![folder.join("model.sig"), folder.join("ignore-me")],
            ..HashOptions::default()
        };
        hash_model(&if single { folder.join("signme-1") } else { folder }, &options, &()).unwrap()
    }
}

#[test]
fn historic_signatures_verify() {
    let Some(vectors) = vectors() else { return };
    for sample in samples(&vectors) {
        let name = &sample.name;
        let authentic =
            sample.authenticate(&sample.bundle()).unwrap_or_else(|error| panic!("{name}: {error}"));
        let found = sample.hash(&authentic);
        assert!(matches!(found.manifest.serialization().method, Method::Files));
        let verified = authentic.confirm(&found).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(verified.form() == Form::ModelSigningV0, name == "v0.2.0-certificate", "{name}");
        assert!(verified.included().is_none());
        let by_certificate = matches!(verified.signer(), Signer::Certificate { .. });
        assert_eq!(by_certificate, name.ends_with("certificate"), "{name}");
        if let Signer::Certificate { anchor, subject, .. } = verified.signer() {
            assert_eq!((anchor.as_str(), subject.as_str()), ("CN=root-ca", "CN=intermediate-ca"));
        }
    }
}

#[test]
fn historic_signatures_hold_for_nothing_else() {
    let Some(vectors) = vectors() else { return };
    for sample in samples(&vectors) {
        let bundle = sample.bundle();
        let mut changed = bundle.clone();
        let last = envelope(&changed).payload.len() - 1;
        envelope_mut(&mut changed).payload[last] = b' ';
        assert_refused!(sample.authenticate(&changed), "D01-signature-invalid", Rejection::SignatureInvalid);
        let authentic = sample.authenticate(&bundle).unwrap();
        let mut found = sample.hash(&authentic);
        found.ignored.push("planted.py".to_owned());
        assert_refused!(authentic.confirm(&found), "F05-ignored-present", Rejection::IgnoredPresent(_));
        let required = Policy { log: LogRequirement::Required { witnesses: None }, ..sample.policy.clone() };
        let unlogged = authenticate(&bundle, &TrustedRoot::default(), required, time("2026-11-01T00:00:00Z"));
        assert_refused!(unlogged, "T05-log-entry-missing", Rejection::LogEntryMissing);
    }
}

#[test]
fn c01_historic_certificates_have_an_end() {
    let Some(vectors) = vectors() else { return };
    for sample in samples(&vectors).iter().filter(|sample| sample.name.ends_with("certificate")) {
        let bundle = sample.bundle();
        let at = |now| authenticate(&bundle, &TrustedRoot::default(), sample.policy.clone(), time(now));
        for now in ["2025-01-01T00:00:00Z", "2035-06-01T00:00:00Z"] {
            assert_refused!(at(now), "C01-certificate-time", Rejection::Certificate { .. });
        }
    }
}

//! Real signatures of `model_signing` and the statements in its tests: same digests, same root.

use std::{
    fs,
    path::{Path, PathBuf},
};

use base64::{Engine, engine::general_purpose::STANDARD};
use sealwax_model::{
    Error, Hash, HashOptions, Manifest, Method, ModelPath, Resource, ResourceName, Serialization, hash_model,
};
use serde_json::Value;

use crate::support::Model;

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

fn serialization(statement: &Value) -> Serialization {
    let value = &statement["predicate"]["serialization"];
    let size = value["shard_size"].as_f64().unwrap_or(0.0) as u64;
    Serialization {
        method: match value["method"].as_str().unwrap() {
            "files" => Method::Files,
            "shards" => Method::Shards { size: size.try_into().unwrap() },
            method => panic!("{method}"),
        },
        hash: Hash::from_name(value["hash_type"].as_str().unwrap()).unwrap(),
        allow_symlinks: value["allow_symlinks"].as_bool().unwrap(),
        ignore_paths: value["ignore_paths"]
            .as_array()
            .into_iter()
            .flatten()
            .map(|path| ModelPath::parse(path.as_str().unwrap()).unwrap())
            .collect(),
    }
}

fn manifest(statement: &Value) -> Result<Manifest, Error> {
    let serialization = serialization(statement);
    let resources = statement["predicate"]["resources"].as_array().unwrap().iter().map(|resource| Resource {
        name: ResourceName::parse(resource["name"].as_str().unwrap(), serialization.method).unwrap(),
        digest: hex::decode(resource["digest"].as_str().unwrap()).unwrap(),
    });
    let resources = resources.collect();
    Manifest::new(serialization, resources)
}

fn root(statement: &Value) -> String {
    statement["subject"][0]["digest"]["sha256"].as_str().unwrap().to_owned()
}

fn read(path: &Path) -> Value {
    serde_json::from_slice(&fs::read(path).unwrap()).unwrap()
}

#[test]
fn historic_signatures_match_their_models() {
    let Some(vectors) = vectors() else { return };
    let mut checked = 0;
    for version in ["v0.3.1", "v1.0.0", "v1.0.1", "v1.1.0"] {
        for method in ["certificate", "elliptic-key", "sigstore"] {
            let directory = vectors.join(format!("{version}-{method}"));
            let signature = directory.join("model.sig");
            if !signature.exists() {
                continue;
            }
            let bundle = read(&signature);
            let payload = STANDARD.decode(bundle["dsseEnvelope"]["payload"].as_str().unwrap()).unwrap();
            let statement: Value = serde_json::from_slice(&payload).unwrap();
            let signed = manifest(&statement).unwrap();
            assert_eq!(hex::encode(signed.root_digest()), root(&statement), "{version}-{method}");

            // Of this one version 1.0.1 kept no record.
            let ignored = fs::canonicalize(directory.join("ignore-me"));
            let single = signed.resources()[0].name.path().is_none();
            let model = if single { directory.join("signme-1") } else { directory };
            let options = HashOptions {
                serialization: signed.serialization().clone(),
                ignore_absolute: [fs::canonicalize(&signature), ignored].into_iter().flatten().collect(),
                ..HashOptions::default()
            };
            let hashed = hash_model(&model, &options, &()).unwrap();
            assert!(signed.compare(&hashed.manifest).is_empty(), "{version}-{method}");
            assert_eq!(signed.root_digest(), hashed.manifest.root_digest(), "{version}-{method}");
            checked += 1;
        }
    }
    assert!(checked > 8);
}

#[test]
fn golden_statements_have_the_roots_of_their_lines() {
    let Some(vectors) = vectors() else { return };
    let directory = vectors.join("testpayload/_signing/testdata/signing/TestPayload");
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        let statement = read(&path);
        match manifest(&statement) {
            Ok(manifest) => {
                assert_eq!(hex::encode(manifest.root_digest()), root(&statement), "{}", path.display())
            }
            // The Python client signs models without files, the specification does not.
            Err(error) => assert!(
                matches!(error, Error::Empty) && path.to_string_lossy().contains("empty"),
                "{}: {error}",
                path.display()
            ),
        }
    }
}

#[test]
fn golden_single_file_is_hashed_alike() {
    let Some(vectors) = vectors() else { return };
    let model = Model::new(&[("model", b"This is a simple model")]);
    for name in ["sample_model_file", "sample_model_file_shard", "sample_model_file_small_shards"] {
        let statement = read(&vectors.join("testpayload/_signing/testdata/signing/TestPayload").join(name));
        let signed = manifest(&statement).unwrap();
        let options = HashOptions { serialization: signed.serialization().clone(), ..HashOptions::default() };
        let hashed = hash_model(&model.path("model"), &options, &()).unwrap();
        assert_eq!(hashed.manifest.resources(), signed.resources());
    }
}

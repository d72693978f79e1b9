//! Runs every example program, and checks that the sample model is a model and is what its script makes.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::print_stdout)]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use jiff::Timestamp;
use tempfile::TempDir;

use sealwax_attestation::{
    Bundle, Content, EntryFormat, Envelope, HashedRekord, IN_TOTO_PAYLOAD_TYPE, InclusionProof, LogInstance,
    Statement, TransparencyLogEntry, TrustedRoot, VerificationMaterial, Verifier, pae,
};
use sealwax_keys::{KeyKind, SecretKey};
use sealwax_model::{HashOptions, hash_model};
use sealwax_tlog::{Checkpoint, Hash};

#[test]
fn hash_model_prints_every_file_and_the_root() {
    let model = Copy::new();
    let printed = stdout(&run(env!("CARGO_BIN_EXE_hash-model"), &[&model.path()]), 0);
    let hashed = hash_model(&model.path(), &HashOptions::default(), &()).unwrap();
    assert_eq!(printed.lines().count(), FILES.len() + 1);
    for file in FILES {
        assert!(printed.contains(&format!("  {file}\n")), "{file} in {printed}");
    }
    assert!(printed.lines().last().unwrap().starts_with(&hex::encode(hashed.manifest.root_digest())));

    // The signature that `sealwax sign` leaves in the model does not change what the model is.
    fs::write(model.path().join("model.sig"), "{}").unwrap();
    assert_eq!(stdout(&run(env!("CARGO_BIN_EXE_hash-model"), &[&model.path()]), 0), printed);
}

#[test]
fn sign_in_memory_verifies_what_it_signed() {
    let model = Copy::new();
    let printed = stdout(&run(env!("CARGO_BIN_EXE_sign-in-memory"), &[&model.path()]), 0);
    assert!(printed.ends_with("verified by \"fresh key\"\n"), "{printed}");
}

#[test]
fn verify_bundle_accepts_the_signed_model_and_no_other() {
    let model = Copy::new();
    let trust = tempfile::tempdir().unwrap();
    let [bundle, key, root] = sign_and_log(&model.path(), trust.path());
    let verify = || run(env!("CARGO_BIN_EXE_verify-bundle"), &[&model.path(), &bundle, &key, &root]);

    let accepted = stdout(&verify(), 0);
    assert_eq!(accepted, format!("accepted: signed by {}, entry 0 of 1 in log.example\n", key.display()));

    let weights = model.path().join("model.safetensors");
    let good = fs::read(&weights).unwrap();
    let mut changed = good.clone();
    *changed.last_mut().unwrap() ^= 1;
    fs::write(&weights, changed).unwrap();
    let rejected = stdout(&verify(), 1);
    assert!(rejected.starts_with("rejected: ") && !rejected.contains("accepted"), "{rejected}");
    fs::write(&weights, good).unwrap();
    assert_eq!(stdout(&verify(), 0), accepted);

    let stranger = SecretKey::generate(KeyKind::P256).unwrap();
    fs::write(&key, stranger.public_key().to_pem()).unwrap();
    assert!(stdout(&verify(), 1).contains("(K07-key-not-trusted)"));

    fs::remove_file(&root).unwrap();
    assert!(stdout(&verify(), 2).starts_with("could not check: "));
}

#[test]
fn verify_bundle_rejects_a_bundle_without_its_log_entry() {
    let model = Copy::new();
    let trust = tempfile::tempdir().unwrap();
    let [path, key, root] = sign_and_log(&model.path(), trust.path());
    let mut bundle = Bundle::from_json(&fs::read(&path).unwrap()).unwrap();
    bundle.log_entries.clear();
    fs::write(&path, bundle.to_json()).unwrap();
    let rejected = stdout(&run(env!("CARGO_BIN_EXE_verify-bundle"), &[&model.path(), &path, &key, &root]), 1);
    assert!(rejected.contains("(T05-log-entry-missing)"), "{rejected}");
}

#[test]
fn wrong_usage_never_ends_with_success() {
    let verify = env!("CARGO_BIN_EXE_verify-bundle");
    assert!(stdout(&run(verify, &[]), 2).starts_with("could not check: usage"));
    for program in [env!("CARGO_BIN_EXE_hash-model"), env!("CARGO_BIN_EXE_sign-in-memory")] {
        assert_eq!(run(program, &[]).status.code(), Some(1));
    }
}

#[test]
fn the_sample_models_weights_are_safetensors_of_the_configured_sizes() {
    let read = |name: &str| fs::read(sample().join(name)).unwrap();
    let json = |bytes: &[u8]| serde_json::from_slice::<serde_json::Value>(bytes).unwrap();
    let (config, vocab) = (json(&read("config.json")), json(&read("tokenizer/vocab.json")));
    let stored = read("model.safetensors");
    let header_length = usize::try_from(u64::from_le_bytes(stored[..8].try_into().unwrap())).unwrap();
    let (header, data) = stored[8..].split_at(header_length);
    let header = json(header);

    let extent = |name: &str| config[name].as_u64().unwrap();
    let (context, hidden, letters) = (extent("context"), extent("hidden_size"), extent("vocab_size"));
    assert_eq!(u64::try_from(vocab.as_object().unwrap().len()).unwrap(), letters);
    let expected = [
        ("hidden.bias", vec![hidden]),
        ("hidden.weight", vec![context, letters, hidden]),
        ("output.bias", vec![letters]),
        ("output.weight", vec![hidden, letters]),
    ];
    let mut end = 0;
    for (name, shape) in expected {
        let tensor = &header[name];
        let start = end;
        end += 4 * shape.iter().product::<u64>();
        assert_eq!(tensor["dtype"], "F32");
        assert_eq!(tensor["shape"], serde_json::json!(shape));
        assert_eq!(tensor["data_offsets"], serde_json::json!([start, end]));
    }
    assert_eq!(u64::try_from(data.len()).unwrap(), end);
    let numbers = data.chunks_exact(4).map(|bytes| f32::from_le_bytes(bytes.try_into().unwrap()));
    assert!(numbers.into_iter().all(f32::is_finite));
}

#[test]
fn the_sample_model_is_what_its_script_makes_and_can_write() {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("make-model.py");
    let python = |arguments: &[&str]| Command::new("python3").arg("-B").arg(&script).args(arguments).output();
    let Ok(made) = python(&["--check"]) else {
        println!("skipped: training the sample model again (no python3)");
        return;
    };
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    let written = stdout(&python(&["generate", "--prompt", "the log ", "--length", "100"]).unwrap(), 0);
    assert!(written.starts_with("the log ") && written.trim_end().len() > 80, "{written}");
}

/// A copy of the sample model that a test may change.
struct Copy(TempDir);

impl Copy {
    fn new() -> Self {
        let copy = Self(tempfile::tempdir().unwrap());
        for file in FILES {
            let target = copy.path().join(file);
            fs::create_dir_all(target.parent().unwrap()).unwrap();
            fs::copy(sample().join(file), target).unwrap();
        }
        copy
    }

    fn path(&self) -> PathBuf {
        self.0.path().join("model")
    }
}

fn sample() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("model")
}

/// Signs a model into a log of one entry; gives the paths of bundle (in the model), public key and trusted root.
fn sign_and_log(model: &Path, trust: &Path) -> [PathBuf; 3] {
    let key = SecretKey::generate(KeyKind::P256).unwrap();
    let log_key = SecretKey::generate(KeyKind::Ed25519).unwrap();
    let log = LogInstance::new("log.example".to_owned(), log_key.public_key().clone(), Timestamp::UNIX_EPOCH)
        .unwrap();

    let hashed = hash_model(model, &HashOptions::default(), &()).unwrap();
    let payload = Statement::new("model".to_owned(), hashed.manifest).to_payload().unwrap();
    let signature = key.sign(&pae(IN_TOTO_PAYLOAD_TYPE, &payload)).unwrap();
    let envelope = Envelope::in_toto(payload, signature);
    let scheme = key.public_key().scheme();
    let body =
        HashedRekord::for_envelope(&envelope, scheme, Verifier::from(key.public_key())).to_body().unwrap();

    // The tree of one leaf: the leaf is the root, and its proof is empty.
    let root = Hash::leaf(&body);
    let checkpoint = Checkpoint { origin: log.origin.clone(), size: 1, root, extensions: Vec::new() };
    let checkpoint = String::from_utf8(checkpoint.sign(&log_key).unwrap().to_bytes()).unwrap();
    let entry = TransparencyLogEntry {
        format: EntryFormat::HashedRekord002,
        log_index: 0,
        log_id: log.log_id.clone(),
        promise: None,
        inclusion_proof: InclusionProof {
            log_index: 0,
            root_hash: *root.as_bytes(),
            tree_size: 1,
            hashes: Vec::new(),
            checkpoint,
        },
        canonicalized_body: body,
    };
    let hint = key.public_key().oms_hint();
    let material = VerificationMaterial::PublicKey { hint, key: None };
    let bundle = Bundle { log_entries: vec![entry], ..Bundle::new(material, Content::Envelope(envelope)) };

    let paths = [model.join("model.sig"), trust.join("signing.pub"), trust.join("trusted_root.json")];
    let texts = [
        bundle.to_json(),
        key.public_key().to_pem(),
        TrustedRoot { logs: vec![log], ..TrustedRoot::default() }.to_json(),
    ];
    for (path, text) in paths.iter().zip(texts) {
        fs::write(path, text).unwrap();
    }
    paths
}

fn run(program: &str, arguments: &[&PathBuf]) -> Output {
    Command::new(program).args(arguments).output().unwrap()
}

fn stdout(output: &Output, code: i32) -> String {
    let (stdout, stderr) = (&output.stdout, String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(stdout.clone()).unwrap();
    assert_eq!(output.status.code(), Some(code), "{text}{stderr}");
    text
}

const FILES: [&str; 4] = ["README.md", "config.json", "model.safetensors", "tokenizer/vocab.json"];

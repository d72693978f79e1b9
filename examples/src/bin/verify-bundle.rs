//! Verifies a model's bundle offline, with a public key and a trusted root, and prints the verdict.
//!
//! ```text
//! $ cargo run -p sealwax-examples --bin verify-bundle MODEL MODEL/model.sig signing.pub trusted_root.json
//! accepted: signed by signing.pub, entry 0 of 1 in log.example
//! ```
//!
//! Exit code 0 accepted, 1 rejected, 2 could not check. The last two are different answers: a file that cannot be read says
//! nothing about the model.

use std::error::Error;
use std::ffi::OsString;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::{env, fs};

use jiff::Timestamp;

use sealwax_attestation::{Bundle, TrustedRoot};
use sealwax_keys::PublicKey;
use sealwax_model::{HashOptions, ModelPath, hash_model};
use sealwax_verify::{LogRequirement, Policy, Rejection, Signers, TrustedKey, VerifiedModel, authenticate};

fn main() -> ExitCode {
    let arguments: Vec<OsString> = env::args_os().skip(1).collect();
    let (text, code) = match verdict(&arguments) {
        Ok(Ok(model)) => (format!("accepted: {}", describe(&model)), 0),
        Ok(Err(rejection)) => (format!("rejected: {rejection} ({})", rejection.code()), 1),
        Err(error) => (format!("could not check: {error}"), 2),
    };
    // A verdict that nobody could read is none.
    let printed = writeln!(io::stdout(), "{text}");
    ExitCode::from(if printed.is_ok() { code } else { 2 })
}

/// Gives the verdict, or what kept it from being reached.
fn verdict(arguments: &[OsString]) -> Result<Result<VerifiedModel, Rejection>, Box<dyn Error>> {
    let [model, bundle_path, key_path, root_path] = arguments else {
        return Err("usage: verify-bundle MODEL BUNDLE PUBLIC_KEY TRUSTED_ROOT".into());
    };
    // What is trusted comes from the caller's files, never from the model or its bundle.
    let key = PublicKey::from_pem(&fs::read(key_path)?)?;
    let root = TrustedRoot::from_json(&fs::read(root_path)?)?;
    let name = key_path.to_string_lossy().into_owned();
    let ignored: Vec<ModelPath> = inside(Path::new(model), Path::new(bundle_path))?.into_iter().collect();
    let policy = Policy {
        signers: Signers::Keys(vec![TrustedKey { name, key }]),
        log: LogRequirement::Required { witnesses: None },
        ignored: ignored.clone(),
    };

    let bundle = match Bundle::from_json(&fs::read(bundle_path)?) {
        Ok(bundle) => bundle,
        Err(malformed) => return Ok(Err(malformed.into())),
    };
    // First door: everything about the bundle. Only then are the large files read, the way the signer read them.
    let authentic = match authenticate(&bundle, &root, policy, Timestamp::now()) {
        Ok(authentic) => authentic,
        Err(rejection) => return Ok(Err(rejection)),
    };
    let mut serialization = authentic.statement().manifest.serialization().clone();
    serialization.ignore_paths.extend(ignored);
    let hashed = hash_model(Path::new(model), &HashOptions { serialization, ..HashOptions::default() }, &())?;
    Ok(authentic.confirm(&hashed))
}

/// The bundle's own path in the model, where it lies in it: it cannot have been signed.
fn inside(model: &Path, bundle: &Path) -> Result<Option<ModelPath>, Box<dyn Error>> {
    let (model, bundle): (PathBuf, PathBuf) = (model.canonicalize()?, bundle.canonicalize()?);
    let Ok(relative) = bundle.strip_prefix(&model) else { return Ok(None) };
    Ok(Some(ModelPath::parse(&relative.to_string_lossy())?))
}

fn describe(model: &VerifiedModel) -> String {
    let signer = match model.signer() {
        sealwax_verify::Signer::Key { name, .. } => name.clone(),
        sealwax_verify::Signer::Certificate { subject, .. } => subject.clone(),
        sealwax_verify::Signer::Identity { identity, .. } => identity.to_string(),
    };
    match model.included() {
        Some(log) => {
            format!("signed by {signer}, entry {} of {} in {}", log.index(), log.tree_size(), log.origin())
        }
        None => format!("signed by {signer}, in no log"),
    }
}

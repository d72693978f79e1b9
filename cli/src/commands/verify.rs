//! `sealwax verify`: offline, always.

use std::num::NonZeroU64;
use std::path::{Path, PathBuf};

use clap::Args;
use jiff::Timestamp;
use serde_json::{Value, json};

use sealwax_attestation::TrustedRoot;
use sealwax_model::{HashOptions, Hashed, Method, ModelPath};
use sealwax_verify::{
    Authentic, Form, LogRequirement, Policy, Rejection, Signer, Signers, TimeSource, TrustedKey,
    VerifiedModel, authenticate,
};

use crate::error::Error;
use crate::instance::{Instance, read_policy, read_trusted_root};
use crate::key_files;
use crate::progress;
use crate::reuse;
use crate::signature_file::SignatureFile;
use crate::terminal::{Tone, bytes, count};
use crate::world::World;

use super::key::fingerprint;

#[derive(Debug, Args)]
pub(crate) struct Options {
    /// The model: a directory or a file
    #[arg(value_name = "MODEL")]
    model: PathBuf,

    /// The bundle [default: MODEL/model.sig, or MODEL.sig for a file]
    #[arg(long, value_name = "FILE")]
    signature: Option<PathBuf>,

    /// Trust this public key, and only what is given this way (repeatable) [default: the instance's policy]
    #[arg(long = "key", value_name = "PUB", conflicts_with_all = ["policy", "certificate_chain"])]
    keys: Vec<PathBuf>,

    /// Trust code-signing certificates under these authorities (repeatable, PEM)
    #[arg(long, value_name = "CA", conflicts_with = "policy")]
    certificate_chain: Vec<PathBuf>,

    /// When the certificate signed, if you know it from elsewhere, such as 2026-01-31T12:00:00Z [default: now]
    #[arg(long, value_name = "TIME", requires = "certificate_chain")]
    signed_at: Option<Timestamp>,

    /// Trust whom this policy file trusts
    #[arg(long, value_name = "FILE")]
    policy: Option<PathBuf>,

    /// Trust the logs in this file [default: the instance's]
    #[arg(long, value_name = "FILE", conflicts_with = "no_log")]
    trusted_root: Option<PathBuf>,

    /// Accept a signature that is in no log: a stolen key can then sign unnoticed
    #[arg(long)]
    no_log: bool,

    /// Agree to leave a path of the model unchecked (repeatable)
    #[arg(long = "ignore-path", value_name = "PATH")]
    ignore_paths: Vec<String>,

    /// Do not read files that are unchanged since they were hashed before on this machine: the verdict then rests on the
    /// file system's time stamps
    #[arg(long)]
    reuse: bool,
}

pub(crate) fn run(options: &Options, world: &World) -> Result<(), Error> {
    let file = SignatureFile::locate(&options.model, options.signature.as_deref())?;
    let (mut policy, root) = trust(options, world)?;
    policy.ignored = ignored_paths(&options.ignore_paths)?;
    let own = file.within_model()?;
    policy.ignored.extend(own.clone());
    let bundle = file.bundle()?;
    let ignored = policy.ignored.clone();
    let authentic =
        authenticate(&bundle, &root, policy, world.now()).map_err(|rejection| file.rejected(rejection))?;
    drop(bundle);
    let (verified, hashed) = confirm(authentic, &file, options, &ignored, world)?;
    print(&verified, &hashed, &file, own, options, world)
}

/// Hashes the model the way the signer did and compares.
fn confirm(
    authentic: Authentic,
    file: &SignatureFile,
    options: &Options,
    ignored: &[ModelPath],
    world: &World,
) -> Result<(VerifiedModel, Hashed), Error> {
    let mut serialization = authentic.statement().manifest.serialization().clone();
    serialization.ignore_paths.extend(ignored.iter().cloned());
    let names = authentic
        .statement()
        .manifest
        .resources()
        .iter()
        .map(|resource| resource.name.file_name().to_owned());
    let expected = Some(names.collect());
    let hash_options = HashOptions { serialization, expected, ..HashOptions::default() };
    let refused = |source| file.rejected(Rejection::Model(source));
    let hashed = match options.reuse {
        true => reuse::hash(&options.model, hash_options, "verifying", world, refused)?,
        false => progress::hash(&options.model, &hash_options, "verifying", world.terminal, refused)?,
    };
    let verified = authentic.confirm(&hashed).map_err(|rejection| file.rejected(rejection))?;
    Ok((verified, hashed))
}

/// What the caller trusts, from the command line and the instance; never from the model or its bundle.
fn trust(options: &Options, world: &World) -> Result<(Policy, TrustedRoot), Error> {
    let instance = || Instance::open(&world.instance_dir()?);
    let signers = if !options.keys.is_empty() {
        let key = |path: &PathBuf| {
            let name = path.display().to_string();
            Ok(TrustedKey { name, key: key_files::read_public(path)? })
        };
        let mut keys: Vec<TrustedKey> = Vec::new();
        for trusted in options.keys.iter().map(key) {
            let trusted = trusted?;
            if keys.iter().all(|earlier| earlier.key != trusted.key) {
                keys.push(trusted);
            }
        }
        Some(Signers::Keys(keys))
    } else if !options.certificate_chain.is_empty() {
        let mut anchors = Vec::new();
        for path in &options.certificate_chain {
            anchors.extend(key_files::read_certificates(path)?);
        }
        Some(Signers::CertificateChain { anchors, signed_at: options.signed_at })
    } else {
        None
    };
    let mut policy = match (signers, &options.policy) {
        (Some(signers), _) => {
            Policy { signers, log: LogRequirement::Required { witnesses: None }, ignored: Vec::new() }
        }
        (None, Some(path)) => read_policy(path)?,
        (None, None) => instance()?.policy()?,
    };
    if options.no_log {
        let what = "--no-log: nothing shows that this signature was ever published";
        world.terminal.complain("warning:", what);
        policy.log = LogRequirement::Waived;
        return Ok((policy, TrustedRoot::default()));
    }
    let root = match &options.trusted_root {
        Some(path) => read_trusted_root(path)?,
        None => match instance() {
            Err(Error::NoInstance { .. })
                if options.policy.is_some()
                    || !options.keys.is_empty()
                    || !options.certificate_chain.is_empty() =>
            {
                let what = "which log to trust? give --trusted-root FILE, or --no-log to do without one";
                return Err(Error::Usage(what.to_owned()));
            }
            instance => instance?.trusted_root()?,
        },
    };
    Ok((policy, root))
}

/// Reads `--ignore-path` options: paths relative to the model.
pub(crate) fn ignored_paths(texts: &[String]) -> Result<Vec<ModelPath>, Error> {
    let read = |text: &String| {
        let trimmed = text.strip_suffix('/').unwrap_or(text);
        let trimmed = trimmed.strip_prefix("./").unwrap_or(trimmed);
        ModelPath::parse(trimmed).map_err(|reason| {
            Error::Usage(format!("--ignore-path {text:?}: {reason} (give it relative to the model)"))
        })
    };
    texts.iter().map(read).collect()
}

fn print(
    verified: &VerifiedModel,
    hashed: &Hashed,
    file: &SignatureFile,
    own: Option<ModelPath>,
    options: &Options,
    world: &World,
) -> Result<(), Error> {
    let terminal = world.terminal;
    let root_digest = hex::encode(verified.statement().manifest.root_digest());
    if verified.form() == Form::ModelSigningV0 {
        let what = "made by model_signing 0.2, whose signatures cover the statement in a form of their own";
        terminal.say(Tone::Plain, "note:", what);
    }
    if let Signer::Certificate { time_source: TimeSource::Clock, .. } = verified.signer() {
        let what = "nothing proves when it was signed: the certificate is valid now";
        terminal.say(Tone::Plain, "note:", what);
    }
    // That a bundle does not cover itself needs no saying.
    let own = own.as_ref().map(ModelPath::as_str);
    let unchecked: Vec<&str> =
        verified.unchecked().iter().map(String::as_str).filter(|path| Some(*path) != own).collect();
    if !unchecked.is_empty() {
        let what = format!("not covered by the signature: {}", unchecked.join(", "));
        terminal.say(Tone::Plain, "note:", &what);
    }
    terminal.result(Tone::Plain, "signer  ", &describe_signer(verified.signer()))?;
    match verified.included() {
        Some(log) => {
            let what = format!("{}, entry {} of {}", log.origin(), log.index(), log.tree_size());
            terminal.result(Tone::Plain, "logged  ", &what)?;
        }
        None => terminal.result(Tone::Bad, "logged  ", "not checked (--no-log)")?,
    }
    if let Some(what) = reuse::describe(hashed) {
        terminal.result(Tone::Bad, "reused  ", &what)?;
    }
    // The verdict is the last line, and stands there once.
    let what = format!(
        "{} ({}, {}, root {root_digest})",
        options.model.display(),
        count(verified.files(), "file"),
        bytes(verified.bytes())
    );
    terminal.result(Tone::Good, "verified", &what)?;
    let mut json = to_json("accepted", verified, &options.model, file.path());
    if let (Some(reused), Some(json)) = (reuse::to_json(hashed), json.as_object_mut()) {
        json.insert("reused".to_owned(), reused);
    }
    terminal.json(&json)
}

/// What is known of a verified model, for programs; signing says the same of what it made.
pub(crate) fn to_json(verdict: &str, verified: &VerifiedModel, model: &Path, bundle: &Path) -> Value {
    let manifest = &verified.statement().manifest;
    let logged = verified.included().map(|log| {
        json!({
            "origin": log.origin(),
            "log_id": hex::encode(log.log_id()),
            "index": log.index(),
            "tree_size": log.tree_size(),
            "witnesses": log.witnesses(),
        })
    });
    json!({
        "verdict": verdict,
        "model": model.display().to_string(),
        "bundle": bundle.display().to_string(),
        "name": verified.statement().name,
        "root_digest": hex::encode(manifest.root_digest()),
        "predicate_type": verified.statement().predicate.uri(),
        "signed_form": match verified.form() { Form::Dsse(_) => "dsse", Form::ModelSigningV0 => "model_signing_v0.2" },
        "hash": manifest.serialization().hash.name(),
        "method": manifest.serialization().method.name(),
        "shard_size": match manifest.serialization().method {
            Method::Shards { size } => Some(NonZeroU64::get(size)),
            Method::Files => None,
        },
        "files": verified.files(),
        "bytes": verified.bytes(),
        "unchecked": verified.unchecked(),
        "signer": signer_json(verified.signer()),
        "log": logged,
    })
}

/// Names a signer for people.
pub(crate) fn describe_signer(signer: &Signer) -> String {
    match signer {
        Signer::Key { name, key } => format!("{name} ({} {})", key.kind(), fingerprint(key)),
        Signer::Certificate { subject, anchor, key, .. } => {
            format!("{subject}, certified by {anchor} ({} {})", key.kind(), fingerprint(key))
        }
    }
}

fn signer_json(signer: &Signer) -> Value {
    match signer {
        Signer::Key { name, key } => {
            json!({"mode": "key", "name": name, "key": super::key::to_json(key)})
        }
        Signer::Certificate { subject, anchor, key, fingerprint, valid_at, time_source } => json!({
            "mode": "certificate",
            "subject": subject,
            "anchor": anchor,
            "certificate_sha256": hex::encode(fingerprint),
            "valid_at": valid_at.to_string(),
            "time_from": match time_source { TimeSource::Clock => "clock", TimeSource::Caller => "caller" },
            "key": super::key::to_json(key),
        }),
    }
}

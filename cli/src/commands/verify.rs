//! `sealwax verify`: offline, always.

use std::num::NonZeroU64;
use std::path::{Path, PathBuf};

use clap::Args;
use serde_json::{Value, json};

use sealwax_model::{HashOptions, Hashed, Method, ModelPath};
use sealwax_verify::{Authentic, Form, Rejection, Signer, TimeSource, VerifiedModel, authenticate};

use crate::error::Error;
use crate::progress;
use crate::reuse;
use crate::signature_file::SignatureFile;
use crate::terminal::{Tone, bytes, count};
use crate::whom::{self, Whom};
use crate::world::World;

#[derive(Debug, Args)]
pub(crate) struct Options {
    /// The model: a directory or a file
    #[arg(value_name = "MODEL")]
    model: PathBuf,

    /// The bundle [default: MODEL/model.sig, or MODEL.sig for a file]
    #[arg(long, value_name = "FILE")]
    signature: Option<PathBuf>,

    #[command(flatten)]
    whom: Whom,

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
    let (mut policy, root) = options.whom.read(world)?;
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
    whom::print(verified.signer(), verified.times(), verified.included(), terminal)?;
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
    json!({
        "verdict": verdict,
        "model": model.display().to_string(),
        "bundle": bundle.display().to_string(),
        "name": verified.statement().name,
        "root_digest": hex::encode(manifest.root_digest()),
        "predicate_type": verified.statement().predicate.uri(),
        "signed_form": match verified.form() {
            Form::Dsse(_) => "dsse",
            Form::Message(_) => "message",
            Form::ModelSigningV0 => "model_signing_v0.2",
        },
        "hash": manifest.serialization().hash.name(),
        "method": manifest.serialization().method.name(),
        "shard_size": match manifest.serialization().method {
            Method::Shards { size } => Some(NonZeroU64::get(size)),
            Method::Files => None,
        },
        "files": verified.files(),
        "bytes": verified.bytes(),
        "unchecked": verified.unchecked(),
        "signer": whom::signer_json(verified.signer()),
        "times": whom::times_json(verified.times()),
        "log": verified.included().map(whom::log_json),
    })
}

//! `sealwax verify-blob`: any file that was signed with Sigstore, offline, always.

use std::io::Read as _;
use std::path::{Path, PathBuf};

use clap::Args;
use serde_json::json;
use sha2::{Digest, Sha256, Sha384, Sha512};

use sealwax_attestation::Bundle;
use sealwax_verify::{Artifact, Rejection, verify_blob};

use crate::error::Error;
use crate::files::{self, io_error};
use crate::terminal::Tone;
use crate::whom::{self, Whom};
use crate::world::World;

#[derive(Debug, Args)]
pub(crate) struct Options {
    /// The file, or where there is none of that name, its digest as sha256:HEX
    #[arg(value_name = "FILE|sha256:HEX")]
    artifact: PathBuf,

    /// The bundle that belongs to it
    #[arg(long, value_name = "FILE")]
    bundle: PathBuf,

    #[command(flatten)]
    whom: Whom,
}

pub(crate) fn run(options: &Options, world: &World) -> Result<(), Error> {
    let (policy, root) = options.whom.read(world)?;
    let rejected =
        |rejection| Error::Rejected { bundle: options.bundle.clone(), rejection: Box::new(rejection) };
    let limit = u64::try_from(Bundle::MAX_BYTES).unwrap_or(u64::MAX);
    let text = files::read_capped(&options.bundle, limit)?;
    let bundle = Bundle::from_json(&text).map_err(|error| rejected(error.into()))?;
    let verify = |artifact: &Artifact| verify_blob(&bundle, &root, &policy, artifact, world.now());
    let verdict = match digest(&options.artifact) {
        Some(digest) => verify(&Artifact::from_sha256(digest)),
        None => match verify(&Artifact::from_sha256(sha256(&options.artifact)?)) {
            // Few signatures are over another digest, and it takes twice the time.
            Err(Rejection::DigestNeeded { .. }) => verify(&all_digests(&options.artifact)?),
            verdict => verdict,
        },
    };
    let verified = verdict.map_err(rejected)?;
    let terminal = world.terminal;
    whom::print(verified.signer(), verified.times(), verified.included(), terminal)?;
    if let Some(kind) = verified.predicate_type() {
        let name = verified.subject().unwrap_or("(no name)");
        terminal.result(Tone::Plain, "stated  ", &format!("{name}, in a statement of type {kind}"))?;
    }
    terminal.result(Tone::Good, "verified", &options.artifact.display().to_string())?;
    terminal.json(&json!({
        "verdict": "accepted",
        "artifact": options.artifact.display().to_string(),
        "bundle": options.bundle.display().to_string(),
        "predicate_type": verified.predicate_type(),
        "subject": verified.subject(),
        "signer": whom::signer_json(verified.signer()),
        "times": whom::times_json(verified.times()),
        "log": verified.included().map(whom::log_json),
    }))
}

/// Reads `sha256:` and 64 lower-case digits, where there is no file of that name.
fn digest(artifact: &Path) -> Option<[u8; 32]> {
    let text = artifact.to_str()?.strip_prefix("sha256:")?;
    if artifact.exists() || text.bytes().any(|byte| byte.is_ascii_uppercase()) {
        return None;
    }
    hex::decode(text).ok()?.try_into().ok()
}

fn sha256(path: &Path) -> Result<[u8; 32], Error> {
    let mut hash = Sha256::new();
    read(path, |bytes| hash.update(bytes))?;
    Ok(hash.finalize().into())
}

fn all_digests(path: &Path) -> Result<Artifact, Error> {
    let (mut sha256, mut sha384, mut sha512) = (Sha256::new(), Sha384::new(), Sha512::new());
    read(path, |bytes| {
        sha256.update(bytes);
        sha384.update(bytes);
        sha512.update(bytes);
    })?;
    Ok(Artifact::from_digests(sha256.finalize().into(), sha384.finalize().into(), sha512.finalize().into()))
}

/// Hands a file over piece by piece.
fn read(path: &Path, mut take: impl FnMut(&[u8])) -> Result<(), Error> {
    let mut file = files::open_regular(path)?;
    let mut piece = vec![0; 1 << 20];
    loop {
        match file.read(&mut piece) {
            Ok(0) => return Ok(()),
            Ok(size) => take(piece.get(..size).unwrap_or_default()),
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(source) => return Err(io_error("read", path, source)),
        }
    }
}

//! `sealwax log watch`: what is appended, as it comes.

use std::cell::Cell;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;
use serde_json::{Value, json};

use sealwax_attestation::{Envelope, LoggedEntry, Statement, Verifier};
use sealwax_keys::{Certificate, PublicKey, SubjectName};
use sealwax_tlog::{Hash, VerifierKey};
use sealwax_transparency_log::{Error as LogError, Fetch, Follower, LogView, from_directory};

use crate::commands::key::fingerprint;
use crate::error::Error;
use crate::instance::Instance;
use crate::remote_log::{RemoteLog, is_url};
use crate::terminal::Tone;
use crate::world::World;

use super::{Trust, envelope_fits};

#[derive(Debug, Args)]
pub(crate) struct Options {
    /// Where a log is served, or the directory of a log or a mirror [default: the instance's log]
    #[arg(value_name = "URL|DIR")]
    log: Option<String>,

    /// Begin with this entry, counted from 0 [default: with the next one that comes]
    #[arg(long, value_name = "INDEX")]
    from: Option<u64>,

    /// End after so many entries [default: never]
    #[arg(long, value_name = "N")]
    count: Option<std::num::NonZeroU64>,

    #[command(flatten)]
    trust: Trust,
}

pub(crate) fn run(options: &Options, world: &World) -> Result<(), Error> {
    let Some(log) = &options.log else {
        options.trust.unused()?;
        let instance = Instance::open(&world.instance_dir()?)?;
        let key = instance.own_log()?.verifier_key();
        let key = key.map_err(|source| Error::TrustedRoot { path: instance.trusted_root_path(), source })?;
        return directory(&instance.log_path(), key, options, world);
    };
    if !is_url(log) {
        let path = PathBuf::from(log);
        let note = from_directory(&path)("checkpoint").map_err(Error::Network)?;
        let key = options.trust.required(&note.unwrap_or_default())?;
        return directory(&path, key, options, world);
    }
    let remote = RemoteLog::new(log, world)?;
    let note = remote.fetch("checkpoint").map_err(Error::Network)?;
    let key = options.trust.required(&note.unwrap_or_default())?;
    // A log of other software may not know the question; it is not asked for ever.
    let answers = Cell::new(true);
    let envelope = |digest: &[u8]| {
        let name = format!("api/sealwax/v1/envelopes/{}", hex::encode(digest));
        let answer = answers.get().then(|| remote.fetch(&name))?;
        answers.set(answer.is_ok());
        answer.ok().flatten()
    };
    follow(Path::new(log), &|name| remote.fetch(name), &envelope, key, options, world)
}

fn directory(path: &Path, key: VerifierKey, options: &Options, world: &World) -> Result<(), Error> {
    let envelope = |digest: &[u8]| LogView::open(path, &key).ok()?.envelope(digest).ok().flatten();
    follow(path, &from_directory(path), &envelope, key.clone(), options, world)
}

/// Reads the envelope that is kept for a digest. A statement that cannot be had makes an entry say less and no worse.
type Kept<'a> = &'a dyn Fn(&[u8]) -> Option<Vec<u8>>;

fn follow(
    path: &Path,
    fetch: Fetch<'_>,
    kept: Kept<'_>,
    key: VerifierKey,
    options: &Options,
    world: &World,
) -> Result<(), Error> {
    let failed = |source| match source {
        LogError::Source { name, reason } => Error::Network(format!("{name}: {reason}")),
        source => Error::Log { path: path.to_owned(), source },
    };
    let origin = key.name().to_owned();
    let mut follower = Follower::start(fetch, key, options.from).map_err(failed)?;
    let what = format!("{origin} from entry {} on", follower.position());
    world.terminal.say(Tone::Plain, "watching", &what);
    let mut left = options.count.map(std::num::NonZeroU64::get);
    loop {
        let polled = follower.poll(fetch, |index, body| -> Result<_, Stopped> {
            show(index, body, kept, world)?;
            left = left.map(|left| left.saturating_sub(1));
            Ok(if left == Some(0) { ControlFlow::Break(()) } else { ControlFlow::Continue(()) })
        });
        match polled {
            Ok(()) if left == Some(0) => return Ok(()),
            Ok(()) => {}
            // A log that cannot be reached for a while is watched again when it can.
            Err(Stopped::Log(LogError::Source { name, reason })) => {
                world.terminal.say(Tone::Bad, "waiting:", &format!("{name}: {reason}"));
            }
            Err(Stopped::Log(source)) => return Err(failed(source)),
            Err(Stopped::Here(error)) => return Err(error),
        }
        world.wait(PAUSE);
    }
}

/// Why a poll ended: the log, or what is done with its entries.
enum Stopped {
    Log(LogError),
    Here(Error),
}

impl From<LogError> for Stopped {
    fn from(error: LogError) -> Self {
        Self::Log(error)
    }
}

impl From<Error> for Stopped {
    fn from(error: Error) -> Self {
        Self::Here(error)
    }
}

/// Shows one entry on one line. What is no entry of a known form is in the log all the same, and shown by its leaf.
fn show(index: u64, body: &[u8], kept: Kept<'_>, world: &World) -> Result<(), Error> {
    let seen = world.now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
    let entry = LoggedEntry::from_body(body).ok();
    let kind = entry.as_ref().map_or("unknown", |entry| entry.kind().name());
    let digest = entry.as_ref().map_or_else(|| Hash::leaf(body).as_bytes().to_vec(), |e| e.digest().to_vec());
    let signers: Vec<String> = entry.iter().flat_map(LoggedEntry::verifiers).map(signer).collect();
    let model = entry.as_ref().and_then(|entry| name(entry, kept));
    let digest = hex::encode(digest);
    let line = format!(
        "{seen} {kind} {digest} {}{}",
        signers.join(", "),
        model.as_ref().map(|name| format!(" {name}")).unwrap_or_default()
    );
    world.terminal.result(Tone::Plain, &format!("{index:>9}"), &line)?;
    world.terminal.json_line(&json!({
        "index": index,
        "seen": seen,
        "kind": kind,
        "digest": digest,
        "signers": signers,
        "model": model.map_or(Value::Null, Value::from),
    }))
}

/// The names in a certificate, and the fingerprint of the key; as they stand there, since no authority is asked.
fn signer(verifier: &Verifier) -> String {
    let (key, names) = match verifier {
        Verifier::PublicKey(der) => (PublicKey::from_spki_der(der).ok(), Vec::new()),
        Verifier::Certificate(der) => match Certificate::from_der(der) {
            Ok(certificate) => (Some(certificate.public_key().clone()), names(&certificate)),
            Err(_) => (None, Vec::new()),
        },
    };
    let key = key.map_or_else(|| "a key that cannot be read".to_owned(), |key| fingerprint(&key));
    names.into_iter().chain([key]).collect::<Vec<_>>().join(" ")
}

fn names(certificate: &Certificate) -> Vec<String> {
    let text = |name| match name {
        SubjectName::Email(text) | SubjectName::Uri(text) | SubjectName::Dns(text) => Some(text),
        _ => None,
    };
    certificate.subject_alternative_names().into_iter().filter_map(text).collect()
}

/// The name of the model that an entry is about, where the statement behind it is kept.
fn name(entry: &LoggedEntry, kept: Kept<'_>) -> Option<String> {
    let text = kept(entry.digest())?;
    if !envelope_fits(entry.digest(), &text) {
        return None;
    }
    let statement = Statement::from_payload(&Envelope::from_text(&text).ok()?.payload).ok()?;
    statement.name
}

const PAUSE: Duration = Duration::from_secs(1);

//! `sealwax witness init`, `show`, `add-log` and `serve`
//!
//! ```text
//! <dir>/witness.pem    the witness's key, 0600     <dir>/witness.vkey  its verifier key, which has its name
//! <dir>/logs           the known logs' verifier keys, one a line
//! <dir>/state.db       what was cosigned (see the witness room)
//! ```

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use jiff::Timestamp;
use serde_json::{Value, json};

use sealwax_keys::KeyKind;
use sealwax_server::config::Messages;
use sealwax_tlog::VerifierKey;
use sealwax_witness::Witness;

use crate::error::Error;
use crate::files;
use crate::key_files::{self, PassphraseOptions};
use crate::terminal::{Tone, count, start_messages};
use crate::world::World;

use super::serve::TlsOptions;

#[derive(Debug, Subcommand)]
pub(crate) enum Action {
    /// Make a witness: its key, no logs, and an empty record
    Init(Init),
    /// Show a witness's verifier key, its logs, and what it cosigned of each
    Show(Show),
    /// Make a log known to a witness that is not running
    AddLog(AddLog),
    /// Answer logs that ask for cosignatures (C2SP tlog-witness), until told to stop
    Serve(Serve),
}

#[derive(Debug, Args)]
pub(crate) struct Init {
    /// Directory to make
    #[arg(value_name = "DIR")]
    directory: PathBuf,

    /// The witness's name in its cosignatures, such as `witness.example.com/w1`
    #[arg(long, value_name = "NAME")]
    name: String,

    /// Sign with this Ed25519 key in a token, pkcs11:token=…;object=… [default: a new key in a file]
    #[arg(long, value_name = "URI")]
    key: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct Show {
    /// The witness's directory
    #[arg(value_name = "DIR")]
    directory: PathBuf,
}

#[derive(Debug, Args)]
pub(crate) struct AddLog {
    /// The witness's directory
    #[arg(value_name = "DIR")]
    directory: PathBuf,

    /// The log's verifier key, NAME+ID+KEY; the name is the origin of its checkpoints
    #[arg(value_name = "VKEY")]
    key: String,
}

#[derive(Debug, Args)]
pub(crate) struct Serve {
    /// The witness's directory
    #[arg(value_name = "DIR")]
    directory: PathBuf,

    /// Where to listen
    #[arg(long, value_name = "ADDRESS:PORT", default_value = "127.0.0.1:7380")]
    listen: SocketAddr,

    #[command(flatten)]
    tls: TlsOptions,
}

pub(crate) fn run(action: &Action, world: &World) -> Result<(), Error> {
    match action {
        Action::Init(options) => init(options, world),
        Action::Show(options) => show(&options.directory, world),
        Action::AddLog(options) => add_log(options, world),
        Action::Serve(options) => serve(options, world),
    }
}

fn init(options: &Init, world: &World) -> Result<(), Error> {
    let directory = &options.directory;
    let key = files::create_directory(directory, world.now(), |building| build(building, options, world))?;
    world.terminal.say(Tone::Good, "made", &format!("a witness in {}", directory.display()));
    let hint = "`sealwax witness add-log` makes a log known; the directory is the witness's memory: never put an older copy back";
    world.terminal.say(Tone::Plain, "hint:", hint);
    world.terminal.result(Tone::Plain, "verifier key", &key.to_string())?;
    world.terminal.json(&json!({"verifier_key": key.to_string()}))
}

/// Fills an empty directory.
fn build(directory: &Path, options: &Init, world: &World) -> Result<VerifierKey, Error> {
    let Init { name, key: in_token, .. } = options;
    let path = directory.join(KEY);
    let secret = key_files::create_own_secret(&path, KeyKind::Ed25519, in_token.as_deref(), None, world)?;
    let key = VerifierKey::from_cosigner(name, secret.public_key())
        .map_err(|error| Error::Usage(format!("{name:?} cannot be a witness's name: {error}")))?;
    files::create_public(&directory.join(VERIFIER_KEY), &format!("{key}\n"))?;
    files::create_public(&directory.join(LOGS), "")?;
    Witness::create(directory).map_err(|source| Error::Witness { path: directory.to_owned(), source })?;
    Ok(key)
}

/// Needs neither the private key nor the lock, so that a running witness can be looked at.
fn show(directory: &Path, world: &World) -> Result<(), Error> {
    let key = verifier_key(directory)?;
    let logs = logs(directory)?;
    let recorded = Witness::recorded(directory, &key)
        .map_err(|source| Error::Witness { path: directory.to_owned(), source })?;
    let terminal = world.terminal;
    terminal.result(Tone::Plain, "verifier key", &key.to_string())?;
    for log in &logs {
        terminal.result(Tone::Plain, "knows log   ", &log.to_string())?;
    }
    let time = |seconds: u64| {
        i64::try_from(seconds)
            .ok()
            .and_then(|seconds| Timestamp::from_second(seconds).ok())
            .unwrap_or(Timestamp::MAX)
    };
    for newest in &recorded {
        let what = format!("{}, {}, at {}", newest.origin, count(newest.size, "entry"), time(newest.time));
        terminal.result(Tone::Plain, "cosigned    ", &what)?;
    }
    let rows = recorded.iter().map(|newest| {
        json!({
            "origin": newest.origin,
            "size": newest.size,
            "root_hash": hex::encode(newest.root.as_bytes()),
            "time": time(newest.time).to_string(),
        })
    });
    terminal.json(&json!({
        "verifier_key": key.to_string(),
        "logs": logs.iter().map(VerifierKey::to_string).collect::<Vec<_>>(),
        "cosigned": rows.collect::<Vec<Value>>(),
    }))
}

fn add_log(options: &AddLog, world: &World) -> Result<(), Error> {
    let directory = &options.directory;
    let log = VerifierKey::parse(&options.key)
        .map_err(|source| Error::LogKey { whence: "the log's key".to_owned(), source })?;
    let mut logs = logs(directory)?;
    logs.push(log.clone());
    // The open witness has checked all its logs, and while it is open nobody else changes their file.
    let _held = open(directory, &logs, world)?;
    let text: String = logs.iter().map(|log| format!("{log}\n")).collect();
    files::replace_public(&directory.join(LOGS), &text)?;
    world.terminal.result(Tone::Good, "knows log", log.name())?;
    world.terminal.json(&json!({"logs": logs.iter().map(VerifierKey::to_string).collect::<Vec<_>>()}))
}

fn serve(options: &Serve, world: &World) -> Result<(), Error> {
    let Serve { directory, listen, tls } = options;
    let listen = tls.listen(*listen)?;
    let logs = logs(directory)?;
    let witness = open(directory, &logs, world)?;
    let name = witness.verifier_key().name().to_owned();
    let known = u64::try_from(logs.len()).unwrap_or(u64::MAX);
    let started = |address: SocketAddr| {
        let what = format!("{name} for {} at http://{address}", count(known, "log"));
        world.terminal.say(Tone::Good, "witness", &what);
        // Nobody waits for this line who could not read it; the witness is needed all the same.
        let _ = world.terminal.json(&json!({"listening": address.to_string()}));
    };
    start_messages(Messages::default());
    sealwax_server::witness::serve(witness, listen, started).map_err(Error::Server)
}

fn open(directory: &Path, logs: &[VerifierKey], world: &World) -> Result<Witness, Error> {
    let key = verifier_key(directory)?;
    let path = directory.join(KEY);
    let secret = key_files::read_own_secret(&path, &PassphraseOptions::default(), world)?;
    if secret.public_key() != key.public_key() {
        let reason = format!("is not the key of {key}");
        return Err(Error::BadInstance { path, reason });
    }
    Witness::open(directory, key.name(), secret, logs)
        .map_err(|source| Error::Witness { path: directory.to_owned(), source })
}

/// Reads the witness's verifier key.
fn verifier_key(directory: &Path) -> Result<VerifierKey, Error> {
    let path = directory.join(VERIFIER_KEY);
    let text = match files::read_capped(&path, MAX_FILE) {
        Err(Error::Io { source, .. }) if source.kind() == std::io::ErrorKind::NotFound => {
            return Err(Error::NoWitness { path: directory.to_owned() });
        }
        read => read?,
    };
    let text = String::from_utf8_lossy(&text);
    VerifierKey::parse(text.trim_end())
        .map_err(|source| Error::BadInstance { path, reason: source.to_string() })
}

/// Reads the verifier keys of the logs that the witness knows.
fn logs(directory: &Path) -> Result<Vec<VerifierKey>, Error> {
    let path = directory.join(LOGS);
    let text = match files::read_capped(&path, MAX_FILE) {
        Err(Error::Io { source, .. }) if source.kind() == std::io::ErrorKind::NotFound => {
            return Err(Error::NoWitness { path: directory.to_owned() });
        }
        read => read?,
    };
    let text = String::from_utf8_lossy(&text);
    let numbered = text.lines().zip(1u32..);
    numbered
        .map(|(line, number)| {
            let whence = format!("{}, line {number}", path.display());
            VerifierKey::parse(line).map_err(|source| Error::LogKey { whence, source })
        })
        .collect()
}

const KEY: &str = "witness.pem";
const VERIFIER_KEY: &str = "witness.vkey";
const LOGS: &str = "logs";
/// Several thousand logs.
const MAX_FILE: u64 = 1 << 20;

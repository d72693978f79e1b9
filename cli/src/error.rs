//! Every way a command can fail: the sentence, the hint and the exit code. Made here and nowhere else; one file because a new
//! failure is to be weighed against all others: its sentence, its hint, its code.

mod rejection;

use std::io;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::error::ErrorKind;
use serde_json::{Value, json};

use sealwax_model::Error as ModelError;
use sealwax_server::Error as ServerError;
use sealwax_transparency_log::{Damage, Error as LogError, Mode};
use sealwax_verify::{PolicyError, Rejection};
use sealwax_witness::Error as WitnessError;

use crate::escape::shorten;
use crate::terminal::Terminal;

/// Why a command did not do what was asked.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error("{0}")]
    Usage(String),
    #[error("{bundle}: rejected: {rejection}", bundle = bundle.display())]
    Rejected { bundle: PathBuf, rejection: Box<Rejection> },
    #[error("{path}: cannot be signed: {source}", path = path.display(), source = of_model(path, source))]
    Unsignable { path: PathBuf, source: ModelError },
    #[error("{path}: {source}", path = path.display(), source = of_model(path, source))]
    Model { path: PathBuf, source: ModelError },
    #[error("{path}: no bundle is there", path = path.display())]
    NoBundle { path: PathBuf, model: PathBuf },
    #[error("{path}: another sealwax is writing it", path = path.display())]
    BeingSigned { path: PathBuf },
    #[error("cannot {action} {path}: {source}", path = path.display())]
    Io { action: &'static str, path: PathBuf, source: io::Error },
    #[error("{path}: {size} bytes are more than the cap of {limit}", path = path.display())]
    TooLarge { path: PathBuf, size: u64, limit: u64 },
    #[error("{path}: not a regular file", path = path.display())]
    NotAFile { path: PathBuf },
    #[error("{path} exists already", path = path.display())]
    Exists { path: PathBuf },
    #[error("{path} exists and is not a signature", path = path.display())]
    NotOurs { path: PathBuf },
    #[error("{path}: {source}", path = path.display())]
    Key { path: PathBuf, source: sealwax_keys::Error },
    #[error("{uri}: {source}")]
    Token { uri: String, source: sealwax_tokens::Error },
    #[error("the PKCS#11 URI: {0}")]
    TokenUri(sealwax_tokens::Error),
    #[error("{uri}: no module is named that speaks to the token")]
    NoModule { uri: String },
    #[error("{path} can be read by others (mode {mode:03o})", path = path.display())]
    KeyExposed { path: PathBuf, mode: u32 },
    #[error("{path} can be changed by others (mode {mode:03o}), and it decides what is trusted", path = path.display())]
    InstanceExposed { path: PathBuf, mode: u32 },
    #[error("{path}: too large to sign: {source}", path = path.display())]
    TooLargeToSign { path: PathBuf, source: sealwax_attestation::Error },
    #[error("a passphrase is needed, and there is no terminal to ask for it")]
    NoTerminal,
    #[error("the environment variable {name} is not set to a text")]
    Variable { name: String },
    #[error("there is no home directory to keep an instance in")]
    NoHome,
    #[error("{path}: there is no instance", path = path.display())]
    NoInstance { path: PathBuf },
    #[error("{path}: {reason}", path = path.display())]
    BadInstance { path: PathBuf, reason: String },
    #[error("{path}: the move to the next shard was interrupted", path = path.display())]
    UnfinishedShard { path: PathBuf },
    #[error("{path}: a change of the authority was interrupted", path = path.display())]
    UnfinishedAuthority { path: PathBuf },
    #[error("{path}: the instance has no authority", path = path.display())]
    NoAuthority { path: PathBuf },
    #[error("{path}: {source}", path = path.display())]
    Authority { path: PathBuf, source: sealwax_authority::Error },
    #[error("{path}: {source}", path = path.display())]
    Ledger { path: PathBuf, source: rusqlite::Error },
    #[error("{path}: only what witnesses have cosigned is published, which takes the server", path = path.display())]
    WitnessesRequired { path: PathBuf, url: String },
    #[error("{path}: not a trusted root: {source}", path = path.display())]
    TrustedRoot { path: PathBuf, source: sealwax_attestation::Error },
    #[error("{path}: not a policy: {source}", path = path.display())]
    Policy { path: PathBuf, source: PolicyError },
    #[error("nothing is trusted under the name {name}")]
    NoTrust { name: String },
    #[error("{name}: {source}")]
    Trust { name: String, source: sealwax_trust::Error },
    #[error("{path}: {source}", path = path.display())]
    Repository { path: PathBuf, source: sealwax_trust::Error },
    #[error("{name}: {source}")]
    TrustFile { name: String, source: sealwax_attestation::Error },
    #[error("{url}: no repository is there")]
    NoRepository { url: String },
    #[error("{whence}: has not that fingerprint but {found}")]
    OtherFingerprint { whence: String, found: String },
    #[error("the log in {path}: {source}", path = path.display())]
    Log { path: PathBuf, source: LogError },
    #[error("the log in {path} is damaged in {places}", path = path.display(), places = count(damage))]
    LogDamaged { path: PathBuf, damage: Vec<Damage> },
    #[error("{path}: a log is there", path = path.display())]
    LogInTheWay { path: PathBuf },
    #[error("{path}: there is no witness", path = path.display())]
    NoWitness { path: PathBuf },
    #[error("the witness in {path}: {source}", path = path.display())]
    Witness { path: PathBuf, source: WitnessError },
    #[error("{whence}: {source}")]
    LogKey { whence: String, source: sealwax_tlog::Error },
    #[error("{0}")]
    Server(sealwax_server::Error),
    #[error("{0}")]
    Network(String),
    #[error("{url}: refused with {status}: {message}")]
    Refused { url: String, status: u16, message: String },
    #[error("{url}: not an answer of a log: {source}")]
    Answer { url: String, source: sealwax_attestation::Error },
    #[error("{url}: the answer does not prove that the entry is in the log: {rejection}")]
    Unproven { url: String, rejection: Box<Rejection> },
    #[error("{whence}: cannot be used as an identity token: {reason}")]
    IdentityToken { whence: String, reason: String },
    #[error("{issuer}: no identity: {reason}")]
    Login { issuer: String, reason: String },
    #[error("{url}: {reason}")]
    Service { url: String, reason: String },
    #[error("{needed} of the kind {what} needed, and these did not answer: {failures}", failures = list(failures))]
    TooFewAnswers { what: &'static str, needed: usize, failures: Vec<Error> },
    #[error("{path}: not a {what}: {source}", path = path.display())]
    Settings { path: PathBuf, what: &'static str, source: sealwax_attestation::Error },
    #[error("{0}")]
    Bug(String),
    #[error("cannot write the result: {0}")]
    Stdout(io::Error),
}

/// A verdict was reached, and it is no.
const REJECTED: u8 = 1;
/// The command line, or a file that it names, is not usable.
const USAGE: u8 = 2;
/// No verdict: something could not be read or written.
const COULD_NOT: u8 = 3;
/// The log contradicts what it signed before.
const LOG_MISBEHAVED: u8 = 4;
/// Sealwax itself is wrong.
pub(crate) const BUG: u8 = 70;

impl Error {
    fn exit_code(&self) -> u8 {
        match self {
            Self::Key { source, .. } if is_holders_failure(source) => COULD_NOT,
            Self::Token { source, .. } if is_tokens_failure(source) => COULD_NOT,
            Self::Rejected { .. }
            | Self::Unsignable { .. }
            | Self::TooLargeToSign { .. }
            | Self::OtherFingerprint { .. } => REJECTED,
            Self::Trust { source, .. } if source.is_refusal() => REJECTED,
            Self::Usage(_)
            | Self::Exists { .. }
            | Self::NotOurs { .. }
            | Self::LogInTheWay { .. }
            | Self::Key { .. }
            | Self::Token { .. }
            | Self::TokenUri(_)
            | Self::NoModule { .. }
            | Self::KeyExposed { .. }
            | Self::InstanceExposed { .. }
            | Self::Variable { .. }
            | Self::NoHome
            | Self::NoInstance { .. }
            | Self::NoAuthority { .. }
            | Self::Authority { .. }
            | Self::WitnessesRequired { .. }
            | Self::TrustedRoot { .. }
            | Self::NoTrust { .. }
            | Self::TrustFile { .. }
            | Self::Repository { .. }
            | Self::Policy { .. }
            | Self::NoWitness { .. }
            | Self::IdentityToken { .. }
            | Self::Settings { .. }
            | Self::LogKey { .. } => USAGE,
            Self::Witness { source, .. } if is_unusable_key(source) => USAGE,
            Self::LogDamaged { .. } | Self::Unproven { .. } => LOG_MISBEHAVED,
            Self::Server(ServerError::Log(source)) if source.is_misbehaviour() => LOG_MISBEHAVED,
            Self::Server(ServerError::Config(_) | ServerError::Tls(_) | ServerError::Witnesses(_)) => USAGE,
            Self::Log { source, .. } if source.is_misbehaviour() => LOG_MISBEHAVED,
            Self::Model { .. }
            | Self::NoBundle { .. }
            | Self::BeingSigned { .. }
            | Self::Io { .. }
            | Self::TooLarge { .. }
            | Self::NotAFile { .. }
            | Self::NoTerminal
            | Self::BadInstance { .. }
            | Self::UnfinishedShard { .. }
            | Self::UnfinishedAuthority { .. }
            | Self::Ledger { .. }
            | Self::Server(_)
            | Self::Network(_)
            | Self::Refused { .. }
            | Self::Answer { .. }
            | Self::Login { .. }
            | Self::Service { .. }
            | Self::TooFewAnswers { .. }
            | Self::Trust { .. }
            | Self::NoRepository { .. }
            | Self::Log { .. }
            | Self::Witness { .. }
            | Self::Stdout(_) => COULD_NOT,
            Self::Bug(_) => BUG,
        }
    }

    /// What to do about it.
    fn hint(&self) -> Option<String> {
        let hint = match self {
            Self::Rejected { rejection, .. } => return Some(rejection::hint(rejection).to_owned()),
            Self::Unsignable { source, .. } | Self::Model { source, .. } => model_hint(source)?,
            Self::NoBundle { model, .. } if model.extension().is_some_and(|extension| extension == "sig") => {
                "this looks like a bundle; name the model that it belongs to"
            }
            Self::NoBundle { .. } => "name the bundle, or sign the model first",
            Self::BeingSigned { .. } => "wait for it to finish and run the same command again",
            Self::TooLarge { .. } | Self::NotAFile { .. } => "check that this is the file you meant",
            Self::Exists { .. } => "choose another path or name; what is there is never overwritten",
            Self::LogInTheWay { .. } => {
                "--replace puts the backup in its place and keeps it beside as log.replaced-<n>"
            }
            Self::NotOurs { .. } => "choose another path with --signature, or move the file away",
            Self::Key { path, source } => return key_hint(path, source),
            Self::Token { source, .. } => token_hint(source)?,
            Self::TokenUri(sealwax_tokens::Error::PinInUri) => {
                "give the PIN by pin-source=file:/path, in SEALWAX_PIN or at the prompt; whoever saw the URI knows it now"
            }
            Self::TokenUri(_) => "docs/spec/tokens.md says what a URI may hold",
            Self::NoModule { .. } => {
                "add ?module-path=/path/of/the/module.so to the URI, or set SEALWAX_PKCS11_MODULE"
            }
            Self::KeyExposed { path, .. } => return Some(format!("chmod 600 '{}'", path.display())),
            Self::InstanceExposed { path, .. } => return Some(format!("chmod go-w '{}'", path.display())),
            Self::TooLargeToSign { .. } => {
                "no verifier reads a statement of that size: sign whole files, or larger byte ranges"
            }
            Self::NoTerminal => "give --passphrase-file FILE or --passphrase-env NAME",
            Self::Variable { .. } => "set the variable, or use --passphrase-file",
            Self::NoHome => "give --instance DIR or set SEALWAX_HOME",
            Self::NoInstance { .. } => {
                "`sealwax instance init` makes one; to verify without one, say whom you trust: --key PUB, or --identity NAME \
                 with --issuer URL; and --trusted-root FILE or --trust NAME"
            }
            Self::BadInstance { .. } => "restore the instance from a backup",
            Self::UnfinishedShard { .. } => "`sealwax log freeze --next` finishes it",
            Self::UnfinishedAuthority { .. } => "`sealwax authority create` finishes it",
            Self::NoAuthority { .. } => "`sealwax authority create` makes one",
            Self::Authority { .. } => {
                "the keys and certificates of the authority do not fit; restore them from a backup"
            }
            Self::Ledger { .. } => {
                "check the disk's free space and permissions, then run the same command again"
            }
            Self::WitnessesRequired { url, .. } => {
                return Some(format!(
                    "start `sealwax serve`, and sign with --key KEY --instance {url} --trusted-root FILE"
                ));
            }
            Self::TrustedRoot { .. } => "ask the signer for the output of `sealwax instance export`",
            Self::NoTrust { .. } => "`sealwax trust list` shows the names; `sealwax trust add` adds one",
            Self::Trust { source, .. } => trust_hint(source)?,
            Self::Repository { source, .. } => repository_hint(source)?,
            Self::TrustFile { .. } => {
                "give a trusted root, a client trust configuration, or a repository's root with --url; or use the newest sealwax"
            }
            Self::NoRepository { .. } => "a served instance has its repository at its URL followed by /tuf",
            Self::OtherFingerprint { .. } => {
                "nothing was added: ask the operator for the fingerprint by another way, and do not take it from the URL"
            }
            Self::Policy { .. } => "docs/spec/instance.md describes the form of a policy",
            Self::Log { source, .. } | Self::Server(ServerError::Log(source)) => log_hint(source)?,
            Self::Server(error) => server_hint(error)?,
            Self::Network(_) => "check the URL, and that the server runs and can be reached",
            Self::Refused { status: 503, .. } => "nothing was written; run the same command again later",
            Self::Refused { .. } | Self::Answer { .. } => {
                "nothing was written; check that the URL is that of a Rekor v2 log, and ask its operator"
            }
            Self::Unproven { .. } => {
                "nothing was written; tell the log's operator, and sign again once it answers rightly"
            }
            Self::LogDamaged { .. } => "restore what is named from a backup of the same log, and check again",
            Self::NoWitness { .. } => "`sealwax witness init DIR --name NAME` makes one",
            Self::Witness { source, .. } => witness_hint(source)?,
            Self::LogKey { .. } => "give the log's verifier key as one line: NAME+ID+KEY",
            Self::IdentityToken { .. } => "get a new one: they are made for one use and live for minutes",
            Self::Login { .. } => {
                "nothing was signed; log in again, or give a token with --identity-token FILE or a key with --key"
            }
            Self::Service { .. } => "nothing was written; ask whoever runs the service",
            Self::TooFewAnswers { failures, .. } => return failures.first().and_then(Self::hint),
            Self::Settings { .. } => "ask whoever runs the services for their client trust configuration",
            Self::Bug(_) => "please report this, with the command that you typed",
            Self::Io { source, .. } => io_hint(source)?,
            Self::Usage(_) | Self::Stdout(_) => return None,
        };
        Some(hint.to_owned())
    }

    fn to_json(&self) -> Value {
        let mut object = json!({
            "verdict": if self.exit_code() == REJECTED { "rejected" } else { "error" },
            "message": shorten(&self.to_string()),
            "exit_code": self.exit_code(),
        });
        let Some(fields) = object.as_object_mut() else { return object };
        if let Some(hint) = self.hint() {
            fields.insert("hint".to_owned(), Value::from(hint));
        }
        if let Self::LogDamaged { damage, .. } = self {
            let row = |damage: &Damage| json!({"path": damage.path, "what": damage.what});
            fields.insert("damage".to_owned(), damage.iter().map(row).collect());
        }
        if let Self::Rejected { rejection, .. } = self {
            fields.insert("code".to_owned(), Value::from(rejection.code()));
            fields.insert("fault".to_owned(), Value::from(rejection.fault().name()));
            if let Rejection::ModelDiffers(difference) = rejection.as_ref() {
                fields.insert("missing".to_owned(), Value::from(difference.missing.clone()));
                fields.insert("extra".to_owned(), Value::from(difference.extra.clone()));
                fields.insert("changed".to_owned(), Value::from(difference.changed.clone()));
            }
        }
        object
    }
}

/// Tells the person, and programs where they asked, and gives the exit code.
pub(crate) fn report(error: &Error, terminal: Terminal) -> ExitCode {
    let code = match error {
        Error::Rejected { rejection, .. } => format!("error[{}]:", rejection.code()),
        _ => "error:".to_owned(),
    };
    terminal.complain(&code, &error.to_string());
    if let Error::Rejected { rejection, .. } = error
        && let Rejection::ModelDiffers(difference) = rejection.as_ref()
    {
        let kinds = [
            ("missing", &difference.missing),
            ("extra", &difference.extra),
            ("changed", &difference.changed),
        ];
        for (kind, names) in kinds {
            for name in names.iter().take(SHOWN_DIFFERENCES) {
                terminal.complain(&format!("  {kind}:"), name);
            }
            if let Some(more) = names.len().checked_sub(SHOWN_DIFFERENCES).filter(|&more| more > 0) {
                terminal.complain(&format!("  {kind}:"), &format!("and {more} more; --json lists them all"));
            }
        }
    }
    if let Error::LogDamaged { damage, .. } = error {
        for Damage { path, what } in damage {
            terminal.complain("  damaged:", &format!("{path}: {what}"));
        }
    }
    if let Some(hint) = error.hint() {
        terminal.advise(&hint);
    }
    // The exit code is never success here, so a closed stdout changes nothing.
    let _ = terminal.json(&error.to_json());
    ExitCode::from(error.exit_code())
}

/// Prints what clap has to say. Help that was asked for is a success, provided that it could be printed.
pub(crate) fn clap_exit(error: &clap::Error, terminal: Terminal) -> ExitCode {
    let printed = error.print();
    match error.kind() {
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion if printed.is_ok() => ExitCode::SUCCESS,
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => ExitCode::from(COULD_NOT),
        _ => {
            let text = error.to_string();
            let message = text.lines().next().unwrap_or_default().trim_start_matches("error: ");
            let _ = terminal.json(&json!({"verdict": "error", "message": message, "exit_code": USAGE}));
            ExitCode::from(USAGE)
        }
    }
}

/// Tells what a panic leaves to tell; its own words are on stderr already.
pub(crate) fn panic_exit(terminal: Terminal) -> ExitCode {
    let _ = terminal.json(&json!({"verdict": "error", "message": "a bug in sealwax", "exit_code": BUG}));
    ExitCode::from(BUG)
}

fn list(failures: &[Error]) -> String {
    failures.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
}

fn count(damage: &[Damage]) -> String {
    crate::terminal::count(u64::try_from(damage.len()).unwrap_or(u64::MAX), "place")
}

/// What the model room says, without the path that already stands before it.
fn of_model(path: &std::path::Path, source: &ModelError) -> String {
    let text = source.to_string();
    let path = format!("{}: ", path.display());
    text.strip_prefix(&path).or_else(|| text.strip_prefix(".: ")).unwrap_or(&text).to_owned()
}

fn model_hint(error: &ModelError) -> Option<&'static str> {
    Some(match error {
        ModelError::NotFound { .. } => "check the path",
        ModelError::Unreadable { .. } => "check the permissions",
        ModelError::BadName { .. } | ModelError::Twins { .. } => {
            "rename it: every system that gets the model must be able to hold it under the same name"
        }
        ModelError::Symlink { .. } => {
            "replace the link by the file; --allow-symlinks signs what links inside the model lead to"
        }
        ModelError::SymlinkEscapes { .. }
        | ModelError::SymlinkLoop { .. }
        | ModelError::SymlinkDangles { .. } => "replace the link by the file",
        ModelError::SpecialFile { .. } => "remove it, or leave it out with --ignore-path",
        ModelError::Empty => "a signature over nothing would say nothing; check the path and what is ignored",
        ModelError::ChangedWhileHashing { .. } => "wait until nobody writes to the model, and try again",
        ModelError::EmptyFileInShards { .. } => "sign whole files instead, without --shard-size",
        _ => return None,
    })
}

fn log_hint(error: &LogError) -> Option<&'static str> {
    Some(match error {
        LogError::Busy { .. } => {
            "wait for the other sealwax to finish and run the same command again; while the log is served, sign with --instance URL"
        }
        LogError::Damaged { .. } => {
            "nothing was signed; `sealwax log fsck` names all damage; restore it from a backup of the same log"
        }
        LogError::RolledBack { .. } => {
            "nothing was signed: going on from an older copy would sign a second history; restore the newest copy of the named part"
        }
        LogError::AnchorMissing { .. } => {
            "nothing was signed: without it the log does not know what it signed last; restore anchor.db from its newest backup"
        }
        LogError::Behind { .. } => {
            "nothing was signed: restore the newest copy of the log; if it is lost, freeze this one and start the next shard with `sealwax log freeze --next`"
        }
        LogError::NotLive { mode: Mode::Restored } => {
            "set log.anchor or [witnesses] in serve.toml to what remembers its last checkpoint, and serve; or start the next shard with `sealwax log freeze --next`"
        }
        LogError::NotLive { .. } => {
            "it can be read and verified; `sealwax log freeze --next` starts the next shard"
        }
        LogError::Unpublished => {
            "start `sealwax serve`, with the witnesses where it has any, which publishes it"
        }
        LogError::Contradicted { .. } => {
            "stop using this log, and keep it as evidence; a mirror keeps both signed notes in evidence/, which prove it to anybody"
        }
        LogError::Fork { .. } => "stop using this log and keep it as evidence; make a new instance",
        LogError::Overtaken => "run the same command again",
        LogError::WrongKey { .. } => {
            "the checkpoint was damaged or replaced, or keys/log.pem is another log's key; restore from a backup"
        }
        LogError::NewerSchema { .. } => "use the newer sealwax that wrote it",
        LogError::Io { source, .. } => io_hint(source)?,
        LogError::Database { .. } => {
            "check the disk's free space and permissions, then run the same command again"
        }
        _ => return None,
    })
}

fn trust_hint(error: &sealwax_trust::Error) -> Option<&'static str> {
    use sealwax_trust::Error as Trust;
    Some(match error {
        Trust::Unreachable { .. } | Trust::Absent { .. } => {
            "what was good before still is; check the URL, and run the same command again later"
        }
        Trust::Expired { .. } => {
            "what was good before still is; somebody holds the newest state back, or the operator has not renewed it: ask them, and check this machine's clock"
        }
        Trust::TrustedRoot(_) => "what was good before still is; use the newest sealwax",
        Trust::TooManyRoots { .. } => "run the same command again: it goes on from where it got to",
        Trust::NeverUpdated => "`sealwax trust refresh` fetches it",
        _ => "what was good before still is; do not trust this server, and tell the operator",
    })
}

fn repository_hint(error: &sealwax_trust::Error) -> Option<&'static str> {
    use sealwax_trust::Error as Trust;
    Some(match error {
        Trust::NotStarted => "`sealwax trust publish init` makes one",
        Trust::KeyKind(_) => "`sealwax key generate --kind p256` makes one that every client reads",
        Trust::Threshold { .. } => "give as many keys as must sign, or more, and each once",
        Trust::CannotSign { .. } => {
            "restore keys/repository/ from a backup, or give the role a new key with `trust publish rotate`"
        }
        _ => return None,
    })
}

/// Whether a key that was given for a log cannot be one, rather than the machine failing.
fn is_unusable_key(error: &WitnessError) -> bool {
    matches!(error, WitnessError::OwnKey { .. } | WitnessError::NotALogKey { .. } | WitnessError::Tlog(_))
}

fn witness_hint(error: &WitnessError) -> Option<&'static str> {
    Some(match error {
        WitnessError::Busy { .. } => {
            "stop the `sealwax witness serve` that holds it, and start it again after"
        }
        WitnessError::NotFound { .. } | WitnessError::Damaged { .. } => {
            "nothing was cosigned: restore the newest state, or retire this witness and make another; one that has forgotten what it cosigned must not go on with its key"
        }
        WitnessError::OwnKey { .. } => "a log cannot be its own witness; use another key for one of them",
        WitnessError::NotALogKey { .. } => "give the key that signs the log's checkpoints",
        WitnessError::NewerSchema { .. } => "use the newer sealwax that wrote it",
        WitnessError::NoClock => "set the clock",
        WitnessError::Io { source, .. } => io_hint(source)?,
        WitnessError::Database { .. } => "check the disk's free space and permissions",
        _ => return None,
    })
}

fn server_hint(error: &ServerError) -> Option<&'static str> {
    Some(match error {
        ServerError::Config(_) => "docs/spec/server.md describes every setting",
        ServerError::Listen { .. } => {
            "choose another address with --listen; ports below 1024 need privileges"
        }
        ServerError::Tls(_) => "give a PEM chain, leaf first, and the leaf's unencrypted PEM key",
        ServerError::Unconfirmed { .. } => {
            "start the witnesses, or take require = true out of [witnesses] and go without their word"
        }
        _ => return None,
    })
}

fn key_hint(path: &std::path::Path, error: &sealwax_keys::Error) -> Option<String> {
    use sealwax_keys::Error as Key;
    let path = path.display();
    Some(match error {
        Key::WeakEncryption { .. } => {
            format!("convert it: openssl pkcs8 -topk8 -v2 aes-256-cbc -in '{path}' -out '{path}.new'")
        }
        Key::WrongPassphrase => "try the passphrase again".to_owned(),
        Key::PrivateKeyGiven => "give the public key; `sealwax key show` prints it".to_owned(),
        Key::PublicKeyGiven => "give the private key".to_owned(),
        Key::CertificateGiven => {
            "give a key; certificates go to --certificate and --certificate-chain".to_owned()
        }
        Key::UnsupportedKey { .. } => {
            "Sealwax signs with ECDSA P-256, P-384 and Ed25519: `sealwax key generate`".to_owned()
        }
        _ => return None,
    })
}

/// Whether who holds the key failed, rather than the key being the wrong one.
fn is_holders_failure(error: &sealwax_keys::Error) -> bool {
    matches!(error, sealwax_keys::Error::Holder { .. } | sealwax_keys::Error::HolderSignature)
}

/// Whether the token failed or is not there, rather than the URI or the PIN being wrong.
fn is_tokens_failure(error: &sealwax_tokens::Error) -> bool {
    use sealwax_tokens::Error as Token;
    matches!(error, Token::Module { .. } | Token::NoToken | Token::PinLocked | Token::Token { .. })
}

fn token_hint(error: &sealwax_tokens::Error) -> Option<&'static str> {
    use sealwax_tokens::Error as Token;
    Some(match error {
        Token::Module { .. } | Token::RelativeModule => {
            "give the absolute path of the token's PKCS#11 module, a shared library"
        }
        Token::NoToken => "put the token in, and check the token attribute of the URI",
        Token::ManyTokens { .. } => "say which: add serial=… to the URI",
        Token::WrongPin { .. } => "check the PIN: most tokens lock after a few wrong ones",
        Token::PinLocked => "the token's security officer can set a new PIN",
        Token::NoKey => "check object and id in the URI; `sealwax key generate --token URI` makes a key",
        Token::PublicOnly => "the private half is in another token, or was never in this one",
        Token::ManyKeys { .. } => "say which: add id=… to the URI",
        Token::Exists => "choose another name; existing keys are never replaced",
        Token::NotForSigning => "the key was made for something else; use another",
        Token::NoPublicHalf => "write the public key into the token, with the private one's id",
        _ => return None,
    })
}

fn io_hint(error: &io::Error) -> Option<&'static str> {
    match error.kind() {
        io::ErrorKind::NotFound => Some("check the path"),
        io::ErrorKind::PermissionDenied => Some("check the permissions"),
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
            Some("make room and run the same command again; nothing was left half-written")
        }
        _ => None,
    }
}

/// Differences of one kind that are shown to a person.
const SHOWN_DIFFERENCES: usize = 20;

//! `sealwax key generate` and `sealwax key show`

use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use clap::{Args, Subcommand, ValueEnum};
use serde_json::{Value, json};

use sealwax_keys::{KeyKind, PublicKey, SecretKey};

use crate::error::Error;
use crate::files;
use crate::key_files::{self, PassphraseOptions};
use crate::terminal::Tone;
use crate::world::World;

#[derive(Debug, Subcommand)]
pub(crate) enum Action {
    /// Make a new private key, readable by its owner only
    Generate(Generate),
    /// Show the public half of a key: PEM, fingerprints, OMS hint
    Show(Show),
}

#[derive(Debug, Args)]
pub(crate) struct Generate {
    /// Where to write the private key (PKCS#8 PEM); never overwritten
    #[arg(value_name = "FILE")]
    path: PathBuf,

    /// What kind of key
    #[arg(long, value_enum, default_value_t = Kind::P256)]
    kind: Kind,

    /// Encrypt it with a passphrase, asked for unless one of the options below names its source
    #[arg(long)]
    encrypt: bool,

    #[command(flatten)]
    passphrase: PassphraseOptions,
}

#[derive(Debug, Args)]
pub(crate) struct Show {
    /// A private or public key [default: the instance's signing key]
    #[arg(value_name = "FILE")]
    path: Option<PathBuf>,

    #[command(flatten)]
    passphrase: PassphraseOptions,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Kind {
    /// ECDSA on NIST P-256: every other tool reads it
    P256,
    /// ECDSA on NIST P-384
    P384,
    /// Ed25519; model_signing does not read it
    Ed25519,
}

pub(crate) fn run(action: &Action, world: &World) -> Result<(), Error> {
    match action {
        Action::Generate(options) => generate(options, world),
        Action::Show(options) => show(options, world),
    }
}

fn generate(options: &Generate, world: &World) -> Result<(), Error> {
    let path = &options.path;
    if path.symlink_metadata().is_ok() {
        return Err(Error::Exists { path: path.clone() });
    }
    let passphrase = (options.encrypt || options.passphrase.given())
        .then(|| options.passphrase.choose(world))
        .transpose()?;
    let kind = match options.kind {
        Kind::P256 => KeyKind::P256,
        Kind::P384 => KeyKind::P384,
        Kind::Ed25519 => KeyKind::Ed25519,
    };
    let key_error = |source| Error::Key { path: path.clone(), source };
    let key = SecretKey::generate(kind).map_err(key_error)?;
    let pem = key.to_pkcs8_pem(passphrase.as_ref().map(|text| text.as_str())).map_err(key_error)?;
    files::create_private(path, &pem)?;
    world.terminal.say(Tone::Good, "made", &format!("{} ({kind})", path.display()));
    print(key.public_key(), world)
}

fn show(options: &Show, world: &World) -> Result<(), Error> {
    let path = match &options.path {
        Some(path) => path.clone(),
        None => crate::instance::Instance::open(&world.instance_dir()?)?.signing_public_key(),
    };
    print(&public_half(&path, &options.passphrase, world)?, world)
}

/// Reads a public key, or the public half of a private one.
fn public_half(path: &Path, passphrase: &PassphraseOptions, world: &World) -> Result<PublicKey, Error> {
    match key_files::read_public(path) {
        Err(Error::Key { source: sealwax_keys::Error::PrivateKeyGiven, .. }) => {
            Ok(key_files::read_secret(path, passphrase, world)?.public_key().clone())
        }
        read => read,
    }
}

fn print(key: &PublicKey, world: &World) -> Result<(), Error> {
    let terminal = world.terminal;
    if !terminal.json {
        terminal.result(Tone::Plain, "kind       ", &key.kind().to_string())?;
        terminal.result(Tone::Plain, "fingerprint", &fingerprint(key))?;
        terminal.result(Tone::Plain, "sha256     ", &hex::encode(key.fingerprint()))?;
        terminal.result(Tone::Plain, "OMS hint   ", &key.oms_hint())?;
        return terminal.raw(&key.to_pem());
    }
    terminal.json(&to_json(key))
}

/// SHA-256 of the SubjectPublicKeyInfo, written the way OpenSSH writes fingerprints.
pub(crate) fn fingerprint(key: &PublicKey) -> String {
    format!("SHA256:{}", STANDARD_NO_PAD.encode(key.fingerprint()))
}

/// The key as programs read it.
pub(crate) fn to_json(key: &PublicKey) -> Value {
    json!({
        "kind": key.kind().to_string(),
        "fingerprint": fingerprint(key),
        "sha256": hex::encode(key.fingerprint()),
        "oms_hint": key.oms_hint(),
        "public_key": key.to_pem(),
    })
}

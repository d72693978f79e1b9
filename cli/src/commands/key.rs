//! `sealwax key generate` and `sealwax key show`

use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use clap::{Args, Subcommand, ValueEnum};
use serde_json::{Value, json};

use sealwax_keys::{KeyKind, PublicKey, SecretKey};

use crate::error::Error;
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
    #[arg(value_name = "FILE", required_unless_present = "token")]
    path: Option<PathBuf>,

    /// Make it in a PKCS#11 token, which it never leaves; URI names token and key: pkcs11:token=…;object=…
    #[arg(long, value_name = "URI", conflicts_with_all = ["path", "encrypt"])]
    token: Option<String>,

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
    /// A private or public key, or the pkcs11: URI of one in a token [default: the instance's signing key]
    #[arg(value_name = "KEY")]
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
    let kind = match options.kind {
        Kind::P256 => KeyKind::P256,
        Kind::P384 => KeyKind::P384,
        Kind::Ed25519 => KeyKind::Ed25519,
    };
    let key = match (&options.path, &options.token) {
        (Some(path), _) => generate_file(path, kind, options, world)?,
        (None, Some(uri)) => {
            let key = key_files::generate_in_token(uri, kind, &options.passphrase, world)?;
            world.terminal.say(
                Tone::Good,
                "made",
                &format!("{} ({kind})", key_files::name_of(Path::new(uri))),
            );
            key
        }
        (None, None) => return Err(Error::Usage("where shall the key be made?".to_owned())),
    };
    print(key.public_key(), world)
}

fn generate_file(path: &Path, kind: KeyKind, options: &Generate, world: &World) -> Result<SecretKey, Error> {
    if path.symlink_metadata().is_ok() {
        return Err(Error::Exists { path: path.to_owned() });
    }
    let passphrase = (options.encrypt || options.passphrase.given())
        .then(|| options.passphrase.choose(world))
        .transpose()?;
    let passphrase = passphrase.as_ref().map(|text| text.as_str());
    let key = key_files::create_own_secret(path, kind, None, passphrase, world)?;
    world.terminal.say(Tone::Good, "made", &format!("{} ({kind})", path.display()));
    Ok(key)
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
    if key_files::token_uri(path).is_some() {
        return Ok(key_files::read_secret(path, passphrase, world)?.public_key().clone());
    }
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

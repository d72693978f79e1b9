//! Private keys: files that are made for the owner only and read only where nobody else can, and keys in tokens.
//!
//! Where a person names a key, a text that starts with `pkcs11:` is the URI of one in a token. A key file of an instance or a
//! witness, which Sealwax made itself, may hold such a URI in place of the key. No other file may: a URI names a program to
//! load, and a file that came from somewhere must not decide that.

use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use clap::Args;
use sealwax_keys::{Certificate, KeyFile, KeyKind, PublicKey, SecretKey};
use sealwax_tokens::{KeyUri, Token};
use zeroize::Zeroizing;

use crate::error::Error;
use crate::escape::escape;
use crate::files::{create_private, io_error, open_regular, read_capped, read_file, read_stream};
use crate::world::World;

/// Where a passphrase comes from. Never an argument: those are public on the machine.
#[derive(Debug, Default, Args)]
#[command(next_help_heading = "Passphrase")]
pub(crate) struct PassphraseOptions {
    /// Read the key's passphrase, or its token's PIN, from the first line of FILE, which may be a pipe
    #[arg(long, value_name = "FILE", conflicts_with = "passphrase_env")]
    pub(crate) passphrase_file: Option<PathBuf>,

    /// Read the key's passphrase, or its token's PIN, from the environment variable NAME
    #[arg(long, value_name = "NAME")]
    pub(crate) passphrase_env: Option<String>,
}

impl PassphraseOptions {
    /// Whether the person named a source.
    pub(crate) fn given(&self) -> bool {
        self.passphrase_file.is_some() || self.passphrase_env.is_some()
    }

    /// Gets the passphrase for an existing key.
    pub(crate) fn get(&self, world: &World, path: &Path) -> Result<Zeroizing<String>, Error> {
        match self.configured(world)? {
            Some(passphrase) => Ok(passphrase),
            None => prompt(&format!("Passphrase for {}: ", escape(&path.display().to_string()))),
        }
    }

    /// Gets a passphrase for a new key, asking twice.
    pub(crate) fn choose(&self, world: &World) -> Result<Zeroizing<String>, Error> {
        let passphrase = match self.configured(world)? {
            Some(passphrase) => passphrase,
            None => {
                let first = prompt("New passphrase: ")?;
                if *prompt("Again: ")? != *first {
                    return Err(Error::Usage("the two passphrases differ".to_owned()));
                }
                first
            }
        };
        if passphrase.is_empty() {
            return Err(Error::Usage("the passphrase is empty".to_owned()));
        }
        Ok(passphrase)
    }

    /// Gets the passphrase from the source that the person named, if they did.
    pub(crate) fn configured(&self, world: &World) -> Result<Option<Zeroizing<String>>, Error> {
        if let Some(path) = &self.passphrase_file {
            return first_line(&Zeroizing::new(read_stream(path, MAX_KEY_FILE)?), path).map(Some);
        }
        self.passphrase_env.as_ref().map(|name| world.variable(name).map(Zeroizing::new)).transpose()
    }
}

/// Reads a private key that nobody but its owner can read, or opens the one in a token that a `pkcs11:` URI names.
///
/// # Errors
/// [`Error::KeyExposed`] for a file that group or others can read, [`Error::NotAFile`] for anything but a regular file, and
/// what is wrong with the key, or with the token.
pub(crate) fn read_secret(
    path: &Path,
    passphrase: &PassphraseOptions,
    world: &World,
) -> Result<SecretKey, Error> {
    match token_uri(path) {
        Some(uri) => InToken::find(uri, world)?.open(passphrase, world),
        None => parse_secret(&read_private_text(path)?, path, passphrase, world),
    }
}

/// Reads a private key file that Sealwax made, which may hold the URI of a key in a token.
///
/// # Errors
/// As [`read_secret`].
pub(crate) fn read_own_secret(
    path: &Path,
    passphrase: &PassphraseOptions,
    world: &World,
) -> Result<SecretKey, Error> {
    let text = read_private_text(path)?;
    match std::str::from_utf8(&text).map(str::trim_end) {
        Ok(uri) if KeyUri::is_meant_by(uri) => InToken::find(uri, world)?.open(passphrase, world),
        _ => parse_secret(&text, path, passphrase, world),
    }
}

/// Makes a private key file of our own: of a new key, or of the URI of one that is in a token.
///
/// # Errors
/// [`Error::Exists`], [`Error::Usage`] for what is not a URI, and what is wrong with the token.
pub(crate) fn create_own_secret(
    path: &Path,
    kind: KeyKind,
    in_token: Option<&Path>,
    passphrase: Option<&str>,
    world: &World,
) -> Result<SecretKey, Error> {
    let key_error = |source| Error::Key { path: path.to_owned(), source };
    let Some(given) = in_token else {
        let key = SecretKey::generate(kind).map_err(key_error)?;
        create_private(path, &key.to_pkcs8_pem(passphrase).map_err(key_error)?)?;
        return Ok(key);
    };
    // Notes are signed by Ed25519 and nothing else; who signs models has the choice.
    let key = match kind {
        KeyKind::Ed25519 => read_note_key(given, world)?,
        _ => read_token(given, world)?,
    };
    create_private(path, &format!("{}\n", given.display()))?;
    Ok(key)
}

/// Opens a key for a log or a witness, which must be in a token.
///
/// # Errors
/// [`Error::Usage`] for what is not a URI or not an Ed25519 key, and what is wrong with the token.
pub(crate) fn read_note_key(given: &Path, world: &World) -> Result<SecretKey, Error> {
    let key = read_token(given, world)?;
    match key.public_key().kind() {
        KeyKind::Ed25519 => Ok(key),
        kind => Err(Error::Usage(format!("{}: {kind}, where an Ed25519 key is needed", name_of(given)))),
    }
}

fn read_token(given: &Path, world: &World) -> Result<SecretKey, Error> {
    let what = "not a pkcs11: URI; without one, a key is made";
    let uri = token_uri(given).ok_or_else(|| Error::Usage(format!("{}: {what}", given.display())))?;
    InToken::find(uri, world)?.open(&PassphraseOptions::default(), world)
}

/// Makes a key in a token.
///
/// # Errors
/// [`Error::Usage`] for what is not a URI, and what is wrong with the token.
pub(crate) fn generate_in_token(
    uri: &str,
    kind: KeyKind,
    passphrase: &PassphraseOptions,
    world: &World,
) -> Result<SecretKey, Error> {
    InToken::find(uri, world)?.generate(kind, passphrase, world)
}

/// The URI of a key in a token, where the person named one instead of a file.
pub(crate) fn token_uri(path: &Path) -> Option<&str> {
    path.to_str().filter(|text| KeyUri::is_meant_by(text))
}

/// What a key is called in talk: a file by its path, a key in a token without where its module and its PIN are.
pub(crate) fn name_of(path: &Path) -> String {
    let text = path.display().to_string();
    token_uri(path).and_then(|uri| uri.split('?').next()).map_or(text, str::to_owned)
}

/// A key that a URI names, and its token, which is there.
struct InToken {
    name: String,
    uri: KeyUri,
    token: Token,
}

impl InToken {
    fn find(text: &str, world: &World) -> Result<Self, Error> {
        // The text is not repeated: what is wrong with it may be that it holds the PIN.
        let uri = KeyUri::parse(text).map_err(Error::TokenUri)?;
        let name = name_of(Path::new(text));
        let module = match uri.module() {
            Some(path) => path.to_owned(),
            None => PathBuf::from(world.variable(MODULE).map_err(|_| Error::NoModule { uri: name.clone() })?),
        };
        // Who can write it runs in this process, with its keys.
        let metadata = module.metadata().map_err(|source| io_error("open", &module, source))?;
        if metadata.mode() & 0o022 != 0 {
            return Err(Error::InstanceExposed { path: module, mode: metadata.mode() & 0o777 });
        }
        let found = Token::find(&uri, &module);
        let token = found.map_err(|source| Error::Token { uri: name.clone(), source })?;
        Ok(Self { name, uri, token })
    }

    fn open(self, passphrase: &PassphraseOptions, world: &World) -> Result<SecretKey, Error> {
        let pin = self.pin(passphrase, world)?;
        self.token.open(pin).map_err(|source| Error::Token { uri: self.name, source })
    }

    fn generate(
        self,
        kind: KeyKind,
        passphrase: &PassphraseOptions,
        world: &World,
    ) -> Result<SecretKey, Error> {
        let pin = self.pin(passphrase, world)?;
        self.token.generate(kind, pin).map_err(|source| Error::Token { uri: self.name, source })
    }

    /// The PIN, from wherever the person has put it: never from an argument.
    fn pin(&self, passphrase: &PassphraseOptions, world: &World) -> Result<Option<Zeroizing<String>>, Error> {
        let wanted = self.token.wants_pin();
        if !wanted.map_err(|source| Error::Token { uri: self.name.clone(), source })? {
            return Ok(None);
        }
        if let Some(path) = self.uri.pin_source() {
            return first_line(&read_private_text(path)?, path).map(Some);
        }
        if let Some(pin) = passphrase.configured(world)? {
            return Ok(Some(pin));
        }
        if let Ok(pin) = world.variable(PIN) {
            return Ok(Some(Zeroizing::new(pin)));
        }
        prompt(&format!("PIN for {}: ", escape(&self.name))).map(Some)
    }
}

fn parse_secret(
    text: &[u8],
    path: &Path,
    passphrase: &PassphraseOptions,
    world: &World,
) -> Result<SecretKey, Error> {
    let key_error = |source| Error::Key { path: path.to_owned(), source };
    match KeyFile::parse(text).map_err(key_error)? {
        KeyFile::Plain(key) => Ok(key),
        KeyFile::Encrypted(key) => key.decrypt(&passphrase.get(world, path)?).map_err(key_error),
    }
}

/// Reads the text of a private key that nobody but its owner can read.
///
/// # Errors
/// As [`read_secret`], except for what the text says.
pub(crate) fn read_private_text(path: &Path) -> Result<Zeroizing<Vec<u8>>, Error> {
    let file = open_regular(path)?;
    let metadata = file.metadata().map_err(|source| io_error("read", path, source))?;
    // Checked on the open file, so that the path cannot be exchanged between check and use (attack K05).
    if metadata.mode() & 0o077 != 0 {
        return Err(Error::KeyExposed { path: path.to_owned(), mode: metadata.mode() & 0o777 });
    }
    read_file(file, path, MAX_KEY_FILE).map(Zeroizing::new)
}

/// Reads a public key.
pub(crate) fn read_public(path: &Path) -> Result<PublicKey, Error> {
    let text = read_capped(path, MAX_KEY_FILE)?;
    PublicKey::from_pem(&text).map_err(|source| Error::Key { path: path.to_owned(), source })
}

/// Reads PEM certificates.
pub(crate) fn read_certificates(path: &Path) -> Result<Vec<Certificate>, Error> {
    let text = read_capped(path, MAX_CERTIFICATE_FILE)?;
    Certificate::from_pem_chain(&text).map_err(|source| Error::Key { path: path.to_owned(), source })
}

fn first_line(text: &[u8], path: &Path) -> Result<Zeroizing<String>, Error> {
    let text =
        std::str::from_utf8(text).map_err(|_| Error::Usage(format!("{}: not text", path.display())))?;
    Ok(Zeroizing::new(text.lines().next().unwrap_or_default().to_owned()))
}

fn prompt(question: &str) -> Result<Zeroizing<String>, Error> {
    rpassword::prompt_password(question).map(Zeroizing::new).map_err(|_| Error::NoTerminal)
}

/// The variable with the path of the module, for a URI that names none.
const MODULE: &str = "SEALWAX_PKCS11_MODULE";
/// The variable with the PIN, for a URI that names no file.
const PIN: &str = "SEALWAX_PIN";
const MAX_KEY_FILE: u64 = 1 << 16;
const MAX_CERTIFICATE_FILE: u64 = 4 << 20;

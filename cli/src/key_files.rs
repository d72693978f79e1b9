//! Key files on disk: made for the owner only, and read only where nobody else can.

use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use clap::Args;
use sealwax_keys::{Certificate, KeyFile, PublicKey, SecretKey};
use zeroize::Zeroizing;

use crate::error::Error;
use crate::escape::escape;
use crate::files::{io_error, open_regular, read_capped, read_file, read_stream};
use crate::world::World;

/// Where a passphrase comes from. Never an argument: those are public on the machine.
#[derive(Debug, Default, Args)]
#[command(next_help_heading = "Passphrase")]
pub(crate) struct PassphraseOptions {
    /// Read the key's passphrase from the first line of FILE, which may be a pipe
    #[arg(long, value_name = "FILE", conflicts_with = "passphrase_env")]
    pub(crate) passphrase_file: Option<PathBuf>,

    /// Read the key's passphrase from the environment variable NAME
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

    fn configured(&self, world: &World) -> Result<Option<Zeroizing<String>>, Error> {
        if let Some(path) = &self.passphrase_file {
            let text = Zeroizing::new(read_stream(path, MAX_KEY_FILE)?);
            let text = std::str::from_utf8(&text)
                .map_err(|_| Error::Usage(format!("{}: not text", path.display())))?;
            return Ok(Some(Zeroizing::new(text.lines().next().unwrap_or_default().to_owned())));
        }
        self.passphrase_env.as_ref().map(|name| world.variable(name).map(Zeroizing::new)).transpose()
    }
}

/// Reads a private key that nobody but its owner can read.
///
/// # Errors
/// [`Error::KeyExposed`] for a file that group or others can read, [`Error::NotAFile`] for anything but a regular file, and
/// what is wrong with the key.
pub(crate) fn read_secret(
    path: &Path,
    passphrase: &PassphraseOptions,
    world: &World,
) -> Result<SecretKey, Error> {
    let text = read_private_text(path)?;
    let key_error = |source| Error::Key { path: path.to_owned(), source };
    match KeyFile::parse(&text).map_err(key_error)? {
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

fn prompt(question: &str) -> Result<Zeroizing<String>, Error> {
    rpassword::prompt_password(question).map(Zeroizing::new).map_err(|_| Error::NoTerminal)
}

const MAX_KEY_FILE: u64 = 1 << 16;
const MAX_CERTIFICATE_FILE: u64 = 4 << 20;

//! Key files on disk: made for the owner only, and read only where nobody else can.

use std::fs::{File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use clap::Args;
use sealwax_keys::{Certificate, KeyFile, PublicKey, SecretKey};
use zeroize::Zeroizing;

use crate::error::Error;
use crate::world::World;

/// Where a passphrase comes from. Never an argument: those are public on the machine.
#[derive(Debug, Default, Args)]
pub(crate) struct PassphraseOptions {
    /// Read the key's passphrase from the first line of FILE
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
            None => prompt(&format!("Passphrase for {}: ", path.display())),
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
            let text = Zeroizing::new(read_capped(path, MAX_KEY_FILE)?);
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
    let file = open_regular(path)?;
    let metadata = file.metadata().map_err(|source| io_error("read", path, source))?;
    // Checked on the open file, so that the path cannot be exchanged between check and use (attack K05).
    if metadata.mode() & 0o077 != 0 {
        return Err(Error::KeyExposed { path: path.to_owned(), mode: metadata.mode() & 0o777 });
    }
    let text = Zeroizing::new(read_file(file, path, MAX_KEY_FILE)?);
    let key_error = |source| Error::Key { path: path.to_owned(), source };
    match KeyFile::parse(&text).map_err(key_error)? {
        KeyFile::Plain(key) => Ok(key),
        KeyFile::Encrypted(key) => key.decrypt(&passphrase.get(world, path)?).map_err(key_error),
    }
}

/// Reads a public key, from its own PEM file or out of a private one that can be read as above.
pub(crate) fn read_public(path: &Path) -> Result<PublicKey, Error> {
    let text = read_capped(path, MAX_KEY_FILE)?;
    PublicKey::from_pem(&text).map_err(|source| Error::Key { path: path.to_owned(), source })
}

/// Reads PEM certificates.
pub(crate) fn read_certificates(path: &Path) -> Result<Vec<Certificate>, Error> {
    let text = read_capped(path, MAX_CERTIFICATE_FILE)?;
    Certificate::from_pem_chain(&text).map_err(|source| Error::Key { path: path.to_owned(), source })
}

/// Writes a new file that only its owner can read or write, whatever the umask, and syncs it and its directory.
///
/// # Errors
/// [`Error::Exists`] where there is one already: a key is never overwritten.
pub(crate) fn create_private(path: &Path, text: &str) -> Result<(), Error> {
    create(path, text, 0o600)
}

/// Writes a new file that everybody may read.
///
/// # Errors
/// As [`create_private`].
pub(crate) fn create_public(path: &Path, text: &str) -> Result<(), Error> {
    create(path, text, 0o644)
}

fn create(path: &Path, text: &str, mode: u32) -> Result<(), Error> {
    let made = OpenOptions::new().write(true).create_new(true).mode(mode).open(path);
    let mut file = made.map_err(|source| match source.kind() {
        io::ErrorKind::AlreadyExists => Error::Exists { path: path.to_owned() },
        _ => io_error("create", path, source),
    })?;
    let written =
        file.write_all(text.as_bytes()).and_then(|()| file.sync_all()).and_then(|()| sync_parent(path));
    written.map_err(|source| {
        // Half a key is worse than none.
        let _ = std::fs::remove_file(path);
        io_error("write", path, source)
    })
}

/// Makes a directory entry durable.
pub(crate) fn sync_parent(path: &Path) -> io::Result<()> {
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    File::open(parent)?.sync_all()
}

/// Reads a regular file of at most `limit` bytes.
///
/// # Errors
/// [`Error::NotAFile`] for a FIFO, device or directory, without waiting for it; [`Error::TooLarge`] before anything is
/// read.
pub(crate) fn read_capped(path: &Path, limit: u64) -> Result<Vec<u8>, Error> {
    read_file(open_regular(path)?, path, limit)
}

/// Opens without blocking: a FIFO with nobody at its other end would wait for ever (attack B10).
fn open_regular(path: &Path) -> Result<File, Error> {
    let flags = i32::try_from(rustix::fs::OFlags::NONBLOCK.bits()).unwrap_or(0);
    let opened = OpenOptions::new().read(true).custom_flags(flags).open(path);
    let file = opened.map_err(|source| io_error("open", path, source))?;
    let metadata = file.metadata().map_err(|source| io_error("read", path, source))?;
    if metadata.is_file() { Ok(file) } else { Err(Error::NotAFile { path: path.to_owned() }) }
}

fn read_file(file: File, path: &Path, limit: u64) -> Result<Vec<u8>, Error> {
    let size = file.metadata().map_err(|source| io_error("read", path, source))?.len();
    if size > limit {
        return Err(Error::TooLarge { path: path.to_owned(), size, limit });
    }
    let mut bytes = Vec::with_capacity(usize::try_from(size).unwrap_or(0));
    // One byte more than allowed, to notice a file that grows meanwhile.
    let read = file.take(limit.saturating_add(1)).read_to_end(&mut bytes);
    read.map_err(|source| io_error("read", path, source))?;
    match u64::try_from(bytes.len()) {
        Ok(size) if size <= limit => Ok(bytes),
        _ => Err(Error::TooLarge { path: path.to_owned(), size, limit }),
    }
}

pub(crate) fn io_error(action: &'static str, path: &Path, source: io::Error) -> Error {
    Error::Io { action, path: path.to_owned(), source }
}

fn prompt(question: &str) -> Result<Zeroizing<String>, Error> {
    rpassword::prompt_password(question).map(Zeroizing::new).map_err(|_| Error::NoTerminal)
}

const MAX_KEY_FILE: u64 = 1 << 16;
const MAX_CERTIFICATE_FILE: u64 = 4 << 20;

//! Reading the keys of an authority.

use std::cell::OnceCell;
use std::path::Path;

use zeroize::Zeroizing;

use sealwax_keys::{EncryptedKey, KeyFile, SecretKey};

use crate::error::Error;
use crate::key_files::{self, PassphraseOptions};
use crate::world::World;

/// Keys that may be encrypted, all with one passphrase, which is asked for once.
pub(super) struct Keys<'a> {
    pub(super) dir: &'a Path,
    pub(super) passphrase: &'a PassphraseOptions,
    pub(super) world: &'a World,
    pub(super) asked: OnceCell<Zeroizing<String>>,
}

impl Keys<'_> {
    pub(super) fn read(&self, name: &str) -> Result<SecretKey, Error> {
        self.read_at(&self.dir.join(name))
    }

    pub(super) fn read_at(&self, path: &Path) -> Result<SecretKey, Error> {
        let failed = |source| Error::Key { path: path.to_owned(), source };
        match self.encrypted(path)? {
            Some(key) => key.decrypt(&self.passphrase(path)?).map_err(failed),
            None => key_files::read_own_secret(path, self.passphrase, self.world),
        }
    }

    /// The key of a file, if it is there in encrypted form.
    pub(super) fn encrypted(&self, path: &Path) -> Result<Option<EncryptedKey>, Error> {
        Ok(match KeyFile::parse(&key_files::read_private_text(path)?) {
            Ok(KeyFile::Encrypted(key)) => Some(key),
            // What is wrong with it, if it is not a key in a token, is said by who reads it.
            Ok(KeyFile::Plain(_)) | Err(_) => None,
        })
    }

    pub(super) fn passphrase(&self, path: &Path) -> Result<Zeroizing<String>, Error> {
        if let Some(known) = self.asked.get() {
            return Ok(known.clone());
        }
        let passphrase = self.passphrase.get(self.world, path)?;
        Ok(self.asked.get_or_init(|| passphrase).clone())
    }
}

//! The repository (TUF) of an instance, by which whoever trusts the instance learns what changed.
//!
//! ```text
//! <dir>/repository/repository.json   where the instance is served
//! <dir>/repository/public/           what is served below /tuf
//! <dir>/repository/staged/           metadata that wait for signatures
//! <dir>/keys/repository/<id>.pem     the keys of its roles that are kept here, 0600
//! ```

use std::collections::BTreeMap;
use std::fs::{self, DirBuilder, File};
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};

use sealwax_attestation::json::{Json, Limits, parse};
use sealwax_keys::{KeyFile, KeyKind, PublicKey, SecretKey};
use sealwax_trust::{
    Advance, Repository, Role, RoleKeys, SIGNING_CONFIG, TRUSTED_ROOT, Work, fingerprint, key_id,
};
use serde_json::json;

use crate::error::Error;
use crate::files::{self, io_error};
use crate::key_files;
use crate::world::World;

use super::{Instance, MAX_SETTINGS};

/// The repository of an instance, held so that nobody else changes it.
pub(crate) struct Published<'a> {
    instance: &'a Instance,
    dir: PathBuf,
    _lock: File,
    /// What it is, to be changed and then brought into force by [`Published::advance`].
    pub(crate) repository: Repository,
    /// Where the instance is served.
    pub(crate) url: String,
}

impl Instance {
    /// Whether the instance has a repository.
    pub(crate) fn has_repository(&self) -> bool {
        self.repository_path().join(MARKER).is_file()
    }

    /// What is served of the repository.
    pub(crate) fn repository_public(&self) -> PathBuf {
        self.repository_path().join("public")
    }

    /// The repository's own files, what says which others belong together first: those stay while newer ones are added.
    ///
    /// # Errors
    /// [`Error::Io`] where a directory of it cannot be listed.
    pub(crate) fn repository_files(&self) -> Result<Vec<PathBuf>, Error> {
        let public = self.repository_public();
        let first = public.join("timestamp.json");
        let mut files = vec![first.clone(), self.repository_path().join(MARKER)];
        for dir in [&public, &public.join("targets"), &self.repository_path().join("staged")] {
            match fs::read_dir(dir) {
                Ok(entries) => {
                    files.extend(entries.flatten().map(|entry| entry.path()).filter(|path| *path != first));
                }
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
                Err(source) => return Err(io_error("list", dir, source)),
            }
        }
        Ok(files)
    }

    fn repository_path(&self) -> PathBuf {
        self.dir.join(REPOSITORY)
    }

    fn repository_keys(&self) -> PathBuf {
        self.dir.join(KEYS)
    }

    /// Starts a repository, whose first root is staged. A role that is given no keys gets one that is kept here.
    ///
    /// # Errors
    /// [`Error::Exists`] where there is one.
    pub(crate) fn start_repository(
        &self,
        url: &str,
        mut roles: BTreeMap<Role, RoleKeys>,
        passphrase: Option<&str>,
        world: &World,
    ) -> Result<Published<'_>, Error> {
        let dir = self.repository_path();
        if self.has_repository() {
            return Err(Error::Exists { path: dir });
        }
        for role in Role::ALL {
            if roles.get(&role).is_none_or(|assigned| assigned.keys.is_empty()) {
                let key = self.make_key(role, passphrase)?;
                roles.insert(role, RoleKeys { keys: vec![key], threshold: 1 });
            }
        }
        let wrong = |source| Error::Repository { path: dir.clone(), source };
        let repository = Repository::start(&roles, world.now()).map_err(wrong)?;
        for dir in [dir.clone(), dir.join("public/targets"), dir.join("staged")] {
            fs::create_dir_all(&dir).map_err(|source| io_error("create", &dir, source))?;
        }
        let lock = lock(&dir)?;
        write_marker(&dir, url)?;
        Ok(Published { instance: self, dir, _lock: lock, repository, url: url.to_owned() })
    }

    /// Opens the repository.
    ///
    /// # Errors
    /// [`Error::Repository`] where there is none, and what is wrong with it.
    pub(crate) fn open_repository(&self) -> Result<Published<'_>, Error> {
        let dir = self.repository_path();
        let wrong = |source| Error::Repository { path: dir.clone(), source };
        if !self.has_repository() {
            return Err(wrong(sealwax_trust::Error::NotStarted));
        }
        let lock = lock(&dir)?;
        let path = dir.join(MARKER);
        let url = read_marker(&files::read_capped(&path, MAX_SETTINGS)?)
            .map_err(|source| Error::BadInstance { path, reason: source.to_string() })?;
        let repository = Repository::open(&|name, limit| read(&dir, name, limit)).map_err(wrong)?;
        Ok(Published { instance: self, dir, _lock: lock, repository, url })
    }

    /// Makes a key that is kept here. Those of root and targets may be encrypted; the others sign every day.
    fn make_key(&self, role: Role, passphrase: Option<&str>) -> Result<PublicKey, Error> {
        let dir = self.repository_keys();
        if !dir.is_dir() {
            let made = DirBuilder::new().recursive(true).mode(0o700).create(&dir);
            made.map_err(|source| io_error("create", &dir, source))?;
        }
        let wrong = |source| Error::Key { path: dir.clone(), source };
        let key = SecretKey::generate(KeyKind::P256).map_err(wrong)?;
        let passphrase = passphrase.filter(|_| matches!(role, Role::Root | Role::Targets));
        let public = key.public_key().clone();
        let id = key_id(&public).map_err(|source| Error::Repository { path: dir.clone(), source })?;
        files::create_private(&dir.join(format!("{id}.pem")), &key.to_pkcs8_pem(passphrase).map_err(wrong)?)?;
        Ok(public)
    }
}

impl Published<'_> {
    /// Gives a role these keys, or a new one that is kept here. Nothing changes before [`Published::advance`].
    pub(crate) fn rotate(
        &mut self,
        role: Role,
        mut keys: RoleKeys,
        passphrase: Option<&str>,
        world: &World,
    ) -> Result<(), Error> {
        if keys.keys.is_empty() {
            keys.keys.push(self.instance.make_key(role, passphrase)?);
        }
        self.repository.assign(role, &keys, world.now()).map_err(|source| self.wrong(source))
    }

    /// Says where the instance is served.
    pub(crate) fn move_to(&mut self, url: &str) -> Result<(), Error> {
        url.clone_into(&mut self.url);
        write_marker(&self.dir, url)
    }

    /// Writes and signs what changed or is due, with the keys that are kept here; those that are encrypted only where a
    /// passphrase is given. Keys that have done their duty are removed.
    ///
    /// # Errors
    /// [`Error::Repository`]; nothing is written then.
    pub(crate) fn advance(
        &self,
        renew: &[Role],
        passphrase: Option<&str>,
        world: &World,
    ) -> Result<Advance, Error> {
        let (keys, files) = (self.keys(passphrase)?, self.files()?);
        let work = Work { keys: &keys, files: &files, renew, now: world.now() };
        let advance = self
            .repository
            .advance(&work, &|name, limit| read(&self.dir, name, limit))
            .map_err(|source| self.wrong(source))?;
        for (name, bytes) in &advance.writes {
            files::replace_public(&self.dir.join(name), &String::from_utf8_lossy(bytes))?;
        }
        for name in &advance.removals {
            remove(&self.dir.join(name))?;
        }
        for (path, id) in self.key_files() {
            if !advance.keys.contains(&id) {
                remove(&path)?;
            }
        }
        Ok(advance)
    }

    /// Reads the repository from the disk again.
    pub(crate) fn reopened(&self) -> Result<Repository, Error> {
        Repository::open(&|name, limit| read(&self.dir, name, limit)).map_err(|source| self.wrong(source))
    }

    /// The fingerprint of a version of the root that is in force.
    pub(crate) fn fingerprint(&self, version: u64) -> Result<String, Error> {
        let path = self.dir.join(format!("public/{version}.root.json"));
        files::read_capped(&path, MAX_SETTINGS).map(|root| fingerprint(&root))
    }

    /// Where metadata wait for signatures.
    pub(crate) fn staged(&self, role: Role) -> PathBuf {
        self.dir.join(format!("staged/{role}.json"))
    }

    /// The names of the keys that are kept here.
    pub(crate) fn own_keys(&self) -> Vec<String> {
        self.key_files().into_iter().map(|(_, id)| id).collect()
    }

    /// What is handed out, each read by its reader first, so that nothing broken is.
    fn files(&self) -> Result<BTreeMap<String, Vec<u8>>, Error> {
        self.instance.trusted_root()?;
        let root = files::read_capped(&self.instance.trusted_root_path(), MAX_SETTINGS)?;
        let config = self.instance.signing_config(&self.url)?.to_json().into_bytes();
        Ok(BTreeMap::from([(TRUSTED_ROOT.to_owned(), root), (SIGNING_CONFIG.to_owned(), config)]))
    }

    fn keys(&self, passphrase: Option<&str>) -> Result<Vec<SecretKey>, Error> {
        let mut keys = Vec::new();
        for (path, _) in self.key_files() {
            let key_error = |source| Error::Key { path: path.clone(), source };
            match (KeyFile::parse(&key_files::read_private_text(&path)?).map_err(key_error)?, passphrase) {
                (KeyFile::Plain(key), _) => keys.push(key),
                (KeyFile::Encrypted(key), Some(passphrase)) => {
                    keys.push(key.decrypt(passphrase).map_err(key_error)?);
                }
                (KeyFile::Encrypted(_), None) => {}
            }
        }
        Ok(keys)
    }

    fn key_files(&self) -> Vec<(PathBuf, String)> {
        let entries = fs::read_dir(self.instance.repository_keys()).into_iter().flatten().flatten();
        let mut found: Vec<_> = entries
            .filter_map(|entry| {
                let name = entry.file_name().into_string().ok()?;
                Some((entry.path(), name.strip_suffix(".pem")?.to_owned()))
            })
            .collect();
        found.sort();
        found
    }

    /// Says what is wrong with the repository.
    pub(crate) fn wrong(&self, source: sealwax_trust::Error) -> Error {
        Error::Repository { path: self.dir.clone(), source }
    }
}

/// Reads a file of the repository, nothing where it is not there.
///
/// # Errors
/// What the system says.
pub(crate) fn read(dir: &Path, name: &str, limit: u64) -> Result<Option<Vec<u8>>, String> {
    match files::read_capped(&dir.join(name), limit) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(Error::Io { source, .. }) if source.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error.to_string()),
    }
}

/// Holds the repository: two runs that write at once would make two snapshots of one version.
fn lock(dir: &Path) -> Result<File, Error> {
    let lock = File::open(dir).and_then(|file| file.lock().map(|()| file));
    lock.map_err(|source| io_error("lock", dir, source))
}

fn remove(path: &Path) -> Result<(), Error> {
    match fs::remove_file(path) {
        Err(source) if source.kind() != std::io::ErrorKind::NotFound => Err(io_error("remove", path, source)),
        _ => Ok(()),
    }
}

fn write_marker(dir: &Path, url: &str) -> Result<(), Error> {
    files::replace_public(&dir.join(MARKER), &format!("{:#}\n", json!({"version": VERSION, "url": url})))
}

fn read_marker(text: &[u8]) -> Result<String, sealwax_attestation::Error> {
    let mut object = parse(text, Limits { bytes: 65_536, depth: 2, values: 16 })?.object()?;
    object.take("version", |version| match version {
        Json::Unsigned(VERSION) => Ok(()),
        other => {
            let (path, found) = (String::new(), format!("{other:?}"));
            Err(sealwax_attestation::Error::Unsupported { path, what: "repository version", found })
        }
    })?;
    let url = object.take("url", Json::name)?.into_owned();
    object.finish().map(|()| url)
}

const REPOSITORY: &str = "repository";
const KEYS: &str = "keys/repository";
const MARKER: &str = "repository.json";
const VERSION: u64 = 1;

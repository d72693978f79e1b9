//! A local instance: the directory with keys, log, trusted root and policy that signing uses and verifying trusts.
//!
//! ```text
//! <dir>/instance.json        version and origin
//! <dir>/keys/signing.pem     the signing key, 0600      keys/signing.pub  its public half
//! <dir>/keys/log.pem         the log's key, 0600
//! <dir>/log/                 the log (see the transparency-log room)
//! <dir>/trusted_root.json    what others need to believe the log
//! <dir>/serve.toml           the server's settings, if there are any
//! <dir>/policy.json          whose signatures this instance trusts
//! <dir>/authority/, ct/      who certifies identities, and the record of it (see [`authority`])
//! <dir>/new-authority/       a part of it that is about to be put there
//! <dir>/repository/          what those who trust it follow (see [`repository`])
//! <dir>/shards/<origin>/     earlier logs of the instance, frozen: log.pem, log/
//! <dir>/next/                the next log while the instance moves to it
//! ```
//!
//! A key file may hold the `pkcs11:` URI of a key in a token in place of the key.

mod authority;
mod ledger;
mod making;
mod repository;
mod services;
mod shards;
mod vouching;

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use sealwax_attestation::json::{Json, Limits, parse};
use sealwax_attestation::{LogInstance, TrustedRoot};
use sealwax_server::Config;
use sealwax_transparency_log::{Guards, Log, LogKey, LogView, Outpost};
use sealwax_verify::Policy;

use crate::error::Error;
use crate::files::{self, io_error};
use crate::key_files;
use crate::terminal::Tone;
use crate::world::World;

pub(crate) use authority::{Authority, CT, Replaced};
pub(crate) use making::Blueprint;
pub(crate) use repository::{Published, read as read_published};

/// An instance on disk. Holding one opens nothing.
#[derive(Clone, Debug)]
pub(crate) struct Instance {
    dir: PathBuf,
    origin: String,
}

impl Instance {
    /// Finds the instance in `dir`.
    ///
    /// # Errors
    /// [`Error::NoInstance`] where there is none, [`Error::BadInstance`] where it cannot be understood.
    pub(crate) fn open(dir: &Path) -> Result<Self, Error> {
        let instance = Self::open_unfinished(dir)?;
        if instance.is_moving() {
            return Err(Error::UnfinishedShard { path: dir.to_owned() });
        }
        if instance.is_changing() {
            return Err(Error::UnfinishedAuthority { path: dir.to_owned() });
        }
        Ok(instance)
    }

    /// Finds the instance in `dir`, also one whose move to the next shard, or change of authority, was interrupted.
    ///
    /// # Errors
    /// As [`Instance::open`].
    pub(crate) fn open_unfinished(dir: &Path) -> Result<Self, Error> {
        for path in [dir.to_owned(), dir.join(POLICY), dir.join(TRUSTED_ROOT), dir.join(SERVER_SETTINGS)] {
            let mode = fs::metadata(&path).map_or(0, |metadata| metadata.permissions().mode());
            if mode & 0o022 != 0 {
                return Err(Error::InstanceExposed { path, mode: mode & 0o777 });
            }
        }
        let origin = open_marker(dir)?;
        Ok(Self { dir: dir.to_owned(), origin })
    }

    /// Makes an instance in `dir`, which must not exist or be empty.
    ///
    /// Built beside its place and moved there whole, so that a crash leaves no half of one.
    ///
    /// # Errors
    /// [`Error::Exists`] where something is there already.
    pub(crate) fn create(dir: &Path, blueprint: &Blueprint, world: &World) -> Result<Self, Error> {
        let origin = files::create_directory(dir, world.now(), |dir| making::build(dir, blueprint, world))?;
        Ok(Self { dir: dir.to_owned(), origin })
    }

    /// The directory.
    pub(crate) fn dir(&self) -> &Path {
        &self.dir
    }

    /// The origin of the instance's log.
    pub(crate) fn origin(&self) -> &str {
        &self.origin
    }

    /// Where the signing key is.
    pub(crate) fn signing_key(&self) -> PathBuf {
        self.dir.join(SIGNING_KEY)
    }

    /// Where the trusted root is.
    pub(crate) fn trusted_root_path(&self) -> PathBuf {
        self.dir.join(TRUSTED_ROOT)
    }

    /// Where the policy is.
    pub(crate) fn policy_path(&self) -> PathBuf {
        self.dir.join(POLICY)
    }

    /// Where the public half of the signing key is.
    pub(crate) fn signing_public_key(&self) -> PathBuf {
        self.dir.join(SIGNING_PUBLIC_KEY)
    }

    /// Where the log is.
    pub(crate) fn log_path(&self) -> PathBuf {
        self.dir.join(LOG)
    }

    /// Where the log's key is.
    pub(crate) fn log_key_path(&self) -> PathBuf {
        self.dir.join(LOG_KEY)
    }

    /// The frozen logs of this instance.
    ///
    /// # Errors
    /// Those of reading the trusted root.
    pub(crate) fn shards(&self) -> Result<Vec<LogInstance>, Error> {
        let is_shard = |log: &LogInstance| log.origin != self.origin && self.log_of(&log.origin).is_some();
        Ok(self.trusted_root()?.logs.into_iter().filter(is_shard).collect())
    }

    /// Where a log of the trusted root is, if it is one of the instance: its own one, or a frozen one.
    pub(crate) fn log_of(&self, origin: &str) -> Option<PathBuf> {
        if origin == self.origin {
            return Some(self.log_path());
        }
        // A host name of dots would lead out of the shards.
        let shard = Some(self.shard_path(origin).join(LOG)).filter(|_| !origin.starts_with('.'));
        shard.filter(|path| path.is_dir())
    }

    /// The files that may be handed out or backed up, whether or not they are there.
    ///
    /// # Errors
    /// [`Error::Io`] where they cannot be listed.
    pub(crate) fn public_files(&self) -> Result<Vec<PathBuf>, Error> {
        let names = [MARKER, TRUSTED_ROOT, POLICY, SERVER_SETTINGS, SIGNING_PUBLIC_KEY];
        let own = names.iter().map(|name| self.dir.join(name));
        Ok(own.chain(self.authority_files()).chain(self.repository_files()?).collect())
    }

    /// Where a frozen log of the instance is, whose origin the trusted root has.
    pub(crate) fn shard_path(&self, origin: &str) -> PathBuf {
        self.dir.join(SHARDS).join(origin)
    }

    /// The server's settings: a file of the instance, if it is there.
    pub(crate) fn server_settings_path(&self) -> PathBuf {
        self.dir.join(SERVER_SETTINGS)
    }

    /// The log of this instance in its trusted root.
    ///
    /// # Errors
    /// [`Error::BadInstance`] where it is not there.
    pub(crate) fn own_log(&self) -> Result<LogInstance, Error> {
        let path = self.trusted_root_path();
        let own = self.trusted_root()?.logs.into_iter().find(|log| log.origin == self.origin);
        let reason = format!("does not hold the instance's own log {}", self.origin);
        own.ok_or(Error::BadInstance { path, reason })
    }

    /// The logs that this instance trusts: its own.
    pub(crate) fn trusted_root(&self) -> Result<TrustedRoot, Error> {
        read_trusted_root(&self.trusted_root_path()).map_err(missing_part)
    }

    /// Whose signatures this instance trusts.
    pub(crate) fn policy(&self) -> Result<Policy, Error> {
        read_policy(&self.policy_path()).map_err(missing_part)
    }

    /// The server's settings: those of the file that is named, else of the instance, else the defaults.
    ///
    /// # Errors
    /// [`Error::Usage`] for what is not a setting, and those of reading.
    pub(crate) fn settings(&self, named: Option<&Path>) -> Result<Config, Error> {
        let own = self.server_settings_path();
        let path = match named {
            Some(path) => path,
            // Only where there is nothing at all: a link that leads nowhere would take the guards away unnoticed.
            None if own.symlink_metadata().is_ok() => &own,
            None => return Ok(Config::default()),
        };
        let text = files::read_capped(path, MAX_SETTINGS)?;
        let text =
            std::str::from_utf8(&text).map_err(|_| Error::Usage(format!("{}: not text", path.display())))?;
        Config::parse(text).map_err(|error| match error {
            sealwax_server::Error::Config(what) => Error::Usage(format!("{}: {what}", path.display())),
            other => Error::Server(other),
        })
    }

    /// What the settings put between the log and its next signature.
    ///
    /// # Errors
    /// [`Error::Usage`] where `log.anchor` is not a directory: one that is made now may be the mount point of a disk that is
    /// not mounted.
    pub(crate) fn guards(&self, config: &Config) -> Result<Guards, Error> {
        let outpost = |path: &PathBuf| {
            let path = self.dir.join(path);
            if path.is_dir() {
                return Ok(Outpost::directory(&path));
            }
            let what = "log.anchor is not a directory; make it, or mount its disk";
            Err(Error::Usage(format!("{}: {what}", path.display())))
        };
        let outposts = config.log.anchor.iter().map(outpost).collect::<Result<_, _>>()?;
        Ok(Guards { outposts, hold: needs_witnesses(config) })
    }

    /// What stands between the log and a signature of this process.
    ///
    /// # Errors
    /// [`Error::WitnessesRequired`] where only a server may publish what it signs, and those of [`Instance::guards`].
    pub(crate) fn signing_guards(&self) -> Result<Guards, Error> {
        let config = self.settings(None)?;
        if needs_witnesses(&config) {
            return Err(Error::WitnessesRequired { path: self.dir.clone(), url: config.public_url() });
        }
        self.guards(&config)
    }

    /// Opens the log for writing, waiting a while for another writer to finish.
    ///
    /// # Errors
    /// Those of [`Instance::signing_guards`] and of the log.
    pub(crate) fn log(&self, world: &World) -> Result<Log, Error> {
        self.guarded_log(self.signing_guards()?, LOCK_TRIES, world)
    }

    /// Opens the log for work that signs nothing, unless a server or somebody who signs holds it.
    ///
    /// # Errors
    /// Those of the log.
    pub(crate) fn idle_log(&self, world: &World) -> Result<Log, Error> {
        let config = self.settings(None)?;
        // What a crash left unpublished is published by who first tells the anchor and the witnesses.
        let hold = needs_witnesses(&config) || config.log.anchor.is_some();
        self.guarded_log(Guards { outposts: Vec::new(), hold }, 1, world)
    }

    /// Reads the key of the instance's log.
    pub(crate) fn log_key(&self, world: &World) -> Result<LogKey, Error> {
        let path = self.log_key_path();
        let key = key_files::read_own_secret(&path, &key_files::PassphraseOptions::default(), world)?;
        LogKey::new(&self.origin, key).map_err(|source| Error::Log { path, source })
    }

    /// Opens the log for writing under further guards, waiting for another writer for so many times twenty milliseconds.
    ///
    /// # Errors
    /// Those of the log.
    pub(crate) fn guarded_log(&self, guards: Guards, patience: u32, world: &World) -> Result<Log, Error> {
        self.open_log(&self.log_path(), self.log_key(world)?, guards, patience, world)
    }

    fn open_log(
        &self,
        path: &Path,
        key: LogKey,
        guards: Guards,
        patience: u32,
        world: &World,
    ) -> Result<Log, Error> {
        let wait = |tries: u32| {
            if tries == NOTICED {
                world.terminal.say(Tone::Plain, "waiting ", "another sealwax holds the log");
            }
            world.pause();
            tries < patience
        };
        let opened = Log::open_guarded(path, key, guards, wait);
        let (log, recovery) = opened.map_err(|source| Error::Log { path: path.to_owned(), source })?;
        if recovery.published_batch {
            world.terminal.say(
                Tone::Plain,
                "note:",
                "the log finished what an interrupted run had committed",
            );
        }
        if recovery.rebuilt_index {
            world.terminal.say(
                Tone::Plain,
                "note:",
                "the log's index was damaged and has been rebuilt from its tiles",
            );
        }
        if recovery.reconciled {
            let what = "the anchor confirms that the restored log is its newest state; it signs again";
            world.terminal.say(Tone::Plain, "note:", what);
        }
        Ok(log)
    }

    /// Opens the log for reading.
    pub(crate) fn log_view(&self) -> Result<LogView, Error> {
        let root_path = self.trusted_root_path();
        let key = self
            .own_log()?
            .verifier_key()
            .map_err(|source| Error::TrustedRoot { path: root_path, source })?;
        let path = self.log_path();
        LogView::open(&path, &key).map_err(|source| Error::Log { path, source })
    }
}

/// Whether only what witnesses have cosigned is published.
fn needs_witnesses(config: &Config) -> bool {
    config.witnesses.as_ref().is_some_and(|witnesses| witnesses.require)
}

/// Reads a trusted root.
pub(crate) fn read_trusted_root(path: &Path) -> Result<TrustedRoot, Error> {
    let text = files::read_capped(path, MAX_SETTINGS)?;
    TrustedRoot::from_json(&text).map_err(|source| Error::TrustedRoot { path: path.to_owned(), source })
}

/// Reads a policy.
pub(crate) fn read_policy(path: &Path) -> Result<Policy, Error> {
    let text = files::read_capped(path, MAX_SETTINGS)?;
    Policy::from_json(&text).map_err(|source| Error::Policy { path: path.to_owned(), source })
}

/// Says that an instance lacks a part, which is not a mistyped path.
fn missing_part(error: Error) -> Error {
    match error {
        Error::Io { path, source, .. } if source.kind() == std::io::ErrorKind::NotFound => {
            Error::BadInstance { path, reason: "is missing from the instance".to_owned() }
        }
        other => other,
    }
}

/// Reads the origin of the instance, or of the next log, that a directory is.
fn open_marker(dir: &Path) -> Result<String, Error> {
    let path = dir.join(MARKER);
    let text = match files::read_capped(&path, 65_536) {
        Err(Error::Io { source, .. }) if source.kind() == std::io::ErrorKind::NotFound => {
            return Err(Error::NoInstance { path: dir.to_owned() });
        }
        read => read?,
    };
    read_marker(&text).map_err(|error| Error::BadInstance { path, reason: error.to_string() })
}

fn read_marker(text: &[u8]) -> Result<String, sealwax_attestation::Error> {
    let mut object = parse(text, Limits { bytes: 65_536, depth: 4, values: 64 })?.object()?;
    object.take("version", |version| match version {
        Json::Unsigned(VERSION) => Ok(()),
        other => {
            let (path, found) = (String::new(), format!("{other:?}"));
            Err(sealwax_attestation::Error::Unsupported { path, what: "instance version", found })
        }
    })?;
    let origin = object.take("origin", Json::string)?.into_owned();
    object.finish().map(|()| origin)
}

/// Moves a file or directory, durably in both places.
fn rename(from: &Path, to: &Path) -> Result<(), Error> {
    fs::rename(from, to)
        .and_then(|()| files::sync_parent(to))
        .and_then(|()| files::sync_parent(from))
        .map_err(|source| io_error("move", to, source))
}

/// What an instance's own policy calls its signing key.
pub(crate) const INSTANCE_KEY_NAME: &str = "instance signing key";

const VERSION: u64 = 1;
const MARKER: &str = "instance.json";
const SIGNING_KEY: &str = "keys/signing.pem";
const SIGNING_PUBLIC_KEY: &str = "keys/signing.pub";
const LOG_KEY: &str = "keys/log.pem";
const TRUSTED_ROOT: &str = "trusted_root.json";
const POLICY: &str = "policy.json";
/// The log's directory in an instance, in a shard and in a backup.
pub(crate) const LOG: &str = "log";
const SHARDS: &str = "shards";
const SERVER_SETTINGS: &str = "serve.toml";
/// The largest policy or trusted root that is read, in bytes.
pub(crate) const MAX_SETTINGS: u64 = 4 << 20;

/// After how many tries the person is told: half a second.
const NOTICED: u32 = 25;
/// Twenty milliseconds each: half a minute.
pub(crate) const LOCK_TRIES: u32 = 1_500;

//! An instance's authority: who certifies identities, records that it did, and says when something was signed.
//!
//! ```text
//! keys/ca-root.pem   certifies the two below; may be kept elsewhere once it has
//! keys/ca.pem        certifies identities             authority/ca.pem      its chain
//! keys/tsa.pem       makes time stamps                authority/tsa.pem     its chain
//! keys/ct.pem        vouches for recorded certificates authority/ct.pub     its public half
//! keys/issuer.pem    signs tokens for who was invited authority/issuer.pub  its public half
//! keys/ct-log.pem    signs the record's checkpoints   authority/ct.vkey     its verifier key, named after the record
//! ct/                the record: a log of certificates
//! authority/ledger.db  tokens and invitations that were exchanged
//! authority/authority.json  version, and the origin of the instance when it was made
//! ```
//!
//! An authority that is added, and a key that is replaced, are built whole in `new-authority/`, beside the part of the trusted
//! root that speaks of them. Then the trusted root gets it, which ends the time of what it replaces, and each file is moved to
//! its place. Wherever that is interrupted, the same command goes on, and until then the instance is opened for nothing else.

mod keys;
mod maker;
mod merging;

use std::cell::OnceCell;
use std::fs::{self, DirBuilder};
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};

use jiff::Timestamp;

use sealwax_attestation::TrustedRoot;
use sealwax_authority::{CertificateAuthority, CertifiedKey, OwnIssuer, Role, TimestampAuthority};
use sealwax_keys::{Certificate, PublicKey};
use sealwax_server::Config;
use sealwax_tlog::VerifierKey;
use sealwax_transparency_log::{Guards, Log, LogKey, LogView, Mode};

use crate::error::Error;
use crate::files::{self, io_error};
use crate::key_files::{self, PassphraseOptions};
use crate::world::World;

use super::ledger::Ledger;
use super::{Instance, LOCK_TRIES, TRUSTED_ROOT, read_marker, rename};

use keys::Keys;
pub(super) use maker::build;
use maker::{Maker, short};
use merging::merge;

/// An instance's authority with its keys, ready to issue.
pub(crate) struct Authority {
    /// Certifies identities.
    pub(crate) certificates: CertificateAuthority,
    /// Makes time stamps.
    pub(crate) timestamps: TimestampAuthority,
    /// The issuer that the instance itself is: signs tokens for who was invited.
    pub(crate) issuer: OwnIssuer,
    /// Records what is certified, before it is.
    pub(crate) log: Log,
}

/// A key of an authority that can be replaced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Replaced {
    /// The one that certifies identities, and with it the root's, if that is wanted.
    Ca { root: bool },
    /// The one that vouches for recorded certificates.
    Ct,
    /// The one that makes time stamps.
    Tsa,
    /// The one that signs tokens.
    Issuer,
}

impl Instance {
    /// Whether the instance has an authority; those of earlier versions have none.
    pub(crate) fn has_authority(&self) -> bool {
        self.dir.join(MARKER).exists()
    }

    /// The issuer that the instance itself is, in tokens and certificates: where it is served, as the settings say, if that
    /// is an `https` URL, else a name that nobody else has.
    ///
    /// # Errors
    /// [`Error::NoAuthority`].
    pub(crate) fn issuer(&self, config: &Config) -> Result<String, Error> {
        match &config.url {
            Some(url) if url.starts_with("https://") => Ok(url.trim_end_matches('/').to_owned()),
            _ => Ok(format!("https://{}", self.authority_origin()?)),
        }
    }

    /// Reads the authority's keys, with one passphrase for those that are encrypted, and opens its record for writing, under
    /// the settings of the server.
    ///
    /// # Errors
    /// [`Error::NoAuthority`], those of the keys and of the log.
    pub(crate) fn authority(
        &self,
        config: &Config,
        passphrase: &PassphraseOptions,
        world: &World,
    ) -> Result<Authority, Error> {
        let issuer = self.issuer(config)?;
        let keys = Keys { dir: &self.dir, passphrase, world, asked: OnceCell::new() };
        let failed = |name: &str| {
            let path = self.dir.join(name);
            move |source| Error::Authority { path, source }
        };
        let certified =
            |key, chain| CertifiedKey::new(self.chain(chain)?, keys.read(key)?).map_err(failed(chain));
        let certificates = CertificateAuthority::new(certified(CA_KEY, CA_CHAIN)?, keys.read(CT_KEY)?);
        let timestamps = TimestampAuthority::new(certified(TSA_KEY, TSA_CHAIN)?);
        Ok(Authority {
            certificates: certificates.map_err(failed(CA_CHAIN))?,
            timestamps: timestamps.map_err(failed(TSA_CHAIN))?,
            issuer: OwnIssuer::new(&issuer, keys.read(ISSUER_KEY)?).map_err(failed(ISSUER_KEY))?,
            log: self.ct_log(config, world)?,
        })
    }

    /// The authority that says times, alone: none where the instance says no times.
    ///
    /// # Errors
    /// Those of its key.
    pub(super) fn timestamp_authority(
        &self,
        passphrase: &PassphraseOptions,
        world: &World,
    ) -> Result<Option<TimestampAuthority>, Error> {
        if !self.has_authority() || !self.settings(None)?.timestamps.enabled {
            return Ok(None);
        }
        let keys = Keys { dir: &self.dir, passphrase, world, asked: OnceCell::new() };
        let (chain, key) = (self.chain(TSA_CHAIN)?, keys.read(TSA_KEY)?);
        let authority = CertifiedKey::new(chain, key).and_then(TimestampAuthority::new);
        authority.map(Some).map_err(|source| Error::Authority { path: self.dir.join(TSA_CHAIN), source })
    }

    /// Opens the record of certificates for writing, waiting a while for another writer to finish. It is guarded as the log
    /// is, but by no witness.
    ///
    /// # Errors
    /// Those of the log.
    pub(crate) fn ct_log(&self, config: &Config, world: &World) -> Result<Log, Error> {
        let guards = Guards { hold: false, ..self.guards(config)? };
        self.open_log(&self.ct_path(), self.ct_log_key(world)?, guards, LOCK_TRIES, world)
    }

    /// Opens the record of certificates for reading.
    ///
    /// # Errors
    /// Those of [`Instance::ct_verifier`] and of the log.
    pub(crate) fn ct_view(&self) -> Result<LogView, Error> {
        let path = self.ct_path();
        LogView::open(&path, &self.ct_verifier()?).map_err(|source| Error::Log { path, source })
    }

    /// Gives the key that verifies the record's checkpoints; its name is their origin.
    ///
    /// # Errors
    /// [`Error::NoAuthority`], [`Error::BadInstance`].
    pub(crate) fn ct_verifier(&self) -> Result<VerifierKey, Error> {
        self.authority_origin()?;
        let path = self.dir.join(CT_VERIFIER_KEY);
        let text = String::from_utf8_lossy(&files::read_capped(&path, 65_536)?).into_owned();
        let parsed = VerifierKey::parse(text.trim_end());
        parsed.map_err(|error| Error::BadInstance { path, reason: error.to_string() })
    }

    /// Reads the key of the record of certificates.
    ///
    /// # Errors
    /// Those of [`Instance::ct_verifier`], and those of reading the key.
    pub(crate) fn ct_log_key(&self, world: &World) -> Result<LogKey, Error> {
        let path = self.dir.join(CT_LOG_KEY);
        let key = key_files::read_own_secret(&path, &PassphraseOptions::default(), world)?;
        LogKey::new(self.ct_verifier()?.name(), key).map_err(|source| Error::Log { path, source })
    }

    /// Where the record of certificates is.
    pub(crate) fn ct_path(&self) -> PathBuf {
        self.dir.join(CT)
    }

    /// The ledger of tokens and invitations.
    ///
    /// # Errors
    /// [`Error::NoAuthority`], and those of the ledger.
    pub(crate) fn ledger(&self) -> Result<Ledger, Error> {
        self.authority_origin()?;
        Ledger::open(&self.dir.join(LEDGER))
    }

    /// Makes an empty ledger where it was lost; `false` where it is there.
    ///
    /// # Errors
    /// Those of the ledger.
    pub(crate) fn restore_ledger(&self) -> Result<bool, Error> {
        let path = self.dir.join(LEDGER);
        if path.exists() {
            return Ok(false);
        }
        Ledger::create(&path).map(|()| true)
    }

    /// The chain that certifies identities, the root last.
    ///
    /// # Errors
    /// Those of reading.
    pub(crate) fn ca_chain(&self) -> Result<Vec<Certificate>, Error> {
        self.chain(CA_CHAIN)
    }

    /// The chain that certifies time stamps, the root last.
    ///
    /// # Errors
    /// Those of reading.
    pub(crate) fn tsa_chain(&self) -> Result<Vec<Certificate>, Error> {
        self.chain(TSA_CHAIN)
    }

    /// The key that vouches for recorded certificates.
    ///
    /// # Errors
    /// Those of reading.
    pub(crate) fn ct_key(&self) -> Result<PublicKey, Error> {
        key_files::read_public(&self.dir.join(CT_PUBLIC_KEY))
    }

    /// The key that signs tokens for who was invited.
    ///
    /// # Errors
    /// Those of reading.
    pub(crate) fn issuer_key(&self) -> Result<PublicKey, Error> {
        key_files::read_public(&self.dir.join(ISSUER_PUBLIC_KEY))
    }

    /// All keys that have a use here, or had one.
    fn public_keys(&self) -> Result<Vec<PublicKey>, Error> {
        let root = self.trusted_root()?;
        let authorities = root.certificate_authorities.iter().chain(&root.timestamp_authorities);
        let certified = authorities.flat_map(|authority| &authority.chain);
        let certified =
            certified.filter_map(|der| Some(Certificate::from_der(der).ok()?.public_key().clone()));
        let vouching = root.ct_logs.iter().filter_map(|log| PublicKey::from_spki_der(&log.key).ok());
        let logs = root.logs.iter().map(|log| log.key.clone());
        let mut keys: Vec<_> = certified.chain(vouching).chain(logs).collect();
        keys.push(key_files::read_public(&self.signing_public_key())?);
        if self.has_authority() {
            keys.push(self.issuer_key()?);
        }
        Ok(keys)
    }

    /// The authority's public files, which are a part of a backup.
    pub(crate) fn authority_files(&self) -> Vec<PathBuf> {
        let names = [MARKER, CA_CHAIN, TSA_CHAIN, CT_PUBLIC_KEY, CT_VERIFIER_KEY, ISSUER_PUBLIC_KEY];
        names.iter().map(|name| self.dir.join(name)).collect()
    }

    /// Gives an instance of an earlier version an authority, or finishes doing so.
    ///
    /// # Errors
    /// [`Error::Exists`] where it has one.
    pub(crate) fn create_authority(&self, passphrase: Option<&str>, world: &World) -> Result<(), Error> {
        let staged = self.dir.join(STAGED);
        if !staged.exists() {
            if self.has_authority() {
                return Err(Error::Exists { path: self.dir.join(MARKER) });
            }
            files::create_directory(&staged, world.now(), |dir| {
                private_directory(&dir.join(KEYS))?;
                let part = build(dir, &self.origin, None, &self.public_keys()?, passphrase, world)?;
                files::create_public(&dir.join(TRUSTED_ROOT), &part.to_json())
            })?;
        }
        self.finish_authority(world.now())
    }

    /// Replaces a key of the authority, or finishes doing so. What the old one vouched for stays believed for its time.
    ///
    /// The new key is one that `in_token` names, or is made; `root_key` is where the root's key is, if not in the instance.
    ///
    /// # Errors
    /// [`Error::Log`] where a server runs, and those of keys and certificates.
    pub(crate) fn replace_key(
        &self,
        what: Replaced,
        in_token: Option<&Path>,
        root_key: Option<&Path>,
        passphrase: &PassphraseOptions,
        world: &World,
    ) -> Result<(), Error> {
        // A server would go on with the old key, whose time is about to end.
        let staged = self.dir.join(STAGED);
        if staged.exists() {
            return self.finish_authority(world.now());
        }
        let (path, key) = (self.ct_path(), self.ct_log_key(world)?);
        let failed = |source| Error::Log { path: path.clone(), source };
        // Nothing is published: whoever issues next tells the anchor first.
        let guards = Guards { outposts: Vec::new(), hold: true };
        let (held, _) = Log::open_guarded(&path, key, guards, |_| false).map_err(failed)?;
        let is_live = held.mode().map_err(failed)? == Mode::Live;
        let keys = Keys { dir: &self.dir, passphrase, world, asked: OnceCell::new() };
        files::create_directory(&staged, world.now(), |dir| {
            private_directory(&dir.join(KEYS))?;
            private_directory(&dir.join(AUTHORITY))?;
            let part = self.build_replacement(dir, what, is_live, in_token, root_key, &keys)?;
            files::create_public(&dir.join(TRUSTED_ROOT), &part.to_json())
        })?;
        self.finish_authority(world.now())
    }

    fn build_replacement(
        &self,
        dir: &Path,
        what: Replaced,
        is_live: bool,
        in_token: Option<&Path>,
        root_key: Option<&Path>,
        keys: &Keys<'_>,
    ) -> Result<TrustedRoot, Error> {
        // Encrypted as the one that it replaces.
        let old = self.dir.join(what.key());
        let secret = keys.encrypted(&old)?.map(|_| keys.passphrase(&old)).transpose()?;
        let origin = self.authority_origin()?;
        let passphrase = secret.as_ref().map(|secret| secret.as_str());
        let taken = self.public_keys()?;
        let maker = Maker { dir, origin: &origin, passphrase, in_token, taken: &taken, world: keys.world };
        let root = || {
            let own = self.dir.join(ROOT_KEY);
            let path = root_key.unwrap_or(&own);
            let certificate = self.ca_chain()?.pop();
            // One that the person names may be in a token.
            let key = match root_key.and_then(key_files::token_uri) {
                Some(_) => key_files::read_secret(path, keys.passphrase, keys.world)?,
                None => keys.read_at(path)?,
            };
            CertifiedKey::new(certificate.into_iter().collect(), key)
                .map_err(|source| Error::Authority { path: path.to_owned(), source })
        };
        let mut part = TrustedRoot::default();
        match what {
            Replaced::Ca { root: true } => {
                part.certificate_authorities.push(maker.certified(Role::Identities, &maker.root()?)?);
            }
            Replaced::Ca { root: false } => {
                part.certificate_authorities.push(maker.certified(Role::Identities, &root()?)?);
            }
            Replaced::Tsa => part.timestamp_authorities.push(maker.certified(Role::Timestamps, &root()?)?),
            Replaced::Ct => {
                let vouching = maker.ct_key()?;
                if !is_live {
                    // A record that was restored must not be gone on with: what it has forgotten was handed out.
                    let key = PublicKey::from_spki_der(&vouching.key).map(|key| short(&key));
                    let key = key.map_err(|source| Error::Key { path: dir.join(CT_KEY), source })?;
                    maker.record(&format!("{CT}-{key}.{origin}"))?;
                }
                part.ct_logs.push(vouching);
            }
            Replaced::Issuer => maker.issuer()?,
        }
        Ok(part)
    }

    /// Keeps a record that is replaced, with the key that verifies it, beside the new one.
    fn put_record_away(&self) -> Result<(), Error> {
        let record = self.ct_path();
        if !record.exists() {
            return Ok(());
        }
        let key = record.join("ct.vkey");
        fs::copy(self.dir.join(CT_VERIFIER_KEY), &key).map_err(|source| io_error("write", &key, source))?;
        rename(&record, &files::free_name(&record)?)
    }

    /// Whether an authority, or a key of it, waits to be put in its place.
    pub(crate) fn is_changing(&self) -> bool {
        self.dir.join(STAGED).exists()
    }

    /// Puts what is staged in its place: done is what has gone.
    fn finish_authority(&self, now: Timestamp) -> Result<(), Error> {
        let staged = self.dir.join(STAGED);
        let part = staged.join(TRUSTED_ROOT);
        // Gone is the last step, after which only the directory is left.
        if part.exists() {
            let mut root = self.trusted_root()?;
            if merge(&mut root, &super::read_trusted_root(&part)?, now) {
                files::replace_public(&self.trusted_root_path(), &root.to_json())?;
            }
            if staged.join(CT).exists() {
                self.put_record_away()?;
                rename(&staged.join(CT), &self.ct_path())?;
            }
            for folder in [KEYS, AUTHORITY] {
                let (from, to) = (staged.join(folder), self.dir.join(folder));
                if !to.exists() {
                    private_directory(&to)?;
                }
                for name in names(&from)? {
                    rename(&from.join(&name), &to.join(&name))?;
                }
            }
            fs::remove_file(&part).map_err(|source| io_error("remove", &part, source))?;
        }
        fs::remove_dir_all(&staged).map_err(|source| io_error("remove", &staged, source))
    }

    /// The origin that the instance had when its authority was made, which stays the authority's name.
    ///
    /// # Errors
    /// [`Error::NoAuthority`] where it has none.
    fn authority_origin(&self) -> Result<String, Error> {
        let path = self.dir.join(MARKER);
        if !path.exists() {
            return Err(Error::NoAuthority { path: self.dir.clone() });
        }
        let text = files::read_capped(&path, 65_536)?;
        read_marker(&text).map_err(|error| Error::BadInstance { path, reason: error.to_string() })
    }

    fn chain(&self, name: &str) -> Result<Vec<Certificate>, Error> {
        self.authority_origin()?;
        key_files::read_certificates(&self.dir.join(name))
    }
}

impl Replaced {
    fn key(self) -> &'static str {
        match self {
            Self::Ca { .. } => CA_KEY,
            Self::Ct => CT_KEY,
            Self::Tsa => TSA_KEY,
            Self::Issuer => ISSUER_KEY,
        }
    }
}

fn names(folder: &Path) -> Result<Vec<std::ffi::OsString>, Error> {
    let failed = |source| io_error("read", folder, source);
    let entries = fs::read_dir(folder).map_err(failed)?;
    entries.map(|entry| entry.map(|entry| entry.file_name()).map_err(failed)).collect()
}

/// A directory that only its owner can enter.
pub(super) fn private_directory(path: &Path) -> Result<(), Error> {
    DirBuilder::new().mode(0o700).create(path).map_err(|source| io_error("create", path, source))
}

/// Whole seconds, which certificates and every reader of RFC 3339 take, and never later than now.
fn whole_seconds(now: Timestamp) -> Timestamp {
    Timestamp::from_second(now.as_second().saturating_sub(1)).unwrap_or(Timestamp::MIN)
}

const KEYS: &str = "keys";
const AUTHORITY: &str = "authority";
const STAGED: &str = "new-authority";
const MARKER: &str = "authority/authority.json";
const LEDGER: &str = "authority/ledger.db";
const ROOT_KEY: &str = "keys/ca-root.pem";
const CA_KEY: &str = "keys/ca.pem";
const CA_CHAIN: &str = "authority/ca.pem";
const TSA_KEY: &str = "keys/tsa.pem";
const TSA_CHAIN: &str = "authority/tsa.pem";
const CT_KEY: &str = "keys/ct.pem";
const CT_PUBLIC_KEY: &str = "authority/ct.pub";
const ISSUER_KEY: &str = "keys/issuer.pem";
const ISSUER_PUBLIC_KEY: &str = "authority/issuer.pub";
const CT_VERIFIER_KEY: &str = "authority/ct.vkey";
const CT_LOG_KEY: &str = "keys/ct-log.pem";
/// The record of certificates, its place in an instance and in a backup, and the first label of its origin.
pub(crate) const CT: &str = "ct";

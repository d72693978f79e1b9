//! Whom this person trusts besides an instance of their own, by name: what was read from a file once, or a repository (TUF)
//! that is followed.
//!
//! ```text
//! <config>/sealwax/trust/<name>/source.json                where it is from
//! <config>/sealwax/trust/<name>/trusted_root.json          from a file
//! <config>/sealwax/trust/<name>/signing_config.v0.2.json   the same, if there is one
//! <config>/sealwax/trust/<name>/held.json                  of a repository: root, metadata, targets (see the trust room)
//! ```
//!
//! `sigstore`, the public-good instance, is built in: where there is no such directory, it is what this version carries.

use std::fs::{self, File};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use sealwax_attestation::json::{Json, Limits, parse};
use sealwax_attestation::{ClientTrustConfig, SigningConfig, TrustedRoot};
use sealwax_trust::{Followed, SIGNING_CONFIG, TRUSTED_ROOT, fingerprint, sigstore};
use serde_json::json;

use crate::error::Error;
use crate::files::{self, io_error};
use crate::http::Http;
use crate::terminal::Tone;
use crate::world::World;

/// What is trusted under a name.
#[derive(Debug)]
pub(crate) struct Trust {
    pub(crate) name: String,
    pub(crate) source: Source,
    /// Where it is; the built-in one is nowhere.
    dir: Option<PathBuf>,
}

/// Where it is from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Source {
    /// This version of Sealwax.
    BuiltIn,
    /// A file, once.
    File,
    /// A repository that is followed, from the version of its root with this fingerprint.
    Repository { url: String, fingerprint: String },
}

/// What is held under a name, checked.
#[derive(Debug)]
pub(crate) struct Held {
    pub(crate) trusted_root: TrustedRoot,
    /// What to make of it is for who signs: a kind that this version cannot read keeps nobody from verifying.
    signing_config: Option<Vec<u8>>,
    /// What the repository says of its age.
    pub(crate) versions: Option<Versions>,
}

/// The age of what a repository handed out.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Versions {
    pub(crate) root: u64,
    pub(crate) targets: u64,
    pub(crate) timestamp: u64,
    pub(crate) fresh_until: Timestamp,
}

/// Loads what is trusted under a name, and says so where it is old.
///
/// # Errors
/// [`Error::NoTrust`] where there is none, [`Error::Trust`] where what is held of a repository was changed,
/// [`Error::InstanceExposed`] where others could have.
pub(crate) fn load(name: &str, world: &World) -> Result<Held, Error> {
    let held = Trust::find(name, world)?.held()?;
    if let Some(versions) = held.versions.filter(|versions| versions.fresh_until < world.now()) {
        let what = format!(
            "what {name} vouches for may have changed since {}; `sealwax trust refresh {name}` tells",
            versions.fresh_until
        );
        world.terminal.say(Tone::Plain, "note:", &what);
    }
    Ok(held)
}

impl Held {
    /// Where to sign, if that is said.
    pub(crate) fn signing_config(&self, name: &str) -> Result<Option<SigningConfig>, Error> {
        let read = |text: &Vec<u8>| {
            SigningConfig::from_json(text)
                .map_err(|source| Error::TrustFile { name: name.to_owned(), source })
        };
        self.signing_config.as_ref().map(read).transpose()
    }
}

impl Trust {
    /// Finds what is trusted under a name.
    ///
    /// # Errors
    /// [`Error::NoTrust`].
    pub(crate) fn find(name: &str, world: &World) -> Result<Self, Error> {
        let dir = place(name, world)?;
        if !dir.is_dir() {
            if name == SIGSTORE {
                return Ok(Self { name: name.to_owned(), source: Source::BuiltIn, dir: None });
            }
            return Err(Error::NoTrust { name: name.to_owned() });
        }
        let path = dir.join(SOURCE);
        for path in [&dir, &path, &dir.join(HELD), &dir.join(TRUSTED_ROOT)] {
            let mode = fs::metadata(path).map_or(0, |metadata| metadata.permissions().mode());
            if mode & 0o022 != 0 {
                return Err(Error::InstanceExposed { path: path.clone(), mode: mode & 0o777 });
            }
        }
        let wrong = |source| Error::TrustFile { name: name.to_owned(), source };
        let source = read_source(&files::read_capped(&path, MAX_FILE)?).map_err(wrong)?;
        Ok(Self { name: name.to_owned(), source, dir: Some(dir) })
    }

    /// Everything that is trusted, by name.
    pub(crate) fn all(world: &World) -> Result<Vec<Self>, Error> {
        let store = world.config_dir()?.join(STORE);
        let mut names = vec![SIGSTORE.to_owned()];
        for entry in fs::read_dir(&store).into_iter().flatten().flatten() {
            names.extend(entry.file_name().into_string().ok().filter(|name| check_name(name).is_ok()));
        }
        names.sort();
        names.dedup();
        names.iter().map(|name| Self::find(name, world)).collect()
    }

    /// What is held, checked anew.
    ///
    /// # Errors
    /// As [`load`].
    pub(crate) fn held(&self) -> Result<Held, Error> {
        let read = |text: &[u8]| {
            TrustedRoot::from_json(text)
                .map_err(|source| Error::TrustFile { name: self.name.clone(), source })
        };
        match (&self.source, &self.dir) {
            (Source::Repository { .. }, Some(dir)) => {
                let followed = self.followed(dir)?;
                let verified = followed.verified().map_err(|source| self.wrong(source))?;
                let versions = Versions {
                    root: verified.root_version,
                    targets: verified.targets_version,
                    timestamp: verified.timestamp_version,
                    fresh_until: verified.fresh_until,
                };
                Ok(Held {
                    trusted_root: read(verified.trusted_root.as_bytes())?,
                    signing_config: verified.signing_config.map(|text| text.as_bytes().to_vec()),
                    versions: Some(versions),
                })
            }
            (Source::File, Some(dir)) => {
                let path = dir.join(SIGNING_CONFIG);
                let signing_config =
                    if path.is_file() { Some(files::read_capped(&path, MAX_FILE)?) } else { None };
                let trusted_root = read(&files::read_capped(&dir.join(TRUSTED_ROOT), MAX_FILE)?)?;
                Ok(Held { trusted_root, signing_config, versions: None })
            }
            _ => Ok(Held {
                trusted_root: read(sigstore::TRUSTED_ROOT.as_bytes())?,
                signing_config: Some(sigstore::SIGNING_CONFIG.as_bytes().to_vec()),
                versions: None,
            }),
        }
    }

    /// Looks whether a name is still free, before anybody is asked over the network.
    ///
    /// # Errors
    /// [`Error::Exists`].
    pub(crate) fn check_free(name: &str, world: &World) -> Result<(), Error> {
        let path = place(name, world)?;
        if path.exists() { Err(Error::Exists { path }) } else { Ok(()) }
    }

    /// Keeps what a file says.
    ///
    /// # Errors
    /// [`Error::Exists`] where the name is taken.
    pub(crate) fn add_files(name: &str, files: &[(&str, String)], world: &World) -> Result<Self, Error> {
        Self::create(name, Source::File, files, world)
    }

    /// Keeps a repository that was just followed for the first time.
    ///
    /// # Errors
    /// As [`Trust::add_files`].
    pub(crate) fn add_repository(
        name: &str,
        url: &str,
        fingerprint: &str,
        followed: &Followed,
        world: &World,
    ) -> Result<Self, Error> {
        let source = Source::Repository { url: url.to_owned(), fingerprint: fingerprint.to_owned() };
        Self::create(name, source, &[(HELD, followed.to_json())], world)
    }

    fn create(name: &str, source: Source, files: &[(&str, String)], world: &World) -> Result<Self, Error> {
        let dir = place(name, world)?;
        let text = match &source {
            Source::Repository { url, fingerprint } => {
                json!({"version": VERSION, "url": url, "fingerprint": fingerprint})
            }
            _ => json!({"version": VERSION}),
        };
        files::create_directory(&dir, world.now(), |dir| {
            files::create_public(&dir.join(SOURCE), &format!("{text:#}\n"))?;
            files.iter().try_for_each(|(name, text)| files::create_public(&dir.join(name), text))
        })?;
        Ok(Self { name: name.to_owned(), source, dir: Some(dir) })
    }

    /// Takes in what is new in the repository. Tells whether anything is, `None` where there is nothing to follow.
    ///
    /// # Errors
    /// [`Error::Trust`]; what was good before then still is.
    pub(crate) fn refresh(&self, world: &World) -> Result<Option<bool>, Error> {
        let (Source::Repository { url, .. }, Some(dir)) = (&self.source, &self.dir) else { return Ok(None) };
        // One refresh after the other, so that a slow one never puts an older state in the place of a newer one.
        let path = dir.join(SOURCE);
        let lock = File::open(&path).and_then(|file| file.lock().map(|()| file));
        let _lock = lock.map_err(|source| io_error("lock", &path, source))?;
        let mut followed = self.followed(dir)?;
        let before = followed.clone();
        let mirror = Mirror::new(url, world)?;
        let updated = followed.update(&|name, limit| mirror.fetch(name, limit), world.now());
        // After a failure too: a newer root that was verified stays (attack R10).
        if followed != before {
            files::replace_public(&dir.join(HELD), &followed.to_json())?;
        }
        updated.map(Some).map_err(|source| self.wrong(source))
    }

    /// Forgets it.
    ///
    /// # Errors
    /// [`Error::Usage`] for what is built in, and nothing else is kept of.
    pub(crate) fn remove(&self) -> Result<(), Error> {
        let Some(dir) = &self.dir else {
            return Err(Error::Usage(format!("{} is built in; what is not used is not trusted", self.name)));
        };
        fs::remove_dir_all(dir).map_err(|source| io_error("remove", dir, source))
    }

    fn followed(&self, dir: &Path) -> Result<Followed, Error> {
        let text = files::read_capped(&dir.join(HELD), MAX_HELD)?;
        Followed::from_json(&text).map_err(|source| self.wrong(source))
    }

    fn wrong(&self, source: sealwax_trust::Error) -> Error {
        Error::Trust { name: self.name.clone(), source }
    }
}

/// A repository as it is served, by whoever serves it.
pub(crate) struct Mirror<'a> {
    url: &'a str,
    http: Http,
    end: Timestamp,
    world: &'a World,
}

impl<'a> Mirror<'a> {
    /// Prepares to ask.
    pub(crate) fn new(url: &'a str, world: &'a World) -> Result<Self, Error> {
        let http = Http::new(PATIENCE).map_err(Error::Network)?;
        let end = world.now().saturating_add(LONGEST).unwrap_or(Timestamp::MAX);
        Ok(Self { url, http, end, world })
    }

    /// Reads a file of the repository, in the time that all of them have together: one that answers each question slowly holds
    /// nobody up for longer.
    pub(crate) fn fetch(&self, name: &str, limit: u64) -> Result<Option<Vec<u8>>, String> {
        if self.world.now() > self.end {
            return Err(format!("{}: too slow", self.url));
        }
        let url = format!("{}/{name}", self.url);
        let answered = self.http.get(&url, limit)?;
        match answered.status {
            200 => Ok(Some(answered.body)),
            // Object stores say 403 for what is not there.
            403 | 404 => Ok(None),
            status => Err(format!("{url}: answered with {status}")),
        }
    }

    /// Finds the version of the root with this fingerprint, or the newest one where none is given; its bytes are not believed.
    pub(crate) fn find_root(&self, first: u64, wanted: Option<&str>) -> Result<Vec<u8>, Error> {
        let mut newest = None;
        for version in first..first.saturating_add(MAX_ROOTS) {
            let name = format!("{version}.root.json");
            let Some(root) = self.fetch(&name, MAX_ROOT).map_err(Error::Network)? else { break };
            if wanted.is_some_and(|wanted| wanted == fingerprint(&root)) {
                return Ok(root);
            }
            newest = Some(root);
        }
        match (newest, wanted) {
            (None, _) => Err(Error::NoRepository { url: self.url.to_owned() }),
            (Some(newest), None) => Ok(newest),
            (Some(newest), Some(_)) => {
                Err(Error::OtherFingerprint { whence: self.url.to_owned(), found: fingerprint(&newest) })
            }
        }
    }
}

/// What a file gives that somebody wants to trust.
pub(crate) enum Found {
    /// A trusted root, perhaps with where to sign.
    Files(Vec<(&'static str, String)>),
    /// A version of a repository's root.
    Root(Vec<u8>),
}

/// Reads a trusted root, a client trust configuration, a repository's root, or a directory as `sealwax instance export` makes
/// it.
///
/// # Errors
/// [`Error::OtherFingerprint`] where a file is not the one that the fingerprint says.
pub(crate) fn read_file(path: &Path, wanted: Option<&str>) -> Result<Found, Error> {
    let wrong = |source| Error::TrustFile { name: path.display().to_string(), source };
    if path.is_dir() {
        if wanted.is_some() {
            return Err(Error::Usage("--fingerprint goes with a file or a URL".to_owned()));
        }
        let root = files::read_capped(&path.join(TRUSTED_ROOT), MAX_FILE)?;
        TrustedRoot::from_json(&root).map_err(wrong)?;
        let mut found = vec![(TRUSTED_ROOT, text(&root))];
        let config = path.join(EXPORTED_CONFIG);
        if config.is_file() {
            let config = files::read_capped(&config, MAX_FILE)?;
            SigningConfig::from_json(&config).map_err(wrong)?;
            found.push((SIGNING_CONFIG, text(&config)));
        }
        return Ok(Found::Files(found));
    }
    let bytes = files::read_capped(path, MAX_FILE)?;
    let found = fingerprint(&bytes);
    if wanted.is_some_and(|wanted| wanted != found) {
        return Err(Error::OtherFingerprint { whence: path.display().to_string(), found });
    }
    let object = parse(&bytes, LIMITS).and_then(Json::object).map_err(wrong)?;
    if object.has("signed") {
        return Ok(Found::Root(bytes));
    }
    if object.has("trustedRoot") {
        let config = ClientTrustConfig::from_json(&bytes).map_err(wrong)?;
        return Ok(Found::Files(vec![
            (TRUSTED_ROOT, config.trusted_root.to_json()),
            (SIGNING_CONFIG, config.signing_config.to_json()),
        ]));
    }
    TrustedRoot::from_json(&bytes).map_err(wrong)?;
    Ok(Found::Files(vec![(TRUSTED_ROOT, text(&bytes))]))
}

/// What was read as JSON is text.
fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// Checks a name, which becomes that of a directory (attack R08).
pub(crate) fn check_name(name: &str) -> Result<(), Error> {
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"._-".contains(&byte);
    let good = (1..=64).contains(&name.len()) && name.bytes().all(plain) && !name.starts_with(['.', '-']);
    if good {
        return Ok(());
    }
    let what = "a name is 1 to 64 letters in lower case, digits, dots, dashes and underscores";
    Err(Error::Usage(format!("{name:?}: {what}")))
}

fn place(name: &str, world: &World) -> Result<PathBuf, Error> {
    check_name(name)?;
    Ok(world.config_dir()?.join(STORE).join(name))
}

fn read_source(text: &[u8]) -> Result<Source, sealwax_attestation::Error> {
    let owned = |value: Json<'_>| value.name().map(std::borrow::Cow::into_owned);
    let mut object = parse(text, LIMITS)?.object()?;
    object.take("version", |version| match version {
        Json::Unsigned(VERSION) => Ok(()),
        other => {
            let (path, found) = (String::new(), format!("{other:?}"));
            Err(sealwax_attestation::Error::Unsupported { path, what: "version", found })
        }
    })?;
    let url = object.take_optional("url", owned)?;
    let source = match url {
        Some(url) => Source::Repository { url, fingerprint: object.take("fingerprint", owned)? },
        None => Source::File,
    };
    object.finish().map(|()| source)
}

/// The name of the public-good instance.
pub(crate) const SIGSTORE: &str = "sigstore";
const STORE: &str = "trust";
const SOURCE: &str = "source.json";
const HELD: &str = "held.json";
/// What `sealwax instance export` calls the signing configuration.
const EXPORTED_CONFIG: &str = "signing_config.json";
const VERSION: u64 = 1;
/// The largest file of somebody else's that is read, in bytes.
const MAX_FILE: u64 = 4 << 20;
const MAX_HELD: u64 = 16 << 20;
const LIMITS: Limits = Limits { bytes: 5 << 20, depth: 16, values: 131_072 };
/// How long one answer may take.
const PATIENCE: Duration = Duration::from_secs(20);
/// How long all of them may take together.
const LONGEST: SignedDuration = SignedDuration::from_secs(60);
/// The largest root that is read, in bytes.
const MAX_ROOT: u64 = 512_000;
/// How many versions of a root are looked through.
const MAX_ROOTS: u64 = 256;

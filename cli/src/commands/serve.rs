//! `sealwax serve`: the instance's log and authority as a service.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use clap::Args;
use serde_json::json;

use sealwax_server::{Config, Listen, Parts, Post, Read, config};
use sealwax_tlog::{VerifierKey, WitnessPolicy};
use sealwax_transparency_log::{Directory, Error as LogError, SearchIndex};

use crate::error::Error;
use crate::files;
use crate::http::Http;
use crate::instance::{Authority, Instance, LOCK_TRIES, MAX_SETTINGS, read_published};
use crate::key_files::{self, PassphraseOptions};
use crate::terminal::{Tone, count, start_messages};
use crate::world::World;

#[derive(Debug, Args)]
pub(crate) struct Options {
    /// The settings [default: serve.toml of the instance, if there is one]
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,

    /// Where to listen [default: 127.0.0.1:3000]
    #[arg(long, value_name = "ADDRESS:PORT")]
    listen: Option<SocketAddr>,

    /// How others reach the server, for what `instance export` writes [default: made from --listen]
    #[arg(long, value_name = "URL")]
    url: Option<String>,

    #[command(flatten)]
    tls: TlsOptions,

    #[command(flatten)]
    passphrase: PassphraseOptions,
}

/// How others are served.
#[derive(Debug, Args)]
#[command(next_help_heading = "TLS")]
pub(crate) struct TlsOptions {
    /// Terminate TLS with this chain (PEM, leaf first)
    #[arg(long, value_name = "FILE", requires = "tls_key")]
    pub(crate) tls_certificate: Option<PathBuf>,

    /// The chain's private key (PEM)
    #[arg(long, value_name = "FILE", requires = "tls_certificate")]
    pub(crate) tls_key: Option<PathBuf>,

    /// Serve plain HTTP to other machines, because something in front terminates TLS
    #[arg(long)]
    pub(crate) plain_http: bool,
}

impl TlsOptions {
    /// The chain and key that were typed, as settings say them.
    fn typed(&self) -> Option<config::Tls> {
        let absolute = |path: &PathBuf| path.canonicalize().unwrap_or_else(|_| path.clone());
        let (certificate, key) = self.tls_certificate.as_ref().zip(self.tls_key.as_ref())?;
        Some(config::Tls { certificate: absolute(certificate), key: absolute(key) })
    }

    /// Where a server listens that has no settings but what was typed.
    pub(crate) fn listen(&self, address: SocketAddr) -> Result<Listen, Error> {
        let tls = self.typed();
        Listen::check_plain(address, tls.is_some(), self.plain_http).map_err(Error::Server)?;
        listen(address, Path::new("."), tls.as_ref(), &config::Limits::default())
    }
}

pub(crate) fn run(options: &Options, world: &World) -> Result<(), Error> {
    let instance = Instance::open(&world.instance_dir()?)?;
    let config = settings(options, &instance)?;
    let beside = instance.dir().to_owned();
    let listen = listen(config.listen, &beside, config.tls.as_ref(), &config.limits)?;
    let witnesses = config.witnesses.as_ref().map(|settings| witnesses(&beside, settings)).transpose()?;
    let guards = instance.guards(&config)?;
    let authority = authority(&instance, &config, &options.passphrase, world)?;
    start_messages(config.messages);

    let log = instance.guarded_log(guards, LOCK_TRIES, world)?;
    let directory = instance.log_path();
    let size = log.checkpoint().map_err(|source| Error::Log { path: directory.clone(), source })?.size;
    let index = open_index(&directory, size, world)?;
    let lookup = SearchIndex::open(&directory.join(INDEX));
    let lookup = lookup.map_err(|source| Error::Log { path: directory.clone(), source })?;
    let shards = shards(&instance)?;
    let repository = instance.has_repository().then(|| repository(&instance, world)).transpose()?;
    let parts = Parts { log, directory, shards, index, lookup, witnesses, authority, repository, listen };
    let started = |address: SocketAddr| {
        let url = config.url.clone().unwrap_or_else(|| with_address(&config, address));
        let what = format!("{}, {}, at {url}", instance.origin(), count(size, "entry"));
        world.terminal.say(Tone::Good, "serving ", &what);
        // Standard output may be closed; that is no reason not to serve.
        let _ = world.terminal.json_line(
            &json!({"serving": instance.origin(), "url": url, "address": address.to_string(), "size": size}),
        );
    };
    sealwax_server::serve(parts, &config, started).map_err(Error::Server)
}

/// The instance's authority, where it has one and the settings do not switch it off.
fn authority(
    instance: &Instance,
    config: &Config,
    passphrase: &PassphraseOptions,
    world: &World,
) -> Result<Option<sealwax_server::Authority>, Error> {
    if !(config.authority.enabled || config.timestamps.enabled) || !instance.has_authority() {
        return Ok(None);
    }
    let Authority { certificates, timestamps, issuer, log } =
        instance.authority(config, passphrase, world)?;
    Ok(Some(sealwax_server::Authority {
        certificates,
        timestamps,
        issuer,
        log,
        log_directory: instance.ct_path(),
        ledger: Arc::new(instance.ledger()?),
        get: Arc::new(Http::new(ISSUER_PATIENCE).map_err(Error::Network)?),
    }))
}

/// Serves the repository, and keeps it: what the instance vouches for is published when it changed, and what the keys here can
/// sign is renewed before it runs out.
fn repository(instance: &Instance, world: &World) -> Result<Read, Error> {
    let (own, world) = (instance.clone(), world.clone());
    let keep = move || loop {
        let kept = own.open_repository().and_then(|published| {
            let advance = published.advance(&[], None, &world)?;
            Ok(advance.waiting.iter().map(|waiting| published.staged(waiting.role)).collect::<Vec<_>>())
        });
        match kept {
            Ok(waiting) => {
                for path in waiting {
                    let what = format!("{} waits for signatures", path.display());
                    world.terminal.say(Tone::Plain, "note:", &what);
                }
            }
            Err(error) => world.terminal.complain("warning:", &error.to_string()),
        }
        world.wait(RENEWAL);
    };
    thread::Builder::new().name("repository".to_owned()).spawn(keep).map_err(|source| Error::Io {
        action: "start a thread for",
        path: instance.repository_public(),
        source,
    })?;
    let public = instance.repository_public();
    Ok(Arc::new(move |name| read_published(&public, name, MAX_SETTINGS)))
}

/// The settings: the file, and over it what was typed.
fn settings(options: &Options, instance: &Instance) -> Result<Config, Error> {
    let mut config = instance.settings(options.config.as_deref())?;
    if let Some(listen) = options.listen {
        config.listen = listen;
    }
    if let Some(url) = &options.url {
        config.url = Some(url.clone());
    }
    config.tls = options.tls.typed().or(config.tls);
    config.plain_http |= options.tls.plain_http;
    config.check().map_err(Error::Server)?;
    Ok(config)
}

/// The frozen logs, which are served beside the log.
fn shards(instance: &Instance) -> Result<Vec<(PathBuf, VerifierKey)>, Error> {
    let wrong = |source| Error::TrustedRoot { path: instance.trusted_root_path(), source };
    let shards = instance.shards()?;
    let placed = shards.iter().filter_map(|log| Some((instance.log_of(&log.origin)?, log)));
    placed.map(|(path, log)| Ok((path, log.verifier_key().map_err(wrong)?))).collect()
}

/// Opens the search index and brings it up to date; one that cannot be used is made anew.
fn open_index(directory: &Path, size: u64, world: &World) -> Result<SearchIndex, Error> {
    let path = directory.join(INDEX);
    let storage = Directory::reader(directory);
    let opened = SearchIndex::open(&path).and_then(|mut index| {
        index.catch_up(&storage, size)?;
        Ok(index)
    });
    let usable = match opened {
        Err(LogError::Damaged { .. }) => {
            let what = "the search index was damaged and is made anew from the log";
            world.terminal.say(Tone::Plain, "note:", what);
            SearchIndex::rebuild(&path, &storage, size)
        }
        other => other,
    };
    usable.map_err(|source| Error::Log { path: directory.to_owned(), source })
}

/// Reads chain and key; their paths in settings are relative to the instance.
fn listen(
    address: SocketAddr,
    beside: &Path,
    tls: Option<&config::Tls>,
    limits: &config::Limits,
) -> Result<Listen, Error> {
    let read = |tls: &config::Tls| {
        let chain = files::read_capped(&beside.join(&tls.certificate), MAX_SETTINGS)?;
        Ok((chain, key_files::read_private_text(&beside.join(&tls.key))?))
    };
    let tls: Option<(Vec<u8>, _)> = tls.map(read).transpose()?;
    let tls = tls.as_ref().map(|(chain, key)| (chain.as_slice(), key.as_slice()));
    Listen::new(address, tls, limits).map_err(Error::Server)
}

fn witnesses(beside: &Path, settings: &config::Witnesses) -> Result<(WitnessPolicy, Arc<dyn Post>), Error> {
    let path = beside.join(&settings.policy);
    let text = files::read_capped(&path, MAX_SETTINGS)?;
    let policy = std::str::from_utf8(&text)
        .map_err(|_| Error::Usage(format!("{}: not text", path.display())))
        .and_then(|text| {
            WitnessPolicy::parse(text).map_err(|error| Error::Usage(format!("{}: {error}", path.display())))
        })?;
    let http = Http::new(Duration::from_secs(settings.timeout_seconds)).map_err(Error::Network)?;
    Ok((policy, Arc::new(http)))
}

fn with_address(config: &Config, address: SocketAddr) -> String {
    Config { listen: address, ..config.clone() }.public_url()
}

/// How long an issuer may take to tell its keys.
const ISSUER_PATIENCE: Duration = Duration::from_secs(10);
/// The search index in the log's directory.
pub(crate) const INDEX: &str = "index.db";
/// How often the repository is looked after: its shortest term is seven days, and a key that is rotated is in force at once.
const RENEWAL: Duration = Duration::from_secs(600);

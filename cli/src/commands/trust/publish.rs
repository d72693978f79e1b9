//! `sealwax trust publish init`, `update`, `rotate`, `sign` and `status`

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand, ValueEnum};
use sealwax_keys::PublicKey;
use sealwax_trust::{Advance, Draft, Role, RoleKeys, Waiting, key_id};
use serde_json::{Value, json};

use crate::error::Error;
use crate::files;
use crate::instance::{Instance, Published};
use crate::key_files::{self, PassphraseOptions};
use crate::terminal::Tone;
use crate::world::World;

#[derive(Debug, Subcommand)]
pub(crate) enum Action {
    /// Start a repository, which `sealwax serve` serves below /tuf
    Init(Init),
    /// Publish what changed, renew what runs out, and take in what was signed elsewhere
    Update(Update),
    /// Give a role another key
    Rotate(Rotate),
    /// Sign metadata that wait, on whatever machine the key is
    Sign(Sign),
    /// Show what is published, until when it holds, and what waits
    Status,
}

#[derive(Debug, Args)]
pub(crate) struct Init {
    /// Where the instance is served [default: as serve.toml says]
    #[arg(long, value_name = "URL")]
    url: Option<String>,

    /// Let this public key sign the root, whose private half is elsewhere (repeatable) [default: a new key, kept here]
    #[arg(long = "root-key", value_name = "PUB")]
    root_keys: Vec<PathBuf>,

    /// How many of them must
    #[arg(long, value_name = "COUNT", default_value_t = 1, requires = "root_keys")]
    root_threshold: usize,

    /// Let this public key sign the targets, whose private half is elsewhere (repeatable) [default: a new key, kept here]
    #[arg(long = "targets-key", value_name = "PUB")]
    targets_keys: Vec<PathBuf>,

    /// How many of them must
    #[arg(long, value_name = "COUNT", default_value_t = 1, requires = "targets_keys")]
    targets_threshold: usize,

    /// Encrypt the keys of root and targets that are kept here with a passphrase
    #[arg(long)]
    encrypt: bool,

    #[command(flatten)]
    passphrase: PassphraseOptions,
}

#[derive(Debug, Args)]
pub(crate) struct Update {
    /// Where the instance is served from now on
    #[arg(long, value_name = "URL")]
    url: Option<String>,

    /// Write the metadata of this role anew although they still hold (repeatable)
    #[arg(long, value_name = "ROLE")]
    renew: Vec<RoleName>,

    #[command(flatten)]
    passphrase: PassphraseOptions,
}

#[derive(Debug, Args)]
pub(crate) struct Rotate {
    /// Which role
    #[arg(value_name = "ROLE")]
    role: RoleName,

    /// Its public keys from now on, whose private halves are elsewhere (repeatable) [default: a new key, kept here]
    #[arg(long = "key", value_name = "PUB")]
    keys: Vec<PathBuf>,

    /// How many of them must sign
    #[arg(long, value_name = "COUNT", default_value_t = 1, requires = "keys")]
    threshold: usize,

    /// Encrypt a new key of root or targets, with the passphrase that the others have
    #[arg(long)]
    encrypt: bool,

    #[command(flatten)]
    passphrase: PassphraseOptions,
}

#[derive(Debug, Args)]
pub(crate) struct Sign {
    /// The metadata, from repository/staged of the instance
    #[arg(value_name = "FILE")]
    path: PathBuf,

    /// The private key
    #[arg(long, value_name = "KEY")]
    key: PathBuf,

    #[command(flatten)]
    passphrase: PassphraseOptions,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum RoleName {
    Root,
    Targets,
    Snapshot,
    Timestamp,
}

impl RoleName {
    fn role(self) -> Role {
        match self {
            Self::Root => Role::Root,
            Self::Targets => Role::Targets,
            Self::Snapshot => Role::Snapshot,
            Self::Timestamp => Role::Timestamp,
        }
    }
}

pub(crate) fn run(action: &Action, world: &World) -> Result<(), Error> {
    if let Action::Sign(options) = action {
        return sign(options, world);
    }
    let instance = Instance::open(&world.instance_dir()?)?;
    match action {
        Action::Init(options) => init(options, &instance, world),
        Action::Update(options) => update(options, &instance, world),
        Action::Rotate(options) => rotate(options, &instance, world),
        Action::Sign(_) => Ok(()),
        Action::Status => status(&instance.open_repository()?, &[], world),
    }
}

fn init(options: &Init, instance: &Instance, world: &World) -> Result<(), Error> {
    let url = match &options.url {
        Some(url) => url.trim_end_matches('/').to_owned(),
        None if instance.server_settings_path().is_file() => instance.settings(None)?.public_url(),
        None => return Err(Error::Usage("say with --url where the instance is served".to_owned())),
    };
    let roles = BTreeMap::from([
        (Role::Root, assigned(&options.root_keys, options.root_threshold)?),
        (Role::Targets, assigned(&options.targets_keys, options.targets_threshold)?),
    ]);
    let passphrase = options.encrypt.then(|| options.passphrase.choose(world)).transpose()?;
    let passphrase = passphrase.as_ref().map(|passphrase| passphrase.as_str());
    let published = instance.start_repository(&url, roles, passphrase, world)?;
    advance(&published, &[], passphrase, world)
}

fn update(options: &Update, instance: &Instance, world: &World) -> Result<(), Error> {
    let mut published = instance.open_repository()?;
    if let Some(url) = &options.url {
        published.move_to(url.trim_end_matches('/'))?;
    }
    let renew: Vec<Role> = options.renew.iter().map(|role| role.role()).collect();
    let passphrase = options.passphrase.configured(world)?;
    advance(&published, &renew, passphrase.as_ref().map(|passphrase| passphrase.as_str()), world)
}

fn rotate(options: &Rotate, instance: &Instance, world: &World) -> Result<(), Error> {
    let role = options.role.role();
    let keys = assigned(&options.keys, options.threshold)?;
    if !keys.keys.is_empty() && matches!(role, Role::Snapshot | Role::Timestamp) {
        let what = "snapshot and timestamp are signed every day: their keys are made and kept here";
        return Err(Error::Usage(what.to_owned()));
    }
    let mut published = instance.open_repository()?;
    let passphrase = match options.encrypt {
        true => Some(options.passphrase.choose(world)?),
        false => options.passphrase.configured(world)?,
    };
    let passphrase = passphrase.as_ref().map(|passphrase| passphrase.as_str());
    published.rotate(role, keys, passphrase.filter(|_| options.encrypt), world)?;
    advance(&published, &[], passphrase, world)
}

fn sign(options: &Sign, world: &World) -> Result<(), Error> {
    let wrong = |source| Error::Repository { path: options.path.clone(), source };
    let mut draft = Draft::parse(&files::read_capped(&options.path, MAX_METADATA)?).map_err(wrong)?;
    let key = key_files::read_secret(&options.key, &options.passphrase, world)?;
    draft.sign(&key).map_err(wrong)?;
    let id = key_id(key.public_key()).map_err(wrong)?;
    files::replace_public(&options.path, &draft.to_json())?;
    let what =
        format!("{} {}, which holds until {}, by key {id}", draft.role(), draft.version(), draft.expires());
    world.terminal.result(Tone::Good, "signed  ", &what)?;
    for (label, field) in [("keys    ", "/roles"), ("files   ", "/targets")] {
        for (name, value) in draft.signed().pointer(field).and_then(Value::as_object).into_iter().flatten() {
            world.terminal.result(Tone::Plain, label, &format!("{name}: {value}"))?;
        }
    }
    world.terminal.say(
        Tone::Plain,
        "hint:",
        "put it back where it was, and run `sealwax trust publish update` there",
    );
    world.terminal.json(&json!({
        "role": draft.role().name(),
        "version": draft.version(),
        "signatures": draft.signatures(),
        "key": id,
        "signed": draft.signed(),
    }))
}

fn advance(
    published: &Published<'_>,
    renew: &[Role],
    passphrase: Option<&str>,
    world: &World,
) -> Result<(), Error> {
    let Advance { writes, waiting, .. } = published.advance(renew, passphrase, world)?;
    for (name, _) in writes.iter().filter(|(name, _)| name.starts_with("public/")) {
        world.terminal.say(Tone::Good, "written ", name);
    }
    // Read anew: what is in force is what is on the disk.
    status(published, &waiting, world)
}

fn status(published: &Published<'_>, waiting: &[Waiting], world: &World) -> Result<(), Error> {
    let current = published.reopened()?;
    let states = current.states().map_err(|source| published.wrong(source))?;
    let terminal = world.terminal;
    let own = published.own_keys();
    let mut rows = Vec::new();
    for state in &states {
        let here = state.keys.iter().filter(|key| own.contains(key)).count();
        let what = format!(
            "{} {}, until {}, {} of {} keys ({here} here)",
            state.role,
            state.version,
            state.expires,
            state.threshold,
            state.keys.len()
        );
        terminal.result(Tone::Plain, "role       ", &what)?;
        rows.push(json!({
            "role": state.role.name(), "version": state.version, "expires": state.expires.to_string(),
            "renewed_from": state.due.to_string(), "threshold": state.threshold, "keys": state.keys, "keys_here": here,
        }));
    }
    let root = states.iter().find(|state| state.role == Role::Root).map(|state| state.version);
    let fingerprint = root.map(|version| published.fingerprint(version)).transpose()?;
    let url = format!("{}/tuf", published.url);
    if let Some(fingerprint) = &fingerprint {
        terminal.result(Tone::Plain, "repository ", &url)?;
        terminal.result(Tone::Plain, "fingerprint", fingerprint)?;
        let hint = format!("others trust it with: sealwax trust add {url} --fingerprint {fingerprint}");
        terminal.say(Tone::Plain, "hint:", &hint);
    }
    let mut waits = Vec::new();
    for role in [Role::Root, Role::Targets] {
        let path = published.staged(role);
        if !path.is_file() {
            continue;
        }
        let known = waiting.iter().find(|waiting| waiting.role == role);
        let keys: Vec<&String> = known.map(|waiting| waiting.keys.iter().collect()).unwrap_or_default();
        terminal.result(Tone::Bad, "waiting    ", &format!("for signatures: {}", path.display()))?;
        waits.push(json!({"role": role.name(), "path": path.display().to_string(), "keys": keys}));
    }
    if !waits.is_empty() {
        let hint = "sign there with `sealwax trust publish sign FILE --key KEY`, or give the passphrase of the keys here";
        terminal.say(Tone::Plain, "hint:", hint);
    }
    terminal.json(&json!({"url": url, "fingerprint": fingerprint, "roles": rows, "waiting": waits}))
}

/// Reads public keys for a role.
fn assigned(paths: &[PathBuf], threshold: usize) -> Result<RoleKeys, Error> {
    let read = |path: &PathBuf| key_files::read_public(Path::new(path));
    let keys = paths.iter().map(read).collect::<Result<Vec<PublicKey>, Error>>()?;
    Ok(RoleKeys { keys, threshold })
}

const MAX_METADATA: u64 = 2_000_000;

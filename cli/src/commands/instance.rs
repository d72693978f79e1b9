//! `sealwax instance init`, `show`, `export`, `invite` and `invitations`

mod invitations;

use std::path::PathBuf;

use clap::{Args, Subcommand};
use serde_json::json;

use sealwax_attestation::ClientTrustConfig;
use sealwax_keys::PublicKey;
use sealwax_verify::Signers;

use crate::error::Error;
use crate::files::{self, io_error};
use crate::instance::{Blueprint, Instance, MAX_SETTINGS};
use crate::key_files::{self, PassphraseOptions};
use crate::terminal::{Tone, count};
use crate::world::World;

use super::key::fingerprint;

#[derive(Debug, Subcommand)]
pub(crate) enum Action {
    /// Make an instance: a signing key, a log, an authority, their keys, a trusted root and a policy
    Init(Init),
    /// Show where the instance is, its keys and its log
    Show,
    /// Write what others need to verify: trusted root, policy and public key
    Export(Export),
    /// Invite somebody who has no account at an issuer that is believed: prints what they redeem, once, for a certificate
    Invite(invitations::Invite),
    /// List the invitations, or withdraw one
    Invitations(invitations::Invitations),
}

#[derive(Debug, Args)]
pub(crate) struct Init {
    /// The log's origin, a host name of yours that no other log has [default: made from the log's key]
    #[arg(long, value_name = "HOST")]
    origin: Option<String>,

    /// Sign with this key in a token, pkcs11:token=…;object=… [default: a new key in a file]
    #[arg(long, value_name = "URI", conflicts_with = "encrypt")]
    signing_key: Option<PathBuf>,

    /// Sign the log with this Ed25519 key in a token, pkcs11:token=…;object=… [default: a new key in a file]
    #[arg(long, value_name = "URI")]
    log_key: Option<PathBuf>,

    /// Certify identities with this key in a token, pkcs11:token=…;object=… [default: a new key in a file]
    #[arg(long, value_name = "URI")]
    ca_key: Option<PathBuf>,

    /// Encrypt the signing key and the authority's keys with a passphrase
    #[arg(long)]
    encrypt: bool,

    #[command(flatten)]
    passphrase: PassphraseOptions,
}

#[derive(Debug, Args)]
pub(crate) struct Export {
    /// Directory to write to; made if needed, files in it are not overwritten
    #[arg(value_name = "DIR")]
    directory: PathBuf,

    /// Where the instance is served, for the configuration of who signs [default: as serve.toml says, else none is written]
    #[arg(long, value_name = "URL")]
    url: Option<String>,
}

pub(crate) fn run(action: &Action, world: &World) -> Result<(), Error> {
    match action {
        Action::Init(options) => init(options, world),
        Action::Show => show(&Instance::open(&world.instance_dir()?)?, world),
        Action::Export(options) => export(options, world),
        Action::Invite(options) => invitations::invite(options, world),
        Action::Invitations(options) => invitations::invitations(options, world),
    }
}

/// Opens the instance of this command, or makes it and says so in two lines.
pub(crate) fn open_or_create(world: &World) -> Result<Instance, Error> {
    let dir = world.instance_dir()?;
    match Instance::open(&dir) {
        Err(Error::NoInstance { .. }) => {}
        opened => return opened,
    }
    match Instance::create(&dir, &Blueprint::default(), world) {
        // Another sign made it between the two looks.
        Err(Error::Exists { .. }) => Instance::open(&dir),
        Err(error) => Err(error),
        Ok(instance) => {
            announce(&instance, world);
            Ok(instance)
        }
    }
}

fn announce(instance: &Instance, world: &World) {
    let dir = instance.dir().display();
    let what =
        format!("an instance in {dir}: a signing key, a log ({}) and its trusted root", instance.origin());
    world.terminal.say(Tone::Plain, "made    ", &what);
    let hint = "others verify with what `sealwax instance export DIR` writes; back up the directory, keep keys/ secret";
    world.terminal.say(Tone::Plain, "        ", hint);
}

fn init(options: &Init, world: &World) -> Result<(), Error> {
    let encrypt = options.encrypt || options.passphrase.given();
    let passphrase = encrypt.then(|| options.passphrase.choose(world)).transpose()?;
    let Init { origin, signing_key, log_key, ca_key, .. } = options;
    let blueprint = Blueprint {
        origin: origin.clone(),
        passphrase,
        signing_key: signing_key.clone(),
        log_key: log_key.clone(),
        ca_key: ca_key.clone(),
    };
    let instance = Instance::create(&world.instance_dir()?, &blueprint, world)?;
    announce(&instance, world);
    if world.terminal.json { show(&instance, world) } else { Ok(()) }
}

fn show(instance: &Instance, world: &World) -> Result<(), Error> {
    let signing = public_key(instance)?;
    let root = instance.trusted_root()?;
    let log = instance.log_view()?;
    let state = log.checkpoint();
    let terminal = world.terminal;
    terminal.result(Tone::Plain, "instance   ", &instance.dir().display().to_string())?;
    terminal.result(Tone::Plain, "signing key", &format!("{} {}", signing.kind(), fingerprint(&signing)))?;
    terminal.result(
        Tone::Plain,
        "log        ",
        &format!("{}, {}", instance.origin(), count(state.size, "entry")),
    )?;
    terminal.result(Tone::Plain, "log root   ", &hex::encode(state.root.as_bytes()))?;
    for log in &root.logs {
        let until = log.valid_until.map(|until| format!(" until {until}")).unwrap_or_default();
        let window = format!("{} since {}{until}", log.origin, log.valid_from);
        terminal.result(Tone::Plain, "trusts log ", &window)?;
    }
    if let Signers::Keys(keys) = instance.policy()?.signers {
        for trusted in &keys {
            let what = format!("{} ({} {})", trusted.name, trusted.key.kind(), fingerprint(&trusted.key));
            terminal.result(Tone::Plain, "trusts key ", &what)?;
        }
    }
    terminal.json(&json!({
        "instance": instance.dir().display().to_string(),
        "signing_key": super::key::to_json(&signing),
        "log": {"origin": instance.origin(), "size": state.size, "root_hash": hex::encode(state.root.as_bytes())},
        "trusted_root": instance.trusted_root_path().display().to_string(),
        "policy": instance.policy_path().display().to_string(),
    }))
}

fn export(options: &Export, world: &World) -> Result<(), Error> {
    let instance = Instance::open(&world.instance_dir()?)?;
    // Read through their readers first, so that nothing broken is handed out.
    instance.trusted_root()?;
    instance.policy()?;
    let key = public_key(&instance)?.to_pem();
    let text =
        |path: PathBuf| Ok(String::from_utf8_lossy(&files::read_capped(&path, MAX_SETTINGS)?).into_owned());
    let directory = &options.directory;
    std::fs::create_dir_all(directory).map_err(|source| io_error("create", directory, source))?;
    let mut files = vec![
        ("trusted_root.json", text(instance.trusted_root_path())?),
        ("policy.json", text(instance.policy_path())?),
        ("signing.pub", key),
    ];
    if let Some(url) = served_at(options, &instance)? {
        let signing_config = instance.signing_config(&url)?;
        files.push(("signing_config.json", signing_config.to_json()));
        let both = ClientTrustConfig { trusted_root: instance.trusted_root()?, signing_config };
        files.push(("client_trust_config.json", both.to_json()));
    }
    // All or nothing: none is written where one of them is there.
    if let Some(path) =
        files.iter().map(|(name, _)| directory.join(name)).find(|path| path.symlink_metadata().is_ok())
    {
        return Err(Error::Exists { path });
    }
    for (name, text) in &files {
        files::create_public(&directory.join(name), text)?;
    }
    let hint = format!(
        "verify with: sealwax verify MODEL --policy {0}/policy.json --trusted-root {0}/trusted_root.json",
        directory.display()
    );
    world.terminal.result(Tone::Good, "exported", &directory.display().to_string())?;
    world.terminal.say(Tone::Plain, "hint:", &hint);
    let names: Vec<String> =
        files.iter().map(|(name, _)| directory.join(name).display().to_string()).collect();
    world.terminal.json(&json!({"files": names}))
}

/// Where the instance is served: as was said, or as its settings say.
fn served_at(options: &Export, instance: &Instance) -> Result<Option<String>, Error> {
    match &options.url {
        Some(url) => Ok(Some(url.trim_end_matches('/').to_owned())),
        None if instance.server_settings_path().is_file() => Ok(Some(instance.settings(None)?.public_url())),
        None => Ok(None),
    }
}

fn public_key(instance: &Instance) -> Result<PublicKey, Error> {
    key_files::read_public(&instance.signing_public_key())
}

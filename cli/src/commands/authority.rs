//! `sealwax authority show`, `create`, `rotate` and `certificates`

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};
use jiff::Timestamp;
use serde_json::{Value, json};

use sealwax_authority::Recorded;
use sealwax_keys::{Certificate, PublicKey, SubjectName};

use crate::error::Error;
use crate::instance::{Instance, Replaced};
use crate::key_files::PassphraseOptions;
use crate::terminal::{Tone, count};
use crate::world::World;

use super::key::fingerprint;

#[derive(Debug, Subcommand)]
pub(crate) enum Action {
    /// Show whose certificates and time stamps the instance makes, and until when it can
    Show,
    /// Give an instance of an earlier version an authority, or finish an interrupted change of one
    Create(Create),
    /// Replace a key; what the old one vouched for stays believed for the time that it was in use
    Rotate(Rotate),
    /// List the certificates that were issued, from the record that each entered before it was signed
    Certificates(Certificates),
}

#[derive(Debug, Args)]
pub(crate) struct Create {
    /// Encrypt the authority's keys with a passphrase
    #[arg(long)]
    encrypt: bool,

    #[command(flatten)]
    passphrase: PassphraseOptions,
}

#[derive(Debug, Args)]
pub(crate) struct Rotate {
    /// Which key
    #[arg(value_enum)]
    key: Key,

    /// Make a new root too
    #[arg(long)]
    root: bool,

    /// Take this key in a token, pkcs11:token=…;object=… [default: a new key in a file]
    #[arg(long, value_name = "URI", conflicts_with = "root")]
    new_key: Option<PathBuf>,

    /// The root's key, where it is kept elsewhere [default: keys/ca-root.pem of the instance]
    #[arg(long, value_name = "FILE", conflicts_with = "root")]
    root_key: Option<PathBuf>,

    #[command(flatten)]
    passphrase: PassphraseOptions,
}

/// A key that can be replaced.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum Key {
    /// It certifies identities
    Ca,
    /// It vouches for recorded certificates
    Ct,
    /// It makes time stamps
    Tsa,
    /// It signs tokens for who was invited
    Issuer,
}

#[derive(Debug, Args)]
pub(crate) struct Certificates {
    /// How many, newest first
    #[arg(long, value_name = "N", default_value_t = 100)]
    limit: u64,
}

pub(crate) fn run(action: &Action, world: &World) -> Result<(), Error> {
    let dir = world.instance_dir()?;
    match action {
        Action::Show => show(&Instance::open(&dir)?, world),
        Action::Create(options) => create(&Instance::open_unfinished(&dir)?, options, world),
        Action::Rotate(options) => rotate(&Instance::open_unfinished(&dir)?, options, world),
        Action::Certificates(options) => certificates(&Instance::open(&dir)?, options, world),
    }
}

fn create(instance: &Instance, options: &Create, world: &World) -> Result<(), Error> {
    let encrypt = (options.encrypt || options.passphrase.given()) && !instance.is_changing();
    let passphrase = encrypt.then(|| options.passphrase.choose(world)).transpose()?;
    instance.create_authority(passphrase.as_ref().map(|passphrase| passphrase.as_str()), world)?;
    told(instance, "made    ", world)
}

fn rotate(instance: &Instance, options: &Rotate, world: &World) -> Result<(), Error> {
    let what = match options.key {
        Key::Ca => Replaced::Ca { root: options.root },
        _ if options.root => {
            return Err(Error::Usage("--root goes with `rotate ca`".to_owned()));
        }
        Key::Ct => Replaced::Ct,
        Key::Tsa => Replaced::Tsa,
        Key::Issuer => Replaced::Issuer,
    };
    let (new, root) = (options.new_key.as_deref(), options.root_key.as_deref());
    instance.replace_key(what, new, root, &options.passphrase, world)?;
    told(instance, "replaced", world)
}

fn told(instance: &Instance, what: &str, world: &World) -> Result<(), Error> {
    let terminal = world.terminal;
    terminal.say(Tone::Plain, what, &format!("the authority of {}", instance.dir().display()));
    let hint = "hand out what `sealwax instance export` writes now; verifiers need it";
    terminal.say(Tone::Plain, "hint:", hint);
    show(&Instance::open(instance.dir())?, world)
}

fn show(instance: &Instance, world: &World) -> Result<(), Error> {
    let url = instance.issuer(&instance.settings(None)?)?;
    let (ca, tsa) = (instance.ca_chain()?, instance.tsa_chain()?);
    let (ct, issuer) = (instance.ct_key()?, instance.issuer_key()?);
    let record = instance.ct_view()?;
    let (size, root) = (record.checkpoint().size, record.checkpoint().root);
    let verifier = instance.ct_verifier()?.to_string();
    let terminal = world.terminal;
    for (what, chain) in [("identities ", &ca), ("time stamps", &tsa)] {
        for certificate in chain.iter().take(1) {
            terminal.result(Tone::Plain, what, &described(certificate))?;
        }
    }
    for root in ca.iter().skip(1) {
        terminal.result(Tone::Plain, "root       ", &described(root))?;
    }
    terminal.result(Tone::Plain, "vouches    ", &keyed(&ct))?;
    terminal.result(Tone::Plain, "issuer     ", &format!("{url}, {}", keyed(&issuer)))?;
    terminal.result(Tone::Plain, "record     ", &format!("{verifier}, {}", count(size, "certificate")))?;
    let chain = |chain: &[Certificate]| chain.iter().map(to_json).collect::<Vec<Value>>();
    terminal.json(&json!({
        "identities": chain(&ca),
        "timestamps": chain(&tsa),
        "certificate_log": {
            "key": super::key::to_json(&ct),
            "verifier_key": verifier,
            "size": size,
            "root_hash": hex::encode(root.as_bytes()),
        },
        "issuer": {"url": url, "key": super::key::to_json(&issuer)},
    }))
}

fn certificates(instance: &Instance, options: &Certificates, world: &World) -> Result<(), Error> {
    let view = instance.ct_view()?;
    let failed = |source| Error::Log { path: instance.ct_path(), source };
    let size = view.checkpoint().size;
    let mut rows = Vec::new();
    for index in (size.saturating_sub(options.limit)..size).rev() {
        let entry = view.entry(index).map_err(failed)?;
        let recorded = Recorded::parse(&entry)
            .map_err(|source| Error::Authority { path: instance.ct_path(), source })?;
        let certificate = recorded.certificate();
        let names: Vec<String> = certificate.subject_alternative_names().iter().map(named).collect();
        let issuer = recorded.issuer().unwrap_or_default();
        let what = format!("{} vouched for by {issuer}, {}", names.join(", "), recorded.time());
        world.terminal.result(Tone::Plain, &format!("{index:>11}"), &what)?;
        rows.push(json!({
            "index": index,
            "time": recorded.time().to_string(),
            "names": names,
            "issuer": issuer,
            "serial": hex::encode(certificate.serial_number()),
            "not_before": time(certificate.not_before()),
            "not_after": time(certificate.not_after()),
            "key": super::key::to_json(certificate.public_key()),
        }));
    }
    if rows.is_empty() {
        world.terminal.say(Tone::Plain, "none    ", "no certificate was issued");
    }
    world.terminal.json(&json!({"size": size, "certificates": rows}))
}

/// A name as a person reads it; of a kind without a text of its own, its bytes.
fn named(name: &SubjectName) -> String {
    match name {
        SubjectName::Email(text) | SubjectName::Uri(text) | SubjectName::Dns(text) => text.clone(),
        SubjectName::Other(der) => format!("otherName:{}", hex::encode(der)),
        _ => String::new(),
    }
}

fn described(certificate: &Certificate) -> String {
    format!("{}, until {}", keyed(certificate.public_key()), time(certificate.not_after()))
}

fn keyed(key: &PublicKey) -> String {
    format!("{} {}", key.kind(), fingerprint(key))
}

fn to_json(certificate: &Certificate) -> Value {
    json!({
        "key": super::key::to_json(certificate.public_key()),
        "not_before": time(certificate.not_before()),
        "not_after": time(certificate.not_after()),
    })
}

fn time(seconds: i64) -> String {
    Timestamp::from_second(seconds).unwrap_or(Timestamp::MAX).to_string()
}

//! `sealwax sign`: hash, state, sign, log, bundle, verify, and only then write.

mod model;
mod signer;
mod target;

use std::path::PathBuf;

use clap::Args;
use jiff::{SignedDuration, Timestamp};

use sealwax_attestation::{
    Bundle, Content, Envelope, IN_TOTO_PAYLOAD_TYPE, Statement, TrustedRoot, VerificationMaterial, pae,
};
use sealwax_keys::Certificate;
use sealwax_model::{Hashed, ModelPath};
use sealwax_verify::{Authentic, LogRequirement, Policy, Rejection, Signers, VerifiedModel, authenticate};

use crate::error::Error;
use crate::files;
use crate::identity::IdentityOptions;
use crate::instance::Instance;
use crate::key_files::{self, PassphraseOptions};
use crate::reuse;
use crate::signature_file::SignatureFile;
use crate::terminal::{Tone, bytes, count};
use crate::whom::describe_signer;
use crate::world::World;

use model::ModelOptions;
use signer::Signer;
use target::Target;

use super::instance::open_or_create;
use super::verify::{ignored_paths, to_json};

pub(crate) use model::size;

#[derive(Debug, Args)]
pub(crate) struct Options {
    #[command(flatten)]
    model: ModelOptions,

    /// Where to write the bundle [default: MODEL/model.sig, or MODEL.sig for a file]
    #[arg(long, value_name = "FILE")]
    signature: Option<PathBuf>,

    /// Sign with this private key, a file or pkcs11:… for one in a token [default: the instance's signing key, or with
    /// services elsewhere an identity]
    #[arg(long, value_name = "KEY")]
    key: Option<PathBuf>,

    /// Sign as the holder of this code-signing certificate for the key (PEM, leaf first)
    #[arg(long, value_name = "FILE", requires = "key", requires = "certificate_chain")]
    certificate: Option<PathBuf>,

    /// The authorities above the certificate, up to the root (repeatable, PEM); added to the bundle
    #[arg(long, value_name = "CA", requires = "certificate")]
    certificate_chain: Vec<PathBuf>,

    /// Sign with the services of this client trust configuration, a Sealwax instance's or any other Sigstore's
    #[arg(long, value_name = "FILE", conflicts_with_all = ["signing_config", "trusted_root"])]
    trust_config: Option<PathBuf>,

    /// Sign with the services that `sealwax trust list` shows under this name, such as sigstore
    #[arg(long, value_name = "NAME", conflicts_with_all = ["trust_config", "signing_config", "trusted_root"])]
    trust: Option<String>,

    /// Sign with the services of this signing configuration
    #[arg(long, value_name = "FILE", requires = "trusted_root")]
    signing_config: Option<PathBuf>,

    /// With --instance URL or --signing-config: what to believe of the services, from their operator; never taken from them
    #[arg(long, value_name = "FILE")]
    trusted_root: Option<PathBuf>,

    /// Do not leave the statement beside the log; the entry is then found by key and hash only
    #[arg(long)]
    unlisted: bool,

    #[command(flatten)]
    identity: IdentityOptions,

    #[command(flatten)]
    passphrase: PassphraseOptions,
}

pub(crate) fn run(options: &Options, world: &World) -> Result<(), Error> {
    let file = SignatureFile::locate(&options.model.model, options.signature.as_deref())?;
    file.prepare()?;
    let mut ignored = ignored_paths(&options.model.ignore_paths)?;
    ignored.extend(file.within_model()?);
    let name = options.model.name()?;
    outside_the_model(options, world)?;

    // A key first, because it may ask for a passphrase, and hashing may take long; an instance is only made for a model that
    // can be signed. An identity last, because its token and its certificate live for minutes.
    let services = target::services(options, world)?;
    let existing = match Instance::open(&world.local_instance_dir()?) {
        Err(Error::NoInstance { .. }) => None,
        opened => Some(opened?),
    };
    let local = existing.as_ref().filter(|_| services.is_none());
    if let Some(instance) = local {
        instance.signing_guards()?;
    }
    let named = options.identity.identity.as_deref();
    let signer = match (&options.key, local) {
        (Some(path), _) => Some(Signer::load(path, options, world)?),
        (None, Some(instance)) if named.is_none() => Some(Signer::of_instance(instance, options, world)?),
        _ => None,
    };
    let identity = match &services {
        Some(services) if signer.is_none() => Some(services.identity(&options.identity, world)?),
        None if options.identity.given() => {
            let what = "who certifies the identity? give --trust-config FILE, or --instance URL and --trusted-root FILE";
            return Err(Error::Usage(what.to_owned()));
        }
        _ => None,
    };
    let hashed = options.model.hash(ignored.clone(), world)?;
    let mut target = match services {
        Some(services) => Target::Services(Box::new(services)),
        None => Target::Local(existing.map_or_else(|| open_or_create(world), Ok)?, None),
    };
    let signer = match (signer, &mut target, identity) {
        (Some(signer), ..) => signer,
        (None, Target::Services(services), Some(identity)) => {
            Signer::certified(services.certify(&identity, world)?, named)?
        }
        (None, Target::Local(instance, authority), _) => match named {
            Some(name) => {
                let opened = instance.authority(&instance.settings(None)?, &options.passphrase, world)?;
                let certified = authority.insert(Box::new(opened)).certify(name, world)?;
                Signer::certified(certified, named)?
            }
            None => Signer::of_instance(instance, options, world)?,
        },
        (None, Target::Services(_), None) => return Err(Error::Bug("nobody signs".to_owned())),
    };

    let payload = Statement::new(name, hashed.manifest.clone()).to_payload().map_err(bug)?;
    let signature = signer.sign(&pae(IN_TOTO_PAYLOAD_TYPE, &payload))?;
    let timestamps =
        if signer.is_certified() { target.timestamps(&signature, options, world)? } else { Vec::new() };
    let envelope = Envelope::in_toto(payload, signature);
    let mut bundle =
        Bundle { timestamps, ..Bundle::new(signer.material(), Content::Envelope(envelope.clone())) };
    let policy = |log| Policy { signers: signer.trusted(), log, ignored: ignored.clone() };
    let root = target.trusted_root()?;
    let refused =
        |rejection| target.refused(rejection, &signer, world).unwrap_or_else(|own| refused_own(&file, own));

    // What a log takes, it keeps for ever: only a signature that verifies goes in.
    let check = || match signer.identity_certificate().filter(|_| bundle.timestamps.is_empty()) {
        None => authenticate(&bundle, &root, policy(LogRequirement::Waived), world.now()),
        Some(leaf) => authenticate_undated(&bundle, leaf, &root, &ignored, world.now()),
    };
    let checked = match check() {
        // Clocks differ by a little. A time that has not come yet is waited for, because no verifier takes it before.
        Err(Rejection::TimeInFuture { time, now }) if time.duration_since(now) <= MAX_SKEW => {
            world.wait(time.duration_since(now).unsigned_abs());
            check()
        }
        checked => checked,
    };
    checked.map_err(refused)?;
    if let Some(log) = root.logs.iter().find(|log| target.is_log(log) && world.now() < log.valid_from) {
        let (origin, valid_from) = (log.origin.clone(), log.valid_from);
        return Err(file.rejected(Rejection::LogKeyNotYetValid { origin, valid_from }));
    }
    let pending = file.begin()?;
    let (entries, existing) = target.record(&envelope, &signer, options, world)?;
    bundle.log_entries = entries;

    // Read back as a stranger would, from the bytes that will be written.
    let text = bundle.to_json();
    drop(bundle);
    let written = Bundle::from_json(text.as_bytes()).map_err(|error| refused_own(&file, error.into()))?;
    let required = LogRequirement::Required { witnesses: None };
    let verified = authenticate(&written, &root, policy(required), world.now())
        .and_then(|authentic| authentic.confirm(&hashed))
        .map_err(refused)?;
    pending.finish(&text)?;
    print(&verified, existing, &hashed, &file, options, world)
}

/// Checks what can be checked of an identity's signature before a log has said when it was made: that it verifies, and that
/// its certificate leads to an authority of the trusted root now.
fn authenticate_undated(
    bundle: &Bundle,
    leaf: &Certificate,
    root: &TrustedRoot,
    ignored: &[ModelPath],
    now: Timestamp,
) -> Result<Authentic, Rejection> {
    let mut chain = vec![leaf.der().to_vec()];
    let mut anchors = Vec::new();
    for authority in &root.certificate_authorities {
        anchors.extend(authority.chain.last().and_then(|der| Certificate::from_der(der).ok()));
        chain.extend(authority.chain.iter().cloned());
    }
    let bundle = Bundle { material: VerificationMaterial::CertificateChain(chain), ..bundle.clone() };
    let signers = Signers::CertificateChain { anchors, signed_at: Some(now) };
    let policy = Policy { signers, log: LogRequirement::Waived, ignored: ignored.to_vec() };
    authenticate(&bundle, root, policy, now)
}

/// Keys and the instance must not be handed out with the model.
fn outside_the_model(options: &Options, world: &World) -> Result<(), Error> {
    let Ok(model) = options.model.model.canonicalize() else { return Ok(()) };
    let instance = world.local_instance_dir()?;
    let key = options.key.as_ref().filter(|path| key_files::token_uri(path).is_none());
    for path in key.into_iter().chain(std::iter::once(&instance)) {
        let inside = path.canonicalize().or_else(|_| files::parent(path).canonicalize());
        if inside.is_ok_and(|inside| inside.starts_with(&model)) {
            let what = format!("{} is inside the model, and would be handed out with it", path.display());
            return Err(Error::Usage(what));
        }
    }
    Ok(())
}

/// Our own output does not verify. For a certificate that is the person's to mend, for anything else it is a bug.
fn refused_own(file: &SignatureFile, rejection: Rejection) -> Error {
    match rejection {
        Rejection::Certificate { .. } | Rejection::IgnoredPresent(_) | Rejection::LogUnknown { .. } => {
            Error::Rejected { bundle: file.path().to_owned(), rejection: Box::new(rejection) }
        }
        Rejection::Malformed(source) => Error::TooLargeToSign { path: file.path().to_owned(), source },
        other => Error::Bug(format!("the new bundle does not verify: {other}")),
    }
}

fn print(
    verified: &VerifiedModel,
    existing: bool,
    hashed: &Hashed,
    file: &SignatureFile,
    options: &Options,
    world: &World,
) -> Result<(), Error> {
    let terminal = world.terminal;
    let root_digest = hex::encode(verified.statement().manifest.root_digest());
    terminal.say(Tone::Plain, "signer  ", &describe_signer(verified.signer()));
    if let Some(log) = verified.included() {
        let again = if existing { " (was there already)" } else { "" };
        let what = format!("{}, entry {} of {}{again}", log.origin(), log.index(), log.tree_size());
        terminal.say(Tone::Plain, "logged  ", &what);
    }
    if let Some(what) = reuse::describe(hashed) {
        terminal.say(Tone::Plain, "reused  ", &what);
    }
    let what = format!(
        "{} ({}, {}, root {root_digest}) in {}",
        options.model.model.display(),
        count(verified.files(), "file"),
        bytes(verified.bytes()),
        file.path().display()
    );
    terminal.say(Tone::Good, "signed  ", &what);
    let mut json = to_json("signed", verified, &options.model.model, file.path());
    if let Some(log) = json.get_mut("log").and_then(serde_json::Value::as_object_mut) {
        log.insert("existing".to_owned(), existing.into());
    }
    if let (Some(reused), Some(json)) = (reuse::to_json(hashed), json.as_object_mut()) {
        json.insert("reused".to_owned(), reused);
    }
    terminal.json(&json)
}

fn bug(error: sealwax_attestation::Error) -> Error {
    Error::Bug(error.to_string())
}

/// By how much the clock of a time-stamping authority may be ahead.
const MAX_SKEW: SignedDuration = SignedDuration::from_secs(30);

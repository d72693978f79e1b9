//! `sealwax sign`: hash, state, sign, log, bundle, verify, and only then write.

use std::num::NonZeroU64;
use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};

use sealwax_attestation::{
    Bundle, Content, Envelope, HashedRekord, IN_TOTO_PAYLOAD_TYPE, LogInstance, Statement,
    TransparencyLogEntry, TrustedRoot, VerificationMaterial, Verifier, pae,
};
use sealwax_keys::{Certificate, SecretKey};
use sealwax_model::{Hash, HashOptions, Hashed, Method, ModelPath, Serialization};
use sealwax_transparency_log::{NewEntry, Receipt};
use sealwax_verify::{LogRequirement, Policy, Rejection, Signers, TrustedKey, VerifiedModel, authenticate};

use crate::error::Error;
use crate::files;
use crate::instance::{INSTANCE_KEY_NAME, Instance, read_trusted_root};
use crate::key_files::{self, PassphraseOptions};
use crate::progress;
use crate::reuse;
use crate::served_log::ServedLog;
use crate::signature_file::SignatureFile;
use crate::terminal::{Tone, bytes, count};
use crate::whom::describe_signer;
use crate::world::World;

use super::instance::open_or_create;
use super::verify::{ignored_paths, to_json};

#[derive(Debug, Args)]
pub(crate) struct Options {
    /// The model: a directory or a file
    #[arg(value_name = "MODEL")]
    model: PathBuf,

    /// Where to write the bundle [default: MODEL/model.sig, or MODEL.sig for a file]
    #[arg(long, value_name = "FILE")]
    signature: Option<PathBuf>,

    /// Sign with this private key, a file or pkcs11:… for one in a token [default: the instance's signing key]
    #[arg(long, value_name = "KEY")]
    key: Option<PathBuf>,

    /// Sign as the holder of this code-signing certificate for the key (PEM, leaf first)
    #[arg(long, value_name = "FILE", requires = "key", requires = "certificate_chain")]
    certificate: Option<PathBuf>,

    /// The authorities above the certificate, up to the root (repeatable, PEM); added to the bundle
    #[arg(long, value_name = "CA", requires = "certificate")]
    certificate_chain: Vec<PathBuf>,

    /// The model's name in the statement [default: the name of the directory or file]
    #[arg(long, value_name = "NAME")]
    name: Option<String>,

    /// The hash of the files; other tools verify sha256 only
    #[arg(long, value_enum, default_value_t = HashName::Sha256)]
    hash: HashName,

    /// Hash byte ranges of this size instead of whole files, such as 1000000000 or 256MiB
    #[arg(long, value_name = "SIZE", value_parser = size)]
    shard_size: Option<NonZeroU64>,

    /// Leave a path of the model out of the signature (repeatable)
    #[arg(long = "ignore-path", value_name = "PATH")]
    ignore_paths: Vec<String>,

    /// Sign git's own files too (.git, .gitattributes, .github, .gitignore, .gitmodules)
    #[arg(long)]
    include_git: bool,

    /// Follow symbolic links that stay inside the model
    #[arg(long)]
    allow_symlinks: bool,

    /// With --instance URL: the trusted root of that instance, from its operator; never taken from the server itself
    #[arg(long, value_name = "FILE")]
    trusted_root: Option<PathBuf>,

    /// Do not read files that are unchanged since they were hashed before on this machine
    #[arg(long)]
    reuse: bool,

    /// Do not leave the statement beside the log; the entry is then found by key and hash only
    #[arg(long)]
    unlisted: bool,

    #[command(flatten)]
    passphrase: PassphraseOptions,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum HashName {
    Sha256,
    Blake2b,
    Blake3,
}

pub(crate) fn run(options: &Options, world: &World) -> Result<(), Error> {
    let file = SignatureFile::locate(&options.model, options.signature.as_deref())?;
    file.prepare()?;
    let mut ignored = ignored_paths(&options.ignore_paths)?;
    ignored.extend(file.within_model()?);
    let name = model_name(options)?;
    outside_the_model(options, world)?;

    // The key first, because it may ask for a passphrase, and hashing may take long; an instance is only made for a model
    // that can be signed.
    let served = world.served_instance().map(|url| served_log(url, options)).transpose()?;
    let existing = match Instance::open(&world.local_instance_dir()?) {
        Err(Error::NoInstance { .. }) => None,
        opened => Some(opened?),
    };
    if let Some(instance) = existing.as_ref().filter(|_| served.is_none()) {
        instance.signing_guards()?;
    }
    let signer = match (&options.key, &existing) {
        (Some(path), _) => Some(Signer::load(path, options, world)?),
        (None, Some(instance)) => Some(Signer::of_instance(instance, options, world)?),
        (None, None) if served.is_some() => {
            let what = "which key signs? give --key KEY; `sealwax key generate` makes one";
            return Err(Error::Usage(what.to_owned()));
        }
        (None, None) => None,
    };
    let hashed = hash(options, ignored.clone(), world)?;
    let (signer, target) = match (signer, served) {
        (Some(signer), Some(served)) => (signer, Target::Served(served)),
        (signer, _) => {
            let instance = existing.map_or_else(|| open_or_create(world), Ok)?;
            let signer = signer.map_or_else(|| Signer::of_instance(&instance, options, world), Ok)?;
            (signer, Target::Local(instance))
        }
    };

    let payload = Statement::new(name, hashed.manifest.clone()).to_payload().map_err(bug)?;
    let signature = signer.sign(&pae(IN_TOTO_PAYLOAD_TYPE, &payload))?;
    let envelope = Envelope::in_toto(payload, signature);
    let mut bundle = Bundle::new(signer.material(), Content::Envelope(envelope.clone()));
    let policy = |log| Policy { signers: signer.trusted(), log, ignored: ignored.clone() };
    let own_output = |rejection| refused_own(&file, rejection);

    // What a log takes, it keeps for ever: only a signature that verifies goes in.
    authenticate(&bundle, &TrustedRoot::default(), policy(LogRequirement::Waived), world.now())
        .map_err(own_output)?;
    let root = target.trusted_root()?;
    if let Some(log) = root.logs.iter().find(|log| target.is_log(log) && world.now() < log.valid_from) {
        let (origin, valid_from) = (log.origin.clone(), log.valid_from);
        return Err(file.rejected(Rejection::LogKeyNotYetValid { origin, valid_from }));
    }
    let pending = file.begin()?;
    let (entry, existing) = target.record(&envelope, &signer, options, world)?;
    bundle.log_entries.push(entry);

    // Read back as a stranger would, from the bytes that will be written.
    let text = bundle.to_json();
    drop(bundle);
    let written = Bundle::from_json(text.as_bytes()).map_err(|error| own_output(error.into()))?;
    let required = LogRequirement::Required { witnesses: None };
    let verified = authenticate(&written, &root, policy(required), world.now())
        .and_then(|authentic| authentic.confirm(&hashed))
        .map_err(|rejection| target.refused(rejection).unwrap_or_else(own_output))?;
    pending.finish(&text)?;
    print(&verified, existing, &hashed, &file, options, world)
}

/// Keys and the instance must not be handed out with the model.
fn outside_the_model(options: &Options, world: &World) -> Result<(), Error> {
    let Ok(model) = options.model.canonicalize() else { return Ok(()) };
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

/// The model's own name: never that of a link or a relative path to it.
fn model_name(options: &Options) -> Result<String, Error> {
    if let Some(name) = &options.name {
        return Ok(name.clone());
    }
    let unnamed = || {
        Error::Usage(format!("{}: has no name that is text; give one with --name", options.model.display()))
    };
    let path = options.model.canonicalize().map_err(|_| unnamed())?;
    path.file_name().and_then(|name| name.to_str()).map(str::to_owned).ok_or_else(unnamed)
}

fn hash(options: &Options, ignore_paths: Vec<ModelPath>, world: &World) -> Result<Hashed, Error> {
    let hash = match options.hash {
        HashName::Sha256 => Hash::Sha256,
        HashName::Blake2b => Hash::Blake2b,
        HashName::Blake3 => Hash::Blake3,
    };
    let method = options.shard_size.map_or(Method::Files, |size| Method::Shards { size });
    let serialization = Serialization { method, hash, allow_symlinks: options.allow_symlinks, ignore_paths };
    let hash_options =
        HashOptions { serialization, ignore_git: !options.include_git, ..HashOptions::default() };
    let refused = |source| Error::Unsignable { path: options.model.clone(), source };
    if options.reuse {
        return reuse::hash(&options.model, hash_options, "signing", world, refused);
    }
    progress::hash(&options.model, &hash_options, "signing", world.terminal, refused)
}

/// The key that signs, and how the bundle names it.
struct Signer {
    key: SecretKey,
    path: PathBuf,
    name: String,
    certificates: Vec<Certificate>,
}

impl Signer {
    fn of_instance(instance: &Instance, options: &Options, world: &World) -> Result<Self, Error> {
        let path = instance.signing_key();
        let key = key_files::read_own_secret(&path, &options.passphrase, world)?;
        Self::new(key, path, INSTANCE_KEY_NAME.to_owned(), options)
    }

    fn load(path: &Path, options: &Options, world: &World) -> Result<Self, Error> {
        let key = key_files::read_secret(path, &options.passphrase, world)?;
        Self::new(key, path.to_owned(), key_files::name_of(path), options)
    }

    fn new(key: SecretKey, path: PathBuf, name: String, options: &Options) -> Result<Self, Error> {
        let mut certificates = Vec::new();
        for file in options.certificate.iter().chain(&options.certificate_chain) {
            certificates.extend(key_files::read_certificates(file)?);
        }
        if certificates.first().is_some_and(|leaf| leaf.public_key() != key.public_key()) {
            return Err(Error::Usage("the certificate is for another key than --key".to_owned()));
        }
        Ok(Self { key, path, name, certificates })
    }

    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, Error> {
        let failed = |source| Error::Key { path: PathBuf::from(key_files::name_of(&self.path)), source };
        self.key.sign(message).map_err(failed)
    }

    fn material(&self) -> VerificationMaterial {
        if self.certificates.is_empty() {
            let hint = self.key.public_key().oms_hint();
            return VerificationMaterial::PublicKey { hint, key: None };
        }
        let der = |certificate: &Certificate| certificate.der().to_vec();
        VerificationMaterial::CertificateChain(self.certificates.iter().map(der).collect())
    }

    fn verifier(&self) -> Verifier {
        match self.certificates.first() {
            Some(leaf) => Verifier::Certificate(leaf.der().to_vec()),
            None => Verifier::from(self.key.public_key()),
        }
    }

    /// What a verifier of our own output must trust.
    fn trusted(&self) -> Signers {
        match self.certificates.get(1..) {
            Some(anchors) => Signers::CertificateChain { anchors: anchors.to_vec(), signed_at: None },
            None => Signers::Keys(vec![TrustedKey {
                name: self.name.clone(),
                key: self.key.public_key().clone(),
            }]),
        }
    }
}

/// Where the entry goes, and what then vouches for it.
enum Target {
    Local(Instance),
    Served(ServedLog),
}

impl Target {
    fn trusted_root(&self) -> Result<TrustedRoot, Error> {
        match self {
            Self::Local(instance) => instance.trusted_root(),
            Self::Served(served) => Ok(served.root.clone()),
        }
    }

    /// Whether a log of the trusted root may be the one that takes the entry.
    fn is_log(&self, log: &LogInstance) -> bool {
        match self {
            Self::Local(instance) => log.origin == instance.origin(),
            Self::Served(served) => served.root.logs.len() == 1,
        }
    }

    /// Tells what a served log answered wrongly from what went wrong here, which is handed back.
    fn refused(&self, rejection: Rejection) -> Result<Error, Rejection> {
        match (self, rejection) {
            (
                Self::Served(served),
                rejection @ (Rejection::LogEntryMismatch
                | Rejection::Checkpoint { .. }
                | Rejection::CheckpointMismatch { .. }
                | Rejection::InclusionProof),
            ) => Ok(Error::Unproven { url: served.url.clone(), rejection: Box::new(rejection) }),
            (_, rejection) => Err(rejection),
        }
    }

    /// Puts the entry into the log and gives it with its proof, and whether it was there already.
    fn record(
        &self,
        envelope: &Envelope,
        signer: &Signer,
        options: &Options,
        world: &World,
    ) -> Result<(TransparencyLogEntry, bool), Error> {
        let scheme = signer.key.public_key().scheme();
        let entry = HashedRekord::for_envelope(envelope, scheme, signer.verifier());
        // A key with two purposes is two keys to whoever steals it (attack K09).
        if self.trusted_root()?.logs.iter().any(|log| log.key == *signer.key.public_key()) {
            let what = "a log's own key cannot sign models; give another with --key";
            return Err(Error::Usage(what.to_owned()));
        }
        let kept = (!options.unlisted).then(|| envelope.to_json());
        match self {
            Self::Local(instance) => append(&entry, kept.as_deref(), instance, world),
            Self::Served(served) => served.submit(&entry, kept, world).map(|entry| (entry, false)),
        }
    }
}

/// Appends to the instance's log, in process.
fn append(
    entry: &HashedRekord,
    kept: Option<&str>,
    instance: &Instance,
    world: &World,
) -> Result<(TransparencyLogEntry, bool), Error> {
    let body = entry.to_body().map_err(bug)?;
    let path = instance.log_path();
    let mut log = instance.log(world)?;
    let envelope = kept.map(|text| (entry.digest.as_slice(), text.as_bytes()));
    let log_error = |source| Error::Log { path: path.clone(), source };
    let receipts = log.append(&[NewEntry { body: &body, envelope }]).map_err(log_error)?;
    let [receipt]: [Receipt; 1] =
        receipts.try_into().map_err(|_| Error::Bug("the log gave another number of receipts".to_owned()))?;
    let entry = receipt.to_entry(log.verifier_key(), body).map_err(log_error)?;
    Ok((entry, receipt.existing))
}

fn served_log(url: &str, options: &Options) -> Result<ServedLog, Error> {
    let Some(path) = &options.trusted_root else {
        let what = format!(
            "which log is at {url}? give --trusted-root FILE, which its operator writes with `sealwax instance export`"
        );
        return Err(Error::Usage(what));
    };
    Ok(ServedLog { url: url.to_owned(), root: read_trusted_root(path)? })
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
        options.model.display(),
        count(verified.files(), "file"),
        bytes(verified.bytes()),
        file.path().display()
    );
    terminal.say(Tone::Good, "signed  ", &what);
    let mut json = to_json("signed", verified, &options.model, file.path());
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

/// Reads a size: digits, and optionally a decimal (kB, MB, GB) or binary (KiB, MiB, GiB) unit.
pub(crate) fn size(text: &str) -> Result<NonZeroU64, String> {
    let wrong = || format!("{text:?} is not a size such as 1000000000 or 256MiB");
    let digits = text.find(|character: char| !character.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let factor: u64 = match unit.trim_start() {
        "" | "B" => 1,
        "kB" => 1_000,
        "MB" => 1_000_000,
        "GB" => 1_000_000_000,
        "KiB" => 1 << 10,
        "MiB" => 1 << 20,
        "GiB" => 1 << 30,
        _ => return Err(wrong()),
    };
    let size = number.parse::<u64>().ok().and_then(|number| number.checked_mul(factor));
    size.and_then(NonZeroU64::new).ok_or_else(wrong)
}

#[cfg(test)]
mod tests {
    use super::size;

    #[test]
    fn reads_sizes() {
        for (text, bytes) in
            [("1", 1), ("1000000000", 1_000_000_000), ("1GB", 1_000_000_000), ("256MiB", 256 << 20)]
        {
            assert_eq!(size(text).map(u64::from), Ok(bytes));
        }
        for text in ["", "0", "0MiB", "-1", "1.5GB", "1TiBB", "99999999999GiB", "MiB"] {
            assert!(size(text).is_err(), "{text}");
        }
    }
}

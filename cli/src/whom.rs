//! Whom a verifying command trusts, and how what was proven of a signer is said; the same for models and any other file.

use std::path::PathBuf;

use clap::Args;
use jiff::Timestamp;
use serde_json::{Map, Value, json};

use sealwax_attestation::{ClientTrustConfig, TrustedRoot};
use sealwax_verify::{
    Claim, IdentityRule, Included, LogRequirement, NamePattern, NameRule, Policy, PolicyError, ProvenTime,
    Signer, Signers, TimeSource, TimeWitness, TrustedKey,
};

use crate::commands::key;
use crate::error::Error;
use crate::files;
use crate::instance::{Instance, MAX_SETTINGS, read_policy, read_trusted_root};
use crate::key_files;
use crate::terminal::{Terminal, Tone};
use crate::trust_store;
use crate::world::World;

/// What is trusted, from the command line and the instance; never from what is verified or its bundle.
#[derive(Debug, Args)]
pub(crate) struct Whom {
    /// Trust this public key, and only what is given this way (repeatable) [default: the instance's policy]
    #[arg(long = "key", value_name = "PUB", conflicts_with_all = ["policy", "certificate_chain", "identities"])]
    keys: Vec<PathBuf>,

    /// Trust who is certified under this identity, exactly: an e-mail address, a URI or a user name (repeatable: any one)
    #[arg(long = "identity", value_name = "ID", requires = "issuers", conflicts_with_all = ["policy", "certificate_chain"])]
    identities: Vec<String>,

    /// Trust every identity that this regular expression matches as a whole (repeatable)
    #[arg(long = "identity-regex", value_name = "REGEX", requires = "issuers", conflicts_with_all = ["policy", "certificate_chain", "keys", "identities"])]
    identity_patterns: Vec<String>,

    /// Who must have vouched for the identity, exactly: one for all, or one for each in the same order
    #[arg(long = "issuer", value_name = "URL")]
    issuers: Vec<String>,

    /// What the certificate must say beside the identity, such as `source-repository=https://github.com/o/r` (repeatable: all)
    #[arg(long = "claim", value_name = "NAME=VALUE", requires = "issuers")]
    claims: Vec<String>,

    /// Trust code-signing certificates under these authorities (repeatable, PEM)
    #[arg(long, value_name = "CA", conflicts_with = "policy")]
    certificate_chain: Vec<PathBuf>,

    /// When the certificate signed, if you know it from elsewhere, such as 2026-01-31T12:00:00Z [default: a time that the
    /// bundle proves, else now]
    #[arg(long, value_name = "TIME", requires = "certificate_chain")]
    signed_at: Option<Timestamp>,

    /// Trust whom this policy file trusts
    #[arg(long, value_name = "FILE")]
    policy: Option<PathBuf>,

    /// Trust the logs and authorities in this file [default: the instance's]
    #[arg(long, value_name = "FILE", conflicts_with_all = ["no_log", "trust_config", "trust"])]
    trusted_root: Option<PathBuf>,

    /// Trust the logs and authorities in this client trust configuration
    #[arg(long, value_name = "FILE", conflicts_with_all = ["no_log", "trust"])]
    trust_config: Option<PathBuf>,

    /// Trust the logs and authorities that `sealwax trust list` shows under this name, such as sigstore
    #[arg(long, value_name = "NAME", conflicts_with = "no_log")]
    trust: Option<String>,

    /// Accept a signature that is in no log: a stolen key can then sign unnoticed
    #[arg(long, conflicts_with_all = ["identities", "identity_patterns"])]
    no_log: bool,
}

impl Whom {
    /// Reads policy and trusted root.
    pub(crate) fn read(&self, world: &World) -> Result<(Policy, TrustedRoot), Error> {
        let instance = || Instance::open(&world.instance_dir()?);
        let signers = self.signers()?;
        let own_policy = signers.is_some() || self.policy.is_some();
        let mut policy = match (signers, &self.policy) {
            (Some(signers), _) => {
                Policy { signers, log: LogRequirement::Required { witnesses: None }, ignored: Vec::new() }
            }
            (None, Some(path)) => read_policy(path)?,
            (None, None) => instance()?.policy()?,
        };
        if self.no_log {
            if matches!(policy.signers, Signers::Identities(_)) {
                let what = "--no-log: an identity is only as good as its log, so it is always asked for";
                return Err(Error::Usage(what.to_owned()));
            }
            let what = "--no-log: nothing shows that this signature was ever published";
            world.terminal.complain("warning:", what);
            policy.log = LogRequirement::Waived;
            return Ok((policy, TrustedRoot::default()));
        }
        let root = match (&self.trusted_root, &self.trust_config, &self.trust) {
            (Some(path), _, _) => read_trusted_root(path)?,
            (None, None, Some(name)) => trust_store::load(name, world)?.trusted_root,
            (None, Some(path), _) => {
                let text = files::read_capped(path, MAX_SETTINGS)?;
                let refused = |source| Error::TrustedRoot { path: path.clone(), source };
                ClientTrustConfig::from_json(&text).map_err(refused)?.trusted_root
            }
            (None, None, None) => match instance() {
                Err(Error::NoInstance { .. }) if own_policy => {
                    let what = "which log to trust? give --trusted-root FILE or --trust NAME, or --no-log to do without one";
                    return Err(Error::Usage(what.to_owned()));
                }
                instance => instance?.trusted_root()?,
            },
        };
        Ok((policy, root))
    }

    fn signers(&self) -> Result<Option<Signers>, Error> {
        if !self.keys.is_empty() {
            let mut keys: Vec<TrustedKey> = Vec::new();
            for path in &self.keys {
                let (name, key) = (path.display().to_string(), key_files::read_public(path)?);
                if keys.iter().all(|earlier| earlier.key != key) {
                    keys.push(TrustedKey { name, key });
                }
            }
            return Ok(Some(Signers::Keys(keys)));
        }
        if !self.certificate_chain.is_empty() {
            let mut anchors = Vec::new();
            for path in &self.certificate_chain {
                anchors.extend(key_files::read_certificates(path)?);
            }
            return Ok(Some(Signers::CertificateChain { anchors, signed_at: self.signed_at }));
        }
        self.identity_rules()
    }

    fn identity_rules(&self) -> Result<Option<Signers>, Error> {
        let unusable = |error: PolicyError| Error::Usage(error.to_string());
        let exact = self.identities.iter().map(|name| NameRule::exactly(name));
        let patterns =
            self.identity_patterns.iter().map(|text| NamePattern::new(text).map(NameRule::Pattern));
        let names: Vec<NameRule> = exact.chain(patterns).collect::<Result<_, _>>().map_err(unusable)?;
        if names.is_empty() {
            return match self.issuers.is_empty() {
                true => Ok(None),
                false => Err(Error::Usage("--issuer belongs to --identity or --identity-regex".to_owned())),
            };
        }
        if self.issuers.iter().any(String::is_empty) {
            return Err(Error::Usage("--issuer is empty".to_owned()));
        }
        let issuers: Vec<&String> = match self.issuers.as_slice() {
            [one] => names.iter().map(|_| one).collect(),
            several if several.len() == names.len() => several.iter().collect(),
            _ => {
                let what = "give one --issuer for all identities, or one for each in the same order";
                return Err(Error::Usage(what.to_owned()));
            }
        };
        let claims = self.claims.iter().map(|text| claim(text)).collect::<Result<Vec<_>, _>>()?;
        let rule = |(name, issuer): (NameRule, &String)| IdentityRule {
            issuer: issuer.clone(),
            name,
            claims: claims.clone(),
        };
        Ok(Some(Signers::Identities(names.into_iter().zip(issuers).map(rule).collect())))
    }
}

fn claim(text: &str) -> Result<(Claim, String), Error> {
    let known = || Claim::names().collect::<Vec<_>>().join(", ");
    let refused = || Error::Usage(format!("--claim {text:?}: give NAME=VALUE with one of {}", known()));
    let (name, value) = text.split_once('=').ok_or_else(refused)?;
    Ok((Claim::from_name(name).ok_or_else(refused)?, value.to_owned()))
}

/// Says who signed, when, and where it is logged.
pub(crate) fn print(
    signer: &Signer,
    times: &[ProvenTime],
    included: Option<&Included>,
    terminal: Terminal,
) -> Result<(), Error> {
    terminal.result(Tone::Plain, "signer  ", &describe_signer(signer))?;
    for proven in times {
        let (TimeWitness::Authority(who) | TimeWitness::Log(who)) = proven.witness();
        terminal.result(Tone::Plain, "by      ", &format!("{}, says {who}", proven.time()))?;
    }
    match included {
        Some(log) => {
            let what = format!("{}, entry {} of {}", log.origin(), log.index(), log.tree_size());
            terminal.result(Tone::Plain, "logged  ", &what)
        }
        None => terminal.result(Tone::Bad, "logged  ", "not checked (--no-log)"),
    }
}

/// Names a signer for people.
pub(crate) fn describe_signer(signer: &Signer) -> String {
    match signer {
        Signer::Key { name, key } => format!("{name} ({} {})", key.kind(), key::fingerprint(key)),
        Signer::Certificate { subject, anchor, key, .. } => {
            format!("{subject}, certified by {anchor} ({} {})", key.kind(), key::fingerprint(key))
        }
        Signer::Identity { identity, authority, .. } => format!("{identity}, certified by {authority}"),
    }
}

/// The same for programs.
pub(crate) fn signer_json(signer: &Signer) -> Value {
    match signer {
        Signer::Key { name, key } => {
            json!({"mode": "key", "name": name, "key": key::to_json(key)})
        }
        Signer::Certificate { subject, anchor, key, fingerprint, valid_at, time_source } => json!({
            "mode": "certificate",
            "subject": subject,
            "anchor": anchor,
            "certificate_sha256": hex::encode(fingerprint),
            "valid_at": valid_at.to_string(),
            "time_from": match time_source {
                TimeSource::Clock => "clock",
                TimeSource::Caller => "caller",
                TimeSource::Proven => "proven",
            },
            "key": key::to_json(key),
        }),
        Signer::Identity { identity, authority, key, fingerprint, log_timestamps } => {
            let claims: Map<String, Value> =
                identity.claims().map(|(claim, value)| (claim.name().to_owned(), value.into())).collect();
            json!({
                "mode": "identity",
                "identity": identity.text(),
                "kind": identity.kind(),
                "issuer": identity.issuer(),
                "claims": claims,
                "authority": authority,
                "certificate_sha256": hex::encode(fingerprint),
                "log_timestamps": log_timestamps,
                "key": key::to_json(key),
            })
        }
    }
}

/// Proven times for programs.
pub(crate) fn times_json(times: &[ProvenTime]) -> Vec<Value> {
    let one = |proven: &ProvenTime| {
        let (from, name) = match proven.witness() {
            TimeWitness::Authority(name) => ("authority", name),
            TimeWitness::Log(name) => ("log", name),
        };
        json!({"time": proven.time().to_string(), "from": from, "name": name})
    };
    times.iter().map(one).collect()
}

/// A proven place in a log for programs.
pub(crate) fn log_json(log: &Included) -> Value {
    json!({
        "origin": log.origin(),
        "log_id": hex::encode(log.log_id()),
        "index": log.index(),
        "tree_size": log.tree_size(),
        "witnesses": log.witnesses(),
    })
}

//! Making an instance, or the log of one.

use std::path::{Path, PathBuf};

use jiff::Timestamp;
use serde_json::json;

use sealwax_attestation::{LogInstance, TrustedRoot};
use sealwax_keys::{KeyKind, SecretKey};
use sealwax_transparency_log::{Log, LogKey};
use sealwax_verify::{Policy, TrustedKey};

use crate::error::Error;
use crate::files;
use crate::key_files::{self, PassphraseOptions};
use crate::world::World;

use super::{
    INSTANCE_KEY_NAME, LOG, LOG_KEY, MARKER, POLICY, SIGNING_KEY, SIGNING_PUBLIC_KEY, TRUSTED_ROOT, VERSION,
    authority,
};

/// How a new instance is made.
#[derive(Debug, Default)]
pub(crate) struct Blueprint {
    /// The log's origin; otherwise one is made from its key.
    pub(crate) origin: Option<String>,
    /// The passphrase of the signing key and of the authority's keys, if they shall have one.
    pub(crate) passphrase: Option<zeroize::Zeroizing<String>>,
    /// The URI of the signing key in a token, if it is in one.
    pub(crate) signing_key: Option<PathBuf>,
    /// The URI of the log's key in a token, if it is in one.
    pub(crate) log_key: Option<PathBuf>,
    /// The URI of the key that certifies identities in a token, if it is in one.
    pub(crate) ca_key: Option<PathBuf>,
}

/// Fills an empty directory and gives the origin.
pub(super) fn build(dir: &Path, blueprint: &Blueprint, world: &World) -> Result<String, Error> {
    authority::private_directory(&dir.join("keys"))?;
    let passphrase = blueprint.passphrase.as_ref().map(|passphrase| passphrase.as_str());
    let in_token = blueprint.signing_key.as_deref();
    let signing =
        key_files::create_own_secret(&dir.join(SIGNING_KEY), KeyKind::P256, in_token, passphrase, world)?;
    files::create_public(&dir.join(SIGNING_PUBLIC_KEY), &signing.public_key().to_pem())?;

    let in_token = blueprint.log_key.as_deref();
    let log = create_log(&dir.join(LOG_KEY), &dir.join(LOG), blueprint.origin.as_deref(), in_token, world)?;
    if log.key == *signing.public_key() {
        // A key with two purposes is two keys to whoever steals it (attack K09).
        let what = "a log's own key cannot sign models; give another with --signing-key";
        return Err(Error::Usage(what.to_owned()));
    }
    let origin = log.origin.clone();
    let taken = [signing.public_key().clone(), log.key.clone()];
    let authority = authority::build(dir, &origin, blueprint.ca_key.as_deref(), &taken, passphrase, world)?;
    let trusted_root = TrustedRoot { logs: vec![log], ..authority };
    files::create_public(&dir.join(TRUSTED_ROOT), &trusted_root.to_json())?;
    let trusted = TrustedKey { name: INSTANCE_KEY_NAME.to_owned(), key: signing.public_key().clone() };
    files::create_public(&dir.join(POLICY), &Policy::file_for(&[trusted]))?;
    create_marker(&dir.join(MARKER), &origin)?;
    Ok(origin)
}

/// Makes a log with a key of its own, new or in a token, and describes it as a trusted root does. Without an origin one is
/// made from the key.
pub(super) fn create_log(
    key_path: &Path,
    log_path: &Path,
    origin: Option<&str>,
    in_token: Option<&Path>,
    world: &World,
) -> Result<LogInstance, Error> {
    let key = key_files::create_own_secret(key_path, KeyKind::Ed25519, in_token, None, world)?;
    let origin = match origin {
        Some(origin) => checked_origin(origin)?,
        // Unique because the key is; ".internal" never resolves on the internet.
        None => {
            let name = hex::encode(key.public_key().fingerprint());
            format!("log-{}.sealwax.internal", name.get(..12).unwrap_or(&name))
        }
    };
    let log = describe(&origin, &key, key_path, world.now())?;
    LogKey::new(&origin, key)
        .and_then(|key| Log::create(log_path, key, |_| false))
        .map_err(|source| Error::Log { path: log_path.to_owned(), source })?;
    Ok(log)
}

/// Describes a log whose key is in a file, as [`create_log`] did when it made it.
pub(super) fn describe_log(key_path: &Path, origin: &str, world: &World) -> Result<LogInstance, Error> {
    let key = key_files::read_own_secret(key_path, &PassphraseOptions::default(), world)?;
    describe(origin, &key, key_path, world.now())
}

/// Whole seconds, which every reader of RFC 3339 takes, and never later than now.
fn describe(origin: &str, key: &SecretKey, path: &Path, now: Timestamp) -> Result<LogInstance, Error> {
    let since = Timestamp::from_second(now.as_second().saturating_sub(1)).unwrap_or(Timestamp::MIN);
    LogInstance::new(origin.to_owned(), key.public_key().clone(), since)
        .map_err(|source| Error::TrustedRoot { path: path.to_owned(), source })
}

/// Writes what makes a directory an instance.
pub(super) fn create_marker(path: &Path, origin: &str) -> Result<(), Error> {
    let marker = json!({"version": VERSION, "origin": origin});
    files::create_public(path, &format!("{marker:#}\n"))
}

/// An origin is a bare host name: sigstore-go derives the checkpoint's key name from the host of the log's URL, and takes a
/// trailing number for a log of the first version.
pub(super) fn checked_origin(origin: &str) -> Result<String, Error> {
    let label = |label: &str| {
        !label.is_empty()
            && label.len() <= 63
            && label.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    if origin.len() <= 253 && origin.split('.').all(label) {
        return Ok(origin.to_owned());
    }
    Err(Error::Usage(format!("{origin:?} cannot be a log's origin: it must be a host name in lower case")))
}

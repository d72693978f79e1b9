//! A repository that is followed: what is held of it, and taking in what is new.
//!
//! Held is one root and, from the first update on, one set of metadata and target files of which each vouches for the next.
//! An update that fails leaves that set as it was, so that no half of an update is ever a floor for the next (attack R10);
//! only verified newer versions of the root stay, because keys that were taken back must stay so.

use std::collections::BTreeMap;

use jiff::Timestamp;
use sealwax_attestation::TrustedRoot;
use sealwax_attestation::json::{Json, Limits, parse};
use serde_json::json;
use sha2::{Digest as _, Sha256, Sha512};
use sigstore_tuf::{Role as _, TargetFile, TrustedMetadataSet};

use crate::error::{Error, Result};
use crate::metadata::{Role, read, read_root};

/// Reads what a repository serves, by its name below the repository's URL, and no more bytes than it is told. `None` for what
/// is not there; an error is the reason why nobody can tell. Nothing that it returns is believed.
pub type Fetch<'a> = &'a dyn Fn(&str, u64) -> std::result::Result<Option<Vec<u8>>, String>;

/// The target with the logs and authorities to trust.
pub const TRUSTED_ROOT: &str = "trusted_root.json";
/// The target that says where to sign. A repository may be without.
pub const SIGNING_CONFIG: &str = "signing_config.v0.2.json";

/// What is held of a repository: nothing that was not verified when it came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Followed {
    root: String,
    current: Option<Current>,
}

/// One state of the repository, with the root that it was verified by: whoever takes in a newer root and then fails goes on
/// with what was good before.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Current {
    root: String,
    timestamp: String,
    snapshot: String,
    targets: String,
    files: BTreeMap<String, String>,
}

/// What is held, checked anew.
#[derive(Clone, Copy, Debug)]
pub struct Verified<'a> {
    /// The trusted root's text.
    pub trusted_root: &'a str,
    /// The signing configuration's text, if the repository has one.
    pub signing_config: Option<&'a str>,
    /// The version of the root.
    pub root_version: u64,
    /// The version of the timestamp, which counts the repository's states.
    pub timestamp_version: u64,
    /// The version of the targets, which counts what it handed out.
    pub targets_version: u64,
    /// Until when the repository vouches for this being its newest state; later there may be one that is not known here.
    pub fresh_until: Timestamp,
}

impl Followed {
    /// Starts to follow a repository from a version of its root that is believed.
    ///
    /// # Errors
    /// Where it is not a root, or not signed by its own keys. One that has expired is taken: its successors may not have.
    pub fn pin(root: &[u8]) -> Result<Self> {
        let root = read(Role::Root, Role::Root.name(), root)?;
        trust(root)?;
        Ok(Self { root: root.to_owned(), current: None })
    }

    /// Takes in the repository's newest state, by the workflow of the specification's section 5.3. Tells whether it is new.
    ///
    /// After an error too what is held may have changed, by verified versions of the root, and is to be kept.
    ///
    /// # Errors
    /// [`Error`]; [`Error::is_refusal`] tells what was refused from what could not be had.
    pub fn update(&mut self, fetch: Fetch<'_>, now: Timestamp) -> Result<bool> {
        let set = self.follow_root(fetch)?;
        set.check_root_expired(now).map_err(|error| Error::rule(Role::Root.name(), error))?;
        let held = self.current.as_ref();
        let mut set = held.and_then(|held| floor(&set, held)).unwrap_or(set);
        let held = held.filter(|_| set.snapshot().is_some());

        let offered = fetch_metadata(fetch, Role::Timestamp, "timestamp.json", None)?;
        let timestamp = match (set.update_timestamp(offered.as_bytes(), now), held) {
            (Ok(()), _) => offered,
            // The one that is held stands; whatever else the offered one says was never looked at.
            (Err(sigstore_tuf::Error::EqualVersion { .. }), Some(held)) => held.timestamp.clone(),
            (Err(error), _) => return Err(Error::rule("timestamp.json", error)),
        };
        set.check_timestamp_expired(now).map_err(|error| Error::rule("timestamp.json", error))?;

        let consistent = set.root().consistent_snapshot;
        let numbered = |version: u64, name: &str| match consistent {
            true => format!("{version}.{name}"),
            false => name.to_owned(),
        };
        let pin = set.timestamp().and_then(|timestamp| timestamp.snapshot_meta());
        let (version, length) =
            pin.map(|pin| (pin.version, pin.length)).ok_or_else(|| unpinned("snapshot"))?;
        // What is held is not fetched again, if it is still what the new timestamp describes.
        let snapshot = match held.filter(|held| set.update_snapshot(held.snapshot.as_bytes(), now).is_ok()) {
            Some(held) => held.snapshot.clone(),
            None => {
                let name = numbered(version, "snapshot.json");
                let offered = fetch_metadata(fetch, Role::Snapshot, &name, length)?;
                set.update_snapshot(offered.as_bytes(), now).map_err(|error| Error::rule(&name, error))?;
                offered
            }
        };
        let pin = set.snapshot().and_then(|snapshot| snapshot.meta.get("targets.json"));
        let (version, length) =
            pin.map(|pin| (pin.version, pin.length)).ok_or_else(|| unpinned("targets"))?;
        let targets = match held.filter(|held| set.update_targets(held.targets.as_bytes(), now).is_ok()) {
            Some(held) => held.targets.clone(),
            None => {
                let name = numbered(version, "targets.json");
                let offered = fetch_metadata(fetch, Role::Targets, &name, length)?;
                set.update_targets(offered.as_bytes(), now).map_err(|error| Error::rule(&name, error))?;
                offered
            }
        };
        let mut files = BTreeMap::new();
        for name in [TRUSTED_ROOT, SIGNING_CONFIG] {
            let Some(target) = set.targets_role("targets").and_then(|targets| targets.target(name)) else {
                continue;
            };
            let known =
                held.and_then(|held| held.files.get(name)).filter(|text| check(name, text, target).is_ok());
            let text = match known {
                Some(text) => text.clone(),
                None => fetch_target(fetch, name, target, consistent)?,
            };
            files.insert(name.to_owned(), text);
        }
        let new = Current { root: self.root.clone(), timestamp, snapshot, targets, files };
        // One that this version cannot read must not take the place of one that it can.
        TrustedRoot::from_json(new.file(TRUSTED_ROOT)?.as_bytes()).map_err(Error::TrustedRoot)?;
        let changed = self.current.as_ref() != Some(&new);
        self.current = Some(new);
        Ok(changed)
    }

    /// Checks again all that is held but whether it is still fresh, which takes a clock and is the caller's to judge: what
    /// lies on a disk may have been changed, and being offline is no reason to look less closely (attack R11).
    ///
    /// # Errors
    /// [`Error::NeverUpdated`] before the first update, and what is wrong.
    pub fn verified(&self) -> Result<Verified<'_>> {
        let held = self.current.as_ref().ok_or(Error::NeverUpdated)?;
        let mut set = trust(&held.root)?;
        let rule = |role: Role| move |error| Error::rule(role.name(), error);
        for (role, text) in [
            (Role::Timestamp, &held.timestamp),
            (Role::Snapshot, &held.snapshot),
            (Role::Targets, &held.targets),
        ] {
            read(role, role.name(), text.as_bytes())?;
        }
        set.update_timestamp(held.timestamp.as_bytes(), WHENEVER).map_err(rule(Role::Timestamp))?;
        set.update_snapshot(held.snapshot.as_bytes(), WHENEVER).map_err(rule(Role::Snapshot))?;
        set.update_targets(held.targets.as_bytes(), WHENEVER).map_err(rule(Role::Targets))?;
        let (Some(timestamp), Some(snapshot), Some(targets)) =
            (set.timestamp(), set.snapshot(), set.targets_role("targets"))
        else {
            return Err(Error::NeverUpdated);
        };
        for (name, text) in &held.files {
            let target = targets.target(name).ok_or_else(|| Error::Absent { name: name.clone() })?;
            check(name, text, target)?;
        }
        Ok(Verified {
            trusted_root: held.file(TRUSTED_ROOT)?,
            signing_config: held.files.get(SIGNING_CONFIG).map(String::as_str),
            root_version: set.root().version,
            timestamp_version: timestamp.version,
            targets_version: targets.version,
            fresh_until: set.root().expires.min(timestamp.expires).min(snapshot.expires).min(targets.expires),
        })
    }

    /// The version of the root, for one that was just pinned.
    ///
    /// # Errors
    /// As [`Followed::pin`].
    pub fn root_version(&self) -> Result<u64> {
        Ok(read_root(Role::Root.name(), self.root.as_bytes())?.signed().version())
    }

    /// Writes what is held, to be kept where nobody else can write.
    pub fn to_json(&self) -> String {
        let current = self.current.as_ref().map(|held| {
            json!({
                "root": held.root,
                "timestamp": held.timestamp,
                "snapshot": held.snapshot,
                "targets": held.targets,
                "files": held.files,
            })
        });
        format!("{:#}\n", json!({"root": self.root, "current": current}))
    }

    /// Reads what was kept. Nothing is believed of it until [`Followed::verified`] or [`Followed::update`].
    ///
    /// # Errors
    /// [`Error::Malformed`].
    pub fn from_json(text: &[u8]) -> Result<Self> {
        let malformed = |error: sealwax_attestation::Error| Error::Malformed {
            name: "what is held of the repository".to_owned(),
            reason: error.to_string(),
        };
        let owned = |value: Json<'_>| value.string().map(std::borrow::Cow::into_owned);
        let read = || {
            let mut object = parse(text, HELD)?.object()?;
            let root = object.take("root", owned)?;
            let current = object.take_optional("current", |value| {
                let mut value = value.object()?;
                let root = value.take("root", owned)?;
                let timestamp = value.take("timestamp", owned)?;
                let snapshot = value.take("snapshot", owned)?;
                let targets = value.take("targets", owned)?;
                let files = value.take("files", |files| {
                    let files = files.object()?.rest().into_iter();
                    files.map(|(name, text)| Ok((name.into_owned(), owned(text)?))).collect()
                })?;
                value.finish().map(|()| Current { root, timestamp, snapshot, targets, files })
            })?;
            object.finish().map(|()| Self { root, current })
        };
        read().map_err(malformed)
    }

    /// Goes from the root that is held to the newest one, one version at a time, each signed by the keys of the one before
    /// and by its own.
    fn follow_root(&mut self, fetch: Fetch<'_>) -> Result<TrustedMetadataSet> {
        let mut set = trust(&self.root)?;
        for _ in 0..MAX_ROOTS {
            let name = format!("{}.root.json", set.root().version.saturating_add(1));
            let Some(bytes) = fetch_capped(fetch, &name, Role::Root.max_bytes())? else { return Ok(set) };
            read_root(&name, &bytes)?;
            set.update_root(&bytes).map_err(|error| Error::rule(&name, error))?;
            self.root = read(Role::Root, &name, &bytes)?.to_owned();
        }
        Err(Error::TooManyRoots { limit: MAX_ROOTS })
    }
}

impl Current {
    fn file(&self, name: &str) -> Result<&str> {
        self.files.get(name).map(String::as_str).ok_or_else(|| Error::Absent { name: name.to_owned() })
    }
}

/// Gives the SHA-256 of a file's bytes in hexadecimal, for people to compare.
pub fn fingerprint(bytes: &[u8]) -> String {
    hex::encode(Sha256::digest(bytes))
}

/// Starts from a root that is believed: it must be signed by its own keys.
fn trust(root: &str) -> Result<TrustedMetadataSet> {
    let name = Role::Root.name();
    read_root(name, root.as_bytes())?;
    TrustedMetadataSet::from_root(root.as_bytes()).map_err(|error| Error::rule(name, error))
}

/// Makes what is held the least that is taken. Where the newest root gives the timestamp or the snapshot other keys, so that
/// one that is held does not count any more, neither is a floor: that is how a repository recovers from somebody who had
/// those keys and used up the version numbers (the specification's 5.3.11).
fn floor(set: &TrustedMetadataSet, held: &Current) -> Option<TrustedMetadataSet> {
    let mut set = set.clone();
    set.update_timestamp(held.timestamp.as_bytes(), WHENEVER).ok()?;
    set.update_snapshot(held.snapshot.as_bytes(), WHENEVER).ok()?;
    Some(set)
}

fn fetch_metadata(fetch: Fetch<'_>, role: Role, name: &str, length: Option<u64>) -> Result<String> {
    let limit = length.map_or(role.max_bytes(), |length| length.min(role.max_bytes()));
    let bytes = fetch_capped(fetch, name, limit)?.ok_or_else(|| Error::Absent { name: name.to_owned() })?;
    read(role, name, &bytes).map(str::to_owned)
}

fn fetch_target(fetch: Fetch<'_>, name: &str, target: &TargetFile, consistent: bool) -> Result<String> {
    let hash = ["sha256", "sha512"].into_iter().find_map(|algorithm| target.hashes.get(algorithm));
    let path = match hash {
        // It becomes part of a URL (attack R08).
        Some(hash) if !hash.bytes().all(|byte| byte.is_ascii_hexdigit()) => {
            return Err(Error::Mismatch(format!("{name}: its hash is not hexadecimal")));
        }
        Some(hash) if consistent => format!("targets/{hash}.{name}"),
        _ => format!("targets/{name}"),
    };
    let bytes = fetch_capped(fetch, &path, target.length.min(MAX_TARGET))?
        .ok_or_else(|| Error::Absent { name: path.clone() })?;
    let text = String::from_utf8(bytes)
        .map_err(|error| Error::Malformed { name: path.clone(), reason: error.to_string() })?;
    check(&path, &text, target).map(|()| text)
}

/// Asks for a file. A transport that gives more than it was told is not believed either (attack B04).
fn fetch_capped(fetch: Fetch<'_>, name: &str, limit: u64) -> Result<Option<Vec<u8>>> {
    let bytes = fetch(name, limit).map_err(|reason| Error::Unreachable { name: name.to_owned(), reason })?;
    match &bytes {
        Some(bytes) if u64::try_from(bytes.len()).map_or(true, |length| length > limit) => {
            let reason = format!("longer than {limit} bytes");
            Err(Error::Malformed { name: name.to_owned(), reason })
        }
        _ => Ok(bytes),
    }
}

/// Checks a target file's length and hash.
fn check(name: &str, text: &str, target: &TargetFile) -> Result<()> {
    if u64::try_from(text.len()) != Ok(target.length) {
        return Err(Error::Mismatch(format!("{name}: {} bytes instead of {}", text.len(), target.length)));
    }
    let hashes = [
        target.hashes.get("sha256").map(|hash| (hash, hex::encode(Sha256::digest(text)))),
        target.hashes.get("sha512").map(|hash| (hash, hex::encode(Sha512::digest(text)))),
    ];
    let mut known = hashes.into_iter().flatten().peekable();
    if known.peek().is_none() {
        return Err(Error::Mismatch(format!("{name}: listed without a hash of SHA-256 or SHA-512")));
    }
    if known.all(|(listed, own)| listed.eq_ignore_ascii_case(&own)) {
        return Ok(());
    }
    Err(Error::Mismatch(format!("{name}: not the file that is listed")))
}

fn unpinned(what: &str) -> Error {
    Error::Mismatch(format!("no version of the {what} is named"))
}

/// A time at which nothing has expired, for what was fresh when it came and is looked at again.
const WHENEVER: Timestamp = Timestamp::MIN;
/// More than a repository makes in a lifetime; each costs a request.
const MAX_ROOTS: u64 = 64;
/// The largest target file that is read, in bytes.
const MAX_TARGET: u64 = 1 << 20;
const HELD: Limits = Limits { bytes: 16 << 20, depth: 5, values: 4_096 };

#[cfg(test)]
mod tests;

//! A repository that is published: what of it is in force, what waits for signatures, and what is due.
//!
//! ```text
//! public/<n>.root.json  public/timestamp.json  public/<n>.snapshot.json  public/<n>.targets.json
//! public/targets/<sha256>.<name>
//! staged/root.json  staged/targets.json     waiting for signatures by keys that are elsewhere
//! ```
//!
//! One function does all of it ([`Repository::advance`]): what is staged and fully signed comes into force, what changed or is
//! about to run out is written anew and signed by the keys at hand, and what lacks signatures is staged. Everything that would
//! be published is first read as a client would ([`Followed`]).

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};
use sealwax_keys::{PublicKey, SecretKey};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use sigstore_tuf::Root;

use crate::draft::Draft;
use crate::error::{Error, Result};
use crate::followed::{Fetch, Followed};
use crate::metadata::{Role, from_value, key_id, read_root, tuf_key};

/// Who signs a role.
#[derive(Clone, Debug)]
pub struct RoleKeys {
    /// The public keys that may sign.
    pub keys: Vec<PublicKey>,
    /// How many of them must.
    pub threshold: usize,
}

/// What the repository is to be brought to.
#[derive(Clone, Copy, Debug)]
pub struct Work<'a> {
    /// The secret keys at hand, of whatever role.
    pub keys: &'a [SecretKey],
    /// The files to hand out, by their names.
    pub files: &'a BTreeMap<String, Vec<u8>>,
    /// Roles whose metadata are written anew although nothing changed.
    pub renew: &'a [Role],
    /// The time now.
    pub now: Timestamp,
}

/// A repository as its publisher has it.
#[derive(Debug, Default)]
pub struct Repository {
    root: Option<Draft>,
    targets: Option<Draft>,
    snapshot: Option<Draft>,
    timestamp: Option<Draft>,
    staged_root: Option<Draft>,
    staged_targets: Option<Draft>,
}

/// What is to be done to the repository's files, in this order.
#[derive(Debug, Default)]
pub struct Advance {
    /// Files to write, by their names in the repository's directory. Each is complete in itself, and whatever comes later
    /// names only what comes earlier.
    pub writes: Vec<(String, Vec<u8>)>,
    /// Files to remove where they are there: they were staged and came into force.
    pub removals: Vec<String>,
    /// What waits for signatures.
    pub waiting: Vec<Waiting>,
    /// The names of all keys that are in use or wait to be; any other key has done its duty.
    pub keys: BTreeSet<String>,
}

/// Metadata that wait for signatures by keys that are elsewhere.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Waiting {
    /// Of which role.
    pub role: Role,
    /// In which version.
    pub version: u64,
    /// The names of the keys whose signatures would help.
    pub keys: BTreeSet<String>,
}

/// What is in force of a role.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct State {
    /// The role.
    pub role: Role,
    /// Its metadata's version.
    pub version: u64,
    /// When they run out.
    pub expires: Timestamp,
    /// When the next version is written, if nothing changes before.
    pub due: Timestamp,
    /// The names of the keys that may sign it.
    pub keys: Vec<String>,
    /// How many of them must.
    pub threshold: usize,
}

impl Repository {
    /// Starts a repository: its first root is staged.
    ///
    /// # Errors
    /// [`Error::Threshold`] where a role is missing, has no key or more signatures to give than keys; [`Error::KeyKind`].
    pub fn start(roles: &BTreeMap<Role, RoleKeys>, now: Timestamp) -> Result<Self> {
        let empty = json!({
            "_type": Role::Root.name(),
            "spec_version": SPEC_VERSION,
            "version": 1,
            "expires": expiry(Role::Root, now),
            "consistent_snapshot": true,
            "keys": {},
            "roles": {},
        });
        let mut root: Root = from_value(Role::Root.name(), empty)?;
        for role in Role::ALL {
            let none = RoleKeys { keys: Vec::new(), threshold: 1 };
            assign(&mut root, role, roles.get(&role).unwrap_or(&none))?;
        }
        Ok(Self { staged_root: Some(draft_root(&root)?), ..Self::default() })
    }

    /// Reads a repository from its directory, by the names that this module's text gives.
    ///
    /// # Errors
    /// [`Error::NotStarted`] where there is none, and what is wrong with its files.
    pub fn open(read: Fetch<'_>) -> Result<Self> {
        let find = |name: &str| {
            let bytes = read(name, MAX_FILE)
                .map_err(|reason| Error::Unreachable { name: name.to_owned(), reason })?;
            bytes.map(|bytes| Draft::parse(&bytes)).transpose()
        };
        let (mut root, mut version) = (None, 1_u64);
        while let Some(found) = find(&public(&format!("{version}.root.json")))? {
            root = Some(found);
            version = version.saturating_add(1);
        }
        let staged_root = find(STAGED_ROOT)?;
        if root.is_none() && staged_root.is_none() {
            return Err(Error::NotStarted);
        }
        let timestamp = find(&public("timestamp.json"))?;
        // What the timestamp does not lead to is left from a run that was interrupted, and was never in force.
        let named = |draft: &Option<Draft>, file: &str| {
            let path = format!("/meta/{file}/version");
            draft.as_ref().and_then(|draft| draft.signed().pointer(&path)).and_then(Value::as_u64)
        };
        let snapshot = match named(&timestamp, "snapshot.json") {
            Some(version) => find(&public(&format!("{version}.snapshot.json")))?,
            None => None,
        };
        let targets = match named(&snapshot, "targets.json") {
            Some(version) => find(&public(&format!("{version}.targets.json")))?,
            None => None,
        };
        Ok(Self { root, targets, snapshot, timestamp, staged_root, staged_targets: find(STAGED_TARGETS)? })
    }

    /// Gives a role other keys, in the next version of the root, which is staged.
    ///
    /// # Errors
    /// As [`Repository::start`].
    pub fn assign(&mut self, role: Role, keys: &RoleKeys, now: Timestamp) -> Result<()> {
        let mut root = match &self.staged_root {
            // One that waits is written anew, because nobody has seen it.
            Some(staged) => staged.metadata::<Root>()?.into_signed(),
            None => successor(self.root.as_ref().ok_or(Error::NotStarted)?, now)?,
        };
        assign(&mut root, role, keys)?;
        self.staged_root = Some(draft_root(&root)?);
        Ok(())
    }

    /// What is in force.
    ///
    /// # Errors
    /// Where the root cannot be read.
    pub fn states(&self) -> Result<Vec<State>> {
        let drafts = [&self.root, &self.targets, &self.snapshot, &self.timestamp];
        let Some(root) = &self.root else { return Ok(Vec::new()) };
        let state = |draft: &Draft| {
            let role = draft.role();
            let (keys, threshold) = root.assigned(role)?;
            let (version, expires) = (draft.version(), draft.expires());
            Ok(State { role, version, expires, due: due_at(draft), keys, threshold })
        };
        drafts.into_iter().flatten().map(state).collect()
    }

    /// Brings the repository to where it should be. `read` is the repository's directory.
    ///
    /// # Errors
    /// [`Error::CannotSign`] where no key of the snapshot or the timestamp is at hand, and whatever a client would refuse the
    /// outcome for: nothing is to be written then.
    pub fn advance(&self, work: &Work<'_>, read: Fetch<'_>) -> Result<Advance> {
        let root = self.next_root(work)?;
        let signed_root = match &root {
            Some(next) if next.meets(next)? && meets_or_first(next, self.root.as_ref())? => Some(next),
            _ => None,
        };
        let authority = signed_root.or(self.root.as_ref()).or(root.as_ref()).ok_or(Error::NotStarted)?;
        let targets = self.next_targets(work, authority)?;
        // The next root comes into force with targets that hold under it, or not yet.
        let mut in_force = None;
        for root in [signed_root, self.root.as_ref()].into_iter().flatten() {
            for targets in [targets.as_ref(), self.targets.as_ref()].into_iter().flatten() {
                if in_force.is_none() && targets.meets(root)? {
                    in_force = Some((root, targets));
                }
            }
        }
        let mut advance = Advance::default();
        if let Some((root, targets)) = in_force {
            self.publish(&mut advance, work, root, targets)?;
        }
        for (next, staged, name) in
            [(&root, &self.staged_root, STAGED_ROOT), (&targets, &self.staged_targets, STAGED_TARGETS)]
        {
            let waits =
                |next: &&Draft| in_force.is_none_or(|(root, targets)| root != *next && targets != *next);
            if let Some(next) = next.as_ref().filter(waits) {
                let authorities = [Some(authority), self.root.as_ref(), root.as_ref()];
                advance.waiting.push(waiting(next, authorities.into_iter().flatten())?);
                advance.writes.push((name.to_owned(), next.to_json().into_bytes()));
            } else if staged.is_some() {
                advance.removals.push(name.to_owned());
            }
        }
        for root in
            [in_force.map_or(self.root.as_ref(), |(root, _)| Some(root)), root.as_ref()].into_iter().flatten()
        {
            advance.keys.extend(root.metadata::<Root>()?.signed().keys.keys().cloned());
        }
        if in_force.is_some() {
            self.read_as_client(&advance, read, work.now)?;
        }
        Ok(advance)
    }

    /// The root that follows, if one waits or is due, with the signatures that can be given here.
    fn next_root(&self, work: &Work<'_>) -> Result<Option<Draft>> {
        let due = self.root.as_ref().filter(|root| work.is_due(root));
        let next = match (&self.staged_root, due) {
            (Some(staged), _) => Some(staged.clone()),
            (None, Some(root)) => Some(draft_root(&successor(root, work.now)?)?),
            (None, None) => None,
        };
        let Some(mut next) = next else { return Ok(None) };
        let own = next.clone();
        for authority in [Some(&own), self.root.as_ref()].into_iter().flatten() {
            work.sign(&mut next, authority)?;
        }
        Ok(Some(next))
    }

    /// The targets that follow, if the files changed or they are due, with the signatures that can be given here.
    fn next_targets(&self, work: &Work<'_>, authority: &Draft) -> Result<Option<Draft>> {
        let listed =
            work.files.iter().map(|(name, bytes)| (name.clone(), describe(bytes))).collect::<Value>();
        let draft = |version: u64| metadata(Role::Targets, version, work.now, "targets", listed.clone());
        let holds = match &self.targets {
            Some(live) => {
                live.meets(authority)? && !work.is_due(live) && live.says_the_same(&draft(live.version())?)
            }
            None => false,
        };
        if holds {
            return Ok(None);
        }
        let fresh = draft(self.targets.as_ref().map_or(1, |live| live.version().saturating_add(1)))?;
        let staged = self
            .staged_targets
            .as_ref()
            .filter(|staged| staged.says_the_same(&fresh) && !due(staged, work.now));
        let mut next = staged.cloned().unwrap_or(fresh);
        work.sign(&mut next, authority)?;
        Ok(Some(next))
    }

    /// Writes down what brings `root` and `targets` into force, whose signatures are complete.
    fn publish(&self, advance: &mut Advance, work: &Work<'_>, root: &Draft, targets: &Draft) -> Result<()> {
        let mut write = |name: String, bytes: Vec<u8>| advance.writes.push((public(&name), bytes));
        if self.targets.as_ref() != Some(targets) {
            for (name, bytes) in work.files {
                write(format!("targets/{}.{name}", hex::encode(Sha256::digest(bytes))), bytes.clone());
            }
            write(format!("{}.targets.json", targets.version()), targets.to_json().into_bytes());
        }
        let named = json!({"targets.json": {"version": targets.version()}});
        let snapshot = self.renewed(work, root, self.snapshot.as_ref(), Role::Snapshot, named)?;
        let text = snapshot.to_json();
        let mut pin = describe(text.as_bytes());
        if let Some(pin) = pin.as_object_mut() {
            pin.insert("version".to_owned(), snapshot.version().into());
        }
        let named = json!({"snapshot.json": pin});
        let timestamp = self.renewed(work, root, self.timestamp.as_ref(), Role::Timestamp, named)?;
        if self.snapshot.as_ref() != Some(&snapshot) {
            write(format!("{}.snapshot.json", snapshot.version()), text.into_bytes());
        }
        if self.root.as_ref() != Some(root) {
            write(format!("{}.root.json", root.version()), root.to_json().into_bytes());
        }
        if self.timestamp.as_ref() != Some(&timestamp) {
            write("timestamp.json".to_owned(), timestamp.to_json().into_bytes());
        }
        Ok(())
    }

    /// The snapshot or timestamp that is in force, if it can stay, or its successor.
    fn renewed(
        &self,
        work: &Work<'_>,
        root: &Draft,
        live: Option<&Draft>,
        role: Role,
        named: Value,
    ) -> Result<Draft> {
        let version = live.map_or(1, |live| live.version().saturating_add(1));
        let mut next = metadata(role, version, work.now, "meta", named)?;
        if let Some(live) = live
            && live.meets(root)?
            && !work.is_due(live)
            && live.signed().get("meta") == next.signed().get("meta")
        {
            return Ok(live.clone());
        }
        work.sign(&mut next, root)?;
        if next.meets(root)? { Ok(next) } else { Err(Error::CannotSign { role }) }
    }

    /// Follows the repository over the change, as a client that knows the root in force would.
    fn read_as_client(&self, advance: &Advance, read: Fetch<'_>, now: Timestamp) -> Result<()> {
        let fetch = |name: &str, limit: u64| {
            let name = public(name);
            match advance.writes.iter().find(|(written, _)| *written == name) {
                Some((_, bytes)) => Ok(Some(bytes.clone())),
                None => read(&name, limit),
            }
        };
        let name = format!("{}.root.json", self.root.as_ref().map_or(1, Draft::version));
        let root =
            fetch(&name, MAX_FILE).map_err(|reason| Error::Unreachable { name: name.clone(), reason })?;
        Followed::pin(&root.ok_or(Error::Absent { name })?)?.update(&fetch, now).map(drop)
    }
}

impl Work<'_> {
    fn is_due(&self, live: &Draft) -> bool {
        self.renew.contains(&live.role()) || due(live, self.now)
    }

    /// Adds the signatures of the keys at hand that the authority lets sign.
    fn sign(&self, draft: &mut Draft, authority: &Draft) -> Result<()> {
        let (allowed, _) = authority.assigned(draft.role())?;
        for key in self.keys {
            let id = key_id(key.public_key())?;
            if allowed.contains(&id) && !draft.has(&id) {
                draft.sign(key)?;
            }
        }
        Ok(())
    }
}

/// Whether the root before lets the next one follow; the first has none before it.
fn meets_or_first(next: &Draft, before: Option<&Draft>) -> Result<bool> {
    before.map_or(Ok(true), |before| next.meets(before))
}

fn waiting<'a>(draft: &Draft, authorities: impl Iterator<Item = &'a Draft>) -> Result<Waiting> {
    let mut keys = BTreeSet::new();
    for authority in authorities {
        keys.extend(authority.assigned(draft.role())?.0.into_iter().filter(|key| !draft.has(key)));
    }
    Ok(Waiting { role: draft.role(), version: draft.version(), keys })
}

/// The root's next version, as it is.
fn successor(root: &Draft, now: Timestamp) -> Result<Root> {
    let mut next = root.metadata::<Root>()?.into_signed();
    next.version = next.version.saturating_add(1);
    next.expires = expiry(Role::Root, now);
    Ok(next)
}

/// Gives a role its keys, and forgets those that no role has any more.
fn assign(root: &mut Root, role: Role, assigned: &RoleKeys) -> Result<()> {
    let mut ids = Vec::new();
    for key in &assigned.keys {
        let id = key_id(key)?;
        root.keys.insert(id.clone(), tuf_key(key)?);
        ids.push(id);
    }
    let (threshold, keys) = (assigned.threshold, ids.iter().collect::<BTreeSet<_>>().len());
    if threshold == 0 || threshold > keys || keys != ids.len() {
        return Err(Error::Threshold { role, threshold, keys });
    }
    let value = json!({"keyids": ids, "threshold": threshold});
    root.roles.insert(role.name().to_owned(), from_value(role.name(), value)?);
    let used: BTreeSet<String> = root.roles.values().flat_map(|role| role.keyids.iter().cloned()).collect();
    root.keys.retain(|id, _| used.contains(id));
    Ok(())
}

fn draft_root(root: &Root) -> Result<Draft> {
    let draft = Draft::new(serde_json::to_value(root).unwrap_or_default())?;
    read_root(Role::Root.name(), draft.to_json().as_bytes())?;
    Ok(draft)
}

/// Writes metadata of a role other than the root, saying `content` in its field `field`.
fn metadata(role: Role, version: u64, now: Timestamp, field: &str, content: Value) -> Result<Draft> {
    let mut signed = json!({
        "_type": role.name(),
        "spec_version": SPEC_VERSION,
        "version": version,
        "expires": expiry(role, now),
    });
    if let Some(signed) = signed.as_object_mut() {
        signed.insert(field.to_owned(), content);
    }
    Draft::new(signed)
}

/// A file's length and hash.
fn describe(bytes: &[u8]) -> Value {
    json!({"length": bytes.len(), "hashes": {"sha256": hex::encode(Sha256::digest(bytes))}})
}

/// Whole seconds, because that is all that python-tuf reads.
fn expiry(role: Role, now: Timestamp) -> Timestamp {
    let (life, _) = term(role);
    let end = now.saturating_add(life).unwrap_or(Timestamp::MAX);
    Timestamp::from_second(end.as_second()).unwrap_or(end)
}

fn due(draft: &Draft, now: Timestamp) -> bool {
    now >= due_at(draft)
}

fn due_at(draft: &Draft) -> Timestamp {
    let (_, ahead) = term(draft.role());
    draft.expires().saturating_sub(ahead).unwrap_or(Timestamp::MIN)
}

/// How long metadata hold, and how long before their end they are renewed: the keys of the upper roles may be in a safe, and
/// whoever has them needs notice.
fn term(role: Role) -> (SignedDuration, SignedDuration) {
    let days = |days: i64| SignedDuration::from_hours(days.saturating_mul(24));
    match role {
        Role::Root | Role::Targets => (days(365), days(60)),
        Role::Snapshot => (days(90), days(60)),
        Role::Timestamp => (days(7), days(6)),
    }
}

fn public(name: &str) -> String {
    format!("public/{name}")
}

const STAGED_ROOT: &str = "staged/root.json";
const STAGED_TARGETS: &str = "staged/targets.json";
const SPEC_VERSION: &str = "1.0.31";
/// The largest file of the repository's own that is read, in bytes.
const MAX_FILE: u64 = 2_000_000;

#[cfg(test)]
mod tests;

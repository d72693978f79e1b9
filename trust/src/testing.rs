//! A repository in memory, honest or not, for the tests of several modules.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use sealwax_attestation::TrustedRoot;
use sealwax_keys::{KeyKind, SecretKey};
use serde_json::{Value, json};

use crate::draft::Draft;
use crate::error::Result;
use crate::followed::{Followed, TRUSTED_ROOT, fingerprint};
use crate::metadata::Role;
use crate::repository::{Advance, Repository, RoleKeys, Work};

/// A repository's directory, and whoever has all its keys.
pub(crate) struct Site {
    pub(crate) directory: BTreeMap<String, Vec<u8>>,
    pub(crate) keys: BTreeMap<Role, SecretKey>,
    pub(crate) files: BTreeMap<String, Vec<u8>>,
    pub(crate) now: Timestamp,
}

impl Site {
    /// Makes and publishes a repository that hands out an empty trusted root.
    pub(crate) fn new() -> Self {
        let key = |role: Role| {
            let kind = if role == Role::Root { KeyKind::Ed25519 } else { KeyKind::P256 };
            (role, SecretKey::generate(kind).unwrap())
        };
        let mut site = Self {
            directory: BTreeMap::new(),
            keys: Role::ALL.into_iter().map(key).collect(),
            files: BTreeMap::from([(TRUSTED_ROOT.to_owned(), TrustedRoot::default().to_json().into_bytes())]),
            now: "2026-11-24T12:00:00Z".parse().unwrap(),
        };
        let roles = Role::ALL.into_iter().map(|role| (role, site.role_keys(role))).collect();
        site.advance(&Repository::start(&roles, site.now).unwrap(), &[]).unwrap();
        site
    }

    pub(crate) fn role_keys(&self, role: Role) -> RoleKeys {
        RoleKeys { keys: vec![self.keys[&role].public_key().clone()], threshold: 1 }
    }

    pub(crate) fn repository(&self) -> Repository {
        Repository::open(&|name, _| Ok(self.directory.get(name).cloned())).unwrap()
    }

    /// Advances with the keys of these roles, or all, and does what that says.
    pub(crate) fn advance_with(
        &mut self,
        repository: &Repository,
        keys: &[SecretKey],
        renew: &[Role],
    ) -> Result<Advance> {
        let work = Work { keys, files: &self.files, renew, now: self.now };
        let advance = repository.advance(&work, &|name, _| Ok(self.directory.get(name).cloned()))?;
        self.directory.extend(advance.writes.iter().cloned());
        for name in &advance.removals {
            self.directory.remove(name);
        }
        Ok(advance)
    }

    pub(crate) fn advance(&mut self, repository: &Repository, renew: &[Role]) -> Result<Advance> {
        let keys: Vec<SecretKey> = self.keys.values().map(copy).collect();
        self.advance_with(repository, &keys, renew)
    }

    /// Publishes these roles anew, honestly.
    pub(crate) fn renew(&mut self, roles: &[Role]) {
        self.advance(&self.repository(), roles).unwrap();
    }

    /// Hands out another trusted root, honestly.
    pub(crate) fn change_files(&mut self) {
        let text = format!("{}\n", TrustedRoot::default().to_json());
        self.files.insert(TRUSTED_ROOT.to_owned(), text.into_bytes());
        self.renew(&[]);
    }

    /// Gives a role another key, honestly.
    pub(crate) fn rotate(&mut self, role: Role) {
        let mut repository = self.repository();
        let mut keys: Vec<SecretKey> = self.keys.values().map(copy).collect();
        self.keys.insert(role, SecretKey::generate(KeyKind::P256).unwrap());
        keys.push(copy(&self.keys[&role]));
        repository.assign(role, &self.role_keys(role), self.now).unwrap();
        self.advance_with(&repository, &keys, &[]).unwrap();
    }

    pub(crate) fn later(&mut self, days: i64) {
        self.now += SignedDuration::from_hours(24 * days);
    }

    pub(crate) fn get(&self, name: &str) -> Option<Vec<u8>> {
        self.directory.get(&format!("public/{name}")).cloned()
    }

    pub(crate) fn put(&mut self, name: &str, bytes: impl Into<Vec<u8>>) {
        self.directory.insert(format!("public/{name}"), bytes.into());
    }

    /// What the newest metadata of a role say.
    pub(crate) fn signed(&self, role: Role) -> Value {
        let repository = self.repository();
        let version =
            repository.states().unwrap().into_iter().find(|state| state.role == role).unwrap().version;
        Draft::parse(&self.get(&file(role, version)).unwrap()).unwrap().signed().clone()
    }

    /// Signs whatever it is told with a role's key, and puts it where clients look.
    pub(crate) fn forge(&mut self, role: Role, signed: &Value) {
        let mut draft = Draft::new(signed.clone()).unwrap();
        draft.sign(&self.keys[&role]).unwrap();
        self.put(&file(role, draft.version()), draft.to_json());
    }

    /// Signs the newest metadata of a role with changes, in the next version.
    pub(crate) fn edit(&mut self, role: Role, change: impl FnOnce(&mut Value)) {
        let mut signed = self.signed(role);
        signed["version"] = json!(signed["version"].as_u64().unwrap() + 1);
        change(&mut signed);
        self.forge(role, &signed);
    }

    /// Publishes targets with changes, and the snapshot and timestamp that lead to them.
    pub(crate) fn edit_targets(&mut self, change: impl FnOnce(&mut Value)) {
        let mut version = 0;
        let mut signed = self.signed(Role::Targets);
        signed["version"] = json!(signed["version"].as_u64().unwrap() + 1);
        change(&mut signed);
        version += signed["version"].as_u64().unwrap();
        self.forge(Role::Targets, &signed);
        self.edit_snapshot(|snapshot| snapshot["meta"]["targets.json"] = json!({"version": version}));
    }

    /// Publishes a snapshot with changes, and the timestamp that leads to it.
    pub(crate) fn edit_snapshot(&mut self, change: impl FnOnce(&mut Value)) {
        let mut signed = self.signed(Role::Snapshot);
        signed["version"] = json!(signed["version"].as_u64().unwrap() + 1);
        change(&mut signed);
        self.forge(Role::Snapshot, &signed);
        self.pin_snapshot(signed["version"].as_u64().unwrap());
    }

    /// Publishes a timestamp that leads to a snapshot.
    pub(crate) fn pin_snapshot(&mut self, version: u64) {
        let text = self.get(&file(Role::Snapshot, version)).unwrap();
        let pin = json!({"version": version, "length": text.len(), "hashes": {"sha256": fingerprint(&text)}});
        self.edit(Role::Timestamp, |timestamp| timestamp["meta"] = json!({"snapshot.json": pin}));
    }

    /// Lets somebody follow it from its first root.
    pub(crate) fn pinned(&self) -> Followed {
        Followed::pin(&self.get("1.root.json").unwrap()).unwrap()
    }

    /// Lets somebody follow it who has seen its newest state.
    pub(crate) fn followed(&self) -> Followed {
        let mut followed = self.pinned();
        self.update(&mut followed).unwrap();
        followed
    }

    pub(crate) fn update(&self, followed: &mut Followed) -> Result<bool> {
        followed.update(&|name, _| Ok(self.get(name)), self.now)
    }
}

pub(crate) fn copy(key: &SecretKey) -> SecretKey {
    let pem = key.to_pkcs8_pem(None).unwrap();
    match sealwax_keys::KeyFile::parse(pem.as_bytes()).unwrap() {
        sealwax_keys::KeyFile::Plain(key) => key,
        sealwax_keys::KeyFile::Encrypted(_) => unreachable!(),
    }
}

/// Where clients look for metadata.
pub(crate) fn file(role: Role, version: u64) -> String {
    match role {
        Role::Timestamp => "timestamp.json".to_owned(),
        role => format!("{version}.{role}.json"),
    }
}

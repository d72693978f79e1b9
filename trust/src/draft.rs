//! Metadata that are being signed: by several people, on several machines, one after the other.

use std::collections::BTreeMap;

use jiff::Timestamp;
use sealwax_keys::SecretKey;
use serde_json::{Value, json};
use sigstore_tuf::{Metadata, Role as Kind, Root, Snapshot, Targets, Timestamp as Stamp, canonical_json};

use crate::error::{Error, Result};
use crate::metadata::{Role, key_id, read, sign};

/// Metadata with the signatures that they have so far.
#[derive(Clone, Debug, PartialEq)]
pub struct Draft {
    role: Role,
    version: u64,
    expires: Timestamp,
    signed: Value,
    /// Signatures in hexadecimal by the names of their keys.
    signatures: BTreeMap<String, String>,
}

impl Draft {
    /// Starts to sign `signed`, which says itself what it is.
    pub(crate) fn new(signed: Value) -> Result<Self> {
        Self::parse(json!({"signed": signed, "signatures": []}).to_string().as_bytes())
    }

    /// Reads metadata that somebody may have signed. No signature is checked.
    ///
    /// # Errors
    /// [`Error::Malformed`] for what is no metadata of a top-level role.
    pub fn parse(bytes: &[u8]) -> Result<Self> {
        let name = "the metadata";
        let malformed = |reason: String| Error::Malformed { name: name.to_owned(), reason };
        read(Role::Targets, name, bytes)?;
        let value: Value = serde_json::from_slice(bytes).map_err(|error| malformed(error.to_string()))?;
        let kind = value.pointer("/signed/_type").and_then(Value::as_str).unwrap_or_default();
        let role = Role::from_name(kind).ok_or_else(|| malformed(format!("of an unknown kind {kind:?}")))?;
        let ((version, expires), signatures) = match role {
            Role::Root => facts::<Root>(name, bytes),
            Role::Targets => facts::<Targets>(name, bytes),
            Role::Snapshot => facts::<Snapshot>(name, bytes),
            Role::Timestamp => facts::<Stamp>(name, bytes),
        }?;
        let signed = value.get("signed").cloned().unwrap_or_default();
        Ok(Self { role, version, expires, signed, signatures })
    }

    /// What the metadata are for.
    pub fn role(&self) -> Role {
        self.role
    }

    /// The version.
    pub fn version(&self) -> u64 {
        self.version
    }

    /// When they run out.
    pub fn expires(&self) -> Timestamp {
        self.expires
    }

    /// What they say, as JSON.
    pub fn signed(&self) -> &Value {
        &self.signed
    }

    /// How many keys have signed.
    pub fn signatures(&self) -> usize {
        self.signatures.len()
    }

    /// Adds a signature, in the place of an earlier one by the same key.
    ///
    /// # Errors
    /// [`Error::KeyKind`], and those of signing.
    pub fn sign(&mut self, key: &SecretKey) -> Result<()> {
        let bytes = canonical_json::to_canonical_bytes(&self.signed)
            .map_err(|error| Error::rule(self.role.name(), error))?;
        self.signatures.insert(key_id(key.public_key())?, hex::encode(sign(key, &bytes)?));
        Ok(())
    }

    /// Whether the key with this name has signed.
    pub(crate) fn has(&self, key: &str) -> bool {
        self.signatures.contains_key(key)
    }

    /// Whether enough keys of its role have signed it, as this root says.
    pub(crate) fn meets(&self, root: &Self) -> Result<bool> {
        let root = root.metadata::<Root>()?.into_signed();
        let name = self.role.name();
        let Some(assigned) = root.role(name) else { return Ok(false) };
        let verified = match self.role {
            Role::Root => self.metadata::<Root>()?.verify_threshold(&root.keys, assigned, name),
            Role::Targets => self.metadata::<Targets>()?.verify_threshold(&root.keys, assigned, name),
            Role::Snapshot => self.metadata::<Snapshot>()?.verify_threshold(&root.keys, assigned, name),
            Role::Timestamp => self.metadata::<Stamp>()?.verify_threshold(&root.keys, assigned, name),
        };
        Ok(verified.is_ok())
    }

    /// The names of the keys that may sign a role, and how many of them must, where this is a root.
    pub(crate) fn assigned(&self, role: Role) -> Result<(Vec<String>, usize)> {
        let root = self.metadata::<Root>()?.into_signed();
        Ok(root
            .role(role.name())
            .map(|assigned| (assigned.keyids.clone(), assigned.threshold))
            .unwrap_or_default())
    }

    /// Whether another draft says the same, whoever signed it and until whenever it holds.
    pub(crate) fn says_the_same(&self, other: &Self) -> bool {
        let without_end = |draft: &Self| {
            let mut signed = draft.signed.clone();
            if let Some(signed) = signed.as_object_mut() {
                signed.remove("expires");
            }
            signed
        };
        without_end(self) == without_end(other)
    }

    /// Writes the metadata, indented for people.
    pub fn to_json(&self) -> String {
        let signature = |(key, sig): (&String, &String)| json!({"keyid": key, "sig": sig});
        let signatures: Vec<Value> = self.signatures.iter().map(signature).collect();
        format!("{:#}\n", json!({"signed": self.signed, "signatures": signatures}))
    }

    /// Reads it as what it is, for who checks it.
    pub(crate) fn metadata<T: Kind>(&self) -> Result<Metadata<T>> {
        Metadata::from_slice(self.to_json().as_bytes()).map_err(|error| Error::rule(self.role.name(), error))
    }
}

type Facts = ((u64, Timestamp), BTreeMap<String, String>);

fn facts<T: Kind>(name: &str, bytes: &[u8]) -> Result<Facts> {
    let metadata = Metadata::<T>::from_slice(bytes).map_err(|error| Error::rule(name, error))?;
    // An empty one is a place that somebody keeps free for a signature.
    let given = metadata.signatures().iter().filter(|signature| !signature.sig.is_empty());
    let signatures = given.map(|signature| (signature.keyid.clone(), signature.sig.clone())).collect();
    Ok(((metadata.signed().version(), metadata.signed().expires()), signatures))
}

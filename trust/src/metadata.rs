//! Metadata as bytes: the strict reading before the state machine's, and how a key is written and named.

use std::collections::BTreeSet;
use std::fmt;

use sealwax_attestation::json::{Limits, parse};
use sealwax_keys::{KeyKind, PublicKey, Scheme, SecretKey};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use sigstore_tuf::{Key, Metadata, Root};

use crate::error::{Error, Result};

/// A top-level role: a kind of metadata and who may sign it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Role {
    /// Says which keys each role has.
    Root,
    /// Says which files are handed out.
    Targets,
    /// Says which version of the targets is in force.
    Snapshot,
    /// Says, again and again, which snapshot is the newest.
    Timestamp,
}

impl Role {
    /// Every role.
    pub const ALL: [Self; 4] = [Self::Root, Self::Targets, Self::Snapshot, Self::Timestamp];

    /// The role's name in metadata.
    pub fn name(self) -> &'static str {
        match self {
            Self::Root => "root",
            Self::Targets => "targets",
            Self::Snapshot => "snapshot",
            Self::Timestamp => "timestamp",
        }
    }

    /// Finds a role by its name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|role| role.name() == name)
    }

    /// The largest metadata of the role that is read, in bytes.
    pub(crate) fn max_bytes(self) -> u64 {
        match self {
            Self::Root => 512_000,
            Self::Timestamp => 16_384,
            Self::Snapshot | Self::Targets => 2_000_000,
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Gives the identifier that metadata name a key by: the SHA-256 of its canonical JSON, in hexadecimal.
///
/// # Errors
/// [`Error::KeyKind`] for a key that signs no metadata here.
pub fn key_id(key: &PublicKey) -> Result<String> {
    tuf_key(key)?.key_id().map_err(|error| Error::rule("key", error))
}

/// Writes a key as metadata do. What python-tuf, go-tuf and tuf-js all read: ECDSA P-256 as PEM, Ed25519 as hexadecimal.
pub(crate) fn tuf_key(key: &PublicKey) -> Result<Key> {
    let value = match (key.kind(), key.ed25519_bytes()) {
        (KeyKind::P256, _) => {
            json!({"keytype": "ecdsa", "scheme": "ecdsa-sha2-nistp256", "keyval": {"public": key.to_pem()}})
        }
        (_, Some(bytes)) => {
            json!({"keytype": "ed25519", "scheme": "ed25519", "keyval": {"public": hex::encode(bytes)}})
        }
        (kind, None) => return Err(Error::KeyKind(kind)),
    };
    from_value("key", value)
}

/// Signs as metadata are signed: Ed25519 over the bytes themselves.
pub(crate) fn sign(key: &SecretKey, bytes: &[u8]) -> Result<Vec<u8>> {
    let scheme = match key.public_key().kind() {
        KeyKind::P256 => Scheme::EcdsaP256Sha256,
        KeyKind::Ed25519 => Scheme::Ed25519,
        kind => return Err(Error::KeyKind(kind)),
    };
    Ok(key.sign_with(scheme, bytes)?)
}

/// Takes metadata as text: within the role's length, one JSON document, no key twice. Two readers that disagree about a
/// signed document are an attack, and the state machine's own reader takes the last of two equal keys.
pub(crate) fn read<'a>(role: Role, name: &str, bytes: &'a [u8]) -> Result<&'a str> {
    let malformed = |reason: String| Error::Malformed { name: name.to_owned(), reason };
    let limits =
        Limits { bytes: usize::try_from(role.max_bytes()).unwrap_or(usize::MAX), depth: 16, values: 65_536 };
    parse(bytes, limits).map_err(|error| malformed(error.to_string()))?;
    std::str::from_utf8(bytes).map_err(|error| malformed(error.to_string()))
}

/// Reads a root whose roles have keys that are distinct: the state machine counts names of keys (attack R04).
pub(crate) fn read_root(name: &str, bytes: &[u8]) -> Result<Metadata<Root>> {
    read(Role::Root, name, bytes)?;
    let root = Metadata::<Root>::from_slice(bytes).map_err(|error| Error::rule(name, error))?;
    for (role, assigned) in &root.signed().roles {
        let mut seen = BTreeSet::new();
        let named: BTreeSet<&String> = assigned.keyids.iter().collect();
        let keys = named.into_iter().filter_map(|id| root.signed().keys.get(id));
        if !keys.map(material).all(|key| seen.insert(key)) {
            return Err(Error::OneKeyTwice { role: role.clone() });
        }
    }
    Ok(root)
}

/// What a key is, however it is written; the text itself for kinds that nothing here reads.
fn material(key: &Key) -> Vec<u8> {
    let text = key.keyval.public.trim();
    let raw = hex::decode(text).ok().and_then(|bytes| <[u8; 32]>::try_from(bytes).ok());
    let read = match raw {
        Some(bytes) => PublicKey::from_ed25519(&bytes),
        None => PublicKey::from_pem(text.as_bytes()),
    };
    read.map_or_else(|_| text.as_bytes().to_vec(), |key| key.spki_der().to_vec())
}

/// Reads what was put together here, for types that cannot be built otherwise.
pub(crate) fn from_value<T: DeserializeOwned>(name: &str, value: Value) -> Result<T> {
    serde_json::from_value(value)
        .map_err(|error| Error::Malformed { name: name.to_owned(), reason: error.to_string() })
}

//! What the verifier demands. Made by the caller from its own settings, never from the bundle or the model.
//!
//! An instance keeps its policy as a file:
//!
//! ```json
//! {"version":1,"signers":[{"name":"release key","publicKey":"-----BEGIN PUBLIC KEY-----\n…"}],"log":"required"}
//! ```
//!
//! with an optional `"witnesses"`, a C2SP tlog-policy text. Unknown fields are errors, because a misspelt demand that is
//! ignored is a demand that is dropped (attack I02).

use jiff::Timestamp;
use serde_json::json;

use sealwax_attestation::json::{Json, Limits, parse};
use sealwax_keys::{Certificate, PublicKey};
use sealwax_model::ModelPath;
use sealwax_tlog::WitnessPolicy;

/// What must hold before a model is trusted.
#[derive(Clone, Debug)]
pub struct Policy {
    /// Who may have signed. The variant is the mode, chosen by the caller and never by the bundle.
    pub signers: Signers,
    /// Whether the signature must be in a log.
    pub log: LogRequirement,
    /// Paths of the model that the verifier agrees to leave unchecked; the caller lists the bundle's own file here where it
    /// lies in the model. Git's own files, where the signature leaves them out, need no agreement.
    pub ignored: Vec<ModelPath>,
}

/// Who may have signed.
#[derive(Clone, Debug)]
pub enum Signers {
    /// Key mode: the holder of one of these keys.
    Keys(Vec<TrustedKey>),
    /// Certificate mode: the holder of a code-signing certificate under one of these anchors.
    CertificateChain {
        /// Certificates that the caller trusts; each ends a chain.
        anchors: Vec<Certificate>,
        /// When the caller knows the signature to have been made; `None` means that only the verifier's clock is proven.
        signed_at: Option<Timestamp>,
    },
}

/// A key that the verifier trusts, by a name of its own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TrustedKey {
    /// The verifier's name for the key.
    pub name: String,
    /// The key.
    pub key: PublicKey,
}

/// Whether the signature must be in a log.
#[derive(Clone, Debug)]
pub enum LogRequirement {
    /// Exactly one entry, included in a log of the trusted root, under a checkpoint that satisfies the witnesses' policy
    /// where there is one.
    Required {
        /// The quorum of witnesses, if one is asked for.
        witnesses: Option<WitnessPolicy>,
    },
    /// No log is asked for. Entries that are there must still belong to the bundle.
    Waived,
}

/// A policy file that cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PolicyError {
    /// Not a policy in form.
    #[error(transparent)]
    Malformed(#[from] sealwax_attestation::Error),
    /// A policy of another version.
    #[error("policy version {0} is not supported")]
    Version(u64),
    /// A signer's key cannot be read.
    #[error("signer {name:?}: {source}")]
    Key {
        /// The signer's name.
        name: String,
        /// What is wrong with the key.
        source: sealwax_keys::Error,
    },
    /// The witnesses' policy cannot be read.
    #[error("witnesses: {0}")]
    Witnesses(sealwax_tlog::Error),
    /// A policy that would accept nobody, or somebody twice.
    #[error("{0}")]
    Signers(&'static str),
}

impl Policy {
    /// Reads a policy file.
    ///
    /// # Errors
    /// [`PolicyError`]; an empty list of signers is one, never "everybody".
    pub fn from_json(text: &[u8]) -> Result<Self, PolicyError> {
        let mut object = parse(text, LIMITS)?.object()?;
        let version = object.take("version", |value| match value {
            Json::Unsigned(version) => Ok(version),
            _ => Err(sealwax_attestation::Error::Shape { path: String::new(), expected: "a number" }),
        })?;
        if version != VERSION {
            return Err(PolicyError::Version(version));
        }
        let signers = object.take("signers", |list| {
            list.list(MAX_SIGNERS, |signer| {
                let mut signer = signer.object()?;
                let name = signer.take("name", Json::string)?.into_owned();
                let pem = signer.take("publicKey", Json::string)?.into_owned();
                signer.finish().map(|()| (name, pem))
            })
        })?;
        object.take("log", |value| match value.string()?.as_ref() {
            "required" => Ok(()),
            other => {
                let (path, found) = (String::new(), other.to_owned());
                Err(sealwax_attestation::Error::Unsupported { path, what: "log requirement", found })
            }
        })?;
        let witnesses = object.take_optional("witnesses", Json::string)?;
        let witnesses = witnesses.map(|text| WitnessPolicy::parse(&text)).transpose();
        object.finish()?;
        let keys = signers.into_iter().map(|(name, pem)| match PublicKey::from_pem(pem.as_bytes()) {
            Ok(key) => Ok(TrustedKey { name, key }),
            Err(source) => Err(PolicyError::Key { name, source }),
        });
        let policy = Self {
            signers: Signers::Keys(keys.collect::<Result<_, _>>()?),
            log: LogRequirement::Required { witnesses: witnesses.map_err(PolicyError::Witnesses)? },
            ignored: Vec::new(),
        };
        policy.signers.check().map(|()| policy)
    }

    /// Writes the policy file of an instance that trusts some keys and demands its log, indented for people.
    pub fn file_for(keys: &[TrustedKey]) -> String {
        let signers: Vec<_> = keys
            .iter()
            .map(|trusted| json!({"name": trusted.name, "publicKey": trusted.key.to_pem()}))
            .collect();
        format!("{:#}\n", json!({"version": VERSION, "signers": signers, "log": "required"}))
    }
}

impl Signers {
    /// Refuses a demand that demands nothing.
    fn check(&self) -> Result<(), PolicyError> {
        match self {
            Self::Keys(keys) if keys.is_empty() => Err(PolicyError::Signers("no signer is named")),
            Self::Keys(keys) => {
                let twice = |(index, trusted): (usize, &TrustedKey)| {
                    keys.iter().take(index).any(|earlier| earlier.key == trusted.key)
                };
                if keys.iter().enumerate().any(twice) {
                    return Err(PolicyError::Signers("the same key is named twice"));
                }
                Ok(())
            }
            Self::CertificateChain { .. } => Ok(()),
        }
    }
}

const VERSION: u64 = 1;
const MAX_SIGNERS: usize = 1_024;
const LIMITS: Limits = Limits { bytes: 4 << 20, depth: 8, values: 65_536 };

#[cfg(test)]
mod tests {
    use super::*;
    use sealwax_keys::{KeyKind, SecretKey};

    fn trusted(name: &str) -> TrustedKey {
        let key = SecretKey::generate(KeyKind::P256).unwrap().public_key().clone();
        TrustedKey { name: name.to_owned(), key }
    }

    #[test]
    fn reads_what_it_writes() {
        let keys = [trusted("one"), trusted("two")];
        let policy = Policy::from_json(Policy::file_for(&keys).as_bytes()).unwrap();
        assert!(matches!(&policy.signers, Signers::Keys(read) if read[..] == keys));
        assert!(matches!(policy.log, LogRequirement::Required { witnesses: None }));
    }

    #[test]
    fn x04_refuses_an_empty_policy() {
        let empty = Policy::file_for(&[]);
        assert!(matches!(Policy::from_json(empty.as_bytes()), Err(PolicyError::Signers(_))));
    }

    #[test]
    fn refuses_one_key_under_two_names() {
        let mut keys = [trusted("one"), trusted("two")];
        keys[1].key = keys[0].key.clone();
        let file = Policy::file_for(&keys);
        assert!(matches!(Policy::from_json(file.as_bytes()), Err(PolicyError::Signers(_))));
    }

    #[test]
    fn i02_refuses_unknown_fields_and_values() {
        let file = Policy::file_for(&[trusted("one")]);
        let misspelt = file.replace("\"version\"", "\"witneses\": \"\", \"version\"");
        assert!(matches!(Policy::from_json(misspelt.as_bytes()), Err(PolicyError::Malformed(_))));
        let waived = file.replace("\"required\"", "\"optional\"");
        assert!(matches!(Policy::from_json(waived.as_bytes()), Err(PolicyError::Malformed(_))));
        let newer = file.replace("\"version\": 1", "\"version\": 2");
        assert!(matches!(Policy::from_json(newer.as_bytes()), Err(PolicyError::Version(2))));
    }
}

//! What the verifier demands. Made by the caller from its own settings, never from the bundle or the model.
//!
//! An instance keeps its policy as a file:
//!
//! ```json
//! {"version":1,"signers":[{"name":"release key","publicKey":"-----BEGIN PUBLIC KEY-----\n…"}],"log":"required"}
//! ```
//!
//! or, in place of `"signers"`, identities, any one of which is enough:
//!
//! ```json
//! {"version":1,"identities":[{"issuer":"https://accounts.example","identity":"alice@example.com",
//!  "claims":{"source-repository":"https://example.com/model"}}],"log":"required"}
//! ```
//!
//! where `"identityRegex"` may stand for `"identity"`. Both take an optional `"witnesses"`, a C2SP tlog-policy text. Unknown fields are errors, because a misspelt demand that is
//! ignored is a demand that is dropped (attack I02).

use jiff::Timestamp;
use serde_json::json;

use sealwax_attestation::json::{Json, Limits, parse};
use sealwax_keys::{Certificate, PublicKey};
use sealwax_model::ModelPath;
use sealwax_tlog::WitnessPolicy;

use crate::identity::{Claim, IdentityRule, NamePattern, NameRule};

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
    /// Identity mode: somebody whom an authority of the trusted root certified, and whom one of these rules allows.
    Identities(Vec<IdentityRule>),
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
    /// A rule for identities cannot be read.
    #[error("{0}")]
    Identity(String),
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
        let identities =
            object.take_optional("identities", |list| list.list(MAX_SIGNERS, written_identity))?;
        let read_signers = |list: Json<'_>| {
            list.list(MAX_SIGNERS, |signer| {
                let mut signer = signer.object()?;
                let name = signer.take("name", Json::string)?.into_owned();
                let pem = signer.take("publicKey", Json::string)?.into_owned();
                signer.finish().map(|()| (name, pem))
            })
        };
        // Either the one or the other: the mode is the policy's, and never the bundle's choice.
        let signers = match identities {
            None => Written::Keys(object.take("signers", read_signers)?),
            Some(identities) => Written::Identities(identities),
        };
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
        let policy = Self {
            signers: signers.read()?,
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

/// The signers as the file has them, before their keys and names are read.
enum Written {
    Keys(Vec<(String, String)>),
    Identities(Vec<WrittenIdentity>),
}

struct WrittenIdentity {
    issuer: String,
    name: Option<String>,
    pattern: Option<String>,
    claims: Vec<(String, String)>,
}

fn written_identity(json: Json<'_>) -> Result<WrittenIdentity, sealwax_attestation::Error> {
    let text = |value: Json<'_>| value.string().map(std::borrow::Cow::into_owned);
    let mut object = json.object()?;
    let issuer = object.take("issuer", text)?;
    let name = object.take_optional("identity", text)?;
    let pattern = object.take_optional("identityRegex", text)?;
    let claims = object.take_optional("claims", |value| {
        let claims = value.object()?.rest().into_iter();
        claims.map(|(name, value)| Ok((name.into_owned(), text(value)?))).collect()
    })?;
    object.finish()?;
    Ok(WrittenIdentity { issuer, name, pattern, claims: claims.unwrap_or_default() })
}

impl Written {
    fn read(self) -> Result<Signers, PolicyError> {
        match self {
            Self::Keys(keys) => {
                let keys = keys.into_iter().map(|(name, pem)| match PublicKey::from_pem(pem.as_bytes()) {
                    Ok(key) => Ok(TrustedKey { name, key }),
                    Err(source) => Err(PolicyError::Key { name, source }),
                });
                keys.collect::<Result<_, _>>().map(Signers::Keys)
            }
            Self::Identities(identities) => identities
                .into_iter()
                .map(WrittenIdentity::read)
                .collect::<Result<_, _>>()
                .map(Signers::Identities),
        }
    }
}

impl WrittenIdentity {
    fn read(self) -> Result<IdentityRule, PolicyError> {
        let refused = |why: &str| Err(PolicyError::Identity(why.to_owned()));
        let name = match (self.name, self.pattern) {
            (Some(name), None) => NameRule::exactly(&name)?,
            (None, Some(pattern)) => NameRule::Pattern(NamePattern::new(&pattern)?),
            _ => return refused("an identity has either \"identity\" or \"identityRegex\""),
        };
        if self.issuer.is_empty() {
            return refused("an identity's issuer is empty");
        }
        let claims = self.claims.into_iter().map(|(name, value)| match Claim::from_name(&name) {
            Some(claim) => Ok((claim, value)),
            None => Err(PolicyError::Identity(format!("there is no claim {name:?}"))),
        });
        Ok(IdentityRule { issuer: self.issuer, name, claims: claims.collect::<Result<_, _>>()? })
    }
}

impl Signers {
    /// Refuses a demand that demands nothing.
    fn check(&self) -> Result<(), PolicyError> {
        match self {
            Self::Identities(rules) if rules.is_empty() => Err(PolicyError::Signers("no identity is named")),
            Self::Identities(_) => Ok(()),
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

    fn with_identities(identities: &str) -> Result<Policy, PolicyError> {
        Policy::from_json(format!(r#"{{"version":1,"identities":{identities},"log":"required"}}"#).as_bytes())
    }

    #[test]
    fn identities_are_read() {
        let text = r#"[{"issuer":"https://i","identity":"a@b","claims":{"build-trigger":"push"}},
            {"issuer":"https://j","identityRegex":"https://x/.*"}]"#;
        let Signers::Identities(rules) = with_identities(text).unwrap().signers else { panic!() };
        assert_eq!(rules.len(), 2);
        assert_eq!(rules[0].issuer, "https://i");
        assert!(
            matches!(&rules[0].name, NameRule::Exactly(sealwax_keys::SubjectName::Email(name)) if name == "a@b")
        );
        assert_eq!(rules[0].claims[0].0.name(), "build-trigger");
        assert!(matches!(rules[1].name, NameRule::Pattern(_)));
    }

    #[test]
    fn i02_refuses_identities_that_say_too_little_or_something_else() {
        for bad in [
            r#"[{"identity":"a@b"}]"#,
            r#"[{"issuer":"https://i"}]"#,
            r#"[{"issuer":"","identity":"a@b"}]"#,
            r#"[{"issuer":"https://i","identity":""}]"#,
            r#"[{"issuer":"https://i","identity":"a@b","identityRegex":".*"}]"#,
            r#"[{"issuer":"https://i","identityRegex":""}]"#,
            r#"[{"issuer":"https://i","identityRegex":"("}]"#,
            r#"[{"issuer":"https://i","identity":"a@b","subject":"c"}]"#,
            r#"[{"issuer":"https://i","identity":"a@b","claims":{"repository":"c"}}]"#,
            r#"[{"issuer":"https://i","identity":"a@b","claims":{"build-trigger":null}}]"#,
        ] {
            assert!(with_identities(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn x04_refuses_a_policy_without_identities_and_one_of_two_modes() {
        assert!(matches!(with_identities("[]"), Err(PolicyError::Signers(_))));
        let both = Policy::file_for(&[trusted("one")])
            .replace("\"version\"", "\"identities\": [{\"issuer\":\"i\",\"identity\":\"n\"}], \"version\"");
        assert!(matches!(Policy::from_json(both.as_bytes()), Err(PolicyError::Malformed(_))));
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

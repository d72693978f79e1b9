//! The in-toto statement about a model: its name, its root digest, and every file with its digest.
//!
//! ```json
//! {"_type":"https://in-toto.io/Statement/v1",
//!  "subject":[{"name":"my-model","digest":{"sha256":"<root digest>"}}],
//!  "predicateType":"https://model_signing/signature/v1.0",
//!  "predicate":{
//!    "resources":[{"name":"config.json","algorithm":"sha256","digest":"<hex>"}],
//!    "serialization":{"method":"files","hash_type":"sha256","allow_symlinks":false,"ignore_paths":[".git"]}}}
//! ```
//!
//! Sources: in-toto Attestation Framework, Statement v1; OpenSSF Model Signing v1.0. Also reads the predecessor that
//! model_signing 0.2 wrote (`https://model_signing/Digests/v0.1`, one subject a file). Unknown fields inside the
//! statement are ignored, as both specifications demand; unknown types, methods and algorithms are refused.

use serde::ser::{Serialize, SerializeStruct as _, Serializer};

use sealwax_model::{Hash, Manifest, Method, ModelPath, PathError, Resource, ResourceName, Serialization};

use crate::Error;
use crate::json::{Json, Limits, parse};

/// A statement about a model, as parsed or as built: nothing about it is verified.
#[derive(Clone, Debug)]
pub struct Statement {
    /// The model's name as the signer gave it; none in a v0.1 statement. Says nothing about where the model is.
    pub name: Option<String>,
    /// The root digest that the subject claims, SHA-256 over the resources' digests; none in a v0.1 statement.
    pub root_digest: Option<[u8; 32]>,
    /// Other digests that the subject claims, by algorithm name, in lower-case hexadecimal.
    pub other_digests: Vec<(String, String)>,
    /// Which predicate the statement carries.
    pub predicate: PredicateVersion,
    /// Every file and its digest, in the order of the statement.
    pub manifest: Manifest,
}

/// The predicate types that say which files make up a model.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PredicateVersion {
    /// `https://model_signing/Digests/v0.1`, written by model_signing 0.2.
    DigestsV0,
    /// `https://model_signing/signature/v1.<minor>`.
    SignatureV1 {
        /// The minor version; later ones add fields and change none (OMS v1.0, Versioning).
        minor: u32,
    },
}

impl Statement {
    /// Makes the statement that Sealwax signs: predicate v1.0 over a manifest.
    pub fn new(name: String, manifest: Manifest) -> Self {
        let root_digest = Some(manifest.root_digest());
        let predicate = PredicateVersion::SignatureV1 { minor: 0 };
        Self { name: Some(name), root_digest, other_digests: Vec::new(), predicate, manifest }
    }

    /// Writes a v1.0 statement, the payload of an envelope.
    ///
    /// # Errors
    /// [`Error::Json`] only if a name could not be written, which no checked name causes.
    pub fn to_payload(&self) -> Result<Vec<u8>, Error> {
        serde_json::to_vec(&Wire(self)).map_err(|error| Error::Json(error.to_string()))
    }

    /// Reads a payload.
    ///
    /// # Errors
    /// [`Error::NotAModelStatement`] for another statement or predicate type or number of subjects, [`Error::Manifest`]
    /// where the file list contradicts itself, and shape errors.
    pub fn from_payload(payload: &[u8]) -> Result<Self, Error> {
        let mut statement = parse(payload, LIMITS)?.object()?;
        expect("_type", &statement.take("_type", Json::name)?, STATEMENT_TYPE)?;
        let predicate_type = statement.take("predicateType", Json::name)?;
        match predicate_version(&predicate_type) {
            Some(PredicateVersion::DigestsV0) => {
                let manifest = statement.take("subject", |subjects| {
                    let resources = subjects.list(MAX_RESOURCES, legacy_subject)?;
                    manifest(legacy_serialization(), resources)
                })?;
                let predicate = PredicateVersion::DigestsV0;
                Ok(Self { name: None, root_digest: None, other_digests: Vec::new(), predicate, manifest })
            }
            Some(predicate) => {
                let subjects = statement.take("subject", |subjects| subjects.list(MAX_SUBJECTS, subject))?;
                let count = subjects.len();
                let Ok([subject]) = <[Subject; 1]>::try_from(subjects) else {
                    let found = format!("{count} subjects");
                    return Err(Error::NotAModelStatement { what: "number of subjects", found });
                };
                let manifest = statement.take("predicate", model_predicate)?;
                Ok(Self {
                    name: Some(subject.name),
                    root_digest: Some(subject.root_digest),
                    other_digests: subject.other_digests,
                    predicate,
                    manifest,
                })
            }
            None => {
                let found = predicate_type.into_owned();
                Err(Error::NotAModelStatement { what: "predicate type", found })
            }
        }
    }
}

impl PredicateVersion {
    /// Gives the predicate type's URI.
    pub fn uri(self) -> String {
        match self {
            Self::DigestsV0 => DIGESTS_V0.to_owned(),
            Self::SignatureV1 { minor } => format!("{SIGNATURE_V1}{minor}"),
        }
    }
}

fn predicate_version(uri: &str) -> Option<PredicateVersion> {
    if uri == DIGESTS_V0 {
        return Some(PredicateVersion::DigestsV0);
    }
    let minor: u32 = uri.strip_prefix(SIGNATURE_V1)?.parse().ok()?;
    // Only the canonical spelling of the number: "v1.00" and "v1.+1" are other types.
    let version = PredicateVersion::SignatureV1 { minor };
    (version.uri() == uri).then_some(version)
}

struct Subject {
    name: String,
    root_digest: [u8; 32],
    other_digests: Vec<(String, String)>,
}

fn subject(json: Json<'_>) -> Result<Subject, Error> {
    let mut object = json.object()?;
    let name = object.take("name", Json::string)?.into_owned();
    object.take("digest", |digests| {
        let mut digests = digests.object()?;
        let root_digest = digests.take("sha256", sha256)?;
        let mut other_digests = Vec::new();
        for (algorithm, value) in digests.rest() {
            let text = value.string().map_err(|error| error.within(&algorithm))?;
            other_digests.push((algorithm.into_owned(), text.into_owned()));
        }
        Ok(Subject { name, root_digest, other_digests })
    })
}

fn model_predicate(json: Json<'_>) -> Result<Manifest, Error> {
    let mut predicate = json.object()?;
    let serialization = predicate.take("serialization", serialization)?;
    predicate.take("resources", |resources| {
        let resources = resources.list(MAX_RESOURCES, |json| resource(json, &serialization))?;
        manifest(serialization, resources)
    })
}

fn serialization(json: Json<'_>) -> Result<Serialization, Error> {
    let mut object = json.object()?;
    let method = object.take("method", Json::name)?;
    let hash = object.take("hash_type", |value| {
        let name = value.name()?;
        Hash::from_name(&name).ok_or_else(|| unsupported("hash type", &name))
    })?;
    let allow_symlinks = object.take("allow_symlinks", Json::bool)?;
    let method = match method.as_ref() {
        "files" if object.has("shard_size") => {
            return Err(unsupported("shard size for", "files").within("shard_size"));
        }
        "files" => Method::Files,
        "shards" => Method::Shards { size: object.take("shard_size", shard_size)? },
        other => return Err(unsupported("method", other).within("method")),
    };
    let ignore_paths = object
        .take_optional("ignore_paths", |paths| paths.list(MAX_RESOURCES, ignore_path))?
        .unwrap_or_default();
    Ok(Serialization { method, hash, allow_symlinks, ignore_paths })
}

/// An integer by the schema; model_signing writes it as a float without fraction.
fn shard_size(json: Json<'_>) -> Result<std::num::NonZeroU64, Error> {
    let size = match json {
        Json::Unsigned(size) => Some(size),
        Json::Float(size) if size.fract() == 0.0 && (1.0..9.007_199_254_740_992e15).contains(&size) => {
            format!("{size:.0}").parse().ok()
        }
        _ => None,
    };
    let expected = "a positive whole number of bytes";
    size.and_then(std::num::NonZeroU64::new).ok_or(Error::Shape { path: String::new(), expected })
}

fn ignore_path(json: Json<'_>) -> Result<ModelPath, Error> {
    let text = json.string()?;
    ModelPath::parse(&text).map_err(|reason| bad_name(&text, reason))
}

fn resource(json: Json<'_>, serialization: &Serialization) -> Result<Resource, Error> {
    let mut object = json.object()?;
    object.take("algorithm", |value| {
        let name = value.name()?;
        let known = match serialization.method {
            Method::Files => Hash::from_name(&name),
            // The specification writes the plain name, model_signing writes "sha256-sharded-<size>".
            Method::Shards { size } => {
                Hash::from_name(name.strip_suffix(&format!("-sharded-{size}")).unwrap_or(&name))
            }
        };
        // A list that mixes algorithms, or names another than its serialization, is refused (attack D17).
        if known == Some(serialization.hash) { Ok(()) } else { Err(unsupported("algorithm", &name)) }
    })?;
    let name = object.take("name", |value| {
        let text = value.string()?;
        ResourceName::parse(&text, serialization.method).map_err(|reason| bad_name(&text, reason))
    })?;
    let digest = object.take("digest", Json::hex)?;
    Ok(Resource { name, digest })
}

fn legacy_subject(json: Json<'_>) -> Result<Resource, Error> {
    let mut object = json.object()?;
    let name = object.take("name", |value| {
        let text = value.string()?;
        ResourceName::parse(&text, Method::Files).map_err(|reason| bad_name(&text, reason))
    })?;
    let digest = object.take("digest", |digests| digests.object()?.take("sha256", Json::hex))?;
    Ok(Resource { name, digest })
}

fn legacy_serialization() -> Serialization {
    Serialization {
        method: Method::Files,
        hash: Hash::Sha256,
        allow_symlinks: false,
        ignore_paths: Vec::new(),
    }
}

fn sha256(json: Json<'_>) -> Result<[u8; 32], Error> {
    let expected = "a SHA-256 digest of 64 hexadecimal digits";
    <[u8; 32]>::try_from(json.hex()?).map_err(|_| Error::Shape { path: String::new(), expected })
}

fn manifest(serialization: Serialization, resources: Vec<Resource>) -> Result<Manifest, Error> {
    Manifest::new(serialization, resources).map_err(manifest_error)
}

fn bad_name(text: &str, reason: PathError) -> Error {
    manifest_error(sealwax_model::Error::BadName { path: text.to_owned(), reason })
}

fn manifest_error(source: sealwax_model::Error) -> Error {
    Error::Manifest { path: String::new(), source }
}

fn unsupported(what: &'static str, found: &str) -> Error {
    Error::Unsupported { path: String::new(), what, found: found.to_owned() }
}

fn expect(what: &'static str, found: &str, expected: &str) -> Result<(), Error> {
    if found == expected {
        return Ok(());
    }
    Err(Error::NotAModelStatement { what, found: found.to_owned() })
}

/// The statement in its wire form, written without an intermediate copy of the file list.
struct Wire<'a>(&'a Statement);
struct Subjects<'a>(&'a Statement);
struct Predicate<'a>(&'a Manifest);
struct Resources<'a>(&'a Manifest);
struct Settings<'a>(&'a Serialization);

impl Serialize for Wire<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut wire = serializer.serialize_struct("Statement", 4)?;
        wire.serialize_field("_type", STATEMENT_TYPE)?;
        wire.serialize_field("subject", &[Subjects(self.0)])?;
        wire.serialize_field("predicateType", &self.0.predicate.uri())?;
        wire.serialize_field("predicate", &Predicate(&self.0.manifest))?;
        wire.end()
    }
}

impl Serialize for Subjects<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let digest = [("sha256", hex::encode(self.0.manifest.root_digest()))];
        let mut wire = serializer.serialize_struct("Subject", 2)?;
        wire.serialize_field("name", self.0.name.as_deref().unwrap_or_default())?;
        wire.serialize_field("digest", &std::collections::BTreeMap::from(digest))?;
        wire.end()
    }
}

impl Serialize for Predicate<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut wire = serializer.serialize_struct("Predicate", 2)?;
        wire.serialize_field("resources", &Resources(self.0))?;
        wire.serialize_field("serialization", &Settings(self.0.serialization()))?;
        wire.end()
    }
}

impl Serialize for Resources<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(serde::Serialize)]
        struct Row {
            name: String,
            algorithm: &'static str,
            digest: String,
        }
        let algorithm = self.0.serialization().hash.name();
        serializer.collect_seq(self.0.resources().iter().map(|resource| Row {
            name: resource.name.to_string(),
            algorithm,
            digest: hex::encode(&resource.digest),
        }))
    }
}

impl Serialize for Settings<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let ignored: Vec<&str> = self.0.ignore_paths.iter().map(ModelPath::as_str).collect();
        let mut wire = serializer.serialize_struct("Serialization", 5)?;
        match self.0.method {
            Method::Files => wire.serialize_field("method", "files")?,
            Method::Shards { size } => {
                wire.serialize_field("method", "shards")?;
                wire.serialize_field("shard_size", &size)?;
            }
        }
        wire.serialize_field("hash_type", self.0.hash.name())?;
        wire.serialize_field("allow_symlinks", &self.0.allow_symlinks)?;
        wire.serialize_field("ignore_paths", &ignored)?;
        wire.end()
    }
}

const STATEMENT_TYPE: &str = "https://in-toto.io/Statement/v1";
const SIGNATURE_V1: &str = "https://model_signing/signature/v1.";
const DIGESTS_V0: &str = "https://model_signing/Digests/v0.1";
const MAX_SUBJECTS: usize = 32;
const MAX_RESOURCES: usize = 1_048_576;

/// A million files at four values each, under the cap on a bundle.
const LIMITS: Limits = Limits { bytes: 192 << 20, depth: 32, values: 8 << 20 };

#[cfg(test)]
mod tests;

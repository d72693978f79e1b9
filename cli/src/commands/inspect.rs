//! `sealwax inspect`: what a bundle says. It believes nothing and says so.

use std::path::{Path, PathBuf};

use clap::Args;
use serde_json::{Value, json};

use sealwax_attestation::{
    Bundle, EntryFormat, Error as Malformed, HashedRekord, LoggedEntry, RekorV1, Statement,
    TransparencyLogEntry, VerificationMaterial, Verifier,
};
use sealwax_keys::{Certificate, PublicKey, SubjectName};
use sealwax_model::Method;
use sealwax_tlog::Checkpoint;

use crate::error::Error;
use crate::signature_file::SignatureFile;
use crate::terminal::Tone;
use crate::world::World;

use super::key::fingerprint;

#[derive(Debug, Args)]
pub(crate) struct Options {
    /// A bundle, or a signed model
    #[arg(value_name = "BUNDLE")]
    path: PathBuf,

    /// List every file of the model
    #[arg(long)]
    files: bool,
}

pub(crate) fn run(options: &Options, world: &World) -> Result<(), Error> {
    let file = locate(&options.path)?;
    let bundle = file.bundle()?;
    let statement = bundle.envelope().and_then(|envelope| Statement::from_payload(&envelope.payload));
    let statement = statement.map_err(|error| file.rejected(error.into()))?;
    if world.terminal.json {
        return world.terminal.json(&to_json(&bundle, &statement, options.files));
    }
    print(&bundle, &statement, options.files, world)
}

/// Finds the bundle: the file that was named, or the one that belongs to the model that was named.
fn locate(path: &Path) -> Result<SignatureFile, Error> {
    let of_model = SignatureFile::locate(path, None)?;
    if path.is_dir() || of_model.path().is_file() {
        Ok(of_model)
    } else {
        SignatureFile::locate(path, Some(path))
    }
}

fn print(bundle: &Bundle, statement: &Statement, files: bool, world: &World) -> Result<(), Error> {
    let terminal = world.terminal;
    let line = |label: &str, text: &str| terminal.result(Tone::Plain, label, text);
    let manifest = &statement.manifest;
    line("model    ", statement.name.as_deref().unwrap_or("(no name)"))?;
    line("root     ", &hex::encode(manifest.root_digest()))?;
    line("predicate", &statement.predicate.uri())?;
    let serialization = manifest.serialization();
    let what = format!(
        "{} {} by {}{}",
        manifest.resources().len(),
        serialization.method.name(),
        serialization.hash.name(),
        if serialization.allow_symlinks { ", symbolic links followed" } else { "" }
    );
    line("covers   ", &what)?;
    let ignored: Vec<&str> = serialization.ignore_paths.iter().map(|path| path.as_str()).collect();
    line("ignores  ", &if ignored.is_empty() { "nothing stated".to_owned() } else { ignored.join(", ") })?;
    line("signer   ", &describe_material(&bundle.material))?;
    for entry in &bundle.log_entries {
        let checkpoint = checkpoint(entry);
        let origin =
            checkpoint.as_ref().map_or("(malformed checkpoint)", |checkpoint| checkpoint.origin.as_str());
        let proof = &entry.inclusion_proof;
        line("logged   ", &format!("{origin}, entry {} of {}", proof.log_index, proof.tree_size))?;
        line("entry of ", &entry_signer(entry))?;
    }
    if bundle.log_entries.is_empty() {
        line("logged   ", "no")?;
    }
    let time = match (bundle.timestamps.len(), bundle.log_entries.iter().any(|entry| entry.promise.is_some()))
    {
        (0, false) => "not proven by this bundle",
        (0, true) => "by the word of its log, not checked here",
        _ => "time stamps present, not read",
    };
    line("when     ", time)?;
    if files {
        for resource in manifest.resources() {
            line(&hex::encode(&resource.digest), &resource.name.to_string())?;
        }
    }
    terminal.result(Tone::Bad, "nothing of this is verified:", "`sealwax verify` does that")
}

fn to_json(bundle: &Bundle, statement: &Statement, files: bool) -> Value {
    let manifest = &statement.manifest;
    let serialization = manifest.serialization();
    let logged: Vec<Value> = bundle
        .log_entries
        .iter()
        .map(|entry| {
            json!({
                "origin": checkpoint(entry).map(|checkpoint| checkpoint.origin),
                "log_id": hex::encode(&entry.log_id),
                "index": entry.inclusion_proof.log_index,
                "tree_size": entry.inclusion_proof.tree_size,
                "root_hash": hex::encode(entry.inclusion_proof.root_hash),
                "signer": entry_signer(entry),
            })
        })
        .collect();
    let mut value = json!({
        "verified": false,
        "name": statement.name,
        "root_digest": hex::encode(manifest.root_digest()),
        "predicate_type": statement.predicate.uri(),
        "method": serialization.method.name(),
        "hash": serialization.hash.name(),
        "shard_size": match serialization.method { Method::Shards { size } => Some(size.get()), Method::Files => None },
        "allow_symlinks": serialization.allow_symlinks,
        "ignore_paths": serialization.ignore_paths.iter().map(|path| path.as_str()).collect::<Vec<_>>(),
        "resource_count": manifest.resources().len(),
        "signer": {"mode": mode(&bundle.material), "claims_to_be": describe_material(&bundle.material)},
        "log_entries": logged,
        "timestamps": bundle.timestamps.len(),
    });
    if let (true, Some(object)) = (files, value.as_object_mut()) {
        let row = |resource: &sealwax_model::Resource| json!({"name": resource.name.to_string(), "digest": hex::encode(&resource.digest)});
        object.insert("resources".to_owned(), manifest.resources().iter().map(row).collect());
    }
    value
}

fn describe_material(material: &VerificationMaterial) -> String {
    match material {
        VerificationMaterial::PublicKey { hint, key: None } => format!("the key with OMS hint {hint}"),
        VerificationMaterial::PublicKey { key: Some(key), .. } => describe_key(key),
        VerificationMaterial::CertificateChain(chain) => {
            chain.first().map_or_else(String::new, |leaf| describe_certificate(leaf))
        }
        VerificationMaterial::Certificate(leaf) => describe_certificate(leaf),
    }
}

fn mode(material: &VerificationMaterial) -> &'static str {
    match material {
        VerificationMaterial::PublicKey { .. } => "key",
        VerificationMaterial::CertificateChain(_) => "certificate",
        VerificationMaterial::Certificate(_) => "identity",
    }
}

fn describe_certificate(der: &[u8]) -> String {
    match Certificate::from_der(der) {
        Err(error) => format!("(malformed certificate: {error})"),
        Ok(certificate) => format!(
            "certificate of {}, issued by {}, {}",
            describe_subject(&certificate),
            certificate.issuer(),
            describe_key(certificate.public_key())
        ),
    }
}

/// The subject, or where it is empty, as in certificates of identities, the other names.
fn describe_subject(certificate: &Certificate) -> String {
    let subject = certificate.subject();
    if !subject.is_empty() {
        return subject;
    }
    let names = certificate.subject_alternative_names().into_iter().map(|name| match name {
        SubjectName::Email(text)
        | SubjectName::Uri(text)
        | SubjectName::Dns(text)
        | SubjectName::Username(text) => text,
        _ => "(another kind of name)".to_owned(),
    });
    names.collect::<Vec<_>>().join(", ")
}

fn describe_key(key: &PublicKey) -> String {
    format!("{} {}", key.kind(), fingerprint(key))
}

fn checkpoint(entry: &TransparencyLogEntry) -> Option<Checkpoint> {
    // The text before the blank line is the checkpoint; its signatures are not looked at here.
    let text = entry.inclusion_proof.checkpoint.split_once("\n\n")?.0;
    Checkpoint::parse(&format!("{text}\n")).ok()
}

fn entry_signer(entry: &TransparencyLogEntry) -> String {
    let body = entry.canonicalized_body.as_slice();
    let verifier = match entry.format {
        EntryFormat::HashedRekord002 => HashedRekord::from_body(body).map(|body| body.verifier),
        // A bundle has one signature, and whether the entry has no other is for verifying to say.
        EntryFormat::Dsse002 => LoggedEntry::from_body(body).and_then(|body| {
            let first = body.verifiers().next().cloned();
            first.ok_or(Malformed::SignatureCount(0))
        }),
        format => RekorV1::from_body(format, body).map(|body| body.verifier),
    };
    match verifier {
        Err(error) => format!("(malformed entry: {error})"),
        Ok(Verifier::PublicKey(der)) => PublicKey::from_spki_der(&der)
            .map_or_else(|error| format!("(malformed key: {error})"), |key| describe_key(&key)),
        Ok(Verifier::Certificate(der)) => describe_certificate(&der),
    }
}

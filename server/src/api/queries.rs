//! What Rekor v2 has not: proofs on demand, entries by position, search, the history of checkpoints, and envelopes.

use std::sync::PoisonError;

use axum::extract::rejection::{PathRejection, QueryRejection};
use axum::extract::{Path, Query as Parameters, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD};
use sealwax_attestation::{Envelope, LoggedEntry, Statement, Verifier};
use sealwax_keys::{Certificate, PublicKey, SubjectName};
use sealwax_tlog::Hash;
use sealwax_transparency_log::{Error as LogError, LogView, Query, Receipt};
use serde::Deserialize;
use serde_json::{Value, json};

use super::answer::{self, Compressible, NEVER, Refusal};
use super::{Site, blocking};

type Asked<T> = Result<Parameters<T>, QueryRejection>;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Inclusion {
    /// The entry's position.
    index: Option<u64>,
    /// Or its leaf hash, hexadecimal.
    leaf: Option<String>,
    /// The tree's size; else that of the published checkpoint.
    size: Option<u64>,
}

/// `GET proof/inclusion?index=…|leaf=…[&size=…]`
pub(super) async fn inclusion(
    State(site): State<Site>,
    asked: Asked<Inclusion>,
) -> Result<Response, Refusal> {
    let asked = asked.map_err(|error| Refusal::bad_request(error.body_text()))?.0;
    blocking(move || {
        let view = site.view();
        let index = match (asked.index, asked.leaf) {
            (Some(index), None) => index,
            (None, Some(leaf)) => position_of(&site, &view, &leaf)?,
            _ => return Err(Refusal::bad_request("give one of index and leaf")),
        };
        let size = asked.size.unwrap_or(view.checkpoint().size);
        let leaf = Hash::leaf(&view.entry(index).map_err(beyond)?);
        let (proof, root) = view.prove_inclusion_at(index, &leaf, size).map_err(beyond)?;
        Ok(answer::json(
            StatusCode::OK,
            &json!({
                "logIndex": index.to_string(),
                "treeSize": size.to_string(),
                "leafHash": leaf.to_base64(),
                "rootHash": root.to_base64(),
                "hashes": base64(&proof),
                "checkpoint": note_for(&view, size),
            }),
        ))
    })
    .await
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Consistency {
    /// The earlier size.
    from: u64,
    /// The later size; else that of the published checkpoint.
    to: Option<u64>,
}

/// `GET proof/consistency?from=…[&to=…]`
pub(super) async fn consistency(
    State(site): State<Site>,
    asked: Asked<Consistency>,
) -> Result<Response, Refusal> {
    let Consistency { from, to } = asked.map_err(|error| Refusal::bad_request(error.body_text()))?.0;
    blocking(move || {
        let view = site.view();
        let to = to.unwrap_or(view.checkpoint().size);
        let proof = view.prove_consistency_between(from, to).map_err(beyond)?;
        Ok(answer::json(
            StatusCode::OK,
            &json!({
                "from": from.to_string(),
                "to": to.to_string(),
                "fromRootHash": view.root_at(from).map_err(beyond)?.to_base64(),
                "toRootHash": view.root_at(to).map_err(beyond)?.to_base64(),
                "hashes": base64(&proof),
                "checkpoint": note_for(&view, to),
            }),
        ))
    })
    .await
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct History {
    /// Only checkpoints of smaller trees.
    before: Option<u64>,
    limit: Option<usize>,
}

/// `GET checkpoints[?before=…][&limit=…]`: the newest first.
pub(super) async fn checkpoints(
    State(site): State<Site>,
    asked: Asked<History>,
) -> Result<Response, Refusal> {
    let History { before, limit } = asked.map_err(|error| Refusal::bad_request(error.body_text()))?.0;
    let limit = page(limit)?;
    blocking(move || {
        let lookup = site.lookup.lock().unwrap_or_else(PoisonError::into_inner);
        let history =
            lookup.history(before.unwrap_or(u64::MAX), limit).map_err(|error| Refusal::internal(&error))?;
        let row = |published: &sealwax_transparency_log::Published| {
            json!({
                "treeSize": published.size.to_string(),
                "publishedAt": published.published_at.to_string(),
                "envelope": String::from_utf8_lossy(&published.note),
            })
        };
        let next = history.last().filter(|_| history.len() >= limit).map(|last| last.size.to_string());
        let rows: Vec<Value> = history.iter().map(row).collect();
        Ok(answer::json(StatusCode::OK, &json!({"checkpoints": rows, "next": next})))
    })
    .await
}

/// `GET entries/{index}`: the entry with its proof, decoded, and whether the statement behind it is kept.
pub(super) async fn entry(
    State(site): State<Site>,
    index: Result<Path<u64>, PathRejection>,
) -> Result<Response, Refusal> {
    let Path(index) = index.map_err(|_| Refusal::bad_request("an entry's index is a decimal number"))?;
    blocking(move || {
        let view = site.view();
        let body = view.entry(index).map_err(beyond)?;
        let leaf = Hash::leaf(&body);
        let proof = view.prove_inclusion(index, &leaf).map_err(beyond)?;
        let checkpoint = view.checkpoint();
        let receipt = Receipt {
            index,
            size: checkpoint.size,
            root: checkpoint.root,
            leaf,
            proof,
            checkpoint: view.note().to_vec(),
            existing: true,
        };
        let mut answered = describe(&view, index, &body);
        let kind = LoggedEntry::from_body(&body).map(|entry| entry.kind());
        if let (Some(object), Ok(kind)) = (answered.as_object_mut(), kind) {
            let entry = receipt.to_entry(&site.key, body).map_err(|error| Refusal::internal(&error))?;
            object.insert("transparencyLogEntry".to_owned(), entry.to_answer(kind));
        }
        Ok(answer::json(StatusCode::OK, &answered))
    })
    .await
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Search {
    /// A digest, hexadecimal, with or without `sha256:`: of what was signed, of the model, of a file.
    digest: Option<String>,
    /// A model's name, exactly.
    name: Option<String>,
    /// A key's fingerprint: SHA-256 of its SubjectPublicKeyInfo, hexadecimal or as `SHA256:` and base64.
    key: Option<String>,
    /// A certificate's subject alternative name, exactly.
    identity: Option<String>,
    /// Only entries below this position.
    before: Option<u64>,
    limit: Option<usize>,
}

/// `GET search?digest=…|name=…|key=…|identity=…[&before=…][&limit=…]`: the newest first.
pub(super) async fn search(State(site): State<Site>, asked: Asked<Search>) -> Result<Response, Refusal> {
    let asked = asked.map_err(|error| Refusal::bad_request(error.body_text()))?.0;
    let limit = page(asked.limit)?;
    blocking(move || {
        let Search { digest, name, key, identity, before, .. } = asked;
        let digest = digest.map(|text| read_digest(&text)).transpose()?;
        let key = key.map(|text| read_fingerprint(&text)).transpose()?;
        let query = match (&digest, &name, &key, &identity) {
            (Some(digest), None, None, None) => Query::Digest(digest),
            (None, Some(name), None, None) => Query::Subject(name),
            (None, None, Some(key), None) => Query::Key(key),
            (None, None, None, Some(identity)) => Query::Identity(identity.as_bytes()),
            _ => return Err(Refusal::bad_request("give exactly one of digest, name, key and identity")),
        };
        let view = site.view();
        let confirm = |position| {
            let body = view.entry(position)?;
            let envelope = kept(&view, &body);
            Ok(query.matches(&body, envelope.as_deref()))
        };
        let before = before.unwrap_or(u64::MAX).min(view.checkpoint().size);
        let lookup = site.lookup(&view)?;
        let page = lookup.find(&query, before, limit, confirm).map_err(|error| Refusal::internal(&error))?;
        drop(lookup);
        let row = |position: &u64| Ok(describe(&view, *position, &view.entry(*position).map_err(beyond)?));
        let rows = page.positions.iter().map(row).collect::<Result<Vec<Value>, Refusal>>()?;
        let next = page.next.map(|next| next.to_string());
        Ok(answer::json(StatusCode::OK, &json!({"entries": rows, "next": next})))
    })
    .await
}

/// `GET envelopes/{digest}`: the statement behind the entries that name a digest.
pub(super) async fn envelope(
    State(site): State<Site>,
    digest: Result<Path<String>, PathRejection>,
) -> Result<Response, Refusal> {
    let Path(digest) = digest.map_err(|_| Refusal::bad_request("a digest is hexadecimal"))?;
    blocking(move || {
        let digest = read_digest(&digest)?;
        let text = site.view().envelope(&digest).map_err(|error| Refusal::internal(&error))?;
        let text = text.ok_or_else(|| Refusal::not_found("no envelope is kept under this digest"))?;
        let headers = [
            (header::CONTENT_TYPE, "application/vnd.dsse.envelope.v1+json"),
            (header::CACHE_CONTROL, NEVER),
            (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        ];
        let mut response = (headers, text).into_response();
        response.extensions_mut().insert(Compressible);
        Ok(response)
    })
    .await
}

/// What an entry says, and the statement behind it where that is kept.
fn describe(view: &LogView, index: u64, body: &[u8]) -> Value {
    let mut described = json!({"logIndex": index.to_string(), "leafHash": Hash::leaf(body).to_base64()});
    let Some(object) = described.as_object_mut() else { return described };
    // What is no entry of ours is in the log all the same, and shown as it is.
    let Ok(entry) = LoggedEntry::from_body(body) else {
        object.insert("body".to_owned(), Value::from(STANDARD.encode(body)));
        return described;
    };
    let signers: Vec<Value> = entry.verifiers().map(signer).collect();
    object.insert("kind".to_owned(), Value::from(entry.kind().name()));
    object.insert("digest".to_owned(), Value::from(hex::encode(entry.digest())));
    object.insert("signers".to_owned(), Value::from(signers));
    let envelope = kept(view, body).and_then(|text| Envelope::from_text(&text).ok());
    object.insert("envelope".to_owned(), Value::from(envelope.is_some()));
    let statement = envelope.and_then(|envelope| Statement::from_payload(&envelope.payload).ok());
    if let Some(Statement { name, root_digest, manifest, .. }) = statement {
        let model = json!({
            "name": name,
            "rootDigest": root_digest.map(hex::encode),
            "files": manifest.resources().len(),
        });
        object.insert("model".to_owned(), model);
    }
    described
}

fn signer(verifier: &Verifier) -> Value {
    let key = |key: &PublicKey| json!({"kind": key.kind().to_string(), "fingerprint": hex::encode(key.fingerprint())});
    match verifier {
        Verifier::PublicKey(der) => PublicKey::from_spki_der(der).map_or(Value::Null, |found| key(&found)),
        Verifier::Certificate(der) => Certificate::from_der(der).map_or(Value::Null, |certificate| {
            let names = certificate.subject_alternative_names();
            let text = |name: &SubjectName| match name {
                SubjectName::Email(text) | SubjectName::Uri(text) | SubjectName::Dns(text) => {
                    Some(text.clone())
                }
                _ => None,
            };
            let mut signer = key(certificate.public_key());
            if let Some(object) = signer.as_object_mut() {
                object.insert("identities".to_owned(), names.iter().filter_map(text).collect());
            }
            signer
        }),
    }
}

/// The envelope that is kept for an entry, if it is truly the one that the entry names.
fn kept(view: &LogView, body: &[u8]) -> Option<Vec<u8>> {
    let entry = LoggedEntry::from_body(body).ok()?;
    let text = view.envelope(entry.digest()).ok().flatten()?;
    Envelope::from_text(&text).is_ok_and(|envelope| entry.is_about(&envelope)).then_some(text)
}

fn position_of(site: &Site, view: &LogView, leaf: &str) -> Result<u64, Refusal> {
    let wrong = || Refusal::bad_request("a leaf hash is 64 hexadecimal digits");
    let leaf = Hash::from_slice(&hex::decode(leaf).map_err(|_| wrong())?).map_err(|_| wrong())?;
    let lookup = site.lookup(view)?;
    let is_it = |position| Ok(Hash::leaf(&view.entry(position)?) == leaf);
    let found = lookup
        .find(&Query::Leaf(leaf.as_bytes()), view.checkpoint().size, MAX_PAGE, is_it)
        .map_err(|error| Refusal::internal(&error))?;
    // The first one, should it ever be there twice.
    found.positions.last().copied().ok_or_else(|| Refusal::not_found("no entry has this leaf hash"))
}

/// The signed note, where the published checkpoint is of this size.
fn note_for(view: &LogView, size: u64) -> Option<Value> {
    let current = view.checkpoint().size == size;
    current.then(|| json!({"envelope": String::from_utf8_lossy(view.note())}))
}

/// Tells a question about a tree that is not there yet from a log that is damaged.
fn beyond(error: LogError) -> Refusal {
    match error {
        LogError::Tlog(error) => Refusal::not_found(error.to_string()),
        other => Refusal::internal(&other),
    }
}

fn read_digest(text: &str) -> Result<Vec<u8>, Refusal> {
    let digits = text.split_once(':').map_or(text, |(_, digits)| digits);
    let digest = hex::decode(digits).ok().filter(|digest| (20..=64).contains(&digest.len()));
    digest.ok_or_else(|| Refusal::bad_request("a digest is 40 to 128 hexadecimal digits"))
}

fn read_fingerprint(text: &str) -> Result<[u8; 32], Refusal> {
    let bytes = match text.strip_prefix("SHA256:") {
        Some(encoded) => STANDARD_NO_PAD.decode(encoded.trim_end_matches('=')).ok(),
        None => hex::decode(text).ok(),
    };
    let wrong = || Refusal::bad_request("a key's fingerprint is SHA-256, in hexadecimal or as SHA256:base64");
    bytes.and_then(|bytes| bytes.try_into().ok()).ok_or_else(wrong)
}

fn page(limit: Option<usize>) -> Result<usize, Refusal> {
    match limit.unwrap_or(MAX_PAGE) {
        limit @ 1..=MAX_PAGE => Ok(limit),
        _ => Err(Refusal::bad_request(format!("a page has 1 to {MAX_PAGE} rows"))),
    }
}

fn base64(hashes: &[Hash]) -> Vec<String> {
    hashes.iter().map(Hash::to_base64).collect()
}

const MAX_PAGE: usize = 100;

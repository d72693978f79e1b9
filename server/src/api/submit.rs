//! What clients send: entries, in Rekor v2's form, and the statements behind entries that are there.

use std::sync::PoisonError;

use axum::extract::{Request, State};
use axum::http::{HeaderName, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use sealwax_attestation::{Envelope, LoggedEntry};
use sealwax_keys::HashAlgorithm;
use sealwax_transparency_log::{Directory, Error as LogError, LogView, Query, SearchIndex};
use serde_json::json;

use super::answer::{self, Code, Refusal};
use super::{Site, blocking};
use crate::admission::admit;
use crate::config::Duplicates;

/// `POST /api/v2/log/entries`: verifies every signature, and answers once the entry is durable and published.
pub(super) async fn entry(State(site): State<Site>, request: Request) -> Result<Response, Refusal> {
    let held = site.room.read(request.into_body(), site.submission_bytes).await?;
    let text = held.text.clone();
    // A large envelope is hashed whole; the small request that nearly all are takes less than handing it over does.
    let admitted = if text.len() > INLINE { blocking(move || Ok(admit(&text))).await? } else { admit(&text) };
    let admitted = admitted.map_err(|refusal| Refusal::bad_request(refusal.to_string()))?;
    drop(held);
    let receipt = site.sequencer.submit(admitted.body.clone()).await?;
    if receipt.existing && site.duplicates == Duplicates::Conflict {
        let message = format!(
            "an equivalent entry already exists in the transparency log with index {}",
            receipt.index
        );
        return Err(Refusal::new(StatusCode::CONFLICT, Code::AlreadyExists, message)
            .with_header(LOG_INDEX, receipt.index));
    }
    let entry = receipt.to_entry(&site.key, admitted.body).map_err(|error| Refusal::internal(&error))?;
    Ok(answer::json(StatusCode::CREATED, &entry.to_answer(admitted.kind)))
}

/// `POST /api/sealwax/v1/envelopes`: keeps the envelope behind an entry that is in the log, and no other.
pub(super) async fn envelope(State(site): State<Site>, request: Request) -> Result<Response, Refusal> {
    let settings = &site.envelopes;
    if !settings.keep {
        let what = "this log keeps no envelopes";
        return Err(Refusal::new(StatusCode::NOT_FOUND, Code::Unimplemented, what));
    }
    let largest = usize::try_from(settings.max_bytes).unwrap_or(usize::MAX);
    let held = site.room.read(request.into_body(), largest).await?;
    let most = settings.max_total;
    blocking(move || keep(&site, &held.text, most)).await
}

/// Refuses what a page in somebody's browser sends: it would reach a log that its author cannot (attack H12).
pub(super) async fn not_from_a_page(request: Request, next: Next) -> Response {
    if request.headers().contains_key(header::ORIGIN) {
        let what = "this log takes nothing from web pages";
        return Refusal::new(StatusCode::FORBIDDEN, Code::PermissionDenied, what).into_response();
    }
    next.run(request).await
}

fn keep(site: &Site, text: &[u8], most: u64) -> Result<Response, Refusal> {
    let envelope = Envelope::from_text(text).map_err(|error| Refusal::bad_request(error.to_string()))?;
    let failed = |error: LogError| {
        let refusal = Refusal::internal(&error);
        // The system may now show an envelope that is not stored, to whoever sends it again (attack S05).
        if error.is_sync_failure() {
            site.fatal.end(error);
        }
        refusal
    };
    let view = site.view();
    let storage = Directory::reader(&site.directory);
    let mut index = site.index.lock().unwrap_or_else(PoisonError::into_inner);
    // The entry was answered a moment ago; the index may not have it yet.
    index.catch_up(&storage, view.checkpoint().size).map_err(failed)?;
    let (digest, position) = entry_behind(&view, &index, &envelope)?
        .ok_or_else(|| Refusal::not_found("no entry of this log is about this envelope and its signature"))?;
    // Written anew, so that what is kept has one form and nothing beside the envelope.
    let text = envelope.to_json();
    if !index.keep(&storage, &digest, text.as_bytes(), most).map_err(failed)? {
        let what = "the room for envelopes is used up; the operator prunes or enlarges it";
        return Err(Refusal::new(StatusCode::INSUFFICIENT_STORAGE, Code::ResourceExhausted, what));
    }
    let body = json!({"logIndex": position.to_string(), "digest": hex::encode(&digest)});
    Ok(answer::json(StatusCode::CREATED, &body))
}

/// Finds the entry whose digest and signature are this envelope's: what is kept is what was verified when it was logged.
fn entry_behind(
    view: &LogView,
    index: &SearchIndex,
    envelope: &Envelope,
) -> Result<Option<(Vec<u8>, u64)>, Refusal> {
    let pae = envelope.pae();
    let mut digests: Vec<Vec<u8>> = [HashAlgorithm::Sha256, HashAlgorithm::Sha384, HashAlgorithm::Sha512]
        .into_iter()
        .map(|hash| hash.digest(&pae))
        .collect();
    digests.push(HashAlgorithm::Sha256.digest(&envelope.payload));
    for digest in digests {
        let is_it = |position| {
            let entry = LoggedEntry::from_body(&view.entry(position)?);
            Ok(entry.is_ok_and(|entry| entry.records(envelope)))
        };
        let found = index.find(&Query::Digest(&digest), view.checkpoint().size, MANY, is_it);
        if let Some(position) = found.map_err(|error| Refusal::internal(&error))?.positions.first() {
            return Ok(Some((digest, *position)));
        }
    }
    Ok(None)
}

/// Rekor's header beside a conflict.
const LOG_INDEX: HeaderName = HeaderName::from_static("x-log-index");
/// The largest submission that is read on the thread of its connection, in bytes.
const INLINE: usize = 64 * 1024;
/// Entries of one digest that are looked at: one signature can be logged under as many keys as verify it.
const MANY: usize = 64;

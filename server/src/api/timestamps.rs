//! Time stamps as RFC 3161 asks for them, and as Sigstore's time-stamping authority does over HTTP.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse as _, Response};

use super::Site;
use super::answer::{Code, NEVER, Refusal};
use crate::clock;
use crate::metrics::{Asked, Outcome};

/// `POST /api/v1/timestamp`: 201 with a token of time, or 400 with a reply that says why there is none.
pub(super) async fn timestamp(State(site): State<Site>, request: Request) -> Result<Response, Refusal> {
    let json = is_json(request.headers())?;
    let held = site.room.read(request.into_body(), MAX_QUERY).await?;
    let authority = Arc::clone(site.authority()?);
    let stamp = move || {
        let (query, now) = (&held.text, clock::time());
        if json {
            authority.timestamps.answer_json(query, now)
        } else {
            authority.timestamps.answer(query, now)
        }
    };
    // A key in a token may take its time, and must not hold up whoever asks for something else.
    let stamped = tokio::task::spawn_blocking(stamp).await;
    let failed = |error: &dyn std::fmt::Display| {
        site.metrics.exchanged(Asked::Timestamp, Outcome::Failed);
        Refusal::internal(error)
    };
    let reply = stamped.map_err(|error| failed(&error))?.map_err(|error| failed(&error))?;
    let (status, outcome) = match reply.refusal {
        None => (StatusCode::CREATED, Outcome::Granted),
        Some(_) => (StatusCode::BAD_REQUEST, Outcome::Refused),
    };
    site.metrics.exchanged(Asked::Timestamp, outcome);
    let headers = [(header::CONTENT_TYPE, REPLY), (header::CACHE_CONTROL, NEVER)];
    Ok((status, headers, reply.der).into_response())
}

/// `GET /api/v1/timestamp/certchain`: the chain of the key that signs tokens of time, the root last.
pub(super) async fn chain(State(site): State<Site>) -> Result<Response, Refusal> {
    let chain = site.authority()?.timestamps.signer().chain_pem();
    let headers =
        [(header::CONTENT_TYPE, "application/pem-certificate-chain"), (header::CACHE_CONTROL, NEVER)];
    Ok((headers, chain).into_response())
}

fn is_json(headers: &HeaderMap) -> Result<bool, Refusal> {
    let media = headers.get(header::CONTENT_TYPE).and_then(|media| media.to_str().ok()).unwrap_or_default();
    match media.split(';').next().unwrap_or_default().trim() {
        "application/timestamp-query" => Ok(false),
        "application/json" => Ok(true),
        _ => {
            let what = "a request is application/timestamp-query or application/json";
            Err(Refusal::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, Code::InvalidArgument, what))
        }
    }
}

const REPLY: &str = "application/timestamp-reply";
/// Far above a request with the longest hash and nonce, in bytes.
const MAX_QUERY: usize = 16 * 1024;

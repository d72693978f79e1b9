//! The HTTP face of a witness (C2SP tlog-witness).
//!
//! ```text
//! POST /add-checkpoint                          200 cosignature line · 400 · 403 · 404 · 409 recorded size · 422
//! GET  /<hex SHA-256 of the origin>/checkpoint  200 the newest note that was cosigned · 404
//! GET  /healthz                                 200
//! ```
//!
//! Every other answer's body is one line for people. What failed inside goes to the server's own log, not to strangers.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use axum::Router;
use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, Path, State};
use axum::http::StatusCode;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use sealwax_witness::{Answer, Error as WitnessError, Witness};
use tokio::sync::{Notify, watch};

use crate::error::Error;
use crate::http::{self, Listen};
use crate::stop_on_signal;

/// What the handlers share.
#[derive(Clone)]
struct Face {
    witness: Arc<Witness>,
    /// Told when the process must end.
    fatal: Arc<Notify>,
}

/// Makes the routes of a witness.
///
/// `fatal` is notified when a flush to disk failed: whoever serves the routes must end the process then.
pub fn router(witness: Arc<Witness>, fatal: Arc<Notify>) -> Router {
    Router::new()
        .route("/add-checkpoint", post(add_checkpoint))
        .route("/{hash}/checkpoint", get(checkpoint))
        .route("/healthz", get(async || "ok\n"))
        .layer(DefaultBodyLimit::max(MAX_BODY))
        .with_state(Face { witness, fatal })
}

/// Serves a witness until the process is told to stop; requests that have begun are answered.
///
/// `started` is called with the address once requests are taken.
///
/// # Errors
///
/// Where the address cannot be had; [`Error::Witness`] where a flush to disk failed and the process must end.
pub fn serve(witness: Witness, listen: Listen, started: impl FnOnce(SocketAddr)) -> Result<(), Error> {
    let runtime = tokio::runtime::Runtime::new().map_err(Error::Runtime)?;
    runtime.block_on(async {
        let face = http::Face::open(listen).await?;
        let (stop, stopped) = watch::channel(false);
        let fatal = Arc::new(Notify::new());
        let router = router(Arc::new(witness), Arc::clone(&fatal));
        let failed = Arc::new(AtomicBool::new(false));
        tokio::spawn({
            let (stop, failed) = (stop.clone(), Arc::clone(&failed));
            async move {
                fatal.notified().await;
                // Before the stop, which is what the end of serving follows.
                failed.store(true, Ordering::SeqCst);
                let _ = stop.send(true);
            }
        });
        tokio::spawn(stop_on_signal(stop)?);
        started(face.address()?);
        let _ = sd_notify::notify(&[sd_notify::NotifyState::Ready]);
        face.serve(router, stopped).await;
        if failed.load(Ordering::SeqCst) { Err(WitnessError::Stopped.into()) } else { Ok(()) }
    })
}

async fn add_checkpoint(State(face): State<Face>, body: Bytes) -> Response {
    // A clock before 1970 is one that is not set, which the witness refuses.
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    match face.ask(move |witness| witness.add_checkpoint(&body, now)).await {
        Ok(Answer::Cosigned(line)) => (StatusCode::OK, [(CONTENT_TYPE, TEXT)], line).into_response(),
        Ok(Answer::OtherSize { recorded }) => {
            (StatusCode::CONFLICT, [(CONTENT_TYPE, "text/x.tlog.size")], format!("{recorded}\n"))
                .into_response()
        }
        Ok(Answer::Malformed(reason)) => refuse(StatusCode::BAD_REQUEST, &reason.to_string()),
        Ok(Answer::Shrinks) => {
            refuse(StatusCode::BAD_REQUEST, "the old size is greater than the checkpoint's")
        }
        Ok(Answer::NotTrusted(reason)) => refuse(StatusCode::FORBIDDEN, &reason.to_string()),
        Ok(Answer::UnknownLog) => refuse(StatusCode::NOT_FOUND, "no log of this origin is known here"),
        Ok(Answer::Inconsistent(reason)) => refuse(StatusCode::UNPROCESSABLE_ENTITY, &reason.to_string()),
        Err(response) => response,
    }
}

async fn checkpoint(State(face): State<Face>, Path(hash): Path<String>) -> Response {
    match face.ask(move |witness| witness.checkpoint(&hash)).await {
        Ok(Some(note)) => ([(CONTENT_TYPE, TEXT), (CACHE_CONTROL, "no-cache")], note).into_response(),
        Ok(None) => refuse(StatusCode::NOT_FOUND, "nothing was cosigned for such a log"),
        Err(response) => response,
    }
}

impl Face {
    /// Asks the witness where waiting for its disk holds nobody up; what fails becomes the answer.
    async fn ask<T: Send + 'static>(
        &self,
        question: impl FnOnce(&Witness) -> Result<T, WitnessError> + Send + 'static,
    ) -> Result<T, Response> {
        let witness = Arc::clone(&self.witness);
        let error = match tokio::task::spawn_blocking(move || question(&witness)).await {
            Ok(Ok(answer)) => return Ok(answer),
            Ok(Err(error)) => error,
            Err(panic) => {
                tracing::error!(%panic, "a request ended in a panic");
                return Err(refuse(StatusCode::INTERNAL_SERVER_ERROR, FAILED));
            }
        };
        tracing::error!(%error, "the witness failed");
        if error.is_fatal() {
            self.fatal.notify_one();
        }
        let status = match error {
            WitnessError::Busy { .. } => StatusCode::SERVICE_UNAVAILABLE,
            _ => StatusCode::INTERNAL_SERVER_ERROR,
        };
        Err(refuse(status, FAILED))
    }
}

fn refuse(status: StatusCode, reason: &str) -> Response {
    (status, [(CONTENT_TYPE, TEXT)], format!("{reason}\n")).into_response()
}

const TEXT: &str = "text/plain; charset=utf-8";
const FAILED: &str = "the witness failed; nothing was cosigned";
/// Far above a checkpoint with a dozen signatures and a proof of 63 hashes.
const MAX_BODY: usize = 64 * 1024;

#[cfg(test)]
mod tests;

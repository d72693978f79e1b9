//! Answers: JSON, and refusals in the shape that clients of Rekor know.

use axum::http::{Extensions, HeaderMap, HeaderName, HeaderValue, StatusCode, Version, header};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};

use crate::sequencer::Unavailable;

/// A gRPC status code (`google.rpc.Code`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Code {
    InvalidArgument,
    NotFound,
    AlreadyExists,
    PermissionDenied,
    ResourceExhausted,
    OutOfRange,
    Unimplemented,
    Internal,
    Unavailable,
}

/// An answer that says no: `{"code":3,"message":"…","details":[]}`.
#[derive(Clone, Debug)]
pub(crate) struct Refusal {
    status: StatusCode,
    code: Code,
    message: String,
    headers: Vec<(HeaderName, String)>,
}

impl Refusal {
    pub(crate) fn new(status: StatusCode, code: Code, message: impl Into<String>) -> Self {
        Self { status, code, message: message.into(), headers: Vec::new() }
    }

    /// What was asked is malformed.
    pub(crate) fn bad_request(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, Code::InvalidArgument, message)
    }

    pub(crate) fn not_found(message: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, Code::NotFound, message)
    }

    /// What is stored cannot be read or does not lead to the signed root: told to the operator, not to the client.
    pub(crate) fn internal(error: &dyn std::fmt::Display) -> Self {
        tracing::error!(%error, "a request could not be answered");
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, Code::Internal, "internal error")
    }

    pub(crate) fn with_header(mut self, name: HeaderName, value: impl ToString) -> Self {
        self.headers.push((name, value.to_string()));
        self
    }
}

impl From<Unavailable> for Refusal {
    fn from(reason: Unavailable) -> Self {
        let (message, seconds) = match reason {
            Unavailable::Frozen => {
                // Rekor v2 answers a frozen log's writers with this status.
                let what = "the log is frozen and takes no more entries";
                return Self::new(StatusCode::METHOD_NOT_ALLOWED, Code::Unimplemented, what);
            }
            Unavailable::PoolFull => ("reached max pushback; retry", 1),
            Unavailable::DiskFull => ("the log's disk is nearly full; retry later", 60),
            Unavailable::Recovering => ("the log is being read anew; retry", 2),
            Unavailable::AwaitingWitnesses => {
                ("too few witnesses have cosigned yet; retry, and the entry will be found", 5)
            }
            Unavailable::Unconfirmed => ("the log was restored and is not confirmed yet; retry later", 60),
        };
        Self::new(StatusCode::SERVICE_UNAVAILABLE, Code::Unavailable, message)
            .with_header(header::RETRY_AFTER, seconds)
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let number = match self.code {
            Code::InvalidArgument => 3,
            Code::NotFound => 5,
            Code::AlreadyExists => 6,
            Code::PermissionDenied => 7,
            Code::ResourceExhausted => 8,
            Code::OutOfRange => 11,
            Code::Unimplemented => 12,
            Code::Internal => 13,
            Code::Unavailable => 14,
        };
        let body = json!({"code": number, "message": self.message, "details": []});
        let mut response = json(self.status, &body);
        for (name, value) in self.headers {
            if let Ok(value) = HeaderValue::from_str(&value) {
                response.headers_mut().insert(name, value);
            }
        }
        response
    }
}

/// Answers with JSON that nobody keeps.
pub(crate) fn json(status: StatusCode, body: &Value) -> Response {
    json_text(status, body.to_string())
}

/// Answers with a text of JSON that nobody keeps.
pub(crate) fn json_text(status: StatusCode, body: String) -> Response {
    let headers = [
        (header::CONTENT_TYPE, "application/json"),
        (header::CACHE_CONTROL, NEVER),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    ];
    (status, headers, body).into_response()
}

/// Hashes do not shrink; entries and JSON do.
pub(crate) fn worth_compressing(
    _status: StatusCode,
    _version: Version,
    headers: &HeaderMap,
    extensions: &Extensions,
) -> bool {
    let json = headers.get(header::CONTENT_TYPE).is_some_and(|media| media == "application/json");
    json || extensions.get::<Compressible>().is_some()
}

/// Marks an answer of bytes that shrink.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Compressible;

/// Below this many bytes gzip's own frame eats what it saves.
pub(crate) const SMALL: u64 = 256;

/// For everything that may be another thing a moment later.
pub(crate) const NEVER: &str = "no-store";

/// For what never changes under its name: a tile of a width, which the signed checkpoint implies, and a file with a version
/// or a hash in its name.
pub(crate) const IMMUTABLE: &str = "public, max-age=31536000, immutable";

//! The routes of a log, and of an authority beside it. The log's reads are served below `/` and below `/api/v2`, because clients of Rekor v2 use either.

mod answer;
mod body;
mod identities;
mod queries;
mod repository;
mod submit;
mod tiles;
mod timestamps;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use axum::Router;
use axum::extract::{MatchedPath, Request, State};
use axum::http::{StatusCode, header};
use axum::middleware::{Next, from_fn, from_fn_with_state};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{MethodRouter, get, post};
use sealwax_tlog::VerifierKey;
use sealwax_transparency_log::{Directory, LogView, SearchIndex};
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::compression::CompressionLayer;
use tower_http::compression::predicate::{Predicate as _, SizeAbove};

use crate::authority::Registrar;
use crate::config::{Config, Duplicates, Envelopes};
use crate::metrics::Metrics;
use crate::sequencer::Handle;
use crate::{Fatal, Read};
use answer::Code;
pub(crate) use answer::Refusal;
pub(crate) use body::Room;

/// What the handlers share.
#[derive(Clone)]
pub(crate) struct Site {
    pub(crate) sequencer: Handle,
    pub(crate) key: VerifierKey,
    /// The log's directory, for reading, and for the envelopes beside the log.
    pub(crate) directory: PathBuf,
    /// The index's one writer; whoever holds it may write envelopes.
    pub(crate) index: Arc<Mutex<SearchIndex>>,
    /// The index as readers see it.
    pub(crate) lookup: Arc<Mutex<SearchIndex>>,
    /// Earlier logs, which are frozen, by their origins.
    pub(crate) shards: Arc<BTreeMap<String, LogView>>,
    /// The instance's authority, where it has one.
    pub(crate) authority: Option<Arc<Registrar>>,
    /// What reads the instance's repository, where it has one.
    pub(crate) repository: Option<Read>,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) duplicates: Duplicates,
    pub(crate) envelopes: Envelopes,
    /// The largest submission, in bytes.
    pub(crate) submission_bytes: usize,
    pub(crate) room: Room,
    pub(crate) fatal: Fatal,
}

impl Site {
    fn view(&self) -> Arc<LogView> {
        self.sequencer.view()
    }

    fn authority(&self) -> Result<&Arc<Registrar>, Refusal> {
        self.authority.as_ref().ok_or_else(|| Refusal::not_found("this instance has no authority"))
    }

    /// The index for reading, with everything that a view has: the indexer follows a moment behind the answers, and whoever
    /// was answered is to find their entry.
    fn lookup(&self, view: &LogView) -> Result<MutexGuard<'_, SearchIndex>, Refusal> {
        let size = view.checkpoint().size;
        let failed = |error| Refusal::internal(&error);
        let lookup = self.lookup.lock().unwrap_or_else(PoisonError::into_inner);
        if lookup.indexed_size().map_err(failed)? < size {
            let mut index = self.index.lock().unwrap_or_else(PoisonError::into_inner);
            index.catch_up(&Directory::reader(&self.directory), size).map_err(failed)?;
        }
        Ok(lookup)
    }
}

/// All routes.
pub(crate) fn router(site: Site, config: &Config) -> Router {
    let write = |handler: MethodRouter<Site>| handler.layer(from_fn(submit::not_from_a_page));
    let own = Router::new()
        .route("/proof/inclusion", get(queries::inclusion))
        .route("/proof/consistency", get(queries::consistency))
        .route("/checkpoints", get(queries::checkpoints))
        .route("/entries/{index}", get(queries::entry))
        .route("/search", get(queries::search))
        .route("/envelopes/{digest}", get(queries::envelope))
        .route("/envelopes", write(post(submit::envelope)));
    let mut router = Router::new()
        .merge(tiles::routes())
        .nest("/api/v2", tiles::routes())
        .merge(tiles::shard_routes())
        .route("/api/v2/log/entries", write(post(submit::entry)))
        .nest("/api/sealwax/v1", own)
        .route("/healthz", get(healthz));
    if site.authority.is_some() && config.authority.enabled {
        router = router
            .route("/api/v2/signingCert", write(post(identities::certificate)))
            .route("/api/v2/trustBundle", get(identities::bundle))
            .route("/api/v2/configuration", get(identities::issuers))
            .route("/api/sealwax/v1/invitations/redeem", write(post(identities::redeem)))
            .route("/.well-known/openid-configuration", get(identities::discovery))
            .route(identities::KEYS, get(identities::keys))
            .merge(tiles::ct_routes());
    }
    if site.authority.is_some() && config.timestamps.enabled {
        router = router
            .route("/api/v1/timestamp", write(post(timestamps::timestamp)))
            .route("/api/v1/timestamp/certchain", get(timestamps::chain));
    }
    if site.repository.is_some() {
        router = router.route("/tuf/{*name}", get(repository::file));
    }
    if config.metrics.listen.is_none() {
        router = router.route("/metrics", get(metrics_text));
    }
    router
        .fallback(|| async { Refusal::new(StatusCode::NOT_FOUND, Code::NotFound, "Not Found") })
        .method_not_allowed_fallback(|| async {
            Refusal::new(StatusCode::METHOD_NOT_ALLOWED, Code::Unimplemented, "Method Not Allowed")
        })
        .layer(
            CompressionLayer::new()
                .compress_when(SizeAbove::new(answer::SMALL).and(answer::worth_compressing)),
        )
        .layer(from_fn_with_state(config.limits.request(), in_time))
        // A panic is a bug; the request that met it gets a 500 and the others go on.
        .layer(CatchPanicLayer::custom(|_: Box<dyn std::any::Any + Send>| {
            Refusal::new(StatusCode::INTERNAL_SERVER_ERROR, Code::Internal, "internal error").into_response()
        }))
        .layer(from_fn_with_state(Arc::clone(&site.metrics), observe))
        .with_state(site)
}

/// The routes of a metrics address of its own.
pub(crate) fn metrics_router(metrics: Arc<Metrics>) -> Router {
    let text = move || {
        let metrics = Arc::clone(&metrics);
        async move { metrics_answer(&metrics) }
    };
    Router::new().route("/metrics", get(text))
}

async fn metrics_text(State(site): State<Site>) -> Response {
    metrics_answer(&site.metrics)
}

fn metrics_answer(metrics: &Metrics) -> Response {
    let media = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    ([(header::CONTENT_TYPE, media), (header::CACHE_CONTROL, answer::NEVER)], metrics.text()).into_response()
}

async fn healthz() -> Response {
    answer::json(StatusCode::OK, &serde_json::json!({"status": "SERVING"}))
}

/// Runs what reads or writes files where it holds up nobody's connection.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Refusal> + Send + 'static,
) -> Result<T, Refusal> {
    tokio::task::spawn_blocking(work).await.unwrap_or_else(|error| Err(Refusal::internal(&error)))
}

/// Ends a request that takes too long, whether its body comes slowly or its answer (attack H04).
async fn in_time(State(patience): State<Duration>, request: Request, next: Next) -> Response {
    let late = || {
        Refusal::new(StatusCode::SERVICE_UNAVAILABLE, Code::Unavailable, "the request took too long; retry")
            .with_header(header::RETRY_AFTER, 5)
            .into_response()
    };
    tokio::time::timeout(patience, next.run(request)).await.unwrap_or_else(|_| late())
}

/// Counts and reports each request, by the template of its route, so that no client chooses a label.
async fn observe(State(metrics): State<Arc<Metrics>>, request: Request, next: Next) -> Response {
    let started = Instant::now();
    let route = request.extensions().get::<MatchedPath>().map_or("other", MatchedPath::as_str).to_owned();
    let (method, version) = (request.method().clone(), request.version());
    let mut response = next.run(request).await;
    let (status, took) = (response.status().as_u16(), started.elapsed());
    metrics.answered(&route, status, took);
    tracing::debug!(%method, ?version, route, status, ?took, "answered");
    // Whatever says nothing about caching must not be cached: errors, above all (attack H07).
    response
        .headers_mut()
        .entry(header::CACHE_CONTROL)
        .or_insert(axum::http::HeaderValue::from_static(answer::NEVER));
    response
}

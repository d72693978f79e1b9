//! The log as C2SP tlog-tiles serves it: checkpoint, hash tiles and entry bundles. Earlier logs of the instance, which are
//! frozen, are served the same way below `/shards/<origin>`, and the record of certificates below `/ct`.

use axum::Router;
use axum::extract::rejection::PathRejection;
use axum::extract::{OriginalUri, Path, State};
use axum::http::header;
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use sealwax_tlog::Tile;
use sealwax_transparency_log::LogView;

use super::Site;
use super::answer::{Compressible, IMMUTABLE, NEVER, Refusal};

pub(super) fn routes() -> Router<Site> {
    Router::new().route("/checkpoint", get(checkpoint)).route("/tile/{*path}", get(tile))
}

/// The same of the shards, whose origin is a part of the path.
pub(super) fn shard_routes() -> Router<Site> {
    let shard =
        || Router::new().route("/checkpoint", get(shard_checkpoint)).route("/tile/{*path}", get(shard_tile));
    Router::new().nest("/shards/{origin}", shard().nest("/api/v2", shard()))
}

/// The same of the record of certificates.
pub(super) fn ct_routes() -> Router<Site> {
    let record =
        || Router::new().route("/checkpoint", get(ct_checkpoint)).route("/tile/{*path}", get(ct_tile));
    Router::new().nest("/ct", record())
}

async fn ct_checkpoint(State(site): State<Site>) -> Result<Response, Refusal> {
    Ok(note(&record(&site)?))
}

async fn ct_tile(State(site): State<Site>, OriginalUri(uri): OriginalUri) -> Result<Response, Refusal> {
    read(&record(&site)?, uri.path().strip_prefix("/ct").unwrap_or_default())
}

fn record(site: &Site) -> Result<LogView, Refusal> {
    site.authority()?.record().map_err(|error| Refusal::internal(&error))
}

async fn checkpoint(State(site): State<Site>) -> Response {
    note(&site.view())
}

async fn shard_checkpoint(
    State(site): State<Site>,
    origin: Result<Path<String>, PathRejection>,
) -> Result<Response, Refusal> {
    let Path(origin) = origin.map_err(|_| no_such_log())?;
    Ok(note(shard(&site, &origin)?))
}

fn note(view: &LogView) -> Response {
    let headers = [(header::CONTENT_TYPE, "text/plain; charset=utf-8"), (header::CACHE_CONTROL, NEVER)];
    (headers, view.note().to_vec()).into_response()
}

async fn tile(State(site): State<Site>, OriginalUri(uri): OriginalUri) -> Result<Response, Refusal> {
    read(&site.view(), uri.path())
}

async fn shard_tile(
    State(site): State<Site>,
    origin: Result<Path<(String, String)>, PathRejection>,
    OriginalUri(uri): OriginalUri,
) -> Result<Response, Refusal> {
    let Path((origin, _)) = origin.map_err(|_| no_such_log())?;
    let path = uri.path().strip_prefix("/shards/").and_then(|path| path.strip_prefix(origin.as_str()));
    read(shard(&site, &origin)?, path.unwrap_or_default())
}

fn shard<'a>(site: &'a Site, origin: &str) -> Result<&'a LogView, Refusal> {
    site.shards.get(origin).ok_or_else(no_such_log)
}

fn no_such_log() -> Refusal {
    Refusal::not_found("no such log")
}

/// Serves a tile of any width that the published tree has or had, full ones cut down where the partial one is gone.
///
/// The path is taken as it was sent: a second spelling of a tile, such as one with escapes, is no tile (attack H10).
fn read(view: &LogView, path: &str) -> Result<Response, Refusal> {
    let no_tile = || Refusal::not_found("no such tile");
    let path = path.strip_prefix("/api/v2").unwrap_or(path);
    let tile = Tile::parse(path.strip_prefix('/').unwrap_or(path)).map_err(|_| no_tile())?;
    let bytes = view.tile(&tile).map_err(|error| Refusal::internal(&error))?.ok_or_else(no_tile)?;
    let headers = [
        (header::CONTENT_TYPE, "application/octet-stream"),
        (header::CACHE_CONTROL, IMMUTABLE),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    ];
    let mut response = (headers, bytes).into_response();
    if tile.level().is_none() {
        response.extensions_mut().insert(Compressible);
    }
    Ok(response)
}

//! The log as C2SP tlog-tiles serves it: checkpoint, hash tiles and entry bundles.

use axum::Router;
use axum::extract::{OriginalUri, State};
use axum::http::header;
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use sealwax_tlog::Tile;

use super::Site;
use super::answer::{Compressible, NEVER, Refusal};

pub(super) fn routes() -> Router<Site> {
    Router::new().route("/checkpoint", get(checkpoint)).route("/tile/{*path}", get(tile))
}

async fn checkpoint(State(site): State<Site>) -> Response {
    let note = site.view().note().to_vec();
    ([(header::CONTENT_TYPE, "text/plain; charset=utf-8"), (header::CACHE_CONTROL, NEVER)], note)
        .into_response()
}

/// Serves a tile of any width that the published tree has or had, full ones cut down where the partial one is gone.
///
/// The path is taken as it was sent: a second spelling of a tile, such as one with escapes, is no tile (attack H10).
async fn tile(State(site): State<Site>, OriginalUri(uri): OriginalUri) -> Result<Response, Refusal> {
    let no_tile = || Refusal::not_found("no such tile");
    let path = uri.path().strip_prefix("/api/v2").unwrap_or(uri.path());
    let tile = Tile::parse(path.strip_prefix('/').unwrap_or(path)).map_err(|_| no_tile())?;
    let bytes = site.view().tile(&tile).map_err(|error| Refusal::internal(&error))?.ok_or_else(no_tile)?;
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

/// A tile of a width never changes; the checkpoint that implies it is signed.
const IMMUTABLE: &str = "public, max-age=31536000, immutable";

//! Request bodies, of which only so many bytes are in memory at a time, whoever sends them and over however many connections.

use std::sync::Arc;

use axum::body::{Body, Bytes, HttpBody as _, to_bytes};
use axum::extract::{FromRequest, Request};
use axum::http::{StatusCode, header};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::Site;
use super::answer::{Code, Refusal};

/// The room for bodies that are being read or worked on. The small ones, which nearly all are, have theirs to themselves, so
/// that a few slow large ones are in nobody's way.
#[derive(Clone, Debug)]
pub(crate) struct Room {
    small: Arc<Semaphore>,
    large: Arc<Semaphore>,
    /// The largest body, in bytes.
    largest: usize,
}

/// A whole body, which gives its room back when it goes.
pub(super) struct Held {
    pub(super) text: Bytes,
    _room: OwnedSemaphorePermit,
}

impl Room {
    /// Makes room for bodies of at most `largest` bytes, some of those or very many small ones at a time.
    pub(crate) fn new(largest: usize) -> Room {
        let room = |bytes: usize| Arc::new(Semaphore::new(bytes.div_ceil(UNIT)));
        Room { small: room(SMALL_TOGETHER), large: room(LARGE_TOGETHER.max(largest)), largest }
    }

    /// Takes the room that a body may need, or says that there is none now.
    fn take(&self, body: &Body) -> Result<OwnedSemaphorePermit, Refusal> {
        // A body that does not say its length may become as long as any.
        let declared = body.size_hint().exact().and_then(|bytes| usize::try_from(bytes).ok());
        if declared.is_some_and(|bytes| bytes > self.largest) {
            return Err(self.too_large());
        }
        let bytes = declared.unwrap_or(self.largest);
        let room = if bytes <= SMALL { &self.small } else { &self.large };
        let units = u32::try_from(bytes.div_ceil(UNIT).max(1)).unwrap_or(u32::MAX);
        Arc::clone(room).try_acquire_many_owned(units).map_err(|_| {
            let what = "too many large requests at a time; retry";
            Refusal::new(StatusCode::SERVICE_UNAVAILABLE, Code::Unavailable, what)
                .with_header(header::RETRY_AFTER, 1)
        })
    }

    fn too_large(&self) -> Refusal {
        let what = format!("a request here has at most {} bytes", self.largest);
        Refusal::new(StatusCode::PAYLOAD_TOO_LARGE, Code::OutOfRange, what)
    }
}

impl FromRequest<Site> for Held {
    type Rejection = Refusal;

    async fn from_request(request: Request, site: &Site) -> Result<Self, Refusal> {
        let body = request.into_body();
        let room = site.room.take(&body)?;
        // The connection's end and a body that grows too long both end here; only the latter has somebody to tell.
        let text = to_bytes(body, site.room.largest).await.map_err(|_| site.room.too_large())?;
        Ok(Held { text, _room: room })
    }
}

/// What all small bodies, and all others, may take together, in bytes.
const SMALL_TOGETHER: usize = 32 << 20;
const LARGE_TOGETHER: usize = 64 << 20;
/// A small body, in bytes: as large as the submission of a `hashedrekord` may be.
const SMALL: usize = 64 * 1024;
/// What room is counted in, in bytes.
const UNIT: usize = 4 * 1024;

#[cfg(test)]
mod tests {
    use axum::response::IntoResponse as _;

    use super::*;

    fn body(bytes: usize) -> Body {
        Body::from(vec![0; bytes])
    }

    #[test]
    fn h04_bodies_take_room_and_give_it_back() {
        let room = Room::new(40 << 20);
        let first = room.take(&body(40 << 20)).unwrap();
        let refused = room.take(&body(30 << 20)).unwrap_err().into_response();
        assert_eq!(refused.status(), StatusCode::SERVICE_UNAVAILABLE);
        assert!(refused.headers().contains_key(header::RETRY_AFTER));
        // Small ones are still read.
        let small: Vec<_> = (0..SMALL_TOGETHER / SMALL).map(|_| room.take(&body(SMALL)).unwrap()).collect();
        assert!(room.take(&body(1)).is_err());
        drop(small);
        drop(first);
        drop(room.take(&body(30 << 20)).unwrap());
    }

    #[test]
    fn b05_what_is_declared_too_large_is_refused_unread() {
        let room = Room::new(1_000_000);
        assert!(room.take(&body(1_000_000)).is_ok());
        let refused = room.take(&body(1_000_001)).unwrap_err().into_response();
        assert_eq!(refused.status(), StatusCode::PAYLOAD_TOO_LARGE);
    }
}

//! Request bodies, of which only so many bytes are in memory at a time, whoever sends them and over however many connections.

use std::sync::Arc;

use axum::body::{Body, Bytes, HttpBody as _, to_bytes};
use axum::http::{StatusCode, header};
use http_body_util::LengthLimitError;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::answer::{Code, Refusal};

/// The room for bodies that are being read or worked on. The small ones, which nearly all are, have theirs to themselves, so
/// that a few slow large ones are in nobody's way.
#[derive(Clone, Debug)]
pub(crate) struct Room {
    small: Arc<Semaphore>,
    large: Arc<Semaphore>,
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
        Room { small: room(SMALL_TOGETHER), large: room(LARGE_TOGETHER.max(largest)) }
    }

    /// Reads a body of at most `most` bytes.
    pub(super) async fn read(&self, body: Body, most: usize) -> Result<Held, Refusal> {
        let room = self.take(&body, most)?;
        let text = to_bytes(body, most).await.map_err(|error| {
            match error.into_inner().is::<LengthLimitError>() {
                true => too_large(most),
                false => Refusal::bad_request("the request's body did not come whole"),
            }
        })?;
        Ok(Held { text, _room: room })
    }

    /// Takes the room that a body may need, or says that there is none now.
    fn take(&self, body: &Body, most: usize) -> Result<OwnedSemaphorePermit, Refusal> {
        // A body that does not say its length may become as long as any.
        let declared = body.size_hint().exact();
        let bytes = declared.map_or(most, |bytes| usize::try_from(bytes).unwrap_or(usize::MAX));
        if bytes > most {
            return Err(too_large(most));
        }
        let room = if bytes <= SMALL { &self.small } else { &self.large };
        let units = u32::try_from(bytes.div_ceil(UNIT).max(1)).unwrap_or(u32::MAX);
        Arc::clone(room).try_acquire_many_owned(units).map_err(|_| {
            let what = "too many large requests at a time; retry";
            Refusal::new(StatusCode::SERVICE_UNAVAILABLE, Code::Unavailable, what)
                .with_header(header::RETRY_AFTER, 1)
        })
    }
}

fn too_large(most: usize) -> Refusal {
    let what = format!("a request here has at most {most} bytes");
    Refusal::new(StatusCode::PAYLOAD_TOO_LARGE, Code::OutOfRange, what)
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

    const MOST: usize = 40 << 20;

    fn body(bytes: usize) -> Body {
        Body::from(vec![0; bytes])
    }

    #[test]
    fn h04_bodies_take_room_and_give_it_back() {
        let room = Room::new(MOST);
        let first = room.take(&body(40 << 20), MOST).unwrap();
        let refused = room.take(&body(30 << 20), MOST).unwrap_err().into_response();
        assert_eq!(refused.status(), StatusCode::SERVICE_UNAVAILABLE);
        assert!(refused.headers().contains_key(header::RETRY_AFTER));
        // Small ones are still read.
        let small: Vec<_> =
            (0..SMALL_TOGETHER / SMALL).map(|_| room.take(&body(SMALL), MOST).unwrap()).collect();
        assert!(room.take(&body(1), MOST).is_err());
        drop(small);
        drop(first);
        drop(room.take(&body(30 << 20), MOST).unwrap());
    }

    #[test]
    fn b05_what_is_declared_too_large_is_refused_unread() {
        let room = Room::new(1_000_000);
        assert!(room.take(&body(1_000_000), 1_000_000).is_ok());
        let refused = room.take(&body(1_000_001), 1_000_000).unwrap_err().into_response();
        assert_eq!(refused.status(), StatusCode::PAYLOAD_TOO_LARGE);
    }

    #[tokio::test]
    async fn b05_what_does_not_say_its_length_is_cut_off_and_takes_as_much_room_as_any() {
        use http_body_util::BodyExt as _;

        // Mapped frames may have any length, so this one declares none.
        let silent = |bytes: usize| Body::new(body(bytes).map_frame(|frame| frame));
        assert_eq!(silent(1).size_hint().exact(), None);
        let room = Room::new(1_000_000);
        let held = room.read(silent(1_000_000), 1_000_000).await.unwrap();
        assert_eq!(held.text.len(), 1_000_000);
        let refused = room.read(silent(1_000_001), 1_000_000).await.err().unwrap().into_response();
        assert_eq!(refused.status(), StatusCode::PAYLOAD_TOO_LARGE);

        let room = Room::new(MOST);
        let _first = room.take(&silent(1), MOST).unwrap();
        assert!(room.take(&silent(1), MOST).is_err(), "two of the largest are more than there is room for");
    }
}

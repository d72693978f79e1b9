//! The running log: entries in, receipts out, everything between them on disk in an order that survives a crash.
//!
//! A log is a directory. Below `tiles/` it is laid out exactly as C2SP tlog-tiles serves it, so any web server can publish
//! it; the anchor beside it remembers what was signed last, so that an older copy of the tiles is noticed and not signed
//! over.
//!
//! ```text
//! lock            held by the one writer
//! anchor.db       SQLite: the last signed checkpoint, the batch it came from, position of every leaf
//! index.db        SQLite: what entries are found by, made anew from the rest
//! tiles/          checkpoint, tile/…, tile/entries/…
//! staging/        at most one batch between commit and publication
//! envelopes/      what the entries speak about, by the digest they name
//! ```
//!
//! # One append
//!
//! 1. Entries that are in the log, or twice in the batch, get the position they have.
//! 2. Envelopes are stored durably.
//! 3. New tiles and bundles are computed and staged as one file, flushed.
//! 4. The staged file is read back; every hash up to the root is recomputed from it.
//! 5. The checkpoint is signed, and verified.
//! 6. **The commit**: one SQLite transaction replaces the last checkpoint, which must be the one built upon, and names the
//!    staged file.
//! 7. Outposts, if there are any, are told, and the staged tiles are put in place.
//! 8. The checkpoint is published, with the cosignatures that the caller collected meanwhile ([`Log::publish`]).
//! 9. Proofs are built from what is stored, verified against the signed checkpoint, and returned.
//!
//! A crash before the commit: nothing happened. After it: opening repeats steps 7 and 8. Any failure on the way drops
//! everything in memory. What is not here: signatures on entries are checked by the caller before; there is no HTTP, no clock
//! and no thread.
//!
//! What no check inside can notice is a copy of the *whole* directory, anchor included, put back in place: that takes an
//! [`Outpost`] or a witness.

#![warn(clippy::missing_errors_doc)]

mod anchor;
mod batch;
mod check;
mod error;
mod follow;
mod frontier;
mod key;
mod log;
mod mirror;
mod outpost;
mod receipt;
mod search;
mod source;
mod storage;
mod tree;
mod view;

pub use anchor::{Anchor, Anchored, Mode, SqliteAnchor};
pub use check::{Damage, Report};
pub use error::{Action, Error, Part, Result};
pub use follow::Follower;
pub use key::LogKey;
pub use log::{Guards, Log, Recovery};
pub use mirror::{Mirrored, copy_envelopes, mirror, restore};
pub use outpost::Outpost;
pub use receipt::{NewEntry, Placed, Receipt};
pub use search::{Page, Published, Query, SearchIndex};
pub use source::{Fetch, from_directory};
pub use storage::{Directory, Storage};
pub use tree::TileCache;
pub use view::LogView;

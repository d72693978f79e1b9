//! Trust roots that are updated safely: The Update Framework (TUF), for those who follow one and those who publish one.
//!
//! A repository is four signed files, of which each vouches for the next, and the target files that they lead to:
//!
//! ```text
//! <n>.root.json → timestamp.json → <n>.snapshot.json → <n>.targets.json → targets/<sha256>.trusted_root.json
//! ```
//!
//! Whoever has one version of the root can tell every later state of the repository from a forged, an older or a stale one,
//! whatever the server says ([`Followed`]). Publishing is signing what changed or runs out ([`Repository`]). Nothing here
//! reads a file, a clock or a network: bytes come through a [`Fetch`], time as an argument, and what is to be kept is handed
//! back.
//!
//! The rules are those of the specification, version 1.0; the state machine that checks signatures, versions and expiry is
//! that of the `sigstore-tuf` crate. Delegations are not followed: a target that a delegated role vouches for is not there.

mod draft;
mod error;
mod followed;
mod metadata;
mod repository;
pub mod sigstore;
#[cfg(test)]
mod testing;

pub use draft::Draft;
pub use error::{Error, Result};
pub use followed::{Fetch, Followed, SIGNING_CONFIG, TRUSTED_ROOT, Verified, fingerprint};
pub use metadata::{Role, key_id};
pub use repository::{Advance, Repository, RoleKeys, State, Waiting, Work};

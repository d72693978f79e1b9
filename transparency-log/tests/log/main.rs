//! What the log promises, tried: growth, crashes and failures at every step, damage in every file, restored copies.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::as_conversions,
    clippy::panic,
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "tests"
)]

mod append;
mod damage;
mod disk_full;
mod faults;
mod follow;
mod growth;
mod guards;
mod mirror;
mod recovery;
mod rollback;
mod world;

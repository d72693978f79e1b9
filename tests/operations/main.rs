//! What the operator of a log does with it, with real processes: backup, restore, mirror, check, freeze.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::as_conversions,
    clippy::panic,
    clippy::print_stderr
)]

mod copies;
mod freeze;
mod restored;
mod watched;
mod world;

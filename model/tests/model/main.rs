//! Models on disk, good and hostile, walked and hashed.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::expect_used,
    clippy::as_conversions,
    clippy::panic,
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "tests build the directories that they hash"
)]

mod changes;
mod ignoring;
mod known;
mod properties;
mod refusals;
mod serializations;
mod support;
mod vectors;

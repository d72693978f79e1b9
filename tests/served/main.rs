//! The served log with the real binary: its wire, hostile clients and servers, witnesses, and ends at any moment.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::as_conversions,
    clippy::panic,
    clippy::print_stderr
)]

mod client;
mod ends;
mod hostile;
mod http2;
mod identities;
mod keyless;
mod own;
mod peers;
mod reads;
mod wire;
mod witnessed;

//! A model on disk as a canonical manifest: walked, checked, hashed in parallel, compared.
//!
//! A model is one regular file or a directory tree. Its [`Manifest`] lists every file (or every byte range of every
//! file) with a digest, as OpenSSF Model Signing (OMS) 1.0, sections 5 and 6, lays down:
//!
//! ```text
//! config.json          sha256 of the file
//! weights/a.bin        sha256 of the file
//! ```
//!
//! This crate reads files, by Linux's system calls, and nothing else: it writes none, opens no connection, knows no
//! signature and no JSON. [`hash_model`] makes a manifest from a directory; [`Manifest::new`] checks one that came from
//! outside; [`Manifest::compare`] tells in what two of them differ.

mod difference;
mod error;
mod known;
mod manifest;
mod model;
mod path;
mod pipeline;
mod resource;
mod serialization;
mod sys;
mod walk;

pub use difference::Difference;
pub use error::Error;
pub use known::Known;
pub use manifest::Manifest;
pub use model::{HashOptions, Hashed, Progress, Reused, hash_model};
pub use path::{ModelPath, PathError};
pub use resource::{Resource, ResourceName};
pub use serialization::{Hash, IgnorePath, Method, Serialization};
pub use walk::is_git_path;

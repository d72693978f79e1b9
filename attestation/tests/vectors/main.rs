//! Verdicts on public test vectors; those that are not at hand are skipped and say so.

#![allow(clippy::disallowed_methods, reason = "reads vectors from files and runs gzip")]
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout,
    reason = "helpers of tests"
)]

mod canonical_json;
mod dsse;
mod json_test_suite;
mod model_signing;
mod rekor;
mod signing_configs;
mod trusted_roots;

use std::path::{Path, PathBuf};

/// Gives the path of a vector file or folder; says that the test is skipped where there is none.
fn find(path: &str) -> Option<PathBuf> {
    let shared = match std::env::var_os("SEALWAX_SHARED") {
        Some(folder) => PathBuf::from(folder),
        None => Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared"),
    };
    let path = shared.join("vectors").join(path);
    if path.exists() {
        return Some(path);
    }
    println!("skipped: {} (no vectors)", path.display());
    None
}

/// Reads a vector file.
fn read(path: &Path) -> Vec<u8> {
    std::fs::read(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Lists what is in a folder, sorted.
fn list(folder: &Path) -> Vec<PathBuf> {
    let mut paths: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    paths
}

/// Gives a path's last component.
fn name(path: &Path) -> &str {
    path.file_name().unwrap().to_str().unwrap()
}

//! Verdicts on public test vectors; those that are not at hand are skipped and say so.

#![allow(clippy::disallowed_methods, reason = "reads vectors from files")]
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::print_stdout, reason = "helpers of tests")]

mod certificates;
mod signatures;

use std::path::PathBuf;

/// Gives the path of a vector file or folder; says that the test is skipped where there is none.
fn find(path: &str) -> Option<PathBuf> {
    let shared = match std::env::var_os("SEALWAX_SHARED") {
        Some(folder) => PathBuf::from(folder),
        None => PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../shared"),
    };
    let path = shared.join("vectors").join(path);
    if path.exists() {
        return Some(path);
    }
    println!("skipped: {} (no vectors)", path.display());
    None
}

/// Reads a vector file.
fn read(path: &str) -> Option<Vec<u8>> {
    find(path).map(|path| std::fs::read(path).unwrap())
}

/// Reads a JSON vector file.
fn read_json(path: &str) -> Option<serde_json::Value> {
    read(path).map(|bytes| serde_json::from_slice(&bytes).unwrap())
}

/// Reads a JSON string.
fn text<'a>(value: &'a serde_json::Value, name: &str) -> &'a str {
    value[name].as_str().unwrap()
}

/// Reads a JSON string of hexadecimal digits.
fn bytes(value: &serde_json::Value, name: &str) -> Vec<u8> {
    hex::decode(text(value, name)).unwrap()
}

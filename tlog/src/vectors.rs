//! Where the tests find public test vectors, and how they say that there are none.
#![allow(
    clippy::disallowed_methods,
    clippy::print_stdout,
    reason = "tests read vector files and say what they skip"
)]

use std::path::PathBuf;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::de::DeserializeOwned;

/// Returns the folder of one set of vectors, or prints that it is skipped.
pub(crate) fn folder(name: &str) -> Option<PathBuf> {
    let shared = std::env::var_os("SEALWAX_SHARED")
        .map_or_else(|| PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../shared")), PathBuf::from);
    let folder = shared.join("vectors").join(name);
    if folder.is_dir() {
        Some(folder)
    } else {
        println!("skipped: {name} (no vectors)");
        None
    }
}

/// Reads a file of a set of vectors.
pub(crate) fn read(path: PathBuf) -> Vec<u8> {
    std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Reads a JSON file of a set of vectors.
pub(crate) fn json<T: DeserializeOwned>(path: PathBuf) -> T {
    serde_json::from_slice(&read(path)).unwrap()
}

/// Lists every `.json` file below a folder, sorted.
pub(crate) fn json_files(folder: PathBuf) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![folder];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "json") {
                found.push(path);
            }
        }
    }
    found.sort();
    found
}

/// Decodes base64 out of a vector.
pub(crate) fn base64(text: &str) -> Vec<u8> {
    STANDARD.decode(text).unwrap()
}

//! Hashes a model and prints each file's digest and the root digest, the one value that stands for the whole model.
//!
//! ```text
//! $ cargo run -p sealwax-examples --bin hash-model examples/model
//! 1762066e…  README.md
//! fb2c05e9…  config.json
//! 8c807965…  model.safetensors
//! 36ac28d7…  tokenizer/vocab.json
//! 62dd378c…  (root of 4 files, 20012 bytes)
//! ```
//!
//! A library hashes; nothing is signed and nothing is written here.

use std::error::Error;
use std::io::{self, Write as _};
use std::path::PathBuf;

use sealwax_model::{HashOptions, hash_model};

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args_os().skip(1);
    let (Some(model), None) = (arguments.next().map(PathBuf::from), arguments.next()) else {
        return Err("usage: hash-model MODEL".into());
    };

    // SHA-256 over whole files, what every OMS verifier understands; git's own files are not part of a model, and nor is
    // the signature that `sealwax sign` leaves in it.
    let options = HashOptions {
        ignore_git: true,
        ignore_absolute: vec![signature_of(&model)?],
        ..HashOptions::default()
    };
    // `()` takes no note of the progress; a program for people implements `Progress` and draws a bar.
    let hashed = hash_model(&model, &options, &())?;

    let mut out = io::stdout().lock();
    for resource in hashed.manifest.resources() {
        writeln!(out, "{}  {}", hex::encode(&resource.digest), resource.name)?;
    }
    let root = hex::encode(hashed.manifest.root_digest());
    writeln!(out, "{root}  (root of {} files, {} bytes)", hashed.files, hashed.bytes)?;
    Ok(())
}

fn signature_of(model: &std::path::Path) -> io::Result<PathBuf> {
    Ok(model.canonicalize()?.join("model.sig"))
}

//! What is signed: the model, its name, and how it is hashed.

use std::num::NonZeroU64;
use std::path::PathBuf;

use clap::{Args, ValueEnum};

use sealwax_model::{Hash, HashOptions, Hashed, Method, ModelPath, Serialization};

use crate::error::Error;
use crate::progress;
use crate::reuse;
use crate::world::World;

#[derive(Debug, Args)]
pub(super) struct ModelOptions {
    /// The model: a directory or a file
    #[arg(value_name = "MODEL")]
    pub(super) model: PathBuf,

    /// The model's name in the statement [default: the name of the directory or file]
    #[arg(long, value_name = "NAME")]
    name: Option<String>,

    /// The hash of the files; other tools verify sha256 only
    #[arg(long, value_enum, default_value_t = HashName::Sha256)]
    hash: HashName,

    /// Hash byte ranges of this size instead of whole files, such as 1000000000 or 256MiB
    #[arg(long, value_name = "SIZE", value_parser = size)]
    shard_size: Option<NonZeroU64>,

    /// Leave a path of the model out of the signature (repeatable)
    #[arg(long = "ignore-path", value_name = "PATH")]
    pub(super) ignore_paths: Vec<String>,

    /// Sign git's own files too (.git, .gitattributes, .github, .gitignore, .gitmodules)
    #[arg(long)]
    include_git: bool,

    /// Follow symbolic links that stay inside the model
    #[arg(long)]
    allow_symlinks: bool,

    /// Do not read files that are unchanged since they were hashed before on this machine
    #[arg(long)]
    reuse: bool,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum HashName {
    Sha256,
    Blake2b,
    Blake3,
}

impl ModelOptions {
    /// The model's own name: never that of a link or a relative path to it.
    pub(super) fn name(&self) -> Result<String, Error> {
        if let Some(name) = &self.name {
            return Ok(name.clone());
        }
        let unnamed = || {
            let model = self.model.display();
            Error::Usage(format!("{model}: has no name that is text; give one with --name"))
        };
        let path = self.model.canonicalize().map_err(|_| unnamed())?;
        path.file_name().and_then(|name| name.to_str()).map(str::to_owned).ok_or_else(unnamed)
    }

    /// Hashes the model.
    pub(super) fn hash(&self, ignore_paths: Vec<ModelPath>, world: &World) -> Result<Hashed, Error> {
        let hash = match self.hash {
            HashName::Sha256 => Hash::Sha256,
            HashName::Blake2b => Hash::Blake2b,
            HashName::Blake3 => Hash::Blake3,
        };
        let method = self.shard_size.map_or(Method::Files, |size| Method::Shards { size });
        let serialization = Serialization { method, hash, allow_symlinks: self.allow_symlinks, ignore_paths };
        let hash_options =
            HashOptions { serialization, ignore_git: !self.include_git, ..HashOptions::default() };
        let refused = |source| Error::Unsignable { path: self.model.clone(), source };
        if self.reuse {
            return reuse::hash(&self.model, hash_options, "signing", world, refused);
        }
        progress::hash(&self.model, &hash_options, "signing", world.terminal, refused)
    }
}

/// Reads a size: digits, and optionally a decimal (kB, MB, GB) or binary (KiB, MiB, GiB) unit.
pub(crate) fn size(text: &str) -> Result<NonZeroU64, String> {
    let wrong = || format!("{text:?} is not a size such as 1000000000 or 256MiB");
    let digits = text.find(|character: char| !character.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let factor: u64 = match unit.trim_start() {
        "" | "B" => 1,
        "kB" => 1_000,
        "MB" => 1_000_000,
        "GB" => 1_000_000_000,
        "KiB" => 1 << 10,
        "MiB" => 1 << 20,
        "GiB" => 1 << 30,
        _ => return Err(wrong()),
    };
    let size = number.parse::<u64>().ok().and_then(|number| number.checked_mul(factor));
    size.and_then(NonZeroU64::new).ok_or_else(wrong)
}

#[cfg(test)]
mod tests {
    use super::size;

    #[test]
    fn reads_sizes() {
        for (text, bytes) in
            [("1", 1), ("1000000000", 1_000_000_000), ("1GB", 1_000_000_000), ("256MiB", 256 << 20)]
        {
            assert_eq!(size(text).map(u64::from), Ok(bytes));
        }
        for text in ["", "0", "0MiB", "-1", "1.5GB", "1TiBB", "99999999999GiB", "MiB"] {
            assert!(size(text).is_err(), "{text}");
        }
    }
}

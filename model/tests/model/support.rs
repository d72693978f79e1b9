//! Directories to hash.

use std::{
    fs,
    path::{Path, PathBuf},
};

use sealwax_model::{Error, HashOptions, Hashed, ModelPath, Serialization, hash_model};
use tempfile::TempDir;

/// A model in its own temporary directory, with room beside it for what lies outside.
pub(crate) struct Model {
    temporary: TempDir,
}

impl Model {
    /// Makes a model of these files, each with its content.
    pub(crate) fn new(files: &[(&str, &[u8])]) -> Self {
        let model = Self { temporary: tempfile::tempdir().unwrap() };
        fs::create_dir(model.root()).unwrap();
        for (name, content) in files {
            model.write(name, content);
        }
        model
    }

    pub(crate) fn root(&self) -> PathBuf {
        self.temporary.path().join("model")
    }

    /// A directory that holds the model and is not part of it.
    pub(crate) fn outside(&self) -> &Path {
        self.temporary.path()
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.root().join(name)
    }

    pub(crate) fn write(&self, name: &str, content: &[u8]) {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }

    pub(crate) fn hash(&self, options: &HashOptions) -> Result<Hashed, Error> {
        hash_model(&self.root(), options, &())
    }

    /// Hashes with the default parameters.
    pub(crate) fn plain(&self) -> Result<Hashed, Error> {
        self.hash(&HashOptions::default())
    }
}

/// The names of a manifest's lines, in their order.
pub(crate) fn names(hashed: &Hashed) -> Vec<String> {
    hashed.manifest.resources().iter().map(|resource| resource.name.to_string()).collect()
}

pub(crate) fn following() -> HashOptions {
    HashOptions {
        serialization: Serialization { allow_symlinks: true, ..Serialization::default() },
        ..HashOptions::default()
    }
}

pub(crate) fn ignoring(paths: &[&str]) -> HashOptions {
    let ignore_paths = paths.iter().map(|path| ModelPath::parse(path).unwrap()).collect();
    HashOptions {
        serialization: Serialization { ignore_paths, ..Serialization::default() },
        ..HashOptions::default()
    }
}

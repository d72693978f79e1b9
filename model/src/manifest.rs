//! The list of a model's files or byte ranges with their digests, and the rules that every such list keeps.
//!
//! A [`Manifest`] exists only after its checks, whether it was hashed here or came out of a signed statement: at least
//! one line, no name twice and no two names that a file system could take for one, digests of the right length, byte
//! ranges that cover each file from its first byte without gap. What it does not know: signatures, JSON, directories.

mod shards;
mod twins;

use std::collections::HashSet;

use sha2::{Digest, Sha256};

use crate::{
    Difference,
    error::Error,
    path::ModelPath,
    resource::{Resource, ResourceName},
    serialization::{Method, Serialization},
};

pub(crate) use twins::Names;

/// A checked list of digests and the parameters they were made with.
#[derive(Debug, Clone)]
pub struct Manifest {
    serialization: Serialization,
    resources: Vec<Resource>,
    /// The name of the file on disk where the model is a single file that was hashed here.
    single_file: Option<ModelPath>,
}

impl Manifest {
    /// Checks a list and keeps it in the given order.
    ///
    /// Refuses an empty list, a name listed twice, two names that are equal after Unicode compatibility normalisation
    /// and case folding (or of which one is a directory of the other), a digest of the wrong length, a line of the
    /// other method, `.` next to other files, and byte ranges that do not cover each file from its first byte on in
    /// steps of the signed size. The ranges of a file may be listed in the order of their numbers, as the Python client
    /// does, or of their names, as OMS 1.0, section 5.2.1, asks; in no other.
    pub fn new(serialization: Serialization, resources: Vec<Resource>) -> Result<Self, Error> {
        if resources.is_empty() {
            return Err(Error::Empty);
        }
        check_lines(&serialization, &resources)?;
        check_duplicates(&resources)?;
        check_names(&resources)?;
        if let Method::Shards { size } = serialization.method {
            shards::check(&resources, size)?;
        }
        Ok(Self { serialization, resources, single_file: None })
    }

    /// Records the name on disk of a model that is a single file; see [`Manifest::compare`].
    pub(crate) fn with_single_file(mut self, name: Option<ModelPath>) -> Self {
        self.single_file = name;
        self
    }

    /// Gives the parameters.
    #[must_use]
    pub fn serialization(&self) -> &Serialization {
        &self.serialization
    }

    /// Gives the lines in their listed order; a manifest that was hashed here is sorted by file name, then offset.
    #[must_use]
    pub fn resources(&self) -> &[Resource] {
        &self.resources
    }

    /// Computes the digest that stands for the whole model: SHA-256, whatever the lines' hash, over the raw digests one
    /// after the other in listed order (OMS 1.0, section 6.5.1).
    #[must_use]
    pub fn root_digest(&self) -> [u8; 32] {
        let mut hasher = Sha256::new();
        for resource in &self.resources {
            hasher.update(&resource.digest);
        }
        hasher.finalize().into()
    }

    /// Tells in which files `actual`, a model as it is, differs from this manifest, the model as it should be.
    ///
    /// The order of the lines plays no part. A model that is a single file matches a manifest that names it `.` as well
    /// as one that names it by its name on disk: the specification asks for the latter, the Python client writes and
    /// demands the former. Manifests of different method or hash function agree in nothing, and neither does one that was
    /// made by following symbolic links with one that forbids them.
    #[must_use]
    pub fn compare(&self, actual: &Self) -> Difference {
        Difference::between(self, actual)
    }

    /// Gives the name on disk where the model is a single file that was hashed here.
    pub(crate) fn single_file(&self) -> Option<&ModelPath> {
        self.single_file.as_ref()
    }
}

fn check_lines(serialization: &Serialization, resources: &[Resource]) -> Result<(), Error> {
    let expected = serialization.hash.digest_len();
    let sharded = matches!(serialization.method, Method::Shards { .. });
    for Resource { name, digest } in resources {
        if name.range().is_some() != sharded {
            return Err(Error::WrongMethod { name: name.to_string() });
        }
        if digest.len() != expected {
            return Err(Error::DigestLength { name: name.to_string(), expected, found: digest.len() });
        }
    }
    Ok(())
}

fn check_duplicates(resources: &[Resource]) -> Result<(), Error> {
    let mut seen: HashSet<&ResourceName> = HashSet::with_capacity(resources.len());
    match resources.iter().find(|resource| !seen.insert(&resource.name)) {
        Some(twice) => Err(Error::DuplicateName { name: twice.name.to_string() }),
        None => Ok(()),
    }
}

fn check_names(resources: &[Resource]) -> Result<(), Error> {
    let mut names = Names::default();
    let mut single = false;
    for resource in resources {
        match resource.name.path() {
            Some(path) => names.add(path)?,
            None => single = true,
        }
    }
    if single && !names.is_empty() { Err(Error::SingleFileWithOthers) } else { Ok(()) }
}

#[cfg(test)]
#[allow(clippy::as_conversions)]
mod tests;

//! The walk and the hashing as one call.

use std::{
    collections::HashSet,
    num::NonZeroUsize,
    path::{Path, PathBuf},
};

use crate::{
    error::Error,
    manifest::Manifest,
    pipeline,
    serialization::Serialization,
    walk::{self, Tree},
};

/// What to hash, how, and with how many threads.
#[derive(Debug, Clone, Default)]
pub struct HashOptions {
    /// The parameters of the manifest; to verify, those of the signed statement.
    pub serialization: Serialization,
    /// Whether to leave out, at every level, what belongs to git and not to the model: `.git`, `.gitattributes`,
    /// `.github`, `.gitignore`, `.gitmodules`. For signing only: what was there and left out is recorded in the manifest's
    /// `ignore_paths`, and a verifier leaves out exactly that, so none can be planted later.
    pub ignore_git: bool,
    /// Absolute paths to leave out as well, such as the signature's own file; those outside the model have no effect,
    /// those inside are recorded in the manifest's `ignore_paths`.
    pub ignore_absolute: Vec<PathBuf>,
    /// To verify: the names of the files that the signed manifest lists. A file of another name is not read, however large it
    /// claims to be, and is listed in [`Hashed::unexpected`]. `None` hashes every file.
    pub expected: Option<HashSet<String>>,
    /// The number of hashing threads; `None` is one for each available core.
    pub threads: Option<NonZeroUsize>,
}

/// A model's manifest and what the walk met.
#[derive(Debug, Clone)]
pub struct Hashed {
    /// The manifest, sorted by file name, then offset.
    pub manifest: Manifest,
    /// Every file and directory that is there and was left out: relative paths, sorted. What is in a directory that was
    /// left out is not listed.
    pub ignored: Vec<String>,
    /// Files that are there and that [`HashOptions::expected`] does not name, not hashed: relative paths, sorted.
    pub unexpected: Vec<String>,
    /// The number of bytes that were hashed.
    pub bytes: u64,
    /// The number of files that were hashed.
    pub files: u64,
}

/// Takes note of how far the hashing is, and may stop it. Called from several threads.
pub trait Progress: Sync {
    /// Says what there is to do: called once, after the walk and before the first file is read.
    fn total(&self, files: u64, bytes: u64);

    /// Says that so many more bytes are done.
    fn advance(&self, bytes: u64);

    /// Asks whether to stop; [`hash_model`] then returns [`Error::Cancelled`].
    fn cancelled(&self) -> bool {
        false
    }
}

/// Takes no note.
impl Progress for () {
    fn total(&self, _files: u64, _bytes: u64) {}

    fn advance(&self, _bytes: u64) {}
}

/// Walks a model and hashes its files.
///
/// `root` is a directory (its own path may go through symbolic links, since the caller named it) or a regular file.
/// Refuses symbolic links unless the parameters allow them, special files, names that are no
/// [`ModelPath`](crate::ModelPath) and a model without files. Whatever changes between being listed and the end is
/// [`Error::ChangedWhileHashing`]; the manifest is of bytes that all were in place at one time, as far as the system's
/// time stamps tell. They do not tell of two things: a single `write` call that began before the walk and is still
/// going on, and writing through a memory mapping that was made and first written through before it.
pub fn hash_model(root: &Path, options: &HashOptions, progress: &dyn Progress) -> Result<Hashed, Error> {
    let mut tree = walk::walk(root, options, progress)?;
    let unexpected = options.expected.as_ref().map_or_else(Vec::new, |expected| tree.split_off(expected));
    let bytes = tree.files.iter().fold(0_u64, |sum, file| sum.saturating_add(file.seen.size));
    let files = u64::try_from(tree.files.len()).unwrap_or(u64::MAX);
    progress.total(files, bytes);
    let resources = pipeline::hash(&tree, options, progress)?;
    tree.check_unchanged(root)?;

    let Tree { single_file, ignored, ignore_paths, .. } = tree;
    let Serialization { method, hash, allow_symlinks, .. } = options.serialization;
    let serialization = Serialization { method, hash, allow_symlinks, ignore_paths };
    let manifest = Manifest::new(serialization, resources)?.with_single_file(single_file);
    Ok(Hashed { manifest, ignored, unexpected, bytes, files })
}

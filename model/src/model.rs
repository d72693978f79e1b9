//! The walk and the hashing as one call.

use std::{
    collections::HashSet,
    num::NonZeroUsize,
    path::{Path, PathBuf},
};

use crate::{
    error::Error,
    known::Known,
    manifest::Manifest,
    pipeline,
    serialization::Serialization,
    sys,
    walk::{self, File, Tree},
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
    /// Digests of earlier runs: of a file that is unchanged since then, the digest is taken from there and the file is not
    /// read. `None` reads every file and remembers nothing.
    pub known: Option<Known>,
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
    /// The number of bytes of the files in the manifest, those of [`Hashed::reused`] included.
    pub bytes: u64,
    /// The number of files in the manifest, those of [`Hashed::reused`] included.
    pub files: u64,
    /// What of this was not read, because [`HashOptions::known`] had its digests.
    pub reused: Reused,
    /// What is known now, for another run; nothing where [`HashOptions::known`] was `None`.
    pub known: Option<Known>,
}

/// Files whose digests were known.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Reused {
    /// Their number.
    pub files: u64,
    /// Their bytes, none of which was read.
    pub bytes: u64,
}

/// Takes note of how far the hashing is, and may stop it. Called from several threads.
pub trait Progress: Sync {
    /// Says what there is to read: called once, after the walk and before the first file is read.
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
/// going on, and writing through a memory mapping that was made and first written through before it. A file whose digest
/// is [known](HashOptions::known) is looked at twice, at the beginning and at the end, and not read.
pub fn hash_model(root: &Path, options: &HashOptions, progress: &dyn Progress) -> Result<Hashed, Error> {
    let started = sys::now();
    let mut tree = walk::walk(root, options, progress)?;
    let unexpected = options.expected.as_ref().map_or_else(Vec::new, |expected| tree.split_off(expected));
    pipeline::check(&tree, options.serialization.method)?;
    let (mut unread, known_lines) = options
        .known
        .as_ref()
        .map_or_else(Default::default, |known| known.split_off(&mut tree.files, &options.serialization));
    let (reused, to_read) = (extent(&unread), extent(&tree.files));
    progress.total(to_read.files, to_read.bytes);
    let mut resources = pipeline::hash(&tree, options, progress)?;
    tree.check_names(&unread)?;
    tree.check_unchanged(root)?;

    if !known_lines.is_empty() {
        resources.extend(known_lines);
        resources.sort_unstable_by(|a, b| a.name.cmp(&b.name));
    }
    let known = options.known.is_some().then(|| {
        unread.append(&mut tree.files);
        Known::new(started, unread, &resources)
    });
    let Tree { single_file, ignored, ignore_paths, .. } = tree;
    let Serialization { method, hash, allow_symlinks, .. } = options.serialization;
    let serialization = Serialization { method, hash, allow_symlinks, ignore_paths };
    let manifest = Manifest::new(serialization, resources)?.with_single_file(single_file);
    let bytes = reused.bytes.saturating_add(to_read.bytes);
    let files = reused.files.saturating_add(to_read.files);
    Ok(Hashed { manifest, ignored, unexpected, bytes, files, reused, known })
}

fn extent(files: &[File]) -> Reused {
    let bytes = files.iter().fold(0_u64, |sum, file| sum.saturating_add(file.seen.size));
    Reused { files: u64::try_from(files.len()).unwrap_or(u64::MAX), bytes }
}

//! Everything that can stop a walk or disqualify a manifest.

use std::io;

use crate::path::PathError;

/// Why there is no manifest.
///
/// Paths are relative to the model's root, `.` being the model itself, lossy where the name on disk is not UTF-8, and
/// *not* escaped: whoever prints one does that.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The model is not there.
    #[error("{path}: no such file or directory")]
    NotFound {
        /// The model's own path.
        path: String,
    },
    /// The operating system did not let a file or directory be read.
    #[error("{path}: cannot be read")]
    Unreadable {
        /// The file or directory.
        path: String,
        /// What the system said; its kind is the system's own.
        source: io::Error,
    },
    /// A name cannot stand in a manifest.
    #[error("{path}: {reason}")]
    BadName {
        /// The name as far as it is text.
        path: String,
        /// The rule that it breaks.
        reason: PathError,
    },
    /// A path to leave out is not absolute, or is the model itself or one of its parents.
    #[error("{path}: cannot be ignored")]
    BadIgnore {
        /// The path as the caller gave it.
        path: String,
    },
    /// A symbolic link where none are allowed.
    #[error("{path}: is a symbolic link")]
    Symlink {
        /// The link.
        path: String,
    },
    /// A symbolic link to an absolute path or to something beside or above the model's root.
    #[error("{path}: is a symbolic link that leads out of the model")]
    SymlinkEscapes {
        /// The link.
        path: String,
    },
    /// A symbolic link to itself, in a circle, or to a directory that it lies in.
    #[error("{path}: is a symbolic link that leads back to itself")]
    SymlinkLoop {
        /// The link.
        path: String,
    },
    /// A symbolic link to nothing.
    #[error("{path}: is a symbolic link to nothing")]
    SymlinkDangles {
        /// The link.
        path: String,
    },
    /// Something that is neither file nor directory: a FIFO, socket or device.
    #[error("{path}: is a {kind}, neither a file nor a directory")]
    SpecialFile {
        /// Its name.
        path: String,
        /// What it is, in words.
        kind: &'static str,
    },
    /// No file is left to put into the manifest.
    #[error("the model has no files")]
    Empty,
    /// An empty file in a manifest of byte ranges, where OMS 1.0, section 6.3.2, has no line for it.
    #[error("{path}: is empty, which a manifest of byte ranges cannot cover")]
    EmptyFileInShards {
        /// The file.
        path: String,
    },
    /// More lines or directories than any model needs.
    #[error("the model has more than {limit} entries")]
    TooMany {
        /// The limit.
        limit: usize,
    },
    /// A file or directory was changed, replaced or removed between being listed and being completely hashed.
    #[error("{path}: changed while it was being hashed")]
    ChangedWhileHashing {
        /// The file or directory.
        path: String,
    },
    /// What was kept of earlier digests proves nothing: [`Known::open`](crate::Known::open) takes none of it.
    #[error("{reason}")]
    UnusableKnown {
        /// In words.
        reason: &'static str,
    },
    /// [`Progress::cancelled`](crate::Progress::cancelled) said so.
    #[error("cancelled")]
    Cancelled,
    /// A name stands in a manifest twice.
    #[error("{name}: is listed twice")]
    DuplicateName {
        /// The name.
        name: String,
    },
    /// Two names that some file system takes for one: equal but for letter case or Unicode form, or one a directory of
    /// the other.
    #[error("{first} and {second}: are one name to some file systems")]
    Twins {
        /// The name that came first.
        first: String,
        /// The name that came later.
        second: String,
    },
    /// A digest is not as long as the hash function makes it.
    #[error("{name}: the digest has {found} bytes, not {expected}")]
    DigestLength {
        /// The resource.
        name: String,
        /// The length that the hash function has.
        expected: usize,
        /// The length that was found.
        found: usize,
    },
    /// A byte range in a manifest of files, or a whole file in a manifest of byte ranges.
    #[error("{name}: does not fit the manifest's method")]
    WrongMethod {
        /// The resource.
        name: String,
    },
    /// The single-file name `.` next to others.
    #[error("\".\" is listed together with other files")]
    SingleFileWithOthers,
    /// The byte ranges of a file do not follow each other, each of the signed size, from its first byte on.
    #[error("{name}: does not follow on byte {expected_start} with the manifest's range size")]
    BrokenShards {
        /// The range that does not fit.
        name: String,
        /// Where a range had to start.
        expected_start: u64,
    },
    /// The byte ranges of a file are listed neither in the order of their numbers nor in that of their names.
    #[error("{name}: is listed out of order")]
    ShardOrder {
        /// The range.
        name: String,
    },
}

impl Error {
    /// Tells whether the model or manifest itself breaks a rule, rather than the system not letting it be read.
    ///
    /// A verifier that meets such an error has an answer («rejected»); with any other it «could not check».
    #[must_use]
    pub fn is_refusal(&self) -> bool {
        !matches!(
            self,
            Self::NotFound { .. }
                | Self::Unreadable { .. }
                | Self::BadIgnore { .. }
                | Self::ChangedWhileHashing { .. }
                | Self::UnusableKnown { .. }
                | Self::Cancelled
        )
    }
}

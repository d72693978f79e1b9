//! What can go wrong with a witness itself. What is wrong with a request is an [`Answer`](crate::Answer).

use std::path::{Path, PathBuf};

/// The result of this crate's functions.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// A failure of the witness, after which nothing was cosigned.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A file operation failed.
    #[error("could not {action} {}: {source}", path.display())]
    Io {
        /// What was being done.
        action: &'static str,
        /// The file or directory.
        path: PathBuf,
        /// The system's answer.
        source: std::io::Error,
    },
    /// The state database failed.
    #[error("could not {action} {}: {source}", path.display())]
    Database {
        /// What was being done.
        action: &'static str,
        /// The database file.
        path: PathBuf,
        /// SQLite's answer.
        source: rusqlite::Error,
    },
    /// Another process holds the witness's state.
    #[error("another process holds the witness's state at {}", path.display())]
    Busy {
        /// The lock file or the database.
        path: PathBuf,
    },
    /// The state is not what was stored, or is another witness's.
    #[error("damaged: {}: {what}", path.display())]
    Damaged {
        /// The rule that the state breaks.
        what: &'static str,
        /// The database file.
        path: PathBuf,
    },
    /// There is a state already.
    #[error("there is a witness's state already at {}", path.display())]
    Exists {
        /// The database file.
        path: PathBuf,
    },
    /// There is no state: a witness that has forgotten what it cosigned must not cosign.
    #[error("there is no witness's state at {}", path.display())]
    NotFound {
        /// Where it was looked for.
        path: PathBuf,
    },
    /// The database was written by a newer version of this program.
    #[error("{} has schema version {found}, this program knows {known}", path.display())]
    NewerSchema {
        /// The database file.
        path: PathBuf,
        /// Its schema version.
        found: i64,
        /// The newest version that this program can use.
        known: i64,
    },
    /// A log has the witness's own key: it would vouch for itself.
    #[error("the log {origin:?} has the witness's own key")]
    OwnKey {
        /// The log's origin.
        origin: String,
    },
    /// A key that makes cosignatures is no log's key.
    #[error("the key of {origin:?} is a cosigner's, not a log's")]
    NotALogKey {
        /// The key's name.
        origin: String,
    },
    /// The clock says that it is 1970 or earlier, which no cosignature may say.
    #[error("the clock is not set")]
    NoClock,
    /// An earlier flush to disk failed: this process cannot know what is stored, and must end.
    #[error("an earlier flush to disk failed; the process must end")]
    Stopped,
    /// A refusal by the log's mathematics, for example a key that is not Ed25519.
    #[error(transparent)]
    Tlog(#[from] sealwax_tlog::Error),
}

impl Error {
    /// Tells whether this process must end: a flush to disk failed, and what the system shows from now on may not be what
    /// is stored.
    pub fn is_fatal(&self) -> bool {
        match self {
            Error::Stopped => true,
            Error::Database { source: rusqlite::Error::SqliteFailure(failure, _), .. } => matches!(
                failure.extended_code,
                rusqlite::ffi::SQLITE_IOERR_FSYNC | rusqlite::ffi::SQLITE_IOERR_DIR_FSYNC
            ),
            _ => false,
        }
    }

    pub(crate) fn io(action: &'static str, path: &Path, source: std::io::Error) -> Error {
        Error::Io { action, path: path.to_owned(), source }
    }
}

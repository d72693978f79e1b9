//! What can go wrong with a log on disk, and whose fault it is.
//!
//! | variants | meaning | what helps |
//! | --- | --- | --- |
//! | `Io`, `Database`, `Busy`, `Source` | the machine, not the log | free space, permissions, waiting; then reload or reopen |
//! | `Damaged` | stored bytes changed | restore what is named from a copy, and check |
//! | `RolledBack`, `AnchorMissing`, `Fork`, `Overtaken` | two parts of the log disagree about the past | never sign; restore the newer part |
//! | `Behind`, `Contradicted` | somebody outside remembers another past | never sign; restore the newest copy, or start a new log |
//! | `NotLive`, `Unpublished` | the log is in a state that takes no entries | see each |
//! | `WrongKey`, `Exists`, `NotFound`, `NewerSchema`, `EntryTooLarge`, `Poisoned` | the caller | see each |

use std::fmt;
use std::path::{Path, PathBuf};

use sealwax_tlog::Hash;

use crate::anchor::Mode;

/// The result of this crate's functions.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// A failure or refusal of the log.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A file operation failed.
    #[error("could not {action} {}: {source}", path.display())]
    Io {
        /// What was being done.
        action: Action,
        /// The file or directory.
        path: PathBuf,
        /// The system's answer.
        source: std::io::Error,
    },
    /// The anchor database failed.
    #[error("could not {action} {}: {source}", path.display())]
    Database {
        /// What was being done.
        action: &'static str,
        /// The database file.
        path: PathBuf,
        /// SQLite's answer.
        source: rusqlite::Error,
    },
    /// Another process holds the log.
    #[error("another process holds the log at {}", path.display())]
    Busy {
        /// The lock file or the database.
        path: PathBuf,
    },
    /// Stored bytes are not what was stored.
    #[error("damaged: {path}: {what}")]
    Damaged {
        /// The rule that the bytes break.
        what: &'static str,
        /// The blob or file, relative to the log's directory.
        path: String,
    },
    /// Tiles and anchor are from different times: an older copy of one of them was restored.
    #[error("{older} is an older copy: the anchor knows {anchor_size} entries, the published checkpoint {}",
        match found_size { Some(size) => format!("{size}"), None => "is missing".to_owned() })]
    RolledBack {
        /// The part that must be replaced by its newest copy before the log may sign again.
        older: Part,
        /// The tree size of the last checkpoint that was signed, as the anchor has it.
        anchor_size: u64,
        /// The tree size of the published checkpoint; `None` when there is none.
        found_size: Option<u64>,
    },
    /// The published tree exists and the anchor does not.
    #[error("the anchor {} is missing although a log is published beside it", path.display())]
    AnchorMissing {
        /// Where the anchor should be.
        path: PathBuf,
    },
    /// The log's key signed two different roots for one size.
    #[error("two signed roots for {size} entries: anchor {anchored}, published {published}")]
    Fork {
        /// The tree size.
        size: u64,
        /// The root in the anchor.
        anchored: Hash,
        /// The root in the published checkpoint.
        published: Hash,
    },
    /// The anchor moved under this process: another writer signed in between. Nothing was written over.
    #[error("another writer has signed a newer checkpoint")]
    Overtaken,
    /// The whole log is an older copy of itself: an outpost or a witness knows of more entries.
    #[error("the log is an older copy of itself: {place} knows {known} entries, the log has {found}")]
    Behind {
        /// Who remembers: an outpost's directory, or a witness.
        place: String,
        /// The tree size that it knows.
        known: u64,
        /// The tree size of the log.
        found: u64,
    },
    /// The log is not what an outpost or a witness saw of it before.
    #[error("the log contradicts what it signed before: {place} knows another root for {size} entries")]
    Contradicted {
        /// Who remembers: an outpost's directory, or a witness.
        place: String,
        /// The tree size for which the roots differ.
        size: u64,
    },
    /// A signed checkpoint waits for its cosignatures; nothing more is appended before it is published.
    #[error("the last checkpoint is signed and not yet published")]
    Unpublished,
    /// A log that is being copied did not hand out a part of itself.
    #[error("could not fetch {name}: {reason}")]
    Source {
        /// What was asked for, relative to the log's prefix.
        name: String,
        /// What came back.
        reason: String,
    },
    /// The log may not sign, or a frozen log was to leave that mode. Nothing was written.
    #[error("the log is {mode}")]
    NotLive {
        /// What the log is instead.
        mode: Mode,
    },
    /// The log's checkpoint is not signed by the given key.
    #[error("the log's checkpoint is not signed by the key {key}")]
    WrongKey {
        /// The key that was given, in verifier-key form.
        key: String,
    },
    /// A log, or a part of one, is there already.
    #[error("there is a log already at {}", path.display())]
    Exists {
        /// What was found.
        path: PathBuf,
    },
    /// There is no log.
    #[error("there is no log at {}", path.display())]
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
    /// An entry does not fit an entry bundle. Nothing was written.
    #[error("entry {position} has {length} bytes, at most 65535 are possible")]
    EntryTooLarge {
        /// Position in the batch, counted from 0.
        position: usize,
        /// The entry's length in bytes.
        length: usize,
    },
    /// An earlier failure left it open what is on disk. `reload` answers it, unless `fatal`.
    #[error("an earlier failure stopped this log{}", if *fatal { "; the process must end" } else { "; reload it" })]
    Poisoned {
        /// A flush to disk failed: this process must not trust what the system says is stored, and must end.
        fatal: bool,
    },
    /// A refusal by the log's mathematics.
    #[error(transparent)]
    Tlog(#[from] sealwax_tlog::Error),
}

impl Error {
    pub(crate) fn io(action: Action, path: &Path, source: std::io::Error) -> Error {
        Error::Io { action, path: path.to_owned(), source }
    }

    pub(crate) fn damaged(path: impl Into<String>, what: &'static str) -> Error {
        Error::Damaged { what, path: path.into() }
    }

    /// Tells whether what is stored, or remembered elsewhere, contradicts what the log signed, rather than the machine failing:
    /// reading anew mends nothing.
    pub fn is_misbehaviour(&self) -> bool {
        matches!(
            self,
            Error::Damaged { .. }
                | Error::WrongKey { .. }
                | Error::RolledBack { .. }
                | Error::AnchorMissing { .. }
                | Error::Fork { .. }
                | Error::Overtaken
                | Error::Behind { .. }
                | Error::Contradicted { .. }
        )
    }

    /// Tells whether a flush to disk failed, after which cached contents may differ from stored ones without notice.
    pub fn is_sync_failure(&self) -> bool {
        match self {
            Error::Io { action, .. } => *action == Action::Sync,
            Error::Database { source: rusqlite::Error::SqliteFailure(failure, _), .. } => {
                matches!(
                    failure.extended_code,
                    rusqlite::ffi::SQLITE_IOERR_FSYNC | rusqlite::ffi::SQLITE_IOERR_DIR_FSYNC
                )
            }
            _ => false,
        }
    }
}

/// A file operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Action {
    /// Taking the writer's lock.
    Lock,
    /// Creating a directory.
    CreateDirectory,
    /// Reading a file.
    Read,
    /// Writing a temporary file.
    Write,
    /// Flushing a file or directory to disk.
    Sync,
    /// Putting a temporary file in its place.
    Rename,
    /// Removing a file.
    Remove,
    /// Listing a directory.
    List,
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Action::Lock => "lock",
            Action::CreateDirectory => "create directory",
            Action::Read => "read",
            Action::Write => "write",
            Action::Sync => "flush to disk",
            Action::Rename => "put in place",
            Action::Remove => "remove",
            Action::List => "list",
        })
    }
}

/// One of the two parts of a log that must agree.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// The published tree: checkpoint, tiles and entry bundles.
    Tiles,
    /// The anchor database.
    Anchor,
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Part::Tiles => "the published tree (tiles/)",
            Part::Anchor => "the anchor (anchor.db)",
        })
    }
}

#[cfg(test)]
mod tests {
    use rusqlite::ffi;

    use super::*;

    #[test]
    fn s05_a_failed_flush_is_told_from_other_failures() {
        let io = |action| Error::io(action, Path::new("x"), std::io::Error::other("x"));
        let sqlite = |code| Error::Database {
            action: "commit to",
            path: "anchor.db".into(),
            source: rusqlite::Error::SqliteFailure(ffi::Error::new(code), None),
        };
        assert!(io(Action::Sync).is_sync_failure());
        assert!(sqlite(ffi::SQLITE_IOERR_FSYNC).is_sync_failure());
        assert!(sqlite(ffi::SQLITE_IOERR_DIR_FSYNC).is_sync_failure());
        for other in
            [io(Action::Write), io(Action::Rename), sqlite(ffi::SQLITE_FULL), sqlite(ffi::SQLITE_IOERR_WRITE)]
        {
            assert!(!other.is_sync_failure(), "{other}");
        }
        assert!(!Error::Overtaken.is_sync_failure());
    }
}

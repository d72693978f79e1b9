//! What the witness remembers, in SQLite: of each log the newest checkpoint that it cosigned.
//!
//! A row holds the whole note with the witness's own cosignature, and is believed only as far as that cosignature verifies.
//! A flipped bit, or the state of another witness, is noticed and nothing is cosigned.

use std::fs::{DirBuilder, File, OpenOptions, TryLockError};
use std::io::ErrorKind;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::types::FromSql;
use rusqlite::{
    Connection, ErrorCode, OpenFlags, OptionalExtension, Row, Transaction, TransactionBehavior, params,
};
use sealwax_tlog::{Checkpoint, Hash, SignedNote, VerifierKey};

use crate::error::{Error, Result};

/// The newest checkpoint of a log that the witness cosigned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cosigned {
    /// The log's origin.
    pub origin: String,
    /// The number of leaves.
    pub size: u64,
    /// The root of the first `size` leaves.
    pub root: Hash,
    /// The signed note, with the log's signatures and this witness's cosignature.
    pub note: Vec<u8>,
    /// The time in that cosignature, seconds since 1970.
    pub time: u64,
}

/// The database, and the lock that makes this process the only one to write it.
#[derive(Debug)]
pub(crate) struct State {
    path: PathBuf,
    connection: Connection,
    /// The key that every stored cosignature is by.
    key: VerifierKey,
    /// Held for as long as the value lives; `None` for readers.
    _lock: Option<File>,
}

impl State {
    /// Creates an empty state in a directory, which is made if needed.
    pub(crate) fn create(directory: &Path) -> Result<()> {
        match DirBuilder::new().mode(0o700).create(directory) {
            Err(error) if error.kind() == ErrorKind::AlreadyExists && directory.is_dir() => {}
            other => other.map_err(|source| Error::io("create", directory, source))?,
        }
        let path = directory.join(DATABASE);
        let _lock = lock(directory)?;
        let made = options().create_new(true).open(&path).map_err(|source| match source.kind() {
            ErrorKind::AlreadyExists => Error::Exists { path: path.clone() },
            _ => Error::io("create", &path, source),
        })?;
        made.sync_all().map_err(|source| Error::io("flush to disk", &path, source))?;
        let connection = connect(&path, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
        configure(&path, &connection)?;
        connection.execute_batch(SCHEMA).map_err(|source| explain("create the tables of", &path, source))?;
        sync_directory(directory)
    }

    /// Takes the lock and opens the state for writing; every row must be cosigned by `key`.
    pub(crate) fn open(directory: &Path, key: VerifierKey) -> Result<State> {
        let path = existing(directory)?;
        let lock = lock(directory)?;
        let connection = connect(&path, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
        configure(&path, &connection)?;
        let state = State { path, connection, key, _lock: Some(lock) };
        state.version()?;
        // A write-ahead log whose flush failed in an earlier process reads as if it were stored. Copying it into the
        // database file writes and flushes it anew, so that what is read from here on is what a power cut leaves.
        let busy: i64 = state.value("settle", "PRAGMA wal_checkpoint(TRUNCATE)")?;
        if busy != 0 {
            return Err(Error::Busy { path: state.path });
        }
        let sound: String = state.value("check", "PRAGMA integrity_check(1)")?;
        if sound != "ok" {
            return Err(state.damaged(MALFORMED));
        }
        state.all()?;
        Ok(state)
    }

    /// Opens the state for reading, also while another process writes it.
    pub(crate) fn reader(directory: &Path, key: VerifierKey) -> Result<State> {
        let path = existing(directory)?;
        let connection = connect(&path, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
        let state = State { path, connection, key, _lock: None };
        state.version()?;
        Ok(state)
    }

    /// Reads everything, by origin.
    pub(crate) fn all(&self) -> Result<Vec<Cosigned>> {
        let failed = |source| explain("read", &self.path, source);
        let query = format!("{COLUMNS} ORDER BY origin");
        let mut statement = self.connection.prepare(&query).map_err(failed)?;
        let rows = statement.query_map([], stored).map_err(failed)?;
        rows.map(|row| self.believe(row.map_err(failed)?)).collect()
    }

    /// Reads what was cosigned of one log; `None` when nothing was.
    pub(crate) fn newest(&self, origin: &str) -> Result<Option<Cosigned>> {
        let query = format!("{COLUMNS} WHERE origin = ?1");
        let mut statement =
            self.connection.prepare_cached(&query).map_err(|source| explain("read", &self.path, source))?;
        let row = statement.query_row([origin], stored).optional();
        row.map_err(|source| explain("read", &self.path, source))?.map(|row| self.believe(row)).transpose()
    }

    /// Decides about one log and stores what was decided, with no other writer in between.
    ///
    /// `decide` is given what is recorded and returns its answer, with what to record where there is something new. The
    /// answer is returned only when that is on disk.
    pub(crate) fn advance<T>(
        &self,
        origin: &str,
        decide: impl FnOnce(Option<&Cosigned>) -> Result<(T, Option<Cosigned>)>,
    ) -> Result<T> {
        let transaction = Transaction::new_unchecked(&self.connection, TransactionBehavior::Immediate)
            .map_err(|source| explain("lock", &self.path, source))?;
        // Leaving early drops the transaction, which rolls it back.
        let (answer, new) = decide(self.newest(origin)?.as_ref())?;
        if let Some(new) = new {
            let row =
                params![new.origin, signed(new.size)?, new.root.as_bytes(), new.note, signed(new.time)?];
            transaction.execute(RECORD, row).map_err(|source| explain("write", &self.path, source))?;
        }
        transaction.commit().map_err(|source| explain("commit to", &self.path, source))?;
        Ok(answer)
    }

    /// Takes a row for what it says only if this witness cosigned exactly that.
    fn believe(&self, row: Cosigned) -> Result<Cosigned> {
        let read = || -> Result<(Checkpoint, Option<u64>), sealwax_tlog::Error> {
            let note = SignedNote::parse(&row.note)?;
            let cosigned = note.verify(std::slice::from_ref(&self.key))?;
            let time = cosigned.first().and_then(|signer| signer.timestamp);
            Ok((Checkpoint::parse(note.text())?, time))
        };
        match read() {
            Ok((checkpoint, time))
                if checkpoint.origin == row.origin
                    && checkpoint.size == row.size
                    && checkpoint.root == row.root
                    && time == Some(row.time) =>
            {
                Ok(row)
            }
            _ => Err(self.damaged("a recorded checkpoint is not the one that this witness cosigned")),
        }
    }

    fn version(&self) -> Result<()> {
        let found: i64 = self.value("read", "PRAGMA user_version")?;
        match found {
            SCHEMA_VERSION => Ok(()),
            // A crash before the tables were made: nothing was ever cosigned, but nothing says so.
            ..SCHEMA_VERSION => Err(self.damaged("no tables of a witness's state")),
            _ => Err(Error::NewerSchema { path: self.path.clone(), found, known: SCHEMA_VERSION }),
        }
    }

    fn value<T: FromSql>(&self, action: &'static str, query: &str) -> Result<T> {
        value(&self.path, &self.connection, action, query)
    }

    fn damaged(&self, what: &'static str) -> Error {
        Error::Damaged { what, path: self.path.clone() }
    }
}

/// Finds the database; a missing one is never made on the way, because it would have forgotten everything.
fn existing(directory: &Path) -> Result<PathBuf> {
    let path = directory.join(DATABASE);
    if path.is_file() { Ok(path) } else { Err(Error::NotFound { path }) }
}

/// Takes the lock of the one writer; the system releases it when its holder ends, however it ends.
fn lock(directory: &Path) -> Result<File> {
    let path = directory.join(LOCK);
    let failed = |source| Error::io("lock", &path, source);
    let file = options().create(true).truncate(false).open(&path).map_err(failed)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(Error::Busy { path }),
        Err(TryLockError::Error(source)) => Err(failed(source)),
    }
}

fn options() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.write(true).mode(0o600);
    options
}

fn sync_directory(path: &Path) -> Result<()> {
    let failed = |source| Error::io("flush to disk", path, source);
    File::open(path).map_err(failed)?.sync_all().map_err(failed)
}

fn connect(path: &Path, access: OpenFlags) -> Result<Connection> {
    let flags = access | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection =
        Connection::open_with_flags(path, flags).map_err(|source| explain("open", path, source))?;
    connection.busy_timeout(BUSY_TIMEOUT).map_err(|source| explain("configure", path, source))?;
    Ok(connection)
}

fn configure(path: &Path, connection: &Connection) -> Result<()> {
    let mode: String = value(path, connection, "set the journal of", "PRAGMA journal_mode = WAL")?;
    if mode != "wal" {
        let what = "the database refuses a write-ahead log";
        return Err(Error::Damaged { what, path: path.to_owned() });
    }
    let settings = "PRAGMA synchronous = FULL; PRAGMA trusted_schema = OFF; PRAGMA cell_size_check = ON;";
    connection.execute_batch(settings).map_err(|source| explain("configure", path, source))
}

/// Runs a query whose answer is one value.
fn value<T: FromSql>(path: &Path, connection: &Connection, action: &'static str, query: &str) -> Result<T> {
    connection.query_row(query, [], |row| row.get(0)).map_err(|source| explain(action, path, source))
}

fn stored(row: &Row<'_>) -> rusqlite::Result<Cosigned> {
    // What does not fit its type is damage, and 0 is what no cosignature will bear out.
    let unsigned = |number: i64| u64::try_from(number).unwrap_or(0);
    Ok(Cosigned {
        origin: row.get(0)?,
        size: unsigned(row.get(1)?),
        root: Hash::from_bytes(row.get(2)?),
        note: row.get(3)?,
        time: unsigned(row.get(4)?),
    })
}

/// SQLite's integers are signed; no tree and no clock comes near the limit.
fn signed(number: u64) -> Result<i64> {
    i64::try_from(number).map_err(|_| Error::Tlog(sealwax_tlog::Error::TreeFull))
}

/// Tells damage and a busy database from other failures of SQLite.
fn explain(action: &'static str, path: &Path, source: rusqlite::Error) -> Error {
    let path = path.to_owned();
    match source.sqlite_error_code() {
        Some(ErrorCode::NotADatabase | ErrorCode::DatabaseCorrupt) => {
            Error::Damaged { what: MALFORMED, path }
        }
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => Error::Busy { path },
        _ => Error::Database { action, path, source },
    }
}

/// STRICT columns and checks keep NULL and empty values out. The triggers make it impossible, for any program that writes
/// this database, to take back a size or a time, or to have two roots for one size.
const SCHEMA: &str = "
BEGIN IMMEDIATE;
CREATE TABLE cosigned (
    origin      TEXT    NOT NULL PRIMARY KEY CHECK (length(origin) > 0),
    size        INTEGER NOT NULL CHECK (size >= 0),
    root        BLOB    NOT NULL CHECK (length(root) = 32),
    note        BLOB    NOT NULL CHECK (length(note) > 0),
    cosigned_at INTEGER NOT NULL CHECK (cosigned_at > 0)
) STRICT;
CREATE TRIGGER cosigned_grows BEFORE UPDATE ON cosigned
WHEN NEW.origin IS NOT OLD.origin OR NEW.size < OLD.size OR NEW.cosigned_at < OLD.cosigned_at
    OR (NEW.size = OLD.size AND NEW.root IS NOT OLD.root)
BEGIN SELECT RAISE(ABORT, 'what was cosigned is never taken back'); END;
CREATE TRIGGER cosigned_stays BEFORE DELETE ON cosigned
BEGIN SELECT RAISE(ABORT, 'what was cosigned is never forgotten'); END;
PRAGMA user_version = 1;
COMMIT;
";
const SCHEMA_VERSION: i64 = 1;
const COLUMNS: &str = "SELECT origin, size, root, note, cosigned_at FROM cosigned";
const RECORD: &str = "
INSERT INTO cosigned (origin, size, root, note, cosigned_at) VALUES (?1, ?2, ?3, ?4, ?5)
ON CONFLICT (origin) DO UPDATE SET size = ?2, root = ?3, note = ?4, cosigned_at = ?5";
const MALFORMED: &str = "SQLite finds the database malformed";
const DATABASE: &str = "state.db";
const LOCK: &str = "lock";
/// How long SQLite waits for a program that holds the database in spite of the lock, a backup for example.
const BUSY_TIMEOUT: Duration = Duration::from_secs(1);

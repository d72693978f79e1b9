//! The anchor in SQLite.

use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::types::FromSql;
use rusqlite::{
    Connection, ErrorCode, OpenFlags, OptionalExtension, Transaction, TransactionBehavior, params,
};
use sealwax_tlog::Hash;

use super::schema::SCHEMA;
use super::{Anchor, Anchored, Mode};
use crate::error::{Action, Error, Result};
use crate::storage::{create_new, sync_directory};

/// The anchor as one SQLite database, readable and writable by its owner only.
#[derive(Debug)]
pub struct SqliteAnchor {
    path: PathBuf,
    connection: Connection,
}

impl SqliteAnchor {
    /// Opens an existing database, creating its tables when it has none yet and bringing those of an older version up to
    /// date.
    ///
    /// A newer schema is refused, and so is a database that fails SQLite's own check (made below 8 MiB).
    ///
    /// # Errors
    ///
    /// [`Error::NewerSchema`], [`Error::Damaged`], [`Error::Busy`] while another program holds the database, else
    /// [`Error::Database`] and [`Error::Io`].
    pub fn open(path: &Path) -> Result<SqliteAnchor> {
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection =
            Connection::open_with_flags(path, flags).map_err(|source| database("open", path, source))?;
        connection.busy_timeout(BUSY_TIMEOUT).map_err(|source| database("configure", path, source))?;
        let anchor = SqliteAnchor { path: path.to_owned(), connection };
        anchor.prepare().map_err(|error| anchor.explain(error))?;
        Ok(anchor)
    }

    /// Creates the database file if there is none, then opens it.
    ///
    /// # Errors
    ///
    /// [`Error::Io`] where the file cannot be created, else those of [`SqliteAnchor::open`].
    pub fn create(path: &Path) -> Result<SqliteAnchor> {
        match create_new(path, 0o600) {
            Ok(file) => {
                file.sync_all().map_err(|source| Error::io(Action::Sync, path, source))?;
                sync_parent(path)?;
            }
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {}
            Err(source) => return Err(Error::io(Action::Write, path, source)),
        }
        SqliteAnchor::open(path)
    }

    fn prepare(&self) -> Result<()> {
        let found: i64 = self.value("read", "PRAGMA user_version")?;
        if found > SCHEMA_VERSION {
            return Err(Error::NewerSchema { path: self.path.clone(), found, known: SCHEMA_VERSION });
        }
        if found < 0 {
            return Err(self.damaged("a schema version that never was"));
        }
        let mode: String = self.value("set the journal of", "PRAGMA journal_mode = WAL")?;
        if mode != "wal" {
            return Err(self.damaged("the database refuses a write-ahead log"));
        }
        self.connection
            .execute_batch(
                "PRAGMA synchronous = FULL; PRAGMA trusted_schema = OFF; PRAGMA cell_size_check = ON;",
            )
            .map_err(self.failed("configure"))?;
        let length = std::fs::metadata(&self.path)
            .map_err(|source| Error::io(Action::Read, &self.path, source))?
            .len();
        if length < QUICK_CHECK_BELOW {
            self.check_file("PRAGMA quick_check(1)")?;
        }
        // A write-ahead log whose flush failed in an earlier process reads as if it were stored. Copying it into the
        // database file writes and flushes it anew, so that what is read from here on is what a power cut leaves.
        let busy: i64 = self.value("settle", "PRAGMA wal_checkpoint(TRUNCATE)")?;
        if busy != 0 {
            return Err(Error::Busy { path: self.path.clone() });
        }
        // SQLite flushes the directory once the write-ahead log is in it, and does not look at the answer.
        sync_parent(&self.path)?;
        self.upgrade(found)
    }

    /// Runs one of SQLite's own checks of the whole file.
    fn check_file(&self, pragma: &str) -> Result<()> {
        let verdict: String = self.value("check", pragma)?;
        if verdict == "ok" { Ok(()) } else { Err(self.damaged(MALFORMED)) }
    }

    /// Compares the leaves with their index by hash, row for row: SQLite would look each of them up, which takes long.
    fn check_index(&self) -> Result<()> {
        let (table, _) = self.sum_leaves("SELECT position, hash FROM leaf NOT INDEXED")?;
        let (index, is_sorted) =
            self.sum_leaves("SELECT position, hash FROM leaf INDEXED BY leaf_by_hash")?;
        if table == index && is_sorted { Ok(()) } else { Err(self.damaged(MALFORMED)) }
    }

    /// Sums up all leaves, in whatever order they come, and tells whether it was the order of hashes.
    ///
    /// The weights are odd, so that a changed word always shows, and differ by position, so that exchanged rows do.
    fn sum_leaves(&self, query: &'static str) -> Result<([u64; 4], bool)> {
        let (mut sums, mut last, mut is_sorted) = ([0u64; 4], ([0; 32], 0), true);
        self.each_leaf(query, [], |position, hash| {
            let weight = position.wrapping_mul(2).wrapping_add(1);
            let (words, _) = hash.as_chunks::<8>();
            for (sum, word) in sums.iter_mut().zip(words) {
                *sum = sum.wrapping_add(u64::from_le_bytes(*word).wrapping_mul(weight));
            }
            is_sorted &= last <= (hash, position);
            last = (hash, position);
        })?;
        Ok((sums, is_sorted))
    }

    /// Runs a query for positions and hashes and hands each row on.
    fn each_leaf(
        &self,
        query: &'static str,
        parameters: impl rusqlite::Params,
        mut each: impl FnMut(u64, [u8; 32]),
    ) -> Result<()> {
        let mut statement = self.connection.prepare_cached(query).map_err(self.failed("read"))?;
        let mut rows = statement.query(parameters).map_err(self.failed("read"))?;
        while let Some(row) = rows.next().map_err(self.failed("read"))? {
            let position = row.get::<_, i64>(0).map_err(self.failed("read"))?;
            let hash = row.get::<_, [u8; 32]>(1).map_err(self.failed("read"))?;
            each(self.unsigned(position)?, hash);
        }
        Ok(())
    }

    /// Brings the schema from the version found to the newest, step by step; each step is a transaction of its own.
    fn upgrade(&self, found: i64) -> Result<()> {
        if found == 0 && self.value::<i64>("read", "SELECT count(*) FROM sqlite_schema")? != 0 {
            return Err(self.damaged("tables without a schema version"));
        }
        let done = usize::try_from(found).unwrap_or(usize::MAX);
        for step in SCHEMA.iter().skip(done) {
            self.connection.execute_batch(step).map_err(self.failed("create the tables of"))?;
        }
        Ok(())
    }

    /// Runs a query whose answer is one value.
    fn value<T: FromSql>(&self, action: &'static str, query: &str) -> Result<T> {
        self.connection.query_row(query, [], |row| row.get(0)).map_err(self.failed(action))
    }

    fn transaction(&self) -> Result<Transaction<'_>> {
        Transaction::new_unchecked(&self.connection, TransactionBehavior::Immediate)
            .map_err(self.failed("lock"))
    }

    fn insert(&self, transaction: &Transaction<'_>, first: u64, leaves: &[Hash]) -> Result<()> {
        let mut statement = transaction
            .prepare_cached("INSERT INTO leaf (position, hash) VALUES (?1, ?2)")
            .map_err(self.failed("write"))?;
        for (position, leaf) in (first..).zip(leaves) {
            statement.execute(params![signed(position)?, leaf.as_bytes()]).map_err(self.failed("write"))?;
        }
        Ok(())
    }

    fn failed(&self, action: &'static str) -> impl Fn(rusqlite::Error) -> Error {
        move |source| database(action, &self.path, source)
    }

    fn damaged(&self, what: &'static str) -> Error {
        Error::damaged(self.path.file_name().unwrap_or_default().to_string_lossy(), what)
    }

    /// Tells damage and a busy database from other failures of SQLite.
    fn explain(&self, error: Error) -> Error {
        let Error::Database { source, .. } = &error else { return error };
        match source {
            // STRICT tables hold no value of another type, unless their bytes changed.
            rusqlite::Error::InvalidColumnType(..)
            | rusqlite::Error::FromSqlConversionFailure(..)
            | rusqlite::Error::IntegralValueOutOfRange(..) => return self.damaged(MALFORMED),
            _ => {}
        }
        match source.sqlite_error_code() {
            Some(ErrorCode::NotADatabase | ErrorCode::DatabaseCorrupt) => self.damaged(MALFORMED),
            Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => {
                Error::Busy { path: self.path.clone() }
            }
            _ => error,
        }
    }

    fn load_row(&self) -> Result<Option<Anchored>> {
        let row = self
            .connection
            .query_row("SELECT size, checkpoint, staged FROM anchor WHERE id = 1", [], |row| {
                Ok((row.get::<_, i64>(0)?, row.get(1)?, row.get(2)?))
            })
            .optional()
            .map_err(self.failed("read"))?;
        row.map(|(size, checkpoint, staged)| Ok(Anchored { size: self.unsigned(size)?, checkpoint, staged }))
            .transpose()
    }

    fn swap_rows(&self, old: &[u8], new: &Anchored, leaves: &[Hash]) -> Result<()> {
        let transaction = self.transaction()?;
        match self.read_mode()? {
            None | Some(Mode::Live) => {}
            Some(mode) => return Err(Error::NotLive { mode }),
        }
        let changed = transaction
            .execute(
                "UPDATE anchor SET size = ?2, checkpoint = ?3, staged = ?4 \
                 WHERE id = 1 AND checkpoint = ?1 AND size < ?2 AND size + ?5 = ?2",
                params![old, signed(new.size)?, new.checkpoint, new.staged, count(leaves)?],
            )
            .map_err(self.failed("write"))?;
        if changed != 1 {
            return Err(Error::Overtaken);
        }
        let first =
            new.size.checked_sub(u64::try_from(leaves.len()).unwrap_or(u64::MAX)).ok_or(Error::Overtaken)?;
        self.insert(&transaction, first, leaves)?;
        transaction.commit().map_err(self.failed("commit to"))
    }

    fn read_mode(&self) -> Result<Option<Mode>> {
        let text: Option<String> = self
            .connection
            .query_row("SELECT mode FROM anchor WHERE id = 1", [], |row| row.get(0))
            .optional()
            .map_err(self.failed("read"))?;
        let Some(text) = text else { return Ok(None) };
        let known =
            [Mode::Live, Mode::Restored, Mode::Frozen].into_iter().find(|mode| mode.to_string() == text);
        known.map(Some).ok_or_else(|| self.damaged("a mode that no log has"))
    }

    fn write_mode(&self, mode: Mode) -> Result<()> {
        let transaction = self.transaction()?;
        match self.read_mode()? {
            None => return Err(Error::NotFound { path: self.path.clone() }),
            Some(stored) if stored == mode => return Ok(()),
            Some(Mode::Frozen) => return Err(Error::NotLive { mode: Mode::Frozen }),
            Some(_) => {}
        }
        transaction
            .execute("UPDATE anchor SET mode = ?1 WHERE id = 1", [mode.to_string()])
            .map_err(self.failed("write"))?;
        transaction.commit().map_err(self.failed("commit to"))
    }

    fn unsigned(&self, number: i64) -> Result<u64> {
        u64::try_from(number).map_err(|_| self.damaged("a negative number"))
    }
}

impl Anchor for SqliteAnchor {
    fn load(&self) -> Result<Option<Anchored>> {
        self.load_row().map_err(|error| self.explain(error))
    }

    fn initialise(&mut self, first: &Anchored, mode: Mode) -> Result<()> {
        let stored = self
            .connection
            .execute(
                "INSERT INTO anchor (id, size, checkpoint, staged, mode) VALUES (1, ?1, ?2, ?3, ?4)",
                params![signed(first.size)?, first.checkpoint, first.staged, mode.to_string()],
            )
            .map_err(self.failed("write"));
        match stored {
            Err(Error::Database { source, .. })
                if source
                    .sqlite_error()
                    .is_some_and(|e| e.extended_code == rusqlite::ffi::SQLITE_CONSTRAINT_PRIMARYKEY) =>
            {
                Err(Error::Exists { path: self.path.clone() })
            }
            other => other.map(|_| ()).map_err(|error| self.explain(error)),
        }
    }

    fn swap(&mut self, old: &[u8], new: &Anchored, leaves: &[Hash]) -> Result<()> {
        self.swap_rows(old, new, leaves).map_err(|error| self.explain(error))
    }

    fn find(&self, leaves: &[Hash]) -> Result<Vec<Option<u64>>> {
        let look_up = || {
            let mut statement = self
                .connection
                .prepare_cached("SELECT min(position) FROM leaf WHERE hash = ?1")
                .map_err(self.failed("read"))?;
            leaves
                .iter()
                .map(|leaf| {
                    let position: Option<i64> = statement
                        .query_row(params![leaf.as_bytes()], |row| row.get(0))
                        .map_err(self.failed("read"))?;
                    position.map(|position| self.unsigned(position)).transpose()
                })
                .collect()
        };
        let found: Result<_> = look_up();
        found.map_err(|error| self.explain(error))
    }

    fn check(&self) -> Result<()> {
        self.check_file("PRAGMA quick_check(1)")
            .and_then(|()| self.check_index())
            .map_err(|error| self.explain(error))
    }

    fn leaves(&self, first: u64, count: usize) -> Result<Vec<(u64, Hash)>> {
        let Ok(first) = i64::try_from(first) else { return Ok(Vec::new()) };
        let count = i64::try_from(count).unwrap_or(i64::MAX);
        let query = "SELECT position, hash FROM leaf WHERE position >= ?1 ORDER BY position LIMIT ?2";
        let mut rows = Vec::new();
        self.each_leaf(query, params![first, count], |position, hash| {
            rows.push((position, Hash::from_bytes(hash)))
        })
        .map_err(|error| self.explain(error))?;
        Ok(rows)
    }

    fn is_indexed(&self, size: u64) -> Result<bool> {
        let (rows, last): (i64, Option<i64>) = self
            .connection
            .query_row("SELECT count(*), max(position) FROM leaf", [], |row| Ok((row.get(0)?, row.get(1)?)))
            .map_err(self.failed("read"))
            .map_err(|error| self.explain(error))?;
        // Positions are unique and not negative, so the right number of them below the size is all of them.
        Ok(self.unsigned(rows)? == size
            && last.is_none_or(|last| u64::try_from(last).is_ok_and(|last| last < size)))
    }

    fn rebuild(&mut self, leaves: &[Hash]) -> Result<()> {
        let rebuild = || {
            let transaction = self.transaction()?;
            transaction.execute("DELETE FROM leaf", []).map_err(self.failed("write"))?;
            self.insert(&transaction, 0, leaves)?;
            transaction.commit().map_err(self.failed("commit to"))
        };
        rebuild().map_err(|error| self.explain(error))
    }

    fn mode(&self) -> Result<Mode> {
        let mode = self.read_mode().map_err(|error| self.explain(error))?;
        Ok(mode.unwrap_or(Mode::Live))
    }

    fn set_mode(&mut self, mode: Mode) -> Result<()> {
        self.write_mode(mode).map_err(|error| self.explain(error))
    }
}

/// Flushes the directory that a file is in.
fn sync_parent(path: &Path) -> Result<()> {
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty());
    sync_directory(parent.unwrap_or(Path::new(".")))
}

/// SQLite's integers are signed; no tree comes near the limit.
fn signed(number: u64) -> Result<i64> {
    i64::try_from(number).map_err(|_| Error::Tlog(sealwax_tlog::Error::TreeFull))
}

fn count(leaves: &[Hash]) -> Result<i64> {
    i64::try_from(leaves.len()).map_err(|_| Error::Tlog(sealwax_tlog::Error::TreeFull))
}

fn database(action: &'static str, path: &Path, source: rusqlite::Error) -> Error {
    Error::Database { action, path: path.to_owned(), source }
}

const SCHEMA_VERSION: i64 = 2;
const MALFORMED: &str = "SQLite finds the database malformed";
/// How long SQLite waits for a program that holds the database in spite of the log's lock, a backup for example.
const BUSY_TIMEOUT: Duration = Duration::from_secs(1);
/// Above this size SQLite's own check takes longer than opening a log should.
const QUICK_CHECK_BELOW: u64 = 8 * 1024 * 1024;

//! The search index: from a digest, a key, an identity or a name to the entries that have it.
//!
//! ```text
//! index.db   SQLite: term (64 bits of a fact's hash, position), the newest checkpoints, which envelopes are kept
//! ```
//!
//! It is a convenience beside the log and never believed: a term is eight bytes of a hash, and every hit is compared with
//! the entry itself ([`Query::matches`]) before it is an answer. A lost, stale or poisoned index finds less, and nothing
//! that is not there. So it is not flushed with every commit; what a power cut takes from its end is added again by
//! [`SearchIndex::catch_up`], and [`SearchIndex::rebuild`] makes the whole of it from tiles and envelopes.

mod addition;
mod facts;
mod records;

use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::types::FromSql;
use rusqlite::{
    Connection, ErrorCode, OpenFlags, OptionalExtension, Params, Row, Transaction, TransactionBehavior,
    params,
};
use sealwax_tlog::Tile;

use crate::error::{Action, Error, Result};
use crate::storage::{Storage, create_new};
use crate::tree;
use crate::view::envelope_name;

use addition::{Addition, statement_terms};

pub use facts::Query;
pub use records::Published;

/// The index of one log.
///
/// There is one writer; others may open the same file to read. Every function can fail with [`Error::Database`], with
/// [`Error::Busy`] while another program holds the database, and with [`Error::Damaged`] where it is not what was stored.
#[derive(Debug)]
pub struct SearchIndex {
    path: PathBuf,
    connection: Connection,
}

/// A part of the answer to a search.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Page {
    /// Positions of entries, the newest first.
    pub positions: Vec<u64>,
    /// Where the next page begins, exclusive; `None` after the last one. There may be more although this page is short.
    pub next: Option<u64>,
}

impl SearchIndex {
    /// Opens the index, making an empty one where there is none.
    ///
    /// # Errors
    ///
    /// [`Error::NewerSchema`], [`Error::Io`] where the file cannot be created, and those of every function here.
    pub fn open(path: &Path) -> Result<SearchIndex> {
        match create_new(path, 0o600) {
            Err(source) if source.kind() != std::io::ErrorKind::AlreadyExists => {
                return Err(Error::io(Action::Write, path, source));
            }
            _ => {}
        }
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection =
            Connection::open_with_flags(path, flags).map_err(|source| database("open", path, source))?;
        let index = SearchIndex { path: path.to_owned(), connection };
        index.connection.busy_timeout(BUSY_TIMEOUT).map_err(index.failed("configure"))?;
        let found: i64 = index.value("read", "PRAGMA user_version", [])?;
        if found > SCHEMA_VERSION {
            return Err(Error::NewerSchema { path: index.path, found, known: SCHEMA_VERSION });
        }
        index.connection.execute_batch(CONFIGURATION).map_err(index.failed("configure"))?;
        if found != SCHEMA_VERSION {
            index.connection.execute_batch(SCHEMA).map_err(index.failed("create the tables of"))?;
        }
        Ok(index)
    }

    /// Makes the index anew from tiles and envelopes; what an index that is there says of checkpoints is kept if it can be
    /// read.
    ///
    /// Nobody else may have the index open.
    ///
    /// # Errors
    ///
    /// Those of [`SearchIndex::open`] for the new file and of [`SearchIndex::catch_up`].
    pub fn rebuild<S: Storage>(path: &Path, storage: &S, size: u64) -> Result<SearchIndex> {
        let history = SearchIndex::open(path).and_then(|old| old.history(u64::MAX, usize::MAX));
        // A write-ahead log that a crash left behind goes too: SQLite removes it where the database is empty.
        match std::fs::remove_file(path) {
            Err(source) if source.kind() != std::io::ErrorKind::NotFound => {
                return Err(Error::io(Action::Remove, path, source));
            }
            _ => {}
        }
        let mut index = SearchIndex::open(path)?;
        for published in history.unwrap_or_default() {
            index.publish(&published, usize::MAX)?;
        }
        index.catch_up(storage, size)?;
        Ok(index)
    }

    /// Returns how many entries are indexed.
    ///
    /// # Errors
    ///
    /// Those of every function here.
    pub fn indexed_size(&self) -> Result<u64> {
        let size = self.value("read", "SELECT size FROM indexed", [])?;
        self.unsigned(size)
    }

    /// Adds what is missing of a log's first `size` entries, in transactions of bounded size.
    ///
    /// After an append this reads the last bundle only. Entries are taken as they are stored, unproven.
    ///
    /// # Errors
    ///
    /// [`Error::Damaged`] where the index has more entries than the log or the log is damaged, and those of the storage and
    /// of every function here.
    pub fn catch_up<S: Storage>(&mut self, storage: &S, size: u64) -> Result<()> {
        let mut next = self.indexed_size()?;
        if next > size {
            return Err(self.damaged("an index of more entries than the log has"));
        }
        let kept = |digest: &[u8]| storage.read(&envelope_name(digest));
        while next < size {
            let mut addition = Addition::begin(self)?;
            let end = size.min(next.saturating_add(ENTRIES_AT_ONCE));
            while next < end && addition.has_room() {
                let bundle = Tile::for_entry(next, size)?;
                let skip = usize::try_from(next & 0xff).unwrap_or(usize::MAX);
                for entry in tree::read_entries(storage, &bundle)?.iter().skip(skip) {
                    if !addition.has_room() {
                        break;
                    }
                    addition.entry(next, entry, &kept)?;
                    next = next.saturating_add(1);
                }
            }
            addition.commit(next)?;
        }
        Ok(())
    }

    /// Adds the entries from position `from` on, in one transaction; some of them may be indexed already.
    ///
    /// An entry of a form that is not read is found by nothing here. `kept` reads the envelope that is stored for a digest.
    ///
    /// # Errors
    ///
    /// [`Error::Damaged`] where entries before `from` are missing, what `kept` says, and those of every function here.
    pub fn extend<B, K>(&mut self, from: u64, entries: &[B], kept: K) -> Result<()>
    where
        B: AsRef<[u8]>,
        K: Fn(&[u8]) -> Result<Option<Vec<u8>>>,
    {
        let size = self.indexed_size()?;
        if from > size {
            return Err(self.damaged("entries are missing from the index before those to add"));
        }
        let mut addition = Addition::begin(self)?;
        let mut next = from;
        for entry in entries {
            addition.entry(next, entry.as_ref(), &kept)?;
            next = next.saturating_add(1);
        }
        addition.commit(next.max(size))
    }

    /// Adds what an envelope says, for the entries that name its digest, and remembers that it is kept.
    ///
    /// Nothing happens where no entry names the digest.
    fn describe(&mut self, digest: &[u8], envelope: &[u8]) -> Result<()> {
        let positions = self.named(digest)?;
        let mut addition = Addition::begin(self)?;
        for position in positions {
            addition.envelope(position, digest, envelope)?;
        }
        let size = self.indexed_size()?;
        addition.commit(size)
    }

    /// Forgets an envelope that is no longer kept, and what it said.
    fn forget(&mut self, digest: &[u8], envelope: &[u8]) -> Result<()> {
        let positions = self.named(digest)?;
        let transaction = self.transaction()?;
        transaction
            .execute("DELETE FROM envelope WHERE digest = ?1", params![digest])
            .map_err(self.failed("write"))?;
        for term in statement_terms(envelope) {
            for position in &positions {
                let row = params![term, signed(*position)?];
                transaction
                    .prepare_cached("DELETE FROM term WHERE term = ?1 AND position = ?2")
                    .and_then(|mut statement| statement.execute(row))
                    .map_err(self.failed("write"))?;
            }
        }
        transaction.commit().map_err(self.failed("commit to"))
    }

    /// Finds entries below position `before`, the newest first: the log's size gives the first page.
    ///
    /// At most `limit` entries are looked at. `confirm` must tell whether the entry at a position is truly one, see
    /// [`Query::matches`].
    ///
    /// # Errors
    ///
    /// What `confirm` says, and those of every function here.
    pub fn find(
        &self,
        query: &Query<'_>,
        before: u64,
        limit: usize,
        mut confirm: impl FnMut(u64) -> Result<bool>,
    ) -> Result<Page> {
        let candidates: Vec<u64> = self.rows(
            "SELECT position FROM term WHERE term = ?1 AND position < ?2 ORDER BY position DESC LIMIT ?3",
            params![query.term(), saturating(before), saturating(limit)],
            |row| self.unsigned(row.get(0).map_err(self.failed("read"))?),
        )?;
        let next = candidates.last().copied().filter(|_| candidates.len() >= limit);
        let mut positions = Vec::new();
        for position in candidates {
            if confirm(position)? {
                positions.push(position);
            }
        }
        Ok(Page { positions, next })
    }

    /// Gives the positions that name a digest, the oldest first, as far as an envelope is indexed for them.
    fn named(&self, digest: &[u8]) -> Result<Vec<u64>> {
        self.rows(
            "SELECT position FROM term WHERE term = ?1 ORDER BY position LIMIT ?2",
            params![Query::Digest(digest).term(), DESCRIBED_AT_ONCE],
            |row| self.unsigned(row.get(0).map_err(self.failed("read"))?),
        )
    }

    fn rows<T>(
        &self,
        query: &str,
        parameters: impl Params,
        read: impl Fn(&Row<'_>) -> Result<T>,
    ) -> Result<Vec<T>> {
        let mut statement = self.connection.prepare_cached(query).map_err(self.failed("read"))?;
        let mut rows = statement.query(parameters).map_err(self.failed("read"))?;
        let mut list = Vec::new();
        while let Some(row) = rows.next().map_err(self.failed("read"))? {
            list.push(read(row)?);
        }
        Ok(list)
    }

    /// Runs a query whose answer is one value.
    fn value<T: FromSql>(&self, action: &'static str, query: &str, parameters: impl Params) -> Result<T> {
        self.connection
            .query_row(query, parameters, |row| row.get(0))
            .optional()
            .map_err(self.failed(action))?
            .ok_or_else(|| self.damaged("a row is missing"))
    }

    fn transaction(&self) -> Result<Transaction<'_>> {
        Transaction::new_unchecked(&self.connection, TransactionBehavior::Immediate)
            .map_err(self.failed("lock"))
    }

    fn failed(&self, action: &'static str) -> impl Fn(rusqlite::Error) -> Error {
        move |source| database(action, &self.path, source)
    }

    fn damaged(&self, what: &'static str) -> Error {
        damaged(&self.path, what)
    }

    fn unsigned(&self, number: i64) -> Result<u64> {
        u64::try_from(number).map_err(|_| self.damaged("a negative number"))
    }
}

/// SQLite's integers are signed; no tree comes near the limit.
fn signed(number: u64) -> Result<i64> {
    i64::try_from(number).map_err(|_| Error::Tlog(sealwax_tlog::Error::TreeFull))
}

/// For bounds, where more than the most is the most.
fn saturating(number: impl TryInto<i64>) -> i64 {
    number.try_into().unwrap_or(i64::MAX)
}

/// Tells damage and a busy database from other failures of SQLite.
fn database(action: &'static str, path: &Path, source: rusqlite::Error) -> Error {
    match source.sqlite_error_code() {
        Some(ErrorCode::NotADatabase | ErrorCode::DatabaseCorrupt) => {
            damaged(path, "SQLite finds the database malformed")
        }
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => Error::Busy { path: path.to_owned() },
        _ => Error::Database { action, path: path.to_owned(), source },
    }
}

fn damaged(path: &Path, what: &'static str) -> Error {
    Error::damaged(path.file_name().unwrap_or_default().to_string_lossy(), what)
}

/// Without a flush at every commit: a power cut may take the newest transactions, whole, and nothing before them. Terms are
/// hashes, so each touches a page of its own; 16 MiB of write-ahead log let a page be written back once for several.
const CONFIGURATION: &str = "
PRAGMA journal_mode = WAL;
PRAGMA synchronous = NORMAL;
PRAGMA trusted_schema = OFF;
PRAGMA cell_size_check = ON;
PRAGMA cache_size = -16384;
PRAGMA wal_autocheckpoint = 4096;
";
const SCHEMA: &str = "
BEGIN IMMEDIATE;
CREATE TABLE term (
    term     INTEGER NOT NULL,
    position INTEGER NOT NULL CHECK (position >= 0),
    PRIMARY KEY (term, position)
) STRICT, WITHOUT ROWID;
CREATE TABLE indexed (
    id             INTEGER NOT NULL PRIMARY KEY CHECK (id = 1),
    size           INTEGER NOT NULL CHECK (size >= 0),
    envelope_bytes INTEGER NOT NULL CHECK (envelope_bytes >= 0)
) STRICT;
INSERT INTO indexed (id, size, envelope_bytes) VALUES (1, 0, 0);
CREATE TABLE checkpoint (
    size         INTEGER NOT NULL PRIMARY KEY CHECK (size >= 0),
    published_at INTEGER NOT NULL,
    note         BLOB    NOT NULL
) STRICT;
CREATE TABLE envelope (
    digest   BLOB    NOT NULL PRIMARY KEY,
    position INTEGER NOT NULL CHECK (position >= 0),
    bytes    INTEGER NOT NULL CHECK (bytes >= 0)
) STRICT, WITHOUT ROWID;
CREATE TRIGGER envelope_kept AFTER INSERT ON envelope
BEGIN UPDATE indexed SET envelope_bytes = envelope_bytes + NEW.bytes; END;
CREATE TRIGGER envelope_forgotten AFTER DELETE ON envelope
BEGIN UPDATE indexed SET envelope_bytes = envelope_bytes - OLD.bytes; END;
PRAGMA user_version = 1;
COMMIT;
";
const SCHEMA_VERSION: i64 = 1;
/// How long SQLite waits for a program that holds the database.
const BUSY_TIMEOUT: Duration = Duration::from_secs(1);
/// How many entries one transaction of catching up adds: many, so that each page of the table is written seldom.
const ENTRIES_AT_ONCE: u64 = 65_536;
/// For how many entries of one digest an envelope that came later is indexed.
const DESCRIBED_AT_ONCE: i64 = 1_024;

#[cfg(test)]
mod tests;

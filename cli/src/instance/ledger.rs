//! What an instance remembers of tokens and invitations, in SQLite: each is exchanged once, whoever asks at the same time and
//! wherever the process ends.
//!
//! Of a token and of an invitation's secret only SHA-256 is kept: who reads the ledger can use neither.

use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use rusqlite::{Connection, OpenFlags, OptionalExtension as _, Row, TransactionBehavior, params};
use sealwax_authority::Invitation;
use sealwax_server::Ledger as Exchanges;

use crate::error::Error;
use crate::files;

/// The ledger of an instance.
pub(crate) struct Ledger {
    path: PathBuf,
    connection: Mutex<Connection>,
}

impl Ledger {
    /// Makes an empty ledger.
    ///
    /// # Errors
    /// [`Error::Exists`], [`Error::Ledger`].
    pub(crate) fn create(path: &Path) -> Result<(), Error> {
        files::create_private(path, "")?;
        let ledger = Self::connect(path)?;
        ledger.locked().execute_batch(SCHEMA).map_err(|source| ledger.failed(source))
    }

    /// Opens the ledger.
    ///
    /// # Errors
    /// [`Error::Ledger`], also for one of a newer Sealwax.
    pub(crate) fn open(path: &Path) -> Result<Self, Error> {
        let ledger = Self::connect(path)?;
        let version: i64 = ledger
            .locked()
            .pragma_query_value(None, "user_version", |row| row.get(0))
            .map_err(|source| ledger.failed(source))?;
        if version == VERSION {
            return Ok(ledger);
        }
        let reason = format!("a ledger of version {version}, not {VERSION}");
        Err(Error::BadInstance { path: path.to_owned(), reason })
    }

    fn connect(path: &Path) -> Result<Self, Error> {
        // Whatever is missing is missed, and not made anew: an empty ledger would let everything be used again.
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connect = || {
            let connection = Connection::open_with_flags(path, flags)?;
            connection.busy_timeout(PATIENCE)?;
            connection.pragma_update_and_check(None, "journal_mode", "wal", |_| Ok(()))?;
            connection.pragma_update(None, "synchronous", "full")?;
            Ok(connection)
        };
        let connection = connect().map_err(|source| Error::Ledger { path: path.to_owned(), source })?;
        Ok(Self { path: path.to_owned(), connection: Mutex::new(connection) })
    }

    /// Adds an invitation.
    ///
    /// # Errors
    /// [`Error::Ledger`].
    pub(crate) fn invite(&self, invitation: &Invitation) -> Result<(), Error> {
        let Invitation { secret_hash, email, expires } = invitation;
        let row = params![secret_hash, email, expires.as_second()];
        let added = self.locked().execute("INSERT INTO invitations VALUES (?1, ?2, ?3, NULL)", row);
        added.map(|_| ()).map_err(|source| self.failed(source))
    }

    /// Gives all invitations, those that end first before the others, each with the time at which it was redeemed.
    ///
    /// # Errors
    /// [`Error::Ledger`].
    pub(crate) fn invitations(&self) -> Result<Vec<(Invitation, Option<Timestamp>)>, Error> {
        let read = |connection: &Connection| -> rusqlite::Result<Vec<_>> {
            let query = "SELECT secret, email, expires, redeemed FROM invitations ORDER BY expires, secret";
            let mut statement = connection.prepare(query)?;
            let row = |row: &Row<'_>| Ok((invitation(row)?, row.get::<_, Option<i64>>(3)?.map(timestamp)));
            statement.query_map([], row)?.collect()
        };
        read(&self.locked()).map_err(|source| self.failed(source))
    }

    /// Removes an invitation that was not redeemed; `false` where there is none.
    ///
    /// # Errors
    /// [`Error::Ledger`].
    pub(crate) fn revoke(&self, secret: &[u8]) -> Result<bool, Error> {
        let delete = "DELETE FROM invitations WHERE secret = ?1 AND redeemed IS NULL";
        let removed = self.locked().execute(delete, params![secret]);
        removed.map(|removed| removed > 0).map_err(|source| self.failed(source))
    }

    fn locked(&self) -> MutexGuard<'_, Connection> {
        self.connection.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn failed(&self, source: rusqlite::Error) -> Error {
        Error::Ledger { path: self.path.clone(), source }
    }
}

impl Exchanges for Ledger {
    fn spend(&self, token: &[u8; 32], expires: i64, now: i64) -> Result<bool, String> {
        let spend = |connection: &mut Connection| {
            let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
            // A token that has expired is refused whatever is remembered of it.
            transaction.execute("DELETE FROM spent WHERE expires < ?1", params![now])?;
            let insert = "INSERT INTO spent VALUES (?1, ?2) ON CONFLICT DO NOTHING";
            let fresh = transaction.execute(insert, params![token, expires])? == 1;
            transaction.commit().map(|()| fresh)
        };
        spend(&mut self.locked()).map_err(|source| self.failed(source).to_string())
    }

    fn redeem(&self, secret: &[u8; 32], now: i64) -> Result<Option<Invitation>, String> {
        // One statement: of two who ask at the same time one finds it redeemed.
        let update = "UPDATE invitations SET redeemed = ?2
            WHERE secret = ?1 AND redeemed IS NULL AND expires > ?2 RETURNING secret, email, expires";
        let redeemed = self.locked().query_row(update, params![secret, now], invitation).optional();
        redeemed.map_err(|source| self.failed(source).to_string())
    }
}

fn invitation(row: &Row<'_>) -> rusqlite::Result<Invitation> {
    Ok(Invitation { secret_hash: row.get(0)?, email: row.get(1)?, expires: timestamp(row.get(2)?) })
}

fn timestamp(seconds: i64) -> Timestamp {
    Timestamp::from_second(seconds).unwrap_or(Timestamp::MAX)
}

const VERSION: i64 = 1;
const SCHEMA: &str = "
    BEGIN;
    CREATE TABLE invitations (
        secret BLOB PRIMARY KEY, email TEXT NOT NULL, expires INTEGER NOT NULL, redeemed INTEGER
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE spent (token BLOB PRIMARY KEY, expires INTEGER NOT NULL) STRICT, WITHOUT ROWID;
    PRAGMA user_version = 1;
    COMMIT;
";
/// How long another process, such as `instance invite` beside a server, is waited for.
const PATIENCE: Duration = Duration::from_secs(10);

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: i64 = 1_800_000_000;

    fn ledger(dir: &Path) -> Ledger {
        let path = dir.join("ledger.db");
        Ledger::create(&path).unwrap();
        Ledger::open(&path).unwrap()
    }

    fn invitation(secret: u8) -> Invitation {
        let email = "alice@example.com".to_owned();
        Invitation { secret_hash: [secret; 32], email, expires: timestamp(NOW + 60) }
    }

    #[test]
    fn a_token_is_spent_once_also_by_another_process() {
        let dir = tempfile::tempdir().unwrap();
        let ledger = ledger(dir.path());
        assert!(ledger.spend(&[1; 32], NOW + 10, NOW).unwrap());
        assert!(!ledger.spend(&[1; 32], NOW + 10, NOW).unwrap());
        let other = Ledger::open(&dir.path().join("ledger.db")).unwrap();
        assert!(!other.spend(&[1; 32], NOW + 10, NOW + 10).unwrap());
        assert!(other.spend(&[2; 32], NOW + 10, NOW).unwrap());
        // What has expired is forgotten: whoever asks refuses it for its age.
        assert!(other.spend(&[3; 32], NOW + 99, NOW + 11).unwrap());
        assert!(other.spend(&[1; 32], NOW + 99, NOW + 11).unwrap());
    }

    #[test]
    fn an_invitation_is_redeemed_once_in_time_and_not_after_it_was_revoked() {
        let dir = tempfile::tempdir().unwrap();
        let ledger = ledger(dir.path());
        for secret in 1..=3 {
            ledger.invite(&invitation(secret)).unwrap();
        }
        assert!(ledger.invite(&invitation(1)).is_err());
        assert_eq!(ledger.redeem(&[9; 32], NOW).unwrap(), None);
        assert_eq!(ledger.redeem(&[1; 32], NOW + 60).unwrap(), None, "it is too late");
        assert_eq!(ledger.redeem(&[1; 32], NOW + 59).unwrap(), Some(invitation(1)));
        assert_eq!(ledger.redeem(&[1; 32], NOW).unwrap(), None, "it was redeemed");
        assert!(!ledger.revoke(&[1; 32]).unwrap(), "what was redeemed stays on record");
        assert!(ledger.revoke(&[2; 32]).unwrap());
        assert_eq!(ledger.redeem(&[2; 32], NOW).unwrap(), None, "it was revoked");
        let left = ledger.invitations().unwrap();
        assert_eq!(left, [(invitation(1), Some(timestamp(NOW + 59))), (invitation(3), None)]);
    }

    #[test]
    fn of_many_who_redeem_at_once_one_does() {
        let dir = tempfile::tempdir().unwrap();
        let ledger = ledger(dir.path());
        ledger.invite(&invitation(1)).unwrap();
        let path = dir.path().join("ledger.db");
        let winners = std::thread::scope(|scope| {
            let redeem = || Ledger::open(&path).unwrap().redeem(&[1; 32], NOW).unwrap().is_some();
            let threads: Vec<_> = (0..8).map(|_| scope.spawn(redeem)).collect();
            threads.into_iter().filter_map(|thread| thread.join().unwrap().then_some(())).count()
        });
        assert_eq!(winners, 1);
    }

    #[test]
    fn k01_only_its_owner_reads_it_and_a_missing_one_is_not_made() {
        use std::os::unix::fs::PermissionsExt as _;

        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("ledger.db");
        assert!(Ledger::open(&path).is_err());
        assert!(!path.exists());
        ledger(dir.path());
        assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o600);
        Connection::open(&path).unwrap().pragma_update(None, "user_version", 2).unwrap();
        assert!(Ledger::open(&path).is_err());
    }
}

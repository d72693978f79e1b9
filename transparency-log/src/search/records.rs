//! What the index remembers beside its terms: published checkpoints, and which envelopes are kept.

use rusqlite::params;

use super::{SearchIndex, saturating};
use crate::error::Result;
use crate::storage::Storage;
use crate::view::envelope_name;

/// A checkpoint that was published.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Published {
    /// The tree's size, in entries.
    pub size: u64,
    /// When it was published, in seconds since 1970 UTC.
    pub published_at: i64,
    /// The signed note, exactly as published.
    pub note: Vec<u8>,
}

/// An envelope that is kept beside the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct KeptEnvelope {
    /// The digest under which it is stored.
    pub(super) digest: Vec<u8>,
    /// The first entry that names the digest.
    pub(super) position: u64,
    /// Its length in bytes.
    pub(super) bytes: u64,
}

impl SearchIndex {
    /// Remembers a published checkpoint, and of all of them the newest `keep`. One of the same size is replaced.
    ///
    /// # Errors
    ///
    /// Those of every function here.
    pub fn publish(&mut self, published: &Published, keep: usize) -> Result<()> {
        let Published { size, published_at, note } = published;
        let transaction = self.transaction()?;
        transaction
            .execute(
                "INSERT OR REPLACE INTO checkpoint (size, published_at, note) VALUES (?1, ?2, ?3)",
                params![saturating(*size), published_at, note],
            )
            .and_then(|_| {
                transaction.execute(
                    "DELETE FROM checkpoint WHERE size <= \
                     (SELECT size FROM checkpoint ORDER BY size DESC LIMIT 1 OFFSET ?1)",
                    params![saturating(keep)],
                )
            })
            .map_err(self.failed("write"))?;
        transaction.commit().map_err(self.failed("commit to"))
    }

    /// Lists published checkpoints of sizes below `before`, the newest first.
    ///
    /// # Errors
    ///
    /// Those of every function here.
    pub fn history(&self, before: u64, limit: usize) -> Result<Vec<Published>> {
        self.rows(
            "SELECT size, published_at, note FROM checkpoint WHERE size < ?1 ORDER BY size DESC LIMIT ?2",
            params![saturating(before), saturating(limit)],
            |row| {
                let read = || Ok((row.get(0)?, row.get(1)?, row.get(2)?));
                let (size, published_at, note) = read().map_err(self.failed("read"))?;
                Ok(Published { size: self.unsigned(size)?, published_at, note })
            },
        )
    }

    /// Returns the length of all kept envelopes together, in bytes.
    ///
    /// # Errors
    ///
    /// Those of every function here.
    pub fn envelope_bytes(&self) -> Result<u64> {
        let bytes = self.value("read", "SELECT envelope_bytes FROM indexed", [])?;
        self.unsigned(bytes)
    }

    /// Keeps the envelope behind a digest: stores it beside the log, and indexes what it says for the entries that name the
    /// digest. `Ok(false)` where all envelopes together would exceed `most` bytes.
    ///
    /// That it is the envelope of that digest is for the caller to know. One that is kept already is not replaced.
    ///
    /// # Errors
    ///
    /// Those of the storage and of every function here.
    pub fn keep<S: Storage>(
        &mut self,
        storage: &S,
        digest: &[u8],
        envelope: &[u8],
        most: u64,
    ) -> Result<bool> {
        let name = envelope_name(digest);
        if storage.read(&name)?.is_none() {
            let bytes = u64::try_from(envelope.len()).unwrap_or(u64::MAX);
            if self.envelope_bytes()?.saturating_add(bytes) > most {
                return Ok(false);
            }
            storage.write(&name, envelope)?;
        }
        self.describe(digest, envelope)?;
        Ok(true)
    }

    /// Removes the envelopes of the oldest entries until all together have at most `most` bytes; says how many went.
    ///
    /// # Errors
    ///
    /// Those of the storage and of every function here.
    pub fn prune<S: Storage>(&mut self, storage: &S, most: u64) -> Result<u64> {
        let mut total = self.envelope_bytes()?;
        let mut removed = 0u64;
        while total > most {
            let oldest = self.oldest_envelopes(PRUNED_AT_ONCE)?;
            if oldest.is_empty() {
                break;
            }
            for KeptEnvelope { digest, bytes, .. } in oldest {
                if total <= most {
                    break;
                }
                let name = envelope_name(&digest);
                self.forget(&digest, &storage.read(&name)?.unwrap_or_default())?;
                storage.remove(&name)?;
                total = total.saturating_sub(bytes);
                removed = removed.saturating_add(1);
            }
        }
        Ok(removed)
    }

    /// Lists the kept envelopes of the oldest entries; takes time in proportion to the number of all.
    pub(super) fn oldest_envelopes(&self, limit: usize) -> Result<Vec<KeptEnvelope>> {
        self.rows(
            "SELECT digest, position, bytes FROM envelope ORDER BY position LIMIT ?1",
            params![saturating(limit)],
            |row| {
                let read = || Ok((row.get(0)?, row.get(1)?, row.get(2)?));
                let (digest, position, bytes) = read().map_err(self.failed("read"))?;
                Ok(KeptEnvelope { digest, position: self.unsigned(position)?, bytes: self.unsigned(bytes)? })
            },
        )
    }
}

/// How many envelopes are listed at a time to prune them.
const PRUNED_AT_ONCE: usize = 1_024;

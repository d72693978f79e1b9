//! Writing to the index: what one transaction adds.

use rusqlite::{Transaction, params};
use sealwax_attestation::{Envelope, LoggedEntry};
use sealwax_tlog::Hash;

use super::{Query, SearchIndex, facts, saturating, signed};
use crate::error::Result;

/// One transaction that adds entries and what envelopes say.
pub(super) struct Addition<'a> {
    index: &'a SearchIndex,
    transaction: Transaction<'a>,
    /// Term and position; written at the end in the order of the table, so that its pages are visited once.
    terms: Vec<(i64, i64)>,
}

impl<'a> Addition<'a> {
    pub(super) fn begin(index: &'a SearchIndex) -> Result<Addition<'a>> {
        Ok(Addition { index, transaction: index.transaction()?, terms: Vec::new() })
    }

    pub(super) fn has_room(&self) -> bool {
        self.terms.len() < TERMS_AT_ONCE
    }

    pub(super) fn entry<K>(&mut self, position: u64, body: &[u8], kept: &K) -> Result<()>
    where
        K: Fn(&[u8]) -> Result<Option<Vec<u8>>>,
    {
        let row = signed(position)?;
        self.terms.push((Query::Leaf(Hash::leaf(body).as_bytes()).term(), row));
        let Ok(entry) = LoggedEntry::from_body(body) else { return Ok(()) };
        facts::of_entry(&entry, &mut |fact| self.terms.push((fact.term(), row)));
        match kept(entry.digest())? {
            Some(envelope) => self.envelope(position, entry.digest(), &envelope),
            None => Ok(()),
        }
    }

    pub(super) fn envelope(&mut self, position: u64, digest: &[u8], envelope: &[u8]) -> Result<()> {
        let row = signed(position)?;
        self.transaction
            .prepare_cached("INSERT OR IGNORE INTO envelope (digest, position, bytes) VALUES (?1, ?2, ?3)")
            .and_then(|mut statement| statement.execute(params![digest, row, saturating(envelope.len())]))
            .map_err(self.index.failed("write"))?;
        let first: i64 = self
            .transaction
            .query_row("SELECT position FROM envelope WHERE digest = ?1", params![digest], |row| row.get(0))
            .map_err(self.index.failed("read"))?;
        // A statement of many files, signed again and again, must not grow the index by all of them each time.
        let count = if first == row { usize::MAX } else { REPEATED_FACTS };
        self.terms.extend(statement_terms(envelope).into_iter().take(count).map(|term| (term, row)));
        Ok(())
    }

    /// Writes the terms and makes the indexed size `size`.
    pub(super) fn commit(mut self, size: u64) -> Result<()> {
        self.terms.sort_unstable();
        let insert = || {
            let mut statement = self
                .transaction
                .prepare_cached("INSERT OR IGNORE INTO term (term, position) VALUES (?1, ?2)")?;
            for (term, position) in &self.terms {
                statement.execute(params![term, position])?;
            }
            self.transaction.execute("UPDATE indexed SET size = ?1", params![saturating(size)])
        };
        insert().map_err(self.index.failed("write"))?;
        self.transaction.commit().map_err(self.index.failed("commit to"))
    }
}

pub(super) fn statement_terms(envelope: &[u8]) -> Vec<i64> {
    let mut terms = Vec::new();
    if let Ok(envelope) = Envelope::from_text(envelope) {
        facts::of_statement(&envelope, &mut |fact| terms.push(fact.term()));
    }
    terms
}

/// How many facts of a statement are indexed for the entries after the first that signs it: subjects come first.
const REPEATED_FACTS: usize = 32;
/// How many terms are gathered before they are written: 16 MiB of memory.
const TERMS_AT_ONCE: usize = 1_048_576;

//! What goes into a log and what comes back.

use sealwax_attestation::{EntryFormat, InclusionProof, TransparencyLogEntry};
use sealwax_tlog::{Hash, VerifierKey};

use crate::error::{Error, Result};
use crate::tree::CHECKPOINT;

/// One entry to append; the caller has checked what it says.
#[derive(Clone, Copy, Debug)]
pub struct NewEntry<'a> {
    /// The canonical bytes that become the leaf, at most 65,535.
    pub body: &'a [u8],
    /// The digest that the entry names, of whichever hash, and the bytes to keep under it.
    ///
    /// Whether they belong together is for the caller to know. Of several envelopes for one digest the last is kept.
    pub envelope: Option<(&'a [u8], &'a [u8])>,
}

/// Where an entry is in the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Placed {
    /// The entry's position, counted from 0.
    pub index: u64,
    /// The entry's leaf hash.
    pub leaf: Hash,
    /// Whether the entry was in the log already, or earlier in the same batch.
    pub existing: bool,
}

/// The proof that an entry is in the log, complete for a verifier that knows the log's key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Receipt {
    /// The entry's position, counted from 0.
    pub index: u64,
    /// The number of entries under the checkpoint.
    pub size: u64,
    /// The root that the checkpoint signs.
    pub root: Hash,
    /// The entry's leaf hash.
    pub leaf: Hash,
    /// The inclusion proof, from the leaf upwards.
    pub proof: Vec<Hash>,
    /// The signed note.
    pub checkpoint: Vec<u8>,
    /// Whether the entry was in the log already, or earlier in the same batch.
    pub existing: bool,
}

impl Receipt {
    /// Writes the receipt as the entry that a bundle carries; `body` is what was appended, `log` the log's key.
    ///
    /// # Errors
    ///
    /// [`Error::Damaged`] where the note is no text, which no note of a log is.
    pub fn to_entry(&self, log: &VerifierKey, body: Vec<u8>) -> Result<TransparencyLogEntry> {
        let checkpoint = String::from_utf8(self.checkpoint.clone())
            .map_err(|_| Error::damaged(CHECKPOINT, "a checkpoint that is not text"))?;
        Ok(TransparencyLogEntry {
            format: EntryFormat::HashedRekord002,
            log_index: self.index,
            log_id: log.log_id().to_vec(),
            promise: None,
            inclusion_proof: InclusionProof {
                log_index: self.index,
                root_hash: *self.root.as_bytes(),
                tree_size: self.size,
                hashes: self.proof.iter().map(|hash| *hash.as_bytes()).collect(),
                checkpoint,
            },
            canonicalized_body: body,
        })
    }
}

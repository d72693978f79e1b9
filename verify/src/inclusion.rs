//! Inclusion of the rebuilt entry under a checkpoint that a trusted log signed and enough witnesses cosigned.

use jiff::Timestamp;

use sealwax_attestation::TrustedRoot;
use sealwax_tlog::proof::verify_inclusion;
use sealwax_tlog::{Checkpoint, Hash, SignedNote, WitnessPolicy};

use crate::Rejection;
use crate::entry::Rebuilt;

/// Proof that an entry is in a trusted log; made only by the inclusion check.
#[derive(Clone, Debug)]
pub struct Included {
    origin: String,
    log_id: Vec<u8>,
    index: u64,
    tree_size: u64,
    witnesses: Vec<String>,
}

impl Included {
    /// The log's origin.
    pub fn origin(&self) -> &str {
        &self.origin
    }

    /// The log's key id.
    pub fn log_id(&self) -> &[u8] {
        &self.log_id
    }

    /// The entry's position, from 0.
    pub fn index(&self) -> u64 {
        self.index
    }

    /// The size of the tree that the proof leads to.
    pub fn tree_size(&self) -> u64 {
        self.tree_size
    }

    /// The witnesses of the policy that cosigned the checkpoint.
    pub fn witnesses(&self) -> &[String] {
        &self.witnesses
    }
}

/// Proves the bundle's one log entry.
pub(crate) fn check(
    rebuilt: Rebuilt<'_>,
    root: &TrustedRoot,
    witnesses: Option<&WitnessPolicy>,
    now: Timestamp,
) -> Result<Included, Rejection> {
    let (entry, leaf) = match rebuilt.into_parts() {
        ([], _) | (_, None) => return Err(Rejection::LogEntryMissing),
        ([entry], Some(leaf)) => (entry, leaf),
        // One entry for one log: copies of it must not count as more than one (attack T10), so they are not taken at all.
        (several, _) => return Err(Rejection::LogEntriesSeveral(several.len())),
    };
    let unknown = || Rejection::LogUnknown { log_id: hex::encode(&entry.log_id) };
    let log = root.logs.iter().find(|log| log.log_id == entry.log_id).ok_or_else(unknown)?;
    let origin = log.origin.clone();
    if now < log.valid_from {
        return Err(Rejection::LogKeyNotYetValid { origin, valid_from: log.valid_from });
    }
    // The end of the window is not held against the entry: nothing here proves when it was made, and a frozen log's
    // entries stay good. A proven time will be.
    let bad_checkpoint = |reason| Rejection::Checkpoint { origin: origin.clone(), reason };
    let proof = &entry.inclusion_proof;
    let key = log.verifier_key()?;
    let checkpoint = Checkpoint::open(proof.checkpoint.as_bytes(), &key).map_err(bad_checkpoint)?;
    let mismatch = |what| Err(Rejection::CheckpointMismatch { what });
    if checkpoint.root != Hash::from_bytes(proof.root_hash) {
        return mismatch("the root hash");
    }
    if checkpoint.size != proof.tree_size {
        return mismatch("the tree size");
    }
    // Outer and inner index differ only in sharded logs of another version.
    if entry.log_index != proof.log_index {
        return mismatch("the log index");
    }
    let hashes: Vec<Hash> = proof.hashes.iter().copied().map(Hash::from_bytes).collect();
    verify_inclusion(&leaf, proof.log_index, checkpoint.size, &hashes, &checkpoint.root)
        .map_err(|_| Rejection::InclusionProof)?;
    let witnesses = match witnesses {
        None => Vec::new(),
        Some(policy) => {
            // A log that vouches for itself is no witness (attack K09).
            if policy.witnesses().any(|witness| *witness.key.public_key() == log.key) {
                return Err(Rejection::LogKeyAsWitness { origin });
            }
            let note = SignedNote::parse(proof.checkpoint.as_bytes()).map_err(Rejection::WitnessQuorum)?;
            let cosigned = policy.quorum_met(&note).map_err(Rejection::WitnessQuorum)?;
            cosigned.witnesses.into_iter().map(|(name, _)| name).collect()
        }
    };
    Ok(Included {
        origin,
        log_id: entry.log_id.clone(),
        index: proof.log_index,
        tree_size: checkpoint.size,
        witnesses,
    })
}

//! Inclusion of the rebuilt entry under a checkpoint that a trusted log signed and enough witnesses cosigned.

use jiff::Timestamp;

use sealwax_attestation::{InclusionProof, TrustedRoot};
use sealwax_tlog::proof::verify_inclusion;
use sealwax_tlog::{Checkpoint, Hash, SignedNote, WitnessPolicy};

use crate::Rejection;
use crate::entry::Rebuilt;
use crate::times::{ProvenTime, Times};

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
    rebuilt: &Rebuilt<'_>,
    root: &TrustedRoot,
    witnesses: Option<&WitnessPolicy>,
    times: &Times,
    now: Timestamp,
) -> Result<Included, Rejection> {
    let mut leaves = rebuilt.leaves();
    let (entry, leaf) = match (leaves.len(), leaves.next()) {
        (1, Some(only)) => only,
        (0, _) | (_, None) => return Err(Rejection::LogEntryMissing),
        // One entry for one log: copies of it must not count as more than one (attack T10), so they are not taken at all.
        (several, _) => return Err(Rejection::LogEntriesSeveral(several)),
    };
    let unknown = || Rejection::LogUnknown { log_id: hex::encode(&entry.log_id) };
    let log = root.logs.iter().find(|log| log.log_id == entry.log_id).ok_or_else(unknown)?;
    let origin = log.origin.clone();
    if now < log.valid_from {
        return Err(Rejection::LogKeyNotYetValid { origin, valid_from: log.valid_from });
    }
    // The end of the window is held against the entry only where a time is proven: a frozen log's entries stay good.
    if let (Some(end), Some(time)) = (log.valid_until, times.all().iter().map(ProvenTime::time).min())
        && time > end
    {
        return Err(Rejection::LogRetired { origin, time });
    }
    let bad_checkpoint = |reason| Rejection::Checkpoint { origin: origin.clone(), reason };
    let proof = &entry.inclusion_proof;
    let rekor_v1 = entry.format.is_rekor_v1();
    if rekor_v1 && proof.checkpoint.is_empty() {
        return Err(without_checkpoint(proof, leaf));
    }
    let key = log.verifier_key()?;
    let note = proof.checkpoint.as_bytes();
    let opened = if rekor_v1 { Checkpoint::open_rekor_v1(note, &key) } else { Checkpoint::open(note, &key) };
    let checkpoint = opened.map_err(bad_checkpoint)?;
    let mismatch = |what| Err(Rejection::CheckpointMismatch { what });
    if checkpoint.root != Hash::from_bytes(proof.root_hash) {
        return mismatch("the root hash");
    }
    if checkpoint.size != proof.tree_size {
        return mismatch("the tree size");
    }
    // Outer and inner index differ only in Rekor v1 logs, which count on over all their trees; the promise covers the outer.
    if !rekor_v1 && entry.log_index != proof.log_index {
        return mismatch("the log index");
    }
    verify_inclusion(&leaf, proof.log_index, checkpoint.size, &hashes(proof), &checkpoint.root)
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

/// Says what is wrong where no checkpoint signs the root: the proof itself, or only that.
fn without_checkpoint(proof: &InclusionProof, leaf: Hash) -> Rejection {
    let root = Hash::from_bytes(proof.root_hash);
    match verify_inclusion(&leaf, proof.log_index, proof.tree_size, &hashes(proof), &root) {
        Ok(()) => Rejection::CheckpointMissing,
        Err(_) => Rejection::InclusionProof,
    }
}

fn hashes(proof: &InclusionProof) -> Vec<Hash> {
    proof.hashes.iter().copied().map(Hash::from_bytes).collect()
}

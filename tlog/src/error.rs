//! Every way in which bytes can fail to be what they claim.

use crate::Hash;

/// A refusal by this room; nothing here is an I/O failure.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A hash was not 32 bytes long.
    #[error("a hash has 32 bytes, this one has {found}")]
    HashLength {
        /// The length that was found.
        found: usize,
    },
    /// Text was not canonical, padded standard base64.
    #[error("the {what} is not canonical base64")]
    Base64 {
        /// What the text should have been.
        what: &'static str,
    },
    /// A leaf index is not below the tree size.
    #[error("leaf {index} does not exist in a tree of {size} leaves")]
    IndexBeyondTree {
        /// The index asked for, counted from 0.
        index: u64,
        /// The number of leaves.
        size: u64,
    },
    /// The newer tree is smaller than the older one.
    #[error("a tree of {new} leaves cannot extend one of {old} leaves")]
    TreeShrank {
        /// Leaves of the older tree.
        old: u64,
        /// Leaves of the newer tree.
        new: u64,
    },
    /// A proof has more or fewer hashes than its sizes ask for.
    #[error("the proof has {found} hashes, not the number that its tree sizes ask for")]
    ProofLength {
        /// The number of hashes in the proof.
        found: usize,
    },
    /// A proof leads to another root than the one given.
    #[error("the proof leads to the root {computed}, not to {expected}")]
    RootMismatch {
        /// The root that follows from the proof.
        computed: Hash,
        /// The root it was checked against.
        expected: Hash,
    },
    /// The tree already has 2^64 - 1 leaves.
    #[error("the tree is full")]
    TreeFull,
    /// A right edge was given a number of hashes that does not fit its size.
    #[error("a tree of {size} leaves has another number of right-edge hashes than {found}")]
    EdgeLength {
        /// Leaves of the tree.
        size: u64,
        /// Hashes that were given.
        found: usize,
    },
    /// A text is not the canonical path of a tile.
    #[error("not a tile path")]
    TilePath,
    /// The tile, or the node sought in it, does not exist in a tree of this size or shape.
    #[error("no such tile or node in a tree of this size")]
    NoSuchTile,
    /// A tile's bytes have the wrong length.
    #[error("a tile of {width} hashes has {found} bytes")]
    TileLength {
        /// Hashes that the tile should hold.
        width: u16,
        /// Bytes that it has.
        found: usize,
    },
    /// An entry does not fit the two-byte length of an entry bundle.
    #[error("an entry of {length} bytes is larger than 65535 bytes")]
    EntryTooLarge {
        /// The entry's length.
        length: usize,
    },
    /// An entry bundle does not hold exactly the number of entries that its path says.
    #[error("the entry bundle does not hold exactly {expected} entries")]
    EntryCount {
        /// Entries that it should hold.
        expected: u16,
    },
    /// A verifier key's text is malformed or does not match its own key identifier.
    #[error("malformed verifier key: {reason}")]
    VerifierKey {
        /// The rule that is broken.
        reason: &'static str,
    },
    /// A signed note breaks the C2SP signed-note format.
    #[error("malformed signed note: {reason}")]
    Note {
        /// The rule that is broken.
        reason: &'static str,
    },
    /// A signature line names a known key and does not verify: the whole note is refused.
    #[error("the signature by the known key {name:?} does not verify")]
    BadSignature {
        /// The key's name.
        name: String,
    },
    /// No signature line is by a known key.
    #[error("no signature by a known key")]
    NoKnownSignature,
    /// Two known keys share one name and key identifier, so a signature line would be ambiguous.
    #[error("two known keys share the name {name:?} and one key identifier")]
    AmbiguousKey {
        /// The shared name.
        name: String,
    },
    /// A checkpoint's text breaks the C2SP tlog-checkpoint format.
    #[error("malformed checkpoint: {reason}")]
    Checkpoint {
        /// The rule that is broken.
        reason: &'static str,
    },
    /// A checkpoint of size 0 has another root than the empty tree's.
    #[error("malformed checkpoint: size 0 with the root {found}, which is not that of the empty tree")]
    EmptyTreeRoot {
        /// The root that was found.
        found: Hash,
    },
    /// A request to a witness breaks the C2SP tlog-witness format.
    #[error("malformed add-checkpoint request: {reason}")]
    AddCheckpoint {
        /// The rule that is broken.
        reason: &'static str,
    },
    /// A checkpoint is by another log than the one expected.
    #[error("the checkpoint is of the log {found:?}, not of {expected:?}")]
    Origin {
        /// The origin that was expected.
        expected: String,
        /// The origin that was found.
        found: String,
    },
    /// A witness policy breaks the C2SP tlog-policy format.
    #[error("malformed witness policy, line {line}: {reason}")]
    Policy {
        /// The line, counted from 1; one past the last line for what is missing at the end.
        line: usize,
        /// The rule that is broken.
        reason: &'static str,
    },
    /// The witnesses that cosigned are too few for the policy.
    #[error("the quorum {quorum:?} is not met by the {} witness(es) that cosigned", cosigned.len())]
    QuorumNotMet {
        /// The witness or group that the quorum line names.
        quorum: String,
        /// The policy's names of the witnesses whose cosignatures verified.
        cosigned: Vec<String>,
    },
    /// A key of the wrong kind, or a failure in the key room.
    #[error("key: {0}")]
    Key(#[from] sealwax_keys::Error),
}

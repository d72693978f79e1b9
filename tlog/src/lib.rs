//! The mathematics of a transparency log: hashes, trees, proofs, tiles, signed notes, checkpoints, cosignatures and the
//! quorum of witnesses.
//!
//! Everything here is a pure function of bytes. It reads no file, no clock and no network; randomness is needed by
//! nothing. It is not the log itself (that is the `transparency-log` room) and it does not know what an entry means
//! (that is `attestation`).
//!
//! | module | rule it implements |
//! | --- | --- |
//! | [`struct@Hash`], [`proof`], [`RightEdge`] | RFC 6962 section 2.1, RFC 9162 sections 2.1.3 and 2.1.4 |
//! | [`Tile`], [`entries`] | C2SP tlog-tiles |
//! | [`SignedNote`], [`VerifierKey`] | C2SP signed-note |
//! | [`Checkpoint`] | C2SP tlog-checkpoint |
//! | [`SignedNote::cosign`] | C2SP tlog-cosignature, Ed25519 (`cosignature/v1`) |
//! | [`WitnessPolicy`] | C2SP tlog-policy |
//! | [`AddCheckpoint`], [`SignedNote::add_cosignature`] | C2SP tlog-witness: what is asked, what is answered |

#![warn(clippy::missing_errors_doc)]

mod add_checkpoint;
mod checkpoint;
mod cosignature;
mod edge;
pub mod entries;
mod error;
mod hash;
mod note;
mod policy;
pub mod proof;
mod tile;
#[cfg(test)]
mod vectors;
mod vkey;

pub use add_checkpoint::AddCheckpoint;
pub use checkpoint::Checkpoint;
pub use edge::RightEdge;
pub use error::Error;
pub use hash::{EMPTY_ROOT, Hash};
pub use note::{NoteSignature, SignedNote, Verified};
pub use policy::{Cosigned, PolicyWitness, WitnessPolicy};
pub use proof::{HashReader, Node};
pub use tile::{TILE_WIDTH, Tile, TileHashes, TileRows};
pub use vkey::{SignatureType, VerifierKey};

//! What is signed and what travels with it: in-toto statements, DSSE envelopes, log entries and their submission, Sigstore
//! bundles, trusted roots and signing configurations, parsed strictly and written canonically.
//!
//! Nothing here checks a signature or a proof, and nothing here is believed because it parsed: that is the `verify`
//! room's work. Everything that comes from outside goes through one strict JSON reader ([`json`]), and the bytes that
//! were signed are kept as they came.

mod bundle;
mod client_trust_config;
mod entry;
mod envelope;
mod error;
pub mod json;
mod logged;
#[cfg(test)]
mod mutations;
mod rekor_v1;
mod signing_config;
mod statement;
mod submission;
mod trusted_root;

pub use bundle::{Bundle, BundleVersion, Content, MessageSignature, VerificationMaterial};
pub use client_trust_config::ClientTrustConfig;
pub use entry::{
    EntryFormat, EntryKind, HashedRekord, InclusionPromise, InclusionProof, TransparencyLogEntry, Verifier,
};
pub use envelope::{Envelope, IN_TOTO_PAYLOAD_TYPE, pae};
pub use error::Error;
pub use logged::{DsseEntry, DsseSignature, LoggedEntry};
pub use rekor_v1::RekorV1;
pub use signing_config::{Chosen, Selector, Service, SigningConfig};
pub use statement::{PredicateVersion, Statement};
pub use submission::{DsseSubmission, Submission};
pub use trusted_root::{AuthorityInstance, CtLogInstance, LogInstance, TrustedRoot};

//! Certificates for identities, the timestamps of a certificate log, and RFC 3161 time stamping.
//!
//! This room is pure: requests, keys and the time come in as values, answers go out. It reads no clock, no file and no
//! network; random is what it takes from the operating system. What it is not: a server, a store of tokens or invitations,
//! or a verifier of anybody's signatures over artefacts.
//!
//! ```
//! use sealwax_authority::{
//!     CertificateAuthority, CertifiedKey, Identity, Name, Role, IdentityName, Validity,
//! };
//! use sealwax_keys::{KeyKind, SecretKey};
//!
//! let now: jiff::Timestamp = "2026-11-24T12:00:00Z".parse()?;
//! let years = Validity { not_before: now, not_after: "2036-11-24T12:00:00Z".parse()? };
//! let name = Name { organization: "Example", common_name: "Example root" };
//! let root = CertifiedKey::new_root(SecretKey::generate(KeyKind::P384)?, name, years)?;
//! let key = SecretKey::generate(KeyKind::P384)?;
//! let name = Name { organization: "Example", common_name: "Example identities" };
//! let chain = root.certify(Role::Identities, key.public_key(), name, years)?;
//!
//! let authority =
//!     CertificateAuthority::new(CertifiedKey::new(chain, key)?, SecretKey::generate(KeyKind::P256)?)?;
//! let identity =
//!     Identity::new("https://accounts.example", IdentityName::Email("alice@example.com".to_owned()))?;
//! let signer = SecretKey::generate(KeyKind::P256)?;
//! let mut entries = Vec::new();
//! let issued = authority.issue(&identity, signer.public_key(), now, |entry| {
//!     entries.push(entry.to_vec());
//!     Ok::<_, std::io::Error>(())
//! })?;
//! assert_eq!(issued.certificate().public_key(), signer.public_key());
//! assert_eq!(entries.len(), 1);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

#![warn(clippy::missing_errors_doc)]

mod certificate;
mod certificate_authority;
mod certificate_log;
mod certified_key;
mod client;
mod discovery;
mod error;
pub mod fulcio;
mod identity;
mod invitation;
mod issuers;
mod jwks;
mod possession;
mod recorded;
mod refusal;
#[cfg(test)]
mod test_keys;
#[cfg(test)]
mod test_tokens;
mod timestamp_authority;
mod token;

pub use certificate::{Name, Validity};
pub use certificate_authority::{CertificateAuthority, Issued};
pub use certified_key::{CertifiedKey, Role};
pub use client::{TimestampRequest, certificate_answer, certificate_request};
pub use error::{Error, Result};
pub use identity::{Claim, Identity, IdentityName};
pub use invitation::{Invitation, InvitationSecret, OwnIssuer, Redeemed};
pub use issuers::{BuildClaims, Issuer, IssuerKind, Issuers};
pub use jwks::Jwks;
pub use possession::KeyRequest;
pub use recorded::Recorded;
pub use refusal::Refusal;
pub use timestamp_authority::{TimestampAuthority, TimestampRefusal, TimestampReply};
pub use token::{IdentityToken, VerifiedToken};

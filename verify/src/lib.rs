//! The verdict: policy, bundle, trusted root and time in; [`VerifiedModel`] or [`Rejection`] out.
//!
//! Two doors, in this order, because the large files should only be read once everything about the bundle holds:
//!
//! ```text
//! authenticate(&Bundle, &TrustedRoot, Policy, now) -> Result<Authentic, Rejection>
//! Authentic::confirm(self, &Hashed)                -> Result<VerifiedModel, Rejection>
//! ```
//!
//! A check that is left out does not compile: [`Authentic`] can only be built from the proofs of its checks, and each
//! proof has a private field and is made in one module, the module of its check. No clock, no files, no network.

mod certificate;
mod entry;
mod inclusion;
mod model;
mod policy;
mod rejection;
mod signature;
mod signer;
mod statement;

use jiff::Timestamp;

use sealwax_attestation::{Bundle, Statement, TrustedRoot};

pub use certificate::TimeSource;
pub use inclusion::Included;
pub use model::VerifiedModel;
pub use policy::{LogRequirement, Policy, PolicyError, Signers, TrustedKey};
pub use rejection::{CertificateProblem, Fault, Rejection};
pub use signature::Form;
pub use signer::Signer;

/// A bundle whose every claim was checked; the model's own bytes were not looked at yet.
#[derive(Debug)]
pub struct Authentic {
    signer: signer::Allowed,
    signed: signature::Signed,
    statement: statement::Checked,
    log: LogProof,
    policy: Policy,
}

/// What was proven about the log.
#[derive(Debug)]
enum LogProof {
    /// The entry was rebuilt and is included.
    Included(Included),
    /// The caller's policy waived the log; entries that the bundle carries nevertheless were rebuilt and agree.
    Waived,
}

/// Checks everything about a bundle that can be checked without the model: the signer against the policy, the signature
/// over the payload's bytes, the statement, the log entry against the bundle, its inclusion under a signed checkpoint,
/// and the witnesses.
///
/// `now` is the verifier's clock. It decides only whether a log's key is valid yet and, where nothing proves a time,
/// whether a certificate is valid.
///
/// # Errors
/// The first check that fails.
pub fn authenticate(
    bundle: &Bundle,
    root: &TrustedRoot,
    policy: Policy,
    now: Timestamp,
) -> Result<Authentic, Rejection> {
    let signer = signer::allow(bundle, &policy.signers, now)?;
    let signed = signature::check(bundle, &signer)?;
    let statement = statement::check(&bundle.envelope, &signed)?;
    let rebuilt = entry::rebuild(bundle, &signer, &signed)?;
    let log = match &policy.log {
        LogRequirement::Required { witnesses } => {
            LogProof::Included(inclusion::check(rebuilt, root, witnesses.as_ref(), now)?)
        }
        LogRequirement::Waived => LogProof::Waived,
    };
    Ok(Authentic { signer, signed, statement, log, policy })
}

impl Authentic {
    /// The statement that was signed: what the model must look like, and how to hash it.
    pub fn statement(&self) -> &Statement {
        self.statement.statement()
    }

    /// Who signed.
    pub fn signer(&self) -> &Signer {
        self.signer.signer()
    }
}

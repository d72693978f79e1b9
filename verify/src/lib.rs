//! The verdict: policy, bundle, trusted root and time in; [`VerifiedModel`], [`VerifiedBlob`] or [`Rejection`] out.
//!
//! Two doors for a model, in this order, because the large files should only be read once everything about the bundle holds;
//! one for any other file, of which only the digest is asked:
//!
//! ```text
//! authenticate(&Bundle, &TrustedRoot, Policy, now)            -> Result<Authentic, Rejection>
//! Authentic::confirm(self, &Hashed)                           -> Result<VerifiedModel, Rejection>
//! verify_blob(&Bundle, &TrustedRoot, &Policy, &Artifact, now) -> Result<VerifiedBlob, Rejection>
//! ```
//!
//! A check that is left out does not compile: [`Authentic`] can only be built from the proofs of its checks, and each
//! proof has a private field and is made in one module, the module of its check. No clock, no files, no network; the one
//! exception, a library that asks the clock to refuse more, is named in `engine.rs`.

mod artifact;
mod blob;
mod certificate;
mod engine;
mod entry;
mod identity;
mod inclusion;
mod model;
mod policy;
mod rejection;
mod sct;
mod signature;
mod signer;
mod statement;
mod times;
mod token;

use jiff::Timestamp;

use sealwax_attestation::{Bundle, Statement, TrustedRoot};

pub use artifact::Artifact;
pub use blob::{VerifiedBlob, verify_blob};
pub use certificate::TimeSource;
pub use identity::{Claim, Identity, IdentityRule, NamePattern, NameRule};
pub use inclusion::Included;
pub use model::VerifiedModel;
pub use policy::{LogRequirement, Policy, PolicyError, Signers, TrustedKey};
pub use rejection::{CertificateProblem, Fault, Rejection};
pub use signature::Form;
pub use signer::Signer;
pub use times::{ProvenTime, TimeWitness};

/// A bundle whose every claim was checked; the model's own bytes were not looked at yet.
#[derive(Debug)]
pub struct Authentic {
    signed: signature::Signed,
    statement: statement::Checked,
    proven: Proven,
    policy: Policy,
}

/// What was proven of a bundle's signature, beside the signature itself and what it is about.
#[derive(Debug)]
struct Proven {
    signer: signer::Allowed,
    times: times::Times,
    log: LogProof,
}

/// What was proven about the log.
#[derive(Debug)]
enum LogProof {
    /// The entry was rebuilt and is included.
    Included(Included),
    /// The caller's policy waived the log; entries that the bundle carries nevertheless were rebuilt and agree.
    Waived,
}

/// Checks everything about a bundle that can be checked without the model: the signature over the payload's bytes by the key
/// that the policy allows or an authority certified, the statement, the log entry against the bundle, the times that are
/// proven, the signer at these times, inclusion of the entry under a signed checkpoint, and the witnesses.
///
/// `now` is the verifier's clock. It decides only what lies in the future and, where nothing proves a time, whether a
/// certificate is valid.
///
/// # Errors
/// The first check that fails.
pub fn authenticate(
    bundle: &Bundle,
    root: &TrustedRoot,
    policy: Policy,
    now: Timestamp,
) -> Result<Authentic, Rejection> {
    let envelope = bundle.envelope()?;
    let candidate = signer::choose(bundle, &policy.signers)?;
    let signed = signature::check(bundle, envelope, &candidate)?;
    let statement = statement::check(envelope, &signed)?;
    let rebuilt = entry::rebuild(bundle, &candidate, &signed, None)?;
    let subject = || statement.subject();
    let proven = prove(bundle, root, &policy, candidate, &signed, &rebuilt, subject, now)?;
    Ok(Authentic { signed, statement, proven, policy })
}

/// Proves what is the same whatever was signed. `artifact` is asked for the SHA-256 that the signature is about, where the
/// other verifier must agree.
#[allow(clippy::too_many_arguments, reason = "the proofs so far, and the caller's four")]
fn prove(
    bundle: &Bundle,
    root: &TrustedRoot,
    policy: &Policy,
    candidate: signer::Candidate<'_>,
    signed: &signature::Signed,
    rebuilt: &entry::Rebuilt<'_>,
    artifact: impl FnOnce() -> Result<[u8; 32], Rejection>,
    now: Timestamp,
) -> Result<Proven, Rejection> {
    let times = times::prove(bundle, root, signed, rebuilt, now)?;
    let signer = signer::allow(candidate, &policy.signers, root, &times, now)?;
    let log = match &policy.log {
        LogRequirement::Required { witnesses } => {
            LogProof::Included(inclusion::check(rebuilt, root, witnesses.as_ref(), &times, now)?)
        }
        LogRequirement::Waived => LogProof::Waived,
    };
    if let Signer::Identity { log_timestamps, .. } = signer.signer() {
        let logged = matches!(log, LogProof::Included(_));
        let bundle = times.without_strangers(bundle);
        engine::Engine::new(root)?.agrees(&bundle, artifact()?, *log_timestamps, logged)?;
    }
    Ok(Proven { signer, times, log })
}

impl Authentic {
    /// The statement that was signed: what the model must look like, and how to hash it.
    pub fn statement(&self) -> &Statement {
        self.statement.statement()
    }

    /// Who signed.
    pub fn signer(&self) -> &Signer {
        self.proven.signer.signer()
    }
}

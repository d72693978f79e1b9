//! Any file that was signed with Sigstore: a signature over its bytes, or a statement that names its digest.

use jiff::Timestamp;

use sealwax_attestation::{Bundle, Content, TrustedRoot};

use crate::artifact::{self, Artifact};
use crate::{
    Included, LogProof, Policy, Proven, ProvenTime, Rejection, Signer, entry, prove, signature, signer,
};

/// A file that its signer signed, or made a statement about: every check of the bundle held.
#[derive(Debug)]
pub struct VerifiedBlob {
    signer: Signer,
    times: Vec<ProvenTime>,
    included: Option<Included>,
    statement: Option<(String, Option<String>)>,
}

/// Verifies a bundle about one file, which is known by its digests.
///
/// # Errors
/// The first check that fails; [`Rejection::DigestNeeded`] where the signature is over a digest that the caller did not give.
pub fn verify_blob(
    bundle: &Bundle,
    root: &TrustedRoot,
    policy: &Policy,
    artifact: &Artifact,
    now: Timestamp,
) -> Result<VerifiedBlob, Rejection> {
    let candidate = signer::choose(bundle, &policy.signers)?;
    let (signed, statement) = match &bundle.content {
        Content::Envelope(envelope) => {
            let signed = signature::check(bundle, envelope, &candidate)?;
            let named = artifact::check(envelope, artifact, &signed)?;
            (signed, Some(named.into_parts()))
        }
        Content::Message(message) => (signature::check_message(message, &candidate, artifact)?, None),
    };
    let rebuilt = entry::rebuild(bundle, &candidate, &signed, Some(artifact))?;
    let digest = || artifact.sha256();
    let Proven { signer, times, log } =
        prove(bundle, root, policy, candidate, &signed, &rebuilt, digest, now)?;
    Ok(VerifiedBlob {
        signer: signer.signer().clone(),
        times: times.all().to_vec(),
        included: match log {
            LogProof::Included(included) => Some(included),
            LogProof::Waived => None,
        },
        statement,
    })
}

impl VerifiedBlob {
    /// Who signed.
    pub fn signer(&self) -> &Signer {
        &self.signer
    }

    /// Times at which the signature existed.
    pub fn times(&self) -> &[ProvenTime] {
        &self.times
    }

    /// Where it is logged; `None` only where the policy waived the log.
    pub fn included(&self) -> Option<&Included> {
        self.included.as_ref()
    }

    /// The type of the statement's predicate, where a statement was signed and not the file itself.
    pub fn predicate_type(&self) -> Option<&str> {
        self.statement.as_ref().map(|(kind, _)| kind.as_str())
    }

    /// The name that the statement gives the file.
    pub fn subject(&self) -> Option<&str> {
        self.statement.as_ref().and_then(|(_, subject)| subject.as_deref())
    }
}

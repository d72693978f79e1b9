//! What to do about each rejection.

use sealwax_verify::{CertificateProblem, Rejection};

pub(super) fn hint(rejection: &Rejection) -> &'static str {
    match rejection {
        Rejection::Malformed(_) => "do not use the model; get the bundle again from whoever signed it",
        Rejection::CheckpointMissing | Rejection::InclusionPromise { .. } => {
            "do not use it; the log's word does not belong to this signature, or is not the log's"
        }
        Rejection::NoProvenTime { .. } => {
            "the bundle needs a time stamp of an authority that your trusted root lists; ask the signer"
        }
        Rejection::TimestampOtherBytes
        | Rejection::TimestampSigners
        | Rejection::TimestampOutsideAuthority { .. } => {
            "do not use it; ask the signer for a bundle with a time stamp of its own"
        }
        Rejection::TimeInFuture { .. } => "check this machine's clock",
        Rejection::LogRetired { .. } | Rejection::AuthorityRetired { .. } => {
            "refresh your trusted root; if it is current, do not use what was signed"
        }
        Rejection::CertificateLog { .. } => {
            "refresh your trusted root; a certificate that no log knows may have been made in secret"
        }
        Rejection::SubjectNames(_) | Rejection::SubjectKind(_) | Rejection::IssuerExtension(_) => {
            "do not use it; no Sigstore authority issues such a certificate"
        }
        Rejection::IssuerNotAllowed { .. }
        | Rejection::IdentityNotAllowed { .. }
        | Rejection::ClaimNotAllowed { .. } => {
            "if this is who should have signed, say so with --identity, --issuer and --claim; else do not use it"
        }
        Rejection::ArtifactDiffers => "do not use the file; get it again from whoever signed it",
        Rejection::DigestNeeded { .. } => "give the file itself, not its SHA-256",
        Rejection::TrustedRoot(_) => "get the trusted root again from whoever runs the instance",
        Rejection::SecondOpinion(_) => {
            "do not use it, and please report this: both verifiers should say the same"
        }
        Rejection::OtherMode { .. } => {
            "use --key PUB for a bundle made with a key, --certificate-chain CA for one made with a private authority's \
             certificate, --identity ID with --issuer URL for one made with an identity"
        }
        Rejection::KeyNotTrusted { .. } => {
            "if you know the signer, get their public key from them, not from the model, and give it with --key PUB"
        }
        Rejection::SignatureInvalid | Rejection::PayloadType(_) | Rejection::RootDigest { .. } => {
            "do not use the model; the statement was changed, or another key signed it"
        }
        Rejection::LogEntryMissing => {
            "ask the signer to log it; --no-log accepts it without, and then nobody can notice a stolen key"
        }
        Rejection::LogEntriesSeveral(_) | Rejection::LogEntryMismatch => {
            "do not use the model; the bundle was put together from parts of others"
        }
        Rejection::LogUnknown { .. } => {
            "get the trusted root of the log from its operator, not from the model, and give it with --trusted-root FILE"
        }
        Rejection::LogKeyNotYetValid { .. } => "check this machine's clock",
        Rejection::Checkpoint { .. } | Rejection::CheckpointMismatch { .. } | Rejection::InclusionProof => {
            "do not use the model; tell the log's operator, and keep the bundle as evidence"
        }
        Rejection::WitnessQuorum(_) => "ask the log's operator for a bundle with more cosignatures",
        Rejection::LogKeyAsWitness { .. } => "take that key out of the policy's witnesses",
        Rejection::Certificate { problem, .. } => match problem {
            CertificateProblem::Time { .. } => "if you know when it was signed, say so with --signed-at TIME",
            CertificateProblem::NoChain => {
                "no authority that you trust certified it; trusted are those of --certificate-chain FILE, for an identity \
                 those of the trusted root"
            }
            _ => "ask the signer for a code-signing certificate",
        },
        Rejection::Model(_) => "do not use the model; this was not in what was signed",
        Rejection::ModelDiffers(_) => {
            "do not use the model; get it again, or ask the signer about the change"
        }
        Rejection::IgnoredPresent(_) => {
            "remove it, or agree to leave it unchecked with --ignore-path PATH if you know what it is"
        }
        _ => "do not use the model",
    }
}

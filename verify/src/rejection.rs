//! The verdict "no": which check, whose fault, what to do.
//!
//! A rejection is not a failure of Sealwax: "could not check" (a file that cannot be read) never becomes one. Every variant
//! has a stable code, which is also the anchor of its section in `docs/rejections.md` and the name of its tests.

use jiff::Timestamp;

use sealwax_attestation::Error as Malformed;
use sealwax_model::Difference;

use crate::identity::{Claim, Identity};

/// Why a model is not trusted.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Rejection {
    /// The bundle, or the statement in it, is not what it claims to be.
    #[error("{0}")]
    Malformed(Malformed),
    /// The bundle was signed another way than the caller asked to verify.
    #[error("the bundle names {found}, and {expected} was asked for")]
    OtherMode {
        /// What the caller's policy needs.
        expected: &'static str,
        /// What the bundle offers.
        found: &'static str,
    },
    /// The key that the bundle names is not one that the policy trusts.
    #[error("the signing key is not trusted (the bundle names {hint:?})")]
    KeyNotTrusted {
        /// The bundle's key hint, possibly empty.
        hint: String,
    },
    /// The signature does not verify.
    #[error("the signature over the statement is not valid for the trusted key")]
    SignatureInvalid,
    /// The signed payload is not an in-toto statement.
    #[error("the payload type is {0:?}, not an in-toto statement")]
    PayloadType(String),
    /// A digest of the statement's subject is not that of its file list.
    #[error("the statement's {algorithm} root digest is not that of its own file list")]
    RootDigest {
        /// The digest's algorithm.
        algorithm: String,
    },
    /// No log entry, and the policy demands one.
    #[error("the bundle holds no log entry")]
    LogEntryMissing,
    /// Several log entries, where one is proven.
    #[error("the bundle holds {0} log entries, expected one")]
    LogEntriesSeveral(usize),
    /// The log entry is about something else.
    #[error("the log entry is not the entry of this signature")]
    LogEntryMismatch,
    /// The log is not in the trusted root.
    #[error("the log with id {log_id} is not in the trusted root")]
    LogUnknown {
        /// The log's key id in hexadecimal.
        log_id: String,
    },
    /// The log's key is not valid yet.
    #[error("the key of log {origin:?} is valid from {valid_from} only")]
    LogKeyNotYetValid {
        /// The log's origin.
        origin: String,
        /// When its validity starts.
        valid_from: Timestamp,
    },
    /// The checkpoint is malformed, unsigned, or another log's.
    #[error("the checkpoint of log {origin:?} does not verify: {reason}")]
    Checkpoint {
        /// The log's origin.
        origin: String,
        /// What is wrong with it.
        reason: sealwax_tlog::Error,
    },
    /// The inclusion proof and the signed checkpoint are about different trees or positions.
    #[error("the inclusion proof is not about the signed checkpoint: {what} differs")]
    CheckpointMismatch {
        /// What differs.
        what: &'static str,
    },
    /// The inclusion proof does not lead from the entry to the signed root.
    #[error("the inclusion proof does not lead to the signed root")]
    InclusionProof,
    /// Too few witnesses cosigned the checkpoint.
    #[error("the checkpoint does not meet the witness quorum: {0}")]
    WitnessQuorum(sealwax_tlog::Error),
    /// The policy counts the log's own key among the witnesses.
    #[error("the policy names the key of log {origin:?} as a witness")]
    LogKeyAsWitness {
        /// The log's origin.
        origin: String,
    },
    /// The checkpoint is missing.
    #[error("no checkpoint signs the root of the inclusion proof")]
    CheckpointMissing,
    /// The log was retired before the entry was made.
    #[error("log {origin:?} is not trusted at {time}, the time of the entry")]
    LogRetired {
        /// The log's origin.
        origin: String,
        /// The proven time.
        time: Timestamp,
    },
    /// The log's promise of inclusion does not verify.
    #[error("the inclusion promise of log {origin:?} is not signed by it for this entry and this time")]
    InclusionPromise {
        /// The log's origin.
        origin: String,
    },
    /// Nobody whom the trusted root lists says when the signature was made.
    #[error(
        "nothing proves when the signature was made{}",
        .reason.as_ref().map(|reason| format!(" ({reason})")).unwrap_or_default()
    )]
    NoProvenTime {
        /// Why a time stamp that is there proves nothing.
        reason: Option<String>,
    },
    /// A time stamp is over something else than the signature.
    #[error("a time stamp is not over this signature")]
    TimestampOtherBytes,
    /// A time stamp without exactly one signer.
    #[error("a time stamp is signed by several")]
    TimestampSigners,
    /// A time stamp was signed outside its authority's time.
    #[error(
        "a time stamp{} lies outside the validity of the authority that signed it",
        .time.map(|time| format!(" of {time}")).unwrap_or_default()
    )]
    TimestampOutsideAuthority {
        /// The time stamp's time, where it is the trusted root that does not cover it.
        time: Option<Timestamp>,
    },
    /// A proven time is later than the verifier's clock.
    #[error("{time}, the time of the signature, lies in the future: it is {now}")]
    TimeInFuture {
        /// The proven time.
        time: Timestamp,
        /// The verifier's clock.
        now: Timestamp,
    },
    /// The certificate authority was not trusted at the time of the signature.
    #[error("the certificate authority {authority:?} is not trusted at {at}, the time of the signature")]
    AuthorityRetired {
        /// Its name in the trusted root.
        authority: String,
        /// The proven time.
        at: Timestamp,
    },
    /// No listed log of certificates vouches for the signing certificate.
    #[error("the signing certificate is not publicly known: {problem}")]
    CertificateLog {
        /// What is wrong with the log timestamps in it.
        problem: &'static str,
    },
    /// An identity certificate without exactly one name.
    #[error("the signing certificate has {0} names, expected exactly one")]
    SubjectNames(usize),
    /// The name is of a kind that identities do not have, or empty.
    #[error("the signing certificate's name is no identity: it is a {0}, or empty")]
    SubjectKind(&'static str),
    /// What the certificate says about the identity cannot be read in one way.
    #[error("the signing certificate contradicts itself: {0}")]
    IssuerExtension(&'static str),
    /// Another issuer than those that the policy allows.
    #[error("signed by {found}: no allowed identity has that issuer")]
    IssuerNotAllowed {
        /// The identity that was found.
        found: Box<Identity>,
    },
    /// Another name than those that the policy allows.
    #[error("signed by {found}: that is not an allowed identity")]
    IdentityNotAllowed {
        /// The identity that was found.
        found: Box<Identity>,
    },
    /// The identity is allowed, a claim about it not.
    #[error(
        "signed by {found}, whose {} is {}",
        .claim.name(),
        .value.as_ref().map_or("not stated".to_owned(), |value| format!("\"{}\"", value.escape_default()))
    )]
    ClaimNotAllowed {
        /// The identity that was found.
        found: Box<Identity>,
        /// The claim.
        claim: Claim,
        /// Its value, if it is there.
        value: Option<String>,
    },
    /// The file is not the one that was signed.
    #[error("the file is not the one that was signed")]
    ArtifactDiffers,
    /// The signature is over a digest that the caller did not give.
    #[error("the signature needs the {algorithm} of the file, and only another digest is known")]
    DigestNeeded {
        /// The hash's Sigstore name.
        algorithm: &'static str,
    },
    /// The trusted root cannot be used.
    #[error("the trusted root cannot be used: {0}")]
    TrustedRoot(String),
    /// Our own checks hold, and the other verifier refuses.
    #[error("the second verifier refuses the bundle: {0}")]
    SecondOpinion(String),
    /// A certificate cannot be used.
    #[error("{subject}: {problem}")]
    Certificate {
        /// The certificate's subject.
        subject: String,
        /// What is wrong with it.
        problem: CertificateProblem,
    },
    /// The model's files are not the signed ones.
    #[error("the model differs from what was signed")]
    ModelDiffers(Difference),
    /// The model holds something that no signed model holds.
    #[error("{0}")]
    Model(sealwax_model::Error),
    /// The signature leaves out paths that exist and that the verifier did not agree to leave out.
    #[error("{} not covered by the signature", names(.0))]
    IgnoredPresent(Vec<String>),
}

/// What is wrong with a certificate.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CertificateProblem {
    /// It is not strict DER of an X.509 v3 certificate.
    #[error("not a valid certificate: {0}")]
    Malformed(String),
    /// It is not valid at the time that counts.
    #[error("not valid at {at} (valid from {not_before} to {not_after})")]
    Time {
        /// The time that counts.
        at: Timestamp,
        /// Start of the validity.
        not_before: Timestamp,
        /// End of the validity, inclusive.
        not_after: Timestamp,
    },
    /// It is not meant for signing code.
    #[error("not a code-signing certificate: {0}")]
    Usage(&'static str),
    /// It has a critical extension that is not understood.
    #[error("critical extension {0} is not supported")]
    CriticalExtension(String),
    /// The leaf is an authority or an anchor itself.
    #[error("{0}")]
    LeafIsAuthority(&'static str),
    /// The bundle brings a root of its own.
    #[error("the bundle brings its own root certificate")]
    RootInBundle,
    /// No chain leads to an anchor.
    #[error("no valid chain to a trusted certificate")]
    NoChain,
}

/// Whose fault a rejection is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The bundle is malformed or contradicts itself.
    Malformed,
    /// The model or the bundle was changed, or belongs to another.
    Changed,
    /// All is well formed, and the policy says no.
    Policy,
    /// The log misbehaved, or the bundle pretends that it did.
    Log,
    /// Something is past, or before, its time.
    Stale,
}

impl Rejection {
    /// Gives the stable code of the check that failed.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Malformed(error) => malformed_code(error),
            Self::OtherMode { .. } => "C14-other-mode",
            Self::KeyNotTrusted { .. } => "K07-key-not-trusted",
            Self::SignatureInvalid => "D01-signature-invalid",
            Self::PayloadType(_) => "D03-payload-type",
            Self::RootDigest { .. } => "D14-root-digest",
            Self::LogEntryMissing => "T05-log-entry-missing",
            Self::LogEntriesSeveral(_) => "T10-log-entries-several",
            Self::LogEntryMismatch => "T01-log-entry-mismatch",
            Self::LogUnknown { .. } => "T07-log-unknown",
            Self::LogKeyNotYetValid { .. } => "K06-log-key-not-yet-valid",
            Self::Checkpoint { .. } => "T08-checkpoint",
            Self::CheckpointMismatch { .. } => "T05-checkpoint-mismatch",
            Self::InclusionProof => "T11-inclusion-proof",
            Self::WitnessQuorum(_) => "T10-witness-quorum",
            Self::LogKeyAsWitness { .. } => "K09-log-key-as-witness",
            Self::CheckpointMissing => "T05-checkpoint-missing",
            Self::LogRetired { .. } => "K06-log-retired",
            Self::InclusionPromise { .. } => "T06-inclusion-promise",
            Self::NoProvenTime { .. } => "M02-no-proven-time",
            Self::TimestampSigners => "M06-timestamp-signers",
            Self::TimestampOtherBytes => "M11-timestamp-other-bytes",
            Self::TimestampOutsideAuthority { .. } => "M07-timestamp-outside-authority",
            Self::TimeInFuture { .. } => "M03-time-in-future",
            Self::AuthorityRetired { .. } => "C18-authority-retired",
            Self::CertificateLog { .. } => "C11-certificate-log",
            Self::SubjectNames(_) => "I04-subject-names",
            Self::SubjectKind(_) => "I05-subject-kind",
            Self::IssuerExtension(_) => "I09-issuer-extension",
            Self::IssuerNotAllowed { .. } => "I02-issuer-not-allowed",
            Self::IdentityNotAllowed { .. } => "I03-identity-not-allowed",
            Self::ClaimNotAllowed { .. } => "I07-claim-not-allowed",
            Self::ArtifactDiffers => "D10-artifact-differs",
            Self::DigestNeeded { .. } => "D14-digest-needed",
            Self::TrustedRoot(_) => "R06-trusted-root",
            Self::SecondOpinion(_) => "X01-second-opinion",
            Self::Certificate { problem, .. } => match problem {
                CertificateProblem::Malformed(_) => "C16-certificate-malformed",
                CertificateProblem::Time { .. } => "C01-certificate-time",
                CertificateProblem::Usage(_) => "C05-certificate-usage",
                CertificateProblem::CriticalExtension(_) => "C08-critical-extension",
                CertificateProblem::LeafIsAuthority(_) => "C06-leaf-is-authority",
                CertificateProblem::RootInBundle => "C02-root-in-bundle",
                CertificateProblem::NoChain => "C02-no-chain",
            },
            Self::ModelDiffers(_) => "D10-model-differs",
            Self::IgnoredPresent(_) => "F05-ignored-present",
            Self::Model(error) => model_code(error),
        }
    }

    /// Says whose fault it is.
    pub fn fault(&self) -> Fault {
        match self {
            Self::Malformed(_) | Self::PayloadType(_) | Self::LogEntriesSeveral(_) => Fault::Malformed,
            Self::SubjectNames(_)
            | Self::SubjectKind(_)
            | Self::IssuerExtension(_)
            | Self::TimestampOtherBytes
            | Self::TimestampSigners
            | Self::SecondOpinion(_) => Fault::Malformed,
            Self::SignatureInvalid
            | Self::RootDigest { .. }
            | Self::ArtifactDiffers
            | Self::ModelDiffers(_)
            | Self::Model(_) => Fault::Changed,
            Self::IssuerNotAllowed { .. }
            | Self::IdentityNotAllowed { .. }
            | Self::ClaimNotAllowed { .. }
            | Self::CertificateLog { .. }
            | Self::NoProvenTime { .. }
            | Self::DigestNeeded { .. }
            | Self::TrustedRoot(_) => Fault::Policy,
            Self::OtherMode { .. }
            | Self::KeyNotTrusted { .. }
            | Self::LogEntryMissing
            | Self::LogUnknown { .. }
            | Self::WitnessQuorum(_)
            | Self::LogKeyAsWitness { .. }
            | Self::IgnoredPresent(_) => Fault::Policy,
            Self::LogEntryMismatch
            | Self::Checkpoint { .. }
            | Self::CheckpointMismatch { .. }
            | Self::InclusionProof => Fault::Log,
            Self::CheckpointMissing | Self::InclusionPromise { .. } => Fault::Log,
            Self::LogKeyNotYetValid { .. }
            | Self::LogRetired { .. }
            | Self::AuthorityRetired { .. }
            | Self::TimestampOutsideAuthority { .. }
            | Self::TimeInFuture { .. } => Fault::Stale,
            Self::Certificate { problem, .. } => match problem {
                CertificateProblem::Malformed(_) | CertificateProblem::RootInBundle => Fault::Malformed,
                CertificateProblem::Time { .. } => Fault::Stale,
                _ => Fault::Policy,
            },
        }
    }
}

impl Fault {
    /// Gives the fault's name in machine-readable output.
    pub fn name(self) -> &'static str {
        match self {
            Self::Malformed => "malformed",
            Self::Changed => "changed",
            Self::Policy => "policy",
            Self::Log => "log",
            Self::Stale => "stale",
        }
    }
}

impl From<Malformed> for Rejection {
    fn from(error: Malformed) -> Self {
        Self::Malformed(error)
    }
}

fn malformed_code(error: &Malformed) -> &'static str {
    match error {
        Malformed::TooLarge { .. } => "B10-too-large",
        Malformed::TooManyValues { .. } | Malformed::TooMany { .. } => "B06-too-many",
        Malformed::TooDeep { .. } => "B01-too-deep",
        Malformed::Json(_) => "B09-not-json",
        Malformed::DuplicateKey(_) => "D12-duplicate-key",
        Malformed::Shape { .. } => "D13-shape",
        Malformed::Missing { .. } => "B08-missing-field",
        Malformed::UnknownField { .. } => "B08-unknown-field",
        Malformed::SignatureCount(_) => "D05-signature-count",
        Malformed::MediaType(_) => "B11-media-type",
        Malformed::EntryKind { .. } => "T04-entry-kind",
        Malformed::UnprovenTime(_) => "M01-unproven-time",
        Malformed::Unsupported { .. } => "D16-unsupported",
        Malformed::NotAModelStatement { .. } => "D08-not-a-model-statement",
        Malformed::Manifest { .. } => "F01-manifest",
        Malformed::Key { .. } => "G05-key",
        _ => "B09-malformed",
    }
}

fn model_code(error: &sealwax_model::Error) -> &'static str {
    use sealwax_model::Error as Model;
    match error {
        Model::Symlink { .. }
        | Model::SymlinkEscapes { .. }
        | Model::SymlinkLoop { .. }
        | Model::SymlinkDangles { .. } => "F03-symlink",
        Model::SpecialFile { .. } => "F08-special-file",
        Model::TooMany { .. } => "F09-too-many-files",
        Model::BadName { .. } => "F10-name",
        Model::Twins { .. } | Model::DuplicateName { .. } => "D15-twins",
        Model::Empty => "D04-no-files",
        _ => "D16-shards",
    }
}

fn names(paths: &[String]) -> String {
    match paths {
        [one] => format!("{one:?} is"),
        [one, ..] => format!("{one:?} and {} more paths are", paths.len().saturating_sub(1)),
        [] => "nothing is".to_owned(),
    }
}

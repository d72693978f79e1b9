//! What can be wrong with a repository, or with what somebody wants to publish.

use jiff::Timestamp;
use sigstore_tuf::Error as Rule;

use crate::metadata::Role;

/// The result of this crate's functions.
pub type Result<T> = std::result::Result<T, Error>;

/// Why a repository is not followed, or not published.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A file could not be had: no verdict about the repository.
    #[error("{name}: {reason}")]
    Unreachable {
        /// The file's name in the repository.
        name: String,
        /// What the transport says.
        reason: String,
    },
    /// A file that must be there is not.
    #[error("{name}: the repository does not have it")]
    Absent {
        /// The file's name in the repository.
        name: String,
    },
    /// A file is longer than it may be, not JSON, has a key twice, or is another kind of metadata.
    #[error("{name}: malformed: {reason}")]
    Malformed {
        /// The file's name in the repository, or its role.
        name: String,
        /// What is wrong.
        reason: String,
    },
    /// Too few of the keys that may sign have signed.
    #[error("{name}: signed by {found} of the {threshold} keys that it takes")]
    Signatures {
        /// The role, or the file.
        name: String,
        /// How many keys have signed validly.
        found: usize,
        /// How many it takes.
        threshold: usize,
    },
    /// What is offered is older than what was seen before.
    #[error("{name}: version {offered} is older than version {held}, which was seen before")]
    Rollback {
        /// The role that is older.
        name: String,
        /// The version that was seen before.
        held: u64,
        /// The version that is offered.
        offered: u64,
    },
    /// A root does not follow the one before.
    #[error("{offered} is not the root's next version after {held}")]
    RootVersion {
        /// The version before.
        held: u64,
        /// The version that is offered.
        offered: u64,
    },
    /// What is offered ran out.
    #[error("{name} expired at {at}")]
    Expired {
        /// The role.
        name: String,
        /// When it ran out.
        at: Timestamp,
    },
    /// A file is not the one that the signed metadata describe.
    #[error("{0}")]
    Mismatch(String),
    /// A role counts one key as several.
    #[error("the root gives one key to the role {role} under several names")]
    OneKeyTwice {
        /// The role.
        role: String,
    },
    /// More root versions than are followed at once.
    #[error("more than {limit} new versions of the root")]
    TooManyRoots {
        /// The cap.
        limit: u64,
    },
    /// The trusted root that the repository hands out cannot be read.
    #[error("trusted_root.json: {0}")]
    TrustedRoot(sealwax_attestation::Error),
    /// Nothing was ever fetched from the repository.
    #[error("nothing has been fetched from the repository yet")]
    NeverUpdated,
    /// A key of a kind that does not sign metadata here.
    #[error("a key of kind {0} signs no repository metadata; ECDSA P-256 and Ed25519 do")]
    KeyKind(sealwax_keys::KeyKind),
    /// A key cannot sign or be written.
    #[error(transparent)]
    Key(#[from] sealwax_keys::Error),
    /// A role would have no key, or more signatures to give than keys.
    #[error("the role {role} would need {threshold} of {keys} keys")]
    Threshold {
        /// The role.
        role: Role,
        /// How many signatures it would take.
        threshold: usize,
        /// How many keys it would have.
        keys: usize,
    },
    /// The keys of a role that signs often are not at hand.
    #[error("too few keys of the role {role} are here to sign it")]
    CannotSign {
        /// The role.
        role: Role,
    },
    /// There is no repository yet.
    #[error("there is no repository yet")]
    NotStarted,
}

impl Error {
    /// Whether the repository was reached and what it offers is refused; otherwise nothing is known about it.
    pub fn is_refusal(&self) -> bool {
        !matches!(
            self,
            Self::Unreachable { .. }
                | Self::Absent { .. }
                | Self::NeverUpdated
                | Self::KeyKind(_)
                | Self::Key(_)
                | Self::Threshold { .. }
                | Self::CannotSign { .. }
                | Self::NotStarted
        )
    }

    /// What the state machine says of the file `name`.
    pub(crate) fn rule(name: &str, rule: Rule) -> Self {
        let name = name.to_owned();
        match rule {
            Rule::ThresholdNotMet { role: name, found, threshold } => {
                Self::Signatures { name, found, threshold }
            }
            Rule::Rollback { role: name, trusted: held, new: offered } => {
                Self::Rollback { name, held, offered }
            }
            Rule::BadRootVersion { trusted: held, new: offered } => Self::RootVersion { held, offered },
            Rule::Expired { role: name, expires: at } => Self::Expired { name, at },
            Rule::IntegrityMismatch(what) => Self::Mismatch(what),
            Rule::Json(error) => Self::Malformed { name, reason: error.to_string() },
            other => Self::Malformed { name, reason: other.to_string() },
        }
    }
}

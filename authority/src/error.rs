//! Why something was not certified, not timestamped or not believed.
//!
//! No variant carries a token, a key or a proof: an error may be printed and logged (attacks K08, K10).

/// The result of this crate's functions.
pub type Result<T> = std::result::Result<T, Error>;

/// Says why an authority could not be made, or did not do what it was asked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A key, a certificate or a signature that the keys room refuses.
    #[error(transparent)]
    Key(#[from] sealwax_keys::Error),
    /// A key of a kind that does not sign certificates, or that is not what its role asks for.
    #[error("{what} needs a key on {wanted}")]
    KeyKind {
        /// What the key was given for.
        what: &'static str,
        /// What would fit.
        wanted: &'static str,
    },
    /// The private key is not the one that the first certificate of its chain certifies.
    #[error("the private key does not belong to the first certificate of its chain")]
    NotItsKey,
    /// The certificates are no chain in which each is signed by the next, a self-signed root last.
    #[error("the certificates are no chain up to a self-signed root")]
    BrokenChain,
    /// The first certificate of a chain does not allow what its key is wanted for.
    #[error("the certificate does not allow its key to {what}")]
    WrongRole {
        /// What is wanted of the key.
        what: &'static str,
    },
    /// A certificate would be of use at no time, or before or after its issuer's.
    #[error("the time lies outside the validity of the issuing certificates")]
    OutsideValidity,
    /// A name that cannot stand in a certificate.
    #[error("{what} cannot stand in a certificate")]
    UnfitName {
        /// Which name.
        what: &'static str,
    },
    /// What was read is not what it should be.
    #[error("{what} is malformed")]
    Malformed {
        /// What was expected.
        what: &'static str,
    },
    /// What was to be written has a length or form that DER does not take.
    #[error("cannot encode {what}")]
    Encode {
        /// The structure.
        what: &'static str,
    },
    /// The log of certificates did not record a certificate, so it is not handed out.
    #[error("the log of certificates did not record the certificate: {source}")]
    NotRecorded {
        /// What the log said.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// An authority's answer that is none to what it was asked.
    #[error("{what}")]
    Answer {
        /// What is wrong with it.
        what: String,
    },
    /// An issuer that cannot be believed as it is described.
    #[error("unfit issuer {url:?}: {what}")]
    UnfitIssuer {
        /// The URL that was given for it.
        url: String,
        /// What is unfit.
        what: &'static str,
    },
    /// A template that is none.
    #[error("unfit template {template:?}: names of claims stand in braces, and no other braces do")]
    UnfitTemplate {
        /// The template.
        template: String,
    },
    /// The operating system gave no random bytes.
    #[error("no random bytes from the operating system")]
    Random,
}

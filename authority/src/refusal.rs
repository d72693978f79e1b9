//! Why somebody gets no certificate: verdicts on tokens, proofs, requests and invitations.
//!
//! Texts from a token stand here only where they are no secret, and at most 1,024 bytes of them; whoever prints one escapes
//! it. Never does the token itself, a proof or an invitation (attacks K08, K10).

/// Says why a request is refused.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Refusal {
    /// Something cannot be read as what it should be.
    #[error("malformed {what}")]
    Malformed {
        /// What it should be.
        what: &'static str,
    },
    /// Something is longer than anything honest of its kind; nothing of it was read.
    #[error("{what} is longer than {limit} bytes")]
    TooLong {
        /// What it is.
        what: &'static str,
        /// The largest length in bytes.
        limit: usize,
    },
    /// What the token's issuer publishes cannot be read.
    #[error("malformed {what} of the token's issuer")]
    IssuerDocument {
        /// What it should be.
        what: &'static str,
    },
    /// There is no token where one is needed, or there are two.
    #[error("exactly one identity token is needed")]
    TokenCount,
    /// The token's issuer is not one of those that are believed.
    #[error("tokens of the issuer {found:?} are not taken here")]
    UnknownIssuer {
        /// The issuer that the token names.
        found: String,
    },
    /// The token's signature is of a kind that is never taken, `none` and symmetric ones among them.
    #[error("tokens signed with {found:?} are not taken")]
    TokenAlgorithm {
        /// What the token names.
        found: String,
    },
    /// The issuer publishes no key of the token's name and kind, or more than one.
    #[error("the token's issuer does not publish the key that the token names")]
    UnknownKey,
    /// The token was not signed by its issuer, or was changed.
    #[error("the token's signature does not verify")]
    TokenSignature,
    /// The token was made for somebody else, or for several.
    #[error("the token is not for the audience {wanted:?} alone")]
    Audience {
        /// The audience that is needed.
        wanted: String,
    },
    /// The token's time is over.
    #[error("the token has expired")]
    Expired,
    /// The token's time has not come.
    #[error("the token is not valid yet")]
    NotYetValid,
    /// The token is good for so long that its use cannot be remembered.
    #[error("the token is valid for longer than {limit} hours")]
    LivesTooLong {
        /// The longest life in hours.
        limit: u32,
    },
    /// The issuer does not say that the e-mail address is its subject's.
    #[error("the token's issuer has not verified the e-mail address")]
    EmailNotVerified,
    /// A claim that is needed is absent, or of another form.
    #[error("the token's claim {name:?} is missing or unfit")]
    Claim {
        /// The claim, by a name of the configuration.
        name: String,
    },
    /// The subject is none of those that the issuer may name.
    #[error("the token's subject does not begin with {wanted:?}")]
    Subject {
        /// What it must begin with.
        wanted: String,
    },
    /// The token was used before.
    #[error("the token has been used already")]
    AlreadyUsed,
    /// Whoever asks does not have the private key.
    #[error("the proof of possession does not verify")]
    Proof,
    /// The key is of a kind, or has a weakness, for which none is certified.
    #[error(transparent)]
    Key(#[from] sealwax_keys::Error),
    /// There is no such invitation, or not any more.
    #[error("no such invitation")]
    NoInvitation,
}

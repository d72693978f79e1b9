//! What can be wrong with a URI, a module, a token or a key in it.
//!
//! No variant carries a PIN. Names from a URI stand in them as they were given; whoever shows them must escape them.

use cryptoki::error::{Error as ModuleError, RvError};

/// The result of this crate's functions.
pub type Result<T> = std::result::Result<T, Error>;

/// Says why a key in a token cannot be used.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The text is no PKCS#11 URI.
    #[error("not a PKCS#11 URI: {what}")]
    Uri {
        /// What is wrong with it.
        what: &'static str,
    },
    /// The URI has an attribute that Sealwax does not know; to leave it out could mean another key.
    #[error("the attribute {name:?} has no meaning here")]
    UnknownAttribute {
        /// Its name.
        name: String,
    },
    /// The URI has an attribute twice.
    #[error("the attribute {name} occurs twice")]
    DuplicateAttribute {
        /// Its name.
        name: String,
    },
    /// The URI holds a PIN, which whoever sees the command line or the file then knows.
    #[error("a URI must not hold the PIN")]
    PinInUri,
    /// The path of the module is not absolute, so where it leads would depend on where the program runs.
    #[error("the path of the module is not absolute")]
    RelativeModule,
    /// The file is no PKCS#11 module, or one that cannot start.
    #[error("cannot use the module: {reason}")]
    Module {
        /// What the loader or the module says.
        reason: String,
    },
    /// No token of the module is the one that the URI describes.
    #[error("no such token is there")]
    NoToken,
    /// Several tokens of the module are as the URI describes.
    #[error("{count} tokens are as described")]
    ManyTokens {
        /// How many.
        count: usize,
    },
    /// The token wants a PIN and none was given.
    #[error("the token wants a PIN")]
    PinNeeded,
    /// The token refused the PIN.
    #[error("wrong PIN{}", if *final_try { "; the next wrong one locks the token" } else { "" })]
    WrongPin {
        /// Whether the token says that it will lock after one more.
        final_try: bool,
    },
    /// The token refused the PIN when the session was opened again; it is not tried again, because that could lock the token.
    #[error("the token no longer takes the PIN, which is not tried again")]
    PinChanged,
    /// The token has seen too many wrong PINs.
    #[error("the token's PIN is locked")]
    PinLocked,
    /// There is no such key.
    #[error("no such key is in the token")]
    NoKey,
    /// There is only the public half of the key.
    #[error("only the public half of the key is in the token")]
    PublicOnly,
    /// Several keys are as the URI describes.
    #[error("{count} keys are as described")]
    ManyKeys {
        /// How many.
        count: usize,
    },
    /// The key is there already and is not replaced.
    #[error("a key with that name or identifier is in the token already")]
    Exists,
    /// The key may not sign.
    #[error("the key is not allowed to sign")]
    NotForSigning,
    /// The token wants the PIN for each signature.
    #[error("the token wants the PIN for each signature, which is not supported")]
    PinEachTime,
    /// The public half of the key is not in the token.
    #[error("the public half of the key is not in the token")]
    NoPublicHalf,
    /// The key is not one that Sealwax uses.
    #[error("{0}")]
    Key(sealwax_keys::Error),
    /// After the session was opened again, another key has the name.
    #[error("another key has taken the place of the one that was opened")]
    Replaced,
    /// The token cannot make keys, or signatures, of the kind.
    #[error("the token does not offer this: {reason}")]
    Unsupported {
        /// What the module calls it.
        reason: String,
    },
    /// Something else failed in the token.
    #[error("the token failed: {reason}")]
    Token {
        /// What the module calls it.
        reason: String,
    },
}

impl From<ModuleError> for Error {
    /// Sorts what a module says, by its short name: the long texts are about the standard, not about what happened.
    fn from(error: ModuleError) -> Self {
        let ModuleError::Pkcs11(value, function) = error else {
            return Self::Token { reason: error.to_string() };
        };
        let reason = format!("{value:?} in {function:?}");
        match value {
            RvError::PinIncorrect | RvError::PinInvalid | RvError::PinLenRange => {
                Self::WrongPin { final_try: false }
            }
            RvError::PinLocked => Self::PinLocked,
            RvError::PinExpired => Self::PinChanged,
            RvError::KeyFunctionNotPermitted => Self::NotForSigning,
            RvError::MechanismInvalid
            | RvError::MechanismParamInvalid
            | RvError::FunctionNotSupported
            | RvError::CurveNotSupported
            | RvError::DomainParamsInvalid => Self::Unsupported { reason },
            _ => Self::Token { reason },
        }
    }
}

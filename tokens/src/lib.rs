//! Keys that never leave a PKCS#11 token: a hardware module, a smart card, a software token.
//!
//! A key is named by a PKCS#11 URI (RFC 7512), found in the token, and from then on is a [`SecretKey`](sealwax_keys::SecretKey)
//! like any other: it signs, and nobody who uses it needs to know where.
//!
//! ```text
//! pkcs11:token=release;object=models?module-path=/usr/lib/softhsm/libsofthsm2.so&pin-source=file:/etc/sealwax/pin
//! ```
//!
//! The token's module is somebody else's program in this process. It is loaded only from the absolute path that the caller
//! gives, and what it signs is verified before anybody gets it. What this crate is not: it reads no file but the module,
//! asks nobody for a PIN, and keeps none longer than the key it opens.
//!
//! The process never forks, and a module that finds itself uninitialised is initialised anew, so no session is ever
//! shared between processes.

#![warn(clippy::missing_errors_doc)]

mod error;
mod key;
mod public;
mod token;
mod uri;

pub use error::{Error, Result};
pub use token::Token;
pub use uri::KeyUri;

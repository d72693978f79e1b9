//! Key pairs, key files' text, key identifiers and certificates, and the signing and verifying of bytes.
//!
//! Everything here works on bytes that the caller already holds: no file, no clock, no network. Randomness comes from the
//! operating system and only where a key, a salt or an initialisation vector is made. What this crate is not: it builds no
//! certificate path, knows no log and no bundle, and judges no identity.
//!
//! ```
//! use sealwax_keys::{KeyKind, SecretKey};
//!
//! let secret = SecretKey::generate(KeyKind::P256)?;
//! let signature = secret.sign(b"message")?;
//! let public = secret.public_key();
//! public.verify(public.scheme(), b"message", &signature)?;
//! # Ok::<(), sealwax_keys::Error>(())
//! ```

#![warn(clippy::missing_errors_doc)]

mod certificate;
#[cfg(test)]
mod der_writer;
mod error;
mod key_file;
mod pem;
mod public_key;
mod scheme;
mod secret_key;
mod signature_algorithm;

pub use certificate::{BasicConstraints, Certificate, Extension, KeyUsage, Precertificate, SubjectName};
pub use error::{Error, Result};
pub use key_file::{EncryptedKey, KeyFile};
pub use public_key::PublicKey;
pub use scheme::{HashAlgorithm, KeyKind, Scheme};
pub use secret_key::{Holder, SecretKey};

//! The text of a private key file.
//!
//! ```text
//! -----BEGIN PRIVATE KEY-----            PKCS#8, RFC 5208 and RFC 5958
//! -----BEGIN EC PRIVATE KEY-----         SEC1, RFC 5915; an EC PARAMETERS block may stand before it
//! -----BEGIN ENCRYPTED PRIVATE KEY-----  PKCS#8 under PBES2, RFC 8018
//! ```
//!
//! What it is not: a reader of files. Permissions, symbolic links and the asking for a passphrase are the caller's.

mod encrypted;

use der::asn1::{AnyRef, ObjectIdentifier};
use der::{Decode, Tag, Tagged};
use pkcs8::PrivateKeyInfoRef;

use crate::error::{Error, Result};
use crate::pem::{self, Block};
use crate::public_key::{EC_PUBLIC_KEY_OID, ED25519_OID, P256_OID, P384_OID};
use crate::public_key::{describe_algorithm, describe_curve};
use crate::secret_key::SecretKey;

pub use encrypted::EncryptedKey;

/// A private key as it stands in a file.
#[derive(Debug)]
pub enum KeyFile {
    /// The key lies open.
    Plain(SecretKey),
    /// The key needs a passphrase.
    Encrypted(EncryptedKey),
}

impl KeyFile {
    /// Reads PEM text with exactly one private key of kind P-256, P-384 or Ed25519.
    ///
    /// Where the error is [`Error::WeakEncryption`], OpenSSL rewrites the key under a strong one:
    ///
    /// ```text
    /// openssl pkcs8 -topk8 -v2 aes-256-cbc -in OLD -out NEW
    /// ```
    ///
    /// # Errors
    ///
    /// [`Error::UnsupportedKey`] for other kinds of key, [`Error::WeakEncryption`] for legacy PEM encryption, PBES1, DES,
    /// triple DES, RC2 and derivation by SHA-1 or MD5, [`Error::UnsupportedEncryption`] for unknown algorithms,
    /// [`Error::KdfCost`] for costs out of range (see [`EncryptedKey`]), [`Error::KeyPairMismatch`] where the file carries a
    /// public key that is not the private key's, [`Error::PublicKeyGiven`], [`Error::CertificateGiven`], the PEM errors, and
    /// [`Error::Malformed`].
    pub fn parse(text: &[u8]) -> Result<Self> {
        let blocks = pem::parse(text)?;
        let block = match blocks.as_slice() {
            // What `openssl ecparam -genkey` writes; the curve stands in the key as well, and there it is checked.
            [parameters, key] if parameters.label == "EC PARAMETERS" && key.label == SEC1_LABEL => key,
            [key] => key,
            blocks => return Err(Error::ManyPemBlocks { count: blocks.len() }),
        };
        if block.legacy_encrypted {
            return Err(Error::WeakEncryption { what: "legacy PEM encryption (Proc-Type: 4,ENCRYPTED)" });
        }
        match block.label.as_str() {
            PKCS8_LABEL => read_pkcs8(&block.der).map(Self::Plain),
            SEC1_LABEL => read_sec1(&block.der, None).map(Self::Plain),
            "ENCRYPTED PRIVATE KEY" => EncryptedKey::from_der(&block.der).map(Self::Encrypted),
            _ => Err(refusal(block)),
        }
    }
}

/// Reads a PKCS#8 PrivateKeyInfo, of version 1 or 2.
fn read_pkcs8(der: &[u8]) -> Result<SecretKey> {
    let info = PrivateKeyInfoRef::from_der(der).map_err(|_| MALFORMED)?;
    let key = info.private_key.as_bytes();
    let secret = match info.algorithm.oid {
        EC_PUBLIC_KEY_OID => {
            let parameters = info.algorithm.parameters.ok_or(MALFORMED)?;
            read_sec1(key, Some(named_curve(parameters)?))?
        }
        ED25519_OID if info.algorithm.parameters.is_none() => match key {
            [0x04, 0x20, seed @ ..] => {
                SecretKey::from_ed25519_seed(<&[u8; 32]>::try_from(seed).map_err(|_| MALFORMED)?)?
            }
            _ => return Err(MALFORMED),
        },
        ED25519_OID => return Err(MALFORMED),
        other => {
            return Err(Error::UnsupportedKey { what: format!("{} private key", describe_algorithm(other)) });
        }
    };
    match info.public_key {
        Some(bits) => expect_public(&secret, bits.as_bytes().ok_or(MALFORMED)?),
        None => Ok(()),
    }?;
    Ok(secret)
}

/// Reads a SEC1 ECPrivateKey, whose curve may be stated by what surrounds it.
fn read_sec1(der: &[u8], outer: Option<ObjectIdentifier>) -> Result<SecretKey> {
    let key = sec1::EcPrivateKey::from_der(der).map_err(|error| match error.kind() {
        // The only object identifier that the structure itself asks for is that of its curve.
        der::ErrorKind::TagUnexpected { expected: Some(Tag::ObjectIdentifier), actual: Tag::Sequence } => {
            explicit_parameters()
        }
        _ => MALFORMED,
    })?;
    let inner = key.parameters.and_then(sec1::EcParameters::named_curve);
    let curve = match (outer, inner) {
        (Some(outer), Some(inner)) if outer != inner => return Err(Error::KeyPairMismatch),
        (Some(curve), _) | (None, Some(curve)) => curve,
        (None, None) => return Err(MALFORMED),
    };
    let secret = match curve {
        P256_OID => SecretKey::from_p256_scalar(key.private_key)?,
        P384_OID => SecretKey::from_p384_scalar(key.private_key)?,
        other => {
            return Err(Error::UnsupportedKey { what: format!("{} private key", describe_curve(other)) });
        }
    };
    if let Some(public) = key.public_key {
        expect_public(&secret, public)?;
    }
    Ok(secret)
}

/// Reads a curve's name; explicit parameters are refused by name, as some tools write them.
fn named_curve(parameters: AnyRef<'_>) -> Result<ObjectIdentifier> {
    match parameters.tag() {
        Tag::Sequence => Err(explicit_parameters()),
        _ => parameters.decode_as().map_err(|_| MALFORMED),
    }
}

fn explicit_parameters() -> Error {
    Error::UnsupportedKey { what: "ECDSA with explicit curve parameters".to_owned() }
}

/// Refuses a file whose public part belongs to another key: a signature under it would not verify, or worse.
fn expect_public(secret: &SecretKey, stated: &[u8]) -> Result<()> {
    if secret.public_key().raw() == stated { Ok(()) } else { Err(Error::KeyPairMismatch) }
}

/// Says why a block that is no readable private key is refused.
fn refusal(block: &Block) -> Error {
    let what = match block.label.as_str() {
        "RSA PRIVATE KEY" => "RSA private key",
        "DSA PRIVATE KEY" => "DSA private key",
        "OPENSSH PRIVATE KEY" => "OpenSSH private key",
        "ENCRYPTED SIGSTORE PRIVATE KEY" | "ENCRYPTED COSIGN PRIVATE KEY" => "cosign private key",
        "PUBLIC KEY" => return Error::PublicKeyGiven,
        "CERTIFICATE" => return Error::CertificateGiven,
        label => return Error::UnexpectedPem { found: label.to_owned(), wanted: PKCS8_LABEL },
    };
    Error::UnsupportedKey { what: what.to_owned() }
}

const PKCS8_LABEL: &str = "PRIVATE KEY";
const SEC1_LABEL: &str = "EC PRIVATE KEY";
const MALFORMED: Error = Error::Malformed { what: "private key" };

#[cfg(test)]
mod tests;

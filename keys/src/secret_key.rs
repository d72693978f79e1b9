//! A private key: made, signing, written as PKCS#8.
//!
//! The key wipes itself on drop, cannot be copied or serialised by accident, and prints only its kind and fingerprint. The
//! public key is derived from the private one and never given beside it, so no caller can make an Ed25519 key sign under
//! somebody else's public key, which would give the private key away.
//!
//! The private half may also be held elsewhere, by something that only signs (see [`Holder`]). It is then the holder that
//! knows both halves, and each signature that it gives is verified before anybody gets it.

use std::fmt;

use der::Encode;
use der::asn1::{OctetString, OctetStringRef};
use ed25519_dalek::Digest;
use getrandom::SysRng;
use p256::ecdsa::signature::Signer;
use p256::elliptic_curve::Generate;
use pkcs8::pkcs5::{pbes2, scrypt};
use pkcs8::{EncodePrivateKey, SecretDocument};
use zeroize::Zeroizing;

use crate::error::{Error, Result};
use crate::pem;
use crate::public_key::{ED25519_OID, P256_OID, P384_OID, PublicKey};
use crate::scheme::{KeyKind, Scheme};

/// A private key that signs.
pub struct SecretKey {
    /// Boxed, so that moving the value leaves no copy of the key behind on the stack.
    inner: Box<Inner>,
    public: PublicKey,
}

/// Signs with a private key that never comes into this process, for example one in a hardware token.
pub trait Holder: Send + Sync {
    /// Signs a message with the key's scheme, in the encoding that [`PublicKey::verify`] takes: DER for ECDSA.
    ///
    /// # Errors
    ///
    /// [`Error::Holder`] with what hindered it, which must hold no secret.
    fn sign(&self, scheme: Scheme, message: &[u8]) -> Result<Vec<u8>>;
}

/// The library's key, which wipes itself on drop, or who has it.
enum Inner {
    P256(p256::ecdsa::SigningKey),
    P384(p384::ecdsa::SigningKey),
    Ed25519(ed25519_dalek::SigningKey),
    Held(Box<dyn Holder>),
}

impl SecretKey {
    /// Makes a new key from the operating system's randomness.
    ///
    /// # Errors
    ///
    /// [`Error::CannotGenerate`] for kinds other than P-256, P-384 and Ed25519, [`Error::Random`] where the system gives no
    /// random bytes.
    pub fn generate(kind: KeyKind) -> Result<Self> {
        let inner = match kind {
            KeyKind::P256 => Inner::P256(
                p256::ecdsa::SigningKey::try_generate_from_rng(&mut SysRng).map_err(|_| Error::Random)?,
            ),
            KeyKind::P384 => Inner::P384(
                p384::ecdsa::SigningKey::try_generate_from_rng(&mut SysRng).map_err(|_| Error::Random)?,
            ),
            KeyKind::Ed25519 => {
                let mut seed = Zeroizing::new([0; 32]);
                getrandom::fill(seed.as_mut()).map_err(|_| Error::Random)?;
                Inner::Ed25519(ed25519_dalek::SigningKey::from_bytes(&seed))
            }
            KeyKind::P521 | KeyKind::Rsa => return Err(Error::CannotGenerate { kind }),
        };
        Self::new(inner)
    }

    /// Makes a key of its public half and of who holds the private one.
    pub fn held(public: PublicKey, holder: impl Holder + 'static) -> Self {
        Self { inner: Box::new(Inner::Held(Box::new(holder))), public }
    }

    /// Makes a P-256 key from its scalar, exactly 32 bytes big-endian.
    pub(crate) fn from_p256_scalar(scalar: &[u8]) -> Result<Self> {
        let scalar = <&[u8; 32]>::try_from(scalar).map_err(|_| SCALAR_LENGTH)?;
        p256::ecdsa::SigningKey::from_slice(scalar)
            .map_err(|_| SCALAR_RANGE)
            .and_then(|key| Self::new(Inner::P256(key)))
    }

    /// Makes a P-384 key from its scalar, exactly 48 bytes big-endian.
    pub(crate) fn from_p384_scalar(scalar: &[u8]) -> Result<Self> {
        let scalar = <&[u8; 48]>::try_from(scalar).map_err(|_| SCALAR_LENGTH)?;
        p384::ecdsa::SigningKey::from_slice(scalar)
            .map_err(|_| SCALAR_RANGE)
            .and_then(|key| Self::new(Inner::P384(key)))
    }

    /// Makes an Ed25519 key from its seed.
    pub(crate) fn from_ed25519_seed(seed: &[u8; 32]) -> Result<Self> {
        Self::new(Inner::Ed25519(ed25519_dalek::SigningKey::from_bytes(seed)))
    }

    fn new(inner: Inner) -> Result<Self> {
        let public = match &inner {
            Inner::P256(key) => {
                PublicKey::from_point(P256_OID, key.verifying_key().to_sec1_point(false).as_bytes())?
            }
            Inner::P384(key) => {
                PublicKey::from_point(P384_OID, key.verifying_key().to_sec1_point(false).as_bytes())?
            }
            Inner::Ed25519(key) => PublicKey::from_ed25519(key.verifying_key().as_bytes())?,
            Inner::Held(_) => return Err(Error::HeldElsewhere),
        };
        Ok(Self { inner: Box::new(inner), public })
    }

    /// Gives the public key that belongs to this one.
    pub fn public_key(&self) -> &PublicKey {
        &self.public
    }

    /// Signs a message with the scheme of [`PublicKey::scheme`].
    ///
    /// ECDSA signatures are DER, with the nonce derived as RFC 6979 says, so that a poor random source cannot give the key
    /// away; Ed25519 keys sign the message's SHA-512 (Ed25519ph). A key that is held elsewhere makes its nonces its own way.
    ///
    /// # Errors
    ///
    /// [`Error::SigningFailed`] where the signing library refuses, [`Error::Holder`] where the holder of the key does, and
    /// [`Error::HolderSignature`] where what it gives is no signature by this key.
    pub fn sign(&self, message: &[u8]) -> Result<Vec<u8>> {
        self.sign_with(self.public.scheme(), message)
    }

    /// Signs a message with a chosen scheme, for example pure Ed25519 for a signed note.
    ///
    /// # Errors
    ///
    /// [`Error::SchemeMismatch`] where the scheme is not the registry's for this key, else those of [`SecretKey::sign`].
    pub fn sign_with(&self, scheme: Scheme, message: &[u8]) -> Result<Vec<u8>> {
        self.public.accept_scheme(scheme)?;
        match self.inner.as_ref() {
            Inner::Held(holder) => {
                let signature = holder.sign(scheme, message)?;
                // What a faulty token gives may tell its key to whoever sees it.
                self.public.verify(scheme, message, &signature).map_err(|_| Error::HolderSignature)?;
                Ok(signature)
            }
            Inner::P256(key) => Signer::<p256::ecdsa::DerSignature>::try_sign(key, message)
                .map(|signature| signature.as_bytes().to_vec())
                .map_err(|_| Error::SigningFailed),
            Inner::P384(key) => Signer::<p384::ecdsa::DerSignature>::try_sign(key, message)
                .map(|signature| signature.as_bytes().to_vec())
                .map_err(|_| Error::SigningFailed),
            Inner::Ed25519(key) if scheme == Scheme::Ed25519Ph => key
                .sign_prehashed(ed25519_dalek::Sha512::new_with_prefix(message), None)
                .map(|signature| signature.to_vec())
                .map_err(|_| Error::SigningFailed),
            Inner::Ed25519(key) => {
                key.try_sign(message).map(|signature| signature.to_vec()).map_err(|_| Error::SigningFailed)
            }
        }
    }

    /// Writes the key as PKCS#8 PEM, encrypted where a passphrase is given.
    ///
    /// Without a passphrase: `PRIVATE KEY`, RFC 5208 version 1. With one: `ENCRYPTED PRIVATE KEY`, PBES2 with scrypt
    /// (N = 2^14, r = 8, p = 5) and AES-256-CBC. The memory cost stays at 16 MiB because OpenSSL refuses to read a key above
    /// 32 MiB; the five lanes make up for it.
    ///
    /// # Errors
    ///
    /// [`Error::EmptyPassphrase`] for an empty passphrase, [`Error::Random`] where the system gives no random bytes for
    /// salt and initialisation vector, [`Error::HeldElsewhere`] where there is nothing here to write.
    pub fn to_pkcs8_pem(&self, passphrase: Option<&str>) -> Result<Zeroizing<String>> {
        let document = match self.inner.as_ref() {
            Inner::P256(key) => key.to_pkcs8_der().map_err(|_| MALFORMED)?,
            Inner::P384(key) => key.to_pkcs8_der().map_err(|_| MALFORMED)?,
            Inner::Ed25519(key) => ed25519_document(key)?,
            Inner::Held(_) => return Err(Error::HeldElsewhere),
        };
        match passphrase {
            None => Ok(pem::encode("PRIVATE KEY", document.as_bytes())),
            Some("") => Err(Error::EmptyPassphrase),
            Some(passphrase) => {
                let parameters = encryption()?;
                let ciphertext =
                    parameters.encrypt(passphrase, document.as_bytes()).map_err(|_| MALFORMED)?;
                let encrypted = pkcs8::EncryptedPrivateKeyInfoOwned {
                    encryption_algorithm: parameters.into(),
                    encrypted_data: OctetString::new(ciphertext).map_err(|_| MALFORMED)?,
                };
                Ok(pem::encode("ENCRYPTED PRIVATE KEY", &encrypted.to_der().map_err(|_| MALFORMED)?))
            }
        }
    }
}

impl fmt::Debug for SecretKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SecretKey")
            .field("kind", &self.public.kind())
            .field("fingerprint", &hex::encode(self.public.fingerprint()))
            .finish_non_exhaustive()
    }
}

/// Writes an Ed25519 key as RFC 8410 says, in version 1: version 2 would carry the public key along, which OpenSSL 3.0 does
/// not read. Written here because the library's own writer leaves a copy of the seed behind.
fn ed25519_document(key: &ed25519_dalek::SigningKey) -> Result<SecretDocument> {
    let mut octets = Zeroizing::new(Vec::with_capacity(34));
    octets.extend([0x04, 0x20]);
    octets.extend(key.as_bytes());
    let algorithm = spki::AlgorithmIdentifierRef { oid: ED25519_OID, parameters: None };
    let private_key = OctetStringRef::new(&octets).map_err(|_| MALFORMED)?;
    SecretDocument::try_from(pkcs8::PrivateKeyInfoRef::new(algorithm, private_key)).map_err(|_| MALFORMED)
}

/// Chooses how a key is encrypted: fresh salt and initialisation vector, fixed costs.
fn encryption() -> Result<pbes2::Parameters> {
    let (mut salt, mut iv) = ([0; 16], [0; 16]);
    getrandom::fill(&mut salt).map_err(|_| Error::Random)?;
    getrandom::fill(&mut iv).map_err(|_| Error::Random)?;
    let costs = scrypt::Params::new(14, 8, 5).map_err(|_| Error::KdfCost { kdf: "scrypt" })?;
    pbes2::Parameters::generate_scrypt_aes256cbc(costs, &salt, iv).map_err(|_| MALFORMED)
}

const MALFORMED: Error = Error::Malformed { what: "private key" };
const SCALAR_LENGTH: Error = Error::Malformed { what: "ECDSA private scalar" };
const SCALAR_RANGE: Error =
    Error::WeakKey { what: "the private scalar is zero or not below the curve's order" };

#[cfg(test)]
mod tests;

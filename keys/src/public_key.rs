//! A public key, read strictly once and from then on known to be usable.
//!
//! There is one parser, for a DER SubjectPublicKeyInfo (RFC 5280 section 4.1.2.7); PEM text and raw Ed25519 bytes are turned
//! into that form first. A value of this type is a point on its curve, or an RSA modulus of accepted size: see
//! [`PublicKey::from_spki_der`] for everything that is refused. What it is not: a statement about who holds the key.

mod spki;
mod verify;

use std::fmt;

use der::Decode;

use crate::error::{Error, Result};
use crate::pem;
use crate::scheme::{HashAlgorithm, KeyKind, Scheme};
use crate::signature_algorithm::SignatureAlgorithm;
use spki::Material;

pub(crate) use spki::{
    EC_PUBLIC_KEY_OID, ED25519_OID, P256_OID, P384_OID, describe_algorithm, describe_curve,
};

/// A public key for checking signatures.
#[derive(Clone)]
pub struct PublicKey {
    spki: Vec<u8>,
    material: Material,
}

impl PublicKey {
    /// Reads a DER SubjectPublicKeyInfo.
    ///
    /// Accepted are ECDSA keys on P-256, P-384 and P-521 as uncompressed points, Ed25519, and RSA with 2048 to 4096 bits.
    ///
    /// # Errors
    ///
    /// [`Error::Malformed`] for anything but strict DER (trailing bytes included) and for compressed points,
    /// [`Error::UnsupportedKey`] for other algorithms, other curves and explicit curve parameters, [`Error::WeakKey`] for
    /// points off the curve or at infinity, Ed25519 points of small order or in non-canonical form, RSA moduli outside 2048
    /// to 4096 bits, and RSA exponents that are even or below 3.
    pub fn from_spki_der(der: &[u8]) -> Result<Self> {
        Ok(Self { spki: der.to_vec(), material: spki::read(der)? })
    }

    /// Reads PEM text with exactly one `PUBLIC KEY` block.
    ///
    /// # Errors
    ///
    /// [`Error::PrivateKeyGiven`] and [`Error::CertificateGiven`] where the block is one of these, the PEM errors
    /// ([`Error::NoPem`], [`Error::MalformedPem`], [`Error::ManyPemBlocks`], [`Error::UnexpectedPem`]), and those of
    /// [`PublicKey::from_spki_der`].
    pub fn from_pem(text: &[u8]) -> Result<Self> {
        let blocks = pem::parse(text)?;
        for block in &blocks {
            block.expect_label(PEM_LABEL)?;
        }
        match blocks.as_slice() {
            [block] => Self::from_spki_der(&block.der),
            blocks => Err(Error::ManyPemBlocks { count: blocks.len() }),
        }
    }

    /// Makes an Ed25519 key from the 32 bytes of RFC 8032 section 5.1.5.
    ///
    /// # Errors
    ///
    /// [`Error::WeakKey`] where the bytes are no canonical encoding of a point of large order.
    pub fn from_ed25519(bytes: &[u8; 32]) -> Result<Self> {
        Self::from_spki_der(&spki::write_ed25519(bytes)?)
    }

    /// Makes an ECDSA key from a curve and an uncompressed point.
    pub(crate) fn from_point(curve: der::asn1::ObjectIdentifier, point: &[u8]) -> Result<Self> {
        Self::from_spki_der(&spki::write_point(curve, point)?)
    }

    /// Gives the 32 bytes of an Ed25519 key, `None` for other kinds.
    pub fn ed25519_bytes(&self) -> Option<[u8; 32]> {
        match &self.material {
            Material::Ed25519(key) => Some(key.to_bytes()),
            Material::Ecdsa { .. } | Material::Rsa { .. } => None,
        }
    }

    /// Tells the kind of key.
    pub fn kind(&self) -> KeyKind {
        match &self.material {
            Material::Ecdsa { curve, .. } => curve.kind(),
            Material::Ed25519(_) => KeyKind::Ed25519,
            Material::Rsa { .. } => KeyKind::Rsa,
        }
    }

    /// Gives the key's size in bits: of the curve's field, 256 for Ed25519, of the modulus for RSA.
    pub fn bits(&self) -> usize {
        match &self.material {
            Material::Rsa { bits, .. } => *bits,
            Material::Ecdsa { curve, .. } => curve.bits(),
            Material::Ed25519(_) => 256,
        }
    }

    /// Tells the scheme that a Sealwax signature by this key uses.
    ///
    /// An Ed25519 key gives [`Scheme::Ed25519Ph`], so that a `hashedrekord` log entry, which holds only a digest, can be
    /// checked. The registry names three sizes of RSA; a modulus between two of them gives the lower one's scheme here, and
    /// [`PublicKey::verify`] refuses it.
    pub fn scheme(&self) -> Scheme {
        match (self.kind(), self.bits()) {
            (KeyKind::P256, _) => Scheme::EcdsaP256Sha256,
            (KeyKind::P384, _) => Scheme::EcdsaP384Sha384,
            (KeyKind::P521, _) => Scheme::EcdsaP521Sha512,
            (KeyKind::Ed25519, _) => Scheme::Ed25519Ph,
            (KeyKind::Rsa, 4096..) => Scheme::RsaPkcs1v15_4096Sha256,
            (KeyKind::Rsa, 3072..) => Scheme::RsaPkcs1v15_3072Sha256,
            (KeyKind::Rsa, _) => Scheme::RsaPkcs1v15_2048Sha256,
        }
    }

    /// Gives the DER SubjectPublicKeyInfo, byte for byte as it was read.
    pub fn spki_der(&self) -> &[u8] {
        &self.spki
    }

    /// Writes the key as PEM: 64 columns, LF, trailing newline, exactly what OpenSSL prints.
    pub fn to_pem(&self) -> String {
        pem::encode(PEM_LABEL, &self.spki).to_string()
    }

    /// Gives the SHA-256 of the DER SubjectPublicKeyInfo, which is also the key id of RFC 6962 logs.
    pub fn fingerprint(&self) -> [u8; 32] {
        use sha2::Digest;
        sha2::Sha256::digest(&self.spki).into()
    }

    /// Gives the key hint of OpenSSF Model Signing: lower-case hexadecimal SHA-256 of the PEM text.
    pub fn oms_hint(&self) -> String {
        hex::encode(HashAlgorithm::Sha256.digest(self.to_pem().as_bytes()))
    }

    /// Checks a signature over a message.
    ///
    /// ECDSA signatures are strict DER (`SEQUENCE` of two minimal positive integers below the order); the pair (r, n−s)
    /// verifies too, so signature bytes must never serve as an identity. Ed25519 is the strict, cofactorless rule: S below
    /// the order, R canonical and of large order. RSA is PKCS#1 v1.5 with the signature as long as the modulus.
    ///
    /// # Errors
    ///
    /// [`Error::SchemeMismatch`] where the scheme is not the registry's for this key, else [`Error::BadSignature`].
    pub fn verify(&self, scheme: Scheme, message: &[u8], signature: &[u8]) -> Result<()> {
        self.accept_scheme(scheme)?;
        self.material.verify(scheme, message, signature)
    }

    /// Checks a signature over a message of which only the digest is at hand.
    ///
    /// The digest must be the scheme's hash of the message; that it is, the caller must know. A log needs this when it takes
    /// entries from others: a `hashedrekord` entry holds the digest and the signature, and never the message.
    ///
    /// # Errors
    ///
    /// [`Error::NeedsMessage`] for pure Ed25519, [`Error::DigestLength`] where the digest has not the length of the
    /// scheme's hash, else those of [`PublicKey::verify`].
    pub fn verify_digest(&self, scheme: Scheme, digest: &[u8], signature: &[u8]) -> Result<()> {
        self.accept_scheme(scheme)?;
        if scheme == Scheme::Ed25519 {
            return Err(Error::NeedsMessage);
        }
        let expected = scheme.hash().len();
        if digest.len() != expected {
            return Err(Error::DigestLength { expected, actual: digest.len() });
        }
        self.material.verify_digest(scheme, digest, signature)
    }

    /// Checks an ECDSA signature on P-256 or P-384 over SHA-256.
    ///
    /// This exists for bundles of model_signing 0.2 alone, which used SHA-256 whatever the curve; P-384 with SHA-256 is no
    /// pair of the registry and must not be offered anywhere else.
    ///
    /// # Errors
    ///
    /// [`Error::UnsupportedKey`] for other kinds of key, else [`Error::BadSignature`].
    pub fn verify_legacy_sha256(&self, message: &[u8], signature: &[u8]) -> Result<()> {
        match self.kind() {
            KeyKind::P256 | KeyKind::P384 => {
                self.material.verify_hashed(Some(HashAlgorithm::Sha256), message, signature)
            }
            kind => Err(Error::UnsupportedKey { what: format!("{kind} in a model_signing 0.2 bundle") }),
        }
    }

    /// Checks a signature over a DER structure that names its algorithm beside it, as a certification request does.
    ///
    /// The algorithm is a DER AlgorithmIdentifier (RFC 5280 section 4.1.1.2). Accepted are the algorithms of
    /// [`Certificate::is_signed_by`](crate::Certificate::is_signed_by), which need not be the registry's pairs.
    ///
    /// # Errors
    ///
    /// [`Error::Malformed`] where the algorithm is no strict DER, [`Error::UnsupportedSignatureAlgorithm`] for other
    /// algorithms, [`Error::IssuerKeyMismatch`] where it is not one for this key, else [`Error::BadSignature`].
    pub fn verify_named(&self, algorithm: &[u8], message: &[u8], signature: &[u8]) -> Result<()> {
        const MALFORMED: Error = Error::Malformed { what: "signature algorithm" };
        let identifier = ::spki::AlgorithmIdentifierOwned::from_der(algorithm).map_err(|_| MALFORMED)?;
        SignatureAlgorithm::read(&identifier).verify(self, message, signature)
    }

    /// Gives what the BIT STRING of the SubjectPublicKeyInfo holds: the point, the Ed25519 bytes, the RSAPublicKey.
    pub(crate) fn raw(&self) -> &[u8] {
        match &self.material {
            Material::Ecdsa { point, .. } => point,
            Material::Ed25519(key) => key.as_bytes(),
            Material::Rsa { key, .. } => key,
        }
    }

    /// Checks a certificate's signature by this key over the given hash; pure Ed25519 takes `None`.
    pub(crate) fn verify_certificate(
        &self,
        hash: Option<HashAlgorithm>,
        message: &[u8],
        signature: &[u8],
    ) -> Result<()> {
        self.material.verify_hashed(hash, message, signature)
    }

    /// Refuses every pair of key and scheme that the registry does not name.
    pub(crate) fn accept_scheme(&self, scheme: Scheme) -> Result<()> {
        let (kind, bits) = (self.kind(), self.bits());
        let fits = match scheme {
            Scheme::EcdsaP256Sha256 => kind == KeyKind::P256,
            Scheme::EcdsaP384Sha384 => kind == KeyKind::P384,
            Scheme::EcdsaP521Sha512 => kind == KeyKind::P521,
            Scheme::Ed25519 | Scheme::Ed25519Ph => kind == KeyKind::Ed25519,
            Scheme::RsaPkcs1v15_2048Sha256 => kind == KeyKind::Rsa && bits == 2048,
            Scheme::RsaPkcs1v15_3072Sha256 => kind == KeyKind::Rsa && bits == 3072,
            Scheme::RsaPkcs1v15_4096Sha256 => kind == KeyKind::Rsa && bits == 4096,
        };
        if fits { Ok(()) } else { Err(Error::SchemeMismatch { kind, bits, scheme }) }
    }
}

impl PartialEq for PublicKey {
    fn eq(&self, other: &Self) -> bool {
        self.spki == other.spki
    }
}

impl Eq for PublicKey {}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PublicKey")
            .field("kind", &self.kind())
            .field("bits", &self.bits())
            .field("fingerprint", &hex::encode(self.fingerprint()))
            .finish()
    }
}

const PEM_LABEL: &str = "PUBLIC KEY";

#[cfg(test)]
mod tests;

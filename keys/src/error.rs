//! What can be wrong with a key, a key file, a certificate or a signature.
//!
//! No variant carries secret bytes, and no text from outside except PEM labels (checked to be upper-case ASCII), object
//! identifiers, and what hinders the holder of a key.

use crate::scheme::{KeyKind, Scheme};

/// The result of this crate's functions.
pub type Result<T> = std::result::Result<T, Error>;

/// Says why a key, certificate or signature was refused, or could not be made.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The text holds no PEM block at all.
    #[error("no PEM block found")]
    NoPem,
    /// The PEM text is broken at a line, counted from one.
    #[error("malformed PEM text at line {line}")]
    MalformedPem {
        /// The line, counted from one.
        line: usize,
    },
    /// There is more than one PEM block where exactly one was expected.
    #[error("{count} PEM blocks where exactly one is expected")]
    ManyPemBlocks {
        /// How many blocks the text holds.
        count: usize,
    },
    /// The PEM block is of a kind that has no place here.
    #[error("PEM block \"{found}\" where \"{wanted}\" is expected")]
    UnexpectedPem {
        /// The label that the text carries.
        found: String,
        /// The label that was expected.
        wanted: &'static str,
    },
    /// A private key was given where something public is expected.
    #[error("this is a private key, which never belongs here")]
    PrivateKeyGiven,
    /// A public key was given where a private key or certificate is expected.
    #[error("this is a public key")]
    PublicKeyGiven,
    /// A certificate was given where a key is expected.
    #[error("this is a certificate, not a key")]
    CertificateGiven,
    /// The input is longer than anything legitimate of its kind.
    #[error("{what} is longer than {limit} bytes")]
    TooLong {
        /// What was being read.
        what: &'static str,
        /// The largest accepted length in bytes.
        limit: usize,
    },
    /// There are more certificates than any legitimate chain has.
    #[error("more than {limit} certificates")]
    TooManyCertificates {
        /// The largest accepted number.
        limit: usize,
    },
    /// The bytes are not the strict DER structure that they should be.
    #[error("malformed {what}")]
    Malformed {
        /// The structure that did not parse.
        what: &'static str,
    },
    /// The key is of a kind that Sealwax does not use here.
    #[error("unsupported key: {what}")]
    UnsupportedKey {
        /// The kind of key, in the field's words or as an object identifier.
        what: String,
    },
    /// The key is of a supported kind but too weak or mathematically invalid.
    #[error("weak or invalid key: {what}")]
    WeakKey {
        /// What is wrong with it.
        what: &'static str,
    },
    /// A private key carries a public key that is not its own.
    #[error("the public key inside the private key does not belong to it")]
    KeyPairMismatch,
    /// The private key is encrypted in a way that protects it badly.
    #[error("private key is protected by weak encryption: {what}")]
    WeakEncryption {
        /// The cipher, derivation or envelope that is too weak.
        what: &'static str,
    },
    /// The private key is encrypted in a way that Sealwax does not know.
    #[error("unsupported private key encryption {oid}")]
    UnsupportedEncryption {
        /// The algorithm, as an object identifier.
        oid: String,
    },
    /// The cost of deriving the decryption key lies outside the accepted range, so it was not attempted.
    #[error("{kdf} cost parameters out of range")]
    KdfCost {
        /// The derivation function.
        kdf: &'static str,
    },
    /// The passphrase does not open the key, or the encrypted bytes are damaged: the two cannot be told apart.
    #[error("wrong passphrase, or the encrypted key is damaged")]
    WrongPassphrase,
    /// A key was to be protected by an empty passphrase.
    #[error("the passphrase is empty")]
    EmptyPassphrase,
    /// Sealwax does not make keys of this kind.
    #[error("cannot generate {kind} keys")]
    CannotGenerate {
        /// The kind that was asked for.
        kind: KeyKind,
    },
    /// The operating system gave no random bytes.
    #[error("no random bytes from the operating system")]
    Random,
    /// The signing library refused to sign.
    #[error("signing failed")]
    SigningFailed,
    /// Who holds the private key did not sign.
    #[error("{reason}")]
    Holder {
        /// What hindered it.
        reason: String,
    },
    /// Who holds the private key gave something else than a signature by it.
    #[error("what the key's holder signed does not verify: it is faulty, or holds another key")]
    HolderSignature,
    /// The private key is not here to be written.
    #[error("the private key is held elsewhere and cannot be written")]
    HeldElsewhere,
    /// The scheme is not the registry's one for this key.
    #[error("{scheme} does not fit a key of {kind}, {bits} bits")]
    SchemeMismatch {
        /// The key's kind.
        kind: KeyKind,
        /// The key's size in bits.
        bits: usize,
        /// The scheme that was asked for.
        scheme: Scheme,
    },
    /// Pure Ed25519 signs the whole message, so a digest is not enough to check it.
    #[error("a pure Ed25519 signature cannot be checked from a digest")]
    NeedsMessage,
    /// The digest has not the length of the scheme's hash.
    #[error("digest of {actual} bytes where {expected} are needed")]
    DigestLength {
        /// The length of the scheme's hash in bytes.
        expected: usize,
        /// The length that was given in bytes.
        actual: usize,
    },
    /// The signature does not verify.
    #[error("the signature does not verify")]
    BadSignature,
    /// The certificate is not of X.509 version 3.
    #[error("certificate of X.509 version {version} where version 3 is needed")]
    CertificateVersion {
        /// The version that it states.
        version: u8,
    },
    /// The certificate carries an extension twice.
    #[error("certificate extension {oid} occurs twice")]
    DuplicateExtension {
        /// The extension.
        oid: String,
    },
    /// The certificate names one signature algorithm inside what is signed and another outside.
    #[error("certificate names two different signature algorithms")]
    SignatureAlgorithmsDiffer,
    /// The certificate is signed by an algorithm that Sealwax does not accept.
    #[error("unsupported certificate signature algorithm {oid}")]
    UnsupportedSignatureAlgorithm {
        /// The algorithm, as an object identifier.
        oid: String,
    },
    /// The certificate's signature algorithm is not one for the issuer's kind of key.
    #[error("certificate signature algorithm {oid} does not fit the issuer's {kind} key")]
    IssuerKeyMismatch {
        /// The algorithm, as an object identifier.
        oid: String,
        /// The issuer key's kind.
        kind: KeyKind,
    },
}

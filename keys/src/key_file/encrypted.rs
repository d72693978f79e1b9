//! A private key under a passphrase: PKCS#8 EncryptedPrivateKeyInfo with PBES2 (RFC 5958, RFC 8018, RFC 7914).
//!
//! ```text
//! SEQUENCE {
//!   SEQUENCE { pbes2, SEQUENCE { SEQUENCE { scrypt, {salt, N, r, p} }, SEQUENCE { aes256-CBC, iv } } }
//!   OCTET STRING ciphertext
//! }
//! ```

use std::fmt;

use der::asn1::{AnyRef, ObjectIdentifier, OctetStringRef, UintRef};
use der::{Decode, Reader, SliceReader};
use pkcs8::pkcs5::{self, pbes2};
use spki::AlgorithmIdentifierRef;
use zeroize::Zeroizing;

use super::read_pkcs8;
use crate::error::{Error, Result};
use crate::secret_key::SecretKey;

/// A private key that needs a passphrase.
///
/// Its algorithms and costs have been checked: AES in CBC mode; scrypt with N a power of two of at most 2^20, r at
/// most 32, p at most 16 and 128·N·r·p at most 1 GiB; or PBKDF2 with SHA-224 or longer and 1 to 10,000,000 iterations.
pub struct EncryptedKey {
    parameters: pbes2::Parameters,
    ciphertext: Vec<u8>,
}

impl EncryptedKey {
    /// Reads the DER structure and refuses weak algorithms and costs out of range, before any work is done.
    pub(super) fn from_der(der: &[u8]) -> Result<Self> {
        let mut reader = SliceReader::new(der).map_err(|_| MALFORMED)?;
        let (algorithm, ciphertext) = reader
            .sequence(|reader| {
                let algorithm = AlgorithmIdentifierRef::decode(reader)?;
                Ok::<_, der::Error>((algorithm, <&OctetStringRef>::decode(reader)?.as_bytes()))
            })
            .map_err(|_| MALFORMED)?;
        reader.finish().map_err(|_| MALFORMED)?;
        let parameters = read_parameters(algorithm)?;
        // Checked now, so that a truncated file is named as such and costs no key derivation.
        if ciphertext.is_empty() || !ciphertext.len().is_multiple_of(CBC_BLOCK) {
            return Err(MALFORMED);
        }
        Ok(Self { parameters, ciphertext: ciphertext.to_vec() })
    }

    /// Opens the key.
    ///
    /// Takes as long as the file's costs ask for, within the limits above. The derived encryption key itself is not wiped
    /// by the library; the private key is.
    ///
    /// # Errors
    ///
    /// [`Error::WrongPassphrase`] where the passphrase is another or the ciphertext is damaged (the mode cannot tell), and
    /// [`Error::UnsupportedKey`], [`Error::KeyPairMismatch`] or [`Error::WeakKey`] where what comes out is a key that is
    /// refused.
    pub fn decrypt(&self, passphrase: &str) -> Result<SecretKey> {
        let mut buffer = Zeroizing::new(self.ciphertext.clone());
        let plain =
            self.parameters.decrypt_in_place(passphrase, &mut buffer).map_err(|error| match error {
                pkcs5::Error::DecryptFailed => Error::WrongPassphrase,
                _ => MALFORMED,
            })?;
        // One wrong passphrase in 256 leaves padding that looks right, and then noise in place of a key.
        read_pkcs8(plain).map_err(|error| match error {
            Error::Malformed { .. } => Error::WrongPassphrase,
            other => other,
        })
    }
}

impl fmt::Debug for EncryptedKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EncryptedKey").field("kdf", &self.parameters.kdf.oid()).finish_non_exhaustive()
    }
}

/// Reads PBES2 parameters, refusing everything weak, unknown or too costly.
fn read_parameters(algorithm: AlgorithmIdentifierRef<'_>) -> Result<pbes2::Parameters> {
    if algorithm.oid != pbes2::PBES2_OID {
        return Err(match algorithm.oid.to_string().as_str() {
            oid if PBES1_ARCS.iter().any(|arc| oid.starts_with(arc)) => {
                Error::WeakEncryption { what: "PBES1" }
            }
            oid => Error::UnsupportedEncryption { oid: oid.to_owned() },
        });
    }
    let parameters = algorithm.parameters.ok_or(MALFORMED)?;
    let (kdf, cipher) = parameters
        .sequence(|reader| {
            Ok::<_, der::Error>((
                AlgorithmIdentifierRef::decode(reader)?,
                AlgorithmIdentifierRef::decode(reader)?,
            ))
        })
        .map_err(|_| MALFORMED)?;
    check_cipher(cipher.oid)?;
    match kdf.oid {
        pbes2::SCRYPT_OID => check_scrypt(kdf.parameters.ok_or(MALFORMED)?)?,
        pbes2::PBKDF2_OID => check_pbkdf2(kdf.parameters.ok_or(MALFORMED)?)?,
        other => return Err(Error::UnsupportedEncryption { oid: other.to_string() }),
    }
    let parameters = pbes2::Parameters::try_from(parameters).map_err(|_| MALFORMED)?;
    // A stated key length that is not the cipher's would only be found after the derivation's work.
    match parameters.kdf.key_length() {
        Some(length) if usize::from(length) != parameters.encryption.key_size() => Err(MALFORMED),
        _ => Ok(parameters),
    }
}

fn check_cipher(oid: ObjectIdentifier) -> Result<()> {
    match oid.to_string().as_str() {
        // AES-CBC with 128, 192 and 256 bits.
        "2.16.840.1.101.3.4.1.2" | "2.16.840.1.101.3.4.1.22" | "2.16.840.1.101.3.4.1.42" => Ok(()),
        "1.3.14.3.2.7" => Err(Error::WeakEncryption { what: "DES" }),
        "1.2.840.113549.3.7" => Err(Error::WeakEncryption { what: "triple DES" }),
        "1.2.840.113549.3.2" => Err(Error::WeakEncryption { what: "RC2" }),
        "1.2.840.113549.3.4" => Err(Error::WeakEncryption { what: "RC4" }),
        "1.2.840.113549.3.9" => Err(Error::WeakEncryption { what: "RC5" }),
        other => Err(Error::UnsupportedEncryption { oid: other.to_owned() }),
    }
}

fn check_scrypt(parameters: AnyRef<'_>) -> Result<()> {
    let costs = parameters
        .sequence(|reader| {
            <&OctetStringRef>::decode(reader)?;
            let costs = [UintRef::decode(reader)?, UintRef::decode(reader)?, UintRef::decode(reader)?];
            Option::<UintRef<'_>>::decode(reader)?;
            Ok::<_, der::Error>(costs)
        })
        .map_err(|_| MALFORMED)?;
    let out_of_range = Error::KdfCost { kdf: "scrypt" };
    let [Some(n), Some(r), Some(p)] = costs.map(small) else { return Err(out_of_range) };
    let memory = n.saturating_mul(r).saturating_mul(p).saturating_mul(128);
    let fits = (2..=1 << 20).contains(&n)
        && n.is_power_of_two()
        && (1..=32).contains(&r)
        && (1..=16).contains(&p)
        && memory <= MAX_SCRYPT_MEMORY;
    if fits { Ok(()) } else { Err(out_of_range) }
}

fn check_pbkdf2(parameters: AnyRef<'_>) -> Result<()> {
    let (iterations, prf) = parameters
        .sequence(|reader| {
            <&OctetStringRef>::decode(reader)?;
            let iterations = UintRef::decode(reader)?;
            Option::<UintRef<'_>>::decode(reader)?;
            Ok::<_, der::Error>((iterations, Option::<AlgorithmIdentifierRef<'_>>::decode(reader)?))
        })
        .map_err(|_| MALFORMED)?;
    match prf.map(|prf| prf.oid.to_string()).as_deref() {
        None | Some("1.2.840.113549.2.7") => {
            return Err(Error::WeakEncryption { what: "PBKDF2 with SHA-1" });
        }
        Some("1.2.840.113549.2.6" | "1.3.6.1.5.5.8.1.1") => {
            return Err(Error::WeakEncryption { what: "PBKDF2 with MD5" });
        }
        Some("1.2.840.113549.2.8" | "1.2.840.113549.2.9" | "1.2.840.113549.2.10" | "1.2.840.113549.2.11") => {
        }
        Some(other) => return Err(Error::UnsupportedEncryption { oid: other.to_owned() }),
    }
    match small(iterations) {
        Some(1..=MAX_ITERATIONS) => Ok(()),
        _ => Err(Error::KdfCost { kdf: "PBKDF2" }),
    }
}

/// Gives a number's value where it fits 32 bits; every accepted cost does.
fn small(number: UintRef<'_>) -> Option<u64> {
    let bytes = number.as_bytes();
    if bytes.len() > 4 {
        return None;
    }
    Some(bytes.iter().fold(0, |value: u64, byte| (value << 8) | u64::from(*byte)))
}

/// Arcs of PKCS#5 version 1.5 and PKCS#12 encryption: DES, RC2 and RC4 under keys from MD2, MD5 or SHA-1.
const PBES1_ARCS: [&str; 7] = [
    "1.2.840.113549.1.5.1",
    "1.2.840.113549.1.5.3",
    "1.2.840.113549.1.5.4",
    "1.2.840.113549.1.5.6",
    "1.2.840.113549.1.5.10",
    "1.2.840.113549.1.5.11",
    "1.2.840.113549.1.12.1.",
];
/// Most PBKDF2 iterations accepted: some seconds of work.
const MAX_ITERATIONS: u64 = 10_000_000;
/// Most memory traffic accepted of scrypt over all lanes, in bytes.
const MAX_SCRYPT_MEMORY: u64 = 1 << 30;
const CBC_BLOCK: usize = 16;
const MALFORMED: Error = Error::Malformed { what: "encrypted private key" };

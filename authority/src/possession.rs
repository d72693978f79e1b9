//! The key that is to be certified, and the proof that whoever asks has its private half.
//!
//! The proof is a signature over the token's subject or e-mail address, or a certification request (PKCS#10, RFC 2986),
//! which is signed by its key. Of a request nothing but its key counts: subject and attributes are ignored.

use std::fmt;

use der::{Decode, DecodePem, Encode};
use x509_cert::request::CertReq;

use sealwax_keys::{KeyKind, PublicKey, Scheme};

use crate::refusal::Refusal;
use crate::token::VerifiedToken;

/// A key, and what is said to prove that its holder asks.
#[derive(Clone)]
pub struct KeyRequest {
    key: PublicKey,
    proof: Proof,
}

#[derive(Clone)]
enum Proof {
    /// A signature over a challenge of the token.
    Signature(Vec<u8>),
    /// The request's self-signature, which was checked when it was read.
    Request,
}

impl KeyRequest {
    /// Takes a key and a signature by it.
    pub fn with_signature(key: PublicKey, signature: Vec<u8>) -> Self {
        Self { key, proof: Proof::Signature(signature) }
    }

    /// Reads a certification request of at most 16 KiB, PEM or DER, and checks its signature.
    ///
    /// # Errors
    ///
    /// [`Refusal::TooLong`], [`Refusal::Malformed`] for anything but strict DER, [`Refusal::Key`] for keys that are never
    /// certified, [`Refusal::Proof`] where it is not signed by its own key.
    pub fn from_csr(request: &[u8]) -> Result<Self, Refusal> {
        const MALFORMED: Refusal = Refusal::Malformed { what: "certification request" };
        if request.len() > MAX_CSR {
            return Err(Refusal::TooLong { what: "certification request", limit: MAX_CSR });
        }
        let parsed = if request.starts_with(&[0x30]) {
            CertReq::from_der(request)
        } else {
            CertReq::from_pem(request)
        };
        let parsed = parsed.map_err(|_| MALFORMED)?;
        let spki = parsed.info.public_key.to_der().map_err(|_| MALFORMED)?;
        let key = PublicKey::from_spki_der(&spki)?;
        // What is signed is encoded anew: under what was not DER before, the signature does not verify.
        let (signed, algorithm) = parsed
            .info
            .to_der()
            .and_then(|signed| Ok((signed, parsed.algorithm.to_der()?)))
            .map_err(|_| MALFORMED)?;
        let signature = parsed.signature.as_bytes().ok_or(MALFORMED)?;
        key.verify_named(&algorithm, &signed, signature).map_err(|_| Refusal::Proof)?;
        Ok(Self { key, proof: Proof::Request })
    }

    /// Checks that the token's holder has the private key. Gives the key to certify.
    ///
    /// # Errors
    ///
    /// [`Refusal::Proof`] where the signature is not over the token's subject, nor over its e-mail address.
    pub fn prove(&self, token: &VerifiedToken) -> Result<&PublicKey, Refusal> {
        let proven = match &self.proof {
            Proof::Request => true,
            Proof::Signature(signature) => {
                token.challenges().iter().any(|challenge| self.signs(challenge.as_bytes(), signature))
            }
        };
        if proven { Ok(&self.key) } else { Err(Refusal::Proof) }
    }

    /// Ed25519 keys may sign the challenge as it is or prehashed; clients do either.
    fn signs(&self, challenge: &[u8], signature: &[u8]) -> bool {
        let scheme = self.key.scheme();
        let pure = self.key.kind() == KeyKind::Ed25519
            && self.key.verify(Scheme::Ed25519, challenge, signature).is_ok();
        pure || self.key.verify(scheme, challenge, signature).is_ok()
    }
}

impl fmt::Debug for KeyRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeyRequest").field("key", &self.key).finish_non_exhaustive()
    }
}

/// Longest request in bytes; one for RSA with 4096 bits has about 1,700 as PEM.
const MAX_CSR: usize = 16 * 1_024;

#[cfg(test)]
mod tests;

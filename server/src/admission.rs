//! Admission: what a log takes from strangers, and why it refuses the rest.
//!
//! A submission is read, its key or certificate is read, and every signature is verified; only then is there an
//! [`Admitted`], whose body is written anew from what was read. A log that took an entry with a bad signature would vouch
//! for it for ever. Who signs is not judged: names, times and authorities are for those who verify.
//!
//! The schemes are those of Rekor v2: ECDSA on P-256, P-384 and P-521 with the hash of the curve, RSA PKCS#1 v1.5 of 2048,
//! 3072 and 4096 bits with SHA-256, and Ed25519ph. Never pure Ed25519, whose signatures cannot be checked from a digest.

use std::collections::BTreeMap;

use sealwax_attestation::{
    DsseEntry, DsseSignature, DsseSubmission, EntryKind, Envelope, Error, HashedRekord, LoggedEntry,
    Submission, Verifier, pae,
};
use sealwax_keys::{Certificate, PublicKey, Scheme};

/// A submission that the log may take.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Admitted {
    /// The kind of entry.
    pub(crate) kind: EntryKind,
    /// The canonical body, at most 65,535 bytes.
    pub(crate) body: Vec<u8>,
    /// The digest that the entry names and the envelope behind it, where the client sent one; with the first of its
    /// signatures, where it has several.
    pub(crate) envelope: Option<(Vec<u8>, Envelope)>,
}

/// A submission that the log does not take; always the client's doing, gRPC code 3 and status 400.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}: {detail}")]
pub(crate) struct Refusal {
    /// What Rekor says, which tools may compare.
    pub(crate) message: &'static str,
    /// What is wrong, which Rekor keeps to itself.
    pub(crate) detail: String,
}

impl Refusal {
    fn new(message: &'static str, detail: impl ToString) -> Self {
        Self { message, detail: detail.to_string() }
    }
}

/// Reads a submission and verifies everything about it that a log can.
pub(crate) fn admit(text: &[u8]) -> Result<Admitted, Refusal> {
    let (entry, envelope) = match Submission::from_json(text).map_err(|error| unreadable(&error))? {
        Submission::HashedRekord(rekord) => (hashed_rekord(rekord)?, None),
        Submission::Dsse(submission) => {
            let (entry, envelope) = dsse(submission)?;
            let digest = entry.digest().to_vec();
            (entry, Some((digest, envelope)))
        }
    };
    let message = match entry.kind() {
        EntryKind::HashedRekord => INVALID_REKORD,
        EntryKind::Dsse => INVALID_DSSE,
    };
    let body = entry.to_body().map_err(|error| Refusal::new(message, error))?;
    if body.len() > MAX_BODY {
        let detail = format!("the entry has {} bytes, at most {MAX_BODY} are possible", body.len());
        return Err(Refusal::new(message, detail));
    }
    Ok(Admitted { kind: entry.kind(), body, envelope })
}

fn hashed_rekord(rekord: HashedRekord) -> Result<LoggedEntry, Refusal> {
    let refuse = |error| Refusal::new(INVALID_REKORD, error);
    let key = public_key(&rekord.verifier).map_err(refuse)?;
    key.verify_digest(rekord.scheme, &rekord.digest, &rekord.signature).map_err(refuse)?;
    Ok(LoggedEntry::HashedRekord(rekord))
}

/// Finds for every signature the key that verifies it, and for every key a signature.
fn dsse(submission: DsseSubmission) -> Result<(LoggedEntry, Envelope), Refusal> {
    let DsseSubmission { payload_type, payload, signatures, verifiers } = submission;
    let signed = pae(&payload_type, &payload);
    // One digest a hash, however many keys: the payload may have 8 MiB.
    let mut digests: BTreeMap<usize, Vec<u8>> = BTreeMap::new();
    let mut accepted: Vec<Option<(Scheme, Verifier)>> = vec![None; signatures.len()];
    for (index, (scheme, verifier)) in verifiers.into_iter().enumerate() {
        let refuse = |error: &dyn ToString| {
            Refusal::new(INVALID_DSSE, format!("verifiers[{index}]: {}", error.to_string()))
        };
        let key = public_key(&verifier).map_err(|error| refuse(&error))?;
        let digest = digests.entry(scheme.hash().len()).or_insert_with(|| scheme.hash().digest(&signed));
        let mut used = false;
        for (slot, (signature, _)) in accepted.iter_mut().zip(&signatures) {
            match key.verify_digest(scheme, digest, signature) {
                Ok(()) => {
                    used = true;
                    slot.get_or_insert_with(|| (scheme, verifier.clone()));
                }
                Err(sealwax_keys::Error::BadSignature) => {}
                Err(other) => return Err(refuse(&other)),
            }
        }
        if !used {
            return Err(refuse(&"verifies none of the signatures"));
        }
    }
    let first = signatures.first().cloned();
    let together = accepted.into_iter().zip(signatures).enumerate();
    let verified = together.map(|(index, (verifier, (signature, _)))| match verifier {
        Some((scheme, verifier)) => Ok(DsseSignature { scheme, signature, verifier }),
        None => Err(Refusal::new(INVALID_DSSE, format!("signatures[{index}]: no verifier verifies it"))),
    });
    let entry = DsseEntry::new(&payload, verified.collect::<Result<_, _>>()?);
    let (signature, key_id) = first.unwrap_or_default();
    Ok((LoggedEntry::Dsse(entry), Envelope { payload, payload_type, signature, key_id }))
}

fn public_key(verifier: &Verifier) -> Result<PublicKey, sealwax_keys::Error> {
    match verifier {
        Verifier::PublicKey(der) => PublicKey::from_spki_der(der),
        Verifier::Certificate(der) => Certificate::from_der(der).map(|leaf| leaf.public_key().clone()),
    }
}

/// Says in Rekor's words which request could not be read.
fn unreadable(error: &Error) -> Refusal {
    let request = error.path().map(|path| path.split('.').next().unwrap_or_default());
    let message = match request {
        Some("hashedRekordRequestV002") => INVALID_REKORD,
        Some("dsseRequestV002") => INVALID_DSSE,
        Some("") => "invalid type, must be either hashedrekord or dsse",
        _ => "invalid request",
    };
    // What concerns the whole document has no path in front of it.
    Refusal::new(message, error.to_string().trim_start_matches(": "))
}

const INVALID_REKORD: &str = "invalid hashedrekord request";
const INVALID_DSSE: &str = "invalid dsse request";

/// Longest entry of an entry bundle (C2SP tlog-tiles).
const MAX_BODY: usize = 65_535;

#[cfg(test)]
mod tests;

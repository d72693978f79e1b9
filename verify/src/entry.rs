//! The log entry rebuilt from the bundle's own parts. What the bundle says was logged is only compared.
//!
//! The body of an entry in a Rekor v1 log cannot be rebuilt byte for byte, because it holds a hash of a text that was once
//! submitted and is kept nowhere. There, everything that binds the signature is compared field by field, and the leaf is the
//! body that came: `docs/decisions/0010-two-verifiers.md`.

use sealwax_attestation::{
    Bundle, Content, DsseEntry, DsseSignature, EntryFormat, HashedRekord, RekorV1, TransparencyLogEntry,
    Verifier,
};
use sealwax_keys::{HashAlgorithm, Scheme};
use sealwax_tlog::Hash;

use crate::Rejection;
use crate::artifact::Artifact;
use crate::signature::{Form, Signed};
use crate::signer::Candidate;

/// Proof that every log entry of a bundle is the entry of its signature; made only by [`rebuild`].
#[derive(Debug)]
pub(crate) struct Rebuilt<'a> {
    entries: &'a [TransparencyLogEntry],
    leaves: Vec<Hash>,
    _made_here: (),
}

impl<'a> Rebuilt<'a> {
    /// The entries, each about the bundle's signature.
    pub(crate) fn entries(&self) -> &'a [TransparencyLogEntry] {
        self.entries
    }

    /// The entries, each with its leaf hash.
    pub(crate) fn leaves(&self) -> impl ExactSizeIterator<Item = (&'a TransparencyLogEntry, Hash)> {
        self.entries.iter().zip(self.leaves.iter().copied())
    }
}

/// Rebuilds the entry of the verified signature and compares every entry of the bundle with it, whether or not the policy
/// asks for a log: an entry of something else is never honest (attacks T01, T02, T03).
pub(crate) fn rebuild<'a>(
    bundle: &'a Bundle,
    candidate: &Candidate<'_>,
    signed: &Signed,
    artifact: Option<&Artifact>,
) -> Result<Rebuilt<'a>, Rejection> {
    let entries = bundle.log_entries.as_slice();
    let scheme = match signed.form() {
        Form::Dsse(scheme) | Form::Message(scheme) => scheme,
        Form::ModelSigningV0 if entries.is_empty() => {
            return Ok(Rebuilt { entries, leaves: Vec::new(), _made_here: () });
        }
        Form::ModelSigningV0 => return Err(Rejection::LogEntryMismatch),
    };
    let parts = Parts { content: &bundle.content, scheme, verifier: candidate.verifier(), artifact };
    let leaves = entries.iter().map(|entry| match entry.format {
        EntryFormat::HashedRekord002 => parts.leaf(entry, &parts.hashed_rekord()?.to_body()?),
        EntryFormat::Dsse002 => parts.leaf(entry, &parts.dsse()?.to_body()?),
        _ => parts.leaf_of_rekor_v1(entry),
    });
    Ok(Rebuilt { entries, leaves: leaves.collect::<Result<_, _>>()?, _made_here: () })
}

/// What an entry is rebuilt from.
struct Parts<'a> {
    content: &'a Content,
    scheme: Scheme,
    verifier: &'a Verifier,
    artifact: Option<&'a Artifact>,
}

impl Parts<'_> {
    fn hashed_rekord(&self) -> Result<HashedRekord, Rejection> {
        let verifier = self.verifier.clone();
        Ok(match self.content {
            Content::Envelope(envelope) => HashedRekord::for_envelope(envelope, self.scheme, verifier),
            Content::Message(message) => {
                let (scheme, signature) = (self.scheme, message.signature.clone());
                let digest = self.artifact_digest(scheme.hash())?.clone();
                HashedRekord { scheme, digest, signature, verifier }
            }
        })
    }

    /// The entry of an envelope that was submitted whole: it names the payload, and no type, which the signature covers.
    fn dsse(&self) -> Result<DsseEntry, Rejection> {
        let Content::Envelope(envelope) = self.content else { return Err(Rejection::LogEntryMismatch) };
        let (scheme, signature) = (self.scheme, envelope.signature.clone());
        let signature = DsseSignature { scheme, signature, verifier: self.verifier.clone() };
        Ok(DsseEntry::new(&envelope.payload, vec![signature]))
    }

    fn leaf(&self, entry: &TransparencyLogEntry, rebuilt: &[u8]) -> Result<Hash, Rejection> {
        if entry.canonicalized_body == rebuilt {
            Ok(Hash::leaf(rebuilt))
        } else {
            Err(Rejection::LogEntryMismatch)
        }
    }

    fn leaf_of_rekor_v1(&self, entry: &TransparencyLogEntry) -> Result<Hash, Rejection> {
        let logged = RekorV1::from_body(entry.format, &entry.canonicalized_body)?;
        let (hash, digest) = &logged.digest;
        let same = match (self.content, entry.format) {
            (Content::Envelope(envelope), EntryFormat::Dsse001 | EntryFormat::Intoto002) => {
                hash.digest(&envelope.payload) == *digest
                    && logged.payload_type.as_ref().is_none_or(|kind| *kind == envelope.payload_type)
            }
            (Content::Message(_), EntryFormat::HashedRekord001) => self.artifact_digest(*hash)? == digest,
            _ => false,
        };
        if same && logged.signature == self.content.signature() && logged.verifier == *self.verifier {
            return Ok(Hash::leaf(&entry.canonicalized_body));
        }
        Err(Rejection::LogEntryMismatch)
    }

    fn artifact_digest(&self, hash: HashAlgorithm) -> Result<&Vec<u8>, Rejection> {
        self.artifact.ok_or(Rejection::LogEntryMismatch)?.digest(hash)
    }
}

//! The signature over the payload's bytes exactly as they came, or over a file by its digest.

use sealwax_attestation::{
    Bundle, Envelope, IN_TOTO_PAYLOAD_TYPE, MessageSignature, PredicateVersion, Statement,
};
use sealwax_keys::{PublicKey, Scheme};

use crate::Rejection;
use crate::artifact::Artifact;
use crate::signer::Candidate;

/// Proof that the candidate's key made the signature; made only by this module.
#[derive(Debug)]
pub(crate) struct Signed {
    form: Form,
    _made_here: (),
}

/// What exactly was signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// The DSSE pre-authentication encoding, under this scheme.
    Dsse(Scheme),
    /// What model_signing 0.2 signed in its place: the payload as Python prints bytes, after `DSSEV1`, with SHA-256.
    ModelSigningV0,
    /// The bytes of a file, under this scheme.
    Message(Scheme),
}

impl Signed {
    pub(crate) fn form(&self) -> Form {
        self.form
    }
}

/// Verifies the envelope's one signature.
///
/// One exception is made for history: model_signing 0.2 built the encoding from the Python text of the payload's bytes,
/// began it with `DSSEV1`, and hashed with SHA-256 whatever the curve. Such a signature is accepted only from a
/// certificate of a private authority and only over the statement type that this version wrote; the other prefix keeps the two
/// apart.
pub(crate) fn check(
    bundle: &Bundle,
    envelope: &Envelope,
    candidate: &Candidate<'_>,
) -> Result<Signed, Rejection> {
    if envelope.payload_type != IN_TOTO_PAYLOAD_TYPE {
        return Err(Rejection::PayloadType(envelope.payload_type.clone()));
    }
    let key = candidate.key();
    let message = envelope.pae();
    for scheme in schemes(key, bundle) {
        if key.verify(scheme, &message, &envelope.signature).is_ok() {
            return Ok(Signed { form: Form::Dsse(scheme), _made_here: () });
        }
    }
    if candidate.has_chain()
        && key.verify_legacy_sha256(&legacy_message(&envelope.payload), &envelope.signature).is_ok()
        && Statement::from_payload(&envelope.payload)?.predicate == PredicateVersion::DigestsV0
    {
        return Ok(Signed { form: Form::ModelSigningV0, _made_here: () });
    }
    Err(Rejection::SignatureInvalid)
}

/// Verifies a signature over a file.
pub(crate) fn check_message(
    message: &MessageSignature,
    candidate: &Candidate<'_>,
    artifact: &Artifact,
) -> Result<Signed, Rejection> {
    // Nobody signed what the bundle says the digest is; a wrong one is refused all the same (attacks D10, X05).
    if let Some((hash, claimed)) = &message.digest
        && artifact.digest(*hash)? != claimed
    {
        return Err(Rejection::ArtifactDiffers);
    }
    let key = candidate.key();
    let scheme = key.scheme();
    key.verify_digest(scheme, artifact.digest(scheme.hash())?, &message.signature)
        .map_err(|_| Rejection::SignatureInvalid)?;
    Ok(Signed { form: Form::Message(scheme), _made_here: () })
}

/// One scheme a key. Ed25519 has two in the Sigstore registry: a logged signature is the pre-hashed one, because the log
/// holds only a hash; without a log entry other tools use the plain one.
fn schemes(key: &PublicKey, bundle: &Bundle) -> impl Iterator<Item = Scheme> {
    let scheme = key.scheme();
    let plain = scheme == Scheme::Ed25519Ph && bundle.log_entries.is_empty();
    std::iter::once(scheme).chain(plain.then_some(Scheme::Ed25519))
}

/// `DSSEV1 28 application/vnd.in-toto+json <n> b'…'`: the payload as Python prints bytes.
fn legacy_message(payload: &[u8]) -> Vec<u8> {
    let mut text = Vec::with_capacity(payload.len().saturating_mul(2));
    // Python prefers double quotes where the text holds only single ones.
    let quote = if payload.contains(&b'\'') && !payload.contains(&b'"') { b'"' } else { b'\'' };
    text.extend_from_slice(&[b'b', quote]);
    for &byte in payload {
        match byte {
            b'\n' => text.extend_from_slice(b"\\n"),
            b'\r' => text.extend_from_slice(b"\\r"),
            b'\t' => text.extend_from_slice(b"\\t"),
            b'\\' => text.extend_from_slice(b"\\\\"),
            byte if byte == quote => text.extend_from_slice(&[b'\\', byte]),
            b' '..=b'~' => text.push(byte),
            byte => text.extend_from_slice(format!("\\x{byte:02x}").as_bytes()),
        }
    }
    text.push(quote);
    let mut message =
        format!("DSSEV1 {} {IN_TOTO_PAYLOAD_TYPE} {} ", IN_TOTO_PAYLOAD_TYPE.len(), payload.len())
            .into_bytes();
    message.extend_from_slice(&text);
    message
}

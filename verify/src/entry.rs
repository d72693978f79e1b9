//! The log entry rebuilt from the bundle's own parts. What the bundle says was logged is only compared.

use sealwax_attestation::{Bundle, HashedRekord, TransparencyLogEntry};
use sealwax_tlog::Hash;

use crate::Rejection;
use crate::signature::{Form, Signed};
use crate::signer::Allowed;

/// Proof that every log entry of a bundle is the entry of its signature; made only by [`rebuild`].
#[derive(Debug)]
pub(crate) struct Rebuilt<'a> {
    entries: &'a [TransparencyLogEntry],
    leaf: Option<Hash>,
    _made_here: (),
}

impl<'a> Rebuilt<'a> {
    /// The entries, and the leaf hash that they share, computed from the rebuilt body.
    pub(crate) fn into_parts(self) -> (&'a [TransparencyLogEntry], Option<Hash>) {
        (self.entries, self.leaf)
    }
}

/// Rebuilds the entry of the verified signature and compares every entry of the bundle with it, whether or not the policy
/// asks for a log: an entry of something else is never honest (attacks T01, T02, T03).
pub(crate) fn rebuild<'a>(
    bundle: &'a Bundle,
    allowed: &Allowed,
    signed: &Signed,
) -> Result<Rebuilt<'a>, Rejection> {
    let entries = bundle.log_entries.as_slice();
    let leaf = match (entries, signed.form()) {
        ([], _) => None,
        (_, Form::ModelSigningV0) => return Err(Rejection::LogEntryMismatch),
        (entries, Form::Dsse(scheme)) => {
            let rebuilt = HashedRekord::for_envelope(&bundle.envelope, scheme, allowed.verifier().clone());
            let body = rebuilt.to_body()?;
            if entries.iter().any(|entry| entry.canonicalized_body != body) {
                return Err(Rejection::LogEntryMismatch);
            }
            Some(Hash::leaf(&body))
        }
    };
    Ok(Rebuilt { entries, leaf, _made_here: () })
}

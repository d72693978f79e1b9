//! The one place that names the Sigstore organisation's own verifier: a second opinion on every bundle with an identity, and
//! the only opinion on RFC 3161 time stamps. Why, and what is ours around it: `docs/decisions/0010-two-verifiers.md`.
//!
//! It is handed what our readers understood, written anew, never the text that came: two readers that understand one text
//! in two ways are an attack, and here there is one. It reads the system's clock by itself to refuse what lies in the future;
//! that can only tighten, because the caller's clock was asked before.

use jiff::Timestamp;
use sigstore_trust_root::TrustedRoot as EngineRoot;
use sigstore_types::{Bundle as EngineBundle, Sha256Hash, SignatureBytes, TimestampToken};
use sigstore_verify::tsa::{Error as TokenError, verify_timestamp_for_authority};
use sigstore_verify::{VerificationPolicy, Verifier};

use sealwax_attestation::{AuthorityInstance, Bundle, EntryFormat, TrustedRoot};

use crate::Rejection;
use crate::times::TokenProblem;

/// The other verifier, with the caller's trusted root.
pub(crate) struct Engine<'a> {
    root: EngineRoot,
    ours: &'a TrustedRoot,
}

impl<'a> Engine<'a> {
    pub(crate) fn new(root: &'a TrustedRoot) -> Result<Self, Rejection> {
        let theirs = EngineRoot::from_json(&root.to_json())
            .map_err(|error| Rejection::TrustedRoot(error.to_string()))?;
        Ok(Self { root: theirs, ours: root })
    }

    /// Finds the authority that signed a time-stamp token over `signature`, and the time in it.
    ///
    /// The signer is the authority's own first certificate, found by what the token says of its issuer and serial number and
    /// never by a certificate that the token brings; the time lies in that authority's validity and within its chain's
    /// (attacks C07, M06, M07, M11).
    pub(crate) fn timestamp(
        &self,
        token: &[u8],
        signature: &[u8],
    ) -> Result<(Timestamp, &'a AuthorityInstance), TokenProblem> {
        let token = TimestampToken::new(token.to_vec());
        let signature = SignatureBytes::new(signature.to_vec());
        let mut problem =
            TokenProblem::Unknown("the trusted root lists no time-stamping authority".to_owned());
        for authority in self.root.tsa_authorities() {
            match verify_timestamp_for_authority(&token, &signature, &authority) {
                Ok(time) => {
                    let leaf = authority.leaf.as_bytes();
                    let first_is =
                        |ours: &&AuthorityInstance| ours.chain.first().is_some_and(|first| first == leaf);
                    let ours = self.ours.timestamp_authorities.iter().find(first_is);
                    if let Some(ours) = ours {
                        return Ok((time, ours));
                    }
                }
                Err(error) => problem = problem.or(of_token(&error)),
            }
        }
        Err(problem)
    }

    /// Asks whether the other verifier accepts the bundle too, for an artifact by its SHA-256.
    ///
    /// `timestamps_of_certificate` is how many logs of certificates answered: it knows only certificates with exactly one
    /// answer, and checks none where there are more; ours are checked in any case. `logged` is whether the caller demands a log.
    pub(crate) fn agrees(
        &self,
        bundle: &Bundle,
        artifact: [u8; 32],
        timestamps_of_certificate: usize,
        logged: bool,
    ) -> Result<(), Rejection> {
        let disagrees = |error: String| Rejection::SecondOpinion(error);
        // It knows no envelope that a Rekor v2 log took whole, so that such an entry has our proof alone.
        let strange = bundle.log_entries.iter().any(|entry| entry.format == EntryFormat::Dsse002);
        let known = if strange { &Bundle { log_entries: Vec::new(), ..bundle.clone() } } else { bundle };
        let logged = logged && !strange;
        let bundle =
            EngineBundle::from_json(&known.to_json()).map_err(|error| disagrees(error.to_string()))?;
        let policy = VerificationPolicy::any_identity();
        let policy = if timestamps_of_certificate == 1 { policy } else { policy.skip_sct() };
        let policy = if logged { policy } else { policy.skip_tlog_unsafe() };
        Verifier::new(&self.root)
            .map_err(|error| Rejection::TrustedRoot(error.to_string()))?
            .verify(Sha256Hash::new(artifact), &bundle, &policy)
            .map_err(|error| disagrees(error.to_string()))
            .map(drop)
    }
}

fn of_token(error: &TokenError) -> TokenProblem {
    match error {
        TokenError::TimestampOutsideValidity { time } => TokenProblem::OutsideAuthority(*time),
        TokenError::HashMismatch { .. } => TokenProblem::OtherBytes,
        // The names of the reasons are those of the webpki crate, which has no type for them at this distance.
        TokenError::CertificateValidationError(reason)
            if reason.contains("CertExpired") || reason.contains("CertNotValidYet") =>
        {
            TokenProblem::OutsideCertificate
        }
        other => TokenProblem::Unknown(other.to_string()),
    }
}

#[cfg(test)]
mod tests;

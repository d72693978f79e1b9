//! A certificate chain of a private certificate authority, as OpenSSF Model Signing carries it: leaf first, then whatever
//! the signer added; trust starts only at the caller's anchors.
//!
//! Not a general RFC 5280 validator. It is narrow on purpose: what it does not understand (any unknown critical extension,
//! name constraints among them) is refused, so nothing needs interpreting. Sources: RFC 5280 section 6.1; OMS v1.0,
//! certificate method. Why not a library: `docs/decisions/0003-certificate-chains.md`.

use jiff::Timestamp;

use sealwax_keys::Certificate;

use crate::rejection::CertificateProblem;
use crate::{Rejection, Signer};

/// What the time at which a chain is valid rests on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TimeSource {
    /// The verifier's clock: the chain is valid now.
    Clock,
    /// The caller's own knowledge of when the signature was made.
    Caller,
}

/// A valid chain; made only by [`check`].
#[derive(Debug)]
pub(crate) struct Chain {
    leaf: Certificate,
    anchor: String,
    valid_at: Timestamp,
    time_source: TimeSource,
    _made_here: (),
}

impl Chain {
    pub(crate) fn leaf(&self) -> &Certificate {
        &self.leaf
    }

    pub(crate) fn into_signer(self) -> Signer {
        Signer::Certificate {
            subject: self.leaf.subject(),
            anchor: self.anchor,
            key: self.leaf.public_key().clone(),
            fingerprint: self.leaf.fingerprint(),
            valid_at: self.valid_at,
            time_source: self.time_source,
        }
    }
}

/// Checks the leaf, and finds a path from it to an anchor, all at one time.
///
/// A bundle of this kind proves no time, so the time is the caller's or else the verifier's clock, and every certificate of
/// the path must be valid then (attacks C01, C03).
pub(crate) fn check(
    certificates: &[Vec<u8>],
    anchors: &[Certificate],
    signed_at: Option<Timestamp>,
    now: Timestamp,
) -> Result<Chain, Rejection> {
    let (valid_at, time_source) = match signed_at {
        Some(time) => (time, TimeSource::Caller),
        None => (now, TimeSource::Clock),
    };
    let (first, rest) = match certificates {
        [first, rest @ ..] => (first, rest),
        [] => {
            let (subject, problem) = ("certificate chain".to_owned(), CertificateProblem::NoChain);
            return Err(Rejection::Certificate { subject, problem });
        }
    };
    let leaf = Certificate::from_der(first).map_err(|error| Rejection::Certificate {
        subject: "signing certificate".to_owned(),
        problem: CertificateProblem::Malformed(error.to_string()),
    })?;
    // The others only propose a path; one that cannot be read proposes none.
    let others: Vec<Certificate> = rest.iter().filter_map(|der| Certificate::from_der(der).ok()).collect();
    check_leaf(&leaf, anchors, valid_at).map_err(|problem| rejection(&leaf, problem))?;
    let mut search = Search { others: &others, anchors, at: valid_at, checks_left: MAX_SIGNATURE_CHECKS };
    let found = search.anchor_above(&leaf, 0);
    let anchor = found
        .map_err(|nearest| nearest.unwrap_or_else(|| rejection(&leaf, CertificateProblem::NoChain)))?
        .subject();
    Ok(Chain { leaf, anchor, valid_at, time_source, _made_here: () })
}

fn check_leaf(leaf: &Certificate, anchors: &[Certificate], at: Timestamp) -> Result<(), CertificateProblem> {
    check_common(leaf, at)?;
    let usages = leaf.extended_key_usage();
    if !usages.is_some_and(|usages| usages.iter().any(|usage| usage == CODE_SIGNING)) {
        return Err(CertificateProblem::Usage("no code-signing extended key usage"));
    }
    match leaf.key_usage() {
        Some(usage) if !usage.digital_signature => {
            return Err(CertificateProblem::Usage("its key usage does not allow digital signatures"));
        }
        // model_signing's own test certificate says CA:TRUE by mistake; without the right to sign certificates that is
        // harmless, and refusing it would refuse every historic certificate bundle.
        Some(usage) if !usage.key_cert_sign => {}
        _ if leaf.basic_constraints().is_some_and(|constraints| constraints.ca) => {
            let what = "the signing certificate is a certificate authority";
            return Err(CertificateProblem::LeafIsAuthority(what));
        }
        _ => {}
    }
    if anchors.iter().any(|anchor| anchor.der() == leaf.der()) {
        let what = "the signing certificate is itself given as a trusted authority";
        return Err(CertificateProblem::LeafIsAuthority(what));
    }
    Ok(())
}

fn rejection(certificate: &Certificate, problem: CertificateProblem) -> Rejection {
    Rejection::Certificate { subject: certificate.subject(), problem }
}

fn check_common(certificate: &Certificate, at: Timestamp) -> Result<(), CertificateProblem> {
    let seconds = |seconds| Timestamp::from_second(seconds).unwrap_or(Timestamp::MAX);
    let (not_before, not_after) = (seconds(certificate.not_before()), seconds(certificate.not_after()));
    if at < not_before || at > not_after {
        return Err(CertificateProblem::Time { at, not_before, not_after });
    }
    match certificate.unknown_critical_extensions().first() {
        Some(extension) => Err(CertificateProblem::CriticalExtension(extension.clone())),
        None => Ok(()),
    }
}

/// A bounded depth-first search upwards. Names only propose, signatures decide (attack C10).
struct Search<'a> {
    others: &'a [Certificate],
    anchors: &'a [Certificate],
    at: Timestamp,
    checks_left: u32,
}

impl<'a> Search<'a> {
    /// Finds the anchor above `certificate`, which has `below` authorities under it on the path.
    ///
    /// On failure, gives what is wrong with an issuer that would otherwise have fitted, or nothing where there was none.
    fn anchor_above(
        &mut self,
        certificate: &Certificate,
        below: u32,
    ) -> Result<&'a Certificate, Option<Rejection>> {
        let mut nearest = None;
        if below >= MAX_AUTHORITIES {
            return Err(nearest);
        }
        let candidates = self.anchors.iter().map(|anchor| (anchor, true));
        for (issuer, is_anchor) in candidates.chain(self.others.iter().map(|other| (other, false))) {
            if issuer.subject_der() != certificate.issuer_der() || !may_issue(issuer, below) {
                continue;
            }
            let Some(left) = self.checks_left.checked_sub(1) else { return Err(nearest) };
            self.checks_left = left;
            if certificate.is_signed_by(issuer.public_key()).is_err() {
                continue;
            }
            let usable = check_common(issuer, self.at).map_err(|problem| Some(rejection(issuer, problem)));
            let found = usable.and_then(|()| {
                if is_anchor { Ok(issuer) } else { self.anchor_above(issuer, below.saturating_add(1)) }
            });
            match found {
                Ok(anchor) => return Ok(anchor),
                Err(problem) => nearest = problem.or(nearest),
            }
        }
        Err(nearest)
    }
}

/// Whether a certificate is an authority for code signing with room for `below` authorities under it.
fn may_issue(issuer: &Certificate, below: u32) -> bool {
    let authority = issuer.basic_constraints().is_some_and(|constraints| {
        constraints.ca && constraints.path_len.is_none_or(|limit| u32::from(limit) >= below)
    });
    let signs = issuer.key_usage().is_none_or(|usage| usage.key_cert_sign);
    let code = issuer.extended_key_usage().is_none_or(|usages| {
        usages.iter().any(|usage| usage == CODE_SIGNING || usage == ANY_EXTENDED_KEY_USAGE)
    });
    authority && signs && code
}

const CODE_SIGNING: &str = "1.3.6.1.5.5.7.3.3";
const ANY_EXTENDED_KEY_USAGE: &str = "2.5.29.37.0";

/// Authorities between leaf and anchor, the anchor included.
const MAX_AUTHORITIES: u32 = 8;

/// Signatures that are checked in one search; a bundle holds at most 32 certificates (attack C09).
const MAX_SIGNATURE_CHECKS: u32 = 64;

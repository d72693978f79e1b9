//! Certificate chains: of a private certificate authority, as OpenSSF Model Signing carries them, and of the short-lived
//! certificates of a Sigstore authority. Leaf first, then whatever the signer added; trust starts only at the caller's anchors.
//!
//! Not a general RFC 5280 validator. It is narrow on purpose: what it does not understand (any unknown critical extension,
//! name constraints among them) is refused, so nothing needs interpreting. Sources: RFC 5280 section 6.1; OMS v1.0,
//! certificate method; Fulcio's certificate specification. Why not a library: `docs/decisions/0003-certificate-chains.md`;
//! chains of identities are checked by one as well (0010).

use jiff::Timestamp;

use sealwax_attestation::AuthorityInstance;
use sealwax_keys::Certificate;

use crate::rejection::CertificateProblem;
use crate::times::{ProvenTime, Times};
use crate::{Rejection, Signer};

/// What the time at which a chain is valid rests on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TimeSource {
    /// The verifier's clock: the chain is valid now.
    Clock,
    /// The caller's own knowledge of when the signature was made.
    Caller,
    /// The word of somebody whom the trusted root lists; the chain is valid at every time that was proven.
    Proven,
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

/// Checks the leaf, and finds a path from it to an anchor, all at one time, and every certificate of the path must be valid
/// then (attacks C01, C03).
///
/// The time is the caller's; else every one that was proven, in turn; else the verifier's clock.
pub(crate) fn check(
    leaf: Certificate,
    others: &[Vec<u8>],
    anchors: &[Certificate],
    signed_at: Option<Timestamp>,
    times: &Times,
    now: Timestamp,
) -> Result<Chain, Rejection> {
    let proven: Vec<Timestamp> = times.all().iter().map(ProvenTime::time).collect();
    let (all, time_source) = match (signed_at, proven.as_slice()) {
        (Some(time), _) => (vec![time], TimeSource::Caller),
        (None, []) => (vec![now], TimeSource::Clock),
        (None, _) => (proven, TimeSource::Proven),
    };
    let others = readable(others);
    let mut path = Path::default();
    let mut valid_at = now;
    for at in all {
        check_leaf(&leaf, anchors, at).map_err(|problem| rejection(&leaf, problem))?;
        path = find(&leaf, &others, anchors, at)?;
        valid_at = at;
    }
    let anchor = path.last().map(|anchor| anchor.subject()).unwrap_or_default();
    Ok(Chain { leaf, anchor, valid_at, time_source, _made_here: () })
}

/// A valid chain from a short-lived certificate to an authority that issues them; made only by [`check_identity`].
#[derive(Debug)]
pub(crate) struct IdentityChain {
    leaf: Certificate,
    issuer: Certificate,
    authority: String,
    _made_here: (),
}

impl IdentityChain {
    pub(crate) fn leaf(&self) -> &Certificate {
        &self.leaf
    }

    /// The certificate whose key signed the leaf.
    pub(crate) fn issuer(&self) -> &Certificate {
        &self.issuer
    }

    /// The authority's name in the trusted root.
    pub(crate) fn authority(&self) -> &str {
        &self.authority
    }
}

/// Checks a short-lived certificate at every proven time: an authority that the trusted root lists for that time, a path to its
/// anchor, and every certificate of the path valid then (attacks C01 to C04, C18).
pub(crate) fn check_identity(
    leaf: Certificate,
    others: &[Vec<u8>],
    authorities: &[AuthorityInstance],
    times: &Times,
) -> Result<IdentityChain, Rejection> {
    let others = readable(others);
    let mut found = None;
    for proven in times.demand()? {
        let at = proven.time();
        let mut nearest = rejection(&leaf, CertificateProblem::NoChain);
        let mut retired = None;
        let mut path = None;
        for authority in authorities {
            match path_to(&leaf, &others, authority, at) {
                Ok(found) if authority.is_valid_at(at) => path = path.or(Some((authority, found))),
                Ok(_) => retired = Some(authority.name().to_owned()),
                // What another authority says of a certificate that it did not issue says less.
                Err(problem) if says_more(&nearest) => drop(problem),
                Err(problem) => nearest = problem,
            }
        }
        let Some((authority, mut path)) = path else {
            return Err(retired.map_or(nearest, |authority| Rejection::AuthorityRetired { authority, at }));
        };
        found = path.drain(..1).next().map(|issuer| (issuer, authority.name().to_owned()));
    }
    let (issuer, authority) = found.ok_or_else(|| rejection(&leaf, CertificateProblem::NoChain))?;
    Ok(IdentityChain { leaf, issuer, authority, _made_here: () })
}

fn says_more(rejection: &Rejection) -> bool {
    !matches!(rejection, Rejection::Certificate { problem: CertificateProblem::NoChain, .. })
}

/// Finds the path from a leaf to the anchor of one authority, whose other certificates may lie between.
fn path_to(
    leaf: &Certificate,
    others: &[Certificate],
    authority: &AuthorityInstance,
    at: Timestamp,
) -> Result<Path, Rejection> {
    let mut between = readable(&authority.chain);
    let anchor: Vec<Certificate> = between.pop().into_iter().collect();
    between.extend(others.iter().cloned());
    check_leaf(leaf, &anchor, at).map_err(|problem| rejection(leaf, problem))?;
    if leaf.basic_constraints().is_some_and(|constraints| constraints.ca) {
        let what = "the signing certificate is a certificate authority";
        return Err(rejection(leaf, CertificateProblem::LeafIsAuthority(what)));
    }
    find(leaf, &between, &anchor, at)
}

/// Reads the leaf of a chain for an identity. One that brings its own root is refused even though that would change nothing: no
/// honest signer sends it (attack C02).
pub(crate) fn identity_leaf(certificates: &[Vec<u8>]) -> Result<(Certificate, &[Vec<u8>]), Rejection> {
    let (leaf, others) = leaf(certificates)?;
    match readable(others).iter().find(|other| other.subject_der() == other.issuer_der()) {
        Some(root) => Err(rejection(root, CertificateProblem::RootInBundle)),
        None => Ok((leaf, others)),
    }
}

/// Issuers from the leaf's own up to the anchor.
type Path = Vec<Certificate>;

fn find(
    leaf: &Certificate,
    others: &[Certificate],
    anchors: &[Certificate],
    at: Timestamp,
) -> Result<Path, Rejection> {
    let mut search = Search { others, anchors, at, checks_left: MAX_SIGNATURE_CHECKS };
    let path = search.path_above(leaf, 0);
    path.map_err(|nearest| nearest.unwrap_or_else(|| rejection(leaf, CertificateProblem::NoChain)))
}

/// The others only propose a path; one that cannot be read proposes none.
fn readable(certificates: &[Vec<u8>]) -> Vec<Certificate> {
    certificates.iter().filter_map(|der| Certificate::from_der(der).ok()).collect()
}

/// Reads the leaf of a chain; the rest stays for the search.
pub(crate) fn leaf(certificates: &[Vec<u8>]) -> Result<(Certificate, &[Vec<u8>]), Rejection> {
    let Some((first, rest)) = certificates.split_first() else {
        let (subject, problem) = ("certificate chain".to_owned(), CertificateProblem::NoChain);
        return Err(Rejection::Certificate { subject, problem });
    };
    let leaf = Certificate::from_der(first).map_err(|error| Rejection::Certificate {
        subject: "signing certificate".to_owned(),
        problem: CertificateProblem::Malformed(error.to_string()),
    })?;
    Ok((leaf, rest))
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

impl Search<'_> {
    /// Finds the issuers above `certificate`, which has `below` authorities under it on the path, up to an anchor.
    ///
    /// On failure, gives what is wrong with an issuer that would otherwise have fitted, or nothing where there was none.
    fn path_above(&mut self, certificate: &Certificate, below: u32) -> Result<Path, Option<Rejection>> {
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
                if is_anchor { Ok(Path::new()) } else { self.path_above(issuer, below.saturating_add(1)) }
            });
            match found {
                Ok(above) => return Ok(std::iter::once(issuer.clone()).chain(above).collect()),
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

//! The answers of certificate-transparency logs that a certificate carries: proof that the certificate was made in public
//! (RFC 6962 section 3.2, "signed certificate timestamps").
//!
//! At least one listed log must have answered. Answers of logs that are not listed are no word at all; an answer in the
//! name of a listed log must hold; and no log counts twice, so two answers of one are refused rather than counted once
//! (attack C11).

use jiff::Timestamp;

use sealwax_attestation::CtLogInstance;
use sealwax_keys::{Certificate, HashAlgorithm, KeyKind, PublicKey};

use crate::Rejection;
use crate::certificate::IdentityChain;

/// Proof that a listed log knows the certificate; made only by [`check`].
#[derive(Debug)]
pub(crate) struct Published {
    answers: usize,
    _made_here: (),
}

impl Published {
    /// How many answers the certificate carries.
    pub(crate) fn answers(&self) -> usize {
        self.answers
    }
}

/// One answer, as it stands in the certificate.
struct Answer<'a> {
    log_id: &'a [u8],
    /// Milliseconds since 1970 UTC.
    time: u64,
    extensions: &'a [u8],
    /// The TLS numbers of hash and signature algorithm.
    algorithm: [u8; 2],
    signature: &'a [u8],
}

/// Checks the answers in the leaf of a chain, whose issuer they were given to.
pub(crate) fn check(
    chain: &IdentityChain,
    logs: &[CtLogInstance],
    now: Timestamp,
) -> Result<Published, Rejection> {
    let refuse = |problem| Err(Rejection::CertificateLog { problem });
    let malformed = || Rejection::CertificateLog { problem: "its log timestamps cannot be read" };
    let Some(precertificate) = chain.leaf().precertificate().map_err(|_| malformed())? else {
        return refuse("it carries no log timestamp");
    };
    let answers = answers(&precertificate.answers).ok_or_else(malformed)?;
    let mut counted: Vec<&[u8]> = Vec::new();
    for answer in &answers {
        if counted.contains(&answer.log_id) {
            return refuse("one log answers twice");
        }
        let Some(log) = logs.iter().find(|log| log.log_id == answer.log_id) else { continue };
        let time = i64::try_from(answer.time).ok().and_then(|time| Timestamp::from_millisecond(time).ok());
        let Some(time) = time else { return refuse("a log timestamp is beyond all time") };
        if !log.is_valid_at(time) {
            return refuse("a log timestamp lies outside the time for which the trusted root lists its log");
        }
        if time > now {
            return refuse("a log timestamp lies in the future");
        }
        if !holds(answer, log, chain.issuer(), &precertificate.tbs) {
            return refuse("a log timestamp is not signed by the log that it names");
        }
        counted.push(answer.log_id);
    }
    match counted.is_empty() {
        true => refuse("no log of the trusted root knows it"),
        false => Ok(Published { answers: answers.len(), _made_here: () }),
    }
}

/// Verifies one answer over the structure of RFC 6962 section 3.2 for precertificates.
fn holds(answer: &Answer<'_>, log: &CtLogInstance, issuer: &Certificate, tbs: &[u8]) -> bool {
    let Ok(key) = PublicKey::from_spki_der(&log.key) else { return false };
    let fits = matches!(
        (answer.algorithm, key.kind()),
        ([SHA256, ECDSA], KeyKind::P256) | ([SHA384, ECDSA], KeyKind::P384) | ([SHA256, RSA], KeyKind::Rsa)
    );
    let (Ok(tbs_length), Ok(extensions_length)) =
        (u32::try_from(tbs.len()), u16::try_from(answer.extensions.len()))
    else {
        return false;
    };
    let [0, high, middle, low] = tbs_length.to_be_bytes() else { return false };
    let mut signed = vec![VERSION_1, CERTIFICATE_TIMESTAMP];
    signed.extend_from_slice(&answer.time.to_be_bytes());
    signed.extend_from_slice(&PRECERTIFICATE);
    signed.extend_from_slice(&HashAlgorithm::Sha256.digest(issuer.public_key().spki_der()));
    signed.extend_from_slice(&[high, middle, low]);
    signed.extend_from_slice(tbs);
    signed.extend_from_slice(&extensions_length.to_be_bytes());
    signed.extend_from_slice(answer.extensions);
    fits && key.verify(key.scheme(), &signed, answer.signature).is_ok()
}

/// Reads `SignedCertificateTimestampList`: lists with 16-bit lengths, nothing before, between or after; at most 32.
fn answers(list: &[u8]) -> Option<Vec<Answer<'_>>> {
    let (mut rest, after) = vector(list)?;
    let mut answers = Vec::new();
    while !rest.is_empty() && answers.len() < MAX_ANSWERS {
        let (one, others) = vector(rest)?;
        answers.push(answer(one)?);
        rest = others;
    }
    (after.is_empty() && rest.is_empty()).then_some(answers)
}

fn answer(bytes: &[u8]) -> Option<Answer<'_>> {
    let (version, rest) = bytes.split_at_checked(1)?;
    let (log_id, rest) = rest.split_at_checked(32)?;
    let (time, rest) = rest.split_at_checked(8)?;
    let (extensions, rest) = vector(rest)?;
    let (algorithm, rest) = rest.split_at_checked(2)?;
    let (signature, rest) = vector(rest)?;
    if version != [VERSION_1] || !rest.is_empty() {
        return None;
    }
    let time = u64::from_be_bytes(time.try_into().ok()?);
    Some(Answer { log_id, time, extensions, algorithm: algorithm.try_into().ok()?, signature })
}

/// Splits off bytes that stand behind their 16-bit length.
fn vector(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, rest) = bytes.split_at_checked(2)?;
    rest.split_at_checked(usize::from(u16::from_be_bytes(length.try_into().ok()?)))
}

const VERSION_1: u8 = 0;
const CERTIFICATE_TIMESTAMP: u8 = 0;
const PRECERTIFICATE: [u8; 2] = [0, 1];
const SHA256: u8 = 4;
const SHA384: u8 = 5;
const RSA: u8 = 1;
const ECDSA: u8 = 3;
const MAX_ANSWERS: usize = 32;

#[cfg(test)]
mod tests {
    use super::*;

    /// One answer with an extension and a signature of three bytes.
    fn one() -> Vec<u8> {
        let mut bytes = vec![0];
        bytes.extend([7; 32]);
        bytes.extend(1_000u64.to_be_bytes());
        bytes.extend([0, 1, 9]);
        bytes.extend([4, 3, 0, 3, 1, 2, 3]);
        bytes
    }

    fn list(ones: &[Vec<u8>]) -> Vec<u8> {
        let framed = |bytes: &[u8]| [&u16::try_from(bytes.len()).unwrap().to_be_bytes()[..], bytes].concat();
        framed(&ones.iter().flat_map(|one| framed(one)).collect::<Vec<u8>>())
    }

    #[test]
    fn answers_are_read() {
        let bytes = list(&[one(), one()]);
        let found = answers(&bytes).unwrap();
        assert_eq!(found.len(), 2);
        let first = &found[0];
        assert_eq!((first.log_id, first.time, first.extensions), (&[7; 32][..], 1_000, &[9][..]));
        assert_eq!((first.algorithm, first.signature), ([4, 3], &[1, 2, 3][..]));
    }

    #[test]
    fn c11_lists_that_are_not_exactly_one_are_refused() {
        let good = list(&[one()]);
        for cut in 0..good.len() {
            assert!(answers(&good[..cut]).is_none(), "{cut}");
        }
        assert!(answers(&[&good[..], &[0]].concat()).is_none());
        assert!(answers(&list(&[[one(), vec![0]].concat()])).is_none());
        assert!(answers(&list(&[[vec![1], one()[1..].to_vec()].concat()])).is_none());
        assert!(answers(&list(&vec![one(); 33])).is_none());
        assert!(answers(&list(&[])).is_some_and(|none| none.is_empty()));
    }
}

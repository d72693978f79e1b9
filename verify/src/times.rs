//! When a signature was there, as far as somebody whom the trusted root lists says so.
//!
//! Two kinds of word are taken: an RFC 3161 time stamp over the signature, and the promise of a Rekor v1 log, which signs the
//! time at which it took the entry. There is no time before there is a signature that verified and a log entry that is about
//! it: [`prove`] takes the proofs of both (attack M02). The rule for several: a token over this signature that no
//! listed authority signed is no word at all and changes nothing (attack M05); every word that counts must hold, and what is judged by time is judged at
//! each of them (attack M04).

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;

use sealwax_attestation::{Bundle, InclusionPromise, TransparencyLogEntry, TrustedRoot};
use sealwax_keys::{KeyKind, Scheme};

use crate::Rejection;
use crate::engine::Engine;
use crate::entry::Rebuilt;
use crate::signature::Signed;
use crate::token::signers;

/// A time at which the signature existed; made only by this module.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProvenTime {
    time: Timestamp,
    witness: TimeWitness,
    _made_here: (),
}

/// Who vouches for a time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TimeWitness {
    /// A time-stamping authority, by the name in the trusted root.
    Authority(String),
    /// A Rekor v1 log, by its origin.
    Log(String),
}

impl ProvenTime {
    /// The time.
    pub fn time(&self) -> Timestamp {
        self.time
    }

    /// Who vouches for it.
    pub fn witness(&self) -> &TimeWitness {
        &self.witness
    }
}

/// Why a time-stamp token proves no time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum TokenProblem {
    /// No listed authority signed it, or it cannot be read.
    Unknown(String),
    /// It is over other bytes than the signature.
    OtherBytes,
    /// Its authority signed it outside the time for which the trusted root lists that authority.
    OutsideAuthority(Timestamp),
    /// Its authority's certificates were not valid then.
    OutsideCertificate,
}

impl TokenProblem {
    /// Keeps the problem that says most: of several authorities all but one did not sign.
    pub(crate) fn or(self, other: Self) -> Self {
        if matches!(self, Self::Unknown(_)) { other } else { self }
    }
}

/// The times that were proven, and the bundle without the tokens that proved none; made only by [`prove`].
#[derive(Debug)]
pub(crate) struct Times {
    proven: Vec<ProvenTime>,
    /// Why the last token that proved nothing did not.
    unproven: Option<String>,
    /// The tokens that count.
    tokens: Vec<Vec<u8>>,
    _made_here: (),
}

impl Times {
    /// All of them, in the bundle's order, tokens first.
    pub(crate) fn all(&self) -> &[ProvenTime] {
        &self.proven
    }

    /// The same, where at least one is demanded.
    pub(crate) fn demand(&self) -> Result<&[ProvenTime], Rejection> {
        match self.proven.as_slice() {
            [] => Err(Rejection::NoProvenTime { reason: self.unproven.clone() }),
            some => Ok(some),
        }
    }

    /// The bundle with only the tokens that count.
    pub(crate) fn without_strangers(&self, bundle: &Bundle) -> Bundle {
        Bundle { timestamps: self.tokens.clone(), ..bundle.clone() }
    }
}

/// Proves every time that the bundle offers for its verified signature.
pub(crate) fn prove(
    bundle: &Bundle,
    root: &TrustedRoot,
    _signed: &Signed,
    rebuilt: &Rebuilt<'_>,
    now: Timestamp,
) -> Result<Times, Rejection> {
    let mut times = Times { proven: Vec::new(), unproven: None, tokens: Vec::new(), _made_here: () };
    let engine = if bundle.timestamps.is_empty() { None } else { Some(Engine::new(root)?) };
    for token in &bundle.timestamps {
        let Some(engine) = &engine else { continue };
        match engine.timestamp(token, bundle.content.signature()) {
            Ok(_) if signers(token) != Some(1) => return Err(Rejection::TimestampSigners),
            Ok((time, authority)) => {
                times.proven.push(proven(time, TimeWitness::Authority(authority.name().to_owned()), now)?);
                times.tokens.push(token.clone());
            }
            Err(TokenProblem::Unknown(reason)) => times.unproven = Some(reason),
            Err(TokenProblem::OtherBytes) => return Err(Rejection::TimestampOtherBytes),
            Err(TokenProblem::OutsideAuthority(time)) => {
                return Err(Rejection::TimestampOutsideAuthority { time: Some(time) });
            }
            Err(TokenProblem::OutsideCertificate) => {
                return Err(Rejection::TimestampOutsideAuthority { time: None });
            }
        }
    }
    for entry in rebuilt.entries() {
        if let Some(promise) = &entry.promise {
            times.proven.push(promised(entry, promise, root, now)?);
        }
    }
    Ok(times)
}

fn proven(time: Timestamp, witness: TimeWitness, now: Timestamp) -> Result<ProvenTime, Rejection> {
    if time > now {
        return Err(Rejection::TimeInFuture { time, now });
    }
    Ok(ProvenTime { time, witness, _made_here: () })
}

/// Checks a Rekor v1 log's promise: its signature over body, time, log and index as canonical JSON (RFC 8785). It is checked
/// wherever there is one, also where a good inclusion proof stands beside it (attack T06).
fn promised(
    entry: &TransparencyLogEntry,
    promise: &InclusionPromise,
    root: &TrustedRoot,
    now: Timestamp,
) -> Result<ProvenTime, Rejection> {
    let log_id = hex::encode(&entry.log_id);
    let log = root.logs.iter().find(|log| log.log_id == entry.log_id);
    let log = log.ok_or_else(|| Rejection::LogUnknown { log_id: log_id.clone() })?;
    let origin = || log.origin.clone();
    let signed = format!(
        r#"{{"body":"{}","integratedTime":{},"logID":"{log_id}","logIndex":{}}}"#,
        STANDARD.encode(&entry.canonicalized_body),
        promise.integrated_time,
        entry.log_index,
    );
    let scheme = match log.key.kind() {
        KeyKind::Ed25519 => Scheme::Ed25519,
        _ => log.key.scheme(),
    };
    log.key
        .verify(scheme, signed.as_bytes(), &promise.signature)
        .map_err(|_| Rejection::InclusionPromise { origin: origin() })?;
    let time = i64::try_from(promise.integrated_time).ok().and_then(|time| Timestamp::from_second(time).ok());
    let time = time.ok_or_else(|| Rejection::InclusionPromise { origin: origin() })?;
    if !log.is_valid_at(time) {
        return Err(Rejection::LogRetired { origin: origin(), time });
    }
    proven(time, TimeWitness::Log(origin()), now)
}

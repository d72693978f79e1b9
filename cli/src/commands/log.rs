//! `sealwax log …`: what the operator of a log does, and whoever watches one.

mod backup;
mod freeze;
mod fsck;
mod index;
mod mirror;
mod restore;
mod watch;

use std::path::PathBuf;

use clap::{Args, Subcommand};

use sealwax_attestation::Envelope;
use sealwax_keys::HashAlgorithm;
use sealwax_tlog::VerifierKey;

use crate::error::Error;
use crate::instance::read_trusted_root;
use crate::world::World;

#[derive(Debug, Subcommand)]
pub(crate) enum Action {
    /// Re-hash a log, or a copy of one, up to its signed root, and name everything that is damaged
    Fsck(fsck::Options),
    /// Copy the instance's log and settings, verified, also while it is served; no secret key is copied
    Backup(backup::Options),
    /// Put a backup in the place of a lost log; it signs only once somebody outside confirms its size
    Restore(restore::Options),
    /// Make or bring up to date a verified copy of any log that serves C2SP tlog-tiles
    Mirror(mirror::Options),
    /// Show what is appended to a log as it comes, each entry proven
    Watch(watch::Options),
    /// Close the log for ever, and with --next start another one with a new key
    Freeze(freeze::Options),
    /// Make the indexes anew from the log's tiles
    RebuildIndex,
    /// Remove the oldest statements behind entries until the rest have at most a size; the log itself stays whole
    Prune(index::Prune),
}

pub(crate) fn run(action: &Action, world: &World) -> Result<(), Error> {
    match action {
        Action::Fsck(options) => fsck::run(options, world),
        Action::Backup(options) => backup::run(options, world),
        Action::Restore(options) => restore::run(options, world),
        Action::Mirror(options) => mirror::run(options, world),
        Action::Watch(options) => watch::run(options, world),
        Action::Freeze(options) => freeze::run(options, world),
        Action::RebuildIndex => index::rebuild(world),
        Action::Prune(options) => index::prune(options, world),
    }
}

/// Which key signs the checkpoints of a log that is not the instance's; never taken from the log itself.
#[derive(Debug, Default, Args)]
#[group(multiple = false)]
pub(super) struct Trust {
    /// The log's verifier key, NAME+ID+KEY
    #[arg(long, value_name = "VKEY")]
    log_key: Option<String>,

    /// A trusted root with the log, from its operator
    #[arg(long, value_name = "FILE")]
    trusted_root: Option<PathBuf>,
}

impl Trust {
    /// The key of the log that a checkpoint says it is of; `None` where nothing was given to find it in.
    fn key(&self, note: &[u8]) -> Result<Option<VerifierKey>, Error> {
        if let Some(text) = &self.log_key {
            let whence = "the log's key".to_owned();
            return VerifierKey::parse(text).map(Some).map_err(|source| Error::LogKey { whence, source });
        }
        let Some(path) = &self.trusted_root else { return Ok(None) };
        let origin = origin(note);
        let known = read_trusted_root(path)?.logs.into_iter().find(|log| log.origin == origin);
        let Some(log) = known else {
            let what = format!("{}: does not have the log {origin}", path.display());
            return Err(Error::Usage(what));
        };
        log.verifier_key().map(Some).map_err(|source| Error::TrustedRoot { path: path.clone(), source })
    }

    /// As [`Trust::key`], where a key must be given.
    fn required(&self, note: &[u8]) -> Result<VerifierKey, Error> {
        let what = "which key signs that log? give --log-key VKEY or --trusted-root FILE, from its operator";
        self.key(note)?.ok_or_else(|| Error::Usage(what.to_owned()))
    }

    /// Refuses a key for the instance's log, which has its own.
    fn unused(&self) -> Result<(), Error> {
        if self.log_key.is_none() && self.trusted_root.is_none() {
            return Ok(());
        }
        let what = "--log-key and --trusted-root are for another log, which must be named";
        Err(Error::Usage(what.to_owned()))
    }
}

/// The origin that a checkpoint claims, cut short: it comes from outside and only selects among what is trusted.
fn origin(note: &[u8]) -> String {
    let line = note.split(|byte| *byte == b'\n').next().unwrap_or_default();
    String::from_utf8_lossy(line).chars().take(MAX_ORIGIN).collect()
}

/// Whether an envelope is the one whose digest an entry holds: of what was signed, or for an entry that holds a whole
/// envelope of an older client, of its payload.
pub(super) fn envelope_fits(digest: &[u8], text: &[u8]) -> bool {
    let hash = match digest.len() {
        32 => HashAlgorithm::Sha256,
        48 => HashAlgorithm::Sha384,
        64 => HashAlgorithm::Sha512,
        _ => return false,
    };
    Envelope::from_text(text).is_ok_and(|envelope| {
        hash.digest(&envelope.pae()) == digest || HashAlgorithm::Sha256.digest(&envelope.payload) == digest
    })
}

const MAX_ORIGIN: usize = 256;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn s07_an_envelope_fits_the_digests_that_entries_hold_and_no_other() {
        let envelope = Envelope::in_toto(b"{}".to_vec(), vec![1, 2, 3]);
        let text = envelope.to_json();
        for digest in [
            HashAlgorithm::Sha256.digest(&envelope.pae()),
            HashAlgorithm::Sha384.digest(&envelope.pae()),
            HashAlgorithm::Sha512.digest(&envelope.pae()),
            HashAlgorithm::Sha256.digest(b"{}"),
        ] {
            assert!(envelope_fits(&digest, text.as_bytes()));
            assert!(!envelope_fits(&digest[1..], text.as_bytes()));
            let other = Envelope::in_toto(b"{ }".to_vec(), vec![1, 2, 3]).to_json();
            assert!(!envelope_fits(&digest, other.as_bytes()));
        }
        assert!(!envelope_fits(&HashAlgorithm::Sha512.digest(b"{}"), text.as_bytes()));
        assert!(!envelope_fits(&HashAlgorithm::Sha256.digest(b""), b""));
    }
}

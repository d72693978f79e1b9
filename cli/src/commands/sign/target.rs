//! Where the entry goes, and what then vouches for it.

use sealwax_attestation::{Envelope, HashedRekord, LogInstance, TransparencyLogEntry, TrustedRoot};
use sealwax_transparency_log::{NewEntry, Receipt};
use sealwax_verify::Rejection;

use crate::error::Error;
use crate::instance::{Authority, Instance, read_trusted_root};
use crate::services::Services;
use crate::world::World;

use super::signer::Signer;
use super::{Options, bug};

/// Who vouches for a signature.
pub(super) enum Target {
    /// The instance on this machine, in process, and its authority where it is asked.
    Local(Instance, Option<Box<Authority>>),
    /// Services elsewhere.
    Services(Box<Services>),
}

/// Finds the services elsewhere that the options name, if they name some.
///
/// # Errors
/// [`Error::Usage`] for a served instance without its trusted root, and those of reading.
pub(super) fn services(options: &Options, world: &World) -> Result<Option<Services>, Error> {
    let root = || options.trusted_root.as_deref().map(read_trusted_root).transpose();
    let configured = (&options.trust, &options.trust_config, &options.signing_config);
    let services = match (configured, world.served_instance()) {
        ((Some(name), _, _), _) => Services::named(name, world)?,
        ((None, Some(path), _), _) => Services::read(path)?,
        ((None, None, Some(path)), _) => Services::read_parts(path, root()?.unwrap_or_default())?,
        ((None, None, None), Some(url)) => {
            let what = format!(
                "which log is at {url}? give --trusted-root FILE, which its operator writes with `sealwax instance export`"
            );
            Services::of_instance(url, root()?.ok_or(Error::Usage(what))?)?
        }
        ((None, None, None), None) => return Ok(None),
    };
    services.check(world.now()).map(|()| Some(services))
}

impl Target {
    pub(super) fn trusted_root(&self) -> Result<TrustedRoot, Error> {
        match self {
            Self::Local(instance, _) => instance.trusted_root(),
            Self::Services(services) => Ok(services.root().clone()),
        }
    }

    /// Whether a log of the trusted root may be the one that takes the entry.
    pub(super) fn is_log(&self, log: &LogInstance) -> bool {
        match self {
            Self::Local(instance, _) => log.origin == instance.origin(),
            Self::Services(services) => services.root().logs.len() == 1,
        }
    }

    /// Tells what services answered wrongly from what went wrong here, which is handed back.
    pub(super) fn refused(
        &self,
        rejection: Rejection,
        signer: &Signer,
        world: &World,
    ) -> Result<Error, Rejection> {
        let Self::Services(services) = self else { return Err(rejection) };
        match rejection {
            own @ (Rejection::Malformed(_) | Rejection::IgnoredPresent(_) | Rejection::LogUnknown { .. }) => {
                Err(own)
            }
            rejection @ (Rejection::LogEntryMismatch
            | Rejection::Checkpoint { .. }
            | Rejection::CheckpointMissing
            | Rejection::CheckpointMismatch { .. }
            | Rejection::InclusionPromise { .. }
            | Rejection::InclusionProof) => {
                Ok(Error::Unproven { url: services.log_url(world.now()), rejection: Box::new(rejection) })
            }
            Rejection::TimestampOtherBytes
            | Rejection::TimestampOutsideAuthority { .. }
            | Rejection::TimeInFuture { .. } => Ok(services.unproven(&rejection, world.now())),
            // Certificate, time and whom they name: none of it is of this machine's making.
            other if signer.identity_certificate().is_some() => Ok(services.unproven(&other, world.now())),
            other => Err(other),
        }
    }

    /// Gets the time of the signature from whoever vouches for it.
    pub(super) fn timestamps(
        &self,
        signature: &[u8],
        options: &Options,
        world: &World,
    ) -> Result<Vec<Vec<u8>>, Error> {
        match self {
            Self::Local(_, Some(authority)) => Ok(vec![authority.timestamp(signature, world)?]),
            Self::Local(instance, None) => {
                Ok(instance.timestamp(signature, &options.passphrase, world)?.into_iter().collect())
            }
            Self::Services(services) => services.timestamps(signature, world),
        }
    }

    /// Puts the entry into the logs and gives it with its proofs, and whether it was there already.
    pub(super) fn record(
        &self,
        envelope: &Envelope,
        signer: &Signer,
        options: &Options,
        world: &World,
    ) -> Result<(Vec<TransparencyLogEntry>, bool), Error> {
        let entry = HashedRekord::for_envelope(envelope, signer.public_key().scheme(), signer.verifier());
        // A key with two purposes is two keys to whoever steals it (attack K09).
        if self.trusted_root()?.logs.iter().any(|log| log.key == *signer.public_key()) {
            let what = "a log's own key cannot sign models; give another with --key";
            return Err(Error::Usage(what.to_owned()));
        }
        let listed = !options.unlisted;
        match self {
            Self::Local(instance, _) => {
                let kept = listed.then(|| envelope.to_json());
                append(&entry, kept.as_deref(), instance, world)
            }
            Self::Services(services) => {
                services.record(&entry, envelope, listed, world).map(|entries| (entries, false))
            }
        }
    }
}

/// Appends to the instance's log, in process.
fn append(
    entry: &HashedRekord,
    kept: Option<&str>,
    instance: &Instance,
    world: &World,
) -> Result<(Vec<TransparencyLogEntry>, bool), Error> {
    let body = entry.to_body().map_err(bug)?;
    let path = instance.log_path();
    let mut log = instance.log(world)?;
    let envelope = kept.map(|text| (entry.digest.as_slice(), text.as_bytes()));
    let log_error = |source| Error::Log { path: path.clone(), source };
    let receipts = log.append(&[NewEntry { body: &body, envelope }]).map_err(log_error)?;
    let [receipt]: [Receipt; 1] =
        receipts.try_into().map_err(|_| Error::Bug("the log gave another number of receipts".to_owned()))?;
    let entry = receipt.to_entry(log.verifier_key(), body).map_err(log_error)?;
    Ok((vec![entry], receipt.existing))
}

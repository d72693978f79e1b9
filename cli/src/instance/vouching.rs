//! What an instance's authority does for who signs on the same machine, in process.

use sealwax_authority::{Identity, IdentityName, TimestampAuthority, TimestampRequest};
use sealwax_keys::{KeyKind, SecretKey, SubjectName};
use sealwax_transparency_log::NewEntry;
use sealwax_verify::NameRule;

use crate::error::Error;
use crate::key_files::PassphraseOptions;
use crate::services::Certified;
use crate::world::World;

use super::Instance;
use super::authority::Authority;

impl Authority {
    /// Makes a key, and certifies that it belongs to a name, which the instance itself vouches for: whoever may open its keys
    /// may say so.
    ///
    /// # Errors
    /// [`Error::Usage`] for what is no name, and those of recording the certificate.
    pub(crate) fn certify(&mut self, name: &str, world: &World) -> Result<Certified, Error> {
        let usage = |error: &dyn std::fmt::Display| Error::Usage(format!("{name:?}: {error}"));
        let kind = match NameRule::exactly(name).map_err(|error| usage(&error))? {
            NameRule::Exactly(SubjectName::Uri(uri)) => IdentityName::Uri(uri),
            NameRule::Exactly(SubjectName::Username(user)) => IdentityName::User(user),
            _ => IdentityName::Email(name.to_owned()),
        };
        let issuer = self.issuer.issuer().url().to_owned();
        let identity = Identity::new(&issuer, kind).map_err(|error| usage(&error))?;
        let key = SecretKey::generate(KeyKind::P256).map_err(bug)?;
        let log = &mut self.log;
        let record = |entry: &[u8]| log.append(&[NewEntry { body: entry, envelope: None }]).map(|_| ());
        let issued = self.certificates.issue(&identity, key.public_key(), world.now(), record);
        let failed = |error: sealwax_authority::Error| Error::Service {
            url: issuer.clone(),
            reason: error.to_string(),
        };
        let certificate = issued.map_err(failed)?.certificate().clone();
        Ok(Certified { key, certificate, issuers: vec![issuer.clone()], email: None, authority: issuer })
    }

    /// Says when a signature was there: now.
    ///
    /// # Errors
    /// [`Error::Service`] where the key does not sign.
    pub(crate) fn timestamp(&self, signature: &[u8], world: &World) -> Result<Vec<u8>, Error> {
        stamp(&self.timestamps, signature, world)
    }
}

impl Instance {
    /// The same for a signature that asks nothing else of the instance's authority; `None` where that says no times.
    ///
    /// # Errors
    /// Those of the authority's key, and [`Error::Service`] where it does not sign.
    pub(crate) fn timestamp(
        &self,
        signature: &[u8],
        passphrase: &PassphraseOptions,
        world: &World,
    ) -> Result<Option<Vec<u8>>, Error> {
        let authority = self.timestamp_authority(passphrase, world)?;
        authority.map(|authority| stamp(&authority, signature, world)).transpose()
    }
}

fn stamp(authority: &TimestampAuthority, signature: &[u8], world: &World) -> Result<Vec<u8>, Error> {
    let stamped = || {
        let request = TimestampRequest::new(signature)?;
        let reply = authority.answer(&request.to_der(), world.now())?.der;
        request.check(&reply).map(|()| reply)
    };
    let url = "the time-stamping authority".to_owned();
    stamped().map_err(|error| Error::Service { url, reason: error.to_string() })
}

fn bug(error: impl std::fmt::Display) -> Error {
    Error::Bug(error.to_string())
}

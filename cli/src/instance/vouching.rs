//! What an instance's authority does for who signs on the same machine, in process.

use sealwax_authority::{Identity, IdentityName, TimestampRequest};
use sealwax_keys::{KeyKind, SecretKey, SubjectName};
use sealwax_transparency_log::NewEntry;
use sealwax_verify::NameRule;

use crate::error::Error;
use crate::services::Certified;
use crate::world::World;

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
    /// Those of signing.
    pub(crate) fn timestamp(&self, signature: &[u8], world: &World) -> Result<Vec<u8>, Error> {
        let request = TimestampRequest::new(signature).map_err(bug)?;
        let reply = self.timestamps.answer(&request.to_der(), world.now()).map_err(bug)?;
        request.check(&reply.der).map_err(bug).map(|()| reply.der)
    }
}

fn bug(error: impl std::fmt::Display) -> Error {
    Error::Bug(error.to_string())
}

//! What an instance offers to those who sign, once it is served.

use jiff::Timestamp;

use sealwax_attestation::{LogInstance, Service, SigningConfig};
use sealwax_server::config::IssuerKind;

use crate::error::Error;

use super::Instance;

impl Instance {
    /// The services of this instance, served at a base URL: its logs, and where it has an authority that its settings do not
    /// switch off, who certifies identities, where to log in, and who says when.
    ///
    /// # Errors
    /// Those of the trusted root and of the settings.
    pub(crate) fn signing_config(&self, url: &str) -> Result<SigningConfig, Error> {
        let service = |url: String, log: LogInstance| Service {
            url,
            api_version: 2,
            valid_from: log.valid_from,
            valid_until: log.valid_until,
            operator: log.origin,
        };
        let frozen = self.shards()?.into_iter();
        let mut logs: Vec<_> =
            frozen.map(|log| service(format!("{url}/shards/{}", log.origin), log)).collect();
        logs.push(service(url.to_owned(), self.own_log()?));
        let mut config = SigningConfig { logs, ..SigningConfig::default() };
        if !self.has_authority() {
            return Ok(config);
        }
        let (root, settings) = (self.trusted_root()?, self.settings(None)?);
        let since = |authorities: &[sealwax_attestation::AuthorityInstance]| {
            authorities.iter().map(|one| one.valid_from).min().unwrap_or(Timestamp::MIN)
        };
        let service = |url: String, valid_from| {
            vec![Service {
                url,
                api_version: 1,
                valid_from,
                valid_until: None,
                operator: self.origin.clone(),
            }]
        };
        if settings.authority.enabled {
            let since = since(&root.certificate_authorities);
            config.certificate_authorities = service(url.to_owned(), since);
            // Where a person logs in. Without such an issuer invitations are left, which the instance itself vouches for.
            let people = settings.authority.issuers.iter().find(|issuer| issuer.kind == IssuerKind::Email);
            let issuer = match people {
                Some(issuer) => issuer.url.clone(),
                None => self.issuer(&settings)?,
            };
            config.identity_providers = service(issuer, since);
        }
        if settings.timestamps.enabled {
            let url = format!("{url}/api/v1/timestamp");
            config.timestamp_authorities = service(url, since(&root.timestamp_authorities));
        }
        Ok(config)
    }
}

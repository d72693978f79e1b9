//! The services of a Sigstore that signing asks, Sealwax's or any other's: who certifies identities, who says when, and the
//! logs. A signing configuration names them; a trusted root says what their answers are worth.

mod log;
mod rekor_v1;

use std::path::Path;
use std::time::Duration;

use jiff::Timestamp;
use sealwax_attestation::{
    Chosen, ClientTrustConfig, Envelope, HashedRekord, Service, SigningConfig, TransparencyLogEntry,
    TrustedRoot,
};
use sealwax_authority::{TimestampRequest, certificate_answer, certificate_request};
use sealwax_keys::{Certificate, KeyKind, SecretKey};
use sealwax_verify::Rejection;
use serde_json::Value;

use crate::error::Error;
use crate::files;
use crate::http::{self, Answer, Body, Http};
use crate::identity::{Claims, IdentityOptions, Source};
use crate::instance::MAX_SETTINGS;
use crate::trust_store;
use crate::world::World;

/// Whom to ask, and what their answers are worth.
pub(crate) struct Services {
    config: SigningConfig,
    /// From whoever runs the services, and never from the services themselves.
    root: TrustedRoot,
    /// Whether the log keeps statements beside its entries, as Sealwax does.
    keeps_statements: bool,
    http: Http,
}

/// A key made for one signature, and the certificate that says whose it is.
pub(crate) struct Certified {
    /// The key; it is nowhere but in memory.
    pub(crate) key: SecretKey,
    /// Its certificate.
    pub(crate) certificate: Certificate,
    /// Who may have vouched for the identity: the issuer of the token, and the one whose word it passes on.
    pub(crate) issuers: Vec<String>,
    /// The e-mail address in the token.
    pub(crate) email: Option<String>,
    /// Who certified it, a URL.
    pub(crate) authority: String,
}

impl Services {
    /// Asks whom a configuration names, and believes what a trusted root says.
    ///
    /// # Errors
    /// [`Error::Network`] where this machine cannot ask at all.
    pub(crate) fn new(config: SigningConfig, root: TrustedRoot) -> Result<Self, Error> {
        let http = Http::new(PATIENCE).map_err(Error::Network)?;
        Ok(Self { config, root, keeps_statements: false, http })
    }

    /// Takes both from a client trust configuration.
    ///
    /// # Errors
    /// Those of reading.
    pub(crate) fn read(path: &Path) -> Result<Self, Error> {
        let read = ClientTrustConfig::from_json(&files::read_capped(path, MAX_SETTINGS)?);
        let what = "client trust configuration";
        let config = read.map_err(|source| Error::Settings { path: path.to_owned(), what, source })?;
        Self::new(config.signing_config, config.trusted_root)
    }

    /// Takes whom to ask and what to believe from what is trusted under a name.
    ///
    /// # Errors
    /// [`Error::Usage`] where it is not said whom to ask, and those of [`trust_store::load`].
    pub(crate) fn named(name: &str, world: &World) -> Result<Self, Error> {
        let held = trust_store::load(name, world)?;
        let what =
            format!("{name} does not say where to sign; add a client trust configuration, or a repository");
        let config = held.signing_config(name)?.ok_or(Error::Usage(what))?;
        Self::new(config, held.trusted_root)
    }

    /// Takes whom to ask from a signing configuration, and what to believe from a trusted root.
    ///
    /// # Errors
    /// Those of reading.
    pub(crate) fn read_parts(path: &Path, root: TrustedRoot) -> Result<Self, Error> {
        let read = SigningConfig::from_json(&files::read_capped(path, MAX_SETTINGS)?);
        let what = "signing configuration";
        let config = read.map_err(|source| Error::Settings { path: path.to_owned(), what, source })?;
        Self::new(config, root)
    }

    /// Asks for everything at the one URL of a Sealwax instance.
    ///
    /// # Errors
    /// [`Error::Network`] where this machine cannot ask at all.
    pub(crate) fn of_instance(url: &str, root: TrustedRoot) -> Result<Self, Error> {
        let service = |path: &str, api_version| Service {
            url: format!("{url}{path}"),
            api_version,
            valid_from: Timestamp::MIN,
            valid_until: None,
            operator: url.to_owned(),
        };
        let dates = !root.timestamp_authorities.is_empty();
        let config = SigningConfig {
            certificate_authorities: vec![service("", 1)],
            logs: vec![service("", 2)],
            timestamp_authorities: dates.then(|| service("/api/v1/timestamp", 1)).into_iter().collect(),
            ..SigningConfig::default()
        };
        Self::new(config, root).map(|services| Self { keeps_statements: true, ..services })
    }

    /// What the answers are worth.
    pub(crate) fn root(&self) -> &TrustedRoot {
        &self.root
    }

    /// Finds where the identity comes from that these services can certify.
    ///
    /// # Errors
    /// Those of [`Source::find`].
    pub(crate) fn identity(&self, options: &IdentityOptions, world: &World) -> Result<Source, Error> {
        let issuer = self.config.choose_identity_provider(world.now()).ok();
        Source::find(options, issuer.map(|issuer| issuer.url.as_str()), world)
    }

    /// Makes a key, and asks for a certificate that it belongs to whoever the identity token names.
    ///
    /// # Errors
    /// Those of getting a token, [`Error::Refused`], and [`Error::Service`] for a certificate that is not for this key.
    pub(crate) fn certify(&self, source: &Source, world: &World) -> Result<Certified, Error> {
        let authority = self.config.choose_certificate_authority(world.now()).map_err(unusable)?;
        // Whoever reads the token on its way can be who it names (attack K10).
        if !http::is_private(&authority.url) {
            let what = format!("{}: an identity token is sent over https only", authority.url);
            return Err(Error::Usage(what));
        }
        let token = source.token(world)?;
        let url = format!("{}/api/v2/signingCert", authority.url.trim_end_matches('/'));
        let key = SecretKey::generate(KeyKind::P256).map_err(|error| Error::Bug(error.to_string()))?;
        let request = certificate_request(&key).map_err(|error| Error::Bug(error.to_string()))?;
        let body = Body { media_type: "application/json", bytes: request.as_bytes() };
        let answer = self.ask(&url, &body, Some(token.secret()), world)?;
        let wrong =
            |error: sealwax_authority::Error| Error::Service { url: url.clone(), reason: error.to_string() };
        let chain = certificate_answer(&answer.body, &key).map_err(wrong)?;
        let certificate = chain.into_iter().next().ok_or_else(|| Error::Bug("no certificate".to_owned()))?;
        let Claims { issuer, federated_issuer, email, .. } = token.claims().clone();
        let issuers = std::iter::once(issuer).chain(federated_issuer).collect();
        Ok(Certified { key, certificate, issuers, email, authority: url })
    }

    /// Asks when a signature was there: as many time-stamping authorities as the configuration says, none where it has none.
    ///
    /// # Errors
    /// Those of the services, where too few have answered.
    pub(crate) fn timestamps(&self, signature: &[u8], world: &World) -> Result<Vec<Vec<u8>>, Error> {
        let chosen = self.config.choose_timestamp_authorities(world.now()).map_err(unusable)?;
        enough("time-stamping authority", chosen, |authority| {
            let request = TimestampRequest::new(signature).map_err(|error| Error::Bug(error.to_string()))?;
            let der = request.to_der();
            let body = Body { media_type: "application/timestamp-query", bytes: &der };
            let answer = self.ask(&authority.url, &body, None, world)?;
            let wrong = |error: sealwax_authority::Error| {
                let reason = error.to_string();
                Error::Service { url: authority.url.clone(), reason }
            };
            request.check(&answer.body).map_err(wrong).map(|()| answer.body)
        })
    }

    /// Submits an entry to the first log that takes it, as [`Services::check`] made sure that one is enough, and gives the
    /// answer, which proves nothing before it is verified. The statement is left beside the log where `listed`, and where the log keeps such.
    ///
    /// # Errors
    /// Those of the services, where too few have answered.
    pub(crate) fn record(
        &self,
        entry: &HashedRekord,
        envelope: &Envelope,
        listed: bool,
        world: &World,
    ) -> Result<Vec<TransparencyLogEntry>, Error> {
        let chosen = self.config.choose_logs(world.now()).map_err(unusable)?;
        enough("log", chosen, |service| {
            let url = service.url.trim_end_matches('/');
            if service.api_version == 1 {
                return self.submit_v1(url, entry, envelope, world);
            }
            let recorded = self.submit(url, entry, world)?;
            if listed && self.keeps_statements {
                self.leave(url, envelope.to_json(), world);
            }
            Ok(recorded)
        })
    }

    /// The first log that is asked, for people.
    pub(crate) fn log_url(&self, now: Timestamp) -> String {
        let chosen = self.config.choose_logs(now).ok();
        chosen.and_then(|chosen| Some(chosen.services.first()?.url.clone())).unwrap_or_default()
    }

    /// Says no to a configuration that no signature can satisfy, before any work is done for one.
    ///
    /// # Errors
    /// [`Error::Usage`].
    pub(crate) fn check(&self, now: Timestamp) -> Result<(), Error> {
        self.config.choose_timestamp_authorities(now).map_err(unusable)?;
        match self.config.choose_logs(now).map_err(unusable)?.needed {
            1 => Ok(()),
            several => {
                let what = "the signing configuration wants an entry in each of";
                Err(Error::Usage(format!("{what} {several} logs, and a bundle has one")))
            }
        }
    }

    /// Says that the authorities' answers, taken together, do not verify.
    pub(crate) fn unproven(&self, rejection: &Rejection, now: Timestamp) -> Error {
        let authority = self.config.choose_certificate_authority(now);
        let url = authority.map(|authority| authority.url.clone()).unwrap_or_default();
        Error::Service { url, reason: format!("what the services answered does not verify: {rejection}") }
    }

    /// Sends something to a service until it is not too busy to answer, and gives what it answers to it if that is success.
    fn ask(&self, url: &str, body: &Body<'_>, bearer: Option<&str>, world: &World) -> Result<Answer, Error> {
        let answer = self.ask_patiently(url, body, bearer, world)?;
        match answer.status {
            200 | 201 => Ok(answer),
            status => Err(Error::Refused { url: url.to_owned(), status, message: message(&answer.body) }),
        }
    }

    fn ask_patiently(
        &self,
        url: &str,
        body: &Body<'_>,
        bearer: Option<&str>,
        world: &World,
    ) -> Result<Answer, Error> {
        let mut tries = 0u32;
        loop {
            let answer = self.http.ask(url, Some(body), bearer, MAX_ANSWER).map_err(Error::Network)?;
            tries = tries.saturating_add(1);
            if !matches!(answer.status, 429 | 503) || tries >= TRIES {
                return Ok(answer);
            }
            let asked = answer.header("retry-after").and_then(|text| text.parse().ok());
            world.wait(asked.map_or(PAUSE, Duration::from_secs).min(LONGEST_PAUSE));
        }
    }
}

/// Asks services in turn until as many have answered as are needed.
fn enough<'a, T>(
    what: &'static str,
    chosen: Chosen<'a>,
    mut ask: impl FnMut(&'a Service) -> Result<T, Error>,
) -> Result<Vec<T>, Error> {
    let (mut answers, mut failures) = (Vec::new(), Vec::new());
    for service in chosen.services {
        if answers.len() == chosen.needed {
            break;
        }
        match ask(service) {
            Ok(answer) => answers.push(answer),
            Err(failure) => failures.push(failure),
        }
    }
    match failures.pop() {
        _ if answers.len() == chosen.needed => Ok(answers),
        Some(failure) if failures.is_empty() => Err(failure),
        last => {
            failures.extend(last);
            Err(Error::TooFewAnswers { what, needed: chosen.needed, failures })
        }
    }
}

fn unusable(error: sealwax_attestation::Error) -> Error {
    Error::Usage(error.to_string())
}

/// What a refusal says, if it says it as these services do; cut short, since it comes from outside.
fn message(body: &[u8]) -> String {
    let text = serde_json::from_slice::<Value>(body)
        .ok()
        .and_then(|value| Some(value.get("message")?.as_str()?.to_owned()))
        .unwrap_or_else(|| String::from_utf8_lossy(body).into_owned());
    text.chars().take(MAX_MESSAGE).collect()
}

/// A log waits for its witnesses before it answers.
const PATIENCE: Duration = Duration::from_secs(90);
const TRIES: u32 = 5;
const PAUSE: Duration = Duration::from_secs(2);
const LONGEST_PAUSE: Duration = Duration::from_secs(30);
const MAX_ANSWER: u64 = 1 << 20;
const MAX_MESSAGE: usize = 300;

//! The authority behind the faces: who asks is identified, what is certified is recorded first, what is exchanged is
//! remembered.
//!
//! | step | what fails here |
//! | --- | --- |
//! | the token is read, its issuer found among those that are configured, verified by that issuer's keys | nothing is remembered |
//! | the key's holder proves that they have it | nothing is remembered |
//! | the record of certificates is ready to be written | nothing is remembered |
//! | the token is remembered as used, on disk | it can be used again |
//! | the certificate is recorded, on disk, then signed | the token is used up, and nobody has the certificate |

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use sealwax_authority::{
    CertificateAuthority, Error as AuthorityError, IdentityToken, InvitationSecret, Issued, Issuers, Jwks,
    KeyRequest, OwnIssuer, Refusal, TimestampAuthority, VerifiedToken,
};
use sealwax_keys::PublicKey;
use sealwax_tlog::VerifierKey;
use sealwax_transparency_log::{Error as LogError, Log, LogView, Mode, NewEntry};
use tokio::sync::Mutex;
use zeroize::Zeroizing;

use crate::Fatal;
use crate::api::Refusal as Answer;
use crate::clock;
use crate::config::Config;
use crate::error::Error;
use crate::issuers::{Get, KeyRing, Wanted};
use crate::ledger::Ledger;

/// What an authority's faces are made of.
pub struct Authority {
    /// Certifies identities.
    pub certificates: CertificateAuthority,
    /// Makes time stamps.
    pub timestamps: TimestampAuthority,
    /// The issuer that the instance itself is, for who was invited.
    pub issuer: OwnIssuer,
    /// The record of certificates.
    pub log: Log,
    /// Its directory, for reading.
    pub log_directory: PathBuf,
    /// What was exchanged.
    pub ledger: Arc<dyn Ledger>,
    /// What reaches the issuers that are configured.
    pub get: Arc<dyn Get>,
}

/// An authority at work.
pub(crate) struct Registrar {
    pub(crate) certificates: CertificateAuthority,
    pub(crate) timestamps: TimestampAuthority,
    pub(crate) own: OwnIssuer,
    /// All issuers that are believed, the own one among them.
    pub(crate) issuers: Issuers,
    own_keys: Jwks,
    ring: KeyRing,
    log: Arc<Mutex<Log>>,
    log_directory: PathBuf,
    log_key: VerifierKey,
    ledger: Arc<dyn Ledger>,
    min_free: u64,
    fatal: Fatal,
}

/// Why somebody gets no certificate or token.
#[derive(Debug)]
pub(crate) enum Denied {
    /// What they sent could not be read whole.
    Unread(Answer),
    /// What they brought does not entitle them.
    Refused(Refusal),
    /// The keys of the token's issuer cannot be had now.
    IssuerUnreachable,
    /// The record of certificates takes nothing now.
    RecordUnavailable(&'static str),
    /// Something failed here.
    Failed(String),
}

impl Registrar {
    /// Puts the faces' authority to work.
    pub(crate) fn new(authority: Authority, config: &Config, fatal: Fatal) -> Result<Self, Error> {
        let Authority { certificates, timestamps, issuer: own, log, log_directory, ledger, get } = authority;
        let configured = config.authority.issuers()?;
        let ring = KeyRing::new(get, &configured);
        let all = configured.iter().chain([own.issuer()]).cloned().collect();
        let issuers =
            Issuers::new(all).map_err(|error| Error::Config(format!("authority.issuers: {error}")))?;
        let own_keys = Jwks::from_json(own.keys_json().as_bytes())
            .map_err(|error| Error::Config(format!("the key of the instance's issuer: {error}")))?;
        Ok(Self {
            ring,
            certificates,
            timestamps,
            own,
            issuers,
            own_keys,
            log_key: log.verifier_key().clone(),
            log: Arc::new(Mutex::new(log)),
            log_directory,
            ledger,
            min_free: config.log.min_free,
            fatal,
        })
    }

    /// Gives the record of certificates as it is published now.
    pub(crate) fn record(&self) -> Result<LogView, LogError> {
        LogView::open(&self.log_directory, &self.log_key)
    }

    /// Verifies a token with the keys of its issuer, which are fetched anew where they lack the one that it names.
    pub(crate) async fn identify(&self, token: &IdentityToken) -> Result<VerifiedToken, Denied> {
        let issuer = self.issuers.of(token)?;
        if issuer.url() == self.own.issuer().url() {
            return Ok(token.verify(issuer, &self.own_keys, clock::time())?);
        }
        let keys = async |wanted| {
            let keys = self.ring.keys(issuer.url(), wanted, Instant::now()).await;
            keys.map_err(|_| Denied::IssuerUnreachable)
        };
        match token.verify(issuer, &*keys(Wanted::Kept).await?, clock::time()) {
            Err(Refusal::UnknownKey) => {
                Ok(token.verify(issuer, &*keys(Wanted::Newer).await?, clock::time())?)
            }
            verified => Ok(verified?),
        }
    }

    /// Certifies the key of a request for whom the token is about.
    pub(crate) async fn certify(
        self: Arc<Self>,
        token: VerifiedToken,
        request: &KeyRequest,
    ) -> Result<Issued, Denied> {
        let key = request.prove(&token)?.clone();
        // Waiting for the record takes nobody's thread.
        let mut log = Arc::clone(&self.log).lock_owned().await;
        let work = move || {
            self.ready(&mut log)?;
            self.spend(&token)?;
            self.issue(&mut log, &token, &key)
        };
        tokio::task::spawn_blocking(work).await.unwrap_or_else(|error| Err(Denied::Failed(error.to_string())))
    }

    /// Redeems an invitation for a token of the instance's own issuer.
    pub(crate) async fn redeem(
        self: Arc<Self>,
        secret: InvitationSecret,
    ) -> Result<Zeroizing<String>, Denied> {
        let work = move || {
            let now = clock::time();
            let invitation = self.ledger.redeem(&secret.hash(), now.as_second()).map_err(Denied::Failed)?;
            let redeemed = invitation.ok_or(Refusal::NoInvitation)?.redeem(&secret, now)?;
            self.own.token(&redeemed, now).map_err(|error| Denied::Failed(error.to_string()))
        };
        tokio::task::spawn_blocking(work).await.unwrap_or_else(|error| Err(Denied::Failed(error.to_string())))
    }

    fn spend(&self, token: &VerifiedToken) -> Result<(), Denied> {
        if token.reusable() {
            return Ok(());
        }
        let spent = self.ledger.spend(token.id(), token.ends(), clock::now());
        if spent.map_err(Denied::Failed)? { Ok(()) } else { Err(Refusal::AlreadyUsed.into()) }
    }

    fn issue(&self, log: &mut Log, token: &VerifiedToken, key: &PublicKey) -> Result<Issued, Denied> {
        let record = |entry: &[u8]| log.append(&[NewEntry { body: entry, envelope: None }]).map(|_| ());
        self.certificates.issue(token.identity(), key, clock::time(), record).map_err(|error| match error {
            AuthorityError::NotRecorded { source } => match source.downcast() {
                Ok(source) => self.failed(*source),
                Err(source) => Denied::Failed(source.to_string()),
            },
            other => Denied::Failed(other.to_string()),
        })
    }

    /// Makes sure that the record can be written, after an earlier failure too.
    fn ready(&self, log: &mut Log) -> Result<(), Denied> {
        let failed = |error| self.failed(error);
        if let Err(LogError::Poisoned { fatal: false }) = log.mode() {
            log.reload().map_err(failed)?;
        }
        match log.mode().map_err(failed)? {
            Mode::Live => {}
            Mode::Restored => {
                return Err(Denied::RecordUnavailable("it was restored and is not confirmed yet"));
            }
            Mode::Frozen => return Err(Denied::RecordUnavailable("it is frozen")),
        }
        if log.free_space().map_err(failed)?.is_some_and(|free| free < self.min_free) {
            return Err(Denied::RecordUnavailable("its disk is nearly full"));
        }
        Ok(())
    }

    /// The record's failure; one after which the system may show what is not stored ends the server.
    fn failed(&self, error: LogError) -> Denied {
        let what = error.to_string();
        if error.is_sync_failure() || error.is_misbehaviour() {
            self.fatal.end(error);
        }
        Denied::Failed(what)
    }
}

impl From<Answer> for Denied {
    fn from(answer: Answer) -> Self {
        Self::Unread(answer)
    }
}

impl From<Refusal> for Denied {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

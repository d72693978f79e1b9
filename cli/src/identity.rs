//! Who signs, where no key says it: an identity token of an OpenID Connect issuer.
//!
//! In this order: the token that the person names, an invitation, what the CI job offers, a login. A token is a secret for as
//! long as it lives: it comes from a file, a pipe, the environment or the issuer, never from an argument, and is never printed.

mod ambient;
mod invitation;
mod login;
mod token;

use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;
use sealwax_attestation::json::{Limits, Object, parse};
use zeroize::Zeroizing;

use crate::error::Error;
use crate::files::read_stream;
use crate::http::{Answer, Http};
use crate::world::World;

use ambient::Job;

pub(crate) use token::{Claims, IdentityToken};

/// Where the identity token comes from.
#[derive(Debug, Default, Args)]
#[command(next_help_heading = "Identity, where no key signs")]
pub(crate) struct IdentityOptions {
    /// Sign as this e-mail address, URI or user name, and as nobody else; the instance on this machine certifies it itself
    #[arg(long, value_name = "NAME", conflicts_with = "key")]
    pub(crate) identity: Option<String>,

    /// Read the identity token from FILE, a pipe, or standard input (-) [default: that of the CI job, else a login]
    #[arg(long, value_name = "FILE", conflicts_with = "key")]
    pub(crate) identity_token: Option<PathBuf>,

    /// Redeem the invitation in FILE, a pipe, or standard input (-), once, for an identity that the instance vouches for
    #[arg(long, value_name = "FILE", conflicts_with_all = ["key", "identity_token"])]
    pub(crate) invitation: Option<PathBuf>,

    /// Log in at this OpenID Connect issuer [default: the one of the signing configuration]
    #[arg(long, value_name = "URL", conflicts_with_all = ["key", "identity_token", "invitation"])]
    pub(crate) oidc_issuer: Option<String>,

    /// The name under which the issuer and the certificate authority know this program
    #[arg(long, value_name = "ID", default_value = "sigstore", conflicts_with = "key")]
    pub(crate) oidc_client_id: String,

    /// Log in with a code that is typed on another device, as without a browser here
    #[arg(long, conflicts_with_all = ["key", "identity_token", "invitation"])]
    pub(crate) device: bool,
}

impl IdentityOptions {
    /// Whether the person said where the identity comes from.
    pub(crate) fn given(&self) -> bool {
        self.identity_token.is_some()
            || self.invitation.is_some()
            || self.oidc_issuer.is_some()
            || self.device
    }
}

/// Where a token will come from. Found before the work begins, and asked after it: a token lives for minutes.
pub(crate) struct Source {
    audience: String,
    place: Place,
}

enum Place {
    File(PathBuf),
    Invitation(PathBuf),
    Job(Job),
    Login { issuer: String, device: bool },
}

impl Source {
    /// Finds where a token is to be had; `issuer` is where to log in if it comes to that, unless the options name another.
    ///
    /// # Errors
    /// [`Error::Usage`] where there is nowhere, [`Error::Login`] in a CI job that may not have one.
    pub(crate) fn find(
        options: &IdentityOptions,
        issuer: Option<&str>,
        world: &World,
    ) -> Result<Self, Error> {
        let audience = options.oidc_client_id.clone();
        if let Some(path) = &options.identity_token {
            return Ok(Self { audience, place: Place::File(path.clone()) });
        }
        if let Some(path) = &options.invitation {
            return Ok(Self { audience, place: Place::Invitation(path.clone()) });
        }
        let asked = options.device || options.oidc_issuer.is_some();
        if let Some(job) = if asked { None } else { Job::find(world)? } {
            return Ok(Self { audience, place: Place::Job(job) });
        }
        let Some(issuer) = options.oidc_issuer.as_deref().or(issuer) else {
            let what = "who signs? give --key KEY, --identity-token FILE, --invitation FILE, or --oidc-issuer URL to log in at";
            return Err(Error::Usage(what.to_owned()));
        };
        Ok(Self { audience, place: Place::Login { issuer: issuer.to_owned(), device: options.device } })
    }

    /// Gets the token, and makes sure that it is of use at this moment.
    ///
    /// # Errors
    /// [`Error::IdentityToken`] for a token that cannot be used, [`Error::Login`] where there is none to be had.
    pub(crate) fn token(&self, world: &World) -> Result<IdentityToken, Error> {
        let (whence, token) = match &self.place {
            Place::File(path) => (path.display().to_string(), read_token(path)?),
            Place::Invitation(path) => (path.display().to_string(), invitation::redeem(path)?),
            Place::Job(job) => (job.name().to_owned(), job.token(&self.audience, world)?),
            Place::Login { issuer, device } => {
                (issuer.clone(), login::log_in(issuer, &self.audience, *device, world)?)
            }
        };
        let refused = |reason| Error::IdentityToken { whence: whence.clone(), reason };
        let token = IdentityToken::new(token).map_err(refused)?;
        token.claims().check(&self.audience, world.now()).map_err(refused)?;
        Ok(token)
    }
}

fn read_token(path: &Path) -> Result<Zeroizing<String>, Error> {
    let stream = if path == Path::new("-") { Path::new("/dev/stdin") } else { path };
    let text = Zeroizing::new(read_stream(stream, token::MAX_TOKEN)?);
    let refused =
        |_| Error::IdentityToken { whence: path.display().to_string(), reason: "not text".to_owned() };
    std::str::from_utf8(&text).map(|text| Zeroizing::new(text.trim().to_owned())).map_err(refused)
}

/// Makes a client for questions that are answered at once.
fn client() -> Result<Http, Error> {
    Http::new(PATIENCE).map_err(Error::Network)
}

/// Reads an answer that must be a success and a JSON object, from a body that the caller wipes.
fn object<'a>(url: &str, answer: &'a Answer) -> Result<Object<'a>, String> {
    if answer.status != 200 {
        return Err(format!("{url}: answered with {}", answer.status));
    }
    parse(&answer.body, LIMITS).and_then(|json| json.object()).map_err(|error| format!("{url}: {error}"))
}

const PATIENCE: Duration = Duration::from_secs(30);
/// Discovery documents of large issuers, and answers with a token.
const MAX_ANSWER: u64 = 128 * 1024;
const LIMITS: Limits = Limits { bytes: 128 * 1024, depth: 8, values: 4_096 };

//! Settings of the certificate authority, of the issuers that it believes, and of the time-stamping authority.

use sealwax_authority::{BuildClaims, Issuer as Believed, IssuerKind as About, Issuers};
use serde::Deserialize;

use crate::error::Error;

/// Certificates for identities. Who has an invitation of the operator's is always believed.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Authority {
    /// Whether they are issued, where the instance has an authority.
    pub enabled: bool,
    /// Whose tokens are believed.
    pub issuers: Vec<Issuer>,
}

/// An OpenID issuer.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Issuer {
    /// Exactly what its tokens name as `iss`.
    pub url: String,
    /// What of its tokens is the identity.
    #[serde(rename = "type")]
    pub kind: IssuerKind,
    /// What its tokens must name as `aud`.
    #[serde(default = "sigstore")]
    pub audience: String,
    /// What the URIs of the type `uri` begin with, up to a slash.
    pub prefix: Option<String>,
    /// What is added to the names of the type `username`.
    pub domain: Option<String>,
    /// Whether a token is exchanged for one certificate only.
    #[serde(default = "yes")]
    pub single_use: bool,
}

/// What of an issuer's tokens is the identity.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub enum IssuerKind {
    /// The e-mail address that the issuer has verified.
    Email,
    /// The workflow of GitHub Actions.
    Github,
    /// The pipeline of GitLab.
    Gitlab,
    /// The subject, which is a URI below `prefix`.
    Uri,
    /// The subject, a user's name at `domain`.
    Username,
}

/// Time stamps (RFC 3161).
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Timestamps {
    /// Whether they are made, where the instance has an authority.
    pub enabled: bool,
}

impl Authority {
    /// Describes the issuers.
    ///
    /// # Errors
    ///
    /// [`Error::Config`] for one that cannot be believed as it is described.
    pub(crate) fn issuers(&self) -> Result<Issuers, Error> {
        let wrong = |error: sealwax_authority::Error| Error::Config(format!("authority.issuers: {error}"));
        let described = self.issuers.iter().map(Issuer::believed).collect::<Result<_, _>>()?;
        Issuers::new(described).map_err(wrong)
    }
}

impl Issuer {
    fn believed(&self) -> Result<Believed, Error> {
        let wrong = |what: &dyn std::fmt::Display| Error::Config(format!("authority.issuers: {what}"));
        let needed = |key: &str, value: &Option<String>| {
            let what = format!("{}: this type needs {key}", self.url);
            value.clone().ok_or_else(|| wrong(&what))
        };
        let build = |claims: Result<BuildClaims, _>| claims.map(About::Build).map_err(|error| wrong(&error));
        let about = match self.kind {
            IssuerKind::Email => About::Email,
            IssuerKind::Github => build(BuildClaims::github("https://github.com"))?,
            IssuerKind::Gitlab => build(BuildClaims::gitlab(&self.url))?,
            IssuerKind::Uri => About::Uri { prefix: needed("prefix", &self.prefix)? },
            IssuerKind::Username => About::User { domain: needed("domain", &self.domain)? },
        };
        let believed = Believed::new(&self.url, &self.audience, about).map_err(|error| wrong(&error))?;
        Ok(if self.single_use { believed } else { believed.with_reusable_tokens() })
    }
}

impl Default for Authority {
    fn default() -> Self {
        Self { enabled: true, issuers: Vec::new() }
    }
}

impl Default for Timestamps {
    fn default() -> Self {
        Self { enabled: true }
    }
}

fn sigstore() -> String {
    "sigstore".to_owned()
}

fn yes() -> bool {
    true
}

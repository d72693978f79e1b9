//! Whose tokens are believed, and what of them is certified.
//!
//! | kind | name in the certificate | from |
//! | --- | --- | --- |
//! | e-mail | e-mail address | `email`, where `email_verified` is true |
//! | URI | URI | `sub`, which must begin as configured; SPIFFE too |
//! | user | user name | `sub`, `!` and the configured domain |
//! | build | URI | a template of claims; further claims become extensions |
//!
//! An issuer is its URL, byte for byte: `https://a.example` and `https://a.example/` are two.

use std::collections::BTreeMap;

use crate::error::{Error, Result};
use crate::identity::{Claim, Identity, IdentityName};
use crate::refusal::Refusal;
use crate::token::{Claims, IdentityToken};

/// One issuer whose tokens are believed.
#[derive(Clone, Debug)]
pub struct Issuer {
    url: String,
    audience: String,
    kind: IssuerKind,
    reusable: bool,
}

/// What an issuer's tokens are about.
#[derive(Clone, Debug)]
pub enum IssuerKind {
    /// People, by their e-mail address.
    Email,
    /// Programs, by a URI in `sub` that begins with this one, which ends with a slash: `spiffe://example.org/`.
    Uri {
        /// What every subject begins with.
        prefix: String,
    },
    /// People, by a user name in `sub`.
    User {
        /// The domain that is added to it after a `!`.
        domain: String,
    },
    /// Builds.
    Build(BuildClaims),
}

/// Which claims of a token say what of a build.
#[derive(Clone, Debug)]
pub struct BuildClaims {
    name: Template,
    claims: BTreeMap<Claim, Template>,
}

/// All issuers that are believed; no two of one URL.
#[derive(Clone, Debug, Default)]
pub struct Issuers {
    issuers: Vec<Issuer>,
}

impl Issuer {
    /// Describes an issuer whose tokens are taken once each.
    ///
    /// # Errors
    ///
    /// [`Error::UnfitIssuer`] unless the URL is `https://` with a host (or `http://` with a loopback host) and without user,
    /// query and fragment, the audience 1 to 256 bytes of visible ASCII, and the prefix of URIs a scheme, `://`, and an end
    /// in a slash after that.
    pub fn new(url: &str, audience: &str, kind: IssuerKind) -> Result<Self> {
        let unfit = |what| Err(Error::UnfitIssuer { url: url.to_owned(), what });
        if Place::of(url).is_none() {
            return unfit("its URL is not https, nor http on this machine");
        }
        let visible = |text: &str| text.bytes().all(|byte| byte.is_ascii_graphic());
        if !(1..=256).contains(&audience.len()) || !visible(audience) {
            return unfit("its audience");
        }
        match &kind {
            IssuerKind::Uri { prefix } => {
                let rest = prefix.split_once("://").map_or("", |(_, rest)| rest);
                if rest.len() < 2 || !rest.ends_with('/') || !visible(prefix) {
                    return unfit("what its URIs begin with");
                }
            }
            IssuerKind::User { domain } if domain.is_empty() || !visible(domain) => {
                return unfit("its domain");
            }
            IssuerKind::Email | IssuerKind::User { .. } | IssuerKind::Build(_) => {}
        }
        Ok(Self { url: url.to_owned(), audience: audience.to_owned(), kind, reusable: false })
    }

    /// Lets each token be used any number of times while it is valid, for issuers that give a job only one.
    pub fn with_reusable_tokens(mut self) -> Self {
        self.reusable = true;
        self
    }

    /// Gives the URL, exactly as tokens must name it.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Gives the audience that a token must be for.
    pub fn audience(&self) -> &str {
        &self.audience
    }

    /// Tells what its tokens are about.
    pub fn kind(&self) -> &IssuerKind {
        &self.kind
    }

    /// Tells whether a token of it may be used more than once.
    pub fn reusable(&self) -> bool {
        self.reusable
    }

    /// Gives the URL of its discovery document (OpenID Connect Discovery 1.0 section 4).
    pub fn discovery_url(&self) -> String {
        format!("{}/.well-known/openid-configuration", self.url.trim_end_matches('/'))
    }

    /// Reads who a token is about. Nothing here is believed before the token's signature is.
    pub(crate) fn identity(&self, claims: &Claims) -> std::result::Result<Identity, Refusal> {
        let subject = claims.text("sub")?;
        let (name, claim) = match &self.kind {
            IssuerKind::Email => {
                let email = claims.text("email")?;
                if !claims.is_true("email_verified") {
                    return Err(Refusal::EmailNotVerified);
                }
                (IdentityName::Email(email.to_owned()), "email")
            }
            IssuerKind::Uri { prefix } => {
                if !subject.starts_with(prefix) {
                    return Err(Refusal::Subject { wanted: prefix.clone() });
                }
                (IdentityName::Uri(subject.to_owned()), "sub")
            }
            IssuerKind::User { domain } => (IdentityName::User(format!("{subject}!{domain}")), "sub"),
            IssuerKind::Build(build) => (IdentityName::Uri(build.name.fill_all(claims)?), "sub"),
        };
        let unfit = |name: &str| Refusal::Claim { name: name.to_owned() };
        let mut identity = Identity::new(&self.url, name).map_err(|_| unfit(claim))?;
        identity = identity.with_claim(Claim::TOKEN_SUBJECT, subject).map_err(|_| unfit("sub"))?;
        if let IssuerKind::Build(build) = &self.kind {
            for (claim, template) in &build.claims {
                let Some(value) = template.fill(claims) else { continue };
                identity = identity.with_claim(*claim, &value).map_err(|_| unfit(&template.names()))?;
            }
        }
        Ok(identity)
    }
}

impl Issuers {
    /// Takes a list of issuers.
    ///
    /// # Errors
    ///
    /// [`Error::UnfitIssuer`] where two have one URL.
    pub fn new(issuers: Vec<Issuer>) -> Result<Self> {
        for (index, issuer) in issuers.iter().enumerate() {
            if issuers.iter().take(index).any(|earlier| earlier.url == issuer.url) {
                return Err(Error::UnfitIssuer { url: issuer.url.clone(), what: "it is listed twice" });
            }
        }
        Ok(Self { issuers })
    }

    /// Finds the issuer that a token names, compared byte for byte; nothing proves yet that the token is its.
    ///
    /// # Errors
    ///
    /// [`Refusal::UnknownIssuer`] where it is none of these.
    pub fn of(&self, token: &IdentityToken) -> std::result::Result<&Issuer, Refusal> {
        let found = self.issuers.iter().find(|issuer| issuer.url == token.issuer());
        found.ok_or_else(|| Refusal::UnknownIssuer { found: token.issuer().to_owned() })
    }

    /// Gives all of them, in the order in which they were listed.
    pub fn iter(&self) -> impl Iterator<Item = &Issuer> {
        self.issuers.iter()
    }
}

impl BuildClaims {
    /// Describes any build service: a template for the name, which must be a URI, and templates for claims.
    ///
    /// A template is text with claims of the token in braces, `https://ci.example/{project}/{pipeline}`. A claim of a build
    /// for which the token lacks something is left out; a token without what the name needs is refused.
    ///
    /// # Errors
    ///
    /// [`Error::UnfitTemplate`] for braces that do not match, or around anything but letters, digits and `_`.
    pub fn new<'a>(name: &str, claims: impl IntoIterator<Item = (Claim, &'a str)>) -> Result<Self> {
        let claims = claims.into_iter().map(|(claim, text)| Ok((claim, Template::parse(text)?)));
        Ok(Self { name: Template::parse(name)?, claims: claims.collect::<Result<_>>()? })
    }

    /// Describes GitHub Actions at `https://github.com`, or at an enterprise's own server.
    ///
    /// # Errors
    ///
    /// [`Error::UnfitTemplate`] for a server with braces in its name.
    pub fn github(server: &str) -> Result<Self> {
        let at = |rest: &str| format!("{server}/{rest}");
        let name = at("{job_workflow_ref}");
        let (repository, owner) = (at("{repository}"), at("{repository_owner}"));
        let (config, run) =
            (at("{workflow_ref}"), at("{repository}/actions/runs/{run_id}/attempts/{run_attempt}"));
        Self::new(
            &name,
            [
                (Claim::GITHUB_WORKFLOW_TRIGGER, "{event_name}"),
                (Claim::GITHUB_WORKFLOW_SHA, "{sha}"),
                (Claim::GITHUB_WORKFLOW_NAME, "{workflow}"),
                (Claim::GITHUB_WORKFLOW_REPOSITORY, "{repository}"),
                (Claim::GITHUB_WORKFLOW_REF, "{ref}"),
                (Claim::BUILD_SIGNER_URI, &name),
                (Claim::BUILD_SIGNER_DIGEST, "{job_workflow_sha}"),
                (Claim::RUNNER_ENVIRONMENT, "{runner_environment}"),
                (Claim::SOURCE_REPOSITORY_URI, &repository),
                (Claim::SOURCE_REPOSITORY_DIGEST, "{sha}"),
                (Claim::SOURCE_REPOSITORY_REF, "{ref}"),
                (Claim::SOURCE_REPOSITORY_IDENTIFIER, "{repository_id}"),
                (Claim::SOURCE_REPOSITORY_OWNER_URI, &owner),
                (Claim::SOURCE_REPOSITORY_OWNER_IDENTIFIER, "{repository_owner_id}"),
                (Claim::BUILD_CONFIG_URI, &config),
                (Claim::BUILD_CONFIG_DIGEST, "{workflow_sha}"),
                (Claim::BUILD_TRIGGER, "{event_name}"),
                (Claim::RUN_INVOCATION_URI, &run),
                (Claim::SOURCE_REPOSITORY_VISIBILITY, "{repository_visibility}"),
                (Claim::DEPLOYMENT_ENVIRONMENT, "{environment}"),
            ],
        )
    }

    /// Describes GitLab's pipelines at `https://gitlab.com`, or at a server of one's own.
    ///
    /// # Errors
    ///
    /// [`Error::UnfitTemplate`] for a server with braces in its name.
    pub fn gitlab(server: &str) -> Result<Self> {
        let at = |rest: &str| format!("{server}/{rest}");
        // The claim begins with the server's host.
        let name = "https://{ci_config_ref_uri}";
        let (project, owner) = (at("{project_path}"), at("{namespace_path}"));
        let run = at("{project_path}/-/jobs/{job_id}");
        Self::new(
            name,
            [
                (Claim::BUILD_SIGNER_URI, name),
                (Claim::BUILD_SIGNER_DIGEST, "{ci_config_sha}"),
                (Claim::RUNNER_ENVIRONMENT, "{runner_environment}"),
                (Claim::SOURCE_REPOSITORY_URI, &project),
                (Claim::SOURCE_REPOSITORY_DIGEST, "{sha}"),
                (Claim::SOURCE_REPOSITORY_REF, "{ref_path}"),
                (Claim::SOURCE_REPOSITORY_IDENTIFIER, "{project_id}"),
                (Claim::SOURCE_REPOSITORY_OWNER_URI, &owner),
                (Claim::SOURCE_REPOSITORY_OWNER_IDENTIFIER, "{namespace_id}"),
                (Claim::BUILD_CONFIG_URI, name),
                (Claim::BUILD_CONFIG_DIGEST, "{ci_config_sha}"),
                (Claim::BUILD_TRIGGER, "{pipeline_source}"),
                (Claim::RUN_INVOCATION_URI, &run),
                (Claim::SOURCE_REPOSITORY_VISIBILITY, "{project_visibility}"),
                (Claim::DEPLOYMENT_ENVIRONMENT, "{environment}"),
            ],
        )
    }
}

/// Text with the values of claims in it.
#[derive(Clone, Debug)]
struct Template(Vec<Part>);

#[derive(Clone, Debug)]
enum Part {
    Text(String),
    Claim(String),
}

impl Template {
    fn parse(text: &str) -> Result<Self> {
        let unfit = || Error::UnfitTemplate { template: text.to_owned() };
        let mut parts = Vec::new();
        let mut rest = text;
        while let Some((before, after)) = rest.split_once('{') {
            let (claim, after) = after.split_once('}').ok_or_else(unfit)?;
            let plain = |one: char| one.is_ascii_alphanumeric() || one == '_';
            if claim.is_empty() || !claim.chars().all(plain) || before.contains('}') {
                return Err(unfit());
            }
            parts.extend([Part::Text(before.to_owned()), Part::Claim(claim.to_owned())]);
            rest = after;
        }
        if rest.contains('}') {
            return Err(unfit());
        }
        parts.push(Part::Text(rest.to_owned()));
        Ok(Self(parts))
    }

    /// Fills in the claims; `None` where the token lacks one.
    fn fill(&self, claims: &Claims) -> Option<String> {
        self.fill_all(claims).ok()
    }

    fn fill_all(&self, claims: &Claims) -> std::result::Result<String, Refusal> {
        let values = self.0.iter().map(|part| match part {
            Part::Text(text) => Ok(text.as_str()),
            Part::Claim(name) => claims.text(name),
        });
        values.collect()
    }

    fn names(&self) -> String {
        let names = self.0.iter().filter_map(|part| match part {
            Part::Claim(name) => Some(name.as_str()),
            Part::Text(_) => None,
        });
        names.collect::<Vec<_>>().join(" ")
    }
}

/// Where a URL leads, as far as that decides whether it may be asked.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Place {
    /// To whoever has the certificate of its host.
    Https,
    /// To this machine, unprotected.
    Loopback,
}

impl Place {
    /// Reads a URL; `None` for every other, and for one with a user, a query or a fragment.
    pub(crate) fn of(url: &str) -> Option<Self> {
        let (https, rest) = match (url.strip_prefix("https://"), url.strip_prefix("http://")) {
            (Some(rest), _) => (true, rest),
            (None, Some(rest)) => (false, rest),
            (None, None) => return None,
        };
        let visible = |byte: u8| byte.is_ascii_graphic() && !b"@?#\\\"<>^`{|}".contains(&byte);
        let authority = rest.split('/').next().unwrap_or_default();
        if url.len() > 2_048 || authority.is_empty() || !rest.bytes().all(visible) {
            return None;
        }
        let port = |text: &str| text.parse::<u16>().is_ok_and(|port| port > 0) && !text.starts_with('+');
        let (host, port_fits) = match authority.rsplit_once(':') {
            Some((host, text)) if !authority.ends_with(']') => (host, port(text)),
            _ => (authority, true),
        };
        match (https, port_fits && !host.is_empty()) {
            (true, true) => Some(Self::Https),
            (false, true) if ["localhost", "127.0.0.1", "[::1]"].contains(&host) => Some(Self::Loopback),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests;

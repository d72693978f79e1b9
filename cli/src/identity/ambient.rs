//! Identity tokens that a CI job is offered.
//!
//! | where | how |
//! | --- | --- |
//! | GitLab, and everywhere else | the token in `SIGSTORE_ID_TOKEN` |
//! | GitHub Actions | asked for at `ACTIONS_ID_TOKEN_REQUEST_URL`, with the secret in `ACTIONS_ID_TOKEN_REQUEST_TOKEN` |
//! | Buildkite, CircleCI | their own program prints it |
//!
//! Source: the documentation of these services, and what Sigstore's clients do.

use serde_json::json;
use zeroize::Zeroizing;

use crate::error::Error;
use crate::http;
use crate::world::World;

use super::{MAX_ANSWER, client, object};

/// A CI job that has an identity.
pub(super) enum Job {
    /// The token itself.
    Token(Zeroizing<String>),
    /// GitHub Actions: where to ask, and with which secret.
    GitHub(Zeroizing<String>, Zeroizing<String>),
    /// A program that prints the token.
    Program(&'static str),
}

impl Job {
    /// Finds the job that this is; `None` outside of one.
    ///
    /// # Errors
    /// [`Error::Login`] in a job that has no identity, where nobody is there to log in: it lacks a permission.
    pub(super) fn find(world: &World) -> Result<Option<Self>, Error> {
        let variable = |name: &str| world.variable(name).ok().map(Zeroizing::new);
        let is_true = |name: &str| variable(name).is_some_and(|value| *value == "true");
        if let Some(token) = variable(TOKEN) {
            return Ok(Some(Self::Token(token)));
        }
        if let (Some(url), Some(secret)) = (variable(GITHUB_URL), variable(GITHUB_SECRET)) {
            return Ok(Some(Self::GitHub(url, secret)));
        }
        for (name, program) in [("BUILDKITE", BUILDKITE), ("CIRCLECI", CIRCLECI)] {
            if is_true(name) {
                return Ok(Some(Self::Program(program)));
            }
        }
        match JOBS.iter().find(|(name, _)| is_true(name)) {
            Some((name, reason)) => {
                Err(Error::Login { issuer: (*name).to_owned(), reason: (*reason).to_owned() })
            }
            None => Ok(None),
        }
    }

    /// Says where the token comes from.
    pub(super) fn name(&self) -> &'static str {
        match self {
            Self::Token(_) => TOKEN,
            Self::GitHub(..) => GITHUB_URL,
            Self::Program(program) => program,
        }
    }

    /// Gets the token.
    ///
    /// # Errors
    /// [`Error::Login`].
    pub(super) fn token(&self, audience: &str, world: &World) -> Result<Zeroizing<String>, Error> {
        let claims = json!({"aud": audience}).to_string();
        let token = match self {
            Self::Token(token) => Ok(token.clone()),
            Self::GitHub(url, secret) => ask_github(url, secret, audience),
            Self::Program(program) => {
                let arguments: &[&str] = match *program {
                    BUILDKITE => &["oidc", "request-token", "--audience", audience],
                    _ => &["run", "oidc", "get", "--root-issuer", "--claims", &claims],
                };
                let printed = world.output_of(program, arguments, super::token::MAX_TOKEN);
                printed.map(|token| Zeroizing::new(token.trim().to_owned()))
            }
        };
        token.map_err(|reason| Error::Login { issuer: self.name().to_owned(), reason })
    }
}

/// Asks the runner; the secret goes nowhere but there.
fn ask_github(url: &str, secret: &str, audience: &str) -> Result<Zeroizing<String>, String> {
    if !http::is_private(url) {
        return Err(format!("{GITHUB_URL} is neither https nor on this machine"));
    }
    let url = http::with_query(url, &[("audience", audience)])?;
    let http = client().map_err(|error| error.to_string())?;
    let mut answer = http.ask(&url, None, Some(secret), MAX_ANSWER)?;
    let token = object(GITHUB_URL, &answer).and_then(|mut object| {
        let value =
            object.take("value", |value| value.string().map(|text| Zeroizing::new(text.into_owned())));
        value.map_err(|error| format!("{GITHUB_URL}: {error}"))
    });
    drop(Zeroizing::new(std::mem::take(&mut answer.body)));
    token
}

const BUILDKITE: &str = "buildkite-agent";
const CIRCLECI: &str = "circleci";
const TOKEN: &str = "SIGSTORE_ID_TOKEN";
const GITHUB_URL: &str = "ACTIONS_ID_TOKEN_REQUEST_URL";
const GITHUB_SECRET: &str = "ACTIONS_ID_TOKEN_REQUEST_TOKEN";

/// Jobs in which nobody can log in, and what to do there.
const JOBS: [(&str, &str); 3] = [
    ("GITHUB_ACTIONS", "the job may not ask for an identity token: give it `permissions: id-token: write`"),
    ("GITLAB_CI", "the job has no identity token: give it `id_tokens: SIGSTORE_ID_TOKEN: aud: sigstore`"),
    ("CI", "nobody can log in here: set SIGSTORE_ID_TOKEN or give --identity-token FILE"),
];

//! Who an identity certificate says that its holder is, and whom the caller allows.
//!
//! An identity is three things at once: the issuer that vouched for it, the kind of name, and the name's exact bytes. None is
//! normalised, no case folded, no port or slash dropped: two names that look alike are two names (attacks I03, I05, I06).
//! Sources: Fulcio's certificate specification, its object identifiers below 1.3.6.1.4.1.57264.1, RFC 5280 section 4.2.1.6.

use std::fmt;

use regex::{Regex, RegexBuilder};

use sealwax_keys::{Certificate, SubjectName};

use crate::certificate::IdentityChain;
use crate::{PolicyError, Rejection};

/// An identity that a certificate of a trusted authority states; made only by this module.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    issuer: String,
    name: SubjectName,
    claims: Vec<(Claim, String)>,
    _made_here: (),
}

impl Identity {
    /// Who vouches for it, a URL.
    pub fn issuer(&self) -> &str {
        &self.issuer
    }

    /// The name with its kind.
    pub fn name(&self) -> &SubjectName {
        &self.name
    }

    /// The name's text.
    pub fn text(&self) -> &str {
        text(&self.name).unwrap_or_default()
    }

    /// The kind of the name in words: `e-mail`, `URI` or `user name`.
    pub fn kind(&self) -> &'static str {
        kind(&self.name)
    }

    /// What else the certificate says about where and how it was asked for, in the table's order.
    pub fn claims(&self) -> impl Iterator<Item = (Claim, &str)> {
        self.claims.iter().map(|(claim, value)| (*claim, value.as_str()))
    }

    /// One claim.
    pub fn claim(&self, claim: Claim) -> Option<&str> {
        self.claims().find(|(known, _)| *known == claim).map(|(_, value)| value)
    }
}

/// For messages: kind, name and issuer, everything that is not printable ASCII escaped.
impl fmt::Display for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (name, issuer) = (self.text().escape_default(), self.issuer.escape_default());
        write!(f, "{} \"{name}\", vouched for by \"{issuer}\"", self.kind())
    }
}

/// Whom the caller allows.
#[derive(Clone, Debug)]
pub struct IdentityRule {
    /// The issuer, exactly.
    pub issuer: String,
    /// The name.
    pub name: NameRule,
    /// Claims that must be there with exactly these values.
    pub claims: Vec<(Claim, String)>,
}

/// Which names an [`IdentityRule`] allows.
#[derive(Clone, Debug)]
pub enum NameRule {
    /// This one, of this kind.
    Exactly(SubjectName),
    /// Every one that a pattern matches as a whole, of whatever kind.
    Pattern(NamePattern),
}

impl NameRule {
    /// Reads a name as a person writes it: with `://` it is a URI, else with `@` an e-mail address, else a user name.
    ///
    /// # Errors
    /// [`PolicyError::Identity`] where it is empty.
    pub fn exactly(name: &str) -> Result<Self, PolicyError> {
        let owned = name.to_owned();
        match name {
            "" => Err(PolicyError::Identity("an identity is empty".to_owned())),
            uri if uri.contains("://") => Ok(Self::Exactly(SubjectName::Uri(owned))),
            email if email.contains('@') => Ok(Self::Exactly(SubjectName::Email(owned))),
            _ => Ok(Self::Exactly(SubjectName::Username(owned))),
        }
    }

    fn allows(&self, name: &SubjectName) -> bool {
        match self {
            Self::Exactly(expected) => expected == name,
            Self::Pattern(NamePattern(pattern)) => text(name).is_some_and(|text| pattern.is_match(text)),
        }
    }
}

/// A regular expression that must match a whole name: it is anchored at both ends whatever it says (attack I01).
#[derive(Clone, Debug)]
pub struct NamePattern(Regex);

impl NamePattern {
    /// Reads a regular expression in the syntax of the `regex` crate, which needs time in proportion to the name.
    ///
    /// # Errors
    /// [`PolicyError::Identity`] for an empty one, one that cannot be read or that needs more than 1 MiB.
    pub fn new(pattern: &str) -> Result<Self, PolicyError> {
        let refused = |why: String| PolicyError::Identity(format!("identity pattern {pattern:?}: {why}"));
        if pattern.is_empty() {
            return Err(refused("it is empty".to_owned()));
        }
        // Alone first: `a)|(b` must not become one expression by what is put around it.
        Regex::new(pattern).map_err(|error| refused(error.to_string()))?;
        RegexBuilder::new(&format!(r"\A(?:{pattern})\z"))
            .size_limit(1 << 20)
            .build()
            .map(Self)
            .map_err(|error| refused(error.to_string()))
    }
}

/// What a certificate of a Sigstore authority may say beside the identity, mostly about the build that asked for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Claim(&'static (u8, &'static str));

impl Claim {
    /// Finds a claim by its name.
    pub fn from_name(name: &str) -> Option<Self> {
        CLAIMS.iter().find(|(_, known)| *known == name).map(Self)
    }

    /// Gives the claim's name, as `--claim` takes it.
    pub fn name(self) -> &'static str {
        self.0.1
    }

    /// Gives all names, in the order of their numbers.
    pub fn names() -> impl Iterator<Item = &'static str> {
        CLAIMS.iter().map(|(_, name)| *name)
    }
}

/// The one table of claims: the number below Fulcio's arc, and our name.
static CLAIMS: [(u8, &str); 16] = [
    (9, "build-signer-uri"),
    (10, "build-signer-digest"),
    (11, "runner-environment"),
    (12, "source-repository"),
    (13, "source-repository-digest"),
    (14, "source-repository-ref"),
    (15, "source-repository-id"),
    (16, "source-repository-owner"),
    (17, "source-repository-owner-id"),
    (18, "build-config-uri"),
    (19, "build-config-digest"),
    (20, "build-trigger"),
    (21, "run-invocation-uri"),
    (22, "source-repository-visibility"),
    (23, "deployment-environment"),
    (24, "token-subject"),
];

/// Reads the identity in the leaf of a valid chain.
pub(crate) fn read(chain: &IdentityChain) -> Result<Identity, Rejection> {
    let leaf = chain.leaf();
    let names = leaf.subject_alternative_names();
    let Ok([name]) = <[SubjectName; 1]>::try_from(names) else {
        let count = leaf.subject_alternative_names().len();
        return Err(Rejection::SubjectNames(count));
    };
    if text(&name).is_none_or(str::is_empty) {
        return Err(Rejection::SubjectKind(kind(&name)));
    }
    let mut claims = Vec::new();
    for claim in CLAIMS.iter().map(Claim) {
        let oid = format!("{FULCIO}.{}", claim.0.0);
        let value =
            leaf.text_extension(&oid).map_err(|_| Rejection::IssuerExtension("a claim is not a text"))?;
        claims.extend(value.map(|value| (claim, value)));
    }
    Ok(Identity { issuer: issuer(leaf)?, name, claims, _made_here: () })
}

/// Reads who vouched: extension 8, a text, or extension 1, bare bytes, and where both stand they must agree (attack I09).
fn issuer(leaf: &Certificate) -> Result<String, Rejection> {
    let refuse = |what| Rejection::IssuerExtension(what);
    let new = leaf
        .text_extension(&format!("{FULCIO}.8"))
        .map_err(|_| refuse("the issuer in extension 8 is not a text"))?;
    let old = leaf.extension(&format!("{FULCIO}.1")).map(|found| String::from_utf8(found.value.to_vec()));
    let old = old.transpose().map_err(|_| refuse("the issuer in extension 1 is not a text"))?;
    match (new, old) {
        (Some(new), Some(old)) if new != old => Err(refuse("extensions 1 and 8 name two issuers")),
        (Some(issuer), _) | (None, Some(issuer)) if !issuer.is_empty() => Ok(issuer),
        _ => Err(refuse("no issuer is named")),
    }
}

/// Whether one of the rules allows the identity; else how near the nearest came.
pub(crate) fn allow(identity: &Identity, rules: &[IdentityRule]) -> Result<(), Rejection> {
    let found = || Box::new(identity.clone());
    let mut nearest = Rejection::IssuerNotAllowed { found: found() };
    for rule in rules.iter().filter(|rule| rule.issuer == identity.issuer) {
        if !rule.name.allows(&identity.name) {
            if matches!(nearest, Rejection::IssuerNotAllowed { .. }) {
                nearest = Rejection::IdentityNotAllowed { found: found() };
            }
            continue;
        }
        let differs = |(claim, value): &&(Claim, String)| identity.claim(*claim) != Some(value);
        match rule.claims.iter().find(differs) {
            None => return Ok(()),
            Some((claim, _)) => {
                let value = identity.claim(*claim).map(str::to_owned);
                nearest = Rejection::ClaimNotAllowed { found: found(), claim: *claim, value };
            }
        }
    }
    Err(nearest)
}

/// The text of a name of a kind that an identity can have.
fn text(name: &SubjectName) -> Option<&str> {
    match name {
        SubjectName::Email(text) | SubjectName::Uri(text) | SubjectName::Username(text) => Some(text),
        _ => None,
    }
}

fn kind(name: &SubjectName) -> &'static str {
    match name {
        SubjectName::Email(_) => "e-mail",
        SubjectName::Uri(_) => "URI",
        SubjectName::Username(_) => "user name",
        SubjectName::Dns(_) => "DNS name",
        _ => "another kind of name",
    }
}

/// The arc of Fulcio's extensions.
const FULCIO: &str = "1.3.6.1.4.1.57264.1";

#[cfg(test)]
mod tests;

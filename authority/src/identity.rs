//! Who is certified: an issuer, a name of one kind, and what the issuer says about a build.
//!
//! The name becomes the certificate's one subject alternative name, the rest its extensions below `1.3.6.1.4.1.57264.1`,
//! which Fulcio's certificate specification defines:
//!
//! ```text
//! .1 issuer, raw bytes    .8 issuer, UTF8String    .2 to .6 deprecated, raw bytes    .9 to .24 UTF8String
//! ```

use std::collections::BTreeMap;

use der::Encode;
use der::asn1::{Any, Ia5String, ObjectIdentifier, Utf8StringRef};
use x509_cert::ext::Extension;
use x509_cert::ext::pkix::SubjectAltName;
use x509_cert::ext::pkix::name::{GeneralName, OtherName};

use crate::certificate::extension;
use crate::error::{Error, Result};

/// Somebody or something that an issuer vouches for, in the form in which it can be certified.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Identity {
    issuer: String,
    name: IdentityName,
    claims: BTreeMap<Claim, String>,
}

/// A name of one kind; the kind is part of the identity.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum IdentityName {
    /// An e-mail address: visible ASCII with exactly one `@`, 3 to 254 bytes.
    Email(String),
    /// A URI: visible ASCII that starts with a scheme and a colon, at most 2,048 bytes.
    Uri(String),
    /// A name with its domain, such as `alice!example.com`, visible ASCII with exactly one `!` and without `@`, 3 to 254
    /// bytes: Fulcio's otherName `1.3.6.1.4.1.57264.1.7`.
    User(String),
}

/// One of the facts about a build that a certificate can state, by the number of its extension.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub struct Claim(u8);

impl Claim {
    /// What started a GitHub workflow; deprecated.
    pub const GITHUB_WORKFLOW_TRIGGER: Self = Self(2);
    /// The commit of a GitHub workflow; deprecated.
    pub const GITHUB_WORKFLOW_SHA: Self = Self(3);
    /// The name of a GitHub workflow; deprecated.
    pub const GITHUB_WORKFLOW_NAME: Self = Self(4);
    /// The repository of a GitHub workflow; deprecated.
    pub const GITHUB_WORKFLOW_REPOSITORY: Self = Self(5);
    /// The ref of a GitHub workflow; deprecated.
    pub const GITHUB_WORKFLOW_REF: Self = Self(6);
    /// The instructions that the build was made by.
    pub const BUILD_SIGNER_URI: Self = Self(9);
    /// The commit of those instructions.
    pub const BUILD_SIGNER_DIGEST: Self = Self(10);
    /// Whose machine the build ran on.
    pub const RUNNER_ENVIRONMENT: Self = Self(11);
    /// The source repository.
    pub const SOURCE_REPOSITORY_URI: Self = Self(12);
    /// The commit of the source.
    pub const SOURCE_REPOSITORY_DIGEST: Self = Self(13);
    /// The ref of the source.
    pub const SOURCE_REPOSITORY_REF: Self = Self(14);
    /// The source repository's unchanging identifier.
    pub const SOURCE_REPOSITORY_IDENTIFIER: Self = Self(15);
    /// The owner of the source repository.
    pub const SOURCE_REPOSITORY_OWNER_URI: Self = Self(16);
    /// The owner's unchanging identifier.
    pub const SOURCE_REPOSITORY_OWNER_IDENTIFIER: Self = Self(17);
    /// The top instructions of the build.
    pub const BUILD_CONFIG_URI: Self = Self(18);
    /// The commit of the top instructions.
    pub const BUILD_CONFIG_DIGEST: Self = Self(19);
    /// What started the build.
    pub const BUILD_TRIGGER: Self = Self(20);
    /// The run.
    pub const RUN_INVOCATION_URI: Self = Self(21);
    /// Whether the source was public at that time.
    pub const SOURCE_REPOSITORY_VISIBILITY: Self = Self(22);
    /// Where the build was deployed to.
    pub const DEPLOYMENT_ENVIRONMENT: Self = Self(23);
    /// The subject of the issuer's token, as it came.
    pub const TOKEN_SUBJECT: Self = Self(24);

    /// Gives the extension's last arc, below `1.3.6.1.4.1.57264.1`.
    pub fn number(self) -> u8 {
        self.0
    }
}

impl Identity {
    /// Makes an identity without claims.
    ///
    /// # Errors
    ///
    /// [`Error::UnfitName`] where the name has not the form of its kind, or the issuer is not 1 to 2,048 bytes of visible
    /// ASCII.
    pub fn new(issuer: &str, name: IdentityName) -> Result<Self> {
        if !is_visible(issuer, 1..=MAX_URI) {
            return Err(Error::UnfitName { what: "this issuer" });
        }
        let fits = match &name {
            IdentityName::Email(address) => is_between(address, '@'),
            IdentityName::User(user) => is_between(user, '!') && !user.contains('@'),
            IdentityName::Uri(uri) => is_visible(uri, 1..=MAX_URI) && has_scheme(uri),
        };
        if !fits {
            return Err(Error::UnfitName { what: "this name of an identity" });
        }
        Ok(Self { issuer: issuer.to_owned(), name, claims: BTreeMap::new() })
    }

    /// Adds a claim, in place of an earlier one of the same number.
    ///
    /// # Errors
    ///
    /// [`Error::UnfitName`] for a value that is empty, longer than 2,048 bytes or holds control characters.
    pub fn with_claim(mut self, claim: Claim, value: &str) -> Result<Self> {
        if !(1..=MAX_URI).contains(&value.len()) || value.chars().any(char::is_control) {
            return Err(Error::UnfitName { what: "this claim" });
        }
        self.claims.insert(claim, value.to_owned());
        Ok(self)
    }

    /// Gives the issuer, exactly as it is certified.
    pub fn issuer(&self) -> &str {
        &self.issuer
    }

    /// Gives the name.
    pub fn name(&self) -> &IdentityName {
        &self.name
    }

    /// Gives a claim, `None` where nothing is claimed.
    pub fn claim(&self, claim: Claim) -> Option<&str> {
        self.claims.get(&claim).map(String::as_str)
    }

    /// Writes the extensions of a certificate that say all this. The name is critical, for there is no other subject.
    pub(crate) fn extensions(&self) -> Result<Vec<Extension>> {
        let mut extensions = vec![
            extension(SUBJECT_ALTERNATIVE_NAME, true, self.alternative_name().map_err(|_| ENCODE)?)?,
            extension(fulcio(1)?, false, self.issuer.clone().into_bytes())?,
            extension(fulcio(8)?, false, utf8(&self.issuer)?)?,
        ];
        for (claim, value) in &self.claims {
            let raw = *claim <= Claim::GITHUB_WORKFLOW_REF;
            let value = if raw { value.clone().into_bytes() } else { utf8(value)? };
            extensions.push(extension(fulcio(claim.number())?, false, value)?);
        }
        Ok(extensions)
    }

    fn alternative_name(&self) -> der::Result<Vec<u8>> {
        let name = match &self.name {
            IdentityName::Email(address) => GeneralName::Rfc822Name(Ia5String::new(address)?),
            IdentityName::Uri(uri) => GeneralName::UniformResourceIdentifier(Ia5String::new(uri)?),
            IdentityName::User(user) => GeneralName::OtherName(OtherName {
                type_id: USER_NAME,
                value: Any::encode_from(&Utf8StringRef::new(user)?)?,
            }),
        };
        SubjectAltName(vec![name]).to_der()
    }
}

/// Gives the object identifier of one of Fulcio's extensions.
fn fulcio(number: u8) -> Result<ObjectIdentifier> {
    FULCIO.push_arc(number.into()).map_err(|_| ENCODE)
}

fn utf8(text: &str) -> Result<Vec<u8>> {
    Utf8StringRef::new(text).and_then(|text| text.to_der()).map_err(|_| ENCODE)
}

fn is_visible(text: &str, length: std::ops::RangeInclusive<usize>) -> bool {
    length.contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic())
}

/// Tells whether a text is two non-empty halves with exactly one separator between them.
fn is_between(text: &str, separator: char) -> bool {
    let halves = text.split_once(separator);
    is_visible(text, 3..=MAX_NAME)
        && halves.is_some_and(|(name, domain)| {
            !name.is_empty() && !domain.is_empty() && !domain.contains(separator)
        })
}

/// Tells whether a text starts with a URI's scheme (RFC 3986 section 3.1) and goes on after it.
fn has_scheme(uri: &str) -> bool {
    uri.split_once(':').is_some_and(|(scheme, rest)| {
        scheme.starts_with(|first: char| first.is_ascii_alphabetic())
            && scheme.chars().all(|one| one.is_ascii_alphanumeric() || "+-.".contains(one))
            && !rest.is_empty()
    })
}

/// Longest URI and longest claim, in bytes.
const MAX_URI: usize = 2_048;
/// Longest e-mail address, RFC 5321 section 4.5.3.1.3 without its angle brackets, and longest user name.
const MAX_NAME: usize = 254;
const ENCODE: Error = Error::Encode { what: "identity" };
const SUBJECT_ALTERNATIVE_NAME: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.17");
/// Below which Fulcio's extensions stand.
const FULCIO: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.4.1.57264.1");
/// The otherName of a user name.
const USER_NAME: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.4.1.57264.1.7");

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(name: IdentityName) {
        let text = format!("{name:?}");
        assert!(matches!(Identity::new("https://a.example", name), Err(Error::UnfitName { .. })), "{text}");
    }

    #[test]
    fn i03_refuses_names_that_a_reader_could_take_for_another() {
        for address in [
            "",
            "@",
            "a@",
            "@b",
            "a",
            "a@b@c",
            "a@b\n",
            "a@b\0",
            " a@b",
            "a@b ",
            "a@ b",
            "ä@b",
            "a@bü",
            "a\u{202e}@b",
        ] {
            refused(IdentityName::Email(address.into()));
        }
        refused(IdentityName::Email(format!("{}@b", "a".repeat(253))));
        for uri in
            ["", "https:", "//host", "1https://a", ":a", "https://a b", "https://a\n", "https://ä", "a"]
        {
            refused(IdentityName::Uri(uri.into()));
        }
        refused(IdentityName::Uri(format!("https://{}", "a".repeat(2_041))));
        for user in
            ["", "alice", "alice!", "!example.com", "a!b!c", "alice@example.com", "a@b!c", "a!b\n", "ä!b"]
        {
            refused(IdentityName::User(user.into()));
        }
    }

    #[test]
    fn takes_names_up_to_their_limits() {
        for name in [
            IdentityName::Email(format!("{}@b", "a".repeat(252))),
            IdentityName::Uri(format!("https://{}", "a".repeat(2_040))),
            IdentityName::Uri("urn:x".into()),
            IdentityName::Uri("spiffe://example.org/ci".into()),
            IdentityName::User("alice!example.com".into()),
        ] {
            Identity::new("https://a.example", name).unwrap();
        }
    }

    #[test]
    fn refuses_issuers_and_claims_that_cannot_be_printed() {
        let name = || IdentityName::Email("a@b".into());
        for issuer in ["", "https://a\n", "https://ä", &"a".repeat(2_049)] {
            assert!(Identity::new(issuer, name()).is_err(), "{issuer:?}");
        }
        for value in ["", "a\u{1b}[2J", "a\0", &"a".repeat(2_049)] {
            let identity = Identity::new("https://a.example", name()).unwrap();
            assert!(identity.with_claim(Claim::BUILD_TRIGGER, value).is_err(), "{value:?}");
        }
    }
}

use serde_json::json;

use super::*;
use crate::test_keys::now;
use crate::test_tokens::{Key, URL};
use crate::token::VerifiedToken;

fn email(url: &str) -> Result<Issuer> {
    Issuer::new(url, "sigstore", IssuerKind::Email)
}

/// What an issuer of this kind makes of a token with these claims.
fn verify(kind: IssuerKind, claims: serde_json::Value) -> std::result::Result<VerifiedToken, Refusal> {
    let key = Key::new("ES256");
    let issuer = Issuer::new(URL, "sigstore", kind).unwrap();
    IdentityToken::parse(&key.mint(claims))?.verify(&issuer, &key.jwks(), now())
}

#[test]
fn h01_an_issuer_is_one_that_can_be_asked_safely() {
    for url in [
        "https://accounts.example",
        "https://accounts.example/",
        "https://accounts.example:8443/realms/team",
        "https://[2001:db8::1]/",
        "https://[2001:db8::1]:8443",
        "http://localhost:8080",
        "http://127.0.0.1:8080/dex",
        "http://[::1]:8080",
        "http://[::1]",
    ] {
        email(url).unwrap();
    }
    for url in [
        "",
        "accounts.example",
        "http://accounts.example",
        "http://localhost.example",
        "http://127.0.0.1.example",
        "http://127.0.0.1@evil.example",
        "http://127.0.0.2",
        "https://user@accounts.example",
        "https://user:x@accounts.example",
        "https://accounts.example?a",
        "https://accounts.example#a",
        "https://accounts.example/a b",
        "https://accounts.example\\evil",
        "https://accounts.example/\n",
        "https://äccounts.example",
        "https://",
        "https:///a",
        "https://:443",
        "https://a:",
        "https://a:0",
        "https://a:65536",
        "https://a:+443",
        "HTTPS://a.example",
        "file:///etc",
    ] {
        assert!(matches!(email(url), Err(Error::UnfitIssuer { .. })), "{url}");
    }
    let long = format!("https://{}", "a".repeat(2_041));
    assert!(email(&long).is_err() && email(&long[..2_048]).is_ok());
}

#[test]
fn refuses_issuers_that_are_described_badly() {
    for audience in ["", "sig store", "a\n", "ä", &"a".repeat(257)] {
        assert!(Issuer::new(URL, audience, IssuerKind::Email).is_err(), "{audience:?}");
    }
    for prefix in
        ["", "spiffe://", "spiffe:///", "spiffe://example.org", "example.org/", "a b://c/", "https://a/b"]
    {
        let kind = IssuerKind::Uri { prefix: prefix.to_owned() };
        assert!(Issuer::new(URL, "sigstore", kind).is_err(), "{prefix}");
    }
    for domain in ["", "a b", "ä"] {
        let kind = IssuerKind::User { domain: domain.to_owned() };
        assert!(Issuer::new(URL, "sigstore", kind).is_err(), "{domain}");
    }
    let twice =
        Issuers::new(vec![email(URL).unwrap(), email("https://b.example").unwrap(), email(URL).unwrap()]);
    assert!(matches!(twice, Err(Error::UnfitIssuer { what: "it is listed twice", .. })));
}

#[test]
fn finds_an_issuer_by_its_exact_url() {
    let issuers =
        Issuers::new(vec![email(URL).unwrap(), email("https://accounts.example/").unwrap()]).unwrap();
    let key = Key::new("ES256");
    let of = |url: &str| {
        let token = IdentityToken::parse(&key.mint(json!({"iss": url}))).unwrap();
        issuers.of(&token).map(|issuer| issuer.url().to_owned())
    };
    assert_eq!(of(URL).as_deref(), Ok(URL));
    assert_eq!(of("https://accounts.example/").as_deref(), Ok("https://accounts.example/"));
    let other = "https://accounts.example//";
    assert_eq!(of(other), Err(Refusal::UnknownIssuer { found: other.to_owned() }));
    assert_eq!(issuers.iter().count(), 2);
    for url in ["https://a.example", "https://a.example/"] {
        let place = "https://a.example/.well-known/openid-configuration";
        assert_eq!(email(url).unwrap().discovery_url(), place);
    }
}

#[test]
fn i07_a_subject_that_is_a_uri_lies_below_the_issuers_own() {
    let kind = || IssuerKind::Uri { prefix: "spiffe://example.org/".to_owned() };
    let subject = |text: &str| verify(kind(), json!({"sub": text}));
    let token = subject("spiffe://example.org/ci/build").unwrap();
    assert_eq!(token.identity().name(), &IdentityName::Uri("spiffe://example.org/ci/build".into()));
    for other in [
        "spiffe://example.org.evil/ci",
        "spiffe://example.org",
        "https://example.org/",
        "x",
        "Spiffe://example.org/",
    ] {
        let refusal = Refusal::Subject { wanted: "spiffe://example.org/".into() };
        assert_eq!(subject(other).map(|_| ()), Err(refusal), "{other}");
    }
    let unfit = subject("spiffe://example.org/a b").map(|_| ());
    assert_eq!(unfit, Err(Refusal::Claim { name: "sub".into() }));
}

#[test]
fn i05_a_user_name_gets_the_issuers_domain_and_cannot_bring_its_own() {
    let subject =
        |text: &str| verify(IssuerKind::User { domain: "example.com".into() }, json!({"sub": text}));
    let token = subject("alice").unwrap();
    assert_eq!(token.identity().name(), &IdentityName::User("alice!example.com".into()));
    for other in ["alice!evil.example", "alice@example.com", "a b", "ä"] {
        let refusal = Refusal::Claim { name: "sub".into() };
        assert_eq!(subject(other).map(|_| ()), Err(refusal), "{other}");
    }
}

#[test]
fn any_build_service_can_be_described() {
    let build = BuildClaims::new(
        "https://ci.example/{org}/{pipeline}",
        [(Claim::BUILD_TRIGGER, "{source}"), (Claim::RUN_INVOCATION_URI, "https://ci.example/{org}/{job}")],
    )
    .unwrap();
    let verify = |claims| verify(IssuerKind::Build(build.clone()), claims);
    let token = verify(json!({"org": "a", "pipeline": "b", "source": "push"})).unwrap();
    assert_eq!(token.identity().name(), &IdentityName::Uri("https://ci.example/a/b".into()));
    assert_eq!(token.identity().claim(Claim::BUILD_TRIGGER), Some("push"));
    assert_eq!(token.identity().claim(Claim::RUN_INVOCATION_URI), None, "there is no job");
    let refused = |claims| verify(claims).map(|_| ());
    let claim = |name: &str| Err(Refusal::Claim { name: name.to_owned() });
    assert_eq!(refused(json!({"org": "a"})), claim("pipeline"));
    assert_eq!(refused(json!({"org": "a", "pipeline": 1})), claim("pipeline"));
    assert_eq!(refused(json!({"org": "a", "pipeline": "b c"})), claim("sub"));
    assert_eq!(refused(json!({"org": "a", "pipeline": "b", "source": "\u{1b}[2J"})), claim("source"));
}

#[test]
fn refuses_templates_with_loose_braces() {
    for text in ["{", "}", "a{b", "a}b", "{a}}", "{{a}}", "{}", "{a b}", "{a.b}", "}{a}", "{a}{"] {
        assert!(matches!(Template::parse(text), Err(Error::UnfitTemplate { .. })), "{text}");
    }
    Template::parse("").unwrap();
    Template::parse("no claims").unwrap();
    Template::parse("{a}{b}").unwrap();
}

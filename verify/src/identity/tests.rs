use super::*;

fn email(text: &str) -> SubjectName {
    SubjectName::Email(text.to_owned())
}

fn uri(text: &str) -> SubjectName {
    SubjectName::Uri(text.to_owned())
}

fn identity(issuer: &str, name: SubjectName, claims: &[(&str, &str)]) -> Identity {
    let claim = |(name, value): &(&str, &str)| (Claim::from_name(name).unwrap(), (*value).to_owned());
    Identity { issuer: issuer.to_owned(), name, claims: claims.iter().map(claim).collect(), _made_here: () }
}

fn rule(issuer: &str, name: NameRule, claims: &[(&str, &str)]) -> IdentityRule {
    let claim = |(name, value): &(&str, &str)| (Claim::from_name(name).unwrap(), (*value).to_owned());
    IdentityRule { issuer: issuer.to_owned(), name, claims: claims.iter().map(claim).collect() }
}

fn exactly(text: &str) -> NameRule {
    NameRule::exactly(text).unwrap()
}

fn pattern(text: &str) -> NameRule {
    NameRule::Pattern(NamePattern::new(text).unwrap())
}

const ISSUER: &str = "https://accounts.example";
const WORKFLOW: &str = "https://github.com/o/r/.github/workflows/release.yml@refs/tags/v1";

#[test]
fn names_are_read_by_their_form() {
    for (text, expected) in [
        ("alice@example.com", email("alice@example.com")),
        (WORKFLOW, uri(WORKFLOW)),
        ("https://github.com@evil/", uri("https://github.com@evil/")),
        ("spiffe://td/a", uri("spiffe://td/a")),
        ("alice!example.com", SubjectName::Username("alice!example.com".to_owned())),
    ] {
        assert!(matches!(exactly(text), NameRule::Exactly(name) if name == expected), "{text}");
    }
    assert!(matches!(NameRule::exactly(""), Err(PolicyError::Identity(_))));
}

#[test]
fn i03_names_are_compared_byte_for_byte() {
    let allowed = [rule(ISSUER, exactly("alice@example.com"), &[]), rule(ISSUER, exactly(WORKFLOW), &[])];
    for good in [email("alice@example.com"), uri(WORKFLOW)] {
        allow(&identity(ISSUER, good, &[]), &allowed).unwrap();
    }
    let upper = WORKFLOW.replace("github.com", "GitHub.com");
    let port = WORKFLOW.replace("github.com", "github.com:443");
    let escaped = WORKFLOW.replace("release", "%72elease");
    for bad in [
        email("Alice@example.com"),
        email("alice@example.com\n"),
        email("alice@example.com\0"),
        email(" alice@example.com"),
        email("alice@example.com."),
        email("alice@example.co"),
        uri(&upper),
        uri(&port),
        uri(&escaped),
        uri(&format!("{WORKFLOW}/")),
        uri("https://github.com@evil/"),
    ] {
        let refused = allow(&identity(ISSUER, bad.clone(), &[]), &allowed);
        assert!(matches!(refused, Err(Rejection::IdentityNotAllowed { .. })), "{bad:?}");
    }
}

#[test]
fn i02_the_issuer_is_part_of_the_identity() {
    let allowed = [rule(ISSUER, exactly("alice@example.com"), &[])];
    for issuer in ["https://accounts.example/", "https://Accounts.example", "https://other.example", "x"] {
        let found = identity(issuer, email("alice@example.com"), &[]);
        let refused = allow(&found, &allowed).unwrap_err();
        assert!(matches!(refused, Rejection::IssuerNotAllowed { .. }), "{issuer}");
        assert_eq!(refused.code(), "I02-issuer-not-allowed");
    }
    // Not one issuer with the name of another rule.
    let two = [rule("https://a", exactly("a@x"), &[]), rule("https://b", exactly("b@x"), &[])];
    let crossed = allow(&identity("https://a", email("b@x"), &[]), &two);
    assert!(matches!(crossed, Err(Rejection::IdentityNotAllowed { .. })));
    assert!(matches!(allow(&crossed_identity(), &[]), Err(Rejection::IssuerNotAllowed { .. })));
}

fn crossed_identity() -> Identity {
    identity("https://a", email("b@x"), &[])
}

#[test]
fn i05_the_kind_of_a_name_is_part_of_the_identity() {
    let text = "alice@example.com";
    let allowed = [rule(ISSUER, exactly(text), &[])];
    for other in [uri(text), SubjectName::Username(text.to_owned()), SubjectName::Dns(text.to_owned())] {
        let refused = allow(&identity(ISSUER, other, &[]), &allowed);
        assert!(matches!(refused, Err(Rejection::IdentityNotAllowed { .. })));
    }
    // A pattern takes any kind that an identity can have, and no other.
    let any = [rule(ISSUER, pattern(".*"), &[])];
    allow(&identity(ISSUER, SubjectName::Username("a".to_owned()), &[]), &any).unwrap();
    assert!(allow(&identity(ISSUER, SubjectName::Dns("a".to_owned()), &[]), &any).is_err());
}

#[test]
fn i01_patterns_match_the_whole_name_or_nothing() {
    let matches = |text: &str, name: &str| {
        allow(&identity(ISSUER, uri(name), &[]), &[rule(ISSUER, pattern(text), &[])]).is_ok()
    };
    assert!(matches("https://a/.*", "https://a/b"));
    for (text, name) in [
        ("https://a/", "https://a/evil"),
        ("a/b", "https://a/b"),
        ("a|b", "ax"),
        ("a|b", "xb"),
        ("https://a/b", "https://a/b\n"),
        ("(?m)a", "a\nb"),
        ("(?m)^a$", "b\na"),
        ("https://a/.*", "https://a/b\nc"),
    ] {
        assert!(!matches(text, name), "{text} {name:?}");
    }
    // In the exact mode a dot is a dot.
    let dot = [rule(ISSUER, exactly("a.b@x"), &[])];
    assert!(allow(&identity(ISSUER, email("acb@x"), &[]), &dot).is_err());
    let huge = format!("(?:{}){{1000}}", "[a-z]{1000}");
    for bad in ["", "(", "a)|(b", "[", r"(?x)a #", huge.as_str()] {
        assert!(matches!(NamePattern::new(bad), Err(PolicyError::Identity(_))), "{bad}");
    }
    // More than a mebibyte, which the regex crate alone would still take.
    let large = "(?:[a-z]{1000}){60}";
    assert!(Regex::new(large).is_ok());
    assert!(matches!(NamePattern::new(large), Err(PolicyError::Identity(_))));
}

#[test]
fn i07_a_prefix_is_not_a_name_and_claims_are_exact() {
    let allowed = [rule(ISSUER, exactly(WORKFLOW), &[("source-repository-ref", "refs/tags/v1")])];
    let good = identity(ISSUER, uri(WORKFLOW), &[("source-repository-ref", "refs/tags/v1")]);
    allow(&good, &allowed).unwrap();
    for name in [
        format!("{WORKFLOW}-evil"),
        "https://github.com/o/r/.github/workflows/release.yml@evil.yml@refs/tags/v1".to_owned(),
        WORKFLOW.replace("refs/tags", "refs/heads/tags"),
    ] {
        let refused =
            allow(&identity(ISSUER, uri(&name), &[("source-repository-ref", "refs/tags/v1")]), &allowed);
        assert!(matches!(refused, Err(Rejection::IdentityNotAllowed { .. })), "{name}");
    }
    for claims in
        [&[("source-repository-ref", "refs/tags/v1-evil")][..], &[("build-trigger", "refs/tags/v1")], &[]]
    {
        let refused = allow(&identity(ISSUER, uri(WORKFLOW), claims), &allowed).unwrap_err();
        assert_eq!(refused.code(), "I07-claim-not-allowed");
    }
}

#[test]
fn i06_i10_what_was_found_is_shown_escaped() {
    let allowed = [rule(ISSUER, exactly("alice@example.com"), &[])];
    let homoglyph = identity(ISSUER, email("\u{430}lice@example.com\u{1b}[1m"), &[]);
    let refused = allow(&homoglyph, &allowed).unwrap_err().to_string();
    let expected =
        r#"signed by e-mail "\u{430}lice@example.com\u{1b}[1m", vouched for by "https://accounts.example""#;
    assert!(refused.starts_with(expected), "{refused}");
}

#[test]
fn claims_have_one_name_each() {
    let names: Vec<&str> = Claim::names().collect();
    assert_eq!(names.len(), 16);
    for name in &names {
        assert_eq!(Claim::from_name(name).unwrap().name(), *name);
    }
    assert!(Claim::from_name("source-repositor").is_none());
}

use jiff::SignedDuration;
use serde_json::json;

use super::*;
use crate::identity::{Claim, IdentityName};
use crate::issuers::{BuildClaims, IssuerKind};
use crate::test_keys::now;
use crate::test_tokens::{Key, URL, base64, people};

fn at(seconds: i64) -> Timestamp {
    now() + SignedDuration::from_secs(seconds)
}

fn verdict(key: &Key, token: &str) -> Result<VerifiedToken, Refusal> {
    IdentityToken::parse(token)?.verify(&people(), &key.jwks(), now())
}

/// What becomes of a token with these claims in place of the honest ones.
fn with(claims: serde_json::Value) -> Result<VerifiedToken, Refusal> {
    let key = Key::new("ES256");
    verdict(&key, &key.mint(claims))
}

fn refused(claims: serde_json::Value, refusal: Refusal) {
    let text = claims.to_string();
    assert_eq!(with(claims).map(|_| ()), Err(refusal), "{text}");
}

fn claim(name: &str) -> Refusal {
    Refusal::Claim { name: name.to_owned() }
}

#[test]
fn verifies_tokens_of_every_algorithm_that_is_taken() {
    for algorithm in ["RS256", "ES256", "ES384", "ES512", "EdDSA"] {
        let key = Key::new(algorithm);
        let token = verdict(&key, &key.mint(json!({}))).unwrap();
        assert_eq!(token.identity().issuer(), URL);
        assert_eq!(token.identity().name(), &IdentityName::Email("alice@example.com".into()));
        assert_eq!(token.identity().claim(Claim::TOKEN_SUBJECT), Some("alice"));
        assert_eq!(token.challenges(), ["alice", "alice@example.com"]);
        let other = Key::new(algorithm);
        let forged = verdict(&key, &other.mint(json!({})));
        assert_eq!(forged.map(|_| ()), Err(Refusal::TokenSignature), "{algorithm}");
    }
}

#[test]
fn k10_a_signature_of_another_kind_or_none_is_refused() {
    let key = Key::new("RS256");
    let claims = json!({"iss": URL, "sub": "a"}).to_string();
    for algorithm in ["none", "None", "", "HS256", "HS512", "RS512", "PS256", "ES256K", "rs256", "RS256 "] {
        let token = key.token(&json!({"alg": algorithm, "kid": "1"}).to_string(), &claims);
        let refusal = Refusal::TokenAlgorithm { found: algorithm.to_owned() };
        assert_eq!(IdentityToken::parse(&token).map(|_| ()), Err(refusal));
    }
    // The right key under another algorithm's name: one for which it is none.
    for algorithm in ["ES256", "EdDSA"] {
        let token = key.token(&json!({"alg": algorithm, "kid": "1"}).to_string(), &claims);
        assert_eq!(verdict(&key, &token).map(|_| ()), Err(Refusal::UnknownKey));
    }
    let unsigned = format!("{}.{}.", base64(br#"{"alg":"RS256","kid":"1"}"#), base64(claims.as_bytes()));
    assert_eq!(verdict(&key, &unsigned).map(|_| ()), Err(Refusal::TokenSignature));
}

#[test]
fn h01_a_token_cannot_say_where_its_key_is() {
    let (key, own) = (Key::new("ES256"), Key::new("ES256"));
    let header = json!({
        "alg": "ES256", "kid": "1", "jwk": own.jwk(),
        "jku": "http://169.254.169.254/keys", "x5u": "http://127.0.0.1/x5u", "x5c": ["AAAA"],
    });
    let claims = json!({
        "iss": URL, "aud": "sigstore", "sub": "alice", "iat": now().as_second(), "exp": now().as_second() + 9,
        "email": "alice@example.com", "email_verified": true,
    });
    let forged = own.token(&header.to_string(), &claims.to_string());
    assert_eq!(verdict(&key, &forged).map(|_| ()), Err(Refusal::TokenSignature));
    let honest = key.token(&header.to_string(), &claims.to_string());
    verdict(&key, &honest).unwrap();
    for kid in ["../1", "http://127.0.0.1/1", "2", ""] {
        let header = json!({"alg": "ES256", "kid": kid}).to_string();
        let token = key.token(&header, &claims.to_string());
        assert_eq!(verdict(&key, &token).map(|_| ()), Err(Refusal::UnknownKey), "{kid:?}");
    }
    let critical = key.token(r#"{"alg":"ES256","kid":"1","crit":["b64"],"b64":false}"#, &claims.to_string());
    assert_eq!(IdentityToken::parse(&critical).map(|_| ()), Err(MALFORMED));
}

#[test]
fn a_key_without_a_name_serves_where_it_is_the_only_one() {
    let key = Key::new("ES256");
    let nameless = |claims: &str| key.token(r#"{"alg":"ES256"}"#, claims);
    let claims = json!({
        "iss": URL, "aud": "sigstore", "sub": "alice", "iat": now().as_second(), "exp": now().as_second() + 9,
        "email": "alice@example.com", "email_verified": true,
    });
    let token = nameless(&claims.to_string());
    verdict(&key, &token).unwrap();
    let check = |keys: serde_json::Value| {
        let keys = Jwks::from_json(json!({"keys": keys}).to_string().as_bytes()).unwrap();
        IdentityToken::parse(&token).unwrap().verify(&people(), &keys, now()).map(|_| ())
    };
    assert_eq!(check(json!([key.jwk(), Key::new("RS256").jwk()])), Ok(()));
    assert_eq!(check(json!([key.jwk(), Key::new("ES256").jwk()])), Err(Refusal::UnknownKey));
    let mut other = key.jwk();
    other["alg"] = json!("ES384");
    assert_eq!(check(json!([other])), Err(Refusal::UnknownKey));
    other["alg"] = json!("ES256");
    assert_eq!(check(json!([other])), Ok(()));
    other["use"] = json!("enc");
    assert_eq!(check(json!([other])), Err(Refusal::UnknownKey));
}

#[test]
fn k10_a_token_is_for_us_alone() {
    let refusal = || Refusal::Audience { wanted: "sigstore".into() };
    with(json!({"aud": ["sigstore"]})).unwrap();
    for audience in [
        json!("other"),
        json!("Sigstore"),
        json!("sigstore "),
        json!(["other"]),
        json!(["sigstore", "other"]),
        json!(["other", "sigstore"]),
        json!([]),
        json!(["sigstore", 1]),
        json!({"sigstore": true}),
        json!(null),
    ] {
        refused(json!({"aud": audience}), refusal());
    }
}

#[test]
fn a_token_is_of_its_issuer_byte_for_byte() {
    let key = Key::new("ES256");
    for found in [
        "https://accounts.example/",
        "https://Accounts.example",
        "https://accounts.example:443",
        "http://accounts.example",
    ] {
        let refusal = Refusal::UnknownIssuer { found: found.to_owned() };
        assert_eq!(verdict(&key, &key.mint(json!({"iss": found}))).map(|_| ()), Err(refusal));
    }
    for issuer in [json!(null), json!(1), json!(""), json!("a".repeat(1_025)), json!([URL])] {
        assert_eq!(verdict(&key, &key.mint(json!({"iss": issuer}))).map(|_| ()), Err(claim("iss")));
    }
}

#[test]
fn a_token_is_good_in_its_time_alone() {
    let key = Key::new("ES256");
    let now_seconds = now().as_second();
    let token = IdentityToken::parse(&key.mint(json!({}))).unwrap();
    for (seconds, expected) in [
        (-61, Some(Refusal::NotYetValid)),
        (-60, None),
        (659, None),
        (660, Some(Refusal::Expired)),
        (100_000_000, Some(Refusal::Expired)),
    ] {
        assert_eq!(token.verify(&people(), &key.jwks(), at(seconds)).err(), expected, "{seconds}");
    }
    refused(json!({"nbf": now_seconds + 61}), Refusal::NotYetValid);
    with(json!({"nbf": now_seconds + 60})).unwrap();
    // A time before which it is not valid cannot make it valid before it was issued.
    refused(json!({"nbf": 0, "iat": now_seconds + 61}), Refusal::NotYetValid);
    with(json!({"exp": now_seconds + 86_400})).unwrap();
    refused(json!({"exp": now_seconds + 86_401}), Refusal::LivesTooLong { limit: 24 });
    for name in ["exp", "iat"] {
        refused(json!({name: null}), claim(name));
    }
    for bad in
        [json!(-1), json!(1.5), json!("1795521600"), json!(253_402_300_800_u64), json!(u64::MAX), json!(true)]
    {
        for name in ["exp", "iat", "nbf"] {
            refused(json!({name: bad}), claim(name));
        }
    }
}

#[test]
fn an_address_counts_only_where_the_issuer_verified_it() {
    for verified in [json!(false), json!("true"), json!(1), json!(null), json!("false"), json!([true])] {
        refused(json!({"email_verified": verified}), Refusal::EmailNotVerified);
    }
    for email in [
        json!(null),
        json!(""),
        json!("alice"),
        json!("a@b\nc"),
        json!("ä@b"),
        json!(["a@b"]),
        json!("a@b@c"),
    ] {
        refused(json!({"email": email}), claim("email"));
    }
    for subject in [json!(null), json!(""), json!(1), json!("a\u{0}b"), json!("a".repeat(1_025))] {
        refused(json!({"sub": subject}), claim("sub"));
    }
}

#[test]
fn d12_refuses_duplicate_fields() {
    let key = Key::new("ES256");
    let claims = json!({
        "iss": URL, "aud": "sigstore", "iat": now().as_second(), "exp": now().as_second() + 9,
        "email": "alice@example.com", "email_verified": true, "sub": "alice",
    })
    .to_string();
    let twice = claims.replacen('{', "{\"email\":\"bob@example.com\",", 1);
    let header = r#"{"alg":"ES256","kid":"1"}"#;
    verdict(&key, &key.token(header, &claims)).unwrap();
    assert_eq!(verdict(&key, &key.token(header, &twice)).map(|_| ()), Err(MALFORMED));
    let header = r#"{"alg":"none","alg":"ES256","kid":"1"}"#;
    assert_eq!(verdict(&key, &key.token(header, &claims)).map(|_| ()), Err(MALFORMED));
}

#[test]
fn b03_refuses_other_spellings_of_a_token() {
    let key = Key::new("ES256");
    let token = key.mint(json!({}));
    for other in [
        format!("{token}="),
        format!("{token}."),
        format!(".{token}"),
        format!(" {token}"),
        format!("{token}\n"),
        token.replace('.', ".."),
        token.rsplit_once('.').unwrap().0.to_owned(),
        String::new(),
        "..".to_owned(),
        token.replacen("ey", "ey=", 1),
    ] {
        assert_eq!(IdentityToken::parse(&other).map(|_| ()), Err(MALFORMED), "{other}");
    }
    // Another last character with the same bytes: bits that say nothing must be zero.
    let (start, last) = token.split_at(token.len() - 1);
    let other = match last {
        "A" => "B",
        "Q" => "R",
        "g" => "h",
        _ => "x",
    };
    assert_eq!(IdentityToken::parse(&format!("{start}{other}")).map(|_| ()), Err(MALFORMED));
    let long = format!("{}.{}.{}", "A".repeat(6_000), "A".repeat(6_000), "A".repeat(4_383));
    let refusal = Refusal::TooLong { what: "identity token", limit: 16 * 1_024 };
    assert_eq!(IdentityToken::parse(&long).map(|_| ()), Err(refusal));
    assert_eq!(IdentityToken::parse(&long[1..]).map(|_| ()), Err(MALFORMED));
}

#[test]
fn b01_b02_changed_tokens_never_panic_and_never_pass() {
    let key = Key::new("ES256");
    let token = key.mint(json!({}));
    let (jwks, people) = (key.jwks(), people());
    let mut tried = 0;
    for changed in crate::test_keys::flips(token.as_bytes()) {
        let Ok(text) = String::from_utf8(changed) else { continue };
        let verdict = IdentityToken::parse(&text).and_then(|token| token.verify(&people, &jwks, now()));
        assert!(verdict.is_err() || text == token, "{text}");
        tried += 1;
    }
    assert!(tried > 2_500, "{tried}");
    let deep = format!("{}{}", "[".repeat(5_000), "]".repeat(5_000));
    let token = key.token(r#"{"alg":"ES256"}"#, &format!("{{\"iss\":\"{URL}\",\"a\":{deep}}}"));
    assert_eq!(IdentityToken::parse(&token).map(|_| ()), Err(MALFORMED));
}

/// ECDSA has many signatures for one message, and of each a second form: none of them makes a new token.
#[test]
fn k10_a_token_with_another_signature_is_the_same_token() {
    let key = Key::new("ES256");
    let (one, two) = (key.mint(json!({})), key.mint(json!({})));
    assert_ne!(one, two);
    assert_eq!(one.rsplit_once('.').unwrap().0, two.rsplit_once('.').unwrap().0);
    let (one, two) = (verdict(&key, &one).unwrap(), verdict(&key, &two).unwrap());
    assert_eq!(one.id(), two.id());
    assert_ne!(one.id(), verdict(&key, &key.mint(json!({"jti": "2"}))).unwrap().id());
    // It has to be remembered for exactly as long as it would be taken.
    let token = IdentityToken::parse(&key.mint(json!({}))).unwrap();
    let at = |second| Timestamp::from_second(second).unwrap();
    assert!(token.verify(&people(), &key.jwks(), at(one.ends() - 1)).is_ok());
    let late = token.verify(&people(), &key.jwks(), at(one.ends()));
    assert_eq!(late.map(|_| ()), Err(Refusal::Expired));
    assert!(!one.reusable());
    let reusable = people().with_reusable_tokens();
    assert!(token.verify(&reusable, &key.jwks(), now()).unwrap().reusable());
}

#[test]
fn k08_prints_no_token() {
    let key = Key::new("ES256");
    let text = key.mint(json!({}));
    let token = IdentityToken::parse(&text).unwrap();
    let printed = format!("{token:?} {:?}", token.verify(&people(), &key.jwks(), at(10_000)));
    assert!(text.split('.').all(|part| !printed.contains(part)) && printed.contains(URL), "{printed}");
}

#[test]
fn reads_what_github_says_of_a_build() {
    let issuer =
        Issuer::new(URL, "sigstore", IssuerKind::Build(BuildClaims::github("https://github.com").unwrap()))
            .unwrap();
    let key = Key::new("RS256");
    let claims = json!({
        "sub": "repo:octo/hello:ref:refs/heads/main", "email": null, "email_verified": null,
        "job_workflow_ref": "octo/hello/.github/workflows/ci.yml@refs/heads/main", "job_workflow_sha": "aa",
        "runner_environment": "github-hosted", "repository": "octo/hello", "sha": "bb", "ref": "refs/heads/main",
        "repository_id": "1", "repository_owner": "octo", "repository_owner_id": "2", "workflow": "CI",
        "workflow_ref": "octo/hello/.github/workflows/top.yml@refs/heads/main", "workflow_sha": "cc",
        "event_name": "push", "run_id": "3", "run_attempt": "4", "repository_visibility": "public",
    });
    let verify = |claims: &serde_json::Value| {
        IdentityToken::parse(&key.mint(claims.clone()))?.verify(&issuer, &key.jwks(), now())
    };
    let token = verify(&claims).unwrap();
    let identity = token.identity();
    let name = "https://github.com/octo/hello/.github/workflows/ci.yml@refs/heads/main";
    assert_eq!(identity.name(), &IdentityName::Uri(name.into()));
    assert_eq!(token.challenges(), ["repo:octo/hello:ref:refs/heads/main"]);
    for (claim, value) in [
        (Claim::GITHUB_WORKFLOW_TRIGGER, Some("push")),
        (Claim::GITHUB_WORKFLOW_SHA, Some("bb")),
        (Claim::GITHUB_WORKFLOW_NAME, Some("CI")),
        (Claim::GITHUB_WORKFLOW_REPOSITORY, Some("octo/hello")),
        (Claim::GITHUB_WORKFLOW_REF, Some("refs/heads/main")),
        (Claim::BUILD_SIGNER_URI, Some(name)),
        (Claim::BUILD_SIGNER_DIGEST, Some("aa")),
        (Claim::RUNNER_ENVIRONMENT, Some("github-hosted")),
        (Claim::SOURCE_REPOSITORY_URI, Some("https://github.com/octo/hello")),
        (Claim::SOURCE_REPOSITORY_DIGEST, Some("bb")),
        (Claim::SOURCE_REPOSITORY_REF, Some("refs/heads/main")),
        (Claim::SOURCE_REPOSITORY_IDENTIFIER, Some("1")),
        (Claim::SOURCE_REPOSITORY_OWNER_URI, Some("https://github.com/octo")),
        (Claim::SOURCE_REPOSITORY_OWNER_IDENTIFIER, Some("2")),
        (
            Claim::BUILD_CONFIG_URI,
            Some("https://github.com/octo/hello/.github/workflows/top.yml@refs/heads/main"),
        ),
        (Claim::BUILD_CONFIG_DIGEST, Some("cc")),
        (Claim::BUILD_TRIGGER, Some("push")),
        (Claim::RUN_INVOCATION_URI, Some("https://github.com/octo/hello/actions/runs/3/attempts/4")),
        (Claim::SOURCE_REPOSITORY_VISIBILITY, Some("public")),
        (Claim::DEPLOYMENT_ENVIRONMENT, None),
        (Claim::TOKEN_SUBJECT, Some("repo:octo/hello:ref:refs/heads/main")),
    ] {
        assert_eq!(identity.claim(claim), value, "{}", claim.number());
    }
    let mut nameless = claims.clone();
    nameless["job_workflow_ref"] = json!(null);
    assert_eq!(verify(&nameless).map(|_| ()), Err(claim("job_workflow_ref")));
}

#[test]
fn reads_what_gitlab_says_of_a_build() {
    let issuer =
        Issuer::new(URL, "sigstore", IssuerKind::Build(BuildClaims::gitlab("https://gitlab.com").unwrap()))
            .unwrap();
    let key = Key::new("RS256");
    let identity = |rest: serde_json::Value| {
        let mut claims = json!({
            "sub": "project_path:a/b:ref_type:branch:ref:main", "email": "x@y", "namespace_path": "a",
            "ci_config_ref_uri": "gitlab.com/a/b//.gitlab-ci.yml@refs/heads/main", "ci_config_sha": "aa",
            "project_path": "a/b", "project_id": "1", "namespace_id": "2", "pipeline_source": "web",
            "job_id": "3", "project_visibility": "public", "sha": "bb", "runner_environment": "gitlab-hosted",
        });
        claims.as_object_mut().unwrap().append(&mut rest.as_object().unwrap().clone());
        let token = IdentityToken::parse(&key.mint(claims)).unwrap();
        token.verify(&issuer, &key.jwks(), now()).unwrap().identity().clone()
    };
    let branch = identity(json!({"ref": "main", "ref_type": "branch"}));
    let name = "https://gitlab.com/a/b//.gitlab-ci.yml@refs/heads/main";
    assert_eq!(branch.name(), &IdentityName::Uri(name.into()));
    assert_eq!(branch.claim(Claim::BUILD_CONFIG_URI), Some(name));
    assert_eq!(branch.claim(Claim::SOURCE_REPOSITORY_REF), Some("refs/heads/main"));
    assert_eq!(branch.claim(Claim::RUN_INVOCATION_URI), Some("https://gitlab.com/a/b/-/jobs/3"));
    assert_eq!(branch.claim(Claim::SOURCE_REPOSITORY_OWNER_URI), Some("https://gitlab.com/a"));
    let reference = |rest| identity(rest).claim(Claim::SOURCE_REPOSITORY_REF).map(str::to_owned);
    assert_eq!(reference(json!({"ref": "v1", "ref_type": "tag"})).as_deref(), Some("refs/tags/v1"));
    assert_eq!(reference(json!({"ref": "v1", "ref_type": "other"})), None);
    let stated = json!({"ref": "v1", "ref_type": "tag", "ref_path": "refs/heads/v1"});
    assert_eq!(reference(stated).as_deref(), Some("refs/heads/v1"));
}

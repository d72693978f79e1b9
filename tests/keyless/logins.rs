//! Where the identity token comes from: files, CI jobs, browsers, other devices; and issuers that lie.

use std::os::unix::fs::PermissionsExt as _;
use std::process::Command;

use sealwax_tests::Run;
use sealwax_tests::oidc::{Fault, Issuer, github_claims};
use serde_json::json;

use crate::{Deployment, SIGN, Waiting};

/// A way to sign that logs in with a browser, which is a program that does nothing: the test is the browser.
fn log_in(deployment: &Deployment) -> Command {
    let mut command = deployment.client.command(["sign", "m", "--trust-config", "trust.json"]);
    command.env("BROWSER", "true");
    command
}

fn finish(mut command: Command, code: i32) -> Run {
    let run = Run::from(command.output().unwrap());
    assert_eq!(run.code, Some(code), "{run:?}");
    run
}

#[test]
fn a_token_in_a_file_signs_and_is_not_told() {
    let deployment = Deployment::start();
    let run = finish(deployment.sign(), 0);
    deployment.told_nothing(&run);
    assert!(run.stderr.contains("alice@example.com"), "{run:?}");
    assert!(!deployment.client.instance().exists(), "an instance was made where none is needed");
    deployment.verifies("alice@example.com");
    // Nothing of the token or the key stays anywhere.
    let token = std::fs::read_to_string(deployment.client.at("token")).unwrap();
    let bundle = std::fs::read_to_string(deployment.client.at("m/model.sig")).unwrap();
    for part in token.split('.').skip(1) {
        assert!(!bundle.contains(part));
    }
    assert!(!bundle.contains("PRIVATE"));
}

#[test]
fn a_token_from_standard_input_signs() {
    let deployment = Deployment::start();
    deployment.client.write("token", format!("{}\n", deployment.issuer.email("alice@example.com")));
    let mut command =
        deployment.client.command(["sign", "m", "--trust-config", "trust.json", "--identity-token", "-"]);
    command.stdin(std::fs::File::open(deployment.client.at("token")).unwrap());
    finish(command, 0);
    deployment.verifies("alice@example.com");
}

#[test]
fn k10_tokens_that_no_authority_would_take_are_not_sent() {
    let deployment = Deployment::start();
    let issuer = &deployment.issuer;
    let alice = |more: serde_json::Value| {
        let mut claims = json!({"email": "alice@example.com", "email_verified": true});
        claims.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        issuer.mint(claims)
    };
    for (token, why) in [
        (alice(json!({"aud": "another"})), "audience"),
        (alice(json!({"aud": ["a", "b"]})), "audience"),
        (alice(json!({"exp": 1_700_000_000})), "expired"),
        ("not a token".to_owned(), "JSON Web Token"),
        (String::new(), "JSON Web Token"),
    ] {
        deployment.client.write("token", token);
        deployment.refuses(deployment.client.command(SIGN), 2, why);
    }
    deployment.client.write("token", vec![b'a'; 100_000]);
    deployment.refuses(deployment.client.command(SIGN), 3, "more than the cap");
    assert!(deployment.sigstore.requests().is_empty());
}

#[test]
fn ci_jobs_sign_as_their_workflow() {
    let deployment = Deployment::start();
    let url = format!("{}/ci?x=1", deployment.issuer.url());
    deployment.issuer.log_in_as(github_claims("acme/model", "refs/tags/v1"));
    let job = |variables: &[(&str, &str)]| {
        let mut command = deployment.client.command(["sign", "m", "--trust-config", "trust.json"]);
        command.envs(variables.iter().copied());
        command
    };
    let secret = ("ACTIONS_ID_TOKEN_REQUEST_TOKEN", "ci-secret");
    let asked = ("ACTIONS_ID_TOKEN_REQUEST_URL", url.as_str());
    finish(job(&[("GITHUB_ACTIONS", "true"), asked, secret]), 0);
    deployment.verifies("https://github.com/acme/model/.github/workflows/release.yml@refs/tags/v1");
    std::fs::remove_file(deployment.client.at("m/model.sig")).unwrap();

    let token = deployment.issuer.email("job@example.com");
    finish(job(&[("GITLAB_CI", "true"), ("SIGSTORE_ID_TOKEN", &token)]), 0);
    deployment.verifies("job@example.com");
    std::fs::remove_file(deployment.client.at("m/model.sig")).unwrap();

    // A program that prints the token, as Buildkite's and CircleCI's do.
    for (name, program) in [("BUILDKITE", "buildkite-agent"), ("CIRCLECI", "circleci")] {
        let token = deployment.issuer.email("agent@example.com");
        let path = deployment.client.write(format!("bin/{program}"), format!("#!/bin/sh\necho {token}\n"));
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
        let mut command = job(&[(name, "true")]);
        let paths = format!("{}:/usr/bin:/bin", deployment.client.at("bin").display());
        command.env("PATH", paths);
        finish(command, 0);
        deployment.verifies("agent@example.com");
        std::fs::remove_file(deployment.client.at("m/model.sig")).unwrap();
    }

    // Where nobody can log in, nobody is waited for.
    let refused = |variables: &[(&str, &str)], why: &str| deployment.refuses(job(variables), 3, why);
    refused(&[("GITHUB_ACTIONS", "true")], "id-token: write");
    refused(&[("GITLAB_CI", "true")], "SIGSTORE_ID_TOKEN");
    refused(&[("CI", "true")], "--identity-token");
    refused(&[asked, ("ACTIONS_ID_TOKEN_REQUEST_TOKEN", "wrong")], "401");
    refused(&[("BUILDKITE", "true")], "buildkite-agent");
    // The secret goes over no open line, and never elsewhere.
    refused(&[("ACTIONS_ID_TOKEN_REQUEST_URL", "http://runner.example/token"), secret], "neither https");
    deployment.issuer.misbehave(Some(Fault::Redirect("https://evil.example/".to_owned())));
    refused(&[asked, secret], "302");
    deployment.issuer.misbehave(Some(Fault::OtherAudience));
    deployment.refuses(job(&[asked, secret]), 2, "audience");
}

#[test]
fn a_browser_logs_in() {
    let deployment = Deployment::start();
    let mut waiting = Waiting::start(log_in(&deployment));
    let address = waiting.address();
    // Nothing that is secret is in the address but what the browser must bring back.
    for part in ["code_challenge_method=S256", "response_type=code", "client_id=sigstore", "nonce=", "state="]
    {
        assert!(address.contains(part), "{part}: {address}");
    }
    assert!(address.contains("redirect_uri=http%3A%2F%2F127.0.0.1%3A"), "{address}");
    assert!(!address.contains("code_verifier"), "{address}");
    let page = Issuer::browse(&address);
    assert_eq!(page.status, 200, "{page:?}");
    let run = waiting.end();
    assert_eq!(run.code, Some(0), "{run:?}");
    deployment.told_nothing(&run);
    deployment.verifies("alice@example.com");
    assert_eq!(deployment.issuer.requests().iter().filter(|request| *request == "POST /token").count(), 1);
}

#[test]
fn the_persons_browser_is_opened() {
    let deployment = Deployment::start();
    let path = deployment.client.write("browser", "#!/bin/sh\necho \"$1\" > opened\n");
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
    let mut command = log_in(&deployment);
    command.env("BROWSER", &path);
    let mut waiting = Waiting::start(command);
    let address = waiting.address();
    let opened = sealwax_tests::server::wait_for("the browser", || {
        std::fs::read_to_string(deployment.client.at("opened")).ok().filter(|text| text.ends_with('\n'))
    });
    assert_eq!(opened.trim(), address);
    Issuer::browse(&address);
    assert_eq!(waiting.end().code, Some(0));
}

#[test]
fn another_device_logs_in() {
    let deployment = Deployment::start();
    deployment.issuer.keep_devices_waiting(2);
    // Without a browser, and where a code was asked for.
    for more in [&[][..], &["--device"]] {
        let arguments = [&["sign", "m", "--trust-config", "trust.json"], more].concat();
        let mut waiting = Waiting::start(deployment.client.command(arguments));
        let address = waiting.address();
        assert!(address.ends_with("/activate with the code WAX-SEAL"), "{address}");
        let run = waiting.end();
        assert_eq!(run.code, Some(0), "{run:?}");
        deployment.told_nothing(&run);
        deployment.verifies("alice@example.com");
    }
    let tokens = deployment.issuer.requests().iter().filter(|request| *request == "POST /token").count();
    assert_eq!(tokens, 4, "two that waited, and one a login");
}

#[test]
fn k10_a_login_of_somebody_elses_making_is_refused() {
    let deployment = Deployment::start();
    for (fault, why) in [
        (Fault::WrongState, "another state"),
        (Fault::Denied, "access_denied"),
        (Fault::WrongNonce, "another nonce"),
        (Fault::NoToken, "invalid_grant"),
    ] {
        let mut waiting = Waiting::start(log_in(&deployment));
        let address = waiting.address();
        deployment.issuer.misbehave(Some(fault));
        Issuer::browse(&address);
        let run = waiting.end();
        run.fails(3, why);
        deployment.told_nothing(&run);
        deployment.signed_nothing();
        deployment.issuer.misbehave(None);
    }
    // Somebody who guesses the port and knows no state.
    let mut waiting = Waiting::start(log_in(&deployment));
    let address = waiting.address();
    let redirect = address.split("redirect_uri=").nth(1).unwrap().split('&').next().unwrap();
    let redirect = redirect.replace("%3A", ":").replace("%2F", "/");
    Issuer::browse(&format!("{redirect}?code=code-0"));
    waiting.end().fails(3, "another state");
    // A token for somebody else's program.
    let mut waiting = Waiting::start(log_in(&deployment));
    let address = waiting.address();
    deployment.issuer.misbehave(Some(Fault::OtherAudience));
    Issuer::browse(&address);
    waiting.end().fails(2, "audience");
    // A token of another issuer.
    deployment.issuer.misbehave(None);
    let mut waiting = Waiting::start(log_in(&deployment));
    let address = waiting.address();
    deployment.issuer.misbehave(Some(Fault::OtherIssuer("https://id.evil.example".to_owned())));
    Issuer::browse(&address);
    waiting.end().fails(3, "another issuer");
    deployment.signed_nothing();
    assert!(deployment.sigstore.requests().is_empty(), "no token went to the authority");
}

#[test]
fn h02_issuers_that_send_clients_elsewhere_are_refused() {
    let deployment = Deployment::start();
    let other = Issuer::start();
    for (fault, why) in [
        (Fault::Redirect(other.url()), "302"),
        (Fault::OtherIssuer(other.url()), "another issuer"),
        (Fault::OtherEndpoints("http://id.example".to_owned()), "neither https"),
        (Fault::OtherEndpoints("file:///etc".to_owned()), "neither https"),
        (Fault::OtherEndpoints("http://169.254.169.254/latest".to_owned()), "neither https"),
        (Fault::Html, "JSON"),
        (Fault::Status(204), "204"),
        (Fault::Status(500), "500"),
        (Fault::Endless, "longer than"),
    ] {
        deployment.issuer.misbehave(Some(fault));
        deployment.refuses(log_in(&deployment), 3, why);
    }
    assert!(other.requests().is_empty());
    // An issuer that anybody on the way could be.
    let mut command = log_in(&deployment);
    command.args(["--oidc-issuer", "http://id.example"]);
    deployment.refuses(command, 3, "https");
}

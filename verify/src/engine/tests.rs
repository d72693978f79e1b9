//! Time-stamp responses of several authorities, good and hostile, each with the chain that vouches for it.

#![allow(clippy::disallowed_methods, clippy::print_stdout, reason = "reads vectors from files")]

use std::path::{Path, PathBuf};

use sealwax_keys::Certificate;

use super::*;

fn vectors() -> Option<PathBuf> {
    let shared = std::env::var_os("SEALWAX_SHARED")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared"), PathBuf::from);
    let vectors = shared.join("vectors");
    if vectors.join("rfc3161-client").is_dir() {
        return Some(vectors);
    }
    println!("skipped: time-stamp responses (no vectors)");
    None
}

fn time(text: &str) -> Timestamp {
    text.parse().unwrap()
}

/// A root that lists one authority, its chain in the order that a trusted root has: signer first.
fn root(chain: &Path) -> TrustedRoot {
    let mut certificates = Certificate::from_pem_chain(&std::fs::read(chain).unwrap()).unwrap();
    let is_root = |certificate: &Certificate| certificate.subject_der() == certificate.issuer_der();
    certificates.sort_by_key(|certificate| {
        (is_root(certificate), certificate.basic_constraints().is_some_and(|constraints| constraints.ca))
    });
    let authority = AuthorityInstance {
        organization: String::new(),
        common_name: "listed".to_owned(),
        uri: String::new(),
        chain: certificates.iter().map(|certificate| certificate.der().to_vec()).collect(),
        valid_from: time("2020-01-01T00:00:00Z"),
        valid_until: None,
        operator: None,
    };
    TrustedRoot { timestamp_authorities: vec![authority], ..TrustedRoot::default() }
}

fn stamp(root: &TrustedRoot, token: &[u8], message: &[u8]) -> Result<Timestamp, TokenProblem> {
    let engine = Engine::new(root).unwrap();
    engine.timestamp(token, message).map(|(time, authority)| {
        assert_eq!(authority.name(), "listed");
        time
    })
}

#[test]
fn c07_m06_the_listed_authority_alone_is_the_signer() {
    let Some(vectors) = vectors() else { return };
    let fixtures = vectors.join("rfc3161-client/fixtures");
    let read = |path: &str| std::fs::read(fixtures.join(path)).unwrap();
    let local = root(&fixtures.join("test_tsa/ts_chain.pem"));
    let staging = root(&fixtures.join("sigstage/ts_chain.pem"));
    for (root, response, expected) in [
        (&local, "test_tsa/response.tsr", "2024-10-08T15:40:32Z"),
        (&staging, "sigstage/response-sha256.tsr", "2025-05-09T11:58:55Z"),
        (&staging, "sigstage/response-no-embedded-cert.tsr", "2025-06-18T08:13:02Z"),
    ] {
        assert_eq!(stamp(root, &read(response), b"hello"), Ok(time(expected)), "{response}");
        // The same token is nobody's word under the other root, whatever certificates it brings.
        let other = if std::ptr::eq(root, &local) { &staging } else { &local };
        let stranger = stamp(other, &read(response), b"hello");
        assert!(matches!(stranger, Err(TokenProblem::Unknown(_))), "{response}: {stranger:?}");
    }
    for response in ["sigstage/response-sha384.tsr", "sigstage/response-sha512.tsr"] {
        stamp(&staging, &read(response), b"hello").unwrap();
    }
    // Certificates that somebody put into a token are not looked at: neither a spoofed authority nor a second one of the
    // true authority's name.
    let injected = [
        read("test_tsa/response-injected-certs.tsr"),
        std::fs::read(vectors.join("timestamp-authority/verification/testdata/response-injected-certs.tsr"))
            .unwrap(),
    ];
    for token in &injected {
        assert_eq!(stamp(&local, token, b"hello"), Ok(time("2024-10-08T15:40:32Z")));
        assert!(matches!(stamp(&staging, token, b"hello"), Err(TokenProblem::Unknown(_))));
    }
    // Another authority of the same name has another key.
    let namesake = stamp(&local, &read("test_tsa/other_response.tsr"), b"hello");
    assert!(matches!(namesake, Err(TokenProblem::Unknown(_))));
    let forged = stamp(&staging, &read("sigstage/response-invalid-signature.tsr"), b"hello");
    assert!(matches!(forged, Err(TokenProblem::Unknown(_))), "{forged:?}");
    let nobody = stamp(&TrustedRoot::default(), &read("test_tsa/response.tsr"), b"hello");
    assert!(matches!(nobody, Err(TokenProblem::Unknown(_))));
    // An authority that is listed by its root alone has no signer.
    let mut headless = local.clone();
    headless.timestamp_authorities[0].chain.drain(..2);
    assert!(matches!(
        stamp(&headless, &read("test_tsa/response.tsr"), b"hello"),
        Err(TokenProblem::Unknown(_))
    ));
}

#[test]
fn m07_m09_m11_a_token_is_over_these_bytes_and_in_its_authoritys_time() {
    let Some(vectors) = vectors() else { return };
    let fixtures = vectors.join("rfc3161-client/fixtures");
    let token = std::fs::read(fixtures.join("test_tsa/response.tsr")).unwrap();
    let staging = root(&fixtures.join("sigstage/ts_chain.pem")).timestamp_authorities;
    let mut root = root(&fixtures.join("test_tsa/ts_chain.pem"));
    for other in [&b"hello "[..], b"", b"hell"] {
        assert_eq!(stamp(&root, &token, other), Err(TokenProblem::OtherBytes));
    }
    let stamped = time("2024-10-08T15:40:32Z");
    let window = |from: Timestamp, until: Option<Timestamp>| {
        let mut root = root.clone();
        root.timestamp_authorities[0].valid_from = from;
        root.timestamp_authorities[0].valid_until = until;
        stamp(&root, &token, b"hello")
    };
    assert_eq!(window(stamped, Some(stamped)), Ok(stamped));
    let outside = Err(TokenProblem::OutsideAuthority(stamped));
    assert_eq!(window(time("2020-01-01T00:00:00Z"), Some(time("2024-10-08T15:40:31Z"))), outside);
    assert_eq!(window(time("2024-10-08T15:40:33Z"), None), outside);
    // Another authority's window lends nothing.
    root.timestamp_authorities[0].valid_until = Some(time("2021-01-01T00:00:00Z"));
    root.timestamp_authorities.extend(staging);
    assert_eq!(stamp(&root, &token, b"hello"), outside);
}

#[test]
fn b02_m06_every_byte_of_a_token_counts() {
    let Some(vectors) = vectors() else { return };
    let fixtures = vectors.join("rfc3161-client/fixtures");
    let token = std::fs::read(fixtures.join("sigstage/response-no-embedded-cert.tsr")).unwrap();
    let root = root(&fixtures.join("sigstage/ts_chain.pem"));
    let good = stamp(&root, &token, b"hello").unwrap();
    for cut in 0..token.len() {
        assert!(stamp(&root, &token[..cut], b"hello").is_err(), "{cut}");
    }
    let mut same = Vec::new();
    for at in 0..token.len() {
        let mut changed = token.clone();
        changed[at] ^= 1;
        match stamp(&root, &changed, b"hello") {
            // Only what nobody signed may change without a trace, and never the time.
            Ok(time) if time == good => same.push(at),
            Ok(time) => panic!("{at}: {time}"),
            Err(_) => {}
        }
    }
    assert!(same.len() < 40, "{same:?}");
}

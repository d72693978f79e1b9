//! The public-good instance's signing configurations.

use sealwax_attestation::{Error, Service, SigningConfig};

use crate::{find, read};

#[test]
fn the_public_good_configurations_are_read() {
    let now = "2026-07-01T00:00:00Z".parse().unwrap();
    for (name, log) in [
        ("signing_config.v0.2.json", "https://rekor.sigstore.dev"),
        ("signing_config_rekor_v2.v0.2.json", "https://log2025-1.rekor.sigstore.dev"),
    ] {
        let Some(path) = find(&format!("root-signing/targets/{name}")) else { return };
        let config = SigningConfig::from_json(&read(&path)).unwrap();
        let url = |service: Result<&Service, Error>| service.unwrap().url.clone();
        assert_eq!(url(config.choose_certificate_authority(now)), "https://fulcio.sigstore.dev");
        assert_eq!(url(config.choose_identity_provider(now)), "https://oauth2.sigstore.dev/auth");
        let logs = config.choose_logs(now).unwrap();
        assert_eq!((logs.services.len(), logs.needed, logs.services[0].url.as_str()), (1, 1, log));
        let authorities = config.choose_timestamp_authorities(now).unwrap();
        assert_eq!(authorities.services[0].url, "https://timestamp.sigstore.dev/api/v1/timestamp");
        assert_eq!(SigningConfig::from_json(config.to_json().as_bytes()).unwrap(), config);
    }
}

#[test]
fn a_configuration_of_the_first_version_is_refused() {
    let Some(path) = find("root-signing/targets/signing_config.json") else { return };
    assert!(matches!(SigningConfig::from_json(&read(&path)), Err(Error::Unsupported { .. })));
}

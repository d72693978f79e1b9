//! The client trust configuration: all that a Sigstore client is told about a deployment, in one file.
//!
//! ```json
//! {"mediaType":"application/vnd.dev.sigstore.clienttrustconfig.v0.1+json",
//!  "trustedRoot":{…},"signingConfig":{…}}
//! ```
//!
//! Source: `ClientTrustConfig` in `sigstore_trustroot.proto` of the Sigstore protobuf specifications. Both parts are required.

use serde_json::json;

use crate::json::{Limits, parse};
use crate::{Error, SigningConfig, TrustedRoot};

/// What to believe, and whom to ask.
#[derive(Clone, Debug, Default)]
pub struct ClientTrustConfig {
    /// What a verifier believes.
    pub trusted_root: TrustedRoot,
    /// Whom signing asks.
    pub signing_config: SigningConfig,
}

impl ClientTrustConfig {
    /// Writes the configuration, indented for people.
    pub fn to_json(&self) -> String {
        let config = json!({
            "mediaType": MEDIA_TYPE,
            "trustedRoot": self.trusted_root.to_value(),
            "signingConfig": self.signing_config.to_value(),
        });
        format!("{config:#}\n")
    }

    /// Reads a configuration.
    ///
    /// # Errors
    /// [`Error::Unsupported`] for another media type, [`Error::Missing`] without one of the parts, what the readers of the
    /// parts say, and shape errors otherwise, unknown fields included.
    pub fn from_json(text: &[u8]) -> Result<Self, Error> {
        let mut config = parse(text, LIMITS)?.object()?;
        config.take("mediaType", |value| match value.name()? {
            name if name == MEDIA_TYPE => Ok(()),
            other => {
                let (path, found) = (String::new(), other.into_owned());
                Err(Error::Unsupported { path, what: "media type", found })
            }
        })?;
        let trusted_root = config.take("trustedRoot", TrustedRoot::read)?;
        let signing_config = config.take("signingConfig", SigningConfig::read)?;
        config.finish().map(|()| Self { trusted_root, signing_config })
    }
}

const MEDIA_TYPE: &str = "application/vnd.dev.sigstore.clienttrustconfig.v0.1+json";
/// Those of both parts.
const LIMITS: Limits = Limits { bytes: 5 << 20, depth: 13, values: 131_072 };

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;
    use crate::Service;

    fn config() -> ClientTrustConfig {
        let service = Service {
            url: "https://ca.example".to_owned(),
            api_version: 1,
            valid_from: "2026-01-01T00:00:00Z".parse().unwrap(),
            valid_until: None,
            operator: "example".to_owned(),
        };
        let signing_config =
            SigningConfig { certificate_authorities: vec![service], ..SigningConfig::default() };
        ClientTrustConfig { trusted_root: TrustedRoot::default(), signing_config }
    }

    fn changed(pointer: &str, value: Value) -> Result<ClientTrustConfig, Error> {
        let mut json: Value = serde_json::from_str(&config().to_json()).unwrap();
        *json.pointer_mut(pointer).unwrap() = value;
        ClientTrustConfig::from_json(json.to_string().as_bytes())
    }

    #[test]
    fn configurations_are_read_as_they_are_written() {
        let read = ClientTrustConfig::from_json(config().to_json().as_bytes()).unwrap();
        assert_eq!(read.signing_config, config().signing_config);
        assert_eq!(read.to_json(), config().to_json());
    }

    #[test]
    fn b11_what_is_not_a_whole_client_trust_configuration_is_refused() {
        for part in ["trustedRoot", "signingConfig"] {
            assert!(
                matches!(changed(&format!("/{part}"), Value::Null), Err(Error::Missing { path }) if path == part)
            );
        }
        for (place, what) in [
            ("/mediaType", "application/vnd.dev.sigstore.trustedroot+json;version=0.1"),
            ("/trustedRoot/mediaType", MEDIA_TYPE),
            ("/signingConfig/mediaType", MEDIA_TYPE),
        ] {
            let found = changed(place, json!(what));
            assert!(
                matches!(&found, Err(Error::Unsupported { path, .. }) if place == format!("/{}", path.replace('.', "/"))),
                "{place}: {found:?}"
            );
        }
        let mut extra: Value = serde_json::from_str(&config().to_json()).unwrap();
        extra["policy"] = json!({});
        let found = ClientTrustConfig::from_json(extra.to_string().as_bytes());
        assert!(matches!(found, Err(Error::UnknownField { path }) if path == "policy"));
    }
}

//! An issuer's discovery document (OpenID Connect Discovery 1.0 section 3), as far as it is needed: where its keys are.
//!
//! ```json
//! {"issuer": "https://accounts.example", "jwks_uri": "https://accounts.example/keys"}
//! ```
//!
//! Where the keys are is learned from here alone, and the document is asked for at the URL of a configured issuer alone:
//! nothing that a token says is ever fetched (attack H01).

use sealwax_attestation::json::{Json, Limits, parse};

use crate::issuers::{Issuer, Place};
use crate::refusal::Refusal;

impl Issuer {
    /// Reads the issuer's discovery document, of at most 64 KiB, and gives the URL of its keys.
    ///
    /// # Errors
    ///
    /// [`Refusal::IssuerDocument`] where the document is none, names another issuer, or a place for the keys that is not https
    /// (http is taken on this machine, and only of an issuer on this machine).
    pub fn keys_url(&self, document: &[u8]) -> Result<String, Refusal> {
        const MALFORMED: Refusal = Refusal::IssuerDocument { what: "discovery document" };
        let read = || {
            let mut object = parse(document, LIMITS)?.object()?;
            let issuer = object.take("issuer", Json::string)?;
            let keys = object.take("jwks_uri", Json::string)?;
            Ok::<_, sealwax_attestation::Error>((issuer, keys))
        };
        let (issuer, keys) = read().map_err(|_| MALFORMED)?;
        let reachable = match Place::of(&keys) {
            Some(Place::Https) => true,
            Some(Place::Loopback) => Place::of(self.url()) == Some(Place::Loopback),
            None => false,
        };
        if issuer != self.url() || !reachable {
            return Err(MALFORMED);
        }
        Ok(keys.into_owned())
    }
}

/// Google's takes 1.3 KB, a Keycloak's 7 KB.
const LIMITS: Limits = Limits { bytes: 64 * 1_024, depth: 8, values: 4_096 };

#[cfg(test)]
mod tests {
    use super::*;
    use crate::issuers::IssuerKind;
    use crate::test_keys::flips;

    fn issuer(url: &str) -> Issuer {
        Issuer::new(url, "sigstore", IssuerKind::Email).unwrap()
    }

    fn document(issuer: &str, keys: &str) -> String {
        format!("{{\"issuer\":\"{issuer}\",\"jwks_uri\":\"{keys}\",\"scopes_supported\":[\"openid\"]}}")
    }

    #[test]
    fn gives_the_place_of_the_keys() {
        let document = document("https://a.example", "https://keys.example/a?no");
        assert!(issuer("https://a.example").keys_url(document.as_bytes()).is_err());
        let document = self::document("https://a.example", "https://keys.example:8443/a");
        let keys = issuer("https://a.example").keys_url(document.as_bytes());
        assert_eq!(keys.unwrap(), "https://keys.example:8443/a");
        let local = "http://127.0.0.1:8080";
        let document = self::document(local, "http://[::1]:8081/keys");
        assert_eq!(issuer(local).keys_url(document.as_bytes()).unwrap(), "http://[::1]:8081/keys");
    }

    #[test]
    fn h01_refuses_other_issuers_and_places() {
        let url = "https://a.example";
        for (name, keys) in [
            ("https://a.example/", "https://a.example/keys"),
            ("https://A.example", "https://a.example/keys"),
            (url, "http://a.example/keys"),
            (url, "http://127.0.0.1/keys"),
            (url, "file:///etc/passwd"),
            (url, "ftp://a.example/keys"),
            (url, "https://"),
            (url, "https:///keys"),
            (url, "https://user@a.example/keys"),
            (url, "https://a.example:0/keys"),
            (url, "https://a.example:99999/keys"),
            (url, "https://a.example\\\\@b.example/keys"),
            (url, "//a.example/keys"),
            (url, "keys"),
            (url, ""),
        ] {
            let refused = issuer(url).keys_url(document(name, keys).as_bytes());
            assert!(matches!(refused, Err(Refusal::IssuerDocument { .. })), "{name} {keys}");
        }
        let twice =
            format!("{{\"issuer\":\"{url}\",\"issuer\":\"{url}\",\"jwks_uri\":\"https://a.example/k\"}}");
        assert!(issuer(url).keys_url(twice.as_bytes()).is_err());
        // A local issuer over http is for tests of one machine; it never leads elsewhere unprotected.
        let document = document("http://localhost", "http://a.example/keys");
        assert!(issuer("http://localhost").keys_url(document.as_bytes()).is_err());
    }

    #[test]
    fn changed_documents_never_panic() {
        let url = "https://a.example";
        let document = document(url, "https://a.example/keys");
        let taken =
            flips(document.as_bytes()).filter(|changed| issuer(url).keys_url(changed).is_ok()).count();
        assert!(taken > 0);
    }
}

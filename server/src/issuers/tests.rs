use std::sync::atomic::{AtomicUsize, Ordering};

use sealwax_authority::IssuerKind;

use super::*;

/// An issuer's server, which can be told to misbehave.
#[derive(Default)]
struct Web {
    asked: AtomicUsize,
    status: AtomicUsize,
}

impl Get for Web {
    fn get(&self, url: &str, _: u64) -> Result<Answered, String> {
        self.asked.fetch_add(1, Ordering::SeqCst);
        let status = match self.status.load(Ordering::SeqCst) {
            0 => 200,
            other => u16::try_from(other).unwrap(),
        };
        let body = match url {
            "https://one.example/.well-known/openid-configuration" => {
                r#"{"issuer":"https://one.example","jwks_uri":"https://keys.example/jwks"}"#
            }
            "https://two.example/.well-known/openid-configuration" => {
                r#"{"issuer":"https://one.example","jwks_uri":"https://keys.example/jwks"}"#
            }
            "https://keys.example/jwks" => r#"{"keys":[]}"#,
            other => return Err(format!("{other}: nobody is there")),
        };
        Ok(Answered { status, body: body.as_bytes().to_vec() })
    }
}

fn ring(web: &Arc<Web>) -> KeyRing {
    let issuers = ["https://one.example", "https://two.example", "https://three.example"];
    let issuers = issuers.map(|url| Issuer::new(url, "sigstore", IssuerKind::Email).unwrap()).to_vec();
    let get: Arc<dyn Get> = Arc::<Web>::clone(web);
    KeyRing::new(get, &Issuers::new(issuers).unwrap())
}

#[tokio::test]
async fn keys_are_kept_and_asked_for_anew_no_more_than_once_a_minute() {
    let web = Arc::new(Web::default());
    let ring = ring(&web);
    let start = Instant::now();
    let asked = || web.asked.load(Ordering::SeqCst);
    let keys = async |wanted, seconds| {
        ring.keys("https://one.example", wanted, start + Duration::from_secs(seconds)).await.unwrap();
    };
    keys(Wanted::Kept, 0).await;
    assert_eq!(asked(), 2, "the document, and the keys");
    keys(Wanted::Kept, 3_599).await;
    keys(Wanted::Newer, 59).await;
    assert_eq!(asked(), 2);
    keys(Wanted::Newer, 60).await;
    assert_eq!(asked(), 4);
    keys(Wanted::Kept, 60 + 3_600).await;
    assert_eq!(asked(), 6);
}

#[tokio::test]
async fn h02_an_issuer_that_is_down_lies_or_redirects_has_no_keys_and_stops_no_other() {
    let web = Arc::new(Web::default());
    let ring = ring(&web);
    let start = Instant::now();
    let at = |seconds| start + Duration::from_secs(seconds);
    for issuer in ["https://two.example", "https://three.example", "https://four.example"] {
        assert!(ring.keys(issuer, Wanted::Kept, start).await.is_err(), "{issuer}");
        ring.keys("https://one.example", Wanted::Kept, start).await.unwrap();
    }
    let asked = web.asked.load(Ordering::SeqCst);
    assert!(ring.keys("https://three.example", Wanted::Kept, at(4)).await.is_err());
    assert_eq!(web.asked.load(Ordering::SeqCst), asked, "not again at once");

    // What it had is believed for a day.
    for status in [302, 404, 500] {
        web.status.store(status, Ordering::SeqCst);
        ring.keys("https://one.example", Wanted::Kept, at(24 * 3_600 - 1)).await.unwrap();
        assert!(ring.keys("https://one.example", Wanted::Kept, at(24 * 3_600 + 9)).await.is_err());
    }
}

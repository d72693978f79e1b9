use serde_json::Value;

use super::*;
use crate::mutations::mutations;

fn service(url: &str, api_version: u32, operator: &str, start: &str, end: Option<&str>) -> Service {
    Service {
        url: url.to_owned(),
        api_version,
        valid_from: start.parse().unwrap(),
        valid_until: end.map(|end| end.parse().unwrap()),
        operator: operator.to_owned(),
    }
}

fn exact(count: u32) -> Selector {
    Selector::Exact(NonZeroU32::new(count).unwrap())
}

fn config() -> SigningConfig {
    let start = "2026-01-01T00:00:00Z";
    let frozen = service("https://old.example", 2, "log.example", start, Some("2026-06-30T23:59:59Z"));
    SigningConfig {
        certificate_authorities: vec![service("https://ca.example", 1, "example", start, None)],
        identity_providers: vec![service("https://id.example/auth", 1, "example", start, None)],
        logs: vec![frozen, service("http://127.0.0.1:3000", 2, "log.example", start, None)],
        log_selector: Selector::Any,
        timestamp_authorities: vec![
            service("https://tsa.example/api/v1/timestamp", 1, "example", start, None),
            service("https://tsa.other.example/", 1, "other", start, None),
        ],
        timestamp_selector: exact(2),
    }
}

fn now() -> Timestamp {
    "2026-07-01T00:00:00Z".parse().unwrap()
}

fn changed(pointer: &str, value: Value) -> Result<SigningConfig, Error> {
    let mut json = config().to_value();
    *json.pointer_mut(pointer).unwrap() = value;
    SigningConfig::from_json(json.to_string().as_bytes())
}

#[test]
fn configurations_are_read_as_they_are_written() {
    let all = SigningConfig { log_selector: Selector::All, ..config() };
    for config in [config(), all, SigningConfig::default()] {
        assert_eq!(SigningConfig::from_json(config.to_json().as_bytes()).unwrap(), config);
    }
}

#[test]
fn clients_find_what_they_need_in_what_is_written() {
    let json: Value = serde_json::from_str(&config().to_json()).unwrap();
    assert_eq!(json["mediaType"], MEDIA_TYPE);
    assert_eq!(json["rekorTlogConfig"], json!({"selector": "ANY"}));
    assert_eq!(json["tsaConfig"], json!({"selector": "EXACT", "count": 2}));
    assert_eq!(
        json["rekorTlogUrls"][1],
        json!({"url": "http://127.0.0.1:3000", "majorApiVersion": 2,
            "validFor": {"start": "2026-01-01T00:00:00Z"}, "operator": "log.example"})
    );
    // sigstore-python wants every list, and refuses a selector of nothing.
    let empty = SigningConfig::default().to_value();
    for list in ["caUrls", "oidcUrls", "rekorTlogUrls", "tsaUrls"] {
        assert_eq!(empty[list], json!([]), "{list}");
    }
    assert!(empty.get("tsaConfig").is_none());
    // cosign writes an empty one, which is as good as none beside an empty list and nowhere else.
    let mut cosign = empty.clone();
    cosign["tsaConfig"] = json!({});
    let read = SigningConfig::from_json(cosign.to_string().as_bytes()).unwrap();
    assert_eq!(read, SigningConfig::default());
    assert!(matches!(changed("/tsaConfig", json!({})), Err(Error::Missing { path }) if path == "tsaConfig"));
}

#[test]
fn the_highest_version_that_is_valid_now_and_the_newest_start_come_first() {
    let since = |day: &str| format!("2026-{day}T00:00:00Z");
    let logs = vec![
        service("https://v1-newest", 1, "a", &since("06-01"), None),
        service("https://v2-older", 2, "a", &since("01-01"), None),
        service("https://v2-newer", 2, "a", &since("03-01"), None),
        service("https://v3-unknown", 3, "a", &since("03-01"), None),
        service("https://v2-to-come", 2, "a", &since("07-02"), None),
        service("https://v2-retired", 2, "a", &since("04-01"), Some(&since("06-30"))),
        service("https://v2-other", 2, "b", &since("02-01"), None),
        service("https://v1-third", 1, "c", &since("06-30"), Some(&since("07-01"))),
    ];
    let urls = |selector, logs: &[Service]| {
        let config =
            SigningConfig { logs: logs.to_vec(), log_selector: selector, ..SigningConfig::default() };
        config.choose_logs(now()).map(|chosen| {
            (chosen.services.iter().map(|log| log.url.clone()).collect::<Vec<_>>(), chosen.needed)
        })
    };
    let order = ["https://v2-newer", "https://v2-other", "https://v1-third"];
    for (selector, needed) in [(Selector::Any, 1), (Selector::All, 3), (exact(1), 1), (exact(3), 3)] {
        let (found, count) = urls(selector, &logs).unwrap();
        assert_eq!((found.as_slice(), count), (order.map(str::to_owned).as_slice(), needed), "{selector:?}");
    }
    // More instances of one operator never make up for another operator.
    let refused = urls(exact(4), &logs);
    assert!(
        matches!(refused, Err(Error::TooFewServices { what: "log", needed: 4, found: 3 })),
        "{refused:?}"
    );
    for selector in [Selector::Any, Selector::All, exact(1)] {
        let refused = urls(selector, logs.get(3..6).unwrap());
        assert!(matches!(refused, Err(Error::TooFewServices { needed: 1, found: 0, .. })), "{refused:?}");
    }
}

#[test]
fn authorities_are_chosen_by_the_same_rule() {
    let good = config();
    assert_eq!(good.choose_certificate_authority(now()).unwrap().url, "https://ca.example");
    assert_eq!(good.choose_identity_provider(now()).unwrap().url, "https://id.example/auth");
    assert_eq!(good.choose_timestamp_authorities(now()).unwrap().needed, 2);
    let mut other = good.clone();
    for list in [
        &mut other.certificate_authorities,
        &mut other.identity_providers,
        &mut other.logs,
        &mut other.timestamp_authorities,
    ] {
        list.iter_mut().for_each(|service| service.api_version = 3);
    }
    let few = |found: Option<Error>| matches!(found, Some(Error::TooFewServices { found: 0, .. }));
    assert!(few(other.choose_certificate_authority(now()).err()));
    assert!(few(other.choose_identity_provider(now()).err()));
    assert!(few(other.choose_timestamp_authorities(now()).err()));
    let before = Timestamp::UNIX_EPOCH;
    assert!(few(good.choose_certificate_authority(before).err()));
    assert!(few(good.choose_logs(before).err()));
    // None listed is none asked: a log that states a time needs no other.
    let none = SigningConfig { timestamp_authorities: Vec::new(), ..good };
    let chosen = none.choose_timestamp_authorities(now()).unwrap();
    assert_eq!(chosen, Chosen { services: Vec::new(), needed: 0 });
}

#[test]
fn what_is_not_a_signing_configuration_is_refused() {
    for other in ["application/vnd.dev.sigstore.signingconfig.v0.1+json", "application/json", "", "~"]
        .map(|text| json!(text))
    {
        assert!(matches!(changed("/mediaType", other), Err(Error::Unsupported { .. })));
    }
    for selector in ["any", "SERVICE_SELECTOR_UNDEFINED", "", "MOST"] {
        let found = changed("/rekorTlogConfig/selector", json!(selector));
        assert!(
            matches!(&found, Err(Error::Unsupported { path, .. }) if path == "rekorTlogConfig.selector"),
            "{found:?}"
        );
    }
    for count in [json!(0), json!(-1), json!(1.5), json!("2"), json!(1_u64 << 32), Value::Null] {
        assert!(changed("/tsaConfig/count", count.clone()).is_err(), "{count}");
    }
    let counted = changed("/rekorTlogConfig", json!({"selector": "ANY", "count": 2}));
    assert!(matches!(counted, Err(Error::UnknownField { path }) if path == "rekorTlogConfig.count"));
    for version in [json!(-1), json!("2"), json!(2.0), json!(1_u64 << 32), Value::Null] {
        assert!(changed("/rekorTlogUrls/0/majorApiVersion", version.clone()).is_err(), "{version}");
    }
    for url in ["", "log.example", "ftp://log.example", "file:///etc/passwd"] {
        assert!(matches!(changed("/caUrls/0/url", json!(url)), Err(Error::Shape { .. })), "{url}");
    }
    for list in ["rekorTlogConfig", "tsaConfig"] {
        let found = changed(&format!("/{list}"), Value::Null);
        assert!(matches!(&found, Err(Error::Missing { path }) if path == list), "{found:?}");
    }
    assert!(matches!(changed("/rekorTlogUrls/0/validFor", json!({})), Err(Error::Missing { .. })));
    let many = json!(vec![json!({}); 1_025]);
    assert!(matches!(changed("/caUrls", many), Err(Error::TooMany { limit: 1_024, .. })));
}

#[test]
fn b08_a_configuration_changed_anywhere_is_refused_or_means_something_else() {
    for mutation in mutations(&config().to_value()) {
        let read = SigningConfig::from_json(mutation.text.as_bytes());
        assert!(read.is_err() || read.unwrap() != config(), "{}", mutation.what);
    }
}

use super::*;

fn refused(text: &str) -> Error {
    KeyUri::parse(text).unwrap_err()
}

#[test]
fn reads_every_attribute() {
    let text = "pkcs11:token=My%20token;manufacturer=Snake%20Oil,%20Inc.;model=1.0;serial=DECC0401;type=private;\
                object=models;id=%00%ff1?module-path=/usr/lib/a%20b.so&pin-source=file:/etc/pin";
    let uri = KeyUri::parse(text).unwrap();
    assert_eq!(uri.token.as_deref(), Some("My token"));
    assert_eq!(uri.manufacturer.as_deref(), Some("Snake Oil, Inc."));
    assert_eq!(uri.model.as_deref(), Some("1.0"));
    assert_eq!(uri.serial.as_deref(), Some("DECC0401"));
    assert_eq!(uri.object.as_deref(), Some("models"));
    assert_eq!(uri.id.as_deref(), Some(&[0, 0xff, b'1'][..]));
    assert_eq!(uri.module(), Some(Path::new("/usr/lib/a b.so")));
    assert_eq!(uri.pin_source(), Some(Path::new("/etc/pin")));
    for text in ["pkcs11:object=a?pin-source=/etc/pin", "PKCS11:object=a?pin-source=file:///etc/pin"] {
        assert_eq!(KeyUri::parse(text).unwrap().pin_source(), Some(Path::new("/etc/pin")), "{text}");
    }
}

#[test]
fn one_condition_more_or_less_is_another_key() {
    for name in ["slot-id", "x-vendor", "Object", "library-version", "module-path", ""] {
        let text = format!("pkcs11:object=a;{name}=1");
        assert_eq!(refused(&text), Error::UnknownAttribute { name: name.to_owned() });
    }
    for name in ["module-name", "object", "x-vendor"] {
        let text = format!("pkcs11:object=a?{name}=1");
        assert_eq!(refused(&text), Error::UnknownAttribute { name: name.to_owned() });
    }
    for (text, name) in [
        ("pkcs11:object=a;object=a", "object"),
        ("pkcs11:id=a;token=t;id=b", "id"),
        ("pkcs11:object=a?module-path=/a&module-path=/b", "module-path"),
        ("pkcs11:object=a;type=private;type=private", "type"),
    ] {
        assert_eq!(refused(text), Error::DuplicateAttribute { name: name.to_owned() });
    }
    for text in [
        "",
        "pkcs11",
        "pkcs11:",
        "pkcs11:token=only",
        "pkcs11:object",
        "pkcs11:object=",
        "pkcs11:object=a;",
        "pkcs11:object=a?",
        "pkcs11:object=a;type=public",
        "pkcs11:object=a b",
        "pkcs11:object=ä",
        "pkcs11:object=%e4",
        "pkcs11:object=%",
        "pkcs11:object=%4",
        "pkcs11:object=%g0",
        "pkcs11:object=%+1",
        "pkcs11:object=a%00b",
        "pkcs11:object=a#b",
        "pkcs11:object=a?module-path=/a?module-path=/b",
        "pkcs11:object=a?pin-source=pin",
        "pkcs11:object=a?pin-source=file:pin",
        "pkcs11:object=a?pin-source=https://example.com/pin",
        "pkcs11:object=a?pin-source=%7ccat",
        "file:object=a",
        " pkcs11:object=a",
    ] {
        assert!(matches!(refused(text), Error::Uri { .. }), "{text}");
    }
    assert!(matches!(refused(&format!("pkcs11:object={}", "a".repeat(9_000))), Error::Uri { .. }));
}

#[test]
fn k08_a_pin_in_the_uri_is_refused_and_not_repeated() {
    for text in ["pkcs11:object=a?pin-value=1234", "pkcs11:object=a;pin-value=1234"] {
        assert_eq!(refused(text), Error::PinInUri);
        assert!(!refused(text).to_string().contains("1234"));
    }
}

#[test]
fn a_module_is_never_found_by_searching() {
    for path in ["evil.so", "./evil.so", "lib/evil.so"] {
        assert_eq!(refused(&format!("pkcs11:object=a?module-path={path}")), Error::RelativeModule);
    }
}

#[test]
fn a_path_is_not_taken_for_a_uri() {
    for text in ["key.pem", "./pkcs11:object=a", "pkcs1", "/pkcs11:", "ｐkcs11:object=a"] {
        assert!(!KeyUri::is_meant_by(text), "{text}");
    }
    assert!(KeyUri::is_meant_by("pkcs11:") && KeyUri::is_meant_by("PKCS11:x"));
}

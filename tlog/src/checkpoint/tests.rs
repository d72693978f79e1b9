use sealwax_keys::{KeyKind, SecretKey};

use super::*;

fn checkpoint() -> Checkpoint {
    Checkpoint {
        origin: "example.com/log".into(),
        size: 7,
        root: Hash::leaf(b"root"),
        extensions: Vec::new(),
    }
}

#[test]
fn text_and_value_are_one_to_one() {
    let mut value = checkpoint();
    for extensions in [vec![], vec!["one".to_owned()], vec!["one two".to_owned(), "three".to_owned()]] {
        value.extensions = extensions;
        assert_eq!(Checkpoint::parse(&value.to_text().unwrap()).unwrap(), value);
    }
    let largest = Checkpoint { size: u64::MAX, ..checkpoint() };
    assert_eq!(Checkpoint::parse(&largest.to_text().unwrap()).unwrap(), largest);
    // Rekor v1's origins contain spaces.
    let spaced = Checkpoint { origin: "rekor.sigstore.dev - 2605736670972794746".into(), ..checkpoint() };
    assert_eq!(Checkpoint::parse(&spaced.to_text().unwrap()).unwrap(), spaced);
}

#[test]
fn t08_malformed_checkpoints() {
    let root = Hash::leaf(b"root").to_base64();
    let short = &root[..40];
    for text in [
        String::new(),
        "\n".into(),
        "\n\n\n".into(),
        "log\n".into(),
        "log\n7\n".into(),
        format!("log\n{root}\n"),
        format!("\n7\n{root}\n"),
        format!("\nlog\n7\n{root}\n"),
        format!("7\nlog\n{root}\n"),
        format!("log\n7\n{root}"),
        format!("log\n7\n{root}\n\n"),
        format!("log\n7\n{root}\n\nextension\n"),
        format!("log\n\n7\n{root}\n"),
        format!("log\n07\n{root}\n"),
        format!("log\n+7\n{root}\n"),
        format!("log\n-7\n{root}\n"),
        format!("log\n 7\n{root}\n"),
        format!("log\n7 \n{root}\n"),
        format!("log\n0x7\n{root}\n"),
        format!("log\n7.0\n{root}\n"),
        format!("log\n7e0\n{root}\n"),
        format!("log\n\u{0667}\n{root}\n"),
        format!("log\n18446744073709551616\n{root}\n"),
        format!("log\n00\n{}\n", EMPTY_ROOT.to_base64()),
        format!("log\n0\n{root}\n"),
        format!("log\r\n7\r\n{root}\r\n"),
        format!("log\n7\n{root} \n"),
        format!("log\n7\n{short}\n"),
        format!("log\n7\n{}\n", root.trim_end_matches('=')),
        format!("log\n7\n{}\n", hex::encode(Hash::leaf(b"root").as_bytes())),
        format!("lo\tg\n7\n{root}\n"),
        format!("log\n7\n{root}\next\u{1}\n"),
    ] {
        assert!(Checkpoint::parse(&text).is_err(), "{text:?}");
    }
    Checkpoint::parse(&format!("log\n7\n{root}\n")).unwrap();
    Checkpoint::parse(&format!("log\n0\n{}\n", EMPTY_ROOT.to_base64())).unwrap();
}

#[test]
fn t08_values_that_would_write_another_checkpoint_are_not_written() {
    for origin in ["", "log\n9", "lo\rg"] {
        assert!(Checkpoint { origin: origin.into(), ..checkpoint() }.to_text().is_err(), "{origin:?}");
    }
    for extension in ["", "a\nb"] {
        assert!(Checkpoint { extensions: vec![extension.into()], ..checkpoint() }.to_text().is_err());
    }
    assert!(Checkpoint { size: 0, ..checkpoint() }.to_text().is_err());
}

#[test]
fn t07_open_wants_the_key_and_its_own_origin() {
    let key = SecretKey::generate(KeyKind::Ed25519).unwrap();
    let name = VerifierKey::from_ed25519("example.com/log", key.public_key()).unwrap();
    let note = checkpoint().sign(&key).unwrap().to_bytes();
    assert_eq!(Checkpoint::open(&note, &name).unwrap(), checkpoint());

    // The right key signing for another origin, under its own name.
    let other = Checkpoint { origin: "example.com/other".into(), ..checkpoint() };
    let spoofed = SignedNote::sign(&other.to_text().unwrap(), "example.com/log", &key).unwrap().to_bytes();
    assert!(
        matches!(Checkpoint::open(&spoofed, &name), Err(Error::Origin { found, .. }) if found == other.origin)
    );
    assert!(matches!(
        Checkpoint::open(&other.sign(&key).unwrap().to_bytes(), &name),
        Err(Error::NoKnownSignature)
    ));

    let stranger = SecretKey::generate(KeyKind::Ed25519).unwrap();
    let forged = checkpoint().sign(&stranger).unwrap().to_bytes();
    assert!(matches!(Checkpoint::open(&forged, &name), Err(Error::NoKnownSignature)));

    let not_a_checkpoint = SignedNote::sign("hello\n", "example.com/log", &key).unwrap().to_bytes();
    assert!(matches!(Checkpoint::open(&not_a_checkpoint, &name), Err(Error::Checkpoint { .. })));

    // A cosignature is not the log's signature, even by the same key and name.
    let mut cosigned = checkpoint().sign(&stranger).unwrap();
    cosigned.cosign("example.com/log", &key, 1).unwrap();
    assert!(Checkpoint::open(&cosigned.to_bytes(), &name).is_err());
}

#[test]
fn w04_size_0_has_the_root_of_the_empty_tree_or_is_refused_as_such() {
    let root = Hash::leaf(b"root");
    let text = format!("log\n0\n{}\n", root.to_base64());
    assert!(matches!(Checkpoint::parse(&text), Err(Error::EmptyTreeRoot { found }) if found == root));
}

/// A checkpoint of a Rekor v1 log, signed under a name with a key on P-256.
fn rekor_v1(origin: &str, name: &str, key: &SecretKey) -> Vec<u8> {
    use base64::Engine as _;
    let text = format!("{origin}\n1\n{}\n", Hash::leaf(b"entry").to_base64());
    let id = VerifierKey::from_ecdsa(name, key.public_key()).unwrap().key_id();
    let signed = [&id[..], &key.sign(text.as_bytes()).unwrap()].concat();
    let signed = base64::engine::general_purpose::STANDARD.encode(signed);
    format!("{text}\n\u{2014} {name} {signed}\n").into_bytes()
}

#[test]
fn t08_a_rekor_v1_origin_is_the_keys_name_with_a_tree() {
    let key = SecretKey::generate(KeyKind::P256).unwrap();
    let verifier = VerifierKey::from_ecdsa("log.example", key.public_key()).unwrap();
    let open = |origin: &str, name: &str| Checkpoint::open_rekor_v1(&rekor_v1(origin, name, &key), &verifier);
    for (origin, name) in [("log.example - 1", "log.example"), ("log.example:8000 - 20", "log.example:8000")]
    {
        assert_eq!(open(origin, name).unwrap().origin, origin);
    }
    for origin in [
        "log.example",
        "log.example - ",
        "log.example - 01",
        "log.example - x",
        "log.example - 1 ",
        "log.example -1",
        "evil.example - 1",
        "log.example.evil - 1",
        "evil.example:log.example - 1",
        "log.example:x - 1",
        "log.example: - 1",
    ] {
        let name = origin.split(' ').next().unwrap();
        let found = open(origin, name);
        assert!(matches!(found, Err(Error::Origin { .. })), "{origin}: {found:?}");
    }
    // The line that signs must be by the name that the origin has.
    assert!(matches!(open("log.example - 1", "other.example"), Err(Error::NoKnownSignature)));
    let other = SecretKey::generate(KeyKind::P256).unwrap();
    let forged = Checkpoint::open_rekor_v1(&rekor_v1("log.example - 1", "log.example", &other), &verifier);
    assert!(matches!(forged, Err(Error::NoKnownSignature)));
}

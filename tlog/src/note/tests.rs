use sealwax_keys::KeyKind;
use serde::Deserialize;

use super::*;
use crate::vectors;

#[derive(Deserialize)]
struct NoteVectors {
    notes: Vec<NoteVector>,
}

#[derive(Deserialize)]
struct NoteVector {
    name: String,
    note_b64: String,
    verifier_keys: Vec<String>,
    result: String,
    verified: Option<Vec<String>>,
}

#[test]
fn t09_public_note_vectors() {
    let Some(folder) = vectors::folder("signed-note") else { return };
    let known: NoteVectors = vectors::json(folder.join("signed-note.json"));
    assert_eq!(known.notes.len(), 17);
    for v in known.notes {
        let bytes = vectors::base64(&v.note_b64);
        let keys: Vec<VerifierKey> =
            v.verifier_keys.iter().map(|key| VerifierKey::parse(key).unwrap()).collect();
        let result = SignedNote::parse(&bytes).and_then(|note| {
            assert_eq!(note.to_bytes(), bytes, "{}", v.name);
            Ok(note.verify(&keys)?.iter().map(|signer| signer.key.name().to_owned()).collect::<Vec<_>>())
        });
        match v.result.as_str() {
            "ok" => assert_eq!(result.unwrap(), v.verified.unwrap(), "{}", v.name),
            "unverified" => assert!(matches!(result, Err(Error::NoKnownSignature)), "{}: {result:?}", v.name),
            _ => assert!(matches!(result, Err(ref e) if !matches!(e, Error::NoKnownSignature)), "{}", v.name),
        }
    }
}

fn signer(name: &str) -> (SecretKey, VerifierKey) {
    let key = SecretKey::generate(KeyKind::Ed25519).unwrap();
    let verifier = VerifierKey::from_ed25519(name, key.public_key()).unwrap();
    (key, verifier)
}

/// One note signed by one key, as text to edit.
fn signed() -> (String, VerifierKey) {
    let (key, verifier) = signer("log");
    let note = SignedNote::sign("text\n", "log", &key).unwrap();
    (String::from_utf8(note.to_bytes()).unwrap(), verifier)
}

#[test]
fn what_is_signed_parses_verifies_and_writes_back() {
    let (key, verifier) = signer("example.com/log");
    for text in ["a\n", "\n", "a\n\nb\n", "\u{2014} not a signature\n\n\n", "été\n"] {
        let note = SignedNote::sign(text, "example.com/log", &key).unwrap();
        let parsed = SignedNote::parse(&note.to_bytes()).unwrap();
        assert_eq!(parsed, note);
        assert_eq!(parsed.text(), text);
        let verified = parsed.verify(std::slice::from_ref(&verifier)).unwrap();
        assert_eq!((verified.len(), verified[0].timestamp), (1, None));
        assert_eq!(
            (parsed.signatures()[0].name(), parsed.signatures()[0].key_id()),
            (verifier.name(), verifier.key_id())
        );
    }
    for text in ["", "no line end", "cr\r\n", "tab\t\n", "nul\0\n"] {
        assert!(matches!(SignedNote::sign(text, "log", &key), Err(Error::Note { .. })), "{text:?}");
    }
    assert!(SignedNote::sign("a\n", "lo g", &key).is_err());
    let wrong_kind = SecretKey::generate(KeyKind::P256).unwrap();
    assert!(matches!(SignedNote::sign("a\n", "log", &wrong_kind), Err(Error::VerifierKey { .. })));
}

#[test]
fn t09_every_changed_byte_of_a_note_is_refused() {
    let (note, verifier) = signed();
    let keys = [verifier];
    SignedNote::parse(note.as_bytes()).unwrap().verify(&keys).unwrap();
    for i in 0..note.len() {
        let mut bytes = note.clone().into_bytes();
        bytes[i] = bytes[i].wrapping_add(1);
        let result =
            SignedNote::parse(&bytes).and_then(|note| note.verify(&keys).map(|verified| verified.len()));
        assert!(result.is_err(), "byte {i}");
        assert!(SignedNote::parse(&note.as_bytes()[..i]).is_err(), "cut at {i}");
    }
}

#[test]
fn t09_malformed_signature_lines() {
    let (note, _) = signed();
    let line = note.lines().last().unwrap();
    let blob = line.rsplit(' ').next().unwrap();
    let dash = '\u{2014}';
    for bad in [
        String::new(),
        format!("- log {blob}"),
        format!("{dash}log {blob}"),
        format!(" {dash} log {blob}"),
        format!("{dash} log  {blob}"),
        format!("{dash} log {blob} "),
        format!("{dash}  {blob}"),
        format!("{dash} {blob}"),
        format!("{dash} log"),
        format!("{dash} log "),
        format!("{dash} lo+g {blob}"),
        format!("{dash} lo\u{a0}g {blob}"),
        format!("{dash} lo\u{85}g {blob}"),
        format!("{dash} log AAAA"),
        format!("{dash} log AAAAAA=="),
        format!("{dash} log {}", blob.trim_end_matches('=')),
        format!("{dash} log {}", blob.replace('=', "\u{ff1d}")),
        format!("{dash} log {}", blob.replace('+', "-").replace('/', "_") + "-_"),
        format!("{line}\r"),
        format!("{line}\n{line} "),
    ] {
        let bytes = format!("text\n\n{bad}\n").into_bytes();
        assert!(SignedNote::parse(&bytes).is_err(), "{bad:?}");
    }
    let without_line_end = note.trim_end();
    for bad in ["", "\n", "\n\n", "text", "text\n", "text\n\n", line, without_line_end, &format!("{note}\n")]
    {
        assert!(SignedNote::parse(bad.as_bytes()).is_err(), "{bad:?}");
    }
}

#[test]
fn t08_unknown_keys_are_ignored_even_when_they_share_name_or_identifier() {
    let (note, verifier) = signed();
    let line = note.lines().last().unwrap();
    let blob = line.rsplit(' ').next().unwrap();
    // The same identifier under another name, and the same name with another identifier, both with garbage behind it.
    let same_id = format!("\u{2014} other {blob}\n");
    let same_name = format!("\u{2014} log {}\n", STANDARD.encode([9u8; 68]));
    let long = format!("{note}{same_id}{same_name}");
    let parsed = SignedNote::parse(long.as_bytes()).unwrap();
    assert_eq!(parsed.verify(std::slice::from_ref(&verifier)).unwrap().len(), 1);
    let only_strangers = format!("text\n\n{same_id}{same_name}");
    let parsed = SignedNote::parse(only_strangers.as_bytes()).unwrap();
    assert!(matches!(parsed.verify(&[verifier]), Err(Error::NoKnownSignature)));
    assert!(matches!(parsed.verify(&[]), Err(Error::NoKnownSignature)));
}

#[test]
fn t08_good_and_bad_signature_of_one_key_refuse_the_note_in_either_order() {
    let (note, verifier) = signed();
    let keys = [verifier];
    let line = note.lines().last().unwrap();
    let mut blob = vectors::base64(line.rsplit(' ').next().unwrap());
    blob[30] ^= 1;
    let bad = format!("\u{2014} log {}", STANDARD.encode(&blob));
    let short = format!("\u{2014} log {}", STANDARD.encode(&blob[..20]));
    for lines in [[line, &bad], [&bad, line], [line, &short]] {
        let parsed = SignedNote::parse(format!("text\n\n{}\n{}\n", lines[0], lines[1]).as_bytes()).unwrap();
        assert!(matches!(parsed.verify(&keys), Err(Error::BadSignature { name }) if name == "log"));
    }
    let twice = SignedNote::parse(format!("{note}{line}\n").as_bytes()).unwrap();
    assert_eq!(twice.verify(&keys).unwrap().len(), 1);
}

#[test]
fn t08_two_known_keys_that_one_line_could_mean_are_an_error() {
    let (note, verifier) = signed();
    let (_, other) = signer("other");
    let parsed = SignedNote::parse(note.as_bytes()).unwrap();
    let keys = [verifier.clone(), other, verifier];
    assert!(matches!(parsed.verify(&keys), Err(Error::AmbiguousKey { name }) if name == "log"));
    assert_eq!(parsed.verify(&keys[..2]).unwrap().len(), 1);
}

#[test]
fn t08_a_hundred_signatures_are_accepted_and_one_more_is_not() {
    let (note, verifier) = signed();
    let line = note.lines().last().unwrap();
    let with = |count| format!("text\n\n{}", format!("{line}\n").repeat(count));
    let keys = [verifier];
    for count in [1, 16, 100] {
        let parsed = SignedNote::parse(with(count).as_bytes()).unwrap();
        assert_eq!(parsed.verify(&keys).unwrap().len(), 1);
    }
    assert!(matches!(SignedNote::parse(with(101).as_bytes()), Err(Error::Note { .. })));
    assert!(matches!(SignedNote::parse(with(20_000).as_bytes()), Err(Error::Note { .. })));
}

#[test]
fn t08_an_oversized_note_is_refused_before_it_is_read() {
    let (key, _) = signer("log");
    let note = |length: usize| {
        let note = SignedNote::sign(&format!("{}\n", "x".repeat(length)), "log", &key).unwrap().to_bytes();
        (note.len(), SignedNote::parse(&note))
    };
    let (overhead, _) = note(0);
    assert!(matches!(note(MAX_NOTE - overhead), (MAX_NOTE, Ok(_))));
    assert!(matches!(note(MAX_NOTE - overhead + 1).1, Err(Error::Note { .. })));
}

#[test]
fn t08_control_characters_and_crlf_are_no_part_of_a_note() {
    let (note, _) = signed();
    for control in ['\0', '\t', '\r', '\u{1b}', '\u{1f}'] {
        let with = note.replacen("text", &format!("te{control}xt"), 1);
        assert!(matches!(SignedNote::parse(with.as_bytes()), Err(Error::Note { .. })), "{control:?}");
    }
    let crlf = note.replacen("text\n", "text\r\n", 1);
    assert!(matches!(SignedNote::parse(crlf.as_bytes()), Err(Error::Note { .. })));
    // What is above ASCII is text, whatever it looks like; escaping it for people is for who prints it.
    SignedNote::parse(note.replacen("text", "te\u{202e}xt", 1).as_bytes()).unwrap();
}

#[test]
fn a_signature_that_does_not_verify_or_is_one_too_many_is_not_added() {
    let (key, verifier) = signer("log");
    let mut note = SignedNote::sign("text\n", "log", &key).unwrap();
    let other = key.sign_with(Scheme::Ed25519, b"other text\n").unwrap();
    assert!(matches!(note.push(&verifier, &other), Err(Error::BadSignature { .. })));
    assert_eq!(note.signatures().len(), 1);
    let good = key.sign_with(Scheme::Ed25519, b"text\n").unwrap();
    for _ in 1..MAX_SIGNATURES {
        note.push(&verifier, &good).unwrap();
    }
    assert!(matches!(note.push(&verifier, &good), Err(Error::Note { .. })));
    SignedNote::parse(&note.to_bytes()).unwrap();
}

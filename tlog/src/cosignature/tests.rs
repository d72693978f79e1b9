use sealwax_keys::KeyKind;

use super::*;
use crate::{EMPTY_ROOT, Hash};

fn checkpoint_note() -> SignedNote {
    let key = SecretKey::generate(KeyKind::Ed25519).unwrap();
    let root = Hash::leaf(b"root");
    Checkpoint { origin: "example.com/log".into(), size: 7, root, extensions: Vec::new() }.sign(&key).unwrap()
}

#[test]
fn a_cosignature_verifies_and_carries_its_time() {
    let witness = SecretKey::generate(KeyKind::Ed25519).unwrap();
    let verifier = VerifierKey::from_cosigner("w.example", witness.public_key()).unwrap();
    for timestamp in [0, 1, 1_679_315_147, LATEST] {
        let mut note = checkpoint_note();
        note.cosign("w.example", &witness, timestamp).unwrap();
        let note = SignedNote::parse(&note.to_bytes()).unwrap();
        let verified = note.verify(std::slice::from_ref(&verifier)).unwrap();
        assert_eq!(verified[0].timestamp, Some(timestamp));
    }
    let mut note = checkpoint_note();
    assert!(matches!(note.cosign("w.example", &witness, LATEST + 1), Err(Error::Note { .. })));
    for timestamp in [5, 9, 7] {
        note.cosign("w.example", &witness, timestamp).unwrap();
    }
    assert_eq!(note.verify(&[verifier]).unwrap()[0].timestamp, Some(9));
}

#[test]
fn a_changed_time_or_text_is_refused() {
    let witness = SecretKey::generate(KeyKind::Ed25519).unwrap();
    let verifier = VerifierKey::from_cosigner("w.example", witness.public_key()).unwrap();
    let mut note = checkpoint_note();
    note.cosign("w.example", &witness, 1_679_315_147).unwrap();
    let line = note.to_bytes();
    let blob_at = line.len() - 1 - 104;
    let mut later = line.clone();
    // The twelfth base64 digit lies in the last bytes of the time.
    later[blob_at + 12] = if later[blob_at + 12] == b'A' { b'B' } else { b'A' };
    let result = SignedNote::parse(&later).unwrap();
    assert!(matches!(result.verify(std::slice::from_ref(&verifier)), Err(Error::BadSignature { .. })));

    let text = String::from_utf8(line).unwrap().replacen("\n7\n", "\n8\n", 1);
    let result = SignedNote::parse(text.as_bytes()).unwrap();
    assert!(matches!(result.verify(&[verifier]), Err(Error::BadSignature { .. })));
}

#[test]
fn a_plain_signature_is_no_cosignature_and_the_reverse() {
    let key = SecretKey::generate(KeyKind::Ed25519).unwrap();
    let plain = VerifierKey::from_ed25519("same", key.public_key()).unwrap();
    let cosigner = VerifierKey::from_cosigner("same", key.public_key()).unwrap();
    let text = format!("same\n0\n{}\n", EMPTY_ROOT.to_base64());
    let mut note = SignedNote::sign(&text, "same", &key).unwrap();
    assert!(matches!(note.verify(std::slice::from_ref(&cosigner)), Err(Error::NoKnownSignature)));
    note.cosign("same", &key, 3).unwrap();
    assert_eq!(note.verify(&[plain, cosigner]).unwrap().len(), 2);
}

#[test]
fn only_checkpoints_are_cosigned() {
    let key = SecretKey::generate(KeyKind::Ed25519).unwrap();
    let mut note = SignedNote::sign("hello\n", "log", &key).unwrap();
    assert!(matches!(note.cosign("w", &key, 1), Err(Error::Checkpoint { .. })));
}

#[test]
fn a_time_beyond_the_limit_or_a_short_signature_does_not_split() {
    let blob = |timestamp: u64, length| [timestamp.to_be_bytes().as_slice(), &vec![0; length]].concat();
    assert_eq!(split(&blob(LATEST, 64)).unwrap().0, LATEST);
    assert!(split(&blob(LATEST + 1, 64)).is_none());
    assert!(split(&blob(1, 63)).is_none());
    assert!(split(&blob(1, 65)).is_none());
    assert!(split(&[0; 7]).is_none());
}

#[test]
fn a_witness_s_answer_adds_its_latest_cosignature_once() {
    let witness = SecretKey::generate(KeyKind::Ed25519).unwrap();
    let stranger = SecretKey::generate(KeyKind::Ed25519).unwrap();
    let verifier = VerifierKey::from_cosigner("w.example", witness.public_key()).unwrap();
    let mut note = checkpoint_note();
    let mut answered = note.clone();
    for timestamp in [5, 9, 7] {
        answered.cosign("w.example", &witness, timestamp).unwrap();
    }
    answered.cosign("w.example", &stranger, 11).unwrap();
    let lines: String = answered.signatures()[1..].iter().map(|line| format!("{line}\n")).collect();
    assert_eq!(note.add_cosignature(lines.as_bytes(), &verifier).unwrap(), 9);
    assert_eq!(note.signatures().len(), 2);
    assert_eq!(note.verify(std::slice::from_ref(&verifier)).unwrap()[0].timestamp, Some(9));
    let later = format!("{}\n", answered.signatures()[3]);
    assert_eq!(note.add_cosignature(later.as_bytes(), &verifier).unwrap(), 7);
    assert_eq!(note.signatures().len(), 2);
    assert_eq!(note.verify(&[verifier]).unwrap()[0].timestamp, Some(7));
}

#[test]
fn w05_w06_an_answer_without_the_witness_s_cosignature_adds_nothing() {
    let witness = SecretKey::generate(KeyKind::Ed25519).unwrap();
    let stranger = SecretKey::generate(KeyKind::Ed25519).unwrap();
    let verifier = VerifierKey::from_cosigner("w.example", witness.public_key()).unwrap();
    let plain = checkpoint_note();
    let line = |name: &str, key: &SecretKey| {
        let mut note = plain.clone();
        note.cosign(name, key, 3).unwrap();
        format!("{}\n", note.signatures()[1])
    };
    let add = |lines: &str, key: &VerifierKey| {
        let mut note = plain.clone();
        let result = note.add_cosignature(lines.as_bytes(), key);
        assert_eq!(result.is_err(), note == plain);
        result
    };
    let good = line("w.example", &witness);
    add(&good, &verifier).unwrap();
    assert!(matches!(add(&line("w.example", &stranger), &verifier), Err(Error::NoKnownSignature)));
    assert!(matches!(add(&line("x.example", &witness), &verifier), Err(Error::NoKnownSignature)));
    // The witness's key over another checkpoint, next to a good line.
    let mut other = checkpoint_note();
    other.cosign("w.example", &witness, 3).unwrap();
    let forged = format!("{good}{}\n", other.signatures()[1]);
    let other_root =
        Checkpoint { origin: "o".into(), size: 9, root: Hash::leaf(b"y"), extensions: Vec::new() };
    let mut elsewhere = other_root.sign(&stranger).unwrap();
    elsewhere.cosign("w.example", &witness, 3).unwrap();
    let spoilt = format!("{good}{}\n", elsewhere.signatures()[1]);
    add(&forged, &verifier).unwrap();
    assert!(matches!(add(&spoilt, &verifier), Err(Error::BadSignature { .. })));
    for malformed in ["", "\n", good.trim_end(), &format!("{good}\n{good}"), "hello\n", &format!("\n{good}")]
    {
        assert!(matches!(add(malformed, &verifier), Err(Error::Note { .. })), "{malformed:?}");
    }
    // A plain signature by the log is no cosignature, whoever is asked for.
    let log = VerifierKey::from_ed25519("w.example", witness.public_key()).unwrap();
    let signed = SignedNote::sign(plain.text(), "w.example", &witness).unwrap();
    let signed = format!("{}\n", signed.signatures()[0]);
    assert!(matches!(add(&signed, &log), Err(Error::NoKnownSignature)));
}

#[test]
fn only_the_first_line_of_each_given_key_is_kept() {
    let witness = SecretKey::generate(KeyKind::Ed25519).unwrap();
    let verifier = VerifierKey::from_cosigner("w.example", witness.public_key()).unwrap();
    let mut note = checkpoint_note();
    note.cosign("w.example", &witness, 3).unwrap();
    note.cosign("x.example", &witness, 3).unwrap();
    note.cosign("w.example", &witness, 4).unwrap();
    note.keep_only(std::slice::from_ref(&verifier));
    assert_eq!(note.signatures().len(), 1);
    assert!(note.signatures()[0].is_by(&verifier));
}

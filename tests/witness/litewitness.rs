//! Beside litewitness, where it and ssh-agent are installed.

use sealwax_keys::SecretKey;
use sealwax_tests::litewitness::Litewitness;
use sealwax_tlog::{AddCheckpoint, Checkpoint, Hash, SignedNote, proof};
use sha2::{Digest as _, Sha256};

use crate::world::{Leaves, ORIGIN, TOUR, http, log_key, note, post, serve, tour, verifier_key, witness};

#[test]
fn a_log_collects_cosignatures_from_litewitness() {
    let log = log_key();
    let Some(litewitness) = Litewitness::start(&verifier_key(&log)) else { return };
    let statuses = tour(&litewitness.key, litewitness.address, &log);
    assert_eq!(statuses, TOUR);
}

/// What our witness says to odd requests is what litewitness says, but for two that litewitness cosigns against the
/// specification: with a proof from size 0, and with a root of size 0 that is not the empty tree's.
#[test]
fn our_witness_and_litewitness_answer_alike() {
    let (log, stranger) = (log_key(), log_key());
    let Some(litewitness) = Litewitness::start(&verifier_key(&log)) else { return };
    let (sandbox, key) = witness();
    sandbox.ok(["witness", "add-log", "w", &verifier_key(&log).to_string()]);
    let server = serve(&sandbox);
    let with_note = |old_size, proof: &[Hash], note: &[u8]| {
        AddCheckpoint { old_size, proof: proof.to_vec(), note: note.to_vec() }.to_bytes()
    };
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    let lines =
        |note: &[u8]| text(note.to_vec()).lines().skip(4).map(|line| format!("{line}\n")).collect::<String>();
    let hash = Hash::leaf(b"x");
    let sign = |text: &str, key: &SecretKey| SignedNote::sign(text, ORIGIN, key).unwrap().to_bytes();
    let five = note(&log, ORIGIN, 5, 0);
    let forged = [
        text(note(&log, ORIGIN, 5, 0)).split_once("\n\n").unwrap().0,
        "\n\n",
        &lines(&note(&log, ORIGIN, 5, 1)),
        &lines(&five),
    ]
    .concat();
    let mut strangers = five.clone();
    strangers.extend_from_slice(lines(&note(&stranger, ORIGIN, 5, 0)).as_bytes());
    let extended = format!(
        "{ORIGIN}\n5\n{}\nan extension\n",
        proof::root(&Leaves { history: 0 }, 5).unwrap().to_base64()
    );
    let consistent = |old, new| proof::prove_consistency(&Leaves { history: 0 }, old, new).unwrap();
    let steps: [(&str, Vec<u8>, u16); 24] = [
        ("nothing", Vec::new(), 400),
        ("no note", b"old 0\n\n".to_vec(), 400),
        ("a leading zero", text(with_note(3, &[], &five)).replacen("old 3", "old 03", 1).into_bytes(), 400),
        ("a sign", text(with_note(3, &[], &five)).replacen("old 3", "old +3", 1).into_bytes(), 400),
        ("CRLF", text(with_note(3, &[], &five)).replacen("old 3\n", "old 3\r\n", 1).into_bytes(), 400),
        ("a short hash", text(with_note(0, &[], &five)).replacen("\n", "\nAAAA\n", 1).into_bytes(), 400),
        ("64 hashes", with_note(0, &[hash; 64], &five), 400),
        ("another old size", with_note(3, &consistent(3, 5), &five), 409),
        ("an unknown log", with_note(0, &[], &note(&log, "other.example", 5, 0)), 404),
        ("an unknown key", with_note(0, &[], &note(&stranger, ORIGIN, 5, 0)), 403),
        ("a forged line", with_note(0, &[], forged.as_bytes()), 403),
        (
            "a size with a leading zero",
            with_note(0, &[], &sign(&format!("{ORIGIN}\n05\n{}\n", hash.to_base64()), &log)),
            400,
        ),
        ("no root", with_note(0, &[], &sign(&format!("{ORIGIN}\n5\n"), &log)), 400),
        ("strangers' lines", with_note(0, &[], &strangers), 200),
        ("the same again", with_note(5, &[], &five), 200),
        ("the same from nothing", with_note(0, &[], &five), 409),
        ("an extension line", with_note(5, &[], &sign(&extended, &log)), 200),
        ("another root", with_note(5, &[], &note(&log, ORIGIN, 5, 1)), 422),
        ("a proof of the same", with_note(5, &[hash], &five), 422),
        ("an old size beyond", with_note(5, &[], &note(&log, ORIGIN, 4, 0)), 400),
        ("no proof", with_note(5, &[], &note(&log, ORIGIN, 9, 0)), 422),
        ("another history", with_note(5, &consistent(5, 9), &note(&log, ORIGIN, 9, 1)), 422),
        (
            "a longer proof",
            with_note(5, &[consistent(5, 9), vec![hash]].concat(), &note(&log, ORIGIN, 9, 0)),
            422,
        ),
        ("more leaves", with_note(5, &consistent(5, 9), &note(&log, ORIGIN, 9, 0)), 200),
    ];
    for (what, body, expected) in steps {
        let ours = post(server.address, &body).unwrap();
        let theirs = post(litewitness.address, &body).unwrap();
        assert_eq!(ours.status, expected, "{what}");
        match expected {
            // Litewitness refuses what is malformed with other statuses, and reads numbers more loosely.
            400 => assert_ne!(theirs.status, 200, "{what}"),
            409 => assert_eq!(ours, theirs, "{what}"),
            _ => assert_eq!(theirs.status, expected, "{what}"),
        }
    }
    let path = format!("/{}/checkpoint", hex::encode(Sha256::digest(ORIGIN)));
    let served = SignedNote::parse(&http(server.address, "GET", &path, b"").unwrap().0.body).unwrap();
    served.verify(std::slice::from_ref(&key)).unwrap();
    assert_eq!(Checkpoint::parse(served.text()).unwrap().size, 9);
}

//! The log entry against the bundle, and its proof against a signed checkpoint.
//!
//! This is one file because each broken proof differs from the good one by one line.

use sealwax_attestation::{
    Bundle, Content, DsseEntry, DsseSignature, EntryFormat, Envelope, HashedRekord, InclusionProof,
    TransparencyLogEntry, Verifier,
};
use sealwax_keys::{HashAlgorithm, KeyKind, Scheme, SecretKey};
use sealwax_tlog::{Checkpoint, Hash, SignedNote, VerifierKey};
use sealwax_verify::{Fault, Rejection, authenticate};

use crate::world::{FILES, Log, NOW, World, envelope, hashed, manifest, time};

/// The bundle with its one entry changed.
fn with_entry(bundle: &Bundle, change: impl FnOnce(&mut TransparencyLogEntry)) -> Bundle {
    let mut bundle = bundle.clone();
    change(&mut bundle.log_entries[0]);
    bundle
}

/// The bundle with another checkpoint, all else as it was.
fn with_checkpoint(bundle: &Bundle, checkpoint: &str) -> Bundle {
    with_entry(bundle, |entry| entry.inclusion_proof.checkpoint = checkpoint.to_owned())
}

fn checkpoint(bundle: &Bundle) -> &str {
    &bundle.log_entries[0].inclusion_proof.checkpoint
}

fn text(note: &SignedNote) -> String {
    String::from_utf8(note.to_bytes()).unwrap()
}

/// A rightly logged bundle whose entry is about something else in one point.
fn with_other_entry(world: &mut World, change: impl FnOnce(&mut HashedRekord)) -> Bundle {
    let envelope = world.sign(&world.payload());
    let mut rekord = world.rekord(&envelope);
    change(&mut rekord);
    let entry = world.logged(&rekord);
    Bundle { log_entries: vec![entry], ..world.unlogged(envelope) }
}

#[test]
fn t01_an_entry_of_another_signature_key_or_hash_is_refused() {
    type Change = fn(&mut HashedRekord);
    let changes: [(&str, Change); 6] = [
        ("signature", |entry| entry.signature[8] ^= 1),
        ("longer signature", |entry| entry.signature.push(0)),
        ("digest", |entry| entry.digest[0] ^= 1),
        ("key", |entry| {
            entry.verifier = Verifier::from(SecretKey::generate(KeyKind::P256).unwrap().public_key());
        }),
        ("certificate for a key", |entry| {
            let Verifier::PublicKey(key) = entry.verifier.clone() else { panic!() };
            entry.verifier = Verifier::Certificate(key);
        }),
        ("scheme", |entry| {
            entry.scheme = Scheme::EcdsaP384Sha384;
            entry.digest = HashAlgorithm::Sha384.digest(b"");
        }),
    ];
    for (what, change) in changes {
        let mut world = World::new();
        let bundle = with_other_entry(&mut world, change);
        let found = world.verdict(&bundle);
        assert!(found.is_err(), "{what}");
        assert_refused!(found, "T01-log-entry-mismatch", Rejection::LogEntryMismatch);
        // Asking for no log makes no other log's entry an honest one.
        let world = world.waived();
        assert_refused!(world.verdict(&bundle), "T01-log-entry-mismatch", Rejection::LogEntryMismatch);
    }
    assert_eq!(Rejection::LogEntryMismatch.fault(), Fault::Log);
}

#[test]
fn t02_a_genuine_entry_of_another_model_is_refused() {
    let mut world = World::new();
    let other = sealwax_attestation::Statement::new("other".to_owned(), manifest(&FILES[1..]));
    let other = world.bundle(world.sign(&other.to_payload().unwrap()));
    let good = world.good();
    assert!(world.verdict(&other).is_ok() && world.verdict(&good).is_ok());
    let spliced = Bundle { log_entries: other.log_entries, ..good };
    assert_refused!(world.verdict(&spliced), "T01-log-entry-mismatch", Rejection::LogEntryMismatch);
    let world = world.waived();
    assert_refused!(world.verdict(&spliced), "T01-log-entry-mismatch", Rejection::LogEntryMismatch);
}

#[test]
fn t01_one_wrong_entry_among_several_is_seen_without_a_log() {
    let mut world = World::new();
    let (good, other) = (world.good(), world.bundle(world.sign(b"{}")));
    let world = world.waived();
    for log_entries in [
        [good.log_entries.clone(), other.log_entries.clone()].concat(),
        [other.log_entries.clone(), good.log_entries.clone()].concat(),
    ] {
        let bundle = Bundle { log_entries, ..good.clone() };
        assert_refused!(world.verdict(&bundle), "T01-log-entry-mismatch", Rejection::LogEntryMismatch);
    }
}

#[test]
fn t03_a_body_in_another_spelling_is_refused() {
    let mut world = World::new();
    let good = world.good();
    let body = String::from_utf8(good.log_entries[0].canonicalized_body.clone()).unwrap();
    for other in [
        body.replace(':', ": "),
        format!("{body}\n"),
        format!(" {body}"),
        body.replace("hashedrekord\"", "hashedrekor\\u0064\""),
        body.replacen('{', r#"{"extra":1,"#, 1),
        body.replace(
            r#"{"apiVersion":"0.0.2","kind":"hashedrekord","#,
            r#"{"kind":"hashedrekord","apiVersion":"0.0.2","#,
        ),
        String::new(),
    ] {
        assert_ne!(other, body);
        // Only claimed, and really logged: the leaf that counts is the one rebuilt.
        let claimed = with_entry(&good, |entry| entry.canonicalized_body = other.clone().into_bytes());
        assert_refused!(world.verdict(&claimed), "T01-log-entry-mismatch", Rejection::LogEntryMismatch);
        let index = world.log.append(other.into_bytes());
        let logged = Bundle { log_entries: vec![world.log.entry(index)], ..good.clone() };
        assert_refused!(world.verdict(&logged), "T01-log-entry-mismatch", Rejection::LogEntryMismatch);
        // The right body claimed over the leaf of the other.
        let hidden = with_entry(&logged, |entry| entry.canonicalized_body = body.clone().into_bytes());
        assert_refused!(world.verdict(&hidden), "T11-inclusion-proof", Rejection::InclusionProof);
    }
}

#[test]
fn t01_t03_an_envelope_that_a_log_took_whole_is_rebuilt_too() {
    let mut world = World::new();
    let envelope = world.sign(&world.payload());
    let (scheme, verifier) = (world.key.public_key().scheme(), Verifier::from(world.key.public_key()));
    let signed = |signature: &[u8], verifier: &Verifier| DsseSignature {
        scheme,
        signature: signature.to_vec(),
        verifier: verifier.clone(),
    };
    let mut bundle = |payload: &[u8], signatures| {
        let index = world.log.append(DsseEntry::new(payload, signatures).to_body().unwrap());
        let entry = TransparencyLogEntry { format: EntryFormat::Dsse002, ..world.log.entry(index) };
        let bundle = Bundle { log_entries: vec![entry], ..world.unlogged(envelope.clone()) };
        let read = Bundle::from_json(bundle.to_json().as_bytes()).unwrap();
        world.verdict(&read).map(drop)
    };
    let own = || signed(&envelope.signature, &verifier);
    bundle(&envelope.payload, vec![own()]).unwrap();
    let stranger = SecretKey::generate(KeyKind::P256).unwrap();
    for (payload, signatures) in [
        (b"{}".as_slice(), vec![own()]),
        (&envelope.payload, vec![signed(b"another", &verifier)]),
        (&envelope.payload, vec![signed(&envelope.signature, &Verifier::from(stranger.public_key()))]),
        (&envelope.payload, vec![own(), signed(b"another", &verifier)]),
    ] {
        let verdict = bundle(payload, signatures);
        assert_refused!(verdict, "T01-log-entry-mismatch", Rejection::LogEntryMismatch);
    }
}

#[test]
fn t04_an_entry_of_another_kind_is_refused_at_the_door() {
    let mut world = World::new();
    let text = world.good().to_json();
    let entry_of = |from: &str, to: &str| {
        let other = text.replacen(&format!("\"{from}\""), &format!("\"{to}\""), 1);
        assert_ne!(other, text);
        Bundle::from_json(other.as_bytes()).map_err(Rejection::from)
    };
    for (from, to) in [("hashedrekord", "rfc3161"), ("0.0.2", "0.0.3")] {
        assert_refused!(entry_of(from, to), "T04-entry-kind", Rejection::Malformed(_));
    }
    // Kinds that are read, and whose bodies this one is none of.
    for (from, to) in [("hashedrekord", "intoto"), ("0.0.2", "0.0.1")] {
        let bundle = entry_of(from, to).unwrap();
        assert_refused!(world.verdict(&bundle), "T04-entry-kind", Rejection::Malformed(_));
    }
    let bundle = entry_of("hashedrekord", "dsse").unwrap();
    assert_refused!(world.verdict(&bundle), "T01-log-entry-mismatch", Rejection::LogEntryMismatch);
    // The body's own kind is covered by the rebuilt one.
    let mut bundle = world.good();
    let body = String::from_utf8(bundle.log_entries[0].canonicalized_body.clone()).unwrap();
    bundle.log_entries[0].canonicalized_body = body.replace("0.0.2", "0.0.3").into_bytes();
    assert_refused!(world.verdict(&bundle), "T01-log-entry-mismatch", Rejection::LogEntryMismatch);
}

#[test]
fn t05_no_entry_is_refused_where_a_log_is_asked_for() {
    let mut world = World::new();
    let bundle = Bundle { log_entries: vec![], ..world.good() };
    assert_refused!(world.verdict(&bundle), "T05-log-entry-missing", Rejection::LogEntryMissing);
    assert_eq!(Rejection::LogEntryMissing.fault(), Fault::Policy);
    let world = world.waived();
    assert!(world.verdict(&bundle).unwrap().confirm(&hashed(&FILES)).unwrap().included().is_none());
}

#[test]
fn t05_a_checkpoint_of_another_tree_is_refused() {
    let mut world = World::new();
    let good = world.good();
    let own = checkpoint(&good).to_owned();
    // A checkpoint that the log really signed, before and after.
    world.log.append(b"one more".to_vec());
    let later = text(&world.log.signed());
    let bundle = with_checkpoint(&good, &later);
    assert_refused!(
        world.verdict(&bundle),
        "T05-checkpoint-mismatch",
        Rejection::CheckpointMismatch { what: "the root hash" }
    );
    // The same root under another size, as the log would never sign it: then the proof's own size is another.
    let other_size = |size| with_entry(&good, |entry| entry.inclusion_proof.tree_size = size);
    for size in [0, 4, 6, u64::MAX] {
        assert_refused!(
            world.verdict(&other_size(size)),
            "T05-checkpoint-mismatch",
            Rejection::CheckpointMismatch { what: "the tree size" }
        );
    }
    let other_root = with_entry(&good, |entry| entry.inclusion_proof.root_hash[0] ^= 1);
    assert_refused!(
        world.verdict(&other_root),
        "T05-checkpoint-mismatch",
        Rejection::CheckpointMismatch { what: "the root hash" }
    );
    assert!(world.verdict(&with_checkpoint(&good, &own)).is_ok());
    assert_eq!(Rejection::CheckpointMismatch { what: "" }.fault(), Fault::Log);
}

#[test]
fn t05_a_proof_that_only_agrees_with_itself_is_refused() {
    // An invented tree of one leaf: the proof leads to its root, which nobody signed.
    let mut world = World::new();
    let good = world.good();
    let leaf = Hash::leaf(&good.log_entries[0].canonicalized_body);
    let invented = InclusionProof {
        log_index: 0,
        root_hash: *leaf.as_bytes(),
        tree_size: 1,
        hashes: vec![],
        checkpoint: checkpoint(&good).to_owned(),
    };
    let alone = with_entry(&good, |entry| {
        entry.log_index = 0;
        entry.inclusion_proof = invented.clone();
    });
    assert_refused!(world.verdict(&alone), "T05-checkpoint-mismatch", Rejection::CheckpointMismatch { .. });
    // With a checkpoint to match, signed by a key of the attacker's own under the log's name.
    let attacker = Log::new("log.example");
    let signed = Checkpoint { size: 1, root: leaf, ..attacker.checkpoint() }.sign(&attacker.key).unwrap();
    let signed = with_checkpoint(&alone, &text(&signed));
    assert_refused!(world.verdict(&signed), "T08-checkpoint", Rejection::Checkpoint { .. });
    // The same by the log itself would be the log's word, and would count.
    let by_log = Checkpoint { size: 1, root: leaf, ..world.log.checkpoint() }.sign(&world.log.key).unwrap();
    assert!(world.verdict(&with_checkpoint(&alone, &text(&by_log))).is_ok());
}

#[test]
fn t07_an_unknown_log_is_refused() {
    let mut world = World::new();
    let good = world.good();
    let other = Log::new("other.example");
    for log_id in [other.instance().log_id, vec![], good.log_entries[0].log_id[..4].to_vec(), vec![0; 32]] {
        let hex = hex(&log_id);
        let bundle = with_entry(&good, |entry| entry.log_id = log_id);
        assert_refused!(
            world.verdict(&bundle),
            "T07-log-unknown",
            Rejection::LogUnknown { log_id } if *log_id == hex
        );
    }
    world.root = other.trusted_root();
    assert_refused!(world.verdict(&good), "T07-log-unknown", Rejection::LogUnknown { .. });
    world.root.logs.clear();
    assert_refused!(world.verdict(&good), "T07-log-unknown", Rejection::LogUnknown { .. });
    assert_eq!(Rejection::LogUnknown { log_id: String::new() }.fault(), Fault::Policy);
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[test]
fn t07_the_right_id_with_another_key_is_refused() {
    let mut world = World::new();
    let good = world.good();
    // The verifier trusts another key for this log; the bundle names that key's id and brings the old checkpoint.
    let other = Log::new("log.example");
    world.root = other.trusted_root();
    let bundle = with_entry(&good, |entry| entry.log_id = other.instance().log_id);
    assert_refused!(
        world.verdict(&bundle),
        "T08-checkpoint",
        Rejection::Checkpoint { origin, reason: sealwax_tlog::Error::NoKnownSignature } if origin == "log.example"
    );
}

#[test]
fn t07_a_log_may_not_speak_for_another() {
    // The verifier trusts two logs. The entry is in A; A's key signs a checkpoint with the origin of B.
    let mut world = World::new();
    let other = Log::new("other.example");
    world.root.logs.push(other.instance());
    let good = world.good();
    let spoofed =
        Checkpoint { origin: "other.example".to_owned(), ..world.log.checkpoint() }.to_text().unwrap();
    for name in ["log.example", "other.example"] {
        let note = SignedNote::sign(&spoofed, name, &world.log.key).unwrap();
        for log_id in [world.log.instance().log_id, other.instance().log_id] {
            let bundle = with_entry(&with_checkpoint(&good, &text(&note)), |entry| entry.log_id = log_id);
            assert_refused!(world.verdict(&bundle), "T08-checkpoint", Rejection::Checkpoint { .. });
        }
    }
    // And an honest checkpoint of A, called one of B.
    let bundle = with_entry(&good, |entry| entry.log_id = other.instance().log_id);
    assert_refused!(world.verdict(&bundle), "T08-checkpoint", Rejection::Checkpoint { .. });
    assert!(world.verdict(&good).is_ok());
}

#[test]
fn t08_a_changed_checkpoint_is_refused() {
    let mut world = World::new();
    let good = world.good();
    let own = checkpoint(&good).to_owned();
    let (body, signature) = own.split_once("\n\n").unwrap();
    let lines: Vec<_> = body.lines().collect();
    let [origin, size, root] = lines.as_slice() else { panic!() };
    let line = signature.trim_end();
    for changed in [
        String::new(),
        body.to_owned(),
        format!("{body}\n"),
        format!("{body}\n\n"),
        signature.to_owned(),
        own.replace("log.example\n5", "log.example\n6"),
        own.replacen("log.example", "evil.example", 1),
        own.replacen("log.example", "Log.example", 1),
        own.replace("\u{2014} log.example", "\u{2014} evil.example"),
        format!("\n{own}"),
        format!("evil.example\n{own}"),
        format!("{size}\n{origin}\n{root}\n\n{signature}"),
        format!("{origin}\n{root}\n\n{signature}"),
        format!("{origin}\n{size}\n\n{signature}"),
        format!("\n{size}\n{root}\n\n{signature}"),
        format!("{origin}\n0{size}\n{root}\n\n{signature}"),
        format!("{origin}\n+{size}\n{root}\n\n{signature}"),
        format!("{origin}\n0x{size}\n{root}\n\n{signature}"),
        format!("{origin}\n {size}\n{root}\n\n{signature}"),
        format!("{origin}\n-{size}\n{root}\n\n{signature}"),
        format!("{origin}\n18446744073709551616\n{root}\n\n{signature}"),
        format!("{body}\nextension\n\n{signature}"),
        format!("{body}\n\n\n{signature}"),
        own.replace('\n', "\r\n"),
        own.trim_end().to_owned(),
        format!("{own}\n"),
        format!("{own}trailing"),
        own.replace('\u{2014}', "-"),
        own.replace("\u{2014} ", "\u{2014}"),
        own.replace(root, &root.replacen(|c: char| c.is_ascii_lowercase(), "Z", 1)),
        own.replace(root, root.trim_end_matches('=')),
        own.replace("\u{2014} ", "\u{2014} \0"),
        format!("{own}{}", format!("{line}\n").repeat(100)),
    ] {
        assert_ne!(changed, own);
        let found = world.verdict(&with_checkpoint(&good, &changed));
        assert_refused!(found, "T08-checkpoint", Rejection::Checkpoint { .. });
    }
    assert_eq!(
        Rejection::Checkpoint { origin: String::new(), reason: sealwax_tlog::Error::NoKnownSignature }
            .fault(),
        Fault::Log
    );
}

#[test]
fn t08_malformed_texts_are_refused_although_the_log_signed_them() {
    let mut world = World::new();
    let good = world.good();
    let body = world.log.checkpoint().to_text().unwrap();
    let root = world.log.root().to_base64();
    for text_of_log in [
        body.replace("\n5\n", "\n05\n"),
        body.replace("\n5\n", "\n+5\n"),
        body.replace("\n5\n", "\n5 \n"),
        body.replace("\n5\n", "\n5.0\n"),
        body.replace("\n5\n", "\n"),
        body.replace(&root, root.trim_end_matches('=')),
        body.replace(&root, "AAAA"),
        body.replace(&format!("{root}\n"), ""),
        body.replacen("log.example\n", "", 1),
        body.replacen("log.example", "evil.example", 1),
        body.replacen("log.example", "log.example ", 1),
        format!("{body}\n"),
        "log.example\n".to_owned(),
    ] {
        assert_ne!(text_of_log, body);
        let note = SignedNote::sign(&text_of_log, "log.example", &world.log.key).unwrap();
        let found = world.verdict(&with_checkpoint(&good, &text(&note)));
        assert_refused!(found, "T08-checkpoint", Rejection::Checkpoint { .. });
    }
    // Extension lines are allowed where the log itself signed them.
    let extended = Checkpoint { extensions: vec!["extension".to_owned()], ..world.log.checkpoint() };
    let note = extended.sign(&world.log.key).unwrap();
    assert!(world.verdict(&with_checkpoint(&good, &text(&note))).is_ok());
}

#[test]
fn t08_a_bad_signature_of_the_log_beside_a_good_one_is_refused() {
    let mut world = World::new();
    let good = world.good();
    let own = checkpoint(&good).to_owned();
    let other = Checkpoint { size: 9, ..world.log.checkpoint() }.sign(&world.log.key).unwrap();
    let bad = text(&other).split_once("\n\n").unwrap().1.to_owned();
    let (body, line) = own.split_once("\n\n").unwrap();
    for lines in [format!("{line}{bad}"), format!("{bad}{line}"), bad] {
        let found = world.verdict(&with_checkpoint(&good, &format!("{body}\n\n{lines}")));
        assert_refused!(
            found,
            "T08-checkpoint",
            Rejection::Checkpoint { reason: sealwax_tlog::Error::BadSignature { .. }, .. }
        );
    }
    // A good line twice says nothing new; lines of unknown keys are nobody's.
    let stranger = Log::new("stranger.example");
    let note =
        SignedNote::sign(&world.log.checkpoint().to_text().unwrap(), "stranger.example", &stranger.key)
            .unwrap();
    let stranger = text(&note).split_once("\n\n").unwrap().1.to_owned();
    for lines in [format!("{line}{line}"), format!("{stranger}{line}"), format!("{line}{stranger}")] {
        assert!(world.verdict(&with_checkpoint(&good, &format!("{body}\n\n{lines}"))).is_ok());
    }
    let only_stranger = with_checkpoint(&good, &format!("{body}\n\n{stranger}"));
    assert_refused!(
        world.verdict(&only_stranger),
        "T08-checkpoint",
        Rejection::Checkpoint { reason: sealwax_tlog::Error::NoKnownSignature, .. }
    );
}

#[test]
fn t08_a_witnesss_word_is_not_the_logs() {
    let mut world = World::new();
    let good = world.good();
    // The log's own key, but as a cosigner: another type of signature and so another key.
    let mut note = world.log.signed();
    note.cosign("log.example", &world.log.key, 1_700_000_000).unwrap();
    let signed = text(&note);
    let (body, lines) = signed.split_once("\n\n").unwrap();
    let cosigned_only = format!("{body}\n\n{}\n", lines.lines().nth(1).unwrap());
    assert!(world.verdict(&with_checkpoint(&good, &signed)).is_ok());
    let found = world.verdict(&with_checkpoint(&good, &cosigned_only));
    assert_refused!(found, "T08-checkpoint", Rejection::Checkpoint { .. });
}

#[test]
fn t10_copies_of_an_entry_are_not_taken() {
    let mut world = World::new();
    let good = world.good();
    for count in [2, 3, 32] {
        let bundle = Bundle { log_entries: vec![good.log_entries[0].clone(); count], ..good.clone() };
        assert_refused!(
            world.verdict(&bundle),
            "T10-log-entries-several",
            Rejection::LogEntriesSeveral(found) if *found == count
        );
    }
    // Nor the same entry logged twice, nor entries of two trusted logs.
    let again = world.bundle(envelope(&good).clone());
    let mut other = Log::new("other.example");
    world.root.logs.push(other.instance());
    let index = other.append(good.log_entries[0].canonicalized_body.clone());
    for second in [again.log_entries[0].clone(), other.entry(index)] {
        let bundle = Bundle { log_entries: vec![good.log_entries[0].clone(), second], ..good.clone() };
        assert_refused!(world.verdict(&bundle), "T10-log-entries-several", Rejection::LogEntriesSeveral(2));
    }
    assert_eq!(Rejection::LogEntriesSeveral(2).fault(), Fault::Malformed);
}

#[test]
fn t11_a_changed_path_is_refused() {
    let mut world = World::new();
    for _ in 0..9 {
        world.log.append(b"before".to_vec());
    }
    let good = world.good();
    assert!(world.verdict(&good).is_ok());
    let hashes = good.log_entries[0].inclusion_proof.hashes.clone();
    assert!(hashes.len() >= 3);
    let mut paths: Vec<Vec<[u8; 32]>> = vec![vec![]];
    for index in 0..hashes.len() {
        let mut missing = hashes.clone();
        missing.remove(index);
        let mut extra = hashes.clone();
        extra.insert(index, [7; 32]);
        let mut doubled = hashes.clone();
        doubled.insert(index, hashes[index]);
        let mut flipped = hashes.clone();
        flipped[index][31] ^= 1;
        let mut swapped = hashes.clone();
        swapped.swap(index, (index + 1) % hashes.len());
        paths.extend([missing, extra, doubled, flipped, swapped]);
    }
    paths.push([hashes.clone(), vec![[0; 32]]].concat());
    paths.push(hashes.iter().rev().copied().collect());
    for path in paths {
        let bundle = with_entry(&good, |entry| entry.inclusion_proof.hashes = path);
        assert_refused!(world.verdict(&bundle), "T11-inclusion-proof", Rejection::InclusionProof);
    }
    assert_eq!(Rejection::InclusionProof.fault(), Fault::Log);
}

#[test]
fn t12_no_index_is_accepted_but_the_entrys() {
    let mut world = World::new();
    let good = world.good();
    let size = world.log.size();
    let indexes = [0, 1, 2, 4, size, size + 1, 1 << 62, (1 << 63) - 1, 1 << 63, u64::MAX - 1, u64::MAX];
    for index in indexes {
        let both = with_entry(&good, |entry| {
            entry.log_index = index;
            entry.inclusion_proof.log_index = index;
        });
        assert_refused!(world.verdict(&both), "T11-inclusion-proof", Rejection::InclusionProof);
        let outer = with_entry(&good, |entry| entry.log_index = index);
        let inner = with_entry(&good, |entry| entry.inclusion_proof.log_index = index);
        for bundle in [outer, inner] {
            assert_refused!(
                world.verdict(&bundle),
                "T05-checkpoint-mismatch",
                Rejection::CheckpointMismatch { what: "the log index" }
            );
        }
    }
}

#[test]
fn t12_huge_sizes_overflow_nothing_although_the_log_signed_them() {
    let mut world = World::new();
    let good = world.good();
    for size in [1 << 62, (1 << 63) - 1, 1 << 63, u64::MAX] {
        let checkpoint = Checkpoint { size, ..world.log.checkpoint() }.sign(&world.log.key).unwrap();
        for index in [0, 3, size - 1, size] {
            for count in [0, 3, 62, 63, 64] {
                let bundle = with_entry(&good, |entry| {
                    entry.log_index = index;
                    entry.inclusion_proof = InclusionProof {
                        log_index: index,
                        tree_size: size,
                        hashes: vec![[9; 32]; count],
                        checkpoint: text(&checkpoint),
                        ..entry.inclusion_proof.clone()
                    };
                });
                assert_refused!(world.verdict(&bundle), "T11-inclusion-proof", Rejection::InclusionProof);
            }
        }
    }
}

#[test]
fn k06_a_log_key_that_is_not_valid_yet_is_refused() {
    let mut world = World::new();
    let good = world.good();
    let mut at = |start: &str, now: &str| {
        world.root.logs[0].valid_from = time(start);
        authenticate(&good, &world.root, world.policy.clone(), time(now))
    };
    assert!(at(NOW, NOW).is_ok(), "the first moment counts");
    assert_refused!(
        at("2026-11-01T12:00:00.000000001Z", NOW),
        "K06-log-key-not-yet-valid",
        Rejection::LogKeyNotYetValid { origin, .. } if origin == "log.example"
    );
    assert_refused!(
        at("2027-01-01T00:00:00Z", NOW),
        "K06-log-key-not-yet-valid",
        Rejection::LogKeyNotYetValid { .. }
    );
    let rejection = at("2027-01-01T00:00:00Z", NOW).map(drop).unwrap_err();
    assert_eq!(rejection.fault(), Fault::Stale);
}

#[test]
fn k06_a_frozen_logs_entries_stay_good() {
    let mut world = World::new();
    let good = world.good();
    world.root.logs[0].valid_until = Some(time("2026-02-01T00:00:00Z"));
    assert!(world.verdict(&good).is_ok());
}

#[test]
fn m10_the_clock_decides_nothing_else() {
    let mut world = World::new();
    let good = world.good();
    world.root.logs[0].valid_from = time("1970-01-01T00:00:00Z");
    for now in ["1970-01-01T00:00:00Z", "2100-01-01T00:00:00Z", "9999-12-30T00:00:00Z"] {
        assert!(authenticate(&good, &world.root, world.policy.clone(), time(now)).is_ok(), "{now}");
    }
}

#[test]
fn a_log_with_an_ecdsa_key_is_understood() {
    // Rekor v1 keys sign checkpoints so; there is no such writer here, so the line is made by hand.
    let mut world = World::new();
    let key = SecretKey::generate(KeyKind::P256).unwrap();
    let verifier = VerifierKey::from_ecdsa("log.example", key.public_key()).unwrap();
    let envelope = world.sign(&world.payload());
    let mut bundle = world.bundle(envelope);
    let body = world.log.checkpoint().to_text().unwrap();
    let sign = |text: &str| {
        let blob = [verifier.key_id().as_slice(), &key.sign(text.as_bytes()).unwrap()].concat();
        format!(
            "\u{2014} log.example {}\n",
            base64::Engine::encode(&base64::engine::general_purpose::STANDARD, blob)
        )
    };
    world.root.logs[0] = sealwax_attestation::LogInstance::new(
        "log.example".to_owned(),
        key.public_key().clone(),
        time("2026-01-01T00:00:00Z"),
    )
    .unwrap();
    bundle.log_entries[0].log_id = verifier.log_id().to_vec();
    let good = with_checkpoint(&bundle, &format!("{body}\n{}", sign(&body)));
    assert!(world.verdict(&good).is_ok());
    let bad = with_checkpoint(&bundle, &format!("{body}\n{}", sign(&body.replace("\n5\n", "\n6\n"))));
    assert_refused!(world.verdict(&bad), "T08-checkpoint", Rejection::Checkpoint { .. });
}

#[test]
fn t01_an_entry_is_compared_also_where_its_proof_is_rubbish() {
    // Waived means that no proof is asked for, not that none is believed: nothing of it is shown as proven.
    let mut world = World::new();
    let good = world.good();
    let rubbish = with_checkpoint(&good, "rubbish");
    assert_refused!(world.verdict(&rubbish), "T08-checkpoint", Rejection::Checkpoint { .. });
    let world = world.waived();
    let verified = world.verdict(&rubbish).unwrap().confirm(&hashed(&FILES)).unwrap();
    assert!(verified.included().is_none());
    let envelope = Envelope { payload: b"{}".to_vec(), ..envelope(&rubbish).clone() };
    let other = Bundle { content: Content::Envelope(envelope), ..rubbish };
    assert!(world.verdict(&other).is_err());
}

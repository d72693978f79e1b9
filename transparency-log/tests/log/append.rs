//! Appending as the caller sees it.

use std::collections::BTreeSet;

use sealwax_tlog::{Checkpoint, EMPTY_ROOT, Hash};
use sealwax_transparency_log::{Error, Log, LogKey, LogView, NewEntry};

use crate::world::{World, append, assert_clean, assert_receipt, body, digest, files};

#[test]
fn a_new_log_publishes_the_empty_tree() {
    let world = World::new();
    let log = world.create();
    assert_eq!((log.checkpoint().unwrap().size, log.checkpoint().unwrap().root), (0, EMPTY_ROOT));
    assert_eq!(log.verifier_key().to_string(), world.verifier.to_string());
    let view = world.view().unwrap();
    assert_eq!(view.checkpoint(), log.checkpoint().unwrap());
    assert_clean(&log);
    assert!(matches!(view.entry(0), Err(Error::Tlog(_))));
    drop(log);
    let again = Log::create(&world.path(), world.key(), crate::world::briefly);
    assert!(matches!(again, Err(Error::Exists { path }) if path == world.path()));
    world.open().unwrap();
}

#[test]
fn receipts_verify_and_entries_and_envelopes_read_back() {
    let world = World::new();
    let mut log = world.create();
    for range in [0..1, 1..4, 4..7] {
        for (receipt, index) in append(&mut log, range.clone()).iter().zip(range) {
            assert_receipt(receipt, &body(index), &world.verifier);
            assert_eq!((receipt.index, receipt.existing), (index, false));
            assert_eq!(receipt.checkpoint, world.note());
        }
    }
    drop(log);
    let (mut log, recovery) = world.open().unwrap();
    assert_eq!(recovery, Default::default());
    let view = world.view().unwrap();
    for (receipt, index) in append(&mut log, 0..7).iter().zip(0..) {
        assert_eq!(view.entry(index).unwrap(), body(index));
        assert_receipt(receipt, &body(index), &world.verifier);
        assert_eq!((receipt.index, receipt.existing), (index, true));
        assert_eq!(view.prove_inclusion(index, &receipt.leaf).unwrap(), receipt.proof);
    }
    assert!(view.prove_inclusion(0, &Hash::leaf(b"absent")).is_err());
    assert_eq!(view.envelope(&digest(&body(1))).unwrap().unwrap(), body(1));
    assert_eq!(view.envelope(&digest(b"absent")).unwrap(), None);
}

#[test]
fn an_empty_batch_changes_nothing() {
    let world = World::with_entries(3);
    let (mut log, _) = world.open().unwrap();
    let before = files(&world.path());
    assert_eq!(log.append(&[]).unwrap(), []);
    assert_eq!(files(&world.path()), before);
}

#[test]
fn s16_duplicates_in_one_batch_and_across_batches_get_one_position() {
    let world = World::new();
    let mut log = world.create();
    let entries: Vec<NewEntry<'_>> = [b"a", b"b", b"a", b"a", b"c", b"b"]
        .iter()
        .map(|body| NewEntry { body: *body, envelope: None })
        .collect();
    let receipts = log.append(&entries).unwrap();
    assert_eq!(receipts.iter().map(|r| r.index).collect::<Vec<_>>(), [0, 1, 0, 0, 2, 1]);
    assert_eq!(
        receipts.iter().map(|r| r.existing).collect::<Vec<_>>(),
        [false, false, true, true, false, true]
    );
    assert_eq!(log.checkpoint().unwrap().size, 3);

    let note = world.note();
    let again = log.append(&entries).unwrap();
    assert!(again.iter().all(|receipt| receipt.existing));
    assert_eq!(world.note(), note, "nothing new, so nothing signed");
    let more = log.append(&[NewEntry { body: b"d", envelope: None }, entries[0]]).unwrap();
    assert_eq!(more.iter().map(|r| (r.index, r.existing)).collect::<Vec<_>>(), [(3, false), (0, true)]);
    for (receipt, body) in
        receipts.iter().chain(&again).zip([b"a", b"b", b"a", b"a", b"c", b"b"].iter().cycle())
    {
        assert_receipt(receipt, *body, &world.verifier);
    }
    assert_clean(&log);
}

#[test]
fn s16_ten_thousand_identical_entries_are_one() {
    let world = World::new();
    let mut log = world.create();
    let entries = vec![NewEntry { body: b"same", envelope: None }; 10_000];
    let receipts = log.append(&entries).unwrap();
    assert_eq!(log.checkpoint().unwrap().size, 1);
    assert!(receipts.iter().all(|receipt| receipt.index == 0));
    assert_eq!(receipts.iter().filter(|receipt| !receipt.existing).count(), 1);
}

#[test]
fn s16_empty_and_largest_entries_are_kept_and_larger_ones_refused() {
    let world = World::new();
    let mut log = world.create();
    let largest = vec![7u8; 65_535];
    let receipts = log
        .append(&[NewEntry { body: b"", envelope: None }, NewEntry { body: &largest, envelope: None }])
        .unwrap();
    assert_receipt(&receipts[0], b"", &world.verifier);
    assert_receipt(&receipts[1], &largest, &world.verifier);
    let view = world.view().unwrap();
    assert_eq!((view.entry(0).unwrap(), view.entry(1).unwrap()), (Vec::new(), largest));

    let too_large = vec![7u8; 65_536];
    let entries = [NewEntry { body: b"fine", envelope: None }, NewEntry { body: &too_large, envelope: None }];
    let before = files(&world.path());
    let refused = log.append(&entries);
    assert!(matches!(refused, Err(Error::EntryTooLarge { position: 1, length: 65_536 })));
    assert_eq!(files(&world.path()), before);
    // A refusal before anything was written leaves the log running.
    log.append(&entries[..1]).unwrap();
    assert_clean(&log);
}

#[test]
fn s16_an_envelope_that_got_lost_comes_back_with_the_entry() {
    let world = World::new();
    let mut log = world.create();
    append(&mut log, 0..1);
    let stored = world.path().join("envelopes");
    std::fs::remove_dir_all(&stored).unwrap();
    drop(log);
    let (mut log, _) = world.open().unwrap();
    assert!(append(&mut log, 0..1)[0].existing);
    assert_eq!(world.view().unwrap().envelope(&digest(&body(0))).unwrap().unwrap(), body(0));
}

#[test]
fn s09_a_second_writer_is_told_that_the_log_is_busy() {
    let world = World::new();
    let log = world.create();
    assert!(matches!(world.open(), Err(Error::Busy { .. })));
    let mut tries = Vec::new();
    let patient = Log::open(&world.path(), world.key(), |tried| {
        tries.push(tried);
        tried < 4
    });
    assert!(matches!(patient, Err(Error::Busy { .. })));
    assert_eq!(tries, [1, 2, 3, 4]);
    // Reading needs no lock.
    world.view().unwrap();
    let mut holder = Some(log);
    let waited = Log::open(&world.path(), world.key(), |tried| {
        if tried == 2 {
            holder = None;
        }
        true
    });
    waited.unwrap();
}

#[test]
fn a_view_stays_at_its_checkpoint_while_the_log_grows() {
    let world = World::with_entries(250);
    let view = world.view().unwrap();
    let (mut log, _) = world.open().unwrap();
    append(&mut log, 250..260);
    // The partial tiles that the view's checkpoint needs are gone; the full ones took their place.
    assert!(!world.path().join("tiles/tile/0/000.p").exists());
    assert_eq!(view.checkpoint().size, 250);
    assert_eq!(view.entry(249).unwrap(), body(249));
    assert!(matches!(view.entry(250), Err(Error::Tlog(_))));
}

#[test]
fn the_wrong_key_neither_opens_nor_reads() {
    let world = World::with_entries(3);
    let stranger = World::new();
    let opened = Log::open(&world.path(), stranger.key(), crate::world::briefly);
    assert!(matches!(opened, Err(Error::WrongKey { .. })));
    assert!(matches!(LogView::open(&world.path(), &stranger.verifier), Err(Error::WrongKey { .. })));
    let secret = sealwax_keys::SecretKey::generate(sealwax_keys::KeyKind::P256).unwrap();
    assert!(LogKey::new("log.example", secret).is_err());
}

#[test]
fn no_log_is_told_from_a_broken_one() {
    let world = World::new();
    assert!(matches!(world.open(), Err(Error::NotFound { .. })));
    assert!(matches!(world.view(), Err(Error::NotFound { .. })));
    assert!(!world.path().exists(), "looking for a log creates nothing");
}

#[test]
fn s18_the_database_is_its_owner_s_and_no_file_is_writable_by_others() {
    use std::os::unix::fs::PermissionsExt;
    let world = World::new();
    let mut log = world.create();
    append(&mut log, 0..3);
    let mode = |path: &std::path::Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    let modes: BTreeSet<(String, u32)> = files(&world.path())
        .iter()
        .filter(|path| path.to_str().unwrap().starts_with("anchor.db"))
        .map(|path| (path.display().to_string(), mode(&world.path().join(path))))
        .collect();
    assert!(modes.len() == 3 && modes.iter().all(|(_, mode)| mode & 0o077 == 0), "{modes:?}");
    for file in files(&world.path()) {
        assert_eq!(mode(&world.path().join(&file)) & 0o022, 0, "{}", file.display());
    }
}

#[test]
fn the_published_tree_is_what_c2sp_tlog_tiles_serves() {
    let world = World::new();
    let mut log = world.create();
    append(&mut log, 0..2);
    append(&mut log, 2..3);
    let served: Vec<String> =
        files(&world.path().join("tiles")).iter().map(|f| f.display().to_string()).collect();
    let expected =
        ["checkpoint", "tile/0/000.p/2", "tile/0/000.p/3", "tile/entries/000.p/2", "tile/entries/000.p/3"];
    assert_eq!(served, expected);
    let note = std::fs::read(world.path().join("tiles/checkpoint")).unwrap();
    assert_eq!(Checkpoint::open(&note, &world.verifier).unwrap().size, 3);
    assert_eq!(files(&world.path().join("staging")), Vec::<std::path::PathBuf>::new());
}

//! What a log asks of others before it signs and before it publishes: outposts, and witnesses whose cosignatures come later.

use sealwax_keys::{KeyKind, SecretKey};
use sealwax_tlog::{Checkpoint, Hash, SignedNote};
use sealwax_transparency_log::{Error, Log, Mode, NewEntry};

use crate::world::{ORIGIN, World, append, assert_clean, assert_receipt, body, copy_tree, try_append};

/// Commits one entry per number without publishing.
fn commit(
    log: &mut Log,
    range: std::ops::Range<u64>,
) -> Result<Vec<sealwax_transparency_log::Placed>, Error> {
    let bodies: Vec<Vec<u8>> = range.map(body).collect();
    let entries: Vec<NewEntry<'_>> = bodies.iter().map(|body| NewEntry { body, envelope: None }).collect();
    log.commit(&entries)
}

/// The note with a cosignature of some witness.
fn cosigned(note: &[u8]) -> Vec<u8> {
    let witness = SecretKey::generate(KeyKind::Ed25519).unwrap();
    let mut note = SignedNote::parse(note).unwrap();
    note.cosign("witness.example", &witness, 1_700_000_000).unwrap();
    note.to_bytes()
}

fn remembered(world: &World) -> u64 {
    let note = std::fs::read(world.outside().join(format!("{ORIGIN}.checkpoint"))).unwrap();
    Checkpoint::open(&note, &world.verifier).unwrap().size
}

#[test]
fn s10_an_outpost_learns_each_checkpoint_and_an_older_copy_of_everything_is_noticed() {
    let world = World::with_entries(5);
    let old = world.copy();
    let (mut log, _) = world.open_guarded(false).unwrap();
    assert_eq!(remembered(&world), 5, "an outpost that knows nothing learns from a live log");
    append(&mut log, 5..9);
    assert_eq!(remembered(&world), 9);
    drop(log);

    // The whole directory, anchor and all, is put back to what it was; the outpost is elsewhere.
    std::fs::remove_dir_all(world.path()).unwrap();
    copy_tree(&old.path(), &world.path());
    assert!(world.open().is_ok(), "nothing inside can tell");
    assert!(matches!(world.open_guarded(false), Err(Error::Behind { known: 9, found: 5, .. })));
    assert_eq!(remembered(&world), 9, "the outpost forgets nothing");
}

#[test]
fn s10_an_outpost_that_was_told_another_history_is_believed() {
    let world = World::with_entries(5);
    std::fs::create_dir_all(world.outside()).unwrap();
    let path = world.outside().join(format!("{ORIGIN}.checkpoint"));
    for size in [3, 5] {
        let root = Hash::leaf(b"another history");
        let note = world.sign(&Checkpoint { origin: ORIGIN.into(), size, root, extensions: Vec::new() });
        std::fs::write(&path, note).unwrap();
        assert!(matches!(world.open_guarded(false), Err(Error::Contradicted { size: at, .. }) if at == size));
    }
    // A log that is another's, or no note at all, is no memory of this log.
    let other = World::with_entries(1);
    std::fs::write(&path, other.note()).unwrap();
    assert!(matches!(world.open_guarded(false), Err(Error::WrongKey { .. })));
    std::fs::write(&path, b"").unwrap();
    assert!(matches!(world.open_guarded(false), Err(Error::Damaged { .. })));
    // One that is behind, as after a crash between the commit and it, is brought up to date.
    std::fs::remove_file(&path).unwrap();
    world.open_guarded(false).unwrap();
    assert_eq!(remembered(&world), 5);
}

#[test]
fn an_outpost_that_cannot_be_written_stops_the_log_after_the_commit_and_nothing_is_lost() {
    let world = World::with_entries(5);
    let (mut log, _) = world.open_guarded(false).unwrap();
    // A directory stands where the file is to be put: even the superuser cannot rename a file over it.
    let path = world.outside().join(format!("{ORIGIN}.checkpoint"));
    std::fs::remove_file(&path).unwrap();
    std::fs::create_dir(&path).unwrap();
    assert!(matches!(try_append(&mut log, 5..6), Err(Error::Io { .. })));
    assert!(matches!(try_append(&mut log, 5..6), Err(Error::Poisoned { fatal: false })));
    assert_eq!(world.view().unwrap().checkpoint().size, 5, "not published before it is remembered");
    std::fs::remove_dir(&path).unwrap();
    log.reload().unwrap();
    let receipt = &append(&mut log, 5..6)[0];
    assert_eq!((receipt.index, receipt.existing), (5, true));
    assert_eq!(remembered(&world), 6);
    assert_clean(&log);
}

#[test]
fn s02_what_is_committed_is_seen_only_once_it_is_published() {
    let world = World::with_entries(254);
    let (mut log, _) = world.open_guarded(true).unwrap();
    let before = world.note();
    let placed = commit(&mut log, 254..259).unwrap();
    assert_eq!(placed.iter().map(|placed| placed.index).collect::<Vec<_>>(), [254, 255, 256, 257, 258]);
    assert_eq!(world.note(), before);
    assert!(matches!(log.receipts(&placed), Err(Error::Unpublished)));
    // One step at a time: nothing more is signed before this one is out.
    assert!(matches!(commit(&mut log, 259..260), Err(Error::Unpublished)));
    assert!(matches!(log.freeze(), Err(Error::Unpublished)));

    let signed = log.unpublished().unwrap().unwrap().to_vec();
    // Neither another checkpoint nor a note with less than the log's own line is published.
    let root = Hash::leaf(b"another history");
    for checkpoint in [
        Checkpoint { origin: ORIGIN.into(), size: 259, root, extensions: Vec::new() },
        Checkpoint { extensions: vec!["x".into()], ..Checkpoint::open(&signed, &world.verifier).unwrap() },
    ] {
        assert!(matches!(log.publish(&world.sign(&checkpoint)), Err(Error::Damaged { .. })));
    }
    assert!(log.publish(&before).is_err());
    assert_eq!(world.note(), before, "a refused note changes nothing");

    let note = cosigned(&signed);
    log.publish(&note).unwrap();
    assert_eq!(world.note(), note);
    assert_eq!(log.unpublished().unwrap(), None);
    for (receipt, index) in log.receipts(&placed).unwrap().iter().zip(254..) {
        assert_receipt(receipt, &body(index), &world.verifier);
        assert_eq!(receipt.checkpoint, note);
    }
    // A witness that comes late is added to what is published already.
    let more = cosigned(&note);
    log.publish(&more).unwrap();
    assert_eq!(world.note(), more);
    assert_eq!(world.staged(), 0);
    drop(log);
    world.assert_sound(&[before, note, more]);
}

#[test]
fn s01_a_crash_while_cosignatures_are_awaited_leaves_them_to_be_awaited() {
    let world = World::with_entries(254);
    let before = world.note();
    let (mut log, _) = world.open_guarded(true).unwrap();
    commit(&mut log, 254..259).unwrap();
    let signed = log.unpublished().unwrap().unwrap().to_vec();
    drop(log);

    // Opened again by who holds back, it is still held back, however often.
    for _ in 0..2 {
        let (log, recovery) = world.open_guarded(true).unwrap();
        assert!(!recovery.published_batch);
        assert_eq!(log.unpublished().unwrap(), Some(signed.as_slice()));
        assert_eq!(world.note(), before);
        assert!(world.view().unwrap().check(&|_, _| true).unwrap().is_clean());
    }
    let (mut log, _) = world.open_guarded(true).unwrap();
    // The client that was never answered comes again, and its entry is found once it is published.
    log.publish(&cosigned(&signed)).unwrap();
    let placed = commit(&mut log, 254..259).unwrap();
    assert!(placed.iter().all(|placed| placed.existing));
    assert_eq!(log.receipts(&placed).unwrap()[0].index, 254);
    drop(log);
    world.assert_sound(&[before]);
}

#[test]
fn opened_by_who_does_not_hold_back_it_is_published_as_it_is() {
    let world = World::with_entries(5);
    let (mut log, _) = world.open_guarded(true).unwrap();
    commit(&mut log, 5..7).unwrap();
    drop(log);
    let (log, recovery) = world.open().unwrap();
    assert!(recovery.published_batch);
    assert_eq!(world.view().unwrap().checkpoint().size, 7);
    assert_clean(&log);
}

#[test]
fn a_frozen_log_is_read_and_takes_nothing() {
    let world = World::with_entries(5);
    let (mut log, _) = world.open().unwrap();
    log.freeze().unwrap();
    assert!(matches!(try_append(&mut log, 5..6), Err(Error::NotLive { mode: Mode::Frozen })));
    assert!(matches!(log.reconciled(), Err(Error::NotLive { mode: Mode::Frozen })));
    drop(log);
    let (mut log, _) = world.open_guarded(false).unwrap();
    assert_eq!(log.mode().unwrap(), Mode::Frozen);
    assert!(matches!(try_append(&mut log, 5..6), Err(Error::NotLive { mode: Mode::Frozen })));
    assert_eq!(world.view().unwrap().entry(4).unwrap(), body(4));
    assert_clean(&log);
}

/// Puts the log back the way a restore does: the stored tree as it is, and an anchor made from its checkpoint.
fn restore(world: &World) {
    use sealwax_transparency_log::{Anchor, Anchored, SqliteAnchor};
    for file in ["anchor.db", "anchor.db-wal", "anchor.db-shm"] {
        let _ = std::fs::remove_file(world.path().join(file));
    }
    let note = world.note();
    let size = Checkpoint::open(&note, &world.verifier).unwrap().size;
    let restored = Anchored { size, checkpoint: note, staged: Some("staging/restored".into()) };
    let mut anchor = SqliteAnchor::create(&world.path().join("anchor.db")).unwrap();
    anchor.initialise(&restored, Mode::Restored).unwrap();
}

#[test]
fn s08_a_restored_log_signs_only_when_somebody_outside_confirms_it() {
    let world = World::with_entries(5);
    world.open_guarded(false).unwrap();
    let unguarded = world.copy();
    restore(&unguarded);
    let (mut log, recovery) = unguarded.open().unwrap();
    assert!(recovery.rebuilt_index && !recovery.reconciled);
    assert!(matches!(try_append(&mut log, 5..6), Err(Error::NotLive { mode: Mode::Restored })));
    assert_clean(&log);
    drop(log);
    // A witness's word does it, and it lasts. An outpost that knew nothing learns it at once.
    std::fs::remove_dir_all(unguarded.outside()).unwrap();
    let (mut log, _) = unguarded.open_guarded(false).unwrap();
    log.reconciled().unwrap();
    assert_eq!(remembered(&unguarded), 5);
    append(&mut log, 5..6);
    drop(log);
    append(&mut unguarded.open().unwrap().0, 6..7);

    // An outpost that knows the same confirms; one that knows nothing does not, and learns nothing.
    let confirmed = world.copy();
    restore(&confirmed);
    assert!(confirmed.open_guarded(false).unwrap().1.reconciled);
    append(&mut confirmed.open().unwrap().0, 5..6);
    let alone = world.copy();
    restore(&alone);
    std::fs::remove_dir_all(alone.outside()).unwrap();
    for _ in 0..2 {
        let (log, recovery) = alone.open_guarded(false).unwrap();
        assert!(!recovery.reconciled);
        assert_eq!(log.mode().unwrap(), Mode::Restored);
        assert!(!alone.outside().join(format!("{ORIGIN}.checkpoint")).exists());
    }
    // Nor does one that knows less: it was not asked when the rest was signed, nor when more was.
    let stale = world.copy();
    append(&mut stale.open().unwrap().0, 5..7);
    restore(&stale);
    for _ in 0..2 {
        let (log, recovery) = stale.open_guarded(false).unwrap();
        assert_eq!((recovery.reconciled, log.mode().unwrap()), (false, Mode::Restored));
        assert_eq!(remembered(&stale), 5);
    }
    // One that knows more refuses.
    append(&mut world.open_guarded(false).unwrap().0, 5..9);
    let behind = alone;
    copy_tree(&world.outside(), &behind.outside());
    assert!(matches!(behind.open_guarded(false), Err(Error::Behind { known: 9, found: 5, .. })));
}

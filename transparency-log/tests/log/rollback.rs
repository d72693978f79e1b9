//! Older copies put back in place, and everything else that could make the log sign against itself.

use sealwax_tlog::{Checkpoint, Hash};
use sealwax_transparency_log::{Directory, Error, Log, NewEntry, Part, SqliteAnchor};

use crate::world::{ORIGIN, World, append, assert_clean, copy_tree, try_append};

/// A log that grew from 5 to 9 entries, with a copy from when it had 5.
fn grown() -> (World, World) {
    let world = World::with_entries(5);
    let old = world.copy();
    let (mut log, _) = world.open().unwrap();
    append(&mut log, 5..9);
    (world, old)
}

fn replace(world: &World, old: &World, part: &str) {
    let (from, to) = (old.path().join(part), world.path().join(part));
    if to.is_dir() {
        std::fs::remove_dir_all(&to).unwrap();
        copy_tree(&from, &to);
    } else {
        std::fs::copy(from, to).unwrap();
    }
}

#[test]
fn s08_an_older_copy_of_the_tiles_is_refused() {
    let (world, old) = grown();
    replace(&world, &old, "tiles");
    let refused = world.open();
    assert!(matches!(
        refused,
        Err(Error::RolledBack { older: Part::Tiles, anchor_size: 9, found_size: Some(5) })
    ));
    // Reading is still possible, and shows the old state.
    assert_eq!(world.view().unwrap().checkpoint().size, 5);
}

#[test]
fn s08_an_older_checkpoint_alone_is_refused() {
    let (world, old) = grown();
    replace(&world, &old, "tiles/checkpoint");
    assert!(matches!(world.open(), Err(Error::RolledBack { older: Part::Tiles, .. })));
}

#[test]
fn s08_an_older_copy_of_the_database_is_refused() {
    let (world, old) = grown();
    replace(&world, &old, "anchor.db");
    let refused = world.open();
    assert!(matches!(
        refused,
        Err(Error::RolledBack { older: Part::Anchor, anchor_size: 5, found_size: Some(9) })
    ));
}

#[test]
fn s08_a_deleted_database_is_refused_and_no_new_log_is_made_over_the_old_one() {
    let (world, _) = grown();
    std::fs::remove_file(world.path().join("anchor.db")).unwrap();
    assert!(matches!(world.open(), Err(Error::AnchorMissing { .. })));
    assert!(matches!(
        Log::create(&world.path(), world.key(), crate::world::briefly),
        Err(Error::Exists { .. })
    ));
    // Creating left an empty database behind, which changes nothing.
    assert!(matches!(world.open(), Err(Error::AnchorMissing { .. })));
    std::fs::remove_file(world.path().join("tiles/checkpoint")).unwrap();
    assert!(matches!(
        Log::create(&world.path(), world.key(), crate::world::briefly),
        Err(Error::Exists { .. })
    ));

    // Nor over one that has no entries yet: its key may have been handed out.
    let world = World::new();
    drop(world.create());
    std::fs::remove_file(world.path().join("anchor.db")).unwrap();
    assert!(matches!(
        Log::create(&world.path(), World::new().key(), crate::world::briefly),
        Err(Error::Exists { .. })
    ));
}

#[test]
fn s08_deleted_tiles_are_refused() {
    let (world, _) = grown();
    std::fs::remove_dir_all(world.path().join("tiles")).unwrap();
    let refused = world.open();
    assert!(matches!(
        refused,
        Err(Error::RolledBack { older: Part::Tiles, anchor_size: 9, found_size: None })
    ));
}

#[test]
fn s08_a_lost_write_ahead_log_is_noticed() {
    let world = World::with_entries(5);
    let (mut log, _) = world.open().unwrap();
    append(&mut log, 5..9);
    // As a crash would leave it: the last commit is in the write-ahead log only.
    let crashed = world.copy();
    let whole = std::fs::read(crashed.path().join("anchor.db-wal")).unwrap();
    assert!(!whole.is_empty());
    crashed.copy().assert_sound(&[world.note()]);
    for length in [None, Some(0), Some(31), Some(32), Some(whole.len() / 2), Some(whole.len() - 1)] {
        let world = crashed.copy();
        let wal = world.path().join("anchor.db-wal");
        match length {
            None => std::fs::remove_file(&wal).unwrap(),
            Some(length) => std::fs::write(&wal, &whole[..length]).unwrap(),
        }
        std::fs::remove_file(world.path().join("anchor.db-shm")).unwrap();
        let refused = world.open();
        assert!(
            matches!(refused, Err(Error::RolledBack { older: Part::Anchor, .. })),
            "{length:?}: {refused:?}"
        );
    }
    let without_index = crashed.copy();
    std::fs::remove_file(without_index.path().join("anchor.db-shm")).unwrap();
    without_index.assert_sound(&[world.note()]);
}

#[test]
fn s10_never_two_roots_for_one_size() {
    let world = World::with_entries(5);
    // Two writers that both got past the lock, as on a file system where locks do not work.
    let unlocked = || {
        let anchor = SqliteAnchor::open(&world.path().join("anchor.db")).unwrap();
        Log::open_with(Directory::reader(&world.path()), anchor, world.key()).unwrap().0
    };
    let (mut first, mut second) = (unlocked(), unlocked());
    append(&mut first, 5..6);
    let refused = try_append(&mut second, 6..7);
    assert!(matches!(refused, Err(Error::Overtaken)), "{refused:?}");
    assert!(matches!(try_append(&mut second, 6..7), Err(Error::Poisoned { fatal: false })));
    let note = world.note();
    drop(first);
    second.reload().unwrap();
    assert_eq!(append(&mut second, 6..7)[0].index, 6);
    world.assert_extends(&second, &[note]);
    assert_clean(&second);
}

#[test]
fn s10_two_signed_roots_for_one_size_are_kept_as_found_and_refused() {
    let world = World::with_entries(5);
    let root = Hash::leaf(b"another history");
    let note = world.sign(&Checkpoint { origin: ORIGIN.into(), size: 5, root, extensions: Vec::new() });
    std::fs::write(world.path().join("tiles/checkpoint"), &note).unwrap();
    assert!(matches!(world.open(), Err(Error::Fork { size: 5, .. })));
    assert_eq!(std::fs::read(world.path().join("tiles/checkpoint")).unwrap(), note);
}

#[test]
fn s10_a_published_checkpoint_with_another_line_is_not_what_was_signed() {
    let world = World::with_entries(5);
    let path = world.path().join("tiles/checkpoint");
    let note = std::fs::read(&path).unwrap();
    let line = note.windows(3).position(|bytes| bytes == "\u{2014}".as_bytes()).unwrap();
    std::fs::write(&path, [note.as_slice(), &note[line..]].concat()).unwrap();
    assert!(matches!(world.open(), Err(Error::Damaged { .. })));
}

#[test]
fn s14_a_wrong_index_gives_no_receipt_and_is_rebuilt() {
    let world = World::with_entries(5);
    let sql = |statement: &str| {
        rusqlite::Connection::open(world.path().join("anchor.db")).unwrap().execute_batch(statement).unwrap();
    };
    let absent = b"never appended".as_slice();
    // Poisoned: the position of an entry is another's, and an absent entry has one.
    sql(&format!("UPDATE leaf SET hash = x'{}' WHERE position = 3", Hash::leaf(absent)));
    let (mut log, recovery) = world.open().unwrap();
    assert!(!recovery.rebuilt_index);
    assert!(!log.check(&|_, _| true).unwrap().is_clean());
    let refused = log.append(&[NewEntry { body: absent, envelope: None }]);
    assert!(matches!(&refused, Err(Error::Damaged { path, .. }) if path == "tiles/tile"), "{refused:?}");
    // A position beyond the tree.
    log.reload().unwrap();
    sql("UPDATE leaf SET position = 77 WHERE position = 4");
    let refused = try_append(&mut log, 4..5);
    assert!(matches!(&refused, Err(Error::Damaged { path, .. }) if path == "anchor.db"), "{refused:?}");
    assert!(log.reload().unwrap().rebuilt_index);
    assert_clean(&log);
    assert_eq!(log.append(&[NewEntry { body: absent, envelope: None }]).unwrap()[0].index, 5);
    drop(log);

    // Lost rows are noticed by their number, and rebuilt from tiles that were verified first.
    for statement in [
        "DELETE FROM leaf WHERE position = 3",
        "DELETE FROM leaf",
        "UPDATE leaf SET position = 9 WHERE position = 4",
    ] {
        sql(statement);
        let (mut log, recovery) = world.open().unwrap();
        assert!(recovery.rebuilt_index);
        assert_clean(&log);
        let again = &append(&mut log, 3..4)[0];
        assert_eq!((again.index, again.existing), (3, true));
    }
}

#[test]
fn s14_the_index_is_not_rebuilt_from_damaged_tiles() {
    let world = World::with_entries(300);
    let bundle = world.path().join("tiles/tile/entries/000");
    let mut bytes = std::fs::read(&bundle).unwrap();
    bytes[3] ^= 1;
    std::fs::write(&bundle, &bytes).unwrap();
    world.open().unwrap();
    rusqlite::Connection::open(world.path().join("anchor.db"))
        .unwrap()
        .execute_batch("DELETE FROM leaf")
        .unwrap();
    let refused = world.open();
    assert!(
        matches!(&refused, Err(Error::Damaged { path, .. }) if path == "tiles/tile/entries/000"),
        "{refused:?}"
    );
}

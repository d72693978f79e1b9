//! What opening finds and tidies.

use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use sealwax_tlog::EMPTY_ROOT;
use sealwax_transparency_log::{Anchor, Anchored, Directory, Error, Log, Mode, Part, SqliteAnchor};

use crate::faults::{Kind, Plan, open_faulty};
use crate::world::{World, append, assert_clean, copy_tree, files, try_append};

/// Appends, and crashes after the commit: the batch is staged, and not published.
fn crash_after_commit(world: &World, entries: Range<u64>) {
    let swap = {
        let dry_run = world.copy();
        let plan = Arc::new(Plan::default());
        let (mut log, _) = open_faulty(&dry_run, &plan).unwrap();
        plan.arm(&[]);
        append(&mut log, entries.clone());
        plan.seen.lock().unwrap().iter().position(|call| call == "swap").unwrap() as u64
    };
    let plan = Arc::new(Plan::default());
    let (mut log, _) = open_faulty(world, &plan).unwrap();
    plan.arm(&[(swap, Kind::CrashAfter)]);
    try_append(&mut log, entries).unwrap_err();
}

fn committed_and_unpublished() -> World {
    let world = World::with_entries(5);
    crash_after_commit(&world, 5..9);
    assert_eq!(world.view().unwrap().checkpoint().size, 5);
    world
}

#[test]
fn a_committed_batch_is_published_by_opening() {
    let world = committed_and_unpublished();
    let (mut log, recovery) = world.open().unwrap();
    assert!(recovery.published_batch);
    assert_eq!(log.checkpoint().unwrap().size, 9);
    assert!(append(&mut log, 5..9).iter().all(|receipt| receipt.existing));
    drop(log);
    assert_eq!(world.open().unwrap().1, Default::default());
}

#[test]
fn s08_a_staged_batch_does_not_hide_older_tiles() {
    let young = World::with_entries(3);
    let world = young.copy();
    let (mut log, _) = world.open().unwrap();
    append(&mut log, 3..5);
    drop(log);
    crash_after_commit(&world, 5..9);
    std::fs::remove_dir_all(world.path().join("tiles")).unwrap();
    copy_tree(&young.path().join("tiles"), &world.path().join("tiles"));
    let refused = world.open();
    assert!(matches!(
        refused,
        Err(Error::RolledBack { older: Part::Tiles, anchor_size: 9, found_size: Some(3) })
    ));
}

#[test]
fn a_lost_or_damaged_staged_batch_is_refused() {
    let world = committed_and_unpublished();
    let staging = world.path().join("staging");
    let file = std::fs::read_dir(&staging).unwrap().next().unwrap().unwrap().path();
    let whole = std::fs::read(&file).unwrap();
    for at in (0..whole.len()).step_by(13) {
        let mut bytes = whole.clone();
        bytes[at] ^= 1;
        std::fs::write(&file, &bytes).unwrap();
        let refused = world.open();
        assert!(matches!(&refused, Err(Error::Damaged { path, .. }) if path.starts_with("staging/")), "{at}");
    }
    for length in [0, 1, 32, whole.len() - 1] {
        std::fs::write(&file, &whole[..length]).unwrap();
        assert!(matches!(world.open(), Err(Error::Damaged { .. })), "{length}");
    }
    std::fs::remove_file(&file).unwrap();
    assert!(matches!(world.open(), Err(Error::RolledBack { older: Part::Tiles, .. })));
    std::fs::write(&file, &whole).unwrap();
    world.assert_sound(&[]);
}

#[test]
fn s10_the_anchor_s_columns_must_belong_together() {
    let sql = |world: &World, statement: &str| {
        let database = rusqlite::Connection::open(world.path().join("anchor.db")).unwrap();
        database.execute_batch(&format!("DROP TRIGGER anchor_grows; {statement}")).unwrap();
    };
    // A size that is not the checkpoint's.
    let world = World::with_entries(5);
    sql(&world, "UPDATE anchor SET size = 6");
    assert!(matches!(world.open(), Err(Error::Damaged { path, .. }) if path == "anchor.db"));

    // A genuine batch of the same log, and not the one that the checkpoint is of.
    let base = World::with_entries(5);
    let (world, other) = (base.copy(), base.copy());
    crash_after_commit(&world, 5..9);
    crash_after_commit(&other, 6..10);
    copy_tree(&other.path().join("staging"), &world.path().join("staging"));
    let name = files(&other.path().join("staging")).remove(0);
    sql(&world, &format!("UPDATE anchor SET staged = 'staging/{}'", name.display()));
    let refused = world.open();
    assert!(
        matches!(&refused, Err(Error::Damaged { path, .. }) if path.starts_with("staging/9-")),
        "{refused:?}"
    );
    assert_eq!(world.view().unwrap().checkpoint().size, 5);
}

#[test]
fn staging_leftovers_are_removed_and_other_logs_batches_are_not_applied() {
    let world = World::with_entries(5);
    let foreign = committed_and_unpublished();
    copy_tree(&foreign.path().join("staging"), &world.path().join("staging"));
    std::fs::write(world.path().join("staging/rubbish"), b"x").unwrap();
    std::fs::write(world.path().join("staging/.tmp"), b"half a batch").unwrap();
    let (mut log, recovery) = world.open().unwrap();
    assert!(!recovery.published_batch);
    assert_eq!(files(&world.path().join("staging")), [Path::new(".tmp")]);
    append(&mut log, 5..9);
    assert_clean(&log);
}

#[test]
fn a_log_whose_creation_was_cut_short_is_finished_by_creating_or_opening() {
    // Only an empty database.
    let world = World::new();
    std::fs::create_dir_all(world.path()).unwrap();
    SqliteAnchor::create(&world.path().join("anchor.db")).unwrap();
    assert!(matches!(world.open(), Err(Error::NotFound { .. })));
    world.create();
    world.assert_sound(&[]);

    // The anchor, and nothing published.
    let world = World::new();
    drop(world.create());
    std::fs::remove_dir_all(world.path().join("tiles")).unwrap();
    world.assert_sound(&[]);
    assert_eq!(world.view().unwrap().checkpoint().root, EMPTY_ROOT);
}

#[test]
fn s19_a_newer_database_is_refused_untouched() {
    let world = World::with_entries(5);
    let path = world.path().join("anchor.db");
    rusqlite::Connection::open(&path).unwrap().execute_batch("PRAGMA user_version = 3").unwrap();
    let before = std::fs::read(&path).unwrap();
    assert!(matches!(world.open(), Err(Error::NewerSchema { found: 3, known: 2, .. })));
    assert_eq!(std::fs::read(&path).unwrap(), before);
    rusqlite::Connection::open(&path).unwrap().execute_batch("PRAGMA user_version = -1").unwrap();
    assert!(matches!(world.open(), Err(Error::Damaged { .. })));
    rusqlite::Connection::open(&path).unwrap().execute_batch("PRAGMA user_version = 0").unwrap();
    assert!(matches!(world.open(), Err(Error::Damaged { .. })));
}

#[test]
fn s19_a_database_of_the_first_version_is_brought_up_to_date() {
    let world = World::with_entries(5);
    let note = world.note();
    let path = world.path().join("anchor.db");
    // The log as the first version left it.
    let raw = rusqlite::Connection::open(&path).unwrap();
    raw.execute_batch(
        "DROP TRIGGER anchor_frozen; DROP TRIGGER anchor_grows; ALTER TABLE anchor DROP COLUMN mode;
         CREATE TRIGGER anchor_grows BEFORE UPDATE ON anchor WHEN NEW.size <= OLD.size
         BEGIN SELECT RAISE(ABORT, 'the anchor only grows'); END;
         PRAGMA user_version = 1;",
    )
    .unwrap();
    drop(raw);
    let (mut log, _) = world.open().unwrap();
    append(&mut log, 5..9);
    drop(log);
    world.assert_sound(&[note]);
    let version = |path: &Path| -> i64 {
        let raw = rusqlite::Connection::open(path).unwrap();
        raw.query_row("PRAGMA user_version", [], |row| row.get(0)).unwrap()
    };
    assert_eq!(version(&path), 2, "which the first version refuses");
    assert_eq!(SqliteAnchor::open(&path).unwrap().mode().unwrap(), Mode::Live);
}

#[test]
fn s10_only_a_live_log_commits_and_a_frozen_one_stays_frozen() {
    let world = World::new();
    std::fs::create_dir_all(world.path()).unwrap();
    let path = world.path().join("anchor.db");
    let mut anchor = SqliteAnchor::create(&path).unwrap();
    assert_eq!(anchor.mode().unwrap(), Mode::Live);
    assert!(matches!(anchor.set_mode(Mode::Restored), Err(Error::NotFound { .. })));
    anchor
        .initialise(&Anchored { size: 0, checkpoint: b"first".to_vec(), staged: None }, Mode::Live)
        .unwrap();
    let leaf = [sealwax_tlog::Hash::leaf(b"leaf")];
    let next = Anchored { size: 1, checkpoint: b"second".to_vec(), staged: Some("staging/1".into()) };
    let raw = rusqlite::Connection::open(&path).unwrap();
    for mode in [Mode::Restored, Mode::Frozen] {
        anchor.set_mode(mode).unwrap();
        anchor.set_mode(mode).unwrap();
        assert_eq!(SqliteAnchor::open(&path).unwrap().mode().unwrap(), mode);
        let refused = anchor.swap(b"first", &next, &leaf);
        assert!(matches!(refused, Err(Error::NotLive { mode: found }) if found == mode), "{refused:?}");
        // Nor does the database let a program that does not ask.
        assert!(raw.execute_batch("UPDATE anchor SET size = 1, staged = 'x'").is_err(), "{mode}");
    }
    for mode in [Mode::Live, Mode::Restored] {
        let refused = anchor.set_mode(mode);
        assert!(matches!(refused, Err(Error::NotLive { mode: Mode::Frozen })), "{refused:?}");
        assert!(raw.execute_batch(&format!("UPDATE anchor SET mode = '{mode}'")).is_err());
    }

    let path = world.path().join("other.db");
    let mut anchor = SqliteAnchor::create(&path).unwrap();
    anchor
        .initialise(&Anchored { size: 0, checkpoint: b"first".to_vec(), staged: None }, Mode::Live)
        .unwrap();
    anchor.set_mode(Mode::Restored).unwrap();
    anchor.set_mode(Mode::Live).unwrap();
    anchor.swap(b"first", &next, &leaf).unwrap();
}

#[test]
fn s11_a_register_without_a_checkpoint_cannot_be_stored() {
    let world = World::new();
    std::fs::create_dir_all(world.path()).unwrap();
    let path = world.path().join("anchor.db");
    let mut anchor = SqliteAnchor::create(&path).unwrap();
    let empty = Anchored { size: 0, checkpoint: Vec::new(), staged: None };
    assert!(anchor.initialise(&empty, Mode::Live).is_err());
    let first = Anchored { size: 0, checkpoint: b"first".to_vec(), staged: None };
    anchor.initialise(&first, Mode::Live).unwrap();
    assert!(matches!(anchor.initialise(&first, Mode::Live), Err(Error::Exists { .. })));
    let leaf = [sealwax_tlog::Hash::leaf(b"leaf")];
    let next = Anchored { size: 1, checkpoint: b"second".to_vec(), staged: Some("staging/1".into()) };
    for old in [b"".as_slice(), b"other", b"first\0", b"firs"] {
        assert!(matches!(anchor.swap(old, &next, &leaf), Err(Error::Overtaken)));
    }
    let bad = [
        Anchored { checkpoint: Vec::new(), ..next.clone() },
        Anchored { staged: None, ..next.clone() },
        Anchored { staged: Some(String::new()), ..next.clone() },
        Anchored { size: 2, ..next.clone() },
        Anchored { size: u64::MAX, ..next.clone() },
    ];
    for bad in &bad {
        assert!(anchor.swap(b"first", bad, &leaf).is_err(), "{bad:?}");
    }
    assert_eq!(anchor.load().unwrap().unwrap(), first);
    assert!(anchor.is_indexed(0).unwrap());
    anchor.swap(b"first", &next, &leaf).unwrap();
    assert!(matches!(anchor.swap(b"first", &next, &leaf), Err(Error::Overtaken)));
    drop(anchor);

    // What no code of ours does, the database refuses as well.
    let raw = rusqlite::Connection::open(&path).unwrap();
    for statement in [
        "INSERT INTO anchor VALUES (2, 0, x'00', NULL, 'live')",
        "UPDATE anchor SET size = 1",
        "UPDATE anchor SET size = 0, staged = NULL",
        "UPDATE anchor SET size = 2, checkpoint = NULL",
        "UPDATE anchor SET size = 2, checkpoint = ''",
        "UPDATE anchor SET size = 2, checkpoint = x''",
        "UPDATE anchor SET size = 2, checkpoint = 'text'",
        "UPDATE anchor SET size = 'two'",
        "UPDATE anchor SET size = 2, staged = NULL",
        "UPDATE anchor SET mode = 'dead'",
        "UPDATE anchor SET mode = NULL",
        "DELETE FROM anchor",
        "INSERT INTO leaf VALUES (1, NULL)",
        "INSERT INTO leaf VALUES (1, x'00')",
        "INSERT INTO leaf VALUES (-1, zeroblob(32))",
        "INSERT INTO leaf VALUES (0, zeroblob(32))",
    ] {
        assert!(raw.execute_batch(statement).is_err(), "{statement}");
    }
}

#[test]
fn s09_an_anchor_locked_by_another_program_is_busy_and_not_damaged() {
    let world = World::with_entries(5);
    let anchor = SqliteAnchor::open(&world.path().join("anchor.db")).unwrap();
    let (mut log, _) =
        Log::open_with(Directory::writer(&world.path(), crate::world::briefly).unwrap(), anchor, world.key())
            .unwrap();
    let other = rusqlite::Connection::open(world.path().join("anchor.db")).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    assert!(matches!(try_append(&mut log, 5..6), Err(Error::Busy { .. })));
    other.execute_batch("ROLLBACK").unwrap();
    log.reload().unwrap();
    append(&mut log, 5..6);
    assert_clean(&log);
}

//! A file system without space, at every point of an append.

use std::path::Path;
use std::process::Command;

use sealwax_transparency_log::{Error, Log};

use crate::world::{World, append, assert_clean, assert_receipt, body, try_append};

/// A small file system in memory, unmounted when dropped.
struct Tmpfs<'a>(&'a Path);

impl<'a> Tmpfs<'a> {
    fn mount(path: &'a Path) -> Option<Tmpfs<'a>> {
        std::fs::create_dir_all(path).unwrap();
        let mounted =
            Command::new("mount").args(["-t", "tmpfs", "-o", "size=8m", "tmpfs"]).arg(path).output();
        mounted.is_ok_and(|output| output.status.success()).then_some(Tmpfs(path))
    }
}

impl Drop for Tmpfs<'_> {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(self.0).output();
    }
}

#[test]
fn s04_a_full_disk_acknowledges_nothing_and_is_survived_when_space_returns() {
    let world = World::new();
    let path = world.path();
    let Some(_tmpfs) = Tmpfs::mount(&path) else {
        println!("skipped: a full disk (mounting needs root)");
        return;
    };
    let mut log = world.create();
    append(&mut log, 0..5);
    let filler = path.join("filler");
    let mut size = 5;
    let mut failures = 0;
    let mut notes = vec![world.note()];
    // From no page left to more than one append needs.
    for pages in 0..40u64 {
        fill_but(&filler, pages);
        let result = try_append(&mut log, size..size + 3);
        match result {
            Ok(receipts) => {
                for (receipt, index) in receipts.iter().zip(size..) {
                    assert_receipt(receipt, &body(index), &world.verifier);
                }
            }
            Err(error) => {
                failures += 1;
                assert!(matches!(error, Error::Io { .. } | Error::Database { .. }), "{pages} pages: {error}");
                assert!(!error.is_sync_failure(), "{error}");
                // Reading goes on, space or not.
                assert_eq!(world.view().unwrap().entry(0).unwrap(), body(0));
                std::fs::remove_file(&filler).unwrap();
                log.reload().unwrap_or_else(|error| panic!("{pages} pages: {error}"));
                append(&mut log, size..size + 3);
            }
        }
        let _ = std::fs::remove_file(&filler);
        size += 3;
        assert_eq!(log.checkpoint().unwrap().size, size);
        world.assert_extends(&log, &notes);
        assert_clean(&log);
        notes.push(world.note());
    }
    println!("{failures} appends met a full disk");
    assert!(failures > 0);
    drop(log);
    let (log, _) = Log::open(&path, world.key(), crate::world::briefly).unwrap();
    world.assert_extends(&log, &notes);
}

/// Takes all space but so many pages of 4 KiB.
fn fill_but(filler: &Path, pages: u64) {
    use std::io::Write;
    let mut file = std::fs::File::create(filler).unwrap();
    while file.write_all(&[0; 4096]).is_ok() {}
    let length = file.metadata().unwrap().len();
    file.set_len(length.saturating_sub(pages * 4096)).unwrap();
}

#[test]
fn s17_a_read_only_log_can_be_read_and_not_opened_for_appending() {
    let world = World::new();
    let path = world.path();
    let Some(_tmpfs) = Tmpfs::mount(&path) else {
        println!("skipped: a read-only file system (mounting needs root)");
        return;
    };
    append(&mut world.create(), 0..5);
    let remounted = Command::new("mount").args(["-o", "remount,ro"]).arg(&path).output().unwrap();
    assert!(remounted.status.success());
    assert!(matches!(world.open(), Err(Error::Io { .. })));
    let view = world.view().unwrap();
    assert_eq!(view.entry(4).unwrap(), body(4));
    assert!(view.check(&|_, _| true).unwrap().is_clean());
}

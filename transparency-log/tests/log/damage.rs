//! One changed bit in any file of the log, and files that are cut short, emptied, filled with zeros or gone.

use std::path::Path;

use sealwax_tlog::{Checkpoint, Hash, RightEdge};
use sealwax_transparency_log::{Damage, Error, Log, LogView, Report};

use crate::world::{World, append, assert_receipt, body, envelope_fits, files, try_append};

/// 300 entries in two batches: a full tile and bundle, partial ones of two levels, and narrower versions of those.
fn world() -> World {
    let world = World::with_entries(290);
    let (mut log, _) = world.open().unwrap();
    append(&mut log, 290..300);
    drop(log);
    world
}

#[derive(Debug, PartialEq)]
enum Verdict {
    RefusedAtOpen,
    FoundByCheck(Vec<Damage>),
    FailedAtAppend,
    Harmless,
}

/// Opens, checks, appends, checks again. Harmless is only what leaves every entry and every proof as it was.
fn judge(world: &World, note: &[u8]) -> Verdict {
    let Ok((mut log, _)) = world.open() else { return Verdict::RefusedAtOpen };
    let report = log.check(&envelope_fits).unwrap();
    if !report.is_clean() {
        append_truthfully(log, world);
        return Verdict::FoundByCheck(report.damage);
    }
    if try_append(&mut log, 300..303).is_err() {
        return Verdict::FailedAtAppend;
    }
    world.assert_extends(&log, &[note.to_vec()]);
    let view = world.view().unwrap();
    for index in [0, 128, 255, 256, 299, 302] {
        assert_eq!(view.entry(index).unwrap(), body(index));
    }
    assert!(log.check(&envelope_fits).unwrap().is_clean());
    append_truthfully(log, world);
    Verdict::Harmless
}

/// Appends to a log that may be damaged, old entries and new ones, until it refuses: no receipt may be wrong, and every
/// signed root must be the one of all entries that went in.
fn append_truthfully(mut log: Log, world: &World) {
    let size = log.checkpoint().unwrap().size;
    let mut tree = RightEdge::empty();
    for index in 0..size {
        tree.append(Hash::leaf(&body(index))).unwrap();
    }
    for index in [0, 77, 255, 256, 299, size, size + 1] {
        let Ok(receipts) = try_append(&mut log, index..index + 1) else { return };
        assert_receipt(&receipts[0], &body(index), &world.verifier);
        if !receipts[0].existing {
            tree.append(Hash::leaf(&body(index))).unwrap();
        }
        let signed = Checkpoint::open(&receipts[0].checkpoint, &world.verifier).unwrap();
        assert_eq!((signed.size, signed.root), (tree.size(), tree.root()), "entry {index}");
    }
}

#[test]
fn s07_a_changed_bit_in_any_public_file_is_found_and_named() {
    let intact = world();
    let note = intact.note();
    let mut tried = 0;
    for file in files(&intact.path()) {
        let name = file.to_str().unwrap();
        if !name.starts_with("tiles/") && !name.starts_with("envelopes/") {
            continue;
        }
        let length = std::fs::read(intact.path().join(&file)).unwrap().len();
        // All bytes of the small files, and of the others each end and samples.
        let offsets = (0..length).filter(|at| length < 256 || at % 61 == 3 || *at < 4 || at + 4 > length);
        for offset in offsets {
            let bit = (offset % 8) as u32;
            let world = intact.copy();
            flip(&world.path().join(&file), offset, bit);
            tried += 1;
            // Without the anchor, a reader's check names exactly the file.
            match LogView::open(&world.path(), &world.verifier) {
                Err(_) => assert_eq!(name, "tiles/checkpoint"),
                Ok(view) => {
                    let report = view.check(&envelope_fits).unwrap();
                    assert_eq!(paths(&report), [name], "bit {bit} of byte {offset}");
                }
            }
            assert_ne!(judge(&world, &note), Verdict::Harmless, "{name}: bit {bit} of byte {offset}");
        }
    }
    println!("{tried} changed bits");
    assert!(tried > 400, "{tried}");
}

#[test]
fn s07_a_changed_bit_anywhere_in_the_database_is_found_or_harmless() {
    let intact = world();
    let note = intact.note();
    let length = std::fs::read(intact.path().join("anchor.db")).unwrap().len();
    let mut verdicts = [0; 4];
    // The whole header, then samples over all pages.
    for offset in (0..108).chain((108..length).step_by(61)) {
        let world = intact.copy();
        flip(&world.path().join("anchor.db"), offset, (offset % 8) as u32);
        let place = match judge(&world, &note) {
            Verdict::RefusedAtOpen => 0,
            Verdict::FoundByCheck(_) => 1,
            Verdict::FailedAtAppend => 2,
            Verdict::Harmless => 3,
        };
        verdicts[place] += 1;
    }
    println!("database: refused, found by check, failed at append, harmless: {verdicts:?}");
    assert!(verdicts[0] > 0 && verdicts[1] > 0);
}

#[test]
fn s07_a_leaf_that_changed_in_the_table_or_in_its_index_alone_is_found() {
    let intact = world();
    let bytes = std::fs::read(intact.path().join("anchor.db")).unwrap();
    for index in [0, 77, 299] {
        let leaf = Hash::leaf(&body(index));
        let places: Vec<usize> =
            (0..bytes.len() - 31).filter(|at| bytes[*at..][..32] == *leaf.as_bytes()).collect();
        // One in the table, one in the index, and what SQLite may have left behind in space that it no longer uses.
        let mut found = 0;
        for place in places {
            let world = intact.copy();
            flip(&world.path().join("anchor.db"), place + 17, 7);
            let report = world.open().unwrap().0.check(&envelope_fits).unwrap();
            assert!(report.is_clean() || paths(&report) == ["anchor.db"], "{report:?}");
            found += u32::from(!report.is_clean());
        }
        assert_eq!(found, 2, "leaf {index}");
    }
}

#[test]
fn s07_an_index_in_the_wrong_order_is_found() {
    let world = world();
    let path = world.path().join("anchor.db");
    let mut bytes = std::fs::read(&path).unwrap();
    // A row of the index is the hash and, above 127, two bytes of position; its header ends with the types of both.
    let row = |index: u64| {
        let hash = Hash::leaf(&body(index));
        let mut places = (2..bytes.len() - 33)
            .filter(|at| bytes[at - 2..*at] == [12 + 2 * 32, 2] && bytes[*at..][..32] == *hash.as_bytes());
        places.next().filter(|_| places.next().is_none())
    };
    let rows: Vec<usize> = (128..256).filter_map(row).take(2).collect();
    let (one, other) = (bytes[rows[0]..][..34].to_vec(), bytes[rows[1]..][..34].to_vec());
    bytes[rows[0]..][..34].copy_from_slice(&other);
    bytes[rows[1]..][..34].copy_from_slice(&one);
    std::fs::write(&path, bytes).unwrap();
    assert_eq!(paths(&world.open().unwrap().0.check(&envelope_fits).unwrap()), ["anchor.db"]);
}

#[test]
fn s08_a_changed_bit_in_the_journal_of_the_database_is_found_or_harmless() {
    let world = World::with_entries(290);
    // Still open: what it committed is in the journal only, as after a kill.
    let (mut log, _) = world.open().unwrap();
    append(&mut log, 290..300);
    let note = world.note();
    let length = std::fs::read(world.path().join("anchor.db-wal")).unwrap().len();
    let (mut refused, mut harmless) = (0, 0);
    for offset in (0..56).chain((56..length).step_by(419)) {
        let copy = world.copy();
        flip(&copy.path().join("anchor.db-wal"), offset, (offset % 8) as u32);
        match judge(&copy, &note) {
            Verdict::RefusedAtOpen => refused += 1,
            Verdict::Harmless => harmless += 1,
            other => panic!("byte {offset}: {other:?}"),
        }
    }
    println!("journal: {refused} refused, {harmless} harmless");
    assert!(refused > harmless);
}

#[test]
fn s08_a_database_with_any_page_overwritten_is_refused_at_open() {
    let intact = World::with_entries(2000);
    let pages = std::fs::read(intact.path().join("anchor.db")).unwrap().len() / 4096;
    assert!(pages > 20);
    for page in 0..pages {
        let world = intact.copy();
        let path = world.path().join("anchor.db");
        let mut bytes = std::fs::read(&path).unwrap();
        bytes[page * 4096..][..4096].fill(0xff);
        std::fs::write(&path, bytes).unwrap();
        let refused = world.open();
        assert!(
            matches!(&refused, Err(Error::Damaged { path, .. }) if path == "anchor.db"),
            "{page}: {refused:?}"
        );
    }
}

#[test]
fn s08_cut_emptied_zeroed_and_missing_files_are_found() {
    let intact = world();
    let note = intact.note();
    for file in files(&intact.path()) {
        let name = file.to_str().unwrap();
        if name == "lock" {
            continue;
        }
        let whole = std::fs::read(intact.path().join(&file)).unwrap();
        let mut zero_tail = whole.clone();
        let from = whole.len() - whole.len().min(512);
        zero_tail[from..].fill(0);
        let cut = |by: usize| whole[..whole.len().saturating_sub(by)].to_vec();
        let variants =
            [Some(cut(1)), Some(cut(512)), Some(cut(4096)), Some(Vec::new()), Some(zero_tail), None];
        for (number, contents) in variants.into_iter().enumerate() {
            // A lost envelope is missed by whoever looks for it: entries are opaque here.
            if contents.as_ref() == Some(&whole) || (contents.is_none() && name.starts_with("envelopes/")) {
                continue;
            }
            let world = intact.copy();
            let path = world.path().join(&file);
            match &contents {
                Some(bytes) => std::fs::write(&path, bytes).unwrap(),
                None => std::fs::remove_file(&path).unwrap(),
            }
            let verdict = judge(&world, &note);
            let superseded = contents.is_none() && (name.ends_with(".p/34"));
            assert_eq!(verdict == Verdict::Harmless, superseded, "{name}, variant {number}: {verdict:?}");
        }
    }
}

#[test]
fn s07_two_damaged_files_are_both_named() {
    let world = world();
    flip(&world.path().join("tiles/tile/entries/000"), 100, 1);
    flip(&world.path().join("tiles/tile/0/001.p/44"), 100, 1);
    let report = world.view().unwrap().check(&envelope_fits).unwrap();
    let mut named = paths(&report);
    named.sort_unstable();
    assert_eq!(named, ["tiles/tile/0/001.p/44", "tiles/tile/entries/000"]);
}

#[test]
fn s07_a_damaged_tile_on_the_right_edge_is_not_built_upon() {
    for file in ["tiles/tile/0/001.p/44", "tiles/tile/1/000.p/1", "tiles/tile/entries/001.p/44"] {
        let world = world();
        flip(&world.path().join(file), 20, 1);
        assert!(world.open().is_err(), "{file}");
    }
    // A full last tile is outside the edge and looked at all the same.
    for file in ["tiles/tile/0/000", "tiles/tile/1/000.p/1", "tiles/tile/entries/000"] {
        let world = World::with_entries(256);
        flip(&world.path().join(file), 20, 1);
        assert!(world.open().is_err(), "{file}");
    }
}

fn flip(path: &Path, offset: usize, bit: u32) {
    let mut bytes = std::fs::read(path).unwrap();
    bytes[offset] ^= 1 << bit;
    std::fs::write(path, bytes).unwrap();
}

fn paths(report: &Report) -> Vec<&str> {
    report.damage.iter().map(|damage| damage.path.as_str()).collect()
}

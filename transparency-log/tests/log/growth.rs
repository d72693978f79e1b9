//! Growing across the boundaries at which tiles fill.

use std::collections::BTreeSet;

use proptest::prelude::*;
use sealwax_tlog::Tile;
use sealwax_transparency_log::Log;

use crate::world::{World, append, assert_clean, assert_receipt, body, files};

/// The files below `tiles/` must be exactly the tiles of the tree, and for incomplete ones also narrower versions.
fn assert_tiles(world: &World, log: &Log) {
    let size = log.checkpoint().unwrap().size;
    let expected: BTreeSet<String> =
        Tile::new_hashes(0, size).chain(Tile::all_entries(size)).map(|t| t.path()).collect();
    let partial: BTreeSet<String> = Tile::partials(size).map(|tile| folder(&tile.path())).collect();
    let found: BTreeSet<String> = files(&world.path().join("tiles/tile"))
        .iter()
        .map(|file| format!("tile/{}", file.display()))
        .collect();
    assert!(expected.is_subset(&found), "{:?}", expected.difference(&found));
    for extra in found.difference(&expected) {
        assert!(partial.contains(&folder(extra)), "{extra} at {size}");
    }
}

fn folder(path: &str) -> String {
    path.rsplit_once('/').unwrap().0.to_owned()
}

#[test]
fn every_checkpoint_extends_the_earlier_ones_across_256() {
    let world = World::new();
    let mut log = world.create();
    let mut notes = vec![world.note()];
    let mut size = 0;
    for step in [1, 1, 250, 3, 1, 1, 1, 254, 1, 256, 512, 5] {
        for (receipt, index) in append(&mut log, size..size + step).iter().zip(size..) {
            assert_receipt(receipt, &body(index), &world.verifier);
            assert_eq!(receipt.index, index);
        }
        size += step;
        assert_tiles(&world, &log);
        world.assert_extends(&log, &notes);
        notes.push(world.note());
        assert_clean(&log);
        drop(log);
        log = world.open().unwrap().0;
    }
    assert_eq!(world.view().unwrap().entry(777).unwrap(), body(777));
}

#[test]
fn a_third_tile_level_appears_at_65536() {
    let world = World::new();
    let mut log = world.create();
    let mut notes = Vec::new();
    let mut size = 0;
    for step in [65_000, 535, 1, 1, 300] {
        let receipts = append(&mut log, size..size + step);
        for at in [0, receipts.len() / 2, receipts.len() - 1] {
            assert_receipt(&receipts[at], &body(size + at as u64), &world.verifier);
        }
        size += step;
        world.assert_extends(&log, &notes);
        notes.push(world.note());
        drop(log);
        log = world.open().unwrap().0;
        assert_tiles(&world, &log);
    }
    assert!(world.path().join("tiles/tile/1/000").exists());
    assert!(world.path().join("tiles/tile/2/000.p/1").exists());
    assert_clean(&log);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 8, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_cut_into_batches_gives_the_same_tree(cuts in proptest::collection::vec(1u64..200, 1..6)) {
        let total: u64 = cuts.iter().sum();
        let (in_steps, at_once) = (World::new(), World::new());
        let mut log = in_steps.create();
        let mut size = 0;
        for cut in cuts {
            append(&mut log, size..size + cut);
            size += cut;
        }
        let mut other = at_once.create();
        append(&mut other, 0..total);
        prop_assert_eq!(log.checkpoint().unwrap(), other.checkpoint().unwrap());
        assert_clean(&log);
    }
}

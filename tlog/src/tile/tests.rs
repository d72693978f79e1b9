use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;

use super::*;
use crate::{Checkpoint, RightEdge, SignedNote, VerifierKey, entries, proof, vectors};

#[test]
fn t18_tile_paths() {
    let good = [
        ("tile/0/000", Tile::hashes(0, 0, 256)),
        ("tile/0/001.p/5", Tile::hashes(0, 1, 5)),
        ("tile/0/x001/x234/067", Tile::hashes(0, 1_234_067, 256)),
        ("tile/5/x123/x456/078.p/2", Tile::hashes(5, 123_456_078, 2)),
        ("tile/63/999.p/255", Tile::hashes(63, 999, 255)),
        ("tile/1/x001/000.p/1", Tile::hashes(1, 1000, 1)),
        ("tile/entries/000", Tile::entries(0, 256)),
        ("tile/entries/x003/x057/500.p/255", Tile::entries(3_057_500, 255)),
        ("tile/0/x018/x446/x744/x073/x709/x551/615", Tile::hashes(0, u64::MAX, 256)),
    ];
    for (path, tile) in good {
        let tile = tile.unwrap();
        assert_eq!(tile.path(), path);
        assert_eq!(Tile::parse(path).unwrap(), tile);
    }
    let bad = [
        "",
        "tile",
        "tile/",
        "tile/0",
        "tile/0/",
        "/tile/0/000",
        "tile/0/000/",
        "tile//0/000",
        "tile/64/000",
        "tile/00/000",
        "tile/+1/000",
        "tile/-1/000",
        "tile/256/000",
        "tile/data/000",
        "tile/Entries/000",
        "tile/0/00",
        "tile/0/0",
        "tile/0/0000",
        "tile/0/1000",
        "tile/0/x000/001",
        "tile/0/x001/x234",
        "tile/0/001/067",
        "tile/0/x001/x234/x067",
        "tile/0/X001/067",
        "tile/0/xx001/067",
        "tile/0/x01/067",
        "tile/0/x001//067",
        "tile/0/x001/../067",
        "tile/0/../0/000",
        "tile/0/..",
        "tile/0/000.p",
        "tile/0/000.p/",
        "tile/0/000.p/0",
        "tile/0/000.p/00",
        "tile/0/000.p/01",
        "tile/0/000.p/+1",
        "tile/0/000.p/256",
        "tile/0/000.p/257",
        "tile/0/000.p/65537",
        "tile/0/000.p/1.p/1",
        "tile/0/000.p/1/",
        "tile/0/000 ",
        "tile/0/00\u{0661}",
        "tile/0/x018/x446/x744/x073/x709/x551/616",
        "tile/0/x999/x999/x999/x999/x999/x999/x999/999",
    ];
    for path in bad {
        assert!(matches!(Tile::parse(path), Err(Error::TilePath)), "{path:?}");
    }
    assert!(Tile::hashes(64, 0, 1).is_err());
    assert!(Tile::hashes(0, 0, 0).is_err());
    assert!(Tile::entries(0, 257).is_err());
}

#[test]
fn the_specification_s_example_of_70000_entries() {
    let tiles: Vec<Tile> = Tile::new_hashes(0, 70_000).collect();
    let count =
        |level, full| tiles.iter().filter(|t| t.level() == Some(level) && t.is_full() == full).count();
    assert_eq!((count(0, true), count(0, false)), (273, 1));
    assert_eq!((count(1, true), count(1, false)), (1, 1));
    assert_eq!((count(2, true), count(2, false)), (0, 1));
    let partial: Vec<String> = tiles.iter().filter(|tile| !tile.is_full()).map(Tile::path).collect();
    assert_eq!(partial, ["tile/0/273.p/112", "tile/1/001.p/17", "tile/2/000.p/1"]);
    let of_256: Vec<String> = Tile::new_hashes(0, 256).map(|tile| tile.path()).collect();
    assert_eq!(of_256, ["tile/0/000", "tile/1/000.p/1"]);
    assert_eq!(Tile::new_hashes(0, 0).count() + Tile::all_entries(0).count(), 0);
    assert_eq!(Tile::all_entries(70_000).last().unwrap().path(), "tile/entries/273.p/112");
}

#[test]
fn t12_the_largest_tree_has_eight_levels() {
    assert_eq!(Tile::new_hashes(u64::MAX - 1, u64::MAX).count(), 1);
    assert_eq!(Tile::new_entries(u64::MAX - 1, u64::MAX).last().unwrap().width(), 255);
    let node = Node { level: 63, index: 0 };
    assert_eq!(Tile::for_node(node, u64::MAX).unwrap(), Tile::hashes(7, 0, 255).unwrap());
    assert!(Tile::for_node(Node { level: 63, index: u64::MAX }, u64::MAX).is_err());
    assert!(Tile::for_node(Node { level: 255, index: 0 }, u64::MAX).is_err());
    assert!(Tile::for_entry(u64::MAX - 1, u64::MAX).is_ok());
    assert!(matches!(Tile::for_entry(5, 5), Err(Error::IndexBeyondTree { index: 5, size: 5 })));
    assert!(Tile::for_entry(0, 0).is_err());
}

#[test]
fn new_tiles_are_the_difference_of_two_sizes() {
    let sizes = [0, 1, 2, 100, 255, 256, 257, 511, 512, 700, 65_535, 65_536, 65_537, 66_000];
    for old in sizes {
        for new in sizes.into_iter().filter(|new| *new >= old) {
            let before: BTreeSet<Tile> = Tile::new_hashes(0, old).chain(Tile::all_entries(old)).collect();
            let after: BTreeSet<Tile> = Tile::new_hashes(0, new).chain(Tile::all_entries(new)).collect();
            let added: BTreeSet<Tile> =
                Tile::new_hashes(old, new).chain(Tile::new_entries(old, new)).collect();
            assert_eq!(added, after.difference(&before).copied().collect(), "{old}..{new}");
            let partial: BTreeSet<Tile> = Tile::partials(new).collect();
            assert_eq!(partial, after.into_iter().filter(|tile| !tile.is_full()).collect(), "{new}");
        }
    }
}

#[test]
fn a_tile_s_bytes_have_the_length_of_its_width() {
    let tile = Tile::hashes(0, 0, 3).unwrap();
    assert_eq!(tile.decode(&[1; 96]).unwrap().len(), 3);
    for length in [0, 31, 32, 64, 95, 97, 128] {
        assert!(matches!(tile.decode(&vec![1; length]), Err(Error::TileLength { width: 3, .. })), "{length}");
    }
    assert!(Tile::entries(0, 3).unwrap().decode(&[1; 96]).is_err());
}

#[test]
fn t19_proofs_out_of_tiles_verify_and_one_flipped_byte_in_any_tile_is_noticed() {
    let size = 600u64;
    let (tiles, leaves, root) = tiles_of(size);
    let reader = |spoiled: Option<Tile>| {
        let tiles = &tiles;
        TileHashes::new(size, move |tile: &Tile| {
            let mut bytes = tiles[tile].clone();
            if spoiled == Some(*tile) {
                bytes[0] ^= 1;
            }
            TileRows::decode(tile, &bytes).map(Arc::new)
        })
    };
    assert_eq!(proof::root(&reader(None), size).unwrap(), root);
    for index in (0..size).step_by(37).chain([255, 256, 511, 512, 599]) {
        let path = proof::prove_inclusion(&reader(None), index, size).unwrap();
        proof::verify_inclusion(&leaves[usize::try_from(index).unwrap()], index, size, &path, &root).unwrap();
    }
    for old in (1..=size).step_by(41) {
        let path = proof::prove_consistency(&reader(None), old, size).unwrap();
        let old_root = proof::root(&reader(None), old).unwrap();
        proof::verify_consistency(old, size, &path, &old_root, &root).unwrap();
    }
    // The leftmost leaf of each tile is below the byte that changes, so either its hash or its path is wrong.
    for tile in tiles.keys() {
        let first = tile.index() << (8 * (u32::from(tile.level().unwrap()) + 1));
        let reader = reader(Some(*tile));
        let seen = HashReader::read(&reader, &[Node { level: 0, index: first }]).unwrap();
        let path = proof::prove_inclusion(&reader, first ^ 1, size).unwrap();
        let leaf = leaves[usize::try_from(first ^ 1).unwrap()];
        let sound = proof::verify_inclusion(&leaf, first ^ 1, size, &path, &root).is_ok()
            && seen[0] == leaves[usize::try_from(first).unwrap()]
            && proof::root(&reader, size).unwrap() == root;
        assert!(!sound, "{}", tile.path());
    }
}

/// Builds every tile of a tree, its leaves and its root, by appending.
fn tiles_of(size: u64) -> (BTreeMap<Tile, Vec<u8>>, Vec<Hash>, Hash) {
    let mut rows: BTreeMap<Node, Hash> = BTreeMap::new();
    let mut edge = RightEdge::empty();
    let leaves: Vec<Hash> = (0..size).map(|i| Hash::leaf(&i.to_be_bytes())).collect();
    for leaf in &leaves {
        rows.extend(edge.append(*leaf).unwrap());
    }
    let tiles = Tile::new_hashes(0, size).map(|tile| {
        let level = tile.level().unwrap() * 8;
        let nodes = (0..u64::from(tile.width())).map(|i| Node { level, index: tile.index() * 256 + i });
        (tile, nodes.flat_map(|node| *rows[&node].as_bytes()).collect())
    });
    (tiles.collect(), leaves, edge.root())
}

#[derive(Deserialize)]
struct TreeState {
    size: u64,
    root: String,
}

/// The log that Tessera wrote: every published size from 0 to 15, rebuilt from its entries.
#[test]
fn a_public_tile_log_is_rebuilt_from_its_entries() {
    let Some(folder) = vectors::folder("tessera-log/log") else { return };
    let state: TreeState = vectors::json(folder.join(".state/treeState"));
    let mut edge = RightEdge::empty();
    let mut roots = Vec::new();
    for size in 0..=state.size {
        if let Some(bundle) = Tile::all_entries(size).last() {
            let bytes = vectors::read(folder.join(bundle.path()));
            let decoded = entries::decode(&bytes, bundle.width()).unwrap();
            edge.append(Hash::leaf(decoded.last().unwrap())).unwrap();
            assert_eq!(entries::encode(&decoded).unwrap(), bytes);
        }
        for tile in Tile::new_hashes(0, size) {
            let hashes = tile.decode(&vectors::read(folder.join(tile.path()))).unwrap();
            assert_eq!(hashes.len(), usize::from(tile.width()));
        }
        let name = format!("checkpoint.{size}");
        let note = SignedNote::parse(&vectors::read(folder.join(&name))).unwrap();
        assert_eq!(note.to_bytes(), vectors::read(folder.join(&name)));
        let checkpoint = Checkpoint::parse(note.text()).unwrap();
        assert_eq!((checkpoint.size, checkpoint.root), (size, edge.root()));
        assert_eq!(checkpoint.origin, "example.com/log/testdata");
        roots.push(checkpoint.root);
    }
    assert_eq!(state.root, edge.root().to_base64());
    let reader = TileHashes::new(state.size, |tile: &Tile| {
        TileRows::decode(tile, &vectors::read(folder.join(tile.path()))).map(Arc::new)
    });
    for (old, root) in (0u64..).zip(&roots) {
        assert_eq!(proof::root(&reader, old).unwrap(), *root);
        let path = proof::prove_consistency(&reader, old, state.size).unwrap();
        proof::verify_consistency(old, state.size, &path, root, roots.last().unwrap()).unwrap();
    }
    // The key that Tessera's own test data publishes for this log.
    let key =
        VerifierKey::parse("example.com/log/testdata+33d7b496+AeHTu4Q3hEIMHNqc6fASMsq3rKNx280NI+oO5xCFkkSx");
    for size in 0..=state.size {
        let note = vectors::read(folder.join(format!("checkpoint.{size}")));
        assert_eq!(Checkpoint::open(&note, key.as_ref().unwrap()).unwrap().size, size);
    }
}

use super::*;

fn body(index: u64) -> Vec<u8> {
    format!("entry {index}").into_bytes()
}

/// The frontier of a tree of `size` entries.
fn frontier(size: u64) -> Frontier {
    let mut frontier = Frontier::empty();
    for index in 0..size {
        frontier.push(&body(index), &mut Vec::new()).unwrap();
    }
    frontier
}

fn batch(old: u64, new: u64) -> Batch {
    let bodies: Vec<Vec<u8>> = (old..new).map(body).collect();
    let leaves: Vec<Hash> = bodies.iter().map(|body| Hash::leaf(body)).collect();
    let bodies: Vec<&[u8]> = bodies.iter().map(Vec::as_slice).collect();
    Batch::build(&frontier(old), &bodies, &leaves).unwrap()
}

/// Encodes after a change, so that only replaying can notice it.
fn replayed(batch: &Batch, base: &Frontier) -> Result<(Frontier, Vec<Hash>)> {
    let (name, bytes) = batch.encode().unwrap();
    let decoded = Batch::decode(&name, &bytes).unwrap();
    assert_eq!(decoded, *batch);
    decoded.replay(base, &name)
}

#[test]
fn what_is_staged_replays_to_the_next_state() {
    for (old, new) in [(0, 1), (0, 256), (0, 700), (3, 4), (250, 260), (255, 256), (256, 257), (300, 1100)] {
        let batch = batch(old, new);
        let (next, leaves) = replayed(&batch, &frontier(old)).unwrap();
        assert_eq!(next, frontier(new));
        assert_eq!(next.root().unwrap(), batch.root);
        assert_eq!(leaves, (old..new).map(|index| Hash::leaf(&body(index))).collect::<Vec<_>>());
        let tiles: Vec<Tile> = batch.blobs.iter().map(|(tile, _)| *tile).collect();
        let mut expected: Vec<Tile> = Tile::new_hashes(old, new).chain(Tile::new_entries(old, new)).collect();
        expected.sort();
        assert_eq!(tiles, expected);
    }
}

#[test]
fn s08_a_torn_or_changed_batch_file_does_not_decode() {
    let (name, bytes) = batch(3, 6).encode().unwrap();
    for at in 0..bytes.len() {
        let mut changed = bytes.clone();
        changed[at] ^= 1;
        assert!(matches!(Batch::decode(&name, &changed), Err(Error::Damaged { .. })), "byte {at}");
        assert!(matches!(Batch::decode(&name, &bytes[..at]), Err(Error::Damaged { .. })), "cut at {at}");
    }
    let longer = [bytes.as_slice(), &[0]].concat();
    assert!(Batch::decode(&name, &longer).is_err());
    let (other, _) = batch(3, 7).encode().unwrap();
    for name in [other, name.replace("staging/6-", "staging/7-"), format!("{name}0"), String::new()] {
        assert!(matches!(Batch::decode(&name, &bytes), Err(Error::Damaged { .. })), "{name}");
    }
}

#[test]
fn s08_a_batch_with_a_right_hash_and_wrong_structure_does_not_decode() {
    let (_, bytes) = batch(3, 6).encode().unwrap();
    let content = &bytes[..bytes.len() - 32];
    let named = |content: &[u8]| {
        let digest: [u8; 32] = Sha256::digest(content).into();
        (format!("{STAGING}/6-{}", hex::encode(digest)), [content, &digest].concat())
    };
    let (name, intact) = named(content);
    Batch::decode(&name, &intact).unwrap();
    for cut in 1..content.len() {
        let (name, bytes) = named(&content[..cut]);
        assert!(Batch::decode(&name, &bytes).is_err(), "{cut}");
    }
    let (name, bytes) = named(&[content, &[0]].concat());
    assert!(Batch::decode(&name, &bytes).is_err());
    // A file of another version, or of something else.
    let (name, bytes) = named(&[b"sealwax batch 2\n", &content[16..]].concat());
    assert!(Batch::decode(&name, &bytes).is_err());
    // A path outside the tiles cannot be named.
    let at = content.windows(4).position(|bytes| bytes == b"tile").unwrap();
    let mut elsewhere = content.to_vec();
    elsewhere[at..at + 4].copy_from_slice(b"../x");
    let (name, bytes) = named(&elsewhere);
    assert!(Batch::decode(&name, &bytes).is_err());
}

#[test]
fn s07_replaying_refuses_whatever_does_not_follow_from_the_entries() {
    let base = frontier(250);
    let honest = batch(250, 260);
    replayed(&honest, &base).unwrap();
    let refused = |change: &dyn Fn(&mut Batch)| {
        let mut batch = honest.clone();
        change(&mut batch);
        assert!(matches!(replayed(&batch, &base), Err(Error::Damaged { .. } | Error::Tlog(_))));
    };
    let bundle = |batch: &Batch| batch.blobs.iter().position(|(tile, _)| tile.level().is_none()).unwrap();
    // An old entry, which the previous checkpoint covers; a new entry; each of the tiles.
    refused(&|batch| {
        let at = bundle(batch);
        batch.blobs[at].1[5] ^= 1;
    });
    for blob in 0..honest.blobs.len() {
        refused(&|batch| {
            let last = batch.blobs[blob].1.len() - 1;
            batch.blobs[blob].1[last] ^= 1;
        });
        refused(&|batch| drop(batch.blobs.remove(blob)));
        refused(&|batch| batch.blobs.push(batch.blobs[blob].clone()));
    }
    refused(&|batch| batch.root = Hash::leaf(b"other"));
    refused(&|batch| batch.size += 1);
    refused(&|batch| batch.base_size -= 1);
    refused(&|batch| batch.base_root = Hash::leaf(b"other"));
    refused(&|batch| batch.blobs.push((Tile::entries(9, 1).unwrap(), vec![0, 1, b'x'])));
    refused(&|batch| batch.blobs.push((Tile::hashes(5, 9, 1).unwrap(), vec![0; 32])));
    // The honest batch over another tree.
    assert!(replayed(&honest, &frontier(249)).is_err());
    let mut other = Frontier::empty();
    for index in 1..=250 {
        other.push(&body(index), &mut Vec::new()).unwrap();
    }
    assert!(replayed(&honest, &other).is_err());
}

#[test]
fn s07_a_leaf_hash_that_is_not_its_entry_s_is_noticed() {
    // What a flipped bit in memory between hashing and staging would do.
    let entry = body(0);
    let batch = Batch::build(&Frontier::empty(), &[&entry], &[Hash::leaf(b"entry 1")]).unwrap();
    assert!(matches!(replayed(&batch, &Frontier::empty()), Err(Error::Damaged { .. })));
}

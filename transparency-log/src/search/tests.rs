//! This is one file because every test uses the small log at its head.

use sealwax_attestation::{DsseEntry, DsseSignature, Envelope, HashedRekord, LoggedEntry, Verifier};
use sealwax_keys::{Certificate, HashAlgorithm, Scheme};
use sealwax_tlog::entries;

use super::records::KeptEnvelope;
use super::*;
use crate::storage::Directory;

/// Names `dev@example.com` and `https://ci.example/build`; made with `openssl req -x509`, for these tests only.
const CERTIFICATE: &str = "-----BEGIN CERTIFICATE-----
MIIBpDCCAUugAwIBAgIUTULlwTQzoZ7n/BjsU6gJd1oJ/qcwCgYIKoZIzj0EAwIw
DDEKMAgGA1UEAwwBeDAeFw0yNjExMjQxMzI5NTdaFw0zNjExMjExMzI5NTdaMAwx
CjAIBgNVBAMMAXgwWTATBgcqhkjOPQIBBggqhkjOPQMBBwNCAARAU942J75fKw6s
Zs15j6g5nn9J+KrQZvOJKNfoQJaAnYnQixkoBJLpqc3E3AkC8UjNBW/7S78F8Kxk
l8U05YUvo4GKMIGHMB0GA1UdDgQWBBTroMeZFBR6r3IkxjWtogKjQR/KWTAfBgNV
HSMEGDAWgBTroMeZFBR6r3IkxjWtogKjQR/KWTAPBgNVHRMBAf8EBTADAQH/MDQG
A1UdEQQtMCuBD2RldkBleGFtcGxlLmNvbYYYaHR0cHM6Ly9jaS5leGFtcGxlL2J1
aWxkMAoGCCqGSM49BAMCA0cAMEQCIHZAVHnx/zws89qYi1dUi52XFMMRRU7Rpdw2
RFUnDtjCAiBtT2FbAzu0nx8qZhZ1/XmgwvC6Lv60TJIKvy6Vd+vfQQ==
-----END CERTIFICATE-----
";

/// A log's storage and index in a directory of their own.
struct World {
    folder: tempfile::TempDir,
    storage: Directory,
    entries: Vec<Vec<u8>>,
}

impl World {
    /// A stored log of these entries, unsigned: the index reads bundles and nothing above them.
    fn new(entries: Vec<Vec<u8>>) -> World {
        let folder = tempfile::tempdir().unwrap();
        let storage = Directory::writer(folder.path(), |_| false).unwrap();
        let mut world = World { folder, storage, entries: Vec::new() };
        world.append(entries);
        world
    }

    fn append(&mut self, more: Vec<Vec<u8>>) {
        self.entries.extend(more);
        for bundle in Tile::all_entries(self.size()) {
            let first = usize::try_from(bundle.index() * 256).unwrap();
            let held = &self.entries[first..first + usize::from(bundle.width())];
            self.storage.write(&tree::name(&bundle), &entries::encode(held).unwrap()).unwrap();
        }
    }

    fn keep(&self, digest: &[u8], envelope: &Envelope) {
        self.storage.write(&envelope_name(digest), envelope.to_json().as_bytes()).unwrap();
    }

    fn size(&self) -> u64 {
        u64::try_from(self.entries.len()).unwrap()
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("index.db")
    }

    fn open(&self) -> SearchIndex {
        SearchIndex::open(&self.path()).unwrap()
    }

    fn caught_up(&self) -> SearchIndex {
        let mut index = self.open();
        index.catch_up(&self.storage, self.size()).unwrap();
        index
    }

    fn rebuilt(&self) -> SearchIndex {
        SearchIndex::rebuild(&self.path(), &self.storage, self.size()).unwrap()
    }

    /// Runs SQL behind the index's back.
    fn poison(&self, sql: &str) {
        Connection::open(self.path()).unwrap().execute_batch(sql).unwrap();
    }

    fn confirm(&self, query: &Query<'_>, position: u64) -> bool {
        let body = &self.entries[usize::try_from(position).unwrap()];
        let digest = LoggedEntry::from_body(body).map(|entry| entry.digest().to_vec());
        let envelope = digest.ok().and_then(|digest| self.storage.read(&envelope_name(&digest)).unwrap());
        query.matches(body, envelope.as_deref())
    }

    /// All that a search finds, in pages of `limit`.
    fn search_in_pages(&self, index: &SearchIndex, query: Query<'_>, limit: usize) -> Vec<u64> {
        let (mut all, mut before) = (Vec::new(), Some(self.size()));
        while let Some(end) = before {
            let page = index.find(&query, end, limit, |position| Ok(self.confirm(&query, position))).unwrap();
            assert!(page.positions.len() <= limit && page.next.is_none_or(|next| next < end));
            all.extend(page.positions);
            before = page.next;
        }
        all
    }

    fn search(&self, index: &SearchIndex, query: Query<'_>) -> Vec<u64> {
        self.search_in_pages(index, query, 3)
    }
}

fn key(number: u8) -> Verifier {
    Verifier::PublicKey(vec![number; 91])
}

fn fingerprint(number: u8) -> [u8; 32] {
    HashAlgorithm::Sha256.digest(&[number; 91]).try_into().unwrap()
}

fn certificate() -> Verifier {
    let [leaf] = Certificate::from_pem_chain(CERTIFICATE.as_bytes()).unwrap().try_into().unwrap();
    Verifier::Certificate(leaf.der().to_vec())
}

fn digest(number: u64) -> Vec<u8> {
    HashAlgorithm::Sha256.digest(&number.to_be_bytes())
}

fn rekord(digest: &[u8], verifier: Verifier) -> Vec<u8> {
    let entry = HashedRekord {
        scheme: Scheme::EcdsaP256Sha256,
        digest: digest.to_vec(),
        signature: digest[..8].to_vec(),
        verifier,
    };
    entry.to_body().unwrap()
}

/// An envelope about a subject and one file, with the digest that its entry names.
fn envelope(name: &str, subject: &[u8], file: &[u8]) -> (Vec<u8>, Envelope) {
    let (subject, file) = (hex::encode(subject), hex::encode(file));
    let payload = format!(
        r#"{{"_type":"https://in-toto.io/Statement/v1","subject":[{{"name":"{name}","digest":{{"sha256":"{subject}"}}}}],
        "predicate":{{"resources":[{{"name":"f","algorithm":"sha256","digest":"{file}"}}]}}}}"#
    );
    let envelope = Envelope::in_toto(payload.into_bytes(), vec![1]);
    (HashAlgorithm::Sha256.digest(&envelope.pae()), envelope)
}

fn nothing_kept(_: &[u8]) -> Result<Option<Vec<u8>>> {
    Ok(None)
}

/// Everything in the tables that a rebuild must make again.
fn content(index: &SearchIndex) -> (Vec<(i64, i64)>, Vec<KeptEnvelope>, u64) {
    let terms = index
        .rows("SELECT term, position FROM term", [], |row| Ok((row.get(0).unwrap(), row.get(1).unwrap())))
        .unwrap();
    (terms, index.oldest_envelopes(usize::MAX).unwrap(), index.indexed_size().unwrap())
}

#[test]
fn entries_are_found_by_everything_in_them() {
    let one = |signature, verifier| DsseSignature { scheme: Scheme::EcdsaP256Sha256, signature, verifier };
    let dsse = DsseEntry::new(b"payload", vec![one(vec![1], key(1)), one(vec![2], certificate())]);
    let world = World::new(vec![
        rekord(&digest(0), key(1)),
        rekord(&digest(1), key(2)),
        rekord(&digest(2), certificate()),
        dsse.to_body().unwrap(),
        rekord(&digest(1), key(1)),
    ]);
    let index = world.caught_up();
    assert_eq!(index.indexed_size().unwrap(), 5);
    let [leaf] = Certificate::from_pem_chain(CERTIFICATE.as_bytes()).unwrap().try_into().unwrap();
    for (query, expected) in [
        (Query::Digest(&digest(0)), vec![0]),
        (Query::Digest(&digest(1)), vec![4, 1]),
        (Query::Digest(dsse.payload_hash()), vec![3]),
        (Query::Digest(&digest(7)), vec![]),
        (Query::Key(&fingerprint(1)), vec![4, 3, 0]),
        (Query::Key(&fingerprint(2)), vec![1]),
        (Query::Key(&leaf.public_key().fingerprint()), vec![3, 2]),
        (Query::Identity(b"dev@example.com"), vec![3, 2]),
        (Query::Identity(b"https://ci.example/build"), vec![3, 2]),
        // Exactly and whole, and each kind apart.
        (Query::Identity(b"Dev@example.com"), vec![]),
        (Query::Identity(b"example.com"), vec![]),
        (Query::Subject("dev@example.com"), vec![]),
        (Query::Digest(&fingerprint(1)), vec![]),
    ] {
        assert_eq!(world.search(&index, query), expected, "{query:?}");
    }
    // Kinds are apart in the index already, not only when an answer is confirmed.
    let page = index.find(&Query::Subject("dev@example.com"), 5, 9, |_| Ok(true)).unwrap();
    assert_eq!(page, Page::default());
}

#[test]
fn entries_are_found_by_the_statement_behind_them_where_it_is_kept() {
    let (named, about) = envelope("my-model", &digest(10), &digest(11));
    let (other, unkept) = envelope("my-model", &digest(20), &digest(21));
    let world = World::new(vec![rekord(&named, key(1)), rekord(&other, key(1)), rekord(&named, key(2))]);
    world.keep(&named, &about);
    let mut index = world.caught_up();
    assert_eq!(world.search(&index, Query::Subject("my-model")), [2, 0]);
    assert_eq!(world.search(&index, Query::Digest(&digest(10))), [2, 0]);
    assert_eq!(world.search(&index, Query::Digest(&digest(11))), [2, 0]);
    assert_eq!(world.search(&index, Query::Digest(&digest(21))), [0; 0]);

    // One that comes later.
    world.keep(&other, &unkept);
    index.describe(&other, unkept.to_json().as_bytes()).unwrap();
    assert_eq!(world.search(&index, Query::Subject("my-model")), [2, 1, 0]);
    assert_eq!(world.search(&index, Query::Digest(&digest(21))), [1]);
    let expected = content(&index);
    assert_eq!(content(&world.rebuilt()), expected);
}

#[test]
fn an_envelope_that_is_another_entrys_confirms_nothing() {
    let (named, about) = envelope("my-model", &digest(10), &digest(11));
    let (other, lie) = envelope("other-model", &digest(20), &digest(21));
    let world = World::new(vec![rekord(&named, key(1))]);
    world.keep(&named, &lie);
    let index = world.caught_up();
    assert_eq!(world.search(&index, Query::Subject("other-model")), [0; 0]);
    assert_eq!(world.search(&index, Query::Digest(&other)), [0; 0]);
    world.keep(&named, &about);
    assert_eq!(world.search(&index, Query::Subject("my-model")), [0; 0], "not indexed yet");
    assert_eq!(world.search(&world.rebuilt(), Query::Subject("my-model")), [0]);
}

#[test]
fn entries_and_envelopes_of_no_known_form_are_no_error() {
    let (text, _) = envelope("x", &digest(1), &digest(2));
    let mut typed = envelope("my-model", &digest(3), &digest(4)).1;
    typed.payload_type = "text/plain".to_owned();
    let world = World::new(vec![
        b"not an entry".to_vec(),
        Vec::new(),
        br#"{"apiVersion":"0.0.9","kind":"future","spec":{}}"#.to_vec(),
        rekord(&digest(3), Verifier::Certificate(b"not a certificate".to_vec())),
        rekord(&text, key(1)),
        rekord(&HashAlgorithm::Sha256.digest(&typed.pae()), key(1)),
    ]);
    world.storage.write(&envelope_name(&text), b"not an envelope").unwrap();
    world.keep(&HashAlgorithm::Sha256.digest(&typed.pae()), &typed);
    let index = world.caught_up();
    assert_eq!(index.indexed_size().unwrap(), 6);
    assert_eq!(world.search(&index, Query::Digest(&digest(3))), [3]);
    assert_eq!(world.search(&index, Query::Key(&fingerprint(1))), [5, 4]);
    assert_eq!(world.search(&index, Query::Subject("my-model")), [0; 0]);
    assert_eq!(index.oldest_envelopes(9).unwrap().len(), 2, "kept, whatever they are");
}

#[test]
fn pages_hold_all_of_it_once_whatever_their_size() {
    let world = World::new((0..600).map(|n| rekord(&digest(n), key(u8::from(n % 3 == 0)))).collect());
    let index = world.caught_up();
    let expected: Vec<u64> = (0..600).rev().filter(|n| n % 3 == 0).collect();
    for limit in [1, 7, 199, 200, 201, 1_000] {
        assert_eq!(world.search_in_pages(&index, Query::Key(&fingerprint(1)), limit), expected, "{limit}");
    }
    let page = index.find(&Query::Key(&fingerprint(1)), 300, 2, |_| Ok(true)).unwrap();
    assert_eq!(page, Page { positions: vec![297, 294], next: Some(294) });
    // An entry above the reader's checkpoint is not there yet.
    assert_eq!(index.find(&Query::Digest(&digest(5)), 5, 9, |_| Ok(true)).unwrap(), Page::default());
}

#[test]
fn another_reader_finds_what_is_committed_and_waits_for_nobody() {
    let mut world = World::new((0..3).map(|n| rekord(&digest(n), key(1))).collect());
    let mut index = world.caught_up();
    let reader = world.open();
    world.append(vec![rekord(&digest(3), key(1))]);
    let writing = index.transaction().unwrap();
    assert_eq!(world.search(&reader, Query::Digest(&digest(2))), [2]);
    drop(writing);
    assert_eq!(world.search(&reader, Query::Digest(&digest(3))), [0; 0]);
    index.catch_up(&world.storage, 4).unwrap();
    assert_eq!(world.search(&reader, Query::Digest(&digest(3))), [3]);
}

#[test]
fn s14_a_poisoned_index_gives_no_wrong_answer() {
    let world = World::new((0..20).map(|n| rekord(&digest(n), key(1))).collect());
    let index = world.caught_up();
    let query = Query::Digest(&digest(3)).term();
    // Two facts with one term, at every position, one of them beyond the log.
    for position in (0..20).chain([1_000_000]) {
        world.poison(&format!("INSERT OR IGNORE INTO term VALUES ({query}, {position})"));
    }
    assert_eq!(world.search(&index, Query::Digest(&digest(3))), [3]);
    // Unconfirmed, the lie would be told.
    let page = index.find(&Query::Digest(&digest(3)), 20, 5, |_| Ok(true)).unwrap();
    assert_eq!(page.positions, [19, 18, 17, 16, 15]);
    world.poison("DELETE FROM term");
    assert_eq!(world.search(&index, Query::Digest(&digest(3))), [0; 0]);
    drop(index);
    assert_eq!(world.search(&world.rebuilt(), Query::Digest(&digest(3))), [3]);
}

#[test]
fn s14_a_lost_index_or_tail_is_added_again() {
    let world = World::new((0..700).map(|n| rekord(&digest(n), key(1))).collect());
    let expected = content(&world.caught_up());
    std::fs::remove_file(world.path()).unwrap();
    assert_eq!(content(&world.caught_up()), expected);
    // What a power cut may leave: an earlier state of all tables.
    world.poison("DELETE FROM term WHERE position >= 300; UPDATE indexed SET size = 300");
    assert_eq!(content(&world.caught_up()), expected);
}

#[test]
fn an_index_grown_in_steps_is_the_rebuilt_one() {
    let (named, about) = envelope("my-model", &digest(10), &digest(11));
    let mut world = World::new(Vec::new());
    let mut index = world.caught_up();
    world.keep(&named, &about);
    let mut number = 1_000;
    for step in [1, 1, 254, 1, 300, 2] {
        let mut more: Vec<Vec<u8>> = (number..number + step).map(|n| rekord(&digest(n), key(1))).collect();
        if step == 300 || step == 2 {
            more[1] = rekord(&named, key(1));
        }
        number += step;
        let from = world.size();
        world.append(more.clone());
        if step % 2 == 0 {
            index.catch_up(&world.storage, world.size()).unwrap();
        } else {
            let kept = |digest: &[u8]| world.storage.read(&envelope_name(digest));
            index.extend(from, &more, kept).unwrap();
        }
    }
    let expected = content(&index);
    assert_eq!((expected.1.len(), expected.2), (1, world.size()));
    drop(index);
    assert_eq!(content(&world.rebuilt()), expected);
}

#[test]
fn extending_again_changes_nothing_and_a_gap_is_refused() {
    let entries: Vec<Vec<u8>> = (0..10).map(|n| rekord(&digest(n), key(1))).collect();
    let world = World::new(entries.clone());
    let mut index = world.open();
    index.extend(0, &entries[..6], nothing_kept).unwrap();
    let gap = index.extend(7, &entries[7..], nothing_kept);
    assert!(matches!(gap, Err(Error::Damaged { .. })), "{gap:?}");
    index.extend(2, &entries[2..4], nothing_kept).unwrap();
    assert_eq!(index.indexed_size().unwrap(), 6);
    index.extend(4, &entries[4..], nothing_kept).unwrap();
    let expected = content(&index);
    drop(index);
    assert_eq!(content(&world.rebuilt()), expected);
    assert_eq!(expected.2, 10);
}

#[test]
fn s08_damage_is_said_and_rebuilding_mends_it() {
    let world = World::new((0..10).map(|n| rekord(&digest(n), key(1))).collect());
    let expected = content(&world.caught_up());
    let mended = |what: &str| assert_eq!(content(&world.rebuilt()), expected, "{what}");

    std::fs::write(world.path(), b"this is not a database, it is a text of some length").unwrap();
    let found = SearchIndex::open(&world.path());
    assert!(matches!(&found, Err(Error::Damaged { path, .. }) if path == "index.db"), "{found:?}");
    drop(found);
    mended("no database");

    world.poison("UPDATE indexed SET size = 11");
    let found = world.open().catch_up(&world.storage, 10);
    assert!(matches!(found, Err(Error::Damaged { .. })), "{found:?}");
    mended("ahead of the log");

    world.poison("DELETE FROM indexed");
    assert!(matches!(world.open().indexed_size(), Err(Error::Damaged { .. })));
    mended("a row is missing");

    world.poison("DROP TABLE term");
    let found = world.open().find(&Query::Key(&fingerprint(1)), 10, 5, |_| Ok(true));
    assert!(matches!(found, Err(Error::Database { .. })), "{found:?}");
    mended("a table is missing");

    // A page of the table overwritten.
    drop(world.open());
    let mut bytes = std::fs::read(world.path()).unwrap();
    bytes[4096..].fill(0x5a);
    std::fs::write(world.path(), bytes).unwrap();
    let found = world.open().find(&Query::Key(&fingerprint(1)), 10, 5, |_| Ok(true));
    assert!(matches!(found, Err(Error::Damaged { .. })), "{found:?}");
    mended("overwritten pages");
}

#[test]
fn s08_what_a_crash_left_beside_the_database_is_not_taken_into_a_new_one() {
    let world = World::new((0..10).map(|n| rekord(&digest(n), key(1))).collect());
    let expected = content(&world.caught_up());
    // Another index, of entries that this log never had, still in its write-ahead log.
    let other = World::new((90..120).map(|n| rekord(&digest(n), key(3))).collect());
    let open = other.caught_up();
    let plant = || {
        for suffix in ["-wal", "-shm"] {
            let beside = |world: &World| world.folder.path().join(format!("index.db{suffix}"));
            assert!(std::fs::copy(beside(&other), beside(&world)).unwrap() > 0);
        }
    };
    std::fs::remove_file(world.path()).unwrap();
    plant();
    assert_eq!(content(&world.caught_up()), expected);
    for old in [&b"not a database"[..], b""] {
        std::fs::write(world.path(), old).unwrap();
        plant();
        assert_eq!(content(&world.rebuilt()), expected);
    }
    drop(open);
}

#[test]
fn s19_a_newer_schema_is_refused() {
    let world = World::new(vec![rekord(&digest(1), key(1))]);
    drop(world.caught_up());
    world.poison("PRAGMA user_version = 2");
    let found = SearchIndex::open(&world.path());
    assert!(matches!(found, Err(Error::NewerSchema { found: 2, known: 1, .. })), "{found:?}");
    drop(found);
    assert_eq!(world.rebuilt().indexed_size().unwrap(), 1);
}

#[test]
fn a_damaged_log_is_said_and_leaves_the_index_as_it_was() {
    let world = World::new((0..300).map(|n| rekord(&digest(n), key(1))).collect());
    let bundle = Tile::for_entry(299, 300).unwrap();
    world.storage.write(&tree::name(&bundle), b"\0\x02ab").unwrap();
    let mut index = world.open();
    let found = index.catch_up(&world.storage, 300);
    assert!(matches!(found, Err(Error::Damaged { .. })), "{found:?}");
    assert_eq!(content(&index), (Vec::new(), Vec::new(), 0));
    index.catch_up(&world.storage, 256).unwrap();
    assert_eq!(index.indexed_size().unwrap(), 256);
}

#[test]
fn the_newest_checkpoints_are_remembered() {
    let world = World::new(vec![rekord(&digest(1), key(1))]);
    let mut index = world.caught_up();
    let published = |size: u64| Published {
        size,
        published_at: 1_700_000_000 + i64::try_from(size).unwrap(),
        note: format!("note {size}").into_bytes(),
    };
    for size in [0, 1, 5, 9, 40] {
        index.publish(&published(size), 4).unwrap();
    }
    assert_eq!(index.history(u64::MAX, 9).unwrap(), [40, 9, 5, 1].map(published));
    assert_eq!(index.history(40, 2).unwrap(), [9, 5].map(published));
    assert_eq!(index.history(1, 2).unwrap(), []);
    // The same size again, with more cosignatures and a clock set back.
    let again = Published { size: 40, published_at: -5, note: b"more".to_vec() };
    index.publish(&again, 4).unwrap();
    assert_eq!(index.history(u64::MAX, 2).unwrap(), [again.clone(), published(9)]);
    drop(index);
    assert_eq!(world.rebuilt().history(u64::MAX, 1).unwrap(), [again]);
}

#[test]
fn kept_envelopes_are_counted_and_forgotten() {
    let (one, first) = envelope("my-model", &digest(10), &digest(11));
    let (two, second) = envelope("my-model", &digest(20), &digest(21));
    let world = World::new(vec![rekord(&two, key(1)), rekord(&one, key(1)), rekord(&digest(10), key(1))]);
    world.keep(&one, &first);
    world.keep(&two, &second);
    let mut index = world.caught_up();
    let length = |envelope: &Envelope| u64::try_from(envelope.to_json().len()).unwrap();
    assert_eq!(index.envelope_bytes().unwrap(), length(&first) + length(&second));
    let oldest = KeptEnvelope { digest: two.clone(), position: 0, bytes: length(&second) };
    assert_eq!(index.oldest_envelopes(1).unwrap(), [oldest]);

    world.storage.remove(&envelope_name(&two)).unwrap();
    index.forget(&two, second.to_json().as_bytes()).unwrap();
    assert_eq!(index.envelope_bytes().unwrap(), length(&first));
    assert_eq!(index.find(&Query::Subject("my-model"), 3, 9, |_| Ok(true)).unwrap().positions, [1]);
    assert_eq!(world.search(&index, Query::Digest(&two)), [0], "the entry stays");
    assert_eq!(world.search(&index, Query::Digest(&digest(10))), [2, 1]);
    let expected = content(&index);
    drop(index);
    assert_eq!(content(&world.rebuilt()), expected);
    // Pruning does both, oldest entry first, and stops as soon as there is room.
    world.keep(&two, &second);
    let mut index = world.rebuilt();
    let most = length(&first) + length(&second) - 1;
    assert_eq!(index.prune(&world.storage, most).unwrap(), 1);
    assert_eq!(world.storage.read(&envelope_name(&two)).unwrap(), None);
    assert_eq!(content(&index), expected);
    assert_eq!(index.prune(&world.storage, most).unwrap(), 0);
    // Keeping one beyond the limit is refused and leaves nothing.
    assert!(!index.keep(&world.storage, &two, second.to_json().as_bytes(), most).unwrap());
    assert_eq!(
        (world.storage.read(&envelope_name(&two)).unwrap(), content(&index)),
        (None, expected.clone())
    );
    assert!(index.keep(&world.storage, &two, second.to_json().as_bytes(), most + 1).unwrap());
    assert_eq!(index.prune(&world.storage, 0).unwrap(), 2);
    assert!(index.keep(&world.storage, &one, first.to_json().as_bytes(), most).unwrap());
    drop(index);
    // An envelope of no entry is nothing.
    world.caught_up().describe(&digest(99), b"x").unwrap();
    assert_eq!(content(&world.open()), expected);
}

#[test]
fn a_long_statement_signed_again_and_again_grows_the_index_once() {
    let files: Vec<String> =
        (0..1_000).map(|n| format!(r#"{{"digest":"{}"}}"#, hex::encode(digest(n)))).collect();
    let payload =
        format!(r#"{{"subject":[{{"name":"my-model"}}],"predicate":{{"resources":[{}]}}}}"#, files.join(","));
    let envelope = Envelope::in_toto(payload.into_bytes(), vec![1]);
    let named = HashAlgorithm::Sha256.digest(&envelope.pae());
    let world = World::new((0..50).map(|n| rekord(&named, key(n))).collect());
    world.keep(&named, &envelope);
    let index = world.caught_up();
    let (terms, _, _) = content(&index);
    assert_eq!(terms.len(), 1_001 + 3 + 49 * (32 + 3));
    assert_eq!(world.search(&index, Query::Subject("my-model")).len(), 50);
    assert_eq!(world.search(&index, Query::Digest(&digest(999))), [0]);
}

#[test]
#[ignore = "takes a minute: measures the size of the index of a million entries"]
#[allow(clippy::print_stdout, reason = "prints what it measured")]
fn measure_bytes_an_entry() {
    let entries = 1_000_000_u64;
    let world = World::new(Vec::new());
    let mut index = world.open();
    let bodies = [1, 2].map(|number| String::from_utf8(rekord(&digest(0), key(number))).unwrap());
    let place = r#""digest":""#;
    for first in (0..entries).step_by(4_096) {
        let batch: Vec<String> = (first..entries.min(first + 4_096))
            .map(|n| {
                let body = &bodies[usize::from(n % 5 == 0)];
                let at = body.find(place).unwrap() + place.len();
                // 43 characters of base64 and one of padding; any 42 of the alphabet are a digest.
                let digest = hex::encode(digest(n));
                format!("{}{}A={}", &body[..at], &digest[..42], &body[at + 44..])
            })
            .collect();
        index.extend(first, &batch, nothing_kept).unwrap();
    }
    assert_eq!(index.indexed_size().unwrap(), entries);
    drop(index);
    let bytes = std::fs::metadata(world.path()).unwrap().len();
    println!("{bytes} bytes, {} an entry", bytes / entries);
    assert!(bytes < 130 * entries);
}

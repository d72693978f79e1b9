//! Digests and lines of every method and hash function.

use std::num::{NonZeroU64, NonZeroUsize};

use sealwax_model::{Error, Hash, HashOptions, Method, Serialization, hash_model};
use sha2::{Digest, Sha256};

use crate::support::{Model, names};

fn with(method: Method, hash: Hash) -> HashOptions {
    HashOptions {
        serialization: Serialization { method, hash, ..Serialization::default() },
        ..HashOptions::default()
    }
}

fn shards(size: u64) -> Method {
    Method::Shards { size: NonZeroU64::new(size).unwrap() }
}

/// From FIPS 180-2, RFC 7693 and the BLAKE3 test vectors (the empty input).
#[test]
fn known_answers() {
    let abc = Model::new(&[("abc", b"abc")]);
    let empty = Model::new(&[("empty", b"")]);
    for (model, hash, expected) in [
        (&abc, Hash::Sha256, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"),
        (
            &abc,
            Hash::Blake2b,
            "ba80a53f981c4d0d6a2797b69f12f6e94c212f14685ac4b74b12bb6fdbffa2d17d87c5392aab792dc252d5de4533cc9518d38aa8dbf1925ab92386edd4009923",
        ),
        (&empty, Hash::Blake3, "af1349b9f5f9a1a6a0404dea36dcc9499bcb25c9adc112b7cc9a93cae41f3262"),
        (&empty, Hash::Sha256, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"),
    ] {
        let hashed = model.hash(&with(Method::Files, hash)).unwrap();
        assert_eq!(hex::encode(&hashed.manifest.resources()[0].digest), expected);
        assert_eq!(hashed.manifest.resources()[0].digest.len(), hash.digest_len());
    }
}

#[test]
fn names_of_hash_functions_are_those_of_the_specification() {
    for hash in [Hash::Sha256, Hash::Blake2b, Hash::Blake3] {
        assert_eq!(Hash::from_name(hash.name()), Some(hash));
    }
    assert_eq!(Hash::from_name("blake2"), Some(Hash::Blake2b));
    for name in ["SHA256", "sha512", "md5", "", "sha256 "] {
        assert_eq!(Hash::from_name(name), None);
    }
}

#[test]
fn lines_are_sorted_by_code_points() {
    let model = Model::new(&[("sub/x", b"1"), ("sub-a.txt", b"2"), ("Z", b"3"), ("é", b"4"), ("a", b"5")]);
    assert_eq!(names(&model.plain().unwrap()), ["Z", "a", "sub-a.txt", "sub/x", "é"]);
}

#[test]
fn shards_cover_files_exactly() {
    let content: Vec<u8> = (0..=255).cycle().take(10_000).collect();
    for length in [1, 7, 8, 9, 16, 1000, 4095, 4096, 4097, 10_000] {
        let model = Model::new(&[("a/b", &content[..length])]);
        for size in [1, 7, 8, 4096, 10_000, 1_000_000] {
            let hashed = model.hash(&with(shards(size), Hash::Sha256)).unwrap();
            let mut end = 0;
            for resource in hashed.manifest.resources() {
                let range = resource.name.range().unwrap();
                assert_eq!(range.start, end);
                end = range.end;
                let part = &content[range.start as usize..range.end as usize];
                assert_eq!(resource.digest, Sha256::digest(part).as_slice());
            }
            assert_eq!(end, length as u64);
        }
    }
}

/// Large files are hashed by subtrees, on all threads.
#[test]
fn blake3_of_large_files_is_that_of_their_bytes() {
    const MIB: usize = 1 << 20;
    let content: Vec<u8> = (0..=250).cycle().take(11 * MIB + 77).collect();
    let lengths =
        [1, 1024, 4 * MIB - 1, 4 * MIB, 4 * MIB + 1, 6 * MIB + 1, 8 * MIB, 9 * MIB + 1025, content.len()];
    let files = lengths.map(|length| (format!("f{length:09}"), &content[..length]));
    let model = Model::new(&files.each_ref().map(|(name, bytes)| (name.as_str(), *bytes)));
    for threads in 1..4 {
        let threads = NonZeroUsize::new(threads);
        let hashed = model.hash(&HashOptions { threads, ..with(Method::Files, Hash::Blake3) }).unwrap();
        assert_eq!(hashed.manifest.resources().len(), files.len());
        for (resource, (name, bytes)) in hashed.manifest.resources().iter().zip(&files) {
            assert_eq!(resource.name.to_string(), *name);
            assert_eq!(resource.digest, blake3::hash(bytes).as_bytes(), "{name}");
        }
    }
}

#[test]
fn shards_of_a_large_file_are_the_same_with_any_number_of_threads() {
    let content: Vec<u8> = (0_u32..6_000_000).flat_map(|number| number.to_le_bytes()).collect();
    let model = Model::new(&[("large", &content), ("small", b"1")]);
    for size in [1_000_000, 5_000_000, 100_000_000] {
        let mut roots = Vec::new();
        for threads in 1..5 {
            let options =
                HashOptions { threads: NonZeroUsize::new(threads), ..with(shards(size), Hash::Sha256) };
            let hashed = model.hash(&options).unwrap();
            assert_eq!(hashed.manifest.resources().len() as u64, 24_000_000_u64.div_ceil(size) + 1);
            roots.push(hashed.manifest.root_digest());
        }
        assert!(roots.iter().all(|root| root == &roots[0]));
    }
}

#[test]
fn shards_are_sorted_by_number() {
    let model = Model::new(&[("f", &[0; 30]), ("f-2", &[0; 9])]);
    let hashed = model.hash(&with(shards(8), Hash::Blake3)).unwrap();
    assert_eq!(names(&hashed), ["f:0:8", "f:8:16", "f:16:24", "f:24:30", "f-2:0:8", "f-2:8:9"]);
}

#[test]
fn shards_cannot_cover_an_empty_file() {
    let model = Model::new(&[("a", b"1"), ("sub/__init__.py", b"")]);
    let refused = model.hash(&with(shards(8), Hash::Sha256)).unwrap_err();
    assert!(refused.is_refusal());
    assert!(matches!(refused, Error::EmptyFileInShards { path } if path == "sub/__init__.py"));
    assert_eq!(names(&model.plain().unwrap()), ["a", "sub/__init__.py"]);
}

#[test]
fn single_file_is_named_by_a_dot() {
    let model = Model::new(&[("weights.bin", b"0123456789"), ("other", b"x")]);
    let path = model.path("weights.bin");
    let whole = hash_model(&path, &HashOptions::default(), &()).unwrap();
    assert_eq!(names(&whole), ["."]);
    assert_eq!((whole.files, whole.bytes), (1, 10));
    let parts = hash_model(&path, &with(shards(8), Hash::Sha256), &()).unwrap();
    assert_eq!(names(&parts), [".:0:8", ".:8:10"]);

    // A manifest by the specification names the file.
    let directory = Model::new(&[("weights.bin", b"0123456789")]).plain().unwrap();
    assert!(directory.manifest.compare(&whole.manifest).is_empty());
    model.write("renamed.bin", b"0123456789");
    let renamed = hash_model(&model.path("renamed.bin"), &HashOptions::default(), &()).unwrap();
    assert!(!directory.manifest.compare(&renamed.manifest).is_empty());
}

#[test]
fn number_of_threads_changes_nothing() {
    let files: Vec<_> =
        (0..600).map(|number| (format!("d{}/f{number}", number % 7), vec![7; number * 50])).collect();
    let model =
        Model::new(&files.iter().map(|(name, content)| (name.as_str(), &**content)).collect::<Vec<_>>());
    let one = model.hash(&HashOptions { threads: NonZeroUsize::new(1), ..HashOptions::default() }).unwrap();
    let many = model.hash(&HashOptions { threads: NonZeroUsize::new(16), ..HashOptions::default() }).unwrap();
    assert_eq!(one.manifest.resources(), many.manifest.resources());
    assert_eq!(one.files, 600);
}

/// One far larger than the rest, which gets a thread to itself; large ones that share threads; small and empty ones in batches.
#[test]
fn every_mix_of_sizes_is_hashed_as_each_file_alone() {
    let content = |index: usize, length: usize| -> Vec<u8> {
        (0..length).map(|place| ((place * (index + 3)) >> 5) as u8).collect()
    };
    let large = [40_000_000, 4 << 20, 4_194_367, 5_000_001, 4 << 20, 4_500_000];
    let small = (0..60).map(|index| index * index * 11);
    let files: Vec<(String, Vec<u8>)> = large
        .into_iter()
        .chain(small)
        .enumerate()
        .map(|(index, length)| (format!("{}/{index}", index % 7), content(index, length)))
        .collect();
    let listed: Vec<(&str, &[u8])> =
        files.iter().map(|(name, content)| (name.as_str(), content.as_slice())).collect();
    let model = Model::new(&listed);
    let digest = |name: &str| files.iter().find(|file| file.0 == name).map(|file| Sha256::digest(&file.1));
    for threads in [1, 2, 3, 40] {
        let options = HashOptions { threads: NonZeroUsize::new(threads), ..HashOptions::default() };
        let hashed = model.hash(&options).unwrap();
        assert_eq!(hashed.manifest.resources().len(), files.len());
        for resource in hashed.manifest.resources() {
            let expected = digest(resource.name.file_name()).unwrap();
            assert_eq!(resource.digest, expected.to_vec(), "{} by {threads}", resource.name);
        }
    }
}

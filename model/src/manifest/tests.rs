use std::num::NonZeroU64;

use super::*;
use crate::serialization::Hash;

fn shards(size: u64) -> Method {
    Method::Shards { size: NonZeroU64::new(size).unwrap() }
}

fn manifest(method: Method, names: &[&str]) -> Result<Manifest, Error> {
    let resources = names
        .iter()
        .map(|name| Resource { name: ResourceName::parse(name, method).unwrap(), digest: vec![7; 32] });
    Manifest::new(Serialization { method, ..Serialization::default() }, resources.collect())
}

fn files(names: &[&str]) -> Result<Manifest, Error> {
    manifest(Method::Files, names)
}

fn with_digests(lines: &[(&str, u8)]) -> Manifest {
    let resources = lines.iter().map(|(name, byte)| Resource {
        name: ResourceName::parse(name, Method::Files).unwrap(),
        digest: vec![*byte; 32],
    });
    Manifest::new(Serialization::default(), resources.collect()).unwrap()
}

fn with_shards(size: u64, lines: &[(&str, u8)]) -> Manifest {
    let method = shards(size);
    let resources = lines.iter().map(|(name, byte)| Resource {
        name: ResourceName::parse(name, method).unwrap(),
        digest: vec![*byte; 32],
    });
    Manifest::new(Serialization { method, ..Serialization::default() }, resources.collect()).unwrap()
}

#[test]
fn d04_empty_list_is_refused() {
    assert!(matches!(files(&[]), Err(Error::Empty)));
}

#[test]
fn d15_duplicate_names_are_refused() {
    assert!(matches!(files(&["a", "b", "a"]), Err(Error::DuplicateName { name }) if name == "a"));
    assert!(matches!(files(&[".", "."]), Err(Error::DuplicateName { name }) if name == "."));
    let twice = manifest(shards(8), &["a:0:8", "a:0:8"]);
    assert!(matches!(twice, Err(Error::DuplicateName { name }) if name == "a:0:8"));
}

#[test]
fn d15_names_equal_but_for_case_or_unicode_form_are_refused() {
    for pair in [
        ["Model.bin", "model.bin"],
        ["caf\u{e9}", "cafe\u{301}"],
        ["CAF\u{c9}", "cafe\u{301}"],
        ["straße", "STRASSE"],
        ["ﬁle", "file"],
        ["ａ", "A"],
        ["\u{212a}", "k"],
        ["Σ", "ς"],
        ["x²", "X2"],
        ["Dir/a", "dir/b"],
        ["dir/a", "dir"],
        ["dir", "DIR/a"],
        ["a/B/c", "a/b/d"],
    ] {
        for names in [pair, [pair[1], pair[0]]] {
            let refused = files(&names);
            assert!(
                matches!(&refused, Err(Error::Twins { first, second }) if [first, second] == names),
                "{names:?}: {refused:?}"
            );
        }
    }
    assert!(matches!(manifest(shards(8), &["a:0:8", "A:0:8"]), Err(Error::Twins { .. })));
}

#[test]
fn names_in_different_directories_are_no_twins() {
    assert!(files(&["a/x", "b/X", "x", "a/y", "b/a/x", "c/a", "a/b/c"]).is_ok());
}

#[test]
fn d17_digest_of_another_hash_is_refused() {
    for (hash, length) in [(Hash::Sha256, 64), (Hash::Blake2b, 32), (Hash::Blake3, 31), (Hash::Sha256, 0)] {
        let name = ResourceName::parse("a", Method::Files).unwrap();
        let refused = Manifest::new(
            Serialization { hash, ..Serialization::default() },
            vec![Resource { name, digest: vec![0; length] }],
        );
        let expected_length = hash.digest_len();
        assert!(matches!(
            refused,
            Err(Error::DigestLength { expected, found, .. }) if expected == expected_length && found == length
        ));
    }
}

#[test]
fn d16_lines_of_the_other_method_are_refused() {
    let whole = ResourceName::parse("a", Method::Files).unwrap();
    let part = ResourceName::parse("a:0:8", shards(8)).unwrap();
    for (method, names) in [
        (Method::Files, vec![part.clone()]),
        (Method::Files, vec![whole.clone(), part.clone()]),
        (shards(8), vec![whole.clone()]),
        (shards(8), vec![part, whole]),
    ] {
        let resources = names.into_iter().map(|name| Resource { name, digest: vec![0; 32] }).collect();
        let refused = Manifest::new(Serialization { method, ..Serialization::default() }, resources);
        assert!(matches!(refused, Err(Error::WrongMethod { .. })));
    }
}

#[test]
fn d16_shards_must_cover_the_file_in_steps() {
    assert!(manifest(shards(8), &["a:0:8", "a:8:16", "a:16:22", "b:0:1"]).is_ok());
    assert!(manifest(shards(8), &[".:0:8", ".:8:9"]).is_ok());
    for names in [
        &["a:8:16"][..],
        &["a:0:8", "a:16:24"],
        &["a:0:8", "a:7:15"],
        &["a:0:8", "a:0:7"],
        &["a:0:7", "a:7:15"],
        &["a:0:9"],
        &["a:0:16"],
        &["a:0:0"],
        &["a:8:0"],
        &["a:0:8", "a:8:8"],
        &["a:0:8", "a:8:4"],
        &["b:0:8", "a:0:4", "a:4:8"],
        &["a:18446744073709551608:18446744073709551615"],
    ] {
        assert!(matches!(manifest(shards(8), names), Err(Error::BrokenShards { .. })), "{names:?}");
    }
}

#[test]
fn d16_shards_may_be_listed_by_number_or_by_name_only() {
    assert!(manifest(shards(8), &["a:0:8", "a:8:16", "a:16:24"]).is_ok());
    assert!(manifest(shards(8), &["a:0:8", "a:16:24", "a:8:16"]).is_ok());
    for names in [&["a:8:16", "a:0:8"][..], &["a:16:24", "a:0:8", "a:8:16"], &["a:8:16", "a:16:24", "a:0:8"]]
    {
        assert!(matches!(manifest(shards(8), names), Err(Error::ShardOrder { .. })), "{names:?}");
    }
}

#[test]
fn d16_shard_names_are_canonical() {
    for text in [
        "a",
        "a:0",
        "a:0:",
        "a::8",
        "a:00:8",
        "a:0:08",
        "a:+0:8",
        "a:-1:8",
        "a:0:8 ",
        "a:0x0:8",
        "a:0:18446744073709551616",
    ] {
        assert!(ResourceName::parse(text, shards(8)).is_err(), "{text}");
    }
    assert!(ResourceName::parse("a:b:0:8", shards(8)).is_err());
    assert!(ResourceName::parse(":0:8", shards(8)).is_err());
    let name = ResourceName::parse("d/a:8:16", shards(8)).unwrap();
    assert_eq!(
        (name.file_name(), name.range(), name.to_string()),
        ("d/a", Some(8..16), "d/a:8:16".to_owned())
    );
}

#[test]
fn f01_single_file_stands_alone() {
    assert!(files(&["."]).is_ok());
    assert!(matches!(files(&[".", "a"]), Err(Error::SingleFileWithOthers)));
    assert!(matches!(manifest(shards(8), &["a:0:8", ".:0:8"]), Err(Error::SingleFileWithOthers)));
}

#[test]
fn d18_listed_order_is_kept_and_decides_the_root_digest() {
    let forward = with_digests(&[("a", 1), ("b", 2)]);
    let backward = with_digests(&[("b", 2), ("a", 1)]);
    assert_ne!(forward.root_digest(), backward.root_digest());
    assert!(forward.compare(&backward).is_empty());
    assert_eq!(backward.resources()[0].name.file_name(), "b");
    let concatenated = [[1_u8; 32], [2; 32]].concat();
    assert_eq!(forward.root_digest(), <[u8; 32]>::from(Sha256::digest(concatenated)));
}

#[test]
fn difference_sorts_files_into_missing_extra_and_changed() {
    let expected = with_digests(&[("same", 1), ("gone", 2), ("other", 3), ("also gone", 4)]);
    let actual = with_digests(&[("new", 5), ("other", 9), ("same", 1)]);
    let difference = expected.compare(&actual);
    assert_eq!(difference.missing, ["also gone", "gone"]);
    assert_eq!(difference.extra, ["new"]);
    assert_eq!(difference.changed, ["other"]);
    assert!(!difference.is_empty());
    assert!(expected.compare(&expected).is_empty());
}

#[test]
fn difference_names_changed_byte_ranges() {
    let expected = with_shards(8, &[("a:0:8", 1), ("a:8:16", 2), ("a:16:20", 3), ("b:0:8", 4)]);
    let rewritten = with_shards(8, &[("a:0:8", 1), ("a:8:16", 9), ("a:16:20", 3), ("b:0:8", 4)]);
    assert_eq!(expected.compare(&rewritten).changed, ["a bytes 8..16"]);

    let grown = with_shards(8, &[("a:0:8", 1), ("a:8:16", 2), ("a:16:24", 9), ("a:24:25", 9), ("b:0:8", 4)]);
    let difference = expected.compare(&grown);
    assert_eq!(difference.changed, ["a bytes 16..24", "a bytes 24..25"]);
    assert!(difference.missing.is_empty() && difference.extra.is_empty());

    let shrunk = with_shards(8, &[("a:0:8", 1), ("b:0:8", 4)]);
    let difference = expected.compare(&shrunk);
    assert_eq!(difference.changed, ["a bytes 8..16", "a bytes 16..20"]);
    assert!(difference.missing.is_empty() && difference.extra.is_empty());
}

#[test]
fn manifests_of_other_parameters_agree_in_nothing() {
    let expected = with_digests(&[("a", 1)]);
    let resources = expected.resources().to_vec();
    let blake3 =
        Manifest::new(Serialization { hash: Hash::Blake3, ..Serialization::default() }, resources).unwrap();
    assert_eq!(expected.compare(&blake3).changed, ["a"]);
    let resources = expected.resources().to_vec();
    let followed =
        Manifest::new(Serialization { allow_symlinks: true, ..Serialization::default() }, resources).unwrap();
    assert_eq!(expected.compare(&followed).changed, ["a"]);
    assert!(followed.compare(&expected).is_empty());
    let small = with_shards(8, &[("a:0:8", 1)]);
    assert_eq!(with_shards(9, &[("a:0:8", 1)]).compare(&small).changed, ["a"]);
}

#[test]
fn single_file_matches_both_spellings_but_no_other_name() {
    let actual = with_digests(&[(".", 1)]).with_single_file(Some(ModelPath::parse("model.bin").unwrap()));
    assert!(with_digests(&[(".", 1)]).compare(&actual).is_empty());
    assert!(with_digests(&[("model.bin", 1)]).compare(&actual).is_empty());
    assert_eq!(with_digests(&[("model.bin", 2)]).compare(&actual).changed, ["model.bin"]);

    let renamed = with_digests(&[("other.bin", 1)]).compare(&actual);
    assert_eq!((renamed.missing, renamed.extra), (vec!["other.bin".to_owned()], vec![".".to_owned()]));
    assert!(!with_digests(&[("model.bin", 1), ("b", 1)]).compare(&actual).is_empty());
    // A directory is no single file, also if it holds but one.
    assert!(!with_digests(&[(".", 1)]).compare(&with_digests(&[("model.bin", 1)])).is_empty());
}

#[test]
fn many_names_take_linear_time() {
    let names: Vec<_> = (0..100_000).map(|number| format!("a/b{}/c{number}", number % 1000)).collect();
    let names: Vec<_> = names.iter().map(String::as_str).collect();
    assert!(files(&names).is_ok());
}

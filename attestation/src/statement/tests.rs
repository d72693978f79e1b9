//! Statements, each wrong in one thing.
//!
//! This is one file because every rule of the statement is a change to the same two good ones.

use std::num::NonZeroU64;

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::mutations::mutations;

fn hex_of(byte: u8) -> String {
    hex::encode([byte; 32])
}

fn resources(lines: &[(&str, u8)], method: Method) -> Vec<Resource> {
    let resource = |(name, byte): &(&str, u8)| Resource {
        name: ResourceName::parse(name, method).unwrap(),
        digest: [*byte; 32].to_vec(),
    };
    lines.iter().map(resource).collect()
}

fn files() -> Statement {
    let ignore_paths = vec![ModelPath::parse(".git").unwrap(), ModelPath::parse("notes/draft").unwrap()];
    let serialization = Serialization { ignore_paths, ..Serialization::default() };
    let resources = resources(&[("config.json", 1), ("weights/a.bin", 2)], Method::Files);
    Statement::new("my-model".to_owned(), Manifest::new(serialization, resources).unwrap())
}

fn shards() -> Statement {
    let method = Method::Shards { size: NonZeroU64::new(4).unwrap() };
    let serialization = Serialization { method, ..Serialization::default() };
    let resources = resources(&[("a.bin:0:4", 1), ("a.bin:4:6", 2)], method);
    Statement::new("my-model".to_owned(), Manifest::new(serialization, resources).unwrap())
}

fn json_of(statement: &Statement) -> Value {
    serde_json::from_slice(&statement.to_payload().unwrap()).unwrap()
}

fn read(json: &Value) -> Result<Statement, Error> {
    Statement::from_payload(json.to_string().as_bytes())
}

/// Reads the statement about files with another value at one place.
fn changed(pointer: &str, value: Value) -> Result<Statement, Error> {
    let mut json = json_of(&files());
    *json.pointer_mut(pointer).unwrap() = value;
    read(&json)
}

/// Reads the statement about byte ranges with another value at one place.
fn changed_shards(pointer: &str, value: Value) -> Result<Statement, Error> {
    let mut json = json_of(&shards());
    *json.pointer_mut(pointer).unwrap() = value;
    read(&json)
}

fn assert_same(one: &Statement, other: &Statement) {
    assert_eq!(
        (&one.name, one.root_digest, &one.other_digests, one.predicate),
        (&other.name, other.root_digest, &other.other_digests, other.predicate)
    );
    assert_eq!(one.manifest.serialization(), other.manifest.serialization());
    assert_eq!(one.manifest.resources(), other.manifest.resources());
}

#[test]
fn the_payload_is_exact() {
    let statement = files();
    let root = hex::encode(statement.manifest.root_digest());
    let (one, two) = (hex_of(1), hex_of(2));
    let expected = format!(
        concat!(
            r#"{{"_type":"https://in-toto.io/Statement/v1","#,
            r#""subject":[{{"name":"my-model","digest":{{"sha256":"{root}"}}}}],"#,
            r#""predicateType":"https://model_signing/signature/v1.0","predicate":{{"resources":["#,
            r#"{{"name":"config.json","algorithm":"sha256","digest":"{one}"}},"#,
            r#"{{"name":"weights/a.bin","algorithm":"sha256","digest":"{two}"}}],"#,
            r#""serialization":{{"method":"files","hash_type":"sha256","allow_symlinks":false,"#,
            r#""ignore_paths":[".git","notes/draft"]}}}}}}"#,
        ),
        root = root,
        one = one,
        two = two,
    );
    assert_eq!(String::from_utf8(statement.to_payload().unwrap()).unwrap(), expected);
}

#[test]
fn statements_are_read_as_they_are_written() {
    for statement in [files(), shards()] {
        assert_same(&read(&json_of(&statement)).unwrap(), &statement);
    }
    for hash in [Hash::Sha256, Hash::Blake2b, Hash::Blake3] {
        let name = ResourceName::parse("a 'quoted' näme.bin", Method::Files).unwrap();
        let resource = Resource { name, digest: vec![7; hash.digest_len()] };
        let serialization = Serialization { hash, allow_symlinks: true, ..Serialization::default() };
        let statement = Statement::new(
            "\"ünicode\" \u{1f600} \n".to_owned(),
            Manifest::new(serialization, vec![resource]).unwrap(),
        );
        assert_same(&read(&json_of(&statement)).unwrap(), &statement);
    }
}

#[test]
fn a_new_statement_claims_the_root_of_its_list() {
    let statement = files();
    assert_eq!(statement.root_digest, Some(statement.manifest.root_digest()));
    let other = Statement { root_digest: Some([9; 32]), ..files() };
    // What is written is computed, so that no statement can be written that contradicts itself.
    assert_eq!(other.to_payload().unwrap(), statement.to_payload().unwrap());
}

#[test]
fn d04_nothing_to_check_is_refused() {
    assert!(matches!(changed("/subject", json!([])), Err(Error::NotAModelStatement { .. })));
    let no_digest = changed("/subject/0/digest", json!({}));
    assert!(matches!(no_digest, Err(Error::Missing { path }) if path == "subject[0].digest.sha256"));
    let no_files = changed("/predicate/resources", json!([]));
    assert!(matches!(
        no_files,
        Err(Error::Manifest { path, source: sealwax_model::Error::Empty }) if path == "predicate.resources"
    ));
    assert!(legacy(json!([])).is_err());
    assert!(legacy(json!([{"name": "a", "digest": {}}])).is_err());
}

#[test]
fn d06_exactly_one_subject_is_read() {
    let subject = json_of(&files())["subject"][0].clone();
    for count in [2, 3, 32] {
        let found = changed("/subject", json!(vec![subject.clone(); count]));
        let expected = format!("{count} subjects");
        assert!(
            matches!(
                &found,
                Err(Error::NotAModelStatement { what: "number of subjects", found }) if *found == expected
            ),
            "{expected}: {found:?}"
        );
    }
    assert!(matches!(changed("/subject", json!(vec![Value::Null; 33])), Err(Error::TooMany { .. })));
}

#[test]
fn d07_other_statement_types_are_refused() {
    for other in [
        "",
        "https://in-toto.io/Statement/v0.1",
        "https://in-toto.io/Statement/v2",
        "https://in-toto.io/Statement/v1.0",
        "https://in-toto.io/Statement/v1/",
        "https://in-toto.io/statement/v1",
        "HTTPS://IN-TOTO.IO/STATEMENT/V1",
        "http://in-toto.io/Statement/v1",
        " https://in-toto.io/Statement/v1",
        "https://in-toto.io/Statement/v1\n",
    ] {
        let found = changed("/_type", json!(other));
        assert!(matches!(found, Err(Error::NotAModelStatement { what: "_type", .. })), "{other}");
    }
    assert!(matches!(changed("/_type", Value::Null), Err(Error::Missing { .. })));
}

#[test]
fn d08_other_predicate_types_are_refused() {
    for other in [
        "",
        "https://model_signing/signature/v1",
        "https://model_signing/signature/v1.",
        "https://model_signing/signature/v2.0",
        "https://model_signing/signature/v0.9",
        "https://model_signing/signature/v1.07",
        "https://model_signing/signature/v1.00",
        "https://model_signing/signature/v1.+1",
        "https://model_signing/signature/v1.-1",
        "https://model_signing/signature/v1.0.0",
        "https://model_signing/signature/v1.0 ",
        "https://model_signing/signature/v1.0/",
        "https://model_signing/signature/v1.4294967296",
        "https://model_signing/signature/v1.\u{661}",
        "https://model_signing/Signature/v1.0",
        "http://model_signing/signature/v1.0",
        "https://model_signing/Digests/v0.2",
        "https://model_signing/Digests/v0.1/",
        "https://model_signing/digests/v0.1",
        "https://slsa.dev/provenance/v1",
    ] {
        let found = changed("/predicateType", json!(other));
        assert!(
            matches!(&found, Err(Error::NotAModelStatement { what: "predicate type", found }) if found == other),
            "{other}: {found:?}"
        );
    }
}

#[test]
fn d08_later_minor_versions_are_read() {
    for minor in [0, 1, 7, 42, u32::MAX] {
        let uri = format!("https://model_signing/signature/v1.{minor}");
        let statement = changed("/predicateType", json!(uri)).unwrap();
        assert_eq!(statement.predicate, PredicateVersion::SignatureV1 { minor });
        assert_eq!(statement.predicate.uri(), uri);
    }
    assert_eq!(PredicateVersion::DigestsV0.uri(), "https://model_signing/Digests/v0.1");
}

#[test]
fn d09_a_statement_of_no_type_is_refused() {
    for field in ["_type", "predicateType", "subject", "predicate"] {
        let mut json = json_of(&files());
        json.as_object_mut().unwrap().remove(field);
        assert!(matches!(read(&json), Err(Error::Missing { path }) if path == field));
    }
}

#[test]
fn d12_duplicate_keys_are_refused_at_every_level() {
    let text = json_of(&files()).to_string();
    for (at, _) in text.match_indices('{') {
        let doubled = format!("{{\"twice\":0,\"twi\\u0063e\":0,{}", &text[at + 1..]);
        let doubled = format!("{}{doubled}", &text[..at]);
        let found = Statement::from_payload(doubled.as_bytes());
        assert!(matches!(found, Err(Error::DuplicateKey(_))), "{at}");
    }
}

/// Places whose absence, or whose other value of the same type, is another honest statement.
fn may_be_read(pointer: &str, change: &str) -> bool {
    let ignored = pointer == "/predicate/serialization/ignore_paths";
    match change {
        "absent" => {
            ignored || pointer.starts_with("/predicate/serialization/ignore_paths/") || one_less(pointer)
        }
        "null" => ignored,
        "array" => ignored,
        "true" | "false" => pointer == "/predicate/serialization/allow_symlinks",
        // A name is any text; "~" is a file name as good as any, in a list of files.
        "string" => {
            let file = pointer.starts_with("/predicate/resources/") && pointer.ends_with("/name");
            pointer == "/subject/0/name"
                || file
                || pointer.starts_with("/predicate/serialization/ignore_paths/")
        }
        "empty string" => pointer == "/subject/0/name",
        _ => false,
    }
}

/// One file less in the list leaves a list.
fn one_less(pointer: &str) -> bool {
    matches!(pointer, "/predicate/resources/0" | "/predicate/resources/1")
}

#[test]
fn d13_every_place_absent_null_or_of_another_type() {
    let mut cases = 0;
    for statement in [files(), shards()] {
        let sharded = matches!(statement.manifest.serialization().method, Method::Shards { .. });
        for mutation in mutations(&json_of(&statement)) {
            let (pointer, change) = mutation.what.split_once(' ').unwrap();
            let expected = match sharded {
                false => may_be_read(pointer, change),
                // The last range may be missing, the first not; and "~" names no range.
                true => {
                    let unfit = pointer == "/predicate/resources/0" || pointer.ends_with("/name");
                    may_be_read(pointer, change) && (!unfit || pointer.starts_with("/subject"))
                }
            };
            let found = Statement::from_payload(mutation.text.as_bytes());
            assert_eq!(found.is_ok(), expected, "{}: {found:?}", mutation.what);
            cases += 1;
        }
    }
    assert!(cases > 400, "{cases}");
}

#[test]
fn d13_digests_have_one_spelling() {
    let digest = hex_of(0xab);
    for bad in [
        digest.to_uppercase(),
        digest.replacen("ab", "aB", 1),
        format!("0x{digest}"),
        format!(" {digest}"),
        format!("{digest}\n"),
        format!("sha256:{digest}"),
        digest[1..].to_owned(),
        "zz".repeat(32),
    ] {
        for pointer in ["/subject/0/digest/sha256", "/predicate/resources/0/digest"] {
            assert!(matches!(changed(pointer, json!(bad)), Err(Error::Shape { .. })), "{pointer} {bad}");
        }
    }
    for length in [0, 31, 33, 64] {
        let bad = hex::encode(vec![0; length]);
        assert!(
            matches!(changed("/subject/0/digest/sha256", json!(bad)), Err(Error::Shape { .. })),
            "{length}"
        );
        assert!(matches!(
            changed("/predicate/resources/0/digest", json!(bad)),
            Err(Error::Manifest { source: sealwax_model::Error::DigestLength { .. }, .. })
        ));
    }
    for name in ["SHA256", "sha-256", "sha256 ", "Sha256"] {
        let found = changed("/subject/0/digest", json!({name: hex_of(1)}));
        assert!(matches!(found, Err(Error::Missing { .. })), "{name}");
    }
}

#[test]
fn d14_a_subject_needs_sha256_and_keeps_what_else_it_claims() {
    for weak in ["md5", "sha1", "sha512"] {
        let found = changed("/subject/0/digest", json!({weak: hex_of(1)}));
        assert!(
            matches!(found, Err(Error::Missing { path }) if path == "subject[0].digest.sha256"),
            "{weak}"
        );
    }
    let claims = json!({"sha512": "00", "sha256": hex_of(1), "dirHash1": "h1:AA=="});
    let statement = changed("/subject/0/digest", claims).unwrap();
    assert_eq!(statement.root_digest, Some([1; 32]));
    let mut others = statement.other_digests;
    others.sort();
    assert_eq!(
        others,
        [("dirHash1".to_owned(), "h1:AA==".to_owned()), ("sha512".to_owned(), "00".to_owned())]
    );
    let found = changed("/subject/0/digest", json!({"sha256": hex_of(1), "sha512": 5}));
    assert!(matches!(found, Err(Error::Shape { path, .. }) if path == "subject[0].digest.sha512"));
}

#[test]
fn d15_names_that_are_one_file_are_refused() {
    let names = |one: &str, other: &str| {
        let row = |name, byte| json!({"name": name, "algorithm": "sha256", "digest": hex_of(byte)});
        changed("/predicate/resources", json!([row(one, 1), row(other, 2)]))
    };
    assert!(names("a", "b").is_ok());
    for (one, other) in [
        ("a", "a"),
        ("a", "A"),
        ("caf\u{e9}", "cafe\u{301}"),
        ("\u{fb01}le", "file"),
        ("a", "a/b"),
        (".", "a"),
        (".", "."),
    ] {
        let found = names(one, other);
        assert!(matches!(found, Err(Error::Manifest { .. })), "{one} {other}: {found:?}");
    }
}

#[test]
fn f01_names_that_lead_elsewhere_are_refused() {
    for bad in [
        "",
        "/a",
        "../a",
        "a/../b",
        "./a",
        "a//b",
        "a/",
        "a\\b",
        "C:\\a",
        "a\0",
        "a ",
        "a.",
        "NUL",
        "con.txt",
        "a\u{202e}b",
    ] {
        for pointer in ["/predicate/resources/0/name", "/predicate/serialization/ignore_paths/0"] {
            let found = changed(pointer, json!(bad));
            assert!(
                matches!(found, Err(Error::Manifest { source: sealwax_model::Error::BadName { .. }, .. })),
                "{pointer} {bad:?}"
            );
        }
    }
    // "Ignore everything" cannot be written (attack F05).
    assert!(changed("/predicate/serialization/ignore_paths/0", json!(".")).is_err());
}

#[test]
fn d16_unknown_methods_and_hashes_are_refused() {
    for bad in ["", "Files", "file", "FILES", "shards ", "chunks"] {
        let found = changed("/predicate/serialization/method", json!(bad));
        assert!(
            matches!(&found, Err(Error::Unsupported { path, .. }) if path == "predicate.serialization.method"),
            "{bad}: {found:?}"
        );
    }
    for bad in ["", "md5", "sha1", "sha512", "SHA256", "sha-256", "blake2s", "sha256 "] {
        let found = changed("/predicate/serialization/hash_type", json!(bad));
        assert!(
            matches!(&found, Err(Error::Unsupported { path, .. }) if path == "predicate.serialization.hash_type"),
            "{bad}: {found:?}"
        );
    }
}

#[test]
fn d16_shard_sizes_are_positive_whole_numbers() {
    let with_size = |size: &str| {
        let text =
            json_of(&shards()).to_string().replace(r#""shard_size":4"#, &format!(r#""shard_size":{size}"#));
        Statement::from_payload(text.as_bytes())
    };
    for good in ["4", "4.0", "4e0", "0.4e1", "40e-1"] {
        assert_same(&with_size(good).unwrap(), &shards());
    }
    for bad in [
        "4.5",
        "0",
        "-0",
        "0.0",
        "-1",
        "-4.0",
        "1e300",
        "1e16",
        "9007199254740992.0",
        "18446744073709551616",
        "0.5",
        "\"4\"",
        "null",
        "true",
        "[4]",
        "{}",
    ] {
        let found = with_size(bad);
        assert!(matches!(found, Err(Error::Shape { .. } | Error::Missing { .. })), "{bad}: {found:?}");
    }
    let mut json = json_of(&shards());
    json["predicate"]["serialization"].as_object_mut().unwrap().remove("shard_size");
    assert!(matches!(read(&json), Err(Error::Missing { path }) if path.ends_with("shard_size")));
    // The schema of OMS v1.0 forbids one where whole files are hashed.
    json["predicate"]["serialization"]["shard_size"] = json!(4);
    json["predicate"]["serialization"]["method"] = json!("files");
    assert!(matches!(read(&json), Err(Error::Unsupported { path, .. }) if path.ends_with("shard_size")));
}

#[test]
fn d16_shards_are_read_in_both_spellings_of_the_algorithm() {
    let algorithm = |name: &str| {
        let mut json = json_of(&shards());
        for row in json["predicate"]["resources"].as_array_mut().unwrap() {
            row["algorithm"] = json!(name);
        }
        read(&json)
    };
    for good in ["sha256", "sha256-sharded-4"] {
        assert_same(&algorithm(good).unwrap(), &shards());
    }
    for bad in [
        "sha256-sharded-5",
        "sha256-sharded-04",
        "sha256-sharded-4.0",
        "sha256-sharded-",
        "sha256-sharded-4-sharded-4",
        "sha256-sharded-4 ",
        "-sharded-4",
        "blake3-sharded-4",
        "blake3",
        "SHA256-sharded-4",
        "file-sha256",
    ] {
        assert!(matches!(algorithm(bad), Err(Error::Unsupported { .. })), "{bad}");
    }
    // Whole files have no size.
    let found = changed("/predicate/resources/0/algorithm", json!("sha256-sharded-4"));
    assert!(matches!(found, Err(Error::Unsupported { .. })));
}

#[test]
fn d16_shards_with_gaps_overlaps_or_nonsense_are_refused() {
    let names = |one: &str, other: &str| {
        let row = |name, byte| json!({"name": name, "algorithm": "sha256", "digest": hex_of(byte)});
        changed_shards("/predicate/resources", json!([row(one, 1), row(other, 2)]))
    };
    assert!(names("a:0:4", "a:4:8").is_ok() && names("a:0:4", "b:0:1").is_ok());
    for (one, other) in [
        ("a:0:4", "a:5:8"),
        ("a:0:4", "a:3:7"),
        ("a:0:4", "a:4:9"),
        ("a:0:3", "a:3:7"),
        ("a:4:8", "b:0:4"),
        ("a:0:4", "a:4:4"),
        ("a:0:4", "a:0:4"),
        ("a:0:4", "b:4:0"),
        ("a:0:4", "b:0:18446744073709551615"),
    ] {
        assert!(matches!(names(one, other), Err(Error::Manifest { .. })), "{one} {other}");
    }
    for bad in ["b", "b:0", "b:00:4", "b:0:+4", "b:0:18446744073709551616", "b: 0:4", "b:0:4:"] {
        let found = names("a:0:4", bad);
        assert!(
            matches!(found, Err(Error::Manifest { source: sealwax_model::Error::BadName { .. }, .. })),
            "{bad}: {found:?}"
        );
    }
    // A range in a list of files is only a name, and one with colons, which Windows takes for a stream.
    assert!(matches!(changed("/predicate/resources/0/name", json!("a:0:4")), Err(Error::Manifest { .. })));
}

#[test]
fn d17_algorithm_and_digest_must_be_the_serializations() {
    for other in ["blake2b", "blake3", "sha512", ""] {
        let found = changed("/predicate/resources/1/algorithm", json!(other));
        assert!(
            matches!(&found, Err(Error::Unsupported { path, .. }) if path == "predicate.resources[1].algorithm"),
            "{other}: {found:?}"
        );
    }
    let mut blake2b = json_of(&files());
    blake2b["predicate"]["serialization"]["hash_type"] = json!("blake2b");
    for row in blake2b["predicate"]["resources"].as_array_mut().unwrap() {
        row["algorithm"] = json!("blake2b");
    }
    let found = read(&blake2b);
    assert!(matches!(
        found,
        Err(Error::Manifest {
            source: sealwax_model::Error::DigestLength { expected: 64, found: 32, .. },
            ..
        })
    ));
}

#[test]
fn d18_the_root_follows_the_listed_order() {
    let mut json = json_of(&files());
    json["predicate"]["resources"].as_array_mut().unwrap().reverse();
    let reversed = read(&json).unwrap();
    let names: Vec<_> = reversed.manifest.resources().iter().map(|line| line.name.to_string()).collect();
    assert_eq!(names, ["weights/a.bin", "config.json"]);
    // The claim is kept beside the list that no longer leads to it: comparing the two is the verifier's work.
    assert_eq!(reversed.root_digest, files().root_digest);
    assert_ne!(reversed.root_digest, Some(reversed.manifest.root_digest()));
}

#[test]
fn unknown_fields_inside_the_statement_are_ignored() {
    let mut json = json_of(&files());
    for pointer in ["", "/subject/0", "/predicate", "/predicate/serialization", "/predicate/resources/0"] {
        json.pointer_mut(pointer).unwrap()["extra"] = json!({"nested": [1]});
    }
    assert_same(&read(&json).unwrap(), &files());
}

#[test]
fn b01_deep_and_wide_payloads_are_refused() {
    for pointer in ["", "/subject/0", "/predicate"] {
        let text = json_of(&files()).to_string();
        let mut json = json_of(&files());
        json.pointer_mut(pointer).unwrap()["extra"] = json!("HERE");
        let deep = json.to_string().replace("\"HERE\"", &"[".repeat(100_000));
        assert_ne!(deep, text);
        assert!(matches!(Statement::from_payload(deep.as_bytes()), Err(Error::TooDeep { .. })), "{pointer}");
    }
}

fn legacy(subject: Value) -> Result<Statement, Error> {
    let statement = json!({
        "_type": STATEMENT_TYPE,
        "subject": subject,
        "predicateType": DIGESTS_V0,
        "predicate": {"unused": "Unused, just passed due to API requirements"},
    });
    read(&statement)
}

#[test]
fn the_predecessor_lists_its_files_as_subjects() {
    let row = |name: &str| json!({"name": name, "digest": {"sha256": hex_of(1)}, "annotations": {"a": "b"}});
    let statement = legacy(json!([row("a"), row("b/c")])).unwrap();
    assert_eq!(statement.predicate, PredicateVersion::DigestsV0);
    assert_eq!((&statement.name, statement.root_digest), (&None, None));
    let names: Vec<_> = statement.manifest.resources().iter().map(|line| line.name.to_string()).collect();
    assert_eq!(names, ["a", "b/c"]);
    for bad in [
        json!([row("a"), row("a")]),
        json!([row("../a")]),
        json!([{"name": "a", "digest": {"sha256": "00"}}]),
        json!([{"name": "a", "digest": {"sha1": hex_of(1)}}]),
        json!([{"digest": {"sha256": hex_of(1)}}]),
        json!({"name": "a", "digest": {"sha256": hex_of(1)}}),
    ] {
        assert!(legacy(bad.clone()).is_err(), "{bad}");
    }
}

proptest! {
    #[test]
    fn statements_of_any_names_are_read_as_they_are_written(
        title in "\\PC{0,12}",
        names in proptest::collection::btree_set("[a-z'\u{e9}]{1,4}(/[a-z]{1,3})?", 1..8),
        byte in any::<u8>(),
    ) {
        let lines = names.iter().filter_map(|name| ResourceName::parse(name, Method::Files).ok());
        let lines: Vec<_> = lines.map(|name| Resource { name, digest: vec![byte; 32] }).collect();
        if let Ok(manifest) = Manifest::new(Serialization::default(), lines) {
            let statement = Statement::new(title, manifest);
            assert_same(&Statement::from_payload(&statement.to_payload().unwrap()).unwrap(), &statement);
        }
    }
}

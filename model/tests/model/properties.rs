//! Whatever the tree, hashing it twice gives one manifest, and no single change goes unseen.

use std::{collections::BTreeMap, fs, num::NonZeroU64};

use proptest::prelude::*;
use sealwax_model::{Difference, HashOptions, Manifest, Method, Serialization};

use crate::support::Model;

type Files = BTreeMap<String, Vec<u8>>;

/// Paths of up to three components; a path that would need a file to be a directory is dropped.
fn files() -> impl Strategy<Value = Files> {
    let path = prop::collection::vec("[a-d]{1,2}", 1..4).prop_map(|components| components.join("/"));
    let content = prop::collection::vec(any::<u8>(), 1..40);
    prop::collection::btree_map(path, content, 1..12).prop_map(|files| {
        let mut kept = Files::new();
        for (path, content) in files {
            let clashes = kept.keys().any(|other| is_within(&path, other) || is_within(other, &path));
            if !clashes {
                kept.insert(path, content);
            }
        }
        kept
    })
}

fn is_within(path: &str, directory: &str) -> bool {
    path.strip_prefix(directory).is_some_and(|rest| rest.starts_with('/'))
}

fn method() -> impl Strategy<Value = Method> {
    prop_oneof![
        Just(Method::Files),
        (1_u64..50).prop_map(|size| Method::Shards { size: NonZeroU64::new(size).unwrap() }),
    ]
}

fn write(files: &Files) -> Model {
    Model::new(&files.iter().map(|(name, content)| (name.as_str(), content.as_slice())).collect::<Vec<_>>())
}

fn hash(model: &Model, method: Method) -> Manifest {
    let serialization = Serialization { method, ..Serialization::default() };
    model.hash(&HashOptions { serialization, ..HashOptions::default() }).unwrap().manifest
}

/// The names without the byte ranges.
fn changed(difference: &Difference) -> Vec<&str> {
    difference.changed.iter().map(|text| text.split(" bytes ").next().unwrap()).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn hashing_twice_gives_one_manifest(files in files(), method in method()) {
        let first = hash(&write(&files), method);
        let second = hash(&write(&files), method);
        prop_assert_eq!(first.resources(), second.resources());
        prop_assert_eq!(first.root_digest(), second.root_digest());
        prop_assert!(first.compare(&second).is_empty());
        let names: Vec<_> = first.resources().iter().map(|resource| resource.name.file_name().to_owned()).collect();
        prop_assert!(names.is_sorted());
        prop_assert!(files.keys().all(|name| names.contains(name)));
    }

    #[test]
    fn a_changed_byte_is_named(files in files(), method in method(), pick in any::<prop::sample::Index>()) {
        let model = write(&files);
        let before = hash(&model, method);
        let (name, content) = files.iter().nth(pick.index(files.len())).unwrap();
        let mut content = content.clone();
        let position = pick.index(content.len());
        content[position] ^= 1;
        model.write(name, &content);
        let difference = before.compare(&hash(&model, method));
        prop_assert_eq!(changed(&difference), [name]);
        prop_assert!(difference.missing.is_empty() && difference.extra.is_empty());
    }

    #[test]
    fn a_longer_or_shorter_file_is_named(
        files in files(), method in method(), pick in any::<prop::sample::Index>(), grow in any::<bool>(),
    ) {
        let model = write(&files);
        let before = hash(&model, method);
        let (name, content) = files.iter().nth(pick.index(files.len())).unwrap();
        let mut content = content.clone();
        if grow || content.len() == 1 { content.push(0); } else { content.pop(); }
        model.write(name, &content);
        let difference = before.compare(&hash(&model, method));
        prop_assert!(!difference.changed.is_empty());
        prop_assert!(changed(&difference).iter().all(|changed| changed == name));
        prop_assert!(difference.missing.is_empty() && difference.extra.is_empty());
    }

    #[test]
    fn an_added_file_is_named(files in files(), method in method()) {
        let model = write(&files);
        let before = hash(&model, method);
        model.write("planted/x", b"1");
        let difference = before.compare(&hash(&model, method));
        prop_assert_eq!(difference, Difference { extra: vec!["planted/x".to_owned()], ..Difference::default() });
    }

    #[test]
    fn a_removed_file_is_named(files in files(), method in method(), pick in any::<prop::sample::Index>()) {
        prop_assume!(files.len() > 1);
        let model = write(&files);
        let before = hash(&model, method);
        let name = files.keys().nth(pick.index(files.len())).unwrap();
        fs::remove_file(model.path(name)).unwrap();
        let difference = before.compare(&hash(&model, method));
        prop_assert_eq!(difference, Difference { missing: vec![name.clone()], ..Difference::default() });
    }

    #[test]
    fn a_renamed_file_is_named(files in files(), method in method(), pick in any::<prop::sample::Index>()) {
        let model = write(&files);
        let before = hash(&model, method);
        let name = files.keys().nth(pick.index(files.len())).unwrap();
        fs::rename(model.path(name), model.path("renamed")).unwrap();
        let difference = before.compare(&hash(&model, method));
        let expected = Difference {
            missing: vec![name.clone()],
            extra: vec!["renamed".to_owned()],
            ..Difference::default()
        };
        prop_assert_eq!(difference, expected);
    }
}

//! The model's own bytes against the statement.

use sealwax_model::{Hash, Hashed, Manifest, ModelPath, Resource, Serialization};
use sealwax_verify::{Fault, Policy, Rejection, VerifiedModel};

use crate::world::{FILES, World, hashed};

/// What the verifier says of what it found, with a bundle that holds.
fn confirm(found: &Hashed, ignored: &[&str]) -> Result<VerifiedModel, Rejection> {
    let mut world = World::new();
    let bundle = world.good();
    let ignored = ignored.iter().map(|path| ModelPath::parse(path).unwrap()).collect();
    let policy = Policy { ignored, ..world.policy.clone() };
    world.verdict_with(&bundle, &policy).unwrap().confirm(found)
}

#[test]
fn d10_missing_extra_and_changed_files_are_named() {
    let found =
        hashed(&[("config.json", "{ }"), ("weights/a.bin", "weights"), ("weights/c.bin", "more weights")]);
    let Err(Rejection::ModelDiffers(difference)) = confirm(&found, &[]) else { panic!() };
    assert_eq!(difference.missing, ["weights/b.bin"]);
    assert_eq!(difference.extra, ["weights/c.bin"]);
    assert_eq!(difference.changed, ["config.json"]);
}

#[test]
fn d10_each_kind_of_difference_alone_is_refused() {
    let [config, a, b] = FILES;
    for files in [
        &[config, a][..],
        &[config, a, b, ("new.bin", "")],
        &[config, a, (b.0, "other")],
        &[config, (a.0, b.1), (b.0, a.1)],
        &[config, a, ("weights/B.bin", b.1)],
        &[("x", "y")],
    ] {
        assert_refused!(confirm(&hashed(files), &[]), "D10-model-differs", Rejection::ModelDiffers(_));
    }
    assert!(confirm(&hashed(&[b, a, config]), &[]).is_ok(), "the order on disk plays no part");
    assert_eq!(Rejection::ModelDiffers(Default::default()).fault(), Fault::Changed);
}

#[test]
fn d16_a_model_hashed_another_way_agrees_in_nothing() {
    let good = hashed(&FILES);
    let resources: Vec<Resource> = good.manifest.resources().to_vec();
    let serialization = Serialization { hash: Hash::Blake3, ..Serialization::default() };
    let other = Hashed { manifest: Manifest::new(serialization, resources).unwrap(), ..good };
    assert_refused!(confirm(&other, &[]), "D10-model-differs", Rejection::ModelDiffers(_));
}

fn leaving_out(paths: &[&str]) -> Hashed {
    Hashed { ignored: paths.iter().map(|path| (*path).to_owned()).collect(), ..hashed(&FILES) }
}

#[test]
fn f05_a_path_that_the_signature_hides_needs_consent() {
    for (hidden, agreed) in [
        ("planted.py", &[][..]),
        ("planted.py", &["planted"]),
        ("planted.py", &["planted.py/x"]),
        ("sub/planted.py", &["planted.py"]),
        ("planted", &["planted.py"]),
        ("Planted.py", &["planted.py"]),
        (".gitx", &[]),
        (".git/hooks", &[]),
        ("sub/model.sig", &[]),
        ("Model.sig", &[]),
        ("model.sig/weights.bin", &[]),
    ] {
        assert_refused!(
            confirm(&leaving_out(&[hidden]), agreed),
            "F05-ignored-present",
            Rejection::IgnoredPresent(paths) if *paths == [hidden]
        );
    }
    assert_eq!(Rejection::IgnoredPresent(vec![]).fault(), Fault::Policy);
}

#[test]
fn f05_all_hidden_paths_are_named_and_consent_covers_what_lies_below() {
    let found = leaving_out(&[".git", "a", "b/c", "d"]);
    assert_refused!(
        confirm(&found, &["b"]),
        "F05-ignored-present",
        Rejection::IgnoredPresent(paths) if *paths == ["a", "d"]
    );
    let verified = confirm(&found, &["a", "b", "d"]).unwrap();
    // What was not covered stays on the record.
    assert_eq!(verified.unchecked(), [".git", "a", "b/c", "d"]);
}

#[test]
fn f04_a_file_that_was_not_hashed_because_nobody_signed_it_is_extra() {
    let found = Hashed { unexpected: vec!["planted.py".to_owned()], ..hashed(&FILES) };
    assert_refused!(confirm(&found, &[]), "D10-model-differs", Rejection::ModelDiffers(difference) if difference.extra == ["planted.py"]);
}

#[test]
fn f05_what_belongs_to_git_needs_no_question_and_any_other_name_does() {
    let found = leaving_out(&[".git", ".gitattributes", ".github", ".gitignore", ".gitmodules", "sub/.git"]);
    assert_eq!(confirm(&found, &[]).unwrap().unchecked().len(), 6);
    // The caller agrees to the file that it read the bundle from; another of that name could hold anything.
    let found = leaving_out(&["model.sig"]);
    assert_refused!(confirm(&found, &[]), "F05-ignored-present", Rejection::IgnoredPresent(_));
    assert!(confirm(&found, &["model.sig"]).is_ok());
}

#[test]
fn f05_a_difference_comes_before_the_question() {
    let found = Hashed { ignored: vec!["planted.py".to_owned()], ..hashed(&FILES[1..]) };
    assert_refused!(confirm(&found, &[]), "D10-model-differs", Rejection::ModelDiffers(_));
}

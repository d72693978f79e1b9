//! What is left out, and what is said about it.

use std::fs;

use sealwax_model::{Error, HashOptions, ModelPath, Serialization, hash_model};

use crate::support::{Model, ignoring, names};

fn without_git() -> HashOptions {
    HashOptions { ignore_git: true, ..HashOptions::default() }
}

fn recorded(serialization: &Serialization) -> Vec<&str> {
    serialization.ignore_paths.iter().map(ModelPath::as_str).collect()
}

#[test]
fn f11_nested_git_paths_are_left_out_and_recorded() {
    let model = Model::new(&[
        (".git/config", b"1"),
        (".gitignore", b"2"),
        ("weights", b"3"),
        ("sub/.git", b"gitdir: elsewhere"),
        ("sub/deep/.gitattributes", b"4"),
        ("sub/.gitkeep", b"5"),
    ]);
    let hashed = model.hash(&without_git()).unwrap();
    assert_eq!(names(&hashed), ["sub/.gitkeep", "weights"]);
    assert_eq!(hashed.ignored, [".git", ".gitignore", "sub/.git", "sub/deep/.gitattributes"]);
    // What was not there is not recorded either: it could be planted otherwise.
    assert_eq!(recorded(hashed.manifest.serialization()), hashed.ignored);
    assert_eq!((hashed.files, hashed.bytes), (2, 2));

    // A verifier has nothing but the record.
    let verifying =
        HashOptions { serialization: hashed.manifest.serialization().clone(), ..HashOptions::default() };
    let again = model.hash(&verifying).unwrap();
    assert!(hashed.manifest.compare(&again.manifest).is_empty());
    assert_eq!(again.ignored, hashed.ignored);
    assert_eq!(again.manifest.serialization(), hashed.manifest.serialization());
}

#[test]
fn f11_git_paths_that_were_not_recorded_are_extra_to_a_verifier() {
    let model = Model::new(&[("weights", b"1")]);
    let signed = model.hash(&without_git()).unwrap();
    model.write("sub/.git/hooks/evil", b"2");
    model.write("late/.gitignore", b"3");
    model.write(".git/hooks/evil", b"4");
    let verifying =
        HashOptions { serialization: signed.manifest.serialization().clone(), ..HashOptions::default() };
    let difference = signed.manifest.compare(&model.hash(&verifying).unwrap().manifest);
    assert_eq!(difference.extra, [".git/hooks/evil", "late/.gitignore", "sub/.git/hooks/evil"]);
}

#[test]
fn f05_everything_left_out_is_said() {
    let model = Model::new(&[("a", b"1"), ("cache/x", b"2"), ("cache/y/z", b"3"), ("sub/cache/x", b"4")]);
    let hashed = model.hash(&ignoring(&["cache", "not-there"])).unwrap();
    assert_eq!(names(&hashed), ["a", "sub/cache/x"]);
    assert_eq!(hashed.ignored, ["cache"]);
    assert_eq!(recorded(hashed.manifest.serialization()), ["cache", "not-there"]);
}

#[test]
fn f05_ignoring_everything_cannot_be_said() {
    for text in [".", "", "./", "..", "/", "*"] {
        assert!(ModelPath::parse(text).is_err(), "{text}");
    }
    let model = Model::new(&[("a/b", b"1")]);
    for path in [model.root(), model.path("a/.."), model.outside().to_owned(), "/".into(), "a".into()] {
        let options = HashOptions { ignore_absolute: vec![path.clone()], ..HashOptions::default() };
        assert!(matches!(model.hash(&options), Err(Error::BadIgnore { .. })), "{}", path.display());
    }
}

#[test]
fn ignored_directories_are_not_entered() {
    let model = Model::new(&[("a", b"1"), ("cache/bad:name", b"2")]);
    assert!(model.plain().is_err());
    assert_eq!(names(&model.hash(&ignoring(&["cache"])).unwrap()), ["a"]);
}

#[test]
fn absolute_paths_inside_the_model_are_left_out_and_recorded() {
    let model = Model::new(&[("a", b"1"), ("sub/model.sig", b"2"), ("sub/model.sig.bak", b"3")]);
    fs::write(model.outside().join("beside"), b"4").unwrap();
    let options = HashOptions {
        ignore_absolute: vec![
            model.path("sub/../sub/model.sig"),
            model.path("not-written-yet.sig"),
            model.path("no/such/directory/model.sig"),
            model.outside().join("beside"),
        ],
        ..HashOptions::default()
    };
    let hashed = model.hash(&options).unwrap();
    assert_eq!(names(&hashed), ["a", "sub/model.sig.bak"]);
    assert_eq!(hashed.ignored, ["sub/model.sig"]);
    assert_eq!(recorded(hashed.manifest.serialization()), ["sub/model.sig", "not-written-yet.sig"]);
}

#[test]
fn absolute_paths_are_found_through_a_symlinked_root() {
    let model = Model::new(&[("a", b"1"), ("model.sig", b"2")]);
    let link = model.outside().join("link");
    std::os::unix::fs::symlink("model", &link).unwrap();
    let options = HashOptions { ignore_absolute: vec![model.path("model.sig")], ..HashOptions::default() };
    assert_eq!(hash_model(&link, &options, &()).unwrap().ignored, ["model.sig"]);
    let options = HashOptions { ignore_absolute: vec![link.join("model.sig")], ..HashOptions::default() };
    assert_eq!(model.hash(&options).unwrap().ignored, ["model.sig"]);
}

#[test]
fn single_file_has_nothing_to_leave_out() {
    let model = Model::new(&[(".gitignore", b"1")]);
    let hashed = hash_model(&model.path(".gitignore"), &without_git(), &()).unwrap();
    assert_eq!(names(&hashed), ["."]);
    assert!(hashed.ignored.is_empty());
    assert!(recorded(hashed.manifest.serialization()).is_empty());
}

//! Every attack of the sections that concern this version has a test by its number, or a reason in `docs/attacks.md`.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::as_conversions,
    clippy::panic,
    clippy::print_stderr
)]

use std::collections::BTreeSet;
use std::fs;

use sealwax_tests::{files_below, shared, workspace};

const SECTIONS: [char; 5] = ['g', 'd', 'f', 't', 's'];
const ROOMS: [&str; 8] =
    ["keys", "model", "tlog", "attestation", "verify", "transparency-log", "cli", "tests"];

#[test]
fn every_attack_has_a_test_or_a_reason() {
    let Some(list) = shared("the list of attacks", "attacks.md") else { return };
    let listed: BTreeSet<String> = ids(&fs::read_to_string(list).unwrap().to_lowercase());
    let page = fs::read_to_string(workspace().join("docs/attacks.md")).unwrap().to_lowercase();
    let excused: BTreeSet<String> =
        page.lines().filter_map(|line| line.strip_prefix("| ")).flat_map(|row| ids(&row[..3])).collect();
    let mut tested = BTreeSet::new();
    for room in ROOMS {
        for file in files_below(&workspace().join(room)) {
            if file.extension().is_some_and(|extension| extension == "rs") {
                for line in fs::read_to_string(&file).unwrap().lines() {
                    let name = line.trim_start().strip_prefix("fn ").and_then(|rest| rest.split('(').next());
                    tested.extend(name.into_iter().flat_map(ids));
                }
            }
        }
    }
    assert!(listed.len() > 70 && tested.len() > 60, "{} listed, {} tested", listed.len(), tested.len());
    let missing: Vec<_> =
        listed.iter().filter(|id| !tested.contains(*id) && !excused.contains(*id)).collect();
    assert!(missing.is_empty(), "no test and no reason: {missing:?}");
    let both: Vec<_> = excused.intersection(&tested).collect();
    assert!(both.is_empty(), "excused and tested: {both:?}");
}

/// The numbers in a text: a section's letter and two digits, standing alone between other characters.
fn ids(text: &str) -> BTreeSet<String> {
    let words = text.split(|character: char| !character.is_ascii_alphanumeric());
    let is_id = |word: &&str| {
        let mut characters = word.chars();
        word.len() == 3
            && characters.next().is_some_and(|letter| SECTIONS.contains(&letter))
            && characters.all(|digit| digit.is_ascii_digit())
    };
    words.filter(is_id).map(str::to_owned).collect()
}

//! Holds docs/attacks.md to the tests and to the rejection codes.
//!
//! The page's whole sections have a test for every number, or the words `no test:` and a reason. Whatever a test's name,
//! a comment or a rejection code calls by number is on the page. Where the list that the numbers come from is at hand, the
//! whole sections are compared with it as well.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::as_conversions,
    clippy::panic,
    clippy::print_stderr
)]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use sealwax_tests::{files_below, shared, workspace};

#[test]
fn every_attack_has_a_test_or_a_reason() {
    let (page, tested) = (page(), tested());
    let whole = || page.iter().filter(|(number, _)| number.starts_with(WHOLE_SECTIONS));
    assert!(whole().count() > 70 && tested.len() > 60, "{} listed, {} tested", whole().count(), tested.len());
    for (number, outcome) in whole() {
        let excused = outcome.starts_with(EXCUSE);
        assert!(excused || tested.contains(number), "{number}: no test and no reason");
        assert!(!excused || !tested.contains(number), "{number}: excused, and tested all the same");
    }
}

#[test]
fn what_is_called_by_number_is_on_the_page() {
    let page = page();
    for (whence, numbers) in [("tests", tested()), ("comments", commented()), ("codes", codes())] {
        assert!(!numbers.is_empty(), "no numbers in {whence}");
        let unknown: Vec<_> = numbers.iter().filter(|number| !page.contains_key(*number)).collect();
        assert!(unknown.is_empty(), "in {whence} and not on the page: {unknown:?}");
    }
}

#[test]
fn the_page_has_every_number_of_the_list() {
    let Some(list) = shared("the list of attacks", "attacks.md") else { return };
    let list = fs::read_to_string(list).unwrap();
    let numbers = words(&list).filter(|word| is_number(word) && word.starts_with(WHOLE_SECTIONS));
    let numbers: BTreeSet<&str> = numbers.collect();
    assert!(numbers.len() > 70, "{} in the list", numbers.len());
    let page = page();
    let missing: Vec<_> = numbers.iter().filter(|number| !page.contains_key(**number)).collect();
    assert!(missing.is_empty(), "in the list and not on the page: {missing:?}");
}

/// Reads the page's tables: the number of each attack, and what happens.
fn page() -> BTreeMap<String, String> {
    let text = fs::read_to_string(workspace().join("docs/attacks.md")).unwrap();
    let mut page = BTreeMap::new();
    let mut section = "";
    for line in text.lines() {
        if let Some(heading) = line.strip_prefix("## ") {
            section = heading.split_once('.').unwrap().0;
        }
        let Some(row) = line.strip_prefix("| ").and_then(|row| row.strip_suffix(" |")) else { continue };
        let cells: Vec<&str> = row.split(" | ").collect();
        let [number, attack, outcome] = cells[..] else { panic!("not three cells: {line}") };
        if number == "number" || number == "---" {
            continue;
        }
        assert!(is_number(number) && number.starts_with(section), "in section {section}: {line}");
        assert!(attack.len() > 5 && outcome.len() > 5, "an empty cell: {line}");
        let twice = page.insert(number.to_owned(), outcome.to_owned());
        assert!(twice.is_none(), "{number} is there twice");
    }
    page
}

/// The numbers that names of tests begin with; a name may begin with several.
fn tested() -> BTreeSet<String> {
    let mut numbers = BTreeSet::new();
    for source in sources() {
        let mut is_test = false;
        for line in source.lines().map(str::trim) {
            if line == "#[test]" {
                is_test = true;
            } else if let Some(rest) = line.strip_prefix("fn ") {
                let name = rest.split('(').next().unwrap().to_uppercase();
                if is_test {
                    numbers.extend(name.split('_').take_while(|word| is_number(word)).map(str::to_owned));
                }
                is_test = false;
            }
        }
    }
    numbers
}

/// The numbers that comments name, as in "(attacks T01, T02)".
fn commented() -> BTreeSet<String> {
    let named = |source: &String| -> Vec<String> {
        let mentions = source.split("attack").skip(1);
        let numbers = mentions.flat_map(|rest| {
            let list = words(rest.strip_prefix('s').unwrap_or(rest)).filter(|word| *word != "and");
            list.take_while(|word| is_number(word)).map(str::to_owned)
        });
        numbers.collect()
    };
    sources().iter().flat_map(named).collect()
}

/// The numbers that rejection codes begin with.
fn codes() -> BTreeSet<String> {
    let page = fs::read_to_string(workspace().join("docs/rejections.md")).unwrap();
    let codes = page.lines().filter_map(|line| line.strip_prefix("### "));
    codes.map(|code| code.split('-').next().unwrap().to_owned()).collect()
}

/// Every Rust file of ours.
fn sources() -> Vec<String> {
    let files = ROOMS.iter().flat_map(|room| files_below(&workspace().join(room)));
    let rust = files.filter(|file| file.extension().is_some_and(|extension| extension == "rs"));
    rust.map(|file| fs::read_to_string(file).unwrap()).collect()
}

fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(|character: char| !character.is_ascii_alphanumeric()).filter(|word| !word.is_empty())
}

/// Whether a word is a section's letter and two digits.
fn is_number(word: &str) -> bool {
    let [letter, tens, units] = word.as_bytes() else { return false };
    letter.is_ascii_uppercase() && tens.is_ascii_digit() && units.is_ascii_digit()
}

const WHOLE_SECTIONS: [char; 13] = ['G', 'D', 'F', 'T', 'S', 'H', 'W', 'B', 'C', 'I', 'M', 'K', 'R'];
const EXCUSE: &str = "no test:";
const ROOMS: [&str; 15] = [
    "keys",
    "tokens",
    "sha256-lanes",
    "model",
    "tlog",
    "attestation",
    "verify",
    "trust",
    "authority",
    "transparency-log",
    "witness",
    "server",
    "cli",
    "tests",
    "examples",
];

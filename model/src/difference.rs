//! In which files a model differs from its manifest.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write,
};

use crate::{manifest::Manifest, resource::Resource};

/// The files in which two manifests differ: three sorted lists, none naming the same file.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Difference {
    /// Files that should be there and are not.
    pub missing: Vec<String>,
    /// Files that are there and should not be.
    pub extra: Vec<String>,
    /// Files with other content. With byte ranges each range is named by itself: `weights.bin bytes 0..1000`.
    pub changed: Vec<String>,
}

impl Difference {
    /// Tells whether the manifests agree.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.missing.is_empty() && self.extra.is_empty() && self.changed.is_empty()
    }

    pub(crate) fn between(expected: &Manifest, actual: &Manifest) -> Self {
        let comparable = expected.serialization().method == actual.serialization().method
            && expected.serialization().hash == actual.serialization().hash
            && (expected.serialization().allow_symlinks || !actual.serialization().allow_symlinks);
        let expected_files = files(expected, None);
        let actual_files = files(actual, alias(expected, actual));

        let mut difference = Self::default();
        for (name, expected) in &expected_files {
            match actual_files.get(name) {
                None => difference.missing.push((*name).to_owned()),
                Some(_) if !comparable => difference.changed.push((*name).to_owned()),
                Some(actual) => add_changes(&mut difference.changed, name, expected, actual),
            }
        }
        for name in actual_files.keys().filter(|name| !expected_files.contains_key(*name)) {
            difference.extra.push((*name).to_owned());
        }
        difference
    }
}

/// The lines of one file by offset: (start, end) and digest; a whole file has the one line (0, 0).
type Lines<'a> = BTreeMap<u64, (u64, &'a [u8])>;

fn files<'a>(manifest: &'a Manifest, alias: Option<&'a str>) -> BTreeMap<&'a str, Lines<'a>> {
    let mut files: BTreeMap<&str, Lines<'_>> = BTreeMap::new();
    for Resource { name, digest } in manifest.resources() {
        let range = name.range().unwrap_or(0..0);
        let file = alias.unwrap_or_else(|| name.file_name());
        files.entry(file).or_default().insert(range.start, (range.end, digest));
    }
    files
}

/// Gives the name under which `expected` lists the single file that `actual` is, where that is its name on disk.
fn alias<'a>(expected: &Manifest, actual: &'a Manifest) -> Option<&'a str> {
    let name = actual.single_file()?;
    let named = expected.resources().iter().all(|resource| resource.name.path() == Some(name));
    named.then(|| name.as_str())
}

fn add_changes(changed: &mut Vec<String>, name: &str, expected: &Lines<'_>, actual: &Lines<'_>) {
    let starts: BTreeSet<u64> = expected.keys().chain(actual.keys()).copied().collect();
    for start in starts {
        let (before, after) = (expected.get(&start), actual.get(&start));
        if before == after {
            continue;
        }
        let end = before.map_or(0, |line| line.0).max(after.map_or(0, |line| line.0));
        let mut text = name.to_owned();
        // Only a whole file ends at byte 0: no range is empty.
        if end > 0 && write!(text, " bytes {start}..{end}").is_err() {
            continue;
        }
        changed.push(text);
    }
}

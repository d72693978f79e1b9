//! In which files a model differs from its manifest.

use std::{cmp::Ordering, fmt::Write};

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
        let (expected_lines, actual_lines) = (lines(expected, None), lines(actual, alias(expected, actual)));
        let mut expected_files = expected_lines.chunk_by(|a, b| a.file == b.file).peekable();
        let mut actual_files = actual_lines.chunk_by(|a, b| a.file == b.file).peekable();

        let mut difference = Self::default();
        while let Some(order) = order(expected_files.peek().map(file_of), actual_files.peek().map(file_of)) {
            let before = if order.is_le() { expected_files.next() } else { None };
            let after = if order.is_ge() { actual_files.next() } else { None };
            match (before, after) {
                (Some(before), Some(after)) if comparable => {
                    add_changes(&mut difference.changed, before, after);
                }
                (Some(before), Some(_)) => difference.changed.push(file_of(&before).to_owned()),
                (Some(before), None) => difference.missing.push(file_of(&before).to_owned()),
                (None, after) => difference.extra.extend(after.as_ref().map(|file| file_of(file).to_owned())),
            }
        }
        difference
    }
}

/// One line of a manifest; a whole file has the range 0..0.
#[derive(PartialEq, Eq)]
struct Line<'a> {
    file: &'a str,
    start: u64,
    end: u64,
    digest: &'a [u8],
}

/// Gives the lines by file and offset: flat, because there may be a million.
fn lines<'a>(manifest: &'a Manifest, alias: Option<&'a str>) -> Vec<Line<'a>> {
    let line = |Resource { name, digest }: &'a Resource| {
        let range = name.range().unwrap_or(0..0);
        let file = alias.unwrap_or_else(|| name.file_name());
        Line { file, start: range.start, end: range.end, digest }
    };
    let mut lines: Vec<Line<'a>> = manifest.resources().iter().map(line).collect();
    lines.sort_unstable_by(|a, b| (a.file, a.start).cmp(&(b.file, b.start)));
    lines
}

/// Gives the file of a group of lines, none of which is empty.
fn file_of<'a>(lines: &&[Line<'a>]) -> &'a str {
    lines.first().map_or("", |line| line.file)
}

/// Tells which of two comes first, where there is one.
fn order<K: Ord>(a: Option<K>, b: Option<K>) -> Option<Ordering> {
    match (a, b) {
        (None, None) => None,
        (Some(_), None) => Some(Ordering::Less),
        (None, Some(_)) => Some(Ordering::Greater),
        (Some(a), Some(b)) => Some(a.cmp(&b)),
    }
}

/// Gives the name under which `expected` lists the single file that `actual` is, where that is its name on disk.
fn alias<'a>(expected: &Manifest, actual: &'a Manifest) -> Option<&'a str> {
    let name = actual.single_file()?;
    let named = expected.resources().iter().all(|resource| resource.name.path() == Some(name));
    named.then(|| name.as_str())
}

/// Adds the lines of one file that are in only one of the lists or have another end or digest.
fn add_changes(changed: &mut Vec<String>, expected: &[Line<'_>], actual: &[Line<'_>]) {
    let (mut expected, mut actual) = (expected.iter().peekable(), actual.iter().peekable());
    while let Some(order) =
        order(expected.peek().map(|line| line.start), actual.peek().map(|line| line.start))
    {
        let before = if order.is_le() { expected.next() } else { None };
        let after = if order.is_ge() { actual.next() } else { None };
        let Some(line) = before.or(after).filter(|_| before != after) else { continue };
        let end = before.map_or(0, |line| line.end).max(after.map_or(0, |line| line.end));
        let mut text = line.file.to_owned();
        // Only a whole file ends at byte 0: no range is empty.
        if end > 0 && write!(text, " bytes {}..{end}", line.start).is_err() {
            continue;
        }
        changed.push(text);
    }
}

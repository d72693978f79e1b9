//! Names that are two on one file system and one on another.
//!
//! `Model.bin` and `model.bin`, or `é` composed and decomposed: unpacked on Windows, macOS or a case-insensitive mount,
//! one of the two files replaces the other, and an attacker chooses which. The same holds for a directory's name.

use std::collections::HashMap;

use caseless::Caseless;
use unicode_normalization::UnicodeNormalization;

use crate::{error::Error, path::ModelPath};

/// The names seen so far, as a tree of folded components, so that the work is linear in the length of all paths.
#[derive(Default)]
pub(crate) struct Names<'a> {
    /// Keyed by the parent's number and the component's folded form.
    nodes: HashMap<(usize, Box<str>), Node<'a>>,
    /// The directory of the name that came last, with its number: names mostly come directory by directory.
    last_directory: Option<(&'a str, usize)>,
}

struct Node<'a> {
    number: usize,
    /// The path up to this component, as it was first spelt.
    spelling: &'a str,
    /// The whole path of the file that brought this component.
    file: &'a ModelPath,
    is_directory: bool,
}

impl<'a> Names<'a> {
    /// Adds a file, or refuses it for its likeness to one that was added before. The same file may be added again.
    pub(crate) fn add(&mut self, path: &'a ModelPath) -> Result<(), Error> {
        let text = path.as_str();
        let directory = text.rsplit_once('/').map_or("", |(directory, _)| directory);
        let parent = match self.last_directory {
            Some((last, number)) if last == directory => number,
            _ => self.add_directories(path, directory)?,
        };
        self.last_directory = Some((directory, parent));
        self.add_component(path, parent, path.file_name(), text, false).map(drop)
    }

    /// Tells whether no name was added.
    pub(crate) fn is_empty(&self) -> bool {
        self.nodes.is_empty()
    }

    fn add_directories(&mut self, path: &'a ModelPath, directory: &'a str) -> Result<usize, Error> {
        let mut number = ROOT;
        let mut end = 0_usize;
        for component in directory.split_terminator('/') {
            end = end.saturating_add(component.len());
            let spelling = directory.get(..end).unwrap_or(directory);
            number = self.add_component(path, number, component, spelling, true)?;
            end = end.saturating_add(1);
        }
        Ok(number)
    }

    fn add_component(
        &mut self,
        file: &'a ModelPath,
        parent: usize,
        component: &str,
        spelling: &'a str,
        is_directory: bool,
    ) -> Result<usize, Error> {
        let number = self.nodes.len().saturating_add(1);
        let node = self.nodes.entry((parent, fold(component))).or_insert(Node {
            number,
            spelling,
            file,
            is_directory,
        });
        if node.spelling == spelling && node.is_directory == is_directory {
            return Ok(node.number);
        }
        Err(Error::Twins { first: node.file.to_string(), second: file.to_string() })
    }
}

/// Brings a component to the form in which Unicode compares it without regard to letter case and compatibility variants
/// (The Unicode Standard, section 3.13, D146).
fn fold(component: &str) -> Box<str> {
    if component.is_ascii() {
        return component.to_ascii_lowercase().into();
    }
    let folded: String = component.nfd().default_case_fold().nfkd().default_case_fold().nfkd().collect();
    folded.into()
}

/// The number of the model's root directory.
const ROOT: usize = 0;

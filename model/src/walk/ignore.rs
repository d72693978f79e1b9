//! What is left out of a manifest, and the record of it.

use std::{
    collections::{BTreeSet, HashSet},
    fs,
    path::{Component, Path, PathBuf},
};

use crate::{error::Error, model::HashOptions, path::ModelPath, serialization::IgnorePath};

/// The rules of one walk and what they have caught so far.
pub(super) struct Ignore {
    git: bool,
    /// The caller's paths in the caller's order, then what is to be recorded besides.
    recorded: Vec<IgnorePath>,
    lookup: HashSet<IgnorePath>,
    found: BTreeSet<ModelPath>,
}

impl Ignore {
    pub(super) fn new(root: &Path, options: &HashOptions) -> Result<Self, Error> {
        let mut ignore = Self {
            git: options.ignore_git,
            recorded: Vec::new(),
            lookup: HashSet::new(),
            found: BTreeSet::new(),
        };
        for path in &options.serialization.ignore_paths {
            ignore.record(path.clone());
        }
        if !options.ignore_absolute.is_empty() {
            let root = fs::canonicalize(root)
                .map_err(|source| Error::Unreadable { path: root.display().to_string(), source })?;
            for path in &options.ignore_absolute {
                if let Some(path) = relative(&root, path)? {
                    ignore.record(path);
                }
            }
        }
        Ok(ignore)
    }

    /// Tells whether to leave out a path, and takes note of it.
    ///
    /// Of what lies in a directory that is left out nothing is asked here: the walk does not go there.
    pub(super) fn covers(&mut self, path: &ModelPath) -> bool {
        let git = self.git && GIT.contains(&path.file_name());
        if !git && !self.lookup.contains(path) {
            return false;
        }
        self.record(path.clone());
        self.found.insert(path.clone());
        true
    }

    /// Gives the paths that were there and left out, and the paths to record.
    pub(super) fn finish(self) -> (Vec<String>, Vec<IgnorePath>) {
        (self.found.iter().map(ModelPath::to_string).collect(), self.recorded)
    }

    fn record(&mut self, path: IgnorePath) {
        if self.lookup.insert(path.clone()) {
            self.recorded.push(path);
        }
    }
}

/// Brings an absolute path below the model's root, or gives nothing if it lies elsewhere.
///
/// The last component is not followed and need not exist: the signature's file may not have been written yet, and a
/// link that is to be left out is meant itself.
fn relative(root: &Path, path: &Path) -> Result<Option<IgnorePath>, Error> {
    if !path.is_absolute() {
        return Err(bad(path));
    }
    let resolved = match (path.components().next_back(), path.parent()) {
        (Some(Component::Normal(name)), Some(parent)) => {
            fs::canonicalize(parent).ok().map(|parent| parent.join(name))
        }
        _ => fs::canonicalize(path).ok(),
    };
    // A directory that does not exist has nothing in it to leave out.
    let Some(resolved) = resolved else { return Ok(None) };
    if root.starts_with(&resolved) {
        return Err(bad(path));
    }
    let Ok(inside) = resolved.strip_prefix(root) else { return Ok(None) };
    let text = inside.to_str().ok_or_else(|| bad(path))?;
    ModelPath::parse(text).map(Some).map_err(|reason| Error::BadName { path: text.to_owned(), reason })
}

fn bad(path: &Path) -> Error {
    Error::BadIgnore { path: PathBuf::from(path).display().to_string() }
}

/// Whether a path's own name is one that belongs to git, which signing leaves out unless told otherwise.
#[must_use]
pub fn is_git_path(path: &str) -> bool {
    GIT.contains(&path.rsplit_once('/').map_or(path, |(_, name)| name))
}

/// The names that belong to git and its hosts (OMS 1.0, section 6.2, which also allows `.gitmodules`).
const GIT: [&str; 5] = [".git", ".gitattributes", ".github", ".gitignore", ".gitmodules"];

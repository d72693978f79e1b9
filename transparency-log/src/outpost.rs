//! A second memory of what was signed last, outside the log's directory.
//!
//! Putting back an older copy of the whole log puts back its anchor too, and nothing inside could tell. An outpost is a
//! directory that such a copy does not reach, on another disk or a mounted share. For each log it holds one file,
//! `<origin>.checkpoint`: the last signed note, written after each commit and before anything of it is published.

use std::fmt;
use std::path::Path;

use sealwax_tlog::{Checkpoint, VerifierKey};

use crate::error::Result;
use crate::storage::{Directory, Storage};
use crate::view::open_checkpoint;

/// A place outside the log's directory that remembers the last signed checkpoint.
pub struct Outpost {
    place: String,
    storage: Box<dyn Storage + Send>,
}

impl Outpost {
    /// Remembers in an existing directory, which several logs may share.
    pub fn directory(path: &Path) -> Outpost {
        Outpost::new(path.display().to_string(), Box::new(Directory::reader(path)))
    }

    /// Remembers in a storage; `place` is what errors call it.
    pub fn new(place: String, storage: Box<dyn Storage + Send>) -> Outpost {
        Outpost { place, storage }
    }

    pub(crate) fn place(&self) -> &str {
        &self.place
    }

    /// Reads the checkpoint that was signed last; `None` where nothing was ever written.
    pub(crate) fn load(&self, key: &VerifierKey) -> Result<Option<Checkpoint>> {
        let name = name(key.name());
        let found = self.storage.read(&name)?;
        found.map(|note| open_checkpoint(&note, key, &format!("{}/{name}", self.place))).transpose()
    }

    pub(crate) fn store(&self, origin: &str, note: &[u8]) -> Result<()> {
        self.storage.write(&name(origin), note)
    }
}

/// An origin is one line of text; what could leave the directory is not written into a name.
fn name(origin: &str) -> String {
    let safe = |letter: char| if letter.is_alphanumeric() || "-.".contains(letter) { letter } else { '_' };
    format!("{}.checkpoint", origin.chars().map(safe).collect::<String>())
}

impl fmt::Debug for Outpost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Outpost({})", self.place)
    }
}

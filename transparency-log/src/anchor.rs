//! The anchor: what the log last signed, kept apart from the tiles, and where each leaf is.
//!
//! It is the log's memory of its own signature. Committing to it is the moment at which a batch becomes part of the log;
//! restoring an older copy of the tiles is noticed because the anchor was not restored with them. It is also the index
//! from leaf hash to position, which is a convenience: it can be rebuilt, and nothing it says is believed without proof.

mod schema;
mod sqlite;

use std::fmt;

use sealwax_tlog::Hash;

use crate::error::Result;

pub use sqlite::SqliteAnchor;

/// The anchor's compare-and-swap register and its leaf index.
///
/// Every function can fail with [`Error::Database`](crate::Error::Database), with [`Error::Busy`](crate::Error::Busy) while
/// another program holds the database, and with [`Error::Damaged`](crate::Error::Damaged) where it is not what was stored.
pub trait Anchor {
    /// Reads the last commit; `None` when nothing was ever committed.
    ///
    /// # Errors
    ///
    /// Those of every function here.
    fn load(&self) -> Result<Option<Anchored>>;

    /// Stores the first commit of a new log, or of a restored one, and its mode; refused with [`Error::Exists`](crate::Error::Exists) when there is one.
    ///
    /// # Errors
    ///
    /// [`Error::Exists`](crate::Error::Exists), and those of every function here.
    fn initialise(&mut self, first: &Anchored, mode: Mode) -> Result<()>;

    /// Replaces the last commit and adds its leaves, all or nothing and durably.
    ///
    /// The stored checkpoint must equal `old` byte for byte and the size must grow, else
    /// [`Error::Overtaken`](crate::Error::Overtaken). The leaves are those from `old`'s size to the new one.
    ///
    /// # Errors
    ///
    /// [`Error::NotLive`](crate::Error::NotLive) and [`Error::Overtaken`](crate::Error::Overtaken), after which nothing was
    /// stored, and those of every function here, after which the commit may have been made nevertheless.
    fn swap(&mut self, old: &[u8], new: &Anchored, leaves: &[Hash]) -> Result<()>;

    /// Looks up the first position of each leaf hash.
    ///
    /// # Errors
    ///
    /// Those of every function here.
    fn find(&self, leaves: &[Hash]) -> Result<Vec<Option<u64>>>;

    /// Checks the whole anchor as far as it can by itself; whether it is the tree's is for its leaves to say.
    ///
    /// # Errors
    ///
    /// Those of every function here.
    fn check(&self) -> Result<()>;

    /// Reads up to `count` indexed leaves in the order of positions, from the position `first` on.
    ///
    /// # Errors
    ///
    /// Those of every function here.
    fn leaves(&self, first: u64, count: usize) -> Result<Vec<(u64, Hash)>>;

    /// Tells whether the index holds exactly the positions 0 to `size` - 1.
    ///
    /// # Errors
    ///
    /// Those of every function here.
    fn is_indexed(&self, size: u64) -> Result<bool>;

    /// Replaces the whole index by the leaves 0, 1, 2, ….
    ///
    /// # Errors
    ///
    /// Those of every function here.
    fn rebuild(&mut self, leaves: &[Hash]) -> Result<()>;

    /// Reads whether the log may sign; [`Mode::Live`] before the first commit.
    ///
    /// # Errors
    ///
    /// Those of every function here.
    fn mode(&self) -> Result<Mode>;

    /// Stores whether the log may sign, durably. Storing what is stored already changes nothing.
    ///
    /// # Errors
    ///
    /// [`Error::NotLive`](crate::Error::NotLive) where the log is frozen and `mode` is another,
    /// [`Error::NotFound`](crate::Error::NotFound) before the first commit, and those of every function here.
    fn set_mode(&mut self, mode: Mode) -> Result<()>;
}

/// Whether a log may sign. It is stored with the last commit, and a commit in any mode but [`Mode::Live`] is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// It may.
    Live,
    /// It came back from a copy and may be older than what it signed: not before somebody outside has confirmed its size.
    Restored,
    /// It never will again. No mode follows this one.
    Frozen,
}

impl fmt::Display for Mode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Mode::Live => "live",
            Mode::Restored => "restored",
            Mode::Frozen => "frozen",
        })
    }
}

/// One commit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Anchored {
    /// The tree size of the checkpoint.
    pub size: u64,
    /// The signed note, exactly as published.
    pub checkpoint: Vec<u8>,
    /// The name of the staged batch that the commit needs to have applied; `None` for the empty tree.
    pub staged: Option<String>,
}

/// The database's name beside the tiles.
pub(crate) const ANCHOR: &str = "anchor.db";

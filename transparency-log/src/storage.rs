//! Where the log's bytes lie: named blobs behind a small trait, and the directory that is the only storage so far.
//!
//! ```text
//! tiles/checkpoint              tiles/tile/0/000.p/5      tiles/tile/entries/000.p/5     what the world may read
//! staging/5-<64 hex digits>     one batch on its way      envelopes/ab/ab12…             what entries speak about
//! ```

use std::collections::BTreeSet;
use std::fs::{DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use crate::error::{Action, Error, Result};

/// Named blobs, each of which is replaced as a whole.
///
/// One writer at a time uses it. Names are relative paths with `/`, made by this crate and never by an entry.
pub trait Storage {
    /// Reads a whole blob; `None` when there is none.
    ///
    /// # Errors
    ///
    /// [`Error::Io`] where a blob is there and cannot be read.
    fn read(&self, name: &str) -> Result<Option<Vec<u8>>>;

    /// Writes a blob atomically and durably.
    ///
    /// After `Ok` the new bytes survive a power cut. After an error or a crash the blob is the old one, the new one, or
    /// absent as before, and never a mixture.
    ///
    /// # Errors
    ///
    /// [`Error::Io`]; with [`Action::Sync`] where a flush failed, after which this process cannot know what is stored.
    fn write(&self, name: &str, bytes: &[u8]) -> Result<()>;

    /// Removes a blob; one that is not there is no error. Durability is not needed.
    ///
    /// # Errors
    ///
    /// [`Error::Io`] where the blob is there and cannot be removed.
    fn remove(&self, name: &str) -> Result<()>;

    /// Lists the names of the blobs directly below a folder, sorted; a folder that is not there is empty.
    ///
    /// # Errors
    ///
    /// [`Error::Io`] where the folder is there and cannot be read.
    fn list(&self, folder: &str) -> Result<Vec<String>>;

    /// Returns how many bytes can still be written; `None` where that cannot be known.
    ///
    /// # Errors
    ///
    /// [`Error::Io`].
    fn free_space(&self) -> Result<Option<u64>> {
        Ok(None)
    }
}

/// A log's directory in the file system.
#[derive(Debug)]
pub struct Directory {
    root: PathBuf,
    /// The advisory lock, held for as long as the value lives; `None` for readers.
    _lock: Option<File>,
    /// Directories whose own entries this process has flushed. What an earlier process created it may not have flushed.
    durable: Mutex<BTreeSet<PathBuf>>,
}

impl Directory {
    /// Opens a directory for reading; it takes no lock and creates nothing.
    pub fn reader(root: &Path) -> Directory {
        Directory { root: root.to_owned(), _lock: None, durable: Mutex::default() }
    }

    /// Opens a directory for writing, creating it if needed, and takes its writer's lock.
    ///
    /// While another process holds the lock, `wait` is called with the number of failed tries, 1 at first; it may sleep,
    /// and says whether to try again. The system releases the lock when its holder ends, however it ends.
    ///
    /// # Errors
    ///
    /// [`Error::Busy`] when `wait` gives up, [`Error::Io`] where directory or lock file cannot be made.
    pub fn writer(root: &Path, mut wait: impl FnMut(u32) -> bool) -> Result<Directory> {
        let mut directory = Directory::reader(root);
        directory.make_durable(root)?;
        let path = root.join("lock");
        let failed = |source| Error::io(Action::Lock, &path, source);
        let lock = open_new_or_existing(&path, 0o600).map_err(failed)?;
        let mut tries = 0u32;
        loop {
            match lock.try_lock() {
                Ok(()) => break,
                Err(TryLockError::Error(source)) => return Err(failed(source)),
                Err(TryLockError::WouldBlock) => {
                    tries = tries.saturating_add(1);
                    if !wait(tries) {
                        return Err(Error::Busy { path });
                    }
                }
            }
        }
        directory._lock = Some(lock);
        Ok(directory)
    }

    /// Creates a directory and its missing parents, and flushes the entry of each one once per process.
    fn make_durable(&self, directory: &Path) -> Result<()> {
        if self.known_durable().contains(directory) {
            return Ok(());
        }
        let parent = match directory.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => parent,
            _ => Path::new("."),
        };
        let inside = directory != self.root && directory.starts_with(&self.root);
        if inside || !directory.is_dir() {
            if parent != Path::new(".") {
                self.make_durable(parent)?;
            }
            match DirBuilder::new().mode(0o755).create(directory) {
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists && directory.is_dir() => {}
                other => other.map_err(|source| Error::io(Action::CreateDirectory, directory, source))?,
            }
        }
        match sync_directory(parent) {
            // What lies above the log may be closed to us; it was there before the log was.
            Err(Error::Io { source, .. }) if !inside && source.kind() == io::ErrorKind::PermissionDenied => {}
            other => other?,
        }
        self.known_durable().insert(directory.to_owned());
        Ok(())
    }

    fn known_durable(&self) -> std::sync::MutexGuard<'_, BTreeSet<PathBuf>> {
        self.durable.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Storage for Directory {
    fn read(&self, name: &str) -> Result<Option<Vec<u8>>> {
        let path = self.root.join(name);
        match read_regular(&path) {
            Ok(bytes) => Ok(Some(bytes)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(source) => Err(Error::io(Action::Read, &path, source)),
        }
    }

    fn write(&self, name: &str, bytes: &[u8]) -> Result<()> {
        let path = self.root.join(name);
        let parent = path.parent().unwrap_or(&self.root);
        self.make_durable(parent)?;
        let temporary = parent.join(TEMPORARY);
        // A leftover of a crash, or a planted link, is removed and never written through.
        match std::fs::remove_file(&temporary) {
            Err(source) if source.kind() != io::ErrorKind::NotFound => {
                return Err(Error::io(Action::Remove, &temporary, source));
            }
            _ => {}
        }
        let placed = write_new(&temporary, bytes).and_then(|()| {
            std::fs::rename(&temporary, &path).map_err(|source| Error::io(Action::Rename, &path, source))
        });
        if placed.is_err() {
            // On a full disk the half-written file is what takes the space; failing to remove it changes nothing.
            let _ = std::fs::remove_file(&temporary);
        }
        placed?;
        sync_directory(parent)
    }

    fn remove(&self, name: &str) -> Result<()> {
        let path = self.root.join(name);
        match std::fs::remove_file(&path) {
            Err(source) if source.kind() != io::ErrorKind::NotFound => {
                return Err(Error::io(Action::Remove, &path, source));
            }
            _ => {}
        }
        // The folder of a tile's partial versions has no further use once it is empty; a full one refuses to go.
        if let Some(parent) = path.parent().filter(|parent| parent.extension().is_some_and(|end| end == "p"))
        {
            let mut durable = self.known_durable();
            if std::fs::remove_dir(parent).is_ok() {
                durable.remove(parent);
            }
        }
        Ok(())
    }

    fn list(&self, folder: &str) -> Result<Vec<String>> {
        let path = self.root.join(folder);
        let failed = |source| Error::io(Action::List, &path, source);
        let entries = match std::fs::read_dir(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            other => other.map_err(failed)?,
        };
        let mut names = Vec::new();
        for entry in entries {
            let entry = entry.map_err(failed)?;
            let is_file = entry.file_type().map_err(failed)?.is_file();
            if let Some(name) = entry.file_name().to_str().filter(|name| is_file && *name != TEMPORARY) {
                names.push(format!("{folder}/{name}"));
            }
        }
        names.sort();
        Ok(names)
    }

    fn free_space(&self) -> Result<Option<u64>> {
        let state = rustix::fs::statvfs(&self.root)
            .map_err(|error| Error::io(Action::Read, &self.root, error.into()))?;
        Ok(Some(state.f_bavail.saturating_mul(state.f_frsize)))
    }
}

/// Reads a regular file. A copy of a log may come from anywhere: a FIFO in it would make who opens it wait, a device never end.
fn read_regular(path: &Path) -> io::Result<Vec<u8>> {
    let flags = i32::try_from(rustix::fs::OFlags::NONBLOCK.bits()).unwrap_or(0);
    let mut file = OpenOptions::new().read(true).custom_flags(flags).open(path)?;
    if !file.metadata()?.is_file() {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "not a regular file"));
    }
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Creates, fills and flushes a file that must not exist.
fn write_new(path: &Path, bytes: &[u8]) -> Result<()> {
    let mut file = create_new(path, 0o644).map_err(|source| Error::io(Action::Write, path, source))?;
    file.write_all(bytes).map_err(|source| Error::io(Action::Write, path, source))?;
    file.sync_all().map_err(|source| Error::io(Action::Sync, path, source))
}

/// Flushes a directory, so that names created or renamed in it survive a power cut.
pub(crate) fn sync_directory(path: &Path) -> Result<()> {
    let directory = File::open(path).map_err(|source| Error::io(Action::Read, path, source))?;
    directory.sync_all().map_err(|source| Error::io(Action::Sync, path, source))
}

/// Creates a file with at most these permission bits; it must not exist.
pub(crate) fn create_new(path: &Path, mode: u32) -> io::Result<File> {
    options(mode).create_new(true).open(path)
}

fn open_new_or_existing(path: &Path, mode: u32) -> io::Result<File> {
    options(mode).create(true).truncate(false).open(path)
}

fn options(mode: u32) -> OpenOptions {
    let mut options = OpenOptions::new();
    options.write(true).mode(mode);
    options
}

/// The one temporary name per directory: a crash leaves at most one behind, and the next write there removes it.
const TEMPORARY: &str = ".tmp";

#[cfg(test)]
mod tests;

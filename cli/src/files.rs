//! Files that appear whole or not at all, and reading that cannot be made to wait or to fill the memory.

use std::fs::{File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use crate::error::Error;

/// Writes a new file that only its owner can read or write, whatever the umask, and syncs it and its directory.
///
/// # Errors
/// [`Error::Exists`] where there is one already: a key is never overwritten.
pub(crate) fn create_private(path: &Path, text: &str) -> Result<(), Error> {
    create(path, text, 0o600)
}

/// Writes a new file that everybody may read.
///
/// # Errors
/// As [`create_private`].
pub(crate) fn create_public(path: &Path, text: &str) -> Result<(), Error> {
    create(path, text, 0o644)
}

fn create(path: &Path, text: &str, mode: u32) -> Result<(), Error> {
    let made = OpenOptions::new().write(true).create_new(true).mode(mode).open(path);
    let mut file = made.map_err(|source| match source.kind() {
        io::ErrorKind::AlreadyExists => Error::Exists { path: path.to_owned() },
        _ => io_error("create", path, source),
    })?;
    let written =
        file.write_all(text.as_bytes()).and_then(|()| file.sync_all()).and_then(|()| sync_parent(path));
    written.map_err(|source| {
        // Half a key is worse than none.
        let _ = std::fs::remove_file(path);
        io_error("write", path, source)
    })
}

/// Makes a directory entry durable.
pub(crate) fn sync_parent(path: &Path) -> io::Result<()> {
    File::open(parent(path))?.sync_all()
}

/// The directory that a path lies in.
pub(crate) fn parent(path: &Path) -> &Path {
    path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// Reads a regular file of at most `limit` bytes.
///
/// # Errors
/// [`Error::NotAFile`] for a FIFO, device or directory, without waiting for it; [`Error::TooLarge`] before anything is
/// read.
pub(crate) fn read_capped(path: &Path, limit: u64) -> Result<Vec<u8>, Error> {
    read_file(open_regular(path)?, path, limit)
}

/// Reads at most `limit` bytes of a file, pipe or terminal, waiting for whoever writes there.
///
/// # Errors
/// [`Error::TooLarge`] where there is more.
pub(crate) fn read_stream(path: &Path, limit: u64) -> Result<Vec<u8>, Error> {
    let file = File::open(path).map_err(|source| io_error("open", path, source))?;
    let mut bytes = Vec::new();
    let read = file.take(limit.saturating_add(1)).read_to_end(&mut bytes);
    let size = u64::try_from(read.map_err(|source| io_error("read", path, source))?).unwrap_or(u64::MAX);
    if size > limit { Err(Error::TooLarge { path: path.to_owned(), size, limit }) } else { Ok(bytes) }
}

/// Opens without blocking: a FIFO with nobody at its other end would wait for ever (attack B10).
pub(crate) fn open_regular(path: &Path) -> Result<File, Error> {
    let flags = i32::try_from(rustix::fs::OFlags::NONBLOCK.bits()).unwrap_or(0);
    let opened = OpenOptions::new().read(true).custom_flags(flags).open(path);
    let file = opened.map_err(|source| io_error("open", path, source))?;
    let metadata = file.metadata().map_err(|source| io_error("read", path, source))?;
    if metadata.is_file() { Ok(file) } else { Err(Error::NotAFile { path: path.to_owned() }) }
}

/// Reads an open file as [`read_capped`] does; `path` is for the error.
pub(crate) fn read_file(file: File, path: &Path, limit: u64) -> Result<Vec<u8>, Error> {
    let size = file.metadata().map_err(|source| io_error("read", path, source))?.len();
    if size > limit {
        return Err(Error::TooLarge { path: path.to_owned(), size, limit });
    }
    let mut bytes = Vec::with_capacity(usize::try_from(size).unwrap_or(0));
    // One byte more than allowed, to notice a file that grows meanwhile.
    let read = file.take(limit.saturating_add(1)).read_to_end(&mut bytes);
    read.map_err(|source| io_error("read", path, source))?;
    match u64::try_from(bytes.len()) {
        Ok(size) if size <= limit => Ok(bytes),
        _ => Err(Error::TooLarge { path: path.to_owned(), size, limit }),
    }
}

/// Says what was being done to which file.
pub(crate) fn io_error(action: &'static str, path: &Path, source: io::Error) -> Error {
    Error::Io { action, path: path.to_owned(), source }
}

//! Files that appear whole or not at all, and reading that cannot be made to wait or to fill the memory.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use jiff::Timestamp;

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
        let _ = fs::remove_file(path);
        io_error("write", path, source)
    })
}

/// Makes a directory that only its owner can enter, filled by `build`; where it is to be, nothing or an empty directory is.
///
/// Built beside its place and moved there whole, so that a crash leaves no half of one.
///
/// # Errors
/// [`Error::Exists`] where something is there already, and those of `build`.
pub(crate) fn create_directory<T>(
    dir: &Path,
    now: Timestamp,
    build: impl FnOnce(&Path) -> Result<T, Error>,
) -> Result<T, Error> {
    let parent = parent(dir);
    fs::create_dir_all(parent).map_err(|source| io_error("create", parent, source))?;
    let is_empty = || fs::read_dir(dir).is_ok_and(|mut entries| entries.next().is_none());
    if dir.exists() && !is_empty() {
        return Err(Error::Exists { path: dir.to_owned() });
    }
    remove_leftovers(parent, now);
    let building = tempfile::Builder::new()
        .prefix(BUILDING)
        // Whatever the umask: who can write here decides what is trusted (attack K02).
        .permissions(fs::Permissions::from_mode(0o700))
        .tempdir_in(parent)
        .map_err(|source| io_error("create a directory in", parent, source))?;
    let built = build(building.path())?;
    fs::rename(building.path(), dir).map_err(|source| match source.kind() {
        // Somebody else made one meanwhile.
        io::ErrorKind::DirectoryNotEmpty | io::ErrorKind::AlreadyExists => {
            Error::Exists { path: dir.to_owned() }
        }
        _ => io_error("create", dir, source),
    })?;
    sync_parent(dir).map_err(|source| io_error("write", parent, source))?;
    Ok(built)
}

/// Removes what killed runs left half-built beside the place: keys that nobody trusts and nobody would ever remove. A young
/// one may still be in the making.
fn remove_leftovers(parent: &Path, now: Timestamp) {
    for entry in fs::read_dir(parent).into_iter().flatten().flatten() {
        let made = entry.metadata().and_then(|metadata| metadata.modified()).ok();
        let made = made.and_then(|made| Timestamp::try_from(made).ok());
        let old = made.is_some_and(|made| now.duration_since(made).as_secs() > LEFTOVER_SECONDS);
        if old && entry.file_name().to_string_lossy().starts_with(BUILDING) {
            // Failing to tidy up is no reason not to go on.
            let _ = fs::remove_dir_all(entry.path());
        }
    }
}

/// The first free name, `<name>.replaced-N`, for a directory that is put away and kept.
///
/// # Errors
/// [`Error::Exists`] where all are taken.
pub(crate) fn free_name(path: &Path) -> Result<PathBuf, Error> {
    let name = |number: u32| {
        let mut name = path.as_os_str().to_owned();
        name.push(format!(".replaced-{number}"));
        PathBuf::from(name)
    };
    let free = (1..=9_999).map(name).find(|name| name.symlink_metadata().is_err());
    free.ok_or_else(|| Error::Exists { path: name(1) })
}

/// Replaces a file of ours that everybody may read: the old one or the new one is seen, never a part.
///
/// # Errors
/// [`Error::Io`].
pub(crate) fn replace_public(path: &Path, text: &str) -> Result<(), Error> {
    let replace = || {
        let mut file = tempfile::Builder::new()
            .permissions(fs::Permissions::from_mode(0o644))
            .tempfile_in(parent(path))?;
        file.write_all(text.as_bytes())?;
        file.as_file().sync_all()?;
        file.persist(path)?;
        sync_parent(path)
    };
    replace().map_err(|source: io::Error| io_error("write", path, source))
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

const BUILDING: &str = ".sealwax-new-";
const LEFTOVER_SECONDS: i64 = 3_600;

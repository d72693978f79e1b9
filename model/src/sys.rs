//! The system calls of the walk and the hashing: everything is opened beneath a directory handle, never by a path that
//! somebody could redirect meanwhile. The clock is read in one place, [`now`], and decides nothing but a pause and which digests
//! may be kept for another run.

use std::{
    ffi::{CString, OsStr},
    io,
    os::fd::{AsFd, BorrowedFd, OwnedFd},
    path::Path,
    thread,
    time::Duration,
};

use rustix::{
    fs::{self, Advice, AtFlags, CWD, Dir, FileType, Mode, OFlags, ResolveFlags, Stat},
    io::{Errno, retry_on_intr},
    process::{Resource, getrlimit},
    time::{ClockId, clock_gettime},
};

use crate::path::ModelPath;

/// What a file is, and all that changes when it is written to, replaced or renamed. Of files, the larger is the greater.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Seen {
    pub(crate) kind: Kind,
    /// Bytes.
    pub(crate) size: u64,
    pub(crate) device: u64,
    pub(crate) inode: u64,
    pub(crate) modified: Stamp,
    /// Of the inode; unlike `modified`, no program can set it.
    pub(crate) changed: Stamp,
}

/// Seconds since 1970 and nanoseconds.
pub(crate) type Stamp = (i64, i64);

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    File,
    Directory,
    Symlink,
    /// Neither, in words.
    Special(&'static str),
}

impl Seen {
    /// Tells whether both are the same file or directory, whatever has happened to it.
    pub(crate) fn is_same_inode(&self, other: &Self) -> bool {
        (self.device, self.inode) == (other.device, other.inode)
    }
}

impl From<Stat> for Seen {
    fn from(stat: Stat) -> Self {
        let kind = match FileType::from_raw_mode(stat.st_mode) {
            FileType::RegularFile => Kind::File,
            FileType::Directory => Kind::Directory,
            FileType::Symlink => Kind::Symlink,
            FileType::Fifo => Kind::Special("FIFO"),
            FileType::Socket => Kind::Special("socket"),
            FileType::CharacterDevice => Kind::Special("character device"),
            FileType::BlockDevice => Kind::Special("block device"),
            FileType::Unknown => Kind::Special("file of unknown kind"),
        };
        Self {
            kind,
            size: u64::try_from(stat.st_size).unwrap_or(0),
            device: stat.st_dev,
            inode: stat.st_ino,
            modified: (stat.st_mtime, nanoseconds(stat.st_mtime_nsec)),
            changed: (stat.st_ctime, nanoseconds(stat.st_ctime_nsec)),
        }
    }
}

fn nanoseconds(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

/// Looks at what a path of the caller's leads to.
pub(crate) fn stat(path: &Path) -> io::Result<Seen> {
    Ok(fs::stat(path)?.into())
}

/// Looks at a path of the caller's without following a link at its end.
pub(crate) fn lstat(path: &Path) -> io::Result<Seen> {
    Ok(fs::lstat(path)?.into())
}

/// Looks at an open file.
pub(crate) fn fstat(file: BorrowedFd<'_>) -> io::Result<Seen> {
    Ok(fs::fstat(file)?.into())
}

/// Looks at a name in a directory, at the link itself unless told to follow.
pub(crate) fn stat_in(directory: BorrowedFd<'_>, name: &OsStr, follow: bool) -> io::Result<Seen> {
    let flags = if follow { AtFlags::empty() } else { AtFlags::SYMLINK_NOFOLLOW };
    Ok(fs::statat(directory, name, flags)?.into())
}

/// Looks at an open file or directory, by `look`, once its last change is old enough that the next one must leave another
/// time stamp.
///
/// Time stamps move in ticks of some milliseconds, so a file that was written to in this very tick could be written to
/// again without a trace. Such a file is waited for. Where the stamps come from another, faster clock (a network file
/// system), waiting does not help and is given up.
pub(crate) fn settle(look: impl Fn() -> io::Result<Seen>) -> io::Result<Seen> {
    for _ in 0..SETTLE_ATTEMPTS {
        // The clock is read first: what happens after the look at the file is then stamped with `now` or later.
        let now = now();
        let seen = look()?;
        let far_ahead = seen.changed.0 > now.0.saturating_add(1);
        if seen.changed < now || far_ahead {
            return Ok(seen);
        }
        thread::sleep(SETTLE_PAUSE);
    }
    look()
}

/// Gives the time that the system would stamp on a file that changes now.
pub(crate) fn now() -> Stamp {
    let now = clock_gettime(ClockId::RealtimeCoarse);
    (now.tv_sec, now.tv_nsec)
}

/// Opens the directory that the caller named.
pub(crate) fn open_root(path: &Path) -> io::Result<OwnedFd> {
    Ok(retry_on_intr(|| fs::openat(CWD, path, DIRECTORY, Mode::empty()))?)
}

/// Opens the directory in which the single file lies that the caller named: to look names up, not to list it, so that
/// the right to search it is enough.
pub(crate) fn open_parent(path: &Path) -> io::Result<OwnedFd> {
    Ok(retry_on_intr(|| fs::openat(CWD, path, DIRECTORY | OFlags::PATH, Mode::empty()))?)
}

/// Opens a directory of the model, `None` being its root, without passing any symbolic link.
pub(crate) fn open_directory(root: BorrowedFd<'_>, path: Option<&ModelPath>) -> io::Result<OwnedFd> {
    let Some(path) = path else {
        return root.try_clone_to_owned();
    };
    let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS;
    match open_beneath(root, path.as_str(), DIRECTORY, resolve) {
        // Older kernels and some sandboxes lack the call, and the path may be longer than it takes.
        Err(Errno::NOSYS | Errno::PERM | Errno::NAMETOOLONG) => open_directory_stepwise(root, path),
        result => Ok(result?),
    }
}

fn open_directory_stepwise(root: BorrowedFd<'_>, path: &ModelPath) -> io::Result<OwnedFd> {
    let mut directory: Option<OwnedFd> = None;
    for component in path.components() {
        let parent = directory.as_ref().map_or(root, AsFd::as_fd);
        let next =
            retry_on_intr(|| fs::openat(parent, component, DIRECTORY | OFlags::NOFOLLOW, Mode::empty()))?;
        directory = Some(next);
    }
    directory.map_or_else(|| root.try_clone_to_owned(), Ok)
}

/// Opens a file of the model by its directory, without following a link and without waiting for a FIFO's other end.
pub(crate) fn open_file(directory: BorrowedFd<'_>, name: &OsStr) -> io::Result<OwnedFd> {
    Ok(retry_on_intr(|| fs::openat(directory, name, FILE | OFlags::NOFOLLOW, Mode::empty()))?)
}

/// What to open beyond a symbolic link.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Followed {
    /// A directory, to list it.
    Directory,
    /// A file, to read it.
    File,
    /// Whatever it is, only to look at it.
    Anything,
}

/// Opens a path of the model, following symbolic links as long as they stay beneath the root.
///
/// The kernel is the judge: `XDEV` says that a link leads out (an absolute one always does), `LOOP` that links go in a
/// circle. There is no equally safe way without `openat2`, so without it links cannot be followed at all.
pub(crate) fn open_following(root: BorrowedFd<'_>, path: &ModelPath, what: Followed) -> io::Result<OwnedFd> {
    let flags = match what {
        Followed::Directory => DIRECTORY,
        Followed::File => FILE,
        Followed::Anything => OFlags::PATH | OFlags::CLOEXEC,
    };
    Ok(open_beneath(root, path.as_str(), flags, ResolveFlags::BENEATH | ResolveFlags::NO_MAGICLINKS)?)
}

fn open_beneath(
    root: BorrowedFd<'_>,
    path: &str,
    flags: OFlags,
    resolve: ResolveFlags,
) -> Result<OwnedFd, Errno> {
    for _ in 0..RENAME_ATTEMPTS {
        match retry_on_intr(|| fs::openat2(root, path, flags, Mode::empty(), resolve)) {
            // Something in the tree was renamed while the kernel went through «..».
            Err(Errno::AGAIN) => {}
            result => return result,
        }
    }
    Err(Errno::AGAIN)
}

/// Lists a directory: all names but `.` and `..`, sorted by their bytes; nothing if they are more than `limit`.
///
/// The handle's reading position moves to the end.
pub(crate) fn list(directory: &OwnedFd, limit: usize) -> io::Result<Option<Vec<CString>>> {
    let mut names = Vec::new();
    for entry in Dir::new(directory.try_clone()?)? {
        let entry = entry?;
        let name = entry.file_name();
        if name == c"." || name == c".." {
            continue;
        }
        if names.len() >= limit {
            return Ok(None);
        }
        names.push(name.to_owned());
    }
    names.sort_unstable();
    Ok(Some(names))
}

/// Tells the system that a large file will be read from end to end; it may not care.
pub(crate) fn advise_sequential(file: BorrowedFd<'_>) {
    let _ = fs::fadvise(file, 0, None, Advice::Sequential);
}

/// Reads at an offset; 0 bytes is the end of the file.
pub(crate) fn read_at(file: BorrowedFd<'_>, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
    Ok(retry_on_intr(|| rustix::io::pread(file, &mut *buffer, offset))?)
}

/// Gives the number of handles that this process may have open.
pub(crate) fn most_handles() -> usize {
    getrlimit(Resource::Nofile).current.and_then(|limit| usize::try_from(limit).ok()).unwrap_or(usize::MAX)
}

const DIRECTORY: OFlags = OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::CLOEXEC);
const FILE: OFlags = OFlags::RDONLY.union(OFlags::NONBLOCK).union(OFlags::NOCTTY).union(OFlags::CLOEXEC);

/// With the pause: a tick is 10 ms at most.
const SETTLE_ATTEMPTS: u32 = 10;
const SETTLE_PAUSE: Duration = Duration::from_millis(2);
const RENAME_ATTEMPTS: u32 = 16;

#[cfg(test)]
#[allow(clippy::as_conversions)]
#[allow(clippy::disallowed_methods)]
mod tests {
    use std::{fs, os::unix::fs::symlink};

    use super::*;

    #[test]
    fn f04_opening_passes_no_symlink() {
        let temporary = tempfile::tempdir().unwrap();
        fs::create_dir_all(temporary.path().join("a/b")).unwrap();
        fs::write(temporary.path().join("file"), b"x").unwrap();
        symlink("b", temporary.path().join("a/link")).unwrap();
        symlink("file", temporary.path().join("to-file")).unwrap();
        let root = open_root(temporary.path()).unwrap();
        let at_once = |path: &ModelPath| open_directory(root.as_fd(), Some(path));
        // The way without `openat2`, which the kernel of the tests has.
        let stepwise = |path: &ModelPath| open_directory_stepwise(root.as_fd(), path);

        let [directory, link, through] =
            ["a/b", "a/link", "a/link/b"].map(|path| ModelPath::parse(path).unwrap());
        assert!(at_once(&directory).is_ok() && stepwise(&directory).is_ok());
        for path in [&link, &through] {
            assert!(at_once(path).is_err() && stepwise(path).is_err());
        }
        assert!(open_file(root.as_fd(), OsStr::new("file")).is_ok());
        assert!(open_file(root.as_fd(), OsStr::new("to-file")).is_err());
    }

    #[test]
    fn f03_kernel_keeps_links_beneath_the_root() {
        let temporary = tempfile::tempdir().unwrap();
        fs::create_dir_all(temporary.path().join("model/a")).unwrap();
        fs::write(temporary.path().join("secret"), b"s").unwrap();
        symlink("../../secret", temporary.path().join("model/a/out")).unwrap();
        let root = open_root(&temporary.path().join("model")).unwrap();

        let outcome = open_following(root.as_fd(), &ModelPath::parse("a/out").unwrap(), Followed::File);
        assert_eq!(Errno::from_io_error(&outcome.unwrap_err()), Some(Errno::XDEV));
    }

    #[test]
    fn f06_a_file_of_this_very_moment_is_waited_for() {
        let temporary = tempfile::tempdir().unwrap();
        let path = temporary.path().join("file");
        for _ in 0..20 {
            fs::write(&path, b"one").unwrap();
            let file = fs::File::open(&path).unwrap();
            let seen = settle(|| fstat(file.as_fd())).unwrap();
            assert!(seen.changed < now());

            fs::write(&path, b"two").unwrap();
            assert_ne!(seen, fstat(file.as_fd()).unwrap());
        }
    }
}

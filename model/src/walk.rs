//! The walk: which files a model has, which are left out, and what must not be in a model at all.
//!
//! Nothing is read here but directories. Every name is checked, every entry is looked at (not opened) once, in the order
//! of the names' bytes, so that of several faults it is always the same one that is reported. Directories are opened one
//! at a time beneath the root's handle: however deep and wide the tree is, no more than a few handles are open.

mod ignore;

pub use ignore::is_git_path;

use std::{
    collections::HashSet,
    ffi::{CStr, OsStr, OsString},
    io::{self, ErrorKind},
    os::{
        fd::{AsFd, BorrowedFd, OwnedFd},
        unix::ffi::OsStrExt,
    },
    path::Path,
};

use rustix::io::Errno;

use crate::{
    error::Error,
    manifest::Names,
    model::{HashOptions, Progress},
    path::{ModelPath, PathError},
    serialization::IgnorePath,
    sys::{self, Followed, Kind, Seen},
};

use ignore::Ignore;

/// Everything that was found, with handles to find it again.
pub(crate) struct Tree {
    /// The model's directory; of a single file, the directory in which it lies.
    root: OwnedFd,
    follow: bool,
    directories: Vec<Directory>,
    pub(crate) files: Vec<File>,
    /// The name to open a single file by, in `root`.
    single_name: Option<OsString>,
    /// The name of a single file as the caller gave it, where a manifest can hold it.
    pub(crate) single_file: Option<ModelPath>,
    pub(crate) ignored: Vec<String>,
    /// What to record in the manifest.
    pub(crate) ignore_paths: Vec<IgnorePath>,
}

/// A file to hash.
pub(crate) struct File {
    /// An index into the tree's directories, for [`Tree::open_directory`].
    pub(crate) directory: usize,
    /// `None`: the model is this file.
    pub(crate) path: Option<ModelPath>,
    pub(crate) seen: Seen,
}

struct Directory {
    /// `None`: the model's root.
    path: Option<ModelPath>,
    /// The number of components of the path.
    depth: usize,
    parent: Option<usize>,
    seen: Seen,
}

/// Lists the model at `root`.
pub(crate) fn walk(root: &Path, options: &HashOptions, progress: &dyn Progress) -> Result<Tree, Error> {
    let seen = sys::stat(root).map_err(|source| root_error(root, source))?;
    let tree = match seen.kind {
        Kind::Directory => walk_directory(root, options, progress, ENTRIES)?,
        Kind::File => single_file(root, options)?,
        Kind::Special(kind) => return Err(Error::SpecialFile { path: root.display().to_string(), kind }),
        Kind::Symlink => return Err(Error::Symlink { path: root.display().to_string() }),
    };
    if tree.files.is_empty() {
        return Err(Error::Empty);
    }
    let mut names = Names::default();
    tree.files.iter().filter_map(|file| file.path.as_ref()).try_for_each(|path| names.add(path))?;
    drop(names);
    Ok(tree)
}

impl Tree {
    /// Opens a directory of the tree again. Whether it is the one that was listed shows in its files.
    pub(crate) fn open_directory(&self, index: usize) -> Result<OwnedFd, Error> {
        let Some(directory) = self.directories.get(index) else { return Err(changed(None)) };
        self.reopen(directory.path.as_ref())
    }

    /// Opens a file of the tree, or what is in its place by now: [`Tree::check_open`] tells.
    pub(crate) fn open_file(&self, directory: &OwnedFd, file: &File) -> Result<OwnedFd, Error> {
        let path = file.path.as_ref();
        let opened = match path {
            Some(path) if self.follow => sys::open_following(self.root.as_fd(), path, Followed::File),
            _ => sys::open_file(directory.as_fd(), self.name_of(file)),
        };
        opened.map_err(|source| failed(path, source))
    }

    /// Makes sure that what is open is the file that was listed, and that nothing was written to it since.
    pub(crate) fn check_open(&self, handle: BorrowedFd<'_>, file: &File) -> Result<(), Error> {
        expect(file, sys::fstat(handle))
    }

    /// Makes sure that the name leads to the file that was listed, and that nothing was written to it since.
    pub(crate) fn check_name(&self, directory: &OwnedFd, file: &File) -> Result<(), Error> {
        expect(file, sys::stat_in(directory.as_fd(), self.name_of(file), self.follow))
    }

    /// Does so for many, opening each directory once.
    pub(crate) fn check_names(&self, files: &[File]) -> Result<(), Error> {
        for files in files.chunk_by(|a, b| a.directory == b.directory) {
            let Some(first) = files.first() else { continue };
            let directory = self.open_directory(first.directory)?;
            files.iter().try_for_each(|file| self.check_name(&directory, file))?;
        }
        Ok(())
    }

    /// Tells whether the look at the directories at the end shows a name that leads elsewhere by now: not where names are
    /// links, nor where only one name of a directory was listed.
    pub(crate) fn directories_hold_names(&self) -> bool {
        !self.follow && self.single_name.is_none()
    }

    /// Takes out the files that have other names than these, and gives their names, sorted. A single file has no name here.
    pub(crate) fn split_off(&mut self, expected: &HashSet<String>) -> Vec<String> {
        let mut names = Vec::new();
        self.files.retain(|file| match &file.path {
            Some(path) if !expected.contains(path.as_str()) => {
                names.push(path.to_string());
                false
            }
            _ => true,
        });
        names.sort_unstable();
        names
    }

    /// Makes sure that no directory gained, lost or renamed an entry since it was listed.
    pub(crate) fn check_unchanged(&self, root: &Path) -> Result<(), Error> {
        if self.single_name.is_some() {
            return Ok(());
        }
        for directory in &self.directories {
            let path = directory.path.as_ref();
            let handle = self.reopen(path)?;
            let seen = sys::fstat(handle.as_fd()).map_err(|source| failed(path, source))?;
            if seen != directory.seen {
                return Err(changed(path));
            }
        }
        let seen = sys::stat(root).map_err(|_| changed(None))?;
        if self.directories.first().is_some_and(|first| first.seen.is_same_inode(&seen)) {
            Ok(())
        } else {
            Err(changed(None))
        }
    }

    fn reopen(&self, path: Option<&ModelPath>) -> Result<OwnedFd, Error> {
        open_directory(&self.root, path, self.follow).map_err(|source| failed(path, source))
    }

    fn name_of<'a>(&'a self, file: &'a File) -> &'a OsStr {
        match &file.path {
            Some(path) => OsStr::new(path.file_name()),
            None => self.single_name.as_deref().unwrap_or_default(),
        }
    }
}

/// Takes what is seen of a file only if it is what was seen when it was listed.
fn expect(file: &File, seen: io::Result<Seen>) -> Result<(), Error> {
    let path = file.path.as_ref();
    let seen = seen.map_err(|source| failed(path, source))?;
    if seen == file.seen { Ok(()) } else { Err(changed(path)) }
}

fn single_file(root: &Path, options: &HashOptions) -> Result<Tree, Error> {
    let failed = |source| root_error(root, source);
    let follow = options.serialization.allow_symlinks;
    let is_link = sys::lstat(root).map_err(failed)?.kind == Kind::Symlink;
    if is_link && !follow {
        return Err(Error::Symlink { path: root.display().to_string() });
    }
    let target = if is_link { std::fs::canonicalize(root).map_err(failed)? } else { root.to_owned() };
    let name = target.file_name().ok_or_else(|| failed(ErrorKind::InvalidInput.into()))?.to_owned();
    let parent = match target.parent() {
        Some(parent) if parent != Path::new("") => parent,
        _ => Path::new("."),
    };
    let directory = sys::open_parent(parent).map_err(failed)?;
    let seen = sys::fstat(directory.as_fd()).map_err(failed)?;
    let file = sys::settle(|| sys::stat_in(directory.as_fd(), &name, false)).map_err(failed)?;
    if file.kind != Kind::File {
        return Err(changed(None));
    }
    Ok(Tree {
        root: directory,
        follow: false,
        directories: vec![Directory { path: None, depth: 0, parent: None, seen }],
        files: vec![File { directory: 0, path: None, seen: file }],
        single_name: Some(name),
        single_file: root.file_name().and_then(OsStr::to_str).and_then(|name| ModelPath::parse(name).ok()),
        ignored: Vec::new(),
        ignore_paths: options.serialization.ignore_paths.clone(),
    })
}

fn walk_directory(
    root: &Path,
    options: &HashOptions,
    progress: &dyn Progress,
    limit: usize,
) -> Result<Tree, Error> {
    let handle = sys::open_root(root).map_err(|source| root_error(root, source))?;
    let mut walker = Walker {
        follow: options.serialization.allow_symlinks,
        ignore: Ignore::new(root, options)?,
        root: handle,
        directories: Vec::new(),
        files: Vec::new(),
        pending: vec![Pending { path: None, depth: 0, parent: None }],
        limit,
    };
    while let Some(pending) = walker.pending.pop() {
        if progress.cancelled() {
            return Err(Error::Cancelled);
        }
        walker.list(pending)?;
    }
    let Walker { root, follow, directories, files, ignore, .. } = walker;
    let (ignored, ignore_paths) = ignore.finish();
    Ok(Tree { root, follow, directories, files, single_name: None, single_file: None, ignored, ignore_paths })
}

struct Walker {
    root: OwnedFd,
    follow: bool,
    ignore: Ignore,
    directories: Vec<Directory>,
    files: Vec<File>,
    /// Directories to list yet, the next one last.
    pending: Vec<Pending>,
    /// The most files and directories.
    limit: usize,
}

struct Pending {
    path: Option<ModelPath>,
    depth: usize,
    parent: Option<usize>,
}

impl Walker {
    fn list(&mut self, pending: Pending) -> Result<(), Error> {
        let Pending { path, depth, parent } = pending;
        let failed = |source| failed(path.as_ref(), source);
        let handle = open_directory(&self.root, path.as_ref(), self.follow).map_err(failed)?;
        let seen = sys::settle(|| sys::fstat(handle.as_fd())).map_err(failed)?;
        self.check_loop(path.as_ref(), parent, &seen)?;
        let names =
            sys::list(&handle, self.limit).map_err(failed)?.ok_or(Error::TooMany { limit: self.limit })?;

        let directory = Directory { path, depth, parent, seen };
        let index = self.directories.len();
        let first_pending = self.pending.len();
        for name in &names {
            self.add(index, &directory, &handle, name)?;
        }
        // The stack gives the last first.
        if let Some(children) = self.pending.get_mut(first_pending..) {
            children.reverse();
        }
        self.directories.push(directory);
        Ok(())
    }

    fn add(
        &mut self,
        index: usize,
        directory: &Directory,
        handle: &OwnedFd,
        name: &CStr,
    ) -> Result<(), Error> {
        let parent = directory.path.as_ref();
        let bad_name = |reason| Error::BadName { path: lossy(parent, name), reason };
        let text = name.to_str().map_err(|_| bad_name(PathError::NotUtf8))?;
        let path = ModelPath::join(parent, directory.depth, text).map_err(bad_name)?;
        if self.ignore.covers(&path) {
            return Ok(());
        }
        let entries = [self.files.len(), self.pending.len(), self.directories.len()];
        if entries.into_iter().fold(0, usize::saturating_add) >= self.limit {
            return Err(Error::TooMany { limit: self.limit });
        }
        let name = OsStr::from_bytes(name.to_bytes());
        let seen = sys::settle(|| sys::stat_in(handle.as_fd(), name, false))
            .map_err(|source| failed(Some(&path), source))?;
        let seen = if seen.kind == Kind::Symlink { self.look_beyond(&path)? } else { seen };
        match seen.kind {
            Kind::File => self.files.push(File { directory: index, path: Some(path), seen }),
            Kind::Directory => {
                let depth = directory.depth.saturating_add(1);
                self.pending.push(Pending { path: Some(path), depth, parent: Some(index) });
            }
            Kind::Special(kind) => return Err(Error::SpecialFile { path: path.to_string(), kind }),
            Kind::Symlink => return Err(Error::Symlink { path: path.to_string() }),
        }
        Ok(())
    }

    /// Looks at what a symbolic link leads to, where links are allowed.
    fn look_beyond(&self, path: &ModelPath) -> Result<Seen, Error> {
        if !self.follow {
            return Err(Error::Symlink { path: path.to_string() });
        }
        let link = || path.to_string();
        let handle = match sys::open_following(self.root.as_fd(), path, Followed::Anything) {
            Ok(handle) => handle,
            Err(source) => {
                return Err(match Errno::from_io_error(&source) {
                    Some(Errno::XDEV) => Error::SymlinkEscapes { path: link() },
                    Some(Errno::LOOP) => Error::SymlinkLoop { path: link() },
                    Some(Errno::NOENT | Errno::NOTDIR) => Error::SymlinkDangles { path: link() },
                    _ => failed(Some(path), source),
                });
            }
        };
        sys::settle(|| sys::fstat(handle.as_fd())).map_err(|source| failed(Some(path), source))
    }

    /// Refuses a directory that was reached through a link from within itself: its paths would never end.
    fn check_loop(&self, path: Option<&ModelPath>, parent: Option<usize>, seen: &Seen) -> Result<(), Error> {
        let mut ancestor = parent.filter(|_| self.follow).and_then(|index| self.directories.get(index));
        while let Some(directory) = ancestor {
            if directory.seen.is_same_inode(seen) {
                return Err(Error::SymlinkLoop { path: text(path) });
            }
            ancestor = directory.parent.and_then(|index| self.directories.get(index));
        }
        Ok(())
    }
}

fn open_directory(root: &OwnedFd, path: Option<&ModelPath>, follow: bool) -> io::Result<OwnedFd> {
    match path {
        Some(path) if follow => sys::open_following(root.as_fd(), path, Followed::Directory),
        _ => sys::open_directory(root.as_fd(), path),
    }
}

/// Tells what a failed call on something that was listed a moment ago means.
pub(crate) fn failed(path: Option<&ModelPath>, source: io::Error) -> Error {
    match Errno::from_io_error(&source) {
        // It is gone, has become a link, a directory or a socket, or lies elsewhere by now.
        Some(Errno::NOENT | Errno::NOTDIR | Errno::LOOP | Errno::XDEV | Errno::NXIO | Errno::STALE) => {
            changed(path)
        }
        _ => Error::Unreadable { path: text(path), source },
    }
}

pub(crate) fn changed(path: Option<&ModelPath>) -> Error {
    Error::ChangedWhileHashing { path: text(path) }
}

pub(crate) fn text(path: Option<&ModelPath>) -> String {
    path.map_or(".", ModelPath::as_str).to_owned()
}

fn root_error(root: &Path, source: io::Error) -> Error {
    let path = root.display().to_string();
    if source.kind() == ErrorKind::NotFound {
        Error::NotFound { path }
    } else {
        Error::Unreadable { path, source }
    }
}

fn lossy(parent: Option<&ModelPath>, name: &CStr) -> String {
    let name = name.to_string_lossy();
    parent.map_or_else(|| name.to_string(), |parent| format!("{parent}/{name}"))
}

/// The most files and directories of a model, and the most lines of a manifest made here. It bounds memory, also where
/// links multiply a small tree or where a signed shard size is tiny.
pub(crate) const ENTRIES: usize = 1_048_576;

#[cfg(test)]
#[allow(clippy::as_conversions)]
#[allow(clippy::disallowed_methods)]
mod tests {
    use std::{fs, os::unix::fs::symlink};

    use super::*;
    use crate::serialization::Serialization;

    fn walk_up_to(root: &Path, limit: usize) -> Result<Tree, Error> {
        let serialization = Serialization { allow_symlinks: true, ..Serialization::default() };
        walk_directory(root, &HashOptions { serialization, ..HashOptions::default() }, &(), limit)
    }

    #[test]
    fn f09_number_of_files_and_directories_is_bounded() {
        let temporary = tempfile::tempdir().unwrap();
        for number in 0..10 {
            fs::write(temporary.path().join(format!("f{number}")), b"x").unwrap();
        }
        assert_eq!(walk_up_to(temporary.path(), 10).unwrap().files.len(), 10);
        assert!(matches!(walk_up_to(temporary.path(), 9), Err(Error::TooMany { limit: 9 })));

        for number in 0..10 {
            fs::create_dir_all(temporary.path().join(format!("d{number}/e"))).unwrap();
        }
        assert!(walk_up_to(temporary.path(), 100).is_ok());
        assert!(matches!(walk_up_to(temporary.path(), 25), Err(Error::TooMany { limit: 25 })));
    }

    /// Twenty directories of two links each would be a million paths.
    #[test]
    fn f03_symlinks_that_multiply_the_tree_are_bounded() {
        let temporary = tempfile::tempdir().unwrap();
        for number in 0..20 {
            let directory = temporary.path().join(format!("d{number}"));
            fs::create_dir(&directory).unwrap();
            for link in ["a", "b"] {
                symlink(format!("../d{}", number + 1), directory.join(link)).unwrap();
            }
        }
        fs::create_dir(temporary.path().join("d20")).unwrap();
        assert!(matches!(walk_up_to(temporary.path(), 2000), Err(Error::TooMany { .. })));
    }
}

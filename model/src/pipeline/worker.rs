//! One thread's work: several streams at a time, a piece of each read, then all pieces hashed together.
//!
//! A file is opened when its first piece is read, and looked at and closed as soon as its last one is: a small file is open
//! only while it is read, however many are hashed together. Five system calls a small file, the walk's look at it included.

use std::{
    ops::Range,
    os::fd::{AsFd, BorrowedFd, OwnedFd},
    sync::{Arc, Mutex, atomic::Ordering},
};

use crate::{
    error::Error,
    resource::{Resource, ResourceName},
    sys,
    walk::{self, File, Tree},
};

use super::{
    Pool,
    digest::Hasher,
    lock,
    plan::{self, Unit},
};

pub(super) struct Worker<'a> {
    pool: &'a Pool<'a>,
    directories: Directories<'a>,
    /// What is left of the unit that was taken last.
    unit: Option<Unit>,
    streams: Vec<Stream<'a>>,
    buffer: Vec<u8>,
    pub(super) done: Vec<Resource>,
}

/// A failure with the index of the file.
type Failed = (usize, Error);

/// A file or byte range on its way to a digest.
struct Stream<'a> {
    index: usize,
    file: &'a File,
    /// Nothing for a whole file.
    shard: Option<(Range<u64>, &'a Shared)>,
    handle: Option<Arc<OwnedFd>>,
    /// What was not read yet.
    rest: Range<u64>,
    hasher: Hasher,
    /// The bytes of the last piece, which is in the buffer.
    piece: usize,
}

/// A file whose byte ranges several threads hash.
pub(super) struct Shared(Mutex<SharedState>);

struct SharedState {
    opened: Option<Arc<OwnedFd>>,
    /// Byte ranges that were not read to their end.
    remaining: u64,
}

impl Shared {
    pub(super) fn new(shards: u64) -> Self {
        Self(Mutex::new(SharedState { opened: None, remaining: shards }))
    }
}

impl<'a> Worker<'a> {
    pub(super) fn new(pool: &'a Pool<'a>) -> Self {
        Self {
            pool,
            directories: Directories { tree: pool.tree, last: None },
            unit: None,
            streams: Vec::with_capacity(pool.width),
            buffer: vec![0; BUFFER],
            done: Vec::new(),
        }
    }

    /// Hashes a piece of each stream; tells whether there was one.
    pub(super) fn step(&mut self) -> Result<bool, Failed> {
        self.refill();
        if self.streams.is_empty() {
            return Ok(false);
        }
        let size = (self.buffer.len() / self.streams.len() / PAGE).max(1).saturating_mul(PAGE);
        let mut bytes = 0_u64;
        for (stream, window) in self.streams.iter_mut().zip(self.buffer.chunks_mut(size)) {
            let read = stream.read(window, &mut self.directories).map_err(|error| (stream.index, error))?;
            bytes = bytes.saturating_add(read);
        }
        let pieces = self.streams.iter_mut().zip(self.buffer.chunks(size));
        self.pool.engine.update(pieces.map(|(stream, window)| {
            let piece = window.get(..stream.piece).unwrap_or_default();
            (&mut stream.hasher, piece)
        }));
        self.finish();
        self.pool.progress.advance(bytes);
        if self.pool.progress.cancelled() { Err((0, Error::Cancelled)) } else { Ok(true) }
    }

    fn refill(&mut self) {
        while self.streams.len() < self.pool.width {
            let held = self.streams.iter().map(|stream| stream.file.seen.size);
            let large = held.clone().filter(|&size| size >= plan::LARGE).count();
            if large >= self.pool.plan.width || held.clone().any(|size| size > self.pool.plan.alone) {
                return;
            }
            let Some(stream) = self.next() else { return };
            let large = stream.file.seen.size >= plan::LARGE;
            self.streams.push(stream);
            // The others have taken one meanwhile, so that all get their share of the largest.
            if large {
                return;
            }
        }
    }

    /// Gives the next stream of the unit, and the first of the next unit at its end.
    fn next(&mut self) -> Option<Stream<'a>> {
        loop {
            let pool = self.pool;
            let unit = match &mut self.unit {
                Some(unit) => unit,
                empty => {
                    let next = pool.next.fetch_add(1, Ordering::Relaxed);
                    empty.insert(pool.plan.units.get(next)?.clone())
                }
            };
            let stream = match unit {
                Unit::Files(range) => range.next().and_then(|place| pool.whole(*pool.plan.order.get(place)?)),
                Unit::Shards { split, shards } => shards.next().and_then(|number| pool.shard(*split, number)),
            };
            if stream.is_some() {
                return stream;
            }
            self.unit = None;
        }
    }

    /// Keeps the digests of the streams that were read to their end.
    fn finish(&mut self) {
        let ended = self.streams.iter_mut().filter(|stream| stream.rest.is_empty());
        let digests = self.pool.engine.finish(ended.map(|stream| &mut stream.hasher));
        let ended = self.streams.extract_if(.., |stream| stream.rest.is_empty());
        self.done.extend(ended.zip(digests).map(|(stream, digest)| Resource { name: stream.name(), digest }));
    }
}

impl Pool<'_> {
    fn whole(&self, index: usize) -> Option<Stream<'_>> {
        let file = self.tree.files.get(index)?;
        Some(Stream::new(index, file, None, 0..file.seen.size, self.engine.start()))
    }

    fn shard(&self, split: usize, number: u64) -> Option<Stream<'_>> {
        let split_file = self.plan.split_files.get(split)?;
        let index = split_file.file;
        let file = self.tree.files.get(index)?;
        let range = plan::shard_range(number, file.seen.size, split_file.shard_size);
        let shard = (range.clone(), self.shared.get(split)?);
        let hasher = if self.plan.subtrees { Hasher::subtree(range.start) } else { self.engine.start() };
        Some(Stream::new(index, file, Some(shard), range, hasher))
    }
}

impl<'a> Stream<'a> {
    fn new(
        index: usize,
        file: &'a File,
        shard: Option<(Range<u64>, &'a Shared)>,
        rest: Range<u64>,
        hasher: Hasher,
    ) -> Self {
        Self { index, file, shard, handle: None, rest, hasher, piece: 0 }
    }

    /// Reads the next piece, as many bytes as are there of what the window holds; gives their number.
    fn read(&mut self, window: &mut [u8], directories: &mut Directories<'_>) -> Result<u64, Error> {
        let path = self.file.path.as_ref();
        let handle = match &self.handle {
            Some(handle) => handle,
            None => self.handle.insert(open(self.file, self.shard.as_ref(), directories)?),
        };
        let read =
            read_within(handle.as_fd(), window, &self.rest).map_err(|interrupted| match interrupted {
                // What took the file's place may be nothing that can be read.
                Interrupted::Failed(source) => directories
                    .tree
                    .check_open(handle.as_fd(), self.file)
                    .map_or_else(|changed| changed, |()| walk::failed(path, source)),
                Interrupted::Truncated => walk::changed(path),
            })?;
        self.piece = read;
        let bytes = u64::try_from(read).unwrap_or(0);
        self.rest.start = self.rest.start.saturating_add(bytes);
        if self.rest.is_empty() {
            self.close(directories)?;
        }
        Ok(bytes)
    }

    /// Makes sure that what was read is the file that was listed, once all of it was read.
    fn close(&mut self, directories: &mut Directories<'_>) -> Result<(), Error> {
        let Some(handle) = self.handle.take() else { return Ok(()) };
        if let Some((_, shared)) = &self.shard {
            let mut state = lock(&shared.0);
            state.remaining = state.remaining.saturating_sub(1);
            if state.remaining > 0 {
                return Ok(());
            }
            state.opened = None;
        }
        let tree = directories.tree;
        tree.check_open(handle.as_fd(), self.file)?;
        if !tree.directories_hold_names() {
            tree.check_name(&*directories.get(self.file.directory)?, self.file)?;
        }
        Ok(())
    }

    fn name(self) -> ResourceName {
        let path = self.file.path.clone();
        match self.shard {
            None => ResourceName::file(path),
            Some((range, _)) => ResourceName::shard(path, range),
        }
    }
}

/// Opens a stream's file; of the streams of one file, the first does.
fn open(
    file: &File,
    shard: Option<&(Range<u64>, &Shared)>,
    directories: &mut Directories<'_>,
) -> Result<Arc<OwnedFd>, Error> {
    let mut open = || {
        let directory = directories.get(file.directory)?;
        let handle = directories.tree.open_file(&directory, file)?;
        if file.seen.size >= plan::LARGE {
            // It will be looked at when it was read, and that may take long.
            directories.tree.check_open(handle.as_fd(), file)?;
            sys::advise_sequential(handle.as_fd());
        }
        Ok(Arc::new(handle))
    };
    let Some((_, shared)) = shard else { return open() };
    let mut state = lock(&shared.0);
    match &state.opened {
        Some(opened) => Ok(Arc::clone(opened)),
        None => Ok(Arc::clone(state.opened.insert(open()?))),
    }
}

/// Why there are no bytes.
enum Interrupted {
    /// The system could not read.
    Failed(std::io::Error),
    /// The file ended before the range did.
    Truncated,
}

/// Reads the first bytes of a range, and never beyond it. An empty range is no reading at all.
fn read_within(file: BorrowedFd<'_>, window: &mut [u8], range: &Range<u64>) -> Result<usize, Interrupted> {
    if range.is_empty() {
        return Ok(0);
    }
    let wanted = usize::try_from(range.end.saturating_sub(range.start)).unwrap_or(usize::MAX);
    let length = wanted.min(window.len());
    let window = window.get_mut(..length).unwrap_or_default();
    match sys::read_at(file, window, range.start) {
        Ok(0) => Err(Interrupted::Truncated),
        Ok(read) => Ok(read),
        Err(source) => Err(Interrupted::Failed(source)),
    }
}

/// The directories of the files, of which the last one stays open.
struct Directories<'a> {
    tree: &'a Tree,
    last: Option<(usize, Arc<OwnedFd>)>,
}

impl Directories<'_> {
    fn get(&mut self, index: usize) -> Result<Arc<OwnedFd>, Error> {
        if let Some((last, directory)) = &self.last
            && *last == index
        {
            return Ok(Arc::clone(directory));
        }
        self.last = None;
        let directory = Arc::new(self.tree.open_directory(index)?);
        self.last = Some((index, Arc::clone(&directory)));
        Ok(directory)
    }
}

/// Bytes that a thread reads at a time, of all its streams together: they fit into the second-level cache of a core, so that what was
/// just read is hashed from there.
const BUFFER: usize = 256 * 1024;
/// Bytes of which pieces are multiples, but for a stream's last one.
const PAGE: usize = 4096;

#[cfg(test)]
#[allow(clippy::as_conversions)]
#[allow(clippy::disallowed_methods)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn f06_file_shorter_than_its_range_is_no_end_of_the_stream() {
        let temporary = tempfile::tempdir().unwrap();
        fs::write(temporary.path().join("file"), [1; 10]).unwrap();
        let file = fs::File::open(temporary.path().join("file")).unwrap();
        let read = |range: Range<u64>| read_within(file.as_fd(), &mut [0; 100], &range);

        assert!(matches!(read(0..11), Ok(10)));
        assert!(matches!(read(10..11), Err(Interrupted::Truncated)));
        assert!(matches!(read(3..7), Ok(4)), "a file may be longer than its range");
        assert!(matches!(read(0..0), Ok(0)));
    }
}

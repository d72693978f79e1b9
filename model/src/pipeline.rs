//! The hashing of a listed tree on a bounded number of threads.
//!
//! Work is cut into units before it starts: a large file or a run of its byte ranges, or a batch of small files. Large
//! units come first, the largest at the head, so that the threads end together. Each thread has one buffer, one
//! directory and one file open. How bytes become a digest is [`digest`]'s affair alone.

mod digest;
mod plan;

use std::{
    num::NonZeroUsize,
    ops::Range,
    os::fd::{AsFd, OwnedFd},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    thread,
};

use crate::{
    error::Error,
    model::{HashOptions, Progress},
    resource::{Resource, ResourceName},
    serialization::Hash,
    sys,
    walk::{self, File, Tree},
};

use digest::{Engine, Interrupted};
use plan::{Plan, Unit};

/// Hashes every file of a tree, sorted by file name, then offset.
pub(crate) fn hash(
    tree: &Tree,
    options: &HashOptions,
    progress: &dyn Progress,
) -> Result<Vec<Resource>, Error> {
    let plan = Plan::new(&tree.files, options.serialization.method)?;
    let pool = Pool {
        tree,
        hash: options.serialization.hash,
        progress,
        next: AtomicUsize::new(0),
        stop: AtomicBool::new(false),
        shared: plan.split_files.iter().map(|split| Shared::new(split.file, split.units)).collect(),
        plan,
        resources: Mutex::default(),
        failure: Mutex::default(),
    };
    let threads =
        options.threads.or_else(|| thread::available_parallelism().ok()).map_or(1, NonZeroUsize::get);
    pool.run(threads.min(pool.plan.units.len()).min(THREADS));

    if let Some((_, error)) = pool.failure.into_inner().unwrap_or_else(PoisonError::into_inner) {
        return Err(error);
    }
    let mut resources = pool.resources.into_inner().unwrap_or_else(PoisonError::into_inner);
    resources.sort_unstable_by(|a, b| a.name.cmp(&b.name));
    Ok(resources)
}

struct Pool<'a> {
    tree: &'a Tree,
    hash: Hash,
    progress: &'a dyn Progress,
    plan: Plan,
    /// The unit that is taken next.
    next: AtomicUsize,
    /// Set by the first failure.
    stop: AtomicBool,
    shared: Vec<Shared>,
    resources: Mutex<Vec<Resource>>,
    /// Of the failures that happened at once, that of the file that was listed first.
    failure: Mutex<Option<(usize, Error)>>,
}

/// A file whose byte ranges several threads hash.
struct Shared {
    file: usize,
    state: Mutex<SharedState>,
}

struct SharedState {
    opened: Option<Arc<Opened>>,
    /// Units that are not done.
    remaining: usize,
}

impl Shared {
    fn new(file: usize, units: usize) -> Self {
        Self { file, state: Mutex::new(SharedState { opened: None, remaining: units }) }
    }
}

struct Opened {
    directory: Arc<OwnedFd>,
    handle: OwnedFd,
}

impl Pool<'_> {
    fn run(&self, threads: usize) {
        thread::scope(|scope| {
            for _ in 1..threads {
                // With fewer threads than asked for, the work takes longer and is done all the same.
                let _ = thread::Builder::new().spawn_scoped(scope, || self.work());
            }
            self.work();
        });
    }

    fn work(&self) {
        let mut worker =
            Worker { pool: self, engine: Engine::new(self.hash), directory: None, done: Vec::new() };
        while !self.stop.load(Ordering::Relaxed) {
            let Some(unit) = self.plan.units.get(self.next.fetch_add(1, Ordering::Relaxed)) else { break };
            if let Err((file, error)) = worker.process(unit) {
                self.fail(file, error);
            }
        }
        lock(&self.resources).append(&mut worker.done);
    }

    fn fail(&self, file: usize, error: Error) {
        self.stop.store(true, Ordering::Relaxed);
        let mut failure = lock(&self.failure);
        // Who was only told to stop has nothing to say that the failure itself does not.
        let first = failure.as_ref().is_none_or(|(earlier, known)| {
            matches!(known, Error::Cancelled) || (file < *earlier && !matches!(error, Error::Cancelled))
        });
        if first {
            *failure = Some((file, error));
        }
    }
}

struct Worker<'a> {
    pool: &'a Pool<'a>,
    engine: Engine,
    /// The directory of the last file, by its index.
    directory: Option<(usize, Arc<OwnedFd>)>,
    done: Vec<Resource>,
}

impl Worker<'_> {
    /// Hashes one unit; a failure comes with the index of the file.
    fn process(&mut self, unit: &Unit) -> Result<(), (usize, Error)> {
        match unit {
            Unit::Files(range) => {
                for &index in self.pool.plan.order.get(range.clone()).unwrap_or_default() {
                    self.hash_file(index).map_err(|error| (index, error))?;
                }
                Ok(())
            }
            Unit::Shards { split, shards } => match self.pool.shared.get(*split) {
                Some(shared) => self.hash_part(shared, shards.clone()).map_err(|error| (shared.file, error)),
                None => Ok(()),
            },
        }
    }

    fn hash_file(&mut self, index: usize) -> Result<(), Error> {
        let Some(file) = self.pool.tree.files.get(index) else { return Ok(()) };
        let opened = self.open(file)?;
        match self.pool.plan.shard_size {
            None => self.hash_range(file, &opened, None)?,
            Some(size) => {
                for shard in 0..plan::shard_count(file.seen.size, size) {
                    self.hash_range(file, &opened, Some(plan::shard_range(shard, file.seen.size, size)))?;
                }
            }
        }
        self.pool.tree.check_file(&opened.directory, file)
    }

    /// Hashes some of a file's byte ranges. The first who comes opens the file, the last makes sure that it is unchanged.
    fn hash_part(&mut self, shared: &Shared, shards: Range<u64>) -> Result<(), Error> {
        let (Some(file), Some(size)) = (self.pool.tree.files.get(shared.file), self.pool.plan.shard_size)
        else {
            return Ok(());
        };
        let opened = {
            let mut state = lock(&shared.state);
            match &state.opened {
                Some(opened) => Arc::clone(opened),
                None => Arc::clone(state.opened.insert(Arc::new(self.open(file)?))),
            }
        };
        for shard in shards {
            self.hash_range(file, &opened, Some(plan::shard_range(shard, file.seen.size, size)))?;
        }
        let mut state = lock(&shared.state);
        state.remaining = state.remaining.saturating_sub(1);
        if state.remaining > 0 {
            return Ok(());
        }
        state.opened = None;
        self.pool.tree.check_file(&opened.directory, file)
    }

    fn open(&mut self, file: &File) -> Result<Opened, Error> {
        let directory = match &self.directory {
            Some((index, directory)) if *index == file.directory => Arc::clone(directory),
            _ => {
                let directory = Arc::new(self.pool.tree.open_directory(file.directory)?);
                self.directory = Some((file.directory, Arc::clone(&directory)));
                directory
            }
        };
        let handle = self.pool.tree.open_file(&directory, file)?;
        if file.seen.size >= plan::LARGE {
            sys::advise_sequential(handle.as_fd());
        }
        Ok(Opened { directory, handle })
    }

    /// Hashes a byte range, or the whole file, and keeps the line.
    fn hash_range(&mut self, file: &File, opened: &Opened, range: Option<Range<u64>>) -> Result<(), Error> {
        let pool = self.pool;
        let span = range.clone().unwrap_or(0..file.seen.size);
        let digest = self.engine.digest(opened.handle.as_fd(), span, &mut |bytes| {
            pool.progress.advance(bytes);
            !pool.stop.load(Ordering::Relaxed) && !pool.progress.cancelled()
        });
        let digest = digest.map_err(|interrupted| match interrupted {
            Interrupted::Failed(source) => walk::failed(file.path.as_ref(), source),
            Interrupted::Truncated => walk::changed(file.path.as_ref()),
            Interrupted::Stopped => Error::Cancelled,
        })?;
        let name = match range {
            None => ResourceName::file(file.path.clone()),
            Some(range) => ResourceName::shard(file.path.clone(), range),
        };
        self.done.push(Resource { name, digest });
        Ok(())
    }
}

/// Locks, also after a thread panicked with the lock: the panic itself ends the call anyway.
fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The most threads, however many are asked for: each has handles open.
const THREADS: usize = 64;

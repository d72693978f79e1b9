//! The hashing of a listed tree on a bounded number of threads.
//!
//! Work is cut into units before it starts: a large file, a run of byte ranges (those of BLAKE3 are subtrees), or a batch of small files. Large units come
//! first, the largest at the head, so that the threads end together. Each thread hashes several streams at a time
//! ([`worker`]), because a core computes several SHA-256 in hardly more time than one. How bytes become digests is
//! [`digest`]'s affair alone.

mod digest;
mod plan;
mod worker;

use std::{
    num::{NonZeroU64, NonZeroUsize},
    ops::Range,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    thread,
};

use crate::{
    error::Error,
    model::{HashOptions, Progress},
    resource::{Resource, ResourceName},
    serialization::Method,
    sys,
    walk::Tree,
};

use digest::Engine;
use plan::Plan;
use worker::{Shared, Worker};

/// Refuses what the method has no lines for.
pub(crate) fn check(tree: &Tree, method: Method) -> Result<(), Error> {
    plan::check_method(&tree.files, method)
}

/// Gives the byte ranges of a file of this size.
pub(crate) fn shards(file_size: u64, shard_size: NonZeroU64) -> impl Iterator<Item = Range<u64>> {
    (0..plan::shard_count(file_size, shard_size))
        .map(move |number| plan::shard_range(number, file_size, shard_size))
}

/// Hashes every file of a tree, sorted by file name, then offset.
pub(crate) fn hash(
    tree: &Tree,
    options: &HashOptions,
    progress: &dyn Progress,
) -> Result<Vec<Resource>, Error> {
    let threads = options.threads.or_else(|| thread::available_parallelism().ok());
    let threads = threads.map_or(1, NonZeroUsize::get).min(THREADS);
    let plan = Plan::new(&tree.files, &options.serialization, threads);
    let engine = Engine::new(options.serialization.hash);
    let subtrees = plan.subtrees;
    let threads = threads.min(plan.units.len());
    let handles = sys::most_handles() / HANDLES_SHARE / threads.max(1);
    let pool = Pool {
        tree,
        engine,
        width: engine.width().min(handles).max(1),
        progress,
        next: AtomicUsize::new(0),
        stop: AtomicBool::new(false),
        shared: plan.split_files.iter().map(|file| Shared::new(file.shards)).collect(),
        plan,
        resources: Mutex::default(),
        failure: Mutex::default(),
    };
    pool.run(threads);

    if let Some((_, error)) = pool.failure.into_inner().unwrap_or_else(PoisonError::into_inner) {
        return Err(error);
    }
    let mut resources = pool.resources.into_inner().unwrap_or_else(PoisonError::into_inner);
    resources.sort_unstable_by(|a, b| a.name.cmp(&b.name));
    if subtrees {
        join_subtrees(&mut resources);
    }
    Ok(resources)
}

/// Puts one line in the place of those of a file's subtrees, which are sorted.
fn join_subtrees(resources: &mut Vec<Resource>) {
    let subtrees: Vec<Resource> =
        resources.extract_if(.., |resource| resource.name.range().is_some()).collect();
    for file in subtrees.chunk_by(|a, b| a.name.path() == b.name.path()) {
        let nodes: Vec<&[u8]> = file.iter().map(|subtree| subtree.digest.as_slice()).collect();
        let path = file.first().and_then(|subtree| subtree.name.path()).cloned();
        resources.push(Resource { name: ResourceName::file(path), digest: digest::join(&nodes) });
    }
    resources.sort_unstable_by(|a, b| a.name.cmp(&b.name));
}

struct Pool<'a> {
    tree: &'a Tree,
    engine: Engine,
    /// The most streams of a thread, each of which may have a file open; 1 or more.
    width: usize,
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
        let mut worker = Worker::new(self);
        while !self.stop.load(Ordering::Relaxed) {
            match worker.step() {
                Ok(true) => {}
                Ok(false) => break,
                Err((file, error)) => self.fail(file, error),
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

/// Locks, also after a thread panicked with the lock: the panic itself ends the call anyway.
fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The most threads, however many are asked for: each has handles open.
const THREADS: usize = 64;
/// Of how many handles that the process may have open one may be a file that is being hashed.
const HANDLES_SHARE: usize = 4;

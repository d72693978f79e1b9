//! How the work is cut into units, and in which order they are taken.

use std::{cmp::Reverse, num::NonZeroU64, ops::Range};

use crate::{
    error::Error,
    serialization::{Hash, Method, Serialization},
    walk::{self, ENTRIES, File},
};

/// All units of a tree, the largest first.
pub(super) struct Plan {
    pub(super) units: Vec<Unit>,
    /// Indices of files, which the units of files refer to.
    pub(super) order: Vec<usize>,
    /// Files that are hashed by byte ranges, which the other units refer to.
    pub(super) split_files: Vec<SplitFile>,
    /// Whether the byte ranges are BLAKE3 subtrees of files that the manifest lists whole, not lines of it.
    pub(super) subtrees: bool,
    /// How many large streams a thread takes on, so that each gets its share; 1 or more.
    pub(super) width: usize,
    /// The size in bytes from which a whole file gets a thread to itself, because in company it would end last.
    pub(super) alone: u64,
}

/// What one thread takes at a time.
#[derive(Clone)]
pub(super) enum Unit {
    /// Files, by a range of [`Plan::order`]: one large one, or small ones of as few directories as possible.
    Files(Range<usize>),
    /// Byte ranges, by their numbers, of a file in [`Plan::split_files`].
    Shards { split: usize, shards: Range<u64> },
}

pub(super) struct SplitFile {
    pub(super) file: usize,
    pub(super) shards: u64,
    /// The length of each in bytes; the last one may be shorter.
    pub(super) shard_size: NonZeroU64,
}

impl Plan {
    pub(super) fn new(files: &[File], serialization: &Serialization, threads: usize) -> Self {
        let (mut large, small): (Vec<usize>, Vec<usize>) =
            (0..files.len()).partition(|&index| size_of(files, index) >= LARGE);
        large.sort_by_key(|&index| Reverse(size_of(files, index)));

        let mut plan = Self {
            units: Vec::new(),
            order: Vec::with_capacity(files.len()),
            split_files: Vec::new(),
            subtrees: false,
            width: 1,
            alone: u64::MAX,
        };
        match (serialization.method, serialization.hash) {
            (Method::Files, Hash::Blake3) => {
                plan.subtrees = true;
                for &index in &large {
                    let size = size_of(files, index);
                    plan.push_split(index, size, subtree_size(size));
                }
                plan.push_batches(files, &small);
            }
            (Method::Files, _) => {
                large.iter().for_each(|&index| plan.push_files(&[index]));
                plan.width = plan.units.len().div_ceil(threads);
                plan.alone = alone(files, &large, threads);
                plan.push_batches(files, &small);
            }
            (Method::Shards { size }, _) => {
                large
                    .iter()
                    .chain(&small)
                    .for_each(|&index| plan.push_split(index, size_of(files, index), size));
                let shards =
                    plan.split_files.iter().fold(0, |sum: u64, file| sum.saturating_add(file.shards));
                plan.width = usize::try_from(shards).unwrap_or(usize::MAX).div_ceil(threads);
            }
        }
        plan.width = plan.width.max(1);
        plan
    }

    fn push_files(&mut self, files: &[usize]) {
        let start = self.order.len();
        self.order.extend_from_slice(files);
        self.units.push(Unit::Files(start..self.order.len()));
    }

    fn push_split(&mut self, file: usize, file_size: u64, shard_size: NonZeroU64) {
        let count = shard_count(file_size, shard_size);
        let step = LARGE.div_ceil(shard_size.get()).max(1);
        let split = self.split_files.len();
        let mut start = 0_u64;
        while start < count {
            let end = start.saturating_add(step).min(count);
            self.units.push(Unit::Shards { split, shards: start..end });
            start = end;
        }
        self.split_files.push(SplitFile { file, shards: count, shard_size });
    }

    fn push_batches(&mut self, files: &[File], small: &[usize]) {
        let mut rest = small;
        while !rest.is_empty() {
            let mut bytes = 0_u64;
            let count = rest.iter().take(BATCH_FILES).take_while(|&&index| {
                let fits = bytes < LARGE;
                bytes = bytes.saturating_add(size_of(files, index));
                fits
            });
            let (batch, others) = rest.split_at(count.count());
            self.push_files(batch);
            rest = others;
        }
    }
}

/// Tells from which size on a file is hashed alone. A stream in company moves at half its own speed or less, so one that is more
/// than half of a thread's share of everything would end after all others. That helps only if threads are left for those.
fn alone(files: &[File], large: &[usize], threads: usize) -> u64 {
    let total = files.iter().fold(0, |sum: u64, file| sum.saturating_add(file.seen.size));
    let share = u64::try_from(threads).ok().and_then(|threads| total.checked_div(threads)).unwrap_or(total);
    let giants = large.iter().take_while(|&&index| size_of(files, index) > share / 2).count();
    if giants < threads { share / 2 } else { u64::MAX }
}

/// Refuses what byte ranges cannot express: an empty file, or more lines than [`ENTRIES`].
pub(super) fn check_method(files: &[File], method: Method) -> Result<(), Error> {
    let Method::Shards { size } = method else { return Ok(()) };
    let mut lines = 0_u64;
    for file in files {
        if file.seen.size == 0 {
            return Err(Error::EmptyFileInShards { path: walk::text(file.path.as_ref()) });
        }
        lines = lines.saturating_add(shard_count(file.seen.size, size));
    }
    if usize::try_from(lines).is_ok_and(|lines| lines <= ENTRIES) {
        Ok(())
    } else {
        Err(Error::TooMany { limit: ENTRIES })
    }
}

/// Gives the length in bytes of the BLAKE3 subtrees that a large file is cut into: a power of two of chunks, less than the file.
fn subtree_size(file_size: u64) -> NonZeroU64 {
    let least = NonZeroU64::MIN.saturating_add(file_size / SUBTREES).max(SUBTREE);
    least.checked_next_power_of_two().unwrap_or(SUBTREE)
}

fn size_of(files: &[File], index: usize) -> u64 {
    files.get(index).map_or(0, |file| file.seen.size)
}

/// Gives the number of byte ranges of a file.
pub(super) fn shard_count(file_size: u64, shard_size: NonZeroU64) -> u64 {
    file_size.div_ceil(shard_size.get())
}

/// Gives the bytes of a range by its number.
pub(super) fn shard_range(number: u64, file_size: u64, shard_size: NonZeroU64) -> Range<u64> {
    let start = number.saturating_mul(shard_size.get()).min(file_size);
    start..start.saturating_add(shard_size.get()).min(file_size)
}

/// The size in bytes from which a file is a unit of its own.
pub(super) const LARGE: u64 = 4 * 1024 * 1024;
/// The least length of a BLAKE3 subtree in bytes, and the most of them in a file.
const SUBTREE: NonZeroU64 = NonZeroU64::MIN.saturating_add(LARGE / 2 - 1);
const SUBTREES: u64 = 4096;
/// The most small files in a unit.
const BATCH_FILES: usize = 256;

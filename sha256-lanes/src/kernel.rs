//! Which code hashes which streams together.

use std::cmp::Reverse;

use sha2::block_api::compress256;

use crate::{
    Lane,
    lane::{Block, State},
};
#[cfg(target_arch = "x86_64")]
use crate::{avx512::Avx512, sha_extensions::ShaExtensions};

/// What of this processor is used. Cheap to copy; the processor is asked once.
#[derive(Debug, Clone, Copy)]
pub struct Kernel {
    #[cfg(target_arch = "x86_64")]
    avx512: Option<Avx512>,
    #[cfg(target_arch = "x86_64")]
    sha: Option<ShaExtensions>,
}

/// A way to compute.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Path {
    /// Sixteen streams in the lanes of AVX-512 registers.
    Avx512,
    /// Two streams, interleaved, with the SHA extensions of x86.
    ShaExtensions,
    /// One stream after the other, by the `sha2` crate, which has paths of its own for several processors.
    Single,
}

impl Path {
    /// All ways, the widest first.
    pub const ALL: [Self; 3] = [Self::Avx512, Self::ShaExtensions, Self::Single];

    /// Gives the way's name for people.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Avx512 => "AVX-512, 16 lanes",
            Self::ShaExtensions => "SHA extensions, 2 lanes",
            Self::Single => "one stream at a time",
        }
    }
}

impl Kernel {
    /// Takes all that this processor has.
    #[must_use]
    pub fn detect() -> Self {
        Self {
            #[cfg(target_arch = "x86_64")]
            avx512: Avx512::detect(),
            #[cfg(target_arch = "x86_64")]
            sha: ShaExtensions::detect(),
        }
    }

    /// Takes one way only, however many streams there are; nothing where this processor lacks it.
    #[must_use]
    pub fn only(path: Path) -> Option<Self> {
        let all = Self::detect();
        if !all.paths().any(|has| has == path) {
            return None;
        }
        Some(Self {
            #[cfg(target_arch = "x86_64")]
            avx512: all.avx512.filter(|_| path == Path::Avx512),
            #[cfg(target_arch = "x86_64")]
            sha: all.sha.filter(|_| path == Path::ShaExtensions),
        })
    }

    /// Gives the ways that are used, the widest first.
    pub fn paths(&self) -> impl Iterator<Item = Path> + use<> {
        let kernel = *self;
        Path::ALL.into_iter().filter(move |path| match path {
            #[cfg(target_arch = "x86_64")]
            Path::Avx512 => kernel.avx512.is_some(),
            #[cfg(target_arch = "x86_64")]
            Path::ShaExtensions => kernel.sha.is_some(),
            #[cfg(not(target_arch = "x86_64"))]
            Path::Avx512 | Path::ShaExtensions => false,
            Path::Single => true,
        })
    }

    /// Hashes the next bytes of each stream. They may be of any lengths; what is hashed together is fastest where they are
    /// alike, multiples of 64, and where there are [`LANES`] of them.
    pub fn update(&self, streams: &mut [(&mut Lane, &[u8])]) {
        let mut work = Vec::with_capacity(streams.len());
        for (lane, bytes) in streams.iter_mut() {
            let (complete, rest) = lane.fill(bytes);
            if complete {
                work.push(Work { state: &mut lane.state, blocks: std::slice::from_ref(&lane.partial) });
            }
            *bytes = rest;
        }
        self.compress(work);

        let mut work = Vec::with_capacity(streams.len());
        for (lane, bytes) in streams.iter_mut() {
            let (blocks, rest) = bytes.as_chunks();
            lane.count(blocks.as_flattened());
            lane.keep(rest);
            work.push(Work { state: &mut lane.state, blocks });
        }
        self.compress(work);
    }

    /// Ends the streams and gives their digests, in the same order. The lanes are new again.
    #[must_use]
    pub fn finish(&self, lanes: &mut [&mut Lane]) -> Vec<[u8; 32]> {
        let tails: Vec<([Block; 2], usize)> = lanes.iter().map(|lane| lane.tail()).collect();
        let work = lanes.iter_mut().zip(&tails).map(|(lane, (blocks, count))| Work {
            state: &mut lane.state,
            blocks: blocks.get(..*count).unwrap_or_default(),
        });
        self.compress(work.collect());
        lanes.iter_mut().map(|lane| std::mem::take(*lane).digest()).collect()
    }

    /// Hashes whole blocks of several streams: as many streams together as have blocks, as far as the shortest goes.
    fn compress(&self, mut work: Vec<Work<'_>>) {
        loop {
            work.retain(|stream| !stream.blocks.is_empty());
            if work.is_empty() {
                return;
            }
            // Like lengths together, so that few lanes run empty.
            work.sort_unstable_by_key(|stream| Reverse(stream.blocks.len()));
            self.step(&mut work);
        }
    }

    #[cfg(target_arch = "x86_64")]
    fn step(&self, work: &mut [Work<'_>]) {
        let least = if self.sha.is_some() { AVX512_LEAST } else { AVX512_LEAST_ALONE };
        if let Some(avx512) = self.avx512.filter(|_| work.len() >= least) {
            return together(work, |states, blocks| avx512.compress(states, blocks));
        }
        match self.sha {
            Some(sha) if work.len() >= 2 => together(work, |states, blocks| sha.compress(states, blocks)),
            _ => alone(work),
        }
    }

    #[cfg(not(target_arch = "x86_64"))]
    fn step(&self, work: &mut [Work<'_>]) {
        alone(work);
    }
}

/// Blocks of one stream.
struct Work<'a> {
    state: &'a mut State,
    blocks: &'a [Block],
}

fn alone(work: &mut [Work<'_>]) {
    for stream in work {
        compress256(stream.state, std::mem::take(&mut stream.blocks));
    }
}

/// Hashes the first streams together, up to the end of the shortest. Lanes without a stream repeat the first one's blocks
/// and are dropped.
#[cfg(target_arch = "x86_64")]
fn together<const N: usize>(work: &mut [Work<'_>], compress: impl FnOnce(&mut [State; N], &[&[Block]; N])) {
    let Some(first) = work.first().map(|stream| stream.blocks) else { return };
    let count = work.iter().take(N).map(|stream| stream.blocks.len()).min().unwrap_or(0);
    let mut states = [[0; 8]; N];
    let mut blocks = [first.get(..count).unwrap_or_default(); N];
    for ((state, lane), stream) in states.iter_mut().zip(&mut blocks).zip(work.iter_mut()) {
        *state = *stream.state;
        (*lane, stream.blocks) = stream.blocks.split_at(count);
    }
    compress(&mut states, &blocks);
    for (state, stream) in states.iter().zip(work) {
        *stream.state = *state;
    }
}

/// The most streams that are hashed side by side; more are hashed in several goes.
pub const LANES: usize = 16;

/// From so many streams on, AVX-512 beats pairs of streams. It takes as long for empty lanes as for full ones, and where the
/// SHA extensions are good, as on AMD's Zen 4, only full ones are worth it; docs/performance.md has the figures.
#[cfg(target_arch = "x86_64")]
const AVX512_LEAST: usize = LANES;
/// The same where there are no SHA extensions.
#[cfg(target_arch = "x86_64")]
const AVX512_LEAST_ALONE: usize = 2;

#[cfg(test)]
mod tests;

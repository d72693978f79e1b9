//! Two streams interleaved: while one waits for its round, the other computes its own.
//!
//! The SHA extensions do two rounds in an instruction that takes several cycles before the next may start on the same stream.
//! More streams than two do not fit into the sixteen registers, and are slower. The state is kept as the instructions want
//! it: `a b e f` in one register, `c d g h` in the other.

use std::arch::x86_64::{
    __m128i, _mm_add_epi32, _mm_alignr_epi8, _mm_loadu_si128, _mm_set_epi8, _mm_setzero_si128,
    _mm_sha256msg1_epu32, _mm_sha256msg2_epu32, _mm_sha256rnds2_epu32, _mm_shuffle_epi8, _mm_shuffle_epi32,
    _mm_storeu_si128,
};

use crate::{
    constants::ROUNDS,
    lane::{Block, State},
};

/// Says that the processor has the SHA extensions, and what comes with them.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ShaExtensions(());

impl ShaExtensions {
    pub(crate) fn detect() -> Option<Self> {
        let has = is_x86_feature_detected!("sha")
            && is_x86_feature_detected!("ssse3")
            && is_x86_feature_detected!("sse4.1");
        has.then_some(Self(()))
    }

    /// Hashes the blocks of each stream, as many as the shortest has.
    pub(crate) fn compress(self, states: &mut [State; 2], blocks: &[&[Block]; 2]) {
        // SAFETY: a value of this type is made only where `detect` found the features that the function is compiled for.
        unsafe { compress(states, blocks) }
    }
}

/// Four rounds of both streams, after the step of the message schedule that they need (none in the first pass).
macro_rules! rounds {
    ($pass:ident, $lanes:ident, $words:ident, $k:ident, $w0:literal $w4:literal $w8:literal $w12:literal) => {
        for (lane, words) in $lanes.iter_mut().zip(&mut $words) {
            if $pass > 0 {
                words[$w0] = schedule(words[$w0], words[$w4], words[$w8], words[$w12]);
            }
            lane.four_rounds(_mm_add_epi32(words[$w0], $k));
        }
    };
}

#[target_feature(enable = "sha,ssse3,sse4.1")]
fn compress(states: &mut [State; 2], blocks: &[&[Block]; 2]) {
    let [first, second] = states;
    let mut lanes = [Registers::load(first), Registers::load(second)];
    for (first, second) in blocks[0].iter().zip(blocks[1]) {
        let before = lanes;
        let mut words = [load(first), load(second)];
        for (pass, constants) in ROUNDS.iter().enumerate() {
            let [k0, k1, k2, k3] = load_constants(constants);
            rounds!(pass, lanes, words, k0, 0 1 2 3);
            rounds!(pass, lanes, words, k1, 1 2 3 0);
            rounds!(pass, lanes, words, k2, 2 3 0 1);
            rounds!(pass, lanes, words, k3, 3 0 1 2);
        }
        for (lane, before) in lanes.iter_mut().zip(&before) {
            lane.abef = _mm_add_epi32(lane.abef, before.abef);
            lane.cdgh = _mm_add_epi32(lane.cdgh, before.cdgh);
        }
    }
    for (lane, state) in lanes.iter().zip(states) {
        lane.store(state);
    }
}

/// One stream's state.
#[derive(Clone, Copy)]
struct Registers {
    abef: __m128i,
    cdgh: __m128i,
}

impl Registers {
    #[inline]
    #[target_feature(enable = "ssse3,sse4.1")]
    fn load([a, b, c, d, e, f, g, h]: &State) -> Self {
        Self { abef: load_words(&[*f, *e, *b, *a]), cdgh: load_words(&[*h, *g, *d, *c]) }
    }

    #[inline]
    #[target_feature(enable = "ssse3,sse4.1")]
    fn store(self, state: &mut State) {
        let ([f, e, b, a], [h, g, d, c]) = (store_words(self.abef), store_words(self.cdgh));
        *state = [a, b, c, d, e, f, g, h];
    }

    /// Does four rounds with four words of the schedule, their constants added.
    #[inline]
    #[target_feature(enable = "sha,sse4.1")]
    fn four_rounds(&mut self, words: __m128i) {
        self.cdgh = _mm_sha256rnds2_epu32(self.cdgh, self.abef, words);
        self.abef = _mm_sha256rnds2_epu32(self.abef, self.cdgh, _mm_shuffle_epi32::<0b00_00_11_10>(words));
    }
}

/// Gives the next four words of the message schedule from the sixteen before them.
#[inline]
#[target_feature(enable = "sha,ssse3")]
fn schedule(w0: __m128i, w4: __m128i, w8: __m128i, w12: __m128i) -> __m128i {
    let sum = _mm_add_epi32(_mm_sha256msg1_epu32(w0, w4), _mm_alignr_epi8::<4>(w12, w8));
    _mm_sha256msg2_epu32(sum, w12)
}

#[inline]
#[target_feature(enable = "ssse3,sse4.1")]
fn load(block: &Block) -> [__m128i; 4] {
    let order = _mm_set_epi8(12, 13, 14, 15, 8, 9, 10, 11, 4, 5, 6, 7, 0, 1, 2, 3);
    let (quarters, _) = block.as_chunks::<16>();
    let mut words = [_mm_setzero_si128(); 4];
    for (words, quarter) in words.iter_mut().zip(quarters) {
        // SAFETY: the array has the 16 bytes that are read; no alignment is asked for.
        let bytes = unsafe { _mm_loadu_si128(quarter.as_ptr().cast()) };
        *words = _mm_shuffle_epi8(bytes, order);
    }
    words
}

#[inline]
#[target_feature(enable = "sse4.1")]
fn load_constants(constants: &[u32; 16]) -> [__m128i; 4] {
    let (quarters, _) = constants.as_chunks::<4>();
    let mut words = [_mm_setzero_si128(); 4];
    for (words, quarter) in words.iter_mut().zip(quarters) {
        *words = load_words(quarter);
    }
    words
}

#[inline]
#[target_feature(enable = "sse4.1")]
fn load_words(words: &[u32; 4]) -> __m128i {
    // SAFETY: the array has the 16 bytes that are read; no alignment is asked for.
    unsafe { _mm_loadu_si128(words.as_ptr().cast()) }
}

#[inline]
#[target_feature(enable = "sse4.1")]
fn store_words(register: __m128i) -> [u32; 4] {
    let mut words = [0; 4];
    // SAFETY: the array has the 16 bytes that are written; no alignment is asked for.
    unsafe { _mm_storeu_si128(words.as_mut_ptr().cast(), register) };
    words
}

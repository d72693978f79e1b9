//! Sixteen streams side by side: one register holds the same word of every stream.
//!
//! AVX-512 has what SHA-256 is made of: rotations, any function of three bits in one instruction, and 32 registers, which
//! hold the sixteen words of the message schedule and the state without a detour through memory.

use std::arch::x86_64::{
    __m512i, _mm_set_epi8, _mm512_add_epi32, _mm512_broadcast_i32x4, _mm512_loadu_si512, _mm512_ror_epi32,
    _mm512_set1_epi32, _mm512_setzero_si512, _mm512_shuffle_epi8, _mm512_shuffle_i32x4, _mm512_srli_epi32,
    _mm512_storeu_si512, _mm512_ternarylogic_epi32, _mm512_unpackhi_epi32, _mm512_unpackhi_epi64,
    _mm512_unpacklo_epi32, _mm512_unpacklo_epi64,
};

use crate::{
    constants::ROUNDS,
    lane::{Block, State},
};

/// Says that the processor has AVX-512F and AVX-512BW, and the system keeps their registers.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Avx512(());

impl Avx512 {
    pub(crate) fn detect() -> Option<Self> {
        let has = is_x86_feature_detected!("avx512f") && is_x86_feature_detected!("avx512bw");
        has.then_some(Self(()))
    }

    /// Hashes the blocks of each stream, as many as the shortest has.
    pub(crate) fn compress(self, states: &mut [State; 16], blocks: &[&[Block]; 16]) {
        // SAFETY: a value of this type is made only where `detect` found the features that the function is compiled for.
        unsafe { compress(states, blocks) }
    }
}

/// One round (FIPS 180-4, section 6.2.2, step 3): what would be the new `a` is left in `h`, and the caller renames.
macro_rules! round {
    ($a:ident $b:ident $c:ident $d:ident $e:ident $f:ident $g:ident $h:ident, $word:expr, $constant:expr) => {
        let constant = _mm512_set1_epi32($constant.cast_signed());
        let sum =
            _mm512_add_epi32(_mm512_add_epi32($h, choose($e, $f, $g)), _mm512_add_epi32($word, constant));
        let sum = _mm512_add_epi32(sum, rotate_three::<6, 11, 25>($e));
        $d = _mm512_add_epi32($d, sum);
        let other = _mm512_add_epi32(rotate_three::<2, 13, 22>($a), majority($a, $b, $c));
        $h = _mm512_add_epi32(sum, other);
    };
}

/// The next word of the message schedule, in place of the one sixteen before it (section 6.2.2, step 1).
macro_rules! schedule {
    ($w0:ident $w1:ident $w9:ident $w14:ident) => {
        let small = xor(_mm512_ror_epi32::<7>($w1), _mm512_ror_epi32::<18>($w1), _mm512_srli_epi32::<3>($w1));
        let sum = _mm512_add_epi32(_mm512_add_epi32($w0, small), $w9);
        let large =
            xor(_mm512_ror_epi32::<17>($w14), _mm512_ror_epi32::<19>($w14), _mm512_srli_epi32::<10>($w14));
        $w0 = _mm512_add_epi32(sum, large);
    };
}

#[target_feature(enable = "avx512f,avx512bw")]
fn compress(states: &mut [State; 16], blocks: &[&[Block]; 16]) {
    let [s0, s1, s2, s3, s4, s5, s6, s7, s8, s9, s10, s11, s12, s13, s14, s15] = *blocks;
    let [mut sa, mut sb, mut sc, mut sd, mut se, mut sf, mut sg, mut sh] = load_states(states);
    // An iterator over sixteen slices at once has no bounds to check.
    let streams = s0.iter().zip(s1).zip(s2).zip(s3).zip(s4).zip(s5).zip(s6).zip(s7);
    let others = s8.iter().zip(s9).zip(s10).zip(s11).zip(s12).zip(s13).zip(s14).zip(s15);
    for (low, high) in streams.zip(others) {
        let (((((((b0, b1), b2), b3), b4), b5), b6), b7) = low;
        let (((((((b8, b9), b10), b11), b12), b13), b14), b15) = high;
        let words = transpose([
            load(b0),
            load(b1),
            load(b2),
            load(b3),
            load(b4),
            load(b5),
            load(b6),
            load(b7),
            load(b8),
            load(b9),
            load(b10),
            load(b11),
            load(b12),
            load(b13),
            load(b14),
            load(b15),
        ]);
        let [w0, w1, w2, w3, w4, w5, w6, w7, w8, w9, w10, w11, w12, w13, w14, w15] = words;
        let (mut w0, mut w1, mut w2, mut w3) =
            (big_endian(w0), big_endian(w1), big_endian(w2), big_endian(w3));
        let (mut w4, mut w5, mut w6, mut w7) =
            (big_endian(w4), big_endian(w5), big_endian(w6), big_endian(w7));
        let (mut w8, mut w9, mut w10, mut w11) =
            (big_endian(w8), big_endian(w9), big_endian(w10), big_endian(w11));
        let (mut w12, mut w13, mut w14, mut w15) =
            (big_endian(w12), big_endian(w13), big_endian(w14), big_endian(w15));

        let (mut a, mut b, mut c, mut d, mut e, mut f, mut g, mut h) = (sa, sb, sc, sd, se, sf, sg, sh);
        for (pass, [k0, k1, k2, k3, k4, k5, k6, k7, k8, k9, k10, k11, k12, k13, k14, k15]) in
            ROUNDS.iter().enumerate()
        {
            if pass > 0 {
                schedule!(w0 w1 w9 w14);
                schedule!(w1 w2 w10 w15);
                schedule!(w2 w3 w11 w0);
                schedule!(w3 w4 w12 w1);
                schedule!(w4 w5 w13 w2);
                schedule!(w5 w6 w14 w3);
                schedule!(w6 w7 w15 w4);
                schedule!(w7 w8 w0 w5);
                schedule!(w8 w9 w1 w6);
                schedule!(w9 w10 w2 w7);
                schedule!(w10 w11 w3 w8);
                schedule!(w11 w12 w4 w9);
                schedule!(w12 w13 w5 w10);
                schedule!(w13 w14 w6 w11);
                schedule!(w14 w15 w7 w12);
                schedule!(w15 w0 w8 w13);
            }
            round!(a b c d e f g h, w0, k0);
            round!(h a b c d e f g, w1, k1);
            round!(g h a b c d e f, w2, k2);
            round!(f g h a b c d e, w3, k3);
            round!(e f g h a b c d, w4, k4);
            round!(d e f g h a b c, w5, k5);
            round!(c d e f g h a b, w6, k6);
            round!(b c d e f g h a, w7, k7);
            round!(a b c d e f g h, w8, k8);
            round!(h a b c d e f g, w9, k9);
            round!(g h a b c d e f, w10, k10);
            round!(f g h a b c d e, w11, k11);
            round!(e f g h a b c d, w12, k12);
            round!(d e f g h a b c, w13, k13);
            round!(c d e f g h a b, w14, k14);
            round!(b c d e f g h a, w15, k15);
        }
        (sa, sb) = (_mm512_add_epi32(sa, a), _mm512_add_epi32(sb, b));
        (sc, sd) = (_mm512_add_epi32(sc, c), _mm512_add_epi32(sd, d));
        (se, sf) = (_mm512_add_epi32(se, e), _mm512_add_epi32(sf, f));
        (sg, sh) = (_mm512_add_epi32(sg, g), _mm512_add_epi32(sh, h));
    }
    store_states(states, [sa, sb, sc, sd, se, sf, sg, sh]);
}

/// Gives each word of the sixteen states in a register of its own.
#[target_feature(enable = "avx512f")]
fn load_states(states: &[State; 16]) -> [__m512i; 8] {
    let mut registers = [_mm512_setzero_si512(); 8];
    for (word, register) in registers.iter_mut().enumerate() {
        let mut row = [0; 16];
        for (to, state) in row.iter_mut().zip(states) {
            *to = state.get(word).copied().unwrap_or_default();
        }
        // SAFETY: the array has the 64 bytes that are read; no alignment is asked for.
        *register = unsafe { _mm512_loadu_si512(row.as_ptr().cast()) };
    }
    registers
}

#[target_feature(enable = "avx512f")]
fn store_states(states: &mut [State; 16], registers: [__m512i; 8]) {
    for (word, register) in registers.into_iter().enumerate() {
        let mut row = [0; 16];
        // SAFETY: the array has the 64 bytes that are written; no alignment is asked for.
        unsafe { _mm512_storeu_si512(row.as_mut_ptr().cast(), register) };
        for (from, state) in row.iter().zip(states.iter_mut()) {
            if let Some(to) = state.get_mut(word) {
                *to = *from;
            }
        }
    }
}

#[inline]
#[target_feature(enable = "avx512f")]
fn load(block: &Block) -> __m512i {
    // SAFETY: the array has the 64 bytes that are read; no alignment is asked for.
    unsafe { _mm512_loadu_si512(block.as_ptr().cast()) }
}

/// Turns rows into columns: of sixteen streams' blocks, sixteen registers with one word of each stream.
#[inline]
#[target_feature(enable = "avx512f")]
fn transpose(rows: [__m512i; 16]) -> [__m512i; 16] {
    let [r0, r1, r2, r3, r4, r5, r6, r7, r8, r9, r10, r11, r12, r13, r14, r15] = rows;
    // Within each quarter of the registers, four rows at a time; then the quarters among each other.
    let [a0, a1, a2, a3] = quarters(r0, r1, r2, r3);
    let [b0, b1, b2, b3] = quarters(r4, r5, r6, r7);
    let [c0, c1, c2, c3] = quarters(r8, r9, r10, r11);
    let [d0, d1, d2, d3] = quarters(r12, r13, r14, r15);
    let [w0, w4, w8, w12] = across(a0, b0, c0, d0);
    let [w1, w5, w9, w13] = across(a1, b1, c1, d1);
    let [w2, w6, w10, w14] = across(a2, b2, c2, d2);
    let [w3, w7, w11, w15] = across(a3, b3, c3, d3);
    [w0, w1, w2, w3, w4, w5, w6, w7, w8, w9, w10, w11, w12, w13, w14, w15]
}

#[inline]
#[target_feature(enable = "avx512f")]
fn quarters(r0: __m512i, r1: __m512i, r2: __m512i, r3: __m512i) -> [__m512i; 4] {
    let (low, high) = (_mm512_unpacklo_epi32(r0, r1), _mm512_unpackhi_epi32(r0, r1));
    let (others_low, others_high) = (_mm512_unpacklo_epi32(r2, r3), _mm512_unpackhi_epi32(r2, r3));
    [
        _mm512_unpacklo_epi64(low, others_low),
        _mm512_unpackhi_epi64(low, others_low),
        _mm512_unpacklo_epi64(high, others_high),
        _mm512_unpackhi_epi64(high, others_high),
    ]
}

#[inline]
#[target_feature(enable = "avx512f")]
fn across(a: __m512i, b: __m512i, c: __m512i, d: __m512i) -> [__m512i; 4] {
    let (even, odd) = (_mm512_shuffle_i32x4::<EVEN>(a, b), _mm512_shuffle_i32x4::<ODD>(a, b));
    let (others_even, others_odd) = (_mm512_shuffle_i32x4::<EVEN>(c, d), _mm512_shuffle_i32x4::<ODD>(c, d));
    [
        _mm512_shuffle_i32x4::<EVEN>(even, others_even),
        _mm512_shuffle_i32x4::<EVEN>(odd, others_odd),
        _mm512_shuffle_i32x4::<ODD>(even, others_even),
        _mm512_shuffle_i32x4::<ODD>(odd, others_odd),
    ]
}

/// Turns the bytes of each word around.
#[inline]
#[target_feature(enable = "avx512f,avx512bw")]
fn big_endian(words: __m512i) -> __m512i {
    let order = _mm_set_epi8(12, 13, 14, 15, 8, 9, 10, 11, 4, 5, 6, 7, 0, 1, 2, 3);
    _mm512_shuffle_epi8(words, _mm512_broadcast_i32x4(order))
}

#[inline]
#[target_feature(enable = "avx512f")]
fn rotate_three<const A: i32, const B: i32, const C: i32>(x: __m512i) -> __m512i {
    xor(_mm512_ror_epi32::<A>(x), _mm512_ror_epi32::<B>(x), _mm512_ror_epi32::<C>(x))
}

#[inline]
#[target_feature(enable = "avx512f")]
fn xor(a: __m512i, b: __m512i, c: __m512i) -> __m512i {
    _mm512_ternarylogic_epi32::<0b1001_0110>(a, b, c)
}

/// Each bit of `b` where `a` has one, else of `c`.
#[inline]
#[target_feature(enable = "avx512f")]
fn choose(a: __m512i, b: __m512i, c: __m512i) -> __m512i {
    _mm512_ternarylogic_epi32::<0b1100_1010>(a, b, c)
}

#[inline]
#[target_feature(enable = "avx512f")]
fn majority(a: __m512i, b: __m512i, c: __m512i) -> __m512i {
    _mm512_ternarylogic_epi32::<0b1110_1000>(a, b, c)
}

/// The first and third quarter of both operands; the second and fourth.
const EVEN: i32 = 0b10_00_10_00;
const ODD: i32 = 0b11_01_11_01;

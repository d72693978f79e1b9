//! One stream's running hash.

use crate::constants::INITIAL;

/// What of a stream was hashed so far. [`Kernel`](crate::Kernel) moves it on.
#[derive(Debug, Clone)]
pub struct Lane {
    pub(crate) state: State,
    /// The bytes after the last whole block, `length % 64` of them.
    pub(crate) partial: Block,
    /// Bytes, all of them.
    pub(crate) length: u64,
}

/// Before the first byte.
impl Default for Lane {
    fn default() -> Self {
        Self { state: INITIAL, partial: [0; BLOCK], length: 0 }
    }
}

impl Lane {
    /// Takes the bytes that complete the block that was begun, as far as there are any, and gives the others. Tells whether
    /// the block is complete.
    pub(crate) fn fill<'a>(&mut self, bytes: &'a [u8]) -> (bool, &'a [u8]) {
        let begun = self.begun();
        if begun == 0 {
            return (false, bytes);
        }
        let (taken, rest) = bytes.split_at(bytes.len().min(BLOCK.saturating_sub(begun)));
        self.keep(taken);
        (self.begun() == 0 && !taken.is_empty(), rest)
    }

    /// Keeps the bytes after the last whole block.
    pub(crate) fn keep(&mut self, bytes: &[u8]) {
        let begun = self.begun();
        for (to, from) in self.partial.iter_mut().skip(begun).zip(bytes) {
            *to = *from;
        }
        self.count(bytes);
    }

    /// Counts bytes that are hashed without being kept.
    pub(crate) fn count(&mut self, bytes: &[u8]) {
        self.length = self.length.wrapping_add(u64::try_from(bytes.len()).unwrap_or(0));
    }

    /// Gives what is left to hash at the end of the message: the bytes that were kept, the padding and the length in
    /// bits (FIPS 180-4, section 5.1.1), in one block or two.
    pub(crate) fn tail(&self) -> ([Block; 2], usize) {
        let begun = self.begun();
        let count = if begun < BLOCK - 8 { 1 } else { 2 };
        let mut blocks = [[0; BLOCK]; 2];
        let mut to = blocks.iter_mut().flatten();
        for (to, from) in to.by_ref().zip(self.partial.iter().take(begun).chain(&[0x80])) {
            *to = *from;
        }
        let bits = self.length.wrapping_mul(8).to_be_bytes();
        for (to, from) in blocks.iter_mut().take(count).flatten().rev().zip(bits.iter().rev()) {
            *to = *from;
        }
        (blocks, count)
    }

    /// Gives the digest, once the tail was hashed.
    pub(crate) fn digest(&self) -> [u8; 32] {
        let mut digest = [0; 32];
        for (to, from) in digest.iter_mut().zip(self.state.iter().flat_map(|word| word.to_be_bytes())) {
            *to = from;
        }
        digest
    }

    fn begun(&self) -> usize {
        usize::try_from(self.length % 64).unwrap_or(0)
    }
}

pub(crate) type State = [u32; 8];
pub(crate) type Block = [u8; BLOCK];

/// Bytes.
pub(crate) const BLOCK: usize = 64;

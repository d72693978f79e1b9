//! From an open file's bytes to a digest. A faster kernel, such as one that hashes several files in the lanes of one
//! vector register, would replace this module and nothing else.

use std::{io, ops::Range, os::fd::BorrowedFd};

use blake2::Blake2b512;
use sha2::{Digest, Sha256};

use crate::{serialization::Hash, sys};

/// One thread's hash function and buffer.
pub(super) struct Engine {
    hash: Hash,
    buffer: Vec<u8>,
}

/// Why there is no digest.
pub(super) enum Interrupted {
    /// The system could not read.
    Failed(io::Error),
    /// The file ended before the range did.
    Truncated,
    /// The caller did not want to go on.
    Stopped,
}

impl Engine {
    pub(super) fn new(hash: Hash) -> Self {
        Self { hash, buffer: vec![0; BUFFER] }
    }

    /// Hashes a byte range. `advance` is told the bytes of each step and answers whether to go on.
    pub(super) fn digest(
        &mut self,
        file: BorrowedFd<'_>,
        range: Range<u64>,
        advance: &mut dyn FnMut(u64) -> bool,
    ) -> Result<Vec<u8>, Interrupted> {
        let mut hasher = Hasher::new(self.hash);
        let mut offset = range.start;
        while offset < range.end {
            let wanted = usize::try_from(range.end.saturating_sub(offset)).unwrap_or(usize::MAX);
            let length = wanted.min(self.buffer.len());
            let window = self.buffer.get_mut(..length).unwrap_or_default();
            let read = sys::read_at(file, window, offset).map_err(Interrupted::Failed)?;
            let bytes = window.get(..read).unwrap_or_default();
            if bytes.is_empty() {
                return Err(Interrupted::Truncated);
            }
            hasher.update(bytes);
            let step = u64::try_from(bytes.len()).unwrap_or(0);
            offset = offset.saturating_add(step);
            if !advance(step) {
                return Err(Interrupted::Stopped);
            }
        }
        Ok(hasher.finish())
    }
}

enum Hasher {
    Sha256(Sha256),
    Blake2b(Box<Blake2b512>),
    Blake3(Box<blake3::Hasher>),
}

impl Hasher {
    fn new(hash: Hash) -> Self {
        match hash {
            Hash::Sha256 => Self::Sha256(Sha256::new()),
            Hash::Blake2b => Self::Blake2b(Box::new(Blake2b512::new())),
            Hash::Blake3 => Self::Blake3(Box::new(blake3::Hasher::new())),
        }
    }

    fn update(&mut self, bytes: &[u8]) {
        match self {
            Self::Sha256(hasher) => hasher.update(bytes),
            Self::Blake2b(hasher) => hasher.update(bytes),
            Self::Blake3(hasher) => {
                hasher.update(bytes);
            }
        }
    }

    fn finish(self) -> Vec<u8> {
        match self {
            Self::Sha256(hasher) => hasher.finalize().to_vec(),
            Self::Blake2b(hasher) => hasher.finalize().to_vec(),
            Self::Blake3(hasher) => hasher.finalize().as_bytes().to_vec(),
        }
    }
}

/// Fits the second-level cache of a core, so that what was just read is hashed from there.
const BUFFER: usize = 256 * 1024;

#[cfg(test)]
#[allow(clippy::as_conversions)]
#[allow(clippy::disallowed_methods)]
mod tests {
    use std::{fs, os::fd::AsFd};

    use super::*;

    #[test]
    fn f06_file_shorter_than_its_range_has_no_digest() {
        let temporary = tempfile::tempdir().unwrap();
        fs::write(temporary.path().join("file"), vec![1; BUFFER + 10]).unwrap();
        let file = fs::File::open(temporary.path().join("file")).unwrap();
        let end = BUFFER as u64 + 10;
        let mut engine = Engine::new(Hash::Sha256);
        let mut digest = |range| engine.digest(file.as_fd(), range, &mut |_| true);

        assert!(matches!(digest(0..end + 1), Err(Interrupted::Truncated)));
        assert!(matches!(digest(end..end + 1), Err(Interrupted::Truncated)));
        let whole = digest(0..end).ok().unwrap();
        assert_eq!(whole, Sha256::digest(vec![1; BUFFER + 10]).to_vec());
    }
}

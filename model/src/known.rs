//! The digests that unchanged files had in an earlier run, so that they need not be read again.
//!
//! A file is taken for unchanged while its device, inode, size, modification time and change time are what they were. No
//! program can set the change time: writing, truncating, renaming, linking, changing the mode or setting the other times
//! all move it to the system's clock. Nothing is remembered of a file that changed shortly before its run began or later,
//! and nothing is believed where the clock stands before that run. What time stamps do not tell, such as writing through a
//! memory mapping or what somebody with the system's own rights does, this cannot tell either.
//!
//! Kept are bytes under a keyed hash, which its owner stores; they are for one model, hash and method ([`Known::scope`]):
//!
//! ```text
//! "sealwax known digests 1\n"
//! 32 bytes    BLAKE3 with the key, over the scope (32 bytes) and all that follows
//! began       when the run began: seconds, nanoseconds
//! for each file, the largest first
//!   size, device, inode, modified (seconds, nanoseconds), changed (seconds, nanoseconds)
//!   length in bytes, digest of the file or of each of its byte ranges in their order
//! ```
//!
//! Numbers are 8 bytes, little endian.

use std::{collections::BTreeMap, os::unix::ffi::OsStrExt, path::Path};

use crate::{
    error::Error,
    pipeline,
    resource::{Resource, ResourceName},
    serialization::{Method, Serialization},
    sys::{self, Kind, Seen, Stamp},
    walk::File,
};

/// What files had which digests; by default nothing is known.
#[derive(Debug, Clone, Default)]
pub struct Known {
    /// When the run began that made the digests or found them still to hold.
    began: Stamp,
    /// The digests of a file, one after the other in the order of its byte ranges.
    digests: BTreeMap<Seen, Vec<u8>>,
}

impl Known {
    /// The most bytes that [`Known::seal`] makes. Beyond that the smallest files are left out: they cost least to read.
    pub const MAX_BYTES: usize = 64 << 20;

    /// Gives what a sealed form is for: the model at this absolute path without links, hashed in this way. What is left out
    /// of the model plays no part.
    #[must_use]
    pub fn scope(model: &Path, serialization: &Serialization) -> [u8; 32] {
        let shard_size = match serialization.method {
            Method::Files => 0,
            Method::Shards { size } => size.get(),
        };
        let mut hasher = blake3::Hasher::new();
        hasher.update(serialization.hash.name().as_bytes()).update(&[0]).update(&shard_size.to_le_bytes());
        hasher.update(model.as_os_str().as_bytes());
        hasher.finalize().into()
    }

    /// Reads what [`Known::seal`] made with the same key and scope.
    ///
    /// # Errors
    /// [`Error::UnusableKnown`] for anything else, and where the clock stands before the run that it is of: then no time
    /// stamp says what happened since.
    pub fn open(sealed: &[u8], key: &[u8; 32], scope: &[u8; 32]) -> Result<Self, Error> {
        Self::open_at(sealed, key, scope, sys::now())
    }

    fn open_at(sealed: &[u8], key: &[u8; 32], scope: &[u8; 32], now: Stamp) -> Result<Self, Error> {
        let unusable = |reason| Error::UnusableKnown { reason };
        let rest = sealed.strip_prefix(MAGIC).ok_or(unusable("it has another form"))?;
        let forged = || unusable("it is damaged, or another key or model's");
        let (tag, body) = rest.split_first_chunk::<32>().ok_or_else(forged)?;
        // Compared in constant time.
        if blake3::Hash::from_bytes(*tag) != authenticate(key, scope, body) {
            return Err(forged());
        }
        let known = Self::parse(body).ok_or_else(forged)?;
        if known.began > now {
            return Err(unusable("the system's clock was set back since it was made"));
        }
        Ok(known)
    }

    /// Gives bytes to keep. Whoever has the key can make others.
    #[must_use]
    pub fn seal(&self, key: &[u8; 32], scope: &[u8; 32]) -> Vec<u8> {
        let mut body = Vec::new();
        let stamp = |body: &mut Vec<u8>, (seconds, nanoseconds): Stamp| {
            body.extend(seconds.to_le_bytes());
            body.extend(nanoseconds.to_le_bytes());
        };
        stamp(&mut body, self.began);
        for (seen, digest) in self.digests.iter().rev() {
            if body.len().saturating_add(digest.len()).saturating_add(OVERHEAD) > Self::MAX_BYTES {
                break;
            }
            for number in [seen.size, seen.device, seen.inode] {
                body.extend(number.to_le_bytes());
            }
            stamp(&mut body, seen.modified);
            stamp(&mut body, seen.changed);
            body.extend(u64::try_from(digest.len()).unwrap_or(0).to_le_bytes());
            body.extend_from_slice(digest);
        }
        [MAGIC, authenticate(key, scope, &body).as_bytes(), &body].concat()
    }

    fn parse(mut body: &[u8]) -> Option<Self> {
        let body = &mut body;
        let began = stamp(body)?;
        let mut digests = BTreeMap::new();
        while !body.is_empty() {
            let kind = Kind::File;
            let (size, device, inode) = (number(body)?, number(body)?, number(body)?);
            let seen = Seen { kind, size, device, inode, modified: stamp(body)?, changed: stamp(body)? };
            let length = usize::try_from(number(body)?).ok()?;
            let (digest, rest) = body.split_at_checked(length)?;
            digests.insert(seen, digest.to_vec());
            *body = rest;
        }
        Some(Self { began, digests })
    }

    /// Remembers the digests of files that were hashed, or were known, in a run that began then.
    ///
    /// A file that changed later than that, or shortly before, may have changed after it was read without another time stamp
    /// to show for it.
    pub(crate) fn new(began: Stamp, mut files: Vec<File>, lines: &[Resource]) -> Self {
        files.sort_unstable_by(|a, b| a.path.cmp(&b.path));
        let lines = lines.chunk_by(|a, b| a.name.path() == b.name.path());
        let settled =
            files.iter().zip(lines).filter(|(file, _)| file.seen.changed.0.saturating_add(TICK) <= began.0);
        let digests = settled.map(|(file, lines)| {
            let digests: Vec<&[u8]> = lines.iter().map(|line| line.digest.as_slice()).collect();
            (file.seen, digests.concat())
        });
        Self { began, digests: digests.collect() }
    }

    /// Takes out the files whose digests are known, and gives them with their lines of the manifest.
    pub(crate) fn split_off(
        &self,
        files: &mut Vec<File>,
        serialization: &Serialization,
    ) -> (Vec<File>, Vec<Resource>) {
        let mut lines = Vec::new();
        let known = files.extract_if(.., |file| {
            let found = self.digests.get(&file.seen);
            let found = found.and_then(|digests| lines_of(file, digests, serialization));
            found.map(|found| lines.extend(found)).is_some()
        });
        (known.collect(), lines)
    }
}

/// Gives the lines of a file, if there are as many digests as it has lines.
fn lines_of(file: &File, digests: &[u8], serialization: &Serialization) -> Option<Vec<Resource>> {
    let length = serialization.hash.digest_len();
    let names = match serialization.method {
        Method::Files => vec![ResourceName::file(file.path.clone())],
        Method::Shards { size } => pipeline::shards(file.seen.size, size)
            .map(|range| ResourceName::shard(file.path.clone(), range))
            .collect(),
    };
    if names.len().checked_mul(length)? != digests.len() {
        return None;
    }
    let digests = digests.chunks_exact(length).map(<[u8]>::to_vec);
    Some(names.into_iter().zip(digests).map(|(name, digest)| Resource { name, digest }).collect())
}

fn authenticate(key: &[u8; 32], scope: &[u8; 32], body: &[u8]) -> blake3::Hash {
    blake3::Hasher::new_keyed(key).update(scope).update(body).finalize()
}

fn number(bytes: &mut &[u8]) -> Option<u64> {
    let (number, rest) = bytes.split_first_chunk::<8>()?;
    *bytes = rest;
    Some(u64::from_le_bytes(*number))
}

fn stamp(bytes: &mut &[u8]) -> Option<Stamp> {
    Some((number(bytes)?.cast_signed(), number(bytes)?.cast_signed()))
}

const MAGIC: &[u8] = b"sealwax known digests 1\n";
/// Seconds, more than the coarsest time stamps of a file system are apart: two, on FAT.
const TICK: i64 = 3;
/// Bytes of a file beside its digest.
const OVERHEAD: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::path::ModelPath;

    const KEY: [u8; 32] = [1; 32];
    const SCOPE: [u8; 32] = [2; 32];
    const BEGAN: Stamp = (1_000, 0);

    fn file(size: u64, changed: Stamp) -> File {
        let seen = Seen { kind: Kind::File, size, device: 1, inode: size, modified: (1, 2), changed };
        File { directory: 0, path: Some(ModelPath::parse(&format!("f{size}")).unwrap()), seen }
    }

    fn known(files: Vec<File>) -> Known {
        let lines = files.iter().map(|file| Resource {
            name: ResourceName::file(file.path.clone()),
            digest: vec![u8::try_from(file.seen.size % 251).unwrap(); 32],
        });
        let mut lines: Vec<Resource> = lines.collect();
        lines.sort_by(|a, b| a.name.cmp(&b.name));
        Known::new(BEGAN, files, &lines)
    }

    fn found(known: &Known, file: File) -> bool {
        known.split_off(&mut vec![file], &Serialization::default()).0.len() == 1
    }

    #[test]
    fn sealed_and_opened_it_knows_the_same() {
        let sealed = known(vec![file(7, (900, 0)), file(8, (3, 4)), file(0, (-5, 6))]).seal(&KEY, &SCOPE);
        let opened = Known::open(&sealed, &KEY, &SCOPE).unwrap();
        for (size, changed) in [(7, (900, 0)), (8, (3, 4)), (0, (-5, 6))] {
            let (files, lines) = opened.split_off(&mut vec![file(size, changed)], &Serialization::default());
            assert_eq!((files.len(), lines.len()), (1, 1));
            assert_eq!(lines[0].digest, vec![u8::try_from(size).unwrap(); 32]);
        }
        assert!(!found(&opened, file(9, (3, 4))));
    }

    #[test]
    fn every_changed_bit_another_key_and_another_scope_are_refused() {
        let sealed = known(vec![file(7, (900, 0))]).seal(&KEY, &SCOPE);
        for bit in 0..sealed.len() * 8 {
            let mut bad = sealed.clone();
            bad[bit / 8] ^= 1 << (bit % 8);
            assert!(matches!(Known::open(&bad, &KEY, &SCOPE), Err(Error::UnusableKnown { .. })), "bit {bit}");
        }
        for length in 0..sealed.len() {
            assert!(Known::open(&sealed[..length], &KEY, &SCOPE).is_err(), "{length} bytes");
        }
        assert!(Known::open(&[sealed.as_slice(), b"x"].concat(), &KEY, &SCOPE).is_err());
        assert!(Known::open(&sealed, &[9; 32], &SCOPE).is_err());
        assert!(Known::open(&sealed, &KEY, &[9; 32]).is_err());
    }

    #[test]
    fn a_clock_that_was_set_back_ends_all_belief() {
        let sealed = known(vec![file(7, (900, 0))]).seal(&KEY, &SCOPE);
        assert!(Known::open_at(&sealed, &KEY, &SCOPE, BEGAN).is_ok());
        for now in [(999, 999_999_999), (0, 0), (-1, 0)] {
            let opened = Known::open_at(&sealed, &KEY, &SCOPE, now);
            assert!(matches!(opened, Err(Error::UnusableKnown { reason }) if reason.contains("clock")));
        }
    }

    #[test]
    fn a_file_that_changed_just_before_the_run_or_later_is_not_remembered() {
        for (changed, remembered) in
            [((997, 999_999_999), true), ((998, 0), false), (BEGAN, false), ((1_001, 0), false)]
        {
            assert_eq!(found(&known(vec![file(7, changed)]), file(7, changed)), remembered, "{changed:?}");
        }
    }

    #[test]
    fn whatever_differs_it_is_another_file() {
        let known = known(vec![file(7, (3, 4))]);
        let change: [fn(&mut Seen); 6] = [
            |seen| seen.size = 8,
            |seen| seen.device = 2,
            |seen| seen.inode = 8,
            |seen| seen.modified.1 = 3,
            |seen| seen.changed.1 = 5,
            |seen| seen.changed.0 = 4,
        ];
        for change in change {
            let mut other = file(7, (3, 4));
            change(&mut other.seen);
            assert!(!found(&known, other));
        }
        assert!(found(&known, file(7, (3, 4))));
    }

    #[test]
    fn a_digest_of_another_length_is_no_digest() {
        let known = known(vec![file(7, (3, 4))]);
        let other = Serialization { hash: crate::Hash::Blake2b, ..Serialization::default() };
        assert!(known.split_off(&mut vec![file(7, (3, 4))], &other).0.is_empty());
        let size = std::num::NonZeroU64::new(4).unwrap();
        let shards = Serialization { method: Method::Shards { size }, ..Serialization::default() };
        assert!(known.split_off(&mut vec![file(7, (3, 4))], &shards).0.is_empty());
    }

    #[test]
    fn what_is_kept_is_bounded_and_the_largest_files_stay() {
        let digest = vec![0; 1 << 20];
        let entry = |size| (file(size, (3, 4)).seen, digest.clone());
        let known = Known { began: BEGAN, digests: (1..=70).map(entry).collect() };
        let sealed = known.seal(&KEY, &SCOPE);
        assert!(sealed.len() <= Known::MAX_BYTES + 64, "{}", sealed.len());
        let opened = Known::open(&sealed, &KEY, &SCOPE).unwrap();
        assert_eq!(opened.digests.len(), 63);
        assert!(opened.digests.keys().all(|seen| seen.size > 7));
    }
}

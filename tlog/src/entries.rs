//! Entry bundles: up to 256 consecutive entries, each behind its length (C2SP tlog-tiles, "Log entries").
//!
//! ```text
//! 00 03 'o' 'n' 'e'   00 03 't' 'w' 'o'   00 00
//! ```
//!
//! A bundle says neither where it starts nor how many entries it has; both follow from its path and the tree size, which
//! is why decoding takes the count.

use crate::Error;

/// Encodes consecutive entries as one bundle; an entry above [`MAX_ENTRY`] bytes is refused.
///
/// # Errors
///
/// [`Error::EntryTooLarge`] for the first entry above [`MAX_ENTRY`] bytes.
pub fn encode<T: AsRef<[u8]>>(entries: &[T]) -> Result<Vec<u8>, Error> {
    let mut bytes = Vec::new();
    for entry in entries {
        push(&mut bytes, entry.as_ref())?;
    }
    Ok(bytes)
}

/// Appends one entry to a bundle.
///
/// # Errors
///
/// [`Error::EntryTooLarge`] above [`MAX_ENTRY`] bytes; the bundle is unchanged.
pub fn push(bundle: &mut Vec<u8>, entry: &[u8]) -> Result<(), Error> {
    let length = u16::try_from(entry.len()).map_err(|_| Error::EntryTooLarge { length: entry.len() })?;
    bundle.extend_from_slice(&length.to_be_bytes());
    bundle.extend_from_slice(entry);
    Ok(())
}

/// Decodes a bundle of exactly `count` entries; fewer, more, or bytes left over are refused.
///
/// # Errors
///
/// [`Error::EntryCount`] where the bundle is not exactly so many entries.
pub fn decode(bundle: &[u8], count: u16) -> Result<Vec<&[u8]>, Error> {
    let wrong = || Error::EntryCount { expected: count };
    let mut rest = bundle;
    let mut entries = Vec::with_capacity(usize::from(count).min(256));
    for _ in 0..count {
        let (length, after) = rest.split_first_chunk::<2>().ok_or_else(wrong)?;
        let (entry, after) =
            after.split_at_checked(usize::from(u16::from_be_bytes(*length))).ok_or_else(wrong)?;
        entries.push(entry);
        rest = after;
    }
    if rest.is_empty() { Ok(entries) } else { Err(wrong()) }
}

/// The largest entry that a bundle can hold, in bytes.
pub const MAX_ENTRY: usize = 65_535;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn t20_a_bundle_has_one_reading() {
        let largest = vec![7; MAX_ENTRY];
        let bundle = encode(&[b"".as_slice(), b"one", &largest]).unwrap();
        assert_eq!(decode(&bundle, 3).unwrap(), [b"".as_slice(), b"one", &largest]);
        for count in [0, 1, 2, 4, 256, u16::MAX] {
            assert!(
                matches!(decode(&bundle, count), Err(Error::EntryCount { expected }) if expected == count)
            );
        }
        for cut in [1, 2, 3, 4, bundle.len() - 1] {
            assert!(decode(&bundle[..cut], 3).is_err(), "cut at {cut}");
        }
        let mut longer = bundle.clone();
        longer.push(0);
        assert!(decode(&longer, 3).is_err());
        assert_eq!(decode(&[], 0).unwrap(), Vec::<&[u8]>::new());
    }

    #[test]
    fn t20_an_entry_of_65536_bytes_is_refused() {
        let entry = vec![0; MAX_ENTRY + 1];
        assert!(matches!(encode(&[&entry]), Err(Error::EntryTooLarge { length: 65_536 })));
    }

    #[test]
    fn t20_moving_a_byte_between_entries_changes_both_leaves() {
        let honest = encode(&[b"ab".as_slice(), b"c"]).unwrap();
        let shifted = encode(&[b"a".as_slice(), b"bc"]).unwrap();
        assert_eq!(honest.len(), shifted.len());
        for (a, b) in decode(&honest, 2).unwrap().iter().zip(decode(&shifted, 2).unwrap()) {
            assert_ne!(crate::Hash::leaf(a), crate::Hash::leaf(b));
        }
    }
}

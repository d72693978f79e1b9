//! What a log sends to a witness: the new checkpoint, and the proof from the one that the witness saw (C2SP tlog-witness).
//!
//! ```text
//! old 20852014
//! PlRNCrwHpqhGrupue0L7gxbjbMiKA9temvuZZDDpkaw=
//! 5+pKlUdi2LeF/BcMHBn+Ku6yhPGNCswZZD1X/6QgPd8=
//!
//! example.com/behind-the-sofa
//! 20852163
//! CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=
//!
//! — example.com/behind-the-sofa Az3grlgtzPICa5OS8npVmf1Myq/5IZniMp+ZJurmRDeOoRDe4URYN7u5/Zhcyv2q1gGzGku9nTo+zyWE+xeMcTOAYQ8=
//! ```
//!
//! It has one byte representation: what is parsed writes back unchanged. The checkpoint is kept as the bytes that came;
//! nothing here looks into it.

use crate::checkpoint::decimal;
use crate::{Error, Hash};

/// The body of an `add-checkpoint` request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AddCheckpoint {
    /// The size that the witness cosigned last, as the log believes; 0 for none.
    pub old_size: u64,
    /// The consistency proof from that size to the checkpoint's, at most 63 hashes.
    pub proof: Vec<Hash>,
    /// The signed note of the new checkpoint.
    pub note: Vec<u8>,
}

impl AddCheckpoint {
    /// Parses a request; the caller caps its length.
    ///
    /// # Errors
    ///
    /// [`Error::AddCheckpoint`] with the rule that is broken, [`Error::Base64`] and [`Error::HashLength`] for a hash.
    pub fn parse(bytes: &[u8]) -> Result<AddCheckpoint, Error> {
        let malformed = |reason| Error::AddCheckpoint { reason };
        let (old, mut rest) = line(bytes)?;
        let old_size = old
            .strip_prefix("old ")
            .and_then(decimal)
            .ok_or(malformed("the first line is not `old` and a decimal number without leading zeros"))?;
        let mut proof = Vec::new();
        loop {
            let (hash, after) = line(rest)?;
            rest = after;
            if hash.is_empty() {
                return Ok(AddCheckpoint { old_size, proof, note: rest.to_vec() });
            }
            if proof.len() >= MAX_PROOF {
                return Err(malformed("more than 63 hashes"));
            }
            proof.push(Hash::from_base64(hash)?);
        }
    }

    /// Writes the request; the inverse of [`AddCheckpoint::parse`].
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut text = format!("old {}\n", self.old_size);
        for hash in &self.proof {
            text.push_str(&format!("{}\n", hash.to_base64()));
        }
        text.push('\n');
        [text.as_bytes(), &self.note].concat()
    }

    /// Parses the body of a witness's conflict (status 409): the size that it cosigned last, and a line end.
    ///
    /// # Errors
    ///
    /// [`Error::AddCheckpoint`] for anything else.
    pub fn parse_conflict(body: &[u8]) -> Result<u64, Error> {
        let size = std::str::from_utf8(body).ok().and_then(|text| text.strip_suffix('\n'));
        size.and_then(decimal).ok_or(Error::AddCheckpoint { reason: "a conflict without the recorded size" })
    }
}

/// Splits off the first line, without its line end.
fn line(bytes: &[u8]) -> Result<(&str, &[u8]), Error> {
    let malformed = |reason| Error::AddCheckpoint { reason };
    let mut parts = bytes.splitn(2, |byte| *byte == b'\n');
    let (Some(line), Some(rest)) = (parts.next(), parts.next()) else {
        return Err(malformed("no blank line before the checkpoint"));
    };
    Ok((std::str::from_utf8(line).map_err(|_| malformed("not UTF-8"))?, rest))
}

/// The longest proof that a tree of 2^64 leaves can need.
const MAX_PROOF: usize = 63;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_specification_s_example_parses_and_writes_back() {
        let example = "old 20852014\n\
            PlRNCrwHpqhGrupue0L7gxbjbMiKA9temvuZZDDpkaw=\n\
            jrJZDmY8Y7SyJE0MWLpLozkIVMSMZcD5kvuKxPC3swk=\n\
            \n\
            example.com/behind-the-sofa\n20852163\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n\nlines\n";
        let request = AddCheckpoint::parse(example.as_bytes()).unwrap();
        assert_eq!((request.old_size, request.proof.len()), (20_852_014, 2));
        assert!(request.note.starts_with(b"example.com/behind-the-sofa\n"));
        assert_eq!(request.to_bytes(), example.as_bytes());
    }

    #[test]
    fn what_is_not_the_one_spelling_is_refused() {
        let hash = Hash::leaf(b"x").to_base64();
        let refused = |text: String| {
            assert!(AddCheckpoint::parse(text.as_bytes()).is_err(), "{text:?}");
        };
        AddCheckpoint::parse(format!("old 0\n{hash}\n\nnote").as_bytes()).unwrap();
        let bad = "old 00|old 01|old +1|old -1|old  1|old 1 |old\t1|old |old|Old 1|1| old 1";
        for old in bad.split('|') {
            refused(format!("{old}\n\nnote"));
        }
        refused(format!("old {}0\n\nnote", u64::MAX));
        refused(format!("old 1\r\n{hash}\r\n\r\nnote"));
        let unpadded = hash.trim_end_matches('=').to_owned();
        for proof in [format!("{hash} "), format!(" {hash}"), unpadded, "AAAA".into(), "old 1".into()] {
            refused(format!("old 1\n{proof}\n\nnote"));
        }
        for cut in ["", "old 1", "old 1\n", &format!("old 1\n{hash}\n")] {
            refused(cut.to_owned());
        }
        assert!(AddCheckpoint::parse(b"old 1\n\xff\n\nnote").is_err());
    }

    #[test]
    fn at_most_63_hashes_are_taken() {
        let with =
            |count| AddCheckpoint { old_size: 1, proof: vec![Hash::leaf(b"x"); count], note: b"n".to_vec() };
        let most = with(63);
        assert_eq!(AddCheckpoint::parse(&most.to_bytes()).unwrap(), most);
        assert!(matches!(AddCheckpoint::parse(&with(64).to_bytes()), Err(Error::AddCheckpoint { .. })));
    }

    #[test]
    fn w01_a_conflict_names_one_size_and_nothing_else() {
        assert_eq!(AddCheckpoint::parse_conflict(b"0\n").unwrap(), 0);
        assert_eq!(AddCheckpoint::parse_conflict(format!("{}\n", u64::MAX).as_bytes()).unwrap(), u64::MAX);
        for bad in ["", "\n", "1", "01\n", "1\n\n", " 1\n", "-1\n", "1 \n", "1\r\n", "one\n"] {
            assert!(AddCheckpoint::parse_conflict(bad.as_bytes()).is_err(), "{bad:?}");
        }
    }

    proptest! {
        #[test]
        fn what_parses_writes_back_the_same(text in "old [0-9]{1,3}\n([A-Za-z0-9+/]{43}=\n){0,2}\n?.{0,9}") {
            if let Ok(request) = AddCheckpoint::parse(text.as_bytes()) {
                prop_assert_eq!(request.to_bytes(), text.as_bytes());
            }
        }
    }
}

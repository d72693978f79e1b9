//! How many signed a time-stamp token: one rule of RFC 3161 (section 2.4.2, "only one SignerInfo") that the other verifier,
//! which reads everything else of a token, does not hold it to (attack M06).
//!
//! ```text
//! TimeStampResp ::= SEQUENCE { status SEQUENCE, token ContentInfo }
//! ContentInfo   ::= SEQUENCE { OBJECT IDENTIFIER, [0] { SignedData } }
//! SignedData    ::= SEQUENCE { …, signerInfos SET }
//! ```

/// Counts who signed a token, given alone or in a response; `None` where it is not DER of this form.
pub(crate) fn signers(token: &[u8]) -> Option<usize> {
    let response = children(only(token, SEQUENCE)?)?;
    let info = match response.as_slice() {
        [(SEQUENCE, _), (SEQUENCE, info), ..] => children(info)?,
        _ => response,
    };
    let [(OBJECT_IDENTIFIER, _), (EXPLICIT_0, content)] = info.as_slice() else { return None };
    let fields = children(only(content, SEQUENCE)?)?;
    let (SET, infos) = fields.last()? else { return None };
    Some(children(infos)?.len())
}

/// One value and nothing behind it.
fn only(bytes: &[u8], tag: u8) -> Option<&[u8]> {
    let (found, content, rest) = split(bytes)?;
    (found == tag && rest.is_empty()).then_some(content)
}

fn children(mut bytes: &[u8]) -> Option<Vec<(u8, &[u8])>> {
    let mut children = Vec::new();
    while !bytes.is_empty() {
        let (tag, content, rest) = split(bytes)?;
        children.push((tag, content));
        bytes = rest;
    }
    Some(children)
}

/// Splits off one value with a tag of one byte and a definite length.
fn split(bytes: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (&[tag, length], rest) = bytes.split_first_chunk::<2>()?;
    let (length, rest) = match length {
        0..=0x7f => (usize::from(length), rest),
        0x81..=0x84 => {
            let (digits, rest) = rest.split_at_checked(usize::from(length & 0x7f))?;
            let value = digits.iter().fold(0_u64, |value, digit| value << 8 | u64::from(*digit));
            (usize::try_from(value).ok()?, rest)
        }
        _ => return None,
    };
    let (content, rest) = rest.split_at_checked(length)?;
    Some((tag, content, rest))
}

const OBJECT_IDENTIFIER: u8 = 0x06;
const SEQUENCE: u8 = 0x30;
const SET: u8 = 0x31;
const EXPLICIT_0: u8 = 0xa0;

#[cfg(test)]
mod tests {
    use super::*;

    fn tlv(tag: u8, content: &[u8]) -> Vec<u8> {
        let length = u16::try_from(content.len()).unwrap().to_be_bytes();
        [&[tag, 0x82], &length[..], content].concat()
    }

    fn token(infos: &[&[u8]]) -> Vec<u8> {
        let signed = [tlv(2, &[3]), tlv(SET, &[]), tlv(SET, &infos.concat())].concat();
        tlv(SEQUENCE, &[tlv(6, &[42]), tlv(EXPLICIT_0, &tlv(SEQUENCE, &signed))].concat())
    }

    #[test]
    fn m06_signers_are_counted() {
        let one = tlv(SEQUENCE, &[2, 1, 1]);
        for (infos, count) in [(&[][..], 0), (&[&one[..]], 1), (&[&one[..], &one], 2)] {
            let alone = token(infos);
            assert_eq!(signers(&alone), Some(count));
            let response = tlv(SEQUENCE, &[tlv(SEQUENCE, &[2, 1, 0]), alone.clone()].concat());
            assert_eq!(signers(&response), Some(count));
            for cut in 0..response.len() {
                assert_eq!(signers(&response[..cut]), None, "{cut}");
            }
            assert_eq!(signers(&[&response[..], &[0]].concat()), None);
        }
    }

    #[test]
    fn b02_lengths_beyond_the_bytes_are_refused() {
        for bad in
            [&[0x30][..], &[0x30, 0x80], &[0x30, 0x85, 0, 0, 0, 0, 1, 0], &[0x30, 0x84, 255, 255, 255, 255]]
        {
            assert_eq!(signers(bad), None);
        }
    }
}

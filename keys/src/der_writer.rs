//! Writes DER piece by piece for the tests, broken DER included.

use der::asn1::ObjectIdentifier;

/// Writes one tag, length and value, the value joined from its parts.
pub(crate) fn tlv(tag: u8, parts: &[&[u8]]) -> Vec<u8> {
    let value = parts.concat();
    let mut out = vec![tag];
    match u16::try_from(value.len()).expect("tests stay small").to_be_bytes() {
        [0, short @ 0..=0x7f] => out.push(short),
        [0, long] => out.extend([0x81, long]),
        [high, low] => out.extend([0x82, high, low]),
    }
    out.extend(value);
    out
}

/// Writes a SEQUENCE.
pub(crate) fn sequence(parts: &[&[u8]]) -> Vec<u8> {
    tlv(0x30, parts)
}

/// Writes an OBJECT IDENTIFIER.
pub(crate) fn oid(text: &str) -> Vec<u8> {
    tlv(6, &[ObjectIdentifier::new(text).expect("test identifiers are valid").as_bytes()])
}

/// Writes a non-negative INTEGER from big-endian bytes.
pub(crate) fn integer(bytes: &[u8]) -> Vec<u8> {
    let start = bytes.iter().position(|byte| *byte != 0).unwrap_or(bytes.len());
    match bytes.get(start..).unwrap_or_default() {
        [] => tlv(2, &[&[0]]),
        significant @ [0x80..=0xff, ..] => tlv(2, &[&[0], significant]),
        significant => tlv(2, &[significant]),
    }
}

/// Writes an INTEGER from a number.
pub(crate) fn number(value: u64) -> Vec<u8> {
    integer(&value.to_be_bytes())
}

/// Writes an OCTET STRING.
pub(crate) fn octets(bytes: &[u8]) -> Vec<u8> {
    tlv(4, &[bytes])
}

/// Writes a BIT STRING of whole bytes.
pub(crate) fn bits(bytes: &[u8]) -> Vec<u8> {
    tlv(3, &[&[0], bytes])
}

/// NULL.
pub(crate) const NULL: &[u8] = &[5, 0];

//! Certificates written byte by byte, so that every rule of X.509 can be broken.

use jiff::tz::TimeZone;
use sealwax_keys::{PublicKey, SecretKey};

use crate::world::time;

/// What a certificate says, as DER where that is to be broken.
#[derive(Clone)]
pub(crate) struct Certificate {
    /// The content of the INTEGER.
    pub(crate) serial: Vec<u8>,
    /// A common name; an empty one is no name at all.
    pub(crate) issuer: String,
    pub(crate) subject: String,
    pub(crate) from: String,
    pub(crate) until: String,
    pub(crate) extensions: Vec<Vec<u8>>,
}

impl Certificate {
    pub(crate) fn new(subject: &str, issuer: &str, from: &str, until: &str) -> Self {
        Self {
            serial: vec![0x42, 1, 2, 3],
            issuer: issuer.to_owned(),
            subject: subject.to_owned(),
            from: from.to_owned(),
            until: until.to_owned(),
            extensions: Vec::new(),
        }
    }

    /// The part that is signed, for a subject's key.
    pub(crate) fn tbs(&self, key: &PublicKey) -> Vec<u8> {
        sequence(&[
            tlv(0xa0, &tlv(2, &[2])),
            tlv(2, &self.serial),
            ecdsa_sha256(),
            name(&self.issuer),
            sequence(&[moment(&self.from), moment(&self.until)]),
            name(&self.subject),
            key.spki_der().to_vec(),
            tlv(0xa3, &sequence(&self.extensions)),
        ])
    }

    /// The certificate, signed by a key on P-256.
    pub(crate) fn signed(&self, key: &PublicKey, issuer: &SecretKey) -> Vec<u8> {
        let tbs = self.tbs(key);
        let signature = issuer.sign(&tbs).unwrap();
        sequence(&[tbs, ecdsa_sha256(), tlv(3, &[&[0][..], &signature].concat())])
    }
}

pub(crate) fn extension(id: &str, critical: bool, octets: &[u8]) -> Vec<u8> {
    let flag = if critical { tlv(1, &[0xff]) } else { Vec::new() };
    sequence(&[oid(id), flag, octets.to_vec()])
}

/// An extension below Fulcio's arc.
pub(crate) fn fulcio(number: u32, value: &[u8]) -> Vec<u8> {
    extension(&format!("1.3.6.1.4.1.57264.1.{number}"), false, &octets(value))
}

pub(crate) fn authority(path_length: Option<u8>) -> Vec<u8> {
    let limit = path_length.map_or_else(Vec::new, |limit| tlv(2, &[limit]));
    extension("2.5.29.19", true, &octets(&sequence(&[tlv(1, &[0xff]), limit])))
}

/// Key usage with the bits of its one byte, which must not be zero.
pub(crate) fn key_usage(bits: u8) -> Vec<u8> {
    let unused = u8::try_from(bits.trailing_zeros()).unwrap();
    extension("2.5.29.15", true, &octets(&tlv(3, &[unused, bits])))
}

pub(crate) fn purposes(ids: &[&str]) -> Vec<u8> {
    let ids: Vec<Vec<u8>> = ids.iter().map(|id| oid(id)).collect();
    extension("2.5.29.37", false, &octets(&sequence(&ids)))
}

pub(crate) fn san(names: &[Vec<u8>]) -> Vec<u8> {
    extension("2.5.29.17", true, &octets(&sequence(names)))
}

pub(crate) fn email(text: &str) -> Vec<u8> {
    tlv(0x81, text.as_bytes())
}

pub(crate) fn dns(text: &str) -> Vec<u8> {
    tlv(0x82, text.as_bytes())
}

pub(crate) fn uri(text: &str) -> Vec<u8> {
    tlv(0x86, text.as_bytes())
}

/// Fulcio's name of a user.
pub(crate) fn other_name(text: &str) -> Vec<u8> {
    tlv(0xa0, &[oid("1.3.6.1.4.1.57264.1.7"), tlv(0xa0, &utf8(text))].concat())
}

pub(crate) fn utf8(text: &str) -> Vec<u8> {
    tlv(12, text.as_bytes())
}

pub(crate) fn octets(bytes: &[u8]) -> Vec<u8> {
    tlv(4, bytes)
}

pub(crate) fn oid(dotted: &str) -> Vec<u8> {
    let parts: Vec<u32> = dotted.split('.').map(|part| part.parse().unwrap()).collect();
    let mut content = vec![u8::try_from(parts[0] * 40 + parts[1]).unwrap()];
    for part in &parts[2..] {
        let mut septets = vec![u8::try_from(part & 0x7f).unwrap()];
        let mut rest = part >> 7;
        while rest > 0 {
            septets.push(u8::try_from(rest & 0x7f).unwrap() | 0x80);
            rest >>= 7;
        }
        content.extend(septets.into_iter().rev());
    }
    tlv(6, &content)
}

fn ecdsa_sha256() -> Vec<u8> {
    sequence(&[oid("1.2.840.10045.4.3.2")])
}

fn name(common: &str) -> Vec<u8> {
    match common {
        "" => sequence(&[]),
        _ => sequence(&[tlv(0x31, &sequence(&[oid("2.5.4.3"), utf8(common)]))]),
    }
}

fn moment(text: &str) -> Vec<u8> {
    let zoned = time(text).to_zoned(TimeZone::UTC);
    tlv(23, zoned.strftime("%y%m%d%H%M%SZ").to_string().as_bytes())
}

fn sequence(parts: &[Vec<u8>]) -> Vec<u8> {
    tlv(0x30, &parts.concat())
}

fn tlv(tag: u8, content: &[u8]) -> Vec<u8> {
    let length = content.len();
    let mut bytes = vec![tag];
    match u8::try_from(length) {
        Ok(short) if short < 0x80 => bytes.push(short),
        Ok(long) => bytes.extend([0x81, long]),
        Err(_) => {
            bytes.push(0x82);
            bytes.extend(u16::try_from(length).unwrap().to_be_bytes());
        }
    }
    bytes.extend(content);
    bytes
}

//! The DSSE protocol's vectors: pre-authentication encodings, and an ECDSA signature over one.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

use sealwax_attestation::{Envelope, pae};
use sealwax_keys::{PublicKey, Scheme};

use crate::{find, read};

fn vectors() -> Option<Value> {
    find("dsse/dsse.json").map(|path| serde_json::from_slice(&read(&path)).unwrap())
}

fn bytes(value: &Value) -> Vec<u8> {
    STANDARD.decode(value.as_str().unwrap()).unwrap()
}

#[test]
fn d02_pre_authentication_encodings() {
    let Some(vectors) = vectors() else { return };
    let rows = vectors["pae"].as_array().unwrap();
    for row in rows {
        let encoded = pae(row["payloadType"].as_str().unwrap(), &bytes(&row["payload_b64"]));
        assert_eq!(encoded, bytes(&row["pae_b64"]), "{row}");
    }
    assert_eq!(rows.len(), 7);
}

#[test]
fn d02_two_different_pairs_never_encode_alike() {
    // The lengths keep a border that the text alone would not: the first two rows would read the same without them.
    let pairs: [(&str, &[u8]); 4] = [("a", b" 1 b"), ("a 1", b"b"), ("a 1 b", b""), ("", b"a 1 b")];
    let encoded: Vec<_> = pairs.iter().map(|(kind, payload)| pae(kind, payload)).collect();
    for (index, one) in encoded.iter().enumerate() {
        assert!(encoded.iter().skip(index + 1).all(|other| other != one), "{:?}", pairs[index]);
    }
}

#[test]
fn the_protocols_signature_verifies() {
    let Some(vectors) = vectors() else { return };
    let vector = &vectors["ecdsa"];
    let key = p256_key(&coordinate(&vector["X"]), &coordinate(&vector["Y"]));
    let envelope = &vector["envelope"];
    let raw = bytes(&envelope["signatures"][0]["sig"]);
    // The vector has the two numbers side by side; Sigstore's registry, and so everything here, wants ASN.1.
    let envelope = Envelope {
        payload: bytes(&envelope["payload"]),
        payload_type: envelope["payloadType"].as_str().unwrap().to_owned(),
        signature: der_signature(&raw),
        key_id: String::new(),
    };
    key.verify(Scheme::EcdsaP256Sha256, &envelope.pae(), &envelope.signature).unwrap();
    assert!(key.verify(Scheme::EcdsaP256Sha256, &envelope.pae(), &raw).is_err());
    assert!(key.verify(Scheme::EcdsaP256Sha256, &envelope.payload, &envelope.signature).is_err());
}

/// Reads a decimal number into 32 bytes, big-endian.
fn coordinate(value: &Value) -> [u8; 32] {
    let mut number = [0_u8; 32];
    for digit in value.as_str().unwrap().bytes() {
        let mut carry = u32::from(digit - b'0');
        for byte in number.iter_mut().rev() {
            carry += u32::from(*byte) * 10;
            *byte = carry.to_le_bytes()[0];
            carry >>= 8;
        }
        assert_eq!(carry, 0);
    }
    number
}

fn p256_key(x: &[u8; 32], y: &[u8; 32]) -> PublicKey {
    // SubjectPublicKeyInfo of an uncompressed point on P-256 (RFC 5480 section 2).
    const HEAD: &str = "3059301306072a8648ce3d020106082a8648ce3d03010703420004";
    PublicKey::from_spki_der(&[hex::decode(HEAD).unwrap().as_slice(), x, y].concat()).unwrap()
}

fn der_signature(raw: &[u8]) -> Vec<u8> {
    let integer = |number: &[u8]| {
        let start = number.iter().position(|byte| *byte != 0).unwrap();
        let sign: &[u8] = if number[start] >= 0x80 { &[0] } else { &[] };
        tagged(0x02, &[sign, &number[start..]].concat())
    };
    let (r, s) = raw.split_at(32);
    tagged(0x30, &[integer(r), integer(s)].concat())
}

fn tagged(tag: u8, content: &[u8]) -> Vec<u8> {
    [&[tag, u8::try_from(content.len()).unwrap()], content].concat()
}

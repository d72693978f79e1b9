//! Public keys and signatures, each wrong in one thing.
//!
//! This is one file because every kind of key is tried with the same damage.

use der::asn1::ObjectIdentifier;

use super::spki::write_point;
use super::*;
use crate::der_writer::{NULL, bits, integer, number, octets, oid, sequence, tlv};
use crate::secret_key::SecretKey;

const P521: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.132.0.35");
const P256_ORDER: &str = "ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551";

fn pair(kind: KeyKind) -> (SecretKey, PublicKey) {
    let secret = SecretKey::generate(kind).unwrap();
    let public = secret.public_key().clone();
    (secret, public)
}

fn malformed_or_weak(result: Result<PublicKey>) {
    assert!(matches!(result, Err(Error::Malformed { .. } | Error::WeakKey { .. })), "{result:?}");
}

fn rsa(modulus: &[u8], exponent: &[u8]) -> Vec<u8> {
    let key = sequence(&[&integer(modulus), &integer(exponent)]);
    sequence(&[&sequence(&[&oid("1.2.840.113549.1.1.1"), NULL]), &bits(&key)])
}

/// An odd number of exactly the given size that a parser cannot tell from a modulus.
fn modulus(bit_length: usize) -> Vec<u8> {
    let mut bytes = vec![0xa5; bit_length.div_ceil(8)];
    bytes[0] = 0xff >> (bytes.len() * 8 - bit_length);
    bytes
}

#[test]
fn reads_back_what_it_wrote() {
    for kind in [KeyKind::P256, KeyKind::P384, KeyKind::Ed25519] {
        let (_, key) = pair(kind);
        assert_eq!(PublicKey::from_spki_der(key.spki_der()).unwrap(), key);
        assert_eq!(PublicKey::from_pem(key.to_pem().as_bytes()).unwrap(), key);
        assert_eq!(key.kind(), kind);
    }
}

#[test]
fn ed25519_bytes_lead_back_to_the_key() {
    let (_, key) = pair(KeyKind::Ed25519);
    assert_eq!(PublicKey::from_ed25519(&key.ed25519_bytes().unwrap()).unwrap(), key);
    assert_eq!(pair(KeyKind::P256).1.ed25519_bytes(), None);
}

#[test]
fn pem_and_identifiers_are_openssl_s() {
    let text = "-----BEGIN PUBLIC KEY-----\n\
                MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEKSexBRK64+3c/kZ4KBKLrSkDJpkZ\n\
                9whgacjE32xzKDjHeHlk6qwA5ZIfsUmKYPRgZ2az2WhQAVWNGpdOc0FRPg==\n\
                -----END PUBLIC KEY-----\n";
    let key = PublicKey::from_pem(text.as_bytes()).unwrap();
    assert_eq!(key.to_pem(), text);
    assert_eq!(key.oms_hint(), hex::encode(HashAlgorithm::Sha256.digest(text.as_bytes())));
    assert_eq!(key.fingerprint().to_vec(), HashAlgorithm::Sha256.digest(key.spki_der()));
    assert_ne!(key.oms_hint(), hex::encode(key.fingerprint()));
}

#[test]
fn debug_shows_no_more_than_the_fingerprint() {
    let (_, key) = pair(KeyKind::P256);
    assert_eq!(
        format!("{key:?}"),
        format!("PublicKey {{ kind: P256, bits: 256, fingerprint: \"{}\" }}", hex::encode(key.fingerprint()))
    );
}

#[test]
fn g05_refuses_compressed_point() {
    for kind in [KeyKind::P256, KeyKind::P384] {
        let (_, key) = pair(kind);
        let point = key.raw();
        let half = point.len() / 2;
        let sign = 2 | (point[point.len() - 1] & 1);
        let compressed = [&[sign], &point[1..=half]].concat();
        // The curve library itself takes it: the refusal is ours.
        if kind == KeyKind::P256 {
            assert!(p256::PublicKey::from_sec1_bytes(&compressed).is_ok());
        }
        let curve = if kind == KeyKind::P256 { P256_OID } else { P384_OID };
        malformed_or_weak(PublicKey::from_point(curve, &compressed));
    }
}

#[test]
fn g05_refuses_hybrid_point() {
    let (_, key) = pair(KeyKind::P256);
    let mut point = key.raw().to_vec();
    for prefix in [6, 7, 0, 5] {
        point[0] = prefix;
        malformed_or_weak(PublicKey::from_point(P256_OID, &point));
    }
}

#[test]
fn g05_refuses_point_at_infinity() {
    for curve in [P256_OID, P384_OID, P521] {
        let refusal = PublicKey::from_point(curve, &[0]);
        assert_eq!(refusal, Err(Error::WeakKey { what: "the point is at infinity" }));
    }
    malformed_or_weak(PublicKey::from_point(P256_OID, &[&[4][..], &[0; 64]].concat()));
}

#[test]
fn g05_refuses_point_off_the_curve() {
    for (curve, length) in [(P256_OID, 64), (P384_OID, 96), (P521, 132)] {
        let mut point = vec![0; length + 1];
        point[0] = 4;
        point[length] = 3;
        point[length / 2] = 2;
        let refusal = PublicKey::from_point(curve, &point);
        assert_eq!(refusal, Err(Error::WeakKey { what: "the point is not on its curve" }));
    }
}

#[test]
fn g05_refuses_coordinates_above_the_field() {
    // x + p names the same point for a reader that reduces; only an x below 2^256 - p leaves room for it.
    let point = [&[4][..], &[0xff; 64]].concat();
    malformed_or_weak(PublicKey::from_point(P256_OID, &point));
}

#[test]
fn g05_refuses_point_of_another_curve() {
    let (_, p256) = pair(KeyKind::P256);
    let (_, p384) = pair(KeyKind::P384);
    malformed_or_weak(PublicKey::from_point(P384_OID, p256.raw()));
    malformed_or_weak(PublicKey::from_point(P256_OID, p384.raw()));
}

#[test]
fn g05_refuses_secp256k1_and_other_curves() {
    // The generator of secp256k1.
    let point = hex::decode(
        "0479be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798\
         483ada7726a3c4655da4fbfc0e1108a8fd17b448a68554199c47d08ffb10d4b8",
    )
    .unwrap();
    for (curve, name) in [("1.3.132.0.10", "ECDSA secp256k1"), ("1.3.132.0.33", "ECDSA P-224")] {
        let refusal = PublicKey::from_point(ObjectIdentifier::new_unwrap(curve), &point);
        assert_eq!(refusal, Err(Error::UnsupportedKey { what: name.into() }));
    }
    malformed_or_weak(PublicKey::from_point(P256_OID, &point));
}

#[test]
fn g05_refuses_explicit_curve_parameters() {
    let (_, key) = pair(KeyKind::P256);
    let parameters = sequence(&[&number(1), &sequence(&[&oid("1.2.840.10045.1.1"), &number(23)])]);
    for parameters in [parameters, tlv(5, &[])] {
        let der = sequence(&[&sequence(&[&oid("1.2.840.10045.2.1"), &parameters]), &bits(key.raw())]);
        assert!(matches!(PublicKey::from_spki_der(&der), Err(Error::UnsupportedKey { .. })));
    }
    let der = sequence(&[&sequence(&[&oid("1.2.840.10045.2.1")]), &bits(key.raw())]);
    malformed_or_weak(PublicKey::from_spki_der(&der));
}

#[test]
fn g05_refuses_other_algorithms_by_name() {
    for (algorithm, name) in [
        ("1.3.101.110", "X25519"),
        ("1.3.101.113", "Ed448"),
        ("1.2.840.10040.4.1", "DSA"),
        ("1.2.840.113549.1.1.10", "RSASSA-PSS"),
        ("1.2.3.4", "algorithm 1.2.3.4"),
    ] {
        let der = sequence(&[&sequence(&[&oid(algorithm)]), &bits(&[1; 32])]);
        assert_eq!(PublicKey::from_spki_der(&der), Err(Error::UnsupportedKey { what: name.into() }));
    }
}

#[test]
fn g05_refuses_keys_of_wrong_length() {
    let (_, key) = pair(KeyKind::Ed25519);
    let bytes = key.ed25519_bytes().unwrap();
    for wrong in [&bytes[..31], &[&bytes[..], &[0]].concat()[..], &[]] {
        let der = sequence(&[&sequence(&[&oid("1.3.101.112")]), &bits(wrong)]);
        assert_eq!(PublicKey::from_spki_der(&der), Err(Error::Malformed { what: "public key" }));
    }
    let (_, key) = pair(KeyKind::P256);
    for wrong in [&key.raw()[..64], &[key.raw(), &[0]].concat()[..], &[]] {
        let refusal = PublicKey::from_point(P256_OID, wrong);
        assert_eq!(refusal, Err(Error::Malformed { what: "uncompressed curve point" }));
    }
}

#[test]
fn g09_refuses_every_second_encoding() {
    for kind in [KeyKind::P256, KeyKind::Ed25519] {
        let (_, key) = pair(kind);
        let der = key.spki_der();
        let trailing = [der, &[0]].concat();
        let long_length = [&[0x30, 0x81, der[1]], &der[2..]].concat();
        let indefinite = [&[0x30, 0x80], &der[2..], &[0, 0]].concat();
        for other in [trailing, long_length, indefinite, key.raw().to_vec(), key.to_pem().into_bytes()] {
            malformed_or_weak(PublicKey::from_spki_der(&other));
        }
    }
    // Ed25519 with NULL parameters, RSA without: RFC 8410 and RFC 3279 say the opposite.
    let (_, key) = pair(KeyKind::Ed25519);
    let der = sequence(&[&sequence(&[&oid("1.3.101.112"), NULL]), &bits(key.raw())]);
    malformed_or_weak(PublicKey::from_spki_der(&der));
    let inner = sequence(&[&integer(&modulus(2048)), &number(65537)]);
    let der = sequence(&[&sequence(&[&oid("1.2.840.113549.1.1.1")]), &bits(&inner)]);
    malformed_or_weak(PublicKey::from_spki_der(&der));
    // A bit string of 511 bits.
    let (_, key) = pair(KeyKind::P256);
    let odd_bits = tlv(3, &[&[1], key.raw()]);
    let der = sequence(&[&sequence(&[&oid("1.2.840.10045.2.1"), &oid("1.2.840.10045.3.1.7")]), &odd_bits]);
    malformed_or_weak(PublicKey::from_spki_der(&der));
}

#[test]
fn g09_refuses_trailing_bytes_in_the_rsa_key() {
    let inner = sequence(&[&integer(&modulus(2048)), &number(65537)]);
    let algorithm = sequence(&[&oid("1.2.840.113549.1.1.1"), NULL]);
    let plain = sequence(&[&algorithm, &bits(&inner)]);
    assert!(PublicKey::from_spki_der(&plain).is_ok());
    let after = [&inner[..], &[0]].concat();
    let inside = sequence(&[&integer(&modulus(2048)), &number(65537), &number(1)]);
    let negative = sequence(&[&tlv(2, &[&modulus(2048)]), &number(65537)]);
    for broken in [after, inside, negative] {
        let refusal = PublicKey::from_spki_der(&sequence(&[&algorithm, &bits(&broken)]));
        assert_eq!(refusal, Err(Error::Malformed { what: "RSA public key" }));
    }
}

#[test]
fn b05_refuses_an_oversized_key_before_reading_it() {
    let refusal = PublicKey::from_spki_der(&vec![0x30; 1025]);
    assert_eq!(refusal, Err(Error::TooLong { what: "public key", limit: 1024 }));
}

#[test]
fn g07_rsa_sizes() {
    let e = [1, 0, 1];
    for size in [1024, 2040, 2047, 4097, 4104] {
        let refusal = PublicKey::from_spki_der(&rsa(&modulus(size), &e));
        let weak = Err(Error::WeakKey { what: "the RSA modulus is not of 2048 to 4096 bits" });
        assert_eq!(refusal, weak, "{size}");
    }
    for (size, scheme) in [
        (2048, Scheme::RsaPkcs1v15_2048Sha256),
        (2560, Scheme::RsaPkcs1v15_2048Sha256),
        (3072, Scheme::RsaPkcs1v15_3072Sha256),
        (4095, Scheme::RsaPkcs1v15_3072Sha256),
        (4096, Scheme::RsaPkcs1v15_4096Sha256),
    ] {
        let key = PublicKey::from_spki_der(&rsa(&modulus(size), &e)).unwrap();
        assert_eq!((key.kind(), key.bits(), key.scheme()), (KeyKind::Rsa, size, scheme));
        let exact = matches!(size, 2048 | 3072 | 4096);
        let verdict = key.verify(scheme, b"m", &vec![1; size.div_ceil(8)]);
        assert_eq!(verdict == Err(Error::BadSignature), exact, "{size}: {verdict:?}");
    }
}

#[test]
fn g07_rsa_exponents() {
    for exponent in [&[1][..], &[2], &[1, 0, 0], &[0]] {
        let refusal = PublicKey::from_spki_der(&rsa(&modulus(2048), exponent));
        assert_eq!(refusal, Err(Error::WeakKey { what: "the RSA exponent is even or below 3" }));
    }
    for exponent in [&[3][..], &[17], &[1, 0, 1]] {
        assert!(PublicKey::from_spki_der(&rsa(&modulus(2048), exponent)).is_ok());
    }
    // As large as the modulus: the check would take minutes.
    let refusal = PublicKey::from_spki_der(&rsa(&modulus(2048), &modulus(2047)));
    assert_eq!(refusal, Err(Error::WeakKey { what: "the RSA key is not usable" }));
    let mut even = modulus(2048);
    even[255] = 0xa4;
    let refusal = PublicKey::from_spki_der(&rsa(&even, &[1, 0, 1]));
    assert_eq!(refusal, Err(Error::WeakKey { what: "the RSA modulus is even" }));
}

#[test]
fn g04_refuses_ed25519_points_of_small_order() {
    for point in [
        "0100000000000000000000000000000000000000000000000000000000000000",
        "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "0000000000000000000000000000000000000000000000000000000000000000",
        "0000000000000000000000000000000000000000000000000000000000000080",
        "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
        "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc85",
        "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
        "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa",
    ] {
        let bytes = hex::decode(point).unwrap().try_into().unwrap();
        let refusal = PublicKey::from_ed25519(&bytes);
        assert_eq!(refusal, Err(Error::WeakKey { what: "the Ed25519 point is of small order" }), "{point}");
    }
}

#[test]
fn g04_refuses_ed25519_points_in_non_canonical_form() {
    let mut taken_by_the_library = 0;
    for (low, high) in (0xed..=0xff).flat_map(|low| [(low, 0x7f), (low, 0xff)]) {
        let mut bytes = [0xff; 32];
        (bytes[0], bytes[31]) = (low, high);
        assert!(matches!(PublicKey::from_ed25519(&bytes), Err(Error::WeakKey { .. })));
        let lax = ed25519_dalek::VerifyingKey::from_bytes(&bytes);
        taken_by_the_library += usize::from(lax.is_ok_and(|key| !key.is_weak()));
    }
    assert!(taken_by_the_library > 0, "the check of ours has nothing to do");
}

#[test]
fn g04_refuses_bytes_that_are_no_ed25519_point() {
    let mut bytes = [0; 32];
    bytes[0] = 2;
    let refusal = PublicKey::from_ed25519(&bytes);
    assert_eq!(refusal, Err(Error::WeakKey { what: "the bytes are no Ed25519 point" }));
}

#[test]
fn g04_refuses_ed25519_s_at_or_above_the_order() {
    let order = hex::decode("edd3f55c1a631258d69cf7a2def9de1400000000000000000000000000000010").unwrap();
    let (secret, key) = pair(KeyKind::Ed25519);
    for scheme in [Scheme::Ed25519, Scheme::Ed25519Ph] {
        let mut signature = secret.sign_with(scheme, b"message").unwrap();
        key.verify(scheme, b"message", &signature).unwrap();
        let mut carry = 0;
        for (byte, add) in signature[32..].iter_mut().zip(&order) {
            let sum = u16::from(*byte) + u16::from(*add) + carry;
            (*byte, carry) = (sum.to_le_bytes()[0], sum >> 8);
        }
        assert_eq!(key.verify(scheme, b"message", &signature), Err(Error::BadSignature));
    }
}

/// With the neutral element as R, S = h·a solves the equation: whoever holds the key can sign so, and no honest signer does.
#[test]
fn g04_refuses_ed25519_r_of_small_order() {
    use ed25519_dalek::{Sha512, Signature, Verifier, VerifyingKey};
    use p256::elliptic_curve::bigint::{NonZero, U512};
    use sha2::Digest;

    let order = hex::decode("edd3f55c1a631258d69cf7a2def9de1400000000000000000000000000000010").unwrap();
    let wide = |low: &[u8]| U512::from_le_slice(&[low, &vec![0; 64 - low.len()]].concat());
    let order = NonZero::new(wide(&order)).unwrap();
    let seed = [5; 32];
    let secret = SecretKey::from_ed25519_seed(&seed).unwrap();
    let key = secret.public_key();
    let mut scalar = Sha512::digest(seed)[..32].to_vec();
    scalar[0] &= 0xf8;
    scalar[31] = scalar[31] & 0x7f | 0x40;
    let neutral = [&[1][..], &[0; 31]].concat();
    let forge = |prefix: &[u8], message: &[u8]| {
        let h = Sha512::digest([prefix, &neutral, key.raw(), message].concat());
        let s = wide(&h).rem(&order).wrapping_mul(&wide(&scalar)).rem(&order);
        [&neutral[..], &s.to_le_bytes().as_ref()[..32]].concat()
    };

    let lax = VerifyingKey::from_bytes(&key.ed25519_bytes().unwrap()).unwrap();
    let pure = forge(&[], b"message");
    assert!(lax.verify(b"message", &Signature::from_slice(&pure).unwrap()).is_ok());
    assert_eq!(key.verify(Scheme::Ed25519, b"message", &pure), Err(Error::BadSignature));

    let digest = Sha512::digest(b"message");
    let hashed = forge(b"SigEd25519 no Ed25519 collisions\x01\x00", &digest);
    let prehash = Sha512::new_with_prefix(b"message");
    assert!(lax.verify_prehashed(prehash, None, &Signature::from_slice(&hashed).unwrap()).is_ok());
    assert_eq!(key.verify(Scheme::Ed25519Ph, b"message", &hashed), Err(Error::BadSignature));
    assert_eq!(key.verify_digest(Scheme::Ed25519Ph, &digest, &hashed), Err(Error::BadSignature));
}

#[test]
fn g02_refuses_every_broken_ecdsa_signature() {
    let (secret, key) = pair(KeyKind::P256);
    let scheme = Scheme::EcdsaP256Sha256;
    let order = hex::decode(P256_ORDER).unwrap();
    let above = [&order[..31], &[0x52]].concat();
    let (r, s) = (&[1; 32][..], &[2; 32][..]);
    let sig = |r: &[u8], s: &[u8]| sequence(&[&integer(r), &integer(s)]);
    let mut broken = vec![
        sig(&[0], s),
        sig(r, &[0]),
        sig(&[0], &[0]),
        sig(&order, s),
        sig(r, &order),
        sig(&above, s),
        sig(r, &above),
        sig(&[1; 33], s),
        sig(r, &[1; 4096]),
        sequence(&[&tlv(2, &[&[0xff; 32]]), &integer(s)]),
        vec![],
        vec![0x30, 0],
        vec![0x30, 0x80, 2, 1, 1, 2, 1, 1, 0, 0],
    ];
    let good = secret.sign(b"message").unwrap();
    key.verify(scheme, b"message", &good).unwrap();
    let (r_length, body) = (usize::from(good[3]), &good[2..]);
    let (r, s) = (&good[4..4 + r_length], &good[6 + r_length..]);
    broken.extend([
        [&good[..], &[0]].concat(),
        [&[0x30, 0x81, good[1]], body].concat(),
        [&[0x30, 0x80], body, &[0, 0]].concat(),
        [&[0x31, good[1]], body].concat(),
        sequence(&[&tlv(2, &[&[0], r]), &tlv(2, &[s])]),
        sequence(&[&tlv(2, &[r]), &tlv(2, &[s]), NULL]),
        sequence(&[&tlv(2, &[r])]),
        sequence(&[&tlv(2, &[s]), &tlv(2, &[r])]),
        [r, s].concat(),
    ]);
    // Without the zero byte an r with its top bit set would be negative.
    broken.extend(r.strip_prefix(&[0]).map(|bare| sequence(&[&tlv(2, &[bare]), &tlv(2, &[s])])));
    for signature in &broken {
        let verdict = key.verify(scheme, b"message", signature);
        assert_eq!(verdict, Err(Error::BadSignature), "{}", hex::encode(signature));
    }
    for length in 0..good.len() {
        assert_eq!(key.verify(scheme, b"message", &good[..length]), Err(Error::BadSignature));
    }
    assert_eq!(key.verify(scheme, b"massage", &good), Err(Error::BadSignature));
}

#[test]
fn g03_malleated_signature_verifies_so_bytes_are_no_identity() {
    let (secret, key) = pair(KeyKind::P256);
    let good = secret.sign(b"message").unwrap();
    let parsed = p256::ecdsa::Signature::from_der(&good).unwrap();
    let (r, s) = parsed.split_scalars();
    let twin = p256::ecdsa::Signature::from_scalars(*r, -*s).unwrap().to_der();
    assert_ne!(twin.as_bytes(), good);
    key.verify(Scheme::EcdsaP256Sha256, b"message", twin.as_bytes()).unwrap();
}

#[test]
fn g06_refuses_a_signature_with_another_hash() {
    use p384::ecdsa::signature::hazmat::PrehashSigner;
    let secret = p384::ecdsa::SigningKey::from_slice(&[7; 48]).unwrap();
    let point = secret.verifying_key().to_sec1_point(false);
    let key = PublicKey::from_point(P384_OID, point.as_bytes()).unwrap();
    let digest = HashAlgorithm::Sha256.digest(b"message");
    let signature: p384::ecdsa::DerSignature = secret.sign_prehash(&digest).unwrap();
    let signature = signature.as_bytes();
    assert_eq!(key.verify(Scheme::EcdsaP384Sha384, b"message", signature), Err(Error::BadSignature));
    assert!(matches!(
        key.verify(Scheme::EcdsaP256Sha256, b"message", signature),
        Err(Error::SchemeMismatch { kind: KeyKind::P384, bits: 384, scheme: Scheme::EcdsaP256Sha256 })
    ));
    // The one door for bundles of model_signing 0.2.
    key.verify_legacy_sha256(b"message", signature).unwrap();
    assert_eq!(key.verify_legacy_sha256(b"massage", signature), Err(Error::BadSignature));
}

#[test]
fn g06_ed25519_and_ed25519ph_never_stand_in_for_each_other() {
    let (secret, key) = pair(KeyKind::Ed25519);
    let pure = secret.sign_with(Scheme::Ed25519, b"message").unwrap();
    let hashed = secret.sign(b"message").unwrap();
    key.verify(Scheme::Ed25519, b"message", &pure).unwrap();
    key.verify(Scheme::Ed25519Ph, b"message", &hashed).unwrap();
    assert_eq!(key.verify(Scheme::Ed25519Ph, b"message", &pure), Err(Error::BadSignature));
    assert_eq!(key.verify(Scheme::Ed25519, b"message", &hashed), Err(Error::BadSignature));
    let digest = HashAlgorithm::Sha512.digest(b"message");
    assert_eq!(key.verify(Scheme::Ed25519, &digest, &hashed), Err(Error::BadSignature));
    assert_eq!(key.verify_digest(Scheme::Ed25519, &digest, &pure), Err(Error::NeedsMessage));
}

#[test]
fn g06_refuses_every_pair_that_the_registry_does_not_name() {
    let mut keys: Vec<_> =
        [KeyKind::P256, KeyKind::P384, KeyKind::Ed25519].into_iter().map(|kind| pair(kind).1).collect();
    for size in [2048, 3072, 4096] {
        keys.push(PublicKey::from_spki_der(&rsa(&modulus(size), &[1, 0, 1])).unwrap());
    }
    let schemes = [
        Scheme::EcdsaP256Sha256,
        Scheme::EcdsaP384Sha384,
        Scheme::EcdsaP521Sha512,
        Scheme::Ed25519,
        Scheme::Ed25519Ph,
        Scheme::RsaPkcs1v15_2048Sha256,
        Scheme::RsaPkcs1v15_3072Sha256,
        Scheme::RsaPkcs1v15_4096Sha256,
    ];
    for key in &keys {
        for scheme in schemes {
            let own = key.scheme() == scheme || (key.kind() == KeyKind::Ed25519 && scheme == Scheme::Ed25519);
            for verdict in [
                key.verify(scheme, b"m", &[1; 64]),
                key.verify_digest(scheme, &vec![0; scheme.hash().len()], &[1; 64]),
            ] {
                assert_eq!(!matches!(verdict, Err(Error::SchemeMismatch { .. })), own, "{key:?} {scheme}");
                assert!(verdict.is_err());
            }
        }
        let legacy = key.verify_legacy_sha256(b"m", &[1; 64]);
        let curve = matches!(key.kind(), KeyKind::P256 | KeyKind::P384);
        assert_eq!(legacy == Err(Error::BadSignature), curve);
    }
}

#[test]
fn a_digest_is_as_good_as_the_message() {
    for kind in [KeyKind::P256, KeyKind::P384, KeyKind::Ed25519] {
        let (secret, key) = pair(kind);
        let scheme = key.scheme();
        let signature = secret.sign(b"message").unwrap();
        let digest = scheme.hash().digest(b"message");
        key.verify_digest(scheme, &digest, &signature).unwrap();
        let other = scheme.hash().digest(b"massage");
        assert_eq!(key.verify_digest(scheme, &other, &signature), Err(Error::BadSignature));
    }
}

#[test]
fn refuses_a_digest_of_another_length() {
    for kind in [KeyKind::P256, KeyKind::P384, KeyKind::Ed25519] {
        let (secret, key) = pair(kind);
        let signature = secret.sign(b"message").unwrap();
        let expected = key.scheme().hash().len();
        for actual in [0, 20, 32, 48, 64, 65] {
            let verdict = key.verify_digest(key.scheme(), &vec![0; actual], &signature);
            let length = Err(Error::DigestLength { expected, actual });
            assert_eq!(verdict == length, actual != expected, "{verdict:?}");
        }
    }
}

#[test]
fn names_what_was_given_in_place_of_a_public_key() {
    let (secret, key) = pair(KeyKind::P256);
    let private = secret.to_pkcs8_pem(None).unwrap();
    assert_eq!(PublicKey::from_pem(private.as_bytes()), Err(Error::PrivateKeyGiven));
    for label in ["EC PRIVATE KEY", "ENCRYPTED PRIVATE KEY", "RSA PRIVATE KEY", "OPENSSH PRIVATE KEY"] {
        let text = pem::encode(label, b"anything");
        assert_eq!(PublicKey::from_pem(text.as_bytes()), Err(Error::PrivateKeyGiven));
    }
    let text = pem::encode("CERTIFICATE", b"anything");
    assert_eq!(PublicKey::from_pem(text.as_bytes()), Err(Error::CertificateGiven));
    let text = pem::encode("RSA PUBLIC KEY", b"anything");
    let unexpected = Error::UnexpectedPem { found: "RSA PUBLIC KEY".into(), wanted: "PUBLIC KEY" };
    assert_eq!(PublicKey::from_pem(text.as_bytes()), Err(unexpected));
    let twice = key.to_pem().repeat(2);
    assert_eq!(PublicKey::from_pem(twice.as_bytes()), Err(Error::ManyPemBlocks { count: 2 }));
    assert_eq!(PublicKey::from_pem(key.spki_der()), Err(Error::NoPem));
    // A private key must be named as such wherever it stands.
    let both = format!("{}{}", key.to_pem(), *private);
    assert_eq!(PublicKey::from_pem(both.as_bytes()), Err(Error::PrivateKeyGiven));
}

#[test]
fn b02_no_byte_flip_or_cut_makes_the_parser_panic() {
    let keys = [
        pair(KeyKind::P256).1.spki_der().to_vec(),
        pair(KeyKind::Ed25519).1.spki_der().to_vec(),
        rsa(&modulus(2048), &[1, 0, 1]),
        write_point(P521, &[4; 133]).unwrap(),
        sequence(&[&sequence(&[&oid("1.2.840.10045.2.1"), &octets(&[1])]), &bits(&[4])]),
    ];
    for der in keys {
        for index in 0..der.len() {
            assert!(PublicKey::from_spki_der(&der[..index]).is_err());
            for bit in 0..8 {
                let mut flipped = der.clone();
                flipped[index] ^= 1 << bit;
                let _ = PublicKey::from_spki_der(&flipped);
            }
        }
    }
}

#[test]
fn checks_a_signature_under_the_algorithm_that_stands_beside_it() {
    let secret = SecretKey::generate(KeyKind::P256).unwrap();
    let signature = secret.sign(b"request").unwrap();
    let key = secret.public_key();
    let named =
        |last: u8| [&[0x30, 0x0a, 6, 8, 0x2a, 0x86, 0x48, 0xce, 0x3d, 4, 3], [last].as_slice()].concat();
    key.verify_named(&named(2), b"request", &signature).unwrap();
    assert_eq!(key.verify_named(&named(2), b"other", &signature), Err(Error::BadSignature));
    assert_eq!(key.verify_named(&named(3), b"request", &signature), Err(Error::BadSignature));
    // SHA-224, and Ed25519.
    let verdict = key.verify_named(&named(1), b"request", &signature);
    assert_eq!(verdict, Err(Error::UnsupportedSignatureAlgorithm { oid: "1.2.840.10045.4.3.1".into() }));
    let verdict = key.verify_named(&[0x30, 5, 6, 3, 0x2b, 0x65, 0x70], b"request", &signature);
    assert_eq!(verdict, Err(Error::IssuerKeyMismatch { oid: "1.3.101.112".into(), kind: KeyKind::P256 }));
    let trailing = [named(2), vec![0]].concat();
    let verdict = key.verify_named(&trailing, b"request", &signature);
    assert_eq!(verdict, Err(Error::Malformed { what: "signature algorithm" }));
}

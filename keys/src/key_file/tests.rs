use super::*;
use crate::der_writer::{NULL, bits, integer, number, octets, oid, sequence, tlv};
use crate::scheme::KeyKind;

const EC: &str = "1.2.840.10045.2.1";
const P256: &str = "1.2.840.10045.3.1.7";
const P384: &str = "1.3.132.0.34";
const ED25519: &str = "1.3.101.112";
const SCRYPT: &str = "1.3.6.1.4.1.11591.4.11";
const PBKDF2: &str = "1.2.840.113549.1.5.12";
const PBES2: &str = "1.2.840.113549.1.5.13";
const AES_256_CBC: &str = "2.16.840.1.101.3.4.1.42";
const HMAC_SHA256: &str = "1.2.840.113549.2.9";

fn parse(label: &str, der: &[u8]) -> Result<KeyFile> {
    KeyFile::parse(pem::encode(label, der).as_bytes())
}

fn refused(label: &str, der: &[u8]) -> Error {
    parse(label, der).map(drop).unwrap_err()
}

fn plain(label: &str, der: &[u8]) -> SecretKey {
    match parse(label, der).unwrap() {
        KeyFile::Plain(secret) => secret,
        KeyFile::Encrypted(_) => panic!("encrypted"),
    }
}

fn unsupported(what: &str) -> Error {
    Error::UnsupportedKey { what: what.into() }
}

/// An ECPrivateKey.
fn sec1(scalar: &[u8], curve: Option<&[u8]>, public: Option<&[u8]>) -> Vec<u8> {
    let curve = curve.map(|curve| tlv(0xa0, &[curve])).unwrap_or_default();
    let public = public.map(|public| tlv(0xa1, &[&bits(public)])).unwrap_or_default();
    sequence(&[&number(1), &octets(scalar), &curve, &public])
}

/// A PrivateKeyInfo of version 1.
fn pkcs8(algorithm: &[&[u8]], key: &[u8]) -> Vec<u8> {
    sequence(&[&number(0), &sequence(algorithm), &octets(key)])
}

/// An EncryptedPrivateKeyInfo under PBES2.
fn pbes2(kdf: &[u8], cipher: &[u8], ciphertext: &[u8]) -> Vec<u8> {
    let algorithm = sequence(&[&oid(PBES2), &sequence(&[kdf, cipher])]);
    sequence(&[&algorithm, &octets(ciphertext)])
}

fn aes() -> Vec<u8> {
    sequence(&[&oid(AES_256_CBC), &octets(&[0; 16])])
}

fn scrypt(n: &[u8], r: u64, p: u64) -> Vec<u8> {
    sequence(&[&oid(SCRYPT), &sequence(&[&octets(&[0; 16]), &integer(n), &number(r), &number(p)])])
}

fn pbkdf2(iterations: &[u8], prf: Option<&str>) -> Vec<u8> {
    let prf = prf.map(|prf| sequence(&[&oid(prf), NULL])).unwrap_or_default();
    sequence(&[&oid(PBKDF2), &sequence(&[&octets(&[0; 16]), &integer(iterations), &prf])])
}

fn encrypted(der: &[u8]) -> Result<()> {
    parse("ENCRYPTED PRIVATE KEY", der).map(drop)
}

#[test]
fn reads_sec1_with_and_without_the_public_key() {
    let secret = SecretKey::from_p256_scalar(&[3; 32]).unwrap();
    let point = secret.public_key().raw();
    for public in [None, Some(point)] {
        let der = sec1(&[3; 32], Some(&oid(P256)), public);
        assert_eq!(plain(SEC1_LABEL, &der).public_key(), secret.public_key());
        let wrapped = pkcs8(&[&oid(EC), &oid(P256)], &sec1(&[3; 32], None, public));
        assert_eq!(plain(PKCS8_LABEL, &wrapped).public_key(), secret.public_key());
    }
    let der = sec1(&[3; 48], Some(&oid(P384)), None);
    assert_eq!(plain(SEC1_LABEL, &der).public_key().kind(), KeyKind::P384);
}

#[test]
fn tolerates_the_parameters_that_openssl_ecparam_writes_first() {
    let parameters = pem::encode("EC PARAMETERS", &oid(P256));
    let key = pem::encode(SEC1_LABEL, &sec1(&[3; 32], Some(&oid(P256)), None));
    assert!(KeyFile::parse(format!("{}{}", *parameters, *key).as_bytes()).is_ok());
    let refused = |text: String| KeyFile::parse(text.as_bytes()).map(drop).unwrap_err();
    assert_eq!(refused(format!("{}{}", *key, *parameters)), Error::ManyPemBlocks { count: 2 });
    assert_eq!(refused(format!("{}{}", *key, *key)), Error::ManyPemBlocks { count: 2 });
    let pkcs8 = pem::encode(PKCS8_LABEL, &pkcs8(&[&oid(ED25519)], &octets(&[5; 32])));
    assert_eq!(refused(format!("{}{}", *parameters, *pkcs8)), Error::ManyPemBlocks { count: 2 });
    let wanted = Error::UnexpectedPem { found: "EC PARAMETERS".into(), wanted: PKCS8_LABEL };
    assert_eq!(refused(parameters.to_string()), wanted);
}

#[test]
fn reads_ed25519_of_both_pkcs8_versions() {
    let secret = SecretKey::from_ed25519_seed(&[5; 32]).unwrap();
    let seed = octets(&[5; 32]);
    let first = pkcs8(&[&oid(ED25519)], &seed);
    assert_eq!(plain(PKCS8_LABEL, &first).public_key(), secret.public_key());
    let public = tlv(0x81, &[&[0], secret.public_key().raw()]);
    let second = sequence(&[&number(1), &sequence(&[&oid(ED25519)]), &octets(&seed), &public]);
    assert_eq!(plain(PKCS8_LABEL, &second).public_key(), secret.public_key());
}

#[test]
fn g08_refuses_a_public_key_that_is_not_the_private_keys() {
    let other = SecretKey::from_p256_scalar(&[4; 32]).unwrap();
    let der = sec1(&[3; 32], Some(&oid(P256)), Some(other.public_key().raw()));
    assert_eq!(refused(SEC1_LABEL, &der), Error::KeyPairMismatch);
    let wrapped = pkcs8(&[&oid(EC), &oid(P256)], &der);
    assert_eq!(refused(PKCS8_LABEL, &wrapped), Error::KeyPairMismatch);
    let other = SecretKey::from_ed25519_seed(&[6; 32]).unwrap();
    let public = tlv(0x81, &[&[0], other.public_key().raw()]);
    let der = sequence(&[&number(1), &sequence(&[&oid(ED25519)]), &octets(&octets(&[5; 32])), &public]);
    assert_eq!(refused(PKCS8_LABEL, &der), Error::KeyPairMismatch);
}

#[test]
fn refuses_two_curves_in_one_key() {
    let der = pkcs8(&[&oid(EC), &oid(P256)], &sec1(&[3; 32], Some(&oid(P384)), None));
    assert_eq!(refused(PKCS8_LABEL, &der), Error::KeyPairMismatch);
}

#[test]
fn k04_names_unsupported_keys() {
    for (algorithm, name) in [
        ("1.2.840.113549.1.1.1", "RSA private key"),
        ("1.2.840.113549.1.1.10", "RSASSA-PSS private key"),
        ("1.2.840.10040.4.1", "DSA private key"),
        ("1.3.101.113", "Ed448 private key"),
        ("1.3.101.110", "X25519 private key"),
        ("1.3.101.111", "X448 private key"),
    ] {
        assert_eq!(refused(PKCS8_LABEL, &pkcs8(&[&oid(algorithm)], &octets(&[1; 32]))), unsupported(name));
    }
    for (curve, length, name) in [
        ("1.3.132.0.10", 32, "ECDSA secp256k1 private key"),
        ("1.3.132.0.33", 28, "ECDSA P-224 private key"),
        ("1.3.132.0.35", 66, "ECDSA P-521 private key"),
    ] {
        let scalar = vec![1; length];
        let inner = sec1(&scalar, Some(&oid(curve)), None);
        assert_eq!(refused(SEC1_LABEL, &inner), unsupported(name));
        assert_eq!(refused(PKCS8_LABEL, &pkcs8(&[&oid(EC), &oid(curve)], &inner)), unsupported(name));
    }
    for (label, name) in [
        ("RSA PRIVATE KEY", "RSA private key"),
        ("DSA PRIVATE KEY", "DSA private key"),
        ("OPENSSH PRIVATE KEY", "OpenSSH private key"),
        ("ENCRYPTED SIGSTORE PRIVATE KEY", "cosign private key"),
        ("ENCRYPTED COSIGN PRIVATE KEY", "cosign private key"),
    ] {
        assert_eq!(refused(label, &[1, 2, 3]), unsupported(name));
    }
}

#[test]
fn g05_refuses_explicit_curve_parameters_in_a_private_key() {
    let explicit = sequence(&[&number(1), &sequence(&[&oid("1.2.840.10045.1.1"), &number(23)])]);
    let expected = unsupported("ECDSA with explicit curve parameters");
    assert_eq!(refused(SEC1_LABEL, &sec1(&[3; 32], Some(&explicit), None)), expected);
    let wrapped = pkcs8(&[&oid(EC), &explicit], &sec1(&[3; 32], None, None));
    assert_eq!(refused(PKCS8_LABEL, &wrapped), expected);
}

#[test]
fn names_what_was_given_in_place_of_a_private_key() {
    assert_eq!(refused("PUBLIC KEY", &[1]), Error::PublicKeyGiven);
    assert_eq!(refused("CERTIFICATE", &[1]), Error::CertificateGiven);
    let unexpected = Error::UnexpectedPem { found: "X509 CRL".into(), wanted: PKCS8_LABEL };
    assert_eq!(refused("X509 CRL", &[1]), unexpected);
    assert_eq!(KeyFile::parse(b"").map(drop), Err(Error::NoPem));
}

#[test]
fn refuses_broken_private_keys() {
    let good = sec1(&[3; 32], Some(&oid(P256)), None);
    for der in [
        sec1(&[3; 31], Some(&oid(P256)), None),
        sec1(&[3; 33], Some(&oid(P256)), None),
        sec1(&[3; 32], None, None),
        sequence(&[&number(2), &octets(&[3; 32]), &tlv(0xa0, &[&oid(P256)])]),
        [&good[..], &[0]].concat(),
    ] {
        assert!(matches!(refused(SEC1_LABEL, &der), Error::Malformed { .. }));
    }
    for scalar in [[0; 32], [0xff; 32]] {
        assert!(matches!(refused(SEC1_LABEL, &sec1(&scalar, Some(&oid(P256)), None)), Error::WeakKey { .. }));
    }
    let seed = octets(&[5; 32]);
    for der in [
        pkcs8(&[&oid(ED25519), NULL], &seed),
        pkcs8(&[&oid(ED25519)], &[5; 32]),
        pkcs8(&[&oid(ED25519)], &octets(&[5; 31])),
        pkcs8(&[&oid(ED25519)], &[&seed[..], &[0]].concat()),
        pkcs8(&[&oid(EC)], &good),
        [pkcs8(&[&oid(ED25519)], &seed), vec![0]].concat(),
    ] {
        assert!(matches!(refused(PKCS8_LABEL, &der), Error::Malformed { .. }));
    }
}

#[test]
fn k03_refuses_kdf_costs_out_of_range_at_once() {
    // Parsing derives nothing, so none of these can cost time or memory.
    let scrypt_cost = Err(Error::KdfCost { kdf: "scrypt" });
    let two_to = |exponent: u32| (1_u128 << exponent).to_be_bytes();
    for (n, r, p) in [
        (0_u128.to_be_bytes(), 8, 1),
        (1_u128.to_be_bytes(), 8, 1),
        (3_u128.to_be_bytes(), 8, 1),
        (16_383_u128.to_be_bytes(), 8, 1),
        (two_to(21), 1, 1),
        ((1_u128 << 64 | 1 << 14).to_be_bytes(), 8, 1),
        (two_to(31), 8, 1),
        (two_to(63), 8, 1),
        (two_to(100), 8, 1),
        (two_to(14), 0, 1),
        (two_to(14), 33, 1),
        (two_to(14), u64::MAX, 1),
        (two_to(14), 8, 0),
        (two_to(10), 8, 17),
        (two_to(14), 8, u64::MAX),
        // Each within its own limit, 2 GiB together.
        (two_to(20), 16, 1),
        (two_to(20), 8, 2),
    ] {
        assert_eq!(encrypted(&pbes2(&scrypt(&n, r, p), &aes(), &[0; 64])), scrypt_cost, "{n:?} {r} {p}");
    }
    for (n, r, p) in [(2, 1, 1), (14, 8, 5), (20, 8, 1), (18, 32, 1), (10, 8, 16)] {
        encrypted(&pbes2(&scrypt(&two_to(n), r, p), &aes(), &[0; 64])).unwrap();
    }
    let pbkdf2_cost = Err(Error::KdfCost { kdf: "PBKDF2" });
    for iterations in [0, 10_000_001, 1 << 31, 1 << 32, 1 << 63, 1 << 100, 1 << 64 | 2048] {
        let kdf = pbkdf2(&u128::to_be_bytes(iterations), Some(HMAC_SHA256));
        assert_eq!(encrypted(&pbes2(&kdf, &aes(), &[0; 64])), pbkdf2_cost, "{iterations}");
    }
    for iterations in [1, 2048, 600_000, 10_000_000] {
        let kdf = pbkdf2(&u128::to_be_bytes(iterations), Some(HMAC_SHA256));
        encrypted(&pbes2(&kdf, &aes(), &[0; 64])).unwrap();
    }
}

#[test]
fn k03_refuses_weak_encryption() {
    let weak = |what| Err(Error::WeakEncryption { what });
    let good_kdf = pbkdf2(&[8, 0], Some(HMAC_SHA256));
    for (cipher, what) in [
        ("1.3.14.3.2.7", "DES"),
        ("1.2.840.113549.3.7", "triple DES"),
        ("1.2.840.113549.3.2", "RC2"),
        ("1.2.840.113549.3.4", "RC4"),
        ("1.2.840.113549.3.9", "RC5"),
    ] {
        let cipher = sequence(&[&oid(cipher), &octets(&[0; 8])]);
        assert_eq!(encrypted(&pbes2(&good_kdf, &cipher, &[0; 64])), weak(what));
    }
    for (prf, what) in [
        (None, "PBKDF2 with SHA-1"),
        (Some("1.2.840.113549.2.7"), "PBKDF2 with SHA-1"),
        (Some("1.2.840.113549.2.6"), "PBKDF2 with MD5"),
        (Some("1.3.6.1.5.5.8.1.1"), "PBKDF2 with MD5"),
    ] {
        assert_eq!(encrypted(&pbes2(&pbkdf2(&[8, 0], prf), &aes(), &[0; 64])), weak(what));
    }
    for pbes1 in [
        "1.2.840.113549.1.5.1",
        "1.2.840.113549.1.5.3",
        "1.2.840.113549.1.5.10",
        "1.2.840.113549.1.12.1.3",
        "1.2.840.113549.1.12.1.6",
    ] {
        let algorithm = sequence(&[&oid(pbes1), &sequence(&[&octets(&[0; 8]), &number(2048)])]);
        assert_eq!(encrypted(&sequence(&[&algorithm, &octets(&[0; 64])])), weak("PBES1"), "{pbes1}");
    }
}

#[test]
fn k03_refuses_legacy_pem_encryption() {
    for label in ["EC PRIVATE KEY", "RSA PRIVATE KEY", "PRIVATE KEY"] {
        let text = format!(
            "-----BEGIN {label}-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-128-CBC,00\n\nAAEC\n-----END {label}-----\n"
        );
        let refusal = KeyFile::parse(text.as_bytes()).map(drop);
        assert!(matches!(refusal, Err(Error::WeakEncryption { .. })), "{refusal:?}");
    }
}

#[test]
fn k03_refuses_unknown_encryption() {
    let unknown = |oid: &str| Err(Error::UnsupportedEncryption { oid: oid.into() });
    let camellia = "1.2.392.200011.61.1.1.1.4";
    let cipher = sequence(&[&oid(camellia), &octets(&[0; 16])]);
    let kdf = pbkdf2(&[8, 0], Some(HMAC_SHA256));
    assert_eq!(encrypted(&pbes2(&kdf, &cipher, &[0; 64])), unknown(camellia));
    // The library reads AES-GCM in a form of its own, which nothing else writes.
    let gcm = "2.16.840.1.101.3.4.1.46";
    let cipher = sequence(&[&oid(gcm), &octets(&[0; 12])]);
    assert_eq!(encrypted(&pbes2(&kdf, &cipher, &[0; 64])), unknown(gcm));
    let truncated_sha512 = "1.2.840.113549.2.13";
    assert_eq!(
        encrypted(&pbes2(&pbkdf2(&[8, 0], Some(truncated_sha512)), &aes(), &[0; 64])),
        unknown(truncated_sha512)
    );
    let argon = sequence(&[&oid("1.2.3.4"), &sequence(&[])]);
    assert_eq!(encrypted(&pbes2(&argon, &aes(), &[0; 64])), unknown("1.2.3.4"));
    let algorithm = sequence(&[&oid("1.2.3.4"), NULL]);
    assert_eq!(encrypted(&sequence(&[&algorithm, &octets(&[0; 64])])), unknown("1.2.3.4"));
}

#[test]
fn k03_refuses_truncated_ciphertext_and_odd_parameters() {
    let malformed = Err(Error::Malformed { what: "encrypted private key" });
    let kdf = pbkdf2(&[8, 0], Some(HMAC_SHA256));
    for length in [0, 1, 15, 17, 63] {
        assert_eq!(encrypted(&pbes2(&kdf, &aes(), &vec![0; length])), malformed);
    }
    let short_iv = sequence(&[&oid(AES_256_CBC), &octets(&[0; 15])]);
    assert_eq!(encrypted(&pbes2(&kdf, &short_iv, &[0; 64])), malformed);
    // A salt longer than the library's buffer, and a key length that is not the cipher's.
    let salted = |salt: &[u8], length: &[u8]| {
        let prf = sequence(&[&oid(HMAC_SHA256), NULL]);
        sequence(&[&oid(PBKDF2), &sequence(&[&octets(salt), &number(2048), length, &prf])])
    };
    assert_eq!(encrypted(&pbes2(&salted(&[0; 33], &[]), &aes(), &[0; 64])), malformed);
    assert_eq!(encrypted(&pbes2(&salted(&[0; 16], &number(16)), &aes(), &[0; 64])), malformed);
    encrypted(&pbes2(&salted(&[0; 16], &number(32)), &aes(), &[0; 64])).unwrap();
    let mut trailing = pbes2(&kdf, &aes(), &[0; 64]);
    trailing.push(0);
    assert_eq!(encrypted(&trailing), malformed);
}

#[test]
fn k03_wrong_passphrase_never_looks_like_anything_else() {
    // Cheap derivation, so that many passphrases can be tried: one in 256 leaves valid padding.
    let der = pbes2(&pbkdf2(&[1], Some(HMAC_SHA256)), &aes(), &[7; 64]);
    let KeyFile::Encrypted(locked) = parse("ENCRYPTED PRIVATE KEY", &der).unwrap() else {
        panic!("not encrypted")
    };
    for passphrase in 0..2000 {
        let verdict = locked.decrypt(&passphrase.to_string()).map(drop);
        assert_eq!(verdict, Err(Error::WrongPassphrase));
    }
}

#[test]
fn decrypts_to_a_key_that_is_refused_for_its_kind() {
    let parameters =
        pkcs8::pkcs5::pbes2::Parameters::generate_pbkdf2_sha256_aes256cbc(1, &[1; 16], [2; 16]).unwrap();
    let rsa = pkcs8(&[&oid("1.2.840.113549.1.1.1"), NULL], &[1]);
    let ciphertext = parameters.encrypt("pass", &rsa).unwrap();
    let iv = sequence(&[&oid(AES_256_CBC), &octets(&[2; 16])]);
    let prf = sequence(&[&oid(HMAC_SHA256), NULL]);
    let kdf = sequence(&[&oid(PBKDF2), &sequence(&[&octets(&[1; 16]), &number(1), &prf])]);
    let der = pbes2(&kdf, &iv, &ciphertext);
    let KeyFile::Encrypted(locked) = parse("ENCRYPTED PRIVATE KEY", &der).unwrap() else {
        panic!("not encrypted")
    };
    assert_eq!(locked.decrypt("pass").map(drop), Err(unsupported("RSA private key")));
}

#[test]
fn k08_debug_of_an_encrypted_key_shows_no_bytes() {
    let der = pbes2(&pbkdf2(&[8, 0], Some(HMAC_SHA256)), &aes(), &[7; 64]);
    let text = format!("{:?}", parse("ENCRYPTED PRIVATE KEY", &der).unwrap());
    assert_eq!(text, "Encrypted(EncryptedKey { kdf: ObjectIdentifier(1.2.840.113549.1.5.12), .. })");
}

#[test]
fn b02_no_byte_flip_or_cut_makes_the_parser_panic() {
    for (label, der) in [
        (SEC1_LABEL, sec1(&[3; 32], Some(&oid(P256)), None)),
        (PKCS8_LABEL, pkcs8(&[&oid(EC), &oid(P256)], &sec1(&[3; 32], None, None))),
        ("ENCRYPTED PRIVATE KEY", pbes2(&pbkdf2(&[8, 0], Some(HMAC_SHA256)), &aes(), &[7; 64])),
        ("ENCRYPTED PRIVATE KEY", pbes2(&scrypt(&[0x40, 0], 8, 1), &aes(), &[7; 64])),
    ] {
        for index in 0..der.len() {
            assert!(parse(label, &der[..index]).is_err());
            for bit in 0..8 {
                let mut flipped = der.clone();
                flipped[index] ^= 1 << bit;
                let _ = parse(label, &flipped);
            }
        }
    }
}

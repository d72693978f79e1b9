use std::collections::HashSet;

use super::*;
use crate::key_file::KeyFile;

const KINDS: [KeyKind; 3] = [KeyKind::P256, KeyKind::P384, KeyKind::Ed25519];

fn hex(text: &str) -> Vec<u8> {
    hex::decode(text).unwrap()
}

/// The r of a DER signature, or the R of an Ed25519 one.
fn nonce_part(kind: KeyKind, signature: &[u8]) -> Vec<u8> {
    match kind {
        KeyKind::Ed25519 => signature[..32].to_vec(),
        _ => signature[4..4 + usize::from(signature[3])].to_vec(),
    }
}

#[test]
fn signs_what_its_public_key_verifies() {
    for kind in KINDS {
        let secret = SecretKey::generate(kind).unwrap();
        let public = secret.public_key();
        let signature = secret.sign(b"message").unwrap();
        public.verify(public.scheme(), b"message", &signature).unwrap();
        let other = SecretKey::generate(kind).unwrap();
        let verdict = other.public_key().verify(public.scheme(), b"message", &signature);
        assert_eq!(verdict, Err(Error::BadSignature));
    }
}

#[test]
fn signs_with_no_scheme_but_its_own() {
    let secret = SecretKey::generate(KeyKind::Ed25519).unwrap();
    let pure = secret.sign_with(Scheme::Ed25519, b"note").unwrap();
    secret.public_key().verify(Scheme::Ed25519, b"note", &pure).unwrap();
    for scheme in [Scheme::EcdsaP256Sha256, Scheme::RsaPkcs1v15_2048Sha256] {
        assert!(matches!(secret.sign_with(scheme, b"note"), Err(Error::SchemeMismatch { .. })));
    }
    let secret = SecretKey::generate(KeyKind::P384).unwrap();
    for scheme in [Scheme::EcdsaP256Sha256, Scheme::Ed25519, Scheme::Ed25519Ph] {
        assert!(matches!(secret.sign_with(scheme, b"note"), Err(Error::SchemeMismatch { .. })));
    }
}

#[test]
fn generates_three_kinds_and_no_other() {
    for kind in [KeyKind::P521, KeyKind::Rsa] {
        assert_eq!(SecretKey::generate(kind).map(drop), Err(Error::CannotGenerate { kind }));
    }
    let made: HashSet<_> = (0..20)
        .map(|index| SecretKey::generate(KINDS[index % 3]).unwrap().public_key().fingerprint())
        .collect();
    assert_eq!(made.len(), 20);
}

#[test]
fn g10_ecdsa_nonces_follow_rfc_6979() {
    // RFC 6979 appendices A.2.5 and A.2.6, message "sample" with SHA-256 and SHA-384.
    let secret =
        SecretKey::from_p256_scalar(&hex("c9afa9d845ba75166b5c215767b1d6934e50c3db36e89b127b8a622b120f6721"))
            .unwrap();
    let expected = hex("3046022100efd48b2aacb6a8fd1140dd9cd45e81d69d2c877b56aaf991c34d0ea84eaf3716\
                        022100f7cb1c942d657c41d436c7a1b6e29f65f3e900dbb9aff4064dc4ab2f843acda8");
    assert_eq!(secret.sign(b"sample").unwrap(), expected);
    let secret = SecretKey::from_p384_scalar(&hex(
        "6b9d3dad2e1b8c1c05b19875b6659f4de23c3b667bf297ba9aa47740787137d896d5724e4c70a825f872c9ea60d2edf5",
    ))
    .unwrap();
    let expected = hex(
        "306602310094edbb92a5ecb8aad4736e56c691916b3f88140666ce9fa73d64c4ea95ad133c81a648152e44acf96e36dd1e80fabe46\
         02310099ef4aeb15f178cea1fe40db2603138f130e740a19624526203b6351d0a3a94fa329c145786e679e7b82c71a38628ac8",
    );
    assert_eq!(secret.sign(b"sample").unwrap(), expected);
}

#[test]
fn g10_no_two_messages_share_a_nonce() {
    for kind in KINDS {
        let secret = SecretKey::generate(kind).unwrap();
        let count = 300_u32;
        let seen: HashSet<_> = (0..count)
            .map(|message| nonce_part(kind, &secret.sign(&message.to_be_bytes()).unwrap()))
            .collect();
        assert_eq!(seen.len(), usize::try_from(count).unwrap());
        assert_eq!(secret.sign(b"same").unwrap(), secret.sign(b"same").unwrap());
    }
}

#[test]
fn ed25519ph_is_that_of_rfc_8032() {
    // RFC 8032 section 7.3.
    let seed = hex("833fe62409237b9d62ec77587520911e9a759cec1d19755b7da901b96dca3d42");
    let secret = SecretKey::from_ed25519_seed(&seed.try_into().unwrap()).unwrap();
    let expected = hex("98a70222f0b8121aa9d30f813d683f809e462b469c7ff87639499bb94e6dae41\
                        31f85042463c2a355a2003d062adf5aaa10b8c61e636062aaad11c2a26083406");
    assert_eq!(secret.sign(b"abc").unwrap(), expected);
}

#[test]
fn k08_debug_shows_no_secret() {
    let secret = SecretKey::from_p256_scalar(&[0x42; 32]).unwrap();
    let text = format!("{secret:?}");
    let fingerprint = hex::encode(secret.public_key().fingerprint());
    assert_eq!(text, format!("SecretKey {{ kind: P256, fingerprint: \"{fingerprint}\", .. }}"));
}

#[test]
fn writes_pkcs8_that_reads_back() {
    for kind in KINDS {
        let secret = SecretKey::generate(kind).unwrap();
        let text = secret.to_pkcs8_pem(None).unwrap();
        assert!(text.starts_with("-----BEGIN PRIVATE KEY-----\n"));
        let KeyFile::Plain(read) = KeyFile::parse(text.as_bytes()).unwrap() else { panic!("not plain") };
        assert_eq!(read.public_key(), secret.public_key());
    }
}

#[test]
fn writes_encrypted_pkcs8_that_only_the_passphrase_opens() {
    let secret = SecretKey::generate(KeyKind::Ed25519).unwrap();
    let text = secret.to_pkcs8_pem(Some("correct horse")).unwrap();
    assert!(text.starts_with("-----BEGIN ENCRYPTED PRIVATE KEY-----\n"));
    let KeyFile::Encrypted(locked) = KeyFile::parse(text.as_bytes()).unwrap() else {
        panic!("not encrypted")
    };
    assert_eq!(locked.decrypt("correct horse").unwrap().public_key(), secret.public_key());
    assert_eq!(locked.decrypt("correct hose").map(drop), Err(Error::WrongPassphrase));
    assert_eq!(locked.decrypt("").map(drop), Err(Error::WrongPassphrase));
    // Fresh salt and initialisation vector each time.
    assert_ne!(*text, *secret.to_pkcs8_pem(Some("correct horse")).unwrap());
}

#[test]
fn refuses_to_protect_a_key_by_an_empty_passphrase() {
    let secret = SecretKey::generate(KeyKind::P256).unwrap();
    assert_eq!(secret.to_pkcs8_pem(Some("")).map(drop), Err(Error::EmptyPassphrase));
}

#[test]
fn g05_refuses_scalars_out_of_range() {
    let order = hex("ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551");
    for scalar in [vec![0; 32], order, vec![0xff; 32]] {
        assert_eq!(SecretKey::from_p256_scalar(&scalar).map(drop), Err(SCALAR_RANGE));
    }
    for scalar in [vec![0; 48], vec![0xff; 48]] {
        assert_eq!(SecretKey::from_p384_scalar(&scalar).map(drop), Err(SCALAR_RANGE));
    }
    for length in [0, 24, 31, 33, 47, 49] {
        assert_eq!(SecretKey::from_p256_scalar(&vec![1; length]).map(drop), Err(SCALAR_LENGTH));
        assert_eq!(SecretKey::from_p384_scalar(&vec![1; length]).map(drop), Err(SCALAR_LENGTH));
    }
}

/// Holds a key as a token does, and gives what `change` makes of its signatures.
struct Token {
    key: SecretKey,
    change: fn(Vec<u8>) -> Result<Vec<u8>>,
}

impl Holder for Token {
    fn sign(&self, scheme: Scheme, message: &[u8]) -> Result<Vec<u8>> {
        (self.change)(self.key.sign_with(scheme, message)?)
    }
}

fn held(kind: KeyKind, change: fn(Vec<u8>) -> Result<Vec<u8>>) -> SecretKey {
    let key = SecretKey::generate(kind).unwrap();
    SecretKey::held(key.public_key().clone(), Token { key, change })
}

#[test]
fn a_key_that_is_held_elsewhere_signs_and_cannot_be_written() {
    for kind in KINDS {
        let key = held(kind, Ok);
        let signature = key.sign(b"message").unwrap();
        key.public_key().verify(key.public_key().scheme(), b"message", &signature).unwrap();
        for passphrase in [None, Some("passphrase")] {
            assert_eq!(key.to_pkcs8_pem(passphrase).map(drop), Err(Error::HeldElsewhere));
        }
    }
    let key = held(KeyKind::Ed25519, Ok);
    let note = key.sign_with(Scheme::Ed25519, b"note").unwrap();
    key.public_key().verify(Scheme::Ed25519, b"note", &note).unwrap();
    assert!(matches!(key.sign_with(Scheme::EcdsaP256Sha256, b"note"), Err(Error::SchemeMismatch { .. })));
}

#[test]
fn nothing_that_a_faulty_holder_signs_gets_out() {
    fn spoilt(mut signature: Vec<u8>) -> Result<Vec<u8>> {
        let last = signature.last_mut().unwrap();
        *last ^= 1;
        Ok(signature)
    }
    for kind in KINDS {
        assert_eq!(held(kind, spoilt).sign(b"message"), Err(Error::HolderSignature));
        assert_eq!(held(kind, |_| Ok(Vec::new())).sign(b"message"), Err(Error::HolderSignature));
        let stranger = SecretKey::generate(kind).unwrap().public_key().clone();
        let token = Token { key: SecretKey::generate(kind).unwrap(), change: Ok };
        assert_eq!(SecretKey::held(stranger, token).sign(b"message"), Err(Error::HolderSignature));
        let refusal = Error::Holder { reason: "removed".to_owned() };
        let removed = |_| Err(Error::Holder { reason: "removed".to_owned() });
        assert_eq!(held(kind, removed).sign(b"message"), Err(refusal));
    }
}

//! Keys and signatures that go to and come from the `openssl` program, where there is one.

#![allow(clippy::disallowed_methods, reason = "runs openssl on temporary files")]
#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stdout, reason = "helpers of tests")]

use std::path::Path;
use std::process::{Command, Stdio};

use sealwax_keys::{Certificate, Error, KeyFile, KeyKind, PublicKey, Scheme, SecretKey};

const KINDS: [(KeyKind, &str); 3] = [
    (KeyKind::P256, "genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256"),
    (KeyKind::P384, "genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-384"),
    (KeyKind::Ed25519, "genpkey -algorithm ED25519"),
];

/// A folder in which openssl runs.
struct Openssl(tempfile::TempDir);

impl Openssl {
    fn start() -> Option<Self> {
        let found = Command::new("openssl").arg("version").stdout(Stdio::null()).status();
        if found.is_ok_and(|status| status.success()) {
            return Some(Self(tempfile::tempdir().unwrap()));
        }
        println!("skipped: openssl (no such program)");
        None
    }

    fn folder(&self) -> &Path {
        self.0.path()
    }

    /// Runs openssl with arguments separated by spaces; panics where it fails.
    fn run(&self, arguments: &str) -> Vec<u8> {
        let (ok, output) = self.attempt(arguments);
        assert!(ok, "openssl {arguments}: {}", String::from_utf8_lossy(&output));
        output
    }

    /// Runs openssl and tells whether it succeeded.
    fn attempt(&self, arguments: &str) -> (bool, Vec<u8>) {
        let output =
            Command::new("openssl").args(arguments.split(' ')).current_dir(self.folder()).output().unwrap();
        let ok = output.status.success();
        (ok, if ok { output.stdout } else { output.stderr })
    }

    fn write(&self, file: &str, bytes: &[u8]) {
        std::fs::write(self.folder().join(file), bytes).unwrap();
    }

    fn read(&self, file: &str) -> Vec<u8> {
        std::fs::read(self.folder().join(file)).unwrap()
    }

    /// Reads a private key file with our parser and checks it against the public key that openssl derives.
    fn expect_same_key(&self, file: &str, secret: &SecretKey) {
        let public = self.run(&format!("pkey -in {file} -passin pass:swordfish -pubout"));
        assert_eq!(secret.public_key().to_pem().into_bytes(), public);
        assert_eq!(&PublicKey::from_pem(&public).unwrap(), secret.public_key());
    }
}

fn plain(text: &[u8]) -> SecretKey {
    match KeyFile::parse(text).unwrap() {
        KeyFile::Plain(secret) => secret,
        KeyFile::Encrypted(_) => panic!("encrypted"),
    }
}

fn refusal(text: &[u8]) -> Error {
    KeyFile::parse(text).map(drop).unwrap_err()
}

#[test]
fn reads_what_genpkey_writes() {
    let Some(openssl) = Openssl::start() else { return };
    for (kind, arguments) in KINDS {
        let text = openssl.run(arguments);
        openssl.write("key.pem", &text);
        let secret = plain(&text);
        assert_eq!(secret.public_key().kind(), kind);
        openssl.expect_same_key("key.pem", &secret);
    }
}

#[test]
fn reads_what_ecparam_writes() {
    let Some(openssl) = Openssl::start() else { return };
    for curve in ["prime256v1", "secp384r1"] {
        for parameters in ["", " -noout"] {
            let text = openssl.run(&format!("ecparam -name {curve} -genkey{parameters}"));
            openssl.write("key.pem", &text);
            openssl.expect_same_key("key.pem", &plain(&text));
        }
    }
}

#[test]
fn reads_what_pkcs8_encrypts() {
    let Some(openssl) = Openssl::start() else { return };
    for (kind, arguments) in KINDS {
        openssl.write("key.pem", &openssl.run(arguments));
        let schemes = [
            "-scrypt",
            "-scrypt -scrypt_N 1024 -scrypt_r 8 -scrypt_p 16",
            "-v2 aes-256-cbc",
            "-v2 aes-128-cbc -v2prf hmacWithSHA512",
            "-v2 aes-192-cbc -v2prf hmacWithSHA384 -iter 10000",
        ];
        for scheme in schemes {
            openssl
                .run(&format!("pkcs8 -topk8 {scheme} -in key.pem -passout pass:swordfish -out locked.pem"));
            let KeyFile::Encrypted(locked) = KeyFile::parse(&openssl.read("locked.pem")).unwrap() else {
                panic!("not encrypted")
            };
            let secret = locked.decrypt("swordfish").unwrap();
            assert_eq!(secret.public_key().kind(), kind);
            openssl.expect_same_key("key.pem", &secret);
            assert_eq!(locked.decrypt("Swordfish").map(drop), Err(Error::WrongPassphrase));
        }
    }
}

#[test]
fn k03_refuses_what_openssl_encrypts_weakly() {
    let Some(openssl) = Openssl::start() else { return };
    openssl.write("key.pem", &openssl.run(KINDS[0].1));
    for scheme in [
        "pkcs8 -topk8 -v2 des3",
        "pkcs8 -topk8 -v2 aes-256-cbc -v2prf hmacWithSHA1",
        "pkcs8 -topk8 -v1 PBE-SHA1-3DES",
        "ec -aes128",
        "pkey -traditional -aes128",
        "pkey -traditional -des3",
    ] {
        let arguments = format!("{scheme} -in key.pem -passout pass:swordfish -out locked.pem");
        let (ok, _) = openssl.attempt(&arguments);
        assert!(ok, "{arguments}");
        let text = openssl.read("locked.pem");
        assert!(matches!(refusal(&text), Error::WeakEncryption { .. }), "{scheme}: {:?}", refusal(&text));
        // The line that our documentation gives makes it readable.
        openssl.run(
            "pkcs8 -topk8 -v2 aes-256-cbc -in locked.pem -out new.pem -passin pass:swordfish -passout pass:swordfish",
        );
        assert!(matches!(KeyFile::parse(&openssl.read("new.pem")), Ok(KeyFile::Encrypted(_))));
    }
}

#[test]
fn k03_refuses_a_truncated_encrypted_key() {
    let Some(openssl) = Openssl::start() else { return };
    openssl.write("key.pem", &openssl.run(KINDS[0].1));
    let text = openssl.run("pkcs8 -topk8 -v2 aes-256-cbc -iter 1 -in key.pem -passout pass:swordfish");
    assert!(KeyFile::parse(&text).is_ok());
    for length in 0..text.len() - 1 {
        let cut = KeyFile::parse(&text[..length]);
        assert!(cut.is_err(), "{length}");
    }
}

#[test]
fn k04_names_the_keys_that_it_does_not_take() {
    let Some(openssl) = Openssl::start() else { return };
    for (arguments, name) in [
        ("genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:1024", "RSA private key"),
        ("genpkey -algorithm X25519", "X25519 private key"),
        ("genpkey -algorithm ED448", "Ed448 private key"),
        ("genpkey -algorithm EC -pkeyopt ec_paramgen_curve:secp256k1", "ECDSA secp256k1 private key"),
        ("genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-521", "ECDSA P-521 private key"),
        ("ecparam -name secp256k1 -genkey", "ECDSA secp256k1 private key"),
        ("genrsa -traditional 1024", "RSA private key"),
    ] {
        let text = openssl.run(arguments);
        assert_eq!(refusal(&text), Error::UnsupportedKey { what: name.into() }, "{arguments}");
    }
    let explicit =
        openssl.run("genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -pkeyopt ec_param_enc:explicit");
    let expected = Error::UnsupportedKey { what: "ECDSA with explicit curve parameters".into() };
    assert_eq!(refusal(&explicit), expected);
    openssl.write("key.pem", &explicit);
    let public = openssl.run("pkey -in key.pem -pubout");
    assert_eq!(PublicKey::from_pem(&public), Err(expected));
}

#[test]
fn g05_refuses_the_compressed_keys_that_openssl_writes() {
    let Some(openssl) = Openssl::start() else { return };
    openssl.write("key.pem", &openssl.run(KINDS[0].1));
    let compressed = openssl.run("ec -in key.pem -pubout -conv_form compressed");
    let hybrid = openssl.run("ec -in key.pem -pubout -conv_form hybrid");
    for text in [compressed, hybrid] {
        let refused = PublicKey::from_pem(&text);
        assert_eq!(refused, Err(Error::Malformed { what: "uncompressed curve point" }));
    }
}

#[test]
fn openssl_reads_our_private_keys() {
    let Some(openssl) = Openssl::start() else { return };
    for (kind, _) in KINDS {
        let secret = SecretKey::generate(kind).unwrap();
        for passphrase in [None, Some("swordfish")] {
            openssl.write("ours.pem", secret.to_pkcs8_pem(passphrase).unwrap().as_bytes());
            openssl.expect_same_key("ours.pem", &secret);
        }
        assert!(!openssl.attempt("pkey -in ours.pem -passin pass:wrong -noout").0);
        // And as openssl writes it, our unencrypted form is the same to the last byte, but for the inner public key.
        openssl.write("plain.pem", secret.to_pkcs8_pem(None).unwrap().as_bytes());
        let again = openssl.run("pkey -in plain.pem");
        assert_eq!(again, secret.to_pkcs8_pem(None).unwrap().as_bytes());
    }
}

#[test]
fn openssl_verifies_our_signatures_and_we_verify_its() {
    let Some(openssl) = Openssl::start() else { return };
    openssl.write("message", b"the message");
    for (kind, hash) in [(KeyKind::P256, "-sha256"), (KeyKind::P384, "-sha384")] {
        let secret = SecretKey::generate(kind).unwrap();
        openssl.write("key.pem", secret.to_pkcs8_pem(None).unwrap().as_bytes());
        openssl.write("public.pem", secret.public_key().to_pem().as_bytes());
        openssl.write("signature", &secret.sign(b"the message").unwrap());
        openssl.run(&format!("dgst {hash} -verify public.pem -signature signature message"));
        openssl.run(&format!("dgst {hash} -sign key.pem -out theirs message"));
        let key = secret.public_key();
        key.verify(key.scheme(), b"the message", &openssl.read("theirs")).unwrap();
    }
}

#[test]
fn openssl_verifies_our_pure_ed25519_and_we_verify_its() {
    let Some(openssl) = Openssl::start() else { return };
    let scheme = Scheme::Ed25519;
    openssl.write("message", b"the message");
    let secret = SecretKey::generate(KeyKind::Ed25519).unwrap();
    openssl.write("key.pem", secret.to_pkcs8_pem(None).unwrap().as_bytes());
    openssl.write("public.pem", secret.public_key().to_pem().as_bytes());
    openssl.write("signature", &secret.sign_with(scheme, b"the message").unwrap());
    openssl.run("pkeyutl -verify -pubin -inkey public.pem -rawin -in message -sigfile signature");
    openssl.run("pkeyutl -sign -inkey key.pem -rawin -in message -out theirs");
    secret.public_key().verify(scheme, b"the message", &openssl.read("theirs")).unwrap();
}

#[test]
fn reads_certificates_and_rsa_keys_that_openssl_makes() {
    let Some(openssl) = Openssl::start() else { return };
    for bits in [2048, 3072] {
        openssl.run(&format!("req -x509 -newkey rsa:{bits} -sha256 {REQUEST}"));
        let text = openssl.read("ca.crt");
        let [root] = Certificate::from_pem_chain(&text).unwrap().try_into().unwrap();
        assert_eq!((root.public_key().kind(), root.public_key().bits()), (KeyKind::Rsa, bits));
        assert_eq!(root.subject(), "CN=root");
        root.is_signed_by(root.public_key()).unwrap();
        openssl.write("message", b"the message");
        openssl.run("dgst -sha256 -sign ca.pem -out theirs message");
        let key = root.public_key();
        key.verify(key.scheme(), b"the message", &openssl.read("theirs")).unwrap();
        openssl.run("dgst -sha256 -sigopt rsa_padding_mode:pss -sign ca.pem -out theirs message");
        let pss = key.verify(key.scheme(), b"the message", &openssl.read("theirs"));
        assert_eq!(pss, Err(Error::BadSignature));
    }
}

#[test]
fn checks_self_signed_certificates_of_every_accepted_algorithm() {
    let Some(openssl) = Openssl::start() else { return };
    for key in ["rsa:2048", "ec -pkeyopt ec_paramgen_curve:P-256", "ec -pkeyopt ec_paramgen_curve:P-384"]
        .into_iter()
        .chain(["ec -pkeyopt ec_paramgen_curve:P-521", "ed25519"])
    {
        for hash in ["-sha256", "-sha384", "-sha512"] {
            openssl.run(&format!("req -x509 -newkey {key} {hash} {REQUEST}"));
            let [root] = Certificate::from_pem_chain(&openssl.read("ca.crt")).unwrap().try_into().unwrap();
            assert_eq!(root.is_signed_by(root.public_key()), Ok(()), "{key} {hash}");
        }
    }
}

#[test]
fn refuses_certificates_that_openssl_signs_weakly() {
    let Some(openssl) = Openssl::start() else { return };
    let verdict = |arguments: &str| {
        openssl.run(&format!("req -x509 -newkey rsa:{arguments} {REQUEST}"));
        let [root] = Certificate::from_pem_chain(&openssl.read("ca.crt"))?.try_into().unwrap();
        root.is_signed_by(root.public_key())
    };
    let sha1 = Error::UnsupportedSignatureAlgorithm { oid: "1.2.840.113549.1.1.5".into() };
    assert_eq!(verdict("2048 -sha1"), Err(sha1));
    let pss = Error::UnsupportedSignatureAlgorithm { oid: "1.2.840.113549.1.1.10".into() };
    assert_eq!(verdict("2048 -sha256 -sigopt rsa_padding_mode:pss"), Err(pss));
    assert!(matches!(verdict("1024 -sha256"), Err(Error::WeakKey { .. })));
}

#[test]
fn c13_refuses_the_version_1_certificate_that_openssl_makes() {
    let Some(openssl) = Openssl::start() else { return };
    openssl.write("key.pem", &openssl.run(KINDS[0].1));
    openssl.run("req -new -key key.pem -subj /CN=old -out old.csr");
    let text = openssl.run("x509 -req -in old.csr -signkey key.pem -days 1");
    let refused = Certificate::from_pem_chain(&text).map(drop);
    assert_eq!(refused, Err(Error::CertificateVersion { version: 1 }));
}

const REQUEST: &str = "-nodes -keyout ca.pem -out ca.crt -days 1 -subj /CN=root";

//! What the `openssl` program, where there is one, says of certificates and tokens of time that are made here.

#![allow(clippy::disallowed_methods, reason = "runs openssl on temporary files")]
#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stdout, reason = "helpers of tests")]

use std::process::{Command, Stdio};

use jiff::{SignedDuration, Timestamp};
use sealwax_authority::{
    CertificateAuthority, CertifiedKey, Claim, Identity, IdentityName, KeyRequest, Name, Refusal, Role,
    TimestampAuthority, Validity,
};
use sealwax_keys::{KeyKind, SecretKey};

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

    /// Runs openssl with arguments separated by spaces; gives what it says, and whether it succeeded.
    fn attempt(&self, arguments: &str) -> (bool, String) {
        let mut openssl = Command::new("openssl");
        let output = openssl.args(arguments.split(' ')).current_dir(self.0.path()).output().unwrap();
        let text = [output.stdout, output.stderr].concat();
        (output.status.success(), String::from_utf8_lossy(&text).into_owned())
    }

    fn run(&self, arguments: &str) -> String {
        let (ok, text) = self.attempt(arguments);
        assert!(ok, "openssl {arguments}: {text}");
        text
    }

    fn write(&self, file: &str, bytes: impl AsRef<[u8]>) {
        std::fs::write(self.0.path().join(file), bytes).unwrap();
    }

    fn read(&self, file: &str) -> Vec<u8> {
        std::fs::read(self.0.path().join(file)).unwrap()
    }
}

fn now() -> Timestamp {
    "2026-11-24T12:00:00Z".parse().unwrap()
}

fn years(years: i64) -> Validity {
    Validity { not_before: now(), not_after: now() + SignedDuration::from_hours(years * 365 * 24) }
}

fn name(common_name: &str) -> Name<'_> {
    Name { organization: "Example", common_name }
}

fn root() -> CertifiedKey {
    CertifiedKey::new_root(SecretKey::generate(KeyKind::P384).unwrap(), name("Root"), years(30)).unwrap()
}

fn below(root: &CertifiedKey, role: Role, kind: KeyKind) -> CertifiedKey {
    let key = SecretKey::generate(kind).unwrap();
    CertifiedKey::new(root.certify(role, key.public_key(), name("Below"), years(5)).unwrap(), key).unwrap()
}

#[test]
fn openssl_accepts_the_chain_of_an_identity() {
    let Some(openssl) = Openssl::start() else { return };
    let root = root();
    let log = SecretKey::generate(KeyKind::P256).unwrap();
    let log_id = log.public_key().fingerprint();
    let authority = CertificateAuthority::new(below(&root, Role::Identities, KeyKind::P384), log).unwrap();
    for name in [
        IdentityName::Email("alice@example.com".to_owned()),
        IdentityName::Uri("https://ci.example/build".to_owned()),
        IdentityName::User("alice!example.com".to_owned()),
    ] {
        let identity = Identity::new("https://accounts.example", name)
            .and_then(|identity| identity.with_claim(Claim::BUILD_TRIGGER, "push"))
            .unwrap();
        let key = SecretKey::generate(KeyKind::Ed25519).unwrap();
        let issued =
            authority.issue(&identity, key.public_key(), now(), |_| Ok::<_, std::io::Error>(())).unwrap();
        openssl.write("leaf.pem", issued.certificate().to_pem());
        openssl.write("below.pem", authority.issuer().chain()[0].to_pem());
        openssl.write("root.pem", root.chain_pem());
        let verify = |seconds: i64| {
            let time = now().as_second() + seconds;
            let arguments =
                format!("verify -x509_strict -attime {time} -CAfile root.pem -untrusted below.pem leaf.pem");
            openssl.attempt(&arguments)
        };
        assert!(verify(0).0, "{}", verify(0).1);
        assert!(verify(599).0);
        assert!(verify(601).1.contains("expired"));
        let text = openssl.run("x509 -in leaf.pem -noout -text");
        assert!(text.contains("X509v3 Subject Alternative Name: critical"), "{text}");
        assert!(text.contains("CT Precertificate SCTs") && text.contains("ecdsa-with-SHA256"), "{text}");
        let start = log_id[..8].iter().map(|byte| format!("{byte:02X}")).collect::<Vec<_>>().join(":");
        assert!(text.contains(&start), "{text}");
        assert!(text.contains("Nov 24 12:00:00.000 2026 GMT"), "{text}");
    }
}

#[test]
fn openssl_accepts_tokens_of_time() {
    let Some(openssl) = Openssl::start() else { return };
    let root = root();
    openssl.write("root.pem", root.chain_pem());
    openssl.write("data", "data");
    openssl.write("other", "other");
    for kind in [KeyKind::P256, KeyKind::P384] {
        let authority = TimestampAuthority::new(below(&root, Role::Timestamps, kind)).unwrap();
        openssl.write("tsa.pem", authority.signer().chain()[0].to_pem());
        let time = now().as_second();
        for (query, verify) in [
            ("-sha256 -cert", ""),
            ("-sha512 -cert -no_nonce", ""),
            ("-sha384", " -untrusted tsa.pem"),
            ("-sha256 -tspolicy 1.3.6.1.4.1.57264.2", " -untrusted tsa.pem"),
        ] {
            openssl.run(&format!("ts -query -data data {query} -out query.tsq"));
            let reply = authority.answer(&openssl.read("query.tsq"), now()).unwrap();
            assert_eq!(reply.refusal, None, "{query}");
            openssl.write("reply.tsr", &reply.der);
            let verify = format!("ts -verify -in reply.tsr -attime {time} -CAfile root.pem{verify}");
            openssl.run(&format!("{verify} -queryfile query.tsq"));
            openssl.run(&format!("{verify} -data data"));
            assert!(!openssl.attempt(&format!("{verify} -data other")).0);
            let text = openssl.run("ts -reply -in reply.tsr -text");
            assert!(text.contains("Time stamp: Nov 24 12:00:00 2026 GMT"), "{text}");
            assert!(text.contains("Accuracy: 0x01 seconds") && text.contains("Ordering: no"), "{text}");
        }
        openssl.run("ts -query -data data -sha1 -out query.tsq");
        let reply = authority.answer(&openssl.read("query.tsq"), now()).unwrap();
        openssl.write("reply.tsr", &reply.der);
        let text = openssl.run("ts -reply -in reply.tsr -text");
        assert!(
            text.contains("Rejected") && text.contains("unrecognized or unsupported algorithm"),
            "{text}"
        );
    }
}

#[test]
fn reads_the_certification_requests_of_openssl() {
    let Some(openssl) = Openssl::start() else { return };
    for key in [
        "rsa:2048",
        "rsa:4096",
        "ec -pkeyopt ec_paramgen_curve:P-256",
        "ec -pkeyopt ec_paramgen_curve:P-384",
        "ec -pkeyopt ec_paramgen_curve:P-521",
        "ed25519",
    ] {
        openssl.run(&format!("req -new -newkey {key} -nodes -subj /CN=ignored -keyout key.pem -out csr.pem"));
        openssl.run("pkey -in key.pem -pubout -out public.pem");
        openssl.run("req -in csr.pem -outform DER -out csr.der");
        let public = sealwax_keys::PublicKey::from_pem(&openssl.read("public.pem")).unwrap();
        for file in ["csr.pem", "csr.der"] {
            let request = KeyRequest::from_csr(&openssl.read(file)).unwrap();
            let shown = format!("{public:?}");
            assert!(format!("{request:?}").contains(&shown), "{key}");
        }
    }
    openssl.run("req -new -newkey rsa:1024 -nodes -subj /CN=ignored -keyout key.pem -out csr.pem");
    assert!(matches!(KeyRequest::from_csr(&openssl.read("csr.pem")), Err(Refusal::Key(_))));
}

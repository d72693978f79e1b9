//! Certificates of a company's own authority: logged and time-stamped like any other signature, and judged at the time that
//! was proven, however long after.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]

use std::convert::Infallible;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use jiff::{SignedDuration, Timestamp};
use sealwax_attestation::{Bundle, TrustedRoot};
use sealwax_authority::{
    CertificateAuthority, CertifiedKey, Identity, IdentityName, Name, Role, TimestampAuthority,
    TimestampRequest, Validity,
};
use sealwax_keys::{Certificate, KeyFile, KeyKind, SecretKey};
use sealwax_tests::Sandbox;
use sealwax_verify::{
    Authentic, CertificateProblem, LogRequirement, Policy, Rejection, Signer, Signers, TimeSource,
    authenticate,
};

/// A sandbox whose model `m` is signed by a company's certificate, which was made now and ends ten minutes from now.
struct Company {
    sandbox: Sandbox,
    root: Certificate,
    made: Timestamp,
}

fn key() -> SecretKey {
    SecretKey::generate(KeyKind::P256).unwrap()
}

fn hours(hours: i64) -> SignedDuration {
    SignedDuration::from_hours(hours)
}

fn minutes(minutes: i64) -> SignedDuration {
    SignedDuration::from_mins(minutes)
}

impl Company {
    fn new() -> Self {
        let sandbox = Sandbox::new();
        sandbox.model("m");
        sandbox.ok(["instance", "init", "--origin", "log.example"]);
        let made = Timestamp::now();
        let validity = Validity { not_before: made - hours(1_000), not_after: made + hours(100_000) };
        let name = |common_name| Name { organization: "Company", common_name };
        let root = CertifiedKey::new_root(key(), name("Root"), validity).unwrap();
        let issuer = key();
        let chain = root.certify(Role::Identities, issuer.public_key(), name("Code"), validity).unwrap();
        let certificates =
            CertificateAuthority::new(CertifiedKey::new(chain, issuer).unwrap(), key()).unwrap();
        let signer = key();
        let identity = IdentityName::Email("release@company.example".to_owned());
        let identity = Identity::new("https://company.example", identity).unwrap();
        let issued = certificates.issue(&identity, signer.public_key(), made, |_| Ok::<_, Infallible>(()));
        let chain: Vec<Certificate> = issued.unwrap().chain().cloned().collect();
        sandbox.write("key.pem", signer.to_pkcs8_pem(None).unwrap().as_bytes());
        fs::set_permissions(sandbox.at("key.pem"), fs::Permissions::from_mode(0o600)).unwrap();
        for (file, certificate) in ["leaf.pem", "code.pem", "root.pem"].iter().zip(&chain) {
            sandbox.write(file, certificate.to_pem());
        }
        Self { sandbox, root: chain[2].clone(), made }
    }

    fn signed() -> Self {
        let company = Self::new();
        company.sandbox.ok(SIGN);
        company
    }

    fn bundle(&self) -> Bundle {
        Bundle::from_json(&fs::read(self.sandbox.at("m/model.sig")).unwrap()).unwrap()
    }

    fn trusted_root(&self) -> TrustedRoot {
        let path = self.sandbox.instance().join("trusted_root.json");
        TrustedRoot::from_json(&fs::read(path).unwrap()).unwrap()
    }

    fn verdict(&self, bundle: &Bundle, now: Timestamp) -> Result<Authentic, Rejection> {
        let signers = Signers::CertificateChain { anchors: vec![self.root.clone()], signed_at: None };
        let log = LogRequirement::Required { witnesses: None };
        authenticate(bundle, &self.trusted_root(), Policy { signers, log, ignored: Vec::new() }, now)
    }

    /// A token of time over any bytes, as the instance's own authority would make it if its clock said so.
    fn token(&self, bytes: &[u8], time: Timestamp) -> Vec<u8> {
        let dir = self.sandbox.instance();
        let read = |name: &str| fs::read(dir.join(name)).unwrap();
        let Ok(KeyFile::Plain(key)) = KeyFile::parse(&read("keys/tsa.pem")) else {
            panic!("not a plain key")
        };
        let chain = Certificate::from_pem_chain(&read("authority/tsa.pem")).unwrap();
        token(CertifiedKey::new(chain, key).unwrap(), bytes, time)
    }
}

fn token(signer: CertifiedKey, bytes: &[u8], time: Timestamp) -> Vec<u8> {
    let request = TimestampRequest::new(bytes).unwrap();
    let reply = TimestampAuthority::new(signer).unwrap().answer(&request.to_der(), time).unwrap().der;
    request.check(&reply).unwrap();
    reply
}

const SIGN: [&str; 10] = [
    "sign",
    "m",
    "--key",
    "key.pem",
    "--certificate",
    "leaf.pem",
    "--certificate-chain",
    "code.pem",
    "--certificate-chain",
    "root.pem",
];

#[test]
fn c01_a_certificate_that_has_ended_was_valid_when_it_signed() {
    let company = Company::signed();
    let verify = ["verify", "m", "--certificate-chain", "root.pem"];
    let verdict = company.sandbox.json(0, verify);
    assert_eq!(verdict["signer"]["time_from"], "proven", "{verdict}");
    assert_eq!(verdict["log"]["origin"], "log.example");
    let bundle = company.bundle();
    assert_eq!((bundle.timestamps.len(), bundle.log_entries.len()), (1, 1));
    for later in [hours(1), hours(100_000), hours(500_000)] {
        let authentic = company.verdict(&bundle, company.made + later).unwrap();
        let Signer::Certificate { valid_at, time_source, .. } = authentic.signer() else { panic!("another") };
        assert_eq!(*time_source, TimeSource::Proven);
        assert!(
            *valid_at < company.made + minutes(10) && *valid_at >= company.made - minutes(1),
            "{valid_at}"
        );
    }
    // Without the token there is only the verifier's clock, and that is too late.
    let unstamped = Bundle { timestamps: Vec::new(), ..bundle };
    company.verdict(&unstamped, company.made + minutes(5)).unwrap();
    is_out_of_time(company.verdict(&unstamped, company.made + hours(1)));
}

#[test]
fn c01_a_certificate_that_is_valid_now_was_not_when_it_signed() {
    let company = Company::signed();
    let bundle = company.bundle();
    let stamped = |time| {
        let token = company.token(bundle.content.signature(), time);
        company.verdict(&Bundle { timestamps: vec![token], ..bundle.clone() }, company.made + hours(1))
    };
    stamped(company.made + minutes(9)).unwrap();
    is_out_of_time(stamped(company.made + minutes(11)));
    // The clock of the verifier does not help: the certificate is valid now, and the signature is from after its end.
    let token = company.token(bundle.content.signature(), company.made + minutes(11));
    let late = Bundle { timestamps: vec![token], ..bundle };
    is_out_of_time(company.verdict(&late, company.made + minutes(11)));
}

#[test]
fn m02_m04_every_time_that_is_claimed_must_hold() {
    let company = Company::signed();
    let bundle = company.bundle();
    let signature = bundle.content.signature();
    let stamped = |timestamps: Vec<Vec<u8>>, now| {
        company.verdict(&Bundle { timestamps, ..bundle.clone() }, company.made + now)
    };
    let good = || bundle.timestamps[0].clone();
    let late = || company.token(signature, company.made + minutes(11));
    stamped(vec![good(), company.token(signature, company.made + minutes(2))], hours(1)).unwrap();
    // One bad one among two, whichever comes first.
    is_out_of_time(stamped(vec![good(), late()], hours(1)));
    is_out_of_time(stamped(vec![late(), good()], hours(1)));
    // M02: of another signature, and of what was signed.
    for bytes in [&b"another signature"[..], &bundle.envelope().unwrap().pae()] {
        let refused = stamped(vec![company.token(bytes, company.made + minutes(2))], hours(1)).unwrap_err();
        assert!(matches!(refused, Rejection::TimestampOtherBytes), "{refused:?}");
    }
    // M03: a second ahead.
    let ahead = company.token(signature, company.made + minutes(3) + SignedDuration::from_secs(1));
    let refused = stamped(vec![ahead.clone()], minutes(3)).unwrap_err();
    assert!(matches!(refused, Rejection::TimeInFuture { .. }), "{refused:?}");
    stamped(vec![ahead], minutes(3) + SignedDuration::from_secs(1)).unwrap();
}

#[test]
fn m01_m05_who_is_not_listed_says_nothing() {
    let company = Company::signed();
    let bundle = company.bundle();
    let validity = Validity { not_before: company.made - hours(1), not_after: company.made + hours(1_000) };
    let name = |common_name| Name { organization: "Stranger", common_name };
    let root = CertifiedKey::new_root(key(), name("Root"), validity).unwrap();
    let own = key();
    let chain = root.certify(Role::Timestamps, own.public_key(), name("Time"), validity).unwrap();
    let time = company.made + minutes(1);
    let stranger = token(CertifiedKey::new(chain, own).unwrap(), bundle.content.signature(), time);
    let stamped = |timestamps, now| company.verdict(&Bundle { timestamps, ..bundle.clone() }, now);
    // M01: alone it proves no time, so that the clock decides.
    is_out_of_time(stamped(vec![stranger.clone()], company.made + hours(1)));
    // M05: beside a good one it does no harm.
    stamped(vec![stranger, bundle.timestamps[0].clone()], company.made + hours(1)).unwrap();
}

#[test]
fn c01_nothing_is_logged_for_a_certificate_that_is_not_valid_now() {
    let company = Company::new();
    let leaf = |issued: Timestamp| {
        let validity = Validity { not_before: issued - hours(1), not_after: issued + hours(1) };
        let name = |common_name| Name { organization: "Company", common_name };
        let root = CertifiedKey::new_root(key(), name("Root"), validity).unwrap();
        let authority = CertificateAuthority::new(root, key()).unwrap();
        let signer = key();
        let identity = IdentityName::Email("release@company.example".to_owned());
        let identity = Identity::new("https://company.example", identity).unwrap();
        let issued = authority.issue(&identity, signer.public_key(), issued, |_| Ok::<_, Infallible>(()));
        let chain: Vec<Certificate> = issued.unwrap().chain().cloned().collect();
        company.sandbox.write("key.pem", signer.to_pkcs8_pem(None).unwrap().as_bytes());
        company.sandbox.write("leaf.pem", chain[0].to_pem());
        company.sandbox.write("code.pem", chain[1].to_pem());
    };
    for issued in [company.made - hours(2), company.made + hours(2)] {
        leaf(issued);
        let signed = company.sandbox.json(1, SIGN);
        assert_eq!(signed["code"], "C01-certificate-time", "{signed}");
        assert!(!company.sandbox.at("m/model.sig").exists());
        let shown = company.sandbox.json(0, ["instance", "show"]);
        assert_eq!(shown["log"]["size"], 0);
    }
}

fn is_out_of_time(verdict: Result<Authentic, Rejection>) {
    match verdict {
        Err(Rejection::Certificate { problem: CertificateProblem::Time { .. }, .. }) => {}
        other => panic!("{other:?}"),
    }
}

//! Hostile identity certificates, certificate-transparency answers, promises and times, made byte by byte.
//!
//! Each case is a bundle over one file that is good in all but one thing. Its time comes from a Rekor v1 promise. This is
//! one file because each case differs from the good one by one line.

use std::rc::Rc;

use jiff::Timestamp;
use serde_json::json;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sealwax_attestation::{
    AuthorityInstance, Bundle, BundleVersion, Content, CtLogInstance, EntryFormat, InclusionPromise,
    InclusionProof, LogInstance, MessageSignature, TransparencyLogEntry, TrustedRoot, VerificationMaterial,
};
use sealwax_keys::{HashAlgorithm, KeyKind, PublicKey, SecretKey};
use sealwax_tlog::Hash;
use sealwax_verify::{
    Artifact, IdentityRule, LogRequirement, NameRule, Policy, Rejection, Signer, Signers, TimeWitness,
    VerifiedBlob, verify_blob,
};

use crate::conformance::identity;
use crate::der::{
    Certificate, authority, dns, email, extension, fulcio, key_usage, octets, oid, other_name, purposes, san,
    uri, utf8,
};
use crate::world::time;

const NOW: &str = "2026-11-01T12:00:00Z";
const ISSUED: &str = "2024-06-01T12:00:00Z";
const SIGNED: &str = "2024-06-01T12:05:00Z";
const ENDS: &str = "2024-06-01T12:10:00Z";
const FILE: &[u8] = b"the signed file";
const ISSUER: &str = "https://accounts.example";
const ALICE: &str = "alice@example.com";
const LOG: &str = "log.example";

/// One answer of a certificate-transparency log.
#[derive(Clone)]
struct Answer {
    key: usize,
    at: Timestamp,
    /// A bit of the signature that is flipped.
    broken: bool,
    /// Whether it is about another issuer's certificate.
    other_issuer: bool,
    extensions: Vec<u8>,
}

/// Everything that makes a bundle and its verifier.
#[derive(Clone)]
struct Case {
    keys: Vec<Rc<SecretKey>>,
    root: Certificate,
    middle: Certificate,
    leaf: Certificate,
    answers: Vec<Answer>,
    /// Which of the keys signs the file.
    signer: usize,
    integrated: Timestamp,
    promised: bool,
    version: BundleVersion,
    /// What stands behind the leaf in the chain form.
    behind: Vec<Vec<u8>>,
    /// What the log entry names in place of the leaf.
    logged: Option<Vec<u8>>,
    authority_window: (Timestamp, Option<Timestamp>),
    ct_window: (Timestamp, Option<Timestamp>),
    log_window: (Timestamp, Option<Timestamp>),
    /// Whether the trusted root lists the authority at all.
    listed: bool,
}

const ROOT: usize = 0;
const MIDDLE: usize = 1;
const LEAF: usize = 2;
const CT: usize = 3;
const REKOR: usize = 4;
const SECOND_CT: usize = 5;
const STRANGER: usize = 6;

fn case() -> Case {
    let keys = (0..7).map(|_| Rc::new(SecretKey::generate(KeyKind::P256).unwrap())).collect();
    let years = ("2020-01-01T00:00:00Z", "2040-01-01T00:00:00Z");
    let issuing = |subject, issuer| Certificate {
        extensions: vec![authority(None), key_usage(0x06)],
        ..Certificate::new(subject, issuer, years.0, years.1)
    };
    let leaf = Certificate {
        extensions: vec![
            key_usage(0x80),
            purposes(&[CODE_SIGNING]),
            san(&[email(ALICE)]),
            fulcio(1, ISSUER.as_bytes()),
            fulcio(8, &utf8(ISSUER)),
            fulcio(20, &utf8("push")),
        ],
        ..Certificate::new("", "middle", ISSUED, ENDS)
    };
    let always = (time("2020-01-01T00:00:00Z"), None);
    Case {
        keys,
        root: issuing("root", "root"),
        middle: issuing("middle", "root"),
        leaf,
        answers: vec![answer(CT)],
        signer: LEAF,
        integrated: time(SIGNED),
        promised: true,
        version: BundleVersion::V0_3,
        behind: Vec::new(),
        logged: None,
        authority_window: always,
        ct_window: always,
        log_window: always,
        listed: true,
    }
}

fn answer(key: usize) -> Answer {
    Answer { key, at: time(ISSUED), broken: false, other_issuer: false, extensions: Vec::new() }
}

impl Case {
    fn public(&self, key: usize) -> &PublicKey {
        self.keys[key].public_key()
    }

    fn root_der(&self) -> Vec<u8> {
        self.root.signed(self.public(ROOT), &self.keys[ROOT])
    }

    fn middle_der(&self) -> Vec<u8> {
        self.middle.signed(self.public(MIDDLE), &self.keys[ROOT])
    }

    /// The leaf, with the logs' answers about it.
    fn leaf_der(&self) -> Vec<u8> {
        let mut leaf = self.leaf.clone();
        let tbs = leaf.tbs(self.public(LEAF));
        let answers: Vec<Vec<u8>> = self.answers.iter().map(|answer| self.answered(answer, &tbs)).collect();
        if !answers.is_empty() {
            let list = framed(&answers.iter().flat_map(|one| framed(one)).collect::<Vec<u8>>());
            leaf.extensions.push(extension(ANSWERS, false, &octets(&octets(&list))));
        }
        leaf.signed(self.public(LEAF), &self.keys[MIDDLE])
    }

    fn answered(&self, answer: &Answer, tbs: &[u8]) -> Vec<u8> {
        let issuer = self.public(if answer.other_issuer { ROOT } else { MIDDLE });
        let time = u64::try_from(answer.at.as_millisecond()).unwrap().to_be_bytes();
        let length = u32::try_from(tbs.len()).unwrap().to_be_bytes();
        let mut signed = vec![0, 0];
        signed.extend(time);
        signed.extend([0, 1]);
        signed.extend(HashAlgorithm::Sha256.digest(issuer.spki_der()));
        signed.extend(&length[1..]);
        signed.extend(tbs);
        signed.extend(framed(&answer.extensions));
        let mut signature = self.keys[answer.key].sign(&signed).unwrap();
        if answer.broken {
            *signature.last_mut().unwrap() ^= 1;
        }
        let log_id = self.public(answer.key).fingerprint();
        [&[0][..], &log_id, &time, &framed(&answer.extensions), &[4, 3], &framed(&signature)].concat()
    }

    fn bundle(&self) -> Bundle {
        let signature = self.keys[self.signer].sign(FILE).unwrap();
        let leaf = self.leaf_der();
        let body = json!({"apiVersion": "0.0.1", "kind": "hashedrekord", "spec": {
            "data": {"hash": {"algorithm": "sha256", "value": hex::encode(HashAlgorithm::Sha256.digest(FILE))}},
            "signature": {
                "content": STANDARD.encode(&signature),
                "publicKey": {"content": STANDARD.encode(pem(self.logged.as_ref().unwrap_or(&leaf)))},
            },
        }});
        let body = body.to_string().into_bytes();
        let material = match self.version {
            BundleVersion::V0_3 => VerificationMaterial::Certificate(leaf),
            _ => VerificationMaterial::CertificateChain([vec![leaf], self.behind.clone()].concat()),
        };
        let message = MessageSignature { digest: None, signature };
        Bundle {
            version: self.version,
            log_entries: vec![self.entry(body)],
            ..Bundle::new(material, Content::Message(message))
        }
    }

    /// The answer of a log with this one entry in its tree, the fourth of all its trees' entries.
    fn entry(&self, body: Vec<u8>) -> TransparencyLogEntry {
        let root = Hash::leaf(&body);
        let text = format!("{LOG} - 42\n1\n{}\n", root.to_base64());
        let log_id = self.public(REKOR).fingerprint();
        let signed = [&log_id[..4], &self.keys[REKOR].sign(text.as_bytes()).unwrap()].concat();
        let checkpoint = format!("{text}\n\u{2014} {LOG} {}\n", STANDARD.encode(signed));
        let integrated_time = u64::try_from(self.integrated.as_second()).unwrap();
        let promise = format!(
            r#"{{"body":"{}","integratedTime":{integrated_time},"logID":"{}","logIndex":3}}"#,
            STANDARD.encode(&body),
            hex::encode(log_id),
        );
        let signature = self.keys[REKOR].sign(promise.as_bytes()).unwrap();
        TransparencyLogEntry {
            format: EntryFormat::HashedRekord001,
            log_index: 3,
            log_id: log_id.to_vec(),
            promise: self.promised.then_some(InclusionPromise { integrated_time, signature }),
            inclusion_proof: InclusionProof {
                log_index: 0,
                root_hash: *root.as_bytes(),
                tree_size: 1,
                hashes: Vec::new(),
                checkpoint,
            },
            canonicalized_body: body,
        }
    }

    fn trusted_root(&self) -> TrustedRoot {
        let log = LogInstance::new(LOG.to_owned(), self.public(REKOR).clone(), self.log_window.0).unwrap();
        let authority = AuthorityInstance {
            organization: String::new(),
            common_name: "an authority".to_owned(),
            uri: String::new(),
            chain: vec![self.middle_der(), self.root_der()],
            valid_from: self.authority_window.0,
            valid_until: self.authority_window.1,
            operator: None,
        };
        let ct_log = |key: usize| CtLogInstance {
            base_url: "https://ct.example".to_owned(),
            key: self.public(key).spki_der().to_vec(),
            key_details: "PKIX_ECDSA_P256_SHA_256".to_owned(),
            log_id: self.public(key).fingerprint().to_vec(),
            valid_from: self.ct_window.0,
            valid_until: self.ct_window.1,
            operator: None,
        };
        TrustedRoot {
            logs: vec![LogInstance { valid_until: self.log_window.1, ..log }],
            certificate_authorities: if self.listed { vec![authority] } else { vec![] },
            ct_logs: vec![ct_log(CT), ct_log(SECOND_CT)],
            timestamp_authorities: Vec::new(),
        }
    }

    fn verdict(&self) -> Result<VerifiedBlob, Rejection> {
        self.verdict_on(&self.bundle(), identity(ALICE, ISSUER))
    }

    fn verdict_on(&self, bundle: &Bundle, signers: Signers) -> Result<VerifiedBlob, Rejection> {
        verdict_at(bundle, &self.trusted_root(), signers, NOW)
    }

    /// The code of the refusal.
    fn refusal(&self) -> &'static str {
        self.verdict().unwrap_err().code()
    }
}

fn verdict_at(
    bundle: &Bundle,
    root: &TrustedRoot,
    signers: Signers,
    now: &str,
) -> Result<VerifiedBlob, Rejection> {
    let policy = Policy { signers, log: LogRequirement::Required { witnesses: None }, ignored: Vec::new() };
    let artifact = Artifact::from_sha256(HashAlgorithm::Sha256.digest(FILE).try_into().unwrap());
    verify_blob(bundle, root, &policy, &artifact, time(now))
}

fn changed(change: impl FnOnce(&mut Case)) -> Case {
    let mut case = case();
    change(&mut case);
    case
}

/// Puts another extension in the place of the leaf's own with the same identifier.
fn with_leaf(which: &str, extension: Option<Vec<u8>>) -> Case {
    changed(|case| replace(&mut case.leaf, which, extension))
}

fn replace(certificate: &mut Certificate, which: &str, with: Option<Vec<u8>>) {
    let id = oid(which);
    let before = certificate.extensions.len();
    certificate.extensions.retain(|one| !one.windows(id.len()).any(|window| window == id));
    assert!(certificate.extensions.len() < before, "{which} is not there");
    certificate.extensions.extend(with);
}

fn framed(bytes: &[u8]) -> Vec<u8> {
    [&u16::try_from(bytes.len()).unwrap().to_be_bytes()[..], bytes].concat()
}

fn pem(der: &[u8]) -> String {
    let text = STANDARD.encode(der);
    let lines: Vec<&str> =
        text.as_bytes().chunks(64).map(|line| std::str::from_utf8(line).unwrap()).collect();
    format!("-----BEGIN CERTIFICATE-----\n{}\n-----END CERTIFICATE-----\n", lines.join("\n"))
}

fn after(text: &str, seconds: i64) -> Timestamp {
    Timestamp::from_second(time(text).as_second() + seconds).unwrap()
}

const ANSWERS: &str = "1.3.6.1.4.1.11129.2.4.2";
const CODE_SIGNING: &str = "1.3.6.1.5.5.7.3.3";
const TIME_STAMPING: &str = "1.3.6.1.5.5.7.3.8";
const SERVER: &str = "1.3.6.1.5.5.7.3.1";
const ANY_PURPOSE: &str = "2.5.29.37.0";
const SAN: &str = "2.5.29.17";
const PURPOSES: &str = "2.5.29.37";
const KEY_USAGE: &str = "2.5.29.15";
const CONSTRAINTS: &str = "2.5.29.19";
const ISSUER_1: &str = "1.3.6.1.4.1.57264.1.1";
const ISSUER_8: &str = "1.3.6.1.4.1.57264.1.8";

#[test]
fn an_identity_is_accepted_years_after_its_certificate_ended() {
    let verified = case().verdict().unwrap();
    let Signer::Identity { identity, authority, log_timestamps, .. } = verified.signer() else { panic!() };
    assert_eq!((identity.text(), identity.kind(), identity.issuer()), (ALICE, "e-mail", ISSUER));
    assert_eq!((authority.as_str(), *log_timestamps), ("an authority", 1));
    let claims: Vec<_> = identity.claims().map(|(claim, value)| (claim.name(), value)).collect();
    assert_eq!(claims, [("build-trigger", "push")]);
    let [proven] = verified.times() else { panic!() };
    assert_eq!((proven.time(), proven.witness()), (time(SIGNED), &TimeWitness::Log(LOG.to_owned())));
    assert_eq!((verified.included().unwrap().index(), verified.included().unwrap().tree_size()), (0, 1));
    // Older versions carry the certificate in a chain, with or without what is above it.
    for version in [BundleVersion::V0_1, BundleVersion::V0_2] {
        let alone = changed(|case| case.version = version);
        alone.verdict().unwrap();
        let with_middle = Case { behind: vec![alone.middle_der()], ..alone };
        with_middle.verdict().unwrap();
    }
}

#[test]
fn c01_the_certificate_must_be_valid_at_the_proven_time() {
    for good in [time(ISSUED), time(ENDS)] {
        changed(|case| case.integrated = good).verdict().unwrap();
    }
    for bad in [after(ISSUED, -1), after(ENDS, 1), time("2026-10-31T00:00:00Z")] {
        assert_eq!(changed(|case| case.integrated = bad).refusal(), "C01-certificate-time", "{bad}");
    }
    // Valid now, and not when it signed.
    let now_valid = changed(|case| {
        case.leaf.from = "2026-11-01T11:55:00Z".to_owned();
        case.leaf.until = "2026-11-01T12:05:00Z".to_owned();
    });
    assert_eq!(now_valid.refusal(), "C01-certificate-time");
}

#[test]
fn c02_an_authority_that_is_not_listed_is_refused_whatever_the_bundle_brings() {
    let stranger = changed(|case| case.listed = false);
    assert_eq!(stranger.refusal(), "C02-no-chain");
    let bringing =
        Case { version: BundleVersion::V0_2, behind: vec![stranger.middle_der()], ..stranger.clone() };
    assert_eq!(bringing.refusal(), "C02-no-chain");
    for listed in [true, false] {
        let root =
            Case { behind: vec![bringing.middle_der(), bringing.root_der()], listed, ..bringing.clone() };
        assert_eq!(root.refusal(), "C02-root-in-bundle");
    }
}

#[test]
fn c03_every_certificate_of_the_path_must_be_valid_then() {
    for (from, until) in
        [("2020-01-01T00:00:00Z", "2024-06-01T12:04:59Z"), ("2024-06-01T12:05:01Z", "2040-01-01T00:00:00Z")]
    {
        let middle =
            changed(|case| (case.middle.from, case.middle.until) = (from.to_owned(), until.to_owned()));
        assert_eq!(middle.refusal(), "C01-certificate-time", "{from}");
        let root = changed(|case| (case.root.from, case.root.until) = (from.to_owned(), until.to_owned()));
        assert_eq!(root.refusal(), "C01-certificate-time", "{from}");
    }
}

#[test]
fn c04_c18_an_authority_counts_in_its_own_time_only() {
    let start = time("2020-01-01T00:00:00Z");
    // Retired since, and in office then: an old signature stays good; the end is inclusive.
    for end in [time(SIGNED), time("2025-01-01T00:00:00Z")] {
        changed(|case| case.authority_window = (start, Some(end))).verdict().unwrap();
    }
    for window in [(start, Some(after(SIGNED, -1))), (after(SIGNED, 1), None)] {
        let retired = changed(|case| case.authority_window = window);
        assert_eq!(retired.refusal(), "C18-authority-retired", "{window:?}");
    }
}

#[test]
fn c05_the_certificate_must_be_for_signing_code() {
    for wrong in [&[SERVER][..], &[TIME_STAMPING], &[ANY_PURPOSE]] {
        let case = with_leaf(PURPOSES, Some(purposes(wrong)));
        assert_eq!(case.refusal(), "C05-certificate-usage", "{wrong:?}");
    }
    assert_eq!(with_leaf(PURPOSES, None).refusal(), "C05-certificate-usage");
    // Key usage without the right to make digital signatures.
    let encrypting = with_leaf(KEY_USAGE, Some(key_usage(0x20)));
    assert_eq!(encrypting.refusal(), "C05-certificate-usage");
    let server_only = changed(|case| case.middle.extensions.push(purposes(&[SERVER])));
    assert_eq!(server_only.refusal(), "C02-no-chain");
}

#[test]
fn c06_authorities_are_authorities_and_leaves_are_none() {
    for usage in [0x80, 0x84] {
        let with_ca = changed(|case| {
            case.leaf.extensions.push(authority(None));
            replace(&mut case.leaf, KEY_USAGE, Some(key_usage(usage)));
        });
        assert_eq!(with_ca.refusal(), "C06-leaf-is-authority", "{usage}");
    }
    for middle in [None, Some(extension(CONSTRAINTS, true, &octets(&[0x30, 0])))] {
        let no_authority = changed(|case| replace(&mut case.middle, CONSTRAINTS, middle.clone()));
        assert_eq!(no_authority.refusal(), "C02-no-chain");
    }
    let no_signer = changed(|case| replace(&mut case.middle, KEY_USAGE, Some(key_usage(0x80))));
    assert_eq!(no_signer.refusal(), "C02-no-chain");
    let too_deep = changed(|case| replace(&mut case.root, CONSTRAINTS, Some(authority(Some(0)))));
    assert_eq!(too_deep.refusal(), "C02-no-chain");
    changed(|case| replace(&mut case.middle, CONSTRAINTS, Some(authority(Some(0))))).verdict().unwrap();
}

#[test]
fn c08_what_is_critical_and_unknown_is_refused() {
    let unknown = extension("1.2.3.4", true, &octets(&[5, 0]));
    let names = extension("2.5.29.30", true, &octets(&[0x30, 0]));
    for critical in [unknown, names] {
        let picks: [fn(&mut Case) -> &mut Certificate; 3] =
            [|case| &mut case.leaf, |case| &mut case.middle, |case| &mut case.root];
        for pick in picks {
            let refused = changed(|case| pick(case).extensions.push(critical.clone()));
            assert_eq!(refused.refusal(), "C08-critical-extension");
        }
    }
}

#[test]
fn c10_the_key_decides_between_two_authorities_of_one_name() {
    let good = case();
    let bundle = good.bundle();
    let twin = case().trusted_root().certificate_authorities;
    let mut root = good.trusted_root();
    root.certificate_authorities = [twin.clone(), root.certificate_authorities, twin.clone()].concat();
    verdict_at(&bundle, &root, identity(ALICE, ISSUER), NOW).unwrap();
    root.certificate_authorities = twin;
    let refused = verdict_at(&bundle, &root, identity(ALICE, ISSUER), NOW);
    assert_refused!(refused, "C02-no-chain", Rejection::Certificate { .. });
}

#[test]
fn c11_a_listed_log_must_know_the_certificate() {
    let with = |answers: Vec<Answer>| changed(|case| case.answers = answers);
    let broken = |key| Answer { broken: true, ..answer(key) };
    let at = |text: Timestamp| Answer { at: text, ..answer(CT) };
    for (bad, why) in [
        (with(vec![]), "none"),
        (with(vec![answer(STRANGER)]), "a stranger's"),
        (with(vec![broken(CT)]), "a bad signature"),
        (with(vec![Answer { other_issuer: true, ..answer(CT) }]), "another issuer's"),
        (with(vec![answer(CT), answer(CT)]), "one log twice"),
        (
            with(vec![answer(STRANGER), answer(STRANGER), answer(CT), answer(CT)]),
            "one log twice, among others",
        ),
        (with(vec![answer(CT), broken(SECOND_CT)]), "a good one and a bad one"),
        (with(vec![at(after(NOW, 1))]), "in the future"),
        (changed(|case| case.ct_window = (after(ISSUED, 1), None)), "before the log's time"),
        (changed(|case| case.ct_window.1 = Some(after(ISSUED, -1))), "after the log's time"),
    ] {
        assert_eq!(bad.refusal(), "C11-certificate-log", "{why}");
    }
    for (good, why) in [
        (with(vec![answer(CT), answer(SECOND_CT)]), "two logs"),
        (with(vec![answer(STRANGER), answer(CT)]), "a stranger's beside"),
        (with(vec![Answer { extensions: vec![1, 2, 3], ..answer(CT) }]), "extensions"),
        (changed(|case| case.ct_window = (time(ISSUED), Some(time(ISSUED)))), "ends inclusive"),
    ] {
        good.verdict().unwrap_or_else(|error| panic!("{why}: {error}"));
    }
    // What is not a list of answers at all.
    let rubbish = changed(|case| {
        case.answers.clear();
        case.leaf.extensions.push(extension(ANSWERS, false, &octets(&octets(&[0, 9, 1]))));
    });
    assert_eq!(rubbish.refusal(), "C11-certificate-log");
}

#[test]
fn c12_the_certified_key_must_have_signed() {
    assert_eq!(changed(|case| case.signer = STRANGER).refusal(), "D01-signature-invalid");
}

#[test]
fn c13_c16_certificates_that_readers_could_read_differently_are_refused() {
    for serial in [vec![0], vec![0x80], vec![1; 21], vec![0, 0]] {
        assert_eq!(
            changed(|case| case.leaf.serial = serial.clone()).refusal(),
            "C16-certificate-malformed",
            "{serial:?}"
        );
    }
    let twice = changed(|case| case.leaf.extensions.push(fulcio(8, &utf8(ISSUER))));
    assert_eq!(twice.refusal(), "C16-certificate-malformed");
    let good = case();
    let trailing = |leaf: Vec<u8>| Bundle {
        material: VerificationMaterial::Certificate([leaf, vec![0]].concat()),
        ..good.bundle()
    };
    let refused = good.verdict_on(&trailing(good.leaf_der()), identity(ALICE, ISSUER));
    assert_refused!(refused, "C16-certificate-malformed", Rejection::Certificate { .. });
}

#[test]
fn c14_the_caller_chooses_the_mode() {
    let good = case();
    let key = VerificationMaterial::PublicKey { hint: String::new(), key: None };
    let chain = VerificationMaterial::CertificateChain(vec![good.leaf_der()]);
    for material in [key, chain] {
        let bundle = Bundle { material, ..good.bundle() };
        let refused = good.verdict_on(&bundle, identity(ALICE, ISSUER));
        assert_refused!(refused, "C14-other-mode", Rejection::OtherMode { .. });
    }
    for signers in [
        Signers::Keys(vec![sealwax_verify::TrustedKey {
            name: String::new(),
            key: good.public(LEAF).clone(),
        }]),
        Signers::CertificateChain { anchors: Vec::new(), signed_at: None },
    ] {
        let refused = good.verdict_on(&good.bundle(), signers);
        assert_refused!(refused, "C14-other-mode", Rejection::OtherMode { .. });
    }
}

#[test]
fn c15_the_entry_must_name_the_certificate_of_the_bundle() {
    let other = case();
    let same_identity = changed(|case| case.logged = Some(other.leaf_der()));
    assert_eq!(same_identity.refusal(), "T01-log-entry-mismatch");
}

#[test]
fn c17_a_leaf_that_certifies_itself_is_refused() {
    // Named as its issuer, signed by itself.
    let mut selfish = case();
    selfish.leaf.issuer = String::new();
    let key = selfish.keys[LEAF].clone();
    selfish.keys[MIDDLE] = key;
    assert_eq!(selfish.refusal(), "C02-no-chain");
    // And where the trusted root lists that very certificate.
    let good = case();
    let mut root = good.trusted_root();
    root.certificate_authorities[0].chain = vec![good.leaf_der()];
    let refused = verdict_at(&good.bundle(), &root, identity(ALICE, ISSUER), NOW);
    assert_refused!(refused, "C06-leaf-is-authority", Rejection::Certificate { .. });
}

#[test]
fn i03_i05_name_kind_and_issuer_are_the_callers() {
    let good = case();
    let bundle = good.bundle();
    for (name, issuer, code) in [
        ("Alice@example.com", ISSUER, "I03-identity-not-allowed"),
        ("alice@example.com ", ISSUER, "I03-identity-not-allowed"),
        ("https://alice@example.com", ISSUER, "I03-identity-not-allowed"),
        (ALICE, "https://accounts.example/", "I02-issuer-not-allowed"),
    ] {
        assert_eq!(good.verdict_on(&bundle, identity(name, issuer)).unwrap_err().code(), code, "{name}");
    }
    // The same text as another kind of name.
    let as_uri = with_leaf(SAN, Some(san(&[uri(ALICE)])));
    assert_eq!(as_uri.refusal(), "I03-identity-not-allowed");
    let as_dns = with_leaf(SAN, Some(san(&[dns(ALICE)])));
    assert_eq!(as_dns.refusal(), "I05-subject-kind");
    let empty = with_leaf(SAN, Some(san(&[email("")])));
    assert_eq!(empty.refusal(), "I05-subject-kind");
    let as_user = with_leaf(SAN, Some(san(&[other_name("alice!example.com")])));
    assert_eq!(as_user.refusal(), "I03-identity-not-allowed");
    as_user.verdict_on(&as_user.bundle(), identity("alice!example.com", ISSUER)).unwrap();
    let odd = with_leaf(SAN, Some(san(&[email("alice@example.com\n")])));
    assert_eq!(odd.refusal(), "I03-identity-not-allowed");
}

#[test]
fn i04_exactly_one_name() {
    for names in [
        vec![email(ALICE), email("mallory@example.com")],
        vec![email("mallory@example.com"), email(ALICE)],
        vec![email(ALICE), email(ALICE)],
        vec![email(ALICE), dns("example.com")],
    ] {
        assert_eq!(with_leaf(SAN, Some(san(&names))).refusal(), "I04-subject-names");
    }
    assert_eq!(with_leaf(SAN, None).refusal(), "I04-subject-names");
}

#[test]
fn i08_the_identity_is_that_of_the_certificate_that_verified_the_signature() {
    // Alice's own certificate behind mallory's, and before it.
    let alice = case();
    let mut mallory =
        changed(|case| replace(&mut case.leaf, SAN, Some(san(&[email("mallory@example.com")]))));
    mallory.version = BundleVersion::V0_2;
    mallory.behind = vec![alice.leaf_der()];
    assert_eq!(mallory.refusal(), "I03-identity-not-allowed");
    let mut bundle = mallory.bundle();
    let VerificationMaterial::CertificateChain(chain) = &mut bundle.material else { panic!() };
    chain.reverse();
    let refused = mallory.verdict_on(&bundle, identity(ALICE, ISSUER));
    assert_refused!(refused, "D01-signature-invalid", Rejection::SignatureInvalid);
}

#[test]
fn i09_what_the_certificate_says_of_its_issuer_has_one_reading() {
    let old_only = with_leaf(ISSUER_8, None);
    old_only.verdict().unwrap();
    with_leaf(ISSUER_1, None).verdict().unwrap();
    for bad in [
        with_leaf(ISSUER_1, Some(fulcio(1, b"https://accounts.example.evil"))),
        with_leaf(ISSUER_8, Some(fulcio(8, &utf8("https://other.example")))),
        with_leaf(ISSUER_8, Some(fulcio(8, ISSUER.as_bytes()))),
        with_leaf(ISSUER_8, Some(fulcio(8, &[&utf8(ISSUER)[..], &[0]].concat()))),
        with_leaf(ISSUER_1, Some(fulcio(1, &[0xff, 0xfe]))),
        changed(|case| {
            replace(&mut case.leaf, ISSUER_1, None);
            replace(&mut case.leaf, ISSUER_8, None);
        }),
        changed(|case| {
            replace(&mut case.leaf, ISSUER_1, Some(fulcio(1, b"")));
            replace(&mut case.leaf, ISSUER_8, Some(fulcio(8, &utf8(""))));
        }),
        with_leaf("1.3.6.1.4.1.57264.1.20", Some(fulcio(20, b"push"))),
    ] {
        assert_eq!(bad.refusal(), "I09-issuer-extension");
    }
}

#[test]
fn m02_without_a_time_nothing_is_believed() {
    assert_eq!(changed(|case| case.promised = false).refusal(), "M02-no-proven-time");
    // No time is asked of a signature that does not verify.
    let forged = changed(|case| (case.promised, case.signer) = (false, STRANGER));
    assert_eq!(forged.refusal(), "D01-signature-invalid");
}

#[test]
fn m03_a_time_in_the_future_is_refused() {
    let good = case();
    let at = |now: &str| verdict_at(&good.bundle(), &good.trusted_root(), identity(ALICE, ISSUER), now);
    at(SIGNED).unwrap();
    assert_refused!(at("2024-06-01T12:04:59Z"), "M03-time-in-future", Rejection::TimeInFuture { .. });
}

#[test]
fn m10_the_verifiers_clock_changes_nothing_else() {
    let good = case();
    for now in ["2024-06-01T12:05:00Z", "2026-01-01T00:00:00Z", "2100-01-01T00:00:00Z"] {
        verdict_at(&good.bundle(), &good.trusted_root(), identity(ALICE, ISSUER), now).unwrap();
    }
}

#[test]
fn m07_k06_a_log_counts_in_its_own_time_only() {
    let start = time("2020-01-01T00:00:00Z");
    changed(|case| case.log_window = (time(SIGNED), Some(time(SIGNED)))).verdict().unwrap();
    for window in [(start, Some(after(SIGNED, -1))), (after(SIGNED, 1), None)] {
        assert_eq!(changed(|case| case.log_window = window).refusal(), "K06-log-retired", "{window:?}");
    }
}

#[test]
fn t06_a_promise_is_over_this_entry_position_log_and_time() {
    let good = case();
    let refusal = |change: &dyn Fn(&mut TransparencyLogEntry)| {
        let mut bundle = good.bundle();
        change(&mut bundle.log_entries[0]);
        good.verdict_on(&bundle, identity(ALICE, ISSUER)).expect_err("accepted").code()
    };
    let promise = "T06-inclusion-promise";
    assert_eq!(refusal(&|entry| entry.promise.as_mut().unwrap().integrated_time += 1), promise);
    assert_eq!(refusal(&|entry| entry.promise.as_mut().unwrap().integrated_time = u64::MAX), promise);
    assert_eq!(refusal(&|entry| entry.log_index += 1), promise);
    assert_eq!(refusal(&|entry| entry.promise.as_mut().unwrap().signature[9] ^= 1), promise);
    assert_eq!(refusal(&|entry| entry.log_id[0] ^= 1), "T07-log-unknown");
    // A good proof does not make up for a bad promise, nor the reverse.
    let tree = |entry: &mut TransparencyLogEntry| entry.inclusion_proof.tree_size = 2;
    assert_eq!(refusal(&tree), "T05-checkpoint-mismatch");
    let inner = |entry: &mut TransparencyLogEntry| entry.inclusion_proof.log_index = 1;
    assert_eq!(refusal(&inner), "T11-inclusion-proof");
    assert_eq!(refusal(&|entry| entry.inclusion_proof.checkpoint.clear()), "T05-checkpoint-missing");
    let origin = |entry: &mut TransparencyLogEntry| {
        let proof = &mut entry.inclusion_proof;
        proof.checkpoint = proof.checkpoint.replace("log.example - 42", "log.example");
    };
    assert_eq!(refusal(&origin), "T08-checkpoint");
}

#[test]
fn x04_an_empty_list_of_identities_allows_nobody() {
    let good = case();
    let nobody = good.verdict_on(&good.bundle(), Signers::Identities(Vec::new()));
    assert_refused!(nobody, "I02-issuer-not-allowed", Rejection::IssuerNotAllowed { .. });
}

#[test]
fn x05_what_nobody_signed_can_only_tighten() {
    let good = case();
    let mut bundle = good.bundle();
    let Content::Message(message) = &mut bundle.content else { panic!() };
    message.digest = Some((HashAlgorithm::Sha256, vec![0; 32]));
    let refused = good.verdict_on(&bundle, identity(ALICE, ISSUER));
    assert_refused!(refused, "D10-artifact-differs", Rejection::ArtifactDiffers);
}

#[test]
fn any_one_of_several_identities_is_enough() {
    let good = case();
    let rule = |name: &str, issuer: &str| IdentityRule {
        issuer: issuer.to_owned(),
        name: NameRule::exactly(name).unwrap(),
        claims: Vec::new(),
    };
    let several =
        vec![rule("bob@example.com", ISSUER), rule(ALICE, "https://other.example"), rule(ALICE, ISSUER)];
    good.verdict_on(&good.bundle(), Signers::Identities(several.clone())).unwrap();
    let refused = good.verdict_on(&good.bundle(), Signers::Identities(several[..2].to_vec()));
    assert_refused!(refused, "I03-identity-not-allowed", Rejection::IdentityNotAllowed { .. });
}

/// The other verifier looks at the system's clock by itself; a bundle of a later year is one that only it refuses.
#[test]
fn x01_what_only_the_second_verifier_refuses_is_refused() {
    let later = changed(|case| {
        for authority in [&mut case.root, &mut case.middle] {
            authority.until = "2049-12-31T00:00:00Z".to_owned();
        }
        case.leaf.from = "2049-06-01T12:00:00Z".to_owned();
        case.leaf.until = "2049-06-01T12:10:00Z".to_owned();
        case.integrated = time("2049-06-01T12:05:00Z");
    });
    let verdict =
        verdict_at(&later.bundle(), &later.trusted_root(), identity(ALICE, ISSUER), "2049-07-01T00:00:00Z");
    assert_refused!(verdict, "X01-second-opinion", Rejection::SecondOpinion(_));
}

#[test]
fn r06_a_trusted_root_that_the_second_verifier_cannot_read_is_said_to_be_so() {
    let good = case();
    let mut root = good.trusted_root();
    root.timestamp_authorities = root.certificate_authorities.clone();
    root.timestamp_authorities[0].chain = vec![vec![0x30, 0]];
    let verdict = verdict_at(&good.bundle(), &root, identity(ALICE, ISSUER), NOW);
    assert_refused!(verdict, "R06-trusted-root", Rejection::TrustedRoot(_));
}

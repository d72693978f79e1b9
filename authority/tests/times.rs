//! What a verifier makes of several time stamps: certificates, tokens and a log of this room, against the `verify` room.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "helpers of tests")]

use std::convert::Infallible;

use der::asn1::AnyRef;
use der::{Decode, Encode, Reader, SliceReader};
use jiff::Timestamp;

use sealwax_attestation::{
    Bundle, Content, EntryFormat, HashedRekord, InclusionProof, LogInstance, MessageSignature,
    TransparencyLogEntry, TrustedRoot, VerificationMaterial, Verifier,
};
use sealwax_authority::{
    CertificateAuthority, CertifiedKey, Identity, IdentityName, Name, Role, TimestampAuthority,
    TimestampRequest, Validity,
};
use sealwax_keys::{HashAlgorithm, KeyKind, SecretKey};
use sealwax_tlog::{Checkpoint, Hash};
use sealwax_verify::{
    Artifact, IdentityRule, LogRequirement, NameRule, Policy, Rejection, Signers, TimeWitness, VerifiedBlob,
    verify_blob,
};

const FILE: &[u8] = b"the signed file";
const ISSUER: &str = "https://accounts.example";
const START: &str = "2024-01-01T00:00:00Z";
const ISSUED: &str = "2024-06-01T12:00:00Z";
const SIGNED: &str = "2024-06-01T12:05:00Z";

fn time(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn key(kind: KeyKind) -> SecretKey {
    SecretKey::generate(kind).unwrap()
}

/// A root and a key below it for one role.
fn certified(role: Role, common_name: &'static str) -> CertifiedKey {
    let years = Validity { not_before: time(START), not_after: time("2040-01-01T00:00:00Z") };
    let name = |common_name| Name { organization: "Example", common_name };
    let root = CertifiedKey::new_root(key(KeyKind::P384), name("root"), years).unwrap();
    let own = key(KeyKind::P256);
    let chain = root.certify(role, own.public_key(), name(common_name), years).unwrap();
    CertifiedKey::new(chain, own).unwrap()
}

/// An instance with two listed time-stamping authorities and one that is not, and a file signed in it.
struct World {
    root: TrustedRoot,
    listed: [TimestampAuthority; 2],
    stranger: TimestampAuthority,
    bundle: Bundle,
}

impl World {
    fn new() -> Self {
        let log_key = key(KeyKind::Ed25519);
        let log =
            LogInstance::new("log.example".to_owned(), log_key.public_key().clone(), time(START)).unwrap();
        let authority =
            CertificateAuthority::new(certified(Role::Identities, "identities"), key(KeyKind::P256)).unwrap();
        let stamping = |name| TimestampAuthority::new(certified(Role::Timestamps, name)).unwrap();
        let (listed, stranger) = ([stamping("first"), stamping("second")], stamping("stranger"));
        let root = TrustedRoot {
            logs: vec![log],
            certificate_authorities: vec![authority.issuer().authority_instance("https://ca", None).unwrap()],
            ct_logs: vec![authority.log_instance("https://ct", None, time(START))],
            timestamp_authorities: listed
                .iter()
                .map(|one| one.signer().authority_instance("https://tsa", None).unwrap())
                .collect(),
        };
        let identity = Identity::new(ISSUER, IdentityName::Email("alice@example.com".to_owned())).unwrap();
        let signer = key(KeyKind::P256);
        let issued = authority
            .issue(&identity, signer.public_key(), time(ISSUED), |_| Ok::<(), Infallible>(()))
            .unwrap();
        let leaf = issued.certificate().der().to_vec();
        let signature = signer.sign(FILE).unwrap();
        let scheme = signer.public_key().scheme();
        let digest = scheme.hash().digest(FILE);
        let verifier = Verifier::Certificate(leaf.clone());
        let body = HashedRekord { scheme, digest, signature: signature.clone(), verifier }.to_body().unwrap();
        let leaf_hash = Hash::leaf(&body);
        let checkpoint =
            Checkpoint { origin: "log.example".to_owned(), size: 1, root: leaf_hash, extensions: Vec::new() };
        let entry = TransparencyLogEntry {
            format: EntryFormat::HashedRekord002,
            log_index: 0,
            log_id: root.logs[0].log_id.clone(),
            promise: None,
            inclusion_proof: InclusionProof {
                log_index: 0,
                root_hash: *leaf_hash.as_bytes(),
                tree_size: 1,
                hashes: Vec::new(),
                checkpoint: String::from_utf8(checkpoint.sign(&log_key).unwrap().to_bytes()).unwrap(),
            },
            canonicalized_body: body,
        };
        let message = Content::Message(MessageSignature { digest: None, signature });
        let bundle = Bundle {
            log_entries: vec![entry],
            ..Bundle::new(VerificationMaterial::Certificate(leaf), message)
        };
        Self { root, listed, stranger, bundle }
    }

    fn verdict(&self, timestamps: &[Vec<u8>]) -> Result<VerifiedBlob, Rejection> {
        let bundle = Bundle { timestamps: timestamps.to_vec(), ..self.bundle.clone() };
        let name = NameRule::exactly("alice@example.com").unwrap();
        let rule = IdentityRule { issuer: ISSUER.to_owned(), name, claims: Vec::new() };
        let log = LogRequirement::Required { witnesses: None };
        let policy = Policy { signers: Signers::Identities(vec![rule]), log, ignored: Vec::new() };
        let artifact = Artifact::from_sha256(HashAlgorithm::Sha256.digest(FILE).try_into().unwrap());
        verify_blob(&bundle, &self.root, &policy, &artifact, time("2026-01-01T00:00:00Z"))
    }

    fn refusal(&self, timestamps: &[Vec<u8>]) -> &'static str {
        self.verdict(timestamps).unwrap_err().code()
    }

    fn over_signature(&self, authority: &TimestampAuthority, at: &str) -> Vec<u8> {
        over(authority, self.bundle.content.signature(), at)
    }
}

fn over(authority: &TimestampAuthority, bytes: &[u8], at: &str) -> Vec<u8> {
    let request = TimestampRequest::new(bytes).unwrap().to_der();
    authority.answer(&request, time(at)).unwrap().der
}

#[test]
fn m04_every_time_that_counts_must_lie_within_the_certificates() {
    let world = World::new();
    let [first, second] = &world.listed;
    let good = world.over_signature(first, SIGNED);
    let verified = world.verdict(std::slice::from_ref(&good)).unwrap();
    let [proven] = verified.times() else { panic!() };
    assert_eq!(
        (proven.time(), proven.witness()),
        (time(SIGNED), &TimeWitness::Authority("first".to_owned()))
    );
    let two = world.verdict(&[good.clone(), world.over_signature(second, "2024-06-01T12:09:00Z")]).unwrap();
    assert_eq!(two.times().len(), 2);
    for bad in ["2024-06-01T11:59:59Z", "2024-06-01T12:10:01Z"] {
        let late = world.over_signature(second, bad);
        assert_eq!(world.refusal(std::slice::from_ref(&late)), "C01-certificate-time", "{bad}");
        for both in [[good.clone(), late.clone()], [late, good.clone()]] {
            assert_eq!(world.refusal(&both), "C01-certificate-time", "{bad}");
        }
    }
}

#[test]
fn m05_a_strangers_time_stamp_changes_nothing() {
    let world = World::new();
    let good = world.over_signature(&world.listed[0], SIGNED);
    let stranger = world.over_signature(&world.stranger, "2020-01-02T00:00:00Z");
    for both in [[good.clone(), stranger.clone()], [stranger.clone(), good]] {
        assert_eq!(world.verdict(&both).unwrap().times().len(), 1);
    }
    assert_eq!(world.refusal(&[stranger]), "M02-no-proven-time");
    assert_eq!(world.refusal(&[b"rubbish".to_vec()]), "M02-no-proven-time");
    assert_eq!(world.refusal(&[]), "M02-no-proven-time");
}

#[test]
fn m11_a_time_stamp_over_the_file_is_none_over_the_signature() {
    let world = World::new();
    let good = world.over_signature(&world.listed[0], SIGNED);
    let over_file = over(&world.listed[0], FILE, SIGNED);
    assert_eq!(world.refusal(std::slice::from_ref(&over_file)), "M11-timestamp-other-bytes");
    assert_eq!(world.refusal(&[good, over_file]), "M11-timestamp-other-bytes");
}

#[test]
fn m03_a_time_stamp_from_the_future_is_refused() {
    let world = World::new();
    let future = world.over_signature(&world.listed[0], "2026-01-01T00:00:01Z");
    assert_eq!(world.refusal(&[future]), "M03-time-in-future");
}

#[test]
fn k06_a_log_that_was_retired_before_the_signature_is_refused() {
    let mut world = World::new();
    let good = world.over_signature(&world.listed[0], SIGNED);
    world.root.logs[0].valid_until = Some(time(SIGNED));
    world.verdict(std::slice::from_ref(&good)).unwrap();
    world.root.logs[0].valid_until = Some(time("2024-06-01T12:04:59Z"));
    assert_eq!(world.refusal(&[good]), "K06-log-retired");
}

/// Writes what lies at a path of children twice, and everything around it anew; the last child is `usize::MAX`.
fn doubled(bytes: &[u8], path: &[usize]) -> Vec<u8> {
    let value = AnyRef::from_der(bytes).unwrap();
    let content = match path {
        [] => [value.value(), value.value()].concat(),
        [step, deeper @ ..] => {
            let mut reader = SliceReader::new(value.value()).unwrap();
            let mut children = Vec::new();
            while !reader.is_finished() {
                children.push(AnyRef::decode(&mut reader).unwrap().to_der().unwrap());
            }
            let at = (*step).min(children.len() - 1);
            children[at] = doubled(&children[at], deeper);
            children.concat()
        }
    };
    AnyRef::new(der::Tagged::tag(&value), &content).unwrap().to_der().unwrap()
}

#[test]
fn m06_a_time_stamp_has_one_signer() {
    let world = World::new();
    let good = world.over_signature(&world.listed[0], SIGNED);
    // Response, token, its content, the last field: the set of signers.
    let twice = doubled(&good, &[1, 1, 0, usize::MAX]);
    assert_ne!(twice, good);
    assert_eq!(world.refusal(&[twice]), "M06-timestamp-signers");
}

use std::io;

use sealwax_keys::{KeyKind, KeyUsage, Scheme, SubjectName};

use super::*;
use crate::certified_key::{Role, TIME_STAMPING, constraints};
use crate::identity::{Claim, IdentityName};
use crate::test_keys::{chain, name, now, root, validity};

fn authority() -> CertificateAuthority {
    let issuer = SecretKey::generate(KeyKind::P384).unwrap();
    let chain = chain(&root(), Role::Identities, &issuer);
    let log = SecretKey::generate(KeyKind::P256).unwrap();
    CertificateAuthority::new(CertifiedKey::new(chain, issuer).unwrap(), log).unwrap()
}

fn alice() -> Identity {
    Identity::new("https://accounts.example", IdentityName::Email("alice@example.com".into())).unwrap()
}

fn issue(authority: &CertificateAuthority, identity: &Identity) -> (Issued, Vec<u8>) {
    let key = SecretKey::generate(KeyKind::P256).unwrap();
    let mut recorded = Vec::new();
    let issued = authority
        .issue(identity, key.public_key(), now(), |entry| {
            recorded.push(entry.to_vec());
            Ok::<_, io::Error>(())
        })
        .unwrap();
    assert_eq!(recorded.len(), 1);
    assert_eq!(issued.certificate().public_key(), key.public_key());
    (issued, recorded.remove(0))
}

fn value<'a>(certificate: &'a Certificate, number: &str) -> &'a [u8] {
    certificate.extension(&format!("1.3.6.1.4.1.57264.1.{number}")).unwrap().value
}

#[test]
fn issues_the_profile() {
    let authority = authority();
    let (issued, _) = issue(&authority, &alice());
    let certificate = issued.certificate();
    certificate.is_signed_by(authority.issuer().key().public_key()).unwrap();
    assert_eq!(certificate.subject_der(), [0x30, 0]);
    assert_eq!(certificate.issuer_der(), authority.issuer().chain()[0].subject_der());
    assert_eq!(certificate.not_before(), now().as_second());
    assert_eq!(certificate.not_after() - certificate.not_before(), 600);
    assert_eq!(certificate.serial_number().len(), 20);
    let mut usage = KeyUsage::default();
    usage.digital_signature = true;
    assert_eq!(certificate.key_usage(), Some(usage));
    assert_eq!(certificate.extended_key_usage().unwrap(), ["1.3.6.1.5.5.7.3.3"]);
    assert_eq!(certificate.basic_constraints(), None);
    assert_eq!(certificate.subject_alternative_names(), [SubjectName::Email("alice@example.com".into())]);
    assert!(certificate.extension("2.5.29.17").unwrap().critical);
    assert_eq!(certificate.unknown_critical_extensions(), [""; 0]);
    assert!(certificate.extension("2.5.29.14").is_some() && certificate.extension("2.5.29.35").is_some());
    assert_eq!(issued.chain().count(), 3);
    assert_eq!(issued.chain().last(), authority.issuer().chain().last());
}

#[test]
fn i09_writes_the_issuer_in_both_forms_alike() {
    let (issued, _) = issue(&authority(), &alice());
    assert_eq!(value(issued.certificate(), "1"), b"https://accounts.example");
    assert_eq!(value(issued.certificate(), "8"), b"\x0c\x18https://accounts.example");
}

#[test]
fn writes_the_claims_of_a_build() {
    let identity = Identity::new("https://ci.example", IdentityName::Uri("https://ci.example/build".into()))
        .and_then(|identity| identity.with_claim(Claim::GITHUB_WORKFLOW_TRIGGER, "push"))
        .and_then(|identity| identity.with_claim(Claim::BUILD_TRIGGER, "push"))
        .and_then(|identity| identity.with_claim(Claim::TOKEN_SUBJECT, "repo:größe"))
        .unwrap();
    let (issued, _) = issue(&authority(), &identity);
    let certificate = issued.certificate();
    assert_eq!(
        certificate.subject_alternative_names(),
        [SubjectName::Uri("https://ci.example/build".into())]
    );
    assert_eq!(value(certificate, "2"), b"push");
    assert_eq!(value(certificate, "20"), b"\x0c\x04push");
    assert_eq!(value(certificate, "24"), "\x0c\x0crepo:größe".as_bytes());
    assert!(certificate.extension("1.3.6.1.4.1.57264.1.9").is_none());
}

#[test]
fn i05_writes_a_user_name_as_another_kind_of_name() {
    let identity =
        Identity::new("https://a.example", IdentityName::User("alice!example.com".into())).unwrap();
    let (issued, _) = issue(&authority(), &identity);
    let mut expected =
        vec![0xa0, 0x21, 6, 10, 0x2b, 6, 1, 4, 1, 0x83, 0xbf, 0x30, 1, 7, 0xa0, 0x13, 0x0c, 0x11];
    expected.extend(b"alice!example.com");
    let names = issued.certificate().extension("2.5.29.17").unwrap();
    assert_eq!(names.value[2..], expected);
    let read = SubjectName::Username("alice!example.com".into());
    assert_eq!(issued.certificate().subject_alternative_names(), [read]);
}

#[test]
fn certifies_every_kind_of_key_that_can_sign() {
    let authority = authority();
    for kind in [KeyKind::P256, KeyKind::P384, KeyKind::Ed25519] {
        let key = SecretKey::generate(kind).unwrap();
        let issued = authority.issue(&alice(), key.public_key(), now(), |_| Ok::<_, io::Error>(())).unwrap();
        assert_eq!(issued.certificate().public_key().kind(), kind);
    }
}

/// Takes the timestamp apart: its extension, then log, time and signature.
#[test]
fn c11_the_timestamp_is_over_the_certificate_without_it() {
    let authority = authority();
    let (issued, entry) = issue(&authority, &alice());
    let list = issued.certificate().extension("1.3.6.1.4.1.11129.2.4.2").unwrap();
    assert!(!list.critical);
    let length = list.value.len();
    assert_eq!(list.value[..2], [4, u8::try_from(length - 2).unwrap()]);
    assert_eq!(usize::from(u16::from_be_bytes([list.value[2], list.value[3]])), length - 4);
    assert_eq!(usize::from(u16::from_be_bytes([list.value[4], list.value[5]])), length - 6);
    let timestamp = &list.value[6..];
    assert_eq!(timestamp[0], 0);
    assert_eq!(timestamp[1..33], authority.log.public_key().fingerprint());
    let time = u64::try_from(now().as_millisecond()).unwrap().to_be_bytes();
    assert_eq!(timestamp[33..41], time);
    assert_eq!(timestamp[41..45], [0, 0, 4, 3]);
    let signature = &timestamp[47..];
    authority.log.public_key().verify(Scheme::EcdsaP256Sha256, &entry, signature).unwrap();
    let mut other = entry.clone();
    other[60] ^= 1;
    authority.log.public_key().verify(Scheme::EcdsaP256Sha256, &other, signature).unwrap_err();

    assert_eq!(entry[..2], [0, 0]);
    assert_eq!(entry[2..10], time);
    assert_eq!(entry[10..12], [0, 1]);
    assert_eq!(entry[12..44], authority.issuer().key().public_key().fingerprint());
    let tbs = &entry[47..entry.len() - 2];
    assert_eq!(u32::from_be_bytes([0, entry[44], entry[45], entry[46]]), u32::try_from(tbs.len()).unwrap());
    assert_eq!(entry[entry.len() - 2..], [0, 0]);
    // What was recorded is the certificate but for the timestamp, the last of its extensions.
    let der = issued.certificate().der();
    assert!(!tbs.windows(6).any(|window| window == [0xd6, 0x79, 2, 4, 2, 4]));
    let tail = &tbs[tbs.len() - 40..];
    assert!(der.windows(tail.len()).any(|window| window == tail));
}

#[test]
fn what_could_not_be_recorded_is_not_issued() {
    let key = SecretKey::generate(KeyKind::P256).unwrap();
    let result = authority().issue(&alice(), key.public_key(), now(), |_| Err(io::Error::other("disk full")));
    let Err(error) = result else { panic!("issued") };
    assert_eq!(error.to_string(), "the log of certificates did not record the certificate: disk full");
}

#[test]
fn c01_c03_no_certificate_outlives_or_precedes_its_issuers() {
    let root = root();
    let issuer = SecretKey::generate(KeyKind::P256).unwrap();
    let chain = root.certify(Role::Identities, issuer.public_key(), name("Short"), validity(0, 1)).unwrap();
    let log = SecretKey::generate(KeyKind::P256).unwrap();
    let authority = CertificateAuthority::new(CertifiedKey::new(chain, issuer).unwrap(), log).unwrap();
    let key = SecretKey::generate(KeyKind::P256).unwrap();
    let at = |seconds| {
        let time = now() + SignedDuration::from_secs(seconds);
        authority.issue(&alice(), key.public_key(), time, |_| Ok::<_, io::Error>(()))
    };
    let last = at(3_600).unwrap();
    assert_eq!(last.certificate().not_after(), now().as_second() + 3_600);
    assert_eq!(at(3_300).unwrap().certificate().not_after(), now().as_second() + 3_600);
    assert_eq!(at(1).unwrap().certificate().not_after(), now().as_second() + 601);
    for outside in [-1, 3_601] {
        assert!(matches!(at(outside), Err(Error::OutsideValidity)), "{outside}");
    }
}

#[test]
fn k09_refuses_keys_in_a_role_that_is_not_theirs() {
    let stamper = SecretKey::generate(KeyKind::P256).unwrap();
    let chain = chain(&root(), Role::Timestamps, &stamper);
    let stamper = CertifiedKey::new(chain, stamper).unwrap();
    let log = SecretKey::generate(KeyKind::P256).unwrap();
    assert!(matches!(CertificateAuthority::new(stamper, log), Err(Error::WrongRole { .. })));
    // An authority, but for time alone; for code, but no authority.
    let usage = || usages(KeyUsages::KeyCertSign.into()).unwrap();
    for extensions in [
        vec![usage(), constraints(Some(0)).unwrap(), purpose(TIME_STAMPING, false).unwrap()],
        vec![usage(), purpose(CODE_SIGNING, false).unwrap()],
    ] {
        let (root, key) = (root(), SecretKey::generate(KeyKind::P256).unwrap());
        let subject = name("X").to_der().unwrap();
        let draft = root.draft(&subject, key.public_key(), validity(0, 1), extensions).unwrap();
        let chain = vec![draft.sign(root.key()).unwrap(), root.chain()[0].clone()];
        let log = SecretKey::generate(KeyKind::P256).unwrap();
        let made = CertificateAuthority::new(CertifiedKey::new(chain, key).unwrap(), log);
        assert!(matches!(made, Err(Error::WrongRole { .. })));
    }
    for kind in [KeyKind::P384, KeyKind::Ed25519] {
        let log = SecretKey::generate(kind).unwrap();
        assert!(matches!(CertificateAuthority::new(root(), log), Err(Error::KeyKind { .. })));
    }
    let issuer = SecretKey::generate(KeyKind::P256).unwrap();
    let again = sealwax_keys::KeyFile::parse(issuer.to_pkcs8_pem(None).unwrap().as_bytes()).unwrap();
    let sealwax_keys::KeyFile::Plain(again) = again else { panic!("not encrypted") };
    let root = CertifiedKey::new_root(issuer, name("Root"), validity(0, 9)).unwrap();
    assert!(matches!(CertificateAuthority::new(root, again), Err(Error::KeyKind { .. })));
}

#[test]
fn describes_its_log_for_a_trusted_root() {
    let authority = authority();
    let log = authority.log_instance("https://ct.example", Some("example"), now());
    assert_eq!(log.key, authority.log.public_key().spki_der());
    assert_eq!(log.log_id, authority.log.public_key().fingerprint());
    assert_eq!(log.key_details, "PKIX_ECDSA_P256_SHA_256");
    assert_eq!((log.valid_from, log.valid_until), (now(), None));
}

use jiff::ToSpan;
use sealwax_keys::{BasicConstraints, KeyKind, KeyUsage};

use super::*;
use crate::test_keys::{NOW, chain, name, root, validity, years};

fn key(kind: KeyKind) -> SecretKey {
    SecretKey::generate(kind).unwrap()
}

fn purposes(certificate: &Certificate) -> Vec<String> {
    certificate.extended_key_usage().unwrap_or_default()
}

#[test]
fn a_root_certifies_itself_and_nothing_else_than_authorities() {
    let root = root();
    let [certificate] = root.chain() else { panic!("one certificate") };
    certificate.is_signed_by(certificate.public_key()).unwrap();
    assert_eq!(certificate.subject_der(), certificate.issuer_der());
    assert_eq!(certificate.subject(), "CN=Root,O=Example");
    assert_eq!(certificate.basic_constraints(), Some(BasicConstraints { ca: true, path_len: None }));
    assert_eq!(certificate.extended_key_usage(), None);
    let mut usage = KeyUsage::default();
    (usage.key_cert_sign, usage.crl_sign) = (true, true);
    assert_eq!(certificate.key_usage(), Some(usage));
    assert!(certificate.extension("2.5.29.15").unwrap().critical);
    assert!(certificate.extension("2.5.29.19").unwrap().critical);
}

#[test]
fn c06_an_identity_authority_has_no_other_below() {
    let chain = chain(&root(), Role::Identities, &key(KeyKind::P384));
    assert_eq!(chain[0].basic_constraints(), Some(BasicConstraints { ca: true, path_len: Some(0) }));
    assert_eq!(purposes(&chain[0]), ["1.3.6.1.5.5.7.3.3"]);
    assert!(chain[0].key_usage().unwrap().key_cert_sign && !chain[0].key_usage().unwrap().digital_signature);
    let below = key(KeyKind::P256);
    let issuer = key(KeyKind::P384);
    let chain = self::chain(&root(), Role::Identities, &issuer);
    let result = CertifiedKey::new(chain, issuer).unwrap().certify(
        Role::Identities,
        below.public_key(),
        name("Below"),
        years(1),
    );
    assert!(matches!(result, Err(Error::WrongRole { .. })));
}

#[test]
fn c07_a_time_stamping_certificate_is_for_that_alone_and_says_so_critically() {
    let chain = chain(&root(), Role::Timestamps, &key(KeyKind::P256));
    assert_eq!(purposes(&chain[0]), ["1.3.6.1.5.5.7.3.8"]);
    assert!(chain[0].extension("2.5.29.37").unwrap().critical);
    assert_eq!(chain[0].basic_constraints(), None);
    let mut usage = KeyUsage::default();
    usage.digital_signature = true;
    assert_eq!(chain[0].key_usage(), Some(usage));
}

#[test]
fn c10_an_issued_certificate_names_its_issuers_key() {
    let root = root();
    let chain = chain(&root, Role::Timestamps, &key(KeyKind::P256));
    let stated = root.chain()[0].extension("2.5.29.14").unwrap().value.to_vec();
    let named = chain[0].extension("2.5.29.35").unwrap().value.to_vec();
    // SEQUENCE { [0] key identifier } around what the issuer's OCTET STRING holds.
    assert_eq!(named[4..], stated[2..]);
    assert_ne!(chain[0].extension("2.5.29.14").unwrap().value, stated);
}

#[test]
fn c13_serial_numbers_are_positive_of_20_bytes_and_never_the_same() {
    let mut seen = std::collections::BTreeSet::new();
    for _ in 0..1_000 {
        let serial = crate::certificate::random_serial().unwrap();
        assert!((0x40..0x80).contains(&serial[0]));
        assert!(seen.insert(serial));
    }
    assert_eq!(root().chain()[0].serial_number().len(), 20);
}

#[test]
fn c03_certifies_nothing_beyond_its_own_time() {
    let root = root();
    let other = key(KeyKind::P256);
    for (before, after) in [(-1, 1), (0, 11 * 365 * 24), (2, 1)] {
        let validity = validity(before, after);
        let result = root.certify(Role::Identities, other.public_key(), name("X"), validity);
        assert!(matches!(result, Err(Error::OutsideValidity)), "{before} {after}");
    }
    let backwards = CertifiedKey::new_root(key(KeyKind::P256), name("X"), validity(2, 1));
    assert!(matches!(backwards, Err(Error::OutsideValidity)));
}

#[test]
fn refuses_a_chain_that_is_not_one() {
    let issuer = key(KeyKind::P256);
    let text = issuer.to_pkcs8_pem(None).unwrap();
    let again = || match sealwax_keys::KeyFile::parse(text.as_bytes()).unwrap() {
        sealwax_keys::KeyFile::Plain(key) => key,
        other => panic!("{other:?}"),
    };
    let good = chain(&root(), Role::Identities, &issuer);
    let stranger = root().chain()[0].clone();
    let broken = |chain: Vec<Certificate>| CertifiedKey::new(chain, again()).unwrap_err();
    assert!(matches!(broken(vec![]), Error::BrokenChain));
    assert!(matches!(broken(vec![good[0].clone()]), Error::BrokenChain));
    assert!(matches!(broken(vec![good[0].clone(), stranger.clone()]), Error::BrokenChain));
    assert!(matches!(broken(vec![good[0].clone(), good[1].clone(), stranger]), Error::BrokenChain));
    assert!(matches!(broken(vec![good[1].clone()]), Error::NotItsKey));
    CertifiedKey::new(good, again()).unwrap();
    // Signed by its issuer's key, but naming another issuer.
    let root = root();
    let stranger = name("Stranger").to_der().unwrap();
    let subject = name("Below").to_der().unwrap();
    let public = root.key().public_key();
    let draft = Draft::new(public, &stranger, &subject, issuer.public_key(), years(1), vec![]).unwrap();
    let misnamed = draft.sign(root.key()).unwrap();
    assert!(matches!(broken(vec![misnamed, root.chain()[0].clone()]), Error::BrokenChain));
    // Signed by its issuer, under an issuer that is no authority.
    let stamper = key(KeyKind::P256);
    let stamps = chain(&root, Role::Timestamps, &stamper);
    let leaf = CertifiedKey::new(stamps.clone(), stamper).unwrap();
    let extensions = vec![leaf.authority_key().unwrap()];
    let name = name("Below").to_der().unwrap();
    let forged = leaf.draft(&name, issuer.public_key(), years(1), extensions).unwrap();
    let forged = forged.sign(leaf.key()).unwrap();
    assert!(matches!(broken([vec![forged], stamps].concat()), Error::BrokenChain));
}

#[test]
fn k04_refuses_kinds_of_keys_that_sign_no_certificates() {
    let result = CertifiedKey::new_root(key(KeyKind::Ed25519), name("X"), years(1));
    assert!(matches!(result, Err(Error::KeyKind { .. })));
    let other = key(KeyKind::Ed25519);
    let result = root().certify(Role::Timestamps, other.public_key(), name("X"), years(1));
    assert!(matches!(result, Err(Error::KeyKind { .. })));
}

#[test]
fn refuses_names_that_no_certificate_takes() {
    for bad in ["", "a\nb", "\u{0}", &"a".repeat(65)] {
        for name in
            [Name { organization: bad, common_name: "X" }, Name { organization: "X", common_name: bad }]
        {
            let result = CertifiedKey::new_root(key(KeyKind::P256), name, years(1));
            assert!(matches!(result, Err(Error::UnfitName { .. })), "{bad:?}");
        }
    }
    let name = Name { organization: "Bäckerei", common_name: &"ü".repeat(64) };
    let root = CertifiedKey::new_root(key(KeyKind::P256), name, years(1)).unwrap();
    let instance = root.authority_instance("", None).unwrap();
    assert_eq!((instance.organization.as_str(), instance.common_name), ("Bäckerei", "ü".repeat(64)));
}

#[test]
fn describes_itself_for_a_trusted_root() {
    let issuer = key(KeyKind::P384);
    let chain = chain(&root(), Role::Identities, &issuer);
    let ours = CertifiedKey::new(chain.clone(), issuer).unwrap();
    let instance = ours.authority_instance("https://ca.example", Some("example")).unwrap();
    assert_eq!(instance.common_name, "Below");
    assert_eq!(instance.organization, "Example");
    assert_eq!(instance.chain, [chain[0].der(), chain[1].der()]);
    assert_eq!(instance.valid_from, NOW.parse().unwrap());
    assert_eq!((instance.uri.as_str(), instance.valid_until), ("https://ca.example", None));
    assert_eq!(instance.operator.as_deref(), Some("example"));
    assert_eq!(Certificate::from_pem_chain(ours.chain_pem().as_bytes()).unwrap(), chain);
}

#[test]
fn k08_prints_no_private_key() {
    let text = format!("{:?}", root());
    let pem = root().key().to_pkcs8_pem(None).unwrap();
    assert!(text.contains("fingerprint") && !text.contains(pem.lines().nth(1).unwrap()), "{text}");
}

#[test]
fn rotation_gives_another_authority_under_the_same_root() {
    let root = root();
    let (first, second) = (key(KeyKind::P256), key(KeyKind::P384));
    let (one, two) = (chain(&root, Role::Identities, &first), chain(&root, Role::Identities, &second));
    assert_eq!(one[1], two[1]);
    assert_ne!(one[0].serial_number(), two[0].serial_number());
    let later = NOW.parse::<jiff::Timestamp>().unwrap() + 1.hour();
    assert!(CertifiedKey::new(two, second).unwrap().contains(later.as_second()));
}

use sealwax_keys::{KeyKind, SecretKey};
use x509_cert::ext::pkix::KeyUsages;

use super::*;
use crate::certified_key::Role;
use crate::test_keys::{chain, flips, name, now, root, validity, years};

const SHA256: &[u8] = &[6, 9, 0x60, 0x86, 0x48, 1, 0x65, 3, 4, 2, 1];
const POLICY: &[u8] = &[6, 9, 0x2b, 6, 1, 4, 1, 0x83, 0xbf, 0x30, 2];
const NONCE: &[u8] = &[2, 9, 0, 0x80, 1, 2, 3, 4, 5, 6, 7];

fn authority() -> TimestampAuthority {
    let key = SecretKey::generate(KeyKind::P256).unwrap();
    let chain = chain(&root(), Role::Timestamps, &key);
    TimestampAuthority::new(CertifiedKey::new(chain, key).unwrap()).unwrap()
}

/// Writes one tag, length and value; values stay below 256 bytes.
fn tlv(tag: u8, parts: &[&[u8]]) -> Vec<u8> {
    let value = parts.concat();
    let length = u8::try_from(value.len()).unwrap();
    let head = if length < 0x80 { vec![tag, length] } else { vec![tag, 0x81, length] };
    [head, value].concat()
}

fn imprint(algorithm: &[u8], hash: &[u8]) -> Vec<u8> {
    tlv(0x30, &[&tlv(0x30, &[algorithm]), &tlv(4, &[hash])])
}

fn request(rest: &[&[u8]]) -> Vec<u8> {
    let imprint = imprint(SHA256, &[7; 32]);
    tlv(0x30, &[&[&[2, 1, 1], imprint.as_slice()], rest].concat())
}

fn has(reply: &TimestampReply, part: &[u8]) -> bool {
    reply.der.windows(part.len()).any(|window| window == part)
}

#[test]
fn m09_a_token_repeats_imprint_and_nonce_and_says_the_second() {
    let reply = authority().answer(&request(&[POLICY, NONCE, &[1, 1, 0xff]]), now()).unwrap();
    assert_eq!(reply.refusal, None);
    assert!(has(&reply, &[0x30, 3, 2, 1, 0]), "granted");
    assert!(has(&reply, &imprint(SHA256, &[7; 32])) && has(&reply, POLICY) && has(&reply, NONCE));
    assert!(has(&reply, b"\x18\x0f20261124120000Z"));
    let almost = now() + jiff::SignedDuration::from_millis(999);
    let reply = authority().answer(&request(&[]), almost).unwrap();
    assert!(has(&reply, b"\x18\x0f20261124120000Z"), "rounded down");
    assert!(!has(&reply, NONCE));
}

#[test]
fn m06_certificates_come_along_only_when_asked_for_and_never_the_root() {
    let authority = authority();
    let [own, root] = authority.signer().chain() else { panic!("two certificates") };
    let with = authority.answer(&request(&[&[1, 1, 0xff]]), now()).unwrap();
    assert!(has(&with, own.der()) && !has(&with, root.der()));
    let without = authority.answer(&request(&[]), now()).unwrap();
    assert!(!has(&without, own.der()));
    assert!(has(&without, &own.fingerprint()), "the signer's certificate is named under the signature");
}

#[test]
fn c13_every_token_has_a_serial_number_of_its_own() {
    let authority = authority();
    let one = authority.answer(&request(&[]), now()).unwrap();
    let two = authority.answer(&request(&[]), now()).unwrap();
    assert_ne!(one.der, two.der);
}

#[test]
fn takes_all_three_hashes_and_null_as_parameter() {
    for (last, length) in [(1, 32), (2, 48), (3, 64)] {
        let mut oid = SHA256.to_vec();
        *oid.last_mut().unwrap() = last;
        for algorithm in [oid.clone(), [oid, vec![5, 0]].concat()] {
            let request = tlv(0x30, &[&[2, 1, 1], &imprint(&algorithm, &vec![7; length])]);
            let reply = authority().answer(&request, now()).unwrap();
            assert_eq!(reply.refusal, None);
            assert!(has(&reply, &imprint(&algorithm, &vec![7; length])));
        }
    }
}

#[test]
fn m09_refuses_what_it_cannot_grant_and_says_why() {
    let sha1 = [6, 5, 0x2b, 0x0e, 3, 2, 0x1a];
    let with = |imprint: &[u8]| tlv(0x30, &[&[2, 1, 1], imprint]);
    let good = request(&[NONCE]);
    let refusals = [
        (with(&imprint(&sha1, &[7; 20])), TimestampRefusal::BadAlgorithm, vec![7, 0x80]),
        (
            with(&imprint(&[SHA256, &[2, 1, 0]].concat(), &[7; 32])),
            TimestampRefusal::BadAlgorithm,
            vec![7, 0x80],
        ),
        (tlv(0x30, &[&[2, 1, 2], &imprint(SHA256, &[7; 32])]), TimestampRefusal::BadRequest, vec![5, 0x20]),
        (with(&imprint(SHA256, &[7; 31])), TimestampRefusal::BadDataFormat, vec![2, 0x04]),
        (with(&imprint(SHA256, &[7; 33])), TimestampRefusal::BadDataFormat, vec![2, 0x04]),
        (with(&imprint(SHA256, &[])), TimestampRefusal::BadDataFormat, vec![2, 0x04]),
        (vec![], TimestampRefusal::BadDataFormat, vec![2, 0x04]),
        ([good.as_slice(), &[0]].concat(), TimestampRefusal::BadDataFormat, vec![2, 0x04]),
        (request(&[&[1, 1, 0]]), TimestampRefusal::BadDataFormat, vec![2, 0x04]),
        (request(&[&[1, 1, 1]]), TimestampRefusal::BadDataFormat, vec![2, 0x04]),
        (request(&[NONCE, POLICY]), TimestampRefusal::BadDataFormat, vec![2, 0x04]),
        (request(&[&[6, 3, 0x2a, 3, 4]]), TimestampRefusal::UnacceptedPolicy, vec![0, 0, 0x01]),
        (
            request(&[&tlv(0xa0, &[&tlv(0x30, &[&[6, 3, 0x2a, 3, 4], &[4, 0]])])]),
            TimestampRefusal::UnacceptedExtension,
            vec![7, 0, 0, 0x80],
        ),
    ];
    for (request, refusal, failure) in refusals {
        let reply = authority().answer(&request, now()).unwrap();
        assert_eq!(reply.refusal, Some(refusal), "{request:02x?}");
        assert_eq!(reply.der, tlv(0x30, &[&tlv(0x30, &[&[2, 1, 2], &tlv(3, &[&failure])])]));
    }
}

#[test]
fn b05_refuses_a_long_request_before_reading_it() {
    let with_nonce = |length: u16| {
        let nonce = [&[2, 0x82], length.to_be_bytes().as_slice(), &vec![9; length.into()]].concat();
        let parts = [vec![2, 1, 1], imprint(SHA256, &[7; 32]), nonce].concat();
        let length = u16::try_from(parts.len()).unwrap().to_be_bytes();
        [&[0x30, 0x82], length.as_slice(), &parts].concat()
    };
    for (nonce, length, refusal) in [(964, 1_024, None), (965, 1_025, Some(TimestampRefusal::BadDataFormat))]
    {
        let request = with_nonce(nonce);
        assert_eq!(request.len(), length);
        assert_eq!(authority().answer(&request, now()).unwrap().refusal, refusal);
    }
}

#[test]
fn m07_says_no_time_outside_its_certificates() {
    let root = root();
    let key = SecretKey::generate(KeyKind::P256).unwrap();
    let chain = root.certify(Role::Timestamps, key.public_key(), name("Short"), validity(0, 1)).unwrap();
    let authority = TimestampAuthority::new(CertifiedKey::new(chain, key).unwrap()).unwrap();
    for (seconds, refusal) in [
        (-1, Some(TimestampRefusal::TimeNotAvailable)),
        (0, None),
        (3_600, None),
        (3_601, Some(TimestampRefusal::TimeNotAvailable)),
    ] {
        let time = now() + jiff::SignedDuration::from_secs(seconds);
        assert_eq!(authority.answer(&request(&[]), time).unwrap().refusal, refusal, "{seconds}");
    }
}

#[test]
fn reads_the_json_form_of_sigstores_server() {
    let hash = "BwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc=";
    let authority = authority();
    let answer = |text: &str| authority.answer_json(text.as_bytes(), now()).unwrap();
    let start = format!("{{\"artifactHash\":\"{hash}\",\"hashAlgorithm\":");
    let reply = answer(&format!(
        "{start}\"sha256\",\"nonce\":36170086419038336,\"certificates\":true,\"tsaPolicyOID\":\"1.3.6.1.4.1.57264.2\"}}"
    ));
    assert_eq!(reply.refusal, None);
    assert!(has(&reply, &imprint(SHA256, &[7; 32])));
    assert!(has(&reply, &[2, 8, 0, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80]));
    assert!(has(&reply, authority.signer().chain()[0].der()));
    for (nonce, der) in [
        ("0", vec![2, 1, 0]),
        ("127", vec![2, 1, 0x7f]),
        ("128", vec![2, 2, 0, 0x80]),
        ("18446744073709551615", vec![2, 9, 0, 255, 255, 255, 255, 255, 255, 255, 255]),
    ] {
        assert!(has(&answer(&format!("{start}\"SHA256\",\"nonce\":{nonce}}}")), &der), "{nonce}");
    }
    for (rest, refusal) in [
        ("\"sha1\"}", TimestampRefusal::BadAlgorithm),
        ("\"sha512\"}", TimestampRefusal::BadDataFormat),
        ("\"sha256\",\"nonce\":-1}", TimestampRefusal::BadDataFormat),
        ("\"sha256\",\"nonce\":1.5}", TimestampRefusal::BadDataFormat),
        ("\"sha256\",\"nonce\":\"1\"}", TimestampRefusal::BadDataFormat),
        ("\"sha256\",\"hashAlgorithm\":\"sha256\"}", TimestampRefusal::BadDataFormat),
        ("\"sha256\",\"other\":1}", TimestampRefusal::BadDataFormat),
        ("\"sha256\",\"tsaPolicyOID\":\"1.2.3\"}", TimestampRefusal::UnacceptedPolicy),
        ("\"sha256\",\"tsaPolicyOID\":\"x\"}", TimestampRefusal::UnacceptedPolicy),
        ("\"sha256\"", TimestampRefusal::BadDataFormat),
    ] {
        assert_eq!(answer(&format!("{start}{rest}")).refusal, Some(refusal), "{rest}");
    }
}

#[test]
fn b02_changed_requests_never_panic() {
    let authority = authority();
    let good = request(&[POLICY, NONCE, &[1, 1, 0xff]]);
    let (mut granted, mut refused) = (0, 0);
    for changed in flips(&good) {
        match authority.answer(&changed, now()).unwrap().refusal {
            None => granted += 1,
            Some(_) => refused += 1,
        }
    }
    // A hash or a nonce with another bit is as good as before.
    assert!(granted > 100 && refused > 400, "{granted} granted, {refused} refused");
    let json = br#"{"artifactHash":"BwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc=","hashAlgorithm":"sha256","nonce":1}"#;
    for changed in flips(json) {
        authority.answer_json(&changed, now()).unwrap();
    }
}

#[test]
fn c07_refuses_a_certificate_that_is_not_for_time_alone() {
    let refused = |role| {
        let key = SecretKey::generate(KeyKind::P256).unwrap();
        let chain = chain(&root(), role, &key);
        matches!(
            TimestampAuthority::new(CertifiedKey::new(chain, key).unwrap()),
            Err(Error::WrongRole { .. })
        )
    };
    assert!(refused(Role::Identities));
    assert!(!refused(Role::Timestamps));
    assert!(matches!(TimestampAuthority::new(root()), Err(Error::WrongRole { .. })));
    // For time, but not critically; for time and another purpose; for time, but not for signing; for time, and an authority.
    let root = root();
    let time =
        x509_cert::ext::pkix::ExtendedKeyUsage(vec![TIME_STAMPING, crate::certified_key::CODE_SIGNING]);
    let both = der::Encode::to_der(&time).unwrap();
    let both = crate::certificate::extension(EXTENDED_KEY_USAGE.parse().unwrap(), true, both).unwrap();
    let uses = KeyUsages::KeyAgreement;
    for extensions in [
        vec![crate::certified_key::purpose(TIME_STAMPING, false).unwrap()],
        vec![both],
        vec![
            crate::certified_key::purpose(TIME_STAMPING, true).unwrap(),
            crate::certified_key::usages(uses.into()).unwrap(),
        ],
        vec![
            crate::certified_key::purpose(TIME_STAMPING, true).unwrap(),
            crate::certified_key::usages(KeyUsages::KeyCertSign | KeyUsages::DigitalSignature).unwrap(),
            crate::certified_key::constraints(None).unwrap(),
        ],
    ] {
        let key = SecretKey::generate(KeyKind::P256).unwrap();
        let name = name("X").to_der().unwrap();
        let draft = root.draft(&name, key.public_key(), years(1), extensions).unwrap();
        let chain = vec![draft.sign(root.key()).unwrap(), root.chain()[0].clone()];
        let made = TimestampAuthority::new(CertifiedKey::new(chain, key).unwrap());
        assert!(matches!(made, Err(Error::WrongRole { .. })));
    }
}

use super::*;
use crate::der_writer::{NULL, bits, number, octets, oid, sequence, tlv};
use crate::scheme::KeyKind;
use crate::secret_key::SecretKey;

const ECDSA_SHA256: &str = "1.2.840.10045.4.3.2";
const ECDSA_SHA384: &str = "1.2.840.10045.4.3.3";
const ED25519: &str = "1.3.101.112";
const SAN: &str = "2.5.29.17";
const CONSTRAINTS: &str = "2.5.29.19";
const USAGE: &str = "2.5.29.15";
const PURPOSES: &str = "2.5.29.37";
const TRUE: &[u8] = &[1, 1, 0xff];

/// The parts of a certificate, each as DER, to be changed one at a time.
struct Parts {
    version: Vec<u8>,
    serial: Vec<u8>,
    inner_algorithm: Vec<u8>,
    outer_algorithm: Vec<u8>,
    subject: Vec<u8>,
    validity: Vec<u8>,
    key: Vec<u8>,
    extensions: Vec<Vec<u8>>,
    signer: SecretKey,
}

impl Parts {
    fn new() -> Self {
        let signer = SecretKey::from_p256_scalar(&[9; 32]).unwrap();
        Self {
            version: tlv(0xa0, &[&number(2)]),
            serial: number(77),
            inner_algorithm: sequence(&[&oid(ECDSA_SHA256)]),
            outer_algorithm: sequence(&[&oid(ECDSA_SHA256)]),
            subject: name(b"subject"),
            validity: sequence(&[&tlv(0x17, &[b"260101000000Z"]), &tlv(0x17, &[b"270101000000Z"])]),
            key: signer.public_key().spki_der().to_vec(),
            extensions: Vec::new(),
            signer,
        }
    }

    fn with_algorithm(algorithm: &[u8], signer: SecretKey) -> Self {
        Self {
            inner_algorithm: algorithm.to_vec(),
            outer_algorithm: algorithm.to_vec(),
            signer,
            ..Self::new()
        }
    }

    fn with_extension(id: &str, critical: &[u8], value: &[u8]) -> Self {
        Self { extensions: vec![extension(id, critical, value)], ..Self::new() }
    }

    fn der(&self) -> Vec<u8> {
        let list = self.extensions.concat();
        let extensions = if list.is_empty() { Vec::new() } else { tlv(0xa3, &[&sequence(&[&list])]) };
        let tbs = sequence(&[
            &self.version,
            &self.serial,
            &self.inner_algorithm,
            &name(b"issuer"),
            &self.validity,
            &self.subject,
            &self.key,
            &extensions,
        ]);
        let scheme = match self.signer.public_key().scheme() {
            crate::scheme::Scheme::Ed25519Ph => crate::scheme::Scheme::Ed25519,
            scheme => scheme,
        };
        let signature = self.signer.sign_with(scheme, &tbs).unwrap();
        sequence(&[&tbs, &self.outer_algorithm, &bits(&signature)])
    }

    fn read(&self) -> Result<Certificate> {
        Certificate::from_der(&self.der())
    }
}

fn name(text: &[u8]) -> Vec<u8> {
    sequence(&[&tlv(0x31, &[&sequence(&[&oid("2.5.4.3"), &tlv(0x0c, &[text])])])])
}

fn extension(id: &str, critical: &[u8], value: &[u8]) -> Vec<u8> {
    sequence(&[&oid(id), critical, &octets(value)])
}

fn malformed<T: fmt::Debug + PartialEq>(result: Result<T>, what: &'static str) {
    assert_eq!(result, Err(Error::Malformed { what }));
}

#[test]
fn reads_every_field() {
    let parts = Parts {
        extensions: vec![
            extension(SAN, TRUE, &sequence(&[&tlv(0x81, &[b"a@b.example"])])),
            extension(CONSTRAINTS, TRUE, &sequence(&[TRUE, &number(3)])),
            extension(USAGE, TRUE, &tlv(3, &[&[2, 0x84]])),
            extension(PURPOSES, &[], &sequence(&[&oid("1.3.6.1.5.5.7.3.3")])),
            extension("2.5.29.14", &[], &octets(&[1])),
            extension("1.2.3.4", TRUE, &[5, 0]),
        ],
        ..Parts::new()
    };
    let der = parts.der();
    let certificate = Certificate::from_der(&der).unwrap();
    assert_eq!(certificate.der(), der);
    assert_eq!(certificate.subject(), "CN=subject");
    assert_eq!(certificate.issuer(), "CN=issuer");
    assert_eq!(certificate.subject_der(), name(b"subject"));
    assert_eq!(certificate.issuer_der(), name(b"issuer"));
    assert_eq!((certificate.not_before(), certificate.not_after()), (1_767_225_600, 1_798_761_600));
    assert_eq!(certificate.public_key(), parts.signer.public_key());
    assert_eq!(certificate.fingerprint().to_vec(), Sha256::digest(&der).to_vec());
    assert_eq!(certificate.subject_alternative_names(), [SubjectName::Email("a@b.example".into())]);
    assert_eq!(certificate.basic_constraints(), Some(BasicConstraints { ca: true, path_len: Some(3) }));
    let usage = KeyUsage { digital_signature: true, key_cert_sign: true, ..KeyUsage::default() };
    assert_eq!(certificate.key_usage(), Some(usage));
    assert_eq!(certificate.serial_number(), [77]);
    assert_eq!(certificate.extension("1.2.3.4"), Some(Extension { critical: true, value: &[5, 0] }));
    assert_eq!(certificate.extension("2.5.29.14").map(|found| found.critical), Some(false));
    assert_eq!(certificate.extension("1.2.3.5"), None);
    assert_eq!(Certificate::from_pem_chain(certificate.to_pem().as_bytes()).unwrap()[0], certificate);
    assert_eq!(certificate.extended_key_usage(), Some(vec!["1.3.6.1.5.5.7.3.3".into()]));
    assert_eq!(certificate.unknown_critical_extensions(), ["1.2.3.4"]);
    certificate.is_signed_by(parts.signer.public_key()).unwrap();
}

#[test]
fn absent_extensions_read_as_absent() {
    let certificate = Parts::new().read().unwrap();
    assert_eq!(certificate.basic_constraints(), None);
    assert_eq!(certificate.key_usage(), None);
    assert_eq!(certificate.extended_key_usage(), None);
    assert!(certificate.subject_alternative_names().is_empty());
    assert!(certificate.unknown_critical_extensions().is_empty());
}

#[test]
fn every_key_usage_bit_has_its_place() {
    let bits_of = |usage: KeyUsage| {
        [
            usage.digital_signature,
            usage.content_commitment,
            usage.key_encipherment,
            usage.data_encipherment,
            usage.key_agreement,
            usage.key_cert_sign,
            usage.crl_sign,
            usage.encipher_only,
            usage.decipher_only,
        ]
    };
    for bit in 0..9_u8 {
        let value = match bit {
            8 => tlv(3, &[&[7, 0, 0x80]]),
            bit => tlv(3, &[&[7 - bit, 0x80 >> bit]]),
        };
        let usage = Parts::with_extension(USAGE, TRUE, &value).read().unwrap().key_usage().unwrap();
        let expected: Vec<_> = (0..9).map(|index| index == bit).collect();
        assert_eq!(bits_of(usage).to_vec(), expected);
    }
}

#[test]
fn i05_the_kind_of_a_name_is_part_of_it() {
    let user = tlv(0xa0, &[&oid("1.3.6.1.4.1.57264.1.7"), &tlv(0xa0, &[&tlv(0x0c, &[b"x"])])]);
    let other = tlv(0xa0, &[&oid("1.2.3"), &tlv(0xa0, &[&tlv(0x0c, &[b"x"])])]);
    let address = tlv(0x87, &[&[127, 0, 0, 1]]);
    let list = [
        tlv(0x81, &[b"x"]),
        tlv(0x82, &[b"x"]),
        tlv(0x86, &[b"x"]),
        user,
        other.clone(),
        address.clone(),
        tlv(0x86, &[b"x\0\n"]),
    ];
    let certificate = Parts::with_extension(SAN, &[], &sequence(&[&list.concat()])).read().unwrap();
    assert_eq!(
        certificate.subject_alternative_names(),
        [
            SubjectName::Email("x".into()),
            SubjectName::Dns("x".into()),
            SubjectName::Uri("x".into()),
            SubjectName::Username("x".into()),
            SubjectName::Other(other),
            SubjectName::Other(address),
            SubjectName::Uri("x\0\n".into()),
        ]
    );
}

#[test]
fn c13_refuses_names_that_are_none() {
    for list in [
        vec![],
        tlv(0x81, &["é".as_bytes()]),
        tlv(0x86, &[&[0xff]]),
        tlv(0xa6, &[&tlv(0x16, &[b"x"])]),
        tlv(0x89, &[b"x"]),
        tlv(0x16, &[b"x"]),
        tlv(0xa0, &[]),
        tlv(0xa0, &[&oid("1.2.3")]),
        tlv(0xa0, &[&oid("1.2.3"), &tlv(0xa1, &[&tlv(0x0c, &[b"x"])])]),
        tlv(0xa0, &[&oid("1.3.6.1.4.1.57264.1.7"), &tlv(0xa0, &[&tlv(0x16, &[b"x"])])]),
        tlv(0xa0, &[&oid("1.3.6.1.4.1.57264.1.7"), &tlv(0xa0, &[&tlv(0x0c, &[&[0xff]])])]),
        tlv(0xa0, &[&oid("1.3.6.1.4.1.57264.1.7"), &tlv(0xa0, &[&tlv(0x0c, &[b"x"]), &[5, 0]])]),
    ] {
        let read = Parts::with_extension(SAN, &[], &sequence(&[&list])).read();
        malformed(read, "subject alternative name");
    }
    malformed(Parts::with_extension(SAN, &[], &[]).read(), "subject alternative name");
}

#[test]
fn c11_a_precertificate_is_the_certificate_without_its_logs_answers() {
    let answers = "1.3.6.1.4.1.11129.2.4.2";
    let with = |value: &[u8]| Parts::with_extension(answers, &[], value).read().unwrap();
    let found = with(&octets(b"list")).precertificate().unwrap().unwrap();
    assert_eq!(found.answers, b"list");
    // What is left is what a certificate of the same parts without the extension would have signed, but for an empty list.
    let mut parts = Parts::with_extension(answers, &[], &octets(b"list"));
    let without = Parts::with_extension(USAGE, TRUE, &tlv(3, &[&[7, 0x80]]));
    parts.extensions.extend(without.extensions.iter().cloned());
    let found = parts.read().unwrap().precertificate().unwrap().unwrap();
    assert_eq!(found.tbs, without.read().unwrap().tbs);
    assert_eq!(Parts::new().read().unwrap().precertificate().unwrap(), None);
    for bad in [&b"list"[..], &[], &[&octets(b"list")[..], &[0]].concat()] {
        malformed(with(bad).precertificate(), "certificate-transparency extension");
    }
}

#[test]
fn texts_of_extensions_are_utf8_strings() {
    let text =
        |value: &[u8]| Parts::with_extension("1.2.3", &[], value).read().unwrap().text_extension("1.2.3");
    assert_eq!(text(&tlv(0x0c, &["é".as_bytes()])).unwrap().as_deref(), Some("é"));
    assert_eq!(Parts::new().read().unwrap().text_extension("1.2.3").unwrap(), None);
    for bad in
        [&b"text"[..], &tlv(0x16, &[b"x"]), &tlv(0x0c, &[&[0xff]]), &[&tlv(0x0c, &[b"x"])[..], &[0]].concat()]
    {
        malformed(text(bad), "certificate extension");
    }
}

#[test]
fn c13_refuses_versions_1_and_2() {
    let parts = Parts { version: Vec::new(), ..Parts::new() };
    assert_eq!(parts.read(), Err(Error::CertificateVersion { version: 1 }));
    let parts = Parts { version: tlv(0xa0, &[&number(1)]), ..Parts::new() };
    assert_eq!(parts.read(), Err(Error::CertificateVersion { version: 2 }));
    let parts = Parts { version: tlv(0xa0, &[&number(3)]), ..Parts::new() };
    malformed(parts.read(), "certificate");
}

#[test]
fn c13_refuses_duplicate_extensions() {
    for id in [CONSTRAINTS, USAGE, "1.2.3.4"] {
        let value = if id == USAGE { tlv(3, &[&[7, 0x80]]) } else { sequence(&[TRUE]) };
        let one = extension(id, &[], &value);
        assert!(Parts { extensions: vec![one.clone()], ..Parts::new() }.read().is_ok());
        let between = extension("1.2.3.5", &[], NULL);
        let parts = Parts { extensions: vec![one.clone(), between, one], ..Parts::new() };
        assert_eq!(parts.read(), Err(Error::DuplicateExtension { oid: id.into() }));
    }
}

#[test]
fn c13_refuses_serial_numbers_out_of_range() {
    let what = "certificate serial number";
    for serial in [number(0), tlv(2, &[&[0x80]]), tlv(2, &[&[0xfe; 20]]), tlv(2, &[&[1; 21]])] {
        malformed(Parts { serial, ..Parts::new() }.read(), what);
    }
    for serial in [tlv(2, &[&[0x7f; 20]]), tlv(2, &[&[0, 0x80]])] {
        assert!(Parts { serial, ..Parts::new() }.read().is_ok());
    }
    for serial in [tlv(2, &[]), tlv(2, &[&[0, 1]]), tlv(2, &[&[1; 200]])] {
        malformed(Parts { serial, ..Parts::new() }.read(), "certificate");
    }
}

#[test]
fn c16_refuses_everything_that_is_not_der() {
    let good = Parts::with_extension(CONSTRAINTS, TRUE, &sequence(&[TRUE]));
    let der = good.der();
    assert!(Certificate::from_der(&der).is_ok());
    malformed(Certificate::from_der(&[&der[..], &[0]].concat()), "certificate");
    malformed(Certificate::from_der(&[&[0x30, 0x80], &der[4..], &[0, 0]].concat()), "certificate");
    malformed(Certificate::from_der(&[&[0x30, 0x83, 0], &der[2..]].concat()), "certificate");
    for critical in [&[1, 1, 1][..], &[1, 1, 0], &[1, 2, 0xff, 0xff], &[1, 0]] {
        malformed(Parts::with_extension("1.2.3.4", critical, NULL).read(), "certificate");
    }
    for value in [
        sequence(&[&[1, 1, 1]]),
        sequence(&[&[1, 1, 0]]),
        [sequence(&[TRUE]), vec![0]].concat(),
        sequence(&[TRUE, &tlv(2, &[&[0, 1]])]),
        sequence(&[TRUE, &tlv(2, &[&[0xff]])]),
        sequence(&[TRUE, &number(256)]),
        sequence(&[&number(1)]),
        vec![],
    ] {
        malformed(Parts::with_extension(CONSTRAINTS, TRUE, &value).read(), "basic constraints");
    }
    for value in
        [tlv(3, &[&[0, 0x80]]), tlv(3, &[&[6, 0xc1]]), tlv(3, &[&[8, 0x80]]), tlv(3, &[]), vec![5, 0]]
    {
        malformed(Parts::with_extension(USAGE, TRUE, &value).read(), "key usage");
    }
    for value in [sequence(&[]), sequence(&[NULL]), sequence(&[&tlv(6, &[&[0x80, 1]])]), oid("1.2.3")] {
        malformed(Parts::with_extension(PURPOSES, TRUE, &value).read(), "extended key usage");
    }
}

#[test]
fn c16_refuses_unordered_sets_and_wrong_time_forms() {
    let attribute = |text: &[u8]| sequence(&[&oid("2.5.4.3"), &tlv(0x0c, &[text])]);
    let unordered = sequence(&[&tlv(0x31, &[&attribute(b"b"), &attribute(b"a")])]);
    malformed(Parts { subject: unordered, ..Parts::new() }.read(), "certificate");
    let time = |tag: u8, text: &[u8]| sequence(&[&tlv(0x17, &[b"260101000000Z"]), &tlv(tag, &[text])]);
    for (tag, text) in [
        (0x17, &b"2601010000Z"[..]),
        (0x17, b"260101000000+0100"),
        (0x17, b"261301000000Z"),
        (0x18, b"20300101000000Z"),
        (0x18, b"20600101000000.5Z"),
        (0x16, b"270101000000Z"),
    ] {
        malformed(Parts { validity: time(tag, text), ..Parts::new() }.read(), "certificate");
    }
    let parts = Parts { validity: time(0x18, b"20600101000000Z"), ..Parts::new() };
    assert_eq!(parts.read().unwrap().not_after(), 2_840_140_800);
}

#[test]
fn c06_refuses_a_path_length_without_an_authority() {
    let value = sequence(&[&number(0)]);
    malformed(Parts::with_extension(CONSTRAINTS, TRUE, &value).read(), "basic constraints");
    let value = sequence(&[]);
    let read = Parts::with_extension(CONSTRAINTS, TRUE, &value).read().unwrap();
    assert_eq!(read.basic_constraints(), Some(BasicConstraints { ca: false, path_len: None }));
}

#[test]
fn c08_lists_unknown_critical_extensions() {
    let name_constraints = extension("2.5.29.30", TRUE, NULL);
    let harmless = extension("1.2.3.4", &[], NULL);
    let poison = extension("1.3.6.1.4.1.11129.2.4.3", TRUE, NULL);
    let parts = Parts { extensions: vec![name_constraints, harmless, poison], ..Parts::new() };
    let unknown = parts.read().unwrap().unknown_critical_extensions();
    assert_eq!(unknown, ["2.5.29.30", "1.3.6.1.4.1.11129.2.4.3"]);
}

#[test]
fn refuses_two_different_signature_algorithms() {
    for outer in [sequence(&[&oid(ECDSA_SHA384)]), sequence(&[&oid(ECDSA_SHA256), NULL])] {
        let parts = Parts { outer_algorithm: outer, ..Parts::new() };
        assert_eq!(parts.read(), Err(Error::SignatureAlgorithmsDiffer));
    }
}

#[test]
fn checks_ecdsa_and_ed25519_signatures() {
    let p384 = SecretKey::from_p384_scalar(&[9; 48]).unwrap();
    let ed25519 = SecretKey::from_ed25519_seed(&[9; 32]).unwrap();
    for (algorithm, signer) in [(ECDSA_SHA384, p384), (ED25519, ed25519)] {
        let parts = Parts::with_algorithm(&sequence(&[&oid(algorithm)]), signer);
        parts.read().unwrap().is_signed_by(parts.signer.public_key()).unwrap();
    }
}

#[test]
fn refuses_the_signature_of_another_key_or_hash() {
    let parts = Parts::new();
    let stranger = SecretKey::from_p256_scalar(&[8; 32]).unwrap();
    let verdict = parts.read().unwrap().is_signed_by(stranger.public_key());
    assert_eq!(verdict, Err(Error::BadSignature));
    // Signed over SHA-256, though the certificate says SHA-384.
    let parts = Parts::with_algorithm(
        &sequence(&[&oid(ECDSA_SHA384)]),
        SecretKey::from_p256_scalar(&[9; 32]).unwrap(),
    );
    let verdict = parts.read().unwrap().is_signed_by(parts.signer.public_key());
    assert_eq!(verdict, Err(Error::BadSignature));
}

#[test]
fn refuses_a_changed_certificate() {
    let der = Parts::new().der();
    let signer = Parts::new().signer;
    let position = der.windows(7).position(|window| window == b"subject").unwrap();
    let mut changed = der.clone();
    changed[position] = b'S';
    let verdict = Certificate::from_der(&changed).unwrap().is_signed_by(signer.public_key());
    assert_eq!(verdict, Err(Error::BadSignature));
}

#[test]
fn refuses_signature_algorithms_by_name() {
    let null = |id: &str| sequence(&[&oid(id), NULL]);
    for (algorithm, id) in [
        (null("1.2.840.113549.1.1.5"), "1.2.840.113549.1.1.5"),
        (null("1.2.840.113549.1.1.4"), "1.2.840.113549.1.1.4"),
        (sequence(&[&oid("1.2.840.10045.4.1")]), "1.2.840.10045.4.1"),
        (sequence(&[&oid("1.2.840.113549.1.1.10"), &sequence(&[])]), "1.2.840.113549.1.1.10"),
        // Right algorithms with parameters that they must not have.
        (null(ECDSA_SHA256), ECDSA_SHA256),
        (null(ED25519), ED25519),
        (sequence(&[&oid("1.2.840.113549.1.1.11"), &number(1)]), "1.2.840.113549.1.1.11"),
    ] {
        let parts = Parts::with_algorithm(&algorithm, SecretKey::from_p256_scalar(&[9; 32]).unwrap());
        let verdict = parts.read().unwrap().is_signed_by(parts.signer.public_key());
        assert_eq!(verdict, Err(Error::UnsupportedSignatureAlgorithm { oid: id.into() }));
    }
}

#[test]
fn refuses_an_issuer_key_of_another_kind() {
    let ed25519 = SecretKey::from_ed25519_seed(&[9; 32]).unwrap();
    let verdict = Parts::new().read().unwrap().is_signed_by(ed25519.public_key());
    let mismatch = Error::IssuerKeyMismatch { oid: ECDSA_SHA256.into(), kind: KeyKind::Ed25519 };
    assert_eq!(verdict, Err(mismatch));
    for algorithm in [sequence(&[&oid("1.2.840.113549.1.1.11"), NULL]), sequence(&[&oid(ED25519)])] {
        let parts = Parts::with_algorithm(&algorithm, SecretKey::from_p256_scalar(&[9; 32]).unwrap());
        let verdict = parts.read().unwrap().is_signed_by(parts.signer.public_key());
        assert!(matches!(verdict, Err(Error::IssuerKeyMismatch { kind: KeyKind::P256, .. })));
    }
}

#[test]
fn g05_refuses_a_certificate_with_a_bad_key() {
    let weak = sequence(&[&sequence(&[&oid(ED25519)]), &bits(&[0; 32])]);
    assert!(matches!(Parts { key: weak, ..Parts::new() }.read(), Err(Error::WeakKey { .. })));
    let unsupported = sequence(&[&sequence(&[&oid("1.3.101.113")]), &bits(&[0; 57])]);
    let refusal = Parts { key: unsupported, ..Parts::new() }.read();
    assert_eq!(refusal, Err(Error::UnsupportedKey { what: "Ed448".into() }));
}

#[test]
fn reads_pem_chains() {
    let pem = |der: &[u8]| pem::encode("CERTIFICATE", der).to_string();
    let (first, second) = (Parts::new().der(), Parts { serial: number(78), ..Parts::new() }.der());
    let text = format!("subject=/CN=a\n{}\nnext\n{}", pem(&first), pem(&second));
    let chain = Certificate::from_pem_chain(text.as_bytes()).unwrap();
    assert_eq!(chain.iter().map(Certificate::der).collect::<Vec<_>>(), [first.clone(), second]);
    let read = |text: String| Certificate::from_pem_chain(text.as_bytes()).map(drop);
    assert_eq!(read(String::new()), Err(Error::NoPem));
    let private = pem::encode("PRIVATE KEY", &[1]).to_string();
    assert_eq!(read(pem(&first) + &private), Err(Error::PrivateKeyGiven));
    let public = pem::encode("PUBLIC KEY", &[1]).to_string();
    assert_eq!(read(pem(&first) + &public), Err(Error::PublicKeyGiven));
    assert_eq!(read(pem(&first) + &pem(&[0x30])), Err(MALFORMED));
    assert!(read(pem(&first).repeat(32)).is_ok());
    assert_eq!(read(pem(&first).repeat(33)), Err(Error::TooManyCertificates { limit: 32 }));
}

#[test]
fn b05_refuses_an_oversized_certificate_before_reading_it() {
    let refusal = Certificate::from_der(&vec![0x30; MAX_CERTIFICATE + 1]);
    assert_eq!(refusal, Err(Error::TooLong { what: "certificate", limit: MAX_CERTIFICATE }));
}

#[test]
fn b02_nested_lengths_and_flips_and_cuts_never_panic() {
    let parts = Parts {
        extensions: vec![
            extension(SAN, TRUE, &sequence(&[&tlv(0x81, &[b"a@b.example"])])),
            extension(CONSTRAINTS, TRUE, &sequence(&[TRUE, &number(3)])),
            extension(USAGE, TRUE, &tlv(3, &[&[2, 0x84]])),
            extension(PURPOSES, &[], &sequence(&[&oid("1.3.6.1.5.5.7.3.3")])),
        ],
        ..Parts::new()
    };
    let der = parts.der();
    let signer = parts.signer.public_key();
    for index in 0..der.len() {
        assert!(Certificate::from_der(&der[..index]).is_err());
        for bit in 0..8 {
            let mut flipped = der.clone();
            flipped[index] ^= 1 << bit;
            // Whatever still parses is another certificate, and then nobody signed it.
            let accepted = Certificate::from_der(&flipped).and_then(|read| read.is_signed_by(signer));
            assert!(accepted.is_err(), "byte {index}, bit {bit}");
        }
    }
    let deep = [0x30, 0x82, 0x40, 0].repeat(10_000);
    assert!(Certificate::from_der(&deep).is_err());
}

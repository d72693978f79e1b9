//! Real certificates, keys and signatures: the public-good instance's trust root and signatures by model_signing.

use crate::{read, read_json, text};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use sealwax_keys::{BasicConstraints, Certificate, Error, KeyKind, PublicKey, Scheme};
use serde_json::Value;

const KEYS: &str = "model-signing/keys/certificate";

fn certificate(file: &str) -> Option<Certificate> {
    let mut chain = Certificate::from_pem_chain(&read(&format!("{KEYS}/{file}"))?).unwrap();
    assert_eq!(chain.len(), 1);
    chain.pop()
}

fn decode(value: &Value, name: &str) -> Vec<u8> {
    STANDARD.decode(text(value, name)).unwrap()
}

fn pae(kind: &str, payload: &[u8]) -> Vec<u8> {
    let head = format!("DSSEv1 {} {kind} {} ", kind.len(), payload.len());
    [head.as_bytes(), payload].concat()
}

#[test]
fn model_signing_chain_is_read_and_signed_as_it_says() {
    let (Some(root), Some(intermediate), Some(leaf)) =
        (certificate("ca-cert.pem"), certificate("int-ca-cert.pem"), certificate("signing-key-cert.pem"))
    else {
        return;
    };
    assert_eq!((root.public_key().kind(), root.public_key().bits()), (KeyKind::Rsa, 3072));
    assert_eq!(leaf.public_key().kind(), KeyKind::P384);
    assert_eq!(leaf.issuer_der(), intermediate.subject_der());
    assert_eq!((root.subject(), leaf.subject()), ("CN=root-ca".into(), "CN=intermediate-ca".into()));
    assert_eq!((leaf.not_before(), leaf.not_after()), (1_746_228_988, 2_061_588_988));
    for authority in [&root, &intermediate, &leaf] {
        let constraints = BasicConstraints { ca: true, path_len: None };
        assert_eq!(authority.basic_constraints(), Some(constraints));
        assert!(authority.unknown_critical_extensions().is_empty());
    }
    assert!(root.key_usage().unwrap().key_cert_sign && !root.key_usage().unwrap().digital_signature);
    assert!(leaf.key_usage().unwrap().digital_signature && !leaf.key_usage().unwrap().key_cert_sign);
    assert_eq!(leaf.extended_key_usage(), Some(vec!["1.3.6.1.5.5.7.3.3".into()]));
    assert_eq!(root.is_signed_by(root.public_key()), Ok(()));
    assert_eq!(intermediate.is_signed_by(root.public_key()), Ok(()));
    assert_eq!(leaf.is_signed_by(intermediate.public_key()), Ok(()));
    assert_eq!(leaf.is_signed_by(root.public_key()), Err(Error::BadSignature));
    assert!(matches!(leaf.is_signed_by(leaf.public_key()), Err(Error::IssuerKeyMismatch { .. })));
}

#[test]
fn model_signing_key_hint_and_signature_are_understood() {
    let (Some(pem), Some(bundle)) = (
        read(&format!("{KEYS}/signing-key-pub.pem")),
        read_json("model-signing/v1.1.0-elliptic-key/model.sig"),
    ) else {
        return;
    };
    let key = PublicKey::from_pem(&pem).unwrap();
    assert_eq!(key.oms_hint(), text(&bundle["verificationMaterial"]["publicKey"], "hint"));
    let envelope = &bundle["dsseEnvelope"];
    let message = pae(text(envelope, "payloadType"), &decode(envelope, "payload"));
    let signature = decode(&envelope["signatures"][0], "sig");
    assert_eq!(key.scheme(), Scheme::EcdsaP384Sha384);
    assert_eq!(key.verify(key.scheme(), &message, &signature), Ok(()));
    assert_eq!(key.verify_legacy_sha256(&message, &signature), Err(Error::BadSignature));
}

#[test]
fn model_signing_0_2_signature_needs_the_legacy_door() {
    let Some(bundle) = read_json("model-signing/v0.2.0-certificate/model.sig") else { return };
    let chain = &bundle["verificationMaterial"]["x509CertificateChain"]["certificates"];
    let leaf = Certificate::from_der(&decode(&chain[0], "rawBytes")).unwrap();
    let envelope = &bundle["dsseEnvelope"];
    let payload = String::from_utf8(decode(envelope, "payload")).unwrap();
    assert!(payload.is_ascii() && !payload.contains(['\'', '\\', '\t', '\r']));
    // That release signed the Python spelling of the payload, under a prefix with a capital V.
    let message = format!(
        "DSSEV1 28 application/vnd.in-toto+json {} b'{}'",
        payload.len(),
        payload.replace('\n', "\\n")
    );
    let signature = decode(&envelope["signatures"][0], "sig");
    let key = leaf.public_key();
    assert_eq!(key.verify_legacy_sha256(message.as_bytes(), &signature), Ok(()));
    assert_eq!(key.verify(key.scheme(), message.as_bytes(), &signature), Err(Error::BadSignature));
}

#[test]
fn public_good_trust_root_is_read_and_its_chains_are_signed() {
    let Some(root) = read_json("root-signing/targets/trusted_root.json") else { return };
    for log in ["tlogs", "ctlogs"].into_iter().flat_map(|list| root[list].as_array().unwrap()) {
        let key = PublicKey::from_spki_der(&decode(&log["publicKey"], "rawBytes")).unwrap();
        let scheme = Scheme::from_key_details(text(&log["publicKey"], "keyDetails")).unwrap();
        let pure = scheme == Scheme::Ed25519 && key.kind() == KeyKind::Ed25519;
        assert!(key.scheme() == scheme || pure, "{log}");
    }
    let lists = ["certificateAuthorities", "timestampAuthorities"];
    for authority in lists.into_iter().flat_map(|list| root[list].as_array().unwrap()) {
        let certificates = authority["certChain"]["certificates"].as_array().unwrap();
        let chain: Vec<_> = certificates
            .iter()
            .map(|certificate| Certificate::from_der(&decode(certificate, "rawBytes")).unwrap())
            .collect();
        for pair in chain.windows(2) {
            assert_eq!(pair[0].is_signed_by(pair[1].public_key()), Ok(()), "{:?}", pair[0]);
            assert_eq!(pair[0].issuer_der(), pair[1].subject_der());
        }
        let anchor = chain.last().unwrap();
        assert_eq!(anchor.is_signed_by(anchor.public_key()), Ok(()));
    }
}

//! Signature verdicts of public vectors: Wycheproof, Ed25519 edge cases, and the fixed signatures of RFC 8032.

use crate::{bytes, read_json, text};
use sealwax_keys::{Error, PublicKey, Scheme};
use serde_json::Value;

/// Runs a Wycheproof file and returns how many «valid» and «invalid» cases it held.
fn wycheproof(file: &str, scheme: Scheme) -> (usize, usize) {
    let Some(suite) = read_json(&format!("wycheproof/{file}")) else { return (0, 0) };
    let (mut valid, mut invalid) = (0, 0);
    for group in suite["testGroups"].as_array().unwrap() {
        let key = PublicKey::from_spki_der(&bytes(group, "publicKeyDer"));
        for case in group["tests"].as_array().unwrap() {
            let (message, signature) = (bytes(case, "msg"), bytes(case, "sig"));
            let whole = key.clone().and_then(|key| key.verify(scheme, &message, &signature));
            let label = format!("{file} {} {}: {whole:?}", case["tcId"], text(case, "comment"));
            match text(case, "result") {
                "valid" => {
                    assert_eq!(whole, Ok(()), "{label}");
                    valid += 1;
                }
                "invalid" => {
                    assert!(whole.is_err(), "{label}");
                    invalid += 1;
                }
                other => assert_eq!(other, "acceptable", "{label}"),
            }
            if let (Ok(key), true) = (&key, scheme != Scheme::Ed25519) {
                let digest = scheme.hash().digest(&message);
                assert_eq!(key.verify_digest(scheme, &digest, &signature), whole, "{label}");
            }
        }
    }
    (valid, invalid)
}

fn ran(counts: (usize, usize), expected: (usize, usize)) {
    assert!(counts == expected || counts == (0, 0), "{counts:?}");
}

#[test]
fn g01_wycheproof_p256() {
    ran(wycheproof("ecdsa_secp256r1_sha256_test.json", Scheme::EcdsaP256Sha256), (174, 310));
}

#[test]
fn g01_wycheproof_p384() {
    ran(wycheproof("ecdsa_secp384r1_sha384_test.json", Scheme::EcdsaP384Sha384), (194, 310));
}

#[test]
fn g01_wycheproof_p521() {
    ran(wycheproof("ecdsa_secp521r1_sha512_test.json", Scheme::EcdsaP521Sha512), (232, 310));
}

#[test]
fn g01_wycheproof_ed25519() {
    ran(wycheproof("ed25519_test.json", Scheme::Ed25519), (88, 63));
}

#[test]
fn g01_wycheproof_rsa_2048() {
    ran(wycheproof("rsa_signature_2048_sha256_test.json", Scheme::RsaPkcs1v15_2048Sha256), (9, 249));
}

#[test]
fn g01_wycheproof_rsa_3072() {
    ran(wycheproof("rsa_signature_3072_sha256_test.json", Scheme::RsaPkcs1v15_3072Sha256), (8, 250));
}

#[test]
fn g01_wycheproof_rsa_4096() {
    ran(wycheproof("rsa_signature_4096_sha256_test.json", Scheme::RsaPkcs1v15_4096Sha256), (7, 250));
}

/// Signatures in the other common form, r and s side by side, are not taken, however good they are.
#[test]
fn g01_ieee_p1363_signatures_are_refused() {
    let Some(suite) = read_json("wycheproof/ecdsa_secp256r1_sha256_p1363_test.json") else { return };
    for group in suite["testGroups"].as_array().unwrap() {
        let key = PublicKey::from_spki_der(&bytes(group, "publicKeyDer")).unwrap();
        for case in group["tests"].as_array().unwrap() {
            let verdict = key.verify(Scheme::EcdsaP256Sha256, &bytes(case, "msg"), &bytes(case, "sig"));
            assert_eq!(verdict, Err(Error::BadSignature), "{}", case["tcId"]);
        }
    }
}

fn ed25519_verdict(key: &[u8], message: &[u8], signature: &[u8]) -> bool {
    let key = PublicKey::from_ed25519(key.try_into().unwrap());
    key.and_then(|key| key.verify(Scheme::Ed25519, message, signature)).is_ok()
}

/// The strict rule, case by case: key and R of large order and in canonical form, S below the group's order, and the
/// equation without the cofactor.
#[test]
fn g04_speccheck_verdicts_are_pinned() {
    let Some(text) = crate::read("ed25519-speccheck/cases.txt") else { return };
    let text = String::from_utf8(text).unwrap();
    let field = |name: &str| -> Vec<_> {
        let values = text.lines().filter_map(|line| line.trim().strip_prefix(name)?.strip_prefix('='));
        values.map(|value| hex::decode(value).unwrap()).collect()
    };
    let (messages, keys, signatures) = (field("msg"), field("pbk"), field("sig"));
    let verdicts: Vec<_> = messages
        .iter()
        .zip(keys.iter().zip(&signatures))
        .map(|(message, (key, signature))| ed25519_verdict(key, message, signature))
        .collect();
    #[rustfmt::skip]
    let pinned = [
        false, // 0: key and R of small order, S = 0
        false, // 1: key of small order
        false, // 2: R of small order
        true,  // 3: key and R with a component of small order, equation holds without the cofactor
        false, // 4: equation holds only with the cofactor
        false, // 5: the same, with another order of multiplying and reducing
        false, // 6: S above the order
        false, // 7: S far above the order
        false, // 8: R in non-canonical form, of small order
        false, // 9: the same, hashed after reduction
        false, // 10: key in non-canonical form, of small order
        false, // 11: the same, hashed after reduction
    ];
    assert_eq!(verdicts, pinned);
}

#[test]
fn g04_speccheck_json_verdicts_are_pinned() {
    let Some(Value::Array(cases)) = read_json("ed25519-speccheck/scripts/cases.json") else { return };
    let accepted: Vec<_> = cases
        .iter()
        .enumerate()
        .filter(|(_, case)| {
            ed25519_verdict(&bytes(case, "pub_key"), &bytes(case, "message"), &bytes(case, "signature"))
        })
        .map(|(index, _)| index)
        .collect();
    assert_eq!(cases.len(), 15);
    // Number 7 is case 3 above.
    assert_eq!(accepted, [7]);
}

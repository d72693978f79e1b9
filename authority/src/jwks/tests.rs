use serde_json::json;

use super::*;
use crate::test_keys::flips;
use crate::test_tokens::{Key, base64};

#[test]
fn reads_the_key_sets_that_issuers_publish_and_leaves_out_what_is_of_no_use() {
    let good = Key::new("ES256").jwk();
    let read = |keys: serde_json::Value| {
        let text = json!({"keys": keys}).to_string();
        Jwks::from_json(text.as_bytes()).map(|keys| keys.keys.len())
    };
    let with = |name: &str, value: serde_json::Value| {
        let mut key = good.clone();
        key[name] = value;
        key
    };
    assert_eq!(read(json!([])), Ok(0));
    assert_eq!(read(json!([good, with("x5c", json!(["AA"])), with("key_ops", json!(["verify"]))])), Ok(3));
    // The same point, cut in another place.
    let part = |name: &str| URL_SAFE_NO_PAD.decode(good[name].as_str().unwrap()).unwrap();
    let point = [part("x"), part("y")].concat();
    let mut shifted = good.clone();
    (shifted["x"], shifted["y"]) = (json!(base64(&point[..31])), json!(base64(&point[31..])));
    for useless in [
        shifted,
        with("kty", json!("oct")),
        with("crv", json!("secp256k1")),
        with("crv", json!("P-384")),
        with("x", json!(base64(&[0; 32]))),
        with("x", json!(base64(&[1; 31]))),
        json!({"kty": "OKP", "crv": "Ed25519", "x": base64(&[0; 32])}),
        json!({"kty": "OKP", "crv": "X25519", "x": base64(&[9; 32])}),
        json!({"kty": "RSA", "n": base64(&[0xc1; 128]), "e": "AQAB"}),
        json!({"kty": "RSA", "n": base64(&[0xc1; 256]), "e": "AQ"}),
    ] {
        assert_eq!(read(json!([useless])), Ok(0), "{useless}");
    }
    let refusal = || Err(Refusal::IssuerDocument { what: "key set" });
    for bad in
        [json!([1]), json!({}), json!([{}]), json!([with("x", json!("+/=="))]), json!([with("x", json!(1))])]
    {
        assert_eq!(read(bad.clone()), refusal(), "{bad}");
    }
    assert_eq!(read(json!(vec![good.clone(); 65])), refusal());
    let twice = format!("{{\"keys\":[],\"keys\":[{good}]}}");
    assert_eq!(Jwks::from_json(twice.as_bytes()).map(|_| 0), refusal());
}

#[test]
fn changed_key_sets_never_panic() {
    let text = json!({"keys": [Key::new("ES256").jwk(), Key::new("EdDSA").jwk()]}).to_string();
    let read = flips(text.as_bytes()).filter(|changed| Jwks::from_json(changed).is_ok()).count();
    assert!(read > 100, "{read}");
}

#[test]
fn an_ecdsa_signature_has_exactly_the_length_of_its_curve() {
    for (algorithm, length) in [(Algorithm::Es256, 64), (Algorithm::Es384, 96), (Algorithm::Es512, 132)] {
        assert!(algorithm.signature(&vec![1; length]).is_ok());
        for other in [0, length - 2, length - 1, length + 1, length + 2] {
            assert_eq!(algorithm.signature(&vec![1; other]), Err(Refusal::TokenSignature));
        }
    }
}

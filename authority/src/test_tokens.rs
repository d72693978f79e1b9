//! An issuer for the tests of this room: keys, a key set and tokens, all by another library than the one that is tested.

use aws_lc_rs::encoding::AsDer as _;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa;
use aws_lc_rs::signature as aws;
use aws_lc_rs::signature::KeyPair as _;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

use crate::issuers::{Issuer, IssuerKind};
use crate::jwks::Jwks;
use crate::test_keys::now;

/// The URL of the issuer.
pub(crate) const URL: &str = "https://accounts.example";

/// A key of the issuer.
pub(crate) enum Key {
    Ecdsa(&'static str, &'static str, Box<aws::EcdsaKeyPair>),
    Ed25519(Box<aws::Ed25519KeyPair>),
    Rsa(Box<rsa::KeyPair>),
}

impl Key {
    /// Makes a key for an algorithm of RFC 7518.
    pub(crate) fn new(algorithm: &str) -> Self {
        let ecdsa = |name, curve, signing| {
            Self::Ecdsa(name, curve, Box::new(aws::EcdsaKeyPair::generate(signing).unwrap()))
        };
        match algorithm {
            "ES256" => ecdsa("ES256", "P-256", &aws::ECDSA_P256_SHA256_FIXED_SIGNING),
            "ES384" => ecdsa("ES384", "P-384", &aws::ECDSA_P384_SHA384_FIXED_SIGNING),
            "ES512" => ecdsa("ES512", "P-521", &aws::ECDSA_P521_SHA512_FIXED_SIGNING),
            "EdDSA" => Self::Ed25519(Box::new(aws::Ed25519KeyPair::generate().unwrap())),
            "RS256" => Self::Rsa(Box::new(rsa::KeyPair::generate(rsa::KeySize::Rsa2048).unwrap())),
            other => panic!("{other}"),
        }
    }

    /// The name of the algorithm.
    pub(crate) fn algorithm(&self) -> &'static str {
        match self {
            Self::Ecdsa(name, ..) => name,
            Self::Ed25519(_) => "EdDSA",
            Self::Rsa(_) => "RS256",
        }
    }

    /// The public half, named `1`.
    pub(crate) fn jwk(&self) -> Value {
        match self {
            Self::Ecdsa(_, curve, key) => {
                let point = &key.public_key().as_ref()[1..];
                let (x, y) = point.split_at(point.len() / 2);
                json!({"kty": "EC", "crv": curve, "kid": "1", "x": base64(x), "y": base64(y)})
            }
            Self::Ed25519(key) => {
                let x = base64(key.public_key().as_ref());
                json!({"kty": "OKP", "crv": "Ed25519", "kid": "1", "x": x})
            }
            Self::Rsa(key) => {
                // SEQUENCE { 00 and 256 bytes of modulus, 01 00 01 }, below the SubjectPublicKeyInfo's head.
                let der: aws_lc_rs::encoding::PublicKeyX509Der<'_> = key.public_key().as_der().unwrap();
                let der = der.as_ref();
                let modulus = &der[der.len() - 261..der.len() - 5];
                json!({"kty": "RSA", "kid": "1", "n": base64(modulus), "e": "AQAB", "use": "sig"})
            }
        }
    }

    /// The key set with this key alone.
    pub(crate) fn jwks(&self) -> Jwks {
        Jwks::from_json(json!({"keys": [self.jwk()]}).to_string().as_bytes()).unwrap()
    }

    fn sign(&self, message: &[u8]) -> Vec<u8> {
        match self {
            Self::Ecdsa(_, _, key) => key.sign(&SystemRandom::new(), message).unwrap().as_ref().to_vec(),
            Self::Ed25519(key) => key.sign(message).as_ref().to_vec(),
            Self::Rsa(key) => {
                let mut signature = vec![0; key.public_modulus_len()];
                key.sign(&aws::RSA_PKCS1_SHA256, &SystemRandom::new(), message, &mut signature).unwrap();
                signature
            }
        }
    }

    /// Signs any header and any claims.
    pub(crate) fn token(&self, header: &str, claims: &str) -> String {
        let signed = format!("{}.{}", base64(header.as_bytes()), base64(claims.as_bytes()));
        let signature = base64(&self.sign(signed.as_bytes()));
        format!("{signed}.{signature}")
    }

    /// Mints a token about a verified address, valid from now on for ten minutes; a claim of `claims` replaces one of
    /// these, and null removes it.
    pub(crate) fn mint(&self, claims: Value) -> String {
        let mut all = json!({
            "iss": URL, "aud": "sigstore", "sub": "alice", "iat": now().as_second(),
            "exp": now().as_second() + 600, "email": "alice@example.com", "email_verified": true,
        });
        for (name, value) in claims.as_object().unwrap() {
            match value {
                Value::Null => drop(all.as_object_mut().unwrap().remove(name)),
                value => all[name.as_str()] = value.clone(),
            }
        }
        self.token(&json!({"alg": self.algorithm(), "kid": "1"}).to_string(), &all.to_string())
    }
}

/// The issuer, for people.
pub(crate) fn people() -> Issuer {
    Issuer::new(URL, "sigstore", IssuerKind::Email).unwrap()
}

/// base64url without padding.
pub(crate) fn base64(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

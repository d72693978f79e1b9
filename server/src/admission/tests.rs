use std::path::Path;
use std::process::{Command, Stdio};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sealwax_keys::{HashAlgorithm, KeyKind, SecretKey};
use serde_json::{Value, json};

use super::*;

const PAYLOAD: &[u8] = br#"{"_type":"https://in-toto.io/Statement/v1"}"#;
const TYPE: &str = "application/vnd.in-toto+json";

fn verifier(scheme: Scheme, verifier: &Verifier) -> Value {
    let (name, der) = match verifier {
        Verifier::PublicKey(der) => ("publicKey", der),
        Verifier::Certificate(der) => ("x509Certificate", der),
    };
    json!({"keyDetails": scheme.key_details(), name: {"rawBytes": STANDARD.encode(der)}})
}

/// A request for a signature over the digest of `message`.
fn rekord(scheme: Scheme, message: &[u8], signature: &[u8], by: &Verifier) -> Value {
    json!({"hashedRekordRequestV002": {
        "digest": STANDARD.encode(scheme.hash().digest(message)),
        "signature": {"content": STANDARD.encode(signature), "verifier": verifier(scheme, by)},
    }})
}

fn envelope(signatures: &[Vec<u8>], verifiers: &[Value]) -> Value {
    let signatures: Vec<Value> =
        signatures.iter().map(|signature| json!({"sig": STANDARD.encode(signature)})).collect();
    json!({"dsseRequestV002": {
        "envelope": {"payload": STANDARD.encode(PAYLOAD), "payloadType": TYPE, "signatures": signatures},
        "verifiers": verifiers,
    }})
}

/// A key with a good submission of each kind.
struct Signer {
    key: SecretKey,
    public: Verifier,
}

impl Signer {
    fn new(kind: KeyKind) -> Self {
        let key = SecretKey::generate(kind).unwrap();
        let public = Verifier::from(key.public_key());
        Self { key, public }
    }

    fn scheme(&self) -> Scheme {
        self.key.public_key().scheme()
    }

    fn rekord(&self) -> Value {
        rekord(self.scheme(), b"abc", &self.key.sign(b"abc").unwrap(), &self.public)
    }

    fn sign(&self) -> Vec<u8> {
        self.key.sign(&pae(TYPE, PAYLOAD)).unwrap()
    }

    fn verifier(&self) -> Value {
        verifier(self.scheme(), &self.public)
    }
}

fn submit(json: &Value) -> Result<Admitted, Refusal> {
    admit(json.to_string().as_bytes())
}

fn changed(mut json: Value, pointer: &str, value: Value) -> Result<Admitted, Refusal> {
    *json.pointer_mut(pointer).unwrap() = value;
    submit(&json)
}

/// Checks a refusal's message and, in part, its detail.
#[track_caller]
fn refused(found: Result<Admitted, Refusal>, message: &str, detail: &str) {
    let refusal = found.unwrap_err();
    assert_eq!(refusal.message, message, "{refusal}");
    assert!(refusal.detail.contains(detail), "{refusal}");
}

const DIGEST: &str = "/hashedRekordRequestV002/digest";
const CONTENT: &str = "/hashedRekordRequestV002/signature/content";
const DETAILS: &str = "/hashedRekordRequestV002/signature/verifier/keyDetails";
const RAW_KEY: &str = "/hashedRekordRequestV002/signature/verifier/publicKey/rawBytes";

#[test]
fn a_signature_over_a_digest_is_admitted_and_written_anew() {
    for kind in [KeyKind::P256, KeyKind::P384, KeyKind::Ed25519] {
        let signer = Signer::new(kind);
        let admitted = submit(&signer.rekord()).unwrap();
        let expected = HashedRekord {
            scheme: signer.scheme(),
            digest: signer.scheme().hash().digest(b"abc"),
            signature: signer.key.sign(b"abc").unwrap(),
            verifier: signer.public,
        };
        assert_eq!(admitted.body, expected.to_body().unwrap());
        assert_eq!((admitted.kind, admitted.envelope), (EntryKind::HashedRekord, None));
    }
}

/// What cosign 3.1.1 sends for `sign-blob --key` over `hi` and a newline, byte for byte.
const COSIGN: &str = concat!(
    r#"{"hashedRekordRequestV002":{"digest":"mOpuTyFvL7S2n/+bOkSELDhobKaF8/VdxIxdP7EQe+Q=","signature":"#,
    r#"{"content":"MEUCIDjdzfPgwKwlXXcygloku7suGbZPMmHmKdq7lUnRaBcaAiEAsP78szlPWNMqDZT4wuH9A5HDmglULe3UsjE0QmJSiiU=","#,
    r#""verifier":{"publicKey":{"rawBytes":"MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEAAAc3usZWIY6Ps3NUtWyfRJ6f/lRS07+1FnY"#,
    r#"RiJj0IfmfOJ9UPMQfUaTVlJBcB2pLpefPemQN9Ui2RviHqeCzQ=="},"keyDetails":"PKIX_ECDSA_P256_SHA_256"}}}}"#,
);

#[test]
fn a_request_of_cosign_is_admitted() {
    let admitted = admit(COSIGN.as_bytes()).unwrap();
    let LoggedEntry::HashedRekord(read) = LoggedEntry::from_body(&admitted.body).unwrap() else { panic!() };
    assert_eq!((read.scheme, read.digest), (Scheme::EcdsaP256Sha256, HashAlgorithm::Sha256.digest(b"hi\n")));
    let other = COSIGN.replacen("mOpu", "mOpv", 1);
    refused(admit(other.as_bytes()), INVALID_REKORD, "does not verify");
}

#[test]
fn another_spelling_is_the_same_entry() {
    let signer = Signer::new(KeyKind::P256);
    let json = signer.rekord();
    let text = json.to_string().replace("publicKey", "public_key").replace("rawBytes", "raw_bytes");
    let text = text.replace("\"PKIX_ECDSA_P256_SHA_256\"", " 5 ").replace('=', "");
    assert_eq!(admit(text.as_bytes()).unwrap(), submit(&json).unwrap());
}

#[test]
fn t01_a_signature_that_does_not_verify_is_refused() {
    for kind in [KeyKind::P256, KeyKind::P384, KeyKind::Ed25519] {
        let signer = Signer::new(kind);
        let good = signer.rekord();
        submit(&good).unwrap();
        let of = |message: &[u8]| json!(STANDARD.encode(signer.key.sign(message).unwrap()));
        refused(changed(good.clone(), CONTENT, of(b"abd")), INVALID_REKORD, "does not verify");
        refused(changed(good.clone(), CONTENT, json!("")), INVALID_REKORD, "does not verify");
        let digest = signer.scheme().hash().digest(b"abd");
        refused(
            changed(good.clone(), DIGEST, json!(STANDARD.encode(digest))),
            INVALID_REKORD,
            "does not verify",
        );
        let other = Signer::new(kind);
        let der = json!(STANDARD.encode(other.key.public_key().spki_der()));
        refused(changed(good, RAW_KEY, der), INVALID_REKORD, "does not verify");
    }
}

#[test]
fn a_digest_of_another_length_is_refused() {
    let good = Signer::new(KeyKind::P256).rekord();
    for length in [0, 1, 20, 31, 33, 48, 64] {
        let found = changed(good.clone(), DIGEST, json!(STANDARD.encode(vec![7; length])));
        refused(found, INVALID_REKORD, "32 are needed");
    }
}

#[test]
fn key_details_must_be_those_of_the_key() {
    let good = Signer::new(KeyKind::P256).rekord();
    for other in [
        "PKIX_ECDSA_P384_SHA_384",
        "PKIX_ED25519_PH",
        "PKIX_RSA_PKCS1V15_2048_SHA256",
        "PKIX_ECDSA_P521_SHA_512",
    ] {
        refused(changed(good.clone(), DETAILS, json!(other)), INVALID_REKORD, "does not fit");
    }
    refused(changed(good, DETAILS, json!("PKIX_ECDSA_P384_SHA_256")), INVALID_REKORD, "unsupported");
}

#[test]
fn pure_ed25519_is_refused() {
    let signer = Signer::new(KeyKind::Ed25519);
    submit(&signer.rekord()).unwrap();
    let pure = signer.key.sign_with(Scheme::Ed25519, b"abc").unwrap();
    refused(submit(&rekord(Scheme::Ed25519, b"abc", &pure, &signer.public)), INVALID_REKORD, "pure Ed25519");
    let over_pae = signer.key.sign_with(Scheme::Ed25519, &pae(TYPE, PAYLOAD)).unwrap();
    let json = envelope(&[over_pae], &[verifier(Scheme::Ed25519, &signer.public)]);
    refused(submit(&json), INVALID_DSSE, "pure Ed25519");
}

#[test]
fn what_is_no_key_is_refused() {
    let signer = Signer::new(KeyKind::P256);
    let good = signer.rekord();
    let spki = signer.key.public_key().spki_der().to_vec();
    let mut trailing = spki.clone();
    trailing.push(0);
    for der in [Vec::new(), vec![0x30, 0], trailing, signer.key.public_key().to_pem().into_bytes()] {
        refused(changed(good.clone(), RAW_KEY, json!(STANDARD.encode(der))), INVALID_REKORD, "malformed");
    }
    let as_certificate =
        rekord(signer.scheme(), b"abc", &signer.key.sign(b"abc").unwrap(), &Verifier::Certificate(spki));
    refused(submit(&as_certificate), INVALID_REKORD, "malformed certificate");
}

#[test]
fn refusals_say_which_request_was_meant() {
    let good = Signer::new(KeyKind::P256).rekord();
    let mut less = good.clone();
    less["hashedRekordRequestV002"].as_object_mut().unwrap().remove("signature");
    refused(submit(&less), INVALID_REKORD, "hashedRekordRequestV002.signature: missing");
    refused(submit(&json!({"dsseRequestV002": {}})), INVALID_DSSE, "dsseRequestV002.envelope: missing");
    for neither in [json!({}), json!([]), json!(null)] {
        refused(submit(&neither), "invalid type, must be either hashedrekord or dsse", "expected");
    }
    let mut both = good;
    both["dsseRequestV002"] =
        envelope(&[vec![1]], &[Signer::new(KeyKind::P256).verifier()])["dsseRequestV002"].take();
    refused(submit(&both), "invalid type, must be either hashedrekord or dsse", "exactly one");
    refused(submit(&json!({"hashedRekordRequestV001": {}})), "invalid request", "unknown field");
    refused(admit(b"{"), "invalid request", "not valid JSON");
}

#[test]
fn an_envelope_is_admitted_with_every_signature() {
    let (one, other) = (Signer::new(KeyKind::P256), Signer::new(KeyKind::Ed25519));
    let signatures = [one.sign(), other.sign()];
    let admitted = submit(&envelope(&signatures, &[other.verifier(), one.verifier()])).unwrap();
    let signed = |signer: &Signer| DsseSignature {
        scheme: signer.scheme(),
        signature: signer.sign(),
        verifier: signer.public.clone(),
    };
    let expected = DsseEntry::new(PAYLOAD, vec![signed(&one), signed(&other)]);
    assert_eq!(admitted.body, expected.to_body().unwrap());
    assert_eq!(admitted.kind, EntryKind::Dsse);
    let (digest, kept) = admitted.envelope.unwrap();
    assert_eq!(digest, expected.payload_hash());
    assert_eq!((kept.payload.as_slice(), &kept.signature), (PAYLOAD, &one.sign()));
    assert!(
        LoggedEntry::from_body(&admitted.body)
            .unwrap()
            .is_about(&Envelope::from_text(kept.to_json().as_bytes()).unwrap())
    );
}

#[test]
fn t01_every_signature_of_an_envelope_must_verify_and_every_key_be_used() {
    let (one, other) = (Signer::new(KeyKind::P256), Signer::new(KeyKind::P256));
    let both = [one.sign(), other.sign()];
    let verifiers = [one.verifier(), other.verifier()];
    submit(&envelope(&both, &verifiers)).unwrap();
    // A signature twice is one, and so is a key.
    submit(&envelope(&[one.sign(), one.sign()], &[one.verifier(), one.verifier()])).unwrap();
    refused(submit(&envelope(&both, &verifiers[..1])), INVALID_DSSE, "signatures[1]: no verifier");
    refused(submit(&envelope(&both[..1], &verifiers)), INVALID_DSSE, "verifiers[1]: verifies none");
    let bare = one.key.sign(PAYLOAD).unwrap();
    refused(submit(&envelope(&[bare], &verifiers[..1])), INVALID_DSSE, "verifies none");
    refused(submit(&envelope(&[both[0].clone(), vec![]], &verifiers[..1])), INVALID_DSSE, "signatures[1]");
}

#[test]
fn d03_the_payload_type_is_signed() {
    let signer = Signer::new(KeyKind::P256);
    let good = envelope(&[signer.sign()], &[signer.verifier()]);
    submit(&good).unwrap();
    for (place, value) in [
        ("/dsseRequestV002/envelope/payloadType", json!("application/json")),
        ("/dsseRequestV002/envelope/payloadType", json!("")),
        ("/dsseRequestV002/envelope/payload", json!("e30=")),
        ("/dsseRequestV002/envelope/payload", json!("")),
    ] {
        refused(changed(good.clone(), place, value), INVALID_DSSE, "verifies none");
    }
}

#[test]
fn key_details_of_every_key_of_an_envelope_must_fit() {
    let signer = Signer::new(KeyKind::P256);
    let mismatch = json!({"keyDetails": 12, "publicKey": signer.verifier()["publicKey"].clone()});
    let json = envelope(&[signer.sign()], &[signer.verifier(), mismatch]);
    refused(submit(&json), INVALID_DSSE, "verifiers[1]: PKIX_ECDSA_P384_SHA_384 does not fit");
}

#[test]
fn s16_an_entry_that_no_bundle_holds_is_refused() {
    let Some(openssl) = Openssl::start() else { return };
    // Ten certificates of 9 kB each, of one key, for ten signatures that differ.
    openssl.run("ecparam -name prime256v1 -genkey -noout -out key.pem");
    let name = "a.example,DNS:".repeat(600) + "a.example";
    let arguments = format!(
        "req -x509 -key key.pem -out leaf.der -outform DER -days 2 -subj /CN=x -addext subjectAltName=DNS:{name}"
    );
    openssl.run(&arguments);
    openssl.write("pae", &pae(TYPE, PAYLOAD));
    let by = verifier(Scheme::EcdsaP256Sha256, &Verifier::Certificate(openssl.read("leaf.der")));
    let signatures: Vec<Vec<u8>> = (0..10).map(|_| openssl.run("dgst -sha256 -sign key.pem pae")).collect();
    submit(&envelope(&signatures[..1], std::slice::from_ref(&by))).unwrap();
    refused(submit(&envelope(&signatures, &[by])), INVALID_DSSE, "at most 65535");
}

#[test]
fn b08_mutated_submissions_never_panic() {
    let (one, other) = (Signer::new(KeyKind::P256), Signer::new(KeyKind::Ed25519));
    let dsse = envelope(&[one.sign(), other.sign()], &[one.verifier(), other.verifier()]).to_string();
    let good = [one.rekord().to_string(), other.rekord().to_string(), dsse];
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut random = |below: usize| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        usize::try_from(state >> 8).unwrap() % below
    };
    let mut admitted = 0;
    for round in 0..10_000 {
        let mut text = good[round % good.len()].clone().into_bytes();
        for _ in 0..=random(3) {
            let place = random(text.len());
            match random(4) {
                0 => text[place] = u8::try_from(random(256)).unwrap(),
                1 => drop(text.remove(place)),
                2 => text.insert(place, b"{}[]\",:0=_-"[random(11)]),
                _ => {
                    let end = (place + random(40)).min(text.len());
                    let piece = text[place..end].to_vec();
                    let at = random(text.len());
                    text.splice(at..at, piece);
                }
            }
        }
        if let Ok(found) = admit(&text) {
            admitted += 1;
            let entry = LoggedEntry::from_body(&found.body).unwrap();
            assert_eq!((entry.to_body().unwrap(), entry.kind()), (found.body, found.kind));
        }
    }
    // Some mutations only change the spelling: the table reaches past the reader.
    assert!((1..5_000).contains(&admitted), "{admitted}");
}

/// The `openssl` program in a folder of its own, for what our own keys cannot sign.
struct Openssl(tempfile::TempDir);

#[allow(clippy::disallowed_methods, clippy::print_stdout, reason = "runs openssl on temporary files")]
impl Openssl {
    fn start() -> Option<Self> {
        let found = Command::new("openssl").arg("version").stdout(Stdio::null()).status();
        if found.is_ok_and(|status| status.success()) {
            return Some(Self(tempfile::tempdir().unwrap()));
        }
        println!("skipped: openssl (no such program)");
        None
    }

    fn run(&self, arguments: &str) -> Vec<u8> {
        let output =
            Command::new("openssl").args(arguments.split(' ')).current_dir(self.0.path()).output().unwrap();
        assert!(output.status.success(), "{arguments}: {}", String::from_utf8_lossy(&output.stderr));
        output.stdout
    }

    fn write(&self, file: &str, bytes: &[u8]) {
        std::fs::write(self.0.path().join(file), bytes).unwrap();
    }

    fn read(&self, file: impl AsRef<Path>) -> Vec<u8> {
        std::fs::read(self.0.path().join(file)).unwrap()
    }
}

#[test]
fn schemes_that_sealwax_only_verifies_are_admitted() {
    let Some(openssl) = Openssl::start() else { return };
    openssl.write("abc", b"abc");
    for (generate, hash, scheme) in [
        ("ecparam -name secp521r1 -genkey -noout", "sha512", Scheme::EcdsaP521Sha512),
        ("genrsa 2048", "sha256", Scheme::RsaPkcs1v15_2048Sha256),
        ("genrsa 3072", "sha256", Scheme::RsaPkcs1v15_3072Sha256),
        ("genrsa 4096", "sha256", Scheme::RsaPkcs1v15_4096Sha256),
    ] {
        openssl.write("key.pem", &openssl.run(generate));
        openssl.run("pkey -in key.pem -pubout -outform DER -out key.der");
        openssl.run("req -x509 -key key.pem -out leaf.der -outform DER -days 2 -subj /CN=x");
        let signature = openssl.run(&format!("dgst -{hash} -sign key.pem abc"));
        let key = Verifier::PublicKey(openssl.read("key.der"));
        for by in [&key, &Verifier::Certificate(openssl.read("leaf.der"))] {
            let good = rekord(scheme, b"abc", &signature, by);
            let admitted = submit(&good).unwrap();
            let LoggedEntry::HashedRekord(read) = LoggedEntry::from_body(&admitted.body).unwrap() else {
                panic!()
            };
            assert_eq!((read.scheme, &read.verifier), (scheme, by));
            let bad = rekord(scheme, b"abd", &signature, by);
            refused(submit(&bad), INVALID_REKORD, "does not verify");
        }
    }
    openssl.write("key.pem", &openssl.run("genrsa 2560"));
    openssl.run("pkey -in key.pem -pubout -outform DER -out key.der");
    let signature = openssl.run("dgst -sha256 -sign key.pem abc");
    let key = Verifier::PublicKey(openssl.read("key.der"));
    let found = submit(&rekord(Scheme::RsaPkcs1v15_2048Sha256, b"abc", &signature, &key));
    refused(found, INVALID_REKORD, "does not fit");
}

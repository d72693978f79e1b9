//! Signs a model with a key that exists only in this process, and verifies the bundle without a log.
//!
//! ```text
//! $ cargo run -p sealwax-examples --bin sign-in-memory examples/model
//! signed   examples/model: 4 files, root 62dd378c…
//! bundle   1511 bytes
//! verified by "fresh key"
//! ```
//!
//! It shows the walk that `sealwax sign` takes, less its log: manifest → statement → signature → bundle, and back from the
//! bundle's bytes alone. Without a log nobody can notice what a stolen key signs, which is why the policy has to say so.

use std::error::Error;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use jiff::Timestamp;

use sealwax_attestation::{Bundle, Content, Envelope, IN_TOTO_PAYLOAD_TYPE, Statement, TrustedRoot};
use sealwax_attestation::{VerificationMaterial, pae};
use sealwax_keys::{KeyKind, PublicKey, SecretKey};
use sealwax_model::{HashOptions, Hashed, hash_model};
use sealwax_verify::{LogRequirement, Policy, Signer, Signers, TrustedKey, authenticate};

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args_os().skip(1);
    let (Some(model), None) = (arguments.next().map(PathBuf::from), arguments.next()) else {
        return Err("usage: sign-in-memory MODEL".into());
    };
    let hashed = hash_model(&model, &HashOptions::default(), &())?;
    let key = SecretKey::generate(KeyKind::P256)?;
    let bundle = sign(&model, &hashed, &key)?;
    let signer = verify(bundle.as_bytes(), key.public_key(), &hashed)?;

    let mut out = io::stdout().lock();
    let root = hex::encode(hashed.manifest.root_digest());
    writeln!(out, "signed   {}: {} files, root {root}", model.display(), hashed.files)?;
    writeln!(out, "bundle   {} bytes", bundle.len())?;
    writeln!(out, "verified by {signer:?}")?;
    Ok(())
}

/// Makes the bundle: the statement about the model, and one signature over its pre-authentication encoding.
fn sign(model: &Path, hashed: &Hashed, key: &SecretKey) -> Result<String, Box<dyn Error>> {
    let name =
        model.canonicalize()?.file_name().ok_or("the model has no name")?.to_string_lossy().into_owned();
    let payload = Statement::new(name, hashed.manifest.clone()).to_payload()?;
    let signature = key.sign(&pae(IN_TOTO_PAYLOAD_TYPE, &payload))?;
    let hint = key.public_key().oms_hint();
    let material = VerificationMaterial::PublicKey { hint, key: None };
    let bundle = Bundle::new(material, Content::Envelope(Envelope::in_toto(payload, signature)));
    Ok(bundle.to_json())
}

/// Verifies as somebody would who got the bundle's bytes, and the key by another way.
fn verify(bundle: &[u8], key: &PublicKey, hashed: &Hashed) -> Result<String, Box<dyn Error>> {
    let trusted = TrustedKey { name: "fresh key".to_owned(), key: key.clone() };
    let policy =
        Policy { signers: Signers::Keys(vec![trusted]), log: LogRequirement::Waived, ignored: Vec::new() };
    let bundle = Bundle::from_json(bundle)?;
    let verified =
        authenticate(&bundle, &TrustedRoot::default(), policy, Timestamp::now())?.confirm(hashed)?;
    match verified.signer() {
        Signer::Key { name, .. } => Ok(name.clone()),
        Signer::Certificate { subject, .. } => Ok(subject.clone()),
        Signer::Identity { identity, .. } => Ok(identity.to_string()),
    }
}

//! The adapter for Sigstore's conformance suite (sigstore-conformance), which asks a client by command line:
//!
//! ```text
//! verify-bundle [--staging] --bundle FILE --certificate-identity ID --certificate-oidc-issuer URL [--trusted-root F] FILE_OR_DIGEST
//! verify-bundle [--staging] --bundle FILE --key PEM [--trusted-root F] FILE_OR_DIGEST
//! ```
//!
//! `sha256:` with 64 digits that is not a path is a digest. Exit 0 means accepted, 1 refused; the reason goes to standard
//! error with its code. Without `--trusted-root` the root of the public instance is the one that Sigstore's Rust packages
//! bring, of staging likewise.

use std::error::Error;
use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Args, Parser};
use jiff::Timestamp;
use sigstore_trust_root::{SIGSTORE_PRODUCTION_TRUSTED_ROOT, SIGSTORE_STAGING_TRUSTED_ROOT};

use sealwax_attestation::{Bundle, Error as Malformed, TrustedRoot};
use sealwax_keys::{HashAlgorithm, PublicKey};
use sealwax_verify::{
    Artifact, IdentityRule, LogRequirement, NameRule, Policy, Rejection, Signers, TrustedKey, verify_blob,
};

/// What the suite asks.
#[derive(Debug, Parser)]
enum Command {
    /// Verify a bundle
    VerifyBundle(VerifyBundle),
}

#[derive(Debug, Args)]
struct VerifyBundle {
    /// Trust the staging instance, not the public one
    #[arg(long)]
    staging: bool,
    #[arg(long)]
    bundle: PathBuf,
    #[arg(long, required_unless_present = "key", requires = "certificate_oidc_issuer")]
    certificate_identity: Option<String>,
    #[arg(long, requires = "certificate_identity")]
    certificate_oidc_issuer: Option<String>,
    #[arg(long, conflicts_with = "certificate_identity")]
    key: Option<PathBuf>,
    #[arg(long)]
    trusted_root: Option<PathBuf>,
    file_or_digest: PathBuf,
}

fn main() -> Result<ExitCode, Box<dyn Error>> {
    let Command::VerifyBundle(options) = Command::parse();
    let read = |path: &Path| fs::read(path);
    let bundle = read(&options.bundle)?;
    let root = match &options.trusted_root {
        Some(path) => read(path)?,
        None if options.staging => SIGSTORE_STAGING_TRUSTED_ROOT.as_bytes().to_vec(),
        None => SIGSTORE_PRODUCTION_TRUSTED_ROOT.as_bytes().to_vec(),
    };
    let key = options.key.as_deref().map(read).transpose()?;
    let artifact = artifact(&options.file_or_digest)?;
    match verdict(&bundle, &root, key.as_deref(), &options, &artifact)? {
        Ok(()) => Ok(ExitCode::SUCCESS),
        Err(rejection) => {
            writeln!(io::stderr(), "{}: {rejection}", rejection.code())?;
            Ok(ExitCode::FAILURE)
        }
    }
}

fn verdict(
    bundle: &[u8],
    root: &[u8],
    key: Option<&[u8]>,
    options: &VerifyBundle,
    artifact: &Artifact,
) -> Result<Result<(), Rejection>, Box<dyn Error>> {
    let signers = match (key, &options.certificate_identity, &options.certificate_oidc_issuer) {
        (Some(pem), ..) => match PublicKey::from_pem(pem) {
            Ok(key) => Signers::Keys(vec![TrustedKey { name: "key".to_owned(), key }]),
            Err(source) => return Ok(Err(Malformed::Key { path: "key".to_owned(), source }.into())),
        },
        (None, Some(name), Some(issuer)) => {
            let (name, issuer) = (NameRule::exactly(name)?, issuer.clone());
            Signers::Identities(vec![IdentityRule { issuer, name, claims: Vec::new() }])
        }
        _ => return Err("neither a key nor an identity with its issuer".into()),
    };
    let policy = Policy { signers, log: LogRequirement::Required { witnesses: None }, ignored: Vec::new() };
    let verify = || {
        let (bundle, root) = (Bundle::from_json(bundle)?, TrustedRoot::from_json(root)?);
        verify_blob(&bundle, &root, &policy, artifact, Timestamp::now()).map(drop)
    };
    Ok(verify())
}

fn artifact(path: &Path) -> Result<Artifact, Box<dyn Error>> {
    let digest = path.to_str().and_then(|text| text.strip_prefix("sha256:"));
    if let (Some(digest), false) = (digest, path.exists()) {
        let bytes: Vec<u8> = hex::decode(digest)?;
        return Ok(Artifact::from_sha256(<[u8; 32]>::try_from(bytes).map_err(|_| "not 64 digits")?));
    }
    let bytes = fs::read(path)?;
    let long = "a digest of another length";
    Ok(Artifact::from_digests(
        HashAlgorithm::Sha256.digest(&bytes).try_into().map_err(|_| long)?,
        HashAlgorithm::Sha384.digest(&bytes).try_into().map_err(|_| long)?,
        HashAlgorithm::Sha512.digest(&bytes).try_into().map_err(|_| long)?,
    ))
}

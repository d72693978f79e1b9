//! The statement inside the envelope: read only after its signature held, and consistent with itself.

use sealwax_attestation::{Envelope, Statement};
use sealwax_keys::HashAlgorithm;

use crate::Rejection;
use crate::signature::Signed;

/// Proof that the signed statement is about a model and agrees with itself; made only by [`check`].
#[derive(Debug)]
pub(crate) struct Checked {
    statement: Statement,
    _made_here: (),
}

impl Checked {
    pub(crate) fn statement(&self) -> &Statement {
        &self.statement
    }

    /// The SHA-256 that the statement gives its model as a whole.
    pub(crate) fn subject(&self) -> Result<[u8; 32], Rejection> {
        self.statement.root_digest.ok_or(Rejection::DigestNeeded { algorithm: "SHA2_256" })
    }

    pub(crate) fn into_statement(self) -> Statement {
        self.statement
    }
}

/// Reads the payload whose signature was just proven, and compares the digests that its subject claims with its file list.
///
/// The root digest is taken over the list in its own order: writers order it differently, and every order that leads to
/// the signed root is accepted (attack D18).
pub(crate) fn check(envelope: &Envelope, _signed: &Signed) -> Result<Checked, Rejection> {
    let statement = Statement::from_payload(&envelope.payload)?;
    if statement.root_digest.is_some_and(|claimed| claimed != statement.manifest.root_digest()) {
        return Err(Rejection::RootDigest { algorithm: "sha256".to_owned() });
    }
    // A digest of an algorithm that we know must hold; others are for other readers (in-toto DigestSet).
    for (algorithm, claimed) in &statement.other_digests {
        let hash = match algorithm.as_str() {
            "sha384" => HashAlgorithm::Sha384,
            "sha512" => HashAlgorithm::Sha512,
            _ => continue,
        };
        let digests =
            statement.manifest.resources().iter().flat_map(|resource| resource.digest.iter().copied());
        if hex::encode(hash.digest(&digests.collect::<Vec<u8>>())) != *claimed {
            return Err(Rejection::RootDigest { algorithm: algorithm.clone() });
        }
    }
    Ok(Checked { statement, _made_here: () })
}

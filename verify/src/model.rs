//! The model's own bytes against the authentic statement.

use sealwax_attestation::Statement;
use sealwax_model::{Hashed, is_git_path};

use crate::signature::Form;
use crate::{Authentic, Included, LogProof, ProvenTime, Rejection, Signer};

/// A model that is what its signer signed: every check of the bundle and of the files held.
#[derive(Debug)]
pub struct VerifiedModel {
    statement: Statement,
    signer: Signer,
    times: Vec<ProvenTime>,
    form: Form,
    included: Option<Included>,
    unchecked: Vec<String>,
    files: u64,
    bytes: u64,
}

impl Authentic {
    /// Compares what was hashed with what was signed.
    ///
    /// # Errors
    /// [`Rejection::ModelDiffers`] with every missing, extra and changed file; [`Rejection::IgnoredPresent`] where the
    /// signature leaves out something that exists and that the policy does not agree to leave out.
    pub fn confirm(self, found: &Hashed) -> Result<VerifiedModel, Rejection> {
        let mut difference = self.statement.statement().manifest.compare(&found.manifest);
        difference.extra.extend(found.unexpected.iter().cloned());
        if !difference.is_empty() {
            return Err(Rejection::ModelDiffers(difference));
        }
        let agreed = |path: &String| {
            is_git_path(path) || self.policy.ignored.iter().any(|ignored| ignored.covers(path))
        };
        let hidden: Vec<String> = found.ignored.iter().filter(|path| !agreed(path)).cloned().collect();
        if !hidden.is_empty() {
            return Err(Rejection::IgnoredPresent(hidden));
        }
        Ok(VerifiedModel {
            form: self.signed.form(),
            statement: self.statement.into_statement(),
            signer: self.proven.signer.signer().clone(),
            times: self.proven.times.all().to_vec(),
            included: match self.proven.log {
                LogProof::Included(included) => Some(included),
                LogProof::Waived => None,
            },
            unchecked: found.ignored.clone(),
            files: found.files,
            bytes: found.bytes,
        })
    }
}

impl VerifiedModel {
    /// What was signed.
    pub fn statement(&self) -> &Statement {
        &self.statement
    }

    /// Who signed it.
    pub fn signer(&self) -> &Signer {
        &self.signer
    }

    /// Times at which the signature existed, as somebody whom the trusted root lists says; empty where nobody does.
    pub fn times(&self) -> &[ProvenTime] {
        &self.times
    }

    /// What exactly the signature covers.
    pub fn form(&self) -> Form {
        self.form
    }

    /// Where it is logged; `None` only where the policy waived the log.
    pub fn included(&self) -> Option<&Included> {
        self.included.as_ref()
    }

    /// Paths that exist in the model and that the signature does not cover.
    pub fn unchecked(&self) -> &[String] {
        &self.unchecked
    }

    /// Files that were compared.
    pub fn files(&self) -> u64 {
        self.files
    }

    /// Bytes that were hashed.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }
}

//! A file that a signature is about, known by its digests, and the in-toto statements about such files.

use sealwax_attestation::Envelope;
use sealwax_attestation::json::{Json, Limits, parse};
use sealwax_keys::HashAlgorithm;

use crate::Rejection;
use crate::signature::Signed;

/// The digests of a file. Which of them are needed is the signature's choice: SHA-256 nearly always.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Artifact {
    digests: Vec<(HashAlgorithm, Vec<u8>)>,
}

impl Artifact {
    /// Describes a file of which only the SHA-256 is known.
    pub fn from_sha256(digest: [u8; 32]) -> Self {
        Self { digests: vec![(HashAlgorithm::Sha256, digest.to_vec())] }
    }

    /// Describes a file by the digests of all its bytes: SHA-256, SHA-384 and SHA-512.
    pub fn from_digests(sha256: [u8; 32], sha384: [u8; 48], sha512: [u8; 64]) -> Self {
        Self {
            digests: vec![
                (HashAlgorithm::Sha256, sha256.to_vec()),
                (HashAlgorithm::Sha384, sha384.to_vec()),
                (HashAlgorithm::Sha512, sha512.to_vec()),
            ],
        }
    }

    /// Gives one digest.
    pub(crate) fn digest(&self, hash: HashAlgorithm) -> Result<&Vec<u8>, Rejection> {
        let found = self.digests.iter().find(|(known, _)| *known == hash).map(|(_, digest)| digest);
        found.ok_or_else(|| Rejection::DigestNeeded { algorithm: hash.protobuf_name() })
    }

    /// Gives the one digest that every artifact has.
    pub(crate) fn sha256(&self) -> Result<[u8; 32], Rejection> {
        let digest = self.digest(HashAlgorithm::Sha256)?.as_slice();
        digest.try_into().map_err(|_| Rejection::DigestNeeded { algorithm: "SHA2_256" })
    }
}

/// Proof that a signed statement names the artifact; made only by [`check`].
#[derive(Debug)]
pub(crate) struct Named {
    predicate_type: String,
    subject: Option<String>,
    _made_here: (),
}

impl Named {
    /// What kind of statement it is, and the name that it gives the artifact, for people.
    pub(crate) fn into_parts(self) -> (String, Option<String>) {
        (self.predicate_type, self.subject)
    }
}

/// Finds the artifact among the subjects of a statement whose signature was just proven.
///
/// A subject is the artifact where one digest agrees and none of an algorithm that is known here disagrees (attack D14). The
/// name does not matter, and neither do the other subjects (attack D06). Of the predicate only the type is read.
pub(crate) fn check(envelope: &Envelope, artifact: &Artifact, _signed: &Signed) -> Result<Named, Rejection> {
    let mut statement = parse(&envelope.payload, LIMITS)?.object()?;
    let kind = statement.take("_type", Json::name)?;
    if !STATEMENT_TYPES.contains(&kind.as_ref()) {
        let (what, found) = ("statement type", kind.into_owned());
        return Err(sealwax_attestation::Error::NotAModelStatement { what, found }.into());
    }
    let predicate_type = statement.take("predicateType", Json::name)?.into_owned();
    let subjects = statement.take("subject", |list| list.list(MAX_SUBJECTS, subject))?;
    let (name, _) =
        subjects.into_iter().find(|(_, digests)| is(artifact, digests)).ok_or(Rejection::ArtifactDiffers)?;
    Ok(Named { predicate_type, subject: name, _made_here: () })
}

type Subject = (Option<String>, Vec<(HashAlgorithm, Vec<u8>)>);

fn subject(json: Json<'_>) -> Result<Subject, sealwax_attestation::Error> {
    let mut object = json.object()?;
    let name = object.take_optional("name", Json::string)?.map(std::borrow::Cow::into_owned);
    let digests = object.take("digest", |value| {
        let mut value = value.object()?;
        let mut digests = Vec::new();
        for (name, hash) in ALGORITHMS {
            digests.extend(value.take_optional(name, Json::hex)?.map(|digest| (hash, digest)));
        }
        Ok(digests)
    })?;
    Ok((name, digests))
}

fn is(artifact: &Artifact, digests: &[(HashAlgorithm, Vec<u8>)]) -> bool {
    let verdict =
        |(hash, digest): &(HashAlgorithm, Vec<u8>)| artifact.digest(*hash).ok().map(|known| known == digest);
    let verdicts: Vec<bool> = digests.iter().filter_map(verdict).collect();
    !verdicts.is_empty() && verdicts.into_iter().all(|agrees| agrees)
}

const STATEMENT_TYPES: [&str; 2] = ["https://in-toto.io/Statement/v1", "https://in-toto.io/Statement/v0.1"];
const ALGORITHMS: [(&str, HashAlgorithm); 3] =
    [("sha256", HashAlgorithm::Sha256), ("sha384", HashAlgorithm::Sha384), ("sha512", HashAlgorithm::Sha512)];
const MAX_SUBJECTS: usize = 1_000_000;
const LIMITS: Limits = Limits { bytes: 256 << 20, depth: 64, values: 16_000_000 };

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Subject, sealwax_attestation::Error> {
        subject(parse(text.as_bytes(), LIMITS)?)
    }

    fn whole() -> Artifact {
        Artifact::from_digests([1; 32], [2; 48], [3; 64])
    }

    #[test]
    fn d14_one_digest_agrees_and_none_disagrees() {
        let (sha256, sha384, sha512) = ("01".repeat(32), "02".repeat(48), "03".repeat(64));
        let wrong = "04".repeat(64);
        for (digests, whole_file, sha256_alone) in [
            (format!(r#"{{"sha256":"{sha256}"}}"#), true, true),
            (format!(r#"{{"sha256":"{sha256}","sha384":"{sha384}","sha512":"{sha512}"}}"#), true, true),
            (format!(r#"{{"sha256":"{sha256}","gitCommit":"abc"}}"#), true, true),
            (format!(r#"{{"sha512":"{sha512}"}}"#), true, false),
            // Nobody who knows only one digest can see that another is wrong.
            (format!(r#"{{"sha256":"{sha256}","sha512":"{wrong}"}}"#), false, true),
            (format!(r#"{{"sha256":"{}"}}"#, "05".repeat(32)), false, false),
            (r#"{"sha1":"0101"}"#.to_owned(), false, false),
            ("{}".to_owned(), false, false),
        ] {
            let (name, found) = read(&format!(r#"{{"name":"n","digest":{digests}}}"#)).unwrap();
            assert_eq!(name.as_deref(), Some("n"));
            assert_eq!(is(&whole(), &found), whole_file, "{digests}");
            assert_eq!(is(&Artifact::from_sha256([1; 32]), &found), sha256_alone, "{digests}");
        }
    }

    #[test]
    fn d13_digests_have_one_spelling() {
        for bad in [
            r#"{"name":"n"}"#,
            r#"{"digest":[]}"#,
            r#"{"digest":{"sha256":1}}"#,
            r#"{"digest":{"sha256":"0A"}}"#,
            r#"{"digest":{"sha256":" 01"}}"#,
        ] {
            assert!(read(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_digest_that_is_not_known_is_asked_for() {
        let alone = Artifact::from_sha256([1; 32]);
        let needed = alone.digest(HashAlgorithm::Sha384);
        assert!(matches!(needed, Err(Rejection::DigestNeeded { algorithm: "SHA2_384" })));
        assert_eq!(alone.sha256().unwrap(), [1; 32]);
        assert_eq!(whole().digest(HashAlgorithm::Sha512).unwrap(), &[3; 64]);
    }
}

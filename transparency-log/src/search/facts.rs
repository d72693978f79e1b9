//! What an entry can be found by: the facts in its body, and those in the statement behind it.

use sealwax_attestation::json::{Json, Limits, Object, parse};
use sealwax_attestation::{Envelope, Error, IN_TOTO_PAYLOAD_TYPE, LoggedEntry, Verifier};
use sealwax_keys::{Certificate, SubjectName};
use sealwax_tlog::Hash;
use sha2::{Digest, Sha256};

/// What entries are searched by, and equally one fact about an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Query<'a> {
    /// The entry's leaf hash (RFC 6962 section 2.1). Every entry has this fact, also one that cannot be read.
    Leaf(&'a [u8; 32]),
    /// A digest: of what was signed, or of a subject or file that the signed statement names.
    Digest(&'a [u8]),
    /// SHA-256 of a SubjectPublicKeyInfo, also of the key inside a certificate.
    Key(&'a [u8; 32]),
    /// A subject alternative name of a certificate, exactly as it stands there: e-mail address, URI or host name in ASCII,
    /// for other kinds the DER of the name.
    Identity(&'a [u8]),
    /// The name of a subject of the signed statement: for a model, the model's name.
    Subject(&'a str),
}

impl Query<'_> {
    /// Tells whether an entry, with the envelope behind it, is truly one that is searched for.
    ///
    /// An envelope that is not the one whose digest the entry names counts as none.
    pub fn matches(&self, body: &[u8], envelope: Option<&[u8]>) -> bool {
        if let Self::Leaf(leaf) = self {
            return Hash::leaf(body).as_bytes() == *leaf;
        }
        let Ok(entry) = LoggedEntry::from_body(body) else { return false };
        let mut found = false;
        let mut compare = |fact: Query<'_>| found |= fact == *self;
        of_entry(&entry, &mut compare);
        if let Some(envelope) = envelope.and_then(|text| Envelope::from_text(text).ok())
            && entry.is_about(&envelope)
        {
            of_statement(&envelope, &mut compare);
        }
        found
    }

    /// Gives the number that stands for the fact in the index: 64 bits, so two facts may share one.
    pub(super) fn term(&self) -> i64 {
        let (kind, value): (u8, &[u8]) = match self {
            Self::Digest(digest) => (0, digest),
            Self::Key(fingerprint) => (1, *fingerprint),
            Self::Identity(name) => (2, name),
            Self::Subject(name) => (3, name.as_bytes()),
            Self::Leaf(leaf) => (4, *leaf),
        };
        let hash = Sha256::new().chain_update([kind]).chain_update(value).finalize();
        let mut first = [0; 8];
        first.iter_mut().zip(hash).for_each(|(byte, hashed)| *byte = hashed);
        i64::from_be_bytes(first)
    }
}

/// Tells every fact in an entry's body.
pub(super) fn of_entry(entry: &LoggedEntry, found: &mut dyn FnMut(Query<'_>)) {
    found(Query::Digest(entry.digest()));
    for verifier in entry.verifiers() {
        match verifier {
            Verifier::PublicKey(der) => found(Query::Key(&Sha256::digest(der).into())),
            // An entry that was admitted by other rules than ours is still found by its digest.
            Verifier::Certificate(der) => {
                if let Ok(certificate) = Certificate::from_der(der) {
                    of_certificate(&certificate, found);
                }
            }
        }
    }
}

fn of_certificate(certificate: &Certificate, found: &mut dyn FnMut(Query<'_>)) {
    found(Query::Key(&certificate.public_key().fingerprint()));
    for name in certificate.subject_alternative_names() {
        match name {
            SubjectName::Email(text) | SubjectName::Uri(text) | SubjectName::Dns(text) => {
                found(Query::Identity(text.as_bytes()));
            }
            SubjectName::Other(der) => found(Query::Identity(&der)),
            _ => {}
        }
    }
}

/// Tells every fact in the in-toto statement of an envelope, the subjects' first; none where it is something else.
///
/// The statement need not be about a model. What it says is what somebody signed and nothing more.
pub(super) fn of_statement(envelope: &Envelope, found: &mut dyn FnMut(Query<'_>)) {
    if envelope.payload_type == IN_TOTO_PAYLOAD_TYPE {
        // A statement is read as far as it can be: this only decides by what its entry is found.
        let _ = parse(&envelope.payload, LIMITS).and_then(|json| statement(json, found));
    }
}

fn statement(json: Json<'_>, found: &mut dyn FnMut(Query<'_>)) -> Result<(), Error> {
    let mut statement = json.object()?;
    each(&mut statement, "subject", |mut subject| {
        if let Some(name) = subject.take_optional("name", Json::string)? {
            found(Query::Subject(&name));
        }
        let digests = subject.take_optional("digest", |digests| Ok(digests.object()?.rest()))?;
        for (_, digest) in digests.unwrap_or_default() {
            // Digests in other forms than hexadecimal, such as those of Git trees with a prefix, are no digests to us.
            if let Ok(digest) = digest.hex() {
                found(Query::Digest(&digest));
            }
        }
        Ok(())
    })?;
    let predicate = statement.take_optional("predicate", Json::object)?;
    // The files of a model, as OpenSSF Model Signing lists them.
    predicate.map_or(Ok(()), |mut predicate| {
        each(&mut predicate, "resources", |mut resource| {
            if let Some(digest) = resource.take_optional("digest", Json::hex)? {
                found(Query::Digest(&digest));
            }
            Ok(())
        })
    })
}

/// Reads every object of a list, where there is one.
fn each<'a>(
    object: &mut Object<'a>,
    name: &str,
    mut read: impl FnMut(Object<'a>) -> Result<(), Error>,
) -> Result<(), Error> {
    object
        .take_optional(name, |list| list.list(MAX_LIST, |element| read(element.object()?)))
        .map(|_: Option<Vec<()>>| ())
}

const MAX_LIST: usize = 1_048_576;
/// As large as the largest statement that is signed here.
const LIMITS: Limits = Limits { bytes: 192 << 20, depth: 32, values: 8 << 20 };

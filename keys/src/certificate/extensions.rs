//! The certificate extensions that path validation needs (RFC 5280 section 4.2.1).

use std::collections::BTreeSet;

use der::asn1::{AnyRef, ObjectIdentifier, Utf8StringRef};
use der::{Decode, Encode, Reader, SliceReader, Tag, TagNumber, Tagged};
use x509_cert::ext::{self, pkix};

use crate::error::{Error, Result};

/// A subject alternative name, exactly as it stands; the kind is part of the identity.
///
/// Texts may hold any ASCII character, control characters included: compare them exactly and escape them for printing.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
#[non_exhaustive]
pub enum SubjectName {
    /// An e-mail address, `rfc822Name`.
    Email(String),
    /// A `uniformResourceIdentifier`.
    Uri(String),
    /// A `dNSName`.
    Dns(String),
    /// The name of a user, as Sigstore's certificate authorities write it: an `otherName` of type 1.3.6.1.4.1.57264.1.7.
    /// It may hold any character.
    Username(String),
    /// Any other kind, as the DER of the whole GeneralName.
    Other(Vec<u8>),
}

/// The basic constraints of a certificate (RFC 5280 section 4.2.1.9).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct BasicConstraints {
    /// Whether the subject is a certificate authority.
    pub ca: bool,
    /// How many intermediate certificates may follow, where that is limited.
    pub path_len: Option<u8>,
}

/// The uses that a key is certified for (RFC 5280 section 4.2.1.3).
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub struct KeyUsage {
    /// Checking signatures other than those on certificates and revocation lists.
    pub digital_signature: bool,
    /// Checking signatures that commit the signer, once called `nonRepudiation`.
    pub content_commitment: bool,
    /// Encrypting keys.
    pub key_encipherment: bool,
    /// Encrypting data.
    pub data_encipherment: bool,
    /// Agreeing on keys.
    pub key_agreement: bool,
    /// Checking signatures on certificates.
    pub key_cert_sign: bool,
    /// Checking signatures on revocation lists.
    pub crl_sign: bool,
    /// With key agreement: only for encrypting.
    pub encipher_only: bool,
    /// With key agreement: only for decrypting.
    pub decipher_only: bool,
}

/// One extension as it stands in a certificate.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Extension<'a> {
    /// Whether a reader that does not know it must refuse the certificate.
    pub critical: bool,
    /// The content of its octet string; nothing of it was checked.
    pub value: &'a [u8],
}

/// What the extensions of one certificate say.
#[derive(Clone, Default)]
pub(super) struct Extensions {
    pub(super) subject_alternative_names: Vec<SubjectName>,
    pub(super) basic_constraints: Option<BasicConstraints>,
    pub(super) key_usage: Option<KeyUsage>,
    pub(super) extended_key_usage: Option<Vec<String>>,
    pub(super) unknown_critical: Vec<String>,
    all: Vec<ext::Extension>,
}

impl Extensions {
    pub(super) fn read(list: &[ext::Extension]) -> Result<Self> {
        let mut seen = BTreeSet::new();
        let mut read = Self { all: list.to_vec(), ..Self::default() };
        for extension in list {
            // Which of two a reader takes differs between readers, so there must not be two.
            if !seen.insert(extension.extn_id) {
                return Err(Error::DuplicateExtension { oid: extension.extn_id.to_string() });
            }
            let value = extension.extn_value.as_bytes();
            match extension.extn_id {
                SUBJECT_ALTERNATIVE_NAME => read.subject_alternative_names = names(value)?,
                BASIC_CONSTRAINTS => read.basic_constraints = Some(constraints(value)?),
                KEY_USAGE => read.key_usage = Some(usage(value)?),
                EXTENDED_KEY_USAGE => read.extended_key_usage = Some(purposes(value)?),
                other if extension.critical => read.unknown_critical.push(other.to_string()),
                _ => {}
            }
        }
        Ok(read)
    }

    pub(super) fn get(&self, oid: &str) -> Option<Extension<'_>> {
        let oid = ObjectIdentifier::new(oid).ok()?;
        let found = self.all.iter().find(|extension| extension.extn_id == oid)?;
        Some(Extension { critical: found.critical, value: found.extn_value.as_bytes() })
    }
}

/// Reads an extension's value, which must be exactly the DER that it encodes to.
fn strict<'a, T: Decode<'a> + Encode>(value: &'a [u8], what: &'static str) -> Result<T> {
    let malformed = || Error::Malformed { what };
    let parsed = T::from_der(value).map_err(|_| malformed())?;
    if parsed.to_der().map_err(|_| malformed())? == value { Ok(parsed) } else { Err(malformed()) }
}

fn names(value: &[u8]) -> Result<Vec<SubjectName>> {
    let malformed = || Error::Malformed { what: "subject alternative name" };
    let names: Vec<AnyRef<'_>> = strict(value, "subject alternative name")?;
    if names.is_empty() {
        return Err(malformed());
    }
    names
        .into_iter()
        .map(|name| {
            let text = || match std::str::from_utf8(name.value()) {
                Ok(text) if text.is_ascii() => Ok(text.to_owned()),
                _ => Err(malformed()),
            };
            match name.tag() {
                Tag::ContextSpecific { constructed: false, number: TagNumber(1) } => {
                    text().map(SubjectName::Email)
                }
                Tag::ContextSpecific { constructed: false, number: TagNumber(2) } => {
                    text().map(SubjectName::Dns)
                }
                Tag::ContextSpecific { constructed: false, number: TagNumber(6) } => {
                    text().map(SubjectName::Uri)
                }
                Tag::ContextSpecific { constructed: true, number: TagNumber(0) } => other_name(name),
                // The same kinds in constructed form would be BER.
                Tag::ContextSpecific { number: TagNumber(1 | 2 | 6), .. } => Err(malformed()),
                Tag::ContextSpecific { number: TagNumber(0..=8), .. } => {
                    name.to_der().map(SubjectName::Other).map_err(|_| malformed())
                }
                _ => Err(malformed()),
            }
        })
        .collect()
}

/// Reads `OtherName ::= SEQUENCE { type-id OBJECT IDENTIFIER, value [0] EXPLICIT ANY }`, whose tag is the name's own.
fn other_name(name: AnyRef<'_>) -> Result<SubjectName> {
    let malformed = |_| Error::Malformed { what: "subject alternative name" };
    let mut reader = SliceReader::new(name.value()).map_err(malformed)?;
    let kind = ObjectIdentifier::decode(&mut reader).map_err(malformed)?;
    let value = AnyRef::decode(&mut reader).map_err(malformed)?;
    reader.finish().map_err(malformed)?;
    if value.tag() != (Tag::ContextSpecific { constructed: true, number: TagNumber(0) }) {
        return Err(Error::Malformed { what: "subject alternative name" });
    }
    if kind != USERNAME {
        return name.to_der().map(SubjectName::Other).map_err(malformed);
    }
    utf8(value.value(), "subject alternative name").map(SubjectName::Username)
}

/// Reads a value that is exactly one DER UTF8String.
pub(super) fn utf8(value: &[u8], what: &'static str) -> Result<String> {
    strict::<Utf8StringRef<'_>>(value, what).map(|text| text.as_str().to_owned())
}

fn constraints(value: &[u8]) -> Result<BasicConstraints> {
    let parsed: pkix::BasicConstraints = strict(value, "basic constraints")?;
    if parsed.path_len_constraint.is_some() && !parsed.ca {
        return Err(Error::Malformed { what: "basic constraints" });
    }
    Ok(BasicConstraints { ca: parsed.ca, path_len: parsed.path_len_constraint })
}

fn usage(value: &[u8]) -> Result<KeyUsage> {
    let parsed: pkix::KeyUsage = strict(value, "key usage")?;
    Ok(KeyUsage {
        digital_signature: parsed.digital_signature(),
        content_commitment: parsed.non_repudiation(),
        key_encipherment: parsed.key_encipherment(),
        data_encipherment: parsed.data_encipherment(),
        key_agreement: parsed.key_agreement(),
        key_cert_sign: parsed.key_cert_sign(),
        crl_sign: parsed.crl_sign(),
        encipher_only: parsed.encipher_only(),
        decipher_only: parsed.decipher_only(),
    })
}

fn purposes(value: &[u8]) -> Result<Vec<String>> {
    let parsed: pkix::ExtendedKeyUsage = strict(value, "extended key usage")?;
    if parsed.0.is_empty() {
        return Err(Error::Malformed { what: "extended key usage" });
    }
    Ok(parsed.0.iter().map(ObjectIdentifier::to_string).collect())
}

/// Fulcio's kind of name for users.
const USERNAME: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.4.1.57264.1.7");
const SUBJECT_ALTERNATIVE_NAME: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.17");
const BASIC_CONSTRAINTS: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.19");
const KEY_USAGE: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.15");
const EXTENDED_KEY_USAGE: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.37");

//! A certificate as the logs of certificates saw it before they answered (RFC 6962 sections 3.1 to 3.3).
//!
//! A log signs the part of the certificate that its authority signs, without the extension in which the logs' answers are
//! then kept. Taking that extension out again must not touch any other byte, so only lengths are written anew.

use der::asn1::{AnyRef, ObjectIdentifier, OctetStringRef};
use der::{Decode, Encode, SliceReader, Tag, TagNumber, Tagged};

use crate::error::{Error, Result};

/// What logs of certificates answered, and what they answered about.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Precertificate {
    /// The DER of the signed part without the answers: what each answer is about.
    pub tbs: Vec<u8>,
    /// The answers, a `SignedCertificateTimestampList` in the TLS encoding.
    pub answers: Vec<u8>,
}

impl Precertificate {
    pub(super) fn of(tbs: &[u8], value: &[u8]) -> Result<Self> {
        let answers = <&OctetStringRef>::from_der(value).map_err(malformed)?.as_bytes().to_vec();
        let mut fields: Vec<AnyRef<'_>> = Vec::from_der(tbs).map_err(malformed)?;
        // The extensions are the last field, and they are there: the answers came out of them.
        let list = fields.pop().filter(|field| field.tag() == EXTENSIONS).ok_or(MALFORMED)?;
        let extensions: Vec<AnyRef<'_>> = Vec::from_der(list.value()).map_err(malformed)?;
        let mut kept = Vec::with_capacity(extensions.len());
        for extension in extensions {
            let mut parts = SliceReader::new(extension.value()).map_err(malformed)?;
            let id: ObjectIdentifier = ObjectIdentifier::decode(&mut parts).map_err(malformed)?;
            if id.to_string() != ANSWERS {
                kept.push(extension);
            }
        }
        let kept = kept.to_der().map_err(malformed)?;
        fields.push(AnyRef::new(EXTENSIONS, &kept).map_err(malformed)?);
        Ok(Self { tbs: fields.to_der().map_err(malformed)?, answers })
    }
}

fn malformed(_: der::Error) -> Error {
    MALFORMED
}

/// The extension in which an authority keeps the logs' answers.
pub(super) const ANSWERS: &str = "1.3.6.1.4.1.11129.2.4.2";
const EXTENSIONS: Tag = Tag::ContextSpecific { constructed: true, number: TagNumber(3) };
const MALFORMED: Error = Error::Malformed { what: "certificate-transparency extension" };

//! What the record of certificates says about one of them.

use der::asn1::{Any, BitString, Utf8StringRef};
use der::{Decode, Encode};
use jiff::Timestamp;

use sealwax_keys::Certificate;

use crate::certificate::Signed;
use crate::error::{Error, Result};

/// An entry of the log of certificates, as [`CertificateAuthority::issue`](crate::CertificateAuthority::issue) recorded it.
#[derive(Clone, Debug)]
pub struct Recorded {
    time: Timestamp,
    certificate: Certificate,
}

impl Recorded {
    /// Reads an entry.
    ///
    /// # Errors
    ///
    /// [`Error::Malformed`] for anything but the `MerkleTreeLeaf` of a precertificate without extensions of the log, and
    /// those of [`Certificate::from_der`] for the certificate in it.
    pub fn parse(entry: &[u8]) -> Result<Self> {
        let (head, rest) = entry.split_first_chunk::<HEAD>().ok_or(MALFORMED)?;
        let [0, 0, time @ .., 0, 1] = head else { return Err(MALFORMED) };
        let time = i64::from_be_bytes(*time);
        let (_issuer, rest) = rest.split_first_chunk::<32>().ok_or(MALFORMED)?;
        let ([high, middle, low], rest) = rest.split_first_chunk::<3>().ok_or(MALFORMED)?;
        let length = u32::from_be_bytes([0, *high, *middle, *low]);
        let (tbs, [0, 0]) = rest.split_last_chunk::<2>().ok_or(MALFORMED)? else { return Err(MALFORMED) };
        if u32::try_from(tbs.len()) != Ok(length) {
            return Err(MALFORMED);
        }
        // What is recorded has no signature yet; its reader wants one, and checks none.
        let parsed = x509_cert::TbsCertificate::from_der(tbs).map_err(|_| MALFORMED)?;
        let unsigned = Signed {
            tbs: Any::from_der(tbs).map_err(|_| MALFORMED)?,
            algorithm: parsed.signature().clone(),
            signature: BitString::from_bytes(&[]).map_err(|_| MALFORMED)?,
        };
        Ok(Self {
            time: Timestamp::from_millisecond(time).map_err(|_| MALFORMED)?,
            certificate: Certificate::from_der(&unsigned.to_der().map_err(|_| MALFORMED)?)?,
        })
    }

    /// Gives the time at which it was recorded.
    pub fn time(&self) -> Timestamp {
        self.time
    }

    /// Gives the certificate as it was recorded: without timestamp, and with an empty signature.
    pub fn certificate(&self) -> &Certificate {
        &self.certificate
    }

    /// Gives the issuer who vouched for the identity; `None` where the certificate does not say.
    pub fn issuer(&self) -> Option<String> {
        let stated = self.certificate.extension(ISSUER)?;
        Utf8StringRef::from_der(stated.value).ok().map(|issuer| issuer.as_str().to_owned())
    }
}

const MALFORMED: Error = Error::Malformed { what: "an entry of the log of certificates" };
/// Version, leaf type, time and entry type.
const HEAD: usize = 12;
/// Fulcio's extension for the issuer, as a UTF8String.
const ISSUER: &str = "1.3.6.1.4.1.57264.1.8";

#[cfg(test)]
mod tests {
    use std::io;

    use sealwax_keys::{KeyKind, SecretKey, SubjectName};

    use super::*;
    use crate::test_keys::{chain, now, root};
    use crate::{CertificateAuthority, CertifiedKey, Identity, IdentityName, Role};

    #[test]
    fn what_was_recorded_reads_back_and_nothing_else_does() {
        let key = SecretKey::generate(KeyKind::P256).unwrap();
        let chain = chain(&root(), Role::Identities, &key);
        let log = SecretKey::generate(KeyKind::P256).unwrap();
        let authority = CertificateAuthority::new(CertifiedKey::new(chain, key).unwrap(), log).unwrap();
        let name = IdentityName::Email("alice@example.com".into());
        let identity = Identity::new("https://accounts.example", name).unwrap();
        let signer = SecretKey::generate(KeyKind::P256).unwrap();
        let mut entry = Vec::new();
        let record = |recorded: &[u8]| {
            entry = recorded.to_vec();
            Ok::<_, io::Error>(())
        };
        let issued = authority.issue(&identity, signer.public_key(), now(), record).unwrap();

        let recorded = Recorded::parse(&entry).unwrap();
        assert_eq!(recorded.time(), now());
        assert_eq!(recorded.issuer().as_deref(), Some("https://accounts.example"));
        let certificate = recorded.certificate();
        assert_eq!(certificate.serial_number(), issued.certificate().serial_number());
        assert_eq!(certificate.public_key(), signer.public_key());
        let names = certificate.subject_alternative_names();
        assert_eq!(names, [SubjectName::Email("alice@example.com".into())]);

        for length in 0..entry.len() {
            assert!(Recorded::parse(&entry[..length]).is_err(), "{length}");
        }
        assert!(Recorded::parse(&[&entry[..], &[0]].concat()).is_err());
        for position in [0, 1, 11, 44, 45, 46] {
            let mut changed = entry.clone();
            changed[position] ^= 1;
            assert!(Recorded::parse(&changed).is_err(), "{position}");
        }
    }
}

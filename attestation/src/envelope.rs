//! DSSE: the payload, its type, and one signature over both.
//!
//! The signature covers the pre-authentication encoding, `DSSEv1 28 application/vnd.in-toto+json 2 {}`, lengths counted
//! in bytes (DSSE protocol v1, section "Signature Definition"). An envelope of a Sigstore bundle has exactly one
//! signature (Sigstore bundle specification), so this type holds exactly one. The payload's bytes are kept as they came:
//! they are what gets verified, never a re-serialised copy.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::Error;
use crate::bundle::Bundle;
use crate::json::{Json, Limits, parse};

/// The payload type of every in-toto statement.
pub const IN_TOTO_PAYLOAD_TYPE: &str = "application/vnd.in-toto+json";

/// A DSSE envelope with one signature, not yet verified.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Envelope {
    /// The signed bytes.
    pub payload: Vec<u8>,
    /// The media type of the payload; signed too.
    pub payload_type: String,
    /// The signature over the pre-authentication encoding; ASN.1 DER for ECDSA.
    pub signature: Vec<u8>,
    /// An unauthenticated hint, usually empty.
    pub key_id: String,
}

impl Envelope {
    /// Wraps an in-toto statement; the signature is made over [`pae`] of the same two parts.
    pub fn in_toto(payload: Vec<u8>, signature: Vec<u8>) -> Self {
        Self { payload, payload_type: IN_TOTO_PAYLOAD_TYPE.to_owned(), signature, key_id: String::new() }
    }

    /// Gives the bytes that the signature covers.
    pub fn pae(&self) -> Vec<u8> {
        pae(&self.payload_type, &self.payload)
    }

    /// Writes the envelope as one line of JSON.
    pub fn to_json(&self) -> String {
        // All four values are base64 or go through serde_json's string escaping.
        format!(
            r#"{{"payload":"{}","payloadType":{},"signatures":[{{"sig":"{}","keyid":{}}}]}}"#,
            STANDARD.encode(&self.payload),
            serde_json::Value::from(self.payload_type.as_str()),
            STANDARD.encode(&self.signature),
            serde_json::Value::from(self.key_id.as_str()),
        )
    }

    /// Reads an envelope that stands alone, as a log keeps it.
    ///
    /// # Errors
    /// As [`Envelope::from_json`], and those of the JSON reader.
    pub fn from_text(text: &[u8]) -> Result<Self, Error> {
        Self::from_json(parse(text, LIMITS)?)
    }

    /// Reads the envelope.
    ///
    /// # Errors
    /// [`Error::SignatureCount`] for anything but one signature; shape errors otherwise.
    pub fn from_json(json: Json<'_>) -> Result<Self, Error> {
        let mut object = json.object()?;
        let payload = object.take("payload", Json::base64)?;
        let payload_type = object.take("payloadType", Json::name)?.into_owned();
        let signatures = object.take("signatures", |value| value.list(MAX_SIGNATURES, signature))?;
        object.finish()?;
        let count = signatures.len();
        match <[(Vec<u8>, String); 1]>::try_from(signatures) {
            Ok([(signature, key_id)]) => Ok(Self { payload, payload_type, signature, key_id }),
            Err(_) => Err(Error::SignatureCount(count)),
        }
    }
}

/// Gives the DSSE pre-authentication encoding of a payload.
pub fn pae(payload_type: &str, payload: &[u8]) -> Vec<u8> {
    let mut encoded = format!("DSSEv1 {} {payload_type} {} ", payload_type.len(), payload.len()).into_bytes();
    encoded.extend_from_slice(payload);
    encoded
}

fn signature(json: Json<'_>) -> Result<(Vec<u8>, String), Error> {
    let mut object = json.object()?;
    let signature = object.take("sig", Json::base64)?;
    let key_id = object.take_optional("keyid", Json::name)?.unwrap_or_default().into_owned();
    object.finish()?;
    Ok((signature, key_id))
}

/// As large as in a bundle.
const LIMITS: Limits = Limits { bytes: Bundle::MAX_BYTES, depth: 4, values: 256 };

/// Enough to count and refuse them.
const MAX_SIGNATURES: usize = 32;

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Envelope, Error> {
        Envelope::from_json(parse(text.as_bytes(), Limits { bytes: 10_000, depth: 8, values: 1_000 })?)
    }

    fn with_signatures(list: &str) -> String {
        format!(r#"{{"payload":"e30=","payloadType":"application/vnd.in-toto+json","signatures":[{list}]}}"#)
    }

    #[test]
    fn writes_what_it_reads() {
        let envelope = Envelope::in_toto(b"{}".to_vec(), vec![1, 2, 3]);
        assert_eq!(read(&envelope.to_json()).unwrap(), envelope);
    }

    #[test]
    fn d05_refuses_anything_but_one_signature() {
        let one = r#"{"sig":"AQID"}"#;
        assert!(read(&with_signatures(one)).is_ok());
        assert!(matches!(read(&with_signatures("")), Err(Error::SignatureCount(0))));
        assert!(matches!(read(&with_signatures(&format!("{one},{one}"))), Err(Error::SignatureCount(2))));
    }

    #[test]
    fn refuses_unknown_fields() {
        let text = with_signatures(r#"{"sig":"AQID","cert":"x"}"#);
        assert!(matches!(read(&text), Err(Error::UnknownField { path }) if path == "signatures[0].cert"));
    }

    #[test]
    fn b03_refuses_other_base64_spellings() {
        for spelling in ["AQI", "AQI\\n", "AQ-_", "AQJ=", "AQI==", " AQI="] {
            let text = with_signatures(&format!(r#"{{"sig":"{spelling}"}}"#));
            assert!(matches!(read(&text), Err(Error::Shape { .. })), "{spelling}");
        }
    }
}

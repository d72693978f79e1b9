//! The authority that says when: RFC 3161 tokens of time, with the certificate hash of RFC 5816.
//!
//! A request holds the hash of what is to be dated, never the thing itself. What comes back is either granted, a CMS message
//! signed over time and hash, or a refusal that says why in RFC 3161's terms. Time and accuracy are what the caller's clock
//! is worth: tokens state whole seconds, rounded down, with an accuracy of one second and no promise of order.

mod request;
mod token;

use jiff::Timestamp;

use crate::certified_key::{CertifiedKey, TIME_STAMPING, is_authority};
use crate::error::{Error, Result};
use request::Request;

/// Signs tokens of time.
#[derive(Debug)]
pub struct TimestampAuthority {
    signer: CertifiedKey,
}

/// What is answered to a request.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct TimestampReply {
    /// The DER `TimeStampResp`, of the media type `application/timestamp-reply`.
    pub der: Vec<u8>,
    /// Why no token was granted, if none was.
    pub refusal: Option<TimestampRefusal>,
}

/// Why a token of time was not granted: RFC 3161 section 2.4.2.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum TimestampRefusal {
    /// The hash algorithm is none of SHA-256, SHA-384 and SHA-512.
    BadAlgorithm,
    /// The request is one of another version.
    BadRequest,
    /// The request cannot be read, or its hash has not the length of its algorithm.
    BadDataFormat,
    /// It is no time at which the authority's certificates are valid.
    TimeNotAvailable,
    /// The policy that is asked for is not [`TimestampAuthority::POLICY`].
    UnacceptedPolicy,
    /// The request carries an extension; none is known.
    UnacceptedExtension,
}

impl TimestampAuthority {
    /// The policy under which tokens are issued, that of Sigstore's own time-stamping server, and the only one.
    pub const POLICY: &'static str = "1.3.6.1.4.1.57264.2";

    /// Makes a time-stamping authority.
    ///
    /// # Errors
    ///
    /// [`Error::WrongRole`] unless the key's certificate is for time stamping, critically and for that alone, and no
    /// certificate authority's.
    pub fn new(signer: CertifiedKey) -> Result<Self> {
        let own = signer.own()?;
        let only_purpose = own.extended_key_usage().is_some_and(|all| all == [TIME_STAMPING.to_string()]);
        let critical = own.extension(EXTENDED_KEY_USAGE).is_some_and(|extension| extension.critical);
        let signs = own.key_usage().is_none_or(|usage| usage.digital_signature);
        if !only_purpose || !critical || !signs || is_authority(own) {
            return Err(Error::WrongRole { what: "sign tokens of time" });
        }
        Ok(Self { signer })
    }

    /// Answers a DER `TimeStampReq`, of the media type `application/timestamp-query`.
    ///
    /// # Errors
    ///
    /// Those of signing; a request that is not granted is no error but a reply with a refusal.
    pub fn answer(&self, request: &[u8], now: Timestamp) -> Result<TimestampReply> {
        self.reply(Request::from_der(request), now)
    }

    /// Answers a request in the JSON form of Sigstore's time-stamping server:
    ///
    /// ```json
    /// {"artifactHash": "<base64>", "hashAlgorithm": "sha256", "nonce": 123, "certificates": true}
    /// ```
    ///
    /// # Errors
    ///
    /// As [`TimestampAuthority::answer`].
    pub fn answer_json(&self, request: &[u8], now: Timestamp) -> Result<TimestampReply> {
        self.reply(Request::from_json(request), now)
    }

    /// Gives the key that signs tokens, with its chain.
    pub fn signer(&self) -> &CertifiedKey {
        &self.signer
    }

    fn reply(
        &self,
        request: std::result::Result<Request, TimestampRefusal>,
        now: Timestamp,
    ) -> Result<TimestampReply> {
        let request = request.and_then(|request| {
            let valid = self.signer.contains(now.as_second());
            if valid { Ok(request) } else { Err(TimestampRefusal::TimeNotAvailable) }
        });
        match request {
            Ok(request) => {
                Ok(TimestampReply { der: token::granted(&self.signer, request, now)?, refusal: None })
            }
            Err(refusal) => Ok(TimestampReply { der: token::refused(refusal)?, refusal: Some(refusal) }),
        }
    }
}

const EXTENDED_KEY_USAGE: &str = "2.5.29.37";

#[cfg(test)]
mod tests;

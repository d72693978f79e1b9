//! A log that is served elsewhere, Sealwax's or any Rekor v2, as somebody who signs sees it.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use sealwax_attestation::json::{Limits, parse};
use sealwax_attestation::{HashedRekord, TransparencyLogEntry, Verifier};

use crate::error::Error;
use crate::http::{Answer, Body};
use crate::terminal::Tone;
use crate::world::World;

use super::{MAX_ANSWER, Services, message};

impl Services {
    /// Submits an entry to the log at `url`, and gives the answer, which proves nothing before it is verified.
    ///
    /// # Errors
    /// [`Error::Network`] where the log could not be asked, [`Error::Refused`] for its refusal, [`Error::Answer`] for an
    /// answer that is none.
    pub(super) fn submit(
        &self,
        url: &str,
        entry: &HashedRekord,
        world: &World,
    ) -> Result<TransparencyLogEntry, Error> {
        let url = format!("{url}/api/v2/log/entries");
        let request = request(entry).to_string();
        let body = Body { media_type: "application/json", bytes: request.as_bytes() };
        let answer = self.ask(&url, &body, None, world)?;
        let wrong = |source| Error::Answer { url: url.clone(), source };
        TransparencyLogEntry::from_json(parse(&answer.body, LIMITS).map_err(wrong)?).map_err(wrong)
    }

    /// Leaves a statement beside the log. One that the log does not keep makes the model harder to find and the signature no
    /// worse.
    pub(super) fn leave(&self, url: &str, statement: String, world: &World) {
        let url = format!("{url}/api/sealwax/v1/envelopes");
        let body = Body { media_type: "application/json", bytes: statement.as_bytes() };
        let reason = match self.http.ask(&url, Some(&body), None, MAX_ANSWER) {
            Ok(Answer { status: 200 | 201, .. }) => return,
            // A log of other software, or one that keeps none.
            Ok(Answer { status: 404 | 405 | 501, .. }) => "it keeps none".to_owned(),
            Ok(Answer { status, body, .. }) => format!("{status} {}", message(&body)),
            Err(reason) => reason,
        };
        let what =
            format!("the log does not keep the statement ({reason}): found there by key and hash only");
        world.terminal.say(Tone::Plain, "note:", &what);
    }
}

/// The request of Rekor v2 for an entry.
fn request(entry: &HashedRekord) -> Value {
    let details = entry.scheme.key_details();
    let verifier = match &entry.verifier {
        Verifier::PublicKey(der) => {
            json!({"publicKey": {"rawBytes": STANDARD.encode(der)}, "keyDetails": details})
        }
        Verifier::Certificate(der) => {
            json!({"x509Certificate": {"rawBytes": STANDARD.encode(der)}, "keyDetails": details})
        }
    };
    json!({"hashedRekordRequestV002": {
        "digest": STANDARD.encode(&entry.digest),
        "signature": {"content": STANDARD.encode(&entry.signature), "verifier": verifier},
    }})
}

/// An entry has at most 64 proof hashes and a checkpoint with its cosignatures.
const LIMITS: Limits = Limits { bytes: 1 << 20, depth: 8, values: 256 };

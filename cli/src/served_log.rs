//! A log that is served elsewhere, Sealwax's or any Rekor v2, as somebody who signs sees it.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use sealwax_attestation::json::{Limits, parse};
use sealwax_attestation::{HashedRekord, TransparencyLogEntry, TrustedRoot, Verifier};
use sealwax_server::Answered;

use crate::error::Error;
use crate::http::Http;
use crate::world::World;

/// Where the log is, and what its operator said vouches for it.
pub(crate) struct ServedLog {
    /// The base URL, without a slash at its end.
    pub(crate) url: String,
    /// From the operator, never from the URL.
    pub(crate) root: TrustedRoot,
}

impl ServedLog {
    /// Submits an entry and gives the log's answer, which proves nothing before it is verified; then leaves the statement
    /// behind it beside the log, where there is one to leave.
    ///
    /// # Errors
    /// [`Error::Network`] where the log could not be asked, [`Error::Refused`] for its refusal, [`Error::Answer`] for an
    /// answer that is none.
    pub(crate) fn submit(
        &self,
        entry: &HashedRekord,
        statement: Option<String>,
        world: &World,
    ) -> Result<TransparencyLogEntry, Error> {
        let http = Http::new(PATIENCE).map_err(Error::Network)?;
        let url = format!("{}/api/v2/log/entries", self.url);
        let body = request(entry).to_string().into_bytes();
        let mut tries = 0u32;
        let answered = loop {
            let answered = http.post_json(&url, body.clone(), MAX_ANSWER).map_err(Error::Network)?;
            tries = tries.saturating_add(1);
            // The log says that it is busy; the entry may be in it already, and is then found.
            if answered.status != 503 || tries >= TRIES {
                break answered;
            }
            world.wait(PAUSE);
        };
        let Answered { status, body } = answered;
        if !matches!(status, 200 | 201) {
            return Err(Error::Refused { url, status, message: message(&body) });
        }
        let wrong = |source| Error::Answer { url: url.clone(), source };
        let entry = TransparencyLogEntry::from_json(parse(&body, LIMITS).map_err(wrong)?).map_err(wrong)?;
        if let Some(statement) = statement {
            self.leave(&http, statement, world);
        }
        Ok(entry)
    }

    /// A statement that the log does not keep makes the model harder to find and the signature no worse.
    fn leave(&self, http: &Http, statement: String, world: &World) {
        let url = format!("{}/api/sealwax/v1/envelopes", self.url);
        let reason = match http.post_json(&url, statement.into_bytes(), MAX_ANSWER) {
            Ok(Answered { status: 200 | 201, .. }) => return,
            // A log of other software, or one that keeps none.
            Ok(Answered { status: 404 | 405 | 501, .. }) => "it keeps none".to_owned(),
            Ok(Answered { status, body }) => format!("{status} {}", message(&body)),
            Err(reason) => reason,
        };
        let what =
            format!("the log does not keep the statement ({reason}): found there by key and hash only");
        world.terminal.say(crate::terminal::Tone::Plain, "note:", &what);
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

/// What a refusal says, if it says it as Rekor does; cut short, since it comes from outside.
fn message(body: &[u8]) -> String {
    let text = serde_json::from_slice::<Value>(body)
        .ok()
        .and_then(|value| Some(value.get("message")?.as_str()?.to_owned()))
        .unwrap_or_else(|| String::from_utf8_lossy(body).into_owned());
    text.chars().take(MAX_MESSAGE).collect()
}

/// A log waits for its witnesses before it answers.
const PATIENCE: Duration = Duration::from_secs(90);
const TRIES: u32 = 5;
const PAUSE: Duration = Duration::from_secs(2);
const MAX_ANSWER: u64 = 1 << 20;
const MAX_MESSAGE: usize = 300;
/// An entry has at most 64 proof hashes and a checkpoint with its cosignatures.
const LIMITS: Limits = Limits { bytes: 1 << 20, depth: 8, values: 256 };

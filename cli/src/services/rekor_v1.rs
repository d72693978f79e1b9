//! A Rekor v1 log, which the public-good instance still lists, as somebody who signs sees it.
//!
//! ```text
//! POST <url>/api/v1/log/entries
//! {"apiVersion":"0.0.1","kind":"dsse","spec":{"proposedContent":{"envelope":"<JSON text>","verifiers":["<base64 of PEM>"]}}}
//! 201 {"<id>":{"body":"…","integratedTime":1,"logID":"<hex>","logIndex":2,"verification":{"signedEntryTimestamp":"…",
//!   "inclusionProof":{"checkpoint":"…","hashes":["<hex>"],"logIndex":2,"rootHash":"<hex>","treeSize":3}}}}
//! ```
//!
//! An entry that is there already is refused with 409 and its address, at which it is then fetched. Source: Rekor's OpenAPI
//! document, version 1.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sealwax_attestation::json::{Json, Limits, parse};
use sealwax_attestation::{
    EntryFormat, Envelope, Error as Malformed, HashedRekord, InclusionPromise, InclusionProof,
    TransparencyLogEntry, Verifier,
};
use sealwax_keys::{Certificate, PublicKey};
use serde_json::json;

use crate::error::Error;
use crate::http::Body;
use crate::world::World;

use super::{MAX_ANSWER, Services, message};

impl Services {
    /// Submits an envelope to the log at `url`, and gives the answer, which proves nothing before it is verified.
    ///
    /// # Errors
    /// As [`Services::submit`].
    pub(super) fn submit_v1(
        &self,
        url: &str,
        entry: &HashedRekord,
        envelope: &Envelope,
        world: &World,
    ) -> Result<TransparencyLogEntry, Error> {
        let entries = format!("{url}{ENTRIES}");
        let wrong = |source| Error::Answer { url: entries.clone(), source };
        let pem = match &entry.verifier {
            Verifier::Certificate(der) => Certificate::from_der(der).map(|leaf| leaf.to_pem()),
            Verifier::PublicKey(der) => PublicKey::from_spki_der(der).map(|key| key.to_pem()),
        };
        let pem = pem.map_err(|error| Error::Bug(error.to_string()))?;
        let content = json!({"envelope": envelope.to_json(), "verifiers": [STANDARD.encode(pem)]});
        let request = json!({"apiVersion": "0.0.1", "kind": "dsse", "spec": {"proposedContent": content}});
        let request = request.to_string();
        let body = Body { media_type: "application/json", bytes: request.as_bytes() };
        let mut answer = self.ask_patiently(&entries, &body, None, world)?;
        if answer.status == 409
            && let Some(id) = answer.header("location").and_then(entry_id)
        {
            let there = format!("{entries}/{id}");
            answer = self.http.ask(&there, None, None, MAX_ANSWER).map_err(Error::Network)?;
        }
        match answer.status {
            200 | 201 => read(&answer.body).map_err(wrong),
            status => Err(Error::Refused { url: entries, status, message: message(&answer.body) }),
        }
    }
}

/// The id of an entry in the address where it is, of which nothing else is believed: it is looked for in the same log
/// (attack H03).
fn entry_id(location: &str) -> Option<&str> {
    let (_, id) = location.rsplit_once(ENTRIES)?;
    let id = id.strip_prefix('/')?;
    let is_id = matches!(id.len(), 64 | 80) && id.bytes().all(|byte| byte.is_ascii_hexdigit());
    is_id.then_some(id)
}

/// Reads an entry as the log writes it: numbers as numbers, hashes in hexadecimal.
fn read(body: &[u8]) -> Result<TransparencyLogEntry, Malformed> {
    let mut entries = parse(body, LIMITS)?.object()?.rest().into_iter();
    let shape = |expected| Malformed::Shape { path: String::new(), expected };
    let (Some((_, entry)), None) = (entries.next(), entries.next()) else {
        return Err(shape("one entry"));
    };
    let mut entry = entry.object()?;
    let canonicalized_body = entry.take("body", Json::base64)?;
    let integrated_time = entry.take("integratedTime", number)?;
    let log_id = entry.take("logID", Json::hex)?;
    let log_index = entry.take("logIndex", number)?;
    let mut verification = entry.take("verification", Json::object)?;
    let signature = verification.take("signedEntryTimestamp", Json::base64)?;
    let mut proof = verification.take("inclusionProof", Json::object)?;
    let hash = |json: Json<'_>| <[u8; 32]>::try_from(json.hex()?).map_err(|_| shape("a SHA-256 hash"));
    Ok(TransparencyLogEntry {
        format: EntryFormat::Dsse001,
        log_index,
        log_id,
        promise: Some(InclusionPromise { integrated_time, signature }),
        inclusion_proof: InclusionProof {
            log_index: proof.take("logIndex", number)?,
            root_hash: proof.take("rootHash", hash)?,
            tree_size: proof.take("treeSize", number)?,
            hashes: proof.take("hashes", |list| list.list(MAX_PROOF_HASHES, hash))?,
            checkpoint: proof.take("checkpoint", Json::string)?.into_owned(),
        },
        canonicalized_body,
    })
}

fn number(json: Json<'_>) -> Result<u64, Malformed> {
    match json {
        Json::Unsigned(number) => Ok(number),
        _ => Err(Malformed::Shape { path: String::new(), expected: "a number" }),
    }
}

const ENTRIES: &str = "/api/v1/log/entries";
const MAX_PROOF_HASHES: usize = 64;
/// An entry, with the attestation beside it that such a log may give back.
const LIMITS: Limits = Limits { bytes: 1 << 20, depth: 8, values: 512 };

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn h03_of_the_address_of_an_entry_only_its_id_is_used() {
        let id = "24296fb24b8ad77a".repeat(5);
        for good in
            [format!("/api/v1/log/entries/{id}"), format!("https://evil.example/api/v1/log/entries/{id}")]
        {
            assert_eq!(entry_id(&good), Some(id.as_str()));
        }
        let evil = "https://evil.example/";
        for bad in [
            "",
            evil,
            "/api/v1/log/entries",
            "/api/v1/log/entries/",
            "/api/v1/log/entries/../../etc",
            "/api/v1/log/entries/12",
        ] {
            assert_eq!(entry_id(bad), None, "{bad}");
        }
        assert_eq!(entry_id(&format!("/api/v1/log/entries/{id}?x")), None);
    }

    #[test]
    fn an_entry_is_read_as_rekor_writes_it() {
        let hash = "ab".repeat(32);
        let answer = json!({"24296f": {
            "body": "e30=", "integratedTime": 1_700_000_000, "logID": hash, "logIndex": 7, "attestation": {"data": ""},
            "verification": {"signedEntryTimestamp": "AAAA", "inclusionProof": {"checkpoint": "c", "hashes": [hash],
                "logIndex": 5, "rootHash": hash, "treeSize": 6}},
        }});
        let entry = read(answer.to_string().as_bytes()).unwrap();
        assert_eq!((entry.log_index, entry.inclusion_proof.log_index, entry.log_id.len()), (7, 5, 32));
        assert_eq!(entry.promise.unwrap().integrated_time, 1_700_000_000);
        for bad in ["<html>", "{}", "[]", r#"{"a":{},"b":{}}"#, r#"{"a":{"body":"e30="}}"#] {
            assert!(read(bad.as_bytes()).is_err(), "{bad}");
        }
    }
}

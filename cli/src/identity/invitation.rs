//! An invitation of a Sealwax instance, exchanged for a token that the instance itself vouches for: once.

use std::path::Path;

use sealwax_attestation::json::Json;
use serde_json::json;
use zeroize::Zeroizing;

use crate::error::Error;
use crate::http::{self, Body};

use super::{MAX_ANSWER, client, object, read_token};

/// Redeems the one line that the operator gave: the instance's URL, `#`, and a secret, which goes there and nowhere else.
///
/// # Errors
/// [`Error::IdentityToken`] for what is no invitation, [`Error::Login`] where it is not taken.
pub(super) fn redeem(path: &Path) -> Result<Zeroizing<String>, Error> {
    let line = read_token(path)?;
    let refused = |reason: &str| {
        let (whence, reason) = (path.display().to_string(), reason.to_owned());
        Error::IdentityToken { whence, reason }
    };
    // As `instance invite` prints it, or without its first word.
    let line = line.strip_prefix("invitation ").map_or(line.as_str(), str::trim_start);
    let (url, secret) = line.rsplit_once('#').ok_or_else(|| refused("it is no invitation: URL#SECRET"))?;
    if !http::is_private(url) {
        return Err(refused("the instance that invites is neither https nor on this machine"));
    }
    let failed = |reason| Error::Login { issuer: url.to_owned(), reason };
    let asked = format!("{url}/api/sealwax/v1/invitations/redeem");
    let request = Zeroizing::new(json!({"invitation": secret}).to_string());
    let body = Body { media_type: "application/json", bytes: request.as_bytes() };
    let mut answer = client()?.ask(&asked, Some(&body), None, MAX_ANSWER).map_err(failed)?;
    let token = object(&asked, &answer).and_then(|mut object| {
        let token = object.take("token", |json: Json<'_>| Ok(Zeroizing::new(json.string()?.into_owned())));
        token.map_err(|error| format!("{asked}: {error}"))
    });
    drop(Zeroizing::new(std::mem::take(&mut answer.body)));
    token.map_err(|reason| failed(format!("the invitation was not taken: {reason}")))
}

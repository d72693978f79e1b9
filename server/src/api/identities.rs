//! Certificates for identities as Fulcio's API version 2 asks for them, and the instance as an issuer of its own.

use axum::extract::{Request, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use sealwax_attestation::json::{Json, Limits, parse};
use sealwax_authority::fulcio::{Failure, SigningRequest, configuration, signing_answer, trust_bundle};
use sealwax_authority::{InvitationSecret, Refusal as Reason};
use serde_json::json;
use zeroize::Zeroizing;

use super::Site;
use super::answer::{self, Code, Refusal};
use crate::authority::Denied;
use crate::metrics::{Asked, Outcome};

/// `POST /api/v2/signingCert`: a certificate that is recorded, and the chain above it. 200, because cosign takes nothing else.
pub(super) async fn certificate(State(site): State<Site>, request: Request) -> Response {
    let outcome = certify(&site, request).await;
    counted(&site, Asked::Certificate, outcome)
}

async fn certify(site: &Site, request: Request) -> Result<Response, Denied> {
    let authority = site.authority()?;
    let (head, body) = request.into_parts();
    let bearer = head.headers.get(header::AUTHORIZATION).map(|value| value.to_str().unwrap_or_default());
    let held = site.room.read(body, MAX_REQUEST).await?;
    let asked = SigningRequest::from_json(&held.text, bearer)?;
    let token = authority.identify(&asked.token).await?;
    let issued = std::sync::Arc::clone(authority).certify(token, &asked.key).await?;
    tracing::debug!("a certificate was recorded and issued");
    Ok(answer::json_text(StatusCode::OK, signing_answer(&issued)))
}

/// `GET /api/v2/trustBundle`: the chain, the root last.
pub(super) async fn bundle(State(site): State<Site>) -> Result<Response, Refusal> {
    let chain = site.authority()?.certificates.issuer().chain();
    Ok(answer::json_text(StatusCode::OK, trust_bundle([chain])))
}

/// `GET /api/v2/configuration`: whose tokens are believed.
pub(super) async fn issuers(State(site): State<Site>) -> Result<Response, Refusal> {
    Ok(answer::json_text(StatusCode::OK, configuration(&site.authority()?.issuers)))
}

/// `POST /api/sealwax/v1/invitations/redeem`: an invitation for a token of the instance's own issuer, once.
pub(super) async fn redeem(State(site): State<Site>, request: Request) -> Response {
    let outcome = exchange(&site, request).await;
    counted(&site, Asked::Invitation, outcome)
}

async fn exchange(site: &Site, request: Request) -> Result<Response, Denied> {
    let held = site.room.read(request.into_body(), MAX_INVITATION).await?;
    let secret = read_invitation(&held.text)?;
    let token = std::sync::Arc::clone(site.authority()?).redeem(secret).await?;
    tracing::info!("an invitation was redeemed");
    Ok(answer::json(StatusCode::OK, &json!({"token": token.as_str()})))
}

fn read_invitation(text: &[u8]) -> Result<InvitationSecret, Reason> {
    let read = || {
        let mut object = parse(text, Limits { bytes: MAX_INVITATION, depth: 2, values: 4 })?.object()?;
        let secret = object.take("invitation", Json::string)?.into_owned();
        object.finish().map(|()| Zeroizing::new(secret))
    };
    let secret = read().map_err(|_| Reason::Malformed { what: "request" })?;
    InvitationSecret::parse(&secret)
}

/// `GET /.well-known/openid-configuration`: the instance as an issuer of its own.
pub(super) async fn discovery(State(site): State<Site>) -> Result<Response, Refusal> {
    let own = &site.authority()?.own;
    let keys = format!("{}{KEYS}", own.issuer().url().trim_end_matches('/'));
    Ok(answer::json_text(StatusCode::OK, own.discovery_json(&keys)))
}

/// `GET /.well-known/jwks.json`: the key of the instance's tokens.
pub(super) async fn keys(State(site): State<Site>) -> Result<Response, Refusal> {
    Ok(answer::json_text(StatusCode::OK, site.authority()?.own.keys_json()))
}

fn counted(site: &Site, what: Asked, outcome: Result<Response, Denied>) -> Response {
    let response = outcome.unwrap_or_else(Denied::into_response);
    let outcome = match response.status() {
        status if status.is_success() => Outcome::Granted,
        status if status.is_server_error() => Outcome::Failed,
        _ => Outcome::Refused,
    };
    site.metrics.exchanged(what, outcome);
    response
}

impl IntoResponse for Denied {
    fn into_response(self) -> Response {
        let unavailable = |what: &str, seconds: u32| {
            Refusal::new(StatusCode::SERVICE_UNAVAILABLE, Code::Unavailable, what)
                .with_header(header::RETRY_AFTER, seconds)
                .into_response()
        };
        match self {
            Self::Unread(refusal) => refusal.into_response(),
            Self::Refused(reason) => {
                tracing::debug!(%reason, "refused");
                let Failure { status, body } = Failure::from(&reason);
                answer::json_text(StatusCode::from_u16(status).unwrap_or(StatusCode::FORBIDDEN), body)
            }
            Self::IssuerUnreachable => {
                unavailable("the keys of the token's issuer cannot be had now; retry", 5)
            }
            Self::RecordUnavailable(why) => {
                tracing::error!(why, "the record of certificates takes nothing: none is issued");
                unavailable("no certificate can be recorded now; retry later", 60)
            }
            Self::Failed(error) => Refusal::internal(&error).into_response(),
        }
    }
}

/// Where the keys of the instance's own issuer are.
pub(super) const KEYS: &str = "/.well-known/jwks.json";
/// The largest request, in bytes: a token of 16 KiB and a certification request of as many.
const MAX_REQUEST: usize = 64 * 1024;
const MAX_INVITATION: usize = 1024;

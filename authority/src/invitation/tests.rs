use sealwax_keys::KeyKind;

use super::*;
use crate::jwks::Jwks;
use crate::test_keys::now;
use crate::token::IdentityToken;

const URL: &str = "https://sigstore.example.com";

fn own() -> OwnIssuer {
    OwnIssuer::new(URL, SecretKey::generate(KeyKind::P256).unwrap()).unwrap()
}

fn invite() -> (InvitationSecret, Invitation) {
    Invitation::new("alice@example.com", now(), SignedDuration::from_hours(24)).unwrap()
}

#[test]
fn an_invitation_becomes_a_token_that_the_instance_believes() {
    let own = own();
    // Signatures vary in length as DER, and must not as two numbers.
    for _ in 0..50 {
        let (secret, invitation) = invite();
        let redeemed = invitation.redeem(&secret, now()).unwrap();
        let text = own.token(&redeemed, now()).unwrap();
        let keys = Jwks::from_json(own.keys_json().as_bytes()).unwrap();
        let token = IdentityToken::parse(&text).unwrap();
        let verified = token.verify(own.issuer(), &keys, now()).unwrap();
        let name = IdentityName::Email("alice@example.com".to_owned());
        assert_eq!(verified.identity().name(), &name);
        assert_eq!(verified.identity().issuer(), URL);
        let late = now() + SignedDuration::from_mins(11);
        assert_eq!(token.verify(own.issuer(), &keys, late).map(|_| ()), Err(Refusal::Expired));
        let stranger = Jwks::from_json(self::own().keys_json().as_bytes()).unwrap();
        assert_eq!(token.verify(own.issuer(), &stranger, now()).map(|_| ()), Err(Refusal::UnknownKey));
    }
}

#[test]
fn two_tokens_for_one_person_are_two() {
    let own = own();
    let token = || own.token(&Redeemed { email: "a@b".into() }, now()).unwrap();
    assert_ne!(token().rsplit_once('.').unwrap().0, token().rsplit_once('.').unwrap().0);
}

#[test]
fn publishes_what_a_client_looks_for() {
    let own = own();
    let document = own.discovery_json("https://sigstore.example.com/keys");
    let keys = own.issuer().keys_url(document.as_bytes()).unwrap();
    assert_eq!(keys, "https://sigstore.example.com/keys");
    assert!(own.keys_json().contains("\"use\":\"sig\""));
}

#[test]
fn an_invitation_ends_and_is_for_its_secret_alone() {
    let (secret, invitation) = invite();
    let at = |hours, seconds| now() + SignedDuration::from_hours(hours) - SignedDuration::from_secs(seconds);
    assert!(invitation.clone().redeem(&secret, at(24, 1)).is_ok());
    assert_eq!(invitation.clone().redeem(&secret, at(24, 0)).map(|_| ()), Err(Refusal::NoInvitation));
    let (other, _) = invite();
    assert_eq!(invitation.redeem(&other, now()).map(|_| ()), Err(Refusal::NoInvitation));
}

#[test]
fn k08_what_is_kept_and_what_is_printed_redeem_nothing() {
    let (secret, invitation) = invite();
    let text = secret.as_str();
    assert_eq!(InvitationSecret::parse(text).unwrap().hash(), invitation.secret_hash);
    let random = text.strip_prefix("sealwax-invitation-").unwrap();
    assert_eq!(random.len(), 43);
    assert!(!format!("{secret:?} {invitation:?}").contains(random));
    assert_ne!(invite().0.as_str(), text);
    let (shorter, longer) = (&text[1..], format!("{text}A"));
    let upper = text.to_ascii_uppercase();
    for bad in ["", shorter, &longer, &upper, &format!("{}ä", &text[..60])] {
        assert_eq!(InvitationSecret::parse(bad).map(|_| ()), Err(Refusal::NoInvitation), "{bad}");
    }
}

#[test]
fn refuses_addresses_urls_and_keys_that_do_not_fit() {
    for email in ["", "alice", "a@b\n", "ä@b", "a@b@c"] {
        assert!(Invitation::new(email, now(), SignedDuration::from_hours(1)).is_err(), "{email:?}");
    }
    assert!(Invitation::new("a@b", now(), SignedDuration::MAX).is_err());
    let key = || SecretKey::generate(KeyKind::P256).unwrap();
    assert!(matches!(OwnIssuer::new("http://a.example", key()), Err(Error::UnfitIssuer { .. })));
    let other = SecretKey::generate(KeyKind::P384).unwrap();
    assert!(matches!(OwnIssuer::new(URL, other), Err(Error::KeyKind { .. })));
}

//! A key in a token: found by name, signing, opened again where its session was lost.

use std::sync::{Mutex, PoisonError};

use cryptoki::mechanism::Mechanism;
use cryptoki::mechanism::eddsa::{EddsaParams, EddsaSignatureScheme};
use cryptoki::object::{Attribute, AttributeType, ObjectClass, ObjectHandle};
use cryptoki::session::Session;
use cryptoki::types::AuthPin;
use sealwax_keys::{Holder, PublicKey, Scheme, SecretKey};

use crate::error::{Error, Result};
use crate::public::{ecdsa_signature, read_public};
use crate::token::Token;
use crate::uri::KeyUri;

/// A private key in a token.
pub(crate) struct Key {
    token: Token,
    public: PublicKey,
    state: Mutex<State>,
}

/// What a lost session takes along, and what brings it back.
struct State {
    pin: Option<AuthPin>,
    open: Option<Open>,
    /// The token refused the PIN that it took before. It is not tried again: a server would lock the token in a second.
    refused: bool,
}

/// The key in a session.
struct Open {
    session: Session,
    handle: ObjectHandle,
}

impl Key {
    /// Finds the key that the token's URI describes, and reads its public half.
    pub(crate) fn open(token: Token, pin: Option<AuthPin>) -> Result<SecretKey> {
        let (open, public) = Open::new(&token, pin.as_ref())?;
        let state = Mutex::new(State { pin, open: Some(open), refused: false });
        Ok(SecretKey::held(public.clone(), Self { token, public, state }))
    }

    /// Signs in the session that is there, else in a new one.
    ///
    /// Whatever a session fails with, it is given up, because nobody knows what state it is left in; a token that was out and
    /// is in again, or a module that was restarted, then signs the second time.
    fn sign_in(&self, state: &mut State, scheme: Scheme, message: &[u8]) -> Result<Vec<u8>> {
        if let Some(open) = state.open.take()
            && let Ok(signature) = open.sign(scheme, message)
        {
            state.open = Some(open);
            return Ok(signature);
        }
        if state.refused {
            return Err(Error::PinChanged);
        }
        let (open, public) = Open::new(&self.token, state.pin.as_ref()).inspect_err(|error| {
            state.refused = matches!(error, Error::WrongPin { .. } | Error::PinLocked | Error::PinChanged);
        })?;
        if public != self.public {
            return Err(Error::Replaced);
        }
        let signature = open.sign(scheme, message)?;
        state.open = Some(open);
        Ok(signature)
    }
}

impl Holder for Key {
    fn sign(&self, scheme: Scheme, message: &[u8]) -> sealwax_keys::Result<Vec<u8>> {
        // What a panic left here is a session at worst, and the next failure gives that up.
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let signed = self.sign_in(&mut state, scheme, message);
        signed.map_err(|error| {
            let reason = format!("{error} (the key {})", self.token.uri().key_name());
            sealwax_keys::Error::Holder { reason }
        })
    }
}

impl Open {
    fn new(token: &Token, pin: Option<&AuthPin>) -> Result<(Self, PublicKey)> {
        let session = token.session(pin, false)?;
        let handle = find_private(&session, token.uri())?;
        let public = read_public(&session, find_public(&session, handle)?)?;
        Ok((Self { session, handle }, public))
    }

    fn sign(&self, scheme: Scheme, message: &[u8]) -> Result<Vec<u8>> {
        let sign = |mechanism: Mechanism<'_>, data: &[u8]| {
            self.session.sign(&mechanism, self.handle, data).map_err(Error::from)
        };
        match scheme {
            Scheme::EcdsaP256Sha256 | Scheme::EcdsaP384Sha384 | Scheme::EcdsaP521Sha512 => {
                // Hashed here: every token signs a digest, and few hash as well.
                ecdsa_signature(&sign(Mechanism::Ecdsa, &scheme.hash().digest(message))?)
            }
            Scheme::Ed25519 => sign(Mechanism::Eddsa(EddsaParams::new(EddsaSignatureScheme::Pure)), message),
            Scheme::Ed25519Ph => {
                sign(Mechanism::Eddsa(EddsaParams::new(EddsaSignatureScheme::Ed25519ph(&[]))), message)
            }
            Scheme::RsaPkcs1v15_2048Sha256
            | Scheme::RsaPkcs1v15_3072Sha256
            | Scheme::RsaPkcs1v15_4096Sha256 => sign(Mechanism::Sha256RsaPkcs, message),
        }
    }
}

/// Finds the one private key that the URI describes and that may sign.
fn find_private(session: &Session, uri: &KeyUri) -> Result<ObjectHandle> {
    let label = uri.object.as_ref().map(|name| Attribute::Label(name.clone().into_bytes()));
    let id = uri.id.as_ref().map(|id| Attribute::Id(id.clone()));
    let described = |class| {
        let named = label.clone().into_iter().chain(id.clone());
        let template: Vec<_> =
            [Attribute::Token(true), Attribute::Class(class)].into_iter().chain(named).collect();
        session.find_objects(&template)
    };
    let key = match described(ObjectClass::PRIVATE_KEY)?.as_slice() {
        [key] => *key,
        [] if described(ObjectClass::PUBLIC_KEY)?.is_empty() => return Err(Error::NoKey),
        [] => return Err(Error::PublicOnly),
        keys => return Err(Error::ManyKeys { count: keys.len() }),
    };
    for attribute in session.get_attributes(key, &[AttributeType::Sign, AttributeType::AlwaysAuthenticate])? {
        match attribute {
            Attribute::Sign(false) => return Err(Error::NotForSigning),
            Attribute::AlwaysAuthenticate(true) => return Err(Error::PinEachTime),
            _ => {}
        }
    }
    Ok(key)
}

/// Finds the public half: it has the same identifier or, where there is none, the same name.
///
/// That the two belong together is not believed of a token: each signature is verified under what is found here.
fn find_public(session: &Session, private: ObjectHandle) -> Result<ObjectHandle> {
    let (mut id, mut label) = (None, None);
    for attribute in session.get_attributes(private, &[AttributeType::Id, AttributeType::Label])? {
        match attribute {
            Attribute::Id(bytes) if !bytes.is_empty() => id = Some(Attribute::Id(bytes)),
            Attribute::Label(bytes) if !bytes.is_empty() => label = Some(Attribute::Label(bytes)),
            _ => {}
        }
    }
    let named = id.or(label).ok_or(Error::NoPublicHalf)?;
    let class = Attribute::Class(ObjectClass::PUBLIC_KEY);
    match session.find_objects(&[Attribute::Token(true), class, named])?.as_slice() {
        [key] => Ok(*key),
        [] => Err(Error::NoPublicHalf),
        keys => Err(Error::ManyKeys { count: keys.len() }),
    }
}

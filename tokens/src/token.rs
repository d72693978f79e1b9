//! Finding a token, and opening or making a key in it.

use std::path::Path;

use cryptoki::context::{CInitializeArgs, CInitializeFlags, Pkcs11};
use cryptoki::error::{Error as ModuleError, RvError};
use cryptoki::mechanism::Mechanism;
use cryptoki::object::{Attribute, ObjectClass};
use cryptoki::session::{Session, UserType};
use cryptoki::slot::{Slot, TokenInfo};
use cryptoki::types::AuthPin;
use sealwax_keys::{KeyKind, SecretKey};
use zeroize::Zeroizing;

use crate::error::{Error, Result};
use crate::key::Key;
use crate::public::curve_parameters;
use crate::uri::KeyUri;

/// The token that a URI describes.
#[derive(Debug)]
pub struct Token {
    module: Pkcs11,
    uri: KeyUri,
}

impl Token {
    /// Loads a module and finds the one token that the URI describes; no PIN is needed for that.
    ///
    /// The module stays loaded until the process ends: one that is taken out while a thread of its own runs takes the
    /// process along.
    ///
    /// # Errors
    ///
    /// [`Error::RelativeModule`], [`Error::Module`], [`Error::NoToken`], [`Error::ManyTokens`].
    pub fn find(uri: &KeyUri, module: &Path) -> Result<Self> {
        // The loader searches for a name without a directory, and takes a relative one from the current directory.
        if !module.is_absolute() {
            return Err(Error::RelativeModule);
        }
        let unusable = |error: ModuleError| Error::Module { reason: error.to_string() };
        let module = Pkcs11::new(module).map_err(unusable)?;
        std::mem::forget(module.clone());
        let token = Self { module, uri: uri.clone() };
        token.start().map_err(unusable)?;
        token.locate().map(|_| token)
    }

    /// Whether [`Token::open`] and [`Token::generate`] need a PIN: not where nothing is secret, or the token has keys of its
    /// own to type it.
    ///
    /// # Errors
    ///
    /// [`Error::NoToken`] where it has been removed.
    pub fn wants_pin(&self) -> Result<bool> {
        let (_, token) = self.locate()?;
        Ok(token.login_required() && !token.protected_authentication_path())
    }

    /// Opens the one key that the URI describes.
    ///
    /// The PIN is kept for as long as the key is, to open the session again where it was lost.
    ///
    /// # Errors
    ///
    /// [`Error::PinNeeded`], [`Error::WrongPin`], [`Error::PinLocked`]; [`Error::NoKey`], [`Error::PublicOnly`],
    /// [`Error::ManyKeys`], [`Error::NotForSigning`], [`Error::PinEachTime`], [`Error::NoPublicHalf`] and [`Error::Key`] for
    /// what is there instead.
    pub fn open(self, pin: Option<Zeroizing<String>>) -> Result<SecretKey> {
        Key::open(self, pin.map(|pin| AuthPin::from(pin.as_str())))
    }

    /// Makes a key with the URI's name and identifier (without one: the bytes of the name) that cannot be taken out.
    ///
    /// # Errors
    ///
    /// [`Error::Uri`] where it has no name for the key, [`Error::Exists`], [`Error::Unsupported`] for a kind of key that the
    /// token does not make, and those of [`Token::open`].
    pub fn generate(self, kind: KeyKind, pin: Option<Zeroizing<String>>) -> Result<SecretKey> {
        let Some(name) = &self.uri.object else {
            return Err(Error::Uri { what: "a new key needs a name: object is missing" });
        };
        let pin = pin.map(|pin| AuthPin::from(pin.as_str()));
        let name = name.clone().into_bytes();
        let id = self.uri.id.clone().unwrap_or_else(|| name.clone());
        let mechanism = match kind {
            KeyKind::Ed25519 => Mechanism::EccEdwardsKeyPairGen,
            _ => Mechanism::EccKeyPairGen,
        };
        let parameters = curve_parameters(kind)?;
        {
            let session = self.session(pin.as_ref(), true)?;
            for taken in [Attribute::Label(name.clone()), Attribute::Id(id.clone())] {
                for class in [ObjectClass::PRIVATE_KEY, ObjectClass::PUBLIC_KEY] {
                    if !session.find_objects(&[Attribute::Class(class), taken.clone()])?.is_empty() {
                        return Err(Error::Exists);
                    }
                }
            }
            let named = [Attribute::Token(true), Attribute::Label(name), Attribute::Id(id)];
            let public =
                [Attribute::Private(false), Attribute::Verify(true), Attribute::EcParams(parameters)];
            let private = [
                Attribute::Private(true),
                Attribute::Sensitive(true),
                Attribute::Extractable(false),
                Attribute::Sign(true),
            ];
            session.generate_key_pair(
                &mechanism,
                &[named.as_slice(), &public].concat(),
                &[named.as_slice(), &private].concat(),
            )?;
        }
        Key::open(self, pin)
    }

    /// What the token and the key in it are called.
    pub(crate) fn uri(&self) -> &KeyUri {
        &self.uri
    }

    /// Opens a session, wherever the token is by now, and logs in where something is secret.
    pub(crate) fn session(&self, pin: Option<&AuthPin>, write: bool) -> Result<Session> {
        // A module forgets that it was started when it is stopped for the whole process, or when the process is another.
        self.start()?;
        let (slot, token) = self.locate()?;
        let session =
            if write { self.module.open_rw_session(slot)? } else { self.module.open_ro_session(slot)? };
        if !token.login_required() {
            return Ok(session);
        }
        if pin.is_none() && !token.protected_authentication_path() {
            return Err(Error::PinNeeded);
        }
        match session.login(UserType::User, pin) {
            // All sessions of a process are logged in together, and another key of this token may have done it.
            Ok(()) | Err(ModuleError::Pkcs11(RvError::UserAlreadyLoggedIn, _)) => Ok(session),
            Err(error) => Err(match Error::from(error) {
                Error::WrongPin { .. } => {
                    Error::WrongPin { final_try: self.locate()?.1.user_pin_final_try() }
                }
                other => other,
            }),
        }
    }

    fn start(&self) -> std::result::Result<(), ModuleError> {
        match self.module.initialize(CInitializeArgs::new(CInitializeFlags::OS_LOCKING_OK)) {
            Err(ModuleError::Pkcs11(RvError::CryptokiAlreadyInitialized, _)) => Ok(()),
            started => started,
        }
    }

    /// Finds where the token is now.
    fn locate(&self) -> Result<(Slot, TokenInfo)> {
        let slots = self.module.get_slots_with_token()?;
        // A token that does not answer, or is only being taken out, is no reason not to use another one.
        let tokens =
            slots.into_iter().filter_map(|slot| Some((slot, self.module.get_token_info(slot).ok()?)));
        let mut found: Vec<_> = tokens.filter(|(_, token)| is_described(token, &self.uri)).collect();
        match (found.pop(), found.len()) {
            (None, _) => Err(Error::NoToken),
            (Some(token), 0) => Ok(token),
            (Some(_), others) => Err(Error::ManyTokens { count: others.saturating_add(1) }),
        }
    }
}

fn is_described(token: &TokenInfo, uri: &KeyUri) -> bool {
    let fits = |wanted: &Option<String>, found: &str| wanted.as_deref().is_none_or(|wanted| wanted == found);
    token.token_initialized()
        && fits(&uri.token, token.label())
        && fits(&uri.manufacturer, token.manufacturer_id())
        && fits(&uri.model, token.model())
        && fits(&uri.serial, token.serial_number())
}

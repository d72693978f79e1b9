//! The name of a key in a token: a PKCS#11 URI, RFC 7512.
//!
//! ```text
//! pkcs11:token=release;object=models;id=%01%02?module-path=/usr/lib/pkcs11.so&pin-source=file:/etc/sealwax/pin
//! ```
//!
//! Stricter than the RFC in what it takes: an attribute that is not understood is refused, where the RFC lets a reader pass
//! over a vendor's own, because one condition fewer can mean another key.

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt as _;
use std::path::{Path, PathBuf};

use crate::error::{Error, Result};

/// Which key, in which token, by which module.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct KeyUri {
    pub(crate) token: Option<String>,
    pub(crate) manufacturer: Option<String>,
    pub(crate) model: Option<String>,
    pub(crate) serial: Option<String>,
    pub(crate) object: Option<String>,
    pub(crate) id: Option<Vec<u8>>,
    module: Option<PathBuf>,
    pin_source: Option<PathBuf>,
}

impl KeyUri {
    /// Whether a text is meant as a PKCS#11 URI, whatever is in it.
    pub fn is_meant_by(text: &str) -> bool {
        text.get(..SCHEME.len()).is_some_and(|start| start.eq_ignore_ascii_case(SCHEME))
    }

    /// Reads a URI.
    ///
    /// Understood are `token`, `manufacturer`, `model`, `serial`, `object`, `id` and `type=private`, and behind the question
    /// mark `module-path` and `pin-source`, a file by its absolute path. A key must be named by `object`, by `id` or both.
    ///
    /// # Errors
    ///
    /// [`Error::Uri`], [`Error::UnknownAttribute`], [`Error::DuplicateAttribute`], [`Error::PinInUri`] for `pin-value`,
    /// [`Error::RelativeModule`].
    pub fn parse(text: &str) -> Result<Self> {
        if text.len() > MAX_URI {
            return Err(Error::Uri { what: "it is too long" });
        }
        if !Self::is_meant_by(text) {
            return Err(Error::Uri { what: "it does not start with pkcs11:" });
        }
        let attributes = text.get(SCHEME.len()..).unwrap_or_default();
        let (path, query) = match attributes.split_once('?') {
            Some((path, query)) => (path, Some(query)),
            None => (attributes, None),
        };
        let mut uri = Self::default();
        let mut private = None;
        for (name, value) in path.split(';').map(attribute).collect::<Result<Vec<_>>>()? {
            match name {
                "token" => set(&mut uri.token, name, text_of(value)?)?,
                "manufacturer" => set(&mut uri.manufacturer, name, text_of(value)?)?,
                "model" => set(&mut uri.model, name, text_of(value)?)?,
                "serial" => set(&mut uri.serial, name, text_of(value)?)?,
                "object" => set(&mut uri.object, name, text_of(value)?)?,
                "id" => set(&mut uri.id, name, value)?,
                "type" if value == b"private" => set(&mut private, name, ())?,
                "type" => return Err(Error::Uri { what: "its type is not private" }),
                // Misplaced, but a PIN all the same: the other sentence would show where it is.
                "pin-value" => return Err(Error::PinInUri),
                _ => return Err(Error::UnknownAttribute { name: name.to_owned() }),
            }
        }
        for (name, value) in
            query.iter().flat_map(|query| query.split('&')).map(attribute).collect::<Result<Vec<_>>>()?
        {
            match name {
                "module-path" => set(&mut uri.module, name, module_path(value)?)?,
                "pin-source" => set(&mut uri.pin_source, name, file_path(value)?)?,
                "pin-value" => return Err(Error::PinInUri),
                _ => return Err(Error::UnknownAttribute { name: name.to_owned() }),
            }
        }
        match (&uri.object, &uri.id) {
            (None, None) => Err(Error::Uri { what: "it names no key: object or id is missing" }),
            _ => Ok(uri),
        }
    }

    /// The module that the URI names, an absolute path.
    pub fn module(&self) -> Option<&Path> {
        self.module.as_deref()
    }

    /// The file that the URI names for the PIN, an absolute path.
    pub fn pin_source(&self) -> Option<&Path> {
        self.pin_source.as_deref()
    }

    /// What the key is called in messages.
    pub(crate) fn key_name(&self) -> String {
        let id = || self.id.iter().flatten().map(|byte| format!("{byte:02x}")).collect();
        self.object.clone().unwrap_or_else(id)
    }
}

/// Reads `name=value`, with the value's percent encoding undone.
fn attribute(text: &str) -> Result<(&str, Vec<u8>)> {
    let (name, value) = text.split_once('=').ok_or(Error::Uri { what: "an attribute has no value" })?;
    let value = decode(value)?;
    if value.is_empty() {
        // An empty label would be every key without one.
        return Err(Error::Uri { what: "an attribute is empty" });
    }
    Ok((name, value))
}

fn decode(text: &str) -> Result<Vec<u8>> {
    let digit = |byte: Option<u8>| {
        let digit = byte.and_then(|byte| char::from(byte).to_digit(16));
        digit
            .and_then(|digit| u8::try_from(digit).ok())
            .ok_or(Error::Uri { what: "a percent sign without two digits" })
    };
    let mut bytes = text.bytes();
    let mut decoded = Vec::with_capacity(text.len());
    while let Some(byte) = bytes.next() {
        match byte {
            b'%' => {
                let (high, low) = (digit(bytes.next())?, digit(bytes.next())?);
                decoded.push(high << 4 | low);
            }
            byte if byte.is_ascii_alphanumeric() || PLAIN.contains(&byte) => decoded.push(byte),
            _ => return Err(Error::Uri { what: "a character that must be written with a percent sign" }),
        }
    }
    Ok(decoded)
}

fn text_of(value: Vec<u8>) -> Result<String> {
    let text = String::from_utf8(value).map_err(|_| Error::Uri { what: "a name is not UTF-8" })?;
    if text.contains('\0') { Err(Error::Uri { what: "a name holds a zero" }) } else { Ok(text) }
}

fn module_path(value: Vec<u8>) -> Result<PathBuf> {
    let path = path_of(value)?;
    if path.is_absolute() { Ok(path) } else { Err(Error::RelativeModule) }
}

/// Reads `file:/path` or `/path`. RFC 7512 knows programs that print the PIN, too; none is started here.
fn file_path(value: Vec<u8>) -> Result<PathBuf> {
    let path = value.strip_prefix(b"file://").or(value.strip_prefix(b"file:")).unwrap_or(&value);
    let path = path_of(path.to_vec())?;
    let what = "its pin-source is not file: and an absolute path";
    if path.is_absolute() { Ok(path) } else { Err(Error::Uri { what }) }
}

fn path_of(value: Vec<u8>) -> Result<PathBuf> {
    if value.contains(&0) {
        return Err(Error::Uri { what: "a path holds a zero" });
    }
    Ok(PathBuf::from(OsString::from_vec(value)))
}

fn set<T>(place: &mut Option<T>, name: &str, value: T) -> Result<()> {
    match place.replace(value) {
        None => Ok(()),
        Some(_) => Err(Error::DuplicateAttribute { name: name.to_owned() }),
    }
}

const SCHEME: &str = "pkcs11:";
/// What RFC 7512 lets stand as it is, in both parts: unreserved characters and the harmless of the reserved ones.
const PLAIN: &[u8] = b"-._~:[]@!$'()*+,=/&";
/// The longest URI that is read, in bytes: a path may have 4096.
const MAX_URI: usize = 8_192;

#[cfg(test)]
mod tests;

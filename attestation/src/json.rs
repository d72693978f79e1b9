//! The one JSON reader for everything that is signed or trusted.
//!
//! Stricter than RFC 8259 asks, because two readers that disagree about a signed document are an attack: no duplicate
//! keys at any level, no trailing data, no lone surrogates, no byte-order mark; depth, size and the number of values are
//! capped before anything is built. Strings borrow from the input where they hold no escape, so a manifest of 100,000
//! files costs little more than its text.
//!
//! Fields are read by name through [`Object::take`]; [`Object::finish`] refuses what is left, and `null` counts as
//! absent for optional fields (the proto3 JSON mapping) and as missing for required ones.

use std::borrow::Cow;
use std::cell::Cell;
use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::de::{DeserializeSeed, Error as _, MapAccess, SeqAccess, Visitor};

use crate::Error;

/// Caps that hold before a document is parsed.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Bytes of text.
    pub bytes: usize,
    /// Levels of arrays and objects.
    pub depth: usize,
    /// Values of every kind, object members included.
    pub values: usize,
}

/// A JSON value, borrowing from the text it was read from.
#[derive(Clone, Debug, PartialEq)]
pub enum Json<'a> {
    /// `null`
    Null,
    /// `true` or `false`
    Bool(bool),
    /// A whole number without fraction or exponent in its spelling, 0 to 2^64 − 1.
    Unsigned(u64),
    /// A negative whole number, −2^63 to −1.
    Negative(i64),
    /// Any other number, as the nearest double.
    Float(f64),
    /// A string, unescaped.
    String(Cow<'a, str>),
    /// An array.
    Array(Vec<Json<'a>>),
    /// An object, its members in the order of the text.
    Object(Vec<(Cow<'a, str>, Json<'a>)>),
}

/// Reads one document.
///
/// # Errors
/// [`Error::TooLarge`], [`Error::TooDeep`], [`Error::TooManyValues`], [`Error::DuplicateKey`], or [`Error::Json`] for
/// everything that is not exactly one JSON text in UTF-8.
pub fn parse(text: &[u8], limits: Limits) -> Result<Json<'_>, Error> {
    if text.len() > limits.bytes {
        return Err(Error::TooLarge { size: text.len(), limit: limits.bytes });
    }
    let state = State { limits, values: Cell::new(0), refusal: Cell::new(None) };
    let mut reader = serde_json::Deserializer::from_slice(text);
    let value = Seed { state: &state, depth: 0 }.deserialize(&mut reader);
    let value = value.and_then(|value| reader.end().map(|()| value));
    value.map_err(|error| state.refusal.take().unwrap_or_else(|| Error::Json(error.to_string())))
}

impl<'a> Json<'a> {
    /// Takes the value as an object.
    ///
    /// # Errors
    /// [`Error::Shape`] for every other type.
    pub fn object(self) -> Result<Object<'a>, Error> {
        match self {
            Self::Object(members) => Ok(Object { members }),
            _ => Err(shape("an object")),
        }
    }

    /// Takes the value as a list of at most `cap` elements, each read by `read`.
    ///
    /// # Errors
    /// [`Error::Shape`] for every other type, [`Error::TooMany`], and what `read` says, with the element's index.
    pub fn list<T>(
        self,
        cap: usize,
        mut read: impl FnMut(Json<'a>) -> Result<T, Error>,
    ) -> Result<Vec<T>, Error> {
        let Self::Array(elements) = self else { return Err(shape("an array")) };
        if elements.len() > cap {
            return Err(Error::TooMany { path: String::new(), limit: cap });
        }
        let element = |(index, element)| read(element).map_err(|error| error.within(&format!("[{index}]")));
        elements.into_iter().enumerate().map(element).collect()
    }

    /// Takes the value as a string.
    ///
    /// # Errors
    /// [`Error::Shape`] for every other type.
    pub fn string(self) -> Result<Cow<'a, str>, Error> {
        match self {
            Self::String(text) => Ok(text),
            _ => Err(shape("a string")),
        }
    }

    /// Takes the value as a string that names something: a type, a kind, an identifier.
    ///
    /// # Errors
    /// [`Error::Shape`] for every other type, and for more than 1,024 bytes, which no honest name has and every message
    /// about it would repeat.
    pub fn name(self) -> Result<Cow<'a, str>, Error> {
        self.string()
            .and_then(|text| if text.len() <= 1_024 { Ok(text) } else { Err(shape("a shorter string")) })
    }

    /// Takes the value as a boolean.
    ///
    /// # Errors
    /// [`Error::Shape`] for every other type.
    pub fn bool(self) -> Result<bool, Error> {
        match self {
            Self::Bool(value) => Ok(value),
            _ => Err(shape("true or false")),
        }
    }

    /// Takes the value as bytes in standard, padded base64 (RFC 4648 section 4), without whitespace and with zero
    /// trailing bits.
    ///
    /// # Errors
    /// [`Error::Shape`] for every other type or spelling.
    pub fn base64(self) -> Result<Vec<u8>, Error> {
        STANDARD.decode(self.string()?.as_bytes()).map_err(|_| shape("standard base64"))
    }

    /// Takes the value as lower-case hexadecimal bytes.
    ///
    /// # Errors
    /// [`Error::Shape`] for every other type or spelling.
    pub fn hex(self) -> Result<Vec<u8>, Error> {
        let text = self.string()?;
        if text.bytes().any(|byte| byte.is_ascii_uppercase()) {
            return Err(shape("lower-case hexadecimal"));
        }
        hex::decode(text.as_bytes()).map_err(|_| shape("lower-case hexadecimal"))
    }

    /// Takes the value as a 64-bit integer in the proto3 JSON spelling: a string of decimal digits without sign, space or
    /// leading zero. No larger than 2^63 − 1, the type of every such field in the Sigstore formats.
    ///
    /// # Errors
    /// [`Error::Shape`] for every other type or spelling.
    pub fn int64(self) -> Result<u64, Error> {
        let text = self.string()?;
        let canonical = !text.is_empty()
            && text.bytes().all(|byte| byte.is_ascii_digit())
            && (text.len() == 1 || !text.starts_with('0'));
        let value = if canonical { text.parse::<i64>().ok() } else { None };
        value.and_then(|value| u64::try_from(value).ok()).ok_or_else(|| shape("a 64-bit integer as a string"))
    }
}

/// The members of an object, taken out by name.
#[derive(Debug)]
pub struct Object<'a> {
    members: Vec<(Cow<'a, str>, Json<'a>)>,
}

impl<'a> Object<'a> {
    /// Takes the field `name` through `read`.
    ///
    /// # Errors
    /// [`Error::Missing`] where it is absent or null, and what `read` says, with the field's name.
    pub fn take<T>(
        &mut self,
        name: &str,
        read: impl FnOnce(Json<'a>) -> Result<T, Error>,
    ) -> Result<T, Error> {
        self.take_optional(name, read)?.ok_or_else(|| Error::Missing { path: name.to_owned() })
    }

    /// Takes the field `name` through `read`, or nothing where it is absent or null.
    ///
    /// # Errors
    /// What `read` says, with the field's name.
    pub fn take_optional<T>(
        &mut self,
        name: &str,
        read: impl FnOnce(Json<'a>) -> Result<T, Error>,
    ) -> Result<Option<T>, Error> {
        let Some(position) = self.members.iter().position(|(key, _)| key == name) else { return Ok(None) };
        match self.members.swap_remove(position).1 {
            Json::Null => Ok(None),
            value => read(value).map(Some).map_err(|error| error.within(name)),
        }
    }

    /// Whether the object has a member `name` that was not taken yet.
    pub fn has(&self, name: &str) -> bool {
        self.members.iter().any(|(key, _)| key == name)
    }

    /// Takes everything that is left.
    pub fn rest(self) -> Vec<(Cow<'a, str>, Json<'a>)> {
        self.members
    }

    /// Refuses what was not taken.
    ///
    /// # Errors
    /// [`Error::UnknownField`] with the first field left.
    pub fn finish(self) -> Result<(), Error> {
        match self.members.into_iter().next() {
            None => Ok(()),
            Some((name, _)) => Err(Error::UnknownField { path: name.into_owned() }),
        }
    }
}

fn shape(expected: &'static str) -> Error {
    Error::Shape { path: String::new(), expected }
}

/// What the visitors share: the caps, the count so far, and why they stopped.
struct State {
    limits: Limits,
    values: Cell<usize>,
    refusal: Cell<Option<Error>>,
}

impl State {
    /// Stops the parser. serde's own error is a text, so the real one waits in `refusal`.
    fn refuse<E: serde::de::Error>(&self, error: Error) -> E {
        let text = error.to_string();
        self.refusal.set(Some(error));
        E::custom(text)
    }
}

/// Reads one value at a depth.
#[derive(Clone, Copy)]
struct Seed<'s> {
    state: &'s State,
    depth: usize,
}

impl Seed<'_> {
    fn inside<E: serde::de::Error>(self) -> Result<Self, E> {
        if self.depth >= self.state.limits.depth {
            return Err(self.state.refuse(Error::TooDeep { limit: self.state.limits.depth }));
        }
        Ok(Self { depth: self.depth.saturating_add(1), ..self })
    }
}

impl<'de> DeserializeSeed<'de> for Seed<'_> {
    type Value = Json<'de>;

    fn deserialize<D: serde::Deserializer<'de>>(self, deserializer: D) -> Result<Json<'de>, D::Error> {
        let count = self.state.values.get().saturating_add(1);
        self.state.values.set(count);
        if count > self.state.limits.values {
            return Err(self.state.refuse(Error::TooManyValues { limit: self.state.limits.values }));
        }
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Seed<'_> {
    type Value = Json<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Json<'de>, E> {
        Ok(Json::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Json<'de>, E> {
        Ok(Json::Bool(value))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Json<'de>, E> {
        Ok(Json::Unsigned(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Json<'de>, E> {
        Ok(Json::Negative(value))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Json<'de>, E> {
        Ok(Json::Float(value))
    }

    fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Json<'de>, E> {
        Ok(Json::String(Cow::Borrowed(text)))
    }

    fn visit_str<E>(self, text: &str) -> Result<Json<'de>, E> {
        Ok(Json::String(Cow::Owned(text.to_owned())))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut access: A) -> Result<Json<'de>, A::Error> {
        let inside = self.inside()?;
        let mut elements = Vec::new();
        while let Some(element) = access.next_element_seed(inside)? {
            elements.push(element);
        }
        Ok(Json::Array(elements))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Json<'de>, A::Error> {
        let inside = self.inside()?;
        let mut members: Vec<(Cow<'de, str>, Json<'de>)> = Vec::new();
        while let Some(key) = access.next_key_seed(inside)? {
            let Json::String(key) = key else { return Err(A::Error::custom("expected a string as key")) };
            members.push((key, access.next_value_seed(inside)?));
        }
        if let Some(key) = duplicate(&members) {
            return Err(self.state.refuse(Error::DuplicateKey(key)));
        }
        // A list of 100,000 files is as many small objects.
        members.shrink_to_fit();
        Ok(Json::Object(members))
    }
}

/// Finds a key that occurs twice; linear for the usual small object, sorted for a large one.
fn duplicate(members: &[(Cow<'_, str>, Json<'_>)]) -> Option<String> {
    let keys = members.iter().map(|(key, _)| key.as_ref());
    if members.len() <= 8 {
        let twice = |(index, key): (usize, &str)| keys.clone().take(index).any(|earlier| earlier == key);
        return keys.clone().enumerate().find(|&found| twice(found)).map(|(_, key)| key.to_owned());
    }
    let mut sorted: Vec<&str> = keys.collect();
    sorted.sort_unstable();
    sorted.windows(2).find_map(|pair| match pair {
        [a, b] if a == b => Some((*a).to_owned()),
        _ => None,
    })
}

#[cfg(test)]
mod tests;

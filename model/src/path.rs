//! The checked name of a file in a model: `weights/model-00001.safetensors`.
//!
//! A name is parsed once, here, under the rules of POSIX *and* Windows, whatever system this runs on: a manifest that
//! was signed on one must mean the same files on the other, and no name may point outside the model, name a device or
//! draw something else on a terminal than what it is. Names are neither normalised nor repaired; they are refused.
//! Two names that only look alike are the [manifest's](crate::Manifest) business.

mod forbidden;

use std::fmt;

use forbidden::{is_format_control, is_reserved_on_windows};
use unicode_normalization::UnicodeNormalization;

/// A relative path of a file or directory in a model: components joined by `/`, valid on POSIX and on Windows.
///
/// Ordered by the code points of the whole string, as OMS 1.0, section 5.2.1, orders resources.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ModelPath(Box<str>);

impl ModelPath {
    /// Parses a path, or says which rule it breaks.
    ///
    /// A path has at most 4096 bytes and 128 components of at most 255 bytes each.
    pub fn parse(text: &str) -> Result<Self, PathError> {
        if text.is_empty() {
            return Err(PathError::Empty);
        }
        check_length(text.len())?;
        if text.starts_with('/') {
            return Err(PathError::Absolute);
        }
        for component in text.split('/') {
            check_component(component)?;
        }
        check_depth(text.split('/').count())?;
        Ok(Self(text.into()))
    }

    /// Appends one component to a directory's path, `None` being the model's root.
    ///
    /// `depth` is the number of components of `parent`; the caller knows it, and counting it again for every file of a
    /// directory would read the whole path anew.
    pub(crate) fn join(parent: Option<&Self>, depth: usize, component: &str) -> Result<Self, PathError> {
        check_component(component)?;
        check_depth(depth.saturating_add(1))?;
        let Some(parent) = parent else {
            return Ok(Self(component.into()));
        };
        check_length(parent.0.len().saturating_add(component.len()).saturating_add(1))?;
        Ok(Self(format!("{}/{component}", parent.0).into()))
    }

    /// Gives the path as it is written in a manifest.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Gives the components from the root downwards.
    pub fn components(&self) -> impl DoubleEndedIterator<Item = &str> {
        self.0.split('/')
    }

    /// Whether `path` is this path or lies below it.
    #[must_use]
    pub fn covers(&self, path: &str) -> bool {
        path.strip_prefix(self.as_str()).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    }

    /// Gives the last component.
    pub(crate) fn file_name(&self) -> &str {
        self.0.rsplit_once('/').map_or(&*self.0, |(_, name)| name)
    }
}

impl fmt::Display for ModelPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl AsRef<str> for ModelPath {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

/// Why a text is not a [`ModelPath`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PathError {
    /// The text has no characters.
    #[error("the path is empty")]
    Empty,
    /// The path begins at a file system's root.
    #[error("the path is absolute")]
    Absolute,
    /// Two separators stand side by side, or one ends the path.
    #[error("the path has an empty component")]
    EmptyComponent,
    /// A component is `.` or `..`, or becomes one when its characters are replaced by their compatibility equivalents.
    #[error("the path has a \".\" or \"..\" component")]
    DotComponent,
    /// A character cannot stand in a Windows file name or separates directories there.
    #[error("the path holds the character U+{:04X}, which is not portable", u32::from(*.0))]
    NotPortable(char),
    /// A control character, newline and ESC among them.
    #[error("the path holds the control character U+{:04X}", u32::from(*.0))]
    Control(char),
    /// A character without a shape that changes how its neighbours are drawn: a direction override, a zero-width joiner.
    #[error("the path holds the invisible formatting character U+{:04X}", u32::from(*.0))]
    Format(char),
    /// A component ends in a space or dot, which Windows drops silently.
    #[error("a component of the path ends in a space or a dot")]
    TrailingSpaceOrDot,
    /// A component is the name of a Windows device, with or without extension.
    #[error("the component {0:?} is a reserved device name on Windows")]
    Reserved(String),
    /// A component is longer than common file systems can store.
    #[error("a component of the path is longer than {COMPONENT_BYTES} bytes")]
    ComponentTooLong,
    /// The path is longer than a Linux system call takes.
    #[error("the path is longer than {PATH_BYTES} bytes")]
    TooLong,
    /// The path is nested deeper than any model needs.
    #[error("the path has more than {COMPONENTS} components")]
    TooDeep,
    /// The name on disk is not Unicode text, so a manifest in JSON cannot hold it.
    #[error("the name is not valid UTF-8")]
    NotUtf8,
    /// A name of a byte range does not end in `:START:END`.
    #[error("the name does not end in a byte range \":START:END\"")]
    NoRange,
}

fn check_length(bytes: usize) -> Result<(), PathError> {
    if bytes > PATH_BYTES { Err(PathError::TooLong) } else { Ok(()) }
}

fn check_depth(components: usize) -> Result<(), PathError> {
    if components > COMPONENTS { Err(PathError::TooDeep) } else { Ok(()) }
}

fn check_component(component: &str) -> Result<(), PathError> {
    match component {
        "" => return Err(PathError::EmptyComponent),
        "." | ".." => return Err(PathError::DotComponent),
        _ => {}
    }
    if component.len() > COMPONENT_BYTES {
        return Err(PathError::ComponentTooLong);
    }
    for character in component.chars() {
        check_character(character)?;
    }
    if component.ends_with([' ', '.']) {
        return Err(PathError::TrailingSpaceOrDot);
    }
    if component.is_ascii() {
        return check_reserved(component);
    }
    check_compatibility_form(component)
}

fn check_character(character: char) -> Result<(), PathError> {
    match character {
        '\\' | ':' | '<' | '>' | '"' | '|' | '?' | '*' => Err(PathError::NotPortable(character)),
        ' '..='~' => Ok(()),
        _ if character.is_control() => Err(PathError::Control(character)),
        _ if is_format_control(character) => Err(PathError::Format(character)),
        _ => Ok(()),
    }
}

/// Refuses what turns into a separator, a dot component or a device name for software that applies NFKC to names:
/// `‥` (U+2025), `a／b` (U+FF0F), `℀` (U+2100), `COM¹`.
fn check_compatibility_form(component: &str) -> Result<(), PathError> {
    let form: String = component.nfkc().collect();
    if form == "." || form == ".." {
        return Err(PathError::DotComponent);
    }
    if form.contains(['/', '\\']) {
        let culprit = component.chars().find(|c| c.nfkc().any(|n| matches!(n, '/' | '\\')));
        return Err(PathError::NotPortable(culprit.unwrap_or('/')));
    }
    check_reserved(&form)
}

fn check_reserved(component: &str) -> Result<(), PathError> {
    if is_reserved_on_windows(component) { Err(PathError::Reserved(component.to_owned())) } else { Ok(()) }
}

/// The longest path, in bytes: `PATH_MAX` of Linux.
pub(crate) const PATH_BYTES: usize = 4096;
/// The longest component, in bytes: `NAME_MAX` of Linux.
const COMPONENT_BYTES: usize = 255;
/// The deepest nesting. It also bounds the walk.
pub(crate) const COMPONENTS: usize = 128;

#[cfg(test)]
#[allow(clippy::as_conversions)]
mod tests;

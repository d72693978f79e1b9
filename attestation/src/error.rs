//! What can be wrong with a document.

/// A document that cannot be read as what it claims to be.
///
/// Every variant means malformed or unsupported input, never a failure of this machine.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// More bytes than the reader's cap; nothing was parsed.
    #[error("{size} bytes are more than the cap of {limit}")]
    TooLarge {
        /// Size of the document in bytes.
        size: usize,
        /// The cap in bytes.
        limit: usize,
    },
    /// More values than the reader's cap.
    #[error("more than {limit} JSON values")]
    TooManyValues {
        /// The cap, counting every scalar, array and object.
        limit: usize,
    },
    /// Nested deeper than the reader's cap.
    #[error("JSON nested deeper than {limit} levels")]
    TooDeep {
        /// The cap, in levels of arrays and objects.
        limit: usize,
    },
    /// Not JSON (RFC 8259), or followed by something else.
    #[error("not valid JSON: {0}")]
    Json(String),
    /// One object has a key twice.
    #[error("duplicate key {0:?}")]
    DuplicateKey(String),
    /// A value of another type or form than the format demands.
    #[error("{path}: expected {expected}")]
    Shape {
        /// Where, as `field.field[index]`.
        path: String,
        /// What the format demands there.
        expected: &'static str,
    },
    /// A field that the format demands is absent or null.
    #[error("{path}: missing")]
    Missing {
        /// Where, as `field.field[index]`.
        path: String,
    },
    /// A field that the format does not have.
    #[error("{path}: unknown field")]
    UnknownField {
        /// Where, as `field.field[index]`.
        path: String,
    },
    /// A list longer than the reader's cap for it.
    #[error("{path}: more than {limit} elements")]
    TooMany {
        /// Where, as `field.field[index]`.
        path: String,
        /// The cap.
        limit: usize,
    },
    /// An envelope without exactly one signature.
    #[error("{0} signatures in the envelope, expected exactly one")]
    SignatureCount(usize),
    /// A bundle media type that is not read.
    #[error("unknown bundle media type {0:?}")]
    MediaType(String),
    /// A log entry of a kind or version that is not read.
    #[error("unknown log entry kind {kind:?} version {version:?}")]
    EntryKind {
        /// The entry's kind.
        kind: String,
        /// The entry's version.
        version: String,
    },
    /// A log entry says when it was made, and nothing signs that.
    #[error("the log entry claims the time {0} without the promise that would sign it")]
    UnprovenTime(u64),
    /// A value that is well formed and that this version does not support.
    #[error("{path}: unsupported {what} {found:?}")]
    Unsupported {
        /// Where, as `field.field[index]`.
        path: String,
        /// What it is.
        what: &'static str,
        /// What was found.
        found: String,
    },
    /// A statement about something else than a model.
    #[error("unexpected {what} {found:?}")]
    NotAModelStatement {
        /// Which field says so.
        what: &'static str,
        /// Its value.
        found: String,
    },
    /// A manifest that contradicts itself.
    #[error("{path}: {source}")]
    Manifest {
        /// Where, as `field.field[index]`.
        path: String,
        /// What is wrong with it.
        source: sealwax_model::Error,
    },
    /// A signing configuration that names fewer services of a kind than it says to ask.
    #[error(
        "no usable signing configuration: {needed} of the kind {what} needed, of different operators and valid now, {found} found"
    )]
    TooFewServices {
        /// The kind of service.
        what: &'static str,
        /// How many must be asked.
        needed: usize,
        /// How many are valid now, of a version that is known, and of different operators.
        found: usize,
    },
    /// A key that cannot be read.
    #[error("{path}: {source}")]
    Key {
        /// Where, as `field.field[index]`.
        path: String,
        /// What is wrong with it.
        source: sealwax_keys::Error,
    },
}

impl Error {
    /// Tells where in the document the error is, as `field.field[index]`; nothing where it has no place.
    pub fn path(&self) -> Option<&str> {
        match self {
            Self::Shape { path, .. }
            | Self::Missing { path }
            | Self::UnknownField { path }
            | Self::TooMany { path, .. }
            | Self::Unsupported { path, .. }
            | Self::Manifest { path, .. }
            | Self::Key { path, .. } => Some(path),
            _ => None,
        }
    }

    /// Says that the error happened inside the field `name`.
    pub(crate) fn within(self, name: &str) -> Self {
        let join = |path: String| match path.as_str() {
            "" => name.to_owned(),
            rest if rest.starts_with('[') => format!("{name}{rest}"),
            rest => format!("{name}.{rest}"),
        };
        match self {
            Self::Shape { path, expected } => Self::Shape { path: join(path), expected },
            Self::Missing { path } => Self::Missing { path: join(path) },
            Self::UnknownField { path } => Self::UnknownField { path: join(path) },
            Self::TooMany { path, limit } => Self::TooMany { path: join(path), limit },
            Self::Unsupported { path, what, found } => Self::Unsupported { path: join(path), what, found },
            Self::Manifest { path, source } => Self::Manifest { path: join(path), source },
            Self::Key { path, source } => Self::Key { path: join(path), source },
            other => other,
        }
    }
}

//! One line of a manifest: the name of a file or byte range, and its digest.
//!
//! ```text
//! weights/a.bin                a whole file
//! weights/a.bin:0:1000000000   a byte range, end excluded
//! .                            the whole model, where it is a single file
//! .:0:1000000000               a byte range of it
//! ```

use std::{fmt, ops::Range};

use crate::{
    path::{ModelPath, PathError},
    serialization::Method,
};

/// What a line covers and its digest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Resource {
    /// The file or byte range.
    pub name: ResourceName,
    /// The raw digest, as long as the manifest's hash function makes it.
    pub digest: Vec<u8>,
}

/// The name of a file or byte range on the wire.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ResourceName {
    /// `None`: the model is a single file, written as `.`.
    path: Option<ModelPath>,
    range: Option<(u64, u64)>,
}

impl ResourceName {
    /// Names a whole file, `None` being a model that is a single file.
    #[must_use]
    pub fn file(path: Option<ModelPath>) -> Self {
        Self { path, range: None }
    }

    /// Names a byte range, end excluded, of a file.
    #[must_use]
    pub fn shard(path: Option<ModelPath>, range: Range<u64>) -> Self {
        Self { path, range: Some((range.start, range.end)) }
    }

    /// Reads a name from a manifest of this method.
    ///
    /// The numbers of a byte range are read from the end (OMS 1.0, section 6.3.2): plain decimal, no sign, no leading
    /// zero. That ranges fit together is for [`Manifest::new`](crate::Manifest::new) to check.
    pub fn parse(text: &str, method: Method) -> Result<Self, PathError> {
        match method {
            Method::Files => Ok(Self::file(parse_file(text)?)),
            Method::Shards { .. } => {
                let (text, end) = split_number(text)?;
                let (text, start) = split_number(text)?;
                Ok(Self::shard(parse_file(text)?, start..end))
            }
        }
    }

    /// Gives the file's path, or `.` for a model that is a single file.
    #[must_use]
    pub fn file_name(&self) -> &str {
        self.path.as_ref().map_or(SINGLE_FILE, ModelPath::as_str)
    }

    /// Gives the file's path, or nothing for a model that is a single file.
    #[must_use]
    pub fn path(&self) -> Option<&ModelPath> {
        self.path.as_ref()
    }

    /// Gives the byte range, end excluded, or nothing where the line covers a whole file.
    #[must_use]
    pub fn range(&self) -> Option<Range<u64>> {
        self.range.map(|(start, end)| start..end)
    }
}

/// Writes the name as it stands in a manifest.
impl fmt::Display for ResourceName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.file_name())?;
        match self.range {
            Some((start, end)) => write!(f, ":{start}:{end}"),
            None => Ok(()),
        }
    }
}

fn parse_file(text: &str) -> Result<Option<ModelPath>, PathError> {
    if text == SINGLE_FILE { Ok(None) } else { ModelPath::parse(text).map(Some) }
}

fn split_number(text: &str) -> Result<(&str, u64), PathError> {
    let (rest, digits) = text.rsplit_once(':').ok_or(PathError::NoRange)?;
    let canonical = !digits.is_empty()
        && digits.bytes().all(|byte| byte.is_ascii_digit())
        && (digits == "0" || !digits.starts_with('0'));
    if !canonical {
        return Err(PathError::NoRange);
    }
    Ok((rest, digits.parse().map_err(|_| PathError::NoRange)?))
}

/// What stands for the path of a model that is a single file. The Python client writes and demands it.
const SINGLE_FILE: &str = ".";

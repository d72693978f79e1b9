//! Where a model's bundle is, how it is read, and how it is replaced whole or not at all.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use sealwax_attestation::Bundle;
use sealwax_model::ModelPath;

use crate::error::Error;
use crate::key_files::{self, io_error};

/// The bundle's place on disk.
#[derive(Debug)]
pub(crate) struct SignatureFile {
    model: PathBuf,
    path: PathBuf,
}

impl SignatureFile {
    /// Decides the place: where the person says, `MODEL/model.sig` for a directory, `MODEL.sig` for a file.
    ///
    /// # Errors
    /// [`Error::Model`] where there is no model.
    pub(crate) fn locate(model: &Path, chosen: Option<&Path>) -> Result<Self, Error> {
        let metadata = fs::metadata(model).map_err(|source| match source.kind() {
            std::io::ErrorKind::NotFound => {
                let path = model.to_owned();
                let not_found = sealwax_model::Error::NotFound { path: model.display().to_string() };
                Error::Model { path, source: not_found }
            }
            _ => io_error("read", model, source),
        })?;
        let path = match chosen {
            Some(path) => path.to_owned(),
            None if metadata.is_dir() => model.join("model.sig"),
            None => {
                let mut name = model.as_os_str().to_owned();
                name.push(".sig");
                PathBuf::from(name)
            }
        };
        Ok(Self { model: model.to_owned(), path })
    }

    /// The place.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// The place relative to the model, if it is inside: it is never part of what is signed.
    ///
    /// # Errors
    /// [`Error::Usage`] where its name inside the model is not portable.
    pub(crate) fn within_model(&self) -> Result<Option<ModelPath>, Error> {
        let parent =
            self.path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let (Ok(parent), Ok(model)) = (parent.canonicalize(), self.model.canonicalize()) else {
            return Ok(None);
        };
        let Some(name) = self.path.file_name() else {
            return Err(Error::Usage(format!("{}: not the name of a file", self.path.display())));
        };
        let Ok(relative) = parent.strip_prefix(&model).map(|parent| parent.join(name)) else {
            return Ok(None);
        };
        let text = relative.to_string_lossy();
        let path = ModelPath::parse(&text)
            .map_err(|reason| Error::Usage(format!("{}: {reason}", self.path.display())))?;
        Ok(Some(path))
    }

    /// Reads the bundle's bytes, at most [`Bundle::MAX_BYTES`].
    ///
    /// # Errors
    /// [`Error::NoBundle`] where there is none.
    pub(crate) fn read(&self) -> Result<Vec<u8>, Error> {
        let limit = u64::try_from(Bundle::MAX_BYTES).unwrap_or(u64::MAX);
        key_files::read_capped(&self.path, limit).map_err(|error| match error {
            Error::Io { source, .. } if source.kind() == std::io::ErrorKind::NotFound => {
                Error::NoBundle { path: self.path.clone() }
            }
            other => other,
        })
    }

    /// Refuses to replace a file that is not a bundle, before any work is done.
    ///
    /// # Errors
    /// [`Error::NotOurs`].
    pub(crate) fn check_replaceable(&self) -> Result<(), Error> {
        match fs::symlink_metadata(&self.path) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
            Err(source) => Err(io_error("read", &self.path, source)),
            Ok(metadata) if metadata.is_file() && (metadata.len() == 0 || self.looks_like_a_bundle()) => {
                Ok(())
            }
            Ok(_) => Err(Error::NotOurs { path: self.path.clone() }),
        }
    }

    fn looks_like_a_bundle(&self) -> bool {
        self.read().is_ok_and(|text| {
            let head = text.get(..text.len().min(4_096)).unwrap_or_default();
            head.starts_with(b"{")
                && String::from_utf8_lossy(head).contains("application/vnd.dev.sigstore.bundle")
        })
    }

    /// Puts a bundle there: the old one or the new one is seen, never a part, and it is on disk when this returns.
    pub(crate) fn replace(&self, text: &str) -> Result<(), Error> {
        let failed = |source| io_error("write", &self.path, source);
        let parent =
            self.path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let mut file = tempfile::Builder::new()
            .prefix(".sealwax-")
            .suffix(".tmp")
            .permissions(std::os::unix::fs::PermissionsExt::from_mode(0o644))
            .tempfile_in(parent)
            .map_err(failed)?;
        file.write_all(text.as_bytes()).and_then(|()| file.as_file().sync_all()).map_err(failed)?;
        file.persist(&self.path).map_err(|error| failed(error.error))?;
        key_files::sync_parent(&self.path).map_err(failed)
    }
}

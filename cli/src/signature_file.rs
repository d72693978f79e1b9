//! Where a model's bundle is, how it is read, and how it is replaced whole or not at all.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use sealwax_attestation::Bundle;
use sealwax_model::ModelPath;
use sealwax_verify::Rejection;

use crate::error::Error;
use crate::files::{self, io_error};

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
            io::ErrorKind::NotFound => {
                let source = sealwax_model::Error::NotFound { path: model.display().to_string() };
                Error::Model { path: model.to_owned(), source }
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
        let (Ok(parent), Ok(model)) = (files::parent(&self.path).canonicalize(), self.model.canonicalize())
        else {
            return Ok(None);
        };
        let Some(name) = self.path.file_name() else {
            return Err(Error::Usage(format!("{}: not the name of a file", self.path.display())));
        };
        let Ok(relative) = parent.strip_prefix(&model).map(|parent| parent.join(name)) else {
            return Ok(None);
        };
        let not_text = || Error::Usage(format!("{}: its name is not text", self.path.display()));
        let path = ModelPath::parse(relative.to_str().ok_or_else(not_text)?)
            .map_err(|reason| Error::Usage(format!("{}: {reason}", self.path.display())))?;
        Ok(Some(path))
    }

    /// Reads the bundle, at most [`Bundle::MAX_BYTES`] of it.
    ///
    /// # Errors
    /// [`Error::NoBundle`] where there is none, [`Error::Rejected`] where it is not a bundle.
    pub(crate) fn bundle(&self) -> Result<Bundle, Error> {
        Bundle::from_json(&self.read()?).map_err(|error| self.rejected(error.into()))
    }

    /// Says no about this bundle.
    pub(crate) fn rejected(&self, rejection: Rejection) -> Error {
        Error::Rejected { bundle: self.path.clone(), rejection: Box::new(rejection) }
    }

    fn read(&self) -> Result<Vec<u8>, Error> {
        let limit = u64::try_from(Bundle::MAX_BYTES).unwrap_or(u64::MAX);
        files::read_capped(&self.path, limit).map_err(|error| match error {
            Error::Io { source, .. } if source.kind() == io::ErrorKind::NotFound => {
                Error::NoBundle { path: self.path.clone(), model: self.model.clone() }
            }
            other => other,
        })
    }

    /// Makes sure, before any work is done, that a bundle can be put there: refuses to replace a file that is not one, and
    /// removes what a killed run left behind, which would otherwise be signed as a file of the model.
    ///
    /// # Errors
    /// [`Error::NotOurs`]; [`Error::BeingSigned`] while another process is about to put one there.
    pub(crate) fn prepare(&self) -> Result<(), Error> {
        match fs::symlink_metadata(&self.path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(source) => return Err(io_error("read", &self.path, source)),
            Ok(metadata) if metadata.is_file() && !self.is_the_model() && self.looks_like_a_bundle() => {}
            Ok(_) => return Err(Error::NotOurs { path: self.path.clone() }),
        }
        let temporary = self.temporary();
        match files::open_regular(&temporary) {
            Err(Error::Io { source, .. }) if source.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(error),
            Ok(leftover) => self.lock(&leftover)?,
        }
        fs::remove_file(&temporary).map_err(|source| io_error("remove", &temporary, source))
    }

    /// Begins to write: what can fail, fails before the log has taken an entry.
    ///
    /// # Errors
    /// [`Error::BeingSigned`] while another process does the same.
    pub(crate) fn begin(&self) -> Result<Pending<'_>, Error> {
        let temporary = self.temporary();
        let made = OpenOptions::new().write(true).create_new(true).mode(0o644).open(&temporary);
        let file = made.map_err(|source| match source.kind() {
            io::ErrorKind::AlreadyExists => Error::BeingSigned { path: self.path.clone() },
            _ => io_error("write", &self.path, source),
        })?;
        self.lock(&file)?;
        Ok(Pending { place: self, temporary, file, done: false })
    }

    /// One name beside the bundle's, so that a leftover is known for what it is.
    fn temporary(&self) -> PathBuf {
        let mut name = std::ffi::OsString::from(".");
        name.push(self.path.file_name().unwrap_or_default());
        name.push(".sealwax-tmp");
        files::parent(&self.path).join(name)
    }

    /// The lock tells a file that is being written from one that a killed run left: it goes with its process.
    fn lock(&self, file: &File) -> Result<(), Error> {
        match file.try_lock() {
            Ok(()) => Ok(()),
            Err(TryLockError::WouldBlock) => Err(Error::BeingSigned { path: self.path.clone() }),
            Err(TryLockError::Error(source)) => Err(io_error("lock", &self.path, source)),
        }
    }

    fn is_the_model(&self) -> bool {
        matches!((self.path.canonicalize(), self.model.canonicalize()), (Ok(path), Ok(model)) if path == model)
    }

    fn looks_like_a_bundle(&self) -> bool {
        self.read().is_ok_and(|text| {
            let head = text.get(..text.len().min(4_096)).unwrap_or_default();
            head.starts_with(b"{")
                && String::from_utf8_lossy(head).contains("application/vnd.dev.sigstore.bundle")
        })
    }
}

/// A bundle on its way to its place.
#[derive(Debug)]
pub(crate) struct Pending<'a> {
    place: &'a SignatureFile,
    temporary: PathBuf,
    file: File,
    done: bool,
}

impl Pending<'_> {
    /// Puts the bundle in its place: the old one or the new one is seen, never a part, and it is on disk when this returns.
    pub(crate) fn finish(mut self, text: &str) -> Result<(), Error> {
        let path = &self.place.path;
        let failed = |source| io_error("write", path, source);
        self.file.write_all(text.as_bytes()).map_err(failed)?;
        self.file.sync_all().map_err(failed)?;
        fs::rename(&self.temporary, path).map_err(failed)?;
        self.done = true;
        files::sync_parent(path).map_err(failed)
    }
}

impl Drop for Pending<'_> {
    fn drop(&mut self) {
        if !self.done {
            let _ = fs::remove_file(&self.temporary);
        }
    }
}

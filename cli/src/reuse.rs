//! `--reuse`: the digests of unchanged files from an earlier run, kept in the person's own state directory.
//!
//! ```text
//! ~/.local/state/sealwax/reuse/key        32 random bytes, 0600
//! ~/.local/state/sealwax/reuse/<hex>      digests of one model, hashed in one way; docs/spec/reuse.md
//! ```
//!
//! Nothing here can fail a command, but for a home that is missing: what cannot be read, does not hold or cannot be kept only
//! means that files are read. What is kept is replaced whole, so that of two runs at once one wins.

use std::fs::{self, DirBuilder, File, Permissions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use serde_json::{Value, json};

use sealwax_model::{Error as ModelError, HashOptions, Hashed, Known, Reused};

use crate::error::Error;
use crate::files;
use crate::progress;
use crate::terminal::{Tone, bytes, count};
use crate::world::World;

/// Hashes a model as [`progress::hash`] does, without reading what is known.
pub(crate) fn hash(
    model: &Path,
    options: HashOptions,
    verb: &'static str,
    world: &World,
    refused: impl FnOnce(ModelError) -> Error,
) -> Result<Hashed, Error> {
    let note = |what: &str| world.terminal.say(Tone::Plain, "note:", what);
    let place = Place::open(world.state_dir()?, model, &options);
    let known = match &place {
        Ok(place) => place.known().unwrap_or_else(|reason| {
            note(&format!("{}: {reason}; every file is read", place.path.display()));
            Known::default()
        }),
        Err(_) => Known::default(),
    };
    let options = HashOptions { known: Some(known), ..options };
    let hashed = progress::hash(model, &options, verb, world.terminal, refused)?;
    let kept = place.and_then(|place| hashed.known.as_ref().map_or(Ok(()), |known| place.keep(known)));
    if let Err(error) = kept {
        note(&format!("what was hashed is not kept for the next time: {error}"));
    }
    Ok(hashed)
}

/// Says what was read and what was not; nothing where reuse was not asked for.
pub(crate) fn describe(hashed: &Hashed) -> Option<String> {
    let (read, Reused { files, bytes: reused }) = (read(hashed)?, hashed.reused);
    Some(format!(
        "{} ({}) not read, unchanged since hashed before; {} ({}) read",
        count(files, "file"),
        bytes(reused),
        count(read.files, "file"),
        bytes(read.bytes)
    ))
}

/// Says the same for programs.
pub(crate) fn to_json(hashed: &Hashed) -> Option<Value> {
    let (read, reused) = (read(hashed)?, hashed.reused);
    Some(json!({
        "files": reused.files,
        "bytes": reused.bytes,
        "read_files": read.files,
        "read_bytes": read.bytes,
    }))
}

fn read(hashed: &Hashed) -> Option<Reused> {
    hashed.known.as_ref()?;
    let Reused { files, bytes } = hashed.reused;
    Some(Reused { files: hashed.files.saturating_sub(files), bytes: hashed.bytes.saturating_sub(bytes) })
}

/// Where the digests of one model are kept, and under which key.
struct Place {
    path: PathBuf,
    key: [u8; 32],
    scope: [u8; 32],
}

impl Place {
    fn open(state: PathBuf, model: &Path, options: &HashOptions) -> io::Result<Self> {
        let dir = state.join("reuse");
        DirBuilder::new().recursive(true).mode(0o700).create(&dir)?;
        let scope = Known::scope(&model.canonicalize()?, &options.serialization);
        Ok(Self { key: read_or_make_key(&dir)?, path: dir.join(hex::encode(scope)), scope })
    }

    /// Gives what is known: nothing where nothing was kept.
    fn known(&self) -> Result<Known, String> {
        let limit = u64::try_from(Known::MAX_BYTES).unwrap_or(u64::MAX).saturating_add(SEAL);
        match files::read_capped(&self.path, limit) {
            Ok(sealed) => Known::open(&sealed, &self.key, &self.scope).map_err(|error| error.to_string()),
            Err(Error::Io { source, .. }) if source.kind() == io::ErrorKind::NotFound => Ok(Known::default()),
            Err(error) => Err(error.to_string()),
        }
    }

    fn keep(&self, known: &Known) -> io::Result<()> {
        let dir = files::parent(&self.path);
        // Not synced: what a power cut leaves half written does not hold, and is made anew.
        let mut file = tempfile::NamedTempFile::new_in(dir)?;
        file.write_all(&known.seal(&self.key, &self.scope))?;
        file.persist(&self.path)?;
        prune(dir)
    }
}

/// Reads the key, or makes another where there is none that only its owner knows: what others can read, others can use.
fn read_or_make_key(dir: &Path) -> io::Result<[u8; 32]> {
    let path = dir.join(KEY);
    if let Some(key) = read_key(&path) {
        return Ok(key);
    }
    let mut key = [0; 32];
    getrandom::fill(&mut key).map_err(io::Error::other)?;
    let mut file = tempfile::NamedTempFile::new_in(dir)?;
    file.as_file().set_permissions(Permissions::from_mode(0o600))?;
    file.write_all(&key)?;
    file.persist(&path)?;
    // Another run may have put its own there meanwhile.
    read_key(&path).ok_or_else(|| io::Error::other("the key cannot be read back"))
}

fn read_key(path: &Path) -> Option<[u8; 32]> {
    let file: File = files::open_regular(path).ok()?;
    let metadata = file.metadata().ok()?;
    let private = metadata.mode() & 0o077 == 0 && metadata.uid() == rustix::process::geteuid().as_raw();
    let mut key = Vec::new();
    file.take(33).read_to_end(&mut key).ok()?;
    key.try_into().ok().filter(|_| private)
}

/// Removes what was used longest ago, so that no more than so many models, and what killed runs left, take up space.
fn prune(dir: &Path) -> io::Result<()> {
    let mut kept: Vec<(SystemTime, u64, PathBuf)> = Vec::new();
    for entry in fs::read_dir(dir)? {
        let entry = entry?;
        let metadata = entry.metadata()?;
        if metadata.is_file() && entry.file_name() != KEY {
            kept.push((metadata.modified()?, metadata.len(), entry.path()));
        }
    }
    kept.sort_unstable_by(|a, b| b.cmp(a));
    let mut bytes = 0_u64;
    for (number, (_, length, path)) in kept.iter().enumerate() {
        bytes = bytes.saturating_add(*length);
        if number >= MAX_MODELS || bytes > MAX_BYTES {
            // Somebody else may have removed it already.
            let _ = fs::remove_file(path);
        }
    }
    Ok(())
}

const KEY: &str = "key";
/// The models whose digests are kept, and the bytes of all of them.
const MAX_MODELS: usize = 64;
const MAX_BYTES: u64 = 256 << 20;
/// More bytes than the sealed form has beside what it seals.
const SEAL: u64 = 1024;

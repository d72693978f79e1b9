//! The end of an instance's log, and the move to the next one.
//!
//! The next log is built whole in `next/`, its `instance.json` included. Then, each an atomic step:
//!
//! | step | |
//! | --- | --- |
//! | 1 | `trusted_root.json` has the next log beside the old one |
//! | 2, 3 | `keys/log.pem` and `log/` go to `shards/<old origin>/` |
//! | 4, 5 | `next/log.pem` and `next/log/` take their places |
//! | 6 | `next/instance.json` becomes `instance.json`, which names the next log |
//! | 7 | `next/`, now empty, is removed |
//!
//! Wherever this is interrupted, the same again goes on after the last step that was done, and until then the instance is
//! opened for nothing else.

use std::fs;
use std::path::{Path, PathBuf};

use jiff::Timestamp;

use sealwax_attestation::TrustedRoot;
use sealwax_transparency_log::Directory;

use crate::error::Error;
use crate::files::{self, io_error};
use crate::key_files;
use crate::world::World;

use super::{Instance, LOG, MARKER, making, open_marker, rename};

impl Instance {
    /// Closes the log for ever, and says so in the trusted root. Returns its size. Again it changes nothing.
    ///
    /// # Errors
    /// Those of the log; it must not be in use.
    pub(crate) fn freeze(&self, world: &World) -> Result<u64, Error> {
        let failed = |source| Error::Log { path: self.log_path(), source };
        let mut log = self.idle_log(world)?;
        log.freeze().map_err(failed)?;
        let mut root = self.trusted_root()?;
        let own = root.logs.iter_mut().find(|log| log.origin == self.origin && log.valid_until.is_none());
        if let Some(own) = own {
            own.valid_until = Timestamp::from_second(world.now().as_second()).ok();
            self.replace_trusted_root(&root)?;
        }
        Ok(log.checkpoint().map_err(failed)?.size)
    }

    /// Whether a move to the next log has begun and not ended.
    pub(crate) fn is_moving(&self) -> bool {
        self.next_path().exists()
    }

    /// Freezes the log and moves to a next one, or finishes doing so, and gives the instance as it is then.
    ///
    /// # Errors
    /// [`Error::Usage`] where there is a log of that origin already, the move that is under way is to another one, or there
    /// is nothing to freeze; and those of the log.
    pub(crate) fn move_on(
        &self,
        origin: Option<&str>,
        log_key: Option<&Path>,
        world: &World,
    ) -> Result<Instance, Error> {
        let next = self.next_path();
        if next.exists() && !next.join(MARKER).exists() {
            return self.finish();
        }
        if !next.exists() {
            // Freezing cannot be undone: whatever can be refused is refused before.
            self.check_next(origin, log_key, world)?;
            self.freeze(world)?;
            files::create_directory(&next, world.now(), |dir| {
                let log = making::create_log(&dir.join(SHARD_KEY), &dir.join(LOG), origin, log_key, world)?;
                making::create_marker(&dir.join(MARKER), &log.origin)
            })?;
        }
        let new_origin = open_marker(&next)?;
        if origin.is_some_and(|origin| origin != new_origin) {
            let what = format!("the move to {new_origin} is under way; finish it without --origin");
            return Err(Error::Usage(what));
        }
        let shard = self.shard_path(&self.origin);
        let (old_key, old_log) = (shard.join(SHARD_KEY), shard.join(LOG));
        // Two of these at a time would undo each other.
        let held = if old_log.exists() { &old_log } else { &self.log_path() };
        let _held =
            Directory::writer(held, |_| false).map_err(|source| Error::Log { path: held.clone(), source })?;

        self.trust_next(&next, &new_origin, world)?;
        fs::create_dir_all(&shard).map_err(|source| io_error("create", &shard, source))?;
        // Done is what has arrived: afterwards another file stands where these were.
        for (from, to) in [(self.log_key_path(), old_key), (self.log_path(), old_log)] {
            if !to.exists() {
                rename(&from, &to)?;
            }
        }
        // Done is what has gone.
        let places = [
            (next.join(SHARD_KEY), self.log_key_path()),
            (next.join(LOG), self.log_path()),
            (next.join(MARKER), self.dir.join(MARKER)),
        ];
        for (from, to) in places {
            if from.exists() {
                rename(&from, &to)?;
            }
        }
        self.finish()
    }

    fn check_next(&self, origin: Option<&str>, log_key: Option<&Path>, world: &World) -> Result<(), Error> {
        if let Some(origin) = origin {
            making::checked_origin(origin)?;
            if self.trusted_root()?.logs.iter().any(|log| log.origin == origin) {
                return Err(Error::Usage(format!("{origin} is a log of this instance already")));
            }
        }
        if let Some(given) = log_key {
            let key = key_files::read_note_key(given, world)?;
            // Two logs under one key would be two histories that one signature could be for.
            if self.trusted_root()?.logs.iter().any(|log| log.key == *key.public_key()) {
                let what = "is the key of an earlier log; the next one needs its own";
                return Err(Error::Usage(format!("{}: {what}", key_files::name_of(given))));
            }
        }
        // Whoever does this again after it was done would otherwise freeze what it made.
        if self.log_view()?.checkpoint().size == 0 {
            return Err(Error::Usage(format!("{} has no entries: there is nothing to freeze", self.origin)));
        }
        Ok(())
    }

    /// Adds the next log to the trusted root, if it is not there; its key is still in `next/` then.
    fn trust_next(&self, next: &Path, origin: &str, world: &World) -> Result<(), Error> {
        let mut root = self.trusted_root()?;
        if root.logs.iter().any(|log| log.origin == origin) {
            return Ok(());
        }
        root.logs.push(making::describe_log(&next.join(SHARD_KEY), origin, world)?);
        self.replace_trusted_root(&root)
    }

    fn finish(&self) -> Result<Instance, Error> {
        let next = self.next_path();
        fs::remove_dir(&next).map_err(|source| io_error("remove", &next, source))?;
        Instance::open(&self.dir)
    }

    fn replace_trusted_root(&self, root: &TrustedRoot) -> Result<(), Error> {
        files::replace_public(&self.trusted_root_path(), &root.to_json())
    }

    fn next_path(&self) -> PathBuf {
        self.dir.join(NEXT)
    }
}

const NEXT: &str = "next";
/// The key of a log that is not in its place, beside it.
const SHARD_KEY: &str = "log.pem";

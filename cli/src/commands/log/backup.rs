//! `sealwax log backup`
//!
//! ```text
//! <dir>/log/                 as of an instance, without anchor and index
//! <dir>/shards/<origin>/log/ the same of each frozen log
//! <dir>/ct/                  the same of the record of certificates
//! <dir>/authority/           what is public of the authority
//! <dir>/instance.json, trusted_root.json, policy.json, serve.toml, keys/signing.pub
//! ```

use std::path::{Path, PathBuf};

use clap::Args;
use serde_json::{Value, json};

use sealwax_tlog::VerifierKey;
use sealwax_transparency_log::{Damage, Directory, Mirrored, copy_envelopes, from_directory, mirror};

use crate::error::Error;
use crate::files::{self, io_error};
use crate::instance::{CT, Instance, LOG, MAX_SETTINGS};
use crate::progress::Entries;
use crate::terminal::{Tone, count};
use crate::world::World;

use super::{envelope_fits, origin};

#[derive(Debug, Args)]
pub(crate) struct Options {
    /// The backup: a new directory, or that of an earlier backup of the same instance
    #[arg(value_name = "DIR")]
    directory: PathBuf,
}

pub(crate) fn run(options: &Options, world: &World) -> Result<(), Error> {
    let instance = Instance::open(&world.instance_dir()?)?;
    let directory = &options.directory;
    move_frozen(&instance, directory)?;
    let mut damage = Vec::new();
    let mut rows = Vec::new();
    for log in instance.trusted_root()?.logs {
        let Some(from) = instance.log_of(&log.origin) else { continue };
        let relative = from.strip_prefix(instance.dir()).unwrap_or(&from);
        let key = log.verifier_key().map_err(|source| Error::TrustedRoot { path: from.clone(), source })?;
        let (row, unusable) = copy(&key, &from, &directory.join(relative), world)?;
        rows.push(row);
        damage.extend(unusable);
    }
    if instance.has_authority() {
        rows.push(copy(&instance.ct_verifier()?, &instance.ct_path(), &directory.join(CT), world)?.0);
    }
    for path in instance.public_files()? {
        let relative = path.strip_prefix(instance.dir()).unwrap_or(&path);
        // What says whether this instance is served is not there for one that is not.
        if path.is_file() {
            let bytes = files::read_capped(&path, MAX_SETTINGS)?;
            let target = directory.join(relative);
            let parent = files::parent(&target);
            std::fs::create_dir_all(parent).map_err(|source| io_error("create", parent, source))?;
            files::replace_public(&target, &String::from_utf8_lossy(&bytes))?;
        }
    }
    if !damage.is_empty() {
        return Err(Error::LogDamaged { path: instance.log_path(), damage });
    }
    let what = "the secret keys are not in it: keep a copy of keys/ in another safe place";
    world.terminal.say(Tone::Plain, "note:", what);
    world.terminal.json(&json!({
        "verdict": "backed up",
        "directory": directory.display().to_string(),
        "logs": rows,
    }))
}

/// Copies one log, and gives what there is to say of it, and which envelopes do not fit.
fn copy(key: &VerifierKey, from: &Path, to: &Path, world: &World) -> Result<(Value, Vec<Damage>), Error> {
    let failed = |source| Error::Log { path: from.to_owned(), source };
    let target =
        Directory::writer(to, |_| false).map_err(|source| Error::Log { path: to.to_owned(), source })?;
    let bar = Entries::new(world.terminal, "backing up");
    let copied =
        mirror(&target, &from_directory(from), key, &|read, of| bar.show(read, of)).and_then(|done| {
            let (envelopes, damage) = copy_envelopes(&Directory::reader(from), &target, &envelope_fits)?;
            Ok((done, envelopes, damage))
        });
    bar.clear();
    let (Mirrored { from: before, size, root }, envelopes, damage) = copied.map_err(failed)?;
    let new = size.saturating_sub(before);
    let what = format!(
        "{}, {} ({new} new), {}",
        key.name(),
        count(size, "entry"),
        count(envelopes, "new statement")
    );
    world.terminal.result(Tone::Good, "backed up", &what)?;
    let row = json!({
        "origin": key.name(),
        "entries": size,
        "new_entries": new,
        "new_statements": envelopes,
        "root_hash": hex::encode(root.as_bytes()),
    });
    Ok((row, damage))
}

/// An earlier backup has as the instance's log what is a frozen one by now.
fn move_frozen(instance: &Instance, directory: &Path) -> Result<(), Error> {
    let log = directory.join(LOG);
    let Ok(note) = std::fs::read(log.join("tiles/checkpoint")) else { return Ok(()) };
    let known = origin(&note);
    let is_shard = instance.trusted_root()?.logs.iter().any(|log| log.origin == known);
    if !is_shard || known == instance.origin() {
        return Ok(());
    }
    let shard = instance.shard_path(&known);
    let to = directory.join(shard.strip_prefix(instance.dir()).unwrap_or(&shard));
    std::fs::create_dir_all(&to).map_err(|source| io_error("create", &to, source))?;
    let to = to.join(LOG);
    std::fs::rename(&log, &to).map_err(|source| io_error("move", &to, source))
}

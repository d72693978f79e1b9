//! `sealwax log restore`

use std::path::{Path, PathBuf};

use clap::Args;
use serde_json::json;

use sealwax_transparency_log::{Damage, Directory, Mode, restore};

use crate::error::Error;
use crate::files::{self, io_error};
use crate::instance::{CT, Instance, LOCK_TRIES, LOG};
use crate::progress::Entries;
use crate::terminal::{Tone, count};
use crate::world::World;

use super::envelope_fits;

#[derive(Debug, Args)]
pub(crate) struct Options {
    /// What `sealwax log backup` wrote
    #[arg(value_name = "BACKUP")]
    backup: PathBuf,

    /// Put it in the place of the log that is there, which is kept beside it as `log.replaced-N`
    #[arg(long)]
    replace: bool,
}

pub(crate) fn run(options: &Options, world: &World) -> Result<(), Error> {
    let instance = Instance::open(&world.instance_dir()?)?;
    let place = instance.log_path();
    // Without its key nothing is signed again, and an instance without keys is no place for a log.
    let key = instance.log_key(world)?.verifier().clone();
    if place.exists() && !options.replace {
        return Err(Error::LogInTheWay { path: place });
    }
    let config = instance.settings(None)?;
    let guards = instance.guards(&config)?;
    let confirms = !guards.outposts.is_empty();
    // Nobody may write to what is about to be moved away.
    let held = place
        .exists()
        .then(|| Directory::writer(&place, |_| false))
        .transpose()
        .map_err(|source| Error::Log { path: place.clone(), source })?;

    restore_record(&instance, &options.backup, &config, world)?;
    let building = instance.dir().join(BUILDING);
    remove(&building)?;
    let copy = options.backup.join(LOG);
    let frozen = instance.own_log()?.valid_until.is_some();
    let bar = Entries::new(world.terminal, "restoring");
    let done = restore(&building, &copy, &key, frozen, &envelope_fits, &|read, of| bar.show(read, of));
    bar.clear();
    let (mirrored, unusable) = match done {
        Ok(done) => done,
        Err(source) => {
            // Half a log is of no use to anybody; what is wrong with the backup is in the error.
            let _ = remove(&building);
            return Err(Error::Log { path: copy, source });
        }
    };
    if place.exists() {
        let kept = files::free_name(&place)?;
        rename(&place, &kept)?;
        world.terminal.say(Tone::Plain, "note:", &format!("the log that was there is in {}", kept.display()));
    }
    rename(&building, &place)?;
    drop(held);
    for Damage { path, what } in &unusable {
        world.terminal.say(Tone::Plain, "note:", &format!("not restored: {path}: {what}"));
    }
    // Whoever remembers more than the backup has, says so now and not at the next signature.
    let log = instance.guarded_log(guards, LOCK_TRIES, world).inspect_err(|_| {
        let what = format!("the backup, {}, is in its place, to be read", count(mirrored.size, "entry"));
        world.terminal.say(Tone::Plain, "note:", &what);
    })?;
    let what = format!("{}, {}, verified", instance.origin(), count(mirrored.size, "entry"));
    world.terminal.result(Tone::Good, "restored", &what)?;
    let mode = log.mode().map_err(|source| Error::Log { path: place, source })?;
    if mode == Mode::Restored {
        let what = match (confirms, &config.witnesses) {
            (_, Some(_)) => "it signs again once the witnesses confirm its size: start `sealwax serve`",
            (true, None) => {
                "it does not sign yet: the directory of log.anchor knows nothing of this log, or only an older state"
            }
            (false, None) => {
                "it does not sign yet: entries that are not in the backup may have been handed out; \
                 set log.anchor or [witnesses] in serve.toml to what remembers its last checkpoint, \
                 or start the next shard with `sealwax log freeze --next`"
            }
        };
        world.terminal.say(Tone::Plain, "note:", what);
    }
    world.terminal.json(&json!({
        "verdict": "restored",
        "origin": instance.origin(),
        "entries": mirrored.size,
        "root_hash": hex::encode(mirrored.root.as_bytes()),
        "mode": mode.to_string(),
    }))
}

/// Puts the record of certificates in its place, where the instance has an authority and has lost the record. One that is there
/// is newer than any backup, and is left alone. What was exchanged is not in a backup: invitations that were open are void.
fn restore_record(
    instance: &Instance,
    backup: &Path,
    config: &sealwax_server::Config,
    world: &World,
) -> Result<(), Error> {
    let (copy, place) = (backup.join(CT), instance.ct_path());
    if !instance.has_authority() {
        return Ok(());
    }
    if instance.restore_ledger()? {
        world.terminal.say(Tone::Plain, "note:", "invitations that were open are void; invite again");
    }
    if place.exists() || !copy.exists() {
        return Ok(());
    }
    let building = instance.dir().join(BUILDING);
    remove(&building)?;
    let key = instance.ct_verifier()?;
    let bar = Entries::new(world.terminal, "restoring");
    let done = restore(&building, &copy, &key, false, &envelope_fits, &|read, of| bar.show(read, of));
    bar.clear();
    let (mirrored, _) = done.map_err(|source| Error::Log { path: copy, source })?;
    rename(&building, &place)?;
    let what = format!("{}, {}, verified", key.name(), count(mirrored.size, "certificate"));
    world.terminal.result(Tone::Good, "restored", &what)?;
    let mode = instance.ct_log(config, world)?.mode();
    if mode.map_err(|source| Error::Log { path: place, source })? == Mode::Restored {
        let what = "no certificate is issued before log.anchor confirms the record's size, or \
                    `sealwax authority rotate ct` begins a new one";
        world.terminal.say(Tone::Plain, "note:", what);
    }
    Ok(())
}

fn rename(from: &Path, to: &Path) -> Result<(), Error> {
    std::fs::rename(from, to)
        .and_then(|()| files::sync_parent(to))
        .map_err(|source| io_error("move", to, source))
}

/// Removes what an interrupted run left.
fn remove(directory: &Path) -> Result<(), Error> {
    match std::fs::remove_dir_all(directory) {
        Err(source) if source.kind() != std::io::ErrorKind::NotFound => {
            Err(io_error("remove", directory, source))
        }
        _ => Ok(()),
    }
}

const BUILDING: &str = "log.restoring";

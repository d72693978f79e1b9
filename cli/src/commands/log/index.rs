//! `sealwax log rebuild-index` and `sealwax log prune`

use clap::Args;
use serde_json::json;

use sealwax_transparency_log::{Directory, SearchIndex};

use crate::commands::serve::INDEX;
use crate::error::Error;
use crate::instance::Instance;
use crate::terminal::{Tone, bytes, count};
use crate::world::World;

#[derive(Debug, Args)]
pub(crate) struct Prune {
    /// How much may stay, in bytes, or with a unit such as 4GiB
    #[arg(long, value_name = "SIZE", value_parser = crate::commands::sign::size)]
    keep: std::num::NonZeroU64,
}

/// The index of leaves and the search index, while no server holds the log.
pub(crate) fn rebuild(world: &World) -> Result<(), Error> {
    let instance = Instance::open(&world.instance_dir()?)?;
    let directory = instance.log_path();
    let failed = |source| Error::Log { path: directory.clone(), source };
    let mut log = instance.idle_log(world)?;
    log.rebuild_index().map_err(failed)?;
    let size = log.checkpoint().map_err(failed)?.size;
    SearchIndex::rebuild(&directory.join(INDEX), &Directory::reader(&directory), size).map_err(failed)?;
    world.terminal.result(
        Tone::Good,
        "rebuilt",
        &format!("{}, {}", instance.origin(), count(size, "entry")),
    )?;
    world.terminal.json(&json!({"verdict": "rebuilt", "origin": instance.origin(), "entries": size}))
}

/// The log is held, because a server writes envelopes too.
pub(crate) fn prune(options: &Prune, world: &World) -> Result<(), Error> {
    let instance = Instance::open(&world.instance_dir()?)?;
    let directory = instance.log_path();
    let failed = |source| Error::Log { path: directory.clone(), source };
    let log = instance.idle_log(world)?;
    let size = log.checkpoint().map_err(failed)?.size;
    let storage = Directory::reader(&directory);
    let mut index = SearchIndex::open(&directory.join(INDEX)).map_err(failed)?;
    index.catch_up(&storage, size).map_err(failed)?;
    let removed = index.prune(&storage, options.keep.get()).map_err(failed)?;
    let left = index.envelope_bytes().map_err(failed)?;
    let what = format!("{} removed, {} left", count(removed, "statement"), bytes(left));
    world.terminal.result(Tone::Good, "pruned", &what)?;
    world.terminal.json(&json!({"verdict": "pruned", "removed": removed, "left_bytes": left}))
}

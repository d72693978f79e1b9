//! `sealwax log mirror`

use std::path::PathBuf;

use clap::Args;
use serde_json::json;

use sealwax_transparency_log::{Directory, Error as LogError, Mirrored, mirror};

use crate::error::Error;
use crate::progress::Entries;
use crate::remote_log::RemoteLog;
use crate::terminal::{Tone, count};
use crate::world::World;

use super::Trust;

#[derive(Debug, Args)]
pub(crate) struct Options {
    /// Where the log serves its checkpoint and tiles
    #[arg(value_name = "URL")]
    url: String,

    /// The copy: a new directory, or that of an earlier copy of the same log
    #[arg(value_name = "DIR")]
    directory: PathBuf,

    #[command(flatten)]
    trust: Trust,
}

pub(crate) fn run(options: &Options, world: &World) -> Result<(), Error> {
    let Options { url, directory, trust } = options;
    let failed = |source| Error::Log { path: directory.clone(), source };
    let log = RemoteLog::new(url, world)?;
    let note = log.fetch("checkpoint").map_err(Error::Network)?;
    let key =
        trust.required(&note.ok_or_else(|| Error::Network(format!("{url}: no checkpoint is there")))?)?;

    let target = Directory::writer(directory, |_| false).map_err(failed)?;
    let bar = Entries::new(world.terminal, "copying");
    let done = mirror(&target, &|name| log.fetch(name), &key, &|read, of| bar.show(read, of));
    bar.clear();
    let Mirrored { from, size, root } = done.map_err(|source| match source {
        LogError::Source { name, reason } => Error::Network(format!("{name}: {reason}")),
        other => failed(other),
    })?;
    let what = format!("{}, {} ({} new)", key.name(), count(size, "entry"), size.saturating_sub(from));
    world.terminal.result(Tone::Good, "mirrored", &what)?;
    world.terminal.result(Tone::Plain, "root    ", &hex::encode(root.as_bytes()))?;
    world.terminal.json(&json!({
        "verdict": "mirrored",
        "origin": key.name(),
        "directory": directory.display().to_string(),
        "entries": size,
        "new_entries": size.saturating_sub(from),
        "root_hash": hex::encode(root.as_bytes()),
    }))
}

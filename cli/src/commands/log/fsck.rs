//! `sealwax log fsck`

use std::path::PathBuf;

use clap::Args;
use serde_json::json;

use sealwax_transparency_log::{Directory, Error as LogError, LogView, Report, Storage as _};

use crate::error::Error;
use crate::instance::Instance;
use crate::terminal::{Tone, count};
use crate::world::World;

use super::{Trust, envelope_fits};

#[derive(Debug, Args)]
pub(crate) struct Options {
    /// A mirror, or the log of a backup or of another instance [default: the instance's log]
    #[arg(value_name = "DIR")]
    directory: Option<PathBuf>,

    #[command(flatten)]
    trust: Trust,
}

pub(crate) fn run(options: &Options, world: &World) -> Result<(), Error> {
    let started = world.now();
    let (path, origin, report) = match &options.directory {
        Some(directory) => {
            let failed = |source| Error::Log { path: directory.clone(), source };
            let note = Directory::reader(directory).read("tiles/checkpoint").map_err(failed)?;
            let key = options.trust.required(&note.unwrap_or_default())?;
            let report = LogView::open(directory, &key).and_then(|view| view.check(&envelope_fits));
            (directory.clone(), key.name().to_owned(), report.map_err(failed)?)
        }
        None => {
            options.trust.unused()?;
            let instance = Instance::open(&world.instance_dir()?)?;
            (instance.log_path(), instance.origin().to_owned(), own(&instance, world)?)
        }
    };
    let took = world.now().duration_since(started);
    let Report { size, files, damage } = report;
    if !damage.is_empty() {
        return Err(Error::LogDamaged { path, damage });
    }
    let milliseconds = u64::try_from(took.as_millis()).unwrap_or(0).max(1);
    let rate = size.saturating_mul(1_000) / milliseconds;
    let what = format!("{origin}, {}, {}, {rate} entries/s", count(size, "entry"), count(files, "file"));
    world.terminal.result(Tone::Good, "sound", &what)?;
    world.terminal.json(&json!({
        "verdict": "sound",
        "origin": origin,
        "entries": size,
        "files": files,
        "seconds": took.as_secs_f64(),
    }))
}

/// Checks the log with its index where nobody uses it, else what is published.
fn own(instance: &Instance, world: &World) -> Result<Report, Error> {
    let failed = |source| Error::Log { path: instance.log_path(), source };
    match instance.idle_log(world) {
        Ok(log) => log.check(&envelope_fits).map_err(failed),
        Err(Error::Log { source: LogError::Busy { .. }, .. }) => {
            let what = "the log is in use: its index of leaves is not checked";
            world.terminal.say(Tone::Plain, "note:", what);
            instance.log_view()?.check(&envelope_fits).map_err(failed)
        }
        Err(error) => {
            // Opening stops at the first thing that is wrong; all of it shall be named.
            let report = instance.log_view()?.check(&envelope_fits).map_err(failed)?;
            if report.is_clean() { Err(error) } else { Ok(report) }
        }
    }
}

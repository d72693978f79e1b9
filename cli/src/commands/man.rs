//! `sealwax man`

use std::path::PathBuf;

use clap::{Args, CommandFactory as _};
use serde_json::json;

use crate::arguments::Arguments;
use crate::error::Error;
use crate::files::io_error;
use crate::terminal::Tone;
use crate::world::World;

#[derive(Debug, Args)]
pub(crate) struct Options {
    /// Directory to write the pages to; it must exist
    #[arg(value_name = "DIR")]
    directory: PathBuf,
}

pub(crate) fn run(options: &Options, world: &World) -> Result<(), Error> {
    let directory = &options.directory;
    clap_mangen::generate_to(Arguments::command(), directory)
        .map_err(|source| io_error("write the man pages to", directory, source))?;
    world.terminal.result(Tone::Plain, "written", &directory.display().to_string())?;
    world.terminal.json(&json!({"directory": directory.display().to_string()}))
}

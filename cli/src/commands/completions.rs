//! `sealwax completions`

use clap::{Args, CommandFactory as _};
use clap_complete::Shell;

use crate::arguments::Arguments;
use crate::error::Error;
use crate::world::World;

#[derive(Debug, Args)]
pub(crate) struct Options {
    /// The shell to complete in
    shell: Shell,
}

pub(crate) fn run(options: &Options, world: &World) -> Result<(), Error> {
    if world.terminal.json {
        return Err(Error::Usage("a completion script is not JSON; leave --json out".to_owned()));
    }
    let mut script = Vec::new();
    clap_complete::generate(options.shell, &mut Arguments::command(), "sealwax", &mut script);
    world.terminal.raw(&String::from_utf8_lossy(&script))
}

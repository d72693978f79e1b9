//! `sealwax log freeze`

use clap::Args;

use crate::error::Error;
use crate::world::World;

#[derive(Debug, Args)]
pub(crate) struct Options {
    /// Start the next log, with a new key, and sign there from now on
    #[arg(long)]
    next: bool,

    /// The next log's origin, a host name of yours that no other log has [default: made from the log's key]
    #[arg(long, value_name = "HOST", requires = "next")]
    origin: Option<String>,
}

pub(crate) fn run(options: &Options, world: &World) -> Result<(), Error> {
    let _ = (options.next, &options.origin, world);
    Ok(())
}

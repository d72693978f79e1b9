//! `sealwax log freeze`

use std::path::PathBuf;

use clap::Args;
use serde_json::json;

use crate::error::Error;
use crate::instance::Instance;
use crate::terminal::{Tone, count};
use crate::world::World;

#[derive(Debug, Args)]
pub(crate) struct Options {
    /// Start the next log, with a new key, and sign there from now on
    #[arg(long)]
    next: bool,

    /// The next log's origin, a host name of yours that no other log has [default: made from the log's key]
    #[arg(long, value_name = "HOST", requires = "next")]
    origin: Option<String>,

    /// Sign the next log with this Ed25519 key in a token, pkcs11:token=…;object=… [default: a new key in a file]
    #[arg(long, value_name = "URI", requires = "next")]
    log_key: Option<PathBuf>,
}

pub(crate) fn run(options: &Options, world: &World) -> Result<(), Error> {
    let dir = world.instance_dir()?;
    let terminal = world.terminal;
    if !options.next {
        let instance = Instance::open(&dir)?;
        let size = instance.freeze(world)?;
        let what = format!("{}, {}: it takes no more", instance.origin(), count(size, "entry"));
        terminal.result(Tone::Good, "frozen", &what)?;
        let hint = "hand out the trusted root again, which says since when: `sealwax instance export`";
        terminal.say(Tone::Plain, "hint:", hint);
        return terminal.json(&json!({"verdict": "frozen", "origin": instance.origin(), "entries": size}));
    }
    let (origin, log_key) = (options.origin.as_deref(), options.log_key.as_deref());
    let instance = Instance::open_unfinished(&dir)?.move_on(origin, log_key, world)?;
    let frozen = instance.shards()?.into_iter().map(|log| log.origin).collect::<Vec<_>>();
    terminal.result(Tone::Good, "frozen ", &frozen.join(", "))?;
    terminal.result(Tone::Good, "started", &format!("{}, the log from now on", instance.origin()))?;
    let hint = "hand out the trusted root again, which has both logs: `sealwax instance export`; \
                tell the witnesses the new log's key";
    terminal.say(Tone::Plain, "hint:", hint);
    terminal.json(&json!({"verdict": "started", "origin": instance.origin(), "frozen": frozen}))
}

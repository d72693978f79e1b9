//! One command, one file.

pub(crate) mod authority;
pub(crate) mod completions;
pub(crate) mod inspect;
pub(crate) mod instance;
pub(crate) mod key;
pub(crate) mod log;
pub(crate) mod man;
pub(crate) mod serve;
pub(crate) mod sign;
pub(crate) mod trust;
pub(crate) mod verify;
pub(crate) mod verify_blob;
pub(crate) mod witness;

use crate::arguments::{Arguments, Command};
use crate::error::Error;
use crate::world::World;

/// Runs the command that was typed.
pub(crate) fn dispatch(arguments: Arguments, world: &World) -> Result<(), Error> {
    match arguments.command {
        Command::Sign(options) => sign::run(&options, world),
        Command::Verify(options) => verify::run(&options, world),
        Command::VerifyBlob(options) => verify_blob::run(&options, world),
        Command::Inspect(options) => inspect::run(&options, world),
        Command::Key(action) => key::run(&action, world),
        Command::Instance(action) => instance::run(&action, world),
        Command::Authority(action) => authority::run(&action, world),
        Command::Trust(action) => trust::run(&action, world),
        Command::Log(action) => log::run(&action, world),
        Command::Witness(action) => witness::run(&action, world),
        Command::Serve(options) => serve::run(&options, world),
        Command::Completions(options) => completions::run(&options, world),
        Command::Man(options) => man::run(&options, world),
    }
}

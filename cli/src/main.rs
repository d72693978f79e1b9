//! The `sealwax` command.

mod arguments;
mod commands;
mod error;
mod escape;
mod files;
mod http;
mod identity;
mod instance;
mod key_files;
mod progress;
mod remote_log;
mod reuse;
mod services;
mod signature_file;
mod terminal;
mod trust_store;
mod whom;
mod world;

use std::process::ExitCode;

fn main() -> ExitCode {
    world::run(commands::dispatch)
}

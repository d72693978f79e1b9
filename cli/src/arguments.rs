//! What can be typed, and what it means. The texts here are also the man pages.

use std::path::PathBuf;

use clap::{ArgAction, Args, Parser, Subcommand};

use crate::commands::{
    authority, completions, inspect, instance, key, log, man, serve, sign, trust, verify, verify_blob,
    witness,
};

/// Sign machine-learning models, log the signatures, verify them offline.
#[derive(Debug, Parser)]
#[command(name = "sealwax", version, max_term_width = 100, disable_help_subcommand = true)]
#[command(
    after_help = "Exit codes: 0 accepted, 1 rejected, 2 usage, 3 could not check or do, 4 the log misbehaved, 70 a bug.\n`sealwax --version --verbose` also says how this processor hashes."
)]
pub(crate) struct Arguments {
    #[command(flatten)]
    pub(crate) global: Global,

    #[command(subcommand)]
    pub(crate) command: Command,
}

/// Options of every command.
#[derive(Debug, Args)]
#[command(next_help_heading = "Global options")]
pub(crate) struct Global {
    /// Directory of the instance, or for `sign` the URL of a served one [default: $SEALWAX_HOME, else the platform's data
    /// directory]
    #[arg(long, global = true, value_name = "DIR|URL")]
    pub(crate) instance: Option<PathBuf>,

    /// Print the result as one JSON object on standard output
    #[arg(long, global = true)]
    pub(crate) json: bool,

    /// Say nothing but errors
    #[arg(long, short, global = true)]
    pub(crate) quiet: bool,

    /// Print without colour (also: NO_COLOR)
    #[arg(long = "no-color", global = true, action = ArgAction::SetTrue)]
    pub(crate) no_color: bool,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Sign a model and record the signature in the instance's log
    Sign(sign::Options),
    /// Verify, offline, that a model is what its maintainer signed
    Verify(verify::Options),
    /// Verify, offline, any file that was signed with Sigstore
    VerifyBlob(verify_blob::Options),
    /// Show what a bundle says, without verifying it
    Inspect(inspect::Options),
    /// Make and show signing keys
    #[command(subcommand)]
    Key(key::Action),
    /// Make, show and hand out an instance: keys, log and trusted root
    #[command(subcommand)]
    Instance(instance::Action),
    /// Look after the instance's authority: who certifies identities and makes time stamps
    #[command(subcommand)]
    Authority(authority::Action),
    /// Say by name whom to trust, and keep up with them; or publish whom others can trust
    #[command(subcommand)]
    Trust(trust::Action),
    /// Look after the instance's log, or copy and check another one
    #[command(subcommand)]
    Log(log::Action),
    /// Be a witness for other logs: cosign what provably follows from what was seen before
    #[command(subcommand)]
    Witness(witness::Action),
    /// Serve the instance to a team: certificates, time stamps, the log, its proofs and search
    Serve(serve::Options),
    /// Print a shell completion script
    Completions(completions::Options),
    /// Write the man pages
    Man(man::Options),
}

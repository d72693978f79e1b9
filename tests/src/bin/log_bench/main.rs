//! Measures a large log against its budgets.
//!
//! ```text
//! $ cargo build --release -p sealwax && cargo run --release -p sealwax-tests --bin log_bench
//! 1000000 entries of 434 bytes, in batches of 256
//!   appending                                    9000 entries/s
//!   tiles and bundles beyond the entries         34.1 bytes/entry     at most 40
//! ```
//!
//! The log is made in a directory on disk, 1,000,000 entries by default (about 0.6 GB), and is kept for the next run where
//! `--directory` names its place. Entries are the ones that a team's log has: `hashedrekord` of one P-256 key, each with
//! another digest and signature. With `--check`, exit code 1 says that a budget was missed, 3 that one could not be
//! measured: a cold start needs the superuser, who alone can empty the page cache.

mod figures;
mod in_process;
mod served;

use std::error::Error;
use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;

use sealwax_tests::machine::{Load, cores, processor};

use figures::Figures;

/// Measures a large log against its budgets.
#[derive(Debug, Parser)]
struct Options {
    /// The number of entries
    #[arg(long, value_name = "N", default_value_t = 1_000_000, value_parser = clap::value_parser!(u64).range(256..))]
    entries: u64,

    /// Where the log is made, and found and filled up by the next run [default: a temporary directory]
    #[arg(long, value_name = "DIR")]
    directory: Option<PathBuf>,

    /// The sealwax binary that is served [default: the one beside this program]
    #[arg(long, value_name = "PATH")]
    sealwax: Option<PathBuf>,

    /// How many clients submit at a time
    #[arg(long, value_name = "N", default_value_t = 256)]
    clients: usize,

    /// How many entries they submit together; 0 leaves the service out
    #[arg(long, value_name = "N", default_value_t = 30_000)]
    submissions: usize,

    /// Fail where a budget is missed
    #[arg(long)]
    check: bool,
}

fn main() -> Result<ExitCode, Box<dyn Error>> {
    let options = Options::parse();
    let temporary = tempfile::Builder::new().prefix("sealwax-log-bench-").tempdir()?;
    let directory = options.directory.unwrap_or_else(|| temporary.path().to_owned());
    let mut out = io::stdout().lock();
    writeln!(out, "machine: {}, {} cores; log in {}", processor(), cores(), directory.display())?;
    let before = Load::now();
    let mut figures = Figures::default();
    if options.submissions > 0 {
        let sealwax = options.sealwax.unwrap_or(std::env::current_exe()?.with_file_name("sealwax"));
        let (clients, submissions) = (options.clients, options.submissions);
        served::run(&sealwax, temporary.path(), clients, submissions, &mut figures, &mut out)?;
    }
    in_process::run(&directory, options.entries, &mut figures, &mut out)?;
    let others = before.zip(Load::now()).map(|(before, after)| after.others_since(&before));
    if let Some(others) = others {
        writeln!(out, "other programs kept {others:.2} of {} cores busy meanwhile", cores())?;
    }
    Ok(if options.check { figures.verdict() } else { ExitCode::SUCCESS })
}

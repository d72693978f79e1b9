//! A process to be killed: it opens a log, appends to it and tells what it was promised.
//!
//! ```text
//! $ log_child DIRECTORY KEY WRITER BATCHES ENTRIES
//! started
//! opened 254
//! acknowledged 254 5 <checkpoint, hexadecimal>
//! done
//! ```
//!
//! It does what a server does: after a failure it takes the log up again from what is stored and repeats the batch, once;
//! after a failed flush it ends. Each line is one write.

use std::error::Error;
use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;

use sealwax_tests::log::{body, key};
use sealwax_tlog::{Checkpoint, Hash, proof};
use sealwax_transparency_log::{Log, NewEntry, Receipt};

/// Opens a log, appends to it and tells what it was promised.
#[derive(Debug, Parser)]
struct Options {
    /// The log's directory
    directory: PathBuf,
    /// The file of the log's key
    key: PathBuf,
    /// The number of this writer, which its entries name
    writer: u64,
    /// How many batches to append
    batches: u64,
    /// How many entries a batch has
    entries: u64,
}

fn main() -> Result<ExitCode, Box<dyn Error>> {
    let options = Options::parse();
    let key = key(&std::fs::read(&options.key)?);
    say("started")?;
    let (mut log, _) = Log::open(&options.directory, key, |_| false)?;
    let mut size = log.checkpoint()?.size;
    say(&format!("opened {size}"))?;
    for _ in 0..options.batches {
        let receipts = match append(&mut log, size, &options) {
            Err(error) if error.is_sync_failure() => {
                writeln!(io::stderr(), "{error}")?;
                // Nothing may bring this process back.
                return Ok(ExitCode::from(if log.reload().is_err() { FLUSH_FAILED } else { CAME_BACK }));
            }
            Err(error) => {
                writeln!(io::stderr(), "{error}")?;
                log.reload()?;
                append(&mut log, size, &options)?
            }
            Ok(receipts) => receipts,
        };
        let first = receipts.first().ok_or("no receipt")?;
        for (receipt, index) in receipts.iter().zip(size..) {
            let root = Checkpoint::open(&receipt.checkpoint, log.verifier_key())?.root;
            proof::verify_inclusion(&receipt.leaf, index, receipt.size, &receipt.proof, &root)?;
        }
        say(&format!("acknowledged {size} {} {}", receipts.len(), hex::encode(&first.checkpoint)))?;
        size = log.checkpoint()?.size;
    }
    say("done")?;
    Ok(ExitCode::SUCCESS)
}

fn append(
    log: &mut Log,
    size: u64,
    options: &Options,
) -> Result<Vec<Receipt>, sealwax_transparency_log::Error> {
    let bodies: Vec<Vec<u8>> =
        (size..).zip(0..options.entries).map(|(index, _)| body(index, options.writer)).collect();
    let digest = Hash::leaf(bodies.first().map(Vec::as_slice).unwrap_or_default());
    // One envelope a batch: it is stored like any other blob.
    let mut envelopes =
        bodies.first().map(|body| (digest.as_bytes().as_slice(), body.as_slice())).into_iter();
    let new: Vec<NewEntry<'_>> =
        bodies.iter().map(|body| NewEntry { body, envelope: envelopes.next() }).collect();
    log.append(&new)
}

fn say(line: &str) -> io::Result<()> {
    io::stdout().lock().write_all(format!("{line}\n").as_bytes())
}

/// A flush failed and the log stays stopped, as it should.
const FLUSH_FAILED: u8 = 4;
/// A flush failed and the log was taken up again.
const CAME_BACK: u8 = 5;

//! Talk and data: stderr is for people, stdout for results.

// This is the module that the bans of clippy.toml point to.
#![allow(clippy::disallowed_methods)]

use std::io::{self, IsTerminal as _, Write as _};

use sealwax_server::config::{Level, Messages};
use tracing_subscriber::filter::LevelFilter;

use crate::error::Error;
use crate::escape::{escape, escape_json};

/// Where a command's words go.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Terminal {
    /// Whether results are one JSON object.
    pub(crate) json: bool,
    quiet: bool,
    colour_out: bool,
    colour_talk: bool,
}

/// What a line is about; its label.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Tone {
    Good,
    Plain,
    Bad,
}

impl Terminal {
    pub(crate) fn new(json: bool, quiet: bool, colour: bool) -> Self {
        Self {
            json,
            quiet,
            colour_out: colour && io::stdout().is_terminal(),
            colour_talk: colour && io::stderr().is_terminal(),
        }
    }

    /// Whether a progress bar may be drawn.
    pub(crate) fn draws_progress(&self) -> bool {
        !self.quiet && io::stderr().is_terminal()
    }

    /// Says something to the person. A closed stderr is not worth failing for.
    pub(crate) fn say(&self, tone: Tone, label: &str, text: &str) {
        if !self.quiet {
            let _ = writeln!(io::stderr(), "{} {}", paint(self.colour_talk, tone, label), escape(text));
        }
    }

    /// Says what went wrong, quiet or not.
    pub(crate) fn complain(&self, label: &str, text: &str) {
        let _ = writeln!(io::stderr(), "{} {}", paint(self.colour_talk, Tone::Bad, label), escape(text));
    }

    /// Says what to do about what went wrong, quiet or not.
    pub(crate) fn advise(&self, text: &str) {
        let _ =
            writeln!(io::stderr(), "\n{} {}", paint(self.colour_talk, Tone::Plain, "hint:"), escape(text));
    }

    /// Asks the person, and takes only "yes" for one. `None` where nobody is there to ask.
    pub(crate) fn confirm(&self, question: &str) -> Option<bool> {
        if !io::stdin().is_terminal() || !io::stderr().is_terminal() {
            return None;
        }
        let mut answer = String::new();
        let asked =
            write!(io::stderr(), "{} [yes/no] ", escape(question)).and_then(|()| io::stderr().flush());
        let read = asked.and_then(|()| io::stdin().read_line(&mut answer));
        Some(read.is_ok() && answer.trim() == "yes")
    }

    /// Prints a line of the result for people. Nothing under `--json` or `--quiet`.
    ///
    /// # Errors
    /// [`Error::Stdout`]: a result that could not be delivered is never a success.
    pub(crate) fn result(&self, tone: Tone, label: &str, text: &str) -> Result<(), Error> {
        if self.json || self.quiet {
            return Ok(());
        }
        let label = paint(self.colour_out, tone, label);
        writeln!(io::stdout(), "{label} {}", escape(text)).map_err(Error::Stdout)
    }

    /// Prints the result as JSON, where that was asked for.
    ///
    /// # Errors
    /// As [`Terminal::result`].
    pub(crate) fn json(&self, value: &serde_json::Value) -> Result<(), Error> {
        if !self.json {
            return Ok(());
        }
        self.raw(&escape_json(&format!("{value:#}\n")))
    }

    /// Prints one of several JSON objects, on a line of its own, where that was asked for.
    ///
    /// # Errors
    /// As [`Terminal::result`].
    pub(crate) fn json_line(&self, value: &serde_json::Value) -> Result<(), Error> {
        if !self.json {
            return Ok(());
        }
        self.raw(&escape_json(&format!("{value}\n")))
    }

    /// Prints bytes of our own making as they are, such as a PEM file or a completion script.
    ///
    /// # Errors
    /// As [`Terminal::result`].
    pub(crate) fn raw(&self, text: &str) -> Result<(), Error> {
        let mut stdout = io::stdout();
        stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()).map_err(Error::Stdout)
    }
}

/// Sends a server's messages to standard error: text for people, or one JSON object a line. Field values are escaped by the
/// formatters, which write strings that come from outside in quotes.
pub(crate) fn start_messages(messages: Messages) {
    let level = match messages.level {
        Level::Error => LevelFilter::ERROR,
        Level::Warn => LevelFilter::WARN,
        Level::Info => LevelFilter::INFO,
        Level::Debug => LevelFilter::DEBUG,
    };
    let builder = tracing_subscriber::fmt().with_writer(io::stderr).with_ansi(false).with_max_level(level);
    // A second server in one process does not happen; if it did, the first one's messages go on.
    let _ = if messages.json { builder.json().try_init() } else { builder.try_init() };
}

fn paint(colour: bool, tone: Tone, label: &str) -> String {
    match (colour, tone) {
        (true, Tone::Good) => format!("\x1b[1;32m{label}\x1b[0m"),
        (true, Tone::Plain) => format!("\x1b[2m{label}\x1b[0m"),
        (true, Tone::Bad) => format!("\x1b[1;31m{label}\x1b[0m"),
        (false, _) => label.to_owned(),
    }
}

/// Writes a number of things, "1 file" or "2 files", "3 entries".
pub(crate) fn count(number: u64, thing: &str) -> String {
    let stem = thing.strip_suffix('y').filter(|stem| !stem.ends_with(['a', 'e', 'o', 'u']));
    match (number, stem) {
        (1, _) => format!("1 {thing}"),
        (_, Some(stem)) => format!("{number} {stem}ies"),
        (_, None) => format!("{number} {thing}s"),
    }
}

/// Writes a number of bytes for people, in binary units.
pub(crate) fn bytes(count: u64) -> String {
    const UNITS: [(u32, &str); 4] = [(40, "TiB"), (30, "GiB"), (20, "MiB"), (10, "KiB")];
    for (shift, unit) in UNITS {
        if let Some(whole) = count.checked_shr(shift).filter(|&whole| whole > 0) {
            let rest = count.checked_shr(shift.saturating_sub(10)).unwrap_or(0) & 1023;
            return format!("{whole}.{} {unit}", rest.saturating_mul(10) / 1024);
        }
    }
    format!("{count} B")
}

#[cfg(test)]
mod tests {
    use super::{bytes, count};

    #[test]
    fn writes_numbers_of_things() {
        let written = [count(1, "entry"), count(2, "entry"), count(2, "key"), count(0, "file")];
        assert_eq!(written, ["1 entry", "2 entries", "2 keys", "0 files"]);
    }

    #[test]
    fn writes_sizes_in_binary_units() {
        assert_eq!(bytes(0), "0 B");
        assert_eq!(bytes(1023), "1023 B");
        assert_eq!(bytes(1536), "1.5 KiB");
        assert_eq!(bytes(90_868_376), "86.6 MiB");
        assert_eq!(bytes(u64::MAX), "16777215.9 TiB");
    }
}

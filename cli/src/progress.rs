//! Progress bars: rate and time left, of hashing a model in bytes, of reading a log in entries. Drawn only on a terminal.

use std::path::Path;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use sealwax_model::{HashOptions, Hashed, Progress, hash_model};

use crate::error::Error;
use crate::terminal::Terminal;

/// Hashes a model; `refused` says what it means that the model itself, not the machine, is the reason that it cannot be done.
pub(crate) fn hash(
    model: &Path,
    options: &HashOptions,
    verb: &'static str,
    terminal: Terminal,
    refused: impl FnOnce(sealwax_model::Error) -> Error,
) -> Result<Hashed, Error> {
    let bar = Bar::new(terminal, verb);
    let hashed = hash_model(model, options, &bar);
    bar.clear();
    hashed.map_err(|source| match source.is_refusal() {
        true => refused(source),
        false => Error::Model { path: model.to_owned(), source },
    })
}

/// A bar on stderr, or nothing.
struct Bar(ProgressBar);

impl Bar {
    fn new(terminal: Terminal, verb: &'static str) -> Self {
        let template =
            "{prefix} {bar:28} {binary_bytes}/{binary_total_bytes} {binary_bytes_per_sec} {eta} left";
        Self(bar(terminal, verb, template))
    }

    /// Removes the bar, so that what follows stands in its place.
    fn clear(&self) {
        self.0.finish_and_clear();
    }
}

impl Progress for Bar {
    fn total(&self, _files: u64, bytes: u64) {
        self.0.set_length(bytes);
    }

    fn advance(&self, bytes: u64) {
        self.0.inc(bytes);
    }
}

/// A bar of a log's entries on stderr, or nothing.
pub(crate) struct Entries(ProgressBar);

impl Entries {
    pub(crate) fn new(terminal: Terminal, verb: &'static str) -> Self {
        Self(bar(terminal, verb, "{prefix} {bar:28} {human_pos}/{human_len} entries {per_sec} {eta} left"))
    }

    pub(crate) fn show(&self, done: u64, of: u64) {
        self.0.set_length(of);
        self.0.set_position(done);
    }

    /// Removes the bar, so that what follows stands in its place.
    pub(crate) fn clear(&self) {
        self.0.finish_and_clear();
    }
}

fn bar(terminal: Terminal, verb: &'static str, template: &str) -> ProgressBar {
    let target = match terminal.draws_progress() {
        true => ProgressDrawTarget::stderr(),
        false => ProgressDrawTarget::hidden(),
    };
    let bar = ProgressBar::with_draw_target(Some(0), target).with_prefix(verb);
    match ProgressStyle::with_template(template) {
        Ok(style) => bar.with_style(style),
        Err(_) => bar,
    }
}

//! Hashing a model with a progress bar: bytes, rate, time left. The bar is drawn only on a terminal.

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
        let target = if terminal.draws_progress() {
            ProgressDrawTarget::stderr()
        } else {
            ProgressDrawTarget::hidden()
        };
        let style = ProgressStyle::with_template(
            "{prefix} {bar:28} {binary_bytes}/{binary_total_bytes} {binary_bytes_per_sec} {eta} left",
        );
        let bar = ProgressBar::with_draw_target(Some(0), target).with_prefix(verb);
        Self(match style {
            Ok(style) => bar.with_style(style),
            Err(_) => bar,
        })
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

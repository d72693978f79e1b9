//! The progress bar of hashing: bytes, rate, time left. Only on a terminal.

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use sealwax_model::Progress;

use crate::terminal::Terminal;

/// A bar on stderr, or nothing.
pub(crate) struct Bar(ProgressBar);

impl Bar {
    pub(crate) fn new(terminal: Terminal, verb: &'static str) -> Self {
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
    pub(crate) fn clear(&self) {
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

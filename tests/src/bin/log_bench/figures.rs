//! What was measured, beside what was promised.

use std::io::{self, Write};
use std::process::ExitCode;

/// All figures so far: whether each kept its budget, nothing where it could not be measured.
#[derive(Default)]
pub(crate) struct Figures(Vec<Option<bool>>);

/// What a figure may be.
#[derive(Clone, Copy)]
pub(crate) enum Budget {
    AtMost(f64),
    AtLeast(f64),
    /// Nothing was promised.
    Open,
}

impl Figures {
    /// Prints a figure and its budget; `None` where it could not be measured.
    pub(crate) fn add(
        &mut self,
        out: &mut dyn Write,
        what: &str,
        measured: Option<f64>,
        unit: &str,
        budget: Budget,
    ) -> io::Result<()> {
        let kept = |keeps: fn(&f64, &f64) -> bool, bound| measured.map(|measured| keeps(&measured, &bound));
        let (bound, kept) = match budget {
            Budget::AtMost(bound) => (format!("at most {bound}"), kept(f64::le, bound)),
            Budget::AtLeast(bound) => (format!("at least {bound}"), kept(f64::ge, bound)),
            Budget::Open => (String::new(), Some(true)),
        };
        let digits = |measured| usize::from(measured < 100.0) + usize::from(measured < 10.0);
        let value = measured.map_or("–".to_owned(), |value| format!("{value:.*}", digits(value)));
        let missed = if kept == Some(false) { "  MISSED" } else { "" };
        let line = format!("  {what:<44} {value:>9} {unit:<16} {bound}{missed}");
        writeln!(out, "{}", line.trim_end())?;
        self.0.push(kept);
        Ok(())
    }

    /// Gives the exit code: 1 for a missed budget, 3 for one that could not be measured.
    pub(crate) fn verdict(&self) -> ExitCode {
        if self.0.contains(&Some(false)) {
            ExitCode::from(1)
        } else if self.0.contains(&None) {
            ExitCode::from(3)
        } else {
            ExitCode::SUCCESS
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missed_budget_is_seen_and_an_unmeasured_one_is_not_kept() {
        let mut figures = Figures::default();
        let mut add = |measured, budget| {
            let mut line = Vec::new();
            figures.add(&mut line, "x", measured, "s", budget).unwrap();
            (figures.verdict(), String::from_utf8(line).unwrap().contains("MISSED"))
        };
        assert_eq!(add(Some(1.0), Budget::AtMost(1.0)), (ExitCode::SUCCESS, false));
        assert_eq!(add(Some(1.0), Budget::AtLeast(1.0)), (ExitCode::SUCCESS, false));
        assert_eq!(add(Some(1.0), Budget::Open), (ExitCode::SUCCESS, false));
        assert_eq!(add(None, Budget::AtMost(1.0)), (ExitCode::from(3), false));
        assert_eq!(add(Some(1.1), Budget::AtMost(1.0)), (ExitCode::from(1), true));
        assert_eq!(add(Some(0.9), Budget::AtLeast(1.0)), (ExitCode::from(1), true));
    }
}

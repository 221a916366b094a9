//! `countersign check`.

use std::time::Duration;

use clap::Args;
use indicatif::ProgressBar;

use super::output::line;
use crate::command_error::CommandError;
use crate::operate::check::{Listener, Verdict, look_at_all};
use crate::services::Context;

/// Look at configuration, keys, file modes, database, clock and proxy settings, and say what to
/// change
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  countersign check --config /etc/countersign.toml")]
pub(super) struct Check {}

impl Check {
    pub(super) async fn run(self, context: &Context) -> Result<(), CommandError> {
        let mut printer = Printer::default();
        look_at_all(context, &mut printer).await?;
        match printer.failed {
            0 => Ok(()),
            1 => Err(CommandError::new("one thing must be changed; see above")),
            n => Err(CommandError::new(format!("{n} things must be changed; see above"))),
        }
    }
}

/// Prints what is found at once.
#[derive(Default)]
struct Printer {
    failed: usize,
    spinner: Option<ProgressBar>,
}

impl Listener for Printer {
    fn found(&mut self, verdict: Verdict, what: &str) {
        let word = match verdict {
            Verdict::Ok => "ok",
            Verdict::Warn => "warn",
            Verdict::Fail => "FAIL",
        };
        line(format!("{word:4}  {what}"));
        self.failed += usize::from(verdict == Verdict::Fail);
    }

    fn busy(&mut self, what: Option<&'static str>) {
        if let Some(spinner) = self.spinner.take() {
            spinner.finish_and_clear();
        }
        self.spinner = what.map(|what| {
            let spinner = ProgressBar::new_spinner().with_message(what);
            spinner.enable_steady_tick(Duration::from_millis(100));
            spinner
        });
    }
}

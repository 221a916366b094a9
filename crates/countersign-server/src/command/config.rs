//! `countersign config`.

use clap::Args;

use super::output::{table, text};
use crate::config::{Config, example};
use crate::failure::Failure;

/// Print the effective settings and where each came from, secrets redacted
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  countersign config --example > countersign.toml")]
pub(super) struct ShowConfig {
    /// Print a commented configuration file instead
    #[arg(long)]
    example: bool,
}

impl ShowConfig {
    pub(super) fn run(self, config: &Config) -> Result<(), Failure> {
        if self.example {
            text(&example());
            return Ok(());
        }
        table(
            ["SETTING", "VALUE", "FROM"],
            config.values().map(|(setting, value)| {
                let is_set = value.texts.iter().any(|text| !text.is_empty());
                let shown = if setting.secret && is_set { "(not shown)".to_owned() } else { value.texts.join(", ") };
                [setting.name.to_owned(), shown, value.source.to_string()]
            }),
        );
        // What cannot stand is said here as well, before a start says it.
        config.serve()?;
        Ok(())
    }
}

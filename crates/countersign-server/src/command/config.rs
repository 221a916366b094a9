//! `countersign config`.

use clap::Args;

use super::output::{line, table, text};
use crate::command_error::CommandError;
use crate::config::{Config, example};

/// Print the effective settings, what follows from them, and where each came from; no secret is
/// shown
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  countersign config --example > countersign.toml")]
pub(super) struct ShowConfig {
    /// Print a commented configuration file instead
    #[arg(long)]
    example: bool,
}

impl ShowConfig {
    pub(super) fn run(self, config: &Config) -> Result<(), CommandError> {
        if self.example {
            text(&example());
            return Ok(());
        }
        table(
            ["SETTING", "VALUE", "FROM"],
            config.values().map(|(setting, value)| {
                let shown: Vec<String> =
                    value.texts.iter().map(|text| setting.shown(text)).collect();
                [setting.name.to_owned(), shown.join(", "), value.source.to_string()]
            }),
        );
        // A setting that cannot stand is told here as well, before a start tells it.
        config.serve()?;
        config.mail_templates()?;
        config.check_mail_url()?;
        line("");
        table(
            ["WHAT FOLLOWS", "VALUE", "FROM"],
            config
                .derived()?
                .into_iter()
                .map(|derived| [derived.name.to_owned(), derived.value, derived.from]),
        );
        let hooks = config.hooks()?;
        if !hooks.is_empty() {
            line("");
            table(
                ["WEB HOOK", "PLACE", "EVENTS"],
                hooks
                    .into_iter()
                    .map(|hook| [hook.name.clone(), hook.place(), hook.events.join(", ")]),
            );
        }
        Ok(())
    }
}

//! `countersign completions` and `countersign man`.

use std::io::Write;

use clap::builder::PossibleValuesParser;
use clap::{Args, ValueHint};
use clap_complete::Shell;

use super::command_line;
use super::output::text;
use crate::command_error::CommandError;
use crate::config::{Kind, SETTINGS};

/// Print a script that completes this command line in a shell
#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  countersign completions bash > /etc/bash_completion.d/countersign"
)]
pub(super) struct Completions {
    /// The shell
    shell: Shell,
}

impl Completions {
    pub(super) fn run(&self) -> Result<(), CommandError> {
        let mut script = Vec::new();
        clap_complete::generate(
            self.shell,
            &mut with_values(command_line()),
            "countersign",
            &mut script,
        );
        text(&String::from_utf8_lossy(&script));
        Ok(())
    }
}

/// The command line with the values that its settings may have, for the shell that completes it.
/// When they are read, settings take other spellings too.
fn with_values(command: clap::Command) -> clap::Command {
    command.mut_args(|arg| {
        let value = SETTINGS
            .iter()
            .find(|setting| setting.name == arg.get_id().as_str())
            .map(|setting| setting.kind);
        match value {
            Some(Kind::Choice(words)) => {
                arg.value_parser(PossibleValuesParser::new(words.split('|')))
            }
            Some(Kind::Text("DIRECTORY")) => arg.value_hint(ValueHint::DirPath),
            _ => arg,
        }
    })
}

/// Print the manual page
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  countersign man > /usr/local/share/man/man1/countersign.1")]
pub(super) struct Man {}

impl Man {
    pub(super) fn run(&self) -> Result<(), CommandError> {
        let mut page = Vec::new();
        let command = command_line();
        // Its own list names a page for each command.
        let listed = command.clone().disable_help_subcommand(true);
        clap_mangen::Man::new(listed.mut_subcommands(|command| command.hide(true)))
            .render(&mut page)?;
        writeln!(page, ".SH COMMANDS\nEach tells more with \\fB\\-\\-help\\fR.")?;
        for command in command.get_subcommands() {
            let about = command.get_about().map(ToString::to_string).unwrap_or_default();
            writeln!(
                page,
                ".TP\n\\fBcountersign {}\\fR\n{}",
                command.get_name(),
                about.replace('-', "\\-")
            )?;
        }
        text(&String::from_utf8_lossy(&page));
        Ok(())
    }
}

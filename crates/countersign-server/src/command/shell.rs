//! `countersign completions` and `countersign man`.

use clap::Args;
use clap_complete::Shell;

use super::command_line;
use super::output::text;
use crate::failure::Failure;

/// Print a script that completes this command line in a shell
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  countersign completions bash > /etc/bash_completion.d/countersign")]
pub(super) struct Completions {
    /// The shell
    shell: Shell,
}

impl Completions {
    pub(super) fn run(&self) -> Result<(), Failure> {
        let mut script = Vec::new();
        clap_complete::generate(self.shell, &mut command_line(), "countersign", &mut script);
        text(&String::from_utf8_lossy(&script));
        Ok(())
    }
}

/// Print the manual page
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  countersign man > /usr/local/share/man/man1/countersign.1")]
pub(super) struct Man {}

impl Man {
    pub(super) fn run(&self) -> Result<(), Failure> {
        let mut page = Vec::new();
        clap_mangen::Man::new(command_line()).render(&mut page)?;
        text(&String::from_utf8_lossy(&page));
        Ok(())
    }
}

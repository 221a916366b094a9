//! The command line: one file a command.

mod audit;
mod changepassword;
mod check;
mod config;
mod createsuperuser;
mod factor;
mod factor_file;
mod hook;
mod keys;
mod mail;
mod migrate;
mod move_store;
mod new_user_prompt;
mod output;
mod passwords;
mod prompt;
mod serve;
mod session;
mod shell;
mod token;
mod user;
mod user_list;
mod user_set;
mod values;

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use clap::{
    Arg, ArgAction, ArgMatches, CommandFactory, FromArgMatches, Parser, Subcommand, ValueHint,
};
use countersign::Post;
use countersign::clock::{OsRandom, SystemClock};

use crate::command_error::CommandError;
use crate::config::{Config, ConfigError, SETTINGS};
use crate::logs::Log;
use crate::services::{Context, Services};

/// First-party login for single-page, mobile and desktop apps, the safe way by default.
#[derive(Debug, Parser)]
#[command(name = "countersign", version, propagate_version = true)]
#[command(after_help = "Example:\n  countersign serve\n\nEvery setting is a flag, an environment \
        variable and a key of the configuration file:\n  countersign --help lists them, \
        countersign config --example writes a file.")]
struct Cli {
    /// The configuration file; countersign.toml in the working directory unless chosen
    #[arg(
        long,
        value_name = "FILE",
        global = true,
        env = "COUNTERSIGN_CONFIG",
        value_hint = ValueHint::FilePath
    )]
    config: Option<PathBuf>,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Serve(serve::Serve),
    Createsuperuser(createsuperuser::CreateSuperuser),
    Changepassword(changepassword::ChangePassword),
    User(user::Users),
    Session(session::Sessions),
    Factor(factor::FactorCommand),
    Keys(keys::Keys),
    Token(token::Tokens),
    Mail(mail::MailCommand),
    Hook(hook::HookCommand),
    Audit(audit::Audit),
    Passwords(passwords::PasswordsCommand),
    Migrate(migrate::Migrate),
    Move(move_store::Move),
    Check(check::Check),
    Config(config::ShowConfig),
    Completions(shell::Completions),
    Man(shell::Man),
}

/// Runs the command that the arguments name: 0 for success, 1 for failure, 2 for arguments that
/// make no sense.
pub(crate) fn run() -> ExitCode {
    let matches = command_line().get_matches();
    let cli = match Cli::from_arg_matches(&matches) {
        Ok(cli) => cli,
        Err(error) => error.exit(),
    };
    match execute(cli, &matches) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            output::error(failure.sentence());
            ExitCode::FAILURE
        }
    }
}

/// The command line with every setting as a flag.
pub(crate) fn command_line() -> clap::Command {
    let flags = SETTINGS.iter().filter(|setting| !setting.secret).map(|setting| {
        Arg::new(setting.name)
            .long(setting.flag())
            .visible_aliases(setting.singular())
            .value_name(setting.kind.placeholder())
            .long_help(match setting.default {
                "" => setting.description(),
                default => format!("{} [default: {default}]", setting.description()),
            })
            .help_heading("Settings")
            .action(if setting.list { ArgAction::Append } else { ArgAction::Set })
            .global(true)
            .hide_short_help(true)
    });
    Cli::command().args(flags)
}

fn execute(cli: Cli, matches: &ArgMatches) -> Result<(), CommandError> {
    // Completions and the manual need no configuration, and must not fail for one.
    match &cli.command {
        Command::Completions(command) => return command.run(),
        Command::Man(command) => return command.run(),
        _ => {}
    }
    // Nor does a list of passwords.
    if let Command::Passwords(command) = cli.command {
        return command.run();
    }
    let context = Context {
        config: load(cli.config.as_deref(), matches)?,
        clock: Arc::new(SystemClock),
        random: Arc::new(OsRandom),
    };
    match cli.command {
        // On a runtime, since what sends mail is made on one.
        Command::Config(command) => on_runtime(async { command.run(&context.config) }),
        Command::Serve(command) => {
            let log = Log::start(&context.config)?;
            let ended = command.run(&context, &log);
            log.flush();
            ended
        }
        Command::Check(command) => on_runtime(command.run(&context)),
        Command::Migrate(command) => on_runtime(command.run(&context)),
        Command::Move(command) => on_runtime(command.run(&context)),
        Command::Createsuperuser(command) => on_runtime(command.run(&context)),
        Command::Changepassword(command) => on_runtime(command.run(&context)),
        Command::User(command) => on_runtime(command.run(&context)),
        Command::Session(command) => on_runtime(command.run(&context)),
        Command::Factor(command) => on_runtime(command.run(&context)),
        Command::Keys(command) => on_runtime(command.run(&context)),
        Command::Token(command) => on_runtime(command.run(&context)),
        Command::Mail(command) => on_runtime(command.run(&context)),
        Command::Hook(command) => on_runtime(command.run(&context)),
        Command::Audit(command) => on_runtime(command.run(&context)),
        Command::Completions(_) | Command::Man(_) | Command::Passwords(_) => Ok(()),
    }
}

/// Who writes the mail that tells a user of an act. A machine that has the database and not the
/// server's secret acts too.
async fn post_or_note(services: &Services) -> Option<Post> {
    services.post().await.unwrap_or_else(|error| {
        output::note(format!("No mail tells the user: {}", error.sentence()));
        None
    })
}

fn no_such_group(name: &str) -> CommandError {
    CommandError::new(format!(
        "there is no group {name:?}; make it in the admin site or by the management API"
    ))
}

fn load(file: Option<&std::path::Path>, matches: &ArgMatches) -> Result<Config, ConfigError> {
    // A global flag is known to the subcommand that it was given to.
    let mut innermost = matches;
    while let Some((_, inner)) = innermost.subcommand() {
        innermost = inner;
    }
    let flags = SETTINGS.iter().filter(|setting| !setting.secret).filter_map(|setting| {
        let texts: Vec<String> = innermost.get_many::<String>(setting.name)?.cloned().collect();
        Some((setting, texts))
    });
    Config::load(file, std::env::vars_os(), flags)
}

fn on_runtime(command: impl Future<Output = Result<(), CommandError>>) -> Result<(), CommandError> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.map_err(|error| CommandError::new(format!("cannot start: {error}")))?.block_on(command)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn without_example(command: &clap::Command, missing: &mut Vec<String>) {
        let help = command.get_after_help().map(ToString::to_string).unwrap_or_default();
        if !help.contains("Example:\n  ") {
            missing.push(command.get_name().to_owned());
        }
        for inner in command.get_subcommands() {
            without_example(inner, missing);
        }
    }

    #[test]
    fn the_help_of_every_command_has_an_example() {
        let (line, mut missing) = (command_line(), Vec::new());
        line.clone().debug_assert();
        without_example(&line, &mut missing);
        assert_eq!(missing, Vec::<String>::new());
    }
}

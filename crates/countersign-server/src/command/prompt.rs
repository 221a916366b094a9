//! Asking: what is missing, on a terminal only, and passwords unseen.

use std::env::VarError;
use std::fs::File;
use std::io::{self, BufRead, IsTerminal, Write};
use std::time::Duration;

use countersign::password::{Judge, Password, UserAttributes};
use rustix::termios::{LocalModes, OptionalActions, Termios, tcgetattr, tcsetattr};
use secrecy::{ExposeSecret, SecretString};
use tokio::signal::unix::{SignalKind, signal};

use super::output::note;
use crate::command_error::CommandError;

/// Refuses to go on where nobody can answer. Django's command exits 0 there and creates nobody.
pub(super) fn need_terminal(instead: &str) -> Result<(), CommandError> {
    if io::stdin().is_terminal() {
        Ok(())
    } else {
        Err(CommandError::new(format!("there is no terminal to ask on; {instead}")))
    }
}

/// Asks until `accept` accepts.
pub(super) fn ask<T>(
    question: &str,
    accept: impl Fn(&str) -> Result<T, String>,
) -> Result<T, CommandError> {
    loop {
        let mut err = io::stderr();
        write!(err, "{question}: ")?;
        err.flush()?;
        let mut answer = String::new();
        if io::stdin().lock().read_line(&mut answer)? == 0 {
            return Err(CommandError::new("the input ended; nothing was changed"));
        }
        match accept(answer.trim()) {
            Ok(value) => return Ok(value),
            Err(reason) => note(reason),
        }
    }
}

/// How a new password is asked for.
#[derive(Debug, Clone, Copy)]
pub(super) struct Asking {
    /// How often, before it is given up.
    pub(super) times: u32,
    /// Whether a weak one may be taken all the same: on a developer's machine, where Django lets it
    /// too.
    pub(super) may_be_weak: bool,
}

/// Asks for a new password, twice and unseen, until it is good.
///
/// # Errors
/// When it was not good so many times.
pub(super) async fn ask_password(
    judge: &Judge,
    about: &UserAttributes<'_>,
    asking: Asking,
) -> Result<Password, CommandError> {
    let _unseen = Unseen::begin()?;
    for _ in 0..asking.times {
        let first = SecretString::from(unseen("Password: ")?);
        let second = SecretString::from(unseen("Password (again): ")?);
        if first.expose_secret() != second.expose_secret() {
            note("The two differ; try again.");
            continue;
        }
        match new_password(judge, &first, about).await {
            Ok(password) => return Ok(password),
            Err(failure) => note(failure.sentence()),
        }
        // A text that can be no password at all is none here either.
        if asking.may_be_weak
            && let Ok(password) = Password::parse(first.expose_secret().to_owned())
            && unseen("Bypass this check, on this machine only? [y/N] ")?
                .trim()
                .eq_ignore_ascii_case("y")
        {
            return Ok(password);
        }
    }
    Err(CommandError::new(format!("{} attempts are enough; nothing was changed", asking.times)))
}

/// Asks for one answer, and shows nothing of it.
fn unseen(question: &str) -> Result<String, CommandError> {
    rpassword::prompt_password(question).map_err(|error| {
        if error.kind() == io::ErrorKind::Interrupted {
            // Ctrl-C. The signal has been raised besides, and whoever waits for it ends the
            // command with the status that shells expect.
            std::thread::sleep(INTERRUPTION);
        }
        error.into()
    })
}

/// The new password in an environment variable, which must be good.
pub(super) async fn password_from(
    judge: &Judge,
    variable: &str,
    about: &UserAttributes<'_>,
) -> Result<Password, CommandError> {
    let text = std::env::var(variable).map_err(|error| match error {
        VarError::NotPresent => CommandError::new(format!(
            "--noinput takes the password from {variable}, which is not set"
        )),
        VarError::NotUnicode(_) => CommandError::new(format!(
            "the password in {variable} is not UTF-8; choose one that is"
        )),
    })?;
    new_password(judge, &SecretString::from(text), about).await
}

/// The terminal without its echo, from before the first question to after the last answer:
/// `rpassword` switches it off for each answer only after it has asked, so that what a quick or
/// pasting hand types in between would be shown.
struct Unseen {
    terminal: File,
    before: Termios,
}

impl Unseen {
    fn begin() -> Result<Self, CommandError> {
        let terminal = File::open("/dev/tty")?;
        let before = tcgetattr(&terminal).map_err(io::Error::from)?;
        let mut quiet = before.clone();
        quiet.local_modes.remove(LocalModes::ECHO);
        restore_when_interrupted(&terminal, &before)?;
        tcsetattr(&terminal, OptionalActions::Now, &quiet).map_err(io::Error::from)?;
        Ok(Self { terminal, before })
    }
}

/// Ctrl-C ends the command, and not every shell gives the terminal its echo back. Returns when the
/// signals are waited for.
fn restore_when_interrupted(terminal: &File, before: &Termios) -> Result<(), CommandError> {
    let (terminal, before) = (terminal.try_clone()?, before.clone());
    let (ready, is_ready) = std::sync::mpsc::channel();
    // The command's own runtime waits with the question.
    std::thread::Builder::new().name("interrupt".to_owned()).spawn(move || {
        let wait = || -> io::Result<i32> {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
            runtime.block_on(async {
                let mut interrupt = signal(SignalKind::interrupt())?;
                let mut terminate = signal(SignalKind::terminate())?;
                let mut hangup = signal(SignalKind::hangup())?;
                let _ = ready.send(());
                Ok(tokio::select! {
                    _ = interrupt.recv() => 130,
                    _ = terminate.recv() => 143,
                    _ = hangup.recv() => 129,
                })
            })
        };
        if let Ok(status) = wait() {
            let _ = tcsetattr(&terminal, OptionalActions::Now, &before);
            let _ = writeln!(io::stderr());
            std::process::exit(status);
        }
    })?;
    // Without the signals the question is asked all the same.
    let _ = is_ready.recv();
    Ok(())
}

impl Drop for Unseen {
    fn drop(&mut self) {
        // A terminal that is gone needs no echo.
        let _ = tcsetattr(&self.terminal, OptionalActions::Now, &self.before);
    }
}

async fn new_password(
    judge: &Judge,
    text: &SecretString,
    about: &UserAttributes<'_>,
) -> Result<Password, CommandError> {
    let password = Password::parse(text.expose_secret().to_owned())?;
    let problems = judge.judge(&password, about).await;
    if problems.is_empty() {
        return Ok(password);
    }
    let sentences: Vec<String> = problems.iter().map(ToString::to_string).collect();
    Err(CommandError::new(sentences.join(" ")))
}

/// Longer than it takes to end the command.
const INTERRUPTION: Duration = Duration::from_secs(2);

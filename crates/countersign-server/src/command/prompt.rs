//! Asking: what is missing, on a terminal only, and passwords unseen.

use std::env::VarError;
use std::fs::File;
use std::io::{self, BufRead, IsTerminal, Write};

use countersign::password::{Password, UserAttributes, validate};
use rustix::termios::{LocalModes, OptionalActions, Termios, tcgetattr, tcsetattr};
use secrecy::{ExposeSecret, SecretString};

use super::output::note;
use crate::failure::Failure;

/// Refuses to go on where nobody can answer. Django's command exits 0 there and creates nobody.
pub(super) fn need_terminal(instead: &str) -> Result<(), Failure> {
    if io::stdin().is_terminal() { Ok(()) } else { Err(Failure::new(format!("there is no terminal to ask on; {instead}"))) }
}

/// Asks until `accept` accepts.
pub(super) fn ask<T>(question: &str, accept: impl Fn(&str) -> Result<T, String>) -> Result<T, Failure> {
    loop {
        let mut err = io::stderr();
        write!(err, "{question}: ")?;
        err.flush()?;
        let mut answer = String::new();
        if io::stdin().lock().read_line(&mut answer)? == 0 {
            return Err(Failure::new("the input ended; nothing was changed"));
        }
        match accept(answer.trim()) {
            Ok(value) => return Ok(value),
            Err(reason) => note(reason),
        }
    }
}

/// Asks for a new password, twice and unseen, until it is good.
pub(super) fn ask_password(about: &UserAttributes<'_>) -> Result<Password, Failure> {
    let _unseen = Unseen::begin()?;
    loop {
        let first = SecretString::from(rpassword::prompt_password("Password: ")?);
        let second = SecretString::from(rpassword::prompt_password("Password (again): ")?);
        if first.expose_secret() != second.expose_secret() {
            note("The two differ; try again.");
            continue;
        }
        match new_password(&first, about) {
            Ok(password) => return Ok(password),
            Err(failure) => note(failure.sentence()),
        }
    }
}

/// The new password in an environment variable, which must be good.
pub(super) fn password_from(variable: &str, about: &UserAttributes<'_>) -> Result<Password, Failure> {
    let text = std::env::var(variable).map_err(|error| match error {
        VarError::NotPresent => Failure::new(format!("--noinput takes the password from {variable}, which is not set")),
        VarError::NotUnicode(_) => Failure::new(format!("the password in {variable} is not UTF-8; choose one that is")),
    })?;
    new_password(&SecretString::from(text), about)
}

/// The terminal without its echo, from before the first question to after the last answer: `rpassword` switches it off for each answer only after it has
/// asked, so that what a quick or pasting hand types in between would be shown.
struct Unseen {
    terminal: File,
    before: Termios,
}

impl Unseen {
    fn begin() -> Result<Self, Failure> {
        let terminal = File::open("/dev/tty")?;
        let before = tcgetattr(&terminal).map_err(io::Error::from)?;
        let mut quiet = before.clone();
        quiet.local_modes.remove(LocalModes::ECHO);
        tcsetattr(&terminal, OptionalActions::Now, &quiet).map_err(io::Error::from)?;
        Ok(Self { terminal, before })
    }
}

impl Drop for Unseen {
    fn drop(&mut self) {
        // A terminal that is gone needs no echo.
        let _ = tcsetattr(&self.terminal, OptionalActions::Now, &self.before);
    }
}

fn new_password(text: &SecretString, about: &UserAttributes<'_>) -> Result<Password, Failure> {
    validate(text.expose_secret(), about).map_err(|problems| {
        let sentences: Vec<String> = problems.iter().map(ToString::to_string).collect();
        Failure::new(sentences.join(" "))
    })?;
    Ok(Password::parse(text.expose_secret().to_owned())?)
}

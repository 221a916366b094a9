//! The questions of `createsuperuser` and `user create` about the new user.

use clap::Args;
use countersign::user::{Email, Username};

use super::output::note;
use super::prompt;
use crate::command_error::CommandError;
use crate::services::{Context, Services, Wanted, is_begun};

/// The answers that may be given as flags.
#[derive(Debug, Args)]
pub(super) struct NewUserPrompt {
    /// The login name
    #[arg(long, value_name = "NAME")]
    username: Option<String>,
    /// The e-mail address
    #[arg(long, value_name = "ADDRESS")]
    email: Option<String>,
}

impl NewUserPrompt {
    /// The name and the address; unless `noinput`, what is missing is asked for.
    ///
    /// # Errors
    /// A name or address that will not do, or a missing one that may not be asked for.
    pub(super) async fn names(
        &self,
        context: &Context,
        noinput: bool,
        kind: NewUserKind,
    ) -> Result<(Username, Option<Email>), CommandError> {
        // As Django has it: a superuser can be written to.
        if noinput
            && kind == NewUserKind::Superuser
            && self.username.is_some()
            && self.email.as_deref().is_none_or(str::is_empty)
        {
            return Err(CommandError::new("--noinput needs --email ADDRESS"));
        }
        let email_given = self.email.as_deref().map(Email::parse).transpose()?;
        let username = match (&self.username, noinput) {
            (Some(name), _) => {
                let name = Username::parse(name)?;
                if is_taken(context, &name).await? {
                    return Err(CommandError::new(TAKEN));
                }
                name
            }
            (None, true) => return Err(CommandError::new("--noinput needs --username NAME")),
            (None, false) => {
                let offered =
                    if kind == NewUserKind::Superuser { own_name(context).await? } else { None };
                let question = match &offered {
                    Some(name) => format!("User name (leave blank to use '{name}')"),
                    None => "User name".to_owned(),
                };
                loop {
                    let name = prompt::ask(&question, |name| match (name, &offered) {
                        ("", Some(offered)) => Ok(offered.clone()),
                        (name, _) => Username::parse(name).map_err(|error| error.to_string()),
                    })?;
                    if !is_taken(context, &name).await? {
                        break name;
                    }
                    note(TAKEN);
                }
            }
        };
        let email = match (email_given, noinput) {
            (None, false) => {
                prompt::ask("E-mail address (may be left empty)", |address| match address {
                    "" => Ok(None),
                    address => Email::parse(address).map(Some).map_err(|error| error.to_string()),
                })?
            }
            (given, _) => given,
        };
        Ok((username, email))
    }
}

/// The kind of user that the command makes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum NewUserKind {
    /// Anybody.
    User,
    /// An operator of the installation: perhaps the one who types.
    Superuser,
}

/// The name of who types, if it will do and nobody has it.
async fn own_name(context: &Context) -> Result<Option<Username>, CommandError> {
    let name = ["LOGNAME", "USER"]
        .iter()
        .find_map(|variable| std::env::var(variable).ok().filter(|name| !name.is_empty()));
    let Some(name) = name.and_then(|name| Username::parse(&name).ok()) else { return Ok(None) };
    Ok(if is_taken(context, &name).await? { None } else { Some(name) })
}

/// Told before the password is asked for. The store has the last word when the user is made.
async fn is_taken(context: &Context, name: &Username) -> Result<bool, CommandError> {
    if !is_begun(&context.config).await? {
        return Ok(false);
    }
    Ok(Services::open(context, Wanted::There)
        .await?
        .store
        .user_by_login(name.as_str())
        .await?
        .is_some())
}

const TAKEN: &str = "another user has this name; choose another one";

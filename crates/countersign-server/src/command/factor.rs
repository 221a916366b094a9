//! `countersign factor …`.

use clap::{Args, Subcommand};
use countersign::factor::{FactorId, FactorKeys};
use countersign::mail::{Mail, MailKind, MailSeal};
use countersign::store::{NewMail, StoredFactor};
use countersign::user::{User, fold_address};
use serde_json::json;

use super::factor_file::{ExportFactors, ImportFile};
use super::output::{self, line, table};
use super::prompt;
use crate::command_error::CommandError;
use crate::config::MailWay;
use crate::operate::Operator;
use crate::operate::second_factors::{own_keys, unreadable};
use crate::services::{Context, Services, Wanted, called};
use crate::text::{counted, to_the_second};

/// List second factors, remove those of who has lost them, and carry them to another installation
#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  countersign factor list alice\n  countersign factor reset alice"
)]
pub(super) struct FactorCommand {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// List a user's second factors
    #[command(after_help = "Example:\n  countersign factor list alice --json")]
    List {
        /// The user: name, e-mail address or id (id:7 is never a name)
        user: String,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Remove all second factors of a user, with the recovery codes, and end the user's sessions
    #[command(
        after_help = "Example:\n  countersign factor reset alice --noinput\n  countersign factor \
            reset --unreadable"
    )]
    Reset {
        /// The user: name, e-mail address or id (id:7 is never a name)
        #[arg(required_unless_present = "unreadable")]
        user: Option<String>,
        /// After the secret was lost: of every user those that were sealed under another one, which
        /// nobody can use any more
        #[arg(long, conflicts_with = "user")]
        unreadable: bool,
        /// Do not ask whether you are sure
        #[arg(long, alias = "no-input")]
        noinput: bool,
    },
    Export(ExportFactors),
    Import(ImportFile),
}

impl FactorCommand {
    pub(super) async fn run(self, context: &Context) -> Result<(), CommandError> {
        let services = Services::open(context, Wanted::There).await?;
        match self.command {
            Command::List { user, json } => list(&services, &user, json).await,
            Command::Reset { user: Some(user), noinput, .. } => {
                reset(&services, &user, noinput).await
            }
            Command::Reset { noinput, .. } => reset_unreadable(&services, noinput).await,
            Command::Export(command) => command.run(&services).await,
            Command::Import(command) => command.run(&services).await,
        }
    }
}

async fn list(services: &Services, named: &str, as_json: bool) -> Result<(), CommandError> {
    let user = services.user(named).await?;
    let found = services.store.factors_of(user.id).await?;
    let factors: Vec<StoredFactor> =
        found.factors.into_iter().filter(|factor| factor.is_enrolled).collect();
    // Where no server has made a secret yet, a look makes none; and what there is is listed without
    // one too.
    let secrets = match services.has_secret()? {
        true => services.secrets().await.ok(),
        false => None,
    };
    let keys = secrets.and_then(|secrets| FactorKeys::new(&secrets).ok());
    let is_usable = |factor: &StoredFactor| {
        keys.as_ref().map(|keys| keys.opens(&factor.sealed, factor.id, user.id))
    };
    if as_json {
        let rows: Vec<_> = factors
            .iter()
            .map(|factor| {
                json!({
                    "id": factor.id.to_string(),
                    "kind": factor.kind.as_str(),
                    "name": factor.name,
                    "created_at": factor.created_at,
                    "last_used_at": factor.last_used_at,
                    "is_usable": is_usable(factor),
                })
            })
            .collect();
        return output::json(&json!({
            "factors": rows,
            "recovery_codes_left": found.recovery_codes.len(),
        }));
    }
    let shut = factors.iter().filter(|factor| is_usable(factor) == Some(false)).count();
    let all_are_shut = shut > 0 && shut == factors.len();
    table(
        ["ID", "KIND", "NAME", "ADDED", "LAST USED"],
        factors.into_iter().map(|factor| {
            [
                factor.id.to_string(),
                factor.kind.to_string(),
                factor.name.map(|name| name.to_string()).unwrap_or_default(),
                to_the_second(factor.created_at),
                factor.last_used_at.map(to_the_second).unwrap_or_default(),
            ]
        }),
    );
    if all_are_shut {
        line(format!(
            "None of them can be used, nor can the recovery codes: they were made under another \
             secret. `countersign factor reset {}` removes them.",
            user.username
        ));
        return Ok(());
    }
    if shut > 0 {
        line(format!(
            "{shut} of them cannot be used, sealed under another secret; `countersign factor reset \
             --unreadable` removes what cannot."
        ));
    }
    line(format!("Recovery codes left: {}.", found.recovery_codes.len()));
    Ok(())
}

/// Asks whether the operator is sure.
fn make_sure(noinput: bool, question: &str) -> Result<(), CommandError> {
    if noinput {
        return Ok(());
    }
    prompt::need_terminal("use --noinput to remove them without being asked")?;
    match prompt::ask(question, |answer| Ok(matches!(answer, "y" | "Y" | "yes")))? {
        true => Ok(()),
        false => Err(CommandError::new("nothing was done")),
    }
}

async fn reset_unreadable(services: &Services, noinput: bool) -> Result<(), CommandError> {
    let keys = own_keys(services).await?;
    let found = unreadable(services, &keys, None).await?;
    if found.users.is_empty() {
        line("Every second factor opens with the secret.");
        return Ok(());
    }
    let many = counted(found.users.len() as u64, "user");
    make_sure(
        noinput,
        &format!(
            "Remove the second factors of {many} that were sealed under another secret? They log \
             in with their password alone then. [y/N]"
        ),
    )?;
    let (mut users, mut factors) = (0, 0);
    for id in found.users {
        // Whoever is gone meanwhile has none.
        let Some(user) = services.store.user_by_id(id).await? else { continue };
        let mails = notice(services, &user).await?;
        let removed = Operator::shell(services).remove_unreadable(&user, &keys, mails).await?;
        users += u64::from(removed > 0);
        factors += removed;
    }
    line(format!("Removed {} of {}.", counted(factors, "second factor"), counted(users, "user")));
    Ok(())
}

async fn reset(services: &Services, named: &str, noinput: bool) -> Result<(), CommandError> {
    let user = services.user(named).await?;
    make_sure(noinput, &format!("Remove every second factor of {}? [y/N]", called(&user)))?;
    let mails = notice(services, &user).await?;
    let removed = Operator::shell(services).reset_factors(user.id, mails).await?;
    line(match removed {
        0 => format!("{} has no second factor.", called(&user)),
        1 => format!("Removed the second factor of {}.", called(&user)),
        many => format!("Removed {many} second factors of {}.", called(&user)),
    });
    Ok(())
}

/// The mail that tells the user, where mail can be sent.
async fn notice(services: &Services, user: &User) -> Result<Vec<NewMail>, CommandError> {
    let is_told = services.config.settings()?.accounts.notices
        && user.email_verified
        && !user.email.is_empty()
        && !matches!(services.config.mail_way()?, MailWay::Nowhere);
    if !is_told {
        return Ok(Vec::new());
    }
    let public_url = services.config.settings()?.public_url;
    let home = public_url.as_str().trim_end_matches('/');
    let now = services.clock.now();
    let mail = Mail::new(MailKind::FactorRemoved, &user.email, &user.locale)
        .with("site", public_url.host_str().unwrap_or_default())
        .with("at", now.strftime("%Y-%m-%d %H:%M UTC").to_string())
        .with("place", "an operator")
        .with("factor", "every second factor")
        .with("link", format!("{home}/account/reset"));
    let id = FactorId::draw(&*services.random).as_i64();
    let seal = MailSeal::new(&services.secrets().await?);
    let sealed = seal.and_then(|seal| seal.seal(&mail, id));
    let sealed = sealed.map_err(|error| CommandError::new(error.to_string()))?;
    let mail = NewMail::new(id, &fold_address(&user.email), sealed, now);
    Ok(vec![NewMail { user: Some(user.id), ..mail }])
}

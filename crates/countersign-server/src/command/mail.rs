//! `countersign mail`: whether mail arrives, what it says, and what waits.

use clap::{Args, Subcommand};
use countersign::mail::{Mail, MailError, MailKind, Message};
use countersign::store::MailState;
use serde_json::json;

use super::output::{self, line, note, table};
use crate::command_error::CommandError;
use crate::config::MailWay;
use crate::serve::ConsoleMailer;
use crate::services::{Context, Services, Wanted};

/// Sends a test mail, shows what mails say, and lists those that wait
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  countersign mail test alice@example.com\n  countersign \
        mail queue --json")]
pub(super) struct MailCommand {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Sends a mail to an address, at once and not through the outbox
    #[command(after_help = "Example:\n  countersign mail test alice@example.com")]
    Test {
        /// Where to
        address: String,
    },
    /// Prints a mail with example values; without a name, the names
    #[command(after_help = "Example:\n  countersign mail preview reset --language de")]
    Preview {
        /// Which mail
        name: Option<String>,
        /// In which language
        #[arg(long, default_value = "en")]
        language: String,
        /// The HTML in place of the text
        #[arg(long)]
        html: bool,
    },
    /// Lists mails that wait, and those that failed
    #[command(after_help = "Example:\n  countersign mail queue")]
    Queue {
        /// At most so many of each kind, the newest
        #[arg(long, default_value_t = 100, value_name = "NUMBER")]
        limit: u32,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
}

impl MailCommand {
    pub(super) async fn run(self, context: &Context) -> Result<(), CommandError> {
        match self.action {
            Action::Test { address } => test(context, &address).await,
            Action::Preview { name, language, html } => preview(context, name, &language, html),
            Action::Queue { limit, json } => queue(context, limit, json).await,
        }
    }
}

async fn test(context: &Context, address: &str) -> Result<(), CommandError> {
    let config = &context.config;
    let settings = config.settings()?;
    let site = settings.public_url.host_str().unwrap_or_default();
    let mail = Mail::new(MailKind::Test, address, "en").with("site", site);
    let rendered = config.mail_templates()?.render(&mail).map_err(failed)?;
    let from = settings.accounts.mail_from.clone();
    let from = from.unwrap_or_else(|| format!("noreply@{site}"));
    let id = format!("<test-{}@{site}>", context.clock.now().as_microsecond());
    let mut message = Message::new(&from, address, &id);
    message.reply_to = settings.accounts.mail_reply_to.clone();
    message.subject = rendered.subject;
    message.text = rendered.text;
    message.html = rendered.html;
    message.language = rendered.language;
    let sent: Result<(), MailError> = match config.mail_way()? {
        MailWay::Nowhere => {
            return Err(CommandError::new(
                "no mail is sent: set mail_url, such as smtp://USER:PASSWORD@HOST:587".to_owned(),
            ));
        }
        MailWay::Console => {
            countersign::mail::Mailer::send(&ConsoleMailer::default(), &message).await
        }
        MailWay::By(mailer) | MailWay::Into(mailer, _) => mailer.send(&message).await,
    };
    sent.map_err(failed)?;
    line(format!("A mail to {address} was handed on."));
    Ok(())
}

fn preview(
    context: &Context,
    name: Option<String>,
    language: &str,
    html: bool,
) -> Result<(), CommandError> {
    let Some(name) = name else {
        for kind in MailKind::ALL {
            line(kind.as_str());
        }
        return Ok(());
    };
    let kind = MailKind::from_word(&name).ok_or_else(|| {
        CommandError::new(format!("there is no mail {name}; `countersign mail preview` lists them"))
    })?;
    let mail = Mail::sample(kind, language);
    let rendered = context.config.mail_templates()?.render(&mail).map_err(failed)?;
    if html {
        line(&rendered.html);
    } else {
        line(format!("Subject: {}\n\n{}", rendered.subject, rendered.text.trim_end()));
    }
    Ok(())
}

async fn queue(context: &Context, limit: u32, as_json: bool) -> Result<(), CommandError> {
    let services = Services::open(context, Wanted::There).await?;
    let mut rows = Vec::new();
    for state in [MailState::Waiting, MailState::Failed] {
        let mut found = services.store.outbox(Some(state), None, limit.saturating_add(1)).await?;
        if found.len() > limit as usize {
            found.truncate(limit as usize);
            let state = state.as_str();
            note(format!("There are more than {limit} {state}; --limit shows more of them."));
        }
        rows.extend(found);
    }
    if as_json {
        let rows: Vec<_> = rows
            .iter()
            .map(|row| {
                json!({
                    "id": row.id,
                    "state": row.state.as_str(),
                    "user_id": row.user,
                    "address": row.address,
                    "created_at": row.created_at,
                    "due_at": row.due_at,
                    "tries": row.tries,
                    "last_error": row.error,
                })
            })
            .collect();
        return output::json(&rows);
    }
    if rows.is_empty() {
        note("no mail waits, and none failed");
        return Ok(());
    }
    table(
        ["STATE", "TO", "QUEUED", "DUE", "TRIES", "LAST ERROR"],
        rows.into_iter().map(|row| {
            [
                row.state.as_str().to_owned(),
                row.address,
                row.created_at.to_string(),
                row.due_at.to_string(),
                row.tries.to_string(),
                row.error,
            ]
        }),
    );
    Ok(())
}

fn failed(error: impl std::fmt::Display) -> CommandError {
    CommandError::new(format!("the mail was not sent: {error}"))
}

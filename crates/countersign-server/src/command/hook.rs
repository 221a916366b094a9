//! `countersign hook`: whether web hooks answer, how they stand, and sending again.

use clap::{Args, Subcommand};
use countersign::store::admin::AdminError;
use jiff::Timestamp;
use serde_json::json;

use super::output::{self, line, note, table};
use super::values::time;
use crate::command_error::CommandError;
use crate::config::Hook;
use crate::hooks::{Message, Outcome, Sender};
use crate::operate::Operator;
use crate::services::{Context, Services, Wanted};
use crate::text::to_the_second;

/// Tries web hooks, lists them, and sends again
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  countersign hook list\n  countersign hook test crm")]
pub(super) struct HookCommand {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Sends a message of the event hook.test, at once and not through the outbox
    #[command(after_help = "Example:\n  countersign hook test crm")]
    Test {
        /// Which web hook
        name: String,
    },
    /// Lists the web hooks, what waits for each, and what went wrong last
    #[command(after_help = "Example:\n  countersign hook list")]
    List {
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Has a paused web hook go on, and sends again what was given up
    #[command(after_help = "Example:\n  countersign hook replay crm --since 2026-11-23T18:00:00Z")]
    Replay {
        /// Which web hook
        name: String,
        /// Send again what it took, too, of events since then; they are kept for 7 days
        #[arg(long, value_name = "TIME", value_parser = time)]
        since: Option<Timestamp>,
    },
}

impl HookCommand {
    pub(super) async fn run(self, context: &Context) -> Result<(), CommandError> {
        match self.action {
            Action::Test { name } => test(context, &name).await,
            Action::List { json } => list(context, json).await,
            Action::Replay { name, since } => replay(context, &name, since).await,
        }
    }
}

async fn test(context: &Context, name: &str) -> Result<(), CommandError> {
    let hook = find(context, name)?;
    let place = hook.place();
    let sender = Sender::new(hook).map_err(CommandError::new)?;
    let now = context.clock.now();
    let mut bits = [0; 16];
    context.random.fill(&mut bits);
    let id = format!("msg_{:032x}", u128::from_be_bytes(bits));
    let data = json!({ "hook": name });
    let message = Message { id: &id, event: "hook.test", at: now, data: &data };
    match sender.send(message, now).await {
        Outcome::Taken => {
            line(format!("{name} ({place}) took the message {id}."));
            Ok(())
        }
        Outcome::Gone => Err(CommandError::new(format!(
            "{name} ({place}) answers 410: it wants no messages, and would be paused"
        ))),
        Outcome::NotTaken { reason, .. } => {
            Err(CommandError::new(format!("{name} ({place}) did not take the message: {reason}")))
        }
    }
}

async fn list(context: &Context, as_json: bool) -> Result<(), CommandError> {
    let hooks = context.config.hooks()?;
    let services = Services::open(context, Wanted::There).await?;
    let states = services.store.hooks().await?;
    let state = |hook: &Hook| states.iter().find(|state| state.hook == hook.name);
    if as_json {
        let rows: Vec<_> = hooks
            .iter()
            .map(|hook| {
                let state = state(hook);
                json!({
                    "name": hook.name,
                    "place": hook.place(),
                    "events": hook.events,
                    "paused_at": state.and_then(|state| Some(state.paused.as_ref()?.0)),
                    "pause_reason": state.and_then(|state| Some(&state.paused.as_ref()?.1)),
                    "waiting": state.map_or(0, |state| state.waiting),
                    "failed": state.map_or(0, |state| state.failed),
                    "last_sent": state.and_then(|state| state.last_sent),
                    "last_error": state.map_or("", |state| state.error.as_str()),
                })
            })
            .collect();
        return output::json(&rows);
    }
    if hooks.is_empty() {
        note("there is no web hook; docs/hooks.md tells how to set one up");
        return Ok(());
    }
    table(
        ["NAME", "PLACE", "EVENTS", "STATE", "WAITING", "GIVEN UP", "LAST TAKEN", "LAST ERROR"],
        hooks.iter().map(|hook| {
            let [mut standing, mut waiting, mut failed, mut last, mut error] =
                ["not started", "", "", "", ""].map(str::to_owned);
            if let Some(state) = state(hook) {
                standing = match &state.paused {
                    Some((at, why)) => format!("paused since {}: {why}", to_the_second(*at)),
                    None => "on".to_owned(),
                };
                (waiting, failed) = (state.waiting.to_string(), state.failed.to_string());
                last = state.last_sent.map_or_else(|| "never".to_owned(), to_the_second);
                error.clone_from(&state.error);
            }
            let events = hook.events.join(", ");
            [hook.name.clone(), hook.place(), events, standing, waiting, failed, last, error]
        }),
    );
    Ok(())
}

async fn replay(
    context: &Context,
    name: &str,
    since: Option<Timestamp>,
) -> Result<(), CommandError> {
    find(context, name)?;
    let services = Services::open(context, Wanted::There).await?;
    let again = match Operator::shell(&services).replay_hook(name, since).await {
        Ok(again) => again,
        Err(AdminError::Gone) => {
            return Err(CommandError::new(format!(
                "no server has been started with the web hook {name} yet"
            )));
        }
        Err(error) => return Err(error.into()),
    };
    line(format!("{name} goes on; {again} messages are sent once more."));
    Ok(())
}

fn find(context: &Context, name: &str) -> Result<Hook, CommandError> {
    let hooks = context.config.hooks()?;
    hooks.into_iter().find(|hook| hook.name == name).ok_or_else(|| {
        CommandError::new(format!(
            "there is no web hook {name:?}; `countersign hook list` shows them all"
        ))
    })
}

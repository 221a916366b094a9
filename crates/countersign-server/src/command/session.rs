//! `countersign session …`.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use clap::{ArgGroup, Args, Subcommand};
use countersign::session::{Session, SessionId};
use countersign::user::UserId;
use jiff::Timestamp;
use serde_json::json;

use super::output::{self, line, note, table};
use crate::command_error::CommandError;
use crate::operate::Operator;
use crate::services::{Context, Services, Wanted, called};
use crate::text::to_the_second;

/// List and end sessions; a running server feels it at once
#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  countersign session list --user alice\n  countersign session revoke \
        --user alice"
)]
pub(super) struct Sessions {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// List live sessions, the last begun first
    #[command(after_help = "Example:\n  countersign session list --user alice --json")]
    List {
        /// Of this user only: name, e-mail address or id (id:7 is never a name)
        #[arg(long)]
        user: Option<String>,
        /// At most so many
        #[arg(long, default_value_t = 1000, value_name = "NUMBER")]
        limit: u32,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// End a session, or all sessions of a user
    #[command(
        after_help = "Example:\n  countersign session revoke 5f0c9e1d2b3a4857\n  countersign \
            session revoke --user alice"
    )]
    #[command(group(ArgGroup::new("which").required(true).args(["id", "user"])))]
    Revoke {
        /// The session's id
        id: Option<SessionId>,
        /// All sessions of this user: name, e-mail address or id (id:7 is never a name)
        #[arg(long)]
        user: Option<String>,
    },
}

impl Sessions {
    pub(super) async fn run(self, context: &Context) -> Result<(), CommandError> {
        let services = Services::open(context, Wanted::There).await?;
        match self.command {
            Command::List { user, limit, json } => {
                list(&services, user.as_deref(), limit, json).await
            }
            Command::Revoke { id: Some(id), .. } => revoke(&services, id).await,
            Command::Revoke { user: Some(user), .. } => revoke_all(&services, &user).await,
            Command::Revoke { .. } => {
                Err(CommandError::new("name a session, or a user with --user"))
            }
        }
    }
}

async fn list(
    services: &Services,
    user: Option<&str>,
    limit: u32,
    as_json: bool,
) -> Result<(), CommandError> {
    let now = services.clock.now();
    let mut sessions: Vec<Session> = match user {
        Some(user) => {
            of_user(services, services.user(user).await?.id, limit.saturating_add(1), now).await?
        }
        None => services.store.live_sessions(limit.saturating_add(1), now).await?,
    };
    if sessions.len() > limit as usize {
        sessions.truncate(limit as usize);
        note(format!("There are more than {limit}; --limit shows more of them."));
    }
    let mut usernames: HashMap<UserId, String> = HashMap::new();
    for session in &sessions {
        if let Entry::Vacant(place) = usernames.entry(session.user_id) {
            place.insert(
                services
                    .store
                    .user_by_id(session.user_id)
                    .await?
                    .map(|user| user.username)
                    .unwrap_or_default(),
            );
        }
    }
    let username = |session: &Session| usernames.get(&session.user_id).cloned().unwrap_or_default();
    if as_json {
        let rows: Vec<_> = sessions
            .iter()
            .map(|session| {
                json!({
                    "id": session.id,
                    "user_id": session.user_id,
                    "username": username(session),
                    "created_at": session.created_at,
                    "last_used_at": session.last_used_at,
                    "expires_at": session.expires_at,
                    "transport": session.transport,
                    "user_agent": session.user_agent,
                    "device_name": session.device_name,
                    "device_bound": session.is_bound(),
                    "ip": session.ip,
                })
            })
            .collect();
        return output::json(&rows);
    }
    table(
        ["ID", "USER", "BEGAN", "LAST USED", "TRANSPORT", "BOUND", "ADDRESS", "DEVICE"],
        sessions.into_iter().map(|session| {
            [
                session.id.to_string(),
                username(&session),
                to_the_second(session.created_at),
                to_the_second(session.last_used_at),
                session.transport.as_str().to_owned(),
                if session.is_bound() { "yes" } else { "no" }.to_owned(),
                session.ip.map(|ip| ip.to_string()).unwrap_or_default(),
                match session.device_name {
                    Some(name) => format!("{name} ({})", session.user_agent),
                    None => session.user_agent,
                },
            ]
        }),
    );
    Ok(())
}

/// The first of a user's live sessions, so many at most.
async fn of_user(
    services: &Services,
    user: UserId,
    many: u32,
    now: Timestamp,
) -> Result<Vec<Session>, CommandError> {
    let (mut sessions, mut from) = (Vec::new(), None);
    while sessions.len() < many as usize {
        let page = services.store.user_sessions_page(user, from, PAGE, now).await?;
        sessions.extend(page.sessions);
        match page.next {
            Some(next) => from = Some(next),
            None => break,
        }
    }
    Ok(sessions)
}

async fn revoke(services: &Services, id: SessionId) -> Result<(), CommandError> {
    if Operator::shell(services).end_sessions(&[id]).await? == 0 {
        return Err(CommandError::new(format!(
            "there is no live session {id}; `countersign session list` shows them"
        )));
    }
    line(format!("Ended the session {id}."));
    Ok(())
}

async fn revoke_all(services: &Services, named: &str) -> Result<(), CommandError> {
    let user = services.user(named).await?;
    let ended = Operator::shell(services).end_user_sessions(user.id).await?;
    line(format!(
        "Ended {ended} {} of {}.",
        if ended == 1 { "session" } else { "sessions" },
        called(&user)
    ));
    Ok(())
}

/// Rows that are read at once.
const PAGE: u32 = 1_000;

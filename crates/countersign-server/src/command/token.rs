//! `countersign token …`.

use std::time::Duration;

use clap::{Args, Subcommand};
use countersign::store::admin::{Powers, ServiceTokenRow};
use ipnet::IpNet;
use serde_json::json;

use super::output::{self, line, note, table};
use crate::command_error::CommandError;
use crate::config::{self, duration};
use crate::operate::Operator;
use crate::operate::service_tokens::{LONGEST, Makers, SHORTEST, TokenAsked, all, in_words, state};
use crate::services::{Context, Services, Wanted};
use crate::text::{length_in_words, to_the_second};

/// Make, list and revoke service tokens, which programs show that manage users
#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  countersign token create importer --permission auth.add_user\n  \
        countersign token revoke importer"
)]
pub(super) struct Tokens {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Make a token and print it: it is shown this once
    #[command(
        after_help = "Example:\n  countersign token create importer --permission auth.add_user \
            --network 10.0.0.0/8 --expires-in 30d"
    )]
    Create(Create),
    /// List the tokens, the oldest first, without what is secret of them
    #[command(after_help = "Example:\n  countersign token list --json")]
    List {
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// End a token; a running server feels it at once
    #[command(after_help = "Example:\n  countersign token revoke importer")]
    Revoke {
        /// The token: name or id
        token: String,
    },
}

#[derive(Debug, Args)]
struct Create {
    /// What it is called, for the list and the audit log
    name: String,
    /// What it may do and give away, such as auth.add_user; may be given several times
    #[arg(long = "permission", value_name = "PERMISSION")]
    permissions: Vec<String>,
    /// A group into which it may put users, and whose members it may change; may be given several
    /// times
    #[arg(long = "group", value_name = "NAME")]
    groups: Vec<String>,
    /// Let it do everything, and touch and make staff and superusers
    #[arg(long)]
    superuser: bool,
    /// Where it may be used from; everywhere unless chosen; may be given several times
    #[arg(long = "network", value_name = "NETWORK", value_parser = network)]
    networks: Vec<IpNet>,
    /// How long it is good
    #[arg(long, value_name = "DURATION", default_value = "90d", value_parser = lifetime)]
    expires_in: Duration,
}

impl Tokens {
    pub(super) async fn run(self, context: &Context) -> Result<(), CommandError> {
        let services = Services::open(context, Wanted::There).await?;
        match self.command {
            Command::Create(create) => create.run(&services).await,
            Command::List { json } => list(&services, json).await,
            Command::Revoke { token } => revoke(&services, &token).await,
        }
    }
}

impl Create {
    async fn run(self, services: &Services) -> Result<(), CommandError> {
        let asked = TokenAsked {
            name: self.name,
            powers: Powers {
                permissions: self.permissions,
                groups: self.groups,
                is_superuser: self.superuser,
            },
            networks: self.networks,
            lives: self.expires_in,
        };
        let (row, token) = Operator::shell(services).make_service_token(services, asked).await?;
        note(format!(
            "Made the token {} (id {}), good until {}. Keep it where secrets are kept: it is not \
             shown again.",
            row.name,
            row.id,
            to_the_second(row.expires_at)
        ));
        let (name, id) = (&row.name, row.id);
        output::once(
            token.expose(),
            &format!(
                "The token {name} (id {id}) is made, and nobody has it: `countersign token revoke \
                 {id}` ends it"
            ),
        );
        Ok(())
    }
}

async fn list(services: &Services, as_json: bool) -> Result<(), CommandError> {
    let (tokens, now) = (all(services).await?, services.clock.now());
    let makers = Makers::of(&tokens, &*services.store).await?;
    if as_json {
        let rows: Vec<_> = tokens
            .iter()
            .map(|token| {
                json!({
                    "id": token.id,
                    "name": token.name,
                    "state": state(token, &makers, now),
                    "permissions": token.powers.permissions,
                    "groups": token.powers.groups,
                    "is_superuser": token.powers.is_superuser,
                    "networks": token.networks,
                    "maker": token.maker.to_string(),
                    "created_at": token.created_at,
                    "expires_at": token.expires_at,
                    "last_used_at": token.last_used_at,
                    "revoked_at": token.revoked_at,
                })
            })
            .collect();
        return output::json(&rows);
    }
    table(
        ["ID", "NAME", "STATE", "MAY", "FROM", "MADE BY", "EXPIRES", "LAST USED"],
        tokens.into_iter().map(|token| {
            [
                token.id.to_string(),
                token.name.clone(),
                state(&token, &makers, now).to_owned(),
                in_words(&token.powers),
                token.networks.iter().map(ToString::to_string).collect::<Vec<_>>().join(", "),
                token.maker.to_string(),
                to_the_second(token.expires_at),
                token.last_used_at.map(to_the_second).unwrap_or_default(),
            ]
        }),
    );
    Ok(())
}

async fn revoke(services: &Services, named: &str) -> Result<(), CommandError> {
    let tokens = all(services).await?;
    let is_it = |token: &&ServiceTokenRow| {
        token.revoked_at.is_none() && (token.name == named || token.id.to_string() == named)
    };
    let Some(token) = tokens.iter().find(is_it) else {
        return Err(CommandError::new(format!(
            "there is no token {named:?} that was not revoked; `countersign token list` shows them"
        )));
    };
    Operator::shell(services).revoke_service_token(token.id).await?;
    line(format!("Revoked the token {} (id {}).", token.name, token.id));
    Ok(())
}

fn network(text: &str) -> Result<IpNet, String> {
    config::network(text)
        .ok_or_else(|| "write a network such as 10.0.0.0/8, or an address".to_owned())
}

fn lifetime(text: &str) -> Result<Duration, String> {
    let length = duration(text).map_err(|error| error.to_string())?;
    if (SHORTEST..=LONGEST).contains(&length) {
        return Ok(length);
    }
    let [least, most] = [SHORTEST, LONGEST].map(length_in_words);
    Err(format!("choose {least} to {most}"))
}

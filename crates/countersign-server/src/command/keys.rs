//! `countersign keys …`.

use clap::{Args, Subcommand};
use countersign::token::KeyId;
use secrecy::ExposeSecret;
use serde_json::json;

use super::output::{self, line, note, table, text};
use crate::command_error::CommandError;
use crate::operate::Operator;
use crate::operate::keys::{find, states};
use crate::services::{Context, Services, Wanted};
use crate::text::to_the_second;

/// List, rotate and export the keys that access tokens are signed with
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  countersign keys list\n  countersign keys rotate")]
pub(super) struct Keys {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// List the keys, the oldest first
    #[command(after_help = "Example:\n  countersign keys list --json")]
    List {
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Make a new key; the old ones verify until their last token has expired
    #[command(after_help = "Example:\n  countersign keys rotate\n  countersign keys rotate --now")]
    Rotate {
        /// Cut the old keys off at once: every access token that they signed dies, and every client
        /// refreshes
        #[arg(long)]
        now: bool,
    },
    /// Print a public key as PEM and JWK
    #[command(after_help = "Example:\n  countersign keys export 5f0c9e1d2b3a4857")]
    Export {
        /// The key's id
        #[arg(value_name = "KID")]
        id: KeyId,
        /// Print the private key instead (PKCS#8 PEM): whoever has it can sign in as anybody. The
        /// audit log tells of it
        #[arg(long)]
        private: bool,
    },
}

impl Keys {
    pub(super) async fn run(self, context: &Context) -> Result<(), CommandError> {
        match self.command {
            Command::List { json } => {
                list(&Services::open(context, Wanted::There).await?, json).await
            }
            Command::Rotate { now } => {
                rotate_and_tell(&Services::open(context, Wanted::There).await?, now).await
            }
            Command::Export { id, private } => {
                export(&Services::open(context, Wanted::There).await?, id, private).await
            }
        }
    }
}

async fn list(services: &Services, as_json: bool) -> Result<(), CommandError> {
    let keys = services.store.keys().await?;
    let now = services.clock.now();
    let states = states(&keys, now);
    if as_json {
        let rows: Vec<_> = keys
            .iter()
            .zip(&states)
            .map(|(key, state)| {
                json!({
                    "kid": key.id.to_string(),
                    "algorithm": key.algorithm,
                    "state": state.word(),
                    "created_at": key.created_at,
                    "activates_at": key.activates_at,
                    "retires_at": key.retires_at,
                })
            })
            .collect();
        return output::json(&rows);
    }
    table(
        ["KID", "ALGORITHM", "STATE", "MADE", "RETIRES"],
        keys.iter().zip(states).map(|(key, state)| {
            [
                key.id.to_string(),
                key.algorithm.to_string(),
                state.word().to_owned(),
                to_the_second(key.created_at),
                key.retires_at.map(to_the_second).unwrap_or_default(),
            ]
        }),
    );
    Ok(())
}

async fn rotate_and_tell(services: &Services, cut_off: bool) -> Result<(), CommandError> {
    let id = Operator::shell(services).rotate_keys(services, cut_off).await?;
    line(match cut_off {
        true => format!(
            "Made the key {id}. The old keys are cut off; clients get new access tokens with their \
             next refresh."
        ),
        false => format!(
            "Made the key {id}. It signs in two minutes, when every verifier knows it; the old \
             keys verify until their last token has expired."
        ),
    });
    Ok(())
}

async fn export(services: &Services, id: KeyId, private: bool) -> Result<(), CommandError> {
    if private {
        let pem = Operator::shell(services).export_private_key(services, id).await?;
        note(
            "This is the private key: whoever has it can sign in as anybody. Keep it where nobody \
             reads it, and rotate after the move.",
        );
        text(pem.expose_secret().trim_end());
        text("\n");
        return Ok(());
    }
    let opened = find(&services.store.keys().await?, id)?.open(&services.secrets().await?)?;
    match (opened.public_pem()?, opened.public_jwk(id)?) {
        (Some(pem), Some(jwk)) => {
            text(&pem);
            output::json(&jwk)
        }
        _ => Err(CommandError::new(
            "HS256 has no public key; --private prints the secret, which whoever verifies needs",
        )),
    }
}

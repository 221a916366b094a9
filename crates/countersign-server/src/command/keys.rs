//! `countersign keys …`.

use clap::{Args, Subcommand};
use countersign::clock::{OsRandom, SystemClock};
use countersign::key_rotation::rotate;
use countersign::token::{KeyId, SealedKey};
use jiff::Timestamp;
use secrecy::ExposeSecret;
use serde_json::json;

use super::output::{self, line, note, short, table, text};
use crate::config::Config;
use crate::failure::Failure;
use crate::world::{Wanted, World};

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
        /// Cut the old keys off at once: every access token that they signed dies, and every client refreshes
        #[arg(long)]
        now: bool,
    },
    /// Print a public key as PEM and JWK
    #[command(after_help = "Example:\n  countersign keys export 5f0c9e1d2b3a4857")]
    Export {
        /// The key's id
        #[arg(value_name = "KID")]
        id: KeyId,
        /// Print the private key instead (PKCS#8 PEM): whoever has it can sign in as anybody
        #[arg(long)]
        private: bool,
    },
}

impl Keys {
    pub(super) async fn run(self, config: &Config) -> Result<(), Failure> {
        match self.command {
            Command::List { json } => list(&World::open(config, Wanted::There).await?, json).await,
            Command::Rotate { now } => rotate_and_tell(&World::open(config, Wanted::There).await?, now).await,
            Command::Export { id, private } => export(&World::open(config, Wanted::There).await?, id, private).await,
        }
    }
}

async fn list(world: &World<'_>, as_json: bool) -> Result<(), Failure> {
    let keys = world.store.keys().await?;
    let now = Timestamp::now();
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
                short(key.created_at),
                key.retires_at.map(short).unwrap_or_default(),
            ]
        }),
    );
    Ok(())
}

async fn rotate_and_tell(world: &World<'_>, cut_off: bool) -> Result<(), Failure> {
    let id = rotate_keys(world, cut_off).await?;
    line(match cut_off {
        true => format!("Made the key {id}. The old keys are cut off; clients get new access tokens with their next refresh."),
        false => format!(
            "Made the key {id}. It signs in two minutes, when every verifier knows it; the old keys verify until their last token has expired."
        ),
    });
    Ok(())
}

/// Makes a new key, after a look whether the live ones open with the secret; its id.
///
/// # Errors
/// A live key that does not open, unless the old keys are cut off: the secret would be the wrong one. Otherwise the store's.
pub(crate) async fn rotate_keys(world: &World<'_>, cut_off: bool) -> Result<KeyId, Failure> {
    let settings = world.config.settings()?;
    let secrets = world.secrets().await?;
    // What cannot be opened must not be added to: the secret would be the wrong one. Unless it is lost for good, and the old keys are to go.
    if !cut_off {
        for key in world.store.keys().await?.iter().filter(|key| key.is_live(Timestamp::now())) {
            key.open(&secrets)?;
        }
    }
    Ok(rotate(&*world.store, &secrets, settings.signing_algorithm, settings.access_lifetime, cut_off, &SystemClock, &OsRandom).await?)
}

/// What a key is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum KeyState {
    /// It signs every new token.
    Signing,
    /// It verifies what it signed before.
    Verifying,
    /// It is published, and signs soon.
    Next,
    /// Nothing that it signed counts any more.
    Retired,
}

impl KeyState {
    /// In a word.
    pub(crate) const fn word(self) -> &'static str {
        match self {
            Self::Signing => "signing",
            Self::Verifying => "verifying",
            Self::Next => "next",
            Self::Retired => "retired",
        }
    }

    /// In a sentence.
    pub(crate) const fn told(self) -> &'static str {
        match self {
            Self::Signing => "Every new access token is signed with it.",
            Self::Verifying => "What it signed still counts, until it retires.",
            Self::Next => "It is published, so that verifiers know it, and signs soon.",
            Self::Retired => "Nothing that it signed counts any more.",
        }
    }
}

/// What each of the keys is for: the newest active one signs; those before it verify; those behind it wait.
pub(crate) fn states(keys: &[SealedKey], now: Timestamp) -> Vec<KeyState> {
    let signing = keys.iter().rposition(|key| key.is_live(now) && key.activates_at <= now);
    keys.iter()
        .enumerate()
        .map(|(i, key)| match signing {
            _ if !key.is_live(now) => KeyState::Retired,
            Some(signing) if i == signing => KeyState::Signing,
            _ if key.activates_at > now => KeyState::Next,
            _ => KeyState::Verifying,
        })
        .collect()
}

async fn export(world: &World<'_>, id: KeyId, private: bool) -> Result<(), Failure> {
    let keys = world.store.keys().await?;
    let key = keys
        .iter()
        .find(|key| key.id == id)
        .ok_or_else(|| Failure::new(format!("there is no key {id}; `countersign keys list` shows them")))?;
    let opened = key.open(&world.secrets().await?)?;
    if private {
        note("This is the private key: whoever has it can sign in as anybody. Keep it where nobody reads it, and rotate after the move.");
        text(opened.to_pem().expose_secret().trim_end());
        text("\n");
        return Ok(());
    }
    match (opened.public_pem()?, opened.public_jwk(id)?) {
        (Some(pem), Some(jwk)) => {
            text(&pem);
            output::json(&jwk)
        }
        _ => Err(Failure::new("HS256 has no public key; --private prints the secret, which whoever verifies needs")),
    }
}

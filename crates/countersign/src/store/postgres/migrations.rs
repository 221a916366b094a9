//! The schema, step by step. A step that has landed is never edited.

use std::time::Duration;

use tokio_postgres::error::SqlState;
use tokio_postgres::{Client, Row};

use super::indexes;
use crate::store::StoreError;
use crate::store::failure::Failure;

/// Brings the schema up to date, under a lock that only migrations take, all steps in one
/// transaction. Two nodes that start at once are safe: the second finds the work done.
///
/// A step that waits for a table has everybody behind it who wants the table, also to read: so it
/// waits for two seconds and no more, lets all go that it holds, and tries again after a pause. It
/// does so for as long as somebody holds the table, such as a long `pg_dump`. The nodes of before
/// go on meanwhile.
pub(super) async fn migrate(client: &mut Client) -> Result<(), Failure> {
    let mut pause = FIRST_PAUSE;
    while !pending(client).await?.is_empty() {
        if take_steps(client).await? {
            break;
        }
        tracing::warn!(
            again_in = ?pause,
            "the schema cannot be brought up to date yet: another session holds a table, such as a \
             backup; trying again"
        );
        tokio::time::sleep(pause).await;
        pause = LONGEST_PAUSE.min(pause * 2);
    }
    indexes::make_missing(client).await
}

/// All steps that are left. `false`, and nothing is done, when somebody holds a table for too long.
async fn take_steps(client: &mut Client) -> Result<bool, Failure> {
    let transaction = client.transaction().await?;
    // Who waits for another migration holds nothing yet, and waits for as long as it takes: the
    // limit is set behind the lock.
    transaction
        .batch_execute(&format!(
            "SET LOCAL statement_timeout = 0; SET LOCAL lock_timeout = 0;
             SELECT pg_advisory_xact_lock({LOCK}); SET LOCAL lock_timeout = '{LOCK_TIMEOUT}'"
        ))
        .await?;
    transaction
        .batch_execute(
            "CREATE TABLE IF NOT EXISTS schema_steps (number integer PRIMARY KEY, name \
            text NOT NULL, taken_at timestamptz NOT NULL DEFAULT now())",
        )
        .await?;
    let steps = rest(&transaction.query("SELECT name FROM schema_steps", &[]).await?)?;
    let is_new = steps.len() == STEPS.len();
    for (name, sql) in steps {
        if let Err(error) = transaction.batch_execute(sql).await {
            let others = [&SqlState::LOCK_NOT_AVAILABLE, &SqlState::T_R_DEADLOCK_DETECTED];
            if error.code().is_some_and(|code| others.contains(&code)) {
                transaction.rollback().await?;
                return Ok(false);
            }
            let why = format!("migration {name}: {}", super::message_of(&error));
            return Err(StoreError::Failed(why).into());
        }
        transaction
            .execute(
                "INSERT INTO schema_steps (number, name) SELECT coalesce(max(number) + 1, 0), \
                $1 FROM schema_steps",
                &[&name],
            )
            .await?;
    }
    if is_new {
        indexes::make_all(&transaction).await?;
    }
    transaction.commit().await?;
    Ok(true)
}

/// The steps that have not been taken.
pub(super) async fn pending(client: &Client) -> Result<Vec<(&'static str, &'static str)>, Failure> {
    let there: bool = client
        .query_one("SELECT to_regclass('schema_steps') IS NOT NULL", &[])
        .await?
        .try_get(0)?;
    rest(&if there {
        client.query("SELECT name FROM schema_steps", &[]).await?
    } else {
        Vec::new()
    })
}

/// What is left to do, whatever the order in which the others were done. A step that this program
/// does not know is a newer one's.
fn rest(taken: &[Row]) -> Result<Vec<(&'static str, &'static str)>, Failure> {
    let taken =
        taken.iter().map(|row| row.try_get(0).map(known_as)).collect::<Result<Vec<&str>, _>>()?;
    if taken.iter().any(|name| STEPS.iter().all(|(known, _)| known != name)) {
        return Err(StoreError::Failed(format!(
            "the database has schema {}, this program knows up to {}; start the newer countersign",
            taken.len(),
            STEPS.len()
        ))
        .into());
    }
    Ok(STEPS.iter().copied().filter(|(name, _)| !taken.contains(name)).collect())
}

/// What a step is called now.
fn known_as(name: &str) -> &str {
    RENAMED.iter().find(|(old, _)| *old == name).map_or(name, |(_, new)| new)
}

/// Steps that had another name in an earlier program, and are the same: the databases of that
/// program have the old one.
const RENAMED: &[(&str, &str)] = &[("0003_throttle", "0002_throttle")];

const STEPS: &[(&str, &str)] = &[
    ("0001_initial", include_str!("migrations/0001_initial.sql")),
    ("0002_throttle", include_str!("migrations/0002_throttle.sql")),
    ("0003_admin", include_str!("migrations/0003_admin.sql")),
    ("0004_addresses", include_str!("migrations/0004_addresses.sql")),
    ("0005_first_link", include_str!("migrations/0005_first_link.sql")),
    ("0006_marks", include_str!("migrations/0006_marks.sql")),
    ("0007_live_kinds", include_str!("migrations/0007_live_kinds.sql")),
    ("0008_house", include_str!("migrations/0008_house.sql")),
    ("0010_live_sessions", include_str!("migrations/0010_live_sessions.sql")),
    ("0011_actor", include_str!("migrations/0011_actor.sql")),
    ("0013_accounts", include_str!("migrations/0013_accounts.sql")),
    ("0014_history", include_str!("migrations/0014_history.sql")),
    ("0015_device_name", include_str!("migrations/0015_device_name.sql")),
    ("0016_bounds", include_str!("migrations/0016_bounds.sql")),
    ("0017_deletion", include_str!("migrations/0017_deletion.sql")),
    ("0018_factors", include_str!("migrations/0018_factors.sql")),
    ("0019_passkeys", include_str!("migrations/0019_passkeys.sql")),
    ("0020_devices", include_str!("migrations/0020_devices.sql")),
    ("0023_registrations", include_str!("migrations/0023_registrations.sql")),
    ("0021_carried_factors", include_str!("migrations/0021_carried_factors.sql")),
    ("0024_service_tokens", include_str!("migrations/0024_service_tokens.sql")),
    ("0025_tickets", include_str!("migrations/0025_tickets.sql")),
    ("0026_hooks", include_str!("migrations/0026_hooks.sql")),
    ("0027_audit_place", include_str!("migrations/0027_audit_place.sql")),
    ("0028_hook_lines", include_str!("migrations/0028_hook_lines.sql")),
    ("0029_shell_moves", include_str!("migrations/0029_shell_moves.sql")),
    ("0030_links_end", include_str!("migrations/0030_links_end.sql")),
    ("0032_recent_codes", include_str!("migrations/0032_recent_codes.sql")),
];

/// A number that nobody else on this database should have chosen.
const LOCK: i64 = 0x636f_756e_7465_7273;

/// How long a step waits for a table, and everybody else behind it.
const LOCK_TIMEOUT: &str = "2s";

/// How long others have the tables to themselves before the next try. The pauses grow, so that a
/// long backup costs little.
const FIRST_PAUSE: Duration = Duration::from_secs(3);
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

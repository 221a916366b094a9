//! Indexes for the admin site, which are made on a database that nodes write to: one by one, and
//! without holding anybody up.

use tokio_postgres::{Client, Transaction};

use super::message_of;
use crate::store::failure::Failure;

/// All that the search of users looks into, in one text: an index of four columns would be read
/// four times.
macro_rules! searched {
    () => {
        "coalesce(username_folded, username) || E'\\n' || lower(email COLLATE \"C\") || E'\\n' || \
         lower(first_name COLLATE \"C\") || E'\\n' || lower(last_name COLLATE \"C\")"
    };
}

/// Makes all of them in a database that is being made: nobody waits for its tables.
pub(super) async fn make_all(transaction: &Transaction<'_>) -> Result<(), Failure> {
    for (name, on) in INDEXES.iter().filter(|(name, _)| *name != TRIGRAMS) {
        transaction.batch_execute(&format!("CREATE INDEX {name} ON {on}")).await?;
    }
    for (superseded, _) in SUPERSEDED {
        transaction.batch_execute(&format!("DROP INDEX IF EXISTS {superseded}")).await?;
    }
    Ok(())
}

/// Makes those that are missing. Lists are slow until they are there, and nothing else is, so one
/// that cannot be made now is left to the next start.
pub(super) async fn make_missing(client: &Client) -> Result<(), Failure> {
    let mut to_make = missing(client).await?;
    if to_make.iter().any(|(name, _)| *name == TRIGRAMS) {
        let made = client.batch_execute("CREATE EXTENSION IF NOT EXISTS pg_trgm").await;
        // Another node that starts now may have been quicker; and in a schema of its own the one of
        // the database may be out of sight.
        if !client.query_one(HAS_TRIGRAMS, &[]).await?.try_get::<_, bool>(0)? {
            tracing::warn!(
                error = made.as_ref().err().map(message_of),
                "the admin site's search has no index: CREATE EXTENSION pg_trgm as an owner of the \
                 database, in the schema of the tables, and start again"
            );
            to_make.retain(|(name, _)| *name != TRIGRAMS);
        }
    }
    // Two that make indexes of one table wait for each other until the database ends one of them.
    if to_make.is_empty() || !client.query_one(TRY_LOCK, &[&LOCK]).await?.try_get::<_, bool>(0)? {
        return Ok(());
    }
    // The one before may have made them since.
    let still = missing(client).await?;
    to_make.retain(|index| still.contains(index));
    let made = make(client, &to_make).await;
    client.execute("SELECT pg_advisory_unlock($1)", &[&LOCK]).await?;
    made
}

async fn make(client: &Client, to_make: &[(&str, &str)]) -> Result<(), Failure> {
    if to_make.is_empty() {
        return Ok(());
    }
    tracing::info!(indexes = to_make.len(), "making indexes; nodes that run go on meanwhile");
    client.batch_execute("SET statement_timeout = 0").await?;
    for (name, on) in to_make {
        // One that was not finished is there, and is no good.
        let made = async {
            client.batch_execute(&format!("DROP INDEX CONCURRENTLY IF EXISTS {name}")).await?;
            client
                .batch_execute(&format!("CREATE INDEX CONCURRENTLY IF NOT EXISTS {name} ON {on}"))
                .await
        };
        if let Err(error) = made.await {
            tracing::warn!(
                index = name,
                error = message_of(&error),
                "the index cannot be made now; the next start tries again"
            );
        }
    }
    let missing = missing(client).await?;
    for (superseded, better) in SUPERSEDED {
        if missing.iter().any(|(name, _)| *name == better) {
            continue;
        }
        let dropped = format!("DROP INDEX CONCURRENTLY IF EXISTS {superseded}");
        if let Err(error) = client.batch_execute(&dropped).await {
            tracing::warn!(
                index = superseded,
                error = message_of(&error),
                "an index that nothing uses any more could not be dropped; drop it by hand"
            );
        }
    }
    // One that has to wait is left out: the database does the same by itself, minutes later.
    client.batch_execute("SET lock_timeout = '2s'").await?;
    for table in ["users", "sessions", "audit_events"] {
        if let Err(error) = client.batch_execute(&format!("ANALYZE {table}")).await {
            tracing::info!(table, error = message_of(&error), "its new indexes are used later");
        }
    }
    client.batch_execute("RESET lock_timeout; RESET statement_timeout").await?;
    Ok(())
}

async fn missing(client: &Client) -> Result<Vec<(&'static str, &'static str)>, Failure> {
    let rows = client
        .query(
            "SELECT c.relname FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid WHERE \
             i.indisvalid AND pg_table_is_visible(c.oid)",
            &[],
        )
        .await?;
    let there = rows.iter().map(|row| row.try_get(0)).collect::<Result<Vec<String>, _>>()?;
    Ok(INDEXES.iter().copied().filter(|(name, _)| there.iter().all(|own| own != name)).collect())
}

/// A lock that whoever makes indexes holds, and nobody waits for. Other than that of migrations, it
/// is the connection's: indexes that hold nobody up are made outside of transactions.
const TRY_LOCK: &str = "SELECT pg_try_advisory_lock($1)";

/// A number that nobody else on this database should have chosen.
const LOCK: i64 = 0x636f_756e_7465_7274;

/// What another index does better, and which.
const SUPERSEDED: [(&str, &str); 2] = [("sessions_user", LIVE), ("users_text", TRIGRAMS)];

const LIVE: &str = "sessions_live";

/// Their names, and what they are on. Lists are sorted by the last columns but the id, and then by
/// it. Columns that a refresh changes are in none.
#[rustfmt::skip]
const INDEXES: &[(&str, &str)] = &[
    ("users_by_name", "users (coalesce(username_folded, username), id)"),
    ("users_by_email", "users (lower(email COLLATE \"C\"), id)"),
    ("users_email_beyond_ascii", "users (id) WHERE octet_length(email) <> length(email)"),
    ("users_by_first_name", "users (lower(first_name COLLATE \"C\"), id)"),
    ("users_by_last_name", "users (lower(last_name COLLATE \"C\"), id)"),
    ("users_by_joined", "users (date_joined, id)"),
    ("users_by_last_login", "users (coalesce(last_login, '0001-01-01 00:00:00+00'::timestamptz), \
        id)"),
    ("users_staff", "users (id) WHERE is_staff"),
    ("users_superusers", "users (id) WHERE is_superuser"),
    ("users_live_kind", "users (password_kind) WHERE is_active"),
    ("users_inactive", "users (id) WHERE NOT is_active"),
    ("users_factors", "users (id) WHERE factors > 0"),
    ("sessions_made", "sessions (created_at, id)"),
    ("sessions_of_user", "sessions (user_id, created_at, id)"),
    (LIVE, "sessions (user_id, created_at, id) WHERE revoked_at IS NULL"),
    ("sessions_transport", "sessions (transport, created_at, id)"),
    ("sessions_reason", "sessions (revoked_reason, created_at, id) WHERE revoked_at IS NOT NULL"),
    ("audit_at", "audit_events (at, id)"),
    ("audit_place", "audit_events (xid, id)"),
    ("audit_kind", "audit_events (kind, at, id)"),
    ("audit_user_id", "audit_events (user_id, at, id) WHERE user_id IS NOT NULL"),
    ("audit_actor_id", "audit_events (actor_id, at, id) WHERE actor_id IS NOT NULL"),
    ("audit_actor", "audit_events (actor, at, id) WHERE actor IS NOT NULL"),
    ("audit_session_id", "audit_events (session_id, at, id) WHERE session_id IS NOT NULL"),
    ("audit_ip", "audit_events (ip, at, id) WHERE ip IS NOT NULL"),
    (TRIGRAMS, concat!("users USING gin ((", searched!(), ") gin_trgm_ops)")),
];

/// Whether the extension is there, and where the search path leads.
const HAS_TRIGRAMS: &str = "SELECT EXISTS (SELECT 1 FROM pg_opclass
     WHERE opcname = 'gin_trgm_ops' AND pg_opclass_is_visible(oid))";

/// What an index of trigrams is on, as the search asks for it.
pub(super) const SEARCHED: &str = concat!("(", searched!(), ")");

/// What the search asks, by the extension `pg_trgm`.
const TRIGRAMS: &str = "users_words";

//! The schema, step by step. A step that has landed is never edited.

use tokio_postgres::Client;

use crate::store::StoreError;

/// Brings the schema up to date, under a lock that only migrations take, all steps in one transaction. Two nodes that start at once are safe: the second finds the
/// work done.
pub(super) async fn migrate(client: &mut Client) -> Result<(), StoreError> {
    if pending(client).await?.is_empty() {
        return Ok(());
    }
    let transaction = client.transaction().await?;
    transaction.batch_execute(&format!("SET LOCAL statement_timeout = 0; SELECT pg_advisory_xact_lock({LOCK})")).await?;
    transaction
        .batch_execute("CREATE TABLE IF NOT EXISTS schema_steps (number integer PRIMARY KEY, name text NOT NULL, taken_at timestamptz NOT NULL DEFAULT now())")
        .await?;
    let taken: i64 = transaction.query_one("SELECT count(*) FROM schema_steps", &[]).await?.try_get(0)?;
    for (number, (name, sql)) in (taken..).zip(rest(taken)?) {
        let failed = |error: tokio_postgres::Error| StoreError::Failed(format!("migration {name}: {}", super::told(&error)));
        transaction.batch_execute(sql).await.map_err(failed)?;
        let number = i32::try_from(number).unwrap_or(i32::MAX);
        transaction.execute("INSERT INTO schema_steps (number, name) VALUES ($1, $2)", &[&number, name]).await?;
    }
    transaction.commit().await?;
    Ok(())
}

/// The steps that have not been taken.
pub(super) async fn pending(client: &Client) -> Result<&'static [(&'static str, &'static str)], StoreError> {
    let there: bool = client.query_one("SELECT to_regclass('schema_steps') IS NOT NULL", &[]).await?.try_get(0)?;
    let taken = if there { client.query_one("SELECT count(*) FROM schema_steps", &[]).await?.try_get(0)? } else { 0 };
    rest(taken)
}

fn rest(taken: i64) -> Result<&'static [(&'static str, &'static str)], StoreError> {
    usize::try_from(taken).ok().and_then(|taken| STEPS.get(taken..)).ok_or_else(|| {
        StoreError::Failed(format!(
            "the database has schema {taken}, this program knows up to {}; start the newer countersign",
            STEPS.len()
        ))
    })
}

const STEPS: &[(&str, &str)] = &[("0001_initial", include_str!("migrations/0001_initial.sql"))];

/// A number that nobody else on this database should have chosen.
const LOCK: i64 = 0x636f_756e_7465_7273;

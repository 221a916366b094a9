//! The schema, step by step. A step that has landed is never edited.

use rusqlite::{Connection, TransactionBehavior};

use crate::store::StoreError;

/// Brings the schema up to date, all steps in one transaction. Two processes that start at once are
/// safe: the second finds the work done.
pub(super) fn migrate(connection: &mut Connection) -> Result<(), StoreError> {
    if pending(connection)?.is_empty() {
        return Ok(());
    }
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    for (name, sql) in pending(&transaction)? {
        transaction
            .execute_batch(sql)
            .map_err(|error| StoreError::Failed(format!("migration {name}: {error}")))?;
    }
    transaction.pragma_update(None, "user_version", STEPS.len())?;
    transaction.commit()?;
    Ok(())
}

/// Writes the first page of the file, with what stands there: nothing changes, and yet the disk has
/// been written.
pub(super) fn touch(connection: &Connection) -> Result<(), StoreError> {
    let taken: i64 = connection.pragma_query_value(None, "user_version", |row| row.get(0))?;
    Ok(connection.pragma_update(None, "user_version", taken)?)
}

/// The steps that have not been taken.
pub(super) fn pending(
    connection: &Connection,
) -> Result<&'static [(&'static str, &'static str)], StoreError> {
    let taken: usize = connection.pragma_query_value(None, "user_version", |row| row.get(0))?;
    STEPS.get(taken..).ok_or_else(|| {
        StoreError::Failed(format!(
            "the database has schema {taken}, this program knows up to {}; start the newer \
             countersign",
            STEPS.len()
        ))
    })
}

const STEPS: &[(&str, &str)] = &[
    ("0001_initial", include_str!("migrations/0001_initial.sql")),
    ("0002_admin", include_str!("migrations/0002_admin.sql")),
    ("0003_one_index_less", include_str!("migrations/0003_one_index_less.sql")),
    ("0004_addresses", include_str!("migrations/0004_addresses.sql")),
    ("0005_first_link", include_str!("migrations/0005_first_link.sql")),
    ("0006_search", include_str!("migrations/0006_search.sql")),
    ("0007_marks", include_str!("migrations/0007_marks.sql")),
    ("0008_live_kinds", include_str!("migrations/0008_live_kinds.sql")),
    ("0009_house", include_str!("migrations/0009_house.sql")),
    ("0010_live_sessions", include_str!("migrations/0010_live_sessions.sql")),
    ("0011_actor", include_str!("migrations/0011_actor.sql")),
    ("0013_accounts", include_str!("migrations/0013_accounts.sql")),
    ("0015_device_name", include_str!("migrations/0015_device_name.sql")),
    ("0016_bounds", include_str!("migrations/0016_bounds.sql")),
];

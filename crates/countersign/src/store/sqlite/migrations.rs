//! The schema, step by step. A step that has landed is never edited.

use rusqlite::{Connection, TransactionBehavior};

use crate::store::StoreError;
use crate::store::failure::Failure;

/// Brings the schema up to date, all steps in one transaction. Two processes that start at once are
/// safe: the second finds the work done.
pub(super) fn migrate(connection: &mut Connection) -> Result<(), Failure> {
    if pending(connection)?.is_empty() {
        // A file of a program that did not sign its files.
        if application_id(connection)? == 0 {
            connection.pragma_update(None, "application_id", OURS)?;
        }
        return Ok(());
    }
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    for (name, sql) in pending(&transaction)? {
        transaction
            .execute_batch(sql)
            .map_err(|error| StoreError::Failed(format!("migration {name}: {}", told(&error))))?;
    }
    transaction.pragma_update(None, "user_version", STEPS.len())?;
    transaction.pragma_update(None, "application_id", OURS)?;
    transaction.commit()?;
    Ok(())
}

/// Writes the first page of the file, with what stands there: nothing changes, and yet the disk has
/// been written.
pub(super) fn touch(connection: &Connection) -> Result<(), Failure> {
    let taken: i64 = connection.pragma_query_value(None, "user_version", |row| row.get(0))?;
    Ok(connection.pragma_update(None, "user_version", taken)?)
}

/// The steps that have not been taken.
pub(super) fn pending(
    connection: &Connection,
) -> Result<&'static [(&'static str, &'static str)], Failure> {
    let taken: usize = connection.pragma_query_value(None, "user_version", |row| row.get(0))?;
    refuse_foreign(connection, taken)?;
    Ok(STEPS.get(taken..).ok_or_else(|| {
        StoreError::Failed(format!(
            "the database has schema {taken}, this program knows up to {}; start the newer \
             countersign",
            STEPS.len()
        ))
    })?)
}

/// Another program counts its own steps: its number says nothing of our tables.
fn refuse_foreign(connection: &Connection, taken: usize) -> Result<(), Failure> {
    let foreign = |why: &str| {
        Err(StoreError::Failed(format!(
            "the file is another program's database ({why}); give countersign a file of its own"
        ))
        .into())
    };
    match application_id(connection)? {
        OURS => Ok(()),
        0 if taken == 0 => Ok(()),
        0 => {
            let ours = "SELECT count(*) FROM sqlite_master
                        WHERE name IN ('users', 'sessions', 'signing_keys', 'changes')";
            let tables: usize = connection.query_row(ours, [], |row| row.get(0))?;
            if tables == 4 { Ok(()) } else { foreign(&format!("user_version {taken}")) }
        }
        other => foreign(&format!("application_id {other}")),
    }
}

fn application_id(connection: &Connection) -> Result<i32, Failure> {
    Ok(connection.pragma_query_value(None, "application_id", |row| row.get(0))?)
}

/// An error without the statement that it is about, which may be long.
fn told(error: &rusqlite::Error) -> String {
    match error {
        rusqlite::Error::SqlInputError { msg, .. } => msg.clone(),
        other => other.to_string(),
    }
}

/// `CSGN`: what `file` and SQLite's own shell call the file by.
const OURS: i32 = 0x4353_474e;

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
    ("0017_deletion", include_str!("migrations/0017_deletion.sql")),
    ("0018_factors", include_str!("migrations/0018_factors.sql")),
    ("0019_passkeys", include_str!("migrations/0019_passkeys.sql")),
    ("0020_devices", include_str!("migrations/0020_devices.sql")),
    ("0023_registrations", include_str!("migrations/0023_registrations.sql")),
    ("0021_carried_factors", include_str!("migrations/0021_carried_factors.sql")),
    ("0024_service_tokens", include_str!("migrations/0024_service_tokens.sql")),
    ("0025_tickets", include_str!("migrations/0025_tickets.sql")),
    ("0026_hooks", include_str!("migrations/0026_hooks.sql")),
    ("0028_hook_lines", include_str!("migrations/0028_hook_lines.sql")),
    ("0029_shell_moves", include_str!("migrations/0029_shell_moves.sql")),
    ("0030_links_end", include_str!("migrations/0030_links_end.sql")),
    ("0032_recent_codes", include_str!("migrations/0032_recent_codes.sql")),
];

//! Second factors that come from another installation.

use jiff::Timestamp;
use rusqlite::{Connection, named_params};

use super::audit;
use crate::session::DeviceName;
use crate::store::admin::{Actor, AdminError, AuditKind, FactorsImported, ImportFactors};
use crate::store::failure::Failure;
use crate::store::plan::audit_lines::{Acted, line};
use crate::store::sqlite::columns::{key, micros};
use crate::store::sqlite::enrolled::{change_version, insert_codes, is_room};
use crate::store::sqlite::users;

pub(super) fn import(
    connection: &Connection,
    import: &ImportFactors,
    by: &Actor,
) -> Acted<FactorsImported> {
    let user = users::by_id(connection, import.user)?.ok_or(AdminError::Gone)?;
    by.is_let(
        super::operators::operator(connection, by)?.as_ref(),
        std::iter::once((&user, &user)),
    )?;
    let imported = take(connection, import, by.now)?;
    if imported.added == 0 {
        return audit::noted(connection, imported, Vec::new());
    }
    let detail = imported.added.to_string();
    let told = line(by, AuditKind::FactorsImported, Some(import.user), None, &detail);
    audit::noted(connection, imported, vec![told])
}

fn take(
    connection: &Connection,
    import: &ImportFactors,
    now: Timestamp,
) -> Result<FactorsImported, Failure> {
    let mut imported = FactorsImported::default();
    let mut insert = connection.prepare_cached(
        "INSERT INTO factors (id, user_id, kind, name, sealed, last_step, created_at,
             confirmed_at, last_used_at, credential, is_backed_up, handle)
         VALUES (:id, :user, :kind, :name, :sealed, :last_step, :created, :created, :used,
             :credential, :is_backed_up, :handle) ON CONFLICT DO NOTHING",
    )?;
    for factor in &import.factors {
        if !is_room(connection, import.user)? {
            break;
        }
        imported.added += insert.execute(named_params! {
            ":id": factor.id.as_i64(),
            ":user": key(import.user),
            ":kind": factor.kind.as_str(),
            ":name": factor.name.as_ref().map(DeviceName::as_str),
            ":sealed": factor.sealed,
            ":last_step": factor.last_step,
            ":created": micros(factor.created_at),
            ":used": factor.last_used_at.map(|at: Timestamp| micros(at)),
            ":credential": factor.credential,
            ":is_backed_up": factor.is_backed_up,
            ":handle": factor.handle,
        })? as u64;
    }
    if imported.added == 0 {
        return Ok(imported);
    }
    let had_codes = connection
        .prepare_cached("SELECT 1 FROM recovery_codes WHERE user_id = ?")?
        .exists([key(import.user)])?;
    if !had_codes && !import.codes.is_empty() {
        insert_codes(connection, import.user, &import.codes, now)?;
        imported.are_codes_new = true;
    }
    change_version(connection, import.user, Some(now))?;
    Ok(imported)
}

//! Groups and permissions.

use std::collections::BTreeSet;

use async_trait::async_trait;
use rusqlite::{Connection, OptionalExtension, params};

use super::audit;
use super::operators::operator;
use super::users::{GROUP_NAME, PERMISSION_NAME, named};
use crate::store::StoreError;
use crate::store::admin::{
    Actor, AdminError, AuditKind, Count, Fingerprint, GroupAdmin, GroupRecord, GroupRow,
    PermissionRow, PermissionText,
};
use crate::store::failure::Failure;
use crate::store::plan::audit_lines::{Acted, Given, line, logged};
use crate::store::plan::group_save::GroupPlan;
use crate::store::plan::permission_save::PermissionPlan;
use crate::store::sql::query::without_nul;
use crate::store::sql::statements;
use crate::store::sqlite::SqliteStore;

#[async_trait]
impl GroupAdmin for SqliteStore {
    async fn groups(
        &self,
        prefix: &str,
        after: Option<&str>,
        limit: u32,
    ) -> Result<Vec<GroupRow>, StoreError> {
        let (prefix, after) = (prefix.to_owned(), after.map(str::to_owned));
        self.readers.run(move |c| groups(c, &prefix, after.as_deref(), limit)).await
    }

    async fn groups_called(&self, names: &[String]) -> Result<Vec<(i64, String)>, StoreError> {
        let names: BTreeSet<_> = names.iter().cloned().collect();
        self.readers.run(move |c| groups_called(c, names)).await
    }

    async fn group_record(&self, id: i64) -> Result<Option<GroupRecord>, StoreError> {
        self.readers.run(move |c| group_record(c, id)).await
    }

    async fn save_group(
        &self,
        id: Option<i64>,
        name: &str,
        permissions: &[i64],
        seen: Option<Fingerprint>,
        by: &Actor,
    ) -> Result<i64, AdminError> {
        let (name, permissions, by) = (name.to_owned(), permissions.to_vec(), by.clone());
        self.writer
            .run(move |c| save_group(c, id, &name, &permissions, seen, &by))
            .await
            .map(logged)
    }

    async fn delete_group(&self, id: i64, by: &Actor) -> Result<(), AdminError> {
        let by = by.clone();
        self.writer.run(move |c| delete_group(c, id, &by)).await.map(logged)
    }

    async fn permissions(&self) -> Result<Vec<PermissionRow>, StoreError> {
        self.readers.run(permissions).await
    }

    async fn save_permission(
        &self,
        id: Option<i64>,
        permission: &PermissionText,
        seen: Option<Fingerprint>,
        by: &Actor,
    ) -> Result<i64, AdminError> {
        let (permission, by) = (permission.clone(), by.clone());
        self.writer.run(move |c| save_permission(c, id, &permission, seen, &by)).await.map(logged)
    }

    async fn delete_permission(&self, id: i64, by: &Actor) -> Result<(), AdminError> {
        let by = by.clone();
        self.writer.run(move |c| delete_permission(c, id, &by)).await.map(logged)
    }
}

pub(super) fn groups(
    connection: &Connection,
    prefix: &str,
    after: Option<&str>,
    limit: u32,
) -> Result<Vec<GroupRow>, Failure> {
    let mut statement = connection.prepare_cached(
        "SELECT id, name, (SELECT count(*) FROM group_permissions p
             WHERE p.group_id = g.id) AS permissions,
             (SELECT count(*) FROM (SELECT 1 FROM user_groups u WHERE u.group_id = g.id
                 LIMIT 1001)) AS members
         FROM groups g WHERE name >= ?1 AND name < ?2 AND name > ?3 ORDER BY name LIMIT ?4",
    )?;
    // No name is before the empty one, and none is empty.
    let (prefix, after) = (without_nul(prefix), without_nul(after.unwrap_or_default()));
    let rows = statement.query_map(
        params![prefix, format!("{prefix}{}", char::MAX), after, limit],
        |row| {
            let members: u64 = row.get("members")?;
            Ok(GroupRow {
                id: row.get("id")?,
                name: row.get("name")?,
                permissions: row.get("permissions")?,
                members: if members > 1_000 {
                    Count::MoreThan(1_000)
                } else {
                    Count::Exactly(members)
                },
            })
        },
    )?;
    Ok(rows.collect::<Result<_, _>>()?)
}

fn groups_called(
    connection: &Connection,
    names: BTreeSet<String>,
) -> Result<Vec<(i64, String)>, Failure> {
    let mut statement = connection.prepare_cached("SELECT id FROM groups WHERE name = ?")?;
    let mut found = Vec::with_capacity(names.len());
    for name in names {
        if let Some(id) = statement.query_row([&name], |row| row.get(0)).optional()? {
            found.push((id, name));
        }
    }
    Ok(found)
}

pub(super) fn group_record(
    connection: &Connection,
    id: i64,
) -> Result<Option<GroupRecord>, Failure> {
    let Some(name) = named(connection, GROUP_NAME, id)? else { return Ok(None) };
    let mut statement = connection.prepare_cached(
        "SELECT permission_id FROM group_permissions WHERE group_id = ? ORDER BY permission_id",
    )?;
    let permissions =
        statement.query_map([id], |row| row.get(0))?.collect::<Result<Vec<i64>, _>>()?;
    Ok(Some(GroupRecord::new(id, name, permissions)))
}

pub(super) fn save_group(
    connection: &Connection,
    id: Option<i64>,
    name: &str,
    permissions: &[i64],
    seen: Option<Fingerprint>,
    by: &Actor,
) -> Acted<i64> {
    // As they are before: their own group may be the one that gets permissions.
    let operator = operator(connection, by)?;
    let before = match id {
        Some(id) => Some(group_record(connection, id)?.ok_or(AdminError::Gone)?),
        None => None,
    };
    let plan = GroupPlan::of(before.as_ref(), name, permissions, seen)?;
    let other: Option<i64> =
        one(connection, "SELECT id FROM groups WHERE name = ? AND id IS NOT ?", params![name, id])?;
    if other.is_some() {
        return Err(AdminError::NameTaken.into());
    }
    let id = match plan.id {
        None => {
            change(connection, "INSERT INTO groups (name) VALUES (?)", params![name])?;
            connection.last_insert_rowid()
        }
        Some(id) => {
            if plan.renames {
                change(connection, statements::RENAME_GROUP, params![name, id])?;
            }
            id
        }
    };
    let mut given = Given::default();
    for &one in &plan.permissions.removed {
        given.removed.extend(named(connection, PERMISSION_NAME, one)?);
        change(
            connection,
            "DELETE FROM group_permissions WHERE group_id = ? AND permission_id = ?",
            params![id, one],
        )?;
    }
    for &one in &plan.permissions.added {
        given.added.push(named(connection, PERMISSION_NAME, one)?.ok_or(AdminError::Gone)?);
        change(
            connection,
            "INSERT INTO group_permissions (group_id, permission_id) VALUES (?, ?)",
            params![id, one],
        )?;
    }
    by.is_let_give(operator.as_ref(), &given.added)?;
    audit::noted(connection, id, vec![plan.line(&given, by)])
}

pub(super) fn delete_group(connection: &Connection, id: i64, by: &Actor) -> Acted<()> {
    by.is_let_give(operator(connection, by)?.as_ref(), &[])?;
    let name = named(connection, GROUP_NAME, id)?.ok_or(AdminError::Gone)?;
    change(connection, statements::DELETE_GROUP, params![id])?;
    audit::noted(connection, (), vec![line(by, AuditKind::GroupDeleted, None, None, name)])
}

pub(super) fn permissions(connection: &Connection) -> Result<Vec<PermissionRow>, Failure> {
    let mut statement = connection.prepare_cached(statements::PERMISSIONS)?;
    let rows = statement.query_map([], |row| {
        Ok(PermissionRow { id: row.get("id")?, text: permission_text(row)? })
    })?;
    Ok(rows.collect::<Result<_, _>>()?)
}

fn permission_text(row: &rusqlite::Row<'_>) -> rusqlite::Result<PermissionText> {
    Ok(PermissionText {
        app: row.get("app")?,
        codename: row.get("codename")?,
        name: row.get("name")?,
    })
}

pub(super) fn save_permission(
    connection: &Connection,
    id: Option<i64>,
    text: &PermissionText,
    seen: Option<Fingerprint>,
    by: &Actor,
) -> Acted<i64> {
    by.is_let_give(operator(connection, by)?.as_ref(), &[])?;
    let before = match id {
        Some(id) => {
            let mut found = connection.prepare_cached(statements::PERMISSION)?;
            let found = found.query_row([id], permission_text).optional()?;
            Some(found.ok_or(AdminError::Gone)?)
        }
        None => None,
    };
    let plan = PermissionPlan::of(before.as_ref(), text, seen)?;
    let PermissionText { app, codename, name } = text;
    let sql = "SELECT id FROM permissions WHERE app = ? AND codename = ? AND id IS NOT ?";
    if one::<i64>(connection, sql, params![app, codename, id])?.is_some() {
        return Err(AdminError::NameTaken.into());
    }
    let id = match id {
        None => {
            change(
                connection,
                "INSERT INTO permissions (app, codename, name) VALUES (?, ?, ?)",
                params![app, codename, name],
            )?;
            connection.last_insert_rowid()
        }
        Some(id) => {
            change(connection, statements::CHANGE_PERMISSION, params![app, codename, name, id])?;
            id
        }
    };
    audit::noted(connection, id, vec![plan.line(by)])
}

pub(super) fn delete_permission(connection: &Connection, id: i64, by: &Actor) -> Acted<()> {
    by.is_let_give(operator(connection, by)?.as_ref(), &[])?;
    let name = named(connection, PERMISSION_NAME, id)?.ok_or(AdminError::Gone)?;
    change(connection, statements::DELETE_PERMISSION, params![id])?;
    audit::noted(connection, (), vec![line(by, AuditKind::PermissionDeleted, None, None, name)])
}

fn change(
    connection: &Connection,
    sql: &str,
    params: &[&dyn rusqlite::ToSql],
) -> Result<usize, Failure> {
    Ok(connection.prepare_cached(sql)?.execute(params)?)
}

fn one<T: rusqlite::types::FromSql>(
    connection: &Connection,
    sql: &str,
    params: &[&dyn rusqlite::ToSql],
) -> Result<Option<T>, Failure> {
    Ok(connection.prepare_cached(sql)?.query_row(params, |row| row.get(0)).optional()?)
}

//! Groups and permissions.

use async_trait::async_trait;
use deadpool_postgres::{GenericClient, Object};
use tokio_postgres::Row;
use tokio_postgres::error::SqlState;

use super::audit;
use super::operators::hold;
use super::users::{GROUP_NAME, PERMISSION_NAME, named};
use crate::store::StoreError;
use crate::store::admin::{
    Actor, AdminError, AuditKind, Count, Fingerprint, GroupAdmin, GroupRecord, GroupRow,
    PermissionRow, PermissionText,
};
use crate::store::failure::Failure;
use crate::store::plan::audit_lines::{Acted, Given, line, logged};
use crate::store::plan::grants::Difference;
use crate::store::plan::group_save::GroupPlan;
use crate::store::plan::permission_save::PermissionPlan;
use crate::store::postgres::PostgresStore;
use crate::store::postgres::columns::get;
use crate::store::sql::query::without_nul;
use crate::store::sql::statements;

#[async_trait]
impl GroupAdmin for PostgresStore {
    async fn groups(
        &self,
        prefix: &str,
        after: Option<&str>,
        limit: u32,
    ) -> Result<Vec<GroupRow>, StoreError> {
        read!(self, client => groups(client, prefix, after, limit))
    }

    async fn groups_called(&self, names: &[String]) -> Result<Vec<(i64, String)>, StoreError> {
        read!(self, client => groups_called(client, names))
    }

    async fn group_record(&self, id: i64) -> Result<Option<GroupRecord>, StoreError> {
        read!(self, client => group_record(client, id))
    }

    async fn save_group(
        &self,
        id: Option<i64>,
        name: &str,
        permissions: &[i64],
        seen: Option<Fingerprint>,
        by: &Actor,
    ) -> Result<i64, AdminError> {
        write!(self, client => save_group(client, id, name, permissions, seen, by)).map(logged)
    }

    async fn delete_group(&self, id: i64, by: &Actor) -> Result<(), AdminError> {
        write!(self, client => delete_group(client, id, by)).map(logged)
    }

    async fn permissions(&self) -> Result<Vec<PermissionRow>, StoreError> {
        read!(self, client => permissions(client))
    }

    async fn save_permission(
        &self,
        id: Option<i64>,
        permission: &PermissionText,
        seen: Option<Fingerprint>,
        by: &Actor,
    ) -> Result<i64, AdminError> {
        write!(self, client => save_permission(client, id, permission, seen, by)).map(logged)
    }

    async fn delete_permission(&self, id: i64, by: &Actor) -> Result<(), AdminError> {
        write!(self, client => delete_permission(client, id, by)).map(logged)
    }
}

pub(super) async fn groups(
    client: &Object,
    prefix: &str,
    after: Option<&str>,
    limit: u32,
) -> Result<Vec<GroupRow>, Failure> {
    let statement = client
        .prepare_cached(
            "SELECT id, name, (SELECT count(*) FROM group_permissions p
                 WHERE p.group_id = g.id) AS permissions,
                 (SELECT count(*) FROM (SELECT 1 FROM user_groups u WHERE u.group_id = g.id
                     LIMIT 1001) n) AS members
             FROM groups g WHERE name >= $1 AND name < $2 AND name > $3 ORDER BY name LIMIT $4",
        )
        .await?;
    // No name is before the empty one, and none is empty.
    let (prefix, after) = (without_nul(prefix), without_nul(after.unwrap_or_default()));
    let end = format!("{prefix}{}", char::MAX);
    let rows = client.query(&statement, &[&prefix, &end, &after, &i64::from(limit)]).await?;
    rows.iter()
        .map(|row| {
            let members = get::<i64>(row, "members")?.unsigned_abs();
            Ok(GroupRow {
                id: get(row, "id")?,
                name: get(row, "name")?,
                permissions: get::<i64>(row, "permissions")?.unsigned_abs(),
                members: if members > 1_000 {
                    Count::MoreThan(1_000)
                } else {
                    Count::Exactly(members)
                },
            })
        })
        .collect()
}

async fn groups_called(client: &Object, names: &[String]) -> Result<Vec<(i64, String)>, Failure> {
    let statement =
        client.prepare_cached("SELECT id, name FROM groups WHERE name = ANY ($1)").await?;
    // What holds a NUL cannot be sent, and is no group's name.
    let names: Vec<_> = names.iter().filter(|name| !name.contains('\0')).collect();
    let rows = client.query(&statement, &[&names]).await?;
    rows.iter().map(|row| Ok((get(row, "id")?, get(row, "name")?))).collect()
}

pub(super) async fn group_record(
    client: &impl GenericClient,
    id: i64,
) -> Result<Option<GroupRecord>, Failure> {
    let statement = client
        .prepare_cached(
            "SELECT name, ARRAY(SELECT permission_id FROM group_permissions WHERE group_id = g.id
                 ORDER BY permission_id) AS permissions
             FROM groups g WHERE id = $1",
        )
        .await?;
    let Some(row) = client.query_opt(&statement, &[&id]).await? else { return Ok(None) };
    Ok(Some(GroupRecord::new(id, get(&row, "name")?, get(&row, "permissions")?)))
}

pub(super) async fn save_group(
    client: &mut Object,
    id: Option<i64>,
    name: &str,
    permissions: &[i64],
    seen: Option<Fingerprint>,
    by: &Actor,
) -> Acted<i64> {
    let transaction = client.transaction().await?;
    let operator = hold(&transaction, &[], by).await?;
    let before = match id {
        Some(id) => {
            transaction.execute("SELECT 1 FROM groups WHERE id = $1 FOR UPDATE", &[&id]).await?;
            Some(group_record(&transaction, id).await?.ok_or(AdminError::Gone)?)
        }
        None => None,
    };
    let plan = GroupPlan::of(before.as_ref(), name, permissions, seen)?;
    let id = match plan.id {
        None => {
            let made = transaction
                .query_one("INSERT INTO groups (name) VALUES ($1) RETURNING id", &[&name])
                .await;
            made.map_err(taken)?.try_get(0)?
        }
        Some(id) => {
            if plan.renames {
                transaction
                    .execute(statements::RENAME_GROUP, &[&name, &id])
                    .await
                    .map_err(taken)?;
            }
            id
        }
    };
    let Difference { added, removed } = &plan.permissions;
    let mut given = Given::default();
    for one in removed {
        given.removed.extend(named(&transaction, PERMISSION_NAME, *one).await?);
    }
    for one in added {
        let name = named(&transaction, PERMISSION_NAME, *one).await?;
        given.added.push(name.ok_or(AdminError::Gone)?);
    }
    if !removed.is_empty() {
        let sql = "DELETE FROM group_permissions WHERE group_id = $1 AND permission_id = ANY($2)";
        transaction.execute(sql, &[&id, removed]).await?;
    }
    if !added.is_empty() {
        let sql = "INSERT INTO group_permissions (group_id, permission_id) SELECT $1, \
            unnest($2::bigint[])";
        transaction.execute(sql, &[&id, added]).await?;
    }
    by.is_let_give(operator.as_ref(), &given.added)?;
    audit::noted(transaction, id, vec![plan.line(&given, by)]).await
}

pub(super) async fn delete_group(client: &mut Object, id: i64, by: &Actor) -> Acted<()> {
    let transaction = client.transaction().await?;
    by.is_let_give(hold(&transaction, &[], by).await?.as_ref(), &[])?;
    let name = named(&transaction, GROUP_NAME, id).await?.ok_or(AdminError::Gone)?;
    transaction.execute(statements::DELETE_GROUP, &[&id]).await?;
    audit::noted(transaction, (), vec![line(by, AuditKind::GroupDeleted, None, None, name)]).await
}

pub(super) async fn permissions(client: &Object) -> Result<Vec<PermissionRow>, Failure> {
    let statement = client.prepare_cached(statements::PERMISSIONS).await?;
    let rows = client.query(&statement, &[]).await?;
    rows.iter()
        .map(|row| Ok(PermissionRow { id: get(row, "id")?, text: permission_text(row)? }))
        .collect()
}

fn permission_text(row: &Row) -> Result<PermissionText, Failure> {
    Ok(PermissionText {
        app: get(row, "app")?,
        codename: get(row, "codename")?,
        name: get(row, "name")?,
    })
}

pub(super) async fn save_permission(
    client: &mut Object,
    id: Option<i64>,
    text: &PermissionText,
    seen: Option<Fingerprint>,
    by: &Actor,
) -> Acted<i64> {
    let transaction = client.transaction().await?;
    by.is_let_give(hold(&transaction, &[], by).await?.as_ref(), &[])?;
    let before = match id {
        Some(id) => {
            // Held: who else changes it waits, and then sees that it is another.
            let sql = format!("{} FOR UPDATE", statements::PERMISSION);
            let found = transaction.query_opt(&sql, &[&id]).await?.ok_or(AdminError::Gone)?;
            Some(permission_text(&found)?)
        }
        None => None,
    };
    let plan = PermissionPlan::of(before.as_ref(), text, seen)?;
    let PermissionText { app, codename, name } = text;
    let id = match id {
        None => {
            let sql =
                "INSERT INTO permissions (app, codename, name) VALUES ($1, $2, $3) RETURNING id";
            let made = transaction.query_one(sql, &[app, codename, name]).await.map_err(taken)?;
            made.try_get(0)?
        }
        Some(id) => {
            let sql = statements::CHANGE_PERMISSION;
            transaction.execute(sql, &[app, codename, name, &id]).await.map_err(taken)?;
            id
        }
    };
    audit::noted(transaction, id, vec![plan.line(by)]).await
}

pub(super) async fn delete_permission(client: &mut Object, id: i64, by: &Actor) -> Acted<()> {
    let transaction = client.transaction().await?;
    by.is_let_give(hold(&transaction, &[], by).await?.as_ref(), &[])?;
    let name = named(&transaction, PERMISSION_NAME, id).await?.ok_or(AdminError::Gone)?;
    transaction.execute(statements::DELETE_PERMISSION, &[&id]).await?;
    audit::noted(transaction, (), vec![line(by, AuditKind::PermissionDeleted, None, None, name)])
        .await
}

/// Another group or permission has the name.
fn taken(error: tokio_postgres::Error) -> Failure<AdminError> {
    if error.code() == Some(&SqlState::UNIQUE_VIOLATION) {
        AdminError::NameTaken.into()
    } else {
        error.into()
    }
}

//! Users, as the admin site lists and changes them.
//!
//! Whatever changes several rows takes its locks in one order: the lock of the superusers, rows of
//! users by their ids, their sessions by their ids.

use deadpool_postgres::{GenericClient, Object, Transaction};
use jiff::Timestamp;
use tokio_postgres::types::Json;

use super::audit;
use super::lists::{self, DIALECT, few, number};
use crate::password::EncodedPassword;
use crate::session::RevokedReason;
use crate::store::StoreError;
use crate::store::admin::lists::COUNTED;
use crate::store::admin::searches;
use crate::store::admin::sql::Sql;
use crate::store::admin::told::{
    Acted, Given, added, differences, edited, line, sorted, steps_down,
};
use crate::store::admin::{
    Actor, AdminError, AuditKind, Count, Fingerprint, Grants, Page, UserAct, UserEdit, UserRecord,
    UserSearch, WhatGoes,
};
use crate::store::postgres::columns::{get, micros};
use crate::store::postgres::users;
use crate::user::{NewUser, User, UserId};

pub(super) async fn find(client: &Object, asked: &UserSearch) -> Result<Page<User>, StoreError> {
    let is_indexed = asked.text.is_empty() || lists::has_trigrams(client).await?;
    let dialect = if is_indexed { &DIALECT } else { &lists::WITHOUT_TRIGRAMS };
    let listing = searches::users(asked, dialect);
    let listed = lists::list(client, &listing).await?;
    let count = match listing.filters {
        0 => count_all(client).await?,
        _ => lists::count(client, &listing, &listed, "users").await?,
    };
    Ok(Page {
        rows: users::by_ids(client, &listed.ids).await?,
        next: listed.next,
        previous: listed.previous,
        count,
    })
}

/// Every user.
pub(super) async fn count_all(client: &Object) -> Result<Count, StoreError> {
    if let Some(few) = few(client, "users").await? {
        return Ok(Count::Exactly(few));
    }
    let about = number(
        client,
        &Sql::new("SELECT reltuples::bigint FROM pg_class WHERE oid = 'users'::regclass"),
    )
    .await?;
    Ok(if about > COUNTED { Count::About(about) } else { Count::MoreThan(COUNTED) })
}

pub(super) async fn names(
    client: &Object,
    ids: &[UserId],
) -> Result<Vec<(UserId, String)>, StoreError> {
    let ids: Vec<i64> = ids.iter().filter_map(|id| id.as_i64()).collect();
    let statement =
        client.prepare_cached("SELECT id, username FROM users WHERE id = ANY($1)").await?;
    let rows = client.query(&statement, &[&ids]).await?;
    rows.iter().map(|row| Ok((UserId::new(get(row, "id")?), get(row, "username")?))).collect()
}

pub(super) async fn record(
    client: &impl GenericClient,
    id: UserId,
) -> Result<Option<UserRecord>, StoreError> {
    let Some(user) = users::by_id(client, id).await? else { return Ok(None) };
    let statement = client
        .prepare_cached(
            "SELECT password, ARRAY(SELECT group_id FROM user_groups WHERE user_id = u.id ORDER BY group_id) AS groups,
                 ARRAY(SELECT permission_id FROM user_permissions WHERE user_id = u.id ORDER BY permission_id) AS permissions
             FROM users u WHERE id = $1",
        )
        .await?;
    let Some(row) = client.query_opt(&statement, &[&id.as_i64()]).await? else { return Ok(None) };
    let grants = Grants { groups: get(&row, "groups")?, permissions: get(&row, "permissions")? };
    Ok(Some(UserRecord::new(user, grants, &EncodedPassword::from_stored(get(&row, "password")?))))
}

pub(super) async fn add(
    client: &mut Object,
    new: &NewUser,
    grants: &Grants,
    by: &Actor,
) -> Acted<User> {
    let transaction = client.transaction().await?;
    let operator = hold(&transaction, &[], by).await?;
    let id = users::insert(&transaction, new, by.now).await?;
    let (groups, permissions) =
        grant(&transaction, id, &Grants::default(), &sorted(grants)).await?;
    let user = users::by_id(&transaction, id).await?.ok_or(AdminError::Gone)?;
    by.is_let(operator.as_ref(), std::iter::once((&user, &user)))?;
    let told = line(by, AuditKind::UserAdded, Some(id), None, added(new, &groups, &permissions));
    audit::noted(transaction, user, vec![told]).await
}

pub(super) async fn edit(
    client: &mut Object,
    id: UserId,
    edit: &UserEdit,
    seen: Fingerprint,
    by: &Actor,
) -> Acted<User> {
    let transaction = client.transaction().await?;
    if !(edit.is_active && edit.is_staff && edit.is_superuser) {
        hold_superusers(&transaction).await?;
    }
    let operator = hold(&transaction, &[id], by).await?;
    let UserRecord { user: before, grants: had, fingerprint, .. } =
        record(&transaction, id).await?.ok_or(AdminError::Gone)?;
    if fingerprint != seen {
        return Err(AdminError::Stale);
    }
    users::change_profile(&transaction, id, &before.username, &edit.profile(&before)).await?;
    set_rest(&transaction, &before, edit).await?;
    let after = edit.grants.as_ref().map_or_else(|| had.clone(), sorted);
    let (groups, permissions) = grant(&transaction, id, &had, &after).await?;
    if before.is_active && !edit.is_active {
        end_sessions(&transaction, &[id], RevokedReason::UserInactive, by.now).await?;
    }
    if steps_down(&before, edit) {
        keep_a_superuser(&transaction).await?;
    }
    let after = users::by_id(&transaction, id).await?.ok_or(AdminError::Gone)?;
    by.is_let(operator.as_ref(), std::iter::once((&before, &after)))?;
    audit::noted(transaction, after, edited(&before, edit, &groups, &permissions, by)).await
}

/// Holds these users' rows, and that of who acts where a rule asks for it, in one order with
/// everybody else; the latter.
pub(super) async fn hold(
    transaction: &Transaction<'_>,
    ids: &[UserId],
    by: &Actor,
) -> Result<Option<User>, StoreError> {
    let asked = by.may.and_then(|_| by.who.user());
    let rows: Vec<i64> = ids.iter().chain(&asked).filter_map(|id| id.as_i64()).collect();
    transaction
        .execute("SELECT 1 FROM users WHERE id = ANY($1) ORDER BY id FOR UPDATE", &[&rows])
        .await?;
    match asked {
        Some(operator) => users::by_id(transaction, operator).await,
        None => Ok(None),
    }
}

/// What users may not change themselves.
async fn set_rest(
    transaction: &Transaction<'_>,
    before: &User,
    edit: &UserEdit,
) -> Result<(), StoreError> {
    let flags = (before.is_active, before.is_staff, before.is_superuser)
        != (edit.is_active, edit.is_staff, edit.is_superuser);
    if flags || before.metadata != edit.metadata {
        transaction
            .execute(
                "UPDATE users SET is_active = $2, is_staff = $3, is_superuser = $4, metadata = $5 \
                 WHERE id = $1",
                &[
                    &before.id.as_i64(),
                    &edit.is_active,
                    &edit.is_staff,
                    &edit.is_superuser,
                    &Json(&edit.metadata),
                ],
            )
            .await?;
    }
    Ok(())
}

pub(super) async fn set_password(
    client: &mut Object,
    id: UserId,
    password: &EncodedPassword,
    by: &Actor,
) -> Acted<()> {
    let transaction = client.transaction().await?;
    let operator = hold(&transaction, &[id], by).await?;
    let user = users::by_id(&transaction, id).await?.ok_or(AdminError::Gone)?;
    by.is_let(operator.as_ref(), std::iter::once((&user, &user)))?;
    if !users::reset_within(&transaction, id, password, by.now).await? {
        return Err(AdminError::Gone);
    }
    let detail = if password.is_usable() { "" } else { "unusable" };
    audit::noted(transaction, (), vec![line(by, AuditKind::PasswordSet, Some(id), None, detail)])
        .await
}

pub(super) async fn act(
    client: &mut Object,
    ids: &[UserId],
    act: UserAct,
    by: &Actor,
) -> Acted<u64> {
    let transaction = client.transaction().await?;
    let takes_away = matches!(act, UserAct::Deactivate | UserAct::Delete);
    if takes_away {
        hold_superusers(&transaction).await?;
    }
    let rows: Vec<i64> = ids.iter().filter_map(|id| id.as_i64()).collect();
    let operator = hold(&transaction, ids, by).await?;
    let held = users::by_ids(&transaction, &rows).await?;
    let after: Vec<User> = held.iter().map(|user| act.applied_to(user)).collect();
    by.is_let(operator.as_ref(), held.iter().zip(&after))?;
    let mut users: Vec<_> = held
        .into_iter()
        .map(|user| (user.id, user.username, user.is_active, user.is_staff && user.is_superuser))
        .collect();
    let removes_superuser =
        takes_away && users.iter().any(|(_, _, is_active, is_all)| *is_active && *is_all);
    let kind = match act {
        UserAct::Activate => {
            users.retain(|(_, _, is_active, _)| !is_active);
            transaction
                .execute(
                    "UPDATE users SET is_active = true WHERE id = ANY($1) AND NOT is_active",
                    &[&rows],
                )
                .await?;
            AuditKind::UserActivated
        }
        UserAct::Deactivate => {
            users.retain(|(_, _, is_active, _)| *is_active);
            transaction
                .execute(
                    "UPDATE users SET is_active = false WHERE id = ANY($1) AND is_active",
                    &[&rows],
                )
                .await?;
            end_sessions(&transaction, ids, RevokedReason::UserInactive, by.now).await?;
            AuditKind::UserDeactivated
        }
        UserAct::Delete => {
            transaction.execute("DELETE FROM users WHERE id = ANY($1)", &[&rows]).await?;
            end_sessions(&transaction, ids, RevokedReason::UserInactive, by.now).await?;
            AuditKind::UserDeleted
        }
        UserAct::EndSessions => {
            let ended = end_sessions(&transaction, ids, RevokedReason::Admin, by.now).await?;
            users.retain(|(id, ..)| ended.whose.contains(&id.to_string()));
            AuditKind::SessionsEnded
        }
    };
    if removes_superuser {
        keep_a_superuser(&transaction).await?;
    }
    let lines: Vec<_> =
        users.into_iter().map(|(id, name, ..)| line(by, kind, Some(id), None, name)).collect();
    audit::noted(transaction, lines.len() as u64, lines).await
}

pub(super) async fn what_goes_with(
    client: &Object,
    ids: &[UserId],
    now: Timestamp,
) -> Result<WhatGoes, StoreError> {
    let statement = client
        .prepare_cached(
            "SELECT (SELECT count(*) FROM users WHERE id = ANY($1)) AS users,
                 (SELECT count(*) FROM sessions WHERE user_id = ANY($2) AND revoked_at IS NULL AND expires_at > $3) AS sessions,
                 (SELECT count(*) FROM user_groups WHERE user_id = ANY($1)) AS memberships,
                 (SELECT count(*) FROM user_permissions WHERE user_id = ANY($1)) AS permissions",
        )
        .await?;
    let rows: Vec<i64> = ids.iter().filter_map(|id| id.as_i64()).collect();
    let texts: Vec<String> = rows.iter().map(i64::to_string).collect();
    let row = client.query_one(&statement, &[&rows, &texts, &micros(now)]).await?;
    let number = |column: &str| get::<i64>(&row, column).map(i64::unsigned_abs);
    Ok(WhatGoes {
        users: number("users")?,
        sessions: number("sessions")?,
        memberships: number("memberships")?,
        permissions: number("permissions")?,
    })
}

/// Sessions that were ended.
pub(super) struct EndedSessions {
    /// The ids of those who had any, at the admin site too.
    whose: Vec<String>,
    /// How many there were, but for those of the admin site.
    pub(super) many: u64,
}

/// Ends the sessions of these users, those of the admin site too.
pub(super) async fn end_sessions(
    transaction: &Transaction<'_>,
    ids: &[UserId],
    reason: RevokedReason,
    now: Timestamp,
) -> Result<EndedSessions, StoreError> {
    let texts: Vec<String> = ids.iter().map(UserId::to_string).collect();
    let rows: Vec<i64> = ids.iter().filter_map(|id| id.as_i64()).collect();
    let ended = transaction
        .query(
            "WITH own AS (
                 SELECT id FROM sessions WHERE user_id = ANY($1) AND revoked_at IS NULL AND expires_at > $2 ORDER BY id FOR UPDATE
             ), operators AS (
                 DELETE FROM admin_sessions WHERE user_id = ANY($4) RETURNING user_id
             ), ended AS (
                 UPDATE sessions SET revoked_at = $2, revoked_reason = $3 WHERE id IN (SELECT id FROM own) RETURNING user_id
             )
             SELECT user_id, true AS counts FROM ended UNION ALL SELECT user_id::text, false FROM operators",
            &[&texts, &micros(now), &reason.as_str(), &rows],
        )
        .await?;
    let mut sessions = EndedSessions { whose: Vec::with_capacity(ended.len()), many: 0 };
    for row in &ended {
        sessions.whose.push(get(row, "user_id")?);
        sessions.many += u64::from(get::<bool>(row, "counts")?);
    }
    Ok(sessions)
}

/// Gives and takes what differs, and says what that was by name.
async fn grant(
    transaction: &Transaction<'_>,
    id: UserId,
    before: &Grants,
    after: &Grants,
) -> Result<(Given, Given), AdminError> {
    let mut given = Vec::new();
    for (table, column, name, before, after) in [
        ("user_groups", "group_id", GROUP_NAME, &before.groups, &after.groups),
        (
            "user_permissions",
            "permission_id",
            PERMISSION_NAME,
            &before.permissions,
            &after.permissions,
        ),
    ] {
        let (added, removed) = differences(before, after);
        let mut these = Given::default();
        for one in removed {
            these.removed.extend(named(transaction, name, one).await?);
            let sql = format!("DELETE FROM {table} WHERE user_id = $1 AND {column} = $2");
            transaction.execute(&sql, &[&id.as_i64(), &one]).await?;
        }
        for one in added {
            these.added.push(named(transaction, name, one).await?.ok_or(AdminError::Gone)?);
            let sql = format!("INSERT INTO {table} (user_id, {column}) VALUES ($1, $2)");
            transaction.execute(&sql, &[&id.as_i64(), &one]).await?;
        }
        given.push(these);
    }
    let permissions = given.pop().unwrap_or_default();
    Ok((given.pop().unwrap_or_default(), permissions))
}

/// What a group or a permission is called. It is held, so that nobody deletes it before it is
/// given.
pub(super) async fn named(
    transaction: &Transaction<'_>,
    sql: &str,
    id: i64,
) -> Result<Option<String>, StoreError> {
    Ok(transaction.query_opt(sql, &[&id]).await?.map(|row| row.try_get(0)).transpose()?)
}

/// Two who would remove the last two superusers at once go one after the other.
async fn hold_superusers(transaction: &Transaction<'_>) -> Result<(), StoreError> {
    transaction
        .execute("SELECT pg_advisory_xact_lock(hashtextextended('countersign superusers', 0))", &[])
        .await?;
    Ok(())
}

/// Undoes everything unless somebody is left who can do everything.
async fn keep_a_superuser(transaction: &Transaction<'_>) -> Result<(), AdminError> {
    let sql = "SELECT EXISTS (SELECT 1 FROM users WHERE is_superuser AND is_active AND is_staff)";
    let is_left: bool = transaction.query_one(sql, &[]).await?.try_get(0)?;
    if is_left { Ok(()) } else { Err(AdminError::LastSuperuser) }
}

pub(super) const GROUP_NAME: &str = "SELECT name FROM groups WHERE id = $1 FOR KEY SHARE";

pub(super) const PERMISSION_NAME: &str =
    "SELECT app || '.' || codename FROM permissions WHERE id = $1 FOR KEY SHARE";

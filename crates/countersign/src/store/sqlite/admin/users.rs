//! Users, as the admin site lists and changes them.

use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension, params};

use super::audit;
use super::lists::{self, DIALECT, few, number};
use crate::password::EncodedPassword;
use crate::session::RevokedReason;
use crate::store::StoreError;
use crate::store::admin::searches;
use crate::store::admin::sql::Sql;
use crate::store::admin::told::{
    Acted, Given, added, differences, edited, line, sorted, steps_down,
};
use crate::store::admin::{
    Actor, AdminError, AuditKind, Count, Fingerprint, Grants, Page, UserAct, UserEdit, UserRecord,
    UserSearch, WhatGoes,
};
use crate::store::sqlite::columns::micros;
use crate::store::sqlite::{sessions, users};
use crate::user::{NewUser, User, UserId};

pub(super) fn find(connection: &Connection, asked: &UserSearch) -> Result<Page<User>, StoreError> {
    let listing = searches::users(asked, &DIALECT);
    let listed = lists::list(connection, &listing)?;
    let count = lists::count(connection, &listing, &listed, "users", count_all)?;
    let mut rows = Vec::with_capacity(listed.rows.len());
    for at in &listed.rows {
        rows.extend(users::by_id(connection, UserId::new(at.id))?);
    }
    Ok(Page { rows, next: listed.next, previous: listed.previous, count })
}

/// Every user. Ids are given one after the other.
pub(super) fn count_all(connection: &Connection) -> Result<Count, StoreError> {
    Ok(match few(connection, "users")? {
        Some(few) => Count::Exactly(few),
        None => Count::About(number(
            connection,
            &Sql::new("SELECT (SELECT max(id) FROM users) - (SELECT min(id) FROM users) + 1"),
        )?),
    })
}

pub(super) fn names(
    connection: &Connection,
    ids: &[UserId],
) -> Result<Vec<(UserId, String)>, StoreError> {
    let mut statement = connection.prepare_cached("SELECT username FROM users WHERE id = ?")?;
    let mut names = Vec::with_capacity(ids.len());
    for id in ids {
        names.extend(
            statement
                .query_row([id.as_i64()], |row| row.get(0))
                .optional()?
                .map(|name| (*id, name)),
        );
    }
    Ok(names)
}

pub(super) fn record(
    connection: &Connection,
    id: UserId,
) -> Result<Option<UserRecord>, StoreError> {
    let Some(user) = users::by_id(connection, id)? else { return Ok(None) };
    let grants = grants(connection, id)?;
    let Some(password) = users::password_of(connection, id)? else { return Ok(None) };
    Ok(Some(UserRecord::new(user, grants, &password)))
}

pub(super) fn add(
    connection: &Connection,
    new: &NewUser,
    grants: &Grants,
    by: &Actor,
) -> Acted<User> {
    let user = users::create(connection, new, by.now)?;
    let (groups, permissions) = grant(connection, user.id, &Grants::default(), &sorted(grants))?;
    let user = users::by_id(connection, user.id)?.ok_or(AdminError::Gone)?;
    by.is_let(operator(connection, by)?.as_ref(), std::iter::once((&user, &user)))?;
    let told =
        line(by, AuditKind::UserAdded, Some(user.id), None, added(new, &groups, &permissions));
    audit::noted(connection, user, vec![told])
}

pub(super) fn edit(
    connection: &Connection,
    id: UserId,
    edit: &UserEdit,
    seen: Fingerprint,
    by: &Actor,
) -> Acted<User> {
    let before = record(connection, id)?.ok_or(AdminError::Gone)?;
    if before.fingerprint != seen {
        return Err(AdminError::Stale);
    }
    let before = (before.user, before.grants);
    let operator = operator(connection, by)?;
    users::update_profile(connection, id, &edit.profile(&before.0))?;
    set_rest(connection, &before.0, edit)?;
    let after = edit.grants.as_ref().map_or_else(|| before.1.clone(), sorted);
    let (groups, permissions) = grant(connection, id, &before.1, &after)?;
    if before.0.is_active && !edit.is_active {
        sessions::revoke_of_user(connection, id, None, RevokedReason::UserInactive, by.now)?;
    }
    if steps_down(&before.0, edit) {
        keep_a_superuser(connection)?;
    }
    let user = users::by_id(connection, id)?.ok_or(AdminError::Gone)?;
    by.is_let(operator.as_ref(), std::iter::once((&before.0, &user)))?;
    audit::noted(connection, user, edited(&before.0, edit, &groups, &permissions, by))
}

/// What users may not change themselves.
fn set_rest(connection: &Connection, before: &User, edit: &UserEdit) -> Result<(), StoreError> {
    let flags = (before.is_active, before.is_staff, before.is_superuser)
        != (edit.is_active, edit.is_staff, edit.is_superuser);
    if flags || before.metadata != edit.metadata {
        connection
            .prepare_cached(
                "UPDATE users SET is_active = ?, is_staff = ?, is_superuser = ?, \
            metadata = ? WHERE id = ?",
            )?
            .execute(params![
                edit.is_active,
                edit.is_staff,
                edit.is_superuser,
                serde_json::Value::Object(edit.metadata.clone()).to_string(),
                before.id.as_i64()
            ])?;
    }
    Ok(())
}

/// The row of who acts, where a rule asks for it.
pub(super) fn operator(connection: &Connection, by: &Actor) -> Result<Option<User>, StoreError> {
    match (by.may, by.who.user()) {
        (Some(_), Some(id)) => users::by_id(connection, id),
        _ => Ok(None),
    }
}

pub(super) fn set_password(
    connection: &Connection,
    id: UserId,
    password: &EncodedPassword,
    by: &Actor,
) -> Acted<()> {
    let user = users::by_id(connection, id)?.ok_or(AdminError::Gone)?;
    by.is_let(operator(connection, by)?.as_ref(), std::iter::once((&user, &user)))?;
    if !users::reset_password(connection, id, password, by.now)? {
        return Err(AdminError::Gone);
    }
    let detail = if password.is_usable() { "" } else { "unusable" };
    audit::noted(connection, (), vec![line(by, AuditKind::PasswordSet, Some(id), None, detail)])
}

pub(super) fn act(connection: &Connection, ids: &[UserId], act: UserAct, by: &Actor) -> Acted<u64> {
    let mut lines = Vec::new();
    let mut takes_away = false;
    let operator = operator(connection, by)?;
    for id in ids {
        let Some(user) = users::by_id(connection, *id)? else { continue };
        by.is_let(operator.as_ref(), std::iter::once((&user, &act.applied_to(&user))))?;
        takes_away |= user.is_active && user.is_staff && user.is_superuser;
        let (done, kind) = match act {
            UserAct::Activate => (
                !user.is_active && users::set_active(connection, *id, true, by.now)?,
                AuditKind::UserActivated,
            ),
            UserAct::Deactivate => (
                user.is_active && users::set_active(connection, *id, false, by.now)?,
                AuditKind::UserDeactivated,
            ),
            UserAct::Delete => (users::delete(connection, *id, by.now)?, AuditKind::UserDeleted),
            UserAct::EndSessions => {
                let operates = is_at_the_site(connection, *id)?;
                let ended =
                    sessions::revoke_of_user(connection, *id, None, RevokedReason::Admin, by.now)?;
                (ended > 0 || operates, AuditKind::SessionsEnded)
            }
        };
        if done {
            lines.push(line(by, kind, Some(*id), None, user.username));
        }
    }
    if takes_away && matches!(act, UserAct::Deactivate | UserAct::Delete) {
        keep_a_superuser(connection)?;
    }
    audit::noted(connection, lines.len() as u64, lines)
}

pub(super) fn what_goes_with(
    connection: &Connection,
    ids: &[UserId],
    now: Timestamp,
) -> Result<WhatGoes, StoreError> {
    let mut goes = WhatGoes::default();
    for id in ids.iter().filter_map(|id| id.as_i64()) {
        let (users, sessions, memberships, permissions): (u64, u64, u64, u64) = connection
            .prepare_cached(
                "SELECT (SELECT count(*) FROM users WHERE id = ?1),
                     (SELECT count(*) FROM sessions WHERE user_id = ?1 AND revoked_at IS NULL AND expires_at > ?2),
                     (SELECT count(*) FROM user_groups WHERE user_id = ?1),
                     (SELECT count(*) FROM user_permissions WHERE user_id = ?1)",
            )?
            .query_row(params![id, micros(now)], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?)))?;
        goes.users += users;
        goes.sessions += sessions;
        goes.memberships += memberships;
        goes.permissions += permissions;
    }
    Ok(goes)
}

fn grants(connection: &Connection, id: UserId) -> Result<Grants, StoreError> {
    let ids = |sql: &str| -> Result<Vec<i64>, StoreError> {
        Ok(connection
            .prepare_cached(sql)?
            .query_map([id.as_i64()], |row| row.get(0))?
            .collect::<Result<_, _>>()?)
    };
    Ok(Grants {
        groups: ids("SELECT group_id FROM user_groups WHERE user_id = ? ORDER BY group_id")?,
        permissions: ids(
            "SELECT permission_id FROM user_permissions WHERE user_id = ? ORDER BY permission_id",
        )?,
    })
}

/// Gives and takes what differs, and says what that was by name.
fn grant(
    connection: &Connection,
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
            these.removed.extend(named(connection, name, one)?);
            let sql = format!("DELETE FROM {table} WHERE user_id = ? AND {column} = ?");
            connection
                .prepare_cached(&sql)
                .and_then(|mut s| s.execute(params![id.as_i64(), one]))
                .map_err(StoreError::from)?;
        }
        for one in added {
            these.added.push(named(connection, name, one)?.ok_or(AdminError::Gone)?);
            let sql = format!("INSERT INTO {table} (user_id, {column}) VALUES (?, ?)");
            connection
                .prepare_cached(&sql)
                .and_then(|mut s| s.execute(params![id.as_i64(), one]))
                .map_err(StoreError::from)?;
        }
        given.push(these);
    }
    let permissions = given.pop().unwrap_or_default();
    Ok((given.pop().unwrap_or_default(), permissions))
}

/// What a group or a permission is called.
pub(super) fn named(
    connection: &Connection,
    sql: &str,
    id: i64,
) -> Result<Option<String>, StoreError> {
    Ok(connection.prepare_cached(sql)?.query_row([id], |row| row.get(0)).optional()?)
}

/// Whether the user has sessions of the admin site, which end with the others.
fn is_at_the_site(connection: &Connection, id: UserId) -> Result<bool, StoreError> {
    let mut statement = connection
        .prepare_cached("SELECT EXISTS (SELECT 1 FROM admin_sessions WHERE user_id = ?)")?;
    Ok(statement.query_row([id.as_i64()], |row| row.get(0))?)
}

/// Undoes everything unless somebody is left who can do everything.
fn keep_a_superuser(connection: &Connection) -> Result<(), AdminError> {
    let is_left = number(
        connection,
        &Sql::new(
            "SELECT EXISTS (SELECT 1 FROM users WHERE is_superuser AND is_active AND is_staff)",
        ),
    )?;
    if is_left == 1 { Ok(()) } else { Err(AdminError::LastSuperuser) }
}

pub(super) const GROUP_NAME: &str = "SELECT name FROM groups WHERE id = ?";

pub(super) const PERMISSION_NAME: &str =
    "SELECT app || '.' || codename FROM permissions WHERE id = ?";

//! Users, as the admin site lists and changes them.

use std::collections::HashSet;

use async_trait::async_trait;
use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension, params};

use super::lists::{self, DIALECT, few, number};
use super::operators::operator;
use super::{audit, factor_import, factor_removal, once};
use crate::factor::FactorId;
use crate::password::EncodedPassword;
use crate::session::RevokedReason;
use crate::store::admin::{
    Actor, AdminError, AuditKind, Count, FactorsImported, Fingerprint, Grants, ImportFactors, Page,
    UserAct, UserAdmin, UserEdit, UserRecord, UserSearch, WhatGoes,
};
use crate::store::failure::Failure;
use crate::store::plan::audit_lines::{Acted, Given, added, line, logged};
use crate::store::plan::bulk_act::{BulkPlan, RowChange};
use crate::store::plan::grants::GrantsPlan;
use crate::store::plan::superusers::keep_one;
use crate::store::plan::user_edit::{UserEditPlan, before_given};
use crate::store::sql::query::Sql;
use crate::store::sql::searches;
use crate::store::sql::statements;
use crate::store::sqlite::columns::micros;
use crate::store::sqlite::{SqliteStore, factors, outbox, sessions, tokens, users};
use crate::store::{MailBounds, NewMail, StoreError};
use crate::user::{NewUser, User, UserId};

#[async_trait]
impl UserAdmin for SqliteStore {
    async fn find_users(&self, asked: &UserSearch) -> Result<Page<User>, StoreError> {
        let asked = asked.clone();
        self.readers.run(move |c| find(c, &asked)).await
    }

    async fn usernames(&self, ids: &[UserId]) -> Result<Vec<(UserId, String)>, StoreError> {
        let ids = ids.to_vec();
        self.readers.run(move |c| names(c, &ids)).await
    }

    async fn user_record(&self, id: UserId) -> Result<Option<UserRecord>, StoreError> {
        self.readers.run(move |c| record(c, id)).await
    }

    async fn add_user(
        &self,
        new: NewUser,
        grants: &Grants,
        by: &Actor,
    ) -> Result<User, AdminError> {
        let (grants, by) = (grants.clone(), by.clone());
        self.writer.run(move |c| add(c, &new, &grants, &by)).await.map(logged)
    }

    async fn edit_user_and_tell(
        &self,
        id: UserId,
        edit: &UserEdit,
        seen: Fingerprint,
        by: &Actor,
        mails: Vec<NewMail>,
    ) -> Result<User, AdminError> {
        let (edit, by) = (edit.clone(), by.clone());
        self.writer.run(move |c| apply_edit(c, id, &edit, seen, &by, &mails)).await.map(logged)
    }

    async fn set_password_and_tell(
        &self,
        id: UserId,
        password: &EncodedPassword,
        by: &Actor,
        mails: Vec<NewMail>,
    ) -> Result<(), AdminError> {
        let (password, by) = (password.clone(), by.clone());
        self.writer.run(move |c| set_password(c, id, &password, &by, &mails)).await.map(logged)
    }

    async fn reset_factors(
        &self,
        id: UserId,
        mails: Vec<NewMail>,
        by: &Actor,
    ) -> Result<u64, AdminError> {
        let by = by.clone();
        self.writer.run(move |c| factor_removal::all(c, id, &mails, &by)).await.map(logged)
    }

    async fn remove_factor_of(
        &self,
        id: UserId,
        factor: FactorId,
        mails: Vec<NewMail>,
        by: &Actor,
    ) -> Result<(), AdminError> {
        let by = by.clone();
        self.writer.run(move |c| factor_removal::one(c, id, factor, &mails, &by)).await.map(logged)
    }

    async fn import_factors(
        &self,
        import: ImportFactors,
        by: &Actor,
    ) -> Result<FactorsImported, AdminError> {
        let by = by.clone();
        self.writer.run(move |c| factor_import::import(c, &import, &by)).await.map(logged)
    }

    async fn act_on_users(
        &self,
        ids: &[UserId],
        act: UserAct,
        by: &Actor,
    ) -> Result<u64, AdminError> {
        let (ids, by) = (ids.to_vec(), by.clone());
        self.writer.run(move |c| apply_act(c, &ids, act, &by)).await.map(logged)
    }

    async fn what_goes_with(&self, ids: &[UserId], now: Timestamp) -> Result<WhatGoes, StoreError> {
        let ids = ids.to_vec();
        self.readers.run(move |c| what_goes_with(c, &ids, now)).await
    }
}

pub(super) fn find(connection: &Connection, asked: &UserSearch) -> Result<Page<User>, Failure> {
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
pub(super) fn count_all(connection: &Connection) -> Result<Count, Failure> {
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
) -> Result<Vec<(UserId, String)>, Failure> {
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

pub(super) fn record(connection: &Connection, id: UserId) -> Result<Option<UserRecord>, Failure> {
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
    if let Some(user) = once::made_before(connection, by)? {
        by.is_let(operator(connection, by)?.as_ref(), std::iter::once((&user, &user)))?;
        return Ok((user, Vec::new()));
    }
    let user = users::create(connection, new, by.now)?;
    let plan = GrantsPlan::between(&Grants::default(), grants);
    let (groups, permissions) = grant(connection, user.id, &plan)?;
    let user = users::by_id(connection, user.id)?.ok_or(AdminError::Gone)?;
    by.is_let(operator(connection, by)?.as_ref(), std::iter::once((&user, &user)))?;
    once::keep(connection, by, user.id)?;
    let entry =
        line(by, AuditKind::UserAdded, Some(user.id), None, added(new, &groups, &permissions));
    audit::noted(connection, user, vec![entry])
}

pub(super) fn apply_edit(
    connection: &Connection,
    id: UserId,
    edit: &UserEdit,
    seen: Fingerprint,
    by: &Actor,
    mails: &[NewMail],
) -> Acted<User> {
    let before = record(connection, id)?.ok_or(AdminError::Gone)?;
    let plan = UserEditPlan::of(&before, edit, seen)?;
    let operator = operator(connection, by)?;
    users::update_profile(connection, id, &plan.profile)?;
    if plan.changes_rest {
        set_rest(connection, id, edit)?;
    }
    let (groups, permissions) = grant(connection, id, &plan.grants)?;
    if plan.ends_sessions {
        factors::change_version(connection, id, None)?;
        sessions::revoke_of_user(connection, id, None, RevokedReason::UserInactive, by.now)?;
    }
    if plan.takes_a_superuser {
        keep_one(is_a_superuser_left(connection)?)?;
    }
    let user = users::by_id(connection, id)?.ok_or(AdminError::Gone)?;
    if user.email != before.user.email {
        tokens::end_every_token(connection, id, by.now)?;
    }
    let as_given = before_given(&before.user, &permissions);
    by.is_let(operator.as_ref(), std::iter::once((&as_given, &user)))?;
    outbox::queue(connection, mails, MailBounds::OF_ACTS)?;
    audit::noted(connection, user, plan.lines(&groups, &permissions, by))
}

/// What users may not change themselves.
fn set_rest(connection: &Connection, id: UserId, edit: &UserEdit) -> Result<(), Failure> {
    connection.prepare_cached(statements::SET_FLAGS)?.execute(params![
        edit.is_active,
        edit.is_staff,
        edit.is_superuser,
        serde_json::Value::Object(edit.metadata.clone()).to_string(),
        id.as_i64()
    ])?;
    Ok(())
}

pub(super) fn set_password(
    connection: &Connection,
    id: UserId,
    password: &EncodedPassword,
    by: &Actor,
    mails: &[NewMail],
) -> Acted<()> {
    let user = users::by_id(connection, id)?.ok_or(AdminError::Gone)?;
    by.is_let(operator(connection, by)?.as_ref(), std::iter::once((&user, &user)))?;
    if !users::reset_password(connection, id, password, by.now)? {
        return Err(AdminError::Gone.into());
    }
    tokens::end_every_token(connection, id, by.now)?;
    outbox::queue(connection, mails, MailBounds::OF_ACTS)?;
    let detail = if password.is_usable() { "" } else { "unusable" };
    audit::noted(connection, (), vec![line(by, AuditKind::PasswordSet, Some(id), None, detail)])
}

pub(super) fn apply_act(
    connection: &Connection,
    ids: &[UserId],
    act: UserAct,
    by: &Actor,
) -> Acted<u64> {
    let operator = operator(connection, by)?;
    let users = each_once(connection, ids)?;
    let plan = BulkPlan::of(&users, act, operator.as_ref(), by)?;
    if let Some(reason) = plan.ends_sessions {
        for id in users.iter().map(|user| user.id) {
            factors::change_version(connection, id, None)?;
            sessions::revoke_of_user(connection, id, None, reason, by.now)?;
        }
    }
    for id in plan.changed().map(|user| user.id) {
        match plan.row {
            RowChange::Activate => {
                users::set_active(connection, id, true, by.now)?;
            }
            RowChange::Deactivate => {
                users::set_active(connection, id, false, by.now)?;
            }
            RowChange::Delete => {
                users::delete(connection, id, by.now)?;
            }
            RowChange::Nothing => {}
        }
    }
    if plan.takes_a_superuser {
        keep_one(is_a_superuser_left(connection)?)?;
    }
    let lines = plan.lines(by);
    audit::noted(connection, lines.len() as u64, lines)
}

/// The users with these ids who are there, each once.
fn each_once(connection: &Connection, ids: &[UserId]) -> Result<Vec<User>, Failure> {
    let mut met = HashSet::new();
    let mut users = Vec::with_capacity(ids.len());
    for id in ids.iter().filter(|id| met.insert(**id)) {
        users.extend(users::by_id(connection, *id)?);
    }
    Ok(users)
}

pub(super) fn what_goes_with(
    connection: &Connection,
    ids: &[UserId],
    now: Timestamp,
) -> Result<WhatGoes, Failure> {
    let mut goes = WhatGoes::default();
    for id in ids.iter().filter_map(|id| id.as_i64()) {
        let (users, sessions, memberships, permissions): (u64, u64, u64, u64) = connection
            .prepare_cached(
                "SELECT (SELECT count(*) FROM users WHERE id = ?1),
                     (SELECT count(*) FROM sessions WHERE user_id = ?1 AND revoked_at IS NULL
                         AND expires_at > ?2),
                     (SELECT count(*) FROM user_groups WHERE user_id = ?1),
                     (SELECT count(*) FROM user_permissions WHERE user_id = ?1)",
            )?
            .query_row(params![id, micros(now)], |row| {
                Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?))
            })?;
        goes.users += users;
        goes.sessions += sessions;
        goes.memberships += memberships;
        goes.permissions += permissions;
    }
    Ok(goes)
}

fn grants(connection: &Connection, id: UserId) -> Result<Grants, Failure> {
    let ids = |sql: &str| -> Result<Vec<i64>, Failure> {
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

/// Gives and takes, and says what that was by name.
fn grant(
    connection: &Connection,
    id: UserId,
    plan: &GrantsPlan,
) -> Result<(Given, Given), Failure<AdminError>> {
    let mut given = Vec::new();
    for (table, column, name, difference) in [
        ("user_groups", "group_id", GROUP_NAME, &plan.groups),
        ("user_permissions", "permission_id", PERMISSION_NAME, &plan.permissions),
    ] {
        let mut these = Given::default();
        for &one in &difference.removed {
            these.removed.extend(named(connection, name, one)?);
            let sql = format!("DELETE FROM {table} WHERE user_id = ? AND {column} = ?");
            connection
                .prepare_cached(&sql)
                .and_then(|mut s| s.execute(params![id.as_i64(), one]))?;
        }
        for &one in &difference.added {
            these.added.push(named(connection, name, one)?.ok_or(AdminError::Gone)?);
            let sql = format!("INSERT INTO {table} (user_id, {column}) VALUES (?, ?)");
            connection
                .prepare_cached(&sql)
                .and_then(|mut s| s.execute(params![id.as_i64(), one]))?;
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
) -> Result<Option<String>, Failure> {
    Ok(connection.prepare_cached(sql)?.query_row([id], |row| row.get(0)).optional()?)
}

/// Whether somebody is left who can do everything.
fn is_a_superuser_left(connection: &Connection) -> Result<bool, Failure> {
    let sql = statements::IS_A_SUPERUSER_LEFT;
    Ok(number(connection, &Sql::new(sql))? == 1)
}

pub(super) const GROUP_NAME: &str = "SELECT name FROM groups WHERE id = ?";

pub(super) const PERMISSION_NAME: &str =
    "SELECT app || '.' || codename FROM permissions WHERE id = ?";

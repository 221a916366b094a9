//! Users, as the admin site lists and changes them.
//!
//! Whatever changes several rows takes its locks in one order: the lock of the superusers, rows of
//! users by their ids, their sessions by their ids.

use async_trait::async_trait;
use deadpool_postgres::{GenericClient, Object, Transaction};
use jiff::Timestamp;
use tokio_postgres::types::Json;

use super::lists::{self, DIALECT, few, number};
use super::operators::hold;
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
use crate::store::plan::bulk_act::{BulkPlan, RowChange, takes_away};
use crate::store::plan::grants::GrantsPlan;
use crate::store::plan::superusers::keep_one;
use crate::store::plan::user_edit::{UserEditPlan, before_given};
use crate::store::postgres::columns::{get, micros};
use crate::store::postgres::{PostgresStore, endings, outbox, tokens, users};
use crate::store::sql::lists::COUNTED;
use crate::store::sql::query::Sql;
use crate::store::sql::searches;
use crate::store::sql::statements;
use crate::store::{MailBounds, NewMail, StoreError};
use crate::user::{NewUser, User, UserId};

#[async_trait]
impl UserAdmin for PostgresStore {
    async fn find_users(&self, asked: &UserSearch) -> Result<Page<User>, StoreError> {
        read!(self, client => find(client, asked))
    }

    async fn usernames(&self, ids: &[UserId]) -> Result<Vec<(UserId, String)>, StoreError> {
        read!(self, client => names(client, ids))
    }

    async fn user_record(&self, id: UserId) -> Result<Option<UserRecord>, StoreError> {
        read!(self, client => record(client, id))
    }

    async fn add_user(
        &self,
        new: NewUser,
        grants: &Grants,
        by: &Actor,
    ) -> Result<User, AdminError> {
        write!(self, client => add(client, &new, grants, by)).map(logged)
    }

    async fn edit_user_and_tell(
        &self,
        id: UserId,
        edit: &UserEdit,
        seen: Fingerprint,
        by: &Actor,
        mails: Vec<NewMail>,
    ) -> Result<User, AdminError> {
        write!(self, client => apply_edit(client, id, edit, seen, by, &mails)).map(logged)
    }

    async fn set_password_and_tell(
        &self,
        id: UserId,
        password: &EncodedPassword,
        by: &Actor,
        mails: Vec<NewMail>,
    ) -> Result<(), AdminError> {
        write!(self, client => set_password(client, id, password, by, &mails)).map(logged)
    }

    async fn reset_factors(
        &self,
        id: UserId,
        mails: Vec<NewMail>,
        by: &Actor,
    ) -> Result<u64, AdminError> {
        write!(self, client => factor_removal::all(client, id, &mails, by)).map(logged)
    }

    async fn remove_factor_of(
        &self,
        id: UserId,
        factor: FactorId,
        mails: Vec<NewMail>,
        by: &Actor,
    ) -> Result<(), AdminError> {
        write!(self, client => factor_removal::one(client, id, factor, &mails, by)).map(logged)
    }

    async fn import_factors(
        &self,
        import: ImportFactors,
        by: &Actor,
    ) -> Result<FactorsImported, AdminError> {
        write!(self, client => factor_import::import(client, &import, by)).map(logged)
    }

    async fn act_on_users(
        &self,
        ids: &[UserId],
        act: UserAct,
        by: &Actor,
    ) -> Result<u64, AdminError> {
        write!(self, client => apply_act(client, ids, act, by)).map(logged)
    }

    async fn what_goes_with(&self, ids: &[UserId], now: Timestamp) -> Result<WhatGoes, StoreError> {
        read!(self, client => what_goes_with(client, ids, now))
    }
}

pub(super) async fn find(client: &Object, asked: &UserSearch) -> Result<Page<User>, Failure> {
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
pub(super) async fn count_all(client: &Object) -> Result<Count, Failure> {
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
) -> Result<Vec<(UserId, String)>, Failure> {
    let ids: Vec<i64> = ids.iter().filter_map(|id| id.as_i64()).collect();
    let statement =
        client.prepare_cached("SELECT id, username FROM users WHERE id = ANY($1)").await?;
    let rows = client.query(&statement, &[&ids]).await?;
    rows.iter().map(|row| Ok((UserId::new(get(row, "id")?), get(row, "username")?))).collect()
}

pub(super) async fn record(
    client: &impl GenericClient,
    id: UserId,
) -> Result<Option<UserRecord>, Failure> {
    let Some(user) = users::by_id(client, id).await? else { return Ok(None) };
    let statement = client
        .prepare_cached(
            "SELECT password, ARRAY(SELECT group_id FROM user_groups WHERE user_id = u.id
                 ORDER BY group_id) AS groups,
                 ARRAY(SELECT permission_id FROM user_permissions WHERE user_id = u.id
                     ORDER BY permission_id) AS permissions
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
    // Names before rows, as everywhere.
    users::hold_names_of(&transaction, Some(&new.username), new.email.as_ref()).await?;
    let operator = hold(&transaction, &[], by).await?;
    if let Some(user) = once::made_before(&transaction, by).await? {
        by.is_let(operator.as_ref(), std::iter::once((&user, &user)))?;
        return Ok((user, Vec::new()));
    }
    let id = users::insert(&transaction, new, by.now).await?;
    let plan = GrantsPlan::between(&Grants::default(), grants);
    let (groups, permissions) = grant(&transaction, id, &plan).await?;
    let user = users::by_id(&transaction, id).await?.ok_or(AdminError::Gone)?;
    by.is_let(operator.as_ref(), std::iter::once((&user, &user)))?;
    once::keep(&transaction, by, id).await?;
    let entry = line(by, AuditKind::UserAdded, Some(id), None, added(new, &groups, &permissions));
    audit::noted(transaction, user, vec![entry]).await
}

pub(super) async fn apply_edit(
    client: &mut Object,
    id: UserId,
    edit: &UserEdit,
    seen: Fingerprint,
    by: &Actor,
    mails: &[NewMail],
) -> Acted<User> {
    let transaction = client.transaction().await?;
    if !(edit.is_active && edit.is_staff && edit.is_superuser) {
        hold_superusers(&transaction).await?;
    }
    users::hold_names_of(&transaction, edit.username.as_ref(), edit.email.as_ref()).await?;
    let operator = hold(&transaction, &[id], by).await?;
    let before = record(&transaction, id).await?.ok_or(AdminError::Gone)?;
    let plan = UserEditPlan::of(&before, edit, seen)?;
    users::change_profile(&transaction, id, &before.user.username, &plan.profile).await?;
    if plan.changes_rest {
        set_rest(&transaction, id, edit).await?;
    }
    let (groups, permissions) = grant(&transaction, id, &plan.grants).await?;
    if plan.ends_sessions {
        end_sessions(&transaction, &[id], RevokedReason::UserInactive, by.now).await?;
    }
    if plan.takes_a_superuser {
        keep_one(is_a_superuser_left(&transaction).await?)?;
    }
    let after = users::by_id(&transaction, id).await?.ok_or(AdminError::Gone)?;
    if after.email != before.user.email {
        tokens::end_every_token(&transaction, id, by.now).await?;
    }
    let as_given = before_given(&before.user, &permissions);
    by.is_let(operator.as_ref(), std::iter::once((&as_given, &after)))?;
    outbox::queue(&transaction, mails, MailBounds::OF_ACTS).await?;
    audit::noted(transaction, after, plan.lines(&groups, &permissions, by)).await
}

/// What users may not change themselves.
async fn set_rest(
    transaction: &Transaction<'_>,
    id: UserId,
    edit: &UserEdit,
) -> Result<(), Failure> {
    let metadata = Json(&edit.metadata);
    transaction
        .execute(
            statements::SET_FLAGS,
            &[&edit.is_active, &edit.is_staff, &edit.is_superuser, &metadata, &id.as_i64()],
        )
        .await?;
    Ok(())
}

pub(super) async fn set_password(
    client: &mut Object,
    id: UserId,
    password: &EncodedPassword,
    by: &Actor,
    mails: &[NewMail],
) -> Acted<()> {
    let transaction = client.transaction().await?;
    let operator = hold(&transaction, &[id], by).await?;
    let user = users::by_id(&transaction, id).await?.ok_or(AdminError::Gone)?;
    by.is_let(operator.as_ref(), std::iter::once((&user, &user)))?;
    if !endings::reset_within(&transaction, id, password, by.now).await? {
        return Err(AdminError::Gone.into());
    }
    tokens::end_every_token(&transaction, id, by.now).await?;
    outbox::queue(&transaction, mails, MailBounds::OF_ACTS).await?;
    let detail = if password.is_usable() { "" } else { "unusable" };
    audit::noted(transaction, (), vec![line(by, AuditKind::PasswordSet, Some(id), None, detail)])
        .await
}

pub(super) async fn apply_act(
    client: &mut Object,
    ids: &[UserId],
    act: UserAct,
    by: &Actor,
) -> Acted<u64> {
    let transaction = client.transaction().await?;
    if takes_away(act) {
        hold_superusers(&transaction).await?;
    }
    let rows: Vec<i64> = ids.iter().filter_map(|id| id.as_i64()).collect();
    let operator = hold(&transaction, ids, by).await?;
    let held = users::by_ids(&transaction, &rows).await?;
    let plan = BulkPlan::of(&held, act, operator.as_ref(), by)?;
    let change = match plan.row {
        RowChange::Activate => {
            Some("UPDATE users SET is_active = true WHERE id = ANY($1) AND NOT is_active")
        }
        RowChange::Deactivate => {
            Some("UPDATE users SET is_active = false WHERE id = ANY($1) AND is_active")
        }
        RowChange::Delete => Some("DELETE FROM users WHERE id = ANY($1)"),
        RowChange::Nothing => None,
    };
    let is_first = !matches!(plan.row, RowChange::Delete);
    if let Some(sql) = change.filter(|_| is_first) {
        transaction.execute(sql, &[&rows]).await?;
    }
    if let Some(reason) = plan.ends_sessions {
        end_sessions(&transaction, ids, reason, by.now).await?;
    }
    // A deletion is behind the ends of the sessions: hooks are told of nothing after it.
    if let Some(sql) = change.filter(|_| !is_first) {
        transaction.execute(sql, &[&rows]).await?;
    }
    if plan.takes_a_superuser {
        keep_one(is_a_superuser_left(&transaction).await?)?;
    }
    let lines = plan.lines(by);
    audit::noted(transaction, lines.len() as u64, lines).await
}

pub(super) async fn what_goes_with(
    client: &Object,
    ids: &[UserId],
    now: Timestamp,
) -> Result<WhatGoes, Failure> {
    let statement = client
        .prepare_cached(
            "SELECT (SELECT count(*) FROM users WHERE id = ANY($1)) AS users,
                 (SELECT count(*) FROM sessions WHERE user_id = ANY($2) AND revoked_at IS NULL
                     AND expires_at > $3) AS sessions,
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

/// Ends the sessions of these users, those of the admin site too, and says how many there were but
/// for those. Every device is asked for a factor again, as after a user's own logout everywhere.
/// The caller holds the users' rows.
pub(super) async fn end_sessions(
    transaction: &Transaction<'_>,
    ids: &[UserId],
    reason: RevokedReason,
    now: Timestamp,
) -> Result<u64, Failure> {
    let texts: Vec<String> = ids.iter().map(UserId::to_string).collect();
    let rows: Vec<i64> = ids.iter().filter_map(|id| id.as_i64()).collect();
    transaction
        .execute(
            "WITH raised AS (
                 UPDATE factor_owners SET version = version + 1 WHERE user_id = ANY($1)
                     RETURNING user_id, version
             )
             UPDATE users SET factors = raised.version FROM raised
                 WHERE users.id = ANY($2) AND users.id::text = raised.user_id",
            &[&texts, &rows],
        )
        .await?;
    let ended = transaction
        .execute(
            "WITH own AS (
                 SELECT id FROM sessions WHERE user_id = ANY($1) AND revoked_at IS NULL
                     AND expires_at > $2 ORDER BY id FOR UPDATE
             ), operators AS (
                 DELETE FROM admin_sessions WHERE user_id = ANY($4)
             )
             UPDATE sessions SET revoked_at = $2, revoked_reason = $3
                 WHERE id IN (SELECT id FROM own)",
            &[&texts, &micros(now), &reason.as_str(), &rows],
        )
        .await?;
    Ok(ended)
}

/// Gives and takes, and says what that was by name.
async fn grant(
    transaction: &Transaction<'_>,
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
            these.removed.extend(named(transaction, name, one).await?);
            let sql = format!("DELETE FROM {table} WHERE user_id = $1 AND {column} = $2");
            transaction.execute(&sql, &[&id.as_i64(), &one]).await?;
        }
        for &one in &difference.added {
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
) -> Result<Option<String>, Failure> {
    Ok(transaction.query_opt(sql, &[&id]).await?.map(|row| row.try_get(0)).transpose()?)
}

/// Two who would remove the last two superusers at once go one after the other.
pub(in crate::store::postgres) async fn hold_superusers(
    transaction: &Transaction<'_>,
) -> Result<(), Failure> {
    transaction
        .execute("SELECT pg_advisory_xact_lock(hashtextextended('countersign superusers', 0))", &[])
        .await?;
    Ok(())
}

/// Whether somebody is left who can do everything.
async fn is_a_superuser_left(transaction: &Transaction<'_>) -> Result<bool, Failure> {
    let sql = statements::IS_A_SUPERUSER_LEFT;
    Ok(transaction.query_one(sql, &[]).await?.try_get(0)?)
}

pub(super) const GROUP_NAME: &str = "SELECT name FROM groups WHERE id = $1 FOR KEY SHARE";

pub(super) const PERMISSION_NAME: &str =
    "SELECT app || '.' || codename FROM permissions WHERE id = $1 FOR KEY SHARE";

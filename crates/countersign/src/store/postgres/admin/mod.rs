//! What the admin site asks of PostgreSQL.

mod access;
mod activity;
mod audit;
mod first_link;
mod keys;
mod lists;
mod operators;
mod sessions;
mod users;

use std::net::IpAddr;

use async_trait::async_trait;
use jiff::Timestamp;

use super::PostgresStore;
use crate::password::EncodedPassword;
use crate::session::{Session, SessionId};
use crate::store::StoreError;
use crate::store::admin::told::logged;
use crate::store::admin::{
    Actor, AdminError, AdminSession, AdminStore, AuditLine, AuditRow, AuditSearch, Counted,
    Fingerprint, Grants, GroupRecord, GroupRow, Page, PermissionRow, PermissionText, SessionSearch,
    Sizes, Step, UserAct, UserEdit, UserRecord, UserSearch, WhatGoes,
};
use crate::store::postgres::sessions::revoke_some_begun_by;
use crate::token::{KeyId, SealedKey};
use crate::user::{NewUser, User, UserId};

#[async_trait]
impl AdminStore for PostgresStore {
    async fn find_users(&self, asked: &UserSearch) -> Result<Page<User>, StoreError> {
        ask!(self, client => users::find(client, asked))
    }

    async fn usernames(&self, ids: &[UserId]) -> Result<Vec<(UserId, String)>, StoreError> {
        ask!(self, client => users::names(client, ids))
    }

    async fn user_record(&self, id: UserId) -> Result<Option<UserRecord>, StoreError> {
        ask!(self, client => users::record(client, id))
    }

    async fn add_user(
        &self,
        new: NewUser,
        grants: &Grants,
        by: &Actor,
    ) -> Result<User, AdminError> {
        tell!(self, client => users::add(client, &new, grants, by)).map(logged)
    }

    async fn edit_user(
        &self,
        id: UserId,
        edit: &UserEdit,
        seen: Fingerprint,
        by: &Actor,
    ) -> Result<User, AdminError> {
        tell!(self, client => users::edit(client, id, edit, seen, by)).map(logged)
    }

    async fn set_password(
        &self,
        id: UserId,
        password: &EncodedPassword,
        by: &Actor,
    ) -> Result<(), AdminError> {
        tell!(self, client => users::set_password(client, id, password, by)).map(logged)
    }

    async fn act_on_users(
        &self,
        ids: &[UserId],
        act: UserAct,
        by: &Actor,
    ) -> Result<u64, AdminError> {
        tell!(self, client => users::act(client, ids, act, by)).map(logged)
    }

    async fn what_goes_with(&self, ids: &[UserId], now: Timestamp) -> Result<WhatGoes, StoreError> {
        ask!(self, client => users::what_goes_with(client, ids, now))
    }

    async fn make_first_link(&self, fresh: [u8; 32]) -> Result<Option<[u8; 32]>, StoreError> {
        tell!(self, client => first_link::make(client, fresh))
    }

    async fn first_link(&self) -> Result<Option<[u8; 32]>, StoreError> {
        ask!(self, client => first_link::open(client))
    }

    async fn use_first_link(
        &self,
        token: [u8; 32],
        new: NewUser,
        ip: Option<IpAddr>,
        now: Timestamp,
    ) -> Result<Option<User>, StoreError> {
        tell!(self, client => first_link::take(client, token, &new, ip, now)).map(logged)
    }

    async fn groups(
        &self,
        prefix: &str,
        after: Option<&str>,
        limit: u32,
    ) -> Result<Vec<GroupRow>, StoreError> {
        ask!(self, client => access::groups(client, prefix, after, limit))
    }

    async fn group_record(&self, id: i64) -> Result<Option<GroupRecord>, StoreError> {
        ask!(self, client => access::group_record(client, id))
    }

    async fn save_group(
        &self,
        id: Option<i64>,
        name: &str,
        permissions: &[i64],
        seen: Option<Fingerprint>,
        by: &Actor,
    ) -> Result<i64, AdminError> {
        tell!(self, client => access::save_group(client, id, name, permissions, seen, by))
            .map(logged)
    }

    async fn delete_group(&self, id: i64, by: &Actor) -> Result<(), AdminError> {
        tell!(self, client => access::delete_group(client, id, by)).map(logged)
    }

    async fn permissions(&self) -> Result<Vec<PermissionRow>, StoreError> {
        ask!(self, client => access::permissions(client))
    }

    async fn save_permission(
        &self,
        id: Option<i64>,
        permission: &PermissionText,
        by: &Actor,
    ) -> Result<i64, AdminError> {
        tell!(self, client => access::save_permission(client, id, permission, by)).map(logged)
    }

    async fn delete_permission(&self, id: i64, by: &Actor) -> Result<(), AdminError> {
        tell!(self, client => access::delete_permission(client, id, by)).map(logged)
    }

    async fn find_sessions(&self, asked: &SessionSearch) -> Result<Page<Session>, StoreError> {
        ask!(self, client => sessions::find(client, asked))
    }

    async fn count_live_sessions(
        &self,
        used_since: Timestamp,
        now: Timestamp,
    ) -> Result<u64, StoreError> {
        ask!(self, client => sessions::count_live(client, used_since, now))
    }

    async fn session_steps(&self, id: SessionId) -> Result<Vec<Step>, StoreError> {
        ask!(self, client => sessions::steps(client, id))
    }

    async fn end_sessions(&self, ids: &[SessionId], by: &Actor) -> Result<u64, AdminError> {
        tell!(self, client => sessions::end(client, ids, by)).map(logged)
    }

    async fn end_user_sessions(&self, user: UserId, by: &Actor) -> Result<u64, AdminError> {
        tell!(self, client => sessions::end_of_user(client, user, by)).map(logged)
    }

    async fn end_sessions_begun_by(&self, began: Timestamp, by: &Actor) -> Result<u64, AdminError> {
        let (mut ended, mut from) =
            tell!(self, client => sessions::end_first_begun_by(client, began, by)).map(logged)?;
        while let Some(at) = from {
            let (more, next) =
                tell!(self, client => revoke_some_begun_by(&*client, at, began, by.now))?;
            (ended, from) = (ended + more, next);
        }
        Ok(ended)
    }

    async fn rotate_keys(
        &self,
        key: SealedKey,
        retire_others: Timestamp,
        by: &Actor,
    ) -> Result<(), AdminError> {
        tell!(self, client => keys::rotate(client, &key, retire_others, by)).map(logged)
    }

    async fn end_key(&self, id: KeyId, by: &Actor) -> Result<(), AdminError> {
        tell!(self, client => keys::end(client, id, by)).map(logged)
    }

    async fn begin_admin_session(
        &self,
        new: &AdminSession,
        checked: &EncodedPassword,
    ) -> Result<bool, StoreError> {
        tell!(self, client => operators::begin(client, new, checked))
    }

    async fn admin_session(
        &self,
        token_hash: [u8; 32],
    ) -> Result<Option<AdminSession>, StoreError> {
        ask!(self, client => operators::session(client, token_hash))
    }

    async fn touch_admin_session(
        &self,
        token_hash: [u8; 32],
        used_at: Timestamp,
        password_at: Option<Timestamp>,
    ) -> Result<bool, StoreError> {
        tell!(self, client => operators::touch(client, token_hash, used_at, password_at))
    }

    async fn end_admin_session(&self, token_hash: [u8; 32]) -> Result<(), StoreError> {
        tell!(self, client => operators::end(client, token_hash))
    }

    async fn note(&self, lines: &[AuditLine]) -> Result<(), StoreError> {
        tell!(self, client => audit::note(client, lines))
    }

    async fn audit(&self, asked: &AuditSearch) -> Result<Page<AuditRow>, StoreError> {
        ask!(self, client => audit::find(client, asked))
    }

    async fn forget_audit(&self, before: Timestamp, limit: u32) -> Result<u64, StoreError> {
        tell!(self, client => audit::forget(client, before, limit))
    }

    async fn count(&self, hour: Timestamp, counts: &[(Counted, u64)]) -> Result<(), StoreError> {
        tell!(self, client => activity::count(client, hour, counts))
    }

    async fn counts(&self, since: Timestamp) -> Result<Vec<(Timestamp, Counted, u64)>, StoreError> {
        ask!(self, client => activity::counts(client, since))
    }

    async fn sizes(&self) -> Result<Sizes, StoreError> {
        ask!(self, client => activity::sizes(client))
    }
}

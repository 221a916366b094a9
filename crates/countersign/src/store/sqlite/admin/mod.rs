//! What the admin site asks of SQLite.

mod access;
mod activity;
pub(super) mod audit;
mod first_link;
mod keys;
mod lists;
mod operators;
mod sessions;
mod users;

use std::net::IpAddr;

use async_trait::async_trait;
use jiff::Timestamp;

use super::SqliteStore;
use crate::password::EncodedPassword;
use crate::session::{Session, SessionId};
use crate::store::StoreError;
use crate::store::admin::told::logged;
use crate::store::admin::{
    Actor, AdminError, AdminSession, AdminStore, AuditLine, AuditRow, AuditSearch, Counted,
    Fingerprint, Grants, GroupRecord, GroupRow, Page, PermissionRow, PermissionText, SessionSearch,
    Sizes, Step, UserAct, UserEdit, UserRecord, UserSearch, WhatGoes,
};
use crate::token::{KeyId, SealedKey};
use crate::user::{NewUser, User, UserId};

#[async_trait]
impl AdminStore for SqliteStore {
    async fn find_users(&self, asked: &UserSearch) -> Result<Page<User>, StoreError> {
        let asked = asked.clone();
        self.readers.run(move |c| users::find(c, &asked)).await
    }

    async fn usernames(&self, ids: &[UserId]) -> Result<Vec<(UserId, String)>, StoreError> {
        let ids = ids.to_vec();
        self.readers.run(move |c| users::names(c, &ids)).await
    }

    async fn user_record(&self, id: UserId) -> Result<Option<UserRecord>, StoreError> {
        self.readers.run(move |c| users::record(c, id)).await
    }

    async fn add_user(
        &self,
        new: NewUser,
        grants: &Grants,
        by: &Actor,
    ) -> Result<User, AdminError> {
        let (grants, by) = (grants.clone(), by.clone());
        self.writer.run(move |c| users::add(c, &new, &grants, &by)).await.map(logged)
    }

    async fn edit_user(
        &self,
        id: UserId,
        edit: &UserEdit,
        seen: Fingerprint,
        by: &Actor,
    ) -> Result<User, AdminError> {
        let (edit, by) = (edit.clone(), by.clone());
        self.writer.run(move |c| users::edit(c, id, &edit, seen, &by)).await.map(logged)
    }

    async fn set_password(
        &self,
        id: UserId,
        password: &EncodedPassword,
        by: &Actor,
    ) -> Result<(), AdminError> {
        let (password, by) = (password.clone(), by.clone());
        self.writer.run(move |c| users::set_password(c, id, &password, &by)).await.map(logged)
    }

    async fn act_on_users(
        &self,
        ids: &[UserId],
        act: UserAct,
        by: &Actor,
    ) -> Result<u64, AdminError> {
        let (ids, by) = (ids.to_vec(), by.clone());
        self.writer.run(move |c| users::act(c, &ids, act, &by)).await.map(logged)
    }

    async fn what_goes_with(&self, ids: &[UserId], now: Timestamp) -> Result<WhatGoes, StoreError> {
        let ids = ids.to_vec();
        self.readers.run(move |c| users::what_goes_with(c, &ids, now)).await
    }

    async fn make_first_link(&self, fresh: [u8; 32]) -> Result<Option<[u8; 32]>, StoreError> {
        self.writer.run(move |c| first_link::make(c, fresh)).await
    }

    async fn first_link(&self) -> Result<Option<[u8; 32]>, StoreError> {
        self.readers.run(first_link::open).await
    }

    async fn use_first_link(
        &self,
        token: [u8; 32],
        new: NewUser,
        ip: Option<IpAddr>,
        now: Timestamp,
    ) -> Result<Option<User>, StoreError> {
        self.writer.run(move |c| first_link::take(c, token, &new, ip, now)).await.map(logged)
    }

    async fn groups(
        &self,
        prefix: &str,
        after: Option<&str>,
        limit: u32,
    ) -> Result<Vec<GroupRow>, StoreError> {
        let (prefix, after) = (prefix.to_owned(), after.map(str::to_owned));
        self.readers.run(move |c| access::groups(c, &prefix, after.as_deref(), limit)).await
    }

    async fn group_record(&self, id: i64) -> Result<Option<GroupRecord>, StoreError> {
        self.readers.run(move |c| access::group_record(c, id)).await
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
            .run(move |c| access::save_group(c, id, &name, &permissions, seen, &by))
            .await
            .map(logged)
    }

    async fn delete_group(&self, id: i64, by: &Actor) -> Result<(), AdminError> {
        let by = by.clone();
        self.writer.run(move |c| access::delete_group(c, id, &by)).await.map(logged)
    }

    async fn permissions(&self) -> Result<Vec<PermissionRow>, StoreError> {
        self.readers.run(access::permissions).await
    }

    async fn save_permission(
        &self,
        id: Option<i64>,
        permission: &PermissionText,
        by: &Actor,
    ) -> Result<i64, AdminError> {
        let (permission, by) = (permission.clone(), by.clone());
        self.writer.run(move |c| access::save_permission(c, id, &permission, &by)).await.map(logged)
    }

    async fn delete_permission(&self, id: i64, by: &Actor) -> Result<(), AdminError> {
        let by = by.clone();
        self.writer.run(move |c| access::delete_permission(c, id, &by)).await.map(logged)
    }

    async fn find_sessions(&self, asked: &SessionSearch) -> Result<Page<Session>, StoreError> {
        let asked = asked.clone();
        self.readers.run(move |c| sessions::find(c, &asked)).await
    }

    async fn count_live_sessions(
        &self,
        used_since: Timestamp,
        now: Timestamp,
    ) -> Result<u64, StoreError> {
        self.readers.run(move |c| sessions::count_live(c, used_since, now)).await
    }

    async fn session_steps(&self, id: SessionId) -> Result<Vec<Step>, StoreError> {
        self.readers.run(move |c| sessions::steps(c, id)).await
    }

    async fn end_sessions(&self, ids: &[SessionId], by: &Actor) -> Result<u64, AdminError> {
        let (ids, by) = (ids.to_vec(), by.clone());
        self.writer.run(move |c| sessions::end(c, &ids, &by)).await.map(logged)
    }

    async fn end_user_sessions(&self, user: UserId, by: &Actor) -> Result<u64, AdminError> {
        let by = by.clone();
        self.writer.run(move |c| sessions::end_of_user(c, user, &by)).await.map(logged)
    }

    async fn end_sessions_begun_by(&self, began: Timestamp, by: &Actor) -> Result<u64, AdminError> {
        let by = by.clone();
        self.writer.run(move |c| sessions::end_begun_by(c, began, &by)).await.map(logged)
    }

    async fn rotate_keys(
        &self,
        key: SealedKey,
        retire_others: Timestamp,
        by: &Actor,
    ) -> Result<(), AdminError> {
        let by = by.clone();
        self.writer.run(move |c| keys::rotate(c, &key, retire_others, &by)).await.map(logged)
    }

    async fn end_key(&self, id: KeyId, by: &Actor) -> Result<(), AdminError> {
        let by = by.clone();
        self.writer.run(move |c| keys::end(c, id, &by)).await.map(logged)
    }

    async fn begin_admin_session(
        &self,
        new: &AdminSession,
        checked: &EncodedPassword,
    ) -> Result<bool, StoreError> {
        let (new, checked) = (new.clone(), checked.clone());
        self.writer.run(move |c| operators::begin(c, &new, &checked)).await
    }

    async fn admin_session(
        &self,
        token_hash: [u8; 32],
    ) -> Result<Option<AdminSession>, StoreError> {
        self.readers.run(move |c| operators::session(c, token_hash)).await
    }

    async fn touch_admin_session(
        &self,
        token_hash: [u8; 32],
        used_at: Timestamp,
        password_at: Option<Timestamp>,
    ) -> Result<bool, StoreError> {
        self.writer.run(move |c| operators::touch(c, token_hash, used_at, password_at)).await
    }

    async fn end_admin_session(&self, token_hash: [u8; 32]) -> Result<(), StoreError> {
        self.writer.run(move |c| operators::end(c, token_hash)).await
    }

    async fn note(&self, lines: &[AuditLine]) -> Result<(), StoreError> {
        let lines = lines.to_vec();
        self.writer.run(move |c| audit::note(c, &lines)).await
    }

    async fn audit(&self, asked: &AuditSearch) -> Result<Page<AuditRow>, StoreError> {
        let asked = asked.clone();
        self.readers.run(move |c| audit::find(c, &asked)).await
    }

    async fn forget_audit(&self, before: Timestamp, limit: u32) -> Result<u64, StoreError> {
        self.writer.run(move |c| audit::forget(c, before, limit)).await
    }

    async fn count(&self, hour: Timestamp, counts: &[(Counted, u64)]) -> Result<(), StoreError> {
        let counts = counts.to_vec();
        self.writer.run(move |c| activity::count(c, hour, &counts)).await
    }

    async fn counts(&self, since: Timestamp) -> Result<Vec<(Timestamp, Counted, u64)>, StoreError> {
        self.readers.run(move |c| activity::counts(c, since)).await
    }

    async fn sizes(&self) -> Result<Sizes, StoreError> {
        self.readers.run(activity::sizes).await
    }
}

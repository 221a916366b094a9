//! The store on PostgreSQL: each operation one statement, keyed by session or user, on prepared statements; so it also runs on a distributed PostgreSQL.
//!
//! Rotations that wait together go as one statement over arrays, as SQLite's writer commits them together. What changed is heard by `LISTEN`, and found by looking every second
//! where `LISTEN` is not to be had: behind a pooler, or on a distributed PostgreSQL without it.
//!
//! Behind PgBouncer in transaction mode: version 1.21 or newer with `max_prepared_statements` above zero, and `statement_timeout` set for the role instead of the connection
//! (`?options=` in the URL keeps ours away). Changes are then found by looking, as a pooled connection cannot listen.

mod changes;
mod columns;
mod connect;
mod keys;
mod migrations;
mod rotations;
mod sessions;
mod users;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use deadpool_postgres::{Object, Pool, PoolError};
use jiff::Timestamp;
use tokio::sync::Notify;
use tokio_postgres::error::SqlState;

use super::{Change, Cursor, Rotate, Rotation, Store, StoreError};
use crate::password::EncodedPassword;
use crate::session::{NewSession, RevokedReason, Session, SessionId};
use crate::token::{KeyId, SealedKey};
use crate::user::{LoginRow, NewUser, ProfileChange, User, UserId};
use connect::Address;
use rotations::Rotations;

/// The store on a PostgreSQL database.
///
/// Any number of nodes may use the database at the same time.
pub struct PostgresStore {
    pool: Pool,
    rotations: Rotations,
    bell: Arc<Notify>,
}

impl PostgresStore {
    /// Connects to the database of a URL such as `postgres://user:password@host/database?sslmode=verify-full&sslrootcert=/etc/ca.pem`, brings its schema up to date, and
    /// keeps up to `connections` connections, two at least. TLS is as `sslmode` says: `disable`, `prefer` (unless chosen), `require`, `verify-ca`, `verify-full`.
    ///
    /// # Errors
    /// [`StoreError::Failed`] for a URL that cannot be used, a database that does not answer, or one whose schema is a newer program's.
    pub async fn connect(url: &str, connections: usize) -> Result<Self, StoreError> {
        let address = Address::parse(url)?;
        let mut client = address.connect().await?;
        migrations::migrate(&mut client).await?;
        changes::adopt(&client).await?;
        drop(client);
        let pool = address.pool(connections.max(2))?;
        let bell = Arc::new(Notify::new());
        tokio::spawn(address.clone().listen(Arc::clone(&bell)));
        Ok(Self { rotations: Rotations::start(&pool), pool, bell })
    }

    /// The names of the migrations that the database still needs. Changes nothing.
    ///
    /// # Errors
    /// As for [`connect`](Self::connect).
    pub async fn pending_migrations(url: &str) -> Result<Vec<&'static str>, StoreError> {
        let client = Address::parse(url)?.connect().await?;
        Ok(migrations::pending(&client).await?.iter().map(|(name, _)| *name).collect())
    }

    async fn client(&self) -> Result<Object, StoreError> {
        Ok(self.pool.get().await?)
    }
}

#[async_trait]
impl Store for PostgresStore {
    async fn user_by_id(&self, id: UserId) -> Result<Option<User>, StoreError> {
        users::by_id(&self.client().await?, id).await
    }

    async fn user_by_login(&self, login: &str) -> Result<Option<LoginRow>, StoreError> {
        users::by_login(&self.client().await?, login).await
    }

    async fn password_of(&self, id: UserId) -> Result<Option<EncodedPassword>, StoreError> {
        users::password_of(&self.client().await?, id).await
    }

    async fn create_user(&self, new: NewUser, now: Timestamp) -> Result<User, StoreError> {
        users::create(&mut self.client().await?, &new, now).await
    }

    async fn update_profile(&self, id: UserId, change: ProfileChange) -> Result<Option<User>, StoreError> {
        users::update_profile(&mut self.client().await?, id, &change).await
    }

    async fn change_password(
        &self,
        id: UserId,
        password: &EncodedPassword,
        keep: Option<SessionId>,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        users::change_password(&self.client().await?, id, password, keep, now).await
    }

    async fn upgrade_password(&self, id: UserId, old: &EncodedPassword, new: &EncodedPassword) -> Result<(), StoreError> {
        users::upgrade_password(&self.client().await?, id, old, new).await
    }

    async fn password_kinds(&self) -> Result<Vec<String>, StoreError> {
        users::password_kinds(&self.client().await?).await
    }

    async fn set_active(&self, id: UserId, active: bool, now: Timestamp) -> Result<bool, StoreError> {
        users::set_active(&self.client().await?, id, active, now).await
    }

    async fn delete_user(&self, id: UserId, now: Timestamp) -> Result<bool, StoreError> {
        users::delete(&self.client().await?, id, now).await
    }

    async fn users(&self, after: Option<UserId>, limit: u32) -> Result<Vec<User>, StoreError> {
        users::list(&self.client().await?, after, limit).await
    }

    async fn create_session(&self, new: NewSession) -> Result<bool, StoreError> {
        sessions::create(&self.client().await?, &new).await
    }

    async fn rotate_session(&self, rotate: Rotate) -> Result<Rotation, StoreError> {
        self.rotations.run(rotate).await
    }

    async fn session(&self, id: SessionId) -> Result<Option<Session>, StoreError> {
        sessions::by_id(&self.client().await?, id).await
    }

    async fn user_sessions(&self, user: UserId, now: Timestamp) -> Result<Vec<Session>, StoreError> {
        sessions::of_user(&self.client().await?, user, now).await
    }

    async fn live_sessions(&self, limit: u32, now: Timestamp) -> Result<Vec<Session>, StoreError> {
        sessions::live(&self.client().await?, limit, now).await
    }

    async fn revoke_session(
        &self,
        id: SessionId,
        owner: Option<UserId>,
        reason: RevokedReason,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        sessions::revoke(&self.client().await?, id, owner, reason, now).await
    }

    async fn revoke_user_sessions(
        &self,
        user: UserId,
        keep: Option<SessionId>,
        reason: RevokedReason,
        now: Timestamp,
    ) -> Result<u64, StoreError> {
        sessions::revoke_of_user(&self.client().await?, user, keep, reason, now).await
    }

    async fn revoke_sessions_begun_by(&self, began: Timestamp, now: Timestamp) -> Result<u64, StoreError> {
        sessions::revoke_begun_by(&self.client().await?, began, now).await
    }

    async fn keys(&self) -> Result<Vec<SealedKey>, StoreError> {
        keys::all(&self.client().await?).await
    }

    async fn add_key(&self, key: SealedKey, retire_others: Timestamp) -> Result<(), StoreError> {
        keys::add(&self.client().await?, &key, retire_others).await
    }

    async fn retire_key(&self, id: KeyId, at: Timestamp) -> Result<bool, StoreError> {
        keys::retire(&self.client().await?, id, at).await
    }

    async fn changes(&self, after: Cursor, limit: u32) -> Result<Vec<Change>, StoreError> {
        changes::after(&self.client().await?, after, limit).await
    }

    async fn cursor_at(&self, since: Timestamp) -> Result<Cursor, StoreError> {
        changes::cursor_at(&self.client().await?, since).await
    }

    async fn note_user_changed(&self, user: UserId, now: Timestamp) -> Result<(), StoreError> {
        changes::note_user_changed(&self.client().await?, user, now).await
    }

    async fn await_changes(&self) {
        let _ = tokio::time::timeout(LOOK_ANYWAY, self.bell.notified()).await;
    }

    async fn prune(&self, changes: Timestamp, sessions: Timestamp, limit: u32) -> Result<u64, StoreError> {
        changes::prune(&self.client().await?, changes, sessions, limit).await
    }

    async fn ping(&self) -> Result<(), StoreError> {
        self.client().await?.execute("DELETE FROM changes WHERE number = -1", &[]).await?;
        Ok(())
    }
}

impl fmt::Debug for PostgresStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PostgresStore").field("connections", &self.pool.status().max_size).finish_non_exhaustive()
    }
}

impl From<tokio_postgres::Error> for StoreError {
    fn from(error: tokio_postgres::Error) -> Self {
        let busy =
            [SqlState::QUERY_CANCELED, SqlState::LOCK_NOT_AVAILABLE, SqlState::T_R_SERIALIZATION_FAILURE, SqlState::T_R_DEADLOCK_DETECTED];
        match error.code() {
            Some(code) if busy.contains(code) => Self::Busy,
            Some(code) if *code == SqlState::TOO_MANY_CONNECTIONS => Self::Busy,
            _ => Self::Failed(told(&error)),
        }
    }
}

impl From<PoolError> for StoreError {
    fn from(error: PoolError) -> Self {
        match error {
            PoolError::Timeout(_) => Self::Busy,
            PoolError::Backend(error) => error.into(),
            other => Self::Failed(other.to_string()),
        }
    }
}

/// The driver's errors say little without what caused them. What the server says of the row that it refused (`DETAIL`) stays there: it may be a user's own words.
fn told(error: &tokio_postgres::Error) -> String {
    match (error.as_db_error(), std::error::Error::source(error)) {
        (Some(refused), _) => format!("{}: {}", refused.severity(), refused.message()),
        (None, Some(cause)) => format!("{error}: {cause}"),
        (None, None) => error.to_string(),
    }
}

/// The net under `LISTEN`.
const LOOK_ANYWAY: Duration = Duration::from_secs(1);

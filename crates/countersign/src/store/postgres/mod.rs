//! The store on PostgreSQL: each operation one statement, keyed by session or user, on prepared
//! statements.
//!
//! Rotations that wait together go as one statement over arrays, as SQLite's writer commits them
//! together. What changed is heard by `LISTEN`, and found by looking every second where `LISTEN` is
//! not to be had, behind a pooler.
//!
//! It needs the order of transactions of one cluster. A distributed PostgreSQL has none that would
//! do (Citus with distributed tables, YugabyteDB, CockroachDB): each start tries whether the feed
//! of changes works, and refuses otherwise. Citus with these tables local to the coordinator works.
//!
//! Several hosts may stand in the URL (`postgres://user@one,two/database`); the one that takes
//! writes is found, and found again after a failover.
//!
//! Behind PgBouncer in transaction mode: version 1.21 or newer with `max_prepared_statements` above
//! zero, and `statement_timeout` set for the role instead of the connection (`?options=` in the URL
//! keeps ours away). Changes are then found by looking, as a pooled connection cannot listen.

#[macro_use]
mod asking;

mod admin;
mod attempts;
mod changes;
mod columns;
mod connect;
mod deletion;
mod devices;
mod endings;
mod enrolled;
mod export;
mod factor_proofs;
mod factor_row;
mod factors;
mod fingerprint;
mod health;
mod history;
mod hosts;
mod house;
mod indexes;
mod issue;
mod keys;
mod live;
mod migrations;
mod names;
mod outbox;
mod own_changes;
mod passkeys;
mod proof;
mod registrations;
mod rotations;
mod sessions;
mod theft;
mod tickets;
mod tokens;
mod transfer;
mod user_row;
mod users;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use deadpool_postgres::{Pool, PoolError};
use tokio::sync::Notify;
use tokio_postgres::error::{Severity, SqlState};

use super::StoreError;
use crate::store::due::Passed;
use crate::store::failure::Failure;
use connect::Address;
use health::{Health, Verdict};
use rotations::Rotations;
pub use transfer::PostgresTransfer;

const HAS_SCHEMA: &str = "SELECT EXISTS (SELECT 1 FROM pg_namespace WHERE nspname = $1)";

/// The store on a PostgreSQL database.
///
/// Any number of nodes may use the database at the same time.
///
/// ```no_run
/// use countersign::Auth;
/// use countersign::store::postgres::PostgresStore;
///
/// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
/// let store = PostgresStore::connect("postgres://countersign@localhost/countersign", 16).await?;
/// let auth = Auth::builder(store).build().await?;
/// # Ok(())
/// # }
/// ```
pub struct PostgresStore {
    pool: Pool,
    rotations: Rotations,
    notifier: Arc<Notify>,
    health: Arc<Health>,
    passed: PassedRows,
}

/// How far the rounds of deletions have come.
#[derive(Debug, Default)]
struct PassedRows {
    users: Passed,
    registrations: Passed,
}

impl PostgresStore {
    /// Connects to the database of a URL such as
    /// `postgres://user:password@host/database?sslmode=verify-full&sslrootcert=/etc/ca.pem`, brings
    /// its schema up to date, and keeps up to `connections` connections, two at least. TLS is as
    /// `sslmode` says: `disable`, `prefer` (unless chosen), `require`, `verify-ca`, `verify-full`.
    ///
    /// # Errors
    /// [`StoreError::Failed`] for a URL that cannot be used, a database that does not answer, is
    /// not encoded in UTF-8, whose schema is a newer program's, or whose feed of changes does not
    /// work, as on a distributed PostgreSQL.
    ///
    /// ```no_run
    /// use countersign::store::postgres::PostgresStore;
    ///
    /// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
    /// let store = PostgresStore::connect(
    ///     "postgres://countersign@db.internal/countersign?sslmode=verify-full",
    ///     16,
    /// )
    /// .await?;
    /// # Ok(())
    /// # }
    /// ```
    pub async fn connect(url: &str, connections: usize) -> Result<Self, StoreError> {
        Self::open(Address::parse(url)?, connections, None).await
    }

    /// The same with all tables, functions and indexes in a schema of their own, which is made
    /// where there is none: beside the tables of an app in one database, whatever those are called.
    /// Its name is of letters, digits and `_`, in lower case.
    ///
    /// The search path of every connection is that schema alone, so `options` in the URL must not
    /// set another. Triggers and statements of the app name what they need:
    /// `auth.user_changed('id')`, `INSERT INTO auth.changes …`.
    ///
    /// # Errors
    /// As for [`connect`](Self::connect), and for a name that is none.
    ///
    /// ```no_run
    /// use countersign::store::postgres::PostgresStore;
    ///
    /// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
    /// let store = PostgresStore::connect_in("auth", "postgres://app@localhost/app", 16).await?;
    /// # Ok(())
    /// # }
    /// ```
    pub async fn connect_in(
        schema: &str,
        url: &str,
        connections: usize,
    ) -> Result<Self, StoreError> {
        let is_name = (1..=63).contains(&schema.len())
            && schema.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_')
            && !schema.starts_with(|first: char| first.is_ascii_digit())
            && !schema.starts_with("pg_");
        if !is_name {
            return Err(StoreError::Failed(format!(
                "the schema {schema:?} cannot be used; choose 1 to 63 lower-case letters, digits \
                 and _, such as auth"
            )));
        }
        Self::open(Address::parse_in(url, Some(schema))?, connections, Some(schema)).await
    }

    async fn open(
        address: Address,
        connections: usize,
        schema: Option<&str>,
    ) -> Result<Self, StoreError> {
        let mut client = address.connect().await?;
        if let Some(schema) = schema {
            // Two nodes that start at once may both find none.
            let make = format!("CREATE SCHEMA IF NOT EXISTS {schema}");
            if let Err(error) = client.batch_execute(&make).await
                && !has_schema(&client, schema).await?
            {
                return Err(store_error(&error));
            }
        }
        proof::speaks_unicode(&client).await?;
        migrations::migrate(&mut client).await?;
        transfer::refuse_unfinished(&client).await?;
        changes::adopt(&client).await?;
        admin::audit::adopt(&client).await?;
        proof::feed_works(&mut client).await?;
        names::fold_addresses(&client).await?;
        history::adopt_history(&client).await?;
        drop(client);
        let pool = address.pool(connections.max(2))?;
        let notifier = Arc::new(Notify::new());
        tokio::spawn(address.clone().listen(Arc::clone(&notifier)));
        let health = Arc::new(Health::default());
        let rotations = Rotations::start(&pool, &health);
        Ok(Self { rotations, health, pool, notifier, passed: PassedRows::default() })
    }

    /// The names of the migrations that the database still needs. Changes nothing.
    ///
    /// # Errors
    /// As for [`connect`](Self::connect).
    ///
    /// ```no_run
    /// use countersign::store::postgres::PostgresStore;
    ///
    /// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
    /// let pending =
    ///     PostgresStore::pending_migrations("postgres://countersign@localhost/countersign")
    ///         .await?;
    /// println!("{} to go", pending.len());
    /// # Ok(())
    /// # }
    /// ```
    pub async fn pending_migrations(url: &str) -> Result<Vec<&'static str>, StoreError> {
        let client = Address::parse(url)?.connect().await?;
        Ok(migrations::pending(&client).await?.iter().map(|(name, _)| *name).collect())
    }

    /// What the installation is called in this database. A dump that is restored elsewhere keeps
    /// the name; a database that begins empty has another.
    ///
    /// # Errors
    /// The database's.
    ///
    /// ```no_run
    /// use countersign::store::postgres::PostgresStore;
    ///
    /// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
    /// let store = PostgresStore::connect("postgres://localhost/countersign", 16).await?;
    /// println!("this is {}", store.installation().await?);
    /// # Ok(())
    /// # }
    /// ```
    pub async fn installation(&self) -> Result<String, StoreError> {
        read!(self, client => history::installation(client))
    }
}

impl fmt::Debug for PostgresStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PostgresStore")
            .field("connections", &self.pool.status().max_size)
            .finish_non_exhaustive()
    }
}

async fn has_schema(client: &tokio_postgres::Client, schema: &str) -> Result<bool, Failure> {
    Ok(client.query_one(HAS_SCHEMA, &[&schema]).await?.try_get(0)?)
}

impl<E: From<StoreError>> From<tokio_postgres::Error> for Failure<E> {
    fn from(error: tokio_postgres::Error) -> Self {
        store_error(&error).into()
    }
}

impl<E: From<StoreError>> From<PoolError> for Failure<E> {
    fn from(error: PoolError) -> Self {
        not_lent(error).into()
    }
}

/// What an error of the driver says of an operation.
fn store_error(error: &tokio_postgres::Error) -> StoreError {
    let busy = [
        SqlState::QUERY_CANCELED,
        SqlState::LOCK_NOT_AVAILABLE,
        SqlState::T_R_SERIALIZATION_FAILURE,
        SqlState::T_R_DEADLOCK_DETECTED,
    ];
    match error.code() {
        Some(code) if busy.contains(code) => StoreError::Busy,
        Some(code) if *code == SqlState::TOO_MANY_CONNECTIONS => StoreError::Busy,
        // Another program that writes to the table does not take the locks that ours take.
        Some(code) if *code == SqlState::UNIQUE_VIOLATION && is_of(error, "users_username_key") => {
            StoreError::UsernameTaken
        }
        // The server has said no, and goes on: nothing was done.
        Some(_) if error.as_db_error().is_some_and(|error| !is_last_word(error)) => {
            StoreError::Failed(message_of(error))
        }
        _ => StoreError::Unknown(message_of(error)),
    }
}

/// Whether the server ends the connection with this. It may have done before what it was asked.
fn is_last_word(error: &tokio_postgres::error::DbError) -> bool {
    !matches!(error.parsed_severity(), Some(Severity::Error))
}

/// Why the pool lent no connection: nothing was done.
fn not_lent(error: PoolError) -> StoreError {
    match error {
        PoolError::Timeout(_) => StoreError::Busy,
        PoolError::Backend(error) => store_error(&error).undone(),
        other => StoreError::Failed(other.to_string()),
    }
}

fn is_of(error: &tokio_postgres::Error, constraint: &str) -> bool {
    error.as_db_error().is_some_and(|error| error.constraint() == Some(constraint))
}

fn no_answer() -> StoreError {
    StoreError::Unknown("the database gives no answer".to_owned())
}

/// The driver's errors say little without what caused them. What the server says of the row that it
/// refused (`DETAIL`) stays there: it may be a user's own words.
fn message_of(error: &tokio_postgres::Error) -> String {
    match (error.as_db_error(), std::error::Error::source(error)) {
        (Some(refused), _) => {
            format!("{}: {} ({})", refused.severity(), refused.message(), refused.code().code())
        }
        (None, Some(cause)) => format!("{error}: {cause}"),
        (None, None) => error.to_string(),
    }
}

/// How long an operation waits for its answers. Longer than a statement may take (5 seconds), so
/// that a server that lives says first that it has not done it.
const PATIENCE: Duration = Duration::from_secs(8);

/// The net under `LISTEN`.
const LOOK_ANYWAY: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests {
    use countersign_testkit::Cluster;
    use jiff::Timestamp;

    use super::*;
    use crate::session::device::Shown;
    use crate::session::rotation::{Generation, Jti, Presented};
    use crate::session::{SessionId, Transport};
    use crate::store::{FeedStore, Rotate, Rotation, SessionStore};
    use crate::supervise::faults;
    use crate::user::UserId;

    fn of_nobody() -> Rotate {
        let token =
            Presented { generation: Generation(1), jti: Jti([1; 16]), parent: None, issued_at: 0 };
        Rotate {
            session: SessionId::new(1).unwrap(),
            token,
            transport: Transport::Cookie,
            shown: Shown::NOTHING,
            now: Timestamp::UNIX_EPOCH,
            window: Duration::from_secs(30),
            ip: None,
            theft_notice: None,
        }
    }

    #[tokio::test]
    async fn a_panic_while_sessions_are_rotated_fails_these_and_no_other() {
        let store = PostgresStore::connect(&Cluster::shared().database(), 4).await.unwrap();
        // As often as there are tasks that rotate, and more: none of them is gone afterwards.
        for _ in 0..5 {
            faults::panic_at("rotating");
            assert!(matches!(store.rotate_session(of_nobody()).await, Err(StoreError::Unknown(_))));
            for _ in 0..3 {
                assert_eq!(store.rotate_session(of_nobody()).await.unwrap(), Rotation::Unknown);
            }
        }
    }

    #[tokio::test]
    async fn a_panic_of_the_task_that_listens_for_changes_leaves_nobody_deaf() {
        faults::panic_at("listening");
        let store = PostgresStore::connect(&Cluster::shared().database(), 4).await.unwrap();
        while faults::is_waiting() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        // Longer than it takes to begin again, and what was rung then is taken.
        tokio::time::sleep(Duration::from_secs(2)).await;
        store.await_changes().await;
        for id in 1..=3 {
            store.note_user_changed(UserId::new(id), Timestamp::UNIX_EPOCH).await.unwrap();
            assert!(store.await_changes().await, "heard, and not found by looking");
        }
    }
}

//! What a database must show before a node starts on it.

use tokio_postgres::Client;

use crate::store::StoreError;
use crate::store::failure::Failure;

/// Refuses a database that cannot hold every name.
pub(super) async fn speaks_unicode(client: &Client) -> Result<(), Failure> {
    let encoding: String =
        client.query_one("SELECT current_setting('server_encoding')", &[]).await?.try_get(0)?;
    if encoding == "UTF8" {
        return Ok(());
    }
    Err(StoreError::Failed(format!(
        "the database is encoded in {encoding}, which has not everybody's name; make one with \
         CREATE DATABASE … ENCODING 'UTF8' TEMPLATE template0"
    ))
    .into())
}

/// Refuses a database whose feed of changes does not work: a logout would be answered and never
/// felt.
///
/// Changes something of each kind in a transaction that is rolled back, and demands the rows that
/// tell of it, with the number of this transaction. Where triggers are switched off there is none;
/// where another machine runs them, as on a distributed PostgreSQL, the number is another.
pub(super) async fn feed_works(client: &mut Client) -> Result<(), Failure> {
    let transaction = client.transaction().await?;
    transaction.batch_execute(CHANGES).await?;
    let mine = "SELECT kind FROM changes WHERE xid = pg_current_xact_id()::text::bigint";
    let rows = transaction.query(mine, &[]).await?;
    let told = rows.iter().map(|row| row.try_get(0)).collect::<Result<Vec<&str>, _>>()?;
    let missing: Vec<_> = KINDS.into_iter().filter(|kind| !told.contains(kind)).collect();
    transaction.rollback().await?;
    if missing.is_empty() {
        return Ok(());
    }
    Err(StoreError::Failed(format!(
        "the feed of changes does not work on this database (nothing is told of: {}), so a logout \
         would not be felt. Are the triggers of its tables switched off? \
         Distributed tables (Citus, YugabyteDB, CockroachDB) cannot be used; see \
         docs/operations.md",
        missing.join(", ")
    ))
    .into())
}

/// A session that ends, a user who is deactivated, and, without touching a row, a group and a key.
/// The ids are this transaction's own, and not drawn from where those of users come from.
const CHANGES: &str = "
    INSERT INTO sessions (id, user_id, generation, current_jti, current_iat, current_since,
        race_credit, created_at, last_used_at, expires_at, transport)
        VALUES (-pg_current_xact_id()::text::bigint, '', 0, '', 0, 0, 0, 0, 0, 0, 'body');
    UPDATE sessions SET revoked_at = 0, revoked_reason = 'admin'
        WHERE id = -pg_current_xact_id()::text::bigint;
    INSERT INTO users (id, username, password, date_joined)
        VALUES (-pg_current_xact_id()::text::bigint,
            'proof of the feed ' || pg_current_xact_id()::text, '!', now());
    UPDATE users SET is_active = false WHERE id = -pg_current_xact_id()::text::bigint;
    UPDATE groups SET name = name WHERE false;
    UPDATE signing_keys SET algorithm = algorithm WHERE false;";

const KINDS: [&str; 4] = ["session_ended", "user_changed", "all_users_changed", "keys_changed"];

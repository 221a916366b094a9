//! Which history the database lives in.

use tokio_postgres::Client;

use super::columns::get;
use crate::store::StoreError;

/// Notes which timeline the database lives on. After another one than before, ids may have been
/// given out that this history knows nothing of: the next ones begin far beyond them, so that no
/// token of a user who was lost is another's. Whether it was another.
pub(super) async fn adopt_history(client: &Client) -> Result<bool, StoreError> {
    // Where a database does not tell its timeline, as some that only look like PostgreSQL, there is
    // nothing to go by.
    let Ok(row) = client
        .query_one("SELECT left(pg_walfile_name(pg_current_wal_insert_lsn()), 8) AS timeline", &[])
        .await
    else {
        return Ok(false);
    };
    let timeline: String = get(&row, "timeline")?;
    let known = client.query_opt("SELECT timeline FROM house WHERE id = 1", &[]).await?;
    let known: Option<String> = known.map(|row| get(&row, "timeline")).transpose()?.flatten();
    if known.as_ref() == Some(&timeline) {
        return Ok(false);
    }
    // One statement: of two nodes that see it at once, one moves the sequences.
    let moved = client
        .query(
            "WITH here AS (
                 INSERT INTO house AS h (id, timeline) VALUES (1, $1)
                 ON CONFLICT (id) DO UPDATE SET timeline = $1 WHERE h.timeline IS DISTINCT FROM $1 RETURNING 1
             )
             SELECT setval(sequence, nextval(sequence) + $3) FROM here,
                 unnest(ARRAY[pg_get_serial_sequence('users', 'id'), pg_get_serial_sequence('groups', 'id'),
                     pg_get_serial_sequence('permissions', 'id')]::regclass[]) AS sequence
             WHERE $2",
            &[&timeline, &known.is_some(), &GAP],
        )
        .await?;
    if !moved.is_empty() {
        tracing::warn!(
            before = known,
            now = timeline,
            gap = GAP,
            "the database lives on another timeline: ids of users and groups go on after a gap"
        );
    }
    Ok(known.is_some())
}

/// More ids than can be given out between the last row that a standby got and the primary's end.
const GAP: i64 = 1_000_000;

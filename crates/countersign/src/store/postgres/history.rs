//! Which history the database lives in.

use tokio_postgres::Client;

use super::columns::get;
use crate::store::failure::Failure;
use crate::store::upkeep::ID_GAP;

/// Notes which history the database lives in. In another one than before, ids may have been given
/// out that this one knows nothing of: the next ones begin far beyond them, so that no token of a
/// user who was lost is another's. Whether it was another.
///
/// A failover and a restored base backup change the timeline. A dump does not: but whatever puts
/// its rows into a database does so by another transaction than the one that is written there.
pub(super) async fn adopt_history(client: &Client) -> Result<bool, Failure> {
    // Where a database does not tell its timeline, as some that only look like PostgreSQL, a dump
    // is noticed all the same.
    let timeline = client
        .query_one("SELECT left(pg_walfile_name(pg_current_wal_insert_lsn()), 8)", &[])
        .await
        .and_then(|row| row.try_get(0))
        .unwrap_or_else(|_| "unknown".to_owned());
    let known = client
        .query_opt(&format!("SELECT place, {IS_OUR_OWN} AS is_our_own FROM history AS h"), &[])
        .await?;
    let place: String = client
        .query_one("SELECT $1::text || ' ' || 'history'::regclass::oid", &[&timeline])
        .await?
        .try_get(0)?;
    let known: Option<(String, bool)> = known
        .map(|row| Ok::<_, Failure>((get(&row, "place")?, get(&row, "is_our_own")?)))
        .transpose()?;
    if known.as_ref().is_some_and(|(before, is_our_own)| *is_our_own && *before == place) {
        return Ok(false);
    }
    // One statement: of two nodes that see it at once, one moves the sequences.
    let statement = format!(
        "WITH here AS (
             INSERT INTO history AS h (id, place, written_by)
             VALUES (1, $1, pg_current_xact_id()::text::bigint)
             ON CONFLICT (id) DO UPDATE
                 SET place = $1, written_by = pg_current_xact_id()::text::bigint
             WHERE h.place <> $1 OR NOT {IS_OUR_OWN} RETURNING 1
         )
         SELECT setval(sequence, greatest(nextval(sequence), highest) + $3)
         FROM here, {NUMBERED} WHERE $2"
    );
    let moved = client.query(&statement, &[&place, &known.is_some(), &ID_GAP]).await?;
    if !moved.is_empty() {
        tracing::warn!(
            before = known.as_ref().map(|(before, _)| before),
            now = place,
            gap = ID_GAP,
            "the database lives in another history, after a failover or out of a backup: ids of \
             users and groups go on after a gap"
        );
    }
    Ok(known.is_some())
}

/// Lets ids go on after a gap.
pub(super) async fn skip_ids(client: &Client) -> Result<(), Failure> {
    let statement = format!(
        "SELECT setval(sequence, greatest(nextval(sequence), highest) + $1) FROM {NUMBERED}"
    );
    client.query(&statement, &[&ID_GAP]).await?;
    Ok(())
}

/// The installation's name.
pub(super) async fn installation(client: &Client) -> Result<String, Failure> {
    Ok(client.query_one("SELECT name FROM installation", &[]).await?.try_get(0)?)
}

/// Whether the transaction that wrote the row is the one that stands in it. PostgreSQL shows the
/// lower 32 bits of its number.
const IS_OUR_OWN: &str = "(h.xmin::text::bigint = h.written_by % 4294967296)";

/// The sequences of ids that other systems may know, and the highest id there is.
const NUMBERED: &str = "(VALUES
    (pg_get_serial_sequence('users', 'id')::regclass, (SELECT max(id) FROM users)),
    (pg_get_serial_sequence('groups', 'id')::regclass, (SELECT max(id) FROM groups)),
    (pg_get_serial_sequence('permissions', 'id')::regclass, (SELECT max(id) FROM permissions))
) AS numbered (sequence, highest)";

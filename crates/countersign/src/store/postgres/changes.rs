//! The feed in PostgreSQL, and keeping house.
//!
//! A cursor is what a reader has seen: everything up to a row, in the order of transactions' ids,
//! but for transactions that were open then. Ids are drawn before transactions end, so one that is
//! smaller may become visible later; the snapshot of the reading statement says which those are. So
//! a change comes once, a logout does not wait for somebody's long transaction, and what stands
//! behind that transaction is not read again.

use async_trait::async_trait;
use deadpool_postgres::Object;
use jiff::Timestamp;
use tokio::time::timeout;
use tokio_postgres::types::Type;
use tokio_postgres::{Client, Row};

use super::columns::{from_micros, get, micros, unknown};
use super::{LOOK_ANYWAY, PostgresStore, history};
use crate::session::SessionId;
use crate::store::admin::activity::first_hour_kept;
use crate::store::failure::Failure;
use crate::store::sql::statements;
use crate::store::{Change, Changes, Cursor, FeedStore, StoreError, What};
use crate::user::UserId;

#[async_trait]
impl FeedStore for PostgresStore {
    async fn changes(&self, after: &Cursor, limit: u32) -> Result<Changes, StoreError> {
        let changes = read!(self, client => page_after(client, after, limit))?;
        if changes.went_back {
            write!(self, client => history::adopt_history(client))?;
        }
        Ok(changes)
    }

    async fn cursor_at(&self, since: Timestamp, limit: u32) -> Result<Option<Cursor>, StoreError> {
        read!(self, client => cursor_at(client, since, limit))
    }

    async fn cursor_now(&self) -> Result<Cursor, StoreError> {
        read!(self, client => cursor_now(client))
    }

    async fn note_user_changed(&self, user: UserId, now: Timestamp) -> Result<(), StoreError> {
        write!(self, client => note_user_changed(client, user, now))
    }

    async fn await_changes(&self) -> bool {
        timeout(LOOK_ANYWAY, self.notifier.notified()).await.is_ok()
    }
}

/// Rows out of another cluster, brought here by a restored dump, have ids that this one has not
/// reached: they count as written now.
pub(super) async fn adopt(client: &Client) -> Result<(), Failure> {
    client
        .batch_execute(
            "UPDATE changes SET xid = pg_current_xact_id()::text::bigint
             WHERE xid > pg_snapshot_xmax(pg_current_snapshot())::text::bigint",
        )
        .await?;
    Ok(())
}

/// What a reader has seen.
#[derive(Debug, Clone, Default, PartialEq)]
struct Seen {
    /// When the server was started. Between two starts the database may have gone back to an
    /// earlier state (a restored backup, a failover to a replica that lagged), from where it gives
    /// the ids of transactions that this process has seen to other ones; so a cursor is worth
    /// something on its own server only.
    started: i64,
    /// Everything up to this transaction and row of it,
    upto: (i64, i64),
    /// but for these, which were open: each up to this row.
    open: Vec<(i64, i64)>,
}

impl Seen {
    fn of(cursor: &Cursor) -> Self {
        let pairs = |numbers: &[i64]| {
            numbers.chunks_exact(2).map(|pair| (pair[0], pair[1])).collect::<Vec<_>>()
        };
        match &*cursor.0 {
            [started, upto @ ..] if upto.len() >= 2 => {
                let mut pairs = pairs(upto);
                Self { started: *started, upto: pairs.remove(0), open: pairs }
            }
            _ => Self::default(),
        }
    }

    fn cursor(&self) -> Cursor {
        let pairs =
            std::iter::once(&self.upto).chain(&self.open).flat_map(|(xid, number)| [*xid, *number]);
        Cursor(std::iter::once(self.started).chain(pairs).collect())
    }

    /// What is seen by whoever reads the first rows that are news: those of transactions that were
    /// open, `late`, and those behind the cursor, `next`. A page that is full may not be all.
    fn and(&self, server: &Server, late: &[(i64, i64)], next: &[(i64, i64)], limit: usize) -> Self {
        let is_open = |xid: &i64| server.open.contains(xid);
        let late_to = (late.len() >= limit).then(|| late.last().copied()).flatten();
        let mut open: Vec<(i64, i64)> = self
            .open
            .iter()
            .filter_map(|&(xid, number)| match late_to {
                Some((last, row)) if xid == last => Some((xid, row)),
                Some((last, _)) if xid > last => Some((xid, number)),
                _ => is_open(&xid).then_some((xid, number)),
            })
            .collect();
        let upto = match next.last() {
            Some(&last) if next.len() >= limit => last,
            _ => (server.ends - 1, i64::MAX),
        };
        open.extend(
            server
                .open
                .iter()
                .filter(|xid| **xid > self.upto.0 && **xid < upto.0.saturating_add(1))
                .map(|xid| (*xid, 0)),
        );
        Self { started: server.started, upto, open }
    }
}

/// What a statement's snapshot says.
struct Server {
    started: i64,
    /// The first transaction that cannot be seen, as all after it.
    ends: i64,
    /// The ones before it that are open.
    open: Vec<i64>,
}

impl Server {
    fn of(row: &Row) -> Result<Self, Failure> {
        Ok(Self { started: get(row, "started")?, ends: get(row, "ends")?, open: get(row, "open")? })
    }

    /// Everything that can be seen now.
    fn all(&self) -> Seen {
        Seen::default().and(self, &[], &[], 1)
    }
}

pub(super) async fn page_after(
    client: &Object,
    after: &Cursor,
    limit: u32,
) -> Result<Changes, Failure> {
    let seen = Seen::of(after);
    let (server, page) = read(client, &seen, limit).await?;
    let is_new = seen == Seen::default();
    if is_new || (server.started == seen.started && seen.upto.0 < server.ends) {
        return page.taken(&seen, &server, limit, false);
    }
    let (server, page) = read(client, &Seen::default(), limit).await?;
    page.taken(&Seen::default(), &server, limit, true)
}

struct FeedPage {
    late: Vec<Row>,
    next: Vec<Row>,
}

impl FeedPage {
    fn taken(
        self,
        seen: &Seen,
        server: &Server,
        limit: u32,
        went_back: bool,
    ) -> Result<Changes, Failure> {
        let places = |rows: &[Row]| {
            rows.iter()
                .map(|row| Ok((get(row, "xid")?, get(row, "number")?)))
                .collect::<Result<Vec<_>, Failure>>()
        };
        let limit = limit as usize;
        let cursor = seen.and(server, &places(&self.late)?, &places(&self.next)?, limit).cursor();
        let more = self.late.len() >= limit || self.next.len() >= limit;
        Ok(Changes {
            changes: self.late.iter().chain(&self.next).map(change).collect::<Result<_, _>>()?,
            cursor,
            more,
            went_back,
        })
    }
}

/// One statement, so that the rows and what the snapshot says belong together. It is planned each
/// time: a plan that was made when the table was empty would read the whole of it when it is large.
async fn read(client: &Object, seen: &Seen, limit: u32) -> Result<(Server, FeedPage), Failure> {
    let statement = "SELECT NULL::integer AS part, NULL::bigint AS xid, NULL::bigint AS number,
             NULL::bigint AS at, NULL::text AS kind, NULL::text AS subject,
             pg_snapshot_xmax(pg_current_snapshot())::text::bigint AS ends,
             ARRAY(SELECT open::text::bigint
                 FROM pg_snapshot_xip(pg_current_snapshot()) AS open) AS open,
             (extract(epoch FROM pg_postmaster_start_time()) * 1000000)::bigint AS started
         UNION ALL
         (SELECT 0, c.xid, c.number, c.at, c.kind, c.subject, NULL, NULL, NULL
          FROM unnest($4::bigint[], $5::bigint[]) AS o (xid, number) CROSS JOIN LATERAL (
              SELECT xid, number, at, kind, subject FROM changes
              WHERE xid = o.xid AND number > o.number
              ORDER BY number LIMIT $3
          ) AS c ORDER BY c.xid, c.number LIMIT $3)
         UNION ALL
         (SELECT 1, xid, number, at, kind, subject, NULL, NULL, NULL FROM changes
             WHERE (xid, number) > ($1, $2) ORDER BY xid, number LIMIT $3)";
    let (xids, numbers): (Vec<i64>, Vec<i64>) = seen.open.iter().copied().unzip();
    let limit = i64::from(limit);
    let rows = client
        .query_typed(
            statement,
            &[
                (&seen.upto.0, Type::INT8),
                (&seen.upto.1, Type::INT8),
                (&limit, Type::INT8),
                (&xids, Type::INT8_ARRAY),
                (&numbers, Type::INT8_ARRAY),
            ],
        )
        .await?;
    let (mut server, mut page) = (None, FeedPage { late: Vec::new(), next: Vec::new() });
    for row in rows {
        match get::<Option<i32>>(&row, "part")? {
            None => server = Some(Server::of(&row)?),
            Some(0) => page.late.push(row),
            Some(_) => page.next.push(row),
        }
    }
    Ok((server.ok_or_else(|| unknown("a snapshot"))?, page))
}

/// The transactions that may matter begin at `since`; where there is none, at those that may still
/// be open.
pub(super) async fn cursor_at(
    client: &Object,
    since: Timestamp,
    limit: u32,
) -> Result<Option<Cursor>, Failure> {
    let statement = "SELECT least((SELECT min(xid) FROM recent),
                 pg_snapshot_xmin(pg_current_snapshot())::text::bigint) - 1 AS xid,
             (SELECT count(*) FROM recent) AS count,
             (extract(epoch FROM pg_postmaster_start_time()) * 1000000)::bigint AS started";
    let statement = format!(
        "WITH recent AS MATERIALIZED (SELECT xid FROM changes WHERE at >= $1 LIMIT $2) {statement}"
    );
    let most = i64::from(limit) + 1;
    let rows = client
        .query_typed(&statement, &[(&micros(since), Type::INT8), (&most, Type::INT8)])
        .await?;
    let row = rows.first().ok_or_else(|| unknown("a snapshot"))?;
    let seen = Seen {
        started: get(row, "started")?,
        upto: (get(row, "xid")?, i64::MAX),
        open: Vec::new(),
    };
    Ok((get::<i64>(row, "count")? < most).then(|| seen.cursor()))
}

pub(super) async fn cursor_now(client: &Object) -> Result<Cursor, Failure> {
    let end = Seen { upto: (i64::MAX, i64::MAX), ..Seen::default() };
    Ok(read(client, &end, 0).await?.0.all().cursor())
}

/// Writes, and changes nothing.
pub(super) async fn touch(client: &Object) -> Result<(), Failure> {
    // A row that is always there, written with what it has: as durable as everything else, and
    // nothing changes.
    let statement = client
        .prepare_cached("UPDATE schema_steps SET taken_at = taken_at WHERE number = 0")
        .await?;
    client.execute(&statement, &[]).await?;
    Ok(())
}

pub(super) async fn note_user_changed(
    client: &Object,
    user: UserId,
    now: Timestamp,
) -> Result<(), Failure> {
    let statement = client.prepare_cached(statements::USER_CHANGED).await?;
    client.execute(&statement, &[&micros(now), &user.to_string()]).await?;
    Ok(())
}

pub(super) async fn prune(
    client: &Object,
    changes: Timestamp,
    sessions: Timestamp,
    limit: u32,
) -> Result<u64, Failure> {
    let mut gone = 0;
    // Two nodes that do this at once do not wait for each other, nor for a refresh.
    for (sql, before) in [
        (
            "DELETE FROM changes WHERE number = ANY(ARRAY(
                 SELECT number FROM changes WHERE at < $1 LIMIT $2 FOR UPDATE SKIP LOCKED))",
            changes,
        ),
        (
            "DELETE FROM sessions WHERE id = ANY(ARRAY(
                 SELECT id FROM sessions WHERE expires_at < $1 LIMIT $2 FOR UPDATE SKIP LOCKED))",
            sessions,
        ),
        (
            "DELETE FROM sessions WHERE id = ANY(ARRAY(
                 SELECT id FROM sessions WHERE revoked_at < $1 LIMIT $2 FOR UPDATE SKIP LOCKED))",
            sessions,
        ),
        (
            "DELETE FROM admin_sessions WHERE token_hash = ANY(ARRAY(
                 SELECT token_hash FROM admin_sessions WHERE used_at < $1 LIMIT $2
                 FOR UPDATE SKIP LOCKED))",
            sessions,
        ),
    ] {
        let statement = client.prepare_cached(sql).await?;
        gone += client.execute(&statement, &[&micros(before), &i64::from(limit)]).await?;
    }
    let counts = client
        .prepare_cached(
            "DELETE FROM activity WHERE (hour, kind) IN
                 (SELECT hour, kind FROM activity WHERE hour < $1 ORDER BY hour LIMIT $2
                     FOR UPDATE SKIP LOCKED)",
        )
        .await?;
    gone += client.execute(&counts, &[&first_hour_kept(sessions), &i64::from(limit)]).await?;
    Ok(gone)
}

fn change(row: &Row) -> Result<Change, Failure> {
    let (kind, subject): (&str, Option<&str>) = (get(row, "kind")?, get(row, "subject")?);
    let what = match kind {
        "session_ended" => {
            let id = subject.and_then(|id| id.parse::<i64>().ok());
            id.and_then(|id| SessionId::new(id.cast_unsigned())).map(What::SessionEnded)
        }
        "user_changed" => subject.and_then(|id| id.parse().ok()).map(What::UserChanged),
        "keys_changed" => Some(What::KeysChanged),
        _ => None,
    };
    // A kind that a newer program writes: to forget what is cached of users is the safe answer.
    Ok(Change { at: from_micros(get(row, "at")?), what: what.unwrap_or(What::AllUsersChanged) })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn server(ends: i64, open: &[i64]) -> Server {
        Server { started: 7, ends, open: open.to_vec() }
    }

    #[test]
    fn a_cursor_says_what_was_seen_and_nothing_else() {
        let first = Seen::default().and(&server(20, &[12, 15]), &[], &[(10, 1), (13, 2)], 10);
        assert_eq!((first.upto, &first.open[..]), ((19, i64::MAX), &[(12, 0), (15, 0)][..]));
        assert_eq!(Seen::of(&first.cursor()), first);
        // One of the two has ended; another began and is open.
        let second = first.and(&server(30, &[15, 22]), &[(12, 3)], &[(25, 4)], 10);
        assert_eq!((second.upto, &second.open[..]), ((29, i64::MAX), &[(15, 0), (22, 0)][..]));
        let last = second.and(&server(30, &[]), &[(15, 5)], &[], 10);
        assert_eq!((last.upto, &last.open[..]), ((29, i64::MAX), &[][..]));
        assert_eq!(Seen::of(&Cursor::default()), Seen::default());
        assert_eq!(Seen::of(&Cursor([4].into())), Seen::default(), "another store's");
    }

    #[test]
    fn a_full_page_ends_within_a_transaction_and_goes_on_there() {
        let begun = Seen::default().and(&server(20, &[12, 14, 16]), &[], &[(13, 1), (13, 2)], 2);
        assert_eq!(
            (begun.upto, &begun.open[..]),
            ((13, 2), &[(12, 0)][..]),
            "what lies behind the page is read by itself"
        );
        // A large transaction that was open ends: it is read in pages too, beside what is new.
        let large =
            Seen { started: 7, upto: (19, i64::MAX), open: vec![(12, 0), (14, 0), (16, 0)] };
        let part = large.and(&server(30, &[16]), &[(12, 1), (14, 7)], &[(21, 9)], 2);
        assert_eq!((part.upto, &part.open[..]), ((29, i64::MAX), &[(14, 7), (16, 0)][..]));
        let rest = part.and(&server(30, &[16]), &[(14, 8)], &[], 2);
        assert_eq!((rest.upto, &rest.open[..]), ((29, i64::MAX), &[(16, 0)][..]));
    }
}

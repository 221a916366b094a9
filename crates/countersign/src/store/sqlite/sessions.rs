//! Sessions in SQLite.

use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension, Row, ToSql, named_params, params};

use super::columns::{from_micros, key, micros, read_user_id, unknown_word};
use crate::session::rotation::{Decision, Generation, Jti, Mark, RotationState};
use crate::session::{
    NewSession, RevokedReason, Session, SessionId, SessionRow, Transport, decide,
};
use crate::store::admin::steps::{stepped, told};
use crate::store::admin::told::address;
use crate::store::admin::{AuditKind, StepKind};
use crate::store::begin::ENDED_AT_ONCE;
use crate::store::{Begin, Begun, Rotate, Rotation, SessionPage, SessionPlace, StoreError};
use crate::user::UserId;

/// Begins a session, if the row is as it was checked. One writes at a time, so that nothing comes
/// between.
pub(super) fn begin(connection: &Connection, begin: &Begin) -> Result<Begun, StoreError> {
    let new = &begin.session;
    if let Some(checked) = &begin.checked {
        let is_as_checked = connection
            .prepare_cached("SELECT 1 FROM users WHERE id = ? AND is_active AND password = ?")?
            .exists(params![new.user_id.as_i64(), checked.as_str()])?;
        if !is_as_checked {
            return Ok(Begun::UserChanged);
        }
    }
    if !insert(connection, new)? {
        return Ok(Begun::IdTaken);
    }
    connection
        .prepare_cached("UPDATE users SET last_login = ? WHERE id = ?")?
        .execute(params![super::columns::django_date(new.created_at), new.user_id.as_i64()])?;
    let mut ended = 0;
    if let Some(replaced) = begin.replaces {
        ended +=
            u64::from(revoke(connection, replaced, None, RevokedReason::Replaced, new.created_at)?);
    }
    if begin.at_most > 0 {
        ended += end_oldest(connection, new, begin.at_most)?;
    }
    Ok(Begun::Done { ended })
}

/// Ends the oldest of the user's sessions that are more than the user may have. Looks at no more of
/// them than it may end, and those who may stay.
fn end_oldest(connection: &Connection, new: &NewSession, at_most: u32) -> Result<u64, StoreError> {
    let ended = connection
        .prepare_cached(
            "UPDATE sessions SET revoked_at = :now, revoked_reason = :reason WHERE id IN (
                 SELECT id FROM (
                     SELECT id, created_at, expires_at FROM sessions INDEXED BY sessions_live
                     WHERE user_id = :user AND revoked_at IS NULL AND id <> :own ORDER BY created_at DESC, id DESC LIMIT :looked_at
                 ) WHERE expires_at > :now ORDER BY created_at DESC, id DESC LIMIT -1 OFFSET :others)",
        )?
        .execute(named_params! {
            ":now": micros(new.created_at),
            ":reason": RevokedReason::SessionLimit.as_str(),
            ":user": key(new.user_id),
            ":own": new.id.get().cast_signed(),
            ":looked_at": i64::from(at_most - 1) + i64::from(ENDED_AT_ONCE),
            ":others": at_most - 1,
        })?;
    Ok(ended as u64)
}

fn insert(connection: &Connection, new: &NewSession) -> Result<bool, StoreError> {
    let state = RotationState::new(new.jti, seconds(new.created_at));
    let made = connection
        .prepare_cached(
            "INSERT INTO sessions (id, user_id, generation, current_jti, current_iat, current_since, race_credit,
                 mark_generation, mark_since, earlier_mark_generation, earlier_mark_since, created_at, last_used_at,
                 expires_at, transport, user_agent, ip)
             VALUES (:id, :user, :generation, :jti, :iat, :since, :credit,
                 :mark_generation, :mark_since, :earlier_generation, :earlier_since, :created, :created,
                 :expires, :transport, :agent, :ip) ON CONFLICT DO NOTHING",
        )?
        .execute(named_params! {
            ":id": new.id.get().cast_signed(),
            ":user": key(new.user_id),
            ":generation": state.generation.0,
            ":jti": state.current_jti.0,
            ":iat": state.current_iat,
            ":since": state.current_since,
            ":credit": state.race_credit,
            ":mark_generation": state.mark.generation.0,
            ":mark_since": state.mark.since,
            ":earlier_generation": state.earlier_mark.generation.0,
            ":earlier_since": state.earlier_mark.since,
            ":created": micros(new.created_at),
            ":expires": micros(new.expires_at),
            ":transport": new.transport.as_str(),
            ":agent": new.user_agent,
            ":ip": new.ip.map(|ip| ip.to_string()),
        })?;
    Ok(made == 1)
}

pub(super) fn rotate(connection: &Connection, rotate: &Rotate) -> Result<Rotation, StoreError> {
    let id = rotate.session.get().cast_signed();
    let row = connection
        .prepare_cached(ROTATED)?
        .query_row([id], |row| {
            let steps: Option<Vec<u8>> = row.get(16)?;
            Ok((session_row(row)?, steps.unwrap_or_default()))
        })
        .optional()?;
    let decided = decide(
        row.as_ref().map(|(row, _)| row),
        &rotate.token,
        rotate.transport,
        rotate.now,
        rotate.window,
    );
    let (live, decision) = match decided {
        Ok(decided) => decided,
        Err(refused) => return Ok(refused.into()),
    };
    let steps = row.as_ref().map_or(&[][..], |(_, steps)| steps.as_slice());
    match decision {
        Decision::Mint { child, rule, state, event } => {
            if let Some(state) = state {
                save(
                    connection,
                    id,
                    &state,
                    &stepped(steps, StepKind::of(rule), rotate.now),
                    rotate.now,
                )?;
            }
            if let Some((kind, detail)) = event.and_then(told) {
                note(connection, rotate, kind, live.user_id, &detail)?;
            }
            Ok(Rotation::Granted {
                user_id: live.user_id,
                created_at: live.created_at,
                expires_at: live.expires_at,
                child,
                event,
            })
        }
        Decision::Reused => {
            revoke(connection, rotate.session, None, RevokedReason::TokenTheft, rotate.now)?;
            connection
                .prepare_cached("UPDATE sessions SET steps = ? WHERE id = ?")?
                .execute(params![stepped(steps, StepKind::Theft, rotate.now), id])?;
            note(connection, rotate, AuditKind::TokenTheft, live.user_id, "")?;
            Ok(Rotation::Reused { user_id: live.user_id })
        }
    }
}

pub(super) fn by_id(connection: &Connection, id: SessionId) -> Result<Option<Session>, StoreError> {
    let mut statement =
        connection.prepare_cached(&format!("SELECT {LISTED} FROM sessions WHERE id = ?"))?;
    Ok(statement.query_row([id.get().cast_signed()], session).optional()?)
}

/// Whether the user has this session, and it has not ended.
pub(super) fn is_live(
    connection: &Connection,
    id: SessionId,
    owner: UserId,
    now: Timestamp,
) -> Result<bool, StoreError> {
    let mut statement = connection.prepare_cached(
        "SELECT 1 FROM sessions WHERE id = ? AND user_id = ? AND \
            revoked_at IS NULL AND expires_at > ?",
    )?;
    Ok(statement.exists(params![id.get().cast_signed(), key(owner), micros(now)])?)
}

pub(super) fn of_user(
    connection: &Connection,
    user: UserId,
    from: Option<SessionPlace>,
    limit: u32,
    now: Timestamp,
) -> Result<SessionPage, StoreError> {
    let (began, id) = SessionPlace::bounds(from);
    let rows = list(
        connection,
        &format!(
            "SELECT {LISTED} FROM sessions INDEXED BY sessions_live WHERE user_id = ? AND revoked_at IS NULL AND (created_at, id) < (?, ?)
             ORDER BY created_at DESC, id DESC LIMIT ?"
        ),
        params![key(user), began, id, i64::from(limit) + 1],
    )?;
    Ok(SessionPage::of(rows, limit, now))
}

pub(super) fn live(
    connection: &Connection,
    limit: u32,
    now: Timestamp,
) -> Result<Vec<Session>, StoreError> {
    list(
        connection,
        &format!(
            "SELECT {LISTED} FROM sessions WHERE revoked_at IS NULL AND expires_at > ? ORDER BY \
             created_at DESC LIMIT ?"
        ),
        params![micros(now), limit],
    )
}

pub(super) fn revoke(
    connection: &Connection,
    id: SessionId,
    owner: Option<UserId>,
    reason: RevokedReason,
    now: Timestamp,
) -> Result<bool, StoreError> {
    let ended = connection
        .prepare_cached(
            "UPDATE sessions SET revoked_at = :now, revoked_reason = :reason
             WHERE id = :id AND revoked_at IS NULL AND expires_at > :now AND (:owner IS NULL OR user_id = :owner)",
        )?
        .execute(named_params! {
            ":now": micros(now),
            ":reason": reason.as_str(),
            ":id": id.get().cast_signed(),
            ":owner": owner.map(key),
        })?;
    Ok(ended == 1)
}

pub(super) fn revoke_of_user(
    connection: &Connection,
    user: UserId,
    keep: Option<SessionId>,
    reason: RevokedReason,
    now: Timestamp,
) -> Result<u64, StoreError> {
    let ended = connection
        .prepare_cached(
            "UPDATE sessions SET revoked_at = :now, revoked_reason = :reason
             WHERE user_id = :user AND revoked_at IS NULL AND expires_at > :now AND id IS NOT :keep",
        )?
        .execute(named_params! {
            ":now": micros(now),
            ":reason": reason.as_str(),
            ":user": key(user),
            ":keep": keep.map(|id| id.get().cast_signed()),
        })?;
    // Whatever ends all of a user's sessions ends those of the admin site too.
    connection
        .prepare_cached("DELETE FROM admin_sessions WHERE user_id = ?")?
        .execute([user.as_i64()])?;
    Ok(ended as u64)
}

pub(super) fn revoke_begun_by(
    connection: &Connection,
    began: Timestamp,
    now: Timestamp,
) -> Result<u64, StoreError> {
    let ended = connection
        .prepare_cached(
            "UPDATE sessions SET revoked_at = ?, revoked_reason = ? WHERE created_at \
            <= ? AND revoked_at IS NULL",
        )?
        .execute(params![micros(now), RevokedReason::Admin.as_str(), micros(began)])?;
    Ok(ended as u64)
}

struct Live {
    user_id: UserId,
    created_at: Timestamp,
    expires_at: Timestamp,
    transport: Transport,
}

impl Live {
    fn read(row: &Row<'_>) -> rusqlite::Result<Self> {
        let transport = row.get_ref(3)?.as_str()?;
        Ok(Self {
            user_id: read_user_id(row.get_ref(0)?)?,
            created_at: from_micros(row.get(1)?),
            expires_at: from_micros(row.get(2)?),
            transport: Transport::from_word(transport).ok_or_else(|| unknown_word(transport))?,
        })
    }
}

fn session_row(row: &Row<'_>) -> rusqlite::Result<SessionRow> {
    let live = Live::read(row)?;
    Ok(SessionRow {
        user_id: live.user_id,
        created_at: live.created_at,
        expires_at: live.expires_at,
        transport: live.transport,
        revoked: revoked(row)?.map(|(_, reason)| reason),
        state: state(row)?,
    })
}

fn state(row: &Row<'_>) -> rusqlite::Result<RotationState> {
    let mark = |generation: usize, since: usize| -> rusqlite::Result<Option<Mark>> {
        let (generation, since): (Option<u64>, Option<u64>) =
            (row.get(generation)?, row.get(since)?);
        Ok(generation
            .zip(since)
            .map(|(generation, since)| Mark { generation: Generation(generation), since }))
    };
    let (generation, current_since) = (Generation(row.get(6)?), row.get(9)?);
    Ok(RotationState {
        generation,
        current_jti: Jti(row.get(7)?),
        current_iat: row.get(8)?,
        current_since,
        race_credit: row.get(10)?,
        race_charged: row.get::<_, Option<u64>>(11)?.map(Generation),
        mark: mark(12, 13)?
            .unwrap_or_else(|| RotationState::mark_of_old_row(generation, current_since)),
        earlier_mark: mark(14, 15)?.unwrap_or(Mark::LONG_AGO),
    })
}

fn save(
    connection: &Connection,
    id: i64,
    state: &RotationState,
    steps: &[u8],
    now: Timestamp,
) -> Result<(), StoreError> {
    connection
        .prepare_cached(
            "UPDATE sessions SET generation = ?, current_jti = ?, current_iat = ?, current_since = ?, race_credit = ?, race_charged = ?,
                 mark_generation = ?, mark_since = ?, earlier_mark_generation = ?, earlier_mark_since = ?,
                 last_used_at = ?, steps = ? WHERE id = ?",
        )?
        .execute(params![
            state.generation.0,
            state.current_jti.0,
            state.current_iat,
            state.current_since,
            state.race_credit,
            state.race_charged.map(|generation| generation.0),
            state.mark.generation.0,
            state.mark.since,
            state.earlier_mark.generation.0,
            state.earlier_mark.since,
            micros(now),
            steps,
            id
        ])?;
    Ok(())
}

/// Tells of a refresh, in the transaction that does it.
fn note(
    connection: &Connection,
    rotate: &Rotate,
    kind: AuditKind,
    user: UserId,
    detail: &str,
) -> Result<(), StoreError> {
    connection
        .prepare_cached(
            "INSERT INTO audit_events (at, kind, user_id, session_id, ip, detail) \
            VALUES (?, ?, ?, ?, ?, ?)",
        )?
        .execute(params![
            micros(rotate.now),
            kind.as_str(),
            key(user),
            rotate.session.get().cast_signed(),
            address(rotate.ip),
            detail
        ])?;
    Ok(())
}

fn list(
    connection: &Connection,
    sql: &str,
    params: &[&dyn ToSql],
) -> Result<Vec<Session>, StoreError> {
    let mut statement = connection.prepare_cached(sql)?;
    let rows = statement.query_map(params, session)?;
    Ok(rows.collect::<Result<_, _>>()?)
}

pub(super) fn session(row: &Row<'_>) -> rusqlite::Result<Session> {
    let live = Live::read(row)?;
    let id: i64 = row.get(6)?;
    Ok(Session {
        id: SessionId::new(id.cast_unsigned()).ok_or_else(|| unknown_word("0"))?,
        user_id: live.user_id,
        created_at: live.created_at,
        last_used_at: from_micros(row.get(7)?),
        expires_at: live.expires_at,
        transport: live.transport,
        user_agent: row.get(8)?,
        ip: row.get::<_, Option<String>>(9)?.and_then(|ip| ip.parse().ok()),
        revoked: revoked(row)?,
    })
}

fn revoked(row: &Row<'_>) -> rusqlite::Result<Option<(Timestamp, RevokedReason)>> {
    let Some(at) = row.get::<_, Option<i64>>(4)? else { return Ok(None) };
    let reason: Option<String> = row.get(5)?;
    // A session that somebody ended in a database shell has no reason of ours.
    let reason =
        reason.as_deref().and_then(RevokedReason::from_word).unwrap_or(RevokedReason::Admin);
    Ok(Some((from_micros(at), reason)))
}

fn seconds(at: Timestamp) -> u64 {
    u64::try_from(at.as_second()).unwrap_or(0)
}

/// What a refresh reads. Columns are read by their places: to look a name up costs a comparison
/// with each of them, 17 times a refresh.
const ROTATED: &str =
    "SELECT user_id, created_at, expires_at, transport, revoked_at, revoked_reason,
         generation, current_jti, current_iat, current_since, race_credit, race_charged,
         mark_generation, mark_since, earlier_mark_generation, earlier_mark_since, steps
     FROM sessions WHERE id = ?";

/// What is told of a session: the first six as in [`ROTATED`].
pub(super) const LISTED: &str = "user_id, created_at, expires_at, transport, revoked_at, \
    revoked_reason, id, last_used_at, user_agent, ip";

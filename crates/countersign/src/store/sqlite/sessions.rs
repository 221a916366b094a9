//! Sessions in SQLite.

use async_trait::async_trait;
use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension, ToSql, named_params, params};

use super::columns::{key, micros};
use super::session_row::{LISTED, session};
use super::{SqliteStore, enrolled, factor_proofs, outbox, rotations};
use crate::clock::seconds;
use crate::session::rotation::RotationState;
use crate::session::{
    Authentication, DeviceName, NewSession, RevokedReason, Session, SessionId, SessionRow,
};
use crate::store::begin::ENDED_AT_ONCE;
use crate::store::failure::Failure;
use crate::store::{
    Begin, Begun, MailBounds, Rotate, Rotation, SessionPage, SessionPlace, SessionStore, StoreError,
};
use crate::user::UserId;

#[async_trait]
impl SessionStore for SqliteStore {
    async fn begin_session(&self, begin: Begin) -> Result<Begun, StoreError> {
        self.writer.run(move |c| begin_on_row(c, &begin)).await
    }

    async fn rotate_session(&self, rotate: Rotate) -> Result<Rotation, StoreError> {
        self.writer.run_whole(move |c| rotations::rotate(c, &rotate)).await
    }

    async fn session(&self, id: SessionId) -> Result<Option<Session>, StoreError> {
        self.readers.run(move |c| by_id(c, id)).await
    }

    async fn session_row(
        &self,
        id: SessionId,
    ) -> Result<Option<(SessionRow, Authentication)>, StoreError> {
        self.readers.run(move |c| rotations::row_of(c, id)).await
    }

    async fn user_sessions_page(
        &self,
        user: UserId,
        from: Option<SessionPlace>,
        limit: u32,
        now: Timestamp,
    ) -> Result<SessionPage, StoreError> {
        self.readers.run(move |c| of_user(c, user, from, limit, now)).await
    }

    async fn live_sessions(&self, limit: u32, now: Timestamp) -> Result<Vec<Session>, StoreError> {
        self.readers.run(move |c| live(c, limit, now)).await
    }

    async fn name_session(
        &self,
        id: SessionId,
        owner: UserId,
        name: Option<DeviceName>,
        now: Timestamp,
    ) -> Result<Option<Session>, StoreError> {
        self.writer.run(move |c| set_name(c, id, owner, name.as_ref(), now)).await
    }

    async fn revoke_session(
        &self,
        id: SessionId,
        owner: Option<UserId>,
        reason: RevokedReason,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        self.writer.run(move |c| revoke(c, id, owner, reason, now)).await
    }

    async fn revoke_user_sessions(
        &self,
        user: UserId,
        keep: Option<SessionId>,
        reason: RevokedReason,
        now: Timestamp,
    ) -> Result<u64, StoreError> {
        self.writer
            .run(move |c| {
                // Whoever ends all sessions wants every device asked again.
                enrolled::change_version(c, user, None)?;
                revoke_of_user(c, user, keep, reason, now)
            })
            .await
    }

    async fn revoke_sessions_begun_by(
        &self,
        began: Timestamp,
        now: Timestamp,
    ) -> Result<u64, StoreError> {
        self.writer.run(move |c| revoke_begun_by(c, began, now)).await
    }
}

/// Begins a session, if the row is as it was checked. One writes at a time, so that nothing comes
/// between.
pub(super) fn begin_on_row(connection: &Connection, begin: &Begin) -> Result<Begun, Failure> {
    let new = &begin.session;
    if let Some(checked) = &begin.checked {
        let is_as_checked = connection
            .prepare_cached(
                "SELECT 1 FROM users WHERE id = ? AND is_active AND password = ? AND factors = ?",
            )?
            .exists(params![new.user_id.as_i64(), checked.as_str(), begin.factors])?;
        if !is_as_checked {
            return Ok(Begun::UserChanged);
        }
    }
    if let Some(uses) = &begin.factor {
        // Asked first: what is used up is used up for a session that begins.
        let is_taken = connection
            .prepare_cached("SELECT 1 FROM sessions WHERE id = ?")?
            .exists([new.id.get().cast_signed()])?;
        if is_taken {
            return Ok(Begun::IdTaken);
        }
        if !factor_proofs::use_up(connection, new.user_id, uses, new.created_at)? {
            return Ok(Begun::FactorUsed);
        }
    }
    if !insert(connection, begin)? {
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
    outbox::queue(connection, &begin.mails, MailBounds::OF_ACTS)?;
    Ok(Begun::Done { ended })
}

/// Ends the oldest of the user's sessions that are more than the user may have. Looks at no more of
/// them than it may end, and those who may stay.
fn end_oldest(connection: &Connection, new: &NewSession, at_most: u32) -> Result<u64, Failure> {
    let ended = connection
        .prepare_cached(
            "UPDATE sessions SET revoked_at = :now, revoked_reason = :reason WHERE id IN (
                 SELECT id FROM (
                     SELECT id, created_at, expires_at FROM sessions INDEXED BY sessions_live
                     WHERE user_id = :user AND revoked_at IS NULL AND id <> :own
                         ORDER BY created_at DESC, id DESC LIMIT :looked_at
                 ) WHERE expires_at > :now ORDER BY created_at DESC, id DESC
                     LIMIT -1 OFFSET :others)",
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

fn insert(connection: &Connection, begin: &Begin) -> Result<bool, Failure> {
    let (new, device) = (&begin.session, begin.device.as_ref());
    let state = RotationState::new(new.jti, seconds(new.created_at));
    let made = connection
        .prepare_cached(
            "INSERT INTO sessions (id, user_id, generation, current_jti, current_iat,
                 current_since, race_credit, mark_generation, mark_since, earlier_mark_generation,
                 earlier_mark_since, created_at, last_used_at, expires_at, transport, user_agent,
                 device_name, ip, amr, scope, device_key, device_kind, device_confirmed_at,
                 device_proof_at, new_device)
             VALUES (:id, :user, :generation, :jti, :iat,
                 :since, :credit, :mark_generation, :mark_since, :earlier_generation,
                 :earlier_since, :created, :created, :expires, :transport, :agent,
                 :name, :ip, :amr, :scope, :key, :kind, :confirmed, :proof, :new)
             ON CONFLICT DO NOTHING",
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
            ":name": new.device_name.as_ref().map(DeviceName::as_str),
            ":ip": new.ip.map(|ip| ip.to_string()),
            ":amr": begin.methods.to_string(),
            ":scope": begin.scope.as_str(),
            ":key": device.map(|device| device.key.as_str()),
            ":kind": device.map(|device| device.kind.as_str()),
            ":confirmed": device.and_then(|device| device.confirmed_at).map(micros),
            ":proof": device.map(|device| micros(device.proof_at)),
            ":new": begin.is_new_device,
        })?;
    Ok(made == 1)
}

pub(super) fn by_id(connection: &Connection, id: SessionId) -> Result<Option<Session>, Failure> {
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
) -> Result<bool, Failure> {
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
) -> Result<SessionPage, Failure> {
    let (began, id) = SessionPlace::bounds(from);
    let rows = list(
        connection,
        &format!(
            "SELECT {LISTED} FROM sessions INDEXED BY sessions_live WHERE user_id = ?
                 AND revoked_at IS NULL AND (created_at, id) < (?, ?)
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
) -> Result<Vec<Session>, Failure> {
    list(
        connection,
        &format!(
            "SELECT {LISTED} FROM sessions WHERE revoked_at IS NULL AND expires_at > ? ORDER BY \
             created_at DESC LIMIT ?"
        ),
        params![micros(now), limit],
    )
}

fn set_name(
    connection: &Connection,
    id: SessionId,
    owner: UserId,
    name: Option<&DeviceName>,
    now: Timestamp,
) -> Result<Option<Session>, Failure> {
    let mut statement = connection.prepare_cached(&format!(
        "UPDATE sessions SET device_name = ? WHERE id = ? AND user_id = ? AND revoked_at IS NULL \
         AND expires_at > ? RETURNING {LISTED}"
    ))?;
    let name = name.map(DeviceName::as_str);
    let params = params![name, id.get().cast_signed(), key(owner), micros(now)];
    Ok(statement.query_row(params, session).optional()?)
}

pub(super) fn revoke(
    connection: &Connection,
    id: SessionId,
    owner: Option<UserId>,
    reason: RevokedReason,
    now: Timestamp,
) -> Result<bool, Failure> {
    let ended = connection
        .prepare_cached(
            "UPDATE sessions SET revoked_at = :now, revoked_reason = :reason
             WHERE id = :id AND revoked_at IS NULL AND expires_at > :now
                 AND (:owner IS NULL OR user_id = :owner)",
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
) -> Result<u64, Failure> {
    let ended = connection
        .prepare_cached(
            "UPDATE sessions SET revoked_at = :now, revoked_reason = :reason
             WHERE user_id = :user AND revoked_at IS NULL AND expires_at > :now
                 AND id IS NOT :keep",
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

/// Ends the sessions that began by a time, and has every device asked for a second factor again.
pub(super) fn revoke_begun_by(
    connection: &Connection,
    began: Timestamp,
    now: Timestamp,
) -> Result<u64, Failure> {
    enrolled::change_every_version(connection)?;
    let ended = connection
        .prepare_cached(
            "UPDATE sessions SET revoked_at = ?, revoked_reason = ? WHERE created_at \
            <= ? AND revoked_at IS NULL",
        )?
        .execute(params![micros(now), RevokedReason::Admin.as_str(), micros(began)])?;
    Ok(ended as u64)
}

fn list(
    connection: &Connection,
    sql: &str,
    params: &[&dyn ToSql],
) -> Result<Vec<Session>, Failure> {
    let mut statement = connection.prepare_cached(sql)?;
    let rows = statement.query_map(params, session)?;
    Ok(rows.collect::<Result<_, _>>()?)
}

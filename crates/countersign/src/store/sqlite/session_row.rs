//! A session's row in SQLite.

use jiff::Timestamp;
use rusqlite::Row;

use super::columns::{from_micros, read_user_id, unknown_word};
use super::devices::device;
use crate::session::{Authentication, DeviceName, RevokedReason, Session, SessionId, Transport};
use crate::sign_in::{Methods, Scope};
use crate::user::UserId;

/// What rotations and lists both read of a session.
pub(super) struct Live {
    pub(super) user_id: UserId,
    pub(super) created_at: Timestamp,
    pub(super) expires_at: Timestamp,
    pub(super) transport: Transport,
}

impl Live {
    pub(super) fn read(row: &Row<'_>) -> rusqlite::Result<Self> {
        let transport = row.get_ref(3)?.as_str()?;
        Ok(Self {
            user_id: read_user_id(row.get_ref(0)?)?,
            created_at: from_micros(row.get(1)?),
            expires_at: from_micros(row.get(2)?),
            transport: Transport::from_word(transport).ok_or_else(|| unknown_word(transport))?,
        })
    }
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
        device_name: row
            .get::<_, Option<String>>(10)?
            .and_then(|name| DeviceName::parse(&name).ok()),
        ip: row.get::<_, Option<String>>(9)?.and_then(|ip| ip.parse().ok()),
        revoked: revoked(row)?,
        authentication: authentication(row, [11, 12, 13, 1])?,
        device: device(row, 14)?,
    })
}

pub(super) fn revoked(row: &Row<'_>) -> rusqlite::Result<Option<(Timestamp, RevokedReason)>> {
    let Some(at) = row.get::<_, Option<i64>>(4)? else { return Ok(None) };
    let reason: Option<String> = row.get(5)?;
    // A session that somebody ended in a database shell has no reason of ours.
    let reason =
        reason.as_deref().and_then(RevokedReason::from_word).unwrap_or(RevokedReason::Admin);
    Ok(Some((from_micros(at), reason)))
}

/// Of a session's row: the columns `amr`, `auth_time`, `scope` and `created_at`.
pub(super) fn authentication(
    row: &Row<'_>,
    [amr, at, scope, created]: [usize; 4],
) -> rusqlite::Result<Authentication> {
    let at = match row.get::<_, Option<i64>>(at)? {
        Some(at) => at,
        None => row.get(created)?,
    };
    let scope = row.get_ref(scope)?.as_str()?;
    Ok(Authentication {
        at: from_micros(at),
        methods: Methods::from_words(row.get_ref(amr)?.as_str()?),
        scope: Scope::from_word(scope).ok_or_else(|| unknown_word(scope))?,
    })
}

/// What is told of a session: the first six as a rotation reads them.
pub(super) const LISTED: &str = "user_id, created_at, expires_at, transport, revoked_at, \
    revoked_reason, id, last_used_at, user_agent, ip, device_name, amr, auth_time, scope, \
    device_key, device_kind, device_confirmed_at, device_proof_at";

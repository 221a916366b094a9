//! Sessions in PostgreSQL.

use async_trait::async_trait;
use deadpool_postgres::{GenericClient, Object, Transaction};
use jiff::Timestamp;
use tokio_postgres::Row;

use super::columns::{from_micros, get, micros, timestamptz, unknown, user_id};
use super::{PostgresStore, devices, enrolled, factor_proofs, outbox};
use crate::clock::seconds;
use crate::password::EncodedPassword;
use crate::session::rotation::RotationState;
use crate::session::{
    Authentication, DeviceName, RevokedReason, Session, SessionId, SessionRow, Transport,
};
use crate::store::begin::ENDED_AT_ONCE;
use crate::store::failure::Failure;
use crate::store::{
    Begin, Begun, FactorUse, MailBounds, Rotate, Rotation, SessionPage, SessionPlace, SessionStore,
    StoreError,
};
use crate::user::UserId;

#[async_trait]
impl SessionStore for PostgresStore {
    async fn begin_session(&self, begin: Begin) -> Result<Begun, StoreError> {
        write!(self, client => begin_as_checked(client, &begin))
    }

    async fn rotate_session(&self, rotate: Rotate) -> Result<Rotation, StoreError> {
        self.rotations.run(rotate).await
    }

    async fn session(&self, id: SessionId) -> Result<Option<Session>, StoreError> {
        read!(self, client => by_id(client, id))
    }

    async fn session_row(
        &self,
        id: SessionId,
    ) -> Result<Option<(SessionRow, Authentication)>, StoreError> {
        read!(self, client => self.rotations.row_of(client, id))
    }

    async fn user_sessions_page(
        &self,
        user: UserId,
        from: Option<SessionPlace>,
        limit: u32,
        now: Timestamp,
    ) -> Result<SessionPage, StoreError> {
        read!(self, client => of_user(client, user, from, limit, now))
    }

    async fn live_sessions(&self, limit: u32, now: Timestamp) -> Result<Vec<Session>, StoreError> {
        read!(self, client => live(client, limit, now))
    }

    async fn name_session(
        &self,
        id: SessionId,
        owner: UserId,
        name: Option<DeviceName>,
        now: Timestamp,
    ) -> Result<Option<Session>, StoreError> {
        write!(self, client => set_name(client, id, owner, name.as_ref(), now))
    }

    async fn revoke_session(
        &self,
        id: SessionId,
        owner: Option<UserId>,
        reason: RevokedReason,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        write!(self, client => revoke(client, id, owner, reason, now))
    }

    async fn revoke_user_sessions(
        &self,
        user: UserId,
        keep: Option<SessionId>,
        reason: RevokedReason,
        now: Timestamp,
    ) -> Result<u64, StoreError> {
        write!(self, client => end_of_user(client, user, keep, reason, now))
    }

    async fn revoke_sessions_begun_by(
        &self,
        began: Timestamp,
        now: Timestamp,
    ) -> Result<u64, StoreError> {
        // Some at a time: of a large database all of them would take longer than a statement may,
        // and would keep refreshes waiting meanwhile.
        let mut owners = Some(BEFORE_ALL_OWNERS);
        while let Some(after) = owners {
            owners = write!(self, client => raise_some_versions(client, after))?;
        }
        let (mut ended, mut from) = (0, Some(Timestamp::MIN));
        while let Some(at) = from {
            let (more, next) =
                write!(self, client => revoke_some_begun_by(client, at, began, now))?;
            (ended, from) = (ended + more, next);
        }
        Ok(ended)
    }
}

/// Begins a session, if the row is as it was checked; in one transaction with what it uses up and
/// what is told of it, where there is something.
async fn begin_as_checked(client: &mut Object, begin: &Begin) -> Result<Begun, Failure> {
    if begin.mails.is_empty() && begin.factor.is_none() {
        return begin_on_row(&*client, begin).await;
    }
    let transaction = client.transaction().await?;
    let begun = match &begin.factor {
        Some(uses) => begin_on_factor(&transaction, begin, uses).await?,
        None => begin_on_row(&transaction, begin).await?,
    };
    // What is used up is used up for a session that begins, and for nothing else.
    if matches!(begun, Begun::Done { .. }) {
        outbox::queue(&transaction, &begin.mails, MailBounds::OF_ACTS).await?;
        transaction.commit().await?;
    }
    Ok(begun)
}

/// Uses a factor up, and begins a session on it.
async fn begin_on_factor(
    transaction: &Transaction<'_>,
    begin: &Begin,
    uses: &FactorUse,
) -> Result<Begun, Failure> {
    let user = begin.session.user_id;
    match &begin.checked {
        Some(checked) => {
            let password = checked.as_str();
            if !factor_proofs::hold_as_checked(transaction, user, password, begin.factors).await? {
                return Ok(Begun::UserChanged);
            }
        }
        None => enrolled::hold(transaction, user).await?,
    }
    if !factor_proofs::use_up(transaction, user, uses, begin.session.created_at).await? {
        return Ok(Begun::FactorUsed);
    }
    begin_on_row(transaction, begin).await
}

/// The row is held first, as whoever changes it holds it first: what comes between is seen by the
/// one or by the other.
pub(super) async fn begin_on_row(
    client: &impl GenericClient,
    begin: &Begin,
) -> Result<Begun, Failure> {
    let (new, device) = (&begin.session, begin.device.as_ref());
    let state = RotationState::new(new.jti, seconds(new.created_at));
    let statement = client
        .prepare_cached(
            "WITH held AS MATERIALIZED (
                 SELECT id FROM users WHERE id = $14 AND is_active AND password = $15
                     AND factors = $24 FOR NO KEY UPDATE
             ), made AS (
                 INSERT INTO sessions (id, user_id, generation, current_jti, current_iat,
                     current_since, race_credit, created_at, last_used_at, expires_at, transport,
                     user_agent, ip, mark_generation, mark_since, earlier_mark_generation,
                     earlier_mark_since, device_name, amr, scope, device_key, device_kind,
                     device_confirmed_at, device_proof_at, new_device)
                 SELECT $1, $2, $3, $4, $5, $6, $7, $8, $8, $9, $10, $11, $12, $16, $17, $18, $19,
                     $23, $25, $26, $27, $28, $29, $30, $31
                 WHERE $15::text IS NULL OR EXISTS (SELECT 1 FROM held)
                 ON CONFLICT DO NOTHING RETURNING id
             ), noted AS (
                 UPDATE users SET last_login = $13 WHERE id = $14 AND EXISTS (SELECT 1 FROM made)
             )
             SELECT (SELECT count(*) FROM made) AS made, (SELECT count(*) FROM held) AS held,
                 (SELECT CASE WHEN $20::bigint > 0 OR $21::bigint IS NOT NULL
                      THEN end_for_session($1, $2, $8, $20, $22::bigint, $21) ELSE 0 END
                  FROM made) AS ended",
        )
        .await?;
    let (most, looked_at) = (i64::from(begin.at_most), i64::from(ENDED_AT_ONCE));
    let replaced = begin.replaces.map(|id| id.get().cast_signed());
    let checked = begin.checked.as_ref().map(EncodedPassword::as_str);
    let row = client
        .query_one(
            &statement,
            &[
                &new.id.get().cast_signed(),
                &new.user_id.to_string(),
                &signed(state.generation.0),
                &state.current_jti.0.as_slice(),
                &signed(state.current_iat),
                &signed(state.current_since),
                &i16::from(state.race_credit),
                &micros(new.created_at),
                &micros(new.expires_at),
                &new.transport.as_str(),
                &new.user_agent,
                &new.ip.map(|ip| ip.to_string()),
                &timestamptz(new.created_at),
                &new.user_id.as_i64(),
                &checked,
                &signed(state.mark.generation.0),
                &signed(state.mark.since),
                &signed(state.earlier_mark.generation.0),
                &signed(state.earlier_mark.since),
                &most,
                &replaced,
                &looked_at,
                &new.device_name.as_ref().map(DeviceName::as_str),
                &signed(begin.factors),
                &begin.methods.to_string(),
                &begin.scope.as_str(),
                &device.map(|device| device.key.as_str()),
                &device.map(|device| device.kind.as_str()),
                &device.and_then(|device| device.confirmed_at).map(micros),
                &device.map(|device| micros(device.proof_at)),
                &begin.is_new_device,
            ],
        )
        .await?;
    Ok(match (get::<i64>(&row, "made")?, get::<i64>(&row, "held")?) {
        (1.., _) => {
            Begun::Done { ended: get::<Option<i64>>(&row, "ended")?.unwrap_or(0).unsigned_abs() }
        }
        (_, 0) if checked.is_some() => Begun::UserChanged,
        _ => Begun::IdTaken,
    })
}

pub(super) async fn by_id(client: &Object, id: SessionId) -> Result<Option<Session>, Failure> {
    let statement =
        client.prepare_cached(&format!("SELECT {COLUMNS} FROM sessions WHERE id = $1")).await?;
    client
        .query_opt(&statement, &[&id.get().cast_signed()])
        .await?
        .as_ref()
        .map(session)
        .transpose()
}

pub(super) async fn of_user(
    client: &Object,
    user: UserId,
    from: Option<SessionPlace>,
    limit: u32,
    now: Timestamp,
) -> Result<SessionPage, Failure> {
    let statement = client
        .prepare_cached(&format!(
            "SELECT {COLUMNS} FROM sessions WHERE user_id = $1 AND revoked_at IS NULL
                 AND (created_at, id) < ($2, $3)
             ORDER BY created_at DESC, id DESC LIMIT $4"
        ))
        .await?;
    let (began, id) = SessionPlace::bounds(from);
    let rows = client
        .query(&statement, &[&user.to_string(), &began, &id, &(i64::from(limit) + 1)])
        .await?;
    Ok(SessionPage::of(rows.iter().map(session).collect::<Result<_, _>>()?, limit, now))
}

pub(super) async fn live(
    client: &Object,
    limit: u32,
    now: Timestamp,
) -> Result<Vec<Session>, Failure> {
    let statement = client
        .prepare_cached(&format!(
            "SELECT {COLUMNS} FROM sessions WHERE revoked_at IS NULL AND expires_at > $1 ORDER BY \
             created_at DESC LIMIT $2"
        ))
        .await?;
    client
        .query(&statement, &[&micros(now), &i64::from(limit)])
        .await?
        .iter()
        .map(session)
        .collect()
}

async fn set_name(
    client: &Object,
    id: SessionId,
    owner: UserId,
    name: Option<&DeviceName>,
    now: Timestamp,
) -> Result<Option<Session>, Failure> {
    let statement = client
        .prepare_cached(&format!(
            "UPDATE sessions SET device_name = $1 WHERE id = $2 AND user_id = $3
             AND revoked_at IS NULL AND expires_at > $4 RETURNING {COLUMNS}"
        ))
        .await?;
    let name = name.map(DeviceName::as_str);
    let (id, owner) = (id.get().cast_signed(), owner.to_string());
    client
        .query_opt(&statement, &[&name, &id, &owner, &micros(now)])
        .await?
        .as_ref()
        .map(session)
        .transpose()
}

pub(super) async fn revoke(
    client: &Object,
    id: SessionId,
    owner: Option<UserId>,
    reason: RevokedReason,
    now: Timestamp,
) -> Result<bool, Failure> {
    let statement = client
        .prepare_cached(
            "UPDATE sessions SET revoked_at = $2, revoked_reason = $3
             WHERE id = $1 AND revoked_at IS NULL AND expires_at > $2
                 AND ($4::text IS NULL OR user_id = $4)",
        )
        .await?;
    let owner = owner.map(|owner| owner.to_string());
    Ok(client
        .execute(&statement, &[&id.get().cast_signed(), &micros(now), &reason.as_str(), &owner])
        .await?
        == 1)
}

/// Ends the user's sessions, and has every device asked for a second factor again.
async fn end_of_user(
    client: &mut Object,
    user: UserId,
    keep: Option<SessionId>,
    reason: RevokedReason,
    now: Timestamp,
) -> Result<u64, Failure> {
    if !enrolled::had_one(client, user).await? {
        return revoke_of_user(client, user, keep, reason, now).await;
    }
    let transaction = client.transaction().await?;
    enrolled::hold(&transaction, user).await?;
    enrolled::change_version(&transaction, user, None).await?;
    let ended = revoke_of_user(&transaction, user, keep, reason, now).await?;
    transaction.commit().await?;
    Ok(ended)
}

/// Holds the live sessions of a user, in the order of their ids as everywhere.
pub(super) async fn hold_of_user(
    client: &impl GenericClient,
    user: UserId,
    now: Timestamp,
) -> Result<(), Failure> {
    let statement = client
        .prepare_cached(
            "SELECT 1 FROM sessions WHERE user_id = $1 AND revoked_at IS NULL AND expires_at > $2
             ORDER BY id FOR UPDATE",
        )
        .await?;
    client.query(&statement, &[&user.to_string(), &micros(now)]).await?;
    Ok(())
}

/// Ends the user's sessions, and those of the admin site. Rows are locked in the order of their
/// ids, as everywhere: so it cannot be that this and a batch of refreshes each wait for a row that
/// the other has.
pub(super) async fn revoke_of_user(
    client: &impl GenericClient,
    user: UserId,
    keep: Option<SessionId>,
    reason: RevokedReason,
    now: Timestamp,
) -> Result<u64, Failure> {
    let statement = client
        .prepare_cached(
            "WITH own AS (
                 SELECT id FROM sessions WHERE user_id = $1 AND revoked_at IS NULL
                     AND expires_at > $2 AND id IS DISTINCT FROM $4
                 ORDER BY id FOR UPDATE
             ), operator AS (
                 DELETE FROM admin_sessions WHERE user_id = $5
             )
             UPDATE sessions SET revoked_at = $2, revoked_reason = $3
                 WHERE id IN (SELECT id FROM own)",
        )
        .await?;
    let keep = keep.map(|id| id.get().cast_signed());
    Ok(client
        .execute(
            &statement,
            &[&user.to_string(), &micros(now), &reason.as_str(), &keep, &user.as_i64()],
        )
        .await?)
}

/// Has the devices of the next ones who have a second factor asked for it again: how far it came.
pub(super) async fn raise_some_versions(
    client: &mut Object,
    after: i64,
) -> Result<Option<i64>, Failure> {
    let transaction = client.transaction().await?;
    let reached = enrolled::change_some_versions(&transaction, after).await?;
    transaction.commit().await?;
    Ok(reached)
}

/// Ends the first of the sessions that began from `from` to `began`: how many, and from where on
/// there may be more.
pub(super) async fn revoke_some_begun_by(
    client: &impl GenericClient,
    from: Timestamp,
    began: Timestamp,
    now: Timestamp,
) -> Result<(u64, Option<Timestamp>), Failure> {
    let statement = client
        .prepare_cached(
            "WITH first AS (
                 SELECT id, created_at FROM sessions WHERE created_at >= $1 AND created_at <= $2
                     AND revoked_at IS NULL ORDER BY created_at LIMIT $5
             ), own AS (
                 SELECT id FROM sessions WHERE id IN (SELECT id FROM first) AND revoked_at IS NULL
                     ORDER BY id FOR UPDATE
             ), ended AS (
                 UPDATE sessions SET revoked_at = $3, revoked_reason = $4
                     WHERE id IN (SELECT id FROM own) RETURNING id
             )
             SELECT (SELECT count(*) FROM ended) AS ended,
                 (SELECT max(created_at) FROM first) AS reached",
        )
        .await?;
    let reason = RevokedReason::Admin.as_str();
    let row = client
        .query_one(
            &statement,
            &[&micros(from), &micros(began), &micros(now), &reason, &RESTORED_AT_ONCE],
        )
        .await?;
    let ended: i64 = get(&row, "ended")?;
    Ok((ended.unsigned_abs(), get::<Option<i64>>(&row, "reached")?.map(from_micros)))
}

/// PostgreSQL has no unsigned numbers; ours are counts and times that stay far below the limit.
pub(super) fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

pub(super) fn transport(row: &Row) -> Result<Transport, Failure> {
    let word: &str = get(row, "transport")?;
    Ok(Transport::from_word(word).ok_or_else(|| unknown(word))?)
}

pub(super) fn revoked(row: &Row) -> Result<Option<(Timestamp, RevokedReason)>, Failure> {
    let Some(at) = get::<Option<i64>>(row, "revoked_at")? else { return Ok(None) };
    let reason: Option<&str> = get(row, "revoked_reason")?;
    // A session that somebody ended in a database shell has no reason of ours.
    Ok(Some((
        from_micros(at),
        reason.and_then(RevokedReason::from_word).unwrap_or(RevokedReason::Admin),
    )))
}

pub(super) fn session(row: &Row) -> Result<Session, Failure> {
    Ok(Session {
        id: SessionId::new(get::<i64>(row, "id")?.cast_unsigned()).ok_or_else(|| unknown("0"))?,
        user_id: user_id(get(row, "user_id")?)?,
        created_at: from_micros(get(row, "created_at")?),
        last_used_at: from_micros(get(row, "last_used_at")?),
        expires_at: from_micros(get(row, "expires_at")?),
        transport: transport(row)?,
        user_agent: get(row, "user_agent")?,
        device_name: get::<Option<&str>>(row, "device_name")?
            .and_then(|name| DeviceName::parse(name).ok()),
        ip: get::<Option<&str>>(row, "ip")?.and_then(|ip| ip.parse().ok()),
        revoked: revoked(row)?,
        authentication: factor_proofs::authentication(row)?,
        device: devices::device(row)?,
    })
}

/// By name: a statement that says `*` fails on every running node when a newer one adds a column.
pub(super) const COLUMNS: &str = "id, user_id, created_at, last_used_at, expires_at, transport, \
    user_agent, device_name, ip, revoked_at, revoked_reason, amr, auth_time, scope, device_key, \
    device_kind, device_confirmed_at, device_proof_at";

/// From where those are counted who have a second factor.
pub(super) const BEFORE_ALL_OWNERS: i64 = i64::MIN;

/// A few hundredths of a second.
const RESTORED_AT_ONCE: i64 = 250;

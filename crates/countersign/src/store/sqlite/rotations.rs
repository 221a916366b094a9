//! Refreshes in SQLite: each one row that is read, decided on, and written.

use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension, Row, params};

use super::columns::{key, micros};
use super::session_row::{Live, authentication, revoked};
use super::writer::in_savepoint;
use super::{devices, outbox};
use crate::session::device::{DeviceRecord, DeviceStanding};
use crate::session::rotation::{Decision, Generation, Jti, Mark, RotationState};
use crate::session::{Authentication, Decided, RevokedReason, SessionId, SessionRow, decide};
use crate::store::admin::steps::{rotation_line, stepped};
use crate::store::admin::{AuditKind, StepKind};
use crate::store::failure::Failure;
use crate::store::plan::audit_lines::address;
use crate::store::{MailBounds, NewMail, Rotate, Rotation, Stolen};
use crate::user::UserId;

/// Leaves nothing behind when it fails: it is one statement, or has a savepoint around several.
pub(super) fn rotate(connection: &Connection, rotate: &Rotate) -> Result<Rotation, Failure> {
    let id = rotate.session.get().cast_signed();
    let row = connection
        .prepare_cached(ROTATED)?
        .query_row([id], |row| {
            let steps: Option<Vec<u8>> = row.get(16)?;
            let authentication = authentication(row, [17, 18, 19, 1])?;
            Ok((session_row(row)?, steps.unwrap_or_default(), authentication))
        })
        .optional()?;
    let decided = decide(
        row.as_ref().map(|(row, ..)| row),
        &rotate.token,
        rotate.transport,
        &rotate.shown,
        rotate.now,
        rotate.window,
    );
    let Decided { row: live, decision, standing } = match decided {
        Ok(decided) => decided,
        Err(refused) => return Ok(refused.into()),
    };
    let steps = row.as_ref().map_or(&[][..], |(_, steps, _)| steps.as_slice());
    let authentication = row
        .as_ref()
        .map_or(Authentication::since(live.created_at), |(_, _, authentication)| *authentication);
    match decision {
        Decision::Mint { child, rule, state, event } => {
            let save = |connection: &Connection| match state {
                Some(state) => {
                    let steps = stepped(steps, StepKind::of(rule), rotate.now);
                    save(connection, id, &state, &steps, rotate.now)
                }
                None => Ok(()),
            };
            match (event.and_then(rotation_line), standing) {
                (None, DeviceStanding::Confirms { offered_at }) => {
                    in_savepoint(connection, |connection| {
                        save(connection)?;
                        devices::confirm(connection, id, offered_at, rotate.now)
                    })??;
                }
                // What nearly every refresh does.
                (None, _) => save(connection)?,
                // What confirms a key as well has it confirmed the next time.
                (Some((kind, detail)), _) => in_savepoint(connection, |connection| {
                    save(connection)?;
                    note(connection, rotate, kind, live.user_id, &detail)
                })??,
            }
            Ok(Rotation::Granted {
                user_id: live.user_id,
                created_at: live.created_at,
                authentication,
                expires_at: live.expires_at,
                child,
                event,
                standing,
            })
        }
        Decision::Reused => {
            in_savepoint(connection, |connection| {
                end(connection, id, &stepped(steps, StepKind::Theft, rotate.now), rotate.now)?;
                note(connection, rotate, AuditKind::TokenTheft, live.user_id, "")?;
                tell(connection, rotate, live.user_id)
            })??;
            Ok(Rotation::Reused { user_id: live.user_id })
        }
    }
}

/// The row as a refresh reads it.
pub(super) fn row_of(
    connection: &Connection,
    id: SessionId,
) -> Result<Option<(SessionRow, Authentication)>, Failure> {
    let mut statement = connection.prepare_cached(ROTATED)?;
    let row = statement.query_row([id.get().cast_signed()], |row| {
        Ok((session_row(row)?, authentication(row, [17, 18, 19, 1])?))
    });
    Ok(row.optional()?)
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
        device: devices::device(row, 20)?.as_ref().map(DeviceRecord::device),
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
) -> Result<(), Failure> {
    connection
        .prepare_cached(
            "UPDATE sessions SET generation = ?, current_jti = ?, current_iat = ?,
                 current_since = ?, race_credit = ?, race_charged = ?,
                 mark_generation = ?, mark_since = ?, earlier_mark_generation = ?,
                 earlier_mark_since = ?,
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

/// Ends the session of a token that two had; the row was live a moment ago, in this transaction.
fn end(connection: &Connection, id: i64, steps: &[u8], now: Timestamp) -> Result<(), Failure> {
    connection
        .prepare_cached(
            "UPDATE sessions SET revoked_at = ?, revoked_reason = ?, steps = ? WHERE id = ?",
        )?
        .execute(params![micros(now), RevokedReason::TokenTheft.as_str(), steps, id])?;
    Ok(())
}

/// Tells of a refresh, in the transaction that does it.
fn note(
    connection: &Connection,
    rotate: &Rotate,
    kind: AuditKind,
    user: UserId,
    detail: &str,
) -> Result<(), Failure> {
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

/// Tells the user of the theft, where there is somebody to tell.
fn tell(connection: &Connection, rotate: &Rotate, user: UserId) -> Result<(), Failure> {
    let Some(notice) = &rotate.theft_notice else { return Ok(()) };
    let mut statement = connection.prepare_cached(
        "SELECT email, email_verified, locale, (SELECT user_agent FROM sessions WHERE id = ?2)
         FROM users WHERE id = ?1",
    )?;
    let stolen = statement
        .query_row(params![user.as_i64(), rotate.session.get().cast_signed()], |row| {
            Ok(Stolen {
                user,
                email: row.get(0)?,
                is_proved: row.get(1)?,
                language: row.get(2)?,
                user_agent: row.get(3)?,
            })
        })
        .optional()?;
    let mails: Vec<NewMail> = stolen.and_then(|stolen| notice.of(&stolen)).into_iter().collect();
    outbox::queue(connection, &mails, MailBounds::OF_ACTS)?;
    Ok(())
}

/// What a refresh reads. Columns are read by their places: to look a name up costs a comparison
/// with each of them, 20 times a refresh.
const ROTATED: &str =
    "SELECT user_id, created_at, expires_at, transport, revoked_at, revoked_reason,
         generation, current_jti, current_iat, current_since, race_credit, race_charged,
         mark_generation, mark_since, earlier_mark_generation, earlier_mark_since, steps,
         amr, auth_time, scope,
         device_key, device_kind, device_confirmed_at, device_proof_at
     FROM sessions WHERE id = ?";

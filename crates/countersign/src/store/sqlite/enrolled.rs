//! What else changes when a factor is enrolled: the number of the user's factors, the recovery
//! codes and what the session knows.

use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension, params};

use super::columns::{key, micros};
use super::outbox;
use super::session_row::authentication;
use crate::session::{Authentication, SessionId};
use crate::sign_in::{FACTORS_AT_MOST, Method, Methods, Scope};
use crate::store::failure::Failure;
use crate::store::{Confirmed, MailBounds, NewMail, NewRecoveryCode};
use crate::user::UserId;

/// What else comes with a factor that was enrolled just now.
pub(super) fn is_enrolled(
    connection: &Connection,
    user: UserId,
    codes: &[NewRecoveryCode],
    (session, before): (SessionId, Authentication),
    methods: Methods,
    mails: &[NewMail],
    now: Timestamp,
) -> Result<Confirmed, Failure> {
    change_version(connection, user, Some(now))?;
    let had_codes = connection
        .prepare_cached("SELECT 1 FROM recovery_codes WHERE user_id = ?")?
        .exists([key(user)])?;
    if !had_codes {
        insert_codes(connection, user, codes, now)?;
    }
    let methods = before.methods.and(methods).with(Method::Several);
    let authentication = Authentication { at: now, methods, scope: Scope::Full };
    save_authentication(connection, session, authentication)?;
    outbox::queue(connection, mails, MailBounds::OF_ACTS)?;
    Ok(Confirmed::Done { are_codes_new: !had_codes, authentication })
}

/// Why the user may not enrol one factor more in a session that knows this; `None` where they may.
pub(super) fn refused(
    connection: &Connection,
    user: UserId,
    known: Authentication,
) -> Result<Option<Confirmed>, Failure> {
    let enrolled = count(connection, user)?;
    Ok(if enrolled > 0 && !known.methods.has(Method::Several) {
        Some(Confirmed::FactorRequired)
    } else if enrolled >= FACTORS_AT_MOST {
        Some(Confirmed::TooMany)
    } else {
        None
    })
}

/// Whether the user may have one factor more.
pub(super) fn is_room(connection: &Connection, user: UserId) -> Result<bool, Failure> {
    Ok(count(connection, user)? < FACTORS_AT_MOST)
}

/// How many a user has enrolled.
fn count(connection: &Connection, user: UserId) -> Result<u32, Failure> {
    let mut statement = connection.prepare_cached(
        "SELECT count(*) FROM factors WHERE user_id = ? AND confirmed_at IS NOT NULL",
    )?;
    Ok(statement.query_row([key(user)], |row| row.get(0))?)
}

pub(super) fn insert_codes(
    connection: &Connection,
    user: UserId,
    codes: &[NewRecoveryCode],
    now: Timestamp,
) -> Result<(), Failure> {
    let mut insert = connection.prepare_cached(
        "INSERT INTO recovery_codes (id, user_id, hash, made_at) VALUES (?, ?, ?, ?)",
    )?;
    for code in codes {
        insert.execute(params![code.id.as_i64(), key(user), code.hash.as_bytes(), micros(now)])?;
    }
    Ok(())
}

/// What a live session of this user knows.
pub(super) fn authentication_of(
    connection: &Connection,
    session: SessionId,
    user: UserId,
    now: Timestamp,
) -> Result<Option<Authentication>, Failure> {
    let mut statement = connection.prepare_cached(
        "SELECT amr, auth_time, scope, created_at FROM sessions
         WHERE id = ? AND user_id = ? AND revoked_at IS NULL AND expires_at > ?",
    )?;
    let found = statement
        .query_row(params![session.get().cast_signed(), key(user), micros(now)], |row| {
            authentication(row, [0, 1, 2, 3])
        });
    Ok(found.optional()?)
}

pub(super) fn save_authentication(
    connection: &Connection,
    session: SessionId,
    new: Authentication,
) -> Result<(), Failure> {
    connection
        .prepare_cached("UPDATE sessions SET amr = ?, auth_time = ?, scope = ? WHERE id = ?")?
        .execute(params![
            new.methods.to_string(),
            micros(new.at),
            new.scope.as_str(),
            session.get().cast_signed(),
        ])?;
    Ok(())
}

/// Gives a user's factors another number, in the row on which sessions begin too. A user who never
/// had one gets the first, if it begins now. That is the time: a device that was remembered carries
/// the number, which must not come again where what the user had was forgotten in between.
pub(super) fn change_version(
    connection: &Connection,
    user: UserId,
    begins: Option<Timestamp>,
) -> Result<(), Failure> {
    let mut raise = connection.prepare_cached(
        "UPDATE factor_owners SET version = version + 1 WHERE user_id = ? RETURNING version",
    )?;
    let raised: Option<i64> = raise.query_row([key(user)], |row| row.get(0)).optional()?;
    let version = match (raised, begins) {
        (Some(version), _) => version,
        (None, Some(now)) => {
            let first = micros(now).max(1);
            connection
                .prepare_cached("INSERT INTO factor_owners (user_id, version) VALUES (?, ?)")?
                .execute(params![key(user), first])?;
            first
        }
        (None, None) => return Ok(()),
    };
    connection
        .prepare_cached("UPDATE users SET factors = ? WHERE id = ?")?
        .execute(params![version, user.as_i64()])?;
    Ok(())
}

/// The same for everybody who ever had one.
pub(super) fn change_every_version(connection: &Connection) -> Result<(), Failure> {
    connection.prepare_cached("UPDATE factor_owners SET version = version + 1")?.execute([])?;
    // The id of a user elsewhere is a text, which may look like a number.
    connection
        .prepare_cached(
            "UPDATE users SET factors = owner.version FROM factor_owners AS owner
             WHERE users.id = owner.user_id AND typeof(owner.user_id) = 'integer'",
        )?
        .execute([])?;
    Ok(())
}

//! What else changes when a factor is enrolled: the number of the user's factors, the recovery
//! codes and what the session knows. Whoever changes it holds the user's row.

use deadpool_postgres::{GenericClient, Transaction};
use jiff::Timestamp;
use tokio_postgres::Row;

use super::columns::{from_micros, get, micros, unknown};
use super::outbox;
use crate::session::{Authentication, SessionId};
use crate::sign_in::{FACTORS_AT_MOST, Method, Methods, Scope};
use crate::store::failure::Failure;
use crate::store::{Confirmed, MailBounds, NewMail, NewRecoveryCode};
use crate::user::UserId;

/// What else comes with a factor that was enrolled just now.
pub(super) async fn is_enrolled(
    transaction: Transaction<'_>,
    user: UserId,
    codes: &[NewRecoveryCode],
    session: SessionId,
    methods: Methods,
    mails: &[NewMail],
    now: Timestamp,
) -> Result<Confirmed, Failure> {
    change_version(&transaction, user, Some(now)).await?;
    let statement = transaction
        .prepare_cached(
            "SELECT count(*) FROM factors WHERE user_id = $1 AND confirmed_at IS NOT NULL",
        )
        .await?;
    let enrolled = transaction.query_one(&statement, &[&user.to_string()]).await?;
    let enrolled: i64 = enrolled.try_get(0)?;
    let Some(before) = authentication_of(&transaction, session, user, now).await? else {
        return Ok(Confirmed::SessionEnded);
    };
    if enrolled > 1 && !before.methods.has(Method::Several) {
        return Ok(Confirmed::FactorRequired);
    }
    if enrolled > i64::from(FACTORS_AT_MOST) {
        return Ok(Confirmed::TooMany);
    }
    let statement =
        transaction.prepare_cached("SELECT 1 FROM recovery_codes WHERE user_id = $1").await?;
    let had_codes = !transaction.query(&statement, &[&user.to_string()]).await?.is_empty();
    if !had_codes {
        insert_codes(&transaction, user, codes, now).await?;
    }
    let methods = before.methods.and(methods).with(Method::Several);
    let authentication = Authentication { at: now, methods, scope: Scope::Full };
    save_authentication(&transaction, session, authentication).await?;
    outbox::queue(&transaction, mails, MailBounds::OF_ACTS).await?;
    transaction.commit().await?;
    Ok(Confirmed::Done { are_codes_new: !had_codes, authentication })
}

pub(super) async fn insert_codes(
    transaction: &Transaction<'_>,
    user: UserId,
    codes: &[NewRecoveryCode],
    now: Timestamp,
) -> Result<(), Failure> {
    let statement = transaction
        .prepare_cached(
            "INSERT INTO recovery_codes (id, user_id, hash, made_at) VALUES ($1, $2, $3, $4)",
        )
        .await?;
    let (user, made_at) = (user.to_string(), micros(now));
    for code in codes {
        let hash = code.hash.as_bytes().as_slice();
        transaction.execute(&statement, &[&code.id.as_i64(), &user, &hash, &made_at]).await?;
    }
    Ok(())
}

/// Whether the user ever had a factor.
pub(super) async fn had_one(client: &impl GenericClient, user: UserId) -> Result<bool, Failure> {
    let statement = client.prepare_cached("SELECT 1 FROM factor_owners WHERE user_id = $1").await?;
    Ok(!client.query(&statement, &[&user.to_string()]).await?.is_empty())
}

/// Holds the user's row, if it is here, as whatever begins a session holds it.
pub(super) async fn hold(transaction: &Transaction<'_>, user: UserId) -> Result<(), Failure> {
    let statement =
        transaction.prepare_cached("SELECT 1 FROM users WHERE id = $1 FOR NO KEY UPDATE").await?;
    transaction.execute(&statement, &[&user.as_i64()]).await?;
    Ok(())
}

/// Gives a user's factors another number, in the row on which sessions begin too. A user who never
/// had one gets the first, if it begins now. That is the time: a device that was remembered carries
/// the number, which must not come again where what the user had was forgotten in between. The
/// caller holds the user's row.
pub(super) async fn change_version(
    transaction: &Transaction<'_>,
    user: UserId,
    begins: Option<Timestamp>,
) -> Result<(), Failure> {
    let owner = user.to_string();
    let row = if let Some(now) = begins {
        let statement = transaction
            .prepare_cached(
                "INSERT INTO factor_owners AS o (user_id, version) VALUES ($1, $2)
                 ON CONFLICT (user_id) DO UPDATE SET version = o.version + 1 RETURNING version",
            )
            .await?;
        transaction.query_opt(&statement, &[&owner, &micros(now).max(1)]).await?
    } else {
        let statement = transaction
            .prepare_cached(
                "UPDATE factor_owners SET version = version + 1 WHERE user_id = $1
                 RETURNING version",
            )
            .await?;
        transaction.query_opt(&statement, &[&owner]).await?
    };
    let Some(row) = row else { return Ok(()) };
    let version: i64 = get(&row, "version")?;
    let statement =
        transaction.prepare_cached("UPDATE users SET factors = $1 WHERE id = $2").await?;
    transaction.execute(&statement, &[&version, &user.as_i64()]).await?;
    Ok(())
}

/// The same for the next ones of everybody who ever had one, behind the row `after`: how far it
/// came, if there were any.
pub(super) async fn change_some_versions(
    transaction: &Transaction<'_>,
    after: i64,
) -> Result<Option<i64>, Failure> {
    let statement = transaction
        .prepare_cached("SELECT id, user_id FROM factor_owners WHERE id > $1 ORDER BY id LIMIT $2")
        .await?;
    let rows = transaction.query(&statement, &[&after, &OWNERS_AT_ONCE]).await?;
    let Some(last) = rows.last() else { return Ok(None) };
    let reached: i64 = get(last, "id")?;
    let mut texts: Vec<String> = Vec::with_capacity(rows.len());
    for row in &rows {
        texts.push(get(row, "user_id")?);
    }
    let ids: Vec<i64> =
        texts.iter().filter_map(|text| text.parse::<UserId>().ok()?.as_i64()).collect();
    // The users' rows first, as whatever begins a session holds them.
    let users = "SELECT 1 FROM users WHERE id = ANY($1) ORDER BY id FOR NO KEY UPDATE";
    transaction.query(&transaction.prepare_cached(users).await?, &[&ids]).await?;
    let owners = "SELECT 1 FROM factor_owners WHERE id > $1 AND id <= $2 ORDER BY id FOR UPDATE";
    transaction.query(&transaction.prepare_cached(owners).await?, &[&after, &reached]).await?;
    let statement = transaction
        .prepare_cached(
            "WITH raised AS (
                 UPDATE factor_owners SET version = version + 1 WHERE user_id = ANY($1)
                     RETURNING user_id, version
             )
             UPDATE users SET factors = raised.version FROM raised
                 WHERE users.id = ANY($2) AND users.id::text = raised.user_id",
        )
        .await?;
    transaction.execute(&statement, &[&texts, &ids]).await?;
    Ok(Some(reached))
}

/// What a live session of this user knows; its row is held.
pub(super) async fn authentication_of(
    transaction: &Transaction<'_>,
    session: SessionId,
    user: UserId,
    now: Timestamp,
) -> Result<Option<Authentication>, Failure> {
    let statement = transaction
        .prepare_cached(
            "SELECT amr, auth_time, scope, created_at FROM sessions
             WHERE id = $1 AND user_id = $2 AND revoked_at IS NULL AND expires_at > $3 FOR UPDATE",
        )
        .await?;
    let (id, user) = (session.get().cast_signed(), user.to_string());
    let row = transaction.query_opt(&statement, &[&id, &user, &micros(now)]).await?;
    row.as_ref().map(authentication).transpose()
}

pub(super) async fn save_authentication(
    transaction: &Transaction<'_>,
    session: SessionId,
    new: Authentication,
) -> Result<(), Failure> {
    let statement = transaction
        .prepare_cached("UPDATE sessions SET amr = $1, auth_time = $2, scope = $3 WHERE id = $4")
        .await?;
    let (amr, at) = (new.methods.to_string(), micros(new.at));
    let (scope, id) = (new.scope.as_str(), session.get().cast_signed());
    transaction.execute(&statement, &[&amr, &at, &scope, &id]).await?;
    Ok(())
}

/// Of a session's row.
pub(super) fn authentication(row: &Row) -> Result<Authentication, Failure> {
    let at = match get::<Option<i64>>(row, "auth_time")? {
        Some(at) => at,
        None => get(row, "created_at")?,
    };
    let scope: &str = get(row, "scope")?;
    Ok(Authentication {
        at: from_micros(at),
        methods: Methods::from_words(get(row, "amr")?),
        scope: Scope::from_word(scope).ok_or_else(|| unknown(scope))?,
    })
}

/// A few hundredths of a second.
const OWNERS_AT_ONCE: i64 = 250;

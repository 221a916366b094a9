//! One-time tokens as they are issued in SQLite.

use rusqlite::{Connection, named_params, params};

use super::columns::{key, micros};
use super::outbox;
use crate::store::failure::Failure;
use crate::store::sql::statements;
use crate::store::{Mailed, NewToken, StoreError};
use crate::token::{Purpose, SecretHash};

pub(super) fn issue_with_mails(connection: &Connection, mailed: &Mailed) -> Result<bool, Failure> {
    let Mailed { tokens, mails, bounds } = mailed;
    for token in tokens {
        if made_lately(connection, token)? >= bounds.tokens_an_hour {
            return Ok(false);
        }
    }
    let is_live = outbox::queue(connection, mails, *bounds)?;
    for token in tokens {
        issue(connection, token, is_live)?;
    }
    Ok(true)
}

/// How many tokens of its purpose the token's user was given in the last hour.
fn made_lately(connection: &Connection, new: &NewToken) -> Result<u32, Failure> {
    let mut statement = connection.prepare_cached(
        "SELECT count(*) FROM one_time_tokens
         WHERE user_id = ? AND purpose = ? AND created_at > ?",
    )?;
    let since = micros(new.created_at) - HOUR;
    let user = new.user.map(key);
    Ok(statement.query_row(params![user, new.purpose.as_str(), since], |row| row.get(0))?)
}

/// Issues a token with its mail, or, where there were too many mails already, without.
pub(super) fn issue(connection: &Connection, new: &NewToken, is_sent: bool) -> Result<(), Failure> {
    // What a mail that was not sent would have said. The next one is made from it.
    let stays =
        !is_sent && new.purpose == Purpose::VerifyEmail && !is_older_there(connection, new)?;
    let is_live = is_sent || stays || new.purpose == Purpose::Undo;
    if is_sent && new.purpose != Purpose::Undo {
        end_older(connection, new)?;
    }
    let code = new.code.as_ref().filter(|_| !stays);
    connection.prepare_cached(statements::ADD_TOKEN)?.execute(params![
        new.id.as_i64(),
        new.purpose.as_str(),
        new.user.map(key),
        new.address,
        new.secret.as_bytes(),
        code.map(SecretHash::as_bytes),
        new.fingerprint.as_bytes(),
        serde_json::to_string(&new.payload)
            .map_err(|error| StoreError::Failed(error.to_string()))?,
        micros(new.created_at),
        micros(new.expires_at),
        (!is_live).then(|| micros(new.created_at)),
    ])?;
    Ok(())
}

/// A newer one ends the older ones.
fn end_older(connection: &Connection, new: &NewToken) -> Result<(), Failure> {
    let sql = format!("UPDATE one_time_tokens SET used_at = :now WHERE {}", older(new));
    connection.prepare_cached(&sql)?.execute(named_params! {
        ":now": micros(new.created_at),
        ":purpose": new.purpose.as_str(),
        ":user": new.user.map(key),
        ":address": new.address,
    })?;
    Ok(())
}

/// Whether there is an older one that would end.
fn is_older_there(connection: &Connection, new: &NewToken) -> Result<bool, Failure> {
    let sql = format!("SELECT EXISTS (SELECT 1 FROM one_time_tokens WHERE {})", older(new));
    let mut statement = connection.prepare_cached(&sql)?;
    let values = named_params! {
        ":purpose": new.purpose.as_str(),
        ":user": new.user.map(key),
        ":address": new.address,
    };
    Ok(statement.query_row(values, |row| row.get(0))?)
}

/// The older ones: the user's, or the address's where there is no user.
fn older(new: &NewToken) -> String {
    let of_whom = if new.user.is_some() {
        "user_id = :user"
    } else {
        "user_id IS NULL AND address = :address"
    };
    format!(
        "purpose = :purpose AND used_at IS NULL AND {of_whom} AND :user IS :user
             AND :address IS :address"
    )
}

/// In microseconds.
const HOUR: i64 = 3_600_000_000;

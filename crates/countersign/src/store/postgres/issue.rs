//! One-time tokens as they are issued in PostgreSQL.

use deadpool_postgres::{GenericClient, Object, Transaction};

use super::columns::micros;
use super::outbox;
use crate::store::failure::Failure;
use crate::store::sql::statements;
use crate::store::{Mailed, NewToken, StoreError};
use crate::token::Purpose;

pub(super) async fn issue_with_mails(
    client: &mut Object,
    mailed: &Mailed,
) -> Result<bool, Failure> {
    let transaction = client.transaction().await?;
    let is_issued = issue_within(&transaction, mailed).await?;
    if is_issued {
        transaction.commit().await?;
    }
    Ok(is_issued)
}

/// The same within a transaction, which must not be committed where this is `false`.
pub(super) async fn issue_within(
    transaction: &Transaction<'_>,
    mailed: &Mailed,
) -> Result<bool, Failure> {
    let Mailed { tokens, mails, bounds } = mailed;
    // The addresses of mails are held first, then the tokens of a user.
    let is_live = outbox::queue(transaction, mails, *bounds).await?;
    for token in tokens {
        hold(transaction, token).await?;
        if made_lately(transaction, token).await? >= i64::from(bounds.tokens_an_hour) {
            return Ok(false);
        }
    }
    for token in tokens {
        issue(transaction, token, is_live).await?;
    }
    Ok(true)
}

/// One issue at a time for a purpose of a user: of two at once one ends the other's.
async fn hold(transaction: &Transaction<'_>, new: &NewToken) -> Result<(), Failure> {
    let whose = new.user.map_or_else(|| new.address.clone(), |user| user.to_string());
    transaction
        .execute(
            "SELECT pg_advisory_xact_lock(hashtextextended($1, 7))",
            &[&format!("{} {whose}", new.purpose.as_str())],
        )
        .await?;
    Ok(())
}

/// How many tokens of its purpose the token's user was given in the last hour.
async fn made_lately(transaction: &Transaction<'_>, new: &NewToken) -> Result<i64, Failure> {
    let statement = transaction
        .prepare_cached(
            "SELECT count(*) FROM one_time_tokens
             WHERE user_id = $1 AND purpose = $2 AND created_at > $3",
        )
        .await?;
    let user = new.user.map(|user| user.to_string());
    let since = micros(new.created_at) - HOUR;
    let row = transaction.query_one(&statement, &[&user, &new.purpose.as_str(), &since]).await?;
    Ok(row.try_get(0)?)
}

/// Issues a token with its mail, or, where there were too many mails already, without.
pub(super) async fn issue(
    transaction: &Transaction<'_>,
    new: &NewToken,
    is_sent: bool,
) -> Result<(), Failure> {
    let (user, purpose) = (new.user.map(|user| user.to_string()), new.purpose.as_str());
    if new.purpose != Purpose::Undo {
        hold(transaction, new).await?;
    }
    // What a mail that was not sent would have said. The next one is made from it.
    let stays = !is_sent
        && new.purpose == Purpose::VerifyEmail
        && !is_older_there(transaction, new).await?;
    let is_live = is_sent || stays || new.purpose == Purpose::Undo;
    if is_sent && new.purpose != Purpose::Undo {
        end_older(transaction, new).await?;
    }
    let code = new.code.as_ref().filter(|_| !stays);
    let insert = transaction.prepare_cached(statements::ADD_TOKEN).await?;
    let payload = serde_json::to_string(&new.payload)
        .map_err(|error| StoreError::Failed(error.to_string()))?;
    transaction
        .execute(
            &insert,
            &[
                &new.id.as_i64(),
                &purpose,
                &user,
                &new.address,
                &new.secret.as_bytes().as_slice(),
                &code.map(|code| code.as_bytes().as_slice()),
                &new.fingerprint.as_bytes().as_slice(),
                &payload,
                &micros(new.created_at),
                &micros(new.expires_at),
                &(!is_live).then(|| micros(new.created_at)),
            ],
        )
        .await?;
    Ok(())
}

/// A newer one ends the older ones.
async fn end_older(transaction: &Transaction<'_>, new: &NewToken) -> Result<(), Failure> {
    let (user, purpose) = (new.user.map(|user| user.to_string()), new.purpose.as_str());
    let sql = format!("UPDATE one_time_tokens SET used_at = $4 WHERE {OLDER}");
    let end = transaction.prepare_cached(&sql).await?;
    transaction.execute(&end, &[&purpose, &user, &new.address, &micros(new.created_at)]).await?;
    Ok(())
}

/// Whether there is an older one that would end.
async fn is_older_there(transaction: &Transaction<'_>, new: &NewToken) -> Result<bool, Failure> {
    let (user, purpose) = (new.user.map(|user| user.to_string()), new.purpose.as_str());
    let sql = format!("SELECT EXISTS (SELECT 1 FROM one_time_tokens WHERE {OLDER})");
    let look = transaction.prepare_cached(&sql).await?;
    let row = transaction.query_one(&look, &[&purpose, &user, &new.address]).await?;
    Ok(row.try_get(0)?)
}

/// The older ones: the user's, or the address's where there is no user.
const OLDER: &str = "purpose = $1 AND used_at IS NULL
     AND CASE WHEN $2::text IS NULL THEN user_id IS NULL AND address = $3 ELSE user_id = $2 END";

/// In microseconds.
const HOUR: i64 = 3_600_000_000;

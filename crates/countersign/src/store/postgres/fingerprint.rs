//! What one-time tokens are tied to: a user's row as it was, in PostgreSQL.

use deadpool_postgres::{GenericClient, Transaction};

use crate::password::EncodedPassword;
use crate::store::failure::Failure;
use crate::store::sql::statements;
use crate::token::Fingerprint;
use crate::user::{UserId, fold_address};

/// Of the user's row, which is held from now on.
pub(super) async fn of_row(
    transaction: &Transaction<'_>,
    user: UserId,
) -> Result<Option<Fingerprint>, Failure> {
    let statement = transaction
        .prepare_cached("SELECT password, email, is_active FROM users WHERE id = $1 FOR UPDATE")
        .await?;
    let row = transaction.query_opt(&statement, &[&user.as_i64()]).await?;
    row.map(|row| {
        let email: String = row.try_get(1)?;
        let password = EncodedPassword::from_stored(row.try_get(0)?);
        Ok(Fingerprint::of(&password, &fold_address(&email), row.try_get(2)?))
    })
    .transpose()
}

/// Ties what is tied to one state of the row to another.
pub(super) async fn carry(
    client: &impl GenericClient,
    user: UserId,
    before: Fingerprint,
    after: Fingerprint,
) -> Result<(), Failure> {
    let statement = client.prepare_cached(statements::CARRY_TOKENS).await?;
    let (before, after) = (before.as_bytes().as_slice(), after.as_bytes().as_slice());
    client.execute(&statement, &[&after, &user.to_string(), &before]).await?;
    Ok(())
}

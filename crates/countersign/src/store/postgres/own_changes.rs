//! Changes that users ask for of their own rows, in PostgreSQL. Names are held before the row, and
//! the row before the session, as everywhere: what ends the session comes before or after.

use async_trait::async_trait;
use deadpool_postgres::{Object, Transaction};

use super::enrolled::authentication_of;
use super::issue::issue_within;
use super::{PostgresStore, users};
use crate::store::failure::Failure;
use crate::store::{Asker, ChangeAsked, Mailed, OwnChangeStore, SeenAddress, StoreError};
use crate::user::{ProfileChange, User};

#[async_trait]
impl OwnChangeStore for PostgresStore {
    async fn change_own_profile(
        &self,
        by: Asker,
        change: ProfileChange,
        mailed: Mailed,
    ) -> Result<(ChangeAsked, Option<User>), StoreError> {
        write!(self, client => change_profile(client, &by, &change, &mailed))
    }

    async fn issue_own_tokens(&self, by: Asker, mailed: Mailed) -> Result<ChangeAsked, StoreError> {
        write!(self, client => issue_own(client, &by, &mailed))
    }
}

async fn change_profile(
    client: &mut Object,
    by: &Asker,
    change: &ProfileChange,
    mailed: &Mailed,
) -> Result<(ChangeAsked, Option<User>), Failure> {
    let transaction = client.transaction().await?;
    let email = change.email.as_ref().and_then(Option::as_ref);
    users::hold_names_of(&transaction, change.username.as_ref(), email).await?;
    let Some((before, address)) = hold(&transaction, by).await? else {
        return Ok((ChangeAsked::SessionEnded, None));
    };
    if let Some(refused) = refused(&transaction, by, Some(&address)).await? {
        return Ok((refused, None));
    }
    if !issue_within(&transaction, mailed).await? {
        return Ok((ChangeAsked::TooMany, None));
    }
    users::change_profile(&transaction, by.user, &before, change).await?;
    let user = users::by_id(&transaction, by.user).await?;
    transaction.commit().await?;
    Ok((ChangeAsked::Done, user))
}

async fn issue_own(
    client: &mut Object,
    by: &Asker,
    mailed: &Mailed,
) -> Result<ChangeAsked, Failure> {
    let transaction = client.transaction().await?;
    let row = hold(&transaction, by).await?;
    let address = row.as_ref().map(|(_, address)| address);
    if let Some(refused) = refused(&transaction, by, address).await? {
        return Ok(refused);
    }
    if !issue_within(&transaction, mailed).await? {
        return Ok(ChangeAsked::TooMany);
    }
    transaction.commit().await?;
    Ok(ChangeAsked::Done)
}

/// The user's name and address, in the row that is held from now on. Whoever lives elsewhere has
/// none here.
async fn hold(
    transaction: &Transaction<'_>,
    by: &Asker,
) -> Result<Option<(String, SeenAddress)>, Failure> {
    let statement = transaction
        .prepare_cached(
            "SELECT username, email, email_verified FROM users WHERE id = $1 FOR UPDATE",
        )
        .await?;
    let row = transaction.query_opt(&statement, &[&by.user.as_i64()]).await?;
    row.map(|row| {
        let address = SeenAddress { address: row.try_get(1)?, is_proved: row.try_get(2)? };
        Ok((row.try_get(0)?, address))
    })
    .transpose()
}

/// Why nothing is done. The session is held too: of users elsewhere there is no row to hold.
async fn refused(
    transaction: &Transaction<'_>,
    by: &Asker,
    address: Option<&SeenAddress>,
) -> Result<Option<ChangeAsked>, Failure> {
    if authentication_of(transaction, by.session, by.user, by.now).await?.is_none() {
        return Ok(Some(ChangeAsked::SessionEnded));
    }
    let is_stale = by.seen.is_some() && by.seen.as_ref() != address;
    Ok(is_stale.then_some(ChangeAsked::Stale))
}

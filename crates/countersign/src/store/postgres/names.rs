//! Whom a login names in PostgreSQL, and which names and addresses are taken.

use deadpool_postgres::{GenericClient, Object, Transaction};
use tokio_postgres::Client;

use super::columns::get;
use super::user_row::{found_user, select};
use crate::store::failure::Failure;
use crate::store::plan::names::{folding, named_by, refuse_address, refuse_username};
use crate::user::{UserByLogin, UserId, fold, fold_address, names_like};

/// The row that a login names. What names nobody asks the same questions, and reads a row too: the
/// time of an answer must not tell who exists, least of all where no hashing hides it.
pub(super) async fn by_login(client: &Object, login: &str) -> Result<Option<UserByLogin>, Failure> {
    let named = client
        .prepare_cached(
            "SELECT ARRAY(SELECT id FROM users WHERE username = $1 LIMIT 2) AS exact,
                 ARRAY(SELECT id FROM users WHERE username_folded = $2 LIMIT 2) AS folded",
        )
        .await?;
    // PostgreSQL's texts have no NUL; neither has anybody's name.
    let (exact, folded) = (Some(login), fold(login));
    let (exact, folded) = (
        exact.filter(|name| !name.contains('\0')),
        Some(folded).filter(|name| !name.contains('\0')),
    );
    let row = client.query_one(&named, &[&exact, &folded]).await?;
    let (exact, folded): (Vec<i64>, Vec<i64>) = (get(&row, "exact")?, get(&row, "folded")?);
    let owners = owners_of_address(client, login).await?;
    let id = named_by(&exact, &folded, &owners);
    let statement = client.prepare_cached(&select(SOMEBODY)).await?;
    let found = client.query_opt(&statement, &[&id]).await?.as_ref().map(found_user);
    if id.is_some() { found.transpose() } else { Ok(None) }
}

/// The users who have an address that folds to the same, and whether each is active or may come
/// back; twenty at most. Addresses of ASCII letters alone are compared as they are, which is their
/// folding but for the case; others have it in a column of its own, and are compared again, since a
/// foreign writer may have changed the address alone.
pub(super) async fn owners_of_address(
    client: &impl GenericClient,
    address: &str,
) -> Result<Vec<(i64, bool)>, Failure> {
    if !address.contains('@') || address.contains('\0') {
        return Ok(Vec::new());
    }
    let folded = fold_address(address);
    let statement = client
        .prepare_cached(
            "SELECT id, is_active OR deletion_at IS NOT NULL, email FROM users WHERE id IN (
                 SELECT id FROM users
                 WHERE lower(email COLLATE \"C\") = lower($1::text COLLATE \"C\") AND email <> ''
                 UNION SELECT id FROM users
                 WHERE lower(email COLLATE \"C\") = lower($2::text COLLATE \"C\") AND email <> ''
                 UNION SELECT id FROM users WHERE email_folded = $1
             ) LIMIT 20",
        )
        .await?;
    let mut owners = Vec::new();
    for row in client.query(&statement, &[&folded, &address]).await? {
        if fold_address(row.try_get(2)?) == folded {
            owners.push((row.try_get(0)?, row.try_get(1)?));
        }
    }
    Ok(owners)
}

/// Keeps the foldings of addresses with letters beyond ASCII: after a migration, and after foreign
/// writers. The server listens when that is done, so it is some statements for a thousand rows.
pub(super) async fn fold_addresses(client: &Client) -> Result<(), Failure> {
    let mut last = i64::MIN;
    loop {
        let rows = client
            .query(
                "SELECT id, email, email_folded FROM users WHERE octet_length(email) <> \
                 length(email) AND id > $1 ORDER BY id LIMIT 1000",
                &[&last],
            )
            .await?;
        let (mut ids, mut emails, mut foldings) = (Vec::new(), Vec::new(), Vec::new());
        for row in &rows {
            let (email, kept): (String, Option<String>) = (row.try_get(1)?, row.try_get(2)?);
            last = row.try_get(0)?;
            let folded = folding(&email);
            if folded != kept {
                ids.push(last);
                emails.push(email);
                foldings.push(folded);
            }
        }
        if rows.is_empty() {
            return Ok(());
        }
        if !ids.is_empty() {
            client
                .execute(
                    "UPDATE users SET email_folded = n.folded
                     FROM unnest($1::bigint[], $2::text[], $3::text[]) n (id, email, folded)
                     WHERE users.id = n.id AND users.email = n.email",
                    &[&ids, &emails, &foldings],
                )
                .await?;
        }
    }
}

/// Two transactions that would give one name away at once go one after the other: each takes the
/// names that it looks at, in one order.
pub(super) async fn hold_names(
    transaction: &Transaction<'_>,
    names: &[&str],
) -> Result<(), Failure> {
    let mut names: Vec<&str> = names.iter().copied().filter(|name| !name.is_empty()).collect();
    names.sort_unstable();
    for name in names {
        transaction
            .execute(
                "SELECT pg_advisory_xact_lock(hashtextextended('countersign:' || $1, 0))",
                &[&name],
            )
            .await?;
    }
    Ok(())
}

/// Refuses a name that another user has; the rule is [`refuse_username`].
pub(super) async fn refuse_taken(
    transaction: &Transaction<'_>,
    own: Option<UserId>,
    name: &str,
    folded: &str,
) -> Result<(), Failure> {
    let own = own.and_then(UserId::as_i64);
    let is_name: bool = transaction
        .query_one(
            "SELECT EXISTS (SELECT 1 FROM users WHERE (username = $1 OR username_folded = $2) AND \
             id IS DISTINCT FROM $3)",
            &[&name, &folded, &own],
        )
        .await?
        .try_get(0)?;
    Ok(refuse_username(is_name, &owners_of_address(transaction, name).await?, own)?)
}

/// The others whose name reads as this address, with their names. Their rows are held.
pub(super) async fn namesakes(
    transaction: &Transaction<'_>,
    own: UserId,
    address: &str,
) -> Result<Vec<(i64, String)>, Failure> {
    if address.is_empty() {
        return Ok(Vec::new());
    }
    let [folded, written] = names_like(address);
    let rows = transaction
        .query(
            "SELECT id, username FROM users WHERE (username = $1 OR username_folded IN ($2, $3))
                 AND id IS DISTINCT FROM $4 ORDER BY id FOR UPDATE",
            &[&address, &folded, &written, &own.as_i64()],
        )
        .await?;
    rows.iter().map(|row| Ok((row.try_get(0)?, row.try_get(1)?))).collect()
}

/// Refuses an address that another user has; the rule is [`refuse_address`].
pub(super) async fn refuse_taken_address(
    transaction: &Transaction<'_>,
    own: Option<UserId>,
    address: &str,
) -> Result<(), Failure> {
    if address.is_empty() {
        return Ok(());
    }
    let own = own.and_then(UserId::as_i64);
    let [folded, written] = names_like(address);
    let is_name: bool = transaction
        .query_one(
            "SELECT EXISTS (SELECT 1 FROM users WHERE (username = $1 OR username_folded IN ($2, \
             $3)) AND id IS DISTINCT FROM $4)",
            &[&address, &folded, &written, &own],
        )
        .await?
        .try_get(0)?;
    Ok(refuse_address(is_name, &owners_of_address(transaction, address).await?, own)?)
}

/// The user with this id; without one, the first.
const SOMEBODY: &str = "WHERE id = coalesce($1, (SELECT id FROM users ORDER BY id LIMIT 1))";

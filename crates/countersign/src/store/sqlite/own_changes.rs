//! Changes that users ask for of their own rows, in SQLite. One writes at a time: between the look
//! and the change nothing comes.

use async_trait::async_trait;
use rusqlite::{Connection, OptionalExtension};

use super::issue::issue_with_mails;
use super::{SqliteStore, sessions, users};
use crate::store::failure::Failure;
use crate::store::{Asker, ChangeAsked, Mailed, OwnChangeStore, SeenAddress, StoreError};
use crate::user::{ProfileChange, User};

#[async_trait]
impl OwnChangeStore for SqliteStore {
    async fn change_own_profile(
        &self,
        by: Asker,
        change: ProfileChange,
        mailed: Mailed,
    ) -> Result<(ChangeAsked, Option<User>), StoreError> {
        self.writer.run(move |c| change_profile(c, &by, &change, &mailed)).await
    }

    async fn issue_own_tokens(&self, by: Asker, mailed: Mailed) -> Result<ChangeAsked, StoreError> {
        self.writer.run(move |c| issue_own(c, &by, &mailed)).await
    }
}

fn change_profile(
    connection: &Connection,
    by: &Asker,
    change: &ProfileChange,
    mailed: &Mailed,
) -> Result<(ChangeAsked, Option<User>), Failure> {
    if users::by_id(connection, by.user)?.is_none() {
        return Ok((ChangeAsked::SessionEnded, None));
    }
    // What is one too many leaves nothing behind: the row comes last.
    let asked = issue_own(connection, by, mailed)?;
    let user = match asked {
        ChangeAsked::Done => users::update_profile(connection, by.user, change)?,
        _ => None,
    };
    Ok((asked, user))
}

fn issue_own(connection: &Connection, by: &Asker, mailed: &Mailed) -> Result<ChangeAsked, Failure> {
    if !sessions::is_live(connection, by.session, by.user, by.now)? {
        return Ok(ChangeAsked::SessionEnded);
    }
    if by.seen.is_some() && by.seen != address_of(connection, by)? {
        return Ok(ChangeAsked::Stale);
    }
    let is_issued = issue_with_mails(connection, mailed)?;
    Ok(if is_issued { ChangeAsked::Done } else { ChangeAsked::TooMany })
}

fn address_of(connection: &Connection, by: &Asker) -> Result<Option<SeenAddress>, Failure> {
    let mut statement =
        connection.prepare_cached("SELECT email, email_verified FROM users WHERE id = ?")?;
    let row = statement.query_row([by.user.as_i64()], |row| {
        Ok(SeenAddress { address: row.get(0)?, is_proved: row.get(1)? })
    });
    Ok(row.optional()?)
}

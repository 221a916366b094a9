//! The store without a file, for tests of an app.

use std::path::Path;

use rusqlite::OpenFlags;

use super::files::Files;
use super::{SqliteStore, connect, prepared};
use crate::clock::{OsRandom, random_bytes};
use crate::store::StoreError;

impl SqliteStore {
    /// A store in memory, for tests: it is there at once, nobody else sees it, and it goes with the
    /// last that holds it. Everything else is as in a file.
    ///
    /// # Errors
    /// [`StoreError::Failed`] when there is no memory or no thread.
    ///
    /// ```
    /// use countersign::Auth;
    /// use countersign::store::sqlite::SqliteStore;
    /// use countersign::token::Secrets;
    ///
    /// # tokio::runtime::Runtime::new().unwrap().block_on(async {
    /// let secrets = Secrets::from_text("only for tests, only for tests, only").unwrap();
    /// let auth = Auth::builder(SqliteStore::in_memory().unwrap()).secrets(secrets).build().await;
    /// let app: axum::Router = auth.unwrap().routes();
    /// # });
    /// ```
    pub fn in_memory() -> Result<Self, StoreError> {
        let name = u128::from_ne_bytes(random_bytes(&OsRandom));
        // SQLite's own file system in memory, in which connections of one process share a name.
        let name = format!("file:/countersign-{name:032x}?vfs=memdb");
        let (name, uri) = (Path::new(&name), OpenFlags::SQLITE_OPEN_URI);
        let anew = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE | uri;
        let writer = prepared(name, connect(name, anew)?)?;
        Self::start(writer, Files::in_memory(), || {
            connect(name, OpenFlags::SQLITE_OPEN_READ_ONLY | uri)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::password::EncodedPassword;
    use crate::store::{Upkeep, UserStore};
    use crate::user::{NewUser, Username};

    #[tokio::test]
    async fn two_stores_in_memory_know_nothing_of_each_other() {
        let (one, other) = (SqliteStore::in_memory().unwrap(), SqliteStore::in_memory().unwrap());
        let ada = NewUser::new(Username::parse("ada").unwrap(), None, EncodedPassword::unusable());
        one.create_user(ada, jiff::Timestamp::UNIX_EPOCH).await.unwrap();
        assert_eq!(one.users(None, 10).await.unwrap().len(), 1);
        assert!(other.users(None, 10).await.unwrap().is_empty());
        // There is no log to empty, and nobody waits for it.
        one.close().await;
        assert_eq!(one.users(None, 10).await.unwrap().len(), 1);
    }
}

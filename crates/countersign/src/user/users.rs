//! Users in a table of the app's own.

use std::fmt;

use async_trait::async_trait;
use countersign_verify::Account;
use jiff::Timestamp;
use serde::Serialize;

use super::{CachedUser, FoundUser, UserId};
use crate::password::EncodedPassword;
use crate::store_error::StoreError;

/// Users in a table of the app's own: four questions over it, and everything else stays
/// Countersign's. Sessions, keys and the feed of changes live in the store.
///
/// Tell [`Auth::user_changed`](crate::Auth::user_changed) whenever the app changes a row, so that
/// every process forgets what it knew of the user.
///
/// `examples/custom-user` is a whole app on a table of its own.
///
/// ```
/// use std::collections::HashMap;
/// use std::sync::Mutex;
///
/// use countersign::password::EncodedPassword;
/// use countersign::store::StoreError;
/// use countersign::user::{Account, FoundUser, UserId, Users};
///
/// #[derive(Debug, Clone, serde::Serialize)]
/// struct Member {
///     id: UserId,
///     name: String,
/// }
///
/// impl Account for Member {
///     fn id(&self) -> UserId {
///         self.id
///     }
///     fn username(&self) -> &str {
///         &self.name
///     }
/// }
///
/// #[derive(Debug, Default)]
/// struct Members(Mutex<HashMap<UserId, (Member, EncodedPassword)>>);
///
/// #[async_trait::async_trait]
/// impl Users for Members {
///     type User = Member;
///
///     async fn by_login(&self, login: &str) -> Result<Option<FoundUser<Member>>, StoreError> {
///         let members = self.0.lock().unwrap();
///         let found = members.values().find(|(member, _)| member.name == login);
///         Ok(found.map(|(user, password)| FoundUser {
///             user: user.clone(),
///             password: password.clone(),
///         }))
///     }
///
///     async fn by_id(&self, id: UserId) -> Result<Option<FoundUser<Member>>, StoreError> {
///         let members = self.0.lock().unwrap();
///         Ok(members.get(&id).map(|(user, password)| FoundUser {
///             user: user.clone(),
///             password: password.clone(),
///         }))
///     }
///
///     async fn set_password(
///         &self,
///         id: UserId,
///         old: &EncodedPassword,
///         new: &EncodedPassword,
///     ) -> Result<bool, StoreError> {
///         let mut members = self.0.lock().unwrap();
///         let Some((_, password)) =
///             members.get_mut(&id).filter(|(_, password)| password.as_str() == old.as_str())
///         else {
///             return Ok(false);
///         };
///         *password = new.clone();
///         Ok(true)
///     }
///
///     async fn note_login(&self, _: UserId, _: jiff::Timestamp) -> Result<(), StoreError> {
///         Ok(())
///     }
/// }
/// ```
#[async_trait]
pub trait Users: fmt::Debug + Send + Sync + 'static {
    /// A row of the table. It is what `CurrentUser` extracts, and, as JSON, the `user` of login and
    /// profile: leave out what nobody should see.
    type User: Account + Serialize;

    /// The user whom `login`, as it was typed, names: a user name or an e-mail address, as the app
    /// has it. Inactive users too. Several at once are nobody.
    ///
    /// # Errors
    /// When the table cannot be asked: [`StoreError::failed`]. The client then gets a 503, and
    /// nothing is counted against it.
    async fn by_login(&self, login: &str) -> Result<Option<FoundUser<Self::User>>, StoreError>;

    /// The user with this id.
    ///
    /// # Errors
    /// As for [`by_login`](Self::by_login).
    async fn by_id(&self, id: UserId) -> Result<Option<FoundUser<Self::User>>, StoreError>;

    /// Sets an encoded password in the place of `old`: a changed one, or the same one encoded anew.
    /// `false` when the user is gone, or the password is not `old` any more.
    ///
    /// # Errors
    /// As for [`by_login`](Self::by_login).
    async fn set_password(
        &self,
        id: UserId,
        old: &EncodedPassword,
        new: &EncodedPassword,
    ) -> Result<bool, StoreError>;

    /// Notes when the user last signed in.
    ///
    /// # Errors
    /// As for [`by_login`](Self::by_login); the login then fails.
    async fn note_login(&self, id: UserId, at: Timestamp) -> Result<(), StoreError>;

    /// The kinds of hash of active users that are in the table: each encoded password's part before
    /// the salt, once. A failed login costs what the costliest does, so that it does not tell who
    /// exists. None, where all passwords are of the kind that is configured.
    ///
    /// # Errors
    /// As for [`by_login`](Self::by_login).
    async fn password_kinds(&self) -> Result<Vec<String>, StoreError> {
        Ok(Vec::new())
    }
}

/// [`Users`] of any type.
#[async_trait]
pub(crate) trait AnyUsers: fmt::Debug + Send + Sync {
    async fn by_login(&self, login: &str) -> Result<Option<FoundUser<CachedUser>>, StoreError>;
    async fn by_id(&self, id: UserId) -> Result<Option<FoundUser<CachedUser>>, StoreError>;
    async fn set_password(
        &self,
        id: UserId,
        old: &EncodedPassword,
        new: &EncodedPassword,
    ) -> Result<bool, StoreError>;
    async fn note_login(&self, id: UserId, at: Timestamp) -> Result<(), StoreError>;
    async fn password_kinds(&self) -> Result<Vec<String>, StoreError>;
}

#[async_trait]
impl<T: Users> AnyUsers for T {
    async fn by_login(&self, login: &str) -> Result<Option<FoundUser<CachedUser>>, StoreError> {
        Ok(Users::by_login(self, login).await?.map(known))
    }

    async fn by_id(&self, id: UserId) -> Result<Option<FoundUser<CachedUser>>, StoreError> {
        Ok(Users::by_id(self, id).await?.map(known))
    }

    async fn set_password(
        &self,
        id: UserId,
        old: &EncodedPassword,
        new: &EncodedPassword,
    ) -> Result<bool, StoreError> {
        Users::set_password(self, id, old, new).await
    }

    async fn note_login(&self, id: UserId, at: Timestamp) -> Result<(), StoreError> {
        Users::note_login(self, id, at).await
    }

    async fn password_kinds(&self) -> Result<Vec<String>, StoreError> {
        Users::password_kinds(self).await
    }
}

fn known<U: Account + Serialize>(found: FoundUser<U>) -> FoundUser<CachedUser> {
    FoundUser { user: CachedUser::new(found.user), password: found.password }
}

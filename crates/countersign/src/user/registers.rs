//! A table of the app's own in which people register, change their address and delete their
//! account.

use std::fmt;

use async_trait::async_trait;
use jiff::Timestamp;

use super::users::Users;
use super::{NewUser, UserId};
use crate::store_error::StoreError;

/// A table of the app's own in which people register: four acts beside the four questions of
/// [`Users`]. Given to [`registering_users`](crate::AuthBuilder::registering_users), the endpoints
/// for registration and for addresses are mounted as for the store's own users.
///
/// Each act is one statement, whose conditions say whether it was done: two that come at once
/// cannot both be right. The table's own constraints see to it that no two rows have one name or
/// one address. Say in the account's `email_verified` whether the address is proved.
///
/// `examples/sign-up` is a whole app on such a table.
///
/// ```
/// use countersign::Auth;
/// use countersign::AuthBuilder;
/// use countersign::store::Store;
/// use countersign::user::Registers;
///
/// fn with_sign_up(store: impl Store, members: impl Registers) -> AuthBuilder {
///     Auth::builder(store).registering_users(members)
/// }
/// ```
#[async_trait]
pub trait Registers: Users {
    /// Makes a row: user name, address if it is believed, names, encoded password, language, and
    /// in `metadata` what the app's own
    /// [`RegistrationHooks`](crate::registration::RegistrationHooks) made of the rest of the
    /// form. Nobody who registers is staff.
    ///
    /// The address is not proved yet, unless `new.email_verified` says so.
    ///
    /// # Errors
    /// [`StoreError::UsernameTaken`]; where the name is free, [`StoreError::EmailTaken`]. In this
    /// order, because the first is said to who asks and the second is not. [`StoreError::failed`]
    /// when the table does not answer.
    async fn create(&self, new: NewUser, at: Timestamp) -> Result<UserId, StoreError>;

    /// Notes that the address is the user's, if it is still this one. `false` when it is another
    /// by now, or the user is gone.
    ///
    /// # Errors
    /// [`StoreError::failed`].
    async fn set_verified(&self, id: UserId, address: &str) -> Result<bool, StoreError>;

    /// Puts an address in the place of `old`, and notes that it is the user's. Either may be empty
    /// for none. `false` when the user has another than `old` by now, or is gone.
    ///
    /// # Errors
    /// [`StoreError::EmailTaken`] when another user has it; [`StoreError::failed`].
    async fn change_address(&self, id: UserId, old: &str, new: &str) -> Result<bool, StoreError>;

    /// Deletes the user. `false` when there was none.
    ///
    /// # Errors
    /// [`StoreError::failed`].
    async fn delete(&self, id: UserId) -> Result<bool, StoreError>;
}

/// [`Registers`] of any type.
#[async_trait]
pub(crate) trait AnyRegisters: fmt::Debug + Send + Sync {
    async fn create(&self, new: NewUser, at: Timestamp) -> Result<UserId, StoreError>;
    async fn set_verified(&self, id: UserId, address: &str) -> Result<bool, StoreError>;
    async fn change_address(&self, id: UserId, old: &str, new: &str) -> Result<bool, StoreError>;
    async fn delete(&self, id: UserId) -> Result<bool, StoreError>;
}

#[async_trait]
impl<T: Registers> AnyRegisters for T {
    async fn create(&self, new: NewUser, at: Timestamp) -> Result<UserId, StoreError> {
        Registers::create(self, new, at).await
    }

    async fn set_verified(&self, id: UserId, address: &str) -> Result<bool, StoreError> {
        Registers::set_verified(self, id, address).await
    }

    async fn change_address(&self, id: UserId, old: &str, new: &str) -> Result<bool, StoreError> {
        Registers::change_address(self, id, old, new).await
    }

    async fn delete(&self, id: UserId) -> Result<bool, StoreError> {
        Registers::delete(self, id).await
    }
}

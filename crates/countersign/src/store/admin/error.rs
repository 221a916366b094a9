//! Why a change was not made.

use crate::store::StoreError;

/// Why a change was not made.
///
/// ```
/// use countersign::store::admin::AdminError;
///
/// assert_eq!(AdminError::LastSuperuser.to_string(), "there must be an active superuser left");
/// ```
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum AdminError {
    /// It was changed meanwhile, and is not overwritten.
    #[error("it was changed meanwhile")]
    Stale,
    /// It is not there any more.
    #[error("it is not there any more")]
    Gone,
    /// The operator may not do this, as things are in the transaction.
    #[error("the operator may not do this")]
    NotAllowed,
    /// Nobody would be left who can do everything.
    #[error("there must be an active superuser left")]
    LastSuperuser,
    /// Another group or permission has this name.
    #[error("another has this name")]
    NameTaken,
    /// The key of this request was sent with another one before.
    #[error("this key was sent with another request before")]
    KeyReused,
    /// The store could not.
    #[error(transparent)]
    Store(#[from] StoreError),
}

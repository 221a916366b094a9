//! Why a store could not do as asked.

#[cfg(any(feature = "axum", feature = "postgres", feature = "sqlite"))]
use crate::supervise::Panicked;

/// Why the store could not do as asked.
///
/// ```
/// use countersign::http::{Code, Problem};
/// use countersign::store::StoreError;
///
/// assert_eq!(Problem::from(StoreError::Busy).code(), Code::Unavailable);
/// assert_eq!(Problem::from(StoreError::UsernameTaken).code(), Code::ValidationError);
/// ```
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// Another user has this name, to the letter or after case folding, or as e-mail address.
    #[error("another user has this name")]
    UsernameTaken,
    /// The address is another user's name, or that of another active user.
    #[error("another user has this address")]
    EmailTaken,
    /// The store cannot take more work now. Try again soon; nothing was done.
    #[error("the store is busy")]
    Busy,
    /// The store failed: the disk is full, the file is gone, the connection is cut. Nothing was
    /// done.
    #[error("the store failed: {0}")]
    Failed(String),
    /// The store gave no answer to something that was under way: it may have been done, or not. To
    /// do it again is safe.
    #[error("whether it was done is not known: {0}")]
    Unknown(String),
}

impl StoreError {
    /// The database of an app's own [`Users`](crate::user::Users) failed. The text is for the log,
    /// not for clients.
    ///
    /// ```
    /// use countersign::store::StoreError;
    ///
    /// let error = StoreError::failed("the members' table is locked");
    /// assert_eq!(error.to_string(), "the store failed: the members' table is locked");
    /// ```
    pub fn failed(error: impl std::fmt::Display) -> Self {
        Self::Failed(error.to_string())
    }

    /// The same error of something that changes nothing.
    #[cfg(feature = "postgres")]
    pub(crate) fn undone(self) -> Self {
        match self {
            Self::Unknown(why) => Self::Failed(why),
            other => other,
        }
    }

    /// The same error after something has been done, or may have been.
    #[cfg(any(feature = "axum", feature = "sqlite"))]
    pub(crate) fn unknown(self) -> Self {
        match self {
            Self::Busy => Self::Unknown("the store is busy".to_owned()),
            Self::Failed(why) => Self::Unknown(why),
            other => other,
        }
    }
}

#[cfg(any(feature = "axum", feature = "postgres", feature = "sqlite"))]
impl From<Panicked> for StoreError {
    fn from(_: Panicked) -> Self {
        Self::Failed("the operation panicked".to_owned())
    }
}

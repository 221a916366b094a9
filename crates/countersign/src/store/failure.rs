//! What goes wrong within a store. The errors of the drivers become it, each in the store of its
//! driver, beside what it says; and it becomes the public errors: a public type that came from a
//! driver's would make every new driver a break.

use super::StoreError;
use super::admin::AdminError;
use super::transfer::TransferError;

/// Why an operation failed, on its way to who asked for it.
#[derive(Debug)]
pub(crate) struct Failure<E = StoreError>(pub(crate) E);

impl<E: From<StoreError>> Failure<E> {
    /// A failure of the store as that of an act.
    pub(crate) fn of(Failure(error): Failure) -> Self {
        Self(error.into())
    }
}

impl<E: From<StoreError>> From<StoreError> for Failure<E> {
    fn from(error: StoreError) -> Self {
        Self(error.into())
    }
}

impl From<AdminError> for Failure<AdminError> {
    fn from(error: AdminError) -> Self {
        Self(error)
    }
}

impl From<Failure> for Failure<AdminError> {
    fn from(failure: Failure) -> Self {
        Self::of(failure)
    }
}

impl From<Failure> for StoreError {
    fn from(Failure(error): Failure) -> Self {
        error
    }
}

impl From<Failure> for TransferError {
    fn from(Failure(error): Failure) -> Self {
        error.into()
    }
}

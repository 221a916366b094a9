//! Where a round of deletions goes on: some rows cannot be deleted, and must not keep those behind
//! them from their turn.

use std::sync::{Arc, Mutex, PoisonError};

use super::StoreError;
use crate::user::UserId;

/// The time and the id of the row that was looked at last. The rounds go through all that is due,
/// and begin again at its end.
#[derive(Debug, Clone, Default)]
pub(super) struct Passed(Arc<Mutex<Option<Place>>>);

/// When a row is due, in microseconds, and its id.
pub(super) type Place = (i64, i64);

impl Passed {
    /// Behind which row the next round begins.
    pub(super) fn last(&self) -> Place {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).unwrap_or((i64::MIN, i64::MIN))
    }

    /// Notes that a round has looked at this row.
    pub(super) fn note(&self, place: Place) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(place);
    }

    /// Notes that there was nothing more behind the last one.
    pub(super) fn begin_again(&self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }
}

/// Tells the log of somebody who could not be deleted.
pub(super) fn stays(user: UserId, error: &StoreError) {
    tracing::error!(%user, %error, "a user who is to be deleted could not be; the others are, and \
        this one is tried again");
}

//! What the store knows of its own health without asking.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::store::StoreError;
use crate::store::admin::AdminError;
use crate::store::failure::Failure;

/// When the database last had no room for a write, or might not write at all.
///
/// A small write may find room where a larger one does not, so that asking does not tell.
#[derive(Debug, Default)]
pub(super) struct Health(Mutex<Option<(Instant, String)>>);

impl Health {
    /// Notes how a write went.
    pub(super) fn note<T, E: Verdict>(&self, result: &Result<T, E>) {
        if let Err(error) = result
            && let Some(StoreError::Failed(why)) = error.of_the_store()
            && NO_WRITE.iter().any(|words| why.contains(words))
        {
            *self.0.lock().unwrap_or_else(PoisonError::into_inner) =
                Some((Instant::now(), why.clone()));
        }
    }

    /// What went wrong lately.
    pub(super) fn trouble(&self) -> Option<StoreError> {
        let last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        last.as_ref()
            .filter(|(at, _)| at.elapsed() < LATELY)
            .map(|(_, why)| StoreError::Failed(why.clone()))
    }
}

/// Whether the server did not say what it did.
pub(super) fn is_unknown<T, E: Verdict>(result: &Result<T, Failure<E>>) -> bool {
    result
        .as_ref()
        .err()
        .is_some_and(|Failure(error)| matches!(error.of_the_store(), Some(StoreError::Unknown(_))))
}

/// An error that may be the store's.
pub(super) trait Verdict {
    /// The store's error.
    fn of_the_store(&self) -> Option<&StoreError>;

    /// The same error of something that changes nothing.
    fn undone(self) -> Self;
}

impl Verdict for StoreError {
    fn of_the_store(&self) -> Option<&StoreError> {
        Some(self)
    }

    fn undone(self) -> Self {
        Self::undone(self)
    }
}

impl Verdict for AdminError {
    fn of_the_store(&self) -> Option<&StoreError> {
        if let Self::Store(error) = self { Some(error) } else { None }
    }

    fn undone(self) -> Self {
        match self {
            Self::Store(error) => Self::Store(error.undone()),
            other => other,
        }
    }
}

/// What is said of a disk that is full or fails, of data that are damaged, and of a database that
/// may only be read.
const NO_WRITE: [&str; 5] = ["(53100)", "(58030)", "(58P01)", "(XX001)", "(25006)"];

/// How long one failed write is remembered.
const LATELY: Duration = Duration::from_secs(10);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_disk_is_remembered_and_a_refused_row_is_not() {
        let health = Health::default();
        health.note::<(), StoreError>(&Err(StoreError::UsernameTaken));
        health.note::<(), AdminError>(&Err(AdminError::Gone));
        health.note::<(), StoreError>(&Err(StoreError::failed(
            "ERROR: there is no such function (42883)",
        )));
        assert!(health.trouble().is_none());
        health.note::<(), AdminError>(&Err(
            StoreError::failed("ERROR: no space left (53100)").into()
        ));
        assert!(health.trouble().is_some());
    }
}

//! Whether anybody still waits for what a request does.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

tokio::task_local! {
    static HERE: Gone;
}

/// Whether the client of a request has gone. The request runs to its end without it, but nothing
/// that is as dear as a hash is begun for it any more.
#[derive(Debug, Clone, Default)]
pub(crate) struct Gone(Arc<AtomicBool>);

impl Gone {
    /// That of the request that is worked on here, if one is.
    pub(crate) fn here() -> Option<Self> {
        HERE.try_with(Self::clone).ok()
    }

    pub(crate) fn is_so(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

#[cfg(any(test, feature = "axum"))]
impl Gone {
    pub(crate) fn note(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    /// Work for this client.
    pub(crate) fn of<F: Future>(self, work: F) -> impl Future<Output = F::Output> {
        HERE.scope(self, work)
    }
}

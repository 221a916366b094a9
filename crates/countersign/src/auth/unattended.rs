//! Requests that run on although their clients have gone.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::Auth;

/// How many there are, within bounds: what strangers leave behind takes memory.
#[derive(Debug, Clone)]
pub(crate) struct Unattended(Arc<Semaphore>);

/// The place of one of them. It is free again when this is dropped.
pub(crate) struct Place(#[expect(dead_code, reason = "held, and dropped")] OwnedSemaphorePermit);

impl Default for Unattended {
    fn default() -> Self {
        Self(Arc::new(Semaphore::new(MOST as usize)))
    }
}

impl Unattended {
    /// A place for one more, if there is one.
    pub(crate) fn place(&self) -> Option<Place> {
        Arc::clone(&self.0).try_acquire_owned().ok().map(Place)
    }

    /// Is over when none is left.
    async fn none_left(&self) {
        // It is never closed.
        let _ = self.0.acquire_many(MOST).await;
    }
}

impl Auth {
    /// Waits until the requests have ended whose clients went away, for so long at most; whether
    /// they have. For a server that stops: what they leave in a log is to be there.
    ///
    /// ```
    /// # mod world { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/examples/world.rs")); }
    /// # world::run(async |world| {
    /// assert!(world.auth.unattended_ended(std::time::Duration::from_secs(1)).await);
    /// # });
    /// ```
    #[doc(hidden)]
    pub async fn unattended_ended(&self, patience: Duration) -> bool {
        tokio::time::timeout(patience, self.unattended().none_left()).await.is_ok()
    }
}

/// Each has a request of 64 KiB at most.
const MOST: u32 = 1024;

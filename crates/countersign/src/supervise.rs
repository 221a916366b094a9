//! A panic in one job fails that job, and no other: whoever works for many goes on.

use std::panic::AssertUnwindSafe;
#[cfg(any(feature = "axum", feature = "sqlite"))]
use std::panic::catch_unwind;
#[cfg(feature = "axum")]
use std::time::Duration;

#[cfg(any(feature = "axum", feature = "postgres"))]
use futures_util::FutureExt;

/// A job ended in a panic.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Panicked;

/// Does a job. What it worked on must be in order after a panic too.
#[cfg(any(feature = "axum", feature = "sqlite"))]
pub(crate) fn caught<T>(job: impl FnOnce() -> T) -> Result<T, Panicked> {
    catch_unwind(AssertUnwindSafe(job)).map_err(|_| Panicked)
}

/// As [`caught`], for a job that waits.
#[cfg(any(feature = "axum", feature = "postgres"))]
pub(crate) async fn caught_async<T>(job: impl Future<Output = T>) -> Result<T, Panicked> {
    AssertUnwindSafe(job).catch_unwind().await.map_err(|_| Panicked)
}

/// Does work that never ends by itself, and begins it again where it panicked.
#[cfg(feature = "axum")]
pub(crate) async fn kept_up<F: Future<Output = ()>>(name: &'static str, work: impl Fn() -> F) {
    begun_again(name, BEGIN_AGAIN_AFTER, work).await;
}

#[cfg(feature = "axum")]
async fn begun_again<F: Future<Output = ()>>(
    name: &'static str,
    after: Duration,
    work: impl Fn() -> F,
) {
    while caught_async(work()).await.is_err() {
        let _ = caught(|| tracing::error!(task = name, "a task panicked; it begins again"));
        tokio::time::sleep(after).await;
    }
}

/// A place where a test lets its own thread panic, once. Elsewhere it is nothing.
#[cfg(all(not(test), feature = "postgres"))]
pub(crate) const fn fault_point(_: &'static str) {}

#[cfg(all(test, feature = "postgres"))]
pub(crate) use faults::fault_point;

#[cfg(all(test, feature = "postgres"))]
pub(crate) mod faults {
    use std::cell::Cell;

    thread_local! {
        static NEXT: Cell<Option<&'static str>> = const { Cell::new(None) };
    }

    /// Whoever comes by `place` next in this thread panics.
    pub(crate) fn panic_at(place: &'static str) {
        NEXT.set(Some(place));
    }

    /// Whether nobody came by.
    pub(crate) fn is_waiting() -> bool {
        NEXT.get().is_some()
    }

    pub(crate) fn fault_point(place: &'static str) {
        if NEXT.get() == Some(place) {
            NEXT.set(None);
            panic!("on purpose, while {place}");
        }
    }
}

/// So that one that panics at once does not keep a core busy.
#[cfg(feature = "axum")]
const BEGIN_AGAIN_AFTER: Duration = Duration::from_secs(1);

#[cfg(all(test, feature = "axum"))]
mod tests {
    use std::sync::atomic::{AtomicU8, Ordering};

    use super::*;

    #[tokio::test]
    async fn a_task_that_panics_begins_again_until_it_ends() {
        let begun = AtomicU8::new(0);
        begun_again("test", Duration::ZERO, || async {
            assert!(begun.fetch_add(1, Ordering::Relaxed) >= 2, "on purpose");
        })
        .await;
        assert_eq!(begun.into_inner(), 3);
    }
}

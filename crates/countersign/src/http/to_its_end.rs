//! Work that is done to its end, whether or not somebody waits for it.

use std::pin::Pin;
use std::task::{Context, Poll};

use tracing::{Instrument, Span};

use crate::auth::Auth;
use crate::auth::unattended::Unattended;
use crate::password::Gone;

/// What answers a request that writes. It is done to its end once it has begun: a server drops it
/// when the client closes the connection, and what would come after the store's commit (the line
/// in the audit log, the app's hooks) would not come.
///
/// It is polled in the place where it is, and goes on as a task of its own when it is dropped: for
/// whoever waits for the answer it costs nothing. Passwords that wait to be hashed are skipped
/// then. At most 1,024 go on at a time; more are dropped, as all were.
///
/// ```
/// # mod world { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/examples/world.rs")); }
/// use countersign::http::ToItsEnd;
///
/// # world::run(async |world| {
/// # let auth = world.auth;
/// let answer = ToItsEnd::new(&auth, async { "done" });
/// assert_eq!(answer.await, "done");
/// # });
/// ```
pub struct ToItsEnd<T: Send + 'static> {
    /// Not there while it is polled, so that what panics is not run again; nor afterwards.
    work: Option<Pin<Box<dyn Future<Output = T> + Send>>>,
    has_begun: bool,
    /// To be told, unless it stands within another of its kind, whose client it is.
    gone: Option<Gone>,
    unattended: Unattended,
    span: Span,
}

impl<T: Send + 'static> ToItsEnd<T> {
    /// Of this work, in the span of whoever calls.
    ///
    /// ```
    /// # use countersign::{Auth, http::ToItsEnd};
    /// fn six(auth: &Auth) -> ToItsEnd<u8> {
    ///     ToItsEnd::new(auth, std::future::ready(6))
    /// }
    /// ```
    pub fn new(auth: &Auth, work: impl Future<Output = T> + Send + 'static) -> Self {
        Self::on(auth.unattended(), work)
    }

    fn on(unattended: &Unattended, work: impl Future<Output = T> + Send + 'static) -> Self {
        let (gone, work): (_, Pin<Box<dyn Future<Output = T> + Send>>) = match Gone::here() {
            Some(_) => (None, Box::pin(work)),
            None => {
                let gone = Gone::default();
                (Some(gone.clone()), Box::pin(gone.of(work)))
            }
        };
        let (unattended, span) = (unattended.clone(), Span::current());
        Self { work: Some(work), has_begun: false, gone, unattended, span }
    }
}

impl<T: Send + 'static> Future for ToItsEnd<T> {
    type Output = T;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<T> {
        let Some(mut work) = self.work.take() else { return Poll::Pending };
        self.has_begun = true;
        let polled = work.as_mut().poll(context);
        if polled.is_pending() {
            self.work = Some(work);
        }
        polled
    }
}

impl<T: Send + 'static> Drop for ToItsEnd<T> {
    fn drop(&mut self) {
        let Some(work) = self.work.take().filter(|_| self.has_begun) else { return };
        if let Some(gone) = &self.gone {
            gone.note();
        }
        // Without a runtime, as at the end of a test, nothing goes on.
        let Ok(runtime) = tokio::runtime::Handle::try_current() else { return };
        let Some(place) = self.unattended.place() else {
            tracing::warn!(
                "a request was dropped in the middle, since more clients went away than requests \
                 can go on without; what it did may have no line in the audit log"
            );
            return;
        };
        let unattended = async move {
            work.await;
            drop(place);
        };
        runtime.spawn(unattended.instrument(std::mem::replace(&mut self.span, Span::none())));
    }
}

impl<T: Send + 'static> std::fmt::Debug for ToItsEnd<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ToItsEnd").field("has_begun", &self.has_begun).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::future::{pending, poll_fn};
    use std::task::Waker;

    use tokio::sync::{mpsc, oneshot};

    use super::*;

    /// Work that says when it has begun, waits to be let go on, and says when it has ended.
    fn work(
        unattended: &Unattended,
        said: &mpsc::UnboundedSender<&'static str>,
    ) -> (ToItsEnd<()>, oneshot::Sender<()>) {
        let (go, goes) = oneshot::channel::<()>();
        let said = said.clone();
        let work = async move {
            said.send("begun").unwrap();
            goes.await.unwrap();
            said.send("ended").unwrap();
        };
        (ToItsEnd::on(unattended, work), go)
    }

    /// Polls it once.
    fn begin<T: Send>(work: &mut ToItsEnd<T>) -> Poll<T> {
        Pin::new(work).poll(&mut Context::from_waker(Waker::noop()))
    }

    #[tokio::test]
    async fn what_has_begun_is_done_to_its_end_though_nobody_waits_for_it() {
        let (unattended, (said, mut heard)) = (Unattended::default(), mpsc::unbounded_channel());
        let (mut work, go) = work(&unattended, &said);
        assert!(begin(&mut work).is_pending());
        assert_eq!(heard.try_recv(), Ok("begun"));
        drop(work);
        go.send(()).unwrap();
        assert_eq!(heard.recv().await, Some("ended"));
    }

    #[tokio::test]
    async fn what_has_not_begun_does_not_begin_when_its_client_has_gone() {
        let (unattended, (said, mut heard)) = (Unattended::default(), mpsc::unbounded_channel());
        let (work, go) = work(&unattended, &said);
        drop((work, said));
        assert!(go.is_closed());
        assert_eq!(heard.recv().await, None);
    }

    #[tokio::test]
    async fn what_has_panicked_is_not_run_again() {
        let mut work =
            ToItsEnd::<()>::on(&Unattended::default(), async { panic!("on purpose, once") });
        let caught = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| begin(&mut work)));
        assert!(caught.is_err());
        assert!(begin(&mut work).is_pending());
    }

    #[tokio::test]
    async fn what_is_left_behind_is_bounded() {
        let unattended = Unattended::default();
        let places: Vec<_> = std::iter::from_fn(|| unattended.place()).collect();
        assert_eq!(places.len(), 1024);
        let (said, mut heard) = mpsc::unbounded_channel();
        let (mut dropped, go) = work(&unattended, &said);
        assert!(begin(&mut dropped).is_pending());
        drop(dropped);
        assert!(go.is_closed());
        drop(places);
        let (mut kept, go) = work(&unattended, &said);
        assert!(begin(&mut kept).is_pending());
        drop(kept);
        go.send(()).unwrap();
        while heard.recv().await != Some("ended") {}
    }

    #[tokio::test]
    async fn work_within_work_knows_when_the_client_of_both_has_gone() {
        let unattended = Unattended::default();
        let (inner, (said, mut heard)) = (unattended.clone(), mpsc::unbounded_channel());
        let mut outer = ToItsEnd::on(&unattended, async move {
            ToItsEnd::on(&inner, async move {
                let gone = Gone::here().unwrap();
                said.send(gone.is_so()).unwrap();
                // Until it is polled by the task that goes on.
                let mut turns = 0;
                poll_fn(|context| {
                    turns += 1;
                    context.waker().wake_by_ref();
                    if turns > 1 { Poll::Ready(()) } else { Poll::Pending }
                })
                .await;
                said.send(gone.is_so()).unwrap();
                pending::<()>().await;
            })
            .await;
        });
        assert!(begin(&mut outer).is_pending());
        drop(outer);
        assert_eq!((heard.recv().await, heard.recv().await), (Some(false), Some(true)));
    }
}

//! A future that wakes itself while it is polled, and is polled once more at once.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker};

use futures_util::task::AtomicWaker;

/// A connection that does so: the HTTP library wakes its own connection whenever a body is read.
/// The runtime would take that for work that another thread may do, put the connection at the end
/// of the queue, and wake that thread if it sleeps.
///
/// A connection that wakes itself for another reason, such as that it has answered many requests
/// in a turn, waits for its next one.
pub(super) struct Again<F, W> {
    future: Pin<Box<F>>,
    /// Whether it is worth it now.
    may: W,
    relay: Arc<Relay>,
    waker: Waker,
}

impl<F: Future, W: Fn() -> bool> Again<F, W> {
    pub(super) fn new(future: F, may: W) -> Self {
        let relay = Arc::new(Relay::default());
        Self { future: Box::pin(future), may, waker: Waker::from(Arc::clone(&relay)), relay }
    }

    /// What is in it.
    pub(super) fn inner(&mut self) -> Pin<&mut F> {
        self.future.as_mut()
    }
}

impl<F: Future, W: Fn() -> bool + Unpin> Future for Again<F, W> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<F::Output> {
        let Self { future, may, relay, waker } = &mut *self;
        relay.outer.register(context.waker());
        for _ in 0..TURNS {
            relay.is_polled.store(true, Ordering::SeqCst);
            // Reads what was written before a waking that comes to nothing by this.
            relay.is_woken.swap(false, Ordering::SeqCst);
            let polled = future.as_mut().poll(&mut Context::from_waker(waker));
            relay.is_polled.store(false, Ordering::SeqCst);
            // Either this sees who woke it, or who wakes it sees that it is polled no more.
            if polled.is_ready() || !relay.is_woken.load(Ordering::SeqCst) {
                return polled;
            }
            if !may() {
                break;
            }
        }
        // Others want their turn too.
        context.waker().wake_by_ref();
        Poll::Pending
    }
}

/// Hands a waking on, unless it comes while the future is polled.
#[derive(Default)]
struct Relay {
    outer: AtomicWaker,
    is_polled: AtomicBool,
    is_woken: AtomicBool,
}

impl Wake for Relay {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.is_woken.store(true, Ordering::SeqCst);
        if !self.is_polled.load(Ordering::SeqCst) {
            self.outer.wake();
        }
    }
}

/// How often it is polled before others are.
const TURNS: usize = 3;

#[cfg(test)]
mod tests {
    use std::future::poll_fn;
    use std::sync::atomic::AtomicUsize;
    use std::time::Duration;

    use super::*;

    #[derive(Default)]
    struct Count(AtomicUsize);

    impl Wake for Count {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::SeqCst);
        }
    }

    /// How often a future is polled in one turn that wakes itself so often, and its task woken.
    fn turn(wakings: usize, may: bool) -> (usize, usize) {
        let count = Arc::new(Count::default());
        let mut polls = 0;
        let waking = poll_fn(|context: &mut Context<'_>| {
            polls += 1;
            if polls <= wakings {
                context.waker().wake_by_ref();
            }
            Poll::<()>::Pending
        });
        let mut again = Again::new(waking, || may);
        let waker = Waker::from(Arc::clone(&count));
        assert!(Pin::new(&mut again).poll(&mut Context::from_waker(&waker)).is_pending());
        drop(again);
        (polls, count.0.load(Ordering::SeqCst))
    }

    #[test]
    fn what_wakes_itself_is_polled_again_without_its_task_being_woken() {
        assert_eq!(turn(1, true), (2, 0));
    }

    #[test]
    fn what_goes_on_waking_itself_lets_others_have_their_turn() {
        assert_eq!(turn(usize::MAX, true), (TURNS, 1));
    }

    #[test]
    fn what_has_no_reason_to_be_polled_again_waits_for_its_next_turn() {
        assert_eq!(turn(1, false), (1, 1));
        assert_eq!(turn(0, false), (1, 0));
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn no_waking_by_another_thread_is_lost() {
        for _ in 0..2_000 {
            let (sender, receiver) = tokio::sync::oneshot::channel();
            let mut receiver = Box::pin(receiver);
            let mut is_first = true;
            let waits = poll_fn(move |context: &mut Context<'_>| {
                if std::mem::take(&mut is_first) {
                    context.waker().wake_by_ref();
                }
                receiver.as_mut().poll(context)
            });
            let waits = Again::new(waits, || true);
            let sent = tokio::spawn(async move { sender.send(()) });
            tokio::select! {
                // First, or what nobody woke would be found to be there when the time is over.
                biased;
                () = tokio::time::sleep(Duration::from_secs(60)) => panic!("a waking was lost"),
                received = waits => assert!(received.is_ok()),
            }
            assert!(sent.await.is_ok_and(|sent| sent.is_ok()));
        }
    }
}

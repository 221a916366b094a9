//! What is left of a body that nobody reads.

use std::pin::{Pin, pin};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Buf;
use http_body::{Body, Frame, SizeHint};
use http_body_util::BodyExt;

/// A request's body that is read on when it is dropped before its end: up to 2 MiB, for up to 10
/// seconds.
///
/// A server that closes a connection on which something unread lies resets it, and the answer may
/// get lost on its way: a proxy that is still sending the body takes the server for dead (RFC 9112,
/// 9.6). The rest is read beside the answer, which does not wait for it. A body that says that it
/// is larger is not read on.
///
/// The layers of this crate do so with every request that they refuse. For what your own handlers
/// leave unread, wrap the body in a layer around them.
///
/// ```
/// use axum::extract::Request;
/// use axum::{Router, body::Body, middleware::map_request, routing::post};
/// use countersign_verify::Drained;
///
/// async fn read_on(request: Request) -> Request {
///     request.map(|body| Body::new(Drained::new(body)))
/// }
///
/// let app: Router =
///     Router::new().route("/", post(|| async { "who cares" })).layer(map_request(read_on));
/// ```
#[derive(Debug)]
pub struct Drained<B>(Option<B>)
where
    B: Body<Data: Send, Error: Send> + Send + Unpin + 'static;

impl<B> Drained<B>
where
    B: Body<Data: Send, Error: Send> + Send + Unpin + 'static,
{
    /// The same body.
    ///
    /// ```
    /// use countersign_verify::Drained;
    /// use http_body_util::{BodyExt, Full};
    ///
    /// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
    /// let body = Drained::new(Full::new(bytes::Bytes::from("as it was")));
    /// assert_eq!(body.collect().await.unwrap().to_bytes(), "as it was");
    /// # });
    /// ```
    pub fn new(body: B) -> Self {
        Self(Some(body))
    }
}

impl<B> Body for Drained<B>
where
    B: Body<Data: Send, Error: Send> + Send + Unpin + 'static,
{
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<B::Data>, B::Error>>> {
        let Some(body) = &mut self.0 else { return Poll::Ready(None) };
        let frame = Pin::new(body).poll_frame(context);
        if let Poll::Ready(None | Some(Err(_))) = frame {
            self.0 = None;
        }
        frame
    }

    fn is_end_stream(&self) -> bool {
        self.0.as_ref().is_none_or(Body::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.0.as_ref().map_or_else(|| SizeHint::with_exact(0), Body::size_hint)
    }
}

impl<B> Drop for Drained<B>
where
    B: Body<Data: Send, Error: Send> + Send + Unpin + 'static,
{
    fn drop(&mut self) {
        if let Some(body) = self.0.take() {
            drain(body);
        }
    }
}

/// Reads on what is left, beside everything else. Outside a runtime, as in a test, the body is
/// dropped.
pub(crate) fn drain<B>(body: B)
where
    B: Body<Data: Send, Error: Send> + Send + 'static,
{
    if body.is_end_stream() || body.size_hint().lower() > MOST_BYTES {
        return;
    }
    if let Ok(runtime) = tokio::runtime::Handle::try_current() {
        runtime.spawn(tokio::time::timeout(MOST_TIME, read_on(body)));
    }
}

async fn read_on<B: Body>(body: B) {
    let mut body = pin!(body);
    let mut left = MOST_BYTES;
    while let Some(Ok(frame)) = body.frame().await {
        let read = frame.data_ref().map_or(0, Buf::remaining);
        match left.checked_sub(read as u64) {
            Some(less) => left = less,
            None => return,
        }
    }
}

/// Twice what nginx lets through unless told otherwise.
const MOST_BYTES: u64 = 2 * 1024 * 1024;

const MOST_TIME: Duration = Duration::from_secs(10);

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU64, Ordering};

    use bytes::Bytes;

    use super::*;

    /// A body of pieces, which counts how many were taken.
    struct Pieces {
        left: u64,
        size: usize,
        taken: Arc<AtomicU64>,
    }

    impl Body for Pieces {
        type Data = Bytes;
        type Error = std::convert::Infallible;

        fn poll_frame(
            mut self: Pin<&mut Self>,
            _: &mut Context<'_>,
        ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
            if self.left == 0 {
                return Poll::Ready(None);
            }
            self.left -= 1;
            self.taken.fetch_add(1, Ordering::SeqCst);
            Poll::Ready(Some(Ok(Frame::data(Bytes::from(vec![0; self.size])))))
        }
    }

    /// How many pieces of 64 KiB are taken in the end.
    fn taken(pieces: u64, and_then: impl FnOnce(Drained<Pieces>)) -> u64 {
        let taken = Arc::new(AtomicU64::new(0));
        let runtime =
            tokio::runtime::Builder::new_current_thread().enable_time().build().expect("a runtime");
        runtime.block_on(async {
            and_then(Drained::new(Pieces {
                left: pieces,
                size: 65_536,
                taken: Arc::clone(&taken),
            }));
            // The task that reads on runs now: nothing in it waits.
            tokio::task::yield_now().await;
        });
        taken.load(Ordering::SeqCst)
    }

    #[test]
    fn a_body_that_nobody_reads_is_read_on_within_bounds() {
        assert_eq!(taken(10, drop), 10);
        assert_eq!(taken(1000, drop), 33, "2 MiB, and the piece that is too much");
    }

    #[test]
    fn without_a_runtime_the_body_is_dropped() {
        let taken = Arc::new(AtomicU64::new(0));
        drop(Drained::new(Pieces { left: 10, size: 1, taken: Arc::clone(&taken) }));
        assert_eq!(taken.load(Ordering::SeqCst), 0);
    }
}

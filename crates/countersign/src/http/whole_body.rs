//! All of a body, in as much memory as it has bytes.

use std::future::poll_fn;
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use axum::body::{Bytes, HttpBody};
use http_body_util::BodyExt;

use super::problem::{Code, Problem};

/// All of a body that has at most so many bytes and comes within this time.
///
/// Each piece of a body is a part of the buffer into which the connection was read, and keeps all
/// of that buffer for as long as it is there. A client that sends one byte at a time makes a piece,
/// and a buffer of 8 KiB or more, of each. So the pieces are copied into one place as they come,
/// and let go. A body that comes in one piece, as most do, is not copied.
///
/// # Errors
/// When it is larger, slower, or breaks off.
///
/// ```
/// use std::time::Duration;
///
/// use axum::body::Body;
/// use countersign::http::{NotWhole, whole_body};
///
/// # tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(async {
/// let patience = Duration::from_secs(10);
/// let read = async |most| whole_body(Body::from("five!"), most, patience).await;
/// assert_eq!(read(5).await.unwrap(), "five!");
/// assert_eq!(read(4).await.unwrap_err(), NotWhole::TooLarge);
/// # });
/// ```
pub async fn whole_body<B>(body: B, most: usize, patience: Duration) -> Result<Bytes, NotWhole>
where
    B: HttpBody<Data = Bytes> + Unpin,
{
    within(patience, gathered(body, most)).await.unwrap_or(Err(NotWhole::TooSlow))
}

/// Why a body is not there as a whole.
///
/// ```
/// use countersign::http::{Code, NotWhole, Problem};
///
/// assert_eq!(Problem::from(NotWhole::TooSlow).code(), Code::RequestTimeout);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NotWhole {
    /// It has more bytes than it may have.
    #[error("the body is too large")]
    TooLarge,
    /// It did not come in time.
    #[error("the body did not come in time")]
    TooSlow,
    /// It ended before its end.
    #[error("the body broke off")]
    Broken,
}

impl From<NotWhole> for Problem {
    fn from(not_whole: NotWhole) -> Self {
        Self::new(match not_whole {
            NotWhole::TooLarge => Code::PayloadTooLarge,
            NotWhole::TooSlow => Code::RequestTimeout,
            NotWhole::Broken => Code::ParseError,
        })
    }
}

async fn gathered<B>(mut body: B, most: usize) -> Result<Bytes, NotWhole>
where
    B: HttpBody<Data = Bytes> + Unpin,
{
    let Some(first) = piece(&mut body).await? else { return Ok(Bytes::new()) };
    if first.len() > most {
        return Err(NotWhole::TooLarge);
    }
    if body.is_end_stream() {
        return Ok(first);
    }
    let mut all = first.to_vec();
    // Its buffer is free while the next piece is on its way.
    drop(first);
    while let Some(piece) = piece(&mut body).await? {
        if piece.len() > most - all.len() {
            return Err(NotWhole::TooLarge);
        }
        all.extend_from_slice(&piece);
    }
    Ok(all.into())
}

/// The next piece. What is no data, as trailers, is an empty one.
async fn piece<B>(body: &mut B) -> Result<Option<Bytes>, NotWhole>
where
    B: HttpBody<Data = Bytes> + Unpin,
{
    let Some(frame) = body.frame().await else { return Ok(None) };
    let frame = frame.map_err(|_| NotWhole::Broken)?;
    Ok(Some(frame.into_data().unwrap_or_default()))
}

/// What comes of it within this time. What has come by its second look needs no timer, and to set
/// one takes locks that connections share.
async fn within<F: Future>(time: Duration, future: F) -> Option<F::Output> {
    let mut future = pin!(future);
    let mut looks = 0;
    let at_once = poll_fn(|context| {
        looks += 1;
        match future.as_mut().poll(context) {
            Poll::Ready(output) => Poll::Ready(Some(output)),
            Poll::Pending if looks < 2 => {
                context.waker().wake_by_ref();
                Poll::Pending
            }
            Poll::Pending => Poll::Ready(None),
        }
    });
    match at_once.await {
        Some(output) => Some(output),
        None => tokio::time::timeout(time, future).await.ok(),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;
    use std::convert::Infallible;
    use std::future::ready;
    use std::pin::Pin;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::task::Context;

    use futures_util::{StreamExt, stream};
    use http_body::Frame;
    use http_body_util::{Full, StreamBody};

    use super::*;
    use hyper_like::{BUFFER, Pieces};

    const PATIENCE: Duration = Duration::from_secs(10);

    #[tokio::test]
    async fn a_body_that_comes_byte_by_byte_takes_no_more_memory_than_it_has_bytes() {
        let text: Vec<u8> = (0..=255).cycle().take(64 * 1024).collect();
        let (body, memory) = Pieces::of(&text, 1);
        let whole = whole_body(body, text.len(), PATIENCE).await.unwrap();
        assert_eq!(whole, text);
        let most = memory.most.load(Ordering::SeqCst);
        assert!(most <= 2 * BUFFER, "{most} bytes of buffers were kept");
    }

    #[tokio::test]
    async fn a_body_that_comes_in_one_piece_is_not_copied() {
        let text = Bytes::from(vec![b'x'; 100]);
        let place = text.as_ptr();
        let whole = whole_body(Full::new(text), 100, PATIENCE).await.unwrap();
        assert_eq!(whole.as_ptr(), place);
    }

    #[tokio::test]
    async fn a_body_is_bounded_to_the_byte_in_whatever_pieces_it_comes() {
        for size in [1, 3, 50, 99, 100, 101] {
            for (length, fits) in [(0, true), (99, true), (100, true), (101, false), (300, false)] {
                let (body, _) = Pieces::of(&vec![b'x'; length], size);
                let whole = whole_body(body, 100, PATIENCE).await.map(|whole| whole.len());
                let due = if fits { Ok(length) } else { Err(NotWhole::TooLarge) };
                assert_eq!(whole, due, "{length} bytes in pieces of {size}");
            }
        }
    }

    #[tokio::test]
    async fn a_body_that_breaks_off_and_one_that_does_not_come_are_told_apart() {
        let first = || stream::once(ready(Ok(Frame::data(Bytes::from_static(b"x")))));
        let broken = StreamBody::new(first().chain(stream::once(ready(Err("reset")))));
        assert_eq!(whole_body(broken, 9, PATIENCE).await, Err(NotWhole::Broken));
        let slow = StreamBody::new(first().chain(stream::pending::<Result<_, &str>>()));
        let patience = Duration::from_millis(10);
        assert_eq!(whole_body(slow, 9, patience).await, Err(NotWhole::TooSlow));
    }

    /// Bodies as an HTTP library hands them on.
    mod hyper_like {
        use super::*;

        /// What each piece keeps.
        pub(super) const BUFFER: usize = 8 * 1024;

        /// A body in pieces, each of which is a part of a buffer of its own.
        pub(super) struct Pieces {
            left: VecDeque<Vec<u8>>,
            memory: Arc<Memory>,
        }

        /// The bytes of the buffers that are kept, and how many there were at most.
        #[derive(Default)]
        pub(super) struct Memory {
            now: AtomicUsize,
            pub(super) most: AtomicUsize,
        }

        struct Buffer {
            bytes: Vec<u8>,
            memory: Arc<Memory>,
        }

        impl AsRef<[u8]> for Buffer {
            fn as_ref(&self) -> &[u8] {
                &self.bytes
            }
        }

        impl Drop for Buffer {
            fn drop(&mut self) {
                self.memory.now.fetch_sub(self.bytes.len(), Ordering::SeqCst);
            }
        }

        impl Pieces {
            pub(super) fn of(text: &[u8], size: usize) -> (Self, Arc<Memory>) {
                let memory = Arc::<Memory>::default();
                let left = text.chunks(size).map(<[u8]>::to_vec).collect();
                (Self { left, memory: Arc::clone(&memory) }, memory)
            }
        }

        impl HttpBody for Pieces {
            type Data = Bytes;
            type Error = Infallible;

            fn poll_frame(
                mut self: Pin<&mut Self>,
                _: &mut Context<'_>,
            ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
                let Some(mut bytes) = self.left.pop_front() else { return Poll::Ready(None) };
                let length = bytes.len();
                bytes.resize(BUFFER, 0);
                let memory = Arc::clone(&self.memory);
                let now = memory.now.fetch_add(BUFFER, Ordering::SeqCst) + BUFFER;
                memory.most.fetch_max(now, Ordering::SeqCst);
                let piece = Bytes::from_owner(Buffer { bytes, memory }).slice(..length);
                Poll::Ready(Some(Ok(Frame::data(piece))))
            }

            fn is_end_stream(&self) -> bool {
                self.left.is_empty()
            }
        }
    }
}

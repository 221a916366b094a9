//! A connection's socket: it tells what the client takes, and is closed in stages.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use hyper::rt::{Read, ReadBufCursor, Write};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::{Sleep, sleep};

use super::activity::Activity;

/// The socket.
///
/// RFC 9112, 9.6: a server that closes a connection with unread bytes on it resets it, and the last
/// answer may be lost. So it is half-closed first; then what still comes is read and thrown
/// away until the client closes too, for a bounded time.
pub(super) struct Stream {
    socket: TokioIo<TcpStream>,
    activity: Arc<Activity>,
    lingering: Option<Lingering>,
}

/// After the half-close.
struct Lingering {
    until: Pin<Box<Sleep>>,
    left: usize,
}

impl Stream {
    pub(super) fn new(socket: TcpStream, activity: Arc<Activity>) -> Self {
        Self { socket: TokioIo::new(socket), activity, lingering: None }
    }
}

impl Read for Stream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_read(context, buffer)
    }
}

impl Write for Stream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.socket).poll_write(context, bytes);
        self.activity.wrote(&written);
        written
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        parts: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.socket).poll_write_vectored(context, parts);
        self.activity.wrote(&written);
        written
    }

    fn is_write_vectored(&self) -> bool {
        self.socket.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let Self { socket, lingering, activity } = &mut *self;
        let socket = socket.inner_mut();
        if lingering.is_none() {
            ready!(Pin::new(&mut *socket).poll_shutdown(context))?;
        }
        let lingering = lingering.get_or_insert_with(|| {
            let time = if activity.is_hurried() { LINGER_AT_THE_END } else { LINGER };
            Lingering { until: Box::pin(sleep(time)), left: LINGER_BYTES }
        });
        let mut bytes = [0; 4096];
        while lingering.until.as_mut().poll(context).is_pending() {
            let mut buffer = ReadBuf::new(&mut bytes);
            match Pin::new(&mut *socket).poll_read(context, &mut buffer) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(Ok(())) if !buffer.filled().is_empty() => {
                    let Some(left) = lingering.left.checked_sub(buffer.filled().len()) else {
                        break;
                    };
                    lingering.left = left;
                }
                // The client has closed too, or is gone.
                Poll::Ready(_) => break,
            }
        }
        Poll::Ready(Ok(()))
    }
}

/// How long a client may take to notice that the connection is half-closed.
const LINGER: Duration = Duration::from_secs(2);

/// When the server stops.
const LINGER_AT_THE_END: Duration = Duration::from_millis(250);

/// How much is thrown away.
const LINGER_BYTES: usize = 16 * 1024 * 1024;

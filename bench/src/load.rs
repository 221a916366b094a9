//! The load generator: one thread, many keep-alive connections, each sending its next request when the last answer is there.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// What one connection sends and makes of the answers.
pub(crate) trait Client {
    /// The next request, whole.
    fn request(&mut self) -> &[u8];
    /// Looks at an answer, and stops the benchmark if it is wrong.
    fn answer(&mut self, head: &[u8], body: &[u8]);
}

/// Answers a second, over all clients, for so long.
pub(crate) fn rate<C: Client>(address: SocketAddr, clients: &mut [C], duration: Duration) -> f64 {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let begin = Instant::now();
    let end = begin + duration;
    let answered: u64 = runtime.block_on(async {
        let tasks: Vec<_> = clients.iter_mut().map(|client| drive(address, client, end)).collect();
        join(tasks).await.into_iter().sum()
    });
    answered as f64 / begin.elapsed().as_secs_f64()
}

/// A GET, again and again, for one of several tokens in turn.
pub(crate) struct Reader {
    requests: Vec<Vec<u8>>,
    next: usize,
}

impl Reader {
    /// Shares out the tokens over so many connections.
    pub(crate) fn shared_out(tokens: &[String], connections: usize) -> Vec<Self> {
        let request = |token: &String| {
            format!("GET /accounts/profile HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {token}\r\n\r\n").into_bytes()
        };
        (0..connections)
            .map(|number| Self { requests: tokens.iter().skip(number).step_by(connections).map(request).collect(), next: 0 })
            .collect()
    }
}

impl Client for Reader {
    fn request(&mut self) -> &[u8] {
        self.next = (self.next + 1) % self.requests.len();
        &self.requests[self.next]
    }

    fn answer(&mut self, head: &[u8], body: &[u8]) {
        assert!(head.starts_with(b"HTTP/1.1 200"), "{}{}", String::from_utf8_lossy(head), String::from_utf8_lossy(body));
    }
}

async fn drive<C: Client>(address: SocketAddr, client: &mut C, end: Instant) -> u64 {
    let mut stream = TcpStream::connect(address).await.expect("a connection");
    stream.set_nodelay(true).expect("a socket option");
    let mut buffer = Vec::with_capacity(8192);
    let mut answered = 0;
    while Instant::now() < end {
        stream.write_all(client.request()).await.expect("a request is taken");
        buffer.clear();
        let (head, whole) = loop {
            assert!(stream.read_buf(&mut buffer).await.expect("an answer") > 0, "the connection was closed");
            if let Some(ends) = ends(&buffer).filter(|(_, whole)| *whole <= buffer.len()) {
                break ends;
            }
        };
        client.answer(&buffer[..head], &buffer[head..whole]);
        answered += 1;
    }
    answered
}

/// Where the head ends, and where the whole answer does.
fn ends(bytes: &[u8]) -> Option<(usize, usize)> {
    let head = bytes.windows(4).position(|window| window == b"\r\n\r\n")? + 4;
    let length = header(&bytes[..head], b"content-length: ").and_then(|text| text.parse::<usize>().ok()).unwrap_or(0);
    Some((head, head + length))
}

/// The value of a header, whose name is given with its colon and space, in lower case.
pub(crate) fn header<'a>(head: &'a [u8], name: &[u8]) -> Option<&'a str> {
    let start = head.windows(name.len()).position(|window| window == name)? + name.len();
    let length = head[start..].iter().position(|byte| *byte == b'\r')?;
    std::str::from_utf8(&head[start..start + length]).ok()
}

/// Waits for all of them, on this thread.
async fn join<F: Future>(futures: Vec<F>) -> Vec<F::Output> {
    let mut pending: Vec<_> = futures.into_iter().map(|future| (Box::pin(tokio::task::unconstrained(future)), None)).collect();
    std::future::poll_fn(move |context| {
        let mut done = true;
        for (future, output) in &mut pending {
            if output.is_none() {
                match future.as_mut().poll(context) {
                    std::task::Poll::Ready(value) => *output = Some(value),
                    std::task::Poll::Pending => done = false,
                }
            }
        }
        if done { std::task::Poll::Ready(pending.iter_mut().filter_map(|(_, output)| output.take()).collect()) } else { std::task::Poll::Pending }
    })
    .await
}

//! The load generator: one thread, many keep-alive connections, each sending its next request when
//! the last answer is there.

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
    /// Whether it has nothing left to send.
    fn is_done(&self) -> bool {
        false
    }
}

/// Answers a second, over all clients, for so long. Hands the clients back, with what they have
/// learnt.
pub(crate) fn rate<C: Client + 'static>(
    address: SocketAddr,
    clients: Vec<C>,
    duration: Duration,
) -> (f64, Vec<C>) {
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let begin = Instant::now();
    let end = begin + duration;
    tokio::task::LocalSet::new().block_on(&runtime, async {
        let tasks: Vec<_> = clients
            .into_iter()
            .map(|client| tokio::task::spawn_local(drive(address, client, end)))
            .collect();
        let mut answered = 0;
        let mut clients = Vec::new();
        for task in tasks {
            let (client, own) = task.await.expect("a client that is content");
            answered += own;
            clients.push(client);
        }
        (answered as f64 / begin.elapsed().as_secs_f64(), clients)
    })
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
            format!(
                "GET /accounts/profile HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer \
                {token}\r\n\r\n"
            )
            .into_bytes()
        };
        (0..connections)
            .map(|number| Self {
                requests: tokens.iter().skip(number).step_by(connections).map(request).collect(),
                next: 0,
            })
            .collect()
    }
}

impl Client for Reader {
    fn request(&mut self) -> &[u8] {
        self.next = (self.next + 1) % self.requests.len();
        &self.requests[self.next]
    }

    fn answer(&mut self, head: &[u8], body: &[u8]) {
        assert!(
            head.starts_with(b"HTTP/1.1 200"),
            "{}{}",
            String::from_utf8_lossy(head),
            String::from_utf8_lossy(body)
        );
    }
}

async fn drive<C: Client>(address: SocketAddr, mut client: C, end: Instant) -> (C, u64) {
    let mut stream = TcpStream::connect(address).await.expect("a connection");
    stream.set_nodelay(true).expect("a socket option");
    let mut buffer = Vec::with_capacity(8192);
    let mut answered = 0;
    // At least once, however short the time.
    while !client.is_done() && (answered == 0 || Instant::now() < end) {
        stream.write_all(client.request()).await.expect("a request is taken");
        buffer.clear();
        let (head, whole) = loop {
            assert!(
                stream.read_buf(&mut buffer).await.expect("an answer") > 0,
                "the connection was closed"
            );
            if let Some(ends) = ends(&buffer).filter(|(_, whole)| *whole <= buffer.len()) {
                break ends;
            }
        };
        client.answer(&buffer[..head], &buffer[head..whole]);
        answered += 1;
    }
    (client, answered)
}

/// Where the head ends, and where the whole answer does.
fn ends(bytes: &[u8]) -> Option<(usize, usize)> {
    let head = bytes.windows(4).position(|window| window == b"\r\n\r\n")? + 4;
    let length = header(&bytes[..head], b"content-length: ")
        .and_then(|text| text.parse::<usize>().ok())
        .unwrap_or(0);
    Some((head, head + length))
}

/// The value of a header, whose name is given with its colon and space, in lower case.
pub(crate) fn header<'a>(head: &'a [u8], name: &[u8]) -> Option<&'a str> {
    let start = head.windows(name.len()).position(|window| window == name)? + name.len();
    let length = head[start..].iter().position(|byte| *byte == b'\r')?;
    std::str::from_utf8(&head[start..start + length]).ok()
}

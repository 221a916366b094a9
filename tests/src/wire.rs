//! A connection whose bytes are the test's own, for what no well-behaved client sends.

use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::time::Duration;

use socket2::{Domain, Socket, Type};

use crate::http::Response;

/// An open connection.
#[derive(Debug)]
pub struct Wire(TcpStream);

impl Wire {
    /// Connects.
    ///
    /// # Panics
    /// When nobody listens.
    pub fn to(address: SocketAddr) -> Self {
        Self::over(TcpStream::connect(address).expect("a listening server"))
    }

    /// Connects from an address of this machine.
    ///
    /// # Panics
    /// When nobody listens.
    pub fn from_address(own: [u8; 4], address: SocketAddr) -> Self {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None).expect("a socket");
        socket.bind(&SocketAddr::from((own, 0)).into()).expect("an address of this machine");
        socket.connect(&address.into()).expect("a listening server");
        Self::over(socket.into())
    }

    fn over(stream: TcpStream) -> Self {
        stream.set_read_timeout(Some(DEADLINE)).expect("a deadline");
        stream.set_write_timeout(Some(DEADLINE)).expect("a deadline");
        stream.set_nodelay(true).expect("packets sent at once");
        Self(stream)
    }

    /// Sends bytes. A server that has refused what came before may have closed already; what it
    /// answered can still be read.
    #[must_use]
    pub fn send(mut self, bytes: impl AsRef<[u8]>) -> Self {
        self.push(bytes);
        self
    }

    /// As [`send`](Self::send), in place.
    pub fn push(&mut self, bytes: impl AsRef<[u8]>) {
        let _ = self.0.write_all(bytes.as_ref());
    }

    /// Says that nothing more will be sent.
    pub fn finish(&self) {
        let _ = self.0.shutdown(Shutdown::Write);
    }

    /// Reads one answer and not a byte of the next.
    ///
    /// # Panics
    /// When none comes.
    #[track_caller]
    pub fn answer(&mut self) -> Response {
        match self.try_answer() {
            Ok(response) => response,
            Err(error) => panic!("no answer: {error}"),
        }
    }

    /// Reads one answer, if one comes.
    ///
    /// # Errors
    /// When the connection ends, or nothing comes for long.
    pub fn try_answer(&mut self) -> io::Result<Response> {
        Response::read(ByteByByte(&self.0), false)
    }

    /// Reads the answer to a `HEAD`.
    ///
    /// # Panics
    /// When none comes.
    #[track_caller]
    pub fn answer_to_head(&mut self) -> Response {
        Response::read(ByteByByte(&self.0), true).expect("an answer")
    }

    /// Waits until the server closes, and tells what it sent before.
    ///
    /// # Panics
    /// When it does not close.
    #[track_caller]
    pub fn until_closed(&mut self) -> Vec<u8> {
        let mut bytes = Vec::new();
        let mut chunk = [0; 4096];
        loop {
            match self.0.read(&mut chunk) {
                Ok(0) => return bytes,
                Ok(read) => bytes.extend_from_slice(&chunk[..read]),
                // A server that closes without having read everything resets.
                Err(error) if error.kind() == io::ErrorKind::ConnectionReset => return bytes,
                Err(error) => panic!("the connection stays open: {error}"),
            }
        }
    }

    /// Reads so many bytes at most, as a slow reader takes them.
    ///
    /// # Errors
    /// When the connection was reset, or nothing comes for long.
    pub fn sip(&mut self, bytes: usize) -> io::Result<Vec<u8>> {
        let mut read = vec![0; bytes];
        let many = self.0.read(&mut read)?;
        read.truncate(many);
        Ok(read)
    }

    /// Whether there is nothing to read now.
    ///
    /// # Panics
    /// When the operating system cannot say.
    pub fn is_silent(&self) -> bool {
        self.0.set_nonblocking(true).expect("a socket");
        let silent =
            self.0.peek(&mut [0]).is_err_and(|error| error.kind() == io::ErrorKind::WouldBlock);
        self.0.set_nonblocking(false).expect("a socket");
        silent
    }
}

/// Keeps a buffered reader from taking in what belongs to the next answer.
struct ByteByByte<'a>(&'a TcpStream);

impl Read for ByteByByte<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let one = buffer.len().min(1);
        self.0.read(&mut buffer[..one])
    }
}

const DEADLINE: Duration = Duration::from_secs(30);

//! A small HTTP/1.1 client that sends exactly what a test says, malformed or not.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use serde_json::Value;

/// A request to be sent on a connection of its own.
#[derive(Debug, Clone)]
pub struct Request {
    address: SocketAddr,
    method: String,
    path: String,
    headers: Vec<(String, Vec<u8>)>,
    body: Option<Vec<u8>>,
}

impl Request {
    /// A request without headers but `Host`, and without a body.
    pub fn new(address: SocketAddr, method: &str, path: &str) -> Self {
        let host = ("Host".to_owned(), address.to_string().into_bytes());
        Self {
            address,
            method: method.to_owned(),
            path: path.to_owned(),
            headers: vec![host],
            body: None,
        }
    }

    /// Adds a header; the same again is a second header.
    #[must_use]
    pub fn header(mut self, name: &str, value: impl AsRef<[u8]>) -> Self {
        self.headers.push((name.to_owned(), value.as_ref().to_vec()));
        self
    }

    /// Adds `Authorization: Bearer`.
    #[must_use]
    pub fn bearer(self, token: &str) -> Self {
        self.header("Authorization", format!("Bearer {token}"))
    }

    /// Sends a JSON body.
    #[must_use]
    pub fn json(self, body: &Value) -> Self {
        self.body("application/json", body.to_string())
    }

    /// Sends a body of any type.
    #[must_use]
    pub fn body(self, content_type: &str, body: impl Into<Vec<u8>>) -> Self {
        let with_type = self.header("Content-Type", content_type);
        with_type.raw_body(body)
    }

    /// Sends a body without saying what it is.
    #[must_use]
    pub fn raw_body(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.body = Some(body.into());
        self
    }

    /// The request's bytes.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = format!("{} {} HTTP/1.1\r\n", self.method, self.path).into_bytes();
        for (name, value) in &self.headers {
            bytes.extend_from_slice(name.as_bytes());
            bytes.extend_from_slice(b": ");
            bytes.extend_from_slice(value);
            bytes.extend_from_slice(b"\r\n");
        }
        if let Some(body) = &self.body {
            bytes.extend_from_slice(format!("Content-Length: {}\r\n", body.len()).as_bytes());
        }
        bytes.extend_from_slice(b"Connection: close\r\n\r\n");
        bytes.extend_from_slice(self.body.as_deref().unwrap_or_default());
        bytes
    }

    /// Sends it and reads the answer.
    ///
    /// # Panics
    /// When the server does not answer.
    pub fn send(&self) -> Response {
        self.try_send().unwrap_or_else(|error| panic!("{} {}: {error}", self.method, self.path))
    }

    /// Sends it and reads the answer, if there is one.
    ///
    /// # Errors
    /// When the connection is refused or cut, as by a server that was killed.
    pub fn try_send(&self) -> std::io::Result<Response> {
        let mut stream = TcpStream::connect(self.address)?;
        stream.set_read_timeout(Some(DEADLINE))?;
        stream.set_nodelay(true)?;
        // A server that refuses a large body may answer and close before it has read all of it.
        let written = stream.write_all(&self.to_bytes());
        match Response::read(stream, self.method == "HEAD") {
            Ok(response) => Ok(response),
            Err(error) => Err(written.err().unwrap_or(error)),
        }
    }
}

/// An answer.
#[derive(Debug, Clone)]
pub struct Response {
    /// The status.
    pub status: u16,
    /// The headers in their order, names in lower case.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Vec<u8>,
}

impl Response {
    /// Reads an answer, up to the end of its body.
    ///
    /// # Errors
    /// When the connection ends before.
    pub fn read(stream: impl Read, is_head: bool) -> std::io::Result<Self> {
        let mut reader = BufReader::new(stream);
        let status_line = line(&mut reader)?;
        let bad = || std::io::Error::other(format!("not a status line: {status_line:?}"));
        let status =
            status_line.split(' ').nth(1).and_then(|code| code.parse().ok()).ok_or_else(bad)?;
        let mut headers = Vec::new();
        loop {
            let line = line(&mut reader)?;
            if line.is_empty() {
                break;
            }
            let (name, value) = line
                .split_once(':')
                .ok_or_else(|| std::io::Error::other(format!("not a header: {line:?}")))?;
            headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
        }
        let mut response = Self { status, headers, body: Vec::new() };
        let has_body = !is_head && status != 204 && status != 304 && status >= 200;
        if has_body {
            match response.header("content-length").and_then(|length| length.parse().ok()) {
                Some(length) => {
                    response.body = vec![0; length];
                    reader.read_exact(&mut response.body)?;
                }
                None if response.header("transfer-encoding") == Some("chunked") => loop {
                    let size = usize::from_str_radix(&line(&mut reader)?, 16)
                        .map_err(std::io::Error::other)?;
                    let mut chunk = vec![0; size + 2];
                    reader.read_exact(&mut chunk)?;
                    response.body.extend_from_slice(&chunk[..size]);
                    if size == 0 {
                        break;
                    }
                },
                None => {
                    reader.read_to_end(&mut response.body)?;
                }
            }
        }
        Ok(response)
    }

    /// The header's first value.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.all(name).next()
    }

    /// All values of a header.
    pub fn all<'a>(&'a self, name: &str) -> impl Iterator<Item = &'a str> {
        self.headers.iter().filter(move |(own, _)| own == name).map(|(_, value)| value.as_str())
    }

    /// The headers, each as a line, but for these.
    #[must_use]
    pub fn headers_but(&self, names: &[&str]) -> Vec<String> {
        let of_interest =
            self.headers.iter().filter(|(name, _)| !names.contains(&name.to_lowercase().as_str()));
        of_interest.map(|(name, value)| format!("{name}: {value}")).collect()
    }

    /// The `Set-Cookie` of a name, whole.
    pub fn set_cookie(&self, name: &str) -> Option<&str> {
        self.all("set-cookie")
            .find(|cookie| cookie.split_once('=').is_some_and(|(own, _)| own == name))
    }

    /// The value of a cookie that the answer sets.
    pub fn cookie(&self, name: &str) -> Option<String> {
        let (_, rest) = self.set_cookie(name)?.split_once('=')?;
        rest.split(';').next().map(str::to_owned)
    }

    /// The body as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The body as JSON.
    ///
    /// # Panics
    /// When it is none.
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|error| panic!("{error} in the body of {self:?}"))
    }

    /// A text in the JSON body.
    ///
    /// # Panics
    /// When there is none.
    pub fn text_at(&self, name: &str) -> String {
        let json = self.json();
        json[name].as_str().unwrap_or_else(|| panic!("no text {name:?} in {json}")).to_owned()
    }

    /// Asserts the status.
    ///
    /// # Panics
    /// When it is another.
    #[track_caller]
    pub fn expect(self, status: u16) -> Self {
        assert_eq!(self.status, status, "{}", self.text());
        self
    }

    /// Asserts a problem document of this status and code, in every respect that the contract
    /// names.
    ///
    /// # Panics
    /// When it is another, or not of that shape.
    #[track_caller]
    pub fn expect_problem(self, status: u16, code: &str) -> Self {
        assert_eq!(
            (self.status, self.problem_code().as_deref()),
            (status, Some(code)),
            "{}",
            self.text()
        );
        assert_eq!(self.header("content-type"), Some("application/problem+json"));
        let json = self.json();
        assert_eq!(json["status"], status);
        for member in ["type", "title", "detail", "code"] {
            assert!(
                json[member].as_str().is_some_and(|text| !text.is_empty()),
                "{member} in {json}"
            );
        }
        assert_eq!(
            self.header("www-authenticate")
                .is_some_and(|challenge| challenge.starts_with("Bearer")),
            status == 401
        );
        if status == 429 || status == 503 {
            assert!(
                self.header("retry-after")
                    .and_then(|seconds| seconds.parse::<u32>().ok())
                    .is_some_and(|seconds| seconds >= 1)
            );
        }
        self
    }

    /// The code of a problem document.
    pub fn problem_code(&self) -> Option<String> {
        serde_json::from_slice::<Value>(&self.body).ok()?["code"].as_str().map(str::to_owned)
    }
}

fn line(reader: &mut impl BufRead) -> std::io::Result<String> {
    let mut line = String::new();
    if reader.read_line(&mut line)? == 0 {
        return Err(std::io::ErrorKind::UnexpectedEof.into());
    }
    Ok(line.trim_end_matches(['\r', '\n']).to_owned())
}

/// No test waits for longer.
const DEADLINE: Duration = Duration::from_secs(60);

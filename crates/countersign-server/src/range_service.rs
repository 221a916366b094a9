//! A service that knows breached passwords by ranges of their SHA-1, so that it does not learn
//! which one is meant: it is told five of forty digits, and answers with all that begin so.

use std::fmt;
use std::io;
use std::time::Duration;

use async_trait::async_trait;
use countersign::http::whole_body;
use countersign::password::{BreachedList, Sha1};
use http_body_util::Empty;
use hyper::body::Bytes;
use hyper::{Request, StatusCode, Uri};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;

/// Asks `URL` and five digits.
pub(crate) struct RangeService {
    url: String,
    client: Client<HttpsConnector<HttpConnector>, Empty<Bytes>>,
}

impl RangeService {
    /// # Errors
    /// What is wrong with the URL. The digits travel over https, but to this machine.
    pub(crate) fn new(url: &str) -> Result<Self, String> {
        let parsed: Uri = url.parse().map_err(|error| format!("{error}; {HOW}"))?;
        let host = parsed.host().unwrap_or_default();
        let is_here = matches!(host, "localhost" | "127.0.0.1" | "[::1]");
        match parsed.scheme_str() {
            Some("https") => {}
            Some("http") if is_here => {}
            _ => return Err(HOW.to_owned()),
        }
        let connector = HttpsConnectorBuilder::new()
            .with_provider_and_native_roots(rustls::crypto::aws_lc_rs::default_provider())
            .map_err(|error| error.to_string())?
            .https_or_http()
            .enable_http1()
            .build();
        let client = Client::builder(TokioExecutor::new())
            .pool_idle_timeout(Duration::from_secs(30))
            .build(connector);
        Ok(Self { url: format!("{}/", url.trim_end_matches('/')), client })
    }

    async fn ask(&self, password: Sha1) -> io::Result<bool> {
        let hex = password.to_hex();
        let (range, rest) = hex.split_at(5);
        // Padded, the length of the answer says nothing of the range either.
        let request = Request::get(format!("{}{range}", self.url))
            .header("add-padding", "true")
            .header("user-agent", concat!("countersign/", env!("CARGO_PKG_VERSION")))
            .body(Empty::new())
            .map_err(io::Error::other)?;
        let response = self.client.request(request).await.map_err(io::Error::other)?;
        if response.status() != StatusCode::OK {
            return Err(io::Error::other(format!("it answers {}", response.status())));
        }
        let body = whole_body(response.into_body(), MOST_BYTES, TIMEOUT).await;
        let body = body.map_err(io::Error::other)?;
        let text = std::str::from_utf8(&body).map_err(io::Error::other)?;
        Ok(has(text, rest))
    }
}

#[async_trait]
impl BreachedList for RangeService {
    async fn contains(&self, password: Sha1) -> io::Result<bool> {
        tokio::time::timeout(TIMEOUT, self.ask(password)).await.unwrap_or_else(|_| {
            Err(io::Error::other("the service of breached passwords gives no answer in time"))
        })
    }
}

impl fmt::Debug for RangeService {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RangeService").field("url", &self.url).finish_non_exhaustive()
    }
}

/// Whether the 35 digits are in the answer, more than no times: padding is lines with a zero.
fn has(answer: &str, rest: &str) -> bool {
    answer.lines().filter_map(|line| line.trim().split_once(':')).any(|(digits, times)| {
        digits.eq_ignore_ascii_case(rest) && times.parse::<u64>().is_ok_and(|times| times > 0)
    })
}

/// Whoever chooses a password waits for it.
const TIMEOUT: Duration = Duration::from_secs(2);
/// A padded range has some 1,000 lines of 40 bytes.
const MOST_BYTES: usize = 1 << 20;
const HOW: &str = "write it like https://api.pwnedpasswords.com/range/";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn padding_is_no_find() {
        let answer = "1E4C9B93F3F0682250B6CF8331B7EE68FD8:10\r\n\
            0000000000000000000000000000000000A:0\r\nnonsense\r\n";
        assert!(has(answer, "1E4C9B93F3F0682250B6CF8331B7EE68FD8"));
        assert!(has(&answer.to_lowercase(), "1E4C9B93F3F0682250B6CF8331B7EE68FD8"));
        assert!(!has(answer, "0000000000000000000000000000000000A"));
        assert!(!has(answer, "1E4C9B93F3F0682250B6CF8331B7EE68FD9"));
        assert!(!has("", "1E4C9B93F3F0682250B6CF8331B7EE68FD8"));
    }

    #[test]
    fn digits_travel_over_https_only_but_on_this_machine() {
        for good in ["https://api.pwnedpasswords.com/range/", "http://127.0.0.1:8080/range"] {
            assert!(RangeService::new(good).is_ok(), "{good}");
        }
        for bad in ["http://api.pwnedpasswords.com/range/", "api.pwnedpasswords.com", "ftp://x", ""]
        {
            assert!(RangeService::new(bad).is_err(), "{bad}");
        }
    }
}

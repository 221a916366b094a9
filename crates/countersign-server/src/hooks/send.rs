//! One message to one hook: no redirect is followed, and the answer is bounded in time and size.

use std::error::Error;
use std::time::Duration;

use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Bytes;
use hyper::header::{CONTENT_TYPE, RETRY_AFTER, USER_AGENT};
use hyper::{Request, StatusCode};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use jiff::Timestamp;
use serde_json::Value;
use url::Host;

use super::address::{PRIVATE, Resolver, is_public};
use super::sign::{Body, signatures};
use crate::config::Hook;

/// What is sent.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Message<'a> {
    pub(crate) id: &'a str,
    pub(crate) event: &'a str,
    pub(crate) at: Timestamp,
    pub(crate) data: &'a Value,
}

/// What came of it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// It was taken: an answer of 200 to 299.
    Taken,
    /// The hook wants no more messages: 410.
    Gone,
    /// It was not taken.
    NotTaken {
        /// Why.
        reason: String,
        /// How long the hook asks to be left alone.
        again_after: Option<Duration>,
    },
}

/// Sends to one hook.
#[derive(Debug)]
pub(crate) struct Sender {
    hook: Hook,
    client: Client<HttpsConnector<HttpConnector<Resolver>>, Full<Bytes>>,
}

impl Sender {
    /// # Errors
    /// Where the machine's certificates cannot be read.
    pub(crate) fn new(hook: Hook) -> Result<Self, String> {
        let mut plain = HttpConnector::new_with_resolver(Resolver { private: hook.private });
        plain.enforce_http(false);
        plain.set_connect_timeout(Some(CONNECT_TIMEOUT));
        let connector = HttpsConnectorBuilder::new()
            .with_provider_and_native_roots(rustls::crypto::aws_lc_rs::default_provider())
            .map_err(|error| error.to_string())?
            .https_or_http()
            .enable_http1()
            .wrap_connector(plain);
        let client = Client::builder(TokioExecutor::new())
            .pool_idle_timeout(IDLE_TIMEOUT)
            .pool_max_idle_per_host(1)
            .http1_max_buf_size(HEAD_MAX_BYTES)
            .build(connector);
        Ok(Self { hook, client })
    }

    /// Sends one message; `now` is when.
    pub(crate) async fn send(&self, message: Message<'_>, now: Timestamp) -> Outcome {
        let sent = tokio::time::timeout(TIMEOUT, self.try_to(message, now)).await;
        sent.unwrap_or_else(|_| Err("it gave no answer in time".to_owned()))
            .unwrap_or_else(|reason| Outcome::NotTaken { reason, again_after: None })
    }

    async fn try_to(&self, message: Message<'_>, now: Timestamp) -> Result<Outcome, String> {
        let Message { id, event, at, data } = message;
        // An address in the place of a name is not looked up.
        let is_allowed = self.hook.private
            || match self.hook.url.host() {
                Some(Host::Ipv4(address)) => is_public(address.into()),
                Some(Host::Ipv6(address)) => is_public(address.into()),
                Some(Host::Domain(_)) => true,
                None => false,
            };
        if !is_allowed {
            return Err(PRIVATE.to_owned());
        }
        let body = serde_json::to_vec(&Body { event, timestamp: at, data });
        let body = body.map_err(|error| error.to_string())?;
        let sent_at = now.as_second();
        let request = Request::post(self.hook.url.as_str())
            .header(CONTENT_TYPE, "application/json")
            .header(USER_AGENT, concat!("countersign/", env!("CARGO_PKG_VERSION")))
            .header("webhook-id", id)
            .header("webhook-timestamp", sent_at)
            .header("webhook-signature", signatures(&self.hook.keys, id, sent_at, &body))
            .body(Full::new(Bytes::from(body)))
            .map_err(|error| error.to_string())?;
        let answer = self.client.request(request).await.map_err(|error| cause_of(&error))?;
        let status = answer.status();
        let again_after = answer
            .headers()
            .get(RETRY_AFTER)
            .and_then(|value| again_after(value.to_str().ok()?.trim(), now));
        // Read, and thrown away piece by piece, so that the connection serves for the next one.
        let mut body = Limited::new(answer.into_body(), ANSWER_MAX_BYTES);
        while let Some(Ok(_)) = body.frame().await {}
        Ok(match status {
            status if status.is_success() => Outcome::Taken,
            StatusCode::GONE => Outcome::Gone,
            status if status.is_redirection() => Outcome::NotTaken {
                reason: format!("it answers {}, and no redirect is followed", status.as_u16()),
                again_after: None,
            },
            status => {
                Outcome::NotTaken { reason: format!("it answers {}", status.as_u16()), again_after }
            }
        })
    }
}

/// How long a `Retry-After` asks for, which is a number of seconds or a date, up to an hour.
fn again_after(asked: &str, now: Timestamp) -> Option<Duration> {
    let until = || {
        let date = Timestamp::try_from(httpdate::parse_http_date(asked).ok()?).ok()?;
        // One that is past asks for nothing.
        Some(date.duration_since(now).try_into().unwrap_or_default())
    };
    let length = asked.parse().map(Duration::from_secs).ok().or_else(until)?;
    Some(length.min(AGAIN_AFTER_MOST))
}

/// The innermost error says what happened; those around it say where.
fn cause_of(error: &dyn Error) -> String {
    let mut cause = error;
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    cause.to_string().chars().take(REASON_MAX_CHARS).collect()
}

/// How long a hook may take for a message, from the look-up of its name to the end of its answer.
pub(super) const TIMEOUT: Duration = Duration::from_secs(15);
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
const IDLE_TIMEOUT: Duration = Duration::from_secs(30);
/// Of an answer.
const HEAD_MAX_BYTES: usize = 16 * 1024;
const ANSWER_MAX_BYTES: usize = 64 * 1024;
const AGAIN_AFTER_MOST: Duration = Duration::from_secs(60 * 60);
const REASON_MAX_CHARS: usize = 300;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hook_asks_to_be_left_alone_in_seconds_or_until_a_date() {
        let now: Timestamp = "2026-11-24T03:59:30Z".parse().unwrap();
        for (asked, seconds) in [
            ("90", Some(90)),
            ("7200", Some(3_600)),
            ("Tue, 24 Nov 2026 04:01:00 GMT", Some(90)),
            ("Tuesday, 24-Nov-26 04:01:00 GMT", Some(90)),
            ("Tue Nov 24 04:01:00 2026", Some(90)),
            ("Wed, 25 Nov 2026 04:01:00 GMT", Some(3_600)),
            ("Tue, 24 Nov 2026 03:00:00 GMT", Some(0)),
            ("-1", None),
            ("later", None),
            ("", None),
        ] {
            assert_eq!(again_after(asked, now), seconds.map(Duration::from_secs), "{asked}");
        }
    }
}

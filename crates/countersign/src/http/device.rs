//! Device Bound Session Credentials on the wire: what browsers send and are told in headers.

use axum::Json;
use axum::http::header::{CACHE_CONTROL, RETRY_AFTER, SET_COOKIE};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use axum::response::{IntoResponse, Response};
use serde::Serialize;

use super::problem::{Code, Problem};
use crate::auth::Auth;
use crate::session::SessionId;
use crate::session::device::Shown;
use crate::token::proof::ChallengeFor;

/// What a refresh shows of its device.
pub(crate) fn shown(auth: &Auth, headers: &HeaderMap, session: SessionId) -> Shown {
    let binding = auth.checked().device_binding;
    let mut tickets = auth.checked().cookies.tickets_of(headers);
    Shown {
        ticket: tickets.find_map(|text| auth.tickets().verify(text, session)),
        is_skipped: headers.contains_key(SKIPPED),
        binding,
    }
}

/// The header by which a browser is offered to bind its session.
pub(crate) fn offer(auth: &Auth, session: SessionId) -> Offer {
    let what = ChallengeFor::Start(session);
    let challenge = auth.challenges().make(what, auth.now(), None, auth.random());
    let (home, base) = (auth.settings().home(), &auth.settings().base_path);
    let path = format!("{home}{base}/device/start");
    let value = format!("(ES256 RS256);path=\"{path}\";challenge=\"{challenge}\"");
    // Both paths are checked, and a challenge is base64url.
    Offer::new(REGISTRATION, HeaderValue::try_from(value).expect("visible ASCII characters"))
}

/// A header of an answer with what the client is to sign.
pub(crate) struct Offer(HeaderName, HeaderValue);

impl Offer {
    pub(super) const fn new(name: HeaderName, value: HeaderValue) -> Self {
        Self(name, value)
    }

    pub(crate) fn add_to(self, headers: &mut HeaderMap) {
        headers.insert(self.0, self.1);
    }
}

/// Whether script of a page made this request. A browser's own requests for a bound session have
/// the mode `no-cors`, in which script cannot send the headers of a proof.
pub(crate) fn is_of_script(headers: &HeaderMap) -> bool {
    headers.get(FETCH_MODE).is_some_and(|mode| mode != "no-cors")
}

/// The proof of a request, if there is one.
pub(crate) fn proof(headers: &HeaderMap) -> Option<&str> {
    text(headers, &RESPONSE)
}

/// The session that a browser says it proves.
pub(crate) fn session_named(headers: &HeaderMap) -> Option<SessionId> {
    text(headers, &SESSION_ID)?.parse().ok()
}

/// A string of a structured field (RFC 9651), with its quotes or without. One that comes twice says
/// nothing.
fn text<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    let mut values = headers.get_all(name).into_iter();
    let (Some(only), None) = (values.next(), values.next()) else { return None };
    let text = only.to_str().ok()?.trim();
    Some(text.strip_prefix('"').and_then(|text| text.strip_suffix('"')).unwrap_or(text))
}

/// What a browser is told at the refresh endpoint of its bound session.
///
/// There are no others: a browser gives the binding up for good after any refusal but the 403, and
/// after five of these in a row. What goes wrong on our side is a 503.
pub(crate) enum DeviceAnswer {
    /// Sign this.
    Challenge(SessionId, String),
    /// The device has proved itself: the ticket.
    Proved(HeaderValue),
    /// There is nothing to prove any more. Where the refresh cookie is still the session's, its
    /// ticket is removed: the browser that forgets its key must not confirm it.
    Ended(Option<SessionId>, Option<HeaderValue>),
    /// It cannot be said now.
    Later(Problem),
}

#[derive(Serialize)]
struct Ended {
    #[serde(skip_serializing_if = "Option::is_none")]
    session_identifier: Option<SessionId>,
    r#continue: bool,
}

impl IntoResponse for DeviceAnswer {
    fn into_response(self) -> Response {
        let no_store = (CACHE_CONTROL, HeaderValue::from_static("no-store"));
        match self {
            Self::Challenge(session, challenge) => {
                let mut response =
                    Problem::new(Code::DeviceProofRequired).to_http::<axum::body::Body>();
                let value = format!("\"{challenge}\";id=\"{session}\"");
                if let Ok(value) = HeaderValue::try_from(value) {
                    response.headers_mut().insert(CHALLENGE, value);
                }
                response
            }
            Self::Proved(cookie) => {
                (StatusCode::OK, [no_store, (SET_COOKIE, cookie)]).into_response()
            }
            Self::Ended(session_identifier, cookie) => {
                let ended = Ended { session_identifier, r#continue: false };
                let mut response = ([no_store], Json(ended)).into_response();
                response.headers_mut().extend(cookie.map(|cookie| (SET_COOKIE, cookie)));
                response
            }
            Self::Later(problem) => later(&problem),
        }
    }
}

/// The 503 in the place of any refusal.
fn later(problem: &Problem) -> Response {
    let mut response = match problem.code() {
        Code::Unavailable => problem.to_http(),
        _ => Problem::new(Code::Unavailable).retry_after(1).to_http(),
    };
    response.headers_mut().entry(RETRY_AFTER).or_insert(HeaderValue::from_static("1"));
    response
}

/// Turns what would end a browser's binding into a 503: for what is answered to
/// `POST …/device/refresh` before the endpoint is reached, by layers and servers around it.
///
/// Any refusal there but the 403 with a challenge, and any redirect, makes a browser forget the key
/// of its session for good.
///
/// ```
/// use axum::body::Body;
/// use axum::http::{Response, StatusCode};
/// use countersign::http::keeping_the_binding;
///
/// let refused = Response::builder().status(429).body(Body::empty()).unwrap();
/// let answer = keeping_the_binding(refused);
/// assert_eq!(answer.status(), StatusCode::SERVICE_UNAVAILABLE);
/// assert_eq!(answer.headers()["retry-after"], "1");
/// ```
pub fn keeping_the_binding(response: Response) -> Response {
    let status = response.status();
    let ends_it = status.is_client_error() || status.is_redirection();
    let is_challenge =
        status == StatusCode::FORBIDDEN && response.headers().contains_key(CHALLENGE);
    if ends_it && !is_challenge {
        later(&Problem::new(Code::Unavailable).retry_after(1))
    } else {
        response
    }
}

impl Auth {
    /// Whether a request is one by which a browser proves the key of its session. Browsers post it,
    /// and to the endpoint itself.
    ///
    /// ```
    /// # mod world { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/examples/world.rs")); }
    /// use axum::http::Method;
    ///
    /// # world::run(async |world| {
    /// # let auth = world.auth;
    /// assert!(auth.is_device_proof(&Method::POST, "/accounts/device/refresh"));
    /// assert!(auth.is_device_proof(&Method::POST, "/accounts/device/refresh/"));
    /// assert!(!auth.is_device_proof(&Method::GET, "/accounts/device/refresh"));
    /// assert!(!auth.is_device_proof(&Method::POST, "/accounts/device/refresh/x"));
    /// assert!(!auth.is_device_proof(&Method::POST, "/x/accounts/device/refresh"));
    /// assert!(!auth.is_device_proof(&Method::POST, "/device/refresh"));
    /// # });
    /// ```
    #[doc(hidden)]
    pub fn is_device_proof(&self, method: &Method, path: &str) -> bool {
        method == Method::POST
            && path
                .strip_suffix('/')
                .unwrap_or(path)
                .strip_suffix(DEVICE_REFRESH)
                .is_some_and(|base| base == self.settings().base_path)
    }
}

/// The endpoint, below the base path.
pub(crate) const DEVICE_REFRESH: &str = "/device/refresh";

const FETCH_MODE: HeaderName = HeaderName::from_static("sec-fetch-mode");
const REGISTRATION: HeaderName = HeaderName::from_static("secure-session-registration");
const RESPONSE: HeaderName = HeaderName::from_static("secure-session-response");
const CHALLENGE: HeaderName = HeaderName::from_static("secure-session-challenge");
const SKIPPED: HeaderName = HeaderName::from_static("secure-session-skipped");
const SESSION_ID: HeaderName = HeaderName::from_static("sec-secure-session-id");

#[cfg(test)]
mod tests {
    use axum::body::Body;

    use super::*;

    #[test]
    fn whatever_would_end_a_binding_becomes_a_503_and_nothing_else_changes() {
        for status in (200..600).filter_map(|code| StatusCode::from_u16(code).ok()) {
            for is_challenge in [false, true] {
                let mut given = Response::new(Body::empty());
                *given.status_mut() = status;
                if is_challenge {
                    given.headers_mut().insert(CHALLENGE, HeaderValue::from_static("\"a\""));
                }
                let kept = keeping_the_binding(given);
                let stays = status.is_success()
                    || status.is_server_error()
                    || status == StatusCode::FORBIDDEN && is_challenge;
                if stays {
                    assert_eq!(kept.status(), status);
                } else {
                    assert_eq!(kept.status(), StatusCode::SERVICE_UNAVAILABLE, "{status}");
                    assert_eq!(kept.headers()[RETRY_AFTER], "1");
                    assert!(!kept.headers().contains_key(CHALLENGE));
                }
            }
        }
    }
}

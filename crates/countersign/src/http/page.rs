//! Pages that the server renders: what of a request counts there, and how their answers look.

use std::convert::Infallible;
use std::fmt;

use axum::extract::{FromRequestParts, NestedPath, OptionalFromRequestParts};
use axum::http::header::{CACHE_CONTROL, COOKIE, LOCATION, SET_COOKIE, UPGRADE};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use axum::response::{IntoResponse, Response};
use countersign_verify::{Authenticator, Found, Identity};

use super::device::Offer;
use super::problem::{Code, Problem};
use crate::web::next_page::NextPage;

/// Whether a page of another site fetched this, which is more than a link that was followed: it is
/// told nothing of who is logged in.
pub(crate) fn is_fetched_by_another_site(headers: &HeaderMap) -> bool {
    headers.get(FETCH_SITE).is_some_and(|site| site == "cross-site") && !is_navigation(headers)
}

/// Whether it does something: what is not safe, and a WebSocket, which has no CORS before it.
pub(crate) fn is_write(parts: &Parts) -> bool {
    !parts.method.is_safe() || opens_a_socket(parts)
}

/// Whether it sends something, which a page of ours sends with the CSRF token. A WebSocket has no
/// place for one: its `Origin` is what tells whose it is.
pub(crate) fn sends(parts: &Parts) -> bool {
    !parts.method.is_safe() && !opens_a_socket_of_http_2(parts)
}

/// Whether it opens a WebSocket, or becomes another protocol in another way.
fn opens_a_socket(parts: &Parts) -> bool {
    parts.headers.contains_key(UPGRADE) || opens_a_socket_of_http_2(parts)
}

/// RFC 8441. No form and no `fetch` of a page can send this method.
fn opens_a_socket_of_http_2(parts: &Parts) -> bool {
    parts.method == Method::CONNECT
}

/// Whether people see the answer. Clients that are no browsers do not say.
fn is_navigation(headers: &HeaderMap) -> bool {
    headers.get(FETCH_MODE).is_none_or(|mode| mode == "navigate")
}

/// Where somebody is sent who must log in first.
pub(crate) struct LoginPage {
    /// The login page, with the way back. None for what no person sees: there the refusal is the
    /// answer.
    place: Option<HeaderValue>,
}

impl LoginPage {
    pub(crate) fn of(parts: &Parts, login_page: &NextPage) -> Self {
        if !is_navigation(&parts.headers) || opens_a_socket(parts) {
            return Self { place: None };
        }
        let to = login_page.as_str();
        let place = match back(parts) {
            Some(back) => {
                let sign = if to.contains('?') { '&' } else { '?' };
                let back: String =
                    url::form_urlencoded::byte_serialize(back.as_str().as_bytes()).collect();
                format!("{to}{sign}next={back}")
            }
            None => to.to_owned(),
        };
        Self { place: HeaderValue::try_from(place).ok() }
    }
}

/// The page that was asked for. What was sent cannot be sent again.
fn back(parts: &Parts) -> Option<NextPage> {
    let path = parts.uri.path_and_query()?.as_str();
    let nested = parts.extensions.get::<NestedPath>().map_or("", NestedPath::as_str);
    let is_shown = parts.method.is_safe() && !nested.contains(['{', '}']);
    let nested = nested.strip_suffix('/').unwrap_or(nested);
    is_shown.then(|| NextPage::parse(&format!("{nested}{path}"))).flatten()
}

/// What the answer of a page brings besides.
#[derive(Default)]
pub(crate) struct Renewal {
    pub(crate) cookies: Vec<HeaderValue>,
    pub(crate) offer: Option<Offer>,
}

/// The answer of a page, or of whatever refused it, as the browser gets it.
pub(crate) fn finished(answer: Response, login: LoginPage, renewal: Renewal) -> Response {
    let is_refused = answer.status() == StatusCode::UNAUTHORIZED
        && answer.extensions().get::<Problem>().is_some();
    let own: Vec<HeaderValue> = answer.headers().get_all(SET_COOKIE).iter().cloned().collect();
    let mut answer = match login.place {
        Some(place) if is_refused => see_other(place),
        _ => answer,
    };
    let headers = answer.headers_mut();
    headers.remove(SET_COOKIE);
    // Of two of one name the last counts: what the page says of cookies, as after a logout.
    for cookie in renewal.cookies.into_iter().chain(own) {
        headers.append(SET_COOKIE, cookie);
    }
    if let Some(offer) = renewal.offer {
        offer.add_to(headers);
    }
    answer
}

/// In the extensions of a request: what its cookies say.
#[derive(Clone)]
pub(crate) struct InCookies(pub(crate) Option<Identity>);

/// Knows who is asking from what was found before it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct FoundInCookies;

impl Authenticator for FoundInCookies {
    const VARIES_BY: HeaderName = COOKIE;

    fn known(&self, request: &Parts) -> Option<Found> {
        let found = request.extensions.get::<InCookies>();
        Some(Ok(found.and_then(|InCookies(who)| who.clone())))
    }

    async fn identify(&self, _: &Parts) -> Found {
        Ok(None)
    }
}

/// On to a page of this origin, after a form.
pub(crate) fn on_to(page: &NextPage, renewal: Renewal) -> Response {
    // A page is made of visible ASCII characters.
    let place = HeaderValue::try_from(page.as_str());
    let answer = see_other(place.unwrap_or(HeaderValue::from_static("/")));
    finished(answer, LoginPage { place: None }, renewal)
}

fn see_other(place: HeaderValue) -> Response {
    let no_store = HeaderValue::from_static("no-store");
    (StatusCode::SEE_OTHER, [(LOCATION, place), (CACHE_CONTROL, no_store)]).into_response()
}

/// The query's `next`: where to go after a login.
impl<S: Sync> FromRequestParts<S> for NextPage {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        let query = parts.uri.query().unwrap_or_default().as_bytes();
        let next = url::form_urlencoded::parse(query).find(|(name, _)| name == "next");
        Ok(next.and_then(|(_, page)| Self::parse(&page)).unwrap_or_default())
    }
}

/// The hidden field that every form on a page needs which writes: it prints as the `input`. An
/// extractor behind [`protect_pages`](crate::Auth::protect_pages).
///
/// ```
/// use countersign::http::CsrfField;
///
/// async fn settings(csrf: CsrfField) -> axum::response::Html<String> {
///     format!("<form method=post>{csrf}<button>Delete it</button></form>").into()
/// }
/// ```
#[derive(Clone)]
pub struct CsrfField(String);

impl CsrfField {
    pub(crate) fn new(token: String) -> Self {
        Self(token)
    }

    /// What is in it: for a script of the page, which sends it as `X-CSRFTOKEN`.
    ///
    /// ```
    /// use countersign::http::CsrfField;
    ///
    /// fn meta(csrf: &CsrfField) -> String {
    ///     format!("<meta name=csrf content={}>", csrf.token())
    /// }
    /// ```
    pub fn token(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for CsrfField {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // base64url has no character that means something in HTML.
        write!(f, "<input type=\"hidden\" name=\"{FIELD}\" value=\"{}\">", self.0)
    }
}

impl fmt::Debug for CsrfField {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("CsrfField(..)")
    }
}

impl<S: Sync> FromRequestParts<S> for CsrfField {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let field = parts.extensions.get::<Self>().cloned();
        field.ok_or_else(|| Problem::new(Code::NotAuthenticated).detail(NO_PAGE))
    }
}

impl<S: Sync> OptionalFromRequestParts<S> for CsrfField {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Option<Self>, Infallible> {
        Ok(parts.extensions.get::<Self>().cloned())
    }
}

/// The name of the field.
pub(super) const FIELD: &str = "csrf_token";

const NO_PAGE: &str = "There is no session for a form here: nobody is logged in, or this route is \
    not behind `protect_pages`.";
const FETCH_MODE: HeaderName = HeaderName::from_static("sec-fetch-mode");
const FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

//! Answers: what a flow says, as status codes and headers.

use axum::Json;
use axum::body::{Body, Bytes};
use axum::http::header::{
    ACCESS_CONTROL_ALLOW_ORIGIN, CACHE_CONTROL, CONTENT_DISPOSITION, CONTENT_ENCODING,
    CONTENT_TYPE, ETAG, IF_NONE_MATCH, SET_COOKIE,
};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use futures_util::{TryStream, TryStreamExt};
use serde::Serialize;

use super::device::Offer;
use super::problem::Problem;
use crate::store::StoreError;
use crate::token::RefreshError;
use crate::web::etag::is_known;

/// JSON that no cache keeps (RFC 6749, 5.1), with cookies.
///
/// It says that it is not compressed, so that no layer of an app and no proxy compresses it: what
/// is compressed together with what a stranger can choose gives its secrets away by its length
/// (BREACH).
pub(crate) struct Uncached<B> {
    body: B,
    cookies: Vec<HeaderValue>,
    /// The offer to bind the session.
    offer: Option<Offer>,
}

impl<B> Uncached<B> {
    pub(crate) fn new(body: B) -> Self {
        Self { body, cookies: Vec::new(), offer: None }
    }

    pub(crate) fn with_cookies(self, cookies: impl IntoIterator<Item = HeaderValue>) -> Self {
        Self { cookies: cookies.into_iter().collect(), ..self }
    }

    /// With an offer to bind the session, where there is one.
    pub(crate) fn offering(self, offer: Option<Offer>) -> Self {
        Self { offer, ..self }
    }
}

impl<B: Serialize> IntoResponse for Uncached<B> {
    fn into_response(self) -> Response {
        let mut headers = no_store(self.cookies);
        headers.insert(CONTENT_ENCODING, HeaderValue::from_static("identity"));
        if let Some(offer) = self.offer {
            offer.add_to(&mut headers);
        }
        (headers, Json(self.body)).into_response()
    }
}

/// JSON that is written already, and that no cache keeps: for the hottest paths.
pub(crate) struct Written(pub(crate) Bytes);

impl IntoResponse for Written {
    fn into_response(self) -> Response {
        let mut response = Response::new(Body::from(self.0));
        // Room for what the layers above add, so that the map need not grow.
        let mut headers = HeaderMap::with_capacity(12);
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        *response.headers_mut() = headers;
        response
    }
}

/// JSON that is written while it is read, to be kept as a file and by no cache. What goes wrong on
/// the way breaks it off.
pub(crate) struct Download {
    name: &'static str,
    body: Body,
}

impl Download {
    pub(crate) fn new(
        name: &'static str,
        pages: impl TryStream<Ok = Bytes, Error = Problem> + Send + 'static,
    ) -> Self {
        let pages = pages.map_err(|problem| {
            tracing::warn!(code = problem.code().as_str(), "a download broke off");
            std::io::Error::other(problem.as_detail().to_owned())
        });
        Self { name, body: Body::from_stream(pages.into_stream()) }
    }
}

impl IntoResponse for Download {
    fn into_response(self) -> Response {
        let mut headers = no_store([]);
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        let disposition = format!("attachment; filename=\"{}\"", self.name);
        if let Ok(disposition) = HeaderValue::try_from(disposition) {
            headers.insert(CONTENT_DISPOSITION, disposition);
        }
        (headers, self.body).into_response()
    }
}

/// Done, and nothing to say; with cookies.
#[derive(Default)]
pub(crate) struct NoContent {
    cookies: Vec<HeaderValue>,
}

impl NoContent {
    pub(crate) fn with_cookies(cookies: Vec<HeaderValue>) -> Self {
        Self { cookies }
    }
}

impl IntoResponse for NoContent {
    fn into_response(self) -> Response {
        (StatusCode::NO_CONTENT, no_store(self.cookies)).into_response()
    }
}

/// Taken up, and nothing is said of what becomes of it.
pub(crate) struct Accepted {
    said: &'static str,
    cookies: Vec<HeaderValue>,
}

/// The body of an [`Accepted`].
#[derive(Serialize, utoipa::ToSchema)]
pub(crate) struct AcceptedBody {
    /// A sentence for people, the same for everybody.
    detail: &'static str,
}

impl Accepted {
    pub(crate) fn new(said: &'static str) -> Self {
        Self { said, cookies: Vec::new() }
    }

    pub(crate) fn with_cookies(self, cookies: impl IntoIterator<Item = HeaderValue>) -> Self {
        Self { cookies: cookies.into_iter().collect(), ..self }
    }
}

impl IntoResponse for Accepted {
    fn into_response(self) -> Response {
        let body = Json(AcceptedBody { detail: self.said });
        (StatusCode::ACCEPTED, no_store(self.cookies), body).into_response()
    }
}

/// Something that is there now, with cookies beside its own.
pub(crate) struct Created<B> {
    body: B,
    cookies: Vec<HeaderValue>,
}

impl<B> Created<B> {
    pub(crate) fn new(body: B) -> Self {
        Self { body, cookies: Vec::new() }
    }

    pub(crate) fn with_cookies(self, cookies: impl IntoIterator<Item = HeaderValue>) -> Self {
        Self { cookies: cookies.into_iter().collect(), ..self }
    }
}

impl<B: IntoResponse> IntoResponse for Created<B> {
    fn into_response(self) -> Response {
        let mut response = self.body.into_response();
        *response.status_mut() = StatusCode::CREATED;
        for cookie in self.cookies {
            response.headers_mut().append(SET_COOKIE, cookie);
        }
        response
    }
}

/// One of two answers.
pub(crate) enum Either<L, R> {
    Left(L),
    Right(R),
}

impl<L: IntoResponse, R: IntoResponse> IntoResponse for Either<L, R> {
    fn into_response(self) -> Response {
        match self {
            Self::Left(answer) => answer.into_response(),
            Self::Right(answer) => answer.into_response(),
        }
    }
}

/// Who is asking, for a proxy that passes it on in headers.
pub(crate) struct Whose {
    /// `X-Auth-User-Id`
    pub(crate) user: String,
    /// `X-Auth-Username`, percent-encoded.
    pub(crate) username: String,
    /// `X-Auth-Groups`, each percent-encoded, with commas between.
    pub(crate) groups: String,
    /// `X-Auth-Groups-Left-Out`: how many found no room.
    pub(crate) left_out: usize,
}

impl IntoResponse for Whose {
    fn into_response(self) -> Response {
        let mut headers = no_store([]);
        let left_out = (self.left_out > 0).then(|| (GROUPS_LEFT_OUT, self.left_out.to_string()));
        for (name, value) in
            [(USER_ID, self.user), (USERNAME, self.username), (GROUPS, self.groups)]
                .into_iter()
                .chain(left_out)
        {
            if let Ok(value) = HeaderValue::try_from(value) {
                headers.insert(name, value);
            }
        }
        (StatusCode::NO_CONTENT, headers).into_response()
    }
}

/// What caches may keep for a while and then ask about by its tag; for pages of every origin.
pub(crate) struct Cacheable {
    headers: HeaderMap,
    /// None for who has it.
    body: Option<Bytes>,
}

impl Cacheable {
    /// The answer to a request with the headers `asked`. The body is made only for who does not
    /// have it.
    ///
    /// # Errors
    /// The body's.
    pub(crate) fn new(
        asked: &HeaderMap,
        tag: &str,
        content_type: &'static str,
        cached: &'static str,
        body: impl FnOnce() -> Result<Bytes, Problem>,
    ) -> Result<Self, Problem> {
        let tag = format!("\"{tag}\"");
        let is_known = is_known(asked.get_all(IF_NONE_MATCH), &tag);
        let mut headers = HeaderMap::new();
        headers.insert(CACHE_CONTROL, HeaderValue::from_static(cached));
        // Public, and for who verifies tokens in a page too. Where the page's origin is listed,
        // CORS says so instead.
        headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
        // Tags are made of base64url, digits and dots.
        if let Ok(tag) = HeaderValue::try_from(tag) {
            headers.insert(ETAG, tag);
        }
        if is_known {
            return Ok(Self { headers, body: None });
        }
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
        Ok(Self { headers, body: Some(body()?) })
    }
}

impl IntoResponse for Cacheable {
    fn into_response(self) -> Response {
        match self.body {
            Some(body) => (self.headers, body).into_response(),
            None => (StatusCode::NOT_MODIFIED, self.headers).into_response(),
        }
    }
}

/// A refusal that may take the browser's cookies away.
pub(crate) struct Refusal {
    problem: Problem,
    /// `None` leaves them alone.
    cleared: Option<Vec<HeaderValue>>,
}

impl Refusal {
    pub(crate) fn clearing(problem: Problem, cookies: Vec<HeaderValue>) -> Self {
        Self { problem, cleared: Some(cookies) }
    }

    /// What the browser is to forget, where it is a 401: for pages that are for nobody in
    /// particular too.
    ///
    /// # Errors
    /// The refusal, where it is any other.
    pub(crate) fn or_nobody(self) -> Result<Vec<HeaderValue>, Self> {
        if self.problem.code().status() == StatusCode::UNAUTHORIZED {
            Ok(self.cleared.unwrap_or_default())
        } else {
            Err(self)
        }
    }
}

impl Refusal {
    /// What it says of a session that is over, or of nobody's, and the cookies that it takes away.
    ///
    /// # Errors
    /// Itself, where it says that it is not known.
    pub(crate) fn over(self) -> Result<(Problem, Vec<HeaderValue>), Self> {
        if self.problem.code().status() == StatusCode::UNAUTHORIZED {
            Ok((self.problem, self.cleared.unwrap_or_default()))
        } else {
            Err(self)
        }
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let mut response = self.problem.into_response();
        if let Some(cookies) = self.cleared {
            response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
            for cookie in cookies {
                response.headers_mut().append(SET_COOKIE, cookie);
            }
        }
        response
    }
}

impl From<Problem> for Refusal {
    fn from(problem: Problem) -> Self {
        Self { problem, cleared: None }
    }
}

impl From<RefreshError> for Refusal {
    fn from(error: RefreshError) -> Self {
        Problem::from(error).into()
    }
}

impl From<StoreError> for Refusal {
    fn from(error: StoreError) -> Self {
        Problem::from(error).into()
    }
}

/// The headers of an answer that no cache keeps, with cookies.
fn no_store(cookies: impl IntoIterator<Item = HeaderValue>) -> HeaderMap {
    let mut headers = HeaderMap::new();
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    for cookie in cookies {
        headers.append(SET_COOKIE, cookie);
    }
    headers
}

const USER_ID: HeaderName = HeaderName::from_static("x-auth-user-id");
const USERNAME: HeaderName = HeaderName::from_static("x-auth-username");
const GROUPS: HeaderName = HeaderName::from_static("x-auth-groups");
const GROUPS_LEFT_OUT: HeaderName = HeaderName::from_static("x-auth-groups-left-out");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn that_it_is_not_known_is_another_answer_than_nobody() {
        let unknown = StoreError::Failed("the disk is full".to_owned());
        assert!(Refusal::from(unknown).over().is_err());
        assert!(Refusal::from(RefreshError::Expired).over().is_ok());
    }
}

//! Problem details: the one shape of every error (RFC 9457), a superset of Django REST framework's `{"detail": …}`.

use std::borrow::Cow;
use std::collections::BTreeMap;

use axum::http::header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use countersign_verify::TokenError;
use serde::Serialize;

use crate::password::HashError;
use crate::session::RevokedReason;
use crate::store::StoreError;

/// An error as the client sees it.
///
/// ```
/// use axum::response::IntoResponse;
/// use countersign::http::{Code, Problem};
///
/// let response = Problem::new(Code::PermissionDenied).detail("Only staff may do this.").into_response();
/// assert_eq!(response.status(), 403);
/// ```
#[derive(Debug, Clone)]
pub struct Problem {
    code: Code,
    detail: Cow<'static, str>,
    errors: BTreeMap<&'static str, Vec<String>>,
    reason: Option<RevokedReason>,
    retry_after: Option<u32>,
    allow: Option<HeaderValue>,
}

impl Problem {
    /// A problem with its code's usual detail.
    pub fn new(code: Code) -> Self {
        Self { code, detail: Cow::Borrowed(code.row().3), errors: BTreeMap::new(), reason: None, retry_after: None, allow: None }
    }

    /// Says more exactly what is wrong, and what to do.
    #[must_use]
    pub fn detail(mut self, detail: impl Into<Cow<'static, str>>) -> Self {
        self.detail = detail.into();
        self
    }

    /// Adds a message about a field.
    #[must_use]
    pub fn field(mut self, name: &'static str, message: impl Into<String>) -> Self {
        self.errors.entry(name).or_default().push(message.into());
        self
    }

    /// Says why a session was ended.
    #[must_use]
    pub fn reason(mut self, reason: RevokedReason) -> Self {
        self.reason = Some(reason);
        self
    }

    /// Says when to come back, in seconds.
    #[must_use]
    pub fn retry_after(mut self, seconds: u32) -> Self {
        self.retry_after = Some(seconds.max(1));
        self
    }

    /// Says which methods there are.
    #[must_use]
    pub fn allow(mut self, methods: HeaderValue) -> Self {
        self.allow = Some(methods);
        self
    }

    /// Its code.
    pub fn code(&self) -> Code {
        self.code
    }

    /// The messages about fields.
    pub fn has_field_errors(&self) -> bool {
        !self.errors.is_empty()
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let (status, code, title, _) = self.code.row();
        let document = Document {
            r#type: format!("urn:countersign:problem:{code}"),
            title,
            status: status.as_u16(),
            detail: &self.detail,
            code,
            errors: &self.errors,
            reason: self.reason,
        };
        // Strings, numbers and a map of strings always serialise.
        let body = serde_json::to_vec(&document).unwrap_or_default();
        let mut response = (status, body).into_response();
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        if let Some(challenge) = self.code.challenge() {
            headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static(challenge));
        }
        if let Some(seconds) = self.retry_after {
            headers.insert(RETRY_AFTER, HeaderValue::from(seconds));
        }
        if let Some(methods) = self.allow {
            headers.insert(ALLOW, methods);
        }
        response
    }
}

impl From<TokenError> for Problem {
    fn from(error: TokenError) -> Self {
        match error {
            TokenError::Expired => Self::new(Code::TokenExpired),
            other => Self::new(Code::TokenInvalid).detail(other.to_string()),
        }
    }
}

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::UsernameTaken => Self::new(Code::ValidationError).field("username", "A user with that name already exists."),
            StoreError::EmailTaken => Self::new(Code::ValidationError).field("email", "This address is another user's name."),
            StoreError::Busy | StoreError::Failed(_) => {
                tracing::error!(%error, "the store did not do as asked");
                Self::new(Code::Unavailable).retry_after(1)
            }
        }
    }
}

impl From<HashError> for Problem {
    fn from(_: HashError) -> Self {
        Self::new(Code::Unavailable).retry_after(1)
    }
}

/// The answer at a path where nothing is: a fallback for any router.
pub async fn not_found() -> Problem {
    Problem::new(Code::NotFound)
}

/// The answer to a method that a path has not: a fallback for any router, which adds `Allow`.
pub async fn method_not_allowed() -> Problem {
    Problem::new(Code::MethodNotAllowed)
}

/// What went wrong, in a word that stays the same for ever.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Code {
    /// No credentials.
    NotAuthenticated,
    /// Credentials that are malformed, forged, of the wrong kind or given twice.
    TokenInvalid,
    /// An access token whose time is over.
    TokenExpired,
    /// The session was ended.
    SessionRevoked,
    /// The user was deactivated or deleted.
    UserInactive,
    /// A login that did not succeed, whatever the cause.
    InvalidCredentials,
    /// The session had its time.
    SessionExpired,
    /// No refresh token.
    RefreshTokenMissing,
    /// Not a refresh token of this server, or of the other kind of client.
    RefreshTokenInvalid,
    /// A refresh token whose time is over.
    RefreshTokenExpired,
    /// Two parties held this session's refresh tokens.
    RefreshTokenReused,
    /// Known, and not allowed.
    PermissionDenied,
    /// A request that may have been forged by another site.
    CsrfFailed,
    /// Too many attempts.
    Throttled,
    /// A body that cannot be read.
    ParseError,
    /// A body whose fields are missing, too long or of the wrong type.
    ValidationError,
    /// No such path.
    NotFound,
    /// No such method on this path.
    MethodNotAllowed,
    /// A request that took too long to arrive.
    RequestTimeout,
    /// A body over the limit.
    PayloadTooLarge,
    /// A body of a type that is not understood.
    UnsupportedMediaType,
    /// A request whose head is not HTTP as it must be.
    BadRequest,
    /// The database or the hashing queue cannot take more work.
    Unavailable,
    /// A fault of ours.
    InternalError,
}

impl Code {
    /// The word.
    pub fn as_str(self) -> &'static str {
        self.row().1
    }

    /// The status.
    pub fn status(self) -> StatusCode {
        self.row().0
    }

    /// Every code.
    pub const ALL: [Self; 24] = [
        Self::NotAuthenticated,
        Self::TokenInvalid,
        Self::TokenExpired,
        Self::SessionRevoked,
        Self::UserInactive,
        Self::InvalidCredentials,
        Self::SessionExpired,
        Self::RefreshTokenMissing,
        Self::RefreshTokenInvalid,
        Self::RefreshTokenExpired,
        Self::RefreshTokenReused,
        Self::PermissionDenied,
        Self::CsrfFailed,
        Self::Throttled,
        Self::ParseError,
        Self::ValidationError,
        Self::NotFound,
        Self::MethodNotAllowed,
        Self::RequestTimeout,
        Self::PayloadTooLarge,
        Self::UnsupportedMediaType,
        Self::BadRequest,
        Self::Unavailable,
        Self::InternalError,
    ];

    #[rustfmt::skip]
    const fn row(self) -> (StatusCode, &'static str, &'static str, &'static str) {
        use StatusCode as S;
        match self {
            Self::NotAuthenticated => (S::UNAUTHORIZED, "not_authenticated", "Not authenticated", "Log in, and send the access token as `Authorization: Bearer`."),
            Self::TokenInvalid => (S::UNAUTHORIZED, "token_invalid", "Token invalid", "The access token is not valid."),
            Self::TokenExpired => (S::UNAUTHORIZED, "token_expired", "Token expired", "The access token has expired. Refresh, and try again."),
            Self::SessionRevoked => (S::UNAUTHORIZED, "session_revoked", "Session revoked", "This session was ended. Log in again."),
            Self::UserInactive => (S::UNAUTHORIZED, "user_inactive", "User inactive", "This user is not active."),
            Self::InvalidCredentials => (S::UNAUTHORIZED, "invalid_credentials", "Invalid credentials", "No active user with this name and password was found."),
            Self::SessionExpired => (S::UNAUTHORIZED, "session_expired", "Session expired", "This session has expired. Log in again."),
            Self::RefreshTokenMissing => (S::UNAUTHORIZED, "refresh_token_missing", "Refresh token missing", "No refresh token was sent: a browser sends the cookie when `credentials` are included, other clients send `refresh_token` in the body."),
            Self::RefreshTokenInvalid => (S::UNAUTHORIZED, "refresh_token_invalid", "Refresh token invalid", "The refresh token is not valid. Log in again."),
            Self::RefreshTokenExpired => (S::UNAUTHORIZED, "refresh_token_expired", "Refresh token expired", "The refresh token has expired. Log in again."),
            Self::RefreshTokenReused => (S::UNAUTHORIZED, "refresh_token_reused", "Refresh token reused", "This refresh token was used by someone else as well, so the session was ended for both. Log in again, and change the password if that was not you."),
            Self::PermissionDenied => (S::FORBIDDEN, "permission_denied", "Permission denied", "You may not do this."),
            Self::CsrfFailed => (S::FORBIDDEN, "csrf_failed", "CSRF check failed", "The CSRF check failed."),
            Self::Throttled => (S::TOO_MANY_REQUESTS, "throttled", "Too many attempts", "Too many attempts. Wait as long as `Retry-After` says, and try again."),
            Self::ParseError => (S::BAD_REQUEST, "parse_error", "Parse error", "The body could not be read."),
            Self::ValidationError => (S::BAD_REQUEST, "validation_error", "Validation error", "Some fields are not valid; see `errors`."),
            Self::NotFound => (S::NOT_FOUND, "not_found", "Not found", "There is nothing at this path."),
            Self::MethodNotAllowed => (S::METHOD_NOT_ALLOWED, "method_not_allowed", "Method not allowed", "This path has no such method; see `Allow`."),
            Self::RequestTimeout => (S::REQUEST_TIMEOUT, "request_timeout", "Request timeout", "The body took too long to arrive."),
            Self::PayloadTooLarge => (S::PAYLOAD_TOO_LARGE, "payload_too_large", "Payload too large", "The body is larger than 64 KiB."),
            Self::UnsupportedMediaType => (S::UNSUPPORTED_MEDIA_TYPE, "unsupported_media_type", "Unsupported media type", "Send the body as `application/json` or `application/x-www-form-urlencoded`, and say so in `Content-Type`."),
            Self::BadRequest => (S::BAD_REQUEST, "bad_request", "Bad request", "The request is not valid HTTP."),
            Self::Unavailable => (S::SERVICE_UNAVAILABLE, "unavailable", "Temporarily unavailable", "The server is busy. Nothing was lost; try again after `Retry-After` seconds."),
            Self::InternalError => (S::INTERNAL_SERVER_ERROR, "internal_error", "Internal error", "The server made a mistake. Its log tells more."),
        }
    }

    /// `WWW-Authenticate` of a 401 (RFC 6750, 3: no error code where no credentials were sent).
    const fn challenge(self) -> Option<&'static str> {
        match self {
            Self::NotAuthenticated | Self::RefreshTokenMissing | Self::InvalidCredentials => Some("Bearer"),
            Self::TokenExpired => Some("Bearer error=\"invalid_token\", error_description=\"the token has expired\""),
            Self::TokenInvalid
            | Self::SessionRevoked
            | Self::UserInactive
            | Self::SessionExpired
            | Self::RefreshTokenInvalid
            | Self::RefreshTokenExpired
            | Self::RefreshTokenReused => Some("Bearer error=\"invalid_token\""),
            _ => None,
        }
    }
}

/// The document on the wire.
#[derive(Debug, Serialize)]
struct Document<'a> {
    r#type: String,
    title: &'a str,
    status: u16,
    detail: &'a str,
    code: &'a str,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    errors: &'a BTreeMap<&'static str, Vec<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<RevokedReason>,
}

/// The shape of every error, for the OpenAPI document.
#[derive(Debug, utoipa::ToSchema)]
#[schema(as = Problem)]
#[expect(dead_code, reason = "it describes the document and is never built")]
pub(crate) struct ProblemSchema {
    /// A URN made of the code.
    #[schema(example = "urn:countersign:problem:invalid_credentials")]
    r#type: String,
    /// The code in words.
    title: String,
    /// The HTTP status.
    status: u16,
    /// What is wrong, and what to do.
    detail: String,
    /// The code: stable, for programs.
    code: String,
    /// With `validation_error`: messages for each field.
    errors: Option<BTreeMap<String, Vec<String>>>,
    /// With `session_revoked`: why the session was ended.
    reason: Option<RevokedReason>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_401_says_how_to_authenticate_and_nothing_else_does() {
        for code in Code::ALL {
            let response = Problem::new(code).into_response();
            assert_eq!(response.headers().contains_key(WWW_AUTHENTICATE), response.status() == 401, "{code:?}");
            assert_eq!(response.headers()[CONTENT_TYPE], "application/problem+json");
        }
    }

    #[test]
    fn every_code_is_one_word_of_its_own() {
        let words: std::collections::HashSet<_> = Code::ALL.iter().map(|code| code.as_str()).collect();
        assert_eq!(words.len(), Code::ALL.len());
    }
}

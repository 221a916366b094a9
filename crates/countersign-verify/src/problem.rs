//! Problem details: the one shape of every error (RFC 9457), a superset of Django REST framework's
//! `{"detail": …}`.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;

use http::header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE, RETRY_AFTER, SET_COOKIE, WWW_AUTHENTICATE};
use http::{HeaderName, HeaderValue, Response, StatusCode};
use serde::Serialize;

use crate::verifier::TokenError;

/// An error as the client sees it.
///
/// ```
/// use countersign_verify::{Code, Problem};
///
/// let response =
///     Problem::new(Code::PermissionDenied).detail("Only staff may do this.").to_http::<Vec<u8>>();
/// assert_eq!(response.status(), 403);
/// assert_eq!(response.headers()["content-type"], "application/problem+json");
/// ```
#[derive(Debug, Clone)]
pub struct Problem(Box<Told>);

/// What is told. Boxed, so that a result that may be a problem stays small where there is none.
#[derive(Debug, Clone)]
struct Told {
    code: Code,
    detail: Cow<'static, str>,
    errors: BTreeMap<&'static str, Vec<String>>,
    reason: Option<&'static str>,
    deletion_at: Option<String>,
    retry_after: Option<u32>,
    allow: Option<HeaderValue>,
    challenge: Option<HeaderValue>,
    nonce: Option<HeaderValue>,
    second: Option<Second>,
    cookies: Vec<HeaderValue>,
}

/// What a sign-in goes on with that waits for a second factor.
#[derive(Debug, Clone)]
struct Second {
    pending_token: String,
    factors: Vec<&'static str>,
}

impl Problem {
    /// A problem with its code's usual detail.
    ///
    /// ```
    /// use countersign_verify::{Code, Problem};
    ///
    /// assert_eq!(
    ///     Problem::new(Code::SessionRevoked).as_detail(),
    ///     "This session was ended. Log in again."
    /// );
    /// ```
    pub fn new(code: Code) -> Self {
        Self(Box::new(Told {
            code,
            detail: Cow::Borrowed(code.row().3),
            errors: BTreeMap::new(),
            reason: None,
            deletion_at: None,
            retry_after: None,
            allow: None,
            challenge: None,
            nonce: None,
            second: None,
            cookies: Vec::new(),
        }))
    }

    /// The 401 that asks for a login no older than `seconds` (RFC 9470).
    ///
    /// ```
    /// use countersign_verify::Problem;
    ///
    /// let answer = Problem::recent_login_required(300).to_http::<Vec<u8>>();
    /// assert_eq!(
    ///     answer.headers()["www-authenticate"],
    ///     concat!(
    ///         r#"Bearer error="insufficient_user_authentication", "#,
    ///         r#"error_description="a more recent login is required", max_age=300"#
    ///     )
    /// );
    /// ```
    pub fn recent_login_required(seconds: u64) -> Self {
        let challenge = format!(
            "Bearer error=\"insufficient_user_authentication\", error_description=\"a more recent \
             login is required\", max_age={seconds}"
        );
        let mut problem = Self::new(Code::RecentLoginRequired);
        problem.0.challenge = HeaderValue::try_from(challenge).ok();
        problem
    }

    /// The 401 that asks for a second factor: what the sign-in goes on with, and what may be given.
    /// A browser keeps `cookie` meanwhile.
    ///
    /// ```
    /// use countersign_verify::Problem;
    ///
    /// let problem = Problem::second_factor_required("a.b.c".into(), vec!["totp"], None);
    /// let answer: serde_json::Value =
    ///     serde_json::from_slice(&problem.to_http::<Vec<u8>>().into_body()).unwrap();
    /// assert_eq!(answer["pending_token"], "a.b.c");
    /// assert_eq!(answer["factors"][0], "totp");
    /// ```
    pub fn second_factor_required(
        pending_token: String,
        factors: Vec<&'static str>,
        cookie: Option<HeaderValue>,
    ) -> Self {
        let mut problem = Self::new(Code::SecondFactorRequired);
        problem.0.second = Some(Second { pending_token, factors });
        problem.0.cookies.extend(cookie);
        problem
    }

    /// The 400 that asks a native client to sign this challenge (RFC 9449, 8).
    ///
    /// ```
    /// use countersign_verify::Problem;
    ///
    /// let answer = Problem::use_dpop_nonce("a-challenge").to_http::<Vec<u8>>();
    /// assert_eq!(answer.status(), 400);
    /// assert_eq!(answer.headers()["dpop-nonce"], "a-challenge");
    /// ```
    pub fn use_dpop_nonce(nonce: &str) -> Self {
        let mut problem = Self::new(Code::UseDpopNonce);
        problem.0.nonce = HeaderValue::try_from(nonce).ok();
        problem
    }

    /// What a sign-in goes on with that waits for a second factor, and what may be given: for pages
    /// that ask for it.
    ///
    /// ```
    /// use countersign_verify::{Code, Problem};
    ///
    /// let problem = Problem::second_factor_required("a.b.c".into(), vec!["totp"], None);
    /// assert_eq!(problem.second_factor(), Some(("a.b.c", &["totp"][..])));
    /// assert!(Problem::new(Code::NotFound).second_factor().is_none());
    /// ```
    pub fn second_factor(&self) -> Option<(&str, &[&'static str])> {
        let second = self.0.second.as_ref()?;
        Some((&second.pending_token, &second.factors))
    }

    /// Says more exactly what is wrong, and what to do.
    ///
    /// ```
    /// use countersign_verify::{Code, Problem};
    ///
    /// let problem = Problem::new(Code::NotFound).detail("There is no such order.");
    /// assert_eq!(problem.as_detail(), "There is no such order.");
    /// ```
    #[must_use]
    pub fn detail(mut self, detail: impl Into<Cow<'static, str>>) -> Self {
        self.0.detail = detail.into();
        self
    }

    /// Adds a message about a field.
    ///
    /// ```
    /// use countersign_verify::{Code, Problem};
    ///
    /// let problem = Problem::new(Code::ValidationError).field("amount", "More than is in stock.");
    /// let answer: serde_json::Value =
    ///     serde_json::from_slice(&problem.to_http::<Vec<u8>>().into_body()).unwrap();
    /// assert_eq!(answer["errors"]["amount"][0], "More than is in stock.");
    /// ```
    #[must_use]
    pub fn field(mut self, name: &'static str, message: impl Into<String>) -> Self {
        self.0.errors.entry(name).or_default().push(message.into());
        self
    }

    /// Says why a session was ended, in the word of the contract.
    ///
    /// ```
    /// use countersign_verify::{Code, Problem};
    ///
    /// let problem = Problem::new(Code::SessionRevoked).reason("password_changed");
    /// let answer: serde_json::Value =
    ///     serde_json::from_slice(&problem.to_http::<Vec<u8>>().into_body()).unwrap();
    /// assert_eq!(answer["reason"], "password_changed");
    /// ```
    #[must_use]
    pub fn reason(mut self, reason: &'static str) -> Self {
        self.0.reason = Some(reason);
        self
    }

    /// Says when a user is deleted who asked for it, as RFC 3339 has it.
    ///
    /// ```
    /// use countersign_verify::{Code, Problem};
    ///
    /// let problem = Problem::new(Code::DeletionPlanned).deletion_at("2026-12-13T00:00:00Z");
    /// let answer: serde_json::Value =
    ///     serde_json::from_slice(&problem.to_http::<Vec<u8>>().into_body()).unwrap();
    /// assert_eq!(answer["deletion_at"], "2026-12-13T00:00:00Z");
    /// ```
    #[must_use]
    pub fn deletion_at(mut self, at: impl Into<String>) -> Self {
        self.0.deletion_at = Some(at.into());
        self
    }

    /// Says when to come back, in seconds.
    ///
    /// ```
    /// use countersign_verify::{Code, Problem};
    ///
    /// let answer = Problem::new(Code::Unavailable).retry_after(2).to_http::<Vec<u8>>();
    /// assert_eq!(answer.headers()["retry-after"], "2");
    /// ```
    #[must_use]
    pub fn retry_after(mut self, seconds: u32) -> Self {
        self.0.retry_after = Some(seconds.max(1));
        self
    }

    /// Says which methods there are.
    ///
    /// ```
    /// use countersign_verify::{Code, Problem};
    /// use http::HeaderValue;
    ///
    /// let answer = Problem::new(Code::MethodNotAllowed)
    ///     .allow(HeaderValue::from_static("GET, HEAD"))
    ///     .to_http::<Vec<u8>>();
    /// assert_eq!(answer.headers()["allow"], "GET, HEAD");
    /// ```
    #[must_use]
    pub fn allow(mut self, methods: HeaderValue) -> Self {
        self.0.allow = Some(methods);
        self
    }

    /// Its code.
    ///
    /// ```
    /// use countersign_verify::{Code, Problem, TokenError};
    ///
    /// assert_eq!(Problem::from(TokenError::Expired).code(), Code::TokenExpired);
    /// ```
    pub fn code(&self) -> Code {
        self.0.code
    }

    /// The messages about fields.
    ///
    /// ```
    /// use countersign_verify::{Code, Problem};
    ///
    /// let problem = Problem::new(Code::ValidationError);
    /// assert!(!problem.has_field_errors());
    /// assert!(problem.field("amount", "Too many.").has_field_errors());
    /// ```
    pub fn has_field_errors(&self) -> bool {
        !self.0.errors.is_empty()
    }

    /// What is said of fields, in the order of their names: for pages that show it.
    ///
    /// ```
    /// use countersign_verify::{Code, Problem};
    ///
    /// let problem = Problem::new(Code::ValidationError).field("amount", "Too many.");
    /// assert_eq!(problem.field_errors().collect::<Vec<_>>(), [("amount", "Too many.")]);
    /// ```
    pub fn field_errors(&self) -> impl Iterator<Item = (&'static str, &str)> {
        self.0.errors.iter().flat_map(|(name, said)| said.iter().map(|text| (*name, text.as_str())))
    }
}

impl Problem {
    /// The answer, with any type of body that a buffer of bytes can become. The problem itself is
    /// in its extensions, for layers of the app that count or translate.
    ///
    /// ```
    /// use countersign_verify::{Code, Problem};
    ///
    /// let answer = Problem::new(Code::NotAuthenticated).to_http::<Vec<u8>>();
    /// assert_eq!(
    ///     (answer.status().as_u16(), &answer.headers()["www-authenticate"]),
    ///     (401, &"Bearer".parse().unwrap())
    /// );
    /// let document: serde_json::Value = serde_json::from_slice(answer.body()).unwrap();
    /// assert_eq!(document["type"], "urn:countersign:problem:not_authenticated");
    /// assert_eq!(document["code"], "not_authenticated");
    /// ```
    pub fn to_http<B: From<Vec<u8>>>(&self) -> Response<B> {
        let (status, code, title, _) = self.0.code.row();
        let document = Document {
            // The URNs are ours alone.
            r#type: match self.0.code {
                Code::Own(_) => "about:blank".to_owned(),
                _ => format!("urn:countersign:problem:{code}"),
            },
            title,
            status: status.as_u16(),
            detail: &self.0.detail,
            code,
            errors: &self.0.errors,
            reason: self.0.reason,
            deletion_at: self.0.deletion_at.as_deref(),
            pending_token: self.0.second.as_ref().map(|second| second.pending_token.as_str()),
            factors: self.0.second.as_ref().map(|second| second.factors.as_slice()),
        };
        // Strings, numbers and a map of strings always serialise.
        let mut response = Response::new(serde_json::to_vec(&document).unwrap_or_default().into());
        *response.status_mut() = status;
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        if let Some(challenge) = self
            .0
            .challenge
            .clone()
            .or_else(|| self.0.code.challenge().map(HeaderValue::from_static))
        {
            headers.insert(WWW_AUTHENTICATE, challenge);
        }
        if let Some(nonce) = &self.0.nonce {
            headers.insert(DPOP_NONCE, nonce.clone());
        }
        if let Some(seconds) = self.0.retry_after {
            headers.insert(RETRY_AFTER, HeaderValue::from(seconds));
        }
        if let Some(methods) = &self.0.allow {
            headers.insert(ALLOW, methods.clone());
        }
        for cookie in &self.0.cookies {
            headers.append(SET_COOKIE, cookie.clone());
        }
        response.extensions_mut().insert(self.clone());
        response
    }

    /// What is wrong, and what to do.
    ///
    /// ```
    /// use countersign_verify::{Code, Problem};
    ///
    /// assert_eq!(Problem::new(Code::PermissionDenied).as_detail(), "You may not do this.");
    /// ```
    pub fn as_detail(&self) -> &str {
        &self.0.detail
    }

    /// Why a session was ended, where it says so.
    ///
    /// ```
    /// use countersign_verify::{Code, Problem};
    ///
    /// let problem = Problem::new(Code::SessionRevoked).reason("logout");
    /// assert_eq!(problem.as_reason(), Some("logout"));
    /// ```
    pub fn as_reason(&self) -> Option<&'static str> {
        self.0.reason
    }
}

/// The code and what is said of it.
impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.0.code.as_str(), self.0.detail)
    }
}

impl std::error::Error for Problem {}

#[cfg(feature = "axum")]
impl axum_core::response::IntoResponse for Problem {
    fn into_response(self) -> axum_core::response::Response {
        self.to_http()
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

/// What went wrong, in a word that stays the same for ever.
///
/// ```
/// use countersign_verify::Code;
///
/// assert_eq!(Code::TokenExpired.as_str(), "token_expired");
/// assert!(Code::ALL.iter().all(|code| code.status().as_u16() >= 400));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Code {
    /// No credentials.
    NotAuthenticated,
    /// Credentials that are malformed, forged, of the wrong kind or given twice.
    TokenInvalid,
    /// An access token whose time is over.
    TokenExpired,
    /// A login that is too old for what is asked.
    RecentLoginRequired,
    /// The session was ended.
    SessionRevoked,
    /// The user was deactivated or deleted.
    UserInactive,
    /// A login that did not succeed, whatever the cause.
    InvalidCredentials,
    /// The first step of a login was right, and a second factor is asked for.
    SecondFactorRequired,
    /// A code that is wrong, or was used already.
    FactorInvalid,
    /// A login that waited for a second factor, and is over.
    PendingTokenInvalid,
    /// A second factor must be proved in this session.
    FactorRequired,
    /// A second factor must be enrolled before anything else.
    EnrolmentRequired,
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
    /// The session is bound to a device, and nothing shows that the device is there.
    SessionUnproved,
    /// What was to prove a device proves nothing.
    DeviceProofInvalid,
    /// The device is to prove that it is there.
    DeviceProofRequired,
    /// The device's last proof is too old for what is asked.
    DeviceProofStale,
    /// The device could not prove itself now.
    DeviceProofSkipped,
    /// What a native client sent to prove its device proves nothing.
    InvalidDpopProof,
    /// A native client is to sign the server's challenge.
    UseDpopNonce,
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
    /// A link or code of a mail that is unknown, used, too old, or for something else.
    LinkInvalid,
    /// The password was right, but the address must be proved first.
    EmailNotVerified,
    /// The password was right, but the user asked to be deleted. They can come back.
    DeletionPlanned,
    /// What the request is about was changed meanwhile.
    Conflict,
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
    /// A word of the app's own.
    Own(&'static OwnCode),
}

/// A code of the app's own, for what [`Code`] has no word for.
///
/// ```
/// use countersign_verify::{Code, OwnCode, Problem};
/// use http::StatusCode;
///
/// static DOMAIN: OwnCode = OwnCode {
///     status: StatusCode::FORBIDDEN,
///     code: "domain_not_allowed",
///     title: "Domain not allowed",
///     detail: "Only addresses of example.com may register.",
/// };
///
/// let answer = Problem::new(Code::Own(&DOMAIN)).to_http::<Vec<u8>>();
/// assert_eq!(answer.status(), 403);
/// let document: serde_json::Value = serde_json::from_slice(answer.body()).unwrap();
/// assert_eq!(document["code"], "domain_not_allowed");
/// assert_eq!(document["type"], "about:blank");
/// ```
#[derive(Debug, PartialEq, Eq, Hash)]
pub struct OwnCode {
    /// The status: 400 or above.
    pub status: StatusCode,
    /// The word. Choose one that is not in [`Code::ALL`], and keep it.
    pub code: &'static str,
    /// The word in words.
    pub title: &'static str,
    /// What is wrong and what to do, unless [`detail`](Problem::detail) says more.
    pub detail: &'static str,
}

impl Code {
    /// The word.
    ///
    /// ```
    /// assert_eq!(countersign_verify::Code::CsrfFailed.as_str(), "csrf_failed");
    /// ```
    pub fn as_str(self) -> &'static str {
        self.row().1
    }

    /// The status.
    ///
    /// ```
    /// assert_eq!(countersign_verify::Code::Throttled.status(), 429);
    /// ```
    pub fn status(self) -> StatusCode {
        self.row().0
    }

    /// Every code of Countersign.
    pub const ALL: [Self; 41] = [
        Self::NotAuthenticated,
        Self::TokenInvalid,
        Self::TokenExpired,
        Self::RecentLoginRequired,
        Self::SessionRevoked,
        Self::UserInactive,
        Self::InvalidCredentials,
        Self::SecondFactorRequired,
        Self::FactorInvalid,
        Self::PendingTokenInvalid,
        Self::FactorRequired,
        Self::EnrolmentRequired,
        Self::SessionExpired,
        Self::RefreshTokenMissing,
        Self::RefreshTokenInvalid,
        Self::RefreshTokenExpired,
        Self::RefreshTokenReused,
        Self::SessionUnproved,
        Self::DeviceProofInvalid,
        Self::DeviceProofRequired,
        Self::DeviceProofStale,
        Self::DeviceProofSkipped,
        Self::InvalidDpopProof,
        Self::UseDpopNonce,
        Self::PermissionDenied,
        Self::CsrfFailed,
        Self::Throttled,
        Self::ParseError,
        Self::ValidationError,
        Self::LinkInvalid,
        Self::EmailNotVerified,
        Self::DeletionPlanned,
        Self::Conflict,
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
            Self::TokenExpired => (S::UNAUTHORIZED, "token_expired", "Token expired", "The access \
                token has expired. Refresh, and try again."),
            Self::RecentLoginRequired => (S::UNAUTHORIZED, "recent_login_required", "Recent login required", "This needs a fresh login: ask for the password, log in again, and repeat the request with the new token."),
            Self::SessionRevoked => (S::UNAUTHORIZED, "session_revoked", "Session revoked", "This session was ended. Log in again."),
            Self::UserInactive => (S::UNAUTHORIZED, "user_inactive", "User inactive", "This user is not active."),
            Self::InvalidCredentials => (S::UNAUTHORIZED, "invalid_credentials", "Invalid credentials", "No active user with this name and password was found."),
            Self::SecondFactorRequired => (S::UNAUTHORIZED, "second_factor_required", "Second factor required", "The first step was right. Send one of `factors` with `pending_token` to `/login/factor`."),
            Self::FactorInvalid => (S::UNAUTHORIZED, "factor_invalid", "Factor invalid", "This code is not valid: it is wrong, or was used already. Try the next one."),
            Self::PendingTokenInvalid => (S::UNAUTHORIZED, "pending_token_invalid", "Login over", "This login is over: it took too long, was tried too often, or the account has changed. Log in again."),
            Self::FactorRequired => (S::UNAUTHORIZED, "factor_required", "Factor required", "This needs a second factor: prove one with a step-up, and repeat the request with the new token."),
            Self::EnrolmentRequired => (S::FORBIDDEN, "enrolment_required", "Enrolment required", "This account must have a second factor. Enrol one first."),
            Self::SessionExpired => (S::UNAUTHORIZED, "session_expired", "Session expired", "This session has expired. Log in again."),
            Self::RefreshTokenMissing => (S::UNAUTHORIZED, "refresh_token_missing", "Refresh token missing", "No refresh token was sent: a browser sends the cookie when `credentials` are included, other clients send `refresh_token` in the body."),
            Self::RefreshTokenInvalid => (S::UNAUTHORIZED, "refresh_token_invalid", "Refresh token invalid", "The refresh token is not valid. Log in again."),
            Self::RefreshTokenExpired => (S::UNAUTHORIZED, "refresh_token_expired", "Refresh token expired", "The refresh token has expired. Log in again."),
            Self::RefreshTokenReused => (S::UNAUTHORIZED, "refresh_token_reused", "Refresh token reused", "This refresh token was used by someone else as well, so the session was ended for both. Log in again, and change the password if that was not you."),
            Self::SessionUnproved => (S::UNAUTHORIZED, "session_unproved", "Device not proved", "This session is bound to a device, and nothing shows that the device is there. Log in again."),
            Self::DeviceProofInvalid => (S::UNAUTHORIZED, "device_proof_invalid", "Device proof invalid", "This proves nothing: the challenge, the signature or the key is not good."),
            Self::DeviceProofRequired => (S::FORBIDDEN, "device_proof_required", "Device proof required", "Sign the challenge of `Secure-Session-Challenge` with the session's key."),
            Self::DeviceProofStale => (S::SERVICE_UNAVAILABLE, "device_proof_stale", "Device proof too old", "The device's last proof is too old. Nothing was done; the browser makes a new one by itself. Try again after `Retry-After` seconds."),
            Self::DeviceProofSkipped => (S::SERVICE_UNAVAILABLE, "device_proof_skipped", "Device proof skipped", "The browser could not prove itself now. Nothing was done; try again after `Retry-After` seconds."),
            Self::InvalidDpopProof => (S::BAD_REQUEST, "invalid_dpop_proof", "DPoP proof invalid", "The header `DPoP` proves nothing: it must be one JWT of the type `dpop+jwt`, signed by the key in its `jwk` with ES256 or EdDSA, for this method and address."),
            Self::UseDpopNonce => (S::BAD_REQUEST, "use_dpop_nonce", "DPoP nonce required", "Make a new proof with the `nonce` of the header `DPoP-Nonce` and an `iat` of now, by the time in `Date`, and send the request again. Nothing was done."),
            Self::PermissionDenied => (S::FORBIDDEN, "permission_denied", "Permission denied", "You may not do this."),
            Self::CsrfFailed => (S::FORBIDDEN, "csrf_failed", "CSRF check failed", "The CSRF check failed."),
            Self::Throttled => (S::TOO_MANY_REQUESTS, "throttled", "Too many attempts", "Too many \
                attempts. Wait as long as `Retry-After` says, and try again."),
            Self::ParseError => (S::BAD_REQUEST, "parse_error", "Parse error", "The body could not be read."),
            Self::ValidationError => (S::BAD_REQUEST, "validation_error", "Validation error", "Some fields are not valid; see `errors`."),
            Self::LinkInvalid => (S::BAD_REQUEST, "link_invalid", "Link invalid", "This link or code is not valid: it was used, is too old, or is another one's. Ask for a new one."),
            Self::EmailNotVerified => (S::FORBIDDEN, "email_not_verified", "Address not verified", "Prove your e-mail address first: follow the link in the mail, or ask for a new one."),
            Self::DeletionPlanned => (S::FORBIDDEN, "deletion_planned", "Deletion planned", "This account is to be deleted, as its owner asked. To keep it, log in with `restore`."),
            Self::Conflict => (S::CONFLICT, "conflict", "Conflict", "It was changed meanwhile, and \
                nothing was done. Look at what is there now, and try again."),
            Self::NotFound => (S::NOT_FOUND, "not_found", "Not found", "There is nothing at this path."),
            Self::MethodNotAllowed => (S::METHOD_NOT_ALLOWED, "method_not_allowed", "Method not allowed", "This path has no such method; see `Allow`."),
            Self::RequestTimeout => (S::REQUEST_TIMEOUT, "request_timeout", "Request timeout", "The body took too long to arrive."),
            Self::PayloadTooLarge => (S::PAYLOAD_TOO_LARGE, "payload_too_large", "Payload too large", "The body is larger than 64 KiB."),
            Self::UnsupportedMediaType => (S::UNSUPPORTED_MEDIA_TYPE, "unsupported_media_type", "Unsupported media type", "Send the body as `application/json` or `application/x-www-form-urlencoded`, and say so in `Content-Type`."),
            Self::BadRequest => (S::BAD_REQUEST, "bad_request", "Bad request", "The request is not valid HTTP."),
            Self::Unavailable => (S::SERVICE_UNAVAILABLE, "unavailable", "Temporarily unavailable", "The server cannot do this now. Nothing was done; try again after `Retry-After` seconds."),
            Self::InternalError => (S::INTERNAL_SERVER_ERROR, "internal_error", "Internal error", "The server made a mistake. Its log tells more."),
            Self::Own(own) => (own.status, own.code, own.title, own.detail),
        }
    }

    /// `WWW-Authenticate` of a 401 (RFC 6750, 3: no error code where no credentials were sent).
    const fn challenge(self) -> Option<&'static str> {
        match self {
            Self::NotAuthenticated
            | Self::RefreshTokenMissing
            | Self::InvalidCredentials
            | Self::SecondFactorRequired
            | Self::FactorInvalid
            | Self::PendingTokenInvalid => Some("Bearer"),
            Self::RecentLoginRequired | Self::FactorRequired => {
                Some("Bearer error=\"insufficient_user_authentication\"")
            }
            Self::TokenExpired => {
                Some("Bearer error=\"invalid_token\", error_description=\"the token has expired\"")
            }
            Self::TokenInvalid
            | Self::SessionRevoked
            | Self::UserInactive
            | Self::SessionExpired
            | Self::RefreshTokenInvalid
            | Self::RefreshTokenExpired
            | Self::RefreshTokenReused
            | Self::SessionUnproved
            | Self::DeviceProofInvalid => Some("Bearer error=\"invalid_token\""),
            Self::Own(own) if own.status.as_u16() == 401 => Some("Bearer"),
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
    reason: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    deletion_at: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pending_token: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    factors: Option<&'a [&'static str]>,
}

const DPOP_NONCE: HeaderName = HeaderName::from_static("dpop-nonce");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_401_says_how_to_authenticate_and_nothing_else_does() {
        for code in Code::ALL {
            let response = Problem::new(code).to_http::<Vec<u8>>();
            assert_eq!(
                response.headers().contains_key(WWW_AUTHENTICATE),
                response.status() == 401,
                "{code:?}"
            );
            assert_eq!(response.headers()[CONTENT_TYPE], "application/problem+json");
        }
    }

    #[test]
    fn a_problem_is_an_error_and_travels_with_its_answer() {
        let problem = Problem::new(Code::NotFound).detail("There is no such order.");
        let error: Box<dyn std::error::Error + Send + Sync> = Box::new(problem.clone());
        assert_eq!(error.to_string(), "not_found: There is no such order.");
        let answer = problem.to_http::<Vec<u8>>();
        assert_eq!(answer.extensions().get::<Problem>().unwrap().code(), Code::NotFound);
    }

    #[test]
    fn an_own_401_says_how_to_authenticate_too() {
        static BADGE: OwnCode = OwnCode {
            status: StatusCode::UNAUTHORIZED,
            code: "badge_needed",
            title: "Badge needed",
            detail: "Show your badge.",
        };
        let answer = Problem::new(Code::Own(&BADGE)).to_http::<Vec<u8>>();
        assert_eq!(
            (answer.status().as_u16(), answer.headers()[WWW_AUTHENTICATE].to_str().unwrap()),
            (401, "Bearer")
        );
    }

    #[test]
    fn every_code_is_one_word_of_its_own() {
        let words: std::collections::HashSet<_> =
            Code::ALL.iter().map(|code| code.as_str()).collect();
        assert_eq!(words.len(), Code::ALL.len());
    }
}

//! Problem details: the one shape of every error (RFC 9457), a superset of Django REST framework's
//! `{"detail": …}`.

mod code;

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;

use http::header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE, RETRY_AFTER, SET_COOKIE, WWW_AUTHENTICATE};
use http::{HeaderName, HeaderValue, Response};
use serde::Serialize;

pub use code::{Code, OwnCode};

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
    use http::StatusCode;

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
}

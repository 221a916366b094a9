//! What login and refresh share: the tokens of a session, and how they travel.

use std::time::Duration;

use axum::http::HeaderValue;
use countersign_verify::{Account, Claims, MAX_TOKEN_BYTES};
use jiff::Timestamp;
use serde::Serialize;
use serde_json::Value;
use utoipa::openapi::schema::{Object, ObjectBuilder, Type};

use crate::auth::Auth;
use crate::clock::random_bytes;
use crate::clock::seconds;
use crate::http::problem::{Code, Problem, internal};
use crate::session::rotation::{Generation, Jti};
use crate::session::{Authentication, SessionId, Transport};
use crate::token::{AccessGrant, RefreshClaims};

/// The session that tokens are issued for.
pub(crate) struct Grant<'a> {
    pub(crate) user: &'a dyn Account,
    pub(crate) session: SessionId,
    pub(crate) transport: Transport,
    pub(crate) authentication: Authentication,
    pub(crate) expires_at: Timestamp,
    pub(crate) generation: Generation,
    pub(crate) parent: Option<Jti>,
    pub(crate) jti: Jti,
    pub(crate) now: Timestamp,
}

/// The tokens.
pub(crate) struct Issued {
    pub(crate) tokens: Tokens,
    /// The cookies that carry them, for a cookie session.
    pub(crate) cookies: Vec<HeaderValue>,
}

/// The tokens as login and refresh return them.
#[derive(Serialize, utoipa::ToSchema)]
pub(crate) struct Tokens {
    /// Send it as `Authorization: Bearer`. Keep it in memory only.
    access_token: String,
    /// Always `Bearer`.
    #[schema(schema_with = token_type)]
    token_type: &'static str,
    /// The access token's lifetime in seconds.
    #[schema(example = 300)]
    expires_in: u64,
    /// For browsers: send it as `X-CSRFTOKEN` on everything that writes. It is in the cookie
    /// `csrftoken` too.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = String, required = false)]
    csrf_token: Option<String>,
    /// For native clients: the refresh token, in place of the cookie.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = String, required = false)]
    refresh_token: Option<String>,
}

impl Tokens {
    pub(crate) fn access_token(&self) -> &str {
        &self.access_token
    }

    pub(crate) fn csrf_token(&self) -> Option<&str> {
        self.csrf_token.as_deref()
    }

    pub(crate) fn refresh_token(&self) -> Option<&str> {
        self.refresh_token.as_deref()
    }
}

impl Grant<'_> {
    /// Signs an access token and a refresh token.
    pub(crate) fn issue(&self, auth: &Auth) -> Result<Issued, Problem> {
        let now = seconds(self.now);
        let csrf_token =
            (self.transport == Transport::Cookie).then(|| auth.csrf_tokens().token(self.session));
        let access = Access {
            user: self.user,
            session: self.session,
            authentication: self.authentication,
            csrf_token: csrf_token.as_deref(),
            now: self.now,
        };
        let AccessToken { access_token, token_type, expires_in } = access.issue(auth)?;
        let idle = Duration::from_secs(seconds(self.expires_at).saturating_sub(now))
            .min(auth.settings().session_idle);
        let refresh = RefreshClaims {
            sid: self.session,
            generation: self.generation.0,
            jti: self.jti,
            parent: self.parent,
            iat: now,
            exp: now + idle.as_secs(),
        };
        let refresh_token = auth.refresh_tokens().sign(&refresh).map_err(internal)?;
        let mut cookies = Vec::new();
        if let Some(csrf_token) = &csrf_token {
            cookies.push(auth.checked().cookies.set_refresh(&refresh_token, idle));
            cookies.push(auth.checked().cookies.set_csrf(csrf_token, idle));
        }
        let refresh_token = (self.transport == Transport::Body).then_some(refresh_token);
        Ok(Issued {
            tokens: Tokens { access_token, token_type, expires_in, csrf_token, refresh_token },
            cookies,
        })
    }
}

/// What an access token alone is issued for: in the middle of a session.
pub(crate) struct Access<'a> {
    pub(crate) user: &'a dyn Account,
    pub(crate) session: SessionId,
    pub(crate) authentication: Authentication,
    /// Of a cookie session.
    pub(crate) csrf_token: Option<&'a str>,
    pub(crate) now: Timestamp,
}

/// An access token as a step-up returns it. The refresh token stays as it is.
#[derive(Serialize, utoipa::ToSchema)]
pub(crate) struct AccessToken {
    /// Send it as `Authorization: Bearer` from now on. Keep it in memory only.
    access_token: String,
    /// Always `Bearer`.
    #[schema(schema_with = token_type)]
    token_type: &'static str,
    /// The access token's lifetime in seconds.
    #[schema(example = 300)]
    expires_in: u64,
}

impl Access<'_> {
    /// Signs an access token.
    pub(crate) fn issue(&self, auth: &Auth) -> Result<AccessToken, Problem> {
        let now = seconds(self.now);
        let expires_in = auth.settings().access_lifetime.as_secs();
        let grant = AccessGrant {
            issuer: &auth.checked().issuer,
            audience: auth.settings().audience.as_deref(),
            user: self.user,
            session: self.session,
            auth_time: seconds(self.authentication.at),
            methods: self.authentication.methods,
            scope: self.authentication.scope,
            csrf_token: self.csrf_token,
            extra: &auth.settings().extra_claims,
            issued_at: now,
            expires_at: now + expires_in,
        };
        let claims = grant.claims();
        let access_token =
            auth.ring().sign(grant.token_type(), &claims, self.now).map_err(internal)?;
        if access_token.len() > MAX_TOKEN_BYTES {
            return Err(too_long(&claims, access_token.len()));
        }
        Ok(AccessToken { access_token, token_type: "Bearer", expires_in })
    }
}

/// A token that nobody would take, this server included, is not given out. Nothing is lost
/// meanwhile: the session goes on when the settings, or the account, are mended.
fn too_long(claims: &Claims, bytes: usize) -> Problem {
    let size = |value: &Value| value.to_string().len();
    let longest =
        claims.extra.iter().max_by_key(|(_, value)| size(value)).map(|(name, _)| name.as_str());
    tracing::error!(
        user = claims.sub,
        bytes,
        most = MAX_TOKEN_BYTES,
        longest,
        "an access token would be too long, and is not issued; name groups in extra_claims in \
         place of permissions, or give the user fewer"
    );
    Problem::new(Code::Unavailable)
        .detail(format!(
            "The access token of this account would have {bytes} bytes, and none may have more \
             than {MAX_TOKEN_BYTES}. Whoever runs this service has to put less into it, or to give \
             the account fewer permissions or groups."
        ))
        .retry_after(TOO_LONG_RETRY_SECONDS)
}

/// The one type of access tokens there is (RFC 6750), for the document.
fn token_type() -> Object {
    ObjectBuilder::new()
        .schema_type(Type::String)
        .enum_values(Some(["Bearer"]))
        .description(Some("Always `Bearer`."))
        .build()
}

/// A fresh token id.
pub(crate) fn new_jti(auth: &Auth) -> Jti {
    Jti(random_bytes(auth.random()))
}

/// Until somebody has mended the settings.
const TOO_LONG_RETRY_SECONDS: u32 = 60;

//! What login and refresh share: the tokens of a session, and how they travel.

use std::sync::Arc;
use std::time::Duration;

use axum::http::HeaderValue;
use countersign_verify::{Account, Claims, MAX_TOKEN_BYTES};
use jiff::Timestamp;
use serde::{Serialize, Serializer};
use serde_json::Value;
use utoipa::openapi::schema::{Object, ObjectBuilder, Type};

use crate::auth::Auth;
use crate::clock::random_bytes;
use crate::clock::seconds;
use crate::http::problem::{Code, Problem, internal};
use crate::session::rotation::{Generation, Jti};
use crate::session::{Authentication, SessionId, Transport};
use crate::token::{AccessGrant, ExtraClaim, RefreshClaims};
use crate::user::{CachedUser, User};

/// The session that tokens are issued for.
pub(crate) struct Grant<'a> {
    pub(crate) user: &'a dyn Account,
    pub(crate) session: SessionId,
    pub(crate) transport: Transport,
    pub(crate) authentication: Authentication,
    /// Whether it is bound to a device, which has proved itself.
    pub(crate) is_bound: bool,
    pub(crate) expires_at: Timestamp,
    /// Whether it is not to outlive the browser.
    pub(crate) is_short: bool,
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

/// What comes back of a refresh.
#[derive(Serialize, utoipa::ToSchema)]
pub(crate) struct RefreshResponse {
    #[serde(flatten)]
    pub(crate) tokens: Tokens,
    /// The user, as the profile has them.
    #[serde(serialize_with = "as_written")]
    #[schema(value_type = User)]
    pub(crate) user: Arc<CachedUser>,
}

/// The JSON that is kept beside the user.
fn as_written<S: Serializer>(user: &Arc<CachedUser>, serializer: S) -> Result<S::Ok, S::Error> {
    user.json().serialize(serializer)
}

/// The cookie with the CSRF token of the session that a refresh token names, for as long as it
/// lives.
pub(crate) fn csrf_cookie(auth: &Auth, claims: &RefreshClaims, csrf_token: &str) -> HeaderValue {
    let life = Duration::from_secs(claims.exp.saturating_sub(auth.seconds()));
    auth.checked().cookies.set_csrf(csrf_token, (!claims.is_short).then_some(life))
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
            is_bound: self.is_bound,
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
            is_short: self.is_short,
        };
        let refresh_token = auth.refresh_tokens().sign(&refresh).map_err(internal)?;
        let mut cookies = Vec::new();
        if let Some(csrf_token) = &csrf_token {
            let life = (!self.is_short).then_some(idle);
            cookies.push(auth.checked().cookies.set_refresh(&refresh_token, life));
            cookies.push(auth.checked().cookies.set_csrf(csrf_token, life));
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
    pub(crate) is_bound: bool,
    /// Of a cookie session.
    pub(crate) csrf_token: Option<&'a str>,
    pub(crate) now: Timestamp,
}

/// Whether a token says that its session is bound: another one of the same session says so too.
pub(crate) fn is_bound(claims: &Claims) -> bool {
    claims.extra.get(ExtraClaim::DeviceBound.as_str()) == Some(&Value::Bool(true))
}

/// An access token as a step-up returns it. The refresh token stays as it is.
#[derive(Serialize, utoipa::ToSchema)]
pub(crate) struct AccessToken {
    /// Send it as `Authorization: Bearer` from now on. Keep it in memory only.
    pub(super) access_token: String,
    /// Always `Bearer`.
    #[schema(schema_with = token_type)]
    token_type: &'static str,
    /// The access token's lifetime in seconds.
    #[schema(example = 300)]
    pub(super) expires_in: u64,
}

impl AccessToken {
    /// The token.
    pub(super) fn text(&self) -> &str {
        &self.access_token
    }
}

impl Access<'_> {
    /// Signs an access token.
    pub(crate) fn issue(&self, auth: &Auth) -> Result<AccessToken, Problem> {
        self.issue_for(auth, auth.settings().access_lifetime)
    }

    /// Signs an access token that lives so long.
    pub(super) fn issue_for(
        &self,
        auth: &Auth,
        lifetime: Duration,
    ) -> Result<AccessToken, Problem> {
        let expires_in = lifetime.as_secs();
        let grant = self.grant(auth);
        let grant = AccessGrant { expires_at: grant.issued_at + expires_in, ..grant };
        let access_token = self.sign(auth, grant.token_type(), &grant.claims())?;
        Ok(AccessToken { access_token, token_type: "Bearer", expires_in })
    }

    /// Signs one for the cookie of pages. It says nothing that an app adds: a cookie has room for
    /// four thousand bytes, and a page has the user's row.
    pub(crate) fn sign_for_a_page(&self, auth: &Auth) -> Result<String, Problem> {
        let grant = self.grant(auth);
        let mut claims = grant.claims();
        claims.extra.clear();
        self.sign(auth, grant.token_type(), &claims)
    }

    fn grant<'a>(&'a self, auth: &'a Auth) -> AccessGrant<'a> {
        let now = seconds(self.now);
        AccessGrant {
            issuer: &auth.checked().issuer,
            audience: auth.settings().audience.as_deref(),
            user: self.user,
            session: self.session,
            auth_time: seconds(self.authentication.at),
            methods: self.authentication.methods,
            scope: self.authentication.scope,
            is_bound: self.is_bound,
            csrf_token: self.csrf_token,
            extra: &auth.settings().extra_claims,
            issued_at: now,
            expires_at: now + auth.settings().access_lifetime.as_secs(),
        }
    }

    fn sign(&self, auth: &Auth, r#type: &str, claims: &Claims) -> Result<String, Problem> {
        let token = auth.ring().sign(r#type, claims, self.now).map_err(internal)?;
        if token.len() > MAX_TOKEN_BYTES {
            return Err(too_long(claims, token.len()));
        }
        Ok(token)
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

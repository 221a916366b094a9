//! Who is asking: the one way into everything private, for our own routes and for those that the
//! app protects.

use std::sync::Arc;

use axum::Router;
use axum::body::Bytes;
use axum::extract::{FromRequestParts, Request};
use axum::http::HeaderMap;
use axum::http::request::Parts;
use axum::middleware::{Next, from_fn};
use axum::response::{IntoResponse, Response};
use countersign_verify::{
    Account, Authenticator, Claims, Found, HasAccount, Identity, Permission, Protect, Seen,
    TokenError, bearer, unread_bearer,
};

use super::answer::Written;
use super::cors::Cors;
use super::guard;
use super::problem::{Code, Problem};
use crate::auth::Auth;
use crate::session::SessionId;
use crate::sign_in::{Factors, Method};
use crate::store::StoreError;
use crate::user::Attached;

impl Auth {
    /// Makes every route of `router`, its fallback too, private: only users get in, writes of
    /// cookie sessions need the CSRF token and a good origin, and front ends on the allowed origins
    /// get their CORS headers. Handlers take [`CurrentUser`](crate::CurrentUser),
    /// [`Claims`](crate::Claims), [`Identity`](crate::Identity) or [`Permitted`](crate::Permitted).
    ///
    /// Whatever shall be open to everybody is merged in afterwards, and is seen to be.
    ///
    /// ```no_run
    /// use axum::{Router, routing::get};
    /// use countersign::user::User;
    /// use countersign::{Auth, CurrentUser};
    ///
    /// fn app(auth: &Auth) -> Router {
    ///     let private = Router::new().route(
    ///         "/me",
    ///         get(|me: CurrentUser<User>| async move { format!("You are {}.", me.username) }),
    ///     );
    ///     auth.protect(private)
    ///         .merge(auth.routes())
    ///         .route("/", get(|| async { "Everybody may read this." }))
    /// }
    /// ```
    pub fn protect<S: Clone + Send + Sync + 'static>(&self, router: Router<S>) -> Router<S> {
        self.before(router, Protect::new(self.clone()))
    }

    /// As [`protect`](Self::protect), for who has `permission`.
    ///
    /// # Panics
    /// When the parts of the permission contradict each other: at start, with a sentence that says
    /// so.
    ///
    /// ```
    /// # mod world { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/examples/world.rs")); }
    /// use axum::{Router, routing::get};
    /// use countersign::permission::IsStaff;
    ///
    /// # world::run(async |world| {
    /// # let auth = world.auth;
    /// let reports = Router::new().route("/reports", get(|| async { "figures" }));
    /// let app: Router = auth.protect_with(IsStaff, reports).merge(auth.routes());
    /// # // Ada is no staff.
    /// # let login = world::log_in(&auth, countersign::session::Transport::Body).await;
    /// # let (status, body) = world::get(&app, "/reports", Some(&login)).await;
    /// assert_eq!(status, 403);
    /// assert!(body.contains("The permission that you lack: IsStaff."));
    /// # });
    /// ```
    pub fn protect_with<S: Clone + Send + Sync + 'static>(
        &self,
        permission: impl Permission,
        router: Router<S>,
    ) -> Router<S> {
        self.before(router, Protect::with(self.clone(), permission))
    }

    /// The origin check alone, for routes of the app's own that anybody may reach and that write:
    /// an own login, a sign-up, a form for a newsletter. What a page of a foreign origin sends is
    /// answered with 403 `csrf_failed`; `GET`, `HEAD` and `OPTIONS` pass.
    ///
    /// ```
    /// # mod world { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/examples/world.rs")); }
    /// use axum::{Router, routing::post};
    ///
    /// # world::run(async |world| {
    /// # let auth = world.auth;
    /// let own = Router::new().route("/my-login", post(|| async { "welcome" }));
    /// let app: Router = auth.check_origins(own);
    /// let foreign = axum::extract::Request::post("/my-login")
    ///     .header("origin", "https://evil.example.com")
    ///     .body(axum::body::Body::empty())
    ///     .unwrap();
    /// let answer = tower::ServiceExt::oneshot(app, foreign).await.unwrap();
    /// assert_eq!(answer.status(), 403);
    /// # });
    /// ```
    pub fn check_origins<S: Clone + Send + Sync + 'static>(&self, router: Router<S>) -> Router<S> {
        let auth = self.clone();
        router.layer(from_fn(move |request: Request, next: Next| {
            let refused = if request.method().is_safe() {
                Ok(())
            } else {
                guard::source(&auth, request.headers())
            };
            async move {
                match refused {
                    Ok(()) => next.run(request).await,
                    Err(problem) => problem.into_response(),
                }
            }
        }))
    }

    /// The CORS headers alone, for routes that are open to everybody, the allowed front ends
    /// included.
    ///
    /// ```
    /// # mod world { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/examples/world.rs")); }
    /// use axum::{Router, routing::get};
    ///
    /// # world::run(async |world| {
    /// # let auth = world.auth;
    /// let public: Router =
    ///     Router::new().route("/prices", get(|| async { "17.50" })).layer(auth.cors());
    /// # assert_eq!(world::get(&public, "/prices", None).await, (200, "17.50".to_owned()));
    /// # });
    /// ```
    pub fn cors(&self) -> Cors {
        Cors::of(self)
    }

    fn before<S: Clone + Send + Sync + 'static, P: Permission>(
        &self,
        router: Router<S>,
        protect: Protect<Self, P>,
    ) -> Router<S> {
        let cors = Cors::of(self);
        if cors.is_closed() { router.layer(protect) } else { router.layer((cors, protect)) }
    }

    /// Who holds this access token: for a token that did not come in the header `Authorization`,
    /// such as the first message on a WebSocket. The CSRF token of a write is the caller's to
    /// check, with [`csrf::check`](countersign_verify::csrf::check).
    ///
    /// # Errors
    /// As for a request with this token: a 401 for one that does not count (any more), a 403
    /// `enrolment_required` for one with which a second factor may be enrolled and nothing else, a
    /// 503 while the store cannot be reached.
    ///
    /// ```
    /// # mod world { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/examples/world.rs")); }
    /// # world::run(async |world| {
    /// # let auth = world.auth;
    /// # let login = world::log_in(&auth, countersign::session::Transport::Body).await;
    /// # let first_message = login.access_token();
    /// let who = auth.verify(first_message).await.unwrap();
    /// assert_eq!(who.account().username(), "ada");
    /// assert_eq!(auth.verify("bent").await.unwrap_err().code().as_str(), "token_invalid");
    /// # });
    /// ```
    pub async fn verify(&self, token: &str) -> Result<Identity, Problem> {
        let (now, doubts) = (self.seconds(), self.revocations().doubts());
        Ok(Identity::new(self.remembered(token, now).await?, now).checked_at(doubts))
    }

    /// The answer to a `GET` of this path from a page of this origin or from none, where it is that
    /// of the profile, the token was seen before, and nothing stands in its way; `None` where the
    /// routes must be asked. For a server that need not look for the hottest of them.
    #[doc(hidden)]
    pub fn known_profile(&self, path: &str, headers: &HeaderMap) -> Option<Response> {
        let base = path.strip_suffix('/').unwrap_or(path).strip_suffix(PROFILE)?;
        if base != self.settings().base_path {
            return None;
        }
        let now = self.seconds();
        let seen = unread_bearer(headers).and_then(|token| self.same(token, now))?;
        // From then on the routes must be asked: whoever answers for them reads the row again.
        if now.abs_diff(seen.attached.read_at) >= self.read_again_after() {
            return None;
        }
        let who = Authenticated(self.counts(seen).and_then(whole).ok()?);
        Some(Written(who.profile()).into_response())
    }

    /// The same with what is remembered of it.
    pub(crate) async fn remembered(
        &self,
        token: &str,
        now: u64,
    ) -> Result<Arc<Seen<Attached>>, Problem> {
        let seen = match self.unchanged(token.as_bytes(), now) {
            Some(seen) => seen,
            None => self.look(token, now).await?,
        };
        whole(self.counts(seen)?)
    }

    /// A number that grows with every change of a user, a group or a service token that this
    /// process has heard of. What was read of them may be remembered while it stays the same, by
    /// whoever asked for it before they read.
    ///
    /// # Errors
    /// A 503 where the store has not been heard of for too long.
    ///
    /// ```
    /// # mod world { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/examples/world.rs")); }
    /// # world::run(async |world| {
    /// # let (auth, ada, now) = (world.auth, world.ada, world::midnight());
    /// let before = auth.moment().unwrap();
    /// auth.store().set_active(ada.id, false, now).await.unwrap();
    /// auth.catch_up().await.unwrap();
    /// assert!(auth.moment().unwrap() > before);
    /// # });
    /// ```
    pub fn moment(&self) -> Result<u64, Problem> {
        if self.is_too_stale() {
            return Err(Problem::new(Code::Unavailable).retry_after(1));
        }
        Ok(self.user_cache().moment())
    }

    /// Whether a session lives: it was not ended, and its time is not over. For what goes on for
    /// longer than a request, beside [`Identity::ended`]. It asks the store, which knows the last
    /// refresh but one: a session counts as idle when `session_idle` has passed twice.
    ///
    /// # Errors
    /// The store's.
    ///
    /// ```
    /// # mod world { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/examples/world.rs")); }
    /// use countersign::session::RevokedReason;
    ///
    /// # world::run(async |world| {
    /// # let (auth, ada) = (world.auth, world.ada);
    /// # let login = world::log_in(&auth, countersign::session::Transport::Body).await;
    /// assert!(auth.is_live(login.session()).await.unwrap());
    /// auth.end_sessions(ada.id, RevokedReason::Admin).await.unwrap();
    /// assert!(!auth.is_live(login.session()).await.unwrap());
    /// # });
    /// ```
    pub async fn is_live(&self, session: SessionId) -> Result<bool, StoreError> {
        if self.revocations().contains(session) {
            return Ok(false);
        }
        let (found, now) = (self.store().session(session).await?, self.now());
        Ok(found.is_some_and(|session| {
            // The row hears of a refresh when its token is used in turn.
            let idle = now.duration_since(session.last_used_at).unsigned_abs();
            session.revoked.is_none()
                && session.expires_at > now
                && idle < self.settings().session_idle * 2
        }))
    }

    /// The user of a token that was seen before, if nothing has changed since.
    fn at_once(
        &self,
        parts: &Parts,
        now: u64,
    ) -> Option<Result<Option<Arc<Seen<Attached>>>, Problem>> {
        match unread_bearer(&parts.headers).and_then(|token| self.unchanged(token, now)) {
            Some(seen) => Some(self.admit(parts, seen).map(Some)),
            None => match bearer(&parts.headers) {
                Ok(None) => Some(Ok(None)),
                Ok(Some(_)) => None,
                Err(problem) => Some(Err(problem)),
            },
        }
    }

    /// What is remembered of a token, if nothing has changed since, and nobody is to read its row
    /// again. Whoever gets nothing has to look: it may be their turn.
    fn unchanged(&self, token: &[u8], now: u64) -> Option<Arc<Seen<Attached>>> {
        self.same(token, now).filter(|seen| !self.is_due(&seen.attached, now))
    }

    /// What is remembered of a token, if nothing has changed since.
    fn same(&self, token: &[u8], now: u64) -> Option<Arc<Seen<Attached>>> {
        self.verifier().seen(token, now).filter(|seen| {
            seen.attached.moment == self.user_cache().moment()
                && !self.doubt().is_in(seen.claims.sid, seen.claims.iat)
        })
    }

    /// Whether the row must be read again: by everybody when it is too old, by one request a little
    /// before.
    fn is_due(&self, attached: &Attached, now: u64) -> bool {
        let age = now.abs_diff(attached.read_at);
        age >= self.read_again_after()
            && (age >= self.row_lifetime() || attached.user.is_taken_up(now))
    }

    async fn after_a_look(
        &self,
        parts: &Parts,
        now: u64,
    ) -> Result<Option<Arc<Seen<Attached>>>, Problem> {
        let Some(token) = bearer(&parts.headers)? else { return Ok(None) };
        let seen = self.look(token, now).await?;
        self.admit(parts, seen).map(Some)
    }

    /// The user of a token that must be checked, or whose row must be read again. Only active users
    /// are remembered.
    async fn look(&self, token: &str, now: u64) -> Result<Arc<Seen<Attached>>, Problem> {
        let verified = match self.verifier().seen(token, now) {
            Some(seen) => seen.verified(),
            None => self.verifier().check(token, now)?,
        };
        if self.doubt().is_in(verified.claims.sid, verified.claims.iat)
            && !self.lives(verified.claims.sid).await?
        {
            return Err(Problem::new(Code::SessionRevoked));
        }
        let id = verified
            .claims
            .sub
            .parse()
            .ok()
            .filter(|id| self.users().can_have(*id))
            .ok_or(TokenError::Invalid)?;
        let moment = self.user_cache().moment();
        let user = self
            .user(id)
            .await?
            .filter(|user| user.is_active())
            .ok_or_else(|| Problem::new(Code::UserInactive))?;
        let attached = Attached {
            profile: Arc::clone(user.profile()),
            read_at: user.read_at(),
            user,
            moment,
            revocations: self.revocations().clone(),
            introspected: None,
        };
        Ok(self.verifier().remember(token, verified, attached))
    }

    /// What must be looked at each time: the session.
    fn counts(&self, seen: Arc<Seen<Attached>>) -> Result<Arc<Seen<Attached>>, Problem> {
        if self.is_too_stale() {
            return Err(Problem::new(Code::Unavailable).retry_after(1));
        }
        if self.revocations().contains(seen.claims.sid) {
            return Err(Problem::new(Code::SessionRevoked));
        }
        Ok(seen)
    }

    /// The same, and what a write brings.
    fn admit(
        &self,
        parts: &Parts,
        seen: Arc<Seen<Attached>>,
    ) -> Result<Arc<Seen<Attached>>, Problem> {
        let seen = self.counts(seen)?;
        if !parts.method.is_safe() {
            guard::write(self, &parts.headers, &seen.claims)?;
        }
        Ok(seen)
    }
}

impl Authenticator for Auth {
    fn known(&self, request: &Parts) -> Option<Found> {
        let (now, doubts) = (self.seconds(), self.revocations().doubts());
        let found = self.at_once(request, now)?;
        Some(found.map(|seen| seen.map(|seen| Identity::new(seen, now).checked_at(doubts))))
    }

    async fn identify(&self, request: &Parts) -> Found {
        let (now, doubts) = (self.seconds(), self.revocations().doubts());
        let seen = self.after_a_look(request, now).await?;
        Ok(seen.map(|seen| Identity::new(seen, now).checked_at(doubts)))
    }
}

/// An active user with a live session, and for writes of a cookie session a good origin and CSRF
/// token.
///
/// A handler that takes this cannot be reached by anybody else. It reads neither the body nor, but
/// for the first request of a user, the database.
#[derive(Debug, Clone)]
pub(crate) struct Authenticated(Arc<Seen<Attached>>);

impl Authenticated {
    /// The user, as the row says now.
    pub(crate) fn user(&self) -> &dyn Account {
        self.0.attached.account()
    }

    /// The body of the profile's answer. A copy is cheaper than a reference count that every thread
    /// writes.
    pub(crate) fn profile(&self) -> Bytes {
        Bytes::copy_from_slice(&self.0.attached.profile)
    }

    /// What the access token says.
    pub(crate) fn claims(&self) -> &Claims {
        &self.0.claims
    }

    /// Refuses whose login is older than the settings say, for what is dangerous. A step-up counts
    /// as one, a refresh does not.
    pub(crate) fn logged_in_lately(&self, auth: &Auth) -> Result<(), Problem> {
        let most = auth.settings().accounts.recent_login.as_secs();
        if auth.seconds().saturating_sub(self.claims().auth_time) <= most {
            Ok(())
        } else {
            Err(Problem::recent_login_required(most))
        }
    }

    /// Refuses who has a second factor and has not proved one in this session lately. A step-up by
    /// the password alone is refused to them: or else who has stolen a session and the password
    /// takes the factor away, or adds their own. What the token says may be minutes old: the store
    /// asks the session again when it changes them.
    pub(crate) fn may_change_factors(&self, auth: &Auth, enrolled: Factors) -> Result<(), Problem> {
        let has_proved = self.claims().amr.iter().any(|word| word == Method::Several.as_str());
        if enrolled.is_second() && !has_proved {
            return Err(Problem::new(Code::FactorRequired));
        }
        self.logged_in_lately(auth)
    }

    /// Refuses whose session has ended since: a body may take its time, and what it asks for must
    /// not be done after the ending.
    pub(crate) fn still(&self, auth: &Auth) -> Result<(), Problem> {
        if auth.revocations().contains(self.claims().sid) {
            Err(Problem::new(Code::SessionRevoked))
        } else {
            Ok(())
        }
    }
}

impl FromRequestParts<Auth> for Authenticated {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, auth: &Auth) -> Result<Self, Problem> {
        let now = auth.seconds();
        let found = match auth.at_once(parts, now) {
            Some(found) => found,
            None => auth.after_a_look(parts, now).await,
        };
        let seen = found?.ok_or_else(|| Problem::new(Code::NotAuthenticated))?;
        if parts.extensions.get::<MayEnrol>().is_some() {
            return Ok(Self(seen));
        }
        whole(seen).map(Self)
    }
}

/// The endpoint, below the base path.
pub(crate) const PROFILE: &str = "/profile";

/// Refuses a session that may only enrol a second factor: it gets nowhere else.
fn whole(seen: Arc<Seen<Attached>>) -> Result<Arc<Seen<Attached>>, Problem> {
    match seen.claims.scope {
        Some(_) => Err(Problem::new(Code::EnrolmentRequired)),
        None => Ok(seen),
    }
}

/// As [`Authenticated`], and a session too that may only enrol a second factor.
#[derive(Debug, Clone)]
pub(crate) struct Enrolling(pub(crate) Authenticated);

/// Says that a session that may only enrol is let in.
#[derive(Debug, Clone, Copy)]
struct MayEnrol;

impl FromRequestParts<Auth> for Enrolling {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, auth: &Auth) -> Result<Self, Problem> {
        parts.extensions.insert(MayEnrol);
        let who = Authenticated::from_request_parts(parts, auth).await;
        parts.extensions.remove::<MayEnrol>();
        who.map(Self)
    }
}

//! Looking at a token without using it: for a backend that is shown one, and wants to know whose
//! it is. A refresh token is not rotated, and no mark of its session moves.

use std::sync::Arc;
use std::time::Duration;

use countersign_verify::{Account, Identity};

use super::issue::Access;
use super::native_device::by_native;
use crate::auth::Auth;
use crate::http::device;
use crate::http::problem::{Code, Problem};
use crate::http::refresh_token::{Sent, handed_on, refresh_cookie};
use crate::session::device::{DeviceStanding, Shown};
use crate::session::rotation::{Decision, Generation, Presented};
use crate::session::{Authentication, SessionId, Transport, decide};
use crate::token::RefreshClaims;
use crate::user::CachedUser;

impl Auth {
    /// Whose token this is, an access token or a refresh token, if it is good at this moment:
    /// signed here, in time, its session live and its user active. A refresh token is good if a
    /// refresh with it would be. Nothing is written.
    ///
    /// A session that is bound to a device, where `device_binding` enforces that, is good by its
    /// [cookie](Self::introspect_cookie) alone, which says whether the device is there.
    ///
    /// # Errors
    /// A 503 while the store cannot be reached.
    ///
    /// ```
    /// # mod world { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/examples/world.rs")); }
    /// use countersign::session::{RevokedReason, Transport};
    ///
    /// # world::run(async |world| {
    /// # let (auth, ada) = (world.auth, world.ada);
    /// let login = world::log_in(&auth, Transport::Body).await;
    /// let found = auth.introspect(login.access_token()).await.unwrap().unwrap();
    /// assert_eq!(found.account().username(), "ada");
    /// let found = auth.introspect(login.refresh_token().unwrap()).await.unwrap().unwrap();
    /// assert!(found.is_refresh() && found.session() == login.session());
    /// auth.end_sessions(ada.id, RevokedReason::Admin).await.unwrap();
    /// assert!(auth.introspect(login.access_token()).await.unwrap().is_none());
    /// assert!(auth.introspect("nonsense").await.unwrap().is_none());
    /// # });
    /// ```
    pub async fn introspect(&self, token: &str) -> Result<Option<Introspection>, Problem> {
        match self.verify(token).await {
            Ok(identity) => return Ok(Some(Introspection(Of::Access(identity)))),
            Err(problem) if UNKNOWN.contains(&problem.code()) => return Err(problem),
            Err(_) => {}
        }
        match self.refresh_tokens().verify(token, self.seconds()) {
            Ok(claims) => self.look_at(claims, &by_native(self, None)).await,
            Err(_) => Ok(None),
        }
    }

    /// The same of a browser, by the header `Cookie` that it sent: the refresh token in it.
    ///
    /// # Errors
    /// As for [`introspect`](Self::introspect).
    ///
    /// ```
    /// # mod world { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/examples/world.rs")); }
    /// # world::run(async |world| {
    /// # let auth = world.auth;
    /// assert!(auth.introspect_cookie("theme=dark").await.unwrap().is_none());
    /// # });
    /// ```
    pub async fn introspect_cookie(&self, cookie: &str) -> Result<Option<Introspection>, Problem> {
        let Some(headers) = handed_on(cookie) else { return Ok(None) };
        let Sent::One(token) = refresh_cookie(self, &headers).await? else { return Ok(None) };
        let Ok(claims) = self.refresh_tokens().verify(token, self.seconds()) else {
            return Ok(None);
        };
        let shown = device::shown(self, &headers, claims.sid);
        self.look_at(claims, &shown).await
    }

    async fn look_at(
        &self,
        claims: RefreshClaims,
        shown: &Shown,
    ) -> Result<Option<Introspection>, Problem> {
        self.moment()?;
        if self.revocations().contains(claims.sid) {
            return Ok(None);
        }
        let Some((row, authentication)) = self.store().session_row(claims.sid).await? else {
            return Ok(None);
        };
        let presented = Presented {
            generation: Generation(claims.generation),
            jti: claims.jti,
            parent: claims.parent,
            issued_at: claims.iat,
        };
        let (now, window) = (self.now(), self.settings().race_window);
        // What a refresh would come to; and nothing of it is done.
        let decided = decide(Some(&row), &presented, row.transport, shown, now, window);
        let (user_id, transport, standing) = match decided {
            Ok(decided) if matches!(decided.decision, Decision::Mint { .. }) => {
                (decided.row.user_id, decided.row.transport, decided.standing)
            }
            _ => return Ok(None),
        };
        let user = self.user(user_id).await?.filter(|user| user.is_active());
        let is_bound =
            matches!(standing, DeviceStanding::Proved { .. } | DeviceStanding::Confirms { .. });
        Ok(user.map(|user| {
            let looked = Looked { user, claims, authentication, transport, is_bound };
            Introspection(Of::Refresh(Box::new(looked)))
        }))
    }
}

/// A token that is good, and whose it is.
///
/// ```
/// use countersign::Introspection;
///
/// fn greeting(found: &Introspection) -> String {
///     format!("Hello {}.", found.account().username())
/// }
/// ```
#[derive(Debug)]
pub struct Introspection(Of);

#[derive(Debug)]
enum Of {
    Access(Identity),
    Refresh(Box<Looked>),
}

/// What there is to a refresh token.
#[derive(Debug)]
struct Looked {
    user: Arc<CachedUser>,
    claims: RefreshClaims,
    authentication: Authentication,
    transport: Transport,
    is_bound: bool,
}

impl Introspection {
    /// The user, as the row says now.
    ///
    /// ```
    /// fn may(found: &countersign::Introspection) -> &[String] {
    ///     found.account().permissions()
    /// }
    /// ```
    pub fn account(&self) -> &dyn Account {
        match &self.0 {
            Of::Access(identity) => identity.account(),
            Of::Refresh(looked) => &**looked.user,
        }
    }

    /// The session.
    ///
    /// ```
    /// fn session(found: &countersign::Introspection) -> String {
    ///     found.session().to_string()
    /// }
    /// ```
    pub fn session(&self) -> SessionId {
        match &self.0 {
            Of::Access(identity) => identity.claims().sid,
            Of::Refresh(looked) => looked.claims.sid,
        }
    }

    /// Whether it is a refresh token.
    ///
    /// ```
    /// fn kind(found: &countersign::Introspection) -> &str {
    ///     if found.is_refresh() { "refresh" } else { "access" }
    /// }
    /// ```
    pub fn is_refresh(&self) -> bool {
        matches!(self.0, Of::Refresh(_))
    }

    /// When the token was issued, in seconds since 1970.
    ///
    /// ```
    /// fn age(found: &countersign::Introspection, now: u64) -> u64 {
    ///     now.saturating_sub(found.issued_at())
    /// }
    /// ```
    pub fn issued_at(&self) -> u64 {
        match &self.0 {
            Of::Access(identity) => identity.claims().iat,
            Of::Refresh(looked) => looked.claims.iat,
        }
    }

    /// When it ends, in seconds since 1970.
    ///
    /// ```
    /// fn rest(found: &countersign::Introspection, now: u64) -> u64 {
    ///     found.expires_at().saturating_sub(now)
    /// }
    /// ```
    pub fn expires_at(&self) -> u64 {
        match &self.0 {
            Of::Access(identity) => identity.claims().exp,
            Of::Refresh(looked) => looked.claims.exp,
        }
    }

    /// For a refresh token: an access token of its session for one minute at most, and the seconds
    /// that it lives. For a backend that asks others in the user's name while it answers.
    ///
    /// # Errors
    /// As for any access token that cannot be issued.
    ///
    /// ```
    /// # mod world { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/examples/world.rs")); }
    /// use countersign::session::Transport;
    ///
    /// # world::run(async |world| {
    /// # let auth = world.auth;
    /// let login = world::log_in(&auth, Transport::Body).await;
    /// let found = auth.introspect(login.refresh_token().unwrap()).await.unwrap().unwrap();
    /// let (token, seconds) = found.access_token(&auth).unwrap().unwrap();
    /// assert_eq!(seconds, 60);
    /// assert_eq!(auth.verify(&token).await.unwrap().account().username(), "ada");
    /// # });
    /// ```
    pub fn access_token(&self, auth: &Auth) -> Result<Option<(String, u64)>, Problem> {
        let Of::Refresh(looked) = &self.0 else { return Ok(None) };
        let session = looked.claims.sid;
        let csrf_token =
            (looked.transport == Transport::Cookie).then(|| auth.csrf_tokens().token(session));
        let access = Access {
            user: &**looked.user,
            session,
            authentication: looked.authentication,
            is_bound: looked.is_bound,
            csrf_token: csrf_token.as_deref(),
            now: auth.now(),
        };
        let lifetime = auth.settings().access_lifetime.min(GLANCE);
        let issued = access.issue_for(auth, lifetime)?;
        Ok(Some((issued.access_token, issued.expires_in)))
    }
}

/// What says nothing of the token.
const UNKNOWN: [Code; 2] = [Code::Unavailable, Code::InternalError];

/// How long an access token lives that is issued in passing.
const GLANCE: Duration = Duration::from_secs(60);

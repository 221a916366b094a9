//! Looking at a token without using it: for a backend that is shown one, and wants to know whose
//! it is. A refresh token is not rotated, and no mark of its session moves.

use std::sync::Arc;
use std::time::Duration;

use countersign_verify::{Account, HasAccount, Identity, Seen};
use serde::Serialize;

use super::issue::Access;
use super::native_device::by_native;
use crate::auth::Auth;
use crate::http::device;
use crate::http::problem::{Code, Problem};
use crate::http::refresh_token::{Sent, handed_on, refresh_cookie};
use crate::session::device::{DeviceStanding, Shown};
use crate::session::rotation::{Decision, Generation, Presented};
use crate::session::{Authentication, SessionId, Transport, decide};
use crate::sign_in::Scope;
use crate::token::RefreshClaims;
use crate::user::{Attached, CachedUser};

impl Auth {
    /// Whose token this is, an access token or a refresh token, if it is good at this moment:
    /// signed here, in time, its session live and its user active. A refresh token is good if a
    /// refresh with it would be. One with which a second factor may be enrolled and nothing else
    /// is not good. Nothing is written.
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
        match self.remembered(token, self.seconds()).await {
            Ok(seen) if seen.attached.introspected.is_some() => {
                return Ok(Some(Introspection(Of::Access(seen))));
            }
            Ok(seen) => {
                // A backend may ask again with each request of its own: written once.
                let answer = Introspection(Of::Access(Arc::clone(&seen))).to_json(None);
                let attached = seen.attached.with_introspected(answer);
                let seen = self.verifier().remember(token, seen.verified(), attached);
                return Ok(Some(Introspection(Of::Access(seen))));
            }
            Err(problem) if UNKNOWN.contains(&problem.code()) => return Err(problem),
            Err(_) => {}
        }
        match self.refresh_tokens().verify(token, self.seconds()) {
            Ok(claims) => self.look_at(claims, None, &by_native(self, None)).await,
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
        self.look_at(claims, Some(Transport::Cookie), &shown).await
    }

    /// What is known of a refresh token that came on this path, or on that of its session.
    async fn look_at(
        &self,
        claims: RefreshClaims,
        path: Option<Transport>,
        shown: &Shown,
    ) -> Result<Option<Introspection>, Problem> {
        self.moment()?;
        if self.revocations().contains(claims.sid) {
            return Ok(None);
        }
        let Some((row, authentication)) = self.store().session_row(claims.sid).await? else {
            return Ok(None);
        };
        if authentication.scope != Scope::Full {
            return Ok(None);
        }
        let presented = Presented {
            generation: Generation(claims.generation),
            jti: claims.jti,
            parent: claims.parent,
            issued_at: claims.iat,
        };
        let (now, window) = (self.now(), self.settings().race_window);
        // What a refresh would come to; and nothing of it is done.
        let path = path.unwrap_or(row.transport);
        let decided = decide(Some(&row), &presented, path, shown, now, window);
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
    Access(Arc<Seen<Attached>>),
    Refresh(Box<Looked>),
    Ticket(Identity),
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
    /// Of a ticket that was [redeemed](Auth::redeem_ticket).
    ///
    /// ```
    /// use countersign::{Identity, Introspection};
    ///
    /// fn told(who: Identity) -> Vec<u8> {
    ///     Introspection::of_ticket(who).to_json(None)
    /// }
    /// ```
    pub fn of_ticket(who: Identity) -> Self {
        Self(Of::Ticket(who))
    }

    /// The user, as the row says now.
    ///
    /// ```
    /// fn may(found: &countersign::Introspection) -> &[String] {
    ///     found.account().permissions()
    /// }
    /// ```
    pub fn account(&self) -> &dyn Account {
        match &self.0 {
            Of::Access(seen) => seen.attached.account(),
            Of::Refresh(looked) => &**looked.user,
            Of::Ticket(identity) => identity.account(),
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
            Of::Access(seen) => seen.claims.sid,
            Of::Refresh(looked) => looked.claims.sid,
            Of::Ticket(identity) => identity.claims().sid,
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
            Of::Access(seen) => seen.claims.iat,
            Of::Refresh(looked) => looked.claims.iat,
            Of::Ticket(identity) => identity.claims().iat,
        }
    }

    /// When it ends, in seconds since 1970: an access token not later than this server lets it.
    ///
    /// ```
    /// fn rest(found: &countersign::Introspection, now: u64) -> u64 {
    ///     found.expires_at().saturating_sub(now)
    /// }
    /// ```
    pub fn expires_at(&self) -> u64 {
        match &self.0 {
            Of::Access(seen) => seen.ends_at(),
            Of::Refresh(looked) => looked.claims.exp,
            Of::Ticket(identity) => identity.claims().exp,
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

    /// The answer to a backend that asks (RFC 7662, 2.2), as JSON: `active`, `sub`, `username`,
    /// `sid`, `exp`, `iat`, `token_use` (`access`, `refresh` or `ticket`, which has no times),
    /// `is_staff`, `is_superuser`, `groups`, `permissions`, and what was
    /// [issued](Self::access_token) for it. Of a token that is not good the answer is
    /// `{"active":false}`.
    ///
    /// That of an access token is remembered with it until its user changes.
    ///
    /// ```
    /// # mod world { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/examples/world.rs")); }
    /// # world::run(async |world| {
    /// # let auth = world.auth;
    /// # let login = world::log_in(&auth, countersign::session::Transport::Body).await;
    /// for token in [login.access_token(), login.refresh_token().unwrap()] {
    ///     let found = auth.introspect(token).await.unwrap().unwrap();
    ///     let access = found.access_token(&auth).unwrap();
    ///     let json: serde_json::Value =
    ///         serde_json::from_slice(&found.to_json(access.as_ref())).unwrap();
    ///     assert_eq!(json["username"], "ada");
    ///     assert_eq!(json["exp"], found.expires_at());
    ///     assert_eq!(json["token_use"], if found.is_refresh() { "refresh" } else { "access" });
    ///     assert_eq!(json.get("access_token").is_some(), found.is_refresh());
    /// }
    /// # });
    /// ```
    pub fn to_json(&self, access: Option<&(String, u64)>) -> Vec<u8> {
        if let Of::Access(seen) = &self.0
            && let Some(answer) = &seen.attached.introspected
        {
            return answer.to_vec();
        }
        let account = self.account();
        let mut fields = Fields(b"{\"active\":true".to_vec());
        fields.add("sub", account.id().to_string());
        fields.add("username", account.username());
        fields.add("sid", self.session());
        let token_use = match self.0 {
            Of::Access(_) => "access",
            Of::Refresh(_) => "refresh",
            Of::Ticket(_) => "ticket",
        };
        if !matches!(self.0, Of::Ticket(_)) {
            fields.add("exp", self.expires_at());
            fields.add("iat", self.issued_at());
        }
        fields.add("token_use", token_use);
        fields.add("is_staff", account.is_staff());
        fields.add("is_superuser", account.is_superuser());
        fields.add("groups", account.groups());
        fields.add("permissions", account.permissions());
        if let Some((token, seconds)) = access {
            fields.add("access_token", token);
            fields.add("expires_in", seconds);
        }
        let Fields(mut json) = fields;
        json.push(b'}');
        json
    }
}

/// An object that is being written. Its names need no escapes: to look for some in them, as a
/// serializer does, was two fifths of the work.
struct Fields(Vec<u8>);

impl Fields {
    fn add(&mut self, name: &str, value: impl Serialize) {
        for part in [",\"", name, "\":"] {
            self.0.extend_from_slice(part.as_bytes());
        }
        if let Err(error) = serde_json::to_writer(&mut self.0, &value) {
            tracing::error!(%error, name, "a field of an introspection could not be written");
            self.0.extend_from_slice(b"null");
        }
    }
}

/// What says nothing of the token.
const UNKNOWN: [Code; 2] = [Code::Unavailable, Code::InternalError];

/// How long an access token lives that is issued in passing.
const GLANCE: Duration = Duration::from_secs(60);

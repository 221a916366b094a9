//! A session begins: after a login with a password, or after whatever else an app takes for proof.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use axum::http::HeaderValue;
use axum::response::{IntoResponse, Response};
use jiff::Timestamp;
use serde::Serialize;
use serde_json::value::RawValue;

use super::check_password::known_device;
use super::issue::{Grant, Issued, Tokens, new_jti};
use super::pages::PasswordChecked;
use super::sign_in::{Checked, Door, Entry, admitted, must_prove_address};
use crate::auth::Auth;
use crate::auth::events::Event;
use crate::auth::settings::Settings;
use crate::clock::random_bytes;
use crate::clock::seconds;
use crate::http::NextPage;
use crate::http::answer::Uncached;
use crate::http::device::{self, Offer};
use crate::http::dpop;
use crate::http::page::{self, Renewal};
use crate::http::peer::Peer;
use crate::http::problem::{Code, Problem, internal};
use crate::mail::MailKind;
use crate::password::EncodedPassword;
use crate::session::device::DeviceBinding;
use crate::session::rotation::Generation;
use crate::session::{Authentication, NewSession, RevokedReason, SessionId, Transport};
use crate::sign_in::Proof;
use crate::store::{Begin, Begun, FactorProof, FactorUse, NewMail, UserFactors};
use crate::token::device::LIFETIME_SECONDS;
use crate::user::{CachedUser, FoundUser, User, UserId};
use crate::user_directory::Candidate;
use crate::web::source::SourceRefused;

impl Auth {
    /// Logs a user in without a password: at a door of the app's own, such as a sign-in with
    /// another provider (OAuth) or a link in a mail, or in a test. The proof is the caller's
    /// affair, and so is throttling. The user's row is read now, and compared with nothing: after
    /// [`check_password`](Self::check_password) go on with
    /// [`log_in_checked`](Self::log_in_checked).
    ///
    /// A second factor is asked for all the same of who has one: the answer is then the 401
    /// `second_factor_required`, with which the client goes on as after a password.
    ///
    /// A cookie session takes the place of the one whose refresh cookie came with the request of
    /// the `client`: the browser will show the new one from now on, and a copy of the old one is to
    /// be worth nothing.
    ///
    /// # Errors
    /// `csrf_failed` for a request that a foreign page sent, or where a page would get its refresh
    /// token in the body; `user_inactive` for a user who is not there or not active,
    /// `second_factor_required`, `unavailable` when the store does not answer. Of a native client
    /// that shows a key (DPoP) also `use_dpop_nonce`, after which it sends the same once more, and
    /// `invalid_dpop_proof`.
    ///
    /// ```no_run
    /// use axum::extract::State;
    /// use countersign::http::{Peer, Problem};
    /// use countersign::session::Transport;
    /// use countersign::user::UserId;
    /// use countersign::{Auth, LoggedIn};
    ///
    /// # fn whose_link_was_followed() -> UserId { UserId::new(1) }
    /// async fn follow_link(State(auth): State<Auth>, peer: Peer) -> Result<LoggedIn, Problem> {
    ///     auth.log_in(whose_link_was_followed(), Transport::Cookie, &peer).await
    /// }
    /// ```
    pub async fn log_in(
        &self,
        user: UserId,
        transport: Transport,
        client: &Peer,
    ) -> Result<LoggedIn, Problem> {
        may_begin(transport, client)?;
        self.log_in_by(Proof::OfTheApp, user, transport, client).await
    }

    /// Logs in whom [`check_password`](Self::check_password),
    /// [`check_factor`](Self::check_factor) or [`check_passkey`](Self::check_passkey) let in, on
    /// the row as it was checked there. So nobody gets in with a password that was changed, by a
    /// user who was deactivated, or past a second factor that was enrolled, while the form was
    /// under way. The second factor is used up, and the tokens say what was proved (`amr`).
    ///
    /// # Errors
    /// `invalid_credentials` where the row is another by now: ask for the password again, as after
    /// a wrong one. `factor_invalid` for a second factor that was used meanwhile,
    /// `email_not_verified` where an address must be proved first, `unavailable` when the store
    /// does not answer. `csrf_failed`, `use_dpop_nonce` and `invalid_dpop_proof` as of
    /// [`log_in`](Self::log_in).
    ///
    /// ```no_run
    /// use axum::response::{IntoResponse, Response};
    /// use countersign::Auth;
    /// use countersign::http::{NextPage, Peer, Problem};
    /// use countersign::password::Password;
    /// use countersign::session::Transport;
    ///
    /// # async fn enter(
    /// #     auth: Auth,
    /// #     name: &str,
    /// #     typed: Password,
    /// #     client: Peer,
    /// # ) -> Result<Response, Problem> {
    /// let Ok(checked) = auth.check_password(name, &typed, &client, |_| true).await else {
    ///     return Ok("Wrong, or too often.".into_response());
    /// };
    /// let login = auth.log_in_checked(checked, Transport::Cookie, &client).await?;
    /// Ok(login.redirect(&NextPage::default()))
    /// # }
    /// ```
    pub async fn log_in_checked(
        &self,
        checked: PasswordChecked,
        transport: Transport,
        client: &Peer,
    ) -> Result<LoggedIn, Problem> {
        may_begin(transport, client)?;
        let PasswordChecked { user, row, granted } = checked;
        let has_changed = || Problem::new(Code::InvalidCredentials);
        let moment = self.user_cache().moment();
        let found = self.users().candidate(user).await?.filter(|found| {
            found.user.account().is_active() && found.password.as_str() == row.password.as_str()
        });
        let found = found.ok_or_else(has_changed)?;
        // As at the endpoint: said only to who has proved who they are.
        if must_prove_address(self, &found.user).await? {
            return Err(Problem::new(Code::EmailNotVerified));
        }
        let factors = self.store().factors_of(user).await?;
        if factors.version != row.factors {
            return Err(has_changed());
        }
        // What the first form said of the device counts, though the second may say nothing of it.
        let client = Peer {
            remember: client.remember && !granted.is_short,
            device_name: client.device_name.clone().or(granted.device_name),
            ..client.clone()
        };
        let tokens = client.device_tokens.iter().map(String::as_str);
        let device = known_device(self, tokens, user, &found.password);
        let is_recovery_code = (row.factor.as_ref())
            .is_some_and(|uses| matches!(uses.proof, FactorProof::RecoveryCode { .. }));
        let checked = Checked { found, moment, device };
        let entry = Entry {
            admission: granted.admission,
            factors,
            uses: row.factor,
            remembered_until: granted.remembered_until,
        };
        let login = begin(self, &client, transport, checked, entry).await?;
        let login = login.ok_or_else(has_changed)?;
        if is_recovery_code {
            let event = client.event(self.now(), None, Some(login.session()));
            self.events().on_recovery_code_used(&Event { user: Some(user), ..event });
        }
        Ok(login)
    }

    /// The same for who has proved this.
    pub(crate) async fn log_in_by(
        &self,
        proof: Proof,
        user: UserId,
        transport: Transport,
        client: &Peer,
    ) -> Result<LoggedIn, Problem> {
        for _ in 0..TRIES {
            let moment = self.user_cache().moment();
            let found = self
                .users()
                .candidate(user)
                .await?
                .filter(|found| found.user.account().is_active());
            let found = found.ok_or_else(|| Problem::new(Code::UserInactive))?;
            let tokens = client.device_tokens.iter().map(String::as_str);
            let device = known_device(self, tokens, user, &found.password);
            let checked = Checked { found, moment, device };
            let door = Door::Endpoint(transport);
            let entry = admitted(self, client, door, &checked, proof).await?;
            if let Some(login) = begin(self, client, transport, checked, entry).await? {
                return Ok(login);
            }
        }
        Err(Problem::new(Code::Unavailable).retry_after(1))
    }
}

/// Whether this client may begin a session of this kind.
fn may_begin(transport: Transport, client: &Peer) -> Result<(), Problem> {
    match transport {
        Transport::Cookie if client.is_cross_site => {
            Err(Problem::new(Code::CsrfFailed).detail(CROSS_SITE))
        }
        Transport::Body if client.is_page => Err(SourceRefused::NotNative.into()),
        Transport::Cookie | Transport::Body => Ok(()),
    }
}

/// A session that has just begun. As an answer it is what login returns, with the cookies.
///
/// ```
/// # mod world { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/examples/world.rs")); }
/// use countersign::session::Transport;
///
/// # world::run(async |world| {
/// # let (auth, ada, client) = (world.auth, world.ada, countersign::http::Peer::local());
/// let login = auth.log_in(ada.id, Transport::Cookie, &client).await.unwrap();
/// let answer = axum::response::IntoResponse::into_response(login);
/// // The refresh token, the CSRF token and the device.
/// assert_eq!(answer.headers().get_all("set-cookie").iter().count(), 3);
/// # });
/// ```
pub struct LoggedIn {
    session: SessionId,
    issued: Issued,
    device_token: Option<String>,
    codes_left: Option<usize>,
    user: Arc<CachedUser>,
    /// The offer to bind a browser's session; the challenge of a native client's first refresh.
    offer: Option<Offer>,
}

impl LoggedIn {
    /// Its id.
    ///
    /// ```
    /// # mod world { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/examples/world.rs")); }
    /// # world::run(async |world| {
    /// # let auth = world.auth;
    /// # let login = world::log_in(&auth, countersign::session::Transport::Body).await;
    /// assert!(auth.store().session(login.session()).await.unwrap().is_some());
    /// # });
    /// ```
    pub fn session(&self) -> SessionId {
        self.session
    }

    /// The access token, for `Authorization: Bearer`.
    ///
    /// ```
    /// # mod world { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/examples/world.rs")); }
    /// # world::run(async |world| {
    /// # let auth = world.auth;
    /// # let login = world::log_in(&auth, countersign::session::Transport::Body).await;
    /// let header = format!("Bearer {}", login.access_token()); // in a test of your routes
    /// assert_eq!(header.split('.').count(), 3);
    /// # });
    /// ```
    pub fn access_token(&self) -> &str {
        self.issued.tokens.access_token()
    }

    /// The CSRF token of a cookie session, for `X-CSRFTOKEN`.
    ///
    /// ```
    /// # mod world { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/examples/world.rs")); }
    /// use countersign::session::Transport;
    ///
    /// # world::run(async |world| {
    /// # let (auth, ada, client) = (world.auth, world.ada, countersign::http::Peer::local());
    /// let page = auth.log_in(ada.id, Transport::Cookie, &client).await.unwrap();
    /// let phone = auth.log_in(ada.id, Transport::Body, &client).await.unwrap();
    /// assert!(page.csrf_token().is_some() && phone.csrf_token().is_none());
    /// # });
    /// ```
    pub fn csrf_token(&self) -> Option<&str> {
        self.issued.tokens.csrf_token()
    }

    /// The refresh token of a native session. That of a cookie session is in its cookie and nowhere
    /// else.
    ///
    /// ```
    /// # mod world { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/examples/world.rs")); }
    /// use countersign::session::Transport;
    ///
    /// # world::run(async |world| {
    /// # let (auth, ada, client) = (world.auth, world.ada, countersign::http::Peer::local());
    /// let page = auth.log_in(ada.id, Transport::Cookie, &client).await.unwrap();
    /// let phone = auth.log_in(ada.id, Transport::Body, &client).await.unwrap();
    /// assert!(page.refresh_token().is_none() && phone.refresh_token().is_some());
    /// # });
    /// ```
    pub fn refresh_token(&self) -> Option<&str> {
        self.issued.tokens.refresh_token()
    }
}

impl LoggedIn {
    /// The answer to a form of the app's own: the cookies, and on to a page. The tokens are in the
    /// cookies, where pages behind [`protect_pages`](Auth::protect_pages) find them.
    ///
    /// ```
    /// # mod world { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/examples/world.rs")); }
    /// use countersign::http::NextPage;
    /// use countersign::session::Transport;
    ///
    /// # world::run(async |world| {
    /// # let (auth, ada, client) = (world.auth, world.ada, countersign::http::Peer::local());
    /// let login = auth.log_in(ada.id, Transport::Cookie, &client).await.unwrap();
    /// let answer = login.redirect(&NextPage::parse("/orders").unwrap());
    /// assert_eq!(answer.status(), 303);
    /// assert_eq!(answer.headers()["location"], "/orders");
    /// # });
    /// ```
    pub fn redirect(self, page: &NextPage) -> Response {
        page::on_to(page, Renewal { cookies: self.issued.cookies, offer: self.offer })
    }

    /// With one cookie more.
    pub(crate) fn with_cookie(mut self, cookie: HeaderValue) -> Self {
        self.issued.cookies.push(cookie);
        self
    }
}

impl IntoResponse for LoggedIn {
    fn into_response(self) -> Response {
        let Self { issued, device_token, codes_left, user, offer, .. } = self;
        let (tokens, user) = (issued.tokens, user.json());
        Uncached::new(LoginResponse { tokens, device_token, recovery_codes_left: codes_left, user })
            .with_cookies(issued.cookies)
            .offering(offer)
            .into_response()
    }
}

impl fmt::Debug for LoggedIn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LoggedIn").field("session", &self.session).finish_non_exhaustive()
    }
}

/// What comes back.
#[derive(Serialize, utoipa::ToSchema)]
pub(crate) struct LoginResponse<'a> {
    #[serde(flatten)]
    tokens: Tokens,
    /// Native clients: send it with the next login on this device, so that nobody's failures block
    /// it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = String, required = false)]
    device_token: Option<String>,
    /// How many recovery codes are left, where there are fewer than three: make new ones.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = usize, required = false)]
    recovery_codes_left: Option<usize>,
    #[schema(value_type = User)]
    user: &'a RawValue,
}

/// Begins a session on the user's row as it was checked, with the machine's leave. `None` when the
/// row has changed meanwhile: then nothing has begun, and it is to be checked again.
pub(crate) async fn begin(
    auth: &Auth,
    peer: &Peer,
    transport: Transport,
    checked: Checked,
    entry: Entry,
) -> Result<Option<LoggedIn>, Problem> {
    let Checked { found: FoundUser { user, password }, moment, device } = checked;
    let Entry { admission, factors, uses, remembered_until } = entry;
    // The one place where a native client's session is bound: whatever door it came through.
    let bound = peer.dpop.device(auth, transport)?;
    let bound_by = bound.as_ref().map(|device| device.proof_at);
    // And the one place where a browser's session takes the place of the one that it had: the
    // browser will show the new one from now on.
    let replaces = match transport {
        Transport::Cookie => peer.refresh_cookies.session(auth).await?,
        Transport::Body => None,
    };
    let codes_left = codes_left(&factors, uses.as_ref());
    let (id, now) = (user.account().id(), auth.now());
    let jti = new_jti(auth);
    let Settings { session_absolute, session_short, .. } = auth.settings();
    let is_short = !peer.remember;
    let longest = if is_short { session_absolute.min(session_short) } else { session_absolute };
    let expires_at = now.saturating_add(*longest).map_err(internal)?;
    let is_in_the_store = user.is_in_the_store();
    let mut begin = Begin {
        checked: is_in_the_store.then(|| password.clone()),
        is_new_device: device.is_none() && user.has_logged_in(),
        mails: if device.is_none() { of_new_device(auth, &user, peer)? } else { Vec::new() },
        factors: factors.version,
        methods: admission.methods(),
        scope: admission.scope(),
        factor: uses,
        device: bound,
        replaces,
        at_most: auth.settings().sessions_per_user,
        ..Begin::unchecked(NewSession {
            id: draw_session_id(auth, now)?,
            user_id: id,
            jti,
            created_at: now,
            expires_at,
            transport,
            user_agent: peer.user_agent.clone(),
            device_name: peer.device_name.clone(),
            ip: Some(peer.ip),
        })
    };
    let ended = loop {
        match auth.store().begin_session(begin.clone()).await? {
            Begun::Done { ended } => break ended,
            Begun::IdTaken => begin.session.id = draw_session_id(auth, now)?,
            Begun::UserChanged => return Ok(None),
            Begun::FactorUsed => return Err(Problem::new(Code::FactorInvalid)),
        }
    };
    let session = begin.session.id;
    let user = if is_in_the_store {
        let user = Arc::new(auth.users().logged_in(user, now).await?);
        auth.user_cache().keep(Arc::clone(&user), moment);
        user
    } else {
        match look_again(auth, id, (&password, factors.version), session).await? {
            Some(user) => user,
            None => return Ok(None),
        }
    };

    let grant = Grant {
        user: &**user,
        session,
        transport,
        authentication: Authentication {
            at: now,
            methods: admission.methods(),
            scope: admission.scope(),
        },
        is_bound: bound_by.is_some(),
        expires_at,
        is_short,
        generation: Generation::FIRST,
        parent: None,
        jti,
        now,
    };
    let mut issued = match grant.issue(auth) {
        Ok(issued) => issued,
        Err(problem) => {
            // Nobody holds its tokens.
            auth.store().revoke_session(session, None, RevokedReason::Logout, now).await?;
            return Err(problem);
        }
    };
    let device_token =
        auth.device_tokens().issue(id, &password, device, auth.seconds(), auth.random());
    let device_token = match remembered_until {
        Some(until) => auth.device_tokens().mark(&device_token, seconds(until), factors.version),
        None => device_token,
    };
    let device_token = match transport {
        Transport::Body => Some(device_token),
        Transport::Cookie => {
            let life = (!is_short).then_some(Duration::from_secs(LIFETIME_SECONDS));
            issued.cookies.push(auth.checked().cookies.set_device(&device_token, life));
            None
        }
    };
    if ended > 0 {
        auth.catch_up().await?;
    }
    tracing::info!(
        user = %id,
        session = %session,
        ip = %peer.ip,
        transport = transport.as_str(),
        by = %admission.methods(),
        is_bound = bound_by.is_some(),
        ended,
        "logged in"
    );
    let told = peer.event(now, Some(&**user), Some(session));
    auth.events().on_login(&told);
    let is_offered =
        transport == Transport::Cookie && auth.checked().device_binding != DeviceBinding::Off;
    let offer = match bound_by {
        Some(challenge_at) => {
            auth.events().on_device_bound(&told);
            Some(dpop::next_nonce(auth, session, challenge_at))
        }
        None => is_offered.then(|| device::offer(auth, session)),
    };
    Ok(Some(LoggedIn { session, issued, device_token, codes_left, user, offer }))
}

/// The row of a user who lives in a table of the app's own, read again after the session began:
/// whoever changes such a row ends the user's sessions after that, and so either the ending sees
/// the session or this sees the change. Where it does, the session is ended, and nobody has been
/// told of it.
async fn look_again(
    auth: &Auth,
    id: UserId,
    (checked, factors): (&EncodedPassword, u64),
    session: SessionId,
) -> Result<Option<Arc<CachedUser>>, Problem> {
    let now = auth.now();
    auth.users().note_login(id, now).await?;
    let moment = auth.user_cache().moment();
    let found = auth.users().candidate(id).await?.filter(|found| found.user.account().is_active());
    let are_as_they_were = auth.store().factors_of(id).await?.version == factors;
    match found {
        Some(found) if are_as_they_were && found.password.as_str() == checked.as_str() => {
            let user = Arc::new(auth.users().logged_in(found.user, now).await?);
            auth.user_cache().keep(Arc::clone(&user), moment);
            Ok(Some(user))
        }
        found => {
            let is_other_line = found.as_ref().is_some_and(|found| {
                !checked.is_usable()
                    && !found.password.is_usable()
                    && found.password.as_str() != checked.as_str()
            });
            if is_other_line {
                tracing::warn!(user = %id, "the row of a user without a password has another \
                    unusable line than a moment ago; if each read has another, they can never log \
                    in: keep one in the column, or give `!`");
            }
            let reason = if !are_as_they_were {
                RevokedReason::LogoutAll
            } else if found.is_some() {
                RevokedReason::PasswordChanged
            } else {
                RevokedReason::UserInactive
            };
            auth.store().revoke_session(session, Some(id), reason, now).await?;
            auth.catch_up().await?;
            Ok(None)
        }
    }
}

/// What tells the user of a device that was not known. Of the first login of all they know.
fn of_new_device(auth: &Auth, user: &Candidate, peer: &Peer) -> Result<Vec<NewMail>, Problem> {
    if !user.has_logged_in() {
        return Ok(Vec::new());
    }
    let values = vec![("place", peer.ip.to_string()), ("device", peer.device())];
    Ok(auth.notice(MailKind::NewDevice, &user.addressee(), values)?)
}

/// How many recovery codes are left, where that is worth a word.
fn codes_left(factors: &UserFactors, uses: Option<&FactorUse>) -> Option<usize> {
    let is_one_used =
        uses.is_some_and(|uses| matches!(uses.proof, FactorProof::RecoveryCode { .. }));
    let left = factors.recovery_codes.len().saturating_sub(usize::from(is_one_used));
    (factors.enrolled().is_second() && left < FEW_CODES).then_some(left)
}

/// The time in seconds, then 32 random bits: sessions that begin together lie together in the
/// store, and a million old ones do not slow a new one down.
fn draw_session_id(auth: &Auth, now: Timestamp) -> Result<SessionId, Problem> {
    let bits = seconds(now) << 32 | u64::from(u32::from_be_bytes(random_bytes(auth.random())));
    SessionId::new(bits).ok_or_else(|| internal("the clock shows the year 1970"))
}

const CROSS_SITE: &str = "origin check failed: a page of a foreign origin sent this, and nobody is \
    logged in for it; send the request from a page of the public URL, or add its origin to \
    `allow_origins`";

/// Fewer recovery codes than this are told of.
const FEW_CODES: usize = 3;

/// How often a row may change under somebody who is logging in before they are told to come back.
pub(crate) const TRIES: usize = 3;

//! The gate: who is signed in, and whether a form comes from a page of ours.
//!
//! A handler that takes [`Staff`] cannot be reached by anybody else, and one that takes [`Posted`]
//! only by a form with the session's countersign.

use std::time::Duration;

use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::{digest, hmac};
use axum::body::Body;
use axum::extract::{FromRequest, FromRequestParts};
use axum::http::header::{CONTENT_LENGTH, CONTENT_TYPE, HOST, ORIGIN};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, Request, StatusCode};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use countersign::PasswordRefused;
use countersign::clock::Random;
use countersign::http::cookies::values;
use countersign::http::origin::Origins;
use countersign::http::source::check_source;
use countersign::http::{BODY_LIMIT, Peer, is_no_other_charset, is_plain};
use countersign::password::Password;
use countersign::store::admin::AdminSession;
use countersign::user::User;
use http_body_util::{BodyExt, LengthLimitError, Limited};
use jiff::Timestamp;

use super::Admin;
use super::fault::Fault;
use super::forms::Form;
use super::rules::{Permit, may};
use super::sign_in::confirmation;
use crate::operate::Operator;

/// Whoever is signed in, with a session that still counts.
#[derive(Debug)]
pub(super) struct Staff {
    pub(super) user: User,
    session: AdminSession,
    token: Token,
}

impl Staff {
    /// What every form of this session carries.
    pub(super) fn csrf(&self) -> String {
        self.token.csrf()
    }

    /// Refuses who may not do this.
    ///
    /// # Errors
    /// A page that names the permission.
    pub(super) fn needs(&self, permit: Permit) -> Result<(), Fault> {
        if may(&self.user, permit) {
            return Ok(());
        }
        Err(Fault::forbidden(format!(
            "This needs the permission {}, which you have not. Ask a superuser for it.",
            permit.name()
        )))
    }

    /// Whether the password was entered so lately that dangerous things may be done without asking
    /// again.
    pub(super) fn is_fresh(&self, now: Timestamp) -> bool {
        !is_older(self.session.password_at, now, PASSWORD_LASTS)
    }

    /// What the session is known by in the store.
    pub(super) fn token_hash(&self) -> [u8; 32] {
        self.session.token_hash
    }
}

impl FromRequestParts<Admin> for Staff {
    type Rejection = Fault;

    async fn from_request_parts(parts: &mut Parts, admin: &Admin) -> Result<Self, Fault> {
        let here = parts.uri.path_and_query().map_or("/admin/", |here| here.as_str());
        let next = if parts.method.is_safe() { here } else { parts.uri.path() };
        let Some(token) = Token::of(admin, &parts.headers, SESSION_COOKIE) else {
            return Err(Fault::SignedOut(next.to_owned()));
        };
        let Some(session) = admin.store.admin_session(token.hash()).await? else {
            return Err(Fault::SignedOut(next.to_owned()));
        };
        let now = admin.clock.now();
        let user = admin
            .store
            .user_by_id(session.user)
            .await?
            .filter(|user| user.is_active && user.is_staff);
        let (Some(user), false) = (
            user,
            is_older(session.used_at, now, admin.limits.idle)
                || is_older(session.created_at, now, admin.limits.absolute),
        ) else {
            admin.store.end_admin_session(session.token_hash).await?;
            return Err(Fault::SignedOut(next.to_owned()));
        };
        if is_older(session.used_at, now, NOTED_EVERY) {
            admin.store.touch_admin_session(session.token_hash, now, None).await?;
        }
        Ok(Self { user, session, token })
    }
}

/// The part of the address behind `?`.
#[derive(Debug)]
pub(super) struct Query(pub(super) Form);

impl FromRequestParts<Admin> for Query {
    type Rejection = Fault;

    async fn from_request_parts(parts: &mut Parts, _: &Admin) -> Result<Self, Fault> {
        Form::parse(parts.uri.query().unwrap_or_default().as_bytes()).map(Self)
    }
}

/// A form that came from a page of ours, filled in by whoever is signed in.
#[derive(Debug)]
pub(super) struct Posted {
    pub(super) staff: Staff,
    pub(super) form: Form,
    pub(super) peer: Peer,
    path: String,
}

impl Posted {
    /// Whoever does it, now.
    pub(super) fn operator<'a>(&self, admin: &'a Admin) -> Operator<'a> {
        Operator::staff(&*admin.store, self.staff.user.id, self.peer.ip, admin.clock.now())
    }

    /// Before something dangerous: asks for the password, unless it was entered lately. What was
    /// filled in comes back with it.
    ///
    /// # Errors
    /// A page that asks.
    pub(super) async fn confirm(&self, admin: &Admin) -> Result<(), Fault> {
        let now = admin.clock.now();
        if self.staff.is_fresh(now) {
            return Ok(());
        }
        let again =
            |status, problem| Err(Fault::page(confirmation(status, self, &self.path, problem)));
        let given = self.form.text("own_password");
        if given.is_empty() {
            return again(StatusCode::FORBIDDEN, "");
        }
        let (Ok(password), id) = (Password::parse(given.to_owned()), self.staff.user.id) else {
            return again(StatusCode::FORBIDDEN, "This is not your password.");
        };
        match admin
            .auth
            .check_password(&self.staff.user.username, &password, &self.peer, |user| {
                user.is_staff() && user.id() == id
            })
            .await
        {
            Ok(_)
                if admin
                    .store
                    .touch_admin_session(self.staff.session.token_hash, now, Some(now))
                    .await? =>
            {
                Ok(())
            }
            // It ended while the password was checked.
            Ok(_) => Err(Fault::SignedOut(self.path.clone())),
            Err(PasswordRefused::Wrong { .. }) => {
                again(StatusCode::FORBIDDEN, "This is not your password.")
            }
            Err(PasswordRefused::Throttled { .. }) => again(
                StatusCode::TOO_MANY_REQUESTS,
                "Too many attempts have failed. Wait a while and try again.",
            ),
            Err(_) => Err(Fault::Unavailable),
        }
    }
}

impl FromRequest<Admin> for Posted {
    type Rejection = Fault;

    async fn from_request(request: Request<Body>, admin: &Admin) -> Result<Self, Fault> {
        let (mut parts, body) = request.into_parts();
        own_page(admin, &parts.headers)?;
        let Ok(peer) = Peer::from_request_parts(&mut parts, &admin.auth).await;
        let form = read(admin, &parts.headers, body).await?;
        // Asked when the form is there: one that comes slowly is not taken from a session that has
        // ended meanwhile.
        let staff = Staff::from_request_parts(&mut parts, admin).await?;
        staff.token.check(&form)?;
        Ok(Self { staff, form, peer, path: parts.uri.path().to_owned() })
    }
}

/// A form that came from a page of ours, filled in by who is not signed in yet. The countersign
/// belongs to a cookie that the page set.
#[derive(Debug)]
pub(super) struct Knock {
    pub(super) form: Form,
    pub(super) peer: Peer,
    pub(super) token: Token,
}

impl FromRequest<Admin> for Knock {
    type Rejection = Fault;

    async fn from_request(request: Request<Body>, admin: &Admin) -> Result<Self, Fault> {
        let (mut parts, body) = request.into_parts();
        own_page(admin, &parts.headers)?;
        let Ok(peer) = Peer::from_request_parts(&mut parts, &admin.auth).await;
        let form = read(admin, &parts.headers, body).await?;
        let token = Token::of(admin, &parts.headers, KNOCK_COOKIE).ok_or_else(|| {
            Fault::forbidden(
                "Your browser did not send the cookie that the page \
                set. Allow cookies for this site, go back, load the page again and try once more.",
            )
        })?;
        token.check(&form)?;
        Ok(Self { form, peer, token })
    }
}

/// 256 random bits that a browser keeps in a cookie.
pub(super) struct Token([u8; 32]);

impl Token {
    /// A fresh one.
    pub(super) fn draw(random: &dyn Random) -> Self {
        let mut bytes = [0; 32];
        random.fill(&mut bytes);
        Self(bytes)
    }

    /// The one before sign-in that the browser has already, so that several tabs get along, or a
    /// fresh one.
    pub(super) fn knock(admin: &Admin, headers: &HeaderMap) -> Self {
        Self::of(admin, headers, KNOCK_COOKIE).unwrap_or_else(|| Self::draw(&*admin.random))
    }

    /// Where the cookie stands alone: two of one name are none, since one of them was planted.
    fn of(admin: &Admin, headers: &HeaderMap, name: &str) -> Option<Self> {
        let name = format!("{}{name}", prefix(admin));
        let mut found = values(headers, &name);
        match (found.next(), found.next()) {
            (Some(text), None) => Self::parse(text),
            _ => None,
        }
    }

    /// From its bytes.
    pub(super) fn of_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// Its bytes, for the store.
    pub(super) fn bytes(&self) -> [u8; 32] {
        self.0
    }

    /// From its text.
    pub(super) fn parse(text: &str) -> Option<Self> {
        URL_SAFE_NO_PAD.decode(text).ok()?.try_into().ok().map(Self)
    }

    /// Its text.
    pub(super) fn text(&self) -> String {
        URL_SAFE_NO_PAD.encode(self.0)
    }

    /// What the store knows it by.
    pub(super) fn hash(&self) -> [u8; 32] {
        let mut hash = [0; 32];
        hash.copy_from_slice(digest::digest(&digest::SHA256, &self.0).as_ref());
        hash
    }

    /// What the forms of a page carry that was made for this token.
    pub(super) fn csrf(&self) -> String {
        let key = hmac::Key::new(hmac::HMAC_SHA256, &self.0);
        URL_SAFE_NO_PAD.encode(hmac::sign(&key, b"countersign admin form v1"))
    }

    /// Whether it is the same, in constant time.
    pub(super) fn is(&self, other: &Self) -> bool {
        verify_slices_are_equal(&self.0, &other.0).is_ok()
    }

    fn check(&self, form: &Form) -> Result<(), Fault> {
        match verify_slices_are_equal(self.csrf().as_bytes(), form.text("csrf").as_bytes()) {
            Ok(()) => Ok(()),
            Err(_) => Err(Fault::forbidden(
                "The form does not carry this session's token: it was open while you signed out \
                 and in again, or it is not from this site. Go back, load the page again and fill \
                 it in once more.",
            )),
        }
    }
}

impl std::fmt::Debug for Token {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Token(..)")
    }
}

/// The `Set-Cookie` of a session.
pub(super) fn session_cookie(admin: &Admin, token: &Token) -> HeaderValue {
    cookie(admin, SESSION_COOKIE, &token.text(), "")
}

/// The `Set-Cookie` that ends a session in the browser.
pub(super) fn no_session_cookie(admin: &Admin) -> HeaderValue {
    cookie(admin, SESSION_COOKIE, "", "; Max-Age=0")
}

/// The `Set-Cookie` of a page before sign-in.
pub(super) fn knock_cookie(admin: &Admin, token: &Token) -> HeaderValue {
    cookie(admin, KNOCK_COOKIE, &token.text(), "; Max-Age=3600")
}

fn cookie(admin: &Admin, name: &str, value: &str, more: &str) -> HeaderValue {
    let attributes =
        if admin.https { "; Path=/; Secure".to_owned() } else { format!("; Path={PATH}") };
    let line =
        format!("{}{name}={value}{attributes}; HttpOnly; SameSite=Strict{more}", prefix(admin));
    HeaderValue::from_str(&line).unwrap_or(HeaderValue::from_static(""))
}

/// Over https no other host can set a cookie of this prefix, a sibling subdomain neither (RFC
/// 6265bis, 4.1.3.2). It demands the path `/`; that only this site reads the cookie, and that no
/// other site's page sends it, is the name's and `SameSite`'s affair.
fn prefix(admin: &Admin) -> &'static str {
    if admin.https { "__Host-" } else { "" }
}

/// The first half of the CSRF check: the form was sent by a page of this site, as far as the
/// browser says.
fn own_page(admin: &Admin, headers: &HeaderMap) -> Result<(), Fault> {
    let from_elsewhere = |site: &HeaderValue| {
        !(site.as_bytes().eq_ignore_ascii_case(b"same-origin")
            || site.as_bytes().eq_ignore_ascii_case(b"none"))
    };
    let refused = headers.get_all("sec-fetch-site").iter().any(from_elsewhere)
        || (!is_this_machine(headers)
            && check_source(headers, &admin.origin, &Origins::default()).is_err());
    if refused {
        return Err(Fault::forbidden(format!(
            "The form was not sent by a page of {0}. Open the admin site at {0}/admin/; if that is \
             where you are, public_url is not what your browser calls this server.",
            admin.origin
        )));
    }
    Ok(())
}

/// Whether the browser is on this machine, whatever it calls it: then the origin is the host that
/// it asked for.
fn is_this_machine(headers: &HeaderMap) -> bool {
    let one =
        |name| match (headers.get_all(&name).iter().next(), headers.get_all(&name).iter().nth(1)) {
            (Some(value), None) => value.to_str().ok(),
            _ => None,
        };
    let (Some(host), Some(origin)) = (one(HOST), one(ORIGIN)) else { return false };
    let hostname = host.rsplit_once(':').map_or(host, |(hostname, _)| hostname);
    matches!(hostname, "localhost" | "127.0.0.1" | "[::1]")
        && origin.strip_prefix("http://") == Some(host)
}

async fn read(admin: &Admin, headers: &HeaderMap, body: Body) -> Result<Form, Fault> {
    let too_large = || {
        let what = format!("A form may have {} KiB. Leave something out.", BODY_LIMIT / 1024);
        Fault::Bad(StatusCode::PAYLOAD_TOO_LARGE, "Too much", what)
    };
    if !is_plain_form(headers) {
        let what = "This is not what a form sends (application/x-www-form-urlencoded).".to_owned();
        return Err(Fault::Bad(StatusCode::UNSUPPORTED_MEDIA_TYPE, "Not a form", what));
    }
    let length =
        headers.get(CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse::<usize>().ok());
    if length.is_some_and(|length| length > BODY_LIMIT) {
        return Err(too_large());
    }
    match tokio::time::timeout(admin.limits.body, Limited::new(body, BODY_LIMIT).collect()).await {
        Ok(Ok(bytes)) => Form::parse(&bytes.to_bytes()),
        Ok(Err(error)) if error.is::<LengthLimitError>() => Err(too_large()),
        Ok(Err(_)) => Err(Fault::bad("The form did not arrive whole. Send it again.")),
        Err(_) => Err(Fault::Bad(
            StatusCode::REQUEST_TIMEOUT,
            "Too slow",
            "The form did not arrive in time. Send it again.".to_owned(),
        )),
    }
}

/// Whether the body is a form as browsers send ours: in UTF-8, and not compressed.
fn is_plain_form(headers: &HeaderMap) -> bool {
    let content_type = headers
        .get(CONTENT_TYPE)
        .and_then(|content_type| content_type.to_str().ok())
        .unwrap_or_default();
    let mut parts = content_type.split(';').map(str::trim);
    parts.next().is_some_and(|kind| kind.eq_ignore_ascii_case("application/x-www-form-urlencoded"))
        && parts.all(is_no_other_charset)
        && is_plain(headers)
}

/// Whether more than `most` lies between them.
fn is_older(then: Timestamp, now: Timestamp, most: Duration) -> bool {
    now.duration_since(then)
        > jiff::SignedDuration::try_from(most).unwrap_or(jiff::SignedDuration::MAX)
}

/// Where this site's cookies go.
pub(super) const PATH: &str = "/admin";
const SESSION_COOKIE: &str = "countersign_admin";
const KNOCK_COOKIE: &str = "countersign_admin_form";

/// How long after the password was entered dangerous things may be done without entering it again.
const PASSWORD_LASTS: Duration = Duration::from_secs(10 * 60);

/// A request in between leaves no trace in the store.
const NOTED_EVERY: Duration = Duration::from_secs(30);

//! Forms: whether one comes from a page of ours, and who filled it in.

use axum::body::Body;
use axum::extract::{FromRequest, FromRequestParts};
use axum::http::header::{CONTENT_LENGTH, CONTENT_TYPE, HOST, ORIGIN};
use axum::http::{HeaderMap, HeaderValue, Request, StatusCode};
use countersign::http::{BODY_LIMIT, NotWhole, Peer, is_no_other_charset, is_plain, whole_body};
use countersign::web::origin::Origins;
use countersign::web::source::check_source;

use super::staff::Staff;
use super::token::{PRE_SESSION_COOKIE, Token, Waits, pending};
use crate::admin::kit::forms::Form;
use crate::admin::kit::page_error::PageError;
use crate::admin::site::Admin;
use crate::operate::Operator;

/// A form that came from a page of ours, filled in by an operator who is signed in.
#[derive(Debug)]
pub(crate) struct Posted {
    pub(crate) staff: Staff,
    pub(crate) form: Form,
    pub(crate) peer: Peer,
    /// What "is it you?" goes on with, once the password was right of who has a second factor.
    pub(super) pending: Option<Waits>,
    pub(super) path: String,
}

impl Posted {
    /// The operator in whose name it is done, now.
    pub(crate) fn operator<'a>(&self, admin: &'a Admin) -> Operator<'a> {
        Operator::staff(&*admin.store, self.staff.user.id, self.peer.ip, admin.clock.now())
    }
}

impl FromRequest<Admin> for Posted {
    type Rejection = PageError;

    async fn from_request(request: Request<Body>, admin: &Admin) -> Result<Self, PageError> {
        let (mut parts, body) = request.into_parts();
        own_page(admin, &parts.headers)?;
        let Ok(peer) = Peer::from_request_parts(&mut parts, &admin.auth).await;
        let form = read(admin, &parts.headers, body).await?;
        // Asked when the form is there: one that comes slowly is not taken from a session that has
        // ended meanwhile.
        let staff = Staff::from_request_parts(&mut parts, admin).await?;
        staff.token.check(&form)?;
        let pending = pending(admin, &parts.headers);
        Ok(Self { staff, form, peer, pending, path: parts.uri.path().to_owned() })
    }
}

/// A form that came from a page of ours, filled in before anybody is signed in. The CSRF token
/// belongs to a cookie that the page set.
#[derive(Debug)]
pub(crate) struct PreSession {
    pub(crate) form: Form,
    pub(crate) peer: Peer,
    pub(crate) token: Token,
    /// What a sign-in goes on with that waits for a second factor.
    pub(crate) pending: Option<Waits>,
}

impl FromRequest<Admin> for PreSession {
    type Rejection = PageError;

    async fn from_request(request: Request<Body>, admin: &Admin) -> Result<Self, PageError> {
        let (mut parts, body) = request.into_parts();
        own_page(admin, &parts.headers)?;
        let Ok(peer) = Peer::from_request_parts(&mut parts, &admin.auth).await;
        let form = read(admin, &parts.headers, body).await?;
        let token = Token::of(admin, &parts.headers, PRE_SESSION_COOKIE).ok_or_else(|| {
            PageError::forbidden(
                "Your browser did not send the cookie that the page \
                set. Allow cookies for this site, go back, load the page again and try once more.",
            )
        })?;
        token.check(&form)?;
        let pending = pending(admin, &parts.headers);
        Ok(Self { form, peer, token, pending })
    }
}

/// The first half of the CSRF check: the form was sent by a page of this site, as far as the
/// browser says.
fn own_page(admin: &Admin, headers: &HeaderMap) -> Result<(), PageError> {
    let from_elsewhere = |site: &HeaderValue| {
        !(site.as_bytes().eq_ignore_ascii_case(b"same-origin")
            || site.as_bytes().eq_ignore_ascii_case(b"none"))
    };
    let refused = headers.get_all("sec-fetch-site").iter().any(from_elsewhere)
        || (!is_this_machine(headers)
            && check_source(headers, &admin.origin, &Origins::default()).is_err());
    if refused {
        return Err(PageError::forbidden(format!(
            "The form was not sent by a page of {0}. Open the admin site at {0}{1}/admin/; if that \
             is where you are, public_url is not what your browser calls this server.",
            admin.origin,
            admin.settings.home(),
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

async fn read(admin: &Admin, headers: &HeaderMap, body: Body) -> Result<Form, PageError> {
    let too_large = || {
        let what = format!("A form may have {} KiB. Leave something out.", BODY_LIMIT / 1024);
        PageError::Bad(StatusCode::PAYLOAD_TOO_LARGE, "Too much", what)
    };
    if !is_plain_form(headers) {
        let what = "This is not what a form sends (application/x-www-form-urlencoded).".to_owned();
        return Err(PageError::Bad(StatusCode::UNSUPPORTED_MEDIA_TYPE, "Not a form", what));
    }
    let length =
        headers.get(CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse::<usize>().ok());
    if length.is_some_and(|length| length > BODY_LIMIT) {
        return Err(too_large());
    }
    match whole_body(body, BODY_LIMIT, admin.limits.body).await {
        Ok(bytes) => Form::parse(&bytes),
        Err(NotWhole::TooLarge) => Err(too_large()),
        Err(NotWhole::TooSlow) => Err(PageError::Bad(
            StatusCode::REQUEST_TIMEOUT,
            "Too slow",
            "The form did not arrive in time. Send it again.".to_owned(),
        )),
        Err(_) => Err(PageError::bad("The form did not arrive whole. Send it again.")),
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

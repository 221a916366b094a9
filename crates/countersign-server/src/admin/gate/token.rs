//! Cookies, and the tokens in them and in forms.

use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::{digest, hmac};
use axum::http::{HeaderMap, HeaderValue};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use countersign::clock::Random;
use countersign::web::cookies::values;

use crate::admin::kit::forms::Form;
use crate::admin::kit::page_error::PageError;
use crate::admin::site::Admin;

/// 256 random bits that a browser keeps in a cookie.
pub(crate) struct Token([u8; 32]);

impl Token {
    /// A fresh one.
    pub(crate) fn draw(random: &dyn Random) -> Self {
        let mut bytes = [0; 32];
        random.fill(&mut bytes);
        Self(bytes)
    }

    /// The one before sign-in that the browser has already, so that several tabs get along, or a
    /// fresh one.
    pub(crate) fn pre_session(admin: &Admin, headers: &HeaderMap) -> Self {
        Self::of(admin, headers, PRE_SESSION_COOKIE).unwrap_or_else(|| Self::draw(&*admin.random))
    }

    /// Where the cookie stands alone: two of one name are none, since one of them was planted.
    pub(super) fn of(admin: &Admin, headers: &HeaderMap, name: &str) -> Option<Self> {
        let name = format!("{}{name}", prefix(admin));
        let mut found = values(headers, &name);
        match (found.next(), found.next()) {
            (Some(text), None) => Self::parse(text),
            _ => None,
        }
    }

    /// From its bytes.
    pub(crate) fn of_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// Its bytes, for the store.
    pub(crate) fn bytes(&self) -> [u8; 32] {
        self.0
    }

    /// From its text.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        URL_SAFE_NO_PAD.decode(text).ok()?.try_into().ok().map(Self)
    }

    /// Its text.
    pub(crate) fn text(&self) -> String {
        URL_SAFE_NO_PAD.encode(self.0)
    }

    /// What the store knows it by.
    pub(crate) fn hash(&self) -> [u8; 32] {
        let mut hash = [0; 32];
        hash.copy_from_slice(digest::digest(&digest::SHA256, &self.0).as_ref());
        hash
    }

    /// What the forms of a page carry that was made for this token.
    pub(crate) fn csrf(&self) -> String {
        let key = hmac::Key::new(hmac::HMAC_SHA256, &self.0);
        URL_SAFE_NO_PAD.encode(hmac::sign(&key, b"countersign admin form v1"))
    }

    /// Whether it is the same, in constant time.
    pub(crate) fn is(&self, other: &Self) -> bool {
        verify_slices_are_equal(&self.0, &other.0).is_ok()
    }

    pub(super) fn check(&self, form: &Form) -> Result<(), PageError> {
        match verify_slices_are_equal(self.csrf().as_bytes(), form.text("csrf").as_bytes()) {
            Ok(()) => Ok(()),
            Err(_) => Err(PageError::forbidden(
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
pub(crate) fn session_cookie(admin: &Admin, token: &Token) -> HeaderValue {
    cookie(admin, SESSION_COOKIE, &token.text(), "")
}

/// The `Set-Cookie` that ends a session in the browser.
pub(crate) fn no_session_cookie(admin: &Admin) -> HeaderValue {
    cookie(admin, SESSION_COOKIE, "", "; Max-Age=0")
}

/// What a sign-in goes on with that waits for a second factor. It does not print.
pub(crate) struct Waits(pub(crate) String);

impl std::fmt::Debug for Waits {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Waits(..)")
    }
}

/// The `Set-Cookie` that keeps what a sign-in goes on with that waits for a second factor.
pub(crate) fn pending_cookie(admin: &Admin, token: &str) -> HeaderValue {
    cookie(admin, PENDING_COOKIE, token, "; Max-Age=300")
}

/// The `Set-Cookie` that removes it.
pub(crate) fn no_pending_cookie(admin: &Admin) -> HeaderValue {
    cookie(admin, PENDING_COOKIE, "", "; Max-Age=0")
}

/// What it keeps. Two of one name are none, since one of them was planted.
pub(super) fn pending(admin: &Admin, headers: &HeaderMap) -> Option<Waits> {
    let name = format!("{}{PENDING_COOKIE}", prefix(admin));
    let mut found = values(headers, &name);
    match (found.next(), found.next()) {
        (Some(token), None) if !token.is_empty() => Some(Waits(token.to_owned())),
        _ => None,
    }
}

/// The `Set-Cookie` of a page before sign-in.
pub(crate) fn pre_session_cookie(admin: &Admin, token: &Token) -> HeaderValue {
    cookie(admin, PRE_SESSION_COOKIE, &token.text(), "; Max-Age=3600")
}

fn cookie(admin: &Admin, name: &str, value: &str, more: &str) -> HeaderValue {
    let attributes =
        if admin.https { "; Path=/; Secure".to_owned() } else { format!("; Path={}", path(admin)) };
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

/// Where this site's cookies go.
pub(crate) fn path(admin: &Admin) -> String {
    format!("{}/admin", admin.settings.home())
}

pub(super) const SESSION_COOKIE: &str = "countersign_admin";
/// What a sign-in goes on with that waits for a second factor.
const PENDING_COOKIE: &str = "countersign_admin_factor";
pub(super) const PRE_SESSION_COOKIE: &str = "countersign_admin_form";

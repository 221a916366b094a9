//! `/account/…`: the pages that mails link to, for apps that want none of their own. Without a
//! script. To look at a page uses no link up: programs that open every link of a mail change
//! nothing; the form on it does.

mod change;
mod code;
mod invitation;
mod reset;
mod restore;
mod undo;
mod verify;

use askama::Template;
use axum::body::{Body, to_bytes};
use axum::http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, REFERRER_POLICY};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Router, middleware};
use countersign::http::{Code, Peer, Problem};
use countersign::{Auth, Settings};
use url::form_urlencoded;

/// The pages of this server; those that only a mail leads to where mail can be sent.
pub(crate) fn account_pages(auth: &Auth, settings: &Settings) -> Router {
    let place = Place {
        site: settings.public_url.host_str().unwrap_or_default().to_owned(),
        home: settings.public_url.path().trim_end_matches('/').to_owned(),
        auth: auth.clone(),
    };
    let mut pages = Router::new()
        .route("/account/invitation", get(invitation::page).post(invitation::send))
        .route("/account/restore", get(restore::page).post(restore::send))
        .route("/account/style.css", get(style));
    if auth.can_mail() {
        pages = pages
            .route("/account/reset", get(reset::page).post(reset::send))
            .route("/account/verify", get(verify::page).post(verify::send))
            .route("/account/change", get(change::page).post(change::send))
            .route("/account/undo", get(undo::page).post(undo::send));
    }
    if auth.can_mail() && settings.accounts.login_code {
        pages = pages.route("/account/code", get(code::page).post(code::send));
    }
    pages.layer(middleware::map_response(guarded)).with_state(place)
}

/// What every page needs.
#[derive(Debug, Clone)]
struct Place {
    auth: Auth,
    site: String,
    home: String,
}

impl axum::extract::FromRef<Place> for Auth {
    fn from_ref(place: &Place) -> Self {
        place.auth.clone()
    }
}

/// What a link carries, and what a form sends.
#[derive(Default)]
struct Sent {
    token: String,
    login: String,
    password: String,
    again: String,
    code: String,
}

impl Sent {
    /// Of a query or a form. What is no name of ours is passed over, of two the last counts.
    fn read(text: &[u8]) -> Self {
        let mut sent = Self::default();
        for (name, value) in form_urlencoded::parse(text).take(MOST_FIELDS) {
            let field = match &*name {
                "token" => &mut sent.token,
                "login" => &mut sent.login,
                "password" => &mut sent.password,
                "again" => &mut sent.again,
                "code" => &mut sent.code,
                _ => continue,
            };
            // No text of the database has it.
            *field = value.replace('\0', "");
        }
        sent
    }

    /// Of a form that arrives in time and is no larger than a form is. Else an empty one.
    async fn arrive(body: Body) -> Self {
        let arrived = tokio::time::timeout(PATIENCE, to_bytes(body, FORM_LIMIT)).await;
        match arrived {
            Ok(Ok(bytes)) => Self::read(&bytes),
            _ => Self::default(),
        }
    }
}

async fn style() -> Response {
    ([(CONTENT_TYPE, "text/css"), (CACHE_CONTROL, "max-age=3600")], STYLE).into_response()
}

impl Place {
    /// Refuses a form of another origin, whose page would log somebody in as somebody else, and who
    /// asks for too much.
    fn let_in(&self, headers: &HeaderMap, peer: &Peer) -> Result<(), Problem> {
        self.auth.check_origin(headers)?;
        self.auth.may_ask(peer)
    }

    fn done(&self, title: &str, text: &[&str]) -> Response {
        self.show(&Page { title, text, ..Page::default() })
    }

    fn refused(&self, problem: &Problem) -> Response {
        let (title, said) = match problem.code() {
            Code::LinkInvalid => (
                "This link does not work",
                "It was used, is too old, or a newer one was sent. Ask for a new one.",
            ),
            Code::CsrfFailed => (
                "This form came from another place",
                "Open the link of the mail again, and send the form from its page.",
            ),
            Code::Throttled => ("Too many requests", "Wait a while, and try again."),
            _ => ("This cannot be done now", "Try again in a minute."),
        };
        let mut response = self.done(title, &[said]);
        *response.status_mut() = problem.code().status();
        response
    }

    fn show(&self, page: &Page<'_>) -> Response {
        let page = Page { site: &self.site, home: &self.home, ..*page };
        let status = if page.problem.is_empty() { StatusCode::OK } else { StatusCode::BAD_REQUEST };
        let content_type = [(CONTENT_TYPE, "text/html; charset=utf-8")];
        (status, content_type, page.render().unwrap_or_default()).into_response()
    }
}

/// No page runs a script, is framed, kept, or tells another site the address with the token.
async fn guarded(mut response: Response) -> Response {
    let headers = response.headers_mut();
    headers.insert(CONTENT_SECURITY_POLICY, axum::http::HeaderValue::from_static(POLICY));
    headers.insert(REFERRER_POLICY, axum::http::HeaderValue::from_static("same-origin"));
    headers.entry(CACHE_CONTROL).or_insert(axum::http::HeaderValue::from_static("no-store"));
    response
}

/// The client.
struct Seen(Peer);

impl axum::extract::FromRequestParts<Place> for Seen {
    type Rejection = std::convert::Infallible;

    async fn from_request_parts(
        parts: &mut axum::http::request::Parts,
        place: &Place,
    ) -> Result<Self, Self::Rejection> {
        Peer::from_request_parts(parts, &place.auth).await.map(Self)
    }
}

/// A page: what it says, and the form on it where it has one.
#[derive(Template, Default, Clone, Copy)]
#[template(path = "account/page.html")]
struct Page<'a> {
    site: &'a str,
    home: &'a str,
    title: &'a str,
    text: &'a [&'a str],
    /// What was wrong with what was sent.
    problem: &'a str,
    /// The name of the page that the form is sent to; empty for no form.
    action: &'a str,
    token: &'a str,
    /// The address that a code went to.
    login: &'a str,
    fields: &'a [Field],
    button: &'a str,
    /// The page behind a link below, and what the link says.
    next: &'a str,
    next_says: &'a str,
}

struct Field {
    name: &'static str,
    label: &'static str,
    kind: &'static str,
    autocomplete: &'static str,
    help: &'static str,
    required: bool,
}

impl Field {
    const fn text(name: &'static str, label: &'static str, autocomplete: &'static str) -> Self {
        Self { name, label, kind: "text", autocomplete, help: "", required: true }
    }

    const fn password(
        name: &'static str,
        label: &'static str,
        autocomplete: &'static str,
        help: &'static str,
    ) -> Self {
        Self { name, label, kind: "password", autocomplete, help, required: true }
    }
}

/// The two fields of a new password.
const fn new_passwords() -> [Field; 2] {
    [
        Field::password("password", "New password", "new-password", "At least 8 characters."),
        Field::password("again", "The same again", "new-password", ""),
    ]
}

/// The largest form: two passwords, each letter of them encoded.
const FORM_LIMIT: usize = 16 * 1024;
const MOST_FIELDS: usize = 20;
/// How long a form may take to arrive.
const PATIENCE: std::time::Duration = std::time::Duration::from_secs(10);
const CURRENT: &str = "current-password";

const POLICY: &str = "default-src 'none'; style-src 'self'; form-action 'self'; \
                      base-uri 'none'; frame-ancestors 'none'";

const STYLE: &str = include_str!("../../../templates/account/style.css");

//! `/account/…`: the pages that mails link to, for apps that want none of their own, and the one of
//! a user's security. But for that one, without a script. To look at a page uses no link up:
//! programs that open every link of a mail change nothing; the form on it does.

mod change;
mod code;
mod invitation;
mod language;
mod reset;
mod restore;
mod security;
mod undo;
mod verify;

use std::convert::Infallible;
use std::ops::Deref;

use askama::Template;
use axum::body::Body;
use axum::extract::{FromRequestParts, RawQuery};
use axum::http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, REFERRER_POLICY, SET_COOKIE, VARY,
};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodRouter, get};
use axum::{Router, middleware};
use countersign::http::{Code, Peer, Problem, whole_body};
use countersign::password::{Password, PasswordError};
use countersign::{Auth, LoggedIn, Settings};
use url::form_urlencoded;

use language::Language;

/// The pages of this server; those that only a mail leads to where mail can be sent.
pub(crate) fn account_pages(auth: &Auth, settings: &Settings) -> Router {
    let shared = AccountPages {
        site: settings.public_url.host_str().unwrap_or_default().to_owned(),
        home: settings.home().to_owned(),
        auth: auth.clone(),
    };
    let mut pages = Router::new()
        .route("/account/invitation", form(invitation::page, invitation::send))
        .route("/account/restore", form(restore::page, restore::send))
        .route("/account/style.css", get(style));
    if auth.can_mail() {
        pages = pages
            .route("/account/reset", form(reset::page, reset::send))
            .route("/account/verify", form_of(verify::page, verify::send))
            .route("/account/change", form(change::page, change::send))
            .route("/account/undo", form(undo::page, undo::send));
    }
    if auth.can_mail() && settings.accounts.login_code {
        pages = pages.route("/account/code", form(code::page, code::send));
    }
    let security = security::routes(auth, settings, shared.clone());
    let pages = pages.with_state(shared).merge(security);
    pages.layer(middleware::map_response(guarded))
}

/// What every page needs.
#[derive(Debug, Clone)]
struct AccountPages {
    auth: Auth,
    site: String,
    home: String,
}

/// A page that is shown, and what its form does when it is sent. A form of another origin is
/// refused, whose page would log somebody in as somebody else; and whoever asks for too much.
fn form<Act, Done>(page: fn(&Visit, &Sent) -> Response, act: Act) -> MethodRouter<AccountPages>
where
    Act: FnOnce(Visit, Sent) -> Done + Clone + Send + Sync + 'static,
    Done: Future<Output = Result<Response, Problem>> + Send,
{
    form_of(move |visit: Visit, sent: Sent| async move { page(&visit, &sent) }, act)
}

/// The same of a page that asks before it is shown.
fn form_of<Show, Shown, Act, Done>(page: Show, act: Act) -> MethodRouter<AccountPages>
where
    Show: FnOnce(Visit, Sent) -> Shown + Clone + Send + Sync + 'static,
    Shown: Future<Output = Response> + Send,
    Act: FnOnce(Visit, Sent) -> Done + Clone + Send + Sync + 'static,
    Done: Future<Output = Result<Response, Problem>> + Send,
{
    let shown = move |visit: Visit, RawQuery(query): RawQuery| async move {
        page(visit, Sent::read(query.unwrap_or_default().as_bytes())).await
    };
    let sent = move |visit: Visit, body: Body| async move {
        let come = visit.clone();
        let done = async {
            come.auth.check_origin(&come.headers)?;
            come.auth.may_ask(&come.peer)?;
            act(come, Sent::arrive(body).await).await
        };
        done.await.unwrap_or_else(|problem| visit.refused(&problem))
    };
    get(shown).post(sent)
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
        match whole_body(body, FORM_LIMIT, PATIENCE).await {
            Ok(bytes) => Self::read(&bytes),
            Err(_) => Self::default(),
        }
    }

    /// A name or an address, where it can be one.
    fn login(&self) -> Option<&str> {
        let login = self.login.trim();
        (!login.is_empty() && login.chars().count() <= 254).then_some(login)
    }

    /// The password that somebody has, where they wrote one.
    fn known_password(&self) -> Result<Option<Password>, PasswordError> {
        let given = Some(&self.password).filter(|password| !password.is_empty());
        given.map(|password| Password::parse(password.clone())).transpose()
    }

    /// The password that somebody chooses; else what is wrong with it.
    fn new_password(&self) -> Result<Password, &'static str> {
        if self.password != self.again {
            return Err("The two passwords differ.");
        }
        Password::parse(self.password.clone())
            .map_err(|_| "Write a password of at most 1,024 bytes.")
    }
}

async fn style() -> Response {
    ([(CONTENT_TYPE, "text/css"), (CACHE_CONTROL, "max-age=3600")], STYLE).into_response()
}

/// Somebody who comes to a page.
#[derive(Clone)]
struct Visit {
    pages: AccountPages,
    peer: Peer,
    headers: HeaderMap,
    language: Language,
}

impl Deref for Visit {
    type Target = AccountPages;

    fn deref(&self) -> &AccountPages {
        &self.pages
    }
}

impl FromRequestParts<AccountPages> for Visit {
    type Rejection = Infallible;

    async fn from_request_parts(
        parts: &mut Parts,
        pages: &AccountPages,
    ) -> Result<Self, Infallible> {
        let peer = Peer::from_request_parts(parts, &pages.auth).await?;
        let (pages, headers) = (pages.clone(), parts.headers.clone());
        let language = Language::of(&headers);
        Ok(Self { pages, peer, headers, language })
    }
}

impl Visit {
    /// What is wrong with what was sent, in sentences; `None` when it was done.
    ///
    /// # Errors
    /// What no other form would make better.
    fn refusal(&self, done: Result<(), Problem>) -> Result<Option<String>, Problem> {
        let problem = match done {
            Ok(()) => return Ok(None),
            Err(problem) if problem.code() == Code::ValidationError => problem,
            Err(problem) => return Err(problem),
        };
        let sentences = problem.field_errors().map(|(_, said)| match said {
            // Nothing else is asked for that may be missing.
            "This field is required." => self.language.say("Write your password."),
            said => self.language.say(said),
        });
        Ok(Some(sentences.collect::<Vec<_>>().join(" ")))
    }

    /// A page that tells of a session that has begun: its cookies travel with it.
    fn logged_in(&self, title: &str, login: LoggedIn) -> Response {
        let mut response = self.done(title, "You may go on in the app.");
        let cookies = login.into_response();
        for cookie in cookies.headers().get_all(SET_COOKIE) {
            response.headers_mut().append(SET_COOKIE, cookie.clone());
        }
        response
    }

    fn done(&self, title: &str, text: &str) -> Response {
        self.show(&Page { title, text: &[text], ..Page::default() })
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
            Code::SecondFactorRequired => (
                "Your account has a second factor",
                "This page does not ask for it. Log in in the app.",
            ),
            _ => ("This cannot be done now", "Try again in a minute."),
        };
        let mut response = self.done(title, said);
        *response.status_mut() = problem.code().status();
        response
    }

    fn show(&self, page: &Page<'_>) -> Response {
        let AccountPages { site, home, .. } = &self.pages;
        let page = Page { site, home, language: self.language, ..*page };
        let status = if page.problem.is_empty() { StatusCode::OK } else { StatusCode::BAD_REQUEST };
        let content_type = [(CONTENT_TYPE, "text/html; charset=utf-8")];
        (status, content_type, page.render().unwrap_or_default()).into_response()
    }
}

/// No page runs a script, is framed, kept, or tells another site the address with the token.
async fn guarded(mut response: Response) -> Response {
    let headers = response.headers_mut();
    headers.entry(CONTENT_SECURITY_POLICY).or_insert(HeaderValue::from_static(POLICY));
    headers.insert(REFERRER_POLICY, HeaderValue::from_static("same-origin"));
    headers.append(VARY, HeaderValue::from_static("accept-language"));
    headers.entry(CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    response
}

/// A page: what it says, and the form on it where it has one.
#[derive(Template, Default, Clone, Copy)]
#[template(path = "account/page.html")]
struct Page<'a> {
    site: &'a str,
    home: &'a str,
    language: Language,
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

impl Page<'_> {
    fn say<'t>(&self, text: &'t str) -> &'t str {
        self.language.say(text)
    }
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

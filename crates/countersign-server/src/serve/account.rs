//! `/account/…`: the pages that mails link to, for apps that want none of their own. Without a
//! script. To look at a page uses no link up: programs that open every link of a mail change
//! nothing; the form on it does.

use askama::Template;
use axum::body::{Body, to_bytes};
use axum::extract::{RawQuery, State};
use axum::http::StatusCode;
use axum::http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, REFERRER_POLICY};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Router, middleware};
use countersign::http::{Code, Peer, Problem};
use countersign::password::Password;
use countersign::token::Purpose;
use countersign::{Auth, Settings, Shown};
use url::form_urlencoded;

/// The pages of this server, where mail can be sent.
pub(crate) fn account_pages(auth: &Auth, settings: &Settings) -> Router {
    let place = Place {
        site: settings.public_url.host_str().unwrap_or_default().to_owned(),
        home: settings.public_url.path().trim_end_matches('/').to_owned(),
        auth: auth.clone(),
    };
    Router::new()
        .route("/account/reset", get(reset_page).post(reset))
        .route("/account/verify", get(verify_page).post(verify))
        .route("/account/style.css", get(style))
        .layer(middleware::map_response(guarded))
        .with_state(place)
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
                _ => continue,
            };
            *field = value.into_owned();
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

async fn reset_page(State(place): State<Place>, RawQuery(query): RawQuery) -> Response {
    let sent = Sent::read(query.unwrap_or_default().as_bytes());
    if sent.token.is_empty() { place.ask_for_reset("") } else { place.choose(&sent.token, "") }
}

async fn reset(State(place): State<Place>, Seen(peer): Seen, body: Body) -> Response {
    if let Err(problem) = place.auth.may_ask(&peer) {
        return place.refused(&problem);
    }
    let sent = Sent::arrive(body).await;
    if sent.token.is_empty() {
        if sent.login.trim().is_empty() || sent.login.chars().count() > 254 {
            return place.ask_for_reset("Write your address or your user name.");
        }
        return match place.auth.request_password_reset(sent.login.trim(), &peer).await {
            Ok(()) => place.done(
                "Look into your mail",
                &["If there is an account, a mail with a link is on its way to its address."],
            ),
            Err(problem) => place.refused(&problem),
        };
    }
    if sent.password != sent.again {
        return place.choose(&sent.token, "The two passwords differ.");
    }
    let Ok(password) = Password::parse(sent.password) else {
        return place.choose(&sent.token, "Write a password of at most 1,024 bytes.");
    };
    let changed = match Shown::link(&sent.token) {
        Ok(shown) => {
            let purpose = Purpose::ResetPassword;
            place.auth.confirm_password_reset(purpose, &shown, &password, &peer).await
        }
        Err(problem) => Err(problem),
    };
    match changed {
        Ok(()) => place.done(
            "Your password is changed",
            &["All devices were logged out. Log in with the new password."],
        ),
        Err(problem) if problem.code() == Code::ValidationError => {
            let said = problem.field_errors().map(|(_, said)| said);
            place.choose(&sent.token, &said.collect::<Vec<_>>().join(" "))
        }
        Err(problem) => place.refused(&problem),
    }
}

async fn verify_page(State(place): State<Place>, RawQuery(query): RawQuery) -> Response {
    let sent = Sent::read(query.unwrap_or_default().as_bytes());
    place.prove(&sent.token, "")
}

async fn verify(State(place): State<Place>, Seen(peer): Seen, body: Body) -> Response {
    if let Err(problem) = place.auth.may_ask(&peer) {
        return place.refused(&problem);
    }
    let sent = Sent::arrive(body).await;
    let password = match sent.password.as_str() {
        "" => None,
        _ => match Password::parse(sent.password.clone()) {
            Ok(password) => Some(password),
            Err(_) => return place.prove(&sent.token, "This is not the password."),
        },
    };
    let proved = match Shown::link(&sent.token) {
        Ok(shown) => place.auth.verify_email(&shown, password.as_ref(), &peer).await,
        Err(problem) => Err(problem),
    };
    match proved {
        Ok(()) => place.done("Your address is confirmed", &[
            "Log in where you registered. If your password is not taken there, choose a new one: \
             somebody else may have registered with your address before you confirmed it.",
        ]),
        Err(problem) if problem.code() == Code::ValidationError => {
            place.prove(&sent.token, "This is not the password of your registration.")
        }
        Err(problem) => place.refused(&problem),
    }
}

impl Place {
    fn ask_for_reset(&self, problem: &str) -> Response {
        let fields = [Field::text("login", "E-mail address or user name", "username")];
        let text = ["We send a link to the address of your account."];
        self.page("Choose a new password", &text, problem, "reset", "", &fields, "Send the link")
    }

    fn choose(&self, token: &str, problem: &str) -> Response {
        let fields = [
            Field::password("password", "New password", "new-password", "At least 8 characters."),
            Field::password("again", "The same again", "new-password", ""),
        ];
        self.page("Choose a new password", &[], problem, "reset", token, &fields, "Change it")
    }

    fn prove(&self, token: &str, problem: &str) -> Response {
        let help = "Without it the password must be chosen anew.";
        let field = Field {
            required: false,
            ..Field::password("password", "The password of your registration", CURRENT, help)
        };
        let text = ["Somebody, probably you, registered with your address."];
        self.page("Confirm your address", &text, problem, "verify", token, &[field], "Confirm")
    }

    fn done(&self, title: &str, text: &[&str]) -> Response {
        self.page(title, text, "", "", "", &[], "")
    }

    fn refused(&self, problem: &Problem) -> Response {
        let (title, said) = match problem.code() {
            Code::LinkInvalid => (
                "This link does not work",
                "It was used, is too old, or a newer one was sent. Ask for a new one.",
            ),
            Code::Throttled => ("Too many requests", "Wait a while, and try again."),
            _ => ("This cannot be done now", "Try again in a minute."),
        };
        let mut response = self.done(title, &[said]);
        *response.status_mut() = problem.code().status();
        response
    }

    #[expect(clippy::too_many_arguments, reason = "a page is what it shows")]
    fn page(
        &self,
        title: &str,
        text: &[&str],
        problem: &str,
        action: &str,
        token: &str,
        fields: &[Field],
        button: &str,
    ) -> Response {
        let (site, home) = (self.site.as_str(), self.home.as_str());
        let page = Page { site, home, title, text, problem, action, token, fields, button };
        let status = if problem.is_empty() { StatusCode::OK } else { StatusCode::BAD_REQUEST };
        let content_type = [(CONTENT_TYPE, "text/html; charset=utf-8")];
        (status, content_type, page.render().unwrap_or_default()).into_response()
    }
}

/// No page runs a script, is framed, kept, or tells another site the address with the token.
async fn guarded(mut response: Response) -> Response {
    let headers = response.headers_mut();
    headers.insert(CONTENT_SECURITY_POLICY, axum::http::HeaderValue::from_static(POLICY));
    headers.insert(REFERRER_POLICY, axum::http::HeaderValue::from_static("no-referrer"));
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

#[derive(Template)]
#[template(path = "account/page.html")]
struct Page<'a> {
    site: &'a str,
    home: &'a str,
    title: &'a str,
    text: &'a [&'a str],
    problem: &'a str,
    action: &'a str,
    token: &'a str,
    fields: &'a [Field],
    button: &'a str,
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

/// The largest form: two passwords, each letter of them encoded.
const FORM_LIMIT: usize = 16 * 1024;
const MOST_FIELDS: usize = 20;
/// How long a form may take to arrive.
const PATIENCE: std::time::Duration = std::time::Duration::from_secs(10);
const CURRENT: &str = "current-password";

const POLICY: &str = "default-src 'none'; style-src 'self'; form-action 'self'; \
                      base-uri 'none'; frame-ancestors 'none'";

const STYLE: &str = include_str!("../../templates/account/style.css");

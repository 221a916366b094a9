//! `GET /` on a developer's machine: a page that shows the client, the tokens and the attacks,
//! live.
//!
//! The client is served as its modules are, so that the binary needs no Node to be built. Whatever
//! the page does it does over the public endpoints; the one thing that no page can do, holding a
//! refresh token, [`theft`] and [`jar`] do for it.

mod jar;
mod mail;
mod stage;
mod theft;

use askama::Template;
use axum::Router;
use axum::extract::State;
use axum::http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, REFERRER_POLICY};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use countersign::session::device::DeviceBinding;
use countersign::settings::{EmailVerification, Registration};
use countersign::web::cookies::Cookies;
use countersign::web::origin::{Origin, OriginError};
use countersign::{Auth, Settings};

pub(crate) use mail::Mailbox;

/// The demo page of this server.
#[derive(Debug, Clone)]
pub(crate) struct Demo {
    auth: Auth,
    origin: Origin,
    /// The path of the public URL.
    home: String,
    base_path: String,
    session_idle: u64,
    device_binding: DeviceBinding,
    /// The name of the cookie by which a bound session is known.
    ticket: String,
    beside: DemoLinks,
    mail: DemoMail,
}

/// What this server does by mail.
#[derive(Debug, Clone)]
struct DemoMail {
    /// Whether anybody may register.
    may_register: bool,
    /// Whether an address is proved before the first login.
    must_prove: bool,
    /// Whether a code in a mail logs in.
    by_code: bool,
    /// Whether it sends any.
    is_sent: bool,
    /// Where they are shown.
    mailbox: Option<Mailbox>,
}

/// The other pages of this server that the page links to.
#[derive(Debug, Clone, Copy)]
pub(crate) struct DemoLinks {
    /// `/docs`.
    pub(crate) docs: bool,
    /// The admin site.
    pub(crate) admin: bool,
}

impl Demo {
    /// The page for these settings.
    ///
    /// # Errors
    /// When the public URL has no origin.
    pub(crate) fn new(
        auth: Auth,
        settings: &Settings,
        beside: DemoLinks,
        mailbox: Option<Mailbox>,
    ) -> Result<Self, OriginError> {
        let origin = Origin::of(&settings.public_url)?;
        let (base_path, session_idle) =
            (settings.base_path.clone(), settings.session_idle.as_secs());
        let mail = DemoMail {
            may_register: settings.accounts.registration == Registration::Open,
            must_prove: settings.accounts.email_verification == EmailVerification::Required,
            by_code: settings.accounts.login_code && auth.can_mail(),
            is_sent: auth.can_mail(),
            mailbox,
        };
        let device_binding = settings.device_binding;
        let home = settings.home().to_owned();
        // Whoever made the `auth` has refused settings that are no good.
        let cookies = Cookies::new(&settings.public_url, &base_path, &settings.cookies);
        let ticket = cookies.map_or_else(|_| String::new(), |own| own.ticket_name().to_owned());
        Ok(Self {
            auth,
            origin,
            home,
            base_path,
            session_idle,
            device_binding,
            ticket,
            beside,
            mail,
        })
    }

    /// The page, its files, and what it asks of the server.
    pub(crate) fn routes(&self) -> Router {
        let page = Router::new()
            .route("/", get(page))
            .route("/demo/theft", post(theft::theft))
            .route("/demo/jar", post(jar::jar))
            .with_state(self.clone());
        let page = match &self.mail.mailbox {
            Some(mailbox) => page.merge(mailbox.routes()),
            None => page,
        };
        FILES.iter().fold(page, |router, &(path, content_type, text)| {
            router.route(
                path,
                get(async move || {
                    ([(CONTENT_TYPE, content_type), (CACHE_CONTROL, "no-cache")], text)
                }),
            )
        })
    }
}

async fn page(State(demo): State<Demo>) -> Response {
    // A database that does not answer is told by the endpoints; the page itself does not need it.
    let nobody = demo.auth.store().users(None, 1).await.is_ok_and(|users| users.is_empty());
    let page = DemoPage {
        origin: demo.origin.as_str(),
        home: &demo.home,
        base_path: &demo.base_path,
        session_idle: demo.session_idle,
        device_binding: demo.device_binding.as_str(),
        nobody,
        beside: demo.beside,
        mail: &demo.mail,
    };
    let headers = [
        (CONTENT_TYPE, "text/html; charset=utf-8"),
        // It says whether there is a user.
        (CACHE_CONTROL, "no-store"),
        (CONTENT_SECURITY_POLICY, POLICY),
        (REFERRER_POLICY, "same-origin"),
    ];
    (headers, page.render().unwrap_or_default()).into_response()
}

#[derive(Template)]
#[template(path = "demo/index.html")]
struct DemoPage<'a> {
    origin: &'a str,
    home: &'a str,
    base_path: &'a str,
    session_idle: u64,
    device_binding: &'static str,
    nobody: bool,
    beside: DemoLinks,
    mail: &'a DemoMail,
}

const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; \
     img-src 'self' data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

const SCRIPT: &str = "text/javascript; charset=utf-8";

/// A module of the client.
macro_rules! client {
    ($name:literal) => {
        (
            concat!("/demo/client/", $name, ".js"),
            SCRIPT,
            include_str!(concat!("../../../client/", $name, ".js")),
        )
    };
}

/// Where each file is, its type, and what is in it.
const FILES: &[(&str, &str, &str)] = &[
    ("/demo/demo.css", "text/css; charset=utf-8", include_str!("../../../templates/demo/demo.css")),
    ("/demo/icon.svg", "image/svg+xml", include_str!("../../../templates/admin/icon.svg")),
    ("/demo/demo.js", SCRIPT, include_str!("../../../templates/demo/demo.js")),
    ("/demo/accounts.js", SCRIPT, include_str!("../../../templates/demo/accounts.js")),
    ("/demo/attacks.js", SCRIPT, include_str!("../../../templates/demo/attacks.js")),
    ("/demo/factors.js", SCRIPT, include_str!("../../../templates/demo/factors.js")),
    ("/demo/requests.js", SCRIPT, include_str!("../../../templates/demo/requests.js")),
    ("/demo/tokens.js", SCRIPT, include_str!("../../../templates/demo/tokens.js")),
    // As it is written, for a browser to show.
    ("/demo/README.md", "text/plain; charset=utf-8", include_str!("../../../../../README.md")),
    client!("index"),
    client!("accounts"),
    client!("client"),
    client!("clock"),
    client!("factors"),
    client!("http"),
    client!("listeners"),
    client!("passkeys"),
    client!("retries"),
    client!("schedule"),
    client!("signer"),
    client!("surroundings"),
    client!("tabs"),
    client!("turns"),
];

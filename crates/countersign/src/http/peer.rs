//! What a request says of the client it comes from.

use std::convert::Infallible;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use axum::extract::{ConnectInfo, FromRef, FromRequestParts};
use axum::http::header::USER_AGENT;
use axum::http::request::Parts;

use countersign_verify::Account;
use jiff::Timestamp;

use super::dpop::DpopShown;
use super::guard;
use super::refresh_token::RefreshCookies;
use super::request::Text;
use crate::auth::Auth;
use crate::auth::events::Event;
use crate::session::{DeviceName, SessionId, device_without_words};
use crate::web::client_address::client_address;

/// The client: where it comes from, and what it calls itself. An extractor for any state that the
/// [`Auth`] can be taken from (axum's `FromRef`).
///
/// ```
/// use axum::{Router, extract::State, routing::get};
/// use countersign::Auth;
/// use countersign::http::Peer;
///
/// async fn whence(client: Peer) -> String {
///     format!("{} with {}", client.ip, client.user_agent)
/// }
///
/// fn app(auth: Auth) -> Router {
///     Router::new().route("/whence", get(whence)).with_state(auth)
/// }
/// ```
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Peer {
    /// Its address, through trusted proxies only.
    pub ip: IpAddr,
    /// Its `User-Agent`, cut to 255 characters.
    pub user_agent: String,
    /// What its user calls the device, for a session that begins: `None` until a login says it, or
    /// an app that [logs a user in](Auth::log_in).
    pub device_name: Option<DeviceName>,
    /// Whether a session that begins may outlive the browser: yes, until a login says no, or an
    /// app that [logs a user in](Auth::log_in). Without, its cookies go with the browser, and it
    /// lives for `session_short` at most.
    pub remember: bool,
    /// The device tokens that came along, by which a [password check](Auth::check_password) knows a
    /// device from which its owner has logged in before. At most four.
    pub device_tokens: Vec<String>,
    /// Whether a page of a foreign origin sent the request, which is more than a link that was
    /// followed: [`log_in`](Auth::log_in) begins no cookie session for it. An app that lets such a
    /// page in, as a provider's `form_post`, and has seen its proof, says `false`.
    pub is_cross_site: bool,
    /// Whether a page sent it that is no packaged app: script could read a token in the body.
    pub is_page: bool,
    /// The key that it shows, to which [`log_in`](Auth::log_in) binds a native client's session.
    pub dpop: DpopShown,
    /// A login that begins a cookie session ends the one that the browser had.
    pub(crate) refresh_cookies: RefreshCookies,
}

impl Peer {
    /// A client on this machine without a name: for tests, and for what no request asked for.
    ///
    /// ```
    /// use countersign::http::Peer;
    ///
    /// assert!(Peer::local().ip.is_loopback());
    /// ```
    pub fn local() -> Self {
        Self {
            ip: IpAddr::V4(Ipv4Addr::LOCALHOST),
            user_agent: String::new(),
            device_name: None,
            remember: true,
            device_tokens: Vec::new(),
            is_cross_site: false,
            is_page: false,
            dpop: DpopShown::nothing(),
            refresh_cookies: RefreshCookies::default(),
        }
    }

    /// With the device token that a native client sends in the body, which is asked first.
    pub(crate) fn with_device(mut self, token: Option<Text<256>>) -> Self {
        if let Some(Text(token)) = token {
            self.device_tokens.insert(0, token);
        }
        self
    }

    /// Where it is, as mails say it: its address, and what it seems to be.
    pub(crate) fn place(&self) -> String {
        match self.device() {
            device if device.is_empty() => self.ip.to_string(),
            device => format!("{} ({device})", self.ip),
        }
    }

    /// What it seems to be; empty where nothing is known.
    pub(crate) fn device(&self) -> String {
        device_without_words(&self.user_agent)
    }

    /// What happened to `account`, in a request of this client.
    pub(crate) fn event<'a>(
        &'a self,
        at: Timestamp,
        account: Option<&'a dyn Account>,
        session: Option<SessionId>,
    ) -> Event<'a> {
        Event {
            at,
            user: account.map(Account::id),
            account,
            session,
            ip: self.ip,
            user_agent: &self.user_agent,
        }
    }
}

impl<S: Sync> FromRequestParts<S> for Peer
where
    Auth: FromRef<S>,
{
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Infallible> {
        let auth = &Auth::from_ref(state);
        let connection = parts.extensions.get::<ConnectInfo<SocketAddr>>();
        if connection.is_none() && auth.has_first_unknown_client() {
            tracing::warn!(
                "where clients come from is not known, so that all look like this machine to the \
                 throttle and in the list of sessions; serve with \
                 into_make_service_with_connect_info::<SocketAddr>() (told once)"
            );
        }
        // A server that does not tell where connections come from, as in a test without sockets,
        // has local clients only.
        let connection =
            connection.map_or(IpAddr::V4(Ipv4Addr::LOCALHOST), |connection| connection.0.ip());
        let agent =
            parts.headers.get(USER_AGENT).map(|agent| String::from_utf8_lossy(agent.as_bytes()));
        Ok(Self {
            ip: client_address(connection, &parts.headers, &auth.settings().trusted_proxies),
            user_agent: agent
                .map(|agent| {
                    agent.chars().filter(|c| !c.is_control()).take(USER_AGENT_CHARS).collect()
                })
                .unwrap_or_default(),
            device_name: None,
            remember: true,
            device_tokens: auth
                .checked()
                .cookies
                .devices_of(&parts.headers)
                .take(DEVICE_TOKENS)
                .map(str::to_owned)
                .collect(),
            is_cross_site: guard::is_cross_site(auth, parts),
            is_page: guard::native(auth, &parts.headers).is_err(),
            dpop: DpopShown::of(auth, parts),
            refresh_cookies: RefreshCookies::of(auth, &parts.headers),
        })
    }
}

const USER_AGENT_CHARS: usize = 255;
/// One of the app's pages, one of these endpoints, and what former settings left.
const DEVICE_TOKENS: usize = 4;

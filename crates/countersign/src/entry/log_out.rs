//! A session ends because its user says so: at the endpoint, or by a form of the app's own.

use std::fmt;

use axum::http::HeaderValue;
use axum::response::{IntoResponse, Response};
use countersign_verify::Identity;
use jiff::Timestamp;

use crate::auth::Auth;
use crate::auth::events::Event;
use crate::http::NextPage;
use crate::http::answer::NoContent;
use crate::http::page::{self, Renewal};
use crate::http::peer::Peer;
use crate::http::problem::Problem;
use crate::session::{RevokedReason, SessionId};
use crate::store::StoreError;

impl Auth {
    /// Ends the session of who is asking: for a form on a page of the app's own. Its access tokens
    /// count no longer.
    ///
    /// # Errors
    /// `unavailable` when the store does not answer.
    ///
    /// ```
    /// # mod world { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/examples/world.rs")); }
    /// use axum::extract::State;
    /// use axum::response::Response;
    /// use countersign::http::{NextPage, Peer, Problem};
    /// use countersign::{Auth, Identity};
    ///
    /// async fn log_out(
    ///     State(auth): State<Auth>,
    ///     who: Identity,
    ///     client: Peer,
    /// ) -> Result<Response, Problem> {
    ///     Ok(auth.log_out(&who, &client).await?.redirect(&NextPage::default()))
    /// }
    /// # world::run(async |world| {
    /// # let (auth, client) = (world.auth, Peer::local());
    /// # let login = world::log_in(&auth, countersign::session::Transport::Cookie).await;
    /// # let who = auth.verify(login.access_token()).await.unwrap();
    /// # let answer = log_out(State(auth.clone()), who, client).await.unwrap();
    /// # assert_eq!(answer.status(), 303);
    /// # assert_eq!(answer.headers()["location"], "/");
    /// # assert!(auth.verify(login.access_token()).await.is_err());
    /// # });
    /// ```
    pub async fn log_out(&self, who: &Identity, client: &Peer) -> Result<LoggedOut, Problem> {
        end_session(self, client, who.claims().sid, self.now()).await?;
        let mut cookies = self.checked().cookies.clear();
        cookies.push(self.checked().cookies.clear_page());
        Ok(LoggedOut { cookies })
    }
}

/// A session that has just ended. As an answer it removes the browser's cookies.
///
/// ```
/// # mod world { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/examples/world.rs")); }
/// use axum::response::IntoResponse;
/// use countersign::http::Peer;
/// use countersign::session::Transport;
///
/// # world::run(async |world| {
/// # let auth = world.auth;
/// # let login = world::log_in(&auth, Transport::Cookie).await;
/// let who = auth.verify(login.access_token()).await.unwrap();
/// let answer = auth.log_out(&who, &Peer::local()).await.unwrap().into_response();
/// assert_eq!(answer.status(), 204);
/// # });
/// ```
#[must_use]
pub struct LoggedOut {
    cookies: Vec<HeaderValue>,
}

impl LoggedOut {
    /// The answer to a form: on to a page.
    ///
    /// ```no_run
    /// use axum::response::Response;
    /// use countersign::LoggedOut;
    /// use countersign::http::NextPage;
    ///
    /// fn goodbye(out: LoggedOut) -> Response {
    ///     out.redirect(&NextPage::parse("/goodbye").unwrap_or_default())
    /// }
    /// ```
    pub fn redirect(self, page: &NextPage) -> Response {
        page::on_to(page, Renewal { cookies: self.cookies, offer: None })
    }
}

impl IntoResponse for LoggedOut {
    fn into_response(self) -> Response {
        NoContent::with_cookies(self.cookies).into_response()
    }
}

impl fmt::Debug for LoggedOut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LoggedOut").finish_non_exhaustive()
    }
}

/// Ends a session. Whoever ended it before: it is ended.
pub(crate) async fn end_session(
    auth: &Auth,
    peer: &Peer,
    session: SessionId,
    now: Timestamp,
) -> Result<(), StoreError> {
    let was_live = auth.store().revoke_session(session, None, RevokedReason::Logout, now).await?;
    auth.session_ended(session, now);
    if was_live {
        tracing::info!(session = %session, "logged out");
        let user =
            auth.store().session(session).await.ok().flatten().map(|session| session.user_id);
        auth.events().on_logout(&Event { user, ..peer.event(now, None, Some(session)) });
    }
    Ok(())
}

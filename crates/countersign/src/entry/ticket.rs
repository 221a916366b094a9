//! A ticket: what stands in for the headers of one request, where none can be sent.

use std::fmt;
use std::time::Duration;

use axum::extract::{FromRef, FromRequestParts};
use axum::http::request::Parts;
use countersign_verify::Identity;
use url::form_urlencoded;

use super::issue::Access;
use super::sign_in::issuer;
use crate::auth::Auth;
use crate::clock::random_bytes;
use crate::http::problem::{Code, Problem, internal};
use crate::session::device::Shown;
use crate::session::{SessionId, Transport};
use crate::token::TicketId;
use crate::token::ticket::{self, TicketFor};

impl Auth {
    /// Who shows this ticket, made for `purpose` by `POST …/tickets`: for a ticket that did not
    /// come in the query of the request, where [`Ticket`] finds it. It is used up by it, whatever
    /// comes of it, and on every node.
    ///
    /// # Errors
    /// `token_invalid` for a ticket that was used, is too old, or is for something else;
    /// `session_revoked`, `session_expired`, `user_inactive`; `unavailable`, after which it may be
    /// used.
    ///
    /// ```
    /// # mod world { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/examples/world.rs")); }
    /// # world::run(async |world| {
    /// # let auth = world.auth;
    /// # let login = world::log_in(&auth, countersign::session::Transport::Body).await;
    /// let ticket = auth.ticket(login.session(), "chat").unwrap();
    /// let who = auth.redeem_ticket(&ticket, "chat").await.unwrap();
    /// assert_eq!(who.account().username(), "ada");
    /// let again = auth.redeem_ticket(&ticket, "chat").await.unwrap_err();
    /// assert_eq!(again.code().as_str(), "token_invalid");
    /// # });
    /// ```
    pub async fn redeem_ticket(&self, ticket: &str, purpose: &str) -> Result<Identity, Problem> {
        let (issuer, now) = (issuer(self), self.now());
        let what = TicketFor { issuer: &issuer, purpose };
        let ticket = self.ticket_tokens().verify(ticket, what, self.seconds()).ok_or_else(bad)?;
        let until = now.saturating_add(KEPT).map_err(internal)?;
        if !self.store().use_ticket(ticket.id, now, until).await? {
            tracing::warn!(session = %ticket.session, event = "ticket_reused", "a ticket was shown \
                that was used already");
            return Err(bad());
        }
        // Read after it was used: no ending that was answered before is missed.
        let session = self.store().session(ticket.session).await?.ok_or_else(bad)?;
        if let Some((_, reason)) = session.revoked {
            return Err(Problem::new(Code::SessionRevoked).reason(reason.as_str()));
        }
        if session.expires_at <= now {
            return Err(Problem::new(Code::SessionExpired));
        }
        let user = self.user(session.user_id).await?.filter(|user| user.is_active());
        let user = user.ok_or_else(|| Problem::new(Code::UserInactive))?;
        let is_cookie = session.transport == Transport::Cookie;
        let csrf_token = is_cookie.then(|| self.csrf_tokens().token(session.id));
        // Where a refresh without a proof is refused, the session's own token was given to the
        // device. Elsewhere nothing says whose hands it is in.
        let binding =
            if is_cookie { self.checked().device_binding } else { self.settings().device_binding };
        let binding = Shown { binding, ..Shown::NOTHING };
        let is_bound = session.is_bound()
            && session.device.as_ref().is_some_and(|device| binding.enforces(device.kind));
        let access = Access {
            user: &**user,
            session: session.id,
            authentication: session.authentication,
            is_bound,
            csrf_token: csrf_token.as_deref(),
            now,
        };
        // The claims of a token of this session, which nobody gets to see.
        self.verify(access.issue(self)?.text()).await
    }

    /// A ticket of this session for `purpose`, good for 30 seconds and once: where a page of the
    /// app's own needs one in what it renders. Whether the session lives is looked at when it is
    /// shown.
    ///
    /// # Errors
    /// `throttled` for a session that had 120 in a minute.
    ///
    /// ```
    /// # mod world { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/examples/world.rs")); }
    /// # world::run(async |world| {
    /// # let auth = world.auth;
    /// # let login = world::log_in(&auth, countersign::session::Transport::Cookie).await;
    /// let ticket = auth.ticket(login.session(), "report").unwrap();
    /// let link = format!("/report.pdf?ticket={ticket}");
    /// # assert!(link.len() < 100);
    /// # });
    /// ```
    pub fn ticket(&self, session: SessionId, purpose: &str) -> Result<String, Problem> {
        self.ticket_limit()
            .check(session, self.now())
            .map_err(|wait| Problem::new(Code::Throttled).retry_after(wait.seconds()))?;
        let issuer = issuer(self);
        let id = TicketId(random_bytes(self.random()));
        let made = ticket::Ticket { id, session, at: self.seconds() };
        Ok(self.ticket_tokens().sign(made, TicketFor { issuer: &issuer, purpose }))
    }
}

/// The ticket in the query of a request, `?ticket=…`: for a WebSocket, a stream of events, a
/// download link. It says nothing until it is redeemed for what it must have been made for. Its
/// route is open to everybody otherwise: do not put it below [`protect`](Auth::protect).
///
/// An extractor for any state that the [`Auth`] can be taken from. A request without a ticket is
/// refused with `not_authenticated`.
///
/// ```no_run
/// use axum::response::Response;
/// use countersign::Ticket;
/// use countersign::http::Problem;
///
/// # fn file_of(_: &str) -> Response { unimplemented!() }
/// async fn download(ticket: Ticket) -> Result<Response, Problem> {
///     let who = ticket.redeem("report").await?;
///     Ok(file_of(who.account().username()))
/// }
/// ```
pub struct Ticket {
    auth: Auth,
    text: String,
}

impl Ticket {
    /// Who shows it, made for `purpose`.
    ///
    /// # Errors
    /// Those of [`Auth::redeem_ticket`].
    ///
    /// ```no_run
    /// use countersign::Ticket;
    /// use countersign::http::Problem;
    ///
    /// async fn whose_file(ticket: Ticket, number: u64) -> Result<String, Problem> {
    ///     // A ticket for one file opens no other.
    ///     let who = ticket.redeem(&format!("file {number}")).await?;
    ///     Ok(who.account().username().to_owned())
    /// }
    /// ```
    pub async fn redeem(self, purpose: &str) -> Result<Identity, Problem> {
        self.auth.redeem_ticket(&self.text, purpose).await
    }
}

impl fmt::Debug for Ticket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Ticket(..)")
    }
}

impl<S: Sync> FromRequestParts<S> for Ticket
where
    Auth: FromRef<S>,
{
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let text =
            in_query(parts, "ticket")?.ok_or_else(|| Problem::new(Code::NotAuthenticated))?;
        Ok(Self { auth: Auth::from_ref(state), text })
    }
}

/// What the query says of a name. What it says twice is nothing that could be told apart.
pub(crate) fn in_query(parts: &Parts, name: &str) -> Result<Option<String>, Problem> {
    let query = parts.uri.query().unwrap_or_default();
    let mut values = form_urlencoded::parse(query.as_bytes()).filter(|(own, _)| own == name);
    match (values.next(), values.next()) {
        (_, Some(_)) => Err(bad()),
        (found, None) => Ok(found.map(|(_, text)| text.into_owned())),
    }
}

/// One answer to whatever is wrong with a ticket.
fn bad() -> Problem {
    Problem::new(Code::TokenInvalid)
        .detail("This ticket was used already, is too old, or was made for something else.")
}

/// How long it is noted that a ticket was used: far longer than it is good by any node's clock.
const KEPT: Duration = Duration::from_secs(3_600);

//! `DELETE /accounts/profile`: somebody wants to be deleted. They may come back for a while:
//! whoever logs in meanwhile is asked, and stays if they say so ([`login`](super::login)).

use axum::body::Body;
use axum::extract::State;
use axum::http::Request;
use countersign_verify::UserId;
use jiff::Timestamp;

use crate::auth::Auth;
use crate::entry::{LoginError, OwnPassword, check, problem_of, restore};
use crate::http::answer::NoContent;
use crate::http::authenticated::Authenticated;
use crate::http::fields::body;
use crate::http::peer::Peer;
use crate::http::problem::{Code, Problem};
use crate::http::request::{Text, request};
use crate::password::Password;
use crate::store::{DeletionAsked, NewMail, SelfDeletion};

request! {
    /// What is sent.
    pub(crate) struct DeletionRequest {
        /// The user's password.
        password: Password,
        /// Native clients: the `device_token` of a login on this device.
        device_token: Option<Text<256>>,
    }
}

#[utoipa::path(
    delete,
    path = "/accounts/profile",
    tag = "accounts",
    summary = "Delete the account",
    request_body = DeletionRequest,
    responses(
        (status = 204, description = "The user is deactivated, and deleted when the time to come \
            back is over; all sessions are ended"),
        (status = 401, description = "not_authenticated, token_invalid, token_expired, \
            session_revoked, user_inactive, recent_login_required"),
        (status = 409, description = "conflict: it is the last superuser, or the password was \
            changed meanwhile"),
        (status = 429, description = "throttled"),
    ),
    security(("bearer" = [])),
)]
pub(crate) async fn delete_account(
    State(auth): State<Auth>,
    who: Authenticated,
    peer: Peer,
    request: Request<Body>,
) -> Result<NoContent, Problem> {
    who.logged_in_lately(&auth)?;
    let asked: DeletionRequest = body(request, auth.settings().body_timeout).await?;
    let password = ("password", &asked.password);
    let token = asked.device_token.as_ref();
    let own = OwnPassword::check(&auth, &who, &peer, token, password).await?;

    let (user, session, now) = (who.user().id(), who.claims().sid, auth.now());
    // A table of the app's own has no place for a plan.
    let table = auth.users().own_table();
    let grace = auth.settings().accounts.deletion_grace;
    let at = (!grace.is_zero() && table.is_none()).then(|| now + grace);
    let asked = SelfDeletion {
        user,
        checked: own.encoded,
        session,
        at,
        now,
        ip: Some(peer.ip),
        mails: notice(&auth, user, at).await?,
    };
    let done = match table {
        None => auth.store().ask_deletion(asked).await?,
        Some(table) => table.delete(&**auth.store(), asked).await?,
    };
    match done {
        DeletionAsked::Done => {}
        DeletionAsked::Stale => {
            let detail = "The password was changed meanwhile, and not by this request. Nothing was \
                done.";
            return Err(Problem::new(Code::Conflict).detail(detail));
        }
        DeletionAsked::SessionEnded => return Err(Problem::new(Code::SessionRevoked)),
        DeletionAsked::LastSuperuser => {
            let detail = "Nobody would be left who can do everything. Make another superuser \
                first.";
            return Err(Problem::new(Code::Conflict).detail(detail));
        }
    }
    if table.is_some() {
        auth.user_changed(user).await?;
    }
    auth.catch_up().await?;
    auth.events().on_deletion_asked(&peer.event(now, Some(who.user()), Some(session)));
    tracing::info!(%user, ip = %peer.ip, at_once = at.is_none(), "a user asked to be deleted");
    Ok(NoContent::default())
}

/// The mail that tells of it, where one can be sent. It says how to come back, if there is time.
async fn notice(auth: &Auth, user: UserId, at: Option<Timestamp>) -> Result<Vec<NewMail>, Problem> {
    let Some(found) = auth.users().candidate(user).await? else { return Ok(Vec::new()) };
    let whom = found.user.addressee();
    Ok(auth.post().deletion(&whom, at, auth.now(), auth.random())?.into_iter().collect())
}

impl Auth {
    /// Lets a user stay who asked to be deleted, by name and password: for a page of an app's own.
    /// No session begins. Whoever did not ask for it stays too.
    ///
    /// # Errors
    /// `invalid_credentials`, `throttled`, `unavailable`, as a login.
    ///
    /// ```no_run
    /// use countersign::Auth;
    /// use countersign::http::{Peer, Problem};
    /// use countersign::password::Password;
    ///
    /// async fn stay(
    ///     auth: &Auth,
    ///     name: &str,
    ///     password: &Password,
    ///     client: &Peer,
    /// ) -> Result<(), Problem> {
    ///     auth.restore_account(name, password, client).await
    /// }
    /// ```
    pub async fn restore_account(
        &self,
        login: &str,
        password: &Password,
        client: &Peer,
    ) -> Result<(), Problem> {
        match check(self, login, password, client, |_| true).await {
            Ok(_) => Ok(()),
            Err(LoginError::Waiting(found, _)) => restore(self, *found, client).await,
            Err(refused) => Err(problem_of(self, client, login, refused)),
        }
    }
}

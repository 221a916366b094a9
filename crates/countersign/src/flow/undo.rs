//! `POST /accounts/undo`: it was not me. The former address is back, and whoever changed it is out.

use axum::body::Body;
use axum::extract::State;
use axum::http::Request;

use crate::auth::Auth;
use crate::entry::proof::{self, Shown};
use crate::http::answer::NoContent;
use crate::http::peer::Peer;
use crate::http::problem::Problem;
use crate::http::request::{Text, request};
use crate::password::EncodedPassword;
use crate::store::Act;
use crate::token::Purpose;

request! {
    /// What the link in the mail to the former address carries.
    pub(crate) struct UndoRequest {
        /// The token of the link.
        token: Text<64>,
    }
}

#[utoipa::path(
    post,
    path = "/accounts/undo",
    tag = "accounts",
    summary = "Take a change of the address back",
    request_body = UndoRequest,
    responses(
        (status = 204, description = "The former address is back, all sessions are ended, and a \
            new password must be chosen"),
        (status = 400, description = "link_invalid"),
        (status = 403, description = "csrf_failed"),
        (status = 429, description = "throttled"),
        (status = 503, description = "unavailable"),
    )
)]
pub(crate) async fn undo(
    State(auth): State<Auth>,
    peer: Peer,
    request: Request<Body>,
) -> Result<NoContent, Problem> {
    let asked: UndoRequest = proof::asked(&auth, &peer, request).await?;
    let Text(token) = asked.token;
    auth.undo_email_change(&Shown::link(&token)?, &peer).await?;
    Ok(NoContent::default())
}

impl Auth {
    /// Brings the former address back, ends all of the user's sessions and makes the password
    /// unusable, for pages of an app's own. The user chooses a new password by mail.
    ///
    /// # Errors
    /// `link_invalid`; `validation_error` when another user has proved the former address
    /// meanwhile (the link works on); `unavailable`.
    ///
    /// ```no_run
    /// use countersign::http::{Peer, Problem};
    /// use countersign::{Auth, Shown};
    ///
    /// async fn it_was_not_me(auth: &Auth, link: &str, client: &Peer) -> Result<(), Problem> {
    ///     auth.undo_email_change(&Shown::link(link)?, client).await
    /// }
    /// ```
    pub async fn undo_email_change(&self, shown: &Shown, client: &Peer) -> Result<(), Problem> {
        let good = proof::good_token(self, Purpose::Undo, shown).await?;
        let user = good.token.user.ok_or_else(proof::link_invalid)?;
        let to = good.token.payload.former_address.clone().unwrap_or_default();
        let act = Act::Undo { to, password: EncodedPassword::unusable() };
        good.spend(self, act, Vec::new()).await?;
        self.catch_up().await?;
        let found = self.users().by_id(user).await?;
        let account = found.as_deref();
        self.events().on_password_changed(&client.event(self.now(), account, None));
        tracing::warn!(%user, ip = %client.ip, "a change of the address was undone: it was not \
            the owner who had asked for it");
        Ok(())
    }
}

//! An invitation is accepted: whoever an operator invited chooses a password, and a name if they
//! like. By the page of the link, or by [`register`](super::register) with `invitation`.

use crate::auth::Auth;
use crate::entry::proof::{self, Shown};
use crate::http::peer::Peer;
use crate::http::problem::{Code, Problem};
use crate::password::{Password, UserAttributes};
use crate::store::Act;
use crate::token::Purpose;
use crate::user::{ProfileChange, UserId};

impl Auth {
    /// Accepts an invitation: sets the first password, and the names that were chosen. The address
    /// is proved by it. `profile` may change names; an address in it counts for nothing.
    ///
    /// # Errors
    /// `link_invalid`; `validation_error` for a password that does not do or a user name that is
    /// taken, and the link works on; `unavailable`.
    ///
    /// ```no_run
    /// use countersign::http::{Peer, Problem};
    /// use countersign::password::Password;
    /// use countersign::user::{ProfileChange, UserId};
    /// use countersign::{Auth, Shown};
    ///
    /// async fn join(
    ///     auth: &Auth,
    ///     link: &str,
    ///     first: Password,
    ///     by: &Peer,
    /// ) -> Result<UserId, Problem> {
    ///     auth.accept_invitation(&Shown::link(link)?, ProfileChange::default(), &first, by).await
    /// }
    /// ```
    pub async fn accept_invitation(
        &self,
        shown: &Shown,
        profile: ProfileChange,
        password: &Password,
        client: &Peer,
    ) -> Result<UserId, Problem> {
        let stored = proof::good_token(self, Purpose::Invitation, shown).await?;
        let user = stored.token.user.ok_or_else(proof::link_invalid)?;
        let found = self.users().candidate(user).await?.ok_or_else(proof::link_invalid)?;
        let account = found.user.account();
        let chosen = |given: &Option<String>, has: &str| given.as_deref().unwrap_or(has).to_owned();
        let username = profile.username.as_ref().map_or(account.username(), |name| name.as_str());
        let about = UserAttributes {
            username,
            email: account.email(),
            first_name: &chosen(&profile.first_name, account.first_name()),
            last_name: &chosen(&profile.last_name, account.last_name()),
        };
        let weak = self.judge().judge(password, &about).await;
        if !weak.is_empty() {
            let problem = Problem::new(Code::ValidationError);
            return Err(weak
                .into_iter()
                .fold(problem, |problem, wrong| problem.field("password", wrong.to_string())));
        }
        let encoded = self.passwords().hash(password).await?;
        let profile = ProfileChange { email: None, ..profile };
        let act = Act::Join { password: encoded, profile };
        stored.spend(self, act, Vec::new()).await?;
        self.catch_up().await?;
        self.events().on_registered(&client.event(self.now(), Some(account), None));
        tracing::info!(%user, ip = %client.ip, "an invitation was accepted");
        Ok(user)
    }
}

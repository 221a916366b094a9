//! Whether who is logged in knows their password: what a change of the password, of the address and
//! whatever else is dangerous asks for.

use super::check_password::known_device;
use crate::auth::Auth;
use crate::auth::attempts::AttemptRefused;
use crate::http::authenticated::Authenticated;
use crate::http::peer::Peer;
use crate::http::problem::{Code, Problem};
use crate::http::request::Text;
use crate::password::{EncodedPassword, Lane, Password};
use crate::throttle::AccountKey;
use crate::token::device::DeviceId;
use crate::user::{UserId, fold_address};

/// The password as it was checked.
pub(crate) struct OwnPassword {
    pub(crate) encoded: EncodedPassword,
    /// The known device that asked.
    pub(crate) device: Option<DeviceId>,
}

impl OwnPassword {
    /// Checks it. Wrong ones count against the same budget as failed logins, on a known device its
    /// own: strangers' failures do not delay the owner. `field` is what a wrong one is told of.
    pub(crate) async fn check(
        auth: &Auth,
        who: &Authenticated,
        peer: &Peer,
        device_token: Option<&Text<256>>,
        (field, password): (&'static str, &Password),
    ) -> Result<Self, Problem> {
        let user = who.user().id();
        let stored = auth.users().password_of(user).await?;
        let tokens = device_token.into_iter().map(|Text(token)| token);
        let tokens = tokens.chain(&peer.device_tokens).map(String::as_str);
        let device = stored.as_ref().and_then(|stored| known_device(auth, tokens, user, stored));
        let name = who.user().username();
        let guess = Guess { user, name, stored: stored.as_ref(), device, lane: Lane::Known };
        if !guess.is_right(auth, peer, password).await? {
            let said = "This is not your password.";
            return Err(Problem::new(Code::ValidationError).field(field, said));
        }
        let encoded = stored.ok_or_else(|| Problem::new(Code::UserInactive))?;
        Ok(Self { encoded, device })
    }
}

/// A guess at a user's password, counted as one at the login is.
struct Guess<'a> {
    user: UserId,
    name: &'a str,
    /// What the row has, if there is one.
    stored: Option<&'a EncodedPassword>,
    device: Option<DeviceId>,
    lane: Lane,
}

impl Guess<'_> {
    /// # Errors
    /// `throttled` before the password is looked at, `unavailable`.
    async fn is_right(
        &self,
        auth: &Auth,
        peer: &Peer,
        password: &Password,
    ) -> Result<bool, Problem> {
        let counted = AccountKey::Named { user: self.user, by: &fold_address(self.name) };
        let attempt = auth
            .attempts()
            .begin(&**auth.store(), counted, self.device, peer.ip, auth.now())
            .await
            .map_err(|refused| match refused {
                AttemptRefused::Wait(wait) => {
                    Problem::new(Code::Throttled).retry_after(wait.seconds())
                }
                AttemptRefused::Store(error) => error.into(),
            })?;
        let verdict = match auth.passwords().verify_in(self.lane, self.stored, password).await {
            Ok(verdict) => verdict,
            Err(error) => {
                auth.attempts().cancelled(&**auth.store(), attempt).await;
                return Err(error.into());
            }
        };
        if verdict.matches {
            auth.attempts().succeeded(&**auth.store(), attempt).await?;
        }
        Ok(verdict.matches)
    }
}

impl Auth {
    /// Whether this is the password of a user who is not logged in, and has shown a mail's link or
    /// code. On a known device wrong ones have a budget of their own here too.
    pub(crate) async fn is_password_of(
        &self,
        user: UserId,
        client: &Peer,
        password: &Password,
    ) -> Result<bool, Problem> {
        let found = self.users().candidate(user).await?;
        let stored = found.as_ref().map(|found| &found.password);
        let tokens = client.device_tokens.iter().map(String::as_str);
        let device = stored.and_then(|stored| known_device(self, tokens, user, stored));
        let guess = Guess {
            user,
            name: found.as_ref().map_or("", |found| found.user.account().username()),
            stored,
            device,
            lane: if device.is_some() { Lane::Known } else { Lane::Guesses },
        };
        guess.is_right(self, client, password).await
    }
}

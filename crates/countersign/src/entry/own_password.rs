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
use crate::user::fold_address;

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
        let counted = AccountKey::Named { user, by: &fold_address(who.user().username()) };
        let attempt = auth
            .attempts()
            .begin(&**auth.store(), counted, device, peer.ip, auth.now())
            .await
            .map_err(|refused| match refused {
                AttemptRefused::Wait(wait) => {
                    Problem::new(Code::Throttled).retry_after(wait.seconds())
                }
                AttemptRefused::Store(error) => error.into(),
            })?;
        let verified = auth.passwords().verify_in(Lane::Known, stored.as_ref(), password).await;
        let verdict = match verified {
            Ok(verdict) => verdict,
            Err(error) => {
                auth.attempts().cancelled(&**auth.store(), attempt).await;
                return Err(error.into());
            }
        };
        if !verdict.matches {
            let said = "This is not your password.";
            return Err(Problem::new(Code::ValidationError).field(field, said));
        }
        auth.attempts().succeeded(&**auth.store(), attempt).await?;
        let encoded = stored.ok_or_else(|| Problem::new(Code::UserInactive))?;
        Ok(Self { encoded, device })
    }
}

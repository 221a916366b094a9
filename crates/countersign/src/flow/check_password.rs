//! Whether a name and a password belong together: what every login asks, and whatever else lets somebody in by a password.
//!
//! A wrong name, a wrong password and a user who may not enter get one answer at one cost in time, and count alike against the throttle.

use countersign_verify::Account;

use crate::attempts;
use crate::auth::Auth;
use crate::device::DeviceId;
use crate::http::peer::Peer;
use crate::http::problem::{Code, Problem};
use crate::password::{EncodedPassword, HashError, Password};
use crate::store::StoreError;
use crate::throttle::{AccountKey, RetryAfter};
use crate::user::{Candidate, FoundUser, UserId, fold};

impl Auth {
    /// Whether this is the password of an active user for whom `may` holds, under the throttle and at the cost of a login: who it is. No session begins.
    ///
    /// For pages of an app's own that are behind the same passwords, such as an admin site. `login` is a user name or an e-mail address, as it was typed.
    ///
    /// # Errors
    /// [`PasswordRefused`]. Say nothing more to the client than that the name or the password is wrong.
    ///
    /// ```no_run
    /// use countersign::http::Peer;
    /// use countersign::password::Password;
    /// use countersign::{Auth, PasswordRefused};
    ///
    /// # async fn enter(auth: Auth, name: &str, password: Password, client: Peer) -> Result<(), PasswordRefused> {
    /// let who = auth.check_password(name, &password, &client, |user| user.is_staff()).await?;
    /// println!("{who} may enter");
    /// # Ok(())
    /// # }
    /// ```
    pub async fn check_password(
        &self,
        login: &str,
        password: &Password,
        client: &Peer,
        may: impl Fn(&dyn Account) -> bool + Send,
    ) -> Result<UserId, PasswordRefused> {
        let user = |found: Option<FoundUser<Candidate>>| found.map(|found| found.user.account().id());
        match check(self, login, password, None, client, may).await {
            Ok(Checked { found, .. }) => Ok(found.user.account().id()),
            Err(Refused::Wrong(found)) => Err(PasswordRefused::Wrong { user: user(found) }),
            Err(Refused::Throttled(wait, found)) => Err(PasswordRefused::Throttled { user: user(found), wait }),
            Err(Refused::Hash(error)) => Err(error.into()),
            Err(Refused::Store(error)) => Err(error.into()),
        }
    }
}

/// Why somebody was not let in by a password.
///
/// ```
/// # mod world { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/examples/world.rs")); }
/// use countersign::PasswordRefused;
/// use countersign::password::Password;
///
/// # world::run(async |world| {
/// # let (auth, client) = (world.auth, countersign::http::Peer::local());
/// let guess = Password::parse("tin kettle 14".to_owned()).unwrap();
/// let refused = auth.check_password("nobody", &guess, &client, |_| true).await.unwrap_err();
/// assert!(matches!(refused, PasswordRefused::Wrong { user: None }));
/// # });
/// ```
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum PasswordRefused {
    /// The name, the password, or the user may not enter.
    #[error("the user name or the password is wrong")]
    Wrong {
        /// Whom the name names; for a log, never for the client.
        user: Option<UserId>,
    },
    /// Too many have failed.
    #[error("{wait}")]
    Throttled {
        /// Whom the name names; for a log, never for the client.
        user: Option<UserId>,
        /// How long to wait.
        wait: RetryAfter,
    },
    /// The hashing threads could not; nothing was counted.
    #[error(transparent)]
    Hash(#[from] HashError),
    /// The store could not; nothing was counted.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// A user who gave the right password.
pub(super) struct Checked {
    pub(super) found: FoundUser<Candidate>,
    /// The known device that the token named.
    pub(super) device: Option<DeviceId>,
}

/// Why not, with the user whom the name names.
pub(super) enum Refused {
    Wrong(Option<FoundUser<Candidate>>),
    Throttled(RetryAfter, Option<FoundUser<Candidate>>),
    Hash(HashError),
    Store(StoreError),
}

pub(super) async fn check(
    auth: &Auth,
    login: &str,
    password: &Password,
    device_token: Option<&str>,
    peer: &Peer,
    may: impl Fn(&dyn Account) -> bool + Send,
) -> Result<Checked, Refused> {
    let found = auth.people.by_login(login).await?;
    let device =
        found.as_ref().zip(device_token).and_then(|(found, token)| auth.devices.verify(token, found.user.account().id(), auth.seconds()));
    let folded = fold(login);
    let begun = auth.attempts.begin(&*auth.store, account(found.as_ref(), &folded), device, peer.ip, auth.clock.now()).await;
    let attempt = match begun {
        Ok(attempt) => attempt,
        Err(attempts::Refused::Wait(wait)) => return Err(Refused::Throttled(wait, found)),
        Err(attempts::Refused::Store(error)) => return Err(error.into()),
    };
    // Who may not enter is checked as nobody is: even the right password answers no later and no sooner.
    let stored = found.as_ref().filter(|found| found.user.account().is_active() && may(found.user.account())).map(|found| &found.password);
    let verdict = match auth.passwords.verify(stored, password).await {
        Ok(verdict) => verdict,
        Err(error) => {
            auth.attempts.cancelled(&*auth.store, attempt).await;
            return Err(Refused::Hash(error));
        }
    };
    match found {
        Some(found) if verdict.matches => {
            auth.attempts.succeeded(&*auth.store, attempt).await?;
            if verdict.outdated {
                upgrade(auth, found.user.account().id(), &found.password, password).await;
            }
            Ok(Checked { found, device })
        }
        found => Err(Refused::Wrong(found)),
    }
}

impl From<StoreError> for Refused {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl From<Refused> for Problem {
    fn from(refused: Refused) -> Self {
        match refused {
            Refused::Wrong(_) => Self::new(Code::InvalidCredentials),
            Refused::Throttled(wait, _) => Self::new(Code::Throttled).retry_after(wait.seconds()),
            Refused::Hash(error) => error.into(),
            Refused::Store(error) => error.into(),
        }
    }
}

/// Whatever spelling or address named it, an account is counted once.
fn account<'a>(found: Option<&FoundUser<Candidate>>, folded: &'a str) -> AccountKey<'a> {
    found.map_or(AccountKey::Unknown(folded), |found| AccountKey::User(found.user.account().id()))
}

/// Encodes the password anew in today's form. A login does not fail for it.
async fn upgrade(auth: &Auth, user: UserId, old: &EncodedPassword, password: &Password) {
    match auth.passwords.hash(password).await {
        Ok(new) => match auth.people.upgrade_password(user, old, &new).await {
            Ok(()) => tracing::info!(user = %user, "the password's encoding was upgraded"),
            Err(error) => tracing::warn!(user = %user, %error, "the password's encoding could not be upgraded"),
        },
        Err(error) => tracing::warn!(user = %user, %error, "the password's encoding could not be upgraded"),
    }
}

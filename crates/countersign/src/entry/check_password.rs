//! Whether a name and a password belong together: what every login asks, and whatever else lets
//! somebody in by a password.
//!
//! A wrong name, a wrong password and a user who may not enter get one answer at one cost in time,
//! and count alike against the throttle.

use std::time::Duration;

use axum::http::HeaderValue;
use countersign_verify::Account;
use jiff::Timestamp;

use crate::auth::Auth;
use crate::auth::attempts;
use crate::http::peer::Peer;
use crate::http::problem::{Code, Problem};
use crate::password::{EncodedPassword, HashError, Lane, Password};
use crate::sign_in::{Next, Proof};
use crate::store::StoreError;
use crate::throttle::{AccountKey, RetryAfter};
use crate::token::device::{self, DeviceId};
use crate::user::{FoundUser, UserId, fold_address};
use crate::user_directory::Candidate;

use super::sign_in::{Checked, next};

impl Auth {
    /// Whether this is the password of an active user for whom `may` holds, under the throttle and
    /// at the cost of a login: who it is. No session begins.
    ///
    /// For pages of an app's own that are behind the same passwords, such as an admin site. `login`
    /// is a user name or an e-mail address, as it was typed. A browser that
    /// [`remember_device`](Self::remember_device) made known is not kept out by what strangers do.
    /// Let whatever begins on it begin only while the row is still [as it was
    /// checked](PasswordChecked).
    ///
    /// # Errors
    /// [`PasswordRefused`]. Say nothing more to the client than that the name or the password is
    /// wrong.
    ///
    /// ```no_run
    /// use countersign::http::Peer;
    /// use countersign::password::Password;
    /// use countersign::{Auth, PasswordRefused};
    ///
    /// # async fn enter(
    /// #     auth: Auth, name: &str, password: Password, client: Peer,
    /// # ) -> Result<(), PasswordRefused> {
    /// let checked = auth.check_password(name, &password, &client, |user| user.is_staff()).await?;
    /// println!("{} may enter", checked.user);
    /// # Ok(())
    /// # }
    /// ```
    pub async fn check_password(
        &self,
        login: &str,
        password: &Password,
        client: &Peer,
        may: impl Fn(&dyn Account) -> bool + Send,
    ) -> Result<PasswordChecked, PasswordRefused> {
        let user =
            |found: Option<FoundUser<Candidate>>| found.map(|found| found.user.account().id());
        match check(self, login, password, None, client, may).await {
            Ok(checked) => match next(self, &checked, Proof::Password) {
                Next::Begin(_) => {
                    let Checked { found, .. } = checked;
                    let user = found.user.account().id();
                    Ok(PasswordChecked { user, password: found.password })
                }
                Next::Ask(_) | Next::Refuse(_) => {
                    Err(PasswordRefused::Wrong { user: Some(checked.found.user.account().id()) })
                }
            },
            Err(LoginError::Wrong(found)) => Err(PasswordRefused::Wrong { user: user(found) }),
            Err(LoginError::Waiting(found, _)) => {
                Err(PasswordRefused::Wrong { user: user(Some(*found)) })
            }
            Err(LoginError::Throttled(wait, found)) => {
                Err(PasswordRefused::Throttled { user: user(found), wait })
            }
            Err(LoginError::Hash(error)) => Err(error.into()),
            Err(LoginError::Store(error)) => Err(error.into()),
        }
    }

    /// The `Set-Cookie` that makes a browser known to [`check_password`](Self::check_password) as
    /// one of this user's, on pages under `path`: add it to the answer when the password was right.
    /// It lasts for a year, or until the password changes. The endpoints under the base path have a
    /// cookie of their own.
    ///
    /// # Errors
    /// The store's.
    ///
    /// ```no_run
    /// use axum::http::HeaderValue;
    /// use countersign::http::Peer;
    /// use countersign::password::Password;
    /// use countersign::{Auth, PasswordRefused};
    ///
    /// # async fn enter(
    /// #     auth: Auth, name: &str, password: Password, client: Peer,
    /// # ) -> Result<HeaderValue, PasswordRefused> {
    /// let checked = auth.check_password(name, &password, &client, |user| user.is_staff()).await?;
    /// let set_cookie = auth.remember_device(checked.user, &client, "/office").await?;
    /// # Ok(set_cookie)
    /// # }
    /// ```
    pub async fn remember_device(
        &self,
        user: UserId,
        client: &Peer,
        path: &str,
    ) -> Result<HeaderValue, StoreError> {
        let password =
            self.users().password_of(user).await?.unwrap_or_else(EncodedPassword::unusable);
        let had =
            known_device(self, client.device_tokens.iter().map(String::as_str), user, &password);
        let token = self.device_tokens().issue(user, &password, had, self.seconds(), self.random());
        Ok(self.checked().cookies.set_device_at(
            path,
            &token,
            Duration::from_secs(device::LIFETIME_SECONDS),
        ))
    }
}

/// Who gave the right password, and what it was right for.
///
/// ```
/// use countersign::PasswordChecked;
/// use countersign::store::StoreError;
/// use countersign::store::admin::{AdminSession, AdminStore};
///
/// /// Begins nothing when the password was changed, or the user deactivated, since it was checked.
/// async fn enter(
///     store: &dyn AdminStore,
///     session: &AdminSession,
///     checked: &PasswordChecked,
/// ) -> Result<bool, StoreError> {
///     store.begin_admin_session(session, &checked.password).await
/// }
/// ```
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct PasswordChecked {
    /// Who it is.
    pub user: UserId,
    /// The encoded password as it is stored.
    pub password: EncodedPassword,
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

/// Why not, with the user whom the name names.
pub(crate) enum LoginError {
    Wrong(Option<FoundUser<Candidate>>),
    /// The password is right, but its owner asked to be deleted, and is at this time.
    Waiting(Box<FoundUser<Candidate>>, Timestamp),
    Throttled(RetryAfter, Option<FoundUser<Candidate>>),
    Hash(HashError),
    Store(StoreError),
}

pub(crate) async fn check(
    auth: &Auth,
    login: &str,
    password: &Password,
    device_token: Option<&str>,
    peer: &Peer,
    may: impl Fn(&dyn Account) -> bool + Send,
) -> Result<Checked, LoginError> {
    // Keyboards put a blank behind a word that they complete; Django takes it away too.
    let login = Some(login.trim()).filter(|name| !name.is_empty()).unwrap_or(login);
    let moment = auth.user_cache().moment();
    let found = auth.users().by_login(login).await?;
    let device = found.as_ref().and_then(|found| {
        let tokens = device_token.into_iter().chain(peer.device_tokens.iter().map(String::as_str));
        known_device(auth, tokens, found.user.account().id(), &found.password)
    });
    let folded = fold_address(login);
    let counted = found
        .as_ref()
        .map_or(AccountKey::Unknown(&folded), |found| account_key(found.user.account(), &folded));
    let begun = auth.attempts().begin(&**auth.store(), counted, device, peer.ip, auth.now()).await;
    let attempt = match begun {
        Ok(attempt) => attempt,
        Err(attempts::AttemptRefused::Wait(wait)) => {
            return Err(LoginError::Throttled(wait, found));
        }
        Err(attempts::AttemptRefused::Store(error)) => return Err(error.into()),
    };
    // A user who may not enter is checked as nobody is: even the right password answers no later
    // and no sooner. Whoever waits to be deleted may come back, and is told so for the right
    // password.
    let can_enter = |user: &Candidate| user.account().is_active() || user.deletion_at().is_some();
    let stored = found
        .as_ref()
        .filter(|found| can_enter(&found.user) && may(found.user.account()))
        .map(|found| &found.password);
    let lane = if device.is_some() { Lane::Known } else { Lane::Guesses };
    let verdict = match auth.passwords().verify_in(lane, stored, password).await {
        Ok(verdict) => verdict,
        Err(error) => {
            auth.attempts().cancelled(&**auth.store(), attempt).await;
            return Err(LoginError::Hash(error));
        }
    };
    match found {
        Some(mut found) if verdict.matches => {
            auth.attempts().succeeded(&**auth.store(), attempt).await?;
            if verdict.outdated
                && let Some(new) =
                    upgrade(auth, found.user.account().id(), &found.password, password).await
            {
                found.password = new;
            }
            if let Some(at) = found.user.deletion_at() {
                return Err(LoginError::Waiting(Box::new(found), at));
            }
            Ok(Checked { found, moment, device })
        }
        found => Err(LoginError::Wrong(found)),
    }
}

/// What the client is told of a password that did not let them in, once whoever keeps account has
/// been.
pub(crate) fn problem_of(auth: &Auth, peer: &Peer, login: &str, refused: LoginError) -> Problem {
    let now = auth.now();
    match &refused {
        LoginError::Wrong(found) => {
            tracing::info!(ip = %peer.ip, "login failed");
            let account = found.as_ref().map(|found| found.user.account());
            auth.events().on_login_failed(&peer.event(now, account, None), login);
        }
        LoginError::Throttled(_, found) => auth.events().on_throttled(&peer.event(
            now,
            found.as_ref().map(|found| found.user.account()),
            None,
        )),
        LoginError::Waiting(..) | LoginError::Hash(_) | LoginError::Store(_) => {}
    }
    refused.into()
}

impl From<StoreError> for LoginError {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl From<LoginError> for Problem {
    fn from(refused: LoginError) -> Self {
        match refused {
            LoginError::Wrong(_) => Self::new(Code::InvalidCredentials),
            LoginError::Waiting(_, at) => {
                Self::new(Code::DeletionPlanned).deletion_at(at.to_string())
            }
            LoginError::Throttled(wait, _) => {
                Self::new(Code::Throttled).retry_after(wait.seconds())
            }
            LoginError::Hash(error) => error.into(),
            LoginError::Store(error) => error.into(),
        }
    }
}

/// The first of these devices that this user has logged in from with this password.
pub(crate) fn known_device<'a>(
    auth: &Auth,
    tokens: impl IntoIterator<Item = &'a str>,
    user: UserId,
    password: &EncodedPassword,
) -> Option<DeviceId> {
    tokens
        .into_iter()
        .find_map(|token| auth.device_tokens().verify(token, user, password, auth.seconds()))
}

/// A user's name and their address are counted apart, as the texts that they are: two that name
/// nobody are. All else that an app lets name a user is counted once.
pub(crate) fn account_key<'a>(account: &dyn Account, folded: &'a str) -> AccountKey<'a> {
    let user = account.id();
    let is_theirs =
        [account.username(), account.email()].iter().any(|text| fold_address(text) == folded);
    if is_theirs { AccountKey::Named { user, by: folded } } else { AccountKey::User(user) }
}

/// Encodes the password anew in today's form: what is stored now, if that is it. A login does not
/// fail for it.
async fn upgrade(
    auth: &Auth,
    user: UserId,
    old: &EncodedPassword,
    password: &Password,
) -> Option<EncodedPassword> {
    match auth.passwords().hash(password).await {
        Ok(new) => match auth.users().upgrade_password(user, old, &new).await {
            Ok(true) => {
                tracing::info!(user = %user, "the password's encoding was upgraded");
                return Some(new);
            }
            Ok(false) => {}
            Err(error) => {
                tracing::warn!(
                    user = %user,
                    %error,
                    "the password's encoding could not be upgraded"
                );
            }
        },
        Err(error) => {
            tracing::warn!(user = %user, %error, "the password's encoding could not be upgraded");
        }
    }
    None
}

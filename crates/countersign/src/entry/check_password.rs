//! Whether a name and a password belong together: what every login asks, and whatever else lets
//! somebody in by a password.
//!
//! A wrong name, a wrong password and a user who may not enter get one answer at one cost in time,
//! and count alike against the throttle.

use countersign_verify::Account;
use jiff::Timestamp;

use super::sign_in::Checked;
use crate::auth::Auth;
use crate::auth::attempts;
use crate::http::peer::Peer;
use crate::http::problem::{Code, Problem};
use crate::password::{EncodedPassword, HashError, Lane, Password};
use crate::store::StoreError;
use crate::throttle::{AccountKey, RetryAfter};
use crate::token::device::DeviceId;
use crate::user::{FoundUser, UserId, fold_address};
use crate::user_directory::Candidate;

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
    peer: &Peer,
    may: impl Fn(&dyn Account) -> bool + Send,
) -> Result<Checked, LoginError> {
    // Keyboards put a blank behind a word that they complete; Django takes it away too.
    let login = Some(login.trim()).filter(|name| !name.is_empty()).unwrap_or(login);
    let moment = auth.user_cache().moment();
    let found = auth.users().by_login(login).await?;
    let device = found.as_ref().and_then(|found| {
        let tokens = peer.device_tokens.iter().map(String::as_str);
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
        Ok(new) => match auth.users().upgrade_password(&**auth.store(), user, old, &new).await {
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

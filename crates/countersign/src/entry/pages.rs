//! The doors of an app's own pages that are behind the same passwords, such as an admin site.

use std::time::Duration;

use axum::http::HeaderValue;
use countersign_verify::Account;
use jiff::Timestamp;

use super::check_password::{LoginError, check, known_device};
use super::sign_in::{Checked, Door, Entry, Step, next, wait};
use crate::auth::Auth;
use crate::http::peer::Peer;
use crate::password::{EncodedPassword, HashError, Password};
use crate::session::DeviceName;
use crate::sign_in::{Admission, Factors, Proof, Scope};
use crate::store::{CheckedRow, StoreError};
use crate::throttle::RetryAfter;
use crate::token::cookie_seal::CookieSeal;
use crate::token::device;
use crate::user::{FoundUser, UserId};
use crate::user_directory::Candidate;

impl Auth {
    /// Whether this is the password of an active user for whom `may` holds, under the throttle and
    /// at the cost of a login: who it is. No session begins.
    ///
    /// For pages of an app's own that are behind the same passwords, such as an admin site. `login`
    /// is a user name or an e-mail address, as it was typed. A browser that
    /// [`remember_device`](Self::remember_device) made known is not kept out by what strangers do.
    /// A session of the library's begins on it with [`log_in_checked`](Self::log_in_checked); let
    /// whatever else begins on it begin only while the row is still [as it was
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
    /// #     auth: Auth,
    /// #     name: &str,
    /// #     password: Password,
    /// #     client: Peer,
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
        let checked = check(self, login, password, client, may).await?;
        self.pass(client, checked, &[Scope::Full]).await
    }

    /// What the machine says to the right password on a page of an app's own.
    async fn pass(
        &self,
        client: &Peer,
        checked: Checked,
        enough: &[Scope],
    ) -> Result<PasswordChecked, PasswordRefused> {
        let user = checked.found.user.account().id();
        let factors = self.store().factors_of(user).await?;
        match next(self, client, &checked.found, Proof::Password, factors) {
            Step::Enter(entry) if enough.contains(&entry.admission.scope()) => {
                Ok(PasswordChecked::new(user, checked.found.password, entry).at(client))
            }
            Step::Enter(_) => Err(PasswordRefused::EnrolmentRequired { user }),
            Step::Ask(asked, factors) => {
                let waits = wait(self, client, Door::Pages, &checked, Proof::Password, &factors);
                let (pending_token, _) = waits
                    .map_err(|_| StoreError::Failed("a token could not be signed".to_owned()))?;
                Err(PasswordRefused::SecondFactor { user, pending_token, asked })
            }
            Step::Refuse => Err(PasswordRefused::Wrong { user: Some(user) }),
        }
    }

    /// A text for a cookie of one `page`, of use there alone and for so long. `None` where it could
    /// not be sealed.
    #[doc(hidden)]
    pub fn seal_for_page(&self, text: &str, page: &str, lifetime: Duration) -> Option<String> {
        let until = self.seconds().saturating_add(lifetime.as_secs());
        CookieSeal::new(self.secrets()).and_then(|seal| seal.seal(text, page, until)).ok()
    }

    /// What was sealed for the page, if its time is not over.
    #[doc(hidden)]
    pub fn open_for_page(&self, sealed: &str, page: &str) -> Option<String> {
        CookieSeal::new(self.secrets()).ok()?.open(sealed, page, self.seconds())
    }

    /// Whether this is the password of who has passed [`check_password`](Self::check_password)
    /// before, in a session that began on it: for "is it you?" before something dangerous. Who has
    /// a second factor is asked for it again, whatever device they sit at; who must have one and
    /// has none is not refused.
    ///
    /// # Errors
    /// [`PasswordRefused`].
    ///
    /// ```no_run
    /// use countersign::http::Peer;
    /// use countersign::password::Password;
    /// use countersign::user::UserId;
    /// use countersign::{Auth, PasswordRefused};
    ///
    /// # async fn confirm(
    /// #     auth: Auth,
    /// #     me: UserId,
    /// #     name: &str,
    /// #     typed: Password,
    /// #     client: Peer,
    /// # ) -> Result<(), PasswordRefused> {
    /// let is_me = |user: &dyn countersign::user::Account| user.id() == me;
    /// let checked = auth.check_password_again(name, &typed, &client, is_me).await?;
    /// println!("it is {}", checked.user);
    /// # Ok(())
    /// # }
    /// ```
    pub async fn check_password_again(
        &self,
        login: &str,
        password: &Password,
        client: &Peer,
        may: impl Fn(&dyn Account) -> bool + Send,
    ) -> Result<PasswordChecked, PasswordRefused> {
        let checked = check(self, login, password, client, may).await?;
        // No device is remembered here.
        let client = Peer { device_tokens: Vec::new(), ..client.clone() };
        self.pass(&client, checked, &[Scope::Full, Scope::Enrol]).await
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
    /// #     auth: Auth,
    /// #     name: &str,
    /// #     password: Password,
    /// #     client: Peer,
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

/// Who gave the right password, and what it was right for: log them in with
/// [`log_in_checked`](Auth::log_in_checked), or begin a session of your own on the row.
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
///     store.begin_admin_session(session, &checked.row).await
/// }
/// ```
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct PasswordChecked {
    /// Who it is.
    pub user: UserId,
    /// The row as it was checked: let whatever begins on it begin only while it is still so.
    pub row: CheckedRow,
    pub(super) granted: Granted,
}

impl PasswordChecked {
    /// Who this entry is for, with the password that was checked.
    pub(super) fn new(user: UserId, password: EncodedPassword, entry: Entry) -> Self {
        let Entry { admission, factors, uses, remembered_until } = entry;
        let row = CheckedRow { password, factors: factors.version, factor: uses };
        let granted = Granted { admission, remembered_until, is_short: false, device_name: None };
        Self { user, row, granted }
    }

    /// The same on the device that this client says.
    fn at(mut self, client: &Peer) -> Self {
        self.granted.is_short = !client.remember;
        self.granted.device_name = client.device_name.clone();
        self
    }
}

/// What a session begins with whose user was checked.
#[derive(Debug, Clone)]
pub(super) struct Granted {
    pub(super) admission: Admission,
    /// Until when the device does without a second factor.
    pub(super) remembered_until: Option<Timestamp>,
    /// Whether the device is one of others.
    pub(super) is_short: bool,
    pub(super) device_name: Option<DeviceName>,
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
    /// The password is right, and a second factor is asked for: go on with
    /// [`check_factor`](Auth::check_factor).
    #[error("a second factor is asked for")]
    SecondFactor {
        /// Who it is.
        user: UserId,
        /// What the sign-in goes on with. It is good for five minutes; keep it where script cannot
        /// read it.
        pending_token: String,
        /// What may be given.
        asked: Factors,
    },
    /// The password is right, and the user must enrol a second factor first, at the endpoints.
    #[error("a second factor must be enrolled first")]
    EnrolmentRequired {
        /// Who it is.
        user: UserId,
    },
    /// The hashing threads could not; nothing was counted.
    #[error(transparent)]
    Hash(#[from] HashError),
    /// The store could not; nothing was counted.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<LoginError> for PasswordRefused {
    fn from(refused: LoginError) -> Self {
        let user =
            |found: Option<FoundUser<Candidate>>| found.map(|found| found.user.account().id());
        match refused {
            LoginError::Wrong(found) => Self::Wrong { user: user(found) },
            LoginError::Waiting(found, _) => Self::Wrong { user: user(Some(*found)) },
            LoginError::Throttled(wait, found) => Self::Throttled { user: user(found), wait },
            LoginError::Hash(error) => error.into(),
            LoginError::Store(error) => error.into(),
        }
    }
}

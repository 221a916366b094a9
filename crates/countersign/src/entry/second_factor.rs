//! The second step: whether a code is that of the user whose sign-in waits for it.
//!
//! A try is counted before the code is looked at, against the account and against the sign-in;
//! where no other process has the store, the latter costs a write for wrong codes only
//! ([`FactorTries`](crate::auth::factor_tries::FactorTries)). A known device has a count of its
//! own, so that strangers who know the password lock nobody out.

use std::fmt;

use super::pages::PasswordChecked;
use super::passkey::{NoSigner, Proved, Signer, check_passkey, signer};
use super::proof::browser_of;
use super::sign_in::{Checked, Door, Entry, Step, issuer, next, row};
use crate::auth::Auth;
use crate::auth::attempts;
use crate::factor::FactorId;
use crate::factor::passkey::PasskeyShown;
use crate::factor::recovery::RecoveryCode;
use crate::factor::totp::{TotpCode, TotpSecret};
use crate::http::peer::Peer;
use crate::http::problem::{Code, Problem};
use crate::mail::MailKind;
use crate::session::DeviceName;
use crate::sign_in::{
    FACTOR_TRIES, FactorKind, Known, Methods, Next, Pending, Proof, Scope, decide,
};
use crate::store::{FactorProof, FactorUse, NewMail, StoreError, StoredFactor, UserFactors};
use crate::throttle::{AccountKey, RetryAfter};
use crate::token::device::DeviceId;
use crate::token::pending::PendingClaims;
use crate::user::{FoundUser, UserId};
use crate::user_directory::Candidate;
use countersign_verify::Account;
use jiff::Timestamp;
use secrecy::zeroize::Zeroizing;

/// What somebody shows as a second factor. It does not print.
///
/// ```
/// use countersign::FactorShown;
///
/// assert!(FactorShown::code("123 456").is_some());
/// assert!(FactorShown::recovery_code("abcde-fgh12").is_some());
/// assert!(FactorShown::code("12345").is_none());
/// ```
pub struct FactorShown(What);

enum What {
    Totp(TotpCode),
    Recovery(RecoveryCode),
    Passkey(Box<PasskeyShown>),
}

impl FactorShown {
    /// A code of an authenticator app. `None` for what is none at all.
    ///
    /// ```
    /// assert!(countersign::FactorShown::code("nonsense").is_none());
    /// ```
    #[must_use]
    pub fn code(text: &str) -> Option<Self> {
        TotpCode::parse(text).map(|code| Self(What::Totp(code)))
    }

    /// A recovery code. `None` for what is none at all.
    ///
    /// ```
    /// assert!(countersign::FactorShown::recovery_code("nonsense").is_none());
    /// ```
    #[must_use]
    pub fn recovery_code(text: &str) -> Option<Self> {
        RecoveryCode::parse(text).map(|code| Self(What::Recovery(code)))
    }

    /// What `navigator.credentials.get` gave a page, as JSON. `None` for what is none at all.
    ///
    /// ```
    /// assert!(countersign::FactorShown::passkey(serde_json::json!({"id": "AQID"})).is_none());
    /// ```
    #[must_use]
    pub fn passkey(json: serde_json::Value) -> Option<Self> {
        PasskeyShown::read(json).map(|shown| Self(What::Passkey(Box::new(shown))))
    }

    /// Whether it is a recovery code.
    ///
    /// ```
    /// use countersign::FactorShown;
    ///
    /// assert!(FactorShown::recovery_code("abcde-fgh12").unwrap().is_recovery_code());
    /// ```
    #[must_use]
    pub const fn is_recovery_code(&self) -> bool {
        matches!(self.0, What::Recovery(_))
    }

    /// What kind of factor it would prove.
    pub(crate) const fn kind(&self) -> FactorKind {
        match self.0 {
            What::Totp(_) => FactorKind::Totp,
            What::Recovery(_) => FactorKind::RecoveryCode,
            What::Passkey(_) => FactorKind::Passkey,
        }
    }
}

impl FactorShown {
    /// The passkey that it is, if it is one.
    pub(super) fn as_passkey(&self) -> Option<&PasskeyShown> {
        match &self.0 {
            What::Passkey(shown) => Some(shown),
            What::Totp(_) | What::Recovery(_) => None,
        }
    }
}

impl fmt::Debug for FactorShown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("FactorShown(..)")
    }
}

/// Why somebody was not let in by a second factor.
///
/// ```
/// # mod world { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/examples/world.rs")); }
/// use countersign::{FactorRefused, FactorShown};
///
/// # world::run(async |world| {
/// # let (auth, client) = (world.auth, countersign::http::Peer::local());
/// let code = FactorShown::code("123456").unwrap();
/// let refused = auth.check_factor("a forgery", &code, &client, |_| true).await.unwrap_err();
/// assert!(matches!(refused, FactorRefused::Over));
/// # });
/// ```
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum FactorRefused {
    /// The code is wrong, or was used already.
    #[error("the code is wrong, or was used already")]
    Wrong {
        /// Whose sign-in it is; for a log.
        user: UserId,
    },
    /// The sign-in that waited is over: begin with the password again.
    #[error("the sign-in that waited for a second factor is over")]
    Over,
    /// Too many have failed.
    #[error("{wait}")]
    Throttled {
        /// Whose sign-in it is; for a log.
        user: UserId,
        /// How long to wait.
        wait: RetryAfter,
    },
    /// The store could not; nothing was counted.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<FactorRefused> for Problem {
    fn from(refused: FactorRefused) -> Self {
        match refused {
            FactorRefused::Wrong { .. } => Self::new(Code::FactorInvalid),
            FactorRefused::Over => Self::new(Code::PendingTokenInvalid),
            FactorRefused::Throttled { wait, .. } => {
                Self::new(Code::Throttled).retry_after(wait.seconds())
            }
            FactorRefused::Store(error) => error.into(),
        }
    }
}

impl Auth {
    /// Whether this is a second factor of the user whose sign-in waits for one, begun by
    /// [`check_password`](Self::check_password) on a page of the app's own: who it is. No session
    /// begins; [`log_in_checked`](Self::log_in_checked) begins one. Keep the `pending_token` where
    /// script cannot read it.
    ///
    /// # Errors
    /// [`FactorRefused`].
    ///
    /// ```no_run
    /// use countersign::http::Peer;
    /// use countersign::{Auth, FactorRefused, FactorShown};
    ///
    /// # async fn enter(
    /// #     auth: Auth,
    /// #     waits: &str,
    /// #     typed: &str,
    /// #     client: Peer,
    /// # ) -> Result<(), FactorRefused> {
    /// let Some(code) = FactorShown::code(typed) else { return Ok(()) };
    /// let checked = auth.check_factor(waits, &code, &client, |user| user.is_staff()).await?;
    /// println!("{} may enter", checked.user);
    /// # Ok(())
    /// # }
    /// ```
    pub async fn check_factor(
        &self,
        pending_token: &str,
        shown: &FactorShown,
        client: &Peer,
        may: impl Fn(&dyn Account) -> bool + Send,
    ) -> Result<PasswordChecked, FactorRefused> {
        let waiting = waiting(self, pending_token, Door::Pages, None).ok_or(FactorRefused::Over)?;
        let (checked, entry) = second_step(self, &waiting, shown, client, may).await?;
        let (user, password) = (checked.found.user.account().id(), checked.found.password);
        let mut checked = PasswordChecked::new(user, password, entry);
        checked.granted.is_short = waiting.is_short;
        checked.granted.device_name = device_name(&waiting);
        Ok(checked)
    }

    /// Whether this passkey is that of an active user for whom `may` holds: who it is. No session
    /// begins. It needs no second factor.
    ///
    /// What it must have signed comes from `POST …/login/passkey/begin`. A session of the library's
    /// begins on it with [`log_in_checked`](Self::log_in_checked); let whatever else begins on it
    /// begin only while the row is still [as it was checked](PasswordChecked).
    ///
    /// # Errors
    /// [`FactorRefused`]: `Wrong` where it is somebody's, and `Over` where it is nobody's.
    ///
    /// ```
    /// # mod world { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/examples/world.rs")); }
    /// use countersign::{FactorRefused, FactorShown};
    ///
    /// # world::run(async |world| {
    /// # let (auth, client) = (world.auth, countersign::http::Peer::local());
    /// let code = FactorShown::code("123456").unwrap(); // which is no passkey
    /// let refused = auth.check_passkey(&code, &client, |_| true).await.unwrap_err();
    /// assert!(matches!(refused, FactorRefused::Over));
    /// # });
    /// ```
    pub async fn check_passkey(
        &self,
        shown: &FactorShown,
        client: &Peer,
        may: impl Fn(&dyn Account) -> bool + Send,
    ) -> Result<PasswordChecked, FactorRefused> {
        let shown = shown.as_passkey().ok_or(FactorRefused::Over)?;
        let Signer { found, factors, proved, .. } =
            signer(self, client, shown).await.map_err(|refusal| match refusal {
                NoSigner::Refused(Some(user)) => FactorRefused::Wrong { user },
                NoSigner::Refused(None) => FactorRefused::Over,
                NoSigner::Store(error) => error.into(),
            })?;
        let account = found.user.account();
        let user = account.id();
        if !account.is_active() || !may(account) {
            return Err(FactorRefused::Wrong { user });
        }
        match next(self, client, &found, proved.by, factors) {
            Step::Enter(entry) if entry.admission.scope() == Scope::Full => {
                let uses = FactorUse { pending: None, proof: proved.uses, mails: Vec::new() };
                Ok(PasswordChecked::new(user, found.password, entry.using(uses)))
            }
            Step::Enter(_) | Step::Ask(..) | Step::Refuse => Err(FactorRefused::Wrong { user }),
        }
    }
}

/// A sign-in that waits, if the token is one of ours for this door and browser, and not too old.
pub(crate) fn waiting(
    auth: &Auth,
    token: &str,
    door: Door,
    browser: Option<&str>,
) -> Option<PendingClaims> {
    let claims = auth.pending_tokens().verify(token, auth.seconds())?;
    let is_of_here = claims.iss == issuer(auth)
        && claims.door == door.as_str()
        && claims.browser == browser.map(browser_of);
    is_of_here.then_some(claims)
}

/// The name that the device of a sign-in was given at its first step.
pub(crate) fn device_name(waiting: &PendingClaims) -> Option<DeviceName> {
    waiting.device_name.as_deref().and_then(|name| DeviceName::parse(name).ok())
}

/// Checks a second factor, and asks the machine.
pub(crate) async fn second_step(
    auth: &Auth,
    waiting: &PendingClaims,
    shown: &FactorShown,
    peer: &Peer,
    may: impl Fn(&dyn Account) -> bool + Send,
) -> Result<(Checked, Entry), FactorRefused> {
    let user: UserId = waiting.sub.parse().map_err(|_| FactorRefused::Over)?;
    let pending: FactorId = waiting.jti.parse().map_err(|_| FactorRefused::Over)?;
    let until = i64::try_from(waiting.exp).ok().and_then(|at| Timestamp::from_second(at).ok());
    let until = until.ok_or(FactorRefused::Over)?;
    let moment = auth.user_cache().moment();
    let held = auth.factor_tries().hold(pending);
    let (found, looked) = auth.users().waiting(&**auth.store(), user, pending).await?;
    let found = found.ok_or(FactorRefused::Over)?;
    let (account, factors) = (found.user.account(), looked.factors);
    let is_as_it_was = waiting.row == row(&found.password, &factors);
    if !is_as_it_was || !account.is_active() || !may(account) {
        return Err(FactorRefused::Over);
    }

    let device = waiting.device.map(DeviceId);
    let attempt = count(auth, user, device, peer).await?;
    // Where other nodes may try too, a try is counted before the code is looked at.
    let is_counted = auth.store().shared_attempts().is_some();
    let may_try = if is_counted {
        auth.store().count_factor_try(pending, until).await
    } else {
        Ok(!looked.is_used && looked.tries.saturating_add(held.place()) <= FACTOR_TRIES)
    };
    match may_try {
        Ok(true) => {}
        refused => {
            auth.attempts().cancelled(&**auth.store(), attempt).await;
            return Err(refused.map_or_else(FactorRefused::Store, |_| FactorRefused::Over));
        }
    }
    let Some(proved) = check(auth, peer, &found, &factors, shown).await else {
        if !is_counted {
            // Its place is held until then.
            auth.store().count_factor_try(pending, until).await?;
        }
        return Err(FactorRefused::Wrong { user });
    };
    auth.attempts().succeeded(&**auth.store(), attempt).await?;

    let (rules, now) = (auth.settings().sign_in.of(account), auth.now());
    let known = Known { may_enter: true, enrolled: factors.enrolled(), remembered_until: None };
    let step = Pending {
        proved: Methods::from_words(&waiting.amr),
        until,
        tries: 0, // the store has counted them
        is_used: false,
        is_as_it_was,
    };
    match decide(&known, Some(&step), proved.by, rules, now) {
        Next::Begin(admission) => {
            let proof = proved.uses;
            let mails = notices(auth, peer, &found, &factors, &proof)?;
            let uses = Some(FactorUse { pending: Some((pending, until)), proof, mails });
            let entry = Entry { admission, factors, uses, remembered_until: None };
            Ok((Checked { found, moment, device }, entry))
        }
        Next::Ask(_) | Next::Refuse(_) => Err(FactorRefused::Over),
    }
}

/// Counts a try against the account, apart from its passwords: a right password does not forgive
/// wrong codes.
pub(crate) async fn count(
    auth: &Auth,
    user: UserId,
    device: Option<DeviceId>,
    peer: &Peer,
) -> Result<attempts::Begun, FactorRefused> {
    // A text that nobody can type as a name: no form lets a NUL through.
    let by = format!("\0second factor of {user}");
    let account = AccountKey::Named { user, by: &by };
    let device = device.map(|device| DeviceId(device.0 ^ OF_FACTORS));
    let begun = auth.attempts().begin(&**auth.store(), account, device, peer.ip, auth.now()).await;
    begun.map_err(|refused| match refused {
        attempts::AttemptRefused::Wait(wait) => FactorRefused::Throttled { user, wait },
        attempts::AttemptRefused::Store(error) => error.into(),
    })
}

/// What is proved by what is shown, if it is right and was not used as far as is known.
pub(crate) async fn check(
    auth: &Auth,
    peer: &Peer,
    found: &FoundUser<Candidate>,
    factors: &UserFactors,
    shown: &FactorShown,
) -> Option<Proved> {
    let user = found.user.account().id();
    match &shown.0 {
        What::Totp(code) => {
            let enrolled = factors
                .factors
                .iter()
                .filter(|factor| factor.is_enrolled && factor.kind == FactorKind::Totp);
            enrolled.into_iter().find_map(|factor| {
                let secret = auth.totp_secret(user, factor)?;
                let step = secret.step_of(code, auth.seconds())?;
                let is_new = factor.last_step.is_none_or(|last| step > last);
                let uses = FactorProof::Totp { id: factor.id, step };
                is_new.then_some(Proved { by: Proof::Totp, uses })
            })
        }
        What::Recovery(code) => {
            let hash = auth.recovery_hasher().hash(user, code);
            let is_theirs = factors.recovery_codes.contains(&hash);
            let uses = FactorProof::RecoveryCode { hash };
            is_theirs.then_some(Proved { by: Proof::RecoveryCode, uses })
        }
        What::Passkey(shown) => check_passkey(auth, peer, found, factors, shown).await,
    }
}

impl Auth {
    /// What a factor of an app is proved with. `None`, and a line in the log, where it cannot be
    /// opened: the secret of this server is another than the one it was sealed under.
    pub(crate) fn totp_secret(&self, user: UserId, factor: &StoredFactor) -> Option<TotpSecret> {
        TotpSecret::from_bytes(&self.opened(user, factor)?)
    }

    /// What a factor has sealed.
    pub(crate) fn opened(&self, user: UserId, factor: &StoredFactor) -> Option<Zeroizing<Vec<u8>>> {
        let opened = self.factor_seal().open(&factor.sealed, factor.id, user);
        let log = |error: &_| {
            tracing::error!(%error, %user, factor = %factor.id, "a factor cannot be opened");
        };
        opened.inspect_err(log).ok()
    }
}

/// The mail that tells of a recovery code that was used.
pub(crate) fn notices(
    auth: &Auth,
    peer: &Peer,
    found: &FoundUser<Candidate>,
    factors: &UserFactors,
    proved: &FactorProof,
) -> Result<Vec<NewMail>, StoreError> {
    if !matches!(proved, FactorProof::RecoveryCode { .. }) {
        return Ok(Vec::new());
    }
    let left = factors.recovery_codes.len().saturating_sub(1);
    let values = vec![("place", peer.ip.to_string()), ("left", left.to_string())];
    auth.notice(MailKind::RecoveryCodeUsed, &found.user.addressee(), values)
        .map_err(|error| StoreError::Failed(error.to_string()))
}

/// Tells the tries of a known device at codes from those at passwords.
const OF_FACTORS: u64 = 0xfac7_0250_0000_0001;

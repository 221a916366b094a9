//! Sessions: what one is, how it ends, and the decision that every refresh asks for.
//!
//! ```
//! use countersign::session::{RevokedReason, Transport};
//!
//! assert_eq!(Transport::Cookie.as_str(), "cookie");
//! assert_eq!(RevokedReason::TokenTheft.to_string(), "token_theft");
//! ```

mod agent;
pub mod device;
mod device_name;
mod refresh;
pub mod rotation;

use std::fmt;
use std::net::IpAddr;

use jiff::Timestamp;
use serde::Serialize;

pub use countersign_verify::SessionId;

pub use agent::device_in_words;
#[cfg(feature = "axum")]
pub(crate) use agent::device_without_words;
pub use device_name::{DeviceName, DeviceNameError};
pub use refresh::{Decided, RefreshRefused, SessionRow, decide};

use crate::sign_in::{Method, Methods, Scope};
use crate::user::UserId;
use device::DeviceRecord;
use rotation::Jti;

/// A session about to begin.
///
/// ```
/// # mod world { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/examples/world.rs")); }
/// use countersign::session::rotation::Jti;
/// use countersign::session::{NewSession, SessionId, Transport};
///
/// # world::run(async |world| {
/// # let (store, ada, now) = (world.auth.store(), world.ada, world::midnight());
/// let session = NewSession {
///     id: SessionId::new(7).unwrap(),
///     user_id: ada.id,
///     jti: Jti([1; 16]),
///     created_at: now,
///     expires_at: now + std::time::Duration::from_secs(3600),
///     transport: Transport::Body,
///     user_agent: "an import".to_owned(),
///     device_name: None,
///     ip: None,
/// };
/// assert!(store.create_session(session).await.unwrap());
/// # });
/// ```
#[derive(Debug, Clone)]
pub struct NewSession {
    /// Its id, freshly drawn.
    pub id: SessionId,
    /// Whose it is.
    pub user_id: UserId,
    /// The first refresh token's id.
    pub jti: Jti,
    /// When it begins.
    pub created_at: Timestamp,
    /// When it ends, however busy it is.
    pub expires_at: Timestamp,
    /// What kind of client it was born to.
    pub transport: Transport,
    /// What the client called itself.
    pub user_agent: String,
    /// What its user calls the device.
    pub device_name: Option<DeviceName>,
    /// Where the client came from.
    pub ip: Option<IpAddr>,
}

/// A session as its owner and an operator see it.
///
/// ```
/// # mod world { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/examples/world.rs")); }
/// # world::run(async |world| {
/// # let (auth, ada, now) = (world.auth, world.ada, world::midnight());
/// # world::log_in(&auth, countersign::session::Transport::Body).await;
/// for session in auth.store().user_sessions(ada.id, now).await.unwrap() {
///     println!(
///         "{} since {} from {:?} ({})",
///         session.id, session.created_at, session.ip, session.user_agent
///     );
///     assert_eq!(session.revoked, None);
/// }
/// # });
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Session {
    /// Its id.
    pub id: SessionId,
    /// Whose it is.
    pub user_id: UserId,
    /// When it began.
    pub created_at: Timestamp,
    /// When it was last refreshed.
    pub last_used_at: Timestamp,
    /// When it ends, however busy it is.
    pub expires_at: Timestamp,
    /// What kind of client it was born to.
    pub transport: Transport,
    /// What the client called itself at login, at most 255 characters.
    pub user_agent: String,
    /// What its user calls the device.
    pub device_name: Option<DeviceName>,
    /// Where the client came from at login.
    pub ip: Option<IpAddr>,
    /// When and why it was ended early.
    pub revoked: Option<(Timestamp, RevokedReason)>,
    /// What it knows of its user.
    pub authentication: Authentication,
    /// The device that it is bound to, or is about to be.
    pub device: Option<DeviceRecord>,
}

impl Session {
    /// Whether a proof of its device is asked for: whether the device's key is confirmed.
    ///
    /// ```
    /// # mod world { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/examples/world.rs")); }
    /// # world::run(async |world| {
    /// # let (auth, ada, now) = (world.auth, world.ada, world::midnight());
    /// # world::log_in(&auth, countersign::session::Transport::Cookie).await;
    /// let sessions = auth.store().user_sessions(ada.id, now).await.unwrap();
    /// assert!(!sessions[0].is_bound());
    /// # });
    /// ```
    pub fn is_bound(&self) -> bool {
        self.device.as_ref().is_some_and(|device| device.confirmed_at.is_some())
    }
}

/// What a session knows of its user: when and how they last proved who they are, and what that is
/// good for.
///
/// ```
/// use countersign::session::Authentication;
/// use countersign::sign_in::{Methods, Scope};
///
/// let began = Authentication::since(jiff::Timestamp::UNIX_EPOCH);
/// assert_eq!((began.methods, began.scope), (Methods::default(), Scope::Full));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Authentication {
    /// When they did it last: the claim `auth_time`.
    pub at: Timestamp,
    /// How: the claim `amr`.
    pub methods: Methods,
    /// What the session may be used for: the claim `scope`.
    pub scope: Scope,
}

impl Authentication {
    /// Of a session that began then, and of which nothing else is known.
    ///
    /// ```
    /// use countersign::session::Authentication;
    ///
    /// let at = jiff::Timestamp::UNIX_EPOCH;
    /// assert_eq!(Authentication::since(at).at, at);
    /// ```
    pub const fn since(at: Timestamp) -> Self {
        Self { at, methods: Methods::of_nothing(), scope: Scope::Full }
    }

    /// The same once the user has proved this too. It is as new as the new proof; that a session
    /// may only enrol does not change by it. Factors that were proved before count on with a proof
    /// of several factors alone: whatever proves less makes no old one new.
    ///
    /// ```
    /// use countersign::session::Authentication;
    /// use countersign::sign_in::Methods;
    ///
    /// let (then, now) =
    ///     ("2026-01-01T00:00:00Z".parse().unwrap(), "2026-01-02T00:00:00Z".parse().unwrap());
    /// let methods = Methods::from_words("pwd");
    /// let password = Authentication { methods, ..Authentication::since(then) };
    /// let both = password.proved_again(Methods::from_words("otp mfa"), now);
    /// assert_eq!((both.at, both.methods.to_string().as_str()), (now, "pwd otp mfa"));
    /// // With the password alone, who has no factor any more proves none.
    /// let again = both.proved_again(Methods::from_words("pwd"), now);
    /// assert_eq!(again.methods.to_string(), "pwd");
    /// ```
    #[must_use]
    pub const fn proved_again(self, methods: Methods, at: Timestamp) -> Self {
        let before = if methods.has(Method::Several) {
            self.methods
        } else {
            self.methods.without_factors()
        };
        Self { at, methods: before.and(methods), scope: self.scope }
    }
}

/// How a session's refresh token travels. A session is born as one kind and stays it.
///
/// ```
/// use countersign::session::Transport;
///
/// assert_eq!(serde_json::to_value(Transport::Body).unwrap(), "body");
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "lowercase")]
#[schema(
    description = "How a session's refresh token travels. A session is born as one kind and stays \
        it."
)]
pub enum Transport {
    /// In a cookie that script cannot read: browsers.
    Cookie,
    /// In the body: mobile, desktop and command-line clients.
    Body,
}

impl Transport {
    /// The word in the database and on the wire.
    ///
    /// ```
    /// assert_eq!(countersign::session::Transport::Cookie.as_str(), "cookie");
    /// ```
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Cookie => "cookie",
            Self::Body => "body",
        }
    }

    /// The transport of this word.
    ///
    /// ```
    /// use countersign::session::Transport;
    ///
    /// assert_eq!(Transport::from_word("body"), Some(Transport::Body));
    /// assert_eq!(Transport::from_word("pigeon"), None);
    /// ```
    pub fn from_word(word: &str) -> Option<Self> {
        [Self::Cookie, Self::Body].into_iter().find(|transport| transport.as_str() == word)
    }
}

/// Why a session was ended before its time.
///
/// ```
/// use countersign::session::RevokedReason;
///
/// assert_eq!(serde_json::to_value(RevokedReason::PasswordChanged).unwrap(), "password_changed");
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(description = "Why a session was ended before its time.")]
#[non_exhaustive]
pub enum RevokedReason {
    /// Its owner logged out, here or from another session.
    Logout,
    /// Its owner ended all sessions.
    LogoutAll,
    /// The password changed elsewhere.
    PasswordChanged,
    /// An operator ended it.
    Admin,
    /// The user was deactivated or deleted.
    UserInactive,
    /// Two parties held its refresh tokens.
    TokenTheft,
    /// Somebody logged in in the same browser.
    Replaced,
    /// The user began more sessions than one may have, and it was the oldest.
    SessionLimit,
    /// Its owner removed a second factor in another session.
    FactorRemoved,
}

impl RevokedReason {
    /// All of them.
    pub(crate) const ALL: [Self; 9] = [
        Self::Logout,
        Self::LogoutAll,
        Self::PasswordChanged,
        Self::Admin,
        Self::UserInactive,
        Self::TokenTheft,
        Self::Replaced,
        Self::SessionLimit,
        Self::FactorRemoved,
    ];

    /// The word in the database and in the member `reason` of a problem document.
    ///
    /// ```
    /// assert_eq!(countersign::session::RevokedReason::LogoutAll.as_str(), "logout_all");
    /// ```
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Logout => "logout",
            Self::LogoutAll => "logout_all",
            Self::PasswordChanged => "password_changed",
            Self::Admin => "admin",
            Self::UserInactive => "user_inactive",
            Self::TokenTheft => "token_theft",
            Self::Replaced => "replaced",
            Self::SessionLimit => "session_limit",
            Self::FactorRemoved => "factor_removed",
        }
    }

    /// The reason of this word.
    ///
    /// ```
    /// use countersign::session::RevokedReason;
    ///
    /// assert_eq!(RevokedReason::from_word("admin"), Some(RevokedReason::Admin));
    /// ```
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|reason| reason.as_str() == word)
    }
}

impl fmt::Display for RevokedReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The words are in databases and in clients.
    #[test]
    fn each_way_and_each_reason_has_its_word_for_ever() {
        let transports = [(Transport::Cookie, "cookie"), (Transport::Body, "body")];
        for (transport, word) in transports {
            assert_eq!(transport.as_str(), word);
            assert_eq!(Transport::from_word(word), Some(transport));
            assert_eq!(serde_json::to_value(transport).unwrap(), word);
        }
        assert_eq!(Transport::from_word("pigeon"), None);
        let reasons = [
            "logout",
            "logout_all",
            "password_changed",
            "admin",
            "user_inactive",
            "token_theft",
            "replaced",
            "session_limit",
            "factor_removed",
        ];
        assert_eq!(RevokedReason::ALL.map(RevokedReason::as_str), reasons);
        for (reason, word) in RevokedReason::ALL.into_iter().zip(reasons) {
            assert_eq!(RevokedReason::from_word(word), Some(reason));
            assert_eq!(reason.to_string(), word);
            assert_eq!(serde_json::to_value(reason).unwrap(), word);
        }
        assert_eq!(RevokedReason::from_word("boredom"), None);
    }
}

//! Sessions: what one is, how it ends, and the decision that every refresh asks for.

pub mod rotation;

use std::fmt;
use std::net::IpAddr;

use jiff::Timestamp;
use serde::Serialize;

pub use countersign_verify::SessionId;

use crate::user::UserId;
use rotation::Jti;

/// A session about to begin.
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
    /// Where the client came from.
    pub ip: Option<IpAddr>,
}

/// A session as its owner and an operator see it.
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
    /// Where the client came from at login.
    pub ip: Option<IpAddr>,
    /// When and why it was ended early.
    pub revoked: Option<(Timestamp, RevokedReason)>,
}

/// How a session's refresh token travels. A session is born as one kind and stays it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Transport {
    /// In a cookie that script cannot read: browsers.
    Cookie,
    /// In the body: mobile, desktop and command-line clients.
    Body,
}

impl Transport {
    /// The word in the database and on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Cookie => "cookie",
            Self::Body => "body",
        }
    }

    /// The transport of this word.
    pub fn from_word(word: &str) -> Option<Self> {
        [Self::Cookie, Self::Body].into_iter().find(|transport| transport.as_str() == word)
    }
}

/// Why a session was ended before its time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum RevokedReason {
    /// Its owner logged out, here or from another session.
    Logout,
    /// Its owner ended all of her sessions.
    LogoutAll,
    /// The password changed elsewhere.
    PasswordChanged,
    /// An operator ended it.
    Admin,
    /// The user was deactivated or deleted.
    UserInactive,
    /// Two parties held its refresh tokens.
    TokenTheft,
}

impl RevokedReason {
    /// The word in the database and in the member `reason` of a problem document.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Logout => "logout",
            Self::LogoutAll => "logout_all",
            Self::PasswordChanged => "password_changed",
            Self::Admin => "admin",
            Self::UserInactive => "user_inactive",
            Self::TokenTheft => "token_theft",
        }
    }

    /// The reason of this word.
    pub fn from_word(word: &str) -> Option<Self> {
        [Self::Logout, Self::LogoutAll, Self::PasswordChanged, Self::Admin, Self::UserInactive, Self::TokenTheft]
            .into_iter()
            .find(|reason| reason.as_str() == word)
    }
}

impl fmt::Display for RevokedReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

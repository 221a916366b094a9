//! First-party login for single-page, mobile and desktop apps, the safe way by default.
//!
//! A five-minute access token in memory, a refresh token in a cookie that script cannot read, a countersign (CSRF token) on everything that writes, and
//! revocation that really revokes. [`Auth`] is the way in; `ARCHITECTURE.md` is the map.

#![warn(clippy::unwrap_used)]

#[cfg(feature = "axum")]
mod attempts;
#[cfg(feature = "axum")]
mod auth;
#[cfg(feature = "axum")]
mod builder;
pub mod clock;
pub mod csrf;
pub mod device;
#[cfg(feature = "axum")]
pub mod events;
#[cfg(feature = "axum")]
mod feed;
#[cfg(feature = "axum")]
mod flow;
#[cfg(feature = "axum")]
pub mod http;
pub mod key_rotation;
pub mod password;
#[cfg(feature = "axum")]
mod revocation_list;
pub mod session;
#[cfg(feature = "axum")]
pub mod settings;
pub mod store;
pub mod throttle;
pub mod token;
pub mod user;

#[cfg(feature = "axum")]
pub use auth::{Auth, StartError, Stats};
#[cfg(feature = "axum")]
pub use builder::AuthBuilder;
pub use countersign_verify::permission;
#[cfg(feature = "axum")]
pub use countersign_verify::{Claims, CurrentUser, Identity, Permitted, require};
#[cfg(feature = "axum")]
pub use flow::{LoggedIn, PasswordRefused};
#[cfg(feature = "axum")]
pub use settings::{Settings, SettingsError};

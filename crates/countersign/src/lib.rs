//! First-party login for single-page, mobile and desktop apps, the safe way by default.
//!
//! A five-minute access token in memory, a refresh token in a cookie that script cannot read, a countersign (CSRF token) on everything that writes, and
//! revocation that really revokes. [`Auth`] is the way in; `ARCHITECTURE.md` is the map.

#![warn(clippy::unwrap_used)]

mod auth;
pub mod clock;
pub mod csrf;
pub mod device;
mod feed;
mod flow;
pub mod http;
pub mod key_rotation;
pub mod password;
mod revocation_list;
pub mod session;
pub mod settings;
pub mod store;
pub mod throttle;
pub mod token;
pub mod user;

pub use auth::{Auth, StartError, Stats};
pub use settings::{Settings, SettingsError};

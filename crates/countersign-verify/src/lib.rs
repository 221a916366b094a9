//! Verify Countersign access tokens: what a resource server needs, and nothing that needs a database.
//!
//! # A service that only verifies
//!
//! [`ResourceServer`] fetches the issuer's keys and hears of ended sessions within a second; its layer stands before any tower service, axum and tonic included. Behind it,
//! handlers take [`CurrentUser`], [`Claims`], [`Identity`] or [`Permitted`], and [`require`] asks for [permissions](permission).
//!
//! ```no_run
//! use axum::{Router, routing::get};
//! use countersign_verify::permission::IsStaff;
//! use countersign_verify::{CurrentUser, ResourceServer, TokenUser, require};
//!
//! # async fn start() -> Result<(), Box<dyn std::error::Error>> {
//! let auth = ResourceServer::builder("https://auth.example.com").build()?;
//! let app: Router = Router::new()
//!     .route("/me", get(|me: CurrentUser<TokenUser>| async move { format!("You are {}.", me.username) }))
//!     .route("/reports", get(|| async { "figures" }).layer(require(IsStaff)))
//!     .layer(auth.layer());
//! # Ok(()) }
//! ```
//!
//! # The parts
//!
//! [`Verifier`] checks tokens against a [`KeySet`] and remembers them; [`Revocations`] holds the sessions that ended; [`csrf`] checks the CSRF claim; [`Protect`] is the layer
//! over any [`Authenticator`]. `countersign` itself is built on them.
//!
//! # Features
//!
//! `axum` (on): the extractors. `tonic`: the layers before tonic services. `client` (on): [`ResourceServer`], with an HTTP client and TLS.

#![warn(clippy::unwrap_used)]

mod account;
mod bearer;
mod claims;
pub mod csrf;
#[cfg(feature = "axum")]
mod extract;
mod identity;
mod keys;
pub mod permission;
mod problem;
mod protect;
mod recent;
#[cfg(feature = "client")]
mod remote;
mod require;
mod response_body;
mod revocations;
mod session_id;
mod user_id;
mod verifier;

pub use account::{Account, TokenUser};
pub use bearer::{bearer, bearer_token, unread_bearer};
pub use claims::{Audience, Claims};
#[cfg(feature = "axum")]
pub use extract::{CurrentUser, Permitted};
pub use identity::{HasAccount, Identity};
pub use jsonwebtoken::Algorithm;
pub use keys::{KeySet, VerifyingKey};
pub use permission::{Denied, ObjectPermission, Permission};
pub use problem::{Code, Problem};
pub use protect::{Authenticator, Found, Passage, Protect, Protected, Refused};
pub use recent::Recent;
#[cfg(feature = "client")]
pub use remote::{ResourceServer, ResourceServerBuilder, ResourceServerError};
pub use require::{Answer, Require, Required, require};
pub use response_body::ResponseBody;
pub use revocations::Revocations;
pub use session_id::{InvalidSessionId, SessionId};
pub use user_id::{InvalidUserId, UserId};
pub use verifier::{ACCESS_TOKEN_TYPE, Seen, TokenError, Verified, Verifier};

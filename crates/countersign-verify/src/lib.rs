//! Verify Countersign access tokens: what a resource server needs, and nothing that needs a
//! database.
//!
//! # Mounting
//!
//! [`ResourceServer`] fetches the issuer's keys and hears of ended sessions within a second; its
//! [layer](ResourceServer::layer) stands before any tower service, axum and tonic included. What
//! stands behind it is private by default.
//!
//! ```no_run
//! use axum::{Router, routing::get};
//! use countersign_verify::permission::IsStaff;
//! use countersign_verify::{CurrentUser, ResourceServer, TokenUser, require};
//!
//! # async fn start() -> Result<(), Box<dyn std::error::Error>> {
//! let auth = ResourceServer::builder("https://auth.example.com").build()?;
//! let app: Router = Router::new()
//!     .route(
//!         "/me",
//!         get(|me: CurrentUser<TokenUser>| async move { format!("You are {}.", me.username) }),
//!     )
//!     .route("/reports", get(|| async { "figures" }).layer(require(IsStaff)))
//!     .layer(auth.layer());
//! # Ok(()) }
//! ```
//!
//! # Who is asking
//!
//! Handlers take [`CurrentUser`], [`Claims`], [`Identity`] or [`Permitted`]; `Option<Identity>`
//! where nobody need be logged in, behind [`layer_with`](ResourceServer::layer_with)`(AllowAny)`. A
//! [`TokenUser`] knows what the token says, and the token says what its issuer was configured to
//! say (`extra_claims`).
//!
//! ```
//! use countersign_verify::{Claims, Identity};
//!
//! async fn session(claims: Claims) -> String {
//!     format!("Session {} began at {}.", claims.sid, claims.auth_time)
//! }
//!
//! async fn greet(who: Option<Identity>) -> String {
//!     who.map_or("Hello.".to_owned(), |who| format!("Hello, {}.", who.account().username()))
//! }
//! ```
//!
//! # Permissions
//!
//! [`permission`] has Django REST framework's classes, joined by `and`, `or` and `not`.
//! [`require`](require()) is the layer for a route or a router, [`Permitted`] the extractor,
//! [`Identity::may`] the question about an object once it is loaded. One of your own is one method.
//!
//! ```
//! use axum::{Router, routing::post};
//! use countersign_verify::permission::{HasPerm, InGroup, Permission};
//! use countersign_verify::require;
//!
//! let may_publish = HasPerm("articles.publish").or(InGroup("editors"));
//! let app: Router =
//!     Router::new().route("/publish", post(|| async { "published" }).layer(require(may_publish)));
//! ```
//!
//! # Step-up
//!
//! [`RecentLogin`](permission::RecentLogin) keeps dangerous routes for those who have given the
//! password lately. The others get a 401 that says so (RFC 9470).
//!
//! ```
//! use axum::{Router, routing::delete};
//! use countersign_verify::{permission::RecentLogin, require};
//!
//! let app: Router =
//!     Router::new().route("/account", delete(|| async { "gone" }).layer(require(RecentLogin(5))));
//! ```
//!
//! # Refusing
//!
//! [`Problem`] is the one shape of every refusal (RFC 9457), and yours to use: handlers return it,
//! and [`Denied`] becomes one.
//!
//! ```
//! use countersign_verify::{Code, Problem};
//!
//! async fn order() -> Result<&'static str, Problem> {
//!     Err(Problem::new(Code::NotFound).detail("There is no such order."))
//! }
//! ```
//!
//! # Testing
//!
//! A [`Verifier`] takes the time and the keys that it is given, so a test signs its own tokens and
//! needs no network; [`Protect`] puts any [`Authenticator`] made of it before the app, in place of
//! the resource server's layer.
//!
//! ```
//! use countersign_verify::{
//!     ACCESS_TOKEN_TYPE, Algorithm, Claims, KeySet, SessionId, Verifier, VerifyingKey,
//! };
//! use jsonwebtoken::{DecodingKey, EncodingKey, Header};
//!
//! let secret = b"a key of the test's own, thirty-two bytes and more";
//! let keys = KeySet::new(vec![VerifyingKey::new(
//!     "k1".into(),
//!     Algorithm::HS256,
//!     DecodingKey::from_secret(secret),
//!     u64::MAX,
//! )]);
//! let verifier: Verifier = Verifier::new("https://auth.example.com".into(), None, keys, 100);
//!
//! let mut header = Header::new(Algorithm::HS256);
//! header.typ = Some(ACCESS_TOKEN_TYPE.into());
//! header.kid = Some("k1".into());
//! let claims = Claims::new(
//!     "https://auth.example.com".into(),
//!     "7".into(),
//!     SessionId::new(1).unwrap(),
//!     1_000,
//!     1_000,
//!     1_300,
//! );
//! let token = jsonwebtoken::encode(&header, &claims, &EncodingKey::from_secret(secret)).unwrap();
//! assert_eq!(verifier.verify(&token, 1_200).unwrap().claims.sub, "7");
//! ```
//!
//! # The parts
//!
//! [`Verifier`] checks tokens against a [`KeySet`] and remembers them; [`Revocations`] holds the
//! sessions that ended; [`csrf`] checks the CSRF claim; [`Protect`] is the layer over any
//! [`Authenticator`]. `countersign` itself is built on them.
//!
//! # What is promised
//!
//! What this documentation shows, until the next version with a break (0.2, then 1.0). What grows
//! is `#[non_exhaustive]`, and grows in any version: errors, claims, codes, the row of a
//! [`TokenUser`]. What an app makes itself is whole: an [`OwnCode`], a permission, an [`Audience`].
//!
//! # Features
//!
//! `axum` (on): the extractors. `tonic`: the layers before tonic services. `client` (on):
//! [`ResourceServer`], with an HTTP client and TLS. `uuid`: ids of users that are UUIDs.

// docs.rs shows which feature an item needs.
#![cfg_attr(docsrs, feature(doc_cfg))]
#![warn(clippy::unwrap_used)]

mod account;
mod bearer;
mod claims;
pub mod csrf;
mod drain;
#[cfg(feature = "axum")]
mod extract;
mod identity;
mod jwk_set;
#[doc(hidden)]
pub mod jws;
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
mod waiting;
mod weight;

pub use account::{Account, TokenUser};
pub use bearer::{bearer, bearer_token, unread_bearer};
pub use claims::{Audience, Claims};
pub use drain::Drained;
#[cfg(feature = "axum")]
pub use extract::{CurrentUser, Permitted};
pub use identity::{HasAccount, Identity};
pub use jsonwebtoken::Algorithm;
pub use jwk_set::NotAKeySet;
pub use keys::{KeySet, VerifyingKey};
pub use permission::{Denied, ObjectPermission, Permission};
pub use problem::{Code, OwnCode, Problem};
pub use protect::{Authenticator, Found, Passage, Protect, Protected};
pub use recent::Recent;
#[cfg(feature = "client")]
pub use remote::{ResourceServer, ResourceServerBuilder, ResourceServerError};
pub use require::{GuardFuture, Require, Required, require};
pub use response_body::ResponseBody;
pub use revocations::Revocations;
pub use session_id::{InvalidSessionId, SessionId};
pub use user_id::{InvalidUserId, UserId};
pub use verifier::{
    ACCESS_TOKEN_TYPE, ENROL, ENROL_TOKEN_TYPE, MAX_TOKEN_BYTES, Seen, TokenError, Verified,
    Verifier,
};
pub use waiting::Ended;

//! First-party login for single-page, mobile and desktop apps, the safe way by default.
//!
//! A five-minute access token in memory, a refresh token in a cookie that script cannot read, a
//! countersign (CSRF token) on everything that writes, and revocation that really revokes. [`Auth`]
//! is the way in; `ARCHITECTURE.md` is the map.
//!
//! # Mounting
//!
//! [`Auth::builder`] takes a [store](store::Store) and has a method for each [setting](Settings),
//! with the binary's defaults. [`Auth::routes`] are the endpoints: login, refresh, logout,
//! sessions, profile, password, and the keys for other services.
//!
//! ```no_run
//! use std::net::SocketAddr;
//!
//! use axum::{Router, routing::get};
//! use countersign::store::sqlite::SqliteStore;
//! use countersign::{Auth, CurrentUser, user::User};
//!
//! #[tokio::main]
//! async fn main() -> Result<(), Box<dyn std::error::Error>> {
//!     let store = SqliteStore::open("countersign.sqlite3".as_ref())?;
//!     let auth = Auth::builder(store)
//!         .secret_file("secret")
//!         .public_url("http://localhost:8000")
//!         .build()
//!         .await?;
//!
//!     let private = Router::new().route("/hello", get(hello));
//!     let app = auth.protect(private).merge(auth.routes());
//!
//!     let listener = tokio::net::TcpListener::bind("127.0.0.1:8000").await?;
//!     axum::serve(listener, app.into_make_service_with_connect_info::<SocketAddr>()).await?;
//!     Ok(())
//! }
//!
//! async fn hello(me: CurrentUser<User>) -> String {
//!     format!("Hello, {}.", me.username)
//! }
//! ```
//!
//! Serve with `into_make_service_with_connect_info`, so that throttling and the list of sessions
//! know where a client comes from.
//!
//! # Protecting
//!
//! [`Auth::protect`] makes every route of a router private, its fallback too: what you forget is
//! locked, not open. What shall be public is merged in afterwards. Handlers take [`CurrentUser`],
//! [`Claims`], [`Identity`] or [`Permitted`].
//!
//! ```
//! use axum::{Router, routing::get};
//! use countersign::{Auth, Claims, Identity};
//!
//! async fn session(claims: Claims) -> String {
//!     format!("Session {} began at {}.", claims.sid, claims.auth_time)
//! }
//!
//! async fn name(who: Identity) -> String {
//!     who.account().username().to_owned()
//! }
//!
//! fn app(auth: &Auth) -> Router {
//!     let private = Router::new().route("/session", get(session)).route("/name", get(name));
//!     let public = Router::new().route("/", get(|| async { "Everybody may read this." }));
//!     auth.protect(private).merge(public).merge(auth.routes())
//! }
//! ```
//!
//! # Users of your own
//!
//! Keep your own table: implement [`Users`](user::Users) over it, four questions, and
//! [`Account`](user::Account) for its rows. Then `CurrentUser<Member>` is the row. Sessions and
//! keys stay in the store. [`Auth::user_changed`] tells every process of a change.
//!
//! ```
//! use axum::{Router, routing::get};
//! use countersign::store::Store;
//! use countersign::user::{Account, UserId, Users};
//! use countersign::{Auth, CurrentUser, StartError};
//!
//! #[derive(Debug, serde::Serialize)]
//! struct Member {
//!     id: UserId,
//!     name: String,
//!     plan: String,
//! }
//!
//! impl Account for Member {
//!     fn id(&self) -> UserId {
//!         self.id
//!     }
//!     fn username(&self) -> &str {
//!         &self.name
//!     }
//! }
//!
//! async fn app(
//!     store: impl Store,
//!     members: impl Users<User = Member>,
//! ) -> Result<Router, StartError> {
//!     let auth = Auth::builder(store).secret_file("secret").users(members).build().await?;
//!     let plan = Router::new()
//!         .route("/plan", get(|me: CurrentUser<Member>| async move { me.plan.clone() }));
//!     Ok(auth.protect(plan).merge(auth.routes()))
//! }
//! ```
//!
//! # Permissions
//!
//! [`permission`] has Django REST framework's classes, joined by `and`, `or` and `not`; one of your
//! own is one method. [`require`](require()) is the layer for a route, [`Auth::protect_with`] for a
//! part of the app, [`Permitted`] the extractor, [`Identity::may`] the question about an object. A
//! permission that nobody can ever have stops the start.
//!
//! ```
//! use axum::{
//!     Router,
//!     routing::{get, post},
//! };
//! use countersign::permission::{HasPerm, InGroup, IsStaff, Permission};
//! use countersign::{Auth, require};
//!
//! fn app(auth: &Auth) -> Router {
//!     let may_publish = HasPerm("articles.publish").or(InGroup("editors"));
//!     let articles = Router::new()
//!         .route("/publish", post(|| async { "published" }).layer(require(may_publish)));
//!     let reports = Router::new().route("/reports", get(|| async { "figures" }));
//!     auth.protect(articles).merge(auth.protect_with(IsStaff, reports)).merge(auth.routes())
//! }
//! ```
//!
//! # Step-up
//!
//! [`RecentLogin`](permission::RecentLogin) keeps dangerous routes for those who have given the
//! password lately. The others get a 401 `recent_login_required` (RFC 9470); a refresh does not
//! help.
//!
//! ```
//! use axum::{Router, routing::post};
//! use countersign::permission::RecentLogin;
//! use countersign::{Auth, require};
//!
//! fn app(auth: &Auth) -> Router {
//!     let dangerous = Router::new()
//!         .route("/transfer", post(|| async { "Done." }).layer(require(RecentLogin(5))));
//!     auth.protect(dangerous).merge(auth.routes())
//! }
//! ```
//!
//! # Events
//!
//! [`Events`](events::Events) is the hook for the app's own audit, mail or metrics.
//!
//! ```
//! use countersign::events::{Event, Events};
//!
//! #[derive(Debug)]
//! struct Warnings(std::sync::mpsc::Sender<String>);
//!
//! impl Events for Warnings {
//!     fn on_theft(&self, event: &Event<'_>) {
//!         let _ = self.0.send(format!(
//!             "the session {:?} was stolen; last seen at {}",
//!             event.session, event.ip
//!         ));
//!     }
//! }
//! ```
//!
//! # Testing
//!
//! A test of your routes needs no network, no hashing and no waiting: [`Auth::log_in`] begins a
//! session without a password, a [`ManualClock`](clock::ManualClock) moves when it is told to, and
//! the router is asked as a tower service.
//!
//! ```
//! # use axum::{Router, body::Body, extract::Request, routing::get};
//! # use countersign::store::sqlite::SqliteStore;
//! # use countersign::user::{NewUser, Username};
//! # use countersign::{Auth, password::EncodedPassword, token::Secrets};
//! use std::sync::Arc;
//! use std::time::Duration;
//!
//! use countersign::clock::{Clock, ManualClock};
//! use countersign::http::Peer;
//! use countersign::session::Transport;
//! use tower::ServiceExt;
//!
//! # tokio::runtime::Runtime::new().unwrap().block_on(async {
//! # let directory = tempfile::tempdir().unwrap();
//! # let store = SqliteStore::open(&directory.path().join("test.sqlite3")).unwrap();
//! # let secrets = Secrets::from_text("only for tests, only for tests, only").unwrap();
//! let clock = Arc::new(ManualClock::at("2026-01-01T12:00:00Z".parse().unwrap()));
//! let auth = Auth::builder(store).secrets(secrets).clock(clock.clone()).build().await.unwrap();
//! let ada = NewUser::new(Username::parse("ada").unwrap(), None, EncodedPassword::unusable());
//! let ada = auth.store().create_user(ada, clock.now()).await.unwrap();
//! let app: Router = auth.protect(Router::new().route("/hello", get(|| async { "Hello." })));
//!
//! let login = auth.log_in(ada.id, Transport::Body, &Peer::local()).await.unwrap();
//! let hello = || {
//!     Request::get("/hello")
//!         .header("authorization", format!("Bearer {}", login.access_token()))
//!         .body(Body::empty())
//!         .unwrap()
//! };
//! assert_eq!(app.clone().oneshot(hello()).await.unwrap().status(), 200);
//! clock.advance(Duration::from_secs(300));
//! assert_eq!(app.oneshot(hello()).await.unwrap().status(), 401); // the access token has expired
//! # });
//! ```
//!
//! # The parts
//!
//! [`password`], [`session`], [`token`] and [`throttle`] are pure mechanism:
//! functions of their arguments, time and randomness included. [`store`] keeps what must be
//! kept. Services that only verify tokens take the crate `countersign-verify`.
//!
//! # What is promised
//!
//! What this documentation shows, until the next version with a break (0.2, then 1.0). Public items
//! that are hidden from it are the server's, and change in any version.
//!
//! What grows is `#[non_exhaustive]`, and grows in any version: every error, what an app is given
//! or chooses (events, mails, rows, settings), lists of kinds. Settings are changed field by field:
//! `let mut hash = HashSettings::default(); hash.threads = 2;`. The rest is whole: what an app
//! makes itself ([`FoundUser`](user::FoundUser), [`OwnCode`](http::OwnCode)), what is decided
//! ([`session`], [`sign_in`]), and what a [`store`] is handed and answers. A new field or outcome
//! there is a break, because who does not know of it would do the wrong thing.
//!
//! # Features
//!
//! `axum` (on): [`Auth`], the endpoints, `protect`, the extractors; without it the parts alone.
//! `sqlite` and `postgres`: the stores, of which an app names one. `smtp`: mail to an SMTP server,
//! or into a folder. `passkeys`: WebAuthn. `uuid`: ids of users that are UUIDs. `store-tests`: the
//! promises of a store, for whoever writes one.

// docs.rs shows which feature an item needs.
#![cfg_attr(docsrs, feature(doc_cfg))]
#![warn(clippy::unwrap_used)]

#[cfg(feature = "axum")]
mod auth;
pub mod clock;
#[cfg(feature = "axum")]
mod entry;
pub mod factor;
#[cfg(feature = "axum")]
mod flow;
#[cfg(feature = "axum")]
pub mod http;
#[doc(hidden)]
pub mod key_rotation;
#[cfg(feature = "axum")]
pub mod mail;
#[cfg(feature = "axum")]
mod own_table;
pub mod password;
pub mod session;
pub mod sign_in;
pub mod store;
mod store_error;
#[cfg(any(feature = "axum", feature = "postgres", feature = "sqlite"))]
mod supervise;
pub mod throttle;
pub mod token;
pub mod user;
#[cfg(feature = "axum")]
mod user_directory;
#[cfg(feature = "axum")]
pub mod web;

#[cfg(feature = "axum")]
pub use auth::builder::AuthBuilder;
#[cfg(feature = "axum")]
#[doc(hidden)]
pub use auth::post::{Letter, Owner, Post};
#[cfg(feature = "axum")]
pub use auth::settings::{Settings, SettingsError};
#[cfg(feature = "axum")]
pub use auth::{Auth, StartError, Stats, events, registration, settings};
pub use countersign_verify::permission;
#[cfg(feature = "axum")]
pub use countersign_verify::{Claims, CurrentUser, Identity, Permitted, require};
#[cfg(feature = "axum")]
pub use entry::{
    FactorRefused, FactorShown, Introspection, LoggedIn, LoggedOut, PasswordChecked,
    PasswordRefused, Shown, Ticket,
};

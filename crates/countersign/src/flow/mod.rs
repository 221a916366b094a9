//! The flows: one file a feature, each with its route, its request and answer, its policy in the order of the specification, and its errors.

mod begin;
mod check_password;
mod csrf;
mod issue;
mod jwks;
mod login;
mod logout;
mod logout_all;
mod openapi;
mod password;
mod profile;
mod refresh;
mod revocations;
mod sessions;
mod verify;

pub use begin::LoggedIn;
pub use check_password::{PasswordChecked, PasswordRefused};

use axum::Router;
use axum::routing::{delete, get, post};

use crate::auth::Auth;
use crate::http::cors::Cors;
use crate::http::{method_not_allowed, not_found};

impl Auth {
    /// The endpoints: everything below the base path, and `/.well-known/jwks.json` and `/.well-known/revocations`.
    ///
    /// ```
    /// # mod world { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/examples/world.rs")); }
    /// use axum::Router;
    ///
    /// # world::run(async |world| {
    /// # let auth = world.auth;
    /// let app: Router = Router::new().merge(auth.routes());
    /// # let (status, keys) = world::get(&app, "/.well-known/jwks.json", None).await;
    /// # assert!(status == 200 && keys.contains("Ed25519"));
    /// # });
    /// ```
    pub fn routes(&self) -> Router {
        self.same_origin_routes().layer(Cors::of(self))
    }

    /// The same endpoints without CORS, for whoever sees to it that a request with an `Origin` header goes to [`routes`](Self::routes), and adds `Vary: origin` to
    /// the answers of these: most requests then pass one layer less.
    ///
    /// ```
    /// # mod world { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/examples/world.rs")); }
    /// use axum::Router;
    ///
    /// # world::run(async |world| {
    /// # let auth = world.auth;
    /// // Every page is served from this origin: nobody sends cross-origin requests that should be answered.
    /// let app: Router = auth.same_origin_routes();
    /// # assert_eq!(world::get(&app, "/accounts/profile", None).await.0, 401);
    /// # });
    /// ```
    pub fn same_origin_routes(&self) -> Router {
        routes(self)
    }

    /// The OpenAPI document of [`routes`](Self::routes).
    ///
    /// ```
    /// # mod world { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/examples/world.rs")); }
    /// # world::run(async |world| {
    /// # let auth = world.auth;
    /// let document = auth.openapi();
    /// assert!(document.paths.paths.contains_key("/accounts/login"));
    /// # });
    /// ```
    pub fn openapi(&self) -> utoipa::openapi::OpenApi {
        openapi::openapi(self)
    }
}

/// Every endpoint of the contract, under one table.
fn routes(auth: &Auth) -> Router {
    // Each path whole: a nested router would take every request's URI apart and put it together again.
    let path = |rest: &str| format!("{}{rest}", auth.settings.base_path);
    let profile = get(profile::profile);
    // The rows of an app's own table are the app's to change.
    let profile = if auth.people.owns_profiles() { profile.patch(profile::change_profile) } else { profile };
    Router::new()
        .route(&path("/login"), post(login::login))
        .route(&path("/refresh"), post(refresh::refresh))
        .route(&path("/csrf"), get(csrf::csrf))
        .route(&path("/logout"), post(logout::logout))
        .route(&path("/logout-all"), post(logout_all::logout_all))
        .route(&path("/profile"), profile)
        .route(&path("/password"), post(password::change_password))
        .route(&path("/sessions"), get(sessions::sessions))
        .route(&path("/sessions/{id}"), delete(sessions::end_session))
        .route(&path("/verify"), get(verify::verify))
        .route(&path("/{*unknown}"), axum::routing::any(not_found))
        .route("/.well-known/jwks.json", get(jwks::jwks))
        .route("/.well-known/revocations", get(revocations::revocations))
        .method_not_allowed_fallback(method_not_allowed)
        .with_state(auth.clone())
}

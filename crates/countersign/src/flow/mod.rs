//! The flows: one file a feature, each with its route, its request and answer, its policy in the order of the specification, and its errors.

pub(crate) mod csrf;
mod issue;
pub(crate) mod jwks;
pub(crate) mod login;
pub(crate) mod logout;
pub(crate) mod logout_all;
mod openapi;
pub(crate) mod password;
pub(crate) mod profile;
pub(crate) mod refresh;
pub(crate) mod revocations;
pub(crate) mod sessions;
pub(crate) mod verify;

use axum::Router;
use axum::routing::{delete, get, post};

pub(crate) use openapi::openapi;

use crate::auth::Auth;
use crate::http::cors;
use crate::http::problem::{Code, Problem};

/// Every endpoint of the contract, under one table.
pub(crate) fn routes(auth: &Auth) -> Router {
    let accounts = Router::new()
        .route("/login", post(login::login))
        .route("/refresh", post(refresh::refresh))
        .route("/csrf", get(csrf::csrf))
        .route("/logout", post(logout::logout))
        .route("/logout-all", post(logout_all::logout_all))
        .route("/profile", get(profile::profile).patch(profile::change_profile))
        .route("/password", post(password::change_password))
        .route("/sessions", get(sessions::sessions))
        .route("/sessions/{id}", delete(sessions::end_session))
        .route("/verify", get(verify::verify))
        .route("/{*unknown}", axum::routing::any(not_found));
    Router::new()
        .nest(&auth.settings.base_path, accounts)
        .route("/.well-known/jwks.json", get(jwks::jwks))
        .route("/.well-known/revocations", get(revocations::revocations))
        .method_not_allowed_fallback(method_not_allowed)
        .layer(cors::layer(auth))
        .with_state(auth.clone())
}

async fn not_found() -> Problem {
    Problem::new(Code::NotFound)
}

async fn method_not_allowed() -> Problem {
    Problem::new(Code::MethodNotAllowed)
}

//! The management API at `/manage/v1/`: what the admin site does, for programs.
//!
//! Whoever [calls](caller) shows a service token, or an access token of somebody of the staff; the
//! acts are those of [`operate`](crate::operate), and the rules those of the admin site.

mod asked;
mod audit;
mod bulk;
mod caller;
mod change;
mod create;
mod document;
mod factors;
mod figures;
mod grants;
mod groups;
mod introspect;
mod links;
mod refusal;
mod sessions;
mod shown;
mod state;
mod tickets;
mod users;

use axum::Router;
use axum::routing::{any, delete, get, post, put};
use countersign::http::{method_not_allowed, not_found};

pub(crate) use introspect::INTROSPECT;
pub(crate) use state::Manage;

impl Manage {
    /// Every endpoint.
    pub(crate) fn routes(&self) -> Router {
        Router::new()
            .route("/manage/v1/openapi.json", get(document::answer))
            .route("/manage/v1/users", get(users::list).post(create::create))
            .route("/manage/v1/users/bulk", post(bulk::bulk))
            .route(
                "/manage/v1/users/{id}",
                get(users::read).patch(change::change).delete(change::delete),
            )
            .route("/manage/v1/users/{id}/activate", post(change::activate))
            .route("/manage/v1/users/{id}/deactivate", post(change::deactivate))
            .route(
                "/manage/v1/users/{id}/password",
                put(change::set_password).delete(change::forget_password),
            )
            .route("/manage/v1/users/{id}/sessions", get(sessions::list).delete(sessions::end_all))
            .route("/manage/v1/sessions/{sid}", delete(sessions::end))
            .route("/manage/v1/users/{id}/factors", get(factors::list).delete(factors::remove_all))
            .route("/manage/v1/users/{id}/factors/{factor}", delete(factors::remove))
            .route("/manage/v1/users/{id}/links", post(links::make))
            .route("/manage/v1/groups", get(groups::list).post(groups::create))
            .route(
                "/manage/v1/groups/{id}",
                get(groups::read).put(groups::change).delete(groups::delete),
            )
            .route("/manage/v1/permissions", get(grants::permissions))
            .route(INTROSPECT, post(introspect::introspect))
            .route("/manage/v1/tickets/redeem", post(tickets::redeem))
            .route("/manage/v1/audit", get(audit::audit))
            .route("/manage/v1/figures", get(figures::figures))
            .route("/manage/{*rest}", any(not_found))
            .method_not_allowed_fallback(method_not_allowed)
            .with_state(self.clone())
    }

    /// The paths, for figures by route.
    pub(crate) fn paths() -> Vec<String> {
        document::document().paths.paths.into_keys().collect()
    }
}

//! `GET /healthz`: the process is alive. `GET /readyz`: it can serve, because its store answers.

use axum::Router;
use axum::extract::State;
use axum::http::header::CACHE_CONTROL;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use countersign::Auth;
use countersign::http::Problem;

use super::Counts;

pub(super) fn routes(auth: Auth, counts: Counts) -> Router {
    let (health, ready) = (get(healthz), get(readyz));
    Router::new()
        .route("/healthz", health.clone())
        .route("/healthz/", health)
        .route("/readyz", ready.clone())
        .route("/readyz/", ready)
        .with_state((auth, counts))
}

#[utoipa::path(
    get,
    path = "/healthz",
    tag = "operation",
    summary = "Is the process alive?",
    responses((status = 200, description = "It is", body = String, content_type = "text/plain"))
)]
pub(super) async fn healthz() -> Response {
    ([(CACHE_CONTROL, "no-store")], "ok\n").into_response()
}

#[utoipa::path(
    get,
    path = "/readyz",
    tag = "operation",
    summary = "Can it serve?",
    responses(
        (status = 200, description = "It can", body = String, content_type = "text/plain"),
        (status = 503, description = "unavailable: the store does not answer"),
    )
)]
pub(super) async fn readyz(
    State((auth, counts)): State<(Auth, Counts)>,
) -> Result<Response, Problem> {
    auth.ready().await?;
    let text = match counts.panics() {
        0 => "ok\n".to_owned(),
        // It failed alone: no reason to take no more requests, but one to look.
        n => format!("ok, but jobs have panicked since the start: {n}; the log says where\n"),
    };
    Ok(([(CACHE_CONTROL, "no-store")], text).into_response())
}

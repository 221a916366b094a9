//! `POST /manage/v1/tickets/redeem`: who shows a ticket, for a program behind a WebSocket or a
//! download. It is used up by it.

use axum::body::Body;
use axum::extract::{Request, State};
use axum::response::Response;
use countersign::Introspection;
use countersign::http::{Code, Problem};
use serde::Deserialize;
use utoipa::ToSchema;

use super::asked::{NoQuery, Secret, body};
use super::caller::Caller;
use super::introspect::{Introspected, NOT_GOOD};
use super::shown::shown_json;
use super::state::Manage;
use crate::admin::rules::Permit;

/// A ticket that was shown.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct RedeemRequest {
    /// The ticket.
    #[schema(value_type = String)]
    ticket: Secret,
    /// What it must have been made for. Nothing unless it is said.
    #[schema(example = "chat")]
    r#for: Option<String>,
}

#[utoipa::path(
    post,
    path = "/manage/v1/tickets/redeem",
    tag = "tokens",
    summary = "Redeem a ticket",
    description = "It is good once, on whichever node. `token_use` is `ticket`, and there is no \
        `exp`: it was good for this request.",
    request_body = RedeemRequest,
    responses((status = 200, description = "Who shows it; or `active: false` for one that was \
        used, is too old, is for something else, or whose session is over", body = Introspected)),
    security(("bearer" = [])),
)]
pub(super) async fn redeem(
    State(manage): State<Manage>,
    caller: Caller,
    _: NoQuery,
    request: Request<Body>,
) -> Result<Response, Problem> {
    caller.needs(Permit::Introspect)?;
    let asked: RedeemRequest = body(&manage, request).await?;
    caller.still_needs(&manage, Permit::Introspect).await?;
    let purpose = asked.r#for.unwrap_or_default();
    // A 401 would say that the service token is not good.
    match manage.auth.redeem_ticket(asked.ticket.expose(), &purpose).await {
        Ok(who) => Ok(shown_json(Introspection::of_ticket(who).to_json(None))),
        Err(problem) if [Code::Unavailable, Code::InternalError].contains(&problem.code()) => {
            Err(problem)
        }
        Err(_) => Ok(shown_json(NOT_GOOD.to_vec())),
    }
}

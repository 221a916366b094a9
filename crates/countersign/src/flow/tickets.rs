//! `POST /accounts/tickets`: a ticket for one request that can send no header.

use axum::body::Body;
use axum::extract::State;
use axum::http::Request;
use serde::Serialize;

use crate::auth::Auth;
use crate::http::answer::Uncached;
use crate::http::authenticated::Authenticated;
use crate::http::fields::body_if_any;
use crate::http::problem::Problem;
use crate::http::request::{Text, request};
use crate::token::ticket::TICKET_SECONDS;

request! {
    /// What a ticket is to be good for.
    pub(crate) struct TicketRequest {
        /// Whoever redeems it must name the same. Nothing unless it is said.
        #[example = "chat"]
        r#for: Option<Text<200>>,
    }
}

/// What comes back.
#[derive(Serialize, utoipa::ToSchema)]
pub(crate) struct TicketResponse {
    /// Put it into the address of one request.
    ticket: String,
    /// For how many seconds it is good.
    #[schema(example = 30)]
    expires_in: u64,
}

#[utoipa::path(
    post,
    path = "/accounts/tickets",
    tag = "accounts",
    summary = "Ask for a ticket",
    request_body = Option<TicketRequest>,
    responses(
        (status = 200, description = "A ticket of this session, good once", body = TicketResponse),
        (status = 429, description = "throttled: this session has had 120 in a minute"),
    ),
    security(("bearer" = [])),
)]
pub(crate) async fn new_ticket(
    State(auth): State<Auth>,
    who: Authenticated,
    request: Request<Body>,
) -> Result<Uncached<TicketResponse>, Problem> {
    let asked: TicketRequest = body_if_any(request, auth.settings().body_timeout).await?;
    who.still(&auth)?;
    let purpose = asked.r#for.map(|Text(purpose)| purpose).unwrap_or_default();
    let ticket = auth.ticket(who.claims().sid, &purpose)?;
    Ok(Uncached::new(TicketResponse { ticket, expires_in: TICKET_SECONDS }))
}

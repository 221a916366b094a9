//! `POST /manage/v1/users/{id}/links`: a link for a user that is good once, sent by mail or given
//! to whoever asks.

use axum::Json;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::http::header::CACHE_CONTROL;
use axum::response::{IntoResponse, Response};
use countersign::http::{Code, Problem};
use countersign::store::admin::AdminError;
use countersign::token::Purpose;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::asked::{NoQuery, Path};
use super::caller::Caller;
use super::change::MOST_TRIES;
use super::refusal::not_sent;
use super::shown::NO_STORE;
use super::state::Manage;
use super::users::taken_over;
use crate::admin::rules::may_set_password;
use crate::operate::people::{NotSent, Sent};

/// The link that is asked for.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct LinkRequest {
    /// What it is for.
    kind: LinkKind,
    /// Whether a mail carries it. If not, the answer does, once.
    send: bool,
}

/// What a link is for.
#[derive(Debug, Clone, Copy, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum LinkKind {
    /// To prove an address.
    Verify,
    /// To choose a new password.
    Reset,
    /// To choose the first password.
    Invitation,
}

/// The link that was made. Earlier ones of its kind are good no more.
#[derive(Serialize, ToSchema)]
pub(super) struct LinkAnswer {
    /// Whether a mail carries it.
    mailed: bool,
    /// Where a mail carries it: to which address.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = String, required = false)]
    to: Option<String>,
    /// Where none does: the link, which whoever calls gives the user. It is not shown again.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = String, required = false)]
    link: Option<String>,
}

#[utoipa::path(
    post,
    path = "/manage/v1/users/{id}/links",
    tag = "users",
    summary = "Make a link for a user",
    description = "Who has the link can sign in as the user, so it is given by the rule for \
        setting a password.",
    params(("id" = i64, Path, description = "The user's id")),
    request_body = LinkRequest,
    responses(
        (status = 201, description = "It is made", body = LinkAnswer),
        (status = 409, description = "conflict: the user has no address, is not active, has proved \
            it already, or has a password already; or they change all the time; or no mail is sent \
            here"),
    ),
    security(("bearer" = [])),
)]
pub(super) async fn make(
    State(manage): State<Manage>,
    caller: Caller,
    Path(id): Path<String>,
    _: NoQuery,
    request: Request<Body>,
) -> Result<Response, Problem> {
    let LinkRequest { kind, send } = caller.body(&manage, request).await?;
    let purpose = match kind {
        LinkKind::Verify => Purpose::VerifyEmail,
        LinkKind::Reset => Purpose::ResetPassword,
        LinkKind::Invitation => Purpose::Invitation,
    };
    let mut tries = 0;
    let answer = loop {
        tries += 1;
        match make_once(&manage, &caller, &id, purpose, send).await? {
            // Nobody said which user they mean the link for: it is for whoever they are now.
            Err(NotSent::Act(AdminError::Stale)) if tries < MOST_TRIES => {}
            made => break made.map_err(not_made)?,
        }
    };
    Ok((StatusCode::CREATED, [(CACHE_CONTROL, NO_STORE)], Json(answer)).into_response())
}

async fn make_once(
    manage: &Manage,
    caller: &Caller,
    id: &str,
    purpose: Purpose,
    send: bool,
) -> Result<Result<LinkAnswer, NotSent>, Problem> {
    let user = taken_over(manage, caller, id).await?;
    let operator = caller.operator(manage, may_set_password)?;
    let (services, desk) = (&manage.services, &manage.desk);
    Ok(if send {
        let sent = operator.send_letter(services, desk, purpose, &user).await;
        sent.map(|to| LinkAnswer { mailed: true, to: Some(to), link: None })
    } else {
        operator.make_link(services, desk, purpose, &user).await.map(|sent| match sent {
            Sent::ByHand(link) => LinkAnswer { mailed: false, to: None, link: Some(link) },
            Sent::Queued | Sent::Earlier => LinkAnswer { mailed: true, to: None, link: None },
        })
    })
}

fn not_made(why: NotSent) -> Problem {
    match why {
        NotSent::Act(AdminError::Stale) => Problem::new(Code::Conflict)
            .detail("Nothing was done: the user changes all the time. Send it again."),
        NotSent::HasAccount(_) => Problem::new(Code::Conflict)
            .detail("Nothing was done: the user has a password already. Send `reset`."),
        other => not_sent(other),
    }
}

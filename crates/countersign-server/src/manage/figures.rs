//! `GET /manage/v1/figures`: what the dashboard of the admin site shows.

use std::collections::BTreeMap;

use axum::extract::State;
use axum::response::Response;
use countersign::http::{Code, Problem};
use countersign::store::admin::Counted;
use serde::Serialize;
use utoipa::ToSchema;

use super::asked::Query;
use super::caller::Caller;
use super::shown::{ShownCount, shown};
use super::state::Manage;
use crate::admin::rules::{Permit, may};
use crate::operate::check::{Verdict, look};
use crate::operate::figures::{Figures, SPANS};

/// How it goes.
#[derive(Serialize, ToSchema)]
pub(super) struct ShownFigures {
    /// `day`, `week` or `month`: it ends with the hour that runs.
    span: &'static str,
    /// When each step began.
    steps: Vec<String>,
    /// How many seconds a step has.
    #[schema(example = 3600)]
    step_seconds: u64,
    /// What was counted in each step, by its name; of `active_sessions` the most at a time.
    counts: BTreeMap<String, Vec<u64>>,
    /// How large things are. For superusers.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = ShownSizes, required = false)]
    sizes: Option<ShownSizes>,
    /// What `countersign check` complains of on this node. For superusers.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Vec<Complaint>, required = false)]
    complaints: Option<Vec<Complaint>>,
}

/// How large things are.
#[derive(Serialize, ToSchema)]
struct ShownSizes {
    /// Users.
    users: ShownCount,
    /// Sessions, ended ones too, until they are forgotten.
    sessions: ShownCount,
    /// Lines of the audit log.
    audit: ShownCount,
    /// The database on the disk, in bytes.
    bytes: u64,
}

/// What could be better.
#[derive(Serialize, ToSchema)]
struct Complaint {
    /// Whether it must be changed.
    must: bool,
    /// What it is, and what to do.
    what: String,
}

#[utoipa::path(
    get,
    path = "/manage/v1/figures",
    tag = "log",
    summary = "Read the figures of the dashboard",
    params(("span" = Option<String>, Query, description = "`day`, `week` or `month`; a day unless \
        chosen")),
    responses((status = 200, description = "The figures", body = ShownFigures)),
    security(("bearer" = [])),
)]
pub(super) async fn figures(
    State(manage): State<Manage>,
    caller: Caller,
    mut query: Query,
) -> Result<Response, Problem> {
    if !may(caller.user(), Permit::ViewSession) {
        caller.needs(Permit::ViewAuditEvent)?;
    }
    let span = query.parse("span", |word| SPANS.iter().find(|span| span.word == word))?;
    query.end()?;
    let span = span.unwrap_or(&SPANS[0]);
    let (store, now) = (&*manage.services.store, manage.now());
    let figures = Figures::of(store, span, now).await?;
    let (mut sizes, mut complaints) = (None, None);
    // The state of the disk and the configuration.
    if caller.user().is_superuser {
        let found = store.sizes().await?;
        sizes = Some(ShownSizes {
            users: found.users.into(),
            sessions: found.sessions.into(),
            audit: found.audit.into(),
            bytes: found.bytes,
        });
        let found = look(&manage.services).await.map_err(|failure| {
            tracing::warn!(error = failure.sentence(), "the look at everything failed");
            Problem::new(Code::Unavailable).retry_after(1)
        })?;
        let bad = found.into_iter().filter(|(verdict, _)| *verdict != Verdict::Ok);
        let bad = bad.map(|(verdict, what)| Complaint { must: verdict == Verdict::Fail, what });
        complaints = Some(bad.collect());
    }
    Ok(shown(&ShownFigures {
        span: span.word,
        steps: figures.began.iter().map(ToString::to_string).collect(),
        step_seconds: u64::from(span.step_hours) * 3_600,
        counts: COUNTS
            .iter()
            .map(|(what, name)| ((*name).to_owned(), figures.steps(*what)))
            .collect(),
        sizes,
        complaints,
    }))
}

const COUNTS: [(Counted, &str); 8] = [
    (Counted::Login, "logins"),
    (Counted::LoginFailed, "failed_logins"),
    (Counted::ActiveSessions, "active_sessions"),
    (Counted::Refresh, "refreshes"),
    (Counted::Theft, "thefts"),
    (Counted::DeviceBound, "devices_bound"),
    (Counted::UnprovedLetIn, "unproved_let_in"),
    (Counted::UnprovedRefused, "unproved_refused"),
];

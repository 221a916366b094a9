//! `/admin/sessions/`: of one user and of all; to look at, and to end.

use askama::Template;
use axum::extract::State;
use countersign::session::{
    DeviceName, RevokedReason, Session, SessionId, Transport, device_in_words,
};
use countersign::store::admin::{AuditSearch, SessionSearch};
use countersign::user::UserId;
use jiff::Timestamp;

use crate::admin::gate::{Path, Posted, Query, Staff};
use crate::admin::kit::audit::{Line, lines};
use crate::admin::kit::field::{Field, own_password};
use crate::admin::kit::forms::Form;
use crate::admin::kit::frame::Frame;
use crate::admin::kit::listing::{Choice, PAGE_ROWS, Pager, place, unknown_choice};
use crate::admin::kit::page::redirect;
use crate::admin::kit::page_error::{PageError, PageResult, shown};
use crate::admin::kit::session_story::{State as Ended, session_story, state, step_in_words};
use crate::admin::kit::user_link::{Names, asked};
use crate::admin::kit::when::When;
use crate::admin::rules::{Permit, may, may_end_all_sessions, may_end_sessions};
use crate::admin::site::Admin;

pub(crate) async fn list(
    State(admin): State<Admin>,
    staff: Staff,
    Query(query): Query,
) -> PageResult {
    staff.needs(Permit::ViewSession)?;
    let now = admin.clock.now();
    let search = search(&admin, &query, now).await?;
    let page = admin.store.find_sessions(&search).await?;
    let mut names = Names::default();
    names.read(&*admin.store, page.rows.iter().map(|session| session.user_id).collect()).await?;
    let linked = may(&staff.user, Permit::ViewUser);
    let may_end_all = staff.user.is_superuser;
    shown(&SessionsPage {
        frame: staff.frame("/admin/sessions/", "Sessions").saying(&query),
        pager: Pager::new(&page, &query, "session", "sessions"),
        user: query.text("user"),
        of: search.user,
        filters: vec![
            Choice::new(
                &query,
                "state",
                "State",
                [("", "All"), ("live", "Live, or left idle"), ("ended", "Ended")],
            ),
            Choice::new(
                &query,
                "reason",
                "Ended by",
                std::iter::once(("", "Anything"))
                    .chain(REASONS.map(|(reason, text)| (reason.as_str(), text))),
            ),
            Choice::new(
                &query,
                "transport",
                "Token in",
                [("", "All"), ("cookie", "A cookie (browser)"), ("body", "The body (app)")],
            ),
        ],
        is_filtered: query
            .fields()
            .any(|(name, text)| !text.is_empty() && !["at", "said"].contains(&name)),
        rows: page
            .rows
            .iter()
            .map(|session| SessionRow::new(session, &names, linked, &admin, now))
            .collect(),
        may_end: may(&staff.user, Permit::DeleteSession),
        may_end_all,
        own_password: (may_end_all && !staff.is_fresh(now)).then(own_password),
    })
}

async fn search(admin: &Admin, query: &Form, now: Timestamp) -> Result<SessionSearch, PageError> {
    let live = match query.text("state") {
        "" => None,
        "live" => Some(true),
        "ended" => Some(false),
        _ => return Err(unknown_choice()),
    };
    let transport = match query.text("transport") {
        "" => None,
        word => Some(Transport::from_word(word).ok_or_else(unknown_choice)?),
    };
    let reason = match query.text("reason") {
        "" => None,
        word => Some(RevokedReason::from_word(word).ok_or_else(unknown_choice)?),
    };
    let user = asked(admin, query, "user").await?;
    Ok(SessionSearch { user, live, transport, reason, now, from: place(query)?, limit: PAGE_ROWS })
}

pub(crate) async fn show(
    State(admin): State<Admin>,
    staff: Staff,
    Query(query): Query,
    Path(id): Path,
) -> PageResult {
    staff.needs(Permit::ViewSession)?;
    let gone = || {
        PageError::gone(
            "There is no such session. Sessions that ended long ago are forgotten; the audit log \
             may still tell of it.",
        )
    };
    let id = id.parse::<SessionId>().map_err(|_| gone())?;
    let session = admin.store.session(id).await?.ok_or_else(gone)?;
    let steps = admin.store.session_steps(id).await?;
    let mut names = Names::default();
    names.read(&*admin.store, vec![session.user_id]).await?;
    let now = admin.clock.now();
    let lines = if may(&staff.user, Permit::ViewAuditEvent) {
        let search = AuditSearch { session: Some(id), limit: HISTORY, ..AuditSearch::default() };
        Some(lines(&admin, &staff.user, admin.store.audit(&search).await?.rows).await?)
    } else {
        None
    };
    let state = state(&session, admin.limits.session_idle, now);
    shown(&SessionPage {
        frame: staff.frame("/admin/sessions/", format!("Session {id}")).saying(&query),
        id,
        is_live: state == Ended::Live,
        story: session_story(&session, state, &steps, admin.limits.session_idle),
        user: names.link(session.user_id, may(&staff.user, Permit::ViewUser)),
        device: device_in_words(&session.user_agent),
        device_name: session.device_name.as_ref(),
        bound: session.device.as_ref().and_then(|device| device.confirmed_at).map(When::from),
        user_agent: &session.user_agent,
        ip: session.ip.map_or_else(|| "not known".to_owned(), |ip| ip.to_string()),
        transport: transport_in_words(session.transport),
        began: session.created_at.into(),
        used: session.last_used_at.into(),
        expires: session.expires_at.into(),
        steps: steps.iter().map(|step| (step.at.into(), step_in_words(step.kind))).collect(),
        lines,
        may_end: may(&staff.user, Permit::DeleteSession),
    })
}

pub(crate) async fn end(State(admin): State<Admin>, posted: Posted) -> PageResult {
    posted.staff.needs(Permit::DeleteSession)?;
    match posted.form.text("act") {
        "some" => end_some(&admin, &posted).await,
        "user" => {
            let gone = || PageError::gone("There is no such user.");
            let id = posted.form.text("of").parse::<UserId>().map_err(|_| gone())?;
            admin.store.user_by_id(id).await?.ok_or_else(gone)?;
            posted.operator(&admin).who(may_end_sessions).end_user_sessions(id).await?;
            admin.auth.catch_up().await?;
            Ok(redirect(&format!("/admin/sessions/?user={id}&said=ended")))
        }
        "all" => end_all(&admin, &posted).await,
        _ => Err(PageError::bad("Choose which sessions to end.")),
    }
}

async fn end_some(admin: &Admin, posted: &Posted) -> PageResult {
    let unknown = |_| PageError::bad("One of the choices is none that the page offered.");
    let ids = posted
        .form
        .all("sessions")
        .map(|text| text.parse::<SessionId>().map_err(unknown))
        .collect::<Result<Vec<_>, _>>()?;
    if ids.is_empty() {
        return Err(PageError::bad("No session is ticked. Go back and tick those that you mean."));
    }
    if ids.len() > AT_ONCE {
        return Err(PageError::bad(format!("At most {AT_ONCE} sessions at once, please.")));
    }
    posted.operator(admin).who(may_end_sessions).end_sessions(&ids).await?;
    admin.auth.catch_up().await?;
    Ok(redirect(&match ids.as_slice() {
        [id] => format!("/admin/sessions/{id}/?said=ended"),
        _ => "/admin/sessions/?said=ended".to_owned(),
    }))
}

async fn end_all(admin: &Admin, posted: &Posted) -> PageResult {
    if !posted.staff.user.is_superuser {
        return Err(PageError::forbidden("Only a superuser ends the sessions of everybody."));
    }
    posted.confirm(admin).await?;
    let ended = posted.operator(admin).who(may_end_all_sessions).end_all_sessions().await?;
    tracing::info!(sessions = ended, "ended every session of everybody");
    admin.auth.catch_up().await?;
    Ok(redirect("/admin/sessions/?said=ended"))
}

fn transport_in_words(transport: Transport) -> &'static str {
    match transport {
        Transport::Cookie => "a cookie (browser)",
        Transport::Body => "the body (app)",
    }
}

#[derive(Template)]
#[template(path = "admin/sessions.html")]
struct SessionsPage<'a> {
    frame: Frame,
    pager: Pager,
    user: &'a str,
    of: Option<UserId>,
    filters: Vec<Choice>,
    is_filtered: bool,
    rows: Vec<SessionRow>,
    may_end: bool,
    may_end_all: bool,
    own_password: Option<Field<'static>>,
}

struct SessionRow {
    id: SessionId,
    user: String,
    is_live: bool,
    state: &'static str,
    device_name: Option<DeviceName>,
    device: String,
    is_bound: bool,
    ip: String,
    began: When,
    used: When,
    transport: &'static str,
}

impl SessionRow {
    fn new(session: &Session, names: &Names, linked: bool, admin: &Admin, now: Timestamp) -> Self {
        let state = state(session, admin.limits.session_idle, now);
        Self {
            id: session.id,
            user: names.link(session.user_id, linked),
            is_live: state == Ended::Live,
            state: match state {
                Ended::Live => "live",
                Ended::Idle => "ended: not used for too long",
                Ended::Old => "ended: had its time",
                Ended::By(reason) => REASONS
                    .iter()
                    .find(|(own, _)| *own == reason)
                    .map_or("ended", |(_, text)| *text),
            },
            device_name: session.device_name.clone(),
            device: device_in_words(&session.user_agent),
            is_bound: session.is_bound(),
            ip: session.ip.map(|ip| ip.to_string()).unwrap_or_default(),
            began: session.created_at.into(),
            used: session.last_used_at.into(),
            transport: transport_in_words(session.transport),
        }
    }
}

#[derive(Template)]
#[template(path = "admin/session.html")]
struct SessionPage<'a> {
    frame: Frame,
    id: SessionId,
    is_live: bool,
    /// Since when it takes a proof of its device.
    bound: Option<When>,
    story: Vec<String>,
    user: String,
    device: String,
    device_name: Option<&'a DeviceName>,
    user_agent: &'a str,
    ip: String,
    transport: &'static str,
    began: When,
    used: When,
    expires: When,
    steps: Vec<(When, &'static str)>,
    lines: Option<Vec<Line>>,
    may_end: bool,
}

/// What ended a session, in a few words.
const REASONS: [(RevokedReason, &str); 9] = [
    (RevokedReason::Logout, "ended: signed out"),
    (RevokedReason::LogoutAll, "ended: signed out everywhere"),
    (RevokedReason::PasswordChanged, "ended: new password"),
    (RevokedReason::Admin, "ended by an operator"),
    (RevokedReason::UserInactive, "ended: user inactive or gone"),
    (RevokedReason::TokenTheft, "ended: token theft"),
    (RevokedReason::Replaced, "ended: login in the same browser"),
    (RevokedReason::SessionLimit, "ended: too many sessions"),
    (RevokedReason::FactorRemoved, "ended: second factor removed"),
];

/// Lines of the audit log on a session's own page.
const HISTORY: u32 = 12;

/// A page of the list.
const AT_ONCE: usize = 100;

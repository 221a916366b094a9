//! `/admin/outbox/`: mails that wait, that failed and that went; trying one again, and forgetting
//! one. What a mail says is not shown: it may hold links and codes.

use askama::Template;
use axum::extract::State;
use countersign::store::{MailState, OutboxRow};
use jiff::Timestamp;

use crate::admin::gate::{Posted, Query, Staff};
use crate::admin::kit::forms::Form;
use crate::admin::kit::frame::Frame;
use crate::admin::kit::listing::{Choice, PAGE_ROWS, unknown_choice};
use crate::admin::kit::page::redirect;
use crate::admin::kit::page_error::{PageError, PageResult, shown};
use crate::admin::kit::user_link::Names;
use crate::admin::kit::when::When;
use crate::admin::rules::{Permit, may, may_change_outbox};
use crate::admin::site::Admin;
use crate::text::thousands;

pub(crate) async fn list(
    State(admin): State<Admin>,
    staff: Staff,
    Query(query): Query,
) -> PageResult {
    staff.needs(Permit::ViewOutbox)?;
    let state = match query.text("state") {
        "" => None,
        word => Some(MailState::from_word(word).ok_or_else(unknown_choice)?),
    };
    let mut found = admin.store.outbox(state, place(&query)?, PAGE_ROWS + 1).await?;
    let is_more = found.len() > PAGE_ROWS as usize;
    found.truncate(PAGE_ROWS as usize);
    let next = found.last().filter(|_| is_more).map(|row| {
        let at = format!("{}-{}", row.created_at.as_microsecond(), row.id);
        query.with(&[("at", &at), ("said", "")])
    });
    let mut names = Names::default();
    names.read(&*admin.store, found.iter().filter_map(|row| row.user).collect()).await?;
    let linked = may(&staff.user, Permit::ViewUser);
    let counts = admin.store.outbox_counts().await?;
    let states = [("", "All")].into_iter().chain(STATES);
    shown(&OutboxPage {
        frame: staff.frame("/admin/outbox/", "Outbox").saying(&query),
        state: Choice::new(&query, "state", "State", states),
        is_filtered: state.is_some(),
        waiting: thousands(counts.waiting),
        failed: thousands(counts.failed),
        can_mail: admin.auth.can_mail(),
        may_change: may(&staff.user, Permit::ChangeOutbox),
        rows: found.into_iter().map(|row| Line::of(row, &names, linked)).collect(),
        first: (!query.text("at").is_empty()).then(|| query.with(&[("at", ""), ("said", "")])),
        next,
    })
}

pub(crate) async fn act(State(admin): State<Admin>, posted: Posted) -> PageResult {
    posted.staff.needs(Permit::ChangeOutbox)?;
    let operator = posted.operator(&admin).who(may_change_outbox);
    match (posted.form.number("retry")?, posted.form.number("forget")?) {
        (Some(id), None) => {
            operator.retry_mail(id).await?;
            Ok(redirect("/admin/outbox/?said=mail-retried"))
        }
        (None, Some(id)) => {
            operator.forget_mail(id).await?;
            Ok(redirect("/admin/outbox/?said=mail-forgotten"))
        }
        _ => Err(PageError::bad("Choose one mail, and what is to be done with it.")),
    }
}

/// Where the page begins that the address asks for.
fn place(query: &Form) -> Result<Option<(Timestamp, i64)>, PageError> {
    let text = query.text("at");
    if text.is_empty() {
        return Ok(None);
    }
    let parsed = text.split_once('-').and_then(|(at, id)| {
        let at = Timestamp::from_microsecond(at.parse().ok()?).ok()?;
        Some((at, id.parse().ok()?))
    });
    parsed.map(Some).ok_or_else(|| {
        PageError::bad("The place in the list is none that a page named. Begin at the first page.")
    })
}

/// A mail, in words.
struct Line {
    id: i64,
    state: &'static str,
    is_failed: bool,
    address: String,
    /// A link, as HTML.
    user: String,
    queued: When,
    due: When,
    tries: u32,
    error: String,
    may_retry: bool,
    may_forget: bool,
}

impl Line {
    fn of(row: OutboxRow, names: &Names, linked: bool) -> Self {
        let state = STATES.iter().find(|(word, _)| *word == row.state.as_str());
        let is_waiting = row.state == MailState::Waiting;
        let is_failed = row.state == MailState::Failed;
        Self {
            id: row.id,
            state: state.map_or("another", |(_, text)| text),
            is_failed,
            address: row.address,
            user: row.user.map(|id| names.link(id, linked)).unwrap_or_default(),
            queued: row.created_at.into(),
            due: row.due_at.into(),
            tries: row.tries,
            error: row.error,
            may_retry: is_waiting,
            may_forget: is_waiting || is_failed,
        }
    }
}

#[derive(Template)]
#[template(path = "admin/outbox.html")]
struct OutboxPage {
    frame: Frame,
    state: Choice,
    is_filtered: bool,
    waiting: String,
    failed: String,
    can_mail: bool,
    may_change: bool,
    rows: Vec<Line>,
    first: Option<String>,
    next: Option<String>,
}

const STATES: [(&str, &str); 4] =
    [("waiting", "Waiting"), ("failed", "Failed"), ("sent", "Sent"), ("void", "Not to be sent")];

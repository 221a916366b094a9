//! `/admin/hooks/`: how the web hooks stand; what waits for one, was given up or was taken; and
//! sending again. What a message says is not shown, nor what it is signed with.

use askama::Template;
use axum::extract::State;
use countersign::store::admin::{HOOK_EVENTS, HookMessageRow, HookMessageState, HookState};
use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;

use crate::admin::gate::{Posted, Query, Staff};
use crate::admin::kit::field::{Field, own_password};
use crate::admin::kit::forms::Form;
use crate::admin::kit::frame::Frame;
use crate::admin::kit::listing::{Choice, PAGE_ROWS, unknown_choice};
use crate::admin::kit::page::redirect;
use crate::admin::kit::page_error::{PageError, PageResult, shown};
use crate::admin::kit::user_link::Names;
use crate::admin::kit::when::When;
use crate::admin::rules::{Permit, may, may_change_hooks};
use crate::admin::site::Admin;
use crate::config::Hook;
use crate::text::thousands;

pub(crate) async fn list(
    State(admin): State<Admin>,
    staff: Staff,
    Query(query): Query,
) -> PageResult {
    staff.needs(Permit::ViewHook)?;
    let hooks = configured(&admin);
    let states = admin.store.hooks().await?;
    shown(&HooksPage {
        frame: staff.frame("/admin/hooks/", "Web hooks").saying(&query),
        rows: states.into_iter().map(|state| Row::of(state, &hooks)).collect(),
    })
}

pub(crate) async fn messages(
    State(admin): State<Admin>,
    staff: Staff,
    Query(query): Query,
) -> PageResult {
    staff.needs(Permit::ViewHook)?;
    let mut states = admin.store.hooks().await?.into_iter();
    let hook = states.find(|state| state.hook == query.text("hook")).ok_or_else(gone)?;
    let state = match query.text("state") {
        "" => HookMessageState::Waiting,
        word => HookMessageState::from_word(word).ok_or_else(unknown_choice)?,
    };
    let before = place(&query)?;
    let mut found = admin.store.hook_messages(&hook.hook, state, before, PAGE_ROWS + 1).await?;
    let is_more = found.len() > PAGE_ROWS as usize;
    found.truncate(PAGE_ROWS as usize);
    let next = found.last().filter(|_| is_more).map(|row| {
        let at = format!("{}-{}", row.due_at.as_microsecond(), row.number);
        query.with(&[("at", &at), ("said", "")])
    });
    let mut names = Names::default();
    names.read(&*admin.store, found.iter().map(|row| row.user).collect()).await?;
    let linked = may(&staff.user, Permit::ViewUser);
    let may_change = may(&staff.user, Permit::ChangeHook);
    shown(&MessagesPage {
        frame: staff.frame("/admin/hooks/", format!("Web hook {}", hook.hook)),
        state: Choice::new(&query, "state", "State", STATES),
        rows: found.into_iter().map(|row| Line::of(row, &names, linked)).collect(),
        first: before.map(|_| query.with(&[("at", ""), ("said", "")])),
        next,
        since: may_change.then(since_field),
        own_password: (may_change && !staff.is_fresh(admin.clock.now())).then(own_password),
        hook: Row::of(hook, &configured(&admin)),
    })
}

pub(crate) async fn replay(State(admin): State<Admin>, posted: Posted) -> PageResult {
    posted.staff.needs(Permit::ChangeHook)?;
    let hook = posted.form.text("hook");
    let since = since(posted.form.text("since").trim())?;
    if admin.store.hooks().await?.iter().all(|state| state.hook != hook) {
        return Err(gone());
    }
    posted.confirm(&admin).await?;
    posted.operator(&admin).who(may_change_hooks).replay_hook(hook, since).await?;
    Ok(redirect("/admin/hooks/?said=hook-replayed"))
}

/// The web hooks of this node's file: without fault, since the server started with them.
fn configured(admin: &Admin) -> Vec<Hook> {
    admin.services.config.hooks().unwrap_or_default()
}

fn gone() -> PageError {
    PageError::gone("There is no such web hook.")
}

/// Since when what was taken is sent again too; `None` for none of it.
fn since(text: &str) -> Result<Option<Timestamp>, PageError> {
    if text.is_empty() {
        return Ok(None);
    }
    // A browser sends the time that its field shows, and the page says that it is UTC.
    let in_utc = || TimeZone::UTC.to_timestamp(text.parse::<DateTime>().ok()?).ok();
    text.parse::<Timestamp>().ok().or_else(in_utc).map(Some).ok_or_else(|| {
        PageError::bad("That is no time. Write one such as 2026-11-23T18:18, in UTC.")
    })
}

fn since_field() -> Field<'static> {
    let field = Field::text("since", "What it took since then, too (UTC)", "", 40);
    Field { kind: "datetime-local", ..field }.hint(
        "Of events since then; they are kept for 7 days. Leave it empty to send only what waits \
         and what was given up.",
    )
}

/// Where the page begins that the address asks for.
fn place(query: &Form) -> Result<Option<(Timestamp, i64)>, PageError> {
    let text = query.text("at");
    if text.is_empty() {
        return Ok(None);
    }
    let parsed = text.split_once('-').and_then(|(at, number)| {
        let at = Timestamp::from_microsecond(at.parse().ok()?).ok()?;
        Some((at, number.parse().ok()?))
    });
    parsed.map(Some).ok_or_else(|| {
        PageError::bad("The place in the list is none that a page named. Begin at the first page.")
    })
}

/// A web hook, in words.
struct Row {
    name: String,
    /// Without what may be a secret.
    place: String,
    events: String,
    paused: Option<(When, String)>,
    waiting: String,
    failed: String,
    taken: When,
    error: String,
}

impl Row {
    fn of(state: HookState, hooks: &[Hook]) -> Self {
        let hook = hooks.iter().find(|hook| hook.name == state.hook);
        let events = match hook {
            Some(hook) if hook.events.len() == HOOK_EVENTS.len() => "all".to_owned(),
            Some(hook) => hook.events.join(", "),
            None => String::new(),
        };
        Self {
            name: state.hook,
            place: hook.map_or_else(|| "not in this node's file".to_owned(), Hook::place),
            events,
            paused: state.paused.map(|(at, why)| (at.into(), why)),
            waiting: thousands(state.waiting),
            failed: thousands(state.failed),
            taken: When(state.last_sent),
            error: state.error,
        }
    }
}

/// A message, in words.
struct Line {
    event: String,
    id: String,
    /// A link, as HTML.
    user: String,
    happened: When,
    due: When,
    tries: u32,
    error: String,
}

impl Line {
    fn of(row: HookMessageRow, names: &Names, linked: bool) -> Self {
        Self {
            event: row.event,
            id: row.id,
            user: names.link(row.user, linked),
            happened: row.created_at.into(),
            due: row.due_at.into(),
            tries: row.tries,
            error: row.error,
        }
    }
}

#[derive(Template)]
#[template(path = "admin/hooks.html")]
struct HooksPage {
    frame: Frame,
    rows: Vec<Row>,
}

#[derive(Template)]
#[template(path = "admin/hook.html")]
struct MessagesPage {
    frame: Frame,
    hook: Row,
    state: Choice,
    rows: Vec<Line>,
    first: Option<String>,
    next: Option<String>,
    /// Where the operator may have it go on.
    since: Option<Field<'static>>,
    own_password: Option<Field<'static>>,
}

const STATES: [(&str, &str); 3] =
    [("waiting", "Waiting"), ("failed", "Given up"), ("sent", "Taken")];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_utc_whether_or_not_it_says_so() {
        for text in ["2026-11-23T18:18", "2026-11-23T18:18:00Z", "2026-11-23T19:18+01:00"] {
            let read = since(text).unwrap().unwrap();
            assert_eq!(read.to_string(), "2026-11-23T18:18:00Z", "{text}");
        }
        assert_eq!(since("").unwrap(), None);
        for text in ["yesterday", "23.11.2026", "2026-13-01T00:00"] {
            assert!(since(text).is_err(), "{text}");
        }
    }
}

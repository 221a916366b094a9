//! `countersign audit`: the audit log in a terminal.
//!
//! What is there is listed by time, with the indexes that the lists of the admin site have. What
//! comes is followed in the order of transactions, in which no line ever appears before one that
//! was read ([0113](../../../../docs/decisions/0113-the-log-is-listed-by-time-and-followed-by-transaction.md)).

use std::collections::HashMap;
use std::net::IpAddr;
use std::time::Duration;

use clap::Args;
use clap::builder::{PossibleValuesParser, TypedValueParser};
use countersign::session::SessionId;
use countersign::store::StoreError;
use countersign::store::admin::{
    AdminStore, AuditKind, AuditPlace, AuditRow, AuditSearch, PageCursor, PlacedLine, Who,
};
use countersign::user::UserId;
use jiff::Timestamp;
use serde::Serialize;
use tokio::signal::unix::{SignalKind, signal};
use tokio::time::sleep;

use super::output::{self, columns, note};
use super::values::time;
use crate::command_error::CommandError;
use crate::operate::NOBODY;
use crate::services::{Context, Services, Wanted};
use crate::text::to_the_second;

/// Show the audit log, the newest lines last, or follow it
#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  countersign audit --user alice --since 2026-11-23T00:00:00Z\n  \
        countersign audit --follow --kind login_failed\n  countersign audit --json | jq -r .kind"
)]
pub(super) struct Audit {
    /// Go on with the lines that come, until it is interrupted
    #[arg(long)]
    follow: bool,
    /// At most so many of the lines that are there, the newest
    #[arg(long, value_name = "NUMBER", default_value_t = 100)]
    limit: u64,
    /// Only what happened so, by its word, such as login_failed
    #[arg(long, value_name = "WORD", value_parser = kind(), hide_possible_values = true)]
    kind: Option<AuditKind>,
    /// Only what they did: a user (name, e-mail address, id or id:7), shell:NAME, service:ID:NAME
    #[arg(long, value_name = "WHO")]
    by: Option<String>,
    /// Only what happened to this user: name, e-mail address or id (id:7 is never a name)
    #[arg(long, value_name = "USER")]
    user: Option<String>,
    /// Only in this session
    #[arg(long, value_name = "ID")]
    session: Option<SessionId>,
    /// Only from this address
    #[arg(long, value_name = "ADDRESS")]
    ip: Option<IpAddr>,
    /// Only at or after this time
    #[arg(long, value_name = "TIME", value_parser = time)]
    since: Option<Timestamp>,
    /// Only before this time
    #[arg(long, value_name = "TIME", value_parser = time, conflicts_with = "follow")]
    until: Option<Timestamp>,
    /// Print JSON, an object a line
    #[arg(long)]
    json: bool,
}

impl Audit {
    pub(super) async fn run(self, context: &Context) -> Result<(), CommandError> {
        let services = Services::open(context, Wanted::There).await?;
        let search = self.search(&services).await?;
        let printer = Printer { as_json: self.json, has_begun: false };
        if !self.follow {
            return list(&services, search, self.limit, printer).await;
        }
        let place = start(&*services.store, &search, self.limit).await?;
        let follower = Follower { services, search, place, printer, is_told: false };
        follower.run(context).await
    }

    async fn search(&self, services: &Services) -> Result<AuditSearch, CommandError> {
        let actor = match &self.by {
            Some(text) => Some(match Who::from_name(text) {
                Some(who) => who,
                None => Who::User(user(services, text).await?),
            }),
            None => None,
        };
        let user = match &self.user {
            Some(named) => Some(user(services, named).await?),
            None => None,
        };
        let (kind, session, ip) = (self.kind, self.session, self.ip);
        let (since, until) = (self.since, self.until);
        Ok(AuditSearch { kind, actor, user, session, ip, since, until, from: None, limit: PAGE })
    }
}

/// Lines stay when their user is gone, and then there is the id alone to name them by.
async fn user(services: &Services, named: &str) -> Result<UserId, CommandError> {
    let id = named.parse::<UserId>().ok().filter(|id| id.as_i64().is_some());
    match (services.user(named).await, id) {
        (Ok(user), _) => Ok(user.id),
        (Err(_), Some(id)) => Ok(id),
        (Err(error), None) => Err(error),
    }
}

/// Back from the newest line to the first that is shown, and forth again: however many there are,
/// a page of them is in memory.
async fn list(
    services: &Services,
    search: AuditSearch,
    limit: u64,
    mut printer: Printer,
) -> Result<(), CommandError> {
    let store = &*services.store;
    let (mut from, mut met, mut start) = (None, 0, None);
    // One more than are shown tells whether there are more.
    let many = |left: u64| u32::try_from(left.saturating_add(1)).unwrap_or(PAGE).min(PAGE);
    let has_more = 'back: loop {
        let asked = AuditSearch { from, limit: many(limit - met), ..search.clone() };
        let page = store.audit(&asked).await?;
        for row in &page.rows {
            if met == limit {
                break 'back true;
            }
            met += 1;
            // What is shown ends just before it, so that it is the last on the way back.
            start = Some(PageCursor {
                key: row.line.at.as_microsecond().to_string(),
                id: row.id.saturating_sub(1),
                backwards: true,
            });
        }
        from = page.next;
        if from.is_none() {
            break false;
        }
    };
    printer.begin();
    let mut left = met;
    while left > 0
        && let Some(place) = start
    {
        let page = store.audit(&AuditSearch { from: Some(place), ..search.clone() }).await?;
        let mut rows = page.rows;
        rows.reverse();
        // What came meanwhile is left for the next time.
        rows.truncate(usize::try_from(left).unwrap_or(usize::MAX));
        left -= rows.len() as u64;
        printer.print(&rows, &names_in(store, &rows).await?)?;
        start = page.previous;
    }
    if has_more {
        note(format!("There are more than {limit}; --limit shows more of them."));
    }
    Ok(())
}

/// The place behind which the last lines are that fit, so many at most: those that are there are
/// read as those that come.
async fn start(
    store: &dyn AdminStore,
    search: &AuditSearch,
    limit: u64,
) -> Result<Option<AuditPlace>, StoreError> {
    let (mut found, mut looked_at, mut before) = (0, 0, None);
    loop {
        let lines = store.audit_before(before, PAGE).await?;
        for PlacedLine { place, row } in &lines {
            if found == limit || looked_at == MOST_LOOKED_AT {
                return Ok(Some(*place));
            }
            looked_at += 1;
            found += u64::from(search.fits(row));
            before = Some(*place);
        }
        if lines.len() < PAGE as usize {
            return Ok(None);
        }
    }
}

/// Somebody who follows the log.
struct Follower {
    services: Services,
    search: AuditSearch,
    /// What was looked at, and printed where it fits.
    place: Option<AuditPlace>,
    printer: Printer,
    /// Whether it was said that the database does not answer.
    is_told: bool,
}

impl Follower {
    /// Until it is interrupted, or nobody reads it any more.
    async fn run(mut self, context: &Context) -> Result<(), CommandError> {
        let mut interrupt = signal(SignalKind::interrupt())?;
        let mut terminate = signal(SignalKind::terminate())?;
        let mut hangup = signal(SignalKind::hangup())?;
        self.printer.begin();
        tokio::select! {
            // Lines are printed whole: this ends where something is waited for.
            ended = self.follow(context) => ended,
            _ = interrupt.recv() => Ok(()),
            _ = terminate.recv() => Ok(()),
            _ = hangup.recv() => Ok(()),
        }
    }

    async fn follow(&mut self, context: &Context) -> Result<(), CommandError> {
        loop {
            let is_behind = match self.look().await {
                Ok(is_behind) => {
                    if self.is_told {
                        note("The database answers again.");
                        self.is_told = false;
                    }
                    is_behind.ok_or_else(elsewhere)?
                }
                Err(error) => {
                    if !self.is_told {
                        note(format!("{error}. This goes on when the database answers."));
                        self.is_told = true;
                    }
                    // It may be another file by now, or at another place.
                    if let Ok(services) = Services::open(context, Wanted::There).await {
                        self.services = services;
                    }
                    false
                }
            };
            if output::is_unread() {
                // As where a line cannot be printed.
                std::process::exit(1);
            }
            sleep(if is_behind { Duration::ZERO } else { LOOK_EVERY }).await;
        }
    }

    /// Prints the next lines that fit; whether there are more by now. `None` where the log has no
    /// such place any more.
    async fn look(&mut self) -> Result<Option<bool>, StoreError> {
        let store = &*self.services.store;
        let Some(lines) = store.audit_after(self.place, PAGE).await? else { return Ok(None) };
        let (many, last) = (lines.len(), lines.last().map(|line| line.place));
        let rows = lines.into_iter().map(|line| line.row).filter(|row| self.search.fits(row));
        let rows: Vec<AuditRow> = rows.collect();
        let names = names_in(store, &rows).await?;
        // Nothing is waited for between what is printed and the place that says so.
        self.printer.print(&rows, &names).map_err(StoreError::failed)?;
        self.place = last.or(self.place);
        Ok(Some(many == PAGE as usize))
    }
}

/// It was read from another log, or the log has gone back to an earlier state.
fn elsewhere() -> CommandError {
    CommandError::new(
        "the log has gone back to an earlier state: a backup was restored, or it is another \
         database; run the command again, and it begins with what is there now",
    )
}

/// The names of the users in these lines who are still there.
type Names = HashMap<UserId, String>;

async fn names_in(store: &dyn AdminStore, rows: &[AuditRow]) -> Result<Names, StoreError> {
    let mut ids: Vec<UserId> = rows
        .iter()
        .flat_map(|row| [row.line.actor.as_ref().and_then(Who::user), row.line.user])
        .flatten()
        .collect();
    ids.sort_unstable();
    ids.dedup();
    if ids.is_empty() {
        return Ok(Names::new());
    }
    Ok(store.usernames(&ids).await?.into_iter().collect())
}

/// Prints lines as they come.
struct Printer {
    as_json: bool,
    has_begun: bool,
}

impl Printer {
    /// The head.
    fn begin(&mut self) {
        if !self.as_json && !self.has_begun {
            let head = ["AT", "KIND", "BY", "USER", "ADDRESS", "SESSION", "DETAIL"];
            output::line(columns(WIDTHS, &head.map(str::to_owned)));
        }
        self.has_begun = true;
    }

    fn print(&self, rows: &[AuditRow], names: &Names) -> Result<(), serde_json::Error> {
        let mut text = String::new();
        for row in rows {
            text.push_str(&match self.as_json {
                true => serde_json::to_string(&ShownLine::of(row))?,
                false => columns(WIDTHS, &cells(row, names)),
            });
            text.push('\n');
        }
        if !text.is_empty() {
            output::text(&text);
        }
        Ok(())
    }
}

/// A line as the management API has it, but for the place in the log.
#[derive(Serialize)]
struct ShownLine<'a> {
    id: i64,
    at: Timestamp,
    kind: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    actor: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    user: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    session: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ip: Option<String>,
    detail: &'a str,
}

impl<'a> ShownLine<'a> {
    fn of(AuditRow { id, line, word }: &'a AuditRow) -> Self {
        Self {
            id: *id,
            at: line.at,
            kind: word,
            actor: line.actor.as_ref().map(ToString::to_string),
            user: line.user.map(|user| user.to_string()),
            session: line.session.map(|session| session.to_string()),
            ip: line.ip.map(|ip| ip.to_string()),
            detail: &line.detail,
        }
    }
}

fn cells(AuditRow { line, word, .. }: &AuditRow, names: &Names) -> [String; 7] {
    let name = |id: UserId| match names.get(&id) {
        Some(name) => name.clone(),
        None if id == NOBODY => "the server".to_owned(),
        None => format!("user {id}, gone"),
    };
    let by = match &line.actor {
        Some(Who::User(id)) => name(*id),
        Some(other) => other.to_string(),
        None => String::new(),
    };
    [
        to_the_second(line.at),
        word.clone(),
        by,
        line.user.map(name).unwrap_or_default(),
        line.ip.map(|ip| ip.to_string()).unwrap_or_default(),
        line.session.map(|session| session.to_string()).unwrap_or_default(),
        line.detail.clone(),
    ]
}

fn kind() -> impl TypedValueParser<Value = AuditKind> {
    let words = AuditKind::ALL.map(AuditKind::as_str);
    PossibleValuesParser::new(words).map(|word| AuditKind::from_word(&word))
}

/// How wide the columns are at least: a line is printed before the next one is known. The longest
/// word for a kind has 21 letters.
const WIDTHS: [usize; 7] = [20, 21, 16, 16, 15, 16, 0];

/// How often it looks whether there is more.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Lines that are read at once.
const PAGE: u32 = 1_000;

/// How far back the first lines are looked for that fit: no index has them in this order.
const MOST_LOOKED_AT: u64 = 20_000;

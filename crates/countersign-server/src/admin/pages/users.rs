//! `/admin/users/`: everybody, with search, filters and sorting; fast at a million rows.

use askama::Template;
use axum::extract::State;
use countersign::store::WaitingRegistration;
use countersign::store::admin::{Count, UserOrder, UserSearch};
use countersign::user::User;

use crate::admin::gate::{Query, Staff};
use crate::admin::kit::forms::Form;
use crate::admin::kit::frame::Frame;
use crate::admin::kit::listing::{Choice, Pager, counted};
use crate::admin::kit::page_error::{PageResult, shown};
use crate::admin::kit::users::{COLUMNS, search};
use crate::admin::kit::when::When;
use crate::admin::rules::{Permit, may};
use crate::admin::site::Admin;

pub(crate) async fn list(
    State(admin): State<Admin>,
    staff: Staff,
    Query(query): Query,
) -> PageResult {
    staff.needs(Permit::ViewUser)?;
    let now = admin.clock.now();
    let search = UserSearch { leaps: true, ..search(&query, now)? };
    let page = admin.store.find_users(&search).await?;
    let groups = admin.store.groups("", None, GROUPS_OFFERED).await?;
    let bare: Vec<_> =
        page.rows.iter().filter(|user| user.email.is_empty()).map(|user| user.id).collect();
    let waiting = admin.store.registrations_of(&bare).await?;
    let groups = std::iter::once((String::new(), "All".to_owned()))
        .chain(groups.into_iter().map(|group| (group.id.to_string(), group.name)));
    shown(&UsersPage {
        frame: staff.frame("/admin/users/", "Users").saying(&query),
        pager: Pager::new(&page, &query, "user", "users"),
        is_filtered: query.fields().any(|(name, text)| {
            !text.is_empty() && !["at", "o", "d", "said", "all"].contains(&name)
        }),
        text: query.text("q"),
        has_leapt: search.from.is_none() && page.previous.is_some(),
        all_ticked: query.ticked("all"),
        tick: query.with(&[("all", if query.ticked("all") { "" } else { "1" }), ("said", "")]),
        search: query
            .with(&[("at", ""), ("said", ""), ("all", "")])
            .trim_start_matches('?')
            .to_owned(),
        count: counted(page.count, "user", "users"),
        may_match: matches!(page.count, Count::Exactly(n) if n > page.rows.len() as u64)
            || !matches!(page.count, Count::Exactly(_)),
        order: (query.text("o"), query.text("d")),
        filters: vec![
            Choice::yes_or_no(&query, "active", "Active"),
            Choice::yes_or_no(&query, "staff", "Staff"),
            Choice::yes_or_no(&query, "superuser", "Superuser"),
            Choice::yes_or_no(&query, "factor", "Second factor"),
            Choice::new(&query, "group", "Group", groups),
            Choice::new(
                &query,
                "joined",
                "Joined",
                [
                    ("", "Any time"),
                    ("1", "Past day"),
                    ("7", "Past 7 days"),
                    ("30", "Past 30 days"),
                    ("365", "Past year"),
                ],
            ),
            Choice::new(
                &query,
                "login",
                "Last login",
                [
                    ("", "Any time"),
                    ("1", "Past day"),
                    ("7", "Past 7 days"),
                    ("30", "Past 30 days"),
                    ("not-30", "Not for 30 days"),
                    ("not-365", "Not for a year"),
                ],
            ),
        ],
        columns: COLUMNS.iter().map(|column| Column::new(column, &query)).collect(),
        rows: page.rows.iter().map(|user| UserRow::new(user, &waiting)).collect(),
        may_add: may(&staff.user, Permit::AddUser),
        may_change: may(&staff.user, Permit::ChangeUser),
        may_end: may(&staff.user, Permit::DeleteSession),
        may_delete: may(&staff.user, Permit::DeleteUser),
    })
}

#[derive(Template)]
#[template(path = "admin/users.html")]
struct UsersPage<'a> {
    frame: Frame,
    pager: Pager,
    is_filtered: bool,
    text: &'a str,
    /// Whether the list begins before the first row of this, its first page.
    has_leapt: bool,
    /// Whether every box of the page is ticked, and the way to the page where they are, or are not.
    all_ticked: bool,
    tick: String,
    /// The search, as the part of an address behind `?`.
    search: String,
    count: String,
    /// Whether more match than are on the page.
    may_match: bool,
    order: (&'a str, &'a str),
    filters: Vec<Choice>,
    columns: Vec<Column>,
    rows: Vec<UserRow<'a>>,
    may_add: bool,
    may_change: bool,
    may_end: bool,
    may_delete: bool,
}

impl UsersPage<'_> {
    fn may_act(&self) -> bool {
        !self.rows.is_empty() && (self.may_change || self.may_end || self.may_delete)
    }
}

/// The head of a column, which sorts by it.
struct Column {
    text: &'static str,
    href: String,
    /// As in `aria-sort`; empty for a column that the list is not sorted by.
    sorted: &'static str,
}

impl Column {
    fn new(&(name, text, _): &(&'static str, &'static str, UserOrder), query: &Form) -> Self {
        let by = if query.text("o").is_empty() { COLUMNS[0].0 } else { query.text("o") };
        let (is_by, descending) = (by == name, query.ticked("d"));
        let sorted = match (is_by, descending) {
            (false, _) => "",
            (true, false) => "ascending",
            (true, true) => "descending",
        };
        let turned = if is_by && !descending { "1" } else { "" };
        Self {
            text,
            href: query.with(&[("o", name), ("d", turned), ("at", ""), ("said", "")]),
            sorted,
        }
    }
}

struct UserRow<'a> {
    user: &'a User,
    /// The address that they have to prove.
    to_prove: Option<&'a str>,
    joined: When,
    login: When,
}

impl<'a> UserRow<'a> {
    fn new(user: &'a User, waiting: &'a [WaitingRegistration]) -> Self {
        let waits = waiting.iter().find(|waits| waits.user == user.id);
        let to_prove = waits.map(|waits| waits.address.as_str());
        Self { user, to_prove, joined: user.date_joined.into(), login: When(user.last_login) }
    }
}

/// More are found by their own pages.
const GROUPS_OFFERED: u32 = 100;

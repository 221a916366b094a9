//! `/admin/audit/`: who did what to whom, when, from where. Nothing on this site changes a line of
//! it.

use askama::Template;
use axum::extract::State;
use countersign::store::admin::AuditSearch;

use crate::admin::gate::{Query, Staff};
use crate::admin::kit::audit::{KINDS, Line, lines, search};
use crate::admin::kit::frame::Frame;
use crate::admin::kit::listing::{Choice, PAGE_ROWS, Pager, place};
use crate::admin::kit::page_error::{PageResult, shown};
use crate::admin::rules::Permit;
use crate::admin::site::Admin;

pub(crate) async fn list(
    State(admin): State<Admin>,
    staff: Staff,
    Query(query): Query,
) -> PageResult {
    staff.needs(Permit::ViewAuditEvent)?;
    let search =
        AuditSearch { from: place(&query)?, limit: PAGE_ROWS, ..search(&admin, &query).await? };
    let page = admin.store.audit(&search).await?;
    let pager = Pager::new(&page, &query, "line", "lines");
    let kinds = std::iter::once(("", "Everything"))
        .chain(KINDS.iter().map(|(_, word, text, _)| (*word, *text)));
    shown(&AuditPage {
        frame: staff.frame("/admin/audit/", "Audit log"),
        kind: Choice::new(&query, "kind", "What", kinds),
        by: query.text("by"),
        user: query.text("user"),
        session: query.text("session"),
        ip: query.text("ip"),
        since: query.text("since"),
        until: query.text("until"),
        is_filtered: query.fields().any(|(name, text)| !text.is_empty() && name != "at"),
        csv: format!("/admin/audit.csv{}", query.with(&[("at", "")])),
        lines: lines(&admin, &staff.user, page.rows).await?,
        pager,
    })
}

#[derive(Template)]
#[template(path = "admin/audit.html")]
struct AuditPage<'a> {
    frame: Frame,
    kind: Choice,
    by: &'a str,
    user: &'a str,
    session: &'a str,
    ip: &'a str,
    since: &'a str,
    until: &'a str,
    is_filtered: bool,
    csv: String,
    lines: Vec<Line>,
    pager: Pager,
}

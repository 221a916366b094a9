//! `GET /admin/audit.csv`: the audit log as the filters show it, all of it.

use axum::extract::State;
use countersign::store::StoreError;
use countersign::store::admin::{AuditRow, AuditSearch, Who};
use countersign::user::UserId;

use crate::admin::gate::{Query, Staff};
use crate::admin::kit::audit::{kind_in_words, search, users_in};
use crate::admin::kit::csv::{Pages, ROWS_AT_ONCE, download, push_line};
use crate::admin::kit::page_error::PageResult;
use crate::admin::kit::user_link::Names;
use crate::admin::rules::Permit;
use crate::admin::site::Admin;

pub(crate) async fn export(
    State(admin): State<Admin>,
    staff: Staff,
    Query(query): Query,
) -> PageResult {
    staff.needs(Permit::ViewAuditEvent)?;
    let search = AuditSearch { limit: ROWS_AT_ONCE, ..search(&admin, &query).await? };
    Ok(download("audit.csv", Log { admin, search, names: Names::default() }))
}

struct Log {
    admin: Admin,
    search: AuditSearch,
    names: Names,
}

impl Pages for Log {
    const COLUMNS: &'static [&'static str] =
        &["line", "at", "what", "by_id", "by", "user_id", "user", "session", "ip", "detail"];

    async fn next(&mut self, text: &mut String) -> Result<bool, StoreError> {
        let page = self.admin.store.audit(&self.search).await?;
        if self.names.len() > NAMES_KEPT {
            self.names = Names::default();
        }
        self.names.read(&*self.admin.store, users_in(&page.rows)).await?;
        for row in &page.rows {
            push_line(text, &self.cells(row));
        }
        self.search.from = page.next;
        Ok(self.search.from.is_some())
    }
}

impl Log {
    fn cells(&self, row: &AuditRow) -> [String; 10] {
        let line = &row.line;
        let id = |id: Option<UserId>| id.map(|id| id.to_string()).unwrap_or_default();
        let name = |id: Option<UserId>| {
            id.and_then(|id| self.names.get(id)).unwrap_or_default().to_owned()
        };
        [
            row.id.to_string(),
            line.at.to_string(),
            kind_in_words(line.kind, &row.word),
            line.actor.as_ref().map(ToString::to_string).unwrap_or_default(),
            match &line.actor {
                Some(Who::User(id)) => name(Some(*id)),
                other => other.as_ref().map(ToString::to_string).unwrap_or_default(),
            },
            id(line.user),
            name(line.user),
            line.session.map(|session| session.to_string()).unwrap_or_default(),
            line.ip.map(|ip| ip.to_string()).unwrap_or_default(),
            line.detail.clone(),
        ]
    }
}

/// Names of users that an export remembers.
const NAMES_KEPT: usize = 20_000;

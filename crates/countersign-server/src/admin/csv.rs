//! `GET /admin/audit.csv`: the audit log as the filters show it, all of it, streamed; RFC 4180, and no cell of it is a formula.

use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::header::{CACHE_CONTROL, CONTENT_DISPOSITION, CONTENT_TYPE};
use axum::response::IntoResponse;
use countersign::store::StoreError;
use countersign::store::admin::{AuditRow, AuditSearch};
use http_body_util::channel::{Channel, Sender};

use super::audit::{search, told, users_in};
use super::gate::{Query, Staff};
use super::person::Names;
use super::rules::Permit;
use super::{Admin, Answer};

pub(super) async fn export(State(admin): State<Admin>, staff: Staff, Query(query): Query) -> Answer {
    staff.needs(Permit::ViewAuditEvent)?;
    let search = AuditSearch { limit: ROWS_AT_ONCE, ..search(&admin, &query).await? };
    let (sender, body) = Channel::<Bytes, StoreError>::new(2);
    tokio::spawn(write(admin, search, sender));
    let headers = [
        (CONTENT_TYPE, "text/csv; charset=utf-8; header=present"),
        (CONTENT_DISPOSITION, "attachment; filename=\"audit.csv\""),
        (CACHE_CONTROL, "no-store"),
    ];
    Ok((headers, Body::new(body)).into_response())
}

/// Writes page after page, no faster than it is read. Where the store fails, the answer breaks off rather than end, so that nobody takes a part for the whole.
async fn write(admin: Admin, mut search: AuditSearch, mut sender: Sender<Bytes, StoreError>) {
    let mut names = Names::default();
    let mut text = String::from(HEAD);
    loop {
        let page = match page(&admin, &search, &mut names).await {
            Ok(page) => page,
            Err(error) => {
                tracing::error!(%error, "the audit log could not be exported whole");
                return sender.abort(error);
            }
        };
        for row in &page.rows {
            push_line(&mut text, row, &names);
        }
        if sender.send_data(Bytes::from(std::mem::take(&mut text))).await.is_err() || page.next.is_none() {
            return;
        }
        search.from = page.next;
        if names.len() > NAMES_KEPT {
            names = Names::default();
        }
    }
}

async fn page(admin: &Admin, search: &AuditSearch, names: &mut Names) -> Result<countersign::store::admin::Page<AuditRow>, StoreError> {
    let page = admin.store.audit(search).await?;
    names.read(&*admin.store, users_in(&page.rows)).await?;
    Ok(page)
}

fn push_line(text: &mut String, row: &AuditRow, names: &Names) {
    let line = &row.line;
    let id = |id: Option<countersign::user::UserId>| id.map(|id| id.to_string()).unwrap_or_default();
    let name = |id: Option<countersign::user::UserId>| id.and_then(|id| names.get(id)).unwrap_or_default().to_owned();
    let cells = [
        row.id.to_string(),
        line.at.to_string(),
        told(line.kind, &row.word),
        id(line.actor),
        name(line.actor),
        id(line.user),
        name(line.user),
        line.session.map(|session| session.to_string()).unwrap_or_default(),
        line.ip.map(|ip| ip.to_string()).unwrap_or_default(),
        line.detail.clone(),
    ];
    for (i, cell) in cells.iter().enumerate() {
        if i > 0 {
            text.push(',');
        }
        push_cell(text, cell);
    }
    text.push_str("\r\n");
}

/// A cell in quotes. One that a spreadsheet would take for a formula gets an apostrophe before it (OWASP, CSV injection).
fn push_cell(text: &mut String, cell: &str) {
    text.push('"');
    if cell.starts_with(['=', '+', '-', '@', '\t', '\r', '\n', '＝', '＋', '－', '＠']) {
        text.push('\'');
    }
    for c in cell.chars() {
        if c == '"' {
            text.push('"');
        }
        text.push(c);
    }
    text.push('"');
}

const HEAD: &str = "\"line\",\"at\",\"what\",\"by_id\",\"by\",\"user_id\",\"user\",\"session\",\"ip\",\"detail\"\r\n";

const ROWS_AT_ONCE: u32 = 500;

/// Names of users that an export remembers.
const NAMES_KEPT: usize = 20_000;

#[cfg(test)]
mod tests {
    use super::*;

    fn cell(text: &str) -> String {
        let mut cell = String::new();
        push_cell(&mut cell, text);
        cell
    }

    #[test]
    fn no_cell_is_a_formula_and_quotes_stay_inside() {
        assert_eq!(cell("plain, \"quoted\"\nand broken"), "\"plain, \"\"quoted\"\"\nand broken\"");
        for start in ["=", "+", "-", "@", "\t", "\r"] {
            assert_eq!(cell(&format!("{start}HYPERLINK(\"x\")")), format!("\"'{start}HYPERLINK(\"\"x\"\")\""));
        }
        assert_eq!(cell(""), "\"\"");
        assert_eq!(cell("a=b"), "\"a=b\"");
    }
}

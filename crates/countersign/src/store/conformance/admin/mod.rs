//! What the admin site asks of every store.

pub mod access;
pub mod acts;
pub mod audit;
pub mod edits;
pub mod hooks;
pub mod large;
pub mod links;
pub mod lists;
pub mod once;
pub mod operators;
pub mod service_tokens;
pub mod sessions;
pub mod superusers;

use std::sync::Arc;

use jiff::Timestamp;

use super::fixtures::{after, make_user, new_session, new_user, noon, session_id};
use crate::password::EncodedPassword;
use crate::session::{NewSession, Transport};
use crate::store::CheckedRow;
use crate::store::admin::{
    Actor, AdminSession, AdminStore, AuditLine, AuditRow, AuditSearch, Page, PageCursor, UserEdit,
    Who,
};
use crate::user::{Email, NewUser, User, UserId, Username};

/// The operator, who need not be among the users.
fn root() -> Actor {
    Actor::staff(UserId::new(900), Some("2001:db8::7".parse().unwrap()), after(60))
}

/// Makes an active superuser who is staff.
pub(super) async fn make_superuser(store: &dyn AdminStore, name: &str) -> User {
    let new = NewUser { is_staff: true, is_superuser: true, ..new_user(name, "") };
    store.create_user(new, noon()).await.unwrap()
}

/// An edit that changes nothing.
pub(super) fn as_is(user: &User) -> UserEdit {
    UserEdit {
        username: None,
        email: (!user.email.is_empty()).then(|| Email::parse(&user.email).unwrap()),
        first_name: user.first_name.clone(),
        last_name: user.last_name.clone(),
        is_active: user.is_active,
        is_staff: user.is_staff,
        is_superuser: user.is_superuser,
        grants: None,
        metadata: user.metadata.clone(),
    }
}

/// Begins a session of the site, on the operator's row as it is.
async fn begin(store: &dyn AdminStore, session: &AdminSession) -> bool {
    let checked = store.password_of(session.user).await.unwrap().unwrap();
    store.begin_admin_session(session, &CheckedRow::new(checked)).await.unwrap()
}

/// The whole log, the newest first.
async fn log(store: &dyn AdminStore) -> Vec<AuditRow> {
    store.audit(&AuditSearch { limit: 100, ..AuditSearch::default() }).await.unwrap().rows
}

/// The words and details of the whole log, the newest first.
async fn audit_lines(store: &dyn AdminStore) -> Vec<(String, String)> {
    log(store).await.into_iter().map(|row| (row.word, row.line.detail)).collect()
}

fn lines(rows: &[AuditRow]) -> Vec<&AuditLine> {
    rows.iter().map(|row| &row.line).collect()
}

/// Goes through a list to its end and back to its beginning: what was met on the way there, and on
/// the way back in the same order.
async fn walk<T, F: Future<Output = Page<T>>>(
    page: impl Fn(Option<PageCursor>) -> F,
) -> (Vec<T>, Vec<T>) {
    let (mut there, mut from) = (Vec::new(), None);
    let last = loop {
        let met = page(from.clone()).await;
        // Before pages that are empty, as hardly any row fits, there may be none.
        assert!(if from.is_none() {
            met.previous.is_none()
        } else {
            met.previous.is_some() || there.is_empty()
        });
        there.extend(met.rows);
        match met.next {
            Some(next) => from = Some(next),
            None => break met.previous,
        }
    };
    let (mut back, mut from) = (page(from).await.rows, last);
    while let Some(place) = from {
        let mut met = page(Some(place)).await;
        assert!(met.next.is_some() || back.is_empty(), "there is a page behind each but the last");
        met.rows.append(&mut back);
        (back, from) = (met.rows, met.previous);
    }
    (there, back)
}

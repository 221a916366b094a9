//! `GET /admin/users.csv`: the users whom the filters show, all of them.

use axum::extract::State;
use countersign::store::StoreError;
use countersign::store::admin::UserSearch;
use countersign::user::User;

use crate::admin::gate::{Query, Staff};
use crate::admin::kit::csv::{Pages, ROWS_AT_ONCE, download, push_line};
use crate::admin::kit::page_error::PageResult;
use crate::admin::kit::users::search;
use crate::admin::rules::Permit;
use crate::admin::site::Admin;

pub(crate) async fn export(
    State(admin): State<Admin>,
    staff: Staff,
    Query(query): Query,
) -> PageResult {
    staff.needs(Permit::ViewUser)?;
    let search = search(&query, admin.clock.now())?;
    let search = UserSearch { from: None, limit: ROWS_AT_ONCE, ..search };
    Ok(download("users.csv", Users { admin, search }))
}

struct Users {
    admin: Admin,
    search: UserSearch,
}

impl Pages for Users {
    const COLUMNS: &'static [&'static str] = &[
        "id",
        "username",
        "email",
        "first_name",
        "last_name",
        "is_active",
        "is_staff",
        "is_superuser",
        "date_joined",
        "last_login",
        "groups",
    ];

    async fn next(&mut self, text: &mut String) -> Result<bool, StoreError> {
        let page = self.admin.store.find_users(&self.search).await?;
        for user in &page.rows {
            push_line(text, &cells(user));
        }
        self.search.from = page.next;
        Ok(self.search.from.is_some())
    }
}

fn cells(user: &User) -> [String; 11] {
    [
        user.id.to_string(),
        user.username.clone(),
        user.email.clone(),
        user.first_name.clone(),
        user.last_name.clone(),
        user.is_active.to_string(),
        user.is_staff.to_string(),
        user.is_superuser.to_string(),
        user.date_joined.to_string(),
        user.last_login.map(|at| at.to_string()).unwrap_or_default(),
        user.groups.join(", "),
    ]
}

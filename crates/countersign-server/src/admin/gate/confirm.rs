//! Before something dangerous: the operator's password once more.

use askama::Template;
use axum::http::StatusCode;
use axum::response::Response;
use countersign::PasswordRefused;
use countersign::password::Password;

use super::posted::Posted;
use crate::admin::kit::field::{Errors, Field};
use crate::admin::kit::frame::Frame;
use crate::admin::kit::page::page;
use crate::admin::kit::page_error::PageError;
use crate::admin::site::Admin;

impl Posted {
    /// Before something dangerous: asks for the password, unless it was entered lately. What was
    /// filled in comes back with it.
    ///
    /// # Errors
    /// A page that asks.
    pub(crate) async fn confirm(&self, admin: &Admin) -> Result<(), PageError> {
        let now = admin.clock.now();
        if self.staff.is_fresh(now) {
            return Ok(());
        }
        let again =
            |status, problem| Err(PageError::page(confirmation(status, self, &self.path, problem)));
        let given = self.form.text("own_password");
        if given.is_empty() {
            return again(StatusCode::FORBIDDEN, "");
        }
        let (Ok(password), id) = (Password::parse(given.to_owned()), self.staff.user.id) else {
            return again(StatusCode::FORBIDDEN, "This is not your password.");
        };
        match admin
            .auth
            .check_password_again(&self.staff.user.username, &password, &self.peer, |user| {
                user.is_staff() && user.id() == id
            })
            .await
        {
            Ok(())
                if admin
                    .store
                    .touch_admin_session(self.staff.session.token_hash, now, Some(now))
                    .await? =>
            {
                Ok(())
            }
            // It ended while the password was checked.
            Ok(()) => Err(PageError::SignedOut(self.path.clone())),
            Err(PasswordRefused::Wrong { .. }) => {
                again(StatusCode::FORBIDDEN, "This is not your password.")
            }
            Err(PasswordRefused::Throttled { .. }) => again(
                StatusCode::TOO_MANY_REQUESTS,
                "Too many attempts have failed. Wait a while and try again.",
            ),
            Err(_) => Err(PageError::Unavailable),
        }
    }
}

/// The page that asks for the password before something dangerous, and brings what was filled in
/// back with it. Passwords are not brought back.
fn confirmation(status: StatusCode, posted: &Posted, path: &str, problem: &str) -> Response {
    let is_kept =
        |name: &str| name != "csrf" && name != "own_password" && !name.starts_with("password");
    let kept = posted.form.fields().filter(|(name, _)| is_kept(name)).collect();
    let mut errors = Errors::default();
    if !problem.is_empty() {
        errors.add("own_password", problem);
    }
    let password =
        Field::password("own_password", "Your password", "current-password").wrong(&errors);
    page(status, &Confirm { frame: posted.staff.frame("", "Is it you?"), path, kept, password })
}

#[derive(Template)]
#[template(path = "admin/confirm.html")]
struct Confirm<'a> {
    frame: Frame,
    path: &'a str,
    kept: Vec<(&'a str, &'a str)>,
    password: Field<'a>,
}

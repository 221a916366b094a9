//! `/admin/sign-in` and `/admin/sign-out`: staff only, behind the same throttle and at the same
//! cost as every login.

use askama::Template;
use axum::extract::State;
use axum::http::header::RETRY_AFTER;
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use countersign::password::Password;
use countersign::store::admin::AuditKind;
use countersign::user::Account;
use countersign::{FactorRefused, PasswordRefused};

use crate::admin::gate::{
    CODE_MAX_CHARS, Posted, PreSession, Query, Staff, Token, enter, no_pending_cookie,
    no_session_cookie, note, passkey_of, pending_cookie, pre_session_cookie, shown,
};
use crate::admin::kit::field::Field;
use crate::admin::kit::page::{page_with_passkey, redirect, with_cookie};
use crate::admin::kit::page_error::{PageError, PageResult};
use crate::admin::site::Admin;

pub(crate) async fn form(
    State(admin): State<Admin>,
    Query(query): Query,
    staff: Result<Staff, PageError>,
    headers: HeaderMap,
) -> PageResult {
    let next = way_back(query.text("next"));
    match staff {
        Ok(_) => return Ok(redirect(next)),
        Err(PageError::SignedOut(_)) => {}
        Err(error) => return Err(error),
    }
    let token = Token::pre_session(&admin, &headers);
    // The session's cookie does not come along from another site: an operator who followed a link
    // from there may be signed in all the same.
    let from_elsewhere =
        headers.get("sec-fetch-site").is_some_and(|site| site.as_bytes() == b"cross-site");
    let template = SignInPage::new(&admin, &token, "", next, "", from_elsewhere);
    Ok(with_cookie(
        page_with_passkey(StatusCode::OK, &template),
        pre_session_cookie(&admin, &token),
    ))
}

pub(crate) async fn sign_in(State(admin): State<Admin>, pre_session: PreSession) -> PageResult {
    let (login, next) =
        (pre_session.form.text("username"), way_back(pre_session.form.text("next")));
    let again = |status, problem| {
        let token = &pre_session.token;
        page_with_passkey(status, &SignInPage::new(&admin, token, login, next, problem, false))
    };
    let wrong = || {
        Ok(again(
            StatusCode::FORBIDDEN,
            "The user name or the password is wrong, or this user may not enter here.",
        ))
    };
    let Ok(password) = Password::parse(pre_session.form.text("password").to_owned()) else {
        return wrong();
    };
    if login.is_empty() || login.chars().count() > LOGIN_MAX_CHARS || password.expose().is_empty() {
        return wrong();
    }
    for _ in 0..TRIES {
        match admin
            .auth
            .check_password(login, &password, &pre_session.peer, Account::is_staff)
            .await
        {
            // Where the row changed meanwhile, whether they may enter is another question.
            Ok(checked) => {
                match enter(&admin, checked.user, &checked.row, &pre_session.peer, next).await? {
                    Some(entered) => return Ok(entered),
                    None => continue,
                }
            }
            Err(PasswordRefused::SecondFactor { pending_token, .. }) => {
                let asks = FactorPage::new(&admin, &pre_session.token, next, "");
                let asks = page_with_passkey(StatusCode::OK, &asks);
                return Ok(with_cookie(asks, pending_cookie(&admin, &pending_token)));
            }
            Err(PasswordRefused::EnrolmentRequired { .. }) => {
                return Ok(again(
                    StatusCode::FORBIDDEN,
                    "Who enters here must have a second factor, and you have none. Enrol one on \
                     the page of your account's security first.",
                ));
            }
            Err(PasswordRefused::Wrong { user }) => {
                note(&admin, AuditKind::AdminLoginFailed, user, &pre_session.peer);
                return wrong();
            }
            Err(PasswordRefused::Throttled { user, wait }) => {
                note(&admin, AuditKind::LoginThrottled, user, &pre_session.peer);
                let mut response = again(
                    StatusCode::TOO_MANY_REQUESTS,
                    "Too many attempts have failed. Wait a while and try again.",
                );
                response.headers_mut().insert(RETRY_AFTER, HeaderValue::from(wait.seconds()));
                return Ok(response);
            }
            Err(_) => return Err(PageError::Unavailable),
        }
    }
    Err(PageError::Unavailable)
}

/// The second step, for who has a second factor.
pub(crate) async fn factor(State(admin): State<Admin>, pre_session: PreSession) -> PageResult {
    let next = way_back(pre_session.form.text("next"));
    let again = |status, problem| {
        page_with_passkey(status, &FactorPage::new(&admin, &pre_session.token, next, problem))
    };
    let over = || {
        let form = SignInPage::new(&admin, &pre_session.token, "", next, OVER, false);
        let form = page_with_passkey(StatusCode::FORBIDDEN, &form);
        Ok(with_cookie(form, no_pending_cookie(&admin)))
    };
    let (typed, passkey) = (pre_session.form.text("code"), pre_session.form.text("passkey"));
    let wrong = || {
        let said = if passkey.is_empty() { WRONG_CODE } else { WRONG_PASSKEY };
        Ok(again(StatusCode::FORBIDDEN, said))
    };
    let Some(waits) = &pre_session.pending else { return over() };
    let Some(shown) = shown(typed, passkey) else { return wrong() };
    match admin.auth.check_factor(&waits.0, &shown, &pre_session.peer, Account::is_staff).await {
        Ok(checked) => {
            let is_recovery_code = shown.is_recovery_code();
            let entered =
                enter(&admin, checked.user, &checked.row, &pre_session.peer, next).await?;
            let Some(entered) = entered else { return over() };
            if is_recovery_code {
                let (user, peer) = (Some(checked.user), &pre_session.peer);
                note(&admin, AuditKind::RecoveryCodeUsed, user, peer);
            }
            Ok(with_cookie(entered, no_pending_cookie(&admin)))
        }
        Err(FactorRefused::Wrong { user }) => {
            note(&admin, AuditKind::AdminLoginFailed, Some(user), &pre_session.peer);
            wrong()
        }
        Err(FactorRefused::Throttled { user, wait }) => {
            note(&admin, AuditKind::LoginThrottled, Some(user), &pre_session.peer);
            let mut response = again(
                StatusCode::TOO_MANY_REQUESTS,
                "Too many attempts have failed. Wait a while and try again.",
            );
            response.headers_mut().insert(RETRY_AFTER, HeaderValue::from(wait.seconds()));
            Ok(response)
        }
        Err(FactorRefused::Over) => over(),
        Err(_) => Err(PageError::Unavailable),
    }
}

/// With a passkey, and without a name and a password.
pub(crate) async fn passkey(State(admin): State<Admin>, pre_session: PreSession) -> PageResult {
    let next = way_back(pre_session.form.text("next"));
    let wrong = || {
        let token = &pre_session.token;
        let form = SignInPage::new(&admin, token, "", next, WRONG_PASSKEY, false);
        Ok(page_with_passkey(StatusCode::FORBIDDEN, &form))
    };
    let Some(shown) = passkey_of(pre_session.form.text("passkey")) else { return wrong() };
    match admin.auth.check_passkey(&shown, &pre_session.peer, Account::is_staff).await {
        Ok(checked) => {
            let entered =
                enter(&admin, checked.user, &checked.row, &pre_session.peer, next).await?;
            entered.map_or_else(wrong, Ok)
        }
        Err(FactorRefused::Wrong { user }) => {
            note(&admin, AuditKind::AdminLoginFailed, Some(user), &pre_session.peer);
            wrong()
        }
        Err(FactorRefused::Over) => {
            note(&admin, AuditKind::AdminLoginFailed, None, &pre_session.peer);
            wrong()
        }
        Err(_) => Err(PageError::Unavailable),
    }
}

pub(crate) async fn sign_out(State(admin): State<Admin>, posted: Posted) -> PageResult {
    admin.store.end_admin_session(posted.staff.token_hash()).await?;
    note(&admin, AuditKind::AdminLogout, Some(posted.staff.user.id), &posted.peer);
    Ok(with_cookie(redirect("/admin/sign-in"), no_session_cookie(&admin)))
}

/// Where to go after signing in: a page of ours, or the dashboard.
fn way_back(next: &str) -> &str {
    let is_ours = next.starts_with("/admin/")
        && !next.contains(['\\', '\n', '\r'])
        && !next.starts_with("/admin/sign-")
        && next.is_ascii();
    if is_ours { next } else { "/admin/" }
}

#[derive(Template)]
#[template(path = "admin/sign_in.html")]
struct SignInPage<'a> {
    csrf: String,
    next: &'a str,
    problem: &'a str,
    from_elsewhere: bool,
    username: Field<'a>,
    password: Field<'a>,
    options: String,
}

impl<'a> SignInPage<'a> {
    fn new(
        admin: &Admin,
        token: &Token,
        login: &'a str,
        next: &'a str,
        problem: &'a str,
        from_elsewhere: bool,
    ) -> Self {
        let username = Field {
            autocomplete: "username",
            ..Field::text("username", "User name or e-mail address", login, LOGIN_MAX_CHARS)
                .required()
        };
        let password = Field::password("password", "Password", "current-password");
        let (csrf, options) = (token.csrf(), admin.passkey_options());
        Self { csrf, next, problem, from_elsewhere, username, password, options }
    }
}

#[derive(Template)]
#[template(path = "admin/factor.html")]
struct FactorPage<'a> {
    csrf: String,
    next: &'a str,
    problem: &'a str,
    code: Field<'a>,
    options: String,
}

impl<'a> FactorPage<'a> {
    fn new(admin: &Admin, token: &Token, next: &'a str, problem: &'a str) -> Self {
        let code = Field {
            autocomplete: "one-time-code",
            ..Field::text("code", "Code", "", CODE_MAX_CHARS).required()
        }
        .hint("Of your authenticator app, or one of your recovery codes.");
        Self { csrf: token.csrf(), next, problem, code, options: admin.passkey_options() }
    }
}

const WRONG_CODE: &str = "This code is wrong, or was used already.";
const WRONG_PASSKEY: &str = "This passkey was not accepted, or its owner may not enter here.";

/// What is said of a sign-in that waited too long, or was tried too often.
const OVER: &str = "This sign-in took too long, or was tried too often. Begin anew.";

/// How often a row may change under somebody who is signing in before they are told to come back.
const TRIES: usize = 3;

/// An e-mail address may have 254 characters.
const LOGIN_MAX_CHARS: usize = 254;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_is_sent_to_another_site() {
        for next in ["/admin/", "/admin/users/?q=a&o=email", "/admin/users/5/"] {
            assert_eq!(way_back(next), next);
        }
        for next in [
            "",
            "//evil.example",
            "https://evil.example/admin/",
            "/\\evil.example",
            "/admin/\\x",
            "/admin",
            "/accounts",
            "/admin/sign-out",
            "/admin/é",
        ] {
            assert_eq!(way_back(next), "/admin/", "{next}");
        }
    }
}

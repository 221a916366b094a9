//! `/admin/sign-in` and `/admin/sign-out`: staff only, behind the same throttle and at the same
//! cost as every login.

use askama::Template;
use axum::extract::State;
use axum::http::header::RETRY_AFTER;
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::Response;
use countersign::PasswordRefused;
use countersign::http::Peer;
use countersign::password::{EncodedPassword, Password};
use countersign::store::admin::{AdminSession, AuditKind, AuditLine, Who};
use countersign::user::{Account, UserId};

use super::fault::Fault;
use super::field::{Errors, Field};
use super::frame::{Frame, page, redirect};
use super::gate::{
    Knock, PATH, Posted, Query, Staff, Token, knock_cookie, no_session_cookie, session_cookie,
};
use super::{Admin, Answer, with_cookie};

pub(super) async fn form(
    State(admin): State<Admin>,
    Query(query): Query,
    staff: Result<Staff, Fault>,
    headers: HeaderMap,
) -> Answer {
    let next = way_back(query.text("next"));
    match staff {
        Ok(_) => return Ok(redirect(next)),
        Err(Fault::SignedOut(_)) => {}
        Err(fault) => return Err(fault),
    }
    let token = Token::knock(&admin, &headers);
    // The session's cookie does not come along from another site: whoever followed a link from
    // there may be signed in all the same.
    let from_elsewhere =
        headers.get("sec-fetch-site").is_some_and(|site| site.as_bytes() == b"cross-site");
    let template = SignIn::new(&token, "", next, "", from_elsewhere);
    Ok(with_cookie(page(StatusCode::OK, &template), knock_cookie(&admin, &token)))
}

pub(super) async fn sign_in(State(admin): State<Admin>, knock: Knock) -> Answer {
    let (login, next) = (knock.form.text("username"), way_back(knock.form.text("next")));
    let again =
        |status, problem| page(status, &SignIn::new(&knock.token, login, next, problem, false));
    let wrong = || {
        Ok(again(
            StatusCode::FORBIDDEN,
            "The user name or the password is wrong, or this user may not enter here.",
        ))
    };
    let Ok(password) = Password::parse(knock.form.text("password").to_owned()) else {
        return wrong();
    };
    if login.is_empty() || login.chars().count() > LOGIN_MAX_CHARS || password.expose().is_empty() {
        return wrong();
    }
    for _ in 0..TRIES {
        match admin.auth.check_password(login, &password, &knock.peer, Account::is_staff).await {
            // Where the row changed meanwhile, whether they may enter is another question.
            Ok(checked) => {
                match enter(&admin, checked.user, &checked.password, &knock.peer, next).await? {
                    Some(entered) => return Ok(entered),
                    None => continue,
                }
            }
            Err(PasswordRefused::Wrong { user }) => {
                note(&admin, AuditKind::AdminLoginFailed, user, &knock.peer);
                return wrong();
            }
            Err(PasswordRefused::Throttled { user, wait }) => {
                note(&admin, AuditKind::LoginThrottled, user, &knock.peer);
                let mut response = again(
                    StatusCode::TOO_MANY_REQUESTS,
                    "Too many attempts have failed. Wait a while and try again.",
                );
                response.headers_mut().insert(RETRY_AFTER, HeaderValue::from(wait.seconds()));
                return Ok(response);
            }
            Err(_) => return Err(Fault::Unavailable),
        }
    }
    Err(Fault::Unavailable)
}

pub(super) async fn sign_out(State(admin): State<Admin>, posted: Posted) -> Answer {
    admin.store.end_admin_session(posted.staff.token_hash()).await?;
    note(&admin, AuditKind::AdminLogout, Some(posted.staff.user.id), &posted.peer);
    Ok(with_cookie(redirect("/admin/sign-in"), no_session_cookie(&admin)))
}

/// Begins a session and goes on. `None` when the user's row is no longer as it was checked: then
/// nothing has begun.
pub(super) async fn enter(
    admin: &Admin,
    user: UserId,
    checked: &EncodedPassword,
    peer: &Peer,
    next: &str,
) -> Result<Option<Response>, Fault> {
    let (token, now) = (Token::draw(&*admin.random), admin.clock.now());
    let session = AdminSession {
        token_hash: token.hash(),
        user,
        created_at: now,
        used_at: now,
        password_at: now,
        ip: Some(peer.ip),
        user_agent: peer.user_agent.clone(),
    };
    // Strangers' guesses keep no operator out of the browser in which they signed in before. Asked
    // before the session begins on the password that was checked: so the device is known by that
    // one, not by its successor.
    let known = admin.auth.remember_device(user, peer, PATH).await?;
    if !admin.store.begin_admin_session(&session, checked).await? {
        return Ok(None);
    }
    note(admin, AuditKind::AdminLogin, Some(user), peer);
    Ok(Some(with_cookie(with_cookie(redirect(next), session_cookie(admin, &token)), known)))
}

/// The page that asks for the password before something dangerous, and brings what was filled in
/// back with it. Passwords are not brought back.
pub(super) fn confirmation(
    status: StatusCode,
    posted: &Posted,
    path: &str,
    problem: &str,
) -> Response {
    let is_kept =
        |name: &str| name != "csrf" && name != "own_password" && !name.starts_with("password");
    let kept = posted.form.fields().filter(|(name, _)| is_kept(name)).collect();
    let mut errors = Errors::default();
    if !problem.is_empty() {
        errors.add("own_password", problem);
    }
    let password =
        Field::password("own_password", "Your password", "current-password").wrong(&errors);
    page(
        status,
        &Confirm { frame: Frame::new(&posted.staff, "", "Is it you?"), path, kept, password },
    )
}

fn note(admin: &Admin, kind: AuditKind, user: Option<UserId>, peer: &Peer) {
    let at = admin.clock.now();
    let actor =
        if kind == AuditKind::AdminLogin || kind == AuditKind::AdminLogout { user } else { None };
    let (actor, ip) = (actor.map(Who::User), Some(peer.ip));
    let line = AuditLine { at, kind, actor, user, session: None, ip, detail: String::new() };
    line.log();
    admin.recorder.note(line);
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
struct SignIn<'a> {
    csrf: String,
    next: &'a str,
    problem: &'a str,
    from_elsewhere: bool,
    username: Field<'a>,
    password: Field<'a>,
}

impl<'a> SignIn<'a> {
    fn new(
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
        Self { csrf: token.csrf(), next, problem, from_elsewhere, username, password }
    }
}

#[derive(Template)]
#[template(path = "admin/confirm.html")]
struct Confirm<'a> {
    frame: Frame,
    path: &'a str,
    kept: Vec<(&'a str, &'a str)>,
    password: Field<'a>,
}

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

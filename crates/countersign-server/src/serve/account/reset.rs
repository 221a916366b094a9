//! `/account/reset`: a new password, by mail.

use axum::response::Response;
use countersign::Shown;
use countersign::http::Problem;
use countersign::token::Purpose;

use super::{Field, Page, Sent, Visit, new_passwords};

pub(super) fn page(visit: &Visit, sent: &Sent) -> Response {
    if sent.token.is_empty() { ask(visit, "") } else { choose(visit, &sent.token, "") }
}

pub(super) async fn send(visit: Visit, sent: Sent) -> Result<Response, Problem> {
    if sent.token.is_empty() {
        let Some(login) = sent.login() else {
            return Ok(ask(&visit, "Write your address or your user name."));
        };
        visit.auth.request_password_reset(login, &visit.peer).await?;
        return Ok(visit.done(
            "Look into your mail",
            "If there is an account, a mail with a link is on its way to its address.",
        ));
    }
    let password = match sent.new_password() {
        Ok(password) => password,
        Err(said) => return Ok(choose(&visit, &sent.token, said)),
    };
    let (shown, purpose) = (Shown::link(&sent.token)?, Purpose::ResetPassword);
    let changed = visit.auth.confirm_password_reset(purpose, &shown, &password, &visit.peer).await;
    if let Some(said) = visit.refusal(changed)? {
        return Ok(choose(&visit, &sent.token, &said));
    }
    Ok(visit.done(
        "Your password is changed",
        "All devices were logged out. Log in with the new password.",
    ))
}

fn ask(visit: &Visit, problem: &str) -> Response {
    visit.show(&Page {
        title: TITLE,
        text: &["We send a link to the address of your account."],
        problem,
        action: "reset",
        fields: &[Field::text("login", "E-mail address or user name", "username")],
        button: "Send the link",
        ..Page::default()
    })
}

fn choose(visit: &Visit, token: &str, problem: &str) -> Response {
    visit.show(&Page {
        title: TITLE,
        problem,
        action: "reset",
        token,
        fields: &new_passwords(),
        button: "Change it",
        ..Page::default()
    })
}

const TITLE: &str = "Choose a new password";

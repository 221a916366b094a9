//! `/account/restore`: whoever asked to be deleted comes back.

use axum::response::Response;
use countersign::http::{Code, Problem};
use countersign::password::Password;

use super::{CURRENT, Field, Page, Sent, Visit};

pub(super) fn page(visit: &Visit, _: &Sent) -> Response {
    ask(visit, "")
}

/// The password is throttled as at a login.
pub(super) async fn send(visit: Visit, sent: Sent) -> Result<Response, Problem> {
    let (Some(login), Ok(password)) = (sent.login(), Password::parse(sent.password.clone())) else {
        return Ok(ask(&visit, WRONG));
    };
    match visit.auth.restore_account(login, &password, &visit.peer).await {
        Ok(()) => Ok(visit.done("Your account is kept", "Log in as before.")),
        Err(problem) if problem.code() == Code::InvalidCredentials => Ok(ask(&visit, WRONG)),
        Err(problem) => Err(problem),
    }
}

fn ask(visit: &Visit, problem: &str) -> Response {
    visit.show(&Page {
        title: "Keep your account",
        text: &["Your account is to be deleted, as you asked. If you want to keep it, come back."],
        problem,
        action: "restore",
        fields: &[
            Field::text("login", "E-mail address or user name", "username"),
            Field::password("password", "Password", CURRENT, ""),
        ],
        button: "Keep it",
        ..Page::default()
    })
}

const WRONG: &str = "The name or the password is wrong.";

//! `/account/change`: a new address is confirmed.

use axum::response::Response;
use countersign::Shown;
use countersign::http::Problem;

use super::{CURRENT, Field, Page, Sent, Visit};

pub(super) fn page(visit: &Visit, sent: &Sent) -> Response {
    confirm(visit, &sent.token, "")
}

pub(super) async fn send(visit: Visit, sent: Sent) -> Result<Response, Problem> {
    let Ok(password) = sent.known_password() else {
        return Ok(confirm(&visit, &sent.token, "This is not the password."));
    };
    let (shown, password) = (Shown::link(&sent.token)?, password.as_ref());
    let changed =
        visit.auth.confirm_email_change(&shown, password, &visit.headers, &visit.peer).await;
    if let Some(said) = visit.refusal(changed)? {
        return Ok(confirm(&visit, &sent.token, &said));
    }
    Ok(visit.done("Your address is changed", "From now on it is this one."))
}

fn confirm(visit: &Visit, token: &str, problem: &str) -> Response {
    let help = "Not needed in the browser in which you asked for the change.";
    let field =
        Field { required: false, ..Field::password("password", "Your password", CURRENT, help) };
    visit.show(&Page {
        title: "Confirm your new address",
        text: &["Somebody, probably you, wants to use this address for their account."],
        problem,
        action: "change",
        token,
        fields: &[field],
        button: "Confirm",
        ..Page::default()
    })
}

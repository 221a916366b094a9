//! `/account/verify`: an address is proved.

use axum::response::Response;
use countersign::Shown;
use countersign::http::Problem;

use super::{CURRENT, Field, Page, Sent, Visit};

pub(super) fn page(visit: &Visit, sent: &Sent) -> Response {
    prove(visit, &sent.token, "")
}

pub(super) async fn send(visit: Visit, sent: Sent) -> Result<Response, Problem> {
    let Ok(password) = sent.known_password() else {
        return Ok(prove(&visit, &sent.token, WRONG));
    };
    let shown = Shown::link(&sent.token)?;
    let proved = visit.auth.verify_email(&shown, password.as_ref(), &visit.peer).await;
    if visit.refusal(proved)?.is_some() {
        return Ok(prove(&visit, &sent.token, WRONG));
    }
    Ok(visit.show(&Page {
        title: "Your address is confirmed",
        text: &[
            "Log in where you registered.",
            "If your password is not taken there, choose a new one: somebody else may have \
             registered with your address before you confirmed it.",
        ],
        next: "reset",
        next_says: "Choose a new password",
        ..Page::default()
    }))
}

fn prove(visit: &Visit, token: &str, problem: &str) -> Response {
    let help = "Without it the password must be chosen anew.";
    let field = Field {
        required: false,
        ..Field::password("password", "The password of your registration", CURRENT, help)
    };
    visit.show(&Page {
        title: "Confirm your address",
        text: &["Somebody, probably you, registered with your address."],
        problem,
        action: "verify",
        token,
        fields: &[field],
        button: "Confirm",
        ..Page::default()
    })
}

const WRONG: &str = "This is not the password of your registration.";

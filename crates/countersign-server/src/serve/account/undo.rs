//! `/account/undo`: a change of the address is taken back.

use axum::response::Response;
use countersign::Shown;
use countersign::http::Problem;

use super::{Page, Sent, Visit};

pub(super) fn page(visit: &Visit, sent: &Sent) -> Response {
    ask(visit, &sent.token, "")
}

pub(super) async fn send(visit: Visit, sent: Sent) -> Result<Response, Problem> {
    let undone = visit.auth.undo_email_change(&Shown::link(&sent.token)?, &visit.peer).await;
    if visit.refusal(undone)?.is_some() {
        return Ok(ask(&visit, &sent.token, "Another account has this address by now."));
    }
    Ok(visit.show(&Page {
        title: "It is undone",
        text: &[
            "Your account has the former address again, and every device was logged out.",
            "Nobody can log in with the password of before. Choose a new one now.",
        ],
        next: "reset",
        next_says: "Choose a new password",
        ..Page::default()
    }))
}

fn ask(visit: &Visit, token: &str, problem: &str) -> Response {
    visit.show(&Page {
        title: "Was it not you?",
        text: &[
            "This brings the former address of your account back, and logs every device out.",
            "After it you choose a new password, by a mail to that address.",
        ],
        problem,
        action: "undo",
        token,
        button: "Undo the change",
        ..Page::default()
    })
}

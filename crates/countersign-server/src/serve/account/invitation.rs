//! `/account/invitation`: whoever is invited chooses the first password.

use axum::response::Response;
use countersign::Shown;
use countersign::http::Problem;
use countersign::user::ProfileChange;

use super::{Page, Sent, Visit, new_passwords};

pub(super) fn page(visit: &Visit, sent: &Sent) -> Response {
    join(visit, &sent.token, "")
}

pub(super) async fn send(visit: Visit, sent: Sent) -> Result<Response, Problem> {
    let password = match sent.new_password() {
        Ok(password) => password,
        Err(said) => return Ok(join(&visit, &sent.token, said)),
    };
    let (shown, profile) = (Shown::link(&sent.token)?, ProfileChange::default());
    let joined = visit.auth.accept_invitation(&shown, profile, &password, &visit.peer).await;
    if let Some(said) = visit.refusal(joined.map(drop))? {
        return Ok(join(&visit, &sent.token, &said));
    }
    Ok(visit.done("Welcome", "Your password is set. Log in with your address."))
}

fn join(visit: &Visit, token: &str, problem: &str) -> Response {
    visit.show(&Page {
        title: "Choose a password",
        text: &["You are invited. Choose a password for your account."],
        problem,
        action: "invitation",
        token,
        fields: &new_passwords(),
        button: "Choose it",
        ..Page::default()
    })
}

//! `/account/invitation`: whoever is invited chooses the first password.

use axum::body::Body;
use axum::extract::{RawQuery, State};
use axum::http::HeaderMap;
use axum::response::Response;
use countersign::Shown;
use countersign::http::Code;
use countersign::password::Password;
use countersign::user::ProfileChange;

use super::{Page, Place, Seen, Sent, new_passwords};

pub(super) async fn page(State(place): State<Place>, RawQuery(query): RawQuery) -> Response {
    let sent = Sent::read(query.unwrap_or_default().as_bytes());
    join(&place, &sent.token, "")
}

pub(super) async fn send(
    State(place): State<Place>,
    Seen(peer): Seen,
    headers: HeaderMap,
    body: Body,
) -> Response {
    if let Err(problem) = place.let_in(&headers, &peer) {
        return place.refused(&problem);
    }
    let sent = Sent::arrive(body).await;
    if sent.password != sent.again {
        return join(&place, &sent.token, "The two passwords differ.");
    }
    let Ok(password) = Password::parse(sent.password) else {
        return join(&place, &sent.token, "Write a password of at most 1,024 bytes.");
    };
    let profile = ProfileChange::default();
    let accepted = match Shown::link(&sent.token) {
        Ok(shown) => place.auth.accept_invitation(&shown, profile, &password, &peer).await,
        Err(problem) => Err(problem),
    };
    match accepted {
        Ok(_) => place.done("Welcome", &["Your password is set. Log in with your address."]),
        Err(problem) if problem.code() == Code::ValidationError => {
            let said = problem.field_errors().map(|(_, said)| said);
            join(&place, &sent.token, &said.collect::<Vec<_>>().join(" "))
        }
        Err(problem) => place.refused(&problem),
    }
}

fn join(place: &Place, token: &str, problem: &str) -> Response {
    place.show(&Page {
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

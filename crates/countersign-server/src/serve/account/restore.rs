//! `/account/restore`: whoever asked to be deleted comes back.

use axum::body::Body;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use countersign::http::Code;
use countersign::password::Password;

use super::{CURRENT, Field, Page, Place, Seen, Sent};

pub(super) async fn page(State(place): State<Place>) -> Response {
    ask(&place, "")
}

pub(super) async fn send(
    State(place): State<Place>,
    Seen(peer): Seen,
    headers: HeaderMap,
    body: Body,
) -> Response {
    // The password is throttled as at a login.
    if let Err(problem) = place.auth.check_origin(&headers) {
        return place.refused(&problem);
    }
    let sent = Sent::arrive(body).await;
    let Ok(password) = Password::parse(sent.password) else {
        return ask(&place, WRONG);
    };
    if sent.login.trim().is_empty() || sent.login.chars().count() > 254 {
        return ask(&place, WRONG);
    }
    match place.auth.restore_account(sent.login.trim(), &password, &peer).await {
        Ok(()) => place.done("Your account is kept", &["Log in as before."]),
        Err(problem) if problem.code() == Code::InvalidCredentials => ask(&place, WRONG),
        Err(problem) => place.refused(&problem),
    }
}

fn ask(place: &Place, problem: &str) -> Response {
    place.show(&Page {
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

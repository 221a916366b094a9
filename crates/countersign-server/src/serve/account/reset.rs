//! `/account/reset`: a new password, by mail.

use axum::body::Body;
use axum::extract::{RawQuery, State};
use axum::http::HeaderMap;
use axum::response::Response;
use countersign::Shown;
use countersign::http::Code;
use countersign::password::Password;
use countersign::token::Purpose;

use super::{Field, Page, Place, Seen, Sent, new_passwords};

pub(super) async fn page(State(place): State<Place>, RawQuery(query): RawQuery) -> Response {
    let sent = Sent::read(query.unwrap_or_default().as_bytes());
    if sent.token.is_empty() { ask(&place, "") } else { choose(&place, &sent.token, "") }
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
    if sent.token.is_empty() {
        if sent.login.trim().is_empty() || sent.login.chars().count() > 254 {
            return ask(&place, "Write your address or your user name.");
        }
        return match place.auth.request_password_reset(sent.login.trim(), &peer).await {
            Ok(()) => place.done(
                "Look into your mail",
                &["If there is an account, a mail with a link is on its way to its address."],
            ),
            Err(problem) => place.refused(&problem),
        };
    }
    if sent.password != sent.again {
        return choose(&place, &sent.token, "The two passwords differ.");
    }
    let Ok(password) = Password::parse(sent.password) else {
        return choose(&place, &sent.token, "Write a password of at most 1,024 bytes.");
    };
    let changed = match Shown::link(&sent.token) {
        Ok(shown) => {
            let purpose = Purpose::ResetPassword;
            place.auth.confirm_password_reset(purpose, &shown, &password, &peer).await
        }
        Err(problem) => Err(problem),
    };
    match changed {
        Ok(()) => place.done(
            "Your password is changed",
            &["All devices were logged out. Log in with the new password."],
        ),
        Err(problem) if problem.code() == Code::ValidationError => {
            let said = problem.field_errors().map(|(_, said)| said);
            choose(&place, &sent.token, &said.collect::<Vec<_>>().join(" "))
        }
        Err(problem) => place.refused(&problem),
    }
}

fn ask(place: &Place, problem: &str) -> Response {
    place.show(&Page {
        title: TITLE,
        text: &["We send a link to the address of your account."],
        problem,
        action: "reset",
        fields: &[Field::text("login", "E-mail address or user name", "username")],
        button: "Send the link",
        ..Page::default()
    })
}

fn choose(place: &Place, token: &str, problem: &str) -> Response {
    place.show(&Page {
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

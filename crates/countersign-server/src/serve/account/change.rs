//! `/account/change`: a new address is confirmed.

use axum::body::Body;
use axum::extract::{RawQuery, State};
use axum::http::HeaderMap;
use axum::response::Response;
use countersign::Shown;
use countersign::http::Code;
use countersign::password::Password;

use super::{CURRENT, Field, Page, Place, Seen, Sent};

pub(super) async fn page(State(place): State<Place>, RawQuery(query): RawQuery) -> Response {
    let sent = Sent::read(query.unwrap_or_default().as_bytes());
    confirm(&place, &sent.token, "")
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
    let password = match sent.password.as_str() {
        "" => None,
        _ => match Password::parse(sent.password.clone()) {
            Ok(password) => Some(password),
            Err(_) => return confirm(&place, &sent.token, "This is not the password."),
        },
    };
    let changed = match Shown::link(&sent.token) {
        Ok(shown) => {
            place.auth.confirm_email_change(&shown, password.as_ref(), &headers, &peer).await
        }
        Err(problem) => Err(problem),
    };
    match changed {
        Ok(()) => place.done("Your address is changed", &["From now on it is this one."]),
        Err(problem) if problem.code() == Code::ValidationError => {
            let said = problem.field_errors().map(|(field, said)| match (field, said) {
                ("password", "This field is required.") => "Write your password.".to_owned(),
                _ => said.to_owned(),
            });
            confirm(&place, &sent.token, &said.collect::<Vec<_>>().join(" "))
        }
        Err(problem) => place.refused(&problem),
    }
}

fn confirm(place: &Place, token: &str, problem: &str) -> Response {
    let help = "Not needed in the browser in which you asked for the change.";
    let field =
        Field { required: false, ..Field::password("password", "Your password", CURRENT, help) };
    place.show(&Page {
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

//! `/account/verify`: an address is proved.

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
    prove(&place, &sent.token, "")
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
            Err(_) => return prove(&place, &sent.token, "This is not the password."),
        },
    };
    let proved = match Shown::link(&sent.token) {
        Ok(shown) => place.auth.verify_email(&shown, password.as_ref(), &peer).await,
        Err(problem) => Err(problem),
    };
    match proved {
        Ok(()) => place.done("Your address is confirmed", &[
            "Log in where you registered. If your password is not taken there, choose a new one: \
             somebody else may have registered with your address before you confirmed it.",
        ]),
        Err(problem) if problem.code() == Code::ValidationError => {
            prove(&place, &sent.token, "This is not the password of your registration.")
        }
        Err(problem) => place.refused(&problem),
    }
}

fn prove(place: &Place, token: &str, problem: &str) -> Response {
    let help = "Without it the password must be chosen anew.";
    let field = Field {
        required: false,
        ..Field::password("password", "The password of your registration", CURRENT, help)
    };
    place.show(&Page {
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

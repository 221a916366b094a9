//! `/account/undo`: a change of the address is taken back.

use axum::body::Body;
use axum::extract::{RawQuery, State};
use axum::http::HeaderMap;
use axum::response::Response;
use countersign::Shown;
use countersign::http::Code;

use super::{Page, Place, Seen, Sent};

pub(super) async fn page(State(place): State<Place>, RawQuery(query): RawQuery) -> Response {
    let sent = Sent::read(query.unwrap_or_default().as_bytes());
    ask(&place, &sent.token, "")
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
    let undone = match Shown::link(&sent.token) {
        Ok(shown) => place.auth.undo_email_change(&shown, &peer).await,
        Err(problem) => Err(problem),
    };
    match undone {
        Ok(()) => place.show(&Page {
            title: "It is undone",
            text: &[
                "Your account has the former address again, and every device was logged out.",
                "Nobody can log in with the password of before. Choose a new one now.",
            ],
            next: "reset",
            next_says: "Choose a new password",
            ..Page::default()
        }),
        Err(problem) if problem.code() == Code::ValidationError => {
            ask(&place, &sent.token, "Another account has this address by now.")
        }
        Err(problem) => place.refused(&problem),
    }
}

fn ask(place: &Place, token: &str, problem: &str) -> Response {
    place.show(&Page {
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
